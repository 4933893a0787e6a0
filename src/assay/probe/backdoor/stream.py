"""Is a model poisoned, told from inputs: how many are suspected, of which class, and can false alarms alone explain that?

``counted(found, detector)`` answers. For the verbs and the benchmark.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Stream", "counted"]


class _Judged(Protocol):
    @property
    def label(self) -> int: ...
    @property
    def suspect(self) -> bool: ...


class _Judge(Protocol):
    def tail(self, count: int, inputs: int) -> float: ...


@dataclass(frozen=True)
class Stream:
    """How many of so many ``inputs`` are ``suspects``, most of them (``most``) answered with the class ``label``.

    ``p`` bounds the probability that as many of one class are suspected where no input is poisoned; it needs no correction for classes, as
    no class has more than all together. Inputs that are unlike the clean images in another way may be suspected more often.
    """

    inputs: int
    suspects: int
    label: int | None
    most: int
    p: float


def counted(found: Sequence[_Judged], detector: _Judge) -> Stream:
    """Return how many of the inspected inputs are suspected, by the label most of them have; of images or of rows."""
    labels = Counter(each.label for each in found if each.suspect)
    if not labels:
        return Stream(len(found), 0, None, 0, 1.0)
    label, most = min(labels.items(), key=lambda pair: (-pair[1], pair[0]))
    return Stream(len(found), labels.total(), label, most, detector.tail(most, len(found)))
