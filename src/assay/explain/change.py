"""Why a mean moved, or differs between groups: one mean for each input, and together they are the whole difference.

``change(model, before, after, background, ...)`` returns a :class:`Change` between two sets of rows, ``versus(first, second, rows, ...)``
one between two models on the same rows; ``Rows`` is one side. Verbs import it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from assay.errors import DataError
from assay.explain.mean import OUTCOME, Parts, attributed, exact, outputs
from assay.explain.split import spreads
from assay.model.model import Model
from assay.result import Spread, Value

__all__ = ["LEVEL", "Change", "Rows", "change", "versus"]

Array = np.ndarray[Any, Any]

EXACT = 20_000     # rows of both sides whose contributions are computed where that is cheap
SAMPLED = 200_000  # rows put to the model where it is not
LEVEL = "(level)"  # the line of what two models cost where no input says anything of the row
FEWEST = 20        # rows of a side, below which nothing is said of why


@dataclass(frozen=True, eq=False)
class Rows:
    """One side: its rows, by what it is called; ``labels`` and ``weight`` a number each, ``group`` who belongs together."""

    name: str
    batch: pa.RecordBatch
    labels: Any = None
    weight: Array | None = None
    group: Array | None = None

    def __len__(self) -> int:
        return int(self.batch.num_rows)


@dataclass(frozen=True)
class Change:
    """A difference of means, ``after`` less ``before``, and what each input has of it, the largest first.

    ``means`` are those of both sides. ``contributions`` have the input as ``column``; one is called ``(outcomes)`` where the outcomes
    themselves became harder to guess. They add up to ``difference``; ``gap`` is what rounding leaves.
    """

    quantity: str
    names: tuple[str, str]
    means: tuple[Value, Value]
    difference: Value
    contributions: tuple[Value, ...]
    method: str
    background: str = ""
    background_rows: int = 0
    rows: int = 0
    notes: tuple[str, ...] = field(default=())

    @property
    def gap(self) -> float:
        """The difference less the sum of the contributions."""
        return float((self.difference.value or 0.0) - sum(each.value or 0.0 for each in self.contributions))


def change(model: Model, before: Rows, after: Rows, background: pa.RecordBatch, *, quantity: str = "score", place: int | None = None,
           threshold: float | None = None, asked: int = SAMPLED, seed: int = 0) -> Change:
    """Return why the mean of a quantity is another one in ``after`` than in ``before``, against one background for both.

    Attributions are linear, so the difference of their means is the attribution of the difference of means (Datta, Sen and Zick 2016).
    ``quantity`` is ``"score"``, ``"log-odds"``, ``"decision"`` (1 where class ``place`` reaches ``threshold``), ``"loss"`` (log loss, or
    the squared error) or ``"error"`` (1 where the decision is wrong). Where contributions must be sampled, a random part of the rows has
    them, at most ``asked`` rows are put to the model, and they are scaled to the difference of all rows by regression (double
    sampling, Cochran 1977); the intervals are those of the populations that the rows come from, rows of one group together, and
    given the background.

    Raises ``DataError`` where a side has fewer than 20 rows, ``ConfigError`` for what cannot be explained.

    >>> import assay
    >>> model = assay.load(lambda batch: batch.column("a").to_numpy() * 2.0, task="regression", features=["a", "b"])
    >>> data = [pa.record_batch({"a": np.arange(30.0) + shift, "b": np.ones(30)}) for shift in (0, 1)]
    >>> made = change(model, Rows("May", data[0]), Rows("June", data[1]), data[0])
    >>> round(made.difference.value, 6), [(each.column, round(each.value, 6)) for each in made.contributions]
    (2.0, [('a', 2.0), ('b', 0.0)])
    """
    for side in (before, after):
        if len(side) < FEWEST:
            raise DataError(f"{side.name} has {len(side)} rows", expected=f"at least {FEWEST} rows to compare")
    said = {"labels": None, "place": place, "threshold": threshold}
    whole = [outputs(model, side.batch, quantity, **{**said, "labels": side.labels}) for side in (before, after)]
    width = len(model.signature.names or before.batch.schema.names)
    random = np.random.default_rng(seed)
    made, chosen = None, [np.arange(len(before)), np.arange(len(after))]
    if quantity in ("score", "log-odds") and len(before) + len(after) <= EXACT and exact(model, before.batch, background, quantity, place):
        made = _both(model, before, after, background, chosen, quantity, place, threshold, seed)
    if made is None:
        most = max(FEWEST, asked // max(1, 2 * 4 * width))   # two draws of an order and its reverse, on each side
        chosen = [np.sort(random.permutation(len(side))[:most]) for side in (before, after)]
        made = _both(model, before, after, background, chosen, quantity, place, threshold, seed)
    return _compared(made, chosen, whole, before, after, quantity)


def _both(model: Model, before: Rows, after: Rows, background: pa.RecordBatch, chosen: Sequence[Array], quantity: str, place: int | None,
          threshold: float | None, seed: int) -> Parts:
    """Return the contributions of the chosen rows of both sides, one below the other."""
    names = list(model.signature.names or before.batch.schema.names)
    tables = [pa.Table.from_batches([side.batch.select(names)]).take(pa.array(some))
              for side, some in zip((before, after), chosen, strict=True)]
    batch = pa.concat_tables(tables, promote_options="permissive").combine_chunks().to_batches()[0]
    labels = None
    if before.labels is not None and after.labels is not None:
        labels = np.concatenate([np.asarray(side.labels)[some] for side, some in zip((before, after), chosen, strict=True)])
    return attributed(model, batch, background, quantity, labels=labels, place=place, threshold=threshold, seed=seed)


def versus(first: Model, second: Model, rows: Rows, background: pa.RecordBatch, *, names: tuple[str, str], quantity: str = "loss",
           place: int | None = None, threshold: float | None = None, asked: int = SAMPLED, seed: int = 0) -> Change:
    """Return why the mean of a quantity is another one for the ``second`` model than for the ``first``, on the same rows.

    Each input has the mean of what it contributes in the second less what it contributes in the first, paired by row; ``(level)`` is
    what both cost at the background, where no input says anything of the row. The arguments are those of ``change``.
    """
    if len(rows) < FEWEST:
        raise DataError(f"{rows.name} has {len(rows)} rows", expected=f"at least {FEWEST} rows to compare")
    whole = [outputs(each, rows.batch, quantity, labels=rows.labels, place=place, threshold=threshold) for each in (first, second)]
    width = max(len(each.signature.names or rows.batch.schema.names) for each in (first, second))
    some = np.sort(np.random.default_rng(seed).permutation(len(rows))[: max(FEWEST, asked // max(1, 2 * 4 * width))])
    batch = pa.Table.from_batches([rows.batch]).take(pa.array(some)).combine_chunks().to_batches()[0]
    labels = None if rows.labels is None else np.asarray(rows.labels)[some]
    made = [attributed(each, batch, background, quantity, labels=labels, place=place, threshold=threshold, seed=seed)
            for each in (first, second)]
    columns = list(dict.fromkeys([*made[0].columns, *made[1].columns]))
    parts = np.zeros((len(some), len(columns) + 1))
    for sign, each in zip((-1.0, 1.0), made, strict=True):
        parts[:, [columns.index(name) for name in each.columns]] += sign * each.values
        parts[:, -1] += sign * each.base
    share = _shares(rows)
    estimate, influence = _scaled(parts, some, whole[1] - whole[0], share)
    team = None if rows.group is None else np.unique(rows.group, return_inverse=True)[1].reshape(-1)
    lines = [share * (out - float(share @ out)) for out in (*whole, whole[1] - whole[0])]
    errors, df = spreads(np.column_stack([influence, *lines]), team)
    unit, count = made[1].unit, len(columns) + 1
    means = [Value.of(quantity, Spread("normal", float(share @ out), error=float(error), df=df), n=len(rows), unit=unit)
             for out, error in zip(whole, errors[count:], strict=False)]
    apart = Spread("normal", float(share @ (whole[1] - whole[0])), error=float(errors[-1]), df=df)
    difference = Value.of(quantity, apart, n=len(rows), unit=unit, against=names[0])
    found = _told(quantity, (*columns, LEVEL), estimate, errors, df, len(rows), unit, names[0])
    return Change(quantity, names, (means[0], means[1]), difference, found, made[1].method, made[1].background, made[1].background_rows,
                  len(some), tuple(dict.fromkeys([*made[0].notes, *made[1].notes])))


def _compared(made: Parts, chosen: Sequence[Array], whole: Sequence[Array], before: Rows, after: Rows, quantity: str) -> Change:
    """Return the change that contributions of ``chosen`` rows make, scaled to the means of ``whole``: the outputs of all rows."""
    names, parts = (*made.columns, OUTCOME), np.column_stack([made.values, made.base])
    groups = _groups(before, after)
    estimates, influences, lines, means = [], [], [], []
    start = 0
    for side, some, out, sign in zip((before, after), chosen, whole, (-1.0, 1.0), strict=True):
        share = _shares(side)
        estimate, influence = _scaled(parts[start : start + len(some)], some, out, share)
        start += len(some)
        mean = float(share @ out)
        line = share * (out - mean)
        own = None if side.group is None else np.unique(side.group, return_inverse=True)[1].reshape(-1)
        error, df = spreads(line[:, None], own)
        means.append(Value.of(quantity, Spread("normal", mean, error=float(error[0]), df=df), n=len(side), unit=made.unit))
        estimates.append(sign * estimate)
        influences.append(sign * influence)
        lines.append(sign * line)
    errors, df = spreads(np.column_stack([np.concatenate(influences), np.concatenate(lines)]), groups)
    rows = len(before) + len(after)
    apart = Spread("normal", (means[1].value or 0.0) - (means[0].value or 0.0), error=float(errors[-1]), df=df)
    difference = Value.of(quantity, apart, n=rows, unit=made.unit, against=before.name)
    kept = [place for place, name in enumerate(names) if name != OUTCOME or np.ptp(made.base) > 0]
    found = _told(quantity, [names[each] for each in kept], (estimates[0] + estimates[1])[kept], errors[kept], df, rows, made.unit,
                  before.name)
    return Change(quantity, (before.name, after.name), (means[0], means[1]), difference, found, made.method, made.background,
                  made.background_rows, len(chosen[0]) + len(chosen[1]), made.notes)


def _told(quantity: str, names: Sequence[str], estimate: Array, errors: Array, df: float, rows: int, unit: str,
          against: str) -> tuple[Value, ...]:
    """Return the contributions as values, the largest first."""
    found = [Value.of(f"{quantity} change", Spread("normal", float(each), error=float(error), df=df), n=rows, column=name, unit=unit,
                      against=against) for name, each, error in zip(names, estimate, errors, strict=False)]
    return tuple(sorted(found, key=lambda each: -abs(each.value or 0.0)))


def _shares(side: Rows) -> Array:
    weight = np.ones(len(side)) if side.weight is None else np.asarray(side.weight, np.float64)
    if not weight.sum() > 0:
        raise DataError(f"no row of {side.name} has a weight above 0")
    return np.asarray(weight / weight.sum())


def _scaled(parts: Array, some: Array, out: Array, share: Array) -> tuple[Array, Array]:
    """Return the mean of ``parts``, known of ``some`` rows, scaled to that of ``out``, known of all; and what each row adds to its error.

    Parts of a row add up to its ``out``, so their slopes on it add up to 1, and the means to the mean (Cochran 1977, double sampling).
    """
    few = share[some] / share[some].sum()
    centre, mean, small = few @ parts, float(share @ out), float(few @ out[some])
    away = out[some] - small
    spread = float(few @ away ** 2)
    slope = ((few * away) @ (parts - centre)) / spread if spread > 0 and len(some) < len(out) else np.zeros(parts.shape[1])
    influence = slope * (share * (out - mean))[:, None]
    influence[some] += few[:, None] * (parts - centre - slope * away[:, None])
    return centre + slope * (mean - small), influence


def _groups(before: Rows, after: Rows) -> Array | None:
    if before.group is None or after.group is None:
        return None
    return np.unique(np.concatenate([before.group, after.group]), return_inverse=True)[1].reshape(-1)
