"""The loops of the search, compiled: the fence around numba in this package.

``kernel()`` gives the compiled function that counts and scans one set of columns, None where numba is absent. It lets go of the
interpreter's lock. Only ``segment/search.py`` uses it.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from assay.segment import _loops

__all__ = ["Kernel", "kernel"]


class Kernel(NamedTuple):
    """The compiled loops."""

    count: Any
    scan: Any


@functools.cache
def kernel() -> Kernel | None:
    """Return the loops, or None where numba is not installed."""
    try:
        import numba
    except ImportError:
        return None

    def compiled(function: Any) -> Any:
        try:
            return numba.njit(cache=True, nogil=True, error_model="numpy")(function)
        except RuntimeError:   # nowhere to write: compiled anew in each process
            return numba.njit(nogil=True, error_model="numpy")(function)

    return Kernel(compiled(_loops.count), compiled(_loops.scan))
