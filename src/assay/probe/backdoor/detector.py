"""Is an input poisoned: searches of one image, calibrated by clean images so that false alarms are as rare as was asked for.

``Detector.of(ask, clean)`` calibrates, ``inspect(images)`` answers for each. ``needed`` says how many clean images that takes. The probe's
verbs, and the remedy that guards a model, import it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np
from scipy import stats

from assay.errors import DataError
from assay.probe.backdoor.overlay import kept
from assay.probe.backdoor.patch import CHOSEN, TESTED, Box, Grounds, Trace, mended, pasted, traced, trimmed
from assay.probe.backdoor.question import Ask, Oracle, Search, together

__all__ = ["DETECTORS", "Detector", "Inspection", "Way", "needed", "predictive", "ranked"]

Array = np.ndarray[Any, Any]
Way = Literal["patch", "overlay"]

DETECTORS: tuple[Way, ...] = ("patch", "overlay")
GROUNDS = 60     # clean images that others are pasted on and laid over
DONORS = 40      # clean images whose cuts show how often a harmless one brings its label along
CUTS = 6         # of them for each class and place
ONTO = 10        # images on which each of these is pasted
LEAST = 4        # other labels' images below which nothing can be pasted


def needed(false_alarms: float) -> int:
    """Return how many clean images a rate of false alarms needs: a rank among n is at least 1 / (n + 1), for each of the detectors.

    >>> needed(0.01), needed(0.05)
    (299, 139)
    """
    return int(np.ceil(len(DETECTORS) / false_alarms - 1e-9)) - 1 + GROUNDS + DONORS


def predictive(hits: int, tried: int, null_hits: int, null_tried: int) -> float:
    """Return the probability of ``hits`` or more of ``tried`` where harmless cuts had ``null_hits`` of ``null_tried``.

    The rate of harmless cuts is not known, only counted: the tail is that of the beta-binomial, Beta(h + 1, n - h + 1) for the rate. It
    tends to the exact binomial tail as the count grows.

    >>> round(predictive(20, 20, 3, 60), 12) < 1e-12, predictive(0, 20, 3, 60)
    (True, 1.0)
    """
    if hits <= 0:
        return 1.0
    return float(min(1.0, stats.betabinom.sf(hits - 1, tried, null_hits + 1, null_tried - null_hits + 1)))


def ranked(scores: Array, clean: Array) -> Array:
    """Return for each score the p-value of its rank among those of clean images: (1 + how many are as large) / (n + 1).

    A clean image's is at most u with probability at most u, whatever the scores are (Vovk, Gammerman and Shafer 2005).

    >>> ranked(np.array([5.0, 0.0]), np.array([1.0, 2.0, 3.0])).tolist()
    [0.25, 1.0]
    """
    order = np.sort(clean)
    return np.asarray((1 + len(order) - np.searchsorted(order, scores, side="left")) / (len(order) + 1))


@dataclass(frozen=True, eq=False)
class Inspection:
    """What was found of one image.

    ``p`` is its combined p-value, the smallest of the detectors' times their number, so that clean images fall below u with probability u
    at most; ``ranks`` are those of the detectors, ``chance`` the probability that a harmless cut brings its label along as often. ``box``
    is where the patch is, ``mended`` the label without it (None where nothing can be covered), ``healed`` the image that has it.
    """

    label: int
    suspect: bool
    p: float
    way: Way
    ranks: dict[Way, float]
    scores: dict[Way, float]
    trace: Trace
    chance: float
    queries: int
    box: Box | None = None
    mended: int | None = None
    healed: Array | None = None


@dataclass(frozen=True, eq=False)
class Scored:
    """The scores of images by detector, and what lies behind them."""

    labels: Array
    patch: Array
    overlay: Array
    chances: Array
    traces: tuple[Trace, ...]
    queries: Array

    def of(self, way: Way) -> Array:
        return self.patch if way == "patch" else self.overlay


@dataclass(eq=False)
class Detector:
    """Tells poisoned inputs from clean ones, with a stated rate of false alarms.

    ``false_alarms`` of clean inputs are suspected at most, on average over sets of clean images; ``rate`` estimates it of this one. Labels
    are all that the model is asked for.
    """

    oracle: Oracle
    grounds: Grounds
    donors: Grounds
    false_alarms: float
    clean: Scored | None = None
    calibrating: Array = field(default_factory=lambda: np.empty(0), repr=False)
    _null: dict[tuple[int, Box], tuple[int, int]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, ask: Ask, clean: Array, *, false_alarms: float = 0.01, seed: int = 0) -> Self:
        """Return a detector for a model, calibrated by clean images (n, height, width, channels).

        Images that are pasted on, those that show what harmless cuts do, and those that calibrate are drawn apart: the same image in two
        of these parts would make false alarms several times as frequent as asked. Raises ``DataError`` where there are fewer than
        ``needed``, or the model answers all of them with one label.
        """
        if not 0 < false_alarms < 1:
            raise DataError(f"{false_alarms:g} is no rate of false alarms", expected="a share between 0 and 1, such as 0.01")
        least = needed(false_alarms)
        if len(clean) < least:
            raise DataError(f"{len(clean):,} clean images cannot show a rate of false alarms of {100 * false_alarms:g} %",
                            expected=f"at least {least:,} images",
                            hint=f"with these the smallest rate is {100 * _smallest(len(clean)):.2g} %" if len(clean) > GROUNDS + DONORS + 8
                            else None)
        oracle = Oracle(ask)
        order = np.random.default_rng([seed, 1]).permutation(len(clean))
        first, second, rest = order[:GROUNDS], order[GROUNDS : GROUNDS + DONORS], order[GROUNDS + DONORS :]
        made = cls(oracle, Grounds(clean[first], oracle(clean[first])), Grounds(clean[second], oracle(clean[second])), false_alarms)
        most = Counter(made.grounds.labels.tolist()).most_common(1)[0]
        if len(first) - most[1] < LEAST:
            raise DataError(f"the model answers {most[1]} of {len(first)} clean images with one and the same class",
                            expected="a model of which clean images of two classes can be told apart",
                            hint="a trigger is what moves images of other classes to its own: there are none here")
        made.calibrating = clean[rest]
        made.clean = made.scores(made.calibrating)
        return made

    def inspect(self, images: Array) -> list[Inspection]:
        """Return what is found of each image (n, height, width, channels)."""
        found = self.scores(images)
        assert self.clean is not None
        ranks = {way: ranked(found.of(way), self.clean.of(way)) for way in DETECTORS}
        ranks["patch"] = np.maximum(ranks["patch"], np.minimum(found.chances, 1.0))   # suspected only where both tests say so
        together_p = np.minimum(1.0, len(DETECTORS) * np.minimum(ranks["patch"], ranks["overlay"]))
        out = []
        for place in range(len(images)):
            each: dict[Way, float] = {way: float(ranks[way][place]) for way in DETECTORS}
            # a patch that is suspect by itself comes first, whatever the other says: it can be mended
            alone = each["patch"] <= self.false_alarms / len(DETECTORS) + 1e-12
            way: Way = "patch" if alone or each["patch"] <= each["overlay"] else "overlay"
            p = float(together_p[place])
            out.append(Inspection(int(found.labels[place]), p <= self.false_alarms + 1e-12, p, way, each,
                                  {name: float(found.of(name)[place]) for name in DETECTORS}, found.traces[place],
                                  float(found.chances[place]), int(found.queries[place])))
        return self._located(images, out)

    def tests(self, label: int) -> int:
        """Return on how many images of other labels the cut of an image of ``label`` is tested."""
        return len(self.grounds.other(label)[CHOSEN : CHOSEN + TESTED])

    def scores(self, images: Array) -> Scored:
        """Return the scores of images: larger is more suspect."""
        labels = self.oracle(images)
        traces = together([self._counted(image, int(label)) for image, label in zip(images, labels, strict=True)], self.oracle)
        found = [each for each, _, _ in traces]
        self._compare(found)
        chances = np.array([self._chance(each) for each in found])
        with np.errstate(divide="ignore"):
            patch = np.maximum(0.0, -np.log10(np.maximum(chances, 1e-300)))
        overlay = np.array([float(over) for _, over, _ in traces])
        queries = np.array([1 + asked for _, _, asked in traces], np.int64)
        return Scored(labels, patch, overlay, chances, tuple(found), queries)

    def _counted(self, image: Array, label: int) -> Search[tuple[Trace, int, int]]:
        trace, one = yield from _counting(traced(image, label, self.grounds))
        over, two = yield from _counting(kept(image, label, self.grounds))
        return trace, over, one + two

    def _compare(self, traces: list[Trace]) -> None:
        """Ask what harmless cuts of the same class do at the places of traces; each place once."""
        places = dict.fromkeys((each.label, each.box) for each in traces if each.box is not None and each.hits > 0)
        fresh = [(label, box) for label, box in places if (label, box) not in self._null]
        found = together([self._harmless(label, box) for label, box in fresh], self.oracle)
        self._null.update(zip(fresh, found, strict=True))

    def _harmless(self, label: int, box: Box) -> Search[tuple[int, int]]:
        same = self.donors.images[self.donors.labels == label]
        if len(same) < 2:   # a class that clean images hardly have: cuts of any
            same = self.donors.images
        onto = self.grounds.other(label)[-ONTO:]
        if not len(onto):
            return 0, 0
        said = yield np.concatenate([pasted(each, box, onto) for each in same[:CUTS]])
        return int((said == label).sum()), len(said)

    def _chance(self, trace: Trace) -> float:
        if trace.box is None or not trace.hits:
            return 1.0
        return predictive(trace.hits, trace.tried, *self._null[trace.label, trace.box])

    def _located(self, images: Array, found: list[Inspection]) -> list[Inspection]:
        """Draw the triggers of suspects, and answer without them."""
        places = [place for place, each in enumerate(found) if each.suspect and each.way == "patch" and each.trace.box is not None]
        drawn = together([self._closely(images[place], found[place]) for place in places], self.oracle)
        for place, each in zip(places, drawn, strict=True):
            found[place] = each
        return found

    def _closely(self, image: Array, found: Inspection) -> Search[Inspection]:
        assert found.trace.box is not None
        (without, healed), one = yield from _counting(mended(image, found.trace))
        box, two = yield from _counting(trimmed(image, found.label, found.trace.box, self.grounds))
        return Inspection(found.label, found.suspect, found.p, found.way, found.ranks, found.scores, found.trace, found.chance,
                          found.queries + one + two, box, without, healed)

    @property
    def digest(self) -> str:
        """What tells two calibrations apart: the SHA-256 of the images pasted on, and of the scores of the others."""
        assert self.clean is not None
        parts = (self.grounds.images, self.donors.images, self.clean.patch, self.clean.overlay)
        return hashlib.sha256(b"".join(np.ascontiguousarray(each).tobytes() for each in parts)).hexdigest()

    @property
    def rate(self) -> tuple[int, int]:
        """How many of the calibrating images would be suspected, each judged by the others, and of how many."""
        assert self.clean is not None
        n = len(self.clean.labels)
        hit = np.zeros(n, np.bool_)
        for way in DETECTORS:
            scores = self.clean.of(way)
            order = np.sort(scores)
            p = (n - np.searchsorted(order, scores, side="left")) / n   # itself is among those as large
            one = p <= self.false_alarms / len(DETECTORS) + 1e-12
            hit |= one & (self.clean.chances <= self.false_alarms / len(DETECTORS)) if way == "patch" else one
        return int(hit.sum()), n

    def tail(self, count: int, inputs: int) -> float:
        """Return a bound of the probability that ``count`` or more of so many clean inputs are suspected.

        With n calibrating images and r = floor(n + 1 times the share of a detector), k detectors together leave out at most k r of n + 1
        statistically equivalent blocks (Tukey 1947), so that their rate of false alarms is at most Beta(k r, n + 1 - k r) distributed,
        whatever the scores, and the number of alarms beta-binomial.
        """
        assert self.clean is not None
        n = len(self.clean.labels)
        blocks = len(DETECTORS) * int(np.floor(self.false_alarms / len(DETECTORS) * (n + 1) + 1e-9))
        if count <= 0 or not 0 < blocks <= n:
            return 1.0 if count <= 0 or blocks else 0.0
        return float(min(1.0, stats.betabinom.sf(count - 1, inputs, blocks, n + 1 - blocks)))


def _smallest(count: int) -> float:
    return len(DETECTORS) / (count - GROUNDS - DONORS + 1)


def _counting(search: Search[Any]) -> Search[tuple[Any, int]]:
    """The same search, and how many images it asked for."""
    count = 0
    try:
        images = next(search)
        while True:
            count += len(images)
            images = search.send((yield images))
    except StopIteration as end:
        return end.value, count
