"""Images changed a little until they are answered otherwise: the square attack (scores) and the boundary attack (labels only).

``square(question, images, ...)`` and ``boundary(question, images, others, ...)`` return ``Evaded``. Square: Andriushchenko, Croce,
Flammarion and Hein 2020; boundary: Brendel, Rauber and Bethge 2018. The verbs import it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from assay.errors import ConfigError
from assay.probe.robustness.question import Question

__all__ = ["Evaded", "boundary", "square"]

Array = np.ndarray[Any, Any]

#: of the budget of an image, when the squares become smaller (the published schedule, for 10,000 steps)
_SHRINK = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)


@dataclass(frozen=True, eq=False)
class Evaded:
    """What became of n images: ``images`` as changed, ``hit`` (n,) where the answer flipped, ``asked`` (n,) times until then.

    ``size`` (n,) is the largest change of a pixel (square) or the Euclidean one (boundary); of what did not flip it says nothing.
    """

    images: Array
    hit: Array
    asked: Array
    size: Array


def square(question: Question, images: Array, *, radius: float, steps: int = 500, share: float = 0.8, top: float = 1.0,
           norm: Literal["inf", "2"] = "inf", labels: Array | None = None, seed: int = 0) -> Evaded:
    """Return ``images`` (n, height, width, channels; from 0 to ``top``) with squares moved by up to ``radius`` a pixel.

    Each of ``steps`` asks every image that still has its answer once; a square stays where the margin falls. ``share`` is the share of
    the image that the first squares cover. ``norm="2"`` bounds the Euclidean change of the whole image instead. ``labels`` (n,) are the
    answers to flip, by default the model's own. Raises ``ConfigError`` where the model gives no scores.

    >>> from assay.probe.robustness.question import Said
    >>> def ask(images):
    ...     mean = images.mean(axis=(1, 2, 3))
    ...     return Said((mean > 0.5).astype(int), np.stack([1 - mean, mean], axis=1))
    >>> images = np.array([0.52, 0.9])[:, None, None, None] * np.ones((2, 8, 8, 1))
    >>> square(Question(ask), images, radius=0.1, steps=50).hit.tolist()
    [True, False]
    """
    rng = np.random.default_rng([seed, 61])
    images = np.asarray(images, np.float64)
    n, high, wide, channels = images.shape
    first = question(images)
    if first.score is None:
        raise ConfigError("the model answers classes only, and the square attack goes by scores", expected="a model with scores",
                          hint="the boundary attack asks for labels only")
    truth = first.decision if labels is None else np.asarray(labels)
    asked, hit = np.ones(n, int), np.asarray(first.decision != truth)
    grown = int(np.ceil(np.sqrt(share * high * wide)))
    if norm == "inf":
        start = np.clip(images + radius * rng.choice([-1.0, 1.0], (n, 1, wide, channels)), 0, top)
    else:
        start = _ball(images, images + rng.standard_normal(images.shape), radius, top)
    best = np.where(hit[:, None, None, None], images, start)
    margin = np.full(n, np.inf)
    for step in range(steps):
        live = np.flatnonzero(~hit)
        if not len(live) or question.left < len(live):
            break
        if step == 0:
            trial = best[live]
        else:
            side = max(round(float(grown * np.sqrt(0.5 ** sum(step / steps >= each for each in _SHRINK)))), 1)
            side = min(side, high, wide) if norm == "inf" else min(max(side, 3), high, wide)
            trial = _moved(best[live], images[live], side, radius, top, norm, rng)
        said = question(trial)
        asked[live] += 1
        assert said.score is not None
        gap = _margin(said.score, truth[live])
        flipped = said.decision != truth[live]
        better = (gap < margin[live]) | flipped
        best[live[better]], margin[live[better]] = trial[better], gap[better]
        hit[live[flipped]] = True
    moved = np.abs(best - images).reshape(n, -1)
    return Evaded(best, hit, asked, moved.max(axis=1) if norm == "inf" else np.sqrt((moved ** 2).sum(axis=1)))


def _moved(best: Array, images: Array, side: int, radius: float, top: float, norm: str, rng: np.random.Generator) -> Array:
    """Return images with one square each moved anew."""
    out = best.copy()
    n, high, wide, channels = best.shape
    ups, lefts = rng.integers(0, high - side + 1, n), rng.integers(0, wide - side + 1, n)
    signs = rng.choice([-1.0, 1.0], (n, channels))
    for place, (up, left) in enumerate(zip(ups, lefts, strict=True)):
        at = (place, slice(up, up + side), slice(left, left + side))
        if norm == "inf":
            out[at] = np.clip(images[at] + radius * signs[place], 0, top)
        else:
            out[at] += radius / side * signs[place]   # a square that takes up about the whole budget, put back on the ball below
    return out if norm == "inf" else _ball(images, out, radius, top)


def _ball(images: Array, moved: Array, radius: float, top: float) -> Array:
    """Return moved images at most a Euclidean ``radius`` from the images, within the range of a pixel."""
    gap = moved - images
    long = np.sqrt((gap ** 2).sum(axis=(1, 2, 3), keepdims=True))
    # clipping towards the range, in which the image lies, never leaves the ball
    return np.asarray(np.clip(images + gap * np.minimum(1.0, radius / np.maximum(long, 1e-12)), 0, top))


def _margin(score: Array, truth: Array) -> Array:
    """Return by how much the score of the answer is above that of the best other one."""
    every = np.arange(len(score))
    others = score.copy()
    others[every, truth] = -np.inf
    return np.asarray(score[every, truth] - others.max(axis=1))


def boundary(question: Question, images: Array, others: Array, *, steps: int = 300, top: float = 1.0, radius: float | None = None,
             seed: int = 0) -> Evaded:
    """Return images that are answered otherwise, as near as ``steps`` of walking along the boundary bring them; asks for labels only.

    ``others`` (m, height, width, channels) are images to begin from: of each image the nearest that is answered otherwise. Each step turns
    at random on the sphere around the image and moves nearer; step lengths follow how often that succeeds. With ``radius`` an image
    counts as flipped where its Euclidean change is at most that.

    >>> from assay.probe.robustness.question import Said
    >>> def ask(images):
    ...     return Said((images.mean(axis=(1, 2, 3)) > 0.5).astype(int))
    >>> images = np.full((1, 4, 4, 1), 0.6)
    >>> found = boundary(Question(ask), images, np.full((1, 4, 4, 1), 0.1), steps=50)
    >>> bool(found.hit[0]), round(float(found.size[0]), 2)   # the nearest is 0.1 in each of 16 pixels
    (True, 0.4)
    """
    rng = np.random.default_rng([seed, 62])
    images, others = np.asarray(images, np.float64), np.asarray(others, np.float64)
    n = len(images)
    truth, said = question(images).decision, question(others).decision
    best, there = images.copy(), np.zeros(n, bool)
    for place in range(n):
        wrong = np.flatnonzero(question.differ(np.full(len(others), truth[place]), said))
        if len(wrong):
            gap = ((others[wrong] - images[place]) ** 2).sum(axis=(1, 2, 3))
            best[place], there[place] = others[wrong[int(np.argmin(gap))]], True
    asked = np.ones(n, int)
    best = _onto(question, images, best, there, truth, asked)
    turn, near = np.full(n, 0.1), np.full(n, 0.1)
    for _ in range(steps):
        live = np.flatnonzero(there & (_length(best - images) > 1e-9))
        if radius is not None:
            live = live[_length(best[live] - images[live]) > radius]
        if not len(live) or question.left < 2 * len(live):
            break
        around = _turned(images[live], best[live], turn[live], top, rng)
        hit = question.differ(truth[live], question(around).decision)
        asked[live] += 1
        turn[live] = np.clip(turn[live] * np.where(hit, 1.1, 0.9), 1e-4, 1.0)
        live, around = live[hit], around[hit]
        if not len(live):
            continue
        closer = around + near[live][:, None, None, None] * (images[live] - around)
        hit = question.differ(truth[live], question(closer).decision)
        asked[live] += 1
        near[live] = np.clip(near[live] * np.where(hit, 1.1, 0.9), 1e-4, 0.5)
        new = np.where(hit[:, None, None, None], closer, around)
        smaller = _length(new - images[live]) < _length(best[live] - images[live])
        best[live[smaller]] = new[smaller]
    best = _onto(question, images, best, there, truth, asked)
    size = _length(best - images)
    return Evaded(best, there & (size <= radius if radius is not None else True), asked, size)


def _onto(question: Question, images: Array, best: Array, there: Array, truth: Array, asked: Array) -> Array:
    """Return the points nearest to the images, on the lines to them, that are still answered otherwise; up to 12 halvings."""
    good, bad = np.zeros(len(images)), np.ones(len(images))
    live = np.flatnonzero(there)
    for _ in range(12):
        if not len(live) or question.left < len(live):
            break
        middle = (good[live] + bad[live]) / 2
        trial = best[live] + middle[:, None, None, None] * (images[live] - best[live])
        hit = question.differ(truth[live], question(trial).decision)
        asked[live] += 1
        good[live[hit]], bad[live[~hit]] = middle[hit], middle[~hit]
    return np.asarray(best + good[:, None, None, None] * (images - best))


def _turned(images: Array, best: Array, turn: Array, top: float, rng: np.random.Generator) -> Array:
    """Return points turned at random around the images, at the distance at which they were."""
    gap = best - images
    long = _length(gap)[:, None, None, None]
    noise = rng.standard_normal(gap.shape)
    noise -= gap * ((noise * gap).sum(axis=(1, 2, 3), keepdims=True) / np.maximum(long ** 2, 1e-18))
    noise *= turn[:, None, None, None] * long / np.maximum(_length(noise)[:, None, None, None], 1e-18)
    made = gap + noise
    made *= long / np.maximum(_length(made)[:, None, None, None], 1e-18)
    return np.asarray(np.clip(images + made, 0, top))


def _length(gap: Array) -> Array:
    return np.asarray(np.sqrt((gap ** 2).sum(axis=(1, 2, 3))))
