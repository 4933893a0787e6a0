"""assay.repair, from the verb to the command: each remedy changes what it is for, is told with its cost, and is read again."""

from __future__ import annotations

from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import assay
from assay.app.state import State
from assay.errors import AssayError, ConfigError, DataError, SignatureError, UnknownColumnError
from assay.verbs.repair.comparison import Comparison, Held

INPUTS = ["income", "debt", "sex"]


def people(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    man = rng.random(n) < 0.6
    income = rng.normal(3, 1, n) + 0.8 * man
    debt = rng.normal(0, 1, n)
    paid = (income - debt - 0.4 * man + rng.normal(0, 1.0, n) > 3.1).astype(int)
    loan = (income - debt + 0.9 * man + rng.normal(0, 0.7, n) > 3.5).astype(int)   # what was decided: men more often
    return pd.DataFrame({"income": income.round(1), "debt": debt.round(1), "sex": np.where(man, "m", "f"), "paid": paid, "loan": loan})


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("loans")
    for seed, (name, n) in enumerate((("train", 2_000), ("reference", 3_000), ("test", 4_000))):
        people(n, seed).to_parquet(folder / f"{name}.parquet")
    train = people(2_000, 0)
    encoded = make_column_transformer((OneHotEncoder(), ["sex"]), remainder="passthrough")
    model = make_pipeline(encoded, LogisticRegression()).fit(train[INPUTS], train.loan)
    joblib.dump(model, folder / "model.joblib")
    (folder / "assay.yaml").write_text(
        "model: model.joblib\ntrain: train.parquet\nreference: reference.parquet\ndata: test.parquet\npositive: 1\nfeatures: [income, debt, sex]\n"
        "columns: {label: loan, protected: [sex], ignored: [paid]}\n")
    return folder


def repaired(place: Path, remedy: str, **more):
    return assay.repair(str(place / "assay.yaml"), remedy=remedy, trust=True, budget=200, **{"cost": 0.1, **more})


def said(run) -> dict[str, str]:
    return {each.check: each.verdict for each in run.verdicts}


@pytest.mark.parametrize("equal", ["odds", pytest.param("true_positive_rate", marks=pytest.mark.slow), "selection_rate"])
def test_thresholds_bring_rates_together_and_are_read_again(place: Path, tmp_path: Path, equal: str) -> None:
    output = tmp_path / "cut.json"
    before = (place / "model.joblib").read_bytes()
    run = repaired(place, "thresholds", equal=equal, output=output, randomised=equal == "odds")
    rates = [each for each in run.verdicts if each.check.endswith("come closer")]
    assert {each.verdict for each in rates} == {"pass"}, run
    assert (place / "model.joblib").read_bytes() == before
    again = assay.load(str(output), trust=True)
    rows = people(500, 9)
    import pyarrow as pa

    answer = again.predict(pa.RecordBatch.from_pandas(rows[INPUTS], preserve_index=False))
    assert set(answer.column("prediction").to_pylist()) == {0, 1}
    assert any("reads the group" in each for each in run.sentences)


def test_retraining_leaves_nobody_answered_otherwise(place: Path, tmp_path: Path) -> None:
    run = repaired(place, "retrain", output=tmp_path / "new.joblib", cost=0.4)
    assert said(run)["fewer rows are answered otherwise with another sex"] == "pass"
    shares = {each.options["side"]: each.value for each in run.values if each.metric == "discriminatory share" and each.options["of"] == "rows"}
    assert shares["after"] < 0.1 * shares["before"]
    later = assay.probe(str(tmp_path / "new.joblib"), str(place / "test.parquet"), protected="sex", label="loan", ignored=["paid"], trust=True,
                        positive=1, budget=500)
    assert next(each.value for each in later.values if each.options.get("of") == "rows") == pytest.approx(shares["after"], abs=0.01)


@pytest.mark.parametrize("remedy", ["reweigh", "disparate_impact", pytest.param("penalty", marks=pytest.mark.slow)])
def test_what_is_fitted_anew_selects_more_alike(place: Path, tmp_path: Path, remedy: str) -> None:
    run = repaired(place, remedy, equal="selection_rate", at_most=0.05, output=tmp_path / "new.joblib")
    assert said(run)["selection rates come closer"] == "pass", run
    checked = assay.check(str(tmp_path / "new.joblib"), str(place / "test.parquet"), checks=["accuracy >= 0.6"], label="loan", ignored=["paid"],
                          protected="sex", trust=True, positive=1)
    own = next(each.value for each in run.values if each.metric == "accuracy" and each.options == {"side": "after"} and not each.slice)
    assert next(each.value for each in checked.values if each.metric == "accuracy") == pytest.approx(own)


@pytest.mark.slow
def test_what_cannot_be_had_at_the_cost_is_said(place: Path) -> None:
    run = repaired(place, "retrain", cost=0.0)
    assert any("less would be left with" in each for each in run.notes), run.notes


def test_weight_on_a_slice_is_told_of_the_slice(place: Path) -> None:
    run = repaired(place, "upweight", part="sex == 'f'")
    assert run.sentences[0].startswith("upweight: on 4,000 rows held out where sex == 'f', accuracy goes from")
    assert "the slice becomes better" in said(run)


def test_a_model_moved_to_a_constant_is_called_out(place: Path, monkeypatch) -> None:
    from assay.verbs.repair import application

    def nothing(subject, fit, train, asked):
        constant = DummyClassifier(strategy="constant", constant=0).fit(people(50, 1)[INPUTS], people(50, 1).loan)
        return assay.load(constant, features=INPUTS), "a constant", []

    monkeypatch.setattr(application, "_REMEDIES", {"reweigh": nothing})
    run = repaired(place, "reweigh", cost=0.5)
    assert run.sentences[0].startswith("the remedy moved the model to a constant: 100 % of the rows")
    assert said(run)["the model is no constant"] == "fail"
    assert run.exit_code == 1


def test_who_becomes_worse_is_named() -> None:
    import pyarrow as pa

    rng = np.random.default_rng(0)
    labels, groups = rng.integers(0, 2, 2_000), rng.integers(0, 2, 2_000)
    held = Held(pa.table({"town": np.where(np.arange(2_000) % 4 == 0, "north", "south")}), labels, groups, ("f", "m"), 1, None)
    after = np.where((np.arange(2_000) % 4 == 0) & (rng.random(2_000) < 0.3), 1 - labels, labels)
    harms = Comparison.of(held, labels, after).harms
    assert (harms[-1].column, harms[-1].value, harms[-1].rows) == ("town", "north", 500)
    assert harms[-1].after < 0.8
    assert Comparison.of(held, labels, labels).harms == ()
    assert Comparison.of(held, labels, labels).accuracy.change == (0.0, 0.0, 0.0)


@pytest.mark.slow
def test_by_chance_nobody_is_named_worse() -> None:
    import pyarrow as pa

    named = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        labels, groups = rng.integers(0, 2, 600), rng.integers(0, 2, 600)
        table = pa.table({f"c{place}": rng.integers(0, 6, 600).astype(str) for place in range(8)})
        before, after = (np.where(rng.random(600) < 0.2, 1 - labels, labels) for _ in range(2))
        named += bool(Comparison.of(Held(table, labels, groups, ("f", "m"), 1, None), before, after).harms)
    assert named <= 7   # of 60 at a level of 5 %


@pytest.mark.parametrize(("more", "error", "words"), [
    ({}, ConfigError, "no remedy is named"),
    ({"remedy": "treshold"}, AssayError, "did you mean 'thresholds'"),
    ({"remedy": "thresholds", "protected": "seks"}, UnknownColumnError, "sex"),
    ({"remedy": "thresholds", "where": "sex == 'm'"}, DataError, "one group only"),
    ({"remedy": "thresholds", "where": "sex == 'm' or income > 5.2"}, DataError, "rows"),
    ({"remedy": "thresholds", "protected": "debt"}, ConfigError, "too many to repair"),
    ({"remedy": "upweight"}, ConfigError, "no slice"),
    ({"remedy": "reweigh", "part": "income > 1"}, ConfigError, "takes no slice"),
    ({"remedy": "thresholds", "equal": "luck"}, AssayError, "luck"),
    ({"remedy": "thresholds", "cost": 3}, ConfigError, "cost"),
    ({"remedy": "thresholds", "output": "new.joblib"}, ConfigError, "ends in .json"),
])
def test_bad_input_is_a_sentence(place: Path, more, error, words: str) -> None:
    with pytest.raises(error, match=words):
        assay.repair(str(place / "assay.yaml"), trust=True, budget=500, **more)


def test_of_groups_of_few_rows_nothing_is_concluded(place: Path, tmp_path: Path) -> None:
    rows = people(400, 5)
    pd.concat([rows[rows.sex == "f"], rows[rows.sex == "m"].head(20)]).to_parquet(tmp_path / "few.parquet")
    run = repaired(place, "reweigh", data=str(tmp_path / "few.parquet"))
    small = next(each for each in run.verdicts if each.verdict == "too small")
    assert small.sentence.startswith("inconclusive for sex = m (20 rows): ")
    assert small.sentence in run.sentences
    assert said(run)["selection rates come closer"] == "inconclusive"
    assert "fewer than two groups have 30 rows held out" in run.sentences[0]


def test_nothing_is_overwritten(place: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="this file is read"):
        repaired(place, "reweigh", output=place / "model.joblib")
    (tmp_path / "there.joblib").write_text("mine")
    with pytest.raises(ConfigError, match="a file already"):
        repaired(place, "reweigh", output=tmp_path / "there.joblib")
    assert (tmp_path / "there.joblib").read_text() == "mine"


def test_models_that_cannot_be_repaired_say_what_can_be_done(place: Path) -> None:
    data, rest = str(place / "test.parquet"), {"label": "loan", "protected": "sex", "ignored": ["paid"]}
    function = assay.load(lambda batch: [0.4] * batch.num_rows, task="binary", classes=[0, 1], name="m")
    with pytest.raises(SignatureError, match=r"cannot be fitted anew.*--remedy thresholds"):
        assay.repair(function, data, remedy="reweigh", train=str(place / "train.parquet"), **rest)
    with pytest.raises(ConfigError, match="no training rows"):
        assay.repair(str(place / "model.joblib"), data, remedy="reweigh", trust=True, features=INPUTS, **rest)
    number = assay.load(LinearRegression().fit(people(50, 0)[["income", "debt"]], people(50, 0).paid))
    with pytest.raises(SignatureError, match="made for regression"):
        assay.repair(number, data, remedy="thresholds", **rest)
    with pytest.raises(ConfigError, match="no label is named"):
        assay.repair(function, data, remedy="thresholds", protected="sex")
    blind = assay.load(LogisticRegression().fit(people(200, 0)[["income", "debt"]], people(200, 0).loan))
    with pytest.raises(SignatureError, match="does not take 'sex'"):
        assay.repair(blind, data, remedy="retrain", train=str(place / "train.parquet"), **rest)


def test_the_command(place: Path, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from assay.app.repair import repair

    told = CliRunner().invoke(repair, [str(place / "assay.yaml"), "--remedy", "thresholds", "--equal", "selection_rate", "--trust", "--plain",
                                       "--cost", "0.1", "--budget", "500", "--output", str(tmp_path / "cut.json"),
                                       "--html", str(tmp_path / "page.html")], obj=State(version="0"), catch_exceptions=False)
    assert "selection rates of the groups were" in told.output
    assert "the probe again" in " ".join(told.output.split())
    assert (tmp_path / "cut.json").is_file()
    assert "before and after" in (tmp_path / "page.html").read_text("utf-8")


def test_rows_that_the_model_learned_from_are_not_held_out(place: Path) -> None:
    with pytest.raises(DataError, match="rows are training rows too"):
        repaired(place, "reweigh", data=str(place / "train.parquet"))


def test_rates_brought_together_by_treating_people_otherwise_is_no_repair(place: Path) -> None:
    """Weights make a model of the group lean the other way: who differs in nothing else is decided otherwise more often."""
    rows = people(3_000, 5)
    fair = rows.assign(loan=(rows.income - rows.debt > 3.4).astype(int))   # the group alone decides nothing
    encoded = make_column_transformer((OneHotEncoder(), ["sex"]), remainder="passthrough")
    model = make_pipeline(encoded, LogisticRegression()).fit(fair[INPUTS], fair.loan)
    run = assay.repair(model, fair[1500:], train=fair[:1500], remedy="reweigh", label="loan", protected="sex", ignored="paid", positive=1,
                       features=INPUTS, budget=200, cost=0.2)
    assert said(run)["no more rows are answered otherwise with another sex"] == "fail", run
    assert run.verdict == "fail"
