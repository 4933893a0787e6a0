"""The outcome of a check, in words.

``Verdict`` is what checks make of values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from assay.result.plain import restored, told
from assay.result.term import Outcome, Scalar
from assay.result.value import Value

__all__ = ["Verdict"]

@dataclass(frozen=True)
class Verdict:
    """The outcome of one check on one slice, in words.

    ``p`` is the p-value against the check, corrected for the number of slices; ``rows_needed`` estimates how many more
    labelled rows of this slice would decide it, None where that does not apply. ``aspect`` is the part of the suite that it
    belongs to (``"leakage"``), ``expression`` the check as one line of ``assay.yaml``, ``hint`` what to do next.
    """

    check: str
    verdict: Outcome
    sentence: str
    slice: Mapping[str, Scalar] = field(default_factory=dict)
    value: Value | None = None
    threshold: float | None = None
    p: float | None = None
    rows_needed: int | None = None
    hint: str | None = None
    model: str | None = None
    aspect: str | None = None
    expression: str | None = None

    def to_json(self) -> dict[str, Any]:
        data = told(self, "slice")
        if self.value is not None:
            data["value"] = self.value.to_json()
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Verdict:
        value = data.get("value")
        return cls(**{**restored(cls, data), "value": Value.from_json(value) if value else None})
