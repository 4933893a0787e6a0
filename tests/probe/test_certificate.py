"""Certificates against every point of small spaces, and against what is known of the coded tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

import assay
from assay.probe.certificate import certificate
from assay.probe.oracle import Oracle
from assay.probe.space import Space, axis
from assay.verbs.probe.fairness import probe

SIZES = {"a": 7, "b": 9, "c": 5, "d": 6, "s": 3}
NAMES = list(SIZES)
SPACE = Space(tuple(axis(name, None, declared=[0, SIZES[name] - 1]) for name in "abcd"), (axis("s", None, declared=[0, 2]),), order=tuple(NAMES))


def rows(seed: int, *, fair: bool = False) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    x = np.stack([rng.integers(0, size, 600) for size in SIZES.values()], axis=1)
    y = x @ np.array([1.0, 0.7, -0.8, 0.4, 0.0 if fair else 0.6]) + rng.normal(0, 1, 600) > 5
    return x, y.astype(int)


def truth(model: Any) -> float:
    return float(Oracle(model, SPACE).ask(SPACE.everything()).found.mean())


@pytest.mark.parametrize("seed", range(4))
def test_a_tree_is_exact(seed: int) -> None:
    x, y = rows(seed)
    model = assay.load(DecisionTreeClassifier(random_state=seed).fit(x, y), features=NAMES)
    found = certificate(model, SPACE)
    assert found is not None
    assert found.kind == "tree"
    assert found.low == found.high == pytest.approx(truth(model), abs=1e-12)
    every = SPACE.everything()   # the boxes hold the discriminatory points, each in one of them
    inside = ((every[:, None] >= found.boxes[:, 0]) & (every[:, None] <= found.boxes[:, 1])).all(axis=2).sum(axis=1)   # type: ignore[index]
    assert inside.max() == 1
    assert (inside == 1).tolist() == Oracle(model, SPACE).ask(every).found.tolist()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("threshold", [None, 0.3])
def test_a_linear_model_is_within_its_bounds(seed: int, threshold: float | None) -> None:
    x, y = rows(seed)
    model = assay.load(make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y), features=NAMES)
    found = certificate(model, SPACE, threshold=threshold)
    assert found is not None
    share = float(Oracle(model, SPACE, threshold=threshold).ask(SPACE.everything()).found.mean())
    assert found.low <= share + 1e-12
    assert share <= found.high + 1e-12
    assert found.high - found.low < 1e-3


def test_what_never_reads_the_column_is_proved_fair() -> None:
    x, y = rows(1, fair=True)
    x = np.column_stack([x[:, :4], np.zeros(len(x))])   # in training nobody differs, so no tree splits there
    model = assay.load(DecisionTreeClassifier(random_state=0).fit(x, y), features=NAMES)
    found = certificate(model, SPACE)
    assert found is not None
    assert found.fair
    run = probe(model, pa.table({name: x[:, place].astype(int) for place, name in enumerate(NAMES)}), protected="s", ranges={"s": [0, 2]},
                budget=200)
    assert run.verdict == "pass"
    assert any(each.startswith("proved: no input") for each in run.sentences)


def test_nothing_is_proved_of_a_black_box_or_of_many_trees() -> None:
    x, y = rows(2)
    assert certificate(assay.load(HistGradientBoostingClassifier(max_iter=5).fit(x, y), features=NAMES), SPACE) is None
    assert certificate(assay.load(lambda batch: [0] * batch.num_rows, task="binary", classes=[0, 1], features=NAMES), SPACE) is None
