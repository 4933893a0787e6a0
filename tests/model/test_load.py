from __future__ import annotations

import gzip
import io
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from assay.errors import ConfigError, ModelError, PredictionError, SignatureError, UnknownFormatError, UntrustedModelError
from assay.model import guard
from assay.model.format import FORMATS, Format
from assay.model.load import load
from assay.model.model import bind
from assay.model.predictor import Predictor
from assay.model.signature import Input, Signature

RAN: list[str] = []
X = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0, 0.0]})
BATCH = pa.RecordBatch.from_pandas(X)


def record(text: str) -> None:
    RAN.append(text)


class Evil:
    def __reduce__(self):
        return record, ("ran",)


def fitted() -> LogisticRegression:
    return LogisticRegression().fit(X, ["no", "no", "yes", "yes"])


@pytest.fixture(autouse=True)
def nothing_ran():
    RAN.clear()


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("suffix", [".pkl", ".joblib", ".pickle", ".bin", ".onnx", ".ubj", ".json", ".txt", ".cbm", ".skops",
                                    ".model", ""])
def test_no_pickle_runs_without_trust_whatever_its_name(tmp_path, suffix, protocol) -> None:
    path = tmp_path / f"model{suffix}"
    path.write_bytes(pickle.dumps(Evil(), protocol))
    with pytest.raises(ModelError):
        load(path)
    assert RAN == []


@pytest.mark.parametrize("compress", ["zlib", "gzip", "bz2", "xz", "lzma"])
@pytest.mark.parametrize("name", ["m.joblib", "m.bin"])
def test_no_compressed_pickle_runs_without_trust(tmp_path, compress, name) -> None:
    joblib.dump(Evil(), tmp_path / name, compress=(compress, 3))
    with pytest.raises(UntrustedModelError, match="--trust"):
        load(tmp_path / name)
    assert RAN == []


def test_a_pickle_that_is_named_otherwise_is_refused_even_with_trust(tmp_path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ModelError, match=r"the name ends in \.onnx, and the content is a pickle"):
        load(path, trust=True)
    assert RAN == []


def test_a_trusted_pickle_is_loaded(tmp_path) -> None:
    for name, data in {"a.pkl": pickle.dumps(fitted()), "b.pkl": pickle.dumps(fitted(), 0),
                       "c.bin": gzip.compress(pickle.dumps(fitted()))}.items():
        (tmp_path / name).write_bytes(data)
        assert load(tmp_path / name, trust=True).signature.classes == ("no", "yes")


def test_a_pickle_that_runs_code_and_holds_no_model_says_so(tmp_path) -> None:
    (tmp_path / "m.pkl").write_bytes(pickle.dumps({"model": fitted(), "date": "today"}))
    with pytest.raises(UnknownFormatError, match="of type dict with the keys 'model', 'date'"):
        load(tmp_path / "m.pkl", trust=True)


def test_a_pickle_of_a_module_that_is_not_here_says_which(tmp_path) -> None:
    (tmp_path / "m.pkl").write_bytes(b"\x80\x04cmodule_of_theirs\nModel\n)\x81.")
    with pytest.raises(ModelError, match=r"needs code that is not here \(ModuleNotFoundError: No module named 'module_of_theirs'\)"):
        load(tmp_path / "m.pkl", trust=True)


def test_skops_needs_trust_for_unknown_types_only(tmp_path) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from skops import io as skops

    skops.dump(fitted(), tmp_path / "plain.skops")
    assert load(tmp_path / "plain.skops").signature.classes == ("no", "yes")
    boosted = HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=1).fit(X, [3, 3, 7, 7])
    skops.dump(boosted, tmp_path / "boosted.skops")
    with pytest.raises(UntrustedModelError, match="TreePredictor"):
        load(tmp_path / "boosted.skops")
    assert load(tmp_path / "boosted.skops", trust=True).signature.classes == (3, 7)


def test_an_archive_made_to_fill_the_memory_is_refused(tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.skops", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", "{}")
        archive.writestr("a.npy", bytes(100 * 2**20))
    with pytest.raises(ModelError, match="unpacks to"):
        load(tmp_path / "bomb.skops", trust=True)


def test_an_archive_of_something_else_is_no_model(tmp_path) -> None:
    np.savez(tmp_path / "data.npz", a=np.arange(3))
    with pytest.raises(UnknownFormatError, match="no model that is known"):
        load(tmp_path / "data.npz")


def models(folder: Path) -> dict[str, bytes]:
    import catboost
    import lightgbm
    import xgboost
    from skl2onnx import to_onnx
    from skops import io as skops

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 3)), rng.integers(0, 2, 200)
    lightgbm.train({"objective": "binary", "verbose": -1}, lightgbm.Dataset(x, y), 3).save_model(folder / "m.txt")
    catboost.CatBoostClassifier(iterations=3, verbose=0, allow_writing_files=False).fit(x, y).save_model(str(folder / "m.cbm"))
    booster = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(x, y), 3)
    booster.save_model(folder / "m.ubj")
    booster.save_model(folder / "m.json")
    skops.dump(fitted(), folder / "m.skops")
    joblib.dump(fitted(), folder / "m.joblib")
    joblib.dump(fitted(), folder / "z.joblib", compress=3)
    (folder / "m.onnx").write_bytes(to_onnx(fitted(), X.to_numpy(np.float32)[:1]).SerializeToString())
    return {each.name: each.read_bytes() for each in folder.iterdir()}


