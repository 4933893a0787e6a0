"""Rules that were written for other tools, as checks: suites of Great Expectations, schemas of pandera.

``expectations(source) -> list[str]`` is the whole interface. Neither library is imported: a suite is JSON, a pandera schema is read
by its attributes, or from the YAML that it writes. Nothing in them is executed; conditions on rows are parsed, never evaluated.
"""

from __future__ import annotations

import ast
import datetime as dt
import io
import json
import math
import numbers
import re
import tokenize
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from assay.check.expression import check
from assay.data.predicate import literal, quoted
from assay.errors import ConfigError, listed
from assay.model.signature import plain
from assay.verbs.config import document

__all__ = ["expectations"]

LIMIT = 16_000_000
MOST = 100  # characters of one rule in a message
_FLIPPED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "==", "in": "not in", "not in": "in"}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_OPERATORS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=", ast.In: "in", ast.NotIn: "not in"}
_WORDS = {"&": "and", "|": "or", "~": "not"}  # pandas' signs for them, which bind as the words do


def expectations(source: Any, *, skip: bool = False) -> list[str]:
    """Return the checks that say what a Great Expectations suite or a pandera schema says, to pass as ``checks=``.

    ``source`` is a suite as a JSON file, as a mapping, as a list of its expectations, or as the object (old ``expectation_type`` and
    new ``type`` alike); or a pandera schema: the object, its model class, or its YAML. Rules on single values become a ``share`` of
    rows that break them, so nulls do not count (``ignore_na``), and ``mostly`` is of the rows that have a value. Rules on a mean, a
    median, a deviation or a quantile become checks of an estimate, which hold when its interval says so; a median is the lower of
    the two middle values. Types are compared by kind (integer, fraction, text, ...), not by width. A column that is not there is an
    error of the check. Strictly above a number is at least the next one.

    Errors: ``ConfigError`` that lists the rules that assay cannot express, unless ``skip``, which leaves them out.

    >>> expectations({"expectations": [
    ...     {"type": "expect_column_values_to_be_between", "kwargs": {"column": "age", "min_value": 0, "max_value": 120}},
    ...     {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "age", "mostly": 0.95}}]})
    ['share where (not age between 0 and 120) <= 0', 'missing of age <= 0.05']
    """
    rules = _Rules()
    found, where = _read(source)
    if isinstance(found, list):
        _suite(found, rules)
    else:
        _Schema(found, rules).read()
    if rules.left and not skip:
        raise ConfigError(f"{len(rules.left)} of the rules cannot be said as checks: {'; '.join(rules.left[:20])}"
                          + (f"; and {len(rules.left) - 20} more" if len(rules.left) > 20 else ""), where=where,
                          hint="expectations(..., skip=True) returns the others")
    return list(dict.fromkeys(rules.checks))


class _InexpressibleError(Exception):
    """A rule that no check says; the message says why."""


def _left(why: str) -> NoReturn:
    raise _InexpressibleError(why)


@dataclass
class _Rules:
    """The checks so far, and the rules that are none."""

    checks: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def add(self, name: str, made: Callable[[], Iterable[str]]) -> None:
        """Add the checks of one rule, all or none of them."""
        try:
            found = list(made())
        except _InexpressibleError as error:
            self.left.append(f"{_cut(name)} ({error})")
        except ConfigError as error:  # too long, or a number that is none
            self.left.append(f"{_cut(name)} ({error.what})")
        except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError, RecursionError) as error:
            self.left.append(f"{_cut(name)} (it is not written as it should be: {type(error).__name__})")
        else:
            self.checks += found


def _cut(text: str) -> str:
    text = "".join(each if each.isprintable() else "?" for each in text)
    return text if len(text) <= MOST else text[: MOST - 3] + "..."


# what is read ----------------------------------------------------------------------------------------------------------------


