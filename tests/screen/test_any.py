"""No screen fails on a table, whatever is in it, and none says more than it may."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assay
from assay.screen import SCREENS, Screen
from assay.summary.hashing import row_hashes
from assay.summary.target import Target
from tests.screen.studies import BINARY, replaced, study
from tests.strategies.data import tables

ALL = [SCREENS[name] for name in SCREENS]
ASKS = [each for each in ALL if "model" in each.wants or each.name == "gain_over_baseline"]  # slow: they ask a model again, or fit some
LABEL = "the label"
WORDS = [first + second for first in ("ba", "ko", "li", "mu", "te", "wa") for second in ("n", "rt", "sh", "lo", "di")]
BASELINES = {"majority", "one rule", "linear", "small tree"}


def looked(of, screen: Screen) -> None:
    if screen.missing(of) is not None:
        return
    values = screen.values(of)
    assert len({each.column for each in values}) == len(values)
    for each in values:
        assert each.column is None or each.column in of.schema or (screen.name == "gain_over_baseline" and each.column in BASELINES)
        if each.value is None:
            assert each.note
        else:
            assert np.isfinite(each.value)
            assert screen.limits[0] <= each.value <= screen.limits[1]
            assert each.low <= each.value <= each.high


def answer(batch: pa.RecordBatch) -> np.ndarray:
    """A model that answers something else to every row, whatever is in it."""
    return row_hashes(list(batch.columns)).astype(np.float64) / 2.0**64


def drawn(data, one: pa.Table, other: pa.Table):
    """Return the study of two tables, with or without a model and what else a study may have."""
    times = data.draw(st.sampled_from([1, 40]))   # as many rows as a screen needs to say something
    protected, forbidden = data.draw(st.permutations([*one.column_names, *one.column_names]))[:2]
    rng = np.random.default_rng(0)
    both = []
    for table in (one, other):
        rows = len(table) * times
        label = rng.integers(0, 2, rows) if data.draw(st.booleans()) else pa.array([None] * rows, pa.int64())
        both.append(replaced(pa.concat_tables([table] * times), **{LABEL: label}))
    names = [name for name in both[0].column_names if name in both[1].column_names]
    # tables of different columns, and of the same names with other types, are what a careless delivery is
    here, there = both[0], replaced(both[1].select(names), **{name: both[0][name].slice(0, 1).combine_chunks().take(
        pa.array(np.zeros(len(both[1]), np.int64))) for name in both[0].column_names if name not in names})
    target = data.draw(st.sampled_from([BINARY, Target("regression"), None]))
    roles = {"protected": [protected], "forbidden": [] if forbidden == protected else [forbidden]}
    model = assay.load(answer, task=target.task, name="any") if target else None
    return study(here, there, there, label=LABEL, target=target, model=model, **roles)


@settings(max_examples=60)
@given(st.data(), tables(most=12), tables(most=12))
def test_arbitrary_tables_are_read(data, one: pa.Table, other: pa.Table) -> None:
    of = drawn(data, one, other)
    for screen in ALL:
        if screen not in ASKS:
            looked(of, screen)


@settings(max_examples=60)
@given(st.data(), tables(most=12), tables(most=12))
def test_arbitrary_tables_are_put_to_a_model(data, one: pa.Table, other: pa.Table) -> None:
    of = drawn(data, one, other)
    for screen in ASKS:
        looked(of, screen)


@pytest.fixture(scope="module")
def whole():
    """A study that has everything a screen may want."""
    rng = np.random.default_rng(0)
    tables = []
    for start in (0, 400):
        x = rng.normal(size=400)
        tables.append(pa.table({
            "row": np.arange(start, start + 400), "who": rng.integers(0, 60, 400) + start // 10, "x": x, "ward": np.where(x > 0, "north", "south"),
            "note": [" ".join(rng.choice(WORDS, 12)) for _ in range(400)],
            "near": x + rng.normal(size=400), "known": np.arange(400).astype("datetime64[s]"), "when": np.arange(5, 405).astype("datetime64[s]"),
            "late": (x + rng.normal(size=400) > 0).astype(np.int64)}))
    return study(*tables, tables[1], model=assay.load(answer, task="binary", features=["x", "ward", "near"], name="any"), label="late", id="row", entity="who",
                 protected=["ward"], forbidden=["near"], timestamp="when", available_at={"x": "known"})


@pytest.mark.parametrize("name", list(SCREENS))
def test_every_screen_sees_something(whole, name: str) -> None:
    """Each screen that there is, third parties' among them, looks at a study that lacks nothing."""
    screen = SCREENS[name]
    assert screen.missing(whole) is None
    assert [each for each in screen.values(whole) if each.value is not None]
    looked(whole, screen)
