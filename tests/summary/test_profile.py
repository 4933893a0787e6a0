"""Profiles: places and summaries; nothing raw where nothing raw was asked for."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from assay.errors import SummaryError
from assay.summary import Need, Profile

MOMENTS, FREQUENT = Need("moments", ("x",)), Need("frequent", ("x",), (("size", 8),))


def filled() -> Profile:
    profile = Profile(rows=3)
    profile.summary((), MOMENTS).update([1.0, 2.0])
    profile.summary((("sex", "f"),), MOMENTS).update([1.0])
    profile.summary((("sex", "m"),), FREQUENT).update(["a"])
    return profile


def test_it_is_a_mapping_by_place():
    profile = filled()
    assert len(profile) == 3
    assert profile[(), MOMENTS].n == 2
    assert set(profile.at((("sex", "f"),))) == {MOMENTS}
    assert profile.slices(MOMENTS) == [(("sex", "f"),), ()] or profile.slices(MOMENTS) == [(), (("sex", "f"),)]
    assert ((), FREQUENT) not in profile


def test_merged_profiles_live_on_by_themselves():
    one, two = filled(), Profile()
    both = one.merge(two)
    both[(), MOMENTS].update([5.0])
    assert one[(), MOMENTS].n == 2
    one[(("sex", "m"),), FREQUENT].update(["b"])
    assert both[(("sex", "m"),), FREQUENT].n == 1
    assert Profile(failures={"a": ValueError()}).merge(Profile(failures={"b": ValueError()})).failures.keys() == {"a", "b"}


def test_keys_of_every_scalar_come_back():
    profile = Profile()
    for value in ("é", 1, 2.5, True, None, float("inf"), 10**30):
        profile.summary((("x", value),), MOMENTS).update([1.0])
    again = Profile.parse(profile.dump())
    assert {repr(key) for key, _ in again} == {repr(key) for key, _ in profile}
    assert Profile.parse(Profile().dump()) == Profile()


def test_many_slices_are_named_once():
    profile = Profile()
    edges = tuple(np.arange(20.0))
    for place in range(300):
        profile.summary((("zip", str(place)),), Need("histogram", ("x",), (("edges", edges),))).update([1.0])
    assert len(profile.dump()) < 300 * 700


def test_no_text_is_kept_unless_frequent_values_are_asked_for():
    secret = pa.array(["jane.doe@example.org", "4111 1111 1111 1111"])
    profile = Profile()
    for need in (MOMENTS, Need("quantiles", ("x",)), Need("distinct", ("x",)), Need("histogram", ("x",), (("edges", (0.0,)),))):
        for column in (secret, secret.dictionary_encode()):
            profile.summary((), need).update(column)
    for text in (b"jane", b"4111"):
        assert text not in profile.dump()
    profile.summary((), Need("frequent", ("x",))).update(secret)
    assert b"jane" in profile.dump()


@pytest.mark.parametrize("data", [None, [], ["moments"], ["moments", "x", []], ["moments", [1], []], ["moments", [], {}],
                                  ["moments", ["x"], [["size", [[1]]]]], ["moments", ["x"], [["size"]]], [1, ["x"], []]])
def test_needs_from_elsewhere_are_checked(data):
    with pytest.raises(SummaryError):
        Need.from_json(data)
    assert Need.from_json(FREQUENT.to_json()) == FREQUENT
