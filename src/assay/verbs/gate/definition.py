"""Does the label still mean what it meant: its rate, its unit, and what it is among rows that are alike.

``rate``, ``unit`` and ``moved`` compare labels and features of two tables, part of time by part. Only ``training`` imports it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from assay.screen.power import edges
from assay.screen.unit import Conversion, conversion
from assay.summary.vector import kind_of
from assay.verbs.gate.skew import numbers

__all__ = ["Labelled", "Moved", "moved", "rate", "unit"]

Array = np.ndarray[Any, Any]

_BINS = 16
_NAMES = 20
_PARTS = 4            # of the new data, and twice as many of the history, that one may speak of
_ROWS = 25            # labelled rows of a part in a cell
_SHARE = 0.01         # of the new rows, that a cell holds
_AWAY = 0.1           # how far a share must have moved
_APART = 0.5          # how far new and old parts lie apart, of the range of the old ones


@dataclass(frozen=True, eq=False)
class Labelled:
    """Labels as numbers (0 and 1, or what is predicted; NaN where missing), the part of time of each row, and features by name."""

    label: Array
    part: Array
    features: Mapping[str, pa.Array]


@dataclass(frozen=True)
class Moved:
    """A cell of rows that are alike (``words``) whose labels changed: the range of the mean over parts, before and now."""

    column: str
    words: str
    before: tuple[float, float]
    now: tuple[float, float]
    rows: int
    parts: tuple[int, int]

    @property
    def away(self) -> float:
        """By how much the middle moved."""
        return sum(self.now) / 2 - sum(self.before) / 2


def rate(new: Labelled, old: Labelled) -> tuple[float, float, tuple[float, float]]:
    """Return the mean label of the new data and of the old, and the range of the latter over its parts of 25 rows or more."""
    means = _means(old.label, old.part, np.ones(len(old.label), bool))
    whole = float(np.nanmean(old.label)) if np.isfinite(old.label).any() else float("nan")
    return float(np.nanmean(new.label)), whole, (float(means.min()), float(means.max())) if len(means) else (whole, whole)


def unit(new: Labelled, old: Labelled) -> Conversion | None:
    """Return the conversion that explains how a numeric label changed, None where none does."""
    values = [each.label[np.isfinite(each.label)] for each in (new, old)]
    return None if min(map(len, values)) < 200 else conversion(values[1], values[0])


def moved(new: Labelled, old: Labelled) -> list[Moved]:
    """Return the cells in which the label is not what it was, the furthest first.

    A cell is a bin of one feature (16 quantiles of the old data, or a category) that holds 1 % of the new rows. Its labels moved where the
    means of all parts of the new data lie on one side of those of all parts of the old, apart by half the range that the old ones
    had, and their middles by 0.1 (of the label's spread, where it is a number). Four parts of the new and eight of the old data, drawn
    alike, are so separated by chance in one cell of 500; parts that follow each other are alike more than that.

    A definition changes what is certain; a season shifts all cells by less than weeks differ. What no feature tells of is not seen.
    """
    scale = 1.0
    if len(np.unique(old.label[np.isfinite(old.label)])) > 2:
        scale = float(np.nanquantile(old.label, 0.9) - np.nanquantile(old.label, 0.1)) or 1.0
    found = []
    for name in new.features:
        if name not in old.features:
            continue
        for words, here, there in _cells(name, new.features[name], old.features[name]):
            rows = int((here & np.isfinite(new.label)).sum())
            if rows < max(_SHARE * len(new.label), _PARTS * _ROWS):
                continue
            now, before = _means(new.label, new.part, here), _means(old.label, old.part, there)
            if len(now) < _PARTS or len(before) < 2 * _PARTS:
                continue
            gap = max(now.min() - before.max(), before.min() - now.max())
            off = (now.max() + now.min()) / 2 - (before.max() + before.min()) / 2
            if gap >= _APART * (before.max() - before.min()) and gap > 0 and abs(off) >= _AWAY * scale:
                found.append(Moved(name, words, (float(before.min()), float(before.max())), (float(now.min()), float(now.max())), rows,
                                   (len(before), len(now))))
    return sorted(found, key=lambda each: -abs(each.away))


def _means(label: Array, part: Array, mask: Array) -> Array:
    """Return the mean label of each part that has rows enough."""
    kept = mask & np.isfinite(label) & (part >= 0)
    if not kept.any():
        return np.empty(0)
    counts = np.bincount(part[kept])
    sums = np.bincount(part[kept], weights=label[kept])
    full = counts >= _ROWS
    return np.asarray(sums[full] / counts[full])


def _cells(name: str, new: pa.Array, old: pa.Array) -> list[tuple[str, Array, Array]]:
    kinds = kind_of(new.type), kind_of(old.type)
    if kinds == ("number", "number") and not pa.types.is_temporal(new.type) and not pa.types.is_temporal(old.type):
        x, before = numbers(new), numbers(old)
        inner = edges(before, _BINS)
        if not len(inner):
            return []
        places, past = np.searchsorted(inner, x, side="right"), np.searchsorted(inner, before, side="right")
        ends = ["-inf", *(f"{each:.4g}" for each in inner.tolist()), "inf"]
        return [(_between(name, ends[at], ends[at + 1]), (places == at) & np.isfinite(x), (past == at) & np.isfinite(before))
                for at in range(len(inner) + 1)]
    if kinds != ("category", "category") or any(pa.types.is_binary(each.type) or pa.types.is_nested(each.type) for each in (new, old)):
        return []
    counts = old.drop_null().value_counts().to_pylist()
    if len(counts) > 2_000:
        return []
    top = [each["values"] for each in sorted(counts, key=lambda each: -each["counts"])[:_NAMES]]
    sides = [np.array(each.cast(pa.string()).to_pylist(), object) for each in (new, old)]
    texts = [str(each) if not isinstance(each, bool) else str(each).lower() for each in top]
    return [(f"with {name} '{each[:40]}'", sides[0] == each, sides[1] == each) for each in texts]


def _between(name: str, low: str, high: str) -> str:
    if low == "-inf":
        return f"with {name} below {high}"
    return f"with {name} of {low} or more" if high == "inf" else f"with {name} from {low} to {high}"
