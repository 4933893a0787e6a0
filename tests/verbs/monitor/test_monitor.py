"""The monitor end to end: live runs and a replay say the same, whatever comes late, twice, in pieces, or is cut off."""

from __future__ import annotations

import dataclasses
import datetime as dt
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from assay.errors import AssayError, ConfigError, UnknownNameError
from assay.store.attribution import Kept, Key
from assay.verbs.monitor import monitor

DAYS, ROWS = 50, 300
START = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
CONFIG = """\
columns: {label: late, id: id, entity: plane, timestamp: at, score: score}
task: binary
classes: [0, 1]
positive: 1
monitor:
  estimate: false
  window: 1d
  label_delay: 1d
  false_pages: 1 per 30d
  learning: 28
  promises: ["auc >= 0.65"]
  sources:
    weather: [temp, wind]
"""


def stream(days: int = DAYS, seed: int = 0, *, lost: int | None = 40, harmed: int | None = None) -> pa.Table:
    """Return days of a stream; on day ``lost`` the wind is missing at LGA, from day ``harmed`` on scores tell nothing."""
    rng = np.random.default_rng(seed)
    n = days * ROWS
    day = np.repeat(np.arange(days), ROWS)
    at = [START + dt.timedelta(days=int(d), minutes=int(m)) for d, m in zip(day, rng.integers(0, 1440, n), strict=True)]
    origin = rng.choice(["EWR", "JFK", "LGA"], n)
    temp, wind = rng.normal(10, 5, n) + np.repeat(rng.normal(0, 1, days), ROWS), rng.gamma(2, 3, n)
    chance = 1 / (1 + np.exp(-(wind / 3 - 2 + (origin == "LGA"))))
    late = (rng.random(n) < chance).astype(int)
    score = np.where(day >= harmed, rng.random(n), chance) if harmed is not None else chance
    gone = (day == lost) & (origin == "LGA") if lost is not None else np.zeros(n, bool)
    return pa.table({"id": np.arange(n) + seed * 1_000_000, "plane": [f"N{each}" for each in rng.integers(0, 500, n)], "at": pa.array(at, pa.timestamp("us", "UTC")),
                     "origin": origin, "temp": temp, "wind": pa.array(wind, mask=gone), "score": score, "late": late})


def of(table: pa.Table, low: int, high: int) -> pa.Table:
    """Return some days of a stream."""
    bounds = [pa.scalar(START + dt.timedelta(days=each), pa.timestamp("us", "UTC")) for each in (low, high)]
    return table.filter(pc.and_(pc.greater_equal(table["at"], bounds[0]), pc.less(table["at"], bounds[1])))


def config(folder: Path, text: str = CONFIG) -> Path:
    path = folder / "assay.yaml"
    path.write_text(text, "utf-8")
    return path


def told(run):
    """Return what matters of incidents, in order."""
    return sorted((each.first_seen, each.last_seen, each.page, each.sentence, each.kind, each.state) for each in run.incidents
                  if each.state != "withdrawn")  # of a window that was not whole yet


@pytest.fixture(scope="module")
def whole():
    return stream()


@pytest.fixture(scope="module")
def expected(whole, tmp_path_factory):
    return monitor.replay(config(tmp_path_factory.mktemp("replay")), whole)


def test_a_replay_finds_what_broke_and_where(expected):
    (page,) = [each for each in expected.incidents if each.page]
    assert page.first_seen == (START + dt.timedelta(days=40)).isoformat()
    assert (page.source, page.columns, page.kind) == ("weather", ("wind",), "fault")
    assert "in all rows of origin LGA" in page.sentence
    assert page.state == "resolved"
    assert expected.about["windows"] == DAYS
    assert any(each.name.startswith("auc") for each in expected.figures)


def test_day_by_day_it_says_the_same(whole, expected, tmp_path):
    path, opened = config(tmp_path), []
    for day in range(DAYS):
        found = monitor.run(path, of(whole, day, day + 1), send=False)
        opened += [(day, each.columns) for each in found.opened]
    assert told(monitor.status(path)) == told(expected)
    assert opened == [(40, ("wind",))]


def test_twice_in_pieces_and_out_of_order(whole, expected, tmp_path):
    path = config(tmp_path)
    rng = np.random.default_rng(1)
    monitor.run(path, of(whole, 20, 45), send=False)
    monitor.run(path, of(whole, 0, 20), send=False)      # a backfill
    rest = of(whole, 45, DAYS)
    some = rng.random(rest.num_rows) < 0.5
    monitor.run(path, rest.filter(pa.array(some)), send=False)
    monitor.run(path, rest.filter(pa.array(~some)), send=False)
    monitor.run(path, of(whole, 20, 45), send=False)      # again
    assert told(monitor.status(path)) == told(expected)


def test_labels_that_come_late_are_joined_and_judged(tmp_path):
    table = stream(lost=None, harmed=40)
    path = config(tmp_path)
    monitor.run(path, table.drop_columns(["late"]), send=False)
    assert not [each for each in monitor.status(path).incidents if each.kind == "harm"]
    found = monitor.labels(path, table.select(["id", "late"]), send=False)
    (page,) = [each for each in found.opened if each.kind == "harm"]
    assert (START + dt.timedelta(days=40)).isoformat() <= page.first_seen <= (START + dt.timedelta(days=43)).isoformat()
    assert "auc" in page.sentence
    assert told(monitor.status(path)) == told(monitor.replay(config(tmp_path), table))


