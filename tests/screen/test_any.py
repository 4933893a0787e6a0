"""No screen fails on a table, whatever is in it, and none says more than it may."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.screen import junk, leakage, proxy, representation, unit
from assay.screen.screen import Screen
from assay.summary.target import Target
from tests.screen.studies import BINARY, replaced, study
from tests.strategies.data import tables

SCREENS = [each for module in (junk, leakage, proxy, representation, unit) for each in vars(module).values()
           if isinstance(each, Screen) and each.function.__module__ == module.__name__]
LABEL = "the label"


def looked(of, screen: Screen) -> None:
    if screen.missing(of) is not None:
        return
    values = screen.values(of)
    assert len({each.column for each in values}) == len(values)
    for each in values:
        assert each.column is None or each.column in of.schema
        if each.value is None:
            assert each.note
        else:
            assert np.isfinite(each.value)
            assert screen.limits[0] <= each.value <= screen.limits[1]
            assert each.low <= each.value <= each.high


@settings(max_examples=60)
@given(st.data(), tables(most=12), tables(most=12))
def test_arbitrary_tables_are_read(data, one: pa.Table, other: pa.Table) -> None:
    times = data.draw(st.sampled_from([1, 40]))   # as many rows as a screen needs to say something
    protected, forbidden = data.draw(st.permutations([*one.column_names, *one.column_names]))[:2]
    rng = np.random.default_rng(0)
    both = []
    for table in (one, other):
        rows = len(table) * times
        label = rng.integers(0, 2, rows) if data.draw(st.booleans()) else pa.array([None] * rows, pa.int64())
        both.append(replaced(pa.concat_tables([table] * times), **{LABEL: label}))
    names = [name for name in both[0].column_names if name in both[1].column_names]
    # tables of different columns, and of the same names with other types, are what a careless delivery is
    here, there = both[0], replaced(both[1].select(names), **{name: both[0][name].slice(0, 1).combine_chunks().take(
        pa.array(np.zeros(len(both[1]), np.int64))) for name in both[0].column_names if name not in names})
    target = data.draw(st.sampled_from([BINARY, Target("regression"), None]))
    roles = {"protected": [protected], "forbidden": [] if forbidden == protected else [forbidden]}
    of = study(here, there, there, label=LABEL, target=target, **roles)
    for screen in SCREENS:
        looked(of, screen)


def test_every_screen_is_looked_at() -> None:
    assert {each.name for each in SCREENS} == {
        "shared_rows", "shared_ids", "id_like", "lone_power", "known_late", "seen_entity_gain", "placeholder_share", "placeholder_rows",
        "repeated_blocks", "suspect_labels", "thin_in_train", "thin_region", "proxy_power", "forbidden_inputs", "unit_changed"}
