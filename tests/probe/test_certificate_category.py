"""Certificates of models that read categories, in one-hot parts or as codes, against every point of small spaces; and what stands in the way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)
from sklearn.tree import DecisionTreeClassifier

import assay
from assay.probe import _loops, ensemble
from assay.probe.certificate import certificate, unproved
from assay.probe.oracle import Oracle
from assay.probe.space import Space, axis
from assay.verbs.probe.fairness import probe

WORDS = ["job", "city", "race"]
KINDS = {"job": ["vet", "cook", "clerk", "nurse", "judge", "actor"], "city": ["rome", "oslo", "bern", "kiev"], "race": ["b", "w", "h"]}
RNG = np.random.default_rng(0)
PEOPLE = pd.DataFrame({"job": RNG.choice(KINDS["job"], 600, p=[.3, .25, .2, .1, .1, .05]), "income": RNG.integers(0, 8, 600),
                       "city": RNG.choice(KINDS["city"], 600, p=[.4, .3, .2, .1]), "race": RNG.choice(KINDS["race"], 600, p=[.5, .3, .2])})
LIKED = (PEOPLE.income + 2 * PEOPLE.job.isin(["vet", "judge", "nurse"]) - 2 * PEOPLE.city.isin(["oslo", "kiev"]) + 1.5 * (PEOPLE.race == "w")
         + RNG.normal(0, 1, 600) > 4.5).astype(int)
TABLE = pa.Table.from_pandas(PEOPLE, preserve_index=False)


def space(*protected: str) -> Space:
    axes = {name: axis(name, TABLE.column(name), protected=name in protected) for name in TABLE.column_names}
    return Space(tuple(each for name, each in axes.items() if name not in protected), tuple(axes[name] for name in protected),
                 order=tuple(axes))


def columns(encoder: Any, rest: Any = "passthrough") -> ColumnTransformer:
    return ColumnTransformer([("words", encoder, WORDS), ("numbers", rest, ["income"])])


ENCODERS = {
    "one-hot": lambda: columns(OneHotEncoder()),
    "one-hot, one dropped": lambda: columns(OneHotEncoder(drop="first", sparse_output=False), StandardScaler()),
    "one-hot, rare together": lambda: columns(OneHotEncoder(min_frequency=0.12)),
    "codes": lambda: columns(OrdinalEncoder()),
    "means of the label": lambda: columns(TargetEncoder(cv=3), KBinsDiscretizer(3, quantile_method="averaged_inverted_cdf")),
}
MODELS = {
    "logistic": lambda: LogisticRegression(max_iter=2_000),
    "margin": lambda: SGDClassifier(random_state=0),
    "tree": lambda: DecisionTreeClassifier(max_depth=7, random_state=0),
    "forest": lambda: RandomForestClassifier(7, max_depth=5, random_state=0),
    "boosted": lambda: GradientBoostingClassifier(n_estimators=15, max_depth=3, random_state=0),
    "binned": lambda: HistGradientBoostingClassifier(max_iter=12, max_leaf_nodes=8),
}
CASES = [("one-hot", each) for each in MODELS] + [("codes", each) for each in ("tree", "boosted", "binned")] + [
    ("one-hot, one dropped", "logistic"), ("one-hot, one dropped", "boosted"), ("one-hot, rare together", "forest"),
    ("one-hot, rare together", "logistic"), ("means of the label", "tree"), ("means of the label", "boosted")]


@pytest.mark.parametrize(("encoder", "kind"), CASES)
def test_categories_are_proved(encoder: str, kind: str) -> None:
    before = ENCODERS[encoder]()
    if encoder.startswith("one-hot") and kind == "binned":
        before.sparse_threshold = 0
    model = assay.load(make_pipeline(before, MODELS[kind]()).fit(PEOPLE, LIKED))
    for protected in (["race"], ["city", "race"]):
        own = space(*protected)
        found = certificate(model, own, seconds=60)
        assert found is not None
        every = own.everything()
        hit = Oracle(model, own).ask(every).found
        assert found.low <= hit.mean() + 1e-12
        assert hit.mean() <= found.high + 1e-12
        assert found.high - found.low < (1e-2 if found.kind == "linear" else 1e-9)
        if found.kind == "tree":   # each discriminatory point in one box, in the order of places that the certificate names
            assert found.space is not None
            assert found.boxes is not None
            there = found.space.everything()
            inside = ((there[:, None] >= found.boxes[:, 0]) & (there[:, None] <= found.boxes[:, 1])).all(axis=2).sum(axis=1)
            assert inside.tolist() == Oracle(model, found.space).ask(there).found.astype(int).tolist()


@pytest.mark.parametrize("library", ["binned", "lightgbm", "catboost", "xgboost"])
def test_sets_of_categories_are_proved(library: str) -> None:
    """The trees split by sets of categories that are no range."""
    rows = PEOPLE.astype(dict.fromkeys(WORDS, "category"))
    own: Any
    if library == "binned":
        own = HistGradientBoostingClassifier(max_iter=15, max_leaf_nodes=8, categorical_features="from_dtype").fit(rows, LIKED)
    elif library == "lightgbm":
        own = pytest.importorskip("lightgbm").LGBMClassifier(n_estimators=15, num_leaves=8, min_child_samples=5, cat_smooth=1,
                                                             min_data_per_group=5, n_jobs=1, verbose=-1).fit(rows, LIKED)
    elif library == "catboost":   # its categories become numbers over several columns, save those in one-hot parts
        own = pytest.importorskip("catboost").CatBoostClassifier(iterations=12, depth=3, one_hot_max_size=10, cat_features=WORDS, verbose=0,
                                                                 thread_count=1, allow_writing_files=False).fit(PEOPLE, LIKED)
    else:
        own = pytest.importorskip("xgboost").XGBClassifier(n_estimators=12, max_depth=3, enable_categorical=True, n_jobs=1,
                                                           tree_method="hist").fit(rows, LIKED)
    model, place = assay.load(own), space("race")
    found = certificate(model, place, seconds=60)
    if found is None:
        assert library == "catboost"
        assert "trees" in unproved(model, place)
        return
    share = float(Oracle(model, place).ask(place.everything()).found.mean())
    assert found.low == pytest.approx(share, abs=1e-9)
    assert found.high == pytest.approx(share, abs=1e-9)


def test_bounds_over_categories_are_true_wherever_cutting_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    model, own = assay.load(make_pipeline(columns(OneHotEncoder()), MODELS["forest"]()).fit(PEOPLE, LIKED)), space("race")
    share = float(Oracle(model, own).ask(own.everything()).found.mean())
    from assay.model.trees import trees

    grown = trees(model)
    assert grown is not None
    quick = [ensemble.bounds(grown, own, list(PEOPLE), boxes=boxes) for boxes in (1, 20, 80)]
    monkeypatch.setattr(ensemble, "_loop", lambda: (_loops.decide, 8))
    for found, boxes in zip(quick, (1, 20, 80), strict=True):
        slow = ensemble.bounds(grown, own, list(PEOPLE), boxes=boxes)
        assert found is not None
        assert slow is not None
        assert found.low <= share + 1e-12
        assert share <= found.high + 1e-12
        assert (found.low, found.looked) == (slow.low, slow.looked)


IN_THE_WAY = {
    "mixed": (Pipeline([("words", columns(OneHotEncoder(sparse_output=False))), ("turned", PCA(3)), ("model", LogisticRegression())]),
              "the step 'turned' (PCA) makes numbers from several columns"),
    "own function": (make_pipeline(ColumnTransformer([("logs", FunctionTransformer(lambda x: x * 2), ["income"]), ("w", OneHotEncoder(), WORDS)]),
                                   LogisticRegression()), "the step 'logs' (FunctionTransformer) calls a function"),
    "calibrated": (make_pipeline(columns(OneHotEncoder()), CalibratedClassifierCV(LogisticRegression(), cv=2)), "CalibratedClassifierCV is neither"),
}


@pytest.mark.parametrize("case", IN_THE_WAY)
def test_the_step_that_stands_in_the_way_is_named(case: str) -> None:
    pipeline, words = IN_THE_WAY[case]
    model = assay.load(pipeline.fit(PEOPLE, LIKED), features=list(PEOPLE), task="binary", classes=[0, 1])
    assert certificate(model, space("race")) is None
    assert words in unproved(model, space("race"))
    run = probe(model, TABLE, protected="race", positive=1, budget=300)
    assert any(each.startswith("nothing is proved: ") and words in each for each in run.notes)


def test_selected_columns_and_functions_of_numpy_are_read() -> None:
    numbers = PEOPLE.assign(**{name: PEOPLE[name].map({each: place for place, each in enumerate(KINDS[name])}) for name in WORDS})
    own = make_pipeline(FunctionTransformer(np.sqrt), SelectKBest(k=3), LogisticRegression()).fit(numbers.to_numpy(float), LIKED)
    model = assay.load(own, features=list(PEOPLE))
    place = Space(tuple(axis(name, None, declared=[0, 3]) for name in ("job", "income", "city")), (axis("race", None, declared=[0, 2]),),
                  order=tuple(PEOPLE))
    found = certificate(model, place)
    assert found is not None
    share = float(Oracle(model, place).ask(place.everything()).found.mean())
    assert found.low - 1e-9 <= share <= found.high + 1e-9