def _read(source: Any) -> tuple[Any, str | None]:
    """Return a list of expectations, or a schema (an object with columns, or a mapping), and where it came from."""
    where = None
    if isinstance(source, str | Path):
        where = str(source)
        source = _file(Path(source))
    if callable(getattr(source, "to_json_dict", None)):  # a suite of Great Expectations
        source = source.to_json_dict()
    model = getattr(source, "to_schema", None)
    if isinstance(source, type) and callable(model):  # a model of pandera
        source = model()
    if isinstance(source, Mapping):
        found = source.get("expectations", None)
        if isinstance(found, Sequence) and not isinstance(found, str):
            return list(found), where
        if isinstance(source.get("columns"), Mapping):
            return source, where
    elif isinstance(source, list | tuple):
        return list(source), where
    elif isinstance(getattr(source, "columns", None), Mapping):
        return source, where
    raise ConfigError(f"{'this' if where else 'a ' + type(source).__name__} is neither a suite nor a schema", where=where,
                      expected="a suite of Great Expectations (JSON with 'expectations') or a schema of pandera (with 'columns')")


def _file(path: Path) -> Any:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"the file cannot be read ({error.strerror})", where=str(path)) from error
    if len(data) > LIMIT:
        raise ConfigError(f"the file has {len(data):,} bytes", where=str(path), expected=f"at most {LIMIT:,}")
    if path.suffix.lower() in (".yaml", ".yml"):
        return document(path, data)
    try:
        return json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"this is not JSON ({str(error) or type(error).__name__})", where=str(path)) from error


# saying it -------------------------------------------------------------------------------------------------------------------


def _said(metric: str, column: str | None = None, *, low: Any = None, high: Any = None, where: str | None = None, warn: Any = None,
          **options: Any) -> str:
    return str(check(metric, columns=() if column is None else (column,), at_least=low, at_most=high, where=where, warn=warn,
                     options=options))


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        _left("its bound is not a number")
    return value


def _bounds(low: Any, high: Any, *, above: bool = False, below: bool = False) -> dict[str, Any]:
    """Return bounds as they stand in a check; a strict one is the next number."""
    found: dict[str, Any] = {}
    if low is not None:
        found["low"] = math.nextafter(_number(low), math.inf) if above else _number(low)
    if high is not None:
        found["high"] = math.nextafter(_number(high), -math.inf) if below else _number(high)
    return found or _left("it has no bounds")


def _value(value: Any) -> str:
    """Return a value as it stands in a condition."""
    value = plain(value)
    if isinstance(value, dt.datetime | dt.date | dt.time):
        value = value.isoformat()
    if isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return literal(value)
    if isinstance(value, numbers.Real) and math.isfinite(value):
        return literal(float(value))
    return _left(f"a value of type {type(value).__name__} cannot stand in a condition")


def _within(column: str, low: Any, high: Any, *, above: bool = False, below: bool = False) -> str:
    """Return the condition that a value breaks a range."""
    name = quoted(column)
    if low is not None and high is not None and not above and not below:
        return f"not {name} between {_value(low)} and {_value(high)}"
    parts = [f"{name} {'<=' if above else '<'} {_value(low)}"] if low is not None else []
    parts += [f"{name} {'>=' if below else '>'} {_value(high)}"] if high is not None else []
    return " or ".join(parts) or _left("it has no bounds")


def _among(column: str, values: Iterable[Any], *, negated: bool = False) -> str:
    """Return the condition that a value is one of a set (or is not); nulls are in no set."""
    found = sorted({_value(each) for each in values if each is not None and not (isinstance(each, float) and math.isnan(each))})
    return f"{quoted(column)} {'not ' if negated else ''}in ({', '.join(found)})" if found else _left("its set is empty")


def _broken(column: str, condition: str, *, mostly: Any = 1.0, rows: str | None = None, nulls: bool = False,
            severity: str = "critical") -> str:
    """Return the check that at most so many of the present values break a rule; with ``nulls`` they break it too."""
    share = _number(mostly)
    if not 0 <= share <= 1:
        _left("'mostly' is not between 0 and 1")
    most = _most(share)
    among = [rows] if rows else []
    if nulls:
        condition = f"{quoted(column)} is null or {condition}"
    elif most > 0:
        among.append(f"{quoted(column)} is not null")
    options = {"among": among[0] if len(among) == 1 else " and ".join(f"({each})" for each in among)} if among else {}
    high, warn = (most, None) if severity == "critical" else (1.0, most)
    return _said("share", high=high, warn=warn, where=condition, **options)


def _most(mostly: float) -> float:
    """Return the share that may break a rule, without the digits that subtraction makes up."""
    return float(f"{1 - mostly:.12g}")


# Great Expectations ----------------------------------------------------------------------------------------------------------


