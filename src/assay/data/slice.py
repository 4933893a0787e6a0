"""Ways to cut the rows: by the values of a column, by quantile bins, by a condition, or by several of these crossed.

================================  =====================================================================================
``carrier``                       one slice per value; names with blanks stand in backticks
``age:4``                         four bins of about equal size in the reference: ``< 20``, ``[20, 30)``, ..., ``>= 50``
``age < 25 and region == 'N'``    the rows for which it is true (see ``assay.data.predicate``)
``carrier * age:4``               every combination that occurs; conditions in it stand in parentheses
================================  =====================================================================================

Rows without a value are a slice of their own: ``None`` by value, ``"missing"`` in bins. Interface: :func:`slicing`, the protocol
:class:`Slicing`, :func:`quantile_edges`. Any layer above may import it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import pyarrow as pa

from assay.data._type import is_nested, is_number, value_type
from assay.data.predicate import _TOKEN, MAX_LENGTH, Predicate, parse, quoted
from assay.data.schema import Schema
from assay.errors import ColumnTypeError, ConfigError, ExpressionError, UnknownColumnError
from assay.result import SliceKey

__all__ = ["ByPredicate", "ByQuantile", "ByValue", "Crossed", "Slicing", "quantile_edges", "slicing"]

Codes: TypeAlias = "np.ndarray[Any, np.dtype[np.int32]]"
Edges: TypeAlias = "Mapping[str, Sequence[float]] | Sequence[float] | np.ndarray[Any, Any]"

MOST = 10_000        # different slices in one batch: more are no slices that anybody looks at, but an id
MOST_FRACTIONS = 100
MOST_BINS = 1000
_DEPTH = 20
_WHERE = "where"     # the name of a condition in a slice's key


class Slicing(Protocol):
    """One way to cut the rows."""

    @property
    def text(self) -> str:
        """Canonical text; ``slicing(text, schema)`` makes the same slicing of it."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it reads."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """The names in its keys, sorted: columns, and ``where`` for a condition."""
        ...

    @property
    def quantiles(self) -> tuple[tuple[str, int], ...]:
        """Column and number of bins of each part that needs edges."""
        ...

    def codes(self, batch: pa.RecordBatch) -> tuple[Codes, list[SliceKey]]:
        """Return the code of each row (int32; -1 where it is in no slice) and the key of each code, for this batch only."""
        ...

    def owns(self, key: SliceKey) -> bool:
        """Whether a key is one that this slicing can give."""
        ...


def slicing(text: str | Slicing, schema: Schema, *, edges: Edges | None = None) -> Slicing:
    """Return the slicing that ``text`` describes for data of ``schema``.

    ``edges`` are the inner edges of quantile bins, ascending: an array for the only column that is binned, or a mapping of
    ``"age:4"`` to an array. They come from the reference (:func:`quantile_edges`), so that every data set is cut alike; without
    them, such a slicing can be looked at, but gives no codes. Raises ``UnknownColumnError``, ``ColumnTypeError``, ``ExpressionError``.

    >>> schema = Schema.of(pa.schema({"age": pa.int64(), "carrier": pa.string()}), {})
    >>> cut = slicing("carrier*age:2", schema, edges=[40])
    >>> codes, keys = cut.codes(pa.record_batch({"age": [31, 62, None], "carrier": ["AA", "AA", "UA"]}))
    >>> [dict(keys[code]) for code in codes]
    [{'age': '< 40', 'carrier': 'AA'}, {'age': '>= 40', 'carrier': 'AA'}, {'age': 'missing', 'carrier': 'UA'}]
    >>> cut.text, cut.quantiles
    ('carrier * age:2', (('age', 2),))
    """
    if not isinstance(text, str):
        return text
    if len(text) > MAX_LENGTH:
        raise ConfigError("the text of a slicing is too long", expected=f"at most {MAX_LENGTH:,} characters")
    parts = _parts(text, schema, edges, 0)
    conditions = [each for each in parts if isinstance(each, ByPredicate)]
    if len(conditions) > 1:   # rows for which both hold, as one condition: a key has one "where"
        joined = ByPredicate(parse(" and ".join(f"({each.predicate.text})" for each in conditions), schema))
        at = parts.index(conditions[0])
        parts = [joined if place == at else each for place, each in enumerate(parts) if place == at or not isinstance(each, ByPredicate)]
    if len(parts) == 1:
        found: Slicing = parts[0]
        return found
    names = [name for each in parts for name in each.names]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f"the rows are cut by '{twice}' twice", where=f"in '{text}'", expected="different columns on both sides of '*'")
    return Crossed(tuple(parts))


