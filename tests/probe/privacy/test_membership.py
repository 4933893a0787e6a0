"""Membership on models that learned by heart, and on models that never saw the rows: there it must be chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from assay.errors import DataError
from assay.probe.privacy.membership import RATES, likelihood, logit, loss, references, told

RNG = np.random.default_rng(5)


@given(members=st.lists(st.integers(0, 6), min_size=20, max_size=40), others=st.lists(st.integers(0, 6), min_size=20, max_size=40))
@settings(max_examples=30)
def test_the_auc_and_the_rates_are_those_of_a_naive_count(members: list[int], others: list[int]) -> None:
    made = told(np.array(members), np.array(others))
    naive = np.mean([(one > other) + (one == other) / 2 for one in members for other in others])
    assert made.auc.estimate == pytest.approx(naive)
    for rate in RATES:
        found = made.rates[rate]
        if rate * len(others) < 1:
            assert found is None
            continue
        bars = [bar for bar in {-1, *others} if sum(other > bar for other in others) <= rate * len(others) + 1e-9]
        assert found is not None
        assert found[0] == pytest.approx(max(np.mean([one > bar for one in members]) for bar in bars))
        exact = stats.binomtest(round(found[0] * len(members)), len(members)).proportion_ci(0.95, "exact")
        assert found[1:3] == pytest.approx((exact.low, exact.high))


def test_the_interval_of_the_auc_holds_as_often_as_it_says() -> None:
    truth = stats.norm.cdf(0.5 / np.sqrt(2))
    hits = sum(low <= truth <= high for low, high in (told(RNG.normal(0.5, 1, 80), RNG.normal(0, 1, 60)).auc.interval() for _ in range(300)))
    assert stats.binomtest(hits, 300, 0.95).pvalue > 0.001


def model(rows, labels, depth=None):
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(max_depth=depth, min_samples_leaf=2, random_state=0).fit(rows, labels)


def test_it_is_chance_on_a_model_that_never_saw_the_rows_and_more_on_one_that_did() -> None:
    aucs, heart, compared = [], [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        rows = rng.normal(size=(240, 4))
        labels = (rows[:, 0] + rng.normal(0, 1, 240) > 0).astype(int)
        made = model(rows[:80], labels[:80])
        score = made.predict_proba(rows)
        aucs.append(told(loss(score[80:160], labels[80:160]), loss(score[160:], labels[160:])).auc)   # neither was seen
        heart.append(told(loss(score[:80], labels[:80]), loss(score[80:160], labels[80:160])).auc.estimate)
        if seed < 6:
            pool, own = rows[:160], labels[:160]

            def fit(places, pool=pool, own=own):
                return model(pool[places], own[places]).predict_proba(pool)

            known = references(fit, own, 8, seed=seed)
            assert (known.inside.sum(axis=0) == 4).all()
            for online in (True, False):
                likely = likelihood(logit(score[:160], own), known, online=online)
                compared.append(told(likely[:80], likely[80:]).auc.estimate)
            unseen = likelihood(logit(model(rows[160:], labels[160:]).predict_proba(pool), own), known)   # it saw none of the pool
            aucs.append(told(unseen[:80], unseen[80:]).auc)
    inside = sum(low <= 0.5 <= high for low, high in (each.interval() for each in aucs))
    assert stats.binomtest(inside, len(aucs), 0.95).pvalue > 0.001
    assert abs(np.mean([each.estimate for each in aucs]) - 0.5) < 0.03
    assert np.mean(heart) > 0.62
    assert np.mean(compared) > 0.62


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(DataError, match="too few"):
        told(np.zeros(3), np.zeros(100))
    same = told(np.zeros(30), np.zeros(30))
    assert same.auc.estimate == 0.5
    assert same.auc.interval()[0] < 0.5 < same.auc.interval()[1]
