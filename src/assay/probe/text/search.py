"""The search for sentences on which classifiers are at fault: different ones, from causes that are not known yet.

``search(grammar, oracle, budget=...)`` is the interface, ``responsible`` names the productions behind what was found. ``reference`` has the
strategies that were published; the verbs import both.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np

from assay.probe.text.grammar import Grammar, Tree
from assay.probe.text.ledger import APART, Crowd, Ledger, Makeup, Search, Test
from assay.probe.text.oracle import Oracle, Outcome
from assay.probe.text.sampler import Sampler
from assay.probe.text.shrink import Cause, shrunk
from assay.probe.text.surrogate import Panel
from assay.probe.text.tree import nodes, numbers, replaced

__all__ = ["Responsible", "responsible", "search"]

Array = np.ndarray[Any, Any]

FIRST, ENOUGH = 100, 6     # independent draws before anything is learned, or fewer once so many faults are known
PLAIN = 0.3                # of proposals, as the grammar draws them
BATCH, SHARE = 40, 5       # tests asked at a time, and proposals for each
SCREENED = 3               # of the proposals, for each test, those whose distance is looked at
GROWTH = 1.18              # of the tests, after which the stand-in learns again
FRESH = 1                  # of a batch, drawn as the grammar says
UNKNOWN = 4                # of a batch, the likeliest of those that no known cause explains
NEAR, STEEP = 0.10, 2.0    # the value of a sentence just like a fault, and how it rises with the distance
SAME = 0.2                 # that of one with the frame of a fault
KNOWN, LEAST = 6.0, 0.20  # faults of a cause by which the value of another has fallen to 0.7, and the least that it falls to
AIM = 0.88                 # the share of aimed tests that is to fail: newness counts as much as that leaves room for
STEP, TAME, MOST = 1.2, 0.02, 6.0   # how its power moves, and the least and the most
RAREST, SELDOM = 3, 4.0    # steps down by which rarity is judged, and faults by which it has fallen to 0.7
EVEN = 0.6                 # of the faults that are changed, drawn evenly from causes
CALLS, SPENT = 12, 0.06    # sentences asked to shrink a fault during the search, and their share of the tests
IMAGINED, SURE = 25, 0.6   # sentences that the stand-in judges to shrink one, and how sure it must be
POWER = 3.0                # of the chance of a production that is drawn by what failed with it
KINDS = 4                  # ways to fail that are learned apart
EVENLY = 0.5               # power of what a kind of which there are many is worth
STALE = 60                 # rounds without a new sentence after which there are no more


def search(grammar: Grammar, oracle: Oracle, *, budget: int = 4_000, seed: int = 0) -> Search:
    """Return the tests that a search asks with ``budget`` model rows; the same seed asks the same.

    A grammar of no more sentences than that is asked as a whole. Else proposals come from the grammar, from what failed before with a part
    drawn anew, exchanged or wrapped, and by productions drawn by Thompson's rule from how often sentences with them failed. Of five for
    each test those are asked that a stand-in holds for likely to fail, that are far from all earlier faults, and that no cause known so far
    explains: causes are faults shrunk while searching, and each further fault that one explains lowers the value of the next.

    >>> from assay.probe.text.grammar import load
    >>> from assay.probe.text.oracle import Expected
    >>> found = search(load("sentiment"), Expected(lambda texts: [("positive", 1.0)] * len(texts)), budget=300)
    >>> found.rows, found.rate > 0.6
    (300, True)
    """
    run = _Run(Ledger(grammar, oracle, budget), Random(seed))
    method, stopped = "search", None
    try:
        if grammar.size <= budget // oracle.rows:
            method, stopped = "everything", "exhausted"
            run.ledger.ask(list(grammar.trees()))
        else:
            stopped = run.through()
    except KeyboardInterrupt:
        stopped = "interrupted"
    return run.ledger.search(method, stopped)


@dataclass(frozen=True, eq=False)
class _Proposal:
    """A derivation that may be asked: what it is made of, by number and as bits of an integer, and which move made it.

    ``frame`` is the part of it that is not a mere choice of words.
    """

    tree: Tree
    text: str
    label: str | None
    parts: list[int]
    marks: Array
    bits: int
    frame: list[int]
    move: str


@dataclass(eq=False)   # told apart by which it is
class _Known:
    """A cause: the productions without which it is not there, and how many faults it explains."""

    bits: int
    faults: int = 1


@dataclass(eq=False)
class _Run:
    """The state of a search."""

    ledger: Ledger
    random: Random
    panel: Panel = field(default_factory=Panel)
    causes: dict[tuple[str, tuple[str | None, ...]], _Known] = field(default_factory=dict)

    def __post_init__(self) -> None:
        grammar = self.grammar = self.ledger.grammar
        self.plain = Sampler(grammar)
        self.directed = self.plain
        self.makeup = Makeup(len(grammar.productions))
        self.asked: list[tuple[_Proposal, Test]] = []
        self.kinds: dict[tuple[str | None, ...], int] = {}   # of faults, told apart by the answers: the last is all others
        self.counts: Counter[tuple[str | None, ...]] = Counter()
        self.failed: list[_Proposal] = []
        self.kept: list[_Proposal] = []             # faults that are apart
        self.crowd = Crowd()
        self.good = np.ones((KINDS, len(grammar.productions)))
        self.bad = np.ones(len(grammar.productions))
        self.moves = {name: [1.0, 2.0] for name in ("drawn", "redrawn", "exchanged", "wrapped")}
        self.donors: dict[int, list[Tree]] = {}
        self.through_steps: Counter[int] = Counter()   # faults with each part of a frame
        self.frames = Crowd()                          # of faults, each once
        self.families: list[dict[object, list[_Proposal]]] = [{} for _ in range(KINDS)]   # by the rarest known cause that explains them
        self.zeal, self.recent = 1.0, AIM
        self.aimed: set[str] = set()
        self.logits: dict[str, list[float]] = {}
        self.common = _bits(grammar.smallest[grammar.start])
        self.shrinking = 0
        self.fitted = 0

    def through(self) -> str | None:
        """Search until the budget is spent; return why it ended before."""
        ledger, stale = self.ledger, 0
        while ledger.left > 0 and stale < STALE:
            early = len(ledger.tests) < FIRST and len(self.failed) < ENOUGH
            before = len(ledger.tests)
            self.tell(self.evenly(min(20, ledger.left)) if early else self.chosen(min(BATCH, ledger.left)))
            self.learn()
            stale = 0 if len(ledger.tests) > before else stale + 1
        return None if ledger.left <= 0 else "exhausted"

    # asking ---------------------------------------------------------------------------------------------------------------

    def tell(self, some: Sequence[_Proposal]) -> None:
        """Ask about proposals and remember what came of them; faults that nothing known explains are shrunk."""
        tests = {each.text: each for each in self.ledger.ask([each.tree for each in some], [(each.text, each.label) for each in some])}
        aimed = [each.fails for each in tests.values() if each.text in self.aimed]
        if aimed:
            self.recent += 0.5 * (sum(aimed) / len(aimed) - self.recent)
            self.zeal = min(self.zeal * STEP, MOST) if self.recent > AIM else max(self.zeal / STEP, TAME)
        for each in some:
            if (test := tests.get(each.text)) is not None:
                self.noted(each, test)
        for each in some:
            test = tests.get(each.text)
            if test is not None and test.fails and self.explained(each.bits) is None:
                self.shrink(each, test)

    def noted(self, each: _Proposal, test: Test) -> None:
        kind = self.kinds.setdefault(test.outcome.answers, min(len(self.kinds), KINDS - 1)) if test.fails else -1
        self.asked.append((each, test))
        if (told := self.logits.pop(each.text, None)) is not None:
            self.panel.told(told, test.fails)
        used = each.parts[:bisect_left(each.parts, len(self.bad))]
        if test.fails:
            self.good[kind, used] += 1
            self.counts[test.outcome.answers] += 1
        else:
            self.bad[used] += 1
        fresh = False
        if test.fails:
            self.failed.append(each)
            fresh = self.crowd.nearest(each.parts) >= APART
            if fresh:
                self.kept.append(each)
                self.crowd.add(each.parts)
            self.given(each.tree)
            self.through_steps.update(each.frame)
            if self.frames.nearest(each.frame) > 0:
                self.frames.add(each.frame)
            explaining = self.explaining(each.bits)
            for known in explaining:
                known.faults += 1
            self.families[kind].setdefault(min(explaining, key=lambda one: one.faults, default=None), []).append(each)
        if each.move in self.moves:
            self.moves[each.move][0] += fresh
            self.moves[each.move][1] += 1

    def given(self, tree: Tree) -> None:
        """Keep the parts of a fault, for others to take."""
        waiting = [tree]
        while waiting:
            node = waiting.pop()
            if node[1]:
                self.donors.setdefault(self.grammar.productions[node[0]].symbol, []).append(node)
                waiting += node[1]

    def shrink(self, each: _Proposal, test: Test) -> None:
        """Find the cause of a fault with a few tests, which count as all others do.

        The stand-in shrinks it first, which costs none; if what it holds for the cause fails indeed, tests go on from there.
        """
        calls = min(CALLS, self.ledger.left, int(SPENT * len(self.ledger.tests)) + 20 - self.shrinking)
        if calls < 3:
            return
        before = len(self.ledger.tests)
        tree = each.tree
        if self.panel.fitted:
            guess = shrunk(self.grammar, tree, test.outcome, lambda one: self.imagined(one, test.outcome), calls=IMAGINED).tree
            said = self.once(guess) if guess != tree else None
            if said is not None and said.fails and said.answers == test.outcome.answers:
                tree, calls = guess, max(calls // 3, 2)
        found = shrunk(self.grammar, tree, test.outcome, self.once, calls=calls)
        self.shrinking += len(self.ledger.tests) - before
        self.remember(found)

    def imagined(self, tree: Tree, outcome: Outcome) -> Outcome:
        parts = self.makeup.of(tree)
        chance, _, _ = self.panel.chances([self.panel.direct.marks(parts, len(self.bad))], [len(parts)])
        return Outcome(outcome.answers, bool(chance[0] > SURE))

    def once(self, tree: Tree) -> Outcome | None:
        proposal = self.proposal(tree, "shrunk")
        asked = self.ledger.ask([tree], [(proposal.text, proposal.label)]) if proposal is not None else []
        if proposal is None or not asked:
            return None
        self.noted(proposal, asked[0])
        return asked[0].outcome

    def remember(self, found: Cause) -> None:
        plain = {self.grammar.by_symbol[self.grammar.productions[each].symbol][0] for each in numbers(found.tree)}
        bits = _bits(found.tree) & ~self.common
        for number in plain:   # a word that others could stand for is none of the cause
            if self.grammar.lexical[number]:
                bits &= ~(1 << number)
        if bits and found.key not in self.causes:
            self.causes[found.key] = _Known(bits, sum(each.bits & bits == bits for each in self.failed))

    def explaining(self, bits: int) -> list[_Known]:
        return [each for each in self.causes.values() if bits & each.bits == each.bits]

    def explained(self, bits: int) -> int | None:
        """Return how many faults the best known cause of a derivation explains, or None where no cause is known."""
        return max((each.faults for each in self.explaining(bits)), default=None)

    def learn(self) -> None:
        if len(self.asked) >= max(self.fitted * GROWTH, 50):
            self.fitted = len(self.asked)
            self.panel.fit([each.marks for each, _ in self.asked], [len(each.parts) for each, _ in self.asked],
                           [test.outcome.answers for _, test in self.asked], [test.fails for _, test in self.asked])

    # proposing ------------------------------------------------------------------------------------------------------------

    def evenly(self, count: int) -> list[_Proposal]:
        made = (self.proposal(self.plain.drawn(self.random), "") for _ in range(count))
        return list({each.text: each for each in made if each is not None}.values())

    def chosen(self, count: int) -> list[_Proposal]:
        """Return what is worth most, a few that nothing explains, and a few as the grammar draws them."""
        self.directed = Sampler(self.grammar, self.drawn_weights())
        pool = self.proposals(SHARE * count)
        picked = self.evenly(min(FRESH, count))
        if not pool:
            return picked or self.evenly(count)
        chance, kinds, logits = self.panel.chances([each.marks for each in pool], [len(each.parts) for each in pool])
        counts = [self.explained(each.bits) for each in pool]
        worth = np.array([1.0 if known is None else max(LEAST, (1 + known / KNOWN) ** -0.5) for known in counts]) * self.evened(kinds)
        unknown = [place for place in np.argsort(-chance, kind="stable") if counts[place] is None][:min(UNKNOWN, count - len(picked))]
        first = [place for place in np.argsort(-chance * worth**self.zeal, kind="stable") if place not in set(unknown)][:SCREENED * count]
        picked += [pool[place] for place in unknown]
        rare = np.array([self.rarity(pool[place]) for place in first])
        found = self.spread([pool[place] for place in first], chance[first], (worth[first] * rare), picked, count - len(picked))
        self.aimed = {each.text for each in found}
        told = {each.text: one for each, one in zip(pool, logits.tolist(), strict=True)}
        self.logits = {each.text: told[each.text] for each in picked + found if each.text in told}
        return picked + found

    def evened(self, chances: Array) -> Array:
        """Return how far derivations fail in ways of which fewer are known than would be even, from 0 to 1."""
        if chances.shape[1] != len(self.panel.kinds) or chances.shape[1] < 2:
            return np.ones(len(chances))
        share = np.array([self.counts[each] + 1 for each in self.panel.kinds])
        even = share.sum() / len(share)
        return np.asarray(chances @ np.minimum(1, (share / even) ** -EVENLY) / np.maximum(chances.sum(axis=1), 1e-12))

    def rarity(self, each: _Proposal) -> float:
        """Return how seldom faults had the three rarest parts of its frame, from 0 to 1."""
        counts = sorted(self.through_steps[part] for part in each.frame)[:RAREST]
        return sum((1 + count / SELDOM) ** -0.5 for count in counts) / len(counts) if counts else 1.0

    def spread(self, pool: Sequence[_Proposal], chance: Array, worth: Array, picked: Sequence[_Proposal], count: int) -> list[_Proposal]:
        """Return the best ``count`` one by one, by chance and by how new each is: its worth, and the distance from faults and those before.

        While more than ``AIM`` of such tests fail, newness counts for more, else for less.
        """
        parts = [each.parts for each in pool]
        nearest = np.minimum([self.crowd.nearest(each) for each in parts],
                             self.makeup.distances(parts, [each.parts for each in picked]).min(axis=1, initial=1.0))
        among = self.makeup.distances(parts, parts)
        frames = [each.frame for each in pool]
        odd, alike = np.array([self.frames.nearest(each) for each in frames]), self.makeup.distances(frames, frames)
        found: list[_Proposal] = []
        left = np.ones(len(pool), bool)
        while len(found) < min(count, len(pool)):
            new = worth * (NEAR + (1 - NEAR) * np.minimum(1, nearest / APART) ** STEEP) * (SAME + (1 - SAME) * np.minimum(1, odd / APART))
            score = np.where(left, chance * new**self.zeal, -1.0)
            best = int(score.argmax())
            left[best] = False
            found.append(pool[best])
            nearest, odd = np.minimum(nearest, among[best]), np.minimum(odd, alike[best])
        return found

    def known(self) -> list[int]:
        """Return the kinds of which there are faults."""
        return [kind for kind, some in enumerate(self.families) if some]

    def drawn_weights(self) -> list[float]:
        """Return weights of productions by Thompson's rule: a chance of failing drawn for each, to a power."""
        generator = np.random.default_rng(self.random.getrandbits(32))
        known = self.known()
        others = self.good.sum(axis=0) - KINDS
        good = self.good[self.random.choice(known)] if known else others + 1
        theta = generator.beta(good, self.bad + others + 1 - good)
        return [max(each.weight * drawn, 1e-9) for each, drawn in zip(self.grammar.productions, theta**POWER, strict=True)]

    def proposals(self, count: int) -> list[_Proposal]:
        found: dict[str, _Proposal] = {}
        names = list(self.moves)
        weights = [self.moves[name][0] / self.moves[name][1] + 0.05 for name in names]
        for _ in range(3 * count):
            if not self.failed or self.random.random() < PLAIN:
                move, tree = "", self.plain.drawn(self.random)
            else:
                move = self.random.choices(names, weights)[0]
                tree = self.moved(move)
            made = self.proposal(tree, move)
            if made is not None:
                found.setdefault(made.text, made)
            if len(found) >= count:
                break
        return list(found.values())

    def moved(self, move: str) -> Tree:
        if move == "drawn":
            return self.directed.drawn(self.random)
        families = self.families[self.random.choice(self.known())]
        family = self.random.choice(list(families.values())) if self.random.random() < EVEN else self.kept
        tree = self.random.choice(family).tree
        path, node = self.place(tree)
        symbol = self.grammar.productions[node[0]].symbol
        if move == "exchanged" and symbol in self.donors:
            return replaced(tree, path, self.random.choice(self.donors[symbol]))
        sampler = self.directed if self.random.random() < 0.7 else self.plain
        new = sampler.drawn(self.random, symbol, depth=len(path))
        if move == "wrapped":
            holes = [way for way, below in nodes(new) if way and self.grammar.productions[below[0]].symbol == symbol]
            if holes:
                new = replaced(new, self.random.choice(holes), node)
        return replaced(tree, path, new)

    def place(self, tree: Tree) -> tuple[tuple[int, ...], Tree]:
        """Return a node, those with others below them more often."""
        found = list(nodes(tree))
        return self.random.choices(found, [1.0 if node[1] else 0.3 for _, node in found])[0]

    def proposal(self, tree: Tree, move: str) -> _Proposal | None:
        fresh = self.ledger.new(tree)
        if fresh is None:
            return None
        parts = self.makeup.of(tree)
        bits = 0
        for part in parts:
            if part >= len(self.bad):
                break
            bits |= 1 << part
        base, below, words = len(self.bad), self.makeup.below, self.grammar.lexical
        frame = [part for part in parts if not words[part if part < base else below[part - base]]]
        return _Proposal(tree, *fresh, parts, self.panel.direct.marks(parts, base), bits, frame, move)


def _bits(tree: Tree) -> int:
    found = 0
    for number in numbers(tree):
        found |= 1 << number
    return found


@dataclass(frozen=True)
class Responsible:
    """A production, the share of causes that it is in, and of sentences drawn from the grammar."""

    name: str
    share: float
    usual: float


def responsible(grammar: Grammar, causes: Sequence[Cause], *, seed: int = 0, most: int = 8, draws: int = 400) -> list[Responsible]:
    """Return the productions that stand in shrunk causes more often than in sentences drawn from the grammar, the clearest first.

    Clear is a high share times the logarithm of how many times it is the usual one; draws ask no model.
    """
    random, sampler = Random(seed), Sampler(grammar)
    usual = Counter(number for _ in range(draws) for number in set(numbers(sampler.drawn(random))))
    found = Counter(number for each in causes for number in set(numbers(each.tree)))
    plain = set(numbers(grammar.smallest[grammar.start]))
    rows = [Responsible(grammar.productions[number].name, count / len(causes), usual[number] / draws)
            for number, count in found.items() if number not in plain and count > 1]
    rows = [each for each in rows if each.share > each.usual]
    return sorted(rows, key=lambda each: (-each.share * math.log(each.share / max(each.usual, 1 / draws)), each.name))[:most]
