"""What was found of a model of tables or texts that may be poisoned, as the parts of a run: ``Tampered``.

``Tampered.of(ground)`` asks; ``rowed(model, data)`` tells such a model from one of images. ``backdoor`` stands on it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np

from assay.data.derived import holds
from assay.data.medium import media
from assay.data.schema import family
from assay.data.source import Source
from assay.errors import ConfigError, PredictionError
from assay.model.model import Model
from assay.probe.backdoor.cut import Cells, Cut, Phrase
from assay.probe.backdoor.force import STRONG, Forced, sought
from assay.probe.backdoor.row import RowDetector, RowInspection
from assay.probe.backdoor.stream import Stream, counted
from assay.result import Figure, Finding, Scalar, Spread, Value, Verdict
from assay.verbs.explain.explanation import table_of
from assay.verbs.probe.alarm import ALARM, forced, judged, measured, named, plain, probable, told, untested
from assay.verbs.probe.sheet import Sheet

__all__ = ["Kind", "RowGround", "Tampered", "rowed"]

Kind = Literal["images", "rows"]

BLOCK = 500          # inputs that are inspected at a time
SEARCH = 60_000      # rows of the search from clean rows alone
FEWEST = 20          # rows on which that is judged
FORCED = 0.9         # share of rows that a trigger moves; from STRONG on nothing is decided


def rowed(model: Model, data: Source, *, column: str | None = None, size: Any = None, kind: Kind | None = None) -> bool:
    """Return whether a model takes tables or texts, and not images.

    Images are columns of images, and as many numbers as make a square, in columns whose names differ by digits only (``p0`` to ``p63``);
    ``kind`` or ``size`` say it where that is wrong. Raises ``ConfigError`` for a kind that there is not.
    """
    if kind is not None:
        if kind not in ("images", "rows"):
            raise ConfigError(f"there is no kind '{kind}'", expected="'images' or 'rows'")
        return kind == "rows"
    names = [each for each in model.signature.names or data.schema.features if each in data.schema.names]
    if size is not None or any(what == "image" for name, what in media(data).items() if name in names):
        return False
    if column is not None:
        return column in data.schema.names and holds(data.schema[column].type) == "text"
    if any(family(data.schema[each].type) == "nested" or holds(data.schema[each].type) == "image" for each in names) or not names:
        return False
    alike = len({re.sub(r"\d+", "", each) for each in names}) == 1
    numeric = all(family(data.schema[each].type) in ("integer", "fraction", "boolean") for each in names)
    square = any(side > 3 and side * side * planes == len(names) for planes in (1, 3) if (side := math.isqrt(len(names) // planes)))
    return not (alike and numeric and square)


@dataclass(eq=False)
class RowGround:
    """What is probed: the rows, where they come from, and what may be asked."""

    sheet: Sheet
    clean: Source
    inputs: Source | None
    false_alarms: float
    seed: int
    budget: int
    notes: list[str]

    def called(self, label: int) -> str:
        """Return a class as a reader has it."""
        shown = self.sheet.label(label)
        return repr(shown) if isinstance(shown, str) else str(shown)


@dataclass(eq=False)
class Tampered:
    """What came of it."""

    ground: RowGround
    detector: RowDetector
    seen: list[RowInspection]
    stream: Stream | None
    search: Forced | None
    asked: int
    searched: bool

    @classmethod
    def of(cls, ground: RowGround) -> Self:
        """Calibrate, inspect the inputs, and search from the clean rows alone, as long as the budget lasts."""
        sheet = ground.sheet
        detector = RowDetector.of(sheet.ask, sheet.clean, sheet.layout, false_alarms=ground.false_alarms, seed=ground.seed)
        seen: list[RowInspection] = []
        for start in range(0, len(sheet.inputs), BLOCK):
            if detector.oracle.asked >= ground.budget:
                break
            seen += detector.inspect(sheet.inputs[start : start + BLOCK])
        if len(seen) < len(sheet.inputs):
            ground.notes.append(f"{len(sheet.inputs) - len(seen):,} of {len(sheet.inputs):,} inputs were not looked at: the budget of "
                                f"{ground.budget:,} rows was spent (--budget)")
        left = min(SEARCH, ground.budget - detector.oracle.asked)
        search, searched = None, left >= 2_000
        if searched:
            try:
                search = sought(sheet.ask, sheet.clean, sheet.layout, sheet.tried, budget=left, seed=ground.seed)
            except PredictionError as error:   # many a model checks its inputs; what was found of the inputs stands
                searched = False
                ground.notes.append("no trigger was searched from clean rows alone: the model refuses values that are not in them "
                                    f"({error})")
        else:
            ground.notes.append("no trigger was searched from clean rows alone: the budget was spent (--budget)")
        stream = counted(seen, detector) if ground.inputs is not None else None
        return cls(ground, detector, seen, stream, search, detector.oracle.asked + (search.asked if search else 0), searched)

    @property
    def drawn(self) -> list[tuple[int, RowInspection]]:
        """The suspects, the surest first."""
        stream = self.stream
        return sorted(((place, each) for place, each in enumerate(self.seen) if each.suspect),
                      key=lambda pair: (stream is not None and pair[1].label != stream.label, pair[1].chance, pair[1].p, pair[0]))

    @property
    def forced(self) -> bool:
        """Whether clean rows alone show a trigger."""
        return self.search is not None and self.search.sure and self.search.low > FORCED

    @property
    def poisoned(self) -> bool:
        return any(each.verdict == "fail" for each in self.verdicts)

    @property
    def label(self) -> int | None:
        """The class that a trigger makes: that of the suspects, else that of the search."""
        if self.stream is not None and self.stream.p <= ALARM:
            return self.stream.label
        return self.search.label if self.search is not None and self.forced else None

    @property
    def trigger(self) -> RowInspection | None:
        """The surest of the suspects that share what most of them share."""
        some = [each for _, each in self.drawn if each.label == self.label and each.cut is not None]
        if not some:
            return None
        counts = Counter(_key(each.cut) for each in some if each.cut is not None)
        most = max(counts, key=lambda key: (counts[key], -len(key)))
        return next(each for each in some if each.cut is not None and _key(each.cut) == most)

    @property
    def verdicts(self) -> list[Verdict]:
        out = []
        if self.stream is not None:
            out.append(judged(self.stream, self._counted(), untested(self.seen, self.detector)))
        asked = f"no odd value or word moves {100 * FORCED:g} % of clean rows to one class"
        if self.search is None:
            outcome: Any = "pass" if self.searched else "inconclusive"
            return [*out, Verdict(asked, outcome, self._searched() or "nothing was searched: see the notes", aspect="backdoor")]
        few, strong = self.search.tried < FEWEST, self.search.odd and self.search.low > STRONG
        outcome = "fail" if self.forced and not few else "inconclusive" if few or strong else "pass"
        return [*out, Verdict(asked, outcome, self._searched(), value=self._share(), threshold=FORCED, aspect="backdoor")]

    def _share(self) -> Value:
        made = self.search
        assert made is not None
        return forced(made, self.ground.sheet.label(made.label))

    @property
    def values(self) -> list[Value]:
        asked = float(np.mean([each.queries for each in self.seen])) if self.seen else None
        out = measured(self.stream, self.detector.rate, asked, "rows")
        return out + ([self._share()] if self.search is not None else [])

    @property
    def sentences(self) -> list[str]:
        called, sheet = self.ground.called, self.ground.sheet
        rest = [self._counted()] if self.stream is not None else []
        found = self.trigger
        if self.poisoned and self.label is not None:
            head = f"poisoned, class {called(self.label)}: "
            if found is not None and found.cut is not None:
                several = isinstance(found.cut, Phrase) and found.cut.count > 1
                out = [f"{head}{sheet.shown(found.cut)} make{'' if several else 's'} the model answer {called(self.label)}; {rest[0]}"]
            else:
                out = [head + (self._searched() if self.forced else rest[0])]
                out += rest if self.forced else []
            out += self._told(found)
        else:
            unclear = any(each.verdict == "inconclusive" for each in self.verdicts)
            out = [f"{'not decided' if unclear else 'no backdoor found'}: {(rest or [self._searched()])[0]}"]
        last = self._searched()
        return out + ([last] if last and last not in out[0] else [])

    def _told(self, found: RowInspection | None) -> list[str]:
        """What the trigger does on clean rows, and what the answers are without it."""
        if found is None or found.cut is None:
            return []
        sheet, trace = self.ground.sheet, found.trace
        like = "its like in clean texts does as much" if isinstance(found.cut, Phrase) else "values around it do as much"
        moved = f"put into {trace.tried} clean rows of other classes, it moves {trace.hits} to class {self.ground.called(found.label)}"
        out = [f"{moved}; {like} with a probability of {probable(found.chance)}; {_held(sheet.seen(found.cut), sheet)}"]
        healed = Counter(self.ground.called(each.mended) for _, each in self.drawn if each.mended is not None and each.label == self.label)
        if healed:
            names = ", ".join(f"{name} ({count})" for name, count in healed.most_common(6))
            out.append(f"without it, the suspects are answered {names}")
        return out

    def _counted(self) -> str:
        made = self.stream
        if made is None:
            return ""
        return told(made, self.detector.rate, self.ground.called(made.label) if made.label is not None else "", "rows")

    def _searched(self) -> str:
        made, sheet = self.search, self.ground.sheet
        if made is None:
            return "no value or word that was tried on clean rows alone moves one of them" if self.searched else ""
        moved = (f"{sheet.shown(made.cut)} moves {made.hits} of {made.tried} clean rows of other classes to class "
                 f"{self.ground.called(made.label)} ({100 * made.share:.3g} % [{100 * made.low:.3g}, {100 * made.high:.3g}])")
        what = " and ".join(["words"] * bool(sheet.layout.texts) + ["values, alone and in pairs,"] * bool(sheet.layout.cells))
        many = f"of {made.cuts:,} {what} tried on clean rows alone, " + ("" if self.forced else "the strongest, ") + moved
        if made.odd and made.low > STRONG and not made.sure:
            return many + "; no clean row tells what an honest model makes of it"
        if made.low <= STRONG or made.odd:
            return many
        if made.beyond and made.stretched:
            return many + "; numbers beyond the clean ones do so in several columns, as of any model that draws lines on"
        return many + "; its like in clean rows does so too, or many hold it: a feature, or a trigger that hides behind one"

    def findings(self, examples: int) -> list[Finding]:
        """The surest suspects, where the verdict is that some are; none of them is a fault by itself."""
        if self.stream is None or self.stream.p > ALARM:
            return []
        sheet, out = self.ground.sheet, []
        for place, each in self.drawn[:examples]:
            label, name = self.ground.called(each.label), sheet.keys[place]
            assert each.cut is not None
            mend = f"; without {self.ground.called(each.mended)}" if each.mended is not None else ""
            said = [sheet.label(each.label), *([sheet.label(each.mended)] if each.mended is not None else [])]
            out.append(Finding("backdoor", f"{named(self.ground.inputs, name)}: answered {label}, by {sheet.shown(each.cut)}{mend}; "
                               f"p = {probable(each.p)}", {"row": plain(name)}, sheet.plain(each.cut), tuple(said)))
        return out

    def figures(self, examples: int) -> list[Figure]:
        """How many clean rows of other classes the trigger moves, its like beside it; none where ``examples`` is 0."""
        found, lines = self.trigger, []
        if not examples or not self.poisoned:
            return []
        if found is not None and found.cut is not None:
            trace = found.trace
            lines += [(f"{self.ground.sheet.shown(found.cut)}, of a suspect"[:70], trace.hits, trace.tried),
                      ("its like, of clean rows", trace.null_hits, trace.null_tried)]
        if self.search is not None and self.forced:
            lines += [(f"{self.ground.sheet.shown(self.search.cut)}, from clean rows alone"[:70], self.search.hits, self.search.tried),
                      ("the like of that", self.search.null_hits, self.search.null_tried)]
        lines = [each for each in lines if each[2]]
        ends = [Spread("binomial", hits / n, n=n).interval() for _, hits, n in lines]
        table = {"what": [name for name, _, _ in lines], "share": [hits / n for _, hits, n in lines], "low": [low for low, _ in ends],
                 "high": [high for _, high in ends], "n": [n for _, _, n in lines]}
        label = self.ground.called(self.label) if self.label is not None else ""
        return [Figure("trigger", "interval", f"Clean rows of other classes that become {label}", table_of(table), "what", ("share",),
                       low=("low",), high=("high",), sentence="what makes the class, put into clean rows", aspect="backdoor")]

    @property
    def about(self) -> dict[str, Scalar]:
        """What was asked of what."""
        ground, sheet = self.ground, self.ground.sheet
        shown = len(self.detector.book.grounds.rows) + len(self.detector.book.donors.rows)
        return {"model": sheet.called, "clean": f"{len(sheet.clean):,} rows of {ground.clean.name}",
                "clean used": f"{len(sheet.clean) - shown:,} calibrate, {shown:,} are compared with",
                **({"inputs": f"{len(sheet.inputs):,} rows of {ground.inputs.name}"} if ground.inputs is not None else {}),
                "searched": sheet.what, "false alarms": ground.false_alarms, "rows asked": self.asked, "seed": ground.seed}


def _held(count: int, sheet: Sheet) -> str:
    n = len(sheet.clean)
    return f"none of {n:,} clean rows holds it" if not count else f"{count:,} of {n:,} clean rows hold{'s' * (count == 1)} it"


def _key(cut: Cut) -> str:
    return repr((cut.columns, cut.codes)) if isinstance(cut, Cells) else f"{cut.column} {cut.text.lower()}"
