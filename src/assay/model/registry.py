"""A registry of models: which version an alias names, tags on it, and the alias that production follows.

``Entry.of("models:/delay@candidate")`` finds the version once, so that what is judged, tagged and promoted is one and the same
whatever happens to the alias meanwhile. Only MLflow's registry is known. Verbs import it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass

from assay.errors import ConfigError, ModelError
from assay.model import _mlflow

__all__ = ["Entry"]

_PLACE = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<number>[0-9]+))")


@dataclass(frozen=True)
class Entry:
    """One version of a registered model, and the alias by which it was found, empty where it was named by its number."""

    name: str
    number: str
    alias: str = ""

    @classmethod
    def of(cls, text: object) -> Entry | None:
        """Return the entry that ``models:/NAME@ALIAS`` or ``models:/NAME/VERSION`` names, None for anything else.

        Raises ``ModelError`` where the registry cannot be asked or has no such alias.

        >>> Entry.of("models:/delay/3"), Entry.of("models/delay.onnx")
        (Entry(name='delay', number='3', alias=''), None)
        """
        found = _PLACE.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            return None
        alias = found["alias"] or ""
        return cls(found["name"], found["number"] or _mlflow.version(found["name"], alias, str(text)), alias)

    @property
    def place(self) -> str:
        """The address of exactly this version."""
        return f"models:/{self.name}/{self.number}"

    def tag(self, tags: Mapping[str, str]) -> None:
        """Set tags of this version."""
        _mlflow.tag(self.name, self.number, tags, self.place)

    def promote(self, champion: Entry) -> Entry:
        """Let the alias of ``champion`` point to this version, and return the champion that it now is.

        Raises ``ConfigError`` where the two are not versions of one model or the champion has no alias, ``ModelError`` where the alias
        points elsewhere than to the version that was judged: somebody else was faster.
        """
        if not champion.alias or champion.name != self.name:
            raise ConfigError(f"{self.place} cannot replace {champion.place}", where=f"models:/{champion.name}",
                              expected="a champion that is named by an alias of the same model, such as models:/delay@champion")
        now = _mlflow.version(champion.name, champion.alias, champion.place)
        if now != champion.number:
            raise ModelError(f"the champion changed while the candidate was judged: it was version {champion.number} and is {now}",
                             where=f"models:/{champion.name}@{champion.alias}", hint="gate the candidate against the new one")
        _mlflow.point(champion.name, champion.alias, self.number, self.place)
        return dataclasses.replace(self, alias=champion.alias)
