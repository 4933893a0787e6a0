"""Causes beside what blocks and pages: the planted one is named, and nothing that goes wrong in looking for it changes a verdict."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import assay
from assay.errors import PredictionError


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    random = np.random.default_rng(5)
    n = 4000
    x, z = random.random(n), random.random(n)
    port = np.where(random.random(n) < 0.4, "B", "A")
    return pa.table({"x": x, "z": z, "port": port, "late": (random.random(n) < x).astype(int)})


def old(batch: pa.RecordBatch) -> Any:
    return batch.column("x").to_numpy()


def new(batch: pa.RecordBatch) -> Any:
    """Turned round by z, at one port."""
    at = np.asarray(batch.column("port").to_pylist()) == "B"
    x, z = batch.column("x").to_numpy(), batch.column("z").to_numpy()
    return np.where(at & (z > 0.5), 1 - x, x)


def test_a_blocked_slice_says_why(rows: pa.Table) -> None:
    run = assay.gate(new, rows, champion=old, label="late", task="binary", classes=[0, 1], slices=["port"])
    blocked = [each for each in run.verdicts if each.verdict == "fail" and each.slice]
    assert blocked
    assert all(each.slice == {"port": "B"} for each in blocked)
    assert all("why, of " in each.sentence for each in blocked)
    why = {each.column: each for each in run.values if each.metric == "accuracy change" and each.slice == {"port": "B"}}
    assert (why["port"].high or 0) < 0   # z does harm at one value and none at the other: by itself, on average, nothing
    assert abs(sum(each.value or 0.0 for each in why.values())
               - next(each.value or 0.0 for each in run.values if each.metric == "accuracy" and each.slice == {"port": "B"}
                      and each.against == "champion")) < 1e-9
    assert [each for each in run.figures if each.kind == "waterfall"]
    assert assay.Run.from_json(run.to_json()).verdicts == run.verdicts


def test_without_a_fall_nothing_is_explained(rows: pa.Table) -> None:
    run = assay.gate(old, rows, champion=old, label="late", task="binary", classes=[0, 1], slices=["port"])
    assert not [each for each in run.values if each.metric.endswith(" change")]


def test_what_cannot_be_explained_leaves_the_verdict(rows: pa.Table, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise PredictionError("the model was asked too often")

    monkeypatch.setattr("assay.verbs.explain.cause.versus", broken)
    run = assay.gate(new, rows, champion=old, label="late", task="binary", classes=[0, 1], slices=["port"])
    assert run.verdict == "fail"
    assert any("asked too often" in each for each in run.notes)


def test_forbidden_columns_and_their_proxies_are_named(rows: pa.Table) -> None:
    random = np.random.default_rng(1)
    group = np.where(random.random(rows.num_rows) < 0.5, "f", "m")
    height = random.normal(0.3, 0.05, rows.num_rows) + 0.4 * (group == "m")
    table = rows.append_column("group", [group]).append_column("height", [height])

    def tall(batch: pa.RecordBatch) -> Any:
        return np.clip(0.7 * batch.column("x").to_numpy() + 0.3 * batch.column("height").to_numpy(), 0, 1)

    given: dict[str, Any] = {"champion": tall, "label": "late", "task": "binary", "classes": [0, 1], "forbidden": ["group"],
                             "features": ["x", "z", "height"]}
    named = [each for each in assay.gate(tall, table, **given).verdicts if each.check == "forbidden influence"]
    assert [each.verdict for each in named] == ["warn"]
    assert "height tells the forbidden column group" in named[0].sentence
    judged = assay.gate(tall, table, justified={"height": "the seat must fit"}, **given)
    assert not [each for each in judged.verdicts if each.check == "forbidden influence"]
    assert any("justified: the seat must fit" in each for each in judged.notes)
