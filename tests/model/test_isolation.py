"""A model in a process of its own: whatever it does there, the caller gets an answer or an error with its last words."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression

import assay
from assay.errors import ConfigError, ModelError, PredictionError, SignatureError, UntrustedModelError
from assay.model import environment, guard
from assay.model.load import load
from assay.model.model import bind
from assay.model.process import Limits

UNRULY = """
import ctypes, os, sys, time
import numpy as np

class Unruly:
    feature_names_in_ = np.array(["do"], dtype=object)
    n_features_in_ = 1
    _estimator_type = "regressor"

    def predict(self, frame):
        do = int(np.asarray(frame)[0, 0])
        if do == 1:
            print("about to break", file=sys.stderr, flush=True); ctypes.string_at(0)
        if do == 2:
            sys.exit("enough")
        if do == 3:
            os._exit(7)
        if do == 4:
            self.held = [np.ones(10**6) for _ in range(400)]
        if do == 5:
            time.sleep(60)
        if do == 6:
            print("x" * 20_000_000); print("y" * 1000, file=sys.stderr)
        if do == 7:
            raise KeyError("age")
        if do == 8:
            return np.array([float(os.environ.get("SECRET_TOKEN") is not None)] * len(frame))
        if do == 9:
            return np.arange(100_000.0)
        return np.full(len(frame), float(os.getpid()))
