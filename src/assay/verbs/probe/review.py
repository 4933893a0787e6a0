"""What people said of associations: each is marked as a bug, as explained, or to be watched, by whom, when and why.

``marks(path)`` reads a file of JSON lines, ``marked(path, ...)`` adds one; nothing in the file is ever changed, and the last word on an
association counts. ``verbs.probe.association`` uses it.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from assay.errors import ConfigError

__all__ = ["FILE", "WORDS", "Mark", "marked", "marks", "now"]

FILE = "associations.jsonl"   # beside the configuration
WORDS = ("bug", "explained", "watch")
LONGEST = 2_000               # characters of a reason
LARGEST = 50_000_000          # bytes of the file


@dataclass(frozen=True)
class Mark:
    """One word on an association: ``id`` is the association's, ``about`` its sentence when it was marked, ``where`` its predicate."""

    id: str
    mark: str
    because: str
    by: str
    at: str
    attribute: str = ""
    output: str = ""
    where: str = ""
    about: str = ""

    @property
    def words(self) -> str:
        """The mark for people.

        >>> Mark("3f9a1c22", "explained", "the shelves are high", "Ann", "2026-11-21T21:00:00+00:00").words
        'explained (Ann, 2026-11-21): the shelves are high'
        """
        return f"{self.mark} ({self.by}, {self.at[:10]})" + (f": {self.because}" if self.because else "")


def marks(path: Path) -> tuple[dict[str, list[Mark]], list[str]]:
    """Return the marks of each association, the oldest first, and a note for each line that is none; a file that is not there is empty.

    Raises ``ConfigError`` where the file cannot be read.
    """
    try:
        if path.exists() and path.stat().st_size > LARGEST:
            raise ConfigError("the file of marks is too long", where=str(path), expected=f"at most {LARGEST:,} bytes")
        text = path.read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return {}, []
    except OSError as error:
        raise ConfigError(f"the marks cannot be read ({error.strerror})", where=str(path)) from error
    found: dict[str, list[Mark]] = {}
    notes = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        made = _parsed(line)
        if made is None:
            notes.append(f"line {number} of {path.name} is no mark, and was left out")
        else:
            found.setdefault(made.id, []).append(made)
    return found, notes


def marked(path: Path, mark: Mark) -> None:
    """Add a mark to the file, in one write.

    Raises ``ConfigError`` for a word that is none, an explanation without a reason, or a file that is not writable.
    """
    if mark.mark not in WORDS:
        raise ConfigError(f"'{mark.mark}' is no mark", expected=f"one of {', '.join(WORDS)}")
    if mark.mark == "explained" and not mark.because.strip():
        raise ConfigError(f"why is {mark.id} explained?", expected="a reason that others can judge", hint='--because "..."')
    if len(mark.because) > LONGEST:
        raise ConfigError(f"the reason has {len(mark.because):,} characters", expected=f"at most {LONGEST:,}")
    line = (json.dumps(asdict(mark), ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8", "replace")
    try:
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            size = os.fstat(handle).st_size
            if size and os.pread(handle, 1, size - 1) != b"\n":
                line = b"\n" + line   # what was cut off stays a line of its own
            os.write(handle, line)
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise ConfigError(f"the mark cannot be kept ({error.strerror})", where=str(path)) from error


def now() -> str:
    """Return the time as marks tell it."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def _parsed(line: str) -> Mark | None:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return None
    names = [each.name for each in fields(Mark)]
    if not isinstance(data, Mapping) or not all(isinstance(data.get(each), str) for each in names[:5]) or data["mark"] not in WORDS:
        return None
    return Mark(**{each: str(data[each])[:LONGEST] for each in names if each in data})
