"""The default suite on whatever is given, on ten faults, and on data without one."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import assay
from assay.check.expression import parse
from assay.check.suite import Item, Scene, items
from assay.errors import ConfigError, EmptyDataError, UnknownNameError
from assay.result import RENDERERS, Run, Verdict
from assay.verbs import suite
from assay.verbs.question import Question
from tests.verbs.faults import FAULTS, ROLES, broken, fitted, tables


def halves(loaded: object) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    frame = loaded.frame.rename(columns=lambda name: name.replace(" ", "_").replace("/", "_"))
    inputs = [name for name in frame.columns if name != "target"][:8]
    frame = frame[[*inputs, "target"]].assign(ward=np.where(np.arange(len(frame)) % 3, "north", "south"))
    order = np.random.default_rng(0).permutation(len(frame))
    return frame.iloc[order[::2]], frame.iloc[order[1::2]], inputs


@pytest.fixture(scope="module")
def binary() -> Run:
    train, test, inputs = halves(load_breast_cancer(as_frame=True))
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(train[inputs], train["target"])
    return assay.check(model, test, train=train, reference=train, label="target", protected=["ward"])


def test_a_sound_model_has_no_failure(binary: Run) -> None:
    assert [each.sentence for each in binary.verdicts if each.verdict in ("fail", "error")] == []
    assert binary.exit_code == 0
    assert {each.aspect for each in binary.verdicts} >= {"baselines", "calibration", "leakage", "fairness", "drift", "quality", "features"}
    assert binary.about["task"] == "binary"
    assert binary.about["rows"] == 284


def test_it_draws_what_people_look_for(binary: Run) -> None:
    names = " ".join(f"{each.name} {each.title}" for each in binary.figures).casefold()
    for word in ("roc", "reliability", "confusion", "precision", "drift"):
        assert word in names
    again = Run.from_json(json.loads(json.dumps(binary.to_json())))
    assert again.figures == binary.figures


def test_its_checks_can_be_written_down_and_asked_for(binary: Run) -> None:
    train, test, inputs = halves(load_breast_cancer(as_frame=True))
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(train[inputs], train["target"])
    checks = yaml.safe_load(binary.to_yaml())["checks"]
    run = assay.check(model, test, train=train, reference=train, label="target", protected=["ward"], checks=checks)
    assert len({each.check for each in run.verdicts}) == len(checks)
    assert [each.sentence for each in run.verdicts if each.verdict == "error"] == []


def test_it_stands_beside_checks_of_ones_own() -> None:
    train, test, inputs = halves(load_breast_cancer(as_frame=True))
    model = LogisticRegression(max_iter=5000).fit(train[inputs], train["target"])
    run = assay.check(model, test, label="target", checks=["default", "auc >= 0.9"])
    assert {each.aspect is None for each in run.verdicts} == {True, False}
    assert not [each for each in assay.check(model, test, label="target", checks=["auc >= 0.9"]).verdicts if each.aspect]


def test_people_are_no_groups() -> None:
    """Days of birth, names and postcodes are protected by leaving them out of the slices, and fractions by quarters."""
    rng = np.random.default_rng(0)
    rows = 11_000
    frame = pd.DataFrame({"x": rng.normal(size=rows), "age": rng.uniform(18, 80, rows), "name": [f"person {place}" for place in range(rows)],
                          "born": pd.Timestamp("1950-01-01") + pd.to_timedelta(rng.integers(0, 18_000, rows), unit="D")})
    frame["y"] = (rng.random(rows) < 1 / (1 + np.exp(-frame["x"]))).astype(int)
    model = LogisticRegression().fit(frame[["x"]], frame["y"])
    run = assay.check(model, frame, label="y", protected=["age", "name", "born"])
    assert {key for each in run.values for key in each.slice} == {"age"}
    assert len({each.slice["age"] for each in run.values if each.slice}) == 4
    assert sum("more than 250 values" in each for each in run.notes) == 2


def test_a_column_with_an_endless_name_stops_nothing() -> None:
    rng = np.random.default_rng(0)
    name = "L" * 5000
    frame = pd.DataFrame({"x": rng.normal(size=400), name: rng.choice(["a", "b"], 400), "s" * 5000: rng.choice(["f", "m"], 400)})
    frame["y"] = (frame["x"] + rng.normal(size=400) > 0).astype(int)
    run = assay.check(LogisticRegression().fit(frame[["x"]], frame["y"]), frame, label="y", protected=["s" * 5000])
    assert all(name not in each.slice for each in run.values)


def test_a_misspelt_item_is_told(monkeypatch) -> None:
    train, test, inputs = halves(load_breast_cancer(as_frame=True))
    model = LogisticRegression(max_iter=5000).fit(train[inputs], train["target"])
    wrong = Item("leakage", "lone_powr of * <= 0.98", fault="fault", fine="fine", hint="hint")
    monkeypatch.setattr(suite, "items", lambda scene: (wrong,))
    with pytest.raises(UnknownNameError, match="lone_powr"):
        assay.check(model, test, label="target")


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression", "ranking", None])
def test_every_item_of_every_scene_can_be_asked(task: str | None) -> None:
    scene = Scene(task, scored=True, labelled=True, asked=True, train=True, reference=True, entity=True, available_at=True, ids=True,
                  slices=("ward",), protected=("ward",), forbidden=("age",), overall={"auc": 0.8, "accuracy": 0.8, "mae": 1.0})
    assert [Question.of(parse(each.expression)).metric.name for each in items(scene)]


def test_numbers_are_judged_too() -> None:
    train, test, inputs = halves(load_diabetes(as_frame=True))
    run = assay.check(LinearRegression().fit(train[inputs], train["target"]), test, train=train, label="target")
    assert run.exit_code == 0
    assert any(each.aspect == "baselines" for each in run.verdicts)


def test_more_classes_are_judged_too() -> None:
    train, test, inputs = halves(load_wine(as_frame=True))
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(train[inputs], train["target"])
    run = assay.check(model, test, train=train, label="target")
    assert [each.sentence for each in run.verdicts if each.verdict in ("fail", "error")] == []


def test_logged_predictions_are_enough() -> None:
    train, test, inputs = halves(load_breast_cancer(as_frame=True))
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(train[inputs], train["target"])
    logged = test.assign(risk=model.predict_proba(test[inputs])[:, 1])
    run = assay.check(None, logged, label="target", score="risk", reference=train)
    assert any(each.aspect == "calibration" for each in run.verdicts)
    assert run.exit_code == 0


def test_data_alone_are_looked_at() -> None:
    frame = pd.DataFrame({"x": np.arange(1000.0), "same": 1, "gone": [None] * 1000, "code": np.where(np.arange(1000) % 20, 5.0, -999.0)})
    run = assay.check(None, pd.concat([frame, frame]))
    said = " ".join(each.sentence for each in run.verdicts if each.verdict == "warn")
    for word in ("same has one value", "gone is missing", "repeat another row"):
        assert word in said


def test_hostile_names_and_odd_columns_break_nothing() -> None:
    rows = 300
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"{column}": rng.normal(size=rows), "by <= >= `": rng.choice(["a", "b"], rows), "of": rng.integers(0, 3, rows),
                          "x" * 5000: rng.normal(size=rows), "when": pd.date_range("2026-01-01", periods=rows, tz="UTC"),
                          "flag": rng.random(rows) < 0.5, "y": rng.integers(0, 2, rows)})
    run = assay.check(lambda batch: np.full(batch.num_rows, 0.5), frame, train=frame.sample(100, random_state=0), label="y", task="binary",
                      classes=[0, 1], protected=["by <= >= `"])
    assert not [each for each in run.verdicts if each.verdict == "error"]
    assert Run.from_json(run.to_json()) == run


@pytest.fixture(scope="module")
def flights() -> dict[str, object]:
    return tables()


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_in_the_first_five_lines(name: str, flights) -> None:
    model, made, roles = broken(name, flights)
    run = assay.check(model, made["test"], train=made["train"], reference=made["reference"], **roles)
    first = [each.sentence for each in run.verdicts[:5]]
    assert any(word in text for text in first for word in FAULTS[name][2]), first
    assert run.verdict in ("fail", "warn")


@pytest.mark.slow
def test_flights_as_they_are_do_not_fail(flights) -> None:
    run = assay.check(fitted(flights["train"]), flights["test"], train=flights["train"], reference=flights["reference"], **ROLES)
    assert [each.sentence for each in run.verdicts if each.verdict in ("fail", "error")] == []


def small(rows: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"x": rng.normal(size=rows), "z": rng.normal(size=rows), "ward": rng.choice(["a", "b"], rows)})
    return frame.assign(y=(frame["x"] + rng.normal(size=rows) > 0).astype(int))


def test_a_model_that_raises_is_an_error_and_said_first() -> None:
    def down(batch: object) -> np.ndarray:
        raise RuntimeError("server down")

    run = assay.check(down, small(), label="y", task="binary", classes=[0, 1])
    assert (run.verdict, run.exit_code, run.verdicts[0].verdict) == ("error", 1, "error")
    assert "server down" in run.verdicts[0].sentence
    assert sum("server down" in each for each in [*run.notes, *(verdict.sentence for verdict in run.verdicts)]) == 1
    assert yaml.safe_load(run.to_yaml())["checks"]


def test_one_missing_value_that_a_model_refuses_is_an_error() -> None:
    frame = small()
    model = LogisticRegression().fit(frame[["x", "z"]], frame["y"])
    run = assay.check(model, frame.assign(x=frame["x"].where(frame.index != 7)), label="y")
    assert (run.verdict, run.exit_code) == ("error", 1)
    assert "NaN" in run.verdicts[0].sentence


def test_data_without_rows_are_told(tmp_path) -> None:
    frame = small()
    model = LogisticRegression().fit(frame[["x", "z"]], frame["y"])
    (tmp_path / "header.csv").write_text("x,z,ward,y\n")
    for data, rest in ((frame.iloc[:0], {}), (str(tmp_path / "header.csv"), {}), (frame, {"train": frame.iloc[:0]})):
        with pytest.raises(EmptyDataError, match="no rows"):
            assay.check(model, data, label="y", **rest)


def test_a_callable_that_gives_labels_is_judged_by_labels() -> None:
    frame = small().assign(y=lambda each: np.where(each["y"], "ok", "bad"))

    def sign(batch: object) -> np.ndarray:
        return np.where(batch.column("x").to_numpy() > 0, "ok", "bad")

    run = assay.check(sign, frame, label="y", task="binary", classes=["bad", "ok"], positive="ok", protected=["ward"])
    assert run.verdict in ("pass", "warn")
    assert any(each.metric == "accuracy" and not each.slice for each in run.values)
    assert [each for each in run.notes if "scores" in each] == [
        "the model gives labels and no scores: how it ranks, and whether its scores are probabilities, is not judged"]


@pytest.mark.parametrize("values", ["series", "array"])
def test_a_label_given_as_values_is_told(values: str) -> None:
    frame = small()
    label = frame["y"] if values == "series" else frame["y"].to_numpy()
    with pytest.raises(ConfigError, match="name of a column"):
        assay.check(LogisticRegression().fit(frame[["x", "z"]], frame["y"]), frame, label=label)


def logistic(frame: pd.DataFrame) -> LogisticRegression:
    return LogisticRegression().fit(frame[["x", "z"]], frame["y"])


def said(run: Run, *outcomes: str) -> str:
    return "\n".join(each.sentence for each in run.verdicts if not outcomes or each.verdict in outcomes)


def test_labels_of_one_class_are_said_first() -> None:
    frame = small(800)
    run = assay.check(logistic(frame), frame[frame["y"] == 0], label="y", protected=["ward"])
    assert run.verdicts[0].verdict == "inconclusive"
    assert "Every label is '0'" in run.verdicts[0].sentence
    assert {each.aspect for each in run.verdicts if each.verdict == "fail"} == set()
    assert run.exit_code == 3
    assert yaml.safe_load(run.to_yaml())["checks"]


def test_a_model_without_a_label_is_noted() -> None:
    frame = small()
    run = assay.check(logistic(frame), frame.drop(columns="y"))
    assert [each for each in run.notes if "no label was named" in each]
    assert not [each for each in assay.check(logistic(frame), frame, label="y").notes if "no label" in each]


def test_protected_inputs_are_said() -> None:
    frame = small()
    run = assay.check(logistic(frame), frame, label="y", protected=["z"])  # cut into quarters, as it is a number
    assert any(each.aspect == "fairness" for each in run.verdicts)
    assert "The model reads the protected column z itself." in said(run, "warn")
    assert "reads the protected" not in said(assay.check(logistic(frame), frame, label="y", protected=["ward"]))


def test_whole_numbers_that_came_as_fractions_are_no_other_type() -> None:
    frame = small().assign(x=lambda each: (10 * each["x"]).round().astype(int))
    model = HistGradientBoostingClassifier(max_iter=5).fit(frame[["x", "z"]], frame["y"])
    for changed, outcome in ((frame["x"].astype(float), False), (frame["x"] + 0.5, True), (frame["x"].astype(str) + "a", True)):
        run = assay.check(model, frame.assign(x=changed), reference=frame, label="y")
        assert ("x has another type" in said(run, "fail")) is outcome


def test_an_index_that_nobody_reads_is_no_failure() -> None:
    frame = small().assign(score=0.5)
    frame.insert(0, "", np.arange(len(frame)))
    run = assay.check(None, frame, label="y", score="score", task="binary", classes=[0, 1])
    assert "(a column without a name) looks like an identifier" in said(run, "warn")
    assert "identifier" not in said(run, "fail")
    assert not [each for each in run.verdicts if "(," in each.sentence or "of ." in each.sentence or "id: }" in (each.hint or "")]


def test_a_linear_model_ties_with_the_linear_baseline() -> None:
    rng = np.random.default_rng(2)
    frame = small(4000).assign(y=lambda each: (each["x"] + each["z"] + rng.normal(size=4000) > 0).astype(int))
    train, test = frame.iloc[:2000], frame.iloc[2000:]
    run = assay.check(logistic(train), test, train=train, label="y")
    mine = [each for each in run.verdicts if each.aspect == "baselines"]
    assert [each.verdict for each in mine] == ["pass"]
    assert "answers as the baseline linear does" in mine[0].sentence


def test_a_model_no_better_than_the_linear_one_is_still_told() -> None:
    frame = small(2000)
    model = HistGradientBoostingClassifier(max_iter=30).fit(frame[["x", "z"]], frame["y"])
    test = pd.concat([frame, small(2000).assign(y=lambda each: each["y"])]).sample(1500, random_state=0)
    rng = np.random.default_rng(9)
    test = test.assign(x=rng.normal(size=1500))
    test["y"] = (test["x"] + rng.normal(size=1500) > 0).astype(int)
    run = assay.check(model, test, train=frame, label="y")
    assert {each.verdict for each in run.verdicts if each.aspect == "baselines"} & {"warn", "fail"}


def test_a_baseline_of_numbers_is_told_in_shares() -> None:
    train, test, inputs = halves(load_diabetes(as_frame=True))
    run = assay.check(LinearRegression().fit(train[inputs[:1]], train["target"]), test, train=train, label="target")
    told = next(each for each in run.verdicts if each.aspect == "baselines")
    assert " % [" in told.sentence
    assert "mean error" in told.sentence
    assert "decisions" not in said(run)


def test_coarse_rows_repeat_each_other_without_harm() -> None:
    rng = np.random.default_rng(3)

    def coarse(rows: int) -> pd.DataFrame:
        frame = pd.DataFrame({"age": rng.integers(0, 6, rows), "work": rng.choice(list("abcd"), rows)})
        return frame.assign(y=rng.integers(0, 2, rows))

    first, second = coarse(1500), coarse(1500)
    model = HistGradientBoostingClassifier(max_iter=5).fit(first[["age"]], first["y"])
    plain = assay.check(model, second, label="y")
    assert "repeat another row" in said(plain, "warn")
    for run in (assay.check(model, second, reference=first, label="y"),
                assay.check(model, second.assign(who=np.arange(1500)), label="y", id="who")):
        assert "repeat another row" not in said(run, "warn")
        assert "as coarse values do" in said(run, "pass")
    twice = pd.concat([second.assign(age=rng.normal(size=1500)), second.iloc[:0]])
    twice = pd.concat([twice, twice.iloc[:400]]).sample(frac=1, random_state=0)
    run = assay.check(model, twice, reference=first.assign(age=rng.normal(size=1500)), label="y")
    assert "repeat another row" in said(run, "warn")


def test_scores_that_are_too_cautious_are_called_so() -> None:
    digits = load_wine(as_frame=True).frame
    model = RandomForestClassifier(200, min_samples_leaf=25, max_depth=2, random_state=0).fit(digits.iloc[::2, :-1], digits["target"].iloc[::2])
    run = assay.check(model, pd.concat([digits] * 10), label="target")
    assert "too cautious" in said(run, "fail")


def test_strong_features_share_a_line() -> None:
    frame = small(1000)
    frame["y"] = (frame["x"] > 0).astype(int)
    rng = np.random.default_rng(0)
    frame = frame.assign(x=frame["x"] + 0.3 * rng.normal(size=1000), z=frame["x"] + 0.3 * rng.normal(size=1000))
    told = [each.sentence for each in assay.check(None, frame.assign(score=0.5), label="y", score="score").verdicts if "almost predict" in each.sentence]
    assert len(told) == 1
    assert "2 features almost predict the label each alone: x, z" in told[0]


def test_labels_that_are_turned_round_are_told_once() -> None:
    frame = small(2000).assign(ward=lambda each: np.where(each.index % 2, "a", "b"), site=lambda each: np.where(each.index % 3, "c", "d"))
    run = assay.check(logistic(frame), frame.assign(y=1 - frame["y"]), label="y", slices=["ward", "site"])
    told = [each.sentence for each in run.verdicts if "worse than a coin" in each.sentence]
    assert len(told) == 1
    assert told[0].startswith("The model ranks worse than a coin would: AUC 0.")
    assert said(run, "fail").startswith(told[0])


def test_what_to_pass_is_told_for_python_too() -> None:
    frame = small().assign(y=lambda each: np.where(each["y"], ">50K", "<=50K"))
    with pytest.raises(ConfigError, match=r"in Python positive='>50K'"):
        assay.check(logistic(frame), frame, label="y")


def test_checks_that_are_written_down_say_how_they_are_judged(binary: Run) -> None:
    assert binary.to_yaml().startswith("# The suite looks for faults; a check has to be shown to hold.")
    assert "#" not in Run("check", verdicts=(Verdict("auc >= 0.7", "pass", "auc is 0.8"),)).to_yaml()


def test_disparities_bear_the_column_that_they_compare() -> None:
    frame = small(1000).assign(site=lambda each: np.where(each.index % 3, "c", "d"))
    run = assay.check(logistic(frame), frame, label="y", protected=["ward", "site"])
    names = [each.name for each in run.values if each.metric == "selection_rate ratio"]
    assert names == ["selection_rate ratio(by=ward)", "selection_rate ratio(by=site)"]
    assert "selection\\_rate ratio(by=site)" in RENDERERS["card"](run)


def test_a_model_that_refuses_missing_values_is_warned_of_where_there_are_some() -> None:
    frame = small()
    train = frame.assign(z=frame["z"].where(frame.index > 9))
    whole = assay.check(logistic(frame), frame, label="y")
    assert "The model gives no answer where one of 2 features is missing, which happens nowhere here: x, z." in said(whole, "pass")
    lacking = assay.check(logistic(frame), frame, train=train, label="y")
    assert "The model gives no answer where z is missing" in said(lacking, "warn")
    assert "no answer where x" not in said(lacking)
