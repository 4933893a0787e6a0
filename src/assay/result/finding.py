"""What a probe found: an input that shows a fault, or something that a person has to judge.

``Finding`` is what probes return.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from assay.result.plain import restored, whole

__all__ = ["Finding"]

@dataclass(frozen=True)
class Finding:
    """An input that shows a fault, with the contrasting input and the outputs for both.

    ``outcome`` is ``"warn"`` where only a person can say whether it is a fault, such as an input that tells a protected group.
    """

    probe: str
    sentence: str
    input: Mapping[str, Any] = field(default_factory=dict)
    contrast: Mapping[str, Any] = field(default_factory=dict)
    output: Sequence[Any] = ()
    outcome: Literal["fail", "warn"] = "fail"

    def to_json(self) -> dict[str, Any]:
        return whole(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Finding:
        return cls(**{**restored(cls, data), "output": tuple(data.get("output", ()))})
