"""The protocol of a model: a signature, a digest, and one method, ``predict(batch) -> batch``.

``Model`` is what everything above sees; ``bind`` names the inputs of a model that knows only how many there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast, runtime_checkable

import pyarrow as pa

from assay.errors import SignatureError, listed
from assay.model.signature import Signature

__all__ = ["Model", "bind", "called"]


@runtime_checkable
class Model(Protocol):
    """Anything that predicts.

    ``digest`` tells two models apart by content: the SHA-256 of the file, or of a stable description of the object.
    ``predict`` answers for each row of a batch, in the layout of :mod:`assay.model.answer`; it may be called from several threads
    and the answer to a row depends on nothing but the row. A ``name``, if there is one, is used in messages; a true ``recorded`` says
    that it only looks up what was answered before, so that nobody counts it as asked.
    """

    signature: Signature
    digest: str

    def predict(self, batch: pa.RecordBatch) -> pa.RecordBatch: ...


def called(model: object) -> str:
    """Return the name of a model for messages.

    >>> called(object())
    'object'
    """
    name = getattr(model, "name", None)
    return name if isinstance(name, str) and name else type(model).__name__


def bind(model: Model, columns: Sequence[str] | pa.Schema) -> Model:
    """Return ``model`` with its inputs named, if it knows only how many there are; any other model as it is.

    ``columns`` are the names in the order of training, or an Arrow schema of the feature columns: of these the numeric ones are
    taken where all together are too many (the text ones for a model of text). Raises ``SignatureError`` where their number is not
    the model's.

    >>> import assay
    >>> from sklearn.linear_model import LinearRegression
    >>> model = assay.load(LinearRegression().fit([[0.0, 1.0], [1.0, 0.0]], [0.0, 1.0]))
    >>> model.signature.positional, bind(model, ["b", "a"]).signature.names
    (True, ('b', 'a'))
    """
    signature = model.signature
    if not signature.positional or signature.inputs is not None:
        return model
    names = _fitting(columns, signature, bool(getattr(model, "textual", False))) if isinstance(columns, pa.Schema) else list(columns)
    if signature.width is not None and len(names) != signature.width:
        raise SignatureError(f"the model takes {signature.width} inputs without names, and there are {len(names)} columns: {listed(names)}",
                             where=called(model), expected=f"{signature.width} columns in the order of training",
                             hint="pass features=[...]")
    return cast(Model, cast(Any, model).bound(tuple(names)))


def _fitting(schema: pa.Schema, signature: Signature, textual: bool) -> list[str]:
    names = list(schema.names)
    if len(names) == signature.width:
        return names
    if textual:
        return [each.name for each in schema if _is_text(each.type)]
    return [each.name for each in schema if pa.types.is_integer(each.type) or pa.types.is_floating(each.type)
            or pa.types.is_boolean(each.type) or pa.types.is_decimal(each.type)]


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
