"""Performance without labels: how far estimates are from what labels show, how often intervals hold it, and how long it takes.

    python bench/estimate.py [--settings natural,weak-matured,numbers,concept,speed,...] [--chunks 400] [--first 0] [--json FILE] [--quick]
    python bench/estimate.py --join FILE FILE ...        tables of several shards
    python bench/estimate.py --settings speed --nannyml PYTHON        beside NannyML, of an interpreter that has it

Chunks of 2,000 rows of a census (who is employed, 2016 to 2018; reference 2015), each seeded by its number, so that shards add up.
``natural``: rows of one year. ``tilted``: drawn by exp(a linear function of two random columns). ``weak``: a logistic regression on six
columns, tilted on three that it does not read. The floor is what chance in the labels alone makes of an exact estimate: sqrt(2 / pi) times
their standard deviation, by chances that were learned on all labels of 2016 to 2018, each row by a model that has not seen it.
``same``: as weak, but of rows of 2015 that nothing has seen, so that nothing but their kind differs from the reference.
``numbers``: age from the other columns by a linear model, tilted on two random columns.
``natural-matured``, ``tilted-matured``, ``weak-matured``, ``numbers-matured``: the same with the labelled rows of the year before each
chunk's as the reference, which are those that a user has whose labels come a year late.
``concept``: a quarter of the labels of those aged 16 to 30 is the other one; windows of which 200 rows are labelled, and a watch.
Ways beside assay's own that are slow are tried on one chunk of ``--slow``.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import math
import os
import platform
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from scipy import stats

from assay.estimate.atc import accuracy, atc
from assay.estimate.cbpe import Cbpe, cbpe
from assay.estimate.doubly_robust import Estimator, Window
from assay.estimate.labels import Watch, chosen, rectified
from assay.estimate.outcome import losses
from assay.estimate.pape import recalibrated
from assay.estimate.performance import classified, known, loss, valued
from assay.estimate.ratio import Ratio, learner
from assay.estimate.rows import Encoding, Rows
from assay.estimate.weighting import weighted
from assay.monitor.recalibration import Calibration

Array = np.ndarray[Any, Any]
FOLDER = Path(os.environ.get("ASSAY_SHARED") or Path(__file__).resolve().parent.parent.parent / "shared") / "data" / "drift"
SIZE = 2_000
WAYS = ("constant", "ATC", "CBPE", "importance weighting", "PAPE-like", "weighted isotonic", "chances alone", "assay")
LATE = "-matured"
MEASURED = ("natural", "tilted", "weak", "numbers")
SETTINGS = (*MEASURED, *(each + LATE for each in MEASURED), "same", "concept", "speed")
SEEDS = {"natural": 0, "tilted": 1, "weak": 2, "same": 2, "numbers": 7}   # where random numbers of a setting's chunks begin
READ = ("RELP", "CIT", "ESP", "NATIVITY", "SEX", "ANC")      # what the weak model reads
UNREAD = ("AGEP", "SCHL", "MAR")
WEAK = ("weak", "same")
TARGET = "AGEP"                                               # what the model of numbers answers
LABELS, WINDOWS, SERIES = 200, 50, 16
TOLERANCES = (0.005, 0.01)
BEGINS = (0, 10, None)       # windows before the concept changes; never
EVERY = [2016, 2017, 2018]
COME = 50                    # chunks from which on recalibrated intervals are counted


@dataclasses.dataclass(frozen=True, eq=False)
class Ground:
    """A setting: the reference with what was learned on it, all later rows, and what their labels are to be expected by all labels there are.

    ``truth`` is (n, K) chances of classes; of numbers (n, 2) expected absolute errors and squares.
    """

    reference: Rows
    later: Rows
    year: Array
    names: tuple[str, ...]
    estimator: Estimator
    truth: Array
    scores: Cbpe | None = None
    threshold: float = math.nan


@functools.lru_cache(maxsize=1)
def tables() -> tuple[Any, Any]:
    place = FOLDER / "us_census_ma_employment"
    if not place.is_dir():
        sys.exit("the census is not here: shared/data/drift beside the repository, or ASSAY_SHARED")
    later, target = (pq.read_table(place / f"employment_MA_analysis{part}.pq") for part in ("", "_target"))
    assert later.column("id").equals(target.column("id"))
    return pq.read_table(place / "employment_MA_reference.pq"), later.append_column("employed", target.column("employed"))


@functools.lru_cache(maxsize=2)
def answered(model: str) -> tuple[Rows, Rows, Array, tuple[str, ...]]:
    """Return the labelled rows of 2015 that the model was not trained on, all later ones with their years, and the names of features."""
    before, after = tables()
    names = [name for name in before.column_names if name not in ("id", "year", "employed", "prediction", "predicted_probability")]
    names = [name for name in names if name != TARGET or model != "numbers"]
    encoding = Encoding.of(before, names)
    features = [encoding.matrix(each) for each in (before, after)]
    labels = [each.column("employed").to_numpy().astype(int) for each in (before, after)]
    kept, year = np.arange(len(labels[0])), after.column("year").to_numpy()
    if model == "numbers":
        ages = [each.column(TARGET).to_numpy().astype(float) for each in (before, after)]
        answers, kept = _linear(features, ages[0])
        first, later = (Rows(x, answer, None, y, encoding.categorical) for x, answer, y in zip(features, answers, ages, strict=True))
        return first.take(kept), later, year, encoding.names
    if model == "weak":
        scores, kept = _weak(features, labels[0], [encoding.names.index(name) for name in READ])
        answers = [(score >= 0.5).astype(int) for score in scores]
    else:
        scores = [each.column("predicted_probability").to_numpy() for each in (before, after)]
        answers = [each.column("prediction").to_numpy().astype(int) for each in (before, after)]
    first, later = (Rows(x, answer, np.column_stack([1 - score, score]), y, encoding.categorical, 2)
                    for x, answer, score, y in zip(features, answers, scores, labels, strict=True))
    return first.take(kept), later, year, encoding.names


@functools.lru_cache(maxsize=8)
def ground(model: str, last: int = 2015) -> Ground:
    """Return the setting of a model: its reference of the year ``last``, all rows of the years after, of 2016 on of the next alone."""
    first, later, year, names = answered(model)
    if last > 2015:
        here, truth = year == last + 1, ground(model).truth
        first, later = later.take(year == last), later.take(here)
        scores = {"scores": cbpe(first), "threshold": atc(first)} if model != "numbers" else {}
        return Ground(first, later, year[here], names, Estimator.of(first), truth[here], **scores)
    made = Estimator.of(first)
    if model == "numbers":
        return Ground(first, later, year, names, made, _losses(later))
    return Ground(first, later, year, names, made, _truth(later), cbpe(first), atc(first))


@functools.lru_cache(maxsize=1)
def within() -> Ground:
    """Return the weak model's setting with all rows of one year, parted by chance."""
    first, _, _, names = answered("weak")
    order, truth = np.random.default_rng(5).permutation(len(first)), _truth(first)
    old, new = first.take(order[:30_000]), first.take(order[30_000:])
    return Ground(old, new, np.full(len(new), 2015), names, Estimator.of(old), truth[order[30_000:]], cbpe(old), atc(old))


