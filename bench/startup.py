"""How long `assay --help` takes, beside a bare interpreter: what everybody pays on every call.

Timed: wall and CPU time of whole processes, in turns so that what else the machine does hits all alike; medians of the repeats.
"""

from __future__ import annotations

import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from importlib import metadata

REPEATS = int(os.environ.get("REPEATS", "30"))
LIMIT = 0.35  # seconds over a bare interpreter, wall time
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "python -c 'import click'": ["-c", "import click"],
    "python -c 'import assay'": ["-c", "import assay"],
    "assay --version": ["-m", "assay", "--version"],
    "assay --help": ["-m", "assay", "--help"],
    "assay check --help": ["-m", "assay", "check", "--help"],
    "assay check (wrong usage)": ["-m", "assay", "check"],
    "python -c 'import numpy'": ["-c", "import numpy"],
    "python -c 'import pyarrow'": ["-c", "import pyarrow"],
}


def timed(arguments: list[str]) -> tuple[float, float]:
    """Return wall and CPU seconds of one process."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    for arguments in COMMANDS.values():  # compile and cache first
        timed(arguments)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for _ in range(REPEATS):
        for name, arguments in COMMANDS.items():
            found[name].append(timed(arguments))
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}, click {metadata.version('click')}, "
          f"{REPEATS} repeats")
    print(f"{'':<28}{'wall ms':>10}{'CPU ms':>10}{'over bare, wall ms':>20}{'ratio':>8}")
    medians = {name: [statistics.median(each) for each in zip(*rows, strict=True)] for name, rows in found.items()}
    bare = medians["python -c pass"]
    for name, (wall, cpu) in medians.items():
        print(f"{name:<28}{wall * 1000:>10.0f}{cpu * 1000:>10.0f}{(wall - bare[0]) * 1000:>20.0f}{wall / bare[0]:>8.1f}")
    over = medians["assay --help"][0] - bare[0]
    print(f"assay --help takes {over:.3f} s more than a bare interpreter; {LIMIT} s are allowed: {'ok' if over <= LIMIT else 'TOO SLOW'}")
    return 0 if over <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
