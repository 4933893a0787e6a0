"""`assay monitor` as a user types it: what it prints, writes and ends with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import assay as assay_
from tests.app.door import assay, sentence
from tests.verbs.monitor.test_monitor import config, of, stream


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty-two days of a stream, the last but one of them broken, in two files."""
    found = tmp_path_factory.mktemp("monitor")
    table = stream(42)
    pq.write_table(table, found / "history.parquet")
    pq.write_table(of(table, 0, 40), found / "before.parquet")
    pq.write_table(of(table, 40, 42), found / "today.parquet")
    config(found)
    return found


def test_a_replay_is_readable_and_ends_with_0(folder: Path) -> None:
    run = assay("monitor", "replay", "assay.yaml", "--data", "history.parquet", "--html", "r.html", "--json", "r.json", cwd=folder)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert lines[0].startswith("MONITOR: 2026-01-05 00:00 to 2026-02-16 00:00: 1 page and 0 tickets")
    assert any(line.startswith("PAGE    2026-02-14 00:00  weather: wind") for line in lines)
    assert "in all rows of origin LGA" in " ".join(run.stdout.split())
    assert max(map(len, lines)) <= 100
    said = json.loads((folder / "r.json").read_text("utf-8"))
    assert (said["verb"], len(said["incidents"])) == ("monitor replay", 1)
    assert said["incidents"][0]["columns"] == ["wind"]
    assert "timeline" in (folder / "r.html").read_text("utf-8")


def test_a_run_that_opens_a_page_ends_with_1_and_once(folder: Path) -> None:
    quiet = assay("monitor", "run", "assay.yaml", "--data", "before.parquet", "--dry-run", cwd=folder)
    assert (quiet.returncode, "0 new pages" in quiet.stdout) == (0, True), quiet.stderr
    loud = assay("monitor", "run", "assay.yaml", "--data", "today.parquet", "--json", "-", cwd=folder)
    assert loud.returncode == 1, loud.stderr
    found = json.loads(loud.stdout)["incidents"]
    assert [each["page"] for each in found] == [True]
    assert assay("monitor", "run", "assay.yaml", "--data", "today.parquet", cwd=folder).returncode == 0
    name = found[0]["id"]
    marked = assay("monitor", "mark", "assay.yaml", name, "false", "--by", "ann", cwd=folder)
    assert (marked.returncode, marked.stdout.startswith(f"{name} is false: weather: wind")) == (0, True), marked.stderr
    noted = assay("monitor", "note", "assay.yaml", "weather", "wind", "--owner", "met team", "--meaning", "knots", cwd=folder)
    assert noted.returncode == 0
    status = assay("monitor", "status", "assay.yaml", "--prometheus", "assay.prom", cwd=folder)
    assert status.returncode == 0
    counts = (folder / "assay.prom").read_text("utf-8").splitlines()
    assert 'assay_monitor_windows_total{monitor="assay"} 42' in counts
    assert 'assay_monitor_pages_total{monitor="assay",layer="rules"} 1' in counts
    assert all(line.startswith("# ") or line.rpartition(" ")[2].replace(".", "").replace("e+", "").isdigit() for line in counts), counts
    assert f"false, until 2026-02-15 00:00, incident {name}" in status.stdout
    assert "weather, column wind: owner met team, knots" in status.stdout
    gone = assay("monitor", "forget", "assay.yaml", "--entity", "N7", cwd=folder)
    assert gone.returncode == 0
    assert gone.stdout.endswith("rows are gone\n")


def test_it_repeats_until_it_is_interrupted(tmp_path: Path) -> None:
    config(tmp_path)
    pq.write_table(of(stream(3), 0, 3), tmp_path / "a.parquet")
    child = subprocess.Popen([sys.executable, "-m", "assay", "monitor", "run", "assay.yaml", "--every", "1h", "--data", "*.parquet"], cwd=tmp_path,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(Path(assay_.__file__).parents[1])})
    assert child.stdout is not None
    assert child.stdout.readline().startswith("MONITOR: 2026-01-05 00:00 to 2026-01-08 00:00: 0 new pages")
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=60) == 130
    child.communicate()


@pytest.mark.parametrize(("arguments", "words"), [
    (["monitor"], "name a command"), (["monitor", "rum", "assay.yaml"], "did you mean 'run'"), (["monitor", "run", "asay.yaml"], "did you mean 'assay.yaml'"),
    (["monitor", "run", "assay.yaml", "--data", "tody.parquet"], "tody.parquet"), (["monitor", "mark", "assay.yaml", "nothing", "maybe"], "maybe"),
    (["monitor", "forget", "assay.yaml"], "whose rows"), (["monitor", "labels", "assay.yaml"], "--data"),
    (["monitor", "run", "assay.yaml", "--until", "tomorrow"], "tomorrow"), (["monitor", "replay", "assay.yaml"], "no data to replay"),
    (["monitor", "run", "assay.yaml", "--every", "often"], "no length of time"), (["monitor", "run", "assay.yaml", "--wait", "1h"], "name both"),
    (["monitor", "run", "assay.yaml", "--every", "1h", "--json", "-"], "nothing is written"), (["monitor", "status", "assay.yaml", "--otlp", "http://127.0.0.1:9/v1/metrics"], "did not take"),
])
def test_mistakes_are_one_sentence(tmp_path: Path, arguments: list[str], words: str) -> None:
    config(tmp_path)
    assert words in sentence(assay(*arguments, cwd=tmp_path))
