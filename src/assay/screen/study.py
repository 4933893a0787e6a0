"""What screens look at: a bounded sample of each data set, fingerprints of all its rows, and the model, to be asked again.

``sample(source)`` reads a data set once; a ``Study`` joins the samples with the model and turns columns and labels into numpy
arrays. Only screens and the verbs that run them use it. A study holds rows, so it is never stored: readings are aggregates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.data import image, text
from assay.data.derived import Medium, holds
from assay.data.medium import media
from assay.data.schema import Schema, family
from assay.data.source import Source
from assay.engine import label as labels
from assay.engine.local import ahead
from assay.errors import DataError
from assay.model import guard
from assay.model.answer import Answer
from assay.model.model import Model
from assay.summary.hashing import hashes, mixed
from assay.summary.target import Target
from assay.summary.vector import kind_of

__all__ = ["Sample", "Study", "common", "fingerprints", "sample"]

Array = np.ndarray[Any, Any]

ROWS = 20_000  # enough to see what is worth a sentence (an interval of a share is then 1.4 % wide at most), few enough to fit models on
MOST_PRINTS = 4_000_000
MOST_BYTES = 512 << 20  # of a sample: of large images fewer rows are drawn
SHORT = 20  # characters of a text below which equal ones are no copies


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows of a data set, drawn evenly and kept in file order, beside fingerprints of all rows.

    ``table`` has the sampled rows, all columns. ``prints`` is a uint64 hash of each row but its id (features, label and all), in
    file order; ``ids`` and ``entities`` are the same of these columns, None without one. ``marks`` are the prints of the columns that
    all data sets share, None where nobody named them. Of more than four million rows only those whose print is below ``cut`` are
    there, in every data set the same ones, so that shares stay right. ``media`` names the columns of
    free text and images, ``copies`` holds the prints of their values that may be copies (not of short texts), below the share
    ``looked`` of all prints.
    """

    name: str
    schema: Schema
    rows: int
    table: pa.Table
    prints: Array
    ids: Array | None = None
    entities: Array | None = None
    media: Mapping[str, Medium] = field(default_factory=dict)
    copies: Mapping[str, Array] = field(default_factory=dict)
    marks: Array | None = None
    shared: tuple[str, ...] = ()
    _made: dict[str, pa.Array] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @cached_property
    def _stored(self) -> frozenset[str]:
        return frozenset(self.table.column_names)

    @property
    def looked(self) -> float:
        """The share of all values whose prints are kept."""
        return min(1.0, MOST_PRINTS / max(self.rows, 1))

    def column(self, name: str) -> pa.Array:
        """Return a sampled column, or one derived of it, as one Arrow array, dictionaries decoded."""
        if name not in self._stored and name in self.schema:
            if name not in self._made:
                self._make(name)
            return self._made[name]
        array = self.table.column(name).combine_chunks()
        array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


    def _make(self, name: str) -> None:
        """Compute a derived column, and with it the others that are looked at, so that images are decoded once."""
        stored = self.schema.stored(name)
        batch = pa.record_batch({stored: self.column(stored)})
        names = list(dict.fromkeys([name, *self.schema.shown(stored)]))
        made = self.schema.joined(batch, names)
        self._made.update({each: made.column(each) for each in names})


def common(data: Source, train: Source, features: Sequence[str] | None = None) -> dict[str, pa.DataType]:
    """Return what makes a row of ``train`` the same as one of ``data``, by name: the type in which each column is compared.

    The features that both have (of ``features``, where the model says what it reads), labels, and the columns of entity and time:
    another day or customer makes another row, another order of columns or a column that says which file it is does not. Fractions
    that one of the two rounded to fewer bits are compared as rounded.
    """
    names = {*(data.schema.features if features is None else features), *data.schema.labels}
    names |= {name for name in (data.schema.entity, data.schema.timestamp) if name}
    found: dict[str, pa.DataType] = {}
    for name in sorted(names):
        if name in data.schema.names and name in train.schema.names:
            kinds = [data.schema[name].type, train.schema[name].type]
            widths = [kind.bit_width for kind in kinds if pa.types.is_floating(kind) and kinds[0] != kinds[1]]
            narrow = min(widths, default=64) < 64 and all(family(kind) in ("integer", "fraction") for kind in kinds)
            found[name] = (pa.float16() if min(widths) == 16 else pa.float32()) if narrow else kinds[0]
    return found


