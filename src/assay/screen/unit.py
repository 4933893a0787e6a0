"""The screen for a feature that came in another unit: degrees, metres or seconds where the reference has Fahrenheit, feet or minutes.

``unit_changed``; found by name in ``SCREENS``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.data.schema import family
from assay.result import Spread
from assay.screen.leakage import identifies
from assay.screen.power import numeric
from assay.screen.screen import Reading, screen
from assay.screen.study import Study

__all__ = ["Conversion", "conversion", "unit_changed"]

Array = np.ndarray[Any, Any]

FEW = 200          # values on either side
APART = 0.5        # Kolmogorov's distance from which distributions are far apart
_MID = np.linspace(0.02, 0.98, 49)
_EPOCH = (6.3e8, 2.53e9)   # the years 1990 to 2050 in seconds


@dataclass(frozen=True)
class Conversion:
    """``factor`` times a number and ``offset`` is the same in the other unit; ``name`` says which, None where none is known."""

    factor: float
    offset: float = 0.0
    name: str | None = None

    def __str__(self) -> str:
        text = f"as if multiplied by {self.factor:.4g}"
        if self.offset:
            text += f" and {'less' if self.offset < 0 else 'plus'} {abs(self.offset):.4g}"
        return text + (f", like {self.name}" if self.name else "")


# Factors nearer to one are left out: a third more is what the world does.
_DEGREES = (("degrees Fahrenheit", "degrees Celsius", 5 / 9, -160 / 9), ("degrees Celsius", "kelvins", 1.0, 273.15),
            ("degrees Fahrenheit", "kelvins", 5 / 9, 459.67 * 5 / 9))
_FACTORS = (
    ("miles", "kilometres", 1.609344), ("metres", "feet", 3.28084), ("inches", "centimetres", 2.54), ("kilograms", "pounds", 2.204623),
    ("ounces", "grams", 28.34952), ("gallons", "litres", 3.785412), ("knots", "kilometres an hour", 1.852),
    ("metres a second", "kilometres an hour", 3.6), ("metres a second", "miles an hour", 2.236936), ("metres a second", "knots", 1.943844),
    ("inches of mercury", "hectopascals", 33.86389), ("pounds a square inch", "hectopascals", 68.94757), ("calories", "joules", 4.184),
    ("minutes", "seconds", 60.0), ("hours", "seconds", 3600.0), ("days", "hours", 24.0), ("days", "minutes", 1440.0),
    ("days", "seconds", 86_400.0), ("weeks", "days", 7.0), ("years", "months", 12.0), ("years", "days", 365.25),
    ("radians", "degrees", 57.29578), ("shares", "percent", 100.0), ("units", "tenths", 10.0), ("units", "thousandths", 1e3),
    ("units", "millionths", 1e6), ("units", "billionths", 1e9),
)


def _known() -> tuple[Conversion, ...]:
    found = []
    for one, other, factor, offset in (*_DEGREES, *((*each, 0.0) for each in _FACTORS)):
        found += [Conversion(factor, offset, f"{one} to {other}"), Conversion(1 / factor, -offset / factor, f"{other} to {one}")]
    powers = [Conversion(10.0**power, 0.0, None) for power in range(-12, 13) if power and abs(power) not in (1, 2, 3, 6, 9)]
    return tuple(found + powers)


KNOWN = _known()


@screen(wants=("reference",), of="column", limits=(0.0, 1.0))
def unit_changed(study: Study) -> Iterator[Reading]:
    """Whether the numbers of a feature are those of the reference in another unit: 1 where they are, a fact about these rows.

    They are where both distributions are far apart (Kolmogorov's distance at least 0.5), 49 quantiles of one are about a line of the
    other's, and undoing a known conversion, or one by more than three, brings them together. A season shifts the place and hardly
    the scale, so no conversion explains it. Columns that mix units, conversions of less than a tenth or so, and those on top
    of a larger shift, are not seen, and identifiers are left out; a quantity that doubled may look like one.
    """
    reference = study.reference
    assert reference is not None
    for name in study.features:
        # of another type perhaps: a change of unit makes fractions of whole numbers
        if not numeric(study, name) or name not in reference.schema or family(reference.schema[name].type) not in ("integer", "fraction"):
            continue
        if identifies(study, name):   # another range of ids is not another unit
            continue
        now, before = (each[np.isfinite(each)] for each in (study.numbers(name), study.numbers(name, reference)))
        if min(len(now), len(before)) < FEW:
            yield Reading(None, len(now), name, f"there are fewer than {FEW} numbers to compare")
            continue
        found = conversion(before, now)
        yield Reading(Spread("exact", float(found is not None)), len(now), name, None if found is None else str(found))


def conversion(before: Array, now: Array) -> Conversion | None:
    """Return the conversion that explains how finite numbers changed, None where they did not, or none does.

    >>> celsius = np.random.default_rng(0).normal(15, 8, 1000)
    >>> print(conversion(celsius, celsius * 9 / 5 + 32))
    as if multiplied by 1.8 and plus 32, like degrees Celsius to degrees Fahrenheit
    """
    before, now = np.sort(before), np.sort(now)
    epoch = _epoch(before, now)
    if epoch is not None:
        return epoch
    apart = _distance(before, now)
    if apart < APART:
        return None
    x, y = _quantiles(before), _quantiles(now)
    if min(len(np.unique(x)), len(np.unique(y))) < 8:   # a handful of values lies on a line of anything
        return None
    scale = max(np.abs(x).max(), np.abs(y).max())
    x, y = x / scale, y / scale
    if not (x.std() > 0 and y.std() > 0):
        return None
    straight = float(np.corrcoef(x, y)[0, 1]) ** 2
    slope = float(np.sqrt(straight) * y.std() / x.std())
    with np.errstate(over="ignore", invalid="ignore"):
        for some in (KNOWN, _ratio(x, y)):
            rated = [(_distance(before, (now - each.offset) / each.factor), each) for each in some]
            # Place tells more than scale, which changes from month to month; a place that only an offset explains tells most.
            worth = [left + 0.3 * abs(np.log(slope / each.factor)) - (0.1 if each.offset else 0.0) for left, each in rated]
            if rated and _explains(*rated[int(np.argmin(worth))], slope, straight, apart):
                return rated[int(np.argmin(worth))][1]
    return None


def _explains(left: float, each: Conversion, slope: float, straight: float, apart: float) -> bool:
    """Whether a conversion explains quantiles on a line of this slope; ``left`` is the distance that remains once it is undone.

    A scale and a place that both fit are hardly met by chance, nor is a factor of more than three; a factor between, such as that of
    miles to kilometres, is what a growing business looks like too, so it must fit well.
    """
    off = abs(np.log(slope / each.factor))
    if each.offset:
        return bool(off <= 0.5 and straight >= 0.93 and left <= min(0.6, 0.75 * apart))
    if 1 / 3 <= each.factor <= 3:
        return bool(off <= 0.1 and straight >= 0.98 and left <= 0.2)
    if each in KNOWN:
        return bool(off <= 0.5 and straight >= 0.93 and left <= 0.5)
    return bool(off <= 0.2 and straight >= 0.99 and left <= 0.2)


def _ratio(x: Array, y: Array) -> tuple[Conversion, ...]:
    """Return the factor that brings both together best where it is unknown to us, but too large for a change of the world."""
    factor = float(x @ y / (x @ x))
    return (Conversion(factor),) if factor > 0 and not 1 / 3 <= factor <= 3 else ()


def _epoch(before: Array, now: Array) -> Conversion | None:
    """Return the conversion of seconds since 1970 to milliseconds and the like: such times move on, so only their size tells."""
    units = (("seconds", 1.0), ("milliseconds", 1e3), ("microseconds", 1e6), ("nanoseconds", 1e9))
    found = []
    for values in (before, now):
        low, high = values[len(values) // 50], values[-1 - len(values) // 50]
        found.append(next((unit for unit in units if _EPOCH[0] * unit[1] <= low and high <= _EPOCH[1] * unit[1]), None))
    if found[0] is None or found[1] is None or found[0] == found[1]:
        return None
    return Conversion(found[1][1] / found[0][1], 0.0, f"{found[0][0]} since 1970 to {found[1][0]}")


def _quantiles(ordered: Array) -> Array:
    return np.asarray(ordered[(_MID * (len(ordered) - 1)).round().astype(np.int64)], np.float64)


def _distance(before: Array, now: Array) -> float:
    """Return Kolmogorov's distance of two sorted samples, at most 1,000 values of each."""
    before, now = (each[np.linspace(0, len(each) - 1, min(len(each), 1000)).astype(np.int64)] for each in (before, now))
    both = np.concatenate([before, now])
    below = [np.searchsorted(each, both, side="right") / len(each) for each in (before, now)]
    return float(np.max(np.abs(below[0] - below[1])))
