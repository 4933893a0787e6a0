"""What a command tells the door while it runs; for this package only."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["INTERRUPTED", "State"]

INTERRUPTED = 130  # the exit code that a shell makes of an interrupt: 128 + SIGINT


@dataclass
class State:
    """What the door must know when a command ends badly: ``debug`` shows tracebacks, ``written`` says that files
    were, ``left`` what an interrupt leaves and how it goes on, and ``code`` is the verdict so far, which a closed pipe does not
    change; ``version`` is assay's.
    """

    debug: bool = False
    written: bool = False
    left: str = ""
    code: int = 0
    version: str = ""
