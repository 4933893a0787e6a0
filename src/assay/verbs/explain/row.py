"""Why one row got its answer: what each of its values contributed, compared with a stated group of rows.

``row(ground, id)`` is the question; ``found(ground, id)`` the row that an id names, which other questions about a row use too.
``verbs.explain`` and its questions use it.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pyarrow as pa

from assay.data.source import Source
from assay.errors import ConfigError, DataError, nearest
from assay.explain.attribution import Attributions
from assay.explain.stability import stability
from assay.model import guard
from assay.result import Scalar, Spread, Value
from assay.verbs.explain.explanation import Ground, Part, number, signed
from assay.verbs.explain.picture import waterfall
from assay.verbs.explain.piece import cell, pieces
from assay.verbs.explain.steady import unsteady

__all__ = ["Named", "found", "named", "row"]

Array = np.ndarray[Any, Any]
BUDGET = 50_000    # rows of a black box's answers, where nothing else is said
_TOLD = 4          # columns that the sentence names
_NOTHING = 1e-9    # of the largest value: less is rounding
_AGAIN = 3         # other samples of the background, where values are exact
_GROUPS = 10       # parts of a background, whose spread tells how far another one would move the values
_KNOWN = 50_000    # ids that are looked at for the nearest


@dataclasses.dataclass(frozen=True)
class Named:
    """One row of the data: ``table`` holds it alone, ``title`` names it in sentences, ``notes`` say how it was found."""

    table: pa.Table
    title: str
    id: Scalar
    notes: tuple[str, ...] = ()


def found(ground: Ground, id: Any) -> Named:
    """Return the row of an id, or of a number counted from 0 where no column is the id; raises ``DataError`` with the nearest."""
    data = ground.subject.data
    column = data.schema.id
    places = [_number(id, data)] if column is None else _places(data, column, str(id))
    table = _at(data, places[0])
    if table is None:
        raise DataError(f"there is no row {places[0]}{_some(data)}", where=data.name, hint="name the column of the id: --id COLUMN",
                        expected=f"a number from 0 to {_count(data) - 1:,}, as no column is the id")
    if column is None:
        note = f"no column is the id, so the row is number {places[0]:,} of {data.name}{_some(data)}, counted from 0"
        return Named(table, f"row {places[0]:,}", places[0], (note,))
    more = (f"{len(places)} rows have the {column} {id}: the first is explained",) if len(places) > 1 else ()
    return Named(table, f"{column.replace('_', ' ')} {id}", table.column(column)[0].as_py(), more)


def row(ground: Ground, id: Any) -> Part:
    """Return why a row got its answer: the contribution of each of its values, with intervals, the largest first."""
    one = found(ground, id)
    decision, chosen, notes = _decision(ground, one)
    kind = cell(ground, one.table)
    if kind is not None:
        part = pieces(ground, one.table, kind, title=one.title, chosen=chosen)
        return dataclasses.replace(part, sentences=(decision, *part.sentences), notes=(*one.notes, *notes, *part.notes))
    if not notes:   # else it is said already
        notes += unsteady(ground.model, ground.behind)
    made = _spread(ground, one, ground.attributions(one.table, target=chosen, budget=ground.budget or BUDGET), chosen)
    values = contributions(made, ground.behind.num_rows)
    sentence = _sentence(ground, made, values, one)
    about: dict[str, Scalar] = {"row": one.title, "quantity": ground.unit(made), "method": made.method, "compared with": ground.compared,
                                "additivity gap": f"{made.gap:.1g}", "intervals": _kind(made), "background": made.background[:12],
                                "stable": _stable(ground, one, made, chosen)}
    figures = (waterfall(values, [named(one.table, str(each.column)) for each in values], start=made.base, start_name="average",
                         end_name=one.title, title="From the average to this row", aspect="this row",
                         sentence=f"{ground.unit(made)}, from the average of {ground.compared} to {one.title}"),) if values else ()
    return Part((decision, sentence), tuple(values), figures, (made.result(),), notes=(*one.notes, *notes, *made.notes, *_silent(made)),
                about=about)


def _kind(made: Attributions) -> str:
    """Return what intervals are of, in words."""
    if made.method == "integrated gradients":
        return "none: what the values miss is the gap"
    return "exact" if made.error is None else "of the background, which is a sample" if made.method.startswith("exact") else "of sampling"


def _stable(ground: Ground, one: Named, made: Attributions, chosen: Any) -> str:
    """Return how far the values change with other seeds and other samples of the background, in words."""
    if made.method == "path dependent":
        return "exact, and no background is drawn: nothing hangs on chance"
    exact = made.method.startswith("exact")
    if exact and ground.whole:
        return "exact, and the background is whole: nothing hangs on chance"
    others = [dataclasses.replace(ground, seed=ground.seed + place) for place in range(1, 1 + (_AGAIN if exact else 1))]
    found = stability(made, [each.attributions(one.table, target=chosen, budget=ground.budget or BUDGET) for each in others])
    what = "samples of the background" if exact else "seed" if ground.whole else "seed and sample of the background"
    return f"{found}, with {len(others)} other {what}"


def contributions(made: Attributions, n: int) -> list[Value]:
    """Return the contribution of each column of the one row that was explained, the largest first; without those that have none."""
    out = []
    for name, value, error in zip(made.columns, made.values[0].tolist(), _errors(made), strict=True):
        df = float("inf") if made.df is None else float(made.df[0])
        spread = Spread("exact", value) if error is None else Spread("normal", value, error=error, df=df)
        out.append(Value.of("contribution", spread, n=n, column=name, unit=made.quantity, method=made.method))
    least = _NOTHING * max((abs(each.value or 0.0) for each in out), default=0.0)
    return sorted((each for each in out if abs(each.value or 0.0) > least), key=lambda each: -abs(each.value or 0.0))


def named(table: pa.Table, column: str) -> str:
    """Return a column with the row's value, as a sentence has it: ``debt_ratio = 0.61``."""
    value = table.column(column)[0].as_py()
    return f"{column} = {'missing' if value is None or value != value else number(value) if isinstance(value, float) else str(value)[:40]}"


