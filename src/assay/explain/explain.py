"""Explain a model on some rows against a background: closed form, exact trees or sampling, whichever fits.

``explain`` and ``influence`` are the interface; verbs use them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, cast, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import special

from assay.errors import ConfigError, DataError, PredictionError, listed, nearest
from assay.explain import linear as closed
from assay.explain import sampling, tree
from assay.explain.attribution import Attributions, digest
from assay.explain.gradient import integrated
from assay.explain.quantity import LABEL, asking, chosen
from assay.explain.rows import batch, taken
from assay.model import guard
from assay.model.answer import places
from assay.model.linear import Linear, linear
from assay.model.model import Model, bind, called
from assay.model.signature import Class
from assay.model.trees import Trees, trees

__all__ = ["BUDGET", "QUANTITIES", "Way", "explain", "influence"]

Array = np.ndarray[Any, Any]
Way = Literal["exact", "path dependent", "sampled", "gradients"]
QUANTITIES = ("score", "log-odds", "decision", "loss")
BUDGET = 4_000       # rows of the model for each row to explain, where nothing else is said
_PRECISE = 0.05      # half an interval, as a share of the spread of answers, where nothing else is said
_TRIED = 64          # rows on which the trees must say what the model says


def explain(model: Model, rows: Any, background: Any = None, *, quantity: str | None = None, target: Class | None = None,
            way: Way | None = None, labels: Any = None, ids: Sequence[Any] = (), at_most: float | None = None, budget: int | None = None,
            seed: int = 0) -> Attributions:
    """Return how much each input of a model contributed to what it said of ``rows``, compared with ``background``.

    ``rows`` and ``background`` are Arrow batches, tables, or anything that gives Arrow data; only the model's inputs are used.
    ``quantity`` is what to explain, of the class ``target`` (by default the second of two): ``"score"`` is what the model answers,
    ``"log-odds"`` of it, ``"decision"`` 1 where that class is predicted, ``"loss"`` what the answer costs given ``labels`` (log loss, or
    the squared error of a number). By default it is what the model adds up: log-odds for most boosted trees and logistic
    regression, the score for forests and for every black box.

    ``way`` is ``"exact"`` (trees and linear models; an error for others), ``"path dependent"`` (trees; needs no background),
    ``"gradients"`` (integrated gradients of the score of a network) or ``"sampled"``; by default exact where possible. Sampling stops
    where half an interval is ``at_most`` (default: a twentieth of the standard deviation of the answers to the background) or where
    ``budget`` rows of the model are spent (default: 4,000 a row). For gradients ``at_most`` is what the values may miss the answer by.

    Raises ``ConfigError`` for what cannot be explained so, ``DataError`` for rows or background that cannot be used.

    >>> import assay
    >>> from sklearn.linear_model import LinearRegression
    >>> model = assay.load(LinearRegression().fit([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [0.0, 2.0, 3.0]), features=["a", "b"])
    >>> data = pa.table({"a": [1.0, 0.0], "b": [1.0, 0.0]})
    >>> made = explain(model, data[:1], data)
    >>> made.values.round(6).tolist(), made.method, made.quantity
    ([[1.0, 1.5]], 'exact linear', 'value')
    """
    given = batch(rows, "rows")
    model = bind(model, given.schema)
    names = model.signature.names or tuple(given.schema.names)
    given = taken(model, given, names)
    behind = None if background is None else taken(model, batch(background, "background"), names)
    task = model.signature.task
    if task == "multilabel":
        raise ConfigError("a model of several labels cannot be explained at once", where=called(model), expected="one label",
                          hint="wrap one of its labels in a callable")
    target = chosen(model, target, quantity)
    _check(quantity, way, labels, behind, model)
    shared = {"columns": names, "target": target, "ids": tuple(ids), "model": model.digest,
              "background": "" if behind is None else digest(behind), "background_rows": 0 if behind is None else behind.num_rows}
    apart = () if behind is None else _apart(given, behind)
    if way == "gradients":
        return _told(_gradients(model, given, behind, quantity, target, at_most, budget, seed, shared), apart)
    if way != "sampled":
        found = _exact(model, given, behind, quantity, target, path=way == "path dependent", shared=shared)
        if found is not None:
            return found if way == "path dependent" else _told(found, apart)
        if way is not None:
            raise ConfigError(f"the {quantity or 'answer'} of this model has no {way} values", where=called(model),
                              expected="trees or a linear model, and the quantity that it adds up", hint="leave out the way")
    if behind is None:
        raise DataError("sampling needs a background", where=called(model), expected="rows to compare with", hint="pass background=...")
    return _told(_sampled(model, given, behind, quantity or "score", target, labels, at_most, budget, seed, shared), apart)


def _told(made: Attributions, notes: tuple[str, ...]) -> Attributions:
    return made.replace(notes=made.notes + notes) if notes else made


def _apart(rows: pa.RecordBatch, behind: pa.RecordBatch) -> tuple[str, ...]:
    """What a reader should know of columns in which rows and background have nothing in common, or no values at all."""
    if not rows.num_rows or not behind.num_rows:
        return ()
    void = [name for name in rows.schema.names if behind.column(name).null_count == behind.num_rows]
    lone = [name for name in rows.schema.names if name not in void and rows.column(name).null_count < rows.num_rows
            and not _meet(rows.column(name), behind.column(name))]
    notes: tuple[str, ...] = ()
    if void:
        notes += (f"the background has no value in {listed(void)}: the comparison is with a missing one",)
    if lone:
        mixed = "the model was asked about mixtures that may not occur"
        notes += (f"the background has nothing like the values of the rows in {listed(lone)}: {mixed}",)
    return notes


def _meet(mine: pa.Array, other: pa.Array) -> bool:
    """Whether the ranges of numbers overlap, or a value of anything else occurs in both."""
    kinds = [pa.types.is_integer(each.type) or pa.types.is_floating(each.type) for each in (mine, other)]
    if all(kinds):
        (low, high), (start, stop) = ((each["min"].as_py(), each["max"].as_py()) for each in (pc.min_max(mine), pc.min_max(other)))
        return bool(low <= stop and start <= high)
    plain = [each.dictionary_decode() if pa.types.is_dictionary(each.type) else each for each in (mine, other)]
    if any(kinds) or not all(pa.types.is_string(each.type) or pa.types.is_large_string(each.type) for each in plain):
        return True
    return bool(pc.any(pc.is_in(plain[0].cast(pa.large_string()), plain[1].cast(pa.large_string()).drop_null())).as_py())


def influence(model: Model, rows: Any, background: Any, columns: Sequence[str] | None = None, *, quantity: str = "score",
              target: Class | None = None, labels: Any = None, budget: int | None = None, seed: int = 0) -> Attributions:
    """Return the unary influence of each input, or that of ``columns`` taken together (one value a row).

    The influence is the answer less its mean over the background where only these columns are replaced (Datta, Sen and Zick 2016).
    Influences of single columns need not add up: what two columns do only together counts in both.
    """
    given = batch(rows, "rows")
    model = bind(model, given.schema)
    names = model.signature.names or tuple(given.schema.names)
    given, behind = taken(model, given, names), taken(model, batch(background, "background"), names)
    target = chosen(model, target, quantity)
    _check(quantity, None, labels, behind, model)
    game, notes = _game(model, given, behind, quantity, target, labels, names)
    spent = BUDGET * max(1, given.num_rows) if budget is None else budget
    made = (sampling.unary(game, budget=spent, seed=seed) if columns is None else
            sampling.joint(game, list(columns), budget=spent, seed=seed))
    exact = not made.error.any()
    return Attributions(names if columns is None else ("+".join(columns),), made.values, float("nan"), made.output, quantity,
                        "unary influence" if columns is None else "set influence", target=target, error=None if exact else made.error,
                        df=None if exact else made.df, background=digest(behind), background_rows=behind.num_rows, model=model.digest,
                        model_rows=game.asked, seed=seed, additive=False, notes=notes)


def _check(quantity: str | None, way: str | None, labels: Any, behind: pa.RecordBatch | None, model: Model) -> None:
    if quantity is not None and quantity not in QUANTITIES:
        guess = nearest(quantity, QUANTITIES)
        raise ConfigError(f"'{quantity}' cannot be explained", expected=f"one of {listed(QUANTITIES)}",
                          hint=f"did you mean '{guess}'?" if guess else None)
    if way is not None and way not in get_args(Way):
        guess = nearest(way, get_args(Way))
        raise ConfigError(f"there is no way '{way}'", expected=f"one of {listed(get_args(Way))}",
                          hint=f"did you mean '{guess}'?" if guess else None)
    if (quantity == "loss") != (labels is not None):
        raise ConfigError("the loss needs labels" if labels is None else "labels are for the loss only", where=called(model),
                          expected="quantity='loss' and labels=... together")
    if quantity in ("log-odds", "decision") and model.signature.classes is None:
        raise ConfigError(f"the model predicts numbers, which have no {quantity}", where=called(model), expected="'score' or 'loss'")
    if behind is not None and not behind.num_rows:
        raise DataError("the background holds no rows", where=called(model), expected="at least one row to compare with")


# --- exact ------------------------------------------------------------------------------------------------------------------------


def _exact(model: Model, rows: pa.RecordBatch, behind: pa.RecordBatch | None, quantity: str | None, target: Class | None, *, path: bool,
           shared: dict[str, Any]) -> Attributions | None:
    found: Trees | Linear | None = trees(model)
    if found is None and not path:
        found = linear(model)
    if found is None or not _serves(model, found, quantity) or (behind is None and not (path and isinstance(found, Trees))):
        return None
    numbers = _numbers(found, rows)
    if not _agrees(model, found, rows, numbers):
        return None
    classes = model.signature.classes
    output, sign = 0, 1.0
    if found.outputs > 1 and classes is not None and target is not None:
        output = classes.index(target)
    elif classes is not None and target == classes[0]:
        sign = -1.0
    width = len(shared["columns"])
    notes: tuple[str, ...] = ()
    if isinstance(found, Trees):
        values, base = tree.shapley(found, numbers, None if path or behind is None else _numbers(found, behind), output=output)
        method = "path dependent" if path else "exact trees"
    else:
        assert behind is not None
        others = _numbers(found, behind)
        if not (np.isfinite(numbers).all() and np.isfinite(others).all()):
            return None   # a sum with what is missing is nothing: the model itself has to say what it makes of it
        values, base = closed.shapley(found, numbers, others, output=output)
        method = "exact linear"
    full = np.zeros((len(values), width))
    full[:, :values.shape[1]] = values
    said = found.sums(numbers)[:, output]
    unit = "score" if found.unit == "probability" else found.unit
    if path:
        shared = {**shared, "background": "", "background_rows": 0}
        notes = ("absent columns follow the training rows of each branch, not a background",)
    return Attributions(values=sign * full, base=sign * base, output=sign * said, quantity=unit, method=method, notes=notes, **shared)


def _numbers(found: Trees | Linear, batch: pa.RecordBatch) -> Array:
    """The numbers of a batch; of no rows there are none, and several libraries refuse them."""
    return found.matrix(batch) if batch.num_rows else np.empty((0, len(found.source)))


def _serves(model: Model, found: Trees | Linear, quantity: str | None) -> bool:
    """Whether what is added up is what was asked for."""
    if quantity is None:
        return True
    if quantity == "log-odds":
        return found.unit == "log-odds"
    return quantity == "score" and (found.unit in ("probability", "value")
                                    or (found.unit == "margin" and model.signature.scores == "score" and found.outputs == 1))


def _agrees(model: Model, found: Trees | Linear, rows: pa.RecordBatch, numbers: Array) -> bool:
    """Whether the sums are what the model says of the first rows: a model that does something more is sampled."""
    some = min(_TRIED, rows.num_rows)
    if not some:
        return True
    answer = guard.answer(model, rows.slice(0, some))
    sums = found.sums(numbers[:some])
    said = answer.value[:, None] if answer.value is not None else answer.score
    if said is None:
        return False
    with np.errstate(over="ignore"):
        if found.unit == "log-odds":
            sums, said = special.expit(sums), said[:, -1:]
        elif found.unit == "log":
            sums = np.exp(sums)
        elif found.unit == "margin":
            if model.signature.scores != "probability":
                sums = sums if found.outputs > 1 or said.shape[1] == 1 else np.concatenate([-sums, sums], axis=1)
            elif found.outputs > 1:
                sums = special.softmax(sums, axis=1)
            else:   # some increasing function of it, which is not known here
                order = np.argsort(sums[:, 0], kind="stable")
                return bool((np.diff(said[order, -1]) >= -1e-6).all())
    if sums.shape[1] == 1 and said.shape[1] == 2:
        said = said[:, 1:]
    return sums.shape == said.shape and bool(np.allclose(sums, said, rtol=1e-4, atol=1e-5))


# --- gradients --------------------------------------------------------------------------------------------------------------------


def _gradients(model: Model, rows: pa.RecordBatch, behind: pa.RecordBatch | None, quantity: str | None, target: Class | None,
               at_most: float | None, budget: int | None, seed: int, shared: dict[str, Any]) -> Attributions:
    if quantity not in (None, "score"):
        raise ConfigError(f"the {quantity} of a model has no integrated gradients", where=called(model), expected="the score",
                          hint="leave out the way, and it is sampled")
    if behind is None:
        raise DataError("integrated gradients need a background", where=called(model), expected="rows that the paths start from",
                        hint="pass background=...")
    classes = model.signature.classes
    place = classes.index(target) if classes is not None and target is not None else 0
    spent = BUDGET * max(1, rows.num_rows) if budget is None else budget
    made = integrated(model, rows, behind, place, at_most=at_most, budget=spent, seed=seed)
    values = np.zeros((rows.num_rows, rows.num_columns))
    np.add.at(values.T, made.source, made.values.T)
    notes: tuple[str, ...] = ()
    if rows.num_rows:
        said = f"in up to {made.steps.max()} steps each: the values miss the answer by at most {made.gap.max():.2g}"
        notes = (f"integrated gradients from {made.used.num_rows} rows, {said}",)
    if made.used.num_rows < behind.num_rows:
        notes += (f"of the background of {behind.num_rows:,} rows {made.used.num_rows} were drawn with seed {seed}",)
    shared = {**shared, "background": digest(made.used), "background_rows": made.used.num_rows}
    return Attributions(values=values, base=made.base, output=made.output, quantity="score" if classes else "value",
                        method="integrated gradients", model_rows=made.asked, seed=seed, notes=notes, **shared)


# --- sampled ----------------------------------------------------------------------------------------------------------------------


def _sampled(model: Model, rows: pa.RecordBatch, behind: pa.RecordBatch, quantity: str, target: Class | None, labels: Any,
             at_most: float | None, budget: int | None, seed: int, shared: dict[str, Any]) -> Attributions:
    game, notes = _game(model, rows, behind, quantity, target, labels, shared["columns"])
    if at_most is None:
        some = min(behind.num_rows, 256)
        nothing = np.zeros((some, len(shared["columns"])), bool)
        apart = float(game.played(np.zeros(some, np.int64), np.arange(some), nothing).std()) if rows.num_rows else 0.0
        at_most = _PRECISE * apart or 1e-12
    spent = BUDGET * max(1, rows.num_rows) if budget is None else budget
    made = sampling.sampled(game, at_most=at_most, budget=spent, seed=seed)
    exact = bool(np.isinf(made.df).all()) and len(made.df) > 0
    additive = quantity != "loss"
    if not exact and (special.stdtrit(made.df, 0.975) * made.error.max(axis=1, initial=0.0)).max(initial=0.0) > 1.2 * at_most:
        notes += ("the budget was spent before the intervals were as narrow as asked for",)
    return Attributions(values=made.values, base=made.base, output=made.output, quantity=quantity, seed=seed,
                        method="every coalition" if exact else "sampled", error=None if exact else made.error,
                        df=None if exact else made.df, model_rows=game.asked, additive=additive, notes=notes, **shared)


def _game(model: Model, rows: pa.RecordBatch, behind: pa.RecordBatch, quantity: str, target: Class | None, labels: Any,
          names: Sequence[str]) -> tuple[sampling.Game, tuple[str, ...]]:
    """The game of a quantity, and what a reader should know of the model's answers."""
    say = asking(model, quantity, target)
    asked = rows
    if labels is not None:
        column = _labels(model, labels, rows.num_rows)
        asked = pa.RecordBatch.from_arrays([*rows.columns, pa.array(column)], names=[*names, LABEL])
    game = sampling.Game(say, asked, behind, tuple(names))
    notes: tuple[str, ...] = ()
    some = asked.slice(0, min(32, asked.num_rows))
    if some.num_rows:
        first, second = say(some), say(some)
        game.asked += 2 * some.num_rows
        if not np.array_equal(first, second):
            notes = (f"the model is not deterministic: the same rows got answers up to {np.abs(first - second).max():.3g} apart",)
    return game, notes


def _labels(model: Model, labels: Any, count: int) -> Array:
    given = np.asarray(labels.to_pylist() if isinstance(labels, pa.Array | pa.ChunkedArray) else labels)
    if len(given) != count:
        raise DataError(f"{len(given)} labels were given for {count} rows", where=called(model))
    classes = model.signature.classes
    try:
        found = given.astype(np.float64) if classes is None else places(given, classes)
    except (PredictionError, ValueError) as error:
        raise DataError("a label is none of the model's classes" if classes else "a label is no number", where=called(model),
                        expected=listed(map(str, classes or ())) or "numbers") from error
    if classes is None and not np.isfinite(found).all():
        raise DataError("a label is missing", where=called(model), expected="a number for each row")
    return cast(Array, found)