def held_for(setting: str, number: int) -> Ground:
    """Return what a setting's chunk is drawn from."""
    if setting == "same":
        return within()
    kind = setting.removesuffix(LATE)
    model = kind if kind in ("weak", "numbers") else "plain"
    if kind == setting:
        return ground(model)
    year = EVERY[number % 3]
    held = ground(model, year - 1)
    return held if year > 2016 else _of_year(model, year)


@functools.lru_cache(maxsize=4)
def _of_year(model: str, year: int) -> Ground:
    """Return the setting with the first reference, and of later rows those of one year."""
    held = ground(model)
    here = held.year == year
    return dataclasses.replace(held, later=held.later.take(here), year=held.year[here], truth=held.truth[here])


def _linear(features: list[Array], age: Array) -> tuple[list[Array], Array]:
    """Return the answers of a linear model of age, and which rows of the reference it was not trained on."""
    from sklearn.linear_model import Ridge

    def shown(x: Array) -> Array:
        return np.concatenate([np.nan_to_num(x, nan=-1.0), np.isnan(x)], axis=1)

    order = np.random.default_rng(0).permutation(len(age))
    model = Ridge().fit(shown(features[0][order[:15_000]]), age[order[:15_000]])
    return [model.predict(shown(x)) for x in features], order[15_000:]


