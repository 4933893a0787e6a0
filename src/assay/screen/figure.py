"""Pictures of the sample, as tables of aggregates: how a model performs, whether its scores are probabilities, what drifted.

``figures(study)`` returns them, performance first, then the most drifted features. Exact for the sampled rows, weights counted; each
figure says in a sentence what there is to see. Verbs import it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from assay.errors import PredictionError
from assay.model.answer import Answer
from assay.result import FEWEST_SHOWN, Figure, Spread
from assay.screen.leakage import identifies
from assay.screen.power import clusters, error, readable, seconds
from assay.screen.study import Sample, Study
from assay.summary.vector import kind_of

__all__ = ["confidence", "figures"]

Array = np.ndarray[Any, Any]

POINTS = 101
BINS = 10
BARS = 20
CATEGORIES = 10
CLASSES = 20
MOST = 60           # features whose distributions are drawn
LONGEST = 40        # characters of a text that is a label on an axis
FLOOR = 1e-4        # a share of no rows counts as this in the distance of two distributions


def figures(study: Study) -> list[Figure]:
    """Return what can be drawn of a study; what has no labels, no model that answers or no second data set has no picture of it."""
    return [*_of_model(study), *_drift(study)]


def confidence(study: Study) -> float | None:
    """Return by how much the mean score of the class that is named lies above the share of rows in which it is right, None without scores.

    Above 0 the model is too sure of itself, below 0 too cautious. Raises ``PredictionError`` where the model cannot be asked.
    """
    answer, outcome = study.answer(), study.outcome()
    known = outcome >= 0
    if answer.score is None or answer.scores == "score" or not known.any():
        return None
    score = answer.score[known]
    return float(score.max(axis=1).mean() - np.mean(score.argmax(axis=1) == outcome[known]))


@dataclass(frozen=True, eq=False)
class _Judged:
    """The labelled rows: their answers, outcomes, weights and clusters, and the end of each sentence."""

    study: Study
    answer: Answer
    outcome: Array
    weight: Array
    cluster: Array | None
    tail: str

    @property
    def classes(self) -> list[str]:
        assert self.study.target is not None
        return [_short(each) for each in self.study.target.classes]

    @property
    def positive(self) -> int:
        assert self.study.target is not None
        return 1 if self.study.target.positive is None else self.study.target.positive

    def share(self, hits: Array, rows: Array) -> Spread:
        """Return the weighted share of hits among some rows, as of as many independent rows as these are worth (Kish 1965)."""
        weight = self.weight[rows]
        found = float(np.average(hits, weights=weight))
        cluster = None if self.cluster is None else np.unique(self.cluster[rows], return_inverse=True)[1]
        units = weight if cluster is None else np.bincount(cluster, weights=weight)
        worth = float(weight.sum() ** 2 / np.sum(units**2))
        df = math.inf
        if 0 < found < 1:
            spread, df = error(weight * (hits - found) / weight.sum(), cluster)
            if math.isfinite(spread) and spread > 0:
                worth = min(found * (1 - found) / spread**2, float(len(hits)))
        elif cluster is not None:
            df = max(float(cluster.max()), 1.0)
        return Spread("binomial", found, n=max(worth, 1.0), df=df)

    def mean(self, values: Array, rows: Array) -> Spread:
        """Return the weighted mean of numbers of some rows."""
        weight = self.weight[rows]
        found = float(np.average(values, weights=weight))
        cluster = None if self.cluster is None else np.unique(self.cluster[rows], return_inverse=True)[1]
        spread, df = error(weight * (values - found) / weight.sum(), cluster)
        if cluster is None:
            spread, df = spread * math.sqrt(len(values) / max(len(values) - 1, 1)), len(values) - 1.0
        return Spread("normal", found, n=float(len(values)), error=spread if len(values) > 1 else 0.0, df=max(df, 1.0))


def _of_model(study: Study) -> Iterator[Figure]:
    if not study.has("label") or not len(study.data):
        return
    try:
        answer = study.answer()
    except PredictionError:
        return  # checks of the model say why
    outcome = study.outcome()
    weight = _weights(study.data)
    known = (np.isfinite(outcome) if outcome.dtype.kind == "f" else outcome >= 0) & (weight > 0)
    if not known.any():
        return
    cluster = clusters(study.data)
    prediction, score, value = (None if each is None else each[known] for each in (answer.prediction, answer.score, answer.value))
    part = Answer(answer.task, answer.classes, prediction, score, value, answer.scores)
    judged = _Judged(study, part, outcome[known], weight[known], None if cluster is None else cluster[known],
                     _drawn(study.data, int(known.sum())))
    assert study.target is not None
    draw: Callable[[_Judged], Iterator[Figure]] | None = {"binary": _binary, "multiclass": _multiclass, "regression": _regression}.get(
        study.target.task)
    if draw is not None:
        yield from draw(judged)


# two classes ----------------------------------------------------------------------------------------------------------------


def _binary(of: _Judged) -> Iterator[Figure]:
    if of.answer.score is not None:
        score, truth = of.answer.score[:, of.positive], of.outcome == of.positive
        if 0 < truth.sum() < len(truth):
            yield _roc(of, score, truth)
            yield _precision(of, score, truth)
        if of.study.target is not None and of.study.target.probabilities:
            yield _reliability(of, score, truth, f"class {of.classes[of.positive]}")
        yield _scores(of, score, truth)
    yield _confusion(of)


def _ranked(score: Array, truth: Array, weight: Array) -> tuple[Array, Array]:
    """Return the weights of true and false positives at each distinct score taken as threshold, from the highest down, 0 first."""
    order = np.argsort(-score, kind="stable")
    last = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)
    hits = np.cumsum((weight * truth)[order])[last]
    false = np.cumsum((weight * ~truth)[order])[last]
    return np.append(0.0, hits), np.append(0.0, false)


def _thinned(x: Array, y: Array) -> Array:
    """Return the places of at most 101 points of a curve, its ends among them, evenly along it."""
    if len(x) <= POINTS:
        return np.arange(len(x))
    along = np.append(0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
    return np.unique(np.append(np.searchsorted(along, np.linspace(0, along[-1], POINTS)[:-1]), len(x) - 1))


def _roc(of: _Judged, score: Array, truth: Array) -> Figure:
    hits, false = _ranked(score, truth, of.weight)
    rate, alarm = hits / hits[-1], false / false[-1]
    area = float(np.sum(np.diff(alarm) * (rate[1:] + rate[:-1]) / 2))
    some = _thinned(alarm, rate)
    name = of.classes[of.positive]
    table = {"false positive rate": _floats(alarm[some]), "true positive rate": _floats(rate[some])}
    return Figure("roc", "line", "Ranking (ROC curve)", table, x="false positive rate", y=("true positive rate",), diagonal=True,
                  aspect="performance",
                  sentence=f"The model ranks a random row of class {name} above a random one of class {of.classes[1 - of.positive]} "
                           f"{_hundred(area)}: AUC {area:.3f}{of.tail}.")


def _precision(of: _Judged, score: Array, truth: Array) -> Figure:
    hits, false = (each[1:] for each in _ranked(score, truth, of.weight))
    precision, recall = hits / np.maximum(hits + false, 1e-300), hits / hits[-1]
    some = _thinned(recall, precision)
    half = int(np.searchsorted(recall, 0.5))
    base = float(hits[-1] / (hits[-1] + false[-1]))
    table = {"recall": _floats(recall[some]), "precision": _floats(precision[some])}
    return Figure("precision_recall", "line", "Precision and recall", table, x="recall", y=("precision",), aspect="performance",
                  sentence=f"When the model picks enough rows to find half of class {of.classes[of.positive]}, {precision[half]:.0%} of "
                           f"what it picks is right; of rows picked at random it would be {base:.0%}{of.tail}.")


def _reliability(of: _Judged, score: Array, truth: Array, what: str) -> Figure:
    """Return shares that occurred by quantile bins of the score, ties kept together."""
    edges = np.unique(_quantiles(score, of.weight, np.linspace(0, 1, min(BINS, max(len(score) // FEWEST_SHOWN, 1)) + 1)[1:-1]))
    place = np.searchsorted(edges, score, side="left")
    rows: dict[str, list[Any]] = {"mean score": [], "share": [], "low": [], "high": [], "rows": []}
    for each in np.unique(place):
        some = np.flatnonzero(place == each)
        spread = of.share(truth[some].astype(np.float64), some)
        low, high = spread.interval()
        for name, value in zip(rows, (float(np.average(score[some], weights=of.weight[some])), spread.estimate, low, high, len(some)),
                               strict=True):
            rows[name].append(value)
    apart = np.array(rows["share"]) - np.array(rows["mean score"])
    outside = np.array([not low <= said <= high for said, low, high in zip(rows["mean score"], rows["low"], rows["high"], strict=True)])
    if not outside.any():
        seen = f"Scores of {what} are the shares that occur, as far as these rows can tell"
    else:
        worst = int(np.argmax(np.where(outside, np.abs(apart), -1)))
        seen = (f"Where the model says {rows['mean score'][worst]:.0%} for {what}, {rows['share'][worst]:.0%} occur "
                f"[{rows['low'][worst]:.0%}, {rows['high'][worst]:.0%}]; on the diagonal, scores are probabilities")
    table = {name: tuple(column) for name, column in rows.items()}
    return Figure("reliability", "line", "Are scores probabilities?", table, x="mean score", y=("share",), low=("low",), high=("high",),
                  diagonal=True, aspect="calibration", sentence=f"{seen}{of.tail}.")


def _scores(of: _Judged, score: Array, truth: Array) -> Figure:
    probable = of.study.target is not None and of.study.target.probabilities
    labels, place = _binned(score, 0.0, 1.0) if probable else _binned(score, *_middle_range(score))
    sides = {f"class {of.classes[1 - of.positive]}": ~truth, f"class {of.classes[of.positive]}": truth}
    table: dict[str, tuple[Any, ...]] = {"score": labels}
    medians = []
    for name, rows in sides.items():
        sums = np.bincount(place[rows], of.weight[rows], len(labels))
        table[name] = _floats(sums / max(sums.sum(), 1e-300))
        medians.append(f"{float(_quantiles(score[rows], of.weight[rows], np.array([0.5]))[0]):.3g} of {name}" if rows.any() else
                       f"none of {name}, which has no row")
    return Figure("scores", "bars", "Scores by class", table, x="score", y=tuple(sides), aspect="performance",
                  sentence=f"The middle score is {medians[1]}, and {medians[0]}{of.tail}.")


# several classes ------------------------------------------------------------------------------------------------------------


def _multiclass(of: _Judged) -> Iterator[Figure]:
    if of.answer.score is not None and of.study.target is not None and of.study.target.probabilities:
        top = np.argmax(of.answer.score, axis=1)
        figure = _reliability(of, of.answer.score.max(axis=1), top == of.outcome, "the likeliest class")
        yield replace(figure, title="Is the likeliest class as likely as it says?")
    yield _confusion(of)


def _confusion(of: _Judged) -> Figure:
    assert of.study.target is not None
    target, answer = of.study.target, of.answer
    said = answer.prediction if answer.prediction is not None else np.argmax(answer.score, axis=1)  # type: ignore[arg-type]
    at = ""
    if target.threshold is not None and answer.score is not None and target.task == "binary":
        said = np.where(answer.score[:, of.positive] >= target.threshold, of.positive, 1 - of.positive)
        at = f" at the threshold {target.threshold:g}"
    width = len(target.classes)
    counts = np.bincount(of.outcome * width + said, of.weight, width * width).reshape(width, width)
    names = of.classes
    if width > CLASSES:
        order = np.argsort(-(counts.sum(axis=0) + counts.sum(axis=1)), kind="stable")
        kept, rest = order[: CLASSES - 1], order[CLASSES - 1:]
        names = [*(names[each] for each in kept), f"{len(rest)} others"]
        counts = np.stack([np.append(counts[row][:, kept].sum(axis=0), counts[np.ix_(row, rest)].sum())
                           for row in (*(np.array([each]) for each in kept), rest)])
    right = float(np.average(said == of.outcome, weights=of.weight))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-300)
    table: dict[str, tuple[Any, ...]] = {"true class": tuple(_different(names))}
    cells = [f"predicted {each}" for each in table["true class"]]
    table |= {name: _counts(counts[:, place]) for place, name in enumerate(cells)}
    table |= {f"share {name}": _floats(shares[:, place]) for place, name in enumerate(cells)}
    return Figure("confusion", "matrix", "True and predicted classes", table, x="true class", y=tuple(cells), aspect="performance",
                  sentence=f"The model is right {_hundred(right)}{at}; {_missed(of, counts, shares, names)}{of.tail}.")


def _missed(of: _Judged, counts: Array, shares: Array, names: Sequence[str]) -> str:
    if len(names) == 2:
        yes = of.positive
        return (f"it finds {shares[yes, yes]:.0%} of class {names[yes]}, "
                f"and takes {shares[1 - yes, yes]:.0%} of class {names[1 - yes]} for it")
    off = counts * (1 - np.eye(len(counts)))
    row, column = divmod(int(np.argmax(off)), len(off))
    if not off[row, column]:
        return "it confuses nothing"
    return f"most often it takes {names[row]} for {names[column]}, {shares[row, column]:.0%} of them"


# numbers --------------------------------------------------------------------------------------------------------------------


def _regression(of: _Judged) -> Iterator[Figure]:
    value, truth = of.answer.value, of.outcome
    assert value is not None
    edges = np.unique(_quantiles(value, of.weight, np.linspace(0, 1, min(BINS, max(len(value) // FEWEST_SHOWN, 1)) + 1)[1:-1]))
    place = np.searchsorted(edges, value, side="left")
    rows: dict[str, list[Any]] = {"mean prediction": [], "mean truth": [], "low": [], "high": [], "rows": []}
    for each in np.unique(place):
        some = np.flatnonzero(place == each)
        spread = of.mean(truth[some], some)
        low, high = spread.interval()
        for name, number in zip(rows, (float(np.average(value[some], weights=of.weight[some])), spread.estimate, low, high, len(some)),
                                strict=True):
            rows[name].append(number)
    ends = [f"{_number(rows['mean prediction'][each])} is predicted, the truth is {_number(rows['mean truth'][each])} on average"
            for each in (0, -1)]
    yield Figure("predicted_actual", "line", "Predicted and true values", {name: tuple(column) for name, column in rows.items()},
                 x="mean prediction", y=("mean truth",), low=("low",), high=("high",), diagonal=True, aspect="calibration",
                 sentence=f"In the lowest tenth, where {ends[0]}; in the highest, where {ends[1]}{of.tail}.")
    off = value - truth
    labels, bar = _binned(off, *_middle_range(off))
    sums = np.bincount(bar, of.weight, len(labels))
    low, middle, high = (float(each) for each in _quantiles(off, of.weight, np.array([0.25, 0.5, 0.75])))
    mean = float(np.average(off, weights=of.weight))
    yield Figure("residuals", "bars", "Errors: prediction less truth", {"error": labels, "share": _floats(sums / sums.sum())}, x="error",
                 y=("share",), aspect="performance",
                 sentence=f"Half of the errors lie between {_number(low)} and {_number(high)}, the middle one is {_number(middle)}; "
                          f"on average the model predicts {_number(abs(mean))} too {'much' if mean >= 0 else 'little'}{of.tail}.")


# drift ----------------------------------------------------------------------------------------------------------------------


def _drift(study: Study) -> list[Figure]:
    other = study.reference or study.train
    if other is None or not len(other) or not len(study.data):
        return []
    than = "reference" if study.reference is not None else "training"
    found = []
    for name in study.measured:
        if name not in other.schema or not readable(study, name) or not _alike(study.schema[name].type, other.schema[name].type):
            continue
        bars = _numbers(study, name, other) if study.kind(name) == "number" else _categories(study, name, other)
        if bars is not None:
            found.append(_moved(study, name, other, than, *bars))
    return [figure for _, figure in sorted(found, key=lambda pair: -pair[0])[:MOST]]


def _alike(one: pa.DataType, other: pa.DataType) -> bool:
    return kind_of(one) == kind_of(other) and pa.types.is_temporal(one) == pa.types.is_temporal(other)


def _moved(study: Study, name: str, other: Sample, than: str, labels: tuple[str, ...], before: Array, after: Array) -> tuple[float, Figure]:
    """Return the population stability index of two distributions over the same bars, and their picture."""
    first, second = before / max(before.sum(), 1e-300), after / max(after.sum(), 1e-300)
    p, q = np.maximum(first, FLOOR), np.maximum(second, FLOOR)
    distance = float(np.sum((q - p) * np.log(q / p)))
    place = int(np.argmax(np.abs(second - first)))
    seen = (f"Of the rows judged {second[place]:.1%} have {name} {labels[place]}, of the {than} {first[place]:.1%}; "
            "that moved most")
    if abs(second[place] - first[place]) < 0.005:
        seen = f"Values of {name} are distributed as in the {than}: no bar moved by half a percent"
    tail = ", and ".join(each for each in (_part(study.data), _part(other, f" of the {than}")) if each)
    figure = Figure(f"drift {name}", "bars", name, {"value": labels, than: _floats(first), "current": _floats(second)}, x="value",
                    y=(than, "current"), aspect="drift", column=name, sentence=f"{seen}{f' ({tail})' if tail else ''}.")
    return distance, figure


def _numbers(study: Study, name: str, other: Sample) -> tuple[tuple[str, ...], Array, Array] | None:
    """Return bars of a number or time: quantile bins of the reference, or its values where they are few."""
    if identifies(study, name):
        return None
    when = pa.types.is_temporal(study.schema[name].type)
    sides = [seconds(of.column(name)) if when else study.numbers(name, of) for of in (other, study.data)]
    known = sides[0][np.isfinite(sides[0])]
    if not len(known):
        return None
    values = np.unique(known)
    show = _clock(study.schema[name].type) if when else _number
    if len(values) <= BINS:
        edges = values[1:]
        labels = [show(each) for each in values]
        strange = [~np.isnan(side) & ~np.isin(side, values) for side in sides]
    else:
        edges, show = _edges(known, values, show)
        shown = [show(each) for each in edges]
        labels = [f"< {shown[0]}", *(f"{low} to {high}" for low, high in itertools.pairwise(shown)), f">= {shown[-1]}"]
        strange = [np.zeros(len(side), bool) for side in sides]
    labels = [*_different(labels), "other", "missing"]
    counts = []
    for side, odd, of in zip(sides, strange, (other, study.data), strict=True):
        place = np.where(np.isnan(side), len(labels) - 1, np.where(odd, len(labels) - 2, np.searchsorted(edges, side, side="right")))
        counts.append(np.bincount(place, _weights(of), len(labels)))
    return _used(labels, *counts)


def _edges(known: Array, values: Array, show: Callable[[float], str]) -> tuple[Array, Callable[[float], str]]:
    """Return edges at tenths of the rows, round numbers where these tell as much, and how an edge is written."""
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1], method="inverted_cdf"))
    edges = edges[edges > values[0]]
    edges = edges if len(edges) else values[1:2]
    if show is not _number:
        return edges, show
    rounded = np.unique([_down(float(each)) for each in edges])
    if len(rounded) == len(edges) and rounded[0] > values[0]:
        return rounded, show
    return edges, lambda value: f"{value:.12g}"


def _down(value: float) -> float:
    """Return the next number of four digits below, so that an edge that is a value stays on its side."""
    near = float(f"{value:.4g}")
    if near <= value:
        return near
    digit = 10.0 ** (math.floor(math.log10(abs(value))) - 3)
    return float(f"{near - digit:.4g}")


def _categories(study: Study, name: str, other: Sample) -> tuple[tuple[str, ...], Array, Array] | None:
    """Return bars of the commonest categories of the reference; groups of people of fewer than five rows are not told apart."""
    sides = [study.codes(name, of) for of in (other, study.data)]
    width = max(int(side.max(initial=-1)) for side in sides) + 1
    if not width or identifies(study, name) or _free(study, name, other):
        return None
    rows = [np.bincount(side[side >= 0], minlength=width) for side in sides]
    weighed = [np.bincount(side[side >= 0], _weights(of)[side >= 0], width) for side, of in zip(sides, (other, study.data), strict=True)]
    order = np.lexsort((np.arange(width), -weighed[1], -weighed[0]))
    kept = order[:CATEGORIES]
    # a value of few rows may be a person; of a protected column, one that is rare on either side
    shown = np.minimum(*rows) if name in study.schema.protected else rows[0] + rows[1]
    kept = np.array([each for each in kept if shown[each] >= FEWEST_SHOWN], np.int64)
    labels = [*_different([_short(study.category(name, int(each))) for each in kept]), "other", "missing"]
    counts = []
    for side, sums, of in zip(sides, weighed, (other, study.data), strict=True):
        counts.append(np.array([*sums[kept], sums.sum() - sums[kept].sum(), _weights(of)[side < 0].sum()]))
    return _used(labels, *counts)


def _free(study: Study, name: str, other: Sample) -> bool:
    """Whether a column is free text: long, or hardly any value twice."""
    kind = study.schema[name].type
    if pa.types.is_boolean(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return not pa.types.is_boolean(kind)
    codes = study.codes(name, other)
    known = codes[codes >= 0]
    different = np.unique(known)
    if len(different) > 50 and len(different) > len(known) / 2:
        return True
    some = [study.category(name, int(each)) for each in different[:50]]
    return bool(some) and float(np.mean([len(str(each)) for each in some])) > LONGEST


def _used(labels: Sequence[str], before: Array, after: Array) -> tuple[tuple[str, ...], Array, Array]:
    some = [place for place, label in enumerate(labels) if before[place] + after[place] > 0 or label not in ("other", "missing")]
    return tuple(labels[place] for place in some), before[some], after[some]


# words and numbers ------------------------------------------------------------------------------------------------------------


def _weights(of: Sample) -> Array:
    """Return the weight of each row, 0 where it makes no sense, 1 where there is none."""
    name = of.schema.weight
    if name is None:
        return np.ones(len(of))
    weight = np.asarray(of.column(name).cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
    return np.where(np.isfinite(weight) & (weight > 0), weight, 0.0)


def _quantiles(values: Array, weight: Array, at: Array) -> Array:
    """Return quantiles: linear between rows that weigh alike (as numpy's), else the value where the weight reaches them."""
    if not len(values) or np.all(weight == weight[0]):
        return np.asarray(np.quantile(values, at) if len(values) else np.full(len(at), np.nan))
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weight[order])
    return np.asarray(values[order][np.minimum(np.searchsorted(reached, at * reached[-1]), len(values) - 1)])


