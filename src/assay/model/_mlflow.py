"""What MLflow itself is needed for: to fetch a model from its registry, and to load a Python function. Only ``mlflow`` uses this."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from assay.errors import MissingExtraError, ModelError
from assay.model import guard

__all__ = ["fetched", "function"]


def fetched(uri: str, where: str) -> Path:
    """Return the local folder of a model that a tracking server holds; where that is, MLFLOW_TRACKING_URI says."""
    try:
        import mlflow.artifacts
    except ImportError:
        raise MissingExtraError.of("mlflow", "to fetch a model from MLflow's registry") from None
    try:
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))
    except Exception as error:   # whatever its stores raise
        raise ModelError(f"MLflow cannot fetch the model ({guard.cause(error)})", where=where,
                         hint="is MLFLOW_TRACKING_URI the right server?") from error


def function(folder: Path, where: str) -> Callable[[Any], Any]:
    """Return the ``predict`` of a Python function; runs the code of the model."""
    try:
        import mlflow.pyfunc
    except ImportError:
        raise MissingExtraError.of("mlflow", "to load a Python function of MLflow") from None
    try:
        model = mlflow.pyfunc.load_model(str(folder))
    except (Exception, SystemExit) as error:
        raise ModelError(f"MLflow cannot load the model ({guard.cause(error)})", where=where,
                         hint="isolation='process' with requirements=True builds the environment that it was made in") from error

    def predict(frame: Any) -> Any:
        said = model.predict(frame)
        return said.to_numpy() if hasattr(said, "to_numpy") else said   # a frame or a series

    return predict
