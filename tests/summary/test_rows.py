"""Rows: all of them while they fit, then whole units, chosen without bias and whatever the order."""

from __future__ import annotations

import functools
from collections import Counter

import numpy as np
import pytest

from assay.errors import SummaryError
from assay.summary.hashing import hashes
from assay.summary.rows import Rows

RNG = np.random.default_rng(4)


def rows(keys, *columns, size=1000, weight=None, parts=1) -> Rows:
    found = []
    for part in np.array_split(np.arange(len(keys)), parts):
        found.append(Rows(width=len(columns), size=size))
        found[-1].update(keys[part], *(each[part] for each in columns), weight=None if weight is None else weight[part])
    return functools.reduce(Rows.merge, found)


def test_all_rows_are_kept_and_counted():
    keys, label, score = RNG.integers(0, 50, 900).astype(np.uint64), RNG.integers(0, 2, 900), RNG.integers(0, 5, 900) / 4
    found = rows(keys, label, score, parts=5)
    expected = Counter(zip(keys.tolist(), label.tolist(), score.tolist(), strict=True))
    mine = zip(found.keys.tolist(), found.values[:, 0].astype(int).tolist(), found.values[:, 1].tolist(), strict=True)
    assert dict(zip(mine, found.counts.tolist(), strict=True)) == expected
    assert (found.share, found.n, found.counts.sum()) == (1.0, 900, 900)


def test_units_are_in_or_out_as_a_whole_whatever_the_split():
    unit = RNG.zipf(1.5, 20_000) % 3000
    keys, value = hashes(unit), RNG.random(20_000)
    whole = rows(keys, value, size=2000)
    order = RNG.permutation(20_000)
    for parts in (1, 7, 40):
        assert rows(keys[order], value[order], size=2000, parts=parts) == whole
    assert 1000 < len(whole.counts) <= 2000
    kept = set(whole.keys.tolist())
    expected = Counter(keys.tolist())
    assert Counter(whole.keys.tolist()) == {key: expected[key] for key in kept}
    cut = whole.fields()["cut"]
    assert kept == {key for key in keys.tolist() if key < cut}  # the smallest hashes, all of them
    assert cut in set(keys.tolist())
    assert whole.share == cut / 2**64


def test_totals_of_the_sample_are_unbiased():
    """Other values make other hashes, so each repeat is another sample."""
    ratios = []
    for repeat in range(300):
        unit = repeat * 10**6 + np.repeat(np.arange(1500), RNG.integers(1, 8, 1500))
        value = unit % 97 + RNG.random(len(unit))
        found = rows(hashes(unit), value, size=500)
        ratios.append((found.counts @ found.values[:, 0]) / found.share / value.sum())
    assert abs(np.mean(ratios) - 1) < 4 * np.std(ratios) / np.sqrt(300)
    assert np.std(ratios) < 0.15


def test_weights_and_odd_values():
    keys = np.array([1, 1, 1, 2, 2, 3, 3], np.uint64)
    value = np.array([np.nan, np.nan, 1.0, 0.0, -0.0, np.inf, -np.inf])
    found = rows(keys, value, weight=np.array([0.5, 0.25, 1, 1, 1, 1, 1]), parts=3)
    assert found.counts.tolist() == [1.0, 0.75, 2.0, 1.0, 1.0]
    assert found == rows(keys[::-1], value[::-1], weight=np.array([1, 1, 1, 1, 1, 0.25, 0.5]))
    assert Rows.parse(found.dump()) == found


def test_a_unit_that_is_too_large_is_told_and_in_no_order_hidden():
    keys = np.append(np.full(2000, 5), np.arange(10, 500)).astype(np.uint64)
    value = np.arange(len(keys), dtype=float)
    for order in (np.arange(len(keys)), np.arange(len(keys))[::-1], RNG.permutation(len(keys))):
        found = rows(keys[order], value[order], size=1000, parts=4)
        found.dump()
        with pytest.raises(SummaryError, match="more than 1000 rows"):
            _ = found.values
    small = np.append(keys, np.uint64(1))  # one smaller unit fits before it
    assert rows(small, np.append(value, 0.0), size=1000, parts=3).keys.tolist() == [1]


def test_widths_must_fit():
    with pytest.raises(SummaryError):
        rows(np.array([1], np.uint64), np.ones(1)).update(np.array([1], np.uint64), np.ones((1, 2)))
    for wrong in ({"width": 0}, {"width": 1, "size": 0}, {"width": 10**6}):
        with pytest.raises(SummaryError):
            Rows(**wrong)
