"""Metrics of thousands of slices in one pass: 1,000,000 rows cut into up to 10,000 slices, ten metrics each, beside Polars.

    python bench/slices.py [--runs 3] [--rows 1000000] [--slices 10 100 1000 10000]

Whole processes, the file read included, in turn; medians. assay reads logged scores and labels and gives accuracy, balanced accuracy,
precision, recall, specificity, F1, selection rate, both error rates and MCC of each slice, with their intervals, through the engine and
the metrics that ``assay check`` uses. "polars" reads the same file, and for each slice counts hits and misses with one ``group_by``, from
which the same ten numbers follow, without intervals. The last line is crossed: 100 x 100 values of two columns.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from _workload import FOLDER, compared

METRICS = ("accuracy", "balanced_accuracy", "precision", "recall", "specificity", "f1", "selection_rate", "false_positive_rate",
           "false_negative_rate", "mcc")


def table(folder: Path, rows: int) -> Path:
    """Write logged scores with columns of 10 to 10,000 values, and two of 100."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / f"slices-{rows}.parquet"
    if not path.exists():
        rng = np.random.default_rng(9)
        score = rng.random(rows)
        columns = {"score": score, "label": (rng.random(rows) < score).astype(np.int64)}
        columns |= {f"by{size}": rng.integers(0, size, rows) for size in (10, 100, 1_000, 10_000)}
        columns |= {name: rng.integers(0, 100, rows) for name in ("left", "right")}
        pq.write_table(pa.table(columns), path, compression="zstd")
    return path


def assay(path: str, by: str) -> int:
    """Measure with assay; return how many values there are."""
    from assay.data.source import source
    from assay.metric import find
    from assay.model.logged import Logged
    from assay.summary.target import Target
    from assay.verbs.measure import measure
    from assay.verbs.question import Question
    from assay.verbs.subject import Subject

    data = source(path, label="label", score="score")
    model = Logged.of(data.schema, where=data.name)
    subject = Subject(data, {"model": model}, Target("binary", (0, 1), 1))
    answers, _ = measure(subject, [Question(find(name), by=by) for name in METRICS])
    return sum(len(each.values) for each in answers)


def polars(path: str, by: str) -> int:
    """Count with Polars; return how many numbers there are."""
    import polars as pl

    label, positive = pl.col("label") == 1, pl.col("score") >= 0.5
    found = pl.scan_parquet(path).group_by([pl.col(name.strip()) for name in by.split("*")]).agg(
        (label & positive).sum().alias("tp"), (label & ~positive).sum().alias("fn"), (~label & positive).sum().alias("fp"),
        (~label & ~positive).sum().alias("tn")).collect()
    tp, fn, fp, tn = (found[name].cast(pl.Float64) for name in ("tp", "fn", "fp", "tn"))
    recall, specificity, precision, n = tp / (tp + fn), tn / (tn + fp), tp / (tp + fp), tp + fn + fp + tn
    numbers = [(tp + tn) / n, (recall + specificity) / 2, precision, recall, specificity, 2 * tp / (2 * tp + fp + fn), (tp + fp) / n,
               1 - specificity, 1 - recall,
               (tp * tn - fp * fn) / ((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)).sqrt()]
    return sum(len(each) for each in numbers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--slices", type=int, nargs="*", default=[10, 100, 1_000, 10_000])
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--work", nargs=3, metavar=("NAME", "PATH", "BY"), help="one of the processes that are timed")
    options = parser.parse_args()
    if options.work:
        name, path, by = options.work
        print({"assay": assay, "polars": polars}[name](path, by))
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    path = table(options.folder, options.rows)
    print(f"{options.rows:,} rows, {len(METRICS)} metrics by slices, medians of {options.runs}")
    cuts = {f"{size:,}": f"by{size}" for size in options.slices} | {"100 x 100": "left * right"}
    commands = {f"{name}, {title} slices": [sys.executable, __file__, "--work", name, str(path), by]
                for title, by in cuts.items() for name in ("polars", "assay")}
    medians = compared(commands, options.runs)
    for title in cuts:
        print(f"{title} slices: {medians[f'assay, {title} slices'][0] / medians[f'polars, {title} slices'][0]:.1f} x polars")


if __name__ == "__main__":
    main()
