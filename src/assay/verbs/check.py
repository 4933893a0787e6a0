"""Judge a model on data: ``assay.check(model, data, checks=[...])``, the same as ``assay check`` on the command line.

Loads what is given by path, works out what the model answers, measures everything in as few passes as there are data sets, and
judges. A check that cannot be measured is a verdict ("error") and never stops the others.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from assay.check.expression import Check
from assay.check.suite import checks as read_checks
from assay.check.suite.listed import divided
from assay.check.verdict import outcomes
from assay.data.meter import metered
from assay.errors import ConfigError, ModelError, listed
from assay.metric import METRICS, find
from assay.metric.column import ColumnMetric
from assay.result import Cost, Figure, Run, Value, Verdict
from assay.summary import Profile
from assay.verbs.measure import measure
from assay.verbs.question import Answered, Question
from assay.verbs.subject import Subject, checked, configuration, merged, opened
from assay.verbs.suite import Suite, about

__all__ = ["check"]


_OF_SCORES = ("auc", "average_precision", "log_loss", "brier", "calibration_error")


#: what is shown of a model when no check names a metric
_USUAL = {
    "binary": ("auc", "average_precision", "accuracy", "precision", "recall", "f1", "log_loss", "brier", "calibration_error",
               "selection_rate"),
    "multiclass": ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "auc", "log_loss", "calibration_error"),
    "multilabel": ("accuracy", "precision", "recall", "f1", "auc", "log_loss"),
    "regression": ("mae", "rmse", "r2", "bias", "mape"),
    "ranking": ("ndcg", "mrr", "map"),
}


def check(model: Any = None, data: Any = None, *, checks: Sequence[str | Check | Mapping[str, Any]] = (), train: Any = None,
          reference: Any = None, champion: Any = None, slices: Sequence[str] = (), positive: Any = None, threshold: float | None = None,
          task: str | None = None, classes: Sequence[Any] | None = None, features: Sequence[str] | None = None, trust: bool = False,
          strict: bool = False, where: str | None = None, sql: str | None = None, types: Mapping[str, str] | None = None,
          progress: Callable[[str, int], None] | None = None, **roles: Any) -> Run:
    """Return the run that judges ``model`` on ``data`` by ``checks``.

    ``model`` is a path, a fitted object, a callable, a ``Model``, or None where ``prediction`` and ``score`` name columns of the
    data that hold logged predictions. ``data``, ``train`` and ``reference`` are whatever ``assay.source`` takes; ``roles`` are its
    roles (``label="delayed"``, ``entity="tailnum"``, ...). Each of ``slices`` is measured with the usual metrics of the task
    beside the checks. ``trust`` allows a model file to run the code that it brings. ``assay.check("assay.yaml")`` reads everything
    from a file; keyword arguments win over it.

    Raises ``AssayError`` for what cannot be read or is misspelt; what goes wrong with one check is its verdict.

    >>> import pyarrow as pa
    >>> data = pa.table({"x": [0.1, 0.4, 0.6, 0.9] * 50, "late": [0, 0, 1, 1] * 50})
    >>> run = check(lambda batch: batch.column("x").to_numpy(), data, label="late", task="binary", classes=[0, 1], checks=["auc >= 0.9"])
    >>> run.verdict, run.values[0].value
    ('pass', 1.0)
    """
    began = time.perf_counter()
    checked("check", roles, check.__kwdefaults__ or ())
    config = configuration(model)
    if config is not None:
        given = {"data": data, "checks": checks, "train": train, "reference": reference, "champion": champion, "slices": slices,
                 "positive": positive, "threshold": threshold, "task": task, "classes": classes, "features": features,
                 "where": where, "sql": sql, "types": types}
        return check(**merged(config, given, roles), trust=trust, strict=strict, progress=progress)
    if data is None:
        raise ConfigError("there are no data to check on", hint="pass data, or a configuration such as assay.yaml")
    slices = [slices] if isinstance(slices, str) else slices
    default, listed_checks = divided(checks)
    asked = read_checks(listed_checks)
    questions = [Question.of(each) for each in asked]  # an unknown metric is told before anything is read
    for each, question in zip(asked, questions, strict=True):
        _within_limits(each, question.metric)
    with metered() as meter:
        subject, notes = opened(
            model, data, train=train, reference=reference, champion=champion, positive=positive, threshold=threshold, task=task,
            classes=classes, features=features, trust=trust, where=where, sql=sql, types=types, roles=roles)
        suite = Suite(subject, subject.study(progress), tuple(slices)) if default or not asked else None
        wanted = suite.questions() if suite else []
        every = [*questions, *_usual(subject, questions if suite is None else [], slices), *wanted]
        answers, profiles = measure(subject, every, progress=progress)
        shown = answers[len(asked):]
        verdicts: list[Verdict] = []
        for each, answer in zip(asked, answers, strict=False):
            verdicts += outcomes(each, answer.values, answer.failed)
        if suite is None:
            verdicts += _forbidden(subject)
        figures: list[Figure] = []
        if suite is not None:
            verdicts += suite.verdicts(every, answers)
            figures = suite.figures()
            notes += suite.notes
    verdicts = [dataclasses.replace(each, value=each.value.silenced()) if each.value else each for each in verdicts]
    values = [each.silenced() for each in _values(answers)]
    notes += [each for model in subject.models.values() for each in getattr(model, "remarks", list)()]
    notes += _notes(subject, profiles, asked, shown, suited=suite is not None, before=notes)
    cost = Cost(round(time.perf_counter() - began, 3), meter.rows, meter.model_rows)
    rows = profiles["data"].rows if "data" in profiles else subject.data.rows
    return Run("check", tuple(values), tuple(verdicts), cost=cost, notes=tuple(dict.fromkeys(notes)), strict=strict,
               figures=tuple(figures), about=about(subject, {"rows": rows} if rows is not None else {}))


def _within_limits(each: Check, metric: Any) -> None:
    """Refuse a bound that nothing can miss or nothing can meet, such as ``recall by age < 25``, which forgot its bound."""
    low, high = getattr(metric, "limits", (-math.inf, math.inf))
    if each.compare or each.relative:
        return
    for bound in (each.at_least, each.at_most):
        if bound is not None and not low <= bound.number <= high:
            raise ConfigError(f"'{each}' can say nothing: {metric.name} lies between {low:g} and {high:g}", expected="a bound within that",
                              hint="a slice that compares stands in parentheses and has a bound behind it: recall by (age < 25) >= 0.8")


def _forbidden(subject: Subject) -> list[Verdict]:
    """Return a failure where the model reads a column that it must not see; with the default suite a screen says it."""
    model = subject.models.get("model")
    names = (model.signature.names or ()) if model is not None else ()
    read = [name for name in subject.data.schema.forbidden if name in names]
    return [Verdict("forbidden_inputs of * <= 0", "fail", f"the model reads {'columns' if len(read) > 1 else 'a column'} that it must not "
                    f"see: {listed(read)}", hint="train it without")] if read else []


def _usual(subject: Subject, questions: Sequence[Question], slices: Sequence[str]) -> list[Question]:
    """Return what is shown beside the checks: the usual metrics, overall where nothing was asked, and by each slice."""
    target = subject.target
    if target is None:
        return []
    schema = subject.data.schema
    labelled = bool(schema.labels)
    names = [name for name in _USUAL[target.task] if labelled or not find(name).labelled]
    names = [name for name in names if target.task != "ranking" or schema.query]
    signature = next(iter(subject.models.values())).signature
    if signature.classes is not None and signature.scores is None:
        names = [name for name in names if name not in _OF_SCORES]
    overall = [Question(METRICS[name]) for name in names] if not questions else []
    # with checks, slices show the metrics that the checks speak of
    asked = dict.fromkeys(each.metric.name for each in questions if each.metric.name in names and not each.options)
    chosen = list(asked) or names[:4]
    return overall + [Question(METRICS[name], by=by) for by in slices for name in chosen]


def _values(answers: Sequence[Answered]) -> list[Value]:
    """Return every value once, those asked first."""
    found: dict[str, Value] = {}
    for answer in answers:
        for value in (*answer.values, *answer.plain):
            found.setdefault(repr((value.name, value.key, value.column, value.against, value.value, value.n)), value)
    return list(found.values())


def _notes(subject: Subject, profiles: Mapping[str, Profile], asked: Sequence[Check], shown: Sequence[Answered], *,
           suited: bool, before: Sequence[str]) -> list[str]:
    notes = []
    model = subject.models.get("model")
    if suited and model is not None and not subject.data.schema.labels and not any("need" in each and "label" in each for each in before):
        notes.append("no label was named, so how good the model is was not judged: --label COLUMN, or label='COLUMN'")
    if suited and model is not None and model.signature.classes is not None and model.signature.scores is None:
        notes.append("the model gives labels and no scores: how it ranks, and whether its scores are probabilities, is not judged")
    data = profiles.get("data")
    if data is not None and data.unlabelled:
        notes.append(f"{data.unlabelled:,} of {data.rows:,} rows have no label and were left out of what needs one")
    if subject.data.schema.weight and any(isinstance(each.metric, ColumnMetric) for each in map(Question.of, asked)):
        notes.append("metrics of columns count rows as they were delivered: the weight does not count there")
    if subject.reference is None and subject.train is not None and any(each.metric.of != "rows" and each.metric.compared
                                                                      for each in map(Question.of, asked)):
        notes.append("there is no reference, so columns are compared with the training data")
    # a model that does not answer is a verdict of the suite
    notes += [f"not shown: {error}" for answer in shown for error in answer.failed if not (suited and isinstance(error, ModelError))]
    return notes
