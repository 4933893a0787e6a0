"""Windows before their labels: estimated, refused, scored when labels come, and the two alarms; live runs and a replay say the same."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from assay.errors import ConfigError, UnknownNameError
from assay.monitor.guess import Guesses, scored
from assay.verbs.config import read
from assay.verbs.monitor import monitor
from assay.verbs.monitor.stream import Job, Memory

ROWS, LEARNING = 250, 12
START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
CONFIG = """\
reference: reference.parquet
columns: {label: late, id: id, timestamp: at, score: score}
task: binary
classes: [0, 1]
positive: 1
monitor:
  label_delay: 1d
  learning: 12
  promises: ["accuracy >= 0.72"]
"""
# what happens to the stream, by the day on which it begins
CALM, HARD, AFTER, STRANGE, TURNED, END = 0, 16, 24, 32, 34, 48


def rows(rng, n: int, *, hard: bool = False, strange: bool = False, turned: float = 0.0, small: bool = False) -> dict:
    """Return rows of a calibrated score: ``hard`` ones are those that the reference has too, of which the score says little.

    ``small`` ones are of sizes that are rarer there, which say nothing of errors; ``turned`` of the labels are the other way round.
    """
    surely = rng.beta(0.35, 0.35, n)
    doubtful = rng.beta(4, 4, n)
    some = rng.random(n) < (0.9 if hard else 0.15)
    score = np.where(some, doubtful, surely)
    late = (rng.random(n) < score).astype(int)
    late = np.where(rng.random(n) < turned, 1 - late, late)
    return {"kind": np.where(some, "new customer", "old customer"), "size": rng.gamma(1.2 if small else 2, 2, n) + (60 if strange else 0), "score": score,
            "late": late}


def stream(days: int = END, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    parts = [rows(rng, ROWS, hard=HARD <= day < AFTER, strange=STRANGE <= day < TURNED, turned=0.35 if day >= TURNED else 0.0)
             for day in range(days)]
    found = {name: np.concatenate([each[name] for each in parts]) for name in parts[0]}
    at = [START + dt.timedelta(days=day, minutes=minute) for day in range(days) for minute in range(ROWS)]
    return pa.table({"id": np.arange(days * ROWS), "at": pa.array(at, pa.timestamp("us", "UTC")), **found})


def of(table: pa.Table, low: int, high: int, *, label: bool = True) -> pa.Table:
    bounds = [pa.scalar(START + dt.timedelta(days=each), pa.timestamp("us", "UTC")) for each in (low, high)]
    found = table.filter(pc.and_(pc.greater_equal(table["at"], bounds[0]), pc.less(table["at"], bounds[1])))
    return found if label else found.drop_columns(["late"])


def written(folder, text: str = CONFIG):
    known = rows(np.random.default_rng(99), 2500)
    at = pa.array([START - dt.timedelta(days=30)] * 2500, pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({"id": np.arange(2500) + 10**6, "at": at, **known}), folder / "reference.parquet")
    (folder / "assay.yaml").write_text(text, "utf-8")
    return folder / "assay.yaml"


def told(run):
    return sorted((each.first_seen, each.last_seen, each.page, each.sentence, each.kind, each.state) for each in run.incidents
                  if each.state != "withdrawn")


@pytest.fixture(scope="module")
def table():
    return stream()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The configuration and its reference: whichever worker has a test, they are there."""
    return written(tmp_path_factory.mktemp("estimated")).parent


@pytest.fixture(scope="module")
def replayed(folder, table):
    return monitor.replay(folder / "assay.yaml", table)


def day(incident) -> int:
    return (dt.datetime.fromisoformat(incident.first_seen) - START).days


def saying(run, words):
    return [each for each in run.incidents if words in each.sentence and each.page]


def test_what_is_estimated_to_fall_pages_before_its_labels_say_so(replayed):
    (found,) = saying(replayed, "estimated accuracy 0.6")
    assert HARD <= day(found) <= HARD + 3
    assert found.source == "model"
    assert found.state == "resolved"
    assert "estimated accuracy 0.6" in found.sentence
    assert "is below" in found.sentence
    assert "most like these labelled segments of the reference" in found.sentence
    assert "kind is new customer" in found.sentence
    assert "labels of its 250 rows would settle whether accuracy is at 0.72 (accuracy >= 0.72)" in found.sentence


def test_labels_that_disagree_page_as_concept_shift(replayed):
    (found,) = saying(replayed, "concept shift")
    assert TURNED < day(found) <= TURNED + 7
    assert found.kind == "concept"
    assert "at least 0.720 asked" in found.sentence   # one cause is one incident
    assert "labels show accuracy" in found.sentence
    assert "concept shift" in found.sentence


