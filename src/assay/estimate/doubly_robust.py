"""How good a model is on rows without labels, doubly robust, with an interval for what their labels will show, and when it cannot be known.

``Estimator.of(reference)`` learns on labelled rows that the model was not trained on; ``window(current)`` weighs them for rows of now;
``Window.estimate(metric)`` is the number. Verbs and monitors import it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy import special

from assay.errors import ConfigError, DataError
from assay.estimate.balance import Groups, balance
from assay.estimate.outcome import Losses, Outcome, losses, outcome
from assay.estimate.performance import CLASSIFIED, LIMITS, VALUED, classified, loss, needs_scores, valued
from assay.estimate.ratio import Ratio, ratio
from assay.estimate.rows import Array, Rows

__all__ = ["Estimate", "Estimator", "Window"]

FEWEST = 200           # rows of the reference, and effective ones below which nothing is said
SECOND = 10            # rows of the second class, below which parts of the reference may have one class only
PART = 0.01            # of the reference that must count
APART = 0.97           # AUC of telling the sides apart, above which they hardly overlap
STRANGE = 0.10         # of the rows of now that may be unlike anything labelled
UNLIKE = 50.0          # times as frequent now, for a row to be called so
OFTEN = 30             # rows of now below which nothing is said, of a group neither


@dataclass(frozen=True)
class Estimate:
    """A metric of rows without labels: ``value``, and the interval that what the labels show falls into.

    ``noise`` is the standard deviation that the labels' own chance brings, ``error`` that of the estimate; ``plain`` the value before the
    correction by the reference; ``effective`` how many rows of the reference count. ``value`` is NaN where the metric is not defined.
    """

    metric: str
    value: float
    low: float
    high: float
    noise: float
    error: float
    plain: float
    effective: float
    n: int
    level: float = 0.95

    @property
    def total(self) -> float:
        """The standard deviation of what the labels show around the value."""
        return math.hypot(self.noise, self.error)


@dataclass(frozen=True, eq=False)
class Estimator:
    """What was learned on the reference: chances of labels, or expected losses, and what it got wrong where it had not looked."""

    reference: Rows
    known: Outcome | None
    groups: Groups
    expected: Mapping[str, Losses] = field(default_factory=dict)
    seed: int = 0

    @classmethod
    def of(cls, reference: Rows, *, seed: int = 0, folds: int | None = None) -> Estimator:
        """Learn on labelled rows that the model was not trained on; raises ``DataError`` where they are too few.

        >>> rng = np.random.default_rng(0)
        >>> x = rng.random((3000, 1))
        >>> score = np.column_stack([1 - x[:, 0], x[:, 0]])
        >>> rows = Rows(x, x[:, 0] > 0.5, score, (rng.random(3000) < x[:, 0]).astype(int), classes=2)
        >>> made = Estimator.of(rows, folds=2).window(rows.take(x[:, 0] > 0.6)).estimate("accuracy")
        >>> bool(abs(made.value - 0.8) < 0.04), bool(made.low < made.value < made.high)
        (True, True)
        """
        if len(reference) < FEWEST:
            raise DataError(f"{len(reference):,} labelled rows are too few to estimate from", expected=f"at least {FEWEST}")
        if reference.classes:
            _, *others = np.sort(np.bincount(reference.truth.astype(int), minlength=2))[::-1].tolist()
            if not others[0]:
                raise DataError("all labels of the reference are one class", expected="rows of each class")
            if others[0] < SECOND:
                raise DataError(f"all but {sum(others):,} of {len(reference):,} labels of the reference are one class",
                                expected=f"at least {SECOND} rows of a second class")
            wrong = (reference.answer != reference.truth).astype(float)
            return cls(reference, outcome(reference, folds=folds, seed=seed), Groups.of(reference, wrong), seed=seed)
        found = {name: losses(reference, loss(name, reference), folds=folds, seed=seed) for name in ("mae", "mse")}
        return cls(reference, None, Groups.of(reference, loss("mae", reference)), found, seed)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that can be estimated of this model."""
        if not self.reference.classes:
            return VALUED
        return tuple(name for name in CLASSIFIED if self.reference.score is not None or not needs_scores(name))

    def window(self, current: Rows) -> Window:
        """Weigh the reference for rows of now; raises ``DataError`` where there are none."""
        if not len(current):
            raise DataError("there are no rows to estimate for")
        return Window(self, current, balance(self.groups, current))


