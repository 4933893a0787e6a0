"""Moves along the gradient: against a closed form, in the search, and a model without one has none."""

from __future__ import annotations

from typing import Any

import numpy as np

import assay
from assay.model.model import Model
from assay.model.network import Entry, Network
from assay.model.predictor import Predictor
from assay.model.signature import Input, Signature
from assay.probe.oracle import Oracle
from assay.probe.search import search
from assay.probe.slope import Slope
from assay.probe.space import Space, axis

WEIGHTS = np.array([0.05, -0.03, 0.02, 0.04, -0.06, 0.3])   # the last is that of the protected column
NAMES = ("a", "b", "c", "d", "e", "s")
SPACE = Space(tuple(axis(name, None, declared=[0, 99]) for name in NAMES[:5]), (axis("s", None, declared=[0, 1]),), order=NAMES)


def network(*, told: bool = True) -> Model:
    signature = Signature(tuple(Input(each, "unknown") for each in NAMES), "binary", ("no", "yes"), scores="probability")

    def pull(given: Any, weight: Any) -> Any:
        return weight[:, :1] * WEIGHTS[None, :]

    respond = Network(lambda given: given @ WEIGHTS[:, None] - 1.0, signature, Entry(np.float64, None), "sigmoid", "network", pull if told else None)
    return Predictor("network", signature, "0" * 64, respond)


def test_the_score_stays_where_it_was() -> None:
    slope = Slope.of(Oracle(network(), SPACE))
    assert slope is not None
    rng = np.random.default_rng(0)
    points = SPACE.uniform(2_000, rng)
    moved = slope.moved(points, rng)
    inside = ((moved > 0) & (moved < 99)).all(axis=1)   # at an end of a column it cannot
    assert ((moved != points).sum(axis=1) <= 2).all()
    change = np.abs((moved[inside].astype(float) - points[inside]) @ WEIGHTS[:5])
    assert change.max() <= np.abs(WEIGHTS).max() / 2 + 1e-9   # half a step of the steepest column
    assert slope.rows == len(np.unique(points, axis=0))
    assert inside.mean() > 0.5


def test_the_search_uses_it_and_counts_what_it_asks() -> None:
    oracle = Oracle(network(), SPACE)
    found = search(oracle, budget=6_000, method="screen", seed=0)
    blind = search(Oracle(network(told=False), SPACE), budget=6_000, method="screen", seed=0)
    assert found.slopes > 0
    assert blind.slopes == 0
    assert found.tests == blind.tests == 6_000
    assert oracle.ask(found.points).found.all()
    assert found.rate > 0.8 * blind.rate   # trying three more arms costs some of so few tests
    assert len(found.tried) == len(found.hits) == 6_000
    assert (found.tried[found.hits] == found.points).all()


def test_a_model_without_gradients_has_no_such_moves() -> None:
    black = assay.load(lambda batch: [0] * batch.num_rows, task="binary", classes=[0, 1], features=list(NAMES))
    assert Slope.of(Oracle(black, SPACE)) is None
    assert Slope.of(Oracle(network(told=False), SPACE)) is None
