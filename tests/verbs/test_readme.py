"""The lines of the README on other tools run as they stand there."""

from __future__ import annotations

import json

import lightgbm
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

import assay


def test_the_lines_on_other_tools_run(root, tmp_path, monkeypatch):
    section = (root / "README.md").read_text("utf-8").partition("## With other tools")[2].partition("\n## ")[0]
    code = section.partition("```python\n")[2].partition("```")[0]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "suite.json").write_text(json.dumps({"expectations": [
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "origin", "value_set": ["EWR", "JFK", "LGA"]}}]}), "utf-8")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"distance": rng.normal(1000, 300, 900), "origin": rng.choice(["EWR", "JFK", "LGA"], 900)})
    frame["delayed"] = (frame["distance"] + rng.normal(0, 200, 900) > 1000).astype(int)
    x, y = frame[["distance"]] / 1000, frame["delayed"]
    names = {"assay": assay, "model": LogisticRegression().fit(frame[["distance"]], y), "test": assay.source(frame, label="delayed"), "X": x, "y": y,
             "lightgbm": lightgbm, "cross_val_score": cross_val_score, "rows": lightgbm.Dataset(x, y),
             "settings": {"objective": "binary", "verbose": -1, "num_threads": 1, "num_iterations": 3}}
    exec(compile(code, "README.md", "exec"), names)
    report = names["report"]
    assert report.passed
    assert list(report.by_group("origin").index) == ["EWR", "JFK", "LGA"]
    assert set(report.by_group("origin").columns) == {"auc", "recall"}
