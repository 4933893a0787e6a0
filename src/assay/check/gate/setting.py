"""What the ``gate:`` part of ``assay.yaml`` says, every key known, every mistake told with its place.

``settings(mapping, where) -> Settings`` is the whole interface. Verbs import it.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assay.check.expression import Check, parse
from assay.check.suite import checks as read_checks
from assay.errors import ConfigError, listed, nearest

__all__ = ["Budgets", "Override", "Settings", "settings"]

MOST = 500  # slicings, goals, guards or overrides in a file that a person writes
_METRIC = re.compile(r"[^\W\d]\w*(?:\([^()]*\))?")
_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1000.0}
_SIZES = {"B": 1e-6, "KB": 1e-3, "MB": 1.0, "GB": 1e3}
_DAYS = {"h": 1 / 24, "d": 1.0, "w": 7.0}


@dataclass(frozen=True)
class Budgets:
    """What service may cost: milliseconds for one row, megabytes of the model, days since its youngest training row."""

    latency: float | None = None
    size: float | None = None
    staleness: float | None = None


@dataclass(frozen=True)
class Override:
    """A rule around the model that answers in its place: which rows it takes, what it answers, since when, until when to be looked at."""

    where: str
    answer: Any = None
    since: dt.date | None = None
    review: float = 180.0
    reason: str | None = None


@dataclass(frozen=True)
class Settings:
    """How a candidate is judged. ``success`` and ``guardrails`` are relative checks; ``tolerance`` is by metric, under "" for all.

    ``alpha`` is one-sided, for each kind of claim; ``power`` what rows are planned for. ``costs`` are by true and predicted class, as
    texts. ``levels`` are absolute checks of the candidate, ``behaviour`` files or folders of behaviour tests of it. ``releases`` is how
    many past releases count towards accumulated harm, ``smallest`` how many rows a slice has at the least to keep the gate open.
    """

    success: tuple[Check, ...] = ()
    guardrails: tuple[Check, ...] = ()
    slices: tuple[str, ...] = ()
    tolerance: Mapping[str, float] = field(default_factory=dict)
    alpha: float = 0.025
    power: float = 0.8
    costs: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    levels: tuple[Check, ...] = ()
    behaviour: tuple[str, ...] = ()
    budgets: Budgets = Budgets()
    churn: float | None = None
    overrides: tuple[Override, ...] = ()
    store: str | None = None
    releases: int = 10
    smallest: int = 30


def settings(data: object, *, where: Callable[..., str] = lambda *keys: ".".join(("gate", *keys))) -> Settings:
    """Return the settings of a mapping; raises ``ConfigError`` that names the place.

    >>> found = settings({"success": ["auc"], "guardrails": ["recall by country >= champion - 0.02"], "budgets": {"latency": "5ms"}})
    >>> str(found.success[0]), found.guardrails[0].by, found.budgets.latency
    ('auc >= champion', 'country', 5.0)
    """
    if data is None or data is True:
        return Settings()
    return _Reader(where).read(data)


class _Reader:
    def __init__(self, where: Callable[..., str]):
        self.where = where

    def read(self, data: object) -> Settings:
        given = self.mapping((), data, "keys such as guardrails, tolerance, levels")
        names = set(Settings.__dataclass_fields__)
        self.known((), given, names)
        made: dict[str, Any] = {key: getattr(self, f"_{key}")(value) for key, value in given.items() if value is not None}
        return Settings(**made)

    def _success(self, value: Any) -> tuple[Check, ...]:
        found = []
        for place, each in enumerate(self.items("success", value)):
            text = self.text(("success", str(place)), each)
            plain = _METRIC.fullmatch(text.strip())
            check = self.parsed(("success", str(place)), f"{text} >= champion" if plain else text)
            if check.by or check.columns or check.compare:
                raise ConfigError(f"'{text}' is no goal of all rows", where=self.where("success", str(place)),
                                  expected="a metric, such as auc")
            found.append(check)
        return tuple(found)

    def _guardrails(self, value: Any) -> tuple[Check, ...]:
        return tuple(self.parsed(("guardrails", str(place)), self.text(("guardrails", str(place)), each))
                     for place, each in enumerate(self.items("guardrails", value)))

    def _slices(self, value: Any) -> tuple[str, ...]:
        return tuple(self.text(("slices", str(place)), each) for place, each in enumerate(self.items("slices", value)))

    def _tolerance(self, value: Any) -> dict[str, float]:
        if not isinstance(value, Mapping):
            return {"": self.number(("tolerance",), value, 0.0, math.inf)}
        return {str(name): self.number(("tolerance", str(name)), each, 0.0, math.inf) for name, each in value.items()}

    def _alpha(self, value: Any) -> float:
        return self.number(("alpha",), value, 1e-6, 0.2)

    def _power(self, value: Any) -> float:
        return self.number(("power",), value, 0.5, 0.9999)

    def _releases(self, value: Any) -> int:
        return int(self.number(("releases",), value, 0, 1000))

    def _smallest(self, value: Any) -> int:
        return int(self.number(("smallest",), value, 0, 1e12))

    def _churn(self, value: Any) -> float:
        return self.number(("churn",), value, 0.0, 1.0)

    def _store(self, value: Any) -> str:
        return self.text(("store",), value)

    def _costs(self, value: Any) -> dict[str, dict[str, float]]:
        rows = self.mapping(("costs",), value, "the true class, then the predicted class, then what it costs: {late: {on time: 5}}")
        return {_class(true): {_class(guess): self.number(("costs", str(true)), cost, -1e12, 1e12)
                             for guess, cost in self.mapping(("costs", str(true)), row, "predicted classes and their costs").items()}
                for true, row in rows.items()}

    def _levels(self, value: Any) -> tuple[Check, ...]:
        found = read_checks(self.items("levels", value), where=self.where("levels"))
        for each in found:
            if each.relative == "champion":
                raise ConfigError(f"'{each}' is no level", where=self.where("levels"),
                                  expected="a number to be held, such as accuracy >= 0.9",
                                  hint="what compares with the champion stands under guardrails")
        return found

    def _behaviour(self, value: Any) -> tuple[str, ...]:
        return tuple(self.text(("behaviour", str(place)), each) for place, each in enumerate(self.items("behaviour", value)))

    def _budgets(self, value: Any) -> Budgets:
        given = self.mapping(("budgets",), value, "latency, size, staleness")
        self.known(("budgets",), given, set(Budgets.__dataclass_fields__))
        units = {"latency": (_UNITS, "5ms"), "size": (_SIZES, "100MB"), "staleness": (_DAYS, "30d")}
        return Budgets(**{key: self.measured(("budgets", key), each, *units[key]) for key, each in given.items() if each is not None})

    def _overrides(self, value: Any) -> tuple[Override, ...]:
        found = []
        for place, each in enumerate(self.items("overrides", value)):
            at = ("overrides", str(place))
            given = self.mapping(at, each, "a rule, such as {where: amount < 10, answer: 1, since: 2026-01-31}")
            self.known(at, given, set(Override.__dataclass_fields__))
            if not isinstance(given.get("where"), str):
                raise ConfigError("an override says which rows it takes", where=self.where(*at), expected="where: a predicate",
                                  hint="{where: amount < 10, answer: 1, since: 2026-01-31}")
            made = {key: one for key, one in given.items() if one is not None}
            if "since" in made:
                made["since"] = self.date(at, made["since"])
            if "review" in made:
                made["review"] = self.measured(at, made["review"], _DAYS, "180d")
            found.append(Override(**made))
        return tuple(found)

    # what is asked of a value -----------------------------------------------------------------------------------------------

    def known(self, keys: tuple[str, ...], given: Mapping[Any, Any], names: set[str]) -> None:
        for key in given:
            if key not in names:
                near = nearest(str(key), names)
                raise ConfigError(f"there is no key '{str(key)[:80]}' under '{('gate', *keys)[-1]}'", where=self.where(*keys, str(key)),
                                  expected=f"one of {listed(sorted(names), 30)}", hint=f"did you mean '{near}'?" if near else None)

    def mapping(self, keys: tuple[str, ...], value: Any, expected: str) -> Mapping[Any, Any]:
        if not isinstance(value, Mapping):
            raise ConfigError(f"'{('gate', *keys)[-1]}' is a {type(value).__name__}", where=self.where(*keys), expected=expected)
        return value

    def items(self, key: str, value: Any) -> Sequence[Any]:
        found = [value] if isinstance(value, str) else value
        if not isinstance(found, Sequence) or len(found) > MOST:
            raise ConfigError(f"'{key}' is no list" if not isinstance(found, Sequence) else f"'{key}' has {len(found)} entries",
                              where=self.where(key), expected=f"a list of at most {MOST}")
        return found

    def text(self, keys: tuple[str, ...], value: Any) -> str:
        if not isinstance(value, str) or not value.strip():
            raise ConfigError(f"{value!r:.60} is no text", where=self.where(*keys), expected="text")
        return value

    def number(self, keys: tuple[str, ...], value: Any, low: float, high: float) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ConfigError(f"'{keys[-1]}' is {value!r:.60}", where=self.where(*keys),
                              expected=f"a number between {low:g} and {high:g}" if math.isfinite(high) else f"a number from {low:g} on")
        return float(value)

    def measured(self, keys: tuple[str, ...], value: Any, units: Mapping[str, float], example: str) -> float:
        """Return a number with a unit in the unit whose factor is 1; a bare number is in it already."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            return self.number(keys, value, 0.0, math.inf)
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*", value) if isinstance(value, str) else None
        if found is None or found[2] not in units:
            raise ConfigError(f"'{keys[-1]}' is {value!r:.60}", where=self.where(*keys),
                              expected=f"a number and a unit ({', '.join(units)}), such as {example}")
        return float(found[1]) * units[found[2]]

    def date(self, keys: tuple[str, ...], value: Any) -> dt.date:
        if isinstance(value, dt.datetime):
            return value.date()
        if isinstance(value, dt.date):
            return value
        try:
            return dt.date.fromisoformat(value)
        except (TypeError, ValueError):
            raise ConfigError(f"'since' is {value!r:.60}", where=self.where(*keys), expected="a day, such as 2026-01-31") from None

    def parsed(self, keys: tuple[str, ...], text: str) -> Check:
        try:
            check = parse(text)
        except ConfigError as error:
            error.where = f"{self.where(*keys)}: {error.where}" if error.where else self.where(*keys)
            raise
        if check.relative != "champion" or (check.at_least is not None and check.at_most is not None):
            raise ConfigError(f"'{text}' does not compare with the champion", where=self.where(*keys),
                              expected="one bound with 'champion' in it", hint=f"'{check.subject} >= champion - 0.01'; a number to be held "
                              "stands under levels")
        return check


def _class(name: Any) -> str:
    """Return a class as text, whatever YAML made of it.

    >>> _class(1), _class(True), _class("late")
    ('1', 'true', 'late')
    """
    return str(name).lower() if isinstance(name, bool) else str(name)
