"""Versions of a model that serve side by side (a router's, or a logged column): which of them answers otherwise on comparable rows.

``Rivals.of(job)`` is there where rows carry ``model_version``; ``step`` takes the memory of versions from window to window, ``noted`` tells
where they stand. The statistics are in ``assay.monitor.version``. ``stream`` and ``account`` import it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from assay.model.router import Router
from assay.monitor.incident import Alert, Window
from assay.monitor.version import VERSIONS, Judged, Usual, Versions, compared, step
from assay.verbs.monitor.answer import EVER, FIRST, ROWS, Behind, likened, numbered, ordered
from assay.verbs.version import VERSION

__all__ = ["Rivals", "noted"]

Array = np.ndarray[Any, Any]



class Rivals:
    """What stays the same: the columns that make rows comparable beside their inputs, which are the slices that the file names."""

    def __init__(self, job: Any):
        self._job = job

    @classmethod
    def of(cls, job: Any) -> Rivals | None:
        """Return it where a router chooses versions, or windows are grouped by ``model_version``; None elsewhere."""
        return cls(job) if isinstance(job.model, Router) or VERSION in job.by else None

    def step(self, memory: Versions, window: Window, rows: pa.Table, behind: Behind | None) -> tuple[Versions, list[Alert], Judged | None]:
        """Return the memory after a window, alerts, and what was seen; nothing of a window without versions or answers."""
        job = self._job
        if not rows.num_rows or VERSION not in rows.column_names:
            return memory, [], None
        rows = ordered(job, rows)
        number = numbered(job, rows)
        if number is None:
            return memory, [], None
        if memory.usual is None:
            usual = self._usual(behind(window, EVER, None)) if behind is not None and memory.windows + 1 >= FIRST else None
            if usual is None:
                return replace(memory, windows=memory.windows + 1), [], None
            memory = replace(memory, usual=usual, first=memory.windows)
        assert memory.usual is not None
        version = [None if each is None else str(each) for each in rows[VERSION].to_pylist()]
        seen = compared(memory.usual, rows, number, version, self._segment(rows))
        memory, found = step(memory, seen, alpha=job.rivalled, season=job.season(window),
                             learning=max(2, job.settings.learning - memory.first))
        return memory, self._alerts(memory, found, window), found

    def _usual(self, rows: pa.Table | None) -> Usual | None:
        if rows is None:
            return None
        rows = ordered(self._job, rows)
        if rows.num_rows > ROWS:
            rows = rows.take(pa.array(np.linspace(0, rows.num_rows - 1, ROWS).astype(np.int64)))
        number = numbered(self._job, rows)
        return None if number is None else Usual.of(rows, [each for each in likened(self._job, rows) if each != VERSION], number)

    def _segment(self, rows: pa.Table) -> list[Any] | None:
        """Return the segment of each row: the values of the slices that the file names, and of what windows are grouped by."""
        names = dict.fromkeys([*(each for each in self._job.config.slices if each in rows.column_names), *self._job.by])
        columns = [rows[each].to_pylist() for each in names if each != VERSION and each in rows.column_names]
        return [tuple(map(str, each)) for each in zip(*columns, strict=True)] if columns else None

    def _alerts(self, memory: Versions, found: Judged, window: Window) -> list[Alert]:
        if found.page is None and not found.new:
            return []
        assert memory.usual is not None
        lead = found.version or (found.page.moved[0].stream.column if found.page and found.page.moved else None)
        page = found.new or (found.page is not None and found.page.state == "opened")
        words = f"{_parted(memory.usual, found, lead)} ({window.start[:10]}): {_fault(found, lead)}"
        hint = ("not paged, as the versions' part of the budget is spent" if found.page is not None and found.page.state == "withheld" else
                "compare what feeds this version with what feeds the others, on rows of the same kind")
        return [Alert("drift", VERSIONS, words, page=page, evidence=found.evidence, hint=hint, group="versions",
                      slices=({VERSION: lead},) if lead else ())]


def _parted(usual: Usual, found: Judged, lead: str | None) -> str:
    """Return what sets a version apart, in words."""
    if lead is None:
        return "versions answer comparable rows otherwise than they did"
    seen = found.compared
    name = max((statistic for version, statistic in seen.streams if version == lead), default="difference",
               key=lambda statistic: abs(found.z.get((lead, statistic), 0.0)))
    x, v = seen.streams.get((lead, name), (0.0, 0.0))
    half = 1.96 * v**0.5
    if name == "silence":
        own, other = seen.plain.get((lead, name), (0.0, 0.0))
        told = f"version {lead} gives no answer in {own:.1%} of comparable rows, the others in {other:.1%}"
    elif name == "repeats":
        own, other = seen.plain.get((lead, name), (0.0, 0.0))
        told = f"version {lead} gives unlike rows the very same answer in {own:.1%} of cases, the others in {other:.1%}"
    elif name == "distance":
        told = f"version {lead} answers {x * usual.scale:+.3g} further from what is usual for like rows than the others do"
    else:
        low, high = ((x + sign * half) * usual.scale for sign in (-1, 1))
        told = f"version {lead} answers {x * usual.scale:+.3g} [{low:+.3g}, {high:+.3g}] against the others on comparable rows"
    return f"{told}{' since it came' if found.new else ''}, {seen.share.get(lead, 0.0):.0%} of its {seen.rows.get(lead, 0):,} rows"


def _fault(found: Judged, lead: str | None) -> str:
    others = max((each for name, each in found.own.items() if name != lead), default=0.0)
    if found.new:
        return "it has no history of its own, so whether it is better or broken is for labels to say"
    far = f"it left its own history by {found.own.get(lead or '', 0.0):.1f} standard deviations, the others by {others:.1f} at most"
    return f"{far}: the fault is its own" if found.version else f"{far}: which of them is at fault cannot be decided"


def noted(last: Judged | None, memory: Versions) -> list[str]:
    """Return where versions stand after the last window, in a sentence."""
    if last is None or memory.usual is None:
        return []
    scale, seen = memory.usual.scale, last.compared
    parts = [f"{name} {seen.streams[name, 'difference'][0] * scale:+.2g} ({seen.share.get(name, 0.0):.0%} of {rows:,} rows)"
             for name, rows in seen.rows.items() if (name, "difference") in seen.streams]
    lone = [name for name in seen.rows if (name, "difference") not in seen.streams]
    said = [f"versions against the others on comparable rows of the last window: {', '.join(parts)}"] if parts else []
    return said + ([f"versions without comparable rows in the last window: {', '.join(lone[:8])}"] if lone and len(seen.rows) > 1 else [])
