"""Repair of columns: what is left of the association, ranks, levels, pipelines, new rows, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from assay.errors import ConfigError, DataError
from assay.remedy.disparate_impact import WAYS, Repair


def people(n: int = 3_000, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    sex = rng.choice(["f", "m"], n, p=[0.3, 0.7])
    income = np.exp(rng.normal(0, 1, n) + (sex == "m"))
    years = rng.integers(0, 5, n) + 2 * (sex == "m")
    job = np.where(rng.random(n) < np.where(sex == "m", 0.8, 0.3), "smith", rng.choice(["cook", "clerk"], n))
    return pd.DataFrame({"income": income, "years": years, "job": job, "sex": sex})


def held(before: np.ndarray, after: np.ndarray) -> bool:
    places = np.unique(before)
    least = np.array([after[before == each].min() for each in places])
    most = np.array([after[before == each].max() for each in places])
    return bool((most[:-1] <= least[1:] + 1e-9).all())


@pytest.mark.parametrize("way", WAYS)
def test_at_level_1_no_column_tells_the_group(way: str) -> None:
    frame = people()
    made = Repair(by="sex", way=way).fit_transform(frame)
    men = (frame.sex == "m").to_numpy()
    assert ks_2samp(frame.income[men], frame.income[~men]).statistic > 0.3
    for name in ("income", "years"):
        assert ks_2samp(made[name][men], made[name][~men]).pvalue > 0.01, name
    shares = [made.job[side].value_counts(normalize=True).sort_index() for side in (men, ~men)]
    assert np.abs(shares[0] - shares[1]).max() < 0.05   # of the order of chance, from .5


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1_000), level=st.floats(0, 1), way=st.sampled_from(["geometric", "combinatorial"]))
def test_within_a_group_nobody_is_overtaken(seed: int, level: float, way: str) -> None:
    frame = people(200, seed)
    made = Repair(by="sex", way=way, level=level).fit_transform(frame)
    for group in ("f", "m"):
        mine = (frame.sex == group).to_numpy()
        for name in ("income", "years"):
            assert held(frame[name].to_numpy()[mine], made[name].to_numpy()[mine])


def test_combinatorial_repair_invents_no_value() -> None:
    frame = people(400)
    for level in (0.3, 1.0):
        made = Repair(by="sex", way="combinatorial", level=level).fit_transform(frame)
        assert set(made.income) <= set(frame.income)
        assert set(made.job) <= set(frame.job)


def test_level_0_changes_nothing() -> None:
    frame = people(300)
    pd.testing.assert_frame_equal(Repair(by="sex", level=0.0).fit_transform(frame), frame, check_dtype=False)


def test_multivariate_repair_gives_groups_one_correlation() -> None:
    rng = np.random.default_rng(0)
    sex = rng.integers(0, 2, 4_000)
    one = rng.normal(size=4_000)
    rows = np.column_stack([sex, one, np.where(sex == 1, 0.9, -0.9) * one + 0.4 * rng.normal(size=4_000)])

    def apart(given: np.ndarray) -> float:
        return abs(np.corrcoef(given[sex == 0, 1:].T)[0, 1] - np.corrcoef(given[sex == 1, 1:].T)[0, 1])

    assert apart(rows) > 1.5
    assert apart(Repair(by=0).fit_transform(rows)) > 1.5
    assert apart(Repair(by=0, way="multivariate").fit_transform(rows)) < 0.1


def test_in_a_pipeline_new_rows_are_repaired_one_by_one_as_all_together() -> None:
    frame = people()
    y = (frame.income > 2).astype(int)
    pipe = clone(make_pipeline(Repair(by="sex", columns=["income", "years"], keep="left out"), Numbers(), LogisticRegression()))
    pipe.fit(frame, y)
    new = people(50, 9)
    together = pipe.predict_proba(new)[:, 1]
    alone = np.concatenate([pipe.predict_proba(new.iloc[[row]])[:, 1] for row in range(50)])
    np.testing.assert_allclose(together, alone)


class Numbers:
    """A step that keeps two columns, as pipelines have them."""

    def get_params(self, deep: bool = True) -> dict:
        return {}

    def fit(self, rows, labels=None):
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def transform(self, rows):
        return rows[["income", "years"]].to_numpy()


def test_missing_values_stay_and_the_column_is_kept_as_was_said() -> None:
    frame = people(300)
    frame.loc[::7, "income"] = np.nan
    made = Repair(by="sex").fit_transform(frame)
    assert made.income.isna().equals(frame.income.isna())
    assert set(Repair(by="sex", keep="constant").fit_transform(frame).sex) == {"m"}
    assert "sex" not in Repair(by="sex", keep="left out").fit_transform(frame)


def test_what_cannot_be_repaired_is_a_sentence() -> None:
    frame = people(300)
    with pytest.raises(ConfigError, match="did you mean 'sex'"):
        Repair(by="sexx").fit(frame)
    with pytest.raises(DataError, match="one value only"):
        Repair(by="sex").fit(frame[frame.sex == "m"])
    with pytest.raises(DataError, match="has 3 rows"):
        Repair(by="sex").fit(pd.concat([frame[frame.sex == "m"], frame[frame.sex == "f"].head(3)]))
    with pytest.raises(ConfigError, match="level"):
        Repair(by="sex", level=2).fit(frame)
    with pytest.raises(DataError, match="no row of the group 'x'"):
        Repair(by="sex").fit(frame).transform(frame.assign(sex="x"))
    with pytest.raises(ConfigError, match="not fitted"):
        Repair(by="sex").transform(frame)
