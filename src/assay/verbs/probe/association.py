"""Look for unwarranted associations: ``assay.associations(model, data, protected="sex")``, as ``assay probe associations`` does.

Opens what is given, compares decisions, scores, labels, errors or any column between people who differ in protected attributes, in all
rows and in sub-populations, given what explains, and keeps what people said of the findings.
"""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from assay.data.medium import media
from assay.data.meter import metered
from assay.errors import AssayError, ConfigError, UnknownColumnError, UnknownNameError, listed, nearest
from assay.probe.association.measure import METRICS, Metric, Variable, suited
from assay.probe.association.study import Association, Pair, Search, Study, against_others, study
from assay.probe.association.tagger import Tagged, tags
from assay.result import Cost, Figure, Finding, Run, Scalar, Value, Verdict
from assay.segment.confirm import Control
from assay.verbs.explain.explanation import drawn
from assay.verbs.probe.column import Labels, Output, Records, missing, strata, variable
from assay.verbs.probe.finding import Told, both, figure, told_of, told_of_tags
from assay.verbs.probe.review import FILE, WORDS, Mark, marked, marks, now
from assay.verbs.subject import Subject, checked, configuration, merged, opened
from assay.verbs.suite import about

__all__ = ["associations"]

ROWS = 1_000_000   # of the data, drawn evenly where there are more


def associations(model: Any = None, data: Any = None, *, output: str | Sequence[str] | None = None, given: str | Sequence[str] = (),
                 context: str | Sequence[str] = (), metric: str | None = None, way: Search = "both", control: Control = "fwer",
                 rate: float = 0.05, tolerance: float = 0.0, at_most: float | None = None, levels: int = 3, marks: str | Path | None = None,
                 mark: Mapping[str, str] | None = None, because: str = "", by: str | None = None, seed: int = 0, train: Any = None,
                 reference: Any = None, champion: Any = None, positive: Any = None, threshold: float | None = None, task: str | None = None,
                 classes: Sequence[Any] | None = None, features: Sequence[str] | None = None, trust: bool = False, where: str | None = None,
                 sql: str | None = None, types: Mapping[str, str] | None = None, strict: bool = False,
                 progress: Callable[[str, int], None] | None = None, **roles: Any) -> Run:
    """Return a run of associations between ``output`` and the ``protected`` columns that neither chance nor ``given`` columns explain.

    ``output`` is a decision, score, label, error, false_positive or false_negative of the model, or a column; by default the decision (of
    a regression the score) and, with labels, the error; without a model the label. Rows are compared with rows alike in the ``given``
    columns. Sub-populations are conjunctions of up to ``levels`` conditions on the features, the other protected columns and the given
    ones, or on ``context`` alone: found on one half of the rows, tested on the other. With ``control="fwer"`` any report is false with the
    probability ``rate``; with ``"fdr"`` a share ``rate`` of reports is on average. Sizes up to ``tolerance`` are not reported. ``metric``
    is the one that suits, or one of difference, ratio, information, correlation, rank correlation.

    A finding is a question to a person (warn). ``mark={id: "bug"}`` (explained, watch), ``because`` and ``by`` answer it; the answer is
    kept in ``marks``, a file of JSON lines, by default ``associations.jsonl`` beside the configuration, and told in every run after. A bug
    is a failure, what is explained is a note. With ``at_most``, an open finding that is certainly larger fails.

    The other arguments are those of ``assay.check``. Raises ``AssayError`` for what cannot be read, compared or is misspelt.

    >>> sex, skill = ["f", "m"] * 300, [1, 1, 2, 2] * 150
    >>> hired = [int(each == "m" or number % 3 == 0) for number, each in enumerate(sex)]
    >>> run = associations(data=pa.table({"sex": sex, "skill": skill, "hired": hired}), protected="sex", output="hired", types=None)
    >>> run.verdict, run.sentences[0]
    ('warn', 'hired = 1: 33.3 % with sex f, 100 % with sex m (66.7 points apart [61.3, 72], 600 rows)')
    """
    began = time.perf_counter()
    checked("associations", roles, associations.__kwdefaults__ or ())
    asked: dict[str, Any] = {"output": output, "given": given, "context": context, "metric": metric, "way": way, "control": control,
                             "rate": rate, "tolerance": tolerance, "at_most": at_most, "levels": levels, "mark": mark, "because": because,
                             "by": by, "seed": seed, "strict": strict, "trust": trust, "progress": progress}
    config = configuration(model)
    if config is not None:
        more = {"data": data, "train": train, "reference": reference, "champion": champion, "positive": positive, "threshold": threshold,
                "task": task, "classes": classes, "features": features, "where": where, "sql": sql, "types": types}
        every = merged(config, more, roles, without=("checks", "slices"))
        return associations(**every, **asked, marks=marks or config.path.parent / FILE)
    if data is None:
        raise ConfigError("there are no data to compare people in", hint="pass data, or a configuration such as assay.yaml")
    if metric is not None and metric not in METRICS:
        raise UnknownNameError.among("metric of associations", metric, METRICS)
    if at_most is not None and not 0 <= at_most < float("inf"):
        raise ConfigError(f"a size of at most {at_most:g} is no bound", expected="a number of 0 or more")
    review = _Review.of(marks, mark, because, by)
    with metered() as meter:
        subject, notes = opened(model, data, train=train, reference=reference, champion=None, positive=None if model is None else positive,
                                threshold=threshold, task=task, classes=classes, features=features, trust=trust, where=where, sql=sql,
                                types=types, roles=roles)
        ground = _Ground(subject, _listed(output), _listed(given), _listed(context), metric, positive, seed)
        made = ground.study(way=way, control=control, rate=rate, tolerance=tolerance, levels=levels)
        tagged = ground.tagged(control=control, rate=rate, tolerance=tolerance)
    found = _Found(ground, made, tagged, review.applied(made, tagged, ground), at_most)
    cost = Cost(round(time.perf_counter() - began, 3), meter.rows, meter.model_rows)
    notes += [*ground.notes, *made.notes, *review.notes, *found.notes]
    return Run("probe", tuple(found.values), tuple(found.verdicts), tuple(found.findings), cost=cost, notes=tuple(dict.fromkeys(notes)),
               strict=strict, figures=tuple(found.figures), about={**about(subject, {}), **found.about}, sentences=tuple(found.sentences))


