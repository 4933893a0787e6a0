"""A profile says of each column what Polars says, and shows no value of what names people."""

from __future__ import annotations

import json
import math

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import assay
from assay.errors import AssayError, ConfigError
from assay.result import Run, Value
from tests.verbs.contents import png


@pytest.fixture(scope="module")
def table() -> pa.Table:
    rng = np.random.default_rng(5)
    n = 3_000
    age = np.where(rng.random(n) < 0.1, np.nan, np.round(rng.normal(40, 12, n)))
    return pa.table({
        "age": pa.array(age, from_pandas=True), "city": pa.array(rng.choice(["Oslo", "Rome", "Bern", None], n, p=[0.5, 0.3, 0.1, 0.1])),
        "who": [f"person-{each}" for each in range(n)], "sex": rng.choice(["f", "m"], n), "number": np.arange(n),
        "note": [f"the parcel {each} came late and wet, and nobody was at home to take it in" for each in range(n)],
        "day": pa.array(rng.integers(0, 30, n).astype("datetime64[D]")), "nothing": pa.nulls(n),
    })


def by_name(run: Run) -> dict[tuple[str | None, str], Value]:
    return {(each.column, each.name): each for each in run.values}


def test_numbers_are_those_of_polars(table: pa.Table) -> None:
    found = by_name(assay.profile(table))
    age = pl.from_arrow(table)["age"]
    naive = {"missing": age.null_count() / len(age), "distinct": age.drop_nulls().n_unique(), "mean": age.mean(), "deviation": age.std(),
             "least": age.min(), "greatest": age.max(), "quantile(q=0.5)": age.quantile(0.5, "higher")}
    for name, number in naive.items():
        assert found["age", name].value == pytest.approx(number, rel=1e-12), name
    assert found["nothing", "missing"].value == 1
    assert found["city", "distinct"].value == 3
    assert found["city", "missing"].value == pytest.approx(table["city"].null_count / 3_000)
    low, high = found["age", "mean"].low, found["age", "mean"].high
    assert low is not None
    assert high is not None
    assert low < naive["mean"] < high


def test_values_come_column_by_column_in_the_order_of_the_file(table: pa.Table) -> None:
    columns = [each.column for each in assay.profile(table).values]
    assert list(dict.fromkeys(columns)) == table.schema.names
    assert columns == sorted(columns, key=table.schema.names.index)


def test_a_column_that_moved_is_told_from_those_that_did_not(table: pa.Table) -> None:
    moved = table.set_column(0, "age", pa.array(np.asarray(table["age"].to_numpy()) + 10, from_pandas=True))
    found = by_name(assay.profile(moved, reference=table))
    assert found["age", "psi"].value > 0.3
    assert found["age", "wasserstein"].value == pytest.approx(10 / found["age", "deviation"].value, rel=0.02)
    assert found["city", "psi"].value == found["city", "jensen_shannon"].value == 0
    assert found["age", "psi"].against == "reference"


def test_distances_are_those_that_a_check_measures(table: pa.Table) -> None:
    now = table.slice(1_000)
    run = assay.check(None, now, reference=table, checks=["psi of age, city <= 1", "wasserstein of age <= 1"])
    mine = by_name(assay.profile(now, reference=table))
    for each in run.values:
        assert mine[each.column, each.metric].value == each.value


def test_no_value_of_people_or_of_free_text_leaves(table: pa.Table) -> None:
    run = assay.profile(table, reference=table, id="number", entity="who", protected=["sex"])
    text = json.dumps(run.to_json())
    assert "person-" not in text
    assert "parcel" not in text
    assert '"f"' not in text
    shown = {name for column, name in by_name(run) if column == "number"}
    assert shown == {"missing", "distinct"}
    assert {name for column, name in by_name(run) if column == "sex"} == {"missing", "distinct", "psi", "jensen_shannon"}
    assert [each.column for each in run.figures] == ["city"]


def test_frequent_values_are_counted_and_rare_ones_are_not_shown() -> None:
    run = assay.profile(pa.table({"c": ["a"] * 60 + ["b"] * 30 + ["rare"] * 4 + [None] * 6}))
    (figure,) = run.figures
    assert figure.table["value"] == ("a", "b")
    assert figure.table["current"] == (0.6, 0.3)
    assert figure.table["rows"] == (60, 30)


