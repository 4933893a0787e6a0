"""What a metric is: a pure function from summaries to a number, with the needs, the direction and the interval around it.

``@metric(needs="confusion", ...)`` makes one of a function of a *view* (``Cells``, ``Ranks``, ``Errors``, ...), written with
numpy so that it also takes views with a leading axis of resampled rows: that is how every metric gets its interval.
``@distance`` compares a column of the reference with the same column now, ``@quality`` states a fact about a delivered
column, ``@metric.rows`` wraps a user's own ``f(y_true, y_pred)``. ``METRICS`` is the registry. Verbs and monitors import it;
a metric sees summaries, never an engine, a model or a data frame.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast

import numpy as np

from assay.errors import ConfigError, UnknownNameError
from assay.registry import Registry
from assay.result import Better, Spread, Value, intervals
from assay.summary import Need, Summary
from assay.summary.confusion import Cells, Confusion
from assay.summary.losses import Means
from assay.summary.resample import Array, Replicates, drawn
from assay.summary.residuals import Errors
from assay.summary.scores import Ranks
from assay.summary.target import Target

__all__ = ["METRICS", "Metric", "Share", "metric"]

_COUNTED = ("confusion", "predicted", "agreement", "rightness")  # what is read as counts of cells
_FEW = 64  # counts of a slice up to which many slices are resampled together
Scale = Literal["identity", "log", "logit", "atanh", "square"]

METRICS: Registry[Any] = Registry("metric", {
    **{name: f"assay.metric.classification:{name}" for name in (
        "accuracy", "balanced_accuracy", "precision", "recall", "specificity", "f1", "selection_rate", "mcc", "false_positive_rate",
        "false_negative_rate")},
    **{name: f"assay.metric.probability:{name}" for name in ("auc", "average_precision", "log_loss", "brier", "calibration_error")},
    **{name: f"assay.metric.regression:{name}" for name in ("mae", "rmse", "mse", "mape", "r2", "bias")},
    **{name: f"assay.metric.ranking:{name}" for name in ("ndcg", "mrr", "map")},
    **{name: f"assay.metric.drift:{name}" for name in ("psi", "jensen_shannon", "wasserstein", "ks", "chi2")},
    **{name: f"assay.metric.quality:{name}" for name in (
        "missing", "infinite", "out_of_range", "new_categories", "constant", "duplicates", "distinct", "mean", "deviation", "least",
        "greatest", "quantile", "type_changed", "has_type", "repeated", "share", "count")},
})

#: other names in use for the same thing
ALIASES = {"roc_auc": "auc", "pr_auc": "average_precision", "ece": "calibration_error", "tpr": "recall", "sensitivity": "recall",
           "fpr": "false_positive_rate", "fnr": "false_negative_rate", "tnr": "specificity", "js": "jensen_shannon",
           "mean_absolute_error": "mae", "root_mean_squared_error": "rmse", "nulls": "missing", "brier_score": "brier",
           "acc": "accuracy", "min": "least", "max": "greatest", "std": "deviation"}


def find(name: str) -> Any:
    """Return the metric of that name or alias; raises ``UnknownNameError`` with the nearest one.

    >>> find("roc_auc").name
    'auc'
    """
    real = ALIASES.get(name, name)
    if real not in METRICS:
        raise UnknownNameError.among("metric", name, [*METRICS, *ALIASES])
    return METRICS[real]


class Share(NamedTuple):
    """A share of rows: ``part`` of ``whole``; both may have leading axes."""

    part: Any
    whole: Any

    @property
    def ratio(self) -> Any:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.part, float) / np.asarray(self.whole, float)


@dataclass(frozen=True)
class Form:
    """How a metric is computed for some tasks, from which summaries.

    ``error`` gives the standard error of independent rows from the view, ``spread`` all of the uncertainty from the summaries,
    where neither resampling nor one number would do.
    """

    function: Callable[..., Any]
    needs: str
    tasks: tuple[str, ...]
    error: Callable[..., float] | None = None
    spread: Callable[..., Spread] | None = None


@dataclass(frozen=True)
class Metric:
    """A named metric of labelled rows; call it with a view, or let a verb measure it on data.

    ``scale`` is the scale on which its estimate is nearly Gaussian, ``limits`` what it cannot exceed.
    """

    name: str
    forms: tuple[Form, ...]
    better: Better | None
    scale: Scale = "identity"
    limits: tuple[float, float] = (-math.inf, math.inf)
    unit: str | None = None
    doc: str = ""
    undefined: str = "not defined on these rows"
    probabilities: bool = False
    of: Literal["rows"] = "rows"

    def __call__(self, view: Any, **options: Any) -> Any:
        """Return the bare number (or an array over a leading axis) for a view."""
        found = _ratio(self.forms[0].function(view, **options))
        return float(found) if np.ndim(found) == 0 else found

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(task for form in self.forms for task in form.tasks))

    @property
    def labelled(self) -> bool:
        """Whether rows must have labels."""
        return any(form.needs != "predicted" for form in self.forms)

    def form(self, target: Target) -> Form:
        """Return the form for a task; raises ``ConfigError`` where there is none."""
        if self.probabilities and not target.probabilities:
            raise ConfigError(f"{self.name} needs probabilities, and the model gives scores of any size",
                              hint="use auc or average_precision, or calibrate the model")
        for form in self.forms:
            if target.task in form.tasks:
                return form
        raise ConfigError(f"{self.name} is not a metric of {target.task} models", expected=f"a model for {' or '.join(self.tasks)}",
                          hint=f"for {target.task} there are {', '.join(_names_for(target.task))}")

    def options(self, target: Target, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the function's keyword arguments: what was given, checked, and what the target says."""
        known = _keywords(self.form(target).function)
        for name in given:
            if name not in known:
                raise UnknownNameError.among(f"option of {self.name}", name, known)
        options = dict(given)
        if "positive" in known:
            options["positive"] = target.positive if "positive" not in given else target.place(given["positive"])
        return options

    def needs(self, target: Target, options: Mapping[str, Any], *, model: str = "") -> tuple[Need, ...]:
        """Return the summaries to ask an engine for."""
        return _NEEDS[self.form(target).needs](target, self.options(target, options), f":{model}" if model else "")

    def value(self, summaries: Sequence[Summary], target: Target, options: Mapping[str, Any], **place: Any) -> Value:
        """Return the metric with its interval; ``place`` are further fields of the value (slice, model)."""
        form, keywords = self.form(target), self.options(target, options)
        call = _caller(form, summaries, keywords)
        rows = summaries[0].n
        views = tuple(each.view() for each in summaries)  # type: ignore[attr-defined]
        with np.errstate(all="ignore"):
            found = call(views)
            estimate = float(_ratio(found))
            fields = {"better": self.better, "unit": self.unit, "bound": _bound(summaries, views, call, estimate), **place}
            if not math.isfinite(estimate):
                why = self.undefined if rows or not self.labelled else "no row has a label"
                return Value.undefined(self.name, why, n=rows, better=self.better, **place)
            grouped = bool(getattr(summaries[0], "grouped", False))
            if form.spread is not None:
                spread = form.spread(summaries, **keywords)
            elif isinstance(found, Share):
                spread = _share_spread(found, summaries, views, call) if grouped else Spread("binomial", estimate, n=float(found.whole))
            else:
                spread = self._spread(form, estimate, summaries, views, keywords, call, grouped)
        return Value.of(self.name, spread, n=rows, **fields)

    def values(self, several: Sequence[Sequence[Summary]], target: Target, options: Mapping[str, Any], places: Sequence[Mapping[str, Any]],
               held: dict[Any, Any] | None = None) -> list[Value]:
        """Return what :meth:`value` gives for each of ``several`` slices, at once where their summaries are counts.

        ``held`` keeps what other metrics of the same slices can use again.
        """
        held = {} if held is None else held
        form, keywords = self.form(target), self.options(target, options)
        if not _countable(form, several):
            return [self.value(each, target, options, **place) for each, place in zip(several, places, strict=True)]
        counted = [cast(Confusion, each[0]) for each in several]
        first = counted[0]
        if "totals" not in held:
            held["totals"] = np.stack([each.total for each in counted])
            held["rows"] = [each.n for each in counted]
        with np.errstate(all="ignore"):
            found = form.function(first.seen(held["totals"]), **keywords)
            estimates = np.asarray(_ratio(found), float)
            if isinstance(found, Share):
                spreads: list[Spread | None] = [
                    Spread("binomial", estimate, n=n) if math.isfinite(estimate) else None
                    for estimate, n in zip(estimates.tolist(), np.broadcast_to(found.whole, estimates.shape).tolist(), strict=True)]
            else:
                spreads = self._counted_spreads(form, estimates, counted, keywords, held)
        values = []
        for place, (each, spread, (low, high)) in enumerate(zip(several, spreads, intervals(spreads), strict=True)):
            if spread is None:
                values.append(self.value(each, target, options, **places[place]))
            else:
                values.append(Value(self.name, spread.estimate, low, high, held["rows"][place], better=self.better, unit=self.unit,
                                    method=spread.kind, spread=spread, **places[place]))
        return values

    def _counted_spreads(self, form: Form, estimates: Array, counted: Sequence[Confusion], keywords: dict[str, Any],
                         held: dict[Any, Any]) -> list[Spread | None]:
        """Return the spreads of many slices from draws of their counts; None for those that ask for more thought."""
        if "draws" not in held:  # each slice has the draws that it would have alone
            held["draws"] = counted[0].seen(np.stack([drawn(each) for each in held["totals"]]))
        again = np.asarray(_ratio(form.function(held["draws"], **keywords)), float)
        scaled = _scaled(self.scale, again)
        errors = np.std(scaled, axis=1, ddof=1)
        low, high = self.limits
        ends = np.minimum(estimates - low, high - estimates)
        plain = np.isfinite(scaled).all(axis=1) & np.isfinite(errors) & (ends >= 1e-12)
        if math.isfinite(high - low):
            plain &= errors >= 1e-12
        return [Spread("normal", estimate, n=float(n), error=error, scale=self.scale, low_limit=low, high_limit=high) if fine else None
                for estimate, error, fine, n in zip(estimates.tolist(), errors.tolist(), plain.tolist(), held["rows"], strict=True)]

    def difference(self, mine: Sequence[Summary], theirs: Sequence[Summary], target: Target, options: Mapping[str, Any],
                   *, paired: bool, factor: float = 1.0, **place: Any) -> Value:
        """Return this model's metric less ``factor`` times the other's.

        ``paired``: both saw the same rows, in the same resampling groups, so that what they share cancels from the error.
        Otherwise, and where the summaries keep no groups, the two count as independent and their variances add.
        """
        paired = paired and all(bool(getattr(each, "grouped", False)) for each in (*mine, *theirs))
        form, keywords = self.form(target), self.options(target, options)
        first, second = self.value(mine, target, options), self.value(theirs, target, options)
        rows = first.n
        if first.value is None or second.value is None:
            return Value.undefined(self.name, first.note or second.note or self.undefined, n=rows, better=self.better, **place)
        gap = first.value - factor * second.value
        if paired:
            call = _caller(form, mine, keywords)
            with np.errstate(all="ignore"):
                a, b = ([each.replicates() for each in some] for some in (mine, theirs))  # type: ignore[attr-defined]
                mine_left, theirs_left = (np.asarray(_ratio(call(tuple(each.view for each in some)))) for some in (a, b))
            moved = mine_left - factor * theirs_left
            error, df = a[0].error(moved, gap), _freedom(a[0], moved)
        else:
            error, df = math.hypot(_error(first), factor * _error(second)), min(_df(first), _df(second))
        if not math.isfinite(error):
            note = "the error of the difference is not defined on these rows"
            return Value.undefined(self.name, note, n=rows, better=self.better, **place)
        if paired and error == 0 and gap == 0:  # the two agree on every row: not proof that they always do (rule of three)
            least = 1.0 / max(rows, 1) if math.isfinite(self.limits[1] - self.limits[0]) else 0.0
            error = max(least, _error(first) / math.sqrt(max(rows, 1)))
        spread = Spread("normal", gap, n=float(rows), error=error, df=df)
        return Value.of(self.name, spread, n=rows, better=self.better, unit=self.unit, **place)

    def _spread(self, form: Form, estimate: float, summaries: Sequence[Summary], views: tuple[Any, ...], keywords: dict[str, Any],
                call: Callable[[tuple[Any, ...]], Any], grouped: bool) -> Spread:
        low, high = self.limits
        n = float(summaries[0].n)
        df, error = math.inf, math.nan
        if form.error is not None and not grouped:
            error = float(form.error(views[0] if len(views) == 1 else views, **keywords))
            error *= abs(_slope(self.scale, estimate))
        else:
            resampled = [each.replicates() for each in summaries]  # type: ignore[attr-defined]
            estimates = np.asarray(_ratio(call(tuple(each.view for each in resampled))))
            scaled = _scaled(self.scale, estimates)
            df = _freedom(resampled[0], scaled)
            error = resampled[0].error(scaled, estimate)
        edge = min(estimate - low, high - estimate) < 1e-12
        if not math.isfinite(error) or edge or (error < 1e-12 and math.isfinite(high - low)):
            # at the edge of what is possible no resample differs: fall back on what the rows of the rarest class can tell of a share
            few = max(min(_fewest(views) * _rows_of_weight(views, n), n, _units(summaries)), 1.0)
            if (low, high) == (0.0, 1.0):
                return Spread("binomial", min(max(estimate, 0.0), 1.0), n=few)
            if math.isfinite(high - low):
                return Spread("normal", estimate, n=n, error=3.0 / few, low_limit=low, high_limit=high)  # the rule of three
            error = math.inf if not math.isfinite(error) else 0.0
        return Spread("normal", estimate, n=n, error=error, scale=self.scale, df=df, low_limit=low, high_limit=high)