def _suite(found: Sequence[Any], rules: _Rules) -> None:
    for place, item in enumerate(found):
        each = item.to_json_dict() if callable(getattr(item, "to_json_dict", None)) else item
        if not isinstance(each, Mapping):
            rules.left.append(f"expectations[{place}] (it is no mapping)")
            continue
        name = str(each.get("expectation_type") or each.get("type") or "expectation without a type")
        raw = each.get("kwargs")
        kwargs = {key: value for key, value in (raw if isinstance(raw, Mapping) else {}).items() if value is not None}
        column = kwargs.get("column")
        title = f"{name} of {column}" if isinstance(column, str) else name
        rules.add(title, lambda name=name, kwargs=kwargs, each=each: _expectation(name, kwargs, each))  # type: ignore[misc]


def _expectation(name: str, kwargs: Mapping[str, Any], each: Mapping[str, Any]) -> Iterable[str]:
    """Return the checks of one expectation."""
    made = _EXPECTATIONS.get(name)
    if made is None:
        _left("there is no such check")
    strange = [key for key in kwargs if key not in _KNOWN and key not in made.keywords]
    if strange:
        _left(f"its {listed(strange, 3)} has no counterpart")
    if any(isinstance(value, Mapping) and "$PARAMETER" in value for value in kwargs.values()):
        _left("its parameter is known only when it is run")
    severity = str(each.get("severity") or "critical")
    if severity != "critical" and not made.graded:
        _left(f"its severity is {severity}")
    rows = kwargs.get("row_condition")
    if rows is not None and not made.graded and not made.sliced:
        _left("it has a row condition")
    return made.function(_Given(kwargs, None if rows is None else _condition(rows, str(kwargs.get("condition_parser", ""))), severity))


@dataclass(frozen=True)
class _Given:
    """The arguments of one expectation."""

    kwargs: Mapping[str, Any]
    rows: str | None
    severity: str

    @property
    def column(self) -> str:
        found = self.kwargs["column"]
        if not isinstance(found, str):
            _left("its column has no name")
        return found

    def get(self, key: str, default: Any = None) -> Any:
        return self.kwargs.get(key, default)

    @property
    def bounds(self) -> dict[str, Any]:
        return _bounds(self.get("min_value"), self.get("max_value"), above=bool(self.get("strict_min")), below=bool(self.get("strict_max")))

    def broken(self, condition: str) -> str:
        return _broken(self.column, condition, mostly=self.get("mostly", 1.0), rows=self.rows, severity=self.severity)


@dataclass(frozen=True)
class _Made:
    """How an expectation is said: ``keywords`` it takes; ``graded`` with any severity, ``sliced`` on some rows."""

    function: Callable[[_Given], Iterable[str]]
    keywords: frozenset[str]
    graded: bool
    sliced: bool


# what says nothing of what is expected
_KNOWN = frozenset({"column", "result_format", "catch_exceptions", "meta", "batch_id", "row_condition", "condition_parser",
                    "include_config", "parse_strings_as_datetimes", "notes"})
_RANGE = ("min_value", "max_value", "strict_min", "strict_max")
_EXPECTATIONS: dict[str, _Made] = {}


def _expected(name: str, *keywords: str, graded: bool = False, sliced: bool = False) -> Callable[[Any], Any]:
    def register(function: Callable[[_Given], Iterable[str]]) -> Callable[[_Given], Iterable[str]]:
        _EXPECTATIONS[f"expect_{name}"] = _Made(function, frozenset(keywords), graded, sliced)
        return function

    return register


def _statistic(name: str, metric: str, **options: Any) -> None:
    _expected(f"column_{name}_to_be_between", *_RANGE, sliced=True)(
        lambda given: [_said(metric, given.column, where=given.rows, **given.bounds, **options)])


for _name, _metric in (("min", "least"), ("max", "greatest"), ("mean", "mean"), ("stdev", "deviation"), ("unique_value_count", "distinct")):
    _statistic(_name, _metric)
_statistic("median", "quantile", q=0.5)


@_expected("column_values_to_not_be_null", "mostly", graded=True, sliced=True)
def _present(given: _Given) -> list[str]:
    most = _most(_number(given.get("mostly", 1.0)))
    high, warn = (most, None) if given.severity == "critical" else (1.0, most)
    return [_said("missing", given.column, high=high, warn=warn, where=given.rows)]


