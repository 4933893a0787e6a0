"""Drift and quality of every column, 1,000,000 x 50 against a 200,000-row reference, beside what Polars needs to read and describe.

    python bench/drift.py [--runs 5] [--rows 1000000]

Whole processes, files read included, both in one run, alternating; medians. The floor is Polars reading the *current* file and
computing null count, mean, std, min, max. assay reads both files and reports PSI, Jensen-Shannon, KS and Wasserstein distances,
missing and out-of-range shares, new categories and constant columns, as checks, through the command that a user types.
The tables are those of the peers' benchmark (``../shared/bench/peers/workloads.py``): skewed, heavy-tailed, counted and
categorical columns, five of which are shifted.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SHARED = Path(os.environ.get("ASSAY_SHARED") or Path(__file__).resolve().parents[2] / "shared")
CHECKS = ("psi of * <= 0.1", "jensen_shannon of * <= 0.2", "ks of * <= 0.2", "wasserstein of * <= 0.3", "missing of * <= 0.05",
          "out_of_range of * <= 0.01", "new_categories of * <= 0", "constant of * <= 0")
FLOOR = """
import sys, polars as pl, polars.selectors as cs
n = cs.numeric()
frame = pl.scan_parquet(sys.argv[1]).select(cs.all().null_count().name.suffix("_null"), n.mean().name.suffix("_mean"),
    n.std().name.suffix("_std"), cs.all().min().name.suffix("_min"), cs.all().max().name.suffix("_max")).collect()
print(frame.width)
"""


def tables(folder: Path, rows: int) -> tuple[Path, Path]:
    """Write the current and the reference table once, and return where they are."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    place = SHARED / "bench" / "peers" / "workloads.py"
    if not place.is_file():
        sys.exit(f"the peers' workloads are not here ({place.name}); set ASSAY_SHARED to the folder of shared data")
    spec = importlib.util.spec_from_file_location("workloads", place)
    assert spec is not None
    assert spec.loader is not None
    workloads = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(workloads)
    found = []
    for name, seed, n, shifted in (("current", 1, rows, True), ("reference", 0, rows // 5, False)):
        path = folder / f"{name}-{rows}.parquet"
        if not path.exists():
            frame = workloads.base_frame(np.random.default_rng(workloads.SEED + seed), n, shifted=shifted)
            pq.write_table(pa.table({key: pa.array(value) for key, value in frame.items()}), path, compression="zstd")
        found.append(path)
    return found[0], found[1]


def timed(command: list[str]) -> tuple[float, float, float, int]:
    """Return wall seconds, CPU seconds, peak MiB and exit code of a whole process."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(process.pid, 0)
    wall, code = time.perf_counter() - began, os.waitstatus_to_exitcode(status)
    process.returncode = code
    if code not in (0, 1, 3):
        sys.exit(f"{' '.join(command[:6])} ... ended with {code}: {said.strip()[-400:]}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, code


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "assay-bench")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    current, reference = tables(options.folder, options.rows)
    asked = [word for each in CHECKS for word in ("--check", each)]
    commands = {
        "polars floor": [sys.executable, "-c", FLOOR, str(current)],
        "assay check": [sys.executable, "-m", "assay", "check", "--data", str(current), "--reference", str(reference), *asked, "--quiet"],
    }
    seen: dict[str, list[tuple[float, float, float, int]]] = {name: [] for name in commands}
    for each in commands.values():
        timed(each)  # fills the page cache and the bytecode cache for both
    for _ in range(options.runs):
        for name, command in commands.items():
            seen[name].append(timed(command))
    print(f"{options.rows:,} x 50 against {options.rows // 5:,} rows, medians of {options.runs}")
    print(f"{'':14} {'wall s':>8} {'CPU s':>8} {'peak MiB':>9}")
    medians = {name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in seen.items()}
    for name, (wall, cpu, peak, _) in medians.items():
        print(f"{name:14} {wall:8.2f} {cpu:8.2f} {peak:9.0f}")
    ratio = medians["assay check"][0] / medians["polars floor"][0]
    print(f"ratio of wall times {ratio:.2f} (must be at most 4)")
    if options.json:
        options.json.write_text(json.dumps({"rows": options.rows, "ratio": ratio, "medians": medians}))


if __name__ == "__main__":
    main()
