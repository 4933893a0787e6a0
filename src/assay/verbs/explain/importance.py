"""What a model's answers hang on over many rows: the importance of each column, on a random sample with stated error.

``importance(ground)`` is the question; ``verbs.explain`` asks it where no row, change or group is named.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.errors import ConfigError, EmptyDataError, listed
from assay.explain.attribution import Attributions
from assay.explain.explain import explain
from assay.result import Figure, Scalar, Value
from assay.verbs.explain.explanation import Ground, Part, drawn, number, table_of
from assay.verbs.explain.picture import beeswarm, sensitivity
from assay.verbs.explain.steady import unsteady

__all__ = ["importance", "sampled"]

Array = np.ndarray[Any, Any]
EXACT, ASKED = 2_000, 200   # rows that are explained where nothing else is said: exact values cost little, those of a black box much
BUDGET = 500_000            # rows of a black box's answers, all rows together
_TOLD, _TRIED = 3, 8
_CURVES = 6                 # columns whose influence is drawn by their value


def importance(ground: Ground) -> Part:
    """Return how far each column moves the answers on average, the largest first, with intervals."""
    made, rows = sampled(ground)
    every = made.importance()
    values = [each for each in every if (each.value or 0.0) > 1e-9 * (every[0].value or 0.0)] if every else []
    about: dict[str, Scalar] = {"rows explained": len(made), "quantity": ground.unit(made), "method": made.method,
                                "compared with": ground.compared, "additivity gap": f"{made.gap:.1g}", "background": made.background[:12]}
    return Part((_sentence(ground, made, values),), tuple(values), _figures(ground, made, rows, values), (made.result(),),
                notes=(*made.notes, *_notes(made, len(values)), *unsteady(ground.model, ground.inputs_of(rows))), about=about)


def sampled(ground: Ground) -> tuple[Attributions, pa.Table]:
    """Return the attributions of a seeded sample of the data, and its rows."""
    data, known = ground.subject.data, ground.subject.target
    if known is not None and known.classes and ground.target is None and ground.quantity != "loss":
        raise ConfigError(f"the model has {len(known.classes)} classes", expected=f"one of {listed(map(str, known.classes))}",
                          hint="--positive CLASS names the one to explain; --quantity loss explains the errors of all")
    names = [*ground.inputs, *(each for each in (data.schema.id, data.schema.entity, data.schema.label) if each)]
    exact = _exact(ground, drawn(data, _TRIED, ground.seed, names))
    rows = drawn(data, ground.rows or (EXACT if exact else ASKED), ground.seed, names)
    rows, left = _labelled(ground, rows)
    budget = None if exact or ground.budget is not None else BUDGET
    made = ground.attributions(rows, budget=budget)
    return made.replace(notes=(*made.notes, *left)), rows


def _labelled(ground: Ground, rows: pa.Table) -> tuple[pa.Table, list[str]]:
    """Return the rows that have a label, where one is needed, and in words how many have none."""
    label = ground.subject.data.schema.label
    if ground.quantity != "loss" or label not in rows.column_names:
        return rows, []
    there = pc.is_valid(rows.column(label))
    if pa.types.is_floating(rows.column(label).type):
        there = pc.and_(there, pc.invert(pc.fill_null(pc.is_nan(rows.column(label)), True)))
    kept = rows.filter(there)
    if not kept.num_rows:
        raise EmptyDataError(f"none of the {rows.num_rows:,} rows that were drawn has a label", where=ground.subject.data.name,
                             expected="labelled rows, as the loss is explained", hint="--quantity score needs none")
    left = rows.num_rows - kept.num_rows
    said = f"{left:,} of the {rows.num_rows:,} rows that were drawn have no label, and so no loss: they are left out"
    return kept, [said] if left else []


def _exact(ground: Ground, some: pa.Table) -> bool:
    """Whether the values are exact: told by a few rows, as asking for exact ones is refused where there are none."""
    if ground.way is not None:
        return ground.way in ("exact", "path-dependent")
    try:
        explain(ground.model, ground.inputs_of(some), ground.behind, quantity=ground.quantity, target=ground.target, way="exact")
    except ConfigError:   # where it has another cause, that is told when the rows are explained
        return False
    return True


def _sentence(ground: Ground, made: Attributions, values: list[Value]) -> str:
    if not values:
        return f"no column moves the {ground.unit(made)} in {len(made):,} row{'s' * (len(made) != 1)}"
    told = [f"{each.column} ({number(each.value)} [{number(each.low)}, {number(each.high)}] on average)" for each in values[:_TOLD]]
    total = sum(each.value or 0.0 for each in values)
    share = sum(each.value or 0.0 for each in values[:_TOLD]) / total
    rest = f"; together {share:.0%} of what {len(values)} columns do" if len(values) > _TOLD else ""
    return (f"the {ground.unit(made)} {'are' if made.quantity == 'log-odds' else 'is'} moved most by {', '.join(told)}, in "
            f"{len(made):,} rows drawn from {ground.subject.data.name.rpartition('/')[2]} and compared with {ground.compared}{rest}")


def _notes(made: Attributions, count: int) -> list[str]:
    notes = []
    silent = len(made.columns) - count
    if silent:
        notes.append(f"{silent} of {len(made.columns)} columns carry no influence in these rows and are not listed")
    if made.error is not None:
        notes.append(f"values were sampled with a standard error of {number(float(np.sqrt((made.error ** 2).mean())))}, "
                     "by which small importances are too large")
    return notes


def _figures(ground: Ground, made: Attributions, rows: pa.Table, values: list[Value]) -> tuple[Figure, ...]:
    if not values:
        return ()
    table = {"column": [each.column for each in values], "importance": [each.value for each in values],
             "low": [each.low for each in values], "high": [each.high for each in values]}
    first = Figure("importance", "interval", "Importance", table_of(table), "column", ("importance",), ("low",), ("high",),
                   sentence=f"mean absolute contribution to the {ground.unit(made)}, with its interval", aspect="importance")
    inputs, names, unit = ground.inputs_of(rows), [str(each.column) for each in values], ground.unit(made)
    curves = [sensitivity(made, inputs, name, unit=unit, aspect="influence by value") for name in names[:_CURVES]]
    return first, beeswarm(made, inputs, names, unit=unit, aspect="importance"), *(each for each in curves if each is not None)
