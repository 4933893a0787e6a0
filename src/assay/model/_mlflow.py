"""What MLflow itself is needed for: its registry, and to load a Python function. Only ``mlflow`` and ``registry`` use this."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from assay.errors import MissingExtraError, ModelError
from assay.model import guard

__all__ = ["fetched", "function", "point", "tag", "version"]


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


def version(name: str, alias: str, where: str) -> str:
    """Return the version that an alias of a registered model points to."""
    return str(_asked(lambda client: client.get_model_version_by_alias(name, alias).version, where))


def tag(name: str, number: str, tags: Mapping[str, str], where: str) -> None:
    """Set tags of one version of a registered model."""
    def work(client: Any) -> None:
        for key, text in tags.items():
            client.set_model_version_tag(name, number, key, text)

    _asked(work, where)


def point(name: str, alias: str, number: str, where: str) -> None:
    """Let an alias of a registered model point to a version."""
    _asked(lambda client: client.set_registered_model_alias(name, alias, number), where)


def _asked(work: Callable[[Any], Any], where: str) -> Any:
    try:
        from mlflow.tracking import MlflowClient
    except ImportError:
        raise MissingExtraError.of("mlflow", "to ask MLflow's registry") from None
    try:
        return work(MlflowClient())
    except Exception as error:   # whatever its stores raise
        raise ModelError(f"MLflow's registry does not do it ({guard.cause(error)})", where=where,
                         hint="is MLFLOW_TRACKING_URI the right server, and does the model have that alias?") from error
