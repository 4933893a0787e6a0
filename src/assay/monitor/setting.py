"""What the ``monitor:`` part of ``assay.yaml`` says, read with the same care as the rest: every key known, every mistake told.

``settings(mapping, where) -> Settings`` is the whole interface; ``Cadence`` cuts time, rows or files into windows. The verb imports it.
"""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from assay.check.expression import Check
from assay.check.suite import checks as read_checks
from assay.check.suite.listed import DEFAULT
from assay.errors import AssayError, ConfigError, listed, nearest
from assay.monitor.calendar import Calendar

__all__ = ["Allowance", "Backdoor", "Cadence", "Estimates", "Feed", "Route", "Schedule", "Settings", "duration", "settings"]

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(s|m|min|h|d|w|seconds?|minutes?|hours?|days?|weeks?)\s*")
_ALLOWANCE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:per|/|a|an|every)\s*(.+)")
_ROWS = re.compile(r"\s*([\d_,]+)\s*rows?\s*")


def duration(text: str) -> dt.timedelta:
    """Return a length of time such as ``1d``, ``6h``, ``15m`` or ``30 days``; raises ``ConfigError`` for anything else.

    >>> duration("1d"), duration("90 minutes")
    (datetime.timedelta(days=1), datetime.timedelta(seconds=5400))
    """
    found = _DURATION.fullmatch(text) if isinstance(text, str) else _DURATION.fullmatch("")
    if not found:
        plain = re.fullmatch(r"\s*(day|hour|minute|week)\s*", text) if isinstance(text, str) else None
        if plain:
            return dt.timedelta(seconds=_UNITS[plain[1][0]])
        raise ConfigError(f"{str(text)[:40]!r} is no length of time", expected="a number and a unit: 15m, 6h, 1d, 2w")
    seconds = float(found[1]) * _UNITS[found[2][0]]
    if not 0 < seconds <= 3_650 * 86_400:
        raise ConfigError(f"{text!r} is not between a second and ten years", expected="a length of time such as 1d")
    return dt.timedelta(seconds=seconds)


@dataclass(frozen=True)
class Allowance:
    """How many false pages are tolerated in how long."""

    pages: float = 1.0
    time: dt.timedelta = dt.timedelta(days=30)

    def __str__(self) -> str:
        days = self.time / dt.timedelta(days=1)
        return f"{self.pages:g} per {f'{days:g}d' if days >= 1 else f'{days * 24:g}h'}"

    @classmethod
    def parse(cls, text: str) -> Allowance:
        """Return the allowance that ``1 per 30d`` states.

        >>> str(Allowance.parse("2 per week"))
        '2 per 7d'
        """
        found = _ALLOWANCE.fullmatch(text) if isinstance(text, str) else None
        if not found or not 0 < float(found[1]) <= 1_000:
            raise ConfigError(f"{str(text)[:40]!r} is no number of false pages in a time", expected="such as 1 per 30d")
        return cls(float(found[1]), duration(found[2]))

    def per(self, window: dt.timedelta) -> float:
        """Return the false pages allowed in one window."""
        return self.pages * (window / self.time)


