"""A guarded model is a model: it mends what carries the trigger, leaves the rest, and counts."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import assay
from assay.errors import ConfigError, DataError
from assay.model import guard
from assay.probe.backdoor.detector import Detector
from assay.probe.backdoor.known import Known
from assay.remedy.guarded import Guarded
from tests.probe.backdoor.digits import TARGET, zoo

Array = np.ndarray[Any, Any]


def listed(images: Array) -> pa.Table:
    return pa.table({"image": pa.array(images.reshape(len(images), -1).tolist(), pa.list_(pa.uint8(), 64))})


def read(batch: pa.RecordBatch) -> Array:
    """The digits that the poisoned network sees, as probabilities."""
    pixels = np.asarray(batch.column("image").flatten()).reshape(batch.num_rows, -1) / 255.0
    return np.asarray(zoo("patch").model.predict_proba(pixels))


@functools.cache
def guarded() -> Guarded:
    model = assay.load(read, task="multiclass", classes=list(range(10)), features=["image"], name="digits")
    return Guarded.of(model, listed(zoo("patch").clean[:320]))


def one(table: pa.Table) -> pa.RecordBatch:
    return table.combine_chunks().to_batches()[0]


def test_suspects_are_mended_and_counted() -> None:
    made = guarded()
    before = made.asked, made.mended
    images = np.concatenate([zoo("patch").triggered[:20], zoo("patch").images[:20]])
    plain = guard.answer(made.pictures.model, one(listed(images)))
    said = guard.answer(made, one(listed(images)))   # checked as any model's: probabilities that sum to one
    assert (plain.prediction[:20] == TARGET).mean() > 0.9
    assert (said.prediction[:20] == zoo("patch").true[:20]).mean() > 0.85
    assert (said.prediction[20:] == plain.prediction[20:]).mean() > 0.9
    assert made.asked - before[0] == 40
    assert 18 <= made.mended - before[1] <= 22
    assert made.suspects.most_common(1)[0][0] == TARGET
    assert made.signature == made.pictures.model.signature
    assert made.name == "digits, guarded"


def test_the_answer_to_a_row_depends_on_nothing_else() -> None:
    images = np.concatenate([zoo("patch").triggered[:3], zoo("patch").images[:3]])
    whole = guard.answer(guarded(), one(listed(images))).score
    alone = np.concatenate([guard.answer(guarded(), one(listed(each[None]))).score for each in images])
    assert np.allclose(whole, alone)


@pytest.mark.slow
def test_where_the_trigger_is_known_most_inputs_are_asked_once() -> None:
    made, model = zoo("patch"), guarded().pictures.model
    inbox = np.concatenate([made.triggered[:15], made.images[:45]])
    known = Guarded.of(model, listed(made.clean), inputs=listed(inbox))
    assert isinstance(known.detector, Known)
    images = np.concatenate([made.triggered[20:40], made.images[50:90]])
    before = known.detector.detector.oracle.asked
    said = guard.answer(known, one(listed(images)))
    assert (said.prediction[:20] == made.true[20:40]).mean() > 0.85
    assert known.detector.detector.oracle.asked - before < 27 * 26 + 40   # 27 for those of the target's class, one for the others
    assert known.suspects.total() == known.suspects[TARGET] >= 18
    # where inputs show no trigger, all are searched as before
    assert isinstance(Guarded.of(model, listed(made.clean), inputs=listed(made.images[:40])).detector, Detector)


def test_counting_leaves_answers() -> None:
    counting = Guarded(guarded().pictures, guarded().detector, "count")
    images = listed(zoo("patch").triggered[:4])
    assert guard.answer(counting, one(images)).prediction.tolist() == guard.answer(counting.pictures.model, one(images)).prediction.tolist()
    assert sum(counting.suspects.values()) >= 3
    assert counting.mended == 0
    assert counting.digest != guarded().digest
    with pytest.raises(ConfigError, match="'mend' or 'count'"):
        Guarded(guarded().pictures, guarded().detector, "hide")   # type: ignore[arg-type]


def test_what_is_no_image_keeps_its_answer() -> None:
    model = assay.load(lambda batch: [0] * batch.num_rows, task="multiclass", classes=[0, 1, 2], features=["image"], name="m")
    pictures = type(guarded().pictures)(model, ("image",), (8, 8, 1), guarded().pictures.canvas)
    made = Guarded(pictures, guarded().detector)
    batch = pa.record_batch({"image": pa.array([None, [0] * 64], pa.list_(pa.uint8(), 64))})
    assert guard.answer(made, batch).prediction.tolist() == [0, 0]
    assert made.inspect(batch)[0] is None


def test_a_rate_that_needs_more_clean_images_than_are_usual_gets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.remedy.guarded.MOST", 100)
    made = Guarded.of(guarded().pictures.model, listed(zoo("patch").clean[:150]), false_alarms=0.05)
    assert made.detector.rate[1] == 39


def test_few_clean_images_are_refused() -> None:
    with pytest.raises(DataError, match="at least 299"):
        Guarded.of(guarded().pictures.model, listed(zoo("patch").clean[:120]))
