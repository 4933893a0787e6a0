"""Search one row for the values of one or two columns that make its label: exchange them and it changes, put them elsewhere and it comes.

``traced(row, label, book)`` is the search, ``mended`` answers with other values in their place. For this package.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from assay.probe.backdoor.cut import Book, Cells, Trace
from assay.probe.backdoor.question import Search

__all__ = ["mended", "traced"]

Array = np.ndarray[Any, Any]

EXCHANGED = 4        # rows whose value replaces that of a column
FIRST = 4            # rows that the value of each column is put into
CANDIDATES = 5       # columns of which all and all pairs are looked at
CHOSEN = 8           # rows on which columns are chosen
TESTED = 20          # others, on which the chosen ones are tested
HOLDS = 0.9          # of what a pair brings along that a single column must, to be taken
HEALERS = 15         # clean rows, like this one in its other columns, whose values stand in for those of a suspect


def traced(row: Array, label: int, book: Book) -> Search[Trace]:
    """Search a row for the values that make its label, of one column or of two together.

    Each column takes values of clean rows of other labels, and its own value is put into a few of these. Where either changes labels the
    column is looked at: alone and in pairs its values are put into clean rows of other labels. Two values that force a label only
    together show in the first test, two that do it each for itself in the second. A single column is preferred; what is chosen is tested
    on ``TESTED`` rows that had no part in the choice.
    """
    others, cells = book.grounds.other(label), list(book.layout.cells)
    choosing, testing = others[:CHOSEN], others[CHOSEN : CHOSEN + TESTED]
    givers = book.donors.other(label)[:EXCHANGED]
    if not cells or not len(testing) or not len(givers):
        return Trace(label)
    exchanged = [Cells.of_row(giver, [column]).onto(row[None]) for column in cells for giver in givers]
    given = [Cells.of_row(row, [column]).onto(choosing[:FIRST]) for column in cells]
    said = yield np.concatenate([*exchanged, *given])
    change = (said[: len(exchanged)].reshape(len(cells), -1) != label).mean(axis=1)
    bring = (said[len(exchanged) :].reshape(len(cells), -1) == label).mean(axis=1)
    order = np.argsort(-(change + bring), kind="stable")[:CANDIDATES]
    chosen = [cells[each] for each in order if change[each] + bring[each] > 0]
    if not chosen:
        return Trace(label)
    sets = [(each,) for each in chosen] + list(combinations(sorted(chosen), 2))
    cuts = [Cells.of_row(row, each) for each in sets]
    said = yield np.concatenate([each.onto(choosing) for each in cuts])
    counts = (said.reshape(len(cuts), -1) == label).sum(axis=1)
    if not counts.any():
        return Trace(label)
    single = int(counts[: len(chosen)].argmax())
    best = single if counts[single] >= HOLDS * counts.max() else int(counts.argmax())
    said = yield cuts[best].onto(testing)
    hits = int((said == label).sum())
    null = yield from book.harmless(cuts[best], label)
    return Trace(label, cuts[best], hits, len(testing), *null)


def mended(row: Array, trace: Trace, book: Book) -> Search[tuple[int, Array]]:
    """Return the label that most rows have with other values in these columns, and the one of them that is likeliest.

    The values are those of the clean rows that are nearest in the other columns, as values of one row belong together.
    """
    assert isinstance(trace.cut, Cells)
    rest = [each for each in book.layout.cells if each not in trace.cut.columns]
    order = np.argsort(book.distances(row, book.donors.rows, rest), kind="stable")[:HEALERS]
    made = np.concatenate([Cells.of_row(each, trace.cut.columns).onto(row[None]) for each in book.donors.rows[order]])
    said = yield made
    labels, counts = np.unique(said, return_counts=True)
    label = int(labels[counts.argmax()])
    return label, made[int(np.flatnonzero(said == label)[0])]
