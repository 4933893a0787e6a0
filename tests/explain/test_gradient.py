"""Integrated gradients: against closed forms, they add up as far as they say, and a model without slopes is a sentence."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import assay
from assay.errors import ConfigError, DataError
from assay.explain.explain import explain
from assay.explain.gradient import integrated
from assay.model.model import Model
from assay.model.network import Entry, Network
from assay.model.predictor import Predictor
from assay.model.signature import Input, Signature

NAMES = ("a", "b", "c")
RNG = np.random.default_rng(0)
ROWS, BACKGROUND = RNG.normal(size=(6, 3)), RNG.normal(size=(40, 3))


def batch(numbers: np.ndarray) -> pa.RecordBatch:
    return pa.record_batch({name: numbers[:, place] for place, name in enumerate(NAMES)})


def network(function, slopes, *, classes: tuple[str, ...] | None = None, how: str = "none", shape: tuple[int, ...] | None = None,
            inputs: tuple[str, ...] = NAMES, image: tuple[int, int, int] | None = None) -> Model:
    """A network whose function and slopes (rows, outputs, numbers) are given; ``image`` is the size of the images that it takes."""
    signature = Signature(tuple(Input(each, "unknown") for each in inputs), "regression" if classes is None else "binary", classes,
                          scores=None if classes is None else "probability")

    def pull(given: np.ndarray, weight: np.ndarray) -> np.ndarray:
        return np.einsum("rk,rkj->rj", weight, slopes(given.reshape(len(given), -1))).reshape(given.shape)

    respond = Network(lambda given: function(given.reshape(len(given), -1)), signature,
                      Entry(np.float64, shape, image, image is not None and shape == (image[2], *image[:2])), how, "network", pull)
    return Predictor("network", signature, "0" * 64, respond)


@pytest.fixture(scope="module")
def product() -> Model:
    """f = a b + c ** 3: the values of a path from z are known."""
    return network(lambda x: x[:, :1] * x[:, 1:2] + x[:, 2:] ** 3,
                   lambda x: np.stack([x[:, 1], x[:, 0], 3 * x[:, 2] ** 2], axis=1)[:, None, :])


def test_values_are_those_of_the_closed_form(product: Model) -> None:
    made = explain(product, batch(ROWS), batch(BACKGROUND), way="gradients")
    x, z = ROWS[:, None, :], BACKGROUND[None]
    expected = np.stack([((x[..., 0] - z[..., 0]) * (x[..., 1] + z[..., 1]) / 2).mean(axis=1),
                         ((x[..., 1] - z[..., 1]) * (x[..., 0] + z[..., 0]) / 2).mean(axis=1),
                         (x[..., 2] ** 3 - z[..., 2] ** 3).mean(axis=1)], axis=1)
    assert np.abs(made.values - expected).max() < 1e-12
    assert made.gap < 1e-12
    assert made.method == "integrated gradients"
    assert made.error is None
    assert made.base == pytest.approx((BACKGROUND[:, 0] * BACKGROUND[:, 1] + BACKGROUND[:, 2] ** 3).mean())
    assert "miss the answer by at most" in made.notes[0]
    assert made.background_rows == 40


@pytest.mark.parametrize(("target", "sign"), [("no", -1.0), ("yes", 1.0)])
def test_a_score_behind_a_sigmoid_adds_up(target: str, sign: float) -> None:
    weights = np.array([2.0, -1.0, 0.5])
    model = network(lambda x: x @ weights[:, None], lambda x: np.tile(weights, (len(x), 1, 1)), classes=("no", "yes"), how="sigmoid")
    made = explain(model, batch(ROWS), batch(BACKGROUND), way="gradients", target=target, at_most=1e-6, budget=10 ** 6)
    chance = 1 / (1 + np.exp(-ROWS @ weights))
    assert made.output == pytest.approx(chance if sign > 0 else 1 - chance)
    assert np.abs(made.values.sum(axis=1) + made.base - made.output).max() <= 1e-6
    assert (np.sign(made.values[:, 0]) == sign * np.sign(ROWS[:, 0] - BACKGROUND[:, 0].mean())).mean() > 0.8


def test_steps_are_doubled_for_rows_whose_gap_is_large() -> None:
    """A kink on the way: few nodes miss it, more come nearer; a row that does not cross it takes no more."""
    model = network(lambda x: np.maximum(x[:, :1], 0.3), lambda x: np.stack([x[:, 0] > 0.3, 0 * x[:, 1], 0 * x[:, 2]], axis=1)[:, None, :])
    rows, start = np.array([[1.0, 0, 0], [0.31, 0, 0]]), np.array([[0.3001, 0, 0]])
    crossing = np.array([[-1.0, 0, 0]])
    straight = integrated(model, batch(rows), batch(start), 0, at_most=1e-3, budget=10 ** 5)
    bent = integrated(model, batch(rows), batch(crossing), 0, at_most=1e-3, budget=10 ** 5)
    assert straight.steps.tolist() == [8, 8]
    assert bent.steps.max() > 8
    assert bent.gap.max() <= 1e-3
    poor = integrated(model, batch(rows), batch(crossing), 0, at_most=1e-9, budget=40)
    assert poor.steps.tolist() == [8, 8]
    assert poor.gap.max() > 1e-9   # what is missing is told, not hidden
    assert poor.asked <= 40
    said = explain(model, batch(rows), batch(crossing), way="gradients", at_most=1e-9, budget=40)
    assert f"{poor.gap.max():.2g}" in said.notes[0]


def test_a_large_background_is_drawn_from_and_said(product: Model) -> None:
    many = RNG.normal(size=(5_000, 3))
    made = explain(product, batch(ROWS), batch(many), way="gradients", seed=3)
    again = explain(product, batch(ROWS), batch(many), way="gradients", seed=3)
    assert made.background_rows < 5_000
    assert made.gap < 1e-12
    assert (made.values == again.values).all()
    assert made.background == again.background
    assert any("5,000 rows" in each for each in made.notes)


def test_lists_are_walked_number_by_number() -> None:
    model = network(lambda x: (x[:, :2] ** 2).sum(axis=1, keepdims=True) + x[:, 3:4],
                    lambda x: np.stack([2 * x[:, 0], 2 * x[:, 1], 0 * x[:, 2], 1 + 0 * x[:, 3]], axis=1)[:, None, :], shape=(2, 2), inputs=("image",))
    rows, behind = (pa.record_batch({"image": pa.array(each.tolist(), pa.list_(pa.float64(), 4))})
                    for each in (RNG.normal(size=(3, 4)), np.zeros((1, 4))))
    made = integrated(model, rows, behind, 0, budget=10 ** 5)
    numbers = np.array(rows.column(0).to_pylist())
    assert made.values == pytest.approx(np.stack([numbers[:, 0] ** 2, numbers[:, 1] ** 2, 0 * numbers[:, 2], numbers[:, 3]], axis=1))
    assert made.source.tolist() == [0, 0, 0, 0]
    said = explain(model, rows, behind, way="gradients")
    assert said.values[:, 0] == pytest.approx(made.values.sum(axis=1))


def test_bad_input_is_a_sentence(product: Model) -> None:
    rows, behind = batch(ROWS), batch(BACKGROUND)
    plain = assay.load(lambda given: given.column(0).to_numpy(), task="regression", features=list(NAMES))
    with pytest.raises(ConfigError, match="no gradients"):
        explain(plain, rows, behind, way="gradients")
    with pytest.raises(ConfigError, match="did you mean 'gradients'"):
        explain(product, rows, behind, way="gradient")
    with pytest.raises(ConfigError, match="loss of a model has no integrated gradients"):
        explain(product, rows, behind, way="gradients", quantity="loss", labels=np.zeros(6))
    with pytest.raises(DataError, match="need a background"):
        explain(product, rows, way="gradients")
    with pytest.raises(DataError, match="a value is missing"):
        explain(product, rows.set_column(1, "b", pa.array([1.0, None, 1, 1, 1, 1])), behind, way="gradients")
    with pytest.raises(ConfigError, match="type string has no slope"):
        integrated(product, rows.set_column(1, "b", pa.array(list("abcdef"))), behind.set_column(1, "b", pa.array(["a"] * 40)), 0, budget=100)
    assert len(explain(product, rows.slice(0, 0), behind, way="gradients")) == 0


def test_a_network_of_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: the real network is walked where it is")
    torch.manual_seed(0)
    model = assay.load(torch.nn.Sequential(torch.nn.Linear(3, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3)), activation="softmax",
                       classes=["x", "y", "z"], features=list(NAMES), task="multiclass")
    made = explain(model, batch(ROWS), batch(BACKGROUND), way="gradients", target="y", at_most=1e-3)
    assert np.abs(made.values.sum(axis=1) + made.base - made.output).max() <= 1e-3
