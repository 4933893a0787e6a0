"""Laws of every model adapter, on small real models: the library's own answer, whatever the order, the batch or the thread.

One row in ``CASES`` for a new format. A case gives the model as assay takes it, the frame it was made for, and what the library says.
"""

from __future__ import annotations

import atexit
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from assay.errors import SignatureError
from assay.model import guard
from assay.model.answer import Answer
from assay.model.format import FORMATS
from assay.model.load import load
from assay.model.model import Model, bind

ROWS = 240


@dataclass
class Case:
    """``score`` is the library's own (rows, K) or (rows,) answer to a frame, ``label`` its own predicted classes."""

    format: str
    model: Any
    score: Callable[[pd.DataFrame], Any] | None
    label: Callable[[pd.DataFrame], Any] | None
    frame: pd.DataFrame
    options: dict[str, Any] = field(default_factory=dict)
    classes: tuple[Any, ...] | None = None
    nulls: bool = True              # whether the library takes missing numbers
    unseen: str | None = None       # a column of text for which a category of no training means: missing
    names: list[str] | None = None  # for a model without names
    costly: bool = False            # asking takes a process or a request

    def load(self) -> Model:
        model = load(self.model, **self.options)
        return bind(model, self.names) if self.names else model


def plain() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    return pd.DataFrame({name: rng.normal(size=ROWS) for name in ("wind", "delay", "age", "dist")})


def mixed() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    frame = plain()[["wind", "delay"]]
    frame["carrier"] = rng.choice(["zebra", "mule", "ant"], ROWS)   # neither alphabetical nor by frequency
    frame["month"] = rng.choice([12, 3, 7], ROWS)
    return frame


def two(frame: pd.DataFrame, names: list[Any]) -> np.ndarray:
    """Labels of two classes; the first row has the class that comes last in the alphabet."""
    flag = (frame.wind + 0.5 * frame.delay > 0).to_numpy()
    return np.array(names, dtype=object if isinstance(names[0], str) else None)[np.where(flag == flag[0], 0, 1)]


def three(frame: pd.DataFrame, names: list[Any]) -> np.ndarray:
    return np.array(names)[(frame.wind > 0.3).astype(int) + (frame.delay > 0.4)]


def categorical(frame: pd.DataFrame) -> pd.DataFrame:
    """As pandas users train: categories in an order of their own, which data in production do not share."""
    return frame.assign(carrier=pd.Categorical(frame.carrier, categories=["zebra", "ant", "mule"]),
                        month=pd.Categorical(frame.month))


def beside(second: np.ndarray) -> np.ndarray:
    return np.column_stack([1 - second, second])


def sklearn_boosting(folder: Path) -> Case:
    from sklearn.ensemble import HistGradientBoostingClassifier

    frame = plain()
    model = HistGradientBoostingClassifier(max_iter=8, random_state=0).fit(frame, two(frame, ["yes", "no"]))
    return Case("sklearn", model, model.predict_proba, model.predict, frame, classes=("no", "yes"))


def sklearn_pipeline(folder: Path) -> Case:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    frame = mixed()
    columns = ColumnTransformer([("numbers", SimpleImputer(), ["wind", "delay"]),
                                 ("text", OneHotEncoder(handle_unknown="ignore"), ["carrier", "month"])])
    model = make_pipeline(columns, LogisticRegression()).fit(frame, three(frame, [7, 3, 5]))
    return Case("sklearn", model, model.predict_proba, model.predict, frame, classes=(3, 5, 7))


def sklearn_categories(folder: Path) -> Case:
    from sklearn.ensemble import HistGradientBoostingClassifier

    frame = mixed()
    model = HistGradientBoostingClassifier(max_iter=8, random_state=0).fit(categorical(frame), frame.carrier == "ant")
    return Case("sklearn", model, lambda each: model.predict_proba(categorical(each)),
                lambda each: model.predict(categorical(each)),
                frame, classes=(False, True), unseen="carrier")


def sklearn_unnamed(folder: Path) -> Case:
    from sklearn.linear_model import Ridge

    frame = plain()
    model = Ridge().fit(frame.to_numpy(), frame.wind * 2 + frame.age)
    return Case("sklearn", model, lambda each: model.predict(each.to_numpy()), None, frame, names=list(frame), nulls=False)


