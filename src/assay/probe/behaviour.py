"""How a model should behave, put to the test: on single cases, and when a row is changed in a way that must not, or must, matter.

``Behaviour`` is one expectation, ``Reading`` says what of an answer it speaks of, ``Seeds`` are the rows it starts from;
``outcome(behaviour, seeds, model, reading)`` asks the model and counts, and shrinks what it finds. It judges nothing.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa

from assay.data.predicate import Predicate, parse
from assay.data.schema import Schema
from assay.errors import ConfigError, SignatureError, listed
from assay.model import guard
from assay.model.answer import Answer, places
from assay.model.model import Model, called
from assay.model.signature import NUMERIC_TASKS
from assay.probe.alteration import Alteration, Variant, variants
from assay.probe.shrink import Shrinking, shrinking, together
from assay.summary.target import Target

__all__ = ["KINDS", "Behaviour", "Counterexample", "Outcome", "Reading", "Seeds", "outcome"]

Array = np.ndarray[Any, Any]
Kind: TypeAlias = Literal["case", "direction", "invariance", "functionality"]
Asked: TypeAlias = Sequence[Variant]

KINDS: tuple[Kind, ...] = ("case", "direction", "invariance", "functionality")
EXPECTED = ("not lower", "not higher", "higher", "lower")
CELLS = 8_000_000   # of the rows of one call
EXAMPLES = 5        # rows whose change is shrunk
ROUNDING = 1e-6     # of a number, below which two answers are one: models compute in single precision


@dataclass(frozen=True)
class Behaviour:
    """One expectation.

    ``kind`` is ``case`` (every row, and all that ``change`` makes of it, meets the condition ``expect`` on the answer),
    ``direction`` (a change moves ``of`` as ``expect`` says: ``not lower``, ``not higher``, ``higher``, ``lower``), ``invariance`` (a
    change leaves ``of`` as it is) or ``functionality`` (the answer is the row's label, or meets ``expect``). ``of`` is ``label``,
    ``score``, ``score of CLASS`` or ``value``; a move of at most ``tolerance`` is none. ``bound`` is the share of rows that may
    fail, 0 for none. At most ``draws`` changes are tried of each of at most ``rows`` rows; ``shrunk`` says whether a step that
    shows a fault is made smaller, or only the columns fewer.
    """

    name: str
    kind: Kind
    change: tuple[Alteration, ...] = ()
    expect: str | None = None
    of: str | None = None
    tolerance: float = 0.0
    bound: float = 0.0
    where: str | None = None
    cases: tuple[Mapping[str, Any], ...] | None = None
    rows: int = 500
    draws: int = 20
    seed: int = 0
    shrunk: bool = True

    @property
    def key(self) -> tuple[int, int]:
        """What its random draws depend on."""
        return (self.seed, zlib.crc32(self.name.encode()))


@dataclass(frozen=True, eq=False)
class Seeds:
    """Rows to start from: ``names`` is what a reader finds each by (``row 7``, ``case 1``, an id)."""

    table: pa.Table
    schema: Schema
    names: tuple[str, ...]

    def __len__(self) -> int:
        return int(self.table.num_rows)


@dataclass(frozen=True)
class Counterexample:
    """A row that fails: by its name, with the values that were changed, before and after, and what the model says to both.

    ``before`` and ``after`` are empty where the row fails as it stands; then ``said`` holds one answer.
    """

    row: int
    name: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    said: tuple[Any, ...]


@dataclass(frozen=True)
class Outcome:
    """What was counted: of ``units`` rows ``failed`` fail; ``left_out`` could not be changed; ``unread`` are changed columns that
    the model does not read; ``cut`` says that the budget allowed fewer rows than were there.
    """

    units: int
    failed: int
    asked: int
    left_out: int = 0
    unread: tuple[str, ...] = ()
    cut: bool = False
    examples: tuple[Counterexample, ...] = ()


@dataclass(frozen=True)
class Reading:
    """What an answer says, in the words of a test: ``label``, ``score`` (of the positive class), ``score of CLASS``, ``value``.

    >>> Reading(Target("binary", ("no", "yes"), positive=1), scored=True).names
    ('label', 'score', 'score of no', 'score of yes')
    """

    target: Target
    scored: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Every word that can be said of an answer."""
        if self.target.task in NUMERIC_TASKS:
            return ("value",)
        scores = tuple(f"score of {each}" for each in self.target.classes) if self.scored else ()
        label = () if self.target.task == "multilabel" else ("label",)
        return (*label, *(("score",) if scores and self.target.positive is not None else ()), *scores)

    @property
    def schema(self) -> Schema:
        """The same as columns, for conditions on an answer."""
        kinds = [pa.array(list(self.target.classes)).type if name == "label" else pa.float64() for name in self.names]
        return Schema.of(pa.schema(list(zip(self.names, kinds, strict=True))), {}, where="the answer")

    def condition(self, text: str) -> Predicate:
        """Return a condition on answers; raises ``ExpressionError``, with the nearest word where one is misspelt."""
        return parse(text, self.schema)

    def usual(self, behaviour: Behaviour) -> str:
        """Return what a test that does not say it speaks of, and refuse what this model does not say."""
        names = self.names
        moves = behaviour.kind == "direction" or behaviour.tolerance > 0
        found = behaviour.of or ("value" if "value" in names else "score" if moves else "label")
        if found not in names:
            positive = found == "score" and self.scored and self.target.task != "multilabel"
            raise ConfigError(f"the model says nothing of '{found}'", expected=f"one of {listed(names, 12)}",
                              hint="name the positive class (positive: ...), or say of which class: of: score of "
                                   f"{self.target.classes[-1]}" if positive else None)
        if found == "label" and behaviour.kind == "direction":
            raise ConfigError("a label has no direction", expected=f"of: one of {listed([each for each in names if each != 'label'], 12)}")
        return found

    def said(self, answer: Answer, name: str) -> Array:
        """Return one word of the answer, for each row: numbers, or for ``label`` places among the classes."""
        if name == "value":
            assert answer.value is not None
            return answer.value
        if name == "label":
            return self._label(answer)
        place = self.target.positive if name == "score" else [f"score of {each}" for each in self.target.classes].index(name)
        assert answer.score is not None
        assert place is not None
        return np.asarray(answer.score[:, place])

    def batch(self, answer: Answer, names: Sequence[str]) -> pa.RecordBatch:
        """Return these words of an answer as columns."""
        columns = []
        for name in names:
            found = self.said(answer, name)
            columns.append(pa.array(list(self.target.classes)).take(pa.array(found)) if name == "label" else pa.array(found, pa.float64()))
        return pa.RecordBatch.from_arrays(columns, names=list(names))

    def shown(self, number: Any, name: str) -> Any:
        """Return a word of an answer as a reader knows it."""
        return self.target.classes[int(number)] if name == "label" else float(number)

    def _label(self, answer: Answer) -> Array:
        positive, threshold = self.target.positive, self.target.threshold
        if threshold is not None and answer.score is not None and positive is not None and answer.task == "binary":
            return np.asarray(np.where(answer.score[:, positive] >= threshold, positive, 1 - positive))
        return np.asarray(answer.prediction) if answer.prediction is not None else np.argmax(answer.score, axis=1)  # type: ignore[arg-type]


def outcome(behaviour: Behaviour, seeds: Seeds, model: Model, reading: Reading, *, budget: int = 100_000) -> Outcome:
    """Ask ``model`` about the seeds and what becomes of them, and return how many rows fail, the worst with the smallest change.

    All rows are asked in one call, then a few more for the shrinking; at most ``budget`` rows in all. A row fails where one of its
    changes does. Raises ``ModelError`` where the model does not answer, ``ConfigError`` where the test does not fit model or data.
    """
    return _Trial(behaviour, seeds, model, reading, budget).outcome()


@dataclass(eq=False)
class _Trial:
    """One test while it runs."""

    behaviour: Behaviour
    seeds: Seeds
    model: Model
    reading: Reading
    budget: int
    spent: int = 0
    fails: Callable[[Answer, Answer | None, Asked], Array] = field(init=False)
    of: str = field(init=False, default="")
    rows: list[dict[str, Any]] = field(init=False)
    changes: tuple[Alteration, ...] = field(init=False)

    def __post_init__(self) -> None:
        test, schema = self.behaviour, self.seeds.schema
        self.changes = tuple(each.bound(schema) for each in test.change)
        self.rows = self.seeds.table.select([each.column for each in self.changes]).to_pylist() if self.changes else [{}] * len(self.seeds)
        if test.kind in ("direction", "invariance"):
            self.of = self.reading.usual(test)
            self.fails = self._moved
        elif test.expect is not None:
            condition = self.reading.condition(test.expect)
            self.of = next((each for each in condition.columns if each != "label"), condition.columns[0])
            self.fails = lambda answer, _, asked: ~condition.mask(self.reading.batch(answer, condition.columns))
        else:
            self.of = "value" if "value" in self.reading.names else "label"
            self.fails = self._wrong

    def outcome(self) -> Outcome:
        test, paired = self.behaviour, self.behaviour.kind in ("direction", "invariance")
        made = variants(self.rows, self.changes, draws=test.draws, key=test.key) if self.changes else []
        rows = range(len(self.rows)) if not paired else sorted({each.row for each in made})
        rows, cut = self._afforded(rows, made)
        kept = set(rows)
        plain = [Variant(each, {}) for each in rows]
        made = [each for each in made if each.row in kept]
        answer = self.ask([*plain, *made])
        base, after = _part(answer, slice(0, len(plain))), _part(answer, slice(len(plain), None))
        failing: list[Variant] = []
        effect: list[float] = []
        at = {row: place for place, row in enumerate(rows)}
        before = _part(base, np.array([at[each.row] for each in made], np.int64)) if made else None
        if not paired:
            bad = np.flatnonzero(self.fails(base, None, plain))
            failing += [plain[each] for each in bad]
            effect += [np.inf] * len(bad)
        if made:
            bad = np.flatnonzero(self.fails(after, before, made))
            failing += [made[each] for each in bad]
            effect += list(self._effect(after, before)[bad]) if len(bad) else []
        failed = {each.row for each in failing}
        units, lost = len(rows), len(failed)
        if test.kind == "case" and test.cases is not None:   # of cases that were written down each change is a draw of its own
            units, lost = len(plain) + len(made), len(failing)
        names = self.model.signature.names
        unread = tuple(each.column for each in self.changes if names is not None and each.column not in names)
        examples = self._examples(failing, effect) if failed else ()
        return Outcome(units, lost, self.spent, len(self.rows) - len(rows) if paired and not cut else 0, unread, cut, examples)

    def ask(self, asked: Asked) -> Answer:
        """Return the answers to rows with their changes, asked in as few calls as memory allows."""
        inputs = self.model.signature.names
        there = inputs is not None and set(inputs) <= set(self.seeds.table.column_names)
        columns = list(inputs if inputs is not None and there else self.seeds.schema.features)
        if not columns:
            raise SignatureError("there is no column to ask the model with", where=called(self.model))
        table = self.seeds.table.select(columns)
        size = max(1, CELLS // len(columns))
        parts = []
        for start in range(0, max(len(asked), 1), size):
            some = asked[start : start + size]
            self.spent += len(some)
            batch = _changed(table, some)
            parts.append(guard.answer(self.model, batch))
        return parts[0] if len(parts) == 1 else _joined(parts)

    def _afforded(self, rows: Sequence[int], made: Asked) -> tuple[list[int], bool]:
        """Return as many rows as three quarters of the budget pay for; the rest is for shrinking."""
        cost = np.ones(len(self.rows), np.int64)
        np.add.at(cost, np.array([each.row for each in made], np.int64), 1)
        most, total = max(self.budget * 3 // 4, 1), 0
        kept: list[int] = []
        for each in rows:
            total += int(cost[each])
            if total > most and kept:
                return kept, True
            kept.append(each)
        return kept, False

    def _moved(self, after: Answer, before: Answer | None, asked: Asked) -> Array:
        assert before is not None
        new, old = self.reading.said(after, self.of), self.reading.said(before, self.of)
        if self.of == "label":
            return np.asarray(new != old)
        apart = new - old
        allowed = self.behaviour.tolerance + ROUNDING * np.maximum(1.0, np.abs(old))
        expect = self.behaviour.expect
        if self.behaviour.kind == "invariance":
            return np.asarray(np.abs(apart) > allowed)
        return np.asarray({"not lower": apart < -allowed, "not higher": apart > allowed, "higher": apart <= allowed,
                           "lower": apart >= -allowed}[expect or ""])

    def _wrong(self, answer: Answer, _: Answer | None, asked: Asked) -> Array:
        """Whether each answer is not the label of its row."""
        name = self.seeds.schema.label
        if name is None:
            raise ConfigError("the test compares answers with the label, and no label is named",
                              hint="columns: {label: ...}, or expect: ...")
        truth = self.seeds.table.column(name).take(pa.array([each.row for each in asked]))
        if truth.null_count:
            raise ConfigError(f"{truth.null_count} of the rows have no label", hint=f"where: {name} is not null")
        said = self.reading.said(answer, self.of)
        if self.of == "label":
            return np.asarray(said != places(truth.to_pylist(), self.reading.target.classes))
        number = np.asarray(truth.cast(pa.float64()).to_numpy(), np.float64)
        return np.asarray(np.abs(said - number) > self.behaviour.tolerance + ROUNDING * np.maximum(1.0, np.abs(number)))

    def _effect(self, after: Answer, before: Answer | None) -> Array:
        """Return how much each answer moved, to tell the worst from the rest."""
        assert before is not None
        names = [each for each in self.reading.names if each != "label"]
        name = self.of if self.of != "label" else names[0] if names else "label"
        return np.abs(self.reading.said(after, name).astype(np.float64) - self.reading.said(before, name))

    def _examples(self, failing: list[Variant], effect: list[float]) -> tuple[Counterexample, ...]:
        """Return the rows that fail most, each with the smallest change that shows it, the smallest of all first."""
        by_row: dict[int, list[int]] = {}
        for place, each in enumerate(failing):
            by_row.setdefault(each.row, []).append(place)
        worst = sorted(by_row, key=lambda row: (-max(effect[place] for place in by_row[row]), row))[:EXAMPLES]
        chosen = [place for row in worst for place in self._starts(failing, effect, by_row[row])]
        picked = [failing[place] for place in chosen]
        if self.behaviour.expect not in ("higher", "lower"):   # there the smallest change is none at all
            picked = self._shrunk(picked)
        best: dict[int, Variant] = {}
        for each in sorted(picked, key=self._size):
            best.setdefault(each.row, each)
        return self._told(list(best.values()))

    def _starts(self, failing: Sequence[Variant], effect: Sequence[float], some: list[int]) -> list[int]:
        """Return which of the failing changes of a row are shrunk: the smallest, the largest, and the one that does most.

        A small change of many columns may hide that a larger one of a single column is enough.
        """
        if not failing[some[0]].change:
            return some[:1]   # it fails as it stands
        ordered = sorted(some, key=lambda place: self._size(failing[place]))
        return list(dict.fromkeys([ordered[0], ordered[-1], max(some, key=lambda place: (effect[place], -place))]))

    def _size(self, variant: Variant) -> tuple[float, float]:
        return float(len(variant.change)), sum(self._distance(variant, name) for name in variant.change)

    def _distance(self, variant: Variant, name: str) -> float:
        """Return how far a value was moved, in parts of itself; 1 for what is not a number."""
        old, new = self.rows[variant.row].get(name), variant.change[name]
        if isinstance(old, int | float) and isinstance(new, int | float):
            return abs(new - old) / max(abs(old), 1e-9)
        return 1.0

    def _shrunk(self, picked: Sequence[Variant]) -> list[Variant]:
        steps = [each.column for each in self.changes if each.gradual and self.behaviour.shrunk]
        by_name = {each.column: each for each in self.changes}
        runs: list[Shrinking] = []
        for each in picked:
            row = self.rows[each.row]
            ladders = {name: rungs for name in each.change if (rungs := by_name[name].ladder(row.get(name), each.change[name]))}
            runs.append(shrinking({name: row.get(name) for name in each.change}, each.change, steps=steps, ladders=ladders))

        def shows(questions: list[list[dict[str, Any]]]) -> list[list[bool]]:
            asked = [Variant(each.row, {**change}) for each, some in zip(picked, questions, strict=True) for change in some]
            if self.spent + len(asked) + 2 * EXAMPLES > self.budget:
                return [[False] * len(some) for some in questions]   # what was found so far stays
            plain = [Variant(each.row, {}) for each in picked]
            answer = self.ask([*plain, *asked])
            where = np.array([place for place, some in enumerate(questions) for _ in some], np.int64)
            bad = self.fails(_part(answer, slice(len(plain), None)), _part(answer, where), asked).tolist() if asked else []
            ends = [0, *itertools.accumulate(len(some) for some in questions)]
            return [bad[start:end] for start, end in itertools.pairwise(ends)]

        return [Variant(each.row, change) for each, change in zip(picked, together(runs, shows), strict=True)]

    def _told(self, picked: Sequence[Variant]) -> tuple[Counterexample, ...]:
        answer = self.ask([*(Variant(each.row, {}) for each in picked), *picked])
        said = [self.reading.shown(each, self.of) for each in self.reading.said(answer, self.of)]
        found = []
        for place, each in enumerate(picked):
            before = {name: self.rows[each.row].get(name) for name in each.change}
            both = (said[place], said[len(picked) + place]) if each.change else (said[place],)
            found.append(Counterexample(each.row, self.seeds.names[each.row], before, dict(each.change), both))
        return tuple(found)


def _changed(table: pa.Table, asked: Asked) -> pa.RecordBatch:
    """Return the rows that are asked about, with their changes."""
    origin = np.array([each.row for each in asked], np.int64)
    table = table.take(pa.array(origin)).combine_chunks()
    for name in dict.fromkeys(name for each in asked for name in each.change):
        place = table.schema.get_field_index(name)
        if place < 0:
            continue   # the model does not read it
        kind = table.schema.field(place).type
        values = table.column(place).to_pylist()
        for at, each in enumerate(asked):
            if name in each.change:
                values[at] = each.change[name]
        try:
            column = pa.array(values, type=kind)
        except (pa.ArrowException, OverflowError) as error:
            raise ConfigError(f"a changed value of '{name}' is out of the range of its type {kind}", hint="a smaller change") from error
        table = table.set_column(place, table.schema.field(place), column)
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)


def _part(answer: Answer, rows: slice | Array) -> Answer:
    prediction, score, value = (None if each is None else each[rows] for each in (answer.prediction, answer.score, answer.value))
    return Answer(answer.task, answer.classes, prediction, score, value, answer.scores)


def _joined(parts: Sequence[Answer]) -> Answer:
    def whole(arrays: list[Any]) -> Any:
        return None if any(each is None for each in arrays) else np.concatenate(arrays)

    first = parts[0]
    return Answer(first.task, first.classes, whole([each.prediction for each in parts]), whole([each.score for each in parts]),
                  whole([each.value for each in parts]), first.scores)
