"""What a metric does with options, weights, pairs and edges."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from assay.errors import ConfigError, UnknownNameError
from assay.metric import METRICS, disparity, find, rows
from assay.metric.calibration import Gaps
from assay.result import Spread, Value
from assay.summary.scores import Ranks, Scores
from assay.summary.target import Target
from tests.metric.frames import Frame, column_value, compared, filled, measured

BINARY = Target("binary", ("no", "yes"), positive=1, threshold=0.5)
NUMBERS = Target("regression")


def scored(n, *, seed=0, skill=1.5):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, n)
    score = 1 / (1 + np.exp(-(skill * (2 * label - 1) + rng.standard_normal(n))))
    return Frame(label, (score >= 0.5).astype(int), np.stack([1 - score, score], axis=1))


# names and options

def test_an_unknown_metric_names_the_nearest():
    with pytest.raises(UnknownNameError, match="recall"):
        find("recal")


def test_a_metric_of_another_task_says_what_there_is():
    with pytest.raises(ConfigError, match="mae"):
        METRICS["recall"].needs(NUMBERS, {})


def test_margins_are_no_probabilities():
    margins = replace(BINARY, probabilities=False)
    with pytest.raises(ConfigError, match="probabilities"):
        METRICS["brier"].needs(margins, {})
    assert METRICS["auc"].needs(margins, {})


def test_an_unknown_average_is_refused():
    with pytest.raises(ConfigError, match="macro, micro or weighted"):
        measured("recall", Frame(np.array([0, 1, 2]), np.array([0, 1, 1])), Target("multiclass", ("a", "b", "c")), average="mean")


@pytest.mark.parametrize("bins", [0, -1, 2.5, True])
def test_calibration_needs_bins(bins):
    with pytest.raises(ConfigError, match="bins"):
        measured("calibration_error", scored(20), BINARY, bins=bins)


def test_a_built_in_name_cannot_be_taken():
    make = rows(better="higher", name="recall")
    with pytest.raises(ConfigError, match="already registered"):
        make(lambda y, said: 0.0)


# edges

def test_a_perfect_score_is_no_certainty():
    """A thousand rows say little about an area under the curve when three of them are positive."""
    label = np.zeros(1000, int)
    label[:3] = 1
    score = np.where(label == 1, 0.9, np.linspace(0, 0.4, 1000))
    frame = Frame(label, (score >= 0.5).astype(int), np.stack([1 - score, score], axis=1))
    for name in ("auc", "average_precision", "f1", "balanced_accuracy"):
        for grouped in (False, True):
            found = measured(name, frame, replace(BINARY, grouped=grouped))
            assert found.value == pytest.approx(1.0)
            assert found.low < 0.6, name
            assert found.high == 1.0


def test_a_perfect_correlation_keeps_an_interval():
    label = np.tile([0, 1], 50)
    found = measured("mcc", Frame(label, label), BINARY)
    assert (found.value, found.high) == (1.0, 1.0)
    assert 0.7 < found.low < 0.95


def test_several_labels_that_are_one_label_have_the_error_of_one():
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 400)
    said = np.where(rng.uniform(size=400) < 0.2, 1 - label, label)
    one = measured("accuracy", Frame(label, said), BINARY)
    three = measured("accuracy", Frame(np.stack([label] * 3, 1), np.stack([said] * 3, 1)), Target("multilabel", ("a", "b", "c"), labels=3))
    assert three.value == pytest.approx(one.value)
    assert three.high - three.low == pytest.approx(one.high - one.low, rel=0.3)


def test_debiased_calibration_is_near_zero_for_a_calibrated_model_and_kept_for_a_bad_one():
    rng = np.random.default_rng(2)
    chance = rng.uniform(size=400)
    label = (rng.uniform(size=400) < chance).astype(int)
    for score, least, most in ((chance, 0.0, 0.03), (np.clip(chance * 0.5, 0, 1), 0.2, 0.3)):
        frame = Frame(label, (score >= 0.5).astype(int), np.stack([1 - score, score], axis=1))
        found = measured("calibration_error", frame, BINARY)
        assert least <= found.value <= most
        plain = measured("calibration_error", frame, BINARY, debiased=False)
        assert plain.value > found.value


@pytest.mark.parametrize("grouped", [False, True])
def test_the_scale_of_weights_changes_no_calibration(grouped):
    from assay.metric.calibration import spread

    rng = np.random.default_rng(3)
    chance = rng.uniform(size=600)
    label = (rng.uniform(size=600) < chance * 0.6).astype(int)
    weight = rng.gamma(4, size=600)
    found = []
    for scale in (1 / weight.sum(), 600 / weight.sum(), 1000.0):
        scores = Scores(grouped=grouped)
        scores.update(label, chance, weight=weight * scale, **({"group": np.arange(600, dtype=np.uint64) % 50} if grouped else {}))
        found.append(spread([scores]))
    for each in found:
        assert each.estimate == pytest.approx(found[0].estimate, rel=1e-6)
        assert each.interval() == pytest.approx(found[0].interval(), rel=1e-6)
    assert found[0].estimate > 0.1


def test_gaps_are_debiased_to_within_their_stated_bias():
    """Of a normal gap with error 1, whatever its true size, the mean of the estimate is within 0.23 of it."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(200_000)
    for true in (0.0, 0.3, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0):
        gap = (true + noise)[:, None]
        found = Gaps(np.ones_like(gap), gap, np.ones_like(gap)).debiased
        assert abs(found.mean() - true) < 0.235
        assert found.var() < 1.52