def sample(source: Source, *, rows: int = ROWS, shared: Mapping[str, pa.DataType] | None = None,
           progress: Callable[[int], None] | None = None) -> Sample:
    """Return ``rows`` rows of ``source``, drawn evenly, the same ones each time; one pass. ``shared`` is what :func:`common` says.

    >>> from assay.data.source import source
    >>> drawn = sample(source(pa.table({"x": list(range(100))})), rows=10)
    >>> len(drawn), drawn.rows, len(drawn.prints)
    (10, 100, 100)
    """
    schema = source.schema
    names = [name for name in schema.names if name != schema.id] or list(schema.names)
    held = {name: kind for name, kind in (shared or {}).items() if name in schema.names}
    shares: list[Array] = []
    kept: list[pa.RecordBatch] = []
    keys: list[Array] = []
    prints: list[Array] = []
    marks: dict[str, list[Array]] = {name: [] for name in (schema.id, schema.entity) if name}
    found_media = media(source)
    copied: dict[str, list[Array]] = {name: [] for name in found_media}
    seen, waiting, size = 0, 0, 0
    for batch in ahead(source.batches()):
        # keyed on the place, not on the content: of a table with few different rows each kind must stay as frequent as it is
        key = mixed(np.arange(seen, seen + batch.num_rows, dtype=np.uint64), 5)
        seen += batch.num_rows
        hashed = {name: hashes(batch.column(name), 1) for name in names}
        prints.append(_chained(hashed.values()))
        if held:
            shares.append(_chained(hashes(_narrow(batch.column(name), kind), 1) if name not in hashed or _narrows(batch.column(name), kind)
                                   else hashed[name] for name, kind in held.items()))
        for name, column in marks.items():
            column.append(hashes(batch.column(name)))
        for name, column in copied.items():
            column.append(fingerprints(batch.column(name), found_media[name]))
        kept.append(batch)
        keys.append(key)
        waiting += batch.num_rows
        size += batch.nbytes
        if waiting > max(4 * rows, 1 << 18) or size > 2 * MOST_BYTES:
            kept, keys = _smallest(kept, keys, rows)
            waiting, size = rows, sum(each.nbytes for each in kept)
            while size > MOST_BYTES and rows > 100:
                rows //= 2
                kept, keys = _smallest(kept, keys, rows)
                waiting, size = rows, sum(each.nbytes for each in kept)
        if progress:
            progress(batch.num_rows)
    kept, keys = _smallest(kept, keys, rows)
    table = pa.Table.from_batches([each for each in kept if each.num_rows], schema=kept[0].schema) if kept else pa.table(
        {name: pa.array([], schema[name].type) for name in schema.names})
    found = {name: np.concatenate(column) for name, column in marks.items() if column}
    every = np.concatenate(prints) if prints else np.empty(0, np.uint64)
    if len(every) > MOST_PRINTS:
        some = every < np.uint64(int(MOST_PRINTS / len(every) * 2.0**64))
        every, found = every[some], {name: column[some] for name, column in found.items()}
    marked = np.concatenate(shares) if shares else None
    if marked is not None and len(marked) > MOST_PRINTS:
        marked = marked[marked < np.uint64(int(MOST_PRINTS / len(marked) * 2.0**64))]
    copies = {name: np.concatenate(column) for name, column in copied.items() if column}
    copies = {name: column[column != 0] for name, column in copies.items()}
    if seen > MOST_PRINTS:  # by their own value, so that copies of a text are there together
        copies = {name: column[column < np.uint64(int(MOST_PRINTS / seen * 2.0**64))] for name, column in copies.items()}
    return Sample(source.name, schema, seen, table, every, found.get(schema.id or ""), found.get(schema.entity or ""), found_media, copies,
                  marked, tuple(held))


def _chained(columns: Iterable[Array]) -> Array:
    """Return a print per row of the hashes of its columns; their order matters."""
    out: Array | None = None
    for each in columns:
        out = mixed(each if out is None else out ^ each, 0)
    assert out is not None
    return out


