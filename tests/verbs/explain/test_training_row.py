"""Which training rows led to an answer, asked as users ask: by verb and by command."""

from __future__ import annotations

import json

import joblib
import lightgbm
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LinearRegression

import assay
from assay.errors import ConfigError, SignatureError
from assay.verbs.explain.explain import explain


def loans(n: int, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    income, debt = rng.normal(50, 15, n), rng.uniform(0, 1, n)
    state = rng.choice(["CA", "NY", "TX"], n)
    approved = ((income - 40 * debt + rng.normal(0, 5, n)) > 30).astype(int)
    desk = rng.choice(["north", "east", "south", "west", "post"], n, p=[0.15, 0.2, 0.2, 0.2, 0.25])   # the model does not see it
    return pa.table({"loan": np.arange(n) + 1000, "income": income, "debt": debt, "state": state, "approved": approved, "desk": desk})


TRAIN, DATA = loans(1500, 0), loans(400, 1).drop_columns(["desk"])
WRONG = np.asarray(TRAIN["desk"].to_numpy(zero_copy_only=False) == "north") & (np.random.default_rng(5).random(1500) < 0.7)
SPOILED = TRAIN.set_column(4, "approved", pa.array(np.where(WRONG, 1 - TRAIN["approved"].to_numpy(), TRAIN["approved"].to_numpy())))
ROLES = {"label": "approved", "id": "loan"}
INPUTS = ["income", "debt", "state"]


def which(value) -> int:
    """The row that a value speaks of, as its note tells scripts."""
    return int(value.note.partition(";")[0].partition("=")[2])


@pytest.fixture(scope="module")
def model():
    x = SPOILED.select(INPUTS).to_pandas().assign(state=lambda frame: frame["state"].astype("category"))
    return lightgbm.LGBMClassifier(n_estimators=40, num_leaves=15, verbose=-1, n_jobs=1).fit(x, SPOILED["approved"].to_numpy())


def test_the_rows_behind_one_answer_are_named_with_their_labels(model):
    run = explain(model, DATA, train=SPOILED, row=1007, training_rows=True, **ROLES)
    assert run.sentences[0].startswith("loan 1007: of 1,500 training rows, the log-odds of approved = 1 was raised most by loan ")
    assert "(approved = 1)" in run.sentences[0]
    assert "rows with approved = 0" in run.sentences[1]
    assert run.sentences[2].startswith("by BoostIn: trees are taken to keep their shape")
    first = run.values[0]
    assert first.metric == "training influence"
    label = SPOILED["approved"][which(first) - 1000].as_py()
    assert first.column == f"loan {which(first)} (approved = {label})"
    row = SPOILED.slice(which(first) - 1000, 1).to_pylist()[0]
    inputs = f"income={row['income']:.3g}; debt={row['debt']:.3g}; state={row['state']}"
    assert first.note == f"loan={which(first)}; approved={label}; {inputs}"
    assert (first.value > 0) == (label == 1)
    moved = [each.value for each in run.values]
    assert moved[:10] == sorted(moved[:10], reverse=True)
    assert min(moved[:10]) > 0 > max(moved[10:])            # those that raised the answer, then those that lowered it
    assert moved[10:] == sorted(moved[10:])
    assert f"debt = {DATA['debt'][7].as_py():.3g}" in run.notes[0]
    assert run.exit_code == 0
    assert run.about["training rows"] == 1500


def test_the_part_of_the_data_that_spoiled_a_segment_comes_first(model):
    run = explain(model, DATA, train=SPOILED, training_rows=True, among="state = 'TX'", **ROLES)
    groups = [each for each in run.values if each.metric == "harm of training rows"]
    assert "where state = 'TX' was raised by the training rows with desk = 'north'" in run.sentences[0]
    assert groups[0].column == "desk = 'north'"
    assert groups[0].low > 0


def test_wrong_labels_come_first(model):
    run = explain(model, DATA, train=SPOILED, training_rows=True, **ROLES)
    suspects = [each for each in run.values if each.metric == "suspicion of label"]
    assert len(suspects) == 20
    assert np.mean([WRONG[which(each) - 1000] for each in suspects]) > 0.8   # of 10 % in all
    said = next(each for each in run.sentences if each.startswith("the labels that fit least"))
    assert "of all training labels look wrong" in said


def test_numbers_and_their_loss_are_traced_exactly():
    data = pa.table({"x": np.arange(60.0), "z": np.cos(np.arange(60.0)), "y": np.arange(60.0) * 2 + np.sin(np.arange(60.0))})
    fitted = LinearRegression().fit(np.column_stack([data["x"], data["z"]]), data["y"])
    without = np.delete(np.arange(60), 4)
    again = LinearRegression().fit(np.column_stack([data["x"], data["z"]])[without], data["y"].to_numpy()[without])
    model = assay.load(fitted, features=["x", "z"])
    one = np.array([[data["x"][9].as_py(), data["z"][9].as_py()]])
    run = explain(model, data, train=data, row=9, training_rows=True, label="y")
    named = {which(each): each.value for each in run.values}
    found = assay.explain(model, data, train=data, row=9, training_rows=True, label="y", quantity="loss")
    assert run.sentences[-1].startswith("by leave-one-out: exact")
    assert named[4] == pytest.approx(float(fitted.predict(one)[0] - again.predict(one)[0]), abs=1e-9)
    assert found.about["quantity"] == "half squared error"
    assert "row 9" in found.sentences[0]


def test_rows_without_a_label_are_left_out_and_said(model):
    gaps = SPOILED.set_column(4, "approved", pa.array([None if place < 30 else each for place, each in enumerate(
        SPOILED["approved"].to_pylist())], pa.int64()))
    run = explain(model, DATA, train=gaps, row=1007, training_rows=True, **ROLES)
    assert "30 training rows without a label are left out" in run.notes
    assert all(which(each) >= 1030 for each in run.values)


def test_what_cannot_be_asked_is_told(model):
    with pytest.raises(ConfigError, match="no training data"):
        explain(model, DATA, row=1007, training_rows=True, **ROLES)
    with pytest.raises(ConfigError, match="among"):
        explain(model, DATA, train=SPOILED, row=1007, training_rows=True, among="debt > 0.5", **ROLES)
    with pytest.raises(ConfigError, match="no label"):
        explain(model, DATA, train=SPOILED.drop_columns(["approved"]), row=1007, training_rows=True, id="loan")


def test_of_several_classes_the_predicted_one_is_traced_and_a_missing_column_is_told():
    three = np.digitize(TRAIN["income"].to_numpy(), [40, 60])
    data = TRAIN.select(["loan", "income", "debt"]).append_column("grade", pa.array(three))
    fitted = lightgbm.LGBMClassifier(n_estimators=10, num_leaves=7, verbose=-1, n_jobs=1).fit(data.select(["income", "debt"]).to_pandas(), three)
    run = explain(fitted, data, train=data, row=1000, training_rows=True, label="grade", id="loan")
    assert f"the margin of grade = {int(three[0])} was" in run.sentences[0]
    with pytest.raises(SignatureError, match="debt"):
        explain(fitted, data, train=data.drop_columns(["debt"]), row=1000, training_rows=True, label="grade", id="loan")


def test_the_command_says_it_and_writes_it(model, tmp_path, capsys):
    from assay.app.command import main

    joblib.dump(model, tmp_path / "model.joblib")
    pq.write_table(DATA, tmp_path / "data.parquet")
    pq.write_table(SPOILED, tmp_path / "train.parquet")
    shared = ["explain", "--model", str(tmp_path / "model.joblib"), "--trust", "--data", str(tmp_path / "data.parquet"), "--train",
              str(tmp_path / "train.parquet"), "--label", "approved", "--id", "loan", "--training-rows", "--no-progress"]

    def asked(*more: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main([*shared, *more])
        return ended.value.code, capsys.readouterr().out

    code, shown = asked("--row", "1007", "--json", str(tmp_path / "run.json"))
    assert code == 0
    assert "raised most by loan" in " ".join(shown.split())
    assert "training influence" in shown
    assert json.loads((tmp_path / "run.json").read_text())["sentences"][0].startswith("loan 1007")
    code, shown = asked("--among", "state = 'TX'", "--quiet")
    assert code == 0
    assert "was raised by the training rows with desk = 'north'" in " ".join(shown.split())
    assert asked("--global")[0] == 2
