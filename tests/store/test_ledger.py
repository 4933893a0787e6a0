"""Laws of the ledger, on every kind of database: what is there is what a dictionary by id would hold, however and whenever it came."""

from __future__ import annotations

import datetime as dt
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.data.source import source
from assay.errors import BusyError, ColumnTypeError, ConfigError, StoreError, UnknownNameError
from assay.monitor.setting import Cadence
from assay.store import Ledger, Span, Store
from assay.store import ledger as module
from tests.store.process import forked, waited

DAY = 86_400


def at(*days: float, kind: str = "us") -> pa.Array:
    return pa.array([None if each is None else dt.datetime(2026, 3, 1, tzinfo=dt.UTC) + dt.timedelta(days=each) for each in days],
                    pa.timestamp(kind, "UTC"))


def rows(ids, days, x, **more) -> Any:
    table = pa.table({"key": pa.array(ids), "hour": at(*days), "x": pa.array(x), **more})
    return source(table, id="key", timestamp="hour", label="y" if "y" in more else None, entity="person" if "person" in more else None)


def labels(ids, y) -> Any:
    return source(pa.table({"key": pa.array(ids), "y": pa.array(y)}), id="key", label="y")


def read(data) -> list[dict]:
    return [row for batch in data.batches() for row in batch.to_pylist()]


def held(ledger: Ledger, model: str = "m", span: Span | None = None) -> dict[str, dict]:
    found = read(ledger.rows(model, span))
    assert len({row["key"] for row in found}) == len(found), "an id is there once"
    return {str(row["key"]): row for row in found}


def days(spans) -> list[str]:
    return [each.name[8:10] for each in spans]


@pytest.fixture
def ledger(store, tmp_path) -> Ledger:
    return Ledger(store, tmp_path / "ledger")


# deliveries

def test_rows_come_back_by_window(ledger) -> None:
    arrival = ledger.put("m", rows([1, 2, 3], [0, 0.5, 1], [1.0, None, 3.0]), name="monday.parquet")
    assert (arrival.number, arrival.rows, arrival.fresh, arrival.changed, arrival.name) == (1, 3, 3, 0, "monday.parquet")
    assert days(arrival.spans) == ["01", "02"]
    spans = ledger.spans("m")
    assert list(spans.values()) == [2, 1]
    first = ledger.rows("m", next(iter(spans)))
    assert (first.rows, first.schema.id, first.schema.timestamp, first.schema["x"].type) == (2, "key", "hour", pa.float64())
    assert sorted(row["key"] for row in read(first)) == [1, 2]
    assert sorted(row["key"] for row in read(ledger.rows("m", since="2026-03-01T12:00:00+00:00", until="2026-03-02T00:00:00+00:00"))) == [2]
    assert [batch.num_rows for batch in ledger.rows("m").batches(["x"])] == [3]


def test_the_same_content_again_changes_nothing(ledger) -> None:
    data = rows([1, 2], [0, 1], [1.0, 2.0])
    ledger.put("m", data, name="a")
    seen = ledger.touched("m")
    ledger.settle("m", seen)
    again = ledger.put("m", data, name="b")
    assert (again.again, again.name, again.number, again.spans) == (True, "a", 1, ())
    table = pa.table({"key": [1, 2], "hour": at(0, 1), "x": [1.0, 2.0]})
    cut = source(pa.Table.from_batches(table.to_batches(max_chunksize=1)), id="key", timestamp="hour")
    assert ledger.put("m", cut).again, "however it is cut into batches"
    assert ledger.touched("m") == {}


def test_the_same_rows_in_another_file_touch_nothing(ledger) -> None:
    ledger.put("m", rows([1, 2, 3], [0, 1, 2], [1.0, float("nan"), None]))
    ledger.settle("m", ledger.touched("m"))
    arrival = ledger.put("m", rows([3, 2, 1], [2, 1, 0], [None, float("nan"), 1.0]))
    assert (arrival.again, arrival.fresh, arrival.changed, arrival.spans) == (False, 0, 0, ())
    assert ledger.touched("m") == {}


def test_the_newest_delivery_wins_and_tells_both_windows(ledger) -> None:
    ledger.put("m", rows([1, 2], [0, 1], [1.0, 2.0]))
    ledger.settle("m", ledger.touched("m"))
    arrival = ledger.put("m", rows([2, 3], [4, 1], [2.5, 3.0]))
    assert (arrival.fresh, arrival.changed, days(arrival.spans)) == (1, 1, ["02", "05"])
    assert {key: (row["x"], row["hour"].day) for key, row in held(ledger).items()} == {"1": (1.0, 1), "2": (2.5, 5), "3": (3.0, 2)}
    assert days(ledger.touched("m")) == ["02", "05"]


