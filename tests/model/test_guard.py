from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from assay.errors import ModelError, PredictionError, SignatureError
from assay.model import guard
from assay.model.answer import Answer, places
from assay.model.load import load
from assay.model.signature import Input, Signature

BATCH = pa.record_batch({"x": [1.0, 2.0, 3.0]})


def says(what, **options):
    return load(lambda batch: what, name="m", **{"task": "regression", **options})


@pytest.mark.parametrize(("what", "words"), [
    ([1.0, 2.0], r"answered for 2 rows and was asked for 3"), ([1.0, np.nan, 2.0], "nan in row 1"),
    ([1.0, 2.0, -np.inf], "-inf in row 2"),
    (None, r"nothing \(None\)"), ("text", "does not hold numbers"), (["a", "b", "c"], "does not hold numbers"),
    (np.zeros((3, 2)), r"shape \(3, 2\)"), ({"a": 1}, "does not hold numbers"), ([1.0, None, 2.0], "nan in row 1"), (3.0, "shape"),
    ([[1.0], [2.0, 3.0], [1.0]], "does not hold numbers"),
])
def test_nonsense_numbers(what, words) -> None:
    with pytest.raises(PredictionError, match=f"^m: the model.*{words}"):
        guard.answer(says(what), BATCH)


@pytest.mark.parametrize(("what", "words"), [
    ([0.1, 1.2, 0.3], r"\[-0.2, 1.2\] in row 1; expected probabilities between 0 and 1"), ([0.1, -0.1, 0.3], "row 1"),
    (np.array([[0.5, 0.5], [0.4, 0.4], [0.5, 0.5]]), "row 1, which sums to 0.8"), (["no", "yes", "maybe"], "'maybe' in row 2"),
    (np.zeros((3, 3)), "one score a row for each of the 2 classes"), ([0.1, np.nan, 0.2], "nan.* in row 1"),
    ([0.5], "answered for 1 rows"),
    (["no", None, "yes"], "'None' in row 1"), ([[], [], []], "scores of shape"), (None, "nothing"),
])
def test_nonsense_classes(what, words) -> None:
    with pytest.raises(PredictionError, match=words):
        guard.answer(says(what, task="binary", classes=["no", "yes"]), BATCH)


@pytest.mark.parametrize(("what", "words"), [
    (np.array([[0.1, 2.0]] * 3), "between 0 and 1"), (np.zeros((3, 3)), "shape"),
    (np.array([[0, 1], [0, 2], [0, 0]]), r"row 1; expected 0 or 1"),
])
def test_nonsense_labels(what, words) -> None:
    with pytest.raises(PredictionError, match=words):
        guard.answer(says(what, task="multilabel", classes=["a", "b"]), BATCH)


def test_what_is_nearly_right_passes() -> None:
    scores = np.array([[0.5, 0.5005], [1.0000001, 0.0], [0.3, 0.7]])
    assert guard.answer(says(scores, task="binary"), BATCH).prediction.tolist() == [1, 0, 1]


def test_margins_are_of_any_size_and_no_probabilities() -> None:
    answer = guard.answer(says([-3.0, 0.5, 40.0], task="binary", scores="score"), BATCH)
    assert (answer.scores, answer.score.tolist(), answer.prediction.tolist()) == ("score", [[3, -3], [-0.5, 0.5], [-40, 40]],
                                                                                  [0, 1, 1])


def test_great_finite_numbers_are_no_fault() -> None:
    assert guard.answer(says([1e308, 1e308, 1e308]), BATCH).value.tolist() == [1e308] * 3   # though their sum is not finite


@pytest.mark.parametrize("error", [KeyError("x"), MemoryError(), RecursionError("deep"), SystemExit(3), ZeroDivisionError()])
def test_whatever_a_model_raises_is_its_fault(error) -> None:
    def broken(batch):
        raise error

    with pytest.raises(PredictionError, match=f"m: the model raised {type(error).__name__}") as caught:
        guard.answer(load(broken, task="regression", name="m"), BATCH)
    assert caught.value.__cause__ is error


def test_a_person_who_interrupts_is_no_fault_of_the_model() -> None:
    def interrupted(batch):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        guard.answer(load(interrupted, task="regression"), BATCH)