@dataclass(frozen=True)
class Cadence:
    """How the stream is cut: by ``time`` (in a zone, so that a day is a day there), by ``rows``, or one window a ``file``."""

    kind: Literal["time", "rows", "file"] = "time"
    time: dt.timedelta = dt.timedelta(days=1)
    rows: int = 0
    zone: str = "UTC"

    @classmethod
    def parse(cls, text: str, zone: str = "UTC") -> Cadence:
        """Return the cadence that ``1d``, ``1h``, ``1000 rows`` or ``file`` names.

        >>> Cadence.parse("1_000 rows").rows
        1000
        """
        if not isinstance(text, str):
            raise ConfigError(f"{text!r} names no window", expected="1d, 1h, 1000 rows or file")
        if text.strip() == "file":
            return cls("file", zone=zone)
        if rows := _ROWS.fullmatch(text):
            count = int(rows[1].replace(",", "").replace("_", "") or 0)
            if not 1 <= count <= 100_000_000:
                raise ConfigError(f"a window of {count} rows", expected="between 1 and 100,000,000")
            return cls("rows", rows=count, zone=zone)
        found = duration(text)
        if found < dt.timedelta(days=1) and dt.timedelta(days=1) % found:
            raise ConfigError(f"windows of {text!r} do not fill a day", expected="a length that divides a day: 15m, 1h, 6h")
        if found > dt.timedelta(days=1) and found % dt.timedelta(days=1):
            raise ConfigError(f"windows of {text!r} are no whole days", expected="1d, 7d, 2w")
        return cls("time", found, zone=zone)

    def start(self, moment: dt.datetime) -> dt.datetime:
        """Return the start of the window that holds ``moment``, in the cadence's zone; naive moments are UTC.

        Windows shorter than a day are counted from local midnight, so the day on which clocks change has one more or fewer of them;
        longer ones from Monday, 1 January 1900.

        >>> day = Cadence.parse("1d", "America/New_York")
        >>> day.start(dt.datetime(2013, 7, 2, 3, 59, tzinfo=dt.UTC)).isoformat()
        '2013-07-01T00:00:00-04:00'
        """
        zone = _zone(self.zone)
        local = (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).astimezone(zone)
        midnight = dt.datetime(local.year, local.month, local.day, tzinfo=zone)
        if self.time < dt.timedelta(days=1):
            passed = (local.astimezone(dt.UTC) - midnight.astimezone(dt.UTC)) // self.time
            return (midnight.astimezone(dt.UTC) + passed * self.time).astimezone(zone)
        days = (midnight.date() - dt.date(1900, 1, 1)).days % self.time.days
        first = midnight.date() - dt.timedelta(days=days)
        return dt.datetime(first.year, first.month, first.day, tzinfo=zone)

    def end(self, start: dt.datetime) -> dt.datetime:
        """Return where the window that begins at ``start`` ends, which is where the next begins."""
        zone = _zone(self.zone)
        if self.time < dt.timedelta(days=1):
            after = (start.astimezone(dt.UTC) + self.time).astimezone(zone)
            midnight = dt.datetime(start.astimezone(zone).year, start.astimezone(zone).month, start.astimezone(zone).day, tzinfo=zone)
            tomorrow = (midnight.replace(tzinfo=None) + dt.timedelta(days=1)).replace(tzinfo=zone)
            return min(after, tomorrow, key=lambda each: each.astimezone(dt.UTC))  # the last window before midnight may be cut short
        later = start.astimezone(zone).replace(tzinfo=None) + self.time
        return later.replace(tzinfo=zone)


def _zone(name: str) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        near = nearest(name, zoneinfo.available_timezones())
        raise ConfigError(f"there is no time zone '{name[:60]}'", expected="a name such as Europe/Berlin or UTC",
                          hint=f"did you mean '{near}'?" if near else None) from None


@dataclass(frozen=True)
class Feed:
    """A source that columns come from: they break together. ``key`` are the columns whose distinct values are its own rows."""

    columns: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    owner: str | None = None
    notify: tuple[str, ...] = ()
    data: str | None = None


@dataclass(frozen=True)
class Route:
    """Whom to tell of which incidents: of a source, of the sources of an owner, of a severity (``page``, ``ticket``), or of all."""

    notify: tuple[str, ...]
    source: str | None = None
    severity: str | None = None
    owner: str | None = None


@dataclass(frozen=True)
class Schedule:
    """Checks that look at all rows of the last ``over``, once ``every`` so long: what creeps shows in many rows and not in a day's.

    ``suite``: the default suite is run too.
    """

    checks: tuple[Check, ...] = ()
    every: dt.timedelta = dt.timedelta(days=7)
    over: dt.timedelta = dt.timedelta(days=28)
    suite: bool = False


@dataclass(frozen=True)
class Estimates:
    """Whether performance is estimated before labels come: ``on`` is None where that depends on whether labels are late.

    ``metrics`` are those that are estimated, by default those of promises and checks; ``drop`` is the part of the reference's value that
    an estimate may lose.
    """

    on: bool | None = None
    metrics: tuple[str, ...] = ()
    drop: float = 0.05


@dataclass(frozen=True)
class Backdoor:
    """Clean images, by which inputs are suspected of a trigger: at most ``false_alarms`` of clean inputs.

    ``sample`` is how many of a window are looked at; ``column`` and ``size`` (height, width, channels) say where images are.
    """

    clean: str
    column: str | None = None
    size: tuple[int, int, int] | None = None
    false_alarms: float = 0.01
    sample: int = 200