def sklearn_margin(folder: Path) -> Case:
    from sklearn.svm import LinearSVC

    frame = plain()
    model = LinearSVC(random_state=0).fit(frame, three(frame, ["z", "m", "b"]))
    return Case("sklearn", model, model.decision_function, model.predict, frame, classes=("b", "m", "z"), nulls=False)


def sklearn_labels(folder: Path) -> Case:
    from sklearn.ensemble import RandomForestClassifier

    frame = plain()
    model = RandomForestClassifier(9, random_state=0).fit(frame,
                                                          np.column_stack([frame.wind > 0, frame.age > 1,
                                                                           frame.dist > 0]).astype(int))
    return Case("sklearn", model, lambda each: np.column_stack([part[:, 1] for part in model.predict_proba(each)]),
                model.predict, frame,
                classes=(0, 1, 2))


def pickle_file(folder: Path) -> Case:
    import joblib

    case = sklearn_boosting(folder)
    joblib.dump(case.model, folder / "model.joblib", compress=3)
    return Case("pickle", folder / "model.joblib", case.score, case.label, case.frame, {"trust": True}, case.classes)


def skops_file(folder: Path) -> Case:
    from skops import io

    case = sklearn_pipeline(folder)
    io.dump(case.model, folder / "model.skops")
    # scikit-learn's encoder holds a numpy.dtype, which skops does not trust by itself
    return Case("skops", folder / "model.skops", case.score, case.label, case.frame, {"trust": True}, case.classes)


def xgboost_classifier(folder: Path) -> Case:
    import xgboost

    frame = plain()
    model = xgboost.XGBClassifier(n_estimators=6, max_depth=3).fit(frame, two(frame, [1, 0]))
    return Case("xgboost", model, model.predict_proba, model.predict, frame, classes=(0, 1))


def xgboost_file(folder: Path) -> Case:
    import xgboost

    frame = plain()
    numbers = three(frame, [2, 0, 1])
    model = xgboost.train({"objective": "multi:softprob", "num_class": 3, "max_depth": 3}, xgboost.DMatrix(frame, numbers), 6)
    model.save_model(folder / "model.ubj")
    names = np.array(["z", "a", "m"])
    score = lambda each: model.predict(xgboost.DMatrix(each))  # noqa: E731
    return Case("xgboost", folder / "model.ubj", score, lambda each: names[score(each).argmax(axis=1)], frame,
                {"classes": ["z", "a", "m"]}, ("z", "a", "m"))


def xgboost_categories(folder: Path) -> Case:
    import xgboost

    frame = mixed()
    given = lambda each: xgboost.DMatrix(categorical(each), enable_categorical=True)  # noqa: E731
    model = xgboost.train({"objective": "binary:logistic"},
                          xgboost.DMatrix(categorical(frame), frame.carrier == "ant", enable_categorical=True), 6)
    model.save_model(folder / "categories.json")
    return Case("xgboost", folder / "categories.json", lambda each: beside(model.predict(given(each))),
                lambda each: (model.predict(given(each)) > 0.5).astype(int), frame, classes=(0, 1), unseen="carrier")


def lightgbm_classifier(folder: Path) -> Case:
    import lightgbm

    frame = plain()
    model = lightgbm.LGBMClassifier(n_estimators=6, verbose=-1).fit(frame, three(frame, ["z", "m", "b"]))
    return Case("lightgbm", model, model.predict_proba, model.predict, frame, classes=("b", "m", "z"))


def lightgbm_file(folder: Path) -> Case:
    import lightgbm

    frame = mixed()
    model = lightgbm.LGBMClassifier(n_estimators=6, min_child_samples=5, verbose=-1).fit(categorical(frame),
                                                                                         (frame.carrier == "ant").astype(int))
    model.booster_.save_model(folder / "model.txt")
    return Case("lightgbm", folder / "model.txt", lambda each: model.predict_proba(categorical(each)),
                lambda each: np.array(["no", "yes"])[model.predict(categorical(each))], frame, {"classes": ["no", "yes"]},
                ("no", "yes"),
                unseen="carrier")


