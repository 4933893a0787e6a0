"""The monitor on a store of each kind: what it keeps in Postgres is what it keeps in a file."""

from __future__ import annotations

from pathlib import Path

import joblib
import numpy as np
import pyarrow.parquet as pq
from sklearn.linear_model import LinearRegression

from assay.verbs.monitor import monitor
from tests.verbs.monitor.test_monitor import CONFIG, config, of, stream, told
from tests.verbs.monitor.test_monitor_ways import CLIENTS, served


def test_the_monitor_keeps_the_same_in_every_store(url: str, tmp_path: Path) -> None:
    table = stream(44)
    path = config(tmp_path, CONFIG + f"  store: {url}\n")
    for low, high in ((0, 38), (38, 41), (41, 44)):
        monitor.run(path, of(table, low, high), send=False)
    status = monitor.status(path)
    assert told(status) == told(monitor.replay(config(tmp_path), table))
    assert [each.columns for each in status.incidents if each.page] == [("wind",)]
    assert "s3cret" not in str(status.to_json()) + repr(status)


def test_baselines_per_client_marks_and_what_is_measured_once(url: str, tmp_path: Path) -> None:
    table = served(16, late=8, lost=(100, ""))
    x = np.column_stack([table["x"].to_numpy(), table["y"].to_numpy()])
    joblib.dump(LinearRegression().fit(x, x[:, 0] + 0.1 * x[:, 1]), tmp_path / "model.joblib")
    pq.write_table(of(table, 0, 2), tmp_path / "reference.parquet")
    path = config(tmp_path, f"model: model.joblib\nreference: reference.parquet\nfeatures: [x, 'y']\n{CLIENTS}  store: {url}\n")
    for low, high in ((0, 6), (10, 16), (6, 10)):
        monitor.run(path, of(table, low, high), trust=True, send=False)
    status = monitor.status(path, trust=True)
    replayed = monitor.replay(path, table, trust=True)
    assert (status.about["windows"], told(status)) == (16, told(replayed))
    drifts = [[each.table for each in run.figures if each.name == "Drift from the reference"] for run in (status, replayed)]
    assert drifts[0] == drifts[1] != []
    assert monitor.status(path, trust=True).figures == status.figures
