"""How a row may be changed, said column by column: set, add, multiply, swap, replace, drop, between.

``alteration(column, said)`` reads one column's changes, ``bound`` fits their values to its type, ``variants`` makes the changed rows.
Only values are computed, nothing is evaluated. Probes may import it.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from assay.data.schema import Schema, family
from assay.errors import ConfigError, UnknownColumnError, listed, nearest

__all__ = ["OPERATIONS", "Alteration", "Variant", "alteration", "variants"]

OPERATIONS = ("set", "add", "multiply", "swap", "replace", "drop", "between")
MOST = 1000        # values of one operation
_RUNGS = 64        # smaller replacements of text that are tried
_NUMERIC = ("integer", "fraction")


@dataclass(frozen=True)
class Variant:
    """A row by its place among the seeds, and the new values of the columns that are changed."""

    row: int
    change: Mapping[str, Any]


@dataclass(frozen=True)
class Alteration:
    """What may be done to one column; each of ``steps`` is an operation and its value, and gives one new value.

    >>> income = alteration("income", {"multiply": [1.1, 2]})
    >>> income.values(100.0, np.random.default_rng(0))
    [110.00000000000001, 200.0]
    """

    column: str
    steps: tuple[tuple[str, Any], ...]
    kind: str = "fraction"

    @property
    def random(self) -> bool:
        """Whether its values are drawn, not listed."""
        return any(name == "between" for name, _ in self.steps)

    @property
    def gradual(self) -> bool:
        """Whether every value between the old and the new one is a change of the same sort, only smaller."""
        return all(name in ("add", "multiply", "between") for name, _ in self.steps)

    def bound(self, schema: Schema) -> Alteration:
        """Return it with its values as those of the column; raises where the column is not there, or of another kind."""
        if self.column not in schema.names:
            raise UnknownColumnError.among(self.column, schema.names, where=schema.where)
        arrow = schema[self.column].type
        kind = family(arrow)
        steps: list[tuple[str, Any]] = []
        for name, value in self.steps:
            if name in ("add", "multiply", "between") and kind not in _NUMERIC:
                raise ConfigError(f"'{name}' changes numbers, and the column '{self.column}' is of type {arrow}", expected="set or swap")
            if name == "replace" and kind != "text":
                raise ConfigError(f"'replace' changes text, and the column '{self.column}' is of type {arrow}", expected="set or swap")
            steps.append((name, _typed(value, arrow, self.column) if name == "set" else
                          tuple(_typed(each, arrow, self.column) for each in value) if name == "swap" else value))
        return replace(self, steps=tuple(steps), kind=kind)

    def values(self, before: Any, rng: np.random.Generator, draws: int = 1) -> list[Any]:
        """Return the values that ``before`` may become, each once and none as it was; ``between`` is drawn ``draws`` times."""
        found: list[Any] = []
        for name, value in self.steps:
            found += self._after(name, value, before, rng, draws)
        return [each for place, each in enumerate(found) if not _same(each, before) and not any(_same(each, one) for one in found[:place])]

    def ladder(self, before: Any, after: Any) -> list[Any]:
        """Return smaller changes of a text than that to ``after``, the smallest first: fewer of the words replaced."""
        if not isinstance(before, str):
            return []
        for name, value in self.steps:
            if name == "replace" and _replaced(before, value) == after:
                places = list(_words(value).finditer(before))
                some = itertools.chain.from_iterable(itertools.combinations(places, size) for size in range(1, len(places)))
                return [_swapped(before, value, chosen) for chosen in itertools.islice(some, _RUNGS)]
        return []

    def _after(self, name: str, value: Any, before: Any, rng: np.random.Generator, draws: int) -> list[Any]:
        if name == "set":
            return [value]
        if name == "drop":
            return [None]
        if name == "between":
            low, high = value
            drawn = rng.integers(math.ceil(low), math.floor(high) + 1, draws) if self.kind == "integer" else rng.uniform(low, high, draws)
            return [each.item() for each in drawn]
        if before is None or (isinstance(before, float) and math.isnan(before)):
            return []   # what is not known cannot be raised, exchanged or reworded
        if name == "swap":
            return list(value)
        if name == "replace":
            return [_replaced(before, value)]
        after = before + value if name == "add" else before * value
        return [] if not math.isfinite(after) else [round(after)] if self.kind == "integer" else [after]


def alteration(column: str, said: Any, *, where: str | None = None) -> Alteration:
    """Return what may be done to ``column``, as a file says it: ``{"multiply": [1.1, 2]}``, ``{"drop": True}``.

    Raises ``ConfigError``, at ``where``, with the nearest operation where one is misspelt.
    """
    if not isinstance(said, Mapping) or not said:
        raise ConfigError(f"the change of '{column}' is no mapping", where=where,
                          expected="an operation and its values, such as {add: 100}", hint=f"operations: {listed(OPERATIONS)}")
    steps: list[tuple[str, Any]] = []
    for name, value in said.items():
        if name not in OPERATIONS:
            near = nearest(str(name), OPERATIONS)
            raise ConfigError(f"there is no operation '{name}' for '{column}'", where=where, expected=f"one of {listed(OPERATIONS)}",
                              hint=f"did you mean '{near}'?" if near else None)
        steps += [(name, each) for each in _read(column, name, value, where)]
    if len(steps) > MOST:
        raise ConfigError(f"the change of '{column}' lists {len(steps):,} values", where=where, expected=f"at most {MOST:,}")
    if not steps:
        raise ConfigError(f"the change of '{column}' does nothing", where=where, expected="drop: true, or another operation")
    return Alteration(column, tuple(steps))


def _read(column: str, name: str, value: Any, where: str | None) -> list[Any]:
    """Return the steps of one operation."""
    def wrong(expected: str) -> ConfigError:
        return ConfigError(f"'{name}' of '{column}' is not right", where=where, expected=expected)

    many = list(value) if isinstance(value, list | tuple) else [value]
    if name == "set":
        if any(isinstance(each, Mapping | list) for each in many) or not many:
            raise wrong("a value, or a list of values that are tried in turn")
        return many
    if name in ("add", "multiply"):
        if not many or not all(_number(each) for each in many):
            raise wrong("a number, or a list of numbers that are tried in turn")
        return many
    if name == "swap":
        if len(many) < 2 or any(isinstance(each, Mapping | list) or each is None for each in many):
            raise wrong("a list of two values or more; each row gets those that it does not have")
        return [tuple(many)]
    if name == "replace":
        if not isinstance(value, Mapping) or not value or not all(isinstance(each, str) and each for each in (*value, *value.values())):
            raise wrong("words to words, such as {he: she, she: he}")
        return [dict(value)]
    if name == "drop":
        if not isinstance(value, bool):
            raise wrong("true: the value goes missing")
        return [True] if value else []
    if len(many) != 2 or not all(_number(each) for each in many) or many[0] >= many[1]:
        raise wrong("two numbers, the lower one first, between which values are drawn")
    return [tuple(many)]


def variants(rows: Sequence[Mapping[str, Any]], changes: Sequence[Alteration], *, draws: int, key: Sequence[int]) -> list[Variant]:
    """Return what becomes of each of ``rows`` when all of ``changes`` are made together.

    Every combination of listed values, or ``draws`` of them where there are more or where values are drawn; the same ``key`` and rows
    draw the same. A column that a change leaves as it is stays out; a row with none else has no variant.
    """
    found: list[Variant] = []
    for place, row in enumerate(rows):
        rng = np.random.default_rng([*key, place])
        options = {each.column: some for each in changes if (some := each.values(row.get(each.column), rng, draws))}
        if not options:
            continue
        size = math.prod(len(each) for each in options.values())
        if size <= draws and not any(each.random for each in changes):
            picked: Iterable[tuple[Any, ...]] = itertools.product(*options.values())
        else:
            columns = [[some[at] for at in rng.integers(0, len(some), draws)] if len(some) != draws else some for some in options.values()]
            picked = list(zip(*columns, strict=True))
        found += [Variant(place, dict(zip(options, each, strict=True))) for each in picked]
    return found


def _typed(value: Any, kind: pa.DataType, column: str) -> Any:
    """Return a value of a file as a value of a column."""
    if value is None:
        return None
    value_type = kind.value_type if pa.types.is_dictionary(kind) else kind
    textual = pa.types.is_string(value_type)
    if textual == isinstance(value, str) or not (textual or pa.types.is_integer(value_type) or pa.types.is_floating(value_type)
                                                 or pa.types.is_boolean(value_type)):
        try:
            return pa.scalar(value).cast(value_type).as_py()
        except (pa.ArrowException, ValueError, TypeError):
            pass
    raise ConfigError(f"the value {value!r} does not fit the column '{column}' of type {value_type}",
                      hint="write it in quotes" if textual else "without quotes?" if isinstance(value, str) else None)


def _words(pairs: Mapping[str, str]) -> re.Pattern[str]:
    # whole words, as "he" stands in "the" too; the longest first
    return re.compile("|".join(rf"(?<!\w){re.escape(each)}(?!\w)" for each in sorted(pairs, key=lambda each: (-len(each), each))))


def _replaced(text: Any, pairs: Mapping[str, str]) -> str:
    return _words(pairs).sub(lambda found: pairs[found[0]], str(text))


def _swapped(text: str, pairs: Mapping[str, str], chosen: Sequence[re.Match[str]]) -> str:
    starts = {each.start() for each in chosen}
    return _words(pairs).sub(lambda found: pairs[found[0]] if found.start() in starts else found[0], text)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _same(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    return bool(one == other) or (one != one and other != other)
