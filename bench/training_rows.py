"""Which training rows led there: how near to training without the row, and how many planted wrong labels are found.

    python bench/training_rows.py [--quick] [--only networks] [--json FILE]

A tenth of the training labels is replaced by another class (of numbers, shuffled among themselves), the model is trained on them, and
every way ranks the rows. Beside: no knowledge (0.5), the loss alone, and the screen ``suspect_labels``, which does not see the model.
Figures are areas under the curve, means over seeds. Data: scikit-learn's own, and tables of the folder beside the repository, where it is.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import json
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import stats
from sklearn import datasets
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

import assay
from assay.data.source import source
from assay.explain.training_neighbour import Neighbours
from assay.explain.training_row import TrainingRows
from assay.screen.junk import suspicions
from assay.screen.study import Study, sample
from assay.summary.target import Target

Array = np.ndarray[Any, Any]
FOLDER = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "fairness"
CODED = {"german credit": "adf-german-credit-coded.csv", "bank": "adf-bank-coded.csv", "census": "adf-census-coded.csv"}
WAYS = ("loss alone", "self-influence", "loss without the row", "harm to clean rows", "neighbours", "screen")
MOST = 3_000


def tables() -> Iterator[tuple[str, Array, Array, int]]:
    """Give name, numbers, labels and number of classes (0: a number) of each data set."""
    for name, load in (("breast cancer", datasets.load_breast_cancer), ("digits", datasets.load_digits), ("wine", datasets.load_wine)):
        x, y = load(return_X_y=True)
        yield name, x, y, int(y.max()) + 1
    for name, file in CODED.items():
        if (FOLDER / file).exists():
            every = np.genfromtxt(FOLDER / file, delimiter=",", skip_header=1)
            every = every[np.isfinite(every).all(axis=1)]
            y = (every[:, -1] > every[:, -1].min()).astype(int)
            some = np.random.default_rng(0).permutation(len(every))[:MOST]
            yield name, every[some, :-1], y[some], 2
    x, y = datasets.load_diabetes(return_X_y=True)
    yield "diabetes", x, y, 0
    x, y = datasets.make_friedman1(1500, n_features=8, noise=1.0, random_state=0)
    yield "Friedman's function", x, y, 0


def models(classes: int) -> dict[str, Any]:
    import catboost
    import lightgbm
    import xgboost
    from sklearn import ensemble, linear_model, neighbors
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    quiet = {"verbose": 0, "thread_count": 1, "allow_writing_files": False, "random_seed": 0}
    if classes:
        return {"XGBoost": xgboost.XGBClassifier(n_estimators=100, max_depth=4, learning_rate=0.1, n_jobs=1),
                "LightGBM": lightgbm.LGBMClassifier(n_estimators=100, num_leaves=15, verbose=-1, n_jobs=1),
                "CatBoost": catboost.CatBoostClassifier(iterations=100, depth=4, **quiet),
                "scikit-learn boosting": ensemble.GradientBoostingClassifier(random_state=0),
                "histogram boosting": ensemble.HistGradientBoostingClassifier(max_iter=100, random_state=0),
                "random forest": ensemble.RandomForestClassifier(100, random_state=0),
                "logistic regression": make_pipeline(StandardScaler(), linear_model.LogisticRegression(C=0.1, max_iter=2000)),
                "nearest neighbours": make_pipeline(StandardScaler(), neighbors.KNeighborsClassifier(10))}
    return {"XGBoost": xgboost.XGBRegressor(n_estimators=100, max_depth=4, learning_rate=0.1, n_jobs=1),
            "LightGBM": lightgbm.LGBMRegressor(n_estimators=100, num_leaves=15, verbose=-1, n_jobs=1),
            "CatBoost": catboost.CatBoostRegressor(iterations=100, depth=4, **quiet),
            "scikit-learn boosting": ensemble.GradientBoostingRegressor(random_state=0),
            "histogram boosting": ensemble.HistGradientBoostingRegressor(max_iter=100, random_state=0),
            "random forest": ensemble.RandomForestRegressor(100, random_state=0),
            "ridge": make_pipeline(StandardScaler(), linear_model.Ridge(1.0))}


def planted(y: Array, classes: int, rng: Any) -> tuple[Array, Array]:
    wrong = np.zeros(len(y), bool)
    wrong[rng.permutation(len(y))[:len(y) // 10]] = True
    out = y.copy()
    out[wrong] = (out[wrong] + rng.integers(1, classes, wrong.sum())) % classes if classes else rng.permutation(out[wrong])
    return out, wrong


def graded(name: str, estimator: Any, x: Array, y: Array, classes: int, seed: int) -> tuple[str, dict[str, float]]:
    """Return the method, and the area under the curve of each way."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(y))
    held, train = order[:len(y) // 4], order[len(y) // 4:]
    labels, wrong = planted(y[train], classes, rng)
    names = [f"c{place}" for place in range(x.shape[1])]
    table, other = (pa.table(dict(zip(names, x[part].T, strict=True))) for part in (train, held))
    model = assay.load(clone(estimator).fit(x[train], labels), features=names)
    rows = TrainingRows.of(model, table, labels)
    scores = {"loss alone": rows.cost(), "self-influence": rows.own(), "loss without the row": rows.suspicion(),
              "harm to clean rows": rows.harm(other, y[held])}
    if name == "LightGBM":   # ways that do not look at the model, once
        near = Neighbours.of(table.to_batches()[0], labels.astype(float), classes=classes or None)
        assert near is not None
        scores["neighbours"] = near.harm()
        if classes:
            drawn = sample(source(table.append_column("label", pa.array(labels)), label="label"))
            task = "binary" if classes == 2 else "multiclass"
            found = suspicions(Study(drawn, target=Target(task, tuple(range(classes)), 1 if classes == 2 else None)))
            if not isinstance(found, str):
                scores["screen"] = np.zeros(len(labels))
                scores["screen"][found[0]] = found[1]
    return rows.method, {way: float(roc_auc_score(wrong, score)) for way, score in scores.items()}


def network(x: Array, y: Array, classes: int, seed: int, epochs: int) -> list[Any]:
    """Return a network of two hidden layers at five times of its training by PyTorch, the last when it ended."""
    if str(Path(__file__).parent) in sys.path:   # PyTorch imports the standard library's profile, not the benchmark of that name
        sys.path.remove(str(Path(__file__).parent))
    import torch

    torch.manual_seed(seed)
    given, truth = torch.tensor(x, dtype=torch.float32), torch.tensor(y)
    net = torch.nn.Sequential(torch.nn.Linear(x.shape[1], 64), torch.nn.ReLU(), torch.nn.Linear(64, 32), torch.nn.ReLU(),
                              torch.nn.Linear(32, max(classes, 1)))
    lost = torch.nn.functional.cross_entropy if classes else lambda said, wanted: ((said[:, 0] - wanted) ** 2).mean()
    steps, found = torch.optim.AdamW(net.parameters(), lr=2e-3), []
    for epoch in range(1, epochs + 1):
        for some in torch.randperm(len(y)).split(64):
            steps.zero_grad()
            lost(net(given[some]), truth[some] if classes else truth[some].float()).backward()
            steps.step()
        if epoch % (epochs // 5) == 0:
            found.append(copy.deepcopy(net))
    return found


def traced(x: Array, y: Array, classes: int, seed: int, epochs: int) -> dict[str, float]:
    """Return the area under the curve of each way for a network: of the trained weights, and of checkpoints."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(y))
    held, train = order[:len(y) // 4], order[len(y) // 4:]
    x = (x - x[train].mean(axis=0)) / np.maximum(x[train].std(axis=0), 1e-9)
    y = y if classes else (y - y[train].mean()) / y[train].std()
    labels, wrong = planted(y[train], classes, rng)
    names = [f"c{place}" for place in range(x.shape[1])]
    table, other = (pa.table(dict(zip(names, x[part].T, strict=True))) for part in (train, held))
    said: dict[str, Any] = {"task": "regression"} if not classes else {
        "task": "binary" if classes == 2 else "multiclass", "classes": list(range(classes)), "activation": "softmax"}
    *earlier, last = (assay.load(each, features=names, **said) for each in network(x[train], labels, classes, seed, epochs))
    alone = TrainingRows.of(last, table, labels)
    followed = TrainingRows.of(last, table, labels, checkpoints=earlier)
    assert alone.method == followed.method == "TracIn"
    scores = {f"{way}{end}": score for end, rows in (("", alone), (", checkpoints", followed)) for way, score in (
        ("loss alone", rows.cost()), ("self-influence", rows.own()), ("loss without the row", rows.suspicion()),
        ("harm to clean rows", rows.harm(other, y[held])))}
    return {way: float(roc_auc_score(wrong, score)) for way, score in scores.items()}


def networks(seeds: int) -> dict[str, dict[str, float]]:
    """Print and return the areas of networks by how long they were trained, means over data sets and seeds."""
    found: dict[str, dict[str, float]] = {}
    for epochs in (20, 100):
        for kind in ("classes", "numbers"):
            every: dict[str, list[float]] = defaultdict(list)
            for _, x, y, classes in tables():
                if bool(classes) == (kind == "classes"):
                    for seed in range(seeds):
                        for way, area in traced(x, y, classes, seed, epochs).items():
                            every[way].append(area)
            found[f"network, {epochs} epochs, {kind}"] = means = {way: float(np.mean(areas)) for way, areas in every.items()}
            print(f"network, {epochs} epochs, {kind}: " + ", ".join(f"{way} {area:.3f}" for way, area in means.items()), flush=True)
    return found


def left_out() -> dict[str, float]:
    """Return how near the linear ways are to training without the row."""
    from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge

    found: dict[str, float] = {}
    x, y = datasets.load_diabetes(return_X_y=True)
    x = x * 10
    for estimator in (LinearRegression(), Ridge(3.0), PoissonRegressor(alpha=1e-4, tol=1e-9, max_iter=1000)):
        expected, told = _both(estimator, x, y, lambda model, rows: np.log(model.predict(rows)) if "Poisson" in str(model) else model.predict(rows))
        kind = type(estimator).__name__
        if kind != "PoissonRegressor":
            found[f"{kind}: largest error"] = float(np.abs(expected - told).max())
        found[f"{kind}: correlation"] = float(np.corrcoef(expected.ravel(), told.ravel())[0, 1])
    for load in (datasets.load_breast_cancer, datasets.load_wine):
        x, y = load(return_X_y=True)
        x, y = (x - x.mean(axis=0)) / x.std(axis=0), (y > 0).astype(int)
        for c in (0.1, 1.0):
            expected, told = _both(LogisticRegression(C=c, tol=1e-8, max_iter=5000), x, y, lambda model, rows: model.decision_function(rows))
            found[f"logistic, C={c}, {load.__name__[5:]}: correlation"] = float(np.corrcoef(expected.ravel(), told.ravel())[0, 1])
    return found


def _both(estimator: Any, x: Array, y: Array, ask: Any) -> tuple[Array, Array]:
    whole = clone(estimator).fit(x, y)
    some = range(0, len(y), max(1, len(y) // 100))
    expected = np.array([ask(whole, x[:20]) - ask(clone(estimator).fit(np.delete(x, each, 0), np.delete(y, each)), x[:20]) for each in some]).T
    names = [f"c{place}" for place in range(x.shape[1])]
    table = pa.table(dict(zip(names, x.T, strict=True)))
    return expected, TrainingRows.of(assay.load(whole, features=names), table, y).answer(table[:20])[:, list(some)]


def taken_out(seeds: int) -> dict[str, float]:
    """Return, for boosted trees, how far an answer falls where the tenth of the rows that raised it most is not trained on, and by chance."""
    found: dict[str, list[float]] = defaultdict(list)
    x, y = datasets.make_friedman1(600, n_features=8, noise=1.0, random_state=1)
    names = [f"c{place}" for place in range(8)]
    table = pa.table(dict(zip(names, x.T, strict=True)))
    for name in ("XGBoost", "LightGBM", "CatBoost", "random forest"):
        estimator = clone(models(0)[name]).fit(x, y)
        moved = TrainingRows.of(assay.load(estimator, features=names), table, y).answer(table[:6 * seeds:6])
        rng = np.random.default_rng(0)
        for row in range(len(moved)):
            at = x[[6 * row]]
            for way, order in (("told", np.argsort(-moved[row])), ("by chance", rng.permutation(len(y)))):
                again = clone(estimator).fit(x[order[60:]], y[order[60:]])
                found[f"{name}: {way}"].append(float(estimator.predict(at)[0] - again.predict(at)[0]))
    return {name: float(np.mean(falls)) for name, falls in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", choices=("networks",), help="networks alone, which need PyTorch")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    seeds = 1 if given.quick else 3
    if given.only:
        found = networks(seeds)
        if given.json:
            given.json.write_text(json.dumps({"networks": found}, indent=1))
        return
    began = time.process_time()
    linear = left_out()
    print("beside training without the row:")
    for name, value in linear.items():
        print(f"  {name:45} {value:.3g}" if "error" in name else f"  {name:45} {value:.6f}")
    falls = taken_out(2 if given.quick else 5)
    print("fall of an answer without the tenth of the rows that raised it most, spread of the label 5.0:")
    for name, value in falls.items():
        print(f"  {name:45} {value:+.3f}")
    results: list[dict[str, Any]] = []
    for name, x, y, classes in tables():
        for called, estimator in models(classes).items():
            made: dict[str, list[float]] = defaultdict(list)
            method = ""
            for seed in range(1 if given.quick else 3):
                method, scores = graded(called, estimator, x, y, classes, seed)
                for way, value in scores.items():
                    made[way].append(value)
            results.append({"data": name, "model": called, "method": method, **{way: float(np.mean(each)) for way, each in made.items()}})
            print(f"  {name:20} {called:22} {method:30} " + "  ".join(f"{way} {results[-1][way]:.3f}" for way in WAYS if way in results[-1]), flush=True)
    summed = summary(results)
    print("mean over data sets, classes and numbers apart:")
    for line in summed:
        print("  " + "  ".join(f"{key} {value:.3f}" if isinstance(value, float) else f"{value:28}" for key, value in line.items()))
    nets = networks(seeds) if importlib.util.find_spec("torch") else {}
    if not nets:
        print("networks: skipped, PyTorch is not installed")
    print(f"CPU {time.process_time() - began:.0f} s; numpy {np.__version__}, Python {sys.version.split()[0]}")
    if given.json:
        given.json.write_text(json.dumps({"linear": linear, "taken out": falls, "noise": results, "means": summed, "networks": nets}, indent=1))


def summary(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return means by method, with how often the ranking beats the loss alone, and the sign test of that."""
    out: list[dict[str, Any]] = []
    numbers = ("diabetes", "Friedman's function")
    for kind in ("classes", "numbers"):
        for method in dict.fromkeys(each["method"] for each in results):
            some = [each for each in results if each["method"] == method and (each["data"] in numbers) == (kind == "numbers")]
            if not some:
                continue
            line: dict[str, Any] = {"method": f"{method}, {kind}"}
            line |= {way: float(np.mean([each[way] for each in some if way in each])) for way in WAYS if any(way in each for each in some)}
            for way in ("self-influence", "loss without the row"):
                gains = [each[way] - each["loss alone"] for each in some if abs(each[way] - each["loss alone"]) > 1e-9]
                if gains:
                    line[f"{way} better, share"] = float(np.mean(np.array(gains) > 0))
                    line[f"{way}, p"] = float(stats.binomtest(sum(gain > 0 for gain in gains), len(gains)).pvalue)
            out.append(line)
    return out


if __name__ == "__main__":
    main()
