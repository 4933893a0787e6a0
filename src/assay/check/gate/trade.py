"""The trade in words: what releasing is expected to gain, what it risks and for whom, and how many people notice.

``trade`` returns sentences for the top of a report. Verbs import it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from assay.check.correction import holm
from assay.check.gate import words
from assay.check.gate.decision import Goal, Guard, worse
from assay.result import Value

__all__ = ["trade"]


def trade(goals: Sequence[Goal], guards: Sequence[Guard], *, churn: Mapping[str, float | None] | None = None, rows: int | None = None,
          alpha: float = 0.025) -> list[str]:
    """Return what is gained and what is risked, the gain first; ``churn`` holds shares by name, as ``assay.metric.churn`` has them.

    >>> from assay.result import Spread
    >>> def changed(by, n, **place):
    ...     return Value.of("recall", Spread("normal", by, n=n, error=0.002), n=n, better="higher", slice=place, against="champion")
    >>> for each in trade([], [Guard(changed(0.01, 9_000), 0.01, ""), Guard(changed(-0.04, 900, country="FR"), 0.02, "")], rows=9_000):
    ...     print(each)
    expected of releasing, on all rows: recall 0.01 higher [+0.00608, +0.0139]
    at risk: of country FR (900 rows, 10 % of all) recall is 0.04 lower [-0.0439, -0.0361]
    """
    values = [*(each.value for each in goals), *(each.value for each in guards)]
    whole = list({each.name: each for each in values if not each.slice and each.value is not None}.values())
    found = []
    if whole:
        found.append("expected of releasing, on all rows: " + "; ".join(_told(each) for each in whole))
    sliced = [each for each in guards if each.value.slice and each.value.value is not None and not each.value.private]
    tested = [each for each in sliced if each.tested]
    p = holm([worse(each) for each in tested])
    sure = [each for each, chance in zip(tested, p, strict=True) if chance < alpha]
    feared = [each for each in tested if (each.loss or 0.0) > 0 and each not in sure]
    found += [f"at risk: of {_where(each.value, rows)} {_named(each.value)} is {words.change(each.value)}"
              for each in sorted(sure, key=lambda one: -_weight(one))[:3]]
    if not sure and feared:
        most = max(feared, key=_weight)
        found.append("nothing is surely worse in any slice; the most doubtful is " + _where(most.value, rows)
                     + f", where {_named(most.value)} is {words.change(most.value)}")
    flipped = (churn or {}).get("churn")
    if flipped is not None:
        mended, broken = ((churn or {}).get(name) for name in ("mended", "broken"))
        told = f"{100 * flipped:.2g} % of the rows get another answer"
        if mended is not None and broken is not None:
            told += f": {100 * mended:.2g} % become right, {100 * broken:.2g} % wrong"
        moved = (churn or {}).get("score_change")
        found.append(told + (f"; scores move by {words.figure(moved)} on average" if moved is not None else ""))
    return found


def _named(value: Value) -> str:
    return "what a row costs" if value.metric == "cost" else value.name


def _told(value: Value) -> str:
    if value.metric == "cost" and value.value is not None and value.low is not None and value.high is not None:
        low, high = sorted((-1000 * value.low, -1000 * value.high))
        return f"{words.signed(-1000 * value.value)} [{words.signed(low)}, {words.signed(high)}] saved a thousand rows"
    return f"{value.name} {words.change(value)}"


def _where(value: Value, rows: int | None) -> str:
    share = f", {100 * value.n / rows:.2g} % of all" if rows else ""
    return f"{words.place(value.slice)} ({value.n:,} rows{share})"


def _weight(guard: Guard) -> float:
    """Return how much of its tolerance a guard has lost at the least, for sorting."""
    value = guard.value
    end = value.high if value.better == "higher" else value.low
    sure = -(end or 0.0) if value.better == "higher" else (end or 0.0)
    return sure / guard.tolerance if guard.tolerance > 0 else sure
