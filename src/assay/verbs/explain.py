"""Explain a model: ``assay.explain(model, data, row=...)``, the same as ``assay explain`` on the command line.

Opens what is given, and hands it to the one question that was asked; each question is a module of its own and returns the parts of a run.
Nothing is judged.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from assay.data.meter import metered
from assay.data.source import source
from assay.errors import ConfigError, listed
from assay.result import Cost, Run
from assay.store import Store
from assay.verbs import training_row
from assay.verbs.explanation import Ground, Part
from assay.verbs.importance import importance
from assay.verbs.row import row as of_row
from assay.verbs.subject import checked, configuration, merged, opened
from assay.verbs.suite import about

__all__ = ["explain"]


def explain(model: Any = None, data: Any = None, *, row: Any = None, against: str | None = None, quantity: str | None = None,
            training_rows: bool = False, among: str | None = None, background: Any = None, rows: int | None = None,
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
    label). Without a row, ``rows`` rows of the data are explained. Black boxes are sampled until half an interval is ``at_most``, with
    ``budget`` rows. What was found of rows with an id is kept in ``store`` (a path, a URL or a ``Store``), where one is named, and read
    again.

    With ``training_rows``: which rows of ``train`` led to the answer to the ``row``; without a row, which parts of them raised the loss of
    the rows of the data, or of those ``among`` them that a predicate keeps, and whose labels are probably wrong.

    The other arguments are those of ``assay.check``. Raises ``AssayError`` for what cannot be read, explained or is misspelt.

    >>> import pyarrow as pa
    >>> data = pa.table({"x": [0.1, 0.4, 0.6, 0.9] * 50, "z": [1.0, 2.0] * 100})
    >>> run = explain(lambda batch: batch.column("x").to_numpy(), data, task="regression", row=3)
    >>> [(each.column, round(each.value, 3)) for each in run.values]
    [('x', 0.4)]
    """
    began = time.perf_counter()
    checked("explain", roles, explain.__kwdefaults__ or ())
    asked: dict[str, Any] = {"row": row, "against": against, "quantity": quantity, "background": background, "rows": rows,
                             "training_rows": training_rows, "among": among, "at_most": at_most, "budget": budget, "seed": seed,
                             "store": store}
    config = configuration(model)
    if config is not None:
        given = {"data": data, "train": train, "reference": reference, "champion": champion, "positive": positive, "threshold": threshold,
                 "task": task, "classes": classes, "features": features, "where": where, "sql": sql, "types": types}
        every = merged(config, given, roles)
        every.pop("checks")
        every.pop("slices")
        return explain(**every, **asked, trust=trust, progress=progress)
    if data is None:
        raise ConfigError("there are no data to explain the model on", hint="pass data, or a configuration such as assay.yaml")
    with metered() as meter, contextlib.ExitStack() as held:
        subject, notes = opened(
            model, data, train=train, reference=reference, champion=champion, positive=positive, threshold=threshold, task=task,
            classes=classes, features=features, trust=trust, where=where, sql=sql, types=types, roles=roles)
        behind = None if background is None else source(background, types=types, **_label(background, roles))
        kept = held.enter_context(Store(store)) if isinstance(store, str | os.PathLike) else store
        ground = Ground(subject, quantity, against, behind, rows, at_most, budget, seed, positive, kept)
        part = _answered(ground, row, training_rows=training_rows, among=among)
    notes += [each for model in subject.models.values() for each in getattr(model, "remarks", list)()]
    cost = Cost(round(time.perf_counter() - began, 3), meter.rows, meter.model_rows)
    return Run("explain", part.values, findings=part.findings, cost=cost, notes=tuple(dict.fromkeys([*part.notes, *notes])),
               figures=part.figures, about={**about(subject, {}), **part.about}, sentences=part.sentences, attributions=part.attributions)


def _answered(ground: Ground, row: Any, *, training_rows: bool = False, among: str | None = None) -> Part:
    """Return the answer to what was asked; more than one question is refused."""
    questions: dict[str, Callable[[], Part]] = {}
    if among is not None and (row is not None or not training_rows):
        raise ConfigError("among keeps rows whose errors are traced to training rows", expected="training_rows, and no row")
    if training_rows:
        questions["training rows"] = lambda: training_row.of_errors(ground, among) if row is None else training_row.of_row(ground, row)
    elif row is not None:
        questions["row"] = lambda: of_row(ground, row)
    if len(questions) > 1:
        raise ConfigError(f"{listed(questions)} are different questions", expected="one of them at a time")
    return next(iter(questions.values()), lambda: importance(ground))()


def _label(data: Any, roles: Mapping[str, Any]) -> dict[str, Any]:
    """Return the label's role where a background has the column, so that it may be chosen by it."""
    label = roles.get("label")
    return {"label": label} if isinstance(label, str) and label in source(data).schema.names else {}
