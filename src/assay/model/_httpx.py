"""Requests to a model's server: limits on time and size, retries, and a secret that stays one. Only ``http`` uses this module."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any
from urllib.parse import urljoin, urlsplit

from assay.errors import AssayError, ConfigError, MissingExtraError, ModelError, PredictionError, without_secrets
from assay.model.format import Options

__all__ = ["OPTIONS", "Client"]

OPTIONS = frozenset({"timeout", "retries", "token_env", "header", "batch", "concurrency", "limit", "ca"})
AGAIN = (408, 425, 429, 500, 502, 503, 504)   # a prediction changes nothing, so it may be asked for again
LONGEST_WAIT = 30.0   # seconds between two tries, whatever the server asks for
SAME = (307, 308)     # the redirects that keep a request what it is
FIRST_WAIT = 0.25
SHORTEST = 8          # letters of a secret that cannot occur by chance
LATE = 0.5            # seconds by which the timeouts of a socket are ahead, which tell more


class Client:
    """Asks one server. ``get`` and ``post`` return the body of an answer; ``each`` posts many at once and keeps their order."""

    def __init__(self, url: str, options: Options):
        self.url, self.where = url, options.name
        self.timeout = _number(options, "timeout", 60.0, 1e-3, 1e6)
        self.retries = int(_number(options, "retries", 4, 0, 100, whole=True))
        self.batch = int(_number(options, "batch", 0, 1, 10**7, whole=True))
        self.concurrency = int(_number(options, "concurrency", 4, 1, 256, whole=True))
        self.limit = int(_number(options, "limit", 256 * 2**20, 1, 2**40, whole=True))
        self._secret, headers = _secret(url, options)
        self._http = _opened(self.timeout, self.concurrency, headers, options)
        weakref.finalize(self, self._http.close)   # its connections, when nobody holds the model any more

    def get(self, url: str) -> bytes | None:
        """Return the body at ``url``, or None where the server knows no such place."""
        body, _ = self._tried("GET", url, None, {}, absent=True)
        return body

    def post(self, content: bytes, headers: Mapping[str, str], url: str | None = None) -> tuple[bytes, Mapping[str, str]]:
        """Return the body and the headers of the answer to ``content``."""
        body, said = self._tried("POST", url or self.url, content, headers)
        assert body is not None
        return body, said

    def each(self, ask: Callable[[Any], Any], parts: Sequence[Any]) -> list[Any]:
        """Return ``ask`` of each part, several at a time, in their order; the first failure stops those that have not begun."""
        if len(parts) == 1:
            return [ask(parts[0])]
        stopped = threading.Event()

        def guarded(part: Any) -> Any:
            if stopped.is_set():
                raise PredictionError("another request failed", where=self.where)
            try:
                return ask(part)
            except BaseException:
                stopped.set()
                raise

        with ThreadPoolExecutor(min(self.concurrency, len(parts)), thread_name_prefix="assay-http") as pool:
            asked = [pool.submit(guarded, part) for part in parts]
            try:
                done, _ = wait(asked, return_when=FIRST_EXCEPTION)
            except BaseException:
                stopped.set()
                raise
            failed = [error for each in done if (error := each.exception()) is not None]
            if failed:
                # the others say only that one failed
                raise next((each for each in failed if str(each.args[:1]) != "('another request failed',)"), failed[0])
        return [each.result() for each in asked]

    def _tried(self, method: str, url: str, content: bytes | None, headers: Mapping[str, str], *, absent: bool = False
               ) -> tuple[bytes | None, Mapping[str, str]]:
        import httpx

        for attempt in range(self.retries + 1):
            asked: float | None = None
            try:
                status, body, said = self._once(method, url, content, headers)
                if 200 <= status < 300:
                    return body, said
                if absent and status in (404, 405, 501):
                    return None, said
                problem: AssayError = self._refused(status, body)
                again = status in AGAIN
                asked = _seconds(said.get("retry-after"))
            except httpx.TransportError as error:   # what does not become better by asking again: a certificate
                problem, again = self._broken(error)
            if not again or attempt == self.retries:
                if again and self.retries:
                    problem.hint = f"it was tried {attempt + 1} times"
                raise problem
            # twice as long each time, and not in step with others that were refused at the same moment
            pause = FIRST_WAIT * 2**attempt * random.uniform(0.5, 1.5)  # noqa: S311 (no secret hangs on it)
            time.sleep(min(max(pause, asked or 0.0), LONGEST_WAIT))
        raise AssertionError

    def _once(self, method: str, url: str, content: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes, Mapping[str, str]]:
        """Ask once; whatever the server does, this ends in time.

        The timeouts of a socket ring only where nothing comes at all, and a server may let the letters of its headers drop now and then.
        So it is asked from a thread of its own, which is left behind where it is late.
        """
        import httpx

        found: list[Any] = []

        def asked() -> None:
            try:
                found.append(self._asked(method, url, content, headers, time.monotonic() + self.timeout))
            except BaseException as error:  # noqa: BLE001 (raised where it was asked for)
                found.append(error)

        thread = threading.Thread(target=asked, name="assay-http-once", daemon=True)
        thread.start()
        thread.join(self.timeout + LATE)
        if not found:
            raise httpx.ReadTimeout("the answer came too slowly")
        if isinstance(found[0], BaseException):
            raise found[0]
        answer: tuple[int, bytes, Mapping[str, str]] = found[0]
        return answer

    def _asked(self, method: str, url: str, content: bytes | None, headers: Mapping[str, str], until: float,
               ) -> tuple[int, bytes, Mapping[str, str]]:
        for _ in range(4):
            with self._streamed(method, url, content, headers, until) as answer:
                if answer.is_redirect:
                    url = self._followed(url, answer.status_code, answer.headers.get("location", ""))
                    continue
                packed = answer.headers.get("content-encoding", "identity").strip().lower()
                if packed not in ("", "identity"):    # it could unpack to a thousand times its size
                    raise PredictionError(f"the server packed its answer ({self.clean(packed)[:20]}), which was not asked for",
                                          where=self.where, expected="an answer as it is")
                return answer.status_code, self._wiped(self._body(answer.iter_raw(65_536), until)), answer.headers
        raise ModelError("the server redirects in a circle", where=self.where, expected="an answer")

    @contextlib.contextmanager
    def _streamed(self, method: str, url: str, content: bytes | None, headers: Mapping[str, str], until: float) -> Iterator[Any]:
        """An answer whose head has come. A server may close a connection that was kept at any time (RFC 9112, 9.5): that is no failure."""
        import httpx

        seen: list[str] = []   # a stale connection is not kept, so this ends with one that is new
        with contextlib.ExitStack() as stack:
            while True:
                seen.clear()
                try:
                    answer = stack.enter_context(self._http.stream(method, url, content=content, headers=dict(headers), extensions={
                        "trace": lambda event, _: seen.append(event)}))
                    break
                except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                    if any(each.startswith("connection.connect") for each in seen) or time.monotonic() > until:
                        raise
            yield answer

    def _followed(self, url: str, status: int, place: str) -> str:
        found = urljoin(url, place)
        here, there = urlsplit(url), urlsplit(found)
        if (here.scheme, here.netloc) != (there.scheme, there.netloc) or status not in SAME:
            raise ModelError(f"the server redirects to {self.clean(found)[:200]}", where=self.where,
                             expected="an answer from the host that was named",
                             hint="redirects to other places are not followed; name that one if it is meant")
        return found

    def _body(self, chunks: Iterable[bytes], until: float) -> bytes:
        body = bytearray()
        for chunk in chunks:
            body += chunk
            if len(body) > self.limit:
                raise PredictionError(f"the server answered with more than {self.limit:,} bytes", where=self.where,
                                      hint="ask for fewer rows at a time (batch=...), or allow more (limit=...)")
            if time.monotonic() > until:   # a drop now and then would never let a timeout of the socket ring
                import httpx

                raise httpx.ReadTimeout("the answer came too slowly")
        return bytes(body)

    def _refused(self, status: int, body: bytes) -> AssayError:
        text = body[:2000].decode("utf-8", "replace")
        try:
            found = json.loads(body)
            said = found.get("error", found.get("message", found.get("detail", found))) if isinstance(found, dict) else found
            text = str(said.get("message", said) if isinstance(said, dict) else said)
        except (ValueError, RecursionError):
            pass
        # its first line: servers put rows of the data below
        text = "".join(each if each.isprintable() else " " for each in (self.clean(text).strip().splitlines() or [""])[0][:120]).strip()
        hint = None
        if status in (401, 403):
            hint = "name the environment variable that holds the token: token_env=NAME" if not self._secret else "is the token still valid?"
        return PredictionError(f"the server answered with status {status}" + (f": {text}" if text else ""), where=self.where, hint=hint)

    def _broken(self, error: Exception) -> tuple[AssayError, bool]:
        import httpx

        text = self.clean(str(error))[:200]
        if isinstance(error, httpx.TimeoutException):
            return PredictionError(f"the server did not answer within {self.timeout:g} s", where=self.where), True
        certificate = "CERTIFICATE_VERIFY_FAILED" in text or "certificate" in text.lower()
        if certificate:
            return ModelError(f"the server's certificate is not trusted ({text})", where=self.where,
                              expected="a certificate of a known authority", hint="name your own authority's file: ca=PATH"), False
        if isinstance(error, httpx.UnsupportedProtocol | httpx.ProxyError):
            return ModelError(f"the server cannot be reached ({type(error).__name__}: {text})", where=self.where), False
        return PredictionError(f"the server cannot be reached ({type(error).__name__}: {text})", where=self.where), True

    def clean(self, text: str) -> str:
        """Return text of the server without the secret, should it echo it."""
        return without_secrets(re.sub(re.escape(self._secret), "***", text, flags=re.IGNORECASE) if self._secret else text)

    def _wiped(self, body: bytes) -> bytes:
        """An answer without the secret: names of columns, labels and kinds that a server says end up in messages and in the report.

        One of fewer than eight letters may occur by chance, and stays; messages about a failed request are cleaned of any.
        """
        for each in {self._secret, json.dumps(self._secret)[1:-1], self._secret.replace("/", "\\/")}:
            if len(each) >= SHORTEST and each.encode() in body:
                body = body.replace(each.encode(), b"***")
        return body


def _opened(timeout: float, concurrency: int, headers: Mapping[str, str], options: Options) -> Any:
    try:
        import httpx
    except ImportError:
        raise MissingExtraError.of("httpx", "to ask a model's server", "http") from None
    import ssl

    verified: Any = True
    if options["ca"] is not None:
        try:
            verified = ssl.create_default_context(cafile=str(options["ca"]))
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"the certificates cannot be read ({type(error).__name__})", where=str(options["ca"]),
                              expected="a file of certificates (PEM)") from error
    # "identity": an answer that unpacks to a thousand times its size never comes
    return httpx.Client(timeout=httpx.Timeout(timeout, connect=min(timeout, 10.0)), follow_redirects=False, verify=verified,
                        limits=httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency),
                        headers={"Accept-Encoding": "identity", "User-Agent": "assay", **headers})


def _secret(url: str, options: Options) -> tuple[str, dict[str, str]]:
    """The token that a variable of the environment holds, and the header that carries it."""
    name, header = options["token_env"], options["header"] or "Authorization"
    if name is None:
        return "", {}
    if not isinstance(name, str) or not name.isidentifier():
        raise ConfigError("token_env is no name of a variable", where=options.name, expected="the name of an environment variable that "
                          "holds the token, not the token itself")
    token = os.environ.get(name, "")
    if not token:
        raise ConfigError(f"the environment variable {name} is not set", where=options.name, expected="the token in it")
    if not token.isprintable() or not token.isascii():
        raise ConfigError(f"the environment variable {name} holds more than one line, or no token", where=options.name)
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise ConfigError("a token would be sent without encryption", where=options.name, expected="an address that begins with https://")
    if not isinstance(header, str) or not header.replace("-", "").isalnum():
        raise ConfigError("header is no name of an HTTP header", where=options.name, expected="a name such as X-API-Key")
    return token, {header: f"Bearer {token}" if header.lower() == "authorization" else token}


def _number(options: Options, name: str, usual: float, low: float, high: float, *, whole: bool = False) -> float:
    given = options[name]
    if given is None:
        return usual
    if isinstance(given, bool) or not isinstance(given, int if whole else int | float) or not low <= given <= high:
        raise ConfigError(f"{name} is {given!r}", where=options.name, expected=f"a {'whole ' if whole else ''}number of at least {low:g}")
    return float(given)


def _seconds(text: str | None) -> float | None:
    try:
        found = float(text or "")
    except ValueError:   # a date: the usual pause will do
        return None
    return found if found == found and found > 0 else None
