"""What service costs, and the rules around a model: budgets that are kept or not, rules that touch rows and age.

``budget`` judges a measured number, ``override`` one rule. Verbs import it.
"""

from __future__ import annotations

import datetime as dt
import math
import statistics
from collections.abc import Sequence

from assay.check.expression import Bound, Check
from assay.check.gate.setting import Override
from assay.check.verdict import judge
from assay.result import Spread, Value, Verdict

__all__ = ["budget", "median", "override"]

ASPECT = "service"
NEEDLESS = 0.99  # share of its rows that the model answers like the rule, from which on the rule hardly changes anything
_UNITS = {"latency": "ms", "size": "MB", "staleness": "d"}


def budget(name: str, value: Value | None, limit: float, *, missing: str = "") -> Verdict:
    """Return the verdict on a budget; ``missing`` says why nothing was measured.

    >>> budget("size", Value.of("size", Spread("exact", 120.0), n=1, better="lower", unit="MB"), 100.0).verdict
    'fail'
    """
    check = Check(name, at_most=Bound(limit))
    if value is None:
        return Verdict(str(check), "inconclusive", f"{name} cannot be told: {missing}", threshold=limit, aspect=ASPECT, expression=None)
    found, = judge(check, [value])
    sentence = f"{name} is {value.value:.3g} {_UNITS[name]}" if value.value is not None else name
    if value.low is not None and value.high is not None and value.low != value.high:
        sentence += f" [{value.low:.3g}, {value.high:.3g}]"
    sentence += f", at most {limit:g} {_UNITS[name]} allowed: {'cannot tell' if found.verdict == 'inconclusive' else found.verdict}"
    return Verdict(found.check, found.verdict, sentence, value=value, threshold=limit, p=found.p, aspect=ASPECT)


def median(milliseconds: Sequence[float]) -> Value:
    """Return the median of measured times with an interval from their order (binomial, no distribution assumed).

    >>> found = median([1.0, 1.1, 1.2, 1.3, 9.0] * 10)
    >>> found.value, found.low, found.high
    (1.2, 1.1, 1.3)
    """
    ordered, n = sorted(milliseconds), len(milliseconds)
    middle = statistics.median(ordered)
    reach = math.ceil(0.98 * math.sqrt(n))  # 1.96 standard deviations of a binomial count of halves
    low, high = ordered[max(n // 2 - reach, 0)], ordered[min(n // 2 + reach, n - 1)]
    error = max(math.log(max(high, 1e-12)) - math.log(max(low, 1e-12)), 1e-9) / (2 * 1.96)
    spread = Spread("normal", middle, n=float(n), error=error, scale="log")
    return Value("latency", middle, low, high, n, better="lower", unit="ms", method="order", spread=spread)


def override(rule: Override, *, rows: int, touched: int, alike: float | None, today: dt.date) -> Verdict:
    """Return what is to be said of a rule: how many rows it answers, whether the model would too, and how old it is.

    ``alike`` is the share of its rows that the candidate answers in the same way by itself, None where that is not known.

    >>> rule = Override("amount < 10", 1, dt.date(2025, 1, 1))
    >>> override(rule, rows=1000, touched=12, alike=0.5, today=dt.date(2026, 1, 1)).sentence
    'the rule "amount < 10" answers 1 for 12 of 1,000 rows (1.2 %); the candidate by itself does for 50 % of them; it is 365 days old'
    """
    answers = "answers" if rule.answer is None else f"answers {rule.answer}"
    parts = [f'the rule "{rule.where}" {answers} for {touched:,} of {rows:,} rows ({100 * touched / max(rows, 1):.2g} %)']
    hints = []
    if touched == 0:
        hints.append("It takes no row of these: remove it, or find out why.")
    if alike is not None and touched:
        parts.append(f"the candidate by itself does for {100 * alike:.3g} % of them")
        if alike >= NEEDLESS:
            hints.append("The model answers so by itself: the rule can go.")
    if rule.since is not None:
        age = (today - rule.since).days
        parts.append(f"it is {age:,} days old")
        if age > rule.review:
            hints.append(f"Look at it again: that was due after {rule.review:g} days.")
    else:
        hints.append("Nobody wrote down since when: since: YYYY-MM-DD.")
    value = Value.of("override", Spread("exact", touched / max(rows, 1)), n=rows, slice={"where": rule.where}) if rows else None
    told = "; ".join(parts) + (f" ({rule.reason})" if rule.reason else "")
    return Verdict(f"override where {rule.where}", "warn" if hints else "pass", told, value=value, hint=" ".join(hints) or None,
                   aspect="overrides")