def metric(*, needs: str, tasks: Sequence[str], better: Better | None, scale: Scale = "identity",
           limits: tuple[float, float] = (-math.inf, math.inf), unit: str | None = None, undefined: str = "not defined on these rows",
           probabilities: bool = False, error: Callable[..., float] | None = None,
           spread: Callable[..., Spread] | None = None) -> Callable[[Callable[..., Any]], Metric]:
    """Make a metric of a function of a view and register it under the function's name.

    ``needs`` names what it reads: ``confusion`` (``Cells``), ``scores`` (``Ranks``; one per class beyond two), ``confidence``
    (``Ranks`` of the greatest score against being right), ``losses`` (``Means``), ``residuals`` (``Errors``), ``predicted``
    (``Cells`` without labels). ``error`` gives an analytic standard error for independent rows, ``spread`` everything (see
    ``Form``); without either, rows are resampled.

    >>> @metric(needs="confusion", tasks=("binary",), better="higher", limits=(0.0, 1.0))
    ... def hits(cells, *, positive):
    ...     "Share of positives found."
    ...     return Share(cells.tp[..., positive], cells.tp[..., positive] + cells.fn[..., positive])
    >>> hits.name, METRICS["hits"] is hits
    ('hits', True)
    """

    def register(function: Callable[..., Any]) -> Metric:
        form = Form(function, needs, tuple(tasks), error, spread)
        made = Metric(function.__name__, (form,), better, scale, limits, unit, inspect.getdoc(function) or "", undefined, probabilities)
        made = dressed(made, function)
        return METRICS.add(made.name, made, replace=not METRICS.builtin(made.name))  # type: ignore[no-any-return]

    return register


