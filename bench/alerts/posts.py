"""FBPosts: 53 weeks of posts, each clean and dirty (Redyuk et al. 2021); is a dirty week told from a clean one?"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from streams import Day, Part, tables

from assay.monitor import fault, reading
from assay.monitor.baseline import Season
from assay.monitor.budget import Budget
from assay.monitor.evidence import Tuning, step
from assay.monitor.watch import Watch, advanced

__all__ = ["auc", "posts", "recall_at"]


def posts(shared: Path, first: int = 9) -> dict[str, np.ndarray]:
    """Return scores of clean and dirty weeks from ``first`` on, as arrays of (weeks, 2): evidence, evidence or a check, distance to 5."""
    rows = pa.csv.read_csv(shared / "data" / "drift" / "fbposts_profiles" / "fbposts_row_features.csv.gz",
                           convert_options=pa.csv.ConvertOptions(strings_can_be_null=True))
    names = [name for name in rows.column_names if name not in ("kind", "week", "row")]
    weeks: dict[tuple[str, int], Day] = {}
    for kind in ("clean", "dirty"):
        for week in range(1, 54):
            some = rows.filter(pc.and_(pc.equal(rows["kind"], kind), pc.equal(rows["week"], week))).combine_chunks()
            columns = {name: _plain(some[name]) for name in names}
            weeks[kind, week] = Day(dt.date(2013, 1, 1) + dt.timedelta(weeks=week), {"posts": Part(columns)})
    watch = Watch()
    scores: dict[str, list[list[float]]] = {"evidence": [], "evidence or check": [], "kNN": []}
    history: list[np.ndarray] = []
    tuning = Tuning(learning=first - 1)
    for week in range(1, 54):
        clean, dirty = weeks["clean", week], weeks["dirty", week]
        out: dict[str, list[float]] = {name: [] for name in scores}
        for day in (clean, dirty):
            made = tables(day)
            readings, facts = reading.read(watch.reference, made)
            state, outcome = step(watch.state, readings, alpha=Budget(1 / 30).evidence, season=Season(), tuning=tuning)
            score = float(np.log(outcome.e.mean())) if len(outcome.e) else 0.0
            checks = len(fault.faults(watch.record, made, facts))
            out["evidence"].append(score)
            out["evidence or check"].append(score + 5 * bool(checks))
            vector = np.array([dict(zip(readings.streams, readings.x, strict=True)).get(each, 0.0) for each in state.streams])
            past = np.array([np.append(each, np.zeros(len(vector) - len(each))) for each in history]) if history else np.zeros((1, len(vector)))
            low, high = past.min(axis=0), past.max(axis=0)
            scale = np.where(high > low, high - low, 1.0)
            distance = np.sqrt((((past - vector) / scale) ** 2).sum(axis=1))
            out["kNN"].append(float(np.sort(distance)[:5].mean()))
            if day is clean:
                kept = vector
        history.append(kept)
        if week >= first:
            for name, each in out.items():
                scores[name].append(each)
        watch, report = advanced(watch, tables(clean), budget=Budget(1 / 30), season=Season(), tuning=tuning)
        for source in report.opened:
            watch = watch.judged(source, False)
    return {name: np.array(each) for name, each in scores.items()}


def _plain(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    return array.cast(pa.int8()) if pa.types.is_boolean(array.type) else array


def auc(scores: np.ndarray) -> float:
    """Return the chance that a dirty week scores higher than a clean one."""
    clean, dirty = scores[:, 0], scores[:, 1]
    return float((np.sign(dirty[:, None] - clean[None]) / 2 + 0.5).mean())


def recall_at(scores: np.ndarray, precision: float) -> float:
    """Return the greatest share of dirty weeks found at a cut with at least that precision."""
    best = 0.0
    for cut in np.unique(scores):
        found, false = int((scores[:, 1] >= cut).sum()), int((scores[:, 0] >= cut).sum())
        if found and found / (found + false) >= precision:
            best = max(best, found / len(scores))
    return best
