"""Retrain a model on the inputs that a search found, so that it treats people alike who differ in protected columns only.

``retraining(fit, space, table, labels, ...)`` is the interface. Found inputs are added with all their protected values and one label each,
which models of other folds agree on; real rows are completed with the protected values that they do not have. How much of each is added is
chosen on rows held out. ``ordinary`` adds as many rows of the data instead, to compare with. The verbs import it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from assay.errors import DataError
from assay.model import guard
from assay.model.answer import Answer
from assay.model.model import Model
from assay.probe.discrimination import actual, even
from assay.probe.oracle import Oracle
from assay.probe.search import search
from assay.probe.space import Space

__all__ = ["Amount", "Fit", "Retraining", "Trial", "completed", "ordinary", "retraining"]

Array = np.ndarray[Any, Any]
Fit = Callable[[pa.Table, Array, "Array | None"], Model]   # rows, places of classes, weights -> a fitted model

FEWEST = 50             # training rows
SMALL = 5_000           # rows up to which amounts are chosen by five folds, and not by one
HELD = 0.25             # of the rows, held out to choose where there are more
DRAWS = 5_000           # of each share by which amounts are chosen
MOST = 400_000          # rows that completing makes
CLOSE = 0.02            # residual shares, of what there was, that count as the same


@dataclass(frozen=True)
class Amount:
    """How much is added: ``found`` inputs, in rows, as a share of the training rows; whether rows are ``completed``; ``rounds``."""

    found: float = 0.0
    completed: bool = False
    rounds: int = 1

    def __str__(self) -> str:
        parts = [f"found inputs of {100 * self.found:g} % of the rows"] * bool(self.found)
        parts += ["the rows with their other protected values"] * self.completed
        return (" and ".join(parts) or "nothing") + (f", in {self.rounds} rounds" if self.rounds > 1 else "")


AMOUNTS = (Amount(0.2), Amount(1.0), Amount(0.0, True), Amount(0.2, True), Amount(1.0, True))


@dataclass(frozen=True)
class Trial:
    """What an amount did on rows held out: accuracy, and the discriminatory shares of the space and of these rows.

    ``error`` is the standard error of the accuracy it costs, from the rows that are answered otherwise than with nothing added.
    """

    amount: Amount
    accuracy: float
    space: float
    rows: float
    error: float = 0.0


@dataclass(frozen=True, eq=False)
class Retraining:
    """A retrained ``model``; ``trials`` are what was tried, the first with nothing added, ``chosen`` the amount that was taken.

    ``added`` counts the rows that the model was fitted on beyond those of the data, ``found`` the inputs among them.
    """

    model: Model
    chosen: Amount
    trials: tuple[Trial, ...]
    added: int
    found: int


def retraining(fit: Fit, space: Space, table: pa.Table, labels: Array, *, amounts: Sequence[Amount] = AMOUNTS, cost: float = 0.003,
               budget: int = 20_000, folds: int = 5, rounds: int = 2, seed: int = 0) -> Retraining:
    """Return a model that ``fit`` makes of ``table`` and what is added to it, of the ``amounts`` the one that leaves least discrimination.

    ``labels`` (n,) are places of classes. An amount may cost at most ``cost`` of the accuracy on rows held out, up to one standard error;
    of several that leave about the same, the most accurate is taken. ``budget`` tests are searched in each round. After the best amount is
    known, up to ``rounds`` are tried with it, each searching the model of the one before. Raises ``DataError`` for too few rows.

    >>> import assay
    >>> from sklearn.linear_model import LogisticRegression
    >>> from assay.probe.space import axis
    >>> rng = np.random.default_rng(0)
    >>> x, s = rng.integers(0, 100, 400), rng.integers(0, 2, 400)
    >>> table, y = pa.table({"x": x, "s": s}), (x + 20 * s > 60).astype(int)
    >>> def fit(rows, labels, weight):
    ...     made = LogisticRegression().fit(np.stack([rows["x"], rows["s"]], axis=1), labels, weight)
    ...     return assay.load(made, features=["x", "s"])
    >>> space = Space((axis("x", table["x"]),), (axis("s", table["s"]),), order=("x", "s"))
    >>> done = retraining(fit, space, table, y, cost=0.2)
    >>> even(Oracle(done.model, space), 1_000).share < even(Oracle(fit(table, y, None), space), 1_000).share / 5
    True
    """
    if len(labels) < FEWEST:
        raise DataError(f"{len(labels)} rows with a label are too few to retrain on", expected=f"at least {FEWEST}")
    work = _Work(fit, space, budget, folds, seed)
    splits = _splits(len(labels), seed)
    grounds = [_Ground.of(work, table.take(pa.array(some)), labels[some], number) for number, (some, _) in enumerate(splits)]
    tests = [_Test.of(work, table.take(pa.array(rest)), labels[rest], number) for number, (_, rest) in enumerate(splits)]

    plain: list[Array] = []

    def tried(amount: Amount) -> Trial:
        told = [test.of_model(ground.fitted(amount)) for ground, test in zip(grounds, tests, strict=True)]
        right = np.concatenate([each[0] for each in told])
        plain.append(right)
        wide, near = (float(np.mean([each[place] for each in told])) for place in (1, 2))
        return Trial(amount, float(right.mean()), wide, near, float(np.sqrt((right != plain[0]).sum()) / len(right)))

    trials = [tried(Amount())]
    trials += [tried(each) for each in amounts]
    best = _best(trials, cost)
    for number in range(2, rounds + 1):
        if best.amount == Amount() or _left(best, trials[0]) <= CLOSE:
            break
        trials.append(tried(Amount(max(best.amount.found, 0.2), best.amount.completed, number)))
        better = _best([trials[0], best, trials[-1]], cost)
        if better is best:
            break
        best = better
    whole = _Ground.of(work, table, labels, len(splits)) if best.amount.found else _Ground(work, table, labels, len(splits))
    model = whole.fitted(best.amount)
    return Retraining(model, best.amount, tuple(trials), whole.added, whole.pairs)


def ordinary(fit: Fit, table: pa.Table, labels: Array, added: int, *, seed: int = 0) -> Model:
    """Return a model fitted with ``added`` rows of the table drawn once more, with their own labels, to compare with."""
    more = np.random.default_rng([seed, 41]).integers(len(labels), size=added)
    places = np.concatenate([np.arange(len(labels)), more])
    return fit(table.take(pa.array(places)), labels[places], None)


def completed(space: Space, table: pa.Table, labels: Array, *, most: int = MOST, seed: int = 0) -> tuple[pa.Table, Array, Array]:
    """Return each row with every combination of protected values, its label, and a weight by which a row counts once in all.

    Beyond ``most`` rows each row has as many combinations as fit, drawn evenly.
    """
    count, n = len(space.variants), len(labels)
    copies = int(np.clip(most // max(n, 1), 1, count))
    start = np.random.default_rng([seed, 42]).permuted(np.tile(np.arange(count), (n, 1)), axis=1) if copies < count else None
    parts = []
    for copy in range(copies):
        which = np.full(n, copy) if start is None else start[:, copy]
        part = table
        for place, each in enumerate(space.protected):
            at = table.column_names.index(each.name)
            column = each.column(space.variants[which, place]).cast(table.schema.field(at).type)
            part = part.set_column(at, table.schema.field(at), column)
        parts.append(part)
    return pa.concat_tables(parts), np.tile(labels, copies), np.full(n * copies, 1 / copies)


def _splits(n: int, seed: int) -> list[tuple[Array, Array]]:
    """Return rows to fit on and rows to look at: five folds of few rows, else one part held out."""
    order = np.random.default_rng([seed, 43]).permutation(n)
    if n > SMALL:
        cut = int(HELD * n)
        return [(np.sort(order[cut:]), np.sort(order[:cut]))]
    parts = np.array_split(order, 5)
    return [(np.sort(np.concatenate([each for other, each in enumerate(parts) if other != number])), np.sort(parts[number]))
            for number in range(5)]


def _left(trial: Trial, before: Trial) -> float:
    """Return what is left of the shares, the mean of both; what was not there before counts by itself."""
    return (trial.space / max(before.space, 0.001) + trial.rows / max(before.rows, 0.001)) / 2


def _best(trials: Sequence[Trial], cost: float) -> Trial:
    before = trials[0]
    fit = [each for each in trials if each.accuracy >= before.accuracy - cost - each.error]
    least = min(_left(each, before) for each in fit)
    return max((each for each in fit if _left(each, before) <= least + CLOSE), key=lambda each: each.accuracy)


@dataclass(frozen=True, eq=False)
class _Work:
    fit: Fit
    space: Space
    budget: int
    folds: int
    seed: int


@dataclass(eq=False)
class _Ground:
    """Rows to fit on, with what the search found of the model fitted on them, labelled by models of other folds."""

    work: _Work
    table: pa.Table
    labels: Array
    number: int
    base: Model | None = None
    voters: tuple[Model, ...] = ()
    share: Array | None = None
    rounds: list[Array] = field(default_factory=list)
    added: int = 0
    pairs: int = 0

    @classmethod
    def of(cls, work: _Work, table: pa.Table, labels: Array, number: int) -> _Ground:
        order = np.random.default_rng([work.seed, 44, number]).permutation(len(labels))
        parts = np.array_split(order, work.folds)
        voters = []
        for part in parts:
            rest = np.sort(np.setdiff1d(order, part))
            voters.append(work.fit(table.take(pa.array(rest)), labels[rest], None))
        return cls(work, table, labels, number, voters=tuple(voters), share=_shares(work.space, table))

    def fitted(self, amount: Amount) -> Model:
        """Return the model fitted with an amount; found inputs of a round are those of the model of the round before."""
        model = self.plain() if amount.found or amount == Amount() else None
        if amount == Amount():
            assert model is not None
            return model
        points = np.empty((0, len(self.work.space.axes)), np.int16)
        for number in range(amount.rounds):
            if amount.found:
                assert model is not None
                new = self._found(model, number)
                most = max(int(amount.found * len(self.labels) / len(self.work.space.variants)), 1)
                points = np.concatenate([points, new[:most]])
            model = self._with(amount, points)
        assert model is not None
        return model

    def plain(self) -> Model:
        """Return the model with nothing added."""
        if self.base is None:
            self.base = self.work.fit(self.table, self.labels, None)
        return self.base

    def _found(self, model: Model, number: int) -> Array:
        """Return what is found of a model, in an order drawn by the seed; of the first model once for all amounts."""
        if number == 0 and self.rounds:
            return self.rounds[0]
        rng = np.random.default_rng([self.work.seed, 45, self.number, number])
        seed = int(rng.integers(2**31))
        made = search(Oracle(model, self.work.space), budget=self.work.budget, method="cover", seed=seed)
        if made.stopped == "interrupted":   # a search ends with what it has; who interrupts a repair wants none
            raise KeyboardInterrupt
        points = made.points
        points = points[rng.permutation(len(points))]
        if number == 0:
            self.rounds.append(points)
        return points

    def _with(self, amount: Amount, points: Array) -> Model:
        table, labels, weight = self.table, self.labels, np.ones(len(self.labels))
        if amount.completed:
            table, labels, weight = completed(self.work.space, table, labels, seed=self.work.seed)
        if len(points):
            batch = pa.Table.from_batches([self.work.space.batch(points)]).select(table.column_names).cast(table.schema)
            said = self._agreed(points)
            table = pa.concat_tables([table, batch])
            labels = np.concatenate([labels, np.tile(said, len(self.work.space.variants))])
            weight = np.concatenate([weight, np.ones(batch.num_rows)])
        self.added, self.pairs = table.num_rows - self.table.num_rows, len(points)
        return self.work.fit(table, labels, None if (weight == 1).all() else weight)

    def _agreed(self, points: Array) -> Array:
        """Return one label for each point: of the mean of what models of all folds say of all its variants, by how usual these are."""
        assert self.share is not None
        batch, total = self.work.space.batch(points), 0.0
        for each in self.voters:
            said = _scores(guard.answer(each, batch), int(self.labels.max()) + 1)
            total = total + np.einsum("v,vpk->pk", self.share, said.reshape(len(self.share), len(points), -1))
        return np.asarray(np.argmax(total, axis=1))


def _scores(answer: Answer, classes: int) -> Array:
    if answer.score is not None:
        return answer.score
    assert answer.prediction is not None
    return np.asarray(np.eye(len(answer.classes or range(classes)))[answer.prediction])


def _shares(space: Space, table: pa.Table) -> Array:
    """Return how usual each combination of protected values is among rows, with one row more of each."""
    places = [each.places(table.column(each.name).combine_chunks()) for each in space.protected]
    there = np.all([each >= 0 for each in places], axis=0)
    total = np.ones(len(space.variants))
    for number, variant in enumerate(space.variants):
        total[number] += int(np.all([each[there] == value for each, value in zip(places, variant, strict=True)], axis=0).sum())
    out: Array = total / total.sum()
    return out


@dataclass(frozen=True, eq=False)
class _Test:
    """Rows held out, by which amounts are chosen."""

    work: _Work
    batch: pa.RecordBatch
    labels: Array
    points: Array
    number: int

    @classmethod
    def of(cls, work: _Work, table: pa.Table, labels: Array, number: int) -> _Test:
        return cls(work, table.combine_chunks().to_batches()[0], labels, work.space.snapped(table)[0], number)

    def of_model(self, model: Model) -> tuple[Array, float, float]:
        answer = guard.answer(model, self.batch)
        said = answer.prediction if answer.prediction is not None else np.argmax(_scores(answer, 2), axis=1)
        oracle = Oracle(model, self.work.space)
        seed = self.work.seed * 100 + self.number
        near = actual(oracle, self.points, DRAWS, seed=seed).share if len(self.points) else 0.0
        return np.asarray(said == self.labels), even(oracle, DRAWS, seed=seed).share, near
