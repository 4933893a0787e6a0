"""A gate between versions in a registry: both are pinned before they are judged, and the verdict is written where teams look for it.

``pinned`` finds the versions, ``recorded`` writes the verdict as tags and moves the alias of the champion where the gate says release.
``assay gate --tag`` and ``--promote`` use it.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from assay.errors import ConfigError
from assay.model.registry import Entry
from assay.result import Run

__all__ = ["Pinned", "pinned", "recorded"]

_LONGEST = 500  # characters of one tag


@dataclasses.dataclass(frozen=True)
class Pinned:
    """The two versions of a gate; the champion only where it is in the registry too."""

    candidate: Entry
    champion: Entry | None


def pinned(candidate: Any, champion: Any, *, promote: bool = False) -> Pinned:
    """Return the versions behind ``candidate`` and ``champion``, which are places of models.

    Raises ``ConfigError`` where the candidate is not in a registry, or is to be promoted and the champion has no alias there.
    """
    first = Entry.of(candidate)
    if first is None:
        raise ConfigError("only versions in a registry have tags and aliases", where=str(candidate),
                          expected="models:/NAME@ALIAS or models:/NAME/VERSION")
    second = Entry.of(champion)
    if promote and (second is None or not second.alias or second.name != first.name):
        raise ConfigError("there is no alias that could be moved", where=str(champion),
                          expected=f"a champion such as models:/{first.name}@champion")
    return Pinned(first, second)


def recorded(run: Run, pinned: Pinned, *, promote: bool = False) -> str:
    """Write the verdict of ``run`` as tags of the candidate, promote it where the gate says release, and return what was done, in words."""
    decided = str(run.about.get("decision", run.verdict))
    worst = next((each.sentence for each in run.verdicts if each.verdict in ("fail", "error", "inconclusive")), "")
    tags = {"assay.decision": decided, "assay.verdict": run.verdict, "assay.run": run.id, "assay.version": run.assay}
    if pinned.champion is not None:
        tags["assay.champion"] = pinned.champion.place
    pinned.candidate.tag({**tags, "assay.reason": worst[:_LONGEST]})
    done = f"{pinned.candidate.place} is tagged: {decided}"
    if promote and decided == "release" and pinned.champion is not None:
        now = pinned.candidate.promote(pinned.champion)
        pinned.candidate.tag({"assay.promoted": now.alias})
        return f"{done}; {now.alias} is now version {now.number}, it was {pinned.champion.number}"
    return done + ("; the champion stays" if promote else "")
