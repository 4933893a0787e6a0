"""Behaviour tests of real models: faults that were put there are found, told small, and hidden where they are private."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import assay
from assay.data.source import source
from assay.errors import AssayError, ConfigError, UntrustedModelError
from assay.result import Run
from assay.verbs.behaviour.behaviour import behaviour, sample, verdicts_of


def people(n=1500, seed=0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"id": [f"p{each}" for each in range(n)], "income": rng.integers(10_000, 120_000, n), "debt": rng.uniform(0, 60, n),
                          "sex": rng.choice(["f", "m"], n), "town": rng.choice(["north", "south", "west"], n)})
    frame["paid"] = (frame["income"] / 1000 - frame["debt"] + rng.normal(0, 15, n) > 20).astype(int)
    return frame


ROLES = {"label": "paid", "id": "id", "protected": ["sex"]}


@pytest.fixture(scope="module")
def credit():
    """Gradient-boosted trees, and the same behind a rule that somebody added: women above 50,000 lose 0.2 outside the north."""
    rows = people()
    trees = HistGradientBoostingClassifier(max_iter=40, random_state=0, monotonic_cst=[1, -1]).fit(rows[["income", "debt"]], rows["paid"])

    def scored(batch: pa.RecordBatch):
        frame = batch.to_pandas()
        score = trees.predict_proba(frame[["income", "debt"]])[:, 1]
        harmed = (frame["sex"] == "f") & (frame["income"] >= 50_123) & (frame["town"] != "north")
        return np.where(harmed, score * 0.5, score)

    names = ["income", "debt", "sex", "town"]
    return rows, trees, assay.load(scored, task="binary", classes=[0, 1], features=names, name="credit")


def run(tests, model, data=None, **rest) -> Run:
    return behaviour({"columns": ROLES, "tests": tests if isinstance(tests, list) else [tests]}, model, data=data, **rest)


def test_a_model_that_is_built_monotone_passes(credit):
    rows, trees, _ = credit
    found = run({"name": "t", "kind": "direction", "change": {"income": {"add": [1, 500, 20_000]}}, "expect": "not lower"}, trees, rows)
    assert found.verdict == "pass"
    assert found.findings == ()
    value = found.values[0]
    assert (value.metric, value.value, value.n) == ("violations", 0.0, 500)
    assert 0 < value.high < 0.01
    assert found.cost.model_rows == 500 + 1500
    opposite = run({"name": "t", "kind": "direction", "change": {"income": {"add": 500}}, "expect": "not higher"}, trees, rows)
    assert opposite.verdict == "fail"


def test_a_rule_that_harms_is_found_at_its_edge(credit):
    """The rule begins at 50,123: told is the step there, and nothing of debt, which was changed too."""
    rows, _, model = credit
    test = {"name": "t", "kind": "direction", "change": {"income": {"add": [5_000, 40_000]}, "debt": {"add": [-1, -5]}}, "expect": "not lower",
            "where": "sex == 'f' and town == 'south' and income < 50123"}
    found = run(test, model, rows)
    assert found.verdict == "fail"
    for each in found.findings:
        assert set(each.contrast) == {"income"}
        assert 50_123 <= each.contrast["income"] <= 50_123 + 0.021 * (50_123 - each.input["income"]) + 2
        assert each.output[1] < each.output[0]
        assert each.input["row"].startswith("id p")
    assert re.search(r"smallest change: id p\d+ with income \d+ -> 50\d\d\d: the score goes from 0\.\d+ to 0\.\d+", found.verdicts[0].sentence)


def test_values_of_protected_columns_are_hidden_unless_asked_for(credit):
    rows, _, model = credit
    test = {"name": "t", "kind": "invariance", "change": {"sex": {"swap": ["f", "m"]}, "town": {"set": "west"}}, "of": "score", "tolerance": 0.05}
    hidden, shown = run(test, model, rows), run(test, model, rows, keep_rows=True)
    assert hidden.verdict == shown.verdict == "fail"
    assert hidden.findings[0].contrast == {"sex": "(hidden)"}
    assert "another sex (values hidden)" in hidden.verdicts[0].sentence
    assert not re.search(r"\bsex (f|m)\b|'(f|m)'|\"(f|m)\"", json.dumps(hidden.to_json()))
    assert shown.findings[0].contrast in ({"sex": "f"}, {"sex": "m"})
    assert set(shown.findings[0].input) == {*rows.columns, "row"}
    with_share = run({**test, "at_most": "90%"}, model, rows)
    assert with_share.verdict == "pass"
    assert with_share.findings == ()   # what is tolerated fails no run


def test_free_text_is_hidden_and_only_the_word_that_matters_is_changed():
    rng = np.random.default_rng(0)
    words = ["the parcel", "her order", "my payment", "his invoice", "a letter"]
    texts = [f"{rng.choice(words)} of Anna came late and Anna wrote to {rng.choice(words)}, number {each}" for each in range(60)]
    model = assay.load(lambda batch: [0.9 - 0.3 * (text.count("Mehmet") > 0) for text in batch.column("note").to_pylist()],
                       task="binary", classes=[0, 1], features=["note"], name="m")
    test = {"name": "t", "kind": "invariance", "change": {"note": {"replace": {"Anna": "Mehmet"}}}, "tolerance": 0.1}
    found = behaviour({"positive": 1, "tests": [test]}, model, data=pd.DataFrame({"note": texts}))
    assert found.verdict == "fail"
    assert "Anna" not in json.dumps(found.to_json())
    open_ = behaviour({"positive": 1, "tests": [test]}, model, data=pd.DataFrame({"note": texts}), keep_rows=True)
    assert all(each.contrast["note"].count("Mehmet") == 1 for each in open_.findings)   # of two words one is enough


def test_single_cases_and_what_may_vary(credit):
    model = credit[2]
    case = {"income": 110_000, "debt": 1.0, "sex": "m", "town": "south"}
    test = {"name": "t", "kind": "case", "cases": [case], "expect": "label == 1 and score >= 0.8",
            "change": {"debt": {"between": [0, 5]}, "town": {"set": ["north", "west"]}}, "draws": 100}
    assert run(test, model).verdict == "pass"
    found = run({**test, "change": {**test["change"], "sex": {"set": ["f", "m"]}}}, model)
    assert found.verdict == "fail"
    assert found.findings[0].contrast == {"sex": "f"}   # written in the file, so no secret; the rest did not matter
    assert found.values[0].n == 101
    stands = run({**test, "cases": [{**case, "sex": "f"}]}, model)
    assert "case 1 as it stands gets " in stands.verdicts[0].sentence


def test_minimum_functionality_is_judged_by_its_interval():
    iris = load_iris(as_frame=True)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(iris.data, iris.target)
    rows = iris.frame
    test = {"name": "t", "kind": "functionality", "at_least": "90%"}

    def verdict(data, **rest):
        return behaviour({"columns": {"label": "target"}, "tests": [{**test, **rest}]}, model, data=data).verdicts[0]

    assert verdict(rows).verdict == "pass"
    assert verdict(rows).value.value == pytest.approx(model.score(iris.data, iris.target))
    wrong = rows.assign(target=(rows["target"] + 1) % 3)
    assert verdict(wrong).verdict == "fail"
    few = verdict(rows.head(8))
    assert few.verdict == "inconclusive"
    assert few.rows_needed
    assert "would decide it" in few.sentence
    assert verdict(rows.head(8), at_least="100%").verdict == "pass"
    named = verdict(rows, expect="label == 2", where="`petal width (cm)` > 2")
    assert named.verdict in ("pass", "inconclusive")
    assert verdict(rows, expect="`score of 0` >= 0.99", where="`petal width (cm)` > 2").verdict == "fail"


def test_the_share_that_fails_is_that_of_a_naive_loop(credit):
    rows, trees, _ = credit
    few = rows.head(300)
    test = {"name": "t", "kind": "direction", "change": {"debt": {"add": [2, 7]}}, "expect": "lower", "tolerance": 0.01, "rows": 300}
    found = run(test, trees, few)
    score = trees.predict_proba(few[["income", "debt"]])[:, 1]
    fails = np.zeros(300, bool)
    for step in (2, 7):
        fails |= ~(trees.predict_proba(few[["income", "debt"]].assign(debt=few["debt"] + step))[:, 1] < score - 0.01)
    assert found.values[0].value == pytest.approx(fails.mean())
    assert all(len(each.contrast) == 1 for each in found.findings)   # the smallest change that lowers nothing is none: it is not shrunk


def test_lightgbm_and_numbers():
    lightgbm = pytest.importorskip("lightgbm")
    rng = np.random.default_rng(1)
    x = rng.uniform(0, 10, (800, 2))
    y = np.where(x[:, 0] > 6, 12 - x[:, 0], x[:, 0]) + 0.1 * x[:, 1]
    model = lightgbm.LGBMRegressor(n_estimators=60, verbose=-1, random_state=0).fit(pd.DataFrame(x, columns=["a", "b"]), y)
    data = pd.DataFrame(x[:200], columns=["a", "b"])
    test = {"name": "t", "kind": "direction", "change": {"a": {"add": [0.5, 3]}}, "expect": "not lower", "tolerance": 0.2}
    found = behaviour({"tests": [test]}, model, data=data)
    assert found.verdict == "fail"
    for each in found.findings:   # shrunk, and confirmed by the model itself
        base = data[(data["a"] == each.input["a"])].iloc[[0]]
        before, after = model.predict(base)[0], model.predict(base.assign(a=each.contrast["a"]))[0]
        assert after < before - 0.2
        assert (before, after) == pytest.approx(each.output)
        assert 0 < each.contrast["a"] - each.input["a"] <= 3


def test_a_model_that_refuses_is_an_error_of_that_test_only():
    cancer = load_breast_cancer(as_frame=True)
    model = LogisticRegression(max_iter=5000).fit(cancer.data.iloc[:, :5], cancer.target)
    tests = [{"name": "missing", "kind": "invariance", "change": {"mean area": {"drop": True}}},
             {"name": "tiny", "kind": "invariance", "change": {"mean area": {"multiply": 1.0001}}}]
    found = behaviour({"tests": tests}, model, data=cancer.data.iloc[:, :5])
    assert [each.verdict for each in found.verdicts] == ["error", "pass"]
    assert "NaN" in found.verdicts[0].sentence
    assert found.exit_code == 1


def test_what_cannot_be_changed_is_told_and_what_the_model_does_not_read(credit):
    rows, trees, _ = credit
    gone = run({"name": "t", "kind": "invariance", "change": {"town": {"swap": ["north", "south"]}}}, trees, rows.assign(town=None).astype({"town": "string"}))
    assert gone.verdict == "inconclusive"
    assert "none of 500 rows can be changed so" in gone.verdicts[0].sentence
    unread = run({"name": "t", "kind": "invariance", "change": {"sex": {"swap": ["f", "m"]}}}, trees, rows)
    assert unread.verdict == "pass"
    assert "the model does not read 'sex'" in unread.verdicts[0].sentence


@pytest.mark.parametrize(("change", "words"), [
    ({"change": {"incom": {"add": 1}}}, "did you mean 'income'"),
    ({"change": {"town": {"add": 1}}}, "changes numbers"),
    ({"of": "scor"}, "nothing of 'scor'"),
    ({"of": "label"}, "no direction"),
    ({"where": "incme > 3"}, "did you mean income"),
])
def test_a_test_that_does_not_fit_is_told_with_its_place(credit, tmp_path, change, words):
    rows, trees, _ = credit
    test = {"name": "t", "kind": "direction", "change": {"income": {"add": 1}}, "expect": "not lower"} | change
    path = tmp_path / "a.assay.yaml"
    path.write_text(json.dumps({"columns": ROLES, "tests": [test]}), "utf-8")
    with pytest.raises(AssayError, match=words) as caught:
        behaviour(path, trees, data=rows)
    assert "a.assay.yaml, line 1" in str(caught.value)


def test_conditions_are_predicates_on_the_answer(credit):
    trees = credit[1]
    test = {"name": "t", "kind": "case", "cases": [{"income": 50_000, "debt": 3}]}
    with pytest.raises(AssayError, match="did you mean score"):
        run({**test, "expect": "scre > 0.5"}, trees)
    with pytest.raises(AssayError, match="label"):
        run({**test, "expect": "label == 'yes'"}, trees)
    assert run({**test, "expect": "score between 0 and 1"}, trees).verdict == "pass"
    with pytest.raises(AssayError, match="income"):   # a case without an input of the model
        run({**test, "cases": [{"incme": 1, "debt": 3}], "expect": "score >= 0"}, trees)


def test_it_is_deterministic_and_other_tests_change_nothing(credit):
    rows, _, model = credit
    one = {"name": "one", "kind": "invariance", "change": {"debt": {"between": [0, 60]}}, "of": "score", "tolerance": 0.2, "rows": 80}
    two = {"name": "two", "kind": "direction", "change": {"income": {"add": 30_000}}, "expect": "not lower", "rows": 80}
    first, again, both = run(one, model, rows), run(one, model, rows), run([two, one], model, rows)
    assert first.verdicts == again.verdicts
    assert first.findings == again.findings
    assert both.verdicts[1].sentence == first.verdicts[0].sentence
    seeded = behaviour({"columns": ROLES, "seed": 9, "tests": [one]}, model, data=rows)
    assert seeded.findings != first.findings


def test_the_budget_is_kept_and_told(credit):
    rows, _, model = credit
    test = {"name": "t", "kind": "direction", "change": {"income": {"add": [5_000, 40_000]}}, "expect": "not lower"}
    found = behaviour({"columns": ROLES, "budget": 400, "tests": [test]}, model, data=rows)
    assert found.cost.model_rows <= 400
    assert found.values[0].n == 100
    assert "the budget allowed no more rows" in found.verdicts[0].sentence


def test_rows_of_one_entity_count_once():
    rows = pa.table({"x": list(range(100)), "who": [each // 10 for each in range(100)]})
    table, places = sample(source(rows, entity="who"), 50, (0, 1))
    assert sorted(table.column("who").to_pylist()) == list(range(10))
    assert places == table.column("x").to_pylist() == sorted(places)
    whole, _ = sample(source(rows), 50, (0, 1))
    assert whole.num_rows == 50
    assert sample(source(rows), 50, (0, 1))[1] != sample(source(rows), 50, (0, 2))[1]


def test_a_sample_of_many_batches_is_even():
    rows = pa.table({"x": np.arange(200_000)})
    table, places = sample(source(rows), 1000, (0, 1))
    assert table.num_rows == 1000
    assert places == table.column("x").to_pylist()
    assert abs(np.mean(places) / 100_000 - 1) < 0.06   # three standard errors


def test_files_models_and_paths(tmp_path, credit):
    rows, trees, _ = credit
    import skops.io

    skops.io.dump(trees, tmp_path / "m.skops")
    source_file = tmp_path / "rows.parquet"
    rows.to_parquet(source_file)
    spec = {"model": "m.skops", "data": "rows.parquet", "columns": ROLES,
            "tests": [{"name": "t", "kind": "direction", "change": {"income": {"add": 1000}}, "expect": "not lower"}]}
    (tmp_path / "a.assay.yaml").write_text(json.dumps(spec), "utf-8")
    (tmp_path / "b.assay.yaml").write_text(json.dumps({**spec, "tests": [{"name": "u", "kind": "functionality", "at_least": 0.5}]}), "utf-8")
    with pytest.raises(UntrustedModelError):   # the file of tests cannot allow it
        verdicts_of(tmp_path)
    found = verdicts_of(tmp_path, trust=True)
    assert [(each.check, each.verdict) for each in found] == [("t", "pass"), ("u", "pass")]
    assert found[0].model == "m.skops"
    assert verdicts_of([tmp_path / "a.assay.yaml"], assay.load(trees))[0].verdict == "pass"
    with pytest.raises(ConfigError, match="no model is named"):
        behaviour({"tests": [{"name": "t", "kind": "case", "cases": [{"x": 1}], "expect": "value > 0"}]})


@pytest.mark.parametrize("model", ["command:touch {mark}", "http://127.0.0.1:9/v2/models/m", {"uri": "command:touch {mark}"},
                                   {"router": {"by": "x", "1": "command:touch {mark}", "default": "command:touch {mark}"}}])
def test_an_address_in_a_file_needs_trust(tmp_path, model):
    mark = tmp_path / "ran"
    text = json.dumps({"model": model, "task": "regression", "tests": [{"name": "t", "kind": "case", "cases": [{"x": 1}], "expect": "value > 0"}]})
    (tmp_path / "a.assay.yaml").write_text(text.replace("{mark}", str(mark)), "utf-8")
    with pytest.raises(UntrustedModelError):
        behaviour(tmp_path / "a.assay.yaml")
    assert not mark.exists()


def test_a_run_is_rendered_and_comes_back(credit, tmp_path):
    rows, _, model = credit
    found = run({"name": "a <b> & c", "kind": "invariance", "change": {"sex": {"swap": ["f", "m"]}}, "tolerance": 0.05}, model, rows)
    assert Run.from_json(found.to_json()).verdicts == found.verdicts
    for name in ("r.md", "r.xml", "r.json"):
        assert "&lt;b&gt;" in found.save(tmp_path / name).read_text("utf-8") or name == "r.json"


def test_a_forest_without_labels_is_asked_for_its_value():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"x": rng.normal(size=200), "y": rng.normal(size=200)})
    model = RandomForestRegressor(n_estimators=10, random_state=0).fit(data, data["x"] ** 2)
    found = behaviour({"tests": [{"name": "t", "kind": "case", "where": "x between -1 and 1", "expect": "value < 2"},
                                 {"name": "u", "kind": "invariance", "change": {"y": {"add": [-1, 1]}}, "tolerance": 0.5}]}, model, data=data)
    assert [each.verdict for each in found.verdicts] == ["pass", "pass"]