def lightgbm_unnamed(folder: Path) -> Case:
    import lightgbm

    frame = plain()
    model = lightgbm.train({"objective": "lambdarank", "verbose": -1},
                           lightgbm.Dataset(frame.to_numpy(), np.arange(ROWS) % 3, group=[24] * 10), 5)
    return Case("lightgbm", model, lambda each: model.predict(each.to_numpy()), None, frame, names=list(frame))


def catboost_file(folder: Path) -> Case:
    import catboost

    frame = mixed()
    model = catboost.CatBoostClassifier(iterations=6, depth=3, verbose=0, allow_writing_files=False)
    model.fit(frame, three(frame, ["z", "m", "b"]), cat_features=["carrier", "month"])
    model.save_model(str(folder / "model.cbm"))
    return Case("catboost", folder / "model.cbm", model.predict_proba, lambda each: model.predict(each)[:, 0], frame,
                classes=("b", "m", "z"))


def catboost_object(folder: Path) -> Case:
    import catboost

    frame = plain()
    model = catboost.CatBoostClassifier(iterations=6, depth=3, verbose=0, allow_writing_files=False).fit(frame, frame.wind > 0)
    return Case("catboost", model, model.predict_proba, model.predict, frame, classes=(False, True))


def onnx_matrix(folder: Path) -> Case:
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression

    frame = plain()
    model = LogisticRegression().fit(frame.to_numpy(), three(frame, ["z", "m", "b"]))
    (folder / "matrix.onnx").write_bytes(to_onnx(model, frame.to_numpy(np.float32)[:1]).SerializeToString())
    return Case("onnx", folder / "matrix.onnx", lambda each: model.predict_proba(each.to_numpy()),
                lambda each: model.predict(each.to_numpy()),
                frame, classes=("b", "m", "z"), names=list(frame), nulls=False)


def onnx_columns(folder: Path) -> Case:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType

    case = sklearn_pipeline(folder)
    kinds = {"wind": FloatTensorType, "delay": FloatTensorType, "carrier": StringTensorType, "month": Int64TensorType}
    made = to_onnx(case.model, initial_types=[(name, kind([None, 1])) for name, kind in kinds.items()], options={"zipmap": False})
    (folder / "columns.onnx").write_bytes(made.SerializeToString())
    return Case("onnx", folder / "columns.onnx", case.score, case.label, case.frame, classes=case.classes)


def callable_pandas(folder: Path) -> Case:
    share = lambda frame: 1 / (1 + np.exp(-frame["wind"].to_numpy() - frame["delay"].to_numpy()))  # noqa: E731
    return Case("callable", share, lambda each: beside(share(each)), lambda each: np.where(share(each) > 0.5, "yes", "no"), plain(),
                {"task": "binary", "classes": ["no", "yes"], "frame": "pandas"}, ("no", "yes"), nulls=False)


def command_json(folder: Path) -> Case:
    import sys

    script = folder / "score.py"
    script.write_text("import json, math, sys\nfor line in sys.stdin:\n    row = json.loads(line)\n"
                      "    print(json.dumps({'score': 1 / (1 + math.exp(-row['wind'] - row['delay']))}))\n")
    share = lambda frame: 1 / (1 + np.exp(-frame["wind"].to_numpy() - frame["delay"].to_numpy()))  # noqa: E731
    return Case("command", f"command:{sys.executable} {script}", lambda each: beside(share(each)),
                lambda each: np.where(share(each) > 0.5, "yes", "no"), plain(),
                {"classes": ["no", "yes"], "trust": True, "protocol": "json", "features": ["wind", "delay"]}, ("no", "yes"), nulls=False, costly=True)


def http_v2(folder: Path) -> Case:
    from tests.strategies.server import serving

    case = sklearn_pipeline(folder)
    texts = case.model.fit(case.frame, three(case.frame, ["z", "m", "b"]))
    server = HELD.enter_context(serving(texts, list(case.frame), binary=True, tensors="columns"))
    return Case("http", f"{server.url}/v2/models/flights", texts.predict_proba, texts.predict, case.frame, {"classes": ["b", "m", "z"], "retries": 0},
                ("b", "m", "z"), costly=True)


