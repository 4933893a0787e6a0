"""Replays of a stream through the watch, with a person who answers, or none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streams import Day, tables

from assay.monitor.budget import Budget
from assay.monitor.evidence import Tuning
from assay.monitor.watch import Report, Watch, advanced

__all__ = ["Event", "Run", "replay"]


@dataclass(frozen=True)
class Event:
    """A page: of which window, source and layer."""

    at: int
    day: Day
    source: str
    layer: str
    words: str


@dataclass
class Run:
    """What a replay gave: pages, the watch before each window, the reports."""

    events: list[Event]
    before: list[Watch]
    reports: list[Report]
    last: Watch
    days: Sequence[Day]


def replay(days: Sequence[Day], *, budget: float = 1 / 30, learning: int = 56, true: Callable[[Day, str], bool] | None = None,
           answers: bool = True, holidays: frozenset[str] = frozenset(), resting: tuple[str, ...] = (), keep: bool = False,
           tuning: Tuning | None = None) -> Run:
    """Return the pages of a stream; rules page from window 28 on, evidence from ``learning`` on; catastrophes from the second."""
    watch, events, before, reports = Watch(), [], [], []
    tuning = tuning or Tuning(learning=learning)
    for at, day in enumerate(days):
        if keep:
            before.append(watch)
        rest = resting if str(day.date) in holidays else ()
        watch, report = advanced(watch, tables(day), budget=Budget(budget), season=day.season, resting=rest, tuning=tuning)
        if keep:
            reports.append(report)
        for source in report.opened:
            alerts = [each for each in report.alerts if each.source == source and each.page]
            layer = watch.charged.get(source, "")
            words = "; ".join(f"{', '.join(each.columns[:4])}{' ...' if len(each.columns) > 4 else ''} {each.what}" for each in alerts)
            events.append(Event(at, day, source, layer, words))
            if answers:
                watch = watch.judged(source, bool(true and true(day, source)))
    return Run(events, before, reports, watch, days)
