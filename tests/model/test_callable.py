from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from assay.errors import ConfigError, SignatureError
from assay.model import guard
from assay.model.load import load

BATCH = pa.record_batch({"x": [0.2, 0.9], "n": [1, None], "s": ["a", "b"]})


@pytest.mark.parametrize(("frame", "kind"), [(None, pa.RecordBatch), ("arrow", pa.RecordBatch), ("pandas", pd.DataFrame),
                                             ("polars", pl.DataFrame)])
def test_it_gets_the_frame_that_it_asks_for(frame, kind) -> None:
    def model(given):
        assert isinstance(given, kind)
        return [float(each) for each in given["x"].to_pylist()] if isinstance(given, pa.RecordBatch) else given["x"]

    assert guard.answer(load(model, task="regression", frame=frame), BATCH).value.tolist() == [0.2, 0.9]


def test_a_matrix_holds_numbers_only() -> None:
    def model(given):
        assert given.shape == (2, 2)
        return np.nansum(given, axis=1)

    assert guard.answer(load(model, task="regression", frame="numpy", features=["x", "n"]), BATCH).value.tolist() == [1.2, 0.9]
    with pytest.raises(SignatureError, match="'s' are not numbers"):
        guard.answer(load(model, task="regression", frame="numpy"), BATCH)


@pytest.mark.parametrize(("said", "options", "prediction", "score"), [
    ([0.2, 0.9], {"task": "binary"}, [0, 1], [[0.8, 0.2], [0.1, 0.9]]),
    (["yes", "no"], {"classes": ["no", "yes"]}, [1, 0], None),
    ([True, False], {"task": "binary", "classes": [False, True]}, [1, 0], None),
    (np.array([7, 3]), {"classes": [3, 5, 7]}, [2, 0], None),
    (pa.array(["m", "z"]), {"classes": ["z", "m", "b"]}, [1, 0], None),
    (pd.Series([0.2, 0.9]), {"task": "binary"}, [0, 1], [[0.8, 0.2], [0.1, 0.9]]),
    ([[0.1, 0.9], [1, 0]], {"task": "binary"}, [1, 0], [[0.1, 0.9], [1, 0]]),
    (np.array([[0, 1], [1, 0]]), {"task": "multilabel", "classes": ["a", "b"]}, [[0, 1], [1, 0]], None),
    (np.array([[0.4, 0.6], [0.9, 0.1]]), {"task": "multilabel", "classes": ["a", "b"]}, [[0, 1], [1, 0]], [[0.4, 0.6], [0.9, 0.1]]),
])
def test_what_it_says_is_read_by_task_and_type(said, options, prediction, score) -> None:
    answer = guard.answer(load(lambda batch: said, **options), BATCH)
    assert answer.prediction.tolist() == prediction
    if score is None:
        assert answer.score is None
    else:
        np.testing.assert_allclose(answer.score, score)


def test_labels_only_come_without_scores_in_the_signature() -> None:
    batch = guard.answer(load(lambda batch: ["a"] * batch.num_rows, classes=["a", "b"]), BATCH).batch()
    assert batch.schema.names == ["prediction"]


@pytest.mark.parametrize(("options", "words"), [({}, "does not say what it predicts"),
                                                ({"task": "multiclass"}, "does not name its classes"),
                                                ({"task": "regression", "frame": "dask"}, "no frame 'dask'")])
def test_what_must_be_said(options, words) -> None:
    with pytest.raises((SignatureError, ConfigError), match=words):
        load(lambda batch: [], **options)


def test_the_digest_is_that_of_the_code() -> None:
    one, two, other = (load(each, task="regression").digest for each in (lambda b: b["x"], lambda b: b["x"], lambda b: b["n"]))
    assert one == two != other
    weight = 2
    assert load(lambda b: b["x"] * weight, task="regression").digest.startswith("object:")   # what it closes over may change


def test_a_function_whose_variables_are_elsewhere_is_told_from_no_other() -> None:
    def made(k: float):
        return lambda batch: k * batch.column("a").to_numpy()

    plain = load(lambda batch: 2 * batch.column("a").to_numpy(), task="regression", features=["a"])
    assert not plain.digest.startswith("object:")
    for each in (made(1.0), functools.partial(made, 1.0), scaled):
        assert load(each, task="regression", features=["a"]).digest.startswith("object:")


_SCALE = 3.0


def scaled(batch: pa.RecordBatch) -> Any:
    return _SCALE * batch.column("a").to_numpy()