def dressed(made: Any, function: Callable[..., Any]) -> Any:
    """Give ``made`` the name, module and docstring of ``function``, so that help and doctest find them."""
    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        object.__setattr__(made, name, getattr(function, name))
    object.__setattr__(made, "__wrapped__", function)
    return made


def also(first: Metric, *, needs: str, tasks: Sequence[str], error: Callable[..., float] | None = None,
         spread: Callable[..., Spread] | None = None) -> Callable[..., Metric]:
    """Return a decorator that gives ``first`` another form, for tasks that need other summaries."""

    def register(function: Callable[..., Any]) -> Metric:
        object.__setattr__(first, "forms", (*first.forms, Form(function, needs, tuple(tasks), error, spread)))
        return first

    return register


def _caller(form: Form, summaries: Sequence[Summary], keywords: dict[str, Any]) -> Callable[[tuple[Any, ...]], Any]:
    """Return a call of the form's function on views: on the one view, or on a tuple where a metric needs several."""
    several = len(summaries) > 1
    return lambda views: form.function(views if several else views[0], **keywords)


def _countable(form: Form, several: Sequence[Sequence[Summary]]) -> bool:
    """Whether the metric reads one set of counts of independent rows, few enough to be drawn for many slices at once."""
    if len(several) < 2 or form.needs not in _COUNTED or form.error is not None or form.spread is not None:
        return False
    return all(len(each) == 1 and type(each[0]) is Confusion and not each[0].grouped and each[0].counts.size <= _FEW for each in several)


