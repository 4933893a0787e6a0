"""Feed outages of 6 to 72 hours put into the real year: each should be one incident."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from streams import Day, Part

__all__ = ["Outage", "outages", "struck"]


@dataclass(frozen=True)
class Outage:
    """The weather of some hours is absent at all airports."""

    first: int  # hours since the year began
    hours: int

    @property
    def days(self) -> range:
        return range(self.first // 24, (self.first + self.hours - 1) // 24 + 1)


def outages(days: Sequence[Day], seed: int, bad: set[str], lengths: Sequence[int] = (6, 12, 18, 24, 48, 72)) -> list[Outage]:
    """Return one outage of each length, in the busy hours of days after the 60th that are away from real faults and from each other."""
    rng = np.random.default_rng(seed)
    found: list[Outage] = []
    while len(found) < len(lengths):
        each = Outage(24 * int(rng.integers(60, len(days) - 8)) + int(rng.integers(6, 15)), lengths[len(found)])
        near = range(each.days[0] - 5, each.days[-1] + 6)
        clear = not any(str(days[at].date) in bad for at in near if 0 <= at < len(days))
        if clear and not any(set(near) & set(other.days) for other in found):
            found.append(each)
    return found


def struck(days: Sequence[Day], found: Sequence[Outage]) -> list[Day]:
    """Return the year with the outages in it."""
    out = list(days)
    for outage in found:
        for at in outage.days:
            day = out[at]
            hour = 24 * at + day.parts["schedule"].columns["hour"].to_numpy()
            gone = (hour >= outage.first) & (hour < outage.first + outage.hours)
            weather = day.parts["weather"]
            lost = pa.array(gone)
            columns = {name: pc.if_else(lost, pa.scalar(None, each.type), each) for name, each in weather.columns.items()}
            out[at] = replace(day, parts={**day.parts, "weather": Part(columns, np.where(gone, -1, np.asarray(weather.key)))})
    return out
