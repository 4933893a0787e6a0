"""Whether a model says the same of a row when it is asked again, or among other rows: where not, explanations say so.

``unsteady(model, batch)`` returns the sentences; the questions of ``verbs.explain`` put them among their notes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from assay.model import guard
from assay.model.answer import Answer
from assay.model.model import Model

__all__ = ["unsteady"]

Array = np.ndarray[Any, Any]
_ROWS = 200      # that are asked about again
_NEAR = 1e-5     # of the largest answer: sums of other sizes are rounded otherwise, in 32 bits by about this


def unsteady(model: Model, batch: pa.RecordBatch) -> tuple[str, ...]:
    """Return why explanations of ``model`` hold less than they seem to, in words; nothing where it answers the same each time.

    The first 200 rows are asked about twice, then half of them in reverse: a model that is random answers otherwise the second time, one
    whose answers hang on the order of rows, or on which rows stand beside, the third.

    >>> import assay
    >>> ranks = assay.load(lambda batch: np.arange(batch.num_rows) * 1.0, task="regression", features=["x"])
    >>> unsteady(ranks, pa.record_batch({"x": np.zeros(4)}))[0][:52]
    "the model's answers hang on the order of rows, or on"
    """
    some = batch.slice(0, _ROWS)
    if some.num_rows < 2 or getattr(model, "recorded", False):
        return ()
    first, second = _numbers(guard.answer(model, some)), _numbers(guard.answer(model, some))
    near = _NEAR * max(float(np.abs(first).max(initial=0.0)), 1e-300)
    changed = int((np.abs(first - second) > near).any(axis=1).sum())
    if changed:
        said = (f"the model is not deterministic: asked twice about the same {some.num_rows:,} rows it answered otherwise for {changed:,}; "
                "what is said is of one of its answers, or of their mean, and another run will differ")
        return (said,)
    back = np.arange(some.num_rows - 1, -1, -2)
    third = _numbers(guard.answer(model, some.take(pa.array(back))))
    changed = int((np.abs(first[back] - third) > near).any(axis=1).sum())
    if changed:
        said = (f"the model's answers hang on the order of rows, or on which rows stand beside: asked about {len(back):,} rows again, in "
                f"another order, it answered otherwise for {changed:,}; so what is said of rows, and of groups of them, does not hold")
        return (said,)
    return ()


def _numbers(given: Answer) -> Array:
    """Return an answer as numbers, (rows, outputs)."""
    found = given.value if given.value is not None else given.score if given.score is not None else given.prediction
    made = np.asarray(found, np.float64)
    return made.reshape(len(made), -1)
