"""What training rows did, beside models that were trained without them, and beside planted wrong labels."""

from __future__ import annotations

import warnings
from typing import Any, cast

import lightgbm
import numpy as np
import pyarrow as pa
import pytest
import xgboost
from catboost import CatBoostClassifier, CatBoostRegressor
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import datasets
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import (
    ElasticNet,
    HuberRegressor,
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
)
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor

import assay
from assay.errors import AssayError, ConfigError, DataError
from assay.explain.training_boosting import Boosting
from assay.explain.training_forest import Forest
from assay.explain.training_loss import Loss, candidates
from assay.explain.training_neighbour import NEAREST, Neighbours
from assay.explain.training_row import TrainingRows
from assay.model.trees import trees

KINDS = ("squared", "logistic", "softmax", "one against all", "signed", "poisson", "gamma", "tweedie")


def table(x):
    return pa.table({f"c{place}": column for place, column in enumerate(np.asarray(x).T)})


def traced(estimator, x, y, **options):
    model = assay.load(estimator, features=[f"c{place}" for place in range(x.shape[1])])
    return TrainingRows.of(model, table(x), y, **options)


def left_out(estimator, x, y, rows, some, ask):
    """By how much the answers to ``rows`` are higher with each row of ``some`` than without, by training again."""
    whole = ask(estimator, rows)
    found = []
    for each in some:
        keep = np.arange(len(y)) != each
        found.append(whole - ask(clone(estimator).fit(x[keep], y[keep]), rows))
    return np.array(found).T


@pytest.fixture(scope="module")
def diabetes():
    x, y = datasets.load_diabetes(return_X_y=True)
    return x * 10, y


@pytest.fixture(scope="module")
def cancer():
    x, y = datasets.load_breast_cancer(return_X_y=True)
    return (x - x.mean(axis=0)) / x.std(axis=0), y


