"""Pipelines of scikit-learn, and what a transformer must say of itself in them. The only module of the package that loads it."""

from __future__ import annotations

from typing import Any

__all__ = ["piped", "tags"]


def piped(repair: Any, estimator: Any) -> Any:
    """Return a pipeline of a repair and the estimator behind it."""
    from sklearn.pipeline import Pipeline

    return Pipeline([("repair", repair), ("model", estimator)])


def tags() -> Any:
    """Return the tags of a transformer of frames and matrices that needs no labels."""
    from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

    return Tags(estimator_type=None, target_tags=TargetTags(required=False), transformer_tags=TransformerTags(),
                input_tags=InputTags(allow_nan=True, categorical=True, string=True))
