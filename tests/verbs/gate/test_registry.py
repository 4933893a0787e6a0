"""Versions in a registry: pinned before they are judged, tagged with the verdict, promoted on release. Against a real MLflow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from assay.errors import ConfigError, MissingExtraError
from assay.model import environment
from assay.model.registry import Entry
from assay.verbs.gate.registry import pinned

SOURCE = Path(__file__).resolve().parents[3] / "src"

REGISTERED = """
import mlflow, mlflow.sklearn, numpy as np, pandas as pd
from mlflow.tracking import MlflowClient
from sklearn.linear_model import LogisticRegression
rng = np.random.default_rng(0)
x = pd.DataFrame(rng.normal(size=(6000, 3)), columns=list("abc"))
y = (x.a + x.b + rng.normal(size=6000) / 2 > 0).astype(int)
client = MlflowClient()
for number, (alias, kept) in enumerate([("champion", "a"), ("candidate", "ab"), ("bad", "c")], 1):
    seen = x.assign(**{name: 0.0 for name in "abc" if name not in kept})
    mlflow.sklearn.log_model(LogisticRegression().fit(seen[:3000], y[:3000]), name="m", registered_model_name="delay",
                             serialization_format="cloudpickle")
    client.set_registered_model_alias("delay", alias, str(number))
x[3000:].assign(late=y[3000:]).to_parquet("data.parquet")
"""
STATE = """
import json
from mlflow.tracking import MlflowClient
client = MlflowClient()
print(json.dumps({"aliases": client.get_registered_model("delay").aliases,
                  "tags": [client.get_model_version("delay", each).tags for each in "123"]}))
"""
RACE = """
from assay.model.registry import Entry
from mlflow.tracking import MlflowClient
candidate, champion = Entry.of("models:/delay/1"), Entry.of("models:/delay@champion")
MlflowClient().set_registered_model_alias("delay", "champion", "3")
try:
    candidate.promote(champion)
except Exception as error:
    print(error)
"""


def test_only_versions_in_a_registry_are_pinned() -> None:
    assert Entry.of("models:/delay/3").place == "models:/delay/3"
    assert pinned("models:/delay/4", "models:/delay/3").champion == Entry("delay", "3")
    assert pinned("models:/delay/4", "old.onnx").champion is None
    for text in ("models/m.onnx", "models:/delay", "models:/a/b/3", "models:/delay/3/x", "runs:/abc/model", None):
        assert Entry.of(text) is None
        with pytest.raises(ConfigError, match="only versions in a registry"):
            pinned(text, None)


def test_nothing_is_promoted_to_where_no_alias_is() -> None:
    for champion in ("models:/delay/3", "models/old.onnx", None):
        with pytest.raises(ConfigError, match="no alias that could be moved"):
            pinned("models:/delay/4", champion, promote=True)
    with pytest.raises(ConfigError, match="cannot replace"):
        Entry("delay", "4").promote(Entry("fraud", "3", "champion"))


def test_an_alias_needs_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setitem(sys.modules, "mlflow.tracking", None)
    with pytest.raises(MissingExtraError, match=r"assay\[mlflow\]"):
        Entry.of("models:/delay@champion")


@pytest.mark.slow
def test_a_real_registry_gets_the_verdict_and_the_new_champion(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # built the first time, kept for the next
        python = environment.built(("mlflow-skinny==3.17.2", "sqlalchemy", "alembic", "scikit-learn==1.9.1", "pandas", "pyarrow", "scipy",
                                    "click", "rich", "joblib", "threadpoolctl", "PyYAML"), where="test").python
    environ = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'registry.db'}", "PYTHONPATH": str(SOURCE)}

    def ran(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(python), *words], check=False, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=300)

    def state() -> dict:
        return json.loads(ran("-c", STATE).stdout)

    made = ran("-c", REGISTERED)
    assert made.returncode == 0, made.stderr[-2000:]
    (tmp_path / "assay.yaml").write_text("data: data.parquet\nchampion: models:/delay@champion\ncolumns: {label: late}\n"
                                         "gate: {success: [auc], guardrails: [auc >= champion - 0.01]}\n")
    gate = ("-m", "assay", "gate", "assay.yaml", "--trust", "--promote", "--no-progress", "--candidate")
    blocked = ran(*gate, "models:/delay@bad")
    assert blocked.returncode == 1, blocked.stdout + blocked.stderr
    assert "models:/delay/3 is tagged: block; the champion stays" in " ".join(blocked.stdout.split())
    seen = state()
    assert seen["aliases"]["champion"] in (1, "1")
    assert seen["tags"][2]["assay.decision"] == "block"
    assert "auc" in seen["tags"][2]["assay.reason"]

    released = ran(*gate, "models:/delay@candidate")
    assert released.returncode == 0, released.stdout + released.stderr
    seen = state()
    assert seen["aliases"]["champion"] in (2, "2")
    assert (seen["tags"][1]["assay.decision"], seen["tags"][1]["assay.promoted"]) == ("release", "champion")

    assert "was version 2 and is 3" in ran("-c", RACE).stdout  # whoever moves the alias meanwhile is not overruled
