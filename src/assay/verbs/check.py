"""Judge a model on data: ``assay.check(model, data, checks=[...])``, the same as ``assay check`` on the command line.

Loads what is given by path, works out what the model answers, measures everything in as few passes as there are data sets, and
judges. A check that cannot be measured is a verdict ("error") and never stops the others.
"""

from __future__ import annotations

import dataclasses
import math
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from assay.check.expression import Check
from assay.check.suite import checks as read_checks
from assay.check.suite.listed import divided
from assay.check.verdict import broken, judge
from assay.data.medium import media
from assay.data.meter import metered
from assay.data.schema import ROLES as EVERY_ROLE
from assay.data.source import Source, source
from assay.errors import AssayError, ConfigError, ModelError, SignatureError, listed, nearest
from assay.metric import METRICS, find
from assay.metric.column import ColumnMetric
from assay.model import guard
from assay.model.load import load
from assay.model.model import Model, bind
from assay.model.predictor import Predictor
from assay.model.signature import Signature
from assay.result import Cost, Figure, Run, Value, Verdict
from assay.summary import Profile
from assay.summary.target import Target
from assay.verbs.config import Config, read
from assay.verbs.measure import Answered, Question, Subject, measure
from assay.verbs.suite import Suite, about

__all__ = ["check"]

ROLES = tuple(each for each in EVERY_ROLE if each != "feature")  # features are the columns without another role

_OF_SCORES = ("auc", "average_precision", "log_loss", "brier", "calibration_error")

HEARD = 20  # rows that a callable is asked to see whether it gives scores

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
    for name, columns in roles.items():
        if name not in ROLES:
            near = nearest(name, [*ROLES, *(check.__kwdefaults__ or ())])
            raise ConfigError(f"check takes no argument '{name}'", expected=f"a role, one of {listed(ROLES, 20)}",
                              hint=f"did you mean '{near}'?" if near else None)
        if hasattr(columns, "__array__") or hasattr(columns, "__arrow_c_array__"):
            raise ConfigError(f"'{name}' is given as values (a {type(columns).__name__}), not as the name of a column",
                              expected="a column of the data, by name",
                              hint=f"put it among the data first: data.assign(target=...), and pass {name}='target'")
    config = _config(model)
    if config is not None:
        given = {"data": data, "checks": checks, "train": train, "reference": reference, "champion": champion, "slices": slices,
                 "positive": positive, "threshold": threshold, "task": task, "classes": classes, "features": features,
                 "where": where, "sql": sql, "types": types}
        named = {key: value for key, value in given.items() if value is not None and not (isinstance(value, list | tuple) and not value)}
        return check(**_merged(config, named, roles),
                     trust=trust, strict=strict, progress=progress)
    if data is None:
        raise ConfigError("there are no data to check on", hint="pass data, or a configuration such as assay.yaml")
    slices = [slices] if isinstance(slices, str) else slices
    default, listed_checks = divided(checks)
    asked = read_checks(listed_checks)
    questions = [Question.of(each) for each in asked]  # an unknown metric is told before anything is read
    for each, question in zip(asked, questions, strict=True):
        _within_limits(each, question.metric)
    with metered() as meter:
        subject, notes = _subject(
            model, data, train=train, reference=reference, champion=champion, positive=positive, threshold=threshold, task=task,
            classes=classes, features=features, trust=trust, where=where, sql=sql, types=types, roles=roles)
        suite = Suite(subject, subject.study(progress), tuple(slices)) if default or not asked else None
        wanted = suite.questions() if suite else []
        every = [*questions, *_usual(subject, questions if suite is None else [], slices), *wanted]
        answers, profiles = measure(subject, every, progress=progress)
        shown = answers[len(asked):]
        verdicts: list[Verdict] = []
        for each, answer in zip(asked, answers, strict=False):
            verdicts += [broken(each, error) for error in answer.failed] or _judged(each, answer)
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


def _config(model: Any) -> Config | None:
    if isinstance(model, Config):
        return model
    return read(model) if isinstance(model, str | Path) and str(model).lower().endswith((".yaml", ".yml")) else None


