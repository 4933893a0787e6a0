"""The words that results are told in: outcomes, which number is better, what a slice is, and what is too few rows to show.

For the other modules of this package, which hands them on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

__all__ = ["FEWEST_SHOWN", "LEVEL", "OUTCOMES", "Better", "Outcome", "Scalar", "SliceKey", "goodness", "worst"]

Scalar: TypeAlias = str | int | float | bool | None
SliceKey: TypeAlias = tuple[tuple[str, Scalar], ...]
Better: TypeAlias = Literal["higher", "lower", "nearer 1", "nearer 0"]
Outcome: TypeAlias = Literal["pass", "warn", "fail", "error", "inconclusive", "too small"]

LEVEL = 0.95
FEWEST_SHOWN = 5  # rows of a slice, or of a point in a figure, below which numbers tell of single people and are not shown
OUTCOMES: tuple[Outcome, ...] = ("fail", "error", "inconclusive", "warn", "too small", "pass")  # the worst first


def worst(outcomes: Iterable[Outcome], *, strict: bool = False) -> Outcome:
    """Return the verdict that stands for many: fail, error, inconclusive, warn, pass, in that order.

    Slices too small ever to decide do not count, unless ``strict`` or unless nothing else was decided.

    >>> worst(["pass", "too small", "warn"]), worst(["too small"]), worst(["pass", "too small"], strict=True)
    ('warn', 'inconclusive', 'inconclusive')
    """
    seen = set(outcomes)
    if "too small" in seen and (strict or seen == {"too small"}):
        seen.add("inconclusive")
    seen.discard("too small")
    return min(seen, key=OUTCOMES.index, default="pass")


def goodness(number: float, better: Better | None) -> float:
    """Return a number that is greater the better ``number`` is; where nothing is better, the smaller in size.

    >>> goodness(0.9, "higher") > goodness(0.8, "higher"), goodness(0.9, "nearer 1") > goodness(1.2, "nearer 1")
    (True, True)
    """
    return number if better == "higher" else -number if better == "lower" else -abs(number - 1) if better == "nearer 1" else -abs(number)
