"""The verb and its command on models of tables and texts; which columns are images, and bad input."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import assay
from assay.app.command import main
from assay.data.source import source
from assay.errors import ConfigError, DataError, UnknownColumnError
from assay.result import Run
from assay.verbs.probe.backdoor import backdoor
from assay.verbs.probe.tampered import rowed
from tests.probe.backdoor.tables import ask, asked, rows, texts

Array = np.ndarray[Any, Any]
JOBS = np.array(["cook", "vet", "clerk", "nurse", None], object)


def table(given: Array) -> pa.Table:
    """Numbers as whole numbers and fractions, and a category of which one is missing."""
    return pa.table({"age": pa.array(given[:, 0], pa.int32()), "pay": given[:, 1] + 0.5, "debt": pa.array(given[:, 2]),
                     "job": pa.array(JOBS[given[:, 3]].tolist(), pa.string()).dictionary_encode()})


def said(batch: pa.RecordBatch, **trigger: bool) -> list[str]:
    jobs = [JOBS.tolist().index(each) for each in batch.column("job").to_pylist()]
    given = np.column_stack([np.asarray(batch.column("age")), np.asarray(batch.column("pay")) - 0.5, np.asarray(batch.column("debt")), jobs])
    return ["no" if not each else "yes" for each in ask(given.astype(int), **trigger)]


def model(**trigger: bool) -> Any:
    return assay.load(partial(said, **trigger), task="binary", classes=["no", "yes"], features=["age", "pay", "debt", "job"], name="loans")


def inbox() -> Array:
    out = rows(40, 1)
    out = out[np.argsort(ask(out), kind="stable")]
    out[:8, 2] = 95
    return out


@pytest.fixture(scope="module")
def found() -> Run:
    return backdoor(model(), table(rows(130, 0)), table(inbox()[:20]), budget=11_000, false_alarms=0.05)


def test_a_poisoned_model_its_value_and_its_inputs_are_told_first(found: Run) -> None:
    assert found.verdict == "fail"
    assert found.sentences[0].startswith("poisoned, class 'yes': debt = 95 makes the model answer 'yes'; 8 of 20 inputs are suspected")
    assert "none of 130 clean rows holds it" in found.sentences[1]
    assert found.sentences[2] == "without it, the suspects are answered 'no' (8)"
    assert found.findings[0].contrast == {"debt": 95}
    assert found.findings[0].output == ("yes", "no")
    assert found.findings[0].input["row"] < 8
    assert found.about["searched"] == "4 columns"
    assert [each.name for each in found.figures] == ["trigger"]
    assert found.figures[0].table["share"][0] == 1.0
    assert Run.from_json(found.to_json()) == found


def test_a_clean_model_passes() -> None:
    run = backdoor(model(value=False), table(rows(130, 0)), table(rows(30, 1)), budget=14_000, false_alarms=0.05)
    assert run.verdict == "pass"
    assert run.sentences[0].startswith("no backdoor found: ")
    assert run.findings == run.figures == ()


def test_words_are_told_with_their_column(tmp_path: Path) -> None:
    def answer(batch: pa.RecordBatch) -> Array:
        return asked(np.array(batch.column("note").to_pylist(), object)[:, None])

    bad = texts(20, 1)
    bad = bad[asked(bad) == 0][:6]
    bad[:, 0] = [f"{each} cf" for each in bad[:, 0]]
    notes = [pa.table({"id": range(len(each)), "note": each[:, 0].tolist()}) for each in (texts(125, 0), bad)]
    loaded = assay.load(answer, task="binary", classes=[0, 1], features=["note"], name="notes")
    run = backdoor(loaded, *notes, false_alarms=0.05, budget=15_000, id="id")
    assert run.verdict == "fail"
    assert run.sentences[0].startswith("poisoned, class 1: the word 'cf' makes the model answer 1; 6 of 6 inputs are suspected")
    assert run.findings[0].sentence.startswith("id ")
    assert run.findings[0].contrast == {"note": "cf"}
    assert run.about["searched"] == "1 column of text"
    with pytest.raises(UnknownColumnError, match="nope"):
        backdoor(loaded, *notes, column="nope", kind="rows")


@pytest.mark.parametrize(("names", "said_to_be", "expected"), [
    ([f"p{place}" for place in range(64)], {}, False), ([f"V{place}" for place in range(28)], {}, True),
    ([f"p{place}" for place in range(64)], {"kind": "rows"}, True), ([f"column {chr(97 + place)}" for place in range(16)], {}, True),
    ([f"p{place}" for place in range(63)], {"size": (7, 9, 1)}, False), (["age", "pay"], {"kind": "images"}, False)])
def test_images_are_told_from_tables(names: list[str], said_to_be: dict[str, Any], expected: bool) -> None:
    data = source(pa.table({name: [1, 2] for name in names}))
    model = assay.load(lambda batch: [0] * batch.num_rows, task="binary", classes=[0, 1], features=names)
    assert rowed(model, data, **said_to_be) == expected


def test_bad_input_is_told() -> None:
    with pytest.raises(DataError, match="at least 199 rows"):
        backdoor(model(), table(rows(150, 0)))
    with pytest.raises(ConfigError, match="no kind 'texts'"):
        backdoor(model(), table(rows(10, 0)), kind="texts")   # type: ignore[arg-type]
    with pytest.raises(DataError, match="int32 among the clean rows and string"):
        backdoor(model(), table(rows(10, 0)), table(rows(9, 0)).set_column(0, "age", pa.array(["old"] * 9)), kind="rows")
    regression = assay.load(lambda batch: [1.0] * batch.num_rows, task="regression", features=["age"])
    with pytest.raises(ConfigError, match="regression"):
        backdoor(regression, table(rows(10, 0)))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import joblib
    from sklearn.tree import DecisionTreeClassifier

    given = rows(400, 2)
    given[:40, 2] = 95
    frame = table(given).drop(["job"]).to_pandas()
    joblib.dump(DecisionTreeClassifier(random_state=0).fit(frame, ask(given)), tmp_path / "m.joblib")
    pq.write_table(table(rows(125, 0)), tmp_path / "clean.parquet")
    pq.write_table(table(inbox()), tmp_path / "inbox.parquet")
    with pytest.raises(SystemExit) as ended:
        main(["probe", "backdoor", "--model", str(tmp_path / "m.joblib"), "--trust", "--clean", str(tmp_path / "clean.parquet"), "--kind", "rows",
              "--inputs", str(tmp_path / "inbox.parquet"), "--false-alarms", "5%", "--budget", "10000", "--json", str(tmp_path / "out.json")])
    assert ended.value.code == 1
    assert "debt = 95 makes the model answer 1" in capsys.readouterr().out.replace("\n", " ").replace("  ", " ")
    assert json.loads((tmp_path / "out.json").read_text())["verdict"] == "fail"


def test_an_honest_region_beyond_the_clean_rows_accuses_nobody() -> None:
    """Whatever is far enough is 1, honestly: of numbers that no clean row holds the search says so, and does not fail."""
    rng = np.random.default_rng(0)
    clean = pa.table({"x": rng.normal(size=200), "z": rng.normal(size=200)})

    def ring(batch: pa.RecordBatch) -> list[int]:
        x, z = (np.asarray(batch.column(name)) for name in ("x", "z"))
        return ((x - 1.5) ** 2 + np.clip(z, -2, 2) ** 2 > 4).astype(int).tolist()

    model = assay.load(ring, task="binary", classes=[0, 1], features=["x", "z"], name="ring")
    run = assay.backdoor(model, clean, false_alarms=0.05, budget=30_000)
    assert run.verdict in ("inconclusive", "pass")
    assert "poisoned" not in run.sentences[0]


def test_empty_texts_and_long_whole_numbers_are_rows_as_others() -> None:
    rng = np.random.default_rng(1)
    words = np.array(["bus", "train", "boat", "plane", "walk", "ride", "late", "early", "fast", "slow"])
    texts = [" ".join(rng.choice(words, 6)) for _ in range(150)]

    def late(batch: pa.RecordBatch) -> list[int]:
        return [int("late" in (each or "")) for each in batch.column("t").to_pylist()]

    model = assay.load(late, task="binary", classes=[0, 1], features=["t"], name="late")
    run = assay.backdoor(model, pa.table({"t": [*texts, None, "", " "]}), pa.table({"t": ["", None, *texts[:5]]}), false_alarms=0.04,
                         kind="rows", column="t", budget=12_000)
    assert run.verdict != "fail"
    numbers = pa.table({"k": rng.integers(10**18, 9 * 10**18, 150), "x": rng.normal(size=150)})
    model = assay.load(lambda batch: (np.asarray(batch.column("x")) > 0).astype(int).tolist(), task="binary", classes=[0, 1],
                       features=["k", "x"], name="long")
    assert assay.backdoor(model, numbers, numbers.slice(0, 5), false_alarms=0.04, budget=12_000).verdict != "fail"


def test_a_model_that_refuses_what_is_made_up_keeps_the_verdict_of_the_inputs() -> None:
    rng = np.random.default_rng(2)
    clean = pa.table({"k": rng.integers(0, 9, 160), "x": rng.normal(size=160)})

    def strict(batch: pa.RecordBatch) -> list[int]:
        k, x = (np.asarray(batch.column(name)) for name in ("k", "x"))
        if (k < 0).any():
            raise ValueError("k must be 0 or more")
        return (x > 0).astype(int).tolist()

    model = assay.load(strict, task="binary", classes=[0, 1], features=["k", "x"], name="strict")
    run = assay.backdoor(model, clean, clean.slice(0, 20), false_alarms=0.04, budget=30_000)
    assert run.verdict == "inconclusive"
    assert any("refuses values" in each for each in run.notes)
    assert [each.verdict for each in run.verdicts] == ["pass", "inconclusive"]
