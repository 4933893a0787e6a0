"""Figures hold what scikit-learn says of the same rows, tell it in a sentence, and give nobody away."""

from __future__ import annotations

import datetime as dt
import json
import re

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats
from sklearn import datasets
from sklearn.calibration import calibration_curve
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_auc_score, roc_curve
from sklearn.model_selection import train_test_split
from sklearn.svm import LinearSVC

from assay.result import Figure
from assay.screen.figure import _down, _edges, _number, _quantiles, _thinned, figures
from tests.screen.studied import studied
from tests.screen.studies import strange

FLAT = {"label": "y", "task": "binary", "classes": [0, 1]}


def named(study) -> dict[str, Figure]:
    found = {each.name: each for each in figures(study)}
    for each in found.values():
        assert each.sentence.endswith(".")
        assert Figure.from_json(json.loads(json.dumps(each.to_json(), allow_nan=False))).table.keys() == each.table.keys()
    return found


def column(figure: Figure, name: str) -> np.ndarray:
    return np.array(figure.table[name])


def scored(batch):
    return 1 / (1 + np.exp(-batch.column("x").to_numpy()))


def rows(size: int, seed: int = 0, **more) -> pa.Table:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=size)
    return pa.table({"x": x, "y": (x + rng.normal(size=size) > 0.5).astype(int), **more})


def inside(points: np.ndarray, all_points: np.ndarray) -> bool:
    return bool((np.abs(points[:, None] - all_points[None]).max(axis=2).min(axis=1) < 1e-12).all())


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("size", [60, 3000])
def test_curves_are_scikit_learns(size: int, weighted: bool) -> None:
    weight = np.random.default_rng(9).integers(0, 4, size).astype(float)
    data = rows(size, w=weight) if weighted else rows(size)
    study = studied(scored, data, **FLAT, **({"weight": "w"} if weighted else {}))
    truth, score, given = study.outcome(), study.answer().score[:, 1], weight if weighted else None
    found = named(study)

    fpr, tpr, _ = roc_curve(truth, score, sample_weight=given, drop_intermediate=False)
    roc = found["roc"]
    points = np.stack([column(roc, roc.x), column(roc, roc.y[0])], axis=1)
    assert len(points) <= 101
    assert inside(points, np.stack([fpr, tpr], axis=1))
    assert points[0].tolist() == [0, 0]
    assert points[-1].tolist() == [1, 1]
    area = roc_auc_score(truth, score, sample_weight=given)
    assert f"{100 * area:.0f} times in 100: AUC {area:.3f}" in roc.sentence
    assert np.trapezoid(points[:, 1], points[:, 0]) == pytest.approx(area, abs=0.01)

    precision, recall, _ = precision_recall_curve(truth, score, sample_weight=given)
    figure = found["precision_recall"]
    assert inside(np.stack([column(figure, "recall"), column(figure, "precision")], axis=1), np.stack([recall, precision], axis=1))
    assert 5 < figure.rows <= 101
    assert f"it would be {np.average(truth, weights=given):.0%}" in figure.sentence

    cells = found["confusion"]
    table = np.stack([column(cells, each) for each in cells.y], axis=1)
    assert np.array_equal(table, confusion_matrix(truth, score >= 0.5, sample_weight=given))
    assert np.allclose(np.stack([column(cells, f"share {each}") for each in cells.y], axis=1), table / table.sum(axis=1, keepdims=True))


def test_the_threshold_counts() -> None:
    study = studied(scored, rows(1000), threshold=0.2, **FLAT)
    cells = named(study)["confusion"]
    assert np.array_equal(np.stack([column(cells, each) for each in cells.y], axis=1),
                          confusion_matrix(study.outcome(), study.answer().score[:, 1] >= 0.2))
    assert "at the threshold 0.2" in cells.sentence


def test_reliability_is_the_calibration_curve() -> None:
    study = studied(scored, rows(5000), **FLAT)
    figure = named(study)["reliability"]
    share, mean = calibration_curve(study.outcome(), study.answer().score[:, 1], n_bins=10, strategy="quantile")
    assert column(figure, "share") == pytest.approx(share)
    assert column(figure, "mean score") == pytest.approx(mean)
    assert set(figure.table["rows"]) == {500}
    assert (column(figure, "low") < share).all()
    assert (share < column(figure, "high")).all()
    assert figure.diagonal
    # the scores are 1 / (1 + exp(-x)) and the labels another thing: the figure says where they part
    assert re.search(r"Where the model says \d+% for class 1, \d+% occur", figure.sentence)


