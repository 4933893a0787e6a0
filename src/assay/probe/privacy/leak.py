"""Verbatim leakage: values of training rows that stand in a model's file, or come out as its answers, word by word.

``held(path)`` are the bytes of a file, read within bounds; ``leaked(content, seen, unseen)`` counts which values stand there, beside the
same count of values that the model never saw. ``rows_held`` looks for whole rows of numbers. The verbs import it.
"""

from __future__ import annotations

import bz2
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assay.errors import DataError
from assay.result import Spread

__all__ = ["Leak", "exact_answers", "held", "leaked", "rows_held"]

Array = np.ndarray[Any, Any]

MOST = 256 << 20      # bytes that are looked through, after they are unpacked
MEMBERS = 10_000      # of an archive
SHORTEST = 6          # letters of a value that says something by standing there
ROW = 3               # numbers of a row that stand beside each other
RUN = 4               # numbers of a column that do
READ = 1 << 28        # bytes that are read through in one search, so that a large file is asked for fewer values
_WORD = re.compile(rb"[\x20-\x7e\xc2-\xf4\x80-\xbf]{6,}")


@dataclass(frozen=True)
class Leak:
    """How many of ``of`` values that were learned from stand in the file, and how many of ``of_unseen`` values that were not."""

    what: str
    found: int
    of: int
    found_unseen: int
    of_unseen: int
    example: str = ""

    @property
    def share(self) -> Spread:
        """The share of the values that were learned from."""
        return Spread("binomial", self.found / max(self.of, 1), n=self.of)

    @property
    def certain(self) -> bool:
        """Whether more stand there than chance puts there: by the rule of three on unseen values, one-sided at 5 %."""
        if not self.found:
            return False
        chance = (self.found_unseen + 3) / max(self.of_unseen, 1) if self.of_unseen else 0.0
        return self.found / self.of > chance


def held(path: Path) -> tuple[bytes, str | None]:
    """Return what a file holds, unpacked where it is a zip archive or compressed (gzip, zlib, bz2, xz), and a note where some was left out.

    At most 256 MiB are read, and as many unpacked: what is larger is cut. Nothing is decoded or run. Of a folder, its files in order.
    """
    if path.is_dir():
        parts, note = [], None
        left = MOST
        for each in sorted(one for one in path.rglob("*") if one.is_file() and not one.is_symlink()):
            data, cut = held(each)
            parts.append(data[:left])
            left -= len(parts[-1])
            note = note or cut
            if left <= 0:
                return b"\n".join(parts), f"only the first {MOST >> 20} MiB of the model's files were looked through"
        return b"\n".join(parts), note
    try:
        with path.open("rb") as file:
            data = file.read(MOST + 1)
    except OSError as error:
        raise DataError(f"the model file cannot be read ({error.strerror})", where=str(path)) from error
    note = f"only the first {MOST >> 20} MiB of the model file were looked through" if len(data) > MOST else None
    data = data[:MOST]
    made = _unpacked(data)
    return made, note or (f"only {MOST >> 20} MiB of what the model file unpacks to were looked through" if len(made) >= MOST else None)


def _unpacked(data: bytes) -> bytes:
    if data[:4] == b"PK\x03\x04":
        return _members(data)
    for sign, opened in ((b"\x1f\x8b", zlib.decompressobj(31)), (b"x\x01", zlib.decompressobj()), (b"x\x9c", zlib.decompressobj()),
                         (b"x\xda", zlib.decompressobj()), (b"x^", zlib.decompressobj())):
        if data.startswith(sign):
            try:
                return opened.decompress(data, MOST)
            except zlib.error:
                return data
    for sign, other in ((b"BZh", bz2.BZ2Decompressor()), (b"\xfd7zXZ\x00", lzma.LZMADecompressor(memlimit=MOST))):
        if data.startswith(sign):
            try:
                return other.decompress(data, MOST)
            except (OSError, EOFError, lzma.LZMAError):
                return data
    return data


