"""Checks that look at the rows of many windows together, once in a while: what creeps is seen in a month's rows and not in a day's.

``due`` says when, ``judged`` what a look amounts to within its part of the budget of false pages. Pure; ``stream`` imports it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from assay.check.expression import Check
from assay.monitor import harm
from assay.monitor.harm import Promise
from assay.result import Verdict

__all__ = ["Look", "due", "judged"]

_SLACK = dt.timedelta(hours=2)  # a week in which the clocks change is a week


@dataclass(frozen=True)
class Look:
    """What one look says: checks that page (each promise that carries it), those that stand below their bound, and those that meet it."""

    pages: tuple[Promise, ...] = ()
    below: tuple[Promise, ...] = ()
    kept: tuple[str, ...] = ()


def due(last: str, end: str, every: dt.timedelta) -> bool:
    """Whether a window that ends at ``end`` is to be looked back from, where the last look was at ``last``.

    >>> due("2026-03-01T00:00:00+01:00", "2026-03-08T00:00:00+01:00", dt.timedelta(days=7))
    True
    """
    passed = dt.datetime.fromisoformat(end) - dt.datetime.fromisoformat(last)
    return passed >= every - min(every / 4, _SLACK)


def judged(checks: Sequence[Check], verdicts: Iterable[Verdict], alpha: float) -> Look:
    """Return what a look amounts to, where it may bring ``alpha`` false pages.

    A check pages where its p-value times the number of bounds that are looked at (checks and slices) is at most ``alpha`` (Bonferroni):
    the chance that a look pages while all is kept is at most ``alpha``, so that looks bring ``alpha`` times their number in expectation,
    however much their rows overlap.
    """
    verdicts = list(verdicts)
    found = [each for check in checks
             for each in harm.promises(check, [one for one in verdicts if one.check in (str(check), check.text)])]
    below = tuple(each for each in found if each.gap < 0)
    pages = tuple(sorted((each for each in below if each.p * len(found) <= alpha), key=lambda each: each.p))
    return Look(pages, below, tuple(each.key for each in found if each.gap >= 0))
