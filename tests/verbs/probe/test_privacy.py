"""The verb and the command on models that keep what they learned, and on models that do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import assay
from assay.app.state import State
from assay.app.tree import run as command
from assay.errors import AssayError
from assay.result import Run
from assay.verbs.probe.privacy import probe_privacy

RNG = np.random.default_rng(1)


def people(count: int) -> pa.Table:
    x, z = RNG.normal(size=(2, count)).round(4)
    return pa.table({"x": x, "z": z, "w": RNG.normal(size=count).round(4), "sick": RNG.integers(0, 2, count),
                     "y": (x + RNG.normal(0, 1, count) > 0).astype(int)})


SEEN, UNSEEN = people(300), people(300)


def fitted(leaf: int, *, columns: tuple[str, ...] = ("x", "z", "w")) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(20, min_samples_leaf=leaf, random_state=0).fit(SEEN.select(columns).to_pandas(), SEEN["y"])


def test_what_was_learned_by_heart_is_told_and_judged() -> None:
    run = probe_privacy(fitted(1), UNSEEN, train=SEEN, label="y", ignored=["sick"], models=4, at_most=0.13, rate=0.1)
    values = {(each.metric, *each.options.values()): each for each in run.values}
    assert values["membership auc", "loss"].low > 0.65
    assert values["membership auc", "reference models"].low > 0.65
    assert run.verdict == "fail"
    assert run.exit_code == 1
    assert "AUC" in run.findings[-1].sentence
    assert {each.kind for each in run.figures} == {"line"}
    assert Run.from_json(json.loads(json.dumps(run.to_json()))) == run


def test_a_model_that_saw_neither_gives_nothing_away() -> None:
    run = probe_privacy(fitted(1), UNSEEN.slice(0, 150), train=UNSEEN.slice(150), label="y", ignored=["sick"], models=0, at_most=0.2, rate=0.1)
    auc = next(each for each in run.values if each.metric == "membership auc")
    assert auc.low <= 0.5 <= auc.high
    assert run.verdict in ("pass", "inconclusive")
    assert "no better than by chance" in run.sentences[0]


def test_a_sensitive_column_is_inferred_where_the_answer_hangs_on_it() -> None:
    def tells(batch: pa.RecordBatch) -> list[float]:
        return [0.8 if each else 0.3 for each in batch.column("sick").to_pylist()]

    model = assay.load(tells, task="binary", classes=[0, 1], features=["x", "sick"], name="m")
    run = probe_privacy(model, UNSEEN.slice(0, 80), train=SEEN.slice(0, 80), label="y", sensitive="sick", models=0)
    gain = {each.options["of"]: each for each in run.values if each.metric == "inference gained"}
    assert gain["train"].low > 0.15
    assert gain["data"].low > 0.15


@pytest.mark.slow
def test_a_sensitive_column_is_not_inferred_from_answers_that_do_not_hang_on_it() -> None:
    def silent(batch: pa.RecordBatch) -> list[float]:
        return [0.8 if each > 0 else 0.3 for each in batch.column("x").to_pylist()]

    model = assay.load(silent, task="binary", classes=[0, 1], features=["x", "sick"], name="m")
    run = probe_privacy(model, UNSEEN.slice(0, 80), train=SEEN.slice(0, 80), label="y", sensitive="sick", models=0)
    gain = {each.options["of"]: each for each in run.values if each.metric == "inference gained"}
    assert gain["train"].low <= 0
    assert any(each.startswith("'sick' is inferred") for each in run.sentences)


def test_rows_in_both_data_sets_are_left_out_and_told() -> None:
    both = pa.concat_tables([UNSEEN, SEEN.slice(0, 50)])
    run = probe_privacy(fitted(5), both, train=SEEN, label="y", ignored=["sick"], models=0)
    assert any("50 of 350 rows of the data are also among the training rows" in each for each in run.notes)
    assert run.about["other rows"] == 300
    with pytest.raises(AssayError, match="one data set only"):
        probe_privacy(fitted(5), SEEN, train=SEEN, label="y", ignored=["sick"], models=0)


def test_bad_input_is_one_sentence() -> None:
    model = fitted(5)
    good: dict[str, Any] = {"train": SEEN, "label": "y", "ignored": ["sick"], "models": 0}
    for changed, words in (({"train": None}, "no training rows"), ({"label": None, "ignored": ["sick", "y"]}, "no label"), ({"rate": 0.3}, "false-positive"),
                           ({"models": 2}, "reference models"), ({"at_most": 0}, "bound"), ({"train": SEEN.slice(0, 3)}, "at least 20"),
                           ({"sensitive": "sik"}, "sik")):
        with pytest.raises(AssayError, match=words):
            probe_privacy(model, UNSEEN, **{**good, **changed})
    alike = SEEN.set_column(4, "y", pa.array([1] * 300)), UNSEEN.set_column(4, "y", pa.array([1] * 300))
    with pytest.raises(AssayError, match="one class"):
        probe_privacy(model, alike[1], **{**good, "train": alike[0]})
    constant = assay.load(lambda batch: [0.5] * batch.num_rows, task="binary", classes=[0, 1], features=["x"], name="m")
    assert "no better than by chance" in probe_privacy(constant, UNSEEN, **good).sentences[0]


def test_the_command_finds_what_stands_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from sklearn.neighbors import KNeighborsClassifier

    joblib.dump(KNeighborsClassifier(9).fit(SEEN.select(["x", "z", "w"]).to_pandas(), SEEN["y"].to_numpy()), tmp_path / "m.joblib")
    for name, table in (("train", SEEN), ("data", UNSEEN)):
        pq.write_table(table, tmp_path / f"{name}.parquet")
    code = command(["probe", "privacy", "--model", str(tmp_path / "m.joblib"), "--trust", "--train", str(tmp_path / "train.parquet"), "--data",
                    str(tmp_path / "data.parquet"), "--label", "y", "--ignored", "sick", "--models", "4", "--html", str(tmp_path / "p.html"),
                    "--json", str(tmp_path / "p.json")], State())
    written = json.loads((tmp_path / "p.json").read_text())
    assert (code, written["verdict"]) == (1, "fail")
    assert "300 of 300 rows of numbers of training rows stand in the model's file, 0 of 300" in written["findings"][0]["sentence"]
    assert any("membership" in each["name"] for each in written["figures"])
    assert "training rows are told from others" in capsys.readouterr().out.replace("\n", " ").replace("  ", " ")