def test_ranks_of_no_rows_have_no_calibration():
    assert math.isnan(METRICS["calibration_error"](Ranks(np.empty(0), np.empty((0, 2)))))


# two models

def test_a_model_does_not_differ_from_itself_but_that_is_not_proven():
    frame = scored(300)
    for name in ("accuracy", "auc", "brier"):
        found = compared(name, frame, frame, replace(BINARY, grouped=True), paired=True)
        assert found.value == 0
        assert -0.05 < found.low < 0 < found.high < 0.05


def test_pairing_without_groups_is_not_believed():
    first, second = scored(300), replace(scored(300, skill=1.2), label=scored(300).label)
    alone = compared("accuracy", first, second, BINARY, paired=False)
    asked = compared("accuracy", first, second, BINARY, paired=True)
    assert (asked.low, asked.high) == (alone.low, alone.high)


def test_a_paired_difference_is_narrower_where_models_share_their_errors():
    rng = np.random.default_rng(0)
    first = scored(500)
    other = np.clip(first.score[:, 1] + 0.02 * rng.standard_normal(500), 0, 1)
    second = replace(first, score=np.stack([1 - other, other], axis=1))
    target = replace(BINARY, grouped=True)
    paired, alone = (compared("auc", first, second, target, paired=each) for each in (True, False))
    assert paired.value == alone.value
    assert paired.high - paired.low < 0.5 * (alone.high - alone.low)


def test_a_factor_scales_the_other_model():
    first, second = scored(200), scored(200, seed=1)
    plain = [measured("brier", each, BINARY).value for each in (first, second)]
    assert compared("brier", first, second, BINARY, paired=False, factor=1.05).value == pytest.approx(plain[0] - 1.05 * plain[1])


def test_a_difference_to_what_is_undefined_is_undefined():
    first, second = scored(50), Frame(np.zeros(5, int), np.zeros(5, int), np.full((5, 2), 0.5))
    found = compared("recall", first, second, BINARY, paired=False)
    assert found.value is None
    assert found.note == "no positive rows"


# a user's own function

def test_a_function_of_one_row_gets_an_array():
    seen = rows(better="lower", name="one row")(lambda y, value: float(np.abs(y - value)[0] + len(y)))
    kept = filled("rows", np.array([1], np.uint64), np.array([1.0]), np.array([3.0]), width=2)
    assert seen.value((kept,), NUMBERS, {}).value == 3.0


def test_weights_below_one_do_not_vanish():
    mean = rows(better="lower", name="mean value")(lambda y, value: float(value.mean()))
    key, value = np.arange(4).astype(np.uint64), np.array([1.0, 2.0, 3.0, 4.0])
    kept = filled("rows", key, value, value, width=2)
    summary = type(kept)(width=2)
    summary.update(key, value, value, weight=np.array([0.1, 0.2, 0.3, 0.4]))
    assert mean.value((summary,), replace(NUMBERS, grouped=True), {}).value == pytest.approx(3.0, abs=0.02)


def test_a_function_that_raises_is_one_sentence():
    def broken(y, value):
        raise ValueError("no such thing")

    made = rows(better="lower", name="broken function")(broken)
    kept = filled("rows", np.arange(3).astype(np.uint64), np.ones(3), np.ones(3), width=2)
    with pytest.raises(ConfigError, match="broken function raised ValueError: no such thing"):
        made.value((kept,), NUMBERS, {})


def test_beyond_its_limit_a_function_gets_a_sample_and_says_so():
    made = rows(better="lower", name="limited", limit=100)(lambda y, value: float(np.mean(value)))
    rng = np.random.default_rng(0)
    kept = filled("rows", rng.integers(0, 2**63, 1000).astype(np.uint64), np.zeros(1000), rng.standard_normal(1000), width=2, size=100)
    found = made.value((kept,), NUMBERS, {})
    assert "sample" in found.note
    assert found.n == 1000


def test_a_scikit_learn_metric_fits_as_it_is():
    from sklearn.metrics import cohen_kappa_score

    made = rows(better="higher", name="kappa of scikit-learn")(cohen_kappa_score)
    frame = scored(120)
    assert measured("kappa of scikit-learn", frame, BINARY).value == pytest.approx(cohen_kappa_score(frame.label, frame.prediction))
    assert made.better == "higher"


