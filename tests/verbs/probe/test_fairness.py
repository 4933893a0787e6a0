"""The verb and the command on models whose fault is known: what is said, what is judged, and what cannot be probed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assay
from assay.app.state import State
from assay.app.tree import run as command
from assay.errors import AssayError
from assay.result import Run
from assay.verbs.probe.fairness import probe

RNG = np.random.default_rng(0)
PEOPLE = pa.table({"income": RNG.integers(0, 200, 800), "years": RNG.uniform(0, 30, 800).round(2), "job": RNG.choice(["cook", "clerk", "vet"], 800),
                   "sex": RNG.choice(["f", "m"], 800), "age": RNG.integers(18, 90, 800)})


def lending(batch: pa.RecordBatch) -> list[str]:
    """Asks more of women who are cooks."""
    columns = zip(batch.column("income").to_pylist(), batch.column("job").to_pylist(), batch.column("sex").to_pylist(), strict=True)
    return ["yes" if income >= (120 if sex == "f" and job == "cook" else 90) else "no" for income, job, sex in columns]


def loans(function: Any = lending, **rest: Any) -> Any:
    return assay.load(function, **{"task": "binary", "classes": ["no", "yes"], "features": list(PEOPLE.column_names), "name": "loans", **rest})


def test_the_fault_is_found_told_and_judged() -> None:
    run = probe(loans(), PEOPLE, protected="sex", positive="yes", budget=4_000)
    assert run.verdict == "fail"
    assert run.exit_code == 1
    assert run.findings[0].sentence.startswith("'yes' with sex = m, 'no' with sex = f: ")
    for each in run.findings:   # each is a true pair
        rows = [{**each.input, **side} for side in ({}, each.contrast)]
        assert lending(pa.RecordBatch.from_pylist(rows, schema=PEOPLE.schema)) == list(each.output)
        assert each.input["job"] == "cook"
    shares = {each.options["of"]: each for each in run.values if each.metric == "discriminatory share"}
    truth = float(np.mean([job == "cook" and 90 <= income < 120 for income, job in zip(*PEOPLE.select(["income", "job"]).to_pydict().values(),
                                                                                       strict=True)]))
    assert shares["rows"].value == pytest.approx(truth)
    assert shares["space"].low <= 30 / 200 / 3 <= shares["space"].high
    assert Run.from_json(json.loads(json.dumps(run.to_json()))) == run
    again = probe(loans(), PEOPLE, protected="sex", positive="yes", budget=4_000, method=str(run.about["method"]))   # type: ignore[arg-type]
    assert [each.sentence for each in again.findings] == [each.sentence for each in run.findings]


def test_a_bound_judges_the_share_of_rows() -> None:
    share = next(each for each in probe(loans(), PEOPLE, protected="sex", positive="yes", budget=1_000).values if each.options.get("of") == "rows")
    for bound, outcome in ((0.001, "fail"), (share.value, "inconclusive"), (0.2, "pass")):
        assert probe(loans(), PEOPLE, protected="sex", positive="yes", budget=1_000, at_most=bound).verdict == outcome


def test_nothing_found_says_what_may_be_left() -> None:
    fair = loans(lambda batch: ["yes" if each > 90 else "no" for each in batch.column("income").to_pylist()])
    run = probe(fair, PEOPLE, protected=["sex", "age"], positive="yes", budget=2_000)
    assert run.verdict == "pass"
    assert run.sentences[0] == "no violation in 2,000 tests"
    assert "at most 0.37 % with 95 % confidence" in run.sentences[1]
    assert run.about["protected values"] == 18


def test_a_model_that_does_not_take_the_column_passes() -> None:
    model = loans(lambda batch: ["yes" if each > 90 else "no" for each in batch.column("income").to_pylist()], features=["income", "years"])
    run = probe(model, PEOPLE, protected="sex", positive="yes", budget=1_000)
    assert run.verdict == "pass"
    assert run.sentences == ("the model does not take 'sex': two inputs that differ only there always get the same answer",)


def test_declared_ranges_and_small_spaces_are_exact() -> None:
    model = loans(features=["income", "job", "sex"])
    run = probe(model, PEOPLE, protected="sex", positive="yes", ranges={"income": [80, 129], "job": ["cook", "vet"]})
    assert run.about["stopped"] == "exhausted"
    share = next(each for each in run.values if each.options.get("of") == "space")
    assert (share.value, share.low, share.n) == (0.3, 0.3, 100)
    assert run.sentences[0] == "all 100 inputs were asked: 30 are answered otherwise with another 'sex'"


def test_numbers_are_compared_by_a_difference() -> None:
    model = loans(lambda batch: [income + (9.0 if sex == "m" else 0.0) for income, sex in zip(batch.column("income").to_pylist(),
                                 batch.column("sex").to_pylist(), strict=True)], task="regression", classes=None)
    assert probe(model, PEOPLE, protected="sex", difference=10, budget=500).verdict == "pass"
    run = probe(model, PEOPLE, protected="sex", difference=8, budget=500)
    assert run.verdict == "fail"
    assert run.findings[0].output[0] - run.findings[0].output[1] == 9


def test_near_rows_of_the_data() -> None:
    run = probe(loans(), PEOPLE, protected="sex", positive="yes", budget=2_000, near=True)
    assert run.verdict == "fail"
    assert float(str(run.about["distance to the nearest row"]).rpartition(" ")[2]) <= float(run.about["radius"]) + 0.001   # type: ignore[arg-type]


@pytest.mark.parametrize(("given", "said"), [
    ({}, "no protected column is named"),
    ({"protected": "gender"}, "gender"),
    ({"protected": "sex", "ranges": {"incme": [0, 1]}}, "did you mean 'income'"),
    ({"protected": "sex", "budget": 5}, "finds nothing"),
    ({"protected": "sex", "difference": 0.1}, "answers classes only"),
    ({"protected": "sex", "ranges": {"sex": ["f"]}}, "has one value only"),
    ({"protected": ["sex", "age", "job", "years"]}, "combinations"),
    ({"protected": "sex", "lable": "job"}, "did you mean 'label'"),
])
def test_what_cannot_be_probed_is_told(given: dict[str, Any], said: str) -> None:
    with pytest.raises(AssayError, match=said):
        probe(loans(), PEOPLE, positive="yes", **given)


@given(st.integers(0, 199), st.integers(1, 40), st.integers(0, 3))
@settings(max_examples=8, deadline=None)
def test_the_search_finds_a_fault_wherever_it_is(low: int, width: int, seed: int) -> None:
    def decide(batch: pa.RecordBatch) -> Any:
        income, sex = batch.column("income").to_numpy(), np.array(batch.column("sex").to_pylist())
        return np.where((sex == "f") & (income >= low) & (income < low + width), "no", "yes")

    run = probe(loans(decide), PEOPLE, protected="sex", positive="yes", budget=1_000, seed=seed)
    assert run.verdict == "fail"
    assert all(low <= each.input["income"] < low + width for each in run.findings)


def test_the_command_writes_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from skops.io import dump

    x = np.column_stack([PEOPLE.column("income"), PEOPLE.column("sex").to_pandas() == "f"]).astype(float)
    label = np.array([each == "yes" for each in lending(PEOPLE.to_batches()[0])])
    people = pa.table({"income": x[:, 0], "female": x[:, 1], "label": label.astype(int)})
    import pyarrow.parquet as pq

    pq.write_table(people, tmp_path / "people.parquet")
    dump(HistGradientBoostingClassifier(random_state=0).fit(x, label.astype(int)), tmp_path / "model.skops")
    (tmp_path / "assay.yaml").write_text("model: model.skops\ndata: people.parquet\ncolumns: {label: label, protected: [female]}\n"
                                         "features: [income, female]\nranges: {income: [0, 199]}\n", "utf-8")
    code = command(["probe", "fairness", str(tmp_path / "assay.yaml"), "--budget", "2000", "--json", str(tmp_path / "run.json"),
                    "--html", str(tmp_path / "run.html"), "--plain", "--trust"], State())
    run = Run.from_json(json.loads((tmp_path / "run.json").read_text("utf-8")))
    assert code == run.exit_code
    shown = capsys.readouterr().out
    assert run.sentences[0].split(":")[0] in " ".join(shown.split())
    assert run.about["stopped"] == "exhausted"
    assert (tmp_path / "run.html").stat().st_size > 10_000


def test_groups_that_are_small_missing_or_many_are_named() -> None:
    women = pa.compute.equal(PEOPLE["sex"], "f")
    few = pa.concat_tables([PEOPLE.filter(women), PEOPLE.filter(pa.compute.invert(women)).slice(0, 3)])
    notes = " ".join(probe(loans(), few, protected="sex", positive="yes", budget=300).notes)
    assert "3 with m" in notes
    lost = PEOPLE.set_column(3, "sex", pa.array([None if place % 4 == 0 else each for place, each in enumerate(PEOPLE["sex"].to_pylist())]))
    notes = " ".join(probe(loans(), lost, protected="sex", positive="yes", budget=300).notes)
    assert "200 of 800 rows have no value of 'sex'" in notes
    notes = " ".join(probe(loans(), PEOPLE, protected="years", positive="yes", budget=300).notes)
    assert "'years' has many values: each input is asked with 9 of them" in notes
    with pytest.raises(AssayError, match="one value only, f"):
        probe(loans(), PEOPLE.filter(women), protected="sex", positive="yes", budget=300)
    with pytest.raises(AssayError, match="no column 'gender'"):
        probe(loans(), PEOPLE, protected="gender", positive="yes", budget=300)
    with pytest.raises(AssayError, match="seconds"):
        probe(loans(), PEOPLE, protected="sex", positive="yes", budget=300, proof=-1)


def test_a_forest_is_proved_within_the_time() -> None:
    from sklearn.ensemble import RandomForestClassifier

    table = PEOPLE.select(["income", "age"]).append_column("sex", pa.array([int(each == "f") for each in PEOPLE["sex"].to_pylist()]))
    x = np.stack([each.to_numpy() for each in table.columns], axis=1)
    forest = RandomForestClassifier(5, max_depth=3, random_state=0).fit(x, (x[:, 0] > 90 + 30 * x[:, 2]).astype(int))
    model = assay.load(forest, features=table.column_names)
    run = probe(model, table, protected="sex", budget=1_000)
    proved = next(each for each in run.values if each.options.get("of") == "space, proved")
    assert proved.method == "certificate (trees)"
    assert any("the 5 trees were read" in each for each in run.sentences)
    whole = probe(model, table, protected="sex", budget=100_000)   # every input is asked
    exact = next(each for each in whole.values if each.options.get("of") == "space")
    assert proved.low - 1e-9 <= exact.value <= proved.high + 1e-9
    assert all(each.options.get("of") != "space, proved" for each in probe(model, table, protected="sex", budget=1_000, proof=0).values)


def test_a_model_that_answers_at_random_is_no_finding() -> None:
    rng = np.random.default_rng(0)
    table = pa.table({"x": list(range(20)) * 10, "z": list(range(10)) * 20, "sex": ["f", "m"] * 100})
    lots = assay.load(lambda batch: rng.integers(0, 2, batch.num_rows).tolist(), task="binary", classes=[0, 1], features=["x", "z", "sex"])
    run = probe(lots, table, protected="sex", budget=300)
    assert (run.verdict, run.exit_code, run.findings) == ("inconclusive", 3, ())
    assert run.sentences[0].startswith("the model answers the same input otherwise when it is asked again (")

    def nearly(batch: pa.RecordBatch) -> list[int]:   # one answer in a hundred is chance, what sex does is none
        right = np.array([(x > 5) == (sex == "f") for x, sex in zip(batch["x"].to_pylist(), batch["sex"].to_pylist(), strict=True)])
        return np.where(rng.random(len(right)) < 0.01, ~right, right).astype(int).tolist()

    run = probe(assay.load(nearly, task="binary", classes=[0, 1], features=["x", "z", "sex"]), table, protected="sex", budget=300)
    assert run.verdict == "fail"
    assert any("does not always answer alike" in each for each in run.notes)


def test_three_rows_allow_what_they_allow_and_hints_name_the_option() -> None:
    table = pa.table({"x": [1, 5, 9], "sex": ["f", "m", "m"]})
    model = assay.load(lambda batch: [int(each > 4) for each in batch["x"].to_pylist()], task="binary", classes=[0, 1], features=["x", "sex"])
    run = probe(model, table, protected="sex", budget=100)
    assert any(each.startswith("3 rows show few of the values there are") and "--range x=0..100" in each for each in run.notes)
    assert not any("learned" in each for each in run.notes)
    for some, hint in ((table.slice(0, 1), r"--range sex=f|..., or ranges: in assay.yaml; or leave fewer rows out \(--where\)"),
                       (table.set_column(0, "x", pa.nulls(3, pa.float64())), "--range x=0..100")):
        with pytest.raises(AssayError, match=hint):
            probe(model, some, protected="sex", budget=100)


def test_whole_numbers_beyond_what_floats_hold_are_searched() -> None:
    huge = pa.table({"x": [2**62 + 5_000 * each for each in range(60)], "sex": ["f", "m"] * 30})
    model = assay.load(lambda batch: [int(each == "f") for each in batch["sex"].to_pylist()], task="binary", classes=[0, 1], features=["x", "sex"])
    assert probe(model, huge, protected="sex", budget=100).verdict == "fail"


def test_rows_beyond_a_declared_range_are_no_rows_of_it() -> None:
    table = pa.table({"x": list(range(100)), "sex": ["f", "m"] * 50})
    model = assay.load(lambda batch: [int(each > 50) for each in batch["x"].to_pylist()], task="binary", classes=[0, 1], features=["x", "sex"])
    run = probe(model, table, protected="sex", budget=100, ranges={"x": [0, 9]})
    assert next(each.n for each in run.values if each.options.get("of") == "rows") == 10
    assert any(each.startswith("90 of 100 rows lack a value or have one that is not listed") for each in run.notes)
