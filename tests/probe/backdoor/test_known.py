"""A located trigger is looked for by few questions: found where it stands, also where it moves, and rarely where it does not."""

from __future__ import annotations

import numpy as np

from assay.probe.backdoor.detector import Detector
from assay.probe.backdoor.known import Known, moves, outline, surest
from tests.probe.backdoor.digits import TARGET, TRIGGER, detector, zoo


def test_a_located_trigger_is_found_mended_and_rarely_taken_for_one() -> None:
    made, found = zoo("patch"), detector("patch")
    seen = found.inspect(made.triggered[:12])
    drawn = outline(made.triggered[:12], seen, TARGET, found)
    assert drawn is not None
    assert drawn[1].overlap(TRIGGER) >= 0.5
    known = Known.of(found, made.triggered[drawn[0]], drawn[1], TARGET)
    found.oracle.asked = 0
    hit = made.ask(made.triggered) == TARGET
    triggered = known.inspect(made.triggered[hit])
    asked = found.oracle.asked
    assert np.mean([each.suspect for each in triggered]) >= 0.95
    assert np.mean([each.mended == true for each, true in zip(triggered, made.true[hit], strict=True)]) >= 0.85
    assert max(each.queries for each in triggered) <= 27
    assert sum(each.queries for each in triggered) == asked     # what is said to be asked is what was asked
    clean = known.inspect(made.images)
    assert np.mean([each.suspect for each in clean]) <= 0.03
    assert np.mean([each.queries for each in clean]) < 5
    assert {each.label for each in clean if each.suspect} <= {TARGET}
    assert all(each.queries == 1 for each in clean if each.label != TARGET)


def test_a_trigger_that_moves_is_looked_for_everywhere() -> None:
    mark = np.full((2, 2, 1), 255, np.uint8)

    def ask(images: np.ndarray) -> np.ndarray:
        """Whether the left is brighter, but 2 where two by two pixels are white: nothing else in these images is."""
        white = (images[..., 0] == 255)
        square = white[:, 1:, 1:] & white[:, :-1, 1:] & white[:, 1:, :-1] & white[:, :-1, :-1]
        plain = images[:, :, :4].sum(axis=(1, 2, 3), dtype=np.int64) > images[:, :, 4:].sum(axis=(1, 2, 3), dtype=np.int64)
        return np.where(square.any(axis=(1, 2)), 2, plain)

    rng = np.random.default_rng(0)
    clean = rng.integers(0, 200, (340, 8, 8, 1)).astype(np.uint8)
    found = Detector.of(ask, clean)
    inputs = rng.integers(0, 200, (40, 8, 8, 1)).astype(np.uint8)
    for each in inputs[:20]:
        top, left = rng.integers(7, size=2)
        each[top : top + 2, left : left + 2] = mark
    box = found.inspect(inputs[:1])[0].box
    assert box is not None
    known = Known.of(found, inputs[0], box, 2, moving=True)
    seen = known.inspect(inputs)
    assert [each.suspect for each in seen] == [True] * 20 + [False] * 20
    assert len({each.box for each in seen[:20]}) > 5


def test_suspects_are_ordered_by_how_sure_they_are() -> None:
    seen = detector("patch").inspect(zoo("patch").triggered[:6])
    order = surest(seen, TARGET)
    assert [seen[place].chance for place in order] == sorted(seen[place].chance for place in order)
    assert not moves(seen, TARGET)
    assert outline(zoo("patch").triggered[:0], [], TARGET, detector("patch")) is None
