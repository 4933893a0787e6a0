"""Noise, missing feeds and features without use, of models that exist: scikit-learn's, LightGBM's, plain functions."""

from __future__ import annotations

import datetime as dt
import decimal
import time

import lightgbm
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from scipy import stats
from sklearn import datasets
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, mean_absolute_error, roc_auc_score

from assay.screen import SCREENS
from assay.screen.sensitivity import _auc, missing_effect, noise_effect, refuses_missing, unused
from tests.screen.studied import studied

FLAT = {"label": "y", "task": "binary", "classes": [0, 1]}


def by_column(screen, study) -> dict:
    return {each.column: each for each in screen.values(study)}


def numbers(width: int = 6, size: int = 1500, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(size, width))
    return pa.table({**{f"x{place}": x[:, place] for place in range(width)}, "y": (x[:, 0] + x[:, 1] + 0.5 * rng.normal(size=size) > 0).astype(int)})


def frame(table: pa.Table):
    return table.drop(["y"]).to_pandas()


@pytest.fixture(scope="module")
def boosted():
    table = numbers()
    return studied(HistGradientBoostingClassifier(max_iter=40, random_state=0).fit(frame(table), np.asarray(table["y"])), table, label="y")


# noise


def test_noise_changes_the_share_of_decisions_that_it_changes(boosted) -> None:
    found = noise_effect.values(boosted)[0]
    table = boosted.data.table
    rng = np.random.default_rng(1)
    shares = []
    for _ in range(40):
        shaken = frame(table)
        for name in shaken:
            low, high = np.quantile(shaken[name], [0.25, 0.75])
            shaken[name] += rng.normal(0, 0.01 * (high - low), len(shaken))
        answer = boosted.model.predict(pa.RecordBatch.from_pandas(shaken, preserve_index=False)).column("prediction").to_numpy()
        shares.append(np.mean(answer != boosted.answer().prediction))
    assert 0 < found.value < 0.05
    assert abs(found.value - np.mean(shares)) < 4 * np.std(shares)
    assert found.low < np.mean(shares) < found.high


def test_noise_of_a_linear_model_of_numbers_is_known_beforehand() -> None:
    rng = np.random.default_rng(0)
    table = pa.table({"x": rng.normal(size=2000), "whole": rng.integers(0, 100, 2000), "holed": np.where(rng.random(2000) < 0.1, np.nan, 3.0), "y": rng.normal(size=2000)})
    study = studied(lambda batch: 7 * batch.column("x").to_numpy(), table, label="y", task="regression")
    found = noise_effect.values(study)[0]
    assert found.value == pytest.approx(0.01 * np.sqrt(2 / np.pi), rel=0.08)  # the mean of |noise|, both in interquartile ranges
    assert found.low < found.value < found.high
    assert found.note == "1 of 3 features are fractions whose middle half varies"


def test_noise_reaches_fractions_only_and_keeps_types_and_gaps() -> None:
    seen: list[pa.RecordBatch] = []

    def model(batch):
        seen.append(batch)
        return np.full(batch.num_rows, 0.5)

    size = 200
    rng = np.random.default_rng(0)
    table = pa.table({"f": pa.array(rng.normal(size=size), pa.float32()), "gaps": pa.array([None if each % 3 == 0 else each / 7 for each in range(size)]),
                      "counts": np.arange(size) * 1.0, "whole": np.arange(size), "kind": ["a", "b"] * 100, "inf": np.where(np.arange(size) % 9, rng.normal(size=size), np.inf), "y": [0, 1] * 100})
    noise_effect.values(studied(model, table, **FLAT))
    batch = seen[-1]
    before, after = batch.slice(0, size), batch.slice(size)
    assert batch.schema.field("f").type == pa.float32()
    assert after.column("gaps").null_count == before.column("gaps").null_count
    for name in ("f", "gaps"):
        assert not before.column(name).equals(after.column(name))
    for name in ("counts", "whole", "kind"):
        assert before.column(name).equals(after.column(name))
    assert pc.sum(pc.is_inf(after.column("inf"))).as_py() == pc.sum(pc.is_inf(before.column("inf"))).as_py()


