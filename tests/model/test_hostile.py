"""Damaged native files: whatever a few changed bytes make of them, the process that loads and asks them lives."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from assay.errors import ModelError
from assay.model import _lightgbm, _xgboost_file

CODE = """
import sys, pathlib, numpy as np, pyarrow as pa
from assay.errors import AssayError
from assay.model import guard
from assay.model.load import load
from assay.model.model import bind
batch = pa.record_batch({"a": np.linspace(-3, 3, 200), "b": np.linspace(3, -3, 200), "c": np.arange(200.0) % 4})
said = {"refused": 0, "asked": 0}
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    try:
        model = load(path)
        guard.answer(bind(model, ["a", "b", "c"][:model.signature.width or 3]), batch)
        said["asked"] += 1
    except AssayError:
        said["refused"] += 1
print(said, file=sys.stderr)
"""


def data() -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"a": rng.normal(size=300), "b": rng.normal(size=300), "c": rng.integers(0, 4, 300)})
    return frame, ((frame.a > 0) ^ (frame.c == 2)).to_numpy().astype(int)


def xgboost_model(path: Path) -> None:
    import xgboost

    frame, label = data()
    given = xgboost.DMatrix(frame.assign(c=frame.c.astype("category")), label, enable_categorical=True)
    xgboost.train({"objective": "binary:logistic", "max_cat_to_onehot": 1}, given, 4).save_model(path)


def lightgbm_model(path: Path) -> None:
    import lightgbm

    frame, label = data()
    options = {"objective": "binary", "verbose": -1, "min_data_in_leaf": 5, "min_data_per_group": 5, "cat_smooth": 1,
               "max_cat_to_onehot": 1}
    lightgbm.train(options, lightgbm.Dataset(frame, label, categorical_feature=["c"]), 4).save_model(path)


def catboost_model(path: Path) -> None:
    import catboost

    frame, label = data()
    catboost.CatBoostClassifier(iterations=4, verbose=0, allow_writing_files=False).fit(frame, label).save_model(str(path))


def onnx_model(path: Path) -> None:
    from skl2onnx import to_onnx
    from sklearn.ensemble import RandomForestClassifier

    frame, label = data()
    made = to_onnx(RandomForestClassifier(3, random_state=0).fit(frame.to_numpy(np.float32), label), frame.to_numpy(np.float32)[:1])
    path.write_bytes(made.SerializeToString())


MAKERS = {"m.ubj": xgboost_model, "m.json": xgboost_model, "m.txt": lightgbm_model, "m.cbm": catboost_model, "m.onnx": onnx_model}


@pytest.mark.parametrize("name", MAKERS)
def test_changed_bytes_end_no_process(tmp_path, root, name) -> None:
    MAKERS[name](tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    folder = tmp_path / "changed"
    folder.mkdir()
    rng = random.Random(5)
    letters = b"0123456789-. ,=" if name.endswith(("txt", "json")) else bytes(range(256))
    for number in range(12 if name.endswith("cbm") else 40):  # each of CatBoost's is tried in a process of its own
        changed = bytearray(whole)
        for _ in range(rng.choice([1, 2, 5])):
            changed[rng.randrange(16, len(whole))] = rng.choice(letters)
        (folder / f"{number:02d}-{name}").write_bytes(bytes(changed))
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", CODE, str(folder)], capture_output=True, text=True, check=False,
                         cwd=root / "src", timeout=120)
    assert run.returncode == 0, run.stderr[-600:]


@pytest.mark.parametrize(("old", "new"), [
    ("split_feature=", "split_feature=7 "), ("left_child=", "left_child=0 "), ("left_child=", "left_child=99 "),
    ("num_leaves=", "num_leaves=1"), ("leaf_value=", "leaf_value=x "), ("threshold=", "threshold:"), ("Tree=1", "Tree=7"),
    ("end of parameters", ""), ("cat_boundaries=", "cat_boundaries=9 "), ("cat_threshold=", "cat_threshold=1 "),
    ("[objective: ", "[objective "), ("end of trees", "end of trees\nTree=9"), ("num_leaves=", "split_feature=0\nnum_leaves="),
    ("num_leaves=", "zzz=1\rnum_leaves="),
])
def test_a_lightgbm_file_with_a_fault_is_refused(tmp_path, old, new) -> None:
    lightgbm_model(tmp_path / "m.txt")
    text = (tmp_path / "m.txt").read_text()
    _lightgbm.check(text)
    assert old in text
    head, mark, rest = text.partition("tree_sizes=")
    sizes, _, body = rest.partition("\n")
    numbers = [int(each) for each in sizes.split()]
    changed = body.replace(old, new, 1)
    if old not in ("end of parameters", "end of trees", "[objective: ", "Tree=1"):   # keep the sizes true, so that nothing but the fault is seen
        numbers[0] += len(changed) - len(body)
    with pytest.raises(ModelError, match="cut off or damaged"):
        _lightgbm.check(f"{head}{mark}{' '.join(map(str, numbers))}\n{changed}")


@pytest.mark.parametrize(("path", "value"), [
    (("trees", 0, "left_children", 0), 10**6), (("trees", 0, "left_children", 0), 0), (("trees", 0, "split_indices", 0), 3),
    (("trees", 0, "right_children", 0), -5), (("tree_info", 0), 1), (("trees", 0, "tree_param", "num_nodes"), "1000000"),
    (("iteration_indptr", 1), 99), (("trees", 0, "categories_segments"), [10**9]), (("cats", "sorted_idx", 0), 77),
])
def test_an_xgboost_file_with_a_fault_is_refused(tmp_path, path, value) -> None:
    import json

    xgboost_model(tmp_path / "m.json")
    model = json.loads((tmp_path / "m.json").read_bytes())
    _xgboost_file.check(json.dumps(model).encode())
    place = model["learner"]["gradient_booster"]["model"]
    for each in path[:-1]:
        place = place[each]
    place[path[-1]] = value
    with pytest.raises(ModelError, match="cut off or damaged"):
        _xgboost_file.check(json.dumps(model).encode())


@pytest.mark.parametrize("options", [{}, {"booster": "dart"}, {"booster": "gblinear"},
                                     {"objective": "multi:softmax", "num_class": 3},
                                     {"gamma": 5, "tree_method": "exact"}, {"grow_policy": "lossguide", "max_leaves": 9},
                                     {"num_parallel_tree": 3}])
@pytest.mark.parametrize("form", ["json", "ubj"])
def test_what_xgboost_writes_is_whole(options, form) -> None:
    import xgboost

    frame, _ = data()
    booster = xgboost.train(options, xgboost.DMatrix(frame, np.arange(300) % 3), 5)
    _xgboost_file.check(bytes(booster.save_raw(form)))


@pytest.mark.parametrize("options", [{"linear_tree": True}, {"objective": "multiclass", "num_class": 3}, {"boosting": "dart"},
                                     {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, {"min_data_in_leaf": 299}])
def test_what_lightgbm_writes_is_whole(options) -> None:
    import lightgbm

    frame, _ = data()
    booster = lightgbm.train({"verbose": -1, **options}, lightgbm.Dataset(frame, np.arange(300) % 3, categorical_feature=["c"]), 4)
    _lightgbm.check(booster.model_to_string())
