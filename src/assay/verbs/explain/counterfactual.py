"""What would have had to differ for another decision about one row, within what a person can change.

``of_row(ground, id)`` is the question; ``verbs.explain`` asks it. ``changes(texts)`` reads what a command line says may change.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from assay.errors import ConfigError, DataError, listed
from assay.explain.counterfactual import BUDGET, Change, Counterfactual, Counterfactuals, Goal, counterfactuals
from assay.result import Scalar, Spread, Value
from assay.verbs.explain.explanation import Ground, Part, drawn, number
from assay.verbs.explain.row import found as row_of
from assay.verbs.explain.steady import unsteady
from assay.verbs.subject import fits

__all__ = ["changes", "of_row"]

SEEN = 10_000   # rows whose values columns may take
_WAYS = 3


def of_row(ground: Ground, id: Any, changeable: Mapping[str, Any] | None = None, wanted: Any = None) -> Part:
    """Return what would have had to differ for a row to be decided otherwise; ``wanted`` is a class, or ``">= 3"`` for numbers.

    ``changeable`` says how each column may change; without it every input may that is not protected or forbidden, which is said.
    """
    one, model, schema = row_of(ground, id), ground.model, ground.subject.data.schema
    barred = tuple(dict.fromkeys([*schema.protected, *schema.forbidden]))
    notes = list(one.notes)
    if not changeable:
        others = {*barred, schema.id, schema.entity, schema.timestamp, *schema.labels, *schema.available_at.values()}
        changeable = {name: "any" for name in ground.inputs if name not in others}
        notes.append("every input that is not protected was taken as changeable: say which a person can change, and how "
                     "(changeable: {income: increase, savings: [0, 100000]} in assay.yaml, or --change)")
    goal = _goal(ground, wanted)
    seen = drawn(_seen(ground), SEEN, ground.seed, ground.inputs)
    if seen.num_rows == SEEN:
        notes.append(f"values that were seen are those of a sample of {SEEN:,} rows")
    try:
        made = counterfactuals(model, ground.inputs_of(one.table), seen, goal, changeable, barred=barred, count=_WAYS,
                               budget=ground.budget or BUDGET)
    except DataError as error:
        if "already" not in error.what:
            raise
        raise ConfigError(f"{one.title} is decided so already", expected="another decision", hint="--wanted names one") from error
    notes += unsteady(model, ground.inputs_of(seen))
    notes.append("this is about the model: whether a change is possible, and what else it would move, a person has to judge")
    values = [Value.of("smallest change", Spread("exact", way.cost), n=1, column=_told(way.changes), unit="spreads",
                       note=_after(ground, made, way)) for way in made.found]
    about: dict[str, Scalar] = {"row": one.title, "method": "exact" if made.exact else "searched", "rows asked": made.asked,
                                "changeable": ", ".join(f"{name}: {_spec(spec)}" for name, spec in changeable.items())}
    return Part(_sentences(ground, one.title, made, goal), tuple(values), notes=tuple(notes), about=about)


def changes(texts: Sequence[str]) -> dict[str, Any]:
    """Return what may change, from texts such as ``income=increase``, ``savings=0..100000`` and ``job=clerk|smith``.

    >>> changes(["income=increase", "savings=0..1000", "age=..65", "job=clerk|smith"])
    {'income': 'increase', 'savings': [0.0, 1000.0], 'age': [None, 65.0], 'job': ['clerk', 'smith']}
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, mark, spec = text.rpartition("=")
        name, spec = (name.strip(), spec.strip()) if mark else (text.strip(), "any")
        if not name or not spec:
            raise ConfigError(f"'{text}' does not say what may change", expected="COLUMN=increase, COLUMN=0..100 or COLUMN=this|that")
        if ".." in spec:
            low, _, high = spec.partition("..")
            try:
                found[name] = [float(low) if low.strip() else None, float(high) if high.strip() else None]
            except ValueError:
                raise ConfigError(f"'{spec}' is no range", expected="two numbers: 0..100, or one of them: 0..") from None
        else:
            found[name] = spec.split("|") if "|" in spec else spec
    return found