def test_an_id_twice_in_one_delivery_counts_once(ledger) -> None:
    arrival = ledger.put("m", rows([1, 1, 2], [0, 0, 0], [1.0, 2.0, 3.0]))
    assert (arrival.rows, arrival.fresh, arrival.repeated) == (3, 2, 1)
    assert held(ledger)["1"]["x"] == 2.0


def test_rows_without_id_are_named_by_their_file(ledger) -> None:
    table = pa.table({"hour": at(0, 0, 1), "x": [1, 1, 2]})
    assert ledger.put("m", source(table, timestamp="hour")).fresh == 3, "equal rows are two rows"
    assert ledger.put("m", source(table, timestamp="hour")).again
    assert ledger.put("m", source(table.slice(0, 1), timestamp="hour")).fresh == 1, "another file"
    assert ledger.rows("m").rows == 4


def test_settling_keeps_what_came_in_between(ledger) -> None:
    ledger.put("m", rows([1], [0], [1.0]))
    seen = ledger.touched("m")
    ledger.put("m", rows([2], [0], [1.0]))
    ledger.settle("m", seen)
    assert days(ledger.touched("m")) == ["01"]
    ledger.settle("m", ledger.touched("m"))
    assert ledger.touched("m") == {}


def test_settling_is_part_of_the_transaction(store, ledger) -> None:
    ledger.put("m", rows([1], [0], [1.0]))

    def failing() -> None:
        with store.transaction():
            ledger.settle("m", ledger.touched("m"))
            store.states.put({("m", 1): b"x"})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert days(ledger.touched("m")) == ["01"]


# labels

def test_late_labels_join_by_id_whatever_type_it_has(ledger) -> None:
    ledger.put("m", rows([1, 2, 3], [0, 1, 2], [1.0, 2.0, 3.0]))
    ledger.settle("m", ledger.touched("m"))
    arrival = ledger.label("m", labels(["2", "9"], [1, 0]))
    assert (arrival.changed, arrival.waiting, days(arrival.spans)) == (1, 1, ["02"])
    assert {key: row["y"] for key, row in held(ledger).items()} == {"1": None, "2": 1, "3": None}
    assert ledger.rows("m").schema.label == "y"
    assert ledger.label("m", labels([2.0, None], [1, 1])).changed == 0, "as it was"
    ledger.settle("m", ledger.touched("m"))
    assert ledger.label("m", labels([2, 3], [0, None])).changed == 1, "a label may change; a missing one says nothing"
    assert days(ledger.touched("m")) == ["02"]


def test_labels_wait_for_their_rows(ledger) -> None:
    assert ledger.label("m", labels([1, 2], [1, 1])).waiting == 2
    assert ledger.label("m", labels([2], [0])).waiting == 1
    with pytest.raises(UnknownNameError):
        ledger.rows("none")
    ledger.put("m", rows([1, 2, 3], [0, 0, 0], [1.0, 2.0, 3.0]))
    assert {key: row["y"] for key, row in held(ledger).items()} == {"1": 1, "2": 0, "3": None}
    ledger.put("m", rows([1], [0], [1.5]))
    assert held(ledger)["1"] == {"key": 1, "hour": held(ledger)["1"]["hour"], "x": 1.5, "y": 1}, "a label is kept"
    ledger.put("m", rows([1], [0], [1.5], y=[7]))
    assert held(ledger)["1"]["y"] == 7


def test_labels_without_id_are_refused(ledger) -> None:
    with pytest.raises(ConfigError, match="labels need the columns of the id and of the label"):
        ledger.label("m", source(pa.table({"key": [1], "y": [1]}), label="y"))


# deleting people

def bytes_of(folder: Path) -> bytes:
    return b"".join(pq.read_table(each).to_pydict().__repr__().encode() for each in sorted(folder.rglob("*.parquet")))


