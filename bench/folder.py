"""A profile of a folder of Parquet files far larger than memory should have to hold: peak memory, and how busy the cores are.

    python bench/folder.py [--gib 2] [--files-mib 256] [--keep]

The folder is written first (50 columns of the peers' benchmark, row groups of 131,072 rows, zstd; eight different files, then copies of
them) and removed at the end. One whole process summarises every column: moments, quantiles, distinct and frequent values; another reads
the same columns in the same way and leaves them as they are, which is the share of decoding. Peak memory is the resident set; busy is
CPU time over wall time and cores. Asked: below 1 GiB, and above 80 % of the cores (at 10 GiB, on a machine that does nothing else).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

KINDS = 8  # different files
GROUP = 131_072


def written(folder: Path, gib: float, mib: int) -> int:
    """Write files until they are so many gibibytes; return how many there are."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from _workload import workloads

    peers, paths, total = workloads(), [], 0
    rows = max(GROUP, int(mib * 2**20 / 280) // GROUP * GROUP)  # about 280 bytes a row once they are compressed
    while total < gib * 2**30:
        path = folder / f"{len(paths):05d}.parquet"
        if len(paths) < KINDS:
            rng = np.random.default_rng([peers.SEED, len(paths)])
            frame = peers.base_frame(rng, rows, shifted=bool(len(paths) % 2))
            pq.write_table(pa.table({key: pa.array(value) for key, value in frame.items()}), path, compression="zstd", row_group_size=GROUP)
        else:
            shutil.copyfile(paths[len(paths) % KINDS], path)
        paths.append(path)
        total += path.stat().st_size
    return len(paths)


def assay(folder: str) -> int:
    """Summarise every column of the folder with assay's engine."""
    from assay.data.source import source
    from assay.engine import Plan, run
    from assay.summary import Need

    data = source(folder)
    kinds = ("moments", "quantiles", "distinct", "frequent")
    return run(Plan.of([(Need(kind, (name,)), None) for name in data.schema.names for kind in kinds]), data).rows


def decode(folder: str) -> int:
    """Read every column as assay does, and nothing else."""
    from concurrent.futures import ThreadPoolExecutor

    from assay.data.source import source

    data = source(folder)
    names = list(data.schema.names)
    size = -(-len(names) // 16)
    strips = [names[start : start + size] for start in range(0, len(names), size)]
    cores = os.cpu_count() or 1
    with ThreadPoolExecutor(cores) as pool:
        rows = pool.map(lambda place: sum(batch.num_rows for _, batch in data.strips(strips[place::cores])), range(cores))  # type: ignore[attr-defined]
        return sum(rows) // len(strips)


WORK = {"assay": assay, "decode": decode}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=2.0)
    parser.add_argument("--files-mib", type=int, default=256)
    parser.add_argument("--folder", type=Path, help="where to write, and later to remove, the files")
    parser.add_argument("--keep", action="store_true", help="use the files that are there, and leave them")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--work", nargs=2, metavar=("NAME", "FOLDER"))
    parser.add_argument("--write", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    if options.write:
        print(written(options.write, options.gib, options.files_mib))
        return
    if options.work:
        print(WORK[options.work[0]](options.work[1]))
        return
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # as an installed program runs: compiled once
    from _workload import FOLDER, timed

    folder = options.folder or FOLDER / "folder"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        there = sum(1 for _ in folder.glob("*.parquet"))
        if not (options.keep and there):
            free = shutil.disk_usage(tempfile.gettempdir()).free / 2**30
            if free < options.gib + 2:
                sys.exit(f"{free:.0f} GiB are free, and {options.gib + 2:.0f} are needed; ask for less with --gib")
            # by a process of its own: the peak memory of a process counts that of the one that starts it
            there = int(timed([sys.executable, __file__, "--write", str(folder), "--gib", str(options.gib), "--files-mib",
                               str(options.files_mib)])[3])
        size = sum(each.stat().st_size for each in folder.glob("*.parquet"))
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        print(f"{there} files, {size / 2**30:.1f} GiB, {cores} cores, load {os.getloadavg()[0]:.1f}")
        print(f"{'':10} {'wall s':>8} {'CPU s':>8} {'peak MiB':>9} {'busy':>6} {'MiB/s':>7} {'rows':>12}")
        found = {}
        for name in WORK:
            wall, cpu, peak, said = timed([sys.executable, "-P", __file__, "--work", name, str(folder)])
            found[name] = {"wall": wall, "cpu": cpu, "peak": peak, "busy": cpu / wall / cores}
            print(f"{name:10} {wall:8.1f} {cpu:8.1f} {peak:9.0f} {cpu / wall / cores:6.0%} {size / 2**20 / wall:7.0f} {int(said):12,}", flush=True)
        print(f"decoding is {found['decode']['cpu'] / found['assay']['cpu']:.0%} of the CPU time")
        if options.json:
            options.json.write_text(json.dumps({"bytes": size, "files": there, "cores": cores, **found}))
    finally:
        if not options.keep:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
