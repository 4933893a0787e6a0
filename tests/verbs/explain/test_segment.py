"""Segments of models and data: each kind on planted causes, in words, values and pictures; and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import assay
from assay.errors import AssayError, ConfigError
from assay.result import Run

Array = np.ndarray[Any, Any]
ROWS = 6000


def table(seed: int, rows: int = ROWS) -> pa.Table:
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=rows)
    hour = rng.integers(0, 24, rows)
    carrier = rng.choice(["AA", "EV", "UA"], rows)
    late = (rng.random(rows) < 1 / (1 + np.exp(-4 * signal))).astype(int)
    late = np.where((carrier == "EV") & (hour >= 16) & (rng.random(rows) < 0.5), 1 - late, late)
    return pa.table({"signal": signal, "hour": hour, "carrier": carrier, "late": late, "plane": rng.integers(0, rows // 3, rows),
                     "note": [f"the flight was on {each} today and nothing else is known" for each in carrier]})


def score(batch: pa.RecordBatch) -> Array:
    return 1 / (1 + np.exp(-4 * batch.column("signal").to_numpy()))


def asked(data: pa.Table, **options: Any) -> Run:
    options = {"label": "late", "task": "binary", "classes": [0, 1], "features": ["signal"], **options}
    return assay.explain(options.pop("model", score), data, **options)


def planted(run: Run) -> bool:
    return any(all(word in str(each.slice["segment"]) for word in ("carrier == 'EV'", "hour >= 1")) for each in run.values)


def test_where_a_model_is_weak() -> None:
    run = asked(table(0), segments=True)
    assert planted(run)
    assert "from the rest" in run.sentences[0]
    assert "carrier EV, hour 16 or more: error rate" in run.sentences[1] or "carrier EV, hour 15 or more: error rate" in run.sentences[1]
    assert "elsewhere" in run.sentences[1]
    assert "% of all errors" in run.sentences[1]
    inside, difference = run.values[:2]
    assert inside.low is not None
    assert difference.low is not None
    assert difference.low > 0.2
    assert [each.kind for each in run.figures] == ["interval", "tree"]
    assert run.figures[1].table["parent"][:2] == (None, 0)
    assert any("costs about" in each for each in run.notes)
    assert Run.from_json(run.to_json()) == run


def test_a_segment_is_a_predicate_that_other_questions_take() -> None:
    data = table(1)
    where = asked(data, segments="error").values[0].slice["segment"]
    found = assay.check(score, data, label="late", task="binary", classes=[0, 1], features=["signal"], where=str(where),
                        checks=["accuracy <= 0.75"])
    assert found.passed


def test_overfit_is_what_training_rows_do_not_show() -> None:
    train, data = table(2), table(3)
    clean = np.asarray(train["signal"]) > 0
    weak = asked(data, segments="overfit", train=train.set_column(3, "late", pa.array(clean.astype(int))))
    assert planted(weak)
    assert "in the training data" in weak.sentences[0]
    assert not asked(data, segments="overfit", train=train).values   # as bad in training: no gap


def test_drift_is_a_share_that_moved() -> None:
    data, reference = table(4), table(5)
    mask = (np.asarray(reference["carrier"]) == "UA") & (np.asarray(reference["hour"]) < 8)
    kept = reference.filter(pa.array(~mask | (np.random.default_rng(0).random(ROWS) < 0.4)))
    run = asked(data, segments="drift", reference=kept)
    assert "carrier UA" in run.sentences[1]
    assert "times as many" in run.sentences[1]
    assert run.values[1].value == pytest.approx(2.5, rel=0.3)
    assert not asked(data, segments="drift", reference=reference).values


def test_disparity_is_a_gap_between_groups() -> None:
    rng = np.random.default_rng(6)
    data = table(6, 9000)
    group = rng.choice(["a", "b"], 9000, p=[0.6, 0.4])
    signal = np.asarray(data["signal"]) - np.where((group == "b") & (np.asarray(data["hour"]) >= 12), 2.0, 0.0)
    data = data.set_column(0, "signal", pa.array(signal)).append_column("group", pa.array(group))
    run = asked(data, segments="disparity", protected=["group"], positive=1)
    assert "below that of group a" in run.sentences[0]
    assert "hour" in str(run.values[0].slice["segment"])
    assert run.values[1].value is not None
    assert run.values[1].value < -0.2


def test_every_protected_column_has_its_disparity() -> None:
    rng = np.random.default_rng(6)
    data = table(6, 9000)
    first, group, age = rng.choice(["p", "q"], 9000), rng.choice(["a", "b"], 9000, p=[0.6, 0.4]), rng.uniform(20, 70, 9000)
    signal = np.asarray(data["signal"]) - np.where((group == "b") & (np.asarray(data["hour"]) >= 12), 2.0, 0.0)
    data = data.set_column(0, "signal", pa.array(signal))
    for name, each in (("first", first), ("group", group), ("age", age)):
        data = data.append_column(name, pa.array(each))
    run = asked(data, segments="disparity", protected=["first", "group", "age"], positive=1)
    assert sum("; " in each and "segment" in each for each in run.sentences) == 3
    assert {each.metric for each in run.values} == {f"gap in the share decided as 1 by group{end}" for end in ("", " difference")}
    assert "hour" in str(run.values[0].slice["segment"])
    assert "rows searched, age" in run.about
    assert any("at most 1.7 % of what is shown is false" in each for each in run.notes)


def test_a_champion_is_compared_row_by_row() -> None:
    def worse(batch: pa.RecordBatch) -> Array:
        return np.where(np.asarray(batch.column("hour")) < 6, 0.5 - 0.4 * np.sign(np.asarray(batch.column("signal"))), score(batch))

    run = asked(table(7), model=worse, champion=score, features=["signal", "hour"], segments="champion")
    assert "more than the champion's" in run.sentences[0]
    assert [each.slice["segment"] for each in run.values[::2]] == ["hour < 6"]


def test_entities_make_intervals_wider() -> None:
    data = table(8)
    alone, together = asked(data, segments=True), asked(data, segments=True, entity="plane")
    assert planted(together)
    assert planted(alone)
    assert together.values[0].spread is not None
    assert together.values[0].spread.df < ROWS


def test_numbers_and_texts_are_cut_too() -> None:
    rng = np.random.default_rng(9)
    words = np.array(["the", "flight", "was", "late", "again", "and", "nobody", "said", "why", "it", "left", "home"])
    texts = [" ".join(rng.choice(words, int(each))) for each in rng.integers(3, 60, ROWS)]
    long = np.array([len(each) for each in texts]) > 200
    x = rng.normal(size=ROWS)
    data = pa.table({"x": x, "review": texts, "y": x + rng.normal(size=ROWS) * np.where(long, 3.0, 0.5)})
    run = assay.explain(lambda batch: batch.column("x").to_numpy(), data, task="regression", label="y", features=["x", "review"],
                        segments=True)
    assert run.values[0].slice["segment"].startswith("`length of review` >=")   # type: ignore[union-attr]
    assert "absolute error" in run.sentences[0]


def test_nothing_is_found_where_nothing_is() -> None:
    data = table(10)
    run = asked(data.set_column(3, "late", pa.array(np.random.default_rng(0).integers(0, 2, ROWS))), segments=True)
    assert run.values == ()
    assert "no segment of the rows was confirmed" in run.sentences[0]
    assert run.figures == ()


@pytest.mark.parametrize(("options", "message"), [
    ({"segments": "eror"}, "did you mean 'error'"), ({"segments": "overfit"}, "no train data"), ({"segments": "drift"}, "no reference data"),
    ({"segments": "champion"}, "no champion"), ({"segments": "disparity"}, "protected"), ({"segments": True, "tolerance": -1}, "tolerance"),
    ({"tolerance": 0.1}, "tolerance"), ({"segments": True, "label": None}, "errors need labels"),
    ({"segments": True, "row": 1}, "different questions")])
def test_what_cannot_be_asked_is_said(options: dict[str, Any], message: str) -> None:
    with pytest.raises(AssayError, match=message):
        asked(table(0, 200), **options)


def test_logged_answers_are_enough_for_errors() -> None:
    data = table(11)
    batch = data.combine_chunks().to_batches()[0]
    logged = data.append_column("said", pa.array((score(batch) > 0.5).astype(int)))
    run = assay.explain(None, logged, label="late", prediction="said", segments=True)
    assert planted(run)


def test_a_task_without_a_loss_is_refused() -> None:
    data = table(0, 100).append_column("q", pa.array([1, 2] * 50))
    with pytest.raises(ConfigError, match="not looked for"):
        assay.explain(lambda batch: batch.column("signal").to_numpy(), data, task="ranking", label="late", query="q", features=["signal"],
                      segments=True)