def _share_spread(found: Share, summaries: Sequence[Summary], views: tuple[Any, ...], call: Callable[[tuple[Any, ...]], Any]) -> Spread:
    """Return the spread of a share of rows that come in groups: binomial, with the rows that they are worth."""
    resampled = [each.replicates() for each in summaries]  # type: ignore[attr-defined]
    estimates = np.asarray(_ratio(call(tuple(each.view for each in resampled))))
    p, df = float(found.ratio), _freedom(resampled[0], estimates)
    whole = float(found.whole) * _rows_of_weight(views, float(summaries[0].n))  # weights may be in any unit
    error = resampled[0].error(estimates, p)
    if math.isfinite(error) and error > 0 and 0 < p < 1:
        worth = p * (1 - p) / error**2
    else:
        worth = min(whole, df + 1)  # all or nothing: a group counts as one row
    return Spread("binomial", p, n=max(min(worth, max(whole, df + 1)), 1e-9), df=df)


def _rows_of_weight(views: tuple[Any, ...], rows: float) -> float:
    """Return how many rows a weight of 1 stands for, 1 where rows have no weights."""
    view = views[0]
    if isinstance(view, Cells):
        total = float(np.ravel(view.tp + view.fn + view.fp + view.tn)[0])
    elif isinstance(view, Ranks):
        total = float(view.negatives.sum() + view.positives.sum())
    elif isinstance(view, Means | Errors):
        total = float(view.weight)
    else:
        return 1.0
    return rows / total if total > 0 else 1.0


