"""Broken data are found at once and said in words; what is merely unusual is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from assay.monitor import fault, reading
from assay.monitor.fault import Fault, Record
from assay.monitor.reading import Seen, Table
from assay.summary.distinct import Distinct
from assay.summary.frequent import Frequent
from assay.summary.moments import Moments
from assay.summary.quantiles import Quantiles

Columns = dict[str, np.ndarray]


def table(columns: Columns, *, types: dict[str, str] | None = None, keys: int | None = None) -> Table:
    found = {}
    for name, values in columns.items():
        number = values.dtype.kind in "fi"
        some = [Moments(), Quantiles()] if number else [Moments(), Frequent(), Distinct()]
        for each in some:
            each.update(values)
        found[name] = {each.kind: each for each in some}
    size = len(next(iter(columns.values())))
    return Table("feed", size, found, types or {name: "number" if values.dtype.kind in "fi" else "text" for name, values in columns.items()}, keys)


def day(seed: int, rows: int = 1_000) -> Columns:
    rng = np.random.default_rng(seed)
    amount = np.abs(rng.normal(50, 10, rows))
    amount[rng.random(rows) < 0.01] = np.nan
    return {"amount": amount, "count": rng.poisson(3, rows).astype(float), "city": rng.choice(["Rome", "Oslo", "New York"], rows).astype(object)}


@pytest.fixture(scope="module")
def known() -> tuple[Record, dict[tuple[str, str], Seen]]:
    record, reference = Record(), {}
    for at in range(60):
        tables = [table(day(at))]
        _, facts = reading.read(reference, tables)
        assert fault.faults(record, tables, facts, phase=(at % 7,)) == ()
        record = fault.learned(record, tables, facts, phase=(at % 7,))
        reference = reading.learned(reference, tables)
    return record, reference


def found(known: tuple[Record, dict[tuple[str, str], Seen]], tables: list[Table], phase: int = 4, **options: object) -> tuple[Fault, ...]:
    record, reference = known
    _, facts = reading.read(reference, tables)
    return fault.faults(record, tables, facts, phase=(phase,), **options)  # type: ignore[arg-type]


def changed(column: str, change: Callable[[np.ndarray], np.ndarray], seed: int = 99) -> Table:
    columns = day(seed)
    return table({**columns, column: change(columns[column])})


def some(share: float, value: object) -> Callable[[np.ndarray], np.ndarray]:
    def change(values: np.ndarray) -> np.ndarray:
        out = values.copy()
        out[np.random.default_rng(1).random(len(values)) < share] = value
        return out

    return change


CASES: list[tuple[str, str, Callable[[np.ndarray], np.ndarray]]] = [
    ("all missing", "amount", lambda values: np.full(len(values), np.nan)),
    ("missing", "amount", some(0.5, np.nan)), ("missing", "amount", some(0.06, np.nan)),
    ("constant", "amount", lambda values: np.full(len(values), 50.0)), ("constant", "city", lambda values: np.full(len(values), "Rome", object)),
    ("far outside", "amount", lambda values: np.where(np.arange(len(values)) % 50 == 0, values * 1000, values)),
    ("unit", "amount", lambda values: values * 1000), ("unit", "amount", lambda values: values * 0.45359),
    ("sign", "amount", lambda values: -values),
    ("spelling", "city", lambda values: np.where(np.arange(len(values)) % 20 == 0, np.char.upper(values.astype(str)), values).astype(object)),
    ("renamed", "city", lambda values: np.where(values == "Rome", "Roma", values).astype(object)),
    ("unseen", "city", some(0.1, "Paris")),
]


@pytest.mark.parametrize(("rule", "column", "change"), CASES, ids=[f"{rule} {at}" for at, (rule, *_) in enumerate(CASES)])
def test_a_broken_column_is_named_with_what_is_wrong(known: tuple[Record, dict], rule: str, column: str, change: Callable) -> None:
    spoken = found(known, [changed(column, change)])
    assert [(each.rule, each.column) for each in spoken] == [(rule, column)]
    assert len(spoken[0].words) > 10
    assert spoken[0].hint


def _recorded(days: list[Table]) -> tuple[Record, dict[tuple[str, str], Seen]]:
    record, reference = Record(), {}
    for at, each in enumerate(days):
        _, facts = reading.read(reference, [each])
        record = fault.learned(record, [each], facts, phase=(at % 7,))
        reference = reading.learned(reference, [each])
    return record, reference


def test_an_hour_that_moved_is_no_unit() -> None:
    def hours(seed: int, late: float) -> Table:
        rng = np.random.default_rng(seed)
        part = np.where(rng.random(800) < late, rng.integers(13, 23, 800), rng.integers(5, 12, 800))
        return table({"hour": part.astype(float), "away": rng.normal(100, 30, 800)})

    known_ = _recorded([hours(seed, 0.58) for seed in range(60)])
    # its median falls to six tenths, as kilometres would to miles; the early and late hours stay where they are
    assert found(known_, [hours(99, 0.45)]) == ()
    rng = np.random.default_rng(97)
    hour = np.where(rng.random(800) < 0.58, rng.integers(13, 23, 800), rng.integers(5, 12, 800)) / 1.60934
    spoken = found(known_, [table({"hour": hour, "away": rng.normal(100, 30, 800)})])
    assert [(each.rule, each.column) for each in spoken] == [("unit", "hour")]


def _joined(seed: int, extra: float = 0.0, share: float | None = None) -> Table:
    """Columns of a joined source lack the same values, more on some days than on others."""
    rng = np.random.default_rng(seed)
    gone = rng.random(1_000) < (rng.uniform(0.05, 0.25) if share is None else share)
    columns = {name: np.where(gone, np.nan, rng.normal(size=1_000)) for name in ("one", "two", "three")}
    columns["one"] = np.where(rng.random(1_000) < extra, np.nan, columns["one"])
    return table(columns)


def test_a_column_that_loses_values_alone_is_told_from_a_bad_day_of_its_source() -> None:
    known_ = _recorded([_joined(seed) for seed in range(60)])
    (spoken,) = found(known_, [_joined(99, extra=0.06, share=0.15)])
    assert (spoken.rule, spoken.column) == ("missing", "one")
    assert "more missing than of" in spoken.words
    for seed in range(100, 110):
        assert found(known_, [_joined(seed)]) == ()
    # where the others were mended, none of them broke; and what a person calls ordinary is forgotten
    assert found(known_, [_joined(98, share=0.0)]) == ()
    record, reference = known_
    _, facts = reading.read(reference, [_joined(99, extra=0.06, share=0.15)])
    calm = fault.taken(record.columns["feed", "one"], facts["feed", "one"], settled=True)
    assert found((replace(record, columns={**record.columns, ("feed", "one"): calm}), reference), [_joined(97, extra=0.06, share=0.15)]) == ()


def test_rows_are_due_as_lately_though_there_were_fewer_once() -> None:
    def sized(seed: int, rows: int) -> Table:
        return table({"amount": np.random.default_rng(seed).normal(size=rows)})

    known_ = _recorded([sized(seed, 600 if seed < 7 else 1_000 + seed % 7) for seed in range(70)])
    (spoken,) = found(known_, [sized(99, 700)], phase=0)
    assert spoken.rule == "rows lost"
    assert "of what was due" in spoken.words
    assert found(known_, [sized(98, 960)], phase=0) == ()
    again = Record.from_json(json.loads(json.dumps(known_[0].to_json())))
    assert again == known_[0]


@pytest.mark.parametrize("seed", range(100, 130))
def test_an_ordinary_window_is_not_broken(known: tuple[Record, dict], seed: int) -> None:
    assert found(known, [table(day(seed))]) == ()


def test_a_table_that_is_not_there_or_empty_brought_no_rows(known: tuple[Record, dict]) -> None:
    assert [each.rule for each in found(known, [])] == ["no rows"]
    assert [each.rule for each in found(known, [Table("feed", 0, {})])] == ["no rows"]


def test_a_column_of_one_odd_delivery_is_not_missed(known: tuple[Record, dict]) -> None:
    record, reference = known
    odd = [table({**day(99), "cuont": day(99)["count"]})]
    _, facts = reading.read(reference, odd)
    once = fault.learned(record, odd, facts, phase=(4,))
    assert ("feed", "cuont") in once.columns
    assert found((once, reference), [table(day(100))]) == ()
    for _ in range(2):
        once = fault.learned(once, odd, facts, phase=(4,))
    assert [each.rule for each in found((once, reference), [table(day(100))])] == ["column gone"]


def test_a_column_that_is_not_there_is_gone(known: tuple[Record, dict]) -> None:
    columns = day(99)
    del columns["count"]
    assert [(each.rule, each.column, each.catastrophe) for each in found(known, [table(columns)])] == [("column gone", "count", True)]


def test_a_type_that_changed_is_said_with_both_types(known: tuple[Record, dict]) -> None:
    columns = day(99)
    columns["count"] = columns["count"].astype(str).astype(object)
    spoken = found(known, [table(columns)])
    assert [(each.rule, each.words) for each in spoken] == [("type changed", "was number, is text")]


def test_the_same_file_again_is_stale_in_any_order_of_rows(known: tuple[Record, dict]) -> None:
    columns = day(59)
    order = np.random.default_rng(0).permutation(1_000)
    spoken = found(known, [table({name: values[order] for name, values in columns.items()})])
    assert [each.rule for each in spoken] == ["stale"]
    assert "the window before" in spoken[0].words


def test_fewer_and_more_rows_than_ever_on_that_weekday(known: tuple[Record, dict]) -> None:
    assert [each.rule for each in found(known, [table(day(99, 700))])] == ["rows lost"]
    assert [each.rule for each in found(known, [table(day(99, 2_000))])] == ["rows added"]
    assert found(known, [table(day(99, 700))], resting=["feed"]) == ()
    assert found(known, [table(day(99, 700), keys=50)]) == ()  # the rows of a joined source are another's


def test_a_young_record_holds_only_catastrophes() -> None:
    record, reference = Record(), {}
    for at in range(10):
        tables = [table(day(at))]
        _, facts = reading.read(reference, tables)
        record, reference = fault.learned(record, tables, facts), reading.learned(reference, tables)
    half, whole = changed("amount", some(0.5, np.nan)), changed("amount", lambda values: np.full(len(values), np.nan))
    assert found((record, reference), [half]) == ()
    assert [each.rule for each in found((record, reference), [whole])] == ["all missing"]


def test_one_bad_day_while_learning_does_not_set_the_record() -> None:
    record, reference = Record(), {}
    for at in range(60):
        tables = [changed("amount", some(0.4, np.nan), at)] if at == 10 else [table(day(at))]
        _, facts = reading.read(reference, tables)
        record, reference = fault.learned(record, tables, facts), reading.learned(reference, tables)
    assert [each.rule for each in found((record, reference), [changed("amount", some(0.1, np.nan))])] == ["missing"]


def test_a_leak_does_not_set_its_own_record(known: tuple[Record, dict]) -> None:
    record, reference = known
    for at in range(12):
        tables = [changed("amount", some(0.006 * (at + 1), np.nan), 200 + at)]
        if found((record, reference), tables):
            break
        _, facts = reading.read(reference, tables)
        record, reference = fault.learned(record, tables, facts), reading.learned(reference, tables)
    assert 2 <= at <= 9


def test_a_record_survives_json(known: tuple[Record, dict]) -> None:
    import json

    record, _ = known
    assert Record.from_json(json.loads(json.dumps(record.to_json()))) == record
    empty = replace(record, columns={("feed", "new"): fault.Column()})
    assert Record.from_json(json.loads(json.dumps(empty.to_json()))) == empty


def test_nothing_known_nothing_broken() -> None:
    assert found((Record(), {}), [table(day(0))]) == ()
