"""Judgement: values held against a check become verdicts, all slices of the check at once.

Interface: :func:`judge`, and :func:`broken` for what could not be measured. Any layer above may import it. The statistics,
what they guarantee and what was measured of it: ``design/verdicts.md``.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from assay.check import sentence
from assay.check.correction import holm
from assay.check.expression import Check
from assay.check.lexeme import Scalar
from assay.errors import AssayError, ConfigError, without_secrets
from assay.result import LEVEL, Outcome, Spread, Value, Verdict

__all__ = ["ALPHA", "Case", "broken", "judge", "outcomes"]

ALPHA = (1 - LEVEL) / 2  # one side of a two-sided interval
FEWEST = 30  # rows below which an interval that leans on normality cannot pass
FEWEST_TESTED = 10  # and below which it cannot fail either
MOST_GROWTH = 100.0  # more rows than that many times what there is are not realistic to ask for


def judge(check: Check, values: Sequence[Value]) -> list[Verdict]:
    """Return the verdict on each of ``values``, which are all slices (or columns) of ``check``, in their order.

    For a bound relative to the champion, the reference or the training data, a value is the difference already, and says so
    in ``against``. A slice fails when Holm's adjusted one-sided p-value is below 2.5 %: a model that just meets the check on
    every slice fails any of them with at most that probability. It passes when its 95 % interval lies within the bound.

    Errors: :class:`ConfigError` for a relative check whose values are not differences.

    >>> from assay.check.expression import parse
    >>> values = [Value.of("recall", Spread("binomial", share, n=n), n=n, slice={"carrier": name})
    ...           for name, share, n in [("AA", 0.91, 900), ("HA", 0.78, 90), ("OO", 0.50, 8), ("UA", 0.60, 400)]]
    >>> [each.verdict for each in judge(parse("recall by carrier >= 0.8"), values)]
    ['pass', 'inconclusive', 'inconclusive', 'fail']
    >>> print(judge(parse("recall by carrier >= 0.8"), values)[0].sentence)
    recall is 0.910 [0.890, 0.927] on 900 rows of carrier AA, at least 0.800 asked: pass
    """
    if not values:
        words = f"{check.subject} has no value: there was nothing to judge"
        return [Verdict(str(check), "inconclusive", words, threshold=check.bound.number)]
    cases = [Case(check, value) for value in values]
    family = [case for case in cases if case.tested]
    adjusted = dict(zip(map(id, family), holm([case.p for case in family]), strict=True))
    return [_verdict(case, adjusted.get(id(case)), len(family)) for case in cases]


def outcomes(check: Check, values: Sequence[Value], failed: Sequence[Exception] = ()) -> list[Verdict]:
    """Return the verdicts on ``values``, or "error" where measuring ``failed`` or they cannot be judged: one check never stops the others.

    >>> from assay.check.expression import parse
    >>> [each.verdict for each in outcomes(parse("auc >= 0.7"), [], [ZeroDivisionError("division by zero")])]
    ['error']
    """
    if failed:
        return [broken(check, error) for error in failed]
    try:
        return judge(check, values)
    except AssayError as error:
        return [broken(check, error)]


def broken(check: Check | str, error: Exception, *, slice: Mapping[str, Scalar] | None = None,
           model: str | None = None) -> Verdict:
    """Return the verdict "error" on a check that could not be measured: it is a result, and never stops the others.

    >>> from assay.check.expression import parse
    >>> broken(parse("auc >= 0.7"), ZeroDivisionError("division by zero")).sentence
    'auc could not be measured: ZeroDivisionError: division by zero'
    """
    subject = check if isinstance(check, str) else check.subject
    text = str(error) if isinstance(error, AssayError) else f"{type(error).__name__}: {error}"
    words = sentence.cut(without_secrets(" ".join(text.split())), 600)
    return Verdict(str(check), "error", f"{subject} could not be measured: {words}", slice=slice or {}, model=model,
                   hint=error.hint if isinstance(error, AssayError) else None)


@dataclass(frozen=True, eq=False)
class Case:
    """One value of a check; everything that can be said of it without the other slices."""

    check: Check
    value: Value

    def __post_init__(self) -> None:
        base = self.check.relative
        if base is not None and self.value.against != base and self.number is not None:
            raise ConfigError(f"a value of '{self.check}' is compared with {self.value.against or 'nothing'}",
                              expected=f"its difference to the {base}")

    @property
    def number(self) -> float | None:
        """The measured number, None where there is none; NaN is none."""
        number = self.value.value
        return None if number is None or math.isnan(number) else float(number)

    @property
    def private(self) -> bool:
        return self.value.private

    @cached_property
    def spread(self) -> Spread | None:
        """How uncertain the number is; from the interval where the value brings nothing better."""
        value, number = self.value, self.number
        if number is None or self.private:
            return None
        if value.spread is not None:
            return value.spread if math.isfinite(number) or value.spread.kind == "exact" else None
        if value.low is None or value.high is None or not math.isfinite(value.high - value.low):
            return None
        z = Spread("normal", 0.0, error=1.0).interval(value.level)[1]
        return Spread("normal", number, error=max(number - value.low, value.high - number, 0.0) / z)

    @property
    def tested(self) -> bool:
        """Whether the slice could fail by chance, decided without looking at how well it did.

        A spread of zero on few rows is no certainty: two rows ranked the wrong way round have it.
        """
        spread = self.spread
        if spread is None or spread.kind == "exact":
            return False
        return spread.kind == "binomial" or (self.value.n >= FEWEST_TESTED and (spread.error > 0 or self.value.n >= FEWEST))

    @cached_property
    def p(self) -> float:
        """The p-value of "the check holds": exact for shares, Student's with half the rows' degrees of freedom else."""
        return self.p_of(self.spread) if self.spread is not None else 1.0

    def p_of(self, spread: Spread, growth: float = 1.0) -> float:
        if spread.kind == "normal":
            # An error estimated from few or skewed rows is too small too often; half the degrees of freedom hold the level
            # from 10 rows on for AUC and for mean errors. Measured in design/verdicts.md.
            spread = dataclasses.replace(spread, df=min(spread.df, max((self.value.n * growth - 1) / 2, 1.0)))
        sides = []
        if self.check.at_least is not None:
            sides.append(spread.p_at_least(self.check.at_least.number - self.value.bound))
        if self.check.at_most is not None:
            sides.append(spread.p_at_most(self.check.at_most.number + self.value.bound))
        p = min(1.0, len(sides) * min(sides))
        return 1.0 if math.isnan(p) else p

    def passes(self, spread: Spread, growth: float = 1.0) -> bool:
        """Whether the whole interval lies within the bound, allowing for what a sketch may have added."""
        if spread.kind == "normal" and self.value.n * growth < FEWEST:
            return False
        return self.within(*spread.interval(LEVEL), self.value.bound)

    def within(self, low: float, high: float, slack: float = 0.0) -> bool:
        above = self.check.at_least is None or low - slack >= self.check.at_least.number
        below = self.check.at_most is None or high + slack <= self.check.at_most.number
        return above and below  # comparisons with NaN are false, so NaN never passes

    @property
    def fails_for_a_fact(self) -> bool:
        """Whether an exact number misses the bound by more than a sketch may have added."""
        spread, slack = self.spread, self.value.bound
        return spread is not None and spread.kind == "exact" and not self.within(spread.estimate, spread.estimate, -slack)

    @property
    def warns(self) -> bool:
        warn, number = self.check.warn, self.number
        if warn is None or number is None:
            return False
        return number < warn if self.check.at_least is not None else number > warn

    @property
    def hopeless(self) -> bool:
        """Whether no outcome on so many rows could have passed or failed the check."""
        spread = self.spread
        if spread is None or spread.kind == "exact":
            return False
        if spread.kind == "normal":
            return self.value.n < FEWEST
        ends = [dataclasses.replace(spread, estimate=end) for end in (0.0, 1.0)]
        return all(self.p_of(end) >= ALPHA for end in ends) and not self.passable(spread)

    def passable(self, spread: Spread) -> bool:
        if self.check.at_least is None or self.check.at_most is None:
            return self.passes(dataclasses.replace(spread, estimate=0.0 if self.check.at_least is None else 1.0))
        # between: the least share whose interval clears the lower bound leaves the most room below the upper one
        low, high, most = 0, max(1, round(spread.n)), max(1, round(spread.n))
        while low < high:
            middle = (low + high) // 2
            reached = dataclasses.replace(spread, estimate=middle / most).interval(LEVEL)[0] >= self.check.at_least.number
            low, high = (low, middle) if reached else (middle + 1, high)
        return self.passes(dataclasses.replace(spread, estimate=low / most))

    def rows_needed(self, family: int) -> int | None:
        """Return how many more rows would decide it, were the estimate the truth; None beyond what is realistic."""
        spread = self.spread
        if spread is None or spread.kind == "exact" or self.value.n <= 0:
            return None

        def decided(more: int) -> bool:
            growth = 1 + more / self.value.n
            grown = dataclasses.replace(spread, n=spread.n * growth, error=spread.error / math.sqrt(growth))
            enough = spread.kind == "binomial" or self.value.n * growth >= FEWEST
            return enough and (self.passes(grown, growth) or self.p_of(grown, growth) * max(family, 1) < ALPHA)

        few, many = 0, math.ceil((MOST_GROWTH - 1) * self.value.n)
        if not decided(many):
            return None
        while many - few > 1:
            middle = (few + many) // 2
            few, many = (few, middle) if decided(middle) else (middle, many)
        return many

    @property
    def threshold(self) -> float:
        """The bound's number; of two, the one that the value is nearer to missing."""
        low, high, number = self.check.at_least, self.check.at_most, self.number
        if low is None or high is None:
            return self.check.bound.number
        return low.number if number is None or number - low.number <= high.number - number else high.number


