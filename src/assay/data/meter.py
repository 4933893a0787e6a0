"""What a run costs, counted where it arises: every row that a source yields, and every row that is put to a model.

``with metered() as meter:`` counts what is read and asked in the block, by ``read(rows)`` and ``asked(rows)`` of whoever does it, in
its thread. Sources (whoever reads on, in whichever thread), engines and ``model.guard`` count; a verb that reports its cost asks.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["Meter", "current", "metered"]


class Meter:
    """Counts ``rows`` read and ``model_rows`` asked: a row that is read again, or asked about again, counts again."""

    def __init__(self) -> None:
        self.rows = self.model_rows = 0
        self._lock = threading.Lock()

    def read(self, rows: int) -> None:
        """Count rows that were read."""
        with self._lock:
            self.rows += rows

    def asked(self, rows: int) -> None:
        """Count rows that are put to a model."""
        with self._lock:
            self.model_rows += rows


_CURRENT: ContextVar[Meter | None] = ContextVar("meter", default=None)


def current() -> Meter:
    """Return the meter that counts here; where nobody asked for one, a meter that nobody reads."""
    return _CURRENT.get() or Meter()


@contextmanager
def metered() -> Iterator[Meter]:
    """Count what is read and asked in the block; blocks within count for themselves and for those around.

    >>> from assay.data.meter import metered
    >>> from assay.data.source import source
    >>> import pyarrow as pa
    >>> with metered() as meter:
    ...     data = source(pa.table({"x": [1, 2, 3]}), where="x > 1")
    ...     _ = list(data.batches()), list(data.batches())
    >>> meter.rows, meter.model_rows
    (6, 0)
    """
    around, meter = _CURRENT.get(), Meter()
    token = _CURRENT.set(meter)
    try:
        yield meter
    finally:
        _CURRENT.reset(token)
        if around is not None:
            around.read(meter.rows)
            around.asked(meter.model_rows)
