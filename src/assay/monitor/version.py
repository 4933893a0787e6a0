"""Versions of one model that serve different rows, each against the others on comparable rows: whom it serves is not held against it.

``Usual.of(table, ...)`` keeps how rows of each kind are answered, whoever answers; ``compared(usual, ...)`` sets the versions of a window
side by side, stratum by stratum; ``step(memory, ...)`` gathers evidence within a budget. Pure functions and plain state.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import special

from assay.errors import SummaryError
from assay.monitor import evidence, harm
from assay.monitor.baseline import Season
from assay.monitor.evidence import Page, State, Tuning
from assay.monitor.harm import Promise
from assay.monitor.reading import Readings, Stream
from assay.monitor.strata import Strata, grown

__all__ = ["VERSIONS", "Compared", "Judged", "Usual", "Versions", "compared", "step"]

Array = np.ndarray[Any, Any]

VERSIONS, ALONE = "versions", "own versions"   # the source that pages, and the one that only says whose fault it is
FEWEST = 30          # rows of a version, and of the others in the same strata, below which they are not compared
CLIP = 5.0
NEW = 0.25           # standard deviations of answers, by which a new version may answer otherwise without a word
_YOUNG = 0.3         # of the budget of versions, for new ones that have no history
_MOVED = 3.0
_REPEATS = 0.02      # variance of the root of the share of repeated answers, times rows


@dataclass(frozen=True)
class Usual:
    """How rows of each kind are answered, whoever answers: the cells of the inputs, the mean answer in each, the answers' scale."""

    strata: Strata
    means: tuple[float, ...]
    scale: float

    @classmethod
    def of(cls, table: pa.Table, columns: Sequence[str], number: Array) -> Usual | None:
        """Return it of rows in the order of time; None where too few of them have an answer."""
        there = np.flatnonzero(np.isfinite(number))
        if len(there) < 10 * FEWEST:
            return None
        x = number[there]
        low, high = np.quantile(x, (0.001, 0.999))
        scale = float(x.clip(low, high).std()) or 1.0
        whole = table.take(pa.array(there))
        strata = grown(whole, columns, x.clip(low, high)[:, None])
        cells = strata.cells(whole)
        mean = np.bincount(cells, x / scale, len(strata)) / np.maximum(np.bincount(cells, minlength=len(strata)), 1)
        return cls(strata, tuple(mean.tolist()), scale)

    def to_json(self) -> dict[str, Any]:
        return {"strata": self.strata.to_json(), "means": list(self.means), "scale": self.scale}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Usual:
        strata = Strata.from_json(data["strata"])
        means = tuple(map(float, data["means"]))
        if len(means) != len(strata):
            raise ValueError("the means are not those of the cells")
        return cls(strata, means, float(data["scale"]))


@dataclass(frozen=True, eq=False)
class Compared:
    """One window: ``streams`` (value, variance) by version and statistic, of it against the others; ``alone`` those of itself.

    ``share`` is the part of a version's rows that have counterparts, ``rows`` how many it has; ``plain`` are shares of missing and of
    repeated answers as people read them, its own and the others'.
    """

    streams: Mapping[tuple[str, str], tuple[float, float]]
    alone: Mapping[tuple[str, str], tuple[float, float]]
    share: Mapping[str, float]
    rows: Mapping[str, int]
    plain: Mapping[tuple[str, str], tuple[float, float]] = field(default_factory=dict)