def _losses(rows: Rows) -> Array:
    return np.column_stack([losses(rows, loss(name, rows), folds=2, rounds=150, seed=1).held for name in ("mae", "mse")])


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
    names = UNREAD if setting in WEAK else tuple(rng.choice(held.names, 2, replace=False))
    line = np.zeros(len(held.later))
    for name in names:
        line += rng.choice([-1, 1]) * rng.uniform(0.3, 1.2) * _standard(held, name)
    return np.argpartition(-(np.clip(line, -5, 5) + rng.gumbel(size=len(line))), SIZE)[:SIZE]   # without replacement (Gumbel)


@functools.lru_cache(maxsize=32)
def _standard(held: Ground, name: str) -> Array:
    column = held.later.features[:, held.names.index(name)]
    return np.asarray(np.nan_to_num((column - np.nanmean(column)) / np.nanstd(column)))


def chunk(setting: str, number: int, every: int) -> list[dict[str, Any]]:
    """Return what each way says of a chunk, and what its labels show."""
    held, kind = held_for(setting, number), setting.removesuffix(LATE)
    rng = np.random.default_rng([SEEDS[kind], number])
    places = drawn(held, kind, rng, number)
    rows = held.later.take(places)
    window, slow = held.estimator.window(rows), every > 0 and number % every == 0
    out = []
    for metric in held.estimator.metrics:
        if metric in ("mse", "false_positive_rate"):
            continue
        made = window.estimate(metric, positive=1)
        real, floor, said = (_of_numbers if kind == "numbers" else _of_classes)(metric, held, rows, held.truth[places], window, slow)
        out.append({"setting": setting, "number": number, "metric": metric, "real": real, "floor": floor,
                    "said": {**said, "chances alone": made.plain, "assay": made.value}, "low": made.low, "high": made.high,
                    "effective": made.effective, "refused": window.refusal if slow else None, "error": made.error, "noise": made.noise})
    return out


def _of_classes(metric: str, held: Ground, rows: Rows, truth: Array, window: Window, slow: bool) -> tuple[float, float, dict[str, float]]:
    """Return what labels show of a chunk, the floor, and what other ways say."""
    reference = held.reference
    real = classified(metric, rows, known(rows), positive=1).value
    exact = classified(metric, rows, truth, positive=1).moves(rows)
    spread = (truth * exact**2).sum(axis=1) - (truth * exact).sum(axis=1) ** 2
    assert held.scores is not None
    said = {"constant": classified(metric, reference, known(reference), positive=1).value,
            "CBPE": held.scores.value(metric, rows, positive=1)}
    if metric == "accuracy":
        said["ATC"] = accuracy(held.threshold, rows)
    if slow:
        said["importance weighting"] = weighted(metric, reference, window.told.weight, positive=1)
        for name, each in _recalibrated(window).items():
            said[name] = classified(metric, rows, each, positive=1).value
    return real, float(np.sqrt(2 / np.pi) * np.sqrt(spread.sum()) / SIZE), said


@functools.lru_cache(maxsize=1)
def _recalibrated(window: Window) -> dict[str, Array]:
    reference, rows, told = window.estimator.reference, window.current, window.told.weight
    return {"PAPE-like": recalibrated(reference, told)(rows), "weighted isotonic": recalibrated(reference, told, way="isotonic")(rows)}


