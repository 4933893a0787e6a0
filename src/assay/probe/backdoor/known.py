"""A trigger that has been located: is it in this input too? It takes at most 27 images an input, and one for most.

``outline(images, found, label, detector)`` draws the trigger of suspects; ``Known.of(detector, image, box, label)`` then looks for it in
others, as a ``Detector`` does; ``surest`` orders suspects, ``moves`` tells whether their patches move. The verbs, and the remedy that
guards a model, import it.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from assay.probe.backdoor.detector import DONORS, Detector, Inspection, predictive, ranked
from assay.probe.backdoor.patch import CHOSEN, TESTED, Box, Trace, mended, outlined, pasted
from assay.probe.backdoor.question import Search, together

__all__ = ["Known", "moves", "outline", "surest"]

Array = np.ndarray[Any, Any]
OUTLINED = 5     # suspects whose trigger is outlined
MARGINS = (0, 1, 3)   # pixels around the outline that are covered as well, where the label stays
APART = 0.6      # share of suspects with the patch at the same place, below which it moves


def surest(found: Sequence[Inspection], label: int | None) -> list[int]:
    """Return the places of the suspects, those of a label first, the surest first."""
    places = [place for place, each in enumerate(found) if each.suspect]
    return sorted(places, key=lambda place: (found[place].label != label, found[place].box is None, found[place].chance,
                                             found[place].p, place))


def outline(images: Array, found: Sequence[Inspection], label: int | None, detector: Detector) -> tuple[int, Box] | None:
    """Return the place of a suspect, and the box of the whole trigger in it: of the outlines of the surest the smallest.

    Others hold something of their image as well. None where no suspect of the label has a patch. About 3,500 images are asked for each.
    """
    some = [place for place in surest(found, label) if found[place].box is not None and found[place].label == label][:OUTLINED]
    boxes = together([outlined(images[place], found[place].label, box, detector.grounds)
                      for place in some if (box := found[place].box) is not None], detector.oracle)
    best = min(zip(boxes, some, strict=True), key=lambda pair: pair[0].area, default=None)
    return None if best is None else (best[1], best[0])


def moves(found: Sequence[Inspection], label: int) -> bool:
    """Return whether the patches of suspects of a label lie at changing places."""
    boxes = [found[place].box for place in surest(found, label) if found[place].label == label]
    held = [each for each in boxes if each is not None]
    return len(held) > 2 and float(np.mean([each.overlap(held[0]) > 0 for each in held])) < APART


@dataclass(frozen=True, eq=False)
class Known:
    """Tells inputs that carry one located trigger from others, with the rate of false alarms of the detector that located it.

    An input with another label than the trigger's is not suspected: one image is asked. Of the others, what stands in the trigger's place
    is cut out and pasted on clean images; ``moving`` looks for the place at which the input is most like the trigger. The count ranks
    among those of clean images, and is compared with them as in ``Detector``: harmless cuts are those of clean images *of the label*.
    """

    detector: Detector
    pixels: Array
    box: Box
    label: int
    moving: bool
    clean: Array
    null: tuple[int, int]

    @classmethod
    def of(cls, detector: Detector, image: Array, box: Box, label: int, *, moving: bool = False) -> Self:
        """Return what looks for the trigger that stands in a ``box`` of an ``image`` and makes a model answer ``label``."""
        made = cls(detector, image[box.slices].copy(), box, label, moving, np.empty(0), (0, 0))
        images = detector.calibrating
        labels = detector.oracle(images)
        hits, places = made._hits(images, labels)
        harmless = hits[list(places)]
        if len(places) < 2:   # a class that clean images hardly have: cuts of any
            harmless, some = made._hits(images[:DONORS], np.full(len(images[:DONORS]), label))
            places = some
        return cls(detector, made.pixels, box, label, moving, hits, (int(harmless.sum()), made._tried * len(places)))

    @property
    def false_alarms(self) -> float:
        return self.detector.false_alarms

    @property
    def digest(self) -> str:
        """What tells two triggers and calibrations apart: a SHA-256."""
        told = f"{self.label} {self.box} {self.moving} {self.detector.digest}".encode() + np.ascontiguousarray(self.pixels).tobytes()
        return hashlib.sha256(told).hexdigest()

    def inspect(self, images: Array) -> list[Inspection]:
        """Return what is found of each image (n, height, width, channels); those without the label are no suspects."""
        oracle = self.detector.oracle
        labels = oracle(images)
        hits, places = self._hits(images, labels)
        ranks = ranked(hits, self.clean)
        tried = self._tried
        out = []
        for place, label in enumerate(labels.tolist()):
            there = place in places
            chance = predictive(int(hits[place]), tried, *self.null) if there else 1.0
            p = max(float(ranks[place]), min(chance, 1.0)) if there else 1.0
            trace = Trace(label, places.get(place), None, int(max(hits[place], 0)), tried if there else 0)
            out.append(Inspection(label, p <= self.false_alarms + 1e-12, p, "patch", {"patch": p, "overlay": 1.0},
                                  {"patch": float(max(hits[place], 0)), "overlay": 0.0}, trace, chance, 1 + tried * there))
        suspects = [place for place, each in enumerate(out) if each.suspect]
        for place, each in zip(suspects, together([self._healed(images[place], out[place]) for place in suspects], oracle), strict=True):
            out[place] = each
        return out

    @property
    def _tried(self) -> int:
        return len(self.detector.grounds.other(self.label)[CHOSEN : CHOSEN + TESTED])

    def _hits(self, images: Array, labels: Array) -> tuple[Array, dict[int, Box]]:
        """How many clean images the cut of each image takes to the label, -1 for images of other labels, and where the others were cut."""
        onto = self.detector.grounds.other(self.label)[CHOSEN : CHOSEN + TESTED]
        places = {int(place): self._placed(images[place]) for place in np.flatnonzero(labels == self.label)}
        hits = np.full(len(images), -1.0)
        if places and len(onto):
            said = together([_asked(pasted(images[place], box, onto)) for place, box in places.items()], self.detector.oracle)
            hits[list(places)] = [(each == self.label).sum() for each in said]
        return hits, places

    def _placed(self, image: Array) -> Box:
        """Where the trigger would stand: at its place, or where the image is most like it (the least mean absolute difference)."""
        if not self.moving:
            return self.box
        height, width = self.box.height, self.box.width
        windows = sliding_window_view(image.astype(np.float64), (height, width), axis=(0, 1))   # (rows, columns, channels, height, width)
        away = np.abs(windows - np.moveaxis(self.pixels.astype(np.float64), 2, 0)).mean(axis=(2, 3, 4))
        top, left = np.unravel_index(int(away.argmin()), away.shape)
        return Box(int(top), int(left), height, width)

    def _healed(self, image: Array, found: Inspection) -> Search[Inspection]:
        """The answer without the trigger: the outline may leave a part of it, so that what is covered grows until the label changes."""
        box = found.trace.box
        assert box is not None
        queries = found.queries
        label, healed = found.label, image
        for margin in MARGINS:
            label, healed = yield from mended(image, dataclasses.replace(found.trace, box=_grown(box, margin, image.shape)))
            queries += 2
            if label != found.label:
                break
        return dataclasses.replace(found, queries=queries, box=box, mended=label, healed=healed)


def _grown(box: Box, by: int, shape: tuple[int, ...]) -> Box:
    top, left = max(0, box.top - by), max(0, box.left - by)
    return Box(top, left, min(shape[0], box.top + box.height + by) - top, min(shape[1], box.left + box.width + by) - left)


def _asked(images: Array) -> Search[Array]:
    said = yield images
    return said
