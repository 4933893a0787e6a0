"""What an engine is asked for: the distinct needs, and by which slices, so that one pass serves every metric.

``Plan.of`` collects; engines read. An engine never sees a metric.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from assay.data.slice import Slicing
from assay.summary import Need

__all__ = ["Plan"]


@dataclass(frozen=True)
class Plan:
    """Needs of all rows (``everywhere``) and needs by a slicing (``sliced``, each with its text in ``by``), each once.

    >>> from assay.summary import Need
    >>> need = Need("moments", ("age",))
    >>> Plan.of([(need, None), (need, None)]).everywhere == (need,)
    True
    """

    everywhere: tuple[Need, ...] = ()
    sliced: tuple[tuple[Slicing, tuple[Need, ...]], ...] = ()
    columns: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def of(cls, wants: Iterable[tuple[Need, Slicing | None]], *, columns: Sequence[str] = ()) -> Plan:
        """Return the plan of (need, slicing or None) pairs; ``columns`` are read besides what the needs name."""
        everywhere: dict[Need, None] = {}
        sliced: dict[str, tuple[Slicing, dict[Need, None]]] = {}
        for need, slicing in wants:
            if slicing is None:
                everywhere[need] = None
            else:
                sliced.setdefault(slicing.text, (slicing, {}))[1][need.cut(slicing.text)] = None
        groups = tuple((slicing, tuple(needs)) for slicing, needs in sliced.values())
        needs = [*everywhere, *(need for _, some in groups for need in some)]
        read = {name: None for need in needs for name in need.columns if not name.startswith("@")}
        read |= {name: None for slicing, _ in groups for name in slicing.columns} | dict.fromkeys(columns)
        return cls(tuple(everywhere), groups, tuple(read))

    @functools.cached_property
    def needs(self) -> tuple[Need, ...]:
        """Every distinct need, wherever it is asked."""
        return tuple(dict.fromkeys((*self.everywhere, *(need for _, some in self.sliced for need in some))))
