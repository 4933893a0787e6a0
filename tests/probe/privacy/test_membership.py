"""Membership on models that learned by heart, and on models that never saw the rows: there it must be chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from assay.errors import DataError
from assay.probe.privacy.membership import RATES, likelihood, logit, loss, ratio, references, told

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
        exact = stats.binomtest(round(found[0] * len(members)), len(members)).proportion_ci(0.95, "exact")   # as if the bar were known
        assert 0 <= found[1] <= exact.low + 1e-12
        assert exact.high - 1e-12 <= found[2] <= 1


def test_the_interval_of_the_auc_holds_as_often_as_it_says() -> None:
    truth = stats.norm.cdf(0.5 / np.sqrt(2))
    hits = sum(low <= truth <= high for low, high in (told(RNG.normal(0.5, 1, 80), RNG.normal(0, 1, 60)).auc.interval() for _ in range(300)))
    assert stats.binomtest(hits, 300, 0.95).pvalue > 0.001


@pytest.mark.parametrize(("members", "others", "rate", "learned"), [(400, 400, 0.01, 0.0), (800, 200, 0.1, 0.0), (400, 400, 0.01, 0.03),
                                                                    (400, 400, 0.1, 1.0)])
def test_the_limits_of_what_is_told_hold_though_the_bar_is_drawn(members: int, others: int, rate: float, learned: float) -> None:
    """Given the bar alone, a limit would miss at chance in 9 to 26 of 100 draws."""
    rng = np.random.default_rng(3)
    bar = stats.norm.isf(rate)
    truth = {0.0: rate, 1.0: stats.norm.sf(bar - 0.5), 0.03: 0.97 * rate + 0.03 * stats.norm.sf(bar - 5)}[learned]
    below = above = 0
    for _ in range(300):
        own = rng.normal(0.5 if learned == 1 else 0, 1, members)
        own[:rng.binomial(members, learned) if learned < 1 else 0] += 5
        found = told(own, rng.normal(0, 1, others)).rates[rate]
        assert found is not None
        below, above = below + (found[1] > truth), above + (found[2] < truth)
    assert stats.binomtest(below, 300, 0.025, alternative="greater").pvalue > 0.01
    assert stats.binomtest(above, 300, 0.025, alternative="greater").pvalue > 0.01


def test_what_all_members_share_is_told_of_all() -> None:
    found = told(np.full(400, 2.0), np.arange(400) / 400).rates[0.01]
    assert found is not None
    assert found[0] == 1
    assert 0.3 < found[1] < 1 == found[2]
    none = told(np.zeros(400), np.ones(400)).rates[0.01]
    assert none is not None
    assert none[:2] == (0, 0)
    assert 0 < none[2] < 0.02


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
            ways = (ratio, likelihood, lambda target, known: likelihood(target, known, online=False))
            for way in ways:
                likely = way(logit(score[:160], own), known)
                compared.append(told(likely[:80], likely[80:]).auc.estimate)
            for way in ways[:2]:
                unseen = way(logit(model(rows[160:], labels[160:]).predict_proba(pool), own), known)   # it saw none of the pool
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
