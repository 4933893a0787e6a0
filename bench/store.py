"""What the store and the ledger take: runs of 10,000 values, 10,000 states, days of 100,000 rows x 50 columns on a growing history.

    python bench/store.py [--days 30] [--url postgresql://...]

One process, wall and CPU seconds, median of three for the store; the ledger's days are each delivered once. The store is SQLite in a
temporary folder unless ``--url`` names another (whose tables it fills); ``--days 0`` leaves out the ledger. Every commit is on the disk when it returns.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from assay.data.source import source
from assay.result import Run, Spread, Value
from assay.store import Ledger, Store

ROWS, COLUMNS, VALUES, STATES = 100_000, 50, 10_000, 10_000


def timed(name: str, work: Callable[[], Any], repeats: int = 3) -> Any:
    walls, cpus, found = [], [], None
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        found = work()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    print(f"{name:<66}{statistics.median(walls):>9.3f}{statistics.median(cpus):>9.3f}")
    return found


def results(store: Store) -> None:
    values = tuple(Value.of("recall", Spread("binomial", 0.8, n=500.0 + place), n=500 + place, slice={"carrier": f"c{place}"})
                   for place in range(VALUES))
    runs = [Run("monitor", values) for _ in range(4)]
    timed(f"put a run of {VALUES:,} values", lambda: store.put(runs.pop(), model="delay"))
    run = store.find(most=1)[0].id
    timed(f"get a run of {VALUES:,} values", lambda: store.get(run))
    timed("history of one slice of one metric", lambda: store.history("recall", model="delay", slice={"carrier": "c77"}))
    bodies = {each: os.urandom(2_000) for each in range(STATES)}
    days = iter(range(100))

    def daily() -> None:
        day = next(days)
        store.states.put({(f"model {name}", day): body for name, body in bodies.items()})

    timed(f"write {STATES:,} states of 2 kB, one transaction", daily)
    timed(f"read the latest {STATES:,} states", store.states.latest)
    timed(f"read the latest {STATES:,} states before a window, by name", lambda: store.states.latest([f"model {each}" for each in range(STATES)],
                                                                                               before=2))


def day(number: int, rows: int = ROWS, columns: int = COLUMNS) -> pa.Table:
    rng = np.random.default_rng(number)
    ids = np.arange(number * rows, (number + 1) * rows)
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC).timestamp() * 1e6 + number * 86_400e6
    table = {"key": ids, "hour": pa.array((start + rng.integers(0, 86_400e6, rows)).astype("int64")).cast(pa.timestamp("us", "UTC"))}
    return pa.table({**table, **{f"x{place}": rng.standard_normal(rows) for place in range(columns)}})


def rows(ledger: Ledger, days: int) -> None:
    def roles(table: pa.Table) -> Any:
        return source(table, id="key", timestamp="hour")

    def labels(number: int, value: int = 1) -> Any:
        return source(pa.table({"key": np.arange(number * ROWS, (number + 1) * ROWS), "y": np.full(ROWS, value)}), id="key", label="y")

    size = f"{ROWS:,} x {COLUMNS}"
    for number in range(days):
        table = day(number)
        if number in (0, days // 2, days - 1):
            timed(f"deliver a day of {size}, after {number} days", partial(ledger.put, "m", roles(table)), 1)
        else:
            ledger.put("m", roles(table))
    again = day(days - 1)
    timed("the same file again", lambda: ledger.put("m", roles(again)), 1)
    late = again.set_column(again.schema.get_field_index("x0"), "x0", pa.array(np.zeros(ROWS)))
    timed(f"a corrected day of {size}", lambda: ledger.put("m", roles(late)), 1)
    timed(f"{ROWS:,} late labels of a day", lambda: ledger.label("m", labels(days // 2)), 1)
    timed(f"{ROWS:,} labels before their rows", lambda: ledger.label("m", labels(days)), 1)
    timed(f"their rows, {size}", lambda: ledger.put("m", roles(day(days))), 1)
    span = list(ledger.spans("m"))[days // 2]
    timed("windows that there are, with their counts", lambda: ledger.spans("m"))
    timed(f"read a window of {size}", lambda: sum(batch.num_rows for batch in ledger.rows("m", span).batches()))
    timed("delete one person", lambda: ledger.forget("m", ids=[5]), 1)
    print(f"{'files':<66}{len(list(ledger.folder.rglob('*.parquet'))):>9}")
    print(f"{'MB on disk':<66}{sum(each.stat().st_size for each in ledger.folder.rglob('*.parquet')) / 1e6:>9.0f}")


def crumbs(ledger: Ledger, count: int = 400) -> None:
    def work() -> None:
        for number in range(count):
            ledger.put("small", source(day(number, 100, 5), id="key", timestamp="hour"))

    timed(f"{count} deliveries of 100 rows x 5", work, 1)
    print(f"{'files':<66}{len(ledger._manifest.segments('small')):>9}")
    timed("read all of them", lambda: sum(batch.num_rows for batch in ledger.rows("small").batches()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--url")
    given = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, pyarrow {pa.__version__}")
    print(f"{'':<66}{'wall s':>9}{'CPU s':>9}")
    with tempfile.TemporaryDirectory() as folder, Store(given.url or Path(folder) / "store.db") as store:
        results(store)
        if given.days == 0:
            return
        ledger = Ledger(store, Path(folder) / "ledger")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        rows(ledger, given.days)
        print(f"{'peak memory, MB (before the ledger, after)':<66}{before / 1024:>9.0f}{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:>9.0f}")
        crumbs(ledger)


if __name__ == "__main__":
    main()
