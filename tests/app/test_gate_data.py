"""`assay gate` with logs and training data: which question is asked follows from the options, and slips are one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.app.door import sentence
from tests.verbs.gate.test_training import HELD, NEW, OLD, gone, of

CONFIG = """\
train: old.parquet
task: binary
classes: [0, 1]
positive: 1
threshold: 0.5
columns: {label: late, id: id, timestamp: at}
monitor: {label_delay: 1d, sources: {weather: [temp, wind]}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("gate")
    (place / "assay.yaml").write_text(CONFIG, "utf-8")
    tables = {"old": OLD, "new": NEW, "held": HELD, "broken": gone(NEW, of(NEW, 10))}
    score = np.where(NEW["delay"].to_numpy() > 15, 0.9, 0.1)
    tables["log"] = NEW.append_column("logged", pa.array(score))
    tables["worse"] = NEW.drop_columns(["late"]).append_column("logged", pa.array(1 - score))
    for name, table in tables.items():
        pq.write_table(table, place / f"{name}.parquet")
    return place


def test_training_data(folder: Path, inside) -> None:
    good = inside("gate", "assay.yaml", "--training", "new.parquet", "--validation", "held.parquet", "--json", "-", cwd=folder)
    assert good.returncode == 0, good.stdout + good.stderr
    assert json.loads(good.stdout)["about"]["rows of the history"] == OLD.num_rows
    bad = inside("gate", "assay.yaml", "--training", "broken.parquet", "--plain", cwd=folder)
    assert bad.returncode == 1
    assert "weather (temp and wind) have no value on 2026-04-09" in " ".join(bad.stdout.split())


def test_two_logs_and_a_canary(folder: Path, inside) -> None:
    run = inside("gate", "assay.yaml", "--log", "log.parquet", "--against", "worse.parquet", "--score", "logged", "--plain", cwd=folder)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "decisions flip" in run.stdout
    run = inside("gate", "assay.yaml", "--log", "log.parquet", "--against", "worse.parquet", "--canary", "--score", "logged", "--json", "-",
                 cwd=folder)
    assert run.returncode == 1
    found = json.loads(run.stdout)
    assert found["about"]["decision"] == "stop"
    assert any("not old enough" in each for each in found["notes"])


def test_slips_are_one_sentence(folder: Path, inside) -> None:
    def said(*words: str) -> str:
        return sentence(inside("gate", *words, cwd=folder))

    assert "--canary does nothing by itself" in said("assay.yaml", "--canary", "--log", "log.parquet")
    assert "--validation does nothing" in said("assay.yaml", "--validation", "held.parquet")
    assert "two questions" in said("assay.yaml", "--log", "log.parquet", "--training", "new.parquet")
    assert "no model is named" in said("assay.yaml", "--log", "log.parquet", "--score", "logged")
    assert "no model is named" in said("--log", "log.parquet", "--score", "logged")
