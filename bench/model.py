"""What asking a model through assay costs over asking its library, at 100,000 rows by 30 columns; and what a process of its own adds.

For each native format: the library's own predict on what users of it hold (a pandas frame), `load(...).predict` on the same rows as Arrow
(in memory, or read from a file), and the same model with isolation="process". The three are asked in turn, so that what else the machine
does falls on all of them alike; shown are the medians of their times and of the ratios of neighbours.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")   # one thread each: threads of several libraries beside each other measure the machine
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pandas as pd
import pyarrow as pa

from assay.model.load import load

ROWS, COLUMNS = 100_000, 30
NAMES = [f"f{place}" for place in range(COLUMNS)]


def data(rows: int) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.normal(size=rows) for name in NAMES})
    return frame, (frame.f0 + frame.f1 * frame.f2 > 0).to_numpy().astype(int)


def sklearn_linear(x: pd.DataFrame, y: Any, path: Path) -> tuple[Path, Callable[[Any], Any]]:
    import joblib
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit(x, y)
    joblib.dump(model, path / "linear.joblib")
    return path / "linear.joblib", model.predict_proba


def sklearn_forest(x: pd.DataFrame, y: Any, path: Path) -> tuple[Path, Callable[[Any], Any]]:
    import joblib
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(max_iter=100).fit(x, y)
    joblib.dump(model, path / "boosting.joblib")
    return path / "boosting.joblib", model.predict_proba


def xgboost(x: pd.DataFrame, y: Any, path: Path) -> tuple[Path, Callable[[Any], Any]]:
    import xgboost as library

    model = library.XGBClassifier(n_estimators=100, n_jobs=1).fit(x, y)
    model.save_model(path / "m.ubj")
    return path / "m.ubj", model.predict_proba


def lightgbm(x: pd.DataFrame, y: Any, path: Path) -> tuple[Path, Callable[[Any], Any]]:
    import lightgbm as library

    model = library.train({"objective": "binary", "verbose": -1, "num_threads": 1}, library.Dataset(x, y), 100)
    model.save_model(path / "m.txt")
    return path / "m.txt", model.predict


def catboost(x: pd.DataFrame, y: Any, path: Path) -> tuple[Path, Callable[[Any], Any]]:
    import catboost as library

    model = library.CatBoostClassifier(iterations=100, verbose=0, allow_writing_files=False, thread_count=1).fit(x, y)
    model.save_model(str(path / "m.cbm"))
    return path / "m.cbm", model.predict_proba


def onnx(x: pd.DataFrame, y: Any, path: Path) -> tuple[Path, Callable[[Any], Any]]:
    import onnxruntime
    from skl2onnx import to_onnx
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(30, max_depth=8, n_jobs=1).fit(x.to_numpy(), y)
    made = to_onnx(model, x.to_numpy(np.float32)[:1], options={"zipmap": False})
    (path / "m.onnx").write_bytes(made.SerializeToString())
    setup = onnxruntime.SessionOptions()
    setup.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(made.SerializeToString(), setup, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return path / "m.onnx", lambda frame: session.run(None, {name: frame.to_numpy(np.float32)})


FORMATS = {each.__name__: each for each in (sklearn_linear, sklearn_forest, xgboost, lightgbm, catboost, onnx)}


def once(ask: Callable[[Any], Any], given: Any) -> float:
    began = time.perf_counter()
    ask(given)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", nargs="*", default=list(FORMATS))
    said = parser.parse_args()
    warnings.simplefilter("ignore")
    small, label = data(5_000)
    frame, _ = data(ROWS)
    batch = pa.RecordBatch.from_pandas(frame, preserve_index=False)
    print(f"{ROWS:,} rows x {COLUMNS} columns, one thread, {said.rounds} rounds; milliseconds")
    print(f"{'format':16} {'native':>8} {'assay':>8} {'over':>7}   {'isolated':>8} {'over':>7}  {'load':>6} {'isolated':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for name in said.only:
            path, native = FORMATS[name](small, label, Path(folder))
            options = {"features": NAMES, "trust": True}
            began = time.perf_counter()
            inside = load(path, **options)
            loading = time.perf_counter() - began
            began = time.perf_counter()
            apart = load(path, isolation="process", **options)
            starting = time.perf_counter() - began
            for ask in (native, inside.predict, apart.predict):
                ask(frame if ask is native else batch)
            rounds = [(once(native, frame), once(inside.predict, batch), once(apart.predict, batch)) for _ in range(said.rounds)]
            over = median(each[1] / each[0] for each in rounds) - 1
            more = median(each[2] / each[1] for each in rounds) - 1
            first, second, third = (median(each[place] for each in rounds) * 1e3 for place in range(3))
            print(f"{name:16} {first:8.1f} {second:8.1f} {over:+7.1%}   {third:8.1f} {more:+7.1%}  {loading * 1e3:6.0f} {starting * 1e3:8.0f}")
            apart.close()


if __name__ == "__main__":
    main()