def test_the_threshold_decides() -> None:
    table = pa.table({"x": np.linspace(0, 1, 1000) + 1e-5, "y": [0, 1] * 500})
    at, far = (noise_effect.values(studied(lambda batch: np.clip(batch.column("x").to_numpy(), 0, 1), table, threshold=each, **FLAT))[0].value for each in (0.5, 0.0))
    assert at > 0
    assert far == 0


def test_noise_without_fractions() -> None:
    study = studied(lambda batch: np.full(batch.num_rows, 0.5), pa.table({"x": [1, 2] * 20, "y": [0, 1] * 20}), **FLAT)
    found = noise_effect.values(study)[0]
    assert (found.value, found.note) == (None, "no feature is a fraction whose middle half varies")


# missing


def test_missing_features_cost_what_scikit_learn_measures(boosted) -> None:
    truth = boosted.outcome()
    whole = roc_auc_score(truth, boosted.answer().score[:, 1])
    found = by_column(missing_effect, boosted)
    assert list(found) == [f"x{place}" for place in range(6)]
    for name, each in found.items():
        gone = frame(boosted.data.table)
        gone[name] = np.nan
        score = boosted.model.predict(pa.RecordBatch.from_pandas(gone, preserve_index=False)).column("score").flatten().to_numpy()[1::2]
        assert each.value == pytest.approx(max(whole - roc_auc_score(truth, score), 0), abs=1e-9)
    assert found["x0"].low > 0.1
    assert found["x5"].value < 0.02


def test_the_interval_of_a_loss_is_that_of_paired_resamples(boosted) -> None:
    truth, first = boosted.outcome(), boosted.answer().score[:, 1]
    gone = frame(boosted.data.table).assign(x1=np.nan)
    second = boosted.model.predict(pa.RecordBatch.from_pandas(gone, preserve_index=False)).column("score").flatten().to_numpy()[1::2]
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(400):
        rows = rng.integers(0, len(truth), len(truth))
        drawn.append(roc_auc_score(truth[rows], first[rows]) - roc_auc_score(truth[rows], second[rows]))
    found = by_column(missing_effect, boosted)["x1"]
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.std(drawn), rel=0.12)


def test_several_classes_and_numbers() -> None:
    bunch = datasets.load_wine(as_frame=True)
    table = pa.Table.from_pandas(bunch.data.assign(y=bunch.target), preserve_index=False)
    study = studied(HistGradientBoostingClassifier(max_iter=20).fit(bunch.data, bunch.target), table, label="y")
    found = by_column(missing_effect, study)
    name = max(found, key=lambda each: found[each].value)
    model = lightgbm.LGBMRegressor(n_estimators=30, verbose=-1).fit(bunch.data, bunch.data["alcohol"] + bunch.target)
    gone = bunch.data.copy()
    gone[name] = np.nan
    assert found[name].value == pytest.approx(1 - accuracy_score(bunch.target, HistGradientBoostingClassifier(max_iter=20).fit(bunch.data, bunch.target).predict(gone)))
    truth = bunch.data["alcohol"] + bunch.target
    study = studied(model, pa.Table.from_pandas(bunch.data.assign(y=truth), preserve_index=False), label="y")
    gone = bunch.data.copy()
    gone["alcohol"] = np.nan
    loss = mean_absolute_error(truth, model.predict(gone)) / mean_absolute_error(truth, model.predict(bunch.data)) - 1
    assert by_column(missing_effect, study)["alcohol"].value == pytest.approx(loss)
    assert loss > 1


def test_a_model_that_refuses_missing_values() -> None:
    table = numbers(3)
    study = studied(LogisticRegression().fit(frame(table), np.asarray(table["y"])), table, label="y")
    found = by_column(missing_effect, study)
    assert all(each.value is None and each.note.startswith("the model refuses missing values: ") for each in found.values())
    assert "NaN" in found["x0"].note


def test_one_refused_feature_leaves_the_others() -> None:
    def model(batch):
        if batch.column("b").null_count:
            raise ValueError("b must be there")
        return 1 / (1 + np.exp(-np.nan_to_num(np.asarray(batch.column("a").to_numpy(zero_copy_only=False), float))))

    rng = np.random.default_rng(0)
    a = rng.normal(size=500)
    table = pa.table({"a": a, "b": a, "c": a, "gone": pa.nulls(500, pa.float64()), "y": (a > 0).astype(int)})
    found = by_column(missing_effect, studied(model, table, **FLAT))
    assert found["a"].value == pytest.approx(0.5)
    assert "b must be there" in found["b"].note
    assert (found["c"].value, found["c"].low, found["c"].high) == (0, 0, 0)
    assert found["gone"].note == "it is missing in every row as it is"


