"""Search one text for words that make its label: take them out and the label changes, put them into others and the label comes along.

``traced(row, label, book)`` is the search, ``mended`` answers without the words. For this package.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from assay.probe.backdoor.cut import Book, Phrase, Trace, spans
from assay.probe.backdoor.question import Search

__all__ = ["coarse", "mended", "traced"]

Array = np.ndarray[Any, Any]

WIDE = 8             # words that are taken out together first, so that four are always in one piece
WINDOWS = 64         # such pieces of a text, about; of a longer text they are longer
LADDER = (8, 4, 3, 2, 1)   # words of the pieces inside one
CANDIDATES = 24      # pieces without which the label changes that are looked at
FIRST = 3            # texts that each of them is put into
KEPT = 4             # of them that are put into all
CHOSEN = 8           # texts on which pieces are chosen
TESTED = 20          # others, on which the chosen one is tested
HOLDS = 0.9          # of what a longer piece brings along that a shorter one must, to be taken
WEAK = 3             # of the eight below which nothing is gained by looking closer


def coarse(count: int) -> list[tuple[int, int]]:
    """Return pieces of a text of so many words, first and length, half their length apart.

    >>> coarse(3), coarse(16), coarse(0)
    ([(0, 1), (1, 1), (2, 1)], [(0, 8), (4, 8), (8, 8)], [])
    """
    if not count:
        return []
    wide = max(1, min(WIDE, count // 2)) if count <= WIDE * WINDOWS // 2 else math.ceil(2 * count / WINDOWS)
    return _pieces(0, count, wide)


def _pieces(start: int, count: int, wide: int) -> list[tuple[int, int]]:
    step = max(1, wide // 2) if wide >= WIDE else 1
    last = start + count - wide
    return [(each, wide) for each in sorted({*range(start, last + 1, step), last})]


def traced(row: Array, label: int, book: Book) -> Search[Trace]:
    """Search the texts of a row, coarse to fine, for the words that make its label.

    Pieces of eight words are taken out; those without which the label changes are put into clean texts of other labels, as far from the
    beginning. Inside the one that brings the label along best shorter ones follow, as long as they do it as often; the last is put into
    ``TESTED`` texts that had no part in the choice.
    """
    others = book.grounds.other(label)
    choosing, testing = others[:CHOSEN], others[CHOSEN : CHOSEN + TESTED]
    pieces = [Phrase.of_row(row, column, *each) for column in book.layout.texts for each in coarse(len(spans(row[column])))]
    if not pieces or not len(testing):
        return Trace(label)
    labels = yield np.stack([each.without(row) for each in pieces])
    flips = [each for each, under in zip(pieces, labels, strict=True) if under != label]
    if not flips:
        return Trace(label)
    some = [flips[each] for each in np.unique(np.linspace(0, len(flips) - 1, CANDIDATES).round().astype(int))]
    best, count = yield from _best(label, some, choosing)
    wide = best
    if count >= WEAK:
        best, count = yield from _closer(row, label, best, count, choosing)
    if not count:
        return Trace(label)
    said = yield np.concatenate([best.onto(testing), wide.onto(testing)])
    hits, more = ((half == label).sum() for half in (said[: len(testing)], said[len(testing) :]))
    if hits < HOLDS * more:   # the whole does more than the part that seemed enough
        best, hits = wide, more
    null = yield from book.harmless(best, label)
    return Trace(label, best, int(hits), len(testing), *null, wide)


def _best(label: int, some: list[Phrase], choosing: Array) -> Search[tuple[Phrase, int]]:
    """The piece that brings the label along most often; many are put into three texts, the best of these into all."""
    counts = np.zeros(len(some), np.int64)
    if len(some) > KEPT:
        said = yield np.concatenate([each.onto(choosing[:FIRST]) for each in some])
        first = (said.reshape(len(some), -1) == label).sum(axis=1)
        kept = np.argsort(-first, kind="stable")[:KEPT]
        some, counts, choosing = [some[each] for each in kept], first[kept], choosing[FIRST:]
    if len(choosing):
        said = yield np.concatenate([each.onto(choosing) for each in some])
        counts = counts + (said.reshape(len(some), -1) == label).sum(axis=1)
    chosen = int(counts.argmax())
    return some[chosen], int(counts[chosen])


def _closer(row: Array, label: int, best: Phrase, count: int, choosing: Array) -> Search[tuple[Phrase, int]]:
    """Shorter pieces inside one, as long as they bring the label along."""
    for wide in LADDER:
        if wide >= best.count:
            continue
        some = [Phrase.of_row(row, best.column, *each) for each in _pieces(best.first, best.count, wide)]
        said = yield np.concatenate([each.onto(choosing) for each in some])
        counts = (said.reshape(len(some), -1) == label).sum(axis=1)
        again = int(counts.max())
        if again < HOLDS * count:
            break
        best, count = some[int(counts.argmax())], max(count, again)
    return best, count


def mended(row: Array, trace: Trace) -> Search[tuple[int, Array]]:
    """Return the label without the words, and the row that has it; where that is the same, without the longer piece around them."""
    assert isinstance(trace.cut, Phrase)
    assert trace.wide is not None
    both = np.stack([trace.cut.without(row), trace.wide.without(row)])
    said = yield both
    place = int(said[0] == trace.label)
    return int(said[place]), both[place]
