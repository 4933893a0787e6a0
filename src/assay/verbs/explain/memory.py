"""Explanations that a store keeps: what is known of some rows is read, the rest computed and kept.

``remembered(store, key, rows, compute)`` is the interface; ``verbs.explanation`` uses it where a store was named.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from assay.errors import StoreError
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
    are computed and not kept. What the store cannot tell, or cannot keep, is computed all the same, and a note says so.
    """
    texts = [str(each) for each in ids]
    marks = row_hashes([rows.column(name) for name in rows.column_names]).view(np.int64).tolist()
    single = {text for text in texts if texts.count(text) == 1} if len(set(texts)) < len(texts) else set(texts)
    wanted = {text: mark for text, mark, id in zip(texts, marks, ids, strict=True) if text in single and id is not None}
    about, known, notes = _found(store, key, wanted)
    left = [place for place, text in enumerate(texts) if text not in known]
    made = compute(rows.take(pa.array(left, pa.int64()))) if left or not about else None
    if made is not None:
        fresh = [(at, place) for at, place in enumerate(left) if texts[place] in wanted]
        who = [None if entities is None or each is None else str(each) for each in entities or [None] * len(texts)]
        try:
            store.attributions.put(key, {name: getattr(made, name) for name in _SHARED},
                                   [Kept(texts[place], marks[place], _packed(made, at), who[place]) for at, place in fresh])
        except StoreError as error:
            notes = (*notes, f"nothing was kept: {error.what}")
        if not known:
            return made.replace(notes=(*made.notes, *notes))
    parts = {texts[place]: _packed(made, at) for at, place in enumerate(left)} if made is not None else {}
    found = _joined(about, [known.get(text, parts.get(text)) for text in texts], made, tuple(ids))
    return found.replace(notes=(*found.notes, *notes))


def _found(store: Store, key: Key, wanted: dict[str, int]) -> tuple[dict[str, Any], dict[str, Array], tuple[str, ...]]:
    """Return what the store has and is whole, and a note where it could not be read: what is damaged is computed anew."""
    try:
        about, known = store.attributions.find(key, wanted)
    except StoreError as error:
        return {}, {}, (f"the store was not read, so all was computed anew: {error.what}",)
    if not _sound(about, key):
        return {}, {}, ()
    return about, {text: each for text, each in known.items() if _whole(each, len(key.columns))}, ()


def _sound(about: dict[str, Any], key: Key) -> bool:
    """Whether this is what the explanations of a key share: every part is there, and of its kind."""
    texts, base, notes = (about.get(each) for each in ("quantity", "base", "notes"))
    return (set(about) == set(_SHARED) and about["columns"] == list(key.columns) and isinstance(texts, str)
            and isinstance(base, int | float) and bool(np.isfinite(base)) and isinstance(notes, list)
            and all(isinstance(about[each], str) for each in ("method", "background", "model")) and about["model"] == key.model
            and isinstance(about["background_rows"], int) and isinstance(about["additive"], bool))


def _whole(numbers: Array, width: int) -> bool:
    """Whether these are the numbers of a row: as many as there must be, an output and values that are numbers, and errors that can be."""
    if len(numbers) != 2 + 2 * width or not (np.isfinite(numbers[0]) and np.isfinite(numbers[2:2 + width]).all()):
        return False
    df, error = numbers[1], numbers[2 + width:]
    return bool((np.isnan(df) or df > 0) and (np.isnan(error).all() or (np.isfinite(error) & (error >= 0)).all()))


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