def _errors(made: Attributions) -> list[float | None]:
    return [None] * len(made.columns) if made.error is None else made.error[0].tolist()


def _spread(ground: Ground, one: Named, made: Attributions, chosen: Any) -> Attributions:
    """Return exact values with how far they would move with another background of this size, where it is a sample.

    Interventional values are means over the background's rows, so those of its parts tell the spread.
    """
    behind = ground.behind
    if made.error is not None or ground.whole or behind.num_rows < 2 * _GROUPS or not made.method.startswith("exact"):
        return made
    cut = [behind.take(pa.array(np.arange(place, behind.num_rows, _GROUPS))) for place in range(_GROUPS)]
    parts = np.stack([ground.attributions(one.table, background=each, target=chosen).values[0] for each in cut])
    return made.replace(error=parts.std(axis=0, ddof=1)[None, :] / np.sqrt(_GROUPS), df=np.array([_GROUPS - 1.0]))


def _decision(ground: Ground, one: Named) -> tuple[str, Any, list[str]]:
    """Return what the model decides of the row, in words, the class to explain, and a note where it does not say the same twice."""
    batch = ground.inputs_of(one.table)
    given, again = guard.answer(ground.model, batch), guard.answer(ground.model, batch)
    notes: list[str] = []
    chosen = ground.target
    if given.value is not None:
        same = _same(given.value, again.value)
        text = f"{one.title}: the model predicts {number(float(given.value[0]))}"
    else:
        classes, target = given.classes or (), ground.subject.target
        score = None if given.score is None else given.score[0]
        place = int(given.prediction[0]) if given.prediction is not None else int(np.argmax(np.asarray(score)))
        same = _same(given.score, again.score) and _same(given.prediction, again.prediction)
        said = ""
        if score is not None and target is not None and target.positive is not None:
            bound = target.threshold if target.threshold is not None else 0.5 if target.probabilities else 0.0
            mine = float(score[target.positive])
            place = target.positive if mine >= bound else 1 - target.positive
            said = f" (score of {classes[target.positive]}: {number(mine)}, threshold {number(bound)})"
        elif score is not None:
            said = f" (score {number(float(score[place]))})"
        chosen = classes[place] if chosen is None else chosen
        label = ground.subject.data.schema.label
        text = f"{one.title}: predicted {f'{label} = ' if label else ''}{classes[place]}{said}"
    if not same:
        notes.append("the model is not deterministic: asked twice about this row it answered differently; what is explained is its mean")
    return text, chosen, notes


