"""Segments from end to end: planted causes, none at all, decoys, entities; and laws that hold whatever the data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.predicate import parse
from assay.data.schema import Schema
from assay.errors import ConfigError, EmptyDataError
from assay.segment.segment import Found, segments

Array = np.ndarray[Any, Any]


def data(seed: int = 0, rows: int = 8000) -> tuple[pa.Table, Array]:
    """Rows and where they are worse: x above 1 for the carrier b; ``near`` is a decoy of x."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    table = pa.table({"x": x, "near": x + rng.normal(size=rows) * 0.3, "carrier": rng.choice(["a", "b", "c"], rows),
                      "hour": rng.integers(0, 24, rows), "noise": rng.normal(size=rows)})
    return table, (x > 0.8) & (table["carrier"].to_numpy() == "b")


def loss(worse: Array, seed: int = 1, much: float = 0.5, usual: float = 0.1) -> Array:
    return (np.random.default_rng(seed).random(len(worse)) < np.where(worse, much, usual)).astype(float)


def masked(table: pa.Table, text: str | None) -> Array:
    assert text is not None
    batch = table.combine_chunks().to_batches()[0]
    return parse(text, Schema.of(table.schema, {})).mask(batch)


def plain(found: Found) -> list[tuple[str, int, float, float]]:
    return [(each.words, each.rows, round(each.inside.estimate, 9), round(each.p, 12)) for each in found.segments]


def test_a_planted_cause_is_one_row_and_its_decoy_another_description() -> None:
    table, worse = data()
    found = segments(table, loss(worse))
    assert len(found.segments) == 1
    one = found.segments[0]
    assert {each.column for each in one.conditions} in ({"x", "carrier"}, {"near", "carrier"})
    mask = masked(table, one.text)
    assert (mask & worse).sum() / (mask | worse).sum() > 0.7
    assert one.rows == mask.sum()
    assert one.share == pytest.approx(mask.mean())
    low, high = one.inside.interval()
    assert low < 0.5 < high or (mask & worse).sum() < mask.sum()
    assert one.portion is not None
    assert 0.1 < one.portion < 0.6
    assert any({each.column for each in other} & {"near", "x"} for other in one.also)


def test_two_causes_are_two_rows() -> None:
    table, worse = data(2, 12_000)
    late = np.asarray(table["hour"]) >= 20
    found = segments(table, loss(worse | late, much=0.4))
    first, second = ({each.column for each in one.conditions} for one in found.segments)
    assert first == {"hour"}
    assert "carrier" in second
    assert second & {"x", "near"}


def test_where_nothing_differs_hardly_ever_anything_is_found() -> None:
    table, worse = data(3, 3000)
    false = sum(bool(segments(table, loss(np.zeros_like(worse), seed=seed), seed=seed).segments) for seed in range(40))
    assert false <= 5   # of 40 at 5 %: 6 or more have a chance of 1.4 %


def test_less_is_found_too_and_both() -> None:
    table, worse = data(4)
    better = loss(worse, much=0.02, usual=0.4)
    assert segments(table, better, tolerance=0.05).segments == ()
    assert [each.direction for each in segments(table, better, direction="lower").segments] == ["lower"]
    assert "lower" in [each.direction for each in segments(table, better, direction="both").segments]


def test_a_tolerance_hides_what_is_not_worth_telling() -> None:
    table, worse = data(5)
    value = loss(worse, much=0.35)
    assert segments(table, value).segments
    assert not segments(table, value, tolerance=0.3).segments


def test_a_gap_between_two_sides() -> None:
    table, worse = data(6, 12_000)
    side = (np.random.default_rng(6).random(len(worse)) < 0.5).astype(np.uint8)
    hard = np.asarray(table["hour"]) < 6     # hard for both sides: no gap
    chance = 0.1 + 0.3 * hard + 0.35 * (worse & (side == 0))
    value = (np.random.default_rng(7).random(len(worse)) < chance).astype(float)
    found = segments(table, value, side=side).segments
    assert len(found) == 1
    assert {each.column for each in found[0].conditions} & {"x", "near"}
    low, high = found[0].inside.interval()
    assert low < 0.35 < high or found[0].inside.estimate < 0.35


def test_a_share_that_moved() -> None:
    table, worse = data(8, 12_000)
    rng = np.random.default_rng(8)
    side = (rng.random(len(worse)) < 0.5).astype(np.uint8)
    keep = ~worse | (side == 0) | (rng.random(len(worse)) < 0.4)
    found = segments(table.filter(pa.array(keep)), side=side[keep], direction="both").segments
    assert [each.direction for each in found] == ["higher"]
    assert found[0].difference.estimate == pytest.approx(2.5, rel=0.25)
    assert found[0].inside.estimate > found[0].outside.estimate


