"""The demonstrations, one file each, written to be read and copied.

A demonstration is a function ``make(folder, tell) -> str``: it writes data and a model into ``folder``, calls ``tell`` with a sentence at
every stage, and returns the text of the ``assay.yaml`` that checks them. Beside it stand the ``QUESTIONS`` that are asked then. Only
``assay.verbs.demo`` imports them.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

__all__ = ["Make", "Question", "Tell"]

Tell: TypeAlias = Callable[[str], None]
Make: TypeAlias = Callable[[Path, Tell], str]
FILES = ("clean", "data", "inputs", "model")   # arguments that name files


@dataclass(frozen=True)
class Question:
    """What is asked once the model was checked: a ``verb`` as it is typed, and its arguments; those in ``FILES`` name files of the folder.

    A tuple stands behind one option, a list repeats it. ``model`` names a file of the folder, or lists some, which are asked in place of
    what the file ``config`` says.

    >>> Question("explain", {"between": ("a", "b"), "rows": 3}).words(Path("here"))
    'explain here/assay.yaml --between a b --rows 3'
    """

    verb: str
    arguments: Mapping[str, Any]
    config: str = "assay.yaml"

    def placed(self, folder: Path) -> dict[str, Any]:
        """Return the arguments, with the files where they are."""
        return {name: each if name not in FILES else [str(folder / one) for one in each] if isinstance(each, list) else str(folder / each)
                for name, each in self.arguments.items()}

    @property
    def brief(self) -> str:
        """What is asked, without the file that it is asked of.

        >>> Question("explain", {"row": "loan-931"}).brief
        'explain --row loan-931'
        """
        return self.words(Path()).replace(" assay.yaml", "", 1)   # another file says what is asked

    def words(self, folder: Path) -> str:
        """Return what is typed to ask it."""
        words = [*self.verb.split(), *([str(folder / self.config)] if "model" not in self.arguments else [])]
        for name, each in self.placed(folder).items():
            for one in each if isinstance(each, list) else [each]:
                words += [f"--{name.replace('_', '-')}", *map(str, one if isinstance(one, tuple) else [one])]
        return shlex.join(words)
