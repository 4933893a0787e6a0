"""A classifier of texts retrained on sentences of a grammar, measured before and after on rows, sentences and grammars held out.

``resentenced(subject, ...)`` returns the parts of a run. ``repair`` uses it where a grammar is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from assay.data.source import Source
from assay.engine.label import MISSING, codes
from assay.errors import ConfigError, EmptyDataError, SignatureError
from assay.model.logged import Logged
from assay.model.model import Model
from assay.model.refit import Refit, refit
from assay.probe.text.grammar import Grammar, load
from assay.probe.text.oracle import Classifier, answers, classifier
from assay.remedy.sentence import Retrained, retrained, samples, spelling
from assay.result import Spread, Value, Verdict
from assay.verbs.explain.explanation import drawn
from assay.verbs.subject import Subject

__all__ = ["Resentenced", "resentenced"]

Array = np.ndarray[Any, Any]
ROWS = 200_000  # texts that are read of a data set
SENTENCES = 2_000  # drawn of each grammar, to measure on
NORMAL = 1.96


@dataclass(frozen=True, eq=False)
class _Measured:
    """One set that was held out: whether each text was answered right before and after."""

    name: str
    before: Array
    after: Array

    @property
    def values(self) -> list[Value]:
        n = len(self.before)
        return [
            Value.of(
                "accuracy", Spread("binomial", float(part.mean()), n=n), n=n, better="higher", options={"of": self.name, "model": which}
            )
            for which, part in (("before", self.before), ("after", self.after))
        ]

    @cached_property
    def gain(self) -> Value:
        """The change of the accuracy, with an interval of its pairs."""
        apart = self.after.astype(float) - self.before
        mean, error = float(apart.mean()), NORMAL * float(apart.std()) / max(len(apart), 1) ** 0.5
        return Value(
            "accuracy gained",
            mean,
            mean - error,
            mean + error,
            len(apart),
            better="higher",
            options={"of": self.name},
            method="normal, of pairs",
        )

    @property
    def told(self) -> str:
        gain = self.gain
        low, high = (100 * (end or 0.0) for end in (gain.low, gain.high))
        return (
            f"on {len(self.before):,} {self.name} {100 * self.before.mean():.1f} % are right before and "
            f"{100 * self.after.mean():.1f} % after "
            f"({100 * (gain.value or 0.0):+.1f} points [{low:+.1f}, {high:+.1f}])"
        )


@dataclass(frozen=True, eq=False)
class Resentenced:
    """The repaired ``model``, what was measured, and how it was made."""

    model: Model
    done: Retrained
    texts: _Measured
    own: _Measured
    others: tuple[_Measured, ...]
    cost: float

    @property
    def values(self) -> list[Value]:
        """Accuracies before and after, and what was gained."""
        return [one for each in (self.own, *self.others, self.texts) for one in (*each.values, each.gain)]

    @property
    def verdicts(self) -> list[Verdict]:
        """Whether more sentences are right, and whether real texts lose no more than is allowed."""
        gain, loss = self.own.gain, self.texts.gain
        more: Any = "pass" if (gain.low or 0.0) > 0 else "fail" if (gain.high or 0.0) <= 0 else "inconclusive"
        kept: Any = "pass" if (loss.low or 0.0) >= -self.cost else "fail" if (loss.high or 0.0) < -self.cost else "inconclusive"
        return [
            Verdict("more sentences held out are right", more, self.own.told, value=gain, threshold=0.0, aspect="text"),
            Verdict(
                f"texts held out lose no more than {100 * self.cost:g} % of accuracy",
                kept,
                self.texts.told,
                value=loss,
                threshold=-self.cost,
                aspect="text",
            ),
        ]

    @property
    def sentences(self) -> list[str]:
        """What changed, and what was done."""
        return [
            f"retrained with {self.done.chosen}: {self.own.told}",
            *(each.told for each in self.others),
            self.texts.told,
            f"what was done: {len(self.done.added):,} sentences of the grammar were added with its labels",
        ]

    @property
    def notes(self) -> list[str]:
        """What was tried on texts held out of the training, and what it is good for."""
        tried = "; ".join(f"{each.mix}: {each.sentences:.3f} and {each.texts:.3f}" for each in self.done.trials)
        out = [f"tried on a quarter of the training, accuracy on sentences and on texts: {tried}"]
        if not self.done.chosen.added:
            out.append("nothing that was tried gets more sentences right at the cost that is allowed: the model is as it was")
        return [*out, "sentences are those of the grammar: that users write such ones is yours to judge"]


def resentenced(
    subject: Subject, *, grammar: str, others: Sequence[str], labels: Mapping[str, Any] | None, cost: float, seed: int
) -> Resentenced:
    """Return a model retrained on sentences of ``grammar``, measured on the data, on the grammar and on ``others``.

    ``labels`` maps classes of the model to labels of the grammars. Raises ``ConfigError`` where there is nothing to learn from.
    """
    model, fit = _fittable(subject)
    column = (model.signature.names or ("",))[0]
    names = {str(key): None if each is None else str(each) for key, each in (labels or {}).items()}
    made = load(grammar)
    elsewhere = [load(each) for each in others]
    if subject.train is None:
        raise ConfigError(
            "a classifier is retrained on the texts it learned from and sentences, and no training data are named",
            hint="--train FILE, or train: in assay.yaml",
        )
    classes = [str(each) for each in model.signature.classes or ()]
    texts, said = _rows(subject, subject.train, model, column)
    held, truth = _rows(subject, subject.data, model, column)
    models: dict[int, Model] = {}

    def again(some: Sequence[str], labels: Sequence[str]) -> Classifier:
        table = pa.table({column: pa.array(list(some), pa.string())})
        fitted = fit(table, np.array([classes.index(each) for each in labels]))
        ask = classifier(fitted, column)
        models[id(ask)] = fitted
        kept.append(ask)  # an id is that of another once its object is gone
        return ask

    kept: list[Classifier] = []
    done = retrained(again, made, texts, said, cost=cost / 2, names=names, seed=seed)
    before = classifier(model, column)
    common = sorted(spelling(said, made, names))
    without = [each.text for each in done.added]

    def measured(name: str, given: Sequence[str], right: Sequence[str], mapped: Mapping[str, Any]) -> _Measured:
        hits = [
            np.array([one == other for one, other in zip(answers(each, given, mapped, 0.0), right, strict=True)])
            for each in (before, done.model)
        ]
        return _Measured(name, *hits)

    def of(each: Grammar) -> _Measured:
        some = samples(each, SENTENCES, common, seed=seed + 1_000, without=without)
        if not some:
            raise ConfigError("no sentence drawn from the grammar has a label of the model", where=each.name, hint="--labels FILE")
        return measured(f"sentences of {each.name}", [one.text for one in some], [one.label for one in some], names)

    return Resentenced(
        models[id(done.model)], done, measured("texts held out", held, truth, {}), of(made), tuple(of(each) for each in elsewhere), cost
    )


def _fittable(subject: Subject) -> tuple[Model, Refit]:
    model = subject.models.get("model")
    if model is None or isinstance(model, Logged):
        raise ConfigError("there is no model to retrain", expected="a model", hint="--model FILE, or model: in assay.yaml")
    names = model.signature.names or ()
    fit = refit(model)
    if fit is None or len(names) != 1:
        raise SignatureError(
            "the model cannot be fitted anew on sentences",
            expected="a pipeline of scikit-learn that takes one column of text",
            hint="add the sentences to the training yourself: assay probe text --json has them, with the labels of the grammar",
        )
    return model, fit


def _rows(subject: Subject, source: Source, model: Model, column: str) -> tuple[list[str], list[str]]:
    """Return the texts of a data set that have a label, and their labels as text."""
    label = subject.data.schema.label
    if label is None:
        raise ConfigError("no label is named", expected="the column of what is to be predicted", hint="--label COLUMN")
    table = drawn(source, ROWS, 0, [column, label])
    places = codes(table.column(label), model.signature.classes or (), name=label, where=source.name)
    texts = table.column(column).to_pylist()
    classes = [str(each) for each in model.signature.classes or ()]
    kept = [(str(text), classes[int(place)]) for text, place in zip(texts, places, strict=True) if text is not None and place != MISSING]
    if not kept:
        raise EmptyDataError("no row has a text and a label", where=source.name, expected="rows with both")
    return [text for text, _ in kept], [one for _, one in kept]
