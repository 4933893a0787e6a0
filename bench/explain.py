"""Attributions: exact values of tree ensembles and sampled ones of a black box, beside shap, Woodelf and the libraries' own.

    python bench/explain.py [--runs 3] [--only WORD] [--quick] [--limit 240]

Each line times assay and one peer in turn, in one process (A B A B), and gives the ratio of the medians of rows a second. Three times of
assay are told. The *first* call of a loaded model reads its trees and prepares them; that is kept with the model. The ratio, and what a
goal is judged by, is of later calls, each with other rows and *another background*: codes, tables, the background and the rows. *Again* is a
call with a background that was seen before, whose tables are kept where they are small. Compiled loops are on disk, as after the first use;
the first line says what compiling them costs. A peer that is slow is given fewer rows, which the line says; its rows a second are what is
compared. Woodelf has no end in sight on some models: it runs in a process of its own there, for at most ``--limit`` seconds, and the ratio
is a lower bound. Where a peer is not installed its lines are skipped and say so: run this with the Python of an environment that has
assay, numba, shap and woodelf-explainer. Data: 30 features, five of them whole numbers, some correlated; models of 100 trees fitted on
50,000 rows (the forest: 10,000).

Memory is the peak of a process of its own, beyond what it held with libraries, model and data loaded. The lines of the black box compare
errors: shap's permutation explainer with its ten orders and its kernel explainer, and assay with fewer of the model's rows, each against the
exact values; the last of them is the smallest budget tried whose error is no larger than the peer's. The line of segments is that of
``bench/segment.py --only speed``; ``--only`` takes part of a line (compiling, Woodelf, LightGBM, path, memory, black box, segments).
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib.metadata
import io
import os
import pathlib
import pickle
import platform
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

# numba asks for the package coverage, and must not find the benchmark of that name beside this file
sys.path.append(sys.path.pop(0))   # (where this file is imported, the empty entry is moved: no harm)

import numpy as np
import pyarrow as pa

import assay
from assay.explain import kernel, sampling
from assay.explain.tree import shapley
from assay.model.trees import trees

FEATURES = 30
NAMES = [f"x{place}" for place in range(FEATURES)]
COMPILING = """
import time, numpy as np
from assay.explain.tree import shapley
from assay.model.trees import Growth
rng, growth, start, cpu = np.random.default_rng(0), Growth(), time.perf_counter(), time.process_time()
size = 23   # one long arm, so that single leaves are compiled too
left, right = np.full(size, -1), np.full(size, -1)
left[0:-1:2], right[0:-1:2] = np.arange(1, size, 2), np.arange(2, size, 2)
growth.add(left=left, right=right, feature=np.arange(size) // 2, threshold=np.zeros(size), default_left=np.zeros(size, bool),
           cover=np.ones(size), value=np.ones(size))