@_expected("column_values_to_be_null", "mostly", sliced=True)
def _absent(given: _Given) -> list[str]:
    return [_said("missing", given.column, low=_number(given.get("mostly", 1.0)), where=given.rows)]


@_expected("column_values_to_be_between", *_RANGE, "mostly", graded=True)
def _between(given: _Given) -> list[str]:
    return [given.broken(_within(given.column, given.get("min_value"), given.get("max_value"), above=bool(given.get("strict_min")),
                                 below=bool(given.get("strict_max"))))]


@_expected("column_values_to_be_in_set", "value_set", "mostly", graded=True)
def _in_set(given: _Given) -> list[str]:
    return [given.broken(_among(given.column, given.get("value_set") or (), negated=True))]


@_expected("column_values_to_not_be_in_set", "value_set", "mostly", graded=True)
def _not_in_set(given: _Given) -> list[str]:
    return [given.broken(_among(given.column, given.get("value_set") or ()))]


_expected("column_distinct_values_to_be_in_set", "value_set", graded=True)(_in_set)


@_expected("column_distinct_values_to_contain_set", "value_set")
def _contains(given: _Given) -> list[str]:
    values = list(given.get("value_set") or ()) or _left("its set is empty")
    return [_said("count", low=1, where=f"{quoted(given.column)} == {_value(each)}") for each in values]


@_expected("column_distinct_values_to_equal_set", "value_set")
def _equals(given: _Given) -> list[str]:
    return [*_in_set(given), *_contains(given)]


@_expected("column_values_to_be_unique", "mostly", sliced=True)
def _unique(given: _Given) -> list[str]:
    if given.get("mostly", 1.0) != 1:
        _left("its 'mostly' counts every one of the values that repeat")
    return [_said("repeated", given.column, high=0, where=given.rows)]


@_expected("column_proportion_of_unique_values_to_be_between", *_RANGE, sliced=True)
def _proportion(given: _Given) -> list[str]:
    bounds = given.bounds
    turned = {other: _most(bounds[each]) for each, other in (("low", "high"), ("high", "low")) if each in bounds}
    return [_said("repeated", given.column, where=given.rows, **turned)]


@_expected("column_quantile_values_to_be_between", "quantile_ranges", sliced=True)
def _quantiles(given: _Given) -> list[str]:
    ranges = given.kwargs["quantile_ranges"]
    return [_said("quantile", given.column, where=given.rows, q=float(_number(q)), **_bounds(*ends))
            for q, ends in zip(ranges["quantiles"], ranges["value_ranges"], strict=True)]


@_expected("column_to_exist")
def _exists(given: _Given) -> list[str]:
    return [_said("missing", given.column, high=1)]


@_expected("table_columns_to_match_set", "column_set", "exact_match")
def _columns(given: _Given) -> list[str]:
    if given.get("exact_match", True):
        _left("no check forbids other columns")
    return [_said("missing", each, high=1) for each in given.kwargs["column_set"]]


@_expected("column_values_to_be_of_type", "type_")
def _of_type(given: _Given) -> list[str]:
    return [_typed(given.column, given.kwargs["type_"])]


@_expected("column_values_to_be_in_type_list", "type_list")
def _of_types(given: _Given) -> list[str]:
    kinds = {_kind(each) for each in given.kwargs["type_list"]}
    if kinds == {"integer", "fraction"}:
        kinds = {"number"}
    return [_said("has_type", given.column, low=1, name=kinds.pop())] if len(kinds) == 1 else _left("its types are of different kinds")


@_expected("table_row_count_to_be_between", "min_value", "max_value", "strict_min", "strict_max")
def _row_count(given: _Given) -> list[str]:
    return [_said("count", where=given.rows, **given.bounds)]


@_expected("table_row_count_to_equal", "value")
def _row_count_is(given: _Given) -> list[str]:
    return [_said("count", where=given.rows, low=_number(given.kwargs["value"]), high=_number(given.kwargs["value"]))]


# types -----------------------------------------------------------------------------------------------------------------------

