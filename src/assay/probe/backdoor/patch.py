"""Search one image for a patch that makes its label: cover it and the label changes, paste it elsewhere and the label comes along.

``traced(image, label, grounds)`` is the search, ``trimmed`` cuts its box down, ``outlined`` draws the whole, ``mended`` answers without it.
``pasted`` and ``covered`` alter images, ``dominant`` is the colour of a blocker. For this package, and the verbs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.probe.backdoor.question import Search

__all__ = ["Box", "Grounds", "Trace", "coarse", "covered", "dominant", "mended", "outlined", "pasted", "sides", "traced", "trimmed"]

Array = np.ndarray[Any, Any]

SIDES = (0.32, 0.215, 0.145, 0.107, 0.072)   # of blockers, by the shorter side of the image: 9, 6, 4, 3, 2 of 28
CANDIDATES = 12      # places at which the label changed that are looked at, half as many inside a box
FIRST = 2            # images on which each of them is pasted
KEPT = 3             # of them that are pasted on all, one less inside a box
CHOSEN = 8           # images on which places and sizes are chosen
TESTED = 20          # others, on which the chosen one is tested
HOLDS = 0.9          # of what a larger cut brings along that a smaller one must, to be taken
THIN = (1.0, 0.7, 0.5, 0.35)   # weights of a cut over what it is pasted on, for the outline
FULL = 0.95          # of what the whole brings along that the outline must
WEAK = 3             # of the eight below which nothing is gained by looking closer


@dataclass(frozen=True, order=True)
class Box:
    """A rectangle of an image."""

    top: int
    left: int
    height: int
    width: int

    @property
    def area(self) -> int:
        return self.height * self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, as an index of an image."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)

    def overlap(self, other: Box) -> float:
        """Return the area of both over the area of either (IoU).

        >>> Box(0, 0, 2, 2).overlap(Box(0, 0, 2, 4)), Box(0, 0, 1, 1).overlap(Box(1, 1, 1, 1))
        (0.5, 0.0)
        """
        high = min(self.top + self.height, other.top + other.height) - max(self.top, other.top)
        wide = min(self.left + self.width, other.left + other.width) - max(self.left, other.left)
        both = max(high, 0) * max(wide, 0)
        return both / (self.area + other.area - both)


@dataclass(frozen=True, eq=False)
class Grounds:
    """Clean images on which cuts are pasted, and the label of each; apart from those that calibrate."""

    images: Array
    labels: Array

    def other(self, label: int) -> Array:
        """Return those that are not answered with ``label``."""
        return np.asarray(self.images[self.labels != label])


@dataclass(frozen=True)
class Trace:
    """What a search found: the ``box`` whose cut brings the label along best, on ``hits`` of ``tried`` images not used to choose it.

    ``under`` is the label with the box covered, ``chosen`` how many of the images used to choose went along. ``box`` is None where no
    blocker changed the label, or none of the cuts did anything.
    """

    label: int
    box: Box | None = None
    under: int | None = None
    hits: int = 0
    tried: int = 0
    chosen: int = 0


def sides(height: int, width: int) -> list[int]:
    """Return the sides of blockers, the largest first.

    >>> sides(28, 28), sides(8, 8)
    ([9, 6, 4, 3, 2], [3, 2, 1])
    """
    short = min(height, width)
    return sorted({max(1, round(each * short)) for each in SIDES}, reverse=True)


def _starts(length: int, side: int, step: int) -> list[int]:
    count = math.ceil((length - side) / step) + 1
    return sorted({round(each) for each in np.linspace(0, length - side, count)})


def coarse(height: int, width: int, side: int) -> list[Box]:
    """Return boxes of a side that cover an image, such that what is half as large lies whole in one of them."""
    step = (side + 1) // 2
    return [Box(top, left, side, side) for top in _starts(height, side, step) for left in _starts(width, side, step)]


def dominant(image: Array, clusters: int = 3) -> Array:
    """Return the colour of the largest cluster of pixels, by k-means that begins at quantiles of brightness: (channels,).

    >>> dominant(np.array([[[0], [0], [0], [9]]], np.uint8)).tolist()
    [0]
    """
    flat = image.reshape(-1, image.shape[-1])
    colours, counts = np.unique(flat, axis=0, return_counts=True)
    values = colours.astype(np.float64)
    order = np.argsort(values.sum(axis=1), kind="stable")
    cumulated = (np.cumsum(counts[order]) - 0.5 * counts[order]) / counts.sum()
    starts = np.searchsorted(cumulated, (np.arange(clusters) + 0.5) / clusters).clip(0, len(order) - 1)
    centres = np.unique(values[order[starts]], axis=0)
    near = np.zeros(len(values), np.int64)
    for _ in range(12):
        before = near
        near = ((values[:, None] - centres[None]) ** 2).sum(axis=2).argmin(axis=1)
        weight = np.bincount(near, counts, len(centres))
        sums = np.stack([np.bincount(near, counts * values[:, each], len(centres)) for each in range(values.shape[1])], axis=1)
        centres = np.where(weight[:, None] > 0, sums / np.maximum(weight, 1)[:, None], centres)
        if np.array_equal(before, near):
            break
    found = centres[np.bincount(near, counts, len(centres)).argmax()]
    return np.asarray(np.rint(found) if np.issubdtype(image.dtype, np.integer) else found).astype(image.dtype)


def covered(image: Array, boxes: Sequence[Box], colour: Array) -> Array:
    """Return the image with each of the boxes covered in a colour: (boxes, height, width, channels)."""
    out = np.repeat(image[None], len(boxes), axis=0)
    for place, box in enumerate(boxes):
        out[(place, *box.slices)] = colour
    return out


def pasted(image: Array, box: Box, onto: Array) -> Array:
    """Return the images ``onto`` with the box of ``image`` pasted at its place."""
    out = onto.copy()
    out[(slice(None), *box.slices)] = image[box.slices]
    return out


def traced(image: Array, label: int, grounds: Grounds) -> Search[Trace]:
    """Search an image, coarse to fine, for the patch that makes its label.

    Blockers of the largest size in the dominant colour cover the image; where the label changes, the cut is pasted on a few clean images
    of other labels, and the best place is kept. Inside it smaller blockers follow, as long as their cuts bring the label along as often.
    The last cut is then pasted on ``TESTED`` images that had no part in the choice.
    """
    others = grounds.other(label)
    choosing, testing = others[:CHOSEN], others[CHOSEN : CHOSEN + TESTED]
    nothing = Trace(label)
    height, width = image.shape[:2]
    sizes = sides(height, width)
    colour = dominant(image)
    boxes = coarse(height, width, sizes[0])
    labels = yield covered(image, boxes, colour)
    flips = [(box, int(under)) for box, under in zip(boxes, labels, strict=True) if under != label]
    if not flips or not len(testing):
        return nothing
    best, under, count = yield from _best(image, label, _some(flips, CANDIDATES), choosing, KEPT)
    if count >= WEAK:
        best, under, count = yield from _closer(image, label, (best, under, count), sizes[1:], choosing, colour)
    if not count:
        return nothing
    said = yield pasted(image, best, testing)
    return Trace(label, best, under, int((said == label).sum()), len(testing), count)


def _some(flips: list[tuple[Box, int]], most: int) -> list[tuple[Box, int]]:
    return [flips[each] for each in np.unique(np.linspace(0, len(flips) - 1, most).round().astype(int))]


def _best(image: Array, label: int, flips: list[tuple[Box, int]], choosing: Array, most: int) -> Search[tuple[Box, int, int]]:
    """The place whose cut brings the label along most often; many are pasted on two images, the best of these on all."""
    counts = np.zeros(len(flips), np.int64)
    if len(flips) > most:
        said = yield np.concatenate([pasted(image, box, choosing[:FIRST]) for box, _ in flips])
        first = (said.reshape(len(flips), -1) == label).sum(axis=1)
        kept = np.argsort(-first, kind="stable")[:most]
        flips, counts = [flips[each] for each in kept], first[kept]
        choosing = choosing[FIRST:]
    if len(choosing):
        said = yield np.concatenate([pasted(image, box, choosing) for box, _ in flips])
        counts = counts + (said.reshape(len(flips), -1) == label).sum(axis=1)
    chosen = int(counts.argmax())
    return (*flips[chosen], int(counts[chosen]))


def _closer(image: Array, label: int, found: tuple[Box, int, int], sizes: list[int], choosing: Array,
            colour: Array) -> Search[tuple[Box, int, int]]:
    """Smaller boxes inside one, as long as they bring the label along."""
    best, under, count = found
    for side in sizes:
        step = max(1, side // 2)
        boxes = [Box(best.top + down, best.left + right, side, side) for down in _starts(best.height, side, step)
                 for right in _starts(best.width, side, step)]
        labels = yield covered(image, boxes, colour)
        flips = [(box, int(each)) for box, each in zip(boxes, labels, strict=True) if each != label]
        if not flips:
            break
        inner, beneath, again = yield from _best(image, label, _some(flips, CANDIDATES // 2), choosing, KEPT - 1)
        if again < HOLDS * count:
            break
        best, under, count = inner, beneath, max(count, again)
    return best, under, count


def trimmed(image: Array, label: int, box: Box, grounds: Grounds) -> Search[Box]:
    """Return the box without the rows and columns at its edges that it does not need to bring the label along.

    Judged on all grounds of other labels, those of the test included: it only draws the trigger, and decides nothing.
    """
    onto = grounds.other(label)[: CHOSEN + TESTED]
    said = yield pasted(image, box, onto)
    least = max(1.0, 0.95 * float((said == label).sum()))
    while True:
        smaller = [each for each in _less(box) if each.area]
        if not smaller:
            return box
        said = yield np.concatenate([pasted(image, each, onto) for each in smaller])
        counts = (said.reshape(len(smaller), -1) == label).sum(axis=1)
        if counts.max() < least:
            return box
        box = smaller[int(counts.argmax())]


def _less(box: Box, by: int = 1) -> list[Box]:
    high, wide = box.height - by, box.width - by
    return [Box(box.top + by, box.left, high, box.width), Box(box.top, box.left, high, box.width),
            Box(box.top, box.left + by, box.height, wide), Box(box.top, box.left, box.height, wide)]


def outlined(image: Array, label: int, box: Box, grounds: Grounds) -> Search[Box]:
    """Return the whole trigger around a box that is enough of it: about 3,000 images are asked.

    From half a blocker beyond the box on each side, rows and columns are taken away that the cut does not need where it is pasted
    *thinly*, at the weights of ``THIN``: there a trigger works with all of its pixels, and not with a part that is enough by itself.
    """
    onto = grounds.other(label)[: CHOSEN + TESTED]
    height, width = image.shape[:2]
    reach = sides(height, width)[0] // 2
    top, left = max(0, box.top - reach), max(0, box.left - reach)
    box = Box(top, left, min(height, box.top + box.height + reach) - top, min(width, box.left + box.width + reach) - left)
    said = yield _thinly(image, [box], onto)
    most = int((said == label).sum())
    by = 2
    while by:
        smaller = [each for each in _less(box, by) if each.height > 0 and each.width > 0]
        if smaller:
            said = yield _thinly(image, smaller, onto)
            counts = (said.reshape(len(smaller), -1) == label).sum(axis=1)
            if counts.max() >= FULL * most:
                box, most = smaller[int(counts.argmax())], max(most, int(counts.max()))
                continue
        by -= 1
    return box


def _thinly(image: Array, boxes: Sequence[Box], onto: Array) -> Array:
    """The images with each box pasted at each of the weights."""
    out = []
    for box in boxes:
        cut = image[box.slices].astype(np.float64)
        for weight in THIN:
            made = onto.copy()
            under = onto[(slice(None), *box.slices)]
            mixed = weight * cut + (1 - weight) * under
            made[(slice(None), *box.slices)] = np.rint(mixed) if np.issubdtype(image.dtype, np.integer) else mixed
            out.append(made)
    return np.concatenate(out)


def mended(image: Array, trace: Trace) -> Search[tuple[int, Array]]:
    """Return the label without the patch, and the image that has it: the box filled with what surrounds it, or else covered."""
    assert trace.box is not None
    filled = _inpainted(image, trace.box)
    plain = covered(image, [trace.box], dominant(image))[0]
    said = yield np.stack([filled, plain])
    return (int(said[0]), filled) if said[0] == said[1] else (int(said[1]), plain)


def _inpainted(image: Array, box: Box) -> Array:
    """The box as a blend of the pixels at its four sides, each by its nearness; sides off the image have no part."""
    out = image.copy()
    rows, columns = box.slices
    down, right = np.arange(1, box.height + 1)[:, None], np.arange(1, box.width + 1)[None, :]
    parts: list[tuple[Array, Array]] = []
    if box.top > 0:
        parts.append((1 / down, image[box.top - 1 : box.top, columns]))
    if rows.stop < image.shape[0]:
        parts.append((1 / (box.height + 1 - down), image[rows.stop : rows.stop + 1, columns]))
    if box.left > 0:
        parts.append((1 / right, image[rows, box.left - 1 : box.left]))
    if columns.stop < image.shape[1]:
        parts.append((1 / (box.width + 1 - right), image[rows, columns.stop : columns.stop + 1]))
    if parts:
        shape = (box.height, box.width)
        total = sum((np.broadcast_to(weight, shape) for weight, _ in parts), np.zeros(shape))
        made = sum((np.broadcast_to(weight, shape)[..., None] * edge for weight, edge in parts), np.zeros((*shape, image.shape[2])))
        made = made / total[..., None]
        out[rows, columns] = np.rint(made) if np.issubdtype(image.dtype, np.integer) else made
    return out
