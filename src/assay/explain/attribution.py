"""What an explanation says: a value for each row and column, what they add up to, and their means over any group.

``Attributions`` is the interface; every way to explain returns it, and verbs, stores and reports read it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import special

from assay.errors import ConfigError, DataError, UnknownColumnError
from assay.result import Attribution, Scalar, Spread, Value

__all__ = ["Attributions", "digest"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Attributions:
    """How much each column contributed to what a model said of some rows, against a background.

    ``values`` is (rows, columns) and ``output`` (rows,) what was explained: a row's values and ``base`` add up to it where
    ``additive``. ``quantity`` tells what that is (``"log-odds"``, ``"probability"``, ``"value"``, ``"decision"``, ``"loss"`` ...),
    ``target`` of which class. ``error`` holds standard errors where the values were sampled, with ``df`` degrees of freedom, None
    where they are exact. ``background`` and ``model`` are digests, so that values may be kept and found again; ``model_rows`` counts
    the rows that the model was asked.

    >>> made = Attributions(("age", "income"), np.array([[1.0, 2.0], [3.0, -2.0]]), 0.5, np.array([3.5, 1.5]), "value", "exact linear")
    >>> made.means({"all": np.array([True, True])})["all"].tolist(), made.gap
    ([2.0, 0.0], 0.0)
    """

    columns: tuple[str, ...]
    values: Array
    base: float
    output: Array
    quantity: str
    method: str
    target: Scalar = None
    error: Array | None = None
    df: Array | None = None
    ids: tuple[Scalar, ...] = ()
    background: str = ""
    background_rows: int = 0
    model: str = ""
    model_rows: int = 0
    seed: int | None = None
    additive: bool = True
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.output), len(self.columns)):
            raise DataError(f"the values have the shape {self.values.shape}", expected=f"{(len(self.output), len(self.columns))}")
        if self.ids and len(self.ids) != len(self.output):
            raise DataError(f"{len(self.ids)} ids were given for {len(self.output)} rows")

    def __len__(self) -> int:
        return len(self.output)

    @property
    def gap(self) -> float:
        """The largest difference of a row's sum from its output, relative to the largest output; only rounding where exact."""
        if not len(self) or not self.additive:
            return 0.0
        largest = max(float(np.abs(self.output).max()), abs(self.base), float(np.abs(self.values).max(initial=0)))
        return float(np.abs(self.values.sum(axis=1) + self.base - self.output).max()) / (largest or 1.0)

    def intervals(self, level: float = 0.95) -> tuple[Array, Array]:
        """Return the lower and upper ends of the values' intervals; they are the values where those are exact."""
        if self.error is None:
            return self.values, self.values
        df = np.inf if self.df is None else self.df[:, None]
        half = np.where(np.isinf(df), special.ndtri((1 + level) / 2), special.stdtrit(df, (1 + level) / 2)) * self.error
        return self.values - half, self.values + half

    def column(self, name: str) -> Array:
        """Return the values of one column; raises ``UnknownColumnError`` with the nearest name."""
        if name not in self.columns:
            raise UnknownColumnError.among(name, self.columns)
        found: Array = self.values[:, self.columns.index(name)]
        return found

    def means(self, groups: Mapping[Any, Array]) -> dict[Any, Array]:
        """Return the mean of each column over groups of rows, (columns,) each.

        ``groups`` are masks or row numbers by name. As sums are rounded once (Shewchuk 1997), the order of rows does not matter.
        """
        return {name: self._mean(np.asarray(rows)) for name, rows in groups.items()}

    def by(self, keys: Sequence[Hashable]) -> dict[Hashable, Array]:
        """Return the mean of each column over the rows of each key.

        >>> made = Attributions(("age",), np.array([[1.0], [3.0], [5.0]]), 0.0, np.array([1.0, 3.0, 5.0]), "value", "exact linear")
        >>> {key: mean.tolist() for key, mean in made.by(["a", "b", "a"]).items()}
        {'a': [3.0], 'b': [3.0]}
        """
        if len(keys) != len(self):
            raise DataError(f"{len(keys)} keys were given for {len(self)} rows")
        rows: dict[Hashable, list[int]] = {}
        for place, key in enumerate(keys):
            rows.setdefault(key, []).append(place)
        return self.means({key: np.array(each) for key, each in rows.items()})

    def _mean(self, rows: Array) -> Array:
        some = self.values[rows]
        if not len(some):
            return np.full(len(self.columns), np.nan)
        return np.array([math.fsum(column) for column in some.T.tolist()]) / len(some)

    def contrast(self, first: Array, second: Array, *, metric: str = "contribution") -> list[Value]:
        """Return for each column the mean over ``first`` less that over ``second`` (masks), with its interval.

        The differences add up to that of the mean outputs. The interval is for the populations that the rows come from: it holds
        their spread, which the error of sampled values is part of.
        """
        one, other = self.values[first], self.values[second]
        if len(one) < 2 or len(other) < 2:   # a spread needs two
            raise DataError(f"the groups have {len(one)} and {len(other)} rows", expected="at least two rows each")
        means = self.means({"first": first, "second": second})
        errors = np.sqrt(one.var(axis=0, ddof=1) / len(one) + other.var(axis=0, ddof=1) / len(other))
        return [Value.of(metric, Spread("normal", float(a - b), error=float(error)), n=len(one) + len(other), column=name,
                         unit=self.quantity)
                for name, a, b, error in zip(self.columns, means["first"], means["second"], errors, strict=True)]

    def importance(self) -> list[Value]:
        """Return the mean absolute value of each column, with its interval, the largest first."""
        size = np.abs(self.values)
        errors = size.std(axis=0, ddof=1) / math.sqrt(len(self)) if len(self) > 1 else np.full(len(self.columns), np.inf)
        made = [Value.of("importance", Spread("normal", float(mean), error=float(error), low_limit=0.0), n=len(self), column=name,
                         unit=self.quantity)
                for name, mean, error in zip(self.columns, size.mean(axis=0), errors, strict=True)]
        return sorted(made, key=lambda each: -(each.value or 0.0))

    def result(self, level: float = 0.95) -> Attribution:
        """Return what results, stores and reports hold: plain numbers."""
        low, high = self.intervals(level) if self.error is not None else (None, None)
        ids = self.ids or tuple(range(len(self)))
        return Attribution(self.columns, ids, _plain(self.values), self.base, self.quantity, low=_plain(low), high=_plain(high),
                           output=tuple(self.output.tolist()), method=self.method, background=self.background,
                           background_rows=self.background_rows, model=self.model, target=self.target, notes=self.notes)

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of ``shap.Explanation``, so that ``shap.Explanation(**made.arguments())`` is one."""
        return {"values": self.values, "base_values": np.full(len(self), self.base), "feature_names": list(self.columns)}

    @classmethod
    def of(cls, explanation: Any, *, output: int | None = None) -> Attributions:
        """Return the values of a ``shap.Explanation``; ``output`` chooses one where it holds several."""
        values, base = np.asarray(explanation.values, float), np.asarray(explanation.base_values, float)
        if values.ndim == 3:
            if output is None:
                raise ConfigError(f"the explanation holds {values.shape[2]} outputs", expected="one", hint="pass output=...")
            values, base = values[:, :, output], base[..., output]
        names = getattr(explanation, "feature_names", None)
        names = [f"column {place}" for place in range(values.shape[1])] if names is None else names
        base = np.resize(base, len(values)) if base.ndim == 0 or base.size == 1 else base.reshape(-1)
        if len(base) and np.ptp(base) > 1e-6 * max(1.0, float(np.abs(base).max())):
            raise DataError("the rows of the explanation have different base values", expected="one background for all rows")
        start = float(base[0]) if len(base) else 0.0
        return cls(tuple(map(str, names)), values, start, values.sum(axis=1) + start, "unknown", "shap")

    def replace(self, **changes: Any) -> Attributions:
        """Return a copy with some fields changed."""
        return dataclasses.replace(self, **changes)


def _plain(values: Array | None) -> Any:
    return None if values is None else tuple(tuple(row) for row in values.tolist())


def digest(batch: pa.RecordBatch) -> str:
    """Return the SHA-256 of the names, types and contents of a batch.

    >>> digest(pa.record_batch({"a": [1, 2]})) == digest(pa.record_batch({"a": [0, 1, 2]}).slice(1))
    True
    """
    sink = io.BytesIO()
    plain = batch.take(pa.array(range(batch.num_rows), pa.int64())).replace_schema_metadata(None)   # without what lies around a slice
    with pa.ipc.new_stream(sink, plain.schema) as writer:
        writer.write_batch(plain)
    return hashlib.sha256(sink.getvalue()).hexdigest()
