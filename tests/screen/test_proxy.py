from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from assay.model.load import load
from assay.screen.power import Aim, aim
from assay.screen.proxy import _few, forbidden_inputs, proxy_power
from tests.screen.studies import estimates, low, seen, strange, study


def adult(shared) -> pa.Table:
    table = pa.csv.read_csv(shared / "data" / "fairness" / "bba-adult.csv")
    return table.rename_columns([name.strip() for name in table.column_names])


def test_the_proxies_of_real_people_are_found(shared) -> None:
    found = seen(proxy_power, study(adult(shared), target=None, protected=["sex", "race"]))
    assert "sex" not in found
    assert "race" not in found
    spread = found["relationship"].spread   # husbands and wives
    assert spread is not None
    assert spread.estimate > 0.7
    assert found["relationship"].note == "it tells sex"
    best = max((name for name in found if name != "relationship"), key=lambda name: found[name].spread.estimate)  # type: ignore[union-attr]
    assert found[best].spread.estimate < 0.6  # type: ignore[union-attr]


def test_a_copy_of_each_kind_of_column_is_found_and_noise_is_not() -> None:
    rng = np.random.default_rng(0)
    n = 4000
    hidden = {"flag": rng.random(n) < 0.3, "age": rng.normal(40, 10, n), "group": rng.choice(["a", "b", "c"], n), "coded": rng.integers(0, 2, n)}
    for name, values in hidden.items():
        texts = np.array([f"{each}!" for each in values]) if name != "age" else values * 2 + 1
        table = pa.table({name: values, "copy": texts, **{f"noise{place}": rng.normal(size=n) for place in range(20)}})
        for role in ("protected", "forbidden"):
            found = seen(proxy_power, study(table, target=None, **{role: [name]}))
            assert name not in found
            assert low(found["copy"].spread) > 0.95
            assert found["copy"].note == f"it tells {name}"
            assert all(low(each.spread) <= 0.02 for column, each in found.items() if column != "copy")


def test_several_columns_give_the_strongest() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 2, 3000), rng.normal(size=3000)
    table = pa.table({"a": a, "b": b, "x": b + rng.normal(size=3000), "z": a + 0.1 * rng.normal(size=3000)})
    found = seen(proxy_power, study(table, target=None, protected="a", forbidden="b"))
    assert {name: each.note for name, each in found.items()} == {"x": "it tells b", "z": "it tells a"}


def test_nothing_to_protect() -> None:
    assert seen(proxy_power, study(pa.table({"x": [1.0] * 300}), target=None))[None].spread is None


def test_many_groups_are_the_frequent_ones_and_the_rest() -> None:
    values = np.concatenate([np.repeat(np.arange(100), np.arange(100, 0, -1)), [-1]])
    found = _few(Aim("classes", values, values >= 0, 100))
    assert found.width == 50
    assert np.bincount(found.values[:-1]).tolist() == [*range(100, 51, -1), sum(range(52))]
    rng = np.random.default_rng(0)
    place = rng.integers(0, 2000, 6000)
    assert estimates(proxy_power, study(pa.table({"who": place.astype(str), "x": place}), target=None, protected="who"))["x"] < 0.1


def test_forbidden_columns_among_the_inputs() -> None:
    table = pa.table({"x": np.arange(300.0), "race": ["a", "b", "c"] * 100, "sex": ["f", "m", "m"] * 100, "y": [0, 1, 1] * 100})
    model = load(lambda batch: np.zeros(batch.num_rows), task="regression", features=["x", "race", "sex"])
    of = study(table, label="y", forbidden=["race"], protected=["sex"], model=model)
    assert estimates(forbidden_inputs, of) == {"race": 1.0}
    assert seen(forbidden_inputs, of)["race"].note == "the model names it as an input"
    other = load(lambda batch: np.zeros(batch.num_rows), task="regression", features=["x"])
    assert estimates(forbidden_inputs, study(table, label="y", forbidden=["race", "sex"], model=other)) == {"race": 0.0, "sex": 0.0}
    anything = load(lambda batch: np.zeros(batch.num_rows), task="regression")
    assert anything.signature.names is not None or seen(forbidden_inputs, study(table, label="y", forbidden="race", model=anything))["race"].spread is None


@pytest.mark.parametrize("name", list(strange()))
def test_no_table_makes_it_fail(name: str) -> None:
    table = strange()[name]
    for column in table.column_names:
        if column != "y":
            for reading in proxy_power.function(study(table, label="y", protected=column)):
                assert reading.spread is None or 0 <= reading.spread.estimate <= 1
    assert aim(study(table, label="y"), "coded").kind == "binary"
