"""TracIn of the last layer: its products are those of slopes, a small step moves answers as it says, and wrong labels come first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import special
from sklearn.metrics import roc_auc_score

import assay
from assay.errors import ConfigError
from assay.explain.training_row import TrainingRows
from assay.model.linear import last_layer
from assay.model.model import Model
from assay.model.network import Entry, Network
from assay.model.predictor import Predictor
from assay.model.signature import Input, Signature

NAMES = ("a", "b", "c")
Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(3)
HIDDEN = RNG.normal(size=(3, 6))
X = RNG.normal(size=(240, 3))
TABLE = pa.table({name: X[:, place] for place, name in enumerate(NAMES)})
KINDS = {"softmax": 3, "inner softmax": 3, "sigmoid": 1, "inner sigmoid": 1, "apart": 3, "number": 1}


def network(weights: Array, constant: Array, kind: str, hidden: Array = HIDDEN) -> Model:
    """A network of one hidden layer: tanh, then a linear layer, whose sums are turned into scores by whoever loads it, or inside."""
    classes = None if kind == "number" else tuple(range(3)) if len(weights) == 3 else (0, 1)
    task = "regression" if classes is None else "multiclass" if len(classes) == 3 else "binary"
    signature = Signature(tuple(Input(each, "unknown") for each in NAMES), task, classes,   # type: ignore[arg-type]
                          scores=None if classes is None else "probability" if kind != "apart" else "score")

    def call(given: Array) -> Array:
        sums = np.tanh(given @ hidden) @ weights.T + constant
        return special.softmax(sums, axis=1) if kind == "inner softmax" else special.expit(sums) if kind == "inner sigmoid" else sums

    how = {"softmax": "softmax", "sigmoid": "sigmoid", "apart": "sigmoid"}.get(kind, "none")
    respond = Network(call, signature, Entry(np.float64), how, "network", None, lambda given: (np.tanh(given @ hidden), weights, constant))
    return Predictor("network", signature, "0" * 64, respond)


def labels(kind: str) -> Array:
    return X[:, 0] + 1 if kind == "number" else ((X[:, 0] > 0).astype(int) + (X[:, 1] > 0) * (KINDS[kind] == 3)).astype(float)


def slopes(sums: Array, y: Array, kind: str) -> Array:
    if kind == "number":
        return sums - y[:, None]
    one = (np.arange(sums.shape[1]) == y[:, None]).astype(float) if sums.shape[1] > 1 else y[:, None]
    return (special.softmax(sums, axis=1) if "softmax" in kind else special.expit(sums)) - one


@pytest.mark.parametrize("kind", KINDS)
def test_influences_are_products_of_slopes(kind: str) -> None:
    weights, constant, y = RNG.normal(size=(KINDS[kind], 6)), RNG.normal(size=KINDS[kind]), labels(kind)
    rows = TrainingRows.of(network(weights, constant, kind), TABLE, y)
    assert rows.method == "TracIn"
    entered = np.column_stack([np.tanh(X @ HIDDEN), np.ones(len(X))])
    slope = slopes(entered[:, :-1] @ weights.T + constant, y, kind)
    each = np.einsum("nk,nd->nkd", slope, entered).reshape(len(X), -1)   # the whole gradient of each row
    rate = 1 / (entered ** 2).sum(axis=1).mean()
    found = rows.error(TABLE.slice(5, 9), y[5:14])
    assert np.abs(found + rate * each[5:14] @ each.T).max() < 1e-12 * np.abs(each).max() ** 2 * 100
    assert np.abs(rows.harm(TABLE.slice(5, 9), y[5:14]) - found.mean(axis=0)).max() < 1e-12
    assert np.abs(rows.own() - rate * (each ** 2).sum(axis=1)).max() < 1e-12


@pytest.mark.parametrize("kind", ["sigmoid", "number"])
def test_a_small_step_on_a_row_moves_answers_as_it_says(kind: str) -> None:
    weights, constant, y = RNG.normal(size=(1, 6)), np.array([0.3]), labels(kind)
    rows = TrainingRows.of(network(weights, constant, kind), TABLE, y)
    entered = np.column_stack([np.tanh(X @ HIDDEN), np.ones(len(X))])
    slope = slopes(entered[:, :-1] @ weights.T + constant, y, kind)
    rate = 1 / (entered ** 2).sum(axis=1).mean()
    step = rate * slope[11, 0] * entered[11]
    after = (weights[0] - step[:-1], constant - step[-1])
    moved = entered[:4, :-1] @ (after[0] - weights[0]) + (after[1] - constant)
    assert rows.answer(TABLE.slice(0, 4))[:, 11] == pytest.approx(moved, rel=1e-12)


def trained(y: Array, steps: int = 500, keep: int = 100) -> list[Model]:
    """Checkpoints of gradient descent over both layers, the last one trained longest."""
    rng = np.random.default_rng(0)
    hidden, weights, constant = 4 * rng.normal(size=(3, 200)), rng.normal(size=(1, 200)) * 0.1, np.zeros(1)
    found = []
    for step in range(1, steps + 1):
        entered = np.tanh(X @ hidden)
        slope = (special.expit(entered @ weights.T + constant) - y[:, None]) / len(y)
        back = (slope @ weights) * (1 - entered ** 2)
        hidden, weights, constant = hidden - 0.5 * X.T @ back, weights - 0.5 * slope.T @ entered, constant - 0.5 * slope.sum(axis=0)
        if step % keep == 0:
            found.append(network(weights, constant, "sigmoid", hidden))
    return found


def test_checkpoints_find_wrong_labels_that_the_trained_network_knows_by_heart() -> None:
    y, rng = labels("sigmoid"), np.random.default_rng(1)
    wrong = rng.choice(len(y), 24, replace=False)
    noisy = y.copy()
    noisy[wrong] = 1 - noisy[wrong]
    truth = np.isin(np.arange(len(y)), wrong)
    *earlier, last = trained(noisy)
    alone, followed = TrainingRows.of(last, TABLE, noisy), TrainingRows.of(last, TABLE, noisy, checkpoints=earlier)
    assert roc_auc_score(truth, followed.suspicion()) > 0.9
    assert roc_auc_score(truth, followed.suspicion()) > roc_auc_score(truth, alone.suspicion())
    assert "at 5 times of the training" in followed.caveat
    assert "trained weights only" in alone.caveat
    each = [TrainingRows.of(model, TABLE, noisy).error(TABLE.slice(0, 3), noisy[:3]) for model in (*earlier, last)]
    assert followed.error(TABLE.slice(0, 3), noisy[:3]) == pytest.approx(np.mean(each, axis=0), rel=1e-9)


def test_a_network_that_does_not_end_in_its_last_layer_is_not_followed() -> None:
    def call(given: Array) -> Array:
        return np.tanh(given @ HIDDEN).sum(axis=1, keepdims=True) ** 2

    signature = Signature(tuple(Input(each, "unknown") for each in NAMES), "regression", None)
    respond = Network(call, signature, Entry(np.float64), "none", "network", None, lambda given: (np.tanh(given @ HIDDEN), np.ones((1, 6)), np.zeros(1)))
    squared: Model = Predictor("network", signature, "0" * 64, respond)
    assert last_layer(squared, TABLE.to_batches()[0]) is None
    assert TrainingRows.of(squared, TABLE, X[:, 0]).method == "nearest neighbours"
    with pytest.raises(ConfigError, match="do not end in the same linear layer"):
        TrainingRows.of(squared, TABLE, X[:, 0], checkpoints=[network(np.ones((1, 6)), np.zeros(1), "number")])


def test_the_verb_takes_checkpoints() -> None:
    y = labels("sigmoid")
    *earlier, last = trained(y, 80, 40)
    data = TABLE.append_column("y", pa.array(y.astype(int)))
    run = assay.explain(last, data, train=data, label="y", positive=1, row=3, training_rows=True, checkpoints=earlier)
    assert run.about["method"] == "TracIn"
    assert "at 2 times" in run.sentences[-1]
    with pytest.raises(ConfigError, match="checkpoints tell of training rows"):
        assay.explain(last, data, label="y", positive=1, row=3, checkpoints=earlier)


@pytest.mark.parametrize("kind", ["softmax", "inner sigmoid", "number"])
def test_a_network_of_torch(kind: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: the real network is followed where it is")
    y = labels(kind)
    torch.manual_seed(0)
    end = [torch.nn.Sigmoid()] if kind == "inner sigmoid" else []
    net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, KINDS[kind]), *end).double()
    more = {} if kind == "number" else {"classes": [0, 1, 2][:max(KINDS[kind], 2)]}
    model = assay.load(net, task={"number": "regression", "softmax": "multiclass"}.get(kind, "binary"), features=list(NAMES),
                       **more, **({"activation": "softmax"} if kind == "softmax" else {}))
    rows = TrainingRows.of(model, TABLE, y)
    entered, layer = net[:2](torch.from_numpy(X)).detach(), net[2]

    def gradient(row: int) -> Array:
        said = layer(entered[row:row + 1])
        truth = torch.tensor([[float(y[row])]], dtype=torch.float64)
        cost = (torch.nn.functional.cross_entropy(said, torch.tensor([int(y[row])])) if kind == "softmax" else
                ((said - truth) ** 2).sum() / 2 if kind == "number" else
                torch.nn.functional.binary_cross_entropy_with_logits(said, truth))
        return np.concatenate([each.numpy().ravel() for each in torch.autograd.grad(cost, [layer.weight, layer.bias])])

    each = np.stack([gradient(row) for row in range(len(X))])
    rate = 1 / ((entered.numpy() ** 2).sum(axis=1) + 1).mean()
    assert np.abs(rows.error(TABLE.slice(0, 5), y[:5]) + rate * each[:5] @ each.T).max() < 1e-12