def _listed(names: str | Sequence[str] | None) -> tuple[str, ...]:
    return () if names is None else (names,) if isinstance(names, str) else tuple(names)


@dataclass(eq=False)
class _Ground:
    """What is compared: the rows, the outputs, the protected columns, and what explains."""

    subject: Subject
    asked: tuple[str, ...]
    given: tuple[str, ...]
    context: tuple[str, ...]
    metric: str | None
    positive: Any
    seed: int

    def __post_init__(self) -> None:
        self.notes: list[str] = []
        self.small: dict[str, str] = {}   # by protected column, for which of its groups nothing is concluded
        schema = self.subject.data.schema
        for role, names in (("given", self.given), ("context", self.context)):
            unknown = next((each for each in names if each not in schema.names), None)
            if unknown is not None:
                raise UnknownColumnError.among(unknown, schema.names, where=role)
        twice = next((each for each in self.given if each in self.protected), None)
        if twice is not None:
            raise ConfigError(f"'{twice}' is protected and is to explain, which leaves nothing to compare",
                              expected="given columns that are not protected")

    @property
    def protected(self) -> tuple[str, ...]:
        """The protected columns that were named."""
        schema = self.subject.data.schema
        if not schema.protected:
            near = next((each for each in ("sex", "gender", "race", "age") if nearest(each, schema.names)), None)
            raise ConfigError("no protected column is named", expected="the columns that say who somebody is",
                              hint=f"--protected {near or 'COLUMN'}, or columns: {{protected: [COLUMN]}} in assay.yaml")
        return tuple(schema.protected)

    @cached_property
    def records(self) -> Records:
        schema = self.subject.data.schema
        table = drawn(self.subject.data, ROWS, self.seed, schema.names)
        if table.num_rows >= ROWS and (self.subject.data.rows or 0) > ROWS:
            self.notes.append(f"{table.num_rows:,} of {self.subject.data.rows:,} rows were drawn and compared")
        return Records(self.subject, table, self.positive)

    @cached_property
    def outputs(self) -> dict[str, Output]:
        """What is compared, by name."""
        words = self.asked
        schema, target = self.subject.data.schema, self.subject.target
        if not words and self.subject.models:
            number = target is not None and target.task in ("regression", "ranking")
            single = target is not None and target.task != "multilabel" and bool(schema.labels)
            words = ("score" if number else "decision", *(("error",) if single else ()))
        if not words:
            if not schema.labels:
                raise ConfigError("there is neither a model nor a label whose values could be compared",
                                  hint="--output COLUMN names what people got, --label COLUMN what was to be predicted")
            words = ("label",) if "label" not in schema.names else (schema.labels[0],)
        found = {word: self.records.output(word) for word in dict.fromkeys(words)}
        same = next((word for word, each in found.items() if each.columns & {*self.protected, *self.given}), None)
        if same is not None:
            raise ConfigError(f"'{same}' is compared, so that it can neither be protected nor explain")
        for word, each in found.items():
            self.notes += missing(word, ~each.known if each.rows is None else each.rows & ~each.known)
        return found

    @cached_property
    def attributes(self) -> dict[str, Variable]:
        """The protected columns that can be compared, none where all have few rows; raises ``ConfigError`` where one cannot ever be."""
        found: dict[str, Variable] = {}
        problems: list[AssayError] = []
        for name in self.protected:
            try:
                made, notes, small = variable(name, self.records.table.column(name))
                if made.grouped and made.size < 2 and not small:
                    why = f" ({'; '.join(notes)})" if notes else ""
                    raise ConfigError(f"the protected column '{name}' has one group only, {made.names[0] if made.names else 'none'}: "
                                      f"there is nobody to compare with{why}", where=self.subject.data.name)
            except AssayError as error:
                problems.append(error)
                continue
            self.notes += notes
            self.small |= {name: small} if small else {}
            if not made.grouped or made.size > 1:
                found[name] = made
        if not found and not self.small:
            raise problems[0]
        self.notes += [f"'{name}' was not compared: {error.what}" for name, error in
                       zip((each for each in self.protected if each not in {*found, *self.small}), problems, strict=True)]
        return found

    @property
    def who(self) -> str:
        """The protected columns that are compared, or would be had they more rows, for a sentence."""
        return both(self.attributes or self.small)

    @cached_property
    def rows(self) -> int:
        """How many rows have an output and a protected value, and are compared in some question."""
        used = np.zeros(self.records.table.num_rows, bool)
        for each in self.outputs.values():
            for attribute in self.attributes.values():
                used |= attribute.known & each.known if each.rows is None else attribute.known & each.known & each.rows
        return int(used.sum())

    @cached_property
    def strata(self) -> Any:
        return strata(self.records.table, self.given)

    @cached_property
    def columns(self) -> list[str]:
        """The columns that describe sub-populations."""
        schema = self.subject.data.schema
        if self.context:
            return list(self.context)
        aside = {schema.id, schema.entity, schema.query, schema.weight, schema.prediction, schema.timestamp, *schema.score, *schema.labels}
        content = {name for name, what in media(self.subject.data).items() if what in ("text", "image")}
        used = {column for each in self.outputs.values() for column in each.columns}
        names = dict.fromkeys([*schema.features, *schema.protected, *schema.forbidden, *self.given])
        if content:
            self.notes.append(f"{listed(sorted(content), 6)} (text or images) describe no sub-population")
        return [each for each in names if each not in aside | content | used and each in schema.names]

    @cached_property
    def pairs(self) -> list[Pair]:
        """Each protected column with each output that is no large set of labels."""
        made = []
        for word, each in self.outputs.items():
            for name, attribute in self.attributes.items():
                if isinstance(each.what, Variable):
                    metric: Metric | None = suited(attribute, each.what, self.metric) if self.metric is not None else None
                    made.append(Pair(attribute, each.what, metric, self.given, self.strata, each.rows, frozenset({name, word})))
        return made

    def study(self, *, way: Search, control: Control, rate: float, tolerance: float, levels: int) -> Study:
        schema, table = self.subject.data.schema, self.records.table
        entity = table.column(schema.entity) if schema.entity is not None else None
        if schema.weight is not None:
            self.notes.append(f"the weights in '{schema.weight}' were not used: rows count alike here")
        constant = [each.what.name for each in self.outputs.values() if isinstance(each.what, Variable) and _constant(each.what)]
        self.notes += [f"'{word}' is the same in every row: nobody is treated differently by it" for word in constant]
        if self.strata is not None:
            self._overlap()
        return study(table, [each for each in self.pairs if each.output.name not in constant], columns=self.columns, entity=entity, way=way,
                     control=control, rate=rate, tolerance=tolerance, levels=levels, seed=self.seed)

    def _overlap(self) -> None:
        """Note how many rows have nobody of another group to be compared with."""
        for name, attribute in self.attributes.items():
            if not attribute.grouped or self.strata is None:
                continue
            known = attribute.known
            pairs = pa.table({"stratum": self.strata[known], "group": attribute.values[known]})
            counts = pairs.group_by("stratum").aggregate([("group", "count_distinct"), ("group", "count")])
            alone = counts.filter(pa.array(counts["group_count_distinct"].to_numpy() < 2))["group_count"].to_numpy().sum()
            if alone > 0.05 * known.sum():
                self.notes.append(f"{int(alone):,} of {int(known.sum()):,} rows have nobody of another {name} to be compared with who is "
                                  f"alike in {both(self.given)}, and say nothing")

    def tagged(self, *, control: Control, rate: float, tolerance: float) -> dict[tuple[str, str], list[Tagged]]:
        """Return what is tied to each protected column among large sets of labels, by output and column."""
        found: dict[tuple[str, str], list[Tagged]] = {}
        sets = {word: each.what for word, each in self.outputs.items() if isinstance(each.what, Labels)}
        for word, labels in sets.items():
            for name, attribute in self.attributes.items():
                if not attribute.grouped:
                    self.notes.append(f"'{word}' has {len(labels.names):,} labels, which are tied to groups only: '{name}' holds numbers")
                    continue
                known = self.outputs[word].known
                sides = against_others(attribute if known.all() else replace(attribute, values=np.where(known, attribute.values, -1)))
                found[word, name] = [tags(each, labels.matrix, labels.names, strata=self.strata, control=control,
                                          rate=rate / (len(sides) * len(self.attributes)), tolerance=tolerance) for each in sides]
        if sets and self.subject.data.schema.entity is not None:
            self.notes.append(f"labels are compared by row, not by '{self.subject.data.schema.entity}'")
        return found


