"""The gate end to end on real models and data: numbers agree with counting, harm is blocked and named, nothing needs a configuration."""

from __future__ import annotations

import datetime as dt
import sqlite3

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression

import assay
from assay.errors import ConfigError, ExpressionError, SignatureError, StoreError, UnknownNameError
from assay.store import Store

ROWS = 12_000


@pytest.fixture(scope="module")
def world():
    """Customers of three countries, a model of them, and one that reads them wrong in one country."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(2 * ROWS, 3)), columns=["a", "b", "c"])
    frame["country"] = rng.choice(["DE", "FR", "LU"], len(frame), p=[0.6, 0.37, 0.03])
    chance = 1 / (1 + np.exp(-1.5 * frame["a"] - frame["b"]))
    frame["late"] = (rng.random(len(frame)) < chance).astype(int)
    frame["day"] = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(np.arange(len(frame)) % 100, unit="D")
    train, test = frame.iloc[:ROWS], frame.iloc[ROWS:]
    champion = LogisticRegression().fit(train[["a", "b"]], train["late"])
    return train, test, champion


class Drifting(ClassifierMixin, BaseEstimator):
    """A model that is wrong for a share of the people in France."""

    def __init__(self, base=None, step=0):
        self.base, self.step = base, step
        self.classes_ = np.array([0, 1])

    def fit(self, *_):
        return self

    def predict_proba(self, frame):
        scores = self.base.predict_proba(frame[["a", "b"]])[:, 1]
        hit = (frame["country"] == "FR") & (np.abs(frame["c"] * 1000 % 1) < 0.012 * self.step)
        scores = np.where(hit, 1 - scores, scores)
        return np.stack([1 - scores, scores], axis=1)

    def predict(self, frame):
        return self.predict_proba(frame).argmax(axis=1)


def callable_of(model, harmed=None):
    def answer(batch: pa.RecordBatch):
        frame = pa.Table.from_batches([batch]).to_pandas()
        scores = model.predict_proba(frame[["a", "b"]])[:, 1]
        if harmed is not None:
            scores = np.where(frame["country"] == harmed, 0.9, scores)   # everybody there is refused
        return scores

    return answer


def gate(world, candidate, **rest):
    _, test, champion = world
    given = {"label": "late", "task": "binary", "classes": [0, 1], "slices": ["country"], "timestamp": "day"}
    return assay.gate(candidate, test, champion=callable_of(champion), **{**given, **rest})


def test_a_harmed_country_is_blocked_by_name_and_nobody_else(world) -> None:
    run = gate(world, callable_of(world[2], "FR"))
    assert (run.verdict, run.exit_code, run.about["decision"]) == ("fail", 1, "block")
    named = {each.slice.get("country") for each in run.verdicts if each.verdict == "fail" and each.slice}
    assert named == {"FR"}
    assert any("country FR" in each and "at risk" in each for each in run.notes)


def test_the_same_model_again_is_released(world) -> None:
    run = gate(world, callable_of(world[2]))
    assert (run.verdict, run.about["decision"]) == ("pass", "release")
    churn, = [each for each in run.values if each.metric == "churn" and not each.slice]
    assert churn.value == 0


def test_differences_and_churn_agree_with_counting(world) -> None:
    _, test, champion = world
    run = gate(world, callable_of(champion, "FR"))
    old = champion.predict_proba(test[["a", "b"]])[:, 1]
    new = np.where(test["country"] == "FR", 0.9, old)
    truth = test["late"].to_numpy()
    found = {(each.metric, each.slice.get("country"), each.options.get("positive")): each.value for each in run.values
             if each.against == "champion" or each.metric in ("churn", "mended", "broken", "score_change", "flipped_to")}
    hits = [(scores >= 0.5) == truth for scores in (new, old)]
    french = (test["country"] == "FR").to_numpy()
    assert found["accuracy", "FR", None] == pytest.approx(hits[0][french].mean() - hits[1][french].mean())
    assert found["brier", "DE", None] == pytest.approx(0.0, abs=1e-12)
    assert found["churn", None, None] == pytest.approx(np.mean((old >= 0.5) != (new >= 0.5)))
    assert found["churn", "FR", None] == pytest.approx(np.mean(((old >= 0.5) != (new >= 0.5))[french]))
    assert found["broken", None, None] == pytest.approx(np.mean(hits[1] & ~hits[0]))
    assert found["mended", None, None] == pytest.approx(np.mean(~hits[1] & hits[0]))
    assert found["flipped_to", None, 1] == pytest.approx(np.mean((old < 0.5) & (new >= 0.5)))
    assert found["score_change", None, None] == pytest.approx(np.abs(new - old).mean())


def test_named_guardrails_and_goals(world) -> None:
    run = gate(world, callable_of(world[2]), rules={"success": ["auc"], "guardrails": ["recall by country >= champion - 0.05"]})
    by_check = {each.check: each for each in run.verdicts if each.aspect in ("success", "guardrails") and not each.slice}
    assert by_check["auc >= champion"].verdict == "inconclusive"   # the same is not better
    assert run.exit_code == 3
    assert {each.check for each in run.verdicts if each.aspect == "guardrails"} == {"recall by country >= champion - 0.05"}
    loose = gate(world, callable_of(world[2], "FR"), rules={"guardrails": ["log_loss where country == 'DE' <= champion * 1.05"]})
    assert loose.verdict == "pass"


def test_costs_become_what_is_guarded(world) -> None:
    costs = {"1": {"0": 5}, "0": {"1": 1}}
    run = gate(world, callable_of(world[2], "FR"), rules={"costs": costs})
    _, test, champion = world
    old = champion.predict_proba(test[["a", "b"]])[:, 1] >= 0.5
    new = old | (test["country"] == "FR").to_numpy()
    truth = test["late"].to_numpy() == 1
    spent = [np.mean(5 * (truth & ~answers) + (~truth & answers)) for answers in (new, old)]
    cost, = [each for each in run.values if each.metric == "cost" and each.against == "champion" and not each.slice]
    assert cost.value == pytest.approx(spent[0] - spent[1])
    assert any("saved a thousand rows" in each for each in run.notes)
    with pytest.raises(ConfigError, match="no class"):
        gate(world, callable_of(world[2]), rules={"costs": {"late": {"0": 5}}})


def test_levels_budgets_churn_and_overrides(world, tmp_path) -> None:
    train, test, champion = world
    rules = {"levels": ["accuracy >= 0.99"], "budgets": {"latency": "10s", "size": "1MB", "staleness": "10d"}, "churn": 0.01,
             "overrides": [{"where": "a > 2", "answer": 1, "since": "2020-01-01"}]}
    path = tmp_path / "candidate.joblib"
    joblib.dump(champion, path)
    run = assay.gate(path, test, champion=callable_of(champion), rules=rules, train=train, label="late", timestamp="day", classes=[0, 1],
                     task="binary", trust=True, ignored=["c", "country"], now=dt.datetime(2026, 5, 1, tzinfo=dt.UTC))
    by = {}
    for each in run.verdicts:
        by.setdefault(each.aspect, []).append(each)
    assert [each.verdict for each in by["service levels"]] == ["fail"]
    assert {each.check.split()[0]: each.verdict for each in by["service"]} == {"latency": "pass", "size": "pass", "staleness": "fail"}
    assert [each.verdict for each in by["churn"]] == ["pass"]
    rule, = by["overrides"]
    assert f"{int((test['a'] > 2).sum()):,} of {len(test):,} rows" in rule.sentence
    with pytest.raises(ExpressionError, match="nobody"):
        gate(world, callable_of(champion), rules={"overrides": [{"where": "nobody > 2"}]})


def test_harm_that_adds_up_is_seen_through_the_store(world) -> None:
    """Ten releases, each a little worse in one country than the last, each within what is tolerated."""
    _, test, champion = world
    given = {"label": "late", "features": ["a", "b", "c", "country"], "timestamp": "day",
             "rules": {"guardrails": ["accuracy by country >= champion - 0.03"]}}
    told = []
    with Store(":memory:") as store:
        for step in range(1, 8):
            run = assay.gate(Drifting(champion, step), test, champion=Drifting(champion, step - 1), store=store, **given)
            told.append({each.aspect: each.verdict for each in run.verdicts if each.verdict == "fail"})
        alone = assay.gate(Drifting(champion, 7), test, champion=Drifting(champion, 6), **given)
    assert all("guardrails" not in each for each in told)      # no single release loses too much
    assert "accumulated harm" not in told[0]
    assert told[-1] == {"accumulated harm": "fail"}
    assert alone.verdict != "fail"


def test_rolling_back_names_the_best_or_none(world) -> None:
    _, test, champion = world
    given = {"label": "late", "task": "binary", "classes": [0, 1]}
    good, bad, worse = callable_of(champion), callable_of(champion, "FR"), callable_of(champion, "DE")
    run = assay.gate(None, test, champion=bad, rollback=[worse, good], **given)
    assert (run.verdict, run.verdicts[0].model) == ("pass", "earlier model 2")
    assert assay.gate(None, test, champion=good, rollback=[bad, worse], **given).exit_code == 1
    same = assay.gate(None, test, champion=good, rollback=[good], **given)
    assert same.exit_code == 3
    gain, = [each for each in run.values if each.metric == "auc" and each.against and each.model == "earlier model 2"]
    assert gain.value > 0


def test_an_id_that_was_learned_by_heart_is_named(world) -> None:
    train, test, champion = world
    frame = pd.concat([train, test.iloc[:3_000]]).reset_index(drop=True)
    frame["account"] = [f"ACC{each:07d}" for each in range(len(frame))]
    known = dict(zip(frame["account"], frame["late"], strict=True))
    judged = frame.iloc[-3_000:]

    def by_heart(batch: pa.RecordBatch):
        names = batch.column("account").to_pylist()
        return np.array([known.get(each, 0) * 0.98 + 0.01 for each in names])

    run = assay.gate(by_heart, judged, champion=callable_of(champion), train=frame, label="late", task="binary", classes=[0, 1],
                     timestamp="day")
    leaks = [each for each in run.verdicts if each.aspect == "leakage" and each.verdict == "fail"]
    assert run.about["decision"] == "block"
    assert any("account" in each.sentence for each in leaks)
    assert any("training data" in each.sentence for each in leaks)


def test_numbers_and_without_labels() -> None:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"x": rng.normal(size=6_000), "site": rng.choice(["n", "s"], 6_000)})
    frame["y"] = frame["x"] * 2 + rng.normal(size=6_000)
    old = HistGradientBoostingRegressor(max_iter=30).fit(frame[["x"]], frame["y"])

    def new(batch):
        x, site = batch.column("x").to_numpy(), np.array(batch.column("site").to_pylist())
        return old.predict(pd.DataFrame({"x": x})) + np.where(site == "s", 1.0, 0.0)

    def before(batch):
        return old.predict(pd.DataFrame({"x": batch.column("x").to_numpy()}))

    run = assay.gate(new, frame, champion=before, label="y", task="regression", slices=["site"])
    assert {each.slice.get("site") for each in run.verdicts if each.verdict == "fail" and each.slice} == {"s"}
    moved, = [each for each in run.values if each.metric == "answer_change" and not each.slice]
    assert moved.value == pytest.approx((frame["site"] == "s").mean(), abs=1e-9)
    blind = assay.gate(new, frame.drop(columns="y"), champion=before, task="regression", slices=["site"])
    assert blind.verdict == "inconclusive"


def test_what_cannot_be_meant_is_told(world) -> None:
    _, test, champion = world
    model = callable_of(champion)
    given = {"label": "late", "task": "binary", "classes": [0, 1]}
    with pytest.raises(ConfigError, match="no champion"):
        assay.gate(model, test, **given)
    with pytest.raises(ConfigError, match="no data"):
        assay.gate(model, champion=model)
    with pytest.raises(ConfigError, match="wrong side"):
        assay.gate(model, test, champion=model, rules={"guardrails": ["recall <= champion + 0.1"]}, **given)
    with pytest.raises(UnknownNameError):
        assay.gate(model, test, champion=model, rules={"guardrails": ["recal >= champion - 0.1"]}, **given)
    with pytest.raises(ConfigError, match="no argument"):
        assay.gate(model, test, champion=model, lable="late")
    with pytest.raises(ConfigError, match="without a label"):
        assay.gate(None, test, champion=model, rollback=[model], task="binary", classes=[0, 1])
    number = assay.load(lambda batch: np.zeros(batch.num_rows), task="regression")
    with pytest.raises(SignatureError):
        assay.gate(assay.load(model, task="binary", classes=[0, 1]), test, champion=number, label="late")


def test_what_was_judged_is_not_lost_with_the_store(world, tmp_path, monkeypatch) -> None:
    """Another process holds the store for long: the verdict stands, and says that it is not remembered."""
    path = tmp_path / "gate.db"
    Store(path).close()
    monkeypatch.setitem(Store.__init__.__kwdefaults__, "wait", 0.1)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("begin immediate")   # it may be read, and not be written
    run = gate(world, callable_of(world[2]), store=path)
    holder.close()
    assert run.about["decision"] == "release"
    lost, = [each for each in run.verdicts if each.check == "store"]
    assert lost.verdict == "warn"
    assert "not remembered" in lost.sentence


def test_a_tolerance_that_does_nothing_is_told(world) -> None:
    same = callable_of(world[2])
    with pytest.raises(UnknownNameError, match="did you mean"):
        gate(world, same, rules={"tolerance": {"acuracy": 0.1}})
    assert any("tolerance of recall does nothing" in each for each in gate(world, same, rules={"tolerance": {"recall": 0.1}}).notes)
    both = gate(world, same, rules={"tolerance": 0.1, "guardrails": ["accuracy by country >= champion + 0.05"]})
    assert any("beside guardrails" in each for each in both.notes)
    assert "0.05 more is asked" in both.verdicts[0].sentence


def test_the_slice_that_lost_most_is_told_first(world) -> None:
    run = gate(world, callable_of(world[2], "FR"), rules={"guardrails": ["accuracy by country >= champion - 0.02"]})
    lost = [each.value.value for each in run.verdicts if each.aspect == "guardrails"]
    assert len(lost) == 3
    assert lost == sorted(lost)
    assert run.verdicts[0].slice == {"country": "FR"}


def test_a_broken_store_is_told_before_anything_is_scored(world, tmp_path) -> None:
    (tmp_path / "gate.db").write_text("no database")

    def never(batch):
        raise AssertionError("it was asked")

    with pytest.raises(StoreError):
        gate(world, never, store=tmp_path / "gate.db")


BEHAVIOUR = """
tests:
  - {name: more of a is later, kind: direction, change: {a: {add: [0.5, 2]}}, expect: not lower, rows: 50}
  - {name: few of a and b are on time, kind: functionality, where: a < -2 and b < -1, at_least: 80%}
