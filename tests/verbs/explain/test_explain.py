"""``assay.explain``: contributions add up to what the model said, the sentence says them, and names that are wrong are told."""

from __future__ import annotations

import json
import sqlite3
import time

import numpy as np
import pyarrow as pa
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression

import assay
from assay.errors import ConfigError, DataError, ExpressionError, PredictionError, SignatureError, UnknownNameError
from assay.result import FEWEST_SHOWN, Run
from assay.store import Store
from assay.verbs.explain.explanation import drawn

RNG = np.random.default_rng(7)
N = 1_500
COLUMNS = {"debts": RNG.normal(size=N), "income": RNG.gamma(2.0, size=N), "noise": RNG.normal(size=N), "sex": RNG.integers(0, 2, N)}
SCORE = 1.5 * COLUMNS["debts"] - COLUMNS["income"] + 1.0
LABEL = (SCORE + RNG.logistic(size=N) > 0).astype(int)


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return pa.table({**COLUMNS, "denied": LABEL, "number": [f"loan-{place}" for place in range(N)], "town": ["a", "b", "c"] * (N // 3)})


@pytest.fixture(scope="module")
def logistic():
    return LogisticRegression(C=1e6).fit(np.column_stack([COLUMNS["debts"], COLUMNS["income"]]), LABEL)


def explained(model, table: pa.Table, **rest) -> Run:
    return assay.explain(model, table, label="denied", id="number", features=["debts", "income"], positive=1, ignored=["noise", "sex", "town"], **rest)


def test_a_row_of_a_linear_model_is_explained_by_its_coefficients(logistic, table) -> None:
    run = explained(logistic, table, row="loan-12", train=table.slice(0, 800))
    mean = {name: float(np.mean(COLUMNS[name][:800])) for name in ("debts", "income")}
    naive = {name: logistic.coef_[0][place] * (COLUMNS[name][12] - mean[name]) for place, name in enumerate(("debts", "income"))}
    assert {each.column: each.value for each in run.values} == pytest.approx(naive, rel=1e-9)
    assert [abs(each.value) for each in run.values] == sorted((abs(each.value) for each in run.values), reverse=True)
    made = run.attributions[0]
    assert made.base + sum(made.contributions[0]) == pytest.approx(made.output[0], rel=1e-12)
    assert made.output[0] == pytest.approx(logistic.decision_function([[COLUMNS["debts"][12], COLUMNS["income"][12]]])[0])
    assert all(each.low == each.value == each.high for each in run.values)   # all 800 rows are compared with, none is drawn
    assert "the 800 training rows" in run.sentences[1]
    assert run.about["method"] == "exact linear"


def test_the_sentence_says_what_was_decided_and_why(logistic, table) -> None:
    run = explained(logistic, table, row="loan-12", threshold=0.4)
    score = logistic.predict_proba([[COLUMNS["debts"][12], COLUMNS["income"][12]]])[0, 1]
    assert run.sentences[0] == f"number loan-12: predicted denied = {int(score >= 0.4)} (score of 1: {score:.3g}, threshold 0.4)"
    first = run.values[0]
    assert f"{first.column} = {COLUMNS[first.column][12]:.3g} makes {'+' if first.value > 0 else ''}{first.value:.3g} [" in run.sentences[1]
    assert "a sample of 1,000 rows of the data" in run.sentences[1]
    assert run.verdict == "pass"
    assert run.exit_code == 0


def test_the_interval_tells_how_far_another_background_moves_a_value(logistic, table) -> None:
    truth = logistic.coef_[0][0] * (COLUMNS["debts"][12] - COLUMNS["debts"].mean())
    held = 0
    for seed in range(60):
        run = explained(logistic, table, row="loan-12", seed=seed)
        value = next(each for each in run.values if each.column == "debts")
        held += value.low <= truth <= value.high
    assert held >= 51   # 95 %, with less chance than 1 in 1,000 of as few; a sample of most rows is nearer to them than the interval says


def test_a_comparison_group_changes_the_answer(logistic, table) -> None:
    accepted = explained(logistic, table, row="loan-12", against="label = 0")
    named = explained(logistic, table, row="loan-12", against="denied == 0")
    assert {each.column: each.value for each in accepted.values} == {each.column: each.value for each in named.values}
    assert accepted.attributions[0].base < explained(logistic, table, row="loan-12").attributions[0].base
    assert "where label = 0" in accepted.sentences[1]
    with pytest.raises(ExpressionError, match="did you mean income"):
        explained(logistic, table, row="loan-12", against="incme > 1")
    with pytest.raises(DataError, match="no row is left"):
        explained(logistic, table, row="loan-12", against="income < -1")


def test_a_background_file_is_compared_with(logistic, table, tmp_path) -> None:
    import pyarrow.parquet as pq

    pq.write_table(table.slice(0, 50), tmp_path / "behind.parquet")
    run = explained(logistic, table, row="loan-12", background=tmp_path / "behind.parquet", against="label = 0")
    assert run.attributions[0].background_rows == int((LABEL[:50] == 0).sum())
    with pytest.raises(SignatureError, match="income"):
        explained(logistic, table, row="loan-12", background=table.drop_columns(["income"]))


def test_the_nearest_row_is_named(logistic, table) -> None:
    with pytest.raises(DataError, match=r"no row has the number 'loan_12'.*did you mean 'loan-"):
        explained(logistic, table, row="loan_12")


def test_without_an_id_a_row_is_counted_from_0(logistic, table) -> None:
    plain = {"label": "denied", "features": ["debts", "income"], "positive": 1, "ignored": ["noise", "sex", "town", "number"]}
    run = assay.explain(logistic, table, row=12, **plain)
    assert {each.column: each.value for each in run.values} == pytest.approx(
        {each.column: each.value for each in explained(logistic, table, row="loan-12").values})
    assert any("counted from 0" in each for each in run.notes)
    with pytest.raises(DataError, match=r"there is no row 1500.*0 to 1,499"):
        assay.explain(logistic, table, row=1_500, **plain)
    with pytest.raises(ConfigError, match="no number of a row"):
        assay.explain(logistic, table, row="loan-12", **plain)


def test_ids_that_stand_twice_are_told(logistic, table) -> None:
    twice = table.set_column(table.column_names.index("number"), "number", pa.array([f"{place // 2}" for place in range(N)]))
    assert any("2 rows have the number 6" in each for each in explained(logistic, twice, row=6).notes)


@pytest.mark.parametrize("quantity", ["score", "log-odds", "decision", "loss"])
def test_every_quantity_adds_up(logistic, table, quantity) -> None:
    run = explained(logistic, table, row="loan-12", quantity=quantity, threshold=0.3)
    made = run.attributions[0]
    score = logistic.predict_proba([[COLUMNS["debts"][12], COLUMNS["income"][12]]])[0, 1]
    truth = {"score": score, "log-odds": np.log(score / (1 - score)), "decision": float(score >= 0.3),
             "loss": -np.log(score if LABEL[12] else 1 - score)}[quantity]
    assert made.output[0] == pytest.approx(truth)
    assert made.base + sum(made.contributions[0]) == pytest.approx(truth)


def test_a_quantity_that_does_not_exist_names_the_nearest(logistic, table) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'decision'"):
        explained(logistic, table, row="loan-12", quantity="decison")
    with pytest.raises(ConfigError, match="the loss needs labels"):
        assay.explain(logistic, table, row=3, quantity="loss", features=["debts", "income"], positive=1)


def test_a_column_without_influence_is_not_listed(table) -> None:
    model = LinearRegression().fit(np.column_stack([COLUMNS["debts"], COLUMNS["income"]]), SCORE)
    run = assay.explain(model, table.set_column(1, "income", pa.array([2.0] * N)), row=1, features=["debts", "income"])
    assert [each.column for each in run.values] == ["debts"]
    assert any("1 of 2 columns carry no influence" in each for each in run.notes)


def test_all_rows_are_explained_on_a_random_sample(logistic, table) -> None:
    run = explained(logistic, table, rows=400)
    made = run.attributions[0]
    assert len(made.ids) == 400
    assert made.ids != tuple(f"loan-{place}" for place in range(400))
    assert made.ids == explained(logistic, table, rows=400).attributions[0].ids != explained(logistic, table, rows=400, seed=1).attributions[0].ids
    values = np.abs(np.array(made.contributions))
    assert {each.column: each.value for each in run.values} == pytest.approx(dict(zip(made.columns, values.mean(axis=0), strict=True)))
    assert run.sentences[0].startswith("the log-odds of denied = 1 are moved most by debts")
    assert {each.kind for each in run.figures} == {"interval", "beeswarm", "sensitivity"}


def test_importance_intervals_hold_the_importance_of_all_rows(logistic, table) -> None:
    whole = {each.column: each.value for each in explained(logistic, table, rows=N).values}
    held = []
    for seed in range(20):
        run = explained(logistic, table, rows=100, seed=seed, background=table.slice(0, 900))
        held += [each.low <= whole[each.column] * 1.02 and whole[each.column] * 0.98 <= each.high for each in run.values]
    assert np.mean(held) >= 0.85


def test_pictures_of_all_rows_hold_no_single_row(logistic, table) -> None:
    run = explained(logistic, table, rows=600)
    for each in run.figures:
        assert min(each.table.get("rows", (FEWEST_SHOWN,))) >= FEWEST_SHOWN
    page = json.dumps([each.to_json() for each in run.figures])
    assert "loan-" not in page


def test_the_curve_is_the_influence_by_value(logistic, table) -> None:
    figure = next(each for each in explained(logistic, table, rows=N).figures if each.column == "debts")
    slope = np.polyfit(figure.table["debts"], figure.table["influence"], 1)[0]
    assert slope == pytest.approx(logistic.coef_[0][0], rel=0.02)
    truth = logistic.coef_[0][0] * (np.array(figure.table["debts"]) - COLUMNS["debts"].mean())
    assert np.abs(np.array(figure.table["influence"]) - truth).max() < 0.15
    assert all(low <= high for low, high in zip(figure.table["low"], figure.table["high"], strict=True))


def test_trees_with_categories_and_missing_values(table) -> None:
    income = np.where(np.arange(N) % 10 == 0, np.nan, COLUMNS["income"])
    model = HistGradientBoostingClassifier(max_iter=20, random_state=0).fit(np.column_stack([COLUMNS["debts"], income]), LABEL)
    data = table.set_column(1, "income", pa.array(income, from_pandas=True))
    run = explained(model, data, row="loan-10", train=data.slice(0, 300))
    assert "income = missing" in run.sentences[1]
    assert run.about["method"] == "exact trees"
    made = run.attributions[0]
    assert made.base + sum(made.contributions[0]) == pytest.approx(made.output[0], abs=1e-9)


def test_a_black_box_is_sampled_with_intervals(table) -> None:
    def model(batch):
        x = np.column_stack([np.asarray(batch.column(name)) for name in ("debts", "income", "noise", "sex")])
        return np.tanh(x[:, 0] * x[:, 1]) + 0.1 * x[:, 3]

    names = ["denied", "number", "town"]
    run = assay.explain(model, table.drop_columns(names), task="regression", row=5, budget=2_000, rows=50)
    assert run.about["method"] == "sampled"
    assert any(each.low < each.value < each.high for each in run.values)
    assert run.cost.model_rows > 100


def test_a_model_that_answers_at_random_is_said_to(table) -> None:
    random = np.random.default_rng(0)
    data = table.select(["debts", "income"])
    run = assay.explain(lambda batch: np.asarray(batch.column("debts")) + random.normal(size=batch.num_rows), data, task="regression", row=5)
    assert any("not deterministic" in each for each in run.notes)


def test_of_several_classes_the_predicted_one_is_explained(table) -> None:
    kind = np.digitize(SCORE, [-1.0, 1.0])
    model = LogisticRegression().fit(np.column_stack([COLUMNS["debts"], COLUMNS["income"]]), np.array(["low", "mid", "high"])[kind])
    data = table.select(["debts", "income", "number"])
    run = assay.explain(model, data, id="number", row="loan-3", features=["debts", "income"])
    predicted = model.predict([[COLUMNS["debts"][3], COLUMNS["income"][3]]])[0]
    assert run.attributions[0].target == predicted
    assert f"predicted {predicted} (score" in run.sentences[0]
    with pytest.raises(ConfigError, match=r"the model has 3 classes.*--positive CLASS"):
        assay.explain(model, data, id="number", features=["debts", "income"])
    named = assay.explain(model, data, id="number", features=["debts", "income"], positive="mid", rows=30)
    assert named.attributions[0].target == "mid"


def test_what_cannot_be_explained_is_told(logistic, table) -> None:
    with pytest.raises(ConfigError, match="there are no data to explain"):
        assay.explain(logistic)
    with pytest.raises(ConfigError, match="only its logged answers"):
        assay.explain(None, table, prediction="denied", classes=[0, 1], positive=1, row=1)
    with pytest.raises(SignatureError, match="income"):
        explained(logistic, table.drop_columns(["income"]), row="loan-1")
    with pytest.raises(ConfigError, match="did you mean 'label'"):
        assay.explain(logistic, table, lable="denied")


def test_what_is_kept_is_read_again(logistic, table, tmp_path) -> None:
    plain = explained(logistic, table, rows=60, quantity="decision")
    with Store(tmp_path / "s.db") as store:
        first = explained(logistic, table, rows=60, quantity="decision", store=store)
        again = explained(logistic, table, rows=60, quantity="decision", store=store)
        assert first.attributions == again.attributions == plain.attributions
        assert again.cost.model_rows < first.cost.model_rows
        assert store.attributions.count() == 60
        changed = table.set_column(0, "debts", pa.array(COLUMNS["debts"] + 1.0))
        other = explained(logistic, changed, rows=60, quantity="decision", background=table, store=store)
        assert other.attributions[0].contributions != first.attributions[0].contributions
        store.attributions.drop(ids=[first.attributions[0].ids[0]])
        assert explained(logistic, table, rows=60, quantity="decision", store=store).attributions == plain.attributions


@pytest.mark.parametrize("damage", [np.full(3, 1.0).tobytes(), np.full(14, np.nan).tobytes(), b"", "text"])
def test_what_is_damaged_is_computed_anew(logistic, table, tmp_path, damage) -> None:
    plain = explained(logistic, table, rows=10, quantity="decision")
    with Store(tmp_path / "s.db") as store:
        explained(logistic, table, rows=10, quantity="decision", store=store)
        store._database.execute("update assay_attribution set body = ?", [damage])
        assert explained(logistic, table, rows=10, quantity="decision", store=store).attributions == plain.attributions


def test_what_is_kept_of_one_callable_is_not_told_of_another(table, tmp_path) -> None:
    def scaled(k):
        return lambda batch: k * batch.column("debts").to_numpy()

    with Store(tmp_path / "s.db") as store:
        made = [assay.explain(scaled(k), table, task="regression", features=["debts"], id="number", row="loan-1", store=store)
                for k in (1.0, 100.0)]
        assert store.attributions.count() == 0
    first, second = (run.attributions[0].contributions[0][0] for run in made)
    assert second == pytest.approx(100 * first, rel=0.2)
    assert any("nothing was kept" in note for note in made[0].notes)


def test_a_sample_is_even_and_the_same_for_its_seed(table) -> None:
    source = assay.source(table)
    counts = np.zeros(N)
    for seed in range(40):
        chosen = drawn(source, 300, seed, ["number"])["number"].to_pylist()
        assert len(chosen) == 300
        counts[[int(each.removeprefix("loan-")) for each in chosen]] += 1
    assert counts.mean() == 8
    assert 5.2 < counts.var() < 7.8   # binomial: 6.4
    assert drawn(source, 300, 3).equals(drawn(source, 300, 3))


@pytest.fixture(scope="module")
def boosted():
    return HistGradientBoostingClassifier(max_iter=20, random_state=0).fit(np.column_stack([COLUMNS["debts"], COLUMNS["income"]]), LABEL)


def test_the_way_is_chosen_and_said(boosted, table) -> None:
    runs = {way: explained(boosted, table, row="loan-12", way=way, quantity="log-odds", train=table.slice(0, 40)) for way in
            (None, "exact", "sampled", "path-dependent")}
    of = {way: {each.column: each.value for each in run.values} for way, run in runs.items()}
    assert of["exact"] == of[None]
    assert of["sampled"] == pytest.approx(of["exact"], abs=0.3)
    assert of["sampled"] != of["exact"]
    assert {way: run.about["method"] for way, run in runs.items()} == {
        None: "exact trees", "exact": "exact trees", "sampled": "every coalition", "path-dependent": "path dependent"}
    assert runs["path-dependent"].attributions[0].base != pytest.approx(runs["exact"].attributions[0].base)
    assert "the training rows that the trees counted" in runs["path-dependent"].sentences[1]
    assert "nothing hangs on chance" in runs["path-dependent"].about["stable"]
    every = explained(boosted, table, way="path-dependent", rows=50)
    assert "the training rows that the trees counted" in every.sentences[0]


def test_what_was_kept_of_one_way_is_not_that_of_another(boosted, table, tmp_path) -> None:
    with Store(tmp_path / "kept.db") as store:
        first, other = (explained(boosted, table, row="loan-12", way=way, store=store) for way in ("exact", "path-dependent"))
    assert first.attributions[0].base != other.attributions[0].base


@pytest.mark.parametrize(("asked", "said"), [
    ({"way": "pathdependent"}, "path-dependent"),
    ({"way": "gradients"}, "no gradients"),
    ({"way": "exact", "quantity": "decision"}, "has no exact values"),
    ({"way": "path-dependent", "against": "label = 0"}, "no background"),
    ({"way": "exact", "disparity": "sex"}, "a way is of one row"),
    ({"way": "exact", "training_rows": True}, "a way is of one row"),
])
def test_a_way_that_there_is_not_is_refused(boosted, table, asked, said) -> None:
    with pytest.raises((ConfigError, UnknownNameError), match=said) as told:
        explained(boosted, table, **({"row": "loan-12"} if "disparity" not in asked else {}), **asked)
    assert "\n" not in str(told.value)[:60]


# a store that is locked or damaged, rows that are left out, names that are wrong ---------------------------------------------------


@pytest.mark.parametrize("damage", [b"\x01\x02\x03", np.full(6, -1.0).tobytes(), np.r_[1.0, -2.0, 0.1, 0.2, np.inf, 0.0].tobytes()])
def test_damaged_rows_of_a_store_are_computed_anew(logistic, table, tmp_path, damage) -> None:
    plain = explained(logistic, table, rows=10, quantity="decision")
    with Store(tmp_path / "s.db") as store:
        explained(logistic, table, rows=10, quantity="decision", store=store)
        store._database.execute("update assay_attribution set body = ?", [damage])
        assert explained(logistic, table, rows=10, quantity="decision", store=store).attributions[0].contributions == plain.attributions[0].contributions


@pytest.mark.parametrize("body", ["{}", "no json", "[1]", '{"columns": ["debts", "income"], "base": 0.5}', '{"columns": 3, "base": "x"}', b"\xff"])
def test_what_damaged_explanations_share_is_made_anew(logistic, table, tmp_path, body) -> None:
    plain = explained(logistic, table, row="loan-3")
    with Store(tmp_path / "s.db") as store:
        explained(logistic, table, row="loan-3", store=store)
        store._database.execute("update assay_explained set body = ?", [body])
        assert explained(logistic, table, row="loan-3", store=store).attributions[0].contributions == plain.attributions[0].contributions
        again = explained(logistic, table, row="loan-3", store=store)   # and what was put anew is whole
        assert again.attributions[0].contributions == plain.attributions[0].contributions
        assert again.cost.model_rows < plain.cost.model_rows or again.cost == plain.cost


@pytest.mark.parametrize("made", [True, False])
def test_a_store_that_another_process_holds_does_not_keep_back_the_explanation(logistic, table, tmp_path, monkeypatch, made) -> None:
    monkeypatch.setattr("assay.verbs.explain.explain._PATIENCE", 0.1)
    place = tmp_path / "s.db"
    plain = explained(logistic, table, row="loan-3")
    if made:
        Store(place).close()
    holder = sqlite3.connect(place, isolation_level=None)
    holder.execute("begin immediate" if made else "begin exclusive")
    began = time.monotonic()
    run = explained(logistic, table, row="loan-3", store=place)
    assert time.monotonic() - began < 10
    holder.execute("rollback")
    holder.close()
    assert run.attributions[0].contributions == plain.attributions[0].contributions
    assert any("kept" in each and "another process writes to the store" in each for each in run.notes)


def test_the_loss_of_rows_without_a_label_is_left_out_and_said(logistic, table) -> None:
    some = [value if place % 3 else None for place, value in enumerate(LABEL.tolist())]
    gaps = table.set_column(table.column_names.index("denied"), "denied", pa.array(some))
    run = explained(logistic, gaps, quantity="loss", rows=60, budget=6000)
    assert len(run.attributions[0].output) < 60
    assert any("have no label, and so no loss" in each for each in run.notes)
    none = table.set_column(table.column_names.index("denied"), "denied", pa.nulls(N, pa.int64()))
    with pytest.raises(DataError, match="none of the 60 rows that were drawn has a label"):
        explained(logistic, none, quantity="loss", rows=60)


def test_a_row_that_a_predicate_left_out_is_told_so(logistic, table) -> None:
    with pytest.raises(DataError, match=r"no row where town == 'a' has the number 'loan-1'"):
        explained(logistic, table, row="loan-1", where="town = 'a'")
    with pytest.raises(DataError, match=r"there is no row 900 where town == 'a'"):
        assay.explain(logistic, table, label="denied", features=["debts", "income"], row=900, where="town = 'a'")


def test_a_model_that_raises_what_no_model_should_is_a_sentence(table) -> None:
    def leaves(batch):
        raise GeneratorExit("gone")

    with pytest.raises(PredictionError, match="the model raised GeneratorExit"):
        assay.explain(leaves, table, task="regression", features=["debts"], row=1)

    def interrupts(batch):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):   # as from the keyboard: whoever presses it wants an end
        assay.explain(interrupts, table, task="regression", features=["debts"], row=1)
