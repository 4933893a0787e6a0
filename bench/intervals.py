"""How often a nominal 95 % interval holds the truth, for every metric that has one, by simulation with fixed seeds.

    python bench/intervals.py [--repeats 2000] [--world binary] [--json FILE]

A *world* is a population whose true values are known by formula or by quadrature, drawn from again and again: independent
rows (n = 200, 1000), and rows of entities of unequal size (intra-class correlation 0.3; 40 and 500
entities). Columns: coverage; the width of the interval against that of one made with the true sampling deviation; bias in
sampling deviations; how often each one-sided p-value at the truth is below 2.5 %; how often the metric was undefined.
The standard error of a coverage of 95 % is 0.5 points at 2,000 repeats.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy import special

from assay.metric import disparity, find, rows
from assay.result import Spread, Value
from assay.summary import SUMMARIES
from assay.summary.confusion import Cells, Confusion
from assay.summary.resample import groups
from assay.summary.scores import Ranks
from assay.summary.target import Target

ICC = 0.3
HUGE = 1e12  # rows of a "population", beside which sampling noise is nothing
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Setting:
    """How rows come: ``n`` independent ones, or ``entities`` of unequal size with ``n`` rows on average."""

    name: str
    n: int
    entities: int = 0

    def draw(self, rng: np.random.Generator) -> Array | None:
        """Return the entity of each row, None where rows are independent."""
        if not self.entities:
            return None
        # sizes with a coefficient of variation of about 0.8: a few entities have many rows
        size = 1 + rng.poisson(rng.gamma(1.8, (self.n / self.entities - 1) / 1.8, self.entities))
        return np.repeat(np.arange(self.entities), size)


INDEPENDENT = (Setting("n = 200", 200), Setting("n = 1000", 1000))
CLUSTERED = (Setting("40 entities", 1000, 40), Setting("500 entities", 2000, 500))
SETTINGS = (*INDEPENDENT, *CLUSTERED)


@dataclass
class World:
    """A population: the true value of each metric, and a way to draw values of them. ``truth`` may come with the draw."""

    name: str
    truth: dict[str, float]
    draw: Callable[[np.random.Generator], dict[str, Value | tuple[Value, float]]]
    repeats: float = 1.0  # of the repeats asked for


@dataclass
class Row:
    """What the repeats of one metric in one world gave."""

    world: str
    metric: str
    truth: list[float] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    undefined: int = 0

    def add(self, value: Value, truth: float) -> None:
        if value.value is None:
            self.undefined += 1
            return
        self.values.append(value)
        self.truth.append(truth)

    def result(self) -> dict[str, Any]:
        low, high, estimate = (np.array([getattr(each, name) for each in self.values], float) for name in ("low", "high", "value"))
        truth = np.array(self.truth)
        at_least = np.array([each.spread.p_at_least(t) for each, t in zip(self.values, self.truth, strict=True)])
        at_most = np.array([each.spread.p_at_most(t) for each, t in zip(self.values, self.truth, strict=True)])
        sd = float(np.std(estimate - truth, ddof=1))
        # a truth on the edge of the interval up to rounding is inside
        held = (low <= truth + 1e-12) & (truth <= high + 1e-12)
        return {"world": self.world, "metric": self.metric, "truth": float(truth.mean()), "coverage": float(held.mean()),
                "width": float(np.median(high - low) / (2 * 1.96 * sd)) if sd > 0 else math.nan,
                "bias": float((estimate - truth).mean() / sd) if sd > 0 else 0.0, "at_least": float((at_least <= 0.025).mean()),
                "at_most": float((at_most <= 0.025).mean()), "above_zero": float((low > 0).mean()), "undefined": self.undefined,
                "repeats": len(held)}


def latent(rng: np.random.Generator, entity: Array | None, n: int, icc: float = ICC) -> Array:
    """Return standard normal numbers, correlated within entities."""
    if entity is None:
        return rng.standard_normal(n)
    return math.sqrt(icc) * rng.standard_normal(int(entity[-1]) + 1)[entity] + math.sqrt(1 - icc) * rng.standard_normal(len(entity))


def grouping(rng: np.random.Generator, entity: Array | None) -> Array | None:
    """Return the resampling group of each row, as an engine finds it."""
    return None if entity is None else groups(entity + int(rng.integers(1 << 40)))


def normal_grid(points: int) -> Array:
    return special.ndtri((np.arange(points) + 0.5) / points)


def filled(kind: str, *columns: Any, group: Array | None = None, weight: Array | None = None, **options: Any) -> Any:
    summary = SUMMARIES[kind](**options)
    summary.update(*columns, group=group, weight=weight)
    return summary


# binary classification

BINARY = ("accuracy", "balanced_accuracy", "precision", "recall", "specificity", "false_positive_rate", "false_negative_rate", "f1", "mcc")
SCORED = ("auc", "average_precision", "log_loss", "brier", "calibration_error")


def _binary_truth(chance: Array, score: Array) -> dict[str, float]:
    order = np.argsort(score)
    weight = HUGE / len(score)
    counts = np.stack([1 - chance, chance], axis=-1)[order] * weight
    ranks = Ranks(score[order], counts)
    said = ranks.scores >= 0.5
    matrix = np.array([[counts[~said, 0].sum(), counts[said, 0].sum()], [counts[~said, 1].sum(), counts[said, 1].sum()]])
    cells = Cells.of(matrix)
    truth = {name: find(name)(cells, **({"positive": 1} if "positive" in _options(name) else {})) for name in BINARY}
    truth["selection_rate"] = float(matrix[:, 1].sum() / HUGE)
    truth |= {name: find(name)(ranks) for name in SCORED}
    return truth


def _options(name: str) -> list[str]:
    import inspect

    return list(inspect.signature(find(name).forms[0].function).parameters)


def binary(setting: Setting, *, base: float = -0.4, slope: float = 1.6, sharpen: float = 1.4, shift: float = 0.2,
           only: tuple[str, ...] = (*BINARY, "selection_rate", *SCORED)) -> World:
    """Scores that rank well; with ``sharpen`` 1 and ``shift`` 0 they are calibrated."""
    grid = normal_grid(40_001)

    def scores(x: Array) -> tuple[Array, Array]:
        return special.expit(base + slope * x), special.expit(sharpen * (base + slope * x) + shift)

    truth = _binary_truth(*scores(grid))
    grouped = bool(setting.entities)
    target = Target("binary", (0, 1), positive=1, threshold=0.5, grouped=grouped)

    def draw(rng: np.random.Generator) -> dict[str, Value]:
        entity = setting.draw(rng)
        n = setting.n if entity is None else len(entity)
        chance, score = scores(latent(rng, entity, n))
        label = (special.ndtr(latent(rng, entity, n)) < chance).astype(np.int64)
        group = grouping(rng, entity)
        said = (score >= 0.5).astype(np.int64)
        confusion = filled("confusion", label, said, group=group, classes=2, grouped=grouped)
        predicted = filled("confusion", said, said, group=group, classes=2, grouped=grouped)
        ranks = filled("scores", label, score, group=group, grouped=grouped)
        sources = {**dict.fromkeys(BINARY, confusion), "selection_rate": predicted, **dict.fromkeys(SCORED, ranks)}
        return {name: find(name).value((sources[name],), target, {}) for name in only}

    return World(f"binary, {setting.name}", {name: truth[name] for name in only}, draw, repeats=0.5 if grouped else 1.0)


def proportion(p: float, n: int) -> World:
    """A share of independent rows."""
    target = Target("binary", (0, 1), positive=1)

    def draw(rng: np.random.Generator) -> dict[str, Value]:
        hits = int(rng.binomial(n, p))
        confusion = Confusion(classes=2)
        confusion.counts[0] = (n - hits, 0, 0, hits)
        confusion.rows = n
        return {"selection_rate": find("selection_rate").value((confusion,), target, {})}

    return World(f"share {p}, n = {n}", {"selection_rate": p}, draw)


# more classes, several labels

MULTICLASS = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "mcc", "auc", "average_precision", "log_loss", "brier",
              "calibration_error")


def _multiclass_scores(x: Array, z: Array) -> tuple[Array, Array]:
    logits = np.stack([0.4 + 0 * x, 1.3 * x, -0.5 + 0.8 * x + 1.2 * z], axis=-1)
    return special.softmax(logits, axis=-1), special.softmax(1.3 * logits + np.array([0.2, 0.0, 0.0]), axis=-1)


def multiclass(setting: Setting) -> World:
    """Three classes, one rarer."""
    grid = normal_grid(501)
    chance, score = _multiclass_scores(*(each.ravel() for each in np.meshgrid(grid, grid)))
    weight = HUGE / len(chance)
    said = score.argmax(axis=1)
    matrix = np.array([[chance[said == j, i].sum() * weight for j in range(3)] for i in range(3)])
    cells = Cells.of(matrix)
    ranks = []
    for k in range(3):
        order = np.argsort(score[:, k])
        ranks.append(Ranks(score[order, k], np.stack([1 - chance[order, k], chance[order, k]], axis=-1) * weight))
    right = np.take_along_axis(chance, said[:, None], 1)[:, 0]
    order = np.argsort(score.max(axis=1))
    confidence = Ranks(score.max(axis=1)[order], np.stack([1 - right[order], right[order]], axis=-1) * weight)
    names = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "mcc")
    truth = {name: find(name)(cells) for name in names}
    truth |= {name: float(np.mean([find(name)(each) for each in ranks])) for name in ("auc", "average_precision")}
    truth["log_loss"] = float(-(chance * np.log(score)).sum(axis=1).mean())
    truth["brier"] = float((chance * ((1 - score) ** 2 - score**2) + score**2 * 1.0).sum(axis=1).mean())
    truth["calibration_error"] = find("calibration_error")(confidence)
    grouped = bool(setting.entities)
    target = Target("multiclass", (0, 1, 2), grouped=grouped)

    def draw(rng: np.random.Generator) -> dict[str, Value]:
        entity = setting.draw(rng)
        n = setting.n if entity is None else len(entity)
        chance, score = _multiclass_scores(latent(rng, entity, n), latent(rng, entity, n))
        label = (special.ndtr(latent(rng, entity, n))[:, None] > np.cumsum(chance, axis=1)[:, :2]).sum(axis=1)
        said = score.argmax(axis=1)
        group = grouping(rng, entity)
        rows_as_groups = groups(np.arange(n) + int(rng.integers(1 << 40))) if group is None else group
        confusion = filled("confusion", label, said, group=group, classes=3, grouped=grouped)
        each = tuple(filled("scores", label, score[:, k], group=rows_as_groups, grouped=True, of=k) for k in range(3))
        top = filled("scores", (label == said).astype(int), score.max(axis=1), group=group, grouped=grouped)
        losses = filled("losses", label, score, group=group, grouped=grouped, task="multiclass")
        sources: dict[str, tuple[Any, ...]] = {**dict.fromkeys(names, (confusion,)), "auc": each, "average_precision": each,
                                               "log_loss": (losses,), "brier": (losses,), "calibration_error": (top,)}
        return {name: find(name).value(sources[name], target, {}) for name in MULTICLASS}

    return World(f"multiclass, {setting.name}", truth, draw, repeats=0.25)


# numbers

REGRESSION = ("mae", "mse", "rmse", "mape", "r2", "bias")
_BIAS, _NOISE = 0.2, 1.5


def _numbers(rng: np.random.Generator, entity: Array | None, n: int) -> tuple[Array, Array]:
    truth = np.exp(2 + 0.5 * latent(rng, entity, n))
    return truth, truth + _BIAS + _NOISE * latent(rng, entity, n)


def _folded(mean: float, sd: float) -> float:
    return sd * math.sqrt(2 / math.pi) * math.exp(-(mean**2) / (2 * sd**2)) + mean * (1 - 2 * float(special.ndtr(-mean / sd)))


def regression(setting: Setting) -> World:
    """Skewed positive truths; errors are normal, with a bias."""
    square, absolute = _BIAS**2 + _NOISE**2, _folded(_BIAS, _NOISE)
    variance = (math.exp(0.25) - 1) * math.exp(4 + 0.25)
    truth = {"mae": absolute, "mse": square, "rmse": math.sqrt(square), "mape": absolute * math.exp(-2 + 0.125),
             "r2": 1 - square / variance, "bias": _BIAS}
    grouped = bool(setting.entities)
    target = Target("regression", grouped=grouped)

    def draw(rng: np.random.Generator) -> dict[str, Value]:
        entity = setting.draw(rng)
        y, value = _numbers(rng, entity, setting.n if entity is None else len(entity))
        residuals = filled("residuals", y, value, group=grouping(rng, entity), grouped=grouped)
        return {name: find(name).value((residuals,), target, {}) for name in REGRESSION}

    return World(f"regression, {setting.name}", truth, draw)


# ranked lists

def ranking(queries: int) -> World:
    """Queries of 5 to 15 rows, drawn from a population of 1,000."""
    rng = np.random.default_rng(7)
    population = []
    for _ in range(1000):
        size = int(rng.integers(5, 16))
        strength = rng.standard_normal(size)
        population.append((np.clip(np.round(strength), 0, 3), strength + 1.2 * rng.standard_normal(size)))
    names = {"ndcg": {}, "ndcg at 5": {"at": 5}, "mrr": {}, "map": {}}
    truth = {name: float(np.nanmean([find(name.split()[0])(*each, **options) for each in population])) for name, options in names.items()}
    target = Target("ranking")

    def draw(rng: np.random.Generator) -> dict[str, Value]:
        picked = [population[place] for place in rng.integers(0, len(population), queries)]
        key = np.repeat(np.arange(queries), [len(each[0]) for each in picked])
        kept = filled("rows", key.astype(np.uint64), *(np.concatenate([each[side] for each in picked]) for side in (0, 1)), width=2)
        return {name: find(name.split()[0]).value((kept,), target, options) for name, options in names.items()}

    return World(f"ranking, {queries} queries", truth, draw, repeats=0.25)


# a user's own function

def own(setting: Setting) -> World:
    """The median absolute error, and Cohen's kappa, written by a user."""
    median = rows(better="lower", name="bench median error")(lambda y, value: float(np.median(np.abs(y - value))))

    def kappa(y: Array, said: Array) -> float:
        expected = y.mean() * said.mean() + (1 - y.mean()) * (1 - said.mean())
        return float(((y == said).mean() - expected) / (1 - expected))

    kappa_metric = rows(better="higher", name="bench kappa")(kappa)
    grid = normal_grid(40_001)
    chance = special.expit(-0.4 + 1.6 * grid)
    said = chance >= 0.5
    expected = chance.mean() * said.mean() + (1 - chance.mean()) * (1 - said.mean())
    agreement = np.where(said, chance, 1 - chance).mean()
    low, high = 0.0, 10.0  # the median of |N(bias, noise)|
    for _ in range(60):
        middle = (low + high) / 2
        inside = special.ndtr((middle - _BIAS) / _NOISE) - special.ndtr((-middle - _BIAS) / _NOISE)
        low, high = (middle, high) if inside < 0.5 else (low, middle)
    truth = {"rows: median error": low, "rows: kappa": float((agreement - expected) / (1 - expected))}
    grouped = bool(setting.entities)

    def draw(rng: np.random.Generator) -> dict[str, Value]:
        entity = setting.draw(rng)
        n = setting.n if entity is None else len(entity)
        key = (np.arange(n) if entity is None else entity).astype(np.uint64)
        y, value = _numbers(rng, entity, n)
        numbers = filled("rows", key, y, value, width=2)
        p = special.expit(-0.4 + 1.6 * latent(rng, entity, n))
        label = (special.ndtr(latent(rng, entity, n)) < p).astype(float)
        classes = filled("rows", key, label, (p >= 0.5).astype(float), width=2)
        return {"rows: median error": median.value((numbers,), Target("regression", grouped=grouped), {}),
                "rows: kappa": kappa_metric.value((classes,), Target("binary", (0, 1), positive=1, grouped=grouped), {})}

    return World(f"own function, {setting.name}", truth, draw, repeats=0.25)


