"""The Arrow types that leave this package, and how the many others that libraries produce become one of them.

``normal`` says what a type becomes, ``convert`` does it, ``named`` reads a type's name, ``united`` joins the types that several
files give one column. Only modules of ``assay.data`` import it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from assay.errors import ConfigError, nearest

__all__ = ["CATEGORY", "convert", "duplicates", "is_nested", "is_number", "is_text", "is_time", "named", "normal", "united", "value_type"]

CATEGORY = pa.dictionary(pa.int32(), pa.string())

_ALIASES = {
    "string": pa.string(), "text": pa.string(), "str": pa.string(), "category": CATEGORY, "dictionary": CATEGORY, "bool": pa.bool_(),
    "boolean": pa.bool_(), "int": pa.int64(), "float": pa.float64(), "double": pa.float64(), "float16": pa.float16(),
    "float32": pa.float32(), "float64": pa.float64(), "int8": pa.int8(), "int16": pa.int16(), "int32": pa.int32(), "int64": pa.int64(),
    "uint8": pa.uint8(), "uint16": pa.uint16(), "uint32": pa.uint32(), "uint64": pa.uint64(), "date": pa.date32(), "date32": pa.date32(),
    "date64": pa.date64(), "timestamp": pa.timestamp("us"), "binary": pa.binary(),
    **{f"{name}[{unit}]": make(unit) for name, make, units in (
        ("timestamp", pa.timestamp, ("s", "ms", "us", "ns")), ("duration", pa.duration, ("s", "ms", "us", "ns")),
        ("time32", pa.time32, ("s", "ms")), ("time64", pa.time64, ("us", "ns"))) for unit in units},
}
_ZONED = re.compile(r"timestamp\[(s|ms|us|ns), *(?:tz=)?([A-Za-z0-9_+:/-]{1,64})\]")


def named(name: str | pa.DataType, *, column: str) -> pa.DataType:
    """Return the type that a user names; raises ``ConfigError`` with the nearest name.

    >>> named("timestamp[us, UTC]", column="t"), named("text", column="s")
    (TimestampType(timestamp[us, tz=UTC]), DataType(string))
    """
    if isinstance(name, pa.DataType):
        return normal(name)
    text = str(name).strip().lower()
    if text in _ALIASES:
        return _ALIASES[text]
    if zoned := _ZONED.fullmatch(str(name).strip()):
        return pa.timestamp(zoned[1], zoned[2])
    guess = nearest(text, _ALIASES)
    raise ConfigError(f"there is no column type '{name}'", where=f"types of the column '{column}'",
                      expected="an Arrow type such as string, int64, double, bool, date32, timestamp[us] or category",
                      hint=f"did you mean '{guess}'?" if guess else None)


@functools.lru_cache(maxsize=1024)
def normal(kind: pa.DataType) -> pa.DataType:
    """Return the type that a column of an Arrow type has once it is read.

    Every text is ``string`` or ``dictionary<int32, string>``; decimals are ``double``; encodings and extensions are undone; numbers,
    times with their zone, bytes and nested types stay.

    >>> normal(pa.large_string()), normal(pa.decimal128(9, 2)), normal(pa.dictionary(pa.int8(), pa.large_string())) == CATEGORY
    (DataType(string), DataType(double), True)
    """
    if isinstance(kind, pa.BaseExtensionType):
        return normal(kind.storage_type)
    if pa.types.is_run_end_encoded(kind):
        return normal(kind.value_type)
    if pa.types.is_dictionary(kind):
        value = normal(kind.value_type)
        # a handful of numbers or texts is a category; what is not counted by value is better off without the detour
        keep = is_text(value) or is_number(value) or pa.types.is_binary(value)
        return pa.dictionary(pa.int32(), value) if keep and not pa.types.is_dictionary(value) else value
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return pa.binary()
    if pa.types.is_decimal(kind):
        return pa.float64()
    return kind


def convert(array: pa.Array, to: pa.DataType) -> pa.Array:
    """Return ``array`` as the type ``to``; raises Arrow's own error where a value does not fit.

    >>> convert(pa.array(["a", "b", "a"]), CATEGORY).indices.to_pylist()
    [0, 1, 0]
    """
    kind = array.type
    if kind == to:
        return array
    if isinstance(kind, pa.BaseExtensionType):
        return convert(array.storage, to)
    if pa.types.is_run_end_encoded(kind):
        return convert(pc.run_end_decode(array), to)
    if pa.types.is_dictionary(kind):
        if not pa.types.is_dictionary(to):
            return convert(array.dictionary_decode(), to)
        return pa.DictionaryArray.from_arrays(array.indices.cast(to.index_type), convert(array.dictionary, to.value_type))
    if pa.types.is_dictionary(to):
        return convert(convert(array, to.value_type).dictionary_encode(), to)
    if pa.types.is_decimal(kind) and pa.types.is_floating(to):
        return array.cast(to, safe=False)   # the nearest double is what a decimal is worth here
    return array.cast(to)


def united(kinds: Mapping[str, pa.DataType], *, fractions: bool = False) -> tuple[pa.DataType, None] | tuple[None, tuple[str, str]]:
    """Return the one type that holds every value of ``kinds`` (file to type) without loss, or the first two files that differ.

    ``fractions`` lets whole numbers join fractions, for text formats, which do not say what they hold.

    >>> united({"a": pa.int32(), "b": pa.null(), "c": pa.int64()})
    (DataType(int64), None)
    >>> united({"a": pa.int64(), "b": pa.string()})
    (None, ('a', 'b'))
    """
    found, owner = pa.null(), ""
    for name, kind in kinds.items():
        joined = _joined(found, kind, fractions) or _joined(kind, found, fractions)
        if joined is None:
            return None, (owner, name)
        if joined != found or not owner:
            owner = name if joined == kind else owner
        found = joined
    return found, None


def _joined(one: pa.DataType, other: pa.DataType, fractions: bool) -> pa.DataType | None:
    """Return the type that holds both, where ``one`` is the narrower of the two."""
    if one == other or pa.types.is_null(one):
        return other
    if pa.types.is_string(one) and other == CATEGORY:
        return CATEGORY
    if pa.types.is_integer(one) and pa.types.is_integer(other):
        same = pa.types.is_signed_integer(one) == pa.types.is_signed_integer(other)
        wider = other.bit_width > one.bit_width or (same and other.bit_width == one.bit_width)
        return other if wider and (same or pa.types.is_signed_integer(other)) else None
    if pa.types.is_floating(one) and pa.types.is_floating(other):
        return other if other.bit_width > one.bit_width else None
    if pa.types.is_integer(one) and pa.types.is_floating(other):
        return other if fractions or (other.bit_width == 64 and one.bit_width < 64) else None
    if pa.types.is_timestamp(one) and pa.types.is_timestamp(other) and one.tz == other.tz:
        units = ("s", "ms", "us", "ns")
        return other if units.index(other.unit) > units.index(one.unit) else None
    if pa.types.is_date(one) and pa.types.is_timestamp(other) and fractions and other.tz is None:
        return other
    return None


def value_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of the values, whether they are dictionary-encoded or not.

    >>> value_type(CATEGORY)
    DataType(string)
    """
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _any(*tests: Callable[[pa.DataType], bool]) -> Callable[[pa.DataType], bool]:
    known: dict[int, bool] = {}  # all types of one id pass, or none: thousands of columns are of a few types

    def passes(kind: pa.DataType) -> bool:
        found = known.get(kind.id)
        if found is None:
            found = known[kind.id] = any(test(kind) for test in tests)
        return found

    return passes


is_text = _any(pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
is_number = _any(pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
is_time = _any(pa.types.is_timestamp, pa.types.is_date)
is_nested = _any(pa.types.is_nested, pa.types.is_list_view, pa.types.is_large_list_view, pa.types.is_interval)


def duplicates(names: Iterable[str]) -> list[str]:
    """Return the names that occur more than once, each once.

    >>> duplicates(["a", "b", "a"])
    ['a']
    """
    seen: dict[str, int] = {}
    for name in names:
        seen[name] = seen.get(name, 0) + 1
    return [name for name, count in seen.items() if count > 1]
