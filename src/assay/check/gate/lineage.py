"""Accumulated harm: a slice that loses a little in release after release, each time within its tolerance, and in the sum not.

``lineage`` adds up the differences of past releases and this one and judges the sums. Verbs import it; they know the past.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from assay.check.correction import holm
from assay.check.gate import words
from assay.check.gate.decision import Guard, at_level, within, worse
from assay.result import Spread, Value, Verdict

__all__ = ["Release", "lineage", "total"]


@dataclass(frozen=True)
class Release:
    """What a past release changed: its differences to the champion of its time, and the data that it was judged on."""

    values: tuple[Value, ...]
    data: str = ""


def lineage(guards: Sequence[Guard], past: Sequence[Release], *, data: str = "", alpha: float = 0.025) -> list[Verdict]:
    """Return the verdicts on what each guard lost over ``past`` releases and this one: those that fail or warn, or one that passes.

    A sum fails where it is significantly worse than nothing (Holm over the guards at ``alpha``), not shown to be within the tolerance of
    one release, and this release adds to it; where this one does not, it warns.

    >>> def lost(by):
    ...     spread = Spread("normal", -by, n=4_000, error=0.003)
    ...     return Value.of("recall", spread, n=4_000, better="higher", slice={"country": "FR"}, against="champion")
    >>> past = [Release((lost(0.008),), f"week {number}") for number in range(4)]
    >>> found, = lineage([Guard(lost(0.008), 0.02, "recall by country >= champion - 0.02")], past, data="week 4")
    >>> found.verdict, round(found.value.value, 3)
    ('fail', -0.04)
    """
    if not past:
        return []
    sums = [(guard, made, many) for guard in guards for made, many in [total(guard, past, data)] if made is not None and many]
    tests = [(each, worse(each[1])) for each in sums if each[1].tested]
    adjusted = holm([p for _, p in tests])
    found = []
    for ((guard, made, many), _), p in zip(tests, adjusted, strict=True):
        value = at_level(made.value, alpha)
        if p >= alpha or within(value, made.tolerance):
            continue
        adds = (guard.loss or 0.0) > 0
        title = f"{guard.title} over {many + 1} releases"
        place = f" of {words.place(value.slice)}" if value.slice else ""
        sentence = (f"{value.name}{place} is {words.change(value)} than {many} {'releases' if many > 1 else 'release'} ago; "
                    f"{words.figure(made.tolerance)} is tolerated in one: " + ("this release adds to the harm" if adds else
                                                                               "this release does not add to the harm"))
        found.append(Verdict(title, "fail" if adds else "warn", sentence, slice=dict(value.slice), value=value, p=p,
                             threshold=-made.tolerance if value.better == "higher" else made.tolerance, aspect="accumulated harm",
                             hint="Win the slice back before the next release, or state a wider tolerance for it."))
    if found or not sums:
        return found
    most = max(many for _, _, many in sums)
    return [Verdict("accumulated harm", "pass", f"over the last {most + 1} releases together, no slice is shown to have lost more than is "
                    f"tolerated in one ({len(sums):,} sums)", aspect="accumulated harm")]


def total(guard: Guard, past: Sequence[Release], data: str) -> tuple[Guard | None, int]:
    """Return a guard of the sum of its differences over ``past`` and now, and how many past ones it has.

    Errors of releases that were judged on other rows add in quadrature; those from the same rows may all err to the same side, so they
    add as they are.
    """
    if guard.value.spread is None or guard.value.value is None or guard.value.private:
        return None, 0
    parts = [(data, guard.value)]
    for each in past:
        same = [value for value in each.values if value.name == guard.value.name and value.key == guard.value.key
                and value.against == "champion" and value.value is not None and value.spread is not None]
        parts += [(each.data, value) for value in same[:1]]
    by_data: dict[str, float] = {}
    for place, (name, value) in enumerate(parts):
        assert value.spread is not None
        key = name or f"#{place}"
        by_data[key] = by_data.get(key, 0.0) + value.spread.error
    gap = sum(value.value or 0.0 for _, value in parts)
    df = min(value.spread.df for _, value in parts if value.spread is not None)
    rows = sum(value.n for _, value in parts)
    spread = Spread("normal", gap, n=float(rows), error=math.sqrt(sum(each**2 for each in by_data.values())), df=df)
    old = guard.value
    made = Value.of(old.metric, spread, n=rows, slice=old.slice, better=old.better, unit=old.unit, against="earlier releases",
                    options=old.options)
    return Guard(made, guard.tolerance, guard.title, named=guard.named, base=guard.base), len(parts) - 1
