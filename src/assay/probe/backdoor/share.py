"""A share that was counted, with its exact interval: what the searches from clean images or rows alone find. For this package."""

from __future__ import annotations

from scipy import stats

__all__ = ["Counted"]


class Counted:
    """``hits`` of ``tried``, which a subclass holds, as a share with an exact 95 % interval (Clopper and Pearson 1934).

    >>> class Half(Counted):
    ...     hits, tried = 5, 10
    >>> Half().share, round(Half().low, 3), round(Half().high, 3)
    (0.5, 0.187, 0.813)
    """

    hits: int
    tried: int

    @property
    def share(self) -> float:
        return self.hits / self.tried if self.tried else 0.0

    @property
    def low(self) -> float:
        return float(stats.beta.ppf(0.025, self.hits, self.tried - self.hits + 1)) if self.hits else 0.0

    @property
    def high(self) -> float:
        return float(stats.beta.ppf(0.975, self.hits + 1, self.tried - self.hits)) if self.hits < self.tried else 1.0
