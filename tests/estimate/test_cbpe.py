"""CBPE gives NannyML's own numbers; what classes are called makes no difference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.engine import label as labels
from assay.estimate.calibration import beta, error, isotonic
from assay.estimate.cbpe import cbpe
from assay.estimate.rows import Rows
from tests.estimate.three import three, three_rows

THEIRS: dict[str, Any] = json.loads((Path(__file__).parent / "nannyml.json").read_text("utf-8"))
NAMES = {"roc_auc": "auc"}


def chunks(rows: Rows, size: int) -> list[Rows]:
    return [rows.take(np.arange(first, min(first + size, len(rows)))) for first in range(0, len(rows), size)]


def census(folder: Path, part: str) -> Rows:
    table = pq.read_table(folder / "data" / "drift" / "us_census_ma_employment" / f"employment_MA_{part}.pq",
                          columns=["prediction", "predicted_probability", *(["employed"] if part == "reference" else [])])
    score = table.column("predicted_probability").to_numpy()
    label = table.column("employed").to_numpy() if part == "reference" else None
    return Rows(np.zeros((len(score), 0)), table.column("prediction").to_numpy(), np.column_stack([1 - score, score]), label, (), 2)


@pytest.mark.parametrize("metric", sorted(THEIRS["census"]))
def test_census_as_nannyml(shared: Path, metric: str) -> None:
    if not hasattr(test_census_as_nannyml, "held"):
        made = cbpe(census(shared, "reference"))
        test_census_as_nannyml.held = made, chunks(census(shared, "analysis"), 20_000)  # type: ignore[attr-defined]
    made, parts = test_census_as_nannyml.held  # type: ignore[attr-defined]
    theirs = THEIRS["census"][metric]
    ours = [made.value(NAMES.get(metric, metric), each, positive=1) for each in parts[:len(theirs)]]
    assert np.abs(np.array(ours) - theirs).max() < 1e-6


@pytest.mark.parametrize("metric", sorted(THEIRS["three"]))
def test_three_classes_as_nannyml_and_by_name(metric: str) -> None:
    made = cbpe(three_rows(6_000))
    ours = [made.value(NAMES.get(metric, metric), each) for each in chunks(three_rows(4_000, 6_000), 2_000)]
    assert np.abs(np.array(ours) - THEIRS["three"][metric]).max() < 1e-6
    # labels as texts are the same rows
    features, score, label = three(6_000)
    names = ("cherry", "apple", "banana")
    codes = labels.codes(pa.array([names[each] for each in label]), names, name="fruit", where="here")
    named = cbpe(Rows(features, score.argmax(axis=1), score, codes, (), 3))
    assert [named.value(NAMES.get(metric, metric), each) for each in chunks(three_rows(4_000, 6_000), 2_000)] == ours


def test_isotonic_is_sklearns() -> None:
    from sklearn.isotonic import IsotonicRegression

    rng = np.random.default_rng(0)
    score, weight = np.round(rng.random(800), 2), rng.random(800)
    hit = (rng.random(800) < score**2).astype(int)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(score, hit, weight)
    at = np.linspace(-0.1, 1.1, 301)
    assert np.abs(isotonic(score, hit, weight)(at) - theirs.predict(at)).max() < 1e-9


def test_beta_finds_the_curve_that_made_the_labels() -> None:
    rng = np.random.default_rng(1)
    score = rng.random(20_000)
    truth = 1 / (1 + np.exp(-(0.5 * np.log(score) - 2.0 * np.log1p(-score) + 0.3)))
    curve = beta(score, rng.random(20_000) < truth)
    assert curve.smooth == pytest.approx((0.5, 2.0, 0.3), abs=0.25)
    assert error(curve(score), rng.random(20_000) < truth) < 0.02