def _merged(config: Config, given: Mapping[str, Any], roles: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``check`` that a configuration stands for; what was given beside it wins."""
    if config.data is None and "data" not in given:
        raise ConfigError("no data are named", where=str(config.path), expected="the key 'data'", hint="data: test.parquet")
    found = {key: config.location(getattr(config, key)) for key in ("model", "champion", "data", "reference", "train")}
    found |= {key: getattr(config, key) for key in ("sql", "where", "positive", "threshold", "task", "classes", "features", "types",
                                                    "slices", "checks")}
    return {**found, **config.columns, **given, **roles}


def _subject(model: Any, data: Any, *, train: Any, reference: Any, champion: Any, positive: Any, threshold: float | None, task: str | None,
             classes: Sequence[Any] | None, features: Sequence[str] | None, trust: bool, where: str | None, sql: str | None,
             types: Mapping[str, str] | None, roles: Mapping[str, Any]) -> tuple[Subject, list[str]]:
    """Return the models and data sets, opened and fitted to each other, and what a reader should know of how."""
    notes: list[str] = []
    current = source(data, where=where, sql=sql, types=types, **_unlabelled(data, roles, types, (reference, train), notes))
    # the reference need not have what only production has, such as logged predictions
    others = {name: source(each, types=types, where=where, **_known(each, roles, types)) if each is not None else None
              for name, each in (("train", train), ("reference", reference))}
    models: dict[str, Model] = {}
    if model is None and (current.schema.prediction or current.schema.score):
        from assay.model.logged import Logged

        if classes is None and task not in ("regression", "ranking", "multilabel"):
            _known_classes(current)
        models["model"] = Logged.of(current.schema, task=task, classes=classes, where=current.name)
    for name, each in (("model", model), ("champion", champion)):
        if each is not None:
            # a file is called by its path, and a loaded model has a name
            title = None if isinstance(each, str | Path | Model | Mapping) else name
            loaded = load(each, trust=trust, task=task, classes=classes, features=features, name=title)
            models[name] = _heard(_bound(loaded, others["train"] or current, name, notes), each, current)
    for loaded in models.values():
        _fits(loaded, current)
    target = _target(models, current, positive, threshold) if models else None
    return Subject(current, models, target, others["reference"], others["train"]), notes


def _known(data: Any, roles: Mapping[str, Any], types: Mapping[str, str] | None) -> dict[str, Any]:
    """Return the roles whose columns a data set has."""
    names = set(source(data, types=types).schema.names)

    def there(columns: Any) -> bool:
        return all(name in names for name in ([columns] if isinstance(columns, str) else columns or ()))

    return {role: columns for role, columns in roles.items() if there(columns)}


def _unlabelled(data: Any, roles: Mapping[str, Any], types: Mapping[str, str] | None, others: Sequence[Any],
                notes: list[str]) -> dict[str, Any]:
    """Return the roles without a label, and without columns to ignore, that the data lack and another data set has.

    Labels come late: what production sends today is compared with a labelled reference all the same.
    """
    given = [each for each in others if each is not None]
    found = dict(roles)
    if not given or not (found.get("label") or found.get("ignored")):
        return found
    names = set(source(data, types=types).schema.names)
    elsewhere = {name for each in given for name in source(each, types=types).schema.names}
    for role in ("label", "ignored"):
        columns = found.get(role)
        listing = [columns] if isinstance(columns, str) else list(columns or ())
        absent = [name for name in listing if name not in names and name in elsewhere]
        if absent:
            found[role] = [name for name in listing if name not in absent] or None
            if role == "label":
                notes.append(f"the data have no column {listed(absent)}: what needs a label is not measured")
    return {role: columns for role, columns in found.items() if columns is not None}


def _known_classes(data: Source) -> None:
    """Refuse logged predictions whose classes were not named and are not 0 and 1, with those that were seen in the hint."""
    names = [name for name in (data.schema.label, data.schema.prediction) if name]
    batch = next(iter(data.batches(names)), None) if names else None
    if batch is None:
        return
    seen = {value for name in names for value in batch.column(name).unique().to_pylist() if value is not None}
    if not seen or any(isinstance(each, float) for each in seen) or seen <= {0, 1} or len(seen) > 50:
        return
    ordered = sorted(seen, key=lambda each: (str(type(each)), each))
    raise ConfigError("the classes of the logged predictions are not known", where=data.name,
                      expected="the names of all, as one may be absent from these rows",
                      hint="the first rows hold these: " + " ".join(f"--class {shlex.quote(str(each))}" for each in ordered))


def _bound(model: Model, first: Source, name: str, notes: list[str]) -> Model:
    """Give names to the inputs of a model that knows only how many it has: the order of the training data."""
    if not model.signature.positional:
        return model
    notes.append(f"the {name} carries no column names: its inputs are taken to be the feature columns of {first.name}, in that order")
    names = first.schema.features
    if getattr(model, "textual", False):   # of several columns of text a model of text reads the free one
        free = [each for each, what in media(first).items() if what == "text" and each in names]
        names = tuple(free) if len(free) == 1 else names
    fields = [first.schema.arrow.field(each) for each in names]
    return bind(model, pa.schema(fields))


def _heard(model: Model, given: Any, data: Source) -> Model:
    """Return a model with what it truly gives: whether a callable answers scores or only labels is known once it has been asked."""
    function = callable(given) and not hasattr(given, "predict")
    if not isinstance(model, Predictor) or model.signature.scores is None or not (function or model.unheard):
        return model
    batch = next((each for each in data.batches() if each.num_rows), None)
    if batch is None:
        return model
    try:
        said = guard.answer(model, batch.slice(0, HEARD))
    except ModelError:  # told as a verdict, where all rows are asked
        return model
    labels = said.score is None and said.prediction is not None
    return dataclasses.replace(model, signature=dataclasses.replace(model.signature, scores=None)) if labels else model


def _fits(model: Model, data: Source) -> None:
    """Refuse a model whose inputs are not in the data, before anything is read."""
    for each in model.signature.inputs or ():
        if each.name not in data.schema.names:
            near = nearest(each.name, data.schema.names)
            raise SignatureError(f"the model needs the column '{each.name}', which is not there", where=data.name,
                                 expected=f"its inputs {listed((one.name for one in model.signature.inputs or ()), 12)}",
                                 hint=f"is it called '{near}' now?" if near else None)


def _target(models: Mapping[str, Model], data: Source, positive: Any, threshold: float | None) -> Target:
    signature = next(iter(models.values())).signature
    for name, other in models.items():
        if other.signature.task != signature.task or (other.signature.classes or ()) != (signature.classes or ()):
            raise SignatureError(f"the {name} answers {_answers(other.signature)}, the model {_answers(signature)}",
                                 expected="two models of the same task and classes", hint="name the classes of both: classes: [...]")
    schema = data.schema
    classes = tuple(signature.classes or ())
    labels = len(schema.labels) or len(classes) if signature.task == "multilabel" else 0
    if signature.task == "multilabel" and schema.labels and classes and len(schema.labels) != len(classes):
        raise SignatureError(f"the data have {len(schema.labels)} labels, and the model answers {len(classes)}", where=data.name)
    if threshold is not None and not 0 <= threshold <= 1:
        raise ConfigError(f"a threshold of {threshold} leaves one class only", expected="a probability between 0 and 1")
    grouped = schema.entity is not None or schema.weight is not None
    probabilities = signature.scores != "score"
    target = Target(signature.task, classes, None, threshold, labels, grouped, probabilities)
    if signature.task != "binary":
        if positive is not None and classes:
            target.place(positive)
        return target
    return dataclasses.replace(target, positive=_positive(target, positive))


def _positive(target: Target, positive: Any) -> int:
    """Return the index of the positive class: the one that was named, else 1, True or "1"; never a guess from the data."""
    if positive is not None:
        return target.place(positive)
    texts = [str(each).casefold() for each in target.classes]
    for negative, yes in (("0", "1"), ("false", "true"), ("-1", "1"), ("0.0", "1.0"), ("no", "yes"), ("n", "y")):
        if sorted(texts) == sorted((negative, yes)):
            return texts.index(yes)
    raise ConfigError(f"which of the classes {listed(map(str, target.classes))} is the positive one?",
                      hint=f"pass --positive {shlex.quote(str(target.classes[-1]))} (in Python positive={target.classes[-1]!r}), "
                           f"or positive: {_scalar(target.classes[-1])} in assay.yaml")


def _scalar(value: Any) -> str:
    """Return a class as it stands in YAML."""
    text = str(value)
    return text if not isinstance(value, str) or text.isalnum() else "'" + text.replace("'", "''") + "'"


def _forbidden(subject: Subject) -> list[Verdict]:
    """Return a failure where the model reads a column that it must not see; with the default suite a screen says it."""
    model = subject.models.get("model")
    names = (model.signature.names or ()) if model is not None else ()
    read = [name for name in subject.data.schema.forbidden if name in names]
    return [Verdict("forbidden_inputs of * <= 0", "fail", f"the model reads {'columns' if len(read) > 1 else 'a column'} that it must not "
                    f"see: {listed(read)}", hint="train it without")] if read else []


def _answers(signature: Signature) -> str:
    return f"{signature.task} {listed(map(str, signature.classes), 5) if signature.classes else ''}".strip()


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


def _judged(each: Check, answer: Answered) -> list[Verdict]:
    try:
        return judge(each, answer.values)
    except AssayError as error:
        return [broken(each, error)]


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
