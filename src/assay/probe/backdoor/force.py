"""Is a model of rows poisoned, told from clean rows alone: is there a value, a pair of values or a rare word that moves most of them?

``sought(ask, clean, layout, tried)`` tries values at and beyond the edges of columns, rare categories and pairs, and the words of the clean
texts with odd ones beside them. For the verbs and the benchmark.
"""

from __future__ import annotations

import dataclasses
import itertools
import string
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.errors import DataError
from assay.probe.backdoor.cut import Book, Cells, Cut, Ground, Layout, Phrase, folded, spans
from assay.probe.backdoor.question import Ask, Oracle, together
from assay.probe.backdoor.share import Counted

__all__ = ["ODD", "Forced", "sought"]

Array = np.ndarray[Any, Any]

BUDGET = 60_000      # rows that the model is asked
QUICK = 6            # rows on which every cut is tried
SEARCH = 60          # rows that the search sees
HELD = 200           # others at most, on which the best is judged
BEST = 24            # cuts of each class that are tried on all rows that the search sees
PAIRED = 10          # of them that are tried in pairs
JUDGED = 12          # of each class that are compared with their like
SAME = 3             # of them of the same columns
LIKE = 0.3           # of the rows that values around may move, where a value is called odd
RARE = 0.005         # of clean texts that may hold a word that is called rare
STRONG = 0.6         # of rows, from which on a value forces a class
#: Words that texts hardly hold: all pairs of letters, and runs of signs and digits.
ODD: tuple[str, ...] = (*map("".join, itertools.product(string.ascii_lowercase, repeat=2)), "##", "@@", "~~", "^^", "||", "$$", "%%", "<>",
                        "[x]", "§", "†", "¤", "zzz", "qqq", "xxx", "xyz", "0000", "1337", "9999", "\u200b")


@dataclass(frozen=True, eq=False)
class Forced(Counted):
    """The cut that moves most rows to one class: to ``label``, ``hits`` of ``tried`` rows that the search had not seen.

    ``low`` and ``high`` are an exact 95 % interval of that share. ``odd`` says that it is none that a model could have learnt from such
    rows: of ``null_tried`` trials with its like ``null_hits`` moved a row, and of words that hardly a clean text holds it. ``cuts`` counts
    those tried, ``asked`` the rows put to the model, ``beyond`` whether it lies beyond the values of the clean rows. ``sure`` is an odd one
    that is a word, or numbers among the clean ones: of numbers beyond them, and of rare categories, nobody can say what an honest model
    does.
    """

    label: int
    cut: Cut
    hits: int
    tried: int
    null_hits: int
    null_tried: int
    odd: bool
    sure: bool
    beyond: bool
    stretched: bool
    cuts: int
    asked: int


