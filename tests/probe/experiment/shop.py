"""A real server on this machine that treats people as it is told to: sessions by cookie, delays, refusals, and an end when one is wanted."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

__all__ = ["Shop"]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    shop: Shop

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of users who leave in the middle."""


class Shop:
    """Shows three ads and a price; ``bias`` is the share of the executive job that men see more often than women."""

    def __init__(self, bias: float = 0.4, *, delay: float = 0.0, port: int = 0):
        self.bias, self.delay = bias, delay
        self.people: dict[str, dict[str, str]] = {}
        self.requests: list[tuple[str, str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.failing = 0       # answers with 503 from now on
        self.refused = ""      # the gender that gets a 403
        self.lock = threading.Lock()
        self.server = _Server(("127.0.0.1", port), _Handler)
        self.server.shop = self
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def luck(self, *parts: object) -> float:
        """A number from 0 to 1 that hangs on what is asked only, so that the same experiment sees the same."""
        return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:6], "big") / 2**48


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        fields = json.loads(body) if "json" in self.headers.get("Content-Type", "") else {key: each[0] for key, each in parse_qs(body).items()}
        self.answered(fields)

    def do_GET(self) -> None:
        self.answered({})

    def answered(self, fields: dict[str, str]) -> None:
        shop, path = self.server.shop, urlsplit(self.path)
        cookie = self.headers.get("Cookie", "")
        name = cookie.partition("sid=")[2].partition(";")[0]
        with shop.lock:
            shop.requests.append((self.command, self.path, name))
            shop.headers.append(dict(self.headers))
            fresh = not name
            name = name or f"s{len(shop.people)}"
            person = shop.people.setdefault(name, {})
            person.update(fields)
            person["seen"] = str(int(person.get("seen", "0")) + 1)
            failing = shop.failing > 0
            shop.failing -= failing
        time.sleep(shop.delay)
        if failing:
            return self.said(503, b"busy", "", "text/plain")
        if shop.refused and person.get("gender") == shop.refused and path.path == "/news":
            return self.said(403, b"not you", "", "text/plain")
        set_cookie = f"sid={name}; Path=/" if fresh else ""
        pages = {"/huge": (b"x" * 300_000, "text/plain"), "/echo": (json.dumps(dict(self.headers)).encode(), "application/json"),
                 "/news": (self.news(person), "text/html; charset=utf-8"), "/json": (self.offers(person), "application/json")}
        if path.path == "/away":
            return self.said(302, b"", set_cookie, "text/plain", "http://example.org/")
        if path.path == "/turn":
            return self.said(302, b"", set_cookie, "text/plain", "/json")
        if path.path == "/circle":
            return self.said(302, b"", set_cookie, "text/plain", "/circle")
        if path.path == "/hang":
            time.sleep(5)
        if path.path == "/drip":
            return self.drip()
        body, kind = pages.get(path.path, (b"ok", "text/plain"))
        return self.said(200, body, set_cookie, kind)

    def said(self, status: int, body: bytes, cookie: str, kind: str, place: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", kind)
        for key, each in (("Set-Cookie", cookie), ("Location", place)):
            if each:
                self.send_header(key, each)
        self.end_headers()
        self.wfile.write(body)

    def drip(self) -> None:
        """Say a letter now and then, so that no timeout of a socket rings."""
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        try:
            for _ in range(100):
                self.wfile.write(b"x")
                time.sleep(0.1)
        except OSError:
            return

    def shown(self, person: dict[str, str]) -> list[str]:
        shop, gender = self.server.shop, person.get("gender", "?")
        often = 0.1 + shop.bias * (gender == "male")
        ads = []
        for place in range(3):
            luck = shop.luck(person.get("name"), person["seen"], place)
            ads.append("Executive jobs $200k+" if luck < often else ["Cars", "Shoes", "Phones", "Flights"][int(luck * 1e6) % 4])
        return ads

    def news(self, person: dict[str, str]) -> bytes:
        price = 100 + 10 * self.server.shop.luck(person.get("name"), "price", person["seen"])
        items = "".join(f'<li class="big ad">{each}</li>' for each in self.shown(person))
        return f"<html><script>var ad = '<li class=ad>no</li>'</script><ul>{items}</ul><b id=price>${price:.2f}</b></html>".encode()

    def offers(self, person: dict[str, str]) -> bytes:
        ads = [{"title": each, "rank": place} for place, each in enumerate(self.shown(person))]
        return json.dumps({"ads": ads, "price": 100 + 10 * self.server.shop.luck(person.get("name"), "price"), "vip": True}).encode()
