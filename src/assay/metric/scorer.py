"""scikit-learn's scorers as metrics of rows: ``scorer("jaccard")``, ``scorer(make_scorer(fbeta_score, beta=2))``.

A scorer says which answer it wants of a model, whether greater is better, and with which options; the metric keeps to all three.
``assay.scorer`` goes the other way.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from assay.errors import ConfigError, UnknownNameError
from assay.metric.metric import ALIASES, METRICS, dressed
from assay.metric.rows import RowMetric
from assay.summary.target import Target

__all__ = ["Scored", "scorer"]

_SCORES = {"predict_proba", "decision_function"}
_EITHER = inspect.Parameter.POSITIONAL_OR_KEYWORD


@dataclass(frozen=True)
class Scored(RowMetric):
    """A row metric made of a scorer; ``positive`` is the class that the scorer itself names as positive, if it does."""

    positive: Any = None

    def options(self, target: Target, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the function's options, among them the positive class, which it cannot know of labels such as yes and no."""
        found = super().options(target, given)
        if target.task != "binary" or target.positive is None:
            return found
        named = target.classes[target.positive]
        if self.positive is not None and self.positive != named:
            raise ConfigError(f"the scorer {self.name} takes {self.positive!r} for positive, and these rows {named!r}",
                              expected="one positive class", hint=f"positive: {self.positive}")
        known = inspect.signature(self.function).parameters
        if self._uses(target) == "prediction" and "pos_label" in known and "pos_label" not in found and _binary(known, found):
            found["pos_label"] = str(named) if any(isinstance(each, str) for each in target.classes) else named
        return found


def _binary(known: Mapping[str, inspect.Parameter], given: Mapping[str, Any]) -> bool:
    """Whether a function speaks of the positive class only, and does not average over classes."""
    return "average" not in known or given.get("average", known["average"].default) == "binary"


def scorer(scorer: Any, *, name: str | None = None, limits: tuple[float, float] = (-float("inf"), float("inf")),
           limit: int = 1_000_000) -> RowMetric:
    """Make a metric of a scikit-learn scorer, and register it under its name, for use in checks.

    ``scorer`` is a name that scikit-learn knows (``"jaccard"``, ``"neg_median_absolute_error"``) or what ``make_scorer`` returns.
    The metric is higher where the model is better, as scorers are: ``neg_`` ones are negative. Scorers that ask for
    ``predict_proba`` or ``decision_function`` get the scores of the positive class (of all classes beyond two), others get what was
    predicted; the scorer's options stand, further ones may be given in the check. ``name`` is the scorer's, or that of its function;
    where assay has a metric of that name, with ``sklearn_`` in front. ``limits`` and ``limit`` are those of ``rows``.

    Errors: ``ConfigError``, ``UnknownNameError``; in a check also where the scorer names another positive class than the model.

    >>> metric = scorer("jaccard")
    >>> metric.name, metric.better, round(metric([1, 1, 0], [1, 0, 0]), 2)
    ('jaccard', 'higher', 0.5)
    >>> scorer("balanced_accuracy").name
    'sklearn_balanced_accuracy'
    """
    found = _scorer(scorer)
    score = found._score_func
    title = name or (scorer if isinstance(scorer, str) else _title(score, found._sign))
    if name is None and (METRICS.builtin(title) or title in ALIASES):
        title = f"sklearn_{title}"
    asked = found._response_method
    scores = bool(_SCORES & ({asked} if isinstance(asked, str) else set(asked)))
    options = dict(found._kwargs)
    positive = options.pop("pos_label", None) if scores else options.get("pos_label")
    made = Scored(title, _function(score, options, found._sign, scores=scores), "higher", limit, None, None,
                  _doc(score, title), limits=limits, positive=positive)
    return cast(RowMetric, METRICS.add(title, dressed(made, made.function), replace=True))


def _scorer(given: Any) -> Any:
    from sklearn.metrics import get_scorer, get_scorer_names

    if isinstance(given, str):
        if given not in get_scorer_names():
            raise UnknownNameError.among("scorer of scikit-learn", given, get_scorer_names())
        given = get_scorer(given)
    if not all(hasattr(given, each) for each in ("_score_func", "_sign", "_kwargs", "_response_method")):
        raise ConfigError(f"{getattr(given, '__name__', type(given).__name__)} is not a scorer",
                          expected="a name that scikit-learn knows, or what sklearn.metrics.make_scorer returns",
                          hint="a function of (y_true, y_pred) becomes a metric by assay.metric.rows(better=...)")
    return given


def _title(function: Callable[..., Any], sign: int) -> str:
    named = getattr(function, "__name__", type(function).__name__)
    if not named.isidentifier():
        raise ConfigError("the scorer's function has no name", hint="scorer(..., name='my_score')")
    return named if sign > 0 else f"neg_{named}"


def _function(score: Callable[..., Any], options: Mapping[str, Any], sign: int, *, scores: bool) -> Callable[..., float]:
    """Return the scorer as a function of true and predicted values; its second parameter says what it wants to be given."""
    own = [each for each in list(inspect.signature(score).parameters.values())[2:]
           if each.kind in (each.KEYWORD_ONLY, _EITHER) and each.name != "sample_weight"]
    labelled = scores and any(each.name == "labels" for each in own)

    def function(y_true: Any, y_pred: Any, /, **given: Any) -> float:
        if labelled and "labels" not in given and "labels" not in options:
            # classes come as their places; one of them may be absent from these rows
            given["labels"] = list(range(y_pred.shape[1] if getattr(y_pred, "ndim", 1) == 2 else 2))
        return sign * float(score(y_true, y_pred, **{**options, **given}))

    first = [inspect.Parameter(each, _EITHER) for each in ("y_true", "y_score" if scores else "y_pred")]
    # options of the scorer are defaults now
    rest = [each.replace(kind=each.KEYWORD_ONLY, default=options.get(each.name, each.default)) for each in own]
    function.__signature__ = inspect.Signature([*first, *rest])  # type: ignore[attr-defined]
    return function


def _doc(score: Callable[..., Any], title: str) -> str:
    text = inspect.getdoc(score) or ""
    return " ".join(text.split("\n\n")[0].split()) or f"scikit-learn's {title}."
