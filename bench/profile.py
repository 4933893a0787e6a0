"""A full profile of 1,000,000 x 50 and its drift against 200,000 rows, beside Polars reading the file, and computing the same.

    python bench/profile.py [--runs 5] [--rows 1000000]

Whole processes, files read included, in turn; medians. What is asked of each column, of both files: missing values, moments, least and
greatest, quantiles, distinct and frequent values, a histogram on quantiles of the reference; of each pair PSI, Jensen-Shannon, KS and
Wasserstein distances. The floor is Polars reading the *current* file only, for null count, mean, std, min and max. "polars, same" asks
Polars for the same with an expression each, as its documentation does; "polars, sorted" sorts every column once first, as assay does.
"decode" is assay reading both files into batches and leaving them as they are, "imports" a process that loads what assay does and ends: what
of its time they are. Tables are those of the peers' benchmark. ``--work NAME CURRENT REFERENCE`` is one of these processes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

TOP = 20  # frequent values that Polars lists; assay keeps up to 4,096
QUANTILES = [place / 20 for place in range(1, 20)]


def assay(current: str, reference: str) -> int:
    """Profile both files with assay's engine, and compare them."""
    from assay.data.source import source
    from assay.engine import Plan, run
    from assay.metric.column import need
    from assay.metric.drift import jensen_shannon, ks, psi, wasserstein
    from assay.summary import Need
    from assay.summary.vector import kind_of

    first, second = source(reference), source(current)
    kinds = {each.name: kind_of(each.type) for each in first.schema}
    asked = {name: [Need(each, (name,)) for each in ("moments", "quantiles", "distinct", "frequent") if each != "quantiles" or kind == "number"]
             for name, kind in kinds.items()}
    plan = [(each, None) for some in asked.values() for each in some]

    def later(name: str, seen: Any) -> list[Need]:
        made = need("histogram", name, {"quantiles": seen[Need("quantiles", (name,))]})
        return [made] if made else []

    then = run(Plan.of(plan), first, later=later)
    binned = [each for _, each in then if each.kind == "histogram"]
    now = run(Plan.of([*plan, *((each, None) for each in binned)]), second)
    found = 0
    for name, kind in kinds.items():
        needs = [*asked[name], *(each for each in binned if each.columns == (name,))]
        sides = [{each.kind: profile[(), each] for each in needs} for profile in (then, now)]
        for metric in (psi, jensen_shannon, *((ks, wasserstein) if kind == "number" else ())):
            found += metric(*sides) is not None
        found += len(sides[1]["frequent"].top[:TOP]) + sides[1]["distinct"].estimate  # type: ignore[attr-defined]
        if kind == "number":
            found += len([sides[1]["quantiles"].quantile(each) for each in QUANTILES])  # type: ignore[attr-defined]
    return int(found)


