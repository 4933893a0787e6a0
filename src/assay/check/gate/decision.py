"""The decision: differences between a candidate and the champion, judged together.

A ``Goal`` is what the candidate should be better in, a ``Guard`` what it must not be worse in by more than a tolerance; ``decision``
judges all of them and returns verdicts. The rule is that of Schultzberg, Ankargren and Fraanberg (2024): some goal superior (Holm over
the goals), every guard not inferior (an intersection-union test, so alpha is not divided; beta is, over the guards), nothing
significantly worse (Holm over everything). ``design/gate.md`` has the reasons and what was measured of it. Verbs import it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assay.check.correction import holm
from assay.check.gate import size, words
from assay.result import FEWEST_SHOWN, Outcome, Spread, Value, Verdict

__all__ = ["FEWEST", "FEWEST_TESTED", "Goal", "Guard", "at_level", "better", "decision", "exceeds", "within", "worse"]

FEWEST = 30  # rows below which an interval that leans on normality cannot pass
FEWEST_TESTED = 10  # and below which it cannot block either


@dataclass(frozen=True)
class Goal:
    """What the candidate should be better in, by more than ``gain``: ``value`` is the candidate's number less the champion's."""

    value: Value
    gain: float = 0.0


@dataclass(frozen=True)
class Guard:
    """What the candidate must not be worse in by more than ``tolerance``, which is in the metric's own unit.

    ``value`` is the candidate's number less the champion's, ``base`` the champion's number, ``title`` the check as a user could write
    it. Where ``named``, a user asked for it, so that too few rows leave the gate open; others count as too small.
    """

    value: Value
    tolerance: float
    title: str
    named: bool = False
    base: float | None = None

    @property
    def tested(self) -> bool:
        """Whether it could be found worse, decided by its rows and never by how well it did."""
        spread = self.value.spread
        return (spread is not None and self.value.value is not None and not self.value.private and self.value.n >= FEWEST_TESTED
                and math.isfinite(spread.error))

    @property
    def loss(self) -> float | None:
        """By how much the candidate is worse, negative where it is better."""
        return None if self.value.value is None else -self.value.value if self.value.better == "higher" else self.value.value

    @property
    def deviation(self) -> float:
        """The standard deviation of one row's paired difference, as far as the error tells."""
        spread = self.value.spread
        return math.nan if spread is None else spread.error * math.sqrt(max(self.value.n, 1))


def decision(goals: Sequence[Goal], guards: Sequence[Guard], *, alpha: float = 0.025, power: float = 0.8,
             smallest: int = FEWEST) -> list[Verdict]:
    """Return the verdicts on all goals, then on all guards, in their order.

    A goal is met where it is superior; the others may then be what they are. A guard fails where it is significantly worse (Holm over all
    guards and goals at ``alpha``) and not shown to be within its tolerance; within it, it warns. It passes where the end of its interval
    lies within the tolerance. What is left is inconclusive, with the rows that would settle it with ``power``, or too small: a slice of
    fewer rows than ``smallest``, or one that nobody named and that has fewer than would settle it.

    >>> def lost(by, n, **place):
    ...     spread = Spread("normal", -by, n=n, error=0.3 / n ** 0.5)
    ...     return Guard(Value.of("recall", spread, n=n, better="higher", slice=place, against="champion"), 0.02, "recall by country")
    >>> found = decision([], [lost(0.0, 9_000, country="DE"), lost(0.09, 900, country="FR"), lost(0.0, 90, country="LU")])
    >>> [each.verdict for each in found]
    ['pass', 'fail', 'too small']
    """
    tests = [(goal, _lost(goal.value, 0.0)) for goal in goals if _testable(goal.value)]
    tests += [(guard, worse(guard)) for guard in guards if guard.tested]  # type: ignore[misc]
    adjusted = {id(each): p for (each, _), p in zip(tests, holm([p for _, p in tests]), strict=True)}
    beta = (1 - power) / (len(guards) + 1)
    typical = _typical(guards)
    return [*_goals(goals, adjusted, alpha, beta),
            *(_guard(each, adjusted.get(id(each)), len(tests), alpha, beta, typical, smallest) for each in guards)]


def worse(guard: Guard) -> float:
    """Return the p-value of "it is not worse": small where the candidate is surely worse."""
    return _lost(guard.value, 0.0)


def exceeds(guard: Guard) -> float:
    """Return the p-value of "it is worse by no more than its tolerance"."""
    return _lost(guard.value, guard.tolerance)


def _goals(goals: Sequence[Goal], harmed: Mapping[int, float], alpha: float, beta: float) -> list[Verdict]:
    p = holm([better(each.value, each.gain) for each in goals])
    met = [each < alpha for each in p]
    found = []
    for goal, chance, fine in zip(goals, p, met, strict=True):
        value, worse_ = at_level(goal.value, alpha), harmed.get(id(goal))
        outcome: Outcome = "pass" if any(met) else "inconclusive"
        rows = None
        if (worse_ is not None and worse_ < alpha) or (not any(met) and _hopeless(value, goal.gain)):
            outcome = "fail"
        elif not any(met) and value.value is not None and value.spread is not None:
            gap = (value.value if value.better == "higher" else -value.value) - goal.gain
            asked = size.rows(value.spread.error * math.sqrt(value.n), gap, alpha=alpha / len(goals), beta=beta)
            rows = None if asked is None else max(asked - value.n, 1)
        title = words.goal_title(value, goal.gain)
        sentence = words.goal(value, goal.gain, outcome, met=fine, rows=rows)
        found.append(Verdict(title, outcome, sentence, slice=dict(value.slice), value=value, threshold=goal.gain, p=chance,
                             rows_needed=rows, aspect="success", expression=title))
    return found


