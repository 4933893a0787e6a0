"""What counts as a fault of text classifiers: they contradict each other, the label of the grammar, or themselves.

``Differential``, ``Expected`` and ``Metamorphic`` have ``rows`` (what a test costs), ``fits`` and ``ask``; ``classifier`` makes a
``Classifier`` of a model. ``probe.text.search`` and the verbs import them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from assay.errors import ConfigError, PredictionError
from assay.model import guard
from assay.model.model import Model
from assay.probe.text.label import UNDEFINED
from assay.probe.text.relation import Relation

__all__ = ["Classifier", "Differential", "Expected", "Metamorphic", "Oracle", "Outcome", "classifier"]

Said = tuple[str | None, float]   # a label, or None for "cannot tell", and how sure it is, from 0 to 1
Classifier = Callable[[Sequence[str]], Sequence[Said]]


@dataclass(frozen=True)
class Outcome:
    """What was answered to one test; ``contrast`` is the second sentence of a metamorphic one."""

    answers: tuple[str | None, ...]
    fails: bool
    contrast: str | None = None


class Oracle(Protocol):
    """Judges sentences; ``rows`` is how many rows of models one costs."""

    @property
    def rows(self) -> int: ...

    def fits(self, sentence: str, label: str | None) -> bool:
        """Return whether a sentence can be judged at all, which costs nothing."""

    def ask(self, sentences: Sequence[str], labels: Sequence[str | None]) -> list[Outcome]:
        """Return the outcomes of sentences that fit, with the labels that the grammar gives them."""


@dataclass(frozen=True)
class Differential:
    """Two or more ``models`` of one task: a fault where two are sure enough and contradict each other.

    ``names`` maps labels of models to common ones; a label that it maps to None is an abstention, as is one held with less than
    ``at_least``. With ``among`` only contradictions between these labels count, such as positive and negative, and not neutral.

    >>> one, other = (lambda texts: [("A", 0.9)] * len(texts)), (lambda texts: [("b", 0.9 if "x" in t else 0.4) for t in texts])
    >>> oracle = Differential({"one": one, "other": other}, names={"A": "a"}, at_least=0.5)
    >>> [each.fails for each in oracle.ask(["x", "y"], [None, None])]
    [True, False]
    """

    models: Mapping[str, Classifier]
    names: Mapping[str, str | None] = field(default_factory=dict)
    at_least: float = 0.0
    among: frozenset[str] | None = None
    undefined: bool = False

    def __post_init__(self) -> None:
        if len(self.models) < 2:
            raise ConfigError("one model contradicts nobody", expected="two models or more",
                              hint="ask one about the grammar's labels, or about relations between sentences")

    @property
    def rows(self) -> int:
        return len(self.models)

    def fits(self, sentence: str, label: str | None) -> bool:
        return bool(sentence) and (self.undefined or label != UNDEFINED)

    def ask(self, sentences: Sequence[str], labels: Sequence[str | None]) -> list[Outcome]:
        said = [answers(each, sentences, self.names, self.at_least) for each in self.models.values()]
        return [Outcome(each, self._contradict(each)) for each in zip(*said, strict=True)]

    def _contradict(self, said: Sequence[str | None]) -> bool:
        return len({each for each in said if each is not None and (self.among is None or each in self.among)}) > 1


@dataclass(frozen=True)
class Expected:
    """One model and the labels of the grammar: a fault where it is sure of another one (CheckList: minimum functionality).

    With ``labels`` only sentences of these are judged: a model that knows no "neutral" cannot answer it.
    """

    model: Classifier
    names: Mapping[str, str | None] = field(default_factory=dict)
    at_least: float = 0.0
    rows: int = 1
    labels: frozenset[str] | None = None

    def fits(self, sentence: str, label: str | None) -> bool:
        return bool(sentence) and label is not None and label != UNDEFINED and (self.labels is None or label in self.labels)

    def ask(self, sentences: Sequence[str], labels: Sequence[str | None]) -> list[Outcome]:
        said = answers(self.model, sentences, self.names, self.at_least)
        return [Outcome((one,), one is not None and one != label) for one, label in zip(said, labels, strict=True)]


@dataclass(frozen=True)
class Metamorphic:
    """One model and a relation between two sentences: a fault where the answers are not related as they must be.

    Of ``same`` the label must stay, of ``flip`` it must not, and of ``less`` and ``more`` the model must not become surer, or less sure, of
    the label by over ``apart``.
    """

    model: Classifier
    relation: Relation
    names: Mapping[str, str | None] = field(default_factory=dict)
    at_least: float = 0.0
    apart: float = 0.1
    rows: int = 2

    def fits(self, sentence: str, label: str | None) -> bool:
        return bool(sentence) and label != UNDEFINED and self.relation.change(sentence) is not None

    def ask(self, sentences: Sequence[str], labels: Sequence[str | None]) -> list[Outcome]:
        changed = [self.relation.change(each) or each for each in sentences]
        said = self._said([*sentences, *changed])
        half = len(sentences)
        return [Outcome((one[0], other[0]), self._broken(one, other), contrast)
                for one, other, contrast in zip(said[:half], said[half:], changed, strict=True)]

    def _said(self, sentences: Sequence[str]) -> list[Said]:
        return said(self.model, sentences, self.names, self.at_least)

    def _broken(self, one: Said, other: Said) -> bool:
        if one[0] is None:
            return False
        kind = self.relation.kind
        if kind == "same":
            return other[0] is not None and other[0] != one[0]
        if kind == "flip":
            return other[0] == one[0]
        sure = other[1] if other[0] == one[0] else 1 - other[1]
        return sure > one[1] + self.apart if kind == "less" else sure < one[1] - self.apart


def said(model: Classifier, sentences: Sequence[str], names: Mapping[str, str | None], at_least: float) -> list[Said]:
    """Return labels in common names with how sure they are; None where a model abstains or is not sure enough."""
    given = list(model(list(sentences)))
    if len(given) != len(sentences):
        raise PredictionError(f"the model gives {len(given):,} answers to {len(sentences):,} sentences")
    found: list[Said] = []
    for label, sure in given:
        if not math.isfinite(sure):
            raise PredictionError(f"the model is {sure} sure of an answer", expected="a number from 0 to 1")
        known = None if label is None or sure < at_least else names.get(label, label)
        found.append((known, float(sure)))
    return found


def answers(model: Classifier, sentences: Sequence[str], names: Mapping[str, str | None], at_least: float) -> list[str | None]:
    """Return labels in common names; None where a model abstains or is not sure enough."""
    return [label for label, _ in said(model, sentences, names, at_least)]


def classifier(model: Model, column: str) -> Classifier:
    """Return a loaded model as a classifier of the texts of ``column``; one without scores is always sure.

    >>> import assay
    >>> model = assay.load(lambda batch: [int("good" in t) for t in batch["text"].to_pylist()], task="binary", classes=[0, 1], name="m")
    >>> classifier(model, "text")(["a good day", "a day"])
    [('1', 1.0), ('0', 1.0)]
    """
    classes = model.signature.classes
    if classes is None or model.signature.task == "multilabel":
        raise ConfigError("sentences are asked of classifiers", where=model.name if hasattr(model, "name") else None,
                          expected="a model with one class a row")
    shown = [str(each) for each in classes]

    def ask(sentences: Sequence[str]) -> list[Said]:
        answer = guard.answer(model, pa.record_batch({column: pa.array(list(sentences), pa.string())}))
        if answer.score is None:
            return [(shown[int(place)], 1.0) for place in answer.prediction] if answer.prediction is not None else []
        places = answer.prediction if answer.prediction is not None else answer.score.argmax(axis=1)
        return [(shown[int(place)], float(scores[int(place)])) for place, scores in zip(places, answer.score, strict=True)]

    return ask
