"""A randomized experiment on a system that one can only use: ``assay.experiment("design.yaml")``, as ``assay probe experiment``.

Reads the design, draws the lots, asks the system what the log does not have yet, and says what the difference between the treatments is and
whether chance would make it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assay.errors import ConfigError, UntrustedModelError, listed
from assay.model.address import Address
from assay.probe.experiment.comparison import Comparison, Feature, comparisons, least
from assay.probe.experiment.design import ANSWERED, Design, Plan, design, planned
from assay.probe.experiment.driver import asked_of, conducted
from assay.probe.experiment.log import Log, Observation
from assay.probe.experiment.permutation import DRAWS
from assay.probe.experiment.power import RUNS, Effect, blocks_needed, chance
from assay.result import Cost, Figure, Finding, Run, Scalar, Spread, Value, Verdict
from assay.segment.confirm import standing
from assay.verbs.config import located
from assay.verbs.explain.explanation import number

__all__ = ["experiment", "place"]

SUFFIX = ".log.jsonl"
LETTERS = 80       # of an item in a sentence
UNANSWERED = 0.1   # difference in who answers at all, up to which the other outcomes are judged as they are


def experiment(design: Any, *, system: Callable[..., Any] | None = None, log: str | Path | None = None, url: str | None = None,
               plan: bool = False, draws: int = DRAWS, trust: bool = False, strict: bool = False,
               progress: Callable[[str, int], None] | None = None) -> Run:
    """Return a run of whether a system treats kinds of simulated users differently, proved by a randomized experiment.

    ``design`` is a file such as ``design.yaml``, a mapping of the same keys, or a list of either, whose tests are then corrected together.
    What is asked is ``system``, a function of a treatment's profile and a unit's id that returns the outcomes, or what the design names; an
    address or a command of the file is asked with ``trust`` only, and ``url`` names the address instead. What comes is appended to ``log``
    (``design.log.jsonl`` beside the file), from which an experiment that was interrupted goes on. With ``plan`` nothing is asked: the lots
    are drawn, and where the design says which difference matters, how many blocks it takes is simulated.

    The verdict is ``fail`` where a difference is proved, or one above an outcome's ``at_most``; ``pass`` where the whole interval is within
    ``at_most``, else within the difference that ``power`` says matters; ``inconclusive`` otherwise. Raises ``AssayError`` for a design that
    cannot be read, done, or shows nothing, for a log of another one, and where the system gives nothing.

    >>> two = {"treatments": {"women": {"profile": {"sex": "f"}}, "men": {"profile": {"sex": "m"}}}, "outcomes": {"offer": "number"}}
    >>> run = experiment({**two, "blocks": 20, "units": 4}, system=lambda profile, unit: 100 - 10 * (profile["sex"] == "f"))
    >>> run.verdict, run.sentences[0]
    ('fail', "'men' and 'women' are treated differently: offer is 100 and 90 on average, 10 [10, 10] apart (p = 0.0001)")
    """
    began = time.perf_counter()
    given = list(design) if isinstance(design, list | tuple) else [design]
    if not given:
        raise ConfigError("there is no design", expected="a file such as design.yaml")
    if log is not None and len(given) > 1:
        raise ConfigError("one log does not hold several experiments", expected="one design, or the logs beside each")
    if not isinstance(draws, int) or not 99 <= draws <= 1_000_000:
        raise ConfigError(f"{draws!r} assignments are no test", expected="a whole number from 99 to 1,000,000")
    made = [_Experiment.of(each, system, log, url, trust or plan) for each in given]
    places = [each.log.resolve() for each in made if each.log is not None]
    if len(set(places)) < len(places):
        raise ConfigError("two of the designs share one log", where=str(places[0]), expected="a file each")
    if plan:
        return _planned(made, draws, strict, began)
    tests = sum((len(each.design.treatments) - 1) * len(each.design.outcomes) for each in made)
    for each in made:
        each.able(tests, draws)
    for each in made:
        each.conduct(system, draws, progress)
    return _told(made, strict, began)


def place(design: Path, log: str | Path | None = None) -> Path:
    """Return where the log of a design is kept.

    >>> place(Path("ads.yaml")).name
    'ads.log.jsonl'
    """
    return design.with_name(design.stem + SUFFIX) if log is None else Path(log)


@dataclass(eq=False)
class _Experiment:
    """One experiment: its design and lots, where its log is, and what came of it."""

    design: Design
    plan: Plan
    place: str
    log: Path | None
    seen: Mapping[int, Observation] = field(default_factory=dict)
    found: list[Comparison] = field(default_factory=list)
    runs: int = 1

    @classmethod
    def of(cls, given: Any, system: Callable[..., Any] | None, log: str | Path | None, url: str | None, trust: bool) -> _Experiment:
        path = Path(given) if isinstance(given, str | Path) else None
        if path is not None:
            if path.suffix.lower() not in (".yaml", ".yml"):
                raise ConfigError("this is not a design", where=str(path), expected="a file ending in .yaml or .yml")
            value, where = located(path)
        elif isinstance(given, Mapping):
            value, where = given, _within
        else:
            raise ConfigError(f"a {type(given).__name__} is no design", expected="a file such as design.yaml, or a mapping")
        if url is not None and isinstance(value, Mapping):
            inner = value.get("system") if isinstance(value.get("system"), Mapping) else {}
            value = {**value, "system": {**{key: each for key, each in (inner or {}).items() if key != "command"}, "url": url}}
        read = design(value, where, system=system is None)
        if read.name == "experiment" and path is not None:
            read = dataclasses.replace(read, name=path.stem)
        asked = read.system
        if system is None and path is not None and url is None and not trust:
            address = Address.of(str(asked.url)) if asked.url else None
            raise UntrustedModelError(
                "this address stands in a design, and simulated users would act there" if asked.url else "a command runs code",
                where=address.shown if address else where("system", "url" if asked.url else "command"),
                hint="if you trust who wrote the file, pass --trust" + ("; or name the address yourself: --url" if asked.url else ""))
        kept = Path(log) if log is not None else place(path) if path is not None else None
        return cls(read, planned(read), str(path) if path is not None else read.name, kept)

    def able(self, tests: int, draws: int) -> None:
        """Raise ``ConfigError`` for a design of which no outcome whatever would be significant."""
        smallest, alpha = least(self.design, self.plan, draws), 1 - self.design.level
        if smallest * tests > alpha + 1e-12:
            many = f" times {tests} tests" if tests > 1 else ""
            raise ConfigError(f"this design can prove nothing: its lots allow no p-value below {smallest:.2g}{many}, "
                              f"and {alpha:.2g} is needed", where=self.place,
                              expected="more blocks, or more units in each", hint="--plan says how many")

    def conduct(self, system: Callable[..., Any] | None, draws: int, progress: Callable[[str, int], None] | None) -> None:
        ask = asked_of(self.design, system)
        with self._opened() as log:
            conducted(self.design, log, ask, progress=progress)
            self.seen, self.runs = dict(log.seen), log.runs
        self.found = comparisons(self.design, self.plan, self.seen, draws=draws)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Log]:
        if self.log is not None:
            with Log.open(self.log, self.design, self.plan) as log:
                yield log
            return
        with tempfile.TemporaryDirectory(prefix="assay-") as folder, Log.open(Path(folder) / "log", self.design, self.plan) as log:
            yield log

    @property
    def failed(self) -> list[Observation]:
        return [each for each in self.seen.values() if each.failed]

    @property
    def notes(self) -> list[str]:
        """What a reader should know of how it was done."""
        out = []
        if self.failed:
            first = self.failed[0]
            out.append(f"{len(self.failed):,} of {len(self.plan.units):,} units of {self.design.name} gave no outcome (the first: "
                       f"{first.failed}); they keep their lots, so that the test stays exact")
        if self.runs > 1 and any(each.at for each in self.seen.values()):
            out.append(f"{self.design.name} was opened {self.runs} times; a unit that was under way when it stopped was asked again, as a "
                       "new user")
        return out


def _within(*keys: str) -> str:
    return "design" + "".join(f".{key}" for key in keys)


def _told(made: Sequence[_Experiment], strict: bool, began: float) -> Run:
    """Return the run of experiments that were done: p-values corrected for all their tests."""
    every = [(each, one) for each in made for one in each.found]
    control = "fdr" if all(each.design.correction == "fdr" for each in made) else "fwer"
    adjusted = standing([one.p for _, one in every], "fdr" if control == "fdr" else "fwer")
    told = [_Told(each, one, p, len(made) > 1) for (each, one), p in zip(every, adjusted, strict=True)]
    how = "Benjamini and Hochberg" if control == "fdr" else "Holm"
    notes = [note for each in made for note in each.notes]
    if len(told) > 1:
        notes.append(f"p-values are corrected for {len(told)} tests ({how})")
    notes.append("the lots alone decided who got which treatment: a difference is caused by it, in this system and at this time; "
                 "which part of the system does it, an experiment from outside cannot say")
    findings = [finding for each in told for finding in each.findings] if any(each.verdict.verdict == "fail" for each in told) else []
    return Run("experiment", tuple(value for each in told for value in each.values), tuple(each.verdict for each in told), tuple(findings),
               cost=Cost(round(time.perf_counter() - began, 3)), notes=tuple(dict.fromkeys(notes)), strict=strict,
               figures=tuple(figure for each in told for figure in each.figures), about=_about(made), sentences=tuple(_sentences(told)))


def _about(made: Sequence[_Experiment]) -> dict[str, Scalar]:
    out: dict[str, Scalar] = {"experiment" if len(made) == 1 else "experiments": ", ".join(each.design.name for each in made)}
    if len(made) == 1:
        asked = made[0].design.system
        shown = Address.of(asked.url) if asked.url else None
        out["system"] = shown.shown if shown else "a command" if asked.command else "a function"
        out["treatments"] = ", ".join(each.name for each in made[0].design.treatments)
        sizes = sorted(set(made[0].design.sizes))
        out["lots"] = (f"{len(made[0].design.sizes):,} blocks of {' to '.join(dict.fromkeys((str(sizes[0]), str(sizes[-1]))))}, "
                       f"{len(made[0].plan.units):,} units, seed {made[0].design.seed}")
        test = max(made[0].found, key=lambda each: each.draws, default=None)
        if test is not None:
            out["test"] = f"permutation within blocks, {'all ' if test.exact else ''}{test.draws:,} assignments"
    else:
        out["units"] = sum(len(each.plan.units) for each in made)
    return out


def _sentences(told: Sequence[_Told]) -> list[str]:
    found = [each for each in told if each.verdict.verdict == "fail"]
    open_ = [each for each in told if each.verdict.verdict == "inconclusive"]
    if found:
        return list(dict.fromkeys(each.verdict.sentence for each in sorted(found, key=lambda each: each.p)))
    units = sum(len(each.plan.units) for each in {id(one.experiment): one.experiment for one in told}.values())
    if open_:
        unsaid = list(dict.fromkeys(each.name for each in open_ if each.one.outcome.number and not each.bound))
        head = f"no difference is proved by {units:,} units, and none is ruled out" + (
            f": the design does not say how large a one of {listed(unsaid, 4)} matters (at_most)" if unsaid else "")
    else:
        head = f"no difference that matters in {units:,} units"
    return [head, *(each.verdict.sentence for each in told)]


@dataclass(eq=False)
class _Told:
    """One comparison, as the parts of a run; ``p`` is corrected."""

    experiment: _Experiment
    one: Comparison
    p: float
    several: bool

    @property
    def pair(self) -> str:
        return f"'{self.one.treatment}' and '{self.one.against}'"

    @property
    def name(self) -> str:
        return f"{self.experiment.design.name}: {self.one.outcome.name}" if self.several else self.one.outcome.name

    @property
    def significant(self) -> bool:
        return self.p <= 1 - self.experiment.design.level + 1e-12

    @property
    def bound(self) -> float:
        """How large a difference does not matter: as the outcome says, else below the one that the design is to find; 0 where none says."""
        outcome, wanted = self.one.outcome, self.experiment.design.power
        if outcome.name == ANSWERED:
            return UNANSWERED
        return outcome.at_most or (abs(wanted["effect"]) if outcome.number and wanted.get("outcome") == outcome.name else 0.0)

    @property
    def verdict(self) -> Verdict:
        one, at_most = self.one, self.one.outcome.at_most
        within = one.low == one.high == 0 or bool(self.bound and max(abs(one.low), abs(one.high)) <= self.bound)
        beyond = one.low > at_most or one.high < -at_most   # of no bound: 0 is outside
        outcome: Any = "fail" if self.significant and (beyond or not at_most) else "pass" if within else "inconclusive"
        if not min(one.units):
            outcome = "inconclusive"
        check = f"{self.pair} are treated alike: {self.name}" + (f", within {number(self.bound)}" if self.bound else "")
        hint = {"fail": "look at what the two were shown, and ask whoever runs the system for a reason",
                "inconclusive": "more blocks tell more (--plan says how many)" + (
                    "; at_most says how large a difference does not matter" if one.outcome.number and not self.bound else "")}.get(outcome)
        return Verdict(check, outcome, self.sentence(outcome), value=self.values[0], threshold=self.bound or None, p=self.p,
                       aspect="fairness", hint=hint)

    def sentence(self, outcome: str) -> str:
        one = self.one
        if not min(one.units):
            return f"{self.name}: too little was seen of {self.pair} ({one.units[0]:,} and {one.units[1]:,} units) to compare"
        chance = f"(p = {_p(self.p)})"
        head = f"{self.pair} are treated differently: " if outcome == "fail" else f"{self.pair}: "
        if one.outcome.number:
            first, second = (_mean(each, one.difference, one.outcome.kind) for each in one.means)
            apart = f"{_shown(abs(one.difference), one.outcome.kind)} {self._ends} apart"
            what = {"yes": "is yes for", "number": "is"}.get(one.outcome.kind, "holds the keywords")
            if one.outcome.name == ANSWERED and one.outcome.kind == "yes":
                return f"{head}{first} and {second} of the units gave an outcome at all, {apart} {chance}"
            times = " times a unit" if one.outcome.keywords else ""
            mean = " of the units" if one.outcome.kind == "yes" else f"{times} on average"
            return f"{head}{self.name} {what} {first} and {second}{mean}, {apart} {chance}"
        parts = [self._seen(each) for each in self.features_found[:1]]
        if one.accuracy is not None:
            share, low, high = (100 * each for each in one.accuracy)
            parts.append(f"a classifier tells them apart by {self.name} in {share:.0f} % [{low:.0f}, {high:.0f}] of units it never saw, "
                         f"chance is {100 * max(one.units) / sum(one.units):.0f} %")
        return f"{head}{'; '.join(parts) or self.name} {chance}"

    @property
    def _ends(self) -> str:
        ends = sorted((abs(self.one.low), abs(self.one.high))) if self.one.low * self.one.high >= 0 else None
        kind = self.one.outcome.kind
        if ends is not None:
            return f"[{_shown(ends[0], kind)}, {_shown(ends[1], kind)}]"
        low, high = (self.one.low, self.one.high) if self.one.difference >= 0 else (-self.one.high, -self.one.low)
        return f"[{_shown(low, kind)}, {_shown(high, kind)}]"

    @property
    def features_found(self) -> list[Feature]:
        """What was seen more often by one of the two, beyond chance and after correction for the number of items."""
        return [each for each in self.one.features if self.significant and each.p <= 1 - self.experiment.design.level]

    def _seen(self, each: Feature) -> str:
        more, less = (0, 1) if each.count[0] >= each.count[1] else (1, 0)
        names = self.one.treatment, self.one.against
        kind = "the word " if self.one.outcome.kind == "text" else ""
        verb = "was the answer" if self.one.outcome.kind == "category" else "was shown"
        to = "for" if self.one.outcome.kind == "category" else "to"
        return (f"{kind}'{each.name[:LETTERS]}' {verb} {_times(each.count[more])} {to} '{names[more]}', "
                f"{_times(each.count[less])} {to} '{names[less]}'")

    def _reached(self, each: Feature) -> str:
        first, second = (0, 1) if each.count[0] >= each.count[1] else (1, 0)   # in the order of _seen
        of = self.one.units
        return f"{each.units[first]:,} of {of[first]:,} and {each.units[second]:,} of {of[second]:,} units saw it"

    @property
    def findings(self) -> list[Finding]:
        names = self.one.treatment, self.one.against
        return [Finding("experiment", f"{self._seen(each)}; {self._reached(each)} (p = {_p(each.p)})",
                        {"treatment": names[0], "item": each.name[:LETTERS]}, {"treatment": names[1], "item": each.name[:LETTERS]},
                        (each.count[0], each.count[1]))
                for each in self.features_found]

    @property
    def values(self) -> list[Value]:
        one = self.one
        options: dict[str, Scalar] = {"treatment": one.treatment, "against": one.against}
        level, n = self.experiment.design.level, sum(one.units)
        note = None if one.draws else "nothing to compare"
        if not one.outcome.number:
            if one.accuracy is None:
                return [Value.undefined("told apart", note or "fewer than two blocks", n=n, column=self.name, options=options)]
            return [Value("told apart", *one.accuracy, n=n, column=self.name, options=options, level=level, method="blocks")]
        if not math.isfinite(one.difference):
            return [Value.undefined("difference", note or "nothing to compare", n=n, column=self.name, options=options)]
        low, high = (end if math.isfinite(end) else None for end in (one.low, one.high))
        return [Value("difference", one.difference, low, high, n, column=self.name, options=options, level=level, method="permutation",
                      better="nearer 0", unit=None),
                *(Value.of("mean", Spread("normal", mean, n=units, error=error, df=max(units - 1, 1)), n=units, level=level,
                           slice={"treatment": name}, column=self.name)
                  for name, mean, error, units in zip((one.treatment, one.against), one.means, one.errors, one.units, strict=True))]

    @property
    def figures(self) -> list[Figure]:
        one = self.one
        if not one.features or not self.significant:
            return []
        table: dict[str, tuple[Scalar, ...]] = {
            "item": tuple(each.name[:LETTERS] for each in one.features), one.treatment: tuple(each.count[0] for each in one.features),
            one.against: tuple(each.count[1] for each in one.features), "p": tuple(each.p for each in one.features)}
        return [Figure(f"{self.name}-{one.treatment}", "bars", f"{self.name}: what was shown to whom", table, x="item",
                       y=(one.treatment, one.against), aspect="fairness",
                       sentence=f"the {len(one.features)} items that tell {self.pair} best apart")]


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 1e-4 else f"{value:.1g}"


def _times(count: int) -> str:
    return "never" if not count else "once" if count == 1 else f"{count:,} times"


def _shown(value: float, kind: str) -> str:
    if not math.isfinite(value):
        return "any"
    return f"{100 * value:.3g} %" if kind == "yes" else number(value)


def _mean(value: float, apart: float, kind: str) -> str:
    """Return a mean with as many digits as show that it is apart from the other one.

    >>> _mean(1200.512, 0.297, "number"), _mean(100.0, 10.0, "number"), _mean(0.25, 0.1, "yes")
    ('1,200.51', '100', '25 %')
    """
    if kind == "yes" or not math.isfinite(apart) or apart == 0:
        return _shown(value, kind)
    digits = min(6, max(0, 1 - math.floor(math.log10(abs(apart)))))
    return f"{value:,.{digits}f}"


def _planned(made: Sequence[_Experiment], draws: int, strict: bool, began: float) -> Run:
    """Return what is planned, and how many blocks it takes; nothing is asked."""
    sentences: list[str] = []
    values: list[Value] = []
    notes: list[str] = []
    tests = sum((len(each.design.treatments) - 1) * len(each.design.outcomes) for each in made)
    for each in made:
        plan = each.design
        smallest, alpha = least(plan, each.plan, draws), (1 - plan.level) / tests
        if smallest > alpha + 1e-12:
            sentences.append(f"{plan.name} can prove nothing: its lots allow no p-value below {smallest:.2g}, and {alpha:.2g} is needed")
        if plan.power:
            told, measured = _power(plan, alpha)
            sentences.append(told)
            values += measured
            notes.append("simulated: 1,000 whole experiments for each number of blocks"
                         + (f"; the level is shared by {tests} tests" if tests > 1 else ""))
        else:
            notes.append(f"{plan.name} does not say which difference matters, so its chance to find one is not known: "
                         f"power: {{outcome: {plan.outcomes[0].name}, usual: ..., effect: ...}}")
        sentences.append(f"{plan.name}: {len(each.plan.units):,} units in {len(plan.sizes):,} blocks, {len(plan.treatments)} treatments, "
                         f"{len(plan.outcomes)} outcome{'s' * (len(plan.outcomes) > 1)}; nothing was asked")
    return Run("experiment", tuple(values), cost=Cost(round(time.perf_counter() - began, 3)), notes=tuple(dict.fromkeys(notes)),
               strict=strict, about=_about(made), sentences=tuple(sentences))


def _power(plan: Design, alpha: float) -> tuple[str, list[Value]]:
    """Return how many blocks find the difference that matters, in words and as values."""
    wanted = plan.power
    outcome = next(one for one in plan.outcomes if one.name == wanted["outcome"])
    kind: Any = outcome.kind if outcome.kind in ("number", "yes") else "count"
    effect = Effect(kind, wanted["usual"], wanted["effect"], wanted.get("spread"))
    alpha, size, many = alpha / wanted["items"], max(plan.sizes, key=plan.sizes.count), len(plan.treatments)
    now = chance(effect, len(plan.sizes), size, many, alpha=alpha, seed=plan.seed)
    need, found = blocks_needed(effect, size, many, alpha=alpha, at_least=wanted["chance"], seed=plan.seed)
    enough = f"{need:,} blocks give {100 * found:.0f} %" if need else "no number of blocks up to 4,096 would do"
    options: dict[str, Scalar] = {"effect": wanted["effect"], "usual": wanted["usual"]}
    error = 1.96 * math.sqrt(now * (1 - now) / RUNS)
    values = [Value("chance to find it", now, max(0.0, now - error), min(1.0, now + error), RUNS, column=outcome.name, options=options,
                    better="higher", method="simulation")]
    if need:
        values.append(Value("blocks needed", float(need), float(need), float(need), RUNS, column=outcome.name, options=options,
                            method="simulation"))
    return (f"{len(plan.sizes):,} blocks of {size} find a difference of {_shown(wanted['effect'], outcome.kind)} in {outcome.name} with a "
            f"chance of {100 * now:.0f} %; {enough}"), values
