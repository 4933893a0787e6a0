"""Remedies on the coded tables and the score files of the literature: what is left of discrimination, and what it costs.

    python bench/remedy.py [--shared DIR] [--jobs N] [--parts retrain,thresholds,repair] [--tasks TEXT,TEXT] [--seeds 0,1,2] [--budget N]
                           [--folds N] [--json FILE]
    python bench/remedy.py --table FILE FILE ...

``retrain``: the 24 tasks of ``bench/fairness.py``; 70 % of the rows are trained on, all numbers are of the rest. ``space`` is the share of all
inputs that are answered otherwise with other protected values (20,000 even draws), ``rows`` that of held-out rows, ``left`` what is left of
each. ``both`` is assay's (found inputs and completed rows, the amount chosen within the training rows), ``found`` has found inputs only, as
the published tools, ``ordinary`` as many rows of the data again as ``both`` added, ``without`` has no protected column at all.
``thresholds``: the score files; the loss of equalised odds beside a linear program over every threshold, and beside the program of the
published code over four chances. ``repair``: level 1 on census and bank; the largest Kolmogorov-Smirnov distance between groups of any
column beside what two random halves have, whether ranks hold, and how well boosted trees tell the group from all columns together.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
from fairness import MODELS, TABLES, fitted

import assay
from assay.errors import DataError
from assay.model import guard
from assay.model.refit import refit
from assay.probe.discrimination import actual, even
from assay.probe.oracle import Oracle
from assay.probe.space import Space, axis
from assay.remedy.disparate_impact import WAYS, Repair
from assay.remedy.retrain import Amount, ordinary, retraining
from assay.remedy.threshold import EQUALS, curve, thresholds

ROOT = Path(__file__).resolve().parent.parent
DRAWS = 20_000
TRAINED = 0.7
SCORES = ("income", "health")
Row = dict[str, Any]


# retraining ---------------------------------------------------------------------------------------------------------------


def read(shared: Path, table: str, protected: str) -> tuple[Any, Any, Space, list[str]]:
    name, bounds, places = TABLES[table]
    data = np.loadtxt(shared / "data" / "fairness" / name, delimiter=",", skiprows=1, dtype=np.int64)
    columns = [f"x{number}" for number in range(data.shape[1] - 1)]
    axes = [axis(name, None, declared=bounds[number]) for number, name in enumerate(columns)]
    at = places[protected]
    low, high = np.array(bounds).T
    space = Space(tuple(each for number, each in enumerate(axes) if number != at), (axes[at],), order=tuple(columns))
    return np.clip(data[:, :-1], low, high), data[:, -1], space, columns


def retrained(shared: Path, name: str, seed: int, budget: int, folds: int) -> list[Row]:
    """Return a row for each way of one task: accuracy and shares on rows held out."""
    table, protected, kind = name.split()
    numbers, labels, space, columns = read(shared, table, protected)
    order = np.random.default_rng([seed, 70]).permutation(len(labels))
    cut = int(TRAINED * len(labels))
    trained, held = np.sort(order[:cut]), np.sort(order[cut:])
    whole = pa.table({column: numbers[:, place] for place, column in enumerate(columns)})
    train, test = whole.take(pa.array(trained)), whole.take(pa.array(held))
    own = fitted(kind, numbers[trained].astype(np.float64), labels[trained], table)
    model = assay.load(own, features=columns, name=name)
    batch, points = test.combine_chunks().to_batches()[0], space.snapped(test)[0]
    fit = refit(model)
    assert fit is not None
    out: list[Row] = []

    def told(way: str, made: Any, seconds: float, **more: Any) -> None:
        said = guard.answer(made, batch).prediction
        oracle = Oracle(made, space)
        out.append({"part": "retrain", "task": name, "seed": seed, "way": way, "accuracy": float((said == labels[held]).mean()),
                    "positive": float(np.mean(said)), "space": even(oracle, DRAWS, seed=1_000 + seed).share,
                    "rows": actual(oracle, points, DRAWS, seed=seed).share, "cpu": seconds, **more})

    told("before", model, 0.0)
    for way, amounts in (("both", None), ("found", (Amount(0.2), Amount(1.0)))):
        began = time.process_time()
        extra = {} if amounts is None else {"amounts": amounts}
        done = retraining(fit, space, train, labels[trained], budget=budget, folds=folds, seed=seed, **extra)
        told(way, done.model, time.process_time() - began, amount=str(done.chosen), added=done.added,
             trials=[[str(each.amount), each.accuracy, each.space, each.rows] for each in done.trials])
        if way == "both":
            told("ordinary", ordinary(fit, train, labels[trained], done.added, seed=seed), 0.0, added=done.added)
    name_ = space.protected[0].name
    rest = [column for column in columns if column != name_]
    matrix = np.stack([train[column].to_numpy() for column in rest], axis=1).astype(np.float64)
    bare = assay.load(fitted(kind, matrix, labels[trained], table), features=rest)
    said = guard.answer(bare, batch).prediction
    out.append({"part": "retrain", "task": name, "seed": seed, "way": "without", "accuracy": float((said == labels[held]).mean()),
                "positive": float(np.mean(said)), "space": 0.0, "rows": 0.0, "cpu": 0.0})
    return out


# thresholds ---------------------------------------------------------------------------------------------------------------


def every(scores: Any, labels: Any, groups: Any, equal: str) -> float:
    """Return the least loss of a linear program over every threshold of each group, not over hulls."""
    from scipy.optimize import linprog

    curves = [curve(scores[groups == each], labels[groups == each]) for each in range(int(groups.max()) + 1)]
    loss = np.concatenate([each.loss((1.0, 1.0), len(labels)) for each in curves])
    ends = np.concatenate([[0], np.cumsum([len(each.cut) for each in curves])])
    rows, sides = [], []
    for place, each in enumerate(curves):
        one = np.zeros(len(loss))
        one[ends[place]:ends[place + 1]] = 1
        rows.append(one)
        sides.append(1.0)
        if place:
            rates = {"odds": ("false", "true"), "true_positive_rate": ("true",), "selection_rate": ("selected",)}[equal]
            for rate in rates:
                same = np.zeros(len(loss))
                same[:ends[1]] = getattr(curves[0], rate)
                same[ends[place]:ends[place + 1]] = -getattr(each, rate)
                rows.append(same)
                sides.append(0.0)
    return float(linprog(loss, A_eq=np.array(rows), b_eq=np.array(sides), bounds=(0, 1), method="highs-ipm").fun)


def four(decisions: Any, labels: Any, groups: Any) -> float:
    """Return the least loss of Hardt's program of decisions: the chance of a yes for each decision and group."""
    from scipy.optimize import linprog

    cells = [(decision, group) for group in (0, 1) for decision in (0, 1)]
    loss, constant, rates = [], 0.0, {0: [], 1: []}
    for decision, group in cells:
        mine = (groups == group) & (decisions == decision)
        loss.append((np.sum(mine & (labels == 0)) - np.sum(mine & (labels == 1))) / len(labels))
        for label in (0, 1):
            share = np.sum(mine & (labels == label)) / np.sum((groups == group) & (labels == label))
            rates[label].append(share if group == 0 else -share)
    constant = float(np.mean(labels == 1))
    return float(linprog(loss, A_eq=np.array([rates[0], rates[1]]), b_eq=[0, 0], bounds=(0, 1), method="highs").fun) + constant