def _goal(ground: Ground, wanted: Any) -> Goal:
    signature, target = ground.model.signature, ground.subject.target
    positive, threshold = (target.positive, target.threshold) if target is not None else (None, None)
    if signature.classes is not None:
        if wanted is None:
            return Goal(positive=positive, threshold=threshold)
        chosen = next((each for each in signature.classes if each == wanted or str(each) == str(wanted)), wanted)
        return Goal(chosen, positive=positive, threshold=threshold)
    text = str(wanted or "").strip()
    for mark, name in ((">=", "at_least"), ("<=", "at_most")):
        if text.startswith(mark):
            try:
                value = float(text[2:])
            except ValueError:
                break
            if math.isfinite(value):
                return Goal(at_least=value) if name == "at_least" else Goal(at_most=value)
    raise ConfigError("a model of numbers needs to be told which number is wanted", expected="'>= NUMBER' or '<= NUMBER'",
                      hint="--wanted '>= 200'")


def _seen(ground: Ground) -> Any:
    """The rows whose values columns may take: those of training, else of the reference, else of the data."""
    subject = ground.subject
    found = subject.train or subject.reference or subject.data
    fits(ground.model, found)
    return found


def _sentences(ground: Ground, title: str, made: Counterfactuals, goal: Goal) -> tuple[str, ...]:
    names = ", ".join(made.columns[:8]) + (f" and {len(made.columns) - 8} more" if len(made.columns) > 8 else "")
    now = _decision(ground, made.decision, made.score)
    if not made.found:
        wish = _wish(ground, goal)
        if not made.columns:
            return (f"{title}: {now}; none of the columns that may change has another value within these ranges",)
        far = (f"all combinations of up to {made.complete} of them were asked, {made.asked:,} rows" if made.complete else
               f"{made.asked:,} rows were asked")
        sure = "no change" if made.exact else "no change was found"
        return (f"{title}: {now}; {sure} of {names} within these ranges {'leads' if made.exact else 'that leads'} to {wish}: {far}",)
    first = made.found[0]
    sentences = [f"{title}: {now}; it would have been {_after(ground, made, first)} with {_told(first.changes)}"]
    sentences += [f"or {_after(ground, made, way)} with {_told(way.changes)}" for way in made.found[1:]]
    if made.exact:
        sentences.append(f"no fewer changes lead there: every combination of up to {made.complete} of {names} was asked")
    else:
        fewer = "fewer or " if len(first.changes) > 1 else ""
        sentences.append(f"{fewer}smaller changes are not ruled out: {made.asked:,} rows were asked, of combinations of {names}")
    return tuple(sentences)


def _wish(ground: Ground, goal: Goal) -> str:
    if goal.at_least is not None:
        return f"at least {number(goal.at_least)}"
    if goal.at_most is not None:
        return f"at most {number(goal.at_most)}"
    label = ground.subject.data.schema.label
    return "another decision" if goal.target is None else f"{f'{label} = ' if label else ''}{goal.target}"


def _decision(ground: Ground, decision: Any, score: float | None) -> str:
    if isinstance(decision, float) and ground.model.signature.classes is None:
        return f"the model predicts {number(decision)}"
    label = ground.subject.data.schema.label
    return f"predicted {f'{label} = ' if label else ''}{decision}" + (f" (score {number(score)})" if score is not None else "")


def _after(ground: Ground, made: Counterfactuals, way: Counterfactual) -> str:
    text = _decision(ground, way.decision, way.score)
    return text.removeprefix("predicted ").removeprefix("the model predicts ")


def _told(some: Sequence[Change]) -> str:
    return " and ".join(f"{each.column} = {_shown(each.after)} instead of {_shown(each.before)}" for each in some)


def _shown(value: Any) -> str:
    if value is None or value != value:
        return "missing"
    return f"{value:,.6g}" if isinstance(value, float) else str(value)[:60]


def _spec(spec: Any) -> str:
    if isinstance(spec, str):
        return spec
    if len(spec) == 2 and all(each is None or (isinstance(each, int | float) and not isinstance(each, bool)) for each in spec):
        return " to ".join(_shown(each) if each is not None else "any" for each in spec)
    return listed(map(str, spec), 8)
