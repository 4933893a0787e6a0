"""What the columns of a row might have been instead: the values that a person could change them to, nearest first.

``alternatives(column, spec, ...)`` is the interface; ``explain.counterfactual`` uses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from assay.data.schema import family
from assay.errors import ConfigError, listed, nearest

__all__ = ["Alternatives", "alternatives", "rounded"]

Array = np.ndarray[Any, Any]
WORDS = ("any", "increase", "decrease")
_MOST = 64         # values of a number that are tried where nothing tells which matter
_CUTS = 400        # of trees
_CATEGORIES = 50
_NUMBERS = ("integer", "fraction", "decimal")
_DIGITS = 3
_LARGEST = 1e150   # squares of differences of numbers beyond are not numbers any more
_EXACT = 2.0**53   # whole numbers up to here have a float of their own


@dataclass(frozen=True, eq=False)
class Alternatives:
    """The values to try of one column in Arrow's type, the nearest first, what each costs, and whether none that matters is left out.

    ``values[0]`` is what the row has. ``low`` and ``high`` bound numbers between the values, where a range was given and none is the
    cut of a tree; else both are None. ``scale`` is what a change by one spread is.
    """

    name: str
    values: pa.Array
    cost: Array
    all: bool
    low: float | None = None
    high: float | None = None
    scale: float = 1.0
    whole: bool = False

    def __len__(self) -> int:
        return len(self.values) - 1


def alternatives(name: str, has: pa.Array, seen: pa.Array, spec: Any, *, cuts: Array | None = None, strict: bool = False,
                 single: bool = False) -> Alternatives:
    """Return what a column, ``has`` (one value), might be instead.

    ``spec`` is ``"any"`` (values that were ``seen``), ``"increase"``, ``"decrease"``, ``[low, high]`` (null: no end) for numbers, or a list
    of values. ``cuts`` are those of trees: then only the nearest value beyond each is tried, as no other tells the trees
    anything new; ``strict`` and ``single`` as in :class:`assay.model.trees.Trees`. Raises ``ConfigError`` for a bad ``spec``.

    >>> made = alternatives("age", pa.array([30]), pa.array([20, 30, 40, 50]), "increase")
    >>> made.values.to_pylist(), made.all
    ([30, 40, 50], True)
    """
    has, seen = (each.dictionary_decode() if pa.types.is_dictionary(each.type) else each for each in (has, seen))
    kind = family(has.type)
    if isinstance(spec, str) and spec not in WORDS:
        near = nearest(spec, WORDS)
        raise ConfigError(f"'{name}' cannot change by '{spec}'", expected=f"{listed(WORDS)}, [low, high], or a list of values",
                          hint=f"did you mean '{near}'?" if near else None)
    if not isinstance(spec, str) and not isinstance(spec, Sequence):
        raise ConfigError(f"'{name}' cannot change by a {type(spec).__name__}",
                          expected=f"{listed(WORDS)}, [low, high], or a list of values")
    if kind in _NUMBERS:
        return _numbers(name, has, seen, spec, cuts, strict=strict, single=single)
    if kind in ("date", "timestamp", "time", "duration"):
        return _ordered(name, has, seen, spec)
    return _categories(name, has, seen, spec)


def rounded(value: float, bound: float, *, up: bool) -> float:
    """Return a short number at or beyond ``value`` that does not reach past ``bound``; ``value`` itself where there is none.

    >>> rounded(30123.4567, 99_999.0, up=True), rounded(0.12341, 0.0, up=False), rounded(1.2345, 1.2349, up=True)
    (30200.0, 0.123, 1.2345)
    """
    if not value or not np.isfinite(value):
        return value
    for digits in range(_DIGITS, 8):
        step = 10.0 ** (np.floor(np.log10(abs(value))) - digits + 1)
        near = float(f"{(np.ceil if up else np.floor)(value / step) * step:.12g}")
        if (near <= bound if up else near >= bound) and (near >= value if up else near <= value):
            return near
    return value


def _numbers(name: str, has: pa.Array, seen: pa.Array, spec: Any, cuts: Array | None, *, strict: bool, single: bool) -> Alternatives:
    if isinstance(spec, Sequence) and not isinstance(spec, str):   # without end and up to infinity are the same
        spec = [None if isinstance(each, int | float) and not isinstance(each, bool) and abs(each) > _LARGEST else each for each in spec]
    whole = pa.types.is_integer(has.type)
    mine = float(_floats(has)[0])
    known = _floats(seen)
    known = np.unique(known[np.isfinite(known)])
    scale = _spread(_floats(seen))
    low, high = _ends(name, spec, mine)
    if whole:   # beyond what the type holds, numbers would begin again
        limits = np.iinfo(has.type.to_pandas_dtype())
        low, high = max(low, float(limits.min), -_EXACT), min(high, float(limits.max), _EXACT)
    ranged = not isinstance(spec, str)
    inside = known[(known >= low) & (known <= high) & (known != mine)]
    every = True
    bounds: tuple[float | None, float | None] = (None, None)
    if cuts is not None:
        tried = _beyond(np.unique(cuts), mine, low, high, None if ranged else inside, whole=whole, strict=strict, single=single)
    elif ranged:
        open_low, open_high = (isinstance(spec, Sequence) and spec[place] is None for place in (0, 1))
        ends = [each for each, free in ((low, open_low), (high, open_high)) if not free]
        middle = mine if np.isfinite(mine) else float(known[0]) if len(known) else 0.0
        first = min(known.min(initial=middle), middle) if open_low else low
        last = max(known.max(initial=middle), middle) if open_high else high
        first, last = max(first, low), min(last, high)
        steps = scale * 2.0 ** np.arange(-1, 16)   # of a range far wider than the data, what is near the row too
        grid = np.concatenate([np.linspace(first, last, 33), middle + steps, middle - steps])
        tried = np.concatenate([inside if len(inside) <= _MOST else np.empty(0), ends, np.rint(grid) if whole else grid])
        every, bounds = False, (low, high)
        if whole and last - first <= 4 * _MOST:
            each = np.arange(np.ceil(first), np.floor(last) + 1)
            if open_low or open_high:   # beyond what was seen not every one is tried
                tried = np.concatenate([each, np.rint(grid)])
            else:
                tried, every, bounds = each, True, (None, None)
    else:
        tried = inside
    tried = np.unique(np.rint(tried) if whole else tried)
    tried = tried[(tried >= low) & (tried <= high) & (tried != mine)]
    most = _CUTS if cuts is not None else 4 * _MOST if ranged else _MOST
    if len(tried) > most:
        tried, every = tried[np.unique(np.linspace(0, len(tried) - 1, most).round().astype(np.int64))], False
    cost = np.abs(tried - mine) / scale if np.isfinite(mine) else np.ones(len(tried))
    order = np.argsort(cost, kind="stable")
    values = pa.array(tried[order].astype(np.int64) if whole else tried[order]).cast(has.type, safe=False)
    return Alternatives(name, pa.concat_arrays([has, values]), np.concatenate([[0.0], cost[order]]), every, *bounds, scale, whole)


def _ends(name: str, spec: Any, mine: float) -> tuple[float, float]:
    if isinstance(spec, str):
        return (mine if spec == "increase" and np.isfinite(mine) else -np.inf, mine if spec == "decrease" and np.isfinite(mine) else np.inf)
    if len(spec) != 2 or any(isinstance(each, bool) or not (each is None or isinstance(each, int | float)) for each in spec):
        raise ConfigError(f"'{name}' is a number and cannot change to {list(spec)}", expected="[low, high], with null for no end")
    low, high = (-np.inf if spec[0] is None else float(spec[0])), (np.inf if spec[1] is None else float(spec[1]))
    if not low <= high:
        raise ConfigError(f"the range of '{name}' is empty: {list(spec)}", expected="[low, high]")
    return low, high


def _beyond(cuts: Array, mine: float, low: float, high: float, inside: Array | None, *, whole: bool, strict: bool, single: bool) -> Array:
    """The nearest value beyond each cut, of those that were seen, or any in a range."""
    cuts = cuts[np.isfinite(cuts)]
    out: list[float] = []
    if inside is not None:   # the nearest of each cell: the smallest above what the row has, the largest below
        side = np.searchsorted(cuts, inside.astype(np.float32).astype(np.float64) if single else inside, side="right" if strict else "left")
        for cell in np.unique(side):
            held = inside[side == cell]
            above, below = held[held > mine], held[held < mine]
            out += [float(above.min())] if len(above) else []
            out += [float(below.max())] if len(below) else []
            if not np.isfinite(mine):
                out.append(float(held[0]))
        return np.array(out)
    kind = np.float32 if single else np.float64
    for place, cut in enumerate(cuts):
        right = float(cut) if strict else float(np.nextafter(kind(cut), kind(np.inf)))
        left = float(np.nextafter(kind(cut), kind(-np.inf))) if strict else float(cut)
        if not right <= mine:
            bound = min(high, float(cuts[place + 1]) if place + 1 < len(cuts) else np.inf)
            out.append(float(np.ceil(right)) if whole else rounded(right, bound, up=True))
        if not left >= mine:
            bound = max(low, float(np.nextafter(cuts[place - 1], np.inf)) if place else -np.inf)
            out.append(float(np.floor(left)) if whole else rounded(left, bound, up=False))
    out += [each for each in (low, high) if np.isfinite(each)]   # what lies outside the range may have to come in
    return np.array(out)


def _ordered(name: str, has: pa.Array, seen: pa.Array, spec: Any) -> Alternatives:
    """Days and times: those that were seen."""
    if not isinstance(spec, str):
        raise ConfigError(f"'{name}' is a {has.type} and has no range", expected=listed(WORDS))
    wide = [np.asarray(_wide(each).to_numpy(zero_copy_only=False), np.float64) for each in (has, seen)]
    mine, known = float(wide[0][0]), wide[1]
    _, places = np.unique(known, return_index=True)
    places = places[np.isfinite(known[places]) & (known[places] != mine)]
    if spec != "any" and np.isfinite(mine):
        places = places[(known[places] > mine) if spec == "increase" else (known[places] < mine)]
    every = len(places) <= _MOST
    if not every:
        places = places[np.unique(np.linspace(0, len(places) - 1, _MOST).round().astype(np.int64))]
    cost = np.abs(known[places] - mine) / _spread(known) if np.isfinite(mine) else np.ones(len(places))
    order = np.argsort(cost, kind="stable")
    return Alternatives(name, pa.concat_arrays([has, seen.take(pa.array(places[order])).cast(has.type)]),
                        np.concatenate([[0.0], cost[order]]), every)


def _categories(name: str, has: pa.Array, seen: pa.Array, spec: Any) -> Alternatives:
    if spec in ("increase", "decrease"):
        raise ConfigError(f"'{name}' is a {has.type}, which has no order", expected="any, or a list of values")
    mine = has[0].as_py()
    counts = sorted(seen.drop_null().value_counts().to_pylist(), key=lambda each: (-each["counts"], str(each["values"])))
    wanted = [each["values"] for each in counts] if isinstance(spec, str) else list(spec)
    known = {each["values"] for each in counts}
    strange = [each for each in wanted if each not in known and each != mine]
    if strange and not isinstance(spec, str):
        near = nearest(str(strange[0]), map(str, known))
        raise ConfigError(f"'{name}' never has the value '{strange[0]}' in the data",
                          expected=f"one of {listed(map(str, sorted(known, key=str)))}",
                          hint=f"did you mean '{near}'?" if near else None)
    wanted = [each for each in dict.fromkeys(wanted) if each != mine]
    values = pa.array([mine, *wanted[:_CATEGORIES]], has.type)
    return Alternatives(name, values, np.concatenate([[0.0], np.ones(len(values) - 1)]), len(wanted) <= _CATEGORIES)


def _wide(column: pa.Array) -> pa.Array:
    narrow = pa.types.is_date32(column.type) or pa.types.is_time32(column.type)
    return column.cast(pa.int32()).cast(pa.int64()) if narrow else column.cast(pa.int64())


def _floats(column: pa.Array) -> Array:
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)


def _spread(values: Array) -> float:
    known = values[np.isfinite(values)]
    if not len(known):
        return 1.0
    low, high = np.quantile(known, (0.25, 0.75))
    return float((high - low) / 1.35 if high > low else known.std()) or 1.0
