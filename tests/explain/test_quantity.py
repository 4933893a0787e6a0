"""Every quantity is what it says: score, log-odds, decision and loss, asked of a black box and, where there is one, in closed form."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy import special

import assay
from assay.errors import AssayError, DataError
from assay.explain.explain import explain
from assay.model.answer import Answer
from assay.model.model import Model
from tests.explain.reference import by_definition
from tests.model.ensembles import FULL, NAMES, TARGET, THREE, TWO, case

COLUMNS = 4
SOME = NAMES[:COLUMNS]


def table(numbers: np.ndarray) -> pa.Table:
    return pa.table({name: numbers[:, place] for place, name in enumerate(SOME)})


def hidden(model: Model, **options) -> Model:
    """The same answers from something of which nothing but the answers is known."""
    return assay.load(lambda batch: Answer.of(model.predict(batch)).score, features=SOME, **options)


@pytest.fixture(scope="module")
def binary() -> Model:
    from sklearn.linear_model import LogisticRegression

    return assay.load(LogisticRegression().fit(FULL[:, :COLUMNS], np.where(TWO, "yes", "no")), features=SOME)


ROWS, BEHIND = FULL[:5, :COLUMNS], FULL[100:112, :COLUMNS]


def defined(model: Model, worth) -> np.ndarray:
    """Values of each row by definition, where ``worth(row number, scores)`` is the quantity."""
    out = []
    for row, mine in enumerate(ROWS):
        def game(coalition: int, row: int = row, mine: np.ndarray = mine) -> float:
            present = np.array([coalition >> place & 1 for place in range(COLUMNS)], bool)
            said = Answer.of(model.predict(table(np.where(present, mine, BEHIND)).to_batches()[0]))
            return float(np.mean(worth(row, said.score if said.score is not None else said.value)))

        out.append(by_definition(game, COLUMNS))
    return np.array(out)


@pytest.mark.parametrize("target", ["yes", "no"])
def test_a_black_box_of_two_classes(binary: Model, target: str) -> None:
    black, place = hidden(binary, task="binary", classes=["no", "yes"]), ["no", "yes"].index(target)
    labels = np.where(TWO[:5], "yes", "no")
    truths = {"score": lambda row, said: said[:, place], "log-odds": lambda row, said: special.logit(said[:, place]),
              "decision": lambda row, said: said.argmax(axis=1) == place,
              "loss": lambda row, said: -np.log(said[:, int(labels[row] == "yes")])}
    for quantity, worth in truths.items():
        made = explain(black, table(ROWS), table(BEHIND), quantity=quantity, target=target, labels=labels if quantity == "loss" else None)
        assert made.method == "every coalition"
        assert made.values == pytest.approx(defined(binary, worth), abs=1e-9), quantity
        assert made.output == pytest.approx([np.mean(worth(row, Answer.of(binary.predict(table(ROWS[row:row + 1]).to_batches()[0])).score))
                                             for row in range(5)])
        if quantity != "loss":
            assert made.gap < 1e-12


def test_exact_log_odds_are_those_of_the_black_box(binary: Model) -> None:
    black = hidden(binary, task="binary", classes=["no", "yes"])
    exact, asked = explain(binary, table(ROWS), table(BEHIND)), explain(black, table(ROWS), table(BEHIND), quantity="log-odds")
    assert exact.method == "exact linear"
    assert asked.values == pytest.approx(exact.values, abs=1e-9)
    trees = case("lightgbm")
    rows, behind = trees.batch[:4], trees.batch[100:112]
    wrapped = assay.load(lambda batch: Answer.of(trees.model.predict(batch)).score[:, 1], task="binary", classes=[0, 1], features=NAMES)
    exact, asked = explain(trees.model, rows, behind), explain(wrapped, rows, behind, quantity="log-odds")
    assert (exact.method, asked.method) == ("exact trees", "every coalition")
    assert asked.values == pytest.approx(exact.values, abs=1e-6)
    assert explain(trees.model, rows, behind, quantity="log-odds").method == "exact trees"
    assert explain(trees.model, rows, behind, quantity="score").method != "exact trees"   # it adds up log-odds, not scores


def test_several_classes_and_their_loss() -> None:
    from sklearn.linear_model import LogisticRegression

    model = assay.load(LogisticRegression().fit(FULL[:, :COLUMNS], THREE), features=SOME)
    made = explain(model, table(ROWS), table(BEHIND), quantity="loss", labels=THREE[:5])
    assert made.values == pytest.approx(defined(model, lambda row, said: -np.log(said[:, THREE[row]])), abs=1e-9)
    for target in (0, 2):
        made = explain(model, table(ROWS), table(BEHIND), quantity="decision", target=target)
        assert made.values == pytest.approx(defined(model, lambda row, said, target=target: said.argmax(axis=1) == target), abs=1e-9)


def test_the_squared_error_of_a_linear_model_in_closed_form() -> None:
    """With a_j = w_j (x_j - z_j) the error is (f(z) - y + sum of a)^2, whose values are a_j (2 (f(z) - y) + sum of a), mean over z."""
    from sklearn.linear_model import LinearRegression

    fitted = LinearRegression().fit(FULL[:, :COLUMNS], TARGET)
    made = explain(assay.load(fitted, features=SOME), table(ROWS), table(BEHIND), quantity="loss", labels=TARGET[:5])
    steps = fitted.coef_ * (ROWS[:, None, :] - BEHIND[None])
    start = fitted.predict(BEHIND)[None, :, None] - TARGET[:5, None, None]
    assert made.values == pytest.approx((steps * (2 * start + steps.sum(axis=2, keepdims=True))).mean(axis=1), abs=1e-9)
    assert made.output == pytest.approx((fitted.predict(ROWS) - TARGET[:5]) ** 2)
    assert made.values.sum(axis=1) + (start[..., 0] ** 2).mean(axis=1) == pytest.approx(made.output)


def test_constant_null_and_text_columns() -> None:
    def say(batch: pa.RecordBatch) -> np.ndarray:
        kind, n, lost = (batch.column(place).to_pylist() for place in range(3))
        return np.array([(k == "x") + (0 if b is None else b) + (0 if c is None else 5) for k, b, c in zip(kind, n, lost, strict=True)], float)

    model = assay.load(say, task="regression", features=["kind", "same", "lost"])
    rows = pa.table({"kind": ["x", "y"], "same": [1.0, 1.0], "lost": pa.nulls(2, pa.float64())})
    made = explain(model, rows, pa.table({"kind": ["y", "x"], "same": [1.0, 1.0], "lost": pa.nulls(2, pa.float64())}))
    assert made.values.tolist() == [[0.5, 0.0, 0.0], [-0.5, 0.0, 0.0]]
    assert any("no value in 'lost'" in each for each in made.notes)
    void = explain(model, rows, pa.table({"kind": ["y", "x"], "same": [1.0, 1.0], "lost": [1.0, 2.0]}))   # null in the rows alone
    assert void.values[:, 2].tolist() == [-5.0, -5.0]
    typeless = explain(model, pa.table({"kind": ["x"], "same": [2.0], "lost": pa.nulls(1)}), pa.table({"kind": ["y"], "same": [1], "lost": pa.nulls(1)}))
    assert typeless.values.tolist() == [[1.0, 1.0, 0.0]]
    text = assay.load(lambda batch: [float(len(each)) for each in batch.column(0).to_pylist()], task="regression", features=["note"])
    said = explain(text, {"note": ["a long note"]}, {"note": ["short", "tiny"]})
    assert said.values.tolist() == [[11 - 4.5]]


def test_a_background_that_is_empty_or_disjoint(binary: Model) -> None:
    rows = table(ROWS)
    with pytest.raises(DataError, match="background holds no rows"):
        explain(binary, rows, table(BEHIND[:0]))
    with pytest.raises(AssayError, match="x3"):
        explain(binary, rows, table(BEHIND).drop_columns(["x3"]))
    far = explain(binary, rows, table(BEHIND + np.array([0, 1000, 0, 0])))
    assert any("nothing like the values of the rows in 'x1'" in each for each in far.notes)
    assert far.gap < 1e-12
    assert not any("nothing like" in each for each in explain(binary, rows, table(BEHIND)).notes)
    words = assay.load(lambda batch: [float(len(each)) for each in batch.column(0).to_pylist()], task="regression", features=["kind"])
    assert any("in 'kind'" in each for each in explain(words, {"kind": ["a"]}, {"kind": ["bb"]}).notes)
    assert not explain(words, {"kind": ["a"]}, {"kind": ["bb", "a"]}).notes


def test_one_row_against_one_row(binary: Model) -> None:
    made = explain(binary, table(ROWS[:1]), table(BEHIND[:1]))
    weights = binary.respond.model.coef_[0]
    assert made.values[0] == pytest.approx(weights * (ROWS[0] - BEHIND[0]))
    same = explain(binary, table(ROWS[:1]), table(ROWS[:1]), quantity="score")
    assert not same.values.any()
    assert same.gap == 0.0
