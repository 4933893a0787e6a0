"""What a probe found: an input that shows a fault.

``Finding`` is what probes return.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assay.result.plain import restored, whole

__all__ = ["Finding"]

@dataclass(frozen=True)
class Finding:
    """An input that shows a fault, with the contrasting input and the outputs for both."""

    probe: str
    sentence: str
    input: Mapping[str, Any] = field(default_factory=dict)
    contrast: Mapping[str, Any] = field(default_factory=dict)
    output: Sequence[Any] = ()

    def to_json(self) -> dict[str, Any]:
        return whole(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Finding:
        return cls(**{**restored(cls, data), "output": tuple(data.get("output", ()))})
