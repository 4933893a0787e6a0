"""Evidence that something has changed, gathered from window to window, and pages at the bound that the budget buys.

``step(state, readings, ...) -> (State, Outcome)`` is the whole interface, with ``judged`` for what people say of a page. Pure: the same
state and readings give the same outcome, so any page can be replayed, and a window that changed late is computed again from the state
before it. What is remembered is in ``state``.

A stream's deviation from its forecast gets a p-value from the tail of its pool, an e-value that bets against chance, and a
Shiryaev-Roberts sum M <- e (M + 1) (Shin, Ramdas and Rinaldo 2022). A source's sum is the weighted mean of those of its streams, which
is again an e-detector under any dependence, and pages at 1 / (alpha w). See ``design/monitor-evidence.md``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy import special

from assay.monitor import baseline as past
from assay.monitor import tail
from assay.monitor.baseline import Season
from assay.monitor.budget import shares
from assay.monitor.reading import Readings, Stream
from assay.monitor.state import COMMON, TOGETHER, Index, State, aligned

__all__ = ["Moved", "Outcome", "Page", "State", "Tuning", "judged", "step"]

Array = np.ndarray[Any, Any]

_WEEK = 7                     # windows of a block of the pinned reference
_PINNED = 0.15                # of a source's weight, for blocks against the pinned reference
_SLOW = 0.15                  # of a source's weight, for levels that drifted over days
_LEAK = 0.02                  # share of rows that may be lost slowly without harm
_MOST = 1e12                  # a sum beyond this says nothing more
_GENTLY = 0.5                 # of what is harmless in one window, for what lasts
_DRIFT_NU, _DRIFT_SCALE = 12.0, 0.8  # the tail of drifts: too few to fit one, as each lasts for weeks
_DRIFTED = 2.0                # marks a culprit that moved over days
_REFIT = 7                    # windows between two fits of the tails


@dataclass(frozen=True)
class Tuning:
    """What may be chosen; the defaults are those that ``bench/alerts.py`` measures.

    ``learning`` windows before a stream can page; ``immediate`` the part of the evidence's budget for what is seen in one window;
    ``accept`` windows after which what does not pass is how it is now.
    """

    learning: int = 28
    immediate: float = 0.6
    accept: int = 7


@dataclass(frozen=True)
class Moved:
    """A stream that moved: by how many standard deviations of its own, and its share of the source's evidence; ``slow``: over days."""

    stream: Stream
    z: float
    e: float
    share: float
    slow: bool = False


@dataclass(frozen=True)
class Page:
    """A source whose evidence reached the bound: ``opened``, ``going on``, ``withheld`` (no budget left), or near it: a ``ticket``."""

    source: str
    state: str
    evidence: float
    bound: float
    moved: tuple[Moved, ...]


@dataclass(frozen=True)
class Outcome:
    """What a window said: pages and what goes on, sources that were quiet again or accepted, and the list of what moved (FDR 5 %)."""

    pages: tuple[Page, ...] = ()
    passed: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()
    listed: tuple[Moved, ...] = ()
    drifted: tuple[Moved, ...] = ()
    learned: int = 0
    z: Array = field(default_factory=lambda: np.zeros(0))
    e: Array = field(default_factory=lambda: np.zeros(0))


