"""What a model has to beat: the commonest answer, one rule, a linear model and a small tree, fitted on the training sample.

``gain_over_baseline`` is the screen; ``baselines(study)`` returns what each baseline answers to the rows that are judged, for figures.
The gain is the difference of the same metric on the same rows, paired and by entities, as between a model and its champion.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from assay.data.source import Source
from assay.engine import Plan, run
from assay.errors import AssayError, PredictionError
from assay.metric import find
from assay.metric.metric import Form, Metric
from assay.model.answer import Answer
from assay.model.signature import Signature
from assay.result import Spread, Value
from assay.screen.screen import Reading, screen
from assay.screen.study import Sample, Study
from assay.summary.residuals import Errors
from assay.summary.target import Target
from assay.summary.vector import kind_of

__all__ = ["NAMES", "Baseline", "alike", "baselines", "gain_over_baseline", "inputs"]

Array = np.ndarray[Any, Any]

NAMES = ("majority", "one rule", "linear", "small tree")
FEWEST = 20         # labelled training rows, below which a fitted rule is an anecdote
BINS = 16
TOP = 20            # categories that a baseline tells apart; the others are one
DEPTH = 4
WIDEST = 300        # columns of the linear model and the tree, of the features that do best alone
CELLS = 2_000_000   # of the fitted matrix; fewer rows where there are many columns or classes
PRIOR = 10.0        # rows of the average that each bin is given


@dataclass(frozen=True)
class Baseline:
    """A baseline: what it answers to the sampled rows, and what it is ``words``; without an answer, ``words`` say why."""

    name: str
    words: str
    answer: Answer | None = None


@screen(wants=("train", "label"), better="higher", of="column")
def gain_over_baseline(study: Study) -> Iterator[Reading]:
    """By how much the model beats what anyone could do with the same training rows; below 0 the baseline is better.

    One value for each baseline, whose name stands for the column: ``majority`` (the commonest class, or the median), ``one rule``
    (the best single feature in bins: 1R, Holte 1993), ``linear`` (logistic or ridge regression) and ``small tree`` (depth 4).
    The difference of AUC where a binary model gives scores, of accuracy for other classifiers, and for numbers the share of the
    baseline's mean absolute error that the model saves. Fitted on at most 20,000 training rows, judged on the sampled rows, paired.
    """
    assert study.target is not None
    if study.target.task not in ("binary", "multiclass", "regression"):
        yield Reading(None, 0, note=f"there is no baseline of {study.target.task}")
        return
    try:
        mine = study.answer()
        found = baselines(study)
    except PredictionError as error:
        found = {name: Baseline(name, f"the model cannot be asked: {error.what}") for name in NAMES}
        mine = None
    readings = _compared(study, mine, [each for each in found.values() if each.answer is not None]) if mine is not None else {}
    for name in NAMES:
        yield readings.get(name) or Reading(None, 0, name, found[name].words)


def inputs(study: Study) -> tuple[str, ...]:
    """Return the features that a baseline may read: plain columns of data and training data alike, and none with another role."""
    assert study.train is not None
    schema, other = study.schema, study.train.schema
    barred = {schema.id, schema.entity, schema.query, schema.timestamp, schema.weight, schema.prediction, *schema.score, *schema.labels,
              *schema.forbidden, *schema.available_at.values()}
    return tuple(name for name in study.measured if name not in barred and name in other and study.kind(name) != "missing"
                 and kind_of(other[name].type) == study.kind(name) and not pa.types.is_fixed_size_binary(schema[name].type)
                 and (not pa.types.is_temporal(schema[name].type) or schema[name].type == other[name].type))  # or units may differ


def baselines(study: Study) -> dict[str, Baseline]:
    """Return the baselines by name, fitted once for each study.

    Raises ``PredictionError`` where the model itself cannot be asked, as what it answers decides what they answer.
    """
    if "baselines" not in study._held:
        study._held["baselines"] = _fitted(study)
    held: dict[str, Baseline] = study._held["baselines"]
    return held


def alike(study: Study) -> str | None:
    """Return the linear baseline's name where the model answers as it does, so that neither is worth more than the other.

    Ranks of scores correlate by 0.99, numbers by 0.995, or 98 % of the classes are the same. Raises ``PredictionError`` where the
    model cannot be asked.
    """
    mine, theirs = study.answer(), baselines(study)["linear"].answer
    if theirs is None or len(study.data) < FEWEST:
        return None
    if mine.value is not None and theirs.value is not None:
        return "linear" if _together(mine.value, theirs.value) >= 0.995 else None
    if mine.score is not None and theirs.score is not None and mine.score.shape[1] == 2:
        ranks = [np.unique(each.score[:, 1], return_inverse=True)[1].reshape(-1).astype(np.float64) for each in (mine, theirs)
                 if each.score is not None]
        return "linear" if _together(*ranks) >= 0.99 else None
    said = [np.argmax(each.score, axis=1) if each.score is not None else each.prediction for each in (mine, theirs)]
    same = np.equal(said[0], said[1])  # type: ignore[arg-type]
    return "linear" if float(np.mean(same)) >= 0.98 else None


def _together(one: Array, other: Array) -> float:
    """Return the correlation of two arrays, 0 where one does not vary."""
    if not (np.isfinite(one).all() and np.isfinite(other).all() and one.std() > 0 and other.std() > 0):
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


# comparing ------------------------------------------------------------------------------------------------------------------


class _Rows:
    """A sample as a source, so that an engine can read it."""

    def __init__(self, sample: Sample):
        self.name, self.schema = sample.name, sample.schema
        self.rows: int | None = len(sample)
        self.table = sample.table

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        table = self.table if columns is None else self.table.select(list(columns))
        yield from table.combine_chunks().to_batches()

    def split(self, parts: int) -> list[Source]:
        return [self]


class _Said:
    """A model that has answered already: the rows are given in the order in which they were asked."""

    recorded = True

    def __init__(self, answer: Answer):
        self.signature = Signature((), answer.task, answer.classes, scores=answer.scores)
        self.digest = f"said:{id(answer)}"
        self._answer, self._next = answer, 0

    def predict(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        part, held = slice(self._next, self._next + batch.num_rows), self._answer
        self._next += batch.num_rows
        prediction, score, value = (None if each is None else each[part] for each in (held.prediction, held.score, held.value))
        return Answer(held.task, held.classes, prediction, score, value, held.scores).batch()


def _log_mae(errors: Errors) -> Any:
    return np.log(errors.absolute)


# the ratio of two errors is the difference of their logarithms, which every metric can be paired by
_LOG_MAE = Metric("mean absolute error", (Form(_log_mae, "residuals", ("regression",)),), "lower", undefined="an error is 0 on these rows")


def _metric(answer: Answer) -> tuple[Metric, str]:
    """Return the metric in which a model is compared, and what its number is called."""
    if answer.value is not None:
        return _LOG_MAE, "mae"
    name = "auc" if answer.task == "binary" and answer.score is not None else "accuracy"
    return find(name), name


def _compared(study: Study, mine: Answer, found: Sequence[Baseline]) -> dict[str, Reading]:
    """Return a reading for each baseline that answers."""
    assert study.target is not None
    if not len(study.data) or not found:
        return {}
    target = replace(study.target, grouped=True)
    metric, called = _metric(mine)
    models: dict[str, Any] = {"model": _Said(mine)} | {each.name: _Said(each.answer) for each in found if each.answer is not None}
    needs = {name: metric.needs(target, {}, model=name) for name in models}
    profile = run(Plan.of([(need, None) for some in needs.values() for need in some]), _Rows(study.data), models, target=target)

    def summaries(name: str) -> list[Any]:
        return [profile[(), need] for need in needs[name] if ((), need) in profile]

    readings = {}
    for each in found:
        failed = [profile.failures[cause] for name in ("model", each.name) for cause in (*needs[name], name) if cause in profile.failures]
        if failed or not summaries("model") or not summaries(each.name):
            readings[each.name] = Reading(None, 0, each.name, f"not to be compared: {failed[0] if failed else 'no row has a label'}")
            continue
        readings[each.name] = _reading(metric, called, each, summaries("model"), summaries(each.name), target)
    return readings


def _reading(metric: Metric, called: str, baseline: Baseline, mine: list[Any], theirs: list[Any], target: Target) -> Reading:
    value = metric.difference(mine, theirs, target, {}, paired=True)
    sides = [metric.value(some, target, {}).value for some in (mine, theirs)]
    if called == "mae":
        plain = [float(some[0].view().absolute) for some in (mine, theirs)]
        spread = _saved(value, plain, mine[0].n)
    else:
        plain = [math.nan if each is None else each for each in sides]
        spread = value.spread
    note = f"{baseline.words}; {called} {plain[1]:.4g}, the model's {plain[0]:.4g}"
    if spread is None:
        return Reading(None, value.n, baseline.name, f"{baseline.words}; {value.note}")
    return Reading(spread, value.n, baseline.name, note)


def _saved(value: Value, errors: Sequence[float], rows: int) -> Spread | None:
    """Return the share of the baseline's error that the model saves, from the difference of the logarithms (delta method)."""
    mine, theirs = errors
    if value.spread is not None:
        ratio = math.exp(value.spread.estimate)
        return replace(value.spread, estimate=1 - ratio, error=max(ratio * value.spread.error, 1e-12), high_limit=1.0)
    if theirs > 0 and mine == 0:  # the model makes no error at all, which proves nothing beyond so many rows (rule of three)
        return Spread("normal", 1.0, n=float(rows), error=3.0 / max(rows, 1), high_limit=1.0)
    return None


