"""Thresholds by group around a model: decisions, the file, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import joblib
import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression

from assay.errors import ConfigError, ModelError, SignatureError
from assay.model import guard
from assay.model.load import load
from assay.model.thresholds import Cuts, Grouped, spelt, written


@pytest.fixture
def inner(tmp_path: Path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    joblib.dump(LogisticRegression().fit(x, (x[:, 0] > 0).astype(int)), tmp_path / "own.joblib")
    return load(str(tmp_path / "own.joblib"), trust=True, features=["a", "b"])


def rows(n: int = 500) -> pa.RecordBatch:
    rng = np.random.default_rng(1)
    return pa.record_batch({"a": rng.normal(size=n), "b": rng.normal(size=n), "sex": rng.choice(["f", "m", "x"], n)})


def test_each_group_is_decided_by_its_own_cut(inner) -> None:
    model = Grouped(inner, ("sex",), {("f",): Cuts((0.2,)), ("m",): Cuts((0.8,))}, Cuts((0.5,)), positive=1)
    batch = rows()
    score = guard.answer(inner, batch).score[:, 1]
    cut = np.array([{"f": 0.2, "m": 0.8, "x": 0.5}[each] for each in batch.column("sex").to_pylist()])
    np.testing.assert_array_equal(guard.answer(model, batch).prediction, (score >= cut).astype(int))
    assert model.signature.names == ("a", "b", "sex")


def test_mixed_cuts_are_drawn_by_the_row_alone_and_as_often_as_they_say(inner) -> None:
    mixed = Cuts((float("inf"), 0.0), (0.3, 0.7))
    model = Grouped(inner, ("sex",), {("f",): mixed}, Cuts((0.5,)), positive=1)
    batch = rows(6_000)
    said = guard.answer(model, batch).prediction
    turned = guard.answer(model, batch.take(pa.array(np.arange(batch.num_rows)[::-1]))).prediction[::-1]
    np.testing.assert_array_equal(said, turned)
    women = np.array(batch.column("sex").to_pylist()) == "f"
    assert abs(said[women].mean() - 0.7) < 4 * np.sqrt(0.21 / women.sum())
    other = Grouped(inner, ("sex",), {("f",): mixed}, Cuts((0.5,)), positive=1, salt="another")
    assert (guard.answer(other, batch).prediction[women] != said[women]).any()
    assert other.digest != model.digest


def test_the_file_is_read_again(inner, tmp_path: Path) -> None:
    model = Grouped(inner, ("sex",), {("f",): Cuts((float("inf"), 0.4), (0.25, 0.75)), ("m",): Cuts((0.6,))}, Cuts((0.5,)), positive=1)
    place = tmp_path / "cut.json"
    place.write_text(written(model, tmp_path / "own.joblib", place))
    again = load(str(place), trust=True)
    assert again.predict(rows()).equals(model.predict(rows()))
    assert again.digest == model.digest


def test_another_model_beside_the_file_is_refused(inner, tmp_path: Path) -> None:
    model = Grouped(inner, ("sex",), {("f",): Cuts((0.4,))}, Cuts((0.5,)), positive=1)
    place = tmp_path / "cut.json"
    place.write_text(written(model, tmp_path / "own.joblib", place))
    joblib.dump(LogisticRegression(C=0.1).fit([[0.0, 1.0], [1.0, 0.0]], [0, 1]), tmp_path / "own.joblib")
    with pytest.raises(ModelError, match="not the one that these thresholds were chosen for"):
        load(str(place), trust=True)


@pytest.mark.parametrize("change", [{"by": []}, {"groups": [{"values": ["f", "g"], "cuts": [[0.5, 1.0]]}]}, {"other": [[0.5, 0.2]]},
                                    {"other": "x"}, {"positive": 7}, {"version": 9}, {"groups": 3}, {"other": [["nan", 1.0]]}])
def test_a_damaged_file_is_a_sentence(inner, tmp_path: Path, change) -> None:
    model = Grouped(inner, ("sex",), {("f",): Cuts((0.4,))}, Cuts((0.5,)), positive=1)
    place = tmp_path / "cut.json"
    told = json.loads(written(model, tmp_path / "own.joblib", place)) | change
    place.write_text(json.dumps(told))
    with pytest.raises(ModelError, match="damaged"):
        load(str(place), trust=True)


def test_an_address_in_the_file_is_refused(inner, tmp_path: Path) -> None:
    model = Grouped(inner, ("sex",), {("f",): Cuts((0.4,))}, Cuts((0.5,)), positive=1)
    place = tmp_path / "cut.json"
    place.write_text(json.dumps(json.loads(written(model, tmp_path / "own.joblib", place)) | {"model": "http://there/m"}))
    with pytest.raises(ModelError, match="address"):
        load(str(place), trust=True)


def test_what_cannot_be_wrapped_is_refused() -> None:
    labels = load(lambda batch: ["no"] * batch.num_rows, task="multiclass", classes=["no", "yes", "maybe"])
    with pytest.raises(SignatureError, match="two classes"):
        Grouped(labels, ("sex",), {}, Cuts((0.5,)), positive=1)
    with pytest.raises(ConfigError, match="do not fit"):
        Cuts((0.5,), (0.5,))


def test_a_column_that_is_not_there_is_named(inner) -> None:
    model = Grouped(inner, ("sex",), {("f",): Cuts((0.4,))}, Cuts((0.5,)), positive=1)
    with pytest.raises(SignatureError, match="sex"):
        guard.answer(model, rows().select(["a", "b"]))


def test_whole_numbers_are_one_group_in_any_type() -> None:
    assert spelt(pa.array([1, None])) == ["1", None]
    assert spelt(pa.array([1.0, 1.5])) == ["1", "1.5"]
    assert spelt(pa.array(["1"])) == ["1"]
