"""assay's metrics in scikit-learn's searches and in boosting rounds: the numbers that a check gives on the same rows."""

from __future__ import annotations

import pickle

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.metrics import average_precision_score, log_loss, mean_absolute_error, roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import assay
from assay.errors import ConfigError, UnknownNameError


def number(model, x, y, metric, **options):
    frame = pd.DataFrame(x).rename(columns=str).assign(target=y)
    run = assay.check(model, frame, label="target", checks=[f"{metric} <= 1"], **options)
    return run.values[0].value


@pytest.fixture(scope="module")
def cancer():
    return load_breast_cancer(return_X_y=True)


def logistic():
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.01))


# in scikit-learn

@pytest.mark.parametrize(("metric", "sign"), [("auc", 1), ("calibration_error", -1), ("brier", -1), ("f1", 1), ("mcc", 1), ("average_precision", 1)])
def test_folds_score_what_a_check_says_of_them(cancer, metric, sign):
    x, y = cancer
    folds = StratifiedKFold(4)
    found = cross_val_score(logistic(), x, y, cv=folds, scoring=assay.scorer(metric))
    for score, (train, test) in zip(found, folds.split(x, y), strict=True):
        assert sign * score == pytest.approx(number(logistic().fit(x[train], y[train]), x[test], y[test], metric), abs=1e-12)


def test_several_outputs_are_refused_in_words(cancer):
    from sklearn.ensemble import RandomForestClassifier

    x, y = cancer
    several = np.c_[y, 1 - y]
    for metric, model in (("mae", LinearRegression()), ("accuracy", RandomForestClassifier(3, random_state=0))):
        with pytest.raises(ConfigError, match="2 outputs a row"):
            assay.scorer(metric)(model.fit(x, several), x, several)
    assert assay.scorer("mae")(LinearRegression().fit(x, y[:, None]), x, y[:, None]) < 0


def test_a_search_refits_the_best(cancer):
    x, y = cancer
    search = GridSearchCV(logistic(), {"logisticregression__C": [1e-4, 1e-2, 1.0]}, scoring={"loss": assay.scorer("log_loss"), "auc": assay.scorer("auc")},
                          refit="loss", cv=3, n_jobs=1).fit(x, y)
    means = [-np.mean([log_loss(y[test], clone(logistic()).set_params(logisticregression__C=C).fit(x[train], y[train]).predict_proba(x[test]))
                       for train, test in StratifiedKFold(3).split(x, y)]) for C in (1e-4, 1e-2, 1.0)]
    assert search.cv_results_["mean_test_loss"] == pytest.approx(means, abs=1e-9)
    assert search.best_params_ == {"logisticregression__C": (1e-4, 1e-2, 1.0)[int(np.argmax(means))]}


def test_classes_of_text_need_their_positive_one(cancer):
    x, y = cancer
    names = np.where(y == 1, "benign", "malignant")
    model = logistic().fit(x, names)
    with pytest.raises(ConfigError, match="positive='malignant'"):
        assay.scorer("recall")(model, x, names)
    found = assay.scorer("recall", positive="malignant")(model, x, names)
    assert found == pytest.approx((model.predict(x) == "malignant")[names == "malignant"].mean())


def test_margins_rank_and_are_no_probabilities(cancer):
    x, y = cancer
    model = make_pipeline(StandardScaler(), RidgeClassifier()).fit(x, y)
    assert assay.scorer("auc")(model, x, y) == pytest.approx(roc_auc_score(y, model.decision_function(x)), abs=1e-12)
    with pytest.raises(ConfigError, match="needs probabilities"):
        assay.scorer("log_loss")(model, x, y)


def test_several_classes_and_text_rows():
    x, y = load_wine(return_X_y=True)
    model = logistic().fit(x, y)
    assert assay.scorer("auc")(model, x, y) == pytest.approx(roc_auc_score(y, model.predict_proba(x), multi_class="ovr"), abs=1e-12)
    texts, labels = ["good film", "bad film", "good", "bad"] * 10, [1, 0, 1, 0] * 10
    assert assay.scorer("accuracy")(make_pipeline(CountVectorizer(), LogisticRegression()).fit(texts, labels), texts, labels) == 1.0


def test_numbers_and_weights():
    x, y = load_diabetes(return_X_y=True)
    model = LinearRegression().fit(x, y)
    weight = np.random.default_rng(0).random(len(y))
    assert assay.scorer("mae")(model, x, y) == pytest.approx(-mean_absolute_error(y, model.predict(x)))
    assert assay.scorer("mae")(model, x, y, sample_weight=weight) == pytest.approx(-mean_absolute_error(y, model.predict(x), sample_weight=weight))
    assert assay.scorer("bias")(model, x[:50], y[:50]) == pytest.approx(-abs(np.mean(model.predict(x[:50]) - y[:50])))


def test_options_and_metrics_of_ones_own(cancer):
    x, y = cancer
    model = logistic().fit(x, y)

    @assay.metric.rows(better="higher")
    def share_of_errors_missed(y_true, y_pred):
        return float(np.mean(np.asarray(y_true) == np.asarray(y_pred)))

    assert assay.scorer(share_of_errors_missed)(model, x, y) == pytest.approx(model.score(x, y))
    assert assay.scorer("recall", positive=0)(model, x, y) == pytest.approx((model.predict(x) == 0)[y == 0].mean())


def test_a_scorer_travels_to_other_processes_and_says_what_it_is():
    made = assay.scorer("recall", positive="yes")
    assert pickle.loads(pickle.dumps(made)) == made
    assert repr(made) == "assay.scorer('recall', positive='yes')"


