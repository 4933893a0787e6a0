"""Baselines: what they answer is what scikit-learn's metrics say of it, and the gain is the paired difference of a champion."""

from __future__ import annotations

import datetime as dt
import decimal

import numpy as np
import pyarrow as pa
import pytest
from sklearn import datasets
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Perceptron
from sklearn.metrics import accuracy_score, mean_absolute_error, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import assay
from assay.screen import SCREENS
from assay.screen.baseline import NAMES, _Cut, _edges, _median, baselines, gain_over_baseline, inputs
from tests.screen.studied import studied
from tests.screen.studies import strange


def halves(bunch, seed: int = 0) -> tuple[pa.Table, pa.Table]:
    """A data set of scikit-learn as tables of training and test rows."""
    names = [str(each).replace(" ", "_") for each in getattr(bunch, "feature_names", range(bunch.data.shape[1]))]
    table = pa.table({**{name: bunch.data[:, place].astype(float) for place, name in enumerate(names)}, "y": bunch.target})
    first, second = train_test_split(np.arange(table.num_rows), random_state=seed, test_size=0.5)
    return table.take(first), table.take(second)


def fitted(model, train: pa.Table):
    return model.fit(train.drop(["y"]).to_pandas(), train["y"].to_numpy())


def values(study) -> dict:
    return {each.column: each for each in gain_over_baseline.values(study)}


@pytest.fixture(scope="module")
def tumours():
    train, test = halves(datasets.load_breast_cancer())
    return studied(fitted(HistGradientBoostingClassifier(max_iter=30), train), test, train=train, label="y")


def test_gains_are_differences_of_scikit_learns_auc(tumours) -> None:
    truth = tumours.outcome()
    mine = roc_auc_score(truth, tumours.answer().score[:, 1])
    found = values(tumours)
    assert list(found) == list(NAMES)
    for name, baseline in baselines(tumours).items():
        theirs = roc_auc_score(truth, baseline.answer.score[:, 1])
        assert found[name].value == pytest.approx(mine - theirs, abs=1e-12)
        assert f"auc {theirs:.4g}, the model's {mine:.4g}" in found[name].note
        assert found[name].low < found[name].value < found[name].high
    assert roc_auc_score(truth, baselines(tumours)["linear"].answer.score[:, 1]) > 0.97


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("entity", [False, True])
def test_the_interval_is_that_of_a_champion(name: str, entity: bool) -> None:
    rng = np.random.default_rng(3)
    train, test = (pa.table({"x": x, "z": x + rng.normal(size=len(x)), "place": np.arange(float(len(x))), "who": [f"w{each % 90}" for each in
                             range(len(x))], "y": (x + rng.normal(size=len(x)) > 0).astype(int)}) for x in (rng.normal(size=900), rng.normal(size=700)))
    roles = {"label": "y", "ignored": ["place"]} | ({"entity": "who"} if entity else {"id": "who"})

    def model(batch):
        return 1 / (1 + np.exp(-batch.column("x").to_numpy()))

    study = studied(model, test, train=train, task="binary", classes=[0, 1], **roles)
    score = baselines(study)[name].answer.score[:, 1]

    def champion(batch):
        return score[batch.column("place").to_numpy().astype(int)]

    run = assay.check(model, test, champion=champion, task="binary", classes=[0, 1], checks=["auc >= champion"], **roles)
    theirs = next(each for each in run.values if each.against == "champion")
    mine = values(study)[name]
    assert (mine.value, mine.low, mine.high) == pytest.approx((theirs.value, theirs.low, theirs.high), abs=1e-12)


@pytest.mark.parametrize("load", [datasets.load_wine, datasets.load_digits])
def test_several_classes_are_compared_by_accuracy(load) -> None:
    train, test = halves(load())
    study = studied(fitted(RandomForestClassifier(30, random_state=0), train), test, train=train, label="y")
    found = values(study)
    mine = accuracy_score(study.outcome(), study.answer().prediction)
    for name, baseline in baselines(study).items():
        assert found[name].value == pytest.approx(mine - accuracy_score(study.outcome(), baseline.answer.prediction), abs=1e-12)
    assert found["majority"].low > 0.3
    assert "always" in found["majority"].note


def test_labels_alone_are_compared_by_accuracy() -> None:
    train, test = halves(datasets.load_breast_cancer())
    study = studied(fitted(make_pipeline(StandardScaler(), Perceptron()), train), test, train=train, label="y")
    object.__setattr__(study.model.signature, "scores", None)
    study._held["answer"] = type(study.answer())("binary", study.answer().classes, study.answer().prediction)
    found = values(study)
    for name, baseline in baselines(study).items():
        assert baseline.answer.score is None
        gap = np.mean(study.answer().prediction == study.outcome()) - np.mean(baseline.answer.prediction == study.outcome())
        assert found[name].value == pytest.approx(gap, abs=1e-12)
    assert found["one rule"].note.startswith("if ")