def _of_numbers(metric: str, held: Ground, rows: Rows, truth: Array, window: Window, slow: bool) -> tuple[float, float, dict[str, float]]:
    name, column = ("mae", 0) if metric == "mae" else ("mse", 1)
    found = loss(name, rows)
    real, slope = valued(metric, found)
    said = {"constant": valued(metric, loss(name, held.reference))[0]}
    if slow:
        said["importance weighting"] = weighted(metric, held.reference, window.told.weight)
    return real, float(np.sqrt(2 / np.pi) * np.sqrt(((found - truth[:, column]) ** 2).sum()) / SIZE) * slope, said


def series(number: int, begins: int | None) -> dict[str, Any]:
    """Return what a series of windows shows whose concept changes after ``begins`` windows, or does not."""
    held = ground("plain")
    rng = np.random.default_rng([7, number, 99 if begins is None else begins])
    age = held.later.features[:, held.names.index("AGEP")]
    watches = {tolerance: Watch(tolerance=tolerance, alpha=0.01) for tolerance in TOLERANCES}
    inside, free, gaps, points = [], [], [], []
    for at in range(WINDOWS):
        places = drawn(held, "concept", rng, at)
        rows = held.later.take(places)
        flip = (begins is not None and at >= begins) & (age[places] >= 16) & (age[places] <= 30) & (rng.random(SIZE) < 0.25)
        label = np.where(flip, 1 - rows.truth, rows.truth)
        estimated = begins == 0 and at < 10
        window = held.estimator.window(rows) if estimated else Window(held.estimator, rows, Ratio(np.ones(1), np.ones(1), 0.5))
        some = chosen(window, "accuracy", LABELS, seed=number * WINDOWS + at)
        right = window.chances[some.places, rows.answer[some.places]]
        heft = 1 / some.chance[some.places]
        for watch in watches.values():
            watch.add((label[some.places] == rows.answer[some.places]) - right, heft / heft.mean(), expected=right)
        if estimated:
            real, made = float((rows.answer == label).mean()), window.estimate("accuracy")
            put = rectified(window, "accuracy", some.places, label[some.places], some.chance).estimate
            free.append(bool(made.low <= real <= made.high))
            gaps.append(made.value - real)
            inside.append(bool(put.low <= real <= put.high))
            points.append(put.value - real)
        elif all(watch.alarm is not None for watch in watches.values()):
            break
    return {"setting": "concept", "number": number, "begins": begins,
            "alarms": {str(each): watch.alarm for each, watch in watches.items()}, "bias": gaps, "free": free, "rectified": inside,
            "error": points}


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
    estimator = Estimator.of(reference)
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


def _line(way: str, gap: Array, floor: float) -> str:
    size = np.abs(gap)
    half = 1.96 * size.std() / np.sqrt(len(size))
    return (f"  {way:22s} MAE {_interval(size)}  x floor {size.mean() / floor:.2f} [{(size.mean() - half) / floor:.2f}, "
            f"{(size.mean() + half) / floor:.2f}]  bias {gap.mean():+.3f}")


def _held(what: str, some: list[dict[str, Any]]) -> str:
    inside = sum(each["low"] <= each["real"] <= each["high"] for each in some)
    low, high = (100 * float(each) for each in stats.binomtest(inside, len(some)).proportion_ci(method="wilson"))
    return f"  {what} hold {100 * inside / len(some):.1f} [{low:.1f}, {high:.1f}] %"


def _recalibrated_since(some: list[dict[str, Any]]) -> Iterator[str]:
    """Say how often intervals hold that labels of all chunks before recalibrated, as the monitor does."""
    known, later, wider = Calibration(), [], []
    for each in sorted(some, key=lambda one: one["number"]):
        total = math.hypot(each["noise"], each["error"])
        off, half = abs(each["real"] - each["said"]["assay"]), known.half * total
        later.append({"real": off, "low": 0.0, "high": half})
        wider.append(known.half / 1.96)
        known = known.taken(off / total, missed=off > half)
    if later[COME:]:
        yield _held(f"recalibrated ones after {COME} chunks with labels, {np.mean(wider[COME:]):.2f} times as wide,", later[COME:])


