"""Explanations that a store keeps: what is known of some rows is read, the rest computed and kept.

``remembered(store, key, rows, compute)`` is the interface; ``verbs.explanation`` uses it where a store was named.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from assay.explain.attribution import Attributions
from assay.result import Scalar
from assay.store import Store
from assay.store.attribution import Kept, Key
from assay.summary.hashing import row_hashes

__all__ = ["remembered"]

Array = np.ndarray[Any, Any]
_SHARED = ("columns", "base", "quantity", "method", "target", "background", "background_rows", "model", "seed", "additive", "notes")


def remembered(store: Store, key: Key, rows: pa.Table, ids: list[Scalar], compute: Callable[[pa.Table], Attributions], *,
               entities: list[Any] | None = None) -> Attributions:
    """Return the explanations of ``rows``, in their order: those that the store has, and ``compute`` of the others, which it then keeps.

    Rows are known by id and by content; ``compute`` must give the same for the same key. Rows without an id, or whose id is there twice,
    are computed and not kept.
    """
    texts = [str(each) for each in ids]
    marks = row_hashes([rows.column(name) for name in rows.column_names]).view(np.int64).tolist()
    single = {text for text in texts if texts.count(text) == 1} if len(set(texts)) < len(texts) else set(texts)
    wanted = {text: mark for text, mark, id in zip(texts, marks, ids, strict=True) if text in single and id is not None}
    about, known = store.attributions.find(key, wanted)
    known = {text: each for text, each in known.items() if _whole(each, about)}   # what is damaged is computed anew
    left = [place for place, text in enumerate(texts) if text not in known]
    made = compute(rows.take(pa.array(left, pa.int64()))) if left or not about else None
    if made is not None:
        fresh = [(at, place) for at, place in enumerate(left) if texts[place] in wanted]
        who = [None if entities is None or each is None else str(each) for each in entities or [None] * len(texts)]
        store.attributions.put(key, {name: getattr(made, name) for name in _SHARED},
                               [Kept(texts[place], marks[place], _packed(made, at), who[place]) for at, place in fresh])
        if not known:
            return made
    parts = {texts[place]: _packed(made, at) for at, place in enumerate(left)} if made is not None else {}
    return _joined(about, [known.get(text, parts.get(text)) for text in texts], made, tuple(ids))


def _whole(numbers: Array, about: dict[str, Any]) -> bool:
    """Whether these are the numbers of a row: as many as there must be, and an output and values that are numbers."""
    width = len(about["columns"]) if isinstance(about.get("columns"), list) else -1
    return len(numbers) == 2 + 2 * width and bool(np.isfinite(numbers[0]) and np.isfinite(numbers[2:2 + width]).all())


def _packed(made: Attributions, at: int) -> Array:
    """Return a row's numbers in one piece: the output, degrees of freedom (NaN: exact), the values, the standard errors (NaN: none)."""
    width = len(made.columns)
    error = np.full(width, np.nan) if made.error is None else made.error[at]
    df = np.nan if made.df is None else float(made.df[at])
    return np.concatenate([[made.output[at], df], made.values[at], error])


def _joined(about: dict[str, Any], numbers: list[Array | None], made: Attributions | None, ids: tuple[Scalar, ...]) -> Attributions:
    columns = tuple(about["columns"])
    width = len(columns)
    block = np.array([each for each in numbers if each is not None]).reshape(-1, 2 + 2 * width)
    exact = bool(np.isnan(block[:, 2 + width:]).all())
    shared: dict[str, Any] = {name: tuple(each) if isinstance(each, list) else each for name, each in about.items()}
    found = Attributions(values=block[:, 2: 2 + width], output=block[:, 0], error=None if exact else block[:, 2 + width:],
                         df=None if exact else np.where(np.isnan(block[:, 1]), np.inf, block[:, 1]), ids=ids, **shared)
    return found if made is None else dataclasses.replace(found, model_rows=made.model_rows)
