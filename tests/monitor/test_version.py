"""Versions set side by side: shares against a plain count, repeated answers against a plain double loop, and who is named."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from assay.monitor.baseline import Season
from assay.monitor.version import Usual, Versions, compared, step


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    x = rng.normal(size=900)
    table = pa.table({"x": x, "kind": rng.choice(["p", "q"], 900)})
    who = rng.choice(["a", "b"], 900, p=[0.7, 0.3])
    return table, x, who, Usual.of(table, ["x", "kind"], x)


def test_missing_answers_are_roots_of_weighed_shares(rows):
    table, x, who, usual = rows
    number = np.where((who == "a") & (np.arange(900) % 10 == 0), np.nan, x)
    found = compared(usual, table, number, who.tolist())
    cells = usual.strata.cells(table)
    mine, other, total = 0.0, 0.0, 0.0
    for cell in set(cells.tolist()):
        a, b = ((cells == cell) & (who == name) for name in "ab")
        if a.any() and b.any():
            weight = a.sum() * b.sum() / (a.sum() + b.sum())
            mine, other, total = (mine + weight * np.isnan(number[a]).mean(), other + weight * np.isnan(number[b]).mean(), total + weight)
    assert found.plain["a", "silence"] == pytest.approx((mine / total, other / total))
    assert found.streams["a", "silence"][0] == pytest.approx(math.asin(math.sqrt(mine / total)))
    assert found.streams["b", "silence"][0] == pytest.approx(-found.streams["a", "silence"][0])


def test_repeated_answers_are_counted_over_unlike_rows(rows):
    table, x, who, usual = rows
    number = x.round(1)
    cells = usual.strata.cells(table)
    mine = np.flatnonzero(who == "b")
    naive = sum(number[i] == number[j] and cells[i] != cells[j] for i in mine for j in mine) / len(mine) ** 2
    assert compared(usual, table, number, who.tolist()).plain["b", "repeats"][0] == pytest.approx(naive)
    constant = np.where(who == "b", 0.3, x)
    own, other = compared(usual, table, constant, who.tolist()).plain["b", "repeats"]
    assert own > 0.5
    assert other == 0.0


@pytest.mark.parametrize("kind", ["constant", "missing"])
def test_a_version_that_is_broken_is_named_within_two_windows(kind):
    rng = np.random.default_rng(1)
    memory, paged = Versions(), None
    for at in range(40):
        x = rng.normal(size=900)
        table = pa.table({"x": x})
        if memory.usual is None:
            memory = replace(memory, usual=Usual.of(table, ["x"], x))
        who = rng.choice(["a", "b", "c"], 900, p=[0.6, 0.3, 0.1])
        number = x + (who == "b") * 0.1
        if at >= 36:
            number = np.where(who == "b", 0.0 if kind == "constant" else np.where(rng.random(900) < 0.1, np.nan, number), number)
        memory, told = step(memory, compared(memory.usual, table, number, who.tolist()), alpha=0.1 / 30, season=Season(), learning=21)
        if told.page is not None and paged is None:
            paged = at, told.version
    assert paged is not None
    assert paged[0] in (36, 37)
    assert paged[1] == "b"
