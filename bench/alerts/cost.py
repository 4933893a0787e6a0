"""What a window costs: evidence by stream, a small model from summaries to alerts, 10,000 of them in two processes, one large window."""

from __future__ import annotations

import datetime as dt
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from streams import Day, Part, flights, tables

from assay.monitor.baseline import Season
from assay.monitor.budget import Budget
from assay.monitor.evidence import State, step
from assay.monitor.incident import Window
from assay.monitor.reading import Readings, Stream
from assay.monitor.watch import Watch, advanced
from assay.verbs.config import read
from assay.verbs.monitor.stream import Job, Memory

__all__ = ["costs"]

_MODELS, _DAYS, _LARGE = 10_000, 40, (100_000, 50)


def costs(tell: Callable[[str], None], workers: int = 2, models: int = _MODELS) -> dict[str, float]:
    """Return microseconds a stream-window of evidence, milliseconds a window of models, and seconds of the fleet and of a large window."""
    out = {}
    for streams in (1_000, 20_000, 200_000):
        out[f"evidence, {streams:,} streams"] = each = _evidence(streams)
        tell(f"  evidence, {streams:7,} streams: {each:.2f} microseconds a stream-window (CPU)")
    days = flights()[:_DAYS]
    out["watch of 26 columns"] = each = _watched(days)[0]
    tell(f"  from summaries to alerts, 26 columns of flights: {each * 1e3:.1f} ms a window (CPU)")
    each, watch = _watched([_small(day) for day in days])
    out["20 features"] = each
    tell(f"  a model of 20 features (no names of thousands of values): {each * 1e3:.1f} ms a window (CPU), state of {len(watch):,} bytes")
    with ProcessPoolExecutor(workers) as pool:
        out[f"{models:,} models"] = each = _fleet(watch, pool, workers, models)
    tell(f"  {models:,} such models, one window each, their states read and written, {workers} processes: {each:.0f} s (wall)")
    out["large window"] = each = _large()
    tell(f"  a window of {_LARGE[0]:,} rows x {_LARGE[1]} numbers, rows to alerts, one process: {each:.2f} s (wall; median of the last 5 of 8)")
    return out


def _evidence(streams: int) -> float:
    rng = np.random.default_rng(0)
    names = tuple(Stream(f"model {at // 100}", f"column {at // 5 % 20}", ("mean", "spread", "missing", "shift", "varieties")[at % 5])
                  for at in range(streams))
    state, taken = State(), []
    for day in range(12):
        x = np.abs(0.3 + 0.05 * rng.normal(size=streams))
        start = time.process_time()
        state, _ = step(state, Readings(names, x, np.full(streams, 0.001)), alpha=0.025, season=Season.daily(day % 7))
        taken.append(time.process_time() - start)
    return float(np.median(taken[4:])) / streams * 1e6


def _watched(days: Sequence[Day]) -> tuple[float, bytes]:
    """Return CPU seconds a window, and the state after the last."""
    for day in days:
        tables(day)          # kept: the summaries are no part of what is measured
    watch = Watch()
    start = time.process_time()
    for day in days:
        watch, _ = advanced(watch, tables(day), budget=Budget(), season=day.season)
    return (time.process_time() - start) / len(days), watch.dump()


def _small(day: Day) -> Day:
    names = [("schedule", name) for name in day.parts["schedule"].columns if name != "tailnum"]
    names += [("weather", name) for name in day.parts["weather"].columns]
    columns = {name: day.parts[source].columns[name] for source, name in names}
    columns |= {f"{name} again": day.parts["schedule"].columns[name] for name in ("carrier", "origin", "dest")}
    return replace(day, parts={"model": Part(columns)})


def _models(state: bytes, models: int) -> int:
    day = _small(flights()[_DAYS])
    for _ in range(models):
        advanced(Watch.parse(state), tables(day), budget=Budget(), season=day.season)[0].dump()
    return models


def _fleet(state: bytes, pool: Executor, workers: int, models: int) -> float:
    list(pool.map(_models, [state] * workers, [1] * workers))          # imports, and the day's summaries
    start = time.perf_counter()
    list(pool.map(_models, [state] * workers, [models // workers] * workers))
    return time.perf_counter() - start


def _large() -> float:
    rng = np.random.default_rng(0)
    rows, columns = _LARGE
    base = rng.normal(size=(rows, columns))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "assay.yaml"
        path.write_text("columns: {timestamp: at}\nmonitor: {window: 1d}\n")
        job, memory, taken = Job(read(path)), Memory(), []
        for day in range(8):
            at = dt.datetime(2026, 3, 1 + day, tzinfo=dt.UTC)
            made = {f"x{place}": base[:, place] + 0.01 * rng.normal(size=rows) for place in range(columns)}
            table = job.opened(pa.table({"at": pa.array(np.full(rows, np.datetime64(at.replace(tzinfo=None), "us"))), **made}))
            start = time.perf_counter()
            memory, _ = job.step(memory, Window(at.isoformat(), (at + dt.timedelta(days=1)).isoformat(), day), table)
            taken.append(time.perf_counter() - start)
    return float(np.median(taken[3:]))
