"""Laws of the store, on every kind of database: what was put comes back, all or nothing, in one order, from every process."""

from __future__ import annotations

import dataclasses
import os
import threading
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.errors import BusyError, ConfigError, StoreError, UnknownNameError
from assay.result import Cost, Figure, Finding, Incident, Run, Spread, Value, Verdict
from assay.store import Note, Store
from assay.summary import Need, Profile
from tests.store.process import forked, waited

AT = "2026-03-01T00:00:00+00:00"


def run_of(count: int = 3, **rest) -> Run:
    values = tuple(Value.of("recall", Spread("binomial", place / max(count, 1), n=50 + place), n=50 + place, slice={"carrier": f"c{place}"},
                            better="higher", column="x" if place % 2 else None) for place in range(count))
    verdicts = (Verdict("recall >= 0.5", "fail", "it is low", value=values[0] if values else None, slice={"carrier": "é\0\u2028"}),)
    findings = (Finding("fairness", "a flip", {"age": 3}, {"age": None}, (0.1, 0.9)),)
    figures = (Figure("roc", "line", "ROC", {"x": (0.0, 1.0), "y": (0.0, 1.0)}, x="x", y=("y",)),)
    return Run("check", values, verdicts, findings, (incident(),), Cost(1.5, 10, 20), ("a note",), figures=figures, about={"rows": 5}, **rest)


def incident(id: str = "i1", **rest) -> Incident:
    given = {"source": "weather", "columns": ("temp",), "slices": ({"origin": "LGA"},), "evidence": 12.5, "kind": "fault", "state": "open"}
    return Incident(AT, AT, page=True, sentence="temp is missing", id=id, **(given | rest))


def profile(*numbers: float) -> Profile:
    found = Profile(rows=len(numbers))
    found.summary((), Need("moments", ("x",))).update(np.array(numbers))
    return found


# runs

def test_a_run_comes_back_as_it_was(store) -> None:
    run = run_of(25)
    assert store.put(run, model="delay", span=3, at=AT) == run.id
    assert store.get(run.id) == run
    assert store.get(run.id[:12]) == run
    assert [(each.id, each.model, each.span, each.at, each.verdict) for each in store.find()] == [(run.id, "delay", 3, AT, "fail")]


text = st.text(st.characters(exclude_categories=()), max_size=8)
number = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.builds(lambda metric, value, name, part: Value(metric, value, value, value, 3, {name: part}), text, number, text,
                          st.none() | st.booleans() | st.integers(-2**63, 2**63 - 1) | text), max_size=4), text)
def test_any_run_comes_back(store, values, note) -> None:
    names = [each.metric + "".join(each.slice) for each in values]
    run = Run("check", tuple(values), notes=(note,))
    try:
        store.put(run, model="any")
    except StoreError:
        assert any("\ud800" <= letter <= "\udfff" for name in names for letter in name)   # half a character names no metric
        return
    assert store.get(run.id) == run


def test_putting_a_run_again_replaces_it(store) -> None:
    run = run_of(4)
    store.put(run, model="delay", at=AT)
    changed = dataclasses.replace(run, values=run.values[:1], notes=("other",))
    store.put(changed, model="delay", at=AT)
    assert store.get(run.id) == changed
    assert len(store.history("recall")) == 1
    assert len(store.find()) == 1


def test_histories_are_in_the_order_of_time(store) -> None:
    for day in (3, 1, 2):
        values = tuple(Value.of(metric, Spread("normal", day / 10), n=day, slice=slice) for metric in ("auc", "recall")
                       for slice in ({}, {"b": 1, "a": "x"}))
        store.put(Run("monitor", values), model="delay", span=day, at=f"2026-03-0{day}T00:00:00+00:00")
    store.put(Run("monitor", (Value.of("auc", Spread("normal", 0.9), n=1),)), model="other", at=AT)
    assert [each.item.value for each in store.history("auc", model="delay", slice={})] == [0.1, 0.2, 0.3]
    assert [each.span for each in store.history("auc", model="delay", slice={"a": "x", "b": 1})] == [1, 2, 3]
    between = {"since": "2026-03-01T19:00:00-05:00", "until": "2026-03-03T00:00:00+00:00"}
    assert [each.span for each in store.history("auc", model="delay", slice={}, **between)] == [2]
    assert len(store.history("auc")) == 7
    assert [each.span for each in store.history("recall", slice={}, most=2)] == [2, 3], "the newest"
    assert store.history("psi") == []


def test_verdicts_and_findings_have_histories(store) -> None:
    store.put(run_of(), model="delay", at=AT)
    assert [each.item.verdict for each in store.runs.verdicts("recall >= 0.5", model="delay", verdict="fail")] == ["fail"]
    assert [each.item.sentence for each in store.runs.findings("fairness", model="delay")] == ["a flip"]
    assert store.runs.verdicts(verdict="pass") == []