def test_of_many_features_those_that_are_used_most() -> None:
    rng = np.random.default_rng(0)
    size, width = 400, 150
    x = rng.normal(size=(size, width))
    table = pa.table({**{f"x{place}": x[:, place] for place in range(width)}, "y": x[:, 120] + 0.5 * x[:, 140] + 0.01 * rng.normal(size=size)})
    found = by_column(missing_effect, studied(lightgbm.LGBMRegressor(n_estimators=30, verbose=-1).fit(frame(table), np.asarray(table["y"])), table, label="y"))
    assert len(found) == 100
    assert found["x120"].value > 0.5
    assert "the others were not looked at" in found["x140"].note


def test_entities_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(40), 50)
    a = rng.normal(size=40)[who]
    table = pa.table({"a": a, "who": who, "y": (a + rng.normal(size=40)[who] > 0).astype(int)})

    def model(batch):
        return 1 / (1 + np.exp(-np.nan_to_num(np.asarray(batch.column("a").to_numpy(zero_copy_only=False), float))))

    wide, narrow = (by_column(missing_effect, studied(model, table, **FLAT, **more))["a"] for more in ({"entity": "who"}, {"ignored": ["who"]}))
    assert wide.value == narrow.value
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)


def test_no_loss_of_what_has_no_performance() -> None:
    table = numbers(2, 100)
    study = studied(lambda batch: np.zeros(batch.num_rows), table, label="y", task="ranking")
    assert missing_effect.values(study)[0].note == "no loss of ranking is measured"
    lonely = table.set_column(2, "y", pa.array([1] * 100))
    assert all(each.value is None for each in missing_effect.values(studied(lambda batch: np.full(batch.num_rows, 0.5), lonely, **FLAT)))


@pytest.mark.parametrize("weighted", [False, True])
def test_area_and_its_error(weighted: bool) -> None:
    rng = np.random.default_rng(3)
    score, truth = rng.integers(0, 20, 300) / 20, rng.random(300) < 0.4
    weight = rng.integers(1, 4, 300).astype(float) if weighted else np.ones(300)
    area, influence = _auc(score, truth, weight / weight.sum())
    assert area == pytest.approx(roc_auc_score(truth, score, sample_weight=weight))
    assert influence.sum() == pytest.approx(0)
    if not weighted:
        same = stats.mannwhitneyu(score[truth], score[~truth]).statistic / truth.sum() / (~truth).sum()
        assert area == pytest.approx(same)


# use


def test_a_model_that_ignores_half_of_its_features() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(800, 8))
    table = pa.table({**{f"x{place}": x[:, place] for place in range(8)}, "same": np.ones(800), "y": x[:, :4].sum(axis=1)})
    found = by_column(unused, studied(lambda batch: sum(batch.column(f"x{place}").to_numpy() for place in range(4)), table, label="y", task="regression"))
    assert {name: each.value for name, each in found.items()} == {**{f"x{place}": float(place >= 4) for place in range(8)}, "same": None}
    assert "one value" in found["same"].note
    assert found["x7"].low == found["x7"].high == 1


@pytest.mark.parametrize("kind", ["forest", "boosted", "lightgbm", "linear"])
def test_unused_is_what_the_model_itself_says(kind: str) -> None:
    table = numbers(12, 1200)
    outcome = np.asarray(table["y"])
    model = {"forest": RandomForestClassifier(3, max_depth=2, random_state=0), "boosted": GradientBoostingRegressor(n_estimators=4, max_depth=2, random_state=0),
             "lightgbm": lightgbm.LGBMClassifier(n_estimators=3, num_leaves=4, verbose=-1), "linear": LinearRegression()}[kind].fit(frame(table), outcome)
    if kind == "linear":
        model.coef_[[3, 5]] = 0
    weights = np.asarray(model.coef_ if kind == "linear" else model.feature_importances_, float)
    found = by_column(unused, studied(model, table, label="y"))
    assert {name for name, each in found.items() if each.value == 1} == {f"x{place}" for place in np.flatnonzero(weights == 0)}
    assert 0 < (weights == 0).sum() < 12


