"""How often the two alarms of estimates are right and wrong, and how often their intervals hold, on simulated streams."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from assay.estimate.ratio import Ratio
from assay.estimate.rows import Encoding, Rows
from assay.monitor.guess import Guesses
from assay.monitor.incident import Window
from assay.monitor.setting import Cadence
from assay.verbs.config import read
from assay.verbs.monitor.overlap import Edges, Recent, clustered
from assay.verbs.monitor.stream import Job
from tests.verbs.monitor.test_estimated import START, rows, written

ROWS = 250


def watched(job: Job, seed: int, days: int, **changed) -> tuple[list[tuple[str, int]], Guesses]:
    """Return the pages of a stream by kind and day, and the guesses after it; ``changed`` gives for a day what its rows are like."""
    rng, state, pages = np.random.default_rng(seed), Guesses(), []
    windows, tables = [], []
    for day in range(days):
        found = rows(rng, ROWS, **{name: change(day) for name, change in changed.items()})
        start = START + dt.timedelta(days=day)
        windows.append(Window(start.isoformat(), (start + dt.timedelta(days=1)).isoformat(), day))
        tables.append(pa.table({"id": np.arange(ROWS) + day * ROWS, "at": pa.array([start] * ROWS, pa.timestamp("us", "UTC")), **found}))
        labelled = [(windows[day - 1], tables[day - 1])] if day else []
        cases = [SimpleNamespace(open=False, sources=())]
        state, alerts = job.estimation.step(state, windows[day], tables[day], labelled, cases, seen=day)
        pages += [(each.kind, day) for each in alerts if each.page]
    return pages, state


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    return Job(read(written(tmp_path_factory.mktemp("often"))))


@pytest.mark.slow
def test_a_planted_fall_and_a_planted_concept_shift_are_told_apart(job):
    fallen, _ = watched(job, 1, 20, hard=lambda day: day >= 14)
    assert [kind for kind, _ in fallen] == ["estimate"]
    assert 14 <= fallen[0][1] <= 17
    turned, _ = watched(job, 2, 22, turned=lambda day: 0.4 * (day >= 14))
    assert [kind for kind, _ in turned] == ["concept"]
    assert 15 <= turned[0][1] <= 20


@pytest.mark.slow
@pytest.mark.parametrize("name", ["no shift", "a shift that harms nobody"])
def test_false_alarms_keep_to_the_budget_and_intervals_hold(job, name):
    shifted = (lambda day: False) if name == "no shift" else (lambda day: day >= 20)
    found = [watched(job, seed, 70, small=shifted) for seed in range(10, 14)]
    pages = [each for some, _ in found for each in some]
    assert len(pages) <= 2   # 4 x 58 days at 1 in 600 for each of two alarms: .8 are allowed on average
    inside = [guess.inside for _, state in found for past in state.past[20:] if (guess := past.guesses["accuracy"]).realised is not None]
    assert 0.90 <= np.mean(inside) <= 0.99
    assert not any(past.refusal for _, state in found for past in state.past)


def test_windows_of_one_weather_are_known_for_what_they_are():
    rng = np.random.default_rng(3)
    day = np.repeat(np.arange(12), 150)
    weather = rng.normal(size=(12, 3))[day]
    own = rng.normal(size=(len(day), 3))
    moments = day * 86_400_000_000
    for features, wanted in ((weather, True), (own, False)):
        reference = Rows(features, (own[:, 0] > 0).astype(int), label=(rng.random(len(day)) < 0.5).astype(int), classes=2)
        assert clustered(reference, moments, 86_400_000_000) == wanted
        assert not clustered(reference, None, 86_400_000_000)


def test_how_far_labelled_rows_reach():
    table = pa.table({"x": np.arange(4000.0), "c": ["a"] * 3990 + ["b"] * 10})
    encoding = Encoding.of(table, ["x", "c"])
    edges = Edges.of(Rows(encoding.matrix(table), np.zeros(4000), categorical=encoding.categorical), encoding)
    later = pa.table({"x": [20.0, 18.0, 3985.0, 100.0, None], "c": ["a", "a", "a", "b", "new"]})
    found = Rows(encoding.matrix(later), np.zeros(5), categorical=encoding.categorical)
    assert edges.beyond(found).tolist() == [[False, False], [True, False], [True, False], [False, True], [False, True]]
    assert edges.words(found)[0] == "unlike anything labelled: x above 3,980 (40 % of the rows)"


def test_weights_are_found_anew_at_every_fourth_window_and_a_restart_changes_none():
    rng, cadence = np.random.default_rng(4), Cadence()
    days = [Rows(rng.normal(day, 1, (120, 2)), np.zeros(120)) for day in range(50)]
    begin = dt.datetime(2024, 3, 1, tzinfo=dt.UTC)
    every = pa.table({"day": np.repeat(np.arange(50), 120), "at": [begin + dt.timedelta(days=day) for day in range(50) for _ in range(120)]})
    asked = []

    def weigh(rows):
        asked.append(len(rows))
        return Ratio(rows.features[:, 0], np.ones(len(rows)), 0.5)

    def window(day):
        return Window((begin + dt.timedelta(days=day)).isoformat(), (begin + dt.timedelta(days=day + 1)).isoformat(), day)

    def behind(at, span, rest):
        return every.filter(pa.array(np.array(every["day"]) < at.number))

    def recent():
        return Recent(lambda table: days[table["day"][0].as_py()] if table.num_rows else None, cadence, "at")

    whole, found = recent(), {}
    for day in range(50):
        found[day] = whole.ratio(window(day), days[day], behind, weigh).weight
    assert len(asked) == 13
    assert asked[-1] == 29 * 53
    assert {round(float(each.mean())) for each in found.values()} == {0, 2, 4, 6, 8, 10, 12, 14, 18, 22, 26, 30, 34}
    for day in (1, 30, 31, 43, 48):   # begun anew there
        assert np.array_equal(recent().ratio(window(day), days[day], behind, weigh).weight, found[day])