def _narrows(column: pa.Array, kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) and kind.bit_width < 64 and column.type != kind)


def _narrow(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return numbers as fractions of fewer bits, where ``kind`` has them; every other column as it is."""
    if not _narrows(column, kind):
        return column
    column = column.cast(pa.float64(), safe=False)
    return column.cast(pa.float32(), safe=False) if kind.bit_width == 32 else pa.array(_halved(column), kind, from_pandas=True)


def _halved(column: pa.Array) -> Array:
    with np.errstate(over="ignore"):
        return np.asarray(column.to_numpy(zero_copy_only=False), np.float16)


def fingerprints(column: pa.Array, medium: Medium) -> Array:
    """Return a print of each text or image by which copies are found, 0 where there is none."""
    if medium == "text":
        plain = text.normal(column)
        there = pc.greater_equal(pc.utf8_length(plain), SHORT).fill_null(False)
        return np.where(there.to_numpy(zero_copy_only=False), hashes(plain), np.uint64(0))
    found = image.stored(column)
    there = found.is_valid().to_numpy(zero_copy_only=False)
    if pa.types.is_fixed_size_list(found.type):
        values = found.drop_null().flatten().cast(pa.float64()).to_numpy(zero_copy_only=False)
        rows = np.ascontiguousarray(values).view(np.uint8).reshape(int(there.sum()), -1)
        marks = np.zeros(len(found), np.uint64)
        marks[there] = hashes(pa.array([each.tobytes() for each in rows], pa.binary()))
        return marks
    return np.where(there, hashes(found), np.uint64(0))


def _smallest(batches: list[pa.RecordBatch], keys: list[Array], most: int) -> tuple[list[pa.RecordBatch], list[Array]]:
    """Keep the ``most`` rows with the smallest keys, in the order in which they stand."""
    every = np.concatenate(keys) if keys else np.empty(0, np.uint64)
    if len(every) <= most:
        return batches, keys
    cut = np.partition(every, most)[most]
    chosen = [key < cut for key in keys]
    return ([batch.filter(pa.array(mask)) for batch, mask in zip(batches, chosen, strict=True)],
            [key[mask] for key, mask in zip(keys, chosen, strict=True)])


@dataclass(frozen=True, eq=False)
class Study:
    """The samples of one check, and what the screens share of them.

    ``target`` and ``model`` are None where there is no model; ``model`` alone is None for logged predictions, which cannot be
    asked again (``logged`` then answers for the rows that are there).
    """

    data: Sample
    train: Sample | None = None
    reference: Sample | None = None
    model: Model | None = None
    logged: Model | None = None
    target: Target | None = None
    seed: int = 0
    _held: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def schema(self) -> Schema:
        """The schema of the data that are judged."""
        return self.data.schema

    def has(self, what: str) -> bool:
        """Whether there is what a screen may want: train, reference, model, label, protected, entity, available_at."""
        if what in ("train", "reference", "model"):
            found = getattr(self, what)
            return found is not None and (what == "model" or len(found) > 0)
        if what == "label":
            return self.target is not None and self.target.task != "multilabel" and self.schema.label is not None
        if what == "available_at":
            return bool(self.schema.roles.get("available_at")) and self.schema.timestamp is not None
        return bool(getattr(self.schema, what))

    @cached_property
    def features(self) -> tuple[str, ...]:
        """The columns that the model reads, in the order of the data; all features where the model does not say."""
        inputs = self.model.signature.names if self.model is not None else None  # logged predictions read what they predicted
        if inputs:
            return tuple(name for name in self.schema.names if name in set(inputs))
        return self.schema.features

    @cached_property
    def media(self) -> dict[str, Medium]:
        """The columns of the data that hold free text or images, as this or another of the data sets shows."""
        found: dict[str, Medium] = {}
        for each in (self.data, self.train, self.reference):
            for name, what in (each.media if each is not None else {}).items():
                if name in self.schema.names and holds(self.schema[name].type) == what and name not in self.schema.media:
                    found.setdefault(name, what)
        return {**found, **self.data.media}

    @cached_property
    def measured(self) -> tuple[str, ...]:
        """The features, and in the place of texts and images what is derived of them: what can be counted and compared."""
        names = [*self.features, *(name for name in self.media if name not in self.features)]
        return tuple(made for name in names for made in (self.schema.shown(name) if name in self.media else (name,)))

    def kind(self, name: str) -> str:
        """Return ``"number"`` (times among them), ``"category"`` or ``"missing"``."""
        return kind_of(self.schema[name].type)

    def numbers(self, name: str, of: Sample | None = None) -> Array:
        """Return a number or time column (in the unit of its type) as float64 with NaN for what is missing; infinities stay."""
        array = (of or self.data).column(name)
        kind = array.type
        if pa.types.is_temporal(kind):
            array = array.cast(pa.int64() if kind.bit_width == 64 else pa.int32(), safe=False)
        return np.asarray(array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)

    def codes(self, name: str, of: Sample | None = None) -> Array:
        """Return a category column as int64 codes, equal values alike in all samples of the study, -1 for what is missing."""
        where = of or self.data
        key = ("codes", name, id(where))
        if key not in self._held:
            table = self._held.setdefault(("table", name), {})
            array = where.column(name).cast(pa.string()) if not pa.types.is_binary(where.column(name).type) else where.column(name)
            encoded = array.dictionary_encode()
            known = np.array([table.setdefault(each, len(table)) for each in encoded.dictionary.to_pylist()] or [-1], np.int64)
            index = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
            self._held[key] = np.where(index < 0, -1, known[index])
        held: Array = self._held[key]
        return held

    def category(self, name: str, code: int) -> str:
        """Return the text of a code that :meth:`codes` gave."""
        table: Mapping[str, int] = self._held[("table", name)]
        return next(text for text, place in table.items() if place == code)

    def outcome(self, of: Sample | None = None) -> Array:
        """Return the labels: int64 class codes with -1 for what is missing, or float64 with NaN for regression and ranking."""
        where = of or self.data
        key = ("outcome", id(where))
        if key not in self._held:
            if self.target is None or where.schema.label is None:
                raise DataError("there is no label", where=where.name)
            column = where.column(where.schema.label)
            if self.target.task in ("regression", "ranking"):
                self._held[key] = labels.numbers(column, name=where.schema.label, where=where.name)
            else:
                found = labels.codes(column, self.target.classes, name=where.schema.label, where=where.name)
                self._held[key] = np.where(found == labels.MISSING, -1, found).astype(np.int64)
        held: Array = self._held[key]
        return held

    def answer(self, table: pa.Table | None = None) -> Answer:
        """Return what the model answers to a table, the sampled data without one (that answer is kept)."""
        if table is None:
            if "answer" not in self._held:
                self._held["answer"] = self._asked(self.data.table, self.model or self.logged)
            held: Answer = self._held["answer"]
            return held
        return self._asked(table, self.model)

    def _asked(self, table: pa.Table, model: Model | None) -> Answer:
        if model is None:
            raise DataError("there is no model to ask", hint="pass --model FILE")
        batches = table.combine_chunks().to_batches()
        answers = [guard.answer(model, batch) for batch in batches]
        first = answers[0]

        def joined(name: str) -> Array | None:
            parts: Sequence[Any] = [getattr(each, name) for each in answers]
            return None if parts[0] is None else np.concatenate(parts)

        return first if len(answers) == 1 else Answer(first.task, first.classes, joined("prediction"), joined("score"), joined("value"),
                                                      first.scores)

    def quantity(self, answer: Answer) -> Array:
        """Return the one number a row that screens compare: the positive class's score, the value, else the predicted code.

        Of several classes without a positive one, all scores, (n, K).
        """
        if answer.value is not None:
            return answer.value
        if answer.score is None:
            assert answer.prediction is not None
            return np.asarray(answer.prediction, np.float64)
        place = self.target.positive if self.target is not None else None
        return np.ascontiguousarray(answer.score[:, place]) if place is not None else answer.score

    def replaced(self, columns: Mapping[str, Any], of: Sample | None = None) -> pa.Table:
        """Return the sampled table with some columns replaced by arrays of the same length."""
        table = (of or self.data).table
        for name, array in columns.items():
            table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), [array])
        return table
