"""What a file says of its fields: their types, the values that are valid, and what becomes of missing and invalid ones.

``Fields`` is the data dictionary, ``Treatment`` a model's mining schema. Only this package uses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from assay.errors import ModelError, PredictionError
from assay.model.pmml.document import Element, number
from assay.model.pmml.expression import interval
from assay.model.pmml.scope import Scope
from assay.model.pmml.value import NUMBERS, Column, Words, cast, chosen, constant, equals, missing, numeric

__all__ = ["Field", "Fields", "Treatment"]

Array = np.ndarray[Any, Any]
TARGETS = ("target", "predicted")


@dataclass(frozen=True, eq=False)
class Field:
    """One field of the data dictionary."""

    name: str
    kind: str               # dataType
    optype: str
    valid: tuple[str, ...]
    absent: tuple[str, ...]
    element: Element

    def bad(self, column: Column) -> Array:
        """Return where a value is there and not valid."""
        if self.valid:
            good = np.logical_or.reduce([equals(column, each) for each in self.valid])
            return np.asarray(~good & ~missing(column))
        inside = [interval(each) for each in self.element.all("Interval")]
        if not inside:
            return np.zeros(len(column), bool)
        given = numeric(column)
        return np.asarray(~np.logical_or.reduce([each(given) for each in inside]) & ~np.isnan(given))


@dataclass(frozen=True, eq=False)
class Fields:
    """The data dictionary: ``fields[name]``, and the classes of a target in its order."""

    fields: Mapping[str, Field]

    @classmethod
    def read(cls, element: Element | None) -> Self:
        found: dict[str, Field] = {}
        for each in element.all("DataField") if element is not None else ():
            values = [(one.need("value"), one.get("property", "valid")) for one in each.all("Value")]
            kind = each.need("dataType")
            if kind not in ("string", *NUMBERS):
                raise ModelError(f"the field '{each.need('name')}' of the file is of the type {kind}, which is not read here",
                                 expected="string, double, float, integer or boolean")
            valid = tuple(value for value, what in values if what == "valid")
            absent = tuple(value for value, what in values if what == "missing")
            name = each.need("name")
            if name in found:
                raise ModelError(f"the file has two fields '{name}'", expected="a whole PMML file")
            found[name] = Field(name, kind, each.get("optype", "categorical") or "categorical", valid, absent, each)
        return cls(found)

    def __getitem__(self, name: str) -> Field:
        if name not in self.fields:
            raise ModelError(f"the model takes a field '{name}', which the file does not define", expected="a whole PMML file")
        return self.fields[name]

    def classes(self, target: str | None) -> tuple[str, ...]:
        """Return the valid values of a target, () where it does not list them."""
        found = None if target is None else self.fields.get(target)
        if found is not None and found.optype == "ordinal":
            raise ModelError(f"the target '{target}' of the file is ordinal, which is not read here", expected="categories or numbers")
        return () if found is None else found.valid


@dataclass(frozen=True, eq=False)
class Treatment:
    """The mining schema of a model: its inputs, its target, and what becomes of values; the outermost one judges what is valid."""

    inputs: tuple[str, ...]
    target: str | None
    elements: Mapping[str, Element]
    fields: Fields
    outermost: bool

    @classmethod
    def read(cls, element: Element, fields: Fields, *, outermost: bool) -> Self:
        held = {each.need("name"): each for each in element.all("MiningField")}
        inputs = tuple(name for name, each in held.items() if each.get("usageType", "active") == "active")
        targets = [name for name, each in held.items() if each.get("usageType") in TARGETS]
        if len(targets) > 1:
            raise ModelError(f"the file has {len(targets)} targets", expected="one")
        for each in held.values():
            outliers = each.get("outliers", "asIs")
            if outliers not in ("asIs", "asMissingValues", "asExtremeValues"):
                raise ModelError(f"the file treats outliers by '{outliers}'", expected="a treatment of PMML")
        return cls(inputs, targets[0] if targets else None, held, fields, outermost)

    def of(self, scope: Scope) -> dict[str, Column]:
        """Return the inputs of a scope as this model wants them; only those that it changes."""
        out: dict[str, Column] = {}
        for name in self.inputs:
            given = scope.find(name)
            if given is None:
                continue
            made = self._treated(name, given)
            if made is not given:
                out[name] = made
        return out

    def _treated(self, name: str, column: Column) -> Column:
        said, field = self.elements[name], self.fields.fields.get(name)
        if self.outermost and field is not None:
            column = _cleared(column, field)
            bad = field.bad(column)
            if bad.any():
                column = self._mended(name, column, bad)
        outliers = said.get("outliers", "asIs")
        if outliers != "asIs":
            column = _bounded(numeric(column), said, lost=outliers == "asMissingValues")
        instead = said.get("missingValueReplacement")
        lost = missing(column) if instead is not None or said.get("missingValueTreatment") == "returnInvalid" else None
        if lost is not None and lost.any():
            if instead is None or said.get("missingValueTreatment") == "returnInvalid":
                raise PredictionError(f"the model takes no missing value in '{name}', and there is one in row {int(np.argmax(lost))}",
                                      expected="a value, as its file says")
            kind = field.kind if field is not None else "string" if isinstance(column, Words) else None
            column = chosen(lost, constant(instead, kind, len(lost)), column)
        return cast(column, field.kind) if field is not None else column

    def _mended(self, name: str, column: Column, bad: Array) -> Column:
        treatment, said = self.elements[name].get("invalidValueTreatment", "returnInvalid"), self.elements[name]
        if treatment == "asMissing":
            return _lost(column, bad)
        if treatment == "asValue" and said.get("invalidValueReplacement") is not None:
            kind = "string" if isinstance(column, Words) else None
            return chosen(bad, constant(said.need("invalidValueReplacement"), kind, len(bad)), column)
        if treatment in ("asIs", "asValue"):
            return column
        row = int(np.argmax(bad))
        shown = column.words[column.codes[row]] if isinstance(column, Words) else f"{column[row]:g}"
        raise PredictionError(f"the model takes no '{shown[:60]}' in '{name}', and there is one in row {row}",
                              expected="a value that its file calls valid")


def _lost(column: Column, where: Array) -> Column:
    return Words(np.where(where, -1, column.codes), column.words) if isinstance(column, Words) else np.where(where, np.nan, column)


def _cleared(column: Column, field: Field) -> Column:
    """The column without what the file calls missing."""
    for each in field.absent:
        found = equals(column, each)
        if found.any():
            column = _lost(column, found)
    return column


def _bounded(values: Array, said: Element, *, lost: bool) -> Array:
    low, high = ((None if (text := said.get(each)) is None else number(text)) for each in ("lowValue", "highValue"))
    if not lost:
        return values if low is None and high is None else np.clip(values, low, high)
    with np.errstate(invalid="ignore"):
        beyond = (values < low if low is not None else False) | (values > high if high is not None else False)
    return np.where(beyond, np.nan, values)