def _constant(found: Variable) -> bool:
    known = found.values[found.known]
    return not len(known) or bool((known == known[0]).all())


@dataclass(eq=False)
class _Review:
    """The marks that were kept, and those that are new."""

    path: Path | None
    fresh: Mapping[str, str]
    because: str
    by: str
    kept: dict[str, list[Mark]]
    notes: list[str]

    @classmethod
    def of(cls, place: str | Path | None, fresh: Mapping[str, str] | None, because: str, by: str | None) -> _Review:
        wrong = next((each for each in (fresh or {}).values() if each not in WORDS), None)
        if wrong is not None:
            raise UnknownNameError.among("mark", wrong, WORDS)
        if "explained" in (fresh or {}).values() and not because.strip():
            raise ConfigError("why is it explained?", expected="a reason that others can judge", hint='--because "..."')
        if fresh and place is None:
            raise ConfigError("there is no file to keep marks in", hint="--marks FILE, or a configuration, beside which they are kept")
        path = None if place is None else Path(place)
        kept, notes = ({}, []) if path is None else marks(path)
        return cls(path, fresh or {}, because, by or _person(), kept, notes)

    def applied(self, made: Study, tagged: Mapping[tuple[str, str], list[Tagged]], ground: _Ground) -> list[Told]:
        """Return the findings with what people said of each, after keeping what is said now."""
        table = ground.records.table
        told = [*(told_of(each) for each in made.findings), *told_of_tags(tagged, ground.given)]
        known = {each.id for each in told} | set(self.kept)
        for name, word in self.fresh.items():
            if name not in known:
                raise UnknownNameError.among("finding", name, sorted(known))
            each = next((one for one in told if one.id == name), None)
            last = self.kept[name][-1] if each is None else None
            fields = {"attribute": each.attribute, "output": each.output, "where": each.text, "about": each.sentence} if each else {
                "attribute": last.attribute, "output": last.output, "where": last.where, "about": last.about} if last else {}
            mark = Mark(name, word, self.because, self.by, now(), **fields)
            assert self.path is not None
            marked(self.path, mark)
            self.kept.setdefault(name, []).append(mark)
        return [replace(each, mark=self.kept[each.id][-1] if each.id in self.kept else None,
                        like=None if each.id in self.kept else each.near(self.kept, table, ground.subject.data.schema)) for each in told]