def test_what_cannot_be_compared_is_said(table: pa.Table) -> None:
    other = table.drop_columns(["city"]).append_column("more", pa.array(np.arange(3_000)))
    other = other.set_column(0, "age", pa.array(["old"] * 3_000))
    run = assay.profile(table, reference=other)
    assert "only in the reference: 'more'" in run.notes
    assert "not in the reference: 'city'" in run.notes
    assert any("'age' is double and was" in each for each in run.notes)
    assert ("age", "psi") not in by_name(run)
    assert ("age", "mean") in by_name(run)


def test_a_run_of_nothing_judged_passes_and_comes_back_from_json(table: pa.Table) -> None:
    run = assay.profile(table)
    assert (run.verb, run.exit_code, run.verdicts) == ("profile", 0, ())
    again = Run.from_json(json.loads(json.dumps(run.to_json())))
    assert again.values == run.values


def test_wide_tables_are_those_of_narrow_ones() -> None:
    """Three hundred columns are read in strips by threads; twenty are not."""
    rng = np.random.default_rng(1)
    wide = pa.table({f"x{place}": rng.normal(place, 1, 500) for place in range(300)})
    then = pa.table({f"x{place}": rng.normal(place, 1, 400) for place in range(300)})
    found = by_name(assay.profile(wide, reference=then))
    for names in ([f"x{place}" for place in range(start, start + 20)] for start in (0, 140, 280)):
        few = by_name(assay.profile(wide.select(names), reference=then.select(names)))
        for place, value in few.items():
            assert found[place] == value


def test_only_what_is_asked_is_measured(table: pa.Table) -> None:
    run = assay.profile(table, reference=table, metrics=("missing", "psi"))
    assert {each.metric for each in run.values} == {"missing", "psi"}
    whole = by_name(assay.profile(table, reference=table))
    assert all(whole[place] == value for place, value in by_name(run).items())
    with pytest.raises(AssayError, match="did you mean 'missing'"):
        assay.profile(table, metrics=("mising",))
    with pytest.raises(ConfigError, match="there is none"):
        assay.profile(table, metrics=("psi",))


def test_misspelt_roles_and_missing_files_are_told(table: pa.Table) -> None:
    with pytest.raises(ConfigError, match="did you mean 'protected'"):
        assay.profile(table, protect=["sex"])
    with pytest.raises(AssayError, match=r"none\.parquet"):
        assay.profile("none.parquet")
    with pytest.raises(AssayError, match="no row"):
        assay.profile(table.slice(0, 0))


def test_names_of_rows_have_no_frequent_values() -> None:
    """More names than are counted, each once: none is frequent, and none is shown."""
    run = assay.profile(pa.table({"tail": [f"N{each}" for each in range(20_000)], "few": ["a", "b"] * 10_000}))
    assert [each.column for each in run.figures] == ["few"]
    assert "N1999" not in json.dumps(run.to_json())


def test_infinite_and_empty_numbers_have_no_mean() -> None:
    found = by_name(assay.profile(pa.table({"x": [math.inf] * 3, "y": pa.array([None] * 3, pa.float64())})))
    assert found["x", "mean"].value is None
    assert found["y", "missing"].value == 1


def test_images_are_described_by_what_is_derived_of_them_and_compared() -> None:
    def files(light: float) -> list[bytes]:
        return [png(np.full((8, 8), light * place / 30)) for place in range(30)]

    column = pa.array([*files(1.0), b"no image", None], pa.binary())
    found = by_name(assay.profile(pa.table({"photo": column, "size": range(32)}), reference=pa.table({"photo": files(0.5), "size": range(30)})))
    assert list(dict.fromkeys(name for name, _ in found)) == [
        "photo", "width of photo", "height of photo", "brightness of photo", "contrast of photo", "size"]
    assert found["brightness of photo", "missing"].value == pytest.approx(2 / 32)
    assert found["photo", "missing"].value == pytest.approx(1 / 32)
    assert found["brightness of photo", "mean"].value == pytest.approx(np.mean([int(255 * place / 30) / 255 for place in range(30)]), abs=1e-3)
    assert found["brightness of photo", "wasserstein"].value > 1   # twice as bright
    assert found["width of photo", "psi"].value < 0.1   # what is missing is a category of its own


def test_no_more_values_are_different_than_there_are() -> None:
    for seed in range(3):   # an estimate of 2.2 %: half of these would lie above
        numbers = np.random.default_rng(seed).normal(size=3_000)
        found = by_name(assay.profile(pa.table({"x": numbers}), metrics=["distinct"]))["x", "distinct"]
        assert 2_700 < found.value <= 3_000
        assert found.high is not None
        assert found.high <= 3_000
