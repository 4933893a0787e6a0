"""What happened in production: one cause, however many alerts it gave.

``Incident`` is what the monitor opens, updates and resolves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.result.plain import restored, whole
from assay.result.term import Scalar

__all__ = ["Incident"]

@dataclass(frozen=True)
class Incident:
    """One cause, however many alerts it gave; times are ISO 8601 with zone.

    ``kind`` is what spoke: ``fault`` (broken data, by rule), ``attack`` (inputs suspected of a trigger), ``drift`` (evidence against the
    history), ``harm`` (performance below what was asked), ``estimate`` (below it as estimated without labels), ``concept`` (labels follow
    something else than they did) or ``threshold`` (a bound of the user's own, outside the budget). ``state`` is ``open``, ``resolved``,
    ``acknowledged``, ``snoozed``, ``false`` or ``true``. ``share`` is the share of rows affected, ``effect`` what it did to the
    model's answers, ``hint`` what to do.
    """

    first_seen: str
    last_seen: str
    page: bool
    sentence: str
    source: str | None = None
    columns: tuple[str, ...] = ()
    slices: tuple[Mapping[str, Scalar], ...] = ()
    evidence: float | None = None
    cause: str | None = None
    kind: str | None = None
    state: str | None = None
    share: float | None = None
    effect: str | None = None
    hint: str | None = None
    id: str | None = None

    def to_json(self) -> dict[str, Any]:
        return whole(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Incident:
        tuples = {"columns": tuple(data.get("columns", ())), "slices": tuple(data.get("slices", ()))}
        return cls(**{**restored(cls, data), **tuples})
