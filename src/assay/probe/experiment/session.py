"""A simulated user of a web server: cookies of its own, one host, and limits on time and size that hold whatever the server does.

``Site`` is a server with its secrets, opened once; ``Site.user(unit, profile)`` a ``Session``, whose ``take`` does one step. With the
standard library alone, so that the cookies of one unit never meet those of another.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import re
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

from assay.errors import AssayError, ConfigError, ModelError, PredictionError, without_secrets
from assay.model.address import Address
from assay.probe.experiment.design import SECRET, Design, Step, System
from assay.probe.experiment.reading import Answer

__all__ = ["Session", "Site", "UnreachableError"]

AGAIN = (408, 425, 429, 500, 502, 503, 504)
REFUSED = (429, 503)          # the server says that it has not done it, so that even what changes something may be asked for again
REDIRECTS = 5
FIRST_WAIT, LONGEST_WAIT = 0.2, 10.0
_FIELD = re.compile(r"\{([^{}:]{1,60})\}")


class UnreachableError(ModelError):
    """Nobody answers: a fault of the connection, which tells nothing of how users are treated."""


class Site:
    """A server that is used: its address, and the secrets that go there and nowhere else."""

    def __init__(self, design: Design):
        self.system: System = design.system
        url = str(self.system.url)
        address = Address.of(url)
        if address is None or address.scheme not in ("http", "https"):
            raise ConfigError(f"'{without_secrets(url)[:80]}' is no address", expected="http://HOST or https://HOST")
        address.check()
        try:
            parts = urlsplit(url)
            self.host, self.port = parts.hostname or "", parts.port
        except ValueError as error:
            raise ConfigError(f"this is no address ({error})", where=address.shown) from error
        if not self.host or parts.query or parts.fragment:
            raise ConfigError("the address is more or less than a host and a path", where=address.shown, expected="http://HOST or http://HOST/PATH")
        self.shown, self.tls, self.base = address.shown, address.scheme == "https", parts.path.rstrip("/")
        self.origin = f"{address.scheme}://{parts.netloc}"
        self.secrets: dict[str, str] = {}
        steps = (*design.before, *design.measure, *(step for each in design.treatments for step in each.steps))
        text = json.dumps([[step.path, dict(step.form or {}), step.body] for step in steps], default=str)
        text += json.dumps([list(each.profile.values()) for each in design.treatments], default=str)
        for name in dict.fromkeys([*SECRET.findall(text), *([self.system.token_env] if self.system.token_env else [])]):
            self.secrets[name] = self._secret(name)
        self.headers = {"User-Agent": "assay", "Accept": "*/*", **self.system.headers, "Accept-Encoding": "identity"}
        if self.system.token_env:
            token = self.secrets[self.system.token_env]
            self.headers[self.system.header] = f"Bearer {token}" if self.system.header.casefold() == "authorization" else token
        self.context = ssl.create_default_context() if self.tls else None

    def _secret(self, name: str) -> str:
        value = os.environ.get(name, "")
        if not value:
            raise ConfigError(f"the environment variable {name} is not set", where=self.shown, expected="the secret in it")
        if not value.isprintable() or not value.isascii():
            raise ConfigError(f"the environment variable {name} holds more than one line, or no token", where=self.shown)
        if not self.tls and self.host not in ("localhost", "127.0.0.1", "::1"):
            raise ConfigError("a secret would be sent without encryption", where=self.shown, expected="an address that begins with https://")
        return value

    def clean(self, text: str) -> str:
        """Return text without the secrets, should the server echo them."""
        for value in self.secrets.values():
            if len(value) > 3:
                text = text.replace(value, "***").replace(quote(value), "***")
        return text

    def user(self, unit: str, profile: Mapping[str, Any]) -> Session:
        """Return a new user, whom the server has never seen."""
        return Session(self, {**{str(key): str(each) for key, each in profile.items()}, "unit": unit})


class Session:
    """One user: cookies and a connection. ``take`` does a step once; ``close`` ends it."""

    def __init__(self, site: Site, fields: Mapping[str, str]):
        self.site, self.fields = site, fields
        self.jar = CookieJar(DefaultCookiePolicy(strict_ns_domain=DefaultCookiePolicy.DomainStrict))
        self._connection: http.client.HTTPConnection | None = None

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def take(self, step: Step) -> Answer:
        """Return the answer to one step, redirects of the same host followed as a browser does.

        Raises ``UnreachableError`` where nobody answers, ``PredictionError`` for an answer that is late, too large, or says that it failed.
        """
        content, headers = self._content(step)
        path = self.site.base + _quoted(self.filled(step.path))
        again = self.site.system.retries
        for attempt in range(again + 1):
            problem: AssayError
            try:
                answer, wait = self._followed(step.method, path, content, headers)
                if answer.status < 400 or "status" in {how for how, _ in step.read.values()}:
                    return answer
                problem = PredictionError(f"the server answered {step.method} {self._said(step.path)} with status {answer.status}")
                more = answer.status in (AGAIN if step.method == "GET" else REFUSED)
            except UnreachableError as error:
                problem, more, wait = error, True, 0.0
            except PredictionError as error:
                problem, more, wait = error, step.method == "GET" and getattr(error, "late", False), 0.0
            self.close()
            if not more or attempt == again:
                raise problem
            pause = FIRST_WAIT * 2**attempt * random.uniform(0.5, 1.5)  # noqa: S311 (no secret hangs on it)
            time.sleep(min(max(pause, wait), LONGEST_WAIT))
        raise AssertionError

    def filled(self, text: str, *, secret: bool = True) -> str:
        """Return text with the unit, the fields of its profile and, where they are meant, secrets in their places."""
        text = _FIELD.sub(lambda found: self.fields.get(found[1], found[0]), text)
        return SECRET.sub(lambda found: self.site.secrets.get(found[1], "") if secret else "***", text)

    def _said(self, path: str) -> str:
        return without_secrets(self.filled(path, secret=False))[:80]

    def _content(self, step: Step) -> tuple[bytes | None, dict[str, str]]:
        if step.form is not None:
            fields = {self.filled(str(key)): self.filled(_word(each)) for key, each in step.form.items()}
            return urlencode(fields).encode(), {"Content-Type": "application/x-www-form-urlencoded"}
        if step.body is not None:
            return json.dumps(self._deep(step.body)).encode(), {"Content-Type": "application/json"}
        return None if step.method in ("GET", "DELETE") else b"", {}

    def _deep(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {self.filled(str(key)): self._deep(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self._deep(each) for each in value]
        return self.filled(value) if isinstance(value, str) else value if isinstance(value, int | float | bool | None) else str(value)

    def _followed(self, method: str, path: str, content: bytes | None, headers: Mapping[str, str]) -> tuple[Answer, float]:
        for _ in range(REDIRECTS + 1):
            answer, said = self._asked(method, path, content, headers)
            if answer.status not in (301, 302, 303, 307, 308) or "location" not in said:
                return answer, _seconds(said.get("retry-after", ""))
            found = urlsplit(urljoin(self.site.origin + path, said["location"]))
            if f"{found.scheme}://{found.netloc}" != self.site.origin:
                raise PredictionError(f"the server redirects to {without_secrets(found.netloc)[:100]}",
                                      expected="answers of the host that was named")
            path = _quoted(found.path or "/") + (f"?{_quoted(found.query)}" if found.query else "")
            if answer.status not in (307, 308):
                method, content, headers = "GET", None, {}
        raise PredictionError("the server redirects in a circle")

    def _asked(self, method: str, path: str, content: bytes | None, headers: Mapping[str, str]) -> tuple[Answer, http.client.HTTPMessage]:
        """Ask once. A timer closes the connection at the end of the time, as a server may let drops come that keep a socket awake."""
        began = time.monotonic()
        request = urllib.request.Request(self.site.origin + path, method=method)  # noqa: S310 (for the cookies; nothing is opened by it)
        self.jar.add_cookie_header(request)
        connection = self._open()
        late = threading.Event()

        def stop() -> None:
            late.set()
            with contextlib.suppress(OSError):
                if connection.sock is not None:
                    connection.sock.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(self.site.system.timeout, stop)
        timer.daemon = True
        timer.start()
        try:
            connection.request(method, path, body=content, headers={**self.site.headers, **headers, **dict(request.unredirected_hdrs)})
            answer = connection.getresponse()
            self.jar.extract_cookies(answer, request)
            limit = self.site.system.limit
            body = answer.read(limit + 1)
            if late.is_set():
                raise TimeoutError
            if len(body) > limit:
                raise PredictionError(f"the server answered with more than {limit:,} bytes", hint="allow more: system: {limit: BYTES}")
            if answer.will_close:
                self.close()
            return Answer(answer.status, body, answer.headers.get("content-type", ""), time.monotonic() - began), answer.headers
        except PredictionError:
            self.close()
            raise
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            if late.is_set() or isinstance(error, TimeoutError):
                problem = PredictionError(f"the server did not answer within {self.site.system.timeout:g} s")
                problem.late = True  # type: ignore[attr-defined]
                raise problem from error
            raise self._broken(error) from error
        finally:
            timer.cancel()

    def _open(self) -> http.client.HTTPConnection:
        if self._connection is None:
            site = self.site
            self._connection = (
                http.client.HTTPSConnection(site.host, site.port, timeout=site.system.timeout, context=site.context) if site.tls else
                http.client.HTTPConnection(site.host, site.port, timeout=site.system.timeout))
        return self._connection

    def _broken(self, error: Exception) -> AssayError:
        if isinstance(error, ssl.SSLCertVerificationError):
            return UnreachableError("the server's certificate is not trusted", where=self.site.shown,
                                    expected="a certificate of a known authority")
        text = self.site.clean(f"{type(error).__name__}: {error}")[:200] if str(error) else type(error).__name__
        if isinstance(error, OSError | http.client.RemoteDisconnected):
            return UnreachableError(f"the server cannot be reached ({text})", where=self.site.shown)
        return PredictionError(f"the server's answer cannot be read ({text})")


def _quoted(path: str) -> str:
    return quote(path, safe="/?&=%:;,+@!$'()*~-._[]")


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def _seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:   # a date: the usual pause will do
        return 0.0
    return found if 0 < found < LONGEST_WAIT else 0.0 if not found > 0 else LONGEST_WAIT
