"""What the default suite says of ten faults, of data without one, and what it costs.

    python bench/suite.py [--faults] [--clean] [--simulate 200] [--time]

Without arguments all four run. ``--faults`` puts each of the faults of ``tests/verbs/faults.py`` into the flights of the demonstration and
prints at which line of the report the fault is named (1 is the first; at most 5 is asked). ``--clean`` judges the flights as they are.
``--simulate`` draws data without any fault, fits a model, and counts how often the suite fails (at most 5 % is asked).
``--time`` compares the suite on 1,000,000 x 50 with LightGBM to reading plus scoring alone (at most 3 times is asked), with peak memory.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

LINES = 5


def faults() -> None:
    """Print where each fault is named."""
    from assay.verbs.check import check
    from tests.verbs.faults import FAULTS, broken, tables

    parts = tables()
    print(f"{'fault':42} {'line':>4}  {'verdict':8} {'s':>5}  first line")
    for name, (_, _, words) in FAULTS.items():
        model, made, roles = broken(name, parts)
        began = time.perf_counter()
        run = check(model, made["test"], train=made["train"], reference=made["reference"], **roles)
        took = time.perf_counter() - began
        said = [each.sentence for each in run.verdicts]
        place = next((place for place, text in enumerate(said, 1) if any(word in text for word in words)), None)
        print(f"{name:42} {place or '-':>4}  {run.verdict:8} {took:5.1f}  {said[0][:110]}", flush=True)


def clean() -> None:
    """Print what the suite says of the flights as they are."""
    from assay.verbs.check import check
    from tests.verbs.faults import ROLES, fitted, tables

    parts = tables()
    run = check(fitted(parts["train"]), parts["test"], train=parts["train"], reference=parts["reference"], **ROLES)
    print(f"\nflights as they are: {run.verdict}, {run.cost.seconds:.1f} s")
    for each in run.verdicts:
        print(f"  {each.verdict:8} {each.aspect}: {each.sentence}")


def drawn(rng: np.random.Generator, rows: int, coefficients: Any) -> pa.Table:
    """Return rows of one and the same world: ten features, a group, a label that depends on some of them."""
    x = rng.normal(size=(rows, 8))
    kind = rng.choice(["red", "green", "blue", "grey"], rows)
    sex = rng.choice(["f", "m"], rows)
    chance = 1 / (1 + np.exp(-(x @ coefficients + (kind == "red") - 0.5)))
    return pa.table({**{f"x{place}": x[:, place] for place in range(8)}, "kind": kind, "sex": sex, "y": (rng.random(rows) < chance).astype(int)})


def simulate(times: int) -> None:
    """Count false fails on data with nothing wrong."""
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    from assay.verbs.check import check

    inputs = [*(f"x{place}" for place in range(8)), "kind"]
    failed: list[str] = []
    warned: Counter[str] = Counter()
    for seed in range(times):
        rng = np.random.default_rng(seed)
        coefficients = np.array([1.0, -0.7, 0.5, 0.4, -0.3, 0.2, 0.2, 0.1])
        train, reference, test = (drawn(rng, rows, coefficients) for rows in (3000, 2000, 2000))
        encode = ColumnTransformer([("kind", OneHotEncoder(), ["kind"])], remainder="passthrough")
        model = make_pipeline(encode, LogisticRegression(max_iter=500)).fit(train.select(inputs).to_pandas(), train["y"].to_numpy())
        run = check(model, test, train=train, reference=reference, label="y", protected=["sex"])
        bad = [each.sentence for each in run.verdicts if each.verdict in ("fail", "error")]
        failed += bad[:1]
        warned.update({each.aspect or each.check for each in run.verdicts if each.verdict == "warn"})
    print(f"\nnothing wrong, {times} times: {len(failed)} runs fail ({len(failed) / times:.1%}); runs that warn, by aspect: {dict(warned)}")
    for text in dict.fromkeys(failed):
        print("  ", text)


def timed(rows: int = 1_000_000) -> None:
    """Compare the suite with reading and scoring, in one process each."""
    import json
    import subprocess

    folder = Path(tempfile.gettempdir()) / "assay-bench"
    folder.mkdir(exist_ok=True)
    subprocess.run([sys.executable, __file__, "--make", str(folder), "--rows", str(rows)], check=True)
    found: dict[str, list[tuple[float, float]]] = {"score": [], "suite": []}
    for _ in range(3):
        for kind, runs in found.items():
            out = subprocess.run([sys.executable, __file__, "--part", kind, "--make", str(folder)], check=True, capture_output=True, text=True)
            runs.append(tuple(json.loads(out.stdout.splitlines()[-1])))
    (score, _), (suite, memory) = (sorted(found[kind])[1] for kind in ("score", "suite"))
    print(f"\n{rows:,} x 50, LightGBM, medians of 3: reading and scoring {score:.1f} s, the suite {suite:.1f} s ({suite / score:.2f} times), "
          f"peak memory {memory:,.0f} MiB")


def make(folder: Path, rows: int) -> None:
    """Write the tables and the model of the timing."""
    import lightgbm

    if (folder / f"suite-{rows}.done").exists():
        return
    rng = np.random.default_rng(0)
    for name, count in (("train", rows // 5), ("reference", rows // 5), ("test", rows)):
        x = rng.normal(size=(count, 50)).astype(np.float32)
        y = (rng.random(count) < 1 / (1 + np.exp(-(x[:, :10] @ np.linspace(1, 0.1, 10))))).astype(np.int8)
        pq.write_table(pa.table({**{f"x{place}": x[:, place] for place in range(50)}, "y": y}), folder / f"suite-{name}.parquet")
        if name == "train":
            lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 2}, lightgbm.Dataset(
                x, y, feature_name=[f"x{place}" for place in range(50)]), 200).save_model(folder / "suite.txt")
    (folder / f"suite-{rows}.done").touch()


def part(kind: str, folder: Path) -> None:
    """Run one half of the timing and print seconds and the peak of memory in MiB."""
    import json
    import resource

    from assay.data.source import source
    from assay.model.load import load
    from assay.verbs.check import check

    began = time.perf_counter()
    if kind == "score":
        model = load(str(folder / "suite.txt"), task="binary", classes=[0, 1])
        for batch in source(str(folder / "suite-test.parquet"), label="y").batches():
            model.predict(batch)
    else:
        check(str(folder / "suite.txt"), str(folder / "suite-test.parquet"), train=str(folder / "suite-train.parquet"),
              reference=str(folder / "suite-reference.parquet"), label="y", task="binary", classes=[0, 1])
    print(json.dumps([time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", action="store_true")
    parser.add_argument("--clean", action="store_true")
    parser.add_argument("--simulate", type=int, nargs="?", const=200)
    parser.add_argument("--time", action="store_true")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--part", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        part(given.part, given.make)
    elif given.make:
        make(given.make, given.rows)
    else:
        every = not (given.faults or given.clean or given.simulate or given.time)
        if given.faults or every:
            faults()
        if given.clean or every:
            clean()
        if given.simulate or every:
            simulate(given.simulate or 200)
        if given.time or every:
            timed(given.rows)


if __name__ == "__main__":
    main()
