"""Killed at any step (SIGKILL, real processes): what was acknowledged is there, and nothing counts twice.

A worker delivers files and labels, advances its monitor over the windows that they touched, and writes to a log of its own what was
acknowledged. It is killed again and again, at a step that is drawn (before or after it: a write, an fsync, a rename, a statement) or at a
moment that is drawn, and started anew. Twice the same file may be delivered; the sum of all windows must come out once.
"""

from __future__ import annotations

import datetime as dt
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

from assay.data.source import source
from assay.store import Ledger, Store, _pg8000, _segment, _sqlite
from assay.store import ledger as module
from tests.store.process import forked, waited

FILES, ROWS = 12, 40
def delivery(number: int):
    """One day's rows, a few of yesterday's with other numbers, and the labels of the day before."""
    ids = [number * ROWS + each for each in range(ROWS)] + [(number - 1) * ROWS + each for each in range(3) if number]
    hours = [dt.datetime(2026, 3, 1, tzinfo=dt.UTC) + dt.timedelta(days=each // ROWS) for each in ids]
    table = pa.table({"key": ids, "hour": pa.array(hours, pa.timestamp("us", "UTC")), "x": [each * 10 + number for each in ids]})
    labels = pa.table({"key": [(number - 1) * ROWS + each for each in range(ROWS)], "y": [1] * ROWS}) if number else None
    return table, labels


def work(url: str, folder: str, log: str) -> None:
    """Deliver what is not acknowledged yet, and advance the monitor."""
    module._MERGED = 3
    done = set(Path(log).read_text().split()) if Path(log).exists() else set()
    with Store(url) as store, Path(log).open("a", encoding="utf-8") as file:
        ledger = Ledger(store, folder)

        def told(word: str) -> None:
            file.write(f"{word}\n")
            file.flush()

        for number in range(FILES):
            table, labels = delivery(number)
            if f"rows{number}" not in done:
                ledger.put("m", source(table, id="key", timestamp="hour"), name=str(number))
                told(f"rows{number}")
            if labels is not None and f"labels{number}" not in done:
                ledger.label("m", source(labels, id="key", label="y"))
                told(f"labels{number}")
            advance(store, ledger)
        told("end")


def advance(store: Store, ledger: Ledger) -> None:
    """Compute the touched windows: how often each was, and what its rows sum to; a message for each window's first time."""
    with store.lease("m", wait=60.0):
        seen = ledger.touched("m")
        for span, number in seen.items():
            rows = [row for batch in ledger.rows("m", span).batches() for row in batch.to_pylist()]
            with store.transaction():
                state = store.states.get("total", 0)
                store.states.put({("m", span.start): f"{len(rows)} {sum(row['x'] for row in rows)} {sum(row.get('y') or 0 for row in rows)}".encode(),
                                  ("total", 0): str(int(state or b"0") + 1).encode()})
                store.outbox.add({span.name: {"state": "pending"}})
                ledger.settle("m", {span: number})


def expected() -> tuple[dict[int, int], int]:
    told: dict[int, int] = {}
    for number in range(FILES):
        table, _ = delivery(number)
        told.update(zip(table["key"].to_pylist(), table["x"].to_pylist(), strict=True))
    return told, (FILES - 1) * ROWS


def attempt(url: str, folder: Path, step: int, after: bool, seconds: float) -> int:
    """Run a worker until it ends or dies, and return how it went."""
    def worker() -> None:
        if step:
            die_at(step, after=after)
        work(url, str(folder / "ledger"), str(folder / "log"))

    code = waited(forked(worker), seconds)
    assert code in (0, -signal.SIGKILL)
    return code


def die_at(step: int, *, after: bool = False) -> None:
    """Have this process killed before or after its nth step: a write, an fsync, a rename, a deletion, a statement."""
    left = [step]

    def counted(place: object, name: str) -> None:
        real = getattr(place, name)

        def call(*given: object, **more: object) -> object:
            left[0] -= 1
            last = not left[0]
            if last and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            found = real(*given, **more)
            if last:
                os.kill(os.getpid(), signal.SIGKILL)
            return found

        setattr(place, name, call)

    for place, name in [(os, "replace"), (os, "fsync"), (Path, "unlink"), (_sqlite.Sqlite, "_execute"), (_sqlite.Sqlite, "_insert"),
                        (_pg8000.Postgres, "_execute"), (_segment.pq, "write_table")]:
        counted(place, name)


def check(url: str, folder: Path, *, ended: bool) -> None:
    """Nothing that was acknowledged is lost, and nothing is there twice."""
    acknowledged = (folder / "log").read_text().split() if (folder / "log").exists() else []
    with Store(url) as store:
        ledger = Ledger(store, folder / "ledger")
        try:
            rows = [row for batch in ledger.rows("m").batches() for row in batch.to_pylist()]
        except LookupError:
            rows = []
        keys = [row["key"] for row in rows]
        assert len(set(keys)) == len(keys)
        assert {each.name for each in ledger.arrivals("m") if each.name.isdigit()} >= {each[4:] for each in acknowledged if each.startswith("rows")}
        whole, labelled = expected()
        for word in acknowledged:
            if word.startswith("rows"):
                number = int(word[4:])
                found = {row["key"]: row["x"] for row in rows}
                assert all(found[each] in (each * 10 + number, each * 10 + number + 1) for each in delivery(number)[0]["key"].to_pylist()[:ROWS])
        if ended:
            assert {row["key"]: row["x"] for row in rows} == whole
            assert sum(row["y"] or 0 for row in rows) == labelled
            advance(store, ledger)
            assert ledger.touched("m") == {}
            for span, count in ledger.spans("m").items():
                day = int(span.name[8:10]) - 1
                mine = [value for key, value in whole.items() if key // ROWS == day]
                assert store.states.get("m", span.start) == f"{len(mine)} {sum(mine)} {ROWS if day < FILES - 1 else 0}".encode()
                assert count == len(mine)
            assert len(store.outbox.find()) == FILES
            ledger.compact("m")
            known = {each.file for each in ledger._manifest.segments("m")}
            assert {each.name for each in ledger.folder.rglob("*.parquet*")} == known


def harass(url: str, folder: Path, kills: int, seed: int) -> int:
    """Kill workers until ``kills`` have died, then let one end; returns how many died."""
    chance, died, tries = random.Random(seed), 0, 0
    while died < kills and tries < 3 * kills:
        tries += 1
        if chance.random() < 0.7:
            code = attempt(url, folder, chance.choice([chance.randint(1, 60), chance.randint(1, 400)]), chance.random() < 0.5, 60.0)
        else:
            code = attempt(url, folder, 0, False, chance.uniform(0.01, 1.0))
        died += code != 0
        check(url, folder, ended=False)
        if code == 0:
            check(url, folder, ended=True)
            (folder / "log").unlink()   # begin again with a full store: every file comes a second time
    assert attempt(url, folder, 0, False, 120.0) == 0
    check(url, folder, ended=True)
    return died


def test_a_store_that_is_killed_loses_nothing(url, tmp_path) -> None:
    assert harass(url, tmp_path, 10, 1) == 10


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_store_that_is_killed_often_loses_nothing(url, tmp_path, seed) -> None:
    assert harass(url, tmp_path, 40, 100 + seed) == 40


@pytest.mark.parametrize(("stride", "after"), [(4, False), pytest.param(1, False, marks=pytest.mark.slow), pytest.param(1, True, marks=pytest.mark.slow)])
def test_every_step_may_be_the_last(tmp_path, stride, after, monkeypatch) -> None:
    """Killed at each step in turn of one round: rows that replace others, a merge of files, labels, the monitor's windows."""
    monkeypatch.setattr(module, "_MERGED", 2)
    for step in range(1, 400, stride):
        folder = tmp_path / str(step)
        folder.mkdir()
        with Store(folder / "s.db") as store:
            ledger = Ledger(store, folder / "ledger")
            ledger.put("m", source(delivery(0)[0], id="key", timestamp="hour"))
            advance(store, ledger)
        status = waited(forked(once, folder, step, after))
        with Store(folder / "s.db") as store:   # a reader first, before anyone has cleaned up
            ledger = Ledger(store, folder / "ledger")
            assert ledger.rows("m").rows in (ROWS, 2 * ROWS)
            assert len(ledger.arrivals("m")) >= ledger.rows("m").rows // ROWS
        once(folder)
        with Store(folder / "s.db") as store:
            ledger = Ledger(store, folder / "ledger")
            whole = {key: x for number in (0, 1) for key, x in zip(*(delivery(number)[0][each].to_pylist() for each in ("key", "x")), strict=True)}
            rows = [row for batch in ledger.rows("m").batches() for row in batch.to_pylist()]
            assert sorted((row["key"], row["x"]) for row in rows) == sorted(whole.items())
            assert ledger.touched("m") == {}
            days = {span: [x for key, x in whole.items() if key // ROWS == place] for place, span in enumerate(ledger.spans("m"))}
            for place, (span, mine) in enumerate(days.items()):
                assert store.states.get("m", span.start) == f"{len(mine)} {sum(mine)} {0 if place else ROWS}".encode()
            known = {each.file for each in ledger._manifest.segments("m")}
            assert {each.name for each in ledger.folder.rglob("*.parquet*")} == known
        if status == 0:
            assert step > 40, "there were steps to die at"
            return
    pytest.fail("a round takes more steps than this")


def once(folder: Path, step: int = 0, after: bool = False) -> None:
    if step:
        die_at(step, after=after)
    table, labels = delivery(1)
    with Store(folder / "s.db") as store:
        ledger = Ledger(store, folder / "ledger")
        ledger.put("m", source(table, id="key", timestamp="hour"))
        ledger.label("m", source(labels, id="key", label="y"))
        advance(store, ledger)
        ledger.compact("m")


def test_a_lease_dies_with_its_process(url, tmp_path) -> None:
    code = "import sys; from assay.store import Store\nwith Store(sys.argv[1]).lease('m'): print('held', flush=True); sys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", code, url], cwd=Path(__file__).parents[2], env=os.environ | {"PYTHONPATH": "src"},
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with Store(url) as store:
        with pytest.raises(Exception, match=f"process {process.pid}"), store.lease("m"):
            pass
        process.kill()
        process.communicate()
        since = time.monotonic()
        with store.lease("m", wait=60.0):
            assert time.monotonic() - since < 50
