"""A server that speaks as much of S3 as reading needs: one bucket in memory, ranges, listings; it remembers what it was asked."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


@contextmanager
def bucket(objects: dict[str, bytes], *, refuse: bool = False) -> Iterator[tuple[str, list[str]]]:
    """Serve ``objects`` as the bucket ``data``; yield the query that leads there, and the list of requests."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            asked.append(f"{self.command} {self.path} {self.headers.get('Range', '')}".strip())
            url = urlsplit(self.path)
            key = unquote(url.path).removeprefix("/data").lstrip("/")
            if refuse:
                self.answer(403, b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>")
            elif not key:
                self.answer(200, listing(objects, parse_qs(url.query).get("prefix", [""])[0]))
            elif key not in objects:
                self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            else:
                found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
                body = objects[key]
                if found:
                    low, high = int(found[1]), min(int(found[2]), len(body) - 1)
                    self.answer(206, body[low : high + 1], **{"Content-Range": f"bytes {low}-{high}/{len(body)}"})
                else:
                    self.answer(200, body)

        def answer(self, code: int, body: bytes, **headers: str) -> None:
            self.send_response(code)
            for name, value in {"Content-Length": str(len(body)), "ETag": '"1"', "Last-Modified": "Fri, 01 Jan 2026 00:00:00 GMT",
                                **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"region=us-east-1&scheme=http&endpoint_override=127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def listing(objects: dict[str, bytes], prefix: str) -> bytes:
    """Return the answer to a listing of everything below ``prefix``."""
    entries = "".join(f"<Contents><Key>{escape(key)}</Key><Size>{len(body)}</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
                      for key, body in sorted(objects.items()) if key.startswith(prefix))
    count = sum(key.startswith(prefix) for key in objects)
    return (f'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>data</Name>'
            f"<Prefix>{escape(prefix)}</Prefix><KeyCount>{count}</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>"
            f"{entries}</ListBucketResult>").encode()
