"""What `assay explain` prints and writes: sentences first, aggregates only unless a row was asked for, and slips told in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.app.door import sentence


@pytest.fixture(scope="module")
def some(flights: Path) -> str:
    return pq.read_table(flights / "test.parquet")["flight_id"][17].as_py()


def test_a_row_is_explained_in_sentences_first(inside, flights: Path, some: str) -> None:
    run = inside("explain", "assay.yaml", "--trust", "--row", some, "--quantity", "score", "--budget", "3000", cwd=flights)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert lines[0].startswith(f"EXPLAIN: Flight id {some}: predicted delayed = ")
    assert "Its score of delayed = 1 is " in run.stdout
    assert "contribution" in lines
    assert max(map(len, lines)) <= 100
    assert "compared with: a sample of 1,000 reference rows" in " ".join(run.stdout.split())


def test_all_rows_are_explained_where_no_row_is_named(inside, flights: Path, some: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    run = inside("explain", "assay.yaml", "--trust", "--global", "--rows", "60", "--quantity", "log-odds", "--budget", "30000", "--html", page,
                 "--json", "-", "--no-progress", cwd=flights)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert (found["verb"], found["verdict"], found["verdicts"]) == ("explain", "pass", [])
    assert found["sentences"][0].startswith("the log-odds of delayed = 1 are moved most by ")
    assert {each["metric"] for each in found["values"]} == {"importance"}
    assert len(found["attributions"][0]["contributions"]) == 60
    assert {each["kind"] for each in found["figures"]} == {"interval", "beeswarm", "sensitivity"}
    text = page.read_text("utf-8")
    assert "are moved most by" in text
    assert not any(each in text for each in found["attributions"][0]["ids"])


def test_only_sentences_where_quiet(inside, flights: Path) -> None:
    run = inside("explain", "assay.yaml", "--trust", "--rows", "20", "--budget", "3000", "--quiet", cwd=flights)
    assert run.stdout.startswith("EXPLAIN: ")
    assert "importance\n" not in run.stdout


def test_what_is_kept_needs_no_model(inside, flights: Path, tmp_path: Path) -> None:
    asked = ("explain", "assay.yaml", "--trust", "--rows", "8", "--quantity", "score", "--budget", "1500", "--store", tmp_path / "kept.db", "--json", "-")
    first, again = (json.loads(inside(*asked, cwd=flights).stdout) for _ in range(2))
    assert first["attributions"] == again["attributions"]
    assert again["cost"]["model_rows"] < first["cost"]["model_rows"] / 5


@pytest.mark.parametrize(("arguments", "said"), [
    (("--row", "2013-05-01 EWR"), "no row has the flight_id '2013-05-01 EWR'"),
    (("--row", "1", "--global"), "different questions"),
    (("--quantity", "log odds"), "did you mean 'log-odds'?"),
    (("--row", "1", "--way", "gradiants"), "did you mean 'gradients'?"),
    (("--against", "carier == 'AA'"), "did you mean carrier?"),
    (("--rwo", "1"), "did you mean '--row'?"),
    (("--data", "elsewhere.parquet"), "elsewhere.parquet"),
    (("--html", "-"), "standard output is for --json only"),
    (("--rows", "1"), "--rows"),
])
def test_a_slip_is_one_sentence(inside, flights: Path, arguments: tuple[str, ...], said: str) -> None:
    assert said in sentence(inside("explain", "assay.yaml", "--trust", *arguments, cwd=flights))


def test_a_model_without_its_data_is_one_sentence(inside, flights: Path, tmp_path: Path) -> None:
    assert "there are no data to explain" in sentence(inside("explain", "--model", flights / "model.joblib", cwd=tmp_path))
    data = pq.read_table(flights / "test.parquet").drop_columns(["carrier"])
    pq.write_table(data, tmp_path / "less.parquet")
    said = sentence(inside("explain", flights / "assay.yaml", "--trust", "--data", tmp_path / "less.parquet", cwd=tmp_path))
    assert "'carrier'" in said