def test_rows_of_an_entity_are_not_many_witnesses() -> None:
    rng = np.random.default_rng(9)
    entity = np.repeat(np.arange(60), 100)
    table = pa.table({"x": np.repeat(rng.normal(size=60), 100), "who": np.repeat(rng.choice(["a", "b", "c", "d"], 60), 100),
                      "noise": rng.normal(size=6000)})
    false = naive = 0
    for seed in range(12):   # each entity has a level of its own, and none of the columns a part in it
        level = np.random.default_rng(seed).beta(2, 6, 60)
        value = (np.random.default_rng(seed + 50).random(6000) < level[entity]).astype(float)
        false += bool(segments(table, value, entity=entity).segments)
        naive += bool(segments(table, value).segments)
    assert false <= 2
    assert naive >= 8


def test_weights_count_as_rows() -> None:
    table, worse = data(10)
    value = loss(worse)
    twice = pa.concat_tables([table, table.filter(pa.array(worse))])
    weight = np.where(worse, 2.0, 1.0)
    one = segments(table, value, weight=weight).segments[0]
    other = segments(twice, np.concatenate([value, value[worse]])).segments[0]
    assert one.words.split(",")[0].split()[0] == other.words.split(",")[0].split()[0]
    assert one.inside.estimate == pytest.approx(other.inside.estimate, abs=0.08)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000))
def test_neither_the_order_of_rows_nor_of_columns_matters(seed: int) -> None:
    table, worse = data(seed, 2500)
    value = loss(worse, seed=seed, much=0.6)
    rng = np.random.default_rng(seed)
    order, names = rng.permutation(len(value)), rng.permutation(table.column_names).tolist()
    assert plain(segments(table, value)) == plain(segments(table.take(pa.array(order)).select(names), value[order]))


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 1000), copies=st.integers(2, 3))
def test_copies_of_one_entity_are_no_news(seed: int, copies: int) -> None:
    """With every row repeated and named an entity, the same segments come out with the same intervals, or nearly (whole bins)."""
    table, worse = data(seed, 2500)
    value = loss(worse, seed=seed, much=0.7)
    entity = np.arange(len(value))
    once = segments(table, value, entity=entity, at_least=0.01).segments
    again = segments(pa.concat_tables([table] * copies), np.tile(value, copies), entity=np.tile(entity, copies), at_least=0.01).segments
    assert [each.words for each in again[:1]] == [each.words for each in once[:1]]
    for one, other in zip(once[:1], again[:1], strict=True):
        assert other.difference.error == pytest.approx(one.difference.error, rel=0.02)


def test_odd_columns_do_no_harm() -> None:
    rng = np.random.default_rng(0)
    rows = 4000
    when = pa.array((np.arange(rows) * 3600 * 7).astype("datetime64[s]"))
    hours = (np.arange(rows) * 7) % 24
    table = pa.table({
        "constant": [1] * rows, "nothing": pa.nulls(rows), "id": [f"row {each}" for each in range(rows)], "when": when,
        "list": [[1]] * rows, "infinite": rng.choice([np.inf, -np.inf, 1.0, 2.0], rows), "bytes": [b"a", b"\xff"] * (rows // 2),
        "hole": pa.array(np.where(rng.random(rows) < 0.2, np.nan, 1.0), from_pandas=True)})
    found = segments(table, loss(hours >= 18))
    assert set(found.left) == {"constant", "nothing", "list"}
    assert [each.words for each in found.segments] == ["when from 18:00 to 23:59"]
    assert found.segments[0].text is None
    missing = table["hole"].is_null().to_numpy()
    assert [each.text for each in segments(table, loss(missing)).segments] == ["hole is null"]


def test_what_cannot_be_searched_is_said() -> None:
    table, worse = data(0, 40)
    assert "too few rows" in segments(table, loss(worse)).notes[0]
    assert "no column" in segments(pa.table({"one": [1, 1]}), [0.0, 1.0]).notes[0]
    assert segments(table, np.zeros(40)).segments == ()
    with pytest.raises(EmptyDataError):
        segments(table, np.full(40, np.nan))
    with pytest.raises(ConfigError, match="shape"):
        segments(table, [1.0])
    with pytest.raises(ConfigError, match="nothing to look for"):
        segments(table)
    with pytest.raises(ConfigError, match="levels"):
        segments(table, loss(worse), levels=4)
    with pytest.raises(ConfigError, match="neither 0 nor 1"):
        segments(table, loss(worse), side=np.full(40, 2))
    with pytest.raises(ConfigError, match="means nothing"):
        segments(table, loss(worse), at_most=0)
