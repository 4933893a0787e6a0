"""A model that is asked only through a detector of backdoors: what it is suspected to answer for a trigger is mended, and counted.

``Guarded`` wraps a model of images and is a model. The verbs import it; it can stand wherever a model can.
"""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from collections import Counter
from typing import Any, Literal, Self

import numpy as np
import pyarrow as pa

from assay.data.source import Source, source
from assay.errors import ConfigError, DataError
from assay.model import guard
from assay.model.answer import Answer
from assay.model.model import Model, called
from assay.model.signature import Signature
from assay.probe.backdoor.detector import Detector, Inspection, needed
from assay.probe.backdoor.known import Known, moves, outline
from assay.probe.backdoor.stream import counted
from assay.remedy.picture import Pictures

__all__ = ["Guarded", "Way"]

Array = np.ndarray[Any, Any]
Way = Literal["mend", "count"]
MOST = 2_000     # clean images that are used, at most, unless the rate of false alarms needs more
ALARM = 0.01     # bound of the probability that false alarms alone are as many, below which inputs are poisoned


class Guarded:
    """A model that wraps a model of images: with ``way="mend"`` a suspect gets the answer for the image without its trigger.

    A suspect whose trigger lies all over the image cannot be mended, nor what cannot be read as an image: both keep their answer.
    ``suspects`` counts suspected inputs by the class that the wrapped model answered, ``asked`` all inputs, ``mended`` those whose answer
    was replaced. With ``way="count"`` answers stay as they are. The answer to a row depends on nothing but the row, as for any model.
    """

    def __init__(self, pictures: Pictures, detector: Detector | Known, way: Way = "mend"):
        if way not in ("mend", "count"):
            raise ConfigError(f"a guarded model cannot {way}", expected="'mend' or 'count'")
        self.pictures, self.detector, self.way = pictures, detector, way
        self.signature: Signature = pictures.model.signature
        self.name = f"{called(pictures.model)}, guarded"
        told = f"{pictures.model.digest} {way} {detector.false_alarms!r} {detector.digest}"
        self.digest = hashlib.sha256(told.encode()).hexdigest()
        self.asked, self.mended = 0, 0
        self.suspects: Counter[Any] = Counter()
        self._lock = threading.Lock()

    @classmethod
    def of(cls, model: Model, clean: Any, *, inputs: Any = None, column: str | None = None, false_alarms: float = 0.01,
           way: Way = "mend", seed: int = 0) -> Self:
        """Return ``model`` guarded by a detector that ``clean`` images calibrate.

        With ``inputs``, such as those of the day on which an attack was noticed, the trigger is located in them first, and only that one
        is looked for from then on: one image asked for most inputs in place of about 90, and at most 27. Other triggers then go through.
        Where no trigger of a patch is located in them, every input is searched as without.

        Raises what ``Detector.of`` does: ``DataError`` where the images are too few, or the model is constant.
        """
        data: Source = source(clean)
        pictures = Pictures.of(model, data, column=column)
        found = [each for batch in data.batches(list(pictures.names)) for each in pictures.read(batch) if each is not None]
        if not found:
            raise DataError("there are no clean images", where=data.name)
        found = found[:max(MOST, needed(false_alarms))] if false_alarms > 0 else found
        detector = Detector.of(pictures.ask, np.stack(found), false_alarms=false_alarms, seed=seed)
        return cls(pictures, _located(detector, pictures, source(inputs)) if inputs is not None else detector, way)

    def predict(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the answers of the wrapped model, those of suspects for the image without its trigger."""
        said = guard.answer(self.pictures.model, batch)
        rows, found = self._found(batch)
        suspects = [(row, each) for row, each in zip(rows, found, strict=True) if each.suspect]
        healed = [(row, each.healed) for row, each in suspects if each.healed is not None] if self.way == "mend" else []
        with self._lock:
            self.asked += batch.num_rows
            self.mended += len(healed)
            self.suspects.update(self.pictures.shown(each.label) for _, each in suspects)
        if not healed:
            return said.batch()
        again = self.pictures.answer(np.stack([image for _, image in healed]))
        return _replaced(said, [row for row, _ in healed], again).batch()

    def inspect(self, batch: pa.RecordBatch) -> list[Inspection | None]:
        """Return what is found of each row, None where there is no image; nothing is counted."""
        out: list[Inspection | None] = [None] * batch.num_rows
        for row, each in zip(*self._found(batch), strict=True):
            out[row] = each
        return out

    def _found(self, batch: pa.RecordBatch) -> tuple[list[int], list[Inspection]]:
        """The rows that hold an image, and what is found of each."""
        known = {row: each for row, each in enumerate(self.pictures.read(batch)) if each is not None}
        return list(known), self.detector.inspect(np.stack(list(known.values()))) if known else []


def _located(detector: Detector, pictures: Pictures, data: Source) -> Detector | Known:
    """What looks for the one trigger that inputs carry, or the detector itself where there is none."""
    some = [each for batch in data.batches(list(pictures.names)) for each in pictures.read(batch) if each is not None][:MOST]
    images = np.stack(some) if some else detector.calibrating[:0]
    found = detector.inspect(images)
    stream = counted(found, detector)
    drawn = outline(images, found, stream.label, detector) if stream.label is not None and stream.p <= ALARM else None
    if drawn is None:
        return detector
    place, box = drawn
    return Known.of(detector, images[place], box, found[place].label, moving=moves(found, found[place].label))


def _replaced(said: Answer, rows: list[int], again: Answer) -> Answer:
    parts = {}
    for name in ("prediction", "score"):
        old, new = getattr(said, name), getattr(again, name)
        if old is not None and new is not None:
            parts[name] = old.copy()
            parts[name][rows] = new
    return dataclasses.replace(said, **parts)
