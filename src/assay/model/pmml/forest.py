"""The trees of a PMML file in the neutral layout, for whoever explains them: single trees, forests, votes, and boosting by a chain.

``grown(document parts) -> Trees | None``: None where an answer is no sum of leaves, or a test needs two columns. Only ``format`` uses this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from assay.errors import ModelError
from assay.model.pmml.document import Element, number
from assay.model.pmml.predicate import PREDICATES, predicate
from assay.model.pmml.schema import Fields
from assay.model.pmml.scope import Scope
from assay.model.pmml.value import items, literal, numeric
from assay.model.trees import Growth, Trees, Unit

__all__ = ["Ground", "grown"]

Array = np.ndarray[Any, Any]
ORDERED = ("lessThan", "lessOrEqual", "greaterThan", "greaterOrEqual")
OTHER = {"lessThan": "greaterOrEqual", "greaterOrEqual": "lessThan", "lessOrEqual": "greaterThan", "greaterThan": "lessOrEqual",
         "equal": "notEqual", "notEqual": "equal", "isIn": "isNotIn", "isNotIn": "isIn"}
REFERENCES = ("field", "groupField", "textField")


class _UnfitError(Exception):
    """What this layout cannot hold."""


@dataclass(frozen=True, eq=False)
class Ground:
    """What trees stand on: the fields of the file, the inputs in order, how fields are derived, and a batch as a scope."""

    fields: Fields
    inputs: Sequence[str]
    derived: Mapping[str, Element]
    scope: Callable[[pa.RecordBatch], Scope]


def grown(element: Element, classes: tuple[str, ...] | None, ground: Ground) -> Trees | None:
    """Return the trees of the outermost model of a file; None where it has none, or where its answer is no sum of theirs."""
    wood = _Wood(ground)
    try:
        unit, base = _read(element, classes, wood)
    except (_UnfitError, ModelError, RecursionError):   # tests in tests, hundreds deep
        return None
    if not wood.growth.tables:
        return None
    return wood.growth.trees(base=base, unit=unit, strict=False, single=False, matrix=_Matrix(ground, list(wood.columns.values())),
                             source=np.array([each.source for each in wood.columns.values()], np.int64))


# --- what numbers the trees test -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Tested:
    """One number of a row: of which input it is made, and how."""

    source: int
    made: Callable[[Scope], Array]


@dataclass(frozen=True, eq=False)
class _Matrix:
    ground: Ground
    columns: Sequence[_Tested]

    def __call__(self, batch: pa.RecordBatch) -> Array:
        scope = self.ground.scope(batch)
        out = np.empty((batch.num_rows, len(self.columns)), order="F")
        for place, each in enumerate(self.columns):
            out[:, place] = each.made(scope)
        return out


@dataclass(eq=False)
class _Wood:
    """Trees as they grow, and the numbers that they test so far."""

    ground: Ground
    growth: Growth = field(default_factory=Growth)
    columns: dict[Any, _Tested] = field(default_factory=dict)
    places: dict[Any, int] = field(default_factory=dict)

    def column(self, key: Any, names: set[str], made: Callable[[Scope], Array]) -> int:
        if key not in self.places:
            inputs = self._inputs(names)
            if len(inputs) != 1:   # of none, or of several: no one column of the data answers for it
                raise _UnfitError
            self.places[key] = len(self.places)
            self.columns[key] = _Tested(self.ground.inputs.index(inputs.pop()), made)
        return self.places[key]

    def _inputs(self, names: set[str]) -> set[str]:
        found, waiting, seen = set(), list(names), set(names)
        while waiting:
            name = waiting.pop()
            if name in self.ground.derived:
                more = _references(self.ground.derived[name]) - seen
                waiting += more
                seen |= more
            elif name in self.ground.inputs:
                found.add(name)
            else:
                raise _UnfitError
        return found

    def kind(self, name: str) -> str | None:
        if name in self.ground.derived:
            return self.ground.derived[name].get("dataType")
        return self.ground.fields[name].kind


def _references(element: Element) -> set[str]:
    found, waiting = set(), [element]
    while waiting:
        each = waiting.pop()
        found |= {each.attributes[name] for name in REFERENCES if name in each.attributes}
        waiting += each.inside
    return found


def _spelt(element: Element) -> tuple[Any, ...]:
    return (element.name, tuple(sorted(element.attributes.items())), element.text, tuple(_spelt(each) for each in element.inside))


@dataclass(frozen=True)
class _Split:
    """A test of one number: the rows below or at ``threshold`` are those for which it is true, or (``above``) those for which it is not."""

    column: int
    threshold: float
    above: bool


def _split(test: Element, wood: _Wood) -> _Split:
    operator = test.get("operator")
    if test.name == "SimplePredicate" and operator in ORDERED and wood.kind(test.need("field")) != "string":
        name, cut = test.need("field"), literal(test.need("value"))
        if wood.kind(name) == "float":
            cut = float(np.float32(cut))
        if operator in ("lessThan", "greaterOrEqual"):
            cut = float(np.nextafter(cut, -np.inf))
        place = wood.column(("field", name), {name}, lambda scope: numeric(scope[name]).astype(np.float64))
        return _Split(place, cut, operator in ("greaterThan", "greaterOrEqual"))
    known = predicate(test)

    def marked(scope: Scope) -> Array:
        true, unknown = known(scope)
        return np.where(unknown, np.nan, true.astype(np.float64))
    return _Split(wood.column(_spelt(test), _references(test), marked), 0.5, above=True)


def _lost(test: Element, wood: _Wood) -> _Split:
    """Whether it cannot be known if a test is true."""
    known = predicate(test)
    return _Split(wood.column(("lost", _spelt(test)), _references(test), lambda scope: known(scope)[1].astype(np.float64)), 0.5, above=True)


# --- one tree --------------------------------------------------------------------------------------------------------------------


def _tree(element: Element, wood: _Wood, leaf: Callable[[Element], Array], output: int) -> None:
    """Add one tree: the children of a node are tested one after the other, each test is a node of two branches here."""
    strategy = element.get("missingValueStrategy", "none")
    stays = element.get("noTrueChildStrategy") == "returnLastPrediction"
    root = element.first("Node")
    if root is None or _test(root).name != "True":
        raise _UnfitError
    rows: list[list[float]] = [[-1, -1, -1, 0.0, 0]]
    values: dict[int, Array] = {}
    counts: dict[int, float] = {}
    waiting = [(root, 0)]

    def branch(at: int, split: _Split, lost: bool) -> tuple[int, int]:
        """Make a node of two branches; return where its test is true and where it is not. ``lost``: NaN goes where it is true."""
        low, high = len(rows), len(rows) + 1
        rows.extend([[-1, -1, -1, 0.0, 0], [-1, -1, -1, 0.0, 0]])
        rows[at] = [low, high, split.column, split.threshold, float(lost != split.above)]
        return (high, low) if split.above else (low, high)

    while waiting:
        node, at = waiting.pop()
        children = list(node.all("Node"))
        default = node.get("defaultChild") if strategy == "defaultChild" else None
        before: Element | None = None
        for place, child in enumerate(children):
            test = _test(child)
            if test.name == "False":
                continue
            if test.name == "True" or (before is not None and place == len(children) - 1 and not stays and _rest(before, test, wood)):
                waiting.append((child, at))
                break
            if strategy == "lastPrediction":
                gone, at = branch(at, _lost(test, wood), lost=False)
                values[gone] = leaf(node)
            lost = default is not None and child.get("id") == default
            if default is not None and not lost and (place + 2 != len(children) or children[-1].get("id") != default):
                raise _UnfitError    # a missing value jumps over tests
            inside, at = branch(at, _split(test, wood), lost=lost)
            waiting.append((child, inside))
            before = test
        else:
            if children and not stays:
                raise _UnfitError    # some rows end nowhere
            values[at] = leaf(node)
            if not children and node.get("recordCount") is not None:
                counts[at] = number(node.need("recordCount"))
    _add(wood, rows, values, counts, output)


def _add(wood: _Wood, rows: list[list[float]], values: Mapping[int, Array], counts: Mapping[int, float], output: int) -> None:
    table = np.array(rows)
    left, right = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    value = np.zeros((len(rows), len(next(iter(values.values())))))
    for place, each in values.items():
        value[place] = each
    if not np.isfinite(value).all():
        raise _UnfitError
    cover = np.zeros(len(rows))    # 0: not told
    if len(counts) == len(values) and sum(counts.values()) > len(counts):    # some exporters write 1 in each leaf
        for place, count in counts.items():
            cover[place] = count
        for place in range(len(rows) - 1, -1, -1):   # branches stand behind their node
            if left[place] >= 0:
                cover[place] = cover[left[place]] + cover[right[place]]
    wood.growth.add(left=left, right=right, feature=table[:, 2].astype(np.int64), threshold=table[:, 3], default_left=table[:, 4] > 0,
                    cover=cover, value=value, output=output)


def _test(node: Element) -> Element:
    found = node.first(*PREDICATES)
    if found is None or node.first("Regression", "Partition", "EmbeddedModel", "DecisionTree") is not None:
        raise _UnfitError
    return found


def _rest(before: Element, test: Element, wood: _Wood) -> bool:
    """Whether a test is true wherever the one before is known to be false."""
    if test.name != before.name or test.get("field") != before.get("field"):
        return False
    if test.name == "SimplePredicate":
        return OTHER.get(test.need("operator")) == before.get("operator") and test.get("value") == before.get("value")
    if test.name != "SimpleSetPredicate":
        return False
    one, other = (set(items(array)) if (array := each.first("Array")) is not None else set() for each in (before, test))
    if before.get("booleanOperator") != test.get("booleanOperator"):
        return one == other
    known = wood.ground.fields.fields.get(test.need("field"))
    return test.get("booleanOperator") == "isIn" and known is not None and bool(known.valid) and one | other >= set(known.valid)


# --- what is made of the trees ---------------------------------------------------------------------------------------------------


def _read(element: Element, classes: tuple[str, ...] | None, wood: _Wood) -> tuple[Unit, Array]:
    group = element.first("Segmentation")
    method = group.get("multipleModelMethod") if group is not None else None
    if method == "modelChain":
        return _chained(_members(element), classes, wood)
    if classes is None:
        return "value", np.array([_summed(element, 1.0, 0, wood)])
    members = [(element, 1.0)] if group is None else _members(element)
    if group is not None and method not in ("average", "weightedAverage", "majorityVote", "weightedMajorityVote"):
        raise _UnfitError
    if method in ("average", "majorityVote"):
        members = [(each, 1.0) for each, _ in members]
    total = sum(weight for _, weight in members)
    for each, weight in members:
        _plain(each, outermost=group is None)
        if each.name != "TreeModel":
            raise _UnfitError
        shares = _votes(classes) if method in ("majorityVote", "weightedMajorityVote") else _shares(classes)
        _tree(each, wood, lambda node, shares=shares, weight=weight: shares(node) * (weight / total), 0)  # type: ignore[misc]
    return "probability", np.zeros(len(classes))


def _shares(classes: Sequence[str]) -> Callable[[Element], Array]:
    def shared(node: Element) -> Array:
        held = {each.need("value"): number(each.get("probability") or each.need("recordCount")) for each in node.all("ScoreDistribution")}
        found = np.array([held.get(each, 0.0) for each in classes])
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(found / found.sum())
    return shared


def _votes(classes: Sequence[str]) -> Callable[[Element], Array]:
    def voted(node: Element) -> Array:
        found = np.zeros(len(classes))
        score = node.get("score")
        found[classes.index(score) if score in classes else int(np.argmax(_shares(classes)(node)))] = 1.0
        return found
    return voted


def _members(element: Element) -> list[tuple[Element, float]]:
    """The models of an ensemble whose segments are all for every row, and their weights."""
    group, found = element.first("Segmentation"), []
    for each in group.all("Segment") if group is not None else ():
        inner = [one for one in each.inside if one.name in ("TreeModel", "MiningModel", "RegressionModel")]
        if len(inner) != 1 or each.first("True") is None:
            raise _UnfitError
        found.append((inner[0], number(each.get("weight", "1") or "1")))
    return found


def _plain(element: Element, *, outermost: bool = False) -> None:
    """Refuse a model inside that sees other fields than the one around it."""
    schema = element.first("MiningSchema")
    if outermost:
        return
    if element.first("LocalTransformations") is not None or schema is None:
        raise _UnfitError
    for each in schema.all("MiningField"):
        if each.get("outliers", "asIs") != "asIs" or each.get("missingValueReplacement") is not None \
                or each.get("missingValueTreatment") == "returnInvalid":
            raise _UnfitError


def _rescaled(element: Element) -> tuple[float, float]:
    targets = element.first("Targets")
    found = list(targets.all("Target")) if targets is not None else []
    if not found:
        return 1.0, 0.0
    if any(found[0].get(each) is not None for each in ("min", "max", "castInteger")):
        raise _UnfitError
    return number(found[0].get("rescaleFactor", "1") or "1"), number(found[0].get("rescaleConstant", "0") or "0")


def _summed(element: Element, factor: float, output: int, wood: _Wood, depth: int = 0) -> float:
    """Add the trees of a model whose number is a sum of theirs, each times ``factor``; return what is added to that sum."""
    if depth > 20 or element.need("functionName") != "regression":
        raise _UnfitError
    _plain(element, outermost=depth == 0)
    times, shift = _rescaled(element)
    factor, start = factor * times, factor * shift
    if element.name == "TreeModel":
        _tree(element, wood, lambda node: np.array([factor * number(node.get("score", "nan") or "nan")]), output)
        return start
    members, group = _members(element), element.first("Segmentation")
    method = group.get("multipleModelMethod") if group is not None else None
    total = sum(weight for _, weight in members)
    ways: dict[str | None, Callable[[float], float]] = {
        "sum": lambda weight: 1.0, "average": lambda weight: 1.0 / len(members), "weightedAverage": lambda weight: weight / total,
        "weightedSum": lambda weight: weight, "x-weightedSum": lambda weight: weight}
    if method not in ways or any(weight <= 0 for _, weight in members):
        raise _UnfitError
    return start + sum(_summed(each, factor * ways[method](weight), output, wood, depth + 1) for each, weight in members)


def _chained(members: list[tuple[Element, float]], classes: tuple[str, ...] | None, wood: _Wood) -> tuple[Unit, Array]:
    """Read sums of trees whose numbers a regression at the end turns into an answer, as boosting is written."""
    last = members[-1][0] if members else None
    if last is None or last.name != "RegressionModel":
        raise _UnfitError
    links: dict[str, Element] = {}
    for each, _ in members[:-1]:
        output = each.first("Output")
        for one in output.all("OutputField") if output is not None else ():
            if one.get("feature", "predictedValue") == "predictedValue":
                links[one.need("name")] = each
    tables, method = list(last.all("RegressionTable")), last.get("normalizationMethod", "none")
    _plain(last)
    if _rescaled(last) != (1.0, 0.0):
        raise _UnfitError
    if classes is None:
        units: dict[str | None, Unit] = {"none": "value", "exp": "log"}
        if method not in units or len(tables) != 1:
            raise _UnfitError
        return units[method], np.array([_table(tables[0], links, 1.0, 0, wood)])
    order = [classes.index(each.need("targetCategory")) for each in tables]
    if len(classes) == 2 and len(tables) == 2 and method in ("logit", "softmax"):
        # the log-odds of the second class; by logit only the first table counts
        signs = [(table, 1.0 if place else -1.0) for table, place in zip(tables, order, strict=True)]
        return "log-odds", np.array([sum(_table(table, links, sign, 0, wood) for table, sign in signs[:1 if method == "logit" else 2])])
    if method != "softmax" or sorted(order) != list(range(len(classes))):
        raise _UnfitError
    base = np.zeros(len(classes))
    for table, place in zip(tables, order, strict=True):
        base[place] = _table(table, links, 1.0, place, wood)
    return "margin", base


def _table(table: Element, links: Mapping[str, Element], factor: float, output: int, wood: _Wood) -> float:
    """Add the trees behind one table of a regression, each times its coefficient; return what is added to their sum."""
    if table.first("CategoricalPredictor", "PredictorTerm") is not None:
        raise _UnfitError
    start = factor * number(table.need("intercept"))
    for each in table.all("NumericPredictor"):
        if each.need("name") not in links or float(each.get("exponent", "1") or "1") != 1:
            raise _UnfitError
        start += _summed(links[each.need("name")], factor * number(each.need("coefficient")), output, wood, depth=1)
    return start