def test_old_runs_are_forgotten_whole(store) -> None:
    store.put(run_of(), at="2026-01-01T00:00:00+00:00")
    kept = run_of()
    store.put(kept, at="2026-02-01T00:00:00+00:00")
    assert store.runs.drop(before="2026-01-15T00:00:00+00:00") == 1
    assert [each.id for each in store.find()] == [kept.id]
    assert len(store.history("recall")) == 3
    assert store.get(kept.id) == kept


def test_a_run_that_is_not_there_is_told(store) -> None:
    with pytest.raises(UnknownNameError, match="there is no run 'ab'"):
        store.get("ab")
    store.put(run_of(id="abc1"))
    store.put(run_of(id="abc2"))
    with pytest.raises(ConfigError, match="more than one run begins with 'abc'"):
        store.get("abc")
    assert store.get("abc2").id == "abc2"


def test_a_time_without_zone_is_refused(store) -> None:
    with pytest.raises(ConfigError, match="has no zone"):
        store.put(run_of(), at="2026-03-01T00:00:00")
    assert store.find() == []


# incidents

def test_an_incident_lives(store) -> None:
    keep, find = store.incidents.keep, store.incidents.find
    assert keep("delay", [incident()], at="2026-03-01T01:00:00+00:00") == ["i1"]
    assert keep("delay", [incident()], at="2026-03-01T02:00:00+00:00") == [], "nothing changed"
    assert keep("delay", [incident(columns=("temp", "dewp"))], at="2026-03-01T03:00:00+00:00") == []
    assert find() == [incident(columns=("temp", "dewp"))]
    store.incidents.mark("delay", "i1", "acknowledged", by="ann", note="on it", at="2026-03-01T04:00:00+00:00")
    assert [each.state for each in find()] == ["acknowledged"]
    keep("delay", [incident(columns=("temp", "dewp"), state="resolved")], at="2026-03-01T05:00:00+00:00")
    assert [each.state for each in find()] == ["resolved"]
    store.incidents.mark("delay", "i1", "false", by="ann", at="2026-03-01T06:00:00+00:00")
    assert [each.state for each in find(monitor="delay", source="weather")] == ["false"]
    store.incidents.mark("delay", "i1", "acknowledged")
    assert [each.state for each in find(state="false")] == ["false"], "a verdict stands"
    store.incidents.mark("delay", "i1", "reopened")
    assert [each.state for each in find()] == ["resolved"]
    lived = store.incidents.events("delay", "i1")
    assert [each.what for each in lived] == ["opened", "updated", "acknowledged", "resolved", "false", "acknowledged", "reopened"]
    assert (lived[2].by, lived[2].note, lived[2].at) == ("ann", "on it", "2026-03-01T04:00:00+00:00")


def test_snoozing_ends(store) -> None:
    store.incidents.keep("delay", [incident()])
    store.incidents.mark("delay", "i1", "snoozed", until="2026-03-03T00:00:00+00:00")
    assert [each.state for each in store.incidents.find(at="2026-03-02T00:00:00+00:00")] == ["snoozed"]
    assert [each.state for each in store.incidents.find(at="2026-03-04T00:00:00+00:00")] == ["open"]
    with pytest.raises(ConfigError, match="until when"):
        store.incidents.mark("delay", "i1", "snoozed")


def test_incidents_that_late_rows_cleared_up_are_withdrawn(store) -> None:
    store.incidents.keep("delay", [incident("i1"), incident("i2")])
    store.incidents.keep("other", [incident("i1")])
    store.incidents.keep("delay", [incident("i2")], complete=True)
    assert {each.id: each.state for each in store.incidents.find(monitor="delay")} == {"i1": "withdrawn", "i2": "open"}
    assert [each.state for each in store.incidents.find(monitor="other")] == ["open"]
    store.incidents.keep("delay", [incident("i2")], complete=True)
    assert [each.what for each in store.incidents.events("delay", "i1")] == ["opened", "withdrawn"]


def test_marks_need_an_incident_and_a_known_word(store) -> None:
    with pytest.raises(UnknownNameError, match="no incident 'i9'"):
        store.incidents.mark("delay", "i9", "true")
    with pytest.raises(UnknownNameError, match="no mark 'ture'"):
        store.incidents.mark("delay", "i9", "ture")


# notes, decisions, messages

