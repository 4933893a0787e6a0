"""Which training rows led a model to an answer or to an error, and whose labels are probably wrong.

``TrainingRows.of(model, train, labels)`` is the interface; verbs use it. It takes the way that fits the model: leave-one-out for linear
models, BoostIn for boosted trees, shares of the answer for forests, TracIn for networks, and the nearest rows for any other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, cast

import numpy as np
import pyarrow as pa

from assay.errors import ConfigError, DataError
from assay.explain.rows import batch, taken
from assay.explain.training_boosting import Boosting
from assay.explain.training_forest import Forest
from assay.explain.training_linear import Newton
from assay.explain.training_loss import candidates
from assay.explain.training_neighbour import Neighbours
from assay.explain.training_step import Steps
from assay.model.linear import last_layer, linear
from assay.model.model import Model, bind, called
from assay.model.trees import trees

__all__ = ["TrainingRows"]

Array = np.ndarray[Any, Any]
_FEWEST = 10                # training rows
_CELLS = 100_000_000        # leaves of training rows that are held
_SHOWN = 50                 # rows by which a last layer shows itself


class _Way(Protocol):
    def shifts(self, numbers: Array, output: int) -> Array: ...
    def losses(self, numbers: Array, labels: Array) -> Array: ...
    def total(self, numbers: Array, labels: Array) -> Array: ...
    def cost(self) -> Array: ...
    def own(self) -> Array: ...


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """The training rows of a model, and what each did to it.

    ``method`` and ``caveat`` say how that is known and what it leaves out; ``exact`` where nothing; ``told`` how well the rows explain the
    fitted model (1: wholly; None where nothing tells). ``quantity`` is what answers are measured in: a sum before the link function
    (``"log-odds"``, ``"log"``, ``"margin"``) or ``"value"``, ``"score"``; ``loss`` names the loss.

    >>> import assay
    >>> from sklearn.linear_model import LinearRegression
    >>> x, y = np.arange(12.0), np.array([0.0] * 11 + [12.0])
    >>> model = assay.load(LinearRegression().fit(x[:, None], y), features=["x"])
    >>> rows = TrainingRows.of(model, pa.table({"x": x}), y)
    >>> moved = rows.answer(pa.table({"x": [11.0]}))
    >>> rows.method, int(moved[0].argmax()), round(float(moved[0, 11]), 2)
    ('leave-one-out', 11, 3.54)
    """

    method: str
    caveat: str
    quantity: str
    loss: str
    exact: bool
    told: float | None
    columns: tuple[str, ...]
    classes: tuple[Any, ...] | None
    _model: Model = field(repr=False)
    _way: _Way = field(repr=False)
    _outputs: int = 1

    @classmethod
    def of(cls, model: Model, train: Any, labels: Any, *, weight: Array | None = None, checkpoints: Sequence[Model] = ()) -> Self:
        """Return what ``train`` did to ``model``.

        ``train`` is an Arrow batch or table with the model's inputs, in the order and number in which the model was trained where it
        is a forest; ``labels`` are numbers, or for a classifier places of its classes; ``weight`` those of the training. Rows without a
        label must not be among them. ``checkpoints`` are the same network at earlier times of its training. Raises ``DataError`` for too
        few rows, or where no way fits, ``ConfigError`` for checkpoints of what is no network.
        """
        given = batch(train)
        model = bind(model, given.schema)
        names = model.signature.names or tuple(given.schema.names)
        labels = np.asarray(labels, np.float64)
        if len(labels) != given.num_rows:
            raise DataError(f"there are {len(labels)} labels for {given.num_rows} training rows", where=called(model))
        if given.num_rows < _FEWEST:
            raise DataError(f"there are {given.num_rows} training rows", where=called(model), expected=f"at least {_FEWEST}")
        if not np.isfinite(labels).all():
            raise DataError("some training rows have no label", where=called(model), expected="labelled rows only")
        if model.signature.task not in ("binary", "multiclass", "regression"):
            raise ConfigError(f"training rows are not traced for {model.signature.task}", where=called(model),
                              expected="a model of one label or number")
        some = taken(model, given, names)
        found = _network(model, [bind(each, given.schema) for each in checkpoints], some, labels, weight) if checkpoints else _inside(
            model, some, labels, weight)
        if found is None:
            classes = model.signature.classes
            near = Neighbours.of(some, labels, classes=None if classes is None else len(classes), weight=weight)
            if near is None:
                raise DataError("the training rows hold nothing by which to tell which are near", where=called(model),
                                expected="numbers or categories among the model's inputs")
            left = f"; it does not see {', '.join(near.skipped)}" if near.skipped else ""
            found = {"method": "nearest neighbours", "exact": False, "told": None, "quantity": "value" if classes is None else "score",
                     "loss": "half squared error", "_way": near, "_outputs": near.shown.shape[1],
                     "caveat": "it tells which labels stand near the row, by the Shapley value of each in a vote of the ten nearest, not "
                               f"what the model made of them{left}"}
        return cls(columns=tuple(names), classes=model.signature.classes, _model=model, **found)

    def answer(self, rows: Any, target: Any = None) -> Array:
        """Return by how much each training row raised the answer to each row, (rows, training rows), in ``quantity``.

        Of a classifier, the answer for the class ``target``, by default the second of two.
        """
        numbers, output, sign = self._numbers(rows), 0, 1.0
        if self.classes is not None:
            if target is None and len(self.classes) > 2:
                raise ConfigError(f"the model has {len(self.classes)} classes", where=called(self._model), expected="one of them",
                                  hint="pass target=...")
            place = 1 if target is None else self._place(target)
            if self._outputs == 1:
                sign = 1.0 if place == 1 else -1.0
            else:
                output = place
        return sign * self._way.shifts(numbers, output)

    def error(self, rows: Any, labels: Any) -> Array:
        """Return by how much each training row raised the loss of each row, (rows, training rows); below 0 it helped."""
        return self._way.losses(self._numbers(rows), np.asarray(labels, np.float64))

    def harm(self, rows: Any, labels: Any) -> Array:
        """Return by how much each training row raised the mean loss of rows, (training rows,): what made a weak segment weak."""
        given = np.asarray(labels, np.float64)
        return self._way.total(self._numbers(rows), given) / max(len(given), 1)

    def own(self) -> Array:
        """Return by how much more the loss of each training row would be without it, (rows,): its self-influence."""
        return self._way.own()

    def cost(self) -> Array:
        """Return the loss of each training row, (rows,)."""
        return self._way.cost()

    def suspicion(self) -> Array:
        """Return the loss that each training row would have had if the model had not learned it, (rows,): wrong labels have the most.

        It is the loss of the row and its self-influence.
        """
        return self.cost() + self.own()

    @staticmethod
    def shares(influence: Array, groups: Mapping[str, Array]) -> dict[str, float]:
        """Return the sum of influences, (training rows,), over groups of training rows (masks or row numbers).

        >>> TrainingRows.shares(np.array([1.0, 2.0, -4.0]), {"a": np.array([True, True, False]), "b": np.array([2])})
        {'a': 3.0, 'b': -4.0}
        """
        return {name: float(influence[np.asarray(rows)].sum()) for name, rows in groups.items()}

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    def _place(self, target: Any) -> int:
        assert self.classes is not None
        if target not in self.classes:
            raise ConfigError(f"the model has no class '{target}'", where=called(self._model),
                              expected=f"one of {', '.join(map(str, self.classes))}")
        return self.classes.index(target)

    def _numbers(self, rows: Any) -> Array:
        some = taken(self._model, batch(rows), self.columns)
        way = self._way
        if isinstance(way, Neighbours):
            return way.placed(some)
        if isinstance(way, Steps):
            return way.matrix(some)
        held = way.model if isinstance(way, Newton) else cast(Any, way).trees
        return cast(Array, held.matrix(some))


def _inside(model: Model, rows: pa.RecordBatch, labels: Array, weight: Array | None) -> dict[str, Any] | None:
    """Return the way that looks into a model, None where none fits it or the training rows do not explain it."""
    classes = model.signature.classes is not None
    grown = trees(model)
    if grown is not None and rows.num_rows * len(grown.roots) <= _CELLS:
        numbers = grown.matrix(rows)
        ask = getattr(getattr(model, "respond", None), "drawn", None)
        forest = Forest.of(grown, numbers, labels, weight, None if ask is None else ask(rows.num_rows))
        boosted = None if forest is not None and forest.told > 0.99 else Boosting.of(
            grown, numbers, labels, weight, candidates(grown.unit, grown.outputs, classes=classes))
        if forest is not None and (boosted is None or forest.told >= boosted.told):
            return _of_forest(forest, classes=classes)
        return None if boosted is None else _of_boosting(boosted)
    coefficients = linear(model) if grown is None else None
    if coefficients is None:
        return _network(model, (), rows, labels, weight) if grown is None else None
    newton = Newton.of(coefficients, coefficients.matrix(rows), labels, weight,
                       candidates(coefficients.unit, coefficients.outputs, classes=classes))
    return None if newton is None else _of_newton(newton)


def _network(model: Model, checkpoints: Sequence[Model], rows: pa.RecordBatch, labels: Array,
             weight: Array | None) -> dict[str, Any] | None:
    """Return the way through the last layer of a network, at its checkpoints and as it was trained; None where it has no such layer."""
    some = rows.slice(0, _SHOWN)
    layers = [last_layer(each, some) for each in (*checkpoints, model)]
    known = [each for each in layers if each is not None]
    if len(known) < len(layers) or len({(each.outputs, each.unit) for each in known}) > 1:
        if checkpoints:
            raise ConfigError("a checkpoint and the model do not end in the same linear layer", where=called(model),
                              expected="one network of PyTorch at several times of its training")
        return None
    losses = candidates(known[-1].unit, known[-1].outputs, classes=model.signature.classes is not None)
    kinds = {"multiclass": "softmax", "binary": "softmax"} if getattr(getattr(model, "respond", None), "how", "none") != "sigmoid" else {}
    loss = next((each for each in losses if each.kind == kinds.get(model.signature.task or "")), None) or next(
        (each for each in losses if each.kind in ("logistic", "one against all", "squared")), None)
    if loss is None:
        return None
    made = Steps.of(known, rows, labels, weight, loss)
    times = "at the trained weights only, where rows that were learned by heart have hardly a slope left" if not checkpoints else (
        f"at {len(known):,} times of the training, the trained weights among them")
    return {"method": "TracIn", "exact": False, "told": None, "quantity": known[-1].unit, "loss": _NAMES[loss.kind], "_way": made,
            "_outputs": known[-1].outputs,
            "caveat": f"products of slopes of the last layer, {times}; the layers before it are taken to stay as they are, and sizes are "
                      "those of one step of a set length, so that order and sign tell something, and sizes only beside each other"}


def _of_newton(made: Newton) -> dict[str, Any]:
    kept = "what prepares the columns, and the size of the penalty, are taken to stay as they are"
    if made.exact:
        method, caveat = "leave-one-out", f"exact; {kept}"
    else:
        method = "leave-one-out by one Newton step"
        again = f", and the {len(made.again):,} that move it most were refitted" if len(made.again) else ""
        sparse = "; coefficients at 0 are taken to stay there" if made.sparse else ""
        caveat = f"one step of each row{again}; {kept}{sparse}"
        if made.left > 1e-3:
            caveat += f"; the model was not fitted to the end ({made.left:.1%} of the rows' pull is left over)"
    if made.counted:
        caveat += f"; classes counted {', '.join(f'{each:.3g}' for each in made.counted)} times, which the coefficients tell"
    return {"method": method, "caveat": caveat, "exact": made.exact, "told": 1 - made.left, "quantity": made.model.unit,
            "loss": _NAMES[made.loss.kind], "_way": made, "_outputs": made.model.outputs}


def _of_boosting(made: Boosting) -> dict[str, Any]:
    caveat = "trees are taken to keep their shape; a row counts through the leaves that it fell into"
    if made.told < 0.99:
        caveat += (f"; the rows explain {made.told:.0%} of the leaf values, as where trees each saw a part of the rows or weights are "
                   "unknown, so sizes are approximate")
    return {"method": "BoostIn", "caveat": caveat, "exact": False, "told": made.told, "quantity": made.trees.unit,
            "loss": _NAMES[made.loss.kind], "_way": made, "_outputs": made.trees.outputs}


def _of_forest(made: Forest, *, classes: bool) -> dict[str, Any]:
    caveat = "the answer is a weighted mean of training labels, and these are its parts; trees are taken to keep their shape"
    if not made.exact:
        caveat += f"; which rows each tree drew is not known, so the parts add up to the answer by {made.told:.0%} only"
    return {"method": "leaf co-occurrence", "caveat": caveat, "exact": made.exact, "told": made.told,
            "quantity": "score" if classes else "value", "loss": "half squared error", "_way": made, "_outputs": made.trees.outputs}


_NAMES = {"squared": "half squared error", "logistic": "log loss", "softmax": "log loss", "one against all": "log loss",
          "signed": "half squared error of -1 and 1", "poisson": "Poisson deviance", "gamma": "gamma deviance",
          "tweedie": "Tweedie deviance"}
