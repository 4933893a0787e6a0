"""What is watched of texts and images: their length, language, brightness or cluster, in the place of values of which no two are alike.

``Content.of(found, compared)`` decides once which columns these are; ``Content.watched`` names what stands for a column,
``Content.source`` gives rows as a source that has it. Only ``assay.verbs.monitor.stream`` imports it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from assay.data.medium import media
from assay.data.schema import Beside, Schema
from assay.data.source import Source, source
from assay.verbs.cluster import beside, clustered

__all__ = ["Content"]


@dataclass(frozen=True)
class Content:
    """Columns of texts and images, what is derived of each, and how what had to be learned is made."""

    made: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    learned: Mapping[str, Beside] = field(default_factory=dict)
    schema: Schema | None = None

    @classmethod
    def of(cls, found: Source, compared: Source | None) -> Content:
        """Decide by the reference where there is one, which is the same from run to run, else by the first delivery.

        Clusters are learned of the reference only: those of a first delivery would be others in each process.
        """
        told = found if compared is None else compared
        names = {name: what for name, what in media(told).items() if name in found.schema.names}
        if not names:
            return cls()
        whole = clustered({"reference": compared})["reference"] if compared is not None else None
        schema = told.schema if whole is None else whole.schema
        return cls({name: schema.shown(name) for name in names}, schema.beside, schema)

    def watched(self, column: pa.Field) -> list[pa.Field]:
        """Return what is watched of a column: itself, or what is derived of it."""
        made = self.made.get(column.name)
        return [column] if made is None or self.schema is None else [pa.field(name, self.schema[name].type) for name in made]

    def stored(self, name: str) -> str:
        """Return the column that must be there for what is watched."""
        return next((column for column, some in self.made.items() if name in some), name)

    def type(self, name: str, rows: pa.Schema) -> pa.DataType:
        """Return the type of what is watched in rows that hold what it is made of."""
        own = self.stored(name) == name or self.schema is None
        return rows.field(name).type if own or self.schema is None else self.schema[name].type

    def source(self, rows: pa.Table | Source, names: Sequence[str]) -> Source:
        """Return rows as a source in which ``names``, derived ones among them, can be asked for."""
        plain: Any = rows.select(list(dict.fromkeys(map(self.stored, names)))) if isinstance(rows, pa.Table) else rows
        return beside(source(plain), self.learned)