def decode(current: str, reference: str) -> int:
    """Read both files as assay does, each thread columns of its own, and nothing else."""
    from concurrent.futures import ThreadPoolExecutor

    found, cores = imports(current, reference), os.cpu_count() or 1
    from assay.data.source import source

    for data in (source(reference), source(current)):
        names = list(data.schema.names)
        size = -(-len(names) // 16)
        strips = iter([names[start : start + size] for start in range(0, len(names), size)])

        def read(_: int, data: Any = data, strips: Any = strips) -> int:
            return sum(batch.num_rows for _, batch in data.strips(strips))

        with ThreadPoolExecutor(cores) as pool:
            found += sum(pool.map(read, range(cores)))
    return found


def imports(*_: str) -> int:
    """Load what the profile loads, and do nothing."""
    from assay.data import _folder
    from assay.data.source import source
    from assay.engine import run
    from assay.metric.drift import psi
    from assay.summary import confusion, distinct, frequent, histogram, moments, quantiles, rows

    return len([_folder, source, run, psi, confusion, distinct, frequent, histogram, moments, quantiles, rows])


def floor(current: str, _: str) -> int:
    """Read the current file with Polars for its plainest statistics."""
    import polars as pl
    import polars.selectors as cs

    n = cs.numeric()
    return pl.scan_parquet(current).select(
        cs.all().null_count().name.suffix("_null"), n.mean().name.suffix("_mean"), n.std().name.suffix("_std"),
        cs.all().min().name.suffix("_min"), cs.all().max().name.suffix("_max")).collect().width


def polars_same(current: str, reference: str) -> int:
    """Compute the same statistics with Polars, one expression for each."""
    import polars as pl

    then, now = pl.read_parquet(reference), pl.read_parquet(current)
    numbers = [name for name, kind in now.schema.items() if kind.is_numeric()]
    edges = _edges(then.select([pl.col(numbers).quantile(q).name.suffix(f"@{q}") for q in QUANTILES]).row(0), len(numbers))
    found = 0
    for table in (then, now):
        x = pl.col(numbers)
        found += table.select([*_moments(numbers), *(x.quantile(q).name.suffix(f"@{q}") for q in QUANTILES),
                               pl.all().approx_n_unique().name.suffix("@distinct")]).width
        found += sum(table[name].value_counts(sort=True).head(TOP).height for name in table.columns)
    counts = [[table[name].hist(bins=list(edge), include_category=False, include_breakpoint=False) for name, edge in zip(numbers, edges, strict=True)]
              for table in (then, now)]
    found += len(_distances(*counts))
    for name in numbers:
        found += _areas(then[name].sort().to_numpy(), now[name].sort().to_numpy())
    return found


def polars_sorted(current: str, reference: str) -> int:
    """Compute the same statistics with Polars from columns that were sorted once."""
    import numpy as np
    import polars as pl

    then, now = pl.read_parquet(reference), pl.read_parquet(current)
    numbers = [name for name, kind in now.schema.items() if kind.is_numeric()]
    found = then.select(_moments(numbers)).width + now.select(_moments(numbers)).width
    sides, edges = [], None
    for table in (then, now):
        held = table.select(pl.col(numbers).sort())
        found += held.select(pl.all().n_unique()).width
        found += sum(held[name].value_counts(sort=True).head(TOP).height for name in numbers)
        others = table.select(pl.exclude(numbers))
        found += others.select(pl.all().n_unique()).width
        found += sum(others[name].value_counts(sort=True).height for name in others.columns)
        sides.append([held[name].to_numpy() for name in numbers])
        edges = edges or [values[[int(q * (len(values) - 1)) for q in QUANTILES]] for values in sides[0]]
    assert edges is not None
    counts = [[np.diff(np.searchsorted(values, np.unique(edge)), prepend=0, append=len(values))
               for values, edge in zip(some, edges, strict=True)] for some in sides]
    found += len(_distances(*counts))
    return found + sum(_areas(first, second) for first, second in zip(*sides, strict=True))


def _moments(numbers: list[str]) -> list[Any]:
    import polars as pl

    x = pl.col(numbers)
    return [pl.all().null_count().name.suffix("@null"), x.mean().name.suffix("@mean"), x.std().name.suffix("@std"),
            x.skew().name.suffix("@skew"), x.kurtosis().name.suffix("@kurtosis"), pl.all().min().name.suffix("@min"),
            pl.all().max().name.suffix("@max")]


def _edges(row: Any, columns: int) -> list[list[float]]:
    return [sorted(set(row[place::columns])) for place in range(columns)]


def _distances(then: list[Any], now: list[Any]) -> list[float]:
    """Return PSI and Jensen-Shannon distance of counts."""
    import numpy as np

    found = []
    for first, second in zip(then, now, strict=True):
        p, q = ((np.asarray(each, float) + 0.5) / (np.sum(each) + len(each) / 2) for each in (first, second))
        m = (p + q) / 2
        found += [float(((p - q) * np.log(p / q)).sum()), float(np.sqrt((p * np.log2(p / m) + q * np.log2(q / m)).sum() / 2))]
    return found


def _areas(first: Any, second: Any) -> int:
    """Compute KS and Wasserstein distances of two sorted samples on 1,000 of their values."""
    import numpy as np

    grid = np.sort(np.concatenate([each[np.linspace(0, len(each) - 1, 500).astype(int)] for each in (first, second)]))
    f, g = (np.searchsorted(each, grid, "right") / len(each) for each in (first, second))
    return int(np.abs(f - g).max() >= 0) + int((np.abs(f - g)[:-1] * np.diff(grid)).sum() >= 0)


WORK = {"polars floor": floor, "assay": assay, "decode": decode, "imports": imports, "polars, same": polars_same, "polars, sorted": polars_sorted}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--work", nargs=3, metavar=("NAME", "CURRENT", "REFERENCE"))
    options = parser.parse_args()
    if options.work:
        print(WORK[options.work[0]](*options.work[1:]))
        return
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # as an installed program runs: compiled once
    from _workload import FOLDER, compared
    from drift import tables

    folder = options.folder or FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    current, reference = tables(folder, options.rows)
    # -P: this file has the name of a module of Python's library
    commands = {name: [sys.executable, "-P", __file__, "--work", name, str(current), str(reference)] for name in WORK}
    print(f"{options.rows:,} x 50 against {options.rows // 5:,} rows, medians of {options.runs}")
    medians = compared(commands, options.runs)
    wall = {name: each[0] for name, each in medians.items()}
    cpu = {name: each[1] for name, each in medians.items()}
    ours = wall["assay"]
    print(f"assay / floor {ours / wall['polars floor']:.2f} (at most 2.5, aim 2.0); assay / polars, same {ours / wall['polars, same']:.2f} "
          f"(at most 0.5); assay / polars, sorted {ours / wall['polars, sorted']:.2f}; "
          f"of assay's CPU time {(cpu['decode'] - cpu['imports']) / cpu['assay']:.0%} is decoding, {cpu['imports'] / cpu['assay']:.0%} imports")
    if options.json:
        options.json.write_text(json.dumps({"rows": options.rows, "medians": medians, "ratio": ours / wall["polars floor"]}))


if __name__ == "__main__":
    main()