def _verdict(case: Case, adjusted: float | None, family: int) -> Verdict:
    check, value = case.check, case.value
    outcome, rows = _outcome(case, adjusted), None
    if outcome == "inconclusive":
        rows = case.rows_needed(family)
    seen: sentence.Reason | None = None
    if outcome in ("inconclusive", "too small") and adjusted is not None and case.p < ALPHA <= adjusted:
        seen = "many slices"
    elif outcome == "inconclusive" and case.spread is not None and case.spread.kind == "exact":
        seen = "sketch"
    elif outcome == "inconclusive" and case.number is not None and case.spread is None:
        seen = "no interval"
    judged = value
    if value.level != LEVEL and case.spread is not None:  # what is shown is what was judged
        low, high = case.spread.interval(LEVEL)
        judged = value.replace(low=low, high=high)
    words = sentence.sentence(check, judged, outcome, rows=rows, reason=seen, family=family, private=case.private)
    return Verdict(str(check), outcome, words, slice=dict(value.slice), value=None if case.private else value,
                   threshold=case.threshold, p=adjusted, rows_needed=rows, model=value.model)


def _outcome(case: Case, adjusted: float | None) -> Outcome:
    # what a check asks of all its rows is never too small to count: that would let a check that nothing could decide go by
    spread, whole = case.spread, case.check.by is None or not case.value.slice
    undecided: Outcome = "inconclusive" if whole else "too small"
    if case.private or case.number is None:
        return undecided
    if spread is None:
        return "inconclusive"
    if case.fails_for_a_fact or (adjusted is not None and adjusted < ALPHA):
        return "fail"
    if case.passes(spread):
        return "warn" if case.warns else "pass"
    return undecided if case.hopeless else "inconclusive"