HOSTILE = """
import sys, pathlib
from assay.errors import ModelError
from assay.model.load import load
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    try:
        load(path, trust=True)
        print(path.name, "loaded")
    except ModelError as error:
        text = str(error)
        print(path.name, "refused" if len(text) < 600 and path.name in text else "unclear: " + text)
"""


def test_broken_files_are_refused_in_one_sentence_and_end_no_process(tmp_path, root) -> None:
    """Each format cut at several places, and with garbage behind a true beginning, in a process that must live."""
    (tmp_path / "whole").mkdir()
    broken = tmp_path / "broken"
    broken.mkdir()
    for name, data in models(tmp_path / "whole").items():
        for share in (0.02, 0.3, 0.6, 0.9):
            (broken / f"{share}-{name}").write_bytes(data[:max(int(len(data) * share), 9)])
        (broken / f"garbage-{name}").write_bytes(data[:40] + b"\xff\x00garbage" * 50)
        (broken / f"noise-{name}").write_bytes(b"nothing that is known\n" * 20)
    run = subprocess.run([sys.executable, "-W", "error", "-c", HOSTILE, str(broken)], capture_output=True, text=True, check=False,
                         cwd=root / "src", timeout=120)
    assert run.returncode == 0, run.stderr[-800:]
    said = dict(line.split(" ", 1) for line in run.stdout.splitlines() if " " in line and line.split(" ")[0][0] in "0gn")
    assert set(said) == {each.name for each in broken.iterdir()}
    assert {name: what for name, what in said.items() if what != "refused"} == {}


def test_an_empty_file_a_folder_and_no_file(tmp_path) -> None:
    (tmp_path / "empty.onnx").write_bytes(b"")
    with pytest.raises(ModelError, match="is empty"):
        load(tmp_path / "empty.onnx")
    with pytest.raises(ModelError, match="this is a folder"):
        load(tmp_path)
    with pytest.raises(ModelError, match=r"no such file.*did you mean 'empty.onnx'"):
        load(str(tmp_path / "emty.onnx"))
    with pytest.raises(ModelError, match="not read from addresses"):
        load("s3://bucket/m.onnx")
    with pytest.raises(ConfigError, match="holds a user name or a password") as caught:
        load("https://ann:hunter2@host/m.onnx")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(("thing", "words"), [
    (3, "an object of type int"), ({"model": 1}, "with the keys 'model'"), (None, "NoneType"), (LogisticRegression, "is a class"),
    (LogisticRegression(), "is not fitted"), (b"bytes", "bytes"),
])
def test_what_is_no_model_is_refused(thing, words) -> None:
    with pytest.raises(ModelError, match=words):
        load(thing)


def test_unfitted_models_of_every_library() -> None:
    import catboost
    import lightgbm
    import xgboost

    for each in (xgboost.XGBClassifier(), lightgbm.LGBMClassifier(), catboost.CatBoostClassifier()):
        with pytest.raises(ModelError, match="is not fitted"):
            load(each)


def test_an_unknown_option_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no option 'frme'.*did you mean 'frame'"):
        load(lambda batch: [], task="regression", frme="pandas")
    with pytest.raises(ConfigError, match="no option 'frame'"):
        load(fitted(), frame="pandas")


def test_options_that_cannot_be() -> None:
    for options, words in (({"task": "regresion"}, "did you mean 'regression'"), ({"task": "regression"}, "made for binary"),
                           ({"classes": ["yes", "no"]}, "another order"),
                           ({"classes": ["a"]}, "1 classes were named and the model has 2"),
                           ({"features": ["b", "a"]}, "another order"), ({"features": ["a"]}, "takes 2"),
                           ({"classes": "yes"}, "a list"),
                           ({"scores": "logit"}, "unknown")):
        with pytest.raises((ConfigError, SignatureError), match=words):
            load(fitted(), **options)


def test_classes_and_features_may_be_renamed_one_for_one() -> None:
    model = load(fitted(), classes=["deny", "grant"], features=["first", "second"])
    batch = pa.record_batch({"second": X.b.to_numpy(), "first": X.a.to_numpy()})
    answer = guard.answer(model, batch)
    np.testing.assert_allclose(answer.score, fitted().predict_proba(X))
    assert [answer.classes[place] for place in answer.prediction] == ["deny", "deny", "grant", "grant"]


def test_a_loaded_model_is_returned_as_it_is() -> None:
    model = load(fitted())
    assert load(model) is model
    with pytest.raises(ConfigError, match="loaded already"):
        load(model, task="binary")


