"""What a remedy changed, as sentences, values, verdicts and a figure: fairness, accuracy, everyone else, the probe run again.

``Told`` holds a comparison and says it. ``repair`` uses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from assay.probe.discrimination import Share
from assay.result import Figure, Scalar, Spread, Value, Verdict
from assay.verbs.probe.finding import both
from assay.verbs.repair.application import Applied, Asked
from assay.verbs.repair.comparison import FEWEST, GAPS, Comparison, Gap, Probed

__all__ = ["Told"]

_JUDGED = {"odds": ("true_positive_rate", "false_positive_rate"), "true_positive_rate": ("true_positive_rate",),
           "selection_rate": ("selection_rate",)}
_SHOWN = 5


@dataclass(frozen=True, eq=False)
class Told:
    """A comparison in words and numbers; ``taken`` are the protected columns that the model took before, ``part`` accuracy of a slice."""

    comparison: Comparison
    probed: Probed | None
    asked: Asked
    applied: Applied
    taken: tuple[str, ...]
    part: Gap | None = None

    @cached_property
    def judged(self) -> tuple[str, ...]:
        """The rates that the remedy is for."""
        if self.asked.remedy in ("reweigh", "disparate_impact"):
            return ("selection_rate",)
        return _JUDGED[self.asked.equal] if self.asked.remedy in ("thresholds", "penalty") else ()

    @property
    def sentences(self) -> list[str]:
        made = self.comparison
        rows = f"on {len(self.applied.held.labels):,} rows held out"
        parts = [_apart(made.gaps[name]) for name in self.judged]
        small = self.small
        if self.asked.remedy == "retrain" and self.probed is not None and self.probed.rows is not None:
            before, after = self.probed.rows
            parts.append(f"{_percent(before.share)} of the rows were answered otherwise with {self.another}, and now "
                         f"{_spread(after)}")
        if self.part is not None:
            parts.append(f"where {self.asked.part}, {_accuracy(self.part)}")
        parts.append(_accuracy(made.accuracy) if self.part is None else f"of all, {_accuracy(made.accuracy)}")
        out = [f"{self.asked.remedy}: {rows} {'; '.join(parts)}", f"what was done: {self.applied.what}"]
        if made.constant:
            out.insert(0, f"the remedy moved the model to a constant: {_percent(made.most[1])} of the rows get one answer, "
                          f"before it were {_percent(made.most[0])}")
        out += [self._group(name) for name in list(made.groups)[:_SHOWN]]
        out += [small] if small else []
        out.append(f"{_percent(made.moved)} of the rows are decided otherwise than before")
        out += self._harmed()
        return [*out, *self._again()]

    @cached_property
    def small(self) -> str:
        """For which groups nothing is concluded, empty where for none."""
        few = [f"{self._named(name)} ({n:,} row{'s' if n > 1 else ''})" for name, n in self.comparison.sizes.items() if 0 < n < FEWEST]
        return f"inconclusive for {both(few)}: fewer than {FEWEST} rows held out are too few to tell" if few else ""

    @property
    def another(self) -> str:
        """What differs within a pair of the probe, in words."""
        return f"another {self.taken[0]}" if len(self.taken) == 1 else "other protected values"

    def _named(self, group: str) -> str:
        """Return a group with the column that it is of, where it is one."""
        by = self.applied.held.protected
        return f"{by[0]} = {group}" if by else group

    def _group(self, name: str) -> str:
        rates, n = self.comparison.groups[name], self.comparison.sizes[name]
        told = [f"{GAPS[each]} {rates[each].before[0]:.3f} to {_interval(rates[each].after)}" for each in (*self.judged, "accuracy")
                if np.isfinite(rates[each].after[0])]
        return f"{self._named(name)} ({n:,} rows): {', '.join(told)}"

    def _harmed(self) -> list[str]:
        harms = self.comparison.harms
        if not harms:
            return ["no group and no slice of a column lost accuracy by more than chance and more than a point"]
        told = [f"{'the group' if each.column == 'group' else each.column + ' ='} {each.value}: accuracy {each.before:.3f} to "
                f"{each.after:.3f} on {each.rows:,} rows" for each in harms[:_SHOWN]]
        more = f", and {len(harms) - _SHOWN} more" if len(harms) > _SHOWN else ""
        return [f"worse than before, by more than chance: {'; '.join(told)}{more}"]

    def _again(self) -> list[str]:
        made = self.probed
        if made is None:
            return ["the model does not take the protected columns, so that the probe finds nothing before and after"]
        first, same, fresh = made.finds
        finds = "find" if first == 1 else "finds"
        again = (f"the probe again, of {made.tests:,} tests each: {first:,} {finds} before, {same:,} after with the same seed, {fresh:,} "
                 f"with a fresh one; of all inputs {_percent(made.space[0].share)} before, {_spread(made.space[1])} after")
        out = [again]
        if made.rows is not None and self.asked.remedy != "retrain":
            before, after = made.rows
            out.append(f"rows answered otherwise with {self.another}: {_percent(before.share)} before, {_spread(after)} after")
        if self.asked.remedy == "thresholds":
            new = "as it did before" if self.taken else "which it did not before"
            out.append(f"the repaired model reads the group, {new}: two people who differ in nothing else may be decided differently")
        return out

    @property
    def verdicts(self) -> list[Verdict]:
        made = self.comparison
        out = [self._closer(made.gaps[name]) for name in self.judged]
        if self.asked.remedy == "retrain" and self.probed is not None:
            out.append(self._fewer(self.probed))
        elif self.probed is not None:
            out.append(self._no_more(self.probed))
        if self.asked.remedy == "upweight":
            out.append(self._better())
        if self.small:
            out.append(Verdict("groups have rows enough to tell", "too small", self.small, aspect="fairness"))
        out.append(self._cost())
        groups = [each for each in made.harms if each.column == "group"]
        rest = [each for each in made.harms if each.column != "group"]
        outcome: Literal["fail", "warn", "pass"] = "fail" if groups else "warn" if rest else "pass"
        out.append(Verdict("no group becomes worse by more than chance", outcome, self._harmed()[0], aspect="fairness",
                           hint="see who they are before the model is used" if made.harms else None))
        sentence = (f"{_percent(made.most[1])} of the rows get the more frequent answer, before it were {_percent(made.most[0])}")
        out.append(Verdict("the model is no constant", "fail" if made.constant else "pass", sentence, aspect="fairness",
                           hint="a constant treats all alike and tells nothing: this is no repair" if made.constant else None))
        return out

    def _closer(self, gap: Gap) -> Verdict:
        low, high = gap.change[1:]
        outcome: Any = "pass" if high < 0 or gap.after[2] <= self.asked.at_most else "fail" if low > 0 else "inconclusive"
        return Verdict(f"{GAPS[gap.rate]}s come closer", outcome, _apart(gap), value=self._value(gap, "after"), aspect="fairness",
                       hint="more rows held out would tell" if outcome == "inconclusive" else None)

    def _fewer(self, made: Probed) -> Verdict:
        before, after = made.rows if made.rows is not None else made.space
        low = Spread("binomial", before.share, n=before.n).interval()[0]
        high = Spread("binomial", after.share, n=after.n).interval()[1]
        outcome: Any = "pass" if high < low else "fail" if after.share >= before.share and before.found else "inconclusive"
        return Verdict(f"fewer rows are answered otherwise with {self.another}", outcome,
                       f"{_percent(before.share)} before, {_spread(after)} after", aspect="fairness")

    def _no_more(self, made: Probed) -> Verdict:
        """Whether a remedy for rates of groups was paid for by treating people otherwise who differ in the group only."""
        before, after = made.rows if made.rows is not None else made.space
        least = Spread("binomial", after.share, n=after.n).interval()[0]
        most = Spread("binomial", before.share, n=before.n).interval()[1]
        more = least > most
        # thresholds by group do this on purpose, and say so
        outcome: Any = "pass" if not more else "warn" if self.asked.remedy == "thresholds" else "fail"
        return Verdict(f"no more rows are answered otherwise with {self.another}", outcome,
                       f"{_percent(before.share)} before, {_spread(after)} after", aspect="fairness",
                       hint="people who differ in nothing else are treated otherwise: fit the model without the protected columns"
                       if more else None)

    def _better(self) -> Verdict:
        check = "the slice becomes better"
        if self.part is None:
            return Verdict(check, "inconclusive", f"no row held out is where {self.asked.part}", aspect="accuracy")
        low, high = self.part.change[1:]
        outcome: Any = "pass" if low > 0 else "fail" if high < 0 else "inconclusive"
        return Verdict(check, outcome, f"where {self.asked.part}, {_accuracy(self.part)}", aspect="accuracy",
                       hint="look for what its rows need: more of them, other columns, other labels" if outcome != "pass" else None)

    def _cost(self) -> Verdict:
        low, high = self.comparison.accuracy.change[1:]
        outcome: Any = "pass" if low >= -self.asked.cost else "fail" if high < -self.asked.cost else "inconclusive"
        allowed = "a point" if self.asked.cost == 0.01 else f"{100 * self.asked.cost:g} points"
        return Verdict(f"accuracy falls by at most {allowed}", outcome, _accuracy(self.comparison.accuracy),
                       value=self._value(self.comparison.accuracy, "change"), threshold=-self.asked.cost, aspect="accuracy",
                       hint="more rows held out would tell" if outcome == "inconclusive" else None)

    @property
    def values(self) -> list[Value]:
        made, out = self.comparison, []
        for side in ("before", "after"):
            out.append(self._value(made.accuracy, side))
            out += [self._value(gap, side, name=f"{gap.rate} difference") for gap in made.gaps.values() if np.isfinite(gap.before[0])]
            for name, rates in made.groups.items():
                out += [self._value(gap, side, of=name) for gap in rates.values() if np.isfinite(getattr(gap, side)[0])]
        if self.probed is not None:
            for place, side in enumerate(("before", "after")):
                for kind, pair in (("rows", self.probed.rows), ("space", self.probed.space)):
                    if pair is not None:
                        out.append(Value.of("discriminatory share", Spread("binomial", pair[place].share, n=pair[place].n), n=pair[place].n,
                                            better="lower", options={"of": kind, "side": side}))
        return out

    def _value(self, gap: Gap, side: str, *, name: str | None = None, of: str | None = None) -> Value:
        method = "bootstrap" if of is None else "binomial"
        value, low, high = getattr(gap, side)
        n = self.comparison.sizes[of] if of is not None else len(self.applied.held.labels)
        columns = {"group": of} if of is not None else {}
        better: Any = "lower" if name is not None else "higher" if gap.rate in ("accuracy", "true_positive_rate") else None
        return Value(name or gap.rate, value, low, high, n, slice=columns, better=better, method=method, options={"side": side})

    @property
    def figures(self) -> list[Figure]:
        """The rates that were judged, by group, before and after."""
        made, out = self.comparison, []
        for rate in (*self.judged, "accuracy"):
            lines = [(f"{self._named(name)}, {side}", *getattr(rates[rate], side), made.sizes[name]) for name, rates in made.groups.items()
                     for side in ("before", "after") if np.isfinite(getattr(rates[rate], side)).all()]
            if lines:
                label, value, low, high, rows = (tuple(each) for each in zip(*lines, strict=True))
                out.append(Figure(rate, "interval", f"{GAPS[rate].capitalize()} by group, before and after: {self.asked.remedy}",
                                  {"group": label, "value": value, "low": low, "high": high, "rows": rows}, x="group", y=("value",),
                                  low=("low",), high=("high",), aspect="fairness"))
        return out

    @property
    def notes(self) -> list[str]:
        how = ("intervals are 95 %: of differences by a bootstrap of the rows held out, of a group's rate Jeffreys'; a difference is that "
               "between the highest and the lowest group")
        out = [how]
        cuts = self.applied.table
        out += [f"threshold of {group}: {cut}" for group, cut in zip(cuts.get("group", ()), cuts.get("threshold", ()), strict=True)]
        return out

    @property
    def about(self) -> dict[str, Scalar]:
        return {"remedy": self.asked.remedy, "rows": len(self.applied.held.labels), "groups": len(self.applied.held.names),
                "seed": self.asked.seed}


def _apart(gap: Gap) -> str:
    if not np.isfinite(gap.after[0]):
        return f"fewer than two groups have {FEWEST} rows held out and a {GAPS[gap.rate]}: whether they came closer is inconclusive"
    return f"{GAPS[gap.rate]}s of the groups were {_interval(gap.before)} apart and are {_interval(gap.after)}"


def _accuracy(gap: Gap) -> str:
    change, low, high = (100 * each for each in gap.change)
    return (f"accuracy goes from {_percent(gap.before[0])} to {_percent(gap.after[0])} ({_signed(change)} points [{_signed(low)}, "
            f"{_signed(high)}])")


def _signed(value: float) -> str:
    return f"{0.0 if abs(value) < 0.005 else value:+.2f}"


def _interval(given: Sequence[float]) -> str:
    return f"{given[0]:.3f} [{given[1]:.3f}, {given[2]:.3f}]"


def _percent(value: float) -> str:
    return f"{100 * value:.3g} %"


def _spread(share: Share) -> str:
    low, high = Spread("binomial", share.share, n=share.n).interval()
    return f"{_percent(share.share)} [{100 * low:.2g}, {100 * high:.2g}]"