def step(state: State, readings: Readings, *, alpha: float, season: Season | None = None, weights: Mapping[str, float] | None = None,
         apart: Collection[tuple[str, str]] = (), resting: Collection[str] = (), covered: Collection[str] = (),
         tuning: Tuning | None = None) -> tuple[State, Outcome]:
    """Return the state after a window, and what the window said.

    ``alpha`` is the number of false pages that one window may bring; ``weights`` share it among sources. Columns ``apart`` (by source and
    name) are known to be broken: they bring no evidence and teach nothing. Sources ``resting`` (a holiday) neither page nor learn. Sources
    ``covered`` have a page already, by a rule, which evidence joins at no cost.
    """
    season, tuning = season or Season(), tuning or Tuning()
    state, x, v = aligned(state, readings, season)
    if not len(state.streams):
        return replace(state, windows=state.windows + 1), Outcome()
    index = state.index
    expected = past.forecast(state.past, season, index.lend)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = expected.deviation(x, v)
        deviation = np.sqrt(expected.variance + np.where(np.isfinite(v), v, 1.0))
        harmless = np.where(index.damage, _rise(expected.mean, index.harmless), index.harmless) / deviation
        x, v, z = _mixed(index, expected, x, v, z, harmless, state.past.n)
    active = np.isfinite(z) & (state.past.n >= 2)
    resting_ = np.array([name in resting for name in index.sources], bool)[index.group] if resting else np.zeros(len(x), bool)
    apart_ = _apart(index, apart)
    clear = np.maximum(np.where(index.sided, z, np.abs(z)) - harmless, 0.0)  # beyond what is harmless
    tame = np.where(active, clear / np.maximum(1.0, state.past.memory / past.MEMORY), 0.0)
    p = tail.p_value(tame, state.nu[index.pool], state.scale[index.pool])
    portion = shares(index.sources, weights)
    alphas = alpha * np.array([portion[name] for name in index.sources])
    speaks = active & (state.past.n + index.born >= tuning.learning) & ~resting_ & ~apart_
    own = (1 - _PINNED - _SLOW) * index.weight
    cut = tuning.immediate * alphas[index.group] * own
    e = np.where(speaks, 0.5, 1.0)
    some = np.flatnonzero(speaks & (p < 1))
    e[some] = tail.e_value(p[some])

    busy = state.age > 0
    still = busy[index.group]
    # detectors are averaged, not steps: a bet that is lost in one takes nothing from the others
    sums = np.where(speaks, np.minimum(tail.bets(p, np.where(index.sided, 0.0, np.sign(z))) * (state.sums + 1), _MOST), state.sums)
    sums = np.where(still, 0.0, sums)
    once = np.where(speaks & ~still & (p <= cut), tuning.immediate / np.maximum(cut, 1e-300), 0.0)
    d, slow = _drift(state, index, speaks & ~still, alphas[index.group] * _SLOW * index.weight)
    gathered = slow * _SLOW * index.weight + own * ((1 - tuning.immediate) * sums.mean(axis=0) + once)
    pinned, block, drift = _blocks(state, index, x, expected, v, speaks & ~busy[index.group], apart_ | resting_ | (state.culprit > 0))
    total = (np.bincount(index.group, gathered, len(busy))
             + np.bincount(index.group, _PINNED * np.where(index.damage, pinned[6], 0.0), len(busy))
             / np.maximum(np.bincount(index.group, index.damage, len(busy)), 1.0))
    with np.errstate(divide="ignore"):
        bound = np.where(alphas > 0, 1 / alphas, np.inf)
    return _settled(state, _Window(season, tuning, index, expected, x, v, z, clear, tame, p, e, active, speaks, resting_ | apart_, sums,
                                   gathered, d, slow, pinned, block, drift, total, bound, alpha, apart_, frozenset(covered)))


@dataclass(frozen=True)
class _Window:
    """What was computed of one window, on the way to its outcome."""

    season: Season
    tuning: Tuning
    index: Index
    expected: past.Forecast
    x: Array
    v: Array
    z: Array
    clear: Array
    tame: Array
    p: Array
    e: Array
    active: Array
    speaks: Array
    held: Array
    sums: Array
    gathered: Array
    d: Array
    slow: Array
    pinned: Array
    block: Array
    drift: Array
    total: Array
    bound: Array
    alpha: float
    apart: Array
    covered: frozenset[str]


