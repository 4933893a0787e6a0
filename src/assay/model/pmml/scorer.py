"""The models of a file: trees, regressions, scorecards, and ensembles of these; each a function from a scope to a result.

``scorer(element, ...)`` reads one; a model of another kind, or a strategy that is not known, is refused when the file is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import special

from assay.errors import ModelError
from assay.model.pmml.document import Element, number
from assay.model.pmml.expression import EXPRESSIONS, Expression, Function, derived, expression
from assay.model.pmml.predicate import PREDICATES, Predicate, predicate
from assay.model.pmml.schema import Fields, Treatment
from assay.model.pmml.scope import Scope
from assay.model.pmml.value import Column, Words, cast, equals, numeric

__all__ = ["MODELS", "Result", "Scorer", "scorer"]

Array = np.ndarray[Any, Any]
MODELS = ("TreeModel", "RegressionModel", "Scorecard", "MiningModel")
DEEPEST = 20   # ensembles in ensembles; each is a few calls of ours


@dataclass(frozen=True, eq=False)
class Result:
    """What a model says of each row: ``value`` a number, or ``winner`` a class (-1 where none) and ``shares`` (rows, K) if it has them."""

    value: Array | None = None
    winner: Array | None = None
    shares: Array | None = None


Body = Callable[[Scope], Result]


@dataclass(frozen=True, eq=False)
class Scorer:
    """A model that was read; ``classes`` are None where it gives numbers. ``run`` gives its result and the fields that it puts out."""

    classes: tuple[str, ...] | None
    body: Body
    treatment: Treatment
    derived: Mapping[str, Expression]
    outputs: Sequence[tuple[str, Callable[[Scope, Result], Column]]] = ()
    target: Callable[[Array], Array] = lambda values: values
    shared: bool = field(default=True)   # whether it has shares of classes

    def inside(self, around: Scope) -> Scope:
        """Return the fields as this model sees them."""
        return around.within(self.treatment.of(around), self.derived)

    def run(self, around: Scope) -> tuple[Result, dict[str, Column]]:
        scope = self.inside(around)
        result = self.body(scope)
        if result.value is not None:
            result = Result(self.target(result.value))
        made: dict[str, Column] = {}
        for name, make in self.outputs:
            made[name] = scope[name] = make(scope, result)
        return result, made


def scorer(element: Element, fields: Fields, known: Mapping[str, Function], depth: int = 0) -> Scorer:
    """Return the model that an element describes."""
    if element.name not in MODELS:
        raise ModelError(f"the file holds a {element.name}, which is not read here", expected=f"one of {', '.join(MODELS)}")
    if depth > DEEPEST:
        raise ModelError(f"the file holds models in models, more than {DEEPEST} deep", expected="a model")
    task = element.need("functionName")
    if task not in ("classification", "regression"):
        raise ModelError(f"the file holds a model for {task}", expected="classification or regression")
    schema = element.first("MiningSchema")
    if schema is None:
        raise ModelError(f"a {element.name} of the file has no MiningSchema", expected="a whole PMML file")
    treatment = Treatment.read(schema, fields, outermost=depth == 0)
    local = element.first("LocalTransformations")
    local_fields = dict(derived(each, known) for each in (local.all("DerivedField") if local is not None else ()))
    classifies = task == "classification"
    ordered = fields.classes(treatment.target)
    readers = {"TreeModel": _tree, "RegressionModel": _regression, "Scorecard": _scorecard}
    if element.name == "MiningModel":
        body, classes, shared = _ensemble(element, fields, known, classifies, ordered, depth)
    else:
        body, classes, shared = readers[element.name](element, known, classifies, ordered)
    outputs = [made for each in _inside(element, "Output", "OutputField") if (made := _output(each, classes, known)) is not None]
    return Scorer(classes, body, treatment, local_fields, outputs, _target(element), shared)


def _inside(element: Element, group: str, name: str) -> list[Element]:
    found = element.first(group)
    return [] if found is None else list(found.all(name))


# --- targets and outputs ---------------------------------------------------------------------------------------------------------


def _target(element: Element) -> Callable[[Array], Array]:
    """How a number is rescaled, as ``Targets`` says."""
    found = _inside(element, "Targets", "Target")
    if not found:
        return lambda values: values
    said = found[0]
    factor, shift = number(said.get("rescaleFactor", "1") or "1"), number(said.get("rescaleConstant", "0") or "0")
    low, high = (None if (text := said.get(each)) is None else number(text) for each in ("min", "max"))
    whole = said.get("castInteger")
    if whole not in (None, "round", "ceiling", "floor"):
        raise ModelError(f"the file casts its target by '{whole}'", expected="round, ceiling or floor")
    steps: dict[str | None, Callable[[Array], Array]] = {None: lambda values: values, "ceiling": np.ceil, "floor": np.floor,
                                                         "round": lambda values: np.floor(values + 0.5)}

    def rescaled(values: Array) -> Array:
        if low is not None or high is not None:
            values = np.clip(values, low, high)
        return steps[whole](values * factor + shift)
    return rescaled


def _output(element: Element, classes: tuple[str, ...] | None, known: Mapping[str, Function],
            ) -> tuple[str, Callable[[Scope, Result], Column]] | None:
    """One field that a model puts out for those after it; None for what nothing of ours could use (reasons, ranks, entities)."""
    name, feature, kind = element.need("name"), element.get("feature", "predictedValue"), element.get("dataType")
    inner = element.first(*EXPRESSIONS)
    if feature in ("transformedValue", "decision") and inner is not None:
        made = expression(inner, known)
        return name, lambda scope, result: cast(made(scope), kind)
    if feature == "predictedValue":
        def predicted(scope: Scope, result: Result) -> Column:
            if result.value is not None:
                return cast(result.value, kind)
            assert result.winner is not None
            return cast(Words(result.winner, classes or ()), kind)
        return name, predicted
    if feature == "probability" and classes is not None:
        value = element.get("value")
        if value is not None and value not in classes:
            return None

        def probable(scope: Scope, result: Result) -> Column:
            if result.shares is None or result.winner is None:
                raise ModelError(f"the output '{name}' of the file is a probability, and the model has none", expected="a whole PMML file")
            place = result.winner if value is None else np.full(scope.rows, classes.index(value))
            found: Array = result.shares[np.arange(scope.rows), place]
            return found
        return name, probable
    return None


# --- trees -----------------------------------------------------------------------------------------------------------------------


@dataclass
class _Node:
    test: Predicate
    inside: list[int]
    otherwise: int | None = None    # the default child


def _tree(element: Element, known: Mapping[str, Function], classifies: bool, ordered: tuple[str, ...],
          ) -> tuple[Body, tuple[str, ...] | None, bool]:
    strategy = element.get("missingValueStrategy", "none")
    if strategy not in ("none", "lastPrediction", "nullPrediction", "defaultChild"):
        raise ModelError(f"a tree of the file treats missing values by '{strategy}', which is not read here",
                         expected="none, lastPrediction, nullPrediction or defaultChild")
    stays = element.get("noTrueChildStrategy") == "returnLastPrediction"
    root = element.first("Node")
    if root is None:
        raise ModelError("a tree of the file has no nodes", expected="a whole PMML file")
    elements = [root]
    nodes: list[_Node] = []
    for each in elements:      # which grows as it is walked: children come behind their parents
        test = each.first(*PREDICATES)
        if test is None:
            raise ModelError("a node of the file has no predicate", expected="a whole PMML file")
        if each.first("Regression", "Partition", "EmbeddedModel", "DecisionTree") is not None:
            raise ModelError("a node of the file holds a model", expected="a score")
        children = list(each.all("Node"))
        places = list(range(len(elements), len(elements) + len(children)))
        elements += children
        default = each.get("defaultChild")
        fallback = next((place for place, one in zip(places, children, strict=True) if one.get("id") == default), None)
        if default is not None and fallback is None:
            raise ModelError(f"a node of the file has no child '{default}', its default", expected="a whole PMML file")
        nodes.append(_Node(predicate(test), places, fallback))
    table: Array
    if not classifies:
        table = np.array([np.nan if (text := each.get("score")) is None else number(text) for each in elements] + [np.nan])
        return (lambda scope: Result(table[_walked(nodes, scope, strategy, stays=stays)])), None, False
    shares = [{one.need("value"): _share(one) for one in each.all("ScoreDistribution")} for each in elements]
    classes = tuple(dict.fromkeys((*ordered, *(name for each in shares for name in each),
                                   *(text for each in elements if (text := each.get("score")) is not None))))
    place = {each: at for at, each in enumerate(classes)}
    part = np.array([[each.get(name, 0.0) for name in classes] for each in shares] + [[0.0] * len(classes)]).reshape(-1, len(classes))
    with np.errstate(invalid="ignore", divide="ignore"):
        part = part / part.sum(axis=1, keepdims=True)
    shared = all(each or node.inside for each, node in zip(shares, nodes, strict=True))
    winner = np.array([place[text] if (text := each.get("score")) is not None else int(np.argmax(row)) if np.isfinite(row).all() else -1
                       for each, row in zip(elements, part, strict=False)] + [-1])

    def classified(scope: Scope) -> Result:
        reached = _walked(nodes, scope, strategy, stays=stays)
        return Result(winner=winner[reached], shares=part[reached] if shared else None)
    return classified, classes, shared


def _share(element: Element) -> float:
    said = element.get("probability") or element.need("recordCount")
    found = number(said)
    if not 0 <= found < np.inf:
        raise ModelError(f"a ScoreDistribution of the file counts '{said[:40]}'", expected="a share or a count")
    return found


def _walked(nodes: Sequence[_Node], scope: Scope, strategy: str, *, stays: bool) -> Array:
    """The node that each row ends in, -1 where it ends nowhere."""
    out = np.full(scope.rows, -1)
    true, _ = nodes[0].test(scope)
    start = np.flatnonzero(true)
    stack = [(0, start, scope if len(start) == scope.rows else scope.part(start))]
    while stack:
        place, rows, part = stack.pop()
        if not len(rows):
            continue
        node = nodes[place]
        if not node.inside:
            out[rows] = place
            continue
        for child in node.inside:
            true, unknown = nodes[child].test(part)
            if true.all():
                stack.append((child, rows, part))
                rows = rows[:0]
                break
            at = np.flatnonzero(true)
            if len(at):
                stack.append((child, rows[at], part.part(at)))
            rest = ~true
            if strategy != "none" and unknown.any():
                lost = np.flatnonzero(unknown)
                if strategy == "lastPrediction":
                    out[rows[lost]] = place
                elif strategy == "defaultChild" and node.otherwise is not None:
                    stack.append((node.otherwise, rows[lost], part.part(lost)))
                rest &= ~unknown
            left = np.flatnonzero(rest)
            rows, part = rows[left], part.part(left)
            if not len(rows):
                break
        if stays:
            out[rows] = place
    return out


# --- regressions and scorecards --------------------------------------------------------------------------------------------------


def _regression(element: Element, known: Mapping[str, Function], classifies: bool, ordered: tuple[str, ...],
                ) -> tuple[Body, tuple[str, ...] | None, bool]:
    method = element.get("normalizationMethod", "none") or "none"
    tables = [(_terms(each), each.get("targetCategory")) for each in element.all("RegressionTable")]
    if not tables:
        raise ModelError("a regression of the file has no table", expected="a whole PMML file")
    if not classifies:
        link = {"softmax": "logit"}.get(method, method)    # of one number they are the same
        if link not in INVERSE:
            raise ModelError(f"a regression of the file is normalized by '{method}'", expected=f"one of {', '.join(INVERSE)}")
        terms = tables[0][0]
        return (lambda scope: Result(INVERSE[link](terms(scope)))), None, False
    named = tuple(name for _, name in tables if name is not None)
    if len(named) < len(tables) or len(set(named)) < len(named) or len(tables) < 2:
        raise ModelError("the tables of a classification in the file do not name one class each", expected="a whole PMML file")
    if method not in (*INVERSE, "softmax", "simplemax") or (len(tables) > 2 and method not in ("softmax", "simplemax", "none")):
        raise ModelError(f"a classification of {len(tables)} classes in the file is normalized by '{method}', which is not read here",
                         expected="softmax or simplemax")
    classes = tuple(dict.fromkeys((*ordered, *named)))
    order = [classes.index(each) for each in named]

    def classified(scope: Scope) -> Result:
        raw = np.column_stack([terms(scope) for terms, _ in tables])
        if method == "softmax":
            part = special.softmax(raw, axis=1)
        elif method == "simplemax":
            with np.errstate(invalid="ignore", divide="ignore"):
                part = raw / raw.sum(axis=1, keepdims=True)
        else:
            part = INVERSE[method](raw)
            part[:, -1] = 1.0 - part[:, :-1].sum(axis=1)
        shares = np.zeros((scope.rows, len(classes)))
        shares[:, order] = part
        return Result(winner=np.where(np.isnan(part).any(axis=1), -1, np.argmax(shares, axis=1)), shares=shares)
    return classified, classes, True


INVERSE: dict[str, Callable[[Array], Array]] = {
    "none": lambda raw: raw, "logit": special.expit, "probit": special.ndtr, "exp": np.exp,
    "cloglog": lambda raw: 1.0 - np.exp(-np.exp(raw)), "loglog": lambda raw: np.exp(-np.exp(-raw)),
    "cauchit": lambda raw: 0.5 + np.arctan(raw) / np.pi,
}


def _terms(table: Element) -> Callable[[Scope], Array]:
    """The sum of a table: intercept, numbers, categories and products. A missing number makes it missing, a missing category adds 0."""
    start = number(table.need("intercept"))
    straight = [(each.need("name"), number(each.get("exponent", "1") or "1"), number(each.need("coefficient")))
                for each in table.all("NumericPredictor")]
    coded: dict[str, dict[str, float]] = {}
    for each in table.all("CategoricalPredictor"):
        coded.setdefault(each.need("name"), {})[each.need("value")] = number(each.need("coefficient"))
    products = [(number(each.need("coefficient")), [one.need("field") for one in each.all("FieldRef")])
                for each in table.all("PredictorTerm")]

    def summed(scope: Scope) -> Array:
        out = np.full(scope.rows, start)
        for name, exponent, coefficient in straight:
            value = numeric(scope[name]).astype(np.float64)
            out += coefficient * (value if exponent == 1 else value ** exponent)
        for name, known in coded.items():
            column = scope[name]
            if isinstance(column, Words):
                out += column.told(lambda word, known=known: known.get(word, 0.0), 0.0)  # type: ignore[misc]
            else:
                for value_, coefficient in known.items():
                    out[equals(column, value_)] += coefficient
        for coefficient, names in products:
            out += coefficient * np.prod([numeric(scope[name]).astype(np.float64) for name in names], axis=0)
        return out
    return summed


def _scorecard(element: Element, known: Mapping[str, Function], classifies: bool, ordered: tuple[str, ...],
               ) -> tuple[Body, tuple[str, ...] | None, bool]:
    if classifies:
        raise ModelError("a scorecard of the file is for classification", expected="regression")
    start = number(element.get("initialScore", "0") or "0")
    parts: list[list[tuple[Predicate, Expression]]] = []
    for each in _inside(element, "Characteristics", "Characteristic"):
        attributes = []
        for one in each.all("Attribute"):
            test, complex_ = one.first(*PREDICATES), one.first("ComplexPartialScore")
            inner = complex_.first(*EXPRESSIONS) if complex_ is not None else None
            if test is None:
                raise ModelError("an attribute of the scorecard has no predicate", expected="a whole PMML file")
            attributes.append((predicate(test), expression(inner, known) if inner is not None else _points(one)))
        parts.append(attributes)
    if not parts:
        raise ModelError("a scorecard of the file has no characteristics", expected="a whole PMML file")

    def scored(scope: Scope) -> Result:
        out = np.full(scope.rows, start)
        for attributes in parts:
            points, open_ = np.full(scope.rows, np.nan), np.ones(scope.rows, bool)
            for test, partial in attributes:
                true, _ = test(scope)
                true = true & open_
                if true.any():
                    points = np.where(true, numeric(partial(scope)), points)
                open_ &= ~true
            out = out + points
        return Result(out)
    return scored, None, False


def _points(element: Element) -> Expression:
    points = number(element.need("partialScore"))
    return lambda scope: np.full(scope.rows, points)


# --- ensembles -------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Member:
    test: Predicate
    weight: float
    scorer: Scorer


NUMBERS: dict[str, Callable[[Array, Array], Array]] = {   # (members, rows) and weights of the same shape, 0 where a member is left out
    "sum": lambda held, weight: (held * (weight > 0)).sum(axis=0),
    "average": lambda held, weight: (held * (weight > 0)).sum(axis=0) / (weight > 0).sum(axis=0),
    "weightedAverage": lambda held, weight: (held * weight).sum(axis=0) / weight.sum(axis=0),
    "x-weightedSum": lambda held, weight: (held * weight).sum(axis=0),
    "weightedSum": lambda held, weight: (held * weight).sum(axis=0),
    "median": lambda held, weight: np.nanmedian(np.where(weight > 0, held, np.nan), axis=0),
    "max": lambda held, weight: np.where(weight > 0, held, -np.inf).max(axis=0),
}
VOTES = ("majorityVote", "weightedMajorityVote")
AVERAGES = ("average", "weightedAverage")


def _ensemble(element: Element, fields: Fields, known: Mapping[str, Function], classifies: bool, ordered: tuple[str, ...], depth: int,
              ) -> tuple[Body, tuple[str, ...] | None, bool]:
    group = element.first("Segmentation")
    if group is None:
        raise ModelError("a MiningModel of the file has no segments", expected="a Segmentation")
    method, treatment = group.need("multipleModelMethod"), group.get("missingPredictionTreatment", "continue")
    members = []
    for each in group.all("Segment"):
        test = each.first(*PREDICATES)
        inner = next((one for one in each.inside if one.name.endswith(("Model", "Scorecard", "Network", "RuleSet"))), None)
        weight = number(each.get("weight", "1") or "1")
        if test is None or inner is None or not 0 <= weight < np.inf:
            raise ModelError("a segment of the file has no predicate, no model, or no weight", expected="a whole PMML file")
        members.append(_Member(predicate(test), weight, scorer(inner, fields, known, depth + 1)))
    if not members:
        raise ModelError("a MiningModel of the file has no segments", expected="a whole PMML file")
    if method in ("selectFirst", "modelChain"):
        heads = members if method == "selectFirst" else members[-1:]
        if any((each.scorer.classes is not None) != classifies for each in heads):
            raise ModelError("the segments of the file are not for what the whole is for", expected="a whole PMML file")
        classes = _united(ordered, heads) if classifies else None
        shared = classifies and all(each.scorer.shared for each in heads)
        return (_first if method == "selectFirst" else _chain)(members, classes, shared=shared), classes, shared
    if not classifies:
        if method not in NUMBERS or any(each.scorer.classes is not None for each in members):
            raise _unread(method)
        return _combined(members, NUMBERS[method], skips=treatment == "skipSegment"), None, False
    if method not in (*VOTES, *AVERAGES) or any(each.scorer.classes is None for each in members):
        raise _unread(method)
    if method in AVERAGES and not all(each.scorer.shared for each in members):
        raise ModelError("the file averages trees that hold no shares of classes", expected="a ScoreDistribution in each leaf")
    classes = _united(ordered, members)
    return _voted(members, classes, weighted=method.startswith("weighted"), votes=method in VOTES), classes, True


def _unread(method: str) -> ModelError:
    return ModelError(f"an ensemble of the file is put together by '{method}', which is not read here for its task",
                      expected=f"one of {', '.join((*NUMBERS, *VOTES, 'selectFirst', 'modelChain'))}")


def _united(ordered: tuple[str, ...], members: Sequence[_Member]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*ordered, *(name for each in members for name in each.scorer.classes or ()))))


def _onto(member: Scorer, result: Result, classes: tuple[str, ...]) -> Result:
    """A result with the classes of the whole in place of the member's."""
    if member.classes == classes or member.classes is None:
        return result
    assert result.winner is not None
    order = [classes.index(each) for each in member.classes]
    shares = None
    if result.shares is not None:
        shares = np.zeros((len(result.winner), len(classes)))
        shares[:, order] = result.shares
    return Result(winner=np.array([*order, -1])[result.winner], shares=shares)


