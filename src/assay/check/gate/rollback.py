"""Production is hurting: which earlier model, on today's data, is best? Earlier models ranked against the current one.

``rollback`` turns paired differences into verdicts; that none is better is an outcome. Verbs import it.
"""

from __future__ import annotations

from collections.abc import Mapping

from assay.check.correction import holm
from assay.check.gate import size, words
from assay.check.gate.decision import FEWEST, at_level, better
from assay.result import Outcome, Value, Verdict, goodness

__all__ = ["ranking", "rollback"]


def rollback(gains: Mapping[str, Value], *, alpha: float = 0.025, power: float = 0.8) -> list[Verdict]:
    """Return one verdict: the earlier model to roll back to, that none is better, or how many rows would tell.

    ``gains`` are differences, the earlier model's number less the current one's, by model. One is better where that is significant among
    all (Holm at ``alpha``). Of several, the one with the best number is named.

    >>> from assay.result import Spread
    >>> def gain(by):
    ...     return Value.of("auc", Spread("normal", by, n=5_000, error=0.004), n=5_000, better="higher", against="champion")
    >>> rollback({"v1": gain(0.03), "v2": gain(-0.01)})[0].sentence
    "roll back to v1: auc is 0.03 higher [+0.0222, +0.0378] than the current model's on 5,000 rows"
    >>> rollback({"v1": gain(-0.03), "v2": gain(-0.02)})[0].verdict
    'fail'
    """
    known = {name: at_level(each, alpha) for name, each in gains.items() if each.value is not None and each.spread is not None}
    if not known:
        return [Verdict("rollback", "inconclusive", "no earlier model can be compared with the current one", aspect="rollback")]
    p = dict(zip(known, holm([better(each) for each in known.values()]), strict=True))
    ranked = sorted(known, key=lambda name: goodness(known[name].value or 0.0, known[name].better), reverse=True)
    sure = [name for name in ranked if p[name] < alpha]
    best = sure[0] if sure else ranked[0]
    value = known[best]
    told = f"{value.name} is {words.change(value)} {'than' if value.value else 'as'} the current model's on {value.n:,} rows"
    rows = None
    outcome: Outcome
    if sure:
        outcome, sentence = "pass", f"roll back to {best}: {told}"
    elif all(_no_better(each) for each in known.values()):
        outcome, sentence = "fail", f"none is better: even of {best}, the best of {len(known):,}, {told}"
    else:
        gap = abs(goodness(value.value or 0.0, value.better))  # to show that it is better, or that none is
        error = value.spread.error if value.spread is not None else 0.0
        asked = size.rows(error * value.n**0.5, gap, alpha=alpha / len(known), beta=1 - power)
        rows = None if asked is None else max(asked - value.n, 1)
        more = f"about {words.rows_of(rows, {})} would" if rows is not None else "more rows would not tell, so alike are they"
        outcome, sentence = "inconclusive", f"none is shown to be better; of {best}, the best of {len(known):,}, {told}; {more}"
    return [Verdict("rollback", outcome, sentence, value=value, p=p[best], rows_needed=rows, model=best, aspect="rollback")]


def ranking(gains: Mapping[str, Value]) -> list[tuple[str, str]]:
    """Return the earlier models, best first, each with its difference to the current one in words."""
    known = [(name, each) for name, each in gains.items() if each.value is not None]
    known.sort(key=lambda pair: goodness(pair[1].value or 0.0, pair[1].better), reverse=True)
    return [(name, f"{value.name} {words.change(value)} {'than' if value.value else 'as'} the current model's") for name, value in known]


def _no_better(value: Value) -> bool:
    """Whether the interval leaves no room for a gain."""
    if value.low is None or value.high is None or value.n < FEWEST:
        return False
    return value.high <= 0 if value.better == "higher" else value.low >= 0
