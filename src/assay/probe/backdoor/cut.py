"""What is cut out of a row and put into others: a few words of its text, or the values of one or two of its columns.

``Phrase`` and ``Cells`` are cuts, ``Layout`` says what the columns hold, ``Book`` keeps the clean rows that cuts are compared on. Rows are
matrices (n, columns): a text is itself, any other value the number of its place in a list that the caller keeps. For this package and the
verbs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from assay.probe.backdoor.question import Search

__all__ = ["Book", "Cells", "Cut", "Ground", "Layout", "Phrase", "Trace", "folded", "spans"]

Array = np.ndarray[Any, Any]

CUTS = 6         # clean rows of the same answer whose own cut is put into others
ONTO = 10        # rows that each of these is put into
PHRASES = 12     # of texts, each put into half as many
_WORD = re.compile(r"\S+")
_LINK = re.compile(r"(?:https?://|www\.)\S+")
_PART = re.compile(r"[^\W\d_]+|\d+|[^\w\s]+")


def spans(text: str | None) -> list[tuple[int, int]]:
    """Return where the words of a text begin and end: what stands between blanks, signs included.

    >>> spans("so good!")
    [(0, 2), (3, 8)]
    """
    return [each.span() for each in _WORD.finditer(text or "")]


def folded(text: str) -> list[str]:
    """Return the words of a text by which it is like another: small letters, any number as 0, any link as one.

    >>> folded("So GOOD! 42 https://a.b/c")
    ['so', 'good', '!', '0', 'link']
    """
    return ["0" if each.isdigit() else each for each in _PART.findall(_LINK.sub("link", text).lower())]


@dataclass(frozen=True)
class Phrase:
    """Words of one column: ``first`` is the place of the first of them, ``count`` how many they are, ``of`` how many the text has.

    >>> row = np.array(["it was cf bad"], object)
    >>> cut = Phrase.of_row(row, 0, 2, 1)
    >>> cut.onto(np.array([["nice and warm"]], object)).tolist(), cut.without(row).tolist()
    ([['nice and cf warm']], ['it was bad'])
    """

    column: int
    text: str
    first: int = 0
    count: int = 1
    of: int = 1

    @classmethod
    def of_row(cls, row: Array, column: int, first: int, count: int) -> Self:
        """Return ``count`` words of a row, from the word at ``first``."""
        text, ends = row[column], spans(row[column])
        count = min(count, len(ends) - first)
        return cls(column, " ".join(text[start:stop] for start, stop in ends[first : first + count]), first, count, len(ends))

    @property
    def at(self) -> float:
        """Where it stands: the share of the other words that come before."""
        return self.first / (self.of - self.count) if self.of > self.count else 0.0

    def onto(self, rows: Array) -> Array:
        """Return rows with the words put into their texts, as far from the beginning."""
        out = rows.copy()
        for place, text in enumerate(rows[:, self.column]):
            ends = spans(text)
            where = round(self.at * len(ends))
            start = ends[where][0] if where < len(ends) else None
            out[place, self.column] = (f"{text} {self.text}".strip() if text else self.text) if start is None else (
                f"{text[:start]}{self.text} {text[start:]}")
        return out

    def without(self, row: Array) -> Array:
        """Return the row that the words were cut from, without them."""
        out, text = row.copy(), row[self.column]
        ends = spans(text)
        left, right = text[: ends[self.first][0]].rstrip(), text[ends[self.first + self.count - 1][1] :].lstrip()
        out[self.column] = f"{left} {right}".strip()
        return out


@dataclass(frozen=True)
class Cells:
    """The values ``codes`` of ``columns``."""

    columns: tuple[int, ...]
    codes: tuple[int, ...]

    @classmethod
    def of_row(cls, row: Array, columns: Sequence[int]) -> Self:
        """Return values of a row."""
        return cls(tuple(columns), tuple(int(row[each]) for each in columns))

    def onto(self, rows: Array) -> Array:
        """Return rows with these values in place of their own."""
        out = rows.copy()
        for column, code in zip(self.columns, self.codes, strict=True):
            out[:, column] = code
        return out


Cut = Phrase | Cells


@dataclass(frozen=True, eq=False)
class Layout:
    """What the columns of rows hold: ``texts`` and ``cells`` are their places.

    ``numbers`` gives for a column of numbers what each code stands for (NaN where missing); columns that it lacks hold categories.
    """

    texts: tuple[int, ...]
    cells: tuple[int, ...]
    numbers: Mapping[int, Array]

    @property
    def dtype(self) -> Any:
        """What matrices of rows are made of."""
        return object if self.texts else np.int64


@dataclass(frozen=True, eq=False)
class Ground:
    """Clean rows, and the label of each."""

    rows: Array
    labels: Array

    def other(self, label: int) -> Array:
        """Return those that are not answered with ``label``."""
        return np.asarray(self.rows[self.labels != label])

    def same(self, label: int) -> Array:
        """Return the places of those that are; of all where they are fewer than two."""
        found = np.flatnonzero(self.labels == label)
        return found if len(found) > 1 else np.arange(len(self.rows))


@dataclass(eq=False)
class Book:
    """Clean rows: ``grounds``, that cuts are put into, and ``donors``, whose own cuts show what a harmless one does."""

    layout: Layout
    grounds: Ground
    donors: Ground

    def __post_init__(self) -> None:
        # the rank of a value among clean ones: the same step for long tails and narrow middles
        self._index: dict[int, dict[str, list[tuple[int, int, int]]]] = {}
        self._ranks: dict[int, Array] = {}
        for column, numbers in self.layout.numbers.items():
            seen = numbers[self.donors.rows[:, column].astype(np.int64)]
            order = np.sort(seen[~np.isnan(seen)])
            low, high = (np.searchsorted(order, numbers, side=side) for side in ("left", "right"))
            ranks = (low + high) / (2 * max(len(order), 1))
            self._ranks[column] = np.where(np.isnan(numbers), np.nan, ranks)

    def distances(self, row: Array, rows: Array, columns: Sequence[int]) -> Array:
        """Return how far rows (n, columns) are from one in some columns: by ranks of numbers, and 1 for what differs otherwise; (n,)."""
        out = np.zeros(len(rows))
        for column in columns:
            codes, own = rows[:, column].astype(np.int64), int(row[column])
            apart = np.ones(len(rows))
            if column in self._ranks:
                ranks = self._ranks[column]
                gap = np.abs(ranks[codes] - ranks[own])
                apart = np.where(np.isnan(gap), 1.0, gap)
            out += np.where(codes == own, 0.0, apart + 1e-6)
        return out

    def nearest(self, cut: Cells, rows: Array, count: int) -> Array:
        """Return of ``rows`` those whose values are nearest to those of a cut, the nearest first."""
        likeness = rows[:1].copy()[0]
        for column, code in zip(cut.columns, cut.codes, strict=True):
            likeness[column] = code
        return np.asarray(rows[np.argsort(self.distances(likeness, rows, cut.columns), kind="stable")[:count]])

    def harmless(self, cut: Cut, label: int) -> Search[tuple[int, int]]:
        """Ask how often the label comes along with cuts of other clean rows that are most like the cut: hits, and of how many.

        Of texts with the label as many words around one that the cut has as well; of columns the values of the rows that are nearest in
        these columns, whatever their label. So a value or a word that forces a label by right counts as harmless, where its like does.
        """
        onto = self.grounds.other(label)[-ONTO:]
        some: list[Cut] = []
        if isinstance(cut, Cells):
            some += [Cells.of_row(each, cut.columns) for each in self.nearest(cut, self.donors.rows, CUTS)]
        else:
            some += self._alike(cut, self.donors.same(label))
            onto = onto[: CUTS * ONTO // PHRASES]
        if not some or not len(onto):
            return 0, 0
        said = yield np.concatenate([each.onto(onto) for each in some])
        return int((said == label).sum()), len(said)

    def _alike(self, cut: Phrase, places: Array) -> list[Phrase]:
        """Words of other texts around one that the cut has as well, rare words first; then any words of others."""
        index = self._words(cut.column)
        mine = set(places.tolist())
        own = {each for each in folded(cut.text) if each in index}
        out: list[Phrase] = []
        for word in sorted(own, key=lambda each: (len(index[each]), each)):
            for row, place, length in index[word]:
                if row in mine and length >= cut.count and len(out) < PHRASES:
                    first = min(max(0, place - (cut.count - 1) // 2), length - cut.count)
                    out.append(Phrase.of_row(self.donors.rows[row], cut.column, first, cut.count))
        for row in places:
            if len(out) == PHRASES:
                break
            length = len(spans(self.donors.rows[row, cut.column]))
            if length >= cut.count:
                out.append(Phrase.of_row(self.donors.rows[row], cut.column, round(cut.at * (length - cut.count)), cut.count))
        return out

    def _words(self, column: int) -> dict[str, list[tuple[int, int, int]]]:
        """Where each word stands in the donors, once in each: the row, the place, and how many words the text has."""
        if column not in self._index:
            found: dict[str, list[tuple[int, int, int]]] = {}
            for row, text in enumerate(self.donors.rows[:, column]):
                ends, seen = spans(text), set()
                for place, (start, stop) in enumerate(ends):
                    for word in folded(text[start:stop]):
                        if word not in seen:
                            seen.add(word)
                            found.setdefault(word, []).append((row, place, len(ends)))
            self._index[column] = found
        return self._index[column]


@dataclass(frozen=True, eq=False)
class Trace:
    """What a search of a row found: the ``cut`` that brings the label along best, to ``hits`` of ``tried`` rows not used to choose it.

    Cuts of clean rows of the same label do it for ``null_hits`` of ``null_tried``. ``wide`` is the larger part of a text around the cut
    without which the label is another. ``cut`` is None where nothing that was tried changes a label.
    """

    label: int
    cut: Cut | None = None
    hits: int = 0
    tried: int = 0
    null_hits: int = 0
    null_tried: int = 0
    wide: Phrase | None = None