def _blank(rows: int, classes: tuple[str, ...] | None, *, shared: bool) -> Result:
    if classes is None:
        return Result(np.full(rows, np.nan))
    return Result(winner=np.full(rows, -1), shares=np.full((rows, len(classes)), np.nan) if shared else None)


def _put(into: Result, rows: Array, part: Result) -> None:
    for name in ("value", "winner", "shares"):
        held, given = getattr(into, name), getattr(part, name)
        if held is not None and given is not None:
            held[rows] = given


def _first(members: Sequence[_Member], classes: tuple[str, ...] | None, *, shared: bool) -> Body:
    def selected(scope: Scope) -> Result:
        out, rows = _blank(scope.rows, classes, shared=shared), np.arange(scope.rows)
        for each in members:
            part = scope.part(rows)
            true, _ = each.test(part)
            at = np.flatnonzero(true)
            if len(at):
                result, _made = each.scorer.run(part.part(at))
                _put(out, rows[at], _onto(each.scorer, result, classes or ()))
            rows = rows[~true]
            if not len(rows):
                break
        return out
    return selected


def _chain(members: Sequence[_Member], classes: tuple[str, ...] | None, *, shared: bool) -> Body:
    def chained(scope: Scope) -> Result:
        out = _blank(scope.rows, classes, shared=shared)
        for number_, each in enumerate(members):
            true, _ = each.test(scope)
            result, made = each.scorer.run(scope)
            for name, column in made.items():
                scope[name] = column
            if number_ == len(members) - 1:
                if not true.all():
                    raise ModelError("the last link of a chain of models is left out for some rows", expected="a link for every row")
                _put(out, np.arange(scope.rows), _onto(each.scorer, result, classes or ()))
        return out
    return chained