def test_a_window_unlike_the_reference_is_refused(replayed):
    (figure,) = [each for each in replayed.figures if each.name == "estimated accuracy"]
    shown = dict(zip(figure.table["window"], figure.table["estimated"], strict=True))
    assert [number for number, each in shown.items() if each is None] == [STRANGE + 1, STRANGE + 2]
    assert figure.points == ("realised",)
    assert figure.y == ("estimated", "realised")
    assert figure.low == ("low",)
    assert figure.table["realised"][STRANGE] is not None   # labels came all the same


def test_estimates_lie_where_labels_do_until_what_they_follow_changes(replayed):
    (figure,) = [each for each in replayed.figures if each.name == "estimated accuracy"]
    rows_ = list(zip(*(figure.table[name][:STRANGE] for name in ("estimated", "realised", "low", "high")), strict=True))
    off = np.array([estimated - realised for estimated, realised, *_ in rows_])
    assert abs(off.mean()) < 0.02
    assert np.abs(off).mean() < 0.035
    assert np.mean([low <= realised <= high for _, realised, low, high in rows_]) >= 0.85
    assert min(estimated for estimated, *_ in rows_[HARD:AFTER]) < 0.7 < max(estimated for estimated, *_ in rows_[:HARD])


def test_the_run_says_it_in_words_and_values(replayed):
    notes = "\n".join(replayed.notes)
    assert "estimated without labels, if what labels follow has not changed, in the window of 2026-04-17: accuracy 0." in notes
    assert "estimated against realised accuracy: off by" in notes
    assert "inside the 95 % intervals" in notes
    assert "nothing was said of 2 windows" in notes
    (value,) = [each for each in replayed.values if each.options.get("of") == "estimate"]
    assert value.metric == "accuracy"
    assert value.low < value.value < value.high


@pytest.mark.slow
def test_day_by_day_labels_late_and_killed_between_it_says_the_same(folder, table, replayed, tmp_path):
    (tmp_path / "reference.parquet").symlink_to(folder / "reference.parquet")
    (tmp_path / "assay.yaml").write_text(CONFIG, "utf-8")
    path = tmp_path / "assay.yaml"
    pq.write_table(of(table, 0, 20, label=False), tmp_path / "first.parquet")
    code = ("import os, signal, sys\nfrom assay.verbs.monitor import monitor, stream\nstep = stream.Job.step\ndef killed(self, memory, window, *rest, **more):\n"
            "    if window.number == 9:\n        os.kill(os.getpid(), signal.SIGKILL)\n    return step(self, memory, window, *rest, **more)\n"
            "stream.Job.step = killed\nmonitor.run(sys.argv[1], sys.argv[2], send=False)")
    dead = subprocess.run([sys.executable, "-c", code, str(path), str(tmp_path / "first.parquet")], env=os.environ, capture_output=True,
                          check=False)
    assert dead.returncode == -signal.SIGKILL, dead.stderr.decode()
    monitor.run(path, send=False)                            # goes on
    monitor.labels(path, of(table, 0, 12).select(["id", "late"]), send=False)
    monitor.run(path, of(table, 20, 34, label=False), send=False)
    monitor.labels(path, of(table, 12, 34).select(["id", "late"]), send=False)
    found = monitor.run(path, of(table, 34, END), send=False).run
    assert told(monitor.status(path)) == told(replayed)
    picture, same = (next(each for each in run.figures if each.name == "estimated accuracy") for run in (found, replayed))
    for name in ("estimated", "realised", "low", "high"):
        assert picture.table[name] == pytest.approx(same.table[name], abs=1e-5, nan_ok=True), name


def test_windows_whose_labels_came_are_not_estimated_again(folder, table, tmp_path, monkeypatch):
    (tmp_path / "reference.parquet").symlink_to(folder / "reference.parquet")
    (tmp_path / "assay.yaml").write_text(CONFIG, "utf-8")
    path = tmp_path / "assay.yaml"
    monitor.run(path, of(table, 0, 4, label=False), send=False)
    from assay.verbs.monitor.estimated import Estimation
    monkeypatch.setattr(Estimation, "_estimate", lambda *_: pytest.fail("estimated again"))
    found = monitor.labels(path, of(table, 0, 4).select(["id", "late"]), send=False).run
    assert any("estimated against realised accuracy: off by" in each for each in found.notes)
    assert any("most like" in each or "of the kinds that" in each for each in found.notes)