def test_numbers_are_compared_by_the_error_that_is_saved() -> None:
    train, test = halves(datasets.load_diabetes())
    study = studied(fitted(GradientBoostingRegressor(n_estimators=60, max_depth=2, random_state=0), train), test, train=train, label="y")
    truth, mine = study.outcome(), study.answer().value
    found = values(study)
    rng = np.random.default_rng(0)
    for name, baseline in baselines(study).items():
        theirs = baseline.answer.value
        assert found[name].value == pytest.approx(1 - mean_absolute_error(truth, mine) / mean_absolute_error(truth, theirs), abs=1e-12)
        picks = rng.integers(0, len(truth), (2000, len(truth)))
        drawn = 1 - np.abs(mine - truth)[picks].mean(axis=1) / np.abs(theirs - truth)[picks].mean(axis=1)
        low, high = np.quantile(drawn, [0.025, 0.975])
        assert found[name].high - found[name].low == pytest.approx(high - low, rel=0.25)
        assert found[name].low == pytest.approx(low, abs=0.25 * (high - low))
    assert np.median(np.asarray(train["y"])) == baselines(study)["majority"].answer.value[0]
    assert found["majority"].low > 0.1


def test_a_model_without_any_error_saves_all() -> None:
    rng = np.random.default_rng(0)
    table = pa.table({"x": rng.normal(size=400), "y": rng.normal(size=400)})
    study = studied(lambda batch: batch.column("y").to_numpy(), table, train=table, label="y", task="regression")
    found = values(study)["majority"]
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low > 0.95


def test_a_model_that_lost_what_it_learned_is_behind() -> None:
    rng = np.random.default_rng(5)
    hour = rng.integers(5, 24, 6000)
    table = pa.table({"noise": rng.normal(size=6000), "hour": hour, "late": (rng.random(6000) < np.where(hour >= 16, 0.45, 0.12)).astype(int)})
    study = studied(lambda batch: 1 / (1 + np.exp(-batch.column("noise").to_numpy())), table.slice(3000), train=table.slice(0, 3000),
                    label="late", task="binary", classes=[0, 1])
    found = values(study)["one rule"]
    assert found.high < -0.1
    assert "if hour >= 15.5 then 1" in found.note


def test_the_rule_in_words() -> None:
    size = 3000
    rng = np.random.default_rng(1)
    kind = rng.choice(["red", "green", "blue", "rare"], size, p=[0.4, 0.3, 0.29, 0.01])
    table = pa.table({"kind": kind, "z": rng.normal(size=size), "y": ((kind == "green") ^ (rng.random(size) < 0.05)).astype(int)})
    flat = {"label": "y", "task": "binary", "classes": [0, 1]}

    def rule(**more) -> str:
        study = studied(lambda batch: np.full(batch.num_rows, 0.5), table, train=table, **flat, **more)
        return baselines(study)["one rule"].words

    assert rule() == "kind in 4 bins, roughly if kind is green then 1"
    assert rule(protected=["kind"]) == "kind in 4 bins"  # values of a protected column are not told


HOSTILE = 300