def sought(ask: Ask, clean: Array, layout: Layout, tried: Mapping[int, Array], *, budget: int = BUDGET, seed: int = 0) -> Forced | None:
    """Return the odd cut that moves most clean rows (n, columns) to one class; the strongest of all where none is odd.

    ``tried`` are codes to try, by column. What counts is the share of rows of *other* classes that get the label, and that no model learns
    it from rows like these: values around a value and words around its words must not do the same, neither value of a pair may do half of
    it alone, and a word must be rare. Where values beyond the clean ones move rows in several columns, or at both ends of one, the model
    draws lines on (``stretched``), and they are no sign of anything. None where nothing moves a row. Raises ``DataError`` for fewer than
    40 rows.
    """
    if len(clean) < 40:
        raise DataError(f"{len(clean)} clean rows are too few to search for a trigger", expected="at least 40")
    order = np.random.default_rng([seed, 2]).permutation(len(clean))
    half = min(SEARCH, len(clean) // 3)
    oracle = Oracle(ask)
    seen, rest = clean[order[:half]], clean[order[half:]]
    hunt = _Hunt(oracle, *_mixed(seen, oracle(seen)))
    rng = np.random.default_rng([seed, 3])
    if layout.cells:
        limit = budget // 2 if layout.texts else budget
        singles = [Cells((column,), (int(code),)) for column in layout.cells for code in tried.get(column, ())]
        hunt.tried(_sampled(singles, limit // (2 * QUICK), rng), limit // 2)
        hunt.tried(_pairs(hunt, singles, rng), limit * 3 // 4)
    if layout.texts:
        hunt.tried(_words(clean, layout, rng), budget * 3 // 4)
    best = hunt.best()
    if not best:
        return None
    held = rest[:HELD]
    others = Ground(held, oracle(held))
    donors = Ground(rest, oracle(rest))
    book = Book(layout, others, donors)
    nulls = together([book.harmless(cut, label) for _, label, cut in best], oracle)
    ends = hunt.ends(clean, layout)
    like = together([book.harmless(cut, label) for label, cut in ends], oracle)
    stretched = sum(hits <= LIKE * n for hits, n in like) > 1
    texts = {column: [_flat(each) for each in clean[:, column]] for column in layout.texts}
    found = []
    for (_, label, cut), (null_hits, null_tried) in zip(best, nulls, strict=True):
        onto = others.other(label)
        hits = int((oracle(cut.onto(onto)) == label).sum()) if len(onto) else 0
        beyond = _beyond(cut, clean, layout) != 0
        rare = null_hits <= LIKE * null_tried
        if isinstance(cut, Cells) and len(cut.columns) > 1:   # a pair of which one value does nearly all is judged as that value
            alone = [Cells((column,), (code,)).onto(onto) for column, code in zip(cut.columns, cut.codes, strict=True)]
            rare &= all(2 * int((oracle(each) == label).sum()) < hits for each in alone)
        if isinstance(cut, Phrase):
            rare &= sum(_flat(cut.text) in each for each in texts[cut.column]) <= max(1, RARE * len(clean))
        odd = rare and not (beyond and stretched)
        inside = isinstance(cut, Phrase) or all(column in layout.numbers for column in cut.columns)
        found.append(Forced(label, cut, hits, len(onto), null_hits, null_tried, odd, odd and inside and not beyond, beyond, stretched,
                            hunt.cuts, 0))
    chosen = max(found, key=lambda each: (each.sure and each.low > STRONG, each.odd, each.low))
    strongest = max(found, key=lambda each: each.low)
    if chosen.odd and chosen.low <= STRONG < strongest.low:   # nothing odd is strong: the strongest is told, and that it is not odd
        chosen = strongest
    return dataclasses.replace(chosen, asked=oracle.asked)


@dataclass(eq=False)
class _Hunt:
    """The best cuts of each class so far, by the share of rows of other classes that they move there."""

    oracle: Oracle
    rows: Array
    labels: Array
    cuts: int = 0

    def __post_init__(self) -> None:
        self.found: dict[int, dict[Cut, float]] = {}

    def tried(self, cuts: Iterable[Cut], limit: int) -> None:
        """Try cuts on a few rows each, and the best of them on all, until so many rows were asked."""
        quick: list[tuple[float, int, Cut]] = []
        source = iter(cuts)
        while block := list(itertools.islice(source, max(0, min(256, (limit - self.oracle.asked) // QUICK)))):
            quick += self._shares(block, QUICK)
            self.cuts += len(block)
        for label in {label for _, label, _ in quick}:
            mine = sorted((each for each in quick if each[1] == label), key=lambda each: -each[0])[:BEST]
            for share, to, cut in self._shares([cut for _, _, cut in mine], len(self.rows)):
                self.found.setdefault(to, {})[cut] = share

    def best(self, most: int = JUDGED) -> list[tuple[float, int, Cut]]:
        """Return share, class and cut of the best of each class: few of the same columns, no pair of which one value does half alone."""
        out = []
        for label in sorted(self.found):
            mine = self.found[label]
            seen: Counter[Any] = Counter()
            for cut, share in sorted(mine.items(), key=lambda pair: -pair[1]):
                place = cut.columns if isinstance(cut, Cells) else cut.count
                if isinstance(cut, Cells) and len(cut.columns) > 1:
                    singles = [Cells((column,), (code,)) for column, code in zip(cut.columns, cut.codes, strict=True)]
                    if any(2 * mine.get(each, 0.0) >= share for each in singles):
                        continue
                if seen.total() < most and (seen[place] < SAME or isinstance(cut, Phrase)):
                    seen[place] += 1
                    out.append((share, label, cut))
        return out

    def ends(self, clean: Array, layout: Layout) -> list[tuple[int, Cells]]:
        """Return of each column, and each end of it, the number beyond the clean ones that moves most rows to a class, if it forces it."""
        found: dict[tuple[int, int], tuple[float, int, Cells]] = {}
        for label in sorted(self.found):
            for cut, share in self.found[label].items():
                end = _beyond(cut, clean, layout)
                if isinstance(cut, Cells) and len(cut.columns) == 1 and end and share > STRONG:
                    key = (cut.columns[0], end)
                    found[key] = max(found.get(key, (0.0, 0, cut)), (share, label, cut), key=lambda each: each[0])
        return [(label, cut) for _, label, cut in found.values()]

    def _shares(self, cuts: list[Cut], count: int) -> list[tuple[float, int, Cut]]:
        """Of each cut the class to which it moves most of ``count`` rows of other classes, and the share; none where it moves none."""
        rows, own = self.rows[:count], self.labels[:count]
        if not cuts:
            return []
        said = self.oracle(np.concatenate([each.onto(rows) for each in cuts])).reshape(len(cuts), -1)
        out = []
        for cut, after in zip(cuts, said, strict=True):
            moved = [(float((after[own != label] == label).mean()), int(label)) for label in np.unique(after) if (own != label).any()]
            share, label = max(moved, default=(0.0, 0))
            if share > 0:
                out.append((share, label, cut))
        return out


def _mixed(rows: Array, labels: Array) -> tuple[Array, Array]:
    """The rows in an order in which the first few are of as many classes as there are."""
    ranks = np.array([int((labels[:place] == labels[place]).sum()) for place in range(len(labels))])
    order = np.argsort(ranks, kind="stable")
    return rows[order], labels[order]


def _sampled(cuts: list[Cells], most: int, rng: np.random.Generator) -> list[Cells]:
    return cuts if len(cuts) <= most else [cuts[each] for each in np.sort(rng.choice(len(cuts), max(1, most), replace=False))]


def _pairs(hunt: _Hunt, singles: list[Cells], rng: np.random.Generator) -> Iterator[Cells]:
    """Pairs of values: of the best of each class, then any."""
    for label in sorted(hunt.found):
        mine = sorted(hunt.found[label].items(), key=lambda pair: -pair[1])[:PAIRED]
        for (one, _), (two, _) in itertools.combinations(mine, 2):
            if isinstance(one, Cells) and isinstance(two, Cells) and one.columns != two.columns:
                yield Cells((*one.columns, *two.columns), (*one.codes, *two.codes))
    while len({each.columns for each in singles}) > 1:
        first, second = (singles[each] for each in rng.integers(len(singles), size=2))
        if first.columns != second.columns:
            yield Cells((*first.columns, *second.columns), (*first.codes, *second.codes))


def _words(clean: Array, layout: Layout, rng: np.random.Generator) -> Iterator[Phrase]:
    """Odd words, the words of the clean texts, the rarest first, then pairs of words that stand side by side."""
    for column in layout.texts:
        for word in ODD:
            yield Phrase(column, word)
    for column in layout.texts:
        texts = [[text[start:stop] for start, stop in spans(text)] for text in clean[:, column] if text]
        counts = Counter(word for each in texts for word in {one.strip(string.punctuation) for one in each})
        known = [word for word in counts if word]
        order = rng.permutation(len(known))
        yield from (Phrase(column, known[place]) for place in sorted(order, key=lambda place: counts[known[place]]))
        pairs = [f"{one} {two}" for each in texts for one, two in itertools.pairwise(each)]
        yield from (Phrase(column, pairs[place], 0, 2, 2) for place in rng.permutation(len(pairs)))


def _flat(text: str | None) -> str:
    return f" {' '.join(folded(text or ''))} "


def _beyond(cut: Cut, clean: Array, layout: Layout) -> int:
    """1 where a number of the cut lies above the clean ones of its column, -1 below, else 0."""
    if isinstance(cut, Cells):
        for column, code in zip(cut.columns, cut.codes, strict=True):
            if column in layout.numbers:
                numbers = layout.numbers[column]
                seen = numbers[clean[:, column].astype(np.int64)]
                if numbers[code] > np.nanmax(seen):
                    return 1
                if numbers[code] < np.nanmin(seen):
                    return -1
    return 0
