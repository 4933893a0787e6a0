"""Which training rows led to the answer to one row, or to the errors in many, and whose labels are probably wrong.

``of_row(ground, id)`` and ``of_errors(ground, among)`` are the questions; ``verbs.explain`` asks them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.check.expression import parse
from assay.data.predicate import quoted
from assay.data.schema import family
from assay.data.source import Source, source
from assay.engine import label as labels
from assay.errors import ConfigError, EmptyDataError
from assay.explain.training_row import TrainingRows
from assay.model import guard
from assay.result import Scalar, Spread, Value
from assay.verbs.explain.explanation import Ground, Part, drawn, number, signed
from assay.verbs.explain.row import found as row_of
from assay.verbs.explain.row import named
from assay.verbs.measure import measure
from assay.verbs.question import Question
from assay.verbs.subject import Subject, fits

__all__ = ["of_errors", "of_row"]

Array = np.ndarray[Any, Any]
MOST, ASKED = 100_000, 5_000   # training rows, and rows whose errors are traced
NEAR, CALLED = 20_000, 1_000    # the same where each is compared with each
_TOLD, _LISTED = 3, 20         # rows that sentences name, and that are listed (half raised an answer, half lowered it)
_VALUES = 20                   # of a column, up to which each is a group
_FEWEST = 30                   # rows of a group
_SHOWN = 12                    # inputs of the row that was asked about, in words
_NOTHING = 1e-12               # less is rounding


@dataclass(frozen=True)
class _Learned:
    """The training rows as they were read: ``table`` with all columns, their labels as numbers, what they did, and how to name them."""

    table: pa.Table
    outcome: Array
    rows: TrainingRows
    id: str | None
    label: str
    places: Array
    notes: tuple[str, ...]

    @classmethod
    def of(cls, ground: Ground) -> _Learned:
        train, model = ground.subject.train, ground.model
        if train is None:
            raise ConfigError("there are no training data to trace answers to", hint="pass --train FILE, or train: FILE in assay.yaml")
        if train.schema.label is None:
            raise ConfigError("the training rows have no label", where=train.name,
                              hint="name it: --label COLUMN, or columns: {label: COLUMN}")
        fits(model, train)
        made = cls._of(ground, train, model, MOST)
        return made if made.inside or len(made.outcome) <= NEAR else cls._of(ground, train, model, NEAR)

    @classmethod
    def _of(cls, ground: Ground, train: Source, model: Any, most: int) -> _Learned:
        label = train.schema.label
        assert label is not None
        table = drawn(train, most, ground.seed)
        outcome = _outcome(table, train, model)
        there = np.isfinite(outcome)
        notes = []
        if not there.all():
            notes.append(f"{int((~there).sum()):,} training rows without a label are left out")
        if table.num_rows == most:
            notes.append(f"of the training data a sample of {most:,} rows was read")
        places, table, outcome = np.flatnonzero(there), table.filter(pa.array(there)), outcome[there]
        weight = None
        if train.schema.weight in table.column_names:
            weight = np.nan_to_num(table.column(train.schema.weight).cast(pa.float64()).to_numpy(), nan=0.0)
        traced = TrainingRows.of(model, ground.inputs_of(table), outcome, weight=weight, checkpoints=ground.checkpoints)
        given = train.schema.id
        return cls(table, outcome, traced, given if given in table.column_names else None, label, places, tuple(notes))

    @property
    def inside(self) -> bool:
        """Whether the way looks into the model, and not only at the rows."""
        return self.rows.told is not None or self.rows.method == "TracIn"

    def name(self, row: int) -> str:
        """Return a training row in words: ``id 103 (approved = 1)``."""
        what = f"{self.id} {self.table.column(self.id)[row].as_py()}" if self.id else f"row {int(self.places[row]):,}"
        return f"{what} ({self.label} = {self.told(row)})"

    def told(self, row: int) -> Any:
        """Return the label of a training row."""
        value = self.table.column(self.label)[row].as_py()
        return number(value) if isinstance(value, float) else value

    def key(self, row: int) -> str:
        """Return what tells a training row from others, and what the model saw of it: ``id=103; approved=1; income=52; state=CA``."""
        which = f"{self.id}={self.table.column(self.id)[row].as_py()}" if self.id else f"row={int(self.places[row])}"
        shown = [f"{name}={_text(self.table.column(name)[row].as_py())}" for name in self.rows.columns[:_SHOWN]]
        return "; ".join([which, f"{self.label}={self.table.column(self.label)[row].as_py()}", *shown])


def of_row(ground: Ground, id: Any) -> Part:
    """Return which training rows raised and lowered the answer to a row most, or its loss where the loss is asked for."""
    one, learned = row_of(ground, id), _Learned.of(ground)
    loss = ground.quantity == "loss"
    asked = ground.inputs_of(one.table)
    if loss:
        outcome = _outcome(one.table, ground.subject.data, ground.model)
        if not np.isfinite(outcome).all():
            raise ConfigError(f"{one.title} has no label, so no loss", hint="leave out --quantity loss")
        moved, what = learned.rows.error(asked, outcome)[0], learned.rows.loss
    else:
        target = _target(ground, asked)
        moved = learned.rows.answer(asked, target)[0]
        what = learned.rows.quantity + (f" of {learned.label} = {target}" if target is not None else "")
    up, down = ([int(row) for row in np.argsort(-sign * moved, kind="stable")[:_LISTED // 2] if sign * moved[row] > _NOTHING]
                for sign in (1, -1))
    parts = [f"{verb} most by {', '.join(f'{learned.name(row)} {signed(float(moved[row]))}' for row in some[:_TOLD])}"
             for verb, some in (("raised", up), ("lowered", down)) if some]
    said = f"{one.title}: of {len(moved):,} training rows, the {what} was {', and '.join(parts)}" if parts else (
        f"{one.title}: no training row moved the {what}")
    sums = _by_label(learned, moved)
    second = f"all together, {', '.join(f'{name} {signed(value)}' for name, value in sums)}" if sums else ""
    values = [_value("training influence", float(moved[row]), learned, row, what) for row in (*up, *down)]
    sentences = tuple(each for each in (said, second, _method(learned)) if each)
    own = ", ".join(named(one.table, name) for name in ground.inputs[:_SHOWN])
    more = f" and {len(ground.inputs) - _SHOWN:,} more" if len(ground.inputs) > _SHOWN else ""
    return Part(sentences, tuple(values), notes=(f"{one.title} has {own}{more}", *one.notes, *learned.notes),
                about=_about(learned, what))


def _target(ground: Ground, asked: pa.RecordBatch) -> Any:
    """Return the class whose answer is traced: the positive one, of several the one that is predicted."""
    classes = ground.model.signature.classes
    if classes is None or ground.target is not None or len(classes) == 2:
        return ground.target
    answer = guard.answer(ground.model, asked)
    place = answer.prediction[0] if answer.prediction is not None else np.argmax(answer.score[0]) if answer.score is not None else 0
    return classes[int(place)]


def of_errors(ground: Ground, among: str | None = None) -> Part:
    """Return which parts of the training data raised the loss of rows of the data, and which training labels are probably wrong.

    ``among`` keeps the rows of a predicate: a weak segment.
    """
    learned = _Learned.of(ground)
    data = ground.subject.data
    values: list[Value] = []
    sentences: list[str] = []
    what = f"mean {learned.rows.loss}"
    if data.schema.label is not None:
        some = source(data, where=among) if among else data
        rows = drawn(some, ASKED if learned.inside else CALLED, ground.seed)
        outcome = _outcome(rows, data, ground.model)
        rows, outcome = rows.filter(pa.array(np.isfinite(outcome))), outcome[np.isfinite(outcome)]
        if not rows.num_rows:
            raise EmptyDataError("no row that was asked for has a label", where=data.name, expected="labelled rows")
        harm = learned.rows.harm(ground.inputs_of(rows), outcome)
        groups = sorted(_groups(learned, harm), key=lambda each: -each[1] / (each[2] or np.inf))   # the surest first
        values += [Value.of("harm of training rows", Spread("normal", total, error=error), n=n, column=name, unit=what)
                   for name, total, error, n in groups[:_LISTED]]
        where = f" where {among}" if among else ""
        worst = [each for each in groups if each[1] - 2 * each[2] > 0][:_TOLD]
        told = ", ".join(f"{name} {signed(total)} ({n:,} rows)" for name, total, _, n in worst)
        sentences.append(f"the {what} of {rows.num_rows:,} rows of {data.name.rpartition('/')[2]}{where} was raised by the training rows "
                         f"with {told}" if worst else f"no part of the training data raised the {what} of {rows.num_rows:,} rows{where}")
    elif among:
        raise ConfigError("the data have no label, so no errors to trace", where=data.name, hint="--label COLUMN")
    suspicion = learned.rows.suspicion()
    order = np.argsort(-suspicion, kind="stable")[:_LISTED]
    values += [_value("suspicion of label", float(suspicion[row]), learned, int(row), learned.rows.loss) for row in order]
    sentences.append("the labels that fit least what the other training rows say are those of "
                     + ", ".join(f"{learned.name(int(row))}, whose {learned.rows.loss} would be {number(float(suspicion[row]))} without it"
                                 for row in order[:_TOLD]) + _wrong(ground))
    sentences.append(_method(learned))
    return Part(tuple(sentences), tuple(values), notes=learned.notes, about=_about(learned, what))


def _value(metric: str, value: float, learned: _Learned, row: int, unit: str) -> Value:
    return Value.of(metric, Spread("exact", value), n=1, column=learned.name(row), unit=unit,
                    method=learned.rows.method, note=learned.key(row))


def _text(value: Any) -> str:
    if value is None:
        return "missing"
    return number(value) if isinstance(value, float) else " ".join(str(value).split())[:40].replace(";", ",")


def _method(learned: _Learned) -> str:
    return f"by {learned.rows.method}: {learned.rows.caveat}"


def _about(learned: _Learned, what: str) -> dict[str, Scalar]:
    told = learned.rows.told
    return {"quantity": what, "method": learned.rows.method, "training rows": len(learned.outcome),
            **({"explained by the rows": f"{told:.2%}"} if told is not None else {})}


def _by_label(learned: _Learned, moved: Array) -> list[tuple[str, float]]:
    """Return what the rows of each label did together, for a classifier of few classes."""
    classes = learned.rows.classes
    if classes is None or len(classes) > 5:
        return []
    masks = {f"the {int((learned.outcome == place).sum()):,} rows with {learned.label} = {each}": learned.outcome == place
             for place, each in enumerate(classes)}
    return list(TrainingRows.shares(moved, masks).items())


def _outcome(table: pa.Table, data: Source, model: Any) -> Array:
    """Return labels as numbers, or as places of the model's classes; NaN where there is none."""
    name = data.schema.label
    if name is None or name not in table.column_names:
        raise ConfigError("the rows have no label", where=data.name, hint="name it: --label COLUMN, or columns: {label: COLUMN}")
    column = table.column(name).combine_chunks()
    classes = model.signature.classes
    if classes is None:
        return labels.numbers(column, name=name, where=data.name)
    codes = labels.codes(column, classes, name=name, where=data.name).astype(np.float64)
    return np.where(codes == labels.MISSING, np.nan, codes)