"""


def test_behaviour_tests_count(world, tmp_path) -> None:
    folder = tmp_path / "behaviour"
    folder.mkdir()
    (folder / "late.assay.yaml").write_text(BEHAVIOUR)
    same, turned = callable_of(world[2]), callable_of(Turned(world[2]))
    run = gate(world, same, behaviour=folder)
    told = {each.check: each for each in run.verdicts if each.aspect == "behaviour"}
    assert run.about["decision"] == "release"
    assert [each.verdict for each in told.values()] == ["pass", "pass"]
    run = gate(world, turned, rules={"behaviour": str(folder), "guardrails": ["accuracy >= champion - 1"]}, slices=[])
    told = {each.check: each for each in run.verdicts if each.aspect == "behaviour"}
    assert run.about["decision"] == "block"
    assert told["more of a is later"].verdict == "fail"
    assert "goes from" in told["more of a is later"].sentence
    (folder / "late.assay.yaml").write_text(BEHAVIOUR.replace("add: [0.5, 2]", "ad: 1"))
    with pytest.raises(ConfigError):
        gate(world, same, behaviour=folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="no behaviour tests"):
        gate(world, same, rules={"behaviour": str(tmp_path / "empty")})


class Turned:
    """A model that answers the other way round where there is much of a."""

    def __init__(self, base):
        self.base = base

    def predict_proba(self, frame):
        scores = self.base.predict_proba(frame)[:, 1]
        scores = np.where(frame["a"].to_numpy() > 2, 1 - scores, scores)
        return np.stack([1 - scores, scores], axis=1)
