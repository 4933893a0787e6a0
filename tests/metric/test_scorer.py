"""scikit-learn's scorers as metrics: each gives in a check what it gives when scikit-learn calls it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.metrics import (
    average_precision_score,
    fbeta_score,
    get_scorer,
    hinge_loss,
    make_scorer,
    mean_pinball_loss,
    roc_auc_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import assay
from assay.errors import ConfigError, UnknownNameError
from assay.metric import METRICS
from assay.metric.scorer import scorer


def world(load, model, names=None):
    frame = load(as_frame=True).frame
    if names:
        frame["target"] = frame["target"].map(dict(enumerate(names)))
    frame["place"] = np.where(np.arange(len(frame)) % 3 == 0, "north", "south")
    half = frame.sample(frac=0.5, random_state=0)
    features = half.drop(columns=["target", "place"])
    return model.fit(features, half["target"]), frame.drop(index=half.index)


@pytest.fixture(scope="module")
def binary():
    return world(load_breast_cancer, make_pipeline(StandardScaler(), LogisticRegression(C=0.01)), ["no", "yes"])


@pytest.fixture(scope="module")
def numbers():
    return world(load_breast_cancer, make_pipeline(StandardScaler(), LogisticRegression(C=0.01)))


@pytest.fixture(scope="module")
def wine():
    return world(load_wine, make_pipeline(StandardScaler(), LogisticRegression(C=0.01)), ["red", "rose", "white"])


@pytest.fixture(scope="module")
def diabetes():
    return world(load_diabetes, LinearRegression())


def checked(made, model, frame, *, more="", least=-1e9, **options):
    run = assay.check(model, frame, label="target", checks=[f"{made.name}{more} >= {least}", f"{made.name}{more} by place >= {least}"],
                      features=[name for name in frame.columns if name not in ("target", "place")], **options)
    assert [each.verdict for each in run.verdicts if each.verdict == "error"] == [], run
    return run


def agrees(made, expected, model, frame, **options):
    """The overall number, and that of each slice, are those of scikit-learn."""
    run = checked(made, model, frame, **options)
    features = frame.drop(columns=["target", "place"])
    assert run.overall().iloc[0] == pytest.approx(expected(model, features, frame["target"]), abs=1e-9)
    for place, number in run.by_group("place").iloc[:, 0].items():
        part = frame["place"] == place
        assert number == pytest.approx(expected(model, features[part], frame["target"][part]), abs=1e-9)
    assert all(each.low <= each.value <= each.high for each in run.values)


@pytest.mark.parametrize("name", ["balanced_accuracy", "roc_auc", "neg_log_loss", "neg_brier_score", "jaccard", "f1", "average_precision",
                                  "recall_macro", "matthews_corrcoef", "d2_log_loss_score"])
def test_binary_scorers(numbers, name):
    agrees(scorer(name), get_scorer(name), *numbers)


@pytest.mark.parametrize("name", ["balanced_accuracy", "accuracy", "roc_auc_ovr", "roc_auc_ovo_weighted", "neg_log_loss", "f1_macro", "top_k_accuracy",
                                  "jaccard_weighted"])
def test_multiclass_scorers(wine, name):
    agrees(scorer(name), get_scorer(name), *wine)


@pytest.mark.parametrize("name", ["r2", "neg_mean_absolute_error", "neg_root_mean_squared_error", "neg_median_absolute_error",
                                  "explained_variance", "neg_max_error"])
def test_regression_scorers(diabetes, name):
    agrees(scorer(name), get_scorer(name), *diabetes)


def test_the_positive_class_of_text_labels_is_that_of_the_check(binary):
    model, frame = binary
    made = scorer("f1")
    for positive in ("no", "yes"):
        expected = make_scorer(fbeta_score, beta=1, pos_label=positive)
        agrees(made, expected, model, frame, positive=positive)


def test_options_and_sign_are_kept(numbers, diabetes):
    agrees(scorer(make_scorer(fbeta_score, beta=2), name="f_two"), make_scorer(fbeta_score, beta=2), *numbers)
    pinball = make_scorer(mean_pinball_loss, alpha=0.9, greater_is_better=False)
    made = scorer(pinball)
    assert made.name == "neg_mean_pinball_loss"
    agrees(made, pinball, *diabetes)


def test_options_may_be_given_in_the_check(numbers):
    model, frame = numbers
    made = scorer(make_scorer(fbeta_score, beta=2), name="f_some")
    run = checked(made, model, frame, more="(beta=0.5)")
    expected = make_scorer(fbeta_score, beta=0.5)(model, frame.drop(columns=["target", "place"]), frame["target"])
    assert run.overall().iloc[0] == pytest.approx(expected)
    with pytest.raises(UnknownNameError, match="did you mean 'beta'"):
        checked(made, model, frame, more="(betta=1)")


def test_decision_functions_are_asked(numbers):
    features = numbers[1].drop(columns=["target", "place"])
    model = make_pipeline(StandardScaler(), RidgeClassifier()).fit(features, numbers[1]["target"])
    agrees(scorer("roc_auc"), get_scorer("roc_auc"), model, numbers[1])
    hinge = make_scorer(hinge_loss, response_method="decision_function", greater_is_better=False)
    agrees(scorer(hinge), hinge, model, numbers[1])


def test_a_scorer_with_a_positive_class_of_its_own(binary):
    model, frame = binary
    own = make_scorer(average_precision_score, response_method="predict_proba", pos_label="no")
    agrees(scorer(own, name="ap_no"), own, model, frame, positive="no")
    run = assay.check(model, frame, label="target", positive="yes", checks=["ap_no >= 0.5"], ignored=["place"])
    assert run.verdict == "error"
    assert "takes 'no' for positive" in run.verdicts[0].sentence


def test_names_of_assay_are_not_taken():
    before = METRICS["balanced_accuracy"]
    assert scorer("balanced_accuracy").name == "sklearn_balanced_accuracy"
    assert scorer("roc_auc").name == "sklearn_roc_auc"
    assert METRICS["balanced_accuracy"] is before
    with pytest.raises(ConfigError, match="already registered"):
        scorer("jaccard", name="auc")


def test_a_metric_called_by_hand_is_the_score():
    assert scorer("neg_mean_absolute_error")([1.0, 2.0], [1.0, 4.0]) == -1.0


def test_limits_bound_the_interval(numbers):
    made = scorer("jaccard", limits=(0, 1))
    assert all(0 <= each.low <= each.high <= 1 for each in checked(made, *numbers, least=0).values)


def test_what_is_no_scorer_is_refused():
    with pytest.raises(UnknownNameError, match="did you mean 'jaccard'"):
        scorer("jacard")
    with pytest.raises(ConfigError, match="roc_auc_score is not a scorer"):
        scorer(roc_auc_score)
    with pytest.raises(ConfigError, match="name='my_score'"):
        scorer(make_scorer(lambda y_true, y_pred: 0.0))


def test_a_scorer_that_raises_is_a_verdict(wine):
    model, frame = wine
    made = scorer("f1", name="binary_f1")
    run = assay.check(model, frame, label="target", checks=[f"{made.name} >= 0"], ignored=["place"])
    assert run.verdict == "error"
    assert "multiclass" in run.verdicts[0].sentence
