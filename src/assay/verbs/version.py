"""Which version of a model answered each row, as a column beside the data: for slices, filters, and monitoring by version.

``versioned(data, model)`` is the interface; verbs that open models and data import it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from assay.data.schema import Schema
from assay.data.source import Source, source
from assay.model.model import Model
from assay.model.router import Router

__all__ = ["VERSION", "versioned"]

VERSION = "model_version"


def versioned(data: Source, model: Model | None) -> Source:
    """Return ``data`` with the column ``model_version`` where the model is a router: the name of the part that answers each row.

    The column is ignored: no model sees it, and it is read only when asked for. It is null where no part answers. Data that hold a column
    of this name, or lack the column by which the router chooses, are returned as they are.

    >>> import assay
    >>> half, one = (assay.load(lambda batch, each=each: [each] * batch.num_rows, task="regression") for each in (0.5, 1.0))
    >>> model = assay.load({"router": {"by": "shop", "a": half, "default": one}})
    >>> data = versioned(source(pa.table({"shop": ["a", "b"]})), model)
    >>> next(data.batches(["model_version"])).column(0).to_pylist(), data.schema.features
    (['a', 'default'], ('shop',))
    """
    if not isinstance(model, Router) or VERSION in data.schema.names or model.by not in data.schema.names:
        return data
    return source(_Versioned(data, model))


class _Versioned:
    """A source with one column more."""

    def __init__(self, data: Source, model: Router):
        self._data, self._model, self.name, self.rows = data, model, data.name, data.rows
        roles = data.schema.roles
        arrow = pa.schema([*data.schema.arrow, pa.field(VERSION, pa.string())])
        self.schema = Schema.of(arrow, {**roles, "ignored": (*roles.get("ignored", ()), VERSION)}, where=data.name, media=data.schema.media)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        names = list(self.schema.names if columns is None else columns)
        if VERSION not in names:
            yield from self._data.batches(names)
            return
        read = list(dict.fromkeys([*(each for each in names if each != VERSION), self._model.by]))
        for batch in self._data.batches(read):
            beside = batch.append_column(pa.field(VERSION, pa.string()), self._model.version(batch))
            yield beside.select(names)

    def split(self, parts: int) -> list[Source]:
        return [_Versioned(each, self._model) for each in self._data.split(parts)]
