"""One test of individual discrimination: a point with all its protected values, asked in one batch; do the answers differ?

``Oracle.ask(points)`` is the interface. It goes through ``model.guard`` and counts tests and rows. Searches in this package import it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from assay.errors import ConfigError
from assay.model import guard
from assay.model.answer import Answer
from assay.model.model import Model
from assay.probe.space import Space

__all__ = ["Asked", "Oracle"]

Array = np.ndarray[Any, Any]

ROWS = 65_536   # of one call of the model
ENOUGH = 64     # tests of a call that says what one costs


@dataclass(frozen=True, eq=False)
class Asked:
    """What points were answered: ``said`` (points, variants), classes by their number or scores, and ``found``, where they differ."""

    said: Array
    found: Array


@dataclass(eq=False)
class Oracle:
    """Asks ``model`` about points of ``space``.

    Without ``apart`` two answers differ where the classes do; with it, where the scores of ``positive`` (of a regression: the numbers) are
    at least ``apart`` from each other. ``threshold`` decides the positive class in place of the model. ``tests`` and ``rows`` count what
    was asked, ``seconds`` what the model took, ``quick`` what a test took in the quickest call of at least 64.

    >>> import assay, pyarrow as pa
    >>> from assay.probe.space import axis
    >>> space = Space((axis("x", pa.array([0, 1])),), (axis("sex", pa.array([0, 1])),))
    >>> model = assay.load(lambda batch: [x * s for x, s in zip(*batch.to_pydict().values())], task="binary", classes=[0, 1], name="m")
    >>> Oracle(model, space).ask(np.array([[0], [1]])).found.tolist()
    [False, True]
    """

    model: Model
    space: Space
    apart: float | None = None
    positive: int = 1
    threshold: float | None = None
    tests: int = 0
    rows: int = 0
    seconds: float = field(default=0.0)
    quick: float = field(default=float("inf"))

    def __post_init__(self) -> None:
        signature = self.model.signature
        if signature.task == "multilabel":
            raise ConfigError("the answers of a model with several labels are not compared as one",
                              expected="a model with one answer a row")
        if signature.classes is None and self.apart is None:
            raise ConfigError("two numbers nearly always differ a little", expected="the difference that counts",
                              hint="--difference NUMBER (in Python difference=...)")
        if self.apart is not None and not self.apart > 0:
            raise ConfigError(f"a difference of {self.apart:g} is none", expected="a number above 0")
        if (self.apart is not None or self.threshold is not None) and signature.classes is not None and signature.scores is None:
            raise _unscored()

    @property
    def values(self) -> int:
        """How many rows a test costs."""
        return len(self.space.variants)

    def ask(self, points: Array) -> Asked:
        """Return the answers to points, each with every combination of protected values."""
        most = max(ROWS // self.values, 1)
        parts = [self._ask(points[start:start + most]) for start in range(0, len(points), most)] or [np.empty((0, self.values), np.int32)]
        said = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return Asked(said, self.differ(said))

    def differ(self, said: Array) -> Array:
        """Return of which points the answers differ."""
        if self.apart is not None:
            return np.asarray(said.max(axis=1) - said.min(axis=1) >= self.apart)
        if said.shape[1] == 2:
            return np.asarray(said[:, 0] != said[:, 1])
        return np.asarray((said[:, 1:] != said[:, :1]).any(axis=1))

    def shown(self, said: Any) -> Any:
        """Return one answer as a reader has it."""
        classes = self.model.signature.classes
        return float(said) if self.apart is not None or classes is None else classes[int(said)]

    def _ask(self, points: Array) -> Array:
        began = time.perf_counter()
        batch = self.space.batch(points)
        given = self._read(guard.answer(self.model, batch))
        self.tests += len(points)
        self.rows += batch.num_rows
        took = time.perf_counter() - began
        self.seconds += took
        if len(points) >= ENOUGH:   # a first call loads things, and another process may be in the way: the least is what it costs
            self.quick = min(self.quick, took / len(points))
        return given.reshape(self.values, len(points)).T

    def _read(self, given: Answer) -> Array:
        if given.value is not None:
            return given.value
        if self.apart is not None:
            if given.score is None:   # a callable may say so only when it is asked
                raise _unscored()
            return given.score[:, self.positive]
        if self.threshold is not None:
            if given.score is None:
                raise _unscored()
            return np.where(given.score[:, self.positive] >= self.threshold, self.positive, 1 - self.positive)
        return given.prediction if given.prediction is not None else np.argmax(given.score, axis=1)   # type: ignore[arg-type]


def _unscored() -> ConfigError:
    return ConfigError("the model answers classes only, and scores are to be compared", expected="a model with scores",
                       hint="without a difference and a threshold, classes are compared")
