"""The file of a store: made for its owner only, brought forward from old releases, refused where it is none or is hostile."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from assay.errors import BusyError, ConfigError, StoreError
from assay.result import Run
from assay.store import Ledger, Store
from assay.store import _migration as migration
from tests.store.process import forked, waited
from tests.store.test_store import AT, incident, profile, run_of

OLD = sorted((Path(__file__).parent / "old").glob("*.sql"))


def made(path: Path) -> Path:
    with Store(path) as store:
        store.put(run_of(200, id="r1"))
    return path


def test_a_new_store_is_for_its_owner_only(tmp_path) -> None:
    mask = os.umask(0)
    try:
        with Store(tmp_path / "s.db") as store:
            store.put(Run("check"))
            with store.lease("m"):
                modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.rglob("*") if each.is_file()}
    finally:
        os.umask(mask)
    assert {"s.db", "s.db-wal", "s.db-shm"} <= modes.keys()
    assert all(mode == 0o600 for name, mode in modes.items() if name.startswith("s.db"))
    assert stat.S_IMODE((tmp_path / "s.db-leases").stat().st_mode) == 0o700


def test_urls_and_paths_name_the_same_file(tmp_path) -> None:
    made(tmp_path / "s.db")
    with Store(f"sqlite:///{tmp_path / 's.db'}") as store:
        assert store.get("r1").id == "r1"
        assert store.version == len(migration.STEPS)


@pytest.mark.parametrize(("url", "word"), [
    ("mysql://ann:s3cret@db/x", "no store of this kind"), ("postgresql+psycopg://ann:s3cret@db/x", "leave out the name of the driver"),
    ("postgresql://ann:s3cret@db", "not a database URL"), ("postgresql://ann:s3cret@db:port/x", "not a database URL"),
    ("postgresql://ann:s3cret@db/x?sslmode=s3cret", "no sslmode"), ("", "no name"), ("a\0b", "no name"),
    ("postgresql://ann:s3cret@127.0.0.1:1/x?connect_timeout=1", "cannot be reached"),
])
def test_a_url_that_cannot_be_used_is_told_without_its_secret(url, word) -> None:
    pytest.importorskip("pg8000")
    with pytest.raises((ConfigError, StoreError), match=word) as found:
        Store(url)
    assert "s3cret" not in str(found.value).replace("no sslmode 's3cret'", "")


def _text(path: Path) -> None:
    path.write_text("id,value\n1,2\n" * 100)


def _cut(path: Path) -> None:
    made(path)
    os.truncate(path, path.stat().st_size // 2)


def _head(path: Path) -> None:
    made(path)
    os.truncate(path, 60)


def _garbled(path: Path) -> None:
    made(path)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(100)
        file.write(os.urandom(size - 100))


def _link(path: Path) -> None:
    made(path.with_name("real.db"))
    path.symlink_to("real.db")


def _trigger(path: Path) -> None:
    made(path)
    with sqlite3.connect(path) as connection:
        connection.execute("create trigger t after insert on assay_run begin delete from assay_run; end")
    connection.close()


def _view(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("create view assay_store as select 'version' as name, '1' as value")
    connection.close()


def _other(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("create table customers (name)")
    connection.close()


def _newer(path: Path) -> None:
    made(path)
    with sqlite3.connect(path) as connection:
        connection.execute("update assay_store set value = '99' where name = 'version'")
    connection.close()


def _odd(path: Path) -> None:
    made(path)
    with sqlite3.connect(path) as connection:
        connection.execute("update assay_store set value = 'x' where name = 'version'")
    connection.close()


HOSTILE = {
    _text: "not a store", _cut: "cut off", _head: "not a store", _garbled: "broken|not a store|malformed", Path.mkdir: "is a folder", _link: "symbolic link",
    os.mkfifo: "no regular file", _trigger: "triggers or views", _view: "triggers or views", _other: "another program", _newer: "newer release",
    _odd: "which version",
}


@pytest.mark.parametrize("make", HOSTILE, ids=lambda each: each.__name__.strip("_"))
def test_what_is_no_store_is_refused_in_one_sentence(tmp_path, make) -> None:
    make(tmp_path / "s.db")
    with pytest.raises(StoreError, match=HOSTILE[make]) as found:
        Store(tmp_path / "s.db")
    assert "\n" not in str(found.value)
    assert "Traceback" not in str(found.value)


def test_a_folder_that_is_not_there_is_told(tmp_path) -> None:
    with pytest.raises(StoreError, match="does the folder exist"):
        Store(tmp_path / "no" / "s.db")
    assert not (tmp_path / "no").exists()


def test_an_empty_file_is_a_new_store(tmp_path) -> None:
    (tmp_path / "s.db").touch()   # what is left where a process died while it made one
    with Store(tmp_path / "s.db") as store:
        assert store.find() == []


def test_damage_inside_is_told(tmp_path) -> None:
    with Store(tmp_path / "s.db") as store:
        store.put(run_of(id="r1"))
        store.profiles.put("m", {("s", 1): profile(1.0)})
        execute = store._database.execute
        execute("update assay_value set body = '[1]'")
        with pytest.raises(StoreError, match="what assay never wrote"):
            store.get("r1")
        execute("update assay_value set body = '{}'")
        with pytest.raises(StoreError, match="what assay never wrote"):
            store.history("recall")
        execute("update assay_value set body = ?", ["[" * 100_000])
        with pytest.raises(StoreError, match="what assay never wrote"):
            store.history("recall")
        execute("update assay_profile set body = ?", [b"xxxxxxxx"])
        with pytest.raises(StoreError, match="damaged"):
            list(store.profiles.find("m"))


def test_a_writer_that_does_not_end_is_told(tmp_path) -> None:
    with Store(tmp_path / "s.db") as one, Store(tmp_path / "s.db", wait=0.1) as other, one.transaction():
        with pytest.raises(BusyError, match="does not end"):
            other.put(Run("check"))
        assert other.find() == [], "readers do not wait"


def test_many_make_a_store_at_once(tmp_path) -> None:
    def work(place: int) -> None:
        with Store(tmp_path / "s.db") as store:
            store.states.put({("m", place): b"x"})

    children = [forked(work, place) for place in range(8)]
    assert [waited(each) for each in children] == [0] * 8
    with Store(tmp_path / "s.db") as store:
        assert len(store._database.execute("select 1 from assay_state")) == 8
        assert len(store._database.execute("select 1 from assay_store where name = 'id'")) == 1


# what old releases wrote

@pytest.mark.parametrize("path", OLD, ids=lambda each: each.stem)
def test_a_store_of_an_old_release_is_brought_forward(tmp_path, path) -> None:
    with sqlite3.connect(tmp_path / "s.db") as connection:
        connection.executescript(path.read_text("utf-8"))
    connection.close()
    with Store(tmp_path / "s.db") as store:
        assert store.version == len(migration.STEPS)
        run = store.get("r1")
        assert [each.item.n for each in store.history("recall", model="delay")] == [each.n for each in run.values] == [50, 51, 52]
        assert run.notes == ("a note",)
        assert [each.state for each in store.incidents.find()] == ["acknowledged"]
        assert [each.owner for each in store.notes.find()] == ["bob"]
        assert [each.decision for each in store.decisions.find()] == ["accepted"]
        assert list(store.outbox.claim(1.0)) == ["m"]
        assert store.states.latest() == {"delay": (3, b"\0\1state")}
        assert [each for *_, each in store.profiles.find("delay")] == [profile(1.0, 2.0)]
        assert store.incidents.keep("delay", [incident()], at=AT) == []
        assert Ledger(store, tmp_path / "ledger").models() == []


def test_every_released_step_has_a_file(tmp_path) -> None:
    assert [int(each.stem) for each in OLD] == list(range(1, len(migration.STEPS))), "keep the text of a store before a step is added"


def test_a_step_that_fails_leaves_the_store_as_it_was(tmp_path, monkeypatch) -> None:
    made(tmp_path / "s.db")
    broken = (*migration.STEPS, ("create table assay_new (x TEXT)", "create table assay_run (again TEXT)"))
    monkeypatch.setattr(migration, "STEPS", broken)
    with pytest.raises(StoreError, match="already exists"):
        Store(tmp_path / "s.db")
    monkeypatch.undo()
    with Store(tmp_path / "s.db") as store:
        assert store.get("r1").id == "r1"
        assert "assay_new" not in store._database.tables()


def test_a_newer_store_in_postgres_is_refused(url) -> None:
    with Store(url) as store:
        store._database.execute("update assay_store set value = '99' where name = 'version'")
    with pytest.raises(StoreError, match="newer release"):
        Store(url)


def test_tables_of_others_in_postgres_are_left_alone(url) -> None:
    if "://" not in url:
        pytest.skip("a file belongs to one program")
    import pg8000.dbapi as driver

    from assay.store._pg8000 import _arguments

    connection = driver.connect(**_arguments(url)[0])
    connection.cursor().execute("create table customers (name text)")
    connection.commit()
    connection.close()
    with Store(url) as store:
        store.put(Run("check"))
        assert "customers" in store._database.tables()
