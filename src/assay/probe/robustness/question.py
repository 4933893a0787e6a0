"""What is asked of a model while it is attacked: decisions and scores of a batch, counted against a budget of rows.

``Question(ask)`` is the interface; ``Said`` what a callable returns. Curves and attacks of this package import it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.errors import ConfigError

__all__ = ["Ask", "Question", "Said"]

Array = np.ndarray[Any, Any]

ROWS = 65_536   # of one call of the model


@dataclass(frozen=True, eq=False)
class Said:
    """What n rows are answered: ``decision`` (n,), places of classes or numbers, and ``score`` (n, K) where the model gives scores."""

    decision: Array
    score: Array | None = None

    def __getitem__(self, places: Any) -> Said:
        return Said(self.decision[places], None if self.score is None else self.score[places])


Ask = Callable[[Any], Said]


@dataclass(eq=False)
class Question:
    """Asks, and counts the rows that were asked; ``apart`` says how far two numbers must be from each other to differ.

    ``budget`` is the most rows that may be asked; who asks looks at ``left`` before a round. Of classes the decision counts.

    >>> question = Question(lambda numbers: Said((numbers[:, 0] > 5).astype(int)), budget=10)
    >>> before = question(np.array([[1.0], [7.0]]))
    >>> question.differ(before.decision, question(np.array([[6.0], [8.0]])).decision).tolist(), question.left
    ([True, False], 6)
    """

    ask: Ask
    budget: int = 200_000
    apart: float | None = None
    rows: int = 0

    @property
    def left(self) -> int:
        """How many rows may still be asked."""
        return max(self.budget - self.rows, 0)

    def __call__(self, batch: Any) -> Said:
        """Return what a batch is answered: an array by its first axis, or an Arrow batch."""
        n = len(batch) if isinstance(batch, np.ndarray | list) else batch.num_rows
        self.rows += n
        if n <= ROWS:
            return self.ask(batch)
        whole = isinstance(batch, np.ndarray | list)
        parts = [self.ask(batch[start:start + ROWS] if whole else batch.slice(start, ROWS)) for start in range(0, n, ROWS)]
        scored = all(each.score is not None for each in parts)
        return Said(np.concatenate([each.decision for each in parts]),
                    np.concatenate([each.score for each in parts if each.score is not None]) if scored else None)

    def differ(self, before: Array, after: Array) -> Array:
        """Return where two decisions differ; raises ``ConfigError`` for numbers without a difference that counts."""
        if np.issubdtype(before.dtype, np.integer):
            return np.asarray(before != after)
        if self.apart is None or not self.apart > 0:
            raise ConfigError("two numbers nearly always differ a little", expected="the difference that counts, above 0",
                              hint="--difference NUMBER (in Python difference=...)")
        return np.asarray(np.abs(before - after) >= self.apart)