def _groups(learned: _Learned, harm: Array) -> Iterator[tuple[str, float, float, int]]:
    """Give for each group of training rows its name, the sum of its influences, that sum's standard error, and its size."""
    whole = float(harm.mean())
    for name in learned.table.column_names:
        if name in (learned.id, learned.label):   # rows of one label always pull one way
            continue
        column = learned.table.column(name).combine_chunks()
        for what, mask in _cut(name, column):
            n = int(mask.sum())
            if _FEWEST <= n <= 0.9 * len(harm):
                part = harm[mask]
                yield what, float(part.sum()), float(np.sqrt(n) * (part - whole).std()), n


def _cut(name: str, column: pa.Array) -> Iterator[tuple[str, Array]]:
    """Give the groups of a column: its values where they are few, else its quarters."""
    column = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    kind = family(column.type)
    if kind not in ("text", "boolean", "integer", "fraction"):
        return
    known = column.unique()
    if len(known) <= _VALUES:
        for each in known:
            if each.is_valid:
                text = f"'{each.as_py()}'" if kind == "text" else each.as_py()
                yield f"{quoted(name)} = {text}", pc.fill_null(pc.equal(column, each), False).to_numpy(zero_copy_only=False)
        return
    if kind == "text":
        return
    numbers = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    cuts = np.unique(np.nanquantile(numbers, (0.25, 0.5, 0.75)))
    for low, high in zip([None, *cuts], [*cuts, None], strict=True):
        with np.errstate(invalid="ignore"):
            mask = (numbers > (low if low is not None else -np.inf)) & (numbers <= (high if high is not None else np.inf))
        ends = [f"{number(float(low))} <" if low is not None else "", quoted(name), f"<= {number(float(high))}" if high is not None else ""]
        yield " ".join(each for each in ends if each), mask


def _wrong(ground: Ground) -> str:
    """Return how many labels are probably wrong, by the screen that counts them without the model."""
    train, target = ground.subject.train, ground.subject.target
    if train is None or target is None or target.task not in ("binary", "multiclass"):
        return ""
    answered = measure(Subject(train, {}, target), [Question.of(parse("suspect_labels <= 1"))])[0][0]
    value = next((each for each in answered.values if each.value is not None), None)
    if value is None or value.value is None:
        return ""
    return (f"; about {value.value:.1%} [{value.low or 0.0:.1%}, {value.high or 0.0:.1%}] of all training labels look wrong to models that "
            "did not see them (where outcomes are a matter of chance, some do)")