def scored(shared: Path, name: str, seed: int) -> list[Row]:
    with (shared / "data" / "fairness" / f"pleiss-{name}-scores.csv").open(newline="") as file:
        head, *lines = csv.reader(file)
    numbers = np.array(lines, np.float64)
    labels, groups, scores = (numbers[:, head.index(each)] for each in ("label", "group", "prediction"))
    labels, groups = labels.astype(int), groups.astype(int)
    out: list[Row] = []
    for equal in EQUALS:
        for randomised in (True, False):
            began = time.process_time()
            found = thresholds(scores, labels, groups, equal=equal, randomised=randomised)
            out.append({"part": "thresholds", "task": name, "seed": seed, "way": f"{equal}, {'mixed' if randomised else 'single'}",
                        "cpu": time.process_time() - began, "loss": found.loss, "apart": found.apart,
                        "program": every(scores, labels, groups, equal), "before": float(np.mean((scores >= 0.5) != labels))})
    decided = (scores >= 0.5).astype(int)
    hard = thresholds(decided.astype(float), labels, groups, equal="odds")
    out.append({"part": "thresholds", "task": name, "seed": seed, "way": "odds of decisions", "cpu": 0.0, "loss": hard.loss,
                "apart": hard.apart, "program": four(decided, labels, groups), "before": float(np.mean(decided != labels))})
    # half of the rows chosen on, half looked at
    first = np.random.default_rng([seed, 71]).random(len(labels)) < 0.5
    for equal in EQUALS:
        try:
            found = thresholds(scores[first], labels[first], groups[first], equal=equal)
        except DataError as error:
            print(f"{name}, half of the rows: {error}", file=sys.stderr)
            continue
        rest = ~first
        chance = np.concatenate([rule.chance(scores[rest & (groups == group)]) for group, rule in enumerate(found.rules)])
        truth = np.concatenate([labels[rest & (groups == group)] for group in (0, 1)])
        sides = np.concatenate([np.full(int(np.sum(rest & (groups == group))), group) for group in (0, 1)])
        rates = {"true_positive_rate": [1], "odds": [0, 1], "selection_rate": [None]}[equal]
        apart = max(abs(float(np.subtract(*[chance[(sides == group) & ((truth == label) | (label is None))].mean() for group in (0, 1)])))
                    for label in rates)
        out.append({"part": "thresholds", "task": name, "seed": seed, "way": f"{equal}, held out", "cpu": 0.0, "apart": apart,
                    "loss": float(np.mean(np.where(truth == 1, 1 - chance, chance))), "program": None,
                    "before": float(np.mean((scores[rest] >= 0.5) != labels[rest]))})
    return out


