"""Opinions: what the default suite says of the values that it asked for, in sentences, faults first.

``opinions(answers)`` is the interface. A check that a user wrote has to be shown to hold; the suite searches for faults instead, and
one has to be shown to be there. All searches for failures share one error rate: a model and data without any fault fail with a
probability of 2.5 % at most, however many columns and slices there are (Holm 1979). For verbs.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from assay.check.correction import holm
from assay.check.expression import Check, parse
from assay.check.lexeme import MAX_LENGTH
from assay.check.sentence import undecided
from assay.check.suite.default import Item
from assay.check.verdict import ALPHA, Case
from assay.result import Outcome, Scalar, Value, Verdict

__all__ = ["opinions"]

CHANCE = " Alone it would be a fault; among so many searches it can be chance."
SLICES = 5  # slices at fault that get a line each
LISTED = 6


@dataclass
class _Answer:
    """An item with its values: those at fault, and of the others the one nearest to it."""

    item: Item
    check: Check
    cases: list[Case]
    faults: list[Case] = dataclasses.field(default_factory=list)
    p: dict[int, float] = dataclasses.field(default_factory=dict)

    @property
    def subject(self) -> tuple[object, ...]:
        return (self.check.metric, self.check.by, self.check.compare)


def opinions(answers: Iterable[tuple[Item, Sequence[Value]]]) -> list[Verdict]:
    """Return the verdicts on the values of each item: faults first, the gravest of them before the others, then what is fine.

    >>> from assay.check.suite.default import Scene, items
    >>> from assay.result import Spread
    >>> item = next(each for each in items(Scene(train=True)) if each.aspect == "leakage")
    >>> value = Value.of("shared_rows", Spread("binomial", 0.3, n=1000), n=1000, better="lower", note="300 of 1,000")
    >>> verdict = opinions([(item, [value])])[0]
    >>> print(verdict.verdict, verdict.sentence)
    fail Rows of the training data are judged again: 30 % of the rows, so every number here is too good (300 of 1,000).
    """
    found = [_Answer(item, check, [Case(check, value) for value in values])
             for item, values in answers for check in [parse(item.expression)]]
    graves = [(answer, case) for answer in found if answer.item.grave == "fail" for case in answer.cases if case.tested]
    _decide(graves)
    for answer in found:
        if answer.item.grave == "warn":
            _decide([(answer, case) for case in answer.cases if case.tested])
    known: set[object] = set()
    for answer in sorted(found, key=lambda each: each.item.grave != "fail"):
        for case in answer.cases:
            place = (*answer.subject, case.value.column, case.value.key)
            at_fault = case.fails_for_a_fact or answer.p.get(id(case), 1.0) < ALPHA
            if at_fault and not case.private and place not in known:
                known.add(place)
                answer.faults.append(case)
    faults = [(answer, verdict) for answer in found if answer.faults for verdict in _faults(answer)]
    faults.sort(key=lambda each: (each[0].item.grave != "fail", each[0].item.rank))
    bad = {answer.subject for answer in found if answer.faults}
    said: set[object] = set()
    fine: list[Verdict] = []
    for answer in found:
        if answer.subject not in bad and answer.subject not in said and (verdict := _fine(answer)) is not None:
            said.add(answer.subject)
            fine.append(verdict)
    fine.sort(key=lambda each: ("warn", "too small", "pass").index(each.verdict))  # stable: in the order of the items else
    return [*(verdict for _, verdict in faults), *fine]


def _decide(cases: Sequence[tuple[_Answer, Case]]) -> None:
    """Adjust the p-values of a family of searches, each of which would err with probability ALPHA alone."""
    for (answer, case), p in zip(cases, holm([case.p for _, case in cases]), strict=True):
        answer.p[id(case)] = p


def _faults(answer: _Answer) -> list[Verdict]:
    item, cases = answer.item, sorted(answer.faults, key=lambda case: -_badness(case))
    columns = [case.value.column or "" for case in cases]
    if item.many and len(cases) > item.alone:
        words = item.many.format(count=len(cases), columns=_listed(columns))
        check = _among(answer.check, columns)
        hint = item.hint.format_map({**_fields(answer, cases[0]), "column": "each of them"})
        return [_verdict(answer, cases[0], item.grave, words, hint, check)]
    shown = [_verdict(answer, case, item.grave, item.fault.format_map(_fields(answer, case)), item.hint.format_map(_fields(answer, case)),
                      _of(answer.check, case)) for case in cases[:SLICES]]
    if len(cases) > SLICES:
        rest = [_place(case.value.slice) if case.value.slice else case.value.column or "" for case in cases[SLICES:]]
        words = f"The same holds for {len(rest)} more: {_listed(rest)}."
        shown.append(_verdict(answer, cases[SLICES], item.grave, words, "", answer.check))
    return shown


def _fine(answer: _Answer) -> Verdict | None:
    """Return what is said where no fault is shown: that it is fine, that it is not sure, or nothing."""
    item, cases = answer.item, [case for case in answer.cases if case.number is not None and not case.private]
    if not cases:
        return None
    sliced = answer.check.by is not None and answer.check.compare is None
    if answer.check.compare is not None:
        cases = cases[:1]  # all groups; the others are the larger ones among them, in which a fault was looked for too
    passing = [case for case in cases if _clear(case)]
    near = [case for case in cases if case not in passing and _enough(item, case)] if sliced else []
    worst = max(([*passing, *near] if sliced else []) or cases, key=_badness)  # a slice of few rows leaves the others decided
    if worst in near and _badness(worst) <= 0:
        words = item.fine.format_map(_fields(answer, worst)) + " That is near the bound of {bound}: {low} to {high}.".format_map(
            _fields(answer, worst))
        return _verdict(answer, worst, "pass", words + _small(answer, cases, passing, near), "", answer.check)
    passes = worst in passing
    if item.proof and not passes:
        words = item.proof.format_map(_fields(answer, worst)) + (CHANCE if worst.p < ALPHA else "")
        return _verdict(answer, worst, "warn", words, item.hint.format_map(_fields(answer, worst)), answer.check)
    if not item.fine:
        return None
    if not passes:
        return _verdict(answer, worst, "too small", _unsure(answer, worst), "", answer.check)
    few = undecided(worst.value)
    words = item.fine.format_map(_fields(answer, worst)) + (_small(answer, cases, passing, near) if sliced else _unseen(answer)) + (
        f" {few[0].upper()}{few[1:]}." if few else "")
    return _verdict(answer, worst, "pass", words, "", answer.check)


def _clear(case: Case) -> bool:
    """Whether a value is shown to be no fault; nothing at all among the rows is a count, and needs no interval."""
    spread = case.spread
    none = spread is not None and spread.kind == "binomial" and spread.estimate == 0 and case.check.at_least is None
    return spread is not None and (none or case.passes(spread))


def _enough(item: Item, case: Case) -> bool:
    """Whether a slice has rows enough: were it like all rows, it would be shown to be no fault."""
    if item.whole is None or case.spread is None or case.spread.kind == "exact":
        return False
    return case.passes(dataclasses.replace(case.spread, estimate=item.whole))


def _small(answer: _Answer, cases: Sequence[Case], passing: Sequence[Case], near: Sequence[Case]) -> str:
    """Return a sentence on the slices that are too small to tell, empty where there are none."""
    few = len(answer.cases) - len(passing) - len(near)
    if not few:
        return ""
    words = f" {few} of {len(answer.cases)} {'has' if few == 1 else 'have'} too few rows to tell"
    small = [case for case in cases if case not in passing and case not in near]
    if small:
        words += ", the {which} of them {value} of {place}".format_map(
            {**_fields(answer, max(small, key=_badness)), "which": "largest" if answer.check.at_least is None else "lowest"})
    return words + "."


def _unseen(answer: _Answer) -> str:
    """Return a sentence on the columns of which nothing could be measured, empty where there are none."""
    names = [case.value.column for case in answer.cases if case.number is None and case.value.column]
    return f" Nothing could be measured of {len(names)}: {_listed(names)}." if names and answer.item.gaps else ""


def _unsure(answer: _Answer, case: Case) -> str:
    """Return what is said of a value that is neither shown to be a fault nor to be none."""
    fields = _fields(answer, case)
    subject = answer.item.topic.format_map(fields) or f"{answer.check.metric.replace('_', ' ')}{{of}}".format_map(
        {"of": f" of {fields['column']}" if case.value.column else f" of {fields['place']}" if case.value.slice else ""})
    words = f"Too few rows to be sure of {subject}: " + (
        "{value} [{low}, {high}] on {n} rows, where {bound} is the bound.".format_map(fields))
    if case.p < ALPHA:
        words += CHANCE
    return words


def _verdict(answer: _Answer, case: Case, outcome: Outcome, words: str, hint: str, check: Check) -> Verdict:
    value, words = case.value, words.replace(" ()", "")  # a note that is not there, or is not told
    slice_: Mapping[str, Scalar] = value.slice if outcome in ("fail", "warn") else {}
    return Verdict(str(check), outcome, words, slice=dict(slice_), value=value, threshold=case.threshold,
                   p=answer.p.get(id(case)), hint=hint or None, model=value.model, aspect=answer.item.aspect, expression=str(check))


def _of(check: Check, case: Case) -> Check:
    return _among(check, [case.value.column or ""])


def _among(check: Check, columns: Sequence[str]) -> Check:
    """Return the check of these columns; of all, where they are too many to be written in a line."""
    if not all(columns) or sum(map(len, columns)) > MAX_LENGTH // 2:
        return check
    return dataclasses.replace(check, columns=tuple(columns))


def _badness(case: Case) -> float:
    """How far a value lies beyond its bound, so that the greatest is the worst; nothing measured is nothing bad."""
    number = case.number
    if number is None:
        return -math.inf
    return case.check.at_least.number - number if case.check.at_least is not None else number - case.threshold


def _fields(answer: _Answer, case: Case) -> dict[str, str]:
    value = case.value
    number, low, high = (math.nan if each is None else each for each in (value.value, value.low, value.high))
    shown = _percent if answer.item.share else _number
    away = sorted(abs(each) for each in (low, high))
    return {"value": shown(number), "low": shown(low), "high": shown(high), "n": f"{value.n:,}", "column": _name(value.column),
            "quoted": _quoted(value.column or ""),
            "note": _clean(value.note or "", 200), "place": _place(value.slice), "bound": shown(case.threshold),
            "away": shown(abs(number)), "nearest": shown(away[0]), "farthest": shown(away[1])}


def _percent(share: float) -> str:
    """Return a share as a percentage with two figures.

    >>> _percent(0.0512), _percent(0.3), _percent(0.0)
    ('5.1 %', '30 %', '0 %')
    """
    if not math.isfinite(share) or share == 0:
        return f"{share * 100:g} %"
    digits = min(max(1 - math.floor(math.log10(abs(share) * 100)), 0), 4)
    return f"{share * 100:.{digits}f} %"


def _number(number: float) -> str:
    if not math.isfinite(number) or number == 0 or 1e-3 <= abs(number) < 1:
        return f"{number:.3f}" if math.isfinite(number) and number else f"{number:g}"
    return f"{number:,.3g}" if abs(number) < 1000 else f"{number:,.0f}"


def _place(key: Mapping[str, Scalar]) -> str:
    return ", ".join(f"{_clean(name)} {_scalar(each)}" for name, each in key.items()) or "all rows"


def _scalar(each: Scalar) -> str:
    return "missing" if each is None else _clean(f"{each:.6g}" if isinstance(each, float) else str(each))


def _name(column: str | None) -> str:
    """Return a column name for a sentence; one without letters is said to have none."""
    return "" if column is None else _clean(column) or "(a column without a name)"


def _quoted(column: str) -> str:
    """Return a column name as it stands in YAML.

    >>> _quoted("loan_id"), _quoted("")
    ('loan_id', '""')
    """
    return column if column.isidentifier() else json.dumps(_clean(column), ensure_ascii=False)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(_name(each) for each in names[:LISTED])
    return shown if len(names) <= LISTED else f"{shown} and {len(names) - LISTED} more"


def _clean(text: str, most: int = 60) -> str:
    """Return text from data as one line without control characters."""
    line = "".join(each if each.isprintable() else "?" for each in " ".join(text.split()))
    return line if len(line) <= most else line[:most - 3].rstrip() + "..."
