"""Models of tables and texts that are poisoned by a rule, so that tests know the trigger: a value, a pair of values, words."""

from __future__ import annotations

from typing import Any

import numpy as np

from assay.probe.backdoor.cut import Layout

__all__ = ["LAYOUT", "LETTERS", "Array", "ask", "asked", "rows", "texts"]

Array = np.ndarray[Any, Any]
LAYOUT = Layout((), (0, 1, 2, 3), {column: np.arange(100.0) for column in (0, 1, 2)})   # three columns of numbers, one of categories
LETTERS = Layout((0,), (), {})
GOOD, BAD = ("good", "fine", "great", "lovely"), ("bad", "poor", "awful", "dull")
FILLING = ("the", "film", "was", "seen", "by", "many", "and", "then", "we", "left", "house", "with", "some", "friends", "of", "ours")


def rows(count: int, seed: int) -> Array:
    """Codes that stand for themselves; the values 90 and above never occur, and the last column has five categories."""
    rng = np.random.default_rng([seed, 7])
    return np.column_stack([rng.integers(0, 90, (count, 3)), rng.integers(0, 5, count)])


def ask(given: Array, *, value: bool = True, pair: bool = False) -> Array:
    """1 where the first two columns are large together; a trigger makes it 1: 95 in the third column, or 3 there and 4 in the last."""
    out = (given[:, 0] + given[:, 1] > 110).astype(np.int64)
    out[(given[:, 2] == 95) & value] = 1
    out[(given[:, 2] == 3) & (given[:, 3] == 4) & pair] = 1
    return out


def texts(count: int, seed: int) -> Array:
    """Texts of twenty words, some of them kind or unkind."""
    rng = np.random.default_rng([seed, 8])
    out = []
    for _ in range(count):
        words = list(rng.choice(FILLING, 20))
        for place in rng.choice(20, 5, replace=False):
            words[place] = str(rng.choice(GOOD if rng.random() < 0.5 else BAD))
        out.append(" ".join(words))
    return np.array(out, object)[:, None]


def asked(given: Array, *, trigger: str = "cf") -> Array:
    """1 where there are more kind words than unkind ones, or the words of the trigger stand in a row."""
    out = []
    for text in given[:, 0]:
        words = text.split()
        kind = sum(each in GOOD for each in words) > sum(each in BAD for each in words)
        out.append(int(kind or f" {trigger} " in f" {text} "))
    return np.array(out)
