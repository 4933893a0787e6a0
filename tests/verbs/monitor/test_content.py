"""Texts in the monitor: what is derived of them is watched in their place, and another kind of text pages."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from assay.verbs.config import read
from assay.verbs.monitor import monitor
from assay.verbs.monitor.stream import Job
from tests.verbs.contents import GERMAN, paragraphs
from tests.verbs.monitor.test_monitor import config, told

START = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
DAYS, ROWS, BAD = 36, 60, 33
TEXT = "columns: {id: id, timestamp: at}\nreference: reference.parquet\nmonitor: {learning: 21, estimate: false}\n"


@pytest.fixture(scope="module")
def days() -> pa.Table:
    """Return paragraphs of documentation, drawn anew each day; from day ``BAD`` on every third is German."""
    notes = np.array(paragraphs()[0]["note"].to_pylist(), dtype=object)
    rng = np.random.default_rng(0)
    found = rng.choice(notes, DAYS * ROWS)
    day = np.repeat(np.arange(DAYS), ROWS)
    found[(day >= BAD) & (np.arange(len(day)) % 3 == 0)] = GERMAN[0]
    at = [START + dt.timedelta(days=int(each), minutes=place % ROWS) for place, each in enumerate(day)]
    return pa.table({"id": np.arange(len(day)), "at": pa.array(at, pa.timestamp("us", "UTC")), "note": pa.array(found.tolist())})


def before(table: pa.Table, day: int) -> pa.Table:
    return table.filter(pc.less(table["at"], pa.scalar(START + dt.timedelta(days=day), pa.timestamp("us", "UTC"))))


def test_another_language_pages_the_same_day(days: pa.Table, tmp_path: Path) -> None:
    pq.write_table(paragraphs()[0].select(["note"]), tmp_path / "reference.parquet")
    run = monitor.replay(config(tmp_path, TEXT), data=days)
    pages = [each for each in told(run) if each[2]]
    first = (START + dt.timedelta(days=BAD)).isoformat()[:10]
    assert {each[0][:10] for each in pages} == {first}
    assert any("of note" in each[3] for each in pages)


def test_what_is_watched_hangs_on_the_reference_and_not_on_what_came_first(days: pa.Table, tmp_path: Path) -> None:
    pq.write_table(paragraphs()[0].select(["note"]), tmp_path / "reference.parquet")
    job = Job(read(config(tmp_path, TEXT)))
    job.opened(days.slice(0, 1))
    watched = set(job.kinds["data"])
    assert "note" not in watched
    assert {"length of note", "cluster of note"} <= watched
    again = Job(read(config(tmp_path, TEXT)))
    again.opened(before(days, 3))
    assert set(again.kinds["data"]) == watched


def test_without_a_reference_the_first_delivery_decides_and_nothing_is_learned_of_it(days: pa.Table, tmp_path: Path) -> None:
    job = Job(read(config(tmp_path, TEXT.replace("reference: reference.parquet\n", ""))))
    job.opened(before(days, 5))
    assert "length of note" in job.kinds["data"]
    assert "cluster of note" not in job.kinds["data"]
