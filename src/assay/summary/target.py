"""How labels and answers are read: the task, its explicit classes, the positive one, and the threshold on its score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from assay.errors import ConfigError, listed, nearest

__all__ = ["Target"]


@dataclass(frozen=True)
class Target:
    """What a model answers, so that summaries can be set up before the first row is read.

    ``classes`` are the model's, in the order of its scores; ``positive`` is an index into them, None for more than two;
    ``labels`` counts the labels of a multilabel task; ``grouped`` asks for counts per resampling group, because rows of an
    entity are not independent or rows have weights; ``probabilities`` says whether scores are probabilities or mere margins.

    >>> Target("binary", ("no", "yes"), positive=1).place("no")
    0
    """

    task: str
    classes: tuple[Any, ...] = ()
    positive: int | None = None
    threshold: float | None = None
    labels: int = 0
    grouped: bool = False
    probabilities: bool = True

    def place(self, name: Any) -> int:
        """Return the index of a class (or label) by its name, as itself or as text; raises ``ConfigError``."""
        for place, each in enumerate(self.classes):
            if each == name and isinstance(each, bool) == isinstance(name, bool):
                return place
        texts = [str(each) for each in self.classes]
        if texts.count(str(name)) == 1:
            return texts.index(str(name))
        guess = nearest(str(name), texts)
        raise ConfigError(f"the model knows no class '{name}'", expected=f"one of {listed(texts)}",
                          hint=f"did you mean '{guess}'?" if guess else None)