# losses ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_slopes_and_curves_are_the_derivatives_of_the_loss(kind):
    loss, rng = Loss(kind), np.random.default_rng(0)
    outputs = 3 if kind in ("softmax", "one against all") else 1
    f = rng.normal(size=(6, outputs))
    y = rng.integers(0, max(outputs, 2), 6).astype(float) if kind in ("softmax", "one against all", "logistic", "signed") else rng.gamma(2, 1, 6)
    for output in range(outputs):
        step = np.zeros_like(f)
        step[:, output] = 1e-4
        ups, here, downs = loss.cost(f + step, y), loss.cost(f, y), loss.cost(f - step, y)
        assert np.allclose((ups - downs) / 2e-4, loss.slope(f, y)[:, output], atol=1e-6)
        assert np.allclose((ups - 2 * here + downs) / 1e-8, loss.curve(f, y)[:, output], atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_no_constant_costs_less_than_the_start(kind):
    loss, rng = Loss(kind), np.random.default_rng(1)
    outputs = 3 if kind in ("softmax", "one against all") else 1
    classes = kind in ("softmax", "one against all", "logistic", "signed")
    y = rng.integers(0, max(outputs, 2), 50).astype(float) if classes else rng.gamma(2, 1, 50)
    start = loss.start(y, np.ones(50), outputs)
    best = loss.cost(np.tile(start, (50, 1)), y).mean()
    assert all(loss.cost(np.tile(start + rng.normal(0, 0.1, outputs), (50, 1)), y).mean() >= best - 1e-12 for _ in range(20))


@pytest.mark.parametrize("kind", ["poisson", "gamma", "tweedie"])
def test_a_loss_is_zero_where_the_sum_is_the_label(kind):
    y = np.array([0.5, 1.0, 7.0])
    assert np.allclose(Loss(kind).cost(np.log(y)[:, None], y), 0, atol=1e-12)


# linear ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", [LinearRegression(), LinearRegression(fit_intercept=False), Ridge(3.0), Ridge(0.1, fit_intercept=False)])
def test_least_squares_is_what_training_without_the_row_gives(estimator, diabetes):
    x, y = diabetes
    estimator = clone(estimator).fit(x, y)
    made = traced(estimator, x, y)
    some = range(0, len(y), 29)
    expected = left_out(estimator, x, y, x[:7], some, lambda model, rows: model.predict(rows))
    assert made.method == "leave-one-out"
    assert made.exact
    assert np.abs(made.answer(table(x[:7]))[:, list(some)] - expected).max() < 1e-8


def test_the_loss_of_left_out_rows_is_that_of_training_without_them(diabetes):
    x, y = diabetes
    estimator = Ridge(1.0).fit(x, y)
    made = traced(estimator, x, y)
    some = list(range(0, len(y), 41))
    after = left_out(estimator, x, y, x[:5], some, lambda model, rows: (model.predict(rows) - y[:5]) ** 2 / 2)
    assert np.abs(made.error(table(x[:5]), y[:5])[:, some] - after).max() < 1e-7
    own = [-left_out(estimator, x, y, x[[each]], [each], lambda model, rows, each=each: (model.predict(rows) - y[each]) ** 2 / 2)[0, 0]
           for each in some]
    assert np.abs(made.own()[some] - own).max() < 1e-7
    assert np.allclose(made.harm(table(x[:5]), y[:5]), made.error(table(x[:5]), y[:5]).mean(axis=0))


def test_a_weighted_fit_is_told_with_its_weights(diabetes):
    x, y = diabetes
    weight = np.random.default_rng(0).uniform(0.2, 3, len(y))
    estimator = Ridge(2.0).fit(x, y, sample_weight=weight)
    made = traced(estimator, x, y, weight=weight)
    keep = np.arange(len(y)) != 17
    again = Ridge(2.0).fit(x[keep], y[keep], sample_weight=weight[keep])
    assert np.abs(made.answer(table(x[:4]))[:, 17] - (estimator.predict(x[:4]) - again.predict(x[:4]))).max() < 1e-8


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(12, 40), st.integers(1, 5), st.sampled_from([0.0, 0.3, 10.0]))
def test_any_ridge_is_what_training_without_the_row_gives(seed, rows, columns, alpha):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(rows, columns)), rng.normal(size=rows)
    estimator = (Ridge(alpha) if alpha else LinearRegression()).fit(x, y)
    expected = left_out(estimator, x, y, x[:3], [0, rows // 2], lambda model, given: model.predict(given))
    assert np.allclose(traced(estimator, x, y).answer(table(x[:3]))[:, [0, rows // 2]], expected, atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize("estimator", [LogisticRegression(C=1.0, tol=1e-8, max_iter=2000), LogisticRegression(C=0.01, tol=1e-8)])
def test_logistic_regression_is_close_to_training_without_the_row(estimator, cancer):
    x, y = cancer
    estimator = clone(estimator).fit(x, y)
    made = traced(estimator, x, y)
    some = list(range(0, len(y), 15))
    expected = left_out(estimator, x, y, x[:10], some, lambda model, rows: model.decision_function(rows))
    found = made.answer(table(x[:10]))[:, some]
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.99
    assert made.quantity == "log-odds"


def test_several_classes_and_counts_are_close_to_training_without_the_row(diabetes):
    x, y = datasets.load_wine(return_X_y=True)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    estimator = LogisticRegression(C=0.1, tol=1e-8, max_iter=2000).fit(x, y)
    some = list(range(0, len(y), 6))
    for class_ in range(3):
        expected = left_out(estimator, x, y, x[::30], some, lambda model, rows, at=class_: model.decision_function(rows)[:, at])
        found = traced(estimator, x, y).answer(table(x[::30]), target=class_)[:, some]
        assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.99
    x, y = diabetes
    poisson = PoissonRegressor(alpha=1e-4, tol=1e-9, max_iter=1000).fit(x, y)
    expected = left_out(poisson, x, y, x[:5], range(0, len(y), 20), lambda model, rows: np.log(model.predict(rows)))
    assert np.corrcoef(traced(poisson, x, y).answer(table(x[:5]))[:, ::20].ravel(), expected.ravel())[0, 1] > 0.999


def test_a_ridge_classifier_is_exact_and_the_first_class_mirrors_the_second(cancer):
    x, y = cancer
    estimator = RidgeClassifier(2.0).fit(x, y)
    made = traced(estimator, x, y)
    expected = left_out(estimator, x, y, x[:4], range(0, len(y), 50), lambda model, rows: model.decision_function(rows))
    assert made.exact
    assert np.abs(made.answer(table(x[:4]), target=1)[:, ::50] - expected).max() < 1e-8
    assert np.array_equal(made.answer(table(x[:4]), target=0), -made.answer(table(x[:4]), target=1))


def test_sparse_coefficients_are_told_as_approximate(diabetes):
    x, y = diabetes
    for estimator in (Lasso(0.5, tol=1e-8), ElasticNet(0.05, tol=1e-8, max_iter=10_000)):
        fitted = clone(estimator).fit(x, y)
        made = traced(fitted, x, y)
        expected = left_out(fitted, x, y, x[:5], range(0, len(y), 20), lambda model, rows: model.predict(rows))
        assert not made.exact
        assert "coefficients at 0" in made.caveat
        assert np.corrcoef(made.answer(table(x[:5]))[:, ::20].ravel(), expected.ravel())[0, 1] > 0.98


@pytest.mark.parametrize("numbers", [StandardScaler(), "passthrough"], ids=["scaled", "passed through"])
def test_a_pipeline_with_categories_is_traced_to_its_end(diabetes, numbers):
    x, y = diabetes
    data = pa.table({"age": x[:, 0], "sex": np.where(x[:, 1] > 0, "f", "m"), "bmi": x[:, 2]})
    columns = make_column_transformer((numbers, ["age", "bmi"]), (OneHotEncoder(), ["sex"]))
    pipeline = make_pipeline(columns, Ridge(1.0)).fit(data.to_pandas(), y)
    made = TrainingRows.of(assay.load(pipeline), data, y)
    keep = np.arange(len(y)) != 5
    again = Ridge(1.0).fit(pipeline[0].transform(data.to_pandas())[keep], y[keep])   # what prepares the columns stays
    expected = pipeline.predict(data.to_pandas()[:9]) - again.predict(pipeline[0].transform(data.to_pandas())[:9])
    assert made.exact
    assert np.abs(made.answer(data[:9])[:, 5] - expected).max() < 1e-8


def test_a_model_of_other_rows_or_another_loss_is_not_taken_for_ours(diabetes):
    x, y = diabetes
    for estimator, labels in ((Ridge(1.0), np.random.default_rng(0).permutation(y)), (HuberRegressor(max_iter=1000), y)):
        made = traced(clone(estimator).fit(x, y), x, labels)
        assert made.method == "nearest neighbours"


# boosting --------------------------------------------------------------------------------------------------------------------------

BOOSTED = {
    "xgboost": (xgboost.XGBClassifier(n_estimators=40, max_depth=3, learning_rate=0.2, reg_lambda=2.0, n_jobs=1), 0.2, 2.0),
    "lightgbm": (lightgbm.LGBMClassifier(n_estimators=40, num_leaves=8, learning_rate=0.15, reg_lambda=3.0, verbose=-1, n_jobs=1), 0.15, 3.0),
    "histogram": (HistGradientBoostingClassifier(max_iter=40, learning_rate=0.1, l2_regularization=1.0, early_stopping=False), 0.1, 1.0),
    "scikit-learn": (GradientBoostingClassifier(n_estimators=40, learning_rate=0.1), 0.1, 0.0),
}


@pytest.mark.parametrize("name", BOOSTED)
def test_learning_rate_and_penalty_are_read_off_the_leaves(name, cancer):
    x, y = cancer
    estimator, rate, penalty = BOOSTED[name]
    made = traced(clone(estimator).fit(x, y), x, y)
    assert made.method == "BoostIn"
    assert made.told > 0.9999
    assert made._way.rate == pytest.approx(rate, rel=1e-2)
    assert made._way.penalty == pytest.approx(penalty, rel=2e-2, abs=1e-3)


def test_what_boosted_rows_did_is_what_their_leaves_say(diabetes):
    """Beside a naive walk: for each tree, take one row's slope and curvature out of the leaf, by the derivative."""
    x, y = diabetes
    x, y = x[:120], y[:120]
    estimator = xgboost.XGBRegressor(n_estimators=8, max_depth=2, learning_rate=0.3, reg_lambda=1.5, base_score=100.0, n_jobs=1).fit(x, y)
    made = traced(estimator, x, y)
    grown = made._way.trees
    leaves, theirs = grown.leaves(x.astype(np.float64)), grown.leaves(x[:3].astype(np.float64))
    expected, loss = np.zeros((3, len(y))), np.zeros((3, len(y)))
    sums, asked = np.full(len(y), 100.0), np.full(3, 100.0)
    for tree in range(8):
        for row in range(3):
            for other in range(len(y)):
                if leaves[other, tree] == theirs[row, tree]:
                    count = (leaves[:, tree] == theirs[row, tree]).sum()
                    moved = -(0.3 * (sums[other] - y[other]) + grown.value[leaves[other, tree], 0]) / (count + 1.5)
                    expected[row, other] += moved
                    loss[row, other] += moved * (asked[row] - y[row])
        sums += grown.value[leaves[:, tree], 0]
        asked += grown.value[theirs[:, tree], 0]
    assert np.allclose(made.answer(table(x[:3])), expected, atol=1e-3 * np.abs(expected).max())
    assert np.allclose(made.error(table(x[:3]), y[:3]), loss, atol=1e-3 * np.abs(loss).max())
    assert np.allclose(made.harm(table(x[:3]), y[:3]), made.error(table(x[:3]), y[:3]).mean(axis=0))
    assert np.allclose(made.own(), [-made.error(table(x[[at]]), y[[at]])[0, at] for at in range(len(y))])


def noisy(y, classes, seed=0):
    rng = np.random.default_rng(seed)
    wrong = rng.random(len(y)) < 0.1
    out = y.copy()
    out[wrong] = (out[wrong] + rng.integers(1, classes, wrong.sum())) % classes if classes else rng.permutation(y)[wrong]
    return out, wrong


@pytest.mark.parametrize("estimator", [*(each for each, _, _ in BOOSTED.values()), CatBoostClassifier(
    iterations=60, depth=4, verbose=0, thread_count=1, allow_writing_files=False), RandomForestClassifier(50, random_state=0),
    LogisticRegression(C=0.1), KNeighborsClassifier()], ids=lambda each: type(each).__name__)
def test_planted_wrong_labels_are_found(estimator, cancer):
    x, y = cancer
    labels, wrong = noisy(y, 2)
    made = traced(clone(estimator).fit(x, labels), x, labels)
    assert roc_auc_score(wrong, made.suspicion()) > 0.9


def test_several_classes_and_numbers_are_boosted_too(diabetes):
    x, y = datasets.load_digits(return_X_y=True)
    x, y = x[:600], y[:600]
    labels, wrong = noisy(y, 10)
    for estimator in (lightgbm.LGBMClassifier(n_estimators=15, num_leaves=8, verbose=-1, n_jobs=1), CatBoostClassifier(
            iterations=30, depth=3, verbose=0, thread_count=1, allow_writing_files=False)):
        made = traced(estimator.fit(x, labels), x, labels)
        assert made.method == "BoostIn"
        assert roc_auc_score(wrong, made.suspicion()) > 0.9
        assert made.answer(table(x[:2]), target=3).shape == (2, 600)
    x, y = diabetes
    for estimator in (HistGradientBoostingRegressor(max_iter=20), CatBoostRegressor(
            iterations=30, depth=3, verbose=0, thread_count=1, allow_writing_files=False), lightgbm.LGBMRegressor(
            n_estimators=20, objective="poisson", verbose=-1, n_jobs=1)):
        assert traced(estimator.fit(x, y), x, y).told > 0.99


def test_taking_out_what_raised_an_answer_lowers_it(diabetes):
    x, y = diabetes
    estimator = lightgbm.LGBMRegressor(n_estimators=30, num_leaves=8, verbose=-1, n_jobs=1).fit(x, y)
    made, rng = traced(estimator, x, y), np.random.default_rng(0)
    fell, by_chance = [], []
    for row in range(0, 60, 10):
        for order, falls in ((np.argsort(-made.answer(table(x[[row]]))[0]), fell), (rng.permutation(len(y)), by_chance)):
            keep = order[22:]
            again = clone(estimator).fit(x[keep], y[keep])
            falls.append(float(estimator.predict(x[[row]])[0] - again.predict(x[[row]])[0]))
    assert min(fell) > 0
    assert np.mean(fell) > 3 * np.mean(np.abs(by_chance))


def test_a_loss_that_the_leaves_do_not_follow_is_refused(diabetes):
    x, y = diabetes
    model = assay.load(lightgbm.LGBMRegressor(n_estimators=30, objective="mae", verbose=-1, n_jobs=1).fit(x, y))
    grown = trees(model)
    assert Boosting.of(grown, x, y, None, candidates(grown.unit, 1, classes=False)) is None


# forests ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", [
    DecisionTreeRegressor(max_depth=3), ExtraTreesRegressor(15, min_samples_leaf=5, random_state=0),
    RandomForestRegressor(15, random_state=0), RandomForestRegressor(15, min_samples_leaf=10, max_samples=0.5, random_state=0)])
def test_the_answer_of_a_forest_is_the_sum_of_its_rows(estimator, diabetes):
    x, y = diabetes
    estimator = clone(estimator).fit(x, y)
    made = traced(estimator, x, y)
    assert made.exact
    assert made.method == "leaf co-occurrence"
    assert np.allclose(made._way.weights(x[:20]).sum(axis=1), 1)
    assert np.allclose(made._way.weights(x[:20]) @ y, estimator.predict(x[:20]))
    pulls = made.answer(table(x[:20]))
    assert np.allclose(pulls.sum(axis=1), estimator.predict(x[:20]) - np.average(y, weights=made._way.often.sum(axis=0)))


def test_where_it_is_not_known_what_trees_drew_a_forest_says_so(diabetes):
    x, y = diabetes
    estimator = RandomForestRegressor(15, min_samples_leaf=20, random_state=0).fit(x, y)
    keep = np.arange(len(y)) != 4
    made = traced(estimator, x[keep], y[keep])   # one row fewer, so that what was drawn cannot be drawn again
    assert made.method == "leaf co-occurrence"
    assert not made.exact
    assert "is not known" in made.caveat


# neighbours ------------------------------------------------------------------------------------------------------------------------


def test_shares_of_neighbours_are_shapley_values_of_all_coalitions():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(11, 2)), rng.normal(size=11)
    near = Neighbours.of(table(x).to_batches()[0], y, classes=None)
    points = near.placed(table(x[:1] + 0.1).to_batches()[0])
    far = ((near.points - points[0]) ** 2).sum(axis=1)
    gain = y - y.mean()

    def worth(members):
        order = sorted(members, key=lambda each: far[each])[:NEAREST]
        return sum(gain[each] for each in order) / NEAREST

    from math import factorial
    expected = np.zeros(11)
    for mask in range(1 << 11):
        members = [each for each in range(11) if mask >> each & 1]
        for each in members:
            rest = [other for other in members if other != each]
            share = factorial(len(rest)) * factorial(11 - len(members)) / factorial(11)
            expected[each] += share * (worth(members) - worth(rest))
    assert np.allclose(near.shifts(points, 0)[0], expected)


def test_any_other_model_is_traced_by_its_neighbours_with_the_caveat():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2))
    data = pa.table({"a": x[:, 0], "b": x[:, 1], "kind": rng.choice(["u", "v"], 300), "text": [f"row {each}" for each in range(300)]})
    model = assay.load(lambda batch: batch.column("a").to_numpy(zero_copy_only=False) ** 2, task="regression")
    made = TrainingRows.of(model, data, x[:, 0] ** 2)
    assert made.method == "nearest neighbours"
    assert "does not see text" in made.caveat
    assert made.told is None
    assert made.answer(data[:4]).shape == (4, 300)


