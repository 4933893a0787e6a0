"""Kept explanations are found by all that they hang on, bounded, and gone with the person they are of."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from assay.errors import StoreError
from assay.result import Attribution, Run
from assay.store.attribution import Kept, Key

KEY = Key("model", "background", "score", "1", ("a", "b"))


def rows(*names: str, entity: str | None = None) -> list[Kept]:
    return [Kept(name, hash(name) % 1000 - 500, np.array([0.1 + place, np.nan, 1 / 3]), entity) for place, name in enumerate(names)]


def marks(*names: str) -> dict[str, int]:
    return {each.id: each.mark for each in rows(*names)}


def test_numbers_come_back_bit_by_bit(store) -> None:
    put = rows("x", "y")
    store.attributions.put(KEY, {"base": 0.1, "columns": ["a", "b"]}, put)
    about, found = store.attributions.find(KEY, marks("x", "y", "z"))
    assert about == {"base": 0.1, "columns": ["a", "b"]}
    assert sorted(found) == ["x", "y"]
    assert all(found[each.id].tobytes() == each.numbers.tobytes() for each in put)


@pytest.mark.parametrize("change", [{"model": "m"}, {"background": "b"}, {"quantity": "loss"}, {"target": "0"}, {"columns": ("a",)}, {"way": "7"}])
def test_nothing_is_found_of_what_differs(store, change) -> None:
    store.attributions.put(KEY, {}, rows("x"))
    assert store.attributions.find(dataclasses.replace(KEY, **change), marks("x")) == ({}, {})


def test_a_row_that_changed_is_not_found(store) -> None:
    store.attributions.put(KEY, {}, rows("x"))
    assert store.attributions.find(KEY, {"x": 123_456})[1] == {}


def test_a_person_leaves_no_explanation(store) -> None:
    other = dataclasses.replace(KEY, quantity="loss")
    for key in (KEY, other):
        store.attributions.put(key, {}, [*rows("x", "y"), *rows("z", entity="ann")])
    assert store.attributions.drop(ids=["x"]) == 2
    assert store.attributions.drop(entity="ann") == 2
    assert sorted(store.attributions.find(KEY, marks("x", "y", "z"))[1]) == ["y"]
    assert store.attributions.drop(model="another") == 0
    assert store.attributions.drop(model="model") == 2
    assert store.attributions.count() == 0


def test_the_oldest_leave(store) -> None:
    for place in range(4):
        store.attributions.put(dataclasses.replace(KEY, way=str(place)), {}, rows("x", "y"), most=5)
    assert store.attributions.count() <= 5
    assert sorted(store.attributions.find(dataclasses.replace(KEY, way="3"), marks("x", "y"))[1]) == ["x", "y"]
    assert store.attributions.find(dataclasses.replace(KEY, way="0"), marks("x", "y"))[1] == {}
    store.attributions.put(KEY, {}, rows(*map(str, range(9))), most=5)
    assert store.attributions.count() <= 5


def test_a_damaged_explanation_is_told(store) -> None:
    store.attributions.put(KEY, {}, rows("x"))
    store._database.execute("update assay_attribution set body = ?", [b"abc"])
    with pytest.raises(StoreError, match="damaged"):
        store.attributions.find(KEY, marks("x"))


def test_a_run_is_kept_without_the_explanations_of_single_rows(store) -> None:
    made = Attribution(("a",), ("ann",), ((0.5,),), 0.1)
    run = Run("explain", sentences=("it is so",), attributions=(made,))
    found = store.get(store.put(run))
    assert found.sentences == ("it is so",)
    assert found.attributions == ()
    assert Run.from_json(run.to_json()) == run
