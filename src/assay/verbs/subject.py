"""What a verb speaks of: models and data sets, opened, fitted to each other, and where a configuration says so, found there.

``checked`` refuses arguments that are no roles, ``configuration`` tells a configuration from a model, ``merged`` puts what was given beside
it in its places, ``opened`` returns the ``Subject``. ``bound``, ``heard``, ``fits``, ``target_of`` and ``positive_of`` are its steps, for
verbs whose models come another way. Verbs import it.
"""

from __future__ import annotations

import dataclasses
import functools
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from assay.data.derived import holds
from assay.data.medium import media
from assay.data.schema import ROLES as EVERY_ROLE
from assay.data.source import Source, source
from assay.errors import ConfigError, EmptyDataError, ModelError, SignatureError, listed, nearest
from assay.model import guard
from assay.model.load import load
from assay.model.logged import Logged
from assay.model.model import Model, bind
from assay.model.predictor import Predictor
from assay.model.signature import Signature
from assay.screen import Sample, Study, common, sample
from assay.summary.target import Target
from assay.verbs.cluster import clustered
from assay.verbs.config import Config, read
from assay.verbs.version import versioned

__all__ = ["ROLES", "Subject", "bound", "checked", "configuration", "fits", "heard", "merged", "opened", "positive_of", "target_of"]

ROLES = tuple(each for each in EVERY_ROLE if each != "feature")  # features are the columns without another role

HEARD = 20  # rows that a callable is asked to see whether it gives scores
Progress = Callable[[str, int], None]


@dataclass(frozen=True)
class Subject:
    """The models and the data sets that are there; ``target`` is None without a model or logged predictions."""

    data: Source
    models: Mapping[str, Model] = field(default_factory=dict)
    target: Target | None = None
    reference: Source | None = None
    train: Source | None = None
    _held: dict[str, Study] = field(default_factory=dict, repr=False)

    def study(self, progress: Progress | None = None) -> Study:
        """Return what screens look at, sampled once: one more pass over each data set."""
        if "study" not in self._held:
            def drawn(name: str, source: Source | None) -> Sample | None:
                if source is None:
                    return None
                found = sample(source, shared=shared, progress=(lambda rows: progress(name, rows)) if progress else None)
                if not found.rows:
                    raise EmptyDataError("there are no rows", where=source.name, expected="at least one row")
                return found

            model = self.models.get("model")
            read = model.signature.names if model is not None and not isinstance(model, Logged) else None
            shared = common(self.data, self.train, read) if self.train is not None else None
            data = drawn("data", self.data)
            assert data is not None
            logged = model if isinstance(model, Logged) else None
            self._held["study"] = Study(data, drawn("train", self.train), drawn("reference", self.reference),
                                        None if logged is not None else model, logged, self.target)
        return self._held["study"]

    @functools.cached_property
    def media(self) -> dict[str, tuple[str, ...]]:
        """The columns of free text and images, and what is derived of each when columns are compared."""
        found: dict[str, str] = {}
        for each in (self.data, self.reference, self.train):
            for name, what in (media(each) if each is not None else {}).items():
                if name not in self.data.schema.names or (holds(self.data.schema[name].type) == what and (
                        each is self.data or name not in self.data.schema.media)):
                    found.setdefault(name, what)
        return {name: self.data.schema.shown(name) if name in self.data.schema.names else () for name in found}

    def source(self, name: str) -> Source:
        """Return a data set by name; raises ``ConfigError`` where it was not given."""
        found: Source | None = {"data": self.data, "reference": self.reference or self.train, "train": self.train}[name]
        if found is None:
            raise ConfigError(f"there are no {name} data to compare with", hint=f"pass --{name} FILE, or {name}: FILE in assay.yaml")
        return found


