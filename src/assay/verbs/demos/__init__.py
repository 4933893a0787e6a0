"""The demonstrations, one file each, written to be read and copied.

A demonstration is a function ``make(folder, tell) -> str``: it writes data and a model into ``folder``, calls ``tell`` with a sentence at
every stage, and returns the text of the ``assay.yaml`` that checks them. Only ``assay.verbs.demo`` imports them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

__all__ = ["Make", "Tell"]

Tell: TypeAlias = Callable[[str], None]
Make: TypeAlias = Callable[[Path, Tell], str]
