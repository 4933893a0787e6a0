"""What was asked in a search: each sentence once, within a budget of model rows, and which faults are far from each other.

``Ledger`` asks and remembers, ``Search`` is what a search returns. ``search`` and ``reference`` use them; the verbs import ``Search``.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from assay.errors import ConfigError
from assay.probe.text.grammar import Grammar, Tree
from assay.probe.text.oracle import Oracle, Outcome
from assay.probe.text.tree import label, numbers, paths, text

__all__ = ["APART", "Crowd", "Ledger", "Makeup", "Search", "Test", "apart"]

APART = 0.35   # Dice distance from which two derivations count as different


@dataclass(frozen=True, eq=False)
class Test:
    """A sentence that was asked."""

    __test__ = False   # for pytest

    tree: Tree
    text: str
    label: str | None
    outcome: Outcome

    @property
    def fails(self) -> bool:
        return self.outcome.fails


@dataclass(frozen=True, eq=False)
class Search:
    """What came of a search: its tests in order, and what it cost; ``overhead`` is the CPU seconds beside the models."""

    grammar: Grammar
    tests: tuple[Test, ...]
    method: str
    rows: int
    overhead: float
    stopped: str | None = None

    @property
    def faults(self) -> list[Test]:
        """The tests that failed."""
        return [each for each in self.tests if each.fails]

    @property
    def rate(self) -> float:
        """Faults per test."""
        return len(self.faults) / max(len(self.tests), 1)

    @property
    def apart(self) -> list[Test]:
        """Faults, in order, each of which is at least ``APART`` from all before it that are listed."""
        faults = self.faults
        return [faults[place] for place in apart([each.tree for each in faults])]

    @property
    def covered(self) -> float:
        """The share of the three-symbol paths of the grammar that a fault went through."""
        seen: set[tuple[int, int]] = set()
        for each in self.faults:
            seen |= paths(self.grammar, each.tree)
        return len(seen) / max(len(self.grammar.paths), 1)


@dataclass(eq=False)
class Ledger:
    """Asks ``oracle`` about derivations, none of whose sentences it asked before, until ``budget`` model rows are spent."""

    grammar: Grammar
    oracle: Oracle
    budget: int
    tests: list[Test] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    seconds: float = 0.0
    began: float = field(default_factory=time.process_time)

    def __post_init__(self) -> None:
        if self.budget < self.oracle.rows:
            raise ConfigError(f"a budget of {self.budget:,} model rows finds nothing", expected=f"at least {self.oracle.rows} rows, a test")

    @property
    def left(self) -> int:
        """How many tests the budget still allows."""
        return self.budget // self.oracle.rows - len(self.tests)

    def new(self, tree: Tree) -> tuple[str, str | None] | None:
        """Return the sentence and the label of a derivation, or None where it was asked, or cannot be judged."""
        sentence = text(self.grammar, tree)
        if sentence in self.seen:
            return None
        known = label(self.grammar, tree)
        return (sentence, known) if self.oracle.fits(sentence, known) else None

    def ask(self, trees: Sequence[Tree], known: Sequence[tuple[str, str | None]] = ()) -> list[Test]:
        """Ask about derivations with new sentences, as many as the budget allows, and return these; ``known`` is what ``new`` gave."""
        asked: list[tuple[Tree, str, str | None]] = []
        for place, tree in enumerate(trees):
            fresh = known[place] if known else self.new(tree)
            if fresh is not None and fresh[0] not in self.seen and len(asked) < self.left:
                self.seen.add(fresh[0])
                asked.append((tree, *fresh))
        if not asked:
            return []
        before = time.process_time()
        outcomes = self.oracle.ask([each[1] for each in asked], [each[2] for each in asked])
        self.seconds += time.process_time() - before
        made = [Test(*each, outcome) for each, outcome in zip(asked, outcomes, strict=True)]
        self.tests += made
        return made

    def search(self, method: str, stopped: str | None = None) -> Search:
        """Return what came of it."""
        overhead = time.process_time() - self.began - self.seconds
        return Search(self.grammar, tuple(self.tests), method, len(self.tests) * self.oracle.rows, overhead, stopped)


class Makeup:
    """Numbers for what derivations are made of, so that many distances are one product of sparse matrices.

    ``of(tree)`` gives the numbers of its productions and steps down, ``distances`` those between all pairs of two lists of these.
    """

    def __init__(self, productions: int):
        self.productions = productions
        self.known: dict[tuple[int, int, int], int] = {}
        self.below: list[int] = []   # of each step down the production it leads to

    def of(self, tree: Tree) -> list[int]:
        """Return what a derivation is made of, each part once."""
        found: set[int] = set()
        waiting = [tree]
        known, base = self.known, self.productions
        while waiting:
            number, children = waiting.pop()
            found.add(number)
            for slot, child in enumerate(children):
                first = child[0]
                step = (number, slot, first)
                place = known.get(step)
                if place is None:
                    place = known[step] = base + len(known)
                    self.below.append(first)
                found.add(place)
                if child[1]:
                    waiting.append(child)
                else:
                    found.add(first)
        return sorted(found)

    def matrix(self, parts: Sequence[Sequence[int]]) -> Any:
        """Return a sparse matrix of ones, a row for each derivation."""
        from scipy.sparse import csr_matrix

        ends = np.zeros(len(parts) + 1, np.int32)
        np.cumsum([len(each) for each in parts], out=ends[1:])
        places = np.fromiter((place for each in parts for place in each), np.int32, count=int(ends[-1]))
        return csr_matrix((np.ones(len(places), np.float32), places, ends), shape=(len(parts), self.productions + len(self.known)))

    def distances(self, some: Sequence[Sequence[int]], others: Sequence[Sequence[int]]) -> np.ndarray[Any, Any]:
        """Return the Dice distances of each of ``some`` from each of ``others``."""
        if not some or not others:
            return np.ones((len(some), len(others)))
        shared = np.asarray((self.matrix(some) @ self.matrix(others).T).todense())
        mine = np.array([len(each) for each in some])[:, None]
        return np.asarray(1 - 2 * shared / (mine + np.array([len(each) for each in others])[None, :]))


class Crowd:
    """Derivations to which distances are taken one at a time, which are added as they are found.

    >>> crowd = Crowd()
    >>> crowd.add([0, 3])
    >>> crowd.nearest([0, 3]), crowd.nearest([0, 4]), crowd.nearest([5])
    (0.0, 0.5, 1.0)
    """

    def __init__(self) -> None:
        self.table = np.zeros((256, 64), np.uint8)   # a row for each part, a column for each derivation
        self.sizes = np.zeros(64, np.int64)
        self.count = 0

    def add(self, parts: Sequence[int]) -> None:
        """Add a derivation by what it is made of."""
        rows, columns = self.table.shape
        if self.count == columns or parts[-1] >= rows:
            wide = 2 * columns if self.count == columns else columns
            self.table = np.pad(self.table, ((0, max(2 * parts[-1], rows) - rows + 1), (0, wide - columns)))
            self.sizes = np.pad(self.sizes, (0, wide - columns))
        self.table[parts, self.count] = 1
        self.sizes[self.count] = len(parts)
        self.count += 1

    def nearest(self, parts: Sequence[int]) -> float:
        """Return the Dice distance to the nearest of them; 1 where there are none."""
        if not self.count:
            return 1.0
        top = self.table.shape[0]
        known = [each for each in parts if each < top]
        shared = self.table[known, :self.count].sum(axis=0, dtype=np.uint16)
        return float(1 - (2 * shared / (self.sizes[:self.count] + len(parts))).max())


def apart(trees: Sequence[Tree], least: float = APART) -> list[int]:
    """Return the places of derivations that are at least ``least`` from all earlier ones returned: greedily, in order.

    >>> same, other = (0, ((1, ()),)), (2, ())
    >>> apart([same, same, other])
    [0, 2]
    """
    makeup, crowd = Makeup(max((each for tree in trees for each in numbers(tree)), default=0) + 1), Crowd()
    kept: list[int] = []
    for place, tree in enumerate(trees):
        parts = makeup.of(tree)
        if crowd.nearest(parts) >= least:
            crowd.add(parts)
            kept.append(place)
    return kept