def test_notes_keep_what_is_known_and_who_said_so(store) -> None:
    store.notes.put("weather", owner="bob", by="ann", at=AT)
    store.notes.put("weather", "temp", meaning="degrees F", by="ann", at=AT)
    store.notes.put("weather", "temp", corrupted_since="2026-03-01T00:00:00-05:00", by="cem", at=AT)
    assert store.notes.find("weather") == [Note("weather", owner="bob", by="ann", at=AT), Note(
        "weather", "temp", meaning="degrees F", corrupted_since="2026-03-01T00:00:00-05:00", by="cem", at=AT)]
    assert "do not build features" in (store.notes.find("weather", "temp")[0].warning or "")
    store.notes.put("weather", "temp", corrupted_since="")
    assert store.notes.find("weather", "temp")[0].warning is None
    assert [each.by for each in store.notes.history("weather", "temp")] == ["ann", "cem", None]
    with pytest.raises(ConfigError, match="has no zone"):
        store.notes.put("weather", corrupted_since="2026-03-01")
    with pytest.raises(ConfigError, match="a note has no 'ownr'"):
        store.notes.put("weather", ownr="x")


def test_decisions_are_kept(store) -> None:
    first = store.decisions.put("delay@7", "accepted", by="ann", note="small regression on HA", run="abc", at=AT)
    second = store.decisions.put("delay@7", "rolled back", at="2026-03-02T00:00:00+00:00")
    store.decisions.put("other", "rejected")
    assert store.decisions.find("delay@7") == [first, second]
    assert len(store.decisions.find()) == 3


def message(state: str = "pending", next: float = 0.0, **rest) -> dict:
    return {"state": state, "next": next, "tries": 0, "message": {"title": "é"}, **rest}


def test_a_message_goes_once(store) -> None:
    assert store.outbox.add({"a": message(), "b": message(next=50.0)}) == ["a", "b"]
    claimed = store.outbox.claim(10.0, hold=100.0)
    assert claimed == {"a": message()}
    assert store.outbox.claim(20.0) == {}, "another sends it"
    store.outbox.update({"a": message("sent")})
    assert store.outbox.add({"a": message(), "c": message()}) == ["c"], "it was asked for again"
    assert store.outbox.find("sent") == {"a": message("sent")}
    assert list(store.outbox.claim(60.0)) == ["c", "b"]
    assert list(store.outbox.claim(1e6)) == ["b", "c"], "whoever held them may have died"
    with pytest.raises(ConfigError, match="no state"):
        store.outbox.add({"d": {"state": "lost"}})


# states and profiles

def test_states_are_those_of_the_last_window_before(store) -> None:
    store.states.put({("a", 1): b"a1", ("a", 2): b"a2", ("b", 5): b"\0b5", ("c", 9): b""})
    store.states.put({("a", 2): b"A2"})
    assert store.states.latest() == {"a": (2, b"A2"), "b": (5, b"\0b5"), "c": (9, b"")}
    assert store.states.latest(["a", "b", "x"], before=5) == {"a": (2, b"A2")}
    assert store.states.get("a", 1) == b"a1"
    assert store.states.get("a", 7) is None
    store.states.drop("a", since=2)
    assert store.states.latest(["a"]) == {"a": (1, b"a1")}


def test_profiles_come_back(store) -> None:
    made = {(source, span): profile(span, 2.0) for source in ("f", "w") for span in range(80)}
    store.profiles.put("delay", made)
    assert {(source, span): each for source, span, each in store.profiles.find("delay")} == made
    assert [(source, span) for source, span, _ in store.profiles.find("delay")] == sorted(made)
    assert [span for _, span, _ in store.profiles.find("delay", "w", since=3, before=5)] == [3, 4]
    store.profiles.drop("delay", before=79)
    assert [(source, span) for source, span, _ in store.profiles.find("delay")] == [("f", 79), ("w", 79)]
    assert list(store.profiles.find("other")) == []


# transactions, leases, processes

def test_a_transaction_is_kept_whole_or_not_at_all(store, opened) -> None:
    def failing() -> None:
        with store.transaction():
            store.put(run_of())
            store.states.put({("a", 1): b"x"})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert store.find() == []
    assert store.states.latest() == {}
    with store.transaction():
        store.states.put({("a", 1): b"x"})
        with store.transaction():
            store.states.put({("b", 1): b"y"})
    assert set(opened().states.latest()) == {"a", "b"}


def test_a_failed_part_fails_the_transaction(store) -> None:
    def failing() -> None:
        with store.transaction():
            store.states.put({("a", 1): b"x"})
            with pytest.raises(ZeroDivisionError), store.transaction():
                raise ZeroDivisionError

    with pytest.raises(StoreError, match="none of it was kept"):
        failing()
    assert store.states.latest() == {}
    store.states.put({("a", 1): b"x"})
    assert store.states.latest() == {"a": (1, b"x")}


def test_a_lease_has_one_holder(store, opened) -> None:
    other = opened()
    with store.lease("delay"), store.lease("delay"):   # the same thread may
        with pytest.raises(BusyError, match=f"'delay' is being worked on by .*process {os.getpid()}"), other.lease("delay"):
            pass
        with other.lease("another"):
            pass
        since = time.monotonic()
        with pytest.raises(BusyError), other.lease("delay", wait=0.3):
            pass
        assert time.monotonic() - since >= 0.3
    with other.lease("delay"):
        pass


