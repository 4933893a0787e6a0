"""What each column of a data set is, and what it is for: Arrow types and roles.

``Schema.of(arrow_schema, roles, where=...)`` checks the roles that a user gave against the columns that are there; ``family`` names
the kind of a type. Every layer above ``assay.data`` reads schemas.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from assay.data._type import duplicates, is_nested, is_number, is_text, is_time, value_type
from assay.data.derived import derived, holds, joined, shown
from assay.errors import ColumnTypeError, ConfigError, DataError, UnknownColumnError, UnknownNameError, listed

__all__ = ["ROLES", "Beside", "Column", "Schema", "family"]

ROLES = ("feature", "label", "prediction", "score", "protected", "forbidden", "timestamp", "available_at", "id", "entity", "query",
         "horizon", "weight", "ignored")
_SEVERAL = frozenset({"feature", "label", "score", "protected", "forbidden", "available_at", "ignored"})
# Roles that one column may have together. A patient may be the entity and the query; race may be protected and forbidden. All
# else is a slip of the pen (a label that is an id too), or leaks (a feature that is the label).
_TOGETHER = (frozenset({"protected", "forbidden", "entity", "id", "query"}), frozenset({"protected", "feature"}),
             frozenset({"timestamp", "available_at"}))
_INDEX = re.compile(r"__index_level_\d+__")  # what pandas writes into Parquet for its index; no model was trained on it
_PLACES = frozenset({"label", "prediction", "score", "timestamp", "id", "entity", "query", "horizon", "weight", "available_at"})


@dataclass(frozen=True)
class Column:
    """One column: its name, its Arrow type as it is read, and its roles."""

    name: str
    type: pa.DataType
    roles: frozenset[str]


@dataclass(frozen=True)
class Beside:
    """What can be computed beside a stored column by what was learned of data: a column of ``type``, made of its values by ``of``."""

    column: str
    type: pa.DataType
    of: Callable[[pa.Array], pa.Array] = field(compare=False)


@dataclass(frozen=True)
class Schema:
    """The columns of a data set in file order, and their roles.

    Every column without another role is a feature, unless it is nested (lists, structs, maps), which is ignored. A protected column
    is a feature too unless it has a further role. Names in ``labels`` and ``score`` keep the order in which they were given. What
    ``assay.data.derived`` can make of a column (``length of review``) may be asked for by name, and is in no list; nor are the columns
    ``beside``, by name. ``media`` is what a user said that columns hold: text, image, or category where it is neither.

    >>> schema = Schema.of(pa.schema({"age": pa.int64(), "race": pa.string(), "y": pa.bool_()}), {"label": "y", "protected": ["race"]})
    >>> schema.features, schema.label, schema.protected, schema["age"].type
    (('age', 'race'), 'y', ('race',), DataType(int64))
    """

    columns: tuple[Column, ...]
    order: Mapping[str, tuple[str, ...]] = field(default_factory=dict)   # role -> its columns as they were given
    available_at: Mapping[str, str] = field(default_factory=dict)        # feature -> column saying when its value was known
    where: str = "the data"
    media: Mapping[str, str] = field(default_factory=dict)               # column -> text, image or category, as a user said
    beside: Mapping[str, Beside] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, arrow: pa.Schema, roles: Mapping[str, Any], *, where: str = "the data", media: Mapping[str, str] | None = None) -> Schema:
        """Return the schema of ``arrow`` with ``roles`` (role -> column or columns; ``available_at``: feature -> column).

        Raises ``DataError`` for two columns of one name, ``UnknownColumnError`` for a column that is not there, ``ConfigError`` for
        roles that contradict each other, ``ColumnTypeError`` for a column that cannot play its role.
        """
        names = list(arrow.names)
        if twice := duplicates(names):
            raise DataError(f"there is more than one column called {listed(twice)}", where=where, expected="names that differ",
                            hint="rename them; if these are values, the first row is missing its column names")
        given, available = _given(roles, where)
        for name in (each for some in given.values() for each in some):
            if name not in names:
                raise UnknownColumnError.among(name, names, where=where)
        for name in available:
            if name not in names:
                raise UnknownColumnError.among(name, names, where=where)
        found: dict[str, set[str]] = {name: set() for name in names}
        for role, some in given.items():
            for name in some:
                found[name].add(role)
        columns = tuple(Column(each.name, each.type, _roles(each, found[each.name], "feature" in given, where)) for each in arrow)
        for name, medium in (media or {}).items():
            if medium == "image" and name in names and holds(arrow.field(name).type) != "image":
                raise ColumnTypeError(f"the column '{name}' is of type {arrow.field(name).type} and holds no images", where=where,
                                      expected="bytes of PNG or JPEG files, structs with bytes, or lists of pixels of one length")
        return cls(columns, given, available, where, dict(media or {}))

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    def __contains__(self, name: object) -> bool:
        return name in self._named or (isinstance(name, str) and self._made(name) is not None)

    def __getitem__(self, name: str) -> Column:
        found = self._named.get(name) or self._made(name)
        if found is None:
            raise UnknownColumnError.among(name, self.names, where=self.where)
        return found

    def __hash__(self) -> int:
        return hash(self.columns)

    def stored(self, name: str) -> str:
        """Return the column that must be read for ``name``: itself, or the one that it is derived from."""
        if name in self._named:
            return name
        found = derived(name, self._type)
        return found[1] if found is not None else self.beside[name].column if name in self.beside else name

    def shown(self, column: str) -> tuple[str, ...]:
        """Return the columns by which a text or image column is compared and cut unasked: derived of it, and beside it."""
        beside = (name for name, each in self.beside.items() if each.column == column and name not in self._named)
        return (*shown(column, self[column].type), *beside)

    def joined(self, batch: pa.RecordBatch, names: Iterable[str]) -> pa.RecordBatch:
        """Return a batch with the columns among ``names`` that are made of its own beside them."""
        names = list(names)
        batch = joined(batch, names)
        stored = set(batch.schema.names)
        for name in dict.fromkeys(names):
            made = self.beside.get(name)
            if made is not None and name not in stored and made.column in stored:
                batch = batch.append_column(pa.field(name, made.type), made.of(batch.column(made.column)))
        return batch

    def _made(self, name: str) -> Column | None:
        found = derived(name, self._type)
        kind = found[0].type if found is not None else self.beside[name].type if name in self.beside else None
        return None if kind is None else Column(name, kind, frozenset({"ignored"}))

    def _type(self, name: str) -> pa.DataType | None:
        found = self._named.get(name)
        return None if found is None else found.type

    @functools.cached_property
    def _named(self) -> dict[str, Column]:
        return {each.name: each for each in self.columns}

    @functools.cached_property
    def arrow(self) -> pa.Schema:
        """The columns as an Arrow schema, without metadata."""
        return pa.schema([pa.field(each.name, each.type) for each in self.columns])

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """Every column, in file order."""
        return tuple(each.name for each in self.columns)

    @functools.cached_property
    def features(self) -> tuple[str, ...]:
        """What a model may see, in file order."""
        return self._with("feature")

    @property
    def protected(self) -> tuple[str, ...]:
        """Columns by which nobody may be treated worse, in file order."""
        return self._with("protected")

    @property
    def forbidden(self) -> tuple[str, ...]:
        """Columns that a model must not see, in file order."""
        return self._with("forbidden")

    @property
    def ignored(self) -> tuple[str, ...]:
        """Columns that are read only when asked for, in file order."""
        return self._with("ignored")

    @property
    def labels(self) -> tuple[str, ...]:
        """The label columns as they were given; several are labels that can hold together."""
        return self.order.get("label", ())

    @property
    def label(self) -> str | None:
        """The only label column, or None."""
        return self.labels[0] if len(self.labels) == 1 else None

    @property
    def score(self) -> tuple[str, ...]:
        """Columns of logged scores as they were given: one per class."""
        return self.order.get("score", ())

    @property
    def prediction(self) -> str | None:
        """The column of logged predictions."""
        return self._only("prediction")

    @property
    def timestamp(self) -> str | None:
        """The column that says when a row came to be."""
        return self._only("timestamp")

    @property
    def id(self) -> str | None:
        """The column that names a row."""
        return self._only("id")

    @property
    def entity(self) -> str | None:
        """The column that says to whom a row belongs: rows of one entity are not independent."""
        return self._only("entity")

    @property
    def query(self) -> str | None:
        """The column that says which rows are ranked together."""
        return self._only("query")

    @property
    def horizon(self) -> str | None:
        """The column that says how far ahead a forecast looks."""
        return self._only("horizon")

    @property
    def weight(self) -> str | None:
        """The column that says how much a row counts."""
        return self._only("weight")

    @property
    def roles(self) -> dict[str, Any]:
        """The roles as :meth:`of` takes them."""
        given: dict[str, Any] = {role: names for role, names in self.order.items() if role != "available_at"}
        return given | ({"available_at": dict(self.available_at)} if self.available_at else {})

    def _with(self, role: str) -> tuple[str, ...]:
        return tuple(each.name for each in self.columns if role in each.roles)

    def _only(self, role: str) -> str | None:
        found = self.order.get(role, ())
        return found[0] if found else None


def family(kind: pa.DataType) -> str:
    """Return the kind of a type in a word, the same for every width and encoding.

    >>> [family(each) for each in (pa.int8(), pa.float32(), pa.dictionary(pa.int32(), pa.string()), pa.timestamp("us"), pa.null())]
    ['integer', 'fraction', 'text', 'timestamp', 'missing']
    """
    kind = value_type(kind)
    tests = (("integer", pa.types.is_integer), ("fraction", pa.types.is_floating), ("fraction", pa.types.is_decimal), ("text", is_text),
             ("boolean", pa.types.is_boolean), ("timestamp", pa.types.is_timestamp), ("date", pa.types.is_date),
             ("missing", pa.types.is_null), ("duration", pa.types.is_duration), ("time of day", pa.types.is_time), ("nested", is_nested))
    return next((name for name, test in tests if test(kind)), "bytes")


def _given(roles: Mapping[str, Any], where: str) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """Return role -> columns in ROLES order, and what ``available_at`` maps; empty roles are left out."""
    found: dict[str, tuple[str, ...]] = {}
    available: dict[str, str] = {}
    for role, columns in roles.items():
        if role not in ROLES:
            raise UnknownNameError.among("role", role, ROLES, where=where)
        if columns is None:
            continue
        if role == "available_at":
            if not isinstance(columns, Mapping) or not all(isinstance(each, str) for pair in columns.items() for each in pair):
                raise ConfigError("available_at does not map columns", where=where,
                                  expected="features to the columns that say when they were known",
                                  hint="available_at={'income': 'income_known_at'}")
            available = dict(columns)
        named = list(dict.fromkeys(available.values())) if role == "available_at" else columns
        names = (named,) if isinstance(named, str) else tuple(named) if isinstance(named, Sequence | set | frozenset) else None
        if names is None or not all(isinstance(each, str) for each in names):
            raise ConfigError(f"the role '{role}' is given as {type(named).__name__}", where=where, expected="a column name, or several")
        if twice := duplicates(names):
            raise ConfigError(f"the role '{role}' names {listed(twice)} more than once", where=where)
        if len(names) > 1 and role not in _SEVERAL:
            raise ConfigError(f"the role '{role}' names {len(names)} columns: {listed(names)}", where=where, expected="one column")
        if names:
            found[role] = names
    return {role: found[role] for role in ROLES if role in found}, available


def _roles(column: pa.Field, roles: set[str], chosen: bool, where: str) -> frozenset[str]:
    """Return the roles of a column, checked; ``chosen`` says that features were named, so that the rest are none."""
    if len(roles) > 1 and not any(roles <= some for some in _TOGETHER):
        one, other = sorted(roles, key=ROLES.index)[:2]
        raise ConfigError(f"the column '{column.name}' is named as {one} and as {other}", where=where, expected="one of the two")
    for role in roles:
        _check_type(column, role, where)
    if roles <= {"protected"}:
        if is_nested(column.type) or _INDEX.fullmatch(column.name):
            return frozenset(roles | {"ignored"})
        return frozenset(roles | ({"feature"} if not chosen or roles else {"ignored"}))
    return frozenset(roles)


def _check_type(column: pa.Field, role: str, where: str) -> None:
    kind = value_type(column.type)
    expected = hint = None
    if role in ("timestamp", "available_at") and not is_time(kind):
        expected = "a date or a timestamp"
        hint = f"convert it: types={{'{column.name}': 'timestamp[us]'}}" if is_text(kind) or pa.types.is_integer(kind) else None
    elif role in ("weight", "score") and not is_number(kind):
        expected = "numbers"
    elif role == "horizon" and not (is_number(kind) or is_time(kind) or pa.types.is_duration(kind)):
        expected = "a number, a duration or a time"
    elif role in (_PLACES | {"feature"}) and is_nested(kind):
        expected = "plain values, not lists or structs"
    if expected and not (pa.types.is_null(kind) and role != "label"):
        raise ColumnTypeError(f"the column '{column.name}' is of type {column.type} and cannot be the {role}", where=where,
                              expected=expected, hint=hint)