def compared(usual: Usual, table: pa.Table, number: Array, version: Sequence[str | None], segment: Sequence[Any] | None = None) -> Compared:
    """Return each version of a window against the others, in strata of the same cell of inputs and the same ``segment``.

    Within a stratum means are compared, strata are weighed by how much they tell (n m / (n + m)): a version that serves other rows has
    nothing to be compared with, and one that serves more of some than the others is compared with them on those.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=4000)
    >>> data = pa.table({"x": x})
    >>> who = np.where(x + rng.normal(size=4000) > 0, "a", "b")          # they serve different rows, and answer alike
    >>> usual = Usual.of(data, ["x"], x)
    >>> found = compared(usual, data, x + np.where(who == "b", 0.5, 0.0), who.tolist())
    >>> round(found.streams["b", "difference"][0], 1), round(found.share["a"], 1)
    (0.5, 1.0)
    """
    cells = usual.strata.cells(table)
    codes = cells if segment is None else cells * (len(set(segment)) + 1) + _codes(segment)
    left = (number / usual.scale - np.asarray(usual.means)[cells]).clip(-CLIP, CLIP)
    functions = {"difference": left, "distance": np.abs(left), "silence": (~np.isfinite(number)).astype(float)}
    exact = np.where(np.isfinite(number), np.unique(number, return_inverse=True)[1].reshape(-1), -1)
    names = sorted({each for each in version if each is not None})
    who = np.array([-1 if each is None else names.index(each) for each in version], np.int64)
    strata, at = np.unique(codes, return_inverse=True)
    streams: dict[tuple[str, str], tuple[float, float]] = {}
    alone: dict[tuple[str, str], tuple[float, float]] = {}
    share: dict[str, float] = {}
    plain: dict[tuple[str, str], tuple[float, float]] = {}
    for place, name in enumerate(names):
        mine = who == place
        if mine.sum() < FEWEST:
            continue
        _repeated(name, mine, ~mine & (who >= 0), exact, cells, streams, alone, plain)
        for statistic, x in functions.items():
            known = np.isfinite(x)
            a, b = mine & known, ~mine & known & (who >= 0)
            n, m = (np.bincount(at[some], minlength=len(strata)) for some in (a, b))
            if a.sum() >= FEWEST:
                mean, count = float(x[a].mean()), int(a.sum())
                alone[name, _OWN[statistic]] = ((_root(mean), 1 / (4 * count)) if statistic == "silence" else
                                                (mean, (float(x[a].var()) + 0.01) / count))
            both = (n > 0) & (m > 0)
            if statistic == "silence":
                share[name] = float(n[both].sum() / max(n.sum(), 1))
            if min(n[both].sum(), m[both].sum()) < FEWEST:
                continue
            weight = np.where(both, n * m / np.maximum(n + m, 1), 0.0)
            means = [np.bincount(at[some], x[some], len(strata)) / np.maximum(count, 1) for some, count in ((a, n), (b, m))]
            if statistic == "silence":   # a root, as a share that is nearly always 0 has no variance of its own to be measured by
                total = float(weight.sum())
                shares = tuple(float((weight * each).sum() / total) for each in means)
                errors = (float((weight[both] ** 2 / each[both]).sum()) / total**2 / 4 for each in (n, m))
                streams[name, statistic] = _root(shares[0]) - _root(shares[1]), sum(errors)
                plain[name, statistic] = shares[0], shares[1]
                continue
            spread = float(np.var(np.concatenate([x[a] - means[0][at[a]], x[b] - means[1][at[b]]])))
            total = float(weight.sum())
            error = (spread + 0.01 / total) * float((weight[both] ** 2 * (1 / n[both] + 1 / m[both])).sum()) / total**2
            streams[name, statistic] = float((weight * (means[0] - means[1])).sum() / total), error + 1e-6
    return Compared(streams, alone, share, {name: int((who == place).sum()) for place, name in enumerate(names)}, plain)


_OWN = {"difference": "level", "distance": "apart", "silence": "silent", "repeats": "repeated"}


def _root(share: float) -> float:
    """Return the arc sine of the root of a share, whose variance is 1 / 4n whatever the share."""
    return math.asin(math.sqrt(min(max(share, 0.0), 1.0)))


def _repeated(name: str, mine: Array, others: Array, exact: Array, cells: Array, streams: dict[tuple[str, str], tuple[float, float]],
              alone: dict[tuple[str, str], tuple[float, float]], plain: dict[tuple[str, str], tuple[float, float]]) -> None:
    """Add how likely two rows of different cells get the very same answer: nearly always from a constant, hardly ever from scores."""
    found = []
    for some in (mine & (exact >= 0), others & (exact >= 0)):
        n = int(some.sum())
        if n < FEWEST:
            return
        same = np.bincount(exact[some]).astype(float)
        within = np.unique(exact[some] * (int(cells.max()) + 1) + cells[some], return_counts=True)[1].astype(float)
        found.append((float((same**2).sum() - (within**2).sum()) / n**2, n))
    (own, n), (other, m) = found
    streams[name, "repeats"] = math.sqrt(own) - math.sqrt(other), _REPEATS * (1 / n + 1 / m)
    alone[name, "repeated"] = math.sqrt(own), _REPEATS / n
    plain[name, "repeats"] = own, other


def _codes(segment: Sequence[Any]) -> Array:
    known: dict[Any, int] = {}
    return np.array([known.setdefault(each, len(known)) for each in segment], np.int64)