def test_ranking_takes_no_fractional_weights():
    frame = Frame(np.array([0.0, 1.0]), value=np.array([0.1, 0.2]), query=np.array([0, 0]), weight=np.array([0.5, 0.7]))
    with pytest.raises(ConfigError, match="weights"):
        measured("ndcg", frame, Target("ranking"))


# groups

def share(p, n, name):
    return Value.of("selection_rate", Spread("binomial", p, n=float(n)), n=n, slice={"sex": name})


def test_disparity_compares_the_extremes_and_names_them():
    values = [share(0.3, 400, "f"), share(0.4, 400, "m"), share(0.35, 400, "x"), share(0.01, 5, "tiny")]
    ratio, difference = (disparity(values, compare=each) for each in ("ratio", "difference"))
    assert ratio.value == pytest.approx(0.75)
    assert difference.value == pytest.approx(0.1)
    assert ratio.note == "sex=f against sex=m; inconclusive for sex=tiny (5 rows)"
    assert ratio.better == "nearer 1"


def test_more_groups_widen_the_interval():
    pair = [share(0.3, 400, "f"), share(0.4, 400, "m")]
    more = [*pair, share(0.35, 400, "x"), share(0.36, 400, "y")]
    assert disparity(more).low < disparity(pair).low


def test_few_clusters_widen_the_interval_of_a_disparity():
    values = [replace(share(p, 400, name), spread=Spread("binomial", p, n=400.0, df=df))
              for p, name, df in ((0.3, "f", 4.0), (0.4, "m", 40.0))]
    assert disparity(values).low < disparity([share(0.3, 400, "f"), share(0.4, 400, "m")]).low


@pytest.mark.parametrize("compare", ["ratio", "difference"])
def test_disparity_of_one_group_is_undefined(compare):
    assert disparity([share(0.3, 400, "f")], compare=compare).value is None
    assert disparity([share(0.0, 400, "f"), share(0.0, 400, "m")], compare="ratio").value is None


def test_a_group_that_nobody_selects_has_a_ratio_of_zero_with_an_interval():
    found = disparity([share(0.0, 100, "f"), share(0.5, 100, "m")])
    assert found.value == found.low == 0.0
    assert 0.0 < found.high < 0.2


# drift

def test_categories_that_were_too_many_to_count_are_said():
    many = [f"c{place}" for place in range(6000)]
    found = column_value("psi", many, many)
    assert "categories" in found.note
    assert found.value == pytest.approx(0.0, abs=0.05)


def test_missing_values_are_a_shift_of_their_own():
    rng = np.random.default_rng(0)
    data = rng.standard_normal(2000)
    gone = np.where(rng.uniform(size=2000) < 0.1, np.nan, data)
    assert column_value("psi", gone, data).low > 0.02
    assert column_value("ks", gone, data).value < 0.02


def test_a_class_that_ties_is_not_certain():
    """One score for all of nine positives: coverage of the truth over 400 draws, which err by 1.1 % each way."""
    rng = np.random.default_rng(0)
    for positives, high in ((9, 0.9), (5, 0.8), (20, 0.95), (9, 0.8)):
        truth, missed = 0.8 * high + 0.5 * (high * 0.2 + (1 - high) * 0.8), 0
        for _ in range(400):
            hits, false = rng.binomial(positives, high), rng.binomial(300, 0.2)
            scores = np.r_[np.repeat([0.3, 0.7], [positives - hits, hits]), np.repeat([0.3, 0.7], [300 - false, false])]
            label = np.r_[np.ones(positives, int), np.zeros(300, int)]
            summary = Scores()
            summary.update(label, scores)
            found = find("auc").value([summary], Target("binary", (0, 1), 1), {})
            missed += found.spread.p_at_most(truth) < 0.025  # surely above the truth
        assert missed / 400 <= 0.045


def test_many_categories_without_a_shift_do_not_drift():
    rng = np.random.default_rng(0)
    for draw in (lambda n: rng.integers(0, 1000, n), lambda n: rng.zipf(1.2, n) % 100_000, lambda n: rng.zipf(1.5, n) % 10_000):
        for metric, bound in (("psi", 0.25), ("jensen_shannon", 0.2), ("chi2", 0.1)):
            failed = sum(column_value(metric, list(map(str, draw(1000))), list(map(str, draw(1000)))).spread.p_at_most(bound) < 0.025
                         for _ in range(20))
            assert failed <= 2, metric


def test_a_new_category_that_many_rows_have_is_seen():
    then, now = ["a", "b"] * 500, ["a", "b"] * 400 + ["c"] * 200
    assert column_value("psi", then, now).low > 0.25
