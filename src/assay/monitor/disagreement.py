"""Two models that answer the same rows: what moved the data moves both, so what is left is the fault of one; and of which.

``Norm.of(table, ...)`` keeps how two models answered when nothing was wrong, cell of inputs by cell; ``read(norm, ...)`` compares a window
with it; ``step(memory, ...)`` gathers evidence within a budget and decides which of the two is out of its mind. Pure functions and plain
state; the verb of the monitor joins them to rows.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from assay.errors import SummaryError
from assay.monitor import evidence
from assay.monitor.baseline import Season
from assay.monitor.evidence import Page, State, Tuning
from assay.monitor.reading import Readings, Stream
from assay.monitor.strata import Strata, grown

__all__ = ["OWN", "PAIR", "RENEWED", "SIDES", "Answers", "Blame", "Norm", "Pairing", "Pairs", "Told", "blamed", "read", "step"]

Array = np.ndarray[Any, Any]
Blame = Literal["shadow", "production", "both", "neither"]

PAIR, OWN = "shadow", "own answers"      # the source that pages, and the one that only says whose fault it is
SIDES = ("production", "shadow")
FEWEST = 30          # rows that both answered, below which a window says nothing
RENEWED = 28         # windows after which it is learned anew how two models that are well answer
CLIP = 5.0           # standard deviations beyond which two answers are no further apart
MOVED = 3.0          # standard deviations by which a model must have left its own history, to be called out of its mind
TWICE = 2.0          # and times as far as the other
STANDS = 2.0         # standard deviations, from which on a stream is said to be away since
_FOLLOWS = 0.03      # gain of what is usual of the inputs' shifts
_TILT = 0.4          # of the rows that a tilt keeps
_TILTED = 2.0        # times as far as tilts of the rows moved a statistic, a real shift is expected to


@dataclass(frozen=True, eq=False)
class Answers:
    """What one model answered: a ``number`` a row (a score, a value; NaN where there is none) and a ``decision`` (a code, -1: none).

    ``decision`` is None where numbers are predicted.
    """

    number: Array
    decision: Array | None = None

    def __len__(self) -> int:
        return len(self.number)

    @property
    def silent(self) -> Array:
        """Rows without an answer."""
        return ~np.isfinite(self.number) if self.decision is None else ~np.isfinite(self.number) & (self.decision < 0)

    def take(self, rows: Array) -> Answers:
        return Answers(self.number[rows], None if self.decision is None else self.decision[rows])


#: what is averaged over rows, cell by cell: of the pair, then of each side
_PAIRED = ("difference", "distance", "disagreement")
_ALONE = ("level", "apart")


@dataclass(frozen=True)
class Norm:
    """How two models answered when nothing was wrong: the cells of their inputs, what is usual in each, and what a shift alone does.

    ``means`` are of each function of a row and cell; ``reach`` is by how much each statistic moved, for a whole shift of the inputs, while
    rows were tilted on purpose and both models were what they were. ``scale`` is the standard deviation of the answers.
    """

    strata: Strata
    means: Mapping[str, tuple[float, ...]]
    reach: Mapping[str, float]
    usual: Mapping[str, float]
    scale: float
    rows: int

    @classmethod
    def of(cls, table: pa.Table, columns: Sequence[str], production: Answers, shadow: Answers) -> Norm | None:
        """Return the norm of rows in the order of time; None where too few of them were answered by both."""
        both = np.flatnonzero(np.isfinite(production.number) & np.isfinite(shadow.number))
        if len(both) < 10 * FEWEST:
            return None
        a, b = production.take(both), shadow.take(both)
        whole = table.take(pa.array(both))
        pooled = np.concatenate([a.number, b.number])
        low, high = np.quantile(pooled, (0.001, 0.999))   # a single absurd value must not be the measure of all
        scale = float(pooled.clip(low, high).std()) or 1.0
        targets = [(b.number - a.number).clip(-CLIP * scale, CLIP * scale), a.number.clip(low, high), b.number.clip(low, high)]
        if a.decision is not None and b.decision is not None:
            targets.append((a.decision != b.decision).astype(float))
        odd = np.arange(len(both)) % 2 == 1   # every other row finds the cells, the others say what a shift does: both halves over all time
        strata = grown(whole.filter(pa.array(~odd)), columns, np.column_stack(targets)[~odd])
        norm = cls(strata, {}, {}, {}, scale, table.num_rows)
        cells = strata.cells(whole)
        half = norm._learned(cells[~odd], a.take(~odd), b.take(~odd))
        reach = half._reach(whole.filter(pa.array(odd)), a.take(odd), b.take(odd))
        made = replace(norm._learned(cells, a, b), reach=reach)
        seen = read(made, table, production, shadow)
        return replace(made, usual={str(name): float(each) for name, each in seen.plain.items()})

    def _learned(self, cells: Array, a: Answers, b: Answers) -> Norm:
        """Return the norm with the means of each cell, drawn to those of all rows by five of them."""
        made = replace(self, means={})
        for names in ((*_PAIRED, *(f"{side} level" for side in SIDES)), tuple(f"{side} apart" for side in SIDES)):
            found = _functions(made, cells, a, b)
            means = dict(made.means)
            for name in names:
                if name not in found:
                    continue
                x = found[name]
                known = np.isfinite(x)
                count = np.bincount(cells[known], minlength=len(self.strata))
                total = np.bincount(cells[known], x[known], len(self.strata))
                mean = float(x[known].mean()) if known.any() else 0.0
                means[name] = tuple(((total + 5 * mean) / (count + 5)).round(9).tolist())   # as they are kept
            made = replace(made, means=means)
        return made

    def _reach(self, table: pa.Table, a: Answers, b: Answers) -> dict[str, float]:
        """Return how far each statistic moves where rows are tilted along one input after the other, by the size of the shift."""
        found: dict[str, float] = {}
        whole = read(self, table, a, b)
        codes, _ = self.strata._codes(table)
        random = np.random.default_rng(0)
        for place, cut in enumerate(self.strata.cuts):
            code = codes[:, place] + random.random(len(codes))   # of equals chance decides
            low, high = np.quantile(code, (_TILT, 1 - _TILT)) if len(code) else (0.0, 0.0)
            for some in (np.flatnonzero(code <= low), np.flatnonzero(code >= high)) if cut.shares else ():
                if len(some) < 5 * FEWEST:
                    continue
                seen = read(self, table.take(pa.array(some)), a.take(some), b.take(some))
                if seen.shift < 0.05:
                    continue
                for name, (x, v) in seen.streams.items():
                    off = x - whole.streams.get(name, (0.0, 0.0))[0]
                    size = math.sqrt(max(off * off - v, 0.0)) / seen.shift   # less what sampling brings
                    found[name] = max(found.get(name, 0.0), size)
        return found

    def to_json(self) -> dict[str, Any]:
        return {"strata": self.strata.to_json(), "means": {name: list(each) for name, each in self.means.items()},
                "reach": dict(self.reach), "usual": dict(self.usual), "scale": self.scale, "rows": self.rows}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Norm:
        strata = Strata.from_json(data["strata"])
        means = {str(name): tuple(map(float, each)) for name, each in data["means"].items()}
        if any(len(each) != len(strata) for each in means.values()):
            raise ValueError("the means are not those of the cells")
        return cls(strata, means, {str(name): float(each) for name, each in data["reach"].items()},
                   {str(name): float(each) for name, each in data["usual"].items()}, float(data["scale"]), int(data["rows"]))


@dataclass(frozen=True, eq=False)
class Pairing:
    """What a window says of two models: ``streams`` (value and variance by name), ``shifts`` of the inputs, ``plain`` numbers for people.

    ``excess`` is by how much more than usual the answers to a row lie apart, in standard deviations of answers; NaN where one is missing.
    """

    rows: int
    shifts: Array
    streams: Mapping[str, tuple[float, float]]
    plain: Mapping[str, float]
    excess: Array

    @property
    def shift(self) -> float:
        """How far the inputs have left those of the norm."""
        return float(self.shifts.max())

    def allowed(self, norm: Norm, shift: float) -> Pairing:
        """Return it with the variance that a shift beyond the usual brings to statistics of two models that are well."""
        wider = {name: (x, v + (_TILTED * norm.reach.get(name, 0.0) * shift) ** 2) for name, (x, v) in self.streams.items()}
        return replace(self, streams=wider)


def _functions(norm: Norm, cells: Array, a: Answers, b: Answers) -> dict[str, Array]:
    """Return what is averaged over rows."""
    scale = norm.scale
    off = ((b.number - a.number) / scale).clip(-CLIP, CLIP)
    found = {"difference": off, "distance": np.abs(off)}
    if a.decision is not None and b.decision is not None:
        there = (a.decision >= 0) & (b.decision >= 0)
        found["disagreement"] = np.where(there, (a.decision != b.decision).astype(float), np.nan)
    for side, each in zip(SIDES, (a, b), strict=True):
        level = found[f"{side} level"] = (each.number / scale).clip(-1e6, 1e6)
        if (means := norm.means.get(f"{side} level")) is not None:
            found[f"{side} apart"] = np.abs(level - np.asarray(means)[cells]).clip(0, CLIP)
    return found


def read(norm: Norm, table: pa.Table, production: Answers, shadow: Answers) -> Pairing:
    """Return what a window of rows says, each cell of inputs compared with itself.

    A statistic is the mean over rows of what it is less what is usual in the row's cell, with its sampling variance.
    """
    cells, shifts = norm.strata.placed(table)
    found = _functions(norm, cells, production, shadow)
    streams: dict[str, tuple[float, float]] = {}
    plain: dict[str, float] = {}
    rows = int(np.isfinite(found["difference"]).sum())
    for name, x in found.items():
        known = np.isfinite(x)
        n = int(known.sum())
        if n >= FEWEST and name in norm.means:
            left = x[known] - np.asarray(norm.means[name])[cells[known]]
            streams[name] = float(left.mean()), (float(left.var()) * n + 0.05) / (n + 4) / n
            plain[name] = float(x[known].mean())
    if table.num_rows >= FEWEST:
        n = table.num_rows
        roots, alike = [], []
        for side, each in zip(SIDES, (production, shadow), strict=True):
            silent = float(each.silent.mean())
            plain[f"{side} silent"] = silent
            roots.append(math.asin(math.sqrt(silent)))
            streams[f"{side} silent"] = roots[-1], 1 / (4 * n)
            other = shadow if side == "production" else production
            plain[f"{side} repeats"] = _repeats(each, other)
            alike.append(math.sqrt(plain[f"{side} repeats"]))
            streams[f"{side} repeats"] = alike[-1], 0.02 / n
        streams["silence"] = roots[1] - roots[0], 1 / (2 * n)
        streams["repeats"] = alike[1] - alike[0], 0.04 / n
    usual = np.asarray(norm.means["distance"])[cells] if "distance" in norm.means else np.zeros(len(cells))
    return Pairing(rows, shifts, streams, plain, found["distance"] - usual)


def _repeats(answers: Answers, other: Answers) -> float:
    """Return how likely two rows have the very same answer that the other model tells apart, whatever their number.

    Nearly 1 where answers are constant, little where they are fine; rows that are the same to both models do not count.
    """
    known = np.isfinite(answers.number) & np.isfinite(other.number)
    n = int(known.sum())
    if n < 2:
        return 0.0
    mine = np.unique(answers.number[known], return_inverse=True)[1].reshape(-1)
    others = np.unique(other.number[known], return_inverse=True)[1].reshape(-1)
    together = np.unique(mine * (int(others.max()) + 1) + others, return_counts=True)[1].astype(float)
    alone = np.bincount(mine).astype(float)
    return float((alone * (alone - 1)).sum() - (together * (together - 1)).sum()) / (n * (n - 1.0))


# from window to window ------------------------------------------------------------------------------------------------------------------

_PAIR_STREAMS = (*_PAIRED, "silence", "repeats")
_OWN_STREAMS = (*_ALONE, "silent", "repeats")


@dataclass(frozen=True)
class Pairs:
    """All that is remembered of two models: who they are, their norm, the evidence, and since when each stream has been away.

    ``worst`` is how far each side stood from its own history at most, since something of the pair has been away; ``first`` is the number of
    windows before there was a norm, ``shifts`` the mean and variance of how far the inputs usually are from the norm's;
    ``renewed`` when the norm was learned.
    """

    who: str = ""
    norm: Norm | None = None
    state: State = field(default_factory=State)
    since: Mapping[str, str] = field(default_factory=dict)
    worst: Mapping[str, float] = field(default_factory=dict)
    windows: int = 0
    first: int = 0
    renewed: int = 0
    shifts: tuple[tuple[float, float], ...] = ()

    @property
    def due(self) -> bool:
        """Whether the norm is to be learned anew: it is old, and nothing is away that it would learn to call usual."""
        return self.norm is not None and self.windows - self.renewed >= RENEWED and not self.since and not _open(self.state)

    def begun(self, norm: Norm) -> Pairs:
        """Return the memory with its first norm."""
        return replace(self, norm=norm, first=self.windows, renewed=self.windows)

    def anew(self, norm: Norm, table: pa.Table, production: Answers, shadow: Answers) -> Pairs:
        """Return the memory with a new norm; ``table`` are some rows that both norms are read on, so that levels move as the norm does."""
        assert self.norm is not None
        old, new = (read(each, table, production, shadow).streams for each in (self.norm, norm))
        moved = np.array([_moved(stream, old, new) for stream in self.state.streams])
        past = self.state.past
        known = past.n > 0
        past = replace(past, level=np.where(known, past.level + moved, past.level), anchor=np.where(known, past.anchor + moved, 0.0))
        pinned = self.state.pinned.copy()
        pinned[1] += np.where(pinned[0] > 0, moved, 0.0)
        pinned[3] += np.where(pinned[0] > 0, moved, 0.0)
        pinned[4] += pinned[5] * moved
        return replace(self, norm=norm, renewed=self.windows, shifts=(), state=replace(self.state, past=past, pinned=pinned))

    def judged(self, true: bool) -> Pairs:
        """Return the memory after a person said whether the last page was worth it."""
        return replace(self, state=evidence.judged(self.state, PAIR, true))

    def to_json(self) -> dict[str, Any]:
        return {"who": self.who, "norm": None if self.norm is None else self.norm.to_json(), "windows": self.windows, "first": self.first,
                "renewed": self.renewed, "shifts": [list(each) for each in self.shifts],
                "state": base64.b64encode(self.state.dump()).decode(), "since": dict(self.since),
                "worst": dict(self.worst)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Pairs:
        """Return the memory that :meth:`to_json` wrote; raises ``SummaryError`` for anything else."""
        try:
            return cls(str(data["who"]), None if data["norm"] is None else Norm.from_json(data["norm"]),
                       State.parse(base64.b64decode(data["state"])), {str(name): str(each) for name, each in data["since"].items()},
                       {str(name): float(each) for name, each in data["worst"].items()}, int(data["windows"]),
                       int(data["first"]), int(data["renewed"]), tuple((float(mean), float(variance)) for mean, variance in data["shifts"]))
        except SummaryError:
            raise
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise SummaryError(f"the bytes are no memory of two models ({type(error).__name__})") from error


@dataclass(frozen=True)
class Told:
    """What a window says of two models: the pairing, the page where there is one, and whose fault it is with how far each has moved.

    ``away`` is, by side, by how many standard deviations it left its own history at most, and the statistic; ``since`` when it began.
    """

    pairing: Pairing
    page: Page | None = None
    blame: Blame | None = None
    away: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    since: str | None = None
    z: Mapping[str, float] = field(default_factory=dict)


def step(memory: Pairs, pairing: Pairing, start: str, *, alpha: float, season: Season, learning: int, resting: bool = False,
         ) -> tuple[Pairs, Told]:
    """Return the memory after a window that begins at ``start``, and what the window says.

    The evidence is that of all streams of the monitor (:mod:`assay.monitor.evidence`): forecasts, tails, bets, and a page at ``1 / alpha``,
    so that the pair brings at most ``alpha`` false pages a window in expectation. Only the pair's own statistics may page; each side's are
    read to say whose fault it is, and do not learn while the pair is away.
    """
    assert memory.norm is not None
    shift, shifts = _shifted(memory, pairing.shifts)
    pairing = pairing.allowed(memory.norm, shift)
    names = [(Stream(PAIR, "", name), name) for name in _PAIR_STREAMS if name in pairing.streams]
    names += [(Stream(OWN, side, name), f"{side} {name}") for side in SIDES for name in _OWN_STREAMS if f"{side} {name}" in pairing.streams]
    readings = Readings(tuple(stream for stream, _ in names), np.array([pairing.streams[name][0] for _, name in names]),
                        np.array([pairing.streams[name][1] for _, name in names]))
    off = [PAIR, OWN] if resting else [OWN] if memory.since or _open(memory.state) else []
    state, outcome = evidence.step(memory.state, readings, alpha=alpha, season=season, weights={PAIR: 1.0, OWN: 0.0}, resting=off,
                                   tuning=Tuning(learning=learning))
    place = state.index.place
    z = {name: float(np.nan_to_num(outcome.z[place[stream]])) for stream, name in names}
    standing = [name for name in _PAIR_STREAMS if _beyond(name, z.get(name, 0.0)) >= STANDS]
    page = next((each for each in outcome.pages if each.source == PAIR and each.state != "ticket"), None)
    since = {name: memory.since.get(name, start) for name in standing}
    away: dict[str, tuple[float, str]] = {}
    for side in SIDES:
        most = max(((_beyond(name, z.get(f"{side} {name}", 0.0)), name) for name in _OWN_STREAMS), default=(0.0, ""))
        away[side] = max(most, (memory.worst.get(side, 0.0) if memory.since else 0.0, most[1]))
    after = Pairs(memory.who, memory.norm, state, since, {side: far for side, (far, _) in away.items()} if since else {},
                  memory.windows + 1, memory.first, memory.renewed, shifts)
    if page is None:
        return after, Told(pairing, z=z)
    began = [since[each.stream.statistic] for each in page.moved if each.stream.statistic in since]
    return after, Told(pairing, page, blamed(away["production"][0], away["shadow"][0]), away, min(began, default=start), z)


def _moved(stream: Stream, old: Mapping[str, tuple[float, float]], new: Mapping[str, tuple[float, float]]) -> float:
    name = f"{stream.column} {stream.statistic}".strip()
    return new[name][0] - old[name][0] if name in old and name in new else 0.0


def _shifted(memory: Pairs, shifts: Array) -> tuple[float, tuple[tuple[float, float], ...]]:
    """Return how far the inputs are beyond where they usually are, and what is usual after the window.

    A Sunday is always far from all days; the difference that this makes to two models is in the noise that their evidence knows.
    """
    known = memory.shifts if len(memory.shifts) == len(shifts) else ()
    n = memory.windows - memory.renewed
    if not known:
        return 0.0, tuple((float(each), 0.0) for each in shifts)
    beyond = max(max(0.0, float(now) - mean - 2 * math.sqrt(variance)) for now, (mean, variance) in zip(shifts, known, strict=True))
    gain = max(_FOLLOWS, 1 / (n + 1))
    after = []
    for now, (mean, variance) in zip(shifts.tolist(), known, strict=True):
        off = float(np.clip(now - mean, -0.2, 0.2))    # one strange day must not become usual
        after.append((mean + gain * off, (1 - gain) * (variance + gain * off * off)))
    return beyond if n >= 5 else 0.0, tuple(after)


def blamed(production: float, shadow: float) -> Blame:
    """Return whose fault it is, by how far each has left its own history, in standard deviations: whoever moved twice as far, and clearly.

    >>> blamed(0.8, 9.0), blamed(12.0, 2.0), blamed(8.0, 9.0), blamed(1.0, 2.0)
    ('shadow', 'production', 'both', 'neither')
    """
    if max(production, shadow) < MOVED:
        return "neither"
    if shadow >= MOVED and shadow >= TWICE * production:
        return "shadow"
    if production >= MOVED and production >= TWICE * shadow:
        return "production"
    return "both"


def _beyond(name: str, z: float) -> float:
    """Return how far a statistic is away to the side that counts."""
    return z if name in ("distance", "disagreement", "apart", "silent") else abs(z)


def _open(state: State) -> bool:
    return PAIR in state.sources and bool(state.age[state.sources.index(PAIR)] > 0)