def _fewest(views: tuple[Any, ...]) -> float:
    """Return the rows of the rarest class that occurs: perfect on those is all that a perfect score says."""
    found: list[float] = []
    for view in views:
        if isinstance(view, Cells):
            found += [*np.ravel(view.tp + view.fn), *np.ravel(view.tn + view.fp)]
        elif isinstance(view, Ranks):
            found += [float(view.negatives.sum()), float(view.positives.sum())]
        elif isinstance(view, Means | Errors):
            found.append(float(view.weight))
    return min((each for each in found if each > 0), default=1.0)


def _units(summaries: Sequence[Summary]) -> float:
    """Return how many resampling groups have rows; infinite where rows are independent."""
    if not getattr(summaries[0], "grouped", False):
        return math.inf
    return float(summaries[0].replicates().df) + 1  # type: ignore[attr-defined]


def _freedom(resampled: Replicates[Any], estimates: Array) -> float:
    """Return the degrees of freedom of a jackknifed error: fewer than the groups less one where a few groups make most of it.

    Satterthwaite's (1946), from the fourth powers of what each group brings: 3 (sum of squares)^2 / (sum of fourth powers) is the
    number of groups where they bring alike, and far less where entities are of unequal size or losses are heavy-tailed. Few
    groups show too little of their fourth powers: 2 in place of 3 is what coverage asks for (``design/intervals.md``).
    """
    known = estimates[np.isfinite(estimates)]
    if resampled.kind != "jackknife" or len(known) < 2:
        return resampled.df
    squares = (known - known.mean()) ** 2
    fourth = float(np.sum(squares**2))
    return float(min(resampled.df, max(2 * float(np.sum(squares)) ** 2 / fourth, 1.0))) if fourth > 0 else resampled.df