def _same(first: Array | None, second: Array | None) -> bool:
    return first is None or second is None or bool(np.array_equal(first, second))


def _sentence(ground: Ground, made: Attributions, values: list[Value], one: Named) -> str:
    output = float(made.output[0])
    start = (f"its {ground.unit(made)} {'are' if made.quantity == 'log-odds' else 'is'} {number(output)}, "
             f"{number(made.base)} on average of {ground.compared}")
    if not values:
        return f"{start}: no column carries any influence here"
    told = [f"{named(one.table, str(each.column))} makes {signed(each.value or 0.0, each.low, each.high)}"
            for each in values[:_TOLD]]
    rest = sum(each.value or 0.0 for each in values[_TOLD:])
    left = len(values) - _TOLD
    more = [f"{left} other column{'s together' if left > 1 else ''} {signed(rest)}"] if left > 0 else []
    return f"{start}: of the difference of {signed(output - made.base)}, {', '.join([*told, *more])}"


def _silent(made: Attributions) -> list[str]:
    largest = float(np.abs(made.values[0]).max(initial=0.0))
    count = int((np.abs(made.values[0]) <= _NOTHING * largest).sum())
    return [f"{count} of {len(made.columns)} columns carry no influence here and are not listed"] if count else []


def _some(data: Source) -> str:
    """Return in words that only some rows of the data were looked at, where that is so."""
    kept = getattr(data, "where", None)
    return "" if kept is None else f" where {kept.text}"


def _number(id: Any, data: Source) -> int:
    text = str(id).replace(",", "")
    if not text.isdecimal():
        raise ConfigError(f"'{id}' is no number of a row, and no column is the id", where=data.name, expected="a number counted from 0",
                          hint="name the column of the id: --id COLUMN, or columns: {id: COLUMN}")
    return int(text)


def _places(data: Source, column: str, wanted: str) -> list[int]:
    """Return the numbers of the rows with an id; raises ``DataError`` with the nearest id where there is none."""
    seen, places = 0, []
    known: list[str] = []
    for batch in data.batches([column]):
        texts = [_text(each) for each in batch.column(0).to_pylist()]
        places += [seen + at for at, each in enumerate(texts) if each == wanted]
        known += texts[: _KNOWN - len(known)]
        seen += batch.num_rows
    if not places:
        near = nearest(wanted, known)
        raise DataError(f"no row{_some(data)} has the {column} '{wanted}'", where=data.name,
                        expected=f"a value of {column} in one of {seen:,} rows", hint=f"did you mean '{near}'?" if near else None)
    return places


def _text(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _at(data: Source, place: int) -> pa.Table | None:
    seen = 0
    for batch in data.batches():
        if place < seen + batch.num_rows:
            return pa.Table.from_batches([batch.slice(place - seen, 1)])
        seen += batch.num_rows
    return None


def _count(data: Source) -> int:
    return data.rows if data.rows is not None else sum(batch.num_rows for batch in data.batches(list(data.schema.names)[:1]))
