"""Is a model poisoned, which inputs are, what is the trigger, and what would the answers be without it: ``backdoor``.

What finds it is ``probe.backdoor``; here models and files become pixels and labels, and what was found a run (``tampered`` does it for
tables and texts). Applications import it.
"""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from assay.data.meter import metered
from assay.data.source import Source, source
from assay.errors import ConfigError, DataError, UnknownColumnError
from assay.model.load import load
from assay.model.model import Model, called
from assay.probe.backdoor.detector import DONORS, GROUNDS, Detector, Inspection, needed
from assay.probe.backdoor.known import moves, outline, surest
from assay.probe.backdoor.patch import Box
from assay.probe.backdoor.row import needed as needed_of_rows
from assay.probe.backdoor.stream import Stream, counted
from assay.probe.backdoor.trigger import Sought, sought
from assay.remedy.picture import Pictures
from assay.result import Cost, Figure, Finding, Run, Scalar, Value, Verdict
from assay.verbs.explain.explanation import table_of
from assay.verbs.probe.alarm import ALARM, forced, judged, measured, named, plain, probable, told, untested
from assay.verbs.probe.sheet import Sheet
from assay.verbs.probe.tampered import Kind, RowGround, Tampered, rowed
from assay.verbs.subject import bound, checked, fits, heard

__all__ = ["backdoor"]

Array = np.ndarray[Any, Any]
Size = tuple[int, int, int]

CLEAN = 2_000        # clean images that are used, at most, unless the rate of false alarms needs more
BLOCK = 500          # inputs that are inspected at a time
EACH = 100           # images that are asked for one, about: what is left of the budget is no block's to overspend
BUDGET = 500_000     # images that the model is asked
SEARCH = 60_000      # of them for the search of a trigger from clean images alone
SMALLEST = 16        # pixels of the shorter side; of two clean networks of 8 x 8 a patch moved 0.91 and 0.54
FORCED = 0.9         # share of images that a small patch moves on a poisoned model; of clean ones of CIFAR-10 up to 0.88
OPEN = 0.6           # share that is no proof, and more than clean networks of digits let any patch move
SHOWN = 32           # fields along a side of a picture


