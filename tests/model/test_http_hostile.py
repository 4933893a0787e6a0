"""Servers that mean harm, spoken byte by byte: each is an error in words, in time, and reads nothing of this machine."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pyarrow as pa
import pytest

from assay.errors import AssayError
from assay.model import guard
from assay.model.load import load

BATCH = pa.record_batch({"a": [1.0, 2.0]})
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def drops(data: bytes, pause: float = 0.05) -> Iterator[bytes]:
    for each in data:
        yield bytes([each])
        time.sleep(pause)


def endless(piece: bytes, pause: float = 0.0) -> Iterator[bytes]:
    for _ in range(200_000):
        yield piece
        time.sleep(pause)


def plain(body: bytes) -> bytes:
    return HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


def chained(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from rest


FAULTS = {
    "headers drop by drop": (lambda: chained(HEAD, drops(b"X" * 2000)), "did not answer within 0.6 s"),
    "a body drop by drop": (lambda: chained(HEAD + b"Content-Length: 9999\r\n\r\n", drops(b" " * 2000)), "did not answer within 0.6 s"),
    "an endless body": (lambda: chained(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", endless(b"400\r\n" + b" " * 1024 + b"\r\n")), "more than 1,000,000 bytes"),
    "a promise for ever": (lambda: endless(b"HTTP/1.1 100 Continue\r\n\r\n", 0.01), "did not answer within 0.6 s|cannot be reached"),
    "endless headers": (lambda: chained(HEAD, endless(b"X-More: " + b"y" * 1000 + b"\r\n")), "cannot be reached"),
    "a body that is cut": (lambda: iter([HEAD + b"Content-Length: 9999\r\n\r\n{}"]), "cannot be reached"),
    "no HTTP": (lambda: iter([b"SSH-2.0-OpenSSH_9.2\r\n"]), "cannot be reached"),
    "a file of this machine": (lambda: iter([b"HTTP/1.1 307 Temporary Redirect\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n"]), "redirects to file:///etc/passwd"),
    "round in circles": (lambda: iter([b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /invocations\r\nContent-Length: 0\r\n\r\n"]), "in a circle"),
    "too few": (lambda: iter([plain(b'{"predictions": [0.5]}')]), "answered for 1 rows|1 predictions|2"),
    "too many": (lambda: iter([plain(b'{"predictions": [0.5, 0.5, 0.5]}')]), "answered for 3 rows|3 predictions|2"),
    "no number": (lambda: iter([plain(b'{"predictions": [0.5, NaN]}')]), "nan|NaN|cannot be read"),
    "beyond all numbers": (lambda: iter([plain(b'{"predictions": [0.5, 1e999]}')]), "inf|cannot be read"),
    "null": (lambda: iter([plain(b'{"predictions": [0.5, null]}')]), "nan|nothing|numbers"),
    "digits": (lambda: iter([plain(b'{"predictions": [0.5, ' + b"9" * 100_000 + b"]}")]), "holds no 'predictions'|cannot be reached"),
    "depth": (lambda: iter([plain(b'{"predictions": ' + b"[" * 100_000)]), "holds no 'predictions'|cannot be reached"),
    "unpacks to more": (lambda: iter([HEAD + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd"]), "packed its answer .gzip."),
}


@contextlib.contextmanager
def serving(answer) -> Iterator[int]:
    """A server that says the same to whoever asks, and ends with the test."""
    listening = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def said(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(5)
            connection.recv(65_536)
            for piece in answer():
                if ended.is_set():
                    return
                connection.sendall(piece)

    def accepted() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=said, args=(listening.accept()[0],), daemon=True).start()

    threading.Thread(target=accepted, daemon=True).start()
    try:
        yield listening.getsockname()[1]
    finally:
        ended.set()
        listening.close()


def asked(address: str, timeout: float = 0.6) -> None:
    guard.answer(load(address, task="regression", features=["a"], timeout=timeout, retries=0, limit=10**6), BATCH)


@pytest.mark.parametrize("name", FAULTS)
def test_a_hostile_server_is_an_error_in_time(name) -> None:
    answer, words = FAULTS[name]
    waits = "did not answer" in words    # the others are told by what was said, which a busy machine may say late
    with serving(answer) as port:
        began = time.monotonic()
        with pytest.raises(AssayError, match=words):    # some are told when the model is loaded
            asked(f"http://127.0.0.1:{port}/invocations", 0.6 if waits else 20)
        assert time.monotonic() - began < (10 if waits else 40)


def test_a_kept_connection_that_the_server_closed_is_asked_anew_and_is_no_failure() -> None:
    """A server that says it keeps a connection, and closes it when the next request has come: the race that every idle limit brings."""
    listening = socket.create_server(("127.0.0.1", 0))
    opened: list[int] = []

    def said(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(5)
            connection.recv(65_536)
            connection.sendall(plain(b'{"predictions": [0.5, 0.5]}'))
            connection.recv(65_536)   # the next request: it is read, and never answered

    def accepted() -> None:
        with contextlib.suppress(OSError):
            while True:
                opened.append(1)
                threading.Thread(target=said, args=(listening.accept()[0],), daemon=True).start()

    threading.Thread(target=accepted, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/invocations"
        model = load(address, task="regression", features=["a"], timeout=5, retries=0)
        for _ in range(4):
            guard.answer(model, BATCH)
    finally:
        listening.close()
    assert len(opened) >= 4
