"""What attacks on a model have in common: the model opened, its decisions as a callable, rows with their labels.

``Ground`` is the interface; ``robustness`` and ``privacy`` stand on it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from assay.data.medium import media
from assay.data.source import Source
from assay.engine.label import MISSING, codes
from assay.errors import ConfigError, listed
from assay.model import guard
from assay.model.logged import Logged
from assay.model.model import Model
from assay.probe.robustness.question import Said
from assay.verbs.explain.explanation import drawn
from assay.verbs.subject import Subject

__all__ = ["Ground", "Rows"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of a data set with the columns that the model takes, and their ``labels`` (n,): places of classes, numbers, None without."""

    table: pa.Table
    labels: Array | None

    def __len__(self) -> int:
        return int(self.table.num_rows)


@dataclass(eq=False)
class Ground:
    """The model that is attacked, what it answers, and the rows it is attacked with."""

    subject: Subject
    seed: int
    notes: list[str] = field(default_factory=list)

    @cached_property
    def model(self) -> Model:
        """The model; raises ``ConfigError`` where there is none that can be asked, or one with several labels."""
        model = self.subject.models.get("model")
        if model is None or isinstance(model, Logged):
            raise ConfigError("there is no model to ask" + (", only its logged answers" if model is not None else ""),
                              expected="a model that answers for rows that it has not seen", hint="--model FILE, or model: in assay.yaml")
        if model.signature.task == "multilabel":
            raise ConfigError("a model with several labels is not attacked as one", expected="a model with one answer a row")
        return model

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The columns that the model takes."""
        return tuple(self.model.signature.names or self.subject.data.schema.features)

    @cached_property
    def media(self) -> dict[str, str]:
        """The inputs that hold free text or images."""
        found = {name: str(what) for name, what in media(self.subject.data).items() if name in self.inputs}
        return found | {each.name: "text" for each in self.model.signature.inputs or () if each.type == "text"}

    @property
    def classes(self) -> tuple[Any, ...]:
        """The classes, none of a model of numbers."""
        return tuple(self.model.signature.classes or ())

    def rows(self, source: Source, most: int, *, also: tuple[str, ...] = ()) -> Rows:
        """Return up to ``most`` rows drawn evenly, with labels where the data have them; rows without a label are left out then."""
        label = self.subject.data.schema.label
        label = label if label is not None and label in source.schema.names else None
        table = drawn(source, most, self.seed, [*self.inputs, *(each for each in (*also, label) if each and each not in self.inputs)])
        if label is None:
            return Rows(table, None)
        column = table.column(label)
        if self.classes:
            labels = codes(column, self.classes, name=label, where=source.name)
            keep = labels != MISSING
        else:
            labels = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
            keep = np.isfinite(labels)
        return Rows(table.filter(pa.array(keep)), labels[keep])

    def said(self, batch: pa.RecordBatch) -> Said:
        """Return what the model answers: its decisions by the threshold that was named, and its scores."""
        given = guard.answer(self.model, batch)
        if given.value is not None:
            return Said(np.asarray(given.value, np.float64))
        target = self.subject.target
        score = given.score
        if target is not None and target.threshold is not None and target.positive is not None and score is not None:
            decision = np.where(score[:, target.positive] >= target.threshold, target.positive, 1 - target.positive)
        else:
            decision = given.prediction if given.prediction is not None else np.argmax(score, axis=1)   # type: ignore[arg-type]
        return Said(np.asarray(decision, np.int64), score)

    def shown(self, decision: Any) -> str:
        """Return an answer as a reader has it."""
        if not self.classes:
            return f"{float(decision):,.4g}"
        said, label = self.classes[int(decision)], self.subject.data.schema.label
        return repr(said) if isinstance(said, str) else f"{label or 'answer'} = {said}"

    def batch(self, table: pa.Table) -> pa.RecordBatch:
        """Return the inputs of rows as one batch."""
        batches = table.select(list(self.inputs)).combine_chunks().to_batches()
        if not batches:
            raise ConfigError("there are no rows to ask about", expected=f"rows with the columns {listed(self.inputs, 6)}")
        return batches[0]