def test_what_is_not_defined_is_nan(cancer):
    x, y = cancer
    assert np.isnan(assay.scorer("auc")(logistic().fit(x, y), x[y == 1], y[y == 1]))


def test_what_does_not_score_models_is_refused():
    with pytest.raises(ConfigError, match="metric of columns"):
        assay.scorer("psi")
    with pytest.raises(ConfigError, match="neither good nor bad"):
        assay.scorer("selection_rate")
    with pytest.raises(UnknownNameError, match="did you mean"):
        assay.scorer("aucc")
    with pytest.raises(ConfigError, match="'lightgbm', 'xgboost' or 'keras'"):
        assay.evaluation("auc", library="catboost")


# in boosting rounds

def boosted(objective, x, y, metric, *, weight=None, **parameters):
    history = {}
    data = lightgbm.Dataset(x, y, weight=weight)
    booster = lightgbm.train({"objective": objective, "verbose": -1, "num_threads": 1, "metric": "None", "num_leaves": 4, **parameters}, data, 5,
                             valid_sets=[lightgbm.Dataset(x, y, weight=weight, reference=data)], valid_names=["valid"],
                             feval=assay.evaluation(metric, library="lightgbm"), callbacks=[lightgbm.record_evaluation(history)])
    return booster, history["valid"][metric]


@pytest.mark.parametrize("metric", ["calibration_error", "auc", "f1", "log_loss"])
def test_lightgbm_tells_after_each_round_what_a_check_says(cancer, metric):
    x, y = cancer
    booster, history = boosted("binary", x, y, metric)
    assert len(history) == 5
    score = booster.predict(x)
    frame = pd.DataFrame({"target": y, "score": score})
    run = assay.check(None, frame, label="target", score=["score"], task="binary", classes=[0, 1], checks=[f"{metric} <= 1"])
    assert history[-1] == pytest.approx(run.values[0].value, abs=1e-12)


def test_lightgbm_with_classes_weights_and_numbers(cancer):
    x, y = load_wine(return_X_y=True)
    booster, history = boosted("multiclass", x, y, "log_loss", num_class=3, min_data_in_leaf=5)
    assert history[-1] == pytest.approx(log_loss(y, booster.predict(x)), abs=1e-9)
    x, y = cancer
    weight = np.random.default_rng(0).random(len(y))
    booster, history = boosted("binary", x, y, "average_precision", weight=weight)
    assert history[-1] == pytest.approx(average_precision_score(y, booster.predict(x), sample_weight=weight.astype("float32")), abs=1e-6)
    x, y = load_diabetes(return_X_y=True)
    booster, history = boosted("l2", x, y, "mae")
    assert history[-1] == pytest.approx(mean_absolute_error(y, booster.predict(x)), rel=1e-6)
    assert history == sorted(history, reverse=True)


def test_lightgbm_knows_which_direction_is_better(cancer):
    x, y = cancer
    for metric, higher in (("auc", True), ("calibration_error", False)):
        assert assay.evaluation(metric, library="lightgbm")(np.linspace(0, 1, len(y)), lightgbm.Dataset(x, y).construct())[2] is higher


def test_lightgbm_ranks_queries():
    rng = np.random.default_rng(0)
    x, y, group = rng.random((200, 3)), rng.integers(0, 4, 200), [10] * 20
    data = lightgbm.Dataset(x, y, group=group)
    booster = lightgbm.train({"objective": "lambdarank", "verbose": -1, "num_threads": 1}, data, 3)
    name, value, higher = assay.evaluation("ndcg", library="lightgbm")(booster.predict(x), data)
    frame = pd.DataFrame(x, columns=["a", "b", "c"]).assign(target=y, query=np.repeat(np.arange(20), 10), prediction=booster.predict(x))
    run = assay.check(None, frame, label="target", query="query", prediction="prediction", task="ranking", checks=["ndcg >= 0"])
    assert (name, higher) == ("ndcg", True)
    assert value == pytest.approx(run.values[0].value, abs=1e-12)


@pytest.mark.parametrize(("metric", "maximize"), [("calibration_error", False), ("auc", True)])
def test_xgboost_tells_and_stops(cancer, metric, maximize):
    x, y = cancer
    data, history = xgboost.DMatrix(x, y), {}
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1, "max_depth": 2, "disable_default_eval_metric": True}, data, 6, evals=[(data, "valid")],
                            custom_metric=assay.evaluation(metric, library="xgboost"), evals_result=history, verbose_eval=False,
                            callbacks=[xgboost.callback.EarlyStopping(rounds=2, maximize=maximize, metric_name=metric)])
    rounds = history["valid"][metric]
    last = booster.predict(data, iteration_range=(0, len(rounds)))
    run = assay.check(None, pd.DataFrame({"target": y, "score": last}), label="target", score=["score"], task="binary", classes=[0, 1],
                      checks=[f"{metric} <= 1"])
    assert rounds[-1] == pytest.approx(run.values[0].value, abs=1e-6)
    assert booster.best_iteration == int(np.argmax(rounds) if maximize else np.argmin(rounds))


def test_xgboost_with_several_classes():
    x, y = load_wine(return_X_y=True)
    data, history = xgboost.DMatrix(x, y), {}
    booster = xgboost.train({"objective": "multi:softprob", "num_class": 3, "nthread": 1}, data, 3, evals=[(data, "valid")],
                            custom_metric=assay.evaluation("log_loss", library="xgboost"), evals_result=history, verbose_eval=False)
    assert history["valid"]["log_loss"][-1] == pytest.approx(log_loss(y, booster.predict(data)), abs=1e-6)
    with pytest.raises(ConfigError, match="multi:softprob"):
        assay.evaluation("log_loss", library="xgboost")(y.astype(float), data)
