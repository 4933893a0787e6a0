"""``cluster of X`` in checks, slices, the default suite and segments, on texts that a real model reads."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import assay
from assay.errors import UnknownColumnError
from assay.result import Run
from tests.verbs.contents import paragraphs, reader


@pytest.fixture(scope="module")
def run() -> Run:
    train, test = paragraphs()
    checks = ["psi of `cluster of note` <= 0.2", "auc by `cluster of note` >= 0.6", "share where (`cluster of note` == 'unlike the rest') <= 5%"]
    return assay.check(reader(), test, train=train, reference=train, label="library", positive="sklearn", checks=checks)


def test_slices_and_drift_by_cluster(run: Run) -> None:
    assert {each.verdict for each in run.verdicts if each.check.startswith(("psi", "share"))} == {"pass"}
    slices = {str(each.slice["cluster of note"]) for each in run.values if "cluster of note" in each.slice and each.metric.startswith("auc")}
    assert len(slices) >= 2


def test_texts_of_another_kind_drift(run: Run) -> None:
    train, test = paragraphs()
    some = test.filter(pa.array([each == "sklearn" for each in test["library"].to_pylist()]))
    drifted = assay.check(None, some, reference=train, checks=["psi of * <= 0.1"])
    found, sound = (next(each for each in one.values if each.column == "cluster of note") for one in (drifted, run))
    assert found.low is not None
    assert sound.value is not None
    assert found.low > 2 * sound.value


def test_a_suite_nobody_wrote_cuts_texts_by_cluster() -> None:
    train, test = paragraphs()
    run = assay.check(reader(), test, train=train, label="library", positive="sklearn")
    assert any("cluster of note" in each.check for each in run.verdicts)


def test_a_column_that_has_none_is_told() -> None:
    data = pa.table({"x": np.arange(300.0), "y": [0, 1] * 150})
    with pytest.raises(UnknownColumnError, match="cluster of x"):
        assay.check(None, data, label="y", checks=["missing of `cluster of x` <= 1%"])
