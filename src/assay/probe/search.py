"""Search for inputs that differ only in protected attributes and get different answers: assay's own strategy.

``search(oracle, budget=...)`` is the interface. Walkers stay on what was found; where a model's answer is dear, stand-ins learned from the
tests so far screen the proposals. ``probe.reference`` has the published strategies; the verbs import it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from assay.errors import ConfigError
from assay.probe._sklearn import Regions, Screen, boosted, regions, slab
from assay.probe.ledger import Ledger, Search
from assay.probe.oracle import Oracle
from assay.probe.slope import Slope
from assay.probe.space import Space

__all__ = ["Manifold", "Method", "search"]

Array = np.ndarray[Any, Any]
Method = Literal["auto", "screen", "walk", "cover"]

DEAR = 1e-4             # seconds of a test from which screening pays: it costs about half of that itself
SEEDS = 40              # finds with which walking begins
FEW, EARLY = 4, 0.05    # or so many, once this share of the budget is spent: where finds are rare, neighbours of a few come sooner
FIRST = 2_000           # tests drawn evenly before anything else
WALKERS, FAST = 4_096, 8_192
SHARE = 6               # proposals for each test that is screened
SURE, LIKELY = 0.9, 0.75
TRIAL, FULL, PLAIN = 256, 2_048, 4_096
TRIED, AGED = 30.0, 300.0   # weight of an arm at which its trial ends, and at which it is halved
CLOSE = 0.03
REFITS = (2_500, 5_000, 12_000, 30_000, 75_000, 150_000)
LEARNED = 40_000        # tests that boosted trees learn from
PLANES = 7_500          # finds, and as many others, that a logistic regression learns from
FRESH = 0.02            # share of steps that look elsewhere
KEEP = 0.76             # to cover more: finds per test above which all regions are drawn from
FILLED, PLENTY, SPENT = 0.33, 0.62, 0.04   # finds per draw from regions from which they are said to be filled; the limit is then the second
                        # number, or so much below the first
COVER, FLAT = 0.2, 0.3  # how sure a screen must then be, and the power of a region's volume of finds by which it is drawn from
FINE = 2_048            # regions to draw from
HALF = 0.35             # how sure a screen must be where finds do not fill boxes
FIVES, BINS = 32, 4     # sets of five axes, and parts of each, by which novelty is judged then
REAL = 3_000            # rows of the data that are asked first on the manifold
PAIRS, BISECTIONS = 64, 10
TRIPLES, CELLS = 24, 8  # of axes, by which novelty is judged

MOVES = ("step", "stride", "redraw", "redraw two", "region", "mix", "uniform")
NEAR = ("step", "stride", "redraw", "redraw two")   # moves that stay near where they began


@dataclass(frozen=True, eq=False)
class Manifold:
    """Where real data lie: within ``radius`` of one of ``rows`` (points of the space)."""

    rows: Array
    radius: float

    @classmethod
    def of(cls, space: Space, rows: Array, *, seed: int = 0, most: int = 20_000) -> Manifold:
        """Return the manifold of real rows; the radius is the 95th percentile of the distance to the nearest other row."""
        from scipy.spatial import cKDTree

        if len(rows) < 2:
            raise ConfigError(f"{len(rows)} rows do not show where the data lie", expected="at least 2 rows without missing values")
        if len(rows) > most:
            rows = rows[np.sort(np.random.default_rng([seed, 7]).choice(len(rows), most, replace=False))]
        vectors = space.embedded(rows)
        nearest = cKDTree(vectors).query(vectors, k=2)[0][:, 1]
        return cls(rows, float(np.quantile(nearest, 0.95)))


def search(oracle: Oracle, *, budget: int = 200_000, seconds: float | None = None, method: Method = "auto",
           manifold: Manifold | None = None, seed: int = 0) -> Search:
    """Return the distinct discriminatory points that ``budget`` tests find; the same ``seed`` and ``method`` find the same.

    ``screen`` asks what stand-ins hold for discriminatory, ``walk`` asks more in less time, ``cover`` spreads what it finds; ``auto`` walks
    where a test costs less than 0.1 ms of the model, and screens else. A space of at most ``budget`` points is asked as a whole. With
    ``manifold`` it stays near real rows. Of a model that tells its gradient, ``screen`` and ``cover`` also change two columns at a time so
    that the score stays where it was. An interrupt ends it, and what was found is kept.

    >>> import assay, pyarrow as pa
    >>> from assay.probe.space import axis
    >>> space = Space((axis("x", None, declared=[0, 99]), axis("y", None, declared=[0, 99])), (axis("s", pa.array([0, 1])),))
    >>> def decide(batch):
    ...     x, y, s = (batch.column(name).to_numpy() for name in "xys")
    ...     return (x + 30 * s > 60).astype(int)
    >>> result = search(Oracle(assay.load(decide, task="binary", classes=[0, 1], name="m"), space), budget=100_000)
    >>> result.stopped, result.found == round(0.3 * result.tests)
    ('exhausted', True)
    """
    if budget < 1:
        raise ConfigError(f"a budget of {budget:,} tests finds nothing", expected="at least 1 test")
    if method not in ("auto", "screen", "walk", "cover"):
        raise ConfigError(f"there is no method '{method}'", expected="auto, screen, walk or cover")
    run = _Run(Ledger(oracle, budget, seconds), np.random.default_rng([seed, 1]), seed, manifold)
    stopped = None
    try:
        if oracle.space.size <= budget and manifold is None:
            method = "walk"
            run.all()
        else:
            run.seeded()
            method = run.chosen() if method == "auto" else method
            if len(run.walkers) and method == "walk":
                run.walk()
            elif len(run.walkers):
                run.screened(cover=method == "cover")
    except KeyboardInterrupt:
        stopped = "interrupted"
    return replace(run.ledger.search("everything" if run.whole else method, stopped), slopes=run.slope.rows if run.slope is not None else 0)


@dataclass(eq=False)
class _Arm:
    """A move with a screen, or without; ``good`` and ``bad`` count what came of it."""

    move: str
    screen: str | None
    good: float = 1.0
    bad: float = 1.0

    @property
    def weight(self) -> float:
        return self.good + self.bad

    def told(self, tests: int, finds: int) -> None:
        if not tests:
            self.bad += 1.0   # it has nothing new
            return
        weight = min(tests / 8, TRIED)
        self.good += weight * finds / tests
        self.bad += weight * (1 - finds / tests)
        if self.weight > AGED:
            self.good, self.bad = self.good / 2, self.bad / 2


@dataclass(eq=False)
class _Run:
    """The state of one search."""

    ledger: Ledger
    rng: np.random.Generator
    seed: int
    manifold: Manifold | None = None
    whole: bool = False
    walkers: Array = field(default_factory=lambda: np.empty((0, 0), np.int16))
    origins: Array = field(default_factory=lambda: np.empty(0, np.int64))
    screens: dict[str, Screen] = field(default_factory=dict)
    boxes: Regions | None = None
    slope: Slope | None = None
    best: str = ""   # the screen that tells most
    keep: float = KEEP
    filled: bool = False
    spread: bool = False   # what is unlike earlier finds counts more

    def __post_init__(self) -> None:
        self.space = self.ledger.oracle.space
        self.several = np.flatnonzero(self.space.sizes > 1)
        self._divided(TRIPLES, 3, CELLS)
        self.found_origins: list[Array] = []
        self.found_points: list[Array] = []

    def _divided(self, count: int, width: int, bins: int) -> None:
        """Draw sets of axes by whose cells novelty is judged."""
        width = min(width, len(self.several))
        self.sets = [self.rng.choice(self.several, width, replace=False) for _ in range(count)] if width else []
        self.visits = np.zeros((count, bins**width))
        self.bins = bins
        self.cells = [np.arange(size) * min(bins, size) // size for size in self.space.sizes]

    # -- the beginning

    def all(self) -> None:
        """Ask every point."""
        self.whole = True
        every = self.space.everything()
        for start in range(0, len(every), PLAIN):
            if self.ledger.left <= 0:
                return
            self.ledger.test(every[start:start + PLAIN])

    def seeded(self) -> None:
        """Find where to begin: real rows on the manifold, else even draws, and searches along lines where they find more."""
        if self.manifold is not None:
            self._real()
        else:
            self._scattered()
        self._gather(FAST)

    def _real(self) -> None:
        assert self.manifold is not None
        order = self.rng.permutation(len(self.manifold.rows))
        for start in range(0, len(order), REAL):
            part = order[start:start + REAL]
            self.asked(self.manifold.rows[part], part)
            if self.ledger.found >= SEEDS or self.ledger.left <= 0:
                return
        while self.ledger.found < SEEDS and self.ledger.left > 0:   # none, or few: near the rows
            part = self.rng.integers(len(self.manifold.rows), size=PLAIN)
            points = self.manifold.rows[part]
            for _ in range(3):
                points = self._moved(points, str(self.rng.choice(NEAR)))
            keep = self.space.apart(points, self.manifold.rows[part]) <= self.manifold.radius
            if not len(self.asked(points[keep], part[keep])[0]) and keep.mean() < 0.001:
                return

    def _scattered(self) -> None:
        even, lines = _Arm("uniform", None), _Arm("line", None)
        self._told(even, lambda: self.asked(self.space.uniform(min(FIRST, max(self.ledger.budget // 20, 100)), self.rng)))
        straight = self.ledger.oracle.apart is None
        idle = 0
        while not self._begun() and self.ledger.left > 0 and idle < 50:
            before = self.ledger.tests
            if straight and self.rng.beta(lines.good, lines.bad) > self.rng.beta(even.good, even.bad):
                self._told(lines, self._lines)
            else:
                self._told(even, lambda: self.asked(self.space.uniform(1_000, self.rng)))
            idle = idle + 1 if self.ledger.tests == before else 0

    def _begun(self) -> bool:
        return self.ledger.found >= SEEDS or (self.ledger.found >= FEW and self.ledger.tests >= EARLY * self.ledger.budget)

    def _told(self, arm: _Arm, act: Any) -> None:
        tests, found = self.ledger.tests, self.ledger.found
        act()
        arm.told(self.ledger.tests - tests, self.ledger.found - found)

    def _lines(self) -> None:
        """Halve the way between points that all variants answer one way and points that all answer another."""
        points, said = self.ledger.said()
        same = ~self.ledger.oracle.differ(said)
        points, first = points[same], said[same, 0]
        classes = np.unique(first)
        if len(classes) < 2:
            self.asked(self.space.uniform(1_000, self.rng))
            return
        pair = self.rng.choice(classes, 2, replace=False)
        ends = [points[self.rng.choice(np.flatnonzero(first == each), PAIRS)] for each in pair]
        active = np.ones(PAIRS, bool)
        for _ in range(BISECTIONS):
            middle = ((ends[0].astype(np.int32) + ends[1] + self.rng.integers(0, 2, ends[0].shape)) // 2).astype(np.int16)
            at = np.flatnonzero(active)
            if not len(at) or self.ledger.left <= 0:
                return
            fresh, found = self.asked(middle[at])
            active[:] = False
            if not len(fresh):
                return
            rows = at[fresh]
            answers = self.ledger.recent[-1][1][:, 0]
            for side in (0, 1):
                there = ~found & (answers == pair[side])
                ends[side][rows[there]] = middle[rows[there]]
            active[rows[~found & np.isin(answers, pair)]] = True

    def chosen(self) -> Method:
        """Return whether to walk or to screen, by what a test costs."""
        return "screen" if self.ledger.oracle.quick >= DEAR else "walk"

    # -- asking and remembering

    def asked(self, points: Array, origins: Array | None = None) -> tuple[Array, Array]:
        """Ask points; remember where finds came from and which cells they are in."""
        at, found = self.ledger.test(points)
        if found.any():
            hits = points[at[found]]
            self._visited(hits)
            self.found_points.append(hits)
            if origins is not None:
                self.found_origins.append(origins[at[found]])
        return at, found

    def _visited(self, points: Array) -> None:
        for number, axes in enumerate(self.sets):
            self.visits[number] += np.bincount(self._cell(points, axes), minlength=self.visits.shape[1])

    def _cell(self, points: Array, axes: Array) -> Array:
        out = np.zeros(len(points), np.int64)
        for place in axes:
            out = out * self.bins + self.cells[place][points[:, place]]
        return out

    def _gather(self, count: int) -> None:
        """Set walkers on what was found, as evenly over regions as it is known."""
        if not self.found_points:
            return
        points = self.found_points[0] if len(self.found_points) == 1 else np.concatenate(self.found_points)
        weights = None
        if self.boxes is not None:
            at = self.boxes.apply(points)
            weights = np.bincount(at, minlength=len(self.boxes.low))[at] ** -0.5
            weights /= weights.sum()
        chosen = self.rng.choice(len(points), count, p=weights)
        self.found_points = [points]
        self.walkers = points[chosen].copy()
        if self.manifold is not None:
            origins = np.concatenate(self.found_origins)
            self.found_origins = [origins]
            self.origins = origins[chosen].copy()

    # -- walking

    def walk(self) -> None:
        """Walkers on finds move one column at a time, and stay where that finds nothing; columns that keep finding are moved more."""
        ledger, size = self.ledger, len(self.walkers)
        count = len(self.space.sizes)
        tried, kept = np.ones(3 * count), np.ones(3 * count)   # for each column, of each kind of move
        dull = 0
        while ledger.left > 0 and dull < 200:
            if self.rng.random() < FRESH and self.manifold is None:
                ledger.test(self.space.uniform(512, self.rng))
                continue
            chance = np.where(np.tile(self.space.sizes > 1, 3), kept / tried, 0.0)
            arm = np.searchsorted(np.cumsum(chance / chance.sum()), self.rng.random(size)).clip(0, len(chance) - 1)
            points = self._shifted(self.walkers, arm % count, arm // count)
            if self.manifold is not None:
                near = self.space.apart(points, self.manifold.rows[self.origins]) <= self.manifold.radius
                places = np.flatnonzero(near)
            else:
                places = np.arange(size)
            before = ledger.tests
            at, found = ledger.test(points[places])
            hits = places[at[found]]
            self.walkers[hits] = points[hits]
            tried += np.bincount(arm[places[at]], minlength=len(tried))
            kept += np.bincount(arm[hits], minlength=len(kept))
            if tried.sum() > 60_000:
                tried, kept = tried / 2, kept / 2
            share = (ledger.tests - before) / size
            dull = dull + 1 if share < 0.02 else 0
            if share < 0.3:   # crowded: some begin elsewhere
                self._spread()

    def _spread(self) -> None:
        """Move a quarter of the walkers to where others are, and shake them."""
        size = len(self.walkers)
        some = self.rng.choice(size, size // 4, replace=False)
        other = self.rng.integers(size, size=len(some))
        self.walkers[some] = self.walkers[other]
        if self.manifold is not None:
            self.origins[some] = self.origins[other]

    def _shifted(self, points: Array, which: Array, kind: Array) -> Array:
        """Return points with one column each changed: by 1, by a tenth of its range on average, or anew."""
        rows = np.arange(len(points))
        sizes = self.space.sizes[which]
        old = points[rows, which].astype(np.int64)
        sign = np.where(self.rng.random(len(points)) < 0.5, -1, 1)
        far = 1 + (self.rng.exponential(0.1, len(points)) * sizes).astype(np.int64)
        step = old + sign * np.where(kind == 0, 1, far)
        step = np.where(step < 0, old + 1, np.where(step >= sizes, old - 1, step)).clip(0, sizes - 1)
        drawn = (old + 1 + (self.rng.random(len(points)) * (sizes - 1)).astype(np.int64)) % sizes
        out = points.copy()
        out[rows, which] = np.where(kind == 2, drawn, step)
        return out

    def _moved(self, points: Array, move: str) -> Array:
        def which() -> Array:
            return self.rng.choice(self.several, len(points))

        if move in ("step", "stride", "redraw"):
            return self._shifted(points, which(), np.full(len(points), ("step", "stride", "redraw").index(move)))
        if move == "redraw two":
            return self._shifted(self._shifted(points, which(), np.full(len(points), 2)), which(), np.full(len(points), 2))
        if move == "mix":
            other = self.walkers[self.rng.integers(len(self.walkers), size=len(points))]
            return np.where(self.rng.random(points.shape) < 0.25, other, points)
        if move == "slope" and self.slope is not None:
            return self.slope.moved(points, self.rng)
        if move == "region" and self.boxes is not None:
            return self.boxes.draw(len(points), self.rng, alpha=4.0)
        return self.space.uniform(len(points), self.rng)

    # -- screening

    def screened(self, *, cover: bool = False) -> None:
        """Propose more than is asked, and ask what stand-ins hold for discriminatory; arms that find more are used more."""
        ledger = self.ledger
        self._gather(WALKERS)
        if cover:
            self.spread = True
            self._divided(FIVES, 5, BINS)
            self._visited(self.found_points[0])
        self.slope = Slope.of(ledger.oracle)
        moves = (*(NEAR if self.manifold is not None else MOVES), *(("slope",) if self.slope is not None else ()))
        arms = [_Arm(each, None) for each in (*NEAR, "mix", "slope") if each in moves]
        refits = list(REFITS)
        dull = 0
        while ledger.left > 0 and dull < 300:
            if refits and ledger.tests >= refits[0]:
                while refits and ledger.tests >= refits[0]:
                    refits.append(refits[-1] * 2) if len(refits) == 1 else None
                    refits.pop(0)
                self._refit()
                if cover and self.boxes is not None:
                    self._weighed()
                arms = [each for each in arms if each.screen is None]
                arms += [_Arm(move, name) for name in self.screens for move in moves]
                if self.manifold is None and not any(each.move == "region" and each.screen is None for each in arms):
                    arms.append(_Arm("region", None))
            before = ledger.tests
            roll = self.rng.random()
            if roll < FRESH and self.manifold is None:
                self._elsewhere()
            elif cover and self.boxes is not None and self.manifold is None and ledger.found >= self.keep * ledger.tests:
                self._covering()
            else:
                self._step(self._picked(arms))
            dull = dull + 1 if ledger.tests - before < 8 else 0

    def _picked(self, arms: list[_Arm]) -> _Arm:
        drawn = np.array([self.rng.beta(each.good, each.bad) for each in arms])
        return arms[int(self.rng.choice(np.flatnonzero(drawn >= drawn.max() - CLOSE)))]

    def _step(self, arm: _Arm) -> None:
        count = TRIAL if arm.weight < TRIED else FULL if arm.screen else PLAIN
        rows = self.rng.integers(len(self.walkers), size=count * SHARE * (1 + self.spread) if arm.screen else count)
        points = self._moved(self.walkers[rows], arm.move)
        keep = self.ledger.new(points)
        if self.manifold is not None:
            keep &= self.space.apart(points, self.manifold.rows[self.origins[rows]]) <= self.manifold.radius
        points, rows = points[keep], rows[keep]
        if arm.screen and len(points):
            sure = self.screens[arm.screen](points)
            chosen = np.flatnonzero(sure >= (LIKELY if self.spread and not self.filled else SURE))
            if len(chosen) < count // 4:
                chosen = np.flatnonzero(sure >= LIKELY)
            if len(chosen) > count:
                plain = self.spread and not self.filled
                score = self._novelty(points[chosen], 16 if plain else 6) * (1.0 if plain else self.rng.random(len(chosen)))
                chosen = chosen[np.argpartition(-score, count)[:count]]
            points, rows = points[chosen], rows[chosen]
        origins = self.origins[rows] if self.manifold is not None else None
        at, found = self.asked(points, origins)
        arm.told(len(at), int(found.sum()))
        hits = at[found]
        self.walkers[rows[hits]] = points[hits]

    def _novelty(self, points: Array, count: int = 6) -> Array:
        out = np.zeros(len(points))
        for number in self.rng.choice(len(self.sets), min(count, len(self.sets)), replace=False):
            out += 1 / (1 + self.visits[number][self._cell(points, self.sets[number])])
        return out

    def _elsewhere(self) -> None:
        points = [self.space.uniform(256, self.rng)]
        if self.boxes is not None and (self.boxes.finds == 0).any():
            weights = np.where(self.boxes.finds == 0, self.boxes.weights(0.0), 0.0)
            points.append(self.boxes.draw(256, self.rng, alpha=0.0, weights=weights / weights.sum()))
        self.asked(np.concatenate(points))

    def _covering(self) -> None:
        """Ask fresh draws from the boxes: where finds fill boxes, small ones more often than their size says."""
        assert self.boxes is not None
        weights = np.where(self.boxes.finds > 0, self.boxes.weights(FLAT, FLAT), 0.0) if self.filled else self.boxes.weights(1.0)
        points = self.boxes.draw(FULL * SHARE, self.rng, alpha=1.0, weights=weights / weights.sum())
        if not self.filled:
            moved = self.walkers[self.rng.integers(len(self.walkers), size=len(points))]
            for _ in range(5):
                moved = self._shifted(moved, self.rng.choice(self.several, len(moved)), np.full(len(moved), 2))
            points = np.concatenate([points, moved])
        points = points[self.ledger.new(points)]
        if self.best:
            points = points[self.screens[self.best](points) >= (COVER if self.filled else HALF)]
        count = FULL if self.filled else FULL // 4
        if len(points) > count:
            score = self._novelty(points, 16) * (self.rng.random(len(points)) if self.filled else 1.0)
            points = points[np.argpartition(-score, count)[:count]]
        self.asked(points)

    def _weighed(self) -> None:
        """Draw from the boxes as they are, and say how many finds a test is to bring while other draws spread them.

        A tree has many small boxes of finds that no stand-in knows of, and draws from boxes find nearly as much; of smooth models stand-ins
        know more.
        """
        assert self.boxes is not None
        at, found = self.asked(self.boxes.draw(TRIAL * 2, self.rng, alpha=1.0))
        share = float(found.mean()) if len(at) else 0.0
        self.filled = share >= FILLED
        self.keep = max(PLENTY, share - SPENT) if self.filled else KEEP

    def _refit(self) -> None:
        """Learn the stand-ins and the regions anew from what was asked, and set the walkers on finds of all regions."""
        points, bits = self.ledger.points, self.ledger.bits
        fits = int(self.ledger.tests)
        if bits.all() or not bits.any():
            return
        rng = np.random.default_rng([self.seed, 2, fits])
        chosen = rng.choice(len(points), min(LEARNED, len(points)), replace=False)
        if bits[chosen].mean() < 0.1:   # finds are rare: more of them
            chosen = np.union1d(chosen, np.flatnonzero(bits)[:LEARNED])
        chosen = rng.permutation(chosen)
        held = chosen[: len(chosen) // 8] if len(chosen) > 4_000 else chosen[:0]
        learned = np.setdiff1d(chosen, held)
        screens: dict[str, Screen | None] = {"bit": boosted(self.space, points[learned], bits[learned], seed=self.seed)}
        if self.ledger.oracle.apart is None:
            # finds alone lie between two planes and say little of where these are: as many of the others
            each = [rng.permutation(np.flatnonzero(bits == bit))[:PLANES] for bit in (True, False)]
            some = np.concatenate(each)
            screens["label"] = slab(self.space, points[some], self.ledger.answers[some])
        self.screens = {name: each for name, each in screens.items() if each is not None and _useful(each, points[held], bits[held])}
        self.best = max(self.screens, key=lambda name: _telling(self.screens[name], points[held], bits[held]), default="")
        if self.manifold is None:
            sample = rng.choice(len(points), min(100_000, len(points)), replace=False)
            self.boxes = regions(self.space, points[sample], bits[sample], seed=self.seed, boxes=FINE)
        self._gather(WALKERS)


def _useful(screen: Screen, points: Array, bits: Array) -> bool:
    """Return whether most of what a screen is sure of is true, of tests that it did not learn from."""
    if not len(points):
        return True
    sure = screen(points) >= LIKELY
    return int(sure.sum()) < 20 or bool(bits[sure].mean() >= max(0.3, bits.mean()))


def _telling(screen: Screen, points: Array, bits: Array) -> float:
    """Return how likely a screen is surer of a find than of another test (area under the curve), of tests that it did not learn from."""
    finds = int(bits.sum())
    if not 0 < finds < len(bits):
        return 0.0
    rank = np.empty(len(points))
    rank[np.argsort(screen(points), kind="stable")] = np.arange(1, len(points) + 1)
    return float((rank[bits].sum() - finds * (finds + 1) / 2) / (finds * (len(bits) - finds)))
