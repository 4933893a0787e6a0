"""Weights bring every group to its share of now, by whichever way the smallest change is searched for."""

from __future__ import annotations

import numpy as np
import pytest

from assay.estimate import balance as module
from assay.estimate.balance import Groups, balance
from assay.estimate.rows import Rows
from tests.estimate.three import weak


@pytest.mark.parametrize("tilt", [0.0, 0.7, 1.5])
def test_shares_are_met_and_the_way_does_not_matter(tilt: float, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = weak(8_000, seed=0), weak(2_000, tilt=tilt, seed=1)
    groups = Groups.of(old, (old.answer != old.truth).astype(float))
    found = balance(groups, new)
    share = np.asarray(groups(new).mean(axis=0)).ravel()
    weighed = groups.back @ (found.weight / found.weight.sum())
    common = groups.share > 0.01   # shares are held as near as a window knows them, and weights have a limit
    assert np.abs(weighed - share)[common].max() < 3 * np.sqrt(0.1 / 2_000) + 0.03 * tilt**2
    monkeypatch.setattr(module, "_WIDE", 0)   # numbers in place of a matrix
    again = balance(Groups.of(old, (old.answer != old.truth).astype(float)), new)
    right = old.answer == old.truth
    assert np.average(right, weights=found.weight) == pytest.approx(np.average(right, weights=again.weight), abs=0.004)


def test_codes_and_what_is_missing_are_groups() -> None:
    rng = np.random.default_rng(2)

    def rows(part: float, gone: float) -> Rows:
        code = (rng.random(4_000) < part).astype(float)
        number = np.where(rng.random(4_000) < gone, np.nan, rng.normal(size=4_000))
        return Rows(np.column_stack([code, number]), np.zeros(4_000), None, rng.normal(size=4_000), (True, False))

    old, new = rows(0.2, 0.1), rows(0.6, 0.3)
    weight = balance(Groups.of(old, rng.random(4_000)), new).weight
    assert np.average(old.features[:, 0], weights=weight) == pytest.approx(new.features[:, 0].mean(), abs=0.02)
    assert np.average(np.isnan(old.features[:, 1]), weights=weight) == pytest.approx(np.isnan(new.features[:, 1]).mean(), abs=0.02)