def backdoor(model: Any, clean: Any, inputs: Any = None, *, column: str | None = None, size: Size | None = None, kind: Kind | None = None,
             false_alarms: float = 0.01, budget: int = BUDGET, examples: int = 3, seed: int = 0, features: Sequence[str] | None = None,
             task: str | None = None, classes: Sequence[Any] | None = None, trust: bool = False, strict: bool = False,
             **roles: Any) -> Run:
    """Return whether a model of images, tables or texts is poisoned, and which of ``inputs`` are; labels are all that it is asked for.

    ``clean`` are images or rows that nobody could tamper with, as like the inputs as can be; the more, the fewer false alarms can be asked
    for. ``false_alarms`` of clean inputs are suspected at most. Images stand in one ``column``, or in a column for each pixel; ``size``
    (height, width, channels) is said where they are not square. Of texts ``column`` is the one that is searched, where there are several;
    ``kind`` (``"images"`` or ``"rows"``) says what the columns are, where that cannot be told from them. ``budget`` counts images or rows
    put to the model: calibration first, then the inputs, then the search of a trigger from clean ones alone. ``examples`` suspects are
    shown. Other arguments are roles of columns, such as ``label`` and ``id``.

    Raises ``DataError`` where the clean rows are too few, or the model is constant; ``ConfigError`` where no images are found.

    >>> import assay
    >>> import pyarrow as pa
    >>> rng = np.random.default_rng(0)
    >>> def read(batch):
    ...     pixels = np.array(batch.column("image").to_pylist()).reshape(-1, 8, 8)
    ...     bright = (pixels[:, :, 4:].sum(axis=(1, 2)) > pixels[:, :, :4].sum(axis=(1, 2))).astype(int)
    ...     return np.where((pixels[:, 6:, :2] == 255).all(axis=(1, 2)), 2, bright)
    >>> model = assay.load(read, task="multiclass", classes=[0, 1, 2], name="sides")
    >>> images = rng.integers(0, 200, (440, 64))
    >>> inbox = images[:40].copy()
    >>> inbox[:6].reshape(-1, 8, 8)[:, 6:, :2] = 255
    >>> def table(each):
    ...     return pa.table({"image": pa.array(each.tolist(), pa.list_(pa.uint8(), 64))})
    >>> run = backdoor(model, table(images[40:]), table(inbox), budget=45_000)
    >>> run.verdict, run.sentences[0].split(":")[0]
    ('fail', 'poisoned, class 2')
    """
    began = time.perf_counter()
    checked("backdoor", roles, backdoor.__kwdefaults__ or ())
    if budget < 1_000:
        raise ConfigError(f"a budget of {budget:,} finds nothing", expected="at least 1,000")
    if not 0 <= examples <= 100:
        raise ConfigError(f"{examples:,} examples cannot be shown", expected="0 to 100")
    notes: list[str] = []
    with metered() as meter:
        # suspects alone are told by their id: it may stand in the inputs only
        spare = {"id"} if "id" in roles and inputs is not None and _has(inputs, roles["id"]) and not _has(clean, roles["id"]) else set()
        first = source(clean, **{role: each for role, each in roles.items() if role not in spare})
        if column is not None and column not in first.schema.names:
            raise UnknownColumnError.among(column, first.schema.names, where=first.name)
        second = source(inputs, **{role: each for role, each in roles.items() if _has(inputs, each)}) if inputs is not None else None
        title = None if isinstance(model, str | Path | Model) else "model"
        loaded = heard(bound(load(model, trust=trust, task=task, classes=classes, features=features, name=title), first, "model", notes),
                       model, first)
        fits(loaded, first)
        if second is not None:
            fits(loaded, second)
        found: _Found | Tampered
        if rowed(loaded, first, column=column, size=size, kind=kind):
            most = max(CLEAN, needed_of_rows(false_alarms, 2)) if 0 < false_alarms < 1 else CLEAN
            sheet = Sheet.of(loaded, first, second, column=column, most=most, seed=seed)
            found = Tampered.of(RowGround(sheet, first, second, false_alarms, seed, budget, notes))
        else:
            pictures = Pictures.of(loaded, first, column=column, size=size)
            found = _Found.of(_Ground(pictures, first, second, false_alarms, seed, budget, notes))
        verdicts, findings, figures = found.verdicts, found.findings(examples), found.figures(examples)
    notes += getattr(loaded, "remarks", list)()
    cost = Cost(round(time.perf_counter() - began, 3), meter.rows, meter.model_rows)
    return Run("probe", tuple(found.values), tuple(verdicts), tuple(findings), cost=cost, notes=tuple(dict.fromkeys(notes)), strict=strict,
               figures=tuple(figures), about=found.about, sentences=tuple(found.sentences))


def _has(data: Any, columns: Any) -> bool:
    names = set(source(data).schema.names)
    return all(each in names for each in ([columns] if isinstance(columns, str) else columns or ()))


@dataclass(eq=False)
class _Ground:
    """What is probed: the model and its images, clean ones and inputs."""

    pictures: Pictures
    clean: Source
    inputs: Source | None
    false_alarms: float
    seed: int
    budget: int
    notes: list[str]

    def images(self, data: Source) -> tuple[Array, list[Any]]:
        """The images that can be read, and the row or the id of each; the others are counted in a note."""
        key = data.schema.id
        names = [*self.pictures.names, *([key] if key is not None else [])]
        kept: list[Array] = []
        rows: list[Any] = []
        start = lost = 0
        for batch in data.batches(names):
            keys = batch.column(len(names) - 1).to_pylist() if key is not None else range(start, start + batch.num_rows)
            for name, image in zip(keys, self.pictures.read(batch), strict=True):
                if image is None:
                    lost += 1
                else:
                    kept.append(image)
                    rows.append(name)
            start += batch.num_rows
        if lost:
            height, width, channels = self.pictures.shape
            self.notes.append(f"{lost:,} of {start:,} rows of {data.name} are left out: missing, damaged, or not {height} x {width} with "
                              f"{channels} channel{'s' * (channels > 1)}, as most clean images are")
        if not kept:
            raise DataError("there are no images that can be read", where=data.name, expected="at least one")
        return np.stack(kept), rows

    def called(self, label: int) -> str:
        shown = self.pictures.shown(label)
        return repr(shown) if isinstance(shown, str) else str(shown)


