"""A summary adds: what is measured on data is a commutative monoid of empty, update and merge.

``Summary`` is the contract, ``SUMMARIES`` the registry, and a ``Need`` names one summary of some columns. Summaries know
nothing of metrics, engines or models; metrics and engines import this, and anyone may.

To add a summary: one file with a subclass, one line in ``SUMMARIES``, one line in the table of ``tests/laws/test_summary.py``.
"""

from __future__ import annotations

import dataclasses
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar

from assay.errors import SummaryError
from assay.registry import Registry
from assay.summary import codec

__all__ = ["SUMMARIES", "Latch", "Need", "Summary", "parse"]


S = TypeVar("S", bound="Summary")


class Summary(ABC):
    """A mergeable statistic of some columns, bounded in size.

    ``update`` changes only ``self``; ``merge`` returns a new summary and changes neither side. Any split of the rows gives the
    same answer: to the bit where counts are whole, to rounding where they are sums, within the stated error where it sketches.
    """

    kind: ClassVar[str]
    #: what ``update`` takes, in order: "column" for any column, else "@label", "@prediction", "@score", "@value" of a model
    inputs: ClassVar[tuple[str, ...]]

    @abstractmethod
    def update(self, *columns: Any, weight: Any = None, group: Any = None) -> None:
        """Add rows: one array per input; ``weight`` per row; ``group`` is the row's resampling group, 0 to ``GROUPS - 1``."""

    @abstractmethod
    def merge(self, other: Self) -> Self:
        """Return the summary of the rows of both."""

    @property
    @abstractmethod
    def n(self) -> int:
        """Rows seen."""

    @abstractmethod
    def fields(self) -> Mapping[str, Any]:
        """Return the state as arrays and JSON scalars, in a canonical order."""

    @classmethod
    @abstractmethod
    def restore(cls, fields: Mapping[str, Any]) -> Self:
        """Return the summary with that state; raises ``SummaryError`` where it cannot be one."""

    def dump(self) -> bytes:
        """Return the summary as bytes of the one format (see ``assay.summary.codec``)."""
        return codec.dump(self.kind, self.fields())

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Return the summary that :meth:`dump` wrote."""
        kind, fields = codec.parse(data)
        if kind != cls.kind:
            raise SummaryError(f"the bytes hold a '{kind}' summary", expected=f"'{cls.kind}'")
        return _restored(cls, fields)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Summary) and self.dump() == other.dump()

    __hash__ = None  # type: ignore[assignment]

    def _same(self, other: Summary, *names: str) -> None:
        """Refuse to merge summaries that were set up differently."""
        if type(self) is not type(other):
            raise SummaryError(f"cannot merge '{self.kind}' with '{other.kind}'")
        for name in names:
            mine, theirs = getattr(self, name), getattr(other, name)
            if not (mine is theirs or repr(mine) == repr(theirs)):
                raise SummaryError(f"cannot merge two '{self.kind}' summaries with different {name}",
                                   hint="make both with the same settings, edges from the same reference")


SUMMARIES: Registry[type[Summary]] = Registry("summary", {
    "moments": "assay.summary.moments:Moments",
    "histogram": "assay.summary.histogram:Histogram",
    "quantiles": "assay.summary.quantiles:Quantiles",
    "distinct": "assay.summary.distinct:Distinct",
    "frequent": "assay.summary.frequent:Frequent",
    "confusion": "assay.summary.confusion:Confusion",
    "labels": "assay.summary.confusion:Labels",
    "paired confusion": "assay.summary.confusion:PairedConfusion",
    "scores": "assay.summary.scores:Scores",
    "losses": "assay.summary.losses:Losses",
    "residuals": "assay.summary.residuals:Residuals",
    "rows": "assay.summary.rows:Rows",
})


class Latch:
    """A lock for what a summary does when it is read; a copy of the summary has one of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def __reduce__(self) -> tuple[type[Latch], tuple[()]]:
        return Latch, ()


@dataclass(frozen=True)
class Need:
    """One summary of some columns, as an engine is asked for it.

    ``columns`` are column names, or the names of what an engine derives: ``@label``, ``@prediction``, ``@score`` and
    ``@value``, with ``:model`` behind them where two models are served. ``options`` are the summary's keyword arguments.
    ``by`` is the text of the slicing that cuts the rows, empty for all rows: slices of two slicings may bear the same name.

    >>> Need("histogram", ("age",), options=(("edges", (20.0, 40.0)),)).empty().n
    0
    """

    kind: str
    columns: tuple[str, ...]
    options: tuple[tuple[str, Any], ...] = ()
    by: str = ""

    def __hash__(self) -> int:
        found: int | None = self.__dict__.get("_hash")
        if found is None:  # a need is a key many times over, and may hold dozens of edges
            found = self.__dict__["_hash"] = hash((self.kind, self.columns, self.options, self.by))
        return found

    def __reduce__(self) -> tuple[Any, ...]:  # hashes of texts differ between processes
        return Need, (self.kind, self.columns, self.options, self.by)

    def cut(self, by: str) -> Need:
        """Return the same need by a slicing.

        >>> Need("moments", ("age",)).cut("sex").by
        'sex'
        """
        return dataclasses.replace(self, by=by)

    def empty(self) -> Summary:
        """Return the empty summary."""
        return SUMMARIES[self.kind](**dict(self.options))

    def asks_for(self, summary: Summary) -> bool:
        """Whether a summary is one of this kind and with these options."""
        return summary.kind == self.kind and all(repr(getattr(summary, name, None)) == repr(value) for name, value in self.options)

    def to_json(self) -> list[Any]:
        return [self.kind, list(self.columns), [[name, list(value) if isinstance(value, tuple) else value]
                                                for name, value in self.options], *([self.by] if self.by else [])]

    @classmethod
    def from_json(cls, data: Any) -> Need:
        """Return the need that :meth:`to_json` wrote; raises ``SummaryError`` for anything else."""
        kind, columns, options, by = (*data, "")[:4] if isinstance(data, list) and len(data) in (3, 4) else (None, None, None, None)
        if not (isinstance(kind, str) and isinstance(by, str) and isinstance(columns, list) and isinstance(options, list)
                and all(isinstance(each, str) for each in columns)
                and all(isinstance(each, list) and len(each) == 2 and isinstance(each[0], str) for each in options)):
            raise SummaryError("what should name a summary and its columns does not")
        found = cls(kind, tuple(columns), tuple((name, tuple(value) if isinstance(value, list) else value) for name, value in options), by)
        if not all(_plain(part) for _, value in found.options for part in (value if isinstance(value, tuple) else (value,))):
            raise SummaryError("an option of a summary is neither a number, a text nor a list of them")
        return found


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def parse(data: bytes) -> Summary:
    """Return whatever summary the bytes hold."""
    kind, fields = codec.parse(data)
    if kind not in SUMMARIES:
        raise SummaryError(f"the bytes hold a '{kind}' summary, which this version does not know", hint="upgrade assay")
    return _restored(SUMMARIES[kind], fields)


def _restored(kind: type[S], fields: Mapping[str, Any]) -> S:
    try:
        return kind.restore(fields)
    except SummaryError:
        raise
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise SummaryError(f"the fields do not make a '{kind.kind}' summary ({type(error).__name__}: {error})") from error
