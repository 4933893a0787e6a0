"""Make a change that shows a fault as small as it can be: the fewest columns first, then the smallest steps.

``shrinking`` is a generator that yields changes to try and is sent which of them still show the fault, so that many shrink side by side
in few calls of a model (``together``); ``shrink`` is the same for one change and a function. Any probe may import it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Generator, Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

__all__ = ["Change", "Shrinking", "shrink", "shrinking", "together"]

Change: TypeAlias = Mapping[str, Any]   # column -> its new value
Shrinking: TypeAlias = Generator[list[dict[str, Any]], list[bool], dict[str, Any]]

WHOLE = 6      # columns of which every subset is tried; beyond, one column at a time is left out
GRID = 32      # steps that are tried in one call
ZOOMS = 3      # times that the finest of them is divided again: 32,768 parts of the change in all
EXACT = 256   # whole numbers apart, below which each is tried
SLACK = 0.02   # of the smallest step, by which a rounder number may exceed it


def shrink(before: Change, after: Change, shows: Callable[[Sequence[Change]], Sequence[bool]], *, steps: Sequence[str] = (),
           ladders: Mapping[str, Sequence[Any]] | None = None) -> dict[str, Any]:
    """Return the smallest part of the change from ``before`` to ``after`` that still shows the fault.

    ``shows`` says of each of some changes (column to new value; other columns are as ``before``) whether the fault is there. The
    columns are the fewest: of up to 6 every subset is tried, of more no single one can be left out. Of each column in ``steps``, which
    hold numbers, the value is then the nearest to ``before``: of whole numbers at most 256 apart the very nearest, else the
    nearest of 32 steps, divided three times again, in favour of a number with fewer digits that is at most 2 % further. ``ladders``
    hold smaller values of other columns, the smallest first. The same question gives the same answer.

    >>> shrink({"income": 40_000, "age": 30}, {"income": 90_000, "age": 60},
    ...        lambda changes: [each.get("income", 40_000) >= 41_234 for each in changes], steps=["income", "age"])
    {'income': 41240}
    """
    run = shrinking(before, after, steps=steps, ladders=ladders)
    return together([run], lambda asked: [shows(each) for each in asked])[0]


def together(runs: Sequence[Shrinking], shows: Callable[[list[list[dict[str, Any]]]], Sequence[Sequence[bool]]]) -> list[dict[str, Any]]:
    """Return what each of some shrinkings ends with; ``shows`` is given the questions of all at once, a list for each of ``runs``."""
    found: list[dict[str, Any]] = [{}] * len(runs)
    waiting: list[list[dict[str, Any]]] = [[] for _ in runs]
    answers: Sequence[Sequence[bool]] | None = None
    live = set(range(len(runs)))
    while live:
        for place in sorted(live):
            try:
                waiting[place] = next(runs[place]) if answers is None else runs[place].send(list(answers[place]))
            except StopIteration as end:
                found[place] = end.value
                waiting[place] = []
                live.discard(place)
        answers = shows(waiting) if live else None
    return found


def shrinking(before: Change, after: Change, *, steps: Sequence[str] = (), ladders: Mapping[str, Sequence[Any]] | None = None) -> Shrinking:
    """Yield changes to try, be sent which show the fault, and return the smallest; see :func:`shrink`."""
    kept = yield from _fewest({name: value for name, value in after.items() if value != before.get(name)})
    for name in [each for each in kept if each in (ladders or {})]:
        rungs = [each for each in (ladders or {})[name] if each != before.get(name)]
        shown = (yield [{**kept, name: each} for each in rungs]) if rungs else []
        kept[name] = next((each for each, seen in zip(rungs, shown, strict=True) if seen), kept[name])
    numeric = [each for each in kept if each in steps]
    for _ in range(2 if len(numeric) > 1 else 1):   # a smaller step of one column may allow another a smaller one, or not
        old = dict(kept)
        for name in numeric:
            kept[name] = yield from _nearest(kept, name, before[name])
        if kept == old:
            break
    return kept


def _fewest(change: dict[str, Any]) -> Shrinking:
    """Return the change in the fewest columns."""
    names = list(change)
    if len(names) <= WHOLE:
        for size in range(1, len(names)):
            parts = [{name: change[name] for name in some} for some in itertools.combinations(names, size)]
            shown = yield parts
            for part, seen in zip(parts, shown, strict=True):
                if seen:
                    return part
        return change
    size = len(names) // 2   # delta debugging (Zeller and Hildebrandt 2002): leave out large parts first, single columns last
    while size:
        blocks = [list(change)[start : start + size] for start in range(0, len(change), size)]
        parts = [{name: change[name] for name in change if name not in block} for block in blocks]
        parts = [each for each in parts if each]
        shown = (yield parts) if parts else []
        smaller = next((part for part, seen in zip(parts, shown, strict=True) if seen), None)
        if smaller is None:
            size //= 2
        else:
            change = smaller
            size = min(size, max(len(change) // 2, 1))
        if len(change) <= WHOLE:
            return (yield from _fewest(change))
    return change


def _nearest(kept: dict[str, Any], name: str, start: Any) -> Generator[list[dict[str, Any]], list[bool], Any]:
    """Return the value of one column nearest to ``start`` that shows the fault while the other columns stay changed."""
    end = kept[name]
    if not _number(start) or not _number(end) or not math.isfinite(float(end) - float(start)):
        return end
    if isinstance(start, int) and isinstance(end, int):
        return (yield from _whole(kept, name, start, end))
    low, high = 0.0, 1.0   # parts of the change: low shows no fault, high does
    for _ in range(ZOOMS):
        shares = [low + (high - low) * step / GRID for step in range(1, GRID)]
        shown = yield [{**kept, name: start + (end - start) * share} for share in shares]
        first = next((place for place, seen in enumerate(shown) if seen), None)
        if first is None:
            low = shares[-1]
        else:
            low, high = shares[first - 1] if first else low, shares[first]
    best = end if high == 1.0 else start + (end - start) * high
    rounder = _rounded(float(start), float(best), float(end))
    shown = (yield [{**kept, name: each} for each in rounder]) if rounder else []
    return next((each for each, seen in zip(rounder, shown, strict=True) if seen), best)


def _whole(kept: dict[str, Any], name: str, start: int, end: int) -> Generator[list[dict[str, Any]], list[bool], int]:
    """The same where both are whole numbers."""
    sign = 1 if end > start else -1
    low, high = 0, abs(end - start)
    while high - low > EXACT:
        tried = sorted({low + (high - low) * step // GRID for step in range(1, GRID)} - {low, high})
        shown = yield [{**kept, name: start + sign * each} for each in tried]
        first = next((place for place, seen in enumerate(shown) if seen), None)
        low, high = (tried[-1], high) if first is None else (tried[first - 1] if first else low, tried[first])
    tried = list(range(low + 1, high))
    shown = (yield [{**kept, name: start + sign * each} for each in tried]) if tried else []
    best = start + sign * next((each for each, seen in zip(tried, shown, strict=True) if seen), high)
    if abs(best - start) <= EXACT:
        return best
    rounder = [int(each) for each in _rounded(float(start), float(best), float(end)) if each == int(each)]
    shown = (yield [{**kept, name: each} for each in rounder]) if rounder else []
    return next((each for each, seen in zip(rounder, shown, strict=True) if seen), best)


def _rounded(start: float, best: float, end: float) -> list[float]:
    """Return numbers with few digits between ``best`` and a little further from ``start``, those with the fewest first."""
    if not best or not math.isfinite(best) or best == start:
        return []
    limit = start + (best - start) * (1 + SLACK)
    limit = min(limit, end) if best > start else max(limit, end)
    first = math.floor(math.log10(abs(best)))
    found: list[float] = []
    for digits in range(1, 16):
        unit = Fraction(10) ** (first - digits + 1)
        parts = Fraction(best) / unit
        each = float((math.ceil(parts) if best > start else math.floor(parts)) * unit)
        if (best <= each <= limit if best > start else limit <= each <= best) and each not in found:
            found.append(each)
    return found


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