def _settled(state: State, w: _Window) -> tuple[State, Outcome]:
    """Decide on pages, let the streams that may learn, and say what was found."""
    index, group = w.index, w.index.group
    busy = state.age > 0
    account = state.account.filled(w.alpha)
    reached = (w.total >= w.bound) & ~busy
    opened, withheld = np.zeros(len(busy), bool), np.zeros(len(busy), bool)
    for place in np.flatnonzero(reached)[np.argsort(-w.total[reached] / w.bound[reached], kind="stable")].tolist():
        if index.sources[place] in w.covered:
            opened[place] = True
        elif account.open:
            account, opened[place] = account.spent(), True
        else:
            account, withheld[place] = account.refused(), True
    moving = w.speaks & (w.p <= 1e-3)
    drifting = w.speaks & (w.slow > 0)
    leaking = index.damage & (w.pinned[6] * _PINNED >= np.maximum(w.bound / 100, 1.0)[group])
    culprit = np.where(busy[group], (state.culprit > 0) | moving, (opened | withheld)[group] & (moving | leaking | drifting))
    drifted = np.where(busy[group], state.culprit == _DRIFTED, culprit & drifting & ~moving)
    # an incident is over when none of its streams is out of its way any more
    out = culprit & moving
    if drifted.any():
        away = np.abs(state.recent - state.past.anchor) >= 2 * np.sqrt(state.past.noise / 3)
        out |= drifted & w.speaks & (away | ~busy[group])
    unseen = culprit & ~w.speaks
    still = np.bincount(group, out | (unseen & busy[group]), len(busy)) > 0
    age = np.where(opened | withheld, 1.0, np.where(busy, state.age + 1, 0.0))
    passed = busy & ~still
    accepted = busy & still & (age > w.tuning.accept)
    closed = passed | accepted
    pending = np.where((culprit | w.apart) & w.active, np.maximum(np.where(busy[group], state.pending, 0.0), w.clear), state.pending)

    learns = np.isfinite(w.x) & ~w.held & ~culprit
    jumped = np.where(w.active & (state.past.n >= 10), w.clear, 0.0)
    history = past.taken(state.past, w.x, w.v, w.expected, w.season, learns, jumped)
    level = w.x - w.expected.effect
    recent = np.where(culprit & np.isfinite(w.x), np.where(state.culprit > 0, 0.5 * state.recent + 0.5 * level, level), state.recent)
    if accepted.any() or (passed[group] & drifted).any():
        moved = (accepted[group] & culprit) | (passed[group] & drifted)
        history = past.widened(past.settled(history, moved, recent), np.where(moved, np.minimum(pending, past.CAP), 0.0))
    pinned = w.pinned
    if (opened | closed).any():  # what was leaked is known now: the reference that stays is where it is
        again = (opened | accepted)[group] & (leaking | culprit)
        pinned = pinned.copy()
        pinned[3] = np.where(again & np.isfinite(w.block), np.maximum(pinned[3], w.block), pinned[3])
        pinned[6] = np.where((opened | closed)[group], 0.0, pinned[6])
    pool_z = np.where(learns & w.active & (state.past.n >= 10), w.tame, np.nan)
    pools = tail.added(state.pools, index.pool, pool_z)
    nu, scale = (state.nu, state.scale) if state.windows % _REFIT else tail.fitted(pools, index.kind)
    sums = np.where((opened | withheld | closed)[group], 0.0, w.sums)
    after = replace(state, windows=state.windows + 1, account=account, past=history, pools=pools, nu=nu, scale=scale, sums=sums,
                    pinned=pinned, pending=pending, recent=recent,
                    culprit=np.where(closed[group], 0.0, np.where(drifted, _DRIFTED, culprit)), age=np.where(closed, 0.0, age))
    pages = _pages(w, busy & still & ~accepted, opened, withheld, culprit)
    middle = (len(state.past.n) - 1) // 2
    mature = int(np.partition(state.past.n, middle)[middle]) + 1  # the median; numpy's own looks for NaN first
    return after, Outcome(pages, _named(index, passed), _named(index, accepted), _listed(w), _drifted(w), mature, w.z, w.e)


def judged(state: State, source: str, true: bool) -> State:
    """Return the state after a person said whether the last page of a source was worth it.

    One that was not widens its streams, for jumps like this one are nothing; one that was leaves no trace, and costs no budget.
    """
    index = state.index
    account = state.account.judged(true)
    if source not in index.sources:
        return replace(state, account=account)
    mine = index.group == index.sources.index(source)
    if true:
        return replace(state, account=account, pending=np.where(mine, 0.0, state.pending))
    history = past.widened(state.past, np.where(mine, state.pending, 0.0))
    pinned = state.pinned.copy()
    pinned[6] = np.where(mine, 0.0, pinned[6])
    # it is over: what it is now was never wrong
    moved = mine & (state.culprit > 0)
    history = past.settled(history, moved & (state.age[index.group] > 1), state.recent)
    drifted = mine & (state.culprit == _DRIFTED)
    history = past.settled(history, drifted, history.level[past.SLOW])
    return replace(state, account=account, past=history, pinned=pinned, pending=np.where(mine, 0.0, state.pending),
                   culprit=np.where(mine, 0.0, state.culprit), age=np.where(np.array(index.sources) == source, 0.0, state.age))


