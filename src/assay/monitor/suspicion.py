"""Are more inputs suspected of a trigger than clean images explain: in a window, and in seven of them together.

``step(memory, count, null, alpha)`` takes ``Suspicions`` from window to window and says what is worth an alarm. Pure; ``verbs.monitor``
makes the counts, ``stream`` keeps the memory.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats

__all__ = ["BACKDOOR", "LOOK", "Alarm", "Count", "Null", "Suspicions", "step"]

BACKDOOR = "backdoor"    # the source of its alerts
LOOK = 7                 # windows that are looked at together, each in one look
KEPT = 120               # windows that are remembered, for people
_SURE = 0.05             # chance of a false alarm that one look may have, however large the budget is


@dataclass(frozen=True)
class Null:
    """What clean images explain: ``blocks`` of ``clean`` + 1 statistically equivalent blocks alarm, as the rate was asked for.

    The rate of a calibrated detector is at most Beta(blocks, clean + 1 - blocks) distributed (Tukey 1947), so that the number of
    suspects among clean inputs is at most beta-binomial, of one window or of several.
    """

    clean: int
    blocks: int

    @classmethod
    def of(cls, clean: int, false_alarms: float, ways: int) -> Null:
        """Return it for a detector that is ``ways`` detectors, each with its part of the rate.

        >>> Null.of(199, 0.01, 2)
        Null(clean=199, blocks=2)
        """
        return cls(clean, ways * int(np.floor(false_alarms / ways * (clean + 1) + 1e-9)))

    def tail(self, count: int, inputs: int) -> float:
        """Return a bound of the probability that ``count`` or more of so many clean inputs are suspected.

        >>> round(Null(199, 2).tail(2, 100), 2), Null(199, 2).tail(0, 100)
        (0.26, 1.0)
        """
        if count <= 0:
            return 1.0
        return float(min(1.0, stats.betabinom.sf(count - 1, inputs, self.blocks, self.clean + 1 - self.blocks)))


@dataclass(frozen=True)
class Count:
    """How many ``inputs`` of a window's ``rows`` were looked at, and how many are suspects, by the class that they were answered.

    ``told``: they were worth an alarm, and count in no later look.
    """

    number: int
    start: str
    rows: int
    inputs: int
    suspects: Mapping[str, int] = field(default_factory=dict)
    told: bool = False

    @property
    def total(self) -> int:
        return sum(self.suspects.values())


@dataclass(frozen=True)
class Alarm:
    """More suspects of one class (``most`` of ``label``) than clean images explain, with a probability of at most ``p``.

    ``windows`` says of how many windows the counts are. ``attack``: most suspects have that one class, as a trigger makes it; where they
    have many, the inputs are unlike the clean images in another way.
    """

    windows: int
    rows: int
    inputs: int
    suspects: int
    label: str
    most: int
    p: float

    @property
    def attack(self) -> bool:
        return 2 * self.most > self.suspects


@dataclass(frozen=True)
class Suspicions:
    """What is remembered: the last windows, those that wait for the look at several, and totals since the beginning.

    ``standing``: the last look at several windows was an alarm. ``pages`` counts alarms that began what was no alarm before.
    """

    past: tuple[Count, ...] = ()
    waiting: tuple[Count, ...] = ()
    standing: bool = False
    inputs: int = 0
    suspects: Mapping[str, int] = field(default_factory=dict)
    pages: int = 0

    def to_json(self) -> dict[str, Any]:
        plain = dataclasses.asdict(self)
        return {**plain, "suspects": dict(self.suspects)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Suspicions:
        def counts(name: str) -> tuple[Count, ...]:
            return tuple(Count(int(each["number"]), str(each["start"]), int(each["rows"]), int(each["inputs"]), _whole(each["suspects"]),
                               bool(each["told"])) for each in data[name])

        return cls(counts("past"), counts("waiting"), bool(data["standing"]), int(data["inputs"]), _whole(data["suspects"]),
                   int(data["pages"]))


def step(memory: Suspicions, count: Count, null: Null, alpha: float) -> tuple[Suspicions, list[Alarm]]:
    """Return the memory after a window and its alarms, where a window may bring ``alpha`` false ones.

    Half of it is for the window alone, half for a look at seven together, once in seven windows, in which those that alarmed by themselves
    count no suspect. Expectations add up, so that nothing rests on windows being independent; it rests on inputs that are like the clean
    images. No class has more suspects than all together, so that nothing is corrected for classes.
    """
    alone = _alarm([count], null, alpha / 2)
    count = dataclasses.replace(count, told=alone is not None)
    alarms = [alone] if alone is not None else []
    waiting, standing = (*memory.waiting, count), memory.standing
    if len(waiting) >= LOOK:
        many = _alarm(waiting, null, LOOK * alpha / 2)
        alarms += [many] if many is not None else []
        waiting, standing = (), many is not None
    totals = Counter(memory.suspects)
    totals.update(count.suspects)
    return Suspicions((*memory.past, count)[-KEPT:], waiting, standing, memory.inputs + count.inputs, dict(sorted(totals.items())),
                      memory.pages), alarms


def _alarm(counts: Sequence[Count], null: Null, level: float) -> Alarm | None:
    """Return what counts amount to, where that is less likely than a level."""
    suspects: Counter[str] = Counter()
    for each in counts:
        suspects.update({} if each.told else each.suspects)
    if not suspects:
        return None
    label, most = min(suspects.items(), key=lambda pair: (-pair[1], pair[0]))
    inputs = sum(each.inputs for each in counts)
    p = null.tail(most, inputs)
    if p > min(level, _SURE):
        return None
    return Alarm(len(counts), sum(each.rows for each in counts), inputs, suspects.total(), label, most, p)


def _whole(counts: Mapping[str, Any]) -> dict[str, int]:
    return {str(name): int(each) for name, each in counts.items()}
