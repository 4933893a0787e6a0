"""Discovery over large sets of labels: which of an image tagger's thousand tags, of a shop's ten thousand items, are tied to a group.

``tags(attribute, labels, names, ...)`` is the interface: an exact or asymptotic test of each label, corrected for all that could be found,
with rates, ratio, and the coefficient beside the other tied labels. The verb imports it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.probe.association.independence import EXPECTED, continued, exact
from assay.probe.association.measure import Effect, Measured, Variable, measured
from assay.result import Spread
from assay.segment.confirm import Control, standing

__all__ = ["Tag", "Tagged", "logistic", "tags"]

Array = np.ndarray[Any, Any]

JOINT = 40       # tied labels whose coefficients are told, beside each other
PRIOR = 5.0      # standard deviation of a coefficient before the data: one that no row contradicts stays finite
RARE = 60        # rows with a label, up to which it is asked whether it could be found at all


@dataclass(frozen=True, eq=False)
class Tag:
    """A label that is tied to a group: ``difference`` of its rates and their ``ratio``, in ``group`` against the others (or the other).

    ``coefficient`` is that of the label in a logistic regression of the group on all labels that are tied (a log odds ratio), None beyond
    the first 40. Intervals hold for all reported labels together at ``level``.
    """

    label: str
    group: str
    difference: Measured
    ratio: Effect | None
    p: float
    adjusted: float
    level: float
    coefficient: Spread | None = None


@dataclass(frozen=True, eq=False)
class Tagged:
    """The labels tied to a group, the surest first; ``tested`` of ``labels`` could have been found, the others are too rare."""

    tags: tuple[Tag, ...]
    labels: int
    tested: int
    rows: int


def tags(attribute: Variable, labels: Any, names: Sequence[str], *, strata: Array | None = None, control: Control = "fwer",
         rate: float = 0.05, tolerance: float = 0.0) -> Tagged:
    """Return the labels whose rate differs between the second group of ``attribute`` and the first, by more than ``tolerance``.

    ``labels`` is a matrix (rows, labels) of 0 and 1, dense or of ``scipy.sparse``; ``strata`` are codes of what explains a row. Labels so
    rare that not even the most extreme table would be reported are left out of the correction (Tarone 1990): the margins say which.

    >>> rng = np.random.default_rng(0)
    >>> group = Variable("race", rng.integers(0, 2, 2000), ("others", "black"))
    >>> shown = rng.random((2000, 300)) < 0.02
    >>> shown[:, 7] |= (group.values == 1) & (rng.random(2000) < 0.05)
    >>> found = tags(group, shown, [f"tag {number}" for number in range(300)])
    >>> [(each.label, each.group) for each in found.tags]
    [('tag 7', 'black')]
    """
    from scipy import sparse

    known = np.flatnonzero(attribute.known)
    matrix = sparse.csc_matrix(labels, dtype=np.float64)[known]
    second = attribute.values[known] == 1
    place = np.zeros(len(known), np.int64) if strata is None else np.unique(strata[known], return_inverse=True)[1].reshape(-1)
    margins = _Margins.of(matrix, second, place)
    able = margins.attainable()
    chosen = np.flatnonzero(able <= rate / _tarone(able, rate)) if control == "fwer" else np.flatnonzero(able <= rate)
    p = [margins.p(int(each)) for each in chosen]
    adjusted = standing(p, control) if p else []
    hits = sorted((each for each in zip(chosen.tolist(), p, adjusted, strict=True) if each[2] <= rate), key=lambda each: each[1])
    level = 1 - rate * (len(hits) if control == "fdr" else 1) / max(len(p), 1)
    made = []
    for label, one, other in hits:
        values = np.full(len(attribute.values), -1)
        values[known] = matrix[:, [label]].toarray()[:, 0] > 0
        output = Variable(names[label], values, ("without", "with"))
        found, ratio = (measured(attribute, output, known, metric=metric, strata=strata) for metric in ("difference", "ratio"))
        if found is not None and found.effect.weakest(level) >= tolerance:
            group = (attribute.names or ("", ""))[1]
            made.append((label, Tag(names[label], group, found, None if ratio is None else ratio.effect, one, other, level)))
    joint = [label for label, _ in made[:JOINT]]
    spreads = logistic(matrix[:, joint].toarray(), second) if joint else []
    out = [Tag(each.label, each.group, each.difference, each.ratio, each.p, each.adjusted, each.level,
               spreads[number] if number < len(spreads) else None) for number, (_, each) in enumerate(made)]
    return Tagged(tuple(out), matrix.shape[1], len(p), len(known))


def logistic(x: Array, y: Array) -> list[Spread]:
    """Return the coefficients of a logistic regression of ``y`` (0 or 1) on the columns of ``x``, each with a weak normal prior.

    >>> x = np.repeat([[0.0], [1.0]], 500, axis=0)
    >>> y = np.concatenate([np.arange(500) < 100, np.arange(500) < 200])
    >>> round(logistic(x, y)[0].estimate, 2), round(float(np.log(200 / 300 / (100 / 400))), 2)
    (0.98, 0.98)
    """
    design = np.concatenate([np.ones((len(x), 1)), x], axis=1)
    penalty = np.diag([1e-9, *[1 / PRIOR**2] * x.shape[1]])
    weights, target = np.zeros(design.shape[1]), y.astype(np.float64)
    information = penalty
    for _ in range(50):
        rate = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        information = (design * (rate * (1 - rate))[:, None]).T @ design + penalty
        step = np.linalg.solve(information, design.T @ (target - rate) - penalty @ weights)
        weights = weights + step * min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-12))
        if float(np.abs(step).max()) < 1e-8:
            break
    errors = np.sqrt(np.diag(np.linalg.inv(information)))
    return [Spread("normal", float(one), error=float(error)) for one, error in zip(weights[1:], errors[1:], strict=True)]


@dataclass(frozen=True, eq=False)
class _Margins:
    """Of each stratum and label: rows with the label in the second group, and in all; rows of the second group, and all."""

    both: Array
    labelled: Array
    second: Array
    rows: Array

    @classmethod
    def of(cls, matrix: Any, second: Array, place: Array) -> _Margins:
        from scipy import sparse

        size = int(place.max(initial=0)) + 1
        where = np.arange(len(place))
        strata = sparse.csr_matrix((np.ones(len(place)), (place, where)), (size, len(place)))
        some = sparse.csr_matrix((second.astype(np.float64), (place, where)), (size, len(place)))
        both, labelled = ((each @ matrix).toarray().astype(np.int64) for each in (some, strata))
        return cls(both, labelled, *(np.bincount(place, each, size).astype(np.int64) for each in (second, np.ones(len(place)))))

    def attainable(self) -> Array:
        """Return the smallest p-value that each label could have with its margins; 0 where it is frequent."""
        from scipy import special

        def choose(n: Array, k: Array) -> Array:
            found: Array = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
            return found

        m, n1, n = self.labelled, self.second[:, None], self.rows[:, None]
        total = choose(n, m)
        ends = [np.exp((choose(n1, k) + choose(n - n1, m - k) - total).sum(axis=0))
                for k in (np.maximum(0, m + n1 - n), np.minimum(n1, m))]
        found: Array = np.where(m.sum(axis=0) <= RARE, np.minimum(*ends), 0.0)
        fixed = (m == 0) | (m == n) | (n1 == 0) | (n1 == n)
        return np.where(fixed.all(axis=0), 1.0, np.minimum(found, 1.0))

    def p(self, label: int) -> float:
        """Return the p-value of a label: exact where few rows are expected in a cell, else of Cochran, Mantel and Haenszel."""
        x, m, n1, n = self.both[:, label], self.labelled[:, label], self.second, self.rows
        size = np.maximum(n, 1)
        expected = [float((one * other / size).sum()) for one in (n1, n - n1) for other in (m, n - m)]
        if min(expected) < EXPECTED:
            found = exact(x, n1, m, n)
            if found is not None:
                return found
        variance = float((n1 * (n - n1) * m * (n - m) / (size**2 * np.maximum(n - 1, 1))).sum())
        return continued(float((x - n1 * m / size).sum()), variance)


def _tarone(able: Array, rate: float) -> int:
    """Return the smallest number of labels such that no more of them could be reported, were that their number."""
    ordered = np.sort(able)
    many = 1
    while many < len(ordered) and int(np.searchsorted(ordered, rate / many, side="right")) > many:
        many += 1
    return many
