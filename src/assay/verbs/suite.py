"""Run the default suite: see what there is, measure what the suite asks, and let it give its opinions.

``Suite.scene`` says what there is, ``Suite.questions`` what to measure, ``Suite.verdicts`` what the answers mean. For ``check``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

import numpy as np
import pyarrow as pa

from assay.check.expression import parse
from assay.check.suite import Item, Scene, items, opinions
from assay.check.suite.default import cut, named
from assay.errors import AssayError, ModelError, without_secrets
from assay.metric import disparity
from assay.result import Figure, Spread, Value, Verdict
from assay.screen import Study
from assay.screen.baseline import alike
from assay.screen.figure import confidence
from assay.screen.power import numeric, readable
from assay.screen.sensitivity import refused
from assay.verbs.question import Answered, Question
from assay.verbs.subject import Subject

__all__ = ["Suite"]

MOST_SLICINGS = 6
MOST_VALUES = 30
MOST_GROUPS = 250  # of a protected column: more are names or days of birth, and a slice of each would be a person
FEWEST_IN_SLICE = 30
CONTENT_BINS = 4
SHARES = (0.01, 0.05, 0.1)  # of the rows, that the larger groups have
MOST_REFUSALS = 3
MOST_REPEATS = 0.01
LONGEST = 500


@dataclass(frozen=True)
class Suite:
    """The default suite on one subject; ``slices`` are those that the user named."""

    subject: Subject
    study: Study
    slices: tuple[str, ...] = ()

    @property
    def scene(self) -> Scene:
        """What there is to judge, as far as it is known before anything is measured."""
        subject, schema, target = self.subject, self.subject.data.schema, self.subject.target
        signature = subject.models["model"].signature if "model" in subject.models else None
        return Scene(
            task=target.task if target else None, scored=bool(signature and signature.scores) and (target is None or target.probabilities),
            labelled=target is not None and bool(schema.label), asked=self.study.model is not None, train=subject.train is not None,
            reference=subject.reference is not None, entity=schema.entity is not None,
            available_at=bool(schema.available_at) and schema.timestamp is not None,
            ids=schema.id is not None and subject.train is not None and schema.id in subject.train.schema,
            classes=len(target.classes) if target else 0, content=bool(self.study.media), slices=self._slices(),
            protected=schema.protected, measured=self._measured(), ungrouped=self._ungrouped(), forbidden=schema.forbidden)

    @property
    def notes(self) -> list[str]:
        """What a reader should know of what was not looked at."""
        return [f"the protected column {name[:LONGEST]} has more than {MOST_GROUPS} values, or too long a name, so rows are not grouped "
                "by it: add a column of coarser groups" for name in self._ungrouped()]

    def questions(self) -> list[Question]:
        """Return what to measure, each question once."""
        known = replace(self.scene, overall={"auc": 1.0, "accuracy": 1.0, "mae": 1.0})  # a bound changes no question
        found = [_question(each) for each in items(known)]
        return [each for place, each in enumerate(found) if each not in found[:place]]

    def verdicts(self, questions: Sequence[Question], answers: Sequence[Answered]) -> list[Verdict]:
        """Return the opinions on the answers to :meth:`questions`, which may stand among other questions."""
        overall = {value.name: value.value for answer in answers for value in answer.plain
                   if not value.slice and value.column is None and value.against is None and value.value is not None}
        held = list(zip(questions, answers, strict=True))

        def values(item: Item) -> list[Value]:
            asked = _question(item)
            answer = next((answer for question, answer in held if question == asked and not answer.failed), None)
            if answer is None:
                return []
            if asked.metric.name == "type_changed":
                return [self._widened(each) for each in answer.values]
            if asked.metric.name == "refuses_missing":
                none = {"value": 0.0, "low": 0.0, "high": 0.0, "spread": Spread("exact", 0.0)}
                return [each.replace(**none) if each.column in scene.refused else each for each in answer.values]
            if asked.metric.name == "gain_over_baseline" and item.grave == "warn":
                return [each for each in answer.values if each.column != scene.twin]
            return answer.values if asked.compare is None else [*answer.values, *(
                each.replace(options={"by": asked.by}) for each in _larger(answer.plain, asked.compare))]

        scene = self._seen(overall)
        wanted = items(scene)
        stopped = [_stopped(question, error, wanted) for question, error in _refusals(held)]
        if scene.single:
            stopped.append(self._single())
        return [*stopped, *opinions([(item, values(item)) for item in wanted])]

    def _seen(self, overall: Mapping[str, float]) -> Scene:
        """Return the scene with what only the data and the answers show."""
        study, scene = self.study, replace(self.scene, overall=dict(overall))
        judged = scene.labelled and scene.task in ("binary", "multiclass")
        single = judged and overall.get("auc") is None and len(set(study.outcome()[study.outcome() >= 0].tolist())) == 1
        inputs = (study.model.signature.names if study.model is not None else None) or ()
        coarse, repeats = self._coarse()
        with contextlib.suppress(AssayError):  # a model that does not answer is told before
            sure = confidence(study) if judged and scene.scored else None
            twin = alike(study) if scene.train and scene.labelled and scene.task in ("binary", "multiclass", "regression") else None
            scene = replace(scene, sure=sure, twin=twin, refused=refused(study))
        return replace(scene, single=single, guarded=tuple(each for each in scene.protected if each in inputs), coarse=coarse,
                       repeats=repeats)

    def _single(self) -> Verdict:
        """Return that all labels are of one class, so that nothing tells how good the model is."""
        target = self.subject.target
        assert target is not None
        name = str(target.classes[int(self.study.outcome().max())])
        check = "balanced_accuracy >= 0.5"
        return Verdict(check, "inconclusive", f"Every label is '{name[:LONGEST]}': with one class only, nothing can be said of how well "
                       "the model tells classes apart, of its calibration, or of fairness.", aspect="performance", expression=check,
                       hint="Were the rows filtered by the label, or is it read wrongly?")

    def _widened(self, value: Value) -> Value:
        """Return a change of type as none, where whole numbers only came as fractions: one missing value does that in pandas."""
        if value.note not in ("was integer, is fraction", "was fraction, is integer") or value.column is None:
            return value
        if value.column in self.subject.data.schema and value.note.endswith("fraction"):
            numbers = self.study.numbers(value.column)
            numbers = numbers[np.isfinite(numbers)]
            if not np.array_equal(numbers, np.rint(numbers)):
                return value
        return Value.of(value.metric, Spread("exact", 0.0), n=value.n, column=value.column, better=value.better, against=value.against,
                        note=f"{value.note}, of whole numbers")

    def _coarse(self) -> tuple[str, float]:
        """Return why rows may well repeat each other, and the share up to which they do; no reason, and 1 %, where nothing tells."""
        study = self.study
        ids = study.data.ids
        mine = repeats(study.data.prints)
        if mine > MOST_REPEATS and ids is not None and len(np.unique(ids)) == len(ids):
            return "each has an id of its own", 1.0
        for name, other in (("reference", study.reference), ("training data", study.train)):
            if mine > MOST_REPEATS and other is not None and set(other.schema.names) >= set(study.schema.names) - set(study.schema.labels):
                few = min(len(other.prints), len(study.data.prints))
                there, here = repeats(other.prints, few), repeats(study.data.prints, few)
                if there >= 0.75 * here:
                    return f"those of the {name} do so too ({there:.0%} of as many)", min(max(1.3 * mine, MOST_REPEATS), 1.0)
        return "", MOST_REPEATS

    def figures(self) -> list[Figure]:
        """Return the pictures of the sample."""
        from assay.screen.figure import figures

        return figures(self.study)

    def _slices(self) -> tuple[str, ...]:
        """Return the slicings of the suite: those that were named, protected columns, and features with few values."""
        schema = self.subject.data.schema
        quarters = self._measured()
        found = dict.fromkeys([*self.slices, *(cut(name, quarters) for name in schema.protected if name not in self._ungrouped())])
        content = self._content_slices()
        found |= dict.fromkeys(content)
        for name in self.study.features:
            if len(found) >= MOST_SLICINGS + len(self.slices) + len(content):
                break
            if name not in schema or len(name) > LONGEST or named(name) in found or name == schema.entity:
                continue
            if 2 <= self._values(self.study.data.column(name)) <= MOST_VALUES:
                found[named(name)] = None
        return tuple(found)

    def _measured(self) -> tuple[str, ...]:
        """Return the protected columns that are numbers of many values, which are cut into quarters."""
        study = self.study
        return tuple(name for name in study.schema.protected
                     if numeric(study, name) and len(study.data.column(name).unique()) > MOST_VALUES)

    def _ungrouped(self) -> tuple[str, ...]:
        """Return the protected columns of too many values to be groups that are no numbers either: names, postcodes, times."""
        study, quarters = self.study, self._measured()
        return tuple(name for name in study.schema.protected
                     if len(name) > LONGEST or (name not in quarters and readable(study, name)
                                                and len(study.data.column(name).unique()) > MOST_GROUPS))

    def _content_slices(self) -> list[str]:
        """Return how rows are cut by texts and images: by quantiles of length, brightness and contrast, and by language or script."""
        found = []
        for name in self.study.measured:
            of = self.subject.data.schema.stored(name)
            if of == name or name.partition(" of ")[0] in ("width", "height"):
                continue
            column = self.study.data.column(name)
            if self.study.kind(name) == "category":
                found += [named(name)] if self._values(column) else []
            elif len(column.drop_null().unique()) > CONTENT_BINS:
                found.append(f"{named(name)}:{CONTENT_BINS}")
        return found

    @staticmethod
    def _values(column: pa.Array) -> int:
        """Return how many different values are often enough to be a slice, none for numbers that measure something."""
        kind = column.type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_boolean(kind)):
            return 0
        counts = np.array([each["counts"] for each in column.value_counts().to_pylist()])
        return len(counts) if (counts >= FEWEST_IN_SLICE).sum() >= 2 else 0


def repeats(prints: Any, few: int | None = None) -> float:
    """Return the share of rows that repeat another one, among ``few`` of them, evenly chosen.

    >>> repeats(np.array([1, 1, 2, 3], np.uint64))
    0.25
    """
    some = prints if few is None or few >= len(prints) else prints[np.linspace(0, len(prints) - 1, few).round().astype(np.int64)]
    return 1 - len(np.unique(some)) / len(some) if len(some) else 0.0


def _larger(groups: Sequence[Value], compare: str) -> list[Value]:
    """Return the disparities among the larger groups alone: a group of few rows must not hide what the others show.

    Chosen by size before anything is compared, so each is as good a comparison as that of all groups.
    """
    known = [each for each in groups if each.value is not None]
    rows, seen, found = sum(each.n for each in known), len(known), []
    for least in SHARES:
        some = [each for each in known if each.n >= least * rows]
        if 2 <= len(some) < seen:
            seen = len(some)
            value = disparity(some, compare="ratio" if compare == "ratio" else "difference")
            found.append(value.replace(note=f"{value.note}, among groups of {least:.0%} of the rows or more"))
    return found


def _refusals(held: Sequence[tuple[Question, Answered]]) -> list[tuple[Question, ModelError]]:
    """Return why the model did not answer, each reason once: what was not judged must not look as if it had passed."""
    found: dict[str, tuple[Question, ModelError]] = {}
    for question, answer in held:
        for error in answer.failed:
            if isinstance(error, ModelError):
                found.setdefault(error.what, (question, error))
    return list(found.values())[:MOST_REFUSALS]


def _stopped(question: Question, error: ModelError, wanted: Sequence[Item]) -> Verdict:
    """Return the verdict "error" on a model that did not answer, as the check that asked it first."""
    check = next((each.expression for each in wanted if _question(each) == question), f"{question.metric.name} >= 0")
    said = " ".join(without_secrets(error.what).split()).rstrip(".")
    sentence = f"The model could not be judged on these data: {said[:LONGEST]}."
    return Verdict(check, "error", sentence, aspect="performance", expression=check,
                   hint=error.hint or "Ask it for these rows yourself: whoever serves it will meet the same.")


def _question(item: Item) -> Question:
    """Return what an item asks for; a metric that does not exist raises, so that no misspelt item is silently never looked for."""
    return Question.of(parse(item.expression))


def about(subject: Subject, names: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a reader of the run needs to know of what was judged, in the order to show it."""
    schema, target = subject.data.schema, subject.target
    found: dict[str, Any] = {}
    model = subject.models.get("model")
    if model is not None:
        found["model"] = getattr(model, "name", None) or type(model).__name__
        found["task"] = model.signature.task
    if "champion" in subject.models:
        found["champion"] = getattr(subject.models["champion"], "name", None) or "champion"
    found["data"] = _called(subject.data.name)
    found |= {name: _called(each.name) for name, each in (("train", subject.train), ("reference", subject.reference)) if each is not None}
    if schema.labels:
        found["label"] = ", ".join(schema.labels)
    if target is not None and target.positive is not None:
        found["positive class"] = str(target.classes[target.positive])
    if target is not None and target.threshold is not None:
        found["threshold"] = target.threshold
    return {**found, **names}


def _called(name: str) -> str:
    """Return the last part of a path: a report that is passed around need not tell of folders.

    >>> _called("data/2026/test.parquet"), _called("a table"), _called("s3://bucket/day=1/")
    ('test.parquet', 'a table', 's3://bucket/day=1/')
    """
    return name if "://" in name else PurePath(name).name or name