def checked(verb: str, roles: Mapping[str, Any], others: Iterable[str] = ()) -> None:
    """Raise ``ConfigError`` for an argument of ``verb`` that is neither a role nor one of ``others``, or that holds values, not names.

    >>> checked("check", {"lable": "late"}, ["model"])
    Traceback (most recent call last):
    ...
    assay.errors.ConfigError: check takes no argument 'lable'; expected a role, one of ...; hint: did you mean 'label'?
    """
    for name, columns in roles.items():
        if name not in ROLES:
            near = nearest(name, [*ROLES, *others])
            raise ConfigError(f"{verb} takes no argument '{name}'", expected=f"a role, one of {listed(ROLES, 20)}",
                              hint=f"did you mean '{near}'?" if near else None)
        if hasattr(columns, "__array__") or hasattr(columns, "__arrow_c_array__"):
            raise ConfigError(f"'{name}' is given as values (a {type(columns).__name__}), not as the name of a column",
                              expected="a column of the data, by name",
                              hint=f"put it among the data first: data.assign(target=...), and pass {name}='target'")


def configuration(model: Any) -> Config | None:
    """Return the configuration that ``model`` is or names, None where it is a model."""
    if isinstance(model, Config):
        return model
    return read(model) if isinstance(model, str | Path) and str(model).lower().endswith((".yaml", ".yml")) else None


def merged(config: Config, given: Mapping[str, Any], roles: Mapping[str, Any], *, without: Sequence[str] = ()) -> dict[str, Any]:
    """Return the arguments that a configuration stands for; of ``given`` what is neither None nor empty wins, and so do ``roles``.

    ``without``: those that the verb does not take.
    """
    given = {key: value for key, value in given.items() if value is not None and not (isinstance(value, list | tuple) and not value)}
    if config.data is None and "data" not in given:
        raise ConfigError("no data are named", where=str(config.path), expected="the key 'data'", hint="data: test.parquet")
    found = {key: config.location(getattr(config, key)) for key in ("model", "champion", "data", "reference", "train")}
    found |= {key: getattr(config, key) for key in ("sql", "where", "positive", "threshold", "task", "classes", "features", "types",
                                                    "slices", "checks")}
    return {name: each for name, each in {**found, **config.columns, **given, **roles}.items() if name not in without}


def opened(model: Any, data: Any, *, train: Any, reference: Any, champion: Any, positive: Any, threshold: float | None, task: str | None,
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
        if classes is None and task not in ("regression", "ranking", "multilabel"):
            _known_classes(current)
        models["model"] = Logged.of(current.schema, task=task, classes=classes, where=current.name)
    for name, each in (("model", model), ("champion", champion)):
        if each is not None:
            # a file is called by its path, and a loaded model has a name
            title = None if isinstance(each, str | Path | Model | Mapping) else name
            loaded = load(each, trust=trust, task=task, classes=classes, features=features, name=title)
            models[name] = heard(bound(loaded, others["train"] or current, name, notes), each, current)
    for loaded in models.values():
        fits(loaded, current)
    target = target_of(models, current, positive, threshold) if models else None
    current = versioned(current, models.get("model"))
    others = {name: None if each is None else versioned(each, models.get("model")) for name, each in others.items()}
    found = clustered({"data": current, **others})
    assert found["data"] is not None
    return Subject(found["data"], models, target, found["reference"], found["train"]), notes


def bound(model: Model, first: Source, name: str, notes: list[str]) -> Model:
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


def heard(model: Model, given: Any, data: Source) -> Model:
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


def fits(model: Model, data: Source) -> None:
    """Refuse a model whose inputs are not in the data, before anything is read."""
    for each in model.signature.inputs or ():
        if each.name not in data.schema.names:
            near = nearest(each.name, data.schema.names)
            raise SignatureError(f"the model needs the column '{each.name}', which is not there", where=data.name,
                                 expected=f"its inputs {listed((one.name for one in model.signature.inputs or ()), 12)}",
                                 hint=f"is it called '{near}' now?" if near else None)


def target_of(models: Mapping[str, Model], data: Source, positive: Any, threshold: float | None) -> Target:
    """Return what models answer; raises ``SignatureError`` where two answer something else, ``ConfigError`` for bad options."""
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
    return dataclasses.replace(target, positive=positive_of(target, positive))


def positive_of(target: Target, positive: Any) -> int:
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


def _scalar(value: Any) -> str:
    """Return a class as it stands in YAML."""
    text = str(value)
    return text if not isinstance(value, str) or text.isalnum() else "'" + text.replace("'", "''") + "'"


def _answers(signature: Signature) -> str:
    return f"{signature.task} {listed(map(str, signature.classes), 5) if signature.classes else ''}".strip()
