"""What asking a model through assay costs over asking its library, at 100,000 rows by 30 columns; and what a process of its own adds.

For each native format: the library's own predict on what users of it hold (a pandas frame), `load(...).predict` on the same rows as Arrow
(in memory, or read from a file), and the same model with isolation="process". All in one process and asked in turn, in an order by chance,
so that what else the machine does falls on all of them alike; shown are medians over rounds of the ratio of neighbours, in time that passed
and in time of the processor (that of the other process included), which a loaded machine disturbs less. `--plain` leaves isolation out.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import random
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
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(30, max_depth=8, n_jobs=1).fit(x, y)
    joblib.dump(model, path / "forest.joblib")
    return path / "forest.joblib", model.predict_proba


def sklearn_boosting(x: pd.DataFrame, y: Any, path: Path) -> tuple[Path, Callable[[Any], Any]]:
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


FORMATS = {each.__name__: each for each in (sklearn_linear, sklearn_forest, sklearn_boosting, xgboost, lightgbm, catboost, onnx)}


def spent() -> float:
    """The seconds of processor that this process and those that it started have used."""
    below = 0
    for each in Path("/proc/self/task").glob("*/children"):
        for child in each.read_text().split():
            with contextlib.suppress(OSError):    # it has ended meanwhile
                below += sum(int(one.read_text().split()[0]) for one in Path(f"/proc/{child}/task").glob("*/schedstat"))
    return time.process_time() + below / 1e9


def once(ask: Callable[[Any], Any], given: Any) -> tuple[float, float]:
    used, began = spent(), time.perf_counter()
    ask(given)
    return time.perf_counter() - began, spent() - used


def copied(batch: pa.RecordBatch) -> float:
    """The seconds of processor that one copy of the rows takes: what a process of its own cannot do without."""
    rows = np.column_stack([each.to_numpy() for each in batch.columns]).T.copy()
    out = np.zeros_like(rows)
    return median(once(lambda _: np.copyto(out, rows), None)[1] for _ in range(15))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--only", nargs="*", default=list(FORMATS))
    said = parser.parse_args()
    warnings.simplefilter("ignore")
    small, label = data(5_000)
    frame, _ = data(ROWS)
    batch = pa.RecordBatch.from_pandas(frame, preserve_index=False)
    print(f"{ROWS:,} rows x {COLUMNS} columns, one thread, {said.rounds} rounds; milliseconds that passed, of processor in brackets; "
          f"load {os.getloadavg()[0]:.1f}; one copy of the rows: {copied(batch) * 1e3:.1f}")
    print(f"{'format':17}{'library':>15}{'assay':>15}{'over it':>17}   {'isolated':>15}{'over in-process':>17}   {'loading':>7}{'apart':>7}")
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        for name in said.only:
            path, native = FORMATS[name](small, label, Path(folder))
            options = {"features": NAMES, "trust": True}
            began = time.perf_counter()
            inside = load(path, **options)
            loading = time.perf_counter() - began
            ways: dict[str, tuple[Callable[[Any], Any], Any]] = {"native": (native, frame), "inside": (inside.predict, batch)}
            began = time.perf_counter()
            apart: Any = None if said.plain else load(path, isolation="process", **options)
            starting = time.perf_counter() - began
            if apart is not None:
                ways["apart"] = (apart.predict, batch)
            for ask, given in ways.values():
                ask(given)
            held: list[dict[str, tuple[float, float]]] = []
            gc.disable()
            for _ in range(said.rounds):
                order = rng.sample(list(ways), len(ways))
                held.append({each: once(*ways[each]) for each in order})
            gc.enable()

            def shown(each: str, held: list[dict[str, tuple[float, float]]] = held) -> str:
                return " ".join(f"{median(one[each][place] for one in held) * 1e3:.1f}" if not place else
                                f"({median(one[each][place] for one in held) * 1e3:.1f})" for place in (0, 1))

            def ratio(each: str, other: str, held: list[dict[str, tuple[float, float]]] = held) -> str:
                first, second = (median(one[each][place] / one[other][place] for one in held) - 1 for place in (0, 1))
                return f"{first:+.1%} ({second:+.1%})"

            line = f"{name:17}{shown('native'):>15}{shown('inside'):>15}{ratio('inside', 'native'):>17}"
            if apart is not None:
                line += f"   {shown('apart'):>15}{ratio('apart', 'inside'):>17}   {loading * 1e3:7.0f}{starting * 1e3:7.0f}"
                apart.close()
            print(line, flush=True)


if __name__ == "__main__":
    main()
