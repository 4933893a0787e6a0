"""The loops of the search, compiled.

``kernel()`` gives the compiled function that counts and scans one set of columns, None where numba is absent. It lets go of the
interpreter's lock. Only ``segment/search.py`` uses it.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from assay.loop import Loop, compiled
from assay.segment import _loops

__all__ = ["Kernel", "kernel"]


class Kernel(NamedTuple):
    """The compiled loops."""

    count: Loop
    scan: Loop


@functools.cache
def kernel() -> Kernel | None:
    """Return the loops, or None where numba is not installed."""
    count, scan = compiled(_loops.count), compiled(_loops.scan)
    return None if count is None or scan is None else Kernel(count, scan)
