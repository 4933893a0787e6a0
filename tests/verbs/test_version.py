"""Which version of a router answered each row: a column by which checks slice and filter, and monitors divide."""

from __future__ import annotations

import joblib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LinearRegression

import assay
from assay.data.source import source
from assay.model.load import load
from assay.verbs.monitor import monitor
from assay.verbs.version import VERSION, versioned
from tests.verbs.monitor.test_monitor import config
from tests.verbs.monitor.test_monitor_ways import served

ROUTER = "model: {router: {by: client, c: c.joblib, default: rest.joblib}}\n"


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    """Days of clients; on the fortieth the client c, whom a version of its own answers, loses values."""
    table = served(late=99)
    x = table["x"].to_numpy()
    label = np.nan_to_num(x) + np.where(np.array(table["client"].to_pylist()) == "c", 9.0, 0.0) * (np.arange(len(x)) % 3 == 0)
    return table.append_column("late", pa.array(label))


@pytest.fixture
def fleet(tmp_path, rows):
    for name, slope in (("c", 1.0), ("rest", 1.0)):
        model = LinearRegression().fit(np.array([[0.0], [1.0]]), np.array([0.0, slope]))
        model.feature_names_in_ = np.array(["y"], object)
        joblib.dump(model, tmp_path / f"{name}.joblib")
    return tmp_path


def test_a_check_slices_and_filters_by_the_version_that_answered(fleet, rows) -> None:
    pq.write_table(rows, fleet / "data.parquet")
    (fleet / "assay.yaml").write_text(ROUTER + "data: data.parquet\ncolumns: {label: late, slices: [model_version], ignored: [id, at]}\n"
                                      "checks: [mae <= 1000, mae by model_version <= 1000, \"mae where model_version = 'c' <= 1000\"]\n")
    run = assay.check(str(fleet / "assay.yaml"), trust=True)
    assert run.verdict == "pass", [each.sentence for each in run.verdicts]
    found = {each.slice["model_version"]: each.n for each in run.values if each.slice and "model_version" in each.slice}
    theirs = int(np.sum(np.array(rows["client"].to_pylist()) == "c"))
    assert found == {"c": theirs, "default": rows.num_rows - theirs}


def test_a_monitor_divides_by_version(fleet, rows) -> None:
    path = config(fleet, ROUTER + "columns: {id: id, timestamp: at, ignored: [late]}\nmonitor: {by: model_version, sources: {feed: [x]}}\n")
    run = monitor.replay(path, rows, trust=True)
    assert ("feed, model_version c", ({VERSION: "c"},)) in [(each.source, each.slices) for each in run.incidents if each.page]
    watched = {column for each in run.incidents for column in each.columns}
    assert VERSION not in watched


def test_the_column_is_there_only_where_it_can_be(fleet) -> None:
    model = load({"router": {"by": "shop", "1": str(fleet / "c.joblib"), "2": str(fleet / "rest.joblib")}}, trust=True)
    data = versioned(source(pa.table({"shop": [1, 2, 7, None], "y": [1.0, 2.0, 3.0, 4.0]})), model)
    assert data.schema.features == ("shop", "y")
    assert data.schema.ignored == (VERSION,)
    (batch,) = data.batches([VERSION, "y"])
    assert batch.schema.names == [VERSION, "y"]
    assert batch.column(0).to_pylist() == ["1", "2", None, None]     # none answers for these: what that means is the model's to say
    assert [each.schema.names for each in data.batches(["y"])] == [["y"]]
    assert sum(batch.num_rows for part in data.split(2) for batch in part.batches()) == 4
    for table, other in ((pa.table({"y": [1.0]}), model), (pa.table({"shop": [1], VERSION: ["x"]}), model), (pa.table({"shop": [1]}), None)):
        assert versioned(source(table), other).schema.names == tuple(table.column_names)
