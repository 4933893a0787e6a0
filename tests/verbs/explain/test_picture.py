"""Pictures of attributions: their numbers are the plain ones, their steps add up, and nobody's row is in them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from assay.errors import DataError
from assay.explain.attribution import Attributions
from assay.result import FEWEST_SHOWN, Figure, Spread, Value
from assay.verbs.explain.picture import STEPS, beeswarm, sensitivity, waterfall

RNG = np.random.default_rng(11)
N = 2_000
X = RNG.gamma(2.0, size=N)
TOWN = RNG.choice(["Rome", "Oslo", "Bern"], N, p=[0.6, 0.399, 0.001])
ROWS = pa.record_batch({"x": X, "few": RNG.integers(0, 4, N), "town": TOWN, "nothing": pa.nulls(N, pa.float64())})
CURVE = np.sin(X)
VALUES = np.column_stack([CURVE + RNG.normal(0, 0.1, N), RNG.normal(size=N), (TOWN == "Rome") * 1.0, np.zeros(N)])
MADE = Attributions(tuple(ROWS.schema.names), VALUES, 0.5, VALUES.sum(axis=1) + 0.5, "score", "sampled")


def test_steps_add_up_whatever_is_left_out() -> None:
    values = [Value.of("contribution", Spread("exact", float(each)), n=1, column=f"c{place}") for place, each in enumerate(RNG.normal(size=30))]
    figure = waterfall(values, [str(each.column) for each in values], start=0.25, start_name="a", end_name="b", title="t")
    assert figure.rows == STEPS + 1
    assert figure.table["column"][-1] == "18 other columns"
    assert sum(figure.table["contribution"]) == pytest.approx(sum(each.value for each in values))
    assert figure.mark == 0.25


def test_a_waterfall_starts_somewhere() -> None:
    with pytest.raises(DataError, match="starts nowhere"):
        Figure("w", "waterfall", "t", {"x": ("a",), "y": (1.0,)}, "x", ("y",))
    with pytest.raises(DataError, match="parent"):
        Figure("t", "tree", "t", {"x": ("a",), "y": (1.0,)}, "x", ("y",))


def test_a_curve_lies_by_the_truth_and_its_interval_holds_it() -> None:
    figure = sensitivity(MADE, ROWS, "x", unit="score")
    assert figure is not None
    at, mean, low, high = (np.array(figure.table[name]) for name in ("x", "influence", "low", "high"))
    assert np.abs(mean - np.sin(at)).mean() < 0.03
    assert np.abs(mean - np.sin(at)).max() < 0.25   # at the end, where few rows are and the curve bends
    held = (low <= np.sin(at)) & (np.sin(at) <= high)
    assert held.mean() > 0.7   # pointwise, and a smoother bends at the ends
    assert min(figure.table["rows"]) >= 2 * FEWEST_SHOWN
    assert at.min() > np.sort(X)[FEWEST_SHOWN - 1]
    assert at.max() < np.sort(X)[-FEWEST_SHOWN]


@pytest.mark.parametrize("name", ["few", "town"])
def test_values_that_repeat_have_their_means(name: str) -> None:
    figure = sensitivity(MADE, ROWS, name, unit="score")
    assert figure is not None
    column = np.array(ROWS.column(name).to_pylist())
    for value, mean, count, median in zip(*(figure.table[each] for each in (name, "influence", "rows", "p25")), strict=True):
        mine = MADE.column(name)[column == value]
        assert mean == pytest.approx(mine.mean())
        assert count == len(mine)
        assert median == pytest.approx(np.quantile(mine, 0.25))
    assert "Bern" not in figure.table[name]   # of two rows or so


def test_what_has_no_values_has_no_curve() -> None:
    assert sensitivity(MADE, ROWS, "nothing", unit="score") is None


def test_a_swarm_counts_every_row_but_the_rare_ones() -> None:
    figure = beeswarm(MADE, ROWS, ["x", "town"], unit="score")
    lanes = np.array(figure.table["column"])
    rows = np.array(figure.table["rows"])
    assert rows.min() >= FEWEST_SHOWN
    assert rows[lanes == "x"].sum() >= 0.97 * N
    assert rows[lanes == "town"].sum() == N
    assert all(each is None for each, lane in zip(figure.table["value"], lanes, strict=True) if lane == "town")   # a town has no rank
    known = [(at, value) for at, value, lane in zip(figure.table["influence"], figure.table["value"], lanes, strict=True) if lane == "x"]
    assert min(known)[1] > max(known)[1]   # sin falls where x is large