def test_a_rare_value_that_counts_is_seen() -> None:
    size = 20_000
    flag = np.zeros(size)
    flag[::4000] = 1  # five rows of twenty thousand
    table = pa.table({"flag": flag, "noise": np.random.default_rng(0).normal(size=size), "y": [0, 1] * (size // 2)})
    found = by_column(unused, studied(lambda batch: 0.2 + 0.6 * batch.column("flag").to_numpy(), table, **FLAT))
    assert (found["flag"].value, found["noise"].value) == (0, 1)


def test_a_model_of_one_answer_uses_nothing() -> None:
    found = by_column(unused, studied(lambda batch: np.full(batch.num_rows, 0.3), numbers(3), **FLAT))
    assert [each.value for each in found.values()] == [1, 1, 1]


def test_columns_that_are_no_input_are_not_named() -> None:
    table = numbers(3).append_column("other", pa.array(np.arange(1500)))
    found = by_column(unused, studied(LogisticRegression().fit(table.select(["x0", "x2"]).to_pandas(), np.asarray(table["y"])), table, label="y"))
    assert set(found) == {"x0", "x2"}


HOSTILE = 120


def hostile() -> pa.Table:
    rng = np.random.default_rng(0)
    x = rng.normal(size=HOSTILE)
    return pa.table({
        "x": x, "nothing": pa.array([None] * HOSTILE, pa.float64()), "null": pa.nulls(HOSTILE), "infinite": np.where(x > 0, np.inf, -np.inf), "huge": x * 1e307, "tiny": x * 1e-320,
        "half": pa.array(x.astype(np.float16)), "flag": pa.array([None, True, False] * 40), "money": pa.array([decimal.Decimal(int(each * 100)) / 100 for each in x], pa.decimal128(20, 2)),
        "day": pa.array([dt.date(2024, 1, 1) + dt.timedelta(days=each) for each in range(HOSTILE)]), "moment": pa.array(rng.integers(0, 10**15, HOSTILE), pa.timestamp("us", "UTC")),
        "clock": pa.array(rng.integers(0, 86400, HOSTILE), pa.int32()).cast(pa.time32("s")), "span": pa.array(rng.integers(0, 99, HOSTILE), pa.duration("s")),
        "text": [f"v{each % 40}" for each in range(HOSTILE)], "dictionary": pa.array(["a", "b", None] * 40).dictionary_encode(), "bytes": pa.array([b"\xff", b"b"] * 60),
        "y": pa.array([None if each % 11 == 0 else int(x[each] > 0) for each in range(HOSTILE)])})


def test_hostile_columns_do_no_harm() -> None:
    table = hostile()

    def model(batch):
        return np.where(np.isfinite(np.nan_to_num(np.asarray(batch.column("x").to_numpy(zero_copy_only=False), float), nan=-1)), 0.4, 0.4) + 0.1 * (
            batch.column("x").is_valid().to_numpy(zero_copy_only=False) & (np.nan_to_num(np.asarray(batch.column("x").to_numpy(zero_copy_only=False), float)) > 0))

    study = studied(model, table, **FLAT)
    assert noise_effect.values(study)[0].value is not None
    lost = by_column(missing_effect, study)
    assert lost["x"].value == 0.5
    assert {name for name, each in lost.items() if each.value is None} == {"nothing", "null"}
    used = by_column(unused, study)
    assert {name for name, each in used.items() if each.value == 0} == {"x"}
    assert {name for name, each in used.items() if each.value is None} == {"nothing", "null"}


@pytest.mark.parametrize("size", [1, 2, 3])
def test_hardly_any_row(size: int) -> None:
    study = studied(lambda batch: np.clip(batch.column("x0").to_numpy(), 0, 1), numbers(2, 50).slice(0, size), **FLAT)
    for each in (noise_effect, unused):
        each.values(study)
    missing_effect.values(study)


def test_a_model_that_fails_on_every_row_makes_notes() -> None:
    def model(batch):
        raise RuntimeError("broken")

    study = studied(model, numbers(3), **FLAT)
    for screen in (noise_effect, missing_effect, unused):
        found = screen.values(study)
        assert found
        assert all(each.value is None and "broken" in each.note for each in found)


def test_a_model_that_refuses_some_values() -> None:
    def model(batch):
        if (batch.column("x0").to_numpy() != batch.column("x1").to_numpy()).any():
            raise ValueError("x0 and x1 belong together")
        return np.clip(batch.column("x0").to_numpy(), 0, 1)

    x = np.random.default_rng(0).random(300)
    found = by_column(unused, studied(model, pa.table({"x0": x, "x1": x, "x2": x, "y": [0, 1] * 150}), **FLAT))
    assert "belong together" in found["x0"].note
    assert found["x2"].value == 1


def test_they_are_found_by_name_and_need_a_model_that_answers_again() -> None:
    table = pa.table({"x": np.arange(40.0), "score": np.full(40, 0.5), "y": [0, 1] * 20})
    study = studied(None, table, label="y", score="score", task="binary")
    for name in ("noise_effect", "missing_effect", "unused"):
        assert "cannot be asked again" in str(SCREENS[name].missing(study))


def test_memory_is_bounded_by_small_stacks(monkeypatch) -> None:
    sizes: list[int] = []

    def model(batch):
        sizes.append(batch.num_rows)
        return np.clip(batch.column("x0").fill_null(0).to_numpy(zero_copy_only=False), 0, 1)

    study = studied(model, numbers(40, 2000), **FLAT)
    first = by_column(missing_effect, study)
    calls = len(sizes)
    monkeypatch.setattr("assay.screen.sensitivity.CELLS", 300_000)
    study._held.pop("gone")
    assert by_column(missing_effect, study) == first
    assert max(sizes[calls:]) <= 300_000 / 41 + 2000
    assert calls < 4


@pytest.mark.slow
def test_a_thousand_features_take_seconds() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 1000))
    table = pa.table({**{f"x{place}": x[:, place] for place in range(1000)}, "y": (x[:, :20].sum(axis=1) > 0).astype(int)})
    model = lightgbm.LGBMClassifier(n_estimators=40, n_jobs=1, verbose=-1).fit(frame(table), np.asarray(table["y"]))
    study = studied(model, table, label="y")
    began = time.process_time()
    found = by_column(unused, study)
    assert time.process_time() - began < 30
    mistaken = [name for place, name in enumerate(f"x{each}" for each in range(1000)) if found[name].value is not None
                and (found[name].value == 1) != (model.feature_importances_[place] == 0)]
    assert len(mistaken) <= 10  # one that acts on rare rows only may be missed
    assert sum(each.value is None for each in found.values()) == 0


@pytest.mark.slow
def test_the_interval_of_a_loss_covers_the_truth() -> None:
    # y = (a + e > 0) with a score of a: the AUC is 1/2 without a, and what it is with a comes from a million rows
    def rows(size: int, rng) -> pa.Table:
        a = rng.normal(size=size)
        return pa.table({"a": a, "y": (a + rng.normal(size=size) > 0).astype(int)})

    def model(batch):
        return 1 / (1 + np.exp(-np.nan_to_num(np.asarray(batch.column("a").to_numpy(zero_copy_only=False), float))))

    many = rows(1_000_000, np.random.default_rng(99))
    truth = roc_auc_score(np.asarray(many["y"]), np.asarray(many["a"])) - 0.5
    covered = []
    for seed in range(400):
        found = by_column(missing_effect, studied(model, rows(300, np.random.default_rng(seed)), **FLAT))["a"]
        covered.append(found.low <= truth <= found.high)
    assert 0.925 <= np.mean(covered) <= 0.98


def test_what_a_model_refuses_is_a_fact_of_it(boosted) -> None:
    table = numbers(3)
    lines = studied(LogisticRegression().fit(frame(table), np.asarray(table["y"])), table, label="y")
    found = by_column(refuses_missing, lines)
    assert {name: each.value for name, each in found.items()} == {"x0": 1.0, "x1": 1.0, "x2": 1.0}
    assert "NaN" in found["x0"].note
    assert {each.value for each in refuses_missing.values(boosted)} == {0.0}


def test_nothing_is_said_of_a_model_that_never_answers() -> None:
    def down(batch: object) -> np.ndarray:
        raise RuntimeError("down")

    assert {each.value for each in refuses_missing.values(studied(down, numbers(3), **FLAT))} == {None}