def _middle_range(values: Array) -> tuple[float, float]:
    low, high = (float(each) for each in np.quantile(values, [0.01, 0.99]))
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _binned(values: Array, low: float, high: float) -> tuple[tuple[str, ...], Array]:
    """Return the labels of 20 bins of equal width, the outer ones open where values lie beyond, and the bin of each value."""
    edges = np.linspace(low, high, BARS + 1)
    place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, BARS - 1)
    digits = max(0, min(12, -math.floor(math.log10((high - low) / BARS) + 1e-9)))
    digits += not np.allclose(np.round(edges, digits), edges, atol=1e-12)
    shown = [f"{each:.{digits}f}" if abs(low) + abs(high) < 1e9 else f"{each:.6g}" for each in edges]
    labels = [f"{a} to {b}" for a, b in itertools.pairwise(shown)]
    if len(values) and values.min() < low:
        labels[0] = f"< {shown[1]}"
    if len(values) and values.max() > high:
        labels[-1] = f">= {shown[-2]}"
    return tuple(_different(labels)), place


def _drawn(of: Sample, labelled: int) -> str:
    parts = [_part(of), f"{labelled:,} with a label" if labelled < len(of) else ""]
    text = ", ".join(each for each in parts if each)
    return f" ({text})" if text else ""