def hostile(seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=HOSTILE)
    nulls = [None] * HOSTILE
    return pa.table({
        "x": x, "nothing": pa.array(nulls, pa.float64()), "null": pa.nulls(HOSTILE), "constant": np.ones(HOSTILE),
        "infinite": np.where(x > 1, np.inf, np.where(x < -1, -np.inf, x)), "huge": x * 1e300, "tiny": x * 1e-300,
        "nan": np.where(rng.random(HOSTILE) < 0.5, np.nan, x), "flag": pa.array([None if each % 7 == 0 else each % 2 == 0 for each in range(HOSTILE)]),
        "money": pa.array([decimal.Decimal(int(each * 100)) / 100 for each in x], pa.decimal128(20, 2)),
        "day": pa.array([dt.date(2024, 1, 1) + dt.timedelta(days=int(each)) for each in rng.integers(0, 300, HOSTILE)]),
        "moment": pa.array(rng.integers(0, 10**15, HOSTILE), pa.timestamp("us", "UTC")), "clock": pa.array(rng.integers(0, 86400, HOSTILE), pa.int32()).cast(pa.time32("s")),
        "span": pa.array(rng.integers(0, 10**6, HOSTILE), pa.duration("s")), "text": [f"v{seed}{each % 40}" for each in range(HOSTILE)],
        "dictionary": pa.array(["a", "b", None] * (HOSTILE // 3)).dictionary_encode(), "bytes": pa.array([b"\xff", b"b"] * (HOSTILE // 2)),
        "all_null_text": pa.array(nulls, pa.string()), "big": rng.integers(2**60, 2**62, HOSTILE), "type": pa.array([str(each % 3) for each in range(HOSTILE)]) if seed else x,
        "y": pa.array([None if each % 11 == 0 else int(x[each] > 0) for each in range(HOSTILE)])})


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_hostile_columns_do_no_harm(task: str) -> None:
    classes = {"classes": [0, 1]} if task == "binary" else {}
    study = studied(lambda batch: np.full(batch.num_rows, 0.5), hostile(1), train=hostile(0), label="y", task=task, **classes)
    assert "type" not in inputs(study)  # numbers in training, text now
    found = values(study)
    assert {name for name, each in found.items() if each.value is not None} == set(NAMES), {name: each.note for name, each in found.items()}
    for baseline in baselines(study).values():
        said = baseline.answer.score if task == "binary" else baseline.answer.value
        assert np.isfinite(said).all()
    assert found["linear"].value < -0.3


@pytest.mark.parametrize(("labels", "words"), [
    ([0, 1, 0], "only 3 training rows have a label"), ([None] * 40, "only 0 training rows have a label"),
    ([1] * 40, "the training data hold the class 1 only"), (["what"] * 40, "the labels of the training data cannot be read")])
def test_training_data_that_teach_nothing(labels: list, words: str) -> None:
    train = pa.table({"x": np.arange(float(len(labels))), "y": pa.array(labels, None if labels[0] is not None else pa.int64())})
    test = pa.table({"x": np.arange(100.0), "y": np.arange(100) % 2})
    study = studied(lambda batch: batch.column("x").to_numpy() / 100, test, train=train, label="y", task="binary", classes=[0, 1])
    found = values(study)
    assert [each.column for each in found.values()] == list(NAMES)
    assert found["linear"].value is None
    assert words in found["linear"].note


def test_a_class_that_training_never_had() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    train = pa.table({"x": x, "y": np.where(x > 0, "a", "b")})
    test = pa.table({"x": x, "y": np.where(x > 1, "c", np.where(x > 0, "a", "b"))})
    study = studied(lambda batch: np.tile([0.4, 0.3, 0.3], (batch.num_rows, 1)), test, train=train, label="y", task="multiclass", classes=["a", "b", "c"])
    found = values(study)
    assert all(each.value is not None for each in found.values())
    assert found["one rule"].note.startswith("if x >= ")
    assert baselines(study)["linear"].answer.prediction.max() == 1


def test_logged_predictions_are_compared_and_not_learned_from() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=600)
    table = pa.table({"x": x, "score": 1 / (1 + np.exp(-x)), "y": (x + rng.normal(size=600) > 0).astype(int)})
    study = studied(None, table, train=table, label="y", score="score", task="binary")
    assert inputs(study) == ("x",)
    assert values(study)["majority"].low > 0.2


def test_columns_with_another_role_are_not_learned_from() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 500)
    leak = y.astype(float)
    table = pa.table({"x": rng.normal(size=500), "who": [f"{each}" for each in y], "race": leak, "w": leak + 1, "row": [f"{each}{place}" for place, each in
                      enumerate(y)], "at": pa.array(y * 10**9, pa.timestamp("s")), "y": y})
    study = studied(lambda batch: np.full(batch.num_rows, 0.5), table, train=table, label="y", task="binary", classes=[0, 1], entity="who", id="row",
                    forbidden=["race"], timestamp="at", weight="w")
    assert inputs(study) == ("x",)
    assert roc_auc_score(y, baselines(study)["small tree"].answer.score[:, 1]) < 0.75


def test_weights_count() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=1500), rng.integers(0, 5, 1500)
    table = pa.table({"x": x, "w": w, "y": (x + rng.normal(size=1500) > 0).astype(int)})
    study = studied(lambda batch: 1 / (1 + np.exp(-batch.column("x").to_numpy())), table, train=table, label="y", weight="w", task="binary", classes=[0, 1])
    truth = study.outcome()
    score = baselines(study)["one rule"].answer.score[:, 1]
    gap = roc_auc_score(truth, x, sample_weight=w) - roc_auc_score(truth, score, sample_weight=w)
    assert values(study)["one rule"].value == pytest.approx(gap, abs=1e-9)
    assert baselines(study)["majority"].answer.score[0, 1] == pytest.approx(np.average(truth, weights=w))