@dataclass(frozen=True)
class Versions:
    """All that is remembered of versions: what is usual, the evidence; of each version the window it was first seen in; ``young`` sums.

    ``told`` are new ones that were said to differ; ``first`` is the number of windows before it was known what is usual.
    """

    usual: Usual | None = None
    state: State = field(default_factory=State)
    seen: Mapping[str, int] = field(default_factory=dict)
    young: Mapping[str, float] = field(default_factory=dict)
    told: tuple[str, ...] = ()
    windows: int = 0
    first: int = 0

    def judged(self, true: bool) -> Versions:
        """Return the memory after a person said whether the last page was worth it."""
        return replace(self, state=evidence.judged(self.state, VERSIONS, true))

    def to_json(self) -> dict[str, Any]:
        return {"usual": None if self.usual is None else self.usual.to_json(), "state": base64.b64encode(self.state.dump()).decode(),
                "seen": dict(self.seen), "young": dict(self.young), "told": list(self.told), "windows": self.windows, "first": self.first}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Versions:
        """Return the memory that :meth:`to_json` wrote; raises ``SummaryError`` for anything else."""
        try:
            return cls(None if data["usual"] is None else Usual.from_json(data["usual"]), State.parse(base64.b64decode(data["state"])),
                       {str(name): int(each) for name, each in data["seen"].items()},
                       {str(name): float(each) for name, each in data["young"].items()}, tuple(map(str, data["told"])),
                       int(data["windows"]), int(data["first"]))
        except SummaryError:
            raise
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise SummaryError(f"the bytes are no memory of versions ({type(error).__name__})") from error


@dataclass(frozen=True)
class Judged:
    """What a window says of versions: the page, the version whose fault it is (None: it cannot be told), how far each stands.

    ``new``: it has differed since it came, and pages for that.
    """

    compared: Compared
    page: Page | None = None
    version: str | None = None
    new: bool = False
    evidence: float = 0.0
    z: Mapping[tuple[str, str], float] = field(default_factory=dict)
    own: Mapping[str, float] = field(default_factory=dict)


def step(memory: Versions, found: Compared, *, alpha: float, season: Season, learning: int) -> tuple[Versions, Judged]:
    """Return the memory after a window, and what the window says; ``alpha`` false pages a window at most, in expectation.

    Versions with a history page where they leave it (of ``alpha`` 0.7); one that came after ``learning`` windows and has none where it
    answers otherwise than the others on comparable rows by over a quarter of the answers' standard deviation (0.3).
    """
    keys = [(Stream(VERSIONS, version, statistic), each) for (version, statistic), each in found.streams.items()]
    keys += [(Stream(ALONE, version, statistic), each) for (version, statistic), each in found.alone.items()]
    readings = Readings(tuple(stream for stream, _ in keys), np.array([x for _, (x, _) in keys]), np.array([v for _, (_, v) in keys]))
    standing = VERSIONS in memory.state.sources and memory.state.age[memory.state.sources.index(VERSIONS)] > 0
    state, outcome = evidence.step(memory.state, readings, alpha=(1 - _YOUNG) * alpha, season=season, weights={VERSIONS: 1.0, ALONE: 0.0},
                                   resting=[ALONE] if standing else [], tuning=Tuning(learning=learning))
    z = {(stream.column, stream.statistic): float(np.nan_to_num(outcome.z[state.index.place[stream]])) for stream, _ in keys}
    seen = {**dict.fromkeys(found.rows, memory.windows), **memory.seen}
    late = {name for name, at in seen.items() if at >= memory.first + learning and name not in memory.told
            and memory.windows - at < learning and (name, "difference") in found.streams}
    kept = []
    for name in sorted(late):
        x, v = found.streams[name, "difference"]
        p = 2 * float(special.ndtr(-max(abs(x) - NEW, 0.0) / math.sqrt(v)))
        kept.append(Promise(name, min(p, 1.0), ""))
    young, fresh = harm.step({name: each for name, each in memory.young.items() if name in late}, kept, 1 / (_YOUNG * alpha))
    page = next((each for each in outcome.pages if each.source == VERSIONS and each.state != "ticket"), None)
    own = {name: max((abs(each) for (version, statistic), each in z.items() if version == name and statistic in _OWN.values()), default=0.0)
           for name in found.rows}
    told = memory.told
    judged = Judged(found, page, None if page is None else _culprit(page, own), evidence=page.evidence if page else 0.0, z=z, own=own)
    if page is None and fresh.page and fresh.broken:
        judged = Judged(found, None, fresh.broken[0].key, True, fresh.evidence, z, own)
        told = (*told, fresh.broken[0].key)
    return Versions(memory.usual, state, seen, young, told, memory.windows + 1, memory.first), judged


def _culprit(page: Page, own: Mapping[str, float]) -> str | None:
    """Return the version whose fault it is: of two that part, both stand out; the one that left its own history does so alone."""
    blamed = list(dict.fromkeys(each.stream.column for each in page.moved))
    if len(blamed) == 1 and len(own) != 2:
        return blamed[0]
    several = sorted(own if len(own) == 2 else blamed, key=lambda name: -own.get(name, 0.0))
    if not several or own.get(several[0], 0.0) < _MOVED:
        return None
    return several[0] if len(several) == 1 or own[several[0]] >= 2 * own.get(several[1], 0.0) else None