def _guard(guard: Guard, p: float | None, family: int, alpha: float, beta: float, typical: Mapping[str, float],
           smallest: int) -> Verdict:
    value, rows = at_level(guard.value, alpha), None
    fine, harmed = within(value, guard.tolerance), p is not None and p < alpha
    whole = not value.slice
    undecided: Outcome = "inconclusive" if whole or (guard.named and value.n >= smallest) else "too small"
    deviation = typical.get(value.name, guard.deviation)
    if (guard.loss or 0.0) <= 0:  # only a slice that looks no worse may say that its own rows differ more
        deviation = max(deviation, guard.deviation)
    plan = size.rows(deviation, guard.tolerance, alpha=alpha, beta=beta)
    outcome: Outcome
    if value.private or value.value is None:
        outcome = undecided
    elif fine:
        outcome = "warn" if harmed else "pass"
    elif harmed:
        outcome = "fail"
    else:
        enough = plan is not None and value.n >= plan
        outcome = "inconclusive" if enough else undecided
    if outcome in ("inconclusive", "too small") and value.value is not None and not value.private:
        rows = _more(guard, alpha, beta, family)
    silent = value.private or value.value is None
    sentence = words.guard(value, guard.tolerance, guard.base, outcome, rows=rows, family=family,
                           alone=p is not None and not harmed and worse(guard) < alpha)
    return Verdict(guard.title, outcome, sentence, slice=dict(value.slice), value=None if silent else value,
                   threshold=-guard.tolerance if value.better == "higher" else guard.tolerance, p=p, rows_needed=rows,
                   aspect="guardrails", expression=guard.title)


def _more(guard: Guard, alpha: float, beta: float, family: int) -> int | None:
    """Return how many more rows would settle it: planned for a candidate that is as good as the champion.

    Where there are as many rows already, for what was seen: to show that it is within the tolerance, or else that it is worse.
    """
    loss, deviation = guard.loss or 0.0, guard.deviation
    for gap, level in ((guard.tolerance, alpha), (guard.tolerance - max(loss, 0.0), alpha), (loss, alpha / max(family, 1))):
        asked = size.rows(deviation, gap, alpha=level, beta=beta)
        asked = None if asked is None else max(asked, FEWEST)
        if asked is not None and asked > guard.value.n:
            return asked - guard.value.n
    return None


def within(value: Value, tolerance: float) -> bool:
    """Whether the whole interval of a difference lies within a tolerance."""
    if value.value is None or value.low is None or value.high is None or value.n < FEWEST:
        return False
    return value.low - value.bound >= -tolerance if value.better == "higher" else value.high + value.bound <= tolerance


def at_level(value: Value, alpha: float) -> Value:
    """Return a value whose interval has ``alpha`` on each side."""
    level = 1 - 2 * alpha
    if value.spread is None or value.value is None or math.isclose(level, value.level):
        return value
    low, high = value.spread.interval(level)
    return value.replace(low=low, high=high, level=level)


def _typical(guards: Sequence[Guard]) -> dict[str, float]:
    """Return the deviation of one row by metric, from all rows or pooled over slices: what a slice did must not decide what it needs."""
    found: dict[str, float] = {}
    for name in dict.fromkeys(each.value.name for each in guards):
        some = [each for each in guards if each.value.name == name and math.isfinite(each.deviation) and each.value.n >= FEWEST_SHOWN]
        whole = [each.deviation for each in some if not each.value.slice]
        rows = sum(each.value.n for each in some)
        if whole:
            found[name] = whole[0]
        elif rows:
            found[name] = math.sqrt(sum(each.deviation**2 * each.value.n for each in some) / rows)
    return found


def _testable(value: Value) -> bool:
    return value.spread is not None and value.value is not None and value.n >= FEWEST_TESTED and math.isfinite(value.spread.error)


def _careful(value: Value) -> Spread | None:
    """Return the spread to test with: an error from few or skewed rows is too small too often (``design/verdicts.md``)."""
    if not _testable(value) or value.spread is None:
        return None
    return dataclasses.replace(value.spread, df=min(value.spread.df, max((value.n - 1) / 2, 1.0)))


def _lost(value: Value, tolerance: float) -> float:
    spread = _careful(value)
    if spread is None:
        return 1.0
    slack = tolerance + value.bound
    p = spread.p_at_least(-slack) if value.better == "higher" else spread.p_at_most(slack)
    return 1.0 if math.isnan(p) else min(p, 1.0)


def better(value: Value, gain: float = 0.0) -> float:
    """Return the p-value of "it is better by no more than ``gain``": small where the candidate is surely better."""
    spread = _careful(value)
    if spread is None:
        return 1.0
    slack = gain + value.bound
    p = spread.p_at_most(slack) if value.better == "higher" else spread.p_at_least(-slack)
    return 1.0 if math.isnan(p) else min(p, 1.0)


def _hopeless(value: Value, gain: float) -> bool:
    """Whether the whole interval says that the gain is not there."""
    if value.value is None or value.low is None or value.high is None or value.n < FEWEST:
        return False
    return value.high < gain if value.better == "higher" else value.low > -gain