"""


def rows(do: float, count: int = 2) -> pa.RecordBatch:
    return pa.record_batch({"do": [float(do)] * count})


@pytest.fixture
def unruly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "unruly.py").write_text(UNRULY)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("SECRET_TOKEN", "s3cret")
    sys.modules.pop("unruly", None)
    from unruly import Unruly

    joblib.dump(Unruly(), tmp_path / "unruly.joblib")
    return tmp_path / "unruly.joblib"


def test_what_a_model_does_to_its_process_is_an_error_with_its_last_words(unruly) -> None:
    model = load(unruly, trust=True, isolation="process", timeout=60)
    first = guard.answer(model, rows(0)).value[0]
    assert first not in (0.0, float(os.getpid()))
    with pytest.raises(PredictionError, match="SystemExit: enough"):
        guard.answer(model, rows(2))
    with pytest.raises(PredictionError, match="KeyError: 'age'"):
        guard.answer(model, rows(7))
    assert len(guard.answer(model, rows(6))) == 2   # 20 MB of output are swallowed
    assert len(model.predict(rows(9))) == 100_000   # an answer that has no room where answers are laid down goes through the pipe
    with pytest.raises(PredictionError, match=r"answered for 100000 rows"):
        guard.answer(model, rows(9))
    assert guard.answer(model, rows(8)).value.tolist() == [0.0, 0.0]   # secrets of the environment are not its business
    assert guard.answer(model, rows(0)).value[0] == first   # through all of this the process lived
    with pytest.raises(PredictionError, match=r"SIGSEGV \(it broke down: segmentation fault\); its last words: .*Segmentation fault / File \"__init__.py\", line \d+ in string_at"):
        guard.answer(model, rows(1))
    assert guard.answer(model, rows(0)).value[0] != first   # a new one
    with pytest.raises(PredictionError, match="exit status 7"):
        guard.answer(model, rows(3))
    with pytest.raises(PredictionError, match=r"exit status 7"):
        guard.answer(model, rows(3))
    with pytest.raises(PredictionError, match=r"broke down 3 times and is not started again.*exit status 7"):
        guard.answer(model, rows(0))


def test_a_model_that_hangs_or_leaks_is_stopped(unruly) -> None:
    model = load(unruly, trust=True, isolation="process", timeout=90, memory="2GB")
    with pytest.raises(PredictionError, match=r"the model took 2\.\d\d GB of memory, and 2\.00 GB were allowed"):
        guard.answer(model, rows(4))
    host = model._host   # loading took its time; a batch need not
    host.limits.timeout = 1.0
    host.limits.memory = 10**12
    with pytest.raises(PredictionError, match=r"did not answer within [13] s"):
        guard.answer(model, rows(5))


def test_a_check_goes_on_when_the_model_breaks_down(unruly) -> None:
    data = pa.table({"do": [1.0] * 40, "y": [0.5] * 40})
    run = assay.check({"uri": str(unruly), "isolation": "process"}, data, label="y", trust=True, checks=["mae <= 1"])
    assert run.verdict == "error"
    assert "SIGSEGV" in run.verdicts[0].sentence


def test_it_answers_as_in_this_process_and_is_the_same_model(tmp_path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(3000, 4)), columns=list("abcd"))
    fitted = LogisticRegression().fit(frame.to_numpy(), np.array(["z", "b", "m"])[rng.integers(0, 3, 3000)])
    joblib.dump(fitted, tmp_path / "m.joblib")
    here = bind(load(tmp_path / "m.joblib", trust=True), list("abcd"))
    free = load(tmp_path / "m.joblib", trust=True, isolation="process")
    assert free.signature.positional
    apart = bind(free, list("abcd"))
    assert (apart.digest, apart.signature, apart.name) == (here.digest, here.signature, here.name)
    batch = pa.RecordBatch.from_pandas(frame)
    for part in (batch, batch.slice(7, 5), batch.slice(0, 0), batch.select(["d", "b", "a", "c"]).append_column("x", batch.column(0))):
        one, other = guard.answer(here, part), guard.answer(apart, part)
        np.testing.assert_array_equal(one.score, other.score)
        np.testing.assert_array_equal(one.prediction, other.prediction)
    with pytest.raises(SignatureError, match=r"no column 'a'"):
        guard.answer(apart, batch.drop_columns(["a"]))
    said: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: said.append(guard.answer(apart, batch).score)) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert all((each == said[0]).all() for each in said)
    assert len(said) == 4
    pid = apart._host._child._process.pid
    apart.close()
    time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists() or sys.platform != "linux"
    with pytest.raises(PredictionError):
        guard.answer(apart, batch)


def test_an_error_of_loading_is_told_as_if_it_were_here(tmp_path) -> None:
    joblib.dump(LogisticRegression(), tmp_path / "m.joblib")
    with pytest.raises(UntrustedModelError, match="--trust"):
        load(tmp_path / "m.joblib", isolation="process")
    with pytest.raises(ModelError, match="not fitted"):
        load(tmp_path / "m.joblib", isolation="process", trust=True)


@pytest.mark.parametrize(("options", "words"), [
    ({"isolation": "thread"}, "no isolation 'thread'"), ({"timeout": -1}, "timeout is -1"), ({"timeout": True}, "timeout is True"),
    ({"memory": "lots"}, "memory is 'lots'"), ({"requirements": "r.txt", "python": "p"}, "both given"), ({"python": "nowhere"}, "no Python at"),
    ({"requirements": ["--index-url=http://evil", "x"]}, "more than a package"), ({"requirements": ["a @ http://evil/a.whl"]}, "more than a package"),
    ({"requirements": ["-e ."]}, "more than a package"), ({"requirements": ["../a.whl"]}, "more than a package"), ({"requirements": ["# no"]}, "name no package"),
    ({"requirements": True}, "no requirements came with"),
])
def test_options_that_cannot_be(tmp_path, options, words) -> None:
    (tmp_path / "m.joblib").write_bytes(b"x")
    with pytest.raises(ConfigError, match=words):
        load(tmp_path / "m.joblib", trust=True, **{"isolation": "process", **options})


def test_an_environment_of_its_own_needs_trust_and_a_file(tmp_path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"x")
    with pytest.raises(UntrustedModelError, match="another environment runs code"):
        load(tmp_path / "m.onnx", isolation="process", requirements=["x"])
    with pytest.raises(ConfigError, match="save the model"):
        load(lambda batch: [1.0], isolation="process")


@pytest.mark.parametrize(("text", "size"), [("2GB", 2 * 10**9), ("1.5 GiB", 3 * 2**29), ("100m", 10**8), (4096, 4096)])
def test_memory_is_said_in_the_usual_units(text, size) -> None:
    assert Limits.of(timeout=None, memory=text, where="m").memory == size


@pytest.mark.slow   # to make a virtual environment takes ten seconds
def test_without_a_network_an_environment_says_so(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ASSAY_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.warns(UserWarning, match="building an environment.*no-such-thing==1.0"), \
            pytest.raises(ModelError, match="packages cannot be fetched"):
        environment.built(["no-such-thing==1.0"], where="m")
    assert list((tmp_path / "environments").iterdir()) == []   # nothing half-made is left


@pytest.mark.slow
def test_a_model_of_an_old_scikit_learn_in_its_own_environment(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ASSAY_CACHE", str(tmp_path / "cache"))
    wanted = ["scikit-learn==1.3.2", "numpy==1.26.4", "pandas==2.1.4", "joblib"]
    with pytest.warns(UserWarning, match="scikit-learn==1.3.2"):
        made = environment.built(wanted, where="m")
    assert "scikit-learn==1.3.2" in made.installed
    assert environment.built(wanted, where="m") == made   # at once, and without a word
    code = ("import joblib, numpy, sys; from sklearn.ensemble import GradientBoostingClassifier as G; import pandas\n"
            "x = pandas.DataFrame(numpy.random.RandomState(0).normal(size=(200, 3)), columns=list('abc')); m = G(n_estimators=5).fit(x, x.a > 0)\n"
            "joblib.dump(m, sys.argv[1]); numpy.save(sys.argv[2], m.predict_proba(x)); x.to_csv(sys.argv[3], index=False)")
    paths = [str(tmp_path / name) for name in ("m.joblib", "said.npy", "x.csv")]
    subprocess.run([made.python, "-c", code, *paths], check=True)
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("\n".join(wanted))
    model = load(paths[0], trust=True, isolation="process", requirements=str(requirements))
    answer = guard.answer(model, pa.RecordBatch.from_pandas(pd.read_csv(paths[2])))
    np.testing.assert_allclose(answer.score, np.load(paths[1]))
    with pytest.raises(ModelError):   # which is why: here it cannot be read, or not be asked
        guard.answer(load(paths[0], trust=True), pa.RecordBatch.from_pandas(pd.read_csv(paths[2])))


CHILDREN = """
import os, signal, sys, time
import numpy as np

