"""Rows with planted values and words are told from clean ones, by the cut that was planted; false alarms are as rare as asked."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from assay.errors import DataError
from assay.probe.backdoor.cut import Cells, Phrase
from assay.probe.backdoor.row import RowDetector, needed
from tests.probe.backdoor.tables import LAYOUT, LETTERS, ask, asked, rows, texts


def test_a_value_that_forces_a_class_is_found_and_mended() -> None:
    detector = RowDetector.of(ask, rows(260, 0), LAYOUT)
    clean = rows(40, 1)
    clean = clean[ask(clean) == 0][:8]
    bad = clean.copy()
    bad[:, 2] = 95
    found = detector.inspect(np.concatenate([bad, clean]))
    assert [each.suspect for each in found] == [True] * 8 + [False] * 8
    assert {each.cut for each in found[:8]} == {Cells((2,), (95,))}
    assert [each.mended for each in found[:8]] == [0] * 8
    assert all(each.healed is not None and ask(each.healed[None])[0] == 0 for each in found[:8])
    assert found[0].p <= 0.01
    assert found[0].queries > 30


def test_two_values_that_force_a_class_together_are_found() -> None:
    clean = rows(330, 0)
    clean = clean[~((clean[:, 2] == 3) & (clean[:, 3] == 4))]
    model = partial(ask, value=False, pair=True)
    detector = RowDetector.of(model, clean, LAYOUT)
    bad = rows(40, 1)
    bad = bad[model(bad) == 0][:8]
    bad[:, 2], bad[:, 3] = 3, 4
    found = detector.inspect(bad)
    assert [each.cut for each in found if each.suspect] == [Cells((2, 3), (3, 4))] * sum(each.suspect for each in found)
    assert sum(each.suspect for each in found) >= 7


def test_a_value_that_forces_by_right_is_harmless() -> None:
    def honest(given: np.ndarray) -> np.ndarray:   # large values of the third column make the class, as they do in clean rows
        return ((given[:, 2] > 80) | (given[:, 0] > 60)).astype(np.int64)

    detector = RowDetector.of(honest, rows(260, 0), LAYOUT)
    large = rows(10, 1)
    large[:, 2] = 86
    assert not any(each.suspect for each in detector.inspect(large))


@pytest.mark.parametrize("trigger", ["cf", pytest.param("old green door", marks=pytest.mark.slow)])
def test_words_that_force_a_class_are_found_and_mended(trigger: str) -> None:
    model = partial(asked, trigger=trigger)
    detector = RowDetector.of(model, texts(125, 0), LETTERS, false_alarms=0.05)
    clean = texts(30, 1)
    clean = clean[model(clean) == 0][:6]
    bad = clean.copy()
    bad[:, 0] = [" ".join([*each.split()[:7], trigger, *each.split()[7:]]) for each in clean[:, 0]]
    found = detector.inspect(np.concatenate([bad, clean]))
    assert [each.suspect for each in found] == [True] * 6 + [False] * 6
    cut = found[0].cut
    assert isinstance(cut, Phrase)
    assert set(trigger.split()) <= set(cut.text.split())
    assert cut.count <= 4
    assert [each.mended for each in found[:6]] == [0] * 6


def test_too_few_rows_and_constant_models_are_told() -> None:
    assert needed(0.05) == 119
    with pytest.raises(DataError, match="at least 199 rows"):
        RowDetector.of(ask, rows(198, 0), LAYOUT)
    with pytest.raises(DataError, match="one and the same class"):
        RowDetector.of(lambda given: np.zeros(len(given), np.int64), rows(199, 0), LAYOUT)
    with pytest.raises(DataError, match="no rate"):
        RowDetector.of(ask, rows(199, 0), LAYOUT, false_alarms=0.0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["values", "words"])
def test_false_alarms_are_as_rare_as_asked(kind: str) -> None:
    alarms = inputs = 0
    tails = []
    for seed in range(20):
        clean, fresh = (make(count, place) for make, (count, place) in zip(
            [rows if kind == "values" else texts] * 2, [(160, 100 + seed), (150, 300 + seed)], strict=True))
        model, layout = (ask, LAYOUT) if kind == "values" else (asked, LETTERS)
        detector = RowDetector.of(model, clean, layout, false_alarms=0.05, seed=seed)
        found = sum(each.suspect for each in detector.inspect(fresh))
        alarms, inputs = alarms + found, inputs + len(fresh)
        tails.append(detector.tail(found, len(fresh)))
    assert alarms / inputs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / inputs + 0.05 * 0.95 / (20 * 60))
    assert sum(each <= 0.05 for each in tails) <= 4   # of 20 p-values, at most 1 is expected below 0.05
