"""Performance without labels: how far estimates are from what labels show, how often intervals hold it, and how long it takes.

    python bench/estimate.py [--settings natural,tilted,weak,concept,speed] [--chunks 400] [--first 0] [--json FILE] [--quick]
    python bench/estimate.py --join FILE FILE ...        tables of several shards
    python bench/estimate.py --settings speed --nannyml PYTHON        beside NannyML, of an interpreter that has it

Chunks of 2,000 rows of a census (who is employed, 2016 to 2018; reference 2015), each seeded by its number, so that shards add up.
``natural``: rows of one year. ``tilted``: drawn by exp(a linear function of two random columns). ``weak``: a logistic regression on six
columns, tilted on three that it does not read. The floor is what chance in the labels alone makes of an exact estimate: sqrt(2 / pi) times
their standard deviation, by chances that were learned on all labels of 2016 to 2018, each row by a model that has not seen it.
``concept``: a quarter of the labels of those aged 16 to 30 is the other one; windows of which 200 rows are labelled, and a watch.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import os
import platform
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from assay.estimate.atc import accuracy, atc
from assay.estimate.cbpe import Cbpe, cbpe
from assay.estimate.doubly_robust import Estimator, Window
from assay.estimate.labels import Watch, chosen, rectified
from assay.estimate.pape import recalibrated
from assay.estimate.performance import classified, known
from assay.estimate.ratio import learner
from assay.estimate.rows import Encoding, Rows
from assay.estimate.weighting import weighted

Array = np.ndarray[Any, Any]
FOLDER = Path(os.environ.get("ASSAY_SHARED") or Path(__file__).resolve().parent.parent.parent / "shared") / "data" / "drift"
SIZE = 2_000
METRICS = ("accuracy", "auc", "f1")
WAYS = ("constant", "ATC", "CBPE", "importance weighting", "PAPE-like", "weighted isotonic", "chances alone", "assay")
SETTINGS = ("natural", "tilted", "weak", "concept", "speed")
READ = ("RELP", "CIT", "ESP", "NATIVITY", "SEX", "ANC")      # what the weak model reads
UNREAD = ("AGEP", "SCHL", "MAR")
LABELS, WINDOWS, SERIES = 200, 40, 10
EVERY = [2016, 2017, 2018]


@dataclasses.dataclass(frozen=True, eq=False)
class Ground:
    """A setting: the reference with what was learned on it, all later rows, and the chances of their labels by all labels there are."""

    reference: Rows
    later: Rows
    year: Array
    names: tuple[str, ...]
    estimator: Estimator
    scores: Cbpe
    threshold: float
    truth: Array


@functools.lru_cache(maxsize=1)
def tables() -> tuple[Any, Any]:
    place = FOLDER / "us_census_ma_employment"
    if not place.is_dir():
        sys.exit("the census is not here: shared/data/drift beside the repository, or ASSAY_SHARED")
    later, target = (pq.read_table(place / f"employment_MA_analysis{part}.pq") for part in ("", "_target"))
    assert later.column("id").equals(target.column("id"))
    return pq.read_table(place / "employment_MA_reference.pq"), later.append_column("employed", target.column("employed"))


@functools.lru_cache(maxsize=2)
def ground(weak: bool) -> Ground:
    before, after = tables()
    names = [name for name in before.column_names if name not in ("id", "year", "employed", "prediction", "predicted_probability")]
    encoding = Encoding.of(before, names)
    features = [encoding.matrix(each) for each in (before, after)]
    labels = [each.column("employed").to_numpy().astype(int) for each in (before, after)]
    if weak:
        scores, kept = _weak(features, labels[0], [encoding.names.index(name) for name in READ])
        answers = [(score >= 0.5).astype(int) for score in scores]
    else:
        scores = [each.column("predicted_probability").to_numpy() for each in (before, after)]
        answers = [each.column("prediction").to_numpy().astype(int) for each in (before, after)]
        kept = np.arange(len(labels[0]))
    first, later = (Rows(x, answer, np.column_stack([1 - score, score]), y, encoding.categorical, 2)
                    for x, answer, score, y in zip(features, answers, scores, labels, strict=True))
    reference = first.take(kept)
    return Ground(reference, later, after.column("year").to_numpy(), encoding.names, Estimator.of(reference), cbpe(reference),
                  atc(reference), _truth(later))


def _weak(features: list[Array], label: Array, read: list[int]) -> tuple[list[Array], Array]:
    """Return the scores of a model that reads six columns, and which rows of the reference it was not trained on."""
    from sklearn.linear_model import LogisticRegression

    def shown(x: Array) -> Array:
        return np.concatenate([x[:, [at]] == np.arange(12) for at in read], axis=1).astype(float)

    order = np.random.default_rng(0).permutation(len(label))
    model = LogisticRegression(max_iter=500).fit(shown(features[0][order[:15_000]]), label[order[:15_000]])
    return [model.predict_proba(shown(x))[:, 1] for x in features], order[15_000:]


def _truth(rows: Rows) -> Array:
    out = np.zeros((len(rows), 2))
    half = np.random.default_rng(0).permutation(len(rows)) % 2
    for side in (0, 1):
        model = learner(rows, rounds=150, seed=1).fit(rows.inputs[half == side], rows.truth[half == side])
        out[half != side] = model.predict_proba(rows.inputs[half != side])
    return out


def drawn(held: Ground, setting: str, rng: np.random.Generator, number: int) -> Array:
    """Return the places of a chunk."""
    if setting in ("natural", "concept"):
        return rng.choice(np.flatnonzero(held.year == EVERY[number % 3]), SIZE, replace=False)
    names = UNREAD if setting == "weak" else tuple(rng.choice(held.names, 2, replace=False))
    line = np.zeros(len(held.later))
    for name in names:
        column = held.later.features[:, held.names.index(name)]
        spread = (column - np.nanmean(column)) / np.nanstd(column)
        line += rng.choice([-1, 1]) * rng.uniform(0.3, 1.2) * np.nan_to_num(spread)
    return np.argpartition(-(np.clip(line, -5, 5) + rng.gumbel(size=len(line))), SIZE)[:SIZE]   # without replacement (Gumbel)


def chunk(held: Ground, setting: str, number: int) -> list[dict[str, Any]]:
    """Return what each way says of a chunk, and what its labels show."""
    rng = np.random.default_rng([SETTINGS.index(setting), number])
    places = drawn(held, setting, rng, number)
    rows, reference = held.later.take(places), held.reference
    window = held.estimator.window(rows)
    told = window.told.weight
    chances = {"CBPE": held.scores.chances(rows), "PAPE-like": recalibrated(reference, told)(rows),
               "weighted isotonic": recalibrated(reference, told, way="isotonic")(rows)}
    out = []
    for metric in METRICS:
        real = classified(metric, rows, known(rows), positive=1).value
        exact = classified(metric, rows, held.truth[places], positive=1).moves(rows)
        spread = (held.truth[places] * exact**2).sum(axis=1) - (held.truth[places] * exact).sum(axis=1) ** 2
        made = window.estimate(metric, positive=1)
        said = {"constant": classified(metric, reference, known(reference), positive=1).value,
                "importance weighting": weighted(metric, reference, told, positive=1), "chances alone": made.plain, "assay": made.value,
                **{name: classified(metric, rows, each, positive=1).value for name, each in chances.items()}}
        if metric == "accuracy":
            said["ATC"] = accuracy(held.threshold, rows)
        out.append({"setting": setting, "number": number, "metric": metric, "real": real, "said": said, "low": made.low, "high": made.high,
                    "floor": float(np.sqrt(2 / np.pi) * np.sqrt(spread.sum()) / SIZE), "effective": made.effective,
                    "refused": window.refusal, "error": made.error, "noise": made.noise})
    return out


def series(held: Ground, number: int, changed: bool) -> dict[str, Any]:
    """Return what a series of windows shows whose concept changed, or did not."""
    rng = np.random.default_rng([7, number, int(changed)])
    age = held.later.features[:, held.names.index("AGEP")]
    watch = Watch(tolerance=0.01, alpha=0.01)
    gaps, inside, free, points = [], [], [], []
    for at in range(WINDOWS):
        places = drawn(held, "concept", rng, at)
        rows = held.later.take(places)
        flip = changed & (age[places] >= 16) & (age[places] <= 30) & (rng.random(SIZE) < 0.25)
        label = np.where(flip, 1 - rows.truth, rows.truth)
        real = float((rows.answer == label).mean())
        window = Window(held.estimator, rows, held.estimator.window(rows).ratio)
        made = window.estimate("accuracy")
        free.append(made.low <= real <= made.high)
        gaps.append(made.value - real)
        some = chosen(window, "accuracy", LABELS, seed=number * WINDOWS + at)
        right = window.chances[some.places, rows.answer[some.places]]
        heft = 1 / some.chance[some.places]
        watch.add((label[some.places] == rows.answer[some.places]) - right, heft / heft.mean())
        put = rectified(window, "accuracy", some.places, label[some.places], some.chance)
        inside.append(put.estimate.low <= real <= put.estimate.high)
        points.append(put.estimate.value - real)
        if watch.alarm is not None and at >= 9:
            break
    return {"setting": "concept", "number": number, "changed": changed, "alarm": watch.alarm, "bias": float(np.mean(gaps)),
            "free": float(np.mean(free)), "rectified": float(np.mean(inside)), "error": float(np.mean(np.abs(points)))}


def speed(python: str | None) -> dict[str, Any]:
    """Return CPU seconds for 500,000 rows of 20 columns in 50 chunks and five metrics, with a reference of 50,000; no imports."""
    rng = np.random.default_rng(0)
    n = 550_000
    x = rng.normal(size=(n, 20)).round(3)
    score = 1 / (1 + np.exp(-(x[:, 0] + 0.5 * x[:, 1])))
    label = (rng.random(n) < 1 / (1 + np.exp(-(1.2 * x[:, 0] + 0.5 * x[:, 1] + 0.3 * x[:, 2])))).astype(int)
    every = Rows(x, (score >= 0.5).astype(int), np.column_stack([1 - score, score]), label, (), 2)
    reference, later = every.take(slice(0, 50_000)), every.take(slice(50_000, n))  # type: ignore[arg-type]
    parts = [later.take(slice(at, at + 10_000)) for at in range(0, len(later), 10_000)]  # type: ignore[arg-type]
    out: dict[str, Any] = {"setting": "speed"}
    metrics = ("auc", "f1", "precision", "recall", "accuracy")
    began = time.process_time()
    made = cbpe(reference)
    for part in parts:
        for metric in metrics:
            made.value(metric, part, positive=1)
    out["CBPE"] = time.process_time() - began
    began = time.process_time()
    estimator = Estimator.of(reference, folds=2)   # of so many rows half is enough to learn from
    out["learning"] = time.process_time() - began
    for part in parts:
        window = estimator.window(part)
        for metric in metrics:
            window.estimate(metric, positive=1)
    out["doubly robust"] = time.process_time() - began
    if python:
        out["NannyML"] = json.loads(subprocess.run([python, "-c", _THEIRS], capture_output=True, text=True, check=True,
                                                   env={**os.environ, "NML_DISABLE_USAGE_LOGGING": "1"}).stdout.splitlines()[-1])
    return out


_THEIRS = """
import json, time
began = time.process_time()
import nannyml, numpy as np, pandas as pd
loaded = time.process_time() - began
rng = np.random.default_rng(0)
n = 550_000
x = rng.normal(size=(n, 20)).round(3)
score = 1 / (1 + np.exp(-(x[:, 0] + 0.5 * x[:, 1])))
label = (rng.random(n) < 1 / (1 + np.exp(-(1.2 * x[:, 0] + 0.5 * x[:, 1] + 0.3 * x[:, 2])))).astype(int)
frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(20)]).assign(p=score, d=(score >= 0.5).astype(int), y=label)
began = time.process_time()
made = nannyml.CBPE(problem_type="classification_binary", y_pred_proba="p", y_pred="d", y_true="y", chunk_size=10_000,
                    metrics=["roc_auc", "f1", "precision", "recall", "accuracy"])
