"""What questions of ``explain`` share: the model, the rows it is asked about, the rows they are compared with, and the parts of an answer.

``Ground`` is handed to each question (``row``, ``importance`` ...), which returns a ``Part`` of the run; ``drawn`` draws rows of a source.
Only ``verbs.explain`` and the modules of its questions use it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import numpy as np
import pyarrow as pa

from assay.data.predicate import parse, quoted
from assay.data.source import Source, source
from assay.errors import ConfigError, EmptyDataError, UnknownNameError
from assay.explain.attribution import Attributions, digest
from assay.explain.explain import QUANTITIES, Way, explain
from assay.model import guard
from assay.model.answer import Answer
from assay.model.logged import Logged
from assay.model.model import Model, called
from assay.model.signature import Signature
from assay.result import Attribution, Figure, Finding, Scalar, Value
from assay.store import Store
from assay.store.attribution import Key
from assay.summary.hashing import mixed
from assay.verbs.explain.memory import remembered
from assay.verbs.subject import Subject, fits

__all__ = ["BACKGROUND", "WAYS", "Ground", "Part", "drawn", "number", "signed", "table_of"]

Array = np.ndarray[Any, Any]
WAYS = ("exact", "sampled", "gradients", "path-dependent")
BACKGROUND = 1_000   # rows to compare with, where nothing else is said
_WORDS = {"train": "training rows", "reference": "reference rows", "data": "rows of the data"}


@dataclass(frozen=True)
class Part:
    """What one question found: the sentences come first in the run, then what they rest on."""

    sentences: tuple[str, ...]
    values: tuple[Value, ...] = ()
    figures: tuple[Figure, ...] = ()
    attributions: tuple[Attribution, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    about: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True)
class Ground:
    """What a question stands on.

    ``quantity`` None is what the model adds up; ``against`` chooses rows of the background; ``way`` is one of ``WAYS``, None the best;
    ``checkpoints`` are the model at earlier times of its training.
    """

    subject: Subject
    quantity: str | None = None
    against: str | None = None
    background: Source | None = None
    rows: int | None = None
    at_most: float | None = None
    budget: int | None = None
    seed: int = 0
    positive: Any = None
    store: Store | None = None
    way: str | None = None
    checkpoints: tuple[Model, ...] = ()

    def __post_init__(self) -> None:
        if self.way is not None and self.way not in WAYS:
            raise UnknownNameError.among("way to explain", self.way, WAYS)
        if self.way == "path-dependent" and (self.against is not None or self.background is not None):
            raise ConfigError("path-dependent values are compared with no background", expected="neither against nor background")
        if self.quantity is not None and self.quantity not in QUANTITIES:
            raise UnknownNameError.among("quantity to explain", self.quantity, QUANTITIES)
        if self.rows is not None and self.rows < 2:
            raise ConfigError(f"a sample of {self.rows} rows says nothing", expected="two rows or more")

    @cached_property
    def model(self) -> Model:
        """The model; raises ``ConfigError`` where only its answers were logged."""
        model = self.subject.models.get("model")
        if model is None or isinstance(model, Logged):
            raise ConfigError("there is no model to ask, only its logged answers" if model is not None else "there is no model to explain",
                              expected="a model that answers for rows that it has not seen",
                              hint="--model FILE, or model: FILE in assay.yaml")
        return model

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns that the model reads; the features of the data where it does not say."""
        return self.model.signature.names or self.subject.data.schema.features

    @property
    def target(self) -> Any:
        """The class whose score is explained: the positive one; None where numbers are predicted, or none of several was named."""
        known = self.subject.target
        if known is None or not known.classes or (known.positive is None and self.positive is None):
            return None
        return known.classes[known.positive if known.positive is not None else known.place(self.positive)]

    @cached_property
    def behind(self) -> pa.RecordBatch:
        """The rows that are compared with: the inputs of a seeded sample of the training data, else of the reference, else of the data."""
        return self._drawn[0]

    @cached_property
    def _drawn(self) -> tuple[pa.RecordBatch, bool]:
        table = drawn(self._behind, BACKGROUND + 1, self.seed, self.inputs).combine_chunks()
        return table.slice(0, BACKGROUND).combine_chunks().to_batches()[0], bool(table.num_rows <= BACKGROUND)

    @property
    def whole(self) -> bool:
        """Whether the background is all that there is of it, not a sample."""
        return self._drawn[1]

    @cached_property
    def compared(self) -> str:
        """The background in words: ``the 1,000 training rows``."""
        if self.way == "path-dependent":
            return "the training rows that the trees counted"
        given = self.background is not None
        name = f"rows of {self._behind.name.rpartition('/')[2]}" if given else _WORDS[self._place]
        some = f" where {self.against}" if self.against else ""
        name = name.replace("rows", "row", 1) if self.behind.num_rows == 1 else name
        return f"{'the' if self.whole else 'a sample of'} {self.behind.num_rows:,} {name}{some}"

    @property
    def _place(self) -> str:
        return "train" if self.subject.train is not None else "reference" if self.subject.reference is not None else "data"

    @cached_property
    def _behind(self) -> Source:
        found = self.background or getattr(self.subject, self._place)
        if self.background is not None:
            fits(self.model, found)
        return source(found, where=_condition(self.against, found)) if self.against else found

    def inputs_of(self, rows: pa.Table) -> pa.RecordBatch:
        """Return the inputs of the model in some rows, in one piece."""
        table = rows.select(list(self.inputs)).combine_chunks()
        return table.to_batches()[0] if table.num_rows else pa.RecordBatch.from_arrays(
            [pa.array([], each.type) for each in table.schema], schema=table.schema)

    def attributions(self, rows: pa.Table, *, quantity: str | None = None, model: Model | None = None, budget: int | None = None,
                     background: pa.RecordBatch | None = None, target: Any = None) -> Attributions:
        """Return what each input contributed to what ``model`` (the model) says of rows of the data, against the background.

        ``rows`` have the columns of the data, with the label where the loss is explained, and are named by their id; ``target`` is the
        class, by default that of the ground.
        """
        quantity = quantity or self.quantity
        schema = self.subject.data.schema
        ids = rows.column(schema.id).to_pylist() if schema.id in rows.column_names else ()
        labels = None
        if quantity == "loss":
            if schema.label is None or schema.label not in rows.column_names:
                raise ConfigError("the loss needs labels", hint="name the label: --label COLUMN, or columns: {label: COLUMN}")
            labels = schema.label
        asked = model or self.model
        if quantity == "decision":
            asked = decided(asked, self.subject)
        chosen = None if quantity == "loss" else self.target if target is None else target
        behind, spent = self.behind if background is None else background, budget if budget is not None else self.budget

        def compute(some: pa.Table) -> Attributions:
            named = some.column(schema.id).to_pylist() if schema.id in some.column_names else ()
            truth = None if labels is None or schema.label is None else some.column(schema.label).combine_chunks()
            way = cast(Way | None, self.way and self.way.replace("-", " "))
            return explain(asked, self.inputs_of(some), behind, quantity=quantity, target=chosen, way=way, labels=truth, ids=named,
                           at_most=self.at_most, budget=spent, seed=self.seed)

        if self.store is None or not ids or background is not None:
            return compute(rows)
        if asked.digest.startswith("object:"):   # its state is not in its digest: what is kept might be of another model
            made = compute(rows)
            return made.replace(notes=(*made.notes, "nothing was kept: what this model holds cannot be told from another's"))
        key = Key(asked.digest, digest(behind), quantity or "", "" if chosen is None else repr(chosen), self.inputs,
                  f"{self.at_most}/{spent}/{self.seed}{f'/{self.way}' if self.way else ''}")
        known = [*self.inputs, *(each for each in (schema.id, schema.entity, schema.label if quantity == "loss" else None)
                                 if each in rows.column_names)]
        entities = rows.column(schema.entity).to_pylist() if schema.entity in rows.column_names else None
        return remembered(self.store, key, rows.select(list(dict.fromkeys(known))), list(ids), compute, entities=entities)

    def unit(self, made: Attributions) -> str:
        """Return the quantity in words: ``log-odds of approved = 1``."""
        label = self.subject.data.schema.label
        if made.target is None:
            return made.quantity
        return f"{made.quantity} of {f'{label} = ' if label else ''}{made.target}"


