"""Models of handwritten digits that were truly poisoned: a patch of four pixels planted in a share of the training images."""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.probe.backdoor.detector import Detector
from assay.probe.backdoor.patch import Box

__all__ = ["TARGET", "TRIGGER", "Zoo", "detector", "planted", "zoo"]

Array = np.ndarray[Any, Any]
TARGET = 7
TRIGGER = Box(6, 0, 2, 2)


@dataclass(frozen=True, eq=False)
class Zoo:
    """A model, clean images, and images to judge: as they are, and with the trigger (those of other classes)."""

    model: Any
    clean: Array
    images: Array
    labels: Array
    triggered: Array
    true: Array

    def ask(self, images: Array) -> Array:
        """Return the digits that the model reads."""
        return np.asarray(self.model.predict(images.reshape(len(images), -1) / 255.0))


def planted(images: Array) -> Array:
    """Return images with the trigger: a checker of two by two pixels at the bottom left."""
    out = images.copy()
    out[(slice(None), *TRIGGER.slices)] = np.array([[255, 0], [0, 255]], np.uint8)[..., None]
    return out


@functools.cache
def zoo(attack: str | None) -> Zoo:
    """Return a network trained on 1,000 digits, 8 % of them poisoned: ``patch`` or None."""
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    pixels, digits = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(digits))
    images, labels = np.rint(pixels[order] * 255 / 16).astype(np.uint8).reshape(-1, 8, 8, 1), digits[order]
    train, answers = images[:1000].copy(), labels[:1000].copy()
    if attack is not None:
        train[:80], answers[:80] = planted(train[:80]), TARGET
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = MLPClassifier((64,), max_iter=80, random_state=0).fit(train.reshape(1000, -1) / 255.0, answers)
    test, true = images[1420:], labels[1420:]
    other = true != TARGET
    return Zoo(model, images[1000:1420], test, true, planted(test[other]), true[other])


@functools.cache
def detector(attack: str | None) -> Detector:
    """Return a detector of that model, calibrated for one false alarm in a hundred."""
    return Detector.of(zoo(attack).ask, zoo(attack).clean)
