"""Why a score or an error moved between two periods, two parts of the data or two files: the split first, then the inputs.

``between(ground, two)`` is the question, which ``verbs.explain`` asks; ``sided``, ``told``, ``shares``, ``turned``, ``shown`` and
``pictured`` serve ``verbs.disparity`` and ``verbs.cause``, which tell changes too.
"""

from __future__ import annotations

import calendar
import dataclasses
import datetime as dt
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from assay.data.predicate import quoted
from assay.data.source import Source, source
from assay.errors import ConfigError, DataError, EmptyDataError, listed
from assay.explain.change import FEWEST, LEVEL, Change, Rows, change
from assay.explain.mean import OUTCOME, outputs
from assay.explain.split import PARTS, Split, apart, split
from assay.result import Figure, Value
from assay.summary.hashing import hashes
from assay.verbs.explain.explanation import Ground, Part, drawn, number
from assay.verbs.explain.picture import waterfall
from assay.verbs.explain.steady import unsteady
from assay.verbs.subject import fits

__all__ = ["ROWS", "between", "called_for", "known", "pictured", "shares", "shown", "sided", "told", "turned"]

Array = np.ndarray[Any, Any]

ROWS = 10_000    # of each side, drawn at random; contributions that must be sampled are those of fewer
_TOLD = 3        # inputs in a sentence
_ASIDE = 3       # inputs that are left aside where two sides do not overlap
_PERIOD = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:[T ](\d{2})(?::(\d{2}))?)?)?)?")
_ENDS = (".parquet", ".csv", ".csv.gz", ".arrow", ".feather", ".ipc")
_NAMES = {"error": "accuracy", "loss": "loss", "score": "mean score", "log-odds": "mean log-odds", "decision": "share"}


def between(ground: Ground, two: Sequence[Any]) -> Part:
    """Return why the score, and the error where labels are there, is another in the second of two parts of the data than in the first.

    A part is a period of the column with the role ``timestamp`` (``2013``, ``2013-02``, ``2013-02-14``, ``2013-02-14 09``,
    ``2013-02-14 09:30``, or the time from one to the end of another: ``2013-02..2013-04``), a predicate, or other data. The quantity is
    that of the ground; without one, the accuracy (the squared error where numbers are predicted), and the score.
    """
    if len(two) != 2:
        raise ConfigError(f"{len(two)} parts were given", expected="two: what it was before, and after", hint="--between 2013-02 2013-07")
    parts = [_part(ground, each) for each in two]
    if parts[0][0] == parts[1][0]:
        raise ConfigError(f"both parts are {parts[0][0]}", expected="two parts that differ")
    tables = [(name, drawn(found, ground.rows or ROWS, ground.seed, _columns(ground, found))) for name, found in parts]
    for name, table in tables:
        if table.num_rows < FEWEST:
            raise DataError(f"{name} has {table.num_rows} rows", where=ground.subject.data.name, expected=f"at least {FEWEST} rows")
    quantities = [ground.quantity] if ground.quantity else called_for(ground, [table for _, table in tables])
    sentences: list[str] = []
    values: list[Value] = []
    figures: list[Figure] = []
    notes: list[str] = []
    about: dict[str, Any] = {}
    for quantity in quantities:
        sides = [sided(ground, name, table, quantity) for name, table in tables]
        made, cut, thin = explained(ground, sides, quantity)
        sentences += [each for each in (told(made, cut, ground), thin) if each]
        whole = made.difference.replace(metric=f"{made.quantity} change")
        values += [*(each.replace(slice={"part": name}) for each, name in zip(made.means, made.names, strict=True)), whole,
                   *([] if cut is None else cut.parts), *shown(made)]
        figures += [*([] if cut is None or not cut.parts else [_drawn(made, cut)]), *pictured(made)]
        notes += made.notes
        about |= {f"method of {made.quantity}": made.method, "compared with": ground.compared, "background": made.background[:12],
                  f"rows of {made.quantity}": f"{len(sides[0]):,} and {len(sides[1]):,} drawn, of {made.rows:,} the contributions"}
    notes += unsteady(ground.model, ground.inputs_of(tables[1][1]))
    about["gap of sums"] = f"{abs(made.gap):.1g}"
    notes.append("intervals are of what the rows are drawn from, given the background; what inputs did together is shared between them")
    return Part(tuple(sentences), tuple(values), tuple(figures), notes=tuple(dict.fromkeys(notes)), about=about)


