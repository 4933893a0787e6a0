"""Task, classes and kind of scores of many models, each against what its library answers."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from assay.errors import ModelError, PredictionError, SignatureError
from assay.model import guard
from assay.model.load import load
from assay.model.model import bind

ROWS = 200
RNG = np.random.default_rng(1)
X = pd.DataFrame(RNG.normal(size=(ROWS, 3)), columns=list("abc"))
BATCH = pa.RecordBatch.from_pandas(X)
TWO = np.where(X.a > 0, "z", "b")
FLAG = (X.a > 0).to_numpy().astype(int)
THREE = np.array([7, 3, 5])[FLAG + (X.b > 0.5)]
CODES = np.searchsorted([3, 5, 7], THREE)
LABELS = np.column_stack([X.a > 0, X.b > 0, X.c > 0.5]).astype(int)


def asked(model, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return guard.answer(load(model, **options), BATCH)


def quiet(model, *data, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")   # some of these models would learn longer
        return model.fit(*data, **options)


def classifiers():
    from sklearn import (
        calibration,
        ensemble,
        linear_model,
        model_selection,
        naive_bayes,
        neighbors,
        neural_network,
        pipeline,
        preprocessing,
        tree,
    )

    logistic = linear_model.LogisticRegression()
    return [
        ensemble.RandomForestClassifier(5), ensemble.HistGradientBoostingClassifier(max_iter=4),
        ensemble.GradientBoostingClassifier(n_estimators=3),
        ensemble.AdaBoostClassifier(n_estimators=3), ensemble.BaggingClassifier(n_estimators=3), naive_bayes.GaussianNB(),
        neighbors.KNeighborsClassifier(), tree.DecisionTreeClassifier(), calibration.CalibratedClassifierCV(logistic),
        ensemble.VotingClassifier([("a", logistic), ("b", naive_bayes.GaussianNB())], voting="soft"),
        ensemble.StackingClassifier([("a", logistic)]), model_selection.GridSearchCV(logistic, {"C": [1, 2]}),
        pipeline.make_pipeline(preprocessing.StandardScaler(), logistic), neural_network.MLPClassifier((4,), max_iter=20),
    ]


@pytest.mark.parametrize("model", classifiers(), ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("label", [TWO, THREE], ids=["text", "numbers"])
def test_classifiers(model, label) -> None:
    quiet(model, X, label)
    answer = asked(model)
    assert answer.classes == tuple(sorted(set(label.tolist())))
    np.testing.assert_allclose(answer.score, model.predict_proba(X), atol=1e-12)
    assert [answer.classes[place] for place in answer.prediction] == model.predict(X).tolist()


def test_a_tuned_threshold_decides_the_prediction() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import FixedThresholdClassifier

    model = FixedThresholdClassifier(LogisticRegression(), threshold=0.9).fit(X, FLAG)
    answer = asked(model)
    assert answer.prediction.tolist() == model.predict(X).tolist()
    assert answer.prediction.tolist() != answer.score.argmax(axis=1).tolist()


def test_margins_are_scores_and_votes_are_none() -> None:
    from sklearn.linear_model import RidgeClassifier
    from sklearn.svm import SVC, LinearSVC

    margin = LinearSVC().fit(X, TWO)
    answer = asked(margin)
    assert (answer.scores, answer.classes) == ("score", ("b", "z"))
    np.testing.assert_allclose(answer.score[:, 1], margin.decision_function(X))
    assert asked(RidgeClassifier().fit(X, THREE)).scores == "score"
    votes = SVC(decision_function_shape="ovo").fit(X, THREE)   # three pairs of three classes: as many columns, another meaning
    answer = asked(votes)
    assert (answer.score, answer.scores) == (None, None)
    assert [answer.classes[place] for place in answer.prediction] == votes.predict(X).tolist()


def test_several_labels() -> None:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression, RidgeClassifier
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier

    logistic = LogisticRegression()
    for each in (MultiOutputClassifier(logistic), RandomForestClassifier(5), KNeighborsClassifier(), OneVsRestClassifier(logistic),
                 MLPClassifier((4,), max_iter=20), ClassifierChain(logistic), RidgeClassifier()):
        model = quiet(each, X, LABELS)
        answer = asked(model, classes=["late", "far", "full"])
        assert (answer.task, answer.classes) == ("multilabel", ("late", "far", "full"))
        np.testing.assert_array_equal(answer.prediction, model.predict(X))
        if hasattr(model, "predict_proba"):
            native = model.predict_proba(X)
            native = np.column_stack([part[:, 1] for part in native]) if isinstance(native, list) else native
            np.testing.assert_allclose(answer.score, native)


def test_a_label_that_never_occurred_has_the_score_nought() -> None:
    from sklearn.ensemble import RandomForestClassifier

    answer = asked(RandomForestClassifier(3).fit(X, np.column_stack([FLAG, np.zeros(ROWS, int)])))
    assert set(answer.score[:, 1]) == {0.0}


def test_numbers_and_what_predicts_several() -> None:
    from sklearn.ensemble import IsolationForest, RandomForestClassifier, RandomForestRegressor
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit(X, X.a)
    np.testing.assert_allclose(asked(model, task="ranking").value, model.predict(X))
    with pytest.raises(ModelError, match="several numbers"):
        load(RandomForestRegressor(2).fit(X, X[["a", "b"]]))
    with pytest.raises(ModelError, match="several outputs"):
        load(RandomForestClassifier(2).fit(X, np.column_stack([CODES, CODES])))
    outliers = IsolationForest(n_estimators=3).fit(X)
    with pytest.raises(SignatureError, match="neither classifier nor regressor"):
        load(outliers)
    assert asked(outliers, task="binary", classes=[-1, 1]).scores == "score"


def test_missing_numbers_that_a_model_refuses_are_said_in_one_sentence() -> None:
    from sklearn.linear_model import LinearRegression

    holes = BATCH.set_column(0, "a", pa.array([None] * ROWS, pa.float64()))
    with pytest.raises(PredictionError, match=r"LinearRegression: the model raised ValueError: Input X contains NaN") as caught:
        guard.answer(load(LinearRegression().fit(X, X.a)), holes)
    assert len(str(caught.value)) < 400


def test_a_model_of_text() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    texts = [" ".join(RNG.choice(["good", "bad", "film"], 4)) for _ in range(ROWS)]
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, TWO)
    batch = pa.record_batch({"id": range(ROWS), "review": texts})
    loaded = bind(load(model), batch.schema)
    assert (loaded.signature.names, loaded.signature.inputs[0].type) == (("review",), "text")
    np.testing.assert_allclose(guard.answer(loaded, batch).score, model.predict_proba(texts))
    with pytest.raises(SignatureError, match="expected text"):
        guard.answer(load(model, features=["id"]), batch)


def test_an_array_of_objects_as_training_data() -> None:
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    frame = X.assign(s=pd.Series(RNG.choice(["u", "v"], ROWS)).where(X.a > -1))
    array = frame.to_numpy(dtype=object)
    model = make_pipeline(make_column_transformer((OneHotEncoder(), [3]), remainder="passthrough"),
                          LogisticRegression()).fit(array, TWO)
    answer = guard.answer(load(model, features=list(frame)), pa.RecordBatch.from_pandas(frame))
    np.testing.assert_allclose(answer.score, model.predict_proba(array))


def test_something_that_only_behaves_like_an_estimator() -> None:
    class Mine:
        classes_ = np.array(["no", "yes"])

        def predict_proba(self, frame):
            share = (frame["a"] > 0).to_numpy().astype(float)
            return np.column_stack([1 - share, share])

        def predict(self, frame):
            return self.classes_[self.predict_proba(frame).argmax(axis=1)]

    answer = asked(Mine())
    assert (answer.classes, answer.prediction.tolist()) == (("no", "yes"), FLAG.tolist())


def booster(label=CODES, **options):
    import xgboost

    return xgboost.train(options, xgboost.DMatrix(X, label), 4)


def native(model, **options):
    import xgboost

    return model.predict(xgboost.DMatrix(X), **options)


def test_objectives_of_xgboost() -> None:
    soft, hard = (booster(objective=f"multi:{each}", num_class=3, seed=1) for each in ("softprob", "softmax"))
    np.testing.assert_allclose(asked(hard).score, native(soft), atol=1e-6)
    np.testing.assert_array_equal(asked(hard).prediction, native(hard))
    hinge = asked(made := booster(FLAG, objective="binary:hinge"))
    assert (hinge.scores, hinge.score, hinge.prediction.tolist()) == (None, None, native(made).astype(int).tolist())
    raw = asked(made := booster(FLAG, objective="binary:logitraw"))
    assert raw.scores == "score"
    np.testing.assert_allclose(raw.score[:, 1], native(made))
    for objective in ("reg:squarederror", "count:poisson", "reg:absoluteerror"):
        np.testing.assert_allclose(asked(made := booster(CODES, objective=objective)).value, native(made), rtol=1e-6)
    linear = booster(CODES, objective="reg:squarederror", booster="gblinear")
    np.testing.assert_allclose(asked(linear).value, native(linear))
    share = booster(FLAG, objective="reg:logistic")
    np.testing.assert_allclose(asked(share, task="binary").score[:, 1], native(share))
    assert asked(booster(LABELS, objective="binary:logistic")).task == "multilabel"
    with pytest.raises(ModelError, match="predicts 3 numbers"):
        load(booster(LABELS, objective="reg:squarederror"))


def test_early_stopping_of_xgboost() -> None:
    import xgboost

    model = xgboost.XGBClassifier(n_estimators=60, early_stopping_rounds=3, learning_rate=1.0)
    model.fit(X, CODES, eval_set=[(X, RNG.permutation(CODES))], verbose=False)
    np.testing.assert_allclose(asked(model).score, model.predict_proba(X))
    made = model.get_booster()
    assert np.abs(native(made) - model.predict_proba(X)).max() > 0.01


def test_a_missing_value_of_xgboost_and_a_ranker() -> None:
    import xgboost

    model = xgboost.XGBRegressor(n_estimators=4, missing=-1).fit(X.round(), X.a)
    answer = guard.answer(load(model), pa.RecordBatch.from_pandas(X.round()))
    np.testing.assert_allclose(answer.value, model.predict(X.round()))
    ranker = xgboost.XGBRanker(n_estimators=4).fit(X, CODES, qid=np.arange(ROWS) // 10)
    assert asked(ranker).task == "ranking"


def test_objectives_of_lightgbm() -> None:
    import lightgbm

    def train(label, **options):
        return lightgbm.train({"verbose": -1, **options}, lightgbm.Dataset(X, label), 4)

    ova = train(CODES, objective="multiclassova", num_class=3)
    assert asked(ova).scores == "score"
    np.testing.assert_allclose(asked(ova).score, ova.predict(X))
    for objective in ("regression", "poisson", "quantile"):
        made = train(np.abs(X.a), objective=objective)
        np.testing.assert_allclose(asked(made).value, made.predict(X))
    assert asked(train(FLAG, objective="binary"), classes=["no", "yes"]).classes == ("no", "yes")
    own = lightgbm.LGBMClassifier(n_estimators=4, verbose=-1, objective=lambda y, p: (p - y, np.ones_like(p))).fit(X, TWO)
    answer = asked(own)
    assert (answer.scores, answer.classes) == ("score", ("b", "z"))


def test_names_that_lightgbm_rewrites() -> None:
    import lightgbm

    frame = X.rename(columns={"a": "a b"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = lightgbm.LGBMClassifier(n_estimators=4, verbose=-1).fit(frame, TWO)
        expected = model.predict_proba(frame)
    np.testing.assert_allclose(guard.answer(load(model), pa.RecordBatch.from_pandas(frame[["c", "a b", "b"]])).score, expected)


def test_lightgbm_with_ordered_categories_or_codes_needs_to_be_told() -> None:
    import lightgbm

    frame = X.assign(o=pd.Categorical(RNG.choice(["x", "y"], ROWS), ordered=True), k=pd.Categorical(RNG.choice([3, 1], ROWS)))
    model = lightgbm.LGBMClassifier(n_estimators=4, verbose=-1).fit(frame, (frame.o == "x") ^ (frame.k == 3))
    with pytest.raises(SignatureError, match="2 lists of categories and 1 categorical features"):
        load(model)
    batch = pa.RecordBatch.from_pandas(frame.assign(o=frame.o.astype(str), k=frame.k.astype(int)))
    answer = guard.answer(load(model, categories={"o": ["x", "y"], "k": [1, 3]}), batch)
    np.testing.assert_allclose(answer.score, model.predict_proba(frame))


def test_codes_without_categories_are_taken_as_they_are() -> None:
    import lightgbm

    frame = X.assign(k=RNG.integers(0, 4, ROWS))
    model = lightgbm.train({"verbose": -1, "objective": "binary", "min_data_per_group": 5},
                           lightgbm.Dataset(frame, frame.k == 2, categorical_feature=["k"]), 4)
    np.testing.assert_allclose(guard.answer(load(model), pa.RecordBatch.from_pandas(frame)).score[:, 1], model.predict(frame))
    with pytest.raises(SignatureError, match=r"holds no categories of training.*categories="):
        guard.answer(load(model), pa.RecordBatch.from_pandas(frame.assign(k="text")))


def test_objectives_of_catboost() -> None:
    import catboost

    quietly = {"iterations": 4, "verbose": 0, "allow_writing_files": False}
    for label in (TWO, THREE, FLAG.astype(bool), np.where(FLAG == 1, "True", "False")):
        model = catboost.CatBoostClassifier(**quietly).fit(X, label)
        answer = asked(model)
        assert answer.classes == tuple(sorted(set(label.tolist())))
        np.testing.assert_allclose(answer.score, model.predict_proba(X))
    poisson = catboost.CatBoostRegressor(**quietly, loss_function="Poisson").fit(X, np.abs(X.a))
    np.testing.assert_allclose(asked(poisson).value, poisson.predict(X))
    labels = catboost.CatBoostClassifier(**quietly, loss_function="MultiLogloss").fit(X, LABELS)
    np.testing.assert_allclose(asked(labels).score, labels.predict_proba(X))
    assert asked(catboost.CatBoostRanker(**quietly).fit(X, CODES, group_id=np.arange(ROWS) // 10)).task == "ranking"
    strict = catboost.CatBoostClassifier(**quietly).fit(X, FLAG)
    strict.set_probability_threshold(0.8)
    assert asked(strict).prediction.tolist() == strict.predict(X).tolist()


def test_categories_of_catboost_are_spelt_as_in_training() -> None:
    import catboost

    frame = pd.DataFrame({"a": X.a, "s": RNG.choice(["u", "v"], ROWS), "k": RNG.choice([3, 7, 11], ROWS),
                          "t": RNG.random(ROWS) > 0.5})
    target = (frame.k == 7) ^ frame.t ^ (frame.s == "u")
    model = catboost.CatBoostClassifier(iterations=20, verbose=0, allow_writing_files=False).fit(frame, target,
                                                                                                 cat_features=["s", "k", "t"])
    expected = model.predict_proba(frame)
    batch = pa.RecordBatch.from_pandas(frame)
    loaded = load(model)
    np.testing.assert_allclose(guard.answer(loaded, batch).score, expected)
    floats = batch.set_column(2, "k", batch.column(2).cast(pa.float64()))   # as where some value was missing
    np.testing.assert_allclose(guard.answer(loaded, floats).score, expected)
    missing = batch.set_column(1, "s", pa.nulls(ROWS, pa.string()))
    np.testing.assert_allclose(guard.answer(loaded, missing).score, model.predict_proba(frame.assign(s="nan")))
