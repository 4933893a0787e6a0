"""How much a model depends on each of its inputs: drift is ranked by it, so that what the model leans on is read first.

``dependence(model, data) -> {column: share}`` shuffles one input after another and asks the model again (Breiman 2001; without labels,
Fisher, Rudin and Dominici 2019). Only ``assay.verbs.monitor.stream`` imports it.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from assay.data.source import Source
from assay.model import guard
from assay.model.answer import Answer
from assay.model.model import Model

__all__ = ["dependence"]

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

_ROWS = 1_000        # of the reference that are put to the model again for each input
_ASKED = 300_000     # rows put to the model in all
_FEWEST = 20


def dependence(model: Model, data: Source, *, rows: int = _ROWS, seed: int = 0) -> dict[str, float]:
    """Return for each input how far the answers move when its values are shuffled over the rows, by how far they differ among rows.

    0: the model does not look at it. 1: as if the answers themselves were shuffled. Means of absolute differences of scores, shares of
    different answers where there are classes only. At most ``rows`` rows of ``data``, drawn at random, and 300,000 put to the model in all.

    >>> import assay
    >>> model = assay.load(lambda batch: batch.column("a").to_numpy(), task="regression")
    >>> table = pa.table({"a": np.arange(100.0), "b": np.arange(100.0)})
    >>> found = dependence(model, assay.source(table))
    >>> 0.8 < found["a"] < 1.2, found["b"]
    (True, 0.0)
    """
    names = [each for each in model.signature.names or data.schema.features if each in data.schema.names]
    rng = np.random.default_rng(seed)
    size = max(_FEWEST, min(rows, _ASKED // max(len(names) + 1, 1)))
    batch = _drawn(data, names, size, rng)
    if batch is None:
        return {}
    plain = _numbers(guard.answer(model, batch))
    order = rng.permutation(batch.num_rows)
    scale = _distance(plain, plain[order])
    if not scale > 0:
        return dict.fromkeys(names, 0.0)
    found = {}
    for place, name in enumerate(names):
        order = rng.permutation(batch.num_rows)
        changed = batch.set_column(place, batch.schema.field(place), batch.column(place).take(pa.array(order)))
        found[name] = _distance(plain, _numbers(guard.answer(model, changed))) / scale
    return found


def _drawn(data: Source, names: list[str], size: int, rng: np.random.Generator) -> pa.RecordBatch | None:
    """Return a random sample without replacement, whatever the number of rows: those with the smallest random marks."""
    kept: pa.Table | None = None
    marks = np.zeros(0)
    for batch in data.batches(names):
        table = pa.Table.from_batches([batch])
        marks = np.concatenate((marks, rng.random(batch.num_rows)))
        kept = table if kept is None else pa.concat_tables([kept, table])
        if len(marks) > size:
            least = np.sort(np.argpartition(marks, size)[:size])
            kept, marks = kept.take(pa.array(least)), marks[least]
    if kept is None or kept.num_rows < _FEWEST:
        return None
    return kept.combine_chunks().to_batches()[0]


def _numbers(answer: Answer) -> Array:
    """Return answers as rows of numbers: values, scores, or a one at the class."""
    if answer.value is not None:
        return np.asarray(answer.value, np.float64).reshape(-1, 1)
    if answer.score is not None:
        return np.asarray(answer.score, np.float64).reshape(len(answer.score), -1)
    classes = np.asarray(answer.prediction)
    hits = classes.reshape(len(classes), -1, 1) == np.arange(int(classes.max(initial=0)) + 2)
    return np.asarray(hits, np.float64).reshape(len(classes), -1)


def _distance(a: Array, b: Array) -> float:
    if a.shape[1] != b.shape[1]:   # a class that the other has not
        width = max(a.shape[1], b.shape[1])
        a, b = (np.pad(each, ((0, 0), (0, width - each.shape[1]))) for each in (a, b))
    return float(np.abs(a - b).sum(axis=1).mean())
