"""Correction of p-values for how many questions were asked at once.

Interface: :func:`holm`. Any layer above may import it; needs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["holm"]


def holm(p: Sequence[float]) -> list[float]:
    """Return the p-values adjusted by Holm's step-down procedure, in the order given.

    Rejecting what falls below alpha errs on any true hypothesis with probability alpha at most, however the p-values depend
    on one another. The i-th smallest of m becomes the largest of (m - j + 1) p_(j) over j <= i, and 1 at most (Holm 1979).

    Errors: ValueError for what is not a probability.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    if not all(0 <= each <= 1 for each in p):  # NaN is refused too
        raise ValueError("a p-value lies between 0 and 1")
    adjusted = [0.0] * len(p)
    largest = 0.0
    for place, index in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        largest = max(largest, min(1.0, (len(p) - place) * p[index]))
        adjusted[index] = largest
    return adjusted
