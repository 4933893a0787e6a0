"""Expected calibration error without the part that chance alone brings, and an interval that holds for any calibration.

The plain estimate counts gaps without sign, so it is above 0 for a perfect model, and by much on few rows: 0.09 on 200 rows in
15 bins. No estimate of a mean of |gap| is free of that (Cai and Low 2011): here a function close to |gap| takes its place, whose
expectation is within 0.23 standard errors of |gap| for whatever gap, and the interval is widened by that (Armstrong and
Kolesár 2018), so it covers at least as often as it says. ``design/intervals.md`` has the measurements. The metric
``calibration_error`` uses this module.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from assay.errors import ConfigError
from assay.result import LEVEL, Spread
from assay.summary import Summary
from assay.summary.resample import Array
from assay.summary.scores import Ranks, Scores

__all__ = ["Gaps", "spread"]

# |x| less (_TOP - _TURN x^2) exp(-x^2 / 2), x a gap in standard errors: fitted to keep the greatest bias plus 1.65 standard errors
# of a mean of 15 such terms as small as can be. Without the correction the bias at 0 is 0.80.
_TOP, _TURN = 0.991, 0.369
_BIAS, _VARIANCE = 0.228, 1.5  # the greatest for any true gap
_CLEAR = 4.0  # beyond, the gap is as good as certain: no bias, and variance 1


@dataclass(frozen=True)
class Gaps:
    """Per bin (the last axis): the share of rows, mean outcome less mean probability, and its sampling variance."""

    share: Array
    gap: Array
    variance: Array

    @classmethod
    def of(cls, ranks: Ranks, bins: int) -> Gaps:
        """Return the gaps of equal-width bins ``(0, 1/bins], ...``; 0 is in the first. Variances are those of independent rows."""
        if isinstance(bins, bool) or not isinstance(bins, int) or bins < 1:
            raise ConfigError(f"calibration_error(bins={bins}) makes no bins", expected="a whole number above 0")
        place = np.clip(np.ceil(ranks.scores * bins).astype(int) - 1, 0, bins - 1)
        starts = np.flatnonzero(np.append(True, place[1:] != place[:-1])) if len(place) else np.empty(0, int)
        if not len(starts):
            empty = np.zeros((*ranks.counts.shape[:-2], 0))
            return cls(empty, empty, empty)
        whole = ranks.counts.sum(axis=-1)
        rows, hits, said = (np.add.reduceat(each, starts, axis=-1) for each in (whole, ranks.positives, whole * ranks.scores))
        with np.errstate(invalid="ignore", divide="ignore"):
            said = np.clip(said / rows, 0.0, 1.0)
            # four rows as the model expects them keep a bin of hits alone from looking certain
            chance = (hits + 4 * said) / (rows + 4)
            return cls(rows / rows.sum(axis=-1, keepdims=True), np.where(rows > 0, hits / rows - said, 0.0),
                       np.where(rows > 0, chance * (1 - chance) / rows, 0.0))

    @property
    def plain(self) -> Any:
        """The mean absolute gap."""
        return np.sum(self.share * np.abs(self.gap), axis=-1) if self.share.shape[-1] else np.full(self.share.shape[:-1], np.nan)[()]

    @property
    def debiased(self) -> Any:
        """The mean absolute gap less what chance brings; below 0 where there is less than chance brings."""
        if not self.share.shape[-1]:
            return self.plain
        size = np.abs(self.gap)
        with np.errstate(invalid="ignore", divide="ignore"):
            x = np.where(self.variance > 0, size / np.sqrt(self.variance), np.inf)
            less = np.where(np.isfinite(x), (_TOP - _TURN * x * x) * np.exp(-x * x / 2), 0.0)
        return np.sum(self.share * (size - less * np.sqrt(self.variance)), axis=-1)


def _scaled(ranks: Ranks, scale: float) -> Ranks:
    return ranks if scale == 1.0 else Ranks(ranks.scores, ranks.counts * scale)


def spread(summaries: Sequence[Summary], *, bins: int = 15, debiased: bool = True, **options: Any) -> Spread:
    """Return the calibration error with its uncertainty, from the ``Scores`` of a model."""
    scores = cast(Scores, summaries[0])
    view, df, jackknifed = scores.view(), math.inf, 0.0
    # weights of 1/n or of 1,000 are the same weights: on average a row counts as one; that they are uneven, the replicates show
    scale = scores.rows / total if (total := float(view.counts.sum())) > 0 else 1.0
    gaps, n = Gaps.of(_scaled(view, scale), bins), float(scores.rows)
    if scores.grouped:
        resampled = scores.replicates()
        left = Gaps.of(_scaled(resampled.view, scale), bins)
        df, several = resampled.df, len(left.gap)
        if left.gap.shape[-1] == gaps.gap.shape[-1] and several > 1:
            shift = (left.gap - left.gap.mean(axis=0)) * np.where(left.share > 0, 1.0, 0.0)
            gaps = Gaps(gaps.share, gaps.gap, np.maximum(gaps.variance, (several - 1) / several * np.sum(shift**2, axis=0)))
        moved = Gaps(left.share, left.gap, np.broadcast_to(gaps.variance, left.gap.shape) if left.gap.shape[-1] == gaps.gap.shape[-1]
                     else left.variance)
        jackknifed = resampled.error(np.asarray(moved.debiased if debiased else moved.plain), 0.0)
    clear = np.abs(gaps.gap) > _CLEAR * np.sqrt(gaps.variance)
    weighted = gaps.share * np.sqrt(gaps.variance)
    worth = n if not jackknifed else min(n, df + 1)
    found = float(gaps.plain)
    across = max(float(np.sum(gaps.share * gaps.gap**2)) - found**2, 0.0) / worth  # that bins hold more or fewer rows
    error = math.sqrt(float(np.sum(weighted**2 * np.where(clear, 1.0, _VARIANCE))) + across)
    error = max(error, jackknifed) if math.isfinite(jackknifed) else error
    if not debiased:
        return Spread("normal", found, n=n, error=error, df=df, low_limit=0.0, high_limit=1.0)
    bias = float(np.sum(weighted * np.where(clear, 0.0, _BIAS)))
    if error > 0:  # the quantile of |Z + bias / error|, as a multiple of that of |Z|
        from scipy import special  # a tenth of a second that most runs do without

        both = float(special.chndtrix(LEVEL, 1.0, (bias / error) ** 2)) if bias else float(special.chdtri(1.0, 1 - LEVEL))
        error *= math.sqrt(both / float(special.chdtri(1.0, 1 - LEVEL)))
    return Spread("normal", max(float(gaps.debiased), 0.0), n=n, error=error, df=df, low_limit=0.0, high_limit=1.0)