def _bound(summaries: Sequence[Summary], views: tuple[Any, ...], call: Callable[[tuple[Any, ...]], Any], estimate: float) -> float:
    """Return by how much the rounding of scores may be off: the metric with all that was tied in its best and in its worst order."""
    if not any(float(getattr(each, "tied", 0.0)) for each in summaries):
        return 0.0
    orders = [tuple(_untied(each, best=best) if isinstance(each, Ranks) else each for each in views) for best in (True, False)]
    ends = [float(np.max(np.abs(np.asarray(_ratio(call(order))) - estimate))) for order in orders]
    return max((each for each in ends if math.isfinite(each)), default=0.0)


def _untied(ranks: Ranks, *, best: bool) -> Ranks:
    """Return ranks in which the positives of each score stand just above the negatives, or just below."""
    scores = np.stack([ranks.scores, np.nextafter(ranks.scores, np.inf)], axis=1).ravel()
    counts = np.zeros((len(ranks.scores), 2, 2))
    negatives, positives = (0, 1) if best else (1, 0)
    counts[:, negatives, 0], counts[:, positives, 1] = ranks.counts[:, 0], ranks.counts[:, 1]
    return Ranks(scores, counts.reshape(-1, 2))


def _ratio(found: Any) -> Any:
    return found.ratio if isinstance(found, Share) else found


@functools.cache
def _keywords(function: Callable[..., Any]) -> list[str]:
    return [name for name, each in inspect.signature(function).parameters.items() if each.kind is each.KEYWORD_ONLY]


def _names_for(task: str) -> list[str]:
    return [name for name in METRICS if isinstance(METRICS[name], Metric) and task in METRICS[name].tasks]


def _scaled(scale: Scale, estimates: Array) -> Array:
    if scale == "log":
        out = np.log(np.maximum(estimates, 1e-300))
    elif scale == "logit":
        clipped = np.clip(estimates, 1e-12, 1 - 1e-12)
        out = np.log(clipped / (1 - clipped))
    elif scale == "atanh":
        out = np.arctanh(np.clip(estimates, -1 + 1e-12, 1 - 1e-12))
    elif scale == "square":
        out = estimates**2
    else:
        return estimates
    return np.where(np.isfinite(estimates), out, np.nan)


def _slope(scale: Scale, estimate: float) -> float:
    """Return the derivative of the scale, which carries an error onto it (delta method)."""
    with np.errstate(all="ignore"):
        slopes = {"identity": 1.0, "log": 1 / estimate if estimate else math.inf,
                  "logit": 1 / (estimate * (1 - estimate)) if 0 < estimate < 1 else math.inf,
                  "atanh": 1 / (1 - estimate**2) if abs(estimate) < 1 else math.inf, "square": 2 * estimate}
    return slopes[scale]


def _error(value: Value) -> float:
    """Return the standard error of a value on its own scale."""
    spread = value.spread
    if spread is None or value.value is None:
        return math.nan
    if spread.kind == "binomial":
        # Agresti and Coull's centre keeps the error above 0 when all or none are hits
        n, k = spread.n + 4, spread.estimate * spread.n + 2
        return math.sqrt(k / n * (1 - k / n) / n)
    if spread.kind == "exact":
        return 0.0
    return spread.error / max(abs(_slope(spread.scale, spread.estimate)), 1e-300)


def _df(value: Value) -> float:
    return value.spread.df if value.spread else math.inf


