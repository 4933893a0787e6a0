"""What was seen, line by line as it comes: JSON lines that one process writes at a time, and that hold one experiment only.

``Log.open`` takes a file or goes on with it; ``seen`` is what it holds, ``add`` appends. The first line holds the design and the lots,
so that an experiment that was interrupted goes on with the same, and another one is refused.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import stat
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assay.errors import BusyError, ConfigError, DataError, listed
from assay.probe.experiment.design import Design, Plan, Unit

__all__ = ["Log", "Observation"]

KIND = "assay experiment 1"
LARGEST = 2**31      # bytes of a log that is read


@dataclass(frozen=True)
class Observation:
    """What became of a unit: its outcomes by name, or why there are none; ``at`` is when, ``seconds`` how long it took."""

    unit: int
    outcomes: Mapping[str, Any] = field(default_factory=dict)
    failed: str = ""
    seconds: float = 0.0
    at: str = ""


class Log:
    """A file of observations, locked against other processes as long as it is open."""

    def __init__(self, path: Path, design: Design, plan: Plan, handle: int):
        self.path, self.design, self.plan, self._handle = path, design, plan, handle
        self.seen: dict[int, Observation] = {}
        self.runs = 0
        self._turn = threading.Lock()

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path, design: Design, plan: Plan) -> Iterator[Log]:
        """Hold the log at ``path``; raises ``BusyError`` where another process has it, ``ConfigError`` where another design made it."""
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)   # answers to single users are nobody else's business
        except OSError as error:
            raise ConfigError(f"the log cannot be written ({error.strerror})", where=str(path), hint="--log FILE names another") from error
        log: Log | None = None
        try:
            _held(handle, path)
            log = cls(path, design, plan, handle)
            log._read()
            yield log
        finally:
            with log._turn if log is not None else contextlib.nullcontext():   # not in the middle of a line
                os.close(handle)
                if log is not None:
                    log._handle = -1

    def add(self, observation: Observation) -> None:
        """Append an observation, and keep it from loss before anything else happens."""
        with self._turn:
            if self._handle < 0:   # a unit that was under way when everything ended
                return
            told: dict[str, Any] = {"unit": observation.unit, "at": observation.at, "seconds": round(observation.seconds, 4)}
            told |= {"failed": observation.failed} if observation.failed else {"outcomes": dict(observation.outcomes)}
            self._write(told)
            self.seen[observation.unit] = observation

    def _write(self, told: Mapping[str, Any]) -> None:
        line = (json.dumps(told, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8", "replace")
        try:
            while line:
                line = line[os.write(self._handle, line):]
            os.fsync(self._handle)
        except OSError as error:
            raise ConfigError(f"the log cannot be written ({error.strerror})", where=str(self.path)) from error

    def _read(self) -> None:
        if not stat.S_ISREG(os.fstat(self._handle).st_mode):
            raise ConfigError("this is no ordinary file", where=str(self.path), expected="a file for the log")
        size = os.fstat(self._handle).st_size
        if size > LARGEST:
            raise DataError(f"the log is larger than {LARGEST:,} bytes", where=str(self.path))
        data = b""
        while len(data) < size and (part := os.read(self._handle, size - len(data))):
            data += part
        whole, _, torn = data.rpartition(b"\n")
        if torn and (whole or torn.startswith(b'{"kind"')):   # the process died in the middle of a line
            os.ftruncate(self._handle, len(data) - len(torn))
        elif torn:
            raise self._foreign(1)
        lines = whole.split(b"\n") if whole else []
        if not lines:
            self._write(self._head)
        else:
            self._match(self._line(lines[0], 1))
            for number, line in enumerate(lines[1:], 2):
                self._take(self._line(line, number), number)
        if self.missing():
            self._write({"began": dt.datetime.now(dt.UTC).isoformat(timespec="seconds")})
            self.runs += 1

    @property
    def _head(self) -> dict[str, Any]:
        lots = [[each.number, each.block, each.treatment] for each in self.plan.units]
        return {"kind": KIND, "design": self.design.parts, "units": lots}

    def _line(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise self._foreign(number)
        return found

    def _foreign(self, number: int) -> DataError:
        what = "this is no log of an experiment" if number == 1 else f"line {number:,} of the log is damaged"
        return DataError(what, where=str(self.path), hint="--log FILE names another; this one was left as it is")

    def _match(self, head: Mapping[str, Any]) -> None:
        if head.get("kind") != KIND or not isinstance(head.get("design"), dict):
            raise self._foreign(1)
        parts = self.design.parts
        other = [key for key in parts if head["design"].get(key) != parts[key]]
        if other or head.get("units") != self._head["units"]:
            verb = "is" if len(other) < 2 else "are"
            raise ConfigError(f"the log is of another experiment: {listed(other or ['the lots'])} {verb} not the same",
                              where=str(self.path), expected="the design that it began with: what was seen of two designs is never mixed",
                              hint="--log FILE begins a new one")

    def _take(self, found: Mapping[str, Any], number: int) -> None:
        if "began" in found:
            self.runs += 1
            return
        unit, outcomes, failed = found.get("unit"), found.get("outcomes", {}), found.get("failed", "")
        right = isinstance(unit, int) and 0 <= unit < len(self.plan.units) and unit not in self.seen
        if not right or not isinstance(outcomes, dict) or not isinstance(failed, str) or not (failed or _fit(outcomes, self.design)):
            raise self._foreign(number)
        assert isinstance(unit, int)
        seconds = found["seconds"] if isinstance(found.get("seconds"), int | float) else 0.0
        self.seen[unit] = Observation(unit, outcomes, failed, seconds, str(found.get("at", "")))

    def missing(self) -> list[list[Unit]]:
        """Return the units that nothing is known of, block by block."""
        left = [[unit for unit in block if unit.number not in self.seen] for block in self.plan.blocks]
        return [block for block in left if block]


def _fit(outcomes: Mapping[str, Any], design: Design) -> bool:
    """Whether the outcomes are those of the design, each of its kind."""
    for each in design.outcomes:
        value = outcomes.get(each.name)
        if value is None:
            continue
        if each.number:
            if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e100:
                return False
        elif not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            return False
    return True


def _held(handle: int, path: Path) -> None:
    """Lock the file for this process, until it closes it or ends."""
    if sys.platform == "win32":
        raise ConfigError("experiments need Linux or macOS", where=str(path))
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise BusyError("another process writes to this log", where=str(path), expected="one at a time: units would be asked twice",
                        hint="wait until it ends") from error
