"""Screens for features that stand in for what a model must not use, and for inputs that it must not have.

``proxy_power``, ``forbidden_inputs`` and ``protected_inputs``; found by name in ``SCREENS``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from assay.result import Spread
from assay.screen.power import Aim, aim, bins, clusters, halves, power, readable
from assay.screen.screen import Reading, screen
from assay.screen.study import Study

__all__ = ["forbidden_inputs", "protected_inputs", "proxy_power"]

_CLASSES = 50   # of a protected column that are told apart; rarer ones are one class


@screen(of="column", limits=(0.0, 1.0))
def proxy_power(study: Study) -> Iterator[Reading]:
    """How well a feature alone tells a protected or forbidden column, 0 to 1; of several, the one that it tells best.

    The cross-fitted power of ``lone_power`` with that column in place of the label: Gini for two values, R² for numbers, and for
    more categories the share of errors saved; so it can be 0 for a feature that tells only of rare categories. Where several columns
    are protected, the best of them is a little too good. What features tell together is not seen.
    """
    guarded = [name for name in dict.fromkeys((*study.schema.protected, *study.schema.forbidden)) if readable(study, name)]
    n = len(study.data)
    if not guarded:
        yield Reading(None, n, note="no column is named as protected or forbidden that could be told")
        return
    aims = {name: _few(aim(study, name)) for name in guarded}
    half, cluster = halves(study), clusters(study.data)
    for name in study.measured:
        if name in guarded or not readable(study, name):
            continue
        found = {other: spread for other, what in aims.items() if (spread := power(bins(study, name), what, half, cluster)) is not None}
        if not found:
            yield Reading(None, n, name, "too few rows, or protected columns that do not differ")
            continue
        best = max(found, key=lambda other: found[other].estimate)
        yield Reading(found[best], int(aims[best].known.sum()), name, f"it tells {best}" if found[best].estimate > 0 else None)


@screen(wants=("model",), of="column", limits=(0.0, 1.0))
def forbidden_inputs(study: Study) -> Iterator[Reading]:
    """Whether the model names a forbidden column among its inputs: 1 where it does, a fact about the model.

    A model may name an input and not use it; and it may have seen the column under another name, which ``proxy_power`` shows.
    """
    assert study.model is not None
    yield from _named(study, study.schema.forbidden)


@screen(wants=("model", "protected"), of="column", limits=(0.0, 1.0))
def protected_inputs(study: Study) -> Iterator[Reading]:
    """Whether the model names a protected column among its inputs: 1 where it does, a fact about the model.

    A model may name an input and not use it, which ``unused`` shows.
    """
    assert study.model is not None
    yield from _named(study, study.schema.protected)


def _named(study: Study, columns: Sequence[str]) -> Iterator[Reading]:
    assert study.model is not None
    names = study.model.signature.names
    for name in columns:
        if names is None:
            yield Reading(None, 0, name, "the model does not name its inputs")
            continue
        there = name in names
        yield Reading(Spread("exact", float(there)), len(study.data), name, "the model names it as an input" if there else None)


def _few(what: Aim) -> Aim:
    """Return an aim of at most 50 classes."""
    if what.kind != "classes" or what.width <= _CLASSES:
        return what
    counts = np.bincount(what.values[what.known], minlength=what.width)
    ranks = np.empty(what.width, np.int64)
    ranks[np.argsort(-counts, kind="stable")] = np.arange(what.width)
    return Aim("classes", np.where(what.known, np.minimum(ranks[what.values], _CLASSES - 1), -1), what.known, _CLASSES)