def test_a_day_without_rows_pages(whole, tmp_path):
    parts = [of(whole, 0, 35), of(whole, 36, 39)]
    run = monitor.replay(config(tmp_path), pa.concat_tables(parts))
    (page,) = [each for each in run.incidents if each.page]
    assert page.first_seen == (START + dt.timedelta(days=35)).isoformat()
    assert "no rows" in page.sentence
    live = config(tmp_path)
    monitor.run(live, of(whole, 0, 35), send=False)
    late = monitor.run(live, until=(START + dt.timedelta(days=36, hours=2)).isoformat(), send=False)
    assert [each.page for each in late.opened] == [True]


def test_what_a_person_says_is_kept_and_learned(whole, tmp_path):
    path = config(tmp_path)
    monitor.run(path, of(whole, 0, 42), send=False)
    (page,) = [each for each in monitor.status(path).incidents if each.page]
    monitor.mark(path, page.id, "false", by="ann", note="planned")
    assert [each.state for each in monitor.status(path).incidents if each.page] == ["false"]
    again = dataclasses.replace(page)
    assert again.id == page.id
    with pytest.raises(UnknownNameError):
        monitor.mark(path, "nothing", "true")
    with pytest.raises(ConfigError, match="until"):
        monitor.mark(path, page.id, "snoozed")


def test_a_person_is_forgotten(whole, tmp_path):
    path = config(tmp_path)
    monitor.run(path, of(whole, 0, 10), send=False)
    with monitor.Live(path) as live:
        kept = [Kept(name, 1, np.zeros(4), entity) for name, entity in (("a", "N7"), ("b", "N8"))]
        live.store.attributions.put(Key("m", "b", "score", "1", ("x",)), {}, kept)
    count = monitor.forget(path, entity="N7")
    with monitor.Live(path) as live:
        assert sorted(live.store.attributions.find(Key("m", "b", "score", "1", ("x",)), {"a": 1, "b": 1})[1]) == ["b"]
    assert count == pc.sum(pc.equal(of(whole, 0, 10)["plane"], "N7")).as_py() > 0
    assert monitor.forget(path, entity="N7") == 0
    files = list((tmp_path / "assay-monitor").rglob("*.parquet"))
    assert files
    for each in files:
        held = pq.read_table(each)
        assert not any("N7" in held[name].cast(pa.string()).to_pylist() for name in held.column_names if pa.types.is_string(held[name].type))


def test_notes_are_shown(whole, tmp_path):
    path = config(tmp_path)
    monitor.note(path, "weather", "temp", owner="met team", corrupted_since="2026-03-01T00:00:00+00:00")
    assert any("do not build features on it" in each for each in monitor.status(path).notes)
    assert "nothing was delivered" in monitor.status(path).notes[0]


def test_messages_go_once_and_wait_for_a_receiver(whole, tmp_path):
    got, answers = [], [503]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(answers.pop() if answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        path = config(tmp_path, CONFIG + f'  notify: "hook://127.0.0.1:{server.server_address[1]}/a?token=hidden"\n')
        monitor.run(path, of(whole, 0, 40), now=0)
        assert got == []
        first = monitor.run(path, of(whole, 40, 41), now=100)
        assert [each.state for each in first.deliveries] == ["pending"]
        assert any("wait to be sent" in each for each in monitor.status(path).notes)
        second = monitor.run(path, now=100 + 3600)
        assert [each.state for each in second.deliveries] == ["sent"]
        monitor.run(path, of(whole, 40, 41), now=10_000)
        assert [each["severity"] for each in got] == ["page", "page"]       # once refused, once taken
        assert got[0]["key"] == got[1]["key"]
        assert "wind" in got[1]["title"]
        monitor.run(path, of(whole, 41, 43), now=20_000)
        assert got[-1]["severity"] == "resolved"
        assert "hidden" not in str(monitor.status(path).to_json())
        assert b"hidden" not in (tmp_path / "assay-monitor" / "assay.db").read_bytes()
    finally:
        server.shutdown()
        server.server_close()


def test_mistakes_are_told(whole, tmp_path):
    with pytest.raises(ConfigError, match="column that holds the time"):
        monitor.replay(config(tmp_path, CONFIG.replace("timestamp: at, ", "")), whole)
    with pytest.raises(AssayError, match="tmp"):
        monitor.replay(config(tmp_path, CONFIG.replace("timestamp: at", "timestamp: tmp")), whole)
    with pytest.raises(ConfigError, match="no data to replay"):
        monitor.replay(config(tmp_path))
    with pytest.raises(AssayError):
        monitor.run(config(tmp_path), tmp_path / "missing.parquet")


def test_windows_of_rows(whole, tmp_path):
    path = config(tmp_path, CONFIG.replace("window: 1d", "window: 300 rows"))
    run = monitor.replay(path, of(whole, 0, 45))
    assert run.about["windows"] == 45
    assert [each.columns for each in run.incidents if each.page] == [("wind",)]


CHILD = """
import sys
from assay.verbs.monitor import monitor
monitor.run(sys.argv[1], sys.argv[2], send=False)
"""


def test_killed_anywhere_it_loses_nothing_and_counts_nothing_twice(whole, expected, tmp_path):
    path = config(tmp_path)
    rng = np.random.default_rng(3)
    kills = 0
    for place, low in enumerate(range(0, DAYS, 10)):
        file = tmp_path / f"part-{place}.parquet"
        pq.write_table(of(whole, low, low + 10), file)
        for attempt in range(3):
            child = subprocess.Popen([sys.executable, "-c", CHILD, str(path), str(file)], env={**os.environ, "PYTHONPATH": "src"},
                                     cwd=Path(__file__).resolve().parents[3], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if attempt == 2:
                assert child.wait(timeout=120) == 0
            else:
                time.sleep(float(rng.uniform(0.2, 2.5)))
                child.send_signal(signal.SIGKILL)
                kills += child.wait() == -signal.SIGKILL
    assert kills
    assert told(monitor.status(path)) == told(expected)
