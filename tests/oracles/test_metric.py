"""Every metric against scikit-learn, scipy, pandas, or the textbook formula written out slowly.

Each test claims the metrics that it holds to account with ``@oracle``; a metric that no test claims fails the last test.
"""

from __future__ import annotations

import warnings
from collections import Counter
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial import distance
from sklearn import datasets, metrics
from sklearn.linear_model import LinearRegression, LogisticRegression

from assay.errors import UnknownNameError
from assay.metric import METRICS
from assay.summary.target import Target
from tests.metric.frames import Frame, builtin, column_value, filled, measured

CLAIMED: set[str] = set()
BINARY = Target("binary", ("no", "yes"), positive=1, threshold=0.5)
NUMBERS = Target("regression")


def oracle(*names):
    def claim(test):
        CLAIMED.update(names)
        return test
    return claim


def agrees(value, expected, tolerance=1e-9):
    """Undefined on both sides, or equal."""
    if expected is None or not np.isfinite(expected):
        assert (value.value, value.low) == (None, None), value
        assert value.note
    else:
        assert value.value == pytest.approx(expected, rel=tolerance, abs=tolerance), value


@pytest.fixture(autouse=True)
def _quiet():
    """scikit-learn warns of exactly the corner cases that are tested here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="sklearn")
        warnings.filterwarnings("ignore", category=metrics._classification.UndefinedMetricWarning)
        yield


@st.composite
def binary(draw, least=1):
    n = draw(st.integers(least, 40))
    label = np.array(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)))
    score = np.array(draw(st.lists(st.integers(0, 8), min_size=n, max_size=n))) / 8
    weight = np.array(draw(st.lists(st.integers(1, 8), min_size=n, max_size=n))) / 4 if draw(st.booleans()) else None
    return Frame(label, (score >= 0.5).astype(int), np.stack([1 - score, score], axis=1), weight=weight)


@st.composite
def classes(draw, k=3):
    n = draw(st.integers(1, 30))
    label, said = (np.array(draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n))) for _ in range(2))
    weight = np.array(draw(st.lists(st.integers(1, 8), min_size=n, max_size=n))) / 4 if draw(st.booleans()) else None
    return Frame(label, said, weight=weight)


@st.composite
def several(draw, k=3):
    n = draw(st.integers(1, 20))
    label, said = (np.array(draw(st.lists(st.lists(st.integers(0, 1), min_size=k, max_size=k), min_size=n, max_size=n))) for _ in range(2))
    return Frame(label, said)


@st.composite
def numbers(draw, least=1):
    n = draw(st.integers(least, 30))
    whole = st.integers(-1000, 1000).map(lambda each: each / 8)
    label, value = (np.array(draw(st.lists(whole, min_size=n, max_size=n))) for _ in range(2))
    weight = np.array(draw(st.lists(st.integers(1, 8), min_size=n, max_size=n))) / 4 if draw(st.booleans()) else None
    return Frame(label, value=value, weight=weight)


@cache
def cancer():
    x, y = datasets.load_breast_cancer(return_X_y=True)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    score = LogisticRegression(C=0.01).fit(x[::2], y[::2]).predict_proba(x)
    return Frame(y, (score[:, 1] >= 0.5).astype(int), score, weight=np.random.default_rng(0).uniform(0.5, 2, len(y)))


@cache
def digits():
    x, y = datasets.load_digits(return_X_y=True)
    score = LogisticRegression(C=0.001, max_iter=200).fit(x[::3] / 16, y[::3]).predict_proba(x / 16)
    return Frame(y, score.argmax(axis=1), score, weight=np.random.default_rng(0).uniform(0.5, 2, len(y)))


@cache
def diabetes():
    x, y = datasets.load_diabetes(return_X_y=True)
    return Frame(y, value=LinearRegression().fit(x, y).predict(x), weight=np.random.default_rng(0).uniform(0.5, 2, len(y)))


# predicted classes

@oracle("accuracy", "balanced_accuracy", "precision", "recall", "specificity", "f1", "mcc", "false_positive_rate", "false_negative_rate",
        "selection_rate")
@settings(max_examples=30)
@example(frame=cancer())
@given(frame=binary())
def test_two_classes(frame):
    y, said, weight = frame.label, frame.prediction, {"sample_weight": frame.weight}
    nan = {**weight, "zero_division": np.nan}
    agrees(measured("accuracy", frame, BINARY), metrics.accuracy_score(y, said, **weight))
    agrees(measured("balanced_accuracy", frame, BINARY), metrics.balanced_accuracy_score(y, said, **weight))
    agrees(measured("precision", frame, BINARY), metrics.precision_score(y, said, **nan))
    agrees(measured("recall", frame, BINARY), metrics.recall_score(y, said, **nan))
    agrees(measured("specificity", frame, BINARY), metrics.recall_score(y, said, pos_label=0, **nan))
    agrees(measured("false_positive_rate", frame, BINARY), 1 - metrics.recall_score(y, said, pos_label=0, **nan))
    agrees(measured("false_negative_rate", frame, BINARY), 1 - metrics.recall_score(y, said, **nan))
    agrees(measured("f1", frame, BINARY), metrics.f1_score(y, said, **nan))
    agrees(measured("selection_rate", frame, BINARY), np.average(said, weights=frame.weight))
    one = len(set(y)) == 1 or len(set(said)) == 1
    agrees(measured("mcc", frame, BINARY), None if one else metrics.matthews_corrcoef(y, said, **weight))
    agrees(measured("recall", frame, BINARY, positive="no"), metrics.recall_score(y, said, pos_label=0, **nan))


@oracle("accuracy", "balanced_accuracy", "precision", "recall", "f1", "mcc")
@settings(max_examples=30)
@example(frame=digits())
@given(frame=classes())
def test_more_classes(frame):
    y, said, weight = frame.label, frame.prediction, {"sample_weight": frame.weight}
    target = Target("multiclass", tuple("abcdefghij"[: max(3, int(max(y.max(), said.max())) + 1)]))
    agrees(measured("accuracy", frame, target), metrics.accuracy_score(y, said, **weight))
    agrees(measured("balanced_accuracy", frame, target), metrics.balanced_accuracy_score(y, said, **weight))
    one = len(set(y)) == 1 or len(set(said)) == 1
    agrees(measured("mcc", frame, target), None if one else metrics.matthews_corrcoef(y, said, **weight), 1e-8)
    for average in ("macro", "micro", "weighted"):
        for name, score, nothing in (("precision", metrics.precision_score, 0), ("recall", metrics.recall_score, np.nan),
                                     ("f1", metrics.f1_score, 0)):
            expected = score(y, said, average=average, zero_division=nothing, **weight)
            agrees(measured(name, frame, target, average=average), expected)
    for place, name in enumerate(target.classes):
        expected = metrics.precision_score(y, said, labels=[place], average="macro", zero_division=np.nan, **weight)
        agrees(measured("precision", frame, target, positive=name), expected)
        agrees(measured("selection_rate", frame, target, positive=name), np.average(said == place, weights=frame.weight))


@oracle("specificity", "false_positive_rate", "false_negative_rate")
@settings(max_examples=30)
@given(frame=classes())
def test_more_classes_one_against_the_rest(frame):
    target = Target("multiclass", ("a", "b", "c"))
    weight = np.ones(len(frame)) if frame.weight is None else frame.weight
    rates = {"specificity": [], "false_positive_rate": [], "false_negative_rate": []}
    for k in range(3):
        true, said = frame.label == k, frame.prediction == k
        if (~true).any():
            rates["specificity"].append(weight[~true & ~said].sum() / weight[~true].sum())
            rates["false_positive_rate"].append(weight[~true & said].sum() / weight[~true].sum())
        if true.any():
            rates["false_negative_rate"].append(weight[true & ~said].sum() / weight[true].sum())
    for name, found in rates.items():
        agrees(measured(name, frame, target), np.mean(found) if found else None)


@oracle("accuracy", "balanced_accuracy", "precision", "recall", "f1", "mcc", "selection_rate")
@settings(max_examples=30)
@given(frame=several())
def test_several_labels(frame):
    y, said = frame.label, frame.prediction
    target = Target("multilabel", ("a", "b", "c"), labels=3)
    each = range(3)
    agrees(measured("accuracy", frame, target), 1 - metrics.hamming_loss(y, said))
    agrees(measured("selection_rate", frame, target), said.mean())
    agrees(measured("recall", frame, target), metrics.recall_score(y, said, average="macro", zero_division=np.nan))
    agrees(measured("recall", frame, target, average="micro"), metrics.recall_score(y, said, average="micro", zero_division=np.nan))
    # a label that is neither true nor predicted is left out; one that is true and never predicted has a precision of 0
    kept = [k for k in each if y[:, k].any() or said[:, k].any()]
    for name, score in (("precision", metrics.precision_score), ("f1", metrics.f1_score)):
        found = [score(y[:, k], said[:, k], zero_division=0) for k in kept]
        agrees(measured(name, frame, target), np.mean(found) if found else None)
        agrees(measured(name, frame, target, positive="b"), score(y[:, 1], said[:, 1], zero_division=np.nan))
    found = [metrics.matthews_corrcoef(y[:, k], said[:, k]) for k in each if len(set(y[:, k])) == 2 and len(set(said[:, k])) == 2]
    agrees(measured("mcc", frame, target), np.mean(found) if found else None)
    agrees(measured("balanced_accuracy", frame, target), np.mean([metrics.balanced_accuracy_score(y[:, k], said[:, k]) for k in each]))


# scores

@oracle("auc", "average_precision", "log_loss", "brier")
@settings(max_examples=30)
@example(frame=cancer())
@given(frame=binary())
def test_scores_of_two_classes(frame):
    y, score, weight = frame.label, frame.score[:, 1], {"sample_weight": frame.weight}
    agrees(measured("auc", frame, BINARY), metrics.roc_auc_score(y, score, **weight) if len(set(y)) == 2 else None)
    agrees(measured("average_precision", frame, BINARY), metrics.average_precision_score(y, score, **weight) if y.any() else None)
    agrees(measured("log_loss", frame, BINARY), metrics.log_loss(y, score, labels=[0, 1], **weight), 1e-8)
    agrees(measured("brier", frame, BINARY), metrics.brier_score_loss(y, score, labels=[0, 1], **weight))
    agrees(measured("auc", frame, BINARY, positive="no"), metrics.roc_auc_score(y, score, **weight) if len(set(y)) == 2 else None)


def expected_calibration_error(hit, chance, bins, weight=None):
    weight = np.ones(len(hit)) if weight is None else weight
    edges = np.linspace(0, 1, bins + 1)
    total = 0.0
    for k in range(bins):
        inside = (chance > edges[k] if k else chance >= 0) & (chance <= edges[k + 1])
        if inside.any():
            total += abs(np.sum(weight[inside] * hit[inside]) - np.sum(weight[inside] * chance[inside]))
    return total / weight.sum()


@oracle("calibration_error")
@settings(max_examples=30)
@example(frame=cancer(), bins=15)
@given(frame=binary(), bins=st.sampled_from([1, 8, 16]))
def test_plain_calibration_error(frame, bins):
    found = measured("calibration_error", frame, BINARY, bins=bins, debiased=False)
    agrees(found, expected_calibration_error(frame.label, frame.score[:, 1], bins, frame.weight))


@oracle("auc", "average_precision", "log_loss", "brier", "calibration_error")
@pytest.mark.parametrize("weighted", [False, True])
def test_scores_of_ten_classes(weighted):
    frame = digits() if weighted else Frame(*(getattr(digits(), name) for name in ("label", "prediction", "score")))
    target, weight = Target("multiclass", tuple(range(10))), {"sample_weight": frame.weight}
    truth = np.eye(10)[frame.label]
    agrees(measured("auc", frame, target), metrics.roc_auc_score(frame.label, frame.score, multi_class="ovr", **weight))
    agrees(measured("average_precision", frame, target), metrics.average_precision_score(truth, frame.score, **weight))
    agrees(measured("auc", frame, target, positive=3), metrics.roc_auc_score(frame.label == 3, frame.score[:, 3], **weight))
    agrees(measured("log_loss", frame, target), metrics.log_loss(frame.label, frame.score, **weight))
    agrees(measured("brier", frame, target), metrics.brier_score_loss(frame.label, frame.score, labels=list(range(10)), **weight))
    right, sure = frame.label == frame.prediction, frame.score.max(axis=1)
    agrees(measured("calibration_error", frame, target, debiased=False), expected_calibration_error(right, sure, 15, frame.weight))


def test_a_class_that_is_absent_is_left_out_of_the_mean():
    frame = digits().take(np.flatnonzero(digits().label != 4))
    target = Target("multiclass", tuple(range(10)))
    rest = [metrics.roc_auc_score(frame.label == k, frame.score[:, k], sample_weight=frame.weight) for k in range(10) if k != 4]
    agrees(measured("auc", frame, target), np.mean(rest))
    agrees(measured("auc", frame, target, positive=4), None)


@oracle("auc", "average_precision", "log_loss", "brier")
def test_scores_of_several_labels():
    rng = np.random.default_rng(3)
    score = rng.uniform(size=(300, 4))
    label = (rng.uniform(size=(300, 4)) < score).astype(int)
    frame, target = Frame(label, (score >= 0.5).astype(int), score), Target("multilabel", tuple("abcd"), labels=4)
    agrees(measured("auc", frame, target), metrics.roc_auc_score(label, score))
    agrees(measured("average_precision", frame, target), metrics.average_precision_score(label, score))
    agrees(measured("log_loss", frame, target), np.mean([metrics.log_loss(label[:, k], score[:, k]) for k in range(4)]))
    agrees(measured("brier", frame, target), np.mean([metrics.brier_score_loss(label[:, k], score[:, k]) for k in range(4)]))


def test_auc_of_more_distinct_scores_than_are_kept_is_within_its_bound():
    rng = np.random.default_rng(5)
    score = rng.uniform(size=20_000)
    label = (rng.uniform(size=20_000) < score).astype(int)
    summary = filled("scores", label, score, size=1024)
    found = METRICS["auc"].value((summary,), BINARY, {})
    assert 0 < found.bound < 0.01
    assert abs(found.value - metrics.roc_auc_score(label, score)) <= found.bound


# numbers

@oracle("mae", "mse", "rmse", "mape", "r2", "bias")
@settings(max_examples=30)
@example(frame=diabetes())
@given(frame=numbers())
def test_numbers(frame):
    y, value, weight = frame.label, frame.value, {"sample_weight": frame.weight}
    agrees(measured("mae", frame, NUMBERS), metrics.mean_absolute_error(y, value, **weight))
    agrees(measured("mse", frame, NUMBERS), metrics.mean_squared_error(y, value, **weight))
    agrees(measured("rmse", frame, NUMBERS), metrics.root_mean_squared_error(y, value, **weight))
    agrees(measured("bias", frame, NUMBERS), np.average(value - y, weights=frame.weight))
    some = y != 0
    some_weight = None if frame.weight is None else frame.weight[some]
    expected = metrics.mean_absolute_percentage_error(y[some], value[some], sample_weight=some_weight) if some.any() else None
    agrees(measured("mape", frame, NUMBERS), expected)
    agrees(measured("r2", frame, NUMBERS), metrics.r2_score(y, value, **weight) if len(set(y)) > 1 else None, 1e-7)


# ranked lists

@st.composite
def lists(draw):
    sizes = draw(st.lists(st.integers(2, 8), min_size=1, max_size=5))
    n = sum(sizes)
    label = np.array(draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)), float)
    value = np.array(draw(st.lists(st.integers(0, 5), min_size=n, max_size=n)), float)
    return Frame(label, value=value, query=np.repeat(np.arange(len(sizes)), sizes))


def by_query(frame, score):
    found = [score(frame.label[frame.query == q], frame.value[frame.query == q]) for q in np.unique(frame.query)
             if frame.label[frame.query == q].any()]
    return np.mean(found) if found else None


@oracle("ndcg", "mrr", "map")
@settings(max_examples=40)
@given(frame=lists(), at=st.sampled_from([None, 1, 3, 20]))
def test_ranked_lists(frame, at):
    target, options = Target("ranking"), {} if at is None else {"at": at}
    agrees(measured("ndcg", frame, target, **options), by_query(frame, lambda y, s: metrics.ndcg_score([y], [s], k=at)))

    def ordered(y, s):  # the worst order among ties
        return [y[place] > 0 for place in sorted(range(len(y)), key=lambda i: (-s[i], y[i] > 0))]

    def first(y, s):
        place = ordered(y, s).index(True) + 1
        return 0.0 if at is not None and place > at else 1 / place

    def cut(y, s):
        hits = ordered(y, s)[:at]
        return sum(sum(hits[: k + 1]) / (k + 1) for k in range(len(hits)) if hits[k]) / min(at, int((y > 0).sum()))

    agrees(measured("mrr", frame, target, **options), by_query(frame, first))
    precise = cut if at is not None else lambda y, s: metrics.average_precision_score(y > 0, s)
    agrees(measured("map", frame, target, **options), by_query(frame, precise))


# drift

def shares(then, now, added=0.0):
    names = sorted({*then, *now})
    p, q = (np.array([side.get(name, 0) + added for name in names], float) for side in (then, now))
    return p / p.sum(), q / q.sum()


texts = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=60)


@oracle("psi", "jensen_shannon", "chi2")
@settings(max_examples=40)
@given(then=texts, now=texts)
def test_plain_distances_of_categories(then, now):
    now = [each if each in then else "f" for each in now]  # what the reference does not have is one bin
    p, q = shares(Counter(then), Counter(now), 0.5)
    agrees(column_value("psi", now, then, debiased=False), ((p - q) * np.log(p / q)).sum())
    p, q = shares(Counter(then), Counter(now))
    expected = distance.jensenshannon(p, q, base=2)
    agrees(column_value("jensen_shannon", now, then, debiased=False), 0.0 if np.isnan(expected) else expected, 1e-7)
    now = (now * len(then))[: len(then)]
    both = np.array([[side.count(name) for name in sorted({*then, *now})] for side in (then, now)])
    statistic = stats.chi2_contingency(both, correction=False).statistic if both.shape[1] > 1 else 0.0
    agrees(column_value("chi2", now, then, debiased=False), statistic / (2 * len(then)))


values = st.lists(st.integers(-40, 40).map(lambda each: each / 4), min_size=2, max_size=60)


@oracle("ks", "wasserstein", "psi")
@settings(max_examples=40)
@given(then=values, now=values)
def test_plain_distances_of_numbers(then, now):
    agrees(column_value("ks", now, then, debiased=False), stats.ks_2samp(then, now, method="asymp").statistic)
    moved = stats.wasserstein_distance(then, now)
    agrees(column_value("wasserstein", now, then, debiased=False, scaled=False), moved)
    deviation = np.std(then, ddof=1)
    agrees(column_value("wasserstein", now, then, debiased=False), moved / deviation if deviation > 0 else None, 1e-8)
    for name in ("psi", "jensen_shannon", "chi2", "ks", "wasserstein"):
        plain, found = (column_value(name, now, then, debiased=each) for each in (False, True))
        assert plain.value is None or 0 <= found.value <= plain.value + 1e-12


def test_debiased_psi_is_plain_psi_less_its_expectation_without_a_shift():
    rng = np.random.default_rng(1)
    then, now = rng.choice(list("abcd"), 4000), rng.choice(list("abcd"), 1000, p=[0.4, 0.3, 0.2, 0.1])
    plain, found = (column_value("psi", list(now), list(then), debiased=each).value for each in (False, True))
    assert found == pytest.approx(plain - 3 * (1 / 4000 + 1 / 1000), abs=1e-12)


def test_sketched_distances_are_within_their_bound():
    rng = np.random.default_rng(2)
    then, now = rng.standard_normal(30_000), rng.standard_normal(20_000) + 0.2
    found = column_value("ks", now, then, debiased=False)
    assert 0 < found.bound < 0.01
    assert abs(found.value - stats.ks_2samp(then, now).statistic) <= found.bound
    found = column_value("wasserstein", now, then, debiased=False, scaled=False)
    assert abs(found.value - stats.wasserstein_distance(then, now)) <= min(found.bound, 0.005)


# quality

@st.composite
def columns(draw):
    number = st.one_of(st.none(), st.integers(-5, 5).map(float), st.sampled_from([np.nan, np.inf, -np.inf]))
    return draw(st.lists(number, min_size=1, max_size=40))


@oracle("missing", "infinite", "mean", "deviation", "least", "greatest", "quantile", "constant", "distinct", "repeated")
@settings(max_examples=40)
@given(data=columns(), q=st.sampled_from([0.1, 0.25, 0.5, 0.9]))
def test_facts_of_a_number_column(data, q):
    series = pd.Series(data, dtype="float64")
    finite = series[np.isfinite(series)]
    array = series.to_numpy()
    agrees(column_value("missing", array), series.isna().mean())
    agrees(column_value("infinite", array), np.isinf(series).mean())
    agrees(column_value("mean", array), finite.mean())
    agrees(column_value("deviation", array), finite.std(), 1e-8)
    agrees(column_value("least", array), finite.min())
    agrees(column_value("greatest", array), finite.max())
    agrees(column_value("quantile", array, q=q), np.quantile(finite, q, method="inverted_cdf") if len(finite) else None)
    agrees(column_value("constant", array), float(len(set(series.dropna())) <= 1))
    agrees(column_value("distinct", finite.to_numpy()), finite.nunique())
    agrees(column_value("repeated", array), series.dropna().duplicated().mean())


@oracle("out_of_range", "new_categories")
@settings(max_examples=40)
@given(then=values, now=values, words=texts, others=texts)
def test_facts_against_the_reference(then, now, words, others):
    agrees(column_value("out_of_range", now, then), np.mean([not min(then) <= each <= max(then) for each in now]))
    agrees(column_value("new_categories", others, words), np.mean([each not in words for each in others]))


@oracle("duplicates")
@settings(max_examples=40)
@given(rows=st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_duplicates(rows):
    copies = filled("rows", np.array(rows, np.uint64), np.ones(len(rows)), width=1)
    agrees(METRICS["duplicates"].value(None, {}, {"copies": copies}, {}), pd.Series(rows).duplicated().mean())


@oracle("type_changed")
def test_type_changed():
    assert METRICS["type_changed"].value("x", {"type": "text"}, {"type": "number"}, {}).value == 1.0
    assert METRICS["type_changed"].value("x", {"type": "text"}, {"type": "text"}, {}).value == 0.0


@oracle("share", "count")
@settings(max_examples=40)
@given(fits=st.lists(st.booleans(), max_size=30))
def test_shares_and_counts_of_rows(fits):
    sides = {"fitting": filled("moments", np.ones(sum(fits))), "rows": filled("moments", np.ones(len(fits)))}
    agrees(METRICS["share"].value(None, {}, sides, {}), np.mean(fits) if fits else None)
    agrees(METRICS["count"].value(None, {}, sides, {}), sum(fits))


@oracle("has_type")
def test_has_type():
    for name, kind, fits in (("number", "integer", 1.0), ("number", "fraction", 1.0), ("integer", "fraction", 0.0), ("text", "text", 1.0)):
        assert METRICS["has_type"].value("x", {}, {"type": kind}, {"name": name}).value == fits
    with pytest.raises(UnknownNameError, match="did you mean 'integer'"):
        METRICS["has_type"].value("x", {}, {"type": "text"}, {"name": "intger"})


# corner cases

@pytest.mark.parametrize("name", [name for name, each in builtin().items() if each.of == "rows"])
def test_no_rows_are_undefined_and_say_so(name):
    metric = METRICS[name]
    tasks = getattr(metric, "tasks", ("ranking",))
    empty = {"binary": (BINARY, Frame(np.empty(0, int), np.empty(0, int), np.empty((0, 2)))),
             "multiclass": (Target("multiclass", ("a", "b", "c")), Frame(np.empty(0, int), np.empty(0, int), np.empty((0, 3)))),
             "multilabel": (Target("multilabel", ("a", "b"), labels=2),
                            Frame(np.empty((0, 2), int), np.empty((0, 2), int), np.empty((0, 2)))),
             "regression": (NUMBERS, Frame(np.empty(0), value=np.empty(0))),
             "ranking": (Target("ranking"), Frame(np.empty(0), value=np.empty(0), query=np.empty(0)))}
    for task in tasks:
        target, frame = empty[task]
        options = {"positive": "a"} if name == "selection_rate" and task == "multiclass" else {}
        found = measured(name, frame, target, **options)
        assert (found.value, found.low, found.high, found.n) == (None, None, None, 0)
        assert found.note


@pytest.mark.parametrize("name", [name for name, each in builtin().items()
                                  if each.of == "column" and name not in ("type_changed", "has_type", "constant")])
def test_an_empty_column_is_undefined_and_says_so(name):
    kind = next(iter(METRICS[name].needs))
    full = [1.0, 2.0, 3.0] if kind == "number" else ["a", "b"]
    empty = np.empty(0) if kind == "number" else pd.Series([], dtype="string").array.to_numpy()
    if kind == "category":
        import pyarrow as pa

        empty = pa.array([], pa.string())
    found = column_value(name, empty, full if METRICS[name].compared else None)
    if name == "distinct":
        assert found.value == 0
    else:
        assert found.value is None
        assert found.note


@pytest.mark.parametrize(("name", "defined"), [("auc", False), ("average_precision", True), ("log_loss", True), ("brier", True),
                                               ("recall", True), ("specificity", False), ("mcc", False), ("accuracy", True)])
def test_a_single_positive_row(name, defined):
    frame = Frame(np.array([1]), np.array([1]), np.array([[0.2, 0.8]]))
    found = measured(name, frame, BINARY)
    assert (found.value is not None) == defined
    if defined:
        assert found.low <= found.value <= found.high


def test_every_metric_has_an_oracle():
    assert sorted(set(builtin()) - CLAIMED) == []
