"""What `assay profile` prints and writes: bounded however wide the data, and nothing of what names people."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.app.door import assay, sentence


def test_flights_are_described_and_compared(flights: Path) -> None:
    run = assay("profile", "test.parquet", "--reference", "reference.parquet", "--id", "flight_id", "--entity", "tailnum", cwd=flights)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    rows = pq.read_metadata(flights / "test.parquet").num_rows
    assert lines[0].startswith(f"PROFILE: {rows:,} rows of ")
    assert any(line.startswith("numbers") and "median" in line and "psi" in line for line in lines)
    assert max(map(len, lines)) <= 100
    tail = pq.read_table(flights / "test.parquet")["tailnum"].drop_null()[0].as_py()
    assert tail not in run.stdout


def test_json_has_the_common_shape(flights: Path) -> None:
    run = assay("profile", "test.parquet", "--json", "-", cwd=flights)
    assert run.returncode == 0
    found = json.loads(run.stdout)
    assert (found["verb"], found["verdict"], found["verdicts"]) == ("profile", "pass", [])
    assert {each["metric"] for each in found["values"]} >= {"missing", "distinct", "mean", "quantile"}
    assert found["about"]["columns"] == len(pq.read_schema(flights / "test.parquet"))


def test_a_wide_table_shows_the_columns_that_moved_most(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    then = {f"x{place:03}": rng.normal(size=400) for place in range(200)}
    now = {name: column + (3 if name in ("x017", "x180") else 0) for name, column in then.items()}
    for name, data in (("then", then), ("now", now)):
        pq.write_table(pa.table(data), tmp_path / f"{name}.parquet")
    run = assay("profile", "now.parquet", "--reference", "then.parquet", cwd=tmp_path, env={"COLUMNS": "100"})
    lines = run.stdout.splitlines()
    assert len(lines) < 20
    assert {lines[3][:4], lines[4][:4]} == {"x017", "x180"}
    assert "190 more have at most" in run.stdout
    narrow = assay("profile", "now.parquet", cwd=tmp_path, env={"COLUMNS": "50"})
    assert max(map(len, narrow.stdout.splitlines())) <= 50


def test_only_how_much_where_quiet(flights: Path) -> None:
    run = assay("profile", "test.parquet", "--quiet", cwd=flights)
    assert run.stdout.count("\n") == 1
    assert run.stdout.startswith("PROFILE: ")


def test_what_cannot_be_described_is_one_sentence(tmp_path: Path) -> None:
    assert "none.parquet" in sentence(assay("profile", "none.parquet", cwd=tmp_path))
    assert "DATA" in sentence(assay("profile", cwd=tmp_path))
    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    assert "is read, so it cannot be written" in sentence(assay("profile", "a.parquet", "--json", "a.parquet", cwd=tmp_path))
    assert "standard output is for --json only" in sentence(assay("profile", "a.parquet", "--html", "-", cwd=tmp_path))