def _watched(begins: int | None, some: list[dict[str, Any]]) -> str:
    free, inside, gaps, points = (np.concatenate([each[name] for each in some]) for name in ("free", "rectified", "bias", "error"))
    when = "as it was" if begins is None else f"changed after {begins} windows"
    out = f"\nconcept {when}: {len(some)} series of {WINDOWS} windows"
    for tolerance in map(str, TOLERANCES):
        late = sorted(each["alarms"][tolerance] - (begins or 0) for each in some if each["alarms"][tolerance] is not None)
        said = f", after {np.median(late):.1f} windows (median of these), {late[0]} to {late[-1]}" if late else ""
        out += f"\n  tolerance {tolerance}: {len(late)} alarmed{said}"
    if len(gaps):
        out += (f"\n  without labels off by {100 * gaps.mean():+.2f} points, interval holds {100 * free.mean():.0f} %; with {LABELS} labels a "
                f"window off by {100 * np.abs(points).mean():.2f} points (MAE), interval holds {100 * inside.mean():.0f} %")
    return out


def shown(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Give the tables as lines."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for each in rows:
        if "said" in each:
            found[each["setting"], each["metric"]].append(each)
    for (setting, metric), some in found.items():
        scale = 1.0 if setting.startswith("numbers") else 100.0
        floor = scale * float(np.mean([each["floor"] for each in some]))
        real = [each["real"] for each in some]
        slow = [each for each in some if "importance weighting" in each["said"]]
        refused = sum(each["refused"] is not None for each in slow)
        yield (f"\n{setting}, {metric}: {len(some)} chunks, truth {min(real):.3f} to {max(real):.3f}, floor {floor:.3f}, "
               f"{refused} of {len(slow)} would be refused")
        for way in WAYS:
            those = [each for each in some if way in each["said"]]
            if those:
                yield _line(way, scale * np.array([each["said"][way] - each["real"] for each in those]), floor)
        yield _held("intervals of 95 %", some)
        yield from _recalibrated_since(some)
    changes = [each for each in rows if each["setting"] == "concept"]
    for begins in BEGINS:
        some = [each for each in changes if each["begins"] == begins]
        if some:
            yield _watched(begins, some)
    for each in rows:
        if each["setting"] == "speed":
            yield "\nspeed, CPU seconds: " + ", ".join(f"{name} {value}" if isinstance(value, dict) else f"{name} {value:.2f}"
                                                     for name, value in each.items() if name != "setting")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", default=",".join(MEASURED))
    parser.add_argument("--chunks", type=int, default=400)
    parser.add_argument("--first", type=int, default=0, help="number of the first chunk, or series: shards begin where others end")
    parser.add_argument("--slow", type=int, default=10, help="of so many chunks one is estimated by slow ways as well; 0 for none")
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
        if setting == "concept":
            number = 2 if given.quick else max(1, count * SERIES // 400)
            first = given.first * SERIES // 400
            work: list[Callable[[], Any]] = [functools.partial(series, each, begins) for each in range(first, first + number) for begins in BEGINS]
        else:
            work = [functools.partial(chunk, setting, each, given.slow) for each in range(given.first, given.first + count)]
        for at, each in enumerate(work):
            made = each()
            rows += made if isinstance(made, list) else [made]
            if given.json and at % 20 == 19:   # what is there survives an interrupt
                given.json.write_text(json.dumps(rows), "utf-8")
        print(f"{setting}: {time.process_time() - began:.0f} s of CPU", file=sys.stderr, flush=True)
    print(f"Python {platform.python_version()}, numpy {np.__version__}, chunks of {SIZE:,} rows")
    print("\n".join(shown(rows)))
    if given.json:
        given.json.write_text(json.dumps(rows), "utf-8")


if __name__ == "__main__":
    main()
