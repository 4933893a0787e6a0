"""Questions asked together are answered as if each had been asked alone, and the fault of one leaves the others alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import assay
from assay.errors import ConfigError

ROWS = 800
BINARY = {"label": "y", "task": "binary", "classes": [0, 1]}


@pytest.fixture(scope="module")
def data() -> pa.Table:
    rng = np.random.default_rng(0)
    x = rng.random(ROWS)
    return pa.table({"x": x, "y": (rng.random(ROWS) < x).astype(int), "a": rng.choice(["p", "q"], ROWS), "b": rng.choice(["r", "s"], ROWS),
                     "age": pa.array(np.where(rng.random(ROWS) < 0.2, np.nan, rng.normal(40, 9, ROWS)), from_pandas=True),
                     "z": rng.integers(0, 2, ROWS)})


def answer(batch: pa.RecordBatch) -> np.ndarray:
    return batch.column("x").to_numpy()


def told(run: assay.Run) -> dict[tuple[object, ...], tuple[object, ...]]:
    return {(each.check, tuple(sorted(map(str, each.slice.items())))): (each.verdict, each.value and (each.value.n, each.value.low))
            for each in run.verdicts}


def test_a_suite_says_what_its_checks_say_alone(data: pa.Table) -> None:
    checks = ["accuracy by a * b >= 0.5", "accuracy by b * a >= 0.5", "accuracy by age:2 >= 0.5", "accuracy by age:4 >= 0.5",
              "accuracy by z >= 0.5", "accuracy by z:2 >= 0.5", "accuracy by (z == 1) >= 0.5", "missing of age by a <= 1",
              "mean of x, age difference by a <= 100", "accuracy >= 0.5", "recall >= 0", "recall(positive=0) >= 0"]
    together = told(assay.check(answer, data, checks=checks, **BINARY))
    alone = {key: value for each in checks for key, value in told(assay.check(answer, data, checks=[each], **BINARY)).items()}
    assert together == alone


def test_a_disparity_speaks_of_one_column(data: pa.Table) -> None:
    table = data.append_column("far", pa.array(np.full(ROWS, 100.0)))
    run = assay.check(None, table, checks=["mean of x, far difference by a <= 1"])
    assert [(each.value.column, each.verdict) for each in run.verdicts] == [("x", "pass"), ("far", "pass")]


def test_weights_do_not_count_rows(data: pa.Table) -> None:
    for weight in (0.5, 1.0, 2.0):
        table = data.append_column("w", pa.array(np.full(ROWS, weight)))
        run = assay.check(None, table, checks=["duplicates <= 0"], weight="w")
        assert run.values[0].value == 0
        assert run.verdict == "pass"


def test_the_unit_of_weights_does_not_matter(data: pa.Table) -> None:
    intervals = []
    for unit in (1 / ROWS, 1.0, 1000.0):
        table = data.append_column("w", pa.array(np.full(ROWS, unit)))
        run = assay.check(answer, table, checks=["accuracy >= 0.5", "recall >= 0.5", "f1 >= 0.5"], weight="w", **BINARY)
        intervals.append([(each.low, each.high) for each in run.values[:3]])
        assert all(high - low < 0.2 for low, high in intervals[-1])
    assert np.allclose(intervals[0], intervals[1], atol=1e-9)
    assert np.allclose(intervals[1], intervals[2], atol=1e-9)


def test_rows_that_look_alike_are_still_many(data: pa.Table) -> None:
    table = pa.table({"p": np.repeat([0.2, 0.8], 400), "y": np.tile([0, 1, 1, 1], 200), "w": np.ones(ROWS)})
    run = assay.check(lambda batch: batch.column("p").to_numpy(), table, checks=["recall >= 0.1"], weight="w", **BINARY)
    assert run.values[0].high - run.values[0].low < 0.12


def test_one_question_does_not_stop_the_others(data: pa.Table) -> None:
    run = assay.check(answer, data, checks=["ndcg >= 0.5", "mae <= 5"], label="y", task="regression")
    assert [each.verdict for each in run.verdicts] == ["error", "pass"]
    assert "which rows belong together" in run.verdicts[0].sentence


def test_a_champion_that_fails_harms_only_who_asks_it(data: pa.Table) -> None:
    def bad(batch: pa.RecordBatch) -> np.ndarray:
        raise ValueError("no")

    run = assay.check(answer, data, checks=["auc >= 0.2", "auc >= champion - 1", "missing of age by a <= 1"], champion=bad, **BINARY)
    assert [each.verdict for each in run.verdicts] == ["pass", "error", "pass", "pass"]


def test_the_training_data_are_no_reference_of_a_metric_of_rows(data: pa.Table) -> None:
    run = assay.check(answer, data, checks=["auc >= reference - 0.5", "psi of x <= 1"], train=data, **BINARY)
    assert [each.verdict for each in run.verdicts] == ["error", "pass"]
    assert run.verdicts[1].value.against == "train"


def test_a_filter_holds_for_what_is_compared_too(data: pa.Table) -> None:
    run = assay.check(answer, data, checks=["psi of a <= 0.1", "psi of x <= 0.1"], reference=data, where="a == 'p'", **BINARY)
    assert run.verdict == "pass"


def test_metrics_with_other_options_are_other_metrics(data: pa.Table) -> None:
    run = assay.check(answer, data, checks=["recall(positive=0) >= 0", "recall(positive=1) >= 0", "quantile(q=0.9) of x >= 0"], **BINARY)
    assert [each.name for each in run.values] == ["recall(positive=0)", "recall(positive=1)", "quantile(q=0.9)"]
    assert [each.options for each in assay.Run.from_json(run.to_json()).values] == [each.options for each in run.values]


def test_arguments_win_over_the_file(data: pa.Table, tmp_path) -> None:
    import pyarrow.parquet as pq

    pq.write_table(data, tmp_path / "a.parquet")
    (tmp_path / "assay.yaml").write_text("data: a.parquet\nchecks: [missing of age <= 50%]\n", "utf-8")
    run = assay.check(str(tmp_path / "assay.yaml"), data.slice(0, 10).to_pandas())
    assert run.values[0].n == 10
    frame = pd.DataFrame({"age": [1.0, None]})
    assert assay.check(str(tmp_path / "assay.yaml"), reference=frame, checks=["psi of age <= 9"]).values


def test_values_of_protected_columns_stay_out(data: pa.Table) -> None:
    reference = data.set_column(2, "a", pa.array(["p"] * ROWS))
    run = assay.check(None, data, reference=reference, checks=["new_categories of a <= 1"], protected=["a"])
    assert "'q'" not in str(run.to_json())


def test_what_is_not_there_yet_is_refused(tmp_path) -> None:
    (tmp_path / "assay.yaml").write_text("data: a.parquet\nmonitor: {windw: 7}\n", "utf-8")
    with pytest.raises(ConfigError, match="monitor"):
        assay.check(str(tmp_path / "assay.yaml"))


def test_a_model_that_is_loaded_already_is_judged(data: pa.Table) -> None:
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression().fit(data.select(["x"]).to_pandas(), data["y"].to_numpy())
    run = assay.check(assay.load(fitted), assay.source(data, label="y"), checks=["auc >= 0.5"])
    assert run.verdict == "pass"


def test_calibration_of_many_classes_stands_alone(data: pa.Table) -> None:
    from sklearn.linear_model import LogisticRegression

    labels = np.digitize(data["x"].to_numpy(), [0.3, 0.6])
    table = data.set_column(1, "y", pa.array(labels))
    fitted = LogisticRegression().fit(data.select(["x"]).to_pandas(), labels)
    assert assay.check(fitted, table, label="y", checks=["calibration_error <= 1"]).verdict == "pass"


def test_production_has_no_labels_yet(data: pa.Table) -> None:
    run = assay.check(answer, data.drop_columns(["y"]), reference=data, checks=["psi of * <= 1"], label="y", ignored=["z"], task="binary",
                      classes=[0, 1])
    assert run.verdict == "pass"
    assert "what needs a label is not measured" in run.notes[0]


def test_labels_without_scores_give_what_they_can(data: pa.Table) -> None:
    table = data.append_column("said", data["y"])
    run = assay.check(None, table, label="y", prediction="said", checks=["auc >= 0.9", "accuracy >= 0.5"])
    assert [each.verdict for each in run.verdicts] == ["error", "pass"]


def test_classes_that_were_seen_stand_in_the_hint(data: pa.Table) -> None:
    table = data.append_column("said", data["a"])
    with pytest.raises(ConfigError, match="--class p --class q"):
        assay.check(None, table, label="a", prediction="said", checks=["accuracy >= 0.5"])


def test_a_function_of_scores_gets_scores(data: pa.Table) -> None:
    from sklearn.metrics import roc_auc_score

    @assay.metric.rows(better="higher", limits=(0, 1))
    def area_of_mine(y_true, y_score):
        return roc_auc_score(y_true, y_score)

    run = assay.check(answer, data, checks=["area_of_mine >= 0.5", "auc >= 0.5"], **BINARY)
    assert run.values[0].value == pytest.approx(run.values[1].value)


def test_a_clause_in_front_of_a_colon_is_no_name() -> None:
    with pytest.raises(ConfigError, match="select nothing"):
        assay.Check.from_json({"where x > 3": "auc >= 0.9"})