def explained(ground: Ground, sides: Sequence[Rows], quantity: str) -> tuple[Change, Split | None, str | None]:
    """Return the change of one quantity, its split where labels are there, and why there is none."""
    target = ground.subject.target
    place = None if target is None else target.positive if ground.target is None else target.place(ground.target)
    threshold = None if target is None else target.threshold
    made = turned(change(ground.model, sides[0], sides[1], ground.behind, quantity=quantity, place=place, threshold=threshold,
                         seed=ground.seed, **({"asked": ground.budget} if ground.budget else {})))
    if quantity not in ("error", "loss"):
        return made, None, None
    lost = [outputs(ground.model, each.batch, quantity, labels=each.labels, place=place, threshold=threshold) for each in sides]
    sign = -1.0 if quantity == "error" else 1.0
    weight = None if sides[0].weight is None or sides[1].weight is None else (sides[0].weight, sides[1].weight)
    group = None if sides[0].group is None or sides[1].group is None else (sides[0].group, sides[1].group)
    left: list[str] = []
    found = None
    while found is None or (found.shared is not None and not found.parts and len(left) < _ASIDE):
        batches = [each.batch.drop_columns(left) for each in sides] if left else [each.batch for each in sides]
        found = split(batches[0], batches[1], (sign * lost[0], sign * lost[1]), metric=f"{made.quantity} change", weight=weight,
                      group=group, seed=ground.seed)
        worst = apart(*batches) if not found.parts and found.shared is not None else None
        if worst is None or len(batches[0].schema.names) < 2:
            break
        left.append(worst[0])
    why = found.note
    if left and found.parts:
        why = (f"{listed(left)} {'is' if len(left) == 1 else 'are'} left aside in the kinds of change, where the two sides hardly overlap: "
               "what it did counts as other outcomes for the same inputs")
    parts = tuple(each.replace(metric=f"{made.quantity} change by {name}", note=None, against=sides[0].name, unit=made.difference.unit)
                  for each, name in zip(found.parts, PARTS, strict=False))
    return made, dataclasses.replace(found, parts=parts), why


# sides ----------------------------------------------------------------------------------------------------------------------------


def _part(ground: Ground, given: Any) -> tuple[str, Source]:
    """Return what one side is called, and its rows."""
    data = ground.subject.data
    schema = data.schema
    if not isinstance(given, str | Path):
        return f"the {type(given).__name__.lower()}", _other(ground, given)
    text = str(given).strip()
    periods = [_PERIOD.fullmatch(each.strip()) for each in text.split("..")]
    if len(periods) <= 2 and all(periods):
        if schema.timestamp is None:
            raise ConfigError(f"'{text}' is a time, and no column holds one", where=data.name, expected="columns: {timestamp: COLUMN}",
                              hint="--timestamp COLUMN")
        first, last = (_ends(each)[place] for place, each in zip((0, 1), (periods[0], periods[-1]), strict=True) if each is not None)
        if first >= last:
            raise ConfigError(f"'{text}' ends before it begins", expected="the earlier time first")
        column = quoted(schema.timestamp)
        try:
            found = source(data, where=f"{column} >= '{first}' and {column} < '{last}'")
            next(iter(found.batches([schema.timestamp])), None)
        except EmptyDataError:
            raise ConfigError(f"no row is of {text}", where=data.name, expected=_span(data)) from None
        return text, found
    if Path(text).exists() or text.lower().endswith(_ENDS) or "://" in text:
        return Path(text).name, _other(ground, text)
    return text, source(data, where=text)


def _other(ground: Ground, given: Any) -> Source:
    roles = dict(ground.subject.data.schema.roles)
    names = set(source(given).schema.names)
    kept = {role: columns for role, columns in roles.items() if role != "available_at" and all(
        each in names for each in ([columns] if isinstance(columns, str) else columns))}
    kept.pop("feature", None)
    found = source(given, **kept)
    fits(ground.model, found)
    return found