def test_scores_that_are_probabilities_are_said_to_be() -> None:
    rng = np.random.default_rng(1)
    p = rng.random(4000)
    study = studied(lambda batch: batch.column("p").to_numpy(), pa.table({"p": p, "y": (rng.random(4000) < p).astype(int)}), **FLAT)
    figure = named(study)["reliability"]
    covered = [low <= mean <= high for mean, low, high in zip(*(figure.table[name] for name in ("mean score", "low", "high")), strict=True)]
    assert sum(covered) >= 8


def test_intervals_know_entities() -> None:
    rng = np.random.default_rng(2)
    who = np.repeat(np.arange(60), 50)
    y = (rng.random(60) < 0.4).astype(int)[who]  # all rows of an entity alike: 60 facts, not 3000
    table = pa.table({"x": rng.normal(size=3000), "who": who, "y": y})
    wide, narrow = (named(studied(scored, table, **FLAT, **more))["reliability"] for more in ({"entity": "who"}, {}))
    assert wide.table["share"] == narrow.table["share"]
    assert (column(wide, "high") - column(wide, "low")).mean() > 2 * (column(narrow, "high") - column(narrow, "low")).mean()


def test_scores_by_class_are_a_histogram() -> None:
    study = studied(scored, rows(2000), **FLAT)
    figure = named(study)["scores"]
    score, truth = study.answer().score[:, 1], study.outcome()
    for name, place in (("class 0", 0), ("class 1", 1)):
        counts = np.histogram(score[truth == place], 20, (0, 1))[0]
        assert column(figure, name) == pytest.approx(counts / counts.sum())
    assert figure.table["score"][0] == "0.00 to 0.05"
    assert f"{np.median(score[truth == 1]):.3g} of class 1" in figure.sentence


def test_margins_are_no_probabilities() -> None:
    table = rows(500)
    study = studied(LinearSVC().fit(table.select(["x"]).to_pandas(), np.asarray(table["y"])), table, label="y")
    found = named(study)
    assert "reliability" not in found
    assert len(found["scores"].table["score"]) == 20
    assert found["scores"].table["score"][0].startswith("< ")
    assert found["roc"].rows > 10


@pytest.mark.parametrize("load", [datasets.load_wine, datasets.load_digits])
def test_several_classes(load) -> None:
    bunch = load()
    first, second = train_test_split(np.arange(len(bunch.target)), random_state=0)
    names = [f"f{each}" for each in range(bunch.data.shape[1])]
    table = pa.table({**{name: bunch.data[second, place] for place, name in enumerate(names)}, "y": bunch.target[second]})
    study = studied(RandomForestClassifier(20, random_state=0).fit(bunch.data[first], bunch.target[first]), table, label="y")
    found = named(study)
    cells = found["confusion"]
    assert np.array_equal(np.stack([column(cells, each) for each in cells.y], axis=1),
                          confusion_matrix(study.outcome(), study.answer().prediction))
    score = study.answer().score
    figure = found["reliability"]
    right = score.argmax(axis=1) == study.outcome()
    assert sum(figure.table["rows"]) == len(right)
    assert np.average(column(figure, "share"), weights=column(figure, "rows")) == pytest.approx(right.mean())
    assert np.average(column(figure, "mean score"), weights=column(figure, "rows")) == pytest.approx(score.max(axis=1).mean())


