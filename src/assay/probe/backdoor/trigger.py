"""Is a model poisoned, told from clean images alone: is there a small patch that moves most of them to one class?

``sought(ask, clean)`` tries plain squares at every place, random patches, and mutations of the best. For the verbs and the benchmark.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.errors import DataError
from assay.probe.backdoor.patch import Box
from assay.probe.backdoor.question import Ask, Oracle
from assay.probe.backdoor.share import Counted

__all__ = ["Sought", "sought"]

Array = np.ndarray[Any, Any]

BUDGET = 60_000      # images that the model is asked
QUICK = 4            # images on which every patch is tried
CLOSER = 20          # more, for the best of them
SEARCH = 60          # images that the search sees
HELD = 200           # others at most, on which the best patch is judged
LARGEST = 0.215      # of the shorter side: larger patches move many images of a clean model as well
SHARES = (0.45, 0.3, 0.25)   # of the budget: plain squares, random patches, mutations
PATTERNS = ("plain", "checker", "random")


@dataclass(frozen=True, eq=False)
class Sought(Counted):
    """The patch that moves most images to one class: to ``label``, ``hits`` of ``tried`` images that the search had not seen.

    ``low`` and ``high`` are an exact 95 % interval of that share (Clopper and Pearson). ``patch`` holds the pixels of ``box``; ``patches``
    counts those tried, ``asked`` the images put to the model.
    """

    label: int
    box: Box
    patch: Array
    hits: int
    tried: int
    patches: int
    asked: int


@dataclass(frozen=True, eq=False)
class _Patch:
    box: Box
    pixels: Array

    def onto(self, images: Array) -> Array:
        out = images.copy()
        out[(slice(None), *self.box.slices)] = self.pixels
        return out


def sought(ask: Ask, clean: Array, *, budget: int = BUDGET, seed: int = 0) -> Sought:
    """Return the small patch that moves most clean images (n, height, width, channels) to one class.

    Three stages share the budget: plain squares of two and three pixels (by 28) in the darkest and the brightest colour at every place;
    random patches of two to six pixels, plain, checkered or random; and for each class mutations of its best patch (moved by up to two
    pixels, a seventh of its pixels flipped). What counts is the share of images of *other* classes that get the label. The winner is
    judged on images that the search has not seen. Raises ``DataError`` for fewer than 40 images.
    """
    if len(clean) < 40:
        raise DataError(f"{len(clean)} clean images are too few to search for a trigger", expected="at least 40")
    rng = np.random.default_rng([seed, 2])
    order = rng.permutation(len(clean))
    half = min(SEARCH, len(clean) // 2)
    seen, held = clean[order[:half]], clean[order[half : half + HELD]]
    oracle = Oracle(ask)
    hunt = _Hunt(oracle, seen, oracle(seen))
    low, high = clean.min(axis=(0, 1, 2)), clean.max(axis=(0, 1, 2))
    limits = [int(budget * each) for each in SHARES]
    hunt.tried(_sampled(list(_plain(clean.shape[1:], low, high)), limits[0] // QUICK, rng), limits[0])
    hunt.tried((_drawn(clean.shape[1:], low, high, rng) for _ in range(max(1, limits[1] // (QUICK + 6)))), limits[0] + limits[1])
    hunt.mutated(low, high, budget, rng)
    label, best = hunt.winner()
    before = oracle(held)
    others = held[before != label]
    said = oracle(best.onto(others))
    return Sought(label, best.box, best.pixels, int((said == label).sum()), len(others), hunt.patches, oracle.asked)


@dataclass(eq=False)
class _Hunt:
    """The best patch of each class so far, by the share of the images of other classes that it moves there."""

    oracle: Oracle
    images: Array
    labels: Array
    patches: int = 0

    def __post_init__(self) -> None:
        self.best: dict[int, tuple[float, _Patch]] = {}
        # the first few images are of as many classes as there are
        ranks = np.array([int((self.labels[:place] == self.labels[place]).sum()) for place in range(len(self.labels))])
        order = np.argsort(ranks, kind="stable")
        self.images, self.labels = self.images[order], self.labels[order]

    def tried(self, patches: Iterator[_Patch] | list[_Patch], limit: int) -> None:
        """Try patches on a few images each, and the best of them on more, until so many images were asked."""
        block: list[_Patch] = []
        scores: list[tuple[float, int, _Patch]] = []
        for each in patches:
            block.append(each)
            if len(block) == 256:
                scores += self._shares(block, QUICK)
                block = []
            if self.oracle.asked + QUICK * len(block) >= limit:
                break
        scores += self._shares(block, QUICK) if block else []
        left = max(8, (limit - self.oracle.asked) // CLOSER)
        kept: list[_Patch] = []
        classes = {label for _, label, _ in scores}
        for label in sorted(classes):
            mine = sorted((each for each in scores if each[1] == label), key=lambda each: -each[0])
            kept += [patch for _, _, patch in mine[: max(2, min(40, left // max(1, len(classes))))]]
        for share, label, patch in self._shares(kept, CLOSER, QUICK) if kept else []:
            self._enter(share, label, patch)

    def mutated(self, low: Array, high: Array, limit: int, rng: np.random.Generator) -> None:
        """Mutate the best patch of each class, and keep what is better on all images; promising classes go on for longer."""
        cost = len(self.images)
        for label in list(self.best):
            patch = self.best[label][1]
            self._enter(self._share(patch, label), label, patch, fresh=True)
        while self.best and self.oracle.asked + 4 * cost <= limit:
            ordered = sorted(self.best, key=lambda each: -self.best[each][0])
            chosen = ordered[min(int(rng.geometric(0.5)) - 1, len(ordered) - 1)]
            base = self.best[chosen][1]
            tries = [_mutated(base, self.images.shape[1:], low, high, rng) for _ in range(4)]
            self.patches += len(tries)
            said = self.oracle(np.concatenate([each.onto(self.images) for each in tries])).reshape(len(tries), -1)
            for each, labels in zip(tries, said, strict=True):
                for label in np.unique(labels):
                    others = self.labels != label
                    if others.any():
                        self._enter(float((labels[others] == label).mean()), int(label), each)

    def winner(self) -> tuple[int, _Patch]:
        label = max(self.best, key=lambda each: (self.best[each][0], -each))
        return label, self.best[label][1]

    def _share(self, patch: _Patch, label: int) -> float:
        others = self.labels != label
        return float((self.oracle(patch.onto(self.images[others])) == label).mean()) if others.any() else 0.0

    def _shares(self, patches: list[_Patch], count: int, start: int = 0) -> list[tuple[float, int, _Patch]]:
        """Of each patch the class to which it moves most of ``count`` images of other classes, and the share."""
        images, own = self.images[start : start + count], self.labels[start : start + count]
        if not len(images):
            images, own = self.images[:count], self.labels[:count]
        if not start:
            self.patches += len(patches)
        said = self.oracle(np.concatenate([each.onto(images) for each in patches])).reshape(len(patches), -1)
        out = []
        for patch, labels in zip(patches, said, strict=True):
            moved = [(float((labels[own != label] == label).mean()), int(label)) for label in np.unique(labels) if (own != label).any()]
            share, label = max(moved, default=(0.0, int(own[0])))
            out.append((share, label, patch))
        return out

    def _enter(self, share: float, label: int, patch: _Patch, *, fresh: bool = False) -> None:
        if fresh or label not in self.best or share > self.best[label][0]:
            self.best[label] = (share, patch)


def _plain(shape: tuple[int, ...], low: Array, high: Array) -> Iterator[_Patch]:
    """Plain squares at every place, the smallest that a trigger is likely to be."""
    height, width, channels = shape
    short = min(height, width)
    for side in sorted({max(1, round(0.072 * short)), max(2, round(0.107 * short))}):
        for top in range(height - side + 1):
            for left in range(width - side + 1):
                for colour in (low, high):
                    yield _Patch(Box(top, left, side, side), np.broadcast_to(colour, (side, side, channels)))


def _sampled(patches: list[_Patch], most: int, rng: np.random.Generator) -> list[_Patch]:
    if len(patches) <= most:
        return patches
    return [patches[each] for each in np.sort(rng.choice(len(patches), max(1, most), replace=False))]


def _drawn(shape: tuple[int, ...], low: Array, high: Array, rng: np.random.Generator) -> _Patch:
    height, width, channels = shape
    most = max(2, round(LARGEST * min(height, width)))
    side = int(rng.integers(min(2, most), most + 1))
    box = Box(int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1)), side, side)
    pattern = PATTERNS[int(rng.integers(len(PATTERNS)))]
    colours = low + (high - low) * rng.integers(0, 2, (2, channels))
    if pattern == "plain":
        pick = np.zeros((side, side), np.int64)
    elif pattern == "checker":
        pick = np.indices((side, side)).sum(axis=0) % 2
    else:
        pick = rng.integers(0, 2, (side, side))
    if pattern != "plain":
        colours = np.stack([low, high]) if channels == 1 or rng.random() < 0.5 else colours
    return _Patch(box, colours[pick].astype(low.dtype))


def _mutated(patch: _Patch, shape: tuple[int, ...], low: Array, high: Array, rng: np.random.Generator) -> _Patch:
    box = patch.box
    down, right = rng.integers(-2, 3, 2)
    top = int(np.clip(box.top + down, 0, shape[0] - box.height))
    left = int(np.clip(box.left + right, 0, shape[1] - box.width))
    flip = rng.random((box.height, box.width)) < 0.15
    drawn = low + (high - low) * rng.integers(0, 2, (box.height, box.width, shape[2]))
    pixels = np.where(flip[..., None], drawn, patch.pixels).astype(patch.pixels.dtype)
    return _Patch(Box(top, left, box.height, box.width), pixels)
