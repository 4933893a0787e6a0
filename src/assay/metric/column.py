"""Metrics of one column, alone or against the same column of the reference: what drift and quality metrics are made of.

A ``ColumnMetric`` names the summaries it reads for number and for category columns. Some can only be set up once the reference
was seen (bin edges, ranges): ``before`` names what to summarise first, ``need`` builds a need from that.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from assay.errors import ConfigError, UnknownNameError
from assay.metric.metric import METRICS, dressed
from assay.result import Better, Spread, Value
from assay.summary import Need, Summary
from assay.summary.moments import Moments
from assay.summary.quantiles import Quantiles

__all__ = ["ColumnMetric", "Measured", "before", "column_metric", "need"]

Kind = Literal["number", "category", "missing"]
Summaries = Mapping[str, Summary]


@dataclass(frozen=True)
class Measured:
    """What a column metric found: a spread, the rows behind it, the bound of sketching error, or a note why there is none."""

    spread: Spread | None
    n: int
    bound: float = 0.0
    note: str | None = None


@dataclass(frozen=True)
class ColumnMetric:
    """A named metric of a column; call it with summaries by kind, of the reference first where it is ``compared``.

    ``needs`` maps the kind of a column to the summaries that are read.
    """

    name: str
    function: Callable[..., Measured]
    needs: Mapping[str, tuple[str, ...]]
    better: Better | None
    compared: bool
    unit: str | None = None
    doc: str = ""
    of: Literal["column", "table"] = "column"
    several: Callable[..., list[Measured]] | None = None  # of many columns at once, to the bit what ``function`` finds of each

    def __call__(self, *summaries: Summaries, **options: Any) -> float | None:
        """Return the bare number, None where it is not defined."""
        found = self.function(*summaries, **options).spread
        return None if found is None else found.estimate

    @property
    def counts(self) -> bool:
        """Whether it counts the rows that fit a condition among the rows of a slice, which are those that do and those that do not."""
        return "fitting" in self.needs.get("table", ())

    def takes(self, kind: str) -> bool:
        """Whether the metric is defined for columns of that kind."""
        return kind in self.needs

    def options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options, checked by name."""
        known = _keywords(self.function) if given else ()
        for name in given:
            if name not in known:
                raise UnknownNameError.among(f"option of {self.name}", name, known)
        return dict(given)

    def value(self, column: str | None, reference: Summaries, current: Summaries, options: Mapping[str, Any], **place: Any) -> Value:
        """Return the metric of a column, given its summaries by kind in the reference and now."""
        arguments = (reference, current) if self.compared else (current,)
        return self._value(column, self.function(*arguments, **self.options(options)), options, place)

    def values(self, columns: Sequence[str | None], references: Sequence[Summaries], currents: Sequence[Summaries],
               options: Mapping[str, Any], places: Sequence[Mapping[str, Any]]) -> list[Value]:
        """Return the metric of several columns, as ``value`` does of one: in one go where the metric can."""
        if self.several is None:
            return [self.value(column, then, now, options, **place)
                    for column, then, now, place in zip(columns, references, currents, places, strict=True)]
        found = self.several(references, currents, **self.options(options))
        return [self._value(column, each, options, place) for column, each, place in zip(columns, found, places, strict=True)]

    def _value(self, column: str | None, found: Measured, options: Mapping[str, Any], place: Mapping[str, Any]) -> Value:
        fields = {"better": self.better, "unit": self.unit, "column": column, "against": "reference" if self.compared else None, **place}
        fields.setdefault("n", found.n)
        if options:
            fields["options"] = dict(options)
        if found.spread is None or not math.isfinite(found.spread.estimate):
            return Value.undefined(self.name, found.note or "not defined for this column", **fields)
        return Value.of(self.name, found.spread, bound=found.bound, note=found.note, **fields)


def column_metric(*, needs: Mapping[str, Sequence[str]], better: Better | None, compared: bool, unit: str | None = None,
                  of: Literal["column", "table"] = "column",
                  several: Callable[..., list[Measured]] | None = None) -> Callable[[Callable[..., Measured]], ColumnMetric]:
    """Make a column metric of a function ``(reference, current)`` or, not ``compared``, ``(current)``, and register it.

    The function gets mappings from kind of summary to summary and returns ``Measured``; ``several`` gets a sequence of such mappings for
    each, one of each column, and returns a list.
    """

    def register(function: Callable[..., Measured]) -> ColumnMetric:
        made = ColumnMetric(function.__name__, function, {kind: tuple(names) for kind, names in needs.items()}, better, compared, unit,
                            inspect.getdoc(function) or "", of, several)
        return cast(ColumnMetric, METRICS.add(made.name, dressed(made, function)))

    return register


@functools.cache
def _keywords(function: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(name for name, each in inspect.signature(function).parameters.items() if each.kind is each.KEYWORD_ONLY)


_BEFORE = {"histogram": "quantiles", "range": "moments"}


def before(kind: str) -> str | None:
    """Return the summary of the reference that must be there before a need of ``kind`` can be set up, or None."""
    return _BEFORE.get(kind)


def need(kind: str, column: str, reference: Summaries | None = None, *, bins: int = 20) -> Need | None:
    """Return the need of a column, None where the reference gives nothing to set it up with (it was empty).

    ``histogram`` has edges at quantiles of the reference, ``range`` one bin from its least to its greatest value.
    """
    if kind == "histogram":
        known = cast("Quantiles | None", (reference or {}).get("quantiles"))
        return Need("histogram", (column,), (("edges", known.edges(bins)),)) if known is not None and known.count else None
    if kind == "range":
        seen = cast("Moments | None", (reference or {}).get("moments"))
        if seen is None or not seen.count:
            return None
        return Need("histogram", (column,), (("edges", (seen.low, math.nextafter(seen.high, math.inf))),))
    if kind == "copies":
        return Need("rows", ("@row", "@one"), (("size", 1 << 16), ("width", 1)))
    if kind == "repeats":
        return Need("rows", (column, "@one"), (("size", 1 << 20), ("width", 1)))
    if kind in ("fitting", "rows"):
        return Need("moments", ("@one",))
    if kind not in ("moments", "quantiles", "frequent", "distinct"):
        raise ConfigError(f"there is no summary '{kind}' of a column")
    return Need(kind, (column,))
