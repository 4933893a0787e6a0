"""Estimates through the verb and the command: a sentence with an interval, why, refusal, rows to label, and what their labels say."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import assay
from assay.errors import ConfigError, DataError
from assay.result import Run
from tests.app.door import assay as command
from tests.app.door import sentence

NAMES = ("no", "yes")


def table(n: int, seed: int, *, old: float = 0.2, flipped: float = 0.0) -> pa.Table:
    """Loans: the model sees income; whether they are paid hangs on the job as well."""
    rng = np.random.default_rng(seed)
    job = np.where(rng.random(n) < old, "retired", rng.choice(["clerk", "cook"], n))
    income = rng.uniform(0, 1, n)
    chance = np.where(job == "retired", 0.5, 1 / (1 + np.exp(-8 * (income - 0.5))))
    paid = rng.random(n) < chance
    paid ^= rng.random(n) < flipped
    score = 1 / (1 + np.exp(-8 * (income - 0.5)))
    return pa.table({"income": income, "job": job, "id": np.arange(n) + 1000 * seed, "paid": np.where(paid, "yes", "no"),
                     "said": np.where(score >= 0.5, "yes", "no"), "chance_paid": score})


ROLES: dict[str, Any] = {"label": "paid", "prediction": "said", "score": "chance_paid", "id": "id", "classes": list(NAMES), "positive": "yes"}


def right(given: pa.Table) -> float:
    return float(np.mean([a == b for a, b in zip(given.column("paid").to_pylist(), given.column("said").to_pylist(), strict=True)]))


def estimated(now: pa.Table, **more: Any) -> Run:
    return assay.estimate(None, now.drop_columns(["paid"]), reference=table(4_000, 0), **{"metrics": ["accuracy"], **ROLES, **more})


def test_the_sentence_says_how_good_and_why() -> None:
    now = table(2_000, 1, old=0.6)
    run = estimated(now, slices=["job"])
    value = run.values[0]
    assert run.verdict == "pass"
    assert run.exit_code == 0
    assert value.low < right(now) < value.high
    assert value.value == pytest.approx(right(now), abs=0.04)
    assert run.sentences[0].startswith("estimated accuracy is 0.")
    assert "below the 0.76" in run.sentences[0]
    assert any("job is retired" in each and "60 % of the rows, 2" in each for each in run.sentences)
    by = {(each.metric, each.slice.get("job")): each.value for each in run.values if each.slice}
    assert by["accuracy", "retired"] == pytest.approx(0.5, abs=0.06)
    assert by["accuracy", "cook"] == pytest.approx(0.83, abs=0.05)
    assert by["selection_rate", "cook"] == pytest.approx(0.5, abs=0.1)
    reference = next(each for each in run.values if each.options)
    assert reference.name == "accuracy(of=reference)"
    assert reference.low < right(table(4_000, 0)) < reference.high
    assert Run.from_json(run.to_json()).sentences == run.sentences


def test_checks_are_judged_by_estimates() -> None:
    run = estimated(table(2_000, 1, old=0.6), metrics=(), checks=["accuracy >= 0.7", "recall by job >= 0.3", "auc >= champion - 0.1"])
    found = {each.check: [one.verdict for one in run.verdicts if one.check == each.check] for each in run.verdicts}
    assert found == {"accuracy >= 0.7": ["fail"], "recall by job >= 0.3": ["pass"] * 3}
    assert run.exit_code == 1
    assert any("not judged by estimates: 'auc >= champion - 0.1'" in each for each in run.notes)


def people(n: int, seed: int, *, odd: int = 0) -> pa.Table:
    """Loans of people: of group b the score says less, as its labels are half by chance."""
    given, rng = table(n, seed), np.random.default_rng(seed + 100)
    group = rng.choice(["a", "b"], n)
    lost = (group == "b") & (rng.random(n) < 0.5)
    paid = np.where(lost, rng.choice(NAMES, n), given.column("paid").to_pylist())
    group[:odd] = "c"
    return given.set_column(given.schema.get_field_index("paid"), "paid", pa.array(paid)).append_column("group", pa.array(group))


def test_groups_of_protected_columns_are_compared() -> None:
    now = people(2_000, 1, odd=12)
    run = assay.estimate(None, now.drop_columns(["paid"]), reference=people(4_000, 0), protected="group", metrics=[],
                         checks=["recall difference by group <= 0.02", "selection_rate ratio by group >= 0.8", "recall ratio by group >= 0.95"],
                         **ROLES)
    found = {each.metric: each for each in run.values if each.options.get("by") == "group"}
    assert set(found) == {f"{name} difference" for name in ("recall", "false_positive_rate", "accuracy", "selection_rate")} | \
        {"selection_rate ratio"}
    truth, said, group = (np.array(now.column(name).to_pylist()) for name in ("paid", "said", "group"))
    for name, label in (("recall", "yes"), ("false_positive_rate", "no")):
        rate = {each: float((said[(group == each) & (truth == label)] == "yes").mean()) for each in "ab"}
        value = found[f"{name} difference"]
        assert value.low < abs(rate["a"] - rate["b"]) < value.high
        assert "inconclusive for group=c (12 rows)" in value.note
    assert found["recall difference"].low > 0
    assert {each.check: each.verdict for each in run.verdicts} == {
        "recall difference by group <= 0.02": "fail", "selection_rate ratio by group >= 0.8": "pass", "recall ratio by group >= 0.95": "fail"}
    assert any(each.startswith("between groups of group: estimated recall 0.") for each in run.sentences)
    assert next(each.metric for each in run.values) == "accuracy"   # a check of groups does not change what is said first
    one = assay.estimate(None, now.drop_columns(["paid"]), reference=people(4_000, 0), by=["job"], metrics=["f1"], **ROLES)
    assert {each.metric for each in one.values if each.options.get("by")} == {
        "f1 difference", "selection_rate difference", "selection_rate ratio"}


def test_labels_to_ask_for_and_what_they_say(tmp_path: Path) -> None:
    now = table(2_000, 2, flipped=0.25)
    run = estimated(now, label_next=200, output=tmp_path / "next.csv")
    assert run.values[0].low > right(now)   # without labels a changed concept is not seen
    rows = list(csv.DictReader((tmp_path / "next.csv").read_text("utf-8").splitlines()))
    assert len(rows) == 200
    assert set(rows[0]) == {"row", "chance", "id", "label"}
    truth = now.column("paid").to_pylist()
    assert all(int(each["id"]) == now.column("id")[int(each["row"])].as_py() for each in rows)
    filled = pa.table({"row": [int(each["row"]) for each in rows], "chance": [float(each["chance"]) for each in rows],
                       "label": [truth[int(each["row"])] for each in rows]})
    settled = estimated(now, labels=filled)
    value = settled.values[0]
    assert value.low < right(now) < value.high
    assert value.method == "200 labels"
    assert any("the labels disagree" in each for each in settled.sentences)
    # some labels did not come
    every = filled.column("label").to_pylist()
    some = filled.set_column(2, "label", pa.array([each if place % 2 else None for place, each in enumerate(every)]))
    assert estimated(now, labels=some).values[0].method == "100 labels"
    with pytest.raises(DataError, match="of other data"):
        estimated(now, labels=filled.set_column(0, "row", pa.array([10_000] * 200)))


def test_rows_unlike_anything_labelled_are_refused_and_named() -> None:
    now = table(2_000, 3)
    job = pa.array(np.where(np.arange(2_000) % 3 == 0, "robot", now.column("job").to_pylist()))
    run = estimated(now.set_column(1, "job", job))
    assert run.verdict == "inconclusive"
    assert run.exit_code == 3
    assert run.values[0].value is None
    assert "cannot be said without labels" in run.sentences[0]
    assert any("unlike anything labelled: job is new (33 %" in each for each in run.sentences)


def test_what_cannot_be_meant_is_said() -> None:
    now = table(500, 4)
    with pytest.raises(ConfigError, match="no labelled rows to learn from"):
        assay.estimate(None, now, train=table(500, 5), **ROLES)
    with pytest.raises(ConfigError, match="is not a metric that can be estimated"):
        estimated(now, metrics=["acuracy"])
    with pytest.raises(ConfigError, match="both a number and a file"):
        estimated(now, label_next=10)
    with pytest.raises(ConfigError, match="no column holds the labels"):
        assay.estimate(None, now, reference=now, prediction="said", classes=list(NAMES), positive="yes")


def test_numbers_are_estimated_by_a_model() -> None:
    rng = np.random.default_rng(0)

    def rows(n: int, high: float) -> pa.Table:
        x = rng.uniform(0, high, n)
        return pa.table({"x": x, "y": x + (0.1 + x) * rng.normal(size=n)})

    now = rows(1_500, 0.5)
    run = assay.estimate(lambda batch: batch.column("x").to_numpy(), now.drop_columns(["y"]), reference=rows(4_000, 1.0), label="y",
                         task="regression")
    found = {each.metric: each for each in run.values if not each.options}
    error = np.abs(now.column("y").to_numpy() - now.column("x").to_numpy())
    assert set(found) == {"mae", "mse", "rmse"}
    assert found["mae"].low < error.mean() < found["mae"].high
    assert found["rmse"].value == pytest.approx(np.sqrt((error**2).mean()), rel=0.1)


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pq.write_table(table(3_000, 0), "reference.parquet")
    pq.write_table(table(1_500, 1, old=0.6).drop_columns(["paid"]), "now.parquet")
    Path("assay.yaml").write_text("data: reference.parquet\nreference: reference.parquet\nclasses: ['no', 'yes']\npositive: 'yes'\n"
                                  "columns: {label: paid, prediction: said, score: chance_paid, id: id}\n", "utf-8")
    run = command("estimate", "assay.yaml", "--data", "now.parquet", "--metric", "accuracy", "--label-next", "50", "--output", "next.csv",
                  "--json", "run.json", "--plain", cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("estimated accuracy is 0.")
    assert len(Path("next.csv").read_text("utf-8").splitlines()) == 51
    assert Run.from_json(Path("run.json").read_text("utf-8")).verb == "estimate"
    refused = command("estimate", "assay.yaml", "--data", "now.parquet", "--label-next", "5", "--output", "now.parquet", cwd=tmp_path)
    assert "this file is read, so it cannot be written" in sentence(refused)
