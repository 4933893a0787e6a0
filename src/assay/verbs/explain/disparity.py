"""Which inputs make the gap between groups, and through which of them a protected attribute acts.

``disparity(ground, column, reasons)`` is the question; ``powers`` says how well each input tells a column, for the gate too.
``verbs.explain`` asks it.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from assay.data.schema import Schema
from assay.errors import ConfigError, DataError, UnknownColumnError, listed, nearest
from assay.explain.change import FEWEST, Change, Rows, change
from assay.explain.proxy import Proxy, proxies
from assay.result import Finding, Value
from assay.screen import SCREENS
from assay.screen.power import edges
from assay.screen.study import Study
from assay.summary.vector import kind_of
from assay.verbs.explain.change import ROWS, pictured, shown, sided, told, turned
from assay.verbs.explain.explanation import Ground, Part, drawn
from assay.verbs.explain.steady import unsteady
from assay.verbs.subject import Subject

__all__ = ["disparity", "grouped", "named", "powers"]

GROUPS = 6     # that are compared with the largest
_BINS = 4      # of numbers
_FEW = 12      # different numbers that stand for themselves


def disparity(ground: Ground, asked: str, reasons: Mapping[str, str] | None = None) -> Part:
    """Return which inputs make the gap in the score, and in the decision, between the groups of a column.

    ``asked`` is a column (``race``: each group against the largest) or a column with two of its values (``race=Black,White``). Where
    only one quantity was asked for, that one. ``reasons`` are what people said of inputs that stand for the column.
    """
    column, two = named(ground, asked)
    schema = ground.subject.data.schema
    for each in reasons or {}:
        if each not in schema.names and each not in ground.inputs:
            raise UnknownColumnError.among(each, schema.names, where="justified")
    extra = [each for each in (column, schema.label, schema.weight, schema.entity) if each]
    table = drawn(ground.subject.data, ground.rows or 2 * ROWS, ground.seed, [*ground.inputs, *extra])
    groups, notes = _groups(table, column, two, ground.subject.data.name)
    default = ["score", "decision"] if ground.target is not None else ["score"]
    sentences: list[str] = []
    values: list[Value] = []
    figures = []
    findings: list[Finding] = []
    first, *others = groups
    told_by = {name: powers(ground.subject, column, name, first) for name in others}
    for quantity in [ground.quantity] if ground.quantity else default:
        sides = {name: sided(ground, f"{column} {name}", table.filter(pa.array(mask)), quantity) for name, mask in groups.items()}
        means: dict[str, Value] = {}
        for name in others:
            made = _gap(ground, sides[first], sides[name], quantity)
            sentences.append(told(made, None, ground))
            place: dict[str, Any] = {"slice": {column: name}, "against": first}
            means |= {first: made.means[0].replace(slice={column: first}), name: made.means[1].replace(slice={column: name})}
            values += [made.difference.replace(metric=f"{made.quantity} gap", **place),
                       *(each.replace(metric=f"{made.quantity} gap", **place) for each in shown(made))]
            drawn_ = pictured(made, title=f"Why the {made.quantity} of {column} {name} differs from {first}")
            figures += [dataclasses.replace(each, name=f"{each.name} {made.quantity} {name}") for each in drawn_]
            found = proxies(column, told_by[name], made.contributions, made.difference.value or 0.0, reasons)
            if column in ground.inputs:
                own = next((each.value or 0.0 for each in made.contributions if each.column == column), 0.0)
                findings.append(Finding("protected input", f"the model reads {column} itself, which brings {own:+.2g} of the gap of "
                                        f"{made.difference.value or 0:+.2g} in the {made.quantity} between {made.names[1]} and "
                                        f"{made.names[0]}; is it justified?", {"column": column}, outcome="warn"))
            lines, open_ = _judged(found, made, schema)
            notes += lines
            findings += open_
        values += means.values()
    values += [each for some in told_by.values() for name, each in sorted(some.items(), key=lambda pair: -(pair[1].value or 0.0))
               if name in ground.inputs and (each.value or 0.0) > 0]
    about = {"groups of": column, "method": made.method, "compared with": ground.compared, "background": made.background[:12]}
    about |= {f"justified: {name}": reason for name, reason in (reasons or {}).items()}
    notes += unsteady(ground.model, ground.inputs_of(table))
    notes.append("a gap is no wrong by itself, and neither is an input that tells the group: whether it may count is for a person to say "
                 "(justified: in assay.yaml)")
    return Part(tuple(sentences), tuple(values), tuple(figures), findings=_once(findings), notes=tuple(dict.fromkeys(notes)), about=about)


def _gap(ground: Ground, first: Rows, other: Rows, quantity: str) -> Change:
    target = ground.subject.target
    place = None if target is None else target.positive if ground.target is None else target.place(ground.target)
    return turned(change(ground.model, first, other, ground.behind, quantity=quantity, place=place,
                         threshold=None if target is None else target.threshold, seed=ground.seed,
                         **({"asked": ground.budget} if ground.budget else {})))


def named(ground: Ground, asked: str) -> tuple[str, tuple[str, str] | None]:
    """Return the column of a disparity, and the two of its groups that were named, if any."""
    names = ground.subject.data.schema.names
    column, sign, rest = (each.strip() for each in asked.partition("="))
    if asked in names:
        return asked, None
    if column not in names:
        raise UnknownColumnError.among(column, names, where=ground.subject.data.name)
    two = [each.strip().strip("'\"") for each in rest.split(",")]
    if sign and len(two) != 2:
        raise ConfigError(f"'{asked}' names {len(two)} groups", expected="two, such as race=Black,White", hint=f"or --disparity {column}")
    return column, (two[0], two[1])


def _groups(table: pa.Table, column: str, two: tuple[str, str] | None, where: str) -> tuple[dict[str, Any], list[str]]:
    """Return the rows of each group that is compared, the one to compare with first; and what was left out."""
    values = table[column].combine_chunks()
    names = grouped(values)
    known, counts = np.unique(names[names != ""], return_counts=True)
    if two is not None:
        for each in two:
            if each not in known:
                near = nearest(each, known.tolist())
                raise ConfigError(f"there is no group '{each}' of '{column}'", where=where, expected=f"one of {listed(known.tolist())}",
                                  hint=f"did you mean '{near}'?" if near else None)
        chosen = [two[1], two[0]]
    else:
        order = np.argsort(-counts, kind="stable")
        chosen = [str(known[each]) for each in order if counts[each] >= FEWEST][: GROUPS + 1]
    if len(chosen) < 2:
        raise DataError(f"'{column}' has {len(chosen)} group{'s' if len(chosen) != 1 else ''} of {FEWEST} rows or more", where=where,
                        expected="two groups to compare")
    left = len(known) - len(chosen)
    notes = [f"{left} of {len(known)} groups of {column} are not compared: fewer than {FEWEST} rows, or not among the largest"] \
        if left and two is None else []
    return {name: names == name for name in chosen}, notes


def grouped(values: pa.Array) -> Any:
    """Return the group of each row as text, empty where it is missing; numbers of many values are cut at their quartiles."""
    values = values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
    missing = np.asarray(values.is_null().to_numpy(zero_copy_only=False), bool)
    if kind_of(values.type) == "number" and not pa.types.is_temporal(values.type) and len(values.unique()) > _FEW:
        numbers = np.asarray(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
        inner = edges(numbers, _BINS)
        ends = [f"{each:.6g}" for each in inner]
        labels = np.array([f"< {ends[0]}", *(f"[{low}, {high})" for low, high in itertools.pairwise(ends)), f">= {ends[-1]}"])
        return np.where(missing | np.isnan(numbers), "", labels[np.searchsorted(inner, numbers, side="right").clip(0, len(inner))])
    texts = np.array([str(each) if each is not None else "" for each in values.to_pylist()])
    return np.where(missing, "", texts)


def powers(subject: Subject, column: str, group: str | None = None, other: str | None = None) -> dict[str, Value]:
    """Return how well each input tells a group of a column from another (from all others, where none is named), 0 to 1.

    It is the screen ``proxy_power``, of this column alone; without a group the best over its six largest ones, as of more than two groups
    the rare ones would not count.
    """
    study = subject.study()
    names = grouped(study.data.column(column))
    if group is None:
        known, counts = np.unique(names[names != ""], return_counts=True)
        found: dict[str, Value] = {}
        for place in np.argsort(-counts, kind="stable")[:GROUPS]:
            for name, each in powers(subject, column, str(known[place])).items():
                if name not in found or (each.value or 0.0) > (found[name].value or 0.0):
                    found[name] = each
        return found
    there = (names != "") if other is None else (names == group) | (names == other)
    two = pa.array(np.where(names == group, "1", "0"), mask=~there)
    table = study.data.table.set_column(study.data.table.column_names.index(column), column, two)
    roles = {role: columns for role, columns in study.schema.roles.items() if role not in ("protected", "forbidden", "feature")}
    fixed = {role: some for role, some in roles.items() if column not in ([some] if isinstance(some, str) else some)}
    arrow = study.schema.arrow
    arrow = arrow.set(arrow.get_field_index(column), pa.field(column, pa.string()))
    schema = Schema.of(arrow, {**fixed, "protected": [column]}, where=study.data.name, media=study.schema.media)
    alone = Study(dataclasses.replace(study.data, schema=schema, table=table), None, None, study.model, study.logged, study.target)
    title = f"power to tell {column} {group}" + (f" from {other}" if other is not None else "")
    return {str(each.column): each.replace(metric=title) for each in SCREENS["proxy_power"].values(alone)
            if each.value is not None and each.column is not None}


def _judged(found: Sequence[Proxy], made: Change, schema: Schema) -> tuple[list[str], list[Finding]]:
    """Return what is noted of proxies that a person has judged, and the findings that nobody has."""
    notes, findings = [], []
    for each in found:
        says = (f"{each.column} tells {each.attribute} ({each.power.value or 0:.2f} of 1) and brings {each.contribution.value or 0:+.2g} "
                f"of the gap of {made.difference.value or 0:+.2g} in the {made.quantity} between {made.names[1]} and {made.names[0]} "
                f"({each.share:.0%})")
        if each.column in schema.forbidden:
            findings.append(Finding("forbidden influence", f"{says}; it is forbidden", {"column": each.column}))
        elif each.judged:
            notes.append(f"{says}; justified: {each.reason}")
        else:
            findings.append(Finding("proxies", f"{says}; is it justified?", {"column": each.column}, outcome="warn"))
    told_of = {each.column for each in found}
    findings += [Finding("forbidden influence", f"{value.column} is forbidden, and brings {value.value:+.2g} of the gap of "
                         f"{made.difference.value or 0:+.2g} in the {made.quantity}", {"column": value.column})
                 for value in made.contributions if value.column in schema.forbidden and value.column not in told_of and value.value]
    return notes, findings


def _once(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple({each.sentence: each for each in findings}.values())
