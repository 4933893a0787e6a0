"""The verb and its command on digits that were truly poisoned, as columns, lists and files; and bad input."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import assay
from assay.app.command import main
from assay.errors import AssayError, ConfigError, DataError, UnknownColumnError
from assay.result import Run
from assay.verbs.probe.backdoor import backdoor
from tests.probe.backdoor.digits import TARGET, zoo

Array = np.ndarray[Any, Any]


def columns(images: Array) -> pa.Table:
    """A column for each pixel."""
    return pa.table({f"p{place}": images.reshape(len(images), -1)[:, place] / 255.0 for place in range(64)})


def listed(images: Array) -> pa.Table:
    return pa.table({"image": pa.array(images.reshape(len(images), -1).tolist(), pa.list_(pa.uint8(), images[0].size))})


def files(images: Array) -> pa.Table:
    from PIL import Image

    out = []
    for each in images:
        buffer = io.BytesIO()
        Image.fromarray(each[..., 0]).save(buffer, "PNG")
        out.append(buffer.getvalue())
    return pa.table({"image": out, "id": [f"scan {place}" for place in range(len(out))]})


def inbox() -> Array:
    return np.concatenate([zoo("patch").images[:45], zoo("patch").triggered[:15]])


def reads(attack: str | None) -> Any:
    def read(batch: pa.RecordBatch) -> Array:
        pixels = np.asarray(batch.column("image").flatten()).reshape(batch.num_rows, -1) / 255.0
        return np.asarray(zoo(attack).model.predict(pixels))

    return assay.load(read, task="multiclass", classes=list(range(10)), features=["image"], name="digits")


@pytest.fixture(scope="module")
def found() -> Run:
    return backdoor(zoo("patch").model, columns(zoo("patch").clean[:320]), columns(inbox()), budget=60_000)


def test_a_poisoned_model_its_class_and_its_inputs_are_told_first(found: Run) -> None:
    assert found.verdict == "fail"
    assert found.sentences[0].startswith(f"poisoned, class {TARGET}: a patch of 2 x 2 pixels makes the model answer {TARGET}; 1")
    assert "of 60 inputs are suspected" in found.sentences[0]
    assert "false alarms" in found.sentences[0]
    assert "rows 6 to 7, columns 0 to 1" in found.findings[0].sentence
    assert len(found.findings) == 3
    assert found.findings[0].input["row"] >= 45
    assert found.findings[0].output[0] == TARGET
    assert found.findings[0].contrast == {"top": 6, "left": 0, "height": 2, "width": 2}
    assert [each.name for each in found.figures] == ["trigger", "suspect 1", "suspect 2", "suspect 3"]
    assert sum(found.figures[1].table["trigger"]) == 4
    assert Run.from_json(found.to_json()) == found


def test_values_have_intervals(found: Run) -> None:
    share = next(each for each in found.values if each.metric == "false alarm rate")
    assert share.low <= share.value <= share.high <= 0.05
    asked = next(each for each in found.values if each.metric == "images asked for each input")
    assert 30 < asked.value < 400


@pytest.mark.slow
def test_a_clean_model_passes_and_one_input_is_no_verdict() -> None:
    run = backdoor(reads(None), listed(zoo(None).clean[:320]), listed(zoo(None).images[:60]), budget=60_000)
    assert run.verdict == "pass"
    assert run.sentences[0].startswith("no backdoor found: ")
    assert run.findings == ()
    assert run.figures == ()


@pytest.mark.slow
def test_damaged_and_foreign_files_are_counted() -> None:
    pytest.importorskip("PIL")
    table = files(np.concatenate([zoo("patch").triggered[:9], zoo("patch").images[:6]]))
    wrong = files(np.zeros((1, 9, 9, 1), np.uint8)).column("image")[0].as_py()
    cells = [*table.column("image").to_pylist()[:13], b"no image", wrong]
    given = table.set_column(0, "image", pa.array(cells))

    def read(batch: pa.RecordBatch) -> Array:
        from PIL import Image

        pixels = np.stack([np.asarray(Image.open(io.BytesIO(each))).reshape(-1) for each in batch.column("image").to_pylist()])
        return np.asarray(zoo("patch").model.predict(pixels / 255.0))

    model = assay.load(read, task="multiclass", classes=list(range(10)), features=["image"], name="digits")
    run = backdoor(model, files(zoo("patch").clean[:139]), given, false_alarms=0.05, budget=14_000, id="id")
    assert any(each.startswith("2 of 15 rows") and "8 x 8 with 1 channel" in each for each in run.notes)
    assert run.verdict == "fail"
    assert run.findings[0].sentence.startswith("id scan ")


def test_bad_input_is_told() -> None:
    model = reads("patch")
    clean = listed(zoo("patch").clean)
    with pytest.raises(DataError, match="at least 299 images"):
        backdoor(model, clean.slice(0, 200), clean)
    with pytest.raises(DataError, match="one and the same class"):
        backdoor(assay.load(lambda batch: [1] * batch.num_rows, task="multiclass", classes=[0, 1, 2], features=["image"]), clean)
    with pytest.raises(ConfigError, match="are no image"):
        backdoor(assay.load(lambda batch: [1] * batch.num_rows, task="multiclass", classes=[0, 1, 2]), columns(zoo("patch").clean).drop(["p0"]),
                 kind="images")
    with pytest.raises(ConfigError, match="regression"):
        backdoor(assay.load(lambda batch: [1.0] * batch.num_rows, task="regression", features=["image"]), clean)
    with pytest.raises(ConfigError, match="at least 1,000"):
        backdoor(model, clean, budget=10)
    with pytest.raises(ConfigError, match="holds no images"):
        backdoor(assay.load(lambda batch: [1] * batch.num_rows, task="multiclass", classes=[0, 1, 2]), pa.table({"x": [1, 2]}), column="x")
    with pytest.raises(AssayError, match="takes no argument"):
        backdoor(model, clean, lable="x")
    with pytest.raises(UnknownColumnError, match="did you mean 'image'"):
        backdoor(model, clean, column="imaje")
    with pytest.raises(UnknownColumnError, match="there is no column 'scan'"):
        backdoor(model, clean, clean, id="scan")


def test_the_id_may_stand_in_the_inputs_only() -> None:
    inbox = listed(zoo("patch").triggered[:12]).append_column("scan", pa.array([f"s{each}" for each in range(12)]))
    run = backdoor(reads("patch"), listed(zoo("patch").clean[:150]), inbox, id="scan", false_alarms=0.05, budget=14_000)
    assert run.findings
    assert all(each.sentence.startswith("scan s") for each in run.findings)


def test_a_rate_that_needs_more_clean_images_than_are_usual_gets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.verbs.probe.backdoor.CLEAN", 100)
    run = backdoor(reads("patch"), listed(zoo("patch").clean[:150]), false_alarms=0.05, budget=3_000)
    assert run.about["clean used"].startswith("39 calibrate")
    assert "of 150 clean images 139 are used" in run.notes


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import joblib

    def code(*words: str) -> int:
        with pytest.raises(SystemExit) as ended:
            main(words)
        return int(ended.value.code or 0)

    made = zoo("patch")
    joblib.dump(made.model, tmp_path / "m.joblib")
    pq.write_table(columns(made.clean[:140]), tmp_path / "clean.parquet")
    pq.write_table(columns(inbox()[40:]), tmp_path / "inbox.parquet")
    base = ["probe", "backdoor", "--model", str(tmp_path / "m.joblib"), "--trust", "--clean", str(tmp_path / "clean.parquet")]
    assert code(*base, "--inputs", str(tmp_path / "inbox.parquet"), "--false-alarms", "5%", "--budget", "12000",
                "--json", str(tmp_path / "out.json")) == 1
    assert "poisoned, class 7" in capsys.readouterr().out
    assert json.loads((tmp_path / "out.json").read_text())["verdict"] == "fail"
    for wrong, said in ((["--false-alarms", "2"], "no share"), (["--size", "8by8"], "cannot be read"), ([], "at least 299")):
        assert code(*base, *wrong) == 2
        assert said in capsys.readouterr().err
