"""Messages to a real receiver on this machine: signed, taken once, tried again, given up, and never with an address in the open."""

from __future__ import annotations

import http.server
import json
import threading

import pytest

from assay.errors import ConfigError, DeliveryError, MissingExtraError
from assay.monitor import delivery as module
from assay.monitor.delivery import WAITS, Delivery, Message, attempted, due, send, signature, targets

MESSAGE = Message("incident-7-opened", "weather: 6 columns missing", "temp, humid, ... are missing in all rows of origin LGA since 03:00", "page",
                  {"source": "weather"})


class Receiver(http.server.ThreadingHTTPServer):
    """Takes POSTs, and answers as told."""

    def __init__(self):
        self.got, self.answers = [], []
        super().__init__(("127.0.0.1", 0), Handler)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, dict(self.headers), body))
        status = self.server.answers.pop(0) if self.server.answers else 200
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", f"http://127.0.0.1:{self.server.port}/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def receiver():
    found = Receiver()
    yield found
    found.shutdown()
    found.server_close()


def test_a_webhook_is_signed_and_says_all(receiver):
    (target,) = targets([f"hook://127.0.0.1:{receiver.port}/alerts?team=ml"])
    send(target, MESSAGE, now=1_767_225_600, secret=b"shared")
    ((path, headers, body),) = receiver.got
    assert path == "/alerts?team=ml"
    assert headers["Assay-Key"] == MESSAGE.key
    assert headers["Assay-Signature"] == signature(b"shared", headers["Assay-Time"], body)
    assert headers["Assay-Signature"] != signature(b"other", headers["Assay-Time"], body)
    assert Message.from_json(json.loads(body)) == MESSAGE
    send(target, MESSAGE, now=0)
    assert "Assay-Signature" not in receiver.got[1][1]


def test_apprise_delivers_to_the_same_receiver(receiver):
    pytest.importorskip("apprise")
    (target,) = targets([f"json://127.0.0.1:{receiver.port}/alerts"])
    send(target, MESSAGE, now=0)
    ((_, _, body),) = receiver.got
    said = json.loads(body)
    assert (said["title"], said["message"], said["type"]) == (MESSAGE.title, MESSAGE.body, "failure")
    receiver.answers = [500]
    with pytest.raises(DeliveryError, match="did not take"):
        send(target, MESSAGE, now=0)


@pytest.mark.parametrize("status", [302, 400, 500])
def test_what_is_not_taken_is_an_error_and_no_redirect_is_followed(receiver, status):
    receiver.answers = [status]
    (target,) = targets([f"hook://127.0.0.1:{receiver.port}/"])
    with pytest.raises(DeliveryError, match=str(status)):
        send(target, MESSAGE, now=0)
    assert len(receiver.got) == 1


def test_a_delivery_is_tried_again_and_then_given_up(receiver):
    (target,) = targets([f"hook://127.0.0.1:{receiver.port}/"])
    known = {target.id: target}
    receiver.answers = [500] * 20
    now, waiting = 0.0, Delivery(MESSAGE, target.id, target.label)
    for wait in WAITS:
        assert due([waiting], now) == [waiting]
        waiting = attempted(waiting, known, now=now)
        assert (waiting.state, waiting.next) == ("pending", now + wait)
        assert due([waiting], now + wait - 1) == []
        now += wait
    waiting = attempted(waiting, known, now=now)
    assert waiting.state == "failed"
    assert "500" in (waiting.error or "")
    assert due([waiting], now * 10) == []
    assert len(receiver.got) == len(WAITS) + 1


def test_it_arrives_once_the_receiver_is_back(receiver):
    (target,) = targets([f"hook://127.0.0.1:{receiver.port}/"])
    receiver.answers = [503]
    first = attempted(Delivery(MESSAGE, target.id, target.label), {target.id: target}, now=0)
    second = attempted(first, {target.id: target}, now=first.next)
    assert (second.state, second.error, len(receiver.got)) == ("sent", None, 2)
    assert first.id == second.id
    assert Delivery.from_json(json.loads(json.dumps(first.to_json()))) == first


def test_an_address_that_is_gone_is_said():
    lost = attempted(Delivery(MESSAGE, "gone", "hook://old"), {}, now=5)
    assert lost.state == "failed"
    assert "no longer names" in (lost.error or "")


def test_nobody_listens():
    receiver = Receiver()
    port = receiver.port
    receiver.shutdown()
    receiver.server_close()
    (target,) = targets([f"hook://user:s3cret@127.0.0.1:{port}/very?token=hidden"])
    with pytest.raises(DeliveryError, match="nothing was delivered") as caught:
        send(target, MESSAGE, now=0)
    for text in (str(caught.value), repr(target), target.label, repr(attempted(Delivery(MESSAGE, target.id, target.label), {target.id: target}, now=0))):
        assert "s3cret" not in text
        assert "hidden" not in text


def test_tokens_of_services_stay_out_of_labels_and_errors(caplog):
    pytest.importorskip("apprise")
    (slack,) = targets(["slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#alerts"])
    assert slack.label == "slack://***"
    assert "TIiajk" not in repr(slack)
    for address in ("sslack://T1JJ3T3L2secret", "no address", "syslog://", "hook://", "hook://[bad", ""):
        with pytest.raises(ConfigError, match="address 2") as caught:
            targets(["hook://host/", address], where="assay.yaml, line 3")
        assert "secret" not in str(caught.value)
    assert "TIiajk" not in caplog.text


def test_a_long_message_is_cut_and_still_json(receiver):
    (target,) = targets([f"hook://127.0.0.1:{receiver.port}/"])
    send(target, Message("k", "t", "x" * 300_000, "ticket", {"more": "y" * 300_000}), now=0)
    assert len(receiver.got[0][2]) < 110_000
    assert json.loads(receiver.got[0][2])["key"] == "k"


def test_without_apprise_webhooks_work(receiver, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "apprise", None)
    (target,) = targets([f"hook://127.0.0.1:{receiver.port}/"])
    send(target, MESSAGE, now=0)
    with pytest.raises(MissingExtraError, match="pip install 'assay\\[apprise\\]'"):
        targets(["json://host"])
    assert module.instant(0).startswith("1970")
