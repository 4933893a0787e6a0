"""Fit a model with a penalty for differences between groups: the reductions of Agarwal et al. (ICML 2018), by Fairlearn.

``around(by, equal, ...)`` returns what wraps an estimator; it is then fitted anew in it. The verbs import it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from assay.errors import ConfigError
from assay.remedy.threshold import EQUALS, Equal

__all__ = ["around"]


def around(by: str, equal: Equal, *, at_most: float = 0.02, keep: bool = True, seed: int = 0) -> Callable[[Any], Any]:
    """Return a function from an estimator to one that fits it many times with weights until groups of ``by`` are ``at_most`` apart.

    ``keep`` says whether the column ``by`` is an input of the estimator. Raises ``MissingExtraError`` where Fairlearn is not installed.
    """
    if equal not in EQUALS:
        raise ConfigError(f"'{equal}' cannot be made equal", expected=f"one of {', '.join(EQUALS)}")
    from assay.remedy import _fairlearn

    return lambda estimator: _fairlearn.Reduced(estimator, by, equal, at_most, keep)
