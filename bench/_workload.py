"""What several benchmarks share: the peers' tables, the Polars floor, and the timing of whole processes.

The tables are those of the peers' benchmark (``../shared/bench/peers/workloads.py``), written once into a folder.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

SHARED = Path(os.environ.get("ASSAY_SHARED") or Path(__file__).resolve().parents[2] / "shared")
FOLDER = Path(tempfile.gettempdir()) / "assay-bench"

FLOOR = """
import sys, polars as pl, polars.selectors as cs
n = cs.numeric()
frame = pl.scan_parquet(sys.argv[1]).select(cs.all().null_count().name.suffix("_null"), n.mean().name.suffix("_mean"),
    n.std().name.suffix("_std"), cs.all().min().name.suffix("_min"), cs.all().max().name.suffix("_max")).collect()
print(frame.width)
"""


def workloads() -> ModuleType:
    """Return the peers' module of workloads; ends the process where it is not there."""
    place = SHARED / "bench" / "peers" / "workloads.py"
    if not place.is_file():
        sys.exit(f"the peers' workloads are not here ({place.name}); set ASSAY_SHARED to the folder of shared data")
    spec = importlib.util.spec_from_file_location("workloads", place)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def wide(folder: Path, columns: int, rows: int = 20_000) -> tuple[Path, Path]:
    """Write W2 (2,000 columns) or W2b (10,000): the reference and the current table, one column in ten shifted; return both."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(workloads().SEED + columns)
    found = []
    paths = [folder / f"wide-{columns}-{rows}-{side}.parquet" for side in ("reference", "current")]
    for side, path in enumerate(paths):
        if not all(each.exists() for each in paths):
            x = rng.standard_normal((rows, columns), dtype=np.float32)
            if side:
                x[:, : columns // 10] += 0.5
            table = {f"f{place:05d}": pa.array(x[:, place].astype(np.float64)) for place in range(columns)}
            pq.write_table(pa.table(table), path.with_suffix(".part"), compression="zstd")
            path.with_suffix(".part").replace(path)
        found.append(path)
    return found[0], found[1]


def many(folder: Path, models: int) -> list[tuple[Path, Path]]:
    """Write W4: for each model 5,000 rows of 20 columns now and in its reference; every tenth is shifted. Return (reference, current)."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    found: list[tuple[Path, Path]] = []
    (folder / "many").mkdir(parents=True, exist_ok=True)
    peers = None
    for place in range(models):
        paths = []
        for side in ("reference", "current"):
            path = folder / "many" / f"{place:04d}-{side}.parquet"
            if not path.exists():
                peers = peers or workloads()
                rng = np.random.default_rng([peers.SEED, 4, place, side == "current"])
                frame = peers.base_frame(rng, 5000, n_num=16, n_cat=4)
                if side == "current" and place % 10 == 0:
                    frame["n00"] = frame["n00"] + 5.0
                pq.write_table(pa.table({name: pa.array(column) for name, column in frame.items()}), path, compression="zstd")
            paths.append(path)
        found.append((paths[0], paths[1]))
    return found


def timed(command: list[str], *, codes: tuple[int, ...] = (0, 1, 3)) -> tuple[float, float, float, str]:
    """Return wall seconds, CPU seconds, peak MiB and standard output of a whole process."""
    began = time.perf_counter()
    with tempfile.TemporaryFile() as heard, tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=heard, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        wall, code = time.perf_counter() - began, os.waitstatus_to_exitcode(status)
        process.returncode = code
        heard.seek(0)
        said.seek(0)
        if code not in codes:
            sys.exit(f"{' '.join(command[:6])} ... ended with {code}: {said.read().decode(errors='replace').strip()[-400:]}")
        return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, heard.read().decode(errors="replace")


def compared(commands: Mapping[str, list[str]], runs: int) -> dict[str, tuple[float, float, float]]:
    """Run whole processes in turn, print the medians of wall and CPU seconds and peak MiB, and return them."""
    seen: dict[str, list[tuple[float, float, float]]] = {name: [] for name in commands}
    for each in commands.values():
        timed(each)  # fills the page cache and the bytecode cache for all
    for _ in range(runs):
        for name, command in commands.items():
            seen[name].append(timed(command)[:3])
    medians: dict[str, tuple[float, float, float]] = {}
    print(f"{'':28} {'wall s':>8} {'CPU s':>8} {'peak MiB':>9}")
    for name, rows in seen.items():
        wall, cpu, peak = (statistics.median(column) for column in zip(*rows, strict=True))
        medians[name] = (wall, cpu, peak)
        print(f"{name:28} {wall:8.2f} {cpu:8.2f} {peak:9.0f}", flush=True)
    return medians