def test_a_model_of_ones_own_needs_no_adapter() -> None:
    class Mine:
        signature = Signature((Input("a"),), "regression")
        digest = "mine"

        def predict(self, batch):
            return pa.RecordBatch.from_arrays([batch.column("a")], schema=pa.schema([("value", pa.float64())],
                                              metadata={b"assay": b'{"task": "regression", "classes": null}'}))

    assert guard.answer(load(Mine()), BATCH).value.tolist() == [0, 1, 2, 3]


def test_a_third_party_adds_a_format_in_one_place(monkeypatch) -> None:
    class Theirs:
        weight = 2.0

    def opened(model, options):
        signature = Signature((Input("a", "number"),), "regression")
        from assay.model.answer import Answer

        return Predictor(options.name, signature, "theirs",
                         lambda batch: Answer.valued(signature, batch.column(0).to_numpy() * model.weight))

    monkeypatch.setattr(FORMATS, "_found", dict(FORMATS._found))
    FORMATS.add("theirs", Format(lambda model: isinstance(model, Theirs), opened))
    assert guard.answer(load(Theirs()), BATCH).value.tolist() == [0, 2, 4, 6]


def test_binding_names_a_model_that_knows_a_number_only() -> None:
    model = load(LinearRegression().fit(X.to_numpy(), [0, 1, 2, 3]))
    assert (model.signature.positional, model.signature.width, model.signature.names) == (True, 2, None)
    with pytest.raises(SignatureError, match=r"without column names.*features="):
        guard.answer(model, BATCH)
    schema = pa.schema([("a", pa.float64()), ("text", pa.string()), ("b", pa.int64())])
    assert bind(model, schema).signature.names == ("a", "b")
    with pytest.raises(SignatureError, match="takes 2 inputs without names, and there are 1"):
        bind(model, ["a"])
    swapped = guard.answer(bind(model, ["a", "b"]), BATCH.select(["b", "a"]))
    np.testing.assert_allclose(swapped.value, [0, 1, 2, 3], atol=1e-9)
    assert bind(swapped_model := load(fitted()), ["x", "y"]) is swapped_model


def test_errors_of_a_model_are_one_sentence_with_their_cause() -> None:
    def broken(batch):
        raise RuntimeError("cannot reach postgres://ann:s3cret@db/x\nline two " + "x" * 10_000)

    with pytest.raises(PredictionError) as caught:
        guard.answer(load(broken, task="regression", name="m"), BATCH)
    assert str(caught.value) == "m: the model raised RuntimeError: cannot reach postgres://***@db/x"
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_recognising_imports_no_library(root) -> None:
    code = """
import sys
from assay.model.format import FORMATS
class Strange: pass
assert not any(FORMATS[name].recognises(Strange()) for name in FORMATS)
libraries = {'sklearn', 'pandas', 'xgboost', 'lightgbm', 'catboost', 'onnxruntime', 'skops', 'joblib'}
print(*sorted({name.split('.')[0] for name in sys.modules} & libraries))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root / "src")
    assert run.stdout.strip() == ""


def test_a_file_is_read_once(tmp_path) -> None:
    """What is hashed is what is loaded, even if the file is exchanged meanwhile."""
    from assay.model.file import File

    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps(fitted()))
    file = File.at(path)
    digest = file.digest
    path.write_bytes(pickle.dumps(Evil()))
    assert joblib.load(io.BytesIO(file.data)).classes_.tolist() == ["no", "yes"]
    assert file.digest == digest


@pytest.mark.parametrize(("name", "content", "words"), [
    ("m.onnx", b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n", r"pointer of Git LFS.*git lfs pull"),
    ("m.pmml", b"<html><body>Sign in</body></html>", r"this is a web page"), ("m.joblib", b"\n<!DOCTYPE html>", r"this is a web page"),
    ("m.pmml", b"<PML/>", r"the name ends in \.pmml, and the content is something else"),
])
def test_what_lies_there_when_a_model_was_not_fetched_is_named(tmp_path, name, content, words) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=words):
        load(tmp_path / name)


def test_a_pickle_of_another_version_says_how_to_run_it_with_its_own(tmp_path, monkeypatch) -> None:
    import sklearn

    here = sklearn.__version__
    fitted = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    monkeypatch.setattr("sklearn.base.__version__", "1.3.2")     # what __getstate__ writes
    data = pickle.dumps(fitted)
    monkeypatch.undo()
    (tmp_path / "old.pkl").write_bytes(data.replace(b"sklearn.linear_model._logistic", b"sklearn.linear_model._logistik"))
    with pytest.raises(ModelError, match=rf"made with scikit-learn 1\.3\.2, and {here} is installed: run it with its own, isolation=process"):
        load(tmp_path / "old.pkl", trust=True)
    del fitted.C    # as an older version may lack what was added since: it still answers
    assert guard.answer(load(fitted, features=["a"]), pa.record_batch({"a": [0.2, 0.9]})).prediction.tolist() == [0, 1]
