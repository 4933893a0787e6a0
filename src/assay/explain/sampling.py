"""Shapley values, and unary and set influence, of any black box, by asking it; with intervals, and no more rows than needed.

``sampled``, ``unary`` and ``joint`` are the interface, over a :class:`Game`: what is asked, and of whom. ``explain.explain`` uses them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import factorial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import linalg, special

from assay.errors import DataError, UnknownColumnError

__all__ = ["Game", "Sampled", "joint", "sampled", "unary"]

Array = np.ndarray[Any, Any]
_ASKED = 32_768    # rows a call: enough for any library to be at full speed, and little memory
_PILOT = 16        # pairs of orders after which it is known how many are needed
_LOOKS = 3         # times that more are drawn
_WIDE = 512        # players beyond which a basis takes longer than it saves
_KEPT = 4_000_000  # cells of row numbers made at once


@dataclass
class Game:
    """Rows, a background of the same columns, and a function that turns a batch of them into one number a row.

    Columns of a coalition come from the row, the others from a row of the background. A column of the rows that is no player always
    comes from the row (a label, which a loss needs). ``asked`` counts the rows of the function, which may be called with up to 32,768 at
    once. ``levels`` put the players in groups within groups, the outermost first: a number for each player, the same for those of one
    group (words of a clause, clauses of a sentence). Players of a group then come one after the other in every order, so that values are
    those of Owen (1977) for one level and of Winter (1989) for several, and those of a group add up to the value of the group as a player.
    """

    ask: Callable[[pa.RecordBatch], Array]
    rows: pa.RecordBatch
    background: pa.RecordBatch
    players: tuple[str, ...]
    levels: tuple[Array, ...] = ()
    asked: int = 0
    _joined: list[pa.Array] = field(default_factory=list)
    _codes: Array | None = None

    def __post_init__(self) -> None:
        if not self.background.num_rows:
            raise DataError("the background holds no rows", expected="at least one row to compare with")
        names, players = self.rows.schema.names, set(self.players)
        for name in players - set(names):
            raise UnknownColumnError.among(name, names)
        for place, name in enumerate(names):
            mine = self.rows.column(place)
            if name in players:
                other = self.background.column(self.background.schema.get_field_index(name))
                mine, other = _alike(mine, other)
                self._joined.append(pa.concat_arrays([mine, other]))
            else:
                self._joined.append(mine)
        codes = [_coded(self._joined[self.rows.schema.get_field_index(name)]) for name in self.players]
        self._codes = np.stack(codes, axis=1) if codes else np.empty((self.rows.num_rows + self.background.num_rows, 0), np.int64)

    @property
    def codes(self) -> Array:
        """Return a number for each distinct value of each player, (rows + background, players): equal numbers, equal values."""
        assert self._codes is not None
        return self._codes

    def played(self, row: Array, behind: Array, present: Array) -> Array:
        """Return the answers where each line has the columns ``present`` (lines, players) of a row, and the others of the background."""
        out = np.empty(len(row))
        start = self.rows.num_rows
        for low in range(0, len(row), _ASKED):
            part = slice(low, low + _ASKED)
            mine, other = row[part], behind[part] + start
            place = {name: at for at, name in enumerate(self.players)}
            columns = []
            for at, name in enumerate(self.rows.schema.names):
                take = np.where(present[part, place[name]], mine, other) if name in place else mine
                columns.append(self._joined[at].take(pa.array(take)))
            batch = pa.RecordBatch.from_arrays(columns, names=self.rows.schema.names)
            out[part] = self.ask(batch)
            self.asked += batch.num_rows
        return out


def _alike(mine: pa.Array, other: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Both of one type, which is that of the rows where the background's can be cast to it."""
    mine, other = (each.dictionary_decode() if pa.types.is_dictionary(each.type) else each for each in (mine, other))
    if mine.type == other.type:
        return mine, other
    if pa.types.is_null(mine.type):
        return mine.cast(other.type), other
    wide = pa.float64() if _number(mine.type) and _number(other.type) else mine.type
    return mine.cast(wide), other.cast(wide)


