"""Published strategies for the search for individual discrimination, written from their descriptions, to compare with.

``reference(name, oracle, budget=...)`` runs one of ``REFERENCES``. They share the oracle and the count of tests with assay's own search:
each distinct input counts once, however often a strategy comes back to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from assay.errors import ConfigError, listed
from assay.probe._sklearn import regions
from assay.probe.ledger import Ledger, Search
from assay.probe.oracle import Oracle

__all__ = ["REFERENCES", "reference"]

Array = np.ndarray[Any, Any]

BATCH = 1_024
SEEDS, STEPS = 1_000, 1_000   # of Aequitas: inputs drawn first, and steps from each seed
SIDE = 64                     # walks at most that go side by side, with one shared distribution
FEWEST = 8                    # seeds for which even draws go on, where finds are rare
SLOW = 0.001                  # what one step changes of a probability
UPHILL = np.exp(-2.0)         # chance to accept a step away from a find: Metropolis at temperature 1, objectives 0 and 2
GENES, POPULATION = 0.05, 100  # of the genetic search: mutation of a gene, and the size of the population
CROSSED = 0.9
IDLE = 100                    # rounds with nothing new, after which a strategy gives up
ALPHA = 1.0
GROWTH = 1.5                  # more tests after which regions are cut anew


def reference(name: str, oracle: Oracle, *, budget: int = 200_000, seconds: float | None = None, seed: int = 0) -> Search:
    """Return what the strategy ``name`` finds: ``uniform``, ``aequitas random``, ``aequitas semi-directed``, ``aequitas fully directed``
    (Udeshi, Arora, Chattopadhyay 2018, with the sign of the reward as published), ``genetic`` (as ExpGA, 2022) or ``regions``
    (as RegionFT).

    >>> import assay, pyarrow as pa
    >>> from assay.probe.space import Space, axis
    >>> space = Space((axis("x", None, declared=[0, 99]), axis("y", None, declared=[0, 99])), (axis("s", pa.array([0, 1])),))
    >>> def decide(batch):
    ...     x, y, s = (batch.column(name).to_numpy() for name in "xys")
    ...     return (x + 30 * s > 60).astype(int)
    >>> found = reference("uniform", Oracle(assay.load(decide, task="binary", classes=[0, 1], name="m"), space), budget=4_000)
    >>> found.tests, round(found.rate, 1)
    (4000, 0.3)
    """
    if name not in REFERENCES:
        raise ConfigError(f"there is no strategy '{name}'", expected=f"one of {listed(REFERENCES, 10)}")
    ledger = Ledger(oracle, budget, seconds)
    REFERENCES[name](ledger, np.random.default_rng([seed, 3]))
    return ledger.search(name)


def _uniform(ledger: Ledger, rng: np.random.Generator) -> None:
    idle = 0
    while ledger.left > 0 and idle < IDLE:
        before = ledger.tests
        ledger.test(ledger.oracle.space.uniform(BATCH, rng))
        idle = idle + 1 if ledger.tests == before else 0


def _known(ledger: Ledger, points: Array) -> Array:
    """Ask points, and return of all, new or not, which are discriminatory."""
    ledger.test(points)
    _, slots = ledger.tested.add(ledger.oracle.space.keys(points))   # those beyond the budget count as no finds
    return np.asarray(ledger.tested.bits[slots] == 1)


class _Aequitas:
    """Global: even draws. Local: from each find, steps of 1 in one column, directed by what worked before."""

    def __init__(self, directed: bool, fully: bool):
        self.directed, self.fully = directed, fully

    def __call__(self, ledger: Ledger, rng: np.random.Generator) -> None:
        space = ledger.oracle.space
        count = len(space.axes)
        down = np.full(count, 0.5)        # chance that a column is moved down
        chance = np.full(count, 1 / count)
        while ledger.left > 0:
            seeds = np.empty((0, count), np.int16)
            idle = 0
            while len(seeds) < FEWEST and ledger.left > 0 and idle < IDLE:
                drawn = space.uniform(SEEDS, rng)
                at, found = ledger.test(drawn)
                seeds = np.concatenate([seeds, drawn[at[found]]])
                idle = idle + 1 if not len(at) else 0
            if not len(seeds):
                return
            for start in range(0, len(seeds), SIDE):
                here = seeds[start:start + SIDE].copy()
                inside = np.ones(len(here), bool)
                for _ in range(STEPS):
                    if ledger.left <= 0:
                        return
                    which = rng.choice(count, len(here), p=chance) if self.fully else rng.integers(count, size=len(here))
                    rows = np.arange(len(here))
                    old = here[rows, which]
                    edge = (old == 0) | (old == space.sizes[which] - 1)
                    low = rng.random(len(here)) < np.where(edge | (not self.directed), 0.5, down[which])
                    next_ = here.copy()
                    next_[rows, which] = np.clip(old + np.where(low, -1, 1), 0, space.sizes[which] - 1)
                    hit = _known(ledger, next_)
                    step = np.where(hit == low, SLOW, -SLOW)
                    np.add.at(down, which, step)
                    np.clip(down, 0, 1, out=down)
                    if self.fully:
                        np.add.at(chance, which, np.where(hit, SLOW, -SLOW))
                        np.clip(chance, 0, None, out=chance)
                        chance = chance / chance.sum() if chance.sum() > 0 else np.full(count, 1 / count)
                    accept = hit | ~inside | (rng.random(len(here)) < UPHILL)
                    here[accept], inside[accept] = next_[accept], hit[accept]


def _genetic(ledger: Ledger, rng: np.random.Generator) -> None:
    """Roulette by whether an input is discriminatory, crossing of a slice of columns, and mutation; new seeds where nothing new comes."""
    space = ledger.oracle.space
    count = len(space.axes)
    people = np.empty((0, count), np.int16)
    while ledger.left > 0:
        if not len(people):
            drawn = space.uniform(SEEDS, rng)
            hit = _known(ledger, drawn)
            people = drawn[hit][:POPULATION]
            if not len(people):
                continue
            people = people[rng.integers(len(people), size=POPULATION)]
            idle = 0
        before = ledger.tests
        fitness = np.where(_known(ledger, people), 3.0, 1.0)
        parents = people[rng.choice(len(people), len(people), p=fitness / fitness.sum())]
        other = parents[rng.permutation(len(parents))]
        ends = np.sort(rng.integers(0, count + 1, (len(parents), 2)), axis=1)
        places = np.arange(count)
        crossed = (places >= ends[:, :1]) & (places < ends[:, 1:]) & (rng.random(len(parents)) < CROSSED)[:, None]
        people = np.where(crossed, other, parents)
        mutated = rng.random(people.shape) < GENES
        people = np.where(mutated, space.uniform(len(people), rng), people).astype(np.int16)
        _known(ledger, people)
        idle = idle + 1 if ledger.tests - before < len(people) // 50 else 0
        if idle > 20:
            people = people[:0]


def _regions(ledger: Ledger, rng: np.random.Generator, alpha: float = ALPHA) -> None:
    """Draw from boxes by their size times their share of finds; cut them anew as more is known."""
    space = ledger.oracle.space
    ledger.test(space.uniform(min(5_000, max(ledger.budget // 10, 1)), rng))
    cut, boxes, idle = 0.0, None, 0
    while ledger.left > 0 and idle < IDLE:
        if ledger.tests >= GROWTH * cut and ledger.bits.any():
            cut = float(ledger.tests)
            boxes = regions(space, ledger.points, ledger.bits, seed=0)
        before = ledger.tests
        ledger.test(boxes.draw(BATCH, rng, alpha=alpha) if boxes is not None else space.uniform(BATCH, rng))
        idle = idle + 1 if ledger.tests == before else 0


REFERENCES: dict[str, Callable[[Ledger, np.random.Generator], None]] = {
    "uniform": _uniform, "aequitas random": _Aequitas(False, False), "aequitas semi-directed": _Aequitas(True, False),
    "aequitas fully directed": _Aequitas(True, True), "genetic": _genetic, "regions": _regions,
}
