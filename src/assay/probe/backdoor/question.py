"""Questions about many images at once: each search says what it wants to know next, and the model is asked for all of them together.

``Oracle(ask)`` counts; ``together(searches, oracle)`` runs searches, generators that yield images and are sent their labels. For this
package.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from assay.errors import PredictionError

__all__ = ["Ask", "Oracle", "Search", "together"]

Array = np.ndarray[Any, Any]
Ask = Callable[[Array], Array]   # images (n, height, width, channels) -> the place of the class of each, (n,)
T = TypeVar("T")
Search = Generator[Array, Array, T]

MOST = 4_096    # images in one call
AHEAD = 256     # searches that go on side by side


@dataclass(eq=False)
class Oracle:
    """A model as a function from images to labels, and how many images it was ``asked``.

    >>> oracle = Oracle(lambda images: (images.mean(axis=(1, 2, 3)) > 0.5).astype(int))
    >>> oracle(np.ones((3, 2, 2, 1))).tolist(), oracle.asked
    ([1, 1, 1], 3)
    """

    ask: Ask
    asked: int = 0

    def __call__(self, images: Array) -> Array:
        """Return the labels of images (n, height, width, channels); raises ``PredictionError`` where there is not one for each."""
        if not len(images):
            return np.empty(0, np.int64)
        found = [np.asarray(self.ask(images[start : start + MOST])) for start in range(0, len(images), MOST)]
        labels = np.concatenate(found)
        if labels.shape != (len(images),):
            raise PredictionError(f"labels of shape {labels.shape} came back for {len(images)} images", expected="one label an image")
        self.asked += len(images)
        return labels


def together(searches: Iterable[Search[T]], oracle: Oracle) -> list[T]:
    """Return what each search finds, in order; the model is asked once for what all of them want to know next.

    >>> def double(image):
    ...     labels = yield image[None]
    ...     return 2 * int(labels[0])
    >>> together([double(np.full((1, 1, 1), each)) for each in (1, 2)], Oracle(lambda images: images[:, 0, 0, 0]))
    [2, 4]
    """
    waiting = list(enumerate(searches))
    out: dict[int, T] = {}
    for start in range(0, len(waiting), AHEAD):
        _run(waiting[start : start + AHEAD], oracle, out)
    return [out[place] for place in range(len(waiting))]


def _run(searches: list[tuple[int, Search[T]]], oracle: Oracle, out: dict[int, T]) -> None:
    live: list[tuple[int, Search[T], Array]] = []

    def on(place: int, search: Search[T], labels: Array | None) -> None:
        try:
            live.append((place, search, next(search) if labels is None else search.send(labels)))
        except StopIteration as end:
            out[place] = end.value

    for place, search in searches:
        on(place, search, None)
    while live:
        now, live = live, []
        labels = oracle(np.concatenate([images for _, _, images in now]))
        start = 0
        for place, search, images in now:
            on(place, search, labels[start : start + len(images)])
            start += len(images)