# two models

def difference(setting: Setting, *, paired: bool) -> World:
    """Two models of different noise on the same rows, or on rows of their own."""
    grid = normal_grid(301)
    x, a = (each.ravel() for each in np.meshgrid(grid, grid))
    chance = special.expit(-0.4 + 1.6 * x)

    def answers(x: Array, noise: Array, size: float) -> Array:
        return special.expit(1.6 * x + size * noise - 0.4)

    names = ("accuracy", "recall", "auc", "brier", "f1")
    truths = [_binary_truth(chance, answers(x, a, size)) for size in (0.5, 1.2)]
    truth = {name: truths[0][name] - truths[1][name] for name in names}
    y_mae = _folded(_BIAS, _NOISE) - _folded(0.0, 2.0)
    truth["mae"] = y_mae
    grouped = bool(setting.entities) or paired
    target, numbers = Target("binary", (0, 1), positive=1, grouped=grouped), Target("regression", grouped=grouped)

    def sample(rng: np.random.Generator, sizes: tuple[float, ...]) -> list[dict[str, Any]]:
        entity = setting.draw(rng)
        n = setting.n if entity is None else len(entity)
        group = grouping(rng, np.arange(n) if entity is None else entity) if grouped else None
        x = latent(rng, entity, n)
        label = (special.ndtr(latent(rng, entity, n)) < special.expit(-0.4 + 1.6 * x)).astype(np.int64)
        y = np.exp(2 + 0.5 * latent(rng, entity, n))
        common = latent(rng, entity, n)
        out = []
        for size in sizes:
            score = answers(x, latent(rng, entity, n), size)
            error = _BIAS + _NOISE * common if size == 0.5 else 2.0 * (0.8 * common + 0.6 * latent(rng, entity, n))
            confusion = filled("confusion", label, (score >= 0.5).astype(int), group=group, classes=2, grouped=grouped)
            ranks = filled("scores", label, score, group=group, grouped=grouped)
            residuals = filled("residuals", y, y + error, group=group, grouped=grouped)
            out.append({"accuracy": confusion, "recall": confusion, "f1": confusion, "auc": ranks, "brier": ranks, "mae": residuals})
        return out

    def draw(rng: np.random.Generator) -> dict[str, Value]:
        mine, theirs = sample(rng, (0.5, 1.2)) if paired else (sample(rng, (0.5,))[0], sample(rng, (1.2,))[0])
        return {name: find(name).difference((mine[name],), (theirs[name],), numbers if name == "mae" else target, {}, paired=paired)
                for name in truth}

    return World(f"difference {'paired' if paired else 'unpaired'}, {setting.name}", truth, draw, repeats=0.25)


