"""One call for any model: the way that fits is taken, and what comes back adds up to what the model says."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from scipy import special

import assay
from assay.errors import AssayError, ConfigError, DataError, UnknownColumnError
from assay.explain.attribution import Attributions
from assay.explain.explain import explain, influence
from assay.model.answer import Answer
from assay.model.linear import linear
from assay.model.trees import trees
from assay.result import Attribution
from tests.explain.reference import by_definition
from tests.model.ensembles import CASES, FULL, NAMES, TARGET, THREE, TWO, case


def table(numbers: np.ndarray, names: list[str] = NAMES) -> pa.Table:
    return pa.table({name: numbers[:, place] for place, name in enumerate(names)})


@pytest.fixture(scope="module")
def logistic():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return assay.load(make_pipeline(StandardScaler(), LogisticRegression()).fit(FULL, TWO), features=NAMES)


@pytest.mark.parametrize("name", CASES)
def test_trees_are_explained_without_sampling(name: str) -> None:
    made = case(name)
    classes = made.model.signature.classes
    target = classes[-1] if classes else None
    said = explain(made.model, made.batch[:20], made.batch[100:140], target=target)
    assert said.method == "exact trees"
    assert said.error is None
    assert said.gap <= 1e-12
    assert said.background_rows == 40
    answer = Answer.of(made.model.predict(made.batch[:20]))
    score = answer.value if answer.value is not None else answer.score[:, -1]
    if said.quantity == "log-odds":
        assert special.expit(said.output) == pytest.approx(score, abs=1e-5)
    elif said.quantity in ("value", "score"):
        assert said.output == pytest.approx(score, abs=1e-5)
    path = explain(made.model, made.batch[:20], way="path dependent", target=target)
    assert path.gap <= 1e-12
    assert path.background == ""


@pytest.mark.parametrize("quantity", ["score", "decision", "loss"])
def test_sampling_agrees_with_every_coalition(quantity: str) -> None:
    made = case("lightgbm")
    rows, background = made.batch[:3], made.batch[100:160]
    labels = TWO[:3] if quantity == "loss" else None
    said = explain(made.model, rows, background, quantity=quantity, labels=labels, at_most=0.02, budget=60_000)
    numbers, behind = (np.column_stack([each.to_numpy() for each in batch.columns]) for batch in (rows, background))
    for row in range(3):
        def game(coalition: int, row: int = row) -> float:
            present = np.array([coalition >> place & 1 for place in range(5)], bool)
            score = Answer.of(made.model.predict(table(np.where(present, numbers[row], behind)).to_batches()[0])).score[:, 1]
            if quantity == "score":
                return float(score.mean())
            return float((score > 0.5).mean() if quantity == "decision" else -np.log(score if labels[row] else 1 - score).mean())

        low, high = said.intervals(0.9999)
        expected = by_definition(game, 5)
        assert (low[row] - 1e-9 <= expected).all()
        assert (expected <= high[row] + 1e-9).all()
    assert said.model_rows <= 61_000


def test_a_linear_model_in_a_pipeline_is_exact(logistic) -> None:
    said = explain(logistic, table(FULL[:30]), table(FULL[100:200]))
    assert (said.method, said.quantity, said.gap < 1e-12) == ("exact linear", "log-odds", True)
    assert special.expit(said.output) == pytest.approx(Answer.of(logistic.predict(table(FULL[:30]).to_batches()[0])).score[:, 1])
    other = explain(logistic, table(FULL[:30]), table(FULL[100:200]), target=0)
    assert (other.values == -said.values).all()
    found = linear(logistic)
    pipeline = logistic.respond.model
    assert found is not None
    expected = (FULL[:30] - FULL[100:200].mean(axis=0)) * pipeline[-1].coef_[0] / pipeline[0].scale_
    assert said.values == pytest.approx(expected)


def test_columns_of_a_pipeline_stay_columns() -> None:
    """Categories as several numbers are one player, for trees and linear models alike."""
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.normal(size=300), "town": rng.choice(["a", "b", "c"], 300), "pay": rng.normal(size=300)})
    frame.loc[::9, "pay"] = np.nan
    y = ((frame["age"] > 0) ^ (frame["town"] == "b")).astype(int)
    for last in (GradientBoostingClassifier(n_estimators=4), LogisticRegression()):
        columns = ColumnTransformer([("n", make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), ["pay", "age"]),
                                     ("c", OneHotEncoder(drop="first"), ["town"])])
        model = assay.load(make_pipeline(columns, last).fit(frame, y))
        said = explain(model, frame[:4], frame[50:70])
        assert said.method.startswith("exact")
        assert said.columns == ("age", "town", "pay")
        rows, behind = pa.table(frame[:4]), pa.table(frame[50:70])
        for row in range(4):
            def game(coalition: int, row: int = row, model: object = model, rows: pa.Table = rows, behind: pa.Table = behind) -> float:
                mixed = {name: (pa.repeat(rows[name][row], 20) if coalition >> place & 1 else behind[name])
                         for place, name in enumerate(("age", "town", "pay"))}
                score = Answer.of(model.predict(pa.table(mixed).combine_chunks().to_batches()[0])).score[:, 1]
                return float(special.logit(score).mean())

            assert said.values[row] == pytest.approx(by_definition(game, 3), abs=1e-9)


def test_a_black_box_is_sampled_and_says_so() -> None:
    def score(batch: pa.RecordBatch) -> np.ndarray:
        return batch.column(0).to_numpy() * batch.column(1).to_numpy()

    model = assay.load(score, task="regression", features=NAMES)
    said = explain(model, table(FULL[:5]), table(FULL[100:200]), seed=1)
    again = explain(model, table(FULL[:5]), table(FULL[100:200]), seed=1)
    assert (said.values == again.values).all()
    assert said.method == "sampled"
    assert said.gap < 1e-12
    assert not said.values[:, 2:].any()
    with pytest.raises(ConfigError, match="no exact values"):
        explain(model, table(FULL[:5]), table(FULL[100:200]), way="exact")


def test_a_model_that_is_not_deterministic_is_named() -> None:
    rng = np.random.default_rng(0)
    model = assay.load(lambda batch: rng.normal(size=batch.num_rows), task="regression", features=NAMES)
    said = explain(model, table(FULL[:2]), table(FULL[100:110]))
    assert any("not deterministic" in each for each in said.notes)


def test_a_model_that_does_more_than_its_trees_is_sampled() -> None:
    """Calibration, a threshold, a link that is not known: the sum of leaves is not what the model says."""
    made = case("lightgbm")

    class Halved:
        signature, digest, respond = made.model.signature, "x", made.model.respond

        def taken(self, batch: pa.RecordBatch) -> pa.RecordBatch:
            return made.model.taken(batch)

        def predict(self, batch: pa.RecordBatch) -> pa.RecordBatch:
            return Answer.scored(self.signature, Answer.of(made.model.predict(batch)).score[:, 1] / 2).batch()

    assert trees(Halved()) is not None
    said = explain(Halved(), made.batch[:3], made.batch[100:120])
    assert said.method != "exact trees"


def test_unary_and_set_influence() -> None:
    made = case("forest of numbers")
    rows, background = made.batch[:3], made.batch[100:130]
    single = influence(made.model, rows, background)
    both = influence(made.model, rows, background, ["x0", "x4"])
    assert single.values.shape == (3, 5)
    assert both.columns == ("x0+x4",)
    numbers, behind = (np.column_stack([each.to_numpy() for each in batch.columns]) for batch in (rows, background))
    mixed = np.tile(numbers[0], (30, 1))
    mixed[:, [0, 4]] = behind[:, [0, 4]]
    expected = made.trees.sums(numbers[:1])[0, 0] - made.trees.sums(mixed)[:, 0].mean()
    assert both.values[0, 0] == pytest.approx(expected)
    assert both.gap == 0.0


def test_means_contrasts_and_importance(logistic) -> None:
    said = explain(logistic, table(FULL), table(FULL[:100]))
    groups = {"a": TWO == 0, "b": TWO == 1}
    means = said.means(groups)
    for name, rows in groups.items():   # what columns add up to is what the group's mean output is above the base
        assert means[name].sum() == pytest.approx(said.output[rows].mean() - said.base)
    order = np.random.default_rng(0).permutation(len(said))
    turned = said.replace(values=said.values[order], output=said.output[order])
    assert (turned.means({"a": groups["a"][order]})["a"] == means["a"]).all()   # to the bit
    assert said.by(TWO.tolist())[1].tolist() == means["b"].tolist()
    apart = said.contrast(groups["b"], groups["a"])
    assert [each.value for each in apart] == pytest.approx(means["b"] - means["a"])
    assert all(each.low <= each.value <= each.high for each in apart)
    sizes = said.importance()
    assert sizes == sorted(sizes, key=lambda each: -each.value)
    assert {each.column for each in sizes} == set(NAMES)
    assert said.column("x0").tolist() == said.values[:, 0].tolist()
    with pytest.raises(UnknownColumnError):
        said.column("x9")
    with pytest.raises(DataError, match="at least two rows"):
        said.contrast(groups["a"], np.zeros(len(said), bool))


def test_results_are_plain_and_come_back(logistic) -> None:
    said = explain(logistic, table(FULL[:3]), table(FULL[100:120]), ids=["p", "q", "r"])
    result = said.result()
    assert Attribution.from_json(json.loads(json.dumps(result.to_json()))) == result
    assert result.ids == ("p", "q", "r")
    old = {"columns": ["a"], "ids": [1], "contributions": [[0.5]], "base": 1.0}   # as it was written before there was more
    assert Attribution.from_json(old) == Attribution(("a",), (1,), ((0.5,),), 1.0)
    kept = explain(case("lightgbm").model, case("lightgbm").batch[:2], case("lightgbm").batch[100:150], quantity="score", way="sampled").result()
    assert Attribution.from_json(json.loads(json.dumps(kept.to_json()))) == kept


def test_explanations_of_shap_go_in_and_out() -> None:
    held = SimpleNamespace(values=np.ones((2, 3, 2)), base_values=np.zeros((2, 2)), feature_names=["a", "b", "c"])
    made = Attributions.of(held, output=1)
    assert made.columns == ("a", "b", "c")
    assert made.output.tolist() == [3.0, 3.0]
    again = Attributions.of(SimpleNamespace(**made.arguments()))
    assert (again.values == made.values).all()
    with pytest.raises(ConfigError, match="2 outputs"):
        Attributions.of(held)
    with pytest.raises(DataError, match="different base values"):
        Attributions.of(SimpleNamespace(values=np.ones((2, 1)), base_values=np.array([0.0, 1.0])))


def test_shap_agrees_at_equal_background() -> None:
    shap = pytest.importorskip("shap", reason="shap is not installed: the comparison is made where it is")
    from sklearn.ensemble import RandomForestRegressor

    eighths = np.round(FULL * 8) / 8   # shap takes another side of a tie in 32 bits than scikit-learn: no ties here
    forest = RandomForestRegressor(3, max_depth=8, random_state=0).fit(eighths, TARGET)
    models = {name: case(name).model.respond.booster for name in ("xgboost", "lightgbm")} | {"forest": forest}
    for name, model in models.items():
        masker = shap.maskers.Independent(eighths[100:180], max_samples=1000)   # without the word it keeps 100 rows
        expected = shap.TreeExplainer(model, masker, feature_perturbation="interventional").shap_values(eighths[:20])
        said = explain(assay.load(model, features=NAMES), table(eighths[:20]), table(eighths[100:180]))
        assert np.abs(said.values - expected).max() < 1e-6, name


def test_explanations_of_real_shap_go_in_and_out(logistic) -> None:
    shap = pytest.importorskip("shap", reason="shap is not installed: its own class is tried where it is")
    said = explain(logistic, table(FULL[:6]), table(FULL[100:140]))
    made = shap.Explanation(**said.arguments())
    assert made.shape == (6, 5)
    assert list(made.feature_names) == NAMES
    again = Attributions.of(made)
    assert (again.values == said.values).all()
    assert (again.columns, again.base) == (said.columns, said.base)
    assert again.output == pytest.approx(said.output)
    assert [each.column for each in again.importance()] == [each.column for each in said.importance()]
    fitted = logistic.respond.model
    masker = shap.maskers.Independent(FULL[100:140], max_samples=40)
    theirs = shap.Explainer(lambda numbers: fitted.decision_function(numbers), masker, algorithm="exact", feature_names=NAMES)(FULL[:6])
    taken = Attributions.of(theirs)   # made by shap, read by assay
    assert taken.columns == tuple(NAMES)
    assert taken.values == pytest.approx(said.values, abs=1e-9)
    several = shap.Explainer(fitted.predict_proba, masker, algorithm="exact", feature_names=NAMES)(FULL[:6])
    one = Attributions.of(several, output=1)
    assert one.values == pytest.approx(-Attributions.of(several, output=0).values, abs=1e-9)
    assert one.output == pytest.approx(fitted.predict_proba(FULL[:6])[:, 1], abs=1e-9)
    with pytest.raises(ConfigError, match="2 outputs"):
        Attributions.of(several)
    single = Attributions.of(theirs[:1])
    assert single.values.shape == (1, 5)


def test_bad_input_is_a_sentence(logistic) -> None:
    rows, behind = table(FULL[:5]), table(FULL[100:120])
    with pytest.raises(DataError, match="background holds no rows"):
        explain(logistic, rows, behind[:0])
    with pytest.raises(ConfigError, match="'log-odds'"):
        explain(logistic, rows, behind, quantity="logodds")
    with pytest.raises(ConfigError, match="no class '3'"):
        explain(logistic, rows, behind, target=3)
    with pytest.raises(ConfigError, match="labels"):
        explain(logistic, rows, behind, quantity="loss")
    with pytest.raises(DataError, match="2 labels were given for 5 rows"):
        explain(logistic, rows, behind, quantity="loss", labels=[0, 1])
    with pytest.raises(DataError, match="sampling needs a background"):
        explain(logistic, rows, quantity="decision")
    with pytest.raises(DataError, match="of type int"):
        explain(logistic, 3, behind)
    several = case("lightgbm, three classes")
    with pytest.raises(ConfigError, match="3 classes"):
        explain(several.model, several.batch[:2], several.batch[2:9])
    number = case("forest of numbers")
    with pytest.raises(ConfigError, match="have no decision"):
        explain(number.model, number.batch[:2], number.batch[2:9], quantity="decision")
    assert len(explain(logistic, rows[:0], behind)) == 0
    assert len(explain(logistic, rows[:0], behind, quantity="score")) == 0


def test_constant_missing_and_single_rows(logistic) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    data = FULL.copy()
    data[:, 3] = 1.0
    model = assay.load(HistGradientBoostingClassifier(max_iter=3).fit(data, THREE == 2), features=NAMES)
    lost = pa.table({**{name: data[:1, place] for place, name in enumerate(NAMES)}, "x2": pa.nulls(1)})
    said = explain(model, lost, table(data[100:120]))
    assert said.gap < 1e-12
    assert said.values[0, 3] == 0.0


def test_a_missing_value_in_the_background_of_a_linear_model_is_never_a_sum_of_nothing() -> None:
    from sklearn.linear_model import LogisticRegression

    model = assay.load(LogisticRegression().fit([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]], [0, 1, 1]), features=["a", "b"])
    behind = pa.table({"a": [0.0, 1.0, None], "b": [1.0, 0.0, 2.0]})
    with pytest.raises(AssayError, match="NaN"):
        explain(model, pa.table({"a": [1.0], "b": [1.0]}), behind)


def test_a_linear_booster_is_explained_as_any_black_box() -> None:
    xgboost = pytest.importorskip("xgboost")
    x = np.random.default_rng(0).normal(size=(200, 2))
    model = assay.load(xgboost.XGBClassifier(booster="gblinear", n_estimators=5).fit(x, x[:, 0] > 0), features=["a", "b"])
    rows = pa.table({"a": x[:3, 0], "b": x[:3, 1]})
    made = explain(model, rows, rows)
    assert np.abs(made.values.sum(axis=1) + made.base - made.output).max() < 0.05
