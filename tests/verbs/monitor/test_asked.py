"""What is asked beside a delivery: rows whose image nobody can read are without answers, any other refusal is told."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import assay
from assay.data.source import source
from assay.errors import PredictionError
from assay.verbs.monitor.asked import Asked
from tests.verbs.contents import png

SCANS = [png(np.full((8, 8), each / 10)) for each in range(10)]


def strict(batch: pa.RecordBatch) -> list[float]:
    """Answer how long the files are, and refuse all rows where one is no file."""
    files = batch.column("scan").to_pylist()
    if any(each is None or not each.endswith(b"IEND\xaeB`\x82") for each in files):
        raise ValueError("cannot decode")
    return [len(each) / 10_000 for each in files]


def asked(files: list[bytes | None], model: object = strict) -> Asked:
    loaded = assay.load(model, task="binary", classes=[0, 1], features=["scan"], name="m")
    return Asked(source(pa.table({"scan": pa.array(files, pa.binary())})), loaded)


@pytest.mark.parametrize("bad", [(3,), (0, 9), (0, 1, 2, 3, 4, 5, 6, 7)])
def test_rows_without_a_readable_image_have_no_answer(bad: tuple[int, ...]) -> None:
    files: list[bytes | None] = list(SCANS)
    for place in bad:
        files[place] = (None, SCANS[place][:40], b"text")[place % 3]
    found = asked(files)
    (batch,) = found.batches()
    scores = batch.column("assay score").to_pylist()
    assert scores == [None if place in bad else len(SCANS[place]) / 10_000 for place in range(10)]
    assert found.failed is not None
    assert "cannot decode" in found.failed


def test_a_refusal_that_images_do_not_explain_is_told() -> None:
    def refuses(batch: pa.RecordBatch) -> list[float]:
        raise ValueError("no more memory")

    with pytest.raises(PredictionError, match="no more memory"):
        asked(list(SCANS), refuses)
    with pytest.raises(PredictionError, match="no more memory"):   # it refuses what is left of the rows, too
        asked([None, *SCANS], refuses)
    assert asked(list(SCANS)).failed is None
