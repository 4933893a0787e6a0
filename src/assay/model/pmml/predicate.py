"""Which rows a predicate is true for, and for which that cannot be known as a value is missing: logic with three values.

``predicate(element)`` returns a function of a scope; the elements are read once, rows many times.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from assay.errors import ModelError
from assay.model.pmml.document import Element
from assay.model.pmml.scope import Scope
from assay.model.pmml.value import Words, equals, items, literal, missing, numeric

__all__ = ["PREDICATES", "Predicate", "predicate"]

Array = np.ndarray[Any, Any]
Predicate = Callable[[Scope], tuple[Array, Array]]   # true, unknown
PREDICATES = ("SimplePredicate", "CompoundPredicate", "SimpleSetPredicate", "True", "False")
ORDER: dict[str, Callable[[Any, Any], Any]] = {
    "lessThan": np.less, "lessOrEqual": np.less_equal, "greaterThan": np.greater, "greaterOrEqual": np.greater_equal}


def predicate(element: Element) -> Predicate:
    """Return the test that a predicate of the file is."""
    if element.name in ("True", "False"):
        said = element.name == "True"
        return lambda scope: (np.full(scope.rows, said), np.zeros(scope.rows, bool))
    if element.name == "SimplePredicate":
        return _simple(element)
    if element.name == "SimpleSetPredicate":
        return _set(element)
    if element.name == "CompoundPredicate":
        return _compound(element)
    raise ModelError(f"the file has a predicate {element.name}", expected=f"one of {', '.join(PREDICATES)}")


def _simple(element: Element) -> Predicate:
    name, operator = element.need("field"), element.need("operator")
    if operator in ("isMissing", "isNotMissing"):
        wanted = operator == "isMissing"
        return lambda scope: (missing(scope[name]) == wanted, np.zeros(scope.rows, bool))
    value = element.need("value")
    if operator in ("equal", "notEqual"):
        def equal(scope: Scope) -> tuple[Array, Array]:
            column = scope[name]
            unknown, found = missing(column), equals(column, value)
            return (found if operator == "equal" else ~found) & ~unknown, unknown
        return equal
    if operator not in ORDER:
        raise ModelError(f"the file compares by '{operator}'", expected="an operator of PMML")
    compare, threshold = ORDER[operator], literal(value)

    def ordered(scope: Scope) -> tuple[Array, Array]:
        column = scope[name]
        if isinstance(column, Words):
            column = numeric(column)
        with np.errstate(invalid="ignore"):
            return compare(column, column.dtype.type(threshold)), np.isnan(column)
    return ordered


def _set(element: Element) -> Predicate:
    name, operator, array = element.need("field"), element.need("booleanOperator"), element.first("Array")
    if array is None or operator not in ("isIn", "isNotIn"):
        raise ModelError("the file has a SimpleSetPredicate without an array", expected="a whole PMML file")
    values = set(items(array))

    def held(scope: Scope) -> tuple[Array, Array]:
        column = scope[name]
        unknown = missing(column)
        if isinstance(column, Words):
            found = column.told(lambda each: each in values, 0.0) > 0
        else:
            found = np.isin(column, np.array([literal(each) for each in values], column.dtype))
        return (found if operator == "isIn" else ~found) & ~unknown, unknown
    return held


def _compound(element: Element) -> Predicate:
    operator = element.need("booleanOperator")
    parts = [predicate(each) for each in element.all(*PREDICATES)]
    if not parts or operator not in ("and", "or", "xor", "surrogate"):
        raise ModelError(f"the file has a CompoundPredicate '{operator}' of {len(parts)} parts", expected="a whole PMML file")

    def together(scope: Scope) -> tuple[Array, Array]:
        true, unknown = parts[0](scope)
        for each in parts[1:]:
            also, lost = each(scope)
            if operator == "surrogate":
                true, unknown = np.where(unknown, also, true), unknown & lost
                continue
            false, nor = ~true & ~unknown, ~also & ~lost
            if operator == "and":
                true, unknown = true & also, (unknown | lost) & ~false & ~nor
            elif operator == "or":
                true, unknown = true | also, (unknown | lost) & ~true & ~also
            else:
                true, unknown = (true ^ also) & ~unknown & ~lost, unknown | lost
        return true, unknown
    return together