# groups

def groups_of(shares: tuple[float, ...], n: int) -> World:
    """Selection rates of groups compared; truth is the least ratio, and the greatest difference."""
    truth = {"ratio": min(shares) / max(shares), "difference": max(shares) - min(shares)}

    def draw(rng: np.random.Generator) -> dict[str, Value]:
        values = [Value.of("selection_rate", Spread("binomial", float(rng.binomial(n, p) / n), n=float(n)), n=n, slice={"g": place})
                  for place, p in enumerate(shares)]
        return {"ratio": disparity(values, compare="ratio"), "difference": disparity(values, compare="difference")}

    return World(f"disparity of {len(shares)} groups, {min(shares)} to {max(shares)}, n = {n}", truth, draw)


# drift

BINNED = ("psi", "jensen_shannon", "chi2")


def drift(shift: float, n: int, m: int) -> World:
    """A normal column that moved by ``shift``; ``n`` rows of reference, ``m`` now."""
    from assay.metric.column import need

    def draw(rng: np.random.Generator) -> dict[str, Any]:
        first, second = rng.standard_normal(n), rng.standard_normal(m) + shift
        reference = {"quantiles": filled("quantiles", first), "moments": filled("moments", first)}
        wanted = need("histogram", "x", reference)
        assert wanted is not None
        current: dict[str, Any] = {"quantiles": filled("quantiles", second), "moments": filled("moments", second)}
        edges = dict(wanted.options)["edges"]
        reference["histogram"], current["histogram"] = (filled("histogram", each, edges=edges) for each in (first, second))
        p, q = (np.diff(special.ndtr(np.concatenate(([-np.inf], edges, [np.inf])) - by)) for by in (0.0, shift))
        truths = _distances(p, q) | {"ks": 2 * float(special.ndtr(abs(shift) / 2)) - 1, "wasserstein": abs(shift)}
        return {name: (find(name).value("x", reference, current, {}), truths[name]) for name in (*BINNED, "ks", "wasserstein")}

    return World(f"number shifted by {shift}, {n} against {m}", {}, draw)


