"""The values of a field for every row: numbers with NaN where missing, or words by their place in a list.

A field of 32-bit numbers stays one, so that it is compared with a threshold as the exporter meant. Only this package uses this.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from assay.errors import ModelError
from assay.model.pmml.document import Element, number

__all__ = ["Column", "Words", "cast", "chosen", "constant", "equals", "items", "literal", "missing", "numeric", "same", "words"]

Array = np.ndarray[Any, Any]
ITEM = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*+)"|([^\s"]+))?\s*', re.DOTALL)
SWITCH = {"true": 1.0, "false": 0.0}
NUMBERS = {"double": np.float64, "float": np.float32, "integer": np.float64, "boolean": np.float64}


@dataclass(frozen=True, eq=False)
class Words:
    """Text for every row: ``codes`` are places in ``words``, -1 where missing."""

    codes: Array
    words: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.codes)

    def told(self, each: Callable[[str], float], missing: float = np.nan) -> Array:
        """Return a number for every row, asked once for each word."""
        table = np.array([*map(each, self.words), missing], np.float64)
        return table[self.codes]


Column: TypeAlias = Array | Words


def missing(column: Column) -> Array:
    """Return where a value is missing."""
    return column.codes < 0 if isinstance(column, Words) else np.isnan(column)


def constant(text: str, kind: str | None, rows: int) -> Column:
    """Return a constant for every row; text where its type says so, or where it is no number and says nothing."""
    if kind is None:
        kind = "boolean" if text in SWITCH else "double" if _is_number(text) else "string"
    if kind in NUMBERS:
        return np.full(rows, SWITCH[text] if text in SWITCH else number(text))
    return Words(np.zeros(rows, np.int64), (text,))


def numeric(column: Column) -> Array:
    """Return a column as numbers; a word that is none is missing."""
    return column.told(_as_number) if isinstance(column, Words) else column


def words(column: Column) -> Words:
    """Return a column as words; numbers are spelt as Java and Python spell them, whole ones without a point."""
    if isinstance(column, Words):
        return column
    known, codes = np.unique(column[~np.isnan(column)], return_inverse=True)
    out = np.full(len(column), -1, np.int64)
    out[~np.isnan(column)] = codes
    return Words(out, tuple(f"{each:.0f}" if each == int(each) else repr(float(each)) for each in known))


def cast(column: Column, kind: str | None) -> Column:
    """Return a column as the ``dataType`` of its field."""
    if kind == "string":
        return words(column)
    if kind not in NUMBERS:
        if kind is None:
            return column
        raise ModelError(f"the file has a field of the type {kind}", expected="string, double, float, integer or boolean")
    found = numeric(column)
    return found.astype(NUMBERS[kind], copy=False) if kind == "float" else found


def equals(column: Column, text: str) -> Array:
    """Return where a value equals a literal; where it is missing, false."""
    if isinstance(column, Words):
        return column.told(lambda each: each == text, 0.0) > 0
    value = _as_number(text)
    found: Array = column == value
    return found


def literal(text: str) -> float:
    """Return the number that a literal of a predicate stands for, true and false among them."""
    found = _as_number(text)
    if np.isnan(found):
        raise ModelError(f"the file compares with '{text[:40]}', which is no number", expected="a whole PMML file")
    return found


def items(array: Element) -> list[str]:
    """Return the values of an ``Array``: split at blanks, with quotes where a value has blanks of its own."""
    found, at = [], 0
    while (each := ITEM.match(array.text, at)) is not None and each.end() > at:
        quoted, plain = each.groups()
        if quoted is not None:
            found.append(quoted.replace('\\"', '"'))
        elif plain is not None:
            found.append(plain)
        at = each.end()
    if at < len(array.text):   # told at once: to look for its end from every quote on would take hours
        raise ModelError("an array of the file has a quote without an end", expected="a whole PMML file")
    return found


def same(left: Column, right: Column) -> Array:
    """Return where two columns are equal; where one is missing, false."""
    if isinstance(left, Words) or isinstance(right, Words):
        left, right = words(left), words(right)
        place = {each: at for at, each in enumerate(right.words)}
        table = np.array([*(place.get(each, -2) for each in left.words), -3])
        found: Array = table[left.codes] == right.codes
        return found
    return np.asarray(left == right)


def chosen(condition: Array, left: Column, right: Column) -> Column:
    """Return ``left`` where the condition holds, else ``right``."""
    if not (isinstance(left, Words) or isinstance(right, Words)):
        return np.where(condition, left, right)
    if not isinstance(left, Words) and np.isnan(left).all():
        left = Words(np.full(len(left), -1), ())
    if not isinstance(right, Words) and np.isnan(right).all():
        right = Words(np.full(len(right), -1), ())
    left, right = words(left), words(right)
    joined = tuple(dict.fromkeys((*left.words, *right.words)))
    place = {each: at for at, each in enumerate(joined)}
    return Words(np.where(condition, _moved(left, place), _moved(right, place)), joined)


def _moved(column: Words, place: dict[str, int]) -> Array:
    found: Array = np.array([*(place[each] for each in column.words), -1], np.int64)[column.codes]
    return found


def _as_number(text: str) -> float:
    return SWITCH[text] if text in SWITCH else float(text) if _is_number(text) else np.nan


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", text) is not None

