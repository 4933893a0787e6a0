"""Rows that are alike, by what they are and not by what was answered: cells of the inputs, found once and kept as plain numbers.

``grown(table, columns, targets)`` cuts the rows where answers differ most; ``Strata.cells`` says in which cell later rows fall,
``Strata.placed`` also how far their inputs have left the rows that the cells were found in. Pure; the monitor of two models uses it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.summary.vector import kind_of

__all__ = ["Cut", "Strata", "grown"]

Array = np.ndarray[Any, Any]

BINS = 32          # of a number, between which a cell may end
NAMES = 60         # categories told apart; the rest is one
CELLS, LEAST = 128, 40    # at most so many cells, none of fewer rows
COARSE = 8         # bins of a number, by which it is told how far it has moved
COLUMNS = 100
WANDERS = 0.25     # total variation of the two halves in time, from which on a column moves by nature


@dataclass(frozen=True)
class Cut:
    """How a column becomes a small number: ``edges`` between bins, or the ``rank`` of each name; ``low`` and ``high`` the range known."""

    column: str
    edges: tuple[float, ...] = ()
    rank: Mapping[str, int] | None = None
    low: float = -np.inf
    high: float = np.inf
    usual: int = 0                    # of names that are not known
    shares: tuple[float, ...] = ()    # of rows by coarse bin, those outside last

    @property
    def size(self) -> int:
        return (len(self.edges) if self.rank is None else len(set(self.rank.values()))) + 2

    def codes(self, column: pa.ChunkedArray) -> tuple[Array, Array]:
        """Return the code of each row (0: missing), and whether its value lies outside of what is known."""
        if self.rank is None:
            if kind_of(column.type) != "number" or pa.types.is_temporal(column.type):
                return np.zeros(len(column), np.int16), np.ones(len(column), bool)
            x = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), np.float64)
            known = np.isfinite(x)
            codes = np.where(known, np.searchsorted(np.asarray(self.edges), np.where(known, x, 0.0), "right") + 1, 0)
            return codes.astype(np.int16), known & ((x < self.low) | (x > self.high))
        texts = column.combine_chunks().cast(pa.string()).dictionary_encode()
        texts = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
        names = texts.dictionary.to_pylist()
        table = np.array([*(self.rank.get(name, self.usual) for name in names), 0], np.int16)
        strange = np.array([*(name not in self.rank for name in names), False], bool)
        at = np.asarray(pc.fill_null(texts.indices, len(names)).to_numpy(zero_copy_only=False), np.int64)
        return table[at], strange[at]

    def coarse(self, codes: Array, outside: Array) -> Array:
        """Return the coarse bin of each row; categories are as coarse as they are."""
        bins = codes if self.rank is not None else np.where(codes > 0, 1 + (codes - 1) * COARSE // max(self.size - 1, 1), 0)
        return np.where(outside, self.bins, bins)

    @property
    def bins(self) -> int:
        """How many coarse bins there are, beside the one of what lies outside."""
        return self.size if self.rank is not None else COARSE + 1

    def to_json(self) -> dict[str, Any]:
        return {"column": self.column, "edges": list(self.edges), "rank": None if self.rank is None else dict(self.rank),
                "range": [self.low, self.high], "usual": self.usual, "shares": list(self.shares)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Cut:
        rank = data["rank"]
        low, high = map(float, data["range"])
        return cls(str(data["column"]), tuple(map(float, data["edges"])),
                   None if rank is None else {str(name): int(each) for name, each in rank.items()}, low, high, int(data["usual"]),
                   tuple(map(float, data["shares"])))


@dataclass(frozen=True)
class Strata:
    """Cells of rows: a tree of (place of a cut, greatest code to the left, left, right), leaves as (-1, cell, 0, 0); ``rows`` it is of."""

    cuts: tuple[Cut, ...]
    tree: tuple[tuple[int, int, int, int], ...]
    shares: tuple[float, ...]
    rows: int

    def __len__(self) -> int:
        return len(self.shares)

    def cells(self, table: pa.Table) -> Array:
        """Return the cell of each row."""
        return self._cells(self._codes(table)[0])

    def placed(self, table: pa.Table) -> tuple[Array, Array]:
        """Return the cell of each row, and how far the rows' inputs have left those that the cells are of.

        That is the total variation of the cells, then of each input: 0 to 1, twice what chance brings taken off.
        """
        codes, outside = self._codes(table)
        cells = self._cells(codes)
        return cells, self._shift(cells, codes, outside)

    def _codes(self, table: pa.Table) -> tuple[Array, Array]:
        found = [each.codes(table[each.column]) if each.column in table.column_names else
                 (np.zeros(table.num_rows, np.int16), np.ones(table.num_rows, bool)) for each in self.cuts]
        if not found:
            return np.zeros((table.num_rows, 0), np.int16), np.zeros((table.num_rows, 0), bool)
        return np.column_stack([codes for codes, _ in found]), np.column_stack([strange for _, strange in found])

    def _cells(self, codes: Array) -> Array:
        out = np.zeros(len(codes), np.int64)
        waiting = [(0, np.arange(len(codes)))]
        while waiting:
            node, rows = waiting.pop()
            place, cut, left, right = self.tree[node]
            if place < 0:
                out[rows] = cut
                continue
            low = codes[rows, place] <= cut
            waiting += [(left, rows[low]), (right, rows[~low])]
        return out

    def _shift(self, cells: Array, codes: Array, outside: Array) -> Array:
        n = len(cells)
        far = [_apart(np.bincount(cells, minlength=len(self)) / max(n, 1), np.asarray(self.shares), n, self.rows)]
        for place, cut in enumerate(self.cuts):
            if cut.shares:
                now = np.bincount(cut.coarse(codes[:, place], outside[:, place]), minlength=cut.bins + 1) / max(n, 1)
                far.append(_apart(now, np.asarray(cut.shares), n, self.rows))
        return np.array(far)

    def to_json(self) -> dict[str, Any]:
        return {"cuts": [each.to_json() for each in self.cuts], "tree": [list(each) for each in self.tree], "shares": list(self.shares),
                "rows": self.rows}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Strata:
        tree = tuple((int(a), int(b), int(c), int(d)) for a, b, c, d in data["tree"])
        cuts = tuple(map(Cut.from_json, data["cuts"]))
        shares = tuple(map(float, data["shares"]))
        for node, (place, cut, left, right) in enumerate(tree):   # what was tampered with must neither loop nor reach beyond
            if not (0 <= cut < len(shares) if place < 0 else place < len(cuts) and node < left < len(tree) and node < right < len(tree)):
                raise ValueError("the cells are no tree")
        if not tree:
            raise ValueError("the cells are no tree")
        return cls(cuts, tree, shares, int(data["rows"]))


def grown(table: pa.Table, columns: Sequence[str], targets: Array) -> Strata:
    """Return the cells of a table in which ``targets`` (rows by targets, no NaN) differ most: a tree grown best first by squared error.

    Numbers are cut between 32 quantiles, categories in the order of their mean target (of each of the first two). At most 128 cells, none
    of fewer than 40 rows or a 400th of them. Rows come in the order of time, where there is one.

    >>> rng = np.random.default_rng(0)
    >>> data = pa.table({"x": rng.normal(size=4000), "who": rng.choice(["a", "b"], 4000)})
    >>> strata = grown(data, ["x", "who"], (data["x"].to_numpy() > 0.5)[:, None].astype(float))
    >>> len(strata) >= 2, strata.placed(data)[1].max(), strata.placed(data.filter(pa.array(data["x"].to_numpy() > 0.5)))[1].max() > 0.5
    (True, np.float64(0.0), np.True_)
    """
    targets = (targets - targets.mean(axis=0)) / np.maximum(targets.std(axis=0), 1e-9)
    cuts = [cut for name in list(columns)[:COLUMNS] for cut in _cut(name, table[name], targets)]
    bare = Strata(tuple(cuts), ((-1, 0, 0, 0),), (1.0,), table.num_rows)
    codes, outside = bare._codes(table)
    tree = _tree(codes, [each.size for each in cuts], targets)
    seen: set[str] = set()
    known = []
    half = table.num_rows // 2
    for place, cut in enumerate(cuts):
        bins = cut.coarse(codes[:, place], outside[:, place])
        first, last = (np.bincount(each, minlength=cut.bins + 1) for each in (bins[:half], bins[half:]))
        shares = (first + last) / max(table.num_rows, 1)
        # a column that counts days or rows moves by nature, and says nothing of how rows are; nor does one twice
        wanders = _apart(first / max(half, 1), last / max(table.num_rows - half, 1), half, table.num_rows - half) > WANDERS
        known.append(replace(cut, shares=() if cut.column in seen or wanders else tuple(shares.tolist())))
        seen.add(cut.column)
    made = replace(bare, cuts=tuple(known), tree=tree, shares=(0.0,) * sum(place < 0 for place, *_ in tree))
    cells = made._cells(codes)
    return replace(made, shares=tuple((np.bincount(cells, minlength=len(made)) / max(table.num_rows, 1)).tolist()))


def _cut(name: str, column: pa.ChunkedArray, targets: Array) -> list[Cut]:
    """Return how a column is cut; nothing for one that cannot be, or has one value."""
    kind = kind_of(column.type)
    if kind == "number" and not pa.types.is_temporal(column.type):   # times move by nature
        x = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), np.float64)
        x = x[np.isfinite(x)]
        if not len(x) or x.min() == x.max():
            return []
        edges = np.unique(np.quantile(x, np.linspace(0, 1, BINS + 1)[1:-1]))
        return [Cut(name, tuple(edges.tolist()), low=float(x.min()), high=float(x.max()))]
    if kind != "category":
        return []
    texts = column.combine_chunks().cast(pa.string()).dictionary_encode()
    texts = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    at = np.asarray(pc.fill_null(texts.indices, len(texts.dictionary)).to_numpy(zero_copy_only=False), np.int64)
    counts = np.bincount(at, minlength=len(texts.dictionary) + 1)
    names = texts.dictionary.to_pylist()
    order = sorted(range(len(names)), key=lambda place: (-counts[place], names[place]))
    if len(order) < 2 or counts[order[0]] < 2:
        return []
    found = []
    for each in range(min(2, targets.shape[1])):
        means = (np.bincount(at, targets[:, each], len(counts)) + 0.0) / (counts + 10.0)   # towards 0, which is the mean of all
        top = sorted(order[:NAMES], key=lambda place: (means[place], names[place]))
        rank = {names[place]: position + 1 for position, place in enumerate(top)}
        usual = 1 + int(np.searchsorted([means[place] for place in top], 0.0).clip(0, len(top) - 1))
        rank |= {names[place]: usual for place in order[NAMES:2_000]}
        found.append(Cut(name, rank=rank, usual=usual))
    return found


def _tree(codes: Array, sizes: Sequence[int], targets: Array) -> tuple[tuple[int, int, int, int], ...]:
    """Return a tree that is grown best first: of all cells, that is cut whose squared error falls most."""
    least = max(LEAST, len(codes) // 400)
    nodes: list[tuple[int, int, int, int]] = [(-1, 0, 0, 0)]
    rows: dict[int, Array] = {0: np.arange(len(codes))}
    best = {0: _best(codes, sizes, targets, rows[0], least)}
    while len(rows) < CELLS:
        node = max(best, key=lambda each: best[each][0])
        gain, place, cut = best.pop(node)
        if gain <= 0:
            break
        some = rows.pop(node)
        low = codes[some, place] <= cut
        left = len(nodes)
        nodes[node] = (place, cut, left, left + 1)
        nodes += [(-1, 0, 0, 0)] * 2
        for child, part in ((left, some[low]), (left + 1, some[~low])):
            rows[child] = part
            best[child] = _best(codes, sizes, targets, part, least)
        if not best:
            break
    for cell, node in enumerate(sorted(rows)):
        nodes[node] = (-1, cell, 0, 0)
    return tuple(nodes)


def _best(codes: Array, sizes: Sequence[int], targets: Array, rows: Array, least: int) -> tuple[float, int, int]:
    """Return by how much the best cut of some rows lowers the squared error beyond chance, the column's place, and the code."""
    found = (0.0, -1, 0)
    if len(rows) < 2 * least:
        return found
    y = targets[rows]
    sums = y.sum(axis=0)
    noise = 8.0 * float(y.var(axis=0).sum())   # what a cut of chance brings is one variance a target; of many cuts the best brings more
    for place, size in enumerate(sizes):
        code = codes[rows, place]
        counts = np.bincount(code, minlength=size).cumsum()[:-1]
        other = len(rows) - counts
        allowed = np.flatnonzero((counts >= least) & (other >= least))
        if not len(allowed):
            continue
        gain = np.zeros(len(allowed))
        for target in range(y.shape[1]):
            left = np.bincount(code, y[:, target], size).cumsum()[:-1][allowed]
            n, m = counts[allowed], other[allowed]
            gain += left**2 / n + (sums[target] - left) ** 2 / m - sums[target] ** 2 / len(rows)
        at = int(np.argmax(gain))
        if gain[at] - noise > found[0]:
            found = float(gain[at] - noise), place, int(allowed[at])
    return found


def _apart(now: Array, then: Array, n: int, m: int) -> float:
    """Return the total variation of two lists of shares, twice what chance brings taken off."""
    if not (n and m):
        return 0.0
    middle = (now * n + then * m) / (n + m)
    chance = 0.4 * np.sqrt(middle * (1 - middle) * (1 / n + 1 / m)).sum()   # the mean of |a normal| is .8 of its deviation; half of it
    return max(0.0, float(np.abs(now - then).sum() / 2) - 2 * float(chance))
