"""A model of rows as a function from matrices to labels: texts as they are, any other value as its place in a list.

``Sheet.of(model, clean, inputs)`` reads the columns, ``ask`` answers for a matrix, ``shown`` says what a value is. ``backdoor`` stands on
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.data.medium import media
from assay.data.schema import family
from assay.data.source import Source
from assay.errors import ConfigError, DataError, EmptyDataError, UnknownColumnError
from assay.model import guard
from assay.model.model import Model, called
from assay.probe.backdoor.cut import Cut, Layout, Phrase
from assay.remedy.picture import labels
from assay.verbs.explain.explanation import drawn

__all__ = ["Sheet"]

Array = np.ndarray[Any, Any]

SPECIAL = (-1, 0, 1, 99, 999, 9_999, 99_999, -99, -999, -9_999)   # numbers that stand for something else in many tables
BEYOND = (0.05, 0.5, 1.0, 3.0, 10.0)    # how far beyond the edges of a column values are tried, in its ranges
GRID = 24            # quantiles of a column that are tried
GAPS = 16            # middles of its widest gaps
WHOLE = 120          # whole numbers of a narrow column, all of them
LISTED = 200         # categories, the rarest first


@dataclass(frozen=True, eq=False)
class Sheet:
    """The columns that a ``model`` takes, and the values of each; ``tried`` are places of values to try, by column.

    ``clean`` and ``inputs`` are rows as matrices (n, columns), ``keys`` what names the inputs.
    """

    model: Model
    names: tuple[str, ...]
    layout: Layout
    values: tuple[pa.Array, ...]
    tried: dict[int, Array]
    clean: Array
    inputs: Array
    keys: tuple[Any, ...]

    @classmethod
    def of(cls, model: Model, clean: Source, inputs: Source | None = None, *, column: str | None = None, most: int = 2_000,
           seed: int = 0) -> Self:
        """Return the rows of ``clean``, ``most`` of them at most, and all of ``inputs``.

        ``column`` is the one column of text that is searched, where there are several. Raises ``ConfigError`` for a model that answers no
        classes or takes nested columns, ``EmptyDataError`` where there are no rows, ``DataError`` where the two disagree on types.
        """
        if model.signature.classes is None or model.signature.task == "multilabel":
            raise ConfigError(f"the model's task is {model.signature.task}", expected="a model that answers each row with one class")
        names = tuple(model.signature.names or clean.schema.features)
        nested = next((each for each in names if family(clean.schema[each].type) == "nested"), None)
        if nested is not None:
            raise ConfigError(f"the column '{nested}' of type {clean.schema[nested].type} is no column of a table", where=clean.name,
                              expected="numbers, categories or text", hint="images must be the only input")
        texts = [each for each, what in media(clean).items() if what == "text" and each in names]
        texts += [each.name for each in model.signature.inputs or () if each.type == "text" and each.name not in texts]
        if column is not None:
            if column not in names:
                raise UnknownColumnError.among(column, names, where=clean.name)
            texts = [column]
        first = drawn(clean, most, seed, list(names))
        second, keys = _read(inputs, names) if inputs is not None else (first.slice(0, 0), ())
        if not first.num_rows or (inputs is not None and not second.num_rows):
            raise EmptyDataError("there are no rows", where=(clean if not first.num_rows else inputs or clean).name,
                                 expected="at least one row")
        values: list[pa.Array] = []
        tried: dict[int, Array] = {}
        numbers: dict[int, Array] = {}
        text_places = tuple(place for place, name in enumerate(names) if name in texts)
        dtype = object if text_places else np.int64
        matrices = np.empty((first.num_rows + second.num_rows, len(names)), dtype)
        for place, name in enumerate(names):
            column_values = _joined(name, first, second, clean.name)
            if place in text_places:
                matrices[:, place] = [None if each is None else str(each) for each in column_values.to_pylist()]
                values.append(column_values[:0])
                continue
            known = pc.unique(column_values)
            seen = pc.unique(column_values[: first.num_rows])
            more = _extra(seen)
            known = pa.concat_arrays([known, more]) if len(more) else known
            known = pc.unique(known)
            values.append(known)
            matrices[:, place] = _codes(column_values, known)
            if family(known.type) in ("integer", "fraction"):
                numbers[place] = known.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
            tried[place] = _codes(_rarest(column_values[: first.num_rows], seen) if not len(more) else pc.unique(
                pa.concat_arrays([more, _grid(seen)])), known)
        layout = Layout(text_places, tuple(each for each in range(len(names)) if each not in text_places), numbers)
        return cls(model, names, layout, tuple(values), tried, matrices[: first.num_rows], matrices[first.num_rows :], keys)

    def batch(self, rows: Array) -> pa.RecordBatch:
        """Return a matrix as the batch that the model is asked with."""
        columns = []
        for place in range(len(self.names)):
            if place in self.layout.texts:
                columns.append(pa.array(rows[:, place].tolist(), pa.string()))
            else:
                columns.append(self.values[place].take(pa.array(rows[:, place].astype(np.int64))))
        return pa.RecordBatch.from_arrays(columns, names=list(self.names))

    def ask(self, rows: Array) -> Array:
        """Return the place of the class of each row; raises what ``guard.answer`` does."""
        return labels(guard.answer(self.model, self.batch(rows)))

    def label(self, place: int) -> Any:
        """Return the class at a place."""
        return (self.model.signature.classes or ())[place]

    def value(self, column: int, code: int) -> Any:
        """Return what a code of a column stands for."""
        return self.values[column][int(code)].as_py()

    def shown(self, cut: Cut) -> str:
        """Return what was cut out as a reader has it.

        ``the words 'cf'``, or ``capital-gain = 777 and age = 63``.
        """
        if isinstance(cut, Phrase):
            where = f" in '{self.names[cut.column]}'" if len(self.layout.texts) > 1 else ""
            return f"the word{'s' * (cut.count > 1)} {_quoted(cut.text)}{where}"
        return " and ".join(f"{self.names[column]} = {_told(self.value(column, code))}"
                            for column, code in zip(cut.columns, cut.codes, strict=True))

    def seen(self, cut: Cut) -> int:
        """Return how many of the clean rows hold what was cut out."""
        if isinstance(cut, Phrase):
            return sum(cut.text in each for each in self.clean[:, cut.column] if each)
        same = np.ones(len(self.clean), np.bool_)
        for column, code in zip(cut.columns, cut.codes, strict=True):
            same &= self.clean[:, column].astype(np.int64) == code
        return int(same.sum())

    def plain(self, cut: Cut) -> dict[str, Any]:
        """Return a cut as columns and their values, for JSON."""
        if isinstance(cut, Phrase):
            return {self.names[cut.column]: cut.text}
        return {self.names[column]: _json(self.value(column, code)) for column, code in zip(cut.columns, cut.codes, strict=True)}

    @cached_property
    def what(self) -> str:
        """What is probed, in a word or two."""
        words, cells = len(self.layout.texts), len(self.layout.cells)
        parts = [f"{words} column{'s' * (words > 1)} of text"] * bool(words) + [f"{cells} other column{'s' * (cells > 1)}"] * bool(cells)
        return " and ".join(parts) if words else parts[0].replace(" other", "")

    @property
    def called(self) -> str:
        """The name of the model."""
        return called(self.model)


def _read(data: Source, names: Sequence[str]) -> tuple[pa.Table, tuple[Any, ...]]:
    key = data.schema.id
    wanted = [*names, *([key] if key is not None and key not in names else [])]
    batches = list(data.batches(wanted))
    if not batches:
        return pa.table({name: [] for name in names}), ()
    table = pa.Table.from_batches(batches)
    return table.select(list(names)), tuple(table.column(key).to_pylist()) if key is not None else tuple(range(table.num_rows))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    return column.cast(kind.value_type) if pa.types.is_dictionary(kind) else (
        column.cast(pa.string()) if pa.types.is_string_view(kind) or pa.types.is_large_string(kind) else column)


def _joined(name: str, first: pa.Table, second: pa.Table, where: str) -> pa.Array:
    """The values of a column of both tables; whole numbers and fractions join, other kinds must be alike."""
    one, two = _plain(first.column(name)), _plain(second.column(name))
    if second.num_rows and one.type != two.type:
        kinds = [family(each.type) for each in (one, two)]
        if kinds[0] != kinds[1] and "missing" not in kinds and set(kinds) != {"integer", "fraction"}:
            raise DataError(f"the column '{name}' is {one.type} among the clean rows and {two.type} among the inputs", where=where,
                            expected="the same kind of values in both")
        try:
            two = two.cast(one.type)
        except pa.ArrowException:   # the inputs have a wider type
            one = one.cast(two.type)
    chunks = [*one.chunks, *(two.chunks if second.num_rows else [])]
    return pa.concat_arrays(chunks) if chunks else pa.array([], one.type)


def _codes(column: pa.Array, known: pa.Array) -> Array:
    # long whole numbers that went through fractions are no longer among the known: they are left out
    return np.asarray(pc.index_in(column, value_set=known).drop_null().to_numpy(zero_copy_only=False), np.int64)


def _numbers(seen: pa.Array) -> Array:
    numbers = seen.drop_null().cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return np.unique(numbers[np.isfinite(numbers)])


def _grid(seen: pa.Array) -> pa.Array:
    numbers = _numbers(seen)
    kept = np.unique(np.quantile(numbers, np.linspace(0, 1, GRID), method="nearest")) if len(numbers) > GRID else numbers
    return pc.unique(pa.array(kept).cast(seen.type, safe=False))


def _extra(seen: pa.Array) -> pa.Array:
    """Numbers to try that need not be there: special ones, beyond the edges, in the gaps; none of a column without a size."""
    if family(seen.type) not in ("integer", "fraction") or pa.types.is_decimal(seen.type):
        return seen[:0]
    numbers = _numbers(seen)
    if len(numbers) < 2:
        return seen[:0]
    low, high = numbers[0], numbers[-1]
    with np.errstate(over="ignore"):   # what overflows is left out below
        gaps = np.diff(numbers)
        widest = np.argsort(-gaps, kind="stable")[:GAPS]
        made = [*map(float, SPECIAL), *(high + each * (high - low) for each in BEYOND), *(low - each * (high - low) for each in BEYOND),
                *((numbers[widest] + numbers[widest + 1]) / 2)]
    made = [each for each in made if np.isfinite(each)]
    whole = family(seen.type) == "integer"
    if whole and high - low <= WHOLE:
        made += [float(each) for each in range(int(low), int(high) + 1)]
    found = [round(each) if whole else each for each in dict.fromkeys(made)]
    kept = []
    for each in dict.fromkeys(found):
        try:
            kept.append(pa.scalar(each).cast(seen.type).as_py())
        except (pa.ArrowException, OverflowError):   # the type has no room for it
            continue
    return pa.array(kept, seen.type)


def _rarest(column: pa.Array, seen: pa.Array) -> pa.Array:
    counted = pc.value_counts(column)
    order = np.argsort(counted.field("counts").to_numpy(), kind="stable")[:LISTED]
    return counted.field("values").take(pa.array(order)) if len(seen) else seen


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")


def _told(value: Any) -> str:
    if value is None:
        return "missing"
    if isinstance(value, float):
        return f"{value:.10g}"
    return repr(value[:60]) if isinstance(value, str) else str(value)


def _json(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
