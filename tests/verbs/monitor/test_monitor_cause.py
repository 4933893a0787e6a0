"""Incidents about a model say why: after they were kept and sent, whatever comes of it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.verbs.explain import cause
from assay.verbs.monitor import monitor
from tests.verbs.monitor.conftest import MODELLED
from tests.verbs.monitor.test_monitor import config, of
from tests.verbs.monitor.test_monitor import stream as days


@pytest.fixture
def folder(modelled):
    return modelled("accuracy >= 0.6")


@pytest.fixture(scope="module")
def table():
    """From day 12 on the wind comes with its sign turned, so that the model says the contrary of what it should."""
    found = days(20, lost=None).drop_columns(["score", "origin"])
    turned = np.arange(found.num_rows) // 300 >= 12
    wind = found["wind"].to_numpy()
    return found.set_column(found.schema.get_field_index("wind"), "wind", pa.array(np.where(turned, 12 - wind, wind)))


def harm(run):
    return [each for each in run.incidents if each.kind == "harm"]


def test_the_planted_cause_is_named_and_kept(folder, table):
    monitor.run(folder, of(table, 0, 10), trust=True, send=False)
    found = monitor.run(folder, of(table, 10, 20), trust=True, send=False)
    (incident,) = harm(found.run)
    assert (incident.cause or "").startswith("why: accuracy is ")
    assert " by wind" in str(incident.cause)
    assert [each.cause for each in found.opened if each.kind == "harm"] == [incident.cause]
    assert harm(monitor.status(folder, trust=True)) == [incident]
    late = of(table, 9, 10)                                      # a day is sent again, other than it was: all that follows is computed again
    late = late.set_column(late.schema.get_field_index("temp"), "temp", pa.array(late["temp"].to_numpy() + 0.1))
    monitor.run(folder, late, trust=True, send=False)
    assert [each.cause for each in harm(monitor.status(folder, trust=True))] == [incident.cause]


def test_a_replay_says_it_too(folder, table):
    (incident,) = harm(monitor.replay(folder, table, trust=True))
    assert " by wind" in str(incident.cause)


def test_the_page_is_kept_and_sent_first_whatever_goes_wrong(folder, table, monkeypatch):
    seen = []

    def broken(*_, **__):
        with monitor.Live(folder, trust=True) as live:           # by then it stands in the store
            seen.extend(each for each in live.store.incidents.find(monitor=live.name) if each.kind == "harm")
        raise MemoryError("there is no room")

    monkeypatch.setattr(cause, "change", broken)
    found = monitor.run(folder, table, trust=True, send=False)
    (incident,) = harm(found.run)
    assert incident.cause is None
    assert [each.id for each in seen] == [incident.id]
    assert any("there is no room" in each for each in found.run.notes)
    assert harm(monitor.status(folder, trust=True)) == [incident]


def test_without_a_model_nothing_is_said(tmp_path):
    text = MODELLED.replace("PROMISE", "accuracy >= 0.6").replace("model: model.joblib\n", "").replace("timestamp: at", "timestamp: at, score: score").replace(
        "positive: 1", "positive: 1\ntask: binary\nclasses: [0, 1]").replace("features: [temp, wind]\n", "")
    pq.write_table(days(5, seed=9, lost=None), tmp_path / "reference.parquet")
    run = monitor.replay(config(tmp_path, text), days(20, lost=None, harmed=12))
    assert harm(run)
    assert all(each.cause is None for each in harm(run))


def test_what_a_file_says_of_its_model_keeps_no_estimate_away(modelled, table):
    """The model is loaded with it once, and is not told again; ``features`` is said in the file of all these tests."""
    path = modelled("accuracy >= 0.6")
    path.write_text(path.read_text("utf-8").replace("estimate: false", "estimate: true").replace("positive: 1", "positive: 1\ntask: binary\nclasses: [0, 1]"), "utf-8")
    run = monitor.replay(path, of(table, 0, 3).drop_columns(["late"]), trust=True)
    assert any(each.options.get("of") == "estimate" for each in run.values), run.notes
