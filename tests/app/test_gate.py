"""`assay gate` as a pipeline calls it: exit codes, files, one sentence where something is wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import joblib
import pytest

from tests.app.door import assay, sentence


@pytest.fixture(scope="module")
def releases(flights: Path, tmp_path_factory) -> Path:
    """The folder of flights, with a candidate that gives every flight of one carrier the wrong answer."""
    folder = tmp_path_factory.mktemp("releases")
    for each in flights.iterdir():
        if each.is_file():
            shutil.copy(each, folder / each.name)
    model = joblib.load(folder / "model.joblib")
    joblib.dump(model, folder / "same.joblib", compress=3)
    (folder / "gate.yaml").write_text("""\
champion: model.joblib
data: test.parquet
columns: {label: delayed, id: flight_id, entity: tailnum, timestamp: time_hour, slices: [origin]}
positive: 1
threshold: 0.25
gate: {tolerance: 0.05, store: gate.db}
""")
    return folder


@pytest.mark.slow   # in a process of its own; the next one keeps what is said
def test_the_same_model_is_released_and_everything_is_written(releases: Path) -> None:
    run = assay("gate", "gate.yaml", "--candidate", "same.joblib", "--trust", "--html", "a.html", "--junit", "a.xml", "--markdown", "a.md",
                "--json", "a.json", cwd=releases)
    assert run.returncode == 0, run.stdout + run.stderr
    found = json.loads((releases / "a.json").read_text("utf-8"))
    assert (found["verb"], found["verdict"], found["about"]["decision"]) == ("gate", "pass", "release")
    assert "another answer" in (releases / "a.md").read_text("utf-8")
    assert len((releases / "a.md").read_text("utf-8")) < 20_000
    assert (releases / "gate.db").exists()
    assert "<testsuite" in (releases / "a.xml").read_text("utf-8")


def test_json_alone_on_standard_output(releases: Path, inside) -> None:
    run = inside("gate", "gate.yaml", "--candidate", "same.joblib", "--trust", "--json", "-", "--junit", "b.xml", "--markdown", "b.md", cwd=releases)
    found = json.loads(run.stdout)
    assert (run.returncode, found["verb"], found["about"]["decision"]) == (0, "gate", "release")
    assert "another answer" in (releases / "b.md").read_text("utf-8")
    assert "<testsuite" in (releases / "b.xml").read_text("utf-8")


def test_behaviour_tests_of_the_configuration_and_of_the_command(releases: Path, inside) -> None:
    folder = releases / "behaviour"
    folder.mkdir()
    (folder / "late.assay.yaml").write_text("""\
tests:
  - {name: hardly anything is late, kind: functionality, expect: score < 0.01, at_least: 90%, rows: 50}
""")
    text = (releases / "gate.yaml").read_text().replace("store: gate.db", "behaviour: behaviour")
    (releases / "tested.yaml").write_text(text)
    run = inside("gate", "tested.yaml", "--candidate", "same.joblib", "--trust", "--plain", cwd=releases)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "1 failure (hardly anything is late)" in " ".join(run.stdout.split())
    run = inside("gate", "gate.yaml", "--candidate", "same.joblib", "--trust", "--behaviour", "late.assay.yaml", cwd=releases)
    assert "no such file" in sentence(run)


def test_a_model_for_which_no_earlier_one_is_better(releases: Path, inside) -> None:
    run = inside("gate", "gate.yaml", "--trust", "--rollback", "same.joblib", "--plain", cwd=releases)
    assert run.returncode == 3, run.stdout + run.stderr
    assert "none is shown to be better" in " ".join(run.stdout.split())
    assert "auc of same.joblib less the champion's" in run.stdout


def test_options_of_two_questions_are_refused(releases: Path, inside) -> None:
    """What would be dropped in silence is told: a candidate beside the data of a training was never judged."""
    for given, told in ((["--log", "test.parquet", "--rollback", "same.joblib"], "--rollback is not used with --log"),
                        (["--log", "test.parquet", "--store", "a.db"], "--store is not used with --log"),
                        (["--log", "test.parquet", "--candidate", "same.joblib"], "--champion names the model"),
                        (["--training", "test.parquet", "--candidate", "same.joblib"], "--candidate is not used with --training"),
                        (["--rollback", "same.joblib", "--candidate", "same.joblib", "--champion", "model.joblib"], "not both")):
        assert told in sentence(inside("gate", "gate.yaml", "--trust", *given, cwd=releases))


def test_slips_are_one_sentence(releases: Path, inside) -> None:
    assert "no champion" in sentence(inside("gate", "assay.yaml", "--candidate", "same.joblib", "--trust", cwd=releases))
    assert "--candidate" in sentence(inside("gate", "gate.yaml", "--trust", cwd=releases))
    assert "did you mean" in sentence(inside("gate", "gate.yaml", "--candidat", "same.joblib", cwd=releases))
    (releases / "bad.yaml").write_text("data: test.parquet\ngate: {guardrail: [auc]}\n")
    assert "line 2" in sentence(inside("gate", "bad.yaml", "--candidate", "same.joblib", cwd=releases))