# fitting --------------------------------------------------------------------------------------------------------------------


def _fitted(study: Study) -> dict[str, Baseline]:
    assert study.train is not None
    assert study.target is not None
    mine = study.answer()
    train = study.train
    if train.schema.label is None:
        return {name: Baseline(name, "the training data have no label") for name in NAMES}
    try:
        outcome = study.outcome(train)
    except AssayError as error:
        return {name: Baseline(name, f"the labels of the training data cannot be read: {error.what}") for name in NAMES}
    number = outcome.dtype.kind == "f"
    known = np.flatnonzero(np.isfinite(outcome) if number else outcome >= 0)
    if len(known) < FEWEST:
        return {name: Baseline(name, f"only {len(known)} training rows have a label") for name in NAMES}
    outcome, weight = outcome[known].astype(np.float64 if number else np.int64), _weight(study, train)[known]
    fit = _Fit(study, mine, outcome, weight, known)
    return {name: fit.baseline(name) for name in NAMES}


def _weight(study: Study, of: Sample) -> Array:
    """Return the weight of each row, all alike where there is none or one makes no sense."""
    name = of.schema.weight
    if name is None:
        return np.ones(len(of))
    weight = np.asarray(of.column(name).cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
    return weight if np.isfinite(weight).all() and (weight >= 0).all() and weight.sum() > 0 else np.ones(len(of))


class _Fit:
    """The baselines of one study: outcome and weight of the labelled training rows, whose places are ``rows``."""

    def __init__(self, study: Study, mine: Answer, outcome: Array, weight: Array, rows: Array):
        assert study.target is not None
        self.study, self.mine, self.target = study, mine, study.target
        self.outcome, self.weight, self.rows = outcome, weight, rows
        self.width = 0 if outcome.dtype.kind == "f" else len(self.target.classes)
        self.scored = _metric(mine)[1] == "auc"
        self.fitted = 0  # features of the linear model and the tree
        self._cuts: list[tuple[float, _Cut]] | None = None
        self._matrices: tuple[Array, Array, int] | None = None

    def baseline(self, name: str) -> Baseline:
        made: Callable[[], tuple[str, Array]] = {"majority": self.majority, "one rule": self.rule, "linear": self.linear,
                                                 "small tree": self.tree}[name]
        if name != "majority":
            if self.width and len(np.unique(self.outcome)) < 2:
                return Baseline(name, f"the training data hold the class {self._class(int(self.outcome[0]))} only")
            if not self.cuts:
                return Baseline(name, "no feature can be read")
        try:
            words, said = made()
        except (ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
            return Baseline(name, f"it cannot be fitted ({str(error).splitlines()[0] if str(error) else type(error).__name__})")
        return Baseline(name, words, self._answer(said))

    def _answer(self, said: Array) -> Answer:
        """Return shares by class (n, K), or numbers (n,), as the kind of answer that the model gives."""
        if not self.width:
            return Answer(self.mine.task, value=np.asarray(said, np.float64))
        prediction = np.argmax(said, axis=1).astype(np.int64)
        if self.mine.score is None:
            return Answer(self.mine.task, self.mine.classes, prediction)
        return Answer(self.mine.task, self.mine.classes, prediction, said / said.sum(axis=1, keepdims=True), scores="probability")

    def _class(self, place: int) -> str:
        return _short(self.target.classes[place])

    @property
    def shares(self) -> Array:
        """The share of each class in training."""
        found: Array = np.bincount(self.outcome, self.weight, self.width) / self.weight.sum()
        return found

    # one answer for all

    def majority(self) -> tuple[str, Array]:
        rows = len(self.study.data)
        if not self.width:
            middle = _median(self.outcome, self.weight)
            return f"always {_number(middle)}, the median of training", np.full(rows, middle)
        said = np.tile(self.shares, (rows, 1))
        place = int(np.argmax(self.shares))
        if self.scored:
            return f"one score for all rows, the training share of {self._class(self._positive)}", said
        return f"always {self._class(place)}", said

    @property
    def _positive(self) -> int:
        return 1 if self.target.positive is None else self.target.positive

    # one feature

    @property
    def cuts(self) -> list[tuple[float, _Cut]]:
        """Each feature in bins, and how well it does alone on the training rows, the best first."""
        if self._cuts is None:
            names = inputs(self.study)
            # many features are compared on fewer rows: the best of them is seen all the same
            step = max(1, int(np.ceil(len(self.rows) * len(names) / CELLS))) if names else 1
            step = min(step, max(1, len(self.rows) // 2000))
            some, outcome = slice(None, None, step), self.outcome
            if not self.width:  # ranks: one huge label must not choose the feature
                outcome = np.argsort(np.argsort(outcome, kind="stable"), kind="stable") / max(len(outcome) - 1, 1) - 0.5
            found = []
            for name in names:
                cut = _Cut.of(self.study, name, self.rows[some], min(BINS, max(2, len(self.rows) // 50)))
                codes = cut.codes(self.study, self.study.train, self.rows[some])
                found.append((self._alone(cut, codes, outcome[some], self.weight[some]), cut))
            self._cuts = sorted(found, key=lambda pair: -pair[0])
        return self._cuts

    def _alone(self, cut: _Cut, codes: Array, outcome: Array, weight: Array) -> float:
        """Return how well bins tell the outcome: AUC, accuracy, or the share of the ranks' variance."""
        if not self.width:
            total = np.bincount(codes, weight, cut.width)
            sums = np.bincount(codes, weight * outcome, cut.width)
            return float(np.sum(sums**2 / np.maximum(total, 1e-12)))
        counts = np.bincount(codes * self.width + outcome, weight, cut.width * self.width).reshape(cut.width, self.width)
        if not self.scored:
            return float(counts.max(axis=1).sum() / weight.sum())
        positive, negative = counts[:, self._positive], counts.sum(axis=1) - counts[:, self._positive]
        order = np.argsort(positive / np.maximum(positive + negative, 1e-12), kind="stable")
        positive, negative = positive[order], negative[order]
        pairs = positive.sum() * negative.sum()
        return float(np.sum(positive * (np.cumsum(negative) - negative / 2)) / pairs) if pairs else 0.5

    def rule(self) -> tuple[str, Array]:
        cut = self.cuts[0][1]
        codes = cut.codes(self.study, self.study.train, self.rows)
        there = cut.codes(self.study, self.study.data)
        total = np.bincount(codes, self.weight, cut.width)
        if not self.width:
            middle = _median(self.outcome, self.weight)
            values = np.array([_median(self.outcome[codes == each], self.weight[codes == each]) if total[each] else middle
                               for each in range(cut.width)])
            return f"the median by {cut.name}, in {int((total > 0).sum())} bins", values[there]
        counts = np.bincount(codes * self.width + self.outcome, self.weight, cut.width * self.width).reshape(cut.width, self.width)
        shares = (counts + PRIOR * self.shares) / (total + PRIOR)[:, None] if self.scored else np.where(
            total[:, None] > 0, counts / np.maximum(total, 1e-12)[:, None], self.shares)
        return self._told(cut, shares, total), shares[there]

    def _told(self, cut: _Cut, shares: Array, total: Array) -> str:
        """Return the rule in words; one that tells more than a sentence can is told roughly."""
        used = np.flatnonzero(total > 0)
        if self.scored:
            high = shares[:, self._positive] > self.shares[self._positive]
            where = cut.words(self.study, [int(each) for each in used if high[each]], used)
            bins = f"{cut.name} in {len(used)} bins"
            if where is None:
                return bins
            return f"{bins + ', roughly ' if len(used) > 2 else ''}if {where} then {self._class(self._positive)}"
        chosen = np.argmax(shares, axis=1)
        said = list(dict.fromkeys(int(each) for each in chosen[used]))
        if len(said) == 1:
            return f"whatever {cut.name} is, {self._class(said[0])}"
        common = max(said, key=lambda place: float(total[used][chosen[used] == place].sum()))
        parts = [(cut.words(self.study, [int(each) for each in used if chosen[each] == place], used), place)
                 for place in said if place != common]
        if len(parts) > 3 or any(where is None for where, _ in parts):
            return f"the commonest class by {cut.name}, in {len(used)} bins"
        return ", ".join(f"if {where} then {self._class(place)}" for where, place in parts) + f", else {self._class(common)}"

    # all features

    def _design(self) -> tuple[Array, Array, int]:
        """Return the matrices of training rows (every ``step``-th) and of judged rows."""
        if self._matrices is None:
            columns: list[tuple[Array, Array]] = []
            for _, cut in self.cuts:
                made = _columns(self.study, cut, self.rows)
                if columns and sum(each.shape[1] for each, _ in columns) + made[0].shape[1] > WIDEST:
                    break
                columns.append(made)
            self.fitted = len(columns)
            train, data = (np.concatenate([pair[place] for pair in columns], axis=1) for place in range(2))
            step = max(1, int(np.ceil(train.size * max(self.width / 2, 1) / CELLS)))
            step = min(step, max(1, len(train) // 1000))
            self._matrices = train[::step], data, step
        return self._matrices

    def linear(self) -> tuple[str, Array]:
        from sklearn.linear_model import LogisticRegression, Ridge

        train, data, step = self._design()
        outcome, weight = self.outcome[::step], self.weight[::step]
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # a baseline that has not quite converged is a baseline
            if self.width:
                model = LogisticRegression(max_iter=100, tol=1e-3).fit(train, outcome, weight)
                return f"logistic regression on {self._count}", self._spread(model.predict_proba(data), model.classes_)
            middle, scale = _median(outcome, weight), float(np.max(np.abs(outcome))) or 1.0
            said = Ridge(alpha=1.0).fit(train, (outcome - middle) / scale, weight).predict(data)
        return f"ridge regression on {self._count}", said * scale + middle

    def tree(self) -> tuple[str, Array]:
        from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

        train, data, step = self._design()
        outcome, weight = self.outcome[::step], self.weight[::step]
        least = max(1, min(20, len(train) // 10))
        words = f"a decision tree of depth {DEPTH} on {self._count}"
        if self.width:
            model = DecisionTreeClassifier(max_depth=DEPTH, min_samples_leaf=least, random_state=0).fit(train, outcome, weight)
            return words, self._spread(model.predict_proba(data), model.classes_)
        scale = float(np.max(np.abs(outcome))) or 1.0
        model = DecisionTreeRegressor(max_depth=DEPTH, min_samples_leaf=least, random_state=0).fit(train, outcome / scale, weight)
        leaves = model.apply(train)  # medians, as what counts is the absolute error
        values = {leaf: _median(outcome[leaves == leaf], weight[leaves == leaf]) for leaf in np.unique(leaves)}
        return words, np.array([values[leaf] for leaf in model.apply(data)])

    @property
    def _count(self) -> str:
        if self.fitted < len(self.cuts):
            return f"the {self.fitted} features that do best alone"
        return f"{self.fitted} feature{'s' if self.fitted > 1 else ''}"

    def _spread(self, shares: Array, classes: Array) -> Array:
        """Return shares of the classes in training as shares of all that the model knows."""
        found = np.zeros((len(shares), self.width))
        found[:, classes.astype(np.int64)] = shares
        return found


@dataclass(frozen=True)
class _Cut:
    """A feature in bins: numbers between ``edges``, or the commonest categories; the last bin is for what is missing."""

    name: str
    number: bool
    edges: Array          # inner edges of numbers, or codes of categories by rank
    kind: pa.DataType
    hidden: bool = False  # values of a protected column are not told

    @property
    def width(self) -> int:
        return len(self.edges) + 2

    @classmethod
    def of(cls, study: Study, name: str, rows: Array, bins: int) -> _Cut:
        number = study.kind(name) == "number"
        hidden = name in study.schema.protected
        if number:
            return cls(name, True, _edges(study.numbers(name, study.train)[rows], bins), study.schema[name].type, hidden)
        codes = study.codes(name, study.train)[rows]
        counts = np.bincount(codes[codes >= 0], minlength=1)
        order = np.argsort(-counts, kind="stable")[:TOP]
        return cls(name, False, order[counts[order] > 0], study.schema[name].type, hidden)

    def codes(self, study: Study, of: Sample | None, rows: Array | slice = slice(None)) -> Array:
        """Return the bin of each row of a sample, or of some of its rows."""
        if self.number:
            values = study.numbers(self.name, of)[rows]
            return np.where(np.isnan(values), self.width - 1, np.searchsorted(self.edges, values, side="right"))
        codes = study.codes(self.name, of)[rows]
        places = np.full(int(max(codes.max(initial=-1), self.edges.max(initial=-1))) + 2, len(self.edges))
        places[self.edges] = np.arange(len(self.edges))
        places[-1] = self.width - 1  # code -1
        return np.asarray(places[codes])

    def words(self, study: Study, chosen: list[int], used: Array) -> str | None:
        """Return the condition that a row is in one of the chosen bins, None where that takes more than a sentence."""
        missing = self.width - 1
        plain = [each for each in chosen if each != missing]
        parts: list[str] = []
        if self.number:
            runs: list[list[int]] = []
            for each in plain:
                apart = not runs or any(runs[-1][1] < between < each for between in used)
                runs.append([each, each]) if apart else runs[-1].__setitem__(1, each)
            low, high = int(used[0]), max((int(each) for each in used if each != missing), default=0)
            parts = [self._between(first, last, low, high) for first, last in runs]
            if len(parts) > 2:
                return None
        elif plain:
            if self.hidden or len(plain) > 5 or len(self.edges) in plain:
                return None
            texts = [_short(study.category(self.name, int(self.edges[each]))) for each in plain]
            parts = [f"{self.name} is {texts[0]}" if len(texts) == 1 else f"{self.name} is one of {', '.join(texts)}"]
        if missing in chosen:
            parts.append(f"{self.name} is missing")
        return " or ".join(parts) or None

    def _between(self, first: int, last: int, low: int, high: int) -> str:
        left = self._edge(first - 1) if first > low else None
        right = self._edge(last) if last < high else None
        if left is None and right is None:
            return f"{self.name} is there"
        if left is None:
            return f"{self.name} < {right}"
        return f"{self.name} >= {left}" if right is None else f"{left} <= {self.name} < {right}"

    def _edge(self, place: int) -> str:
        edge = float(self.edges[place])
        if pa.types.is_timestamp(self.kind) or pa.types.is_date(self.kind):
            unit: Any = "D" if pa.types.is_date32(self.kind) else "ms" if pa.types.is_date64(self.kind) else self.kind.unit
            return str(np.datetime64(math.ceil(edge), unit))
        return _number(edge)


def _edges(values: Array, bins: int) -> Array:
    """Return edges half-way between neighbouring values, at about equal shares; a value more frequent than a bin stands alone."""
    finite = np.sort(values[np.isfinite(values)])
    if not len(finite):
        return np.empty(0)
    picked = finite[(np.arange(1, bins) * len(finite)) // bins]
    starts = np.searchsorted(finite, picked, side="left")
    spikes = picked[1:][picked[1:] == picked[:-1]]
    starts = np.unique(np.concatenate([starts, np.searchsorted(finite, spikes, side="right")]))
    starts = starts[(starts > 0) & (starts < len(finite))]
    below, above = finite[starts - 1], finite[starts]
    half = below + (above / 2 - below / 2)
    return np.unique(np.where(half > below, half, above))


def _columns(study: Study, cut: _Cut, rows: Array) -> tuple[Array, Array]:
    """Return a feature as columns of training rows and judged rows: standardised and imputed, or one for each category."""
    if not cut.number:
        sides = [cut.codes(study, study.train, rows), cut.codes(study, study.data)]
        places = [each for each in range(cut.width) if (sides[0] == each).any()]
        places = places[:1] if len(places) == 2 else places
        first, second = ((side[:, None] == np.array(places)).astype(np.float64) for side in sides)
        return first, second
    sides = [study.numbers(cut.name, study.train)[rows], study.numbers(cut.name)]
    finite = sides[0][np.isfinite(sides[0])]
    if not len(finite):
        return np.empty((len(rows), 0)), np.empty((len(study.data), 0))
    low, high = float(finite.min()), float(finite.max())
    size = max(abs(low), abs(high)) or 1.0
    mean = float(np.mean(finite / size))
    deviation = float(np.std(finite / size)) or 1.0
    found = []
    for side in sides:
        known = ~np.isnan(side)
        # what lies outside the training range, infinities among it, counts as its edge
        values = (np.clip(np.where(known, side, low), low, high) / size - mean) / deviation
        columns = [np.where(known, values, 0.0)]
        if np.isnan(sides[0]).any():
            columns.append((~known).astype(np.float64))
        found.append(np.stack(columns, axis=1))
    return found[0], found[1]


def _median(values: Array, weight: Array) -> float:
    """Return the weighted median: between the two middle values where these weigh alike."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weight[order])
    if not len(order) or reached[-1] <= 0:
        return float(np.median(values)) if len(values) else 0.0
    place = int(np.searchsorted(reached, reached[-1] / 2))
    middle = float(values[order[place]])
    if reached[place] == reached[-1] / 2 and place + 1 < len(order):
        return middle / 2 + float(values[order[place + 1]]) / 2
    return middle


def _number(value: float) -> str:
    return f"{value:.6g}" if abs(value) < 1e6 or abs(value) >= 1e15 else f"{value:,.0f}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:39] + "…"
