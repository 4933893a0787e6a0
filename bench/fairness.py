"""The search for individual discrimination on the coded tables of the literature, against the published strategies.

    python bench/fairness.py [--budget N] [--seeds N] [--tasks TEXT] [--methods screen,walk,...] [--seconds S] [--json FILE]

Census, credit and bank, as the published tools code them, each with four models of scikit-learn, trained on all rows, and one protected
attribute: 24 tasks. A test is one non-protected vector with all its protected values; a find is a tested vector whose classes differ, and
no vector is tested twice. ``rate`` is finds per test, ``rate/s`` finds per second of wall time and ``cpu/s`` per second of CPU time (one
thread), ``bare`` what the model alone answers in tests a second, ``far`` the share of finds at Hamming distance 2 or more from every earlier
one, ``5-way`` the share of cells hit in 20 random sets of five attributes with at most 4 bins each, of those that any method hit.
The tables are read from ../shared/data/fairness.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

import assay
from assay.probe.discrimination import apart_from_earlier
from assay.probe.oracle import Oracle
from assay.probe.reference import REFERENCES, reference
from assay.probe.search import Manifold, search
from assay.probe.space import Space, axis

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data" / "fairness"
TABLES: dict[str, tuple[str, list[list[int]], dict[str, int]]] = {
    "census": ("adf-census-coded.csv", [[1, 9], [0, 7], [0, 39], [0, 15], [0, 6], [0, 13], [0, 5], [0, 4], [0, 1], [0, 99], [0, 39], [0, 99],
                                        [0, 39]], {"age": 0, "race": 7, "sex": 8}),
    "credit": ("adf-german-credit-coded.csv", [[0, 3], [1, 80], [0, 4], [0, 10], [1, 200], [0, 4], [0, 4], [1, 4], [0, 1], [0, 2], [1, 4],
                                               [0, 3], [1, 8], [0, 2], [0, 2], [1, 4], [0, 3], [1, 2], [0, 1], [0, 1]], {"sex": 8, "age": 12}),
    "bank": ("adf-bank-coded.csv", [[1, 9], [0, 11], [0, 2], [0, 3], [0, 1], [-20, 179], [0, 1], [0, 1], [0, 2], [1, 31], [0, 11], [0, 99],
                                    [1, 63], [-1, 39], [0, 1], [0, 3]], {"age": 0}),
}
MODELS = ("tree", "boosted", "logistic", "mlp")
OWN = ("screen", "walk", "cover", "manifold")


def fitted(kind: str, x: Any, y: Any, table: str) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    if kind == "tree":
        return DecisionTreeClassifier(random_state=0).fit(x, y)
    if kind == "boosted":
        return HistGradientBoostingClassifier(random_state=0).fit(x, y)
    if kind == "logistic":
        return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(x, y)
    rounds = 200 if table == "credit" else 30
    return make_pipeline(StandardScaler(), MLPClassifier((64, 32, 16, 8, 4), max_iter=rounds, random_state=0)).fit(x, y)


def task(table: str, protected: str, kind: str, held: dict[tuple[str, str], Any]) -> tuple[Any, Space, Any]:
    """Return a loaded model, its space, and the rows of the data as points."""
    name, bounds, places = TABLES[table]
    data = np.loadtxt(DATA / name, delimiter=",", skiprows=1, dtype=np.int64)
    columns = [f"x{number}" for number in range(data.shape[1] - 1)]
    if (table, kind) not in held:
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            held[table, kind] = fitted(kind, data[:, :-1].astype(np.float64), data[:, -1], table)
    model = assay.load(held[table, kind], features=columns, name=f"{table} {kind}")
    axes = [axis(name, None, declared=bounds[number]) for number, name in enumerate(columns)]
    at = places[protected]
    space = Space(tuple(each for number, each in enumerate(axes) if number != at), (axes[at],), order=tuple(columns))
    low, high = np.array(bounds).T
    clipped = np.clip(data[:, :-1], low, high) - low
    return model, space, np.delete(clipped, at, axis=1).astype(np.int16)


def bare(oracle: Oracle, seed: int = 5) -> float:
    """Return the tests a second that the model alone answers, of 20,000 or half a second."""
    points = oracle.space.uniform(20_000, np.random.default_rng(seed))
    began, done = time.perf_counter(), 0
    while done < len(points) and time.perf_counter() - began < 0.5:
        oracle.ask(points[done:done + 4_096])
        done += 4_096
    return min(done, len(points)) / (time.perf_counter() - began)


def cells(space: Space, points: Any, fives: list[Any], bins: int = 4) -> set[tuple[int, int]]:
    found = set()
    for number, places in enumerate(fives):
        code = np.zeros(len(points), np.int64)
        for place in places:
            size = int(space.sizes[place])
            code = code * bins + points[:, place].astype(np.int64) * min(bins, size) // size
        found |= {(number, int(each)) for each in np.unique(code)}
    return found


def measured(method: str, model: Any, space: Space, rows: Any, budget: int, seconds: float | None, seed: int) -> dict[str, Any]:
    oracle = Oracle(model, space)
    alone = bare(Oracle(model, space))
    wall, cpu = time.perf_counter(), time.process_time()
    if method == "manifold":
        found = search(oracle, budget=budget, seconds=seconds, method="screen", manifold=Manifold.of(space, rows), seed=seed)
    elif method in OWN:
        found = search(oracle, budget=budget, seconds=seconds, method=method, seed=seed)   # type: ignore[arg-type]
    else:
        found = reference(method, oracle, budget=budget, seconds=seconds, seed=seed)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"method": method, "seed": seed, "tests": found.tests, "found": found.found, "rate": found.rate, "per second": found.found / wall,
            "per cpu second": found.found / cpu, "bare": alone, "proposed": found.proposed, "far": apart_from_earlier(space, found.points),
            "kept": len(found.points), "stopped": found.stopped, "wall": wall, "cpu": cpu, "points": found.points}


def chosen(text: str) -> Iterable[tuple[str, str, str]]:
    for table, (_, _, places) in TABLES.items():
        for protected in places:
            for kind in MODELS:
                if all(part in f"{table} {protected} {kind}".split() for part in text.split()):
                    yield table, protected, kind


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--budget", type=int, default=200_000)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--tasks", default="")
    parser.add_argument("--methods", default="screen,walk,cover," + ",".join(REFERENCES))
    parser.add_argument("--json")
    given = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(f"the tables are not there: {DATA}")
    held: dict[tuple[str, str], Any] = {}
    out: list[dict[str, Any]] = []
    print(f"{'task':24}{'method':12}{'seed':>5}{'tests':>10}{'rate':>8}{'rate/s':>10}{'cpu/s':>10}{'bare':>11}{'far':>7}{'5-way':>7}")
    for table, protected, kind in chosen(given.tasks):
        model, space, rows = task(table, protected, kind, held)
        draw = np.random.default_rng(11)
        fives = [draw.choice(len(space.axes), 5, replace=False) for _ in range(20)]
        results = [measured(method, model, space, rows, given.budget, given.seconds, seed)
                   for method in given.methods.split(",") for seed in range(given.seeds)]
        hit = [cells(space, each.pop("points"), fives) for each in results]
        every = set().union(*hit)
        for each, own in zip(results, hit, strict=True):
            each |= {"task": f"{table} {protected} {kind}", "five": len(own) / max(len(every), 1)}
            print(f"{each['task']:24}{each['method']:12}{each['seed']:5}{each['tests']:10,}{each['rate']:8.3f}{each['per second']:10,.0f}"
                  f"{each['per cpu second']:10,.0f}{each['bare']:11,.0f}{each['far'] / max(each['kept'], 1):7.2f}{each['five']:7.2f}", flush=True)
        out += results
        if given.json:
            Path(given.json).write_text(json.dumps(out, indent=1))
    for method in dict.fromkeys(each["method"] for each in out):
        some = [each for each in out if each["method"] == method]
        rates = [each["rate"] for each in some]
        print(f"{method:24} runs {len(some):3}  rate: mean {np.mean(rates):.3f}, least {min(rates):.3f}  per cpu second: mean "
              f"{np.mean([each['per cpu second'] for each in some]):,.0f}  5-way: mean {np.mean([each['five'] for each in some]):.3f}")


if __name__ == "__main__":
    main()
