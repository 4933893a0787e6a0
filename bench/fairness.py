"""The search for individual discrimination on the coded tables of the literature, against the published strategies.

    python bench/fairness.py [--shared DIR] [--jobs N] [--tasks TEXT,TEXT] [--seeds 0,1,2] [--budget N] [--methods screen,walk,...]
                             [--seconds S] [--json FILE]
    python bench/fairness.py --table FILE FILE ...

Census, credit and bank, as the published tools code them, each with four models of scikit-learn, trained on all rows, and one protected
attribute: 24 tasks, named ``census sex tree``. A process does one task with one seed; ``--jobs`` of them run at a time, with one thread each. ``--table`` joins what several runs wrote. A test is one non-protected vector with all its protected values; a find is a tested
vector whose classes differ; no vector is tested twice.

Methods: ``screen``, ``walk``, ``cover`` and ``auto`` (assay's, ``budget`` tests), ``manifold`` (near real rows, half the budget), ``speed``
(the walk for ``--seconds``, to be run with few jobs), and the reference strategies. ``rate`` is finds per test, ``rate/s`` finds per second of
wall time, ``cpu/s`` of CPU time, ``bare`` the tests a second that scikit-learn alone answers from a ready matrix, ``far`` the share of finds at
Hamming distance 2 or more from every earlier one, ``5-way`` the cells hit by finds in 20 random sets of five attributes with at most 4 bins
each, ``leaves`` of a tree the pairs of leaves of different classes that two variants of a find fall into, of those that exist. The table
gives the last two also relative to ``regions``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

import assay
from assay.probe.discrimination import apart_from_earlier, distances
from assay.probe.oracle import Oracle
from assay.probe.reference import REFERENCES, reference
from assay.probe.search import Manifold, search
from assay.probe.space import Space, axis

ROOT = Path(__file__).resolve().parent.parent
TABLES: dict[str, tuple[str, list[list[int]], dict[str, int]]] = {
    "census": ("adf-census-coded.csv", [[1, 9], [0, 7], [0, 39], [0, 15], [0, 6], [0, 13], [0, 5], [0, 4], [0, 1], [0, 99], [0, 39], [0, 99],
                                        [0, 39]], {"age": 0, "race": 7, "sex": 8}),
    "credit": ("adf-german-credit-coded.csv", [[0, 3], [1, 80], [0, 4], [0, 10], [1, 200], [0, 4], [0, 4], [1, 4], [0, 1], [0, 2], [1, 4],
                                               [0, 3], [1, 8], [0, 2], [0, 2], [1, 4], [0, 3], [1, 2], [0, 1], [0, 1]], {"sex": 8, "age": 12}),
    "bank": ("adf-bank-coded.csv", [[1, 9], [0, 11], [0, 2], [0, 3], [0, 1], [-20, 179], [0, 1], [0, 1], [0, 2], [1, 31], [0, 11], [0, 99],
                                    [1, 63], [-1, 39], [0, 1], [0, 3]], {"age": 0}),
}
MODELS = ("tree", "boosted", "logistic", "mlp")
SLOW = ("boosted", "mlp", "tree", "logistic")   # the slowest first, so that none is left at the end
OWN = ("screen", "walk", "cover", "auto")
METHODS = (*OWN, "manifold", *REFERENCES)
ENDLESS = 10**10


# one task -----------------------------------------------------------------------------------------------------------------


def fitted(kind: str, x: Any, y: Any, table: str) -> Any:
    """Return a model of scikit-learn."""
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


def task(shared: Path, table: str, protected: str, kind: str) -> tuple[Any, Any, Space, Any]:
    """Return the model of scikit-learn, as assay loads it, its space, and the rows of the data as points."""
    name, bounds, places = TABLES[table]
    data = np.loadtxt(shared / "data" / "fairness" / name, delimiter=",", skiprows=1, dtype=np.int64)
    columns = [f"x{number}" for number in range(data.shape[1] - 1)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        own = fitted(kind, data[:, :-1].astype(np.float64), data[:, -1], table)
    model = assay.load(own, features=columns, name=f"{table} {kind}")
    axes = [axis(name, None, declared=bounds[number]) for number, name in enumerate(columns)]
    at = places[protected]
    space = Space(tuple(each for number, each in enumerate(axes) if number != at), (axes[at],), order=tuple(columns))
    low, high = np.array(bounds).T
    clipped = np.clip(data[:, :-1], low, high) - low
    return own, model, space, np.delete(clipped, at, axis=1).astype(np.int16)


def matrix(space: Space, points: Any) -> Any:
    """Return the rows of points with all variants as scikit-learn reads them."""
    batch = space.batch(points)
    return np.stack([column.to_numpy() for column in batch.columns], axis=1).astype(np.float64)


def bare(own: Any, space: Space, seconds: float = 0.5) -> float:
    """Return the tests a second that scikit-learn answers alone, 8,192 rows at a time from a ready matrix."""
    rows = matrix(space, space.uniform(8_192 // len(space.variants), np.random.default_rng(5)))
    own.predict(rows)
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        own.predict(rows)
        done += len(rows)
    return done / (time.perf_counter() - began) / len(space.variants)


def cells(space: Space, points: Any, bins: int = 4) -> int:
    """Return how many cells of random sets of five attributes the points are in."""
    draw = np.random.default_rng(11)
    found = 0
    for _ in range(20):
        code = np.zeros(len(points), np.int64)
        for place in draw.choice(len(space.axes), 5, replace=False):
            size = int(space.sizes[place])
            code = code * bins + points[:, place].astype(np.int64) * min(bins, size) // size
        found += len(np.unique(code))
    return found


def leaves(own: Any, space: Space, points: Any) -> int:
    """Return how many pairs of leaves of different classes the variants of points fall into."""
    grown = own.tree_
    decided = np.argmax(grown.value[:, 0, :], axis=1)
    at = own.apply(matrix(space, points)).reshape(len(space.variants), len(points))
    seen: set[int] = set()
    for one in range(len(at)):
        for other in range(one + 1, len(at)):
            apart = decided[at[one]] != decided[at[other]]
            low, high = np.minimum(at[one], at[other])[apart], np.maximum(at[one], at[other])[apart]
            seen |= set(np.unique(low.astype(np.int64) * grown.node_count + high).tolist())
    return len(seen)


def every_leaf(own: Any, space: Space) -> int:
    """Return how many such pairs there are: leaves of different classes that hold one point with two of its variants."""
    grown = own.tree_
    all_axes = {each.name: each for each in (*space.axes, *space.protected)}
    order: list[Any] = [all_axes[name].numbers for name in space.order]
    low = np.zeros((grown.node_count, len(order)), np.int16)
    high = np.tile(np.array([len(each) - 1 for each in order], np.int16), (grown.node_count, 1))
    for node in range(grown.node_count):   # parents stand before their children
        left, right = grown.children_left[node], grown.children_right[node]
        if left >= 0:
            at = grown.feature[node]
            count = int((order[at] <= grown.threshold[node]).sum())
            for child in (left, right):
                low[child], high[child] = low[node], high[node]
            high[left, at] = min(high[left, at], count - 1)
            low[right, at] = max(low[right, at], count)
    ends = np.flatnonzero((grown.children_left < 0) & (low <= high).all(axis=1))
    decided = np.argmax(grown.value[:, 0, :], axis=1)
    ones, others = ends[decided[ends] == 1], ends[decided[ends] != 1]
    protected = space.order.index(space.protected[0].name)
    total = 0
    for one in ones:
        meet = ((low[others] <= high[one]) & (high[others] >= low[one]))
        meet[:, protected] = True   # two variants of a point lie in two disjoint leaves: their protected values differ of themselves
        total += int(meet.all(axis=1).sum())
    return total


def measured(method: str, own: Any, model: Any, space: Space, rows: Any, given: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Return what one method finds with one seed."""
    oracle = Oracle(model, space)
    alone = bare(own, space)
    wall, cpu = time.perf_counter(), time.process_time()
    manifold = Manifold.of(space, rows) if method == "manifold" else None
    if manifold is not None:
        found = search(oracle, budget=max(given.budget // 2, 1), method="screen", manifold=manifold, seed=seed)
    elif method == "speed":
        found = search(oracle, budget=ENDLESS, seconds=given.seconds, method="walk", seed=seed)
    elif method in OWN:
        found = search(oracle, budget=given.budget, method=method, seed=seed)   # type: ignore[arg-type]
    else:
        found = reference(method, oracle, budget=given.budget, seed=seed)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    out = {"method": method, "did": found.method, "seed": seed, "tests": found.tests, "rows": found.rows, "found": found.found, "rate": found.rate,
           "per second": found.found / wall, "per cpu second": found.found / cpu, "bare": alone, "proposed": found.proposed,
           "far": apart_from_earlier(space, found.points) / max(len(found.points), 1), "kept": len(found.points), "stopped": found.stopped,
           "wall": wall, "cpu": cpu, "five": cells(space, found.points)}
    if hasattr(own, "tree_"):
        out["leaves"] = leaves(own, space, found.points)
    if manifold is not None and found.found:
        some: Any = found.points[:: max(len(found.points) // 5_000, 1)]
        out["inside"] = float((distances(space, some, manifold.rows) <= manifold.radius + 1e-9).mean())
    return out


def done(name: tuple[str, str, str], seed: int, given: argparse.Namespace) -> list[dict[str, Any]]:
    """Return what all methods find in one task with one seed."""
    own, model, space, rows = task(given.shared, *name)
    more = {"all leaves": every_leaf(own, space)} if name[2] == "tree" else {}
    return [{"task": " ".join(name), **more, **measured(method, own, model, space, rows, given, seed)} for method in given.methods]


# many tasks ---------------------------------------------------------------------------------------------------------------


def chosen(texts: Sequence[str]) -> Iterable[tuple[str, str, str]]:
    """Yield the tasks of which every word of one of ``texts`` is a part."""
    for table, (_, _, places) in TABLES.items():
        for protected in places:
            for kind in MODELS:
                if any(all(word in (table, protected, kind) for word in text.split()) for text in texts):
                    yield table, protected, kind


def shown(each: dict[str, Any]) -> str:
    """Return one line of what came of one method in one task."""
    leaf = f"{each['leaves']:>7,}/{each['all leaves']:,}" if "leaves" in each else ""
    near = f" within the radius {each['inside']:.3f}" if "inside" in each else ""
    did = f" ({each['did']})" if each["method"] == "auto" else ""
    return (f"{each['task']:22}{each['method']:24}{each['seed']:3}{each['tests']:12,}{each['rate']:7.3f}{each['per second']:11,.0f}"
            f"{each['per cpu second']:11,.0f}{each['bare']:12,.0f}{each['far']:6.2f}{each['five']:8,}{leaf}{near}{did}")


def ran(given: argparse.Namespace) -> list[dict[str, Any]]:
    """Run all tasks, show what comes of them as it comes, and keep it."""
    names = list(chosen(given.tasks))
    if not names:
        sys.exit(f"no task is named {' or '.join(given.tasks)}: a task is named by its table, its protected column and its model")
    print(f"{'task':22}{'method':24}{'':3}{'tests':>12}{'rate':>7}{'rate/s':>11}{'cpu/s':>11}{'bare':>12}{'far':>6}{'5-way':>8} leaves",
          flush=True)
    out: list[dict[str, Any]] = []

    def take(some: list[dict[str, Any]]) -> None:
        out.extend(some)
        for each in some:
            print(shown(each), flush=True)
        if given.json:
            Path(given.json).write_text(json.dumps(out, indent=1))

    work = sorted(((name, seed) for seed in given.seeds for name in names), key=lambda one: SLOW.index(one[0][2]))
    if given.jobs == 1:
        for name, seed in work:
            take(done(name, seed, given))
        return out
    with ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn")) as pool:
        for each in as_completed([pool.submit(done, name, seed, given) for name, seed in work]):
            take(each.result())
    return out


# the table ----------------------------------------------------------------------------------------------------------------


def grouped(out: list[dict[str, Any]], method: str, what: Callable[[dict[str, Any]], float | None]) -> list[list[float]]:
    """Return for each task the numbers of its seeds."""
    found: dict[str, list[float]] = {}
    for each in out:
        number = what(each) if each["method"] == method else None
        if number is not None:
            found.setdefault(each["task"], []).append(number)
    return list(found.values())


def stated(some: list[list[float]], digits: int = 3) -> str:
    """Return the mean over tasks, the least of any run, and how far the seeds of a task are apart on average."""
    if not some:
        return ""
    spread = np.mean([max(each) - min(each) for each in some])
    return f"{np.mean([np.mean(each) for each in some]):,.{digits}f} / {min(min(each) for each in some):,.{digits}f} / {spread:,.{digits}f}"


def tabled(out: list[dict[str, Any]]) -> None:
    """Print the tables: by task, by method, and what was to be reached."""
    methods = list(dict.fromkeys(each["method"] for each in sorted(out, key=lambda one: (*METHODS, "speed").index(one["method"]))))
    tasks = [" ".join(each) for each in chosen([""]) if any(one["task"] == " ".join(each) for one in out)]
    base = {(each["task"], each["seed"]): each for each in out if each["method"] == "regions"}

    def relative(what: str) -> Callable[[dict[str, Any]], float | None]:
        def found(each: dict[str, Any]) -> float | None:
            other = base.get((each["task"], each["seed"]))
            return each[what] / max(other[what], 1) if other is not None and what in each else None
        return found

    print("\nfinds per test, mean over seeds\n")
    print("| task | " + " | ".join(methods) + " |\n|" + "---|" * (len(methods) + 1))
    for name in tasks:
        row = []
        for method in methods:
            some = [each["rate"] for each in out if each["task"] == name and each["method"] == method]
            row.append(f"{np.mean(some):.3f}" if some else "")
        print(f"| {name} | " + " | ".join(row) + " |")
    print("\nmean over tasks / least of any run / seeds of a task apart\n")
    columns: dict[str, tuple[Callable[[dict[str, Any]], float | None], int]] = {
        "finds per test": (lambda each: each["rate"], 3), "per model row": (lambda each: each["found"] / each["rows"], 3),
        "per second": (lambda each: each["per second"], 0), "per CPU second": (lambda each: each["per cpu second"], 0),
        "2 apart": (lambda each: each["far"], 3), "5-way / regions": (relative("five"), 3), "leaf pairs / regions": (relative("leaves"), 3),
        "leaf pairs / all": (lambda each: each["leaves"] / each["all leaves"] if "leaves" in each else None, 3)}
    print("| method | runs | " + " | ".join(columns) + " |\n|" + "---|" * (len(columns) + 2))
    for method in methods:
        runs = sum(each["method"] == method for each in out)
        print(f"| {method} | {runs} | " + " | ".join(stated(grouped(out, method, what), digits) for what, digits in columns.values()) + " |")
    print()
    for line in goals(out, relative):
        print(line)


def goals(out: list[dict[str, Any]], relative: Callable[[str], Callable[[dict[str, Any]], float | None]]) -> Iterable[str]:
    """Yield what was to be reached, and whether it was."""
    def mean(method: str, what: Callable[[dict[str, Any]], float | None]) -> float | None:
        some = grouped(out, method, what)
        return float(np.mean([np.mean(each) for each in some])) if some else None

    def rate(each: dict[str, Any]) -> float:
        return float(each["rate"])

    def line(words: str, number: float | None, least: float) -> Iterable[str]:
        if number is not None:
            yield f"{'reached' if number >= least else 'MISSED':8} {words}: {number:,.3f}, wanted {least:,.3f}"

    low = [(np.mean(each), number) for number, each in enumerate(grouped(out, "screen", rate))]
    yield from line("screen, finds per test", mean("screen", rate), 0.85)
    yield from line("screen, the worst task", float(min(low)[0]) if low else None, 0.75)
    yield from line("cover, finds per test", mean("cover", rate), 0.75)
    yield from line("cover, 5-way cells / regions", mean("cover", relative("five")), 1.0)
    yield from line("cover, leaf pairs / regions", mean("cover", relative("leaves")), 1.0)
    yield from line("manifold, finds per test", mean("manifold", rate), 0.70)
    yield from line("manifold, share within the radius", mean("manifold", lambda each: each.get("inside")), 1.0)
    yield from line("speed, finds per second", mean("speed", lambda each: each["per second"]), 200_000)
    boosted = [each["per second"] / each["bare"] for each in out if each["method"] == "speed" and each["task"].endswith("boosted")]
    yield from line("speed, boosted models, finds per second / bare tests per second, the least", min(boosted) if boosted else None, 0.4)
    wrong = [each["task"] for each in out if each["method"] == "auto" and each["did"] != ("walk" if 1 / each["bare"] < 1e-4 else "screen")]
    auto = [each["did"] for each in out if each["method"] == "auto"]
    if auto:
        yield f"auto walks in {auto.count('walk')} of {len(auto)} runs; otherwise than what a test costs of scikit-learn says: {sorted(set(wrong))}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--budget", type=int, default=200_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--seeds", type=lambda text: [int(each) for each in text.split(",")], default=[0])
    parser.add_argument("--tasks", type=lambda text: [each.strip() for each in text.split(",")], default=[""])
    parser.add_argument("--methods", type=lambda text: text.split(","), default=list(METHODS))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--json")
    parser.add_argument("--table", nargs="+")
    given = parser.parse_args()
    if given.table:
        tabled([each for name in given.table for each in json.loads(Path(name).read_text())])
        return
    unknown = [each for each in given.methods if each not in (*METHODS, "speed")]
    if unknown:
        sys.exit(f"there is no method {unknown[0]}: one of {', '.join((*METHODS, 'speed'))}")
    if not (given.shared / "data" / "fairness").is_dir():
        sys.exit(f"the tables are not there: {given.shared / 'data' / 'fairness'}; name their folder with --shared")
    tabled(ran(given))


if __name__ == "__main__":
    main()
