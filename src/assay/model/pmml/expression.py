"""How a derived field is made of others: constants, references, scaling, codes, bins, tables, and functions.

``expression(element, functions)`` returns a function of a scope; a construct that is not known is refused when the file is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy import special

from assay.errors import ModelError
from assay.model.pmml.document import Element, number
from assay.model.pmml.scope import Scope
from assay.model.pmml.value import Column, Words, cast, chosen, constant, equals, missing, numeric, same, words

__all__ = ["EXPRESSIONS", "Expression", "Function", "derived", "expression", "functions"]

Array = np.ndarray[Any, Any]
Expression = Callable[[Scope], Column]
Function = Callable[[list[Column], int], Column]
EXPRESSIONS = ("Constant", "FieldRef", "NormContinuous", "NormDiscrete", "Discretize", "MapValues", "Apply")


def derived(element: Element, known: Mapping[str, Function]) -> tuple[str, Expression]:
    """Return the name of a ``DerivedField`` and how it is made."""
    inner = element.first(*EXPRESSIONS)
    if inner is None:
        what = next((each.name for each in element.inside if each.name not in ("Value", "Interval")), "nothing")
        raise ModelError(f"the field '{element.get('name')}' is made by {what}, which is not read here",
                         expected=f"one of {', '.join(EXPRESSIONS)}")
    made, kind = expression(inner, known), element.get("dataType")
    return element.need("name"), lambda scope: cast(made(scope), kind)


def functions(element: Element | None) -> dict[str, Function]:
    """Return the functions that a ``TransformationDictionary`` defines."""
    found: dict[str, Function] = {}
    for each in element.all("DefineFunction") if element is not None else ():
        inner = each.first(*EXPRESSIONS)
        if inner is None:
            raise ModelError(f"the function '{each.get('name')}' of the file is empty", expected="a whole PMML file")
        made = expression(inner, found)   # only those before it: so none calls itself
        fields = [(part.need("name"), part.get("dataType")) for part in each.all("ParameterField")]
        found[each.need("name")] = _defined(made, fields, each.get("dataType"))
    return found


def _defined(made: Expression, fields: list[tuple[str, str | None]], kind: str | None) -> Function:
    def called(given: list[Column], rows: int) -> Column:
        if len(given) != len(fields):
            raise ModelError(f"a function of the file is given {len(given)} values", expected=f"{len(fields)}")
        return cast(made(Scope(rows, {name: cast(each, of) for (name, of), each in zip(fields, given, strict=True)})), kind)
    return called


def expression(element: Element, known: Mapping[str, Function]) -> Expression:
    """Return how an expression is worked out."""
    makers: dict[str, Callable[[Element, Mapping[str, Function]], Expression]] = {
        "Constant": _constant, "FieldRef": _reference, "NormContinuous": _scaled, "NormDiscrete": _marked, "Discretize": _binned,
        "MapValues": _mapped, "Apply": _applied}
    if element.name not in makers:
        raise ModelError(f"the file has an expression {element.name}, which is not read here", expected=f"one of {', '.join(EXPRESSIONS)}")
    return makers[element.name](element, known)


def _constant(element: Element, known: Mapping[str, Function]) -> Expression:
    text, kind = element.text.strip(), element.get("dataType")
    if element.get("missing") == "true":
        return lambda scope: np.full(scope.rows, np.nan)
    constant(text, kind, 0)   # a fault shows when the file is read
    return lambda scope: constant(text, kind, scope.rows)


def _filled(column: Column, text: str | None) -> Column:
    """The column with ``mapMissingTo`` where it is missing."""
    if text is None:
        return column
    lost = missing(column)
    return chosen(lost, constant(text, "string" if isinstance(column, Words) else None, len(lost)), column) if lost.any() else column


def _reference(element: Element, known: Mapping[str, Function]) -> Expression:
    name, instead = element.need("field"), element.get("mapMissingTo")
    return lambda scope: _filled(scope[name], instead)


def _scaled(element: Element, known: Mapping[str, Function]) -> Expression:
    name, instead, beyond = element.need("field"), element.get("mapMissingTo"), element.get("outliers", "asIs")
    points = [(number(each.need("orig")), number(each.need("norm"))) for each in element.all("LinearNorm")]
    orig, norm = np.array(points, np.float64).reshape(-1, 2).T
    if len(orig) < 2 or (np.diff(orig) <= 0).any():
        raise ModelError("a NormContinuous of the file is not in rising order", expected="a whole PMML file")
    slope = np.diff(norm) / np.diff(orig)

    def scaled(scope: Scope) -> Column:
        given = numeric(scope[name]).astype(np.float64)
        place = np.clip(np.searchsorted(orig, given, side="right") - 1, 0, len(slope) - 1)
        out = norm[place] + (given - orig[place]) * slope[place]
        with np.errstate(invalid="ignore"):
            outside = (given < orig[0]) | (given > orig[-1])
        if beyond == "asMissingValues":
            out = np.where(outside, np.nan, out)
        elif beyond == "asExtremeValues":
            out = np.where(outside, np.clip(out, *sorted((norm[0], norm[-1]))), out)
        return _filled(out, instead)
    return scaled


def _marked(element: Element, known: Mapping[str, Function]) -> Expression:
    name, value, instead = element.need("field"), element.need("value"), element.get("mapMissingTo")

    def marked(scope: Scope) -> Column:
        column = scope[name]
        return _filled(np.where(missing(column), np.nan, equals(column, value).astype(np.float64)), instead)
    return marked


def _binned(element: Element, known: Mapping[str, Function]) -> Expression:
    name, instead, otherwise = element.need("field"), element.get("mapMissingTo"), element.get("defaultValue")
    kind = element.get("dataType")
    bins = []
    for each in element.all("DiscretizeBin"):
        inner = each.first("Interval")
        if inner is None:
            raise ModelError("a DiscretizeBin of the file has no interval", expected="a whole PMML file")
        bins.append((interval(inner), each.need("binValue")))

    def binned(scope: Scope) -> Column:
        given = numeric(scope[name])
        lost, rows = np.isnan(given), scope.rows
        textual = kind == "string" or (kind is None and any(isinstance(constant(value, None, 0), Words) for _, value in bins))
        as_kind = "string" if textual else kind
        out: Column = np.full(rows, np.nan) if otherwise is None else constant(otherwise, as_kind, rows)
        for inside, value in reversed(bins):
            out = chosen(inside(given), constant(value, as_kind, rows), out)
        blank: Column = np.full(rows, np.nan) if instead is None else constant(instead, as_kind, rows)
        return chosen(lost, blank, out) if lost.any() else out
    return binned


def interval(element: Element) -> Callable[[Array], Array]:
    """Return the test whether numbers lie in an ``Interval``; a number that is missing does not."""
    closure = element.need("closure")
    low, high = element.get("leftMargin"), element.get("rightMargin")
    left, right = (-np.inf if low is None else number(low)), (np.inf if high is None else number(high))

    def inside(given: Array) -> Array:
        with np.errstate(invalid="ignore"):
            above = given >= left if low is None or closure.startswith("closed") else given > left
            below = given <= right if high is None or closure.endswith("Closed") else given < right
        return np.asarray(above & below)
    return inside


def _local(name: str) -> str:
    """A name of a column without the namespace that its element had."""
    return name.rpartition(":")[2]


def _mapped(element: Element, known: Mapping[str, Function]) -> Expression:
    output, instead, otherwise = _local(element.need("outputColumn")), element.get("mapMissingTo"), element.get("defaultValue")
    pairs = [(each.need("field"), _local(each.need("column"))) for each in element.all("FieldColumnPair")]
    inline, kind = element.first("InlineTable"), element.get("dataType")
    if inline is None or not pairs:
        raise ModelError("a MapValues of the file has no table of its own", expected="an InlineTable")
    table = []
    for row in inline.all("row"):
        cells = {each.name: each.text.strip() for each in row.inside}
        if output in cells:
            table.append(([cells.get(column) for _, column in pairs], cells[output]))
    results = [value for _, value in table] + ([otherwise] if otherwise is not None else [])
    if kind is None:
        kind = "double" if results and not any(isinstance(constant(each, None, 0), Words) for each in results) else "string"

    def mapped(scope: Scope) -> Column:
        given = [scope[field] for field, _ in pairs]
        lost = np.logical_or.reduce([missing(each) for each in given])
        keys = [words(each) if isinstance(each, Words) else each for each in given]
        place = np.full(scope.rows, len(table))
        for number_, (wanted, _) in reversed(list(enumerate(table))):
            fits = np.logical_and.reduce([equals(key, want) for key, want in zip(keys, wanted, strict=True) if want is not None])
            place[fits] = number_
        known_ = tuple(value for _, value in table) + ((otherwise,) if otherwise is not None else ())
        place[(place == len(table)) & (otherwise is None)] = -1
        place[lost] = -1
        return _filled(cast(Words(place, known_), kind), instead)
    return mapped


def _applied(element: Element, known: Mapping[str, Function]) -> Expression:
    name, instead, otherwise = element.need("function"), element.get("mapMissingTo"), element.get("defaultValue")
    given = [expression(each, known) for each in element.all(*EXPRESSIONS)]
    if name not in known and name not in BUILT_IN:
        raise ModelError(f"the file uses a function '{name}', which is not read here", expected="one that it defines, or a usual one")
    called = known.get(name) or BUILT_IN[name]

    def applied(scope: Scope) -> Column:
        values = [each(scope) for each in given]
        if name in TELLING:   # they say themselves what a missing value means
            return called(values, scope.rows)
        lost = np.logical_or.reduce([missing(each) for each in values]) if values else np.zeros(scope.rows, bool)
        with np.errstate(all="ignore"):
            out = called(values, scope.rows)
        if lost.any():
            out = chosen(lost, np.full(scope.rows, np.nan) if instead is None else constant(instead, None, scope.rows), out)
        return _otherwise(out, lost, otherwise)
    return applied


def _otherwise(out: Column, lost: Array, text: str | None) -> Column:
    if text is None:
        return out
    bad = missing(out) & ~lost
    return chosen(bad, constant(text, None, len(bad)), out) if bad.any() else out


def _of_numbers(function: Callable[..., Any], least: int, most: int | None = None) -> Function:
    def called(given: list[Column], rows: int) -> Column:
        if not least <= len(given) <= (least if most is None else most):
            raise ModelError(f"a function of the file is given {len(given)} values", expected=f"{least}")
        return np.asarray(function(*map(numeric, given)), np.float64)
    return called


def _of_all(function: Callable[[Array], Any]) -> Function:
    """Over those values that are there."""
    def called(given: list[Column], rows: int) -> Column:
        held = np.stack([numeric(each) for each in given])
        none = np.isnan(held).all(axis=0)
        with np.errstate(all="ignore"):
            out = np.asarray(function(np.where(none, 0.0, held)), np.float64)
        return np.where(none, np.nan, out)
    return called


def _compared(test: Callable[[Array, Array], Any]) -> Function:
    def called(given: list[Column], rows: int) -> Column:
        left, right = given
        return np.asarray(test(numeric(left), numeric(right)), np.float64)
    return called


def _equal(wanted: bool) -> Function:
    return lambda given, rows: (same(given[0], given[1]) == wanted).astype(np.float64)


def _member(wanted: bool) -> Function:
    return lambda given, rows: (np.logical_or.reduce([same(given[0], each) for each in given[1:]]) == wanted).astype(np.float64)


def _if(given: list[Column], rows: int) -> Column:
    if len(given) not in (2, 3):
        raise ModelError("an 'if' of the file has no branches", expected="a whole PMML file")
    asked = numeric(given[0])
    out = chosen(asked > 0, given[1], given[2] if len(given) == 3 else np.full(rows, np.nan))
    return chosen(np.isnan(asked), np.full(rows, np.nan), out) if np.isnan(asked).any() else out


def _logical(conjunction: bool) -> Function:
    def called(given: list[Column], rows: int) -> Column:
        held = np.stack([numeric(each) for each in given])
        decided = (held == (0.0 if conjunction else 1.0)).any(axis=0)
        return np.where(decided, 0.0 if conjunction else 1.0, np.where(np.isnan(held).any(axis=0), np.nan, 1.0 if conjunction else 0.0))
    return called


def _spelt(function: Callable[..., str]) -> Function:
    def called(given: list[Column], rows: int) -> Column:
        first = words(given[0])
        more = [int(numeric(each)[0]) if rows else 0 for each in given[1:]]
        made = [function(each, *more) for each in first.words]
        known = tuple(dict.fromkeys(made))
        table = np.array([*(known.index(each) for each in made), -1], np.int64)
        return Words(table[first.codes], known)
    return called


def _joined(given: list[Column], rows: int) -> Column:
    parts = [words(each) for each in given]
    text = ["".join(each.words[code] if (code := each.codes[row]) >= 0 else "" for each in parts) for row in range(rows)]
    known = tuple(dict.fromkeys(text))
    place = {each: at for at, each in enumerate(known)}
    return Words(np.array([place[each] for each in text], np.int64), known)


def _there(wanted: bool) -> Function:
    return lambda given, rows: (missing(given[0]) != wanted).astype(np.float64)


TELLING = ("isMissing", "isNotMissing", "isValid", "isNotValid", "if", "and", "or", "min", "max", "sum", "avg", "median", "product")
BUILT_IN: dict[str, Function] = {
    "+": _of_numbers(np.add, 2), "-": _of_numbers(lambda left, right=None: -left if right is None else left - right, 1, 2),
    "*": _of_numbers(np.multiply, 2),
    "/": _of_numbers(np.divide, 2), "pow": _of_numbers(np.power, 2), "modulo": _of_numbers(np.mod, 2),
    "min": _of_all(lambda held: np.nanmin(held, axis=0)), "max": _of_all(lambda held: np.nanmax(held, axis=0)),
    "sum": _of_all(lambda held: np.nansum(held, axis=0)), "avg": _of_all(lambda held: np.nanmean(held, axis=0)),
    "median": _of_all(lambda held: np.nanmedian(held, axis=0)), "product": _of_all(lambda held: np.nanprod(held, axis=0)),
    "log10": _of_numbers(np.log10, 1), "ln": _of_numbers(np.log, 1), "ln1p": _of_numbers(np.log1p, 1), "sqrt": _of_numbers(np.sqrt, 1),
    "abs": _of_numbers(np.abs, 1), "exp": _of_numbers(np.exp, 1), "expm1": _of_numbers(np.expm1, 1),
    "floor": _of_numbers(np.floor, 1), "ceil": _of_numbers(np.ceil, 1), "rint": _of_numbers(np.rint, 1),
    "round": _of_numbers(lambda given: np.floor(given + 0.5), 1),   # Java's: halves go up
    "threshold": _of_numbers(lambda given, at: given > at, 2), "sin": _of_numbers(np.sin, 1), "cos": _of_numbers(np.cos, 1),
    "tan": _of_numbers(np.tan, 1), "asin": _of_numbers(np.arcsin, 1), "acos": _of_numbers(np.arccos, 1), "atan": _of_numbers(np.arctan, 1),
    "sinh": _of_numbers(np.sinh, 1), "cosh": _of_numbers(np.cosh, 1), "tanh": _of_numbers(np.tanh, 1), "hypot": _of_numbers(np.hypot, 2),
    "stdNormalCDF": _of_numbers(special.ndtr, 1), "normalCDF": _of_numbers(lambda x, mean, spread: special.ndtr((x - mean) / spread), 3),
    "isMissing": _there(wanted=False), "isNotMissing": _there(wanted=True), "isValid": _there(wanted=True),
    "isNotValid": _there(wanted=False),
    "equal": _equal(wanted=True), "notEqual": _equal(wanted=False), "lessThan": _compared(np.less),
    "lessOrEqual": _compared(np.less_equal), "greaterThan": _compared(np.greater), "greaterOrEqual": _compared(np.greater_equal),
    "and": _logical(conjunction=True), "or": _logical(conjunction=False), "not": _of_numbers(lambda given: 1.0 - given, 1),
    "isIn": _member(wanted=True), "isNotIn": _member(wanted=False), "if": _if, "concat": _joined,
    "uppercase": _spelt(str.upper), "lowercase": _spelt(str.lower), "trimBlanks": _spelt(str.strip),
    "substring": _spelt(lambda text, start, length: text[start - 1:start - 1 + length]),
    "stringLength": lambda given, rows: words(given[0]).told(len),
}
