"""The robustness of a model of images: curves of noise, blur and brightness, and the square and the boundary attack.

``depicted`` measures one column of images into a ``Measured``. Only ``robustness`` uses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from assay.data.pixel import Canvas
from assay.errors import DataError
from assay.probe.robustness.curve import curve, spoilt
from assay.probe.robustness.image import Evaded, boundary, square
from assay.probe.robustness.question import Question, Said
from assay.result import Spread, Value
from assay.verbs.probe.attack import Ground, Rows
from assay.verbs.probe.stability import Measured

__all__ = ["Depicted", "depicted"]

Array = np.ndarray[Any, Any]

SEVERITY = (0.02, 0.05, 0.1, 0.2, 0.4)
MOST = 1_000      # images of a curve
STEPS = 500       # that an image is asked at most in one attack
RADIUS = 0.1      # of a pixel's range, that squares may move it


@dataclass(frozen=True, eq=False)
class Depicted:
    """What attacks did to images: ``squares`` (None without scores) within ``radius`` of the pixel range ``top``, ``walks`` by labels."""

    squares: Evaded | None
    walks: Evaded
    radius: float
    top: float

    def flipped(self) -> Value:
        """Return the share of images that squares flip, without scores that which the boundary attack flips within the same mean change."""
        made = self.squares
        hit = self.walks.hit & (self.mean() <= self.radius) if made is None else made.hit
        share = Spread("binomial", float(hit.mean()), n=len(hit))
        return Value.of("flipped share", share, n=len(hit), better="lower", options={"of": "images", "within": self.radius})

    def mean(self) -> Array:
        """Return the root mean square change of a pixel by the boundary attack, as a share of its range."""
        count = float(np.prod(self.walks.images.shape[1:]))
        return np.asarray(self.walks.size / np.sqrt(count) / self.top)

    def values(self) -> list[Value]:
        """Return the share that flips, and the median of the smallest changes."""
        found = np.sort(self.mean()[self.walks.hit])
        if not len(found):
            return [self.flipped()]
        low, high = np.quantile(found, [0.25, 0.75])
        return [self.flipped(), Value("smallest change", float(np.median(found)), float(low), float(high), len(found), better="higher",
                                      unit="of the pixel range", method="quartiles")]

    def sentences(self) -> list[str]:
        """Return what both attacks did, in words."""
        value = self.flipped()
        low, high = (100 * (each or 0.0) for each in (value.low, value.high))
        how = "with squares of pixels moved by" if self.squares is not None else "by the boundary attack, with a mean change of"
        first = (f"{100 * (value.value or 0):.3g} % [{low:.3g}, {high:.3g}] of {value.n:,} images are answered otherwise {how} at most "
                 f"{100 * self.radius:g} % of their range")
        if self.squares is not None and self.squares.hit.any():
            first += f", after {np.median(self.squares.asked[self.squares.hit]):.0f} questions in the median"
        out = [first]
        if self.walks.hit.any():
            least = 100 * float(np.median(self.mean()[self.walks.hit]))
            out.append(f"asked for labels only, a change of {least:.2g} % of the range of each pixel (root mean square, the median) flips "
                       "an image")
        return out


def depicted(out: Measured, column: str, rows: Rows, *, attacked: int, budget: int, difference: float | None,
             radius: float = RADIUS) -> None:
    """Measure a column of images; raises ``DataError`` where they have several sizes, or cannot be read."""
    ground = out.ground
    cells = _cells(rows.table.column(column).slice(0, MOST))
    canvas = Canvas.of(cells)
    pixels = canvas.pixels(cells)
    sizes = {each.shape for each in pixels}
    if len(sizes) > 1:
        raise DataError(f"the images of '{column}' have {len(sizes)} sizes", expected="images of one size",
                        hint=f"the first two are {' and '.join(str(each) for each in sorted(sizes)[:2])}")
    raw = np.stack(pixels)
    top = 255.0 if raw.dtype.kind in "iu" or raw.max() > 1 else 1.0
    question = Question(_asking(ground, canvas, column, whole=raw.dtype.kind in "iu"), budget, difference)
    images = raw.astype(np.float64)
    part = images[:max(budget // 2 // (3 * len(SEVERITY) + 1), 20)]
    labels = rows.labels[:len(part)] if rows.labels is not None else None
    before = question(part)
    for kind in ("noise", "blur", "brightness"):
        spoil = spoilt(part, kind, top=top, seed=ground.seed)
        out.curves.append(curve(question, part, spoil, SEVERITY, before, kind=kind, labels=labels))
    some = images[:attacked]
    steps = int(np.clip(question.left // max(2 * len(some), 1), 10, STEPS))
    scored = before.score is not None
    squares = square(question, some, radius=radius * top, steps=steps, top=top, seed=ground.seed) if scored else None
    walks = boundary(question, some, images, steps=steps // 2, top=top, seed=ground.seed)
    if not walks.hit.any():
        out.notes.append("no image of the data is answered otherwise: the boundary attack had nowhere to begin")
    out.images = Depicted(squares, walks, radius, top)


def _cells(column: pa.ChunkedArray) -> pa.Array:
    made = column.combine_chunks()
    made = pa.concat_arrays(made.chunks) if isinstance(made, pa.ChunkedArray) else made
    return made.dictionary_decode() if pa.types.is_dictionary(made.type) else made


def _asking(ground: Ground, canvas: Canvas, column: str, *, whole: bool) -> Any:
    def ask(images: Array) -> Said:
        cells = canvas.cells(np.rint(images).astype(np.uint8) if whole else images)
        return ground.said(pa.RecordBatch.from_arrays([cells], names=[column]))

    return ask
