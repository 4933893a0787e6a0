"""Days that are no days like others: what a user lists as holidays, and the sources that keep them.

``Calendar.parse(...)`` reads dates; ``resting(window)`` says which sources neither page nor learn in a window. Only the monitor and
verbs import it. Dates are given, not looked up: which day is free is a matter of country, branch and contract, and a file of dates
from whoever plans the business is right where a library is not.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from assay.errors import ConfigError

__all__ = ["Calendar"]


@dataclass(frozen=True)
class Calendar:
    """Dates, and the sources that follow them; without sources all do.

    >>> calendar = Calendar.parse(["2013-11-28", "2013-12-24 to 2013-12-26"], sources=["schedule"])
    >>> calendar.resting(dt.date(2013, 12, 25), ["schedule", "weather"])
    ('schedule',)
    """

    dates: frozenset[dt.date] = frozenset()
    sources: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, dates: Iterable[str | dt.date], *, sources: Iterable[str] = ()) -> Calendar:
        """Return the calendar of dates, and of stretches like ``2013-12-24 to 2013-12-26``; raises ``ConfigError``."""
        found: set[dt.date] = set()
        for each in dates:
            first, _, last = str(each).partition(" to ")
            try:
                start, end = dt.date.fromisoformat(first.strip()), dt.date.fromisoformat((last or first).strip())
            except ValueError:
                raise ConfigError(f"'{str(each)[:40]}' is no date", expected="2013-12-25, or 2013-12-24 to 2013-12-26") from None
            if not 0 <= (end - start).days <= 366:
                raise ConfigError(f"'{str(each)[:40]}' is not between a day and a year", expected="the earlier date first")
            found.update(start + dt.timedelta(days=n) for n in range((end - start).days + 1))
        return cls(frozenset(found), frozenset(sources))

    def resting(self, start: dt.date, sources: Iterable[str], *, end: dt.date | None = None) -> tuple[str, ...]:
        """Return the sources that rest in a window from ``start`` up to ``end`` (not included; a day where it is left out)."""
        last = end if end is not None and end > start else start + dt.timedelta(days=1)
        free = any(start <= date < last for date in self.dates)
        return tuple(name for name in sources if free and (not self.sources or name in self.sources))
