"""What the patches of an image contributed: Shapley values of superpixels, on a grid or along the edges of what is seen.

``superpixels(model, row)`` is the interface; verbs use it. ``grid`` and ``slic`` cut an image.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from scipy import ndimage

from assay.data import image
from assay.data.pixel import Canvas
from assay.errors import ConfigError, DataError
from assay.explain.attribution import Attributions, digest
from assay.explain.gradient import integrated
from assay.explain.piece import Piece, Pieces, Subject, interval, pieced, subject
from assay.model.model import Model
from assay.model.signature import Class

__all__ = ["grid", "slic", "superpixels"]

Array = np.ndarray[Any, Any]
MOST = 36          # patches
BUDGET = 4_000     # images that the model is asked
_COMPACT = 0.2     # how much nearness counts beside likeness: the colours of a picture span 1, and so does a patch
_ROUNDS = 8


def grid(height: int, width: int, count: int = MOST) -> Array:
    """Return the number of the patch of each pixel, of about ``count`` rectangles, nearly square.

    >>> grid(2, 4, 2).tolist()
    [[0, 0, 1, 1], [0, 0, 1, 1]]
    """
    high = min(height, max(1, round(math.sqrt(count * height / width))))
    wide = min(width, max(1, count // high))
    return np.asarray((np.arange(height) * high // height)[:, None] * wide + (np.arange(width) * wide // width)[None, :])


def slic(pixels: Array, count: int = MOST) -> Array:
    """Return the number of the patch of each pixel (height, width): connected, about ``count``, along edges (SLIC, Achanta et al. 2012).

    ``pixels`` are (height, width, channels) numbers of any range. A pixel joins the centre that is nearest in colour and place, among those
    not farther than two patches; centres move to the means of theirs. What is not connected to the largest part of its patch joins the
    nearest pixel that is.
    """
    height, width = pixels.shape[:2]
    span = float(pixels.max() - pixels.min()) or 1.0
    colours = ndimage.gaussian_filter((pixels - pixels.min()) / span, (0.8, 0.8, 0))
    labels = grid(height, width, count)
    reach = math.sqrt(height * width / (labels.max() + 1))
    y, x = np.mgrid[:height, :width]
    for _ in range(_ROUNDS):
        there, labels = (each.reshape(-1) for each in np.unique(labels, return_inverse=True))   # a patch may have lost all its pixels
        labels = labels.reshape(height, width)
        means = [np.stack([ndimage.mean(part, labels, there) for part in (y, x)], axis=1),
                 np.stack([ndimage.mean(colours[..., each], labels, there) for each in range(colours.shape[2])], axis=1)]
        best, found = np.full((height, width), np.inf), labels.copy()
        for place, ((down, right), colour) in enumerate(zip(*means, strict=True)):
            top, left = max(0, int(down - 2 * reach)), max(0, int(right - 2 * reach))
            here = (slice(top, int(down + 2 * reach) + 2), slice(left, int(right + 2 * reach) + 2))
            away = ((y[here] - down) ** 2 + (x[here] - right) ** 2) / reach ** 2 * _COMPACT ** 2
            apart = ((colours[here] - colour) ** 2).mean(axis=2) + away
            nearer = apart < best[here]
            best[here] = np.where(nearer, apart, best[here])
            found[here] = np.where(nearer, place, found[here])
        if np.array_equal(found, labels):
            break
        labels = found
    return _connected(labels)


def _connected(labels: Array) -> Array:
    kept = np.zeros(labels.shape, bool)
    for each in np.unique(labels):
        parts, count = ndimage.label(labels == each)
        kept |= parts == 1 + np.argmax(np.bincount(parts.reshape(-1), minlength=count + 1)[1:])
    rows, columns = ndimage.distance_transform_edt(~kept, return_distances=False, return_indices=True)
    return np.asarray(np.unique(labels[rows, columns], return_inverse=True)[1].reshape(labels.shape))


def superpixels(model: Model, row: Any, background: Any = None, column: str | None = None, *, quantity: str = "score",
                target: Class | None = None, labels: Array | None = None, patches: Literal["edges", "grid"] = "edges", count: int = MOST,
                size: tuple[int, int, int] | None = None, first: bool | None = None, way: Literal["sampled", "gradients"] = "sampled",
                at_most: float | None = None, budget: int = BUDGET, seed: int = 0) -> Pieces:
    """Return what each patch of an image contributed to what a model said of it, with intervals; one row, its other columns stay.

    The column holds files (PNG, JPEG) or lists of pixels; ``size`` (height, width, channels) and ``first`` (channels stand first) say how
    a list is laid out, where the model does not. A patch that is absent shows the images of ``background`` (a column of that name, of the
    same size), or else the mean colour of the image. ``patches`` are cut along ``"edges"`` or as a ``"grid"``, about ``count`` of them; or
    ``labels`` (height, width) names them. All add up to the answer less the mean answer to the background. With ``way="gradients"`` a
    patch gets the sum of the integrated gradients of its pixels (networks, the score).

    Raises ``ConfigError`` where no image column can be meant, ``DataError`` for images that cannot be read.

    >>> import assay
    >>> model = assay.load(lambda batch: [float(sum(each[:32])) for each in batch.column(0).to_pylist()], task="regression", features=["x"])
    >>> made = superpixels(model, {"x": pa.array([[1.0] * 16 + [0.0] * 48], pa.list_(pa.float64(), 64))}, patches="grid", count=4)
    >>> [round(each.value, 9) for each in made.tree]
    [4.0, 4.0, 0.0, 0.0]
    """
    what = subject(model, row, column, _suits, "images", quantity, target)
    canvas = _canvas(what, size, first)
    own = canvas.pixels(what.row.column(what.place))[0]
    others, absent = _others(canvas, own, background, what.row.schema.names[what.place])
    cut = _labels(own, labels, patches, count)
    names = _names(cut)
    notes = [absent, f"the image was cut into {len(names)} patches" + (" along edges" if labels is None and patches == "edges" else "")]
    behind = canvas.cells(others)
    if way == "gradients":
        made = _walked(what, canvas, cut, behind, names, at_most, budget, seed, notes)
    else:
        made = pieced(what, names, _maker(canvas, own, others, cut), 8 * own.size, behind, at_most=at_most, budget=budget, seed=seed,
                      notes=notes)[0]
    error = np.zeros(len(names)) if made.error is None else made.error[0]
    tree = tuple(Piece(name, place, place + 1, *interval(value, each, made.df))
                 for place, (name, value, each) in enumerate(zip(names, made.values[0], error, strict=True)))
    return Pieces(made, tree, cut)


def _canvas(what: Subject, size: tuple[int, int, int] | None, first: bool | None) -> Canvas:
    entry = getattr(getattr(what.model, "respond", None), "entry", None)   # a network knows the shape of its images
    known = getattr(entry, "first", None)
    first = first if first is not None else True if known is None else bool(known)
    return Canvas.of(what.row.column(what.place), size or getattr(entry, "image", None), first, where=what.where)


def _suits(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    listed = pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return image.encoded(kind) or bool(listed and (pa.types.is_integer(kind.value_type) or pa.types.is_floating(kind.value_type)))


def _others(canvas: Canvas, own: Array, background: Any, name: str) -> tuple[Array, str]:
    """What absent patches show, (images, height, width, channels), and what to say of it."""
    if background is None:
        mean = np.broadcast_to(own.mean(axis=(0, 1)), own.shape)
        whole = np.issubdtype(own.dtype, np.integer)
        return (np.rint(mean) if whole else mean).astype(own.dtype)[None], "an absent patch shows the mean colour of the image"
    table = background if isinstance(background, pa.RecordBatch) else pa.table(background)
    if name not in table.schema.names or not table.num_rows:
        raise DataError("the background holds no images", where=canvas.where, expected=f"a column '{name}' with at least one row")
    column = table.column(name)
    found = canvas.pixels(column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column)
    if any(each.shape != own.shape for each in found):
        raise DataError("an image of the background has another size", where=canvas.where, expected=f"{own.shape[0]} x {own.shape[1]}")
    return np.stack(found), f"an absent patch shows one of {len(found)} images of the background"


def _labels(own: Array, given: Array | None, patches: str, count: int) -> Array:
    if given is not None:
        made = np.asarray(given)
        if made.shape != own.shape[:2]:
            raise DataError(f"the labels have the shape {made.shape}", expected=f"{own.shape[:2]}")
        return np.asarray(np.unique(made, return_inverse=True)[1].reshape(made.shape))
    if patches not in ("edges", "grid") or count < 2:
        raise ConfigError(f"there are no {count} patches '{patches}'", expected="at least 2, by 'edges' or 'grid'")
    return slic(own.astype(np.float64), count) if patches == "edges" else grid(own.shape[0], own.shape[1], count)


def _names(cut: Array) -> list[str]:
    """Where each patch lies: the rows and columns of its middle."""
    middle = ndimage.center_of_mass(np.ones(cut.shape), cut, np.arange(cut.max() + 1))
    return [f"patch {place + 1} (row {down:.0f}, column {right:.0f})" for place, (down, right) in enumerate(middle)]


def _maker(canvas: Canvas, own: Array, others: Array, cut: Array) -> Callable[[Array], pa.Array]:
    stack = np.concatenate([others, own[None]])   # the image itself is the last: its state is -1
    y, x = np.mgrid[:cut.shape[0], :cut.shape[1]]

    def make(states: Array) -> pa.Array:
        return canvas.cells(stack[states[:, cut], y, x])

    return make


def _walked(what: Subject, canvas: Canvas, cut: Array, behind: pa.Array, names: list[str], at_most: float | None, budget: int, seed: int,
            notes: list[str]) -> Attributions:
    """The integrated gradients of pixels, added up by patch."""
    start = pa.RecordBatch.from_arrays([behind], names=[what.row.schema.names[what.place]])
    row, shape, first = what.row, canvas.shape, canvas.first
    if image.encoded(canvas.kind) and row.num_columns == 1:
        row, start, shape, first = _taken(what, start)
    if row.num_columns > 1 or what.quantity != "score":
        raise _no_gradients(what)
    classes = what.model.signature.classes
    place = 0 if classes is None or what.target is None else classes.index(what.target)
    made = integrated(what.model, row, start, place, at_most=at_most, budget=budget, seed=seed)
    height, width, channels = shape
    flat = made.values[0]
    pixels = (np.moveaxis(flat.reshape(channels, height, width), 0, 2) if first else flat.reshape(shape)).sum(axis=2)
    cut = cut[np.ix_(np.arange(height) * cut.shape[0] // height, np.arange(width) * cut.shape[1] // width)]   # as the model sees it
    values = np.bincount(cut.reshape(-1), weights=pixels.reshape(-1), minlength=len(names))
    notes = [*notes, f"integrated gradients of pixels, in {made.steps[0]} steps: the values miss the answer by {made.gap[0]:.2g}"]
    return Attributions(tuple(names), values[None], made.base, made.output, "score" if classes else "value", "integrated gradients",
                        target=what.target, background=digest(made.used), background_rows=made.used.num_rows, model=what.model.digest,
                        model_rows=made.asked, seed=seed, notes=tuple(notes))


def _taken(what: Subject, start: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.RecordBatch, tuple[int, int, int], bool]:
    """Return files as lists of the numbers that a network makes of them, which have slopes; their size, and whether channels come first."""
    entry = getattr(getattr(what.model, "respond", None), "entry", None)
    size = getattr(entry, "image", None)
    if entry is None or size is None:
        raise _no_gradients(what)

    def listed(batch: pa.RecordBatch) -> pa.RecordBatch:
        given = np.asarray(entry(batch, what.where), np.float64).reshape(batch.num_rows, -1)
        lists = pa.FixedSizeListArray.from_arrays(pa.array(given.reshape(-1)), given.shape[1])
        return pa.RecordBatch.from_arrays([lists], names=batch.schema.names)

    return listed(what.row), listed(start), size, bool(entry.first)


def _no_gradients(what: Subject) -> ConfigError:
    return ConfigError("these images have no gradients", where=what.where,
                       expected="one column of images, a network that knows their size and its slopes, and the score",
                       hint="leave out the way, and it is sampled")
