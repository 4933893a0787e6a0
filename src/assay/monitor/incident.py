"""One cause is one incident, however many alerts it gives: opened once, updated, resolved when it has passed.

``Alert`` is what a layer of the monitor says of one window; ``advanced(cases, alerts, window) -> list[Case]`` takes the incidents
from one window to the next. Pure functions: the same windows give the same incidents, whenever they are computed. Verdicts of people
(``acknowledged``, ``snoozed``, ``false``, ``true``) are laid over them by whoever shows them, never mixed in.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from assay.result import Incident

__all__ = ["Alert", "Case", "Window", "advanced", "columns_of", "headline"]

Kind = Literal["fault", "attack", "drift", "concept", "harm", "estimate", "threshold"]
#: who names the cause: broken data explain drift, both explain harm, and so does that labels follow something else
_GRAVITY = ("fault", "attack", "drift", "concept", "harm", "estimate", "threshold")
_HARM = ("harm", "estimate")  # what others are a cause of: performance as labels show it, and as it is estimated
_NAMED = 3  # columns in a headline
#: windows without an alert that end an incident
QUIET: Mapping[str, int] = {"fault": 1, "attack": 2, "drift": 2, "concept": 7, "harm": 7, "estimate": 2, "threshold": 1}


@dataclass(frozen=True)
class Window:
    """A stretch of the stream: ``start`` and ``end`` in ISO 8601, and its number in order."""

    start: str
    end: str
    number: int


@dataclass(frozen=True)
class Alert:
    """What one layer says of one window.

    ``what`` is a short predicate of the columns ("are missing", "moved"), ``place`` where in the rows ("in all rows of origin LGA"),
    ``share`` the share of rows affected, ``evidence`` an e-value (drift, harm) or nothing. ``page``: worth waking someone.
    ``group`` says which alerts have one cause beyond the source, where the layer knows.
    """

    kind: Kind
    source: str
    what: str
    columns: tuple[str, ...] = ()
    page: bool = False
    place: str = ""
    share: float | None = None
    evidence: float | None = None
    slices: tuple[Mapping[str, Any], ...] = ()
    hint: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class Case:
    """An incident and what is needed to carry it on: the kinds that spoke, and the number of the window when each last did; its sources."""

    incident: Incident
    opened: int
    spoke: Mapping[str, int]
    sources: tuple[str, ...] = ()

    @property
    def open(self) -> bool:
        return self.incident.state == "open"

    def to_json(self) -> dict[str, Any]:
        return {"incident": self.incident.to_json(), "opened": self.opened, "spoke": dict(self.spoke),
                "sources": list(self.sources)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Case:
        return cls(Incident.from_json(data["incident"]), int(data["opened"]), {str(name): int(at) for name, at in data["spoke"].items()},
                   tuple(map(str, data.get("sources", ()))))


def advanced(cases: Sequence[Case], alerts: Iterable[Alert], window: Window, *, model: str = "") -> list[Case]:
    """Return the cases after ``window``: open ones updated or resolved, new ones opened. Resolved ones stay as they are.

    Alerts of one source in one window are one incident; those that share a ``group`` are one across sources; harm that comes with broken
    data is its effect, unless it has a ``group`` of its own. An open incident takes every later alert of its sources, unless the alert
    would page, the incident does not, and they have no column in common: then something else has broken.
    """
    groups = _causes(list(alerts))
    after: list[Case] = []
    left = list(groups)
    for case in cases:
        if not case.open:
            after.append(case)
            continue
        mine = [each for each in left if _continues(case, each)]
        left = [each for each in left if each not in mine]
        if mine:
            after.append(_updated(case, [alert for each in mine for alert in each], window))
        else:
            over = all(window.number - at >= QUIET.get(kind, 1) for kind, at in case.spoke.items())
            after.append(dataclasses.replace(case, incident=dataclasses.replace(case.incident, state="resolved")) if over else case)
    after += [_opened(each, window, model) for each in left]
    return after


def _causes(alerts: list[Alert]) -> list[list[Alert]]:
    """Return the alerts of a window by cause."""
    groups: dict[str, list[Alert]] = {}
    for each in alerts:
        groups.setdefault(f"group {each.group}" if each.group else f"source {each.source}", []).append(each)
    harm = [name for name, some in groups.items() if name.startswith("source ") and all(each.kind in _HARM for each in some)]
    broken = [name for name, some in groups.items() if any(each.kind in ("fault", "drift") and each.page for each in some)]
    if broken:  # the gravest takes the harm as its effect
        worst = min(broken, key=lambda name: min(_GRAVITY.index(each.kind) for each in groups[name]))
        for name in harm:
            groups[worst] += groups.pop(name)
    return list(groups.values())


def _continues(case: Case, alerts: list[Alert]) -> bool:
    incident = case.incident
    if not {incident.source, *case.sources} & {each.source for each in alerts}:
        return False
    fresh = any(each.page for each in alerts) and not incident.page
    known = set(incident.columns)
    return not (fresh and known and not known & set(columns_of(alerts)))


def columns_of(alerts: Iterable[Alert]) -> tuple[str, ...]:
    """Return the columns that alerts name, each once, in order."""
    return tuple(dict.fromkeys(name for each in alerts for name in each.columns))


def headline(alerts: Sequence[Alert]) -> str:
    """Return what happened in one sentence, the gravest first.

    >>> headline([Alert("fault", "weather", "are missing", ("temp", "humid", "dewp", "precip"), place="in all rows of origin LGA")])
    'weather: temp, humid, dewp and 1 more column are missing in all rows of origin LGA'
    """
    def order(alert: Alert) -> tuple[bool, int, float]:
        return not alert.page, _GRAVITY.index(alert.kind), -(alert.evidence or 0)

    parts: dict[tuple[str, str, str], list[str]] = {}
    for each in sorted(alerts, key=order):
        parts.setdefault((each.source, each.what, each.place), []).extend(name for name in each.columns)
    said = []
    for (source, what, where), columns in list(parts.items())[:2]:
        names = list(dict.fromkeys(columns))
        shown = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more column{'s' if len(names) > _NAMED + 1 else ''}"
                                            if len(names) > _NAMED else "")
        said.append(" ".join(part for part in (f"{source}:", shown, what, where) if part))
    rest = len(parts) - len(said)
    return "; ".join(said) + (f"; and {rest} more" if rest else "")


def _cause(alerts: Sequence[Alert]) -> str | None:
    """Return what broken data explain harm that came with them; where there is no harm, the sentence says it all."""
    rest = [each for each in alerts if each.kind not in _HARM]
    return headline(rest) if 0 < len(rest) < len(alerts) else None


def _effect(alerts: Sequence[Alert]) -> str | None:
    """Return what broken data did to the model; harm alone is no effect of anything known."""
    if all(each.kind in _HARM for each in alerts):
        return None
    said = [" ".join(part for part in (", ".join(each.columns), each.what) if part) for each in alerts if each.kind in _HARM]
    return "; ".join(dict.fromkeys(said)) or None


def _opened(alerts: list[Alert], window: Window, model: str) -> Case:
    gravest = min(alerts, key=lambda each: (not each.page, _GRAVITY.index(each.kind)))
    sources = list(dict.fromkeys(each.source for each in alerts if each.kind not in _HARM)) or [gravest.source]
    source = sources[0] if len(sources) == 1 else None
    said = sorted({f"{each.source}\0{each.group}\0{each.kind}\0{each.what}\0{','.join(each.columns)}" for each in alerts})
    name = hashlib.sha256("\1".join((model, window.start, *said)).encode()).hexdigest()[:12]
    hint = next((each.hint for each in alerts if each.hint), None)
    incident = Incident(window.start, window.end, any(each.page for each in alerts), headline(alerts), source, columns_of(alerts),
                        _slices(alerts), _evidence(alerts), _cause(alerts),
                        gravest.kind, "open", _share(alerts), _effect(alerts), hint, name)
    return Case(incident, window.number, {each.kind: window.number for each in alerts}, tuple(sources))


def _updated(case: Case, alerts: list[Alert], window: Window) -> Case:
    old = case.incident
    graver = any(each.page for each in alerts) and not old.page
    sentence = headline(alerts) if graver else old.sentence
    if not graver and (why := [each for each in alerts if each.kind == "concept" and each.page]):
        sentence = f"{sentence}; {headline(why)}"   # what labels show comes after the harm, and says what it is
    incident = dataclasses.replace(
        old, last_seen=max(old.last_seen, window.end), page=old.page or graver, sentence=sentence,
        kind=min([old.kind or "threshold", *(each.kind for each in alerts)], key=_GRAVITY.index),
        columns=tuple(dict.fromkeys((*old.columns, *columns_of(alerts)))), slices=old.slices or _slices(alerts),
        evidence=max((each for each in (old.evidence, _evidence(alerts)) if each is not None), default=None),
        share=max((each for each in (old.share, _share(alerts)) if each is not None), default=None),
        effect=old.effect or _effect(alerts), hint=old.hint or next((each.hint for each in alerts if each.hint), None))
    return dataclasses.replace(case, incident=incident, spoke={**case.spoke, **{each.kind: window.number for each in alerts}})


def _slices(alerts: Iterable[Alert]) -> tuple[Mapping[str, Any], ...]:
    return tuple(each for alert in alerts for each in alert.slices)[:20]


def _evidence(alerts: Iterable[Alert]) -> float | None:
    return max((each.evidence for each in alerts if each.evidence is not None), default=None)


def _share(alerts: Iterable[Alert]) -> float | None:
    return max((each.share for each in alerts if each.share is not None), default=None)