def _confusion(target: Target, options: Mapping[str, Any], model: str) -> tuple[Need, ...]:
    if target.task == "multilabel":  # labels of a row hang together, which groups of rows carry into the error
        return (Need("labels", ("@label", f"@prediction{model}"), (("grouped", True), ("labels", target.labels))),)
    return (Need("confusion", ("@label", f"@prediction{model}"), (("classes", len(target.classes)), ("grouped", target.grouped))),)


def _predicted(target: Target, options: Mapping[str, Any], model: str) -> tuple[Need, ...]:
    name = f"@prediction{model}"
    if target.task == "multilabel":
        return (Need("labels", (name, name), (("grouped", True), ("labels", target.labels))),)
    return (Need("confusion", (name, name), (("classes", len(target.classes)), ("grouped", target.grouped))),)


def _score(target: Target, options: Mapping[str, Any], model: str) -> tuple[Need, ...]:
    def need(label: str, score: str, of: int, size: int, grouped: bool) -> Need:
        return Need("scores", (label, score + model), (("grouped", grouped), ("of", of), ("size", size)))

    size = 1 << 19
    if target.task == "binary":
        positive = options.get("positive", target.positive)
        assert positive is not None
        return (need("@label", f"@score/{positive}", positive, size, target.grouped),)
    one = options.get("positive")
    many = len(target.classes)
    if one is not None and target.task == "multiclass":
        return (need("@label", f"@score/{one}", one, size, target.grouped),)
    size = max(1 << 14, size // max(many, 1))
    # scores of the classes hang together: groups of rows, left out from all at once, carry that into the error
    if target.task == "multilabel":
        places = range(target.labels) if one is None else (one,)
        return tuple(need(f"@label/{place}", f"@score/{place}", 1, size, True) for place in places)
    return tuple(need("@label", f"@score/{place}", place, size, True) for place in range(many))


def _confidence(target: Target, options: Mapping[str, Any], model: str) -> tuple[Need, ...]:
    return (Need("scores", (f"@correct{model}", f"@confidence{model}"), (("grouped", target.grouped), ("of", 1), ("size", 1 << 19))),)


def _losses(target: Target, options: Mapping[str, Any], model: str) -> tuple[Need, ...]:
    return (Need("losses", ("@label", f"@scores{model}"), (("grouped", target.grouped), ("task", target.task))),)


def _residuals(target: Target, options: Mapping[str, Any], model: str) -> tuple[Need, ...]:
    return (Need("residuals", ("@label", f"@value{model}"), (("grouped", target.grouped),)),)


def _agreement(target: Target, options: Mapping[str, Any], model: str) -> tuple[Need, ...]:
    """What two models answered to the same rows, the champion's answer in the place of the label."""
    return _pair(target, ("@prediction:champion", f"@prediction{model}"), len(target.classes))


def _rightness(target: Target, options: Mapping[str, Any], model: str) -> tuple[Need, ...]:
    return _pair(target, ("@correct:champion", f"@correct{model}"), 2)


def _pair(target: Target, columns: tuple[str, str], classes: int) -> tuple[Need, ...]:
    if target.task == "multilabel":
        return (Need("labels", columns, (("grouped", True), ("labels", target.labels))),)
    return (Need("confusion", columns, (("classes", classes), ("grouped", target.grouped))),)


def _shift(target: Target, options: Mapping[str, Any], model: str) -> tuple[Need, ...]:
    what = f"@score/{target.positive}" if target.task == "binary" else "@value"
    return (Need("residuals", (f"{what}:champion", f"{what}{model}"), (("grouped", target.grouped),)),)


_NEEDS: dict[str, Callable[[Target, Mapping[str, Any], str], tuple[Need, ...]]] = {
    "confusion": _confusion, "predicted": _predicted, "scores": _score, "confidence": _confidence, "losses": _losses,
    "residuals": _residuals, "agreement": _agreement, "rightness": _rightness, "score shift": _shift, "value shift": _shift,
}