def mlflow_folder(folder: Path) -> Case:
    import joblib

    case = sklearn_boosting(folder)
    joblib.dump(case.model, folder / "model.pkl")
    (folder / "MLmodel").write_text("flavors: {sklearn: {pickled_model: model.pkl}}\n")
    return Case("mlflow", folder, case.score, case.label, case.frame, {"trust": True}, case.classes)


def router_groups(folder: Path) -> Case:
    from sklearn.linear_model import LogisticRegression

    frame = mixed()
    label = three(frame, ["z", "m", "b"])
    ants, rest = (LogisticRegression().fit(frame[["wind", "delay"]], np.roll(label, turn)) for turn in (0, 1))

    def both(ask: str, given: pd.DataFrame) -> np.ndarray:
        first, second = (getattr(each, ask)(given[["wind", "delay"]]) for each in (ants, rest))
        own = (given.carrier == "ant").to_numpy()
        return np.where(own[:, None] if first.ndim == 2 else own, first, second)

    return Case("router", {"router": {"by": "carrier", "ant": ants, "default": rest}}, lambda each: both("predict_proba", each),
                lambda each: both("predict", each), frame, classes=("b", "m", "z"), nulls=False)


def thresholds_groups(folder: Path) -> Case:
    import joblib
    from sklearn.ensemble import HistGradientBoostingClassifier

    from assay.model.thresholds import Cuts, Grouped, written

    frame = mixed()[["wind", "delay", "carrier"]]
    own = HistGradientBoostingClassifier(max_iter=8, random_state=0).fit(frame[["wind", "delay"]], two(frame, ["yes", "no"]))
    joblib.dump(own, folder / "own.joblib")
    inner = load(str(folder / "own.joblib"), trust=True)
    model = Grouped(inner, ("carrier",), {("ant",): Cuts((0.3,)), ("mule",): Cuts((0.7,))}, Cuts((0.5,)), positive=1)
    (folder / "cut.json").write_text(written(model, folder / "own.joblib", folder / "cut.json"))

    def margin(given: pd.DataFrame) -> np.ndarray:
        away = own.predict_proba(given[["wind", "delay"]])[:, 1] - given.carrier.map({"ant": 0.3, "mule": 0.7}).fillna(0.5).to_numpy()
        return np.column_stack([-away, away])

    return Case("thresholds", folder / "cut.json", margin, lambda each: np.where(margin(each)[:, 1] >= 0, "yes", "no"), frame,
                {"trust": True}, ("no", "yes"))


def pickle_isolated(folder: Path) -> Case:
    case = pickle_file(folder)
    return Case("pickle", case.model, case.score, case.label, case.frame, {"trust": True, "isolation": "process"}, case.classes)


def pmml_tree(folder: Path) -> Case:
    from sklearn.tree import DecisionTreeClassifier

    from tests.strategies.pmml import of_tree

    frame = plain()
    model = DecisionTreeClassifier(max_depth=4, random_state=0).fit(frame, three(frame, ["z", "m", "b"]))
    (folder / "model.pmml").write_bytes(of_tree(model, list(frame), ["b", "m", "z"]))
    return Case("pmml", folder / "model.pmml", model.predict_proba, model.predict, frame, classes=("b", "m", "z"))


HELD = ExitStack()   # the server of a case, for as long as the cases are asked
atexit.register(HELD.close)
CASES: dict[str, Callable[[Path], Case]] = {each.__name__: each for each in (
    sklearn_boosting, sklearn_pipeline, sklearn_categories, sklearn_unnamed, sklearn_margin, sklearn_labels, pickle_file,
    skops_file,
    xgboost_classifier, xgboost_file, xgboost_categories, lightgbm_classifier, lightgbm_file, lightgbm_unnamed, catboost_file,
    catboost_object, onnx_matrix, onnx_columns, callable_pandas, command_json, http_v2, mlflow_folder, router_groups, thresholds_groups,
    pickle_isolated, pmml_tree)}


