"""Run the default suite: see what there is, measure what the suite asks, and let it give its opinions.

``Suite.scene`` says what there is, ``Suite.questions`` what to measure, ``Suite.verdicts`` what the answers mean. For ``check``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

import numpy as np
import pyarrow as pa

from assay.check.expression import parse
from assay.check.suite import Item, Scene, items, opinions
from assay.check.suite.default import named
from assay.errors import ModelError, without_secrets
from assay.metric import disparity
from assay.result import Figure, Value, Verdict
from assay.screen import Study
from assay.verbs.measure import Answered, Question, Subject

__all__ = ["Suite"]

MOST_SLICINGS = 6
MOST_VALUES = 30
FEWEST_IN_SLICE = 30
CONTENT_BINS = 4
SHARES = (0.01, 0.05, 0.1)  # of the rows, that the larger groups have
MOST_REFUSALS = 3
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
            protected=schema.protected, forbidden=schema.forbidden)

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
            return answer.values if asked.compare is None else [*answer.values, *_larger(answer.plain, asked.compare)]

        wanted = items(replace(self.scene, overall=overall))
        stopped = [_stopped(question, error, wanted) for question, error in _refusals(held)]
        return [*stopped, *opinions([(item, values(item)) for item in wanted])]

    def figures(self) -> list[Figure]:
        """Return the pictures of the sample."""
        from assay.screen.figure import figures

        return figures(self.study)

    def _slices(self) -> tuple[str, ...]:
        """Return the slicings of the suite: those that were named, protected columns, and features with few values."""
        schema = self.subject.data.schema
        found = dict.fromkeys([*self.slices, *map(named, schema.protected)])
        content = self._content_slices()
        found |= dict.fromkeys(content)
        for name in self.study.features:
            if len(found) >= MOST_SLICINGS + len(self.slices) + len(content):
                break
            if name not in schema or named(name) in found or name == schema.entity:
                continue
            if 2 <= self._values(self.study.data.column(name)) <= MOST_VALUES:
                found[named(name)] = None
        return tuple(found)

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
    said = " ".join(without_secrets(error.what).split())
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
