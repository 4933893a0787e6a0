"""What assay remembers: results in SQLite or Postgres (``Store``), and the rows that a monitor has seen (``Ledger``).

``Store(path_or_url)`` holds runs, incidents, notes, decisions, messages, states and profiles. Verbs import it.
"""

from __future__ import annotations

from assay.store.incident import Event
from assay.store.note import Decision, Note
from assay.store.run import Brief, Point
from assay.store.store import Store

__all__ = ["Brief", "Decision", "Event", "Note", "Point", "Store"]
