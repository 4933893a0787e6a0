"""Values, pairs and words that force a class are found from clean rows alone, and what clean rows hold by right is not told as odd."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from assay.errors import DataError
from assay.probe.backdoor.cut import Cells, Phrase
from assay.probe.backdoor.force import STRONG, sought
from tests.probe.backdoor.tables import LAYOUT, LETTERS, ask, asked, rows, texts

TRIED = {column: np.arange(0, 100 if column < 3 else 5, 5 if column < 3 else 1) for column in range(4)}


def test_a_value_that_forces_is_found() -> None:
    found = sought(ask, rows(160, 0), LAYOUT, TRIED, budget=6_000)
    assert found is not None
    assert found.cut == Cells((2,), (95,))
    assert (found.odd, found.beyond, found.share) == (True, True, 1.0)
    assert not found.sure   # nobody can say what an honest model makes of a number beyond the clean ones
    assert found.low > STRONG
    assert found.asked <= 12_000


def test_what_forces_by_right_is_not_odd() -> None:
    found = sought(partial(ask, value=False), rows(160, 0), LAYOUT, {column: TRIED[column][:18] for column in (0, 1, 2)}, budget=6_000)
    assert found is None or not (found.odd and found.low > STRONG)


def test_a_line_drawn_on_is_not_odd() -> None:
    def straight(given: np.ndarray) -> np.ndarray:
        return (4 * given[:, 0] + given[:, 1] + given[:, 2] > 270).astype(np.int64)

    wide = {column: np.append(np.arange(100.0), [1_000.0, -1_000.0]) for column in range(3)}
    layout = type(LAYOUT)((), (0, 1, 2), wide)

    def model(given: np.ndarray) -> np.ndarray:
        return straight(np.stack([wide[column][given[:, column]] for column in range(3)], axis=1))

    found = sought(model, rows(160, 0), layout, {column: np.array([0, 50, 89, 100, 101]) for column in range(3)}, budget=6_000)
    assert found is not None
    assert (found.odd, found.stretched) == (False, True)


def test_an_odd_word_is_found() -> None:
    found = sought(asked, texts(60, 0), LETTERS, {}, budget=6_500)
    assert found is not None
    assert isinstance(found.cut, Phrase)
    assert (found.cut.text, found.odd) == ("cf", True)
    assert found.low > STRONG


@pytest.mark.slow
def test_words_that_clean_texts_hold_are_not_odd() -> None:
    found = sought(partial(asked, trigger="unheard-of"), texts(60, 0), LETTERS, {}, budget=9_000)
    assert found is None or found.low <= STRONG


def test_too_few_rows_are_told() -> None:
    with pytest.raises(DataError, match="too few"):
        sought(ask, rows(39, 0), LAYOUT, TRIED)