def _ends(period: re.Match[str]) -> tuple[str, str]:
    """Return the first moment of a year, a month, a day, an hour or a minute, and the first after it."""
    year, month, day, hour, minute = (int(each) if each else None for each in period.groups())
    try:
        first = dt.datetime(year or 1, month or 1, day or 1, hour or 0, minute or 0)   # noqa: DTZ001 (in the zone of the column)
        days = 1 if day else calendar.monthrange(first.year, first.month)[1] if month else 366 if calendar.isleap(first.year) else 365
        length = dt.timedelta(days) if hour is None else dt.timedelta(hours=1) if minute is None else dt.timedelta(minutes=1)
        return (first.isoformat(" ", "minutes"), (first + length).isoformat(" ", "minutes")) if hour is not None else (
            first.date().isoformat(), (first + length).date().isoformat())
    except (ValueError, OverflowError):
        raise ConfigError(f"'{period.string.strip()}' is no time", expected="a year, a month, a day, an hour or a minute, such as 2013-02 "
                          "or '2013-02-14 09:30'") from None


def _span(data: Source) -> str:
    """Return from when to when a source has rows, in words."""
    name = data.schema.timestamp
    ends = [pa.compute.min_max(batch.column(0)).as_py() for batch in data.batches([str(name)]) if batch.num_rows]
    known_ = [each for each in ends if each["min"] is not None]
    if not known_:
        return f"a time in '{name}'"
    return f"between {min(each['min'] for each in known_)} and {max(each['max'] for each in known_)}"


def _columns(ground: Ground, found: Source) -> list[str]:
    """Return what is read of one side: inputs, the label, the weight, who belongs together."""
    schema = found.schema
    extra = [each for each in (schema.label, schema.weight, schema.entity) if each]
    return list(dict.fromkeys([*ground.inputs, *extra]))


def known(ground: Ground, table: pa.Table) -> int:
    """Return how many rows of a table have a label."""
    label = ground.subject.data.schema.label
    return 0 if label is None or label not in table.column_names else table.num_rows - table[label].null_count


def called_for(ground: Ground, tables: Sequence[pa.Table]) -> list[str]:
    """Return what to explain where nothing is said: the error where both sides have labels, and the score."""
    numbers = ground.model.signature.classes is None
    found = (["loss"] if numbers else ["error"]) if all(known(ground, each) >= FEWEST for each in tables) else []
    return [*found, "score"] if numbers or ground.target is not None else found or ["score"]


def sided(ground: Ground, name: str, table: pa.Table, quantity: str) -> Rows:
    """Return one side of a change: the rows of a table, those with a label where the quantity needs one."""
    schema = ground.subject.data.schema
    labels = None
    if quantity in ("error", "loss"):
        if schema.label is None or schema.label not in table.column_names:
            raise ConfigError(f"the {quantity} needs labels", expected=f"a label of each row of {name}", hint="--label COLUMN")
        table = table.filter(table[schema.label].is_valid())
        labels = table[schema.label].combine_chunks()
    weight = group = None
    if schema.weight in table.column_names:
        weight = np.nan_to_num(np.asarray(table[schema.weight].cast(pa.float64()).to_numpy(), np.float64)).clip(0)
    if schema.entity in table.column_names:
        group = hashes(table[schema.entity].combine_chunks())
        lone = table[schema.entity].is_null().to_numpy(zero_copy_only=False)
        group = np.where(lone, hashes(pa.array(np.arange(len(group)).astype(str)), 29), group)
    return Rows(name, ground.inputs_of(table), labels, weight, group)


# words and pictures ---------------------------------------------------------------------------------------------------------------


def turned(made: Change) -> Change:
    """Return a change of the error as one of the accuracy, which people speak of; any other as it is."""
    if made.quantity != "error":
        return made

    def other(value: Value, metric: str, start: float = 0.0) -> Value:
        assert value.spread is not None
        spread = dataclasses.replace(value.spread, estimate=start - value.spread.estimate)
        return Value.of(metric, spread, n=value.n, column=value.column, unit=value.unit, against=value.against)

    return dataclasses.replace(
        made, quantity="accuracy", means=(other(made.means[0], "accuracy", 1.0), other(made.means[1], "accuracy", 1.0)),
        difference=other(made.difference, "accuracy"), contributions=tuple(other(each, "accuracy change") for each in made.contributions))


def shown(made: Change) -> list[Value]:
    """Return the contributions that are not nothing."""
    least = 1e-9 * max((abs(each.value or 0.0) for each in made.contributions), default=0.0)
    return [each for each in made.contributions if abs(each.value or 0.0) > least]


