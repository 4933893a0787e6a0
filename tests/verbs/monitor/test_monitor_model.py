"""A monitor that asks a model: as a shadow of the one in production, in pieces, and for what it depends on."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.errors import SignatureError
from assay.verbs.config import read
from assay.verbs.monitor import asked, monitor, stream
from tests.verbs.monitor.test_monitor import config, of, told
from tests.verbs.monitor.test_monitor import stream as days


@pytest.fixture
def folder(modelled):
    return modelled("auc >= 0.55")


@pytest.fixture(scope="module")
def table():
    """Days on which both inputs slowly leave their place, the one that the model hardly looks at further."""
    found = days(34, lost=None).drop_columns(["score", "origin"])
    day = np.arange(found.num_rows) // 300
    for name, slope in (("temp", 0.5), ("wind", 0.1)):
        found = found.set_column(found.schema.get_field_index(name), name, pa.array(found[name].to_numpy() + slope * day))
    return found


def test_a_shadow_scores_what_comes_without_predictions(folder, table):
    run = monitor.replay(folder, table, trust=True)
    assert any(each.name.startswith("auc") for each in run.figures)
    monitor.run(folder, of(table, 0, 20), trust=True, send=False)
    monitor.run(folder, of(table, 20, 34), trust=True, send=False)
    assert told(monitor.status(folder, trust=True)) == told(run)
    files = list((folder.parent / "assay-monitor").rglob("*.parquet"))
    assert all(stream.SCORE in pq.read_schema(each).names for each in files)


def drifts(run):
    (figure,) = [each for each in run.figures if each.name == "Drift from the reference"]
    return figure


def test_drift_is_ranked_by_how_much_the_model_depends_on_it(folder, table):
    run = monitor.run(folder, table, trust=True, send=False).run
    figure = drifts(run)
    assert figure.table["column"][:2] == ("wind", "temp")
    (wind, temp), far = figure.table["dependence"][:2], figure.table["distance"]
    assert wind > 5 * temp
    assert far[1] > far[0] > 0.1
    assert not any(each.page for each in run.incidents)          # drift as such pages nobody
    status = monitor.status(folder, trust=True)
    assert drifts(status).table == figure.table
    assert any(each.startswith("drift from the reference, which pages nobody: wind (distance") for each in status.notes)
    assert drifts(monitor.replay(folder, table, trust=True)).table == figure.table


def test_where_nothing_drifts_nothing_is_shown(folder):
    run = monitor.replay(folder, days(34, lost=None, seed=3).drop_columns(["score", "origin"]), trust=True)
    assert not [each for each in run.figures if each.name == "Drift from the reference"]


def test_without_a_model_by_distance(tmp_path, table):
    pq.write_table(days(5, seed=9, lost=None), tmp_path / "reference.parquet")
    text = "columns: {id: id, entity: plane, timestamp: at, ignored: late}\nreference: reference.parquet\nmonitor: {estimate: false}\n"
    figure = drifts(monitor.replay(config(tmp_path, text), table))
    assert figure.table["column"] == ("temp", "wind")
    assert "dependence" not in figure.table
    bare = monitor.replay(config(tmp_path, text.replace("reference: reference.parquet\n", "")), table)
    assert any(each.startswith("drift is not shown") for each in bare.notes)


def test_what_was_computed_once_is_kept_with_the_models_digest(folder, table, monkeypatch):
    monitor.run(folder, table, trust=True, send=False)
    before = drifts(monitor.status(folder, trust=True))

    def never(*_, **__):
        raise AssertionError("asked again")

    with monkeypatch.context() as patch:
        patch.setattr(stream, "dependence", never)
        patch.setattr(stream, "sketched", never)
        assert drifts(monitor.status(folder, trust=True)) == before
    pq.write_table(days(6, seed=8, lost=None), folder.parent / "reference.parquet")     # another reference is another measure
    assert drifts(monitor.status(folder, trust=True)).table != before.table


def test_a_delivery_is_read_in_pieces(folder, table, monkeypatch):
    """No more than a piece of a delivery is put to the model, or held, at a time."""
    many = pa.concat_tables([table.set_column(0, "id", pa.array(np.arange(table.num_rows) + n * 1_000_000)) for n in range(30)])
    pq.write_table(many, folder.parent / "large.parquet", row_group_size=20_000)
    sizes, answer = [], asked.guard.answer

    def noted(model, batch):
        sizes.append(batch.num_rows)
        return answer(model, batch)

    monkeypatch.setattr(asked.guard, "answer", noted)
    job = stream.Job(read(folder), trust=True)
    flow = job.flow(folder.parent / "large.parquet")
    rows = sum(each.num_rows for each in flow.batches())
    assert rows == many.num_rows
    assert max(sizes) <= 131_072 < many.num_rows
    assert stream.SCORE in flow.schema.names
    assert flow.schema.score == (stream.SCORE,) if flow.schema.score else True


def test_a_column_that_the_model_takes_is_gone(folder, table):
    day = of(table, 20, 21)
    renamed = day.rename_columns(["tmp" if name == "temp" else name for name in day.column_names])
    with pytest.raises(SignatureError, match="'temp'"):     # nothing was ever right: a mistake of whoever sets it up
        monitor.run(folder, renamed, trust=True, send=False)
    monitor.run(folder, of(table, 0, 20), trust=True, send=False)
    found = monitor.run(folder, renamed, trust=True, send=False)
    (page,) = found.opened                                  # that there is no answer either is no second one
    assert page.columns == ("temp",)
    assert "no longer delivered" in page.sentence
    assert any("the model was not asked" in each and "is 'tmp' meant" in each for each in found.run.notes)
    monitor.labels(folder, day.select(["id", "late"]), trust=True, send=False)
    monitor.run(folder, of(table, 21, 23), trust=True, send=False)      # judges the labels of a day without answers
    monitor.run(folder, day, trust=True, send=False)        # the file again, mended: as if it had been right
    assert not any("temp" in each.columns and each.state != "withdrawn" for each in monitor.status(folder, trust=True).incidents)


def test_a_note_needs_no_model(folder):
    monitor.note(folder, "weather", "temp", owner="met team")
    assert any("met team" in each for each in monitor.status(folder, trust=True).notes)
