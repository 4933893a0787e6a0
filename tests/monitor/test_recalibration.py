"""Intervals learn from windows whose labels came: the textbook quantile, adaptive, and honest about few windows."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.monitor.recalibration import ENOUGH, FEWEST, KEPT, MISS, Calibration

scores = st.lists(st.floats(0, 50), min_size=0, max_size=KEPT)


@given(scores)
def test_the_half_width_is_the_conformal_quantile(found):
    made = Calibration(tuple(found))
    if len(found) < ENOUGH:
        assert made.half == max([1.959963984540054, *found])
    else:
        rank = math.ceil(round((len(found) + 1) * (1 - MISS), 6))   # the naive definition: so many scores lie at or below it
        assert sum(each <= made.half for each in found) >= min(rank, len(found))
        assert sum(each < made.half for each in found) < rank


@given(scores)
def test_it_survives_the_store(found):
    made = Calibration(tuple(found), 0.03)
    assert Calibration.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_few_windows_say_nothing_strange():
    made = Calibration()
    for _ in range(FEWEST - 1):
        made = made.taken(0.5, missed=False)
    assert made.surprise(9.0) is None
    made = made.taken(0.5, missed=False)
    assert made.surprise(9.0) < 1e-3
    assert made.surprise(0.0) == pytest.approx(0.5)


def test_what_windows_are_used_to_is_no_surprise():
    calm, wild = Calibration((0.6,) * 50), Calibration((4.0,) * 50)
    assert calm.surprise(4.0) < 0.01
    assert wild.surprise(4.0) > 0.2
    assert Calibration((0.6,) * 40 + (40.0,) * 10).noise == 1.0   # a few that were far off do not blind it


def covered(draw, windows: int, *, adaptive: bool = True) -> np.ndarray:
    """Return which of a series' windows were covered by the intervals that stood before their labels."""
    made, found = Calibration(), []
    for at in range(windows):
        score = abs(draw(at))
        inside = score <= made.half
        found.append(inside)
        made = made.taken(score, missed=not inside)
        if not adaptive:
            made = Calibration(made.scores)
    return np.array(found)


@pytest.mark.parametrize(("name", "scale"), [("as it should be", 1.0), ("errors twice as large as said", 2.0), ("half as large", 0.5)])
def test_recalibrated_intervals_hold(name, scale):
    rng = np.random.default_rng(1)
    held = np.concatenate([covered(lambda at: scale * rng.normal(), 160)[60:] for _ in range(40)])
    assert 0.935 <= held.mean() <= 0.97, (name, held.mean())


def test_heavy_tails_are_held_where_the_normal_quantile_fails():
    rng = np.random.default_rng(2)
    held = np.concatenate([covered(lambda at: 1.5 * rng.standard_t(3), 160)[60:] for _ in range(40)])
    assert 0.935 <= held.mean() <= 0.97
    assert (np.abs(1.5 * rng.standard_t(3, 20_000)) <= 1.96).mean() < 0.8


@pytest.mark.slow
def test_when_errors_grow_the_adaptive_level_recovers_sooner():
    rng = np.random.default_rng(3)

    def after(adaptive: bool) -> float:
        return float(np.mean([covered(lambda at: (3.0 if at >= 100 else 1.0) * rng.normal(), 200, adaptive=adaptive)[110:160].mean()
                              for _ in range(200)]))

    plain, moving = after(False), after(True)
    assert moving > plain + 0.01
    assert moving > 0.88