def test_data_that_do_not_fit_are_not_the_models_fault() -> None:
    model = load(lambda batch: [0.0] * batch.num_rows, task="regression", features=["y"])
    with pytest.raises(SignatureError, match="no column 'y'"):
        guard.answer(model, BATCH)


def layout(task="binary", classes=("a", "b"), **columns):
    batch = pa.record_batch(columns)
    return batch.replace_schema_metadata({b"assay": json.dumps({"task": task, "classes": classes}).encode()})


class Mine:
    digest = "mine"
    signature = Signature((Input("x"),), "binary", ("a", "b"), scores="probability")

    def __init__(self, said):
        self.said = said

    def predict(self, batch):
        return self.said


@pytest.mark.parametrize(("said", "words"), [
    (None, "None"), ([1], "list"), (pa.record_batch({"prediction": [0, 1, 1]}), "does not say its task"),
    (layout(prediction=[0, 1, 2]), "class number 2 in row 2"), (layout(prediction=[0, -1, 1]), "class number -1 in row 1"),
    (layout(prediction=[0, None, 1]), "nothing in row 1"), (layout(prediction=["a", "b", "a"]), "of type string"),
    (layout(classes=["b", "a"], prediction=[0, 1, 1]), "as the model's signature says"),
    (layout(task="nonsense", prediction=[0, 1, 1]), "task"),
    (layout(task="regression", classes=None, value=[1.0, 2.0, 3.0]), "the answer is for regression"),
    (layout(value=[1.0, 2.0, 3.0]), "neither"),
    (layout(prediction=[0, 1, 1], more=[1, 2, 3]), "columns 'prediction', 'more'"),
    (layout(prediction=[0, 1]), "answered for 2 rows"),
    (layout(score=pa.array([[0.5, 0.5], None, [0.5, 0.5]], pa.list_(pa.float64(), 2))), "nothing in row 1"),
    (layout(score=pa.array([[0.5, 0.5], [0.5, None], [0.5, 0.5]], pa.list_(pa.float64(), 2))), "nothing in row 1"),
    (layout(score=pa.array([[1.0]] * 3, pa.list_(pa.float64(), 1))), "2 scores a row"),
    (layout(score=pa.array([[0.5, 0.5]] * 3)), "of type list"),
])
def test_a_model_of_ones_own_is_held_to_the_layout(said, words) -> None:
    with pytest.raises(PredictionError, match=words) as caught:
        guard.answer(Mine(said), BATCH)
    assert caught.value.where == "Mine"


def test_labels_find_their_class_by_value_and_never_by_order() -> None:
    assert places(np.array([7, 3, 7]), (3, 7)).tolist() == [1, 0, 1]
    assert places(np.array([7.0, 3.0]), (7, 3)).tolist() == [0, 1]
    assert places([True, False], (False, True)).tolist() == [1, 0]
    assert places(np.array([1, 0]), (True, False)).tolist() == [0, 1]
    assert places(np.array(["b", "a"], dtype=object), ("a", "b", "c")).tolist() == [1, 0]
    assert places(pa.array(["c"]), ("a", "b", "c")).tolist() == [2]
    with pytest.raises(PredictionError, match="'2' in row 1"):
        places(np.array([3, 2, 7]), (3, 7))
    with pytest.raises(PredictionError, match="'1' in row 0"):
        places(np.array(["1"]), (1, 2))


def test_classes_keep_their_type_through_arrow() -> None:
    for classes in ((False, True), (3, 7), ("z", "a"), (0.5, 1.5)):
        answer = Answer.scored(Signature(None, "binary", classes, scores="probability"), np.array([0.2, 0.9]))
        again = Answer.of(answer.batch())
        assert again.classes == classes
        assert [type(each) for each in again.classes] == [type(each) for each in classes]


@pytest.mark.parametrize(("task", "classes"), [("binary", ("a",)), ("binary", ("a", "a")), ("multiclass", None),
                                               ("regression", ("a",)), ("x", None)])
def test_a_signature_that_contradicts_itself(task, classes) -> None:
    with pytest.raises((ModelError, ValueError)):
        Signature(None, task, classes)
