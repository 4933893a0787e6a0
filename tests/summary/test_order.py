"""Numbers are sorted alike by whatever kind they are sorted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from assay.summary.order import in_order

Array = np.ndarray[Any, Any]


def _plain(values: Array) -> Array:
    """The values sorted as they are, then as float64, without -0.0."""
    return np.sort(values).astype(np.float64) + 0.0


def _columns() -> dict[str, Array]:
    rng = np.random.default_rng(7)
    x = rng.standard_normal(17_000)
    single = x.astype(np.float32).astype(np.float64)
    found = {"fractions": x, "single": single, "single but one": np.append(single, 0.1), "huge": np.append(single, 1e300),
             "tiny": np.append(single, 2.0**-140), "too tiny": np.append(single, 2.0**-160), "endless": np.append(single, [np.inf, -np.inf]),
             "missing": np.append(single, np.nan), "zeros": np.where(x > 0, 0.0, -0.0), "rounded": np.round(x, 2),
             "whole": np.round(x * 100), "f4": x.astype(np.float32), "f2": x.astype(np.float16)}
    for kind in (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64):
        low, high = np.iinfo(kind).min, np.iinfo(kind).max
        found[f"few {kind.__name__}"] = rng.integers(3, 90, 17_000).astype(kind)
        found[f"all {kind.__name__}"] = rng.integers(low, high, 17_000, dtype=kind, endpoint=True)
        found[f"ends {kind.__name__}"] = np.append(rng.integers(0, 9, 17_000).astype(kind), np.array([low, high], kind))
        found[f"top {kind.__name__}"] = (kind(high) - rng.integers(0, 5, 17_000).astype(kind)).astype(kind)
        found[f"bottom {kind.__name__}"] = (kind(low) + rng.integers(0, 5, 17_000).astype(kind)).astype(kind)
    found["33 bits"] = rng.integers(0, 1 << 33, 17_000)
    found["32 bits"] = rng.integers(-(1 << 31), 1 << 31, 17_000)
    return found


@pytest.mark.parametrize("name", list(_columns()))
@pytest.mark.filterwarnings("error")
def test_numbers_are_in_order_to_the_bit(name: str) -> None:
    values = _columns()[name]
    before = values.copy()
    assert in_order(values).tobytes() == _plain(values).tobytes()
    assert values.tobytes() == before.tobytes()


@settings(max_examples=60, deadline=None)
@given(st.one_of(hnp.arrays(np.float64, st.integers(0, 30)), hnp.arrays(np.float32, st.integers(0, 30)), hnp.arrays(np.int64, st.integers(0, 30)),
                 hnp.arrays(np.uint64, st.integers(0, 30))))
def test_any_numbers_among_many_are_in_order(values: Array) -> None:
    for some in (values, np.concatenate((np.zeros(17_000, values.dtype), values))):
        assert np.array_equal(in_order(some), _plain(some), equal_nan=True)
