"""A model of some library behind ``predict``: columns are found by name, put in the model's order, and its answer is laid out.

Adapters make a ``Predictor`` and give it one function, from a batch of exactly the model's columns to an ``Answer``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pyarrow as pa

from assay.errors import SignatureError
from assay.model.answer import Answer
from assay.model.column import chosen
from assay.model.signature import Input, Signature

__all__ = ["Predictor"]


@dataclass(frozen=True, eq=False)
class Predictor:
    """A model: ``respond`` is asked with the columns that the signature names, in its order, and never with no rows.

    ``alias`` is how the library rewrites names. ``usual`` are the names that it makes up where it was given none: they count as no
    names, unless the data have them all. ``textual``: its one input without a name is text. ``unheard``: whether it answers with
    scores or with labels only is known once it has been asked. ``remarks`` tells what a reader of its answers should know.
    """

    name: str
    signature: Signature
    digest: str
    respond: Callable[[pa.RecordBatch], Answer]
    alias: Callable[[str], str] | None = None
    usual: tuple[str, ...] = ()
    textual: bool = False
    unheard: bool = False
    remarks: Callable[[], list[str]] = list

    def predict(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        asked = self.taken(batch)
        answer = self.respond(asked) if batch.num_rows else Answer.nothing(self.signature)
        return answer.batch()

    def taken(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the columns of a batch that the model takes, in its order."""
        names = self.signature.names
        if names is None and self.signature.positional:
            names = self.usual
            if not names or not set(names) <= set(batch.schema.names):
                raise self._unbound()
        return batch if names is None else chosen(batch, names, where=self.name, alias=self.alias)

    def bound(self, names: tuple[str, ...]) -> Predictor:
        """Return the same model with its inputs named, in the order of training."""
        kind = "text" if self.textual else "unknown"
        inputs = tuple(Input(each, "text" if kind == "text" else "unknown") for each in names)
        return replace(self, signature=replace(self.signature, inputs=inputs, positional=False, width=len(inputs)))

    def _unbound(self) -> SignatureError:
        width = self.signature.width
        return SignatureError(f"the model was fitted without column names and takes {width or 'its'} columns by place", where=self.name,
                              expected="the names of its columns in the order of training", hint="pass features=[...]")
