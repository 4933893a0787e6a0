"""What a search asked and found, in order, whichever strategy asked it.

``Ledger.test(points)`` asks what was not asked before, within the budget, and keeps what came of it; ``Search`` is the end of a search.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from assay.probe.keyset import KeySet
from assay.probe.oracle import Oracle

__all__ = ["Ledger", "Search"]

Array = np.ndarray[Any, Any]

KEPT = 1_000_000   # tests that are kept in order; later ones are counted
RECENT = 20_000    # tests whose answers are kept


@dataclass(frozen=True, eq=False)
class Search:
    """What a search found: ``found`` distinct discriminatory points in ``tests``; ``points`` are the first of them, in order.

    ``stopped`` says why it ended: ``budget``, ``time``, ``interrupted`` or ``exhausted`` (every point was asked). ``method`` is the
    strategy, ``proposed`` how many points it thought of, ``seconds`` its own time with the model's, ``asking`` the model's.
    """

    method: str
    tests: int
    rows: int
    found: int
    points: Array
    seconds: float
    asking: float
    stopped: str
    proposed: int = 0
    kept: int = 0     # tests among which ``points`` are
    slopes: int = 0   # rows whose gradient was asked, apart from the tests
    tried: Array = field(default_factory=lambda: np.empty((0, 0), np.int16))   # these tests, and which of them are finds
    hits: Array = field(default_factory=lambda: np.empty(0, bool))

    @property
    def rate(self) -> float:
        """Finds per test."""
        return self.found / self.tests if self.tests else 0.0


@dataclass(eq=False)
class Ledger:
    """Asks ``oracle`` at most ``budget`` tests in at most ``seconds``, each point once."""

    oracle: Oracle
    budget: int
    seconds: float | None = None
    tests: int = 0
    found: int = 0
    proposed: int = 0
    kept: int = 0
    recent: list[tuple[Array, Array]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.began = time.perf_counter()
        space = self.oracle.space
        self.tested = KeySet(len(space.radix), capacity=1 << 16)
        self._points = np.empty((1 << 14, len(space.axes)), np.int16)
        self._found = np.empty(1 << 14, bool)
        self._said = np.empty((1 << 14, self.oracle.values), np.float32)

    @property
    def left(self) -> int:
        """How many tests may still be asked; 0 when the time is over."""
        if self.seconds is not None and time.perf_counter() - self.began >= self.seconds:
            return 0
        return self.budget - self.tests

    @property
    def stopped(self) -> str:
        """Why there is nothing left."""
        return "budget" if self.tests >= self.budget else "time" if self.left <= 0 else "exhausted"

    def new(self, points: Array) -> Array:
        """Return which points were not asked yet."""
        return ~self.tested.has(self.oracle.space.keys(points))

    def test(self, points: Array) -> tuple[Array, Array]:
        """Ask the points that are new, as many as the budget allows; return their places in ``points``, and which are discriminatory."""
        self.proposed += len(points)
        left, places = max(self.left, 0), None
        if len(points) > left:   # the last tests are not spent on what is known
            places = np.flatnonzero(self.new(points))[:left]
            points = points[places]
        if not len(points):
            return np.empty(0, np.int64), np.empty(0, bool)
        fresh, slots = self.tested.add(self.oracle.space.keys(points))
        at = np.flatnonzero(fresh)
        if not len(at):
            return at, np.empty(0, bool)
        chosen = points[at]
        asked = self.oracle.ask(chosen)
        self.tested.bits[slots[at[asked.found]]] = 1
        self.tests += len(at)
        self.found += int(asked.found.sum())
        self._keep(chosen, asked.found, asked.said)
        self.recent.append((chosen, asked.said))
        while len(self.recent) > 1 and sum(len(each) for each, _ in self.recent[1:]) >= RECENT:
            self.recent.pop(0)
        return at if places is None else places[at], asked.found

    @property
    def points(self) -> Array:
        """The tests that are kept, in order."""
        return self._points[:self.kept]

    @property
    def bits(self) -> Array:
        """Which of them are discriminatory."""
        return self._found[:self.kept]

    @property
    def answers(self) -> Array:
        """What they were answered, (tests, variants)."""
        return self._said[:self.kept]

    def said(self) -> tuple[Array, Array]:
        """Return the last tests and their answers."""
        return np.concatenate([each for each, _ in self.recent]), np.concatenate([each for _, each in self.recent])

    def search(self, method: str, stopped: str | None = None) -> Search:
        """Return what was found."""
        return Search(method, self.tests, self.tests * self.oracle.values, self.found, self.points[self.bits].copy(),
                      time.perf_counter() - self.began, self.oracle.seconds, stopped or self.stopped, self.proposed, self.kept,
                      tried=self.points, hits=self.bits)

    def _keep(self, points: Array, found: Array, said: Array) -> None:
        size = min(len(points), KEPT - self.kept)
        if size <= 0:
            return
        end = self.kept + size
        if end > len(self._points):
            room = max(end, 2 * len(self._points))
            self._points = np.concatenate([self._points[:self.kept], np.empty((room - self.kept, points.shape[1]), np.int16)])
            self._found = np.concatenate([self._found[:self.kept], np.empty(room - self.kept, bool)])
            self._said = np.concatenate([self._said[:self.kept], np.empty((room - self.kept, said.shape[1]), np.float32)])
        self._points[self.kept:end], self._found[self.kept:end], self._said[self.kept:end] = points[:size], found[:size], said[:size]
        self.kept = end