def _mixed(index: Index, expected: past.Forecast, x: Array, v: Array, z: Array, harmless: Array,
           n: Array) -> tuple[Array, Array, Array]:
    """Fill in what the columns of a source do together: the mean of their deviations beyond what is harmless, each held within 4."""
    if not index.common.any():
        return x, v, z
    part = (index.members >= 0) & np.isfinite(z) & (n >= 4)
    at = index.members[part]
    number = np.bincount(at, minlength=len(x))
    beyond = np.sign(z[part]) * np.maximum(np.abs(z[part]) - harmless[part], 0.0)
    total = np.bincount(at, np.clip(beyond, -4.0, 4.0), len(x))
    there = index.common & (number >= TOGETHER)
    x, v, z = x.copy(), v.copy(), z.copy()
    x[there] = total[there] / number[there]
    v[there] = 0.25 / number[there]
    z[there] = (x[there] - expected.mean[there]) / np.sqrt(expected.variance[there] + v[there])
    return x, v, z


def _drift(state: State, index: Index, speaks: Array, cut: Array) -> tuple[Array, Array]:
    """Return how far levels have drifted over days, in standard deviations of what they are used to, and what a bet on that pays.

    It pays 1 / cut where p is at most that and nothing else, so that its expectation over many windows holds though drifts last.
    """
    b = state.past
    far, variance = past.drift(b)
    far = np.where(index.sided, far, np.abs(far))
    d, paid = np.zeros(len(far)), np.zeros(len(far))
    high = np.flatnonzero(speaks & (far > 2.5 * np.sqrt(variance)) & (variance > 0))
    if len(high):
        free = np.where(index.damage[high], _rise(b.anchor[high], _LEAK), _GENTLY * index.harmless[high])
        d[high] = np.maximum(far[high] - free, 0.0) / np.sqrt(variance[high])
        p = tail.p_value(d[high], np.full(len(high), _DRIFT_NU), np.full(len(high), _DRIFT_SCALE))
        paid[high] = np.where(p <= cut[high], 1 / np.maximum(cut[high], 1e-300), 0.0)
    return d, paid


def _apart(index: Index, apart: Collection[tuple[str, str]]) -> Array:
    found = np.zeros(len(index.streams), bool)
    if apart:
        sources = {source for source, _ in apart}
        for place, each in enumerate(index.streams):
            # what columns do together is not to be believed while some of them are broken
            found[place] = (each.source, each.column) in apart or (each.statistic.startswith(COMMON) and each.source in sources)
    return found


def _blocks(state: State, index: Index, x: Array, expected: past.Forecast, v: Array, speaks: Array,
            out: Array) -> tuple[Array, Array, Array]:
    """Compare weeks of windows with a reference that does not move: slow leaks, which a level that follows would follow.

    Rows of ``pinned``: blocks in the reference, their mean, squared deviations and greatest; sum and number of the block that is being
    filled; the sum of evidence. The first eight blocks make the reference.
    """
    count, mean, square, greatest, filling, number, sums = state.pinned
    used = np.isfinite(x) & ~out
    filling = filling + np.where(used, x - expected.effect, 0.0)
    number = number + used
    full = number >= _WEEK
    block = np.where(full, filling / np.maximum(number, 1.0), np.nan)
    learns = full & (count < 8)
    count_ = count + learns
    step_ = np.where(learns, block - mean, 0.0)
    mean_ = mean + step_ / np.maximum(count_, 1.0)
    square_ = square + step_ * np.where(learns, block - mean_, 0.0)
    greatest_ = np.where(learns, np.where(count > 0, np.maximum(greatest, block), block), greatest)
    drift = np.zeros(len(x))
    tested = full & (count >= 4) & np.isfinite(block)
    if tested.any():
        least = np.where(np.isfinite(v), v, 0.0) / _WEEK
        # blocks are few, so their variance is drawn to what independent windows would give
        spread = (square + 4 * (expected.variance / _WEEK + least)) / np.maximum(count - 1 + 4, 1.0)
        edge = np.where(index.damage, np.maximum(greatest, mean), mean)
        free = np.where(index.damage, _rise(edge, _LEAK), index.harmless)
        off = np.where(index.damage | index.sided, block - edge, np.abs(block - edge)) - free
        t = np.maximum(off, 0.0) / np.sqrt(np.maximum(spread * (1 + 1 / np.maximum(count, 1.0)), 1e-300))
        p = 2 * special.stdtr(np.maximum(0.8 * (count + 3), 1.0), -t)
        drift = np.where(tested, t, 0.0)
        e = np.where(t > 0, tail.e_value(p), 0.5)
        sums = np.where(tested & speaks, np.minimum(e * (sums + 1), _MOST), sums)
    return (np.array([count_, mean_, square_, greatest_, np.where(full, 0.0, filling), np.where(full, 0.0, number), sums]), block, drift)