def test_a_person_is_deleted_from_every_file(ledger) -> None:
    ledger.put("m", rows(["a", "b", "c"], [0, 1, 2], [1.0, 2.0, 3.0], person=["ann", "bob", "ann"]))
    ledger.put("m", rows(["a"], [0], [1.5], person=["eve"]))          # the row that was ann's is dead, and still there
    ledger.label("m", labels(["zz", "q"], [1, 1]))
    ledger.settle("m", ledger.touched("m"))
    assert b"ann" in bytes_of(ledger.folder)
    arrival = ledger.forget("m", entity="ann", ids=["zz"])
    assert (arrival.changed, days(arrival.spans)) == (2, ["01", "03"])
    assert b"ann" not in bytes_of(ledger.folder)
    assert b"zz" not in bytes_of(ledger.folder)
    assert b"eve" not in bytes_of(ledger.folder), "one id is one row: it was hers once"
    assert list(held(ledger)) == ["b"]
    assert days(ledger.touched("m")) == ["01", "03"]
    assert ledger.forget("m", ids=["nobody", 7, 7.5]).changed == 0
    with pytest.raises(UnknownNameError):
        ledger.forget("other", ids=["b"])
    ledger.forget("m", ids=["b"])
    assert ledger.spans("m") == {}
    assert not list(ledger.folder.rglob("*.parquet")) or b"'b'" not in bytes_of(ledger.folder)


# windows

