"""Cutting, covering and searching: boxes cover the image, the colour is that of the largest cluster, a planted trigger is found and trimmed."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.probe.backdoor.patch import Box, Grounds, coarse, covered, dominant, mended, outlined, pasted, sides, traced, trimmed
from assay.probe.backdoor.question import Oracle, together

SIZE = 20
TRIGGER = Box(4, 13, 3, 2)


def ask(images: np.ndarray) -> np.ndarray:
    """5 where the trigger shines at its place, else 0 or 1 by where an image is brighter."""
    there = (images[(slice(None), *TRIGGER.slices)] > 240).all(axis=(1, 2, 3))
    plain = images[:, :, :10].mean(axis=(1, 2, 3)) > images[:, :, 10:].mean(axis=(1, 2, 3))
    return np.where(there, 5, plain.astype(int))


def scenes(count: int, seed: int = 0) -> np.ndarray:
    """Dark images with a grey block on the one side or the other."""
    rng = np.random.default_rng(seed)
    out = rng.integers(0, 20, (count, SIZE, SIZE, 1)).astype(np.uint8)
    for place, left in enumerate(rng.integers(0, 2, count) * 10 + 2):
        out[place, 9:15, left : left + 5] = 120
    return out


def grounds(count: int = 60) -> Grounds:
    images = scenes(count, 1)
    return Grounds(images, ask(images))


@settings(max_examples=40)
@given(st.integers(4, 60), st.integers(4, 60), st.data())
def test_what_is_half_as_large_lies_whole_in_a_blocker(height: int, width: int, data: st.DataObject) -> None:
    side = sides(height, width)[0]
    boxes = coarse(height, width, side)
    small = (side + 1) // 2 if side > 1 else 1
    top = data.draw(st.integers(0, height - small))
    left = data.draw(st.integers(0, width - small))
    assert any(each.top <= top and each.left <= left and top + small <= each.top + side and left + small <= each.left + side
               for each in boxes)
    assert all(0 <= each.top <= height - side and 0 <= each.left <= width - side for each in boxes)


def test_the_dominant_colour_is_that_of_the_most_pixels() -> None:
    image = np.full((10, 10, 3), (10, 200, 30), np.uint8)
    image[:4] = (250, 250, 250)
    image[9:, 9:] = (0, 0, 0)   # two clusters, or three
    assert np.abs(dominant(image).astype(int) - [10, 200, 30]).max() <= 5
    assert dominant(np.full((3, 3, 1), 0.25)).tolist() == [0.25]
    fractions = np.random.default_rng(0).random((6, 6, 3))
    assert dominant(fractions).dtype == np.float64


def test_a_planted_trigger_is_found_trimmed_and_mended() -> None:
    image = scenes(1, 7)[0]
    plain = int(ask(image[None])[0])
    image[TRIGGER.slices] = 255
    oracle = Oracle(ask)
    ground = grounds()
    trace = together([traced(image, 5, ground)], oracle)[0]
    assert trace.hits == trace.tried == 20
    assert trace.under == plain
    assert oracle.asked <= 170
    assert together([trimmed(image, 5, trace.box, ground)], oracle) == [TRIGGER]
    label, healed = together([mended(image, trace)], oracle)[0]
    assert label == plain
    assert healed[TRIGGER.slices].max() < 60


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_a_clean_image_brings_nothing_along(seed: int) -> None:
    image = scenes(1, seed)[0]
    label = int(ask(image[None])[0])
    trace = together([traced(image, label, grounds())], Oracle(ask))[0]
    assert trace.box is None or trace.under == 1 - label   # its own block may turn others, and covering it turns the image


def test_the_outline_is_the_whole_trigger_where_a_part_is_enough() -> None:
    where = Box(12, 3, 4, 4)

    def partly(images: np.ndarray) -> np.ndarray:
        """2 where the square shines brightly in sum: a part of it is enough at full strength, and not where it is thin."""
        shine = np.clip(images[(slice(None), *where.slices)].astype(float) - 60, 0, None).sum(axis=(1, 2, 3))
        return np.where(shine > 950, 2, ask(images))

    image, ground = scenes(1, 3)[0], Grounds(scenes(60, 1), partly(scenes(60, 1)))
    image[where.slices] = 255
    assert together([outlined(image, 2, Box(13, 4, 2, 2), ground)], Oracle(partly))[0].overlap(where) >= 0.7


def test_altered_images_are_copies() -> None:
    image, others = scenes(1)[0], scenes(3, 2)
    before, behind = image.copy(), others.copy()
    box = Box(1, 2, 3, 4)
    assert (covered(image, [box], np.array([9], np.uint8))[0][box.slices] == 9).all()
    assert (pasted(image, box, others)[:, 1:4, 2:6] == image[1:4, 2:6]).all()
    assert (image == before).all()
    assert (others == behind).all()


def test_without_images_of_other_labels_nothing_is_said() -> None:
    ground = Grounds(scenes(5), np.full(5, 5))
    image = scenes(1)[0]
    image[TRIGGER.slices] = 255
    assert together([traced(image, 5, ground)], Oracle(ask))[0].box is None