def _rise(x: Array, share: Array | float) -> Array:
    """Return what a share of rows more adds to an arcsine root of a share."""
    now = np.clip(x, 0.0, np.pi / 2)
    found: Array = np.arcsin(np.sqrt(np.minimum(np.sin(now) ** 2 + share, 1.0))) - now
    return found


def _named(index: Index, at: Array) -> tuple[str, ...]:
    return tuple(index.sources[place] for place in np.flatnonzero(at).tolist())


def _pages(w: _Window, going: Array, opened: Array, withheld: Array, culprit: Array) -> tuple[Page, ...]:
    """Return the sources that page, whose incident goes on, or that came within a tenth of it."""
    near = (w.total >= w.bound / 10) & ~opened & ~withheld & ~going
    found = []
    for place in np.flatnonzero(opened | withheld | going | near).tolist():
        state = "opened" if opened[place] else "withheld" if withheld[place] else "going on" if going[place] else "ticket"
        moved = _moved(w, place, culprit, going[place])
        found.append(Page(w.index.sources[place], state, float(w.total[place]), float(w.bound[place]), moved))
    return tuple(found)


def _moved(w: _Window, place: int, culprit: Array, going: bool) -> tuple[Moved, ...]:
    mine = np.flatnonzero(w.index.group == place)
    shown = np.where(culprit[mine], w.e[mine], 0.0) if going else w.gathered[mine]
    leak = np.where(w.index.damage[mine], _PINNED * w.pinned[6][mine] / max(float(w.index.damage[mine].sum()), 1.0), 0.0)
    part = shown + (0 if going else leak)
    whole = max(float(part.sum()), 1e-300)
    order = [at for at in np.argsort(-part, kind="stable").tolist() if part[at] >= 0.01 * whole and part[at] > 0][:20]
    found = []
    for at in order:
        slow = bool(w.slow[mine[at]] > 0 and w.p[mine[at]] > 1e-3)
        found.append(Moved(w.index.streams[mine[at]], float(np.nan_to_num((w.d if slow else w.z)[mine[at]])), float(w.e[mine[at]]),
                           float(part[at]) / whole, slow))
    return tuple(found)


def _listed(w: _Window, level: float = 0.05) -> tuple[Moved, ...]:
    """Return what moved in this window: e-values, so the share of false ones is at most 5 % under any dependence (Wang and Ramdas 2022)."""
    e = np.where(w.speaks, w.e, 0.0)
    many = int(w.speaks.sum())
    high = np.flatnonzero(e >= 1 / level)
    high = high[np.argsort(-e[high], kind="stable")]
    good = np.flatnonzero(e[high] * np.arange(1, len(high) + 1) >= many / level)
    chosen = high[: good[-1] + 1][:100] if len(good) else high[:0]
    return tuple(Moved(w.index.streams[at], float(w.z[at]), float(w.e[at]), 0.0) for at in chosen.tolist())


def _drifted(w: _Window) -> tuple[Moved, ...]:
    """Return what lies far from the reference that stays; shown, not paged."""
    far = np.flatnonzero((w.drift >= 5.0) & ~w.index.common)
    far = far[np.argsort(-w.drift[far], kind="stable")][:50]
    return tuple(Moved(w.index.streams[at], float(w.drift[at]), 0.0, 0.0) for at in far.tolist())