@dataclass(frozen=True)
class Settings:
    """The ``monitor:`` part of a configuration; every field has a default, so that an empty one works."""

    window: Cadence = field(default_factory=Cadence)
    label_delay: dt.timedelta | None = None
    false_pages: Allowance = field(default_factory=Allowance)
    weight: float = 1.0
    learning: int = 28
    store: str | None = None
    ledger: str | None = None
    by: str | None = None
    by_rows: int = 100
    holidays: tuple[Calendar, ...] = ()
    scheduled: tuple[Schedule, ...] = ()
    estimate: Estimates = field(default_factory=Estimates)
    sources: Mapping[str, Feed] = field(default_factory=dict)
    promises: tuple[Check, ...] = ()
    thresholds: tuple[Check, ...] = ()
    notify: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    secret: str | None = None
    shadow: str | Mapping[str, Any] | None = None
    backdoor: Backdoor | None = None


_KEYS = ("window", "zone", "label_delay", "false_pages", "weight", "learning", "store", "ledger", "by", "by_rows", "holidays", "scheduled",
         "estimate", "sources", "promises", "thresholds", "notify", "routes", "secret", "shadow", "backdoor")


def settings(given: Any, *, where: Callable[..., str] = lambda *keys: "monitor") -> Settings:
    """Return the settings that a mapping states; ``where(*keys)`` tells the place of a key for errors.

    Raises ``ConfigError`` with what was wrong, where, and what is expected.

    >>> settings({"window": "1h", "false_pages": "1 per week"}).window.time
    datetime.timedelta(seconds=3600)
    """
    if given is None:
        return Settings()
    _mapping(given, "monitor", where())
    _known(given, _KEYS, where)
    zone = given.get("zone", "UTC")
    if not isinstance(zone, str):
        raise ConfigError("'zone' is no text", where=where("zone"), expected="a name such as Europe/Berlin")
    made: dict[str, Any] = {"window": Cadence(zone=zone)}
    for key, value in given.items():
        if value is None or key == "zone":
            continue
        try:
            made[key] = _READERS[key](value, key, where) if key != "window" else Cadence.parse(value, zone)
        except AssayError as error:
            error.where = error.where or where(key)
            raise
    try:
        _zone(zone)
    except ConfigError as error:
        error.where = where("zone")
        raise
    for name, feed in made.get("sources", {}).items():
        twice = [column for other, each in made["sources"].items() if other != name for column in each.columns if column in feed.columns]
        if twice:
            raise ConfigError(f"the column '{twice[0]}' belongs to two sources", where=where("sources"), expected="one source for a column")
    return Settings(**made)


def _mapping(value: Any, key: str, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"'{key}' is no mapping", where=where, expected="keys and values")
    return value


def _known(given: Mapping[str, Any], names: tuple[str, ...], where: Callable[..., str], *keys: str) -> None:
    for key in given:
        if key not in names:
            near = nearest(str(key), names)
            raise ConfigError(f"there is no key '{str(key)[:60]}'" + (f" under '{keys[-1]}'" if keys else " under 'monitor'"),
                              where=where(*keys, str(key)), expected=f"one of {listed(names, 30)}",
                              hint=f"did you mean '{near}'?" if near else None)


def _names(value: Any, key: str, where: Callable[..., str]) -> tuple[str, ...]:
    many = value if isinstance(value, list | tuple) else [value]
    texts = [each.isoformat() if isinstance(each, dt.date) else each for each in many]
    if not all(isinstance(each, str) and each.strip() for each in texts):
        raise ConfigError(f"'{key}' holds what is no text", where=where(key), expected="a text, or a list of texts")
    return tuple(texts)


def _text(value: Any, key: str, where: Callable[..., str]) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"'{key}' is no text", where=where(key), expected="a text")
    return value


def _number(least: float, most: float, *, whole: bool = False) -> Callable[..., Any]:
    def read(value: Any, key: str, where: Callable[..., str]) -> Any:
        right = isinstance(value, int if whole else int | float) and not isinstance(value, bool) and least <= value <= most
        if not right:
            raise ConfigError(f"'{key}' is {str(value)[:40]!r}", where=where(key),
                              expected=f"a {'whole ' if whole else ''}number from {least:g} to {most:g}")
        return value
    return read