def _combined(members: Sequence[_Member], combine: Callable[[Array, Array], Array], *, skips: bool) -> Body:
    def combined(scope: Scope) -> Result:
        held, weight = np.empty((len(members), scope.rows)), np.empty((len(members), scope.rows))
        for place, each in enumerate(members):
            true, _ = each.test(scope)
            value = each.scorer.run(scope)[0].value
            assert value is not None
            gone = ~true | (np.isnan(value) if skips else False)
            held[place], weight[place] = np.where(gone, 0.0, value), np.where(gone, 0.0, each.weight)
        with np.errstate(invalid="ignore", divide="ignore"):
            return Result(np.asarray(combine(held, weight), np.float64))
    return combined


def _voted(members: Sequence[_Member], classes: tuple[str, ...], *, weighted: bool, votes: bool) -> Body:
    def voted(scope: Scope) -> Result:
        total = np.zeros((scope.rows, len(classes)))
        for each in members:
            true, _ = each.test(scope)
            result = _onto(each.scorer, each.scorer.run(scope)[0], classes)
            assert result.winner is not None
            weight = np.where(true, each.weight if weighted else 1.0, 0.0)
            if votes:
                at = np.flatnonzero(result.winner >= 0)
                total[at, result.winner[at]] += weight[at]
            else:
                assert result.shares is not None
                total += np.where(true[:, None], result.shares, 0.0) * weight[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            shares = total / total.sum(axis=1, keepdims=True)
        return Result(winner=np.where(np.isnan(shares).any(axis=1), -1, np.argmax(shares, axis=1)), shares=shares)
    return voted