def _part(of: Sample, what: str = "") -> str:
    """Return which part of a data set was looked at, nothing where it was all."""
    return f"drawn from {len(of):,} of {of.rows:,} rows{what}" if len(of) < of.rows else ""


def _hundred(share: float) -> str:
    return "always" if share >= 1 else "never" if share <= 0 else f"{100 * share:.0f} times in 100" if 0.01 <= share <= 0.99 else (
        f"{1000 * share:.0f} times in 1,000")


def _different(labels: Sequence[str]) -> list[str]:
    """Return labels that differ: names of columns and of bars must."""
    seen: dict[str, int] = {}
    found = []
    for each in labels:
        seen[each] = seen.get(each, 0) + 1
        found.append(each if seen[each] == 1 else f"{each} ({seen[each]})")
    return found


def _clock(kind: pa.DataType) -> Callable[[float], str]:
    """Return how seconds of a type are told: moments by the minute, days as days, all else as a number."""
    def moment(second: float) -> str:
        text = str(np.datetime64(math.floor(second), "s"))
        return text[:10] if pa.types.is_date(kind) or text.endswith("T00:00:00") else text[:16].replace("T", " ")

    return moment if pa.types.is_timestamp(kind) or pa.types.is_date(kind) else _number


def _number(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1e4 or abs(value) >= 1e15 else f"{value:,.0f}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _floats(values: Array) -> tuple[float, ...]:
    return tuple(float(each) for each in values)


def _counts(values: Array) -> tuple[int | float, ...]:
    return tuple(int(each) if float(each).is_integer() else float(each) for each in values)