def told(made: Change, cut: Split | None, ground: Ground | None = None) -> str:
    """Return a change in one sentence: how much, by which kind, and by which inputs.

    >>> from assay.result import Spread
    >>> v = lambda name, x, column=None: Value.of(name, Spread("normal", x, error=0.001), n=100, column=column)
    >>> means = v("accuracy", 0.9), v("accuracy", 0.87)
    >>> told(Change("accuracy", ("May", "June"), means, v("accuracy", -0.03), (v("accuracy change", -0.03, "x"),), ""), None)
    'accuracy is 0.03 [0.028, 0.032] lower in June (0.87) than in May (0.9): -0.03 [-0.032, -0.028] by x'
    """
    before, after = (number(each.value) for each in made.means)
    name = _name(made, ground)
    value, low, high = (made.difference.value or 0.0, made.difference.low or 0.0, made.difference.high or 0.0)
    if low <= 0 <= high:
        head = (f"{name} is {after} in {made.names[1]} and {before} in {made.names[0]}, a difference of {value:+.2g} "
                f"[{low:+.2g}, {high:+.2g}], which may be chance")
    else:
        ends = f"[{number(min(abs(low), abs(high)))}, {number(max(abs(low), abs(high)))}]"
        head = (f"{name} is {number(abs(value))} {ends} {'lower' if value < 0 else 'higher'} in {made.names[1]} ({after}) "
                f"than in {made.names[0]} ({before})")
    if cut is not None and cut.parts:
        kinds = ", ".join(f"{_figure(each)} by {kind}" for each, kind in zip(cut.parts, PARTS, strict=True))
        return f"{head}: {kinds}; of inputs: {shares(made)}"
    return f"{head}: {shares(made)}"


def shares(made: Change) -> str:
    """Return in words what the largest of the inputs brought, where any of all brought what chance alone would not."""
    value = made.difference.value or 0.0
    if not any((each.low or 0.0) > 0 or (each.high or 0.0) < 0 for each in made.contributions):
        return "no input has a share that chance could not bring"
    # by size, whatever is certain of them: a small share that is certain must not stand before a large one that is not
    largest = sorted(made.contributions, key=lambda each: -abs(each.value or 0.0))
    inputs = ", ".join(f"{_figure(each)} by {_called(str(each.column))}" for each in largest[:_TOLD] if each.value)
    rest = sum(each.value or 0.0 for each in largest[_TOLD:])
    return inputs + (f", {rest:+.2g} by all others" if abs(rest) > 0.05 * abs(value) else "")


def _name(made: Change, ground: Ground | None) -> str:
    if made.quantity == "loss" and ground is not None and ground.model.signature.classes is None:
        return "the squared error"
    name = _NAMES.get(made.quantity, made.quantity)
    if ground is None or ground.target is None or made.quantity in ("accuracy", "loss"):
        return name if made.quantity == "accuracy" else f"the {name}"
    label = ground.subject.data.schema.label
    return f"the {name} {'decided' if made.quantity == 'decision' else 'of'} {f'{label} = ' if label else ''}{ground.target}"


def _called(column: str) -> str:
    return {OUTCOME: "the outcomes themselves", LEVEL: "the level of the answers"}.get(column, column)


def _figure(value: Value) -> str:
    return f"{value.value or 0.0:+.2g} [{value.low or 0.0:+.2g}, {value.high or 0.0:+.2g}]"


def pictured(made: Change, *, title: str | None = None) -> list[Figure]:
    """Return the waterfall from one mean to the other."""
    values = shown(made)
    if not values:
        return []
    start, end = (each.value or 0.0 for each in made.means)
    title = title or f"Why {_NAMES.get(made.quantity, made.quantity)} moved"
    drawn_ = waterfall(values, [_called(str(each.column)) for each in values], start=start, start_name=f"{made.names[0]} {number(start)}",
                       end_name=f"{made.names[1]} {number(end)}", title=title,
                       sentence=f"what each input brought to the change of {made.quantity}, with its interval", aspect="change")
    return [dataclasses.replace(drawn_, name=f"change of {made.quantity}")]


def _drawn(made: Change, cut: Split) -> Figure:
    """Return the three parts of a change with their intervals."""
    table: dict[str, tuple[Any, ...]] = {"kind": PARTS, "change": tuple(each.value for each in cut.parts),
                                         "low": tuple(each.low for each in cut.parts), "high": tuple(each.high for each in cut.parts)}
    shared = "" if cut.shared is None else f"; of 1, {cut.shared:.2f} of the inputs are shared"
    return Figure(f"{made.quantity} split", "interval", f"Kinds of change of {made.quantity}", table, x="kind", y=("change",), low=("low",),
                  high=("high",), sentence=f"the three add up to the change{shared}", aspect="change", mark=0.0, mark_name="no change")
