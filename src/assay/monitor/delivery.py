"""Sends incidents to people and systems, and keeps what could not be sent.

``targets(urls) -> list[Target]`` reads addresses, ``send(target, message)`` delivers one message, ``attempted(delivery, ...)`` does so once
and says when to try again. Addresses are secrets (most hold tokens): they are never stored or shown, only their digest and a label.
The monitor's verb calls it; state lives in the store.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import hmac
import http.client
import json
import ssl
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from assay.errors import AssayError, ConfigError, DeliveryError, without_secrets
from assay.monitor import _apprise

__all__ = ["Delivery", "Message", "Target", "attempted", "due", "send", "signature", "targets"]

TIMEOUT = 10.0  # seconds
WAITS = (60, 300, 1_800, 7_200, 21_600, 86_400)  # seconds after each failure; then it is given up, and shown as failed
_LONGEST = 100_000  # bytes of a body
Severity = Literal["page", "ticket", "resolved"]


@dataclass(frozen=True)
class Message:
    """What is sent. ``key`` names it for ever: a receiver that has seen the key may drop the message."""

    key: str
    title: str
    body: str
    severity: Severity
    data: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"key": self.key, "title": self.title, "body": self.body, "severity": self.severity, "data": dict(self.data)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Message:
        return cls(**{name: data[name] for name in ("key", "title", "body", "severity", "data")})


@dataclass(frozen=True)
class Target:
    """An address: ``label`` and ``id`` may be shown and stored, ``url`` may not."""

    url: str = dataclasses.field(repr=False)
    label: str
    id: str

    @property
    def webhook(self) -> bool:
        """Whether it is one of ours: ``hook://`` or ``hooks://``."""
        return self.url.partition("://")[0].lower() in ("hook", "hooks")


@dataclass(frozen=True)
class Delivery:
    """One message on its way to one target; ``tries`` have failed, the next is due at ``next`` (seconds since 1970, UTC)."""

    message: Message
    target: str
    label: str
    state: Literal["pending", "sent", "failed"] = "pending"
    tries: int = 0
    next: float = 0.0
    error: str | None = None

    @property
    def id(self) -> str:
        """The same message goes to the same target once, however often it is asked for."""
        return hashlib.sha256(f"{self.message.key}\0{self.target}".encode()).hexdigest()[:24]

    def to_json(self) -> dict[str, Any]:
        return {**{each.name: getattr(self, each.name) for each in dataclasses.fields(self)}, "message": self.message.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Delivery:
        return cls(**{**{each.name: data[each.name] for each in dataclasses.fields(cls)}, "message": Message.from_json(data["message"])})


def targets(urls: Iterable[str], *, where: str = "") -> list[Target]:
    """Return the targets that addresses name: ``hooks://host/path`` is our signed webhook, all else is Apprise's (``slack://``, ``mailto://``).

    Raises ``ConfigError`` for an address that nobody understands (its place is told, never the address), ``MissingExtraError`` where
    Apprise is needed and not installed.

    >>> targets(["hooks://example.org/alerts?team=ml"])[0].label
    'hooks://example.org'
    """
    found = []
    for place, url in enumerate(urls, 1):
        scheme = url.partition("://")[0].lower()
        if scheme in ("hook", "hooks"):
            host = _host(url)
            label = f"{scheme}://{host}" if host else None
        else:
            label = _apprise.label(url)
        if label is None:
            raise ConfigError(f"address {place} to notify is not understood (it begins with '{scheme[:12]}')", where=where,
                              expected="hooks://host/path, or an address of Apprise such as slack://, mailto:// or json://")
        found.append(Target(url, label, hashlib.sha256(url.encode()).hexdigest()[:12]))
    return found


def _host(url: str) -> str | None:
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    return f"{parts.hostname}:{port}" if port else parts.hostname


def signature(secret: bytes, moment: str, body: bytes) -> str:
    """Return the signature of a webhook: ``v1=`` and HMAC-SHA256 (RFC 2104) of ``moment``, a dot and the body, in hexadecimal.

    >>> signature(b"key", "1767225600", b"{}")[:11]
    'v1=df344de4'
    """
    return "v1=" + hmac.new(secret, moment.encode() + b"." + body, hashlib.sha256).hexdigest()


def send(target: Target, message: Message, *, now: float, secret: bytes | None = None) -> None:
    """Deliver ``message``; raises ``DeliveryError`` where it was not taken. Waits ten seconds at most and follows no redirect.

    A webhook gets a POST of JSON with the headers ``Assay-Key`` (the message's name), ``Assay-Time`` and, with a ``secret``,
    ``Assay-Signature``: a receiver recomputes it over its own copy of the body and refuses old times.
    """
    if not target.webhook:
        _apprise.send(target.url, message.title, message.body, message.severity)
        return
    body = json.dumps(message.to_json(), ensure_ascii=False, sort_keys=True).encode()
    if len(body) > _LONGEST:
        body = json.dumps({**message.to_json(), "body": message.body[:2_000], "data": {}}, ensure_ascii=False, sort_keys=True).encode()
    moment = str(int(now))
    headers = {"Content-Type": "application/json", "User-Agent": "assay", "Assay-Key": message.key, "Assay-Time": moment}
    if secret:
        headers["Assay-Signature"] = signature(secret, moment, body)
    parts = urllib.parse.urlsplit(target.url)
    host = parts.hostname or ""
    connection = (http.client.HTTPSConnection(host, parts.port, timeout=TIMEOUT, context=ssl.create_default_context())
                  if parts.scheme.lower() == "hooks" else http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT))
    try:
        connection.request("POST", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, headers)
        answer = connection.getresponse()
        answer.read(1_000)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DeliveryError(f"nothing was delivered ({type(error).__name__}: {without_secrets(str(error))})", where=target.label) from error
    finally:
        connection.close()
    if not 200 <= answer.status < 300:
        raise DeliveryError(f"the receiver answered {answer.status}", where=target.label, expected="200 to 299")


def due(deliveries: Iterable[Delivery], now: float) -> list[Delivery]:
    """Return what is to be tried now, oldest first."""
    return sorted((each for each in deliveries if each.state == "pending" and each.next <= now), key=lambda each: (each.next, each.id))


def attempted(delivery: Delivery, known: Mapping[str, Target], *, now: float, secret: bytes | None = None) -> Delivery:
    """Try a delivery once and return what became of it; after six failures it stays ``failed``, with the reason.

    ``known`` are today's targets by id: one that the configuration no longer names is not sent to, and says so.
    """
    target = known.get(delivery.target)
    try:
        if target is None:
            raise DeliveryError("the configuration no longer names this address", where=delivery.label)
        send(target, delivery.message, now=now, secret=secret)
    except AssayError as error:
        tries = delivery.tries + 1
        last = target is None or tries > len(WAITS)
        return dataclasses.replace(delivery, state="failed" if last else "pending", tries=tries, error=str(error)[:500],
                                   next=delivery.next if last else now + WAITS[tries - 1])
    return dataclasses.replace(delivery, state="sent", error=None, next=now)


def instant(seconds: float) -> str:
    """Return seconds since 1970 as ISO 8601.

    >>> instant(0)
    '1970-01-01T00:00:00+00:00'
    """
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat()
