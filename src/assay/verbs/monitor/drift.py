"""How far each column has left the reference, and how much the model depends on it: drift that is shown and pages nobody.

``sketched(reference, columns)`` keeps of a reference what a distance needs, small enough for a store; ``distance(sketch, seen)`` compares a
column with it; ``Drift`` is one line of the list. Only ``assay.verbs.monitor.stream`` imports it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.data.source import Source
from assay.engine import Plan
from assay.engine import run as engine
from assay.monitor.reading import Seen, needs
from assay.summary.frequent import Frequent
from assay.summary.quantiles import Quantiles

__all__ = ["NOTABLE", "Drift", "distance", "ranked", "sketched"]

Array = np.ndarray[Any, np.dtype[np.float64]]
Sketch = Mapping[str, Mapping[str, Any]]

NOTABLE = 0.1     # of a distance between 0 and 1, from which on a column is listed
_POINTS = 1_001   # quantiles that are kept of a column
_NAMES = 500      # categories that are kept; the rest is one


@dataclass(frozen=True)
class Drift:
    """How far a column of a source stands from the reference, between 0 and 1, and the model's dependence on it where it is known."""

    source: str
    column: str
    distance: float
    dependence: float | None = None


def sketched(reference: Source, kinds: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return for each column (``number`` or ``category``) that the reference has its quantiles or its categories, as plain data."""
    there = {name: kind for name, kind in kinds.items() if name in reference.schema}
    if not there:
        return {}
    profile = engine(Plan.of([(need, None) for need in needs(there)]), reference, workers=1)
    found: dict[str, dict[str, Any]] = {}
    for (slice_, need), summary in profile.items():
        name = need.columns[0] if len(need.columns) == 1 else None
        if slice_ != () or name not in there:
            continue
        if isinstance(summary, Quantiles):
            values, weights = summary.points
            if len(values):
                reached = np.cumsum(weights)
                at = np.searchsorted(reached, np.linspace(0, 1, _POINTS) * reached[-1], "left").clip(0, len(values) - 1)
                found[name] = {"rows": float(reached[-1]), "points": values[at].tolist()}
        elif isinstance(summary, Frequent) and summary.present:
            found[name] = {"rows": float(summary.present), "names": dict(summary.top[:_NAMES])}
    return found


def distance(sketch: Mapping[str, Any], seen: Seen) -> float | None:
    """Return the root of the Jensen-Shannon divergence (base 2) of the reference and the recent distribution, freed of what chance brings.

    0: the same distribution; 1: no value in common (numbers are compared in ten bins, which makes .86 of it). None where either says
    nothing.
    """
    if not seen.total > 0:
        return None
    if "points" in sketch and seen.edges:
        points = np.asarray(sketch["points"], np.float64)
        below = np.searchsorted(points, np.asarray(seen.edges), "left") / len(points)
        now, then = np.asarray(seen.counts, np.float64), np.diff(below, prepend=0.0, append=1.0) * sketch["rows"]
    elif "names" in sketch and seen.cells:
        known = sketch["names"]
        now = np.array([seen.names.get(name, 0.0) / seen.unit for name in seen.cells])
        then = np.array([known.get(name, 0.0) for name in seen.cells], np.float64)
        now, then = np.append(now, max(seen.total - now.sum(), 0.0)), np.append(then, max(sketch["rows"] - then.sum(), 0.0))
    else:
        return None
    return _distance(now, then, seen.total, float(sketch["rows"]))


def _distance(now: Array, then: Array, n: float, m: float) -> float | None:
    if not (now.sum() > 0 and then.sum() > 0):
        return None
    p, q = now / now.sum(), then / then.sum()
    middle = (p + q) / 2
    found = (_information(p, middle) + _information(q, middle)) / 2
    cells = int((middle > 0).sum())
    return min(1.0, math.sqrt(max(found - (cells - 1) / (8 * math.log(2)) * (1 / n + 1 / m), 0.0)))


def _information(p: Array, middle: Array) -> float:
    some = p > 0
    return float((p[some] * np.log2(p[some] / middle[some])).sum())


def ranked(found: Sequence[Drift]) -> list[Drift]:
    """Return what stands notably far, first where the model depends most on it; where that is unknown, the farthest first.

    >>> a, b, c = Drift("data", "a", 0.2, 0.5), Drift("data", "b", 0.9, 0.01), Drift("data", "c", 0.02, 1.0)
    >>> [each.column for each in ranked([b, c, a])]
    ['a', 'b']
    """
    some = [each for each in found if each.distance >= NOTABLE]
    return sorted(some, key=lambda each: (-(each.dependence or 0.0), -each.distance, each.source, each.column))
