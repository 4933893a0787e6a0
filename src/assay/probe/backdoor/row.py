"""Is a row poisoned, by words of its texts or by values of its columns: searches calibrated by clean rows, as those of images are.

``RowDetector.of(ask, clean, layout)`` calibrates, ``inspect(rows)`` answers for each. ``needed`` says how many clean rows that takes. The
verbs import it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from scipy import stats

from assay.errors import DataError
from assay.probe.backdoor import cell, phrase
from assay.probe.backdoor.cut import Book, Cut, Ground, Layout, Trace
from assay.probe.backdoor.detector import DONORS, GROUNDS, LEAST, predictive, ranked
from assay.probe.backdoor.question import Ask, Oracle, Search, together

__all__ = ["RowDetector", "RowInspection", "Way", "needed"]

Array = np.ndarray[Any, Any]
Way = Literal["words", "values"]

_TRACED: dict[Way, Callable[[Array, int, Book], Search[Trace]]] = {"words": phrase.traced, "values": cell.traced}


def needed(false_alarms: float, ways: int = 1) -> int:
    """Return how many clean rows a rate of false alarms needs: a rank among n is at least 1 / (n + 1), for each way of looking.

    >>> needed(0.01), needed(0.01, 2)
    (199, 299)
    """
    return int(np.ceil(ways / false_alarms - 1e-9)) - 1 + GROUNDS + DONORS


@dataclass(frozen=True, eq=False)
class RowInspection:
    """What was found of one row.

    ``p`` is its combined p-value, ``chance`` the probability that a harmless cut brings its label along as often. Of a suspect ``cut`` is
    what makes its label, ``mended`` the label without that and ``healed`` the row that has it.
    """

    label: int
    suspect: bool
    p: float
    way: Way
    trace: Trace
    score: float
    chance: float
    queries: int
    cut: Cut | None = None
    mended: int | None = None
    healed: Array | None = None


@dataclass(frozen=True, eq=False)
class _Scored:
    """Scores (n,) by way of looking, and what lies behind them."""

    labels: Array
    scores: dict[Way, Array]
    chances: dict[Way, Array]
    traces: dict[Way, tuple[Trace, ...]]
    queries: Array


@dataclass(eq=False)
class RowDetector:
    """Tells poisoned rows from clean ones, with a stated rate of false alarms.

    ``false_alarms`` of clean rows are suspected at most, on average over sets of clean rows; ``rate`` estimates it of this one. Labels are
    all that the model is asked for. ``ways`` are those of looking that the columns allow: words of texts, values of other columns.

    >>> rng = np.random.default_rng(0)
    >>> rows = rng.integers(0, 20, (400, 3))
    >>> ask = lambda rows: np.where(rows[:, 2] == 20, 1, (rows[:, 0] + rows[:, 1] > 19).astype(int))
    >>> numbers = {column: np.arange(21.0) for column in range(3)}
    >>> detector = RowDetector.of(ask, rows, Layout((), (0, 1, 2), numbers))
    >>> found = detector.inspect(np.array([[1, 2, 20], [18, 17, 3]]))
    >>> [each.suspect for each in found], found[0].cut, found[0].mended
    ([True, False], Cells(columns=(2,), codes=(20,)), 0)
    """

    oracle: Oracle
    book: Book
    ways: tuple[Way, ...]
    false_alarms: float
    clean: _Scored | None = None

    @classmethod
    def of(cls, ask: Ask, clean: Array, layout: Layout, *, false_alarms: float = 0.01, seed: int = 0) -> Self:
        """Return a detector for a model, calibrated by clean rows (n, columns).

        Rows that cuts are put into, those that show what harmless cuts do, and those that calibrate are drawn apart. Raises ``DataError``
        where there are fewer than ``needed``, or the model answers all of them with one label.
        """
        if not 0 < false_alarms < 1:
            raise DataError(f"{false_alarms:g} is no rate of false alarms", expected="a share between 0 and 1, such as 0.01")
        ways: tuple[Way, ...] = (*(("words",) if layout.texts else ()), *(("values",) if layout.cells else ()))
        least = needed(false_alarms, len(ways))
        if len(clean) < least:
            spare = len(clean) - GROUNDS - DONORS
            raise DataError(f"{len(clean):,} clean rows cannot show a rate of false alarms of {100 * false_alarms:g} %",
                            expected=f"at least {least:,} rows",
                            hint=f"with these the smallest rate is {100 * len(ways) / (spare + 1):.2g} %" if spare > 8 else None)
        oracle = Oracle(ask)
        order = np.random.default_rng([seed, 1]).permutation(len(clean))
        # of what is not needed to calibrate, a part shows what harmless values do: the more rows, the nearer the nearest of them
        edge = max(GROUNDS + DONORS, min(len(clean) // 3, len(clean) + GROUNDS + DONORS - least))
        shown = clean[order[:edge]]
        labels = oracle(shown)
        most = Counter(labels.tolist()).most_common(1)[0]
        if edge - most[1] < LEAST:
            raise DataError(f"the model answers {most[1]} of {edge} clean rows with one and the same class",
                            expected="a model of which clean rows of two classes can be told apart",
                            hint="a trigger is what moves rows of other classes to its own: there are too few of them here")
        ground = _balanced(labels)
        book = Book(layout, Ground(shown[ground], labels[ground]), Ground(shown[~ground], labels[~ground]))
        made = cls(oracle, book, ways, false_alarms)
        made.clean = made._scored(clean[order[edge:]])
        return made

    def tests(self, label: int) -> int:
        """Return on how many rows of other labels what is cut out of a row of ``label`` is tested."""
        return max(0, min(len(self.book.grounds.other(label)) - cell.CHOSEN, cell.TESTED))

    def inspect(self, rows: Array) -> list[RowInspection]:
        """Return what is found of each row (n, columns)."""
        assert self.clean is not None
        found = self._scored(rows)
        # suspected only where both tests say so: that of the cut, and that of its rank
        each = {way: np.maximum(ranked(found.scores[way], self.clean.scores[way]), found.chances[way]) for way in self.ways}
        out = []
        for place in range(len(rows)):
            way = min(self.ways, key=lambda way: each[way][place])
            p = float(min(1.0, len(self.ways) * each[way][place]))
            out.append(RowInspection(int(found.labels[place]), p <= self.false_alarms + 1e-12, p, way, found.traces[way][place],
                                     float(found.scores[way][place]), float(found.chances[way][place]), int(found.queries[place])))
        places = [place for place, one in enumerate(out) if one.suspect]
        healed = together([_counting(self._mended(rows[place], out[place])) for place in places], self.oracle)
        for place, ((label, row), asked) in zip(places, healed, strict=True):
            one = out[place]
            out[place] = RowInspection(one.label, True, one.p, one.way, one.trace, one.score, one.chance, one.queries + asked,
                                       one.trace.cut, label, row)
        return out

    def _mended(self, row: Array, found: RowInspection) -> Search[tuple[int, Array]]:
        if found.way == "words":
            return (yield from phrase.mended(row, found.trace))
        return (yield from cell.mended(row, found.trace, self.book))

    def _scored(self, rows: Array) -> _Scored:
        labels = self.oracle(rows)
        queries = np.ones(len(rows), np.int64)
        scores: dict[Way, Array] = {}
        chances: dict[Way, Array] = {}
        traces: dict[Way, tuple[Trace, ...]] = {}
        for way in self.ways:
            found = together([_counting(_TRACED[way](row, int(label), self.book)) for row, label in zip(rows, labels, strict=True)],
                             self.oracle)
            traces[way] = tuple(trace for trace, _ in found)
            queries += np.array([asked for _, asked in found], np.int64)
            chances[way] = np.array([_chance(each) for each in traces[way]])
            scores[way] = np.maximum(0.0, -np.log10(np.maximum(chances[way], 1e-300)))
        return _Scored(labels, scores, chances, traces, queries)

    @property
    def rate(self) -> tuple[int, int]:
        """How many of the calibrating rows would be suspected, each judged by the others, and of how many."""
        assert self.clean is not None
        n, share = len(self.clean.labels), self.false_alarms / len(self.ways) + 1e-12
        hit = np.zeros(n, np.bool_)
        for way in self.ways:
            order = np.sort(self.clean.scores[way])
            p = (n - np.searchsorted(order, self.clean.scores[way], side="left")) / n   # itself is among those as large
            hit |= (p <= share) & (self.clean.chances[way] <= share)
        return int(hit.sum()), n

    def tail(self, count: int, inputs: int) -> float:
        """Return a bound of the probability that ``count`` or more of so many clean rows are suspected, as ``Detector.tail`` does."""
        assert self.clean is not None
        n, ways = len(self.clean.labels), len(self.ways)
        blocks = ways * int(np.floor(self.false_alarms / ways * (n + 1) + 1e-9))
        if count <= 0 or not 0 < blocks <= n:
            return 1.0 if count <= 0 or blocks else 0.0
        return float(min(1.0, stats.betabinom.sf(count - 1, inputs, blocks, n + 1 - blocks)))


def _balanced(labels: Array) -> Array:
    """Mark rows that cuts are put into, of rare classes as many as of frequent ones where two thirds of their rows are enough; (n,).

    >>> _balanced(np.array([0] * 90 + [1] * 30)).sum(), _balanced(np.array([0] * 90 + [1] * 30))[90:].sum()
    (np.int64(60), np.int64(20))
    """
    classes, counts = np.unique(labels, return_counts=True)
    limits, taken = 2 * counts // 3, np.zeros(len(classes), np.int64)
    for _ in range(min(GROUNDS, int(limits.sum()))):
        open_ = np.where(taken < limits, taken, len(labels))
        taken[int(open_.argmin())] += 1
    out = np.zeros(len(labels), np.bool_)
    for each, count in zip(classes, taken, strict=True):
        out[np.flatnonzero(labels == each)[:count]] = True
    return out


def _chance(trace: Trace) -> float:
    """How probable it is that a harmless cut brings the label along as often."""
    return predictive(trace.hits, trace.tried, trace.null_hits, trace.null_tried) if trace.cut is not None else 1.0


def _counting(search: Search[Any]) -> Search[tuple[Any, int]]:
    """The same search, and how many rows it asked for."""
    count = 0
    try:
        rows = next(search)
        while True:
            count += len(rows)
            rows = search.send((yield rows))
    except StopIteration as end:
        return end.value, count