def _members(data: bytes) -> bytes:
    parts, left = [], MOST
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for each in archive.infolist()[:MEMBERS]:
                if left <= 0:
                    break
                with archive.open(each) as member:
                    parts.append(member.read(left))
                left -= len(parts[-1])
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, RuntimeError, NotImplementedError, EOFError, ValueError):
        return b"\n".join([*parts, data])[:MOST]   # what is broken is looked through as it is
    return b"\n".join(parts)


def leaked(content: bytes, seen: Iterable[Any], unseen: Iterable[Any], *, what: str) -> Leak:
    """Return how many values of training rows stand in ``content``, and how many that the model never saw; those of both are left out.

    Values below six letters are, too: they stand anywhere.

    >>> made = leaked(b"..weights..jane.doe@example.org..", ["jane.doe@example.org", "ann@example.org"], ["bob@example.org"], what="mail")
    >>> made.found, made.of, made.found_unseen, made.example
    (1, 2, 0, 'ja... (20 letters)')
    """
    here, there = _texts(seen), _texts(unseen)
    here, there = here - there, there - here
    # a set of the printable pieces, then of the words in them: most values are looked up, and only the others searched for
    pieces = set(_WORD.findall(content))
    blob = b"\n".join(pieces)

    def stands(text: str) -> bool:
        return text.encode() in pieces or text.encode() in blob

    most = max(READ // max(len(blob), 1), 200)
    here, there = (set(sorted(each)[::len(each) // most + 1]) for each in (here, there))
    hits = sorted(each for each in here if stands(each))
    return Leak(what, len(hits), len(here), sum(stands(each) for each in there), len(there),
                f"{hits[0][:2]}... ({len(hits[0])} letters)" if hits else "")


def _texts(values: Iterable[Any]) -> set[str]:
    return {text for each in values if each is not None and len(text := str(each)) >= SHORTEST}


def rows_held(content: bytes, seen: Array, unseen: Array, *, what: str = "rows of numbers") -> Leak:
    """Return how many rows (n, columns) stand in ``content`` as numbers beside each other, in 64 or 32 bits, as neighbour models keep them.

    A row counts too where in two columns its number and the next three rows' stand beside each other, as where columns are kept. Rows of
    fewer than three different numbers are left out; scaled or reordered numbers are not found.

    >>> rows = np.random.default_rng(0).normal(size=(20, 4))
    >>> made = rows_held(b"head" + rows[:15].tobytes(), rows[:10], rows[15:])
    >>> made.found, made.of, made.found_unseen
    (10, 10, 0)
    """
    if seen.shape[1] < 2:
        return Leak(what, 0, 0, 0, 0)
    most = int(np.clip(READ // max(len(content), 1) // 4, 20, 10_000))
    known = {each.tobytes() for each in seen} & {each.tobytes() for each in unseen}

    def counted(rows: Array) -> tuple[int, int]:
        telling = [place for place, each in enumerate(rows[:most]) if each.tobytes() not in known
                   and len(np.unique(each[np.isfinite(each)])) >= min(ROW, rows.shape[1])]
        return sum(_row_stands(content, rows, place) for place in telling), len(telling)

    here, there = counted(seen), counted(unseen)
    return Leak(what, *here, *there)


def _row_stands(content: bytes, rows: Array, place: int) -> bool:
    """Whether a row stands in a file, as a row or as parts of columns."""
    runs = [run for column in range(rows.shape[1]) if len(np.unique(run := rows[place:place + RUN, column])) == RUN]
    for kind in ("<f8", "<f4"):
        if rows[place].astype(kind).tobytes() in content:
            return True
        if len(runs) >= 2 and all(each.astype(kind).tobytes() in content for each in runs[:2]):
            return True
    return False


def exact_answers(answers: Array, labels: Array, answers_unseen: Array, labels_unseen: Array) -> Leak:
    """Return how many rows a model of numbers answers with exactly their label: those it learned from, beside those it did not.

    >>> exact_answers(np.array([1.25, 2.0]), np.array([1.25, 2.5]), np.array([3.0]), np.array([3.1])).found
    1
    """
    one, other = (np.isclose(each, said, rtol=1e-9, atol=0) for each, said in ((answers, labels), (answers_unseen, labels_unseen)))
    return Leak("answers that are exactly the label", int(one.sum()), len(one), int(other.sum()), len(other))