# repair -------------------------------------------------------------------------------------------------------------------


def repaired(shared: Path, name: str, seed: int) -> list[Row]:
    from scipy.stats import ks_2samp
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    table, protected = name.split()
    numbers, _, space, columns = read(shared, table, protected)
    by = columns.index(space.protected[0].name)
    groups = numbers[:, by] if len(np.unique(numbers[:, by])) == 2 else (numbers[:, by] >= np.median(numbers[:, by])).astype(int)
    given = numbers.astype(np.float64)
    given[:, by] = groups
    half = np.random.default_rng([seed, 72]).random(len(groups)) < 0.5

    def distance(rows: Any, sides: Any) -> float:
        return max(float(ks_2samp(rows[sides, place], rows[~sides, place]).statistic) for place in range(rows.shape[1]) if place != by)

    def told(rows: Any) -> float:
        model = HistGradientBoostingClassifier(max_iter=60, random_state=0)
        return float(cross_val_score(model, np.delete(rows, by, axis=1), groups, cv=StratifiedKFold(3, shuffle=True, random_state=0), scoring="roc_auc").mean())

    most = int(groups.max())
    out: list[Row] = [{"part": "repair", "task": name, "seed": seed, "way": "before", "cpu": 0.0, "distance": distance(given, groups == most),
                       "chance": distance(given, half), "ranks": True, "tells": told(given)}]
    for way in WAYS:
        began = time.process_time()
        made = Repair(by=by, way=way, seed=seed).fit_transform(given)
        seconds = time.process_time() - began
        held = all(_ranked(given[groups == group, place], made[groups == group, place])
                   for place in range(given.shape[1]) if place != by for group in np.unique(groups))
        out.append({"part": "repair", "task": name, "seed": seed, "way": way, "cpu": seconds, "distance": distance(made, groups == most),
                    "chance": out[0]["chance"], "ranks": held, "tells": told(made)})
    return out


def _ranked(before: Any, after: Any) -> bool:
    order = np.argsort(before, kind="stable")
    at = np.unique(before[order], return_index=True)[1]
    least, most = np.minimum.reduceat(after[order], at), np.maximum.reduceat(after[order], at)
    return bool((most[:-1] <= least[1:] + 1e-9).all())


# all ----------------------------------------------------------------------------------------------------------------------


PARTS: dict[str, list[str]] = {
    "retrain": [f"{table} {protected} {kind}" for kind in ("mlp", "boosted", "tree", "logistic") if kind in MODELS
                for table, (_, _, places) in TABLES.items() for protected in places],
    "thresholds": list(SCORES), "repair": ["census sex", "census age", "bank age"]}


def work(part: str, shared: Path, name: str, seed: int, budget: int, folds: int) -> list[Row]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if part == "retrain":
            return retrained(shared, name, seed, budget, folds)
        return (scored if part == "thresholds" else repaired)(shared, name, seed)


