"""Retraining, weights, and a weak slice: what is added, what is chosen, what is refused."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

import assay
from assay.errors import DataError, SignatureError
from assay.model import guard
from assay.model._sklearn_refit import repeated
from assay.model.refit import refit
from assay.probe.discrimination import actual
from assay.probe.oracle import Oracle
from assay.probe.space import Space, axis
from assay.remedy.retrain import Amount, completed, ordinary, retraining
from assay.remedy.reweigh import weights
from assay.remedy.upweight import upweighting


def task(n: int = 600, seed: int = 0) -> tuple[pa.Table, np.ndarray, Space]:
    rng = np.random.default_rng(seed)
    table = pa.table({"x": rng.integers(0, 40, n), "z": rng.integers(0, 10, n), "s": rng.integers(0, 3, n)})
    x, z, s = (table.column(name).to_numpy() for name in "xzs")
    labels = (x + z + 8 * s + rng.normal(0, 6, n) > 34).astype(int)
    space = Space((axis("x", table["x"]), axis("z", table["z"])), (axis("s", table["s"]),), order=("x", "z", "s"))
    return table, labels, space


@pytest.mark.parametrize("own", [DecisionTreeClassifier(random_state=0), pytest.param(
    make_pipeline(StandardScaler(), LogisticRegression()), marks=pytest.mark.slow)])
def test_retraining_leaves_less_on_rows_that_nobody_saw(own) -> None:
    table, labels, space = task()
    new, _, _ = task(2_000, seed=9)
    matrix = np.stack([table[name].to_numpy() for name in "xzs"], axis=1).astype(float)
    fit = refit(assay.load(own.fit(matrix, labels), features=["x", "z", "s"]))
    done = retraining(fit, space, table, labels, budget=500, cost=0.05)
    points = space.snapped(new)[0]
    before = actual(Oracle(fit(table, labels), space), points, 2_000).share
    assert actual(Oracle(done.model, space), points, 2_000).share < 0.2 * before
    assert actual(Oracle(ordinary(fit, table, labels, done.added), space), points, 2_000).share > 0.5 * before
    assert done.trials[0].amount == Amount()
    assert done.chosen in [each.amount for each in done.trials]
    assert retraining(fit, space, table, labels, budget=500, cost=0.05).chosen == done.chosen


def test_a_cost_that_nothing_can_meet_leaves_the_model_as_it_is() -> None:
    table, labels, space = task()
    fit = refit(assay.load(DecisionTreeClassifier(max_depth=3).fit(np.zeros((2, 3)), [0, 1]), features=["x", "z", "s"]))
    ruined = (Amount(0.0, True),)

    def spoilt(rows, own, weight=None):
        return fit(rows, own if weight is None else 1 - own, weight)   # what is added spoils it

    done = retraining(spoilt, space, table, labels, amounts=ruined, budget=200)
    assert (done.chosen, done.added) == (Amount(), 0)


def test_completed_rows_have_every_variant_once_and_the_weight_of_one() -> None:
    table, labels, space = task(50)
    rows, own, weight = completed(space, table, labels)
    assert rows.num_rows == 150
    assert weight.sum() == pytest.approx(50)
    np.testing.assert_array_equal(own, np.tile(labels, 3))
    assert sorted(rows["s"].to_pylist()) == sorted([0, 1, 2] * 50)
    assert rows.select(["x", "z"]).slice(50, 50).equals(table.select(["x", "z"]))
    few, _, less = completed(space, table, labels, most=100)
    assert (few.num_rows, round(less.sum())) == (100, 50)


def test_too_few_rows_to_retrain() -> None:
    table, labels, space = task(20)
    with pytest.raises(DataError, match="too few"):
        retraining(lambda *_: None, space, table, labels)   # type: ignore[arg-type,return-value]


def test_with_the_weights_groups_and_labels_are_independent() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 3, 2_000)
    labels = (rng.random(2_000) < 0.2 + 0.2 * groups).astype(int)
    own = weights(groups, labels)
    rates = [np.average(labels[groups == each], weights=own[groups == each]) for each in range(3)]
    np.testing.assert_allclose(rates, labels.mean())
    np.testing.assert_allclose([own[groups == each].sum() for each in range(3)], np.bincount(groups))
    with pytest.raises(SignatureError, match="one group"):
        weights(np.zeros(10, int), np.tile([0, 1], 5))


def test_a_model_without_weights_is_fitted_on_repeated_rows() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 1)), rng.integers(0, 2, 300)
    fit = refit(assay.load(KNeighborsClassifier(1).fit(x, y), features=["x"]))
    model = fit(pa.table({"x": x[:, 0]}), y, np.where(y == 1, 1.0, 0.01))
    assert guard.answer(model, pa.record_batch({"x": x[:, 0]})).prediction.mean() > 0.9
    with pytest.raises(DataError, match="no row of the class 0"):
        fit(pa.table({"x": x[:, 0]}), np.ones_like(y))
    assert np.bincount(repeated(np.array([3.0, 1.0, 0.0, 0.0]))).tolist() == [3, 1]


def test_what_cannot_be_fitted_anew() -> None:
    assert refit(assay.load(lambda batch: [0.5] * batch.num_rows, task="binary", classes=[0, 1])) is None
    number = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    assert refit(assay.load(number)) is None   # its inputs have no names yet


def test_a_slice_gets_weight_only_where_that_helps() -> None:
    rng = np.random.default_rng(0)
    x, inside = rng.normal(size=3_000), rng.random(3_000) < 0.1
    table = pa.table({"x": x})
    fit = refit(assay.load(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), features=["x"]))
    other = np.where(inside, x > 1, x > 0).astype(int)
    assert upweighting(fit, table, other, inside, cost=0.2).factor > 1
    assert upweighting(fit, table, (x > 0).astype(int), inside, cost=0.0).factor <= 2
    with pytest.raises(DataError, match="in the slice"):
        upweighting(fit, table, other, np.arange(3_000) < 3)
