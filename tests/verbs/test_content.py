"""The default suite on texts and images that real models read: faults are named, and sound data have none."""

from __future__ import annotations

import functools
import io
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression

import assay
from assay.errors import SignatureError
from assay.result import Run
from tests.verbs.contents import GERMAN, eye, paragraphs, png, put, reader, scans

NEW = ("_content", "language of", "script of", "length of", "brightness of", "contrast of", "width of", "height of", "cluster of")


def read(notes: list[str | None] | None = None, **options: Any) -> Run:
    train, test = paragraphs()
    return assay.check(reader(), test if notes is None else put(test, "note", notes), train=train, label="library", positive="sklearn", **options)


def scanned(files: list[bytes] | None = None, **options: Any) -> Run:
    train, test = scans()
    return assay.check(eye(), test if files is None else put(test, "scan", files), train=train, label="digit", task="multiclass",
                       classes=list(range(10)), **options)


@functools.cache
def sound() -> Run:
    return read()


def said(run: Run, *outcomes: str) -> str:
    return "\n".join(f"{each.check}: {each.sentence}" for each in run.verdicts if each.verdict in outcomes)


def some(rows: int) -> set[int]:
    return set(np.random.default_rng(3).choice(rows, rows // 20, replace=False).tolist())


# texts ----------------------------------------------------------------------------------------------------------------------


def test_sound_texts_have_no_fault_of_content() -> None:
    run = sound()
    assert said(run, "fail", "error") == ""
    assert not [each for each in said(run, "warn").splitlines() if any(word in each for word in NEW)]
    checks = {each.check.partition(" <=")[0].partition(" >=")[0] for each in run.verdicts}
    assert {f"{each}_content of *" for each in ("empty", "damaged", "repeated", "shared")} <= checks
    assert "auc by `length of note`:4" in checks
    assert Run.from_json(json.loads(json.dumps(run.to_json()))) == run


def test_no_text_is_in_what_is_written() -> None:
    _, test = paragraphs()
    written = json.dumps(sound().to_json())
    assert not [each for each in test["note"].to_pylist() if each in written]


def test_no_text_is_in_a_note_on_new_values() -> None:
    train, test = paragraphs()
    run = assay.check(None, test, reference=train, label="library", checks=["new_categories of note <= 1%", "new_categories of `script of note` <= 1%"])
    assert [(each.value, each.note) for each in run.values if each.column == "note"] == [(1.0, None)]


@pytest.mark.parametrize(("fault", "words"), [
    ("empty", "note says or shows nothing in 5.0 %"),
    ("shared", "note of the training data is judged again in 5.0 %"),
    ("nearly shared", "note of the training data is judged again in 5.0 %"),
    ("german", "language of note has values that the training data never had, in 5.0 %"),
    ("mojibake", "note is damaged in "),
])
def test_a_fault_of_texts_is_named(fault: str, words: str) -> None:
    train, test = paragraphs()
    notes, known = test["note"].to_pylist(), train["note"].to_pylist()
    chosen = some(len(notes))
    made = {
        "empty": lambda place: "  ",
        "shared": lambda place: known[place],
        "nearly shared": lambda place: known[place].upper().replace(".", "!") + " indeed",
        "german": lambda place: f"{GERMAN[place % len(GERMAN)]} ({place})",
        "mojibake": lambda place: notes[place].replace("e", "é", 3).encode().decode("latin-1"),
    }[fault]
    if fault == "german":
        pytest.importorskip("py3langid")
    run = read([made(place) if place in chosen else each for place, each in enumerate(notes)])
    assert words in said(run, "fail", "warn")
    assert ("fail" in {each.verdict for each in run.verdicts}) == ("shared" in fault)
    if fault == "german":
        assert "language of note de is served worse" in said(run, "warn")


def test_another_script_is_seen_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    known = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "py3langid" else known(name, *rest))
    notes = paragraphs()[1]["note"].to_pylist()
    chosen = some(len(notes))
    run = read([f"Посылка номер {place} пришла слишком поздно и была открыта" if place in chosen else each for place, each in enumerate(notes)])
    assert "script of note has values that the training data never had, in 5.0 %" in said(run, "warn")
    assert "language" not in said(run, "fail", "warn", "error")


def test_a_model_of_text_reads_the_free_text_among_other_columns() -> None:
    train, test = paragraphs()
    rng = np.random.default_rng(0)
    wide = [each.add_column(0, "desk", pa.array(rng.choice(["north", "south"], each.num_rows))).append_column("pages", pa.array(rng.poisson(3, each.num_rows)))
            for each in (train, test)]
    alone = assay.check(reader(), test, train=train, label="library", positive="sklearn", checks=["auc >= 0.9"])
    run = assay.check(reader(), wide[1], train=wide[0], label="library", positive="sklearn", checks=["auc >= 0.9", "auc by length of note:4 >= 0.8",
                      "recall where `words of note` >= 20 >= 0.5", "psi of `length of note` <= 0.25", "psi of * <= 0.25"])
    assert said(run, "error") == ""
    assert [each.value for each in run.values if each.metric == "auc" and not each.slice] == [alone.values[0].value]
    assert {each.column for each in run.values if each.metric == "psi"} >= {"length of note", "pages", "desk"}
    assert "note" not in {each.column for each in run.values}
    with pytest.raises(SignatureError):   # an input that only assay makes is none of the data
        assay.check(lambda batch: np.zeros(batch.num_rows), wide[1], label="library", task="binary", classes=["scipy", "sklearn"],
                    features=["length of note"], positive="sklearn")


def test_a_model_of_any_columns_is_not_given_derived_ones() -> None:
    _, test = paragraphs()
    seen: set[str] = set()

    def answer(batch: pa.RecordBatch) -> Any:
        seen.update(batch.schema.names)
        return np.full(batch.num_rows, 0.5)

    assay.check(answer, test, label="library", task="binary", classes=["scipy", "sklearn"], positive="sklearn",
                checks=["accuracy by length of note:3 >= 0.1", "auc by `script of note` >= 0.1"])
    assert seen <= {"note", "library"}


# images ---------------------------------------------------------------------------------------------------------------------


def test_sound_images_have_no_fault_of_content() -> None:
    run = scanned()
    assert said(run, "fail", "error") == ""
    assert not [each for each in said(run, "warn").splitlines() if any(word in each for word in NEW)]
    assert {"accuracy by `brightness of scan`:4", "accuracy by `contrast of scan`:4"} <= {each.check.partition(" >=")[0] for each in run.verdicts}


def _dim(file: bytes, rng: np.random.Generator) -> bytes:
    """The same scan by night: little light, and the noise of the sensor."""
    grey = np.asarray(Image.open(io.BytesIO(file)), np.float64) / 255
    return png(grey * 0.05 + np.kron(np.abs(rng.normal(0, 0.05, (8, 8))), np.ones((4, 4))))


def _again(file: bytes) -> bytes:
    """The same scan in another size and format."""
    out = io.BytesIO()
    Image.open(io.BytesIO(file)).resize((48, 48)).save(out, "JPEG", quality=70)
    return out.getvalue()


@pytest.mark.parametrize(("fault", "words"), [
    ("dim", ("brightness of scan < 0.216475 is served worse", "desk south is served worse", "brightness of scan has another distribution")),
    pytest.param("black", ("scan says or shows nothing in 4.9 %",), marks=pytest.mark.slow),
    pytest.param("shared", ("scan of the training data is judged again in 5",), marks=pytest.mark.slow),
    ("nearly shared", ("scan of the training data is judged again in 5",)),
    ("cut off", ("scan is damaged in 4.9 %",)),
])
def test_a_fault_of_images_is_named(fault: str, words: tuple[str, ...]) -> None:
    train, test = scans()
    files, known = test["scan"].to_pylist(), train["scan"].to_pylist()
    rng = np.random.default_rng(5)
    chosen = set(np.flatnonzero(np.array(test["desk"].to_pylist()) == "south").tolist()) if fault == "dim" else some(len(files))
    made = {
        "dim": lambda place: _dim(files[place], rng),
        "black": lambda place: png(np.zeros((8, 8))),
        "shared": lambda place: known[place],
        "nearly shared": lambda place: _again(known[place]),
        "cut off": lambda place: files[place][: len(files[place]) // 2],
    }[fault]
    run = scanned([made(place) if place in chosen else each for place, each in enumerate(files)])
    for each in words:
        assert each in said(run, "fail", "warn")


def test_pixels_in_lists_are_looked_at_without_any_library() -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    rows = np.random.default_rng(0).permutation(len(digits.target))
    column = pa.FixedSizeListArray.from_arrays(pa.array(digits.data.ravel()), 64)
    table = pa.table({"pixels": column, "digit": digits.target})
    train, test = (table.take(pa.array(np.sort(rows[start::2]))) for start in (0, 1))

    def flat(batch: Any) -> Any:
        column = batch.column("pixels")
        return np.asarray((column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column).flatten()).reshape(-1, 64)

    model = LogisticRegression(max_iter=3000).fit(flat(train), train["digit"].to_numpy())
    run = assay.check(lambda batch: model.predict_proba(flat(batch)), test, train=train, label="digit", task="multiclass", classes=list(range(10)))
    assert said(run, "fail", "error") == ""
    assert any("brightness of pixels" in each.check for each in run.verdicts)


@pytest.mark.slow
def test_photographs_have_no_fault_of_content(shared: Any) -> None:
    place = shared / "data" / "images"
    if not place.exists():
        pytest.skip("no images beside the repository")
    train, test = (pq.read_table(place / f"cifar10-{name}.parquet", columns=["image", "label"]) for name in ("train", "test"))
    train = train.slice(0, 6000)
    run = assay.check(None, test, train=train, label="label")
    assert said(run, "fail", "error") == ""
    found = {each.metric: each.value for each in run.values if each.column == "image" and each.metric.endswith("_content")}
    assert set(found) == {"empty_content", "damaged_content", "repeated_content", "shared_content"}
    assert max(found.values()) < 0.005