@dataclass(frozen=True, eq=False)
class Window:
    """Rows of now beside the reference, weighed for them."""

    estimator: Estimator
    current: Rows
    ratio: Ratio

    @functools.cached_property
    def chances(self) -> Array:
        """The chances of labels (m, K) of the rows of now."""
        known = self.estimator.known
        assert known is not None
        return known(self.current)

    @functools.cached_property
    def told(self) -> Ratio:
        """The density ratio by a classifier, which sees kinds of rows that no single group shows."""
        return ratio(self.estimator.reference, self.current, seed=self.estimator.seed)

    @property
    def strange(self) -> Array:
        """Which rows of now are of a kind that the reference hardly has."""
        return np.asarray((self.told.odds > UNLIKE) | (self.ratio.odds > UNLIKE))

    @property
    def refusal(self) -> str | None:
        """Why nothing can be said of these rows, in words; None where something can."""
        rows, effective, strange = len(self.estimator.reference), self.ratio.effective, float(self.strange.mean())
        if len(self.current) < OFTEN:
            return f"they are fewer than {OFTEN}"
        if self.told.apart > APART:
            return f"the rows can nearly always be told from the labelled ones (AUC {self.told.apart:.2f})"
        if effective < max(FEWEST, PART * rows):
            return f"only {effective:,.0f} of {rows:,} labelled rows count for them"
        if strange > STRANGE:
            return f"{100 * strange:.0f} % of them are unlike anything labelled"
        return None

    def estimate(self, metric: str, *, positive: int | None = None, here: Array | None = None, there: Array | None = None,
                 level: float = 0.95) -> Estimate:
        """Return a metric of the rows of now, or of a group: a mask of them (``here``) and one of the reference (``there``).

        The value is what chances of labels imply, plus what they missed on the weighed reference,

            M(h) + sum_i w_i (m(i, y_i) - sum_k h_ik m(i, k)) / sum_i w_i

        with m the derivative of the metric (``performance.Functional.moves``): right where either the chances or the weights are (Robins,
        Rotnitzky and Zhao 1994). The interval adds the labels' own chance to the error of the correction. Errors: ``ConfigError``.
        """
        if metric not in self.estimator.metrics:
            raise ConfigError(f"'{metric}' cannot be estimated of this model", expected=f"one of {', '.join(self.estimator.metrics)}")
        current = self.current if here is None else self.current.take(here)
        weight = self.ratio.weight if there is None else self.ratio.weight * there
        if len(current) < OFTEN or weight.sum() <= 0:
            return Estimate(metric, *(math.nan,) * 6, 0.0, len(current), level)
        effective = float(weight.sum() ** 2 / (weight**2).sum())
        of = self._valued if metric in VALUED else functools.partial(self._classified, positive=positive, here=here)
        plain, gap, noise = of(metric, current)
        mean = float(np.average(gap, weights=weight))
        error = float(np.sqrt((weight**2 * (gap - mean) ** 2).sum()) / weight.sum())
        low, high = LIMITS.get(metric, (0.0, math.inf))
        value = min(max(plain + mean, low), high)
        half = float(special.ndtri((1 + level) / 2)) * math.hypot(noise, error)
        return Estimate(metric, value, max(value - half, low), min(value + half, high), noise, error, plain, effective, len(current), level)

    def _classified(self, metric: str, current: Rows, positive: int | None, here: Array | None) -> tuple[float, Array, float]:
        """Return the value, what each row of the reference adds to what chances say, and the noise of the labels of now."""
        known, reference = self.estimator.known, self.estimator.reference
        assert known is not None
        chances = self.chances if here is None else self.chances[here]
        found = classified(metric, current, chances, positive=positive)
        moves, now = found.moves(reference), found.moves(current)
        gap = moves[np.arange(len(reference)), reference.truth.astype(int)] - (known.held * moves).sum(axis=1)
        spread = (chances * now**2).sum(axis=1) - (chances * now).sum(axis=1) ** 2
        return found.value, gap, float(np.sqrt(np.maximum(spread, 0.0).sum()) / len(current))

    def _valued(self, metric: str, current: Rows) -> tuple[float, Array, float]:
        name = "mae" if metric == "mae" else "mse"
        expected = self.estimator.expected[name]
        gap = loss(name, self.estimator.reference) - expected.held
        value, _ = valued("mse", expected(current))
        spread = float(np.average((gap - np.average(gap, weights=self.ratio.weight)) ** 2, weights=self.ratio.weight))
        noise = math.sqrt(spread / len(current))
        if metric != "rmse":
            return value, gap, noise
        mean = max(value + float(np.average(gap, weights=self.ratio.weight)), 1e-12 * max(value, 1e-300))
        root, slope = valued("rmse", np.array([mean]))
        gap = gap * slope
        return root - float(np.average(gap, weights=self.ratio.weight)), gap, noise * slope
