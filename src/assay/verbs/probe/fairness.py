"""Probe a model: ``assay.probe(model, data, protected="sex")``, the same as ``assay probe fairness`` on the command line.

Opens what is given, lays out the inputs that may be asked, searches them for pairs that differ in protected columns only and are answered
differently, and says how large their share is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.data.medium import media
from assay.data.meter import metered
from assay.data.source import Source
from assay.errors import ConfigError, listed, nearest
from assay.model.logged import Logged
from assay.model.model import Model
from assay.probe._sklearn import regions
from assay.probe.betting import Estimate, drawn, stratified
from assay.probe.certificate import Certificate, certificate, unproved
from assay.probe.discrimination import Again, Pair, Share, actual, again, apart_from_earlier, at_most, distances, nearby, pairs
from assay.probe.ledger import Search
from assay.probe.oracle import Oracle
from assay.probe.search import Manifold, Method, search
from assay.probe.space import Space, axis, declaring
from assay.result import Cost, Finding, Run, Scalar, Spread, Value, Verdict
from assay.verbs.explain.explanation import drawn as sampled
from assay.verbs.explain.explanation import number
from assay.verbs.subject import Subject, checked, configuration, merged, opened
from assay.verbs.suite import about

__all__ = ["probe"]

Array = np.ndarray[Any, Any]

BUDGET = 200_000
SECONDS = 20.0         # that a proof about several trees may take
SEEN = 10_000          # rows of the data that are looked at, for values, shares and distances
PART = 20              # of the budget, that each share of draws may take
LEAST, MOST = 200, 10_000   # draws of a share
FEW = 30               # rows of a group, below which it is named
PROVED = 1e-3          # of the share, up to which a proof leaves it open and no draws are needed
FITTED = 1_000         # tests of a search, from which its boxes are worth drawing by
AGAIN = 500            # tests that are asked twice more, whether the model answers as it did
EXAMPLES = 10
WORDS = 6              # columns that a sentence names
ORDINARY = 8           # columns of which the ordinary value is told
_SHARES = {"rows": "rows of the data", "neighbourhood": "inputs near rows of the data", "space": "all inputs within the ranges"}


def probe(model: Any = None, data: Any = None, *, budget: int = BUDGET, seconds: float | None = None, difference: float | None = None,
          ranges: Mapping[str, Any] | None = None, near: bool = False, method: Method = "auto", examples: int = EXAMPLES,
          proof: float = SECONDS, at_most: float = 0.0, seed: int = 0, train: Any = None, reference: Any = None, champion: Any = None,
          positive: Any = None, threshold: float | None = None, task: str | None = None, classes: Sequence[Any] | None = None,
          features: Sequence[str] | None = None, trust: bool = False, where: str | None = None, sql: str | None = None,
          types: Mapping[str, str] | None = None, strict: bool = False, progress: Callable[[str, int], None] | None = None,
          **roles: Any) -> Run:
    """Return a run of inputs that differ in the ``protected`` columns only and get different answers from ``model``.

    A test asks one set of other values with all values of the protected columns together; ``budget`` tests are asked, or as many as
    ``seconds`` allow. Answers differ where the classes do; with ``difference``, where scores (of a regression: numbers) are at least that
    far apart. The search takes values from the ``data``, or from ``ranges`` (``{"income": [0, 100], "job": ["cook", "clerk"]}``); with
    ``near`` it stays as near to rows of the data as these are to each other. ``method`` is ``"auto"``, ``"screen"``, ``"walk"`` or
    ``"cover"``. What can be proved of the model is proved, of forests and boosted trees within ``proof`` seconds. The verdict is ``fail``
    where anything is found; with ``at_most`` above 0 the share of rows of the data is judged.

    The other arguments are those of ``assay.check``. Raises ``AssayError`` for what cannot be read, searched or is misspelt.

    >>> data = pa.table({"income": [10, 40, 70, 99] * 10, "sex": ["f", "m"] * 20})
    >>> def decide(batch):
    ...     rows = zip(batch.column("income").to_pylist(), batch.column("sex").to_pylist())
    ...     return ["yes" if income > (60 if sex == "f" else 50) else "no" for income, sex in rows]
    >>> import assay
    >>> model = assay.load(decide, task="binary", classes=["no", "yes"], name="loans")
    >>> run = probe(model, data, protected="sex", positive="yes")
    >>> run.verdict, run.findings[0].sentence
    ('fail', "'yes' with sex = m, 'no' with sex = f: income = 55, all values ordinary")
    """
    began = time.perf_counter()
    checked("probe", roles, probe.__kwdefaults__ or ())
    asked: dict[str, Any] = {"budget": budget, "seconds": seconds, "difference": difference, "near": near, "method": method,
                             "examples": examples, "proof": proof, "at_most": at_most, "seed": seed, "strict": strict, "trust": trust,
                             "progress": progress}
    config = configuration(model)
    if config is not None:
        given = {"data": data, "train": train, "reference": reference, "champion": champion, "positive": positive, "threshold": threshold,
                 "task": task, "classes": classes, "features": features, "where": where, "sql": sql, "types": types}
        every = merged(config, given, roles, without=("checks", "slices"))
        return probe(**every, **asked, ranges={**config.ranges, **(ranges or {})})
    if data is None:
        raise ConfigError("there are no data to take values from", hint="pass data, or a configuration such as assay.yaml")
    if budget < 100:
        raise ConfigError(f"a budget of {budget:,} tests finds nothing", expected="at least 100 tests")
    if not 0 <= at_most < 1:
        raise ConfigError(f"a share of at most {at_most:g} is no bound", expected="a number from 0 to below 1")
    if not 0 <= proof <= 86_400:
        raise ConfigError(f"a proof cannot take {proof:g} seconds", expected="0 (none is tried) to 86,400")
    if not 1 <= examples <= 1_000:
        raise ConfigError(f"{examples:,} examples cannot be shown", expected="1 to 1,000")
    with metered() as meter:
        subject, notes = opened(
            model, data, train=train, reference=reference, champion=None, positive=positive, threshold=threshold, task=task,
            classes=classes, features=features, trust=trust, where=where, sql=sql, types=types, roles=roles)
        if difference is not None and difference > 1 and subject.models["model"].signature.scores == "probability":
            raise ConfigError(f"probabilities cannot differ by {difference:g}", expected="a difference from 0 to 1")
        ground = _Ground(subject, dict(ranges or {}), difference, near, seed)
        found = _Found.of(ground, budget=budget, seconds=seconds, method=method, examples=examples, proof=proof)
    notes += [*ground.notes, *found.notes, *(each for one in subject.models.values() for each in getattr(one, "remarks", list)())]
    cost = Cost(round(time.perf_counter() - began, 3), meter.rows, meter.model_rows)
    verdict, findings, sentences = found.verdict(at_most), found.findings, found.sentences
    if verdict.verdict != "fail":   # a finding is a fault; what is allowed is told only
        findings, sentences = [], [*sentences, *(each.sentence for each in findings[1:])]
    return Run("probe", tuple(found.values), (verdict,), tuple(findings), cost=cost, notes=tuple(dict.fromkeys(notes)), strict=strict,
               about={**about(subject, {}), **found.about}, sentences=tuple(sentences))


@dataclass(eq=False)
class _Ground:
    """What is searched: the model, the space, rows of the data as points."""

    subject: Subject
    ranges: dict[str, Any]
    difference: float | None
    near: bool
    seed: int

    @cached_property
    def model(self) -> Model:
        model = self.subject.models.get("model")
        if model is None or isinstance(model, Logged):
            raise ConfigError("there is no model to ask" + (", only its logged answers" if model is not None else ""),
                              expected="a model that answers for rows that it has not seen", hint="--model FILE, or model: in assay.yaml")
        return model

    @property
    def data(self) -> Source:
        return self.subject.data

    @property
    def protected(self) -> tuple[str, ...]:
        """The protected columns that were named."""
        names = tuple(self.data.schema.protected)
        if not names:
            near = nearest("sex", self.inputs)
            raise ConfigError("no protected column is named", expected="the columns in which two people differ who must be treated alike",
                              hint=f"--protected {near or 'COLUMN'}, or columns: {{protected: [COLUMN]}} in assay.yaml")
        return names

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.model.signature.names or self.data.schema.features

    @property
    def read(self) -> tuple[str, ...]:
        """The protected columns that the model takes."""
        return tuple(name for name in self.protected if name in self.inputs or self.model.signature.names is None)

    @cached_property
    def table(self) -> pa.Table:
        """A sample of the rows, with the inputs and the protected columns."""
        return sampled(self.data, SEEN, self.seed, [*self.inputs, *self.protected])

    @cached_property
    def space(self) -> Space:
        """The inputs that may be asked; raises ``ConfigError`` where a column has no values to search over."""
        unknown = next((name for name in self.ranges if name not in self.table.column_names), None)
        if unknown is not None:
            near = nearest(unknown, self.inputs)
            raise ConfigError(f"a range is declared of '{unknown}', which the model does not take",
                              expected=f"one of {listed(self.inputs, 12)}", hint=f"did you mean '{near}'?" if near else None)
        content = media(self.data)
        strange = next((name for name in self.inputs if content.get(name) in ("text", "image") and name not in self.ranges), None)
        if strange is not None:
            raise ConfigError(f"the column '{strange}' holds {content[strange]}, whose values cannot be searched over",
                              expected="numbers and categories", hint=declaring(strange, "'this|that'"))
        named = set(self.protected)
        axes = {name: axis(name, self.table.column(name), declared=self.ranges.get(name), protected=name in named)
                for name in dict.fromkeys([*self.inputs, *self.read])}
        return Space(tuple(each for name, each in axes.items() if name not in named), tuple(axes[name] for name in self.read),
                     order=tuple(axes))

    @cached_property
    def rows(self) -> Array:
        """The rows of the sample that have a place in the space, as points; of a declared range those within it."""
        table = self.table
        for each in self.space.axes:
            if each.name in self.ranges and each.ordered and each.numbers is not None:
                low, high = (pa.scalar(float(end)) for end in (each.numbers[0], each.numbers[-1]))
                column = table.column(each.name).cast(pa.float64(), safe=False)
                table = table.filter(pc.fill_null(pc.and_(pc.greater_equal(column, low), pc.less_equal(column, high)), False))
        return self.space.snapped(table)[0]

    @cached_property
    def manifold(self) -> Manifold | None:
        return Manifold.of(self.space, self.rows, seed=self.seed) if len(self.rows) > 1 else None

    def oracle(self) -> Oracle:
        target = self.subject.target
        last = len(self.model.signature.classes or (0, 1)) - 1
        positive = target.positive if target is not None and target.positive is not None else last
        return Oracle(self.model, self.space, apart=self.difference, positive=positive,
                      threshold=target.threshold if target is not None and self.difference is None else None)

    @property
    def notes(self) -> list[str]:
        """What a reader should know of what was not searched."""
        out = []
        unread = [name for name in self.protected if name not in self.read]
        if self.read:
            if unread:
                out.append(f"the model does not take {listed(unread)}: only {listed(self.read)} changes within a pair")
            out += [each for name in self.read for each in self._group(name)]
            cut = [each.name for each in self.space.axes if each.cut]
            if cut:
                out.append(f"of {listed(cut, 12)} some values only are tried: numbers in between and rare values are not, and rows are "
                           "asked with the nearest number")
            if self.table.num_rows < FEW:
                out.append(f"{self.table.num_rows:,} rows show few of the values there are, and only these are tried: "
                           f"{declaring(self.space.axes[0].name)}")
            lost = self.table.num_rows - len(self.rows)
            if lost:
                out.append(f"{lost:,} of {self.table.num_rows:,} rows lack a value or have one that is not listed; the share of rows "
                           "leaves them out, and missing values are not searched")
        out.append("only the protected columns differ within a pair: that other columns stand for them is another question "
                   "(assay explain --disparity)")
        return out


    def _group(self, name: str) -> list[str]:
        """Return what is to be known of a protected column: values left out, missing ones, and groups of few rows."""
        own, column = next(each for each in self.space.protected if each.name == name), self.table.column(name)
        out = []
        if own.cut:
            shown = [_shown(own.shown(place)) for place in range(len(own))]
            out.append(f"'{name}' has many values: each input is asked with {len(own)} of them, {', '.join(shown[:12])}"
                       f"{', ...' if len(shown) > 12 else ''}; differences between others are not seen")
        if column.null_count:
            out.append(f"{column.null_count:,} of {len(column):,} rows have no value of '{name}': they are asked with every value like the "
                       "others, and never with none")
        counts = {} if own.cut else {each["values"]: each["counts"] for each in pc.value_counts(column).to_pylist()}
        few = [f"{counts.get(own.shown(place), 0)} with {_shown(own.shown(place))}" for place in range(len(own))
               if not own.cut and counts.get(own.shown(place), 0) < FEW]
        if few:
            out.append(f"of '{name}' some groups have few rows here ({', '.join(few[:6])}): the search needs none, as it asks about "
                       "everyone with every value, but of how these groups live, and are answered, the rows say little")
        return out


@dataclass(eq=False)
class _Found:
    """What came of it, as the parts of a run."""

    ground: _Ground
    search: Search | None = None
    shares: Mapping[str, Share | Estimate] | None = None
    pairs: Sequence[Pair] = ()
    proof: Certificate | None = None
    unproved: str | None = None
    again: Again | None = None

    @classmethod
    def of(cls, ground: _Ground, *, budget: int, seconds: float | None, method: Method, examples: int, proof: float) -> _Found:
        if not ground.read:
            return cls(ground)
        space = ground.space
        n = int(np.clip(budget // PART, LEAST, MOST))
        manifold = ground.manifold
        if ground.near and manifold is None:
            raise ConfigError(f"{len(ground.rows)} rows do not show where the data lie", expected="at least 2 rows without missing values")
        shares: dict[str, Share | Estimate] = {}
        if len(ground.rows):
            shares["rows"] = actual(ground.oracle(), ground.rows, SEEN, seed=ground.seed)
        if manifold is not None:
            shares["neighbourhood"] = nearby(ground.oracle(), manifold, n, seed=ground.seed)
        made = search(ground.oracle(), budget=budget, seconds=seconds, method=method, manifold=manifold if ground.near else None,
                      seed=ground.seed)
        oracle = ground.oracle()
        ended = made.stopped == "interrupted"   # who interrupts wants what there is, and nothing begun anew
        asked = oracle.apart is None and proof > 0 and not ended
        proved = (certificate(ground.model, space, positive=oracle.positive, threshold=oracle.threshold, seconds=proof) if asked else None)
        why = unproved(ground.model, space, positive=oracle.positive, threshold=oracle.threshold) if asked and proved is None else None
        whole = made.stopped == "exhausted" and made.tests == space.size
        if whole:
            shares["space"] = Share(made.found, made.tests, exact=True)
        elif not ended and (proved is None or proved.high - proved.low > PROVED):   # what is proved need not be drawn
            shares["space"] = _of_space(ground, made, n)
        ordinary = manifold.rows if ground.near and manifold is not None else None
        small = pairs(ground.oracle(), made.points, examples, ordinary=ordinary, seed=ground.seed) if len(made.points) else []
        tried, hits = (made.tried, made.hits) if len(made.tried) else (made.points, np.ones(len(made.points), bool))
        most = int(np.clip(budget // PART, 40, AGAIN))
        twice = None if ended or not len(tried) else again(ground.oracle(), tried, found=hits, most=most, seed=ground.seed)
        return cls(ground, made, shares, small, proved, why, twice)

    @property
    def names(self) -> str:
        return listed(self.ground.read or self.ground.protected)

    @property
    def notes(self) -> list[str]:
        """What the words of the pairs mean, and why nothing is proved."""
        out = [f"nothing is proved: {self.unproved}"] if self.unproved is not None else []
        if self.again is not None and self.again.changed and self.again.steady:
            out.append(f"the model does not always answer alike: {self.again.changed:,} of {self.again.asked:,} inputs got other answers "
                       "when they were asked again")
        if not self.pairs or self.ground.near:
            return out
        axes = self.ground.space.axes
        shown = ", ".join(f"{each.name} = {_shown(each.shown(each.usual))}" for each in axes[:ORDINARY])
        more = ", ..." if len(axes) > ORDINARY else ""
        return [*out, f"ordinary is the middle of numbers and the most frequent of other values: {shown}{more}"]

    @property
    def values(self) -> list[Value]:
        """The count and the shares."""
        made = self.search
        if made is None or self.shares is None:
            return [Value.of("discriminatory share", Spread("exact", 0.0), n=0, better="lower", options={"of": "space"},
                             note="the model does not take the protected columns")]
        out = [Value.of("discriminatory inputs", Spread("exact", float(made.found)), n=made.tests, better="lower"),
               Value.of("finds per test", Spread("exact", made.rate), n=made.tests, options={"method": made.method})]
        proof = self.proof
        if proof is not None:
            out.append(Value("discriminatory share", (proof.low + proof.high) / 2, proof.low, proof.high, made.tests, better="lower",
                             method=f"certificate ({proof.kind})", options={"of": "space, proved"}))
        for name, each in self.shares.items():
            if isinstance(each, Estimate):
                out.append(Value("discriminatory share", each.share, each.low, each.high, each.n, better="lower",
                                 method="betting, whenever stopped", options={"of": name}))
                continue
            spread = Spread("exact", each.share) if each.exact else Spread("binomial", each.share, n=each.n)
            out.append(Value.of("discriminatory share", spread, n=each.n, better="lower", options={"of": name}))
        if made.found:
            space = self.ground.space
            out.append(Value.of("finds apart", Spread("exact", float(apart_from_earlier(space, made.points))), n=len(made.points),
                                note="finds that differ from every earlier one in two columns or more"))
        return out

    @property
    def findings(self) -> list[Finding]:
        out: list[Finding] = []
        if self.again is not None and not self.again.steady:
            return out
        space = self.ground.space if self.pairs else None
        for each in self.pairs:
            assert space is not None
            values = {one.name: _plain(one.shown(each.point[place])) for place, one in enumerate(space.axes)}
            first, second = (self._variant(place) for place in (each.first, each.second))
            out.append(Finding("fairness", self._told(each), {**values, **first}, second, each.said))
        return out

    def _variant(self, place: int) -> dict[str, Any]:
        space = self.ground.space
        return {one.name: _plain(one.shown(code)) for one, code in zip(space.protected, space.variants[place], strict=True)}

    def _told(self, pair: Pair) -> str:
        """Return a pair as a sentence: what each is answered, and what is not ordinary of both."""
        first, second = self._variant(pair.first), self._variant(pair.second)
        said, two = pair.said, (first, second)
        order = (1, 0) if self._better(said[1], said[0]) else (0, 1)
        apart = [name for name in first if first[name] != second[name]]
        label = self.ground.data.schema.label
        sides = [f"{_answer(said[place], label)} with " + " and ".join(f"{name} = {_shown(two[place][name])}" for name in apart)
                 for place in order]
        space = self.ground.space
        shown = pair.changed or range(min(len(space.axes), 3))
        named = [f"{space.axes[place].name} = {_shown(space.axes[place].shown(pair.point[place]))}" for place in shown]
        named = [*(f"{name} = {_shown(value)}" for name, value in first.items() if name not in apart), *named]
        more = f" and {len(named) - WORDS} other columns" if len(named) > WORDS else ""
        usual = "as in a row of the data" if self.ground.near else "ordinary"
        rest = f", all values {usual}" if not pair.changed else f", all else {usual}" if len(pair.changed) < len(space.axes) else ""
        return f"{', '.join(sides)}: {', '.join(named[:WORDS])}{more}{rest}"

    def _better(self, one: Any, other: Any) -> bool:
        target = self.ground.subject.target
        if isinstance(one, float) and isinstance(other, float) and self.ground.difference is not None:
            return one > other
        return target is not None and target.positive is not None and bool(one == target.classes[target.positive])

    @property
    def sentences(self) -> list[str]:
        made, shares = self.search, self.shares
        if made is None or shares is None:
            return [f"the model does not take {self.names}: two inputs that differ only there always get the same answer"]
        where = " near rows of the data" if self.ground.near else ""
        if self.again is not None and not self.again.steady:
            twice = self.again
            how = f"{twice.changed:,} of {twice.asked:,} inputs; {twice.shown:,} of {twice.finds:,} finds showed both times"
            what = "the model answers the same input otherwise when it is asked again"
            return [f"{what} ({how}): no difference can be put down to {self.names}"]
        if _exact(shares.get("space")):
            head = f"all {made.tests:,} inputs were asked: {made.found:,} are answered otherwise with another {self.names}"
            out = [head if made.found else f"no input is answered otherwise with another {self.names}: all {made.tests:,} were asked"]
        elif made.found:
            tested = f"{made.found:,} of {made.tests:,} inputs tested{where}"
            out = [f"{self._people()}{tested} are answered otherwise with another {self.names}"]
            out += [self.findings[0].sentence]
        elif shares.get("rows") is not None and shares["rows"].found:
            out = [f"{self._people()}none of {made.tests:,} inputs tested{where} are answered otherwise with another {self.names}"]
        else:
            out = [f"no violation in {made.tests:,} tests{where}"]
        told = {"rows"} if "of the rows of the data" in out[0] else set()
        out += [self._share(name, words) for name, words in _SHARES.items()
                if name in shares and name not in told and not _exact(shares[name])]
        if self.proof is not None:
            out.append(self._proved(self.proof))
        if made.stopped == "exhausted" and not _exact(shares.get("space")):
            out.append(f"the search ended after {made.tests:,} tests, when changes of its finds led to hardly anything new")
        if made.stopped in ("interrupted", "time"):
            out.append(f"the search was stopped ({made.stopped}) after {made.tests:,} tests")
        return out

    def _people(self) -> str:
        """Return what comes first, as it is about people: the share of the data's rows."""
        each = (self.shares or {}).get("rows")
        if each is None or not each.found:
            return "no row of the data, but " if each is not None else ""
        value = next(one for one in self.values if one.options.get("of") == "rows")
        low, high = (100 * (end or 0.0) for end in (value.low, value.high))
        return f"{100 * each.share:.3g} % [{low:.3g}, {high:.3g}] of the rows of the data, and "

    def _proved(self, proof: Certificate) -> str:
        how = ("the coefficients of the model were read" if proof.kind == "linear" else "the tree was read" if proof.kind == "tree" else
               f"the {proof.count:,} trees were read, {proof.looked:,} boxes of inputs compared"
               + (f"; {100 * (proof.high - proof.low):.3g} % of the inputs undecided" if proof.high - proof.low > PROVED else ""))
        if proof.fair:
            return f"proved: no input within the ranges is answered otherwise with another {self.names} ({how})"
        low, high = (f"{100 * end:.4g}" for end in (proof.low, proof.high))
        if proof.low == 0:
            return (f"proved: at most {high} % of all inputs within the ranges are answered otherwise with another {self.names}; "
                    f"the others are not ({how})")
        exact = f"{low} %" if low == high else f"from {low} to {high} %"
        return f"proved: {exact} of all inputs within the ranges are answered otherwise with another {self.names} ({how})"

    def _share(self, name: str, words: str) -> str:
        assert self.shares is not None
        each = self.shares[name]
        if not each.found:
            most = each.high if isinstance(each, Estimate) else at_most(each.n)
            return f"of {words}: no violation in {each.n:,} tests, at most {100 * most:.2g} % with 95 % confidence"
        value = next(one for one in self.values if one.options.get("of") == name)
        low, high = (100 * (end or 0.0) for end in (value.low, value.high))
        tried = f"{each.found:,} of {each.n:,}" if isinstance(each, Share) else f"{each.n:,} draws"
        return f"of {words}: {100 * each.share:.3g} % [{low:.3g}, {high:.3g}], {tried}"

    def verdict(self, bound: float) -> Verdict:
        """Return whether anything was found, or, where some is allowed, whether the share of rows is above that."""
        check, first = f"pairs that differ in {self.names} only are answered alike", self.sentences[0]
        if self.search is None or self.shares is None:
            return Verdict(check, "pass", first, aspect="fairness")
        if self.again is not None and not self.again.steady:
            return Verdict(check, "inconclusive", first, aspect="fairness",
                           hint="make the model answer alike for the same input: fix its seed, or let it answer with its mean score")
        name = "rows" if "rows" in self.shares else "space" if "space" in self.shares else "space, proved"
        value = next(one for one in self.values if one.options.get("of") == name)
        if bound == 0:
            proved = self.proof is not None and self.proof.low > 0
            hit = proved or self.search.found or any(each.found for each in self.shares.values())
            return Verdict(check, "fail" if hit else "pass", first, value=value, threshold=0.0, aspect="fairness",
                           hint="look at the findings: is there a reason for the difference that is not the group itself?" if hit else None)
        assert value.low is not None
        assert value.high is not None
        outcome: Any = "pass" if value.high <= bound else "fail" if value.low > bound else "inconclusive"
        said = self._share(name, _SHARES[name]) if name in self.shares else self._proved(self.proof) if self.proof else first
        return Verdict(f"{check}, for all but {100 * bound:g} %", outcome, said,
                       value=value, threshold=bound, aspect="fairness")

    @property
    def about(self) -> dict[str, Scalar]:
        out: dict[str, Scalar] = {"protected": ", ".join(self.ground.protected)}
        made = self.search
        if made is not None:
            space = self.ground.space
            out |= {"inputs": f"{len(space.axes)} columns, {_many(space.size)} combinations", "protected values": len(space.variants),
                    "method": made.method, "seed": self.ground.seed, "tests": made.tests, "stopped": made.stopped}
            if self.ground.near and self.ground.manifold is not None:
                out["radius"] = round(self.ground.manifold.radius, 4)
                if len(made.points):
                    far = distances(space, made.points[:2_000], self.ground.manifold.rows)
                    out["distance to the nearest row"] = f"median {np.median(far):.3g}, most {far.max():.3g}"
        return out


def _of_space(ground: _Ground, made: Search, n: int) -> Estimate:
    """Return the share of all inputs, by draws from the boxes that the tests of the search are cut into."""
    if ground.near or not made.found or len(made.tried) < FITTED:
        rng = np.random.default_rng([ground.seed, 4])
        return drawn(ground.oracle(), lambda count: ground.space.uniform(count, rng), n)
    some = np.random.default_rng([ground.seed, 10]).permutation(len(made.tried))[:MOST * 5]
    return stratified(ground.oracle(), regions(ground.space, made.tried[some], made.hits[some], seed=ground.seed), n, seed=ground.seed)


def _many(count: int) -> str:
    return f"{count:,}" if count < 1e7 else f"{count:.3g}"


def _exact(share: Share | Estimate | None) -> bool:
    return isinstance(share, Share) and share.exact


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _shown(value: Any) -> str:
    return f"{value:,.6g}" if isinstance(value, float) else str(value)[:60]


def _answer(said: Any, label: str | None) -> str:
    """Return an answer; a class that is a number by the name of what is predicted, where that is known."""
    if isinstance(said, float | str):
        return number(said) if isinstance(said, float) else repr(said)
    return f"{label} = {said}" if label is not None else f"answer {said}"
