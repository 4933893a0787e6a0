"""Real processes for tests, forked so that they start at once."""

from __future__ import annotations

import os
import signal
import time
import traceback
import warnings
from collections.abc import Callable
from typing import Any

__all__ = ["forked", "waited"]


def forked(work: Callable[..., Any], *given: Any) -> int:
    """Run ``work`` in a process of its own and return its number; it ends with 0, or with 1 and a traceback."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)   # Python 3.12 on: a fork beside Arrow's threads, which know how to start anew
        child = os.fork()
    if child:
        return child
    try:
        work(*given)
        os._exit(0)
    except BaseException:  # noqa: BLE001  (whatever it was, the child ends here)
        traceback.print_exc()
        os._exit(1)
    raise AssertionError


def waited(child: int, seconds: float = 120.0) -> int:
    """Return how a process ended (0, 1, or the negative number of the signal), killing it when its time is over."""
    until = time.monotonic() + seconds
    while not (found := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            found = os.waitpid(child, 0)
            break
        time.sleep(0.005)
    return os.waitstatus_to_exitcode(found[1])
