"""How many suspects clean images explain: the bound is that of the detector, and false alarms are as rare as was allowed."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from assay.monitor.suspicion import LOOK, Count, Null, Suspicions, step
from assay.probe.backdoor.detector import DETECTORS, Detector

NULL = Null.of(400, 0.01, 2)


def count(number: int, inputs: int = 200, **suspects: int) -> Count:
    return Count(number, "2026-01-05T00:00:00+00:00", 1_000, inputs, suspects)


@pytest.mark.parametrize(("clean", "rate"), [(199, 0.01), (400, 0.01), (39, 0.05), (1_900, 0.002)])
def test_the_bound_is_the_detectors(clean: int, rate: float) -> None:
    detector = Detector(None, None, None, rate, SimpleNamespace(labels=np.zeros(clean)))   # type: ignore[arg-type]
    null = Null.of(clean, rate, len(DETECTORS))
    assert [null.tail(k, 300) for k in (0, 1, 5, 30)] == [detector.tail(k, 300) for k in (0, 1, 5, 30)]


def test_a_wave_of_one_class_is_an_attack_and_of_many_is_none() -> None:
    _, (alarm,) = step(Suspicions(), count(0, seven=25, two=3), NULL, 1 / 300)
    assert (alarm.attack, alarm.label, alarm.most, alarm.suspects, alarm.windows) == (True, "seven", 25, 28, 1)
    _, (alarm,) = step(Suspicions(), count(0, a=25, b=24, c=24, d=24), NULL, 1 / 300)
    assert not alarm.attack
    assert step(Suspicions(), count(0, a=4, b=4), NULL, 1 / 300)[1] == []
    assert step(Suspicions(), count(0), NULL, 1 / 300)[1] == []


def test_a_trickle_shows_in_seven_windows_and_a_wave_that_was_told_counts_once() -> None:
    memory, alarms = Suspicions(), []
    for number in range(LOOK):
        memory, found = step(memory, count(number, seven=9), NULL, 1 / 300)
        alarms += [(number, each.windows, each.most) for each in found]
    assert alarms == [(LOOK - 1, LOOK, 9 * LOOK)]
    assert memory.standing
    assert memory.waiting == ()
    memory, alarms = Suspicions(), []
    for number in range(LOOK):
        memory, found = step(memory, count(number, **({"seven": 60} if number == 3 else {})), NULL, 1 / 300)
        alarms += [(number, each.windows) for each in found]
    assert alarms == [(3, 1)]
    assert not memory.standing
    assert (memory.inputs, memory.suspects) == (200 * LOOK, {"seven": 60})


def test_the_memory_is_plain() -> None:
    memory = Suspicions()
    for number in range(LOOK + 2):
        memory, _ = step(memory, count(number, seven=number), NULL, 0.01)
    assert Suspicions.from_json(json.loads(json.dumps(memory.to_json()))) == memory


def test_clean_inputs_alarm_no_more_often_than_allowed() -> None:
    """Detectors calibrated on their own clean images, at a budget that gives many false alarms, so that they can be counted."""
    rng = np.random.default_rng(0)
    alpha, streams, windows = 0.08, 100, 14
    null = Null.of(199, 0.02, 1)
    false = 0
    for rate in rng.beta(null.blocks, null.clean + 1 - null.blocks, streams):
        memory = Suspicions()
        for number in range(windows):
            memory, found = step(memory, count(number, inputs=50, a=int(rng.binomial(50, rate))), null, alpha)
            false += len(found)
    assert 0 < false <= alpha * streams * windows