@pytest.mark.parametrize(("text", "wanted"), [
    (CONFIG, True), (CONFIG.replace("  label_delay: 1d\n", ""), True), (CONFIG + "  estimate: false\n", False),
    (CONFIG.replace("reference: reference.parquet\n", ""), False), (CONFIG.replace("label: late, ", ""), False)])
def test_it_is_there_where_labels_can_be_late_and_there_is_a_reference(folder, tmp_path, text, wanted):
    (tmp_path / "reference.parquet").symlink_to(folder / "reference.parquet")
    (tmp_path / "assay.yaml").write_text(text, "utf-8")
    job = Job(read(tmp_path / "assay.yaml"))
    assert (job.estimation is not None) == wanted
    (tmp_path / "off.yaml").write_text(text.replace("  estimate: false\n", "") + "  estimate: false\n", "utf-8")
    plain = Job(read(tmp_path / "off.yaml"))
    assert (job.budget.a_window < plain.budget.a_window) == wanted


def test_where_labels_are_there_at_once_nothing_is_learned_or_paid(folder, table, tmp_path, monkeypatch):
    from assay.verbs.monitor.estimated import Estimation
    (tmp_path / "reference.parquet").symlink_to(folder / "reference.parquet")
    (tmp_path / "assay.yaml").write_text(CONFIG.replace("  label_delay: 1d\n", ""), "utf-8")
    monkeypatch.setattr(Estimation, "_guesses", lambda *_: pytest.fail("estimated"))
    run = monitor.replay(tmp_path / "assay.yaml", of(table, 0, 3))
    assert not any(each.name.startswith("estimated") for each in run.figures)


@pytest.mark.slow
def test_windows_that_the_reference_covers_are_left_out(folder, table, tmp_path):
    (tmp_path / "assay.yaml").write_text(CONFIG, "utf-8")
    pq.write_table(of(table, 0, 10), tmp_path / "reference.parquet")
    run = monitor.replay(tmp_path / "assay.yaml", of(table, 8, 12))
    (figure,) = [each for each in run.figures if each.name == "estimated accuracy"]
    assert figure.table["window"] == (3, 4)
    nothing = monitor.replay(tmp_path / "assay.yaml", of(table, 4, 9))
    assert any("after those that the reference" in each for each in nothing.notes)


@pytest.mark.parametrize(("given", "said"), [
    ("estimate: maybe", "expected auto, true, false"), ("estimate: {metric: [auc]}", "did you mean 'metrics'"),
    ("estimate: {metrics: [3]}", "no text"), ("estimate: {drop: 7}", "from 1e-06 to 1")])
def test_mistakes_in_the_configuration_are_told(folder, tmp_path, given, said):
    (tmp_path / "assay.yaml").write_text(CONFIG + f"  {given}\n", "utf-8")
    with pytest.raises(ConfigError, match=said):
        read(tmp_path / "assay.yaml")


def test_what_was_asked_for_and_cannot_be_is_an_error(folder, table, tmp_path):
    (tmp_path / "reference.parquet").symlink_to(folder / "reference.parquet")
    (tmp_path / "assay.yaml").write_text(CONFIG.replace("reference: reference.parquet\n", "") + "  estimate: true\n", "utf-8")
    with pytest.raises(ConfigError, match="needs labelled rows"):
        monitor.replay(tmp_path / "assay.yaml", of(table, 0, 3))
    (tmp_path / "assay.yaml").write_text(CONFIG + "  estimate: {metrics: [recal]}\n", "utf-8")
    with pytest.raises(UnknownNameError, match="did you mean 'recall'"):
        monitor.replay(tmp_path / "assay.yaml", of(table, 0, 3))
    small = pq.read_table(folder / "reference.parquet").slice(0, 50)
    (tmp_path / "reference.parquet").unlink()
    pq.write_table(small, tmp_path / "reference.parquet")
    (tmp_path / "assay.yaml").write_text(CONFIG, "utf-8")
    run = monitor.replay(tmp_path / "assay.yaml", of(table, 0, 3))
    assert any("performance without labels is not estimated: 50 labelled rows are too few" in each for each in run.notes)


def test_a_memory_without_estimates_is_read():
    plain = json.loads(zlib.decompress(Memory().dump()))
    del plain["guesses"]   # as it was before there were any
    assert Memory.parse(zlib.compress(json.dumps(plain).encode())).guesses == Memory().guesses == Guesses()
    assert scored(Memory().guesses.past, "auc") is None
