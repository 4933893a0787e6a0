"""Why one text or one image got its answer: what its words or patches contributed, where a model reads nothing else.

``cell(ground, table)`` tells whether a row is such a one, ``pieces(ground, table, kind)`` answers; only ``verbs.explain.row`` uses them.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pyarrow as pa
from scipy import ndimage, special

from assay.data import image
from assay.errors import ConfigError, DataError
from assay.explain.piece import Piece, Pieces
from assay.explain.superpixel import superpixels
from assay.explain.token import cut, tokens
from assay.result import Figure, Scalar, Spread, Value
from assay.verbs.explain.explanation import Ground, Part, decided, number, signed, table_of

__all__ = ["Kind", "cell", "pieces"]

Array = np.ndarray[Any, Any]
Kind = Literal["text", "image"]
BUDGET = 4_000       # texts or images that the model is asked, where nothing else is said
_TOLD = 3            # pieces that the sentence names
_SMALL = 0.2         # of the largest: less is not what an answer hangs on
_SIDE = 24           # fields of the small picture, at most, along each side
_BEHIND = 64         # images of the background that absent patches show
_LONGEST = 60        # characters of a group of words in a table


def cell(ground: Ground, table: pa.Table) -> Kind | None:
    """Return what the model reads, where that is one column of texts of several words or of images; else None."""
    if len(ground.inputs) != 1 or ground.quantity == "loss":
        return None
    column = table.column(ground.inputs[0]).combine_chunks()
    column = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    if not len(column) or not column[0].is_valid:
        return None
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return "text" if len(cut(column[0].as_py())) > 1 else None
    return "image" if image.looks(_fixed(column)) else None


def _fixed(column: pa.Array) -> pa.Array:
    """A list of pixels as one of a known length."""
    listed = pa.types.is_list(column.type) or pa.types.is_large_list(column.type)
    return pa.FixedSizeListArray.from_arrays(column.flatten(), len(column[0])) if listed and len(column) == 1 and len(column[0]) else column


def pieces(ground: Ground, table: pa.Table, kind: Kind, *, title: str, chosen: Any) -> Part:
    """Return what each word or patch of the one cell contributed, with intervals; ``chosen`` is the class whose score is explained."""
    made = _made(ground, ground.inputs_of(table), kind, chosen)
    found, leaves = made.attributions, _leaves(made.tree)
    values = sorted((_value(name, each, found.method, found.df) for name, each in zip(found.columns, leaves, strict=True)),
                    key=lambda each: -abs(each.value or 0.0))
    groups = tuple(_value(each.name[:_LONGEST], each, found.method, found.df, "together") for each in made.tree if each.parts)
    without = "without any word" if kind == "text" else next((each for each in found.notes if each.startswith("an absent patch")), "")
    about: dict[str, Scalar] = {"row": title, "quantity": ground.unit(found), "method": found.method,
                                "compared with": "the text without its words" if kind == "text" else without,
                                "additivity gap": f"{found.gap:.1g}", "intervals": "exact" if found.error is None else "of sampling",
                                "background": found.background[:12], "pieces": len(leaves)}
    figure = _text(made, ground.unit(found)) if kind == "text" else _image(made, ground, table, ground.unit(found))
    return Part((_sentence(ground, made, values, kind),), (*values, *groups), (figure,), (found.result(),), notes=found.notes, about=about)


def _made(ground: Ground, row: pa.RecordBatch, kind: Kind, chosen: Any) -> Pieces:
    asked = decided(ground.model, ground.subject) if ground.quantity == "decision" else ground.model
    quantity, budget = ground.quantity or "score", ground.budget or BUDGET
    what = "words" if kind == "text" else "patches"
    if ground.way in ("exact", "path-dependent") or (ground.way == "gradients" and kind == "text"):
        raise ConfigError(f"{what} have no {ground.way}{' values' if ground.way != 'gradients' else ''}", hint="leave out the way",
                          expected="'sampled'" if kind == "text" else "'sampled' or 'gradients'")
    if kind == "text":
        if ground.against is not None or ground.background is not None:
            raise ConfigError("words are compared with the text without them, not with other rows",
                              expected="neither against nor background")
        return tokens(asked, row, quantity=quantity, target=chosen, at_most=ground.at_most, budget=budget, seed=ground.seed)
    way: Literal["sampled", "gradients"] = "gradients" if ground.way == "gradients" else "sampled"
    behind = ground.behind.slice(0, _BEHIND)

    def patched(background: pa.RecordBatch | None) -> Pieces:
        return superpixels(asked, row, background, quantity=quantity, target=chosen, way=way, at_most=ground.at_most, budget=budget,
                           seed=ground.seed)

    try:
        return patched(behind)
    except DataError:   # images of other sizes, or that cannot be read: where the row's own is at fault, it is told below
        if ground.against is not None or ground.background is not None:
            raise
        return patched(None)


def _leaves(tree: tuple[Piece, ...]) -> tuple[Piece, ...]:
    return tuple(leaf for each in tree for leaf in (_leaves(each.parts) if each.parts else (each,)))


def _value(name: str, piece: Piece, method: str, df: Array | None, metric: str = "contribution") -> Value:
    spread = Spread("exact", piece.value)
    if df is not None and piece.high > piece.low:
        half = (piece.high - piece.low) / 2
        spread = Spread("normal", piece.value, error=half / float(special.stdtrit(df[0], 0.975)), df=float(df[0]))
    return Value.of(metric, spread, n=1, column=name, method=method)


def _sentence(ground: Ground, made: Pieces, values: list[Value], kind: Kind) -> str:
    found = made.attributions
    output, unit = float(found.output[0]), ground.unit(found)
    start = (f"its {unit} {'are' if found.quantity == 'log-odds' else 'is'} {number(output)}, {number(found.base)} "
             f"{'without any word' if kind == 'text' else 'on average without any patch of it'}")
    largest = max((abs(each.value or 0.0) for each in values), default=0.0)
    told = [each for each in values[:_TOLD] if abs(each.value or 0.0) >= _SMALL * largest > 0
            and not (each.low is not None and each.high is not None and each.low <= 0.0 <= each.high)]
    if not told:
        return f"the answer hangs on no {'word' if kind == 'text' else 'patch'} more than by chance: {start}"
    names = [f"'{each.column}'" if kind == "text" else str(each.column) for each in told]
    makes = [f"{name} makes {signed(each.value or 0.0, each.low, each.high)}" for name, each in zip(names, told, strict=True)]
    rest = sum(each.value or 0.0 for each in values if each not in told)
    more = len(values) - len(told)
    noun = ("word", "words") if kind == "text" else ("patch", "patches")
    last = [f"{more} other {noun[more != 1]} together {signed(rest)}"]
    hangs = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return (f"the answer hangs on {hangs}: {start}; of the difference of {signed(output - found.base)}, "
            f"{', '.join([*makes, *(last if more else [])])}")


def _text(made: Pieces, unit: str) -> Figure:
    """The text, its pieces in their order."""
    leaves = _leaves(made.tree)
    table = {"piece": [each.name for each in leaves], "contribution": [each.value for each in leaves],
             "low": [each.low for each in leaves], "high": [each.high for each in leaves]}
    return Figure("text", "marked", "The text, and what each word made", table_of(table), "piece", ("contribution",), ("low",), ("high",),
                  sentence=f"contribution to the {unit}: the stronger the mark, the more", aspect="this row")


def _image(made: Pieces, ground: Ground, table: pa.Table, unit: str) -> Figure:
    """The image in at most 24 x 24 fields, each with its brightness and what its patch contributed."""
    labels, leaves = made.labels, _leaves(made.tree)
    assert labels is not None
    height, width = labels.shape
    tall, wide = (max(1, round(min(1.0, _SIDE / max(height, width)) * each)) for each in (height, width))
    places = [(np.arange(count) * 2 + 1) * size // (2 * count) for count, size in ((tall, height), (wide, width))]
    small = labels[np.ix_(*places)]
    light = _light(table.column(ground.inputs[0]).combine_chunks(), tall, wide)
    row, column = np.mgrid[:tall, :wide]
    each = [leaves[place] for place in small.reshape(-1).tolist()]
    made_of = {"patch": [piece.name for piece in each], "contribution": [piece.value for piece in each],
               "low": [piece.low for piece in each], "high": [piece.high for piece in each],
               "row": row.reshape(-1).tolist(), "column": column.reshape(-1).tolist(),
               "brightness": [None] * len(each) if light is None else light.reshape(-1).round(3).tolist()}
    return Figure("image", "patches", "The image, and what each patch made", table_of(made_of), "patch", ("contribution",), ("low",),
                  ("high",), sentence=f"contribution to the {unit}: the stronger the colour, the more", aspect="this row")


def _light(column: pa.Array, tall: int, wide: int) -> Array | None:
    """The brightness of fields, 0 to 1; None where it is not known."""
    known = image.pictures(_fixed(column))
    if not known.known[0]:
        return None
    small = np.asarray(known.small[0], float).reshape(image.SIDE, image.SIDE)
    made = ndimage.zoom(small, (tall / image.SIDE, wide / image.SIDE), order=1, grid_mode=True, mode="nearest")
    span = float(made.max() - made.min())
    return (made - made.min()) / span if span else np.full(made.shape, 0.5)
