"""The neutral layout adds up to what each library says."""

from __future__ import annotations

import numpy as np
import pytest

import assay
from assay.errors import ModelError
from assay.model.trees import Growth, trees
from tests.model.ensembles import CASES, FULL, NAMES, TARGET, TWO, X, case


@pytest.mark.parametrize("name", CASES)
def test_leaves_add_up_to_the_answer_of_the_library(name: str) -> None:
    made = case(name)
    # XGBoost adds in 32 bits; the others give what they add in 64
    gap = np.abs(made.sums() - made.raw).max()
    assert gap <= (1e-5 if name.startswith("xgboost") else 1e-12) * max(1.0, np.abs(made.raw).max())


@pytest.mark.parametrize("name", CASES)
def test_a_node_covers_what_its_children_cover(name: str) -> None:
    found = case(name).trees
    inner = found.left >= 0
    assert np.allclose(found.cover[inner], found.cover[found.left[inner]] + found.cover[found.right[inner]], rtol=1e-4)


def test_adjacent_floats_take_the_side_that_the_library_takes() -> None:
    """Thresholds of 32 bits, asked with the 64-bit numbers around them."""
    for name in ("xgboost", "catboost", "forest of numbers", "lightgbm", "histograms"):
        made = case(name)
        found, rng = made.trees, np.random.default_rng(3)
        rows = []
        for node in np.flatnonzero((found.left >= 0) & (found.sets < 0) & (np.abs(found.threshold) < 1e30))[:40]:
            cut = found.threshold[node]
            near = [cut, np.nextafter(cut, np.inf), np.nextafter(cut, -np.inf), float(np.nextafter(np.float32(cut), np.float32(np.inf))),
                    float(np.nextafter(np.float32(cut), np.float32(-np.inf))), cut * (1 + 1e-8), cut * (1 + 4e-8), cut * (1 - 4e-8)]
            for each in near:
                row = FULL[rng.integers(len(FULL))].copy()
                row[found.feature[node]] = each
                rows.append(row)
        asked = np.array(rows)
        respond = made.model.respond
        if name == "xgboost":
            raw = respond.booster.inplace_predict(asked, predict_type="margin", validate_features=False)
        elif name == "lightgbm":
            raw = respond.booster.predict(asked, raw_score=True)
        elif name == "catboost":
            raw = respond.booster.predict(asked, prediction_type="RawFormulaVal")
        else:
            raw = respond.model.predict(asked) if "numbers" in name else respond.model.decision_function(asked)
        assert np.abs(found.sums(asked)[:, 0] - raw).max() < 1e-5, name


def test_a_model_without_trees_has_none() -> None:
    from sklearn.linear_model import LinearRegression

    assert trees(assay.load(LinearRegression().fit(FULL, TARGET), features=NAMES)) is None
    assert trees(object()) is None


def test_trees_that_the_layout_cannot_hold_are_none() -> None:
    lightgbm, catboost, xgboost = (pytest.importorskip(each) for each in ("lightgbm", "catboost", "xgboost"))
    from sklearn.ensemble import GradientBoostingRegressor
    from sklearn.linear_model import LinearRegression

    linear = lightgbm.LGBMRegressor(n_estimators=2, linear_tree=True, verbose=-1, n_jobs=1).fit(FULL, TARGET)
    named = [[*row[:4], str(int(row[4]))] for row in FULL.tolist()]
    hashed = catboost.CatBoostClassifier(iterations=2, verbose=0, allow_writing_files=False, cat_features=[4]).fit(named, TWO)
    line = xgboost.XGBRegressor(booster="gblinear", n_estimators=2, n_jobs=1).fit(FULL, TARGET)
    based = GradientBoostingRegressor(n_estimators=2, init=LinearRegression()).fit(FULL, TARGET)
    for each in (linear, hashed, line, based):
        assert trees(assay.load(each, features=NAMES)) is None, type(each).__name__


def test_a_way_round_in_circles_is_refused() -> None:
    growth = Growth()
    growth.add(left=np.array([1, 0, -1]), right=np.array([2, 2, -1]), feature=np.zeros(3, int), threshold=np.zeros(3),
               default_left=np.zeros(3, bool), cover=np.ones(3), value=np.zeros(3))
    with pytest.raises(ModelError, match="damaged"):
        growth.trees(base=np.zeros(1), unit="value", strict=False, single=False, matrix=lambda batch: X, source=np.arange(1))