_KINDS = (
    ("boolean", r"bool(ean)?(type|_)?"),
    ("integer", r"u?int(eger)?(8|16|32|64)?(type|_)?|(big|small|tiny|long)(int|integer)?(type)?|short(type)?"),
    ("fraction", r"float(ing)?(16|32|64)?(type|_)?|double(_precision|type)?|real|decimal(type)?|numeric|number"),
    ("text", r"str(ing)?(type|_|dtype)?|(large_?)?string(\[.*\])?|text|(n?var)?char(acter)?( varying)?|object|category|categorical"),
    ("timestamp", r"datetime(64)?(type)?|timestamp(_?n?tz|type)?"), ("date", r"date(32|64|type)?"),
    ("duration", r"timedelta(64)?|duration|interval"), ("bytes", r"bytes|binary(type)?|bytea|blob"))


def _kind(name: Any) -> str:
    """Return what assay calls a type of pandas, numpy, Spark, SQL or Arrow."""
    text = str(name).strip().lower()
    if len(text) > 200:  # no type has so long a name, and matching nested brackets takes time that grows with the square
        _left("the name of a type is too long")
    for around in (r"<class '(.*)'>", r"datatype\((.*)\)", r"(?:numpy|pandas|pyarrow|sqlalchemy|sqltypes)\.(.*)"):
        if match := re.fullmatch(around, text):
            text = match[1]
    short = re.sub(r"\(.*\)$|\[(?!py).*\]$", "", text).removesuffix("dtype")
    found = "" if text.startswith("interval[") else next((kind for kind, pattern in _KINDS if re.fullmatch(pattern, short)), "")
    return found or _left(f"the type {str(name)[:40]!r} is not known")


def _typed(column: str, name: Any) -> str:
    return _said("has_type", column, low=1, name=_kind(name))


# conditions on rows ----------------------------------------------------------------------------------------------------------


def _condition(given: Any, parser: str) -> str:
    """Return a condition of pandas or of Great Expectations in assay's language."""
    if isinstance(given, Mapping):
        return _structured(given, 0)
    text = str(given)
    if len(text) > 4000 or parser == "spark":
        _left("its row condition is too long" if parser != "spark" else "its row condition is one of Spark")
    names: list[str] = []

    def held(match: re.Match[str]) -> str:
        names.append(match[1])
        return f"_column_{len(names) - 1}_"

    text = re.sub(r"`([^`\n]+)`", held, text)
    try:
        tokens = [(tokenize.NAME, _WORDS[each.string]) if each.type == tokenize.OP and each.string in _WORDS else each[:2]
                  for each in tokenize.generate_tokens(io.StringIO(text).readline)]
        tree = ast.parse(tokenize.untokenize(tokens).strip(), mode="eval")
    except (SyntaxError, tokenize.TokenError, ValueError, RecursionError, MemoryError):
        _left("its row condition cannot be read")
    return _clause(tree.body, names)


def _clause(node: ast.AST, names: Sequence[str], *, negated: bool = False) -> str:
    """Return one part of a condition, or its negation; what is not a comparison of a column with values is left.

    A null is unlike every value, as in pandas, where here (and in SQL) such a test is unknown: negations are carried inwards.
    """
    if isinstance(node, ast.BoolOp):
        word = " and " if isinstance(node.op, ast.And) is not negated else " or "
        return word.join(f"({_clause(each, names, negated=negated)})" for each in node.values)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return _clause(node.operand, names, negated=not negated)
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        parts = [_compared(left, _OPERATORS.get(type(operator), ""), right, names, negated=negated)
                 for left, operator, right in zip(sides, node.ops, sides[1:], strict=False)]
        return parts[0] if len(parts) == 1 else (" or " if negated else " and ").join(f"({each})" for each in parts)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not node.args and not node.keywords:
        present = {"notnull": True, "notna": True, "isnull": False, "isna": False}.get(node.func.attr.lower())
        if present is not None:
            return f"{_column(node.func.value, names)} is {'not ' if present is not negated else ''}null"
    return _left("its row condition is more than comparisons")


def _compared(left: ast.expr, word: str, right: ast.expr, names: Sequence[str], *, negated: bool) -> str:
    if not word:
        _left("its row condition is more than comparisons")
    if negated:
        word = _FLIPPED[word]
    if not _is_column(left):
        if not _is_column(right):
            _left("its row condition is more than comparisons")
        left, right, word = right, left, _MIRRORED.get(word, word)
    name = _column(left, names)
    if word in ("in", "not in"):
        items = ", ".join(_value(_constant(each)) for each in right.elts) if isinstance(right, ast.List | ast.Tuple | ast.Set) else ""
        said = f"{name} {word} ({items})" if items else _left("its row condition compares with no values")
    else:
        said = f"{name} {word} {_value(_constant(right))}"
    fits = word in ("!=", "not in") or (negated and word in _MIRRORED)
    return f"{said} or {name} is null" if fits else said


