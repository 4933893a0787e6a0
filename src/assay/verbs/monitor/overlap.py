"""Whether the labelled rows say anything about those of a window, which are of one day, and which rows they are weighed for.

``clustered`` tells whether rows of one window are alike by nature (a day has one weather); ``refusal`` says why nothing can be said;
``Recent`` keeps rows of the windows before. ``estimated`` uses them.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from assay.estimate.doubly_robust import FEWEST, PART, STRANGE
from assay.estimate.doubly_robust import Window as Weighed
from assay.estimate.glance import near
from assay.estimate.ratio import Ratio, ratio
from assay.estimate.rows import Encoding, Rows
from assay.monitor.incident import Window
from assay.monitor.setting import Cadence
from assay.store._canonical import times as instants
from assay.summary.hashing import row_hashes
from assay.verbs.explain.explanation import number
from assay.verbs.ground import percent

__all__ = ["Edges", "Recent", "clustered", "refusal"]

Array = np.ndarray[Any, Any]

APART = 0.9        # AUC of telling a window of the reference from the rest, above which its rows are alike by nature
REACHED = 20       # labelled rows beyond which there must be a number, or that a category must have
BEFORE = 28        # windows that a window is weighed with
EVERY = 4          # windows from one weighing to the next: a window among 28 others moves little
KEPT = 1_500       # rows of them
_BLOCKS = 3
_FEW = 100
_MICRO = dt.timedelta(microseconds=1)


def clustered(reference: Rows, moments: Array | None, length: int) -> bool:
    """Return whether rows of one window are alike by nature: a window of the reference can be told from all its others.

    ``moments`` are the times of its rows in microseconds, ``length`` that of a window; without times nothing of the kind is known.
    """
    if moments is None or len(moments) != len(reference):
        return False
    block = (moments - moments.min()) // length
    numbers, counts = np.unique(block, return_counts=True)
    able = numbers[counts >= _FEW]
    if len(numbers) < 2 or not len(able):
        return False
    chosen = able[np.unique(np.linspace(0, len(able) - 1, _BLOCKS).round().astype(int))]
    return float(np.median([ratio(reference.take(block != each), reference.take(block == each)).apart for each in chosen])) > APART


@dataclass(frozen=True, eq=False)
class Edges:
    """How far the labelled rows reach: between what at least twenty of them have of each number, and which categories as many have."""

    low: Array
    high: Array
    usual: tuple[Array | None, ...]
    encoding: Encoding

    @classmethod
    def of(cls, reference: Rows, encoding: Encoding) -> Edges:
        rank = min(REACHED, max(1, len(reference) // 100))
        x = np.sort(reference.features, axis=0)   # missing values last
        there = (~np.isnan(x)).sum(axis=0)
        columns = range(x.shape[1])
        low, high = (np.array([x[min(place, n - 1), at] if n else np.nan for at, n, place in zip(columns, there, places, strict=True)])
                     for places in (np.full(len(there), rank - 1), np.maximum(there - rank, 0)))
        usual = [np.flatnonzero(np.bincount(np.nan_to_num(column[~np.isnan(column)]).astype(int)) >= rank) if coded else None
                 for column, coded in zip(reference.features.T, reference.categorical or (False,) * len(columns), strict=True)]
        return cls(low, high, tuple(usual), encoding)

    def beyond(self, rows: Rows) -> Array:
        """Return (n, p): where a value lies beyond; missing ones do not."""
        x = rows.features
        out = (x < self.low) | (x > self.high)
        for at, usual in enumerate(self.usual):
            if usual is not None:
                out[:, at] = ~np.isnan(x[:, at]) & ~np.isin(x[:, at], usual)
        return np.asarray(out)

    def words(self, rows: Rows, most: int = 3) -> list[str]:
        """Return what lies beyond, in words, the most frequent first."""
        found, x = self.beyond(rows), rows.features
        said = []
        for at in np.argsort(-found.mean(axis=0), kind="stable")[:most]:
            share, name = float(found[:, at].mean()), self.encoding.names[at]
            if share < STRANGE / 5:
                continue
            if self.usual[at] is not None:
                where = "of a category that is rare there, or new"
            else:
                above = (x[:, at] > self.high[at]).sum() >= (x[:, at] < self.low[at]).sum()
                where = f"above {number(float(self.high[at]))}" if above else f"below {number(float(self.low[at]))}"
            said.append(f"unlike anything labelled: {name} {where} ({percent(share)} of the rows)")
        return said


def refusal(weighed: Weighed, edges: Edges | None) -> str | None:
    """Return why nothing can be said of a window, in words; None where something can.

    With ``edges`` (rows of a window are alike by nature, so that they can always be told from others) it is whether enough labelled rows
    count, and whether values lie where labelled ones do. Else as ``assay estimate`` does, unless a quick look shows no need to.
    """
    if edges is None:
        return None if near(weighed) else weighed.refusal
    rows, effective = len(weighed.estimator.reference), weighed.ratio.effective
    if effective < max(FEWEST, PART * rows):
        return f"only {effective:,.0f} of {rows:,} labelled rows count for them"
    strange = float(edges.beyond(weighed.current).any(axis=1).mean())
    return f"{percent(strange)} of the rows lie beyond what labelled ones reach" if strange > STRANGE else None


class Recent:
    """Rows of the 28 windows before, some of each, chosen by their content: whoever asks, in whatever order, has the same.

    Weights are found anew at every fourth window (``number`` a multiple of 4), which those after it share.
    """

    def __init__(self, read: Callable[[pa.Table], Rows | None], cadence: Cadence, time: str | None):
        self._read, self._cadence, self._time = read, cadence, time
        self._held: list[tuple[int, Rows]] = []
        self._found: tuple[int, Ratio] | None = None

    def ratio(self, window: Window, rows: Rows, behind: Any, weigh: Callable[[Rows], Ratio]) -> Ratio:
        """Return the weights of the reference that are right for a window and those before it.

        ``weigh`` finds them for rows; ``behind`` fetches those of windows before, where they were not seen.
        """
        if (not self._held or self._held[-1][0] != window.number - 1) and window.number and behind is not None:
            self._fetch(window, behind)
        first = window.number - BEFORE - EVERY
        self._held = [each for each in self._held if first < each[0] < window.number] + [(window.number, _some(rows))]
        last = window.number - window.number % EVERY
        before = [each for at, each in self._held if last - BEFORE <= at <= last]
        if not before:   # the first windows that there are
            return weigh(_joined([each for _, each in self._held]))
        if self._found is None or self._found[0] != last:
            self._found = last, weigh(_joined(before))
        return self._found[1]

    def _fetch(self, window: Window, behind: Any) -> None:
        self._held, self._found = [], None
        cadence, end = self._cadence, dt.datetime.fromisoformat(window.start)
        found = behind(window, cadence.time * (BEFORE + EVERY + 1) + dt.timedelta(hours=2), None) if cadence.kind == "time" else None
        if found is None or self._time not in found.column_names:
            return
        moments = np.asarray(instants(found[self._time], cadence.zone, where=f"the column '{self._time}'").to_numpy())
        for back in range(1, BEFORE + EVERY):
            start = cadence.start(end - _MICRO)
            first, last = ((each - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // _MICRO for each in (start, end))
            rows = self._read(found.filter(pa.array((moments >= first) & (moments < last))))
            if rows is not None and len(rows):
                self._held.insert(0, (window.number - back, _some(rows)))
            end = start


def _joined(every: list[Rows]) -> Rows:
    return dataclasses.replace(every[-1], features=np.concatenate([each.features for each in every]), label=None,
                               answer=np.concatenate([each.answer for each in every]),
                               score=None if every[-1].score is None else np.concatenate([each.score for each in every]))


def _some(rows: Rows, most: int = KEPT // BEFORE) -> Rows:
    """Return the rows of a window with the smallest hashes."""
    marks = row_hashes([pa.array(each) for each in rows.inputs.T])
    return rows.take(np.argsort(marks, kind="stable")[:most])
