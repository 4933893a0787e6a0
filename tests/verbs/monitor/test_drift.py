"""Distances between a reference and what a monitor remembers, against a plain computation on all rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.spatial.distance import jensenshannon

import assay
from assay.engine import Plan
from assay.engine import run as engine
from assay.monitor.reading import Seen, Table, learned, needs
from assay.verbs.monitor.drift import distance, sketched

KINDS = {"x": "number", "c": "category"}


def frame(n, seed, shift=0.0, names="abcd", weights=None):
    rng = np.random.default_rng(seed)
    return pa.table({"x": rng.normal(shift, 1, n), "c": rng.choice(list(names), n, p=weights)})


def remembered(tables):
    seen = {}
    for table in tables:
        profile = engine(Plan.of([(need, None) for need in needs(KINDS)]), assay.source(table), workers=1)
        seen = learned(seen, [Table.of(profile, "data", list(KINDS))])
    return seen


@pytest.mark.parametrize("shift", [0.3, 1.0, 5.0])
def test_numbers(shift):
    reference, now = frame(50_000, 0), [frame(2_000, each + 1, shift) for each in range(5)]
    seen = remembered(now)["data", "x"]
    cuts = [-np.inf, *seen.edges, np.inf]
    plain = jensenshannon(np.histogram(reference["x"].to_numpy(), cuts)[0], np.histogram(np.concatenate([each["x"].to_numpy() for each in now]), cuts)[0], base=2)
    assert distance(sketched(assay.source(reference), KINDS)["x"], seen) == pytest.approx(plain, abs=0.02)


def test_categories():
    reference, now = frame(50_000, 0), [frame(2_000, each + 1, names="abce", weights=[0.7, 0.1, 0.1, 0.1]) for each in range(5)]
    found = distance(sketched(assay.source(reference), KINDS)["c"], remembered(now)["data", "c"])
    plain = jensenshannon([0.25, 0.25, 0.25, 0.25, 0], [0.7, 0.1, 0.1, 0, 0.1], base=2)
    assert found == pytest.approx(plain, abs=0.03)


def test_nothing_moves_and_nothing_in_common():
    sketch = sketched(assay.source(frame(50_000, 0)), KINDS)
    same = remembered([frame(300, each + 1) for each in range(10)])
    assert all(distance(sketch[name], same["data", name]) < 0.05 for name in KINDS)
    other = remembered([frame(300, each + 1, 50.0, "xyz") for each in range(10)])
    assert distance(sketch["c"], other["data", "c"]) == pytest.approx(1.0, abs=0.01)
    assert distance(sketch["x"], other["data", "x"]) > 0.85    # all of the reference in one bin of ten, which a tenth of today shares


def test_what_says_nothing():
    sketch = sketched(assay.source(frame(100, 0)), KINDS)
    assert distance(sketch["x"], Seen()) is None
    assert sketched(assay.source(frame(100, 0)), {"nothing": "number"}) == {}