class Parent:
    feature_names_in_ = np.array(["do"], dtype=object)
    n_features_in_ = 1
    _estimator_type = "regressor"

    def predict(self, frame):
        do = int(np.asarray(frame)[0, 0])
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if do in (1, 2) and os.fork() == 0:       # a child that lives on, and holds whatever its parent had open
            if do == 2:
                os.setsid()
            time.sleep(30)
            os._exit(0)
        if do in (1, 2, 3):
            os._exit(9)
        if do == 4:
            for number in range(3, 40):           # what is said where answers are said
                try:
                    os.write(number, b"A" * 64)
                except OSError:
                    pass
        if do == 5:
            os.closerange(3, 60)
        return np.full(len(frame), 1.0)
"""


@pytest.mark.parametrize(("do", "words"), [
    (1, "exit status 9"), (2, "exit status 9"), (3, "exit status 9"), (4, "that is no answer"), (5, "ended with exit status|Bad file descriptor|no answer")])
def test_a_model_that_forks_and_talks_out_of_turn_is_an_error_at_once(tmp_path, monkeypatch, do, words) -> None:
    (tmp_path / "parent.py").write_text(CHILDREN)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("parent", None)
    from parent import Parent

    joblib.dump(Parent(), tmp_path / "parent.joblib")
    model = load(tmp_path / "parent.joblib", trust=True, isolation="process", timeout=120)
    began = time.monotonic()
    with pytest.raises(PredictionError, match=words):
        guard.answer(model, rows(do))
    assert time.monotonic() - began < 25     # and not when its children end, or the time is up
    assert guard.answer(model, rows(0)).value.tolist() == [1.0, 1.0]     # the next answer is an answer to this
    model.close()
