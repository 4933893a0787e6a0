"""Randomized experiments: does the test hold its level, what does it find, does its interval cover; beside tests that know no blocks.

    python bench/experiment.py [--parts level,power,interval,plan,verdicts] [--tasks TEXT] [--runs N] [--seeds A-B] [--draws N] [--json FILE]

``level``: the share of experiments without any difference in which p <= 0.05, under worlds that drift over time, in which a unit changes what
later units of its block are shown, whose blocks differ in size, one of whose units is dead in every block, whose answers hang on the order,
or whose blocks differ much. ``power``: the share found of planted differences, in numbers, shares and items. ``interval``: the share of 95 %
intervals that hold the truth. ``plan``: the chance that ``--plan`` states, and how often experiments then find it. ``verdicts``: what whole
experiments of ten blocks of four say (of a number with and without a bound, of shares with one, and of items) where nothing differs, and where
what is allowed is reached exactly, so that a pass is wrong.
Peers: Student's t and Pearson's chi-square on all units, blocks ignored; of items chi-square on the counts of each item with Holm, counts
taken for independent; and AdFisher as published: logistic regression trained on the first 80 % of blocks, right answers on the rest permuted.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy import stats

from assay.probe.experiment.permutation import Null, combined, interval, null, permutation
from assay.probe.experiment.power import Effect, blocks_needed, chance
from assay.probe.experiment.statistic import Contrast, CrossFit, Difference, ranked
from assay.verbs.probe.experiment import experiment

Array = np.ndarray[Any, Any]


def lots(sizes: list[int], rng: np.random.Generator) -> tuple[Array, Array]:
    labels = [rng.permutation(np.arange(size) % 2 if rng.random() < 0.5 else 1 - np.arange(size) % 2) for size in sizes]
    return np.concatenate(labels).astype(np.int8), np.repeat(np.arange(len(sizes)), sizes)


# --- worlds: (labels, blocks, rng) -> outcomes; a difference is what is added where the label is 1 ---

def plain(labels: Array, blocks: Array, rng: np.random.Generator) -> Array:
    return rng.standard_normal(len(labels))


def drift(labels: Array, blocks: Array, rng: np.random.Generator) -> Array:
    return 5 * blocks / blocks.max() + np.cumsum(0.2 * rng.standard_normal(len(labels))) + rng.standard_normal(len(labels))


def carry(labels: Array, blocks: Array, rng: np.random.Generator) -> Array:
    """What a unit was shown is gone for the next ones of its block."""
    y = rng.standard_normal(len(labels))
    for at in range(1, len(y)):
        if blocks[at] == blocks[at - 1]:
            y[at] += 0.8 * y[at - 1]
    return y


def order(labels: Array, blocks: Array, rng: np.random.Generator) -> Array:
    place = np.concatenate([np.arange(size) for size in np.bincount(blocks)])
    return 1.5 * place + rng.standard_normal(len(labels))


def dead(labels: Array, blocks: Array, rng: np.random.Generator) -> Array:
    """In every block one unit gives nothing, the more so the more it would have given."""
    y = rng.standard_normal(len(labels))
    for block in np.unique(blocks):
        inside = np.flatnonzero(blocks == block)
        y[inside[np.argmax(y[inside] + rng.standard_normal(len(inside)))]] = np.nan
    return y


def unlike(labels: Array, blocks: Array, rng: np.random.Generator) -> Array:
    return (3 * rng.standard_normal(blocks.max() + 1))[blocks] + rng.standard_normal(len(labels))


def heavy(labels: Array, blocks: Array, rng: np.random.Generator) -> Array:
    return rng.standard_t(1.5, len(labels))


def share(labels: Array, blocks: Array, rng: np.random.Generator) -> Array:
    return (rng.random(len(labels)) < 0.3).astype(float)


def counts(labels: Array, blocks: Array, rng: np.random.Generator) -> Array:
    return rng.negative_binomial(1, 0.4, len(labels)).astype(float)


WORLDS: dict[str, Callable[[Array, Array, np.random.Generator], Array]] = {
    "plain": plain, "drift": drift, "carry": carry, "order": order, "dead": dead, "unlike": unlike, "heavy": heavy, "share": share,
    "counts": counts}
EFFECTS = {"plain": 0.5, "drift": 0.5, "carry": 0.5, "order": 0.5, "dead": 0.5, "unlike": 0.5, "heavy": 1.0, "share": 0.25, "counts": 1.0}


def items(labels: Array, blocks: Array, rng: np.random.Generator, kind: str, effect: float, many: int = 100) -> Array:
    """Return counts of items: each unit has its own taste, each block its own stock; ``dense`` or ``one`` say which items differ."""
    n = len(labels)
    base = 0.6 * rng.lognormal(0, 1, many) / np.exp(0.5)
    stock = rng.gamma(2, 0.5, (blocks.max() + 1, many))[blocks]
    taste = rng.gamma(2, 0.5, (n, many))
    rate = base * stock * taste
    if kind == "dense":
        sign = np.where(np.arange(many) % 2, 1, -1) * (np.arange(many) < 40)
        rate *= np.exp(effect * np.outer(labels, sign))
    elif kind == "one":
        rate[:, 3] = stock[:, 3] * taste[:, 3] * (1 + effect * labels)
    return rng.poisson(rate).astype(float)


# --- tests ---

def ours(y: Array, labels: Array, blocks: Array, draws: int, seed: int) -> float:
    return permutation(Difference(y, blocks).size, labels, blocks, draws=draws, seed=seed)


def by_rank(y: Array, labels: Array, blocks: Array, draws: int, seed: int) -> float:
    return permutation(Difference(ranked(y, blocks), blocks).size, labels, blocks, draws=draws, seed=seed)


def student(y: Array, labels: Array, blocks: Array, draws: int, seed: int) -> float:
    given = np.isfinite(y)
    return float(stats.ttest_ind(y[given & (labels == 1)], y[given & (labels == 0)]).pvalue)


def pearson(y: Array, labels: Array, blocks: Array, draws: int, seed: int) -> float:
    """Chi-square of above or below the median, as people do who count."""
    given = np.isfinite(y)
    high = y > np.median(y[given])
    table = [[int((given & (labels == side) & (high == up)).sum()) for up in (0, 1)] for side in (0, 1)]
    return float(stats.chi2_contingency(table)[1]) if np.array(table).sum(axis=0).min() else 1.0


NUMBERS = {"permutation": ours, "rank": by_rank, "t": student, "chi2": pearson}


def of_items(x: Array, labels: Array, blocks: Array, draws: int, seed: int) -> dict[str, float]:
    seen = np.ones(len(x), bool)
    fit, contrast = CrossFit(x, seen, labels, blocks, seed=seed), Contrast(x, seen, labels, blocks)
    found = null(lambda rows: np.column_stack([fit(rows), fit.accuracy(rows), contrast.best(rows)]), labels, blocks, draws=draws, seed=seed)
    either = combined(Null(found.observed[[0, 2]], found.values[:, [0, 2]], found.exact))
    return {"either": either, "classifier": found.p[0], "accuracy": found.p[1], "item": found.p[2],
            "adfisher": adfisher(x, labels, blocks, draws, seed), "chi2": every_item(x, labels)}


def adfisher(x: Array, labels: Array, blocks: Array, draws: int, seed: int) -> float:
    from sklearn.linear_model import LogisticRegressionCV

    cut = int(0.8 * (blocks.max() + 1))
    train, test = blocks < cut, blocks >= cut
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegressionCV(Cs=[0.01, 0.1, 1.0], cv=5, max_iter=200).fit(x[train], labels[train])
    said = model.predict(x[test])
    return permutation(lambda rows: (rows == said).sum(axis=1), labels[test], blocks[test], draws=draws, seed=seed)


def every_item(x: Array, labels: Array) -> float:
    """The least p-value of Pearson's test of each item's share of all counts, times the number of items."""
    one, other = x[labels == 1].sum(axis=0), x[labels == 0].sum(axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        p = [stats.chi2_contingency([[a, one.sum() - a], [b, other.sum() - b]])[1] for a, b in zip(one, other, strict=True) if a + b > 0]
    return min(1.0, min(p) * len(p))


# --- parts ---

def sizes_of(world: str, rng: np.random.Generator) -> list[int]:
    return [4] * 20 if world != "uneven" else rng.integers(2, 8, 20).tolist()


def numbers(world: str, effect: float, runs: range, draws: int) -> dict[str, list[bool]]:
    said: dict[str, list[bool]] = {name: [] for name in NUMBERS}
    for run in runs:
        rng = np.random.default_rng([run, sum(world.encode())])
        labels, blocks = lots(sizes_of(world, rng), rng)
        make = WORLDS.get(world, unlike)
        y = make(labels, blocks, rng)
        y = y + effect * labels if world != "share" else np.where(labels == 1, (rng.random(len(y)) < 0.3 + effect) * 1.0, y)
        for name, test in NUMBERS.items():
            said[name].append(test(y, labels, blocks, draws, run) <= 0.05)
    return said


def listed(kind: str, effect: float, runs: range, draws: int) -> dict[str, list[bool]]:
    said: dict[str, list[bool]] = {}
    for run in runs:
        rng = np.random.default_rng([run, 77])
        labels, blocks = lots([4] * 30, rng)
        for name, p in of_items(items(labels, blocks, rng, kind, effect), labels, blocks, draws, run).items():
            said.setdefault(name, []).append(p <= 0.05)
    return said


def covered(world: str, effect: float, runs: range, draws: int) -> dict[str, list[bool]]:
    said: dict[str, list[bool]] = {"inverted": [], "t": []}
    for run in runs:
        rng = np.random.default_rng([run, sum(world.encode()), 3])
        labels, blocks = lots(sizes_of(world, rng), rng)
        y = WORLDS.get(world, unlike)(labels, blocks, rng)
        y = y + effect * labels if world not in ("share", "counts") else np.where(
            labels == 1, (rng.random(len(y)) < 0.3 + effect) * 1.0 if world == "share" else rng.poisson(1.5 + effect, len(y)), y)
        both = Difference(y, blocks), Difference(np.where(np.isfinite(y), labels, np.nan), blocks)
        found = null(lambda rows, both=both: np.stack([each(rows) for each in both], axis=1), labels, blocks, draws=draws, seed=run)
        low, high = interval(float(found.observed[0]), found.values[:, 0], found.values[:, 1], 0.95, exact=found.exact)
        said["inverted"].append(low <= effect <= high)
        given = np.isfinite(y)
        ends = stats.ttest_ind(y[given & (labels == 1)], y[given & (labels == 0)]).confidence_interval(0.95)
        said["t"].append(ends.low <= effect <= ends.high)
    return said


def planned(kind: str, runs: range, draws: int) -> dict[str, Any]:
    effect = {"number": Effect("number", 0.0, 0.5, 1.0), "yes": Effect("yes", 0.2, 0.15), "count": Effect("count", 1.0, 0.5, 1.5)}[kind]
    need, stated = blocks_needed(effect, 4)
    assert need is not None
    hits = 0
    for run in runs:
        rng = np.random.default_rng([run, 9])
        labels, blocks = lots([4] * need, rng)
        hits += ours(effect.drawn(labels, 1, rng)[0], labels, blocks, draws, run) <= 0.05
    return {"blocks": need, "stated": stated, "seen": hits / len(runs), "half": chance(effect, need // 2, 4)}


def judged(beyond: bool, runs: range, draws: int) -> dict[str, list[bool]]:
    """Return which whole experiments fail, pass and are inconclusive, by outcome; ``beyond``: the difference is the one allowed."""
    outcomes: dict[str, Any] = {"number": "number", "bounded": {"kind": "number", "at_most": 1.0}, "yes": {"kind": "yes", "at_most": 0.3},
                                "seldom": {"kind": "yes", "at_most": 0.1}, "items": "items"}
    said: dict[str, list[bool]] = {f"{name} {word}": [] for name in (*outcomes, "any") for word in ("fail", "pass")}
    for run in runs:
        rng, size = np.random.default_rng([run, beyond, 17]), float(beyond)

        def system(profile: Any, unit: str, rng: Any = rng, size: float = size) -> dict[str, Any]:
            more = size * (profile["who"] == "b")
            value = rng.standard_normal() + more
            return {"number": value, "bounded": value, "yes": rng.random() < 0.4 + 0.3 * more, "seldom": rng.random() < 0.02 + 0.1 * more,
                    "items": [str(each) for each in np.flatnonzero(rng.random(20) < 0.3 + 0.3 * more)]}

        made = experiment({"treatments": {each: {"profile": {"who": each}} for each in "ab"}, "outcomes": outcomes, "blocks": 10, "units": 4,
                           "seed": run, "system": {"parallel": 1}}, system=system, draws=draws)
        verdicts = {each.check.split(": ")[1].split(",")[0]: each.verdict for each in made.verdicts} | {"any": made.verdict}
        for key, each in said.items():
            name, word = key.split(" ")
            each.append(verdicts[name] == word)
    return said


def rate(said: list[bool]) -> str:
    p = sum(said) / len(said)
    return f"{p:.3f} ±{1.96 * math.sqrt(max(p * (1 - p), 1e-9) / len(said)):.3f}"


def main() -> None:
    reader = argparse.ArgumentParser()
    reader.add_argument("--parts", default="level,power,interval,plan,verdicts")
    reader.add_argument("--tasks", default="", help="only worlds or kinds whose names hold this")
    reader.add_argument("--runs", type=int, default=400)
    reader.add_argument("--seeds", default="", help="A-B: runs from A to before B, for a shard")
    reader.add_argument("--draws", type=int, default=499)
    reader.add_argument("--json", default="")
    given = reader.parse_args()
    first, last = (int(each) for each in given.seeds.split("-")) if given.seeds else (0, given.runs)
    runs, out = range(first, last), []
    worlds = [*WORLDS, "uneven"]
    tasks: list[tuple[str, str, Callable[[], Any]]] = []
    tasks += [("level", each, lambda each=each: numbers(each, 0.0, runs, given.draws)) for each in worlds]
    tasks += [("level", "items", lambda: listed("none", 0.0, runs, given.draws))]
    tasks += [("power", each, lambda each=each: numbers(each, EFFECTS.get(each, 0.5), runs, given.draws)) for each in worlds]
    tasks += [("power", f"items {kind} {size:g}", lambda kind=kind, size=size: listed(kind, size, runs, given.draws))
              for kind, size in (("dense", 0.25), ("dense", 0.4), ("one", 0.8), ("one", 1.2))]
    tasks += [("interval", each, lambda each=each: covered(each, EFFECTS.get(each, 0.5), runs, given.draws)) for each in worlds]
    tasks += [("plan", each, lambda each=each: planned(each, runs, given.draws)) for each in ("number", "yes", "count")]
    tasks += [("verdicts", name, lambda beyond=beyond: judged(beyond, runs, given.draws)) for name, beyond in (("nothing", False), ("bound", True))]
    for part, name, work in tasks:
        if part not in given.parts.split(",") or given.tasks not in name:
            continue
        began = time.process_time()
        said = work()
        cells = {key: rate(each) if isinstance(each, list) else f"{each:.3g}" for key, each in said.items()}
        print(f"{part:9}{name:18}" + "  ".join(f"{key} {each}" for key, each in cells.items())
              + f"   [{len(runs)} runs, {time.process_time() - began:.0f} s CPU]", flush=True)
        out.append({"part": part, "task": name, "first": first, "runs": len(runs),
                    "found": {key: sum(each) if isinstance(each, list) else each for key, each in said.items()}})
    if given.json:
        Path(given.json).write_text(json.dumps(out, indent=1), "utf-8")


if __name__ == "__main__":
    main()
