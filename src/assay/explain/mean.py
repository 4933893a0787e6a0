"""Contributions of inputs to means: of a score, a decision or a loss over many rows, where each row may be known roughly.

``attributed(model, rows, background, quantity, ...)`` returns :class:`Parts`, a line each row, ``outputs`` what they add up to;
``QUANTITIES`` are what may be asked, ``exact`` says where it is cheap.
``explain.change`` uses it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import special

from assay.errors import ConfigError, listed, nearest
from assay.explain.attribution import Attributions, digest
from assay.explain.explain import explain
from assay.explain.sampling import Game
from assay.model import guard
from assay.model.answer import Answer, places
from assay.model.model import Model, bind, called

__all__ = ["OUTCOME", "QUANTITIES", "Parts", "attributed", "exact", "outputs"]

Array = np.ndarray[Any, Any]

QUANTITIES = ("score", "log-odds", "decision", "loss", "error")
OUTCOME = "(outcomes)"   # the line of what no input brought: the labels themselves became easier or harder to guess
DRAWS = 2                # orders, each with its reverse, a row: the rows' own spread is larger than that of orders from two on
_LABEL = "label\0"       # no column of data is called so
_CELLS = 4_000_000
_TRIED = 64


@dataclass(frozen=True, eq=False)
class Parts:
    """What each column contributed to ``output`` of each row: ``values`` (rows, columns), ``base`` (rows,) and they add up to it.

    ``base`` is what the background costs; it differs from row to row only where a label enters. ``method`` says how they were made.
    """

    columns: tuple[str, ...]
    values: Array
    base: Array
    output: Array
    unit: str
    method: str
    background: str
    background_rows: int
    model_rows: int = 0
    notes: tuple[str, ...] = ()


def outputs(model: Model, rows: pa.RecordBatch, quantity: str, *, labels: Any = None, place: int | None = None,
            threshold: float | None = None) -> Array:
    """Return the number of each row whose mean is explained: a score, its log-odds, 1 for a decision, a loss, 1 for an error.

    ``place`` is the class in question, by default the second of two; ``threshold`` where its score decides (else the model does).
    """
    model = _ready(model, rows)
    worth = _worth(model, quantity, place, threshold)
    names = model.signature.names or rows.schema.names
    return worth(_answered(model, rows.select(list(names))), None if labels is None else _labels(model, labels))


def attributed(model: Model, rows: pa.RecordBatch, background: pa.RecordBatch, quantity: str = "score", *, labels: Any = None,
               place: int | None = None, threshold: float | None = None, seed: int = 0) -> Parts:
    """Return the contributions of the inputs to a quantity of each row, exact where the model adds it up, else from a few orders a row.

    A row's values are then rough, and unbiased: their error is part of the spread between rows, which intervals of means hold. As the
    mean over the background is known, it serves as a control variate, with one slope for all rows.
    """
    model = _ready(model, rows)
    names = list(model.signature.names or rows.schema.names)
    rows, background = rows.select(names), background.select(names)
    if exact(model, rows, background, quantity, place):
        made = _exact(model, rows, background, quantity, place)
        return Parts(made.columns, made.values, np.full(len(made), made.base), made.output, made.quantity, made.method, made.background,
                     made.background_rows)
    return _walked(model, rows, background, quantity, labels, place, threshold, seed)


def exact(model: Model, rows: pa.RecordBatch, background: pa.RecordBatch, quantity: str, place: int | None = None) -> bool:
    """Whether the contributions to a quantity come exactly and cheaply, from what the model adds up."""
    if quantity not in ("score", "log-odds"):
        return False
    model = _ready(model, rows)
    names = list(model.signature.names or rows.schema.names)
    try:
        _exact(model, rows.select(names).slice(0, _TRIED), background.select(names).slice(0, _TRIED), quantity, place)
    except ConfigError:   # nothing that adds up: it is asked, where a real mistake is told too
        return False
    return True


def _exact(model: Model, rows: pa.RecordBatch, background: pa.RecordBatch, quantity: str, place: int | None) -> Attributions:
    classes = model.signature.classes
    target = None if classes is None or place is None else classes[place]
    return explain(model, rows, background, quantity=quantity, target=target, way="exact")


def _ready(model: Model, rows: pa.RecordBatch) -> Model:
    model = bind(model, rows.schema)
    if model.signature.task == "multilabel":
        raise ConfigError("a model of several labels cannot be explained at once", where=called(model), expected="one label",
                          hint="wrap one of its labels in a callable")
    return model


def _answered(model: Model, batch: pa.RecordBatch) -> Array:
    """Return scores (rows, classes), values (rows, 1), or a one at the class where there are labels only."""
    answer: Answer = guard.answer(model, batch)
    if answer.value is not None:
        return answer.value[:, None]
    if answer.score is not None:
        return answer.score
    assert answer.prediction is not None
    return np.asarray(answer.prediction[:, None] == np.arange(len(answer.classes or ())), np.float64)


def _labels(model: Model, labels: Any) -> Array:
    given = np.asarray(labels.to_pylist() if isinstance(labels, pa.Array | pa.ChunkedArray) else labels)
    classes = model.signature.classes
    return np.asarray(given if classes is None else places(given, classes), np.float64)


def _worth(model: Model, quantity: str, place: int | None, threshold: float | None) -> Callable[[Array, Array | None], Array]:
    """Return the function from answers and labels, of shapes that broadcast over rows, to the quantity."""
    classes = model.signature.classes
    if quantity not in QUANTITIES:
        guess = nearest(quantity, QUANTITIES)
        raise ConfigError(f"'{quantity}' cannot be explained", expected=f"one of {listed(QUANTITIES)}",
                          hint=f"did you mean '{guess}'?" if guess else None)
    missing = ConfigError(f"the {quantity} needs labels", where=called(model), expected="the outcome of each row")
    if classes is None:
        if quantity not in ("score", "loss"):
            raise ConfigError(f"the model predicts numbers, which have no {quantity}", where=called(model), expected="'score' or 'loss'")

        def valued(said: Array, label: Array | None) -> Array:
            if quantity == "score":
                return said[..., 0]
            if label is None:
                raise missing
            return np.asarray((said[..., 0] - label) ** 2)

        return valued
    if place is None and len(classes) == 2:
        place = 1
    if place is None and quantity in ("score", "log-odds", "decision"):
        raise ConfigError(f"the model has {len(classes)} classes", where=called(model), expected=f"one of {listed(map(str, classes))}",
                          hint="name the one to explain: --positive CLASS")
    if quantity in ("log-odds", "loss") and (model.signature.scores is None or model.signature.scores == "score"):
        raise ConfigError(f"the model gives no probabilities, so there is no {quantity}", where=called(model),
                          expected="'decision' or 'error'")

    def decided(said: Array) -> Array:
        """Whether ``place`` is decided, or which class is where there is no threshold."""
        return np.asarray(said[..., place] >= threshold if threshold is not None and place is not None else said.argmax(axis=-1) == place)

    def worth(said: Array, label: Array | None) -> Array:
        if quantity == "score":
            return said[..., place]
        if quantity == "log-odds":
            return np.asarray(special.logit(np.clip(said[..., place], 1e-15, 1 - 1e-15)))
        if quantity == "decision":
            return decided(said).astype(np.float64)
        if label is None:
            raise missing
        if quantity == "loss":
            chances, true = np.broadcast_arrays(said, label[..., None].astype(np.int64))
            chance = np.take_along_axis(chances, true[..., :1], axis=-1)[..., 0]
            return np.asarray(-np.log(np.clip(chance, 1e-15, 1.0)))
        if len(classes) == 2:
            return np.asarray(decided(said) != (label == place), np.float64)
        return np.asarray(said.argmax(axis=-1) != label, np.float64)

    return worth


def _walked(model: Model, rows: pa.RecordBatch, background: pa.RecordBatch, quantity: str, labels: Any, place: int | None,
            threshold: float | None, seed: int) -> Parts:
    """Switch the columns of background rows to those of each row, in a few orders and their reverses."""
    worth, names = _worth(model, quantity, place, threshold), tuple(rows.schema.names)
    asked = rows
    label = None if labels is None or quantity not in ("loss", "error") else _labels(model, labels)
    if quantity in ("loss", "error"):
        if label is None:
            raise ConfigError(f"the {quantity} needs labels", where=called(model), expected="the outcome of each row")
        asked = pa.RecordBatch.from_arrays([*rows.columns, pa.array(label)], names=[*names, _LABEL])

    def ask(batch: pa.RecordBatch) -> Array:
        outcome = None
        if batch.schema.names[-1] == _LABEL:
            outcome = batch.column(batch.num_columns - 1).to_numpy(zero_copy_only=False)
            batch = batch.select(list(names))
        return worth(_answered(model, batch), outcome)

    game = Game(ask, asked, background, names)
    count, width, random = rows.num_rows, len(names), np.random.default_rng(seed)
    own = game.played(np.arange(count), np.zeros(count, np.int64), np.ones((count, width), bool))
    behind_said = _answered(model, background)
    base = _base(worth, behind_said, label, count)
    values = np.zeros((DRAWS, count, width))
    low = np.zeros((DRAWS, count))
    for draw in range(DRAWS):
        turns = -(-count // background.num_rows)   # every background row as often as any other
        behind = np.concatenate([random.permutation(background.num_rows) for _ in range(turns)])[:count]
        low[draw] = worth(behind_said[behind], label)
        values[draw] = _orders(game, random.random((count, width)).argsort(axis=1), behind, own, low[draw])
    values, shifted = values.mean(axis=0), _slopes(values, low)
    values = values - shifted * (low.mean(axis=0) - base)[:, None]
    some = np.arange(min(32, count))
    twice = game.played(some, np.zeros(len(some), np.int64), np.ones((len(some), width), bool))
    notes = () if np.array_equal(twice, own[some]) else (
        f"the model is not deterministic: the same rows got answers up to {np.abs(twice - own[some]).max():.3g} apart",)
    values += (own - base - values.sum(axis=1))[:, None] / width   # rounding, or what a model that is not deterministic leaves open
    unit = {"decision": "share", "error": "share", "loss": "loss", "log-odds": "log-odds"}.get(
        quantity, "value" if model.signature.classes is None else "probability" if model.signature.scores == "probability" else "score")
    return Parts(names, values, base, own, unit, f"sampled, {2 * DRAWS} orders a row", digest(background), background.num_rows,
                 game.asked, notes)


def _base(worth: Callable[[Array, Array | None], Array], said: Array, label: Array | None, count: int) -> Array:
    """Return what the answers to the background cost on average, for each row's label."""
    if label is None:
        return np.full(count, float(np.mean(worth(said, None))))
    kinds, which = np.unique(label, return_inverse=True)
    out = np.empty(len(kinds))
    step = max(1, _CELLS // max(1, said.size))
    for start in range(0, len(kinds), step):
        some = kinds[start : start + step]
        out[start : start + step] = worth(said[None], some[:, None]).mean(axis=1)
    return out[which.reshape(-1)]


def _orders(game: Game, order: Array, behind: Array, own: Array, low: Array) -> Array:
    """Return what each column changed, in each row's order and in its reverse, the mean of both."""
    count, width = order.shape
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.broadcast_to(np.arange(width), order.shape), axis=1)
    out = np.zeros((count, width))
    step = max(1, _CELLS // max(1, 2 * width * width))
    for start in range(0, count, step):
        part = slice(start, min(start + step, count))
        size = part.stop - part.start
        for mine in (rank[part], width - 1 - rank[part]):
            worth = np.empty((size, width + 1))
            worth[:, 0], worth[:, width] = low[part], own[part]
            if width > 1:
                line = np.repeat(np.arange(size), width - 1)
                depth = np.tile(np.arange(1, width), size)
                present = mine[line] < depth[:, None]
                worth[:, 1:width] = game.played(line + start, behind[part][line], present).reshape(size, width - 1)
            out[part] += 0.5 * np.take_along_axis(np.diff(worth, axis=1), mine, axis=1)
    return out


def _slopes(values: Array, low: Array) -> Array:
    """Return how much each column's value follows the answer to the background row, within rows; they add up to -1."""
    apart = low - low.mean(axis=0)
    spread = float((apart ** 2).sum())
    if not spread > 0:
        return np.full(values.shape[2], -1.0 / values.shape[2])
    return np.asarray(((values - values.mean(axis=0)) * apart[:, :, None]).sum(axis=(0, 1)) / spread)
