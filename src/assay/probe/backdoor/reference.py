"""Neo as published (Udeshi and others, arXiv 1908.02203, IEEE Transactions on Reliability 2022), to compare with; not what the probe does.

``neo(ask, images, clean)`` follows the algorithm of the paper. Only tests and the benchmark import it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.probe.backdoor.patch import Box, covered, dominant, pasted
from assay.probe.backdoor.question import Ask, Oracle

__all__ = ["Neo", "neo"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Neo:
    """What Neo says of inputs: the place of the trigger once it is located, which are ``poisoned``, and the labels with it covered."""

    box: Box | None
    poisoned: tuple[bool, ...]
    labels: tuple[int, ...]
    asked: int


def neo(ask: Ask, images: Array, clean: Array, *, side: int | None = None, places: int = 400, share: float = 0.8, seed: int = 0) -> Neo:
    """Return what the published algorithm finds of images (n, height, width, channels), in order; a few ``clean`` ones confirm.

    Until a trigger is located: ``places`` random blockers of one ``side`` in the dominant colour; the trigger is taken to lie at the mean
    of those places where the label changes, and is confirmed where its cut changes the label of at least ``share`` of the clean images.
    From then on only that place is covered, and an image is poisoned where that changes its label and its own cut is confirmed.

    Faults of what was published, and what is done here:

    - the dominant colour is that of the cluster with the number 0, whichever it is; here that of the largest;
    - the blocker must be about as large as the trigger, which nobody knows; ``side`` is a ninth of the image, as for MNIST;
    - a mean of places lies between two triggers, or between a trigger and a fragile spot, where neither is; kept;
    - what confirms is any change of label, not a change to the label of the input, and no test says how often a harmless cut makes one, so
      that no rate of false alarms is stated; kept;
    - the script for MNIST always covers the same nine pixels and compares with the true label; not kept, as nothing would be searched;
    - 400 images are asked for each input until the first trigger; triggers that move, are blended or warped are out of its reach; kept.
    """
    oracle = Oracle(ask)
    rng = np.random.default_rng([seed, 3])
    height, width = images.shape[1:3]
    side = max(1, round(min(height, width) / 9)) if side is None else side
    own, before = oracle(images), oracle(clean)
    box: Box | None = None
    poisoned, labels = [], []
    for image, label in zip(images, own, strict=True):
        colour = dominant(image)
        place = box if box is not None else _located(oracle, image, int(label), colour, side, places, rng)
        under = int(oracle(covered(image, [place], colour))[0]) if place is not None else int(label)
        confirmed = place is not None and under != label and float((oracle(pasted(image, place, clean)) != before).mean()) >= share
        if confirmed:
            box = place
        poisoned.append(confirmed)
        labels.append(under if confirmed else int(label))
    return Neo(box, tuple(poisoned), tuple(labels), oracle.asked)


def _located(oracle: Oracle, image: Array, label: int, colour: Array, side: int, places: int, rng: np.random.Generator) -> Box | None:
    tops, lefts = (rng.integers(0, length - side + 1, places) for length in image.shape[:2])
    boxes = [Box(int(top), int(left), side, side) for top, left in zip(tops, lefts, strict=True)]
    changed = oracle(covered(image, boxes, colour)) != label
    if not changed.any():
        return None
    return Box(round(float(tops[changed].mean())), round(float(lefts[changed].mean())), side, side)
