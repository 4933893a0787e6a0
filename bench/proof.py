"""What is proved of models within a minute: one tree, a linear model, forests and boosted trees, on the coded tables and on categories.

    python bench/proof.py [--shared DIR] [--seconds 60] [--tasks census-sex,credit-sex,bank-age] [--models tree]

A line a model: what is proved of the share of all inputs that is answered otherwise with other protected values (``exact``, or from a bound to a
bound; what lies between is undecided), how many boxes were compared, and CPU seconds. Goals: one tree in 1 s, a linear model in 3 s, 20
boosted trees in 10 s; 100 boosted trees proved, refuted, or the undecided volume stated, within 60 s. Categories: the census table with six of its
columns in one-hot parts.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.append(sys.path.pop(0))   # numba asks for the package coverage, and must not find the benchmark of that name beside this file

import numpy as np
import pyarrow as pa
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

import assay
from assay.probe.certificate import certificate
from assay.probe.space import Axis, Space

from fairness import ROOT, TABLES, axis  # isort: skip (a benchmark beside this one)

GOALS = {"tree": 1.0, "linear": 3.0, "20 boosted": 10.0, "100 boosted": 60.0}
WORDS = ("x1", "x3", "x5", "x6", "x7", "x12")   # of census: kinds of work, education, marriage and so on


def models(only: str) -> dict[str, Any]:
    """Return the models by name, not fitted: all, or those named."""
    every = {"tree": DecisionTreeClassifier(random_state=0), "linear": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000)),
            "5 boosted": HistGradientBoostingClassifier(max_iter=5, random_state=0),
            "20 boosted": HistGradientBoostingClassifier(max_iter=20, random_state=0),
            "100 boosted": HistGradientBoostingClassifier(max_iter=100, random_state=0),
            "100 boosted, depth 3": GradientBoostingClassifier(n_estimators=100, max_depth=3, random_state=0),
            "forest of 20, depth 8": RandomForestClassifier(20, max_depth=8, random_state=0)}
    return {name: each for name, each in every.items() if not only or name in only.split(",")}


def told(task: str, name: str, model: Any, space: Space, seconds: float) -> None:
    """Print the line of a model."""
    began = time.process_time()
    found = certificate(model, space, seconds=seconds)
    spent = time.process_time() - began
    if found is None:
        print(f"{task:12} {name:24} nothing is proved", flush=True)
        return
    apart = found.high - found.low
    what = (f"exact, {100 * found.low:.6g} %" if apart < 1e-9 else f"{100 * found.low:.4g} to {100 * found.high:.4g} %, undecided {100 * apart:.3g} %")
    goal = next((f"goal {most:g} s: {'met' if spent <= most * 1.02 else 'missed'}" for each, most in GOALS.items() if name == each), "")
    print(f"{task:12} {name:24} {what:46} {found.looked:10,} boxes {spent:7.2f} s CPU  {goal}", flush=True)


def coded(shared: Path, task: str, seconds: float, only: str) -> None:
    """Prove what can be proved on one of the coded tables."""
    table, _, protected = task.partition("-")
    name, bounds, places = TABLES[table]
    data = np.loadtxt(shared / "data" / "fairness" / name, delimiter=",", skiprows=1, dtype=np.int64)
    columns = [f"x{number}" for number in range(data.shape[1] - 1)]
    axes = [axis(each, None, declared=bounds[number]) for number, each in enumerate(columns)]
    at = places[protected]
    space = Space(tuple(each for number, each in enumerate(axes) if number != at), (axes[at],), order=tuple(columns))
    for kind, own in models(only).items():
        told(task, kind, assay.load(own.fit(data[:, :-1].astype(float), data[:, -1]), features=columns), space, seconds)


def categories(shared: Path, seconds: float, only: str) -> None:
    """Prove what can be proved where columns of census are categories in one-hot parts."""
    name, bounds, _ = TABLES["census"]
    data = np.loadtxt(shared / "data" / "fairness" / name, delimiter=",", skiprows=1, dtype=np.int64)
    columns = [f"x{number}" for number in range(13)]
    table = pa.table({each: (np.char.add("k", data[:, place].astype(str)) if each in WORDS else data[:, place])
                      for place, each in enumerate(columns)})
    axes: dict[str, Axis] = {each: axis(each, table[each]) if each in WORDS else axis(each, None, declared=bounds[place])
                             for place, each in enumerate(columns)}
    for protected in ("x8", "x7"):   # sex, and race, which is in one-hot parts itself
        space = Space(tuple(each for other, each in axes.items() if other != protected), (axes[protected],), order=tuple(columns))
        for kind, own in models(only).items():
            split = make_column_transformer((OneHotEncoder(sparse_output=False, handle_unknown="ignore"), list(WORDS)), remainder="passthrough")
            model = assay.load(make_pipeline(split, own).fit(table.to_pandas(), data[:, -1]))
            told(f"one-hot, {'sex' if protected == 'x8' else 'race'}", kind, model, space, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--tasks", default="census-sex,credit-sex,bank-age,categories")
    parser.add_argument("--models", default="", help="those of the models to prove, by name and with commas; all by default")
    given = parser.parse_args()
    for task in given.tasks.split(","):
        if task == "categories":
            categories(given.shared, given.seconds, given.models)
        else:
            coded(given.shared, task, given.seconds, given.models)


if __name__ == "__main__":
    main()