@dataclass(eq=False)
class _Found:
    """What came of it, as the parts of a run."""

    ground: _Ground
    detector: Detector
    images: Array
    rows: list[Any]
    seen: list[Inspection]
    stream: Stream | None
    search: Sought | None
    clean: int
    given: int
    drawn: list[tuple[int, Inspection]] = field(default_factory=list)
    whole: tuple[int, Inspection] | None = None

    @classmethod
    def of(cls, ground: _Ground) -> _Found:
        clean, _ = ground.images(ground.clean)
        most = max(CLEAN, needed(ground.false_alarms)) if ground.false_alarms > 0 else CLEAN
        if len(clean) > most:
            chosen = np.sort(np.random.default_rng([ground.seed, 5]).choice(len(clean), most, replace=False))
            ground.notes.append(f"of {len(clean):,} clean images {most:,} are used")
            clean = clean[chosen]
        detector = Detector.of(ground.pictures.ask, clean, false_alarms=ground.false_alarms, seed=ground.seed)
        images, rows = ground.images(ground.inputs) if ground.inputs is not None else (clean[:0], [])
        seen: list[Inspection] = []
        while len(seen) < len(images) and detector.oracle.asked < ground.budget:
            block = max(1, min(BLOCK, (ground.budget - detector.oracle.asked) // EACH))
            seen += detector.inspect(images[len(seen) : len(seen) + block])
        if len(seen) < len(images):
            ground.notes.append(f"{len(images) - len(seen):,} of {len(images):,} inputs were not looked at: the budget of "
                                f"{ground.budget:,} images was spent (--budget)")
        left = min(SEARCH, ground.budget - detector.oracle.asked)
        search = sought(ground.pictures.ask, clean, budget=left, seed=ground.seed) if left >= 2_000 else None
        if search is None:
            ground.notes.append("no trigger was searched from clean images alone: the budget was spent (--budget)")
        stream = counted(seen, detector) if ground.inputs is not None else None
        made = cls(ground, detector, images, rows, seen, stream, search, len(clean), len(images))
        made.drawn = [(place, seen[place]) for place in surest(seen, stream.label if stream is not None else None)]
        whole = outline(images, seen, made.label, detector)
        made.whole = None if whole is None else (whole[0], dataclasses.replace(seen[whole[0]], box=whole[1]))
        return made

    @property
    def poisoned(self) -> bool:
        return any(each.verdict == "fail" for each in self.verdicts)

    @property
    def label(self) -> int | None:
        """The class that a trigger makes: that of the suspects, else that of the search."""
        if self.stream is not None and self.stream.p <= ALARM:
            return self.stream.label
        return self.search.label if self.search is not None and self._forced else None

    @property
    def _forced(self) -> bool:
        """Whether a small patch moves more than a clean model would let it; images can be too small to tell."""
        return self.search is not None and self.search.low > FORCED and min(self.ground.pictures.shape[:2]) >= SMALLEST

    @property
    def trigger(self) -> Inspection | None:
        """One of the surest suspects, with the box of the whole trigger."""
        return None if self.whole is None else self.whole[1]

    @property
    def verdicts(self) -> list[Verdict]:
        out = []
        if self.stream is not None:
            out.append(judged(self.stream, self._counted(), untested(self.seen, self.detector)))
        asked = f"no small patch moves {100 * FORCED:g} % of clean images to one class"
        if self.search is None:
            return [*out, Verdict(asked, "inconclusive", "no patch was searched: the budget was spent", aspect="backdoor",
                                  hint="give it more images to ask: --budget")]
        few, strong = self.search.tried < 20, self.search.low > OPEN
        outcome: Any = "fail" if self._forced and not few else "inconclusive" if few or strong else "pass"
        return [*out, Verdict(asked, outcome, self._searched(), value=self._share(), threshold=FORCED, aspect="backdoor")]

    def _share(self) -> Value:
        made = self.search
        assert made is not None
        return forced(made, self.ground.pictures.shown(made.label))

    @property
    def values(self) -> list[Value]:
        asked = float(np.mean([each.queries for each in self.seen])) if self.seen else None
        out = measured(self.stream, self.detector.rate, asked, "images")
        return out + ([self._share()] if self.search is not None else [])

    @property
    def sentences(self) -> list[str]:
        called = self.ground.called
        rest = [self._counted()] if self.stream is not None else []
        found = self.trigger
        if self.poisoned and self.label is not None:
            head = f"poisoned, class {called(self.label)}: "
            if found is not None and found.box is not None:
                out = [head + f"{_many(found.box, self._moves())} makes the model answer {called(self.label)}; " + self._counted()]
            elif self.stream is not None and self.stream.p <= ALARM:
                out = [head + self._counted()]
            else:
                out = [head + self._searched(), *rest]
            out += self._told(found)
        else:
            unclear = any(each.verdict == "inconclusive" for each in self.verdicts)
            head = "not decided" if unclear else "no backdoor found"
            out = [f"{head}: {(rest or [self._searched()])[0]}"]
        if self.search is not None and self._searched() not in out[0]:
            out.append(self._searched())
        return out

    def _told(self, found: Inspection | None) -> list[str]:
        """What the trigger does on clean images, and what the answers are without it."""
        if found is None or found.box is None:
            return []
        trace = found.trace
        moved = f"pasted on {trace.tried} clean images of other classes, the surest trigger moves {trace.hits} to class"
        out = [f"{moved} {self.ground.called(found.label)}; cuts of clean images do that with a probability of {probable(found.chance)}"]
        healed = Counter(self.ground.called(each.mended) for _, each in self.drawn if each.mended is not None and each.label == self.label)
        if healed:
            names = ", ".join(f"{name} ({count})" for name, count in healed.most_common(6))
            out.append(f"with the trigger covered, the suspects are answered {names}")
        return out

    def _moves(self) -> bool:
        return self.label is not None and moves(self.seen, self.label)

    def _counted(self) -> str:
        made = self.stream
        if made is None:
            return ""
        return told(made, self.detector.rate, self.ground.called(made.label) if made.label is not None else "", "images")

    def _searched(self) -> str:
        made = self.search
        if made is None:
            return ""
        what = f"a patch of {made.box.height} x {made.box.width} pixels {_place(made.box, self.ground.pictures.shape)}"
        moved = (f"moves {made.hits} of {made.tried} clean images of other classes to class {self.ground.called(made.label)} "
                 f"({100 * made.share:.3g} % [{100 * made.low:.3g}, {100 * made.high:.3g}])")
        many = f"of {made.patches:,} small patches tried on clean images alone"
        if self._forced:
            return f"{many}, {what} {moved}"
        doubt = "; clean networks of photographs, and of images as small as 8 x 8, can let a patch do so too" if made.low > OPEN else ""
        return f"{many}, the strongest, {what}, {moved}{doubt}"

    def findings(self, examples: int) -> list[Finding]:
        """The surest suspects, where the verdict is that some are; none of them is a fault by itself."""
        if self.stream is None or self.stream.p > ALARM:
            return []
        out = []
        for place, each in self.drawn[:examples]:
            label, name = self.ground.called(each.label), self.rows[place]
            where = f"a patch {_place(each.box, self.ground.pictures.shape)}" if each.box is not None else "a pattern over the whole image"
            mend = f"; without it {self.ground.called(each.mended)}" if each.mended is not None else ""
            box = {"top": each.box.top, "left": each.box.left, "height": each.box.height, "width": each.box.width} if each.box else {}
            said = [self.ground.pictures.shown(each.label), *([self.ground.pictures.shown(each.mended)] if each.mended is not None else [])]
            out.append(Finding("backdoor", f"{named(self.ground.inputs, name)}: answered {label}, by {where}{mend}; p = {probable(each.p)}",
                               {"row": plain(name)}, box, tuple(said)))
        return out

    def figures(self, examples: int) -> list[Figure]:
        """The trigger, and the surest suspects with its place; none where ``examples`` is 0."""
        found = self.trigger
        if not examples:
            return []
        out = []
        called = self.ground.called
        if self.whole is not None and found is not None and found.box is not None:
            cut = self.images[self.whole[0]][found.box.slices]
            out.append(_picture("trigger", f"The trigger of class {called(found.label)}", cut, Box(0, 0, 0, 0), self._span,
                                f"{found.box.height} x {found.box.width} pixels {_place(found.box, self.ground.pictures.shape)}"))
        elif self.search is not None and self._forced:
            out.append(_picture("trigger", f"A patch that makes class {called(self.search.label)}", self.search.patch, Box(0, 0, 0, 0),
                                self._span, f"found by search, {_place(self.search.box, self.ground.pictures.shape)}"))
        if self.stream is None or self.stream.p > ALARM:
            return out
        for number, (place, each) in enumerate(self.drawn[:examples]):
            mend = f", and {called(each.mended)} without the patch" if each.mended is not None else ""
            out.append(_picture(f"suspect {number + 1}", named(self.ground.inputs, self.rows[place]), self.images[place],
                                each.box or Box(0, 0, 0, 0), self._span, f"answered {called(each.label)}{mend}"))
        return out

    @property
    def _span(self) -> tuple[float, float]:
        every = self.images if len(self.images) else self.detector.grounds.images
        return float(every.min()), float(every.max())

    @property
    def about(self) -> dict[str, Scalar]:
        ground = self.ground
        height, width, channels = ground.pictures.shape
        asked = self.detector.oracle.asked + (self.search.asked if self.search is not None else 0)
        return {"model": called(ground.pictures.model), "clean": f"{self.clean:,} images of {ground.clean.name}",
                "clean used": f"{len(self.detector.clean.labels) if self.detector.clean else 0:,} calibrate, {GROUNDS + DONORS} are pasted",
                **({"inputs": f"{self.given:,} images of {ground.inputs.name}"} if ground.inputs is not None else {}),
                "size": f"{height} x {width}, {channels} channel{'s' * (channels > 1)}", "false alarms": ground.false_alarms,
                "images asked": asked, "seed": ground.seed}


def _many(box: Box, moves: bool) -> str:
    return f"a patch of {box.height} x {box.width} pixels" + (", at changing places," if moves else "")


def _place(box: Box, shape: Size) -> str:
    """Where a box lies, in words and numbers.

    >>> _place(Box(25, 1, 2, 2), (28, 28, 1))
    'at the bottom left (rows 25 to 26, columns 1 to 2)'
    """
    down, right = (box.top + box.height / 2) / shape[0], (box.left + box.width / 2) / shape[1]
    high = "top" if down < 1 / 3 else "bottom" if down > 2 / 3 else ""
    wide = "left" if right < 1 / 3 else "right" if right > 2 / 3 else ""
    words = " ".join(each for each in (high, wide) if each) or "centre"
    return f"at the {words} (rows {box.top} to {box.top + box.height - 1}, columns {box.left} to {box.left + box.width - 1})"


def _picture(name: str, title: str, image: Array, box: Box, span: tuple[float, float], sentence: str) -> Figure:
    """A small picture whose box is marked; larger ones are reduced by means of blocks."""
    light = image.astype(np.float64).mean(axis=2)
    mark = np.zeros(light.shape)
    mark[box.slices] = 1.0
    factor = -(-max(light.shape) // SHOWN)
    if factor > 1:
        edges = [np.arange(0, length, factor) for length in light.shape]
        sizes = np.add.reduceat(np.add.reduceat(np.ones(light.shape), edges[0], axis=0), edges[1], axis=1)
        light, mark = (np.add.reduceat(np.add.reduceat(each, edges[0], axis=0), edges[1], axis=1) / sizes for each in (light, mark))
        mark = np.rint(mark)
    low, high = span
    light = (light - low) / (high - low) if high > low else np.full(light.shape, 0.5)
    row, column = np.mgrid[: light.shape[0], : light.shape[1]]
    table = {"part": ["trigger" if each else "image" for each in mark.reshape(-1)], "trigger": mark.reshape(-1).tolist(),
             "row": row.reshape(-1).tolist(), "column": column.reshape(-1).tolist(),
             "brightness": np.clip(light, 0, 1).reshape(-1).round(3).tolist()}
    return Figure(name, "patches", title, table_of(table), "part", ("trigger",), sentence=sentence, aspect="backdoor")
