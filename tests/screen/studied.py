"""A study of tables and a model, as a verb would make it: for the tests of baselines, sensitivity and figures."""

from __future__ import annotations

from typing import Any

import assay
from assay.data.source import source
from assay.model.logged import Logged
from assay.model.model import bind
from assay.screen import Study, sample
from assay.summary.target import Target

__all__ = ["studied"]


def studied(model: Any, data: Any, *, train: Any = None, reference: Any = None, positive: Any = None, threshold: float | None = None,
            task: str | None = None, classes: Any = None, rows: int = 20_000, **roles: Any) -> Study:
    """Return the study; ``model`` None stands for logged predictions."""
    current = source(data, **roles)
    loaded = logged = None
    if model is None:
        logged = Logged.of(current.schema, task=task, classes=classes)
    else:
        loaded = assay.load(model, task=task, classes=classes)
        if loaded.signature.positional:
            loaded = bind(loaded, current.schema.features)
    signature = (loaded or logged).signature
    known = tuple(signature.classes or ())
    target = Target(signature.task, known, None, threshold, 0, current.schema.entity is not None or current.schema.weight is not None,
                    signature.scores != "score")
    if signature.task == "binary":
        place = target.place(positive) if positive is not None else 1
        target = Target(signature.task, known, place, threshold, 0, target.grouped, target.probabilities)
    others = [None if each is None else sample(source(each, **{role: name for role, name in roles.items() if there(each, name)}), rows=rows)
              for each in (train, reference)]
    return Study(sample(current, rows=rows), *others, loaded, logged, target)


def there(table: Any, names: Any) -> bool:
    known = set(source(table).schema.names)
    return all(name in known for name in ([names] if isinstance(names, str) else names))
