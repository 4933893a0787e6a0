"""Simulated users of a real server on this machine: sessions, delays, refusals, what is too large, too slow, or not there."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from typing import Any

import pytest

from assay.errors import AssayError, ConfigError, ModelError
from assay.probe.experiment.design import Step, Unit, design, planned
from assay.probe.experiment.driver import asked_of, conducted
from assay.probe.experiment.log import Log
from assay.probe.experiment.session import Site, UnreachableError
from tests.probe.experiment.shop import Shop

STEPS = [{"post": "/set", "form": {"gender": "{gender}", "name": "{unit}"}}]


def shopping(url: str, **rest: Any) -> dict[str, Any]:
    system = {"url": url, "timeout": 2, "retries": 1, **rest.pop("system", {})}
    return {"system": system, "blocks": 6, "units": 4,
            "treatments": {"men": {"profile": {"gender": "male"}, "steps": STEPS}, "women": {"profile": {"gender": "female"}, "steps": STEPS}},
            "measure": [{"get": "/news", "times": 2, "read": {"ads": {"html": "li.ad"}, "price": {"html": "b#price"}}}],
            "outcomes": {"ads": "items", "price": "number"}, **rest}


def made(value: dict[str, Any], system: Any = None):
    found = design(value, lambda *keys: ".".join(keys), system=system is None)
    return found, planned(found)


def done(value: dict[str, Any], path, system: Any = None) -> Log:
    found, plan = made(value, system)
    with Log.open(path, found, plan) as log:
        conducted(found, log, asked_of(found, system))
        return log


@contextlib.contextmanager
def user(shop: Shop, **system: Any):
    found, _ = made(shopping(shop.url, system=system))
    with contextlib.closing(Site(found).user("u1", {"gender": "male"})) as session:
        yield session


def test_every_unit_is_a_user_of_its_own(tmp_path) -> None:
    with Shop() as shop:
        log = done(shopping(shop.url), tmp_path / "log")
        assert len(log.seen) == 24
        assert all(len(each.outcomes["ads"]) == 6 and 100 <= each.outcomes["price"] <= 110 for each in log.seen.values())
        treatments = {unit.id: {"men": "male", "women": "female"}[unit.treatment] for unit in log.plan.units}
        people = [each for each in shop.people.values() if "name" in each]
        assert {each["name"]: each["gender"] for each in people} == treatments
        assert len(shop.people) == 24
        assert [len({cookie for method, _, cookie in shop.requests if method == "GET"})] == [24]


def test_units_of_a_block_are_asked_together_and_blocks_one_after_the_other(tmp_path) -> None:
    now, most, lock, order = [0], [0], threading.Lock(), []

    def slow(profile: Any, unit: str) -> float:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
            order.append(unit)
        time.sleep(0.03)
        with lock:
            now[0] -= 1
        return 1.0

    log = done({"treatments": {"a": {}, "b": {}}, "outcomes": {"x": "number"}, "blocks": 5, "units": 4}, tmp_path / "log", slow)
    assert 2 <= most[0] <= 4
    blocks = {unit.id: unit.block for unit in log.plan.units}
    assert [blocks[each] for each in order] == sorted(blocks[each] for each in order)


def test_what_is_interrupted_goes_on_with_the_same_lots(tmp_path) -> None:
    asked: list[str] = []

    def once(profile: Any, unit: str) -> float:
        asked.append(unit)
        if len(asked) == 9:
            raise KeyboardInterrupt
        return float(len(profile))

    value = {"treatments": {"a": {}, "b": {}}, "outcomes": {"x": "number"}, "blocks": 5, "units": 4, "system": {"parallel": 1}}
    with pytest.raises(KeyboardInterrupt):
        done(value, tmp_path / "log", once)
    log = done(value, tmp_path / "log", once)
    assert len(log.seen) == 20
    assert len(asked) == 21     # the one under way was asked again
    assert log.runs == 2


def test_a_busy_server_is_asked_again(tmp_path) -> None:
    with Shop() as shop:
        shop.failing = 3
        assert not any(each.failed for each in done(shopping(shop.url, system={"retries": 4}), tmp_path / "log").seen.values())


def test_who_is_refused_is_logged(tmp_path) -> None:
    with Shop() as shop:
        shop.refused = "female"
        log = done(shopping(shop.url), tmp_path / "log")
        failed = {log.plan.units[each.unit].treatment for each in log.seen.values() if each.failed}
        assert failed == {"women"}
        assert "status 403" in next(each.failed for each in log.seen.values() if each.failed)


def test_a_refusal_can_be_what_is_measured(tmp_path) -> None:
    with Shop() as shop:
        shop.refused = "female"
        value = shopping(shop.url, outcomes={"code": "category"}, measure=[{"get": "/news", "read": {"code": "status"}}])
        log = done(value, tmp_path / "log")
        assert {(log.plan.units[each.unit].treatment, *each.outcomes["code"]) for each in log.seen.values()} == {("men", "200"), ("women", "403")}


def test_a_server_that_goes_down_stops_it_and_it_goes_on_when_it_is_back(tmp_path) -> None:
    with Shop() as shop:
        whole = done(shopping(shop.url), tmp_path / "whole").seen
        value, port = shopping(shop.url), shop.port
        found, plan = made(value)
        with Log.open(tmp_path / "log", found, plan) as log:
            count = [0]

            def stopped(name: str, units: int) -> None:
                count[0] += units
                if count[0] == 8:
                    shop.close()

            with pytest.raises(ModelError, match=r"gives no outcomes: the server cannot be reached") as caught:
                conducted(found, log, asked_of(found), progress=stopped)
            assert "8 of 24 units are in log; run the same command again" in str(caught.value)
            assert len(log.seen) == 8
    with Shop(port=port):
        log = done(value, tmp_path / "log")
        assert {number: each.outcomes for number, each in log.seen.items()} == {number: each.outcomes for number, each in whole.items()}


def test_nobody_there_is_a_sentence_and_nothing_is_logged(tmp_path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(ModelError, match="cannot be reached"):
            done(shopping(f"http://127.0.0.1:{taken.getsockname()[1]}", system={"retries": 0}), tmp_path / "log")
    assert len((tmp_path / "log").read_text("utf-8").splitlines()) == 2     # the lots, and that it began


def test_a_function_that_never_answers_stops_it(tmp_path) -> None:
    value = {"treatments": {"a": {}, "b": {}}, "outcomes": {"x": "number"}, "blocks": 9, "units": 2}
    for system, what in ((lambda profile, unit: {"y": 1}, "gave no outcome 'x'"), (lambda profile, unit: 1 / 0, "raised ZeroDivisionError"),
                         (lambda profile, unit: "dear", "'x' is 'dear'")):
        with pytest.raises(ModelError, match=what):
            done(value, tmp_path / "log", system)
    assert '"unit"' not in (tmp_path / "log").read_text("utf-8")


def test_a_unit_without_an_outcome_is_one_that_failed(tmp_path) -> None:
    calls = [0]

    def mostly(profile: Any, unit: str) -> dict[str, float]:
        calls[0] += 1
        return {} if calls[0] % 5 == 0 else {"x": 1.0}

    log = done({"treatments": {"a": {}, "b": {}}, "outcomes": {"x": "number"}, "blocks": 5, "units": 4,
                "system": {"parallel": 1}}, tmp_path / "log", mostly)
    assert sum(bool(each.failed) for each in log.seen.values()) == 4


@pytest.mark.parametrize(("path", "what"), [("/huge", "more than 100,000 bytes"), ("/hang", "did not answer within 0.3 s"),
                                            ("/drip", "did not answer within 0.3 s"), ("/away", "redirects to example.org"),
                                            ("/circle", "in a circle")])
def test_answers_that_are_refused(path, what) -> None:
    with Shop() as shop, user(shop, limit=100_000, timeout=0.3, retries=0) as session:
        began = time.monotonic()
        with pytest.raises(AssayError, match=what):
            session.take(Step("GET", path))
        assert time.monotonic() - began < 20


def test_redirects_on_the_host_are_followed_with_the_cookies() -> None:
    with Shop() as shop, user(shop) as session:
        assert json.loads(session.take(Step("POST", "/turn", form={"gender": "male"})).body)["vip"] is True
        assert [(method, path) for method, path, _ in shop.requests] == [("POST", "/turn"), ("GET", "/json")]
        assert shop.requests[1][2] == "s0"


def test_what_changes_something_is_sent_once_unless_it_was_refused() -> None:
    with Shop(delay=0.4) as shop, user(shop, timeout=0.2, retries=3) as session:
        with pytest.raises(AssayError, match="within"):
            session.take(Step("POST", "/set", form={"a": "b"}))
        time.sleep(0.4)
        assert len(shop.requests) == 1
    with Shop() as shop, user(shop, retries=1) as session:
        shop.failing = 1
        assert session.take(Step("POST", "/set")).status == 200


def test_fields_are_filled_in_and_nothing_else_is() -> None:
    with Shop() as shop, user(shop) as session:
        session.take(Step("POST", "/set?g={gender}&u={unit}", body={"deep": ["{gender}", 3, "{nobody} {0.__class__}"], "x": True}))
        assert shop.requests[0][1] == "/set?g=male&u=u1"
        assert shop.people["s0"]["deep"] == ["male", 3, "{nobody} {0.__class__}"]


def test_secrets_go_to_the_server_and_nowhere_else(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "t0p-s3cret")
    monkeypatch.setenv("SHOP_PASSWORD", "passw0rd")
    with Shop() as shop:
        steps = [{"post": "/login", "form": {"password": "{env:SHOP_PASSWORD}"}}]
        value = shopping(shop.url, system={"token_env": "SHOP_TOKEN"}, before=steps, outcomes={"echo": "items"},
                         measure=[{"get": "/echo?p={env:SHOP_PASSWORD}", "read": {"echo": {"json": "*"}}}])
        done(value, tmp_path / "log")
        assert shop.headers[0]["Authorization"] == "Bearer t0p-s3cret"
        assert any("passw0rd" in path for _, path, _ in shop.requests)
        text = (tmp_path / "log").read_text("utf-8")
        assert "Bearer ***" in text
        assert "s3cret" not in text
        assert "passw0rd" not in text
        shop.failing = 1_000
        with pytest.raises(AssayError) as caught:
            done(value | {"seed": 5}, tmp_path / "other")
        assert "passw0rd" not in str(caught.value)


@pytest.mark.parametrize(("system", "what"), [
    ({"url": "ftp://localhost"}, "no address"), ({"url": "http://ann:pw@localhost"}, "user name or a password"),
    ({"url": "http://localhost/?a=b"}, "more or less than a host"), ({"url": "http://localhost:99999"}, "no address"),
    ({"url": "http://example.org", "token_env": "SHOP_TOKEN"}, "without encryption"),
    ({"url": "http://localhost", "token_env": "NOT_SET_ANYWHERE"}, "is not set")])
def test_addresses_that_are_refused(system, what, monkeypatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "t0p-s3cret")
    found, _ = made(shopping("http://x", system=system))
    with pytest.raises(ConfigError, match=what) as caught:
        asked_of(found)
    assert "pw@" not in str(caught.value)


PROGRAM = """import json, sys
told = json.load(sys.stdin)
print(json.dumps({"price": 10 if told["profile"]["gender"] == "male" else 12}))
"""


def test_a_program_is_asked_once_a_unit(tmp_path) -> None:
    import sys

    (tmp_path / "shop.py").write_text(PROGRAM, "utf-8")
    value = {"system": {"command": f"{sys.executable} -S {tmp_path / 'shop.py'}"}, "blocks": 2, "units": 2, "outcomes": {"price": "number"},
             "treatments": {"men": {"profile": {"gender": "male"}}, "women": {"profile": {"gender": "female"}}}}
    log = done(value, tmp_path / "log")
    assert {(log.plan.units[each.unit].treatment, each.outcomes["price"]) for each in log.seen.values()} == {("men", 10.0), ("women", 12.0)}


@pytest.mark.parametrize(("command", "what"), [("echo hello", "no JSON: it begins 'hello"), ("false", "ended with"), ("yes", "more than 1,000 bytes"),
                                               ("echo 3", "a unit gave a int")])
def test_a_program_that_says_nothing_right_is_a_sentence(tmp_path, command, what) -> None:
    value = {"system": {"command": command, "limit": 1_000}, "blocks": 4, "units": 2, "outcomes": {"price": "number", "ads": "items"},
             "treatments": {"a": {"profile": {"g": 1}}, "b": {"profile": {"g": 2}}}}
    with pytest.raises(ModelError, match=what):
        done(value, tmp_path / "log")


def test_a_program_that_is_not_there(tmp_path) -> None:
    found, _ = made({"system": {"command": "no-such-program-anywhere"}, "blocks": 4, "units": 2, "outcomes": {"x": "number"},
                     "treatments": {"a": {"profile": {"g": 1}}, "b": {"profile": {"g": 2}}}})
    with pytest.raises(ConfigError, match="there is no program"):
        asked_of(found)


def test_a_server_that_hangs_up_is_not_reached() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def hang_up() -> None:
            for _ in range(2):
                listening.accept()[0].close()

        threading.Thread(target=hang_up, daemon=True).start()
        found, _ = made(shopping(f"http://127.0.0.1:{listening.getsockname()[1]}"))
        with pytest.raises(UnreachableError):
            asked_of(found)(Unit(0, 0, "men", "u"), found.treatments[0])