def quantile_edges(values: np.ndarray[Any, Any], bins: int) -> tuple[float, ...]:
    """Return the inner edges that cut ``values`` into ``bins`` bins of about equal size; fewer where values repeat.

    An edge is the first value of the bin above it. Missing and infinite values do not count; no values, no edges.

    >>> quantile_edges(np.array([1.0, 2.0, 3.0, 4.0]), 2), quantile_edges(np.array([0.0, 0.0, 0.0, 7.0]), 4)
    ((3.0,), (7.0,))
    """
    if not 2 <= bins <= MOST_BINS:
        raise ConfigError(f"there cannot be {bins} bins", expected=f"2 to {MOST_BINS}")
    ordered = np.sort(np.asarray(values, np.float64))
    ordered = ordered[np.isfinite(ordered)]
    if not len(ordered):
        return ()
    places = np.arange(1, bins) * len(ordered) // bins
    edges = np.unique(ordered[places])
    return tuple(float(each) for each in edges if each > ordered[0]) or ((float(ordered[-1]),) if ordered[-1] > ordered[0] else ())


@dataclass(frozen=True)
class ByValue:
    """One slice per value of a column."""

    column: str

    @property
    def text(self) -> str:
        return quoted(self.column)

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def names(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def quantiles(self) -> tuple[tuple[str, int], ...]:
        return ()

    def codes(self, batch: pa.RecordBatch) -> tuple[Codes, list[SliceKey]]:
        array = batch.column(self.column)
        if not pa.types.is_dictionary(array.type):
            array = array.dictionary_encode()
        size = len(array.dictionary)
        indices = array.indices.fill_null(size).to_numpy(zero_copy_only=False)
        used = np.flatnonzero(np.bincount(indices, minlength=size + 1))
        self._check(len(used), array.type.value_type)
        # a dictionary may hold a value twice, or nothing: values decide, not their places
        values = [*_scalars(array.dictionary.take(pa.array(used[used < size]))), *([None] if size in used else [])]
        found: dict[Any, int] = {}
        places = np.full(size + 1, -1, np.int32)
        for place, value in zip(used, values, strict=True):
            places[place] = found.setdefault(value, len(found))
        return places[indices], [((self.column, value),) for value in found]

    def owns(self, key: SliceKey) -> bool:
        return len(key) == 1 and key[0][0] == self.column

    def _check(self, distinct: int, kind: pa.DataType) -> None:
        if pa.types.is_floating(kind) and distinct > MOST_FRACTIONS:
            raise ConfigError(f"the column '{self.column}' has {distinct:,} different fractions in a batch, too many for slices",
                              expected=f"at most {MOST_FRACTIONS}", hint=f"use quantile bins: '{self.text}:4'")
        if distinct > MOST:
            raise ConfigError(f"the column '{self.column}' has {distinct:,} different values in a batch, too many for slices",
                              expected=f"at most {MOST:,}", hint=f"is it an id? use bins ('{self.text}:4') or a condition")


@dataclass(frozen=True)
class ByQuantile:
    """Bins between given edges; a value that equals an edge belongs to the bin above it."""

    column: str
    bins: int
    edges: tuple[float, ...] | None = None

    @property
    def text(self) -> str:
        return f"{quoted(self.column)}:{self.bins}"

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def names(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def quantiles(self) -> tuple[tuple[str, int], ...]:
        return ((self.column, self.bins),)

    @property
    def labels(self) -> tuple[str, ...]:
        """What the bins are called, in order, the missing values last."""
        edges = self._edges()
        if not edges:
            return ("any", "missing")
        shown = _shown(edges)
        between = (f"[{low}, {high})" for low, high in itertools.pairwise(shown))
        return (f"< {shown[0]}", *between, f">= {shown[-1]}", "missing")

    def codes(self, batch: pa.RecordBatch) -> tuple[Codes, list[SliceKey]]:
        edges, array = self._edges(), batch.column(self.column)
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        values = np.asarray(array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
        codes = np.searchsorted(np.asarray(edges, np.float64), values, side="right").astype(np.int32)
        codes[np.isnan(values)] = len(edges) + 1
        return codes, [((self.column, label),) for label in self.labels]

    def owns(self, key: SliceKey) -> bool:
        return len(key) == 1 and key[0][0] == self.column and key[0][1] in self.labels

    def _edges(self) -> tuple[float, ...]:
        if self.edges is None:
            raise ConfigError(f"the bins of '{self.text}' have no edges", expected="edges from the reference",
                              hint="slicing(text, schema, edges=quantile_edges(values, bins))")
        return self.edges


@dataclass(frozen=True)
class ByPredicate:
    """One slice: the rows for which a condition is true."""

    predicate: Predicate

    @property
    def text(self) -> str:
        return self.predicate.text

    @property
    def columns(self) -> tuple[str, ...]:
        return self.predicate.columns

    @property
    def names(self) -> tuple[str, ...]:
        return (_WHERE,)

    @property
    def quantiles(self) -> tuple[tuple[str, int], ...]:
        return ()

    @property
    def key(self) -> SliceKey:
        """The key of its one slice."""
        return ((_WHERE, self.text),)

    def codes(self, batch: pa.RecordBatch) -> tuple[Codes, list[SliceKey]]:
        return np.where(self.predicate.mask(batch), 0, -1).astype(np.int32), [self.key]

    def owns(self, key: SliceKey) -> bool:
        return key == self.key


@dataclass(frozen=True)
class Crossed:
    """Every combination of the slices of its parts that occurs."""

    parts: tuple[Slicing, ...]

    @property
    def text(self) -> str:
        return " * ".join(f"({each.text})" if isinstance(each, ByPredicate) else each.text for each in self.parts)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for each in self.parts for name in each.columns))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(name for each in self.parts for name in each.names))

    @property
    def quantiles(self) -> tuple[tuple[str, int], ...]:
        return tuple(each for part in self.parts for each in part.quantiles)

    def codes(self, batch: pa.RecordBatch) -> tuple[Codes, list[SliceKey]]:
        codes, keys = self.parts[0].codes(batch)
        for part in self.parts[1:]:
            more, others = part.codes(batch)
            both = codes.astype(np.int64) * len(others) + more
            both[(codes < 0) | (more < 0)] = -1
            found, places = np.unique(both, return_inverse=True)
            none = int(len(found) > 0 and found[0] < 0)
            if len(found) - none > MOST:
                raise ConfigError(f"'{self.text}' makes {len(found) - none:,} slices in a batch", expected=f"at most {MOST:,}",
                                  hint="cut by fewer columns, or by bins")
            codes = (places.reshape(-1) - none).astype(np.int32)
            keys = [tuple(sorted((*keys[int(each) // len(others)], *others[int(each) % len(others)]), key=_name)) for each in found[none:]]
        return codes, keys

    def owns(self, key: SliceKey) -> bool:
        pairs = {name: (name, value) for name, value in key}
        return len(pairs) == len(key) == len(self.names) and all(
            name in pairs for name in self.names) and all(each.owns(tuple(pairs[name] for name in each.names)) for each in self.parts)


def _name(pair: tuple[str, Any]) -> str:
    return pair[0]


def _scalars(values: pa.Array) -> list[Any]:
    """Return values as they stand in a key: text, whole numbers, fractions, booleans or None."""
    kind = values.type
    if pa.types.is_temporal(kind):   # text that does not hang on what Python's types, or pandas, can hold
        return list((values.cast(pa.int64()) if pa.types.is_duration(kind) else values).cast(pa.string()).to_pylist())
    return [_scalar(each) for each in values.to_pylist()]


def _scalar(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, float) and not np.isfinite(value):
        return None if np.isnan(value) else str(value)   # JSON knows no infinity
    return value


def _shown(edges: Sequence[float]) -> list[str]:
    """Return edges for people: six digits where that tells them apart, else all digits."""
    short = [f"{each:.6g}" for each in edges]
    return short if len(set(short)) == len(short) else [repr(each) for each in edges]


# reading ---------------------------------------------------------------------------------------------------------------------


def _parts(text: str, schema: Schema, edges: Edges | None, depth: int) -> list[Any]:
    """Return what is crossed in ``text``: split at each '*' outside parentheses."""
    if depth > _DEPTH:
        raise ExpressionError("the slicing is nested too deeply", text=text[:40] + "...", position=0, expected=f"at most {_DEPTH} levels")
    stretches: list[list[Any]] = [[]]
    level = 0
    for token in _TOKEN.finditer(text):
        other = token.group() if token.lastgroup == "other" else ""
        level += (other == "(") - (other == ")")
        if other == "*" and level == 0:
            stretches.append([])
        elif other == "," and level == 0:
            raise ExpressionError("there is a ',' in a slicing", text=text, position=token.start(), expected="one way to cut the rows",
                                  hint="columns are crossed by 'carrier * origin'; to cut by each alone, ask twice")
        else:
            stretches[-1].append((token, level))
    found: list[Any] = []
    for stretch in stretches:
        while stretch and stretch[0][0].lastgroup == "space":
            del stretch[0]
        while stretch and stretch[-1][0].lastgroup == "space":
            del stretch[-1]
        if not stretch:
            raise ExpressionError("a part of the slicing is empty", text=text, position=0,
                                  expected="a column, bins such as 'age:4', or a condition")
        inner = text[stretch[0][0].start():stretch[-1][0].end()]
        first, last = stretch[0][0].group(), stretch[-1][0].group()
        if first == "(" and last == ")" and not any(level == 0 for _, level in stretch[:-1]):
            found += _parts(inner[1:-1], schema, edges, depth + 1)
        else:
            found.append(_part(inner, [token for token, _ in stretch if token.lastgroup != "space"], schema, edges))
    return found


def _part(text: str, tokens: Sequence[Any], schema: Schema, edges: Edges | None) -> Any:
    """Return the one slicing that is not crossed: bins, a column, or a condition."""
    kinds = [each.lastgroup for each in tokens]
    words = {each.group().casefold() for each in tokens if each.lastgroup == "word"}
    compares = len(tokens) > 1 and ("compare" in kinds or "string" in kinds or bool(words & {"is", "in", "between", "and", "or", "not"}))
    if compares and not (len(tokens) == 3 and tokens[1].group() == ":"):
        return ByPredicate(parse(text, schema))
    name, colon, bins = text.rpartition(":")
    if colon and len(tokens) > 2 and tokens[-2].group() == ":" and kinds[-1] == "number":
        return _binned(_column(name.strip(), tokens[:-2], schema), bins.strip(), schema, edges)
    column = _column(text, tokens, schema)
    if is_nested(value_type(schema[column].type)):
        raise ColumnTypeError(f"the column '{column}' is of type {schema[column].type}, which has no slices", where=schema.where,
                              expected="plain values, not lists or structs")
    return ByValue(column)


def _column(text: str, tokens: Sequence[Any], schema: Schema) -> str:
    """Return the column that a text names: in backticks, or as it is where nothing in it means something else."""
    if len(tokens) == 1 and tokens[0].lastgroup == "quoted":
        text = text[1:-1].replace("``", "`")
    if text not in schema:
        raise UnknownColumnError.among(text, schema.names, where=schema.where)
    return text


def _binned(column: str, bins: str, schema: Schema, edges: Edges | None) -> ByQuantile:
    kind = schema[column].type
    if pa.types.is_dictionary(kind) or not is_number(kind):
        raise ColumnTypeError(f"the column '{column}' of type {kind} has no quantile bins", where=schema.where, expected="numbers",
                              hint=f"cut by its values: {quoted(column)}")
    if not bins.isdigit() or not 2 <= int(bins[:9]) <= MOST_BINS:
        raise ConfigError(f"'{column}' cannot be cut into {bins} bins", expected=f"a whole number from 2 to {MOST_BINS}")
    count = int(bins)
    found = edges.get(f"{column}:{count}") if isinstance(edges, Mapping) else edges
    if found is None:
        return ByQuantile(column, count)
    inner = np.unique(np.asarray(found, np.float64))
    return ByQuantile(column, count, tuple(float(each) for each in inner[np.isfinite(inner)]))