# groups and bad input --------------------------------------------------------------------------------------------------------------


def test_the_part_of_the_data_that_made_a_segment_weak_is_named(cancer):
    x, y = cancer
    spoiled = x[:, 0] > 0.5
    labels = np.where(spoiled & (np.random.default_rng(0).random(len(y)) < 0.4), 1 - y, y)
    estimator = lightgbm.LGBMClassifier(n_estimators=40, num_leaves=8, verbose=-1, n_jobs=1).fit(x, labels)
    harm = traced(estimator, x, labels).harm(table(x[spoiled]), y[spoiled])
    wrong = labels != y
    shares = TrainingRows.shares(harm, {"wrong": wrong, "spoiled": spoiled & ~wrong, "rest": ~spoiled})
    assert shares["wrong"] > 0 > shares["spoiled"]
    assert shares["wrong"] > 5 * abs(shares["rest"])


def test_bad_input_is_told(diabetes):
    x, y = diabetes
    estimator = Ridge().fit(x, y)
    with pytest.raises(DataError, match="labels for"):
        traced(estimator, x, y[:-1])
    with pytest.raises(DataError, match="at least 10"):
        traced(estimator, x[:5], y[:5])
    with pytest.raises(DataError, match="no label"):
        traced(estimator, x, np.where(np.arange(len(y)) == 3, np.nan, y))
    labels = (y // 100).astype(int)
    several = traced(LogisticRegression(max_iter=500).fit(x, labels), x, labels)
    with pytest.raises(ConfigError, match="classes"):
        several.answer(table(x[:1]))
    nothing = assay.load(lambda batch: np.zeros(batch.num_rows), task="regression")
    with pytest.raises(AssayError, match="nothing by which"):
        TrainingRows.of(nothing, pa.table({"t": [f"text {each}" for each in range(300)]}), np.zeros(300))


def test_constant_and_missing_columns_do_not_stop_it(diabetes):
    x, y = diabetes
    x = np.column_stack([x, np.ones(len(y)), np.full(len(y), np.nan)])
    x[::7, 0] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = lightgbm.LGBMRegressor(n_estimators=10, verbose=-1, n_jobs=1).fit(x, y)
    made = traced(estimator, x, y)
    assert made.method == "BoostIn"
    assert np.isfinite(made.suspicion()).all()
    assert np.isfinite(traced(LinearRegression().fit(x[:, 1:-1], y), x[:, 1:-1], y).suspicion()).all()
    assert Forest.of(trees(assay.load(estimator)), x, y) is None


# classes that were weighted ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", ["balanced", {0: 5.0, 1: 1.0, 2: 2.0}], ids=["balanced", "named"])
@pytest.mark.parametrize("kind", ["two", "three", "ridge"])
def test_weights_of_classes_are_read_off_the_coefficients(kind: str, weights: Any) -> None:
    x, y = (datasets.load_wine if kind == "three" else datasets.load_breast_cancer)(return_X_y=True)
    x = ((x - x.mean(axis=0)) / x.std(axis=0))[:, :8]
    classes = int(y.max()) + 1
    given = weights if weights == "balanced" else {each: weights[each] for each in range(classes)}
    fixed = dict(enumerate(len(y) / (classes * np.bincount(y)))) if weights == "balanced" else given
    estimator = RidgeClassifier(2.0) if kind == "ridge" else LogisticRegression(C=0.3, tol=1e-9, max_iter=5000)
    names = [f"c{place}" for place in range(8)]
    table = pa.table(dict(zip(names, x.T, strict=True)))
    rows = TrainingRows.of(assay.load(clone(estimator).set_params(class_weight=given).fit(x, y), features=names), table, y)
    assert rows.method.startswith("leave-one-out")
    assert "classes counted" in rows.caveat
    made = cast(Any, rows)._way.counted
    assert made == pytest.approx([fixed[each] / min(fixed.values()) for each in range(classes)], rel=1e-3)
    whole, some = clone(estimator).set_params(class_weight=fixed).fit(x, y), range(0, len(y), len(y) // 8)
    place = -1 if classes == 2 else 1

    def said(model: Any) -> float:
        return float(np.ravel(model.decision_function(x[3:4]))[place])

    expected = [said(whole) - said(clone(whole).fit(np.delete(x, each, 0), np.delete(y, each))) for each in some]
    told = rows.answer(table.slice(3, 1), 1)[0][list(some)]
    assert np.corrcoef(expected, told)[0, 1] > (0.99 if kind == "three" else 0.9999)


def test_weights_of_classes_are_not_made_up_for_rows_of_others() -> None:
    """A model that was trained on other rows, or on other labels, is not explained by weights of classes."""
    x, y = datasets.load_breast_cancer(return_X_y=True)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    for columns, rows in ((slice(0, 8), slice(0, 300)), (slice(0, 2), slice(0, 300)), (slice(0, 1), slice(100, 400))):
        model = LogisticRegression(C=1.0).fit(x[rows, columns], y[rows])
        names = [f"c{place}" for place in range(x[:, columns].shape[1])]
        table = pa.table(dict(zip(names, x[:, columns].T, strict=True)))
        assert TrainingRows.of(assay.load(model, features=names), table, y).method == "nearest neighbours"
