"""A monitor that asks a model of its own: shared by the tests of what such monitors do."""

from __future__ import annotations

import joblib
import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.verbs.monitor.test_monitor import config, stream

MODELLED = """\
model: model.joblib
reference: reference.parquet
columns: {label: late, id: id, entity: plane, timestamp: at}
features: [temp, wind]
positive: 1
monitor:
  estimate: false
  label_delay: 1d
  learning: 60
  promises: ["PROMISE"]
"""


@pytest.fixture
def modelled(tmp_path):
    """Return what writes a configuration with a promise, beside a model that was fitted to five days and these days."""
    def made(promise: str):
        table = stream(5, seed=9, lost=None)
        x = np.column_stack([table["temp"].to_numpy(), table["wind"].to_numpy()])
        joblib.dump(make_pipeline(StandardScaler(), LogisticRegression()).fit(x, table["late"].to_numpy()), tmp_path / "model.joblib")
        pq.write_table(table, tmp_path / "reference.parquet")
        return config(tmp_path, MODELLED.replace("PROMISE", promise))

    return made
