"""Explain a model: ``assay.explain(model, data, row=...)``, the same as ``assay explain`` on the command line.

Opens what is given, and hands it to the one question that was asked; each question is a module of its own and returns the parts of a run.
Nothing is judged.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from assay.data.meter import metered
from assay.data.source import source
from assay.errors import BusyError, ConfigError, listed
from assay.model.load import load
from assay.model.model import Model
from assay.result import Cost, Run
from assay.store import Store
from assay.verbs.explain import counterfactual, training_row
from assay.verbs.explain.change import between as of_change
from assay.verbs.explain.disparity import disparity as of_groups
from assay.verbs.explain.explanation import Ground, Part
from assay.verbs.explain.importance import importance
from assay.verbs.explain.row import row as of_row
from assay.verbs.explain.segment import segment as of_segments
from assay.verbs.subject import checked, configuration, merged, opened
from assay.verbs.suite import about

__all__ = ["explain"]

_PATIENCE = 3.0   # seconds that an explanation waits for whoever writes to the store
_RANDOM = "the model is not deterministic"
_ZONE = re.compile(r"\d(?:Z|[+-]\d{2}:?\d{2})$")


def explain(model: Any = None, data: Any = None, *, row: Any = None, against: str | None = None, quantity: str | None = None,
            way: str | None = None,
            between: Sequence[Any] | None = None, disparity: str | None = None, justified: Mapping[str, str] | None = None,
            training_rows: bool = False, among: str | None = None, checkpoints: Sequence[Any] = (), counterfactual: bool = False,
            changeable: Mapping[str, Any] | None = None, wanted: Any = None, segments: str | bool = False, tolerance: float | None = None,
            background: Any = None, rows: int | None = None,
            at_most: float | None = None, budget: int | None = None, seed: int = 0,
            store: Any = None, train: Any = None, reference: Any = None, champion: Any = None, positive: Any = None,
            threshold: float | None = None,
            task: str | None = None, classes: Sequence[Any] | None = None, features: Sequence[str] | None = None, trust: bool = False,
            where: str | None = None, sql: str | None = None, types: Mapping[str, str] | None = None,
            progress: Callable[[str, int], None] | None = None, **roles: Any) -> Run:
    """Return a run that says why ``model`` answers what it does: for one ``row``, or over a sample of ``data``.

    ``row`` is a value of the column with the role ``id``, else a number counted from 0. What is explained is ``quantity``: ``"score"``,
    ``"log-odds"``, ``"decision"`` or ``"loss"``; by default what the model adds up. It is compared with a seeded sample of ``background``
    (``train``, else ``reference``, else ``data``), of which ``against`` keeps the rows of a predicate (``label`` stands for the
    label). ``way`` is how values are made: ``"exact"``, ``"sampled"``, ``"gradients"`` (of networks) or ``"path-dependent"`` (of trees);
    by default exact where possible. Of a model that reads one column of texts or images, words or patches are explained.
    Without a row, ``rows`` rows of the data are explained. Black boxes are sampled until half an interval is ``at_most``, with ``budget``
    rows. What was found of rows with an id is kept in ``store`` (a path, a URL or a ``Store``), where one is named, and read again.

    ``between`` names two periods (``2013-02``), predicates or data sets: why the score, and where labels are the error, moved from the
    first to the second. ``disparity`` names a column: which inputs make the gap between its groups, and which stand for it;
    ``justified`` is what people said of these.

    With ``training_rows``: which rows of ``train`` led to the answer to the ``row``; without a row, which parts of them raised the loss of
    the rows of the data, or of those ``among`` them that a predicate keeps, and whose labels are probably wrong. ``checkpoints`` are a
    network at earlier times of its training.

    With ``counterfactual``: what would have had to differ for the ``row`` to be decided otherwise (as the class ``wanted``; for numbers
    ``">= 3"``), where ``changeable`` says what a person can change: ``{"income": "increase", "savings": [0, 100000], "job": ["cook"]}``.

    With ``segments``: where the model is weak (``True`` or ``"error"``), ``"overfit"``, unfair (``"disparity"``), unlike the champion
    (``"champion"``), or the data unlike the reference (``"drift"``), by more than ``tolerance``.

    The other arguments are those of ``assay.check``. Raises ``AssayError`` for what cannot be read, explained or is misspelt.

    >>> import pyarrow as pa
    >>> data = pa.table({"x": [0.1, 0.4, 0.6, 0.9] * 50, "z": [1.0, 2.0] * 100})
    >>> run = explain(lambda batch: batch.column("x").to_numpy(), data, task="regression", row=3)
    >>> [(each.column, round(each.value, 3)) for each in run.values]
    [('x', 0.4)]
    """
    began = time.perf_counter()
    checked("explain", roles, explain.__kwdefaults__ or ())
    asked: dict[str, Any] = {"row": row, "between": between, "disparity": disparity, "justified": justified,
                             "against": against, "quantity": quantity, "way": way, "background": background, "rows": rows,
                             "training_rows": training_rows, "among": among, "checkpoints": checkpoints,
                             "counterfactual": counterfactual, "changeable": changeable, "wanted": wanted,
                             "segments": segments, "tolerance": tolerance,
                             "at_most": at_most, "budget": budget, "seed": seed,
                             "store": store}
    config = configuration(model)
    if config is not None:
        given = {"data": data, "train": train, "reference": reference, "champion": champion, "positive": positive, "threshold": threshold,
                 "task": task, "classes": classes, "features": features, "where": where, "sql": sql, "types": types}
        every = merged(config, given, roles)
        every.pop("checks")
        every.pop("slices")
        asked["changeable"] = changeable or dict(config.changeable) or None
        asked["justified"] = {**config.justified, **(justified or {})}
        return explain(**every, **asked, trust=trust, progress=progress)
    if data is None:
        raise ConfigError("there are no data to explain the model on", hint="pass data, or a configuration such as assay.yaml")
    whole = data
    data, train, reference = (_timed(each, roles.get("timestamp"), types, sql if each is whole else None)
                              for each in (data, train, reference))
    with metered() as meter, contextlib.ExitStack() as held:
        subject, notes = opened(
            model, data, train=train, reference=reference, champion=champion, positive=positive, threshold=threshold, task=task,
            classes=classes, features=features, trust=trust, where=where, sql=sql if data is whole else None, types=types, roles=roles)
        behind = None if background is None else source(background, types=types, **_label(background, roles))
        kept = held.enter_context(_store(store, notes)) if isinstance(store, str | os.PathLike) else store
        ground = Ground(subject, quantity, against, behind, rows, at_most, budget, seed, positive, kept, way,
                        _earlier(checkpoints, model, {"trust": trust, "task": task, "classes": classes, "features": features}))
        if checkpoints and not training_rows:
            raise ConfigError("checkpoints tell of training rows", expected="training_rows beside them")
        part = _answered(ground, row, between=between, disparity=disparity, justified=justified, training_rows=training_rows,
                         among=among, otherwise=(changeable, wanted) if counterfactual else None, segments=segments, tolerance=tolerance)
    notes += [each for model in subject.models.values() for each in getattr(model, "remarks", list)()]
    cost = Cost(round(time.perf_counter() - began, 3), meter.rows, meter.model_rows)
    return Run("explain", part.values, findings=part.findings, cost=cost, notes=_told([*part.notes, *notes]),
               figures=part.figures, about={**about(subject, {}), **part.about}, sentences=part.sentences, attributions=part.attributions)


def _earlier(checkpoints: Sequence[Any], model: Any, said: Mapping[str, Any]) -> tuple[Model, ...]:
    """Load what a network was at earlier times, as the model itself is loaded."""
    if isinstance(checkpoints, str | os.PathLike):
        raise ConfigError("checkpoints are one text", expected="a list of files, or of networks")
    return tuple(load({**model, "uri": each} if isinstance(model, Mapping) else each, **said) for each in checkpoints)


def _told(notes: Sequence[str]) -> tuple[str, ...]:
    """Return notes, each once; of those that the model is not deterministic, which several parts find, the first."""
    random = [each for each in notes if each.startswith(_RANDOM)]
    return tuple(dict.fromkeys(each for each in notes if each not in random[1:]))


def _store(place: str | os.PathLike[str], notes: list[str]) -> contextlib.AbstractContextManager[Store | None]:
    """Open a store; where another process holds it, do without, and note that: an explanation need not be kept to be told."""
    try:
        return Store(place, wait=_PATIENCE)
    except BusyError as error:
        notes.append(f"nothing was read from the store or kept: {error.what}")
        return contextlib.nullcontext()


def _timed(data: Any, name: Any, types: Mapping[str, str] | None, sql: str | None = None) -> Any:
    """Return data with the column ``name``, the timestamp, read as times where it is text: a command line has no other way to say so."""
    again = isinstance(data, str | os.PathLike | pa.Table) or hasattr(data, "columns")   # a stream can be read once only
    if not isinstance(name, str) or name in (types or {}) or not again:
        return data
    plain = source(data, types=types, sql=sql)
    if name not in plain.schema.names or not _textual(plain.schema[name].type):
        return data
    values = (each for batch in plain.batches([name]) for each in batch.column(0).to_pylist() if each)
    zoned = _ZONE.search(str(next(values, "")).strip())
    return source(data, types={**(types or {}), name: "timestamp[us, UTC]" if zoned else "timestamp[us]"}, sql=sql)


def _textual(kind: pa.DataType) -> bool:
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(inner) or pa.types.is_large_string(inner) or pa.types.is_string_view(inner))


def _answered(ground: Ground, row: Any, *, between: Sequence[Any] | None = None, disparity: str | None = None,
              justified: Mapping[str, str] | None = None, training_rows: bool = False, among: str | None = None,
              otherwise: tuple[Mapping[str, Any] | None, Any] | None = None, segments: str | bool = False,
              tolerance: float | None = None) -> Part:
    """Return the answer to what was asked; more than one question is refused."""
    questions: dict[str, Callable[[], Part]] = {}
    if between is not None:
        questions["between"] = lambda: of_change(ground, between)
    if disparity is not None:
        questions["disparity"] = lambda: of_groups(ground, disparity, justified)
    if tolerance is not None and not segments:
        raise ConfigError("a tolerance is of segments", expected="segments")
    if segments:
        questions["segments"] = lambda: of_segments(ground, "error" if segments is True else str(segments), tolerance=tolerance)
    if among is not None and (row is not None or not training_rows):
        raise ConfigError("among keeps rows whose errors are traced to training rows", expected="training_rows, and no row")
    if training_rows:
        questions["training rows"] = lambda: training_row.of_errors(ground, among) if row is None else training_row.of_row(ground, row)
    elif otherwise is not None:
        if row is None:
            raise ConfigError("a counterfactual is of one row", expected="row", hint="--row ID")
        questions["counterfactual"] = lambda: counterfactual.of_row(ground, row, *otherwise)
    elif row is not None:
        questions["row"] = lambda: of_row(ground, row)
    if ground.way is not None and set(questions) - {"row"}:
        raise ConfigError("a way is of one row, or of all rows", expected=f"no way beside {listed(questions)}")
    if len(questions) > 1:
        raise ConfigError(f"{listed(questions)} are different questions", expected="one of them at a time")
    return next(iter(questions.values()), lambda: importance(ground))()


def _label(data: Any, roles: Mapping[str, Any]) -> dict[str, Any]:
    """Return the label's role where a background has the column, so that it may be chosen by it."""
    label = roles.get("label")
    return {"label": label} if isinstance(label, str) and label in source(data).schema.names else {}