def test_a_lease_comes_before_a_transaction(store) -> None:
    with store.transaction(), pytest.raises(StoreError, match="before a transaction begins"), store.lease("delay"):
        pass
    with store.lease("delay"), store.transaction(), store.lease("delay"):
        store.states.put({("a", 1): b"x"})
    assert set(store.states.latest()) == {"a"}


def test_a_lost_connection_is_told_and_made_again(store, opened, url) -> None:
    if "://" not in url:
        pytest.skip("a file has no connection")
    number = store._database.execute("select pg_backend_pid()")[0][0]

    def failing() -> None:
        with store.transaction():
            store.states.put({("a", 1): b"x"})
            opened()._database.execute("select pg_terminate_backend(?)", [number])
            store.states.put({("b", 1): b"y"})

    with pytest.raises(StoreError, match="connection to the database was lost"):
        failing()
    assert store.states.latest() == {}
    store.states.put({("c", 1): b"z"})
    with store.lease("delay"):
        opened()._database.execute("select pg_terminate_backend(?)", store._database.execute("select pg_backend_pid()")[0])
        with pytest.raises(StoreError, match="lost"):
            store.states.put({("d", 1): b"z"})
        with pytest.raises(StoreError, match="lost"):   # not made again: the lease went with it
            store.states.put({("d", 1): b"z"})
    assert set(store.states.latest()) == {"c"}


def test_a_lease_holds_against_threads_that_share_the_store(store) -> None:
    order: list[str] = []

    def second() -> None:
        with store.lease("delay", wait=5.0):
            order.append("second")

    with store.lease("delay"):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def advance(url: str, times: int) -> None:
    with Store(url) as store:
        for _ in range(times):
            with store.lease("delay", wait=60.0), store.transaction():
                span, body = store.states.latest(["delay"]).get("delay", (0, b"0"))
                store.states.put({("delay", span + 1): str(int(body) + 1).encode()})


def test_processes_advance_a_monitor_one_at_a_time(store, url) -> None:
    workers = [forked(advance, url, 10) for _ in range(3)]
    assert [waited(each) for each in workers] == [0, 0, 0]
    assert store.states.latest() == {"delay": (30, b"30")}


def write(url: str, name: str, times: int) -> None:
    with Store(url) as store:
        for place in range(times):
            store.put(run_of(20, id=f"{name}-{place}"), at=AT)
            store.incidents.keep("delay", [incident("same", evidence=float(place)), incident(f"{name}-{place}")])


def test_concurrent_writers_lose_nothing(opened, url) -> None:
    workers = [forked(write, url, str(each), 8) for each in range(3)]   # the store is made by whoever comes first
    assert [waited(each) for each in workers] == [0, 0, 0]
    store = opened()
    assert {each.id for each in store.find()} == {f"{worker}-{place}" for worker in range(3) for place in range(8)}
    assert len(store.history("recall")) == 3 * 8 * 20
    assert len(store.incidents.find()) == 25
    assert [each.what for each in store.incidents.events("delay", "same")][:1] == ["opened"]


def test_threads_share_a_store(store) -> None:
    def work(name: int) -> None:
        for place in range(5):
            store.put(run_of(5, id=f"{name}-{place}"))
            assert store.get(f"{name}-{place}").id == f"{name}-{place}"

    threads = [threading.Thread(target=work, args=(each,)) for each in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(store.find()) == 20


def test_a_store_works_after_a_fork(store) -> None:
    store.states.put({("a", 1): b"x"})
    assert waited(forked(store.states.put, {("b", 1): b"y"})) == 0
    store.states.put({("c", 1): b"z"})
    assert set(store.states.latest()) == {"a", "b", "c"}


def test_many_states_in_one_go(store) -> None:
    since = time.perf_counter()
    store.states.put({(f"model {each}", 1): os.urandom(200) for each in range(10_000)})
    assert len(store.states.latest()) == 10_000
    assert len(store.states.latest([f"model {each}" for each in range(0, 10_000, 3)], before=9)) == 3_334
    assert time.perf_counter() - since < 30   # seconds; bench/store.py has the numbers


def test_nothing_shows_a_secret(store, url) -> None:
    shown = [repr(store), store.name, repr(store._database), str(vars(store))]
    assert all("s3cret" not in each for each in shown)
    if "://" in url:
        with pytest.raises(StoreError) as found:
            Store(url.replace("s3cret", "s3cret-wrong"))
        assert "s3cret" not in str(found.value)
        assert "s3cret" not in repr(found.value)
        with pytest.raises(ConfigError) as told:
            Store(f"{url}?sslmod=s3cret-too")
        assert "s3cret" not in str(told.value)
