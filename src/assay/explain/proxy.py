"""Features through which a protected attribute acts although the model never saw it: how well each tells it, and what of a gap it brings.

``proxies(powers, contributions, gap)`` ranks them; whether one is justified is for a person to say. Verbs import it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assay.result import Value

__all__ = ["STRONG", "TELLING", "Proxy", "proxies"]

TELLING = 0.1   # of a power between 0 and 1, below which a feature is hardly one that stands for the attribute
STRONG = 0.7    # from which on it tells the attribute nearly as the attribute itself would
_SHARE = 0.05   # of the gap, below which nobody need judge


@dataclass(frozen=True)
class Proxy:
    """A feature that tells ``attribute`` with a ``power`` of 0 to 1, and brings ``contribution``, a ``share`` of the gap.

    ``reason`` is what a person said of it: None where nobody has, ``"?"`` where somebody should.
    """

    column: str
    attribute: str
    power: Value
    contribution: Value
    share: float
    reason: str | None = None

    @property
    def judged(self) -> bool:
        """Whether a person has said why it may be used."""
        return self.reason is not None and self.reason.strip() not in ("", "?")

    @property
    def weight(self) -> float:
        """How well it tells the attribute, times what it brings of the gap."""
        return (self.power.value or 0.0) * abs(self.share)


def proxies(attribute: str, powers: Mapping[str, Value], contributions: Sequence[Value], gap: float,
            reasons: Mapping[str, str] | None = None) -> list[Proxy]:
    """Return the features that tell an attribute and bring part of a gap between its groups, by both together, the most first.

    ``powers`` are those of ``proxy_power`` by feature, ``contributions`` the parts of the gap. Left out are features whose
    contribution may be chance, is less than a twentieth of the gap, or works against it, and those that hardly tell the attribute.

    >>> from assay.result import Spread
    >>> power = {"zip": Value.of("proxy_power", Spread("normal", 0.6, error=0.01), n=100)}
    >>> parts = [Value.of("gap", Spread("normal", -0.05, error=0.01), n=100, column=name) for name in ("zip", "hour")]
    >>> [(each.column, round(each.share, 3), each.judged) for each in proxies("race", power, parts, -0.1)]
    [('zip', 0.5, False)]
    """
    found = []
    for each in contributions:
        power = powers.get(str(each.column))
        if power is None or (power.value or 0.0) < TELLING or not gap or each.column == attribute:
            continue
        share = (each.value or 0.0) / gap
        clear = (each.low or 0.0) > 0 or (each.high or 0.0) < 0
        if clear and share >= _SHARE:
            found.append(Proxy(str(each.column), attribute, power, each, share, (reasons or {}).get(str(each.column))))
    return sorted(found, key=lambda each: -each.weight)