def test_many_classes_are_gathered() -> None:
    rng = np.random.default_rng(0)
    y = np.minimum(rng.geometric(0.1, 3000) - 1, 29)
    study = studied(lambda batch: np.eye(30)[np.minimum(batch.column("y").to_numpy() // 2, 29)], pa.table({"x": y * 1.0, "y": y}), label="y", task="multiclass",
                    classes=list(range(30)))
    cells = named(study)["confusion"]
    table = np.stack([column(cells, each) for each in cells.y], axis=1)
    assert table.shape == (20, 20)
    assert table.sum() == 3000
    assert cells.table["true class"][-1] == "11 others"


def test_numbers() -> None:
    bunch = datasets.load_diabetes()
    first, second = train_test_split(np.arange(len(bunch.target)), random_state=0)
    table = pa.table({**{name: bunch.data[second, place] for place, name in enumerate(bunch.feature_names)}, "y": bunch.target[second]})
    model = GradientBoostingRegressor(n_estimators=50, random_state=0).fit(bunch.data[first], bunch.target[first])
    study = studied(model, table, label="y")
    value, truth = study.answer().value, study.outcome()
    found = named(study)
    figure = found["predicted_actual"]
    edges = np.quantile(value, np.linspace(0, 1, 11)[1:-1])
    place = np.searchsorted(edges, value)
    assert column(figure, "mean truth") == pytest.approx([truth[place == each].mean() for each in range(10)])
    assert column(figure, "mean prediction") == pytest.approx([value[place == each].mean() for each in range(10)])
    some = truth[place == 0]
    assert (figure.table["low"][0], figure.table["high"][0]) == pytest.approx(
        stats.t.interval(0.95, len(some) - 1, some.mean(), some.std(ddof=1) / np.sqrt(len(some))))
    assert sum(found["residuals"].table["share"]) == pytest.approx(1)
    low, high = np.quantile(value - truth, [0.25, 0.75])
    assert f"between {_number(low)} and {_number(high)}" in found["residuals"].sentence


def test_drift_is_shares_over_the_references_bins_most_drifted_first() -> None:
    rng = np.random.default_rng(0)
    before = pa.table({"same": rng.normal(size=4000), "moved": rng.normal(size=4000), "kind": rng.choice(["a", "b", "c"], 4000), "y": rng.integers(0, 2, 4000)})
    after = pa.table({"same": rng.normal(size=3000), "moved": rng.normal(2, 1, size=3000), "kind": rng.choice(["a", "b", "new"], 3000, p=[0.5, 0.3, 0.2]),
                      "y": rng.integers(0, 2, 3000)})
    drawn = [each for each in figures(studied(None, after.append_column("score", pa.array(np.full(3000, 0.5))), reference=before, label="y", score="score",
                                              task="binary")) if each.aspect == "drift"]
    assert [each.column for each in drawn][-1] == "same"
    by = {each.column: each for each in drawn}
    moved = by["moved"]
    assert moved.y == ("reference", "current")
    assert column(moved, "reference") == pytest.approx(0.1, abs=0.01)
    assert column(moved, "reference").sum() == pytest.approx(1)
    last = float(moved.table["value"][-1].removeprefix(">= "))
    assert column(moved, "current")[-1] == pytest.approx((np.asarray(after["moved"]) >= last).mean())
    kind = by["kind"]
    assert dict(zip(kind.table["value"], kind.table["current"], strict=True))["new"] == pytest.approx(np.mean(np.asarray(after["kind"]) == "new"))
    assert dict(zip(kind.table["value"], kind.table["reference"], strict=True))["new"] == 0
    assert "of the reference" in moved.sentence
    assert "PSI" not in moved.sentence  # the verdict has it, over other bins: two numbers of one name would only puzzle


def test_training_data_stand_in_for_a_reference() -> None:
    found = named(studied(scored, rows(300), train=rows(300, 1), **FLAT))
    assert found["drift x"].y == ("training", "current")


def test_what_tells_of_people_or_rows_is_not_drawn() -> None:
    size = 400
    rng = np.random.default_rng(0)
    group = ["big"] * 200 + ["middle"] * 196 + ["few"] * 4
    table = rows(size, group=group, row=[f"id-{each}" for each in range(size)], number=np.arange(size), story=[f"once there was a {'very ' * 9}{each}" for each in
                 rng.integers(0, 30, size)], who=[f"w{each % 90}" for each in range(size)])
    found = named(studied(scored, table, reference=table, protected=["group"], entity="who", **FLAT))
    assert {each.column for each in found.values() if each.aspect == "drift"} == {"x", "group"}
    bars = dict(zip(found["drift group"].table["value"], found["drift group"].table["current"], strict=True))
    assert bars == {"big": 0.5, "middle": 0.49, "other": 0.01}
    assert "few" not in json.dumps([each.to_json() for each in found.values()])


def test_values_of_few_rows_are_not_named() -> None:
    places = ["north"] * 300 + ["south"] * 290 + ["the Smiths", "the Joneses"] * 2 + [None] * 6
    table = pa.table({"x": np.arange(600.0), "place": places, "y": [0, 1] * 300})
    study = studied(lambda batch: np.full(batch.num_rows, 0.5), table, reference=table, **FLAT)
    shown = json.dumps([each.to_json() for each in figures(study)])
    assert "north" in shown
    assert "Smiths" not in shown
    assert "Joneses" not in shown


def test_weights_count_in_drift() -> None:
    table = pa.table({"kind": ["a", "b"] * 50, "w": [3.0, 1.0] * 50, "x": np.arange(100.0) % 7, "y": [0, 1, 1, 0] * 25})
    found = named(studied(scored, table, reference=table, weight="w", **FLAT))
    assert found["drift kind"].table["current"] == (0.75, 0.25)


def test_a_sample_says_so() -> None:
    found = named(studied(scored, rows(1000), reference=rows(900, 3), rows=300, **FLAT))
    assert "drawn from 300 of 1,000 rows" in found["roc"].sentence
    assert found["drift x"].sentence.endswith("(drawn from 300 of 1,000 rows, and drawn from 300 of 900 rows of the reference).")


def test_hostile_columns_are_drawn_or_left_out() -> None:
    size = 300
    rng = np.random.default_rng(0)
    x = rng.normal(size=size)
    hostile = {"nothing": pa.array([None] * size, pa.float64()), "null": pa.nulls(size), "constant": np.ones(size), "infinite": np.where(x > 0, np.inf, -np.inf),
               "half": np.where(x > 0, np.inf, x), "huge": x * 1e300, "tiny": x * 1e-300, "zeros": np.where(np.arange(size) < 295, 0.0, np.arange(size)),
               "flag": pa.array([None, True, False] * 100), "day": pa.array([dt.date(2024, 1, 1) + dt.timedelta(days=each) for each in range(size)]),
               "moment": pa.array(rng.integers(0, 10**15, size), pa.timestamp("us")), "span": pa.array(rng.integers(0, 99, size), pa.duration("s")),
               "bytes": pa.array([b"\xff", b"a"] * 150), "blank": pa.array([""] * size), "names": ["other", "missing"] * 150, "texts": ["a" * 50, "a" * 51] * 150,
               "big": rng.integers(2**60, 2**62, size), "near": 1_000_000_000 + np.arange(size) % 50}
    found = named(studied(scored, rows(size, **hostile), reference=rows(size, 1, **hostile), **FLAT))
    for each in found.values():
        if each.aspect == "drift":
            assert len(set(each.table["value"])) == each.rows <= 13
            assert sum(each.table["current"]) == pytest.approx(1)
    assert {"drift constant", "drift half", "drift zeros", "drift flag", "drift day", "drift moment", "drift names", "drift near"} <= set(found)
    assert found["drift day"].table["value"][0] == "< 2024-01-30"


def test_strange_tables_do_no_harm() -> None:
    for table in strange().values():
        for task, said in (("binary", 0.5), ("regression", 1.0), ("multiclass", [0.2, 0.3, 0.5])):
            classes = {} if task == "regression" else {"classes": [0, 1] if task == "binary" else [0, 1, 2]}
            named(studied(lambda batch, said=said: np.array([said] * batch.num_rows), table, reference=strange()["all"], label="y", entity="who", task=task, **classes))


@pytest.mark.parametrize("labels", [[None] * 50, [1] * 50, [0, None] * 25, [0, 1, *[None] * 48]])
def test_few_labels(labels: list) -> None:
    named(studied(scored, pa.table({"x": np.arange(50.0), "y": pa.array(labels, pa.int64())}), **FLAT))


def test_without_labels_or_with_a_model_that_fails_there_is_only_drift() -> None:
    table = rows(100)

    def broken(batch):
        raise RuntimeError("no")

    assert {each.aspect for each in figures(studied(broken, table, reference=table, **FLAT))} == {"drift"}
    assert figures(studied(scored, table.drop(["y"]), task="binary", classes=[0, 1])) == []


def test_labels_only() -> None:
    table = rows(200)
    study = studied(LogisticRegression().fit(np.asarray(table["x"])[:, None], np.asarray(table["y"])), table, label="y")
    answer = study.answer()
    study._held["answer"] = type(answer)("binary", answer.classes, answer.prediction)
    assert [each.name for each in figures(study)] == ["confusion"]


def test_small_parts() -> None:
    assert _thinned(np.linspace(0, 1, 5000), np.linspace(0, 1, 5000)).size == 101
    assert (_down(6.90468), _down(-6.90412), _down(12345.6), _down(5.0)) == (6.904, -6.905, 12340.0, 5.0)
    values = np.arange(100.0)
    edges, show = _edges(1e9 + values, 1e9 + values, _number)
    assert len(edges) == 9
    assert show(edges[0]) == "1000000009"
    assert _quantiles(np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 8.0]), np.array([0.5])).tolist() == [3.0]
