"""What was estimated of windows without labels, what their labels showed, and the evidence of both: pure functions of plain state.

``issued`` gives estimates their intervals, ``fallen`` gathers evidence that they lie under a guardrail, ``matured`` scores them by labels
and gathers evidence that what labels follow has changed. ``Guesses`` is all that is remembered. ``assay.verbs.monitor`` imports it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scipy import special

from assay.estimate.performance import LIMITS
from assay.monitor import harm
from assay.monitor.harm import Harm, Promise, Standing
from assay.monitor.recalibration import Calibration
from assay.result import Value

__all__ = ["Guard", "Guess", "Guesses", "Past", "Scored", "fallen", "issued", "matured", "needed", "scored"]

KEPT = 400            # windows that are remembered, unless labels take longer
TOLERANCE = 0.01      # of an estimate, by which labels may differ for ever
ERRORS = 2.0          # of the reference's own standard error, which all windows share
_SETTLED = 1.96
_FEWEST = 20          # labels that are asked for at least
_MEAN = math.sqrt(2 / math.pi)   # of the absolute value of a normal deviation


@dataclass(frozen=True)
class Guess:
    """A metric of one window as estimated, with the interval that was given; ``noise`` and ``error`` are those of the estimate.

    ``realised`` is what ``labels`` of its rows showed, None until they come.
    """

    value: float
    noise: float
    error: float
    low: float = math.nan
    high: float = math.nan
    realised: float | None = None
    labels: int = 0

    @property
    def total(self) -> float:
        """The standard error of what labels will show."""
        return math.hypot(self.noise, self.error)

    @property
    def inside(self) -> bool | None:
        """Whether the labels fell into the interval; None before they came."""
        return None if self.realised is None else self.low <= self.realised <= self.high

    def to_json(self) -> list[float | int | None]:
        return [self.value, self.noise, self.error, self.low, self.high, self.realised, self.labels]

    @classmethod
    def from_json(cls, data: Sequence[Any]) -> Guess:
        value, noise, error, low, high, realised, labels = data
        return cls(float(value), float(noise), float(error), float(low), float(high), None if realised is None else float(realised),
                   int(labels))


@dataclass(frozen=True)
class Past:
    """What was said of a window: its guesses by metric, or why none were made (``refusal``)."""

    number: int
    start: str
    rows: int
    guesses: Mapping[str, Guess] = field(default_factory=dict)
    refusal: str | None = None

    def to_json(self) -> list[Any]:
        return [self.number, self.start, self.rows, {name: each.to_json() for name, each in self.guesses.items()}, self.refusal]

    @classmethod
    def from_json(cls, data: Sequence[Any]) -> Past:
        number, start, rows, guesses, refusal = data
        return cls(int(number), str(start), int(rows), {str(name): Guess.from_json(each) for name, each in guesses.items()},
                   None if refusal is None else str(refusal))


@dataclass(frozen=True)
class Guard:
    """A bound that an estimate must keep, and how it is called: a promise, or what the reference showed less what may be lost."""

    metric: str
    bound: float
    better: str
    words: str

    def gap(self, value: float) -> float:
        """Return by how much a value is better than the bound."""
        return value - self.bound if self.better == "higher" else self.bound - value


@dataclass(frozen=True)
class Guesses:
    """All that is remembered of estimates: the windows, a calibration for each metric, and the evidence of both alarms.

    ``low`` and ``off`` are the logarithms of the e-detectors of "estimates keep their bounds" and "labels are as estimated"; ``lows`` and
    ``offs`` what of each has paged and still stands; ``pages`` counts both.
    """

    past: tuple[Past, ...] = ()
    known: Mapping[str, Calibration] = field(default_factory=dict)
    low: Mapping[str, float] = field(default_factory=dict)
    lows: Standing = field(default_factory=dict)
    off: Mapping[str, float] = field(default_factory=dict)
    offs: Standing = field(default_factory=dict)
    pages: int = 0

    def calibration(self, metric: str) -> Calibration:
        return self.known.get(metric, Calibration())

    def with_past(self, past: Past, *, most: int = KEPT) -> Guesses:
        """Return the guesses with one more window."""
        return dataclasses.replace(self, past=(*self.past, past)[-most:])

    def to_json(self) -> dict[str, Any]:
        plain = {name: {key: [list(one) for one in some] for key, some in each.items()}
                 for name, each in (("lows", self.lows), ("offs", self.offs))}
        return {"past": [each.to_json() for each in self.past], "known": {name: each.to_json() for name, each in self.known.items()},
                "low": dict(self.low), "off": dict(self.off), "pages": self.pages, **plain}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Guesses:
        def standing(name: str) -> Standing:
            return {str(key): [[float(gap), float(n)] for gap, n in some] for key, some in data[name].items()}

        def evidence(name: str) -> Mapping[str, float]:
            return {str(key): float(each) for key, each in data[name].items()}

        return cls(tuple(map(Past.from_json, data["past"])),
                   {str(name): Calibration.from_json(each) for name, each in data["known"].items()},
                   evidence("low"), standing("lows"), evidence("off"), standing("offs"), int(data["pages"]))


def issued(state: Guesses, guesses: Mapping[str, Guess]) -> dict[str, Guess]:
    """Return the guesses with the intervals that what became of earlier ones allows.

    >>> found = issued(Guesses(), {"auc": Guess(0.9, 0.03, 0.04)})["auc"]
    >>> round(found.low, 3), round(found.high, 3)
    (0.802, 0.998)
    """
    found = {}
    for name, each in guesses.items():
        least, most = LIMITS.get(name, (0.0, math.inf))
        half = state.calibration(name).half * each.total
        found[name] = dataclasses.replace(each, low=_short(max(each.value - half, least)), high=_short(min(each.value + half, most)))
    return found


def fallen(state: Guesses, past: Past, guards: Iterable[Guard], cost: float) -> tuple[Guesses, Harm, list[Promise]]:
    """Return the state after the estimates of a window, what the evidence that they lie under their bounds amounts to, and its parts.

    The p-value of "the bound is kept" is that of a normal deviation of the estimate, its standard error widened by what labels showed of
    earlier ones. A window of which nothing could be said changes nothing.
    """
    parts = []
    for guard in guards:
        guess = past.guesses.get(guard.metric)
        if guess is None or past.refusal is not None or not guess.total > 0:
            continue
        gap = guard.gap(guess.value)
        p = float(special.ndtr(gap / (guess.total * state.calibration(guard.metric).spread)))
        side = "below" if guard.better == "higher" else "above"
        words = f"estimated {guard.metric} {_interval(guess)} is {side} {guard.words}" if gap < 0 else \
            f"estimated {guard.metric} {_interval(guess)} keeps {guard.words}"
        value = Value(guard.metric, guess.value, guess.low, guess.high, past.rows)
        parts.append(Promise(f"{guard.metric}\0{guard.words}", p, words, value, gap))
    low, found = harm.step(state.low, parts, cost)
    fresh = [each.key for each in found.broken if each.key not in state.lows]
    page = found.page and bool(fresh or not state.lows)
    lows = harm.standing(state.lows, parts, fresh if found.page else ())
    after = dataclasses.replace(state, low=low, lows=lows, pages=state.pages + page)
    return after, dataclasses.replace(found, page=page), parts


def matured(state: Guesses, number: int, shown: Mapping[str, Guess], betters: Mapping[str, str], cost: float) \
        -> tuple[Guesses, Harm, list[Promise]]:
    """Return the state after the labels of a window came, and the evidence that what labels follow has changed.

    ``shown`` are the guesses of the rows that have labels, with what those showed (``realised``). The rectifier, realised less estimated,
    is asked whether it is worse than used to be, beyond twice the reference's own error and a hundredth of the estimate, which do not
    count as a change. Its p-value becomes a bet (``harm.e_value``), and bets add up from window to window.
    """
    at = next((place for place, each in enumerate(state.past) if each.number == number), None)
    if at is None:
        return state, Harm(0.0, cost, False), []
    past, known = state.past[at], dict(state.known)
    guesses, parts = dict(past.guesses), []
    for name, each in shown.items():
        if each.realised is None or not each.total > 0 or name not in guesses:
            continue
        calibration = state.calibration(name)
        off = each.realised - each.value
        worse = -off if betters.get(name) == "higher" else off
        beyond = worse - ERRORS * each.error - TOLERANCE * abs(each.value)
        if past.refusal is None:
            p = calibration.surprise(beyond / each.total)
            missed = abs(off) > calibration.half * each.total if each.labels < past.rows else \
                not guesses[name].low <= each.realised <= guesses[name].high
            known[name] = calibration.taken(off / each.total, missed=missed)
            if p is not None:
                words = f"labels show {name} {_number(each.realised)} where {_interval(guesses[name])} was estimated"
                parts.append(Promise(name, p, words, Value(name, each.realised, each.realised, each.realised, each.labels), -beyond))
        guesses[name] = dataclasses.replace(guesses[name], realised=_short(each.realised), labels=each.labels)
    off_, found = harm.step(state.off, parts, cost)
    fresh = [each.key for each in found.broken if each.key not in state.offs]
    page = found.page and bool(fresh or not state.offs)
    offs = harm.standing(state.offs, parts, fresh if found.page else ())
    past_ = (*state.past[:at], dataclasses.replace(past, guesses=guesses), *state.past[at + 1:])
    after = dataclasses.replace(state, past=past_, known=known, off=off_, offs=offs, pages=state.pages + page)
    return after, dataclasses.replace(found, page=page), parts


def needed(guess: Guess, rows: int, gap: float) -> int:
    """Return how many random labels tell whether a window's metric is on one side of a bound that is ``gap`` away: about, and at most all.

    The interval of L labels reaches 1.96 s / sqrt(L) to either side, where s is the noise of one row's label.

    >>> needed(Guess(0.7, 0.01, 0.01), 2000, gap=0.1)
    80
    """
    if not gap > 0:
        return rows
    count = guess.noise**2 * rows * (_SETTLED / gap) ** 2
    return min(rows, max(_FEWEST, math.ceil(min(count, rows) / 10) * 10))


@dataclass(frozen=True)
class Scored:
    """How estimates of one metric did: windows with labels, mean absolute error, what label noise alone makes of it, and shares inside.

    ``inside`` is the share within the intervals that were given, ``plain`` within those without recalibration; ``worst`` the windows that
    missed by most.
    """

    windows: int
    error: float
    floor: float
    inside: float
    plain: float
    worst: tuple[Past, ...] = ()


def scored(past: Iterable[Past], metric: str) -> Scored | None:
    """Return how the estimates of a metric did in the windows that have labels and were not refused; None where there are none."""
    found = [(each, guess) for each in past if each.refusal is None and (guess := each.guesses.get(metric)) and guess.realised is not None]
    if not found:
        return None
    offs = [abs((guess.realised or 0.0) - guess.value) for _, guess in found]
    missed = [(off / guess.total, each) for off, (each, guess) in zip(offs, found, strict=True) if not guess.inside]
    many = len(found)
    return Scored(many, sum(offs) / many, _MEAN * sum(guess.noise for _, guess in found) / many,
                  sum(bool(guess.inside) for _, guess in found) / many,
                  sum(off <= _SETTLED * guess.total for off, (_, guess) in zip(offs, found, strict=True)) / many,
                  tuple(each for _, each in sorted(missed, key=lambda pair: -pair[0])[:3]))


def _interval(guess: Guess) -> str:
    return f"{_number(guess.value)} [{_number(guess.low)}, {_number(guess.high)}]"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _short(value: float) -> float:
    return float(f"{value:.6g}")