@pytest.fixture(scope="session", params=CASES)
def case(request, tmp_path_factory) -> Case:
    return CASES[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session")
def model(case) -> Model:
    return case.load()


def batch_of(frame: pd.DataFrame) -> pa.RecordBatch:
    return pa.RecordBatch.from_pandas(frame, preserve_index=False)


def number(answer: Answer) -> np.ndarray:
    return answer.value if answer.value is not None else answer.score


def same(left: Answer, right: Answer, tolerance: float = 0.0) -> None:
    assert (left.task, left.classes, left.scores) == (right.task, right.classes, right.scores)
    np.testing.assert_allclose(number(left), number(right), rtol=tolerance, atol=tolerance)
    if left.prediction is not None:
        np.testing.assert_array_equal(left.prediction, right.prediction)


def taken(answer: Answer, rows: Any) -> Answer:
    part = {name: None if getattr(answer, name) is None else getattr(answer, name)[rows] for name in ("prediction", "score",
                                                                                                      "value")}
    return Answer(answer.task, answer.classes, scores=answer.scores, **part)


def joined(parts: list[Answer]) -> Answer:
    held = {name: None if getattr(parts[0], name) is None else np.concatenate([getattr(each, name) for each in parts])
            for name in ("prediction", "score", "value")}
    return Answer(parts[0].task, parts[0].classes, scores=parts[0].scores, **held)


def test_every_format_is_held_to_these_laws(tmp_path) -> None:
    from tests.formats.cases import HEAVY  # whose libraries are not in this environment: they are held to the same laws there

    covered = {name.partition("_")[0] for name in (*CASES, *HEAVY)}
    assert covered == set(FORMATS)


def test_it_answers_as_the_library_does(case, model) -> None:
    answer = guard.answer(model, batch_of(case.frame))
    expected = np.asarray(case.score(case.frame), np.float64)
    np.testing.assert_allclose(number(answer), expected, rtol=2e-5, atol=2e-6)   # ONNX computes in float32


def test_classes_are_never_swapped(case, model) -> None:
    assert model.signature.classes == case.classes
    if case.label is None:
        return
    answer = guard.answer(model, batch_of(case.frame))
    said = np.asarray(case.label(case.frame))
    if answer.task == "multilabel":
        np.testing.assert_array_equal(answer.prediction, said)
        return
    assert {type(each) for each in case.classes} <= {str, int, bool}
    assert len(set(said.tolist())) > 1
    assert [case.classes[place] for place in answer.prediction] == said.tolist()


def test_a_class_that_the_data_lack_keeps_its_place(case, model) -> None:
    whole = guard.answer(model, batch_of(case.frame))
    if whole.prediction is None or whole.task == "multilabel":
        pytest.skip("the model has no classes")
    rows = np.flatnonzero(whole.prediction == whole.prediction.max())
    same(guard.answer(model, batch_of(case.frame.iloc[rows])), taken(whole, rows))


def test_neither_order_nor_company_of_columns_matters(case, model) -> None:
    whole = guard.answer(model, batch_of(case.frame))
    shuffled = case.frame[list(case.frame)[::-1]].assign(extra="text", label=1)
    same(guard.answer(model, batch_of(shuffled)), whole)


def test_order_of_rows_does_not_matter(case, model) -> None:
    whole = guard.answer(model, batch_of(case.frame))
    order = np.random.default_rng(0).permutation(ROWS)
    same(guard.answer(model, batch_of(case.frame.iloc[order])), taken(whole, order), 1e-12)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_size_of_batches_does_not_matter(case, model, size) -> None:
    batch = batch_of(case.frame).slice(3, 15 if case.costly and size < 100 else 101)   # with an offset, as a slice of a greater batch has
    whole = guard.answer(model, batch)
    same(joined([guard.answer(model, batch.slice(at, size)) for at in range(0, batch.num_rows, size)]), whole, 1e-6)


def test_no_rows_give_an_answer_of_no_rows(case, model) -> None:
    none, some = (guard.answer(model, batch_of(case.frame).slice(0, rows)) for rows in (0, 2))
    assert len(none) == 0
    assert none.batch().schema == some.batch().schema


def test_the_layout_round_trips(case, model) -> None:
    answer = guard.answer(model, batch_of(case.frame))
    same(Answer.of(answer.batch()), answer)
    sliced = Answer.of(answer.batch().slice(5, 20))
    same(sliced, taken(answer, slice(5, 25)))


def test_two_threads_at_once_get_the_same(case, model) -> None:
    batch = batch_of(case.frame)
    whole = guard.answer(model, batch)
    with ThreadPoolExecutor(2) as pool:
        for each in pool.map(lambda _: guard.answer(model, batch), range(8)):
            same(each, whole, 1e-12)


def test_a_missing_column_is_named_with_the_nearest(case, model) -> None:
    if model.signature.inputs is None:
        pytest.skip("the model takes whatever it is given")
    with pytest.raises(SignatureError, match=r"no column 'wind'.*is 'Wind' meant for 'wind'"):
        guard.answer(model, batch_of(case.frame.rename(columns={"wind": "Wind"})))


def test_nulls_are_what_the_library_takes_for_missing(case, model) -> None:
    if not case.nulls:
        pytest.skip("the library refuses missing values")
    frame = case.frame.copy()
    frame.loc[::3, "wind"] = np.nan
    np.testing.assert_allclose(number(guard.answer(model, batch_of(frame))), case.score(frame), rtol=2e-5, atol=2e-6)


def test_text_may_come_in_any_arrow_type(case, model) -> None:
    if "carrier" not in case.frame:
        pytest.skip("the model takes no text")
    batch = batch_of(case.frame)
    whole = guard.answer(model, batch)
    place = batch.schema.get_field_index("carrier")
    values = batch.column(place).cast(pa.string())
    strange = pa.array(["unused", *sorted(set(values.to_pylist()), reverse=True)])
    codes = pa.array([strange.to_pylist().index(each) for each in values.to_pylist()], pa.int16())
    for each in (values, values.cast(pa.large_string()), values.cast(pa.string_view()), values.dictionary_encode(),
                 pa.DictionaryArray.from_arrays(codes, strange)):   # codes that data carry of their own mean nothing
        same(guard.answer(model, batch.set_column(place, "carrier", each)), whole)


def test_categories_follow_training_and_others_are_missing(case, model) -> None:
    if case.unseen is None:
        pytest.skip("the library has no missing category")
    once = case.frame.assign(**{case.unseen: "unicorn"})
    native = case.frame.assign(**{case.unseen: pd.Series([np.nan] * ROWS, dtype=object)})
    expected = case.score(native)
    np.testing.assert_allclose(number(guard.answer(model, batch_of(once))), expected, rtol=1e-6, atol=1e-7)
    batch = batch_of(case.frame)
    none = batch.set_column(batch.schema.get_field_index(case.unseen), case.unseen, pa.nulls(ROWS, pa.string()))
    np.testing.assert_allclose(number(guard.answer(model, none)), expected, rtol=1e-6, atol=1e-7)
    assert np.abs(np.asarray(expected) - case.score(case.frame)).max() > 0.01   # else this would show nothing


def test_one_category_alone_keeps_its_code(case, model) -> None:
    if "carrier" not in case.frame:
        pytest.skip("the model takes no text")
    whole = guard.answer(model, batch_of(case.frame))
    rows = np.flatnonzero(case.frame.carrier == "ant")   # a batch of its own, in which pandas would give it code 0
    same(guard.answer(model, batch_of(case.frame.iloc[rows])), taken(whole, rows), 1e-12)


def test_the_digest_says_which_model_it_is(case, model) -> None:
    assert case.load().digest == model.digest
    assert len(model.digest) == 64


@pytest.mark.parametrize("name", [
    each if each in ("sklearn_boosting", "xgboost_classifier", "lightgbm_classifier", "onnx_matrix", "catboost_object")
    else pytest.param(each, marks=pytest.mark.slow) for each in CASES])
def test_many_rows(name, tmp_path) -> None:
    case = CASES[name](tmp_path)
    frame = case.frame.iloc[np.arange(100_001) % ROWS].reset_index(drop=True)
    model = case.load()
    answer = guard.answer(model, batch_of(frame))
    assert len(answer) == 100_001
    same(taken(answer, slice(ROWS * 3, ROWS * 4)), guard.answer(model, batch_of(case.frame)), 1e-6)
