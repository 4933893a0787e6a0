"""Retrain a classifier of texts on sentences of a grammar, with the labels that it gives them: found ones, drawn ones, or both.

``retrained(fit, grammar, texts, labels, ...)`` is the interface. Of several mixes the one is taken that is right most often on sentences
held out, at no more than the accuracy on real texts that may be lost. ``samples`` and ``accuracy`` are what it is measured by. The verbs
import it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from random import Random
from typing import Any

import numpy as np

from assay.errors import ConfigError, DataError
from assay.probe.text.grammar import Grammar, Tree
from assay.probe.text.label import UNDEFINED
from assay.probe.text.oracle import Classifier, Expected, answers
from assay.probe.text.sampler import Sampler
from assay.probe.text.search import search
from assay.probe.text.tree import label, text

__all__ = ["MIXES", "Fit", "Mix", "Retrained", "Sample", "Trial", "accuracy", "faults", "fitted", "mixed", "retrained", "samples",
           "spelling"]

Array = np.ndarray[Any, Any]
Fit = Callable[[Sequence[str], Sequence[str]], Classifier]  # texts and labels -> a fitted classifier
Names = Mapping[str, str | None]

FEWEST = 50  # texts that a classifier learned from
HELD = 0.25  # of the texts, held out to choose a mix
LOOKED = 1_000  # sentences drawn, by which mixes are chosen
FRUITLESS = 200  # draws for each sentence wanted, after which the grammar is held to have no more
CHANGES = 30  # tries to turn the label of a sentence
CLOSE = 0.005  # of the accuracy on sentences, that counts as the same


@dataclass(frozen=True)
class Mix:
    """What is added: ``added`` sentences as a share of the texts, and the share of these that is ``found``; the rest are drawn."""

    added: float = 0.0
    found: float = 0.0

    def __str__(self) -> str:
        if not self.added:
            return "nothing"
        parts = [f"{100 * share:.0f} % {name}" for share, name in ((1 - self.found, "drawn"), (self.found, "found")) if share > 0.005]
        return f"{100 * self.added:g} % more sentences, {' and '.join(parts)}"


MIXES = (Mix(0.2), Mix(0.2, 0.25), Mix(0.2, 0.5), Mix(1.0), Mix(1.0, 0.25))


@dataclass(frozen=True)
class Sample:
    """A sentence with the label that its grammar gives it."""

    tree: Tree
    text: str
    label: str


@dataclass(frozen=True)
class Trial:
    """What a mix did on what was held out: accuracy on sentences drawn from the grammar, and on real texts."""

    mix: Mix
    sentences: float
    texts: float


@dataclass(frozen=True, eq=False)
class Retrained:
    """A retrained classifier; ``trials`` are what was tried, the first with nothing added; ``added`` are the sentences it learned from."""

    model: Classifier
    chosen: Mix
    trials: tuple[Trial, ...]
    added: tuple[Sample, ...]


def samples(grammar: Grammar, count: int, labels: Sequence[str], *, seed: int = 0, without: Sequence[str] = ()) -> list[Sample]:
    """Return up to ``count`` different sentences drawn from a grammar, with one of ``labels``, none of them ``without``.

    >>> from assay.probe.text.grammar import load
    >>> [each.label for each in samples(load("sentiment"), 3, ["negative"])]
    ['negative', 'negative', 'negative']
    """
    random, sampler = Random(seed), Sampler(grammar)  # noqa: S311 (no secret hangs on it)
    seen, wanted = set(without), set(labels)
    found: list[Sample] = []
    for _ in range(FRUITLESS * count):
        if len(found) >= count:
            break
        made = _sample(grammar, sampler.drawn(random), wanted)
        if made is not None and made.text not in seen:
            seen.add(made.text)
            found.append(made)
    return found


def accuracy(model: Classifier, texts: Sequence[str], labels: Sequence[str], names: Names | None = None) -> float:
    """Return the share of texts that a classifier gives their label; one that it abstains from is wrong."""
    said = answers(model, texts, names or {}, 0.0)
    return float(np.mean([one == other for one, other in zip(said, labels, strict=True)])) if texts else float("nan")


def faults(grammar: Grammar, model: Classifier, count: int, labels: Sequence[str], *, names: Names | None = None, seed: int = 0,
           without: Sequence[str] = ()) -> list[Sample]:
    """Return up to ``count`` sentences on which a search finds ``model`` at fault, those far from each other first, labels by turns.

    Faults are mostly of one label, and a classifier fitted on these would learn above all that this label is frequent.
    """
    oracle = Expected(model, names or {}, labels=frozenset(labels))
    made = search(grammar, oracle, budget=2 * count + 200, seed=seed)
    if made.stopped == "interrupted":
        raise KeyboardInterrupt
    known, far = set(without), made.apart
    kept = set(far)
    found = [Sample(each.tree, each.text, str(each.label)) for each in (*far, *(one for one in made.faults if one not in kept))
             if each.text not in known]
    queues = [[each for each in found if each.label == one] for one in sorted(labels)]
    return [each for turn in zip_longest(*queues) for each in turn if each is not None][:count]


def mixed(fit: Fit, grammar: Grammar, texts: Sequence[str], labels: Sequence[str], count: int, mix: Mix, *, names: Names | None = None,
          seed: int = 0, without: Sequence[str] = ()) -> list[Sample]:
    """Return ``count`` sentences of a mix to add to ``texts``: drawn ones first, then faults of a classifier fitted with these.

    What there is not enough of is drawn.
    """
    spelt = spelling(labels, grammar, names or {})
    common = sorted(spelt)
    wanted = round(count * mix.found)
    drawn = samples(grammar, count - wanted, common, seed=seed + 1, without=without)
    if not wanted:
        return drawn
    model = fitted(fit, texts, labels, drawn, spelt)
    taken = [*without, *(each.text for each in drawn)]
    found = faults(grammar, model, wanted, common, names=names, seed=seed, without=taken)
    rest = samples(grammar, wanted - len(found), common, seed=seed + 4, without=[*taken, *(each.text for each in found)])
    return [*drawn, *found, *rest]


def _sample(grammar: Grammar, tree: Tree, wanted: set[str]) -> Sample | None:
    known = label(grammar, tree)
    if known is None or known == UNDEFINED or known not in wanted:
        return None
    sentence = text(grammar, tree)
    return Sample(tree, sentence, known) if sentence else None


def retrained(
    fit: Fit,
    grammar: Grammar,
    texts: Sequence[str],
    labels: Sequence[str],
    *,
    mixes: Sequence[Mix] = MIXES,
    cost: float = 0.005,
    names: Names | None = None,
    seed: int = 0,
) -> Retrained:
    """Return a classifier that ``fit`` makes of ``texts`` and sentences of the grammar, mixed as is best on what is held out.

    ``names`` maps labels of the classifier, and of the texts, to those of the grammar. A mix may cost at most ``cost`` of the accuracy on
    real texts held out, up to one standard error of the difference; of those the one with the most right sentences is taken, and of equal
    ones the first. The search finds faults of a classifier fitted on the other texts. Raises ``DataError`` for too few texts,
    ``ConfigError`` where the grammar gives no label that the texts have.
    """
    names = names or {}
    if len(texts) < FEWEST:
        raise DataError(f"{len(texts)} texts with a label are too few to retrain on", expected=f"at least {FEWEST}")
    spelt = spelling(labels, grammar, names)
    common = sorted(spelt)
    order = np.random.default_rng([seed, 70]).permutation(len(texts))
    cut = int(HELD * len(texts))
    held, rest = order[:cut], order[cut:]
    own = [texts[place] for place in rest], [labels[place] for place in rest]
    truth = [labels[place] for place in held]
    looked = samples(grammar, LOOKED, common, seed=seed + 2)
    if not looked:
        expected = f"one of {', '.join(common)}"
        raise ConfigError("no sentence drawn from the grammar has a label of the texts", where=grammar.name, expected=expected)
    without = [each.text for each in looked]
    right: dict[Mix, Array] = {}

    def tried(mix: Mix) -> Trial:
        count = round(mix.added * len(own[0]))
        more = mixed(fit, grammar, *own, count, mix, names=names, seed=seed, without=without) if count else []
        model = fitted(fit, *own, more, spelt)
        said = answers(model, [texts[place] for place in held], {}, 0.0)
        right[mix] = np.array([one == other for one, other in zip(said, truth, strict=True)])
        return Trial(mix, accuracy(model, without, [each.label for each in looked], names), float(right[mix].mean()))

    trials = tuple(tried(each) for each in (Mix(), *mixes))
    best = _best(trials, right, cost)
    count = round(best.added * len(texts))
    added = mixed(fit, grammar, texts, labels, count, best, names=names, seed=seed + 3) if count else []
    return Retrained(fitted(fit, texts, labels, added, spelt), best, trials, tuple(added))


def fitted(fit: Fit, texts: Sequence[str], labels: Sequence[str], more: Sequence[Sample], spelt: Mapping[str, str]) -> Classifier:
    """Return what ``fit`` makes of texts and sentences, the labels of which are ``spelt`` as those of the texts."""
    return fit([*texts, *(each.text for each in more)], [*labels, *(spelt[each.label] for each in more)])


def _best(trials: Sequence[Trial], right: Mapping[Mix, Array], cost: float) -> Mix:
    """Return the mix with the most right sentences, of those that cost no more of the accuracy on texts than is allowed."""
    before = trials[0]

    def allowed(each: Trial) -> bool:
        apart = right[each.mix] != right[before.mix]
        return each.texts >= before.texts - cost - float(np.sqrt(apart.sum()) / len(apart))

    fitting = [each for each in trials if allowed(each)]
    most = max(each.sentences for each in fitting)
    return next(each for each in fitting if each.sentences >= most - CLOSE).mix


def spelling(labels: Sequence[str], grammar: Grammar, names: Names) -> dict[str, str]:
    """Return for each label of the grammar how the texts write it."""
    found: dict[str, str] = {}
    for each in sorted(set(labels)):
        common = names.get(each, each)
        if common is not None and common in grammar.labels:
            found.setdefault(common, each)
    if len(found) < 2:
        raise ConfigError(
            f"the texts have {', '.join(sorted(set(labels))[:6])} and the grammar {', '.join(sorted(grammar.labels)[:6]) or 'no label'}",
            where=grammar.name,
            expected="two labels in common",
            hint="map the names of the one to those of the other: --labels",
        )
    return found
