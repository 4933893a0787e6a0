"""Clusters of texts and embeddings as columns beside the data: ``cluster of review``, for slices, conditions, drift and segments.

``clustered(sources)`` puts them beside data sets, ``beside(data, columns)`` puts what was learned beside one more; ``opened``
(``assay.verbs.subject``) and the monitor import them.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from assay.data._type import is_text, value_type
from assay.data.schema import Beside
from assay.data.source import Source, source
from assay.screen.cluster import Clusters, embeds, learned
from assay.summary.hashing import mixed

__all__ = ["CLUSTER", "beside", "clustered"]

CLUSTER = "cluster of "
ROWS = 10_000    # that clusters are learned of


def clustered(sources: Mapping[str, Source | None]) -> dict[str, Source | None]:
    """Return the data sets with a column ``cluster of X`` for every column X of texts or embeddings, learned when it is first read.

    It is learned of the first of ``reference``, ``train`` and ``data`` that has X, and tells of all; it is all null where fewer than
    200 values hold anything. It is in no list of columns, so that nobody who does not name it pays for it.

    >>> import assay
    >>> late = [f"the parcel came {how} and the courier was rude" for how in ("late", "wet", "open", "early", "never")]
    >>> food = [f"the soup was {how} and the cook smiled" for how in ("hot", "cold", "salty", "fine", "stale")]
    >>> found = clustered({"data": source(pa.table({"review": (late + food) * 25}))})["data"]
    >>> found.schema.names, next(found.batches(["cluster of review"])).column(0).value_counts().field("counts").to_pylist()
    (('review',), [125, 125])
    """
    first = {name: each for name in ("reference", "train", "data") if (each := sources.get(name)) is not None}
    makers: dict[str, _Maker] = {}
    for each in first.values():
        for column in each.schema:
            if "label" not in column.roles and "id" not in column.roles and _clusters(column.type):
                makers.setdefault(column.name, _Maker(each, column.name))
    columns = {CLUSTER + name: Beside(name, pa.string(), each) for name, each in makers.items()}
    return {name: None if each is None else beside(each, columns) for name, each in sources.items()}


def beside(data: Source, columns: Mapping[str, Beside]) -> Source:
    """Return a data set with those of ``columns`` that can be made of its own."""
    mine = {name: each for name, each in columns.items()
            if each.column in data.schema.names and _clusters(data.schema[each.column].type)}
    if not mine:
        return data
    found: Source = source(data).with_beside(mine)  # type: ignore[attr-defined]  # what source() returns has it
    return found


def _clusters(kind: pa.DataType) -> bool:
    return is_text(value_type(kind)) or embeds(kind)


class _Maker:
    """Names the cluster of each value of a column; learns of a data set what clusters there are when it is asked first."""

    def __init__(self, data: Source, column: str):
        self._data, self._column, self._lock = data, column, threading.Lock()

    def __call__(self, values: pa.Array) -> pa.Array:
        with self._lock:
            found = self._learned
        return pa.nulls(len(values), pa.string()) if found is None else found.of(values)

    @functools.cached_property
    def _learned(self) -> Clusters | None:
        """What is learned of rows drawn evenly, the same ones each time."""
        kept: list[pa.Array] = []
        keys: list[np.ndarray] = []
        seen, below = 0, np.uint64(2**64 - 1)
        for batch in self._data.batches([self._column]):
            key = mixed(np.arange(seen, seen + batch.num_rows, dtype=np.uint64), 7)
            seen += batch.num_rows
            below = np.uint64(min(int(below), int(2**64 * min(1.0, 4 * ROWS / seen)) - 1))
            here = key <= below
            keys.append(key[here])
            kept.append(batch.column(0).filter(pa.array(here)))
        if not kept:
            return None
        values, order = pa.concat_arrays([_plain(each) for each in kept]), np.concatenate(keys)
        return learned(values.take(pa.array(np.sort(np.argsort(order, kind="stable")[:ROWS]))))


def _plain(array: pa.Array) -> pa.Array:
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
