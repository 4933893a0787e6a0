"""What is asked of text classifiers, and what came of it: shares of sentences drawn, the search, and causes shrunk from what it found.

``Asked`` is what a user wants, ``questions`` what follows for the models, ``Found.of`` the work. ``verbs.probe.text`` uses them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from random import Random

from assay.errors import ConfigError, UnknownNameError, listed
from assay.probe.text.grammar import Grammar
from assay.probe.text.ledger import Search
from assay.probe.text.oracle import Differential, Expected, Metamorphic, Oracle, Outcome
from assay.probe.text.relation import RELATIONS, relation
from assay.probe.text.sampler import Sampler
from assay.probe.text.search import search
from assay.probe.text.shrink import Cause, asking, shrunk
from assay.probe.text.tree import label, numbers, text
from assay.result import Spread, Value
from assay.verbs.probe.classifier import Named

__all__ = ["Asked", "Found", "Known", "Question", "draws", "questions"]

LEAST, MOST = 200, 2_000   # draws of the share
PART = 2                   # of the tests of the search, so many draws
FRUITLESS = 50             # draws for each that can be asked, after which there is held to be none


@dataclass(frozen=True)
class Asked:
    """What a user wants, refused where it cannot be meant."""

    grammar: str | None
    budget: int
    relations: tuple[str, ...]
    expected: bool
    between: tuple[str, ...]
    at_least: float
    at_most: float
    shrink: int
    examples: int
    seed: int

    @classmethod
    def of(
        cls,
        grammar: str | Path | None,
        budget: int,
        relations: str | Sequence[str],
        expected: bool,
        between: Sequence[str],
        at_least: float,
        at_most: float,
        shrink: int,
        examples: int,
        seed: int,
    ) -> Asked:
        """Return it, with one relation as a list of it."""
        several = (relations,) if isinstance(relations, str) else tuple(relations)
        unknown = next((each for each in several if each not in RELATIONS), None)
        if unknown is not None:
            raise UnknownNameError.among("relation", unknown, RELATIONS)
        if budget < 100:
            raise ConfigError(f"a budget of {budget:,} sentences finds nothing", expected="at least 100")
        for name, value in (("at_least", at_least), ("at_most", at_most)):
            if not 0 <= value < 1:
                raise ConfigError(f"{name} is {value:g}", expected="a number from 0 to below 1")
        if not 1 <= examples <= 1_000:
            raise ConfigError(f"{examples:,} examples cannot be shown", expected="1 to 1,000")
        if not 0 <= shrink <= 100_000:
            raise ConfigError(f"{shrink:,} findings cannot be shrunk", expected="0 to 100,000")
        if len(between) == 1:
            raise ConfigError(
                f"a contradiction is between two labels, and '{between[0]}' is one", hint="--between positive --between negative"
            )
        return cls(
            str(grammar) if grammar is not None else None,
            budget,
            tuple(dict.fromkeys(several)),
            expected,
            tuple(between),
            at_least,
            at_most,
            shrink,
            examples,
            seed,
        )


@dataclass(frozen=True)
class Question:
    """One thing that is asked of every sentence: ``name`` is ``"contradiction"``, ``"expected"`` or that of a relation."""

    name: str
    oracle: Oracle
    who: tuple[Named, ...]

    @property
    def fails(self) -> str:
        """What a fault is, in words."""
        names = " and ".join(
            [", ".join(each.name for each in self.who[:-1]), self.who[-1].name] if len(self.who) > 1 else [self.who[0].name]
        )
        if self.name == "contradiction":
            return f"{names} contradict each other"
        if self.name == "expected":
            return f"{names} answers another label than the grammar's"
        kind = RELATIONS[self.name]
        return f"{names} answers {_BROKEN[kind.kind]} after {kind.sentence} ({self.name})"


_BROKEN = {"same": "otherwise", "flip": "the same", "less": "more surely", "more": "less surely"}


def questions(named: Sequence[Named], grammar: Grammar, asked: Asked) -> list[Question]:
    """Return what is asked of the models: contradictions of several, labels and relations of one; raises where nothing can be."""
    if len(named) > 1:
        if asked.relations or asked.expected:
            raise ConfigError(
                f"{'relations' if asked.relations else 'expected labels'} are asked of one model, and there are {len(named)}",
                hint="name one --model, or leave that out to see where they contradict each other",
            )
        _in_common(named)
        models = {each.name: each.ask for each in named}
        among = frozenset(asked.between) or None
        return [Question("contradiction", Differential(models, at_least=asked.at_least, among=among), tuple(named))]
    one = named[0]
    if asked.between:
        raise ConfigError("one model contradicts nobody, so that --between means nothing", hint="name a second --model")
    if not asked.relations and not grammar.labels:
        raise ConfigError(
            f"the grammar '{grammar.name}' gives no labels, and one model contradicts nobody",
            expected="two models, or relations",
            hint=f"--relation {listed(RELATIONS, 3).replace(chr(39), '')}".replace(", ", " --relation "),
        )
    found: list[Question] = []
    if asked.expected or not asked.relations:
        found.append(Question("expected", _expected(one, grammar, asked), (one,)))
    found += [Question(each, Metamorphic(one.ask, relation(each), at_least=asked.at_least), (one,)) for each in asked.relations]
    return found


def _in_common(named: Sequence[Named]) -> None:
    """Raise where the labels of two models, as far as they are known, have nothing in common: then all would contradict."""
    known = [each for each in named if each.labels]
    for first in known[:1]:
        for other in known[1:]:
            if not set(first.labels or ()) & set(other.labels or ()):
                raise ConfigError(
                    f"{first.name} answers {listed(first.labels or (), 4)}, {other.name} {listed(other.labels or (), 4)}: they have "
                    "no label in common",
                    hint="map one to the other: --labels FILE, with lines such as  '1': positive",
                )


def _expected(one: Named, grammar: Grammar, asked: Asked) -> Expected:
    """Return the oracle of the grammar's labels; of a function its labels are those that it gives to sentences drawn."""
    if not grammar.labels:
        raise ConfigError(
            "the grammar gives no labels to compare with", where=grammar.name, hint='a label stands behind an alternative: = "positive"'
        )
    said = one.labels
    if said is None:
        random, sampler = Random(asked.seed), Sampler(grammar)  # noqa: S311 (no secret hangs on it)
        sentences = list(dict.fromkeys(text(grammar, sampler.drawn(random)) for _ in range(LEAST)))
        said = tuple(dict.fromkeys(each for each, _ in one.ask([each for each in sentences if each]) if each is not None))
    common = frozenset(said) & grammar.labels
    if not common:
        raise ConfigError(
            f"{one.name} answers {listed(said, 4) or 'nothing'}, the grammar says {listed(sorted(grammar.labels), 4)}",
            where=grammar.name,
            hint="map the labels of the model to those of the grammar: --labels FILE, with lines such as  "
            f"'{said[0] if said else 1}': {min(grammar.labels)}",
        )
    return Expected(one.ask, at_least=asked.at_least, labels=common)


