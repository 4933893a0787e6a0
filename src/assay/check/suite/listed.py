"""The suite that a user writes: the list of checks in a configuration.

Interface: :func:`checks`. Any layer above may import it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from assay.check.expression import Check
from assay.errors import ConfigError

__all__ = ["DEFAULT", "checks", "divided"]

DEFAULT = "default"  # the entry of a list that stands for all that assay looks for unasked

MOST = 10_000  # beyond what anybody writes; keeps a hostile configuration cheap


def checks(items: object, *, where: str = "checks") -> tuple[Check, ...]:
    """Return the checks of a list whose entries are expressions, mappings, or checks already.

    Errors: :class:`ConfigError` that names the entry, also for an entry that is there twice.

    >>> [str(each) for each in checks(["auc >= 70%", {"metric": "psi", "columns": "*", "at_most": 0.1}, {"small": "mae <= 12"}])]
    ['auc >= 0.7', 'psi of * <= 0.1', '"small": mae <= 12']
    """
    if isinstance(items, str | Check):
        items = [items]
    if isinstance(items, Mapping) or not isinstance(items, Sequence):
        raise ConfigError(f"checks are a list, not a {type(items).__name__}", where=where, expected="one expression an entry",
                          hint="- auc >= 0.7")
    if len(items) > MOST:
        raise ConfigError(f"there are {len(items)} checks", where=where, expected=f"at most {MOST}")
    found: dict[Check, int] = {}
    for place, item in enumerate(items):
        each = item if isinstance(item, Check) else Check.from_json(item, where=f"{where}[{place}]")
        if each in found:
            raise ConfigError(f"'{each}' is there already", where=f"{where}[{place}]",
                              hint=f"it is the same as {where}[{found[each]}]; remove one")
        found[each] = place
    return tuple(found)


def divided(items: object) -> tuple[bool, list[object]]:
    """Return whether the default suite is among the entries of a list, and the other entries.

    >>> divided(["default", "auc >= 0.7"])
    (True, ['auc >= 0.7'])
    """
    entries = [items] if isinstance(items, str | Check | Mapping) else list(items) if isinstance(items, Sequence) else [items]
    rest = [each for each in entries if each != DEFAULT]
    return len(rest) < len(entries), rest
