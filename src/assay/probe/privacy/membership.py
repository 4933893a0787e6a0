"""Membership inference: can it be told from the answers whether a row was learned from?

``told(members, others)`` measures how well a number tells them apart; ``loss`` is the number of a single model (Yeom and others 2018),
``references`` and ``ratio`` those of a comparison with models that were fitted with and without a row (RMIA: Zarifzadeh, Liu and Shokri
2024), ``likelihood`` that of another (LiRA: Carlini and others 2022). The verbs import it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special, stats

from assay.errors import DataError
from assay.result import Spread

__all__ = ["RATES", "References", "Told", "likelihood", "logit", "loss", "ratio", "references", "told"]

Array = np.ndarray[Any, Any]

RATES = (0.001, 0.01, 0.1)   # false-positive rates at which an attack is judged, as the mean hides the few that are known for sure
FEWEST = 20                  # rows of each kind
TINY = 1e-12
_LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Told:
    """How well a number tells ``members`` from ``others`` (counts of rows); ``auc`` is 0.5 by chance.

    ``rates`` gives for each false-positive rate the members that are told at it: their share with its 95 % interval, which allows for the
    bar being drawn as well, and the share of others that truly lie above; None where there are fewer others than one false alarm takes.
    """

    members: int
    others: int
    auc: Spread
    rates: dict[float, tuple[float, float, float, float] | None]
    curve: tuple[Array, Array]


def told(members: Array, others: Array) -> Told:
    """Return how well numbers tell ``members`` (n,), where they should be greater, from ``others`` (m,).

    The interval of the AUC is that of DeLong, DeLong and Clarke-Pearson 1988 on the logit. At a false-positive rate a row is taken for a
    member where fewer than that share of the others have as great a number. Raises ``DataError`` below 20 rows of either kind.

    >>> rng = np.random.default_rng(0)
    >>> made = told(rng.normal(1, 1, 4000), rng.normal(0, 1, 4000))
    >>> round(made.auc.estimate, 2), [round(made.rates[each][0], 2) for each in (0.001, 0.01, 0.1)]   # in truth .76, .02, .09, .39
    (0.75, [0.02, 0.1, 0.38])
    """
    members, others = np.asarray(members, np.float64), np.asarray(others, np.float64)
    n, m = len(members), len(others)
    if min(n, m) < FEWEST:
        raise DataError(f"{n:,} rows that were learned from and {m:,} that were not are too few to tell apart",
                        expected=f"at least {FEWEST} of each")
    ranks = stats.rankdata(np.concatenate([members, others]))
    # of each row the share of the other kind that lies on its other side, ties half
    over = (ranks[:n] - stats.rankdata(members)) / m
    under = 1 - (ranks[n:] - stats.rankdata(others)) / n
    auc = float(over.mean())
    error = float(np.sqrt(over.var(ddof=1) / n + under.var(ddof=1) / m))
    inside = 0 < auc < 1 and error > 0
    spread = (Spread("normal", auc, error=error / (auc * (1 - auc)), scale="logit", low_limit=0.0, high_limit=1.0) if inside else
              Spread("normal", auc, error=1.0 / np.sqrt(12 * min(n, m)), low_limit=0.0, high_limit=1.0))
    return Told(n, m, spread, {rate: _at(members, others, rate) for rate in RATES}, _curve(members, others))


def _at(members: Array, others: Array, rate: float) -> tuple[float, float, float, float] | None:
    m, n = len(others), len(members)
    allowed = int(np.floor(rate * m + 1e-9))   # others that may lie at or above the bar
    if allowed < 1:
        return None
    ordered = np.sort(others)[::-1]
    bar = ordered[allowed] if allowed < m else -np.inf   # strictly above the next one: ties count against the attack
    hits = int((members > bar).sum())
    nearer = int((members > ordered[allowed // 2]).sum())
    return hits / n, *_limits(hits, n, allowed, m, _slope(hits, nearer, allowed)), float((others > bar).mean())


def _limits(hits: int, n: int, allowed: int, m: int, slope: float) -> tuple[float, float]:
    """Return the limits of the share of members above a bar that ``allowed`` of m others set.

    Given the bar, hits of n are binomial (Clopper and Pearson 1934). The bar is drawn too: before the next other comes, the hits are
    negative binomial, or at chance negative hypergeometric, which a beta distribution follows once its counts are divided by the share
    left over on either side. Where the curve is flatter than a line through the origin, the bar matters less, by the square of
    ``slope``. The wider of both holds: bars that lie on ties are hardly drawn.
    """
    tail = (1 - _LEVEL) / 2
    left = 1 - hits / n if hits < n else 1 / n
    above, below = hits / left, allowed / (slope * slope * (1 - allowed / m if allowed < m else 1 / m))

    def share(odds: float) -> float:
        return odds * below * left / n if np.isfinite(odds) else 1.0

    low = 0.0 if hits == 0 else min(float(special.betaincinv(hits, n - hits + 1, tail)), share(_odds(above, below + 1, tail)))
    high = 1.0 if hits == n else max(float(special.betaincinv(hits + 1, n - hits, 1 - tail)), share(_odds(above + 1, below + 1, 1 - tail)))
    return low, min(high, 1.0)


def _odds(a: float, b: float, level: float) -> float:
    found = float(special.betaincinv(a, b, level))
    return found / (1 - found) if found < 1 else np.inf


def _slope(hits: int, nearer: int, allowed: int) -> float:
    """Return how many per cent more members one per cent more false alarms tells, from above: 1 at chance, 0 where all were told before.

    Of a curve that bends down (ROC curves of sensible attacks do) the chord from half of the false alarms is steeper than the curve;
    one and a half standard errors are added, and with few false alarms the line through the origin is taken.
    """
    if allowed < 8 or hits == 0:
        return 1.0
    share, half = nearer / hits, 1 - (allowed // 2) / allowed
    error = float(np.sqrt(max(share * (1 - share), 1 / hits) * (1 / hits + 1 / allowed)))
    return float(np.clip((1 - share + 1.5 * error) / half, 0.05, 1))


def _curve(members: Array, others: Array) -> tuple[Array, Array]:
    """Return false and true positive rates at 60 rates, even in the logarithm from one of the others on."""
    ordered, least = np.sort(others), 1 / len(others)
    rates = np.unique(np.concatenate([np.geomspace(least, 1, 60)]))
    bars = ordered[::-1][np.minimum((rates * len(others) + 1e-9).astype(int), len(others) - 1)]
    share = np.array([(members > bar).mean() for bar in bars])
    return rates, np.where(rates >= 1, 1.0, share)


def loss(score: Array, labels: Array) -> Array:
    """Return how sure a model is of the label of each row: the logarithm of its probability (n,), from scores (n, K).

    A row that was learned from tends to have a greater one.
    """
    chosen = score[np.arange(len(labels)), labels]
    return np.asarray(np.log(np.clip(chosen, TINY, None)))


def logit(score: Array, labels: Array) -> Array:
    """Return log(p / (1 - p)) of the probability p of each label, (n,): what is near normal over models fitted to other rows."""
    chosen = np.clip(score[np.arange(len(labels)), labels], 1e-6, 1 - 1e-6)
    return np.asarray(np.log(chosen / (1 - chosen)))


@dataclass(frozen=True, eq=False)
class References:
    """What k models say of n rows: ``logits`` (k, n), and ``inside`` (k, n), whether a model was fitted with the row."""

    logits: Array
    inside: Array


def references(fit: Callable[[Array], Array], labels: Array, count: int, *, share: float = 0.5, seed: int = 0,
               progress: Callable[[int], None] | None = None) -> References:
    """Return what ``count`` models say of n rows, each fitted on a random ``share`` of them, every row in the same number of models.

    ``fit(places)`` fits a model on rows and returns its scores (n, K) of all rows; ``labels`` (n,) are places of classes.
    """
    n = len(labels)
    rng = np.random.default_rng([seed, 81])
    inside = np.zeros((count, n), bool)
    within = round(share * count)
    # of each row a random half of the models: as in the paper, so that both sides have as many
    inside[:within] = True
    inside = rng.permuted(inside, axis=0)
    logits = np.empty((count, n))
    for place in range(count):
        logits[place] = logit(fit(np.flatnonzero(inside[place])), labels)
        if progress is not None:
            progress(1)
    return References(logits, inside)


def ratio(target: Array, known: References) -> Array:
    """Return how much surer the attacked model is of each row's label than a model of the same kind is on average, (n,).

    The logarithm of p / P: p the model's probability of the label, of which ``target`` (n,) are the logits, P the mean over reference
    models, those with the row and those without weighed alike. Where rows are ranked among each other it is the test of Zarifzadeh, Liu
    and Shokri 2024 (RMIA), whose comparison with other rows leaves the order as it is. It needs no variance, so few models will do.

    >>> inside = np.repeat([[True], [False]], 2, axis=0).repeat(3, 1)
    >>> ratio(np.array([3.0, 1.0, -1.0]), References(np.where(inside, 3.0, 1.0), inside)).round(2).tolist()
    [0.12, -0.14, -1.14]
    """
    sure = special.expit(known.logits)
    apart = [np.nanmean(np.where(side, sure, np.nan), axis=0) for side in (known.inside, ~known.inside)]
    return np.asarray(special.log_expit(target) - np.log((apart[0] + apart[1]) / 2))


def likelihood(target: Array, known: References, *, online: bool = True) -> Array:
    """Return how much likelier ``target`` (n,), the logits of the model that is attacked, are of models fitted with the row than without.

    The logarithm of the ratio of two normal densities, the mean of each row's own and a variance of all rows together (few models know no
    variance of a single row). Offline the row's own models without it are compared only: the probability that one of these is less sure.

    >>> rng = np.random.default_rng(0)
    >>> inside = rng.permuted(np.repeat([[True], [False]], 8, axis=0).repeat(50, 1), axis=0)
    >>> known = References(np.where(inside, 3.0, 1.0) + rng.normal(0, 0.5, (16, 50)), inside)
    >>> bool(likelihood(np.full(50, 3.0), known).min() > 0 > likelihood(np.full(50, 1.0), known).max())
    True
    """
    without = np.where(known.inside, np.nan, known.logits)
    mean_out = np.nanmean(without, axis=0)
    scale_out = max(float(np.sqrt(np.nanmean((without - mean_out) ** 2) * _unbiased(~known.inside))), 1e-6)
    if not online:
        return np.asarray(stats.norm.logcdf(target, mean_out, scale_out))
    within = np.where(known.inside, known.logits, np.nan)
    mean_in = np.nanmean(within, axis=0)
    scale_in = max(float(np.sqrt(np.nanmean((within - mean_in) ** 2) * _unbiased(known.inside))), 1e-6)
    return np.asarray(stats.norm.logpdf(target, mean_in, scale_in) - stats.norm.logpdf(target, mean_out, scale_out))


def _unbiased(mask: Array) -> float:
    count = float(mask.sum(axis=0).mean())
    return count / max(count - 1, 1)
