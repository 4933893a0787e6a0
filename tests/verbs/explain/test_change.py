"""Changes and gaps through the verb: planted ones are told first, in words, with numbers that add up."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import assay
from assay.errors import ConfigError, UnknownColumnError
from assay.explain.split import PARTS
from assay.verbs.config import read


def made(months: int = 2, n: int = 1000) -> pa.Table:
    """Months of a stream: from the second on, x is higher by a fifth, and outcomes of port B are turned round."""
    random = np.random.default_rng(4)
    month = np.repeat(np.arange(1, months + 1), n)
    x, z = random.random(n * months), random.random(n * months)
    x = np.where(month > 1, np.minimum(x + 0.2 * (random.random(n * months) < 0.5), 1.0), x)
    port = np.where(random.random(n * months) < 0.3, "B", "A")
    late = random.random(n * months) < x
    late = np.where((month > 1) & (port == "B"), ~late, late).astype(int)
    at = [dt.datetime(2013, int(each), 1 + int(day)) for each, day in zip(month, random.integers(0, 28, n * months), strict=True)]
    return pa.table({"x": x, "z": z, "port": port, "late": late, "at": pa.array(at, pa.timestamp("s")), "id": np.arange(n * months)})


def score(batch: pa.RecordBatch) -> Any:
    return batch.column("x").to_numpy()


GIVEN: dict[str, Any] = {"label": "late", "task": "binary", "classes": [0, 1], "timestamp": "at", "id": "id", "features": ["x", "z", "port"]}


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return made()


@pytest.fixture(scope="module")
def run(table: pa.Table) -> Any:
    return assay.explain(score, table, between=("2013-01", "2013-02"), **GIVEN)


def test_the_error_comes_first_with_its_kind(run: Any) -> None:
    first = run.sentences[0]
    assert first.startswith("accuracy is ")
    assert " lower in 2013-02 " in first
    kinds = {each.metric.removeprefix("accuracy change by "): each for each in run.values if " by " in each.metric}
    assert set(kinds) == set(PARTS)
    answered = kinds["other outcomes for the same inputs"]
    assert answered.high < 0
    assert abs(answered.value) > 5 * abs(kinds["inputs never seen before"].value)
    whole = next(each for each in run.values if each.metric == "accuracy change" and each.column is None)
    assert sum(each.value for each in kinds.values()) == pytest.approx(whole.value, abs=1e-9)


def test_the_score_moved_by_its_input(run: Any) -> None:
    parts = [each for each in run.values if each.metric == "score change" and each.column]
    assert [each.column for each in parts] == ["x"]
    assert parts[0].low > 0
    assert {each.kind for each in run.figures} == {"interval", "waterfall"}
    assert assay.Run.from_json(run.to_json()).values == run.values


@pytest.mark.parametrize("two", [("2013-01-01", "2013-02"), ("port = 'A'", "port = 'B'"), ("2013", "x < 0.5")])
def test_days_years_and_predicates(table: pa.Table, two: tuple[str, str]) -> None:
    found = assay.explain(score, table, between=two, quantity="score", **GIVEN)
    assert two[1] in found.sentences[0]


def test_two_files(table: pa.Table, tmp_path: Any) -> None:
    paths = []
    for month in (1, 2):
        paths.append(str(tmp_path / f"{month}.parquet"))
        pq.write_table(table.filter(pa.compute.equal(pa.compute.month(table["at"]), month)), paths[-1])
    found = assay.explain(score, table, between=paths, quantity="score", **GIVEN)
    assert "higher in 2.parquet" in found.sentences[0]


@pytest.mark.parametrize(("two", "words"), [
    (("2013-01", "2013-07"), r"no row is of 2013-07.*between 2013-01-01"),
    (("2013-01", "2013-13"), "'2013-13' is no time"),
    (("2013-01", "2013-02-01 25:00"), "'2013-02-01 25:00' is no time"),
    (("2013-01", "2013-02..2013-01"), "ends before it begins"),
    (("2013-01", "2013-01"), "both parts are 2013-01"),
    (("2013-01",), "1 parts were given"),
    (("2013-01", "prot = 'B'"), "did you mean port"),
])
def test_mistakes(table: pa.Table, two: tuple[str, ...], words: str) -> None:
    with pytest.raises(assay.AssayError, match=words):
        assay.explain(score, table, between=two, **GIVEN)


@pytest.mark.parametrize("zone", ["", "Z", "+01:00"])
def test_times_that_are_text(table: pa.Table, zone: str) -> None:
    stamps = [f"{each:%Y-%m-%dT%H:%M:%S}{zone}" for each in table["at"].to_pylist()]
    text = table.set_column(table.column_names.index("at"), "at", pa.array(stamps))
    asked = {**GIVEN, "between": ("2013-01", "2013-02"), "quantity": "score", "rows": 200, "train": table.drop_columns(["at"])}
    found = assay.explain(score, text, **asked)
    if not zone.startswith("+"):
        assert found.sentences == assay.explain(score, table, **asked).sentences


def test_hours_and_stretches_of_time(table: pa.Table) -> None:
    month = assay.explain(score, table, between=("2013-01", "2013-02"), quantity="score", rows=200, **GIVEN)
    days = assay.explain(score, table, between=("2013-01-01..2013-01-31", "2013-02-01 00:00..2013-02-28 23:59"), quantity="score", rows=200,
                         **GIVEN)
    assert [each.value for each in days.values] == [each.value for each in month.values]


def test_without_labels_the_score_alone(table: pa.Table) -> None:
    given = {**GIVEN, "label": None}
    found = assay.explain(score, table.drop_columns(["late"]), between=("2013-01", "2013-02"), **given)
    assert len(found.sentences) == 1
    assert not [each for each in found.values if each.metric.startswith("accuracy")]
    with pytest.raises(ConfigError, match="needs labels"):
        assay.explain(score, table.drop_columns(["late"]), between=("2013-01", "2013-02"), quantity="loss", **given)


def test_what_does_not_overlap_is_named_and_left_aside(table: pa.Table) -> None:
    far = table.set_column(1, "z", pa.array(np.where(np.arange(2000) < 1000, table["z"].to_numpy(), table["z"].to_numpy() + 9)))
    found = assay.explain(score, far, between=("2013-01", "2013-02"), **GIVEN)
    assert any("'z' is left aside" in each for each in found.sentences)
    assert [each for each in found.values if " by " in each.metric]


# gaps -----------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def people() -> pa.Table:
    """Height tells the group and moves the score; hour moves it and tells nothing."""
    random = np.random.default_rng(2)
    group = random.choice(["f", "m"], 3000, p=[0.4, 0.6])
    height = np.clip(random.normal(0.35, 0.08, 3000) + 0.3 * (group == "m"), 0, 1)
    hour = random.random(3000)
    chance = np.clip(0.5 * height + 0.5 * hour, 0, 1)
    return pa.table({"group": group, "height": height, "hour": hour, "hired": (random.random(3000) < chance).astype(int)})


def fit(batch: pa.RecordBatch) -> Any:
    return np.clip(0.5 * batch.column("height").to_numpy() + 0.5 * batch.column("hour").to_numpy(), 0, 1)


HIRED: dict[str, Any] = {"label": "hired", "task": "binary", "classes": [0, 1], "protected": ["group"], "features": ["height", "hour"]}


def test_a_gap_is_told_with_its_proxy(people: pa.Table) -> None:
    found = assay.explain(fit, people, disparity="group", **HIRED)
    assert found.sentences[0].startswith("the mean score of hired = 1 is ")
    assert " lower in group f " in found.sentences[0]
    parts = {each.column: each for each in found.values if each.metric == "score gap" and each.column}
    assert parts["height"].high < -0.1
    assert parts["hour"].low <= 0 <= parts["hour"].high
    assert {each.input["column"] for each in found.findings if each.probe == "proxies"} == {"height"}
    assert any("is it justified?" in each.sentence for each in found.findings)
    told = {each.column: each.value for each in found.values if each.metric == "power to tell group f from m"}
    assert told["height"] > 0.7
    assert told.get("hour", 0.0) < 0.1


def test_what_a_person_said_is_recorded(people: pa.Table) -> None:
    found = assay.explain(fit, people, disparity="group", justified={"height": "the shelf is high", "hour": "?"}, **HIRED)
    assert not found.findings
    assert any("justified: the shelf is high" in each for each in found.notes)
    assert found.about["justified: height"] == "the shelf is high"


def test_a_forbidden_input_is_named(people: pa.Table) -> None:
    given = {**HIRED, "protected": ["group"], "forbidden": ["height"]}
    found = assay.explain(fit, people, disparity="group", quantity="score", **given)
    assert [each.probe for each in found.findings] == ["forbidden influence"]


def test_two_named_groups_and_numbers(people: pa.Table) -> None:
    found = assay.explain(fit, people, disparity="group=m,f", quantity="score", **HIRED)
    assert " higher in group m " in found.sentences[0]
    numbers = assay.explain(fit, people.append_column("age", [np.arange(3000.0) % 80]), disparity="age", quantity="score", **HIRED)
    assert len(numbers.sentences) == 3                        # quartiles against one of them


@pytest.mark.parametrize(("asked", "words"), [("grop", "did you mean 'group'"), ("group=m,x", "no group 'x'"), ("group=m", "names 1 groups")])
def test_mistakes_in_groups(people: pa.Table, asked: str, words: str) -> None:
    with pytest.raises((ConfigError, UnknownColumnError), match=words):
        assay.explain(fit, people, disparity=asked, **HIRED)


def test_justified_names_columns(people: pa.Table) -> None:
    with pytest.raises(assay.AssayError, match="did you mean 'height'"):
        assay.explain(fit, people, disparity="group", justified={"heigt": "must reach the shelf"}, **HIRED)


def test_justified_is_read_strictly(tmp_path: Any) -> None:
    path = tmp_path / "assay.yaml"
    path.write_text('data: d.parquet\njustified: {income: "repays", job: "?"}\n')
    assert read(path).justified == {"income": "repays", "job": "?"}
    path.write_text("data: d.parquet\njustified: {income: [1]}\n")
    with pytest.raises(ConfigError, match=r"line 2.*a reason in words"):
        read(path)
    path.write_text("data: d.parquet\njustfied: {income: yes}\n")
    with pytest.raises(ConfigError, match="did you mean 'justified'"):
        read(path)
