"""Groups of rows without labels, side by side: how the rows of both sides are cut, and how far apart groups are estimated to be.

``cuts(text, schema, tables)`` gives the masks of each group, ``protected(schema, tables)`` the groups that nobody had to name,
``apart(values, text)`` the differences between them, ``told(found, text)`` a sentence. ``verbs.estimate`` imports it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from assay.check.suite.default import cut as quartered
from assay.data.schema import Schema
from assay.data.slice import quantile_edges, slicing
from assay.errors import ConfigError, listed
from assay.estimate.rows import Array
from assay.metric import disparity
from assay.result import SliceKey, Value
from assay.verbs.explain.explanation import number

__all__ = ["CHOSEN", "GROUPED", "apart", "cuts", "protected", "told"]

SLICES = 50
FEW = 10             # values of a column of numbers, beyond which quarters of it are groups
CHOSEN = "selection_rate"                                       # which needs no label
GROUPED = ("recall", "false_positive_rate", "accuracy", "mae")   # what is asked of groups, as far as the model allows it


def cuts(text: str, schema: Schema, tables: Sequence[pa.Table]) -> dict[SliceKey, tuple[Array, Array]]:
    """Return masks of each group that the second table has: of its rows, and of those of the first, which sets the edges of bins."""
    sides = [table.unify_dictionaries().combine_chunks() for table in tables]
    cut = slicing(text, schema)
    if cut.quantiles:
        edges = {f"{name}:{bins}": quantile_edges(sides[0].column(name).cast(pa.float64()).to_numpy(zero_copy_only=False), bins)
                 for name, bins in cut.quantiles}
        cut = slicing(text, schema, edges=edges)
    if missing := [name for name in cut.columns if name not in sides[0].column_names]:
        raise ConfigError(f"the reference has no column {listed(missing)}, by which '{text}' cuts", expected="a column of both sides")
    before, now = (_masks(cut, side) for side in sides)
    if len(now) > SLICES:
        raise ConfigError(f"'{text}' makes {len(now):,} slices", expected=f"at most {SLICES}", hint=f"bins: {cut.columns[0]}:4")
    none = np.zeros(sides[0].num_rows, bool)
    return {key: (here, before.get(key, none)) for key, here in now.items()}


def protected(schema: Schema, tables: Sequence[pa.Table]) -> tuple[list[str], list[str]]:
    """Return slicings by the protected columns that both tables have, and a note of those that make too many groups."""
    found, many = [], []
    for name in schema.protected:
        if any(name not in table.column_names for table in tables):
            continue
        column = tables[1].column(name)
        kind, values = column.type, len(column.unique())
        if values > FEW and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            found.append(quartered(name, (name,)))
        elif values <= SLICES:
            found.append(quartered(name))
        else:
            many.append(name)
    return found, [f"rows are not grouped by what makes more than {SLICES} groups: {listed(many, 5)}"] if many else []


def apart(values: Sequence[Value], text: str) -> list[Value]:
    """Return for each metric of the groups' ``values`` the greatest difference between two groups, of selection rates the ratio as well."""
    by: dict[str, list[Value]] = {}
    for each in values:
        by.setdefault(each.metric, []).append(each)
    found = [disparity(some, compare=way).replace(options={"by": text}) for name, some in by.items()
             for way in (("difference", "ratio") if name == CHOSEN else ("difference",))]
    return [each.replace(method="estimated") if not each.metric.startswith(CHOSEN) else each for each in found]


def told(found: Sequence[Value], text: str) -> str:
    """Return in a sentence how far apart groups are, whom it holds for, and of which nothing can be said."""
    parts, few = [], ""
    for each in found:
        if each.metric.endswith(" ratio"):
            continue
        name = each.metric.removesuffix(" difference")
        what = "selection rate" if name == CHOSEN else f"estimated {name.replace('_', ' ')}"
        pair, _, left = (each.note or "").partition("; ")
        few = few or left
        if each.value is None:
            parts.append(f"of {what} nothing can be said ({pair})")
        else:
            parts.append(f"{what} {number(each.value)} [{number(each.low or 0.0)}, {number(each.high or 0.0)}] apart ({pair})")
    return f"between groups of {text}: {'; '.join([*parts, *([few] if few else [])])}"


def _masks(cut: Any, table: pa.Table) -> Mapping[SliceKey, Array]:
    """Return the rows of each slice, as masks."""
    found: dict[SliceKey, Array] = {}
    first = 0
    for batch in table.to_batches():
        codes, keys = cut.codes(batch.select(list(dict.fromkeys(cut.columns))))
        for code, key in enumerate(keys):
            mask = found.setdefault(key, np.zeros(table.num_rows, bool))
            mask[first:first + batch.num_rows] |= codes == code
        first += batch.num_rows
    return {key: mask for key, mask in found.items() if mask.any()}
