"""What the robustness of a table's columns and texts is told by: curves and attacks, as values, figures and sentences.

``Measured`` holds what was measured of one model; ``measured`` measures tables, ``reworded`` texts. Only ``robustness`` uses it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from assay.errors import PredictionError, listed
from assay.probe.robustness.curve import SHARES, Curve, corrupted, curve, kinds, spoilt_text
from assay.probe.robustness.domain import Domain
from assay.probe.robustness.question import Question, Said
from assay.probe.robustness.tabular import Attack, Evasion, evasions
from assay.probe.robustness.word import Rewording, evaded
from assay.result import Figure, Finding, Scalar, Spread, Value
from assay.verbs.explain.explanation import number
from assay.verbs.probe.attack import Ground, Rows

if TYPE_CHECKING:
    from assay.verbs.probe.depicted import Depicted

__all__ = ["SEVERE", "WITHIN", "Measured", "measured", "reworded"]

Array = np.ndarray[Any, Any]

LEAST, MOST = 50, 5_000        # rows of a curve
WITHIN = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)   # sizes of changes at which the share of flipped rows is told
SEVERE = 0.1
POOL = 2_000                   # real rows that attacks go by
_WAYS = {"noise": "noise on the numbers", "exchange": "categories exchanged for those of other rows", "missing": "values gone missing",
         "typos": "letters mistyped", "blur": "blur", "brightness": "brightness"}


@dataclass(eq=False)
class Measured:
    """What was measured: ``curves``, and what attacks found, each as a share of rows that were tried."""

    ground: Ground
    severity: float
    loss: float
    curves: list[Curve] = field(default_factory=list)
    attack: Attack | None = None
    domain: Domain | None = None
    words: list[Rewording] | None = None
    tried: int = 0
    images: Depicted | None = None
    notes: list[str] = field(default_factory=list)

    # curves ---------------------------------------------------------------------------------------------------------------

    def at(self, made: Curve) -> int:
        """Return the place of the severity that is judged, the nearest that was asked."""
        return int(np.argmin([abs(np.log(each / self.severity)) for each in made.severity]))

    @property
    def together(self) -> list[Curve]:
        """The curves of all columns at once."""
        return [each for each in self.curves if each.column is None]

    def worst(self) -> tuple[Curve, int] | None:
        """Return the curve of all columns with the least agreement at the severity that is judged."""
        found = [(each, self.at(each)) for each in self.together]
        return min(found, key=lambda pair: pair[0].agreement(pair[1]).estimate) if found else None

    def values(self) -> list[Value]:
        """Return what was measured as values."""
        out = []
        for each in self.curves:
            for place, severity in enumerate(each.severity):
                if each.column is not None and place != self.at(each):
                    continue
                options: dict[str, Scalar] = {"kind": each.kind, "severity": severity}
                out.append(Value.of("agreement", each.agreement(place), n=each.n, column=each.column, better="higher", options=options))
                lost = each.loss(place)
                if lost is not None:
                    name = "accuracy lost" if self.ground.classes else "mean absolute error gained"
                    out.append(Value.of(name, lost, n=each.n, column=each.column, better="lower", options=options))
        if self.attack is not None and self.attack.tried:
            out += [self.flipped(within) for within in WITHIN]
            out.append(self.typical())
        if self.words is not None and self.tried:
            out.append(self.reworded())
        if self.images is not None:
            out += self.images.values()
        return out

    def flipped(self, within: float) -> Value:
        """Return the share of rows whose answer a change of at most ``within`` flips."""
        assert self.attack is not None
        sizes = self.attack.sizes
        share = Spread("binomial", float((sizes <= within + 1e-12).mean()), n=len(sizes))
        return Value.of("flipped share", share, n=len(sizes), better="lower", options={"within": within})

    def typical(self) -> Value:
        """Return the median size of the smallest change, with the interval by the order of the rows; rows without one count as infinite."""
        from scipy import special

        assert self.attack is not None
        sizes = np.sort(self.attack.sizes)
        n = len(sizes)
        ranks = np.arange(n + 1)
        below = special.bdtr(ranks, n, 0.5)
        low, high = int(np.searchsorted(below, 0.025)), min(int(np.searchsorted(below, 0.975)), n - 1)
        middle = float(np.median(sizes))
        if not np.isfinite(middle):
            return Value.undefined("smallest change", "most rows were flipped by no change that was tried", n=n, unit="spreads")
        return Value("smallest change", middle, float(sizes[max(low - 1, 0)]), float(sizes[high]), n, better="higher", unit="spreads",
                     method="order statistics")

    def reworded(self) -> Value:
        """Return the share of texts whose answer a rewording flips."""
        share = Spread("binomial", len(self.words or ()) / self.tried, n=self.tried)
        return Value.of("flipped share", share, n=self.tried, better="lower", options={"of": "texts"})

    # words ----------------------------------------------------------------------------------------------------------------

    def sentences(self) -> list[str]:
        """Return what was found in words, the smallest changes first."""
        out = []
        if self.attack is not None and self.attack.tried:
            out.append(self.attacked())
        if self.words is not None and self.tried:
            value = self.reworded()
            out.append(f"{len(self.words):,} of {self.tried:,} texts are answered otherwise with a few words replaced "
                       f"({_percent(value)})")
        if self.images is not None:
            out += self.images.sentences()
        out += [self.told(each) for each in self.together]
        out += [each for each in (self.weakest(kind) for kind in dict.fromkeys(one.kind for one in self.together)) if each]
        return out

    def attacked(self) -> str:
        """Return how small the smallest changes are."""
        assert self.attack is not None
        found = self.attack.found
        if not found:
            return f"no change that was tried flips the answer to any of {self.attack.tried:,} rows"
        close, typical = self.flipped(SEVERE), self.typical()
        single = sum(len(each.columns) == 1 for each in found)
        middle = (f"half of them by one of at most {number(typical.value)} [{number(typical.low)}, {number(typical.high)}] spreads"
                  if typical.value is not None else "fewer than half by any that was tried")
        real = sum(each.far <= self.attack.radius for each in found)
        return (f"{_percent(close)} of {self.attack.tried:,} rows are answered otherwise after a change of at most {SEVERE:g} spreads, "
                f"{middle}; {single:,} of {len(found):,} flips change one column, and {real:,} are as near to a real row as real "
                "rows are to each other")

    def told(self, made: Curve) -> str:
        """Return what one curve says: the agreement at the severity that is judged, and where the loss is reached."""
        place = self.at(made)
        spread = made.agreement(place)
        low, high = spread.interval()
        reached = made.reached(self.loss, seed=self.ground.seed)
        of = _scale(made.kind, made.severity[place])
        text = (f"{_WAYS[made.kind]}, {of}: {100 * spread.estimate:.3g} % [{100 * low:.3g}, {100 * high:.3g}] of {made.n:,} rows are "
                "answered alike")
        lost = made.loss(place)
        if lost is not None:
            ends = lost.interval()
            many = 100 if self.ground.classes else 1
            shown = f"{many * lost.estimate:.2g} [{many * ends[0]:.2g}, {many * ends[1]:.2g}]"
            text += f", {shown} points of accuracy are lost" if self.ground.classes else f", the mean absolute error grows by {shown}"
        share = f"{100 * self.loss:g} % of the answers change"
        if reached.at is None:
            return f"{text}; {share} at none up to {_scale(made.kind, made.severity[-1])}"
        first = "or below" if reached.at <= made.severity[0] else ""
        limit = "beyond" if reached.high is None else _scale(made.kind, reached.high)
        return f"{text}; {share} at {_scale(made.kind, reached.at)} {first or f'[{_scale(made.kind, reached.low)}, {limit}]'}"

    def weakest(self, kind: str) -> str:
        """Return which columns do most by themselves."""
        own = [(each, self.at(each)) for each in self.curves if each.kind == kind and each.column is not None]
        own.sort(key=lambda pair: pair[0].agreement(pair[1]).estimate)
        shown = [f"{each.column} ({100 * (1 - each.agreement(place).estimate):.3g} %)" for each, place in own[:3]
                 if each.changed[place].any()]
        return f"of {_WAYS[kind]} these change most by themselves: {listed(shown)}" if shown else ""

    def findings(self, within: float, examples: int) -> list[Finding]:
        """Return the smallest changes up to a size, the smallest first, and rewordings."""
        out = []
        if self.attack is not None:
            found = sorted((each for each in self.attack.found if each.size <= within + 1e-12), key=lambda each: (each.size, each.row))
            out += [self.finding(each) for each in found[:examples]]
        shown = sorted(self.words or (), key=lambda each: (len(each.words), each.row))[:examples]
        return out + [Finding("robustness", self.exchange(each), {"text": each.before}, {"text": each.after},
                              tuple(_plain(self.ground, one) for one in (each.was, each.said))) for each in shown]

    def finding(self, each: Evasion) -> Finding:
        """Return one change of a row, in words."""
        assert self.domain is not None
        assert self.attack is not None
        made, names = self.domain, self.domain.names
        changes = [f"{names[place]} {made.shown(place, each.after[place])} in place of {made.shown(place, each.before[place])}"
                   for place in each.columns]
        near = "as real rows are to each other" if each.far <= self.attack.radius else "further than real rows are from each other"
        sentence = (f"with {' and '.join(changes)}, and nothing else, {self.ground.shown(each.said)} in place of "
                    f"{self.ground.shown(each.was)} ({number(each.size)} spreads; {number(each.far)} from the nearest real row, {near})")
        return Finding("robustness", sentence, {name: made.value(place, each.before[place]) for place, name in enumerate(names)},
                       {names[place]: made.value(place, each.after[place]) for place in each.columns},
                       tuple(_plain(self.ground, one) for one in (each.was, each.said)))

    def exchange(self, each: Rewording) -> str:
        """Return one rewording, in words."""
        swaps = " and ".join(f"'{new}' in place of '{old}'" for old, new in each.words)
        said, was = self.ground.shown(each.said), self.ground.shown(each.was)
        return f"with {swaps}, and nothing else, {said} in place of {was}: {each.after[:160]}"

    # figures --------------------------------------------------------------------------------------------------------------

    def figures(self) -> list[Figure]:
        """Return the curves, the columns by themselves, and how many rows flip by size."""
        out = [self.picture(each) for each in self.together]
        for kind in dict.fromkeys(each.kind for each in self.together):
            out += self.columns(kind)
        if self.attack is not None and self.attack.found:
            grid = np.geomspace(0.003, 3, 31)
            shares = [self.flipped(float(each)) for each in grid]
            table: dict[str, tuple[Scalar, ...]] = {
                "size": tuple(float(each) for each in grid), "flipped": tuple(each.value for each in shares),
                "low": tuple(each.low for each in shares), "high": tuple(each.high for each in shares)}
            out.append(Figure("flips", "line", "Rows whose answer flips, by the size of the change", table, x="size", y=("flipped",),
                              low=("low",), high=("high",), sentence=self.attacked(), aspect="robustness"))
        return out

    def picture(self, made: Curve) -> Figure:
        """Return one curve as a picture: no corruption is at 0."""
        spreads = [made.agreement(place) for place in range(len(made.severity))]
        ends = [each.interval() for each in spreads]
        table: dict[str, tuple[Scalar, ...]] = {
            "severity": (0.0, *made.severity), "agreement": (1.0, *(each.estimate for each in spreads)),
            "low": (1.0, *(each[0] for each in ends)), "high": (1.0, *(each[1] for each in ends))}
        y: tuple[str, ...] = ("agreement",)
        if made.right is not None and self.ground.classes:
            table["accuracy"] = tuple(float(each) for each in made.right.mean(axis=1))
            y = ("agreement", "accuracy")
        return Figure(f"curve {made.kind}", "line", _title(made.kind), table, x="severity", y=y, low=("low",), high=("high",),
                      sentence=self.told(made), aspect="robustness")

    def columns(self, kind: str) -> list[Figure]:
        """Return a picture of the columns by themselves at the severity that is judged, none where there are fewer than two."""
        own = [(each, self.at(each)) for each in self.curves if each.kind == kind and each.column is not None]
        if len(own) < 2:
            return []
        own = sorted(own, key=lambda pair: pair[0].agreement(pair[1]).estimate)[:30]
        spreads = [each.agreement(place) for each, place in own]
        ends = [each.interval() for each in spreads]
        table: dict[str, tuple[Scalar, ...]] = {
            "column": tuple(each.column for each, _ in own), "agreement": tuple(each.estimate for each in spreads),
            "low": tuple(each[0] for each in ends), "high": tuple(each[1] for each in ends)}
        made, place = own[0]
        return [Figure(f"columns {kind}", "interval", f"{_title(kind)}, one column at a time ({_scale(kind, made.severity[place])})", table,
                       x="column", y=("agreement",), low=("low",), high=("high",), sentence=self.weakest(kind), aspect="robustness",
                       mark=1.0, mark_name="answered alike")]


def measured(out: Measured, domain: Domain, rows: Rows, pool: Array, *, attacked: int, budget: int, near: bool,
             difference: float | None) -> None:
    """Measure a table: curves with at most half of the budget, then the smallest changes of ``attacked`` rows."""
    ground, seed = out.ground, out.ground.seed
    question = Question(ground.said, budget, difference)
    matrix = domain.matrix(rows.table)
    ways = kinds(domain)
    asked = sum(len(severity) * (1 + (len(places) if len(places) > 1 else 0)) for places, severity in ways.values())
    most = int(np.clip(budget // 2 // max(asked + 1, 1), LEAST, MOST))
    part, labels = matrix[:most], rows.labels[:most] if rows.labels is not None else None
    before = question(domain.batch(part))
    for kind, (places, severity) in ways.items():
        for only in (None, *places) if len(places) > 1 else (None,):
            if question.left < len(part) * len(severity):
                out.notes.append(f"the budget ended before every column was tried by itself with {_WAYS[kind]}")
                break
            spoil = corrupted(domain, part, kind, places if only is None else [only], seed=seed)
            try:
                made = curve(question, part, lambda much, spoil=spoil: domain.batch(spoil(much)), severity, before,   # type: ignore[misc]
                             kind=kind, column=None if only is None else domain.names[only], labels=labels)
            except PredictionError as error:
                if kind != "missing":
                    raise
                if only is None:
                    out.notes.append(f"the model does not answer where all columns may lack values: {error.what}")
                    continue
                out.notes.append(f"the model does not answer where '{domain.names[only]}' is missing")
                continue
            out.curves.append(made)
    out.domain = domain
    if domain.free:
        out.attack = evasions(question, domain, matrix[:attacked], pool, near=near, seed=seed)
        wanted = min(attacked, len(matrix))
        if out.attack.tried < wanted:
            out.notes.append(f"the budget of {budget:,} rows ended after {out.attack.tried:,} of {wanted:,} rows were attacked")


def reworded(out: Measured, column: str, rows: Rows, *, attacked: int, budget: int, synonyms: Mapping[str, Sequence[str]] | None,
             difference: float | None) -> None:
    """Measure a column of text: typing errors, and words replaced by those of ``synonyms``, or without by mistyped ones."""
    ground = out.ground
    some = rows.table.slice(0, min(max(budget // 40, LEAST), MOST))
    texts = [each if each is not None else "" for each in some.column(column).cast(pa.string()).to_pylist()]
    other = [name for name in ground.inputs if name != column]
    kind = some.schema.field(column).type
    kind = pa.string() if pa.types.is_dictionary(kind) else kind

    def ask(given: Any) -> Said:
        columns = {name: some.column(name) for name in other}   # there only where texts stand in the order of the rows
        return ground.said(ground.batch(pa.table({**columns, column: pa.array(list(given), kind)})))

    question = Question(ask, budget, difference)
    before = question(texts)
    labels = rows.labels[:len(texts)] if rows.labels is not None else None
    out.curves.append(curve(question, texts, spoilt_text(texts, seed=ground.seed), SHARES, before, kind="typos",
                            column=None, labels=labels))
    if other:
        out.notes.append(f"of the words of '{column}' replacements were not searched, as the model reads {listed(other, 4)} beside it")
        return
    out.words, out.tried = evaded(question, texts[:attacked], synonyms=synonyms, typos=synonyms is None, seed=ground.seed)


def _title(kind: str) -> str:
    return {"noise": "Noise, in spreads of each column", "typos": "Letters mistyped, share", "missing": "Values missing, share",
            "exchange": "Categories exchanged, share", "blur": "Blur, in tenths of a pixel"}.get(kind, kind.capitalize())


def _scale(kind: str, severity: float) -> str:
    """Return a severity in words."""
    if kind == "noise":
        return f"{severity:.2g} spreads"
    return f"{100 * severity:.2g} %" if kind in ("missing", "exchange", "typos") else f"{severity:.2g}"


def _percent(value: Value) -> str:
    low, high = (100 * (each or 0.0) for each in (value.low, value.high))
    return f"{100 * (value.value or 0.0):.3g} % [{low:.3g}, {high:.3g}]"


def _plain(ground: Ground, said: Any) -> Any:
    return ground.classes[int(said)] if ground.classes else float(said)