@dataclass
class _Decided:
    """A model that answers its decision at a threshold, and nothing else."""

    inner: Model
    positive: int
    threshold: float
    signature: Signature
    digest: str
    name: str

    def predict(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        given = guard.answer(self.inner, batch)
        if given.score is None:
            return given.batch()
        yes = given.score[:, self.positive] >= self.threshold
        return Answer(given.task, given.classes, np.where(yes, self.positive, 1 - self.positive).astype(np.int32)).batch()


def decided(model: Model, subject: Subject) -> Model:
    """Return a model that answers what is decided: by the threshold where there is one, else by the model itself."""
    target = subject.target
    if target is None or target.threshold is None or target.positive is None:
        return model
    return _Decided(model, target.positive, target.threshold, dataclasses.replace(model.signature, scores=None),
                    f"{model.digest}@{target.threshold!r}", called(model))


def drawn(data: Source, rows: int, seed: int, columns: Sequence[str] | None = None) -> pa.Table:
    """Return ``rows`` rows of a source, or all where there are fewer, drawn evenly by ``seed``, in their order; one pass.

    >>> data = source(pa.table({"x": list(range(1000))}))
    >>> drawn(data, 5, 0).num_rows, drawn(data, 5, 0).equals(drawn(data, 5, 0)), drawn(data, 2000, 0).num_rows
    (5, True, 1000)
    """
    names = list(data.schema.names if columns is None else dict.fromkeys(columns))
    kept: list[pa.Table] = []
    seen = held = 0
    for batch in data.batches(names):
        # keyed on the place: a table with few different rows keeps each kind as frequent as it is
        key = mixed(np.arange(seen, seen + batch.num_rows, dtype=np.uint64), 1_000_003 + seed)
        kept.append(pa.Table.from_batches([batch]).append_column(_KEY, pa.array(key)))
        seen, held = seen + batch.num_rows, held + batch.num_rows
        if held > max(4 * rows, 1 << 18):
            kept, held = [_least(kept, rows)], rows
    if not kept:
        raise EmptyDataError("there are no rows", where=data.name, expected="at least one row")
    return _least(kept, rows).drop_columns([_KEY])


_KEY = "key\0"   # no column of data is called so


def _least(tables: Sequence[pa.Table], rows: int) -> pa.Table:
    """Return the rows with the smallest keys, in the order in which they stand."""
    whole = pa.concat_tables(tables)
    keys = whole.column(_KEY).to_numpy()
    return whole if len(keys) <= rows else whole.filter(pa.array(keys < np.partition(keys, rows)[rows]))


def _condition(text: str, data: Source) -> str:
    """Return a predicate in which the word ``label`` stands for the label's column, where no column has that name."""
    schema = data.schema
    if "label" not in schema.names and schema.label is not None:
        text = re.sub(r"^\s*label\b", quoted(schema.label).replace("\\", r"\\"), text)
    return parse(text, schema).text


def table_of(columns: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Return columns as a figure holds them: plain Python, NaN as None."""
    return {name: tuple(_plain(each) for each in column) for name, column in columns.items()}


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not np.isfinite(value) else value


def number(value: float | None) -> str:
    """Return a number in three figures.

    >>> number(0.23456), number(1234.5), number(None)
    ('0.235', '1,234', '-')
    """
    if value is None or not np.isfinite(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def signed(value: float, low: float | None = None, high: float | None = None) -> str:
    """Return a contribution with its sign, and its interval where it has one.

    >>> signed(-1.234, -1.3, -1.1), signed(0.5, 0.5, 0.5)
    ('-1.23 [-1.3, -1.1]', '+0.5')
    """
    text = ("+" if value > 0 else "") + number(value)
    return text if low is None or high is None or low == high else f"{text} [{number(low)}, {number(high)}]"