def _number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _coded(column: pa.Array) -> Array:
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        values = column.to_numpy(zero_copy_only=False)
        return np.asarray(np.unique(values, return_inverse=True, equal_nan=True)[1].reshape(-1), np.int64)
    return np.asarray(pc.fill_null(pc.dictionary_encode(column).indices, -1).to_numpy(zero_copy_only=False), np.int64)


@dataclass(frozen=True, eq=False)
class Sampled:
    """Values (rows, players), their standard errors and degrees of freedom (infinite: exact), and the answer to each row.

    ``groups`` are values and standard errors of the groups of each level of the game, (rows, groups) each, in the order of their numbers.
    """

    values: Array
    error: Array
    df: Array
    output: Array
    base: float
    pairs: Array
    groups: tuple[tuple[Array, Array], ...] = ()


def sampled(game: Game, *, at_most: float, budget: int, seed: int = 0, level: float = 0.95) -> Sampled:
    """Return Shapley values of every row, each with half an interval of ``at_most`` or less where ``budget`` allows.

    One sample is an order of the players and a background row: players are switched to the row's values in that order, and in the
    reverse one, and each gets the change that it makes, the mean of both. Orders are drawn by orthogonal bases, as these differ more
    (Mitchell et al. 2022); the intervals do not count on it. Players that are equal in both rows are not asked about. The mean answer to
    the background is known, which serves as a control variate, and makes the values add up exactly.

    After 16 samples it is known about how many are needed (in stages; Stein 1945); the interval keeps the degrees of freedom of the
    first 16, which pays for its having decided when to stop. Where more than half of the background is needed, the first 16 background
    rows come again with other orders: how far these differ is what orders leave open, and once each background row was asked as often
    as the others nothing else is left to chance. Where asking all coalitions is no dearer, all are asked, and the values are exact.
    ``budget`` counts rows of the model, all rows to explain together. A row's random numbers hang on its content and ``seed`` only.
    """
    count, width, size = game.rows.num_rows, len(game.players), game.background.num_rows
    each = np.arange(size)
    nothing = np.zeros((size, width), bool)
    if not count:
        return Sampled(np.zeros((0, width)), np.zeros((0, width)), np.zeros(0), np.zeros(0), float("nan"), np.zeros(0, np.int64))
    own = game.played(np.arange(count), np.zeros(count, np.int64), np.ones((count, width), bool))
    # the label of a loss comes from the row, so the background's answer may differ from row to row
    fixed = len(game.players) == len(game.rows.schema.names)
    ends = game.played(np.zeros(size, np.int64), each, nothing) if fixed else None
    allowed = max(2 * width, (budget - game.asked) // count)
    if width <= 12 and not game.levels and (2 ** width - 1) * size <= min(allowed, 2 * _PILOT * max(1, width - 1) * 8):
        return _enumerated(game, own)
    most = max(3, allowed // max(1, 2 * (width - 1) + (0 if fixed else 1)))
    draws = [_Draws(game, row, seed, size) for row in range(count)]
    teams = _teams(game)
    first = min(_PILOT, most)
    state = _Design(count, width + teams.shape[1], None if ends is None else float(ends.mean()), size, first)
    _round(game, draws, np.full(count, first), state, own, ends)
    for look in range(_LOOKS):
        # as many as bring the widest interval of the row to the size asked for, judged by those drawn so far
        if not look and (again := state.doubled(at_most, most, level)).any():
            _round(game, draws, np.where(again, first, 0), state, own, ends, again=True)
        more = np.maximum(state.wanted(at_most, most, level) - state.count, 0)
        if not more.any():
            break
        _round(game, draws, more, state, own, ends)
    total = state.count
    values, error = state.mean(), state.error()
    base = float(ends.mean()) if ends is not None else float(np.mean(own - values[:, :width].sum(axis=1)))
    cuts = width + np.cumsum([len(np.unique(each)) for each in game.levels])
    groups = tuple((values[:, low:high], error[:, low:high]) for low, high in pairwise([width, *cuts.tolist()]))
    return Sampled(values[:, :width], error[:, :width], state.df, own, base, total, groups)


def _teams(game: Game) -> Array:
    """Which player is in which group, (players, groups of all levels)."""
    each = [np.unique(level)[None, :] == level[:, None] for level in game.levels]
    return np.concatenate(each, axis=1) if each else np.zeros((len(game.players), 0), bool)


def _nested(keys: Array, levels: Sequence[Array]) -> Array:
    """Random numbers by which players sort into an order that keeps groups together: a number for each player and each group."""
    width = len(levels[0])
    parts, at = [], width
    for level in levels:
        places = np.unique(level, return_inverse=True)[1].reshape(-1)
        parts.append(keys[:, at:at + places.max() + 1][:, places])
        at += int(places.max()) + 1
    order = np.lexsort([keys[:, :width], *reversed(parts)], axis=1)   # the last counts first
    out = np.empty((len(keys), width))
    np.put_along_axis(out, order, np.broadcast_to(np.arange(width) / width, order.shape), axis=1)
    return out


def _whole(wanted: Array, size: int, most: int) -> Array:
    """How many samples to draw: of more than one for each background row, as many for each, so that none counts for more."""
    up = -(-wanted // size) * size
    return np.asarray(np.where(wanted <= size, wanted, np.where(up <= most, up, np.maximum(most // size, 1) * size)))


class _Draws:
    """The orders and background rows of one row to explain, in a sequence that nothing but its content and the seed decides."""

    def __init__(self, game: Game, row: int, seed: int, size: int):
        content = repr([column[row].as_py() for column in game.rows.columns]).encode()
        key = hashlib.blake2b(content, digest_size=16, key=seed.to_bytes(8, "little", signed=True)).digest()
        seeds = np.random.SeedSequence(int.from_bytes(key, "little")).spawn(2)
        self.rows, self.orders = (np.random.Generator(np.random.Philox(each)) for each in seeds)
        self.size, self.queue, self.keys = size, np.empty(0, np.int64), np.empty((0, 0))
        self.start, self.repeated = self.queue, 0   # the first background rows, and how many of them came again

    def next(self, count: int, width: int) -> tuple[Array, Array]:
        """Return background rows and keys that players are sorted by, (count, width), the same whether asked at once or in parts."""
        while len(self.queue) < count:   # every background row once before any comes again
            self.queue = np.concatenate([self.queue, self.rows.permutation(self.size)])
        behind, self.queue = self.queue[:count], self.queue[count:]
        if len(self.start) < _PILOT:
            self.start = np.concatenate([self.start, behind])[:_PILOT]
        return behind, self.basis(count, width)

    def basis(self, count: int, width: int) -> Array:
        """Return keys of the next orders."""
        if not 0 < width <= _WIDE:
            return self.orders.random((count, width))
        made = [self.keys] if self.keys.size else []
        while sum(map(len, made)) < count:
            made.append(_orthogonal(self.orders, width))
        keys = np.concatenate(made) if made else np.empty((count, width))
        self.keys = keys[count:]
        return keys[:count]

    def again(self, count: int, width: int) -> tuple[Array, Array]:
        """Return the next ``count`` of the first background rows once more, with other orders."""
        behind, self.repeated = self.start[self.repeated:self.repeated + count], self.repeated + count
        return behind, self.basis(count, width)


def _orthogonal(random: np.random.Generator, width: int) -> Array:
    """Keys of ``width - 1`` orders: a random orthogonal basis of the keys whose sum is 0, a direction each.

    Sorting by one direction gives every order with equal chance, and orders of one basis are less alike than those drawn one by one
    (Mitchell, Cooper, Frank and Holmes 2022). What all keys have in common does not count in sorting, so it takes no direction.
    """
    if width == 1:
        return np.zeros((1, 1))
    made, scale = np.linalg.qr(random.normal(size=(width - 1, width - 1)))
    return np.asarray((made * np.where(np.diag(scale) < 0, -1.0, 1.0)) @ linalg.helmert(width))


class _State:
    """Sums over samples, a line each row: means and spreads without keeping the samples (Chan et al. 1979).

    Beside each sample stands the answer to its background row, whose mean over the whole background is known: what a player got is
    regressed on it (a control variate). As the players of a sample share the row's answer less that one, the values then add up exactly.
    """

    def __init__(self, count: int, width: int, known: float | None):
        self.known = known
        self.count, self.centre, self.square = np.zeros(count, np.int64), np.zeros((count, width + 1)), np.zeros((count, width + 1))
        self.cross = np.zeros((count, width))

    def add(self, row: Array, samples: Array) -> None:
        """Add samples of rows, which come in runs of one row each; the last column is the answer to the background row."""
        starts = np.flatnonzero(np.concatenate([[True], row[1:] != row[:-1]]))
        who, n = row[starts], np.diff(np.concatenate([starts, [len(row)]]))
        mean = np.add.reduceat(samples, starts, axis=0) / n[:, None]
        apart = samples - np.repeat(mean, n, axis=0)
        square = np.add.reduceat(apart ** 2, starts, axis=0)
        cross = np.add.reduceat(apart[:, :-1] * apart[:, -1:], starts, axis=0)
        old = self.count[who]
        gap, both = mean - self.centre[who], (old + n)[:, None]
        share = (old * n)[:, None] / both
        self.centre[who] += gap * n[:, None] / both
        self.square[who] += square + gap ** 2 * share
        self.cross[who] += cross + gap[:, :-1] * gap[:, -1:] * share
        self.count[who] += n

    def slope(self) -> Array:
        """Return what the answer to the background row tells of each value."""
        low = self.square[:, -1:]
        if self.known is None:
            return np.zeros_like(self.cross)
        return np.where(low > 0, self.cross / np.where(low > 0, low, 1.0), 0.0)

    def mean(self) -> Array:
        """Return the values."""
        known = 0.0 if self.known is None else self.known
        out: Array = self.centre[:, :-1] - self.slope() * (self.centre[:, -1:] - known)
        return out

    def spread(self) -> Array:
        """Return the standard deviation of one sample about the regression."""
        rest = np.maximum(self.square[:, :-1] - self.slope() * self.cross, 0.0)
        out: Array = np.sqrt(rest / np.maximum(self.count - (1 if self.known is None else 2), 1)[:, None])
        return out

    def error(self) -> Array:
        """Return the standard error of the values."""
        low, known = self.square[:, -1:], 0.0 if self.known is None else self.known
        away = np.where(low > 0, (self.centre[:, -1:] - known) ** 2 / np.where(low > 0, low, 1.0), 0.0) if self.known is not None else 0.0
        spread, count = self.spread(), np.maximum(self.count, 1)[:, None]
        # a change that n samples did not show may still come once in n: no interval is narrower than that
        out: Array = np.maximum(spread * np.sqrt(1.0 / count + away), spread.max(axis=1, keepdims=True) / count)
        return out


    def moved(self, rows: Array, other: _State) -> None:
        """Give what is known of some rows to another state, and forget it here."""
        for name in ("count", "centre", "square", "cross"):
            mine, theirs = getattr(self, name), getattr(other, name)
            theirs[rows], mine[rows] = mine[rows], 0


class _Design:
    """The samples of each row, in two strata where the first background rows came twice, and what they leave open.

    A row's background then has ``first`` rows with one order more than the others have (stratum ``twice``), and ``rest``. Its mean is
    that of both, by their sizes. Half the squared difference of the two samples of a background row estimates the variance W of
    one sample by its order; with the spread of all samples about the regression, s, that of background rows is a = s - W. The error is

        W (m / N)^2 / n + W (M / N)^2 / k + a (M / N)^2 (1 / k - 1 / M),     N = m + M,

    of n samples of the m rows that came twice and k of the M others; the last part is 0 once each was asked.
    """

    def __init__(self, count: int, width: int, known: float | None, size: int, first: int):
        self.rest, self.twice = _State(count, width, known), _State(count, width, known)
        self.there, self.order, self.pairs = np.zeros(count, bool), np.zeros((count, width)), np.zeros(count, np.int64)
        self.last: dict[int, tuple[Array, Array]] = {}   # the last sample of each background row, for rows where some come twice
        self.known, self.size, self.first = known, size, first
        self.df = np.full(count, first - (1.0 if known is None else 2.0))
        self.start: dict[int, Array] = {}              # background rows that came twice
        self.pilot: list[tuple[Array, Array, Array]] | None = []   # the first samples, until it is known whether they come again

    @property
    def count(self) -> Array:
        """Return how many samples each row has."""
        return np.asarray(self.rest.count + self.twice.count)

    def add(self, row: Array, behind: Array, samples: Array) -> None:
        """Add samples of rows, which come in runs of one row each."""
        if self.pilot is not None:
            self.pilot.append((row, behind, samples))
        mine = np.zeros(len(row), bool)
        if self.there.any():
            for each in np.unique(row[self.there[row]]).tolist():
                here = row == each
                mine[here] = np.isin(behind[here], self.start[each])
                self._compared(each, behind[here], samples[here])
        for state, some in ((self.twice, mine), (self.rest, ~mine)):
            if some.any():
                state.add(row[some], samples[some])

    def doubled(self, at_most: float, most: int, level: float) -> Array:
        """Return for which rows the first background rows should come again; those are then in a stratum of their own."""
        pilot, self.pilot = self.pilot or [], None
        again = 2 * self.wanted(at_most, most, level) > self.size
        # not of few background rows, nor where the budget would then do for one cycle through all of them less, of one or two: what
        # comes twice would cost more than a narrower interval is worth
        short = most < 3 * self.size and (most - self.first) // self.size < most // self.size
        if self.first < _PILOT or self.size < 2 * _PILOT or most < self.size + self.first or short:
            again[:] = False
        held: dict[int, tuple[list[Array], list[Array]]] = {each: ([], []) for each in np.flatnonzero(again).tolist()}
        for row, behind, samples in pilot:
            for each in np.unique(row[again[row]]).tolist():
                held[each][0].append(behind[row == each])
                held[each][1].append(samples[row == each])
        self.start = {each: np.concatenate(behind) for each, (behind, _) in held.items()}
        self.last = {each: (np.concatenate(behind), np.concatenate(samples)) for each, (behind, samples) in held.items()}
        self.rest.moved(again, self.twice)
        self.there = again
        self.df[again] = self.first
        return again

    def _compared(self, row: int, behind: Array, samples: Array) -> None:
        """Learn from samples of background rows that came before, each beside the last one of the same."""
        known, before = self.last[row]
        where, held = np.concatenate([known, behind]), np.concatenate([before, samples])
        turn = np.argsort(where, kind="stable")
        where, held = where[turn], held[turn]
        same = where[1:] == where[:-1]
        more = int(same.sum())
        if more:
            apart = ((held[1:] - held[:-1])[same, :-1] ** 2).sum(axis=0) / 2
            self.order[row] = (self.order[row] * self.pairs[row] + apart) / (self.pairs[row] + more)
            self.pairs[row] += more
        self.last[row] = where[np.append(~same, True)], held[np.append(~same, True)]

    def _between(self) -> Array:
        """The variance by background rows."""
        enough = (self.rest.count >= self.first)[:, None]
        spread = np.where(enough, self.rest.spread(), self.twice.spread())
        return np.asarray(np.maximum(spread ** 2 - self.order, 0.0))

    def wanted(self, at_most: float, most: int, level: float) -> Array:
        """Return how many samples bring the widest interval of each row to ``at_most``, at most ``most``."""
        quantile = special.stdtrit(self.df, (1 + level) / 2)
        m, size = self.first, self.size
        with np.errstate(divide="ignore", invalid="ignore"):
            plain = np.ceil((quantile * self.rest.error().max(axis=1) / at_most) ** 2 * self.rest.count) if at_most > 0 else np.inf
            plain = _whole(np.clip(np.nan_to_num(plain, nan=m, posinf=most), m, most) + np.zeros(len(self.df)), size, most)
            aim, between = (at_most / quantile[:, None]) ** 2, self._between()
            room = (aim - self.order * m / (2 * size ** 2)) * size ** 2 / (size - m) ** 2 + between / (size - m)
            part = np.where(room > 0, (self.order + between) / room, np.inf).max(axis=1, initial=0.0)
            cycles = np.nan_to_num(np.ceil(self.order / (size * aim)), nan=1.0, posinf=most).max(axis=1, initial=1.0)
        left = most - m
        whole = size * np.clip(np.maximum(cycles, 1), 1, max(1, left // size))
        more = np.where(part <= size - m, np.minimum(np.maximum(np.ceil(part), m) + m, whole), whole)
        return np.asarray(np.where(self.there, m + np.minimum(more, left), plain).astype(np.int64))

    def mean(self) -> Array:
        """Return the values."""
        out, m, size = self.rest.mean(), self.first, self.size
        if not self.there.any():
            return out
        twice, rest = self.twice.centre, self.rest.centre
        away = 0.0 if self.known is None else rest[:, -1:] - (size * self.known - m * twice[:, -1:]) / (size - m)
        both = (m * twice[:, :-1] + (size - m) * (rest[:, :-1] - self.rest.slope() * away)) / size
        return np.asarray(np.where(self.there[:, None], both, out))

    def error(self) -> Array:
        """Return the standard error of the values."""
        out, m, size = self.rest.error(), self.first, self.size
        if not self.there.any():
            return out
        twice, rest = (np.maximum(each.count, 1)[:, None] for each in (self.twice, self.rest))
        between = self._between()
        both = self.order * ((m / size) ** 2 / twice + (1 - m / size) ** 2 / rest)
        both += between * (1 - m / size) ** 2 * np.maximum(1 / rest - 1 / (size - m), 0.0)
        least = np.sqrt((self.order + between).max(axis=1, keepdims=True)) / (twice + rest)
        return np.asarray(np.where(self.there[:, None], np.maximum(np.sqrt(both), least), out))


def _round(game: Game, draws: Sequence[_Draws], wanted: Array, state: _Design, own: Array, ends: Array | None, *,
           again: bool = False) -> None:
    """Draw ``wanted`` samples of each row, some rows and samples at a time; ``again``: of the first background rows."""
    width, teams = len(game.players), _teams(game)
    most = max(1, _KEPT // max(1, 2 * width * width))
    left = wanted.copy()
    while left.any():
        rows, counts, room = [], [], most
        for each in np.flatnonzero(left).tolist():
            if room <= 0:
                break
            n = min(int(left[each]), room)
            rows.append(each)
            counts.append(n)
            room -= n
            left[each] -= n
        each_row = [draws[each].again if again else draws[each].next for each in rows]
        drawn = [draw(n, width + teams.shape[1]) for draw, n in zip(each_row, counts, strict=True)]
        row, keys = np.repeat(rows, counts), np.concatenate([each for _, each in drawn])
        keys = _nested(keys, game.levels) if game.levels else keys
        behind = np.concatenate([each for each, _ in drawn])
        samples = _pairs(game, row, behind, keys, own, ends)
        samples = np.column_stack([samples[:, :-1], samples[:, :-1] @ teams, samples[:, -1]]) if game.levels else samples
        state.add(row, behind, samples)


def _pairs(game: Game, row: Array, behind: Array, keys: Array, own: Array, ends: Array | None) -> Array:
    """Return what each player gets from each pair of an order and its reverse, and the answer to the background row."""
    codes, width = game.codes, len(game.players)
    differ = codes[row] != codes[game.rows.num_rows + behind]
    count = differ.sum(axis=1)
    order = np.argsort(np.where(differ, keys, 2.0), axis=1, kind="stable")   # those that differ come first
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.broadcast_to(np.arange(width), order.shape), axis=1)
    low = ends[behind] if ends is not None else game.played(row, behind, np.zeros((len(row), width), bool))
    high = own[row]
    steps = np.arange(1, max(width, 2))
    line, step = np.nonzero(steps[None, :] < count[:, None])
    step = step + 1
    out = np.zeros((len(row), width))
    for forward in (True, False):
        places = rank[line] if forward else count[line, None] - 1 - rank[line]
        present = (places < step[:, None]) & differ[line]
        worth = np.empty((len(row), width + 1))
        worth[:] = high[:, None]
        worth[:, 0] = low
        worth[line, step] = game.played(row[line], behind[line], present)
        worth[count == 0, 0] = high[count == 0]
        change = np.diff(worth, axis=1)
        mine = rank if forward else count[:, None] - 1 - rank
        out += 0.5 * np.where(differ, np.take_along_axis(change, np.clip(mine, 0, width - 1), axis=1), 0.0)
    return np.column_stack([out, low])


def _enumerated(game: Game, own: Array) -> Sampled:
    """Ask every coalition of every row against the whole background."""
    count, width, size = game.rows.num_rows, len(game.players), game.background.num_rows
    masks = (np.arange(2 ** width - 1)[:, None] >> np.arange(width) & 1).astype(bool)
    present, behind = np.repeat(masks, size, axis=0), np.tile(np.arange(size), len(masks))
    gain = [factorial(s) * factorial(width - s - 1) / factorial(width) for s in range(width)]
    values, base = np.zeros((count, width)), np.zeros(count)
    for row in range(count):
        worth = game.played(np.full(len(behind), row), behind, present).reshape(len(masks), size).mean(axis=1)
        worth = np.append(worth, own[row])
        base[row] = worth[0]
        for player in range(width):
            without = np.flatnonzero(~masks[:, player])
            weight = np.array([gain[each] for each in masks[without].sum(axis=1)])
            values[row, player] = weight @ (worth[without | 1 << player] - worth[without])
    return Sampled(values, np.zeros_like(values), np.full(count, np.inf), own, float(base.mean()), np.zeros(count, np.int64))


def unary(game: Game, *, budget: int, seed: int = 0) -> Sampled:
    """Return the unary influence of each player: the answer less its mean where only that player comes from the background.

    Datta, Sen and Zick (2016), with the background's own distribution as the one drawn from. Exact where ``budget`` allows the whole
    background for each row and player, else from a sample of it, with the standard error. The values need not add up to anything.
    """
    return _replaced(game, np.eye(len(game.players), dtype=bool), budget, seed)


def joint(game: Game, columns: Sequence[str], *, budget: int, seed: int = 0) -> Sampled:
    """Return the influence of a set of columns: the answer less its mean where all of them come from one background row."""
    for name in columns:
        if name not in game.players:
            raise UnknownColumnError.among(name, game.players)
    return _replaced(game, np.array([[name in columns for name in game.players]]), budget, seed)


def _replaced(game: Game, sets: Array, budget: int, seed: int) -> Sampled:
    count, width, size = game.rows.num_rows, len(game.players), game.background.num_rows
    own = game.played(np.arange(count), np.zeros(count, np.int64), np.ones((count, width), bool))
    several = min(size, max(2, (budget - game.asked) // max(1, count * len(sets))))
    values, error = np.zeros((count, len(sets))), np.zeros((count, len(sets)))
    for row in range(count):
        behind = np.arange(size) if several == size else _Draws(game, row, seed, size).next(several, 0)[0]
        for place, gone in enumerate(sets):
            differ = (game.codes[row] != game.codes[count + behind])[:, gone].any(axis=1)
            change = np.zeros(len(behind))
            if differ.any():
                some = behind[differ]
                change[differ] = own[row] - game.played(np.full(len(some), row), some, np.broadcast_to(~gone, (len(some), width)))
            values[row, place] = change.mean()
            # drawn without putting back: nothing is left to chance where all were drawn
            error[row, place] = change.std(ddof=1) / np.sqrt(several) * np.sqrt(1 - several / size) if several > 1 else 0.0
    df = np.full(count, np.inf if several == size else several - 1.0)
    return Sampled(values, error, df, own, float("nan"), np.full(count, several))
