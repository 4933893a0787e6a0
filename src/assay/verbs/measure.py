"""Measure what is asked on the data sets that are there: collect needs, pass once over each set, turn summaries into values.

``measure(subject, questions)`` answers all questions of a subject. ``check`` uses it, and every verb that reports values.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from assay.data.predicate import parse as parse_predicate
from assay.data.schema import Schema, family
from assay.data.slice import Slicing, slicing
from assay.engine import Plan, run
from assay.engine.local import Later, asked
from assay.errors import AssayError, ColumnTypeError, ConfigError, EmptyDataError, UnknownColumnError
from assay.metric import disparity
from assay.metric.column import ColumnMetric, before, need
from assay.metric.metric import Metric
from assay.result import SliceKey, Value
from assay.screen import Screen
from assay.summary import Need, Profile, Summary
from assay.summary.quantiles import Quantiles
from assay.summary.target import Target
from assay.summary.vector import kind_of
from assay.verbs.question import Answered, Question
from assay.verbs.subject import Subject

__all__ = ["measure"]

Progress = Callable[[str, int], None]
Sides = dict[str, Any]  # summaries by kind
_TOGETHER = 64  # slices that are measured at a time
_MANY = 8  # times as many slices from which several threads measure them
_OF_A_COLUMN = ("moments", "quantiles", "histogram", "range", "frequent", "distinct")  # summaries of its values alone


def measure(subject: Subject, questions: Sequence[Question], *,
            progress: Progress | None = None) -> tuple[list[Answered], dict[str, Profile]]:
    """Return the answers in order, and the profile of each data set that was read.

    A name that does not exist (a column, a slice, an option) raises, and so do data that cannot be read as they should (a label that
    is no class); whatever else goes wrong with one question stands in its ``failed`` and leaves the others alone.
    """
    return _Measurement(subject, questions, progress).answers()


@dataclass
class _Part:
    """One question, taken apart: which needs on which data set answer it."""

    question: Question
    slicing: Slicing | None
    answered: Answered = field(default_factory=Answered)
    columns: list[tuple[str | None, str]] = field(default_factory=list)  # of a column metric: column and kind
    target: Target | None = None
    sliced: dict[SliceKey, Value] = field(default_factory=dict)  # what was measured with the other metrics of the same slices
    whole: Slicing | None = None  # of a metric that counts: the rows of which some fit, cut like those that do


class _Measurement:
    def __init__(self, subject: Subject, questions: Sequence[Question], progress: Progress | None):
        self.subject, self.questions, self.progress = subject, questions, progress
        self.profiles: dict[str, Profile] = {}
        self.edges: dict[str, Sequence[float]] = {}
        self.screened: dict[Any, list[Value]] = {}
        self.needs: dict[tuple[str, str], Need | None] = {}
        self.sides: dict[tuple[str, str], tuple[str, str] | None] = {}
        self.orders: dict[Need, list[SliceKey]] = {}
        self.measured: dict[tuple[int, str | None], Value | Exception] = {}
        self.jobs: dict[str | None, list[tuple[_Part, str]]] = {}
        self.secret = _secret(subject.data.schema)
        self.parts = [self._part(each) for each in questions]

    def answers(self) -> tuple[list[Answered], dict[str, Profile]]:
        self._pass("train", self._wants("train"))
        self._pass("reference", [*self._wants("reference"), *self._first()], later=self._later())
        self._pass("reference", self._second())
        self._plan_columns()
        self._pass("data", [*self._wants("data"), *self._columns("data")], closed=self._measure_closed)
        self._measure_columns()
        self._measure_slices()
        for part in self.parts:
            if part.answered.failed:
                continue
            try:
                if isinstance(part.question.metric, Screen):
                    self._screen(part)
                else:
                    self._answer(part)
            except (AssayError, ArithmeticError, ValueError) as error:
                part.answered.failed.append(error)
        for part in self.parts:
            options = dict(part.question.options)
            if part.question.counts and part.question.where:  # what tells one count from another
                options["where"] = part.question.where
            if options:
                for values in (part.answered.values, part.answered.plain):
                    values[:] = [each if each.options == options else each.replace(options=options) for each in values]
            if part.question.compare and part.question.by:  # what tells one disparity from another
                options["by"] = part.question.by
                part.answered.values[:] = [each.replace(options=options) if each.metric.endswith(f" {part.question.compare}") else each
                                           for each in part.answered.values]
        return [part.answered for part in self.parts], self.profiles

    # what to ask ----------------------------------------------------------------------------------------------------------

    def _part(self, question: Question) -> _Part:
        part = self._counted(question) if question.counts else _Part(question, self._slicing(question))
        try:
            if isinstance(question.metric, Screen):
                self._fits_screen(question, question.metric)
            elif isinstance(question.metric, ColumnMetric):
                question.metric.options(question.options)
                part.columns = self._named_columns(question)
                if not any(question.metric.needs.values()) and (question.by or question.where):
                    raise ConfigError(f"{question.metric.name} is a fact of a whole column", expected="a bound, and no by or where")
                if question.metric.compared:
                    self.subject.source("reference")
            else:
                part.target = self._target(question)
                question.metric.needs(part.target, question.options)
                question.metric.options(part.target, question.options)
            if question.against == "champion" and "champion" not in self.subject.models:
                raise ConfigError("there is no champion to compare with", hint="pass --champion MODEL, or champion: FILE in assay.yaml")
            if question.against in ("reference", "train"):
                self.subject.source(question.against)
            if question.against == "reference" and self.subject.reference is None:
                raise ConfigError("there are no reference data to compare with",
                                  hint="pass --reference FILE, or compare with the training data: " + question.as_train)
            if part.target is not None:
                question.fits_answers(part.target, self.subject.models)
            if part.target is not None and not self.subject.data.schema.query and question.asks_query(part.target):
                raise ConfigError(f"{question.metric.name} needs to know which rows belong together",
                                  hint="name the column: --query COLUMN, or columns: {query: COLUMN}")
        except (LookupError, UnknownColumnError):
            raise  # a name that does not exist is a slip of the pen: tell at once
        except AssayError as error:
            part.answered.failed.append(error)
        return part

    def _fits_screen(self, question: Question, screen: Screen) -> None:
        screen.options(question.options)
        if question.by or question.where or question.against or question.compare:
            raise ConfigError(f"{screen.name} is seen in all rows", expected="a bound, and no by, where, ratio or relative bound")
        if question.columns and screen.of == "table":
            raise ConfigError(f"{screen.name} is a property of all columns together", expected=f"'{screen.name}' without 'of'")
        if not question.columns and screen.of == "column":
            raise ConfigError(f"{screen.name} is seen column by column", hint=f"write '{screen.name} of COLUMN', or '{screen.name} of *'")

    def _screen(self, part: _Part) -> None:
        from threadpoolctl import threadpool_limits

        screen, columns = part.question.metric, part.question.columns
        error = screen.missing(self.subject.study(self.progress))
        if error is not None:
            raise error
        held = self.screened.setdefault((screen.name, tuple(sorted(part.question.options.items()))), [])
        if not held:
            with threadpool_limits(1):  # samples are small: threads would wait for each other, and on a busy machine for others, far longer
                held += screen.values(self.subject.study(), part.question.options)
        found = [each for each in held if columns in ((), ("*",)) or each.column in columns]
        for name in columns:
            if name != "*" and all(each.column != name for each in held):
                raise UnknownColumnError.among(name, [each.column for each in held if each.column], where=f"what {screen.name} sees")
        part.answered.values += found
        part.answered.plain += found

    def _slicing(self, question: Question) -> Slicing | None:
        text = question.clauses
        if not text:
            return None
        schema = self.subject.data.schema
        if question.where:
            parse_predicate(question.where, schema)
        return self._cut(text)

    def _counted(self, question: Question) -> _Part:
        """Return the part of a metric that counts: the rows that fit its condition, and those among which they are counted."""
        schema, among = self.subject.data.schema, question.options.get("among")
        if question.metric.name == "share" and not question.where:
            raise ConfigError("share needs the condition whose rows it counts", hint="share where age < 0 <= 1%")
        if among is not None and not isinstance(among, str):
            raise ConfigError("'among' of share is a condition, as text", hint="share(among='age is not null') where age < 0 <= 1%")
        for condition in (question.where, among):
            if condition:
                parse_predicate(condition, schema)
        texts = [f"({each})" for each in (among, question.by) if each]
        whole = self._cut(" * ".join(texts)) if texts else None
        if question.where:
            texts.insert(0, f"({question.where})")
        return _Part(question, self._cut(" * ".join(texts)) if texts else None, whole=whole)

    def _cut(self, text: str) -> Slicing:
        """Return the slicing of a text; bins get their edges from the reference, the same for every data set."""
        schema = self.subject.data.schema
        if text == "horizon" and text not in schema and schema.horizon is not None:
            text = f"`{schema.horizon}`"  # the role speaks for the column
        cut = slicing(text, schema)
        if not cut.quantiles:
            return cut
        self._find_edges()
        return slicing(text, schema, edges=self.edges)

    def _find_edges(self) -> None:
        """Find the edges of all bins that any question asks for, in one pass."""
        if self.edges:
            return
        schema = self.subject.data.schema
        wanted: dict[str, tuple[str, int]] = {}
        for question in self.questions:
            with contextlib.suppress(AssayError):  # told where the question itself is read
                if text := question.clauses:
                    wanted |= {f"{column}:{bins}": (column, bins) for column, bins in slicing(text, schema).quantiles}
        needs = {column: Need("quantiles", (column,)) for column, _ in wanted.values()}
        profile = run(Plan.of([(each, None) for each in needs.values()]), self.subject.reference or self.subject.train or self.subject.data)
        for key, (column, bins) in wanted.items():
            sketch = profile[(), needs[column]]
            assert isinstance(sketch, Quantiles)
            self.edges[key] = [sketch.quantile(place / bins) for place in range(1, bins)]

    def _target(self, question: Question) -> Target:
        target = self.subject.target
        if target is None:
            raise ConfigError(f"{question.metric.name} needs a model or logged predictions",
                              hint="pass --model MODEL, or name the columns: prediction, score")
        # two models on the same rows are compared group by group, so that what they share cancels
        return dataclasses.replace(target, grouped=True) if question.against == "champion" else target

    def _named_columns(self, question: Question) -> list[tuple[str | None, str]]:
        metric, schema = question.metric, self.subject.data.schema
        if metric.of == "table":
            return [(None, "table")]
        first = self.subject.reference or self.subject.train
        known = dict.fromkeys([*schema.names, *(first.schema.names if first is not None and metric.compared else ())])
        if not question.columns:
            raise ConfigError(f"{metric.name} is a metric of columns", hint=f"write '{metric.name} of COLUMN', or '{metric.name} of *'")
        names = list(question.columns)
        if names == ["*"]:
            names = list(dict.fromkeys([*schema.features, *(first.schema.features if first is not None and metric.compared else ())]))
            if metric.compared and any(metric.needs.values()):  # texts and images are all different: what is derived of them is compared
                media = self.subject.media
                names = list(dict.fromkeys([made for name in (*names, *media) for made in media.get(name, (name,))]))
        found: list[tuple[str | None, str]] = []
        for name in names:
            if name not in known and name not in schema and (first is None or name not in first.schema):
                raise UnknownColumnError.among(name, known, where=self.subject.data.name)
            side = schema if name in schema else first.schema if first is not None else schema
            kind = (self._side("data" if side is schema else "reference", name) or ("missing", ""))[0]
            if metric.takes(kind):
                found.append((name, kind))
            elif question.columns != ("*",) and kind != "missing":
                raise ColumnTypeError(f"{metric.name} is not a metric of {side[name].type} columns such as '{name}'",
                                      where=self.subject.data.name, expected=f"a {' or '.join(metric.needs)} column")
        return found

    # what to read ---------------------------------------------------------------------------------------------------------

    def _wants(self, name: str) -> list[tuple[Need, Slicing | None]]:
        """Needs of metrics of labelled rows on one data set."""
        wants: list[tuple[Need, Slicing | None]] = []
        for part in self._open():
            metric, question = part.question.metric, part.question
            if part.target is None or isinstance(metric, ColumnMetric) or name not in ("data", question.against):
                continue
            wants += [(each, part.slicing) for each in metric.needs(part.target, question.options)]
            if name == "data" and question.against == "champion":
                wants += [(each, part.slicing) for each in metric.needs(part.target, question.options, model="champion")]
        return wants

    def _first(self) -> list[tuple[Need, Slicing | None]]:
        """Needs of the reference that need nothing before them, and what the others need before."""
        wants: list[tuple[Need, Slicing | None]] = []
        for part, column, kinds in self._column_needs():
            if part.question.metric.compared and self._there("reference", column):
                wants += [(made, None) for kind in kinds if (made := need(before(kind) or kind, column)) is not None]
                wants += [(made, part.slicing) for kind in kinds if part.slicing and not before(kind) and (made := need(kind, column))]
        return wants

    def _later(self) -> Later | None:
        """Return what asks for histograms of all rows of the reference, as soon as the quantiles of a column give their edges."""
        wanted = {column for part, column, kinds in self._column_needs()
                  if part.question.metric.compared and part.slicing is None and any(map(before, kinds))}
        if not wanted:
            return None

        def later(column: str, summaries: Mapping[Need, Summary]) -> list[Need]:
            if column not in wanted:
                return []
            made = self._need("histogram", column, summaries) if Need("quantiles", (column,)) in summaries else None
            return [made] if made is not None else []

        return later

    def _second(self) -> list[tuple[Need, Slicing | None]]:
        """Histograms of slices of the reference, now that their edges are known."""
        return [(made, part.slicing) for part, column, kinds in self._column_needs()
                if part.slicing is not None and part.question.metric.compared and self._there("reference", column)
                for kind in kinds if kind == "histogram" and (made := self._need(kind, column)) is not None]

    def _columns(self, name: str) -> list[tuple[Need, Slicing | None]]:
        return [(made, part.whole if kind == "rows" else part.slicing) for part, column, kinds in self._column_needs()
                if self._there(name, column) for kind in kinds if (made := self._need(kind, column)) is not None]

    def _column_needs(self) -> Iterable[tuple[_Part, str, tuple[str, ...]]]:
        for part in self._open():
            if isinstance(part.question.metric, ColumnMetric):
                for column, kind in part.columns:
                    yield part, column or "", part.question.metric.needs[kind]

    def _need(self, kind: str, column: str, seen: Mapping[Need, Summary] | None = None) -> Need | None:
        """Return the need of a column, set up with what the reference showed."""
        if (kind, column) not in self.needs:
            earlier = before(kind)
            if earlier is None:
                made = self.needs[kind, column] = need(kind, column)
                return made
            first, profile = Need(earlier, (column,)), self.profiles.get("reference")
            found = seen.get(first) if seen is not None else profile.get(((), first)) if profile is not None else None
            made = need(kind, column, {} if found is None else {earlier: found})
            if found is None:  # not seen yet
                return made
            self.needs[kind, column] = made
        return self.needs[kind, column]

    def _side(self, name: str, column: str) -> tuple[str, str] | None:
        """Return how a column of a data set is summarised, and the family of its type; None where it is not there."""
        if (name, column) not in self.sides:
            schema = self.subject.source(name).schema
            kind = schema[column].type if column in schema else None
            self.sides[name, column] = None if kind is None else (kind_of(kind), family(kind))
        return self.sides[name, column]

    def _there(self, name: str, column: str) -> bool:
        return not column or self._side(name, column) is not None

    def _open(self) -> list[_Part]:
        return [part for part in self.parts if not part.answered.failed]

    def _pass(self, name: str, wants: list[tuple[Need, Slicing | None]], *, later: Later | None = None,
              closed: Callable[[Sequence[str]], None] | None = None) -> None:
        if not wants:
            return
        source = self.subject.source(name)
        tell = self.progress
        told = (lambda rows: tell(name, rows)) if tell else None
        seen, profile = self.profiles.get(name), Profile()
        if seen is None:
            self.profiles[name] = profile  # what is closed can be measured from it
        run(Plan.of(wants), source, self.subject.models, target=self.subject.target, progress=told, later=later, profile=profile,
            closed=closed if seen is None else None)
        if seen is not None:  # a second pass over the same rows adds summaries, not rows
            profile = Profile({**seen, **profile}, rows=profile.rows, unlabelled=max(seen.unlabelled, profile.unlabelled),
                              model_rows=seen.model_rows + profile.model_rows, failures={**seen.failures, **profile.failures})
        self.profiles[name] = profile

    # what was found -------------------------------------------------------------------------------------------------------

    def _answer(self, part: _Part) -> None:
        if part.question.counts:
            self._answer_count(part)
            return
        if isinstance(part.question.metric, ColumnMetric):
            for column, kind in part.columns:
                self._answer_column(part, column, kind)
            return
        question, target = part.question, part.target
        assert target is not None
        needs = _cut(question.metric.needs(target, question.options), part.slicing)
        keys = self._keys(part, needs)
        for key in keys:
            mine = self._summaries("data", key, needs)
            if mine is None:
                continue
            plain = part.sliced.get(key) or question.metric.value(mine, target, question.options, slice=dict(key))
            part.answered.plain.append(plain)
            if question.against:
                part.answered.values.append(self._difference(part, key, needs, mine))
            elif question.compare is None:
                part.answered.values.append(plain)
        if question.compare:
            part.answered.values.append(disparity(part.answered.plain, compare=question.compare))  # type: ignore[arg-type]

    def _keys(self, part: _Part, needs: Sequence[Need]) -> list[SliceKey]:
        profile = self.profiles["data"]
        self._raise_failure(profile, needs)
        if part.slicing is None:
            return [()]
        keys = self._sorted(profile, needs[0])
        if not keys:
            if part.question.where and not part.question.by:
                raise EmptyDataError(f"no row fits 'where {part.question.where}'", where=self.subject.data.name)
            raise EmptyDataError(f"there is no slice by {part.question.by}", where=self.subject.data.name)
        return keys

    def _difference(self, part: _Part, key: SliceKey, needs: Sequence[Need], mine: Sequence[Any]) -> Value:
        question, target = part.question, part.target
        assert target is not None
        place = {"slice": dict(key), "against": question.against}
        if question.against == "champion":
            others = _cut(question.metric.needs(target, question.options, model="champion"), part.slicing)
            self._raise_failure(self.profiles["data"], others)
            theirs = self._summaries("data", key, others)
            paired = True
        else:
            name = str(question.against)
            self._raise_failure(self.profiles[name], needs)
            theirs, paired = self._summaries(name, key, needs), False
        if theirs is None:
            return Value.undefined(question.metric.name, f"the {question.against} data have no such slice", n=mine[0].n, **place)
        value: Value = question.metric.difference(mine, theirs, target, question.options, paired=paired, factor=question.factor, **place)
        return value

    def _measure_slices(self) -> None:
        """Measure metrics of the same slices together, some slices at a time: what is drawn for one metric serves the next."""
        cuts: dict[str, list[tuple[_Part, list[Need]]]] = {}
        profile = self.profiles.get("data")
        if profile is None:
            return
        for part in self._open():
            question, target = part.question, part.target
            if part.slicing is not None and target is not None and isinstance(question.metric, Metric) and question.against is None:
                needs = _cut(question.metric.needs(target, question.options), part.slicing)
                if not any(cause in profile.failures for each in needs for cause in (each, *asked(each, self.subject.models))):
                    cuts.setdefault(part.slicing.text, []).append((part, needs))
        for some in cuts.values():
            ordered = {needs[0]: self._sorted(profile, needs[0]) for _, needs in some}
            starts = range(0, max(map(len, ordered.values()), default=0), _TOGETHER)

            def work(start: int, some: list[tuple[_Part, list[Need]]] = some, ordered: dict[Need, list[SliceKey]] = ordered) -> None:
                held: dict[Need, dict[Any, Any]] = {}
                for part, needs in some:
                    self._measure_some(part, needs, ordered[needs[0]][start : start + _TOGETHER], held.setdefault(needs[0], {}))

            if len(starts) > _MANY:
                with ThreadPoolExecutor(min(os.cpu_count() or 1, 4), "assay") as pool:
                    list(pool.map(work, starts))
            else:
                list(map(work, starts))

    def _measure_some(self, part: _Part, needs: list[Need], keys: list[SliceKey], held: dict[Any, Any]) -> None:
        """Measure a metric of some slices, with what ``held`` has of them already."""
        found = {key: mine for key in keys if (mine := self._summaries("data", key, needs)) is not None}
        if found and part.target is not None:
            with contextlib.suppress(AssayError, ArithmeticError, ValueError):  # told where each slice is measured
                values = part.question.metric.values(list(found.values()), part.target, part.question.options,
                                                     [{"slice": dict(key)} for key in found], held)
                part.sliced.update(zip(found, values, strict=True))

    def _sorted(self, profile: Profile, need: Need) -> list[SliceKey]:
        """Return the slices of a need in the order in which they are shown."""
        if need not in self.orders:
            self.orders[need] = sorted(profile.slices(need), key=_place)
        return self.orders[need]

    def _plan_columns(self) -> None:
        """Say what is asked of each whole column."""
        for part in self._open():
            if isinstance(part.question.metric, ColumnMetric) and not part.question.counts and part.slicing is None:
                for column, kind in part.columns:
                    self.jobs.setdefault(column, []).append((part, kind))

    def _measure_closed(self, columns: Sequence[str]) -> None:
        """Measure columns of which all rows were read, while others are read: arithmetic of few numbers beside decoding and sorting."""
        together: dict[tuple[int, str], tuple[_Part, list[str]]] = {}
        alone: list[tuple[_Part, str, str]] = []  # column by column: what one metric made of a summary serves the next
        for column in columns:
            for part, kind in self.jobs.get(column, ()):
                needs = part.question.metric.needs[kind]
                if not needs or any(each not in _OF_A_COLUMN for each in needs):
                    continue
                if part.question.metric.several is not None and len(columns) > 1:
                    together.setdefault((id(part), kind), (part, []))[1].append(column)
                else:
                    alone.append((part, column, kind))
        for (_, kind), (part, some) in together.items():
            self._measure_together(part, some, kind)
        for each in alone:
            self._measure_column(*each)

    def _measure_together(self, part: _Part, columns: Sequence[str], kind: str) -> None:
        """Measure one metric of several columns at once, and alone those where something is in the way."""
        metric, sides = part.question.metric, {}
        for column in columns:
            with contextlib.suppress(AssayError):  # told where it is measured alone
                needs = self._column_check(part, column, kind)
                if needs and (found := self._compared(part, column, (), needs)) is not None:
                    sides[column] = found
        if sides:
            then, now, places = zip(*sides.values(), strict=True)
            with contextlib.suppress(AssayError, ArithmeticError, ValueError):
                values = metric.values(list(sides), then, now, part.question.options, places)
                self.measured.update({(id(part), each): self._discreet(value, each) for each, value in zip(sides, values, strict=True)})
        for column in columns:
            if (id(part), column) not in self.measured:
                self._measure_column(part, column, kind)

    def _measure_columns(self) -> None:
        """Measure what is left of whole columns, a column with all that is asked of it at a time."""
        for column, some in self.jobs.items():
            for part, kind in some:
                if (id(part), column) not in self.measured:
                    self._measure_column(part, column, kind)

    def _measure_column(self, part: _Part, column: str | None, kind: str) -> None:
        try:
            found = self._column_value(part, column, kind, (), self._column_check(part, column, kind))
            if found is not None:
                self.measured[id(part), column] = found
        except (AssayError, ArithmeticError, ValueError) as error:
            self.measured[id(part), column] = error

    def _answer_column(self, part: _Part, column: str | None, kind: str) -> None:
        question = part.question
        found = self.measured.get((id(part), column))
        if isinstance(found, Exception):
            raise found
        plain: list[Value] = []
        if found is not None:
            plain.append(found)
        else:
            needs = self._column_check(part, column, kind)
            if needs is None and question.compare:
                question = dataclasses.replace(question, compare=None)  # nothing to compare
            keys: list[SliceKey] = [()] if part.slicing is None or needs is None else self._keys(part, list(needs.values()))
            plain += [value for key in keys if (value := self._column_value(part, column, kind, key, needs)) is not None]
        if question.compare is None:
            part.answered.values += plain
        part.answered.plain += plain
        if question.compare:
            part.answered.values.append(disparity(plain, compare=question.compare).replace(column=column))  # type: ignore[arg-type]

    def _column_check(self, part: _Part, column: str | None, kind: str) -> dict[str, Need] | None:
        """Return the needs that answer a metric of a column, None where the reference has no values; refuses what does not compare."""
        metric, text = part.question.metric, column or ""
        for name in ("reference", "data") if metric.compared else ("data",):
            side = self._side(name, text) if text else None
            if text and side is None:
                raise UnknownColumnError(f"the column '{column}' is not in the {'current data' if name == 'data' else name}",
                                         where=self.subject.source(name).name)
            if side is not None and metric.name != "type_changed" and side[0] not in (kind, "missing"):
                source = self.subject.source(name)
                raise ColumnTypeError(f"the column '{column}' is {source.schema[text].type}, so that it cannot be compared",
                                      where=source.name, expected=f"a {kind} column, as elsewhere")
        needs = {each: made for each in metric.needs[kind] if (made := self._need(each, text)) is not None}
        if len(needs) < len(metric.needs[kind]):
            return None
        return needs if part.slicing is None else dict(zip(needs, _cut(list(needs.values()), part.slicing), strict=True))

    def _column_value(self, part: _Part, column: str | None, kind: str, key: SliceKey, needs: dict[str, Need] | None) -> Value | None:
        """Return the value of a metric of a column in one slice, None where a side lacks the slice."""
        metric = part.question.metric
        if needs is None:
            return Value.undefined(metric.name, "the column has no values in the reference", n=0, column=column, better=metric.better)
        sides = self._compared(part, column, key, needs)
        if sides is None:
            return None
        reference, current, place = sides
        return self._discreet(metric.value(column, reference, current, part.question.options, **place), column)

    def _discreet(self, found: Value, column: str | None) -> Value:
        """Return a value without the note that would tell what is in a column that nobody may see."""
        return found.replace(note=None) if found.note and (column in self.secret or column in self.subject.media) else found

    def _compared(self, part: _Part, column: str | None, key: SliceKey,
                  needs: dict[str, Need]) -> tuple[Sides, Sides, dict[str, Any]] | None:
        """Return what a metric of a column reads, in the reference and now, and where it is; None where a side lacks the slice."""
        metric, text = part.question.metric, column or ""
        place: dict[str, Any] = {"slice": dict(key)}
        if metric.compared and self.subject.reference is None:
            place["against"] = "train"
        asked = list(needs.values())
        current = self._summaries("data", key, asked)
        reference = self._summaries("reference", key, asked) if metric.compared and "range" not in needs else []
        if current is None or reference is None:
            return None
        if not needs:  # a fact of the schema, and so of every row
            place["n"] = self.profiles["data"].rows if "data" in self.profiles else self.subject.data.rows or 0
        then, now = (dict(zip(needs, some, strict=False)) for some in (reference, current))
        if not needs:
            then["type"], now["type"] = self._type("reference", text), self._type("data", text)
        return then, now, place

    def _answer_count(self, part: _Part) -> None:
        question, profile = part.question, self.profiles["data"]
        counted = Need("moments", ("@one",))
        (fitting,), (rows,) = _cut([counted], part.slicing), _cut([counted], part.whole)
        found = {_besides(key): profile[key, fitting] for key in (profile.slices(fitting) if part.slicing else [()])}
        keys: list[SliceKey] = sorted(profile.slices(rows), key=_place) if part.whole else [()]
        if not keys and question.by:
            raise EmptyDataError(f"there is no slice by {question.by}", where=self.subject.data.name)
        conditional = bool(question.by) and "where" in self._cut(str(question.by)).names
        for key in keys or [()]:
            sides = {"fitting": found.get(_besides(key), counted.empty()), "rows": profile.get((key, rows)) or counted.empty()}
            place = dict(key if conditional else _besides(key))
            part.answered.plain.append(question.metric.value(None, {}, sides, question.options, slice=place))
        if question.compare:
            part.answered.values.append(disparity(part.answered.plain, compare=question.compare))  # type: ignore[arg-type]
        else:
            part.answered.values += part.answered.plain

    def _summaries(self, name: str, key: SliceKey, needs: Sequence[Need]) -> list[Any] | None:
        if not needs:  # a fact of the schema, for which no row may have been read
            return []
        profile = self.profiles[name]
        found = [profile.get((key, each)) for each in needs]
        return None if any(each is None for each in found) else found

    def _type(self, name: str, column: str) -> str | None:
        """Return the family of a column's type in a data set."""
        if not column or (name == "reference" and self.subject.reference is None and self.subject.train is None):
            return None
        side = self._side(name, column)
        return None if side is None else side[1]

    def _raise_failure(self, profile: Profile, needs: Sequence[Need]) -> None:
        """Raise what went wrong with one of the needs, or with a model that one of them asks."""
        for each in needs:
            for cause in (each, *asked(each, self.subject.models)):
                if cause in profile.failures:
                    raise profile.failures[cause]


def _cut(needs: Sequence[Need], slicing: Slicing | None) -> list[Need]:
    """Return needs as the profile holds them: those of a slicing bear its text."""
    return [each.cut(slicing.text) for each in needs] if slicing is not None else list(needs)


def _besides(key: SliceKey) -> SliceKey:
    """Return a key without its condition."""
    return tuple(pair for pair in key if pair[0] != "where")


def _secret(schema: Schema) -> set[str]:
    """Return the columns whose values stay out of what is written: they tell of people, or are free text."""
    return {*schema.protected, *schema.forbidden, *filter(None, (schema.id, schema.entity))}


def _place(key: SliceKey) -> list[Any]:
    """Return by what slices are sorted: numbers as numbers, bins from low to high, missing values last."""
    found: list[Any] = []
    for _, value in key:
        text = str(value)
        bins = next((place for place, sign in enumerate(("< ", "[", ">= ")) if isinstance(value, str) and text.startswith(sign)), None)
        number = float(value) if isinstance(value, int | float) else 0.0
        if bins is not None:
            with contextlib.suppress(ValueError):
                number = float(text.lstrip("<[>= ").split(",")[0])
        found.append((value is None or value == "missing", bins if bins is not None else 3, number, text))
    return found
