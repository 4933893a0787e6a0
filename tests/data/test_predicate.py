from __future__ import annotations

import contextlib
import datetime as dt
import operator
import pickle

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from assay.data.predicate import MAX_DEPTH, Predicate, parse, quoted
from assay.data.schema import Schema
from assay.errors import ColumnTypeError, ConfigError, ExpressionError
from tests.strategies.data import columns, kinds, names

SCHEMA = Schema.of(pa.schema({
    "age": pa.int64(), "small": pa.int8(), "big": pa.uint64(), "x": pa.float64(), "half": pa.float32(), "region": pa.string(),
    "coded": pa.dictionary(pa.int32(), pa.string()), "late": pa.bool_(), "day": pa.date32(), "time": pa.timestamp("us"),
    "zoned": pa.timestamp("s", "America/New_York"), "clock": pa.time64("us"), "nothing": pa.null(), "tags": pa.list_(pa.string()),
    "hours per week": pa.int64(), "capital-gain": pa.int64(), "größe": pa.float64(), "and": pa.int64(), "a`b": pa.int64()}), {})
OPERATORS = {"==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


# a condition as nested tuples, its text, and what it means row by row -----------------------------------------------------------


def written(tree: tuple) -> str:
    word = tree[0]
    if word in ("and", "or"):
        return "(" + f" {word} ".join(map(written, tree[1])) + ")"
    if word == "not":
        return f"not {written(tree[1])}"
    name, values = quoted(tree[1]), tree[2]
    if word == "null":
        return f"{name} is {'not ' * tree[3]}null"
    if word == "in":
        return f"{name} {'not ' * tree[3]}in ({', '.join(map(literal, values))})"
    if word == "between":
        return f"{name} {'not ' * tree[3]}between {literal(values[0])} and {literal(values[1])}"
    return f"{name} {word} {literal(values[0])}"


def literal(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dt.datetime | dt.date):
        return f"'{value.isoformat()}'"
    if isinstance(value, str):
        return '"' + "".join(f"\\{each}" if each in "\\\"'" else each for each in value) + '"'
    return repr(value)


def meaning(tree: tuple, row: dict) -> bool | None:
    """The three-valued logic of SQL, one row at a time."""
    word = tree[0]
    if word in ("and", "or"):
        found = [meaning(each, row) for each in tree[1]]
        short = word == "or"
        return short if short in found else None if None in found else not short
    if word == "not":
        found = meaning(tree[1], row)
        return None if found is None else not found
    value = row[tree[1]]
    unknown = value is None or value != value
    if word == "null":
        return unknown != tree[3]
    if unknown:
        return None
    if word == "in":
        return any(value == each for each in tree[2]) != tree[3]
    if word == "between":
        return (tree[2][0] <= value <= tree[2][1]) != tree[3]
    return bool(OPERATORS[word](value, tree[2][0]))


@st.composite
def conditions(draw: st.DrawFn, arrow: pa.Schema, rows: dict[str, list], depth: int = 3) -> tuple:
    word = draw(st.sampled_from(["and", "or", "not", "test", "test"])) if depth else "test"
    if word in ("and", "or"):
        return word, tuple(draw(st.lists(conditions(arrow, rows, depth - 1), min_size=2, max_size=3)))
    if word == "not":
        return word, draw(conditions(arrow, rows, depth - 1))
    name = draw(st.sampled_from(arrow.names))
    kind = next(key for key, (type_, _) in kinds.items() if type_ == arrow.field(name).type or (
        key == "text" and pa.types.is_dictionary(arrow.field(name).type)))
    there = [each for each in rows[name] if each is not None and each == each and each not in (float("inf"), float("-inf"))]
    values = kinds[kind][1]
    if kind in ("int", "small"):
        values = values | st.floats(-1e300, 1e300) | st.integers(-(10**25), 10**25)
    values = values.filter(lambda each: each not in (float("inf"), float("-inf"))) if kind == "float" else values
    value = (st.sampled_from(there) | values) if there else values
    plain = ["==", "!=", "in", "null"] + ([] if kind == "bool" else ["<", "<=", ">", ">=", "between"])
    test = draw(st.sampled_from(plain))
    count = {"null": (0, 0), "in": (1, 4), "between": (2, 2)}.get(test, (1, 1))
    return test, name, tuple(draw(st.lists(value, min_size=count[0], max_size=count[1]))), test in ("null", "in",
        "between") and draw(st.booleans())


@given(st.data())
def test_masks_are_what_rows_say(data: st.DataObject) -> None:
    size = data.draw(st.integers(0, 8))
    chosen = data.draw(st.lists(names, min_size=1, max_size=3, unique=True))
    table = {name: data.draw(columns(size, data.draw(st.sampled_from(tuple(kinds))))) for name in chosen}
    for name, column in table.items():
        if pa.types.is_string(column.type) and data.draw(st.booleans()):
            table[name] = column.dictionary_encode()
    batch = pa.record_batch(table)
    rows = {name: column.to_pylist() for name, column in table.items()}
    tree = data.draw(conditions(batch.schema, rows))
    found = parse(written(tree), Schema.of(batch.schema, {}))
    expected = [meaning(tree, {name: rows[name][place] for name in rows}) is True for place in range(size)]
    assert found.mask(batch).tolist() == expected, found.text
    again = parse(found.text, Schema.of(batch.schema, {}))
    assert again.text == found.text
    assert again == found
    assert pickle.loads(pickle.dumps(found)) == found
    assert set(found.columns) <= set(chosen)


@pytest.mark.parametrize(("text", "canonical"), [
    ("age<25", "age < 25"), ("age = 25", "age == 25"), ("age <> -1", "age != -1"), ("25 > age", "age < 25"),
    ("age in (3,1,3)", "age in (3, 1)"),
    ("((age < 25))", "age < 25"), ("age < 1 or age < 2 and age < 3", "age < 1 or age < 2 and age < 3"),
    ("(age < 1 or age < 2) and age < 3", "(age < 1 or age < 2) and age < 3"),
    ("age < 1 AND (age < 2 AND age < 3)", "age < 1 and age < 2 and age < 3"),
    ("not not late == true", "not not late == true"), ("Not (age < 1 or x > 2.50)", "not (age < 1 or x > 2.5)"),
    ("region IS NOT NULL", "region is not null"), ("`hours per week` not between 1 and 2", "`hours per week` not between 1 and 2"),
    ('region == "it\'s"', r"region == 'it\'s'"), (r"region == 'a\\b\n\u00e9'", "region == 'a\\\\b\\né'"), ("größe > .5", "größe > 0.5"),
    ("`and` == 1", "`and` == 1"), ("`a``b` == 1", "`a``b` == 1"), ("x > 1e22", "x > 1e+22"), ("day == '2026-01-31'", "day == '2026-01-31'"),
])
def test_the_canonical_text(text: str, canonical: str) -> None:
    assert parse(text, SCHEMA).text == canonical
    assert parse(canonical, SCHEMA).text == canonical


@pytest.mark.parametrize(("text", "position", "words"), [
    ("", 0, "ends too early; expected a column name"), ("age <", 5, "ends too early; expected a value"),
    ("age 25", 4, "expected a comparison"),
    ("agee < 25", 0, "no column 'agee'; hint: did you mean age?"), ("age < 25 and", 12, "ends too early"),
    ("age => 25", 4, "did you mean '>='"),
    ("age < 25 & x > 1", 9, "write 'and'"), ("age < 25 age", 9, "expected 'and', 'or' or the end"),
    ("(age < 25", 9, r"'\)' for the '\(' at column 1"),
    ("region == N", 10, "hint: 'N'"), ("region == 'N", 10, "is a quote not closed"), ("age == null", 7, "write 'is null'"),
    ("capital-gain > 5", 0, "write `capital-gain`"), ("hours per week > 5", 0, "write `hours per week`"),
    ("length of region > 5", 0, "write `length of region`"), ("length of age > 5", 0, "no column 'length'"),
    ("age not 5", 8, "'in' or 'between'"),
    ("age in ()", 8, "expected a value"), ("age in (1 2)", 10, r"',' or '\)'"), ("age between 1 or 2", 14, "'and' between"),
    (r"region == '\x41'", 10, "no escape"), (r"region == '\ud800'", 10, "half a character"), ("age < 1e999", 6, "too large"),
    ("age < " + "9" * 399, 6, "too large"), ("age < " + "9" * 999, 6, "too long"),
    ("__import__('os').system('x')", 0, "no column '__import__'"),
    ("age < 1; drop table", 7, "does not belong"), ("age is 5", 7, "'null'"), ("`age < 5", 0, "is a backtick not closed"),
])
def test_a_mistake_is_shown_in_its_place(text: str, position: int, words: str) -> None:
    with pytest.raises(ExpressionError, match=words) as caught:
        parse(text, SCHEMA)
    assert caught.value.position == position
    assert caught.value.text == text or len(text) > 200


@pytest.mark.parametrize(("text", "words"), [
    ("region < 5", "'region' is string and cannot be compared with the number 5"),
    ("age == '25'", "'age' is int64 .* the text '25'.*without quotes"),
    ("age == true", "'age' is int64 .* true"), ("late < 1", "true or false, with '=='"), ("late == 2", "true or false"),
    ("coded in ('a', 5)", "dictionary.*5"),
    ("day < 5", "expected a date"), ("day < '31.1.2026'", "a date such as '2026-01-31'"),
    ("time == '2026-01-31T00:00+01:00'", "without zone"),
    ("time == 'now'", "expected a time such as"), ("clock > 12", "a time of day"), ("tags == 'a'", "'is null' or 'is not null' only"),
    ("age between 1 and 'x'", "the text 'x'"),
])
def test_values_of_another_kind_are_refused(text: str, words: str) -> None:
    with pytest.raises(ColumnTypeError, match=words):
        parse(text, SCHEMA)


def test_hostile_text_is_refused_quickly() -> None:
    for text in ("(" * 4_999, "not " * 2_400 + "age < 1", "(" * 4_000 + "age < 1" + ")" * 4_000, "not (" * 900):
        with pytest.raises(ExpressionError, match="nested too deeply"):
            parse(text, SCHEMA)
    with pytest.raises(ExpressionError, match="too long"):
        parse("(" * 10_001, SCHEMA)
    with pytest.raises(ConfigError, match="not a int"):
        parse(5, SCHEMA)  # type: ignore[arg-type]
    assert parse("(" * (MAX_DEPTH - 1) + "age < 1" + ")" * (MAX_DEPTH - 1), SCHEMA).text == "age < 1"
    assert len(parse(" and ".join(["age < 1"] * 800), SCHEMA).mask(pa.record_batch({"age": [0, 1]}))) == 2


@given(st.text(max_size=40) | st.lists(st.sampled_from(
    ["age", "region", "(", ")", "and", "or", "not", "in", "is", "null", "between", "<", "==", "1", "'a'", ",", "`", "true",
        "-", "x"]), max_size=12).map(" ".join))
def test_any_text_is_a_condition_or_a_sentence(text: str) -> None:
    found = None
    with contextlib.suppress(ExpressionError, ColumnTypeError):   # and nothing else
        found = parse(text, SCHEMA)
    if found is not None:
        assert parse(found.text, SCHEMA) == found


def test_times_are_read_in_the_zone_of_the_column() -> None:
    moments = [dt.datetime(2026, 3, 8, hour, 30, tzinfo=dt.UTC) for hour in range(4, 10)]   # clocks go forward at 7:00 UTC
    batch = pa.record_batch({"zoned": pa.array(moments, pa.timestamp("s", "America/New_York")),
                             "clock": pa.array([dt.time(hour) for hour in range(6)], pa.time64("us"))})

    def mask(text: str) -> list[bool]:
        return parse(text, SCHEMA).mask(batch).tolist()

    assert mask("zoned < '2026-03-08T03:00'") == [True, True, True, False, False, False]
    assert mask("zoned >= '2026-03-08'") == [False, True, True, True, True, True]
    assert mask("zoned == '2026-03-08T07:30+00:00'") == [False, False, False, True, False, False]
    assert mask("zoned > '2026-03-08T07:29:59.5+00:00'") == [False, False, False, True, True, True]
    assert mask("clock between '01:00' and '02:30'") == [False, True, True, False, False, False]


def test_numbers_keep_their_exactness() -> None:
    batch = pa.record_batch({"age": pa.array([2**53, 2**53 + 1, None]), "big": pa.array([2**64 - 1, 0, None], pa.uint64()),
                             "small": pa.array([-128, 127, None], pa.int8()), "half": pa.array([0.1, np.nan, None], pa.float32())})

    def mask(text: str) -> list[bool]:
        return parse(text, SCHEMA).mask(batch).tolist()

    assert mask("age == 9007199254740993") == [False, True, False]
    assert mask("age > 9007199254740992.0") == [False, True, False]
    assert mask("big == 18446744073709551615") == [True, False, False]
    assert mask("big > -1") == [True, True, False]
    assert mask("small < 1000") == [True, True, False]
    assert mask("small in (1000, 127, 0.5)") == [False, True, False]
    assert mask("small > -1.5") == [False, True, False]
    assert mask("half == 0.1") == [True, False, False]   # the number as a column of this width can hold it
    assert mask("half != 5") == [True, False, False]
    assert mask("half is null") == [False, True, True]
    assert mask("half < 1e300") == [True, False, False]


def test_dictionaries_may_hold_anything_twice() -> None:
    coded = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 3, None], pa.int32()), pa.array(["a", "b", "a", None]))
    batch = pa.record_batch({"coded": coded})
    assert parse("coded == 'a'", SCHEMA).mask(batch).tolist() == [True, False, True, False, False]
    assert parse("coded is null", SCHEMA).mask(batch).tolist() == [False, False, False, True, True]
    assert parse("coded is not null", SCHEMA).mask(batch).tolist() == [True, True, True, False, False]
    assert parse("coded < 'b'", SCHEMA).mask(batch.slice(1, 1)).tolist() == [False]   # a dictionary longer than the rows
    assert parse("nothing == 1 or nothing is null", SCHEMA).mask(pa.record_batch({"nothing": pa.nulls(2)})).tolist() == [True, True]


@given(names)
def test_names_are_found_however_they_are_written(name: str) -> None:
    assume(name)
    schema = Schema.of(pa.schema({name: pa.int64(), "other": pa.int64()}) if name != "other" else pa.schema({name: pa.int64()}), {})
    found = parse(f"{quoted(name)} == 1", schema)
    assert isinstance(found, Predicate)
    assert found.columns == (name,)
