"""Scores: exact beside a Counter while they fit; then on a grid whose error on the AUC is bounded."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from assay.errors import SummaryError
from assay.summary.scores import COARSE, Ranks, Scores

RNG = np.random.default_rng(9)


def auc(ranks: Ranks) -> np.ndarray:
    """Area under the ROC curve from counts, over a leading axis if there is one."""
    before = np.cumsum(ranks.negatives, axis=-1) - ranks.negatives
    pairs = ranks.negatives.sum(axis=-1) * ranks.positives.sum(axis=-1)
    return (ranks.positives * (before + ranks.negatives / 2)).sum(axis=-1) / pairs


def scores(label, score, parts=1, **options) -> Scores:
    found = Scores(**options)
    for part in np.array_split(np.arange(len(label)), parts):
        found.update(label[part], score[part])
    return found


FLOATS = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, -0.0, 0.5, 1.0, -1.7976931348623157e308, 5e-324])


@given(st.lists(st.tuples(st.integers(0, 2), FLOATS), max_size=40), st.integers(0, 2))
def test_few_scores_are_counted(rows, of):
    label, score = (np.array([row[place] for row in rows]) for place in (0, 1))
    found = Scores(of=of)
    found.update(label, score.astype(float))
    view = found.view()
    expected = Counter((float(value) + 0.0, int(each == of)) for each, value in rows)
    assert {(value, side): count for value, counts in zip(view.scores.tolist(), view.counts.tolist(), strict=True)
            for side, count in enumerate(counts) if count} == expected
    assert (np.diff(view.scores) > 0).all() if np.abs(view.scores).max(initial=0) < 1e307 else True
    assert (found.tied, found.dropped) == (0.0, 0)


@pytest.mark.parametrize("make", [
    lambda n: RNG.random(n), lambda n: RNG.normal(size=n), lambda n: -RNG.exponential(size=n), lambda n: RNG.random(n) * 1e-300,
    lambda n: 1 - RNG.random(n) * 1e-9, lambda n: RNG.choice([-1.0, 1.0], n) * 10.0 ** RNG.uniform(-300, 300, n),
], ids=["probabilities", "margins", "negative", "tiny", "near one", "all scales"])
def test_beyond_its_size_the_error_of_the_auc_is_bounded(make):
    n = 60_000
    score = make(n)
    label = (RNG.random(n) < 0.2 + 0.6 * (score > np.median(score))).astype(int)
    true = metrics.roc_auc_score(label, score)
    for size in (1024, 4096, 1 << 15):
        found = scores(label, score, parts=3, size=size)
        view = found.view()
        assert size / 4 < len(view.scores) <= size or found.dropped == 0  # no more bits go than must
        assert abs(auc(view) - true) <= found.tied / 2 + 1e-12
        assert view.counts.sum(axis=0).tolist() == [(label == 0).sum(), (label == 1).sum()]
        assert np.isfinite(view.scores).all()
        assert (np.diff(view.scores) > 0).all()
        assert found.dropped > 0
        middle = np.abs(np.interp(np.sort(score), view.scores, view.scores) - np.sort(score))
        assert middle.shape == (n,)


@pytest.mark.parametrize("grouped", [False, True])
def test_any_split_drops_the_same_bits(grouped):
    n = 300_000
    score, label, group = RNG.random(n), RNG.integers(0, 2, n), RNG.integers(0, 128, n)
    whole = Scores(size=1024, grouped=grouped)
    whole.update(label, score, group=group)
    parts = []
    for part in np.array_split(RNG.permutation(n), 6):
        parts.append(Scores(size=1024, grouped=grouped))
        parts[-1].update(label[part], score[part], group=group[part])
        parts[-1].view()  # looking at it early changes nothing
    merged = parts[0]
    for part in parts[1:]:
        merged = part.merge(merged)
    assert merged == whole
    assert whole.dropped > 0


@given(st.lists(st.tuples(FLOATS, st.integers(0, 127)), min_size=1, max_size=30), st.integers(1, 4))
@settings(max_examples=100)
def test_the_bits_that_must_go_are_counted_right(rows, size):
    from assay.summary.scores import _bits, _keys

    pairs = sorted({(int(key), group) for key, group in zip(_keys(np.array([row[0] for row in rows])), [row[1] for row in rows], strict=True)})
    keys, groups = (np.array([pair[place] for pair in pairs]) for place in (0, 1))
    least = next((bits for bits in range(64) if len({(key >> bits, group) for key, group in pairs}) <= size), None)
    if least is not None:
        assert _bits(keys, groups, size) == least


def test_replicates_spread_like_resampled_rows():
    """Also where positives are rare and all at the top, where cells of equal rows would tie them."""
    n = 40_000
    for rare in (0.5, 0.005):
        label = (RNG.random(n) < rare).astype(int)
        score = RNG.normal(size=n) + 2.5 * label
        found = scores(label, score)
        draws = auc(found.replicates().view)
        naive = []
        for _ in range(60):
            some = RNG.integers(0, n, n)
            naive.append(metrics.roc_auc_score(label[some], score[some]))
        assert np.std(draws) == pytest.approx(np.std(naive), rel=0.35)
        assert np.mean(draws) == pytest.approx(metrics.roc_auc_score(label, score), abs=2e-3)
        assert len(found.replicates().view.scores) <= COARSE


def test_left_out_groups_are_those_of_a_recount():
    n = 20_000
    label, group = RNG.integers(0, 2, n), RNG.integers(0, 30, n)
    score = RNG.normal(size=n) + label + RNG.normal(size=30)[group]
    found = Scores(grouped=True)
    found.update(label, score, group=group)
    mine = auc(found.replicates().view)
    naive = [metrics.roc_auc_score(label[group != each], score[group != each]) for each in range(30)]
    assert np.abs(mine - naive).max() < 1e-4
    assert np.std(mine) == pytest.approx(np.std(naive), rel=0.02)


def test_what_is_no_score_is_refused():
    for wrong in (np.nan, np.inf):
        with pytest.raises(SummaryError):
            Scores().update(np.array([0]), np.array([wrong]))
    with pytest.raises(SummaryError):
        Scores(size=10)


def test_zero_weights_and_one_class():
    found = Scores()
    found.update(np.array([0, 1]), np.array([0.1, 0.2]), weight=np.zeros(2))
    assert np.isfinite(found.replicates().view.scores).all()
    single = scores(np.zeros(100_000, int), RNG.random(100_000), size=1024)
    assert single.tied == 0.0
    assert (single.replicates().view.positives == 0).all()