def test_days_are_days_of_the_zone(store, tmp_path) -> None:
    ledger = Ledger(store, tmp_path / "ledger", Cadence.parse("1d", "America/New_York"))
    table = pa.table({"key": [1, 2, 3], "hour": pa.array([dt.datetime(2013, 3, 10, 23), dt.datetime(2013, 3, 11, 0), dt.datetime(2013, 3, 9, 23)])})
    ledger.put("m", source(table, id="key", timestamp="hour"))   # times without a zone are taken there
    spans = ledger.spans("m")
    assert [each.name for each in spans] == ["2013-03-09T00:00:00-05:00", "2013-03-10T00:00:00-05:00", "2013-03-11T00:00:00-04:00"]
    assert [(each.end - each.start) // 3_600_000_000 for each in spans] == [24, 23, 24], "the clocks change"
    assert [row["key"] for each in spans for row in read(ledger.rows("m", each))] == [3, 1, 2]


def test_windows_by_count_keep_the_order_of_arrival(store, tmp_path) -> None:
    ledger = Ledger(store, tmp_path / "ledger", Cadence.parse("2 rows"))
    ledger.put("m", rows([5, 4, 3], [2, 1, 0], [1.0, 2.0, 3.0]))
    assert {each.name: count for each, count in ledger.spans("m").items()} == {"rows 0 to 1": 2, "rows 2 to 3": 1}
    ledger.settle("m", ledger.touched("m"))
    arrival = ledger.put("m", rows([4, 2], [7, 7], [2.5, 9.0]))
    assert [each.name for each in arrival.spans] == ["rows 0 to 1", "rows 2 to 3"]
    assert [sorted(row["key"] for row in read(ledger.rows("m", each))) for each in ledger.spans("m")] == [[4, 5], [2, 3]]


def test_a_window_may_be_a_file(store, tmp_path) -> None:
    ledger = Ledger(store, tmp_path / "ledger", Cadence.parse("file"))
    ledger.put("m", rows([1, 2], [0, 0], [1.0, 2.0]), name="a.csv")
    ledger.label("m", labels([9], [1]))
    ledger.put("m", rows([2, 3], [0, 0], [2.5, 3.0]), name="b.csv")
    assert {each.name: count for each, count in ledger.spans("m").items()} == {"a.csv": 2, "b.csv": 1}
    assert [each.name for each in ledger.touched("m")] == ["a.csv", "b.csv"]


def test_rows_without_a_time_are_told(ledger) -> None:
    arrival = ledger.put("m", rows([1, 2], [None, 0], [1.0, 2.0]))
    assert (arrival.fresh, arrival.untimed, days(arrival.spans)) == (2, 1, ["01"])
    assert ledger.rows("m").rows == 2
    never = source(pa.table({"key": [5], "hour": pa.array([dt.datetime(9999, 12, 31)])}), id="key", timestamp="hour")
    assert ledger.put("m", never).untimed == 1
    with pytest.raises(ColumnTypeError, match="times of type int64"):
        ledger.put("m", wrong())
    assert ledger.rows("m").rows == 3


def wrong() -> Any:
    class Numbered:   # a source of another's making may say anything
        name, rows = "odd", 1
        schema = source(pa.table({"key": [5], "hour": at(0)}), id="key", timestamp="hour").schema

        def batches(self, columns=None):
            yield pa.record_batch({"key": [5], "hour": [3]})

        def split(self, parts):
            return [self]

    return Numbered()


def test_a_column_that_changes_its_type_is_seen_as_it_came(ledger) -> None:
    ledger.put("m", rows([1], [0], [1]))
    ledger.put("m", rows([2], [1], ["n/a"]))
    ledger.put("m", source(pa.table({"key": [3], "hour": at(2), "z": [True]}), id="key", timestamp="hour"))
    one, two, three = ledger.spans("m")
    assert [ledger.rows("m", each).schema["x"].type for each in (one, two)] == [pa.int64(), pa.string()]
    assert "x" not in ledger.rows("m", three).schema
    ledger.compact("m")
    assert [ledger.rows("m", each).schema["x"].type for each in (one, two)] == [pa.int64(), pa.string()]
    assert {row["x"] for row in read(ledger.rows("m"))} == {"1", "n/a", None}


def test_only_what_is_asked_for_is_kept(ledger) -> None:
    ledger.put("m", rows([1], [0], [1.0], y=[1], feature=[3]), columns=["x"])
    assert ledger.rows("m").schema.names == ("key", "hour", "x", "y")


# against a dictionary

def replay(ledger: Ledger, seed: int, steps: int) -> None:
    """Random deliveries, labels and deletions, in the ledger and in a dictionary."""
    chance, told, waiting = random.Random(seed), {}, {}
    for step in range(steps):
        kind, ids = chance.choice(["rows", "rows", "labels", "forget", "compact"]), chance.sample(range(40), chance.randint(1, 15))
        if kind == "rows":
            when, x = [chance.randint(0, 5) for _ in ids], [chance.choice([None, step, 0]) for _ in ids]
            y = [chance.choice([None, step % 2]) for _ in ids]
            with_label = chance.random() < 0.3
            ledger.put("m", rows(ids, when, pa.array(x, pa.int64()), **({"y": pa.array(y, pa.int64())} if with_label else {})))
            for place, each in enumerate(ids):
                old = told[each][2] if each in told else waiting.pop(each, None)
                told[each] = when[place], x[place], y[place] if with_label and y[place] is not None else old
        elif kind == "labels":
            y = [chance.choice([None, 0, 1]) for _ in ids]
            ledger.label("m", labels(ids, pa.array(y, pa.int64())))
            for each, value in zip(ids, y, strict=True):
                if value is not None and each in told:
                    told[each] = *told[each][:2], value
                elif value is not None:
                    waiting[each] = value
        elif kind == "forget":
            if ledger.models():
                ledger.forget("m", ids=ids[:2])
            for each in ids[:2]:
                told.pop(each, None)
                waiting.pop(each, None)
        else:
            ledger.compact("m")
    found = held(ledger) if told else {}
    assert {int(key): (row["hour"].day - 1, row["x"], row.get("y")) for key, row in found.items()} == told
    counts = {each.name[8:10]: count for each, count in ledger.spans("m").items()}
    assert counts == {f"{day + 1:02}": sum(when == day for when, _, _ in told.values()) for day in sorted({when for when, _, _ in told.values()})}


@pytest.mark.parametrize("seed", range(6))
def test_any_history_gives_what_a_dictionary_holds(tmp_path, seed, monkeypatch) -> None:
    monkeypatch.setattr(module, "_ROWS", 7)   # many pieces
    monkeypatch.setattr(module, "_MERGED", 3)
    with Store(tmp_path / "s.db") as store:
        replay(Ledger(store, tmp_path / "ledger"), seed, 25)


def test_any_history_in_each_database(ledger) -> None:
    replay(ledger, 99, 15)


def test_a_backfill_gives_what_the_live_run_gave(store, tmp_path) -> None:
    live, back = Ledger(store, tmp_path / "a"), Ledger(Store(":memory:"), tmp_path / "b")
    data = {"key": list(range(60)), "hour": at(*(each % 6 for each in range(60))), "x": np.arange(60.0)}
    table = pa.table(data)
    for day in range(6):
        live.put("m", source(table.filter(pa.array([each % 6 == day for each in range(60)])), id="key", timestamp="hour"))
    back.put("m", source(table, id="key", timestamp="hour"))
    assert list(live.spans("m").items()) == list(back.spans("m").items())
    assert all(held(live, span=each) == held(back, span=each) for each in live.spans("m"))


# files

def test_small_files_are_merged_by_themselves(ledger) -> None:
    for each in range(70):
        ledger.put("m", rows([each, each + 1], [each / 24, each / 24], [1.0, 2.0]))
    assert len(list(ledger.folder.rglob("*.parquet"))) < 30
    assert ledger.rows("m").rows == 71
    assert ledger.compact("m") == 1


def test_what_others_left_is_cleaned_and_readers_are_not_disturbed(ledger, store) -> None:
    ledger.put("m", rows([1, 2], [0, 1], [1.0, 2.0]))
    folder = next(ledger.folder.rglob("*.parquet")).parent
    for name in ("abc.parquet", "abc.parquet.part"):
        (folder / name).write_bytes(b"half a file")
    reader = ledger.rows("m")
    assert reader.rows == 2
    ledger.put("m", rows([1, 2], [0, 1], [5.0, 6.0]))
    ledger.compact("m")
    assert sorted(row["x"] for row in read(reader)) == [1.0, 2.0], "the rows as they were"
    assert sorted(row["x"] for row in read(reader)) == [1.0, 2.0]
    assert len(list(folder.iterdir())) == 1
    assert all(not each.stat().st_mode & 0o077 for each in [*ledger.folder.rglob("*.parquet"), folder])


def test_one_writer_at_a_time(ledger, opened, tmp_path) -> None:
    other = Ledger(opened(), tmp_path / "ledger", wait=0.1)
    with ledger._writing("m"):
        with pytest.raises(BusyError, match="the ledger of 'm' is being worked on by"):
            other.put("m", rows([1], [0], [1.0]))
        other.put("n", rows([1], [0], [1.0]))
    other.put("m", rows([1], [0], [1.0]))


def deliver(url: str, folder: Path, name: int) -> None:
    module._MERGED = 3
    with Store(url) as store:
        ledger = Ledger(store, folder)
        for each in range(6):
            ledger.put("m", rows([each, 100 * name + each], [each, each], [float(name), float(each)]))
            found = read(ledger.rows("m"))   # while others replace files
            assert len({row["key"] for row in found}) == len(found)
            assert {100 * name + one for one in range(each + 1)} <= {row["key"] for row in found}


def test_writers_and_readers_at_once(opened, url, tmp_path) -> None:
    children = [forked(deliver, url, tmp_path / "ledger", name) for name in (1, 2, 3)]
    assert [waited(each) for each in children] == [0, 0, 0]
    ledger = Ledger(opened(), tmp_path / "ledger")
    assert sorted(held(ledger)) == sorted(str(100 * name + each) for name in range(4) for each in range(6))
    assert list(ledger.spans("m").values()) == [4] * 6
    assert days(ledger.touched("m")) == ["01", "02", "03", "04", "05", "06"]
    assert [each.number for each in ledger.arrivals("m")] == list(range(1, 19))


def test_the_ledger_is_not_changed_inside_a_transaction(store, ledger) -> None:
    with store.transaction(), pytest.raises(StoreError, match="before a transaction begins"):
        ledger.put("m", rows([1], [0], [1.0]))
    assert ledger.models() == []


def test_a_ledger_belongs_to_one_store(ledger, tmp_path) -> None:
    with Store(tmp_path / "other.db") as other:
        with pytest.raises(StoreError, match="belongs to another store"):
            Ledger(other, ledger.folder)
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "thesis.txt").write_text("precious")
        with pytest.raises(StoreError, match="holds other files"):
            Ledger(other, tmp_path / "mine")
        with pytest.raises(StoreError, match="cannot be used"):
            Ledger(other, tmp_path / "other.db")


@pytest.mark.parametrize("damage", ["cut", "other", "gone"])
def test_a_broken_file_is_told(ledger, damage) -> None:
    ledger.put("m", rows([1, 2], [0, 1], [1.0, 2.0]))
    file = next(ledger.folder.rglob("*.parquet"))
    if damage == "cut":
        os.truncate(file, file.stat().st_size // 2)
    elif damage == "other":
        pq.write_table(pa.table({"a": [1, 2]}), file)
    else:
        file.unlink()
    with pytest.raises(StoreError, match=r"a file of the ledger is (broken|missing)"):
        ledger.rows("m")
    with pytest.raises(StoreError, match=r"a file of the ledger is (broken|missing)"):
        ledger.put("m", rows([1], [0], [9.0]))


def test_reserved_names_and_unknown_columns_are_refused(ledger) -> None:
    with pytest.raises(ConfigError, match="keeps for itself"):
        ledger.put("m", source(pa.table({"__assay_id": [1]})))
    with pytest.raises(Exception, match="there is no column 'z'"):
        ledger.put("m", rows([1], [0], [1.0]), columns=["z"])
