"""Nanoseconds per value of every summary on one batch of 131,072 rows, beside numpy, Polars and (if installed) a KLL sketch and numba.

    python bench/kernels.py [--repeats 15] [--json FILE]

One process, one thread; each number is the least of several repeats, which other work on the machine disturbs least. A summary is timed
with the sort it needs, as on a fresh column; "all" is Moments, Quantiles, Histogram together, sharing one sort. The second table measures
the error of the quantile sketch: what it states, and the greatest error of a rank that was found.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from assay.summary import SUMMARIES, Summary, Vector

for _name in ("POLARS_MAX_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"  # they read it when they are imported, which is later

ROWS = 131_072
EDGES = tuple(np.linspace(-2.5, 2.5, 19))
NAMES = ("moments", "histogram", "quantiles", "distinct", "frequent")


def columns(rng: np.random.Generator) -> dict[str, pa.Array]:
    """Return the columns that are measured, by name."""
    gauss = rng.standard_normal(ROWS)
    levels = pa.array([f"level {place:06d}" for place in range(50_000)])
    return {
        "continuous": pa.array(gauss), "whole numbers": pa.array(rng.integers(0, 1000, ROWS).astype(float)),
        "half null": pa.array(gauss, mask=rng.random(ROWS) < 0.5), "sorted": pa.array(np.sort(gauss)),
        "float32": pa.array(gauss.astype(np.float32)),
        "dictionary of 20": pa.DictionaryArray.from_arrays(pa.array(rng.integers(0, 20, ROWS).astype(np.int32)), levels[:20]),
        "dictionary of 50,000": pa.DictionaryArray.from_arrays(pa.array(rng.integers(0, 50_000, ROWS).astype(np.int32)), levels),
        "text of 20": levels.take(pa.array(rng.integers(0, 20, ROWS))),
    }


def least(call: Callable[[], Any], repeats: int, rows: int = ROWS) -> float:
    """Return the nanoseconds per row of the quickest repeat."""
    best = np.inf
    for _ in range(repeats):
        began = time.perf_counter_ns()
        call()
        best = min(best, time.perf_counter_ns() - began)
    return float(best) / rows


def empty(kind: str) -> Summary:
    return SUMMARIES[kind](**({"edges": EDGES} if kind == "histogram" else {}))


def ours(column: pa.Array, repeats: int) -> dict[str, float]:
    """Return the times of each summary of a column."""
    found = {}
    for kind in NAMES:
        summary = empty(kind)
        found[kind] = least(lambda summary=summary: summary.update(Vector(column)), repeats)
    three = [empty(kind) for kind in NAMES[:3]]
    five = [empty(kind) for kind in NAMES]

    def shared(summaries: list[Summary]) -> None:
        vector = Vector(column)
        for summary in summaries:
            summary.update(vector)

    return {**found, "all": least(lambda: shared(three), repeats), "all five": least(lambda: shared(five), repeats)}


def others(column: pa.Array, repeats: int) -> dict[str, float]:
    """Return the times of other libraries at comparable work on a column."""
    found: dict[str, float] = {}
    number = pa.types.is_floating(column.type)
    if number:
        values = column.drop_null().to_numpy()
        found["numpy sort"] = least(lambda: np.sort(values), repeats)
        found["numpy histogram"] = least(lambda: np.histogram(values, EDGES), repeats)
        found["numpy mean, var, min, max"] = least(lambda: (values.mean(), values.var(), values.min(), values.max()), repeats)
    if (polars := library("polars")) is not None:
        series = polars.Series("x", polars.from_arrow(column)).rename("x")
        frame, x = polars.DataFrame([series]), polars.col("x")
        if number:
            moments = [x.null_count().alias("n"), x.mean().alias("m"), x.std().alias("s"), x.min().alias("l"), x.max().alias("h")]
            quantiles = [x.quantile(place / 20).alias(f"q{place}") for place in range(1, 20)]
            found["polars moments"] = least(lambda: frame.select(moments), repeats)
            found["polars 19 quantiles"] = least(lambda: frame.select(quantiles), max(repeats // 5, 2))
            found["polars 19 quantiles of a sort"] = least(
                lambda: frame.lazy().select(x.sort()).select(quantiles).collect(), max(repeats // 5, 2))
        found["polars n_unique"] = least(lambda: frame.select(x.n_unique()), repeats)
        found["polars value_counts"] = least(series.value_counts, repeats)
    if number and (sketches := library("datasketches")) is not None:
        values = column.drop_null().to_numpy().astype(np.float64)  # a copy, which it may write to

        def kll() -> None:
            sketches.kll_doubles_sketch(200).update(values)

        found["KLL (k = 200)"] = least(kll, repeats)
        found["HLL"] = hll(sketches, values)
    if number and (numba := library("numba")) is not None:
        found["numba moments and bins"] = compiled(numba, column.drop_null().to_numpy(), repeats)
    return found


def hll(sketches: Any, values: np.ndarray) -> float:
    """Return the time of a HyperLogLog sketch, which takes a value a call."""
    sketch = sketches.hll_sketch(12)
    some = values[:10_000].tolist()
    return least(lambda: [sketch.update(each) for each in some], 3, len(some))


def compiled(numba: Any, values: np.ndarray, repeats: int) -> float:
    """Return the time of one compiled pass for moments and equal-width bins, after it was compiled."""

    def one(x: np.ndarray, low: float, scale: float, counts: np.ndarray) -> tuple[float, float, float, float]:
        total = square = 0.0
        least_, most = np.inf, -np.inf
        for each in x:
            total += each
            square += each * each
            least_, most = min(least_, each), max(most, each)
            place = int((each - low) * scale) + 1
            counts[min(max(place, 0), len(counts) - 1)] += 1
        return total, square, least_, most

    run = numba.njit(one)
    counts = np.zeros(20, np.int64)
    began = time.perf_counter()
    run(values, -2.5, 3.6, counts)
    print(f"  (numba compiled for {time.perf_counter() - began:.1f} s)")
    return least(lambda: run(values, -2.5, 3.6, counts), repeats)


def labelled(rng: np.random.Generator, repeats: int) -> dict[str, float]:
    """Return the times of what labelled rows need; four batches and what reading them costs."""
    label, answer, group = rng.integers(0, 2, ROWS), rng.integers(0, 2, ROWS), rng.integers(0, 128, ROWS)
    score, value = rng.random(ROWS), rng.standard_normal(ROWS)
    both, keys = np.stack([1 - score, score], axis=1), rng.integers(0, 2**63, ROWS).astype(np.uint64)
    found = {}
    work = (("confusion", {"classes": 2}, (label, answer)), ("scores", {}, (label, score)),
            ("losses", {"task": "multiclass"}, (label, both)),
            ("residuals", {}, (value, score)), ("rows", {"width": 2}, (keys, label, score)))
    for kind, options, given in work:
        for grouped in (False, True)[: 1 + (kind != "rows")]:
            def run(kind: str = kind, options: Any = options, given: Any = given, grouped: bool = grouped) -> None:
                summary = SUMMARIES[kind](**options, **({"grouped": grouped} if kind != "rows" else {}))
                for _ in range(4):
                    summary.update(*given, group=group)
                summary.fields()

            found[kind + (" by group" if grouped else "")] = least(run, max(repeats // 3, 2)) / 4
    return found


def errors(rng: np.random.Generator) -> list[dict[str, Any]]:
    """Return the stated error of the quantile sketch, and the greatest that was found, for rows in batches and merged."""
    found = []
    for rows in (ROWS, 1 << 20, 1 << 23):
        for name, values in (("gauss", rng.standard_normal(rows)), ("sorted", np.arange(rows, dtype=float)),
                             ("heavy tail", rng.standard_cauchy(rows))):
            sketch = SUMMARIES["quantiles"]()
            for part in np.array_split(values, max(rows // ROWS, 1)):
                sketch.update(part)
            points, weights = sketch.points
            true = np.searchsorted(np.sort(values), points, "right") / rows
            off = np.abs(np.cumsum(weights) / rows - true)
            tail = (true < 0.001) | (true > 0.999)
            found.append({"rows": rows, "values": name, "stated": sketch.error, "found": float(off.max()),
                          "found in tails": float(off[tail].max()), "bytes": len(sketch.dump())})
    return found


def library(name: str) -> Any:
    """Return a library, None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    versions = {name: getattr(library(name), "__version__", "not installed" if library(name) is None else "installed")
                for name in ("numpy", "pyarrow", "polars", "datasketches", "numba")}
    print(f"{platform.machine()}, Python {platform.python_version()}, {versions}; load {os.getloadavg()[0]:.1f}\n")
    result: dict[str, Any] = {"versions": versions, "columns": {}}
    print("ns per value, batches of 131,072 rows")
    print(f"{'column':22}" + "".join(f"{name:>11}" for name in (*NAMES, "all", "all five")))
    given = columns(rng)
    for name, column in given.items():
        times = ours(column, options.repeats)
        result["columns"][name] = {"assay": times}
        print(f"{name:22}" + "".join(f"{each:11.1f}" for each in times.values()))
    print("\nothers, ns per value")
    for name, column in given.items():
        times = others(column, options.repeats)
        result["columns"][name]["others"] = times
        print(f"{name:22}" + "; ".join(f"{each} {time_:.1f}" for each, time_ in times.items()))
    print("\nof labelled rows, ns per row")
    result["labelled"] = labelled(rng, options.repeats)
    print("; ".join(f"{each} {time_:.1f}" for each, time_ in result["labelled"].items()))
    print("\nerror of a rank, share of rows")
    result["errors"] = errors(rng)
    for each in result["errors"]:
        print(f"{each['rows']:>9,} {each['values']:11} stated {each['stated']:.5f}  found {each['found']:.5f}  "
              f"in the outer 0.1 % {each['found in tails']:.6f}  {each['bytes']:,} bytes")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