def shown(rows: Sequence[Row]) -> None:
    """Print the table of each part: the mean over tasks, and each task's mean over seeds."""
    retrain = [each for each in rows if each["part"] == "retrain"]
    before = {(each["task"], each["seed"]): each for each in retrain if each["way"] == "before"}
    ways = list(dict.fromkeys(each["way"] for each in retrain))

    def line(title: str, some: Sequence[Row]) -> None:
        if not some:
            return
        old = [before[each["task"], each["seed"]] for each in some]
        left = {kind: np.mean([each[kind] for each in some]) / max(np.mean([each[kind] for each in old]), 1e-9) for kind in ("space", "rows")}
        cost = [100 * (one["accuracy"] - each["accuracy"]) for one, each in zip(old, some, strict=True)]
        error = np.std(cost, ddof=1) / np.sqrt(len(cost)) if len(cost) > 1 else float("nan")
        print(f"{title:26}{some[0]['way']:10} space {np.mean([each['space'] for each in some]):.4f} (-{100 * (1 - left['space']):5.1f} %)  rows "
              f"{np.mean([each['rows'] for each in some]):.4f} (-{100 * (1 - left['rows']):5.1f} %)  accuracy "
              f"{100 * np.mean([each['accuracy'] for each in some]):.2f}, cost {np.mean(cost):+.2f} +- {error:.2f}  cpu "
              f"{np.mean([each['cpu'] for each in some]):.0f}")

    for task in dict.fromkeys(each["task"] for each in retrain):
        for way in ways:
            line(task, [each for each in retrain if each["task"] == task and each["way"] == way])
    groups: list[tuple[str, Callable[[str], bool]]] = [("all tasks", lambda name: True)]
    groups += [(each, lambda name, each=each: each in name.split()) for each in (*TABLES, *MODELS)]   # type: ignore[misc]
    for title, inside in groups:
        for way in ways:
            some = [each for each in retrain if each["way"] == way and inside(each["task"])]
            line(title, some)
            if some and way != "before" and title == "all tasks":
                by = [(1 - np.mean([each[kind] / max(before[each["task"], each["seed"]][kind], 1e-9) for each in some
                                    if before[each["task"], each["seed"]][kind] > 0])) * 100 for kind in ("space", "rows")]
                print(f"{'':26}mean of the tasks' own reductions: space {by[0]:.1f} %, rows {by[1]:.1f} %")
    for each in rows:
        if each["part"] == "thresholds":
            program = "" if each["program"] is None else f"  program {each['program']:.6f}  off by {abs(each['program'] - each['loss']):.1e}"
            print(f"{each['task']:10}seed {each['seed']} {each['way']:30} loss {each['loss']:.6f}{program}  apart {each['apart']:.4f}  "
                  f"before {each['before']:.4f}")
    for each in rows:
        if each["part"] == "repair":
            print(f"{each['task']:12}seed {each['seed']} {each['way']:14} distance {each['distance']:.4f} (two halves {each['chance']:.4f})  "
                  f"ranks {'held' if each['ranks'] else 'changed'}  group told with AUC {each['tells']:.3f}  cpu {each['cpu']:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--parts", default="retrain,thresholds,repair")
    parser.add_argument("--tasks", default="")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--budget", type=int, default=20_000)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--table", nargs="+", type=Path)
    given = parser.parse_args()
    if given.table:
        shown([each for path in given.table for each in json.loads(path.read_text())])
        return
    if not (given.shared / "data" / "fairness").is_dir():
        sys.exit(f"the tables are not there: {given.shared}")
    texts = [each.strip() for each in given.tasks.split(",") if each.strip()]
    jobs = [(part, name, int(seed)) for part in given.parts.split(",") for name in PARTS[part] for seed in given.seeds.split(",")
            if not texts or any(set(text.split()) <= set(name.split()) for text in texts)]
    rows: list[Row] = []
    with ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(work, part, given.shared, name, seed, given.budget, given.folds): (part, name, seed)
                   for part, name, seed in jobs}
        for each in as_completed(waiting):
            rows += each.result()
            print(*waiting[each], "done", file=sys.stderr, flush=True)
            if given.json:
                given.json.write_text(json.dumps(rows, indent=1))
    shown(sorted(rows, key=lambda each: (each["part"], each["task"], each["seed"])))


if __name__ == "__main__":
    main()
