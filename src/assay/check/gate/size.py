"""How many rows a comparison of two models on the same rows takes.

``rows`` plans, ``quantile`` is the standard normal's. For the other modules of the gate.
"""

from __future__ import annotations

import math
from statistics import NormalDist

__all__ = ["DF", "MOST", "quantile", "rows"]

DF = 60.0  # degrees of freedom that an error from 128 groups of rows is usually worth
MOST = 1_000_000_000  # more rows than anyone has


def quantile(p: float, df: float = math.inf) -> float:
    """Return the quantile of Student's distribution, the standard normal's without ``df``.

    >>> round(quantile(0.975), 2), round(quantile(0.975, 60), 2)
    (1.96, 2.0)
    """
    if math.isfinite(df):
        from scipy import special

        return float(special.stdtrit(df, p))
    return NormalDist().inv_cdf(min(max(p, 1e-300), 1 - 1e-16))


def rows(deviation: float, gap: float, *, alpha: float, beta: float, df: float = DF) -> int | None:
    """Return the rows from which a one-sided test at ``alpha`` sees ``gap`` with power 1 - ``beta``; None where no number would do.

    ``deviation`` is the standard deviation of one row's paired difference: n = (z_(1-alpha) + z_(1-beta))^2 deviation^2 / gap^2. For right
    or wrong answers deviation^2 is the share of rows on which one model is right and the other wrong, less the difference squared.

    The quantile of alpha is Student's with ``df``, as the test's is.

    >>> rows(0.08 ** 0.5, 0.01, alpha=0.05, beta=0.01, df=math.inf)
    12617
    """
    if not (math.isfinite(deviation) and math.isfinite(gap)) or gap <= 0:
        return None
    found = ((quantile(1 - alpha, df) + quantile(1 - beta)) * deviation / gap) ** 2
    return math.ceil(found) if found <= MOST else None
