"""Screens for rows that training hardly knew: groups and ranges of one column, and regions of several.

``thin_in_train`` and ``thin_region``; found by name in ``SCREENS``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from assay.data.schema import family
from assay.result import FEWEST_SHOWN
from assay.screen.leakage import identifies
from assay.screen.power import clusters, edges, numeric, readable, share
from assay.screen.screen import Reading, screen
from assay.screen.study import Sample, Study
from assay.summary.hashing import mixed

__all__ = ["thin_in_train", "thin_region"]

Array = np.ndarray[Any, Any]

THIN = 0.1        # of the rows that its share asks for
ENOUGH = 200      # rows of train from which a group can be learned, whatever its share
FEW = 10          # rows, here and expected in train, below which a group may be thin by chance
_BINS = 10
_LEAVES = 16
_LEAF = 100
_FIT = 5000       # rows of each to grow the tree on; all others are counted in it
_FEATURES = 200
_CUTS = 128      # bins of a number between which a tree may cut


@screen(wants=("train",), of="column", limits=(0.0, 1.0))
def thin_in_train(study: Study) -> Iterator[Reading]:
    """Share of the rows whose category, or bin of values, was hardly there in training.

    Groups are the categories of a feature or protected column, or its ten quantile bins and what is missing. A group is thin where
    train has less than a tenth of the rows that its share of the data asks for, and fewer than 200. Groups of fewer than ten
    rows, and those of which train would have fewer than ten, are left out: chance alone makes some of them thin. So are times
    and identifiers, which are new by nature. Rare combinations are not seen: that is what ``thin_region`` is for.
    """
    train = study.train
    assert train is not None
    cluster = clusters(study.data)
    n, m = len(study.data), len(train)
    for name in dict.fromkeys((*study.measured, *study.schema.protected)):
        if not _comparable(study, name):
            continue
        if min(n, m) < ENOUGH:
            yield Reading(None, n, name, f"there are fewer than {ENOUGH} rows on one side")
            continue
        here, there, names = _groups(study, name)
        judged, known = np.bincount(here, minlength=len(names)), np.bincount(there, minlength=len(names))
        thin = _thin(judged, known, n, m, train.rows)
        note = None
        if thin.any():
            worst = int(np.argmax(np.where(thin, judged, 0)))
            rows = [round(known[worst] * train.rows / m), round(judged[worst] * study.data.rows / n)]
            about = "about " if n < study.data.rows or m < train.rows else ""
            note = f"{_called(study, name, names[worst])}: {about}{_told(study, name, rows[0])} rows to train on, {rows[1]:,} judged"
        yield Reading(share(thin[here], cluster), n, name, note)


@screen(wants=("train",), limits=(0.0, 1.0))
def thin_region(study: Study) -> Iterator[Reading]:
    """Share of the rows that lie where training hardly was: in leaves of a tree that tells the data from train.

    A decision tree of at most 16 leaves of 100 rows is grown on up to 5,000 rows of each and all others are counted in it, so a leaf is
    not thin by choice. A leaf is thin as a group of ``thin_in_train`` is. Times, identifiers and, beyond 200, further features are left
    out. Regions of less than one row in a hundred, or that need more than a few conditions, are not seen.
    """
    train = study.train
    assert train is not None
    names = [name for name in study.measured if _comparable(study, name)][:_FEATURES]
    n, m = len(study.data), len(train)
    if min(n, m) < 4 * _LEAF or not names:
        yield Reading(None, n, note=f"needs {4 * _LEAF} rows on both sides, and features that are no times or identifiers")
        return
    # rows of one entity are on one side, so that what is counted is new
    fits = [_fitted(of, study.schema.entity in of.table.column_names) for of in (study.data, train)]
    columns = [_ordered(study, name, fits) for name in names]
    tables = [np.stack([each.places[side] for each in columns], axis=1) for side in (0, 1)]
    leaves, tree = _grown(tables, fits)
    width = int(max(each.max() for each in leaves)) + 1
    judged, known = (np.bincount(leaf[~fit], minlength=width) for leaf, fit in zip(leaves, fits, strict=True))
    counted = [int((~fit).sum()) for fit in fits]
    thin = _thin(judged, known, counted[0], counted[1], train.rows)
    note = None
    if thin.any():
        worst = int(np.argmax(np.where(thin, judged, 0)))
        rows = [round(known[worst] * train.rows / counted[1]), round(judged[worst] * study.data.rows / counted[0])]
        told = _described(study, columns, tree, worst)
        note = f"{told}: about {rows[0]:,} rows to train on, {rows[1]:,} judged"
    cluster = clusters(study.data)
    hits = thin[leaves[0]][~fits[0]]
    yield Reading(share(hits, None if cluster is None else cluster[~fits[0]]), len(hits), note=note)


def _comparable(study: Study, name: str) -> bool:
    """Whether a column has groups that may be thin: there in train, of one kind, no time and no identifier."""
    assert study.train is not None
    schema = study.train.schema
    if not readable(study, name) or name not in schema or pa.types.is_temporal(study.schema[name].type) or name == study.schema.id:
        return False
    kinds = [family(each[name].type) for each in (study.schema, schema)]
    same = kinds[0] == kinds[1] or set(kinds) <= {"integer", "fraction"}
    return same and not identifies(study, name)


def _thin(judged: Array, known: Array, n: int, m: int, rows: int) -> Array:
    """Return which groups are thin, of counts among n rows of data and m of train, which is a sample of ``rows``."""
    asked = judged / max(n, 1) * m
    return np.asarray((judged >= FEW) & (asked >= FEW) & (known < THIN * asked) & (known * (rows / max(m, 1)) < ENOUGH))


def _groups(study: Study, name: str) -> tuple[Array, Array, list[Any]]:
    """Return the group of each row of the data and of train, and what each group is: a code, a range, or None for missing."""
    if study.kind(name) == "number":
        values, before = study.numbers(name), study.numbers(name, study.train)
        inner = edges(values, _BINS)
        found = [np.where(np.isnan(each), len(inner) + 1, np.searchsorted(inner, each, side="right")) for each in (values, before)]
        ranges: list[Any] = []
        for place in range(len(inner) + 1):   # the ends stay open: the greatest value may be that of one person
            inside = values[found[0] == place]
            low, high = (float(inside.min()), float(inside.max())) if len(inside) else (np.nan, np.nan)
            ranges.append((low, high) if low == high else (-np.inf if place == 0 else low, np.inf if place == len(inner) else high))
        return found[0], found[1], [*ranges, None]
    codes, before = study.codes(name), study.codes(name, study.train)
    width = int(max(codes.max(initial=-1), before.max(initial=-1))) + 1
    return np.where(codes < 0, width, codes), np.where(before < 0, width, before), [*range(width), None]


def _called(study: Study, name: str, group: Any) -> str:
    if group is None:
        return f"{name} missing"
    if isinstance(group, tuple):
        low, high = (f"{each:.6g}" for each in group)
        if np.isinf(group[0]) or np.isinf(group[1]):
            return f"{name} <= {high}" if np.isinf(group[0]) else f"{name} >= {low}"
        return f"{name} {low}" if low == high else f"{name} {low} to {high}"
    return f"{name} {_text(study, name, group)}"


def _text(study: Study, name: str, code: int) -> str:
    text = study.category(name, code)
    text = text if isinstance(text, str) else bytes(text).decode("utf-8", "backslashreplace")
    return (text if len(text) <= 40 else f"{text[:39]}…") or "''"


def _told(study: Study, name: str, rows: int) -> str:
    few = 0 < rows < FEWEST_SHOWN and name in (*study.schema.protected, study.schema.entity)
    return f"fewer than {FEWEST_SHOWN}" if few else f"{rows:,}"


# regions ------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Ordered:
    """A feature as a tree reads it: places 0, 1, ... of each row of the data and of train, -1 for missing; and what they stand for.

    Places are bins of ``numbers`` (those of the data and of train), or places in the categories ``order``.
    """

    name: str
    places: tuple[Array, Array]
    numbers: tuple[Array, Array] | None = None
    order: tuple[int, ...] = ()


def _fitted(of: Sample, grouped: bool) -> Array:
    """Return which rows the tree is grown on: half of them, and 5,000 at most."""
    cluster = clusters(of) if grouped else None
    key = mixed((np.arange(len(of)) if cluster is None else cluster).astype(np.uint64), 53)
    return np.asarray(key < np.uint64(int(min(0.5, _FIT / max(len(of), 1)) * 2.0**64)))


def _ordered(study: Study, name: str, fits: Sequence[Array]) -> _Ordered:
    train = study.train
    if numeric(study, name):
        both = study.numbers(name), study.numbers(name, train)
        inner = edges(np.concatenate([each[fit] for each, fit in zip(both, fits, strict=True)]), _CUTS)
        places = [np.where(np.isnan(each), -1, np.searchsorted(inner, each, side="right")) for each in both]
        return _Ordered(name, (places[0], places[1]), both)
    here, there = study.codes(name), study.codes(name, train)
    width = int(max(here.max(initial=-1), there.max(initial=-1))) + 1
    counts = [np.bincount(codes[fit & (codes >= 0)], minlength=width) / max(int(fit.sum()), 1)
              for codes, fit in zip((here, there), fits, strict=True)]
    # for two classes the best split of categories is one of them in the order of their shares (Breiman et al. 1984)
    order = np.argsort((counts[0] + 1e-4) / (counts[0] + counts[1] + 2e-4), kind="stable")
    ranks = np.full(width + 1, -1)
    ranks[order] = np.arange(width)
    return _Ordered(name, (ranks[here], ranks[there]), None, tuple(order.tolist()))


def _grown(tables: Sequence[Array], fits: Sequence[Array]) -> tuple[list[Array], Any]:
    from sklearn.tree import DecisionTreeClassifier

    rows = np.concatenate([table[fit] for table, fit in zip(tables, fits, strict=True)]).astype(np.float32)
    side = np.concatenate([np.full(int(fit.sum()), place) for place, fit in enumerate(fits)])
    least = min(_LEAF, max(len(rows) // 20, 10))
    model = DecisionTreeClassifier(max_leaf_nodes=_LEAVES, min_samples_leaf=least, class_weight="balanced", random_state=0)
    model.fit(rows, side)
    return [model.apply(table.astype(np.float32)) for table in tables], model.tree_


def _described(study: Study, columns: Sequence[_Ordered], tree: Any, leaf: int) -> str:
    """Return the conditions of a leaf in words, those of one column together."""
    parents = {int(child): (node, right) for node in range(tree.node_count) for right, child in
               ((False, tree.children_left[node]), (True, tree.children_right[node])) if child >= 0}
    limits: dict[int, list[float]] = {}
    while leaf in parents:
        leaf, right = parents[leaf]
        low_high = limits.setdefault(int(tree.feature[leaf]), [-np.inf, np.inf])
        edge = float(tree.threshold[leaf])
        low_high[0 if right else 1] = max(low_high[0], edge) if right else min(low_high[1], edge)
    return " and ".join(_condition(study, columns[each], *limits[each]) for each in sorted(limits)) or "anywhere"


def _condition(study: Study, column: _Ordered, low: float, high: float) -> str:
    missing = low < -1
    if column.numbers is not None:
        values = np.concatenate([numbers[(places > low) & (places <= high) & (places >= 0)]
                                 for numbers, places in zip(column.numbers, column.places, strict=True)])
        least, most = (f"{float(each):.6g}" for each in (values.min(), values.max())) if len(values) else ("", "")
        parts = [f">= {least}" if np.isinf(high) else f"<= {most}" if np.isinf(low) or low < 0 else least if least == most
                 else f"{least} to {most}"] if len(values) else []
    else:
        here = column.places[0]
        found, counts = np.unique(here[(here > low) & (here <= high) & (here >= 0)], return_counts=True)
        shown = [_text(study, column.name, column.order[int(place)])
                 for place, count in sorted(zip(found, counts, strict=True), key=lambda pair: -pair[1])[:3] if count >= FEWEST_SHOWN]
        rest = len(found) - len(shown)
        parts = [", ".join(shown) + (f" and {rest} more" if rest and shown else f"one of {rest}" if rest else "")] if len(found) else []
    return f"{column.name} {' or '.join([*parts, *(['missing'] if missing else [])])}"
