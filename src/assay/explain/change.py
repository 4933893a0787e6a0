"""Why a mean moved, or differs between groups: one mean for each input, and together they are the whole difference.

``change(model, before, after, background, ...)`` returns a :class:`Change`; ``Rows`` is one side of it. Verbs import it.
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

__all__ = ["Change", "Rows", "change", "compared"]

Array = np.ndarray[Any, Any]

EXACT = 20_000     # rows of both sides whose contributions are computed where that is cheap
SAMPLED = 200_000  # rows put to the model where it is not
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
    return compared(made, chosen, whole, before, after, quantity)


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


def compared(made: Parts, chosen: Sequence[Array], whole: Sequence[Array], before: Rows, after: Rows, quantity: str) -> Change:
    """Return the change that contributions of ``chosen`` rows make, scaled to the means of ``whole``: the outputs of all rows."""
    first = len(chosen[0])
    parts = np.column_stack([made.values, made.base])
    names = (*made.columns, OUTCOME)
    groups = _groups(before, after)
    influence = np.zeros((len(whole[0]) + len(whole[1]), len(names)))
    estimate = np.zeros(len(names))
    total = np.zeros((len(influence), 1))
    means = []
    for which, (side, some, out) in enumerate(zip((before, after), chosen, whole, strict=True)):
        sign, start = (-1.0, 0) if which == 0 else (1.0, len(whole[0]))
        weight = np.ones(len(side)) if side.weight is None else np.asarray(side.weight, np.float64)
        every, few = weight / weight.sum(), weight[some] / weight[some].sum()
        values = parts[:first] if which == 0 else parts[first:]
        mean, small = float(every @ out), float(few @ out[some])
        centre = few @ values
        away = out[some] - small
        spread = float(few @ away ** 2)
        slope = ((few * away) @ (values - centre)) / spread if spread > 0 and len(some) < len(side) else np.zeros(len(names))
        estimate += sign * (centre + slope * (mean - small))
        own = np.zeros((len(side), len(names)))
        own[some] = few[:, None] * (values - centre - slope * away[:, None])
        own += slope * (every * (out - mean))[:, None]
        influence[start : start + len(side)] = sign * own
        line = every * (out - mean)
        total[start : start + len(side), 0] = sign * line
        error, df = spreads(line[:, None], None if groups is None else np.unique(groups[start : start + len(side)], return_inverse=True)[1])
        means.append(Value.of(quantity, Spread("normal", mean, error=float(error[0]), df=df), n=len(side), unit=made.unit))
    errors, df = spreads(np.column_stack([influence, total]), groups)
    rows = len(influence)
    apart = Spread("normal", (means[1].value or 0.0) - (means[0].value or 0.0), error=float(errors[-1]), df=df)
    difference = Value.of(quantity, apart, n=rows, unit=made.unit, against=before.name)
    found = [Value.of(f"{quantity} change", Spread("normal", float(each), error=float(error), df=df), n=rows, column=name,
                      unit=made.unit, against=before.name)
             for name, each, error in zip(names, estimate, errors[:-1], strict=True) if name != OUTCOME or np.ptp(made.base) > 0]
    ordered = tuple(sorted(found, key=lambda each: -abs(each.value or 0.0)))
    return Change(quantity, (before.name, after.name), (means[0], means[1]), difference, ordered, made.method, made.background,
                  made.background_rows, len(chosen[0]) + len(chosen[1]), made.notes)


def _groups(before: Rows, after: Rows) -> Array | None:
    if before.group is None or after.group is None:
        return None
    return np.unique(np.concatenate([before.group, after.group]), return_inverse=True)[1].reshape(-1)
