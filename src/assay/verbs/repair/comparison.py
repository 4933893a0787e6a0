"""A model before and after a remedy, on the same rows held out: by group, for everyone else, and with the probe run again.

``Comparison.of(before, after, rows)`` measures, ``Held`` are the rows, ``probed`` searches both models. ``repair`` tells what they found.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from assay.errors import ConfigError
from assay.model import guard
from assay.model.model import Model
from assay.probe.discrimination import Share, actual, even
from assay.probe.oracle import Oracle
from assay.probe.search import search
from assay.probe.space import Space, axis
from assay.result import Spread

__all__ = ["FEWEST", "GAPS", "Comparison", "Gap", "Harm", "Held", "Probed", "grouped", "probed"]

Array = np.ndarray[Any, Any]

GAPS = {"selection_rate": "selection rate", "true_positive_rate": "true positive rate", "false_positive_rate": "false positive rate",
        "accuracy": "accuracy"}
DRAWS = 2_000        # of the bootstrap
FEWEST = 30          # rows of a group, below which nothing is concluded of it
SLICE = 30           # rows of a slice, to say that it became worse
WORSE = 0.01         # by which accuracy of a slice falls, at least, to be told
CONSTANT = 0.995     # of the rows with one answer
ROWS, EVEN = 10_000, 10_000
MOST_GROUPS = 30


@dataclass(frozen=True, eq=False)
class Held:
    """Rows held out: the table, ``labels`` (1 for the positive class), and ``groups``, places in ``names``.

    ``protected`` is the column that the groups are of, where it is one.
    """

    table: pa.Table
    labels: Array
    groups: Array
    names: tuple[str, ...]
    positive: int
    threshold: float | None
    protected: tuple[str, ...] = ()

    def of(self, mask: Array) -> Held:
        """Return some of the rows."""
        return replace(self, table=self.table.filter(pa.array(mask)), labels=self.labels[mask], groups=self.groups[mask])

    def decided(self, model: Model, *, own: bool = False) -> Array:
        """Return 1 where a model decides for the positive class; with ``own``, by itself and not by the threshold."""
        parts = [guard.answer(model, batch) for batch in self.table.combine_chunks().to_batches(max_chunksize=65_536)]
        out = []
        for each in parts:
            if self.threshold is not None and not own and each.score is not None:
                out.append(each.score[:, self.positive] >= self.threshold)
            elif each.prediction is not None:
                out.append(each.prediction == self.positive)
            else:
                out.append(np.argmax(each.score, axis=1) == self.positive)   # type: ignore[arg-type]
        return np.concatenate(out).astype(np.int64)


@dataclass(frozen=True)
class Gap:
    """The largest difference of a rate between groups, before and after, and the change, each with its 95 % interval."""

    rate: str
    before: tuple[float, float, float]
    after: tuple[float, float, float]
    change: tuple[float, float, float]


@dataclass(frozen=True)
class Harm:
    """A slice whose accuracy fell by more than chance: its rows, the accuracy before and after, and the corrected p-value."""

    column: str
    value: str
    rows: int
    before: float
    after: float
    p: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """What changed: gaps between groups, accuracy of all and by group, who became worse, and whether one answer is left."""

    gaps: Mapping[str, Gap]
    accuracy: Gap
    groups: Mapping[str, Mapping[str, Gap]]
    sizes: Mapping[str, int]
    harms: tuple[Harm, ...]
    most: tuple[float, float]   # share of the more frequent answer, before and after
    moved: float                # share of rows decided otherwise

    @classmethod
    def of(cls, held: Held, before: Array, after: Array, *, seed: int = 0) -> Comparison:
        """Return the comparison of decisions (0 or 1) on the rows held out."""
        count = len(held.names)
        cell = ((held.groups * 2 + held.labels) * 2 + before) * 2 + after
        seen = np.bincount(cell, minlength=count * 8).astype(np.float64)
        drawn = np.random.default_rng([seed, 51]).multinomial(len(cell), seen / len(cell), size=DRAWS).astype(np.float64)
        tables = np.concatenate([seen[None], drawn]).reshape(-1, count, 2, 2, 2)
        rates = {name: _rate(tables, name) for name in GAPS}
        big = np.flatnonzero(np.bincount(held.groups, minlength=count) >= FEWEST)   # of the others nothing is concluded
        gaps = {name: _gap(name, np.stack([_apart(each[:, big]) for each in rates[name]])) for name in GAPS}
        counts = {name: _behind(seen.reshape(count, 2, 2, 2), name) for name in GAPS}
        groups = {held.names[place]: {name: _jeffreys(_gap(name, np.stack([each[:, place] for each in rates[name]])), counts[name][place])
                                      for name in GAPS} for place in big}
        every = _rate(tables.sum(axis=1, keepdims=True), "accuracy")
        accuracy = _gap("accuracy", np.stack([each[:, 0] for each in every]))
        most = tuple(float(max(each.mean(), 1 - each.mean())) for each in (before, after))
        sizes = {name: int((held.groups == place).sum()) for place, name in enumerate(held.names)}
        return cls(gaps, accuracy, groups, sizes, _harms(held, before == held.labels, after == held.labels),
                   (most[0], most[1]), float((before != after).mean()))

    @property
    def constant(self) -> bool:
        """Whether the model answers all rows alike, and did not before."""
        return self.most[1] >= CONSTANT > self.most[0]


def _rate(tables: Array, name: str) -> tuple[Array, Array]:
    """Return a rate of each group, (draws, groups), before and after; ``tables`` (draws, groups, label, before, after)."""
    out = []
    for side in (3, 4):
        yes = tables.take(1, axis=side).sum(axis=3)    # (draws, groups, label)
        every = tables.sum(axis=(3, 4))
        if name == "selection_rate":
            top, bottom = yes.sum(axis=2), every.sum(axis=2)
        elif name == "accuracy":
            top, bottom = yes[:, :, 1] + every[:, :, 0] - yes[:, :, 0], every.sum(axis=2)
        else:
            label = 1 if name == "true_positive_rate" else 0
            top, bottom = yes[:, :, label], every[:, :, label]
        out.append(np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0))
    return out[0], out[1]


def _behind(seen: Array, name: str) -> Array:
    """Return the rows behind a rate of each group."""
    labels = seen.sum(axis=(2, 3))
    return np.asarray({"true_positive_rate": labels[:, 1], "false_positive_rate": labels[:, 0]}.get(name, labels.sum(axis=1)))


def _jeffreys(gap: Gap, n: float) -> Gap:
    """Return a rate of one group with intervals that are not empty where all rows are alike, as those of a bootstrap are."""
    if not n:
        return gap
    sides = [(value, *Spread("binomial", value, n=n).interval()) for value in (gap.before[0], gap.after[0])]
    return replace(gap, before=sides[0], after=sides[1])


def _apart(rates: Array) -> Array:
    known = np.isfinite(rates)
    high = np.where(known, rates, -np.inf).max(axis=1)
    low = np.where(known, rates, np.inf).min(axis=1)
    return np.where(known.sum(axis=1) > 1, high - low, np.nan)


def _gap(name: str, sides: Array) -> Gap:
    """Return the estimate and the interval of two rows of draws, the first of each being what was seen."""
    def told(draws: Array) -> tuple[float, float, float]:
        rest = draws[1:][np.isfinite(draws[1:])]
        low, high = np.quantile(rest, [0.025, 0.975]) if len(rest) else (np.nan, np.nan)
        return float(draws[0]), float(min(low, draws[0])), float(max(high, draws[0]))

    return Gap(name, told(sides[0]), told(sides[1]), told(sides[1] - sides[0]))


def _harms(held: Held, before: Array, after: Array) -> tuple[Harm, ...]:
    """Return the slices of single columns whose accuracy fell: exact tests of the rows that changed, corrected for their number (Holm)."""
    from scipy import stats

    found: list[tuple[float, str, str, Array]] = []
    for name, column in [("group", pa.array([held.names[each] for each in held.groups])),
                         *((name, held.table.column(name)) for name in held.table.column_names if name not in held.protected)]:
        for value, rows in _slices(column):
            if rows.sum() < SLICE:
                continue
            lost, won = int((before & ~after & rows).sum()), int((~before & after & rows).sum())
            p = float(stats.binomtest(lost, lost + won, 0.5, alternative="greater").pvalue) if lost + won else 1.0
            found.append((p, name, value, rows))
    found.sort(key=lambda each: each[0])
    out, running = [], 0.0
    for place, (p, name, value, rows) in enumerate(found):
        running = max(running, min(1.0, p * (len(found) - place)))
        if running > 0.05:
            break
        one, other = float(before[rows].mean()), float(after[rows].mean())
        if one - other >= WORSE:
            out.append(Harm(name, value, int(rows.sum()), one, other, running))
    return tuple(sorted(out, key=lambda each: (each.column != "group", each.after - each.before)))


def _slices(column: Any) -> list[tuple[str, Array]]:
    held = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    held = held.dictionary_decode() if pa.types.is_dictionary(held.type) else held
    number = pa.types.is_integer(held.type) or pa.types.is_floating(held.type)
    encoded = held.dictionary_encode()
    if not number or len(encoded.dictionary) <= 8:
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        values = encoded.dictionary.to_pylist()
        return [(str(value), codes == place) for place, value in enumerate(values)] if len(values) <= 50 else []
    numbers = held.cast(pa.float64()).to_numpy(zero_copy_only=False)
    edges = np.unique(np.nanquantile(numbers, [0.25, 0.5, 0.75]))
    ends = [-np.inf, *edges.tolist(), np.inf]
    between = [f"{low:g} to {high:g}" for low, high in itertools.pairwise(ends[1:-1])]
    titles = [f"up to {ends[1]:g}", *between, f"above {ends[-2]:g}"]
    return [(title, (numbers > low) & (numbers <= high)) for title, low, high in zip(titles, ends, ends[1:], strict=False)]


@dataclass(frozen=True)
class Probed:
    """What the probe found of both models: ``finds`` of ``tests`` before, after with the same seed, and after with a fresh one."""

    tests: int
    finds: tuple[int, int, int]
    rows: tuple[Share, Share] | None
    space: tuple[Share, Share]


def probed(before: Model, after: Model, table: pa.Table, protected: Sequence[str], inputs: Sequence[str], *, budget: int,
           ranges: Mapping[str, Any] | None = None, positive: int = 1, threshold: float | None = None, seed: int = 0) -> Probed:
    """Return the same search of both models over the same inputs, with the same seed, and once more with a fresh one.

    ``protected`` are those of the ``inputs`` that must make no difference; rows of ``table`` say which values are possible.
    """
    declared = dict(ranges or {})
    axes = {name: axis(name, table.column(name), declared=declared.get(name), protected=name in protected)
            for name in dict.fromkeys([*inputs, *protected])}
    space = Space(tuple(each for name, each in axes.items() if name not in protected), tuple(axes[name] for name in protected),
                  order=tuple(axes))
    points = space.snapped(table)[0]

    def oracle(model: Model) -> Oracle:
        own = threshold if model is before else None
        return Oracle(model, space, positive=positive, threshold=own)

    finds, tests = [], 0
    for model, number in ((before, seed), (after, seed), (after, seed + 1_000_003)):
        made = search(oracle(model), budget=budget, seed=number)
        if made.stopped == "interrupted":   # a search ends with what it has; half of a comparison is none
            raise KeyboardInterrupt
        finds.append(made.found)
        tests = max(tests, made.tests)
    rows = (actual(oracle(before), points, ROWS, seed=seed), actual(oracle(after), points, ROWS, seed=seed)) if len(points) else None
    first, second = (even(oracle(model), EVEN, seed=seed) for model in (before, after))
    wide = (Share(first.found, first.n), Share(second.found, second.n))
    return Probed(tests, (finds[0], finds[1], finds[2]), rows, wide)


def grouped(columns: Sequence[Any], names: Sequence[str]) -> tuple[Array, tuple[str, ...], Array]:
    """Return the group of each row, the groups' names, and which rows have one; raises ``ConfigError`` for too many groups."""
    from assay.model.thresholds import spelt

    texts = [spelt(each.combine_chunks() if isinstance(each, pa.ChunkedArray) else each) for each in columns]
    keys = list(zip(*texts, strict=True))
    there = np.array([all(each is not None for each in key) for key in keys], bool)
    known = sorted({key for key, here in zip(keys, there, strict=True) if here})
    if len(known) > MOST_GROUPS:
        raise ConfigError(f"{' and '.join(names)} {'makes' if len(names) == 1 else 'make'} {len(known):,} groups: too many to repair",
                          expected=f"at most {MOST_GROUPS}: groups, not numbers",
                          hint="cut a number into a few ranges, in a column of the data")
    places = {key: place for place, key in enumerate(known)}
    codes = np.array([places.get(key, -1) for key in keys], np.int64)
    return codes, tuple(" and ".join(str(part) for part in key) for key in known), there