def _is_column(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "col")


def _column(node: ast.expr, names: Sequence[str]) -> str:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "col" and len(node.args) == 1:
        found = _constant(node.args[0])
        if isinstance(found, str):
            return quoted(found)
    if isinstance(node, ast.Name):
        place = re.fullmatch(r"_column_(\d+)_", node.id)
        return quoted(names[int(place[1])] if place and int(place[1]) < len(names) else node.id)
    return _left("its row condition is more than comparisons")


def _constant(node: ast.expr) -> Any:
    negative = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    inner = node.operand if isinstance(node, ast.UnaryOp) and negative else node
    if not isinstance(inner, ast.Constant) or (negative and isinstance(inner.value, str | bool)):
        _left("its row condition compares with more than values")
    return -inner.value if negative else inner.value  # type: ignore[operator]


def _structured(given: Mapping[str, Any], depth: int) -> str:
    """Return a condition that Great Expectations 1 wrote as a tree."""
    if depth > 20:
        _left("its row condition is nested too deeply")
    kind = given.get("type")
    if kind in ("and", "or") and given.get("conditions"):
        return f" {kind} ".join(f"({_structured(each, depth + 1)})" for each in given["conditions"])
    column = given.get("column")
    name = column.get("name") if isinstance(column, Mapping) else column
    if isinstance(name, str) and kind == "nullity":
        return f"{quoted(name)} is {'' if given.get('is_null') else 'not '}null"
    if isinstance(name, str) and kind == "comparison":
        word, value = str(given.get("operator")).lower(), given.get("parameter")
        if word in ("in", "not_in", "not in") and isinstance(value, Sequence) and not isinstance(value, str):
            return _among(name, value, negated=word != "in")
        if word in ("==", "!=", *_MIRRORED):
            return f"{quoted(name)} {word} {_value(value)}"
    return _left("its row condition is more than comparisons")


# pandera ---------------------------------------------------------------------------------------------------------------------