def test_a_model_that_refuses_to_answer() -> None:
    table = pa.table({"x": np.arange(100.0), "y": np.arange(100) % 2})

    def model(batch):
        raise RuntimeError("no")

    found = values(studied(model, table, train=table, label="y", task="binary", classes=[0, 1]))
    assert all(each.value is None and "RuntimeError: no" in each.note for each in found.values())


def test_it_is_found_by_name_and_says_what_it_wants() -> None:
    table = pa.table({"x": np.arange(100.0), "y": np.arange(100) % 2})
    study = studied(lambda batch: batch.column("x").to_numpy() / 100, table, label="y", task="binary", classes=[0, 1])
    assert "training data" in str(SCREENS["gain_over_baseline"].missing(study))


def test_twice_is_the_same() -> None:
    train, test = halves(datasets.load_breast_cancer())
    model = fitted(LogisticRegression(max_iter=5000), train)
    first, second = (values(studied(model, test, train=train, label="y")) for _ in range(2))
    assert first == second


def test_edges_and_medians() -> None:
    assert _edges(np.array([0.0] * 8 + [1.0, np.inf, np.nan, 3.0]), 4).tolist() == [0.5]
    assert _edges(np.array([2.0, 2.0]), 4).tolist() == []
    assert _median(np.array([3.0, 1.0, 2.0, 10.0]), np.ones(4)) == 2.5
    assert _median(np.array([3.0, 1.0]), np.array([1.0, 3.0])) == 1.0
    cut = _Cut("when", True, np.array([19_000.0]), pa.date32())
    assert cut._edge(0) == "2022-01-08"


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_strange_tables_do_no_harm(task: str) -> None:
    classes = {} if task == "regression" else {"classes": [0, 1] if task == "binary" else [0, 1, 2]}
    said = {"binary": 0.5, "regression": 1.0, "multiclass": [0.2, 0.3, 0.5]}[task]
    for table in strange().values():
        for train in (table, strange()["all"]):
            study = studied(lambda batch: np.array([said] * batch.num_rows), table, train=train, label="y", entity="who", task=task, **classes)
            assert list(values(study)) == list(NAMES)


def test_of_many_columns_the_best_features() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 800)
    kinds = {f"c{place}": [f"v{each}" for each in rng.integers(0, 25, 800)] for place in range(40)}
    table = pa.table({**kinds, "best": y + rng.normal(size=800), "y": y})
    study = studied(lambda batch: np.full(batch.num_rows, 0.5), table, train=table, label="y", task="binary", classes=[0, 1])
    assert baselines(study)["linear"].words == "logistic regression on the 15 features that do best alone"
    assert baselines(study)["one rule"].words.startswith("best in 16 bins")


@pytest.mark.slow
def test_thousands_of_rows_and_fifty_columns_take_little_time() -> None:
    import time

    rng = np.random.default_rng(0)
    x = rng.normal(size=(20_000, 50))
    table = pa.table({**{f"x{place}": x[:, place] for place in range(50)}, "y": (x[:, :5].sum(axis=1) + rng.normal(size=20_000) > 0).astype(int)})
    study = studied(lambda batch: 1 / (1 + np.exp(-batch.column("x0").to_numpy())), table, train=table, label="y", task="binary", classes=[0, 1])
    study.answer()
    began = time.process_time()
    values(study)
    assert time.process_time() - began < 3


def covered(seed: int, entities: int) -> tuple[bool, bool]:
    """Whether the interval of a worthless model over the majority covers 0, which is the truth; and whether it is above 0."""
    rng = np.random.default_rng(seed)
    who = rng.integers(0, entities, 600)
    pull = rng.normal(size=entities)
    score = 1 / (1 + np.exp(-rng.normal(size=entities)))  # the same for all rows of an entity: rows are far from independent
    table = pa.table({"x": rng.normal(size=600), "s": score[who], "who": [f"e{each}" for each in who], "y": (pull[who] + rng.normal(size=600) > 0).astype(int)})
    study = studied(lambda batch: batch.column("s").to_numpy(), table, train=table, label="y", entity="who", task="binary", classes=[0, 1])
    found = values(study)["majority"]
    return found.low <= 0 <= found.high, found.low > 0


@pytest.mark.slow
@pytest.mark.parametrize("entities", [60, 300])
def test_a_worthless_model_is_seldom_taken_for_a_good_one(entities: int) -> None:
    found = [covered(seed, entities) for seed in range(300)]
    share, false = (float(np.mean([each[place] for each in found])) for place in range(2))
    assert share >= 0.92, share   # 0.95 less two errors of 300 draws
    assert false <= 0.05, false
