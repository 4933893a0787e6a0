"""The study: sub-populations are searched on one half of the rows and tested on the other, and what stands is corrected for its number.

``study(table, pairs, ...)`` is the interface; ``Pair`` is a question, ``Association`` a finding. The verb and the benchmark import it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa

from assay.errors import ConfigError
from assay.probe.association.context import FEWEST, grown, searched
from assay.probe.association.measure import Effect, Measured, Metric, Variable, heterogeneity, measured, suited
from assay.segment.axis import Axis, Condition, axes
from assay.segment.confirm import Control, standing
from assay.segment.search import Box
from assay.summary.hashing import hashes, mixed

__all__ = ["EVERYONE", "OTHERS", "Association", "Pair", "Search", "Study", "against_others", "named", "study"]

Array = np.ndarray[Any, Any]
Search: TypeAlias = Literal["exact", "tree", "both"]

EVERYONE = "everyone"
OTHERS = "all others"
GROUPS = 6          # groups, and classes, that are each compared with the others below everyone
CANDIDATES = 10     # sub-populations of a pair that come to the second half
WORTH = 0.01        # largest p-value on the half that found it of "no stronger than elsewhere"
PROMISING = 0.05    # the same of "none inside"
OWN = 0.3           # of its rows that a candidate must not share with those before it
SMALLEST = 10       # rows of a group, in all rows, below which it is not compared


@dataclass(frozen=True, eq=False)
class Pair:
    """A question: does ``output`` go with ``attribute``, among rows alike in ``given``; ``rows`` marks those it is asked of (None: all)."""

    attribute: Variable
    output: Variable
    metric: Metric | None = None
    given: tuple[str, ...] = ()
    strata: Array | None = None
    rows: Array | None = None
    apart: frozenset[str] = frozenset()   # columns that describe no sub-population here

    @property
    def measure(self) -> Metric:
        """The metric, the one that suits where none was asked for."""
        return self.metric or suited(self.attribute, self.output)

    @property
    def key(self) -> tuple[str, str, tuple[str, ...]]:
        """What is asked, whichever group it is asked of."""
        return self.output.name, self.attribute.name, self.given

    @property
    def parts(self) -> list[Pair]:
        """The questions that sub-populations are searched for: of several groups or classes, each of the most frequent against the rest."""
        if self.attribute.size <= 2 and self.output.size <= 2:
            return [self]
        metric: Metric | None = None if self.metric in ("information", "ratio") else self.metric
        return [replace(self, attribute=one, output=other, metric=metric)
                for one in against_others(self.attribute) for other in against_others(self.output)]


@dataclass(frozen=True, eq=False)
class Association:
    """A tested association: of everyone, or of a sub-population.

    ``inside`` is measured on all rows for everyone, else on the rows of the second half that the conditions hold for; ``elsewhere`` on
    those outside every candidate so far. ``p`` is that of "none on rows of its own, or no stronger than elsewhere", ``adjusted`` that for
    all that was tested; the interval of ``inside`` holds for all findings together at ``level``.
    """

    id: str
    pair: Pair
    conditions: tuple[Condition, ...]
    inside: Measured
    elsewhere: Effect | None
    rows: int
    p: float
    adjusted: float
    level: float

    @property
    def words(self) -> str:
        """The sub-population for people."""
        return ", ".join(each.words for each in self.conditions) or EVERYONE

    @property
    def text(self) -> str | None:
        """The sub-population as a predicate, empty for everyone, None where a condition has none."""
        texts = [each.text for each in self.conditions]
        return None if None in texts else " and ".join(each for each in texts if each)

    @property
    def interval(self) -> tuple[float, float]:
        """The interval of its size, corrected."""
        return self.inside.effect.interval(self.level)

    @property
    def certain(self) -> bool:
        """Whether no association at all is outside that interval: rows that a stronger candidate holds may hide what the others show."""
        return self.inside.effect.weakest(self.level) > 0


@dataclass(frozen=True, eq=False)
class Study:
    """What came of it: the findings (the largest certain size first, by pair), everyone for each pair, and how many were tested."""

    findings: tuple[Association, ...]
    tested: tuple[Association, ...]
    looked: int
    rows: int
    notes: tuple[str, ...] = ()


def study(table: pa.Table, pairs: Sequence[Pair], *, columns: Iterable[str] | None = None, entity: Any = None, way: Search = "both",
          control: Control = "fwer", rate: float = 0.05, tolerance: float = 0.0, levels: int = 3, seed: int = 0,
          compiled: bool | None = None) -> Study:
    """Return the associations of ``pairs`` (values are of the rows of ``table``) that neither chance nor what is given explains.

    Everyone is tested on all rows. Sub-populations are conjunctions of up to ``levels`` conditions on ``columns`` (all), found on one half
    of the rows (of the entities) by exact search, by guided trees, or both; one is reported if on the other half, on rows that no
    stronger candidate holds, the association is there and stronger than elsewhere, or reversed. ``control``: ``"fwer"`` (Holm 1979; any
    false report has the probability ``rate``) or ``"fdr"`` (Benjamini and Hochberg 1995). Sizes up to ``tolerance`` are no findings.

    >>> rng = np.random.default_rng(0)
    >>> sex, town = rng.integers(0, 2, 8000), rng.choice(["north", "south"], 8000)
    >>> hired = (rng.random(8000) < 0.5 - 0.3 * ((sex == 0) & (town == "south"))).astype(int)
    >>> pair = Pair(Variable("sex", sex, ("f", "m")), Variable("hired", hired, ("no", "yes")))
    >>> [(each.words, round(each.inside.effect.estimate, 1)) for each in study(pa.table({"town": town}), [pair]).findings]
    [('town south', 0.3), ('everyone', 0.2)]
    """
    if way not in ("exact", "tree", "both"):
        raise ConfigError(f"there is no way to search called '{way}'", expected="exact, tree or both")
    if not 0 < rate < 1 or not 0 <= tolerance < math.inf or not 1 <= levels <= 3:
        raise ConfigError("an option of the study means nothing", expected="0 < rate < 1, tolerance >= 0, levels of 1, 2 or 3")
    cuts, left = axes(table, columns)
    codes = None if entity is None else np.unique(hashes(entity), return_inverse=True)[1].reshape(-1)
    first = _half(table.num_rows, codes, seed)
    tests: list[Association] = []
    notes: list[str] = [f"'{name}' describes no sub-population: {why}" for name, why in left.items() if why != "one value only"]
    looked = 0
    for pair in pairs:
        kept = [each for each in cuts if (each.of or each.name) not in pair.apart]
        whole = _Asked(pair, kept, codes, tolerance, seed).everyone()
        if whole is None:
            notes.append(f"of '{pair.output.name}' by '{pair.attribute.name}' there is nothing to compare: one answer, or one group")
            continue
        tests.append(whole)
        for each in pair.parts:
            made, seen = _Asked(each, kept, codes, tolerance, seed).below(first, way, levels, compiled)
            looked += seen
            tests += made
    adjusted = standing([each.p for each in tests], control) if tests else []
    stand = sum(each <= rate for each in adjusted)
    many = len(tests) if control == "fwer" else max(len(tests) / max(stand, 1), 1.0)   # Benjamini and Yekutieli 2005
    tests = [replace(each, adjusted=p, level=1 - rate / max(many, 1)) for each, p in zip(tests, adjusted, strict=True)]
    found = sorted((each for each in tests if each.adjusted <= rate and (not each.conditions or each.certain)),
                   key=lambda each: -each.inside.effect.weakest(each.level))
    order = {key: min(each.p for each in found if each.pair.key == key) for key in {each.pair.key for each in found}}
    found.sort(key=lambda each: order[each.pair.key])
    return Study(tuple(found), tuple(tests), looked, table.num_rows, tuple(dict.fromkeys(notes)))


def against_others(variable: Variable) -> list[Variable]:
    """Return a variable of several groups as one of two for each of the most frequent, itself where it is of two, or of numbers."""
    if variable.size <= 2:
        return [variable]
    counts = np.bincount(variable.values[variable.known].astype(np.int64), minlength=variable.size)
    order = [int(each) for each in np.argsort(-counts, kind="stable")[:GROUPS] if counts[each] >= SMALLEST]
    return [Variable(variable.name, np.where(variable.known, variable.values == each, -1), (OTHERS, (variable.names or ())[each]))
            for each in order]


def named(parts: Iterable[str]) -> str:
    """Return the id of what some texts name, the same in every run.

    >>> named(["hired", "sex"])
    'b29d67ee'
    """
    return hashlib.sha256("\0".join(parts).encode("utf-8")).hexdigest()[:8]


def _half(rows: int, entity: Array | None, seed: int) -> Array:
    """Return which rows are searched: about half, rows of one entity together."""
    key = np.arange(rows) if entity is None else entity
    found: Array = mixed(key.astype(np.uint64), 2_003 + seed) >> np.uint64(63) == 0
    return found


@dataclass(eq=False)
class _Asked:
    """One pair at work."""

    pair: Pair
    axes: Sequence[Axis]
    entity: Array | None
    tolerance: float
    seed: int

    @cached_property
    def places(self) -> Array:
        """The rows that the question is asked of."""
        usable = self.pair.attribute.known & self.pair.output.known
        return np.flatnonzero(usable if self.pair.rows is None else usable & self.pair.rows)

    def everyone(self) -> Association | None:
        """Return the association in all rows, None where there is nothing to compare."""
        found = self._measured(self.places)
        return None if found is None else self._association((), found, None, found.p, len(self.places))

    def below(self, first: Array, way: Search, levels: int, compiled: bool | None) -> tuple[list[Association], int]:
        """Return the sub-populations that came to the second half, and how many were looked at."""
        train, test = self.places[first[self.places]], self.places[~first[self.places]]
        boxes = self._boxes(train, way, levels, compiled)
        return self._confirmed(boxes, train, test), len(boxes)

    def _boxes(self, train: Array, way: Search, levels: int, compiled: bool | None) -> list[Box]:
        pair = self.pair
        if len(train) < 2 * FEWEST or not self.axes:
            return []
        found: list[Box] = []
        if way != "tree":
            found += searched(self.axes, train, pair.attribute, pair.output, strata=pair.strata, levels=levels, compiled=compiled)
        if way != "exact":
            found += grown(self.axes, train, pair.attribute, pair.output, metric=pair.measure, strata=pair.strata, depth=levels, roots=3)
        return found

    def _confirmed(self, boxes: Sequence[Box], train: Array, test: Array) -> list[Association]:
        """Judge candidates on the second half, the one whose difference to the others is surest on the first half first."""
        marks = []
        for box in boxes:
            inside = box.mask(self.axes, train)
            told = self._against(train[inside], train[~inside])
            if told is not None and told[2] <= WORTH:
                marks.append((told[2], len(box.parts), box))
        marks.sort(key=lambda each: each[:2])
        made: list[Association] = []
        held = [np.zeros(len(train), bool), np.zeros(len(test), bool)]
        for _, _, box in marks:
            if len(made) == CANDIDATES:
                break
            masks = [box.mask(self.axes, some) for some in (train, test)]
            own = [mask & ~before for mask, before in zip(masks, held, strict=True)]
            others = [~mask & ~before for mask, before in zip(masks, held, strict=True)]
            if own[0].sum() < OWN * masks[0].sum():
                continue
            seen = self._against(train[own[0]], train[others[0]])
            if seen is None or seen[2] > WORTH:
                continue
            judged = self._against(test[own[1]], test[others[1]], seen[3])
            whole = self._measured(test[masks[1]])
            if judged is None or whole is None:
                continue
            conditions = tuple(self.axes[axis].condition(low, high) for axis, low, high in box.parts)
            made.append(self._association(conditions, whole, judged[1].effect, max(judged[0].p, judged[2]),
                                          int(box.mask(self.axes, self.places).sum())))
            held = [before | mask for before, mask in zip(held, masks, strict=True)]
        return made

    def _against(self, inside: Array, outside: Array, direction: int | None = None) -> tuple[Measured, Measured, float, int] | None:
        """Return what is inside and outside, the p-value of "no stronger inside, nor reversed", and the direction of the difference.

        None where there are too few, or (before the direction is known) where what is inside is weaker than outside, or nothing.
        """
        if not (self._enough(inside) and self._enough(outside)):
            return None
        here, there = self._measured(inside), self._measured(outside)
        if here is None or there is None:
            return None
        way = direction or (1 if here.effect.estimate >= there.effect.estimate else -1)
        weaker = here.effect.direction == there.effect.direction and here.effect.strength <= there.effect.strength
        if direction is None and (weaker or here.p > PROMISING):
            return None
        return here, there, heterogeneity(here.effect, there.effect, way), way

    def _enough(self, rows: Array) -> bool:
        if len(rows) < FEWEST:
            return False
        if self.pair.attribute.size != 2:
            return True
        counts = np.bincount(self.pair.attribute.values[rows].astype(np.int64), minlength=2)
        return bool(counts.min() >= SMALLEST)

    def _measured(self, rows: Array) -> Measured | None:
        pair = self.pair
        return measured(pair.attribute, pair.output, rows, metric=pair.measure, strata=pair.strata, entity=self.entity,
                        tolerance=self.tolerance, seed=self.seed)

    def _association(self, conditions: tuple[Condition, ...], inside: Measured, elsewhere: Effect | None, p: float,
                     rows: int) -> Association:
        who = [names[1] for names in (self.pair.attribute.names, self.pair.output.names) if names is not None and names[0] == OTHERS]
        key = (self.pair.output.name, self.pair.attribute.name, *who, "", *sorted(self.pair.given), "",
               *sorted(each.text or each.words for each in conditions))
        return Association(named(key), self.pair, conditions, inside, elsewhere, rows, p if math.isfinite(p) else 1.0, 1.0, 0.95)