def _checks(value: Any, key: str, where: Callable[..., str]) -> tuple[Check, ...]:
    if not isinstance(value, list):
        raise ConfigError(f"'{key}' is no list", where=where(key), expected="a list of checks, such as ['auc >= 0.7']")
    found = [each if isinstance(each, Check) else Check.from_json(each, where=where(key, str(place))) for place, each in enumerate(value)]
    return tuple(read_checks(found, where=where(key)))


def _feeds(value: Any, key: str, where: Callable[..., str]) -> dict[str, Feed]:
    names = tuple(each.name for each in fields(Feed))
    found = {}
    for name, given in _mapping(value, key, where(key)).items():
        parts = given if isinstance(given, Mapping) else {"columns": given}
        _known(parts, names, where, key)
        read: dict[str, Any] = {part: (_names if part in ("columns", "key", "notify") else _text)(each, part, where)
                                for part, each in parts.items() if each is not None}
        found[str(name)] = Feed(**read)
    return found


def _routes(value: Any, key: str, where: Callable[..., str]) -> tuple[Route, ...]:
    if not isinstance(value, list):
        raise ConfigError(f"'{key}' is no list", where=where(key), expected="a list such as [{source: weather, notify: [...]}]")
    found = []
    for each in value:
        _mapping(each, key, where(key))
        _known(each, ("notify", "source", "owner", "severity"), where, key)
        severity = each.get("severity")
        if severity not in (None, "page", "ticket"):
            raise ConfigError(f"'severity' is {str(severity)[:40]!r}", where=where(key), expected="page or ticket")
        found.append(Route(_names(each.get("notify", []), "notify", where), each.get("source"), severity, each.get("owner")))
    return tuple(found)


def _holidays(value: Any, key: str, where: Callable[..., str]) -> tuple[Calendar, ...]:
    """Read dates for all sources, or a mapping of sources to their own dates."""
    if isinstance(value, Mapping):
        return tuple(Calendar.parse(_dates(given, key, where), sources=[str(name)]) for name, given in value.items())
    return (Calendar.parse(_dates(value, key, where)),)


def _dates(value: Any, key: str, where: Callable[..., str]) -> list[str]:
    """Return dates and stretches as they stand; a day of every year (12-25) as the day of each year that a monitor may see."""
    found: list[str] = []
    for each in _names(value, key, where):
        if not re.fullmatch(r"\s*\d\d-\d\d\s*", each):
            found.append(each)
            continue
        month, day = (int(part) for part in each.strip().split("-"))
        try:
            dt.date(2000, month, day)
        except ValueError:
            raise ConfigError(f"there is no day {each[:40]}", where=where(key), expected="a month and a day such as 12-25") from None
        found += [f"{year}-{each.strip()}" for year in range(*_YEARS) if (month, day) != (2, 29) or year % 4 == 0]
    return found


_YEARS = 1970, 2100


def _scheduled(value: Any, key: str, where: Callable[..., str]) -> tuple[Schedule, ...]:
    if not isinstance(value, list):
        raise ConfigError(f"'{key}' is no list", where=where(key), expected="a list such as [{checks: [...], every: 7d, over: 28d}]")
    found = []
    for place, each in enumerate(value):
        at = _placed(where, key, str(place))
        _mapping(each, key, at())
        _known(each, ("checks", "every", "over"), where, key)
        listing = each.get("checks")
        if not isinstance(listing, list) or not listing:
            raise ConfigError("a schedule has no checks", where=at(), expected="checks: ['selection_rate ratio by sex >= 0.8']")
        suite = DEFAULT in listing
        checks = _checks([one for one in listing if one != DEFAULT], "checks", at)
        if relative := next((one for one in checks if one.relative), None):
            raise ConfigError(f"'{relative}' compares two models, and a schedule looks at one", where=at(), expected="a bound of its own")
        every, over = (duration(each[name]) if each.get(name) is not None else getattr(Schedule, name) for name in ("every", "over"))
        if over < every:
            raise ConfigError("a schedule leaves rows out", where=at(), expected="over: as long as every, or longer")
        found.append(Schedule(checks, every, over, suite))
    return tuple(found)