def categories(by: float, n: int, m: int) -> World:
    """Eight categories whose shares moved."""
    p = np.array([0.3, 0.2, 0.15, 0.1, 0.1, 0.08, 0.05, 0.02])
    q = p * np.exp(by * np.array([1, -1, 0, 1, -1, 0, 1, 2.0]))
    q /= q.sum()
    truths = _distances(p, q)
    names = [f"c{place}" for place in range(8)]

    def draw(rng: np.random.Generator) -> dict[str, Any]:
        sides = []
        for size, shares in ((n, p), (m, q)):
            counts = rng.multinomial(size, shares)
            sides.append({"frequent": filled("frequent", np.repeat(names, counts))})
        return {name: (find(name).value("x", *sides, {}), truths[name]) for name in BINNED}

    return World(f"categories moved by {by}, {n} against {m}", {}, draw)


def _distances(p: Array, q: Array) -> dict[str, float]:
    middle = (p + q) / 2
    return {"psi": float(((p - q) * np.log(p / q)).sum()),
            "jensen_shannon": math.sqrt(max(0.0, float((p * np.log2(p / middle) + q * np.log2(q / middle)).sum() / 2))),
            "chi2": float(((p - q) ** 2 / (p + q)).sum() / 2)}


# columns

def column(n: int) -> World:
    """Mean, deviation and quantiles of a normal and of a skewed column."""
    z = float(special.ndtri(0.9))
    truth = {"mean": 0.0, "deviation": 1.0, "quantile 0.5": 0.0, "quantile 0.9": z, "mean, skewed": 1.0, "deviation, skewed": 1.0}

    def draw(rng: np.random.Generator) -> dict[str, Value]:
        x, skewed = rng.standard_normal(n), rng.exponential(size=n)
        moments, quantiles = {"moments": filled("moments", x)}, {"quantiles": filled("quantiles", x)}
        other = {"moments": filled("moments", skewed)}
        asked: dict[str, tuple[str, Any, dict[str, Any]]] = {
            "mean": ("mean", moments, {}), "deviation": ("deviation", moments, {}), "quantile 0.5": ("quantile", quantiles, {"q": 0.5}),
            "quantile 0.9": ("quantile", quantiles, {"q": 0.9}), "mean, skewed": ("mean", other, {}),
            "deviation, skewed": ("deviation", other, {})}
        return {name: find(metric).value("x", {}, current, options) for name, (metric, current, options) in asked.items()}

    return World(f"column, n = {n}", truth, draw)