def _person() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):   # an account without a name, as in containers
        return "unknown"


@dataclass(eq=False)
class _Found:
    """What came of it, as the parts of a run."""

    ground: _Ground
    study: Study
    tagged: Mapping[tuple[str, str], list[Tagged]]
    told: list[Told]
    at_most: float | None

    @property
    def open(self) -> list[Told]:
        """The findings that nobody explained, bugs first."""
        some = [each for each in self.told if each.mark is None or each.mark.mark != "explained"]
        return sorted(some, key=lambda each: not (each.mark is not None and each.mark.mark == "bug"))

    def _fails(self, each: Told) -> bool:
        return (each.mark is not None and each.mark.mark == "bug") or (self.at_most is not None and each.least > self.at_most)

    @property
    def findings(self) -> list[Finding]:
        return [Finding("associations", f"{each.id}: {each.sentence}{each.remark}", {"id": each.id, "output": each.output,
                        "attribute": each.attribute, "where": each.text or each.where, "mark": each.mark.mark if each.mark else None}, {},
                        (), "fail" if self._fails(each) else "warn") for each in self.open]

    @property
    def notes(self) -> list[str]:
        """What is explained; what sub-populations were not looked for."""
        out = [f"{each.id}: {each.sentence}; {each.mark.words}" for each in self.told if each.mark and each.mark.mark == "explained"]
        small = 4 * 30
        if self.ground.rows < small and self.ground.pairs:
            out.append(f"{self.ground.rows:,} rows are too few to look for sub-populations in one half and test them in the other")
        if self.ground.pairs:
            how = f"given {both(self.ground.given)} " if self.ground.given else "nothing is taken to explain it (--given COLUMN) "
            out.append(f"an association is no cause: {how}and columns that are not here may explain it")
        return out

    @property
    def sentences(self) -> list[str]:
        explained = len(self.told) - len(self.open)
        verdict = self._verdict
        if not self.ground.attributes:
            return [verdict.sentence]
        if not self.open:
            out = [verdict.sentence]
        else:
            bugs, more = sum(each.mark is not None and each.mark.mark == "bug" for each in self.open), len(self.open) - 1
            out = [self.open[0].sentence]
            if more or bugs:
                out.append(f"{len(self.open)} associations beyond chance" + (f", {bugs} marked as a bug" if bugs else "") + (
                    f", the first of them above; {more} more below" if more else ""))
            out += [f"not beyond chance: {told_of(each).plain}" for each in self.study.tested
                    if not each.conditions and each not in self.study.findings]
        for (word, name), some in self.tagged.items():
            tied = sum(len(each.tags) for each in some)
            verb, able = "is" if tied == 1 else "are", max(each.tested for each in some)
            out.append(f"of {some[0].labels:,} labels of {word}, {tied:,} {verb} tied to {name}; {able:,} are frequent enough to tell "
                       f"({some[0].rows:,} rows)")
        if explained:
            out.append(f"{explained} more {'was' if explained == 1 else 'were'} explained by people (notes)")
        return [*out, *self.ground.small.values()]

    @property
    def _nothing(self) -> str:
        what = f"{both(self.ground.outputs)} and {self.ground.who}"
        given = f" given {both(self.ground.given)}" if self.ground.given else ""
        below = sum(bool(each.conditions) for each in self.study.tested)
        more = f", nor in {below} sub-populations" if below else ""
        sizes = [told_of(each).plain for each in self.study.tested if not each.conditions]
        if len(self.told):
            return f"no association of {what}{given} is left that nobody explained"
        return f"no association of {what} beyond chance{given}{more}" + (f": {'; '.join(sizes[:4])}" if sizes else "")

    @property
    def _wide(self) -> bool:
        """Whether what nobody found, of everyone, may be larger than what is allowed."""
        return self.at_most is not None and any(each.inside.effect.greatest() > self.at_most for each in self.study.tested
                                                if not each.conditions and each not in self.study.findings)

    @property
    def verdicts(self) -> list[Verdict]:
        """The verdict of all, and for each protected column that of its groups of few rows."""
        return [self._verdict, *(Verdict(f"groups of {name} have rows enough to tell", "too small", each, aspect="fairness")
                                 for name, each in self.ground.small.items())]

    @property
    def _verdict(self) -> Verdict:
        check = f"{both(self.ground.outputs)} {'do' if len(self.ground.outputs) > 1 else 'does'} not depend on " + (
            self.ground.who) + (f", given {both(self.ground.given)}" if self.ground.given else "")
        failing = [each for each in self.open if self._fails(each)]
        able = [each for some in self.tagged.values() for each in some if each.tested]
        if not self.study.tested and not able:
            why = [*self.ground.small.values()] if not self.ground.attributes else [*self.ground.notes, *self.study.notes]
            if self.tagged:
                why.append("no label is frequent enough to tell")
            return Verdict(check, "inconclusive", f"nothing could be compared: {'; '.join(why) or 'no rows to compare'}", aspect="fairness",
                           hint="name an output that differs between rows: --output" if self.ground.attributes else
                           "more rows, or groups that are put together, would tell")
        if not self.open and self._wide:
            return Verdict(check, "inconclusive", f"{self._nothing}; one above {self.at_most:g} is not ruled out", aspect="fairness",
                           threshold=self.at_most, hint="more rows would tell")
        if not self.open:
            return Verdict(check, "pass", self._nothing, aspect="fairness", threshold=self.at_most)
        first = (failing or self.open)[0]
        return Verdict(check, "fail" if failing else "warn", first.sentence, p=first.adjusted, aspect="fairness", threshold=self.at_most,
                       hint=f'a person says what each is: --mark {first.id}=explained (or bug, watch) --because "..."; '
                            "what may explain it is named by --given COLUMN")

    @property
    def values(self) -> list[Value]:
        """The sizes: of everyone as it is, of sub-populations with corrected intervals."""
        return [_value(each) for each in self.study.tested if not each.conditions or each in self.study.findings]

    @property
    def figures(self) -> list[Figure]:
        shown = [each for each in self.study.tested if not each.conditions or each in self.study.findings]
        keys = dict.fromkeys((each.pair.key, each.inside.effect.metric) for each in shown)   # sizes of one kind in a picture
        return [figure([each for each in shown if (each.pair.key, each.inside.effect.metric) == key]) for key in keys]

    @property
    def about(self) -> dict[str, Scalar]:
        ground, below = self.ground, sum(bool(each.conditions) for each in self.study.tested)
        out: dict[str, Scalar] = {"output": ", ".join(ground.outputs), "protected": ", ".join(ground.attributes or ground.small)}
        if ground.given:
            out["given"] = ", ".join(ground.given)
        return {**out, "rows compared": ground.rows, "sub-populations": f"{self.study.looked:,} looked at, {below} tested",
                "seed": ground.seed}


def _value(each: Association) -> Value:
    low, high = each.interval if each.conditions else each.inside.effect.interval()
    options: dict[str, Scalar] = {"output": each.pair.output.name, **({"given": ", ".join(each.pair.given)} if each.pair.given else {})}
    return Value(each.inside.effect.metric, each.inside.effect.estimate, low, high, each.inside.n,
                 slice={"where": each.words} if each.conditions else {}, column=each.pair.attribute.name,
                 level=each.level if each.conditions else 0.95, method=each.inside.test, options=options)
