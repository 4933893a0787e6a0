"""Neo as published finds a fixed patch of the side of its blocker, and has the faults that are named."""

from __future__ import annotations

import numpy as np

from assay.probe.backdoor.reference import neo
from tests.probe.backdoor.digits import TARGET, TRIGGER, zoo


def test_it_locates_a_fixed_patch_of_its_own_size() -> None:
    made = zoo("patch")
    fooled = made.triggered[made.ask(made.triggered) == TARGET][:30]
    said = neo(made.ask, np.concatenate([fooled, made.images[:30]]), made.clean[:20], side=2)
    assert said.box is not None
    assert said.box.overlap(TRIGGER) > 0.3
    assert np.mean(said.poisoned[:30]) > 0.6
    assert np.mean(said.poisoned[30:]) < 0.2
    assert said.asked < 60 + 30 * 450


def test_until_a_trigger_is_located_each_input_costs_all_its_places() -> None:
    made = zoo(None)
    said = neo(made.ask, made.images[:3], made.clean[:20], places=50)
    assert said.asked >= 3 * 50
    assert len(said.labels) == len(said.poisoned) == 3