def worlds() -> Iterator[World]:
    for each in SETTINGS:
        yield binary(each)
    for each in SETTINGS:
        calibrated = binary(each, sharpen=1.0, shift=0.0, only=("calibration_error",))
        yield World("calibrated, " + each.name, calibrated.truth, calibrated.draw, calibrated.repeats)
    for each in SETTINGS:
        yield multiclass(each)
    for each in SETTINGS:
        yield regression(each)
    for share in (0.5, 0.8, 0.95, 0.99):
        for n in (200, 1000):
            yield proportion(share, n)
    for queries in (50, 200):
        yield ranking(queries)
    yield own(INDEPENDENT[0])
    yield own(CLUSTERED[0])
    for each in SETTINGS:
        yield difference(each, paired=True)
    for each in (INDEPENDENT[0], CLUSTERED[0]):
        yield difference(each, paired=False)
    yield groups_of((0.3, 0.4), 200)
    yield groups_of((0.4, 0.4), 1000)
    yield groups_of((0.3, 0.3, 0.35, 0.4, 0.45), 500)
    yield groups_of((0.4,) * 5, 500)
    for shift in (0.0, 0.15, 0.5):
        yield drift(shift, 2000, 500)
        yield categories(shift, 2000, 500)
    yield drift(0.0, 500, 200)
    yield drift(0.3, 20_000, 20_000)
    yield column(200)


