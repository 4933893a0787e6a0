"""Drift of 200 models' inputs, each 5,000 rows of 20 columns against a reference of its own, in one process.

    python bench/many.py [--runs 5] [--models 200]

Whole processes, all 400 files read, medians. ``drift`` asks ``assay.profile`` for PSI and missing values of every column, one call a
model; ``profile`` asks for everything that it has. Data are those of the peers' benchmark (W4); in that, on the same kind of
machine, alibi-detect took 16 s and NannyML 79 s. The floor is Polars describing the 200 current files in one process.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from _workload import FOLDER, compared, many


def drift(files: list[tuple[Path, Path]], metrics: tuple[str, ...] | None) -> int:
    """Return how many columns of all models have moved."""
    import assay

    moved = 0
    for reference, current in files:
        run = assay.profile(str(current), reference=str(reference), metrics=metrics)
        moved += sum(each.metric == "psi" and (each.value or 0.0) > 0.1 for each in run.values)
    return moved


def floor(files: list[tuple[Path, Path]]) -> int:
    """Return how many numbers Polars gives of the current files."""
    import polars as pl
    import polars.selectors as cs

    n, found = cs.numeric(), 0
    for _, current in files:
        found += pl.scan_parquet(current).select(
            cs.all().null_count().name.suffix("_null"), n.mean().name.suffix("_mean"), n.std().name.suffix("_std"),
            cs.all().min().name.suffix("_min"), cs.all().max().name.suffix("_max")).collect().width
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--models", type=int, default=200)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--work", choices=("floor", "drift", "profile"), help="one of the processes that are timed")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    files = many(options.folder, options.models)
    if options.work:
        began = time.perf_counter()
        print(floor(files) if options.work == "floor" else drift(files, ("missing", "psi") if options.work == "drift" else None))
        print(f"{(time.perf_counter() - began) / len(files) * 1000:.1f} ms a model, imports included", file=sys.stderr)
        return
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # as an installed program runs: compiled once
    command = [sys.executable, __file__, "--folder", str(options.folder), "--models", str(options.models), "--work"]
    print(f"{options.models} models, 5,000 x 20 each against its own 5,000 x 20, medians of {options.runs}")
    medians = compared({name: [*command, name] for name in ("floor", "drift", "profile")}, options.runs)
    for name in ("drift", "profile"):
        wall, cpu, _ = (mine / floor for mine, floor in zip(medians[name], medians["floor"], strict=True))
        print(f"{name}: {medians[name][0]:.1f} s, {wall:.1f} x floor in wall time, {cpu:.1f} x in CPU time (drift must take at most 3 s)")


if __name__ == "__main__":
    main()
