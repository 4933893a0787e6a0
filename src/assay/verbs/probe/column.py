"""Columns and answers as an association study compares them: groups, numbers, classes, errors, and sets of labels.

``variable(name, column)`` makes one of a column, ``Records`` holds the rows that were read with what the model answers to them, and
``strata(table, names)`` the codes of what explains. ``verbs.probe.association`` uses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from assay.engine.frame import Frame
from assay.errors import ColumnTypeError, ConfigError, UnknownColumnError
from assay.model import guard
from assay.probe.association.measure import Variable
from assay.segment.axis import Axis, axis
from assay.verbs.probe.finding import both
from assay.verbs.subject import Subject

__all__ = ["ANSWERS", "MANY", "Labels", "Output", "Records", "missing", "strata", "variable"]

Array = np.ndarray[Any, Any]

ANSWERS = ("decision", "score", "label", "error", "false_positive", "false_negative")
FEWEST = 30          # rows of a group, below which nothing is concluded of it
GROUPS = 50          # groups of a protected column, the most frequent
MANY = 12            # classes of an output, above which each is a label that is looked at alone
BINS = 5             # of a number that explains
_BATCH = 65_536


@dataclass(frozen=True, eq=False)
class Labels:
    """A large set of labels: a sparse matrix (rows, labels) of 0 and 1, and their names; ``known`` are the rows that have any answer."""

    name: str
    matrix: Any
    names: tuple[str, ...]
    known: Array


@dataclass(frozen=True, eq=False)
class Output:
    """What is compared between groups: a variable or a set of labels, in ``rows`` (None: all); ``columns`` are those it was read from."""

    what: Variable | Labels
    columns: frozenset[str]
    rows: Array | None = None

    @property
    def known(self) -> Array:
        """Which rows have a value."""
        return self.what.known


def variable(name: str, column: pa.ChunkedArray | pa.Array, *, least: int = FEWEST) -> tuple[Variable, list[str], str | None]:
    """Return a column as groups or numbers, what a reader should know of it, and for which groups nothing is concluded.

    Text, truth values and numbers of two values are groups; other numbers and times are numbers. Groups of fewer than ``least`` rows are
    missing values then. Raises ``ColumnTypeError`` for a column that is neither, or without values.

    >>> found, notes, small = variable("sex", pa.array(["f", "m"] * 30 + ["x"] * 3 + [None]))
    >>> found.names, notes, small
    (('f', 'm'), ['1 row has no sex, and was left out'], 'inconclusive for sex = x (3 rows): fewer than 30 rows are too few to tell')
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    kind = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    notes: list[str] = []
    if pa.types.is_nested(kind) or _bytes(kind):
        raise ColumnTypeError(f"'{name}' holds {kind}", expected="groups or numbers")
    if pa.types.is_null(kind) or array.null_count == len(array):
        raise ColumnTypeError(f"'{name}' has no values", expected="groups or numbers")
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_temporal(kind):
        if pa.types.is_temporal(kind):
            notes.append(f"{name} is compared as a number, in the units that it is kept in since 1970")
            array = array.cast(pa.int64() if kind.bit_width == 64 else pa.int32(), safe=False)
        values = np.asarray(array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
        distinct = np.unique(values[np.isfinite(values)])
        if len(distinct) > 2:
            if pa.types.is_integer(kind) and len(distinct) <= MANY:
                notes.append(f"{name} is compared as a number; where its {len(distinct)} values are codes of groups, say so: "
                             f"types: {{{name}: string}}")
            return Variable(name, np.where(np.isfinite(values), values, np.nan)), [*notes, *missing(name, ~np.isfinite(values))], None
        names = [f"{each:g}" for each in distinct]
        codes = np.where(np.isfinite(values), np.searchsorted(distinct, values), -1)
    else:
        encoded = array.cast(pa.string()).dictionary_encode()
        listing = encoded.dictionary.to_pylist()
        order = sorted(range(len(listing)), key=lambda each: str(listing[each]))
        place = np.full(len(listing) + 1, -1)
        place[order] = np.arange(len(order))
        codes = place[encoded.indices.fill_null(len(listing)).to_numpy(zero_copy_only=False)]
        names = [listing[each] for each in order]
    absent = codes < 0
    codes, names, more, small = _frequent(name, codes, names, least)
    return Variable(name, codes, tuple(names)), [*more, *missing(name, absent)], small


def _bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


def missing(name: str, absent: Array) -> list[str]:
    """Return how many rows lack a column, in words; nothing where none does.

    >>> missing("sex", np.array([True, False]))
    ['1 row has no sex, and was left out']
    """
    many = int(absent.sum())
    return [f"{many:,} row{'s have' if many > 1 else ' has'} no {name}, and {'were' if many > 1 else 'was'} left out"] if many else []


def _frequent(name: str, codes: Array, names: list[str], least: int) -> tuple[Array, list[str], list[str], str | None]:
    """Return the groups of enough rows, what is said of groups beyond the most frequent ones, and of those of too few rows."""
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    order = np.argsort(-counts, kind="stable")
    kept = sorted(int(each) for each in order[:GROUPS] if counts[each] >= least)
    place = np.full(len(names) + 1, -1)
    place[kept] = np.arange(len(kept))
    few = [each for each in range(len(names)) if counts[each] < least]
    rest, rows = sum(counts[each] >= least for each in order[GROUPS:]), int(counts[few].sum())
    notes = [f"the {GROUPS} most frequent groups of {name} were compared, and {rest:,} more left out"] if rest else []
    if not few:
        return place[codes], [names[each] for each in kept], notes, None
    told = [f"{name} = {str(names[each])[:40]} ({counts[each]:,} row{'s' if counts[each] > 1 else ''})" for each in few]
    whom = both(told) if len(few) <= 3 else f"{len(few):,} groups of {name} ({rows:,} rows together)"   # the values may be people
    small = f"inconclusive for {whom}: fewer than {least} rows are too few to tell"
    return place[codes], [names[each] for each in kept], notes, small


def strata(table: pa.Table, names: Sequence[str]) -> Array | None:
    """Return a code for each row of what explains it: the values of the columns crossed, numbers in five bins, None without columns."""
    code: Array | None = None
    for name in names:
        made = axis(name, table.column(name))
        if isinstance(made, str):
            continue   # one value explains nothing
        found: Axis = made[0]
        level = found.level(BINS if found.ordered and found.bins > 2 * BINS else 64, 250)
        part = level.of[found.codes].astype(np.int64)
        code = part if code is None else np.unique(code * level.size + part, return_inverse=True)[1].reshape(-1)
    return code


@dataclass(frozen=True, eq=False)
class Records:
    """Rows of the data with what the model answers to them."""

    subject: Subject
    table: pa.Table
    positive: Any = None   # of a column of two classes, the one that is counted

    @cached_property
    def frames(self) -> list[Frame]:
        """The rows with their answers, in batches; raises ``ConfigError`` without a model or logged answers."""
        model = self.subject.models.get("model")
        if model is None:
            raise ConfigError("there is no model whose answers could be compared",
                              hint="--model FILE, or name what to compare: --output COLUMN")
        schema = self.subject.data.schema
        out, first = [], 0
        for batch in self.table.combine_chunks().to_batches(max_chunksize=_BATCH):
            out.append(Frame(batch, {"model": guard.answer(model, batch)}, schema, self.subject.target, where=self.subject.data.name,
                             first=first))
            first += batch.num_rows
        return out

    def _joined(self, name: str) -> Array:
        return np.concatenate([np.asarray(each[name]) for each in self.frames])

    def output(self, word: str) -> Output:
        """Return an output by name: one of ``ANSWERS`` where there is a model, else a column; raises where it cannot be had."""
        schema = self.subject.data.schema
        if word in ANSWERS and self.subject.models:
            return self._answer(word)
        if word == "label" and schema.labels and word not in schema.names:
            return self._label()
        if word in schema.names:
            return self._column(word)
        if word in ANSWERS:
            raise ConfigError(f"the {word.replace('_', ' ')} is what a model answers, and there is no model", where=self.subject.data.name,
                              hint="--model FILE, or name a column: --output COLUMN")
        raise UnknownColumnError.among(word, [*schema.names, *(ANSWERS if self.subject.models else ())], where=self.subject.data.name)

    def _label(self) -> Output:
        schema = self.subject.data.schema
        if len(schema.labels) == 1:
            return self._column(schema.labels[0])
        matrix = np.stack([np.asarray(self.table.column(each).cast(pa.float64()).fill_null(0).to_numpy()) > 0 for each in schema.labels], 1)
        return Output(_sparse("label", matrix, schema.labels), frozenset(schema.labels))

    def _column(self, name: str) -> Output:
        column = self.table.column(name)
        kind = column.type
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            if pa.types.is_nested(kind.value_type) or _bytes(kind.value_type):
                raise ColumnTypeError(f"'{name}' holds {kind}", expected="lists of texts or numbers")
            return Output(_sets(name, column), frozenset({name}))
        if pa.types.is_nested(kind):
            raise ColumnTypeError(f"'{name}' holds {kind}", expected="groups, numbers, or lists of texts")
        distinct = len(column.unique()) if not pa.types.is_floating(kind) else 0
        text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind)
        if text and distinct > MANY:
            if distinct > len(column) // 2:
                raise ColumnTypeError(f"'{name}' is different in nearly every row", expected="an answer that rows share")
            return Output(_indicators(name, column), frozenset({name}))
        return Output(self._positive(variable(name, column, least=1)[0]), frozenset({name}))

    def _positive(self, found: Variable) -> Variable:
        """Return a column of two classes with the positive one second, where that is known or plain."""
        target = self.subject.target
        if target is not None and target.positive is not None and found.name == self.subject.data.schema.label:
            return _ordered(found, str(target.classes[target.positive]))
        return found if self.positive is None else _ordered(found, str(self.positive))

    def _answer(self, word: str) -> Output:
        schema, target = self.subject.data.schema, self.subject.target
        assert target is not None
        columns = frozenset(each for each in (schema.prediction, *schema.score, *schema.labels) if each)
        if word == "label":
            return self._label()
        if word in ("error", "false_positive", "false_negative") and not schema.labels:
            raise ConfigError(f"the {word.replace('_', ' ')} needs labels", hint="--label COLUMN, or columns: {label: COLUMN}")
        if target.task in ("regression", "ranking"):
            if word not in ("score", "error"):
                raise ConfigError(f"a {target.task} model has no {word.replace('_', ' ')}", expected="score or error")
            value = self._joined("@value")
            return Output(Variable(word, value if word == "score" else np.abs(value - self._joined("@label"))), columns)
        if target.task == "multilabel":
            if word != "decision":
                raise ConfigError(f"the {word.replace('_', ' ')} of a model of many labels is not compared", expected="decision or label")
            names = [str(each) for each in target.classes] or list(schema.labels)
            return Output(_sparse(word, self._joined("@prediction") > 0, names), columns)
        if word == "score":
            return Output(Variable(word, self._joined("@score")), columns)
        return self._classes(word, columns)

    def _classes(self, word: str, columns: frozenset[str]) -> Output:
        target = self.subject.target
        assert target is not None
        answer = self._joined("@prediction").astype(np.int64)
        names = [str(each) for each in target.classes]
        if word == "decision":
            made = Variable(word, answer, tuple(names))
            if len(names) > MANY:
                return Output(_sparse(word, answer[:, None] == np.arange(len(names)), names), columns)
            return Output(_ordered(made, names[target.positive]) if len(names) == 2 and target.positive is not None else made, columns)
        truth = self._joined("@label").astype(np.int64)
        known = truth >= 0
        if word == "error":
            return Output(Variable(word, np.where(known, answer != truth, -1), ("right", "wrong")), columns)
        if target.positive is None:
            raise ConfigError(f"a {word.replace('_', ' ')} is of two classes", expected="error, or decision")
        wanted = word == "false_negative"
        among = known & ((truth == target.positive) == wanted)
        yes = (answer == target.positive) != wanted
        return Output(Variable(word, np.where(among, yes, -1), ("no", "yes")), columns, among)


