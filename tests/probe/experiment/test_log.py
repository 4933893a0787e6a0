"""The log: what is in it stays, one process writes, and two designs never share one."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from assay.errors import AssayError, BusyError, ConfigError, DataError
from assay.probe.experiment.design import Design, Outcome, System, Treatment, planned
from assay.probe.experiment.log import Log, Observation

DESIGN = Design("x", System(), (Treatment("a"), Treatment("b")), (Outcome("n", "number", "mean"), Outcome("ads", "items", "item")), (2, 2, 2),
                against="a")
PLAN = planned(DESIGN)


def filled(path: Path, many: int = 3) -> None:
    with Log.open(path, DESIGN, PLAN) as log:
        for number in range(many):
            log.add(Observation(number, {"n": number / 2, "ads": ["jobs\n", "ä"]}, at="now") if number else Observation(0, failed="no"))


def test_what_was_seen_comes_back(tmp_path) -> None:
    filled(tmp_path / "log")
    with Log.open(tmp_path / "log", DESIGN, PLAN) as log:
        assert log.seen[0].failed == "no"
        assert log.seen[2].outcomes == {"n": 1.0, "ads": ["jobs\n", "ä"]}
        assert [[unit.number for unit in block] for block in log.missing()] == [[3], [4, 5]]
        assert log.runs == 2
    assert (tmp_path / "log").stat().st_mode & 0o077 == 0


def test_lots_are_written_before_anything_is_asked(tmp_path) -> None:
    with Log.open(tmp_path / "log", DESIGN, PLAN):
        head = json.loads((tmp_path / "log").read_text("utf-8").splitlines()[0])
        assert head["units"] == [[unit.number, unit.block, unit.treatment] for unit in PLAN.units]


def test_half_a_line_is_taken_off(tmp_path) -> None:
    path = tmp_path / "log"
    filled(path)
    whole = path.read_bytes()
    for cut in (1, 10, 40):
        path.write_bytes(whole[:-cut])
        with Log.open(path, DESIGN, PLAN) as log:
            assert sorted(log.seen) == [0, 1]
            log.add(Observation(2, {"n": 1.0, "ads": []}))
        with Log.open(path, DESIGN, PLAN) as log:
            assert sorted(log.seen) == [0, 1, 2]


def test_half_a_first_line_begins_anew(tmp_path) -> None:
    path = tmp_path / "log"
    filled(path, 0)
    path.write_bytes(path.read_bytes()[:30])
    with Log.open(path, DESIGN, PLAN) as log:
        assert log.seen == {}


@pytest.mark.parametrize("change", [{"seed": 4}, {"sizes": (2, 2, 2, 2)}, {"level": 0.9}, {"outcomes": DESIGN.outcomes[:1]}])
def test_a_log_of_another_design_is_refused_and_left_alone(tmp_path, change) -> None:
    path = tmp_path / "log"
    filled(path)
    before, other = path.read_bytes(), dataclasses.replace(DESIGN, **change)
    with pytest.raises(ConfigError, match="log is of another experiment"), Log.open(path, other, planned(other)):
        pass
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"hello", b"hello\n", b"{}\n", b'{"kind": "assay experiment 1", "design": 3}\n', b"[1]\n", b"\xff\xfe\n",
                                     b"\n\n", b"[" * 100_000 + b"\n"])
def test_what_is_no_log_is_refused_and_left_alone(tmp_path, content) -> None:
    path = tmp_path / "log"
    path.write_bytes(content)
    with pytest.raises(DataError, match="no log of an experiment"), Log.open(path, DESIGN, PLAN):
        pass
    assert path.read_bytes() == content


@pytest.mark.parametrize("line", [
    "x", '{"unit": 99, "outcomes": {}}', '{"unit": 1, "outcomes": {}}', '{"unit": "3", "outcomes": {}}', '{"unit": 3, "outcomes": []}',
    '{"unit": 3, "outcomes": {"n": "x"}}', '{"unit": 3, "outcomes": {"n": 1e999}}', '{"unit": 3, "outcomes": {"ads": [1]}}',
    '{"unit": 3, "failed": 7}'])
def test_a_damaged_line_is_told(tmp_path, line) -> None:
    path = tmp_path / "log"
    filled(path)
    path.write_text(path.read_text("utf-8") + line + "\n", "utf-8")
    with pytest.raises(DataError, match="line 6 of the log is damaged"), Log.open(path, DESIGN, PLAN):
        pass


def test_two_processes_do_not_share_a_log(tmp_path) -> None:
    path = tmp_path / "log"
    filled(path)
    code = "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); sys.stdin.read()"
    other = subprocess.Popen([sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match="another process writes to this log"), Log.open(path, DESIGN, PLAN):
            pass
    finally:
        other.communicate("", timeout=10)
    with Log.open(path, DESIGN, PLAN) as log, pytest.raises(BusyError), Log.open(path, DESIGN, PLAN):
        assert len(log.seen) == 3


def test_what_cannot_be_a_log_is_told(tmp_path) -> None:
    for place in (tmp_path, tmp_path / "none" / "log", Path("/dev/null")):
        with pytest.raises(AssayError, match=r"cannot be written|no ordinary file"), Log.open(place, DESIGN, PLAN):
            pass


def test_a_unit_that_was_under_way_at_the_end_is_not_written(tmp_path) -> None:
    with Log.open(tmp_path / "log", DESIGN, PLAN) as log:
        pass
    before = (tmp_path / "log").read_bytes()
    log.add(Observation(1, {"n": 1.0, "ads": []}))
    assert (tmp_path / "log").read_bytes() == before
