"""The check verb end to end on real models and data: values agree with scikit-learn, errors are told, nothing is swapped."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import balanced_accuracy_score, mean_absolute_error, recall_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import assay
from assay.errors import ConfigError, SignatureError, UnknownColumnError, UnknownNameError


@pytest.fixture(scope="module")
def cancer():
    frame = load_breast_cancer(as_frame=True).frame
    frame["target"] = np.where(frame["target"] == 1, "benign", "malignant")
    frame["clinic"] = np.where(np.arange(len(frame)) % 3 == 0, "north", "south")
    train, test = train_test_split(frame, test_size=0.5, random_state=0)
    features = train.drop(columns=["target", "clinic"])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(features, train["target"])
    return model, train, test


def value(run, metric, **place):
    (found,) = [each for each in run.values if each.metric == metric and dict(each.slice) == place and each.against is None]
    return found


def test_values_agree_with_scikit_learn(cancer):
    model, train, test = cancer
    run = assay.check(model, test, label="target", positive="malignant", train=train, slices=["clinic"],
                      checks=["auc >= 0.9", "recall >= 0.8", "recall by clinic >= 0.7", "balanced_accuracy >= 0.5"])
    features = test.drop(columns=["target", "clinic"])
    scores = model.predict_proba(features)[:, list(model.classes_).index("malignant")]
    assert value(run, "auc").value == pytest.approx(roc_auc_score(test["target"] == "malignant", scores), abs=1e-12)
    predicted = model.predict(features)
    assert value(run, "recall").value == pytest.approx(recall_score(test["target"], predicted, pos_label="malignant"), abs=1e-12)
    assert value(run, "balanced_accuracy").value == pytest.approx(balanced_accuracy_score(test["target"], predicted), abs=1e-12)
    for clinic, part in test.groupby("clinic"):
        expected = roc_auc_score(part["target"] == "malignant", scores[(test["clinic"] == clinic).to_numpy()])
        assert value(run, "auc", clinic=clinic).value == pytest.approx(expected, abs=1e-12)
    assert run.passed
    assert run.exit_code == 0


@pytest.mark.parametrize("names", [("benign", "malignant"), (0, 1), (1, 0), (7, 3), (True, False), ("1", "0"), ("b", "a")])
def test_class_names_of_any_type_and_order_never_change_a_number(cancer, names):
    _, train, test = cancer
    rename = dict(zip(("benign", "malignant"), names, strict=True))
    features = [name for name in train.columns if name not in ("target", "clinic")]
    train, test = (each.assign(target=each["target"].map(rename)) for each in (train, test))
    model = RandomForestClassifier(n_estimators=20, random_state=0).fit(train[features], train["target"])
    run = assay.check(model, test, label="target", positive=names[1], checks=["auc >= 0", "recall >= 0", "log_loss <= 9"])
    score = model.predict_proba(test[features])[:, list(model.classes_).index(names[1])]
    assert value(run, "auc").value == pytest.approx(roc_auc_score(test["target"] == names[1], score), abs=1e-12)
    assert value(run, "recall").value == pytest.approx(recall_score(test["target"] == names[1], model.predict(test[features]) == names[1]),
                                                       abs=1e-12)


def test_a_class_that_is_absent_from_the_data_changes_nothing(cancer):
    data = load_wine(as_frame=True).frame
    data["target"] = data["target"].map({0: "red", 1: "rose", 2: "white"})
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(data.drop(columns="target"), data["target"])
    part = data[data["target"] != "rose"]
    run = assay.check(model, part, label="target", checks=["recall(positive='white') >= 0.5", "accuracy >= 0.5", "auc >= 0.5"])
    expected = recall_score(part["target"], model.predict(part.drop(columns="target")), labels=["white"], average="macro")
    assert value(run, "recall").value == pytest.approx(expected, abs=1e-12)
    scores = model.predict_proba(part.drop(columns="target"))
    each = [roc_auc_score(part["target"] == name, scores[:, place]) for place, name in enumerate(model.classes_) if name != "rose"]
    assert value(run, "auc").value == pytest.approx(np.mean(each), abs=1e-12)


def test_a_label_that_is_no_class_of_the_model_is_an_error_and_not_a_number(cancer):
    model, _, test = cancer
    with pytest.raises(assay.AssayError, match="'unclear'"):
        assay.check(model, test.assign(target=["unclear"] * 5 + list(test["target"][5:])), label="target", positive="malignant",
                    checks=["auc >= 0.5"])


def test_reordered_columns_score_the_same_and_missing_ones_are_named(cancer):
    model, _, test = cancer
    kept = {"label": "target", "positive": "malignant", "checks": ["auc >= 0.9", "log_loss <= 1"]}
    straight, turned = (assay.check(model, each, **kept) for each in (test, test[test.columns[::-1]]))
    assert [each.value for each in straight.values] == [each.value for each in turned.values]
    with pytest.raises(SignatureError, match=r"'mean radius'.*'mean_radius'"):
        assay.check(model, test.rename(columns={"mean radius": "mean_radius"}), **kept)


def test_what_is_misspelt_is_told_at_once(cancer):
    model, _, test = cancer
    kept = {"label": "target", "positive": "malignant"}
    with pytest.raises(UnknownNameError, match="did you mean 'recall'"):
        assay.check(model, test, checks=["recal >= 0.8"], **kept)
    with pytest.raises(UnknownColumnError, match="did you mean 'clinic'"):
        assay.check(model, test, checks=["recall by clinics >= 0.8"], **kept)
    with pytest.raises(UnknownColumnError, match="did you mean 'target'"):
        assay.check(model, test, label="taget", positive="malignant", checks=["recall >= 0.8"])
    with pytest.raises(ConfigError, match="which of the classes 'benign', 'malignant'"):
        assay.check(model, test, label="target", checks=["recall >= 0.8"])
    with pytest.raises(ConfigError, match="did you mean 'label'"):
        assay.check(model, test, lable="target", checks=["recall >= 0.8"])
    with pytest.raises(UnknownNameError, match="did you mean 'average'"):
        assay.check(model, test, checks=["recall(averge='micro') >= 0.8"], **kept)


def test_a_broken_check_is_a_verdict_and_stops_no_other(cancer):
    model, _, test = cancer

    @assay.metric.rows(better="higher")
    def explodes(y_true, y_pred):
        raise ValueError("no good")

    run = assay.check(model, test, label="target", positive="malignant",
                      checks=["auc >= 0.9", "mae <= 1", "explodes >= 0", "auc >= champion - 0.1", "psi of `mean radius` <= 1"])
    assert [each.verdict for each in run.verdicts] == ["pass", "error", "error", "error", "error"]
    assert "ValueError: no good" in run.verdicts[2].sentence
    assert run.exit_code == 1


def test_a_model_that_raises_is_a_verdict(cancer):
    _, _, test = cancer

    def model(batch):
        raise RuntimeError("boom")

    run = assay.check(model, test, label="target", task="binary", classes=["benign", "malignant"], positive="malignant",
                      checks=["auc >= 0.5", "missing of `mean radius` <= 0"])
    assert [each.verdict for each in run.verdicts] == ["error", "pass"]
    assert "boom" in run.verdicts[0].sentence


def test_champion_reference_and_train_are_compared_with_intervals(cancer):
    model, train, test = cancer
    features = [name for name in train.columns if name not in ("target", "clinic")]
    weak = RandomForestClassifier(n_estimators=3, max_depth=1, random_state=1).fit(train[features], train["target"])
    run = assay.check(model, test, label="target", positive="malignant", champion=weak, reference=train, train=train,
                      checks=["auc >= champion - 0.01", "recall by clinic >= champion - 0.2", "auc >= reference - 0.1",
                              "auc >= train - 0.2", "log_loss <= champion * 1.0"])
    differences = [each for each in run.values if each.against]
    assert {each.against for each in differences} == {"champion", "reference", "train"}
    scores, others = (each.predict_proba(test[features])[:, 1] for each in (model, weak))
    expected = roc_auc_score(test["target"] == "malignant", scores) - roc_auc_score(test["target"] == "malignant", others)
    (found,) = [each for each in differences if each.metric == "auc" and each.against == "champion"]
    assert found.value == pytest.approx(expected, abs=1e-12)
    assert found.low < found.value < found.high
    assert run.verdicts[0].verdict == "pass"


def test_regression_and_row_metrics_and_multilabel():
    frame = load_diabetes(as_frame=True).frame
    model = LinearRegression().fit(frame.drop(columns="target"), frame["target"])

    @assay.metric.rows(better="lower")
    def worst(y_true, y_pred):
        return np.abs(y_true - y_pred).max()

    run = assay.check(model, frame, label="target", checks=["mae <= 60", "worst <= 500", "r2 >= 0.3", "mae by 'sex < 0' <= 60"
                                                             .replace("'", "")])
    predicted = model.predict(frame.drop(columns="target"))
    assert value(run, "mae").value == pytest.approx(mean_absolute_error(frame["target"], predicted), rel=1e-9)
    assert value(run, "worst").value == pytest.approx(np.abs(frame["target"] - predicted).max(), rel=1e-9)
    assert run.verdict == "pass", [each.sentence for each in run.verdicts]


def test_logged_predictions_need_no_model():
    rng = np.random.default_rng(0)
    score = rng.random(2000)
    frame = pd.DataFrame({"score": score, "y": (rng.random(2000) < score).astype(int), "x": rng.normal(size=2000)})
    run = assay.check(None, frame, label="y", score="score", checks=["auc >= 0.7", "calibration_error <= 0.1"])
    assert value(run, "auc").value == pytest.approx(roc_auc_score(frame["y"], frame["score"]), abs=1e-12)
    assert run.verdict == "pass"


def test_a_configuration_says_the_same_as_arguments(cancer, tmp_path):
    import joblib

    model, train, test = cancer
    joblib.dump(model, tmp_path / "model.joblib")
    train.to_parquet(tmp_path / "train.parquet", index=False)
    test.to_parquet(tmp_path / "test.parquet")  # with the index of pandas as a column, which is no feature
    (tmp_path / "assay.yaml").write_text(
        "model: model.joblib\npositive: malignant\ntrain: train.parquet\ndata: test.parquet\n"
        "columns: {label: target, slices: [clinic]}\nchecks:\n  - auc >= 0.9\n  - recall by clinic >= 0.7\n  - psi of * <= 0.5\n")
    from_file = assay.check(str(tmp_path / "assay.yaml"), trust=True)
    straight = assay.check(model, test, label="target", positive="malignant", train=train, slices=["clinic"],
                           checks=["auc >= 0.9", "recall by clinic >= 0.7", "psi of * <= 0.5"])
    assert [each.value for each in from_file.values] == [each.value for each in straight.values]
    assert [each.sentence for each in from_file.verdicts] == [each.sentence for each in straight.verdicts]
    with pytest.raises(assay.AssayError, match="--trust"):
        assay.check(str(tmp_path / "assay.yaml"))


class Watched:
    """A source that counts the rows that it yields."""

    def __init__(self, frame):
        self.table = pa.Table.from_pandas(frame, preserve_index=False).combine_chunks()
        self.name, self.schema, self.rows, self.read = "watched", assay.source(self.table).schema, len(frame), 0

    def batches(self, columns=None):
        for batch in self.table.select(columns or self.table.column_names).to_batches():
            self.read += batch.num_rows
            yield batch

    def split(self, parts):
        return [self]


@pytest.mark.parametrize("checks", [(), ("auc >= 0.5",), ("auc by worst_area:4 >= 0.5", "psi of * <= 9", "default")])
def test_the_cost_is_all_that_was_read_and_asked(cancer, checks):
    """Samples, second passes and what screens ask again cost too: as many rows as source and model saw."""
    model, train, test = cancer
    asked = []

    def predict(batch):
        asked.append(batch.num_rows)
        return model.predict_proba(batch.to_pandas()[list(model.feature_names_in_)])

    given = [frame.rename(columns=lambda name: name.replace(" ", "_")) for frame in (test, train, train)]
    sources = [Watched(frame) for frame in given]
    renamed = dict(zip(given[0].columns, test.columns, strict=True))
    run = assay.check(lambda batch: predict(batch.rename_columns([renamed.get(name, name) for name in batch.schema.names])), sources[0],
                      train=sources[1], reference=sources[2], label="target", task="binary", classes=["benign", "malignant"],
                      positive="malignant", checks=checks)
    assert run.cost.rows == sum(each.read for each in sources) >= len(test)
    assert run.cost.model_rows == sum(asked) >= len(test)
    if not checks or "default" in checks:
        assert run.cost.model_rows > 5 * len(test)
        assert run.cost.rows > len(test) + 2 * len(train)


def test_logged_predictions_put_no_row_to_a_model(cancer):
    frame = pd.DataFrame({"y": [0, 1] * 50, "p": [0, 1] * 50})
    run = assay.check(None, frame, label="y", prediction="p", classes=[0, 1], checks=["accuracy >= 0.5"])
    assert (run.cost.rows, run.cost.model_rows) == (100, 0)
