"""Certificates against every point of small spaces, and against what is known of the coded tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

import assay
from assay.model.trees import trees
from assay.probe import _loops, ensemble
from assay.probe.certificate import certificate
from assay.probe.discrimination import even
from assay.probe.ensemble import bounds
from assay.probe.oracle import Oracle
from assay.probe.space import Space, axis
from assay.verbs.probe.fairness import probe

SIZES = {"a": 7, "b": 9, "c": 5, "d": 6, "s": 3}
NAMES = list(SIZES)
SPACE = Space(tuple(axis(name, None, declared=[0, SIZES[name] - 1]) for name in "abcd"), (axis("s", None, declared=[0, 2]),),
              order=tuple(NAMES))


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


def test_a_tree_is_exact_where_its_boxes_are_gone_through_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = rows(1)
    model = assay.load(DecisionTreeClassifier(random_state=1).fit(x, y), features=NAMES)
    whole = certificate(model, SPACE)
    monkeypatch.setattr("assay.probe.certificate.COPIES", 7)
    parts = certificate(model, SPACE)
    assert whole is not None
    assert parts is not None
    assert (parts.looked, parts.low) == (whole.looked, pytest.approx(whole.low, rel=1e-12))
    monkeypatch.setattr("assay.probe.certificate.BOXES", 3)
    assert certificate(model, SPACE) is None


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


def test_nothing_is_proved_of_a_black_box() -> None:
    assert certificate(assay.load(lambda batch: [0] * batch.num_rows, task="binary", classes=[0, 1], features=NAMES), SPACE) is None


ENSEMBLES = {
    "binned": lambda seed: HistGradientBoostingClassifier(max_iter=12, max_leaf_nodes=8, random_state=seed),
    "boosted": lambda seed: GradientBoostingClassifier(n_estimators=15, random_state=seed),
    "forest": lambda seed: RandomForestClassifier(8, max_depth=4, random_state=seed),
    "full forest": lambda seed: RandomForestClassifier(6, random_state=seed),   # votes with ties
    "extra": lambda seed: ExtraTreesClassifier(7, max_depth=5, random_state=seed),
}


@pytest.mark.parametrize("kind", ENSEMBLES)
@pytest.mark.parametrize("threshold", [None, 0.35])
def test_many_trees_are_exact_where_they_are_finished(kind: str, threshold: float | None) -> None:
    x, y = rows(3)
    if kind == "full forest":
        y = (x[:, 0] + x[:, 4] > x[:, 2] + 1).astype(int)   # the same for the same row: every leaf is one class
    model = assay.load(ENSEMBLES[kind](3).fit(x, y), features=NAMES)
    found = certificate(model, SPACE, threshold=threshold, seconds=60)
    assert found is not None
    assert found.kind == "trees"
    share = float(Oracle(model, SPACE, threshold=threshold).ask(SPACE.everything()).found.mean())
    assert found.low <= share + 1e-12
    assert share <= found.high + 1e-12
    assert found.high - found.low < 1e-9


def test_the_trees_of_other_libraries_are_exact_too() -> None:
    lightgbm, xgboost, catboost = (pytest.importorskip(each) for each in ("lightgbm", "xgboost", "catboost"))
    x, y = rows(4)
    for own in (lightgbm.LGBMClassifier(n_estimators=15, num_leaves=8, n_jobs=1, verbose=-1),
                xgboost.XGBClassifier(n_estimators=15, max_depth=3, n_jobs=1),
                catboost.CatBoostClassifier(iterations=12, depth=3, thread_count=1, verbose=0, allow_writing_files=False)):
        model = assay.load(own.fit(x.astype(float), y), features=NAMES)
        found = certificate(model, SPACE)
        assert found is not None
        assert (found.low, found.high) == (pytest.approx(truth(model), abs=1e-9), pytest.approx(truth(model), abs=1e-9))


@pytest.mark.parametrize("boxes", [1, 5, 40, 200])
def test_bounds_are_true_wherever_cutting_ends(boxes: int) -> None:
    x, y = rows(5)
    model = assay.load(ENSEMBLES["binned"](5).fit(x, y), features=NAMES)
    grown = trees(model)
    assert grown is not None
    found = bounds(grown, SPACE, NAMES, boxes=boxes)
    assert found is not None
    every = SPACE.everything()
    hit = Oracle(model, SPACE).ask(every).found
    assert found.low <= hit.mean() <= found.high
    inside = ((every[:, None] >= found.boxes[:, 0]) & (every[:, None] <= found.boxes[:, 1])).all(axis=2).sum(axis=1)
    assert inside.max(initial=0) <= 1
    assert found.low + inside.mean() == pytest.approx(found.high)
    assert hit[inside == 0].mean() == pytest.approx(found.low / max((inside == 0).mean(), 1e-12))


def test_the_loop_gives_the_same_without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = rows(6)
    grown = trees(assay.load(ENSEMBLES["binned"](6).fit(x, y), features=NAMES))
    assert grown is not None
    quick = bounds(grown, SPACE, NAMES, boxes=100)
    monkeypatch.setattr(ensemble, "_loop", lambda: (_loops.decide, 8))
    slow = bounds(grown, SPACE, NAMES, boxes=100)
    assert quick is not None
    assert slow is not None
    assert (quick.low, quick.looked) == (slow.low, slow.looked)
    assert quick.high == pytest.approx(slow.high, abs=1e-12)
    assert quick.boxes.tolist() == slow.boxes.tolist()


@pytest.mark.slow
def test_what_is_proved_of_the_coded_census_agrees_with_a_million_draws(shared: Any) -> None:
    data = np.loadtxt(shared / "data" / "fairness" / "adf-census-coded.csv", delimiter=",", skiprows=1, dtype=np.int64)
    names = [f"x{place}" for place in range(13)]
    high = [9, 7, 39, 15, 6, 13, 5, 4, 1, 99, 39, 99, 39]
    axes = [axis(name, None, declared=[1 if name == "x0" else 0, high[place]]) for place, name in enumerate(names)]
    space = Space(tuple(axes[:8] + axes[9:]), (axes[8],), order=tuple(names))
    for count in (5, 20):
        own = HistGradientBoostingClassifier(max_iter=count, random_state=0).fit(data[:, :-1].astype(float), data[:, -1])
        model = assay.load(own, features=names)
        found = certificate(model, space, seconds=60)
        assert found is not None
        assert found.high - found.low < 1e-6
        drawn = even(Oracle(model, space), 1_000_000)
        assert abs(drawn.share - found.low) <= 2.58 * np.sqrt(found.low * (1 - found.low) / drawn.n) + 1e-9
        assert found.fair == (count == 5)