class _Schema:
    """A schema of pandera, as an object or as what its YAML holds."""

    def __init__(self, schema: Any, rules: _Rules):
        self.schema, self.rules = schema, rules

    def get(self, thing: Any, name: str, default: Any = None) -> Any:
        found = thing.get(name, default) if isinstance(thing, Mapping) else getattr(thing, name, default)
        return default if found is None else found

    def read(self) -> None:
        for name, column in self.get(self.schema, "columns", {}).items():
            self._column(str(name), column if column is not None else {})
        for attribute, why in (("strict", "no check forbids other columns"), ("ordered", "no check knows the order of columns"),
                               ("index", "data have no index here"), ("parsers", "data are checked as they are"),
                               ("add_missing_columns", "data are checked as they are")):
            if self.get(self.schema, attribute):
                self.rules.left.append(f"{attribute} of the schema ({why})")
        for each in self._checks(self.schema):
            self.rules.left.append(f"{_cut(each[0])} of the schema (it is no rule of one column)")
        unique = self.get(self.schema, "unique", [])
        unique = [unique] if isinstance(unique, str) else list(unique)
        if len(unique) == 1:
            self.rules.add(f"unique of {unique[0]}", lambda: self._unique(unique[0]))
        elif unique:
            self.rules.left.append(f"unique of {', '.join(map(str, unique))} (no check sees repeats of several columns)")

    def _column(self, name: str, column: Any) -> None:
        if self.get(column, "regex", False):
            self.rules.left.append(f"the columns {_cut(name)} (a pattern of names)")
            return
        if not self.get(column, "required", True):
            self.rules.left.append(f"the column {_cut(name)} (it may be absent)")
            return
        nullable = bool(self.get(column, "nullable", False))
        self.rules.add(f"nullable of {name}", lambda: [_said("missing", name, high=1 if nullable else 0)])
        kind = self.get(column, "dtype") or self.get(self.schema, "dtype")
        coerced = self.get(column, "coerce", False) or self.get(self.schema, "coerce", False)
        if kind is not None and not coerced:
            self.rules.add(f"dtype {kind} of {name}", lambda: [_typed(name, kind)])
        if self.get(column, "unique", False):
            self.rules.add(f"unique of {name}", lambda: self._unique(name))
        if self.get(column, "parsers", []):
            self.rules.left.append(f"parsers of {_cut(name)} (data are checked as they are)")
        for title, given, nulls, warns in self._checks(column):
            self.rules.add(f"{title} of {name}", lambda title=title, given=given, nulls=nulls, warns=warns:  # type: ignore[misc]
                           self._check(name, title, given, nulls=nulls, warns=warns))

    @staticmethod
    def _unique(name: str) -> list[str]:
        return [_said("repeated", name, high=0), _said("count", high=1, where=f"{quoted(name)} is null")]

    def _checks(self, thing: Any) -> Iterable[tuple[str, Any, bool, bool]]:
        """Yield each check: its name, its numbers (None where they are not known), whether nulls break it, whether it only warns."""
        if not isinstance(thing, Mapping):
            for each in getattr(thing, "checks", None) or ():
                plainly = not getattr(each, "groupby", None) and type(each).__name__ == "Check"
                given = dict(getattr(each, "statistics", None) or {}) if plainly else None
                yield str(getattr(each, "name", None) or type(each).__name__), given, not getattr(each, "ignore_na", True), bool(
                    getattr(each, "raise_warning", False))
            return
        found = thing.get("checks") or {}
        pairs = list(found.items()) if isinstance(found, Mapping) else [
            (str((each.get("options") or {}).get("check_name", "check")) if isinstance(each, Mapping) else "check", each) for each in found]
        pairs += [(key, value) for key, value in thing.items() if key not in _OWN and value is not None]
        for title, value in pairs:
            given = dict(value) if isinstance(value, Mapping) else {"value": value}
            options = given.pop("options", None) or {}
            options = {**{key: given.pop(key) for key in ("ignore_na", "raise_warning", "error", "check_name", "title", "description")
                          if key in given}, **options}
            yield str(title), given, not options.get("ignore_na", True), bool(options.get("raise_warning", False))

    def _check(self, name: str, title: str, given: Mapping[str, Any] | None, *, nulls: bool, warns: bool) -> list[str]:
        if given is None or title not in _PANDERA:
            _left("what it does is not known")
        known, alone = list(given.values()), len(given) == 1
        wanted, made = _PANDERA[title]
        if alone and wanted not in given and "value" in given:
            given = {wanted: known[0]}
        if title == "unique_values_eq":
            if warns or nulls:
                _left("it only warns, or looks at nulls")
            values = list(given[wanted])
            return [_broken(name, _among(name, values, negated=True)),
                    *(_said("count", low=1, where=f"{quoted(name)} == {_value(each)}") for each in values)]
        return [_broken(name, made(name, given), nulls=nulls, severity="warning" if warns else "critical")]


# what a column of the YAML has that is no check
_OWN = frozenset({"title", "description", "dtype", "nullable", "checks", "unique", "coerce", "required", "regex", "default", "metadata",
                  "report_duplicates", "drop_invalid_rows", "parsers", "name",
                  # and what a schema has
                  "schema_type", "api", "version", "columns", "index", "strict", "ordered", "unique_column_names", "add_missing_columns"})
_PANDERA: dict[str, tuple[str, Callable[[str, Mapping[str, Any]], str]]] = {
    "equal_to": ("value", lambda name, given: f"{quoted(name)} != {_value(given['value'])}"),
    "not_equal_to": ("value", lambda name, given: f"{quoted(name)} == {_value(given['value'])}"),
    "greater_than": ("min_value", lambda name, given: _within(name, given["min_value"], None, above=True)),
    "greater_than_or_equal_to": ("min_value", lambda name, given: _within(name, given["min_value"], None)),
    "less_than": ("max_value", lambda name, given: _within(name, None, given["max_value"], below=True)),
    "less_than_or_equal_to": ("max_value", lambda name, given: _within(name, None, given["max_value"])),
    "in_range": ("", lambda name, given: _within(name, given["min_value"], given["max_value"], above=not given.get("include_min", True),
                                                 below=not given.get("include_max", True))),
    "isin": ("allowed_values", lambda name, given: _among(name, given["allowed_values"], negated=True)),
    "notin": ("forbidden_values", lambda name, given: _among(name, given["forbidden_values"])),
    "unique_values_eq": ("values", lambda name, given: ""),
}