def measured(world: World, repeats: int, seed: int = 0) -> list[dict[str, Any]]:
    """Return one result per metric of a world."""
    found: dict[str, Row] = {}
    for place in range(max(1, int(repeats * world.repeats))):
        for name, drawn in world.draw(np.random.default_rng((seed, place))).items():
            value, truth = drawn if isinstance(drawn, tuple) else (drawn, world.truth[name])
            found.setdefault(name, Row(world.name, name)).add(value, truth)
    return [each.result() for each in found.values()]


def tails(draws: int = 20_000) -> Iterator[tuple[str, int, dict[float, tuple[float, float]]]]:
    """Return how often p-values at the truth are at most 2.5 % and 0.05 % (Holm's first step over 50 slices), by rows.

    As a check judges them: shares by exact binomial p-values, all else by Student's with at most (n - 1) / 2 degrees of freedom.
    """
    import dataclasses

    rng = np.random.default_rng(11)
    for n in (50, 200, 1000, 5000):
        few = draws if n <= 1000 else draws // 4
        spreads: dict[str, tuple[float, list[Spread]]] = {"accuracy": (0.8, []), "mae": (math.sqrt(2 / math.pi), []), "auc": (0.8, [])}
        gap = math.sqrt(2) * float(special.ndtri(0.8))
        metric = find("auc").forms[0]
        hits = rng.binomial(n, 0.8, few)
        spreads["accuracy"][1].extend(Spread("binomial", each / n, n=float(n)) for each in hits)
        for _ in range(few):
            loss = np.abs(rng.standard_normal(n))
            mean = float(loss.mean())
            spreads["mae"][1].append(Spread("normal", mean, n=float(n), error=float(loss.std(ddof=1)) / math.sqrt(n) / mean, scale="log"))
        for _ in range(few // 4):
            label = rng.uniform(size=n) < 0.3
            if not 2 <= label.sum() <= n - 2:
                continue
            order = np.argsort(rng.standard_normal(n) + gap * label)
            ranks = Ranks(np.arange(n, dtype=float), np.stack([~label[order], label[order]], axis=1).astype(float))
            area = float(metric.function(ranks))
            assert metric.error is not None
            error = metric.error(ranks) / max(area * (1 - area), 1e-12)
            spreads["auc"][1].append(Spread("normal", area, n=float(n), error=error, scale="logit"))
        for name, (truth, found) in spreads.items():
            judged = [each if each.kind == "binomial" else dataclasses.replace(each, df=(n - 1) / 2) for each in found]
            pairs = np.array([(each.p_at_least(truth), each.p_at_most(truth)) for each in judged])
            yield name, n, {alpha: tuple((pairs <= alpha).mean(axis=0).tolist()) for alpha in (0.025, 0.0005)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=2000)
    parser.add_argument("--world", default="", help="only worlds whose name holds this")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = []
    began = time.perf_counter()
    for world in worlds():
        if options.world not in world.name:
            continue
        start = time.perf_counter()
        results = measured(world, options.repeats)
        print(f"\n{world.name}  ({results[0]['repeats']} repeats, {time.perf_counter() - start:.0f} s)")
        print(f"{'':22} {'truth':>8} {'covered':>8} {'width':>6} {'bias':>6} {'p at least':>10} {'p at most':>10} {'low > 0':>8} "
              f"{'undefined':>9}")
        for each in results:
            outside = "" if 0.93 <= each["coverage"] <= 0.97 else " <" if each["coverage"] < 0.93 else " >"
            print(f"{each['metric']:22} {each['truth']:8.4f} {each['coverage']:8.1%} {each['width']:6.2f} {each['bias']:6.2f} "
                  f"{each['at_least']:10.1%} {each['at_most']:10.1%} {each['above_zero']:8.1%} {each['undefined']:9}{outside}", flush=True)
        found += results
    if options.world in "p-values":
        print(f"\np-values at the truth: how often they are at most alpha\n{'':12} {'n':>6} {'at least, 2.5 %':>16} {'at most':>9} "
              f"{'at least, 0.05 %':>17} {'at most':>9}")
        for name, n, rates in tails(10 * options.repeats):
            (a, b), (c, d) = rates[0.025], rates[0.0005]
            print(f"{name:12} {n:6} {a:16.2%} {b:9.2%} {c:17.3%} {d:9.3%}", flush=True)
    print(f"\n{time.perf_counter() - began:.0f} s")
    if options.json:
        options.json.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