made.fit(frame[:50_000])
made.estimate(frame[50_000:])
print(json.dumps({"imports": loaded, "work": time.process_time() - began}))
"""


def _interval(values: Array) -> str:
    half = 1.96 * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
    return f"{values.mean():.3f} [{values.mean() - half:.3f}, {values.mean() + half:.3f}]"


def shown(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Give the tables as lines."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for each in rows:
        if "said" in each:
            found[each["setting"], each["metric"]].append(each)
    for (setting, metric), some in found.items():
        floor = 100 * float(np.mean([each["floor"] for each in some]))
        real = [each["real"] for each in some]
        refused = sum(each["refused"] is not None for each in some)
        yield (f"\n{setting}, {metric}: {len(some)} chunks, truth {min(real):.3f} to {max(real):.3f}, floor {floor:.3f} points, "
               f"{refused} would be refused")
        for way in WAYS:
            if way in some[0]["said"]:
                gap = np.array([100 * (each["said"][way] - each["real"]) for each in some])
                size = np.abs(gap)
                half = 1.96 * size.std() / np.sqrt(len(size))
                yield (f"  {way:22s} MAE {_interval(size)}  x floor {size.mean() / floor:.2f} [{(size.mean() - half) / floor:.2f}, "
                       f"{(size.mean() + half) / floor:.2f}]  bias {gap.mean():+.3f}")
        inside = np.array([each["low"] <= each["real"] <= each["high"] for each in some], float)
        yield f"  intervals of 95 % hold {_interval(100 * inside)} %"
    changes = [each for each in rows if each["setting"] == "concept"]
    for changed in (True, False):
        some = [each for each in changes if each["changed"] is changed]
        if some:
            alarms = sorted(each["alarm"] for each in some if each["alarm"] is not None)
            late = f"alarm after {np.median(alarms):.0f} windows (median), {alarms[-1]} at most" if alarms else "no alarm"
            yield (f"\nconcept {'changed' if changed else 'as it was'}: {len(some)} series; without labels off by "
                   f"{100 * np.mean([each['bias'] for each in some]):+.2f} points, interval holds {100 * np.mean([each['free'] for each in some]):.0f} %; "
                   f"with {LABELS} labels a window off by {100 * np.mean([each['error'] for each in some]):.2f} points (MAE), interval holds "
                   f"{100 * np.mean([each['rectified'] for each in some]):.0f} %; {len(alarms)} of {len(some)} alarmed, {late}")
    for each in rows:
        if each["setting"] == "speed":
            yield "\nspeed, CPU seconds: " + ", ".join(f"{name} {value}" if isinstance(value, dict) else f"{name} {value:.2f}"
                                                     for name, value in each.items() if name != "setting")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", default=",".join(SETTINGS[:4]))
    parser.add_argument("--chunks", type=int, default=400)
    parser.add_argument("--first", type=int, default=0, help="number of the first chunk, or series: shards begin where others end")
    parser.add_argument("--quick", action="store_true", help="20 chunks and 2 series")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--join", type=Path, nargs="+")
    parser.add_argument("--nannyml", help="a Python that has NannyML")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    if given.join:
        rows = [each for path in given.join for each in json.loads(path.read_text("utf-8"))]
        print("\n".join(shown(rows)))
        return
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    count = 20 if given.quick else given.chunks
    for setting in given.settings.split(","):
        began = time.process_time()
        if setting == "speed":
            rows.append(speed(given.nannyml))
            continue
        held = ground(setting == "weak")
        if setting == "concept":
            number = 2 if given.quick else max(1, count * SERIES // 400)
            first = given.first * SERIES // 400
            work = [functools.partial(series, held, each, changed) for each in range(first, first + number) for changed in (True, False)]
        else:
            work = [functools.partial(chunk, held, setting, each) for each in range(given.first, given.first + count)]
        for each in work:
            made = each()
            rows += made if isinstance(made, list) else [made]
            if given.json:   # what is there survives an interrupt
                given.json.write_text(json.dumps(rows), "utf-8")
        print(f"{setting}: {time.process_time() - began:.0f} s of CPU", file=sys.stderr, flush=True)
    print(f"Python {platform.python_version()}, numpy {np.__version__}, chunks of {SIZE:,} rows")
    print("\n".join(shown(rows)))
    if given.json:
        given.json.write_text(json.dumps(rows), "utf-8")


if __name__ == "__main__":
    main()