@dataclass(frozen=True, eq=False)
class Known:
    """A cause, the faults that it explains, and whether it is there as it was found because nothing could be asked any more."""

    cause: Cause
    label: str | None
    count: int


@dataclass(eq=False)
class Found:
    """What came of one question."""

    question: Question
    grammar: Grammar
    drawn: int
    failed: int
    search: Search
    known: list[Known] = field(default_factory=list)
    calls: int = 0
    left: int = 0  # faults that were not shrunk
    interrupted: bool = False

    @classmethod
    def of(cls, question: Question, grammar: Grammar, asked: Asked) -> Found:
        """Draw, search and shrink."""
        oracle = question.oracle
        n, failed = draws(grammar, oracle, min(max(asked.budget // PART, LEAST), MOST), seed=asked.seed)
        made = search(grammar, oracle, budget=asked.budget * oracle.rows, seed=asked.seed)
        found = cls(question, grammar, n, failed, made, interrupted=made.stopped == "interrupted")
        found.shrink(asked.shrink)
        return found

    @property
    def stopped(self) -> str | None:
        return "interrupted" if self.interrupted else self.search.stopped

    def shrink(self, most: int) -> None:
        """Shrink faults, those far from each other first, until each is explained by a cause: its productions and answers are there.

        At most ``most`` are shrunk; after an interrupt none.
        """
        faults = self.search.faults
        far = self.search.apart
        order = [*far, *(each for each in faults if each not in set(far))]
        ask = asking(self.grammar, self.question.oracle)
        usual = set(numbers(self.grammar.smallest[self.grammar.start]))
        made: dict[tuple[str, tuple[str | None, ...]], tuple[Cause, frozenset[int], str | None]] = {}
        ended: dict[object, set[int]] = {}  # of each cause the faults that were shrunk to it, of which it need not be a part
        tried = 0
        parts = {id(each): frozenset(numbers(each.tree)) for each in order}
        for each in order:
            if any(core and core <= parts[id(each)] and cause.answers == each.outcome.answers for cause, core, _ in made.values()):
                continue
            if self.interrupted or tried >= most:
                self.left += 1
                continue
            tried += 1
            try:
                cause = shrunk(self.grammar, each.tree, each.outcome, ask)
            except KeyboardInterrupt:
                self.interrupted = True
                continue
            self.calls += cause.calls
            core = frozenset(number for number in numbers(cause.tree) if number not in usual and not self.plain(number))
            made.setdefault(cause.key, (cause, core, label(self.grammar, cause.tree)))
            ended.setdefault(cause.key, set()).add(id(each))
        if (self.interrupted or not most) and not made:  # what was found, as it was found
            for each in far:
                bare = Cause(each.tree, each.text, each.text, each.outcome.answers, 0, each.text, each.outcome.contrast)
                made[bare.key] = (bare, frozenset(), each.label)
        made = {
            key: each
            for key, each in made.items()
            if not any(other[1] and other[1] < each[1] and other[0].answers == each[0].answers for other in made.values())
        }
        counts = [
            sum(
                id(each) in ended.get(key, ()) or (bool(core) and core <= parts[id(each)] and each.outcome.answers == cause.answers)
                for each in order
            )
            for key, (cause, core, _) in made.items()
        ]
        known = [Known(cause, said, max(count, 1)) for (cause, _, said), count in zip(made.values(), counts, strict=True)]
        self.known = sorted(known, key=lambda each: (-each.count, len(each.cause.text), each.cause.text))

    def plain(self, number: int) -> bool:
        """Whether a production is the first word of several, which stands for any."""
        symbol = self.grammar.productions[number].symbol
        return self.grammar.lexical[number] and number == next(
            each for each in self.grammar.by_symbol[symbol] if self.grammar.lexical[each]
        )

    @cached_property
    def share(self) -> Value | None:
        """The share of sentences drawn from the grammar that fail, with its interval."""
        if not self.drawn:
            return None
        return Value.of(
            "share of drawn sentences",
            Spread("binomial", self.failed / self.drawn, n=self.drawn),
            n=self.drawn,
            better="lower",
            options={"of": self.question.name},
        )


def draws(grammar: Grammar, oracle: Oracle, count: int, *, seed: int) -> tuple[int, int]:
    """Return how many of up to ``count`` independent draws could be asked, and how many fail; one drawn twice counts twice."""
    random, sampler = Random(seed + 1), Sampler(grammar)  # noqa: S311 (no secret hangs on it)
    times: Counter[str] = Counter()
    labels: dict[str, str | None] = {}
    for _ in range(FRUITLESS * count):
        if times.total() >= count:
            break
        tree = sampler.drawn(random)
        sentence, said = text(grammar, tree), label(grammar, tree)
        if oracle.fits(sentence, said):
            times[sentence] += 1
            labels[sentence] = said
    known = list(times)
    outcomes: list[Outcome] = []
    for start in range(0, len(known), 500):
        some = known[start : start + 500]
        outcomes += oracle.ask(some, [labels[each] for each in some])
    return times.total(), sum(times[each] for each, outcome in zip(known, outcomes, strict=True) if outcome.fails)
