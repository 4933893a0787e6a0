"""A picture, as the table that it is drawn from.

``Figure`` is what pages and notebooks draw.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from assay.errors import DataError
from assay.result.plain import restored, told
from assay.result.term import Scalar

__all__ = ["Figure"]

#: columns that a kind of picture needs beside those that it names
_NEEDED = {"sensitivity": ("rows", "p5", "p25", "p75", "p95"), "beeswarm": ("rows", "value"), "tree": ("parent",),
           "patches": ("row", "column", "brightness")}


@dataclass(frozen=True)
class Figure:
    """A picture, as the table that it is drawn from: aggregates only, so that a page may show it to anyone.

    ``table`` holds columns of one length; ``x`` names the column along the axis (the label of each line where ``kind`` is
    ``"interval"``, of each row where it is ``"matrix"``), ``y`` those that are drawn over it. ``low`` and ``high`` name the
    columns of intervals, one for each of ``y``. What is drawn, by ``kind``:

    - ``"line"``: curves of ``y`` over the numbers ``x`` (ROC, calibration); ``diagonal`` adds the line y = x; those of ``y`` that are
      among ``points`` are drawn as points, and intervals may be those of the first of ``y`` only;
    - ``"bars"``: groups of bars at the labels ``x``, one bar of a group for each of ``y`` (reference and current);
    - ``"interval"``: one line a label with its value and interval, and a rule at ``mark`` (a forest plot);
    - ``"matrix"``: numbers in cells, row labels in ``x``, one column of cells for each of ``y`` (confusion);
    - ``"waterfall"``: steps ``y`` at the labels ``x`` that lead from ``mark`` to where they end, which ``end_name`` says (why one answer);
    - ``"sensitivity"``: a curve ``y`` over values ``x``, numbers or categories, above the spread of what it is the mean of: columns
      ``p5``, ``p25``, ``p75``, ``p95`` and ``rows`` (influence of a column by its value);
    - ``"beeswarm"``: for each label ``x`` how many ``rows`` lie at each of the numbers ``y``, and the mean rank ``value`` (0 to 1) of
      what they have there (influence of many columns);
    - ``"marked"``: a text, its pieces ``x`` in their order, each marked by its number ``y`` (words);
    - ``"patches"``: a small picture: at each ``row`` and ``column`` the ``brightness`` (0 to 1) and the number ``y`` of its patch ``x``;
    - ``"tree"``: an interval plot whose lines hang below each other: ``parent`` is the number of the line above (segments).

    ``mark_name`` says what the rule is (``"all rows"``), of a waterfall where it starts. A column ``rows`` (or ``n``) counts the rows
    behind each line of the table: what is drawn of fewer than five is left blank where a page is made.

    Raises ``DataError`` where the columns do not fit that.

    >>> Figure("roc", "line", "ROC", {"fpr": (0.0, 0.2, 1.0), "tpr": (0.0, 0.7, 1.0)}, x="fpr", y=("tpr",), diagonal=True).rows
    3
    """

    name: str
    kind: Literal["line", "bars", "interval", "matrix", "waterfall", "sensitivity", "beeswarm", "tree", "marked", "patches"]
    title: str
    table: Mapping[str, tuple[Scalar, ...]]
    x: str
    y: tuple[str, ...]
    low: tuple[str, ...] = ()
    high: tuple[str, ...] = ()
    sentence: str = ""
    aspect: str | None = None
    column: str | None = None
    mark: float | None = None
    diagonal: bool = False
    mark_name: str = ""
    end_name: str = ""
    points: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        named = {self.x, *self.y, *self.low, *self.high, *_NEEDED.get(self.kind, ())}
        if not named <= set(self.table) or len({len(each) for each in self.table.values()}) > 1:
            raise DataError(f"the table of the figure '{self.name}' has not the columns that are drawn",
                            expected=f"columns of one length, {', '.join(sorted(named))} among them")
        fits = range(1, len(self.y) + 1) if self.kind == "line" else (len(self.y),)
        if len(self.low) != len(self.high) or (self.low and len(self.low) not in fits):
            raise DataError(f"the figure '{self.name}' has intervals for some of its columns only", expected="one for each of y, or none")
        if self.kind == "waterfall" and self.mark is None:
            raise DataError(f"the figure '{self.name}' starts nowhere", expected="mark, the number from which its steps lead")

    @property
    def rows(self) -> int:
        """The length of the table."""
        return len(self.table[self.x])

    def to_json(self) -> dict[str, Any]:
        return told(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Figure:
        tuples = {key: tuple(data.get(key, ())) for key in ("y", "low", "high", "points")}
        table = {str(name): tuple(column) for name, column in data["table"].items()}
        return cls(**{**restored(cls, data), **tuples, "table": table})
