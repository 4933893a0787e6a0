"""What each format was last tested with: the library and version under which the laws of ``tests/laws/test_model.py`` passed.

``TESTED`` maps formats to text; ``python -m tests.laws.matrix`` brings the versions up to date. Only ``assay models`` reads it.
"""

from __future__ import annotations

__all__ = ["TESTED"]

TESTED: dict[str, str] = {
    "callable": "pandas 3.1.1",
    "catboost": "catboost 1.2.10",
    "command": "Python 3.11",
    "http": "httpx 0.28.1, MLServer 1.7.1, MLflow 3.17.2",
    "jax": "jax 0.10.2",
    "keras": "keras 3.15.1",
    "lightgbm": "lightgbm 4.7.0",
    "mlflow": "MLflow 3.17.2",
    "mojo": "h2o 3.46.0.7",
    "onnx": "onnxruntime 1.31.1",
    "pickle": "joblib 1.6.0",
    "pmml": "sklearn2pmml 0.133.1",
    "sklearn": "scikit-learn 1.9.1",
    "skops": "skops 0.16.0",
    "tensorflow": "tensorflow-cpu 2.21.0",
    "torch": "torch 2.13.0",
    "transformers": "transformers 5.23.0",
    "xgboost": "xgboost 3.2.0",
}