made = growth.trees(base=np.zeros(1), unit="value", strict=True, single=True, matrix=None, source=np.arange(12))
shapley(made, np.zeros((2, 12)), np.zeros((2, 12)), compiled=True)
print(time.perf_counter() - start, time.process_time() - cpu)
"""


def data(rows: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    out = rng.normal(size=(rows, FEATURES))
    out[:, :5] = np.round(out[:, :5] * 3)
    out[:, 6] += out[:, 7]
    return out.astype(np.float32).astype(np.float64)   # no ties in 32 bits, on which peers disagree with their models


def target(numbers: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(9).normal(size=len(numbers))
    score = numbers[:, 0] / 3 + numbers[:, 6] * numbers[:, 8] + np.sin(numbers[:, 9] * 2) + numbers[:, 10:20].sum(axis=1) * 0.3
    return (score + noise > 0).astype(int)


def ours(model: Any, rows: np.ndarray, background: np.ndarray | None) -> np.ndarray:
    found = trees(model)
    assert found is not None
    return shapley(found, rows, background, output=found.outputs - 1)[0]


def shap_values(model: Any, rows: np.ndarray, background: np.ndarray | None) -> np.ndarray:
    import shap

    if background is None:
        explainer = shap.TreeExplainer(model, feature_perturbation="tree_path_dependent")
    else:
        masker = shap.maskers.Independent(background, max_samples=len(background))
        explainer = shap.TreeExplainer(model, masker, feature_perturbation="interventional")
    found = np.asarray(explainer.shap_values(rows, check_additivity=False))
    return found[..., -1] if found.ndim == 3 else found


def woodelf_values(model: Any, rows: np.ndarray, background: np.ndarray | None) -> np.ndarray:
    import pandas as pd
    from woodelf import WoodelfExplainer

    frame = pd.DataFrame(rows, columns=NAMES)
    behind = None if background is None else pd.DataFrame(background, columns=NAMES)
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):   # it draws a bar of progress
        return np.asarray(WoodelfExplainer(model, behind).shap_values(frame))


def xgboost_values(model: Any, rows: np.ndarray, background: np.ndarray | None) -> np.ndarray:
    import xgboost

    return np.asarray(model.get_booster().predict(xgboost.DMatrix(rows), pred_contribs=True))[:, :-1]


def lightgbm_values(model: Any, rows: np.ndarray, background: np.ndarray | None) -> np.ndarray:
    return np.asarray(model.booster_.predict(rows, pred_contrib=True))[:, :-1]


PEERS: dict[str, tuple[str | None, Callable[..., np.ndarray]]] = {
    "Woodelf": ("woodelf-explainer", woodelf_values), "shap": ("shap", shap_values), "pred_contribs": (None, xgboost_values),
    "pred_contrib": (None, lightgbm_values),
}
# what, model, peer, rows of assay, rows of the peer, background of assay, background of the peer (0: path dependent), at least
LINES = [
    ("XGBoost depth 6, background 10,000", "xgboost", "Woodelf", 2_000, 2_000, 10_000, 10_000, 30),
    ("XGBoost depth 6, background 10,000", "xgboost", "Woodelf", 50_000, 50_000, 10_000, 10_000, 12),
    ("XGBoost depth 6, background 10,000 against 100", "xgboost", "shap", 10_000, 100, 10_000, 100, 300),
    ("LightGBM 63 leaves, background 10,000", "lightgbm", "Woodelf, limited", 2_000, 2_000, 10_000, 10_000, 100),
    ("XGBoost depth 6, path dependent", "xgboost", "pred_contribs", 10_000, 1_000, 0, 0, 50),
    ("LightGBM 63 leaves, path dependent", "lightgbm", "pred_contrib", 10_000, 500, 0, 0, 50),
    ("forest depth 12, background 100", "forest", "shap", 2_000, 5, 100, 100, 50),
    ("forest depth 12, path dependent", "forest", "shap", 2_000, 15, 0, 0, 20),
]
# model, rows, background
HELD = [("xgboost", 50_000, 10_000), ("lightgbm", 50_000, 10_000), ("forest", 2_000, 100), ("forest", 10_000, 10_000)]
# run with this file's folder on the path, a pickled model, rows and background
HOLDING = """
import pickle, sys, threading
sys.path.append(sys.argv[1])
import explain as bench
model = bench.assay.load(pickle.load(open(sys.argv[2], "rb")), features=bench.NAMES)
rows, background = bench.data(int(sys.argv[3]), 2), bench.data(int(sys.argv[4]), 3)
def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
import numba
before = peak()
values = bench.ours(model, rows, background)
print((peak() - before) / 1024, values.nbytes / 2 ** 20)
"""
LIMITED = """
import pickle, sys, time
sys.path.append(sys.argv[1])
import explain as bench
model, rows, background = pickle.load(open(sys.argv[2], "rb")), bench.data(int(sys.argv[3]), 2), bench.data(int(sys.argv[4]), 3)
start = time.perf_counter()
bench.woodelf_values(model, rows, background)
print(time.perf_counter() - start)
"""


def installed(name: str | None) -> bool:
    try:
        return name is None or bool(importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return False


def fitted(kind: str) -> Any:
    numbers = data(50_000, 1)
    if kind == "xgboost":
        import xgboost

        return xgboost.XGBClassifier(n_estimators=100, max_depth=6, n_jobs=2).fit(numbers, target(numbers))
    if kind == "lightgbm":
        import lightgbm

        return lightgbm.LGBMClassifier(n_estimators=100, num_leaves=63, verbose=-1, n_jobs=2).fit(numbers, target(numbers))
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(100, max_depth=12, n_jobs=2, random_state=0).fit(numbers[:10_000], target(numbers)[:10_000])


def took(function: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    found = function()
    return time.perf_counter() - start, found


def line(words: str, model: Any, peer: str, mine: int, other: int, behind: int, behind_peer: int, goal: int, runs: int, limit: int) -> None:
    words = f"{words:48} {mine:>7,} rows"
    distribution, function = PEERS[peer.partition(",")[0]]
    if not installed(distribution):
        print(f"{words}    {peer}: skipped, {distribution} is not installed")
        return
    loaded, fast, slow, again, gap = assay.load(model, features=NAMES), [], [], [], None
    backgrounds = [data(max(behind, behind_peer, 1), 3 + each) for each in range(runs + 1)]

    def call(rows: np.ndarray, background: np.ndarray) -> tuple[float, np.ndarray]:
        return took(lambda: ours(loaded, rows, background[:behind] if behind else None))

    first = mine / call(data(mine, 2), backgrounds[runs])[0]
    for each in range(runs):
        rows = data(mine, 20 + each)
        spent, values = call(rows, backgrounds[each])
        fast.append(mine / spent)
        again.append(mine / call(data(mine, 40 + each), backgrounds[each])[0])
        if "limited" in peer:
            slow.append(limited(model, other, behind_peer, limit))
            continue
        spent, expected = took(functools.partial(function, model, rows[:other], backgrounds[each][:behind_peer] if behind_peer else None))
        slow.append(other / spent)
        if behind == behind_peer:
            gap = float(np.abs(values[:other] - expected).max())
    ratios = sorted(a / b for a, b in zip(fast, slow, strict=True))
    said = "" if gap is None else f"; largest difference {gap:.0e}"
    ratio = statistics.median(ratios)
    under, least = ("< ", "> ") if "limited" in peer and statistics.median(slow) <= other / limit else ("", "")
    print(f"{words} {statistics.median(fast):>9,.0f}/s (first {first:,.0f}, again {statistics.median(again):,.0f})   {peer.partition(',')[0]} "
          f"({other:,} rows) {under}{statistics.median(slow):,.1f}/s   {least}{ratio:,.0f} x ({ratios[0]:,.0f} to {ratios[-1]:,.0f}; goal {goal}: "
          f"{'reached' if ratio >= goal else 'not reached'}){said}", flush=True)


def limited(model: Any, rows: int, background: int, limit: int) -> float:
    """Rows a second of Woodelf in a process of its own; where it was stopped, what it would be had it ended then."""
    with kept(model) as place:
        asked = [sys.executable, "-c", textwrap.dedent(LIMITED), str(pathlib.Path(__file__).parent), place, str(rows), str(background)]
        try:
            return rows / float(subprocess.run(asked, capture_output=True, text=True, check=True, timeout=limit).stdout)
        except subprocess.TimeoutExpired:
            return rows / limit


@contextlib.contextmanager
def kept(model: Any) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder, "model.pickle")
        place.write_bytes(pickle.dumps(model))
        yield str(place)


def memory(kind: str, model: Any, rows: int, background: int) -> None:
    with kept(model) as place:
        asked = [sys.executable, "-c", textwrap.dedent(HOLDING), str(pathlib.Path(__file__).parent), place, str(rows), str(background)]
        run = subprocess.run(asked, capture_output=True, text=True, check=True)
    more, values = map(float, run.stdout.split())
    print(f"memory, {kind}, {rows:,} rows, background {background:,}: {more:,.0f} MiB beyond model and data, values of {values:,.0f} MiB "
          f"included (goal 1,024: {'reached' if more <= 1024 else 'not reached'})", flush=True)


def black_box(count: int = 20) -> None:
    """The same error at how many fewer rows of the model, and how much faster."""
    model = fitted("xgboost")
    booster, rows, background = model.get_booster(), data(count, 4), data(100, 3)
    exact = ours(assay.load(model, features=NAMES), rows, background)

    def ask(numbers: np.ndarray) -> np.ndarray:
        return np.asarray(booster.inplace_predict(numbers, predict_type="margin"), np.float64)

    def say(batch: pa.RecordBatch) -> np.ndarray:
        return ask(np.column_stack([each.to_numpy() for each in batch.columns]))

    def batch(numbers: np.ndarray) -> pa.RecordBatch:
        return pa.record_batch({name: numbers[:, place] for place, name in enumerate(NAMES)})

    def root(values: np.ndarray) -> float:
        return float(np.sqrt(((values - exact) ** 2).mean()))

    def sampled(budget: int, seed: int) -> tuple[np.ndarray, int]:
        game = sampling.Game(say, batch(rows), batch(background), tuple(NAMES))
        return sampling.sampled(game, at_most=0.0, budget=budget, seed=seed).values, game.asked

    def mean(errors: list[float]) -> str:
        several = np.array(errors)
        return f"error {several.mean():.4f} (+- {several.std(ddof=1) / len(several) ** 0.5:.4f})"

    if not installed("shap"):
        spent, (values, asked) = took(lambda: sampled(count * 6_000, 1))
        print(f"black box: assay {count / spent:,.1f} rows/s with {asked / count:,.0f} rows of the model each, error {root(values):.4f}; "
              "shap: skipped, shap is not installed")
        return
    import shap

    masker = shap.maskers.Independent(background, max_samples=100)
    seeds = range(1, 9)   # one seed's error is off by a twentieth, which is as much as 10 x is from 11 x
    for kind in ("permutation", "kernel"):
        counted: list[int] = []

        def heard(numbers: Any, counted: list[int] = counted) -> np.ndarray:
            counted.append(len(numbers))
            return ask(np.asarray(numbers, np.float64))

        def peer(seed: int, kind: str = kind, heard: Callable[[Any], np.ndarray] = heard) -> np.ndarray:
            if kind == "permutation":
                return np.asarray(shap.explainers.Permutation(heard, masker, seed=seed)(rows, max_evals=610, silent=True).values)
            np.random.seed(seed)   # noqa: NPY002 (what its sampling of coalitions draws from)
            return np.asarray(shap.KernelExplainer(heard, background, seed=seed).shap_values(rows, nsamples=610, silent=True, l1_reg=False))

        found = [took(functools.partial(peer, seed)) for seed in seeds]
        spent, errors = statistics.median(each for each, _ in found), [root(values) for _, values in found]
        theirs, best = sum(counted) / count / len(seeds), ""
        for share in (1, 3, 5, 7, 10, 15):
            tried = [took(functools.partial(sampled, int(count * theirs / share), seed)) for seed in seeds]
            mine, own = statistics.median(each for each, _ in tried), [root(values) for _, (values, _) in tried]
            asked = tried[0][1][1]
            fewer, faster = theirs * count / asked, spent / mine
            said = (f"shap {kind} {theirs:,.0f} model rows a row, {mean(errors)}, {count / spent:.1f}/s;  assay {asked / count:,.0f} "
                    f"({fewer:.1f} x fewer), {mean(own)}, {count / mine:.1f}/s ({faster:.1f} x)")
            print(f"black box, background 100, {len(seeds)} seeds: {said}", flush=True)
            if np.mean(own) <= np.mean(errors):
                reached = fewer >= 10 or faster >= 20
                best = f"{fewer:.1f} x fewer rows, {faster:.1f} x as fast (goal 10 or 20: {'reached' if reached else 'not reached'})"
        print(f"black box, no larger error than shap {kind}: {best or 'at no budget tried'}", flush=True)


def compiling() -> None:
    """A fresh cache: what the first use after installing costs."""
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run([sys.executable, "-c", COMPILING], env={**os.environ, "NUMBA_CACHE_DIR": folder}, capture_output=True, text=True,
                             check=True)
        wall, cpu = map(float, run.stdout.split())
        again = subprocess.run([sys.executable, "-c", COMPILING], env={**os.environ, "NUMBA_CACHE_DIR": folder}, capture_output=True, text=True,
                               check=True)
        print(f"compiling all loops, once after installing: {wall:.1f} s, {cpu:.1f} s of CPU (goal 15); in later processes "
              f"{float(again.stdout.split()[0]):.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--quick", action="store_true", help="one run a line")
    parser.add_argument("--limit", type=int, default=240, help="seconds after which Woodelf is stopped where it has no end in sight")
    asked = parser.parse_args()
    runs = 1 if asked.quick else asked.runs
    warnings.simplefilter("ignore")
    if kernel.kernels() is None:
        sys.exit("numba is not installed: pip install 'assay[explain]'")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in
                         ("numpy", "numba", "scikit-learn", "lightgbm", "shap", "woodelf-explainer") if installed(name))
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; Python {platform.python_version()}, {versions}; "
          f"medians of {runs}")
    if asked.only in "compiling":
        compiling()
    models: dict[str, Any] = {}

    def model(kind: str) -> Any:
        if kind not in models:
            models[kind] = fitted(kind)
            ours(assay.load(models[kind], features=NAMES), data(10, 2), data(10, 3))   # the loops are loaded from disk
        return models[kind]

    for words, kind, peer, *rest in LINES:
        if asked.only.lower() in f"{words} {peer}".lower():
            line(words, model(kind), peer, *rest, 1 if "limited" in peer else runs, asked.limit)
    for kind, rows, background in HELD:
        if asked.only.lower() in f"memory {kind}":
            memory(kind, model(kind), rows, background)
    if asked.only in "black box":
        black_box()
    if asked.only in "segments":
        print("segments, 1,000,000 rows x 30 columns, three conditions (goal: 30 s, under 4 GiB):", flush=True)
        subprocess.run([sys.executable, str(pathlib.Path(__file__).with_name("segment.py")), "--only", "speed"], check=True)


if __name__ == "__main__":
    main()
