"""What the pieces of one cell contributed (words of a text, patches of an image): the sampler over pieces in place of columns.

``pieced`` is the interface, ``Pieces`` what it returns; ``explain.token`` and ``explain.superpixel`` cut and put together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pyarrow as pa
from scipy import special

from assay.errors import ConfigError, DataError, UnknownColumnError
from assay.explain import sampling
from assay.explain.attribution import Attributions, digest
from assay.explain.quantity import asking, chosen
from assay.model.model import Model, bind, called
from assay.model.signature import Class

__all__ = ["Piece", "Pieces", "Subject", "interval", "pieced", "subject"]

Array = np.ndarray[Any, Any]
_PRECISE = 0.05        # half an interval, as a share of the spread of answers to random pieces, where nothing else is said
_LOOKED = 64           # sets of pieces by which that spread is judged
_CELLS = 16_000_000    # bytes or numbers of cells that are made at once
_SEEDS = 2 ** 32


@dataclass(frozen=True)
class Piece:
    """One piece or group of pieces: its name, the characters ``start`` to ``stop``, its value with an interval, and its parts."""

    name: str
    start: int
    stop: int
    value: float
    low: float
    high: float
    parts: tuple[Piece, ...] = ()


@dataclass(frozen=True, eq=False)
class Pieces:
    """The values of the pieces of one cell (``attributions``, one row, a column for each), and the tree of groups that they make.

    ``labels`` (height, width) tells the piece of each pixel, None for a text.
    """

    attributions: Attributions
    tree: tuple[Piece, ...]
    labels: Array | None = None


@dataclass(frozen=True)
class Subject:
    """The model with its inputs named, one row of them, the place of the column that is cut, and what is asked."""

    model: Model
    row: pa.RecordBatch
    place: int
    quantity: str
    target: Class | None

    @property
    def where(self) -> str:
        """What messages call the cell."""
        return f"{called(self.model)}, column '{self.row.schema.names[self.place]}'"


def subject(model: Model, row: Any, column: str | None, suits: Callable[[pa.DataType], bool], what: str, quantity: str,
            target: Class | None) -> Subject:
    """Return what is explained; the column is the only one of the model's that holds ``what``, if none is named."""
    table = row if isinstance(row, pa.RecordBatch) else pa.table(row)
    if table.num_rows != 1:
        raise DataError(f"{table.num_rows} rows were given", expected="one: pieces differ from row to row")
    batch = table if isinstance(table, pa.RecordBatch) else table.combine_chunks().to_batches()[0]
    model = bind(model, batch.schema)
    names = model.signature.names or tuple(batch.schema.names)
    take = getattr(model, "taken", None)
    found = batch.select(list(names)) if take is None else take(batch)
    batch = pa.RecordBatch.from_arrays(found.columns, names=list(names))
    fitting = [name for name, each in zip(names, batch.columns, strict=True) if suits(each.type)]
    if column is not None and column not in names:
        raise UnknownColumnError.among(column, names)
    if column is None and len(fitting) != 1:
        raise ConfigError(f"{len(fitting)} columns of the model hold {what}", where=called(model), expected="the name of one",
                          hint="pass column=...")
    name = fitting[0] if column is None else column
    if name not in fitting:
        raise DataError(f"the column '{name}' is of type {batch.column(names.index(name)).type}", where=called(model), expected=what)
    if quantity not in ("score", "log-odds", "decision"):
        raise ConfigError(f"'{quantity}' of pieces cannot be explained", where=called(model), expected="'score', 'log-odds' or 'decision'")
    if quantity != "score" and model.signature.classes is None:
        raise ConfigError(f"the model predicts numbers, which have no {quantity}", where=called(model), expected="'score'")
    made = Subject(model, batch, names.index(name), quantity, chosen(model, target, quantity))
    if not batch.column(made.place)[0].is_valid:
        raise DataError(f"there is no {what} in the row", where=made.where, expected="a value")
    return made


def pieced(what: Subject, names: Sequence[str], make: Callable[[Array], pa.Array], size: int, others: pa.Array, *,
           levels: Sequence[Array] = (), at_most: float | None, budget: int, seed: int, notes: Sequence[str] = ()
           ) -> tuple[Attributions, tuple[tuple[Array, Array], ...]]:
    """Return the values of the pieces of a cell, and values and standard errors of the groups of each level.

    ``make`` turns states (cells, pieces) into cells: -1 is a piece of the row's own, k one of cell k of ``others``, which the
    pieces are compared with. ``size`` is about how large a cell is.
    """
    say = asking(what.model, what.quantity, what.target)
    step = max(1, _CELLS // max(1, size))

    def ask(states: pa.RecordBatch) -> Array:
        held, out = np.column_stack([each.to_numpy() for each in states.columns]), np.empty(states.num_rows)
        for low in range(0, len(held), step):
            cells = make(held[low:low + step])
            rest = what.row.take(pa.array(np.zeros(len(cells), np.int64)))
            columns = [cells if place == what.place else each for place, each in enumerate(rest.columns)]
            out[low:low + step] = say(pa.RecordBatch.from_arrays(columns, names=what.row.schema.names))
        return out

    players = tuple(str(each) for each in range(len(names)))
    own = pa.RecordBatch.from_arrays([pa.array([-1], pa.int32())] * len(players), names=list(players))
    behind = pa.RecordBatch.from_arrays([pa.array(range(len(others)), pa.int32())] * len(players), names=list(players))
    game = sampling.Game(ask, own, behind, players, tuple(levels))
    first, second, before = ask(own), ask(own), say(what.row)
    said = [*notes]
    if first[0] == second[0] and abs(first[0] - before[0]) > 1e-6 * max(1.0, abs(before[0])):
        said.append(f"put together from its pieces the cell gets the answer {first[0]:.6g}, and as it is stored {before[0]:.6g}")
    if first[0] != second[0]:
        said.append(f"the model is not deterministic: the same cell got answers {abs(first[0] - second[0]):.3g} apart")
    if at_most is None:
        rng = np.random.default_rng(seed % _SEEDS)
        some = rng.random((_LOOKED, len(players))) < rng.random((_LOOKED, 1))
        apart = game.played(np.zeros(_LOOKED, np.int64), rng.integers(0, len(others), _LOOKED), some)
        at_most = _PRECISE * float(apart.std()) or 1e-12
    game.asked += 3
    made = sampling.sampled(game, at_most=at_most, budget=budget, seed=seed)
    exact = bool(np.isinf(made.df).all())
    if not exact and float(special.stdtrit(made.df[0], 0.975) * made.error.max(initial=0.0)) > 1.2 * at_most:
        said.append("the budget was spent before the intervals were as narrow as asked for")
    column = pa.RecordBatch.from_arrays([others], names=[what.row.schema.names[what.place]])
    values = Attributions(tuple(names), made.values, made.base, made.output, what.quantity if what.target is not None else "value",
                          "every coalition" if exact else "sampled", target=what.target, error=None if exact else made.error,
                          df=None if exact else made.df, background=digest(column), background_rows=len(others), model=what.model.digest,
                          model_rows=game.asked, seed=seed, notes=tuple(said))
    return values, made.groups


def interval(value: float, error: float, df: Array | None) -> tuple[float, float, float]:
    """Return a value with the ends of its interval of 95 %; without degrees of freedom it is exact."""
    half = 0.0 if df is None else cast(float, special.stdtrit(df[0], 0.975)) * error
    return float(value), float(value - half), float(value + half)
