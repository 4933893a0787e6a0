"""CBPE: confidence-based performance estimation as NannyML publishes it; calibrated scores taken for chances of labels, and nothing else.

``cbpe(reference)`` returns chances of labels for later rows, ``Cbpe.value`` a metric. It is right where calibrated scores stay right, which
a shift in features that the model does not see breaks; the methods beside it are for that. Numbers equal NannyML's.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from assay.estimate.calibration import Curve, Many, isotonic
from assay.estimate.performance import classified
from assay.estimate.rows import Array, Rows

__all__ = ["Cbpe", "cbpe", "needs_calibration"]

SPLITS, BINS = 10, 10
_SPLIT_SEED = 42      # NannyML's, as whether scores are calibrated hangs on it
_PERFECT = 0.999      # AUC from which it does not calibrate
_SAME = Curve(np.array([0.0, 1.0]), np.array([0.0, 1.0]))


@dataclass(frozen=True, eq=False)
class Cbpe:
    """Calibration of a reference: ``chances(rows)`` (n, K), and ``value(metric, rows)``, what is expected of a metric."""

    curves: Many

    def chances(self, rows: Rows) -> Array:
        """Return the calibrated scores."""
        return self.curves(rows)

    def value(self, metric: str, rows: Rows, *, positive: int | None = None) -> float:
        """Return the expected metric of rows without labels."""
        return classified(metric, rows, self.chances(rows), positive=positive).value


def cbpe(reference: Rows) -> Cbpe:
    """Return the calibration of labelled rows: isotonic, one class against the rest, each where it lowers the calibration error.

    Source: NannyML 0.13, https://nannyml.readthedocs.io (How it works, Performance estimation). Errors: ``DataError`` without labels.

    >>> score = np.repeat([0.2, 0.8], 500)
    >>> rows = Rows(np.zeros((1000, 0)), score > 0.5, np.column_stack([1 - score, score]), np.tile([0, 1, 1, 1], 250), classes=2)
    >>> round(cbpe(rows).value("accuracy", rows), 3)
    0.5
    """
    assert reference.score is not None
    places = [1] if reference.classes == 2 else range(reference.classes)
    curves = []
    for place in places:
        score, hit = np.asarray(reference.score[:, place], float), (reference.truth == place).astype(int)
        curves.append(isotonic(score, hit) if needs_calibration(score, hit) else _SAME)
    return Cbpe(Many(tuple(curves)))


def needs_calibration(score: Array, hit: Array) -> bool:
    """Whether isotonic calibration lowers the calibration error of held-out tenths, over bins of equally many rows.

    >>> score = np.linspace(0, 1, 1000)
    >>> needs_calibration(score, (score > 0.9).astype(int))   # scores that separate the classes are left as they are
    False
    """
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedShuffleSplit

    if len(np.unique(hit)) < 2 or min(np.bincount(hit, minlength=2)) < 2 or roc_auc_score(hit, score) > _PERFECT:
        return False
    splits = StratifiedShuffleSplit(n_splits=SPLITS, test_size=0.1, random_state=_SPLIT_SEED)
    before, after, hits = [], [], []
    for fit, rest in splits.split(score, hit):
        before.append(score[rest])
        after.append(isotonic(score[fit], hit[fit])(score[rest]))
        hits.append(hit[rest])
    truth = np.concatenate(hits)
    return _gap(np.concatenate(before), truth) > _gap(np.concatenate(after), truth)


def _gap(chance: Array, hit: Array) -> float:
    """Return the mean over bins of rows, in the order of their chances, of |mean chance - share of hits|."""
    order = np.argsort(chance)
    bins = BINS if len(chance) > 2 * BINS else max(len(chance) // 2, 1)
    edges = np.arange(0, len(chance) + 1, len(chance) // bins)
    edges[-1] = len(chance)
    parts = [order[left:right] for left, right in itertools.pairwise(edges)]
    return float(sum(len(part) * abs(chance[part].mean() - hit[part].mean()) for part in parts) / len(chance))
