"""A screen by name: the function that looks, what it must have to look at, and the values that come of its readings.

``SCREENS`` is the registry; ``@screen`` makes and registers one; ``Screen.missing(study)`` says why one cannot look, and
``Screen.values(study)`` what it saw. Each screen is one function of a ``Study`` that yields ``Reading``.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from assay.errors import ConfigError, UnknownNameError
from assay.registry import Registry
from assay.result import Better, Scalar, Spread, Value
from assay.screen.study import Study

__all__ = ["SCREENS", "Reading", "Screen", "Wanted", "screen"]

Wanted = Literal["train", "reference", "model", "label", "protected", "entity", "available_at"]

_BUILTIN: dict[str, tuple[str, ...]] = {
    "leakage": ("shared_rows", "shared_ids", "id_like", "lone_power", "known_late", "seen_entity_gain"),
    "junk": ("placeholder_rows", "placeholder_share", "repeated_blocks", "suspect_labels"),
    "content": ("empty_content", "damaged_content", "repeated_content", "shared_content"),
    "unit": ("unit_changed",),
    "representation": ("thin_in_train", "thin_region"),
    "proxy": ("proxy_power", "forbidden_inputs", "protected_inputs"),
    "baseline": ("gain_over_baseline",),
    "sensitivity": ("missing_effect", "noise_effect", "refuses_missing", "unused"),
}
SCREENS: Registry[Screen] = Registry("screen", {name: f"assay.screen.{module}:{name}" for module, names in _BUILTIN.items()
                                                for name in names})

#: how to bring what a screen wants
_BRING: dict[str, str] = {
    "train": "pass --train FILE, or train: FILE in assay.yaml",
    "reference": "pass --reference FILE, or reference: FILE in assay.yaml",
    "model": "pass --model FILE: predictions that were logged cannot be asked again",
    "label": "name the column: --label COLUMN, or columns: {label: COLUMN}",
    "protected": "name the columns: --protected COLUMN, or columns: {protected: [COLUMN]}",
    "entity": "name the column: --entity COLUMN, or columns: {entity: COLUMN}",
    "available_at": "name when each feature was known: columns: {available_at: {FEATURE: COLUMN}}",
}


@dataclass(frozen=True)
class Reading:
    """What a screen saw of a column (or of the table, ``column`` None) on ``n`` rows; ``note`` is a clause that adds to it.

    ``spread`` is None where nothing can be said, and ``note`` says why.
    """

    spread: Spread | None
    n: int
    column: str | None = None
    note: str | None = None
    slice: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True)
class Screen:
    """A named function of a study; ``wants`` is what must be there for it to look, ``of`` whether it reads each column."""

    name: str
    function: Callable[..., Iterable[Reading]]
    wants: tuple[Wanted, ...]
    better: Better
    of: Literal["column", "table"]
    unit: str | None = None
    limits: tuple[float, float] = (-math.inf, math.inf)
    doc: str = ""

    @property
    def compared(self) -> bool:
        """Whether it needs the training data or the reference."""
        return "train" in self.wants or "reference" in self.wants

    def missing(self, study: Study) -> ConfigError | None:
        """Return why the screen cannot look, None where it can."""
        for each in self.wants:
            if not study.has(each):
                return ConfigError(f"{self.name} needs {'a' if each in ('model', 'label', 'reference') else 'the'} {_NOUNS[each]}",
                                   hint=_BRING[each])
        return None

    def values(self, study: Study, options: Mapping[str, Any] | None = None) -> list[Value]:
        """Return what the screen saw; raises ``ConfigError`` where something that it wants is not there."""
        error = self.missing(study)
        if error is not None:
            raise error
        found = []
        for each in self.function(study, **self.options(options or {})):
            place: dict[str, Any] = {"column": each.column, "slice": dict(each.slice), "better": self.better, "unit": self.unit}
            if each.spread is None or not math.isfinite(each.spread.estimate):
                found.append(Value.undefined(self.name, each.note or "not defined here", n=each.n, **place))
            else:
                found.append(Value.of(self.name, each.spread, n=each.n, note=each.note, **place))
        return found

    def options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options, checked by name."""
        known = [name for name, each in inspect.signature(self.function).parameters.items() if each.kind is each.KEYWORD_ONLY]
        for name in given:
            if name not in known:
                raise UnknownNameError.among(f"option of {self.name}", name, known)
        return dict(given)


_NOUNS = {"train": "training data", "reference": "reference", "model": "model", "label": "label", "protected": "protected columns",
          "entity": "entity column", "available_at": "times at which features were known"}


def screen(*, wants: Iterable[Wanted] = (), better: Better = "lower", of: Literal["column", "table"] = "table", unit: str | None = None,
           limits: tuple[float, float] = (-math.inf, math.inf)) -> Callable[[Callable[..., Iterable[Reading]]], Screen]:
    """Make a screen of a function ``(study) -> readings`` and register it under the function's name."""

    def register(function: Callable[..., Iterable[Reading]]) -> Screen:
        made = Screen(function.__name__, function, tuple(wants), better, of, unit, limits, inspect.getdoc(function) or "")
        return SCREENS.add(made.name, made)

    return register
