"""Loops over numbers, compiled where numba is installed: the fence around numba, which only this module imports.

``compiled(function) -> Loop | None`` is the interface. Packages keep loops in a module of plain Python and numpy (``_loops.py``) and
compile them here; each has a slower way where numba is absent.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Loop", "compiled"]


@dataclass(eq=False)
class Loop:
    """A compiled function; where what is kept of it is damaged, or the disk is full, it is compiled in the process instead."""

    function: Any
    loop: Any
    anew: Callable[[Any], Any]

    def __call__(self, *given: Any) -> Any:
        try:
            return self.loop(*given)
        except Exception:  # noqa: BLE001 (reading or writing the cache, before anything was computed: the loops raise nothing)
            self.loop = self.anew(self.function)
            return self.loop(*given)


def compiled(function: Any) -> Loop | None:
    """Return a function that numba compiles at its first call, without the interpreter's lock; None where numba is not installed.

    It is kept on disk beside the module of ``function``, or in the user's cache where that cannot be written. ``function`` takes and
    returns numbers and arrays, and raises nothing.

    >>> from assay.segment import _loops
    >>> found = compiled(_loops.count)
    >>> found is None or found.function is _loops.count
    True
    """
    try:
        import numba
    except ImportError:
        return None
    anew = functools.partial(numba.njit, nogil=True, error_model="numpy")
    try:
        return Loop(function, anew(function, cache=True), anew)
    except RuntimeError:   # nowhere to write: compiled anew in each process
        return Loop(function, anew(function), anew)