def _estimates(value: Any, key: str, where: Callable[..., str]) -> Estimates:
    """Read ``auto``, ``true``, ``false``, or a mapping of metrics and of what may be lost, which stands for ``auto``."""
    if isinstance(value, bool) or value == "auto":
        return Estimates(None if value == "auto" else value)
    if not isinstance(value, Mapping):
        raise ConfigError(f"'{key}' is {str(value)[:40]!r}", where=where(key), expected="auto, true, false, or {metrics: [auc]}")
    _known(value, ("metrics", "drop"), where, key)
    metrics = _names(value.get("metrics", []), "metrics", _placed(where, key))
    return Estimates(None, metrics, _number(1e-6, 1)(value.get("drop", 0.05), "drop", _placed(where, key)))


def _placed(where: Callable[..., str], *keys: str) -> Callable[..., str]:
    return lambda *more: where(*keys, *more)


def _secret(value: Any, key: str, where: Callable[..., str]) -> str:
    name = _text(value, key, where)
    if not re.fullmatch(r"[A-Z_][A-Z0-9_]*", name):
        raise ConfigError("'secret' is no name of an environment variable", where=where(key), expected="a name such as ASSAY_SECRET",
                          hint="the secret itself stays out of the file")
    return name


def _shadow(value: Any, key: str, where: Callable[..., str]) -> str | Mapping[str, Any]:
    """Read which of the file's two models is the other's shadow, or the columns that hold the shadow's answers."""
    if isinstance(value, Mapping):
        _known(value, ("score", "prediction"), where, key)
        found = {name: _names(each, name, where) for name, each in value.items() if each is not None}
        if not found or len(found.get("prediction", ("",))) != 1:
            raise ConfigError(f"'{key}' names no column", where=where(key), expected="{score: COLUMN} or {prediction: COLUMN}")
        return {name: each[0] if name == "prediction" else each for name, each in found.items()}
    if value not in ("model", "champion"):
        raise ConfigError(f"'{key}' is {str(value)[:40]!r}", where=where(key), expected="model, champion, or {score: COLUMN}",
                          hint="model: the file's model answers beside its champion, which is in production; champion: the other way round")
    return str(value)


def _backdoor(value: Any, key: str, where: Callable[..., str]) -> Backdoor:
    """Read the name of a file of clean images, or a mapping that holds it as ``clean``."""
    given = value if isinstance(value, Mapping) else {"clean": value}
    _known(given, tuple(each.name for each in fields(Backdoor)), where, key)
    at = _placed(where, key)
    if given.get("clean") is None:
        raise ConfigError(f"'{key}' names no clean images", where=where(key), expected="a file, or {clean: FILE, sample: 200}")
    size = given.get("size")
    whole = isinstance(size, list) and all(isinstance(each, int) and not isinstance(each, bool) and each > 0 for each in size)
    if size is not None and not (whole and len(size) in (2, 3)):
        raise ConfigError(f"'size' is {str(size)[:40]!r}", where=at("size"), expected="[height, width] or [height, width, channels]")
    return Backdoor(_text(given["clean"], "clean", at), _text(given["column"], "column", at) if given.get("column") is not None else None,
                    (size[0], size[1], size[2] if len(size) == 3 else 1) if size else None,
                    _number(1e-4, 0.2)(given.get("false_alarms", 0.01), "false_alarms", at),
                    _number(1, 1e6, whole=True)(given.get("sample", 200), "sample", at))


_READERS: dict[str, Callable[..., Any]] = {
    "label_delay": lambda value, key, where: duration(value), "false_pages": lambda value, key, where: Allowance.parse(value),
    "weight": _number(1e-6, 1e6), "learning": _number(1, 3_650, whole=True), "store": _text, "ledger": _text,
    "by": _text, "by_rows": _number(2, 1e9, whole=True), "holidays": _holidays, "scheduled": _scheduled,
    "estimate": _estimates,
    "sources": _feeds, "promises": _checks, "thresholds": _checks, "notify": _names, "routes": _routes, "secret": _secret,
    "shadow": _shadow, "backdoor": _backdoor,
}
