"""The verb and the command on models whose fault is known: what is said, what is judged, what cannot be attacked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import assay
from assay.app.state import State
from assay.app.tree import run as command
from assay.errors import AssayError
from assay.result import Run
from assay.verbs.probe.robustness import probe_robustness

RNG = np.random.default_rng(0)
PEOPLE = pa.table({"income": RNG.integers(0, 200, 600), "years": RNG.uniform(0, 30, 600).round(1), "job": RNG.choice(["cook", "clerk", "vet"], 600)})
PEOPLE = PEOPLE.append_column("paid", pa.array(["yes" if income > 90 else "no" for income in PEOPLE["income"].to_pylist()]))
FEW: dict[str, Any] = {"budget": 20_000, "rows": 60}


def lending(batch: pa.RecordBatch) -> list[str]:
    return ["yes" if income is not None and income > (95 if job == "cook" else 90) else "no"
            for income, job in zip(batch.column("income").to_pylist(), batch.column("job").to_pylist(), strict=True)]


def loans(function: Any = lending, **rest: Any) -> Any:
    return assay.load(function, **{"task": "binary", "classes": ["no", "yes"], "features": ["income", "years", "job"], "name": "loans", **rest})


def test_the_smallest_changes_are_found_told_and_judged() -> None:
    run = probe_robustness(loans(), PEOPLE, label="paid", positive="yes", at_most=0.01, within=0.3, **FEW)
    assert run.verdict == "fail"
    assert run.exit_code == 1
    for each in run.findings:   # each is a true flip
        rows = [{**each.input, **side} for side in ({}, each.contrast)]
        schema = pa.schema([PEOPLE.schema.field(name) for name in each.input])
        assert lending(pa.RecordBatch.from_pylist(rows, schema=schema)) == list(each.output)
        assert "and nothing else" in each.sentence
        assert set(each.contrast) <= {"income", "job"}
    values = {(each.metric, each.column, tuple(each.options.values())): each for each in run.values}
    noise = values["agreement", None, ("noise", 0.1)]
    assert noise.low < 1
    assert values["agreement", "years", ("noise", 0.1)].value == 1   # the model does not read it
    assert values["flipped share", None, (3.0,)].value == 1
    assert any(each.metric == "accuracy lost" for each in run.values)
    assert {each.kind for each in run.figures} == {"line", "interval"}
    assert Run.from_json(json.loads(json.dumps(run.to_json()))) == run
    again = probe_robustness(loans(), PEOPLE, label="paid", positive="yes", at_most=0.01, within=0.3, **FEW)
    assert [each.sentence for each in again.findings] == [each.sentence for each in run.findings]


def test_nothing_is_judged_without_a_bound_and_what_is_fixed_stays() -> None:
    run = probe_robustness(loans(), PEOPLE, label="paid", positive="yes", fixed=["income"], **FEW)
    assert (run.verdict, run.exit_code, run.findings) == ("pass", 0, ())
    assert not run.verdicts
    assert any("nothing was judged" in each for each in run.notes)
    assert not any("income 9" in each for each in run.sentences)
    held = probe_robustness(loans(), PEOPLE, label="paid", positive="yes", at_least=0.5, **FEW)
    assert held.verdict == "pass"
    broken = probe_robustness(loans(), PEOPLE, label="paid", positive="yes", at_least=0.999, severity=1.0, **FEW)
    assert broken.verdict == "fail"


def test_a_constant_model_and_one_that_refuses_missing_values_are_told() -> None:
    run = probe_robustness(loans(lambda batch: ["no"] * batch.num_rows), PEOPLE, positive="yes", **{**FEW, "rows": 20}, ignored=["paid"])
    assert any("the model answers 'no' to each" in each for each in run.notes)
    assert "no change that was tried flips" in run.sentences[0]

    def strict(batch: pa.RecordBatch) -> list[str]:
        if batch.column("income").null_count:
            raise ValueError("income is missing")
        return lending(batch)

    run = probe_robustness(loans(strict), PEOPLE, positive="yes", **{**FEW, "rows": 20}, ignored=["paid"])
    assert any("does not answer where 'income' is missing" in each for each in run.notes)


def test_numbers_are_compared_by_a_difference() -> None:
    def price(batch: pa.RecordBatch) -> list[float]:
        return [2.0 * each for each in batch.column("income").to_pylist()]

    model = assay.load(price, task="regression", features=["income"], name="price")
    run = probe_robustness(model, PEOPLE.select(["income"]), difference=10, at_most=0.5, within=0.2, **FEW)
    assert run.verdict == "fail"
    assert min(abs(each.contrast["income"] - each.input["income"]) for each in run.findings) == 5
    with pytest.raises(AssayError, match="difference"):
        probe_robustness(model, PEOPLE.select(["income"]), **FEW)


def test_texts_are_reworded() -> None:
    texts = [f"the {word} plot of number {place} was {other} to watch" for place, (word, other) in
             enumerate([("good", "fine"), ("bad", "dull")] * 40)]

    def stars(batch: pa.RecordBatch) -> list[str]:
        return ["up" if "good" in text else "down" for text in batch.column("text").to_pylist()]

    model = assay.load(stars, task="binary", classes=["down", "up"], features=["text"], name="stars")
    run = probe_robustness(model, pa.table({"text": texts}), positive="up", synonyms={"good": ["decent"]}, at_most=0.1, **FEW)
    assert run.verdict == "fail"
    assert "'decent' in place of 'good'" in run.findings[0].sentence
    assert any(each.options.get("kind") == "typos" for each in run.values)


@pytest.mark.slow
def test_images_are_attacked() -> None:
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    images, labels = load_digits(return_X_y=True)
    fitted = LogisticRegression(max_iter=200).fit(images[:800] / 16, labels[:800])

    def read(batch: pa.RecordBatch) -> Any:
        return fitted.predict_proba(np.array(batch.column("image").to_pylist()))

    model = assay.load(read, task="multiclass", classes=list(range(10)), features=["image"], name="digits")
    data = pa.table({"image": pa.array((images[800:900] / 16).tolist(), pa.list_(pa.float64(), 64)), "digit": labels[800:900]})
    run = probe_robustness(model, data, label="digit", at_most=0.01, within=0.2, budget=8_000, rows=12)
    assert run.verdict == "fail"
    assert {each.options["kind"] for each in run.values if each.metric == "agreement"} == {"noise", "blur", "brightness"}
    assert "squares of pixels" in run.sentences[0]


def test_bad_input_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for data, given in ((PEOPLE.slice(0, 3), {}), (PEOPLE, {"fixed": ["incom"]}), (PEOPLE, {"fixed": ["income", "years", "job"]}),
                        (PEOPLE, {"within": 0}), (PEOPLE, {"at_most": 2}), (PEOPLE, {"budget": 10}), (PEOPLE, {"lable": "paid"})):
        with pytest.raises(AssayError):
            probe_robustness(loans(), data, **{"label": "paid", "positive": "yes", **given})
    pq.write_table(PEOPLE, tmp_path / "people.parquet")
    with pytest.raises(AssayError, match="no model"):
        command(["probe", "robustness", "--data", str(tmp_path / "people.parquet"), "--label", "paid"], State())


def test_the_command_writes_what_it_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import joblib
    from sklearn.tree import DecisionTreeClassifier

    frame = PEOPLE.select(["income", "years"]).to_pandas()
    joblib.dump(DecisionTreeClassifier(max_depth=3, random_state=0).fit(frame, PEOPLE["paid"].to_pandas()), tmp_path / "m.joblib")
    pq.write_table(PEOPLE.drop_columns(["job"]), tmp_path / "people.parquet")
    code = command(["probe", "robustness", "--model", str(tmp_path / "m.joblib"), "--trust", "--data", str(tmp_path / "people.parquet"),
                    "--label", "paid", "--positive", "yes", "--at-most", "0.01", "--within", "0.5", "--attacked", "40", "--budget", "8000",
                    "--change", "income=increase", "--html", str(tmp_path / "r.html"), "--json", str(tmp_path / "r.json")], State())
    shown = capsys.readouterr().out
    assert code == 1
    assert "and nothing else" in shown
    written = json.loads((tmp_path / "r.json").read_text())
    assert written["verdict"] == "fail"
    assert all(each["contrast"]["income"] > each["input"]["income"] for each in written["findings"])
    assert "curve noise" in (tmp_path / "r.html").read_text()
