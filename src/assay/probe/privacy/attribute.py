"""Attribute inference: does a model's answer tell a sensitive column beyond what the other columns tell?

``inferred(rows, sensitive, answers, ...)`` fits two attackers, one without and one with the answers, and compares them row by row on rows
that they were not fitted on. The verbs import it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.errors import DataError
from assay.probe.privacy._sklearn import forest
from assay.result import Spread

__all__ = ["Inferred", "inferred"]

Array = np.ndarray[Any, Any]

FOLDS = 5
FEWEST = 40   # rows


@dataclass(frozen=True, eq=False)
class Inferred:
    """How often the sensitive value is told: ``without`` the model's answer, ``with_answer``, and the ``gain``, paired by rows.

    ``usual`` is the share of the most frequent value, which is told of anyone. ``bits`` is the gain in the logarithm (base 2) of the
    probability that the attacker gives to the truth.
    """

    n: int
    usual: float
    without: Spread
    with_answer: Spread
    gain: Spread
    bits: Spread
    right: Array   # (n,) whether each row is told with the answer, less whether without


def inferred(rows: Array, sensitive: Array, answers: Array, *, classes: int, seed: int = 0) -> Inferred:
    """Return what ``answers`` (n, a) add to the other columns, ``rows`` (n, columns), in telling ``sensitive`` (n,), places of values.

    Attackers are forests, each row told by one of five that were fitted without it. Raises ``DataError`` below 40 rows, or where one value
    is there only.

    >>> rng = np.random.default_rng(0)
    >>> rows, secret = rng.normal(size=(200, 3)), rng.integers(0, 2, 200)
    >>> made = inferred(rows, secret, (secret + rng.normal(0, 0.2, 200))[:, None], classes=2)
    >>> bool(made.without.estimate < 0.6), bool(made.gain.interval()[0] > 0.3)
    (True, True)
    """
    n = len(sensitive)
    if n < FEWEST:
        raise DataError(f"{n} rows are too few to infer a column", expected=f"at least {FEWEST}")
    if len(np.unique(sensitive)) < 2:
        raise DataError("the sensitive column has one value only: there is nothing to infer")
    order = np.random.default_rng([seed, 91]).permutation(n)
    guess = [np.zeros((n, classes)), np.zeros((n, classes))]
    both = np.concatenate([rows, answers], axis=1)
    for part in np.array_split(order, FOLDS):
        rest = np.setdiff1d(order, part)
        for made, given in zip(guess, (rows, both), strict=True):
            made[part] = forest(_filled(given[rest]), sensitive[rest], _filled(given[part]), classes=classes, seed=seed)
    every = np.arange(n)
    hits = [np.asarray(each.argmax(axis=1) == sensitive, np.float64) for each in guess]
    bits = [np.log2(np.clip(each[every, sensitive], 1e-3, None)) for each in guess]
    usual = float(np.bincount(sensitive).max() / n)
    return Inferred(n, usual, _share(hits[0]), _share(hits[1]), _mean(hits[1] - hits[0]), _mean(bits[1] - bits[0]), hits[1] - hits[0])


def _filled(rows: Array) -> Array:
    return np.nan_to_num(rows, nan=-1e6, posinf=1e9, neginf=-1e9)


def _share(hit: Array) -> Spread:
    return Spread("binomial", float(hit.mean()), n=len(hit))


def _mean(gain: Sequence[float] | Array) -> Spread:
    values = np.asarray(gain)
    return Spread("normal", float(values.mean()), n=len(values), error=float(values.std(ddof=1) / np.sqrt(len(values))))
