"""Checks over many windows: what creeps is paged once, within a budget that repeated looks do not spend faster."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from assay.verbs.check import check
from assay.verbs.config import read
from assay.verbs.monitor import monitor, schedule
from tests.verbs.monitor.test_monitor import START, config, of, told

ROWS, DAYS = 120, 70
CONFIG = """\
columns: {label: late, id: id, timestamp: at, score: score, protected: sex}
task: binary
classes: [0, 1]
positive: 1
monitor:
  estimate: false
  label_delay: 2d
  false_pages: 1 per 30d
  scheduled:
    - {checks: ["selection_rate ratio by sex >= 0.8"], every: 7d, over: 28d}
"""


def creeping(days=DAYS, since=30, slope=0.018, seed=0):
    """Return days in which women are selected ever less often from a day on: less than a day's noise each day."""
    rng = np.random.default_rng(seed)
    n = days * ROWS
    day = np.repeat(np.arange(days), ROWS)
    sex = rng.choice(["f", "m"], n)
    chance = np.where(sex == "m", 0.4, 0.4 * np.clip(1 - slope * np.maximum(day - since, 0), 0.2, 1))
    score = np.where(rng.random(n) < chance, rng.uniform(0.5, 1, n), rng.uniform(0, 0.5, n))
    at = [START + dt.timedelta(days=int(d), minutes=int(m)) for d, m in zip(day, rng.integers(0, 1440, n), strict=True)]
    return pa.table({"id": np.arange(n), "at": pa.array(at, pa.timestamp("us", "UTC")), "sex": sex, "score": score, "late": (rng.random(n) < score).astype(int)})


@pytest.fixture(scope="module")
def replayed(tmp_path_factory):
    return monitor.replay(config(tmp_path_factory.mktemp("replay"), CONFIG), creeping())


def crept(run):
    return [each for each in run.incidents if each.source and "selection_rate" in each.source]


def test_what_creeps_is_one_page_and_stays_open(replayed):
    (page,) = crept(replayed)
    assert (page.page, page.kind, page.state) == (True, "harm", "open")
    first = dt.datetime.fromisoformat(page.first_seen)
    assert START + dt.timedelta(days=41) <= first <= START + dt.timedelta(days=63)   # the rates part at .8 on day 41
    assert "over the last 28 days" in page.sentence


def test_no_single_day_shows_it(tmp_path):
    alone = CONFIG.replace("every: 7d, over: 28d", "every: 1d, over: 1d")
    assert len([each for each in crept(monitor.replay(config(tmp_path, alone), of(creeping(), 0, 56))) if each.page]) == 0


def test_nothing_creeps_and_nothing_is_said(tmp_path):
    assert crept(monitor.replay(config(tmp_path, CONFIG), creeping(since=1000))) == []


def test_live_it_says_the_same(replayed, tmp_path):
    path = config(tmp_path, CONFIG)
    table = creeping()
    for low, high in ((0, 33), (47, DAYS), (33, 47)):
        monitor.run(path, of(table, low, high), send=False)
    assert told(monitor.status(path)) == told(replayed)


@pytest.mark.slow
def test_labels_are_looked_at_when_they_are_due(tmp_path):
    path = config(tmp_path, CONFIG.replace("selection_rate ratio by sex >= 0.8", "recall difference by sex <= 0.2"))
    table = creeping()
    monitor.run(path, table.drop_columns(["late"]), send=False)
    assert crept(monitor.status(path)) == []
    monitor.labels(path, table.select(["id", "late"]), send=False)
    again = monitor.replay(config(tmp_path / "other" if (tmp_path / "other").mkdir() is None else tmp_path, path.read_text("utf-8")), table)
    assert told(monitor.status(path)) == told(again)


@pytest.mark.slow
def test_a_default_suite_makes_tickets_only(tmp_path):
    path = config(tmp_path, CONFIG.replace('["selection_rate ratio by sex >= 0.8"]', "[default]").replace("every: 7d", "every: 28d"))
    run = monitor.replay(path, creeping(days=40))
    found = [each for each in run.incidents if each.kind == "harm"]
    assert not any(each.page for each in found)


def test_a_look_pages_at_its_part_of_the_budget_only(tmp_path):
    checks = read(config(tmp_path, CONFIG)).monitor.scheduled[0].checks
    rng = np.random.default_rng(0)

    def verdicts(ratio, n=3_000):
        sex = rng.choice(["f", "m"], n)
        score = np.where(rng.random(n) < np.where(sex == "m", 0.4, 0.4 * ratio), 0.9, 0.1)
        return check(None, pa.table({"sex": sex, "s": score}), checks=checks, positive=1, task="binary", classes=[0, 1], score="s", protected="sex").verdicts

    looks = [schedule.judged(checks, verdicts(0.8), 0.2) for _ in range(60)]   # exactly at the bound: the worst that is allowed
    assert sum(bool(each.pages) for each in looks) <= 20    # 12 expected, 20 once in a hundred
    bad = schedule.judged(checks, verdicts(0.6), 0.02)
    assert bad.pages
    assert bad.pages[0].gap < 0
    good = schedule.judged(checks, verdicts(1.0), 0.02)
    assert (good.pages, good.below, len(good.kept)) == ((), (), 1)


def test_when_a_look_is_due():
    week = dt.timedelta(days=7)
    assert not schedule.due("2026-03-01T00:00:00+00:00", "2026-03-07T00:00:00+00:00", week)
    assert schedule.due("2026-03-22T00:00:00+01:00", "2026-03-29T00:00:00+01:00", week)
    assert schedule.due("2026-03-25T00:00:00+01:00", "2026-04-01T00:00:00+02:00", week)   # an hour short, as clocks went forward
