"""One pass fulfils every need as naive passes would: for all rows, by slices, for two models, with weights and entities."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import assay
from assay.data.slice import slicing
from assay.engine import Plan, run
from assay.errors import DataError, EmptyDataError, PredictionError
from assay.summary import Need
from assay.summary.target import Target

CONFUSION = Need("confusion", ("@label", "@prediction"), (("classes", 2), ("grouped", False)))
SCORES = Need("scores", ("@label", "@score/1"), (("grouped", False), ("of", 1), ("size", 1 << 19)))
TARGET = Target("binary", (0, 1), 1)


@pytest.fixture(scope="module")
def table() -> pa.Table:
    rng = np.random.default_rng(3)
    n = 300_000  # more than two batches
    x = rng.random(n)
    y = np.where(rng.random(n) < 0.01, np.nan, (rng.random(n) < x).astype(float))
    return pa.table({
        "x": x, "y": pa.array(y, pa.float64(), from_pandas=True), "city": rng.choice(["Oslo", "Rome", "Bern"], n),
        "age": rng.integers(18, 90, n), "w": rng.integers(1, 4, n).astype(float), "who": rng.integers(0, 5000, n),
    })


@pytest.fixture(scope="module")
def model():
    return assay.load(lambda batch: batch.column("x").to_numpy(), task="binary", classes=[0, 1])


def test_every_need_is_what_a_naive_pass_gives(table, model):
    cut = slicing("city", assay.source(table).schema)
    moments = Need("moments", ("age",))
    wants = [(CONFUSION, None), (CONFUSION, cut), (SCORES, cut), (moments, None), (moments, cut), (SCORES, None)]
    seen: list[int] = []
    profile = run(Plan.of(wants), assay.source(table, label="y"), {"model": model}, target=TARGET, progress=seen.append)
    frame = table.to_pandas()
    labelled = frame[frame.y.notna()]
    assert profile.rows == len(frame) == sum(seen)
    assert profile.unlabelled == len(frame) - len(labelled)
    assert profile.model_rows == len(frame)
    for city, part in [(None, labelled), *labelled.groupby("city")]:
        key, by = ((), "") if city is None else ((("city", city),), "city")
        naive = np.zeros((2, 2))
        np.add.at(naive, (part.y.astype(int), (part.x >= 0.5).astype(int)), 1)
        assert np.array_equal(profile[key, CONFUSION.cut(by)].total, naive)
        ranks = profile[key, SCORES.cut(by)].view()
        assert np.array_equal(ranks.scores, np.sort(part.x.unique()))
        assert ranks.counts.sum(axis=0).tolist() == [(part.y == 0).sum(), (part.y == 1).sum()]
    for city, part in frame.groupby("city"):
        found = profile[(("city", city),), moments.cut("city")]
        assert found.n == len(part)
        assert found.mean == pytest.approx(part.age.mean(), rel=1e-12)


def test_splits_add_up_to_the_whole(table, model):
    plan = Plan.of([(CONFUSION, None), (CONFUSION, slicing("city", assay.source(table).schema)), (Need("frequent", ("city",)), None)])
    whole = run(plan, assay.source(table, label="y"), {"model": model}, target=TARGET)
    parts = [run(plan, assay.source(table.slice(start, 70_001), label="y"), {"model": model}, target=TARGET)
             for start in range(0, len(table), 70_001)]
    merged = parts[-1]
    for part in parts[:-1]:
        merged = merged.merge(part)
    assert merged == whole


def test_weights_and_entities_reach_the_summaries(table, model):
    grouped = Need("confusion", ("@label", "@prediction"), (("classes", 2), ("grouped", True)))
    target = dataclasses.replace(TARGET, grouped=True)
    profile = run(Plan.of([(grouped, None)]), assay.source(table, label="y", weight="w", entity="who"), {"model": model}, target=target)
    frame = table.to_pandas().dropna()
    found = profile[(), grouped]
    naive = np.zeros((2, 2))
    np.add.at(naive, (frame.y.astype(int), (frame.x >= 0.5).astype(int)), frame.w)
    assert np.allclose(found.total, naive, rtol=1e-12)
    # an entity is in one group as a whole: there are no more used groups than entities, and all 128 are used by 5,000
    assert (found.counts.sum(axis=1) > 0).sum() == 128


def test_a_threshold_moves_the_prediction_and_two_models_share_a_pass(table, model):
    other = assay.load(lambda batch: 1 - batch.column("x").to_numpy(), task="binary", classes=[0, 1])
    paired = Need("paired confusion", ("@label", "@prediction", "@prediction:champion"), (("classes", 2), ("grouped", False)))
    profile = run(Plan.of([(paired, None)]), assay.source(table, label="y"), {"model": model, "champion": other},
                  target=dataclasses.replace(TARGET, threshold=0.8))
    frame = table.to_pandas().dropna()
    naive = np.zeros((2, 2, 2))
    np.add.at(naive, (frame.y.astype(int), (frame.x >= 0.8).astype(int), (1 - frame.x >= 0.8).astype(int)), 1)
    assert np.array_equal(profile[(), paired].total, naive)
    assert profile.model_rows == 2 * profile.rows


def test_a_model_that_fails_leaves_the_rest_of_the_plan_alone(table):
    def broken(batch: pa.RecordBatch) -> np.ndarray:
        raise RuntimeError("out of cheese")

    model = assay.load(broken, task="binary", classes=[0, 1])
    moments = Need("moments", ("age",))
    profile = run(Plan.of([(CONFUSION, None), (moments, None)]), assay.source(table, label="y"), {"model": model}, target=TARGET)
    assert isinstance(profile.failures["model"], PredictionError)
    assert "out of cheese" in str(profile.failures["model"])
    assert profile[(), moments].n == len(table)
    assert ((), CONFUSION) not in profile


def test_no_rows_is_an_error():
    with pytest.raises(EmptyDataError):
        run(Plan.of([(Need("moments", ("a",)), None)]), assay.source(pa.table({"a": pa.array([], pa.float64())})))


def test_only_what_is_needed_is_read(table):
    class Spy:
        def __init__(self, inner):
            self.inner, self.schema, self.name, self.rows, self.asked = inner, inner.schema, inner.name, inner.rows, None

        def batches(self, columns=None):
            self.asked = columns
            return self.inner.batches(columns)

    spy = Spy(assay.source(table))
    run(Plan.of([(Need("moments", ("age",)), None), (Need("moments", ("x",)), slicing("city", spy.schema))]), spy)
    assert spy.asked == ["x", "city", "age"]


def test_columns_read_apart_by_any_number_of_threads_give_the_same_bits(tmp_path):
    rng = np.random.default_rng(5)
    n = 150_000
    columns = {f"x{place}": rng.standard_normal(n) for place in range(9)} | {"c": rng.choice(["a", "b"], n)}
    for part in range(2):
        pq.write_table(pa.table(columns), tmp_path / f"{part}.parquet", row_group_size=40_000)
    plan = Plan.of([(Need(kind, (name,)), None) for name in columns for kind in ("moments", "distinct", "frequent", "quantiles")])
    seen: list[int] = []
    found = [run(plan, assay.source(tmp_path), workers=workers, progress=seen.append) for workers in (1, 2, 5, 8)]
    assert sum(seen) == 4 * 2 * n
    assert {each.rows for each in found} == {2 * n}
    assert len({each.dump() for each in found}) == 1


def test_an_error_in_one_strip_ends_the_pass(tmp_path):
    n = 150_000
    columns = {f"x{place}": np.arange(float(n)) for place in range(8)}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet", compression="none", use_dictionary=False)
    whole = (tmp_path / "a.parquet").read_bytes()
    middle = len(whole) // 2
    (tmp_path / "a.parquet").write_bytes(whole[:middle] + b"\xff" * 200_000 + whole[middle + 200_000 :])
    with pytest.raises(DataError):
        run(Plan.of([(Need("moments", (name,)), None) for name in columns]), assay.source(tmp_path / "a.parquet"), workers=2)


@pytest.mark.parametrize("roles", [{}, {"weight": "w"}, {"entity": "who"}])
def test_slices_counted_in_one_array_are_those_of_a_pass_over_each(table, model, roles):
    """Crossed slices, some only in later batches, rows without a label, and a condition that leaves most rows out."""
    need = dataclasses.replace(CONFUSION, options=(("classes", 2), ("grouped", bool(roles))))
    for text in ("city * age", "age > 80"):
        data = assay.source(table, label="y", **roles)
        cut = slicing(text, data.schema)
        profile = run(Plan.of([(need, cut)]), data, {"model": model}, target=TARGET)
        keys = profile.slices(need.cut(cut.text))
        assert len(keys) == (3 * 72 if "*" in text else 1)
        for key in keys[::40]:
            where = " and ".join(f"{name} == {value!r}" for name, value in key) if "*" in text else text
            one = run(Plan.of([(need, None)]), assay.source(table, label="y", where=where, **roles), {"model": model}, target=TARGET)
            found = profile[key, need.cut(cut.text)]
            assert found.n == one[(), need].n
            if "entity" in roles or not roles:
                np.testing.assert_allclose(found.counts, one[(), need].counts, rtol=1e-12)
            np.testing.assert_allclose(found.total, one[(), need].total, rtol=1e-12)


def test_what_comes_later_is_what_a_second_pass_gives(table):
    """Histograms on edges of the quantiles: held numbers, and a pass over the data where there is no room to hold them."""
    from assay.engine import local
    from assay.metric.column import need

    def later(column, summaries):
        made = need("histogram", column, {"quantiles": summaries[Need("quantiles", (column,))]})
        return [made] if made else []

    first = [Need("quantiles", (name,)) for name in ("x", "age")]
    found = run(Plan.of([(each, None) for each in first]), assay.source(table), later=later)
    for name, each in zip(("x", "age"), first, strict=True):
        (made,) = later(name, {each: found[(), each]})
        again = run(Plan.of([(made, None)]), assay.source(table))
        assert found[(), made] == again[(), made]
    held, local._HELD = local._HELD, 1000
    try:
        small = run(Plan.of([(each, None) for each in first]), assay.source(table), later=later)
    finally:
        local._HELD = held
    assert small == found
