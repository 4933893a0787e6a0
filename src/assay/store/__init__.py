"""What assay remembers: results in SQLite or Postgres (``Store``), and the rows that a monitor has seen (``Ledger``).

``Store(path_or_url)`` holds runs, incidents, notes, decisions, messages, states, profiles and attributions; ``Ledger(store, folder,
cadence)`` holds rows by model and id, and says which windows must be computed anew. Verbs import them.
"""

from __future__ import annotations

from assay.store.incident import Event
from assay.store.ledger import Ledger
from assay.store.note import Decision, Note
from assay.store.run import Brief, Point
from assay.store.span import Cadence, Span
from assay.store.store import Store

__all__ = ["Brief", "Cadence", "Decision", "Event", "Ledger", "Note", "Point", "Span", "Store"]
