"""What the evidence remembers: plain arrays by stream, by pool and by source, where each stream belongs, and the bytes of it all.

``State`` is the memory, ``State.dump`` and ``State.parse`` its bytes; ``aligned(state, readings, season)`` makes room for the streams of a
window and returns its readings in their order; an ``Index`` says where each stream belongs. Pure. Only ``assay.monitor.evidence`` imports
it, and gives ``State`` on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from assay.errors import SummaryError
from assay.monitor import tail
from assay.monitor.baseline import Baseline, Season
from assay.monitor.budget import Account
from assay.monitor.reading import BORN, LATER, STATISTICS, Readings, Stream
from assay.summary import codec

__all__ = ["COMMON", "TOGETHER", "Index", "State", "aligned"]

Array = np.ndarray[Any, Any]

COMMON = "common "                   # before the statistic: what the columns of a source do together
_MIXED = ("mean", "spread", "shift")  # shares of rows that are lost together speak for themselves
TOGETHER = 4                         # columns from which on there is a common movement
_SUMS = 2 * len(tail.BETS)


@dataclass(frozen=True)
class Index:
    """Where each stream belongs, derived from their names."""

    streams: tuple[Stream, ...]
    sources: tuple[str, ...]
    place: Mapping[Stream, int]
    group: Array                # of each stream: the number of its source
    pool: Array                 # of each stream: the number of its pool
    kind: Array                 # of each pool: the number of its statistic
    lend: Array                 # of each stream: the number of its pool for noise
    sided: Array
    harmless: Array
    damage: Array
    born: Array                 # windows of its column that a stream begins after
    common: Array               # streams that are made of others
    members: Array              # of each ordinary stream: the stream that it is a part of, or -1
    weight: Array               # of each stream in its source, all together 1
    number: Array               # of streams by source


_HELD: dict[int, Index] = {}


def _indexed(streams: tuple[Stream, ...]) -> Index:
    """Return where streams belong, made once for each tuple: to hash 100,000 names would cost more than the step."""
    held = _HELD.get(id(streams))
    if held is None or held.streams is not streams:
        while len(_HELD) >= 256:
            _HELD.pop(next(iter(_HELD)))
        held = _HELD[id(streams)] = _made(streams)
    return held


def _made(streams: tuple[Stream, ...]) -> Index:
    sources = tuple(dict.fromkeys(each.source for each in streams))
    at = {name: number for number, name in enumerate(sources)}
    pools: dict[tuple[str, str], int] = {}
    kinds: dict[str, int] = {}
    kind_of: list[int] = []
    pool, group = [], []
    for each in streams:
        name = ("common", "") if each.statistic.startswith(COMMON) else (each.statistic, each.source)
        if name not in pools:
            pools[name] = len(pools)
            kind_of.append(kinds.setdefault(name[0], len(kinds)))
        pool.append(pools[name])
        group.append(at[each.source])
    place = {each: number for number, each in enumerate(streams)}
    common = np.array([each.statistic.startswith(COMMON) for each in streams], bool)
    part = [-1 if mixed else place.get(Stream(each.source, "", COMMON + each.statistic), -1)
            for each, mixed in zip(streams, common.tolist(), strict=True)]
    plain = [STATISTICS.get(each.statistic.removeprefix(COMMON)) for each in streams]
    sided = np.array([each is not None and each.sided for each in plain], bool) & ~common
    harmless = np.array([each.harmless if each and not mixed else 0.0 for each, mixed in zip(plain, common, strict=True)])
    groups = np.array(group, np.int64)
    number = np.bincount(groups, minlength=len(sources)).astype(float)
    damage = np.array([each.statistic in STATISTICS and STATISTICS[each.statistic].damaged for each in streams], bool)
    born = np.array([BORN if each.statistic in LATER else 0 for each in streams], np.int64)
    return Index(streams, sources, place, groups, np.array(pool, np.int64), np.array(kind_of, np.int64), np.array(pool, np.int64), sided,
                  harmless, damage, born, common, np.array(part, np.int64), 1 / number[groups] if len(streams) else number, number)


@dataclass(frozen=True)
class State:
    """All that the evidence remembers: plain arrays by stream, by pool and by source. Grows with new streams, keeps vanished ones."""

    streams: tuple[Stream, ...] = ()
    phases: int = 0
    windows: int = 0
    account: Account = field(default_factory=Account)
    past: Baseline = field(default_factory=lambda: Baseline.empty(0))
    pools: Array = field(default_factory=lambda: np.zeros((0, tail.BINS)))
    nu: Array = field(default_factory=lambda: np.zeros(0))
    scale: Array = field(default_factory=lambda: np.zeros(0))
    sums: Array = field(default_factory=lambda: np.zeros((_SUMS, 0)))  # M of each stream, by bet
    # of each stream, the reference that stays: number of blocks, mean, squared deviations, greatest; the block that is being filled; its M
    pinned: Array = field(default_factory=lambda: np.zeros((7, 0)))
    pending: Array = field(default_factory=lambda: np.zeros(0))    # largest deviation of the incident that is open or was last
    culprit: Array = field(default_factory=lambda: np.zeros(0))    # 1 where the stream is part of an open incident
    recent: Array = field(default_factory=lambda: np.zeros(0))     # where it is since then
    age: Array = field(default_factory=lambda: np.zeros(0))        # of each source's incident in windows, 0 where none is open

    @property
    def index(self) -> Index:
        return _indexed(self.streams)

    @property
    def sources(self) -> tuple[str, ...]:
        return self.index.sources

    def dump(self) -> bytes:
        """Return the state as bytes, the same for the same state."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        names = "\x00".join("\x01".join(each) for each in self.streams).encode("utf-8", "surrogatepass")
        return codec.dump("evidence", {"phases": self.phases, "windows": self.windows, "account": self.account.to_json(),
                                       "names": np.frombuffer(names, np.uint8), **arrays,
                                       **{f"past.{each.name}": getattr(self.past, each.name) for each in fields(Baseline)}})

    @classmethod
    def parse(cls, data: bytes) -> State:
        """Return the state that :meth:`dump` wrote; raises ``SummaryError`` for anything else."""
        kind, found = codec.parse(data)
        if kind != "evidence":
            raise SummaryError(f"the bytes hold '{kind}'", expected="the evidence of a monitor")
        try:
            text = found["names"].tobytes().decode("utf-8", "surrogatepass")
            streams = tuple(Stream(*each.split("\x01")) for each in text.split("\x00")) if text else ()
            arrays = {name: found[name] for name in _ARRAYS}
            history = Baseline(**{each.name: found[f"past.{each.name}"] for each in fields(Baseline)})
            state = cls(streams, int(found["phases"]), int(found["windows"]), Account.from_json(found["account"]), history, **arrays)
            shapes = {"sums": len(streams), "pending": len(streams), "culprit": len(streams), "recent": len(streams),
                      "pinned": len(streams), "nu": len(state.index.kind), "pools": len(state.index.kind), "age": len(state.sources)}
            sizes = {name: getattr(state, name).shape[0 if name == "pools" else -1] for name in shapes}
            if sizes != shapes or len(state.sums) != _SUMS or any(
                    getattr(history, each.name).shape[-1] != len(streams) for each in fields(Baseline)):
                raise SummaryError("the arrays of the evidence do not belong together")
        except SummaryError:
            raise
        except (LookupError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise SummaryError(f"the fields do not make the evidence of a monitor ({type(error).__name__})") from error
        return state


_ARRAYS = ("pools", "nu", "scale", "sums", "pinned", "pending", "culprit", "recent", "age")


def aligned(state: State, readings: Readings, season: Season) -> tuple[State, Array, Array]:
    """Return the state with room for every stream, and the readings in its order; NaN for those that are not there."""
    phases = sum(season.sizes)
    if not state.streams:
        state = replace(state, phases=phases, past=Baseline.empty(0, phases))
    if phases != state.phases:
        raise SummaryError(f"the state has {state.phases} phases of a season, the window {phases}", hint="one cadence, one state")
    old = len(readings.streams) if state.streams[: len(readings.streams)] == readings.streams else -1
    if old < 0:
        known = set(state.streams)
        new = [each for each in readings.streams if each not in known]
        counts: dict[tuple[str, str], int] = {}
        for each in (*state.streams, *new):
            if each.column and each.statistic in _MIXED:
                counts[each.source, each.statistic] = counts.get((each.source, each.statistic), 0) + 1
        held = {*known, *new}
        mixed = [Stream(source, "", COMMON + statistic) for (source, statistic), count in counts.items() if count >= TOGETHER]
        new += [each for each in mixed if each not in held]
        if new:
            state = _grown(state, new)
    size = len(state.streams)
    x, v = np.full(size, np.nan), np.full(size, np.nan)
    if old >= 0:
        x[:old], v[:old] = readings.x, readings.v
    else:
        place = state.index.place
        at = np.array([place[each] for each in readings.streams], np.int64)
        x[at], v[at] = readings.x, readings.v
    bad = ~(np.isfinite(x) & np.isfinite(v) & (v >= 0))
    x[bad] = v[bad] = np.nan
    return state, x, np.maximum(v, 1e-12)


def _grown(state: State, new: Sequence[Stream]) -> State:
    streams = (*state.streams, *new)
    index, before = _indexed(streams), state.index
    size, pools = len(streams), len(index.kind)

    def wider(array: Array, to: int, fill: float = 0.0) -> Array:
        return np.concatenate((array, np.full((*array.shape[:-1], to - array.shape[-1]), fill)), axis=-1)

    counts = np.concatenate((state.pools, np.zeros((pools - len(state.pools), tail.BINS))))
    nu, scale = tail.fitted(counts, index.kind)
    kept = len(before.kind)
    nu[:kept], scale[:kept] = state.nu, state.scale
    return replace(state, streams=streams, past=state.past.grown(size), pools=counts, nu=nu, scale=scale, sums=wider(state.sums, size),
                   pinned=wider(state.pinned, size), pending=wider(state.pending, size), culprit=wider(state.culprit, size),
                   recent=wider(state.recent, size), age=wider(state.age, len(index.sources)))
