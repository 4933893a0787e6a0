from __future__ import annotations

import pickle

import pyarrow as pa
import pytest

from assay.data.schema import ROLES, Schema, family
from assay.errors import ColumnTypeError, ConfigError, DataError, UnknownColumnError, UnknownNameError

ARROW = pa.schema({"age": pa.int64(), "race": pa.string(), "zip": pa.string(), "y": pa.bool_(), "z": pa.int8(),
    "t": pa.timestamp("s"), "who": pa.int64(),
                   "w": pa.float32(), "p": pa.string(), "p1": pa.float64(), "p0": pa.float64(),
                       "tags": pa.list_(pa.string()), "später": pa.date32()})


def test_roles_are_as_they_were_given() -> None:
    schema = Schema.of(ARROW, {"label": ["z", "y"], "score": ["p1", "p0"], "prediction": "p", "protected": ["race"], "forbidden": ["zip"],
                               "timestamp": "t", "id": "who", "entity": "who", "weight": "w", "available_at": {"age": "später"}})
    assert schema.labels == ("z", "y")
    assert schema.label is None
    assert schema.score == ("p1", "p0")
    assert (schema.prediction, schema.timestamp, schema.id, schema.entity, schema.query, schema.horizon, schema.weight) == (
        "p", "t", "who", "who", None, None, "w")
    assert schema.features == ("age", "race")
    assert (schema.protected, schema.forbidden, schema.ignored) == (("race",), ("zip",), ("tags",))
    assert schema.available_at == {"age": "später"}
    assert schema["race"].roles == {"protected", "feature"}
    assert schema["später"].roles == {"available_at"}
    assert [each.name for each in schema] == ARROW.names
    assert len(schema) == 13
    assert "age" in schema
    assert "agee" not in schema
    assert schema.arrow == ARROW
    assert Schema.of(ARROW, schema.roles) == schema == pickle.loads(pickle.dumps(schema))
    assert hash(schema) == hash(pickle.loads(pickle.dumps(schema)))
    assert set().union(*(each.roles for each in schema)) <= set(ROLES)


def test_a_forbidden_protected_column_is_no_feature() -> None:
    schema = Schema.of(ARROW, {"protected": "race", "forbidden": "race"})
    assert "race" not in schema.features
    assert schema["race"].roles == {"protected", "forbidden"}
    assert Schema.of(ARROW, {"protected": "tags"})["tags"].roles == {"protected", "ignored"}
    assert Schema.of(ARROW, {"timestamp": "t", "available_at": {"age": "t"}})["t"].roles == {"timestamp", "available_at"}


def test_named_features_leave_the_rest_out() -> None:
    schema = Schema.of(ARROW, {"feature": ["age"], "label": "y", "protected": "race"})
    assert schema.features == ("age", "race")
    assert "zip" in schema.ignored


@pytest.mark.parametrize(("roles", "error", "words"), [
    ({"label": "yy"}, UnknownColumnError, "no column 'yy'"), ({"available_at": {"agee": "t"}}, UnknownColumnError, "did you mean 'age'"),
    ({"available_at": {"age": "tt"}}, UnknownColumnError, "no column 'tt'"),
    ({"label": "y", "id": "y"}, ConfigError, "'y' is named as label and as id"),
    ({"label": "y", "protected": "y"}, ConfigError, "as label and as protected"),
    ({"label": "y", "feature": "y"}, ConfigError, "as feature and as label"),
    ({"label": "y", "prediction": "y"}, ConfigError, "as label and as prediction"),
    ({"ignored": "age", "protected": "age"}, ConfigError, "protected and as ignored"),
    ({"id": ["who", "age"]}, ConfigError, "names 2 columns: 'who', 'age'; expected one"),
    ({"label": ["y", "y"]}, ConfigError, "more than once"),
    ({"label": 5}, ConfigError, "given as int"), ({"available_at": "t"}, ConfigError, "does not map"),
    ({"lable": "y"}, UnknownNameError, "did you mean 'label'"),
    ({"weight": "race"}, ColumnTypeError, "'race' is of type string and cannot be the weight; expected numbers"),
    ({"weight": "y"}, ColumnTypeError, "bool"),
    ({"score": "race"}, ColumnTypeError, "cannot be the score"),
    ({"timestamp": "age"}, ColumnTypeError, r"types=\{'age': 'timestamp\[us\]'\}"),
    ({"timestamp": "race"}, ColumnTypeError, "expected a date or a timestamp; hint: convert it"),
    ({"available_at": {"age": "race"}}, ColumnTypeError, "available_at"),
    ({"timestamp": "p1"}, ColumnTypeError, "expected a date or a timestamp$"), ({"label": "tags"}, ColumnTypeError, "not lists or structs"),
    ({"id": "tags"}, ColumnTypeError, "plain values"), ({"horizon": "race"}, ColumnTypeError, "a number, a duration or a time"),
])
def test_roles_that_cannot_be_are_told(roles: dict, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        Schema.of(ARROW, roles, where="test.parquet")
    assert "test.parquet" in str(caught.value)


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(DataError, match="more than one column called 'a', 'b'"):
        Schema.of(pa.schema([("a", pa.int8()), ("b", pa.int8()), ("a", pa.int8()), ("b", pa.int8())]), {})
    with pytest.raises(UnknownColumnError, match=r"x.csv: there is no column 'ag'.*did you mean 'age'"):
        Schema.of(ARROW, {}, where="x.csv")["ag"]


@pytest.mark.parametrize(("kind", "name"), [
    (pa.uint64(), "integer"), (pa.float16(), "fraction"), (pa.decimal128(5), "fraction"), (pa.large_string(), "text"),
    (pa.string_view(), "text"),
    (pa.dictionary(pa.int8(), pa.string()), "text"), (pa.dictionary(pa.int8(), pa.int64()), "integer"),
    (pa.bool_(), "boolean"), (pa.date64(), "date"),
    (pa.timestamp("ns", "UTC"), "timestamp"), (pa.duration("s"), "duration"), (pa.time64("ns"), "time of day"),
    (pa.list_(pa.int8()), "nested"),
    (pa.struct({"a": pa.int8()}), "nested"), (pa.binary(), "bytes"), (pa.null(), "missing"),
])
def test_families(kind: pa.DataType, name: str) -> None:
    assert family(kind) == name


def test_an_index_that_pandas_wrote_is_no_feature() -> None:
    schema = Schema.of(pa.schema({"x": pa.int64(), "__index_level_0__": pa.int64()}), {})
    assert schema.features == ("x",)
    assert Schema.of(schema.arrow, {"id": "__index_level_0__"}).id == "__index_level_0__"