def _ordered(found: Variable, second: str) -> Variable:
    """Return a variable of two groups with one of them second."""
    if found.names is None or len(found.names) != 2 or second not in found.names or found.names[1] == second:
        return found
    return Variable(found.name, np.where(found.values >= 0, 1 - found.values, -1), (found.names[1], found.names[0]))


def _sparse(name: str, matrix: Any, names: Sequence[str]) -> Labels:
    from scipy import sparse

    return Labels(name, sparse.csc_matrix(matrix, dtype=np.float64), tuple(names), np.ones(len(matrix), bool))


def _sets(name: str, column: pa.ChunkedArray) -> Labels:
    """Return a column of lists as labels: each value that occurs is one."""
    from scipy import sparse

    array = column.combine_chunks()
    parents = array.value_parent_indices().to_numpy(zero_copy_only=False)
    encoded = array.flatten().cast(pa.string()).dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    there = codes >= 0
    made = sparse.csc_matrix((np.ones(int(there.sum())), (parents[there], codes[there])), (len(array), len(encoded.dictionary)))
    made.data[:] = 1.0   # a value that a list holds twice is there once
    return Labels(name, made, tuple(encoded.dictionary.to_pylist()), np.asarray(array.is_valid().to_numpy(zero_copy_only=False)))


def _indicators(name: str, column: pa.ChunkedArray) -> Labels:
    """Return a column of many classes as labels, one a row."""
    from scipy import sparse

    array = column.combine_chunks()
    encoded = (array.dictionary_decode() if pa.types.is_dictionary(array.type) else array).cast(pa.string()).dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(codes >= 0)
    return Labels(name, sparse.csc_matrix((np.ones(len(rows)), (rows, codes[rows])), (len(codes), len(encoded.dictionary))),
                  tuple(encoded.dictionary.to_pylist()), codes >= 0)
