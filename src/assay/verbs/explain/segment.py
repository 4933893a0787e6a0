"""Where is a model weak, overfit, unfair, unlike the champion; where did the data move: ``explain``'s question about segments.

``segment(ground, what)`` is the question: it makes a number a row of models and data sets, and words of what ``assay.segment`` finds.
``verbs.explain`` asks it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from assay.data.source import Source
from assay.engine import label as labels
from assay.errors import ConfigError, UnknownNameError
from assay.model import guard
from assay.model.answer import Answer
from assay.model.model import Model
from assay.result import Better, Figure, Scalar, Spread, Value
from assay.segment.segment import Direction, Found, Segment, segments
from assay.verbs.explain.disparity import grouped
from assay.verbs.explain.explanation import Ground, Part, drawn, number, table_of
from assay.verbs.explain.steady import unsteady

__all__ = ["KINDS", "segment"]

Array = np.ndarray[Any, Any]

KINDS = ("error", "overfit", "drift", "disparity", "champion")
ROWS = 1_000_000    # of each data set, drawn evenly where there are more
TOLERANCE = 0.1     # of the loss of all rows, or of a share: a difference of less is not worth a line
PAIRED = 0.02       # the same of two models on the same rows
DECIDED = 0.02      # of the rows that are decided one way, where groups are compared
WEIGHT = 3.0        # of a segment's rows in the training whose cost is told
RATE = 0.05         # of what is shown, that is false
_TOLD = 5
_BATCH = 65_536


def segment(ground: Ground, what: str = "error", *, tolerance: float | None = None) -> Part:
    """Return the segments of the data in which something differs from the rest, found on one half of the rows and confirmed on the other.

    ``what``: ``"error"`` (the loss is higher), ``"overfit"`` (it exceeds that of the training data by more than elsewhere), ``"drift"``
    (the share of rows differs from the reference's), ``"disparity"`` (the gap in the decision, or with the quantity ``"score"`` in the
    score, between the largest group of the protected column and the others), ``"champion"`` (the loss differs from the champion's).
    The loss is 1 for a wrong class and 0 for the right one, or the absolute error; with the quantity ``"loss"`` the log loss.
    Differences of ``tolerance`` or less are not told (a tenth of the loss, of the share; 0.02 in decisions).

    Raises ``ConfigError`` for what is misspelt or needs data that are not there.
    """
    if what not in KINDS:
        raise UnknownNameError.among("kind of segments", what, KINDS)
    if tolerance is not None and not tolerance >= 0:
        raise ConfigError(f"a tolerance of {tolerance} means nothing", expected="0 or more")
    cases = _CASES[what](ground, tolerance)
    rate = RATE / max(len(cases), 1)   # of several questions together no more is false than of one
    parts = [_part(ground, case, segments(case.table, case.value, side=case.side, weight=case.weight, entity=case.entity,
                                          tolerance=case.tolerance, direction=case.direction, columns=case.columns, cyclic=case.cyclic,
                                          rate=rate, seed=ground.seed), rate) for case in cases]
    return _joined(parts, [case.group for case in cases], unsteady(ground.model, ground.inputs_of(cases[0].table.slice(0, 1000)))
                   if what != "drift" and not getattr(_model(ground), "recorded", False) else ())


def _joined(parts: Sequence[Part], groups: Sequence[str], notes: Sequence[str]) -> Part:
    """Return the answers for several columns of groups as one; figures and numbers of each are told apart by its name."""
    if len(parts) == 1:
        return dataclasses.replace(parts[0], notes=(*notes, *parts[0].notes))
    figures = tuple(dataclasses.replace(each, name=f"{each.name} {group}", title=f"{each.title}, {group}")
                    for part, group in zip(parts, groups, strict=True) for each in part.figures)
    about = {f"{name}, {group}": value for part, group in zip(parts, groups, strict=True) for name, value in part.about.items()}
    return Part(tuple(each for part in parts for each in part.sentences), tuple(each for part in parts for each in part.values), figures,
                notes=tuple(dict.fromkeys([*notes, *(each for part in parts for each in part.notes)])), about=about)


@dataclass(frozen=True, eq=False)
class _Case:
    """What is searched, and its words: the ``name`` of the number, ``all`` rows' in a sentence, what segments are ``compared`` with."""

    table: pa.Table
    columns: Sequence[str]
    value: Array | None
    side: Array | None
    weight: Array | None
    entity: Any
    tolerance: float
    direction: Direction
    name: str
    all: str
    overall: float | None
    compared: str = "elsewhere"
    total: str = ""
    cyclic: tuple[str, ...] = ()
    group: str = ""


# what is compared -----------------------------------------------------------------------------------------------------------------


def _error(ground: Ground, tolerance: float | None) -> list[_Case]:
    table, columns = _rows(ground, ground.subject.data)
    loss, name = _losses(ground, _model(ground), ground.subject.data, table)
    mean = _mean(loss, _weight(ground, table))
    return [_case(ground, table, columns, loss, tolerance=TOLERANCE * mean if tolerance is None else tolerance, name=name,
                 all=f"the {name} is {number(mean)} in {table.num_rows:,} rows of {_called(ground.subject.data)}", overall=mean,
                 total="errors" if name == "error rate" else f"of the {name}")]


def _overfit(ground: Ground, tolerance: float | None) -> list[_Case]:
    subject = ground.subject
    train = subject.source("train")
    parts = [(*_rows(ground, each), each) for each in (subject.data, train)]
    losses = [_losses(ground, _model(ground), each, table) for table, _, each in parts]
    table, columns, side = _stacked(parts[0], parts[1])
    means = [_mean(loss, None) for loss, _ in losses]
    name = losses[0][1]
    return [_case(ground, table, columns, np.concatenate([each for each, _ in losses]), side=side, name=f"{name} above training",
                 tolerance=TOLERANCE * means[0] if tolerance is None else tolerance, overall=means[0] - means[1],
                 all=f"the {name} is {number(means[0])} in {_called(subject.data)} and {number(means[1])} in the training data")]


def _drift(ground: Ground, tolerance: float | None) -> list[_Case]:
    subject = ground.subject
    reference = subject.source("reference")
    table, columns, side = _stacked((*_rows(ground, subject.data), subject.data), (*_rows(ground, reference), reference))
    return [_case(ground, table, columns, None, side=side, tolerance=TOLERANCE if tolerance is None else tolerance, direction="both",
                 name="share of rows", compared=f"in {_called(reference)}", overall=None,
                 all=f"{int((side == 0).sum()):,} rows of {_called(subject.data)} compared with {int((side == 1).sum()):,} of "
                     f"{_called(reference)}")]


def _disparity(ground: Ground, tolerance: float | None) -> list[_Case]:
    data = ground.subject.data
    if not data.schema.protected:
        raise ConfigError("no column is protected, so that there are no groups to compare", where=data.name,
                          hint="--protected COLUMN, or columns: {protected: [COLUMN]} in assay.yaml")
    table, columns = _rows(ground, data)
    value, name = _decision(ground, table)
    return [_gap(ground, table, columns, value, name, column, tolerance) for column in data.schema.protected]


def _gap(ground: Ground, table: pa.Table, columns: Sequence[str], value: Array, name: str, column: str, tolerance: float | None) -> _Case:
    """Return the question where the gap between the largest group of a protected column and the others is another than elsewhere."""
    groups = grouped(table.column(column).combine_chunks())
    names, counts = np.unique(groups[groups != ""], return_counts=True)
    if len(names) < 2:
        raise ConfigError(f"the protected column '{column}' has fewer than two groups", where=ground.subject.data.name)
    largest = str(names[np.argmax(counts)])   # of equals the first by name
    side = (groups == largest).astype(np.uint8)
    value = np.where(groups == "", np.nan, value)
    known = np.isfinite(value)
    gap = float(value[known & (side == 0)].mean() - value[known & (side == 1)].mean())
    usual = DECIDED if name != "score" else TOLERANCE * float(np.nanstd(value))
    others = next(str(each) for each in names if each != largest) if len(names) == 2 else "all others"
    many = len(ground.subject.data.schema.protected) > 1
    made = _case(ground, table, [each for each in columns if each != column], value, side=side, direction="both", overall=gap,
                 tolerance=usual if tolerance is None else tolerance, name=f"gap in the {name}" + (f" by {column}" if many else ""),
                 all=f"the {name} of {column} {others} is {number(abs(gap))} {'above' if gap > 0 else 'below'} that of {column} {largest}")
    return dataclasses.replace(made, group=column)


def _champion(ground: Ground, tolerance: float | None) -> list[_Case]:
    champion = ground.subject.models.get("champion")
    if champion is None:
        raise ConfigError("there is no champion to compare the model with", hint="--champion FILE, or champion: FILE in assay.yaml")
    table, columns = _rows(ground, ground.subject.data)
    (mine, name), (theirs, _) = (_losses(ground, each, ground.subject.data, table) for each in (_model(ground), champion))
    mean, difference = _mean(theirs, None), _mean(mine - theirs, _weight(ground, table))
    way = "more" if difference > 0 else "less"
    return [_case(ground, table, columns, mine - theirs, tolerance=PAIRED * mean if tolerance is None else tolerance, direction="both",
                 name=f"{name} less the champion's", overall=difference,
                 all=f"the {name} is {number(abs(difference))} {way} than the champion's {number(mean)} in {table.num_rows:,} rows")]


_CASES = {"error": _error, "overfit": _overfit, "drift": _drift, "disparity": _disparity, "champion": _champion}


def _case(ground: Ground, table: pa.Table, columns: Sequence[str], value: Array | None, *, side: Array | None = None, tolerance: float,
          direction: Direction = "higher", name: str, all: str, overall: float | None, compared: str = "elsewhere",
          total: str = "") -> _Case:
    entity = ground.subject.data.schema.entity
    keys = table.column(entity) if entity is not None and entity in table.column_names else None
    timestamp = ground.subject.data.schema.timestamp
    # two data sets are of two times: that says nothing; hours and days of the week may
    cyclic = (timestamp,) if timestamp is not None and side is not None else ()
    return _Case(table, columns, value, side, _weight(ground, table), keys, tolerance, direction, name, all, overall, compared, total,
                 cyclic)


# rows and numbers -----------------------------------------------------------------------------------------------------------------


def _model(ground: Ground) -> Model:
    model = ground.subject.models.get("model")
    if model is None:
        raise ConfigError("there is no model whose errors could be looked at", expected="a model, or logged predictions",
                          hint="--model FILE, or model: FILE in assay.yaml")
    return model


def _rows(ground: Ground, data: Source) -> tuple[pa.Table, list[str]]:
    """Return rows of a source, and by which of their columns they are cut; texts and images by what is measured of them."""
    schema = data.schema
    aside = {schema.id, schema.entity, schema.query, schema.weight, schema.prediction, *schema.score, *schema.labels}
    named = [*schema.features, *schema.protected, *schema.forbidden, *filter(None, [schema.timestamp])]
    cut = [each for each in dict.fromkeys(named) if each not in aside and each in schema.names]
    model = ground.subject.models.get("model")
    needed = [*(model.signature.names or () if model is not None else ()), *cut, *filter(None, aside)]
    table = drawn(data, ground.rows or ROWS, ground.seed, [each for each in schema.names if each in set(needed)])
    medium = ground.subject.media
    made = [name for each in cut if each in medium for name in schema.shown(each)]
    if made:
        parts = [schema.joined(batch, made) for batch in table.combine_chunks().to_batches(max_chunksize=_BATCH)]
        table = pa.Table.from_batches(parts)
    return table, [*(each for each in cut if each not in medium), *made]


def _stacked(one: tuple[pa.Table, list[str], Source], other: tuple[pa.Table, list[str], Source]) -> tuple[pa.Table, list[str], Array]:
    """Return the rows of two sources as one table of the columns that both have alike, and which side each is on."""
    (first, columns, _), (second, theirs, _) = one, other
    both = [each for each in columns if each in theirs]
    names = [each for each in first.column_names if each in second.column_names and (each in both or each not in columns)]
    tables = []
    for table in (first.select(names), second.select(names)):
        plain = [each.type.value_type if pa.types.is_dictionary(each.type) else each.type for each in table.schema]
        tables.append(table.cast(pa.schema([pa.field(name, kind) for name, kind in zip(names, plain, strict=True)])))
    kept = [name for name in names if _joinable(tables[0].schema.field(name).type, tables[1].schema.field(name).type)]
    whole = pa.concat_tables([each.select(kept) for each in tables], promote_options="permissive")
    side = np.repeat(np.array([0, 1], np.uint8), [first.num_rows, second.num_rows])
    return whole, [each for each in both if each in kept], side


def _joinable(one: pa.DataType, other: pa.DataType) -> bool:
    numbers = [pa.types.is_integer(each) or pa.types.is_floating(each) for each in (one, other)]
    return bool(one == other or all(numbers) or pa.types.is_null(one) or pa.types.is_null(other))


def _weight(ground: Ground, table: pa.Table) -> Array | None:
    name = ground.subject.data.schema.weight
    if name is None or name not in table.column_names:
        return None
    return np.asarray(table.column(name).cast(pa.float64()).to_numpy(), np.float64)


def _answers(model: Model, table: pa.Table) -> list[Answer]:
    return [guard.answer(model, each) for each in table.combine_chunks().to_batches(max_chunksize=_BATCH)]


def _losses(ground: Ground, model: Model, data: Source, table: pa.Table) -> tuple[Array, str]:
    """Return the loss of each row, NaN without a label, and what it is called."""
    target, name = ground.subject.target, data.schema.label
    if name is None or name not in table.column_names:
        raise ConfigError("errors need labels", where=data.name, hint="name the label: --label COLUMN, or columns: {label: COLUMN}")
    assert target is not None
    if target.task not in ("binary", "multiclass", "regression"):
        raise ConfigError(f"segments of errors are not looked for in {target.task}", expected="classes or numbers")
    column, answers = table.column(name).combine_chunks(), _answers(model, table)
    if target.task == "regression":
        truth = labels.numbers(column, name=name, where=data.name)
        said = np.concatenate([np.asarray(each.value, np.float64) for each in answers])
        return np.abs(said - truth), "absolute error"
    codes = labels.codes(column, target.classes, name=name, where=data.name)
    unknown = codes == labels.MISSING
    if ground.quantity == "loss" and all(each.score is not None and each.scores != "score" for each in answers):
        scores = np.concatenate([np.asarray(each.score, np.float64) for each in answers])
        chance = scores[np.arange(len(codes)), np.where(unknown, 0, codes)]
        return np.where(unknown, np.nan, -np.log(np.clip(chance, np.finfo(np.float64).eps, 1.0))), "log loss"
    said = np.concatenate([_decided(ground, each) for each in answers])
    return np.where(unknown, np.nan, (said != codes).astype(np.float64)), "error rate"


def _decided(ground: Ground, answer: Answer) -> Array:
    """Return the class of each row: by the threshold where there is one, else as the model says."""
    target = ground.subject.target
    if target is not None and target.threshold is not None and target.positive is not None and answer.score is not None:
        return np.where(answer.score[:, target.positive] >= target.threshold, target.positive, 1 - target.positive)
    if answer.prediction is not None:
        return answer.prediction
    assert answer.score is not None
    found: Array = answer.score.argmax(axis=1)
    return found


def _decision(ground: Ground, table: pa.Table) -> tuple[Array, str]:
    """Return what is decided of each row as 0 or 1, the score where that was asked for, or the number."""
    target, answers = ground.subject.target, _answers(_model(ground), table)
    assert target is not None
    if target.task == "regression":
        return np.concatenate([np.asarray(each.value, np.float64) for each in answers]), "prediction"
    if target.positive is None:
        raise ConfigError("gaps between groups need a positive class", hint="--positive CLASS")
    if ground.quantity == "score" and answers[0].score is not None:
        return np.concatenate([np.asarray(each.score)[:, target.positive] for each in answers]), "score"
    said = np.concatenate([_decided(ground, each) for each in answers])
    return (said == target.positive).astype(np.float64), f"share decided as {target.classes[target.positive]}"


def _mean(values: Array, weight: Array | None) -> float:
    known = np.isfinite(values)
    if not known.any():
        return math.nan
    return float(np.average(values[known], weights=None if weight is None else weight[known]))


def _called(data: Source) -> str:
    return data.name.rstrip("/").rpartition("/")[2] or data.name


# words ----------------------------------------------------------------------------------------------------------------------------


def _part(ground: Ground, case: _Case, found: Found, rate: float) -> Part:
    some = found.segments
    head = f"{case.all}; " + (f"{_counted(len(some), 'segment')} of the rows {'differs' if len(some) == 1 else 'differ'} from the rest "
                              f"by more than {_tolerance(case)}" if some else
                              f"no segment of the rows was confirmed to differ from the rest by more than {_tolerance(case)}")
    sentences = [head, *(_sentence(case, each) for each in some[:_TOLD])]
    values = [value for each in some for value in _values(case, each)]
    how = (f"{found.tried:,} conjunctions of up to three conditions were tried on {found.rows - found.confirmed_on:,} rows; "
           f"{found.candidates} were judged on the other {found.confirmed_on:,}, and at most {_percent(rate)} of what is shown is false "
           "on average")
    notes = [*found.notes, how]
    if len(some) > _TOLD:
        notes.append(f"{len(some) - _TOLD} more segments are in the table")
    if some and case.total:
        notes += _costs(case, some[0])
    if found.left:
        notes.append("not cut by " + ", ".join(f"{name} ({why})" for name, why in list(found.left.items())[:10]))
    about: dict[str, Scalar] = {"rows searched": found.rows, "conjunctions tried": found.tried, "tolerance": _tolerance(case)}
    return Part(tuple(sentences), tuple(values), _figures(case, found), notes=tuple(notes), about=about)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _tolerance(case: _Case) -> str:
    return f"{case.tolerance:.0%} of its share" if case.value is None else number(case.tolerance)


def _ends(spread: Spread) -> str:
    low, high = spread.interval()
    return f"{number(spread.estimate)} [{number(low)}, {number(high)}]"


def _sentence(case: _Case, one: Segment) -> str:
    """Return a segment in words: its conditions, both sides, and how much of all it is."""
    if case.value is None:
        low, high = one.difference.interval()
        text = (f"{one.words}: {_percent(one.inside.estimate)} of the rows against {_percent(one.outside.estimate)} {case.compared}, "
                f"{number(one.difference.estimate)} [{number(low)}, {number(high)}] times as many")
    else:
        text = (f"{one.words}: {case.name} {_ends(one.inside)} against {number(one.outside.estimate)} {case.compared}, "
                f"{_percent(one.share)} of the rows")
        if one.portion is not None and case.total:
            text += f", {_percent(one.portion)} {'of all ' if case.total == 'errors' else ''}{case.total}"
    if one.also:
        text += "; nearly the same rows: " + " or ".join(", ".join(each.words for each in other) for other in one.also)
    return text


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"


def _costs(case: _Case, one: Segment) -> list[str]:
    """Return what mending the first segment could gain at most, and what weighting its rows in a training would cost."""
    gain = one.share * one.difference.estimate
    share, worth = one.share, None
    if 0 < share < 1:
        mean = 1 + share * (WEIGHT - 1)
        worth = mean**2 / (1 + share * (WEIGHT**2 - 1))
    told = [(f"were the first segment as good as the rest, the {case.name} of all rows would be {number(gain)} lower: what a retraining "
             "could gain there at most")]
    if worth is not None:
        told.append(f"training with {WEIGHT:g} times the weight on its rows costs about {_percent(1 - worth)} of the worth of the training "
                    "rows (their variance); what it gains is not known without retraining")
    return told


def _values(case: _Case, one: Segment) -> list[Value]:
    place = {"segment": one.text or one.words}
    rows = max(one.steps[-1].rows if one.steps else one.rows, 0)
    note = None
    if one.also:
        note = "nearly the same rows: " + " or ".join(", ".join(each.words for each in other) for other in one.also)
    ratio = case.value is None
    better: Better | None = "lower" if case.total else None   # errors and losses
    return [Value.of(case.name, one.inside, n=rows, slice=place, note=note, better=better),
            Value.of(f"{case.name} {'ratio' if ratio else 'difference'}", one.difference, n=rows, slice=place, against=case.compared)]


def _figures(case: _Case, found: Found) -> tuple[Figure, ...]:
    some = found.segments
    if not some:
        return ()
    ends = [each.inside.interval() for each in some]
    columns = {"segment": [each.words for each in some], case.name: [each.inside.estimate for each in some],
               "low": [low for low, _ in ends], "high": [high for _, high in ends], "elsewhere": [each.outside.estimate for each in some],
               "rows": [each.rows for each in some]}
    plot = Figure("segments", "interval", f"Segments by {case.name}", table_of(columns), "segment", (case.name,), ("low",), ("high",),
                  sentence=f"{_counted(len(some), 'segment')}, on the half of the rows that they were not found on.",
                  mark=case.overall, mark_name="all rows" if case.overall is not None else "")
    return (plot, _tree(case, found)) if case.overall is not None else (plot,)


def _tree(case: _Case, found: Found) -> Figure:
    """Return the segments as a tree: all rows, then a condition at a time, what several share once."""
    names, numbers, lows, highs, rows, parents = ["all rows"], [case.overall], [case.overall], [case.overall], [found.confirmed_on], [None]
    known: dict[tuple[str, ...], int] = {(): 0}
    for one in found.segments:
        for step in one.steps:
            key = tuple(each.words for each in step.conditions)
            if key in known:
                continue
            low, high = step.inside.interval()
            known[key] = len(names)
            names.append(key[-1])
            numbers.append(step.inside.estimate)
            lows.append(low)
            highs.append(high)
            rows.append(step.rows)
            parents.append(known[key[:-1]])  # type: ignore[arg-type]
    table = {"condition": names, case.name: numbers, "low": lows, "high": highs, "rows": rows, "parent": parents}
    return Figure("segment tree", "tree", f"From all rows to segments, by {case.name}", table_of(table), "condition", (case.name,),
                  ("low",), ("high",), sentence="Each line adds a condition to the one above it.", mark=case.overall, mark_name="all rows")
