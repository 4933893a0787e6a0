"""How much each input contributed to the outputs of some rows, as plain numbers.

``Attribution`` is what explanations are stored and shown as.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.result.plain import whole
from assay.result.term import Scalar

__all__ = ["Attribution"]

@dataclass(frozen=True)
class Attribution:
    """How much each input contributed to the outputs of some rows: ``contributions`` is rows x columns.

    ``low`` and ``high`` are the ends of their intervals where they were sampled, None where they are exact; ``output`` is what was
    explained (``quantity`` names it, ``target`` the class), against ``background_rows`` rows with the digest ``background``.
    """

    columns: tuple[str, ...]
    ids: tuple[Scalar, ...]
    contributions: tuple[tuple[float, ...], ...]
    base: float
    quantity: str = "score"
    low: tuple[tuple[float, ...], ...] | None = None
    high: tuple[tuple[float, ...], ...] | None = None
    output: tuple[float, ...] = ()
    method: str = ""
    background: str = ""
    background_rows: int = 0
    model: str = ""
    target: Scalar = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return whole(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Attribution:
        rows, low, high = (None if data.get(each) is None else tuple(tuple(row) for row in data[each])
                           for each in ("contributions", "low", "high"))
        rest: dict[str, Any] = {each: tuple(data.get(each) or ()) for each in ("columns", "ids", "output", "notes")}
        scalars = ("base", "quantity", "method", "background", "background_rows", "model", "target")
        rest |= {each: data[each] for each in scalars if each in data}
        return cls(contributions=rows or (), low=low, high=high, **rest)
