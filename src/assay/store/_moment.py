"""Instants as the store keeps them: microseconds since 1970 in UTC, which sort.

``micros(moment)`` and ``moment(micros)`` are the whole interface; a moment without a zone is refused rather than guessed.
Only this package imports it.
"""

from __future__ import annotations

import datetime as dt

from assay.errors import ConfigError

__all__ = ["Moment", "micros", "moment", "now"]

Moment = dt.datetime | str
_START = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICRO = dt.timedelta(microseconds=1)


def micros(given: Moment) -> int:
    """Return an instant, given with its zone as a datetime or as ISO 8601; raises ``ConfigError``.

    >>> micros("1970-01-01T01:00:00.000001+01:00")
    1
    """
    try:
        found = dt.datetime.fromisoformat(given) if isinstance(given, str) else given
        if found.tzinfo is None:
            raise ConfigError(f"the time {str(given)[:40]!r} has no zone", expected="such as 2026-03-01T00:00:00+00:00")
        return (found - _START) // _MICRO
    except (ValueError, TypeError, OverflowError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{str(given)[:40]!r} is no time", expected="ISO 8601 with a zone, such as 2026-03-01T00:00:00+00:00") from error


def moment(given: int) -> dt.datetime:
    """Return the instant in UTC.

    >>> moment(0).isoformat()
    '1970-01-01T00:00:00+00:00'
    """
    return _START + given * _MICRO


def now() -> int:
    """Return this instant."""
    return micros(dt.datetime.now(dt.UTC))
