"""Behaviour tests: what a model must do on single cases and under changes, kept in ``*.assay.yaml`` files beside the code.

``behaviour(tests, model)`` runs them and returns a run; ``verdicts_of(files, model)`` is the same for a gate. ``opened`` gives a file its
model and data, and ``Opened.judged`` runs one test of it: the pytest plugin takes one after the other.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from assay.check.expression import check as expectation
from assay.check.verdict import broken, judge
from assay.data.medium import media
from assay.data.meter import metered
from assay.data.source import Source, source
from assay.errors import AssayError, ConfigError, ModelError, listed
from assay.model.load import load
from assay.model.model import Model, called
from assay.probe.behaviour import Behaviour, Counterexample, Outcome, Reading, Seeds, outcome
from assay.result import Cost, Finding, Run, Spread, Value, Verdict
from assay.summary.target import Target
from assay.verbs.behaviour.specification import MOST, Specification, files_in
from assay.verbs.subject import bound, fits, heard, positive_of

__all__ = ["Judged", "Opened", "behaviour", "opened", "verdicts_of"]

BUDGET = 200_000   # rows put to the model by one file
SHOWN = 60         # characters of one value in a sentence


def behaviour(tests: Any, model: Any = None, *, data: Any = None, trust: bool = False, strict: bool = False, keep_rows: bool = False,
              at: str | Path | None = None) -> Run:
    """Return the run of behaviour tests: a verdict a test, and for each failure the smallest change that shows it.

    ``tests`` is a file (``credit.assay.yaml``), a folder of such files, several of them, or the content of one as a mapping. ``model``
    (a path, a fitted object, a callable, a ``Model``) and ``data`` (whatever ``assay.source`` takes) stand in for those that the file
    names. ``trust`` allows a model file to run the code that it brings. Values of protected and forbidden columns and of free text are
    hidden in what is said, unless ``keep_rows``. ``at`` is the folder that paths of a mapping start from.

    Raises ``AssayError`` for a file that cannot be read or is misspelt; what goes wrong with one test is its verdict, ``error``.

    >>> import pyarrow as pa
    >>> loans = pa.table({"income": [20.0, 35.0, 80.0], "debt": [5.0, 30.0, 10.0]})
    >>> def score(batch):
    ...     return [min(income / 100, 0.5) for income in batch.column("income").to_pylist()]
    >>> import assay
    >>> model = assay.load(score, task="regression", features=["income", "debt"])
    >>> behaviour({"tests": [{"name": "more income never hurts", "kind": "direction", "change": {"income": {"multiply": [1.1, 2]}},
    ...                       "expect": "not lower"}]}, model, data=loans).verdict
    'pass'
    """
    began = time.perf_counter()
    files = [Specification.of(tests, at=at)] if isinstance(tests, Mapping) else [Specification.read(each) for each in files_in(tests)]
    values: list[Value] = []
    verdicts: list[Verdict] = []
    findings: list[Finding] = []
    about: dict[str, Any] = {}
    with metered() as meter:
        for file in files:
            ready = opened(file, model, data=data, trust=trust, keep_rows=keep_rows)
            about = about or {"model": called(ready.model), "task": ready.model.signature.task}
            for each in file.tests:
                found = ready.judged(each)
                values += [found.verdict.value] if found.verdict.value is not None else []
                verdicts.append(found.verdict)
                findings += found.findings
    cost = Cost(round(time.perf_counter() - began, 3), meter.rows, meter.model_rows)
    about |= {"tests": len(verdicts)}
    return Run("behaviour", tuple(values), tuple(verdicts), tuple(findings), cost=cost, strict=strict, about=about)


def verdicts_of(files: Any, model: Any = None, *, data: Any = None, trust: bool = False,
                usual: Mapping[str, Any] | None = None) -> list[Verdict]:
    """Return the verdicts of behaviour tests on ``model``: a file, a folder of them, or several; for a gate.

    ``data`` are the rows of files that name none, ``usual`` what the others do not say: ``positive``, ``threshold``. All files are
    opened before the first test runs, so that what is misspelt is told at once.
    """
    read = [Specification.read(each) for each in files_in(files)]
    read = [dataclasses.replace(each, said={**(usual or {}), **each.said}) for each in read]
    ready = [opened(each, model, data=None if "data" in each.said else data, trust=trust) for each in read]
    return [each.judged(test).verdict for each in ready for test in each.tests.tests]


def opened(tests: Specification, model: Any = None, *, data: Any = None, trust: bool = False, keep_rows: bool = False) -> Opened:
    """Return the tests with model and data, those of the file where none are given; everything misspelt is told now."""
    said = tests.said
    given = model if model is not None else tests.location("model")
    if given is None:
        raise ConfigError("no model is named", where=tests.place(), expected="the key 'model', or a model that is passed",
                          hint="in pytest: a fixture assay_model, or --assay-model FILE")
    rows = data if data is not None else tests.location("data")
    current = None
    if rows is not None:
        there = {role: columns for role, columns in said.get("columns", {}).items() if columns}
        current = source(rows, types=said.get("types"), where=said.get("where"), **there)
    said_of_it = ("task", "classes", "features") if isinstance(given, type) or not isinstance(given, Model) else ()
    named = {key: said.get(key) for key in said_of_it}
    loaded = load(given, trust=trust, **named)
    first = current if current is not None else _first(tests)
    if first is not None:
        loaded = heard(bound(loaded, first, "model", []), given, first)
    if current is not None:
        fits(loaded, current)
    signature = loaded.signature
    target = Target(signature.task, tuple(signature.classes or ()), threshold=said.get("threshold"))
    if signature.task == "binary":
        try:
            target = dataclasses.replace(target, positive=positive_of(target, said.get("positive")))
        except ConfigError:   # told where a test speaks of the score or of the threshold
            if said.get("positive") is not None or said.get("threshold") is not None:
                raise
    found = Opened(tests, loaded, current, Reading(target, signature.scores is not None), keep_rows)
    for each in tests.tests:
        found.fit(each)
    return found


def _first(tests: Specification) -> Source | None:
    return next((_written(each.cases, tests.said, tests.at(each, "cases")) for each in tests.tests if each.cases), None)


@dataclass(frozen=True)
class Judged:
    """What came of one test."""

    verdict: Verdict
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, eq=False)
class Opened:
    """Tests with their model and data; ``judged(test)`` runs one."""

    tests: Specification
    model: Model
    data: Source | None
    reading: Reading
    keep_rows: bool = False
    held: dict[str, Any] = field(default_factory=dict)

    def fit(self, test: Behaviour) -> None:
        """Raise, with its place in the file, what can be seen to be wrong with a test before anything is asked."""
        rows = self._source(test)
        for each in test.change:
            with _Placed(self.tests.at(test, "change", each.column)):
                each.bound(rows.schema)
        with _Placed(self.tests.at(test, "of")):
            if test.kind in ("direction", "invariance"):
                self.reading.usual(test)
            elif test.expect is None and self.reading.target.task == "multilabel":
                raise ConfigError("a row of several labels is not compared as one", expected="expect: a condition on the scores")
        if test.expect is not None and test.kind in ("case", "functionality"):
            with _Placed(self.tests.at(test, "expect")):
                self.reading.condition(test.expect)
        if test.expect is None and test.kind == "functionality" and rows.schema.label is None:
            raise ConfigError(f"the test '{test.name}' compares answers with the label, and no label is named", where=self.tests.at(test),
                              expected="columns: {label: ...}, or expect: a condition")

    def judged(self, test: Behaviour) -> Judged:
        """Run one test; what goes wrong with it is its verdict."""
        budget = int(self.tests.said.get("budget", BUDGET)) // len(self.tests.tests)
        try:
            seeds = self._seeds(test)
            found = outcome(test, seeds, self.model, self.reading, budget=max(budget, 50))
        except AssayError as error:
            verdict = broken(f"'{test.name}'", error, model=called(self.model))
            return Judged(dataclasses.replace(verdict, check=test.name, aspect="behaviour"))
        return self._judged(test, found, seeds)

    def _source(self, test: Behaviour) -> Source:
        said = self.tests.said
        if test.cases is not None:
            with _Placed(self.tests.at(test, "cases")):
                found = _written(test.cases, said, self.tests.at(test, "cases"))
                fits(self.model, found)
        elif self.data is None:
            raise ConfigError(f"the test '{test.name}' has no rows to start from", where=self.tests.at(test),
                              expected="cases that are listed, or the key 'data' of the file")
        else:
            found = self.data
        if test.where is None:
            return found
        with _Placed(self.tests.at(test, "where")):
            return source(found, where=test.where)

    def _seeds(self, test: Behaviour) -> Seeds:
        rows = self._source(test)
        table, places = sample(rows, test.rows if test.cases is None else MOST, test.key)
        ids = table.column(rows.schema.id).to_pylist() if rows.schema.id else None
        word = "row" if test.cases is None else "case"
        names = [f"{rows.schema.id} {_short(each)}" for each in ids] if ids is not None else [f"{word} {each + 1}" for each in places]
        return Seeds(table, rows.schema, tuple(names))

    def _hidden(self, test: Behaviour) -> frozenset[str]:
        """Return the columns whose values are not told; what stands in the file is no secret."""
        if self.keep_rows or test.cases is not None or self.data is None:
            return frozenset()
        if "free" not in self.held:
            self.held["free"] = [name for name, what in media(self.data).items() if what == "text"]
        schema = self.data.schema
        worded = [each.column for each in test.change if any(name == "replace" for name, _ in each.steps)]   # it holds words: free text
        return frozenset((*schema.protected, *schema.forbidden, *self.held["free"], *worded))

    def _judged(self, test: Behaviour, found: Outcome, seeds: Seeds) -> Judged:
        right = test.kind == "functionality"
        name, model = "correct" if right else "violations", called(self.model)
        if found.units == 0:
            words = f"{test.name}: none of {found.left_out:,} rows can be changed so, and nothing was asked: inconclusive"
            return Judged(Verdict(test.name, "inconclusive", words, aspect="behaviour", model=model,
                                  hint="is the change one for these rows? what is missing is not raised, exchanged or reworded"))
        share = found.failed / found.units
        value = Value.of(name, Spread("binomial", 1 - share if right else share, n=found.units), n=found.units,
                         better="higher" if right else "lower", options={"test": test.name}, model=model)
        asked = 1 - test.bound if right else test.bound
        if test.bound == 0:   # nothing may fail: a fact about these rows, whatever it says of others
            verdict = Verdict(test.name, "fail" if found.failed else "pass", "", value=value, threshold=asked)
        else:
            rule = expectation(name, at_least=asked) if right else expectation(name, at_most=asked)
            verdict = dataclasses.replace(judge(rule, [value])[0], check=test.name, value=value)
        hidden = self._hidden(test)
        examples = [self._told(test, each, hidden) for each in found.examples]
        words = _sentence(test, found, value, verdict, examples[0] if examples else None)
        verdict = dataclasses.replace(verdict, sentence=words, aspect="behaviour", model=model, hint=_hint(test, found, verdict))
        findings = [Finding("behaviour", f"{test.name}: {text}", {"row": each.name, **_told(each.before, hidden)},
                            _told(each.after, hidden), each.said) for each, text in zip(found.examples, examples, strict=True)]
        if self.keep_rows:
            findings = [dataclasses.replace(one, input={**seeds.table.slice(each.row, 1).to_pylist()[0], **one.input})
                        for one, each in zip(findings, found.examples, strict=True)]
        return Judged(verdict, tuple(findings) if verdict.verdict == "fail" else ())

    def _told(self, test: Behaviour, example: Counterexample, hidden: frozenset[str]) -> str:
        """Return a counterexample as words: whose row, what changed, what the model said."""
        moves = [f"another {column} (values hidden)" if column in hidden else f"{column} {_short(example.before[column])} -> {_short(new)}"
                 for column, new in example.after.items()]
        said = [_short(each) for each in example.said]
        word = "the answer" if test.expect is not None and test.kind in ("case", "functionality") else self._word(test)
        if not moves:
            return f"{example.name} as it stands gets {' '.join(said)}"
        return f"{example.name} with {', '.join(moves)}: {word} goes from {said[0]} to {said[1]}"

    def _word(self, test: Behaviour) -> str:
        return f"the {self.reading.usual(test)}" if test.kind in ("direction", "invariance") else "the answer"


def sample(rows: Source, most: int, key: Sequence[int]) -> tuple[pa.Table, list[int]]:
    """Return at most ``most`` rows in their order, drawn by ``key``, one an entity where there are entities, and their places.

    The rows are read once, and no more than eight times ``most`` are held.
    """
    rng = np.random.default_rng([*key, 1])
    held: list[pa.Table] = []
    marks: list[np.ndarray[Any, Any]] = []
    places: list[np.ndarray[Any, Any]] = []
    seen = 0

    def cut(size: int) -> None:
        mark, place, table = np.concatenate(marks), np.concatenate(places), pa.concat_tables(held)
        kept = np.sort(np.argsort(mark, kind="stable")[:size])
        marks[:], places[:], held[:] = [mark[kept]], [place[kept]], [table.take(pa.array(kept))]

    for batch in rows.batches():
        held.append(pa.Table.from_batches([batch]))
        marks.append(rng.random(batch.num_rows))
        places.append(np.arange(seen, seen + batch.num_rows))
        seen += batch.num_rows
        if sum(map(len, marks)) > 8 * most:
            cut(4 * most)
    if not held:
        return rows.schema.arrow.empty_table(), []
    if rows.schema.entity is not None:   # rows of one entity are not independent: one stands for it
        mark, table = np.concatenate(marks), pa.concat_tables(held)
        first: dict[Any, int] = {}
        owners = table.column(rows.schema.entity).to_pylist()
        for at in np.argsort(mark, kind="stable"):
            first.setdefault(owners[at] if owners[at] is not None else ("row", int(at)), int(at))
        kept = np.sort(np.fromiter(first.values(), np.int64))
        marks[:], places[:], held[:] = [mark[kept]], [np.concatenate(places)[kept]], [table.take(pa.array(kept))]
    cut(most)
    return held[0].combine_chunks(), [int(each) for each in places[0]]


def _written(cases: Iterable[Mapping[str, Any]], said: Mapping[str, Any], where: str) -> Source:
    """Return cases that stand in a file as data."""
    names = list(dict.fromkeys(name for each in cases for name in each))
    columns = {}
    for name in names:
        values = [each.get(name) for each in cases]
        mixed = any(isinstance(each, float) for each in values)
        try:
            columns[name] = pa.array([float(each) if mixed and type(each) is int else each for each in values])
        except (pa.ArrowException, OverflowError) as error:
            raise ConfigError(f"the values of '{name}' are of several kinds", where=where, expected="numbers, or text, or true and false",
                              hint="put text in quotes") from error
    types = {name: kind for name, kind in said.get("types", {}).items() if name in columns}

    def there(given: Any) -> bool:
        return all(name in columns for name in ([given] if isinstance(given, str) else given or ()))

    roles = {role: given for role, given in said.get("columns", {}).items() if there(given)}
    return source(pa.table(columns), types=types, **roles)


def _sentence(test: Behaviour, found: Outcome, value: Value, verdict: Verdict, example: str | None) -> str:
    """Return the verdict on one test in words."""
    right, low, high = test.kind == "functionality", value.low or 0.0, value.high or 0.0
    unit = "case" if test.cases is not None else "row"
    if test.kind == "case" and test.cases is not None and found.units > len(test.cases):
        unit = "case and change of it" if found.units == 1 else "cases and changes of them"
    else:
        unit += "s" if found.units != 1 else ""
    interval = f" [{_percent(low)}, {_percent(high)}]"
    if right:
        count = f"{found.units - found.failed:,} of {found.units:,} {unit} right ({_percent(value.value or 0.0)}{interval})"
        asked = "all asked" if not test.bound else f"at least {_percent(1 - test.bound)} asked"
    else:
        fail = "fails" if found.failed == 1 else "fail"
        listed_ = test.cases is not None and not test.change   # cases that were written down are drawn from nothing
        share = "" if listed_ else f" ({_percent(value.value or 0.0)}{interval})"
        count = (f"{found.failed:,} of {found.units:,} {unit} {fail}{share}" if found.failed else
                 f"none of {found.units:,} {unit} fails" + ("" if listed_ else f", so at most {_percent(high)} of such do"))
        asked = "none may" if not test.bound else f"at most {_percent(test.bound)} may"
    words = f"{test.name}: {count}, {asked}: {verdict.verdict}"
    if example is not None and verdict.verdict != "pass":
        words += f"; {'for example' if right else 'smallest change' if test.kind != 'case' else 'smallest'}: {example}"
    if found.unread:
        words += f"; the model does not read {listed(found.unread)}"
    if found.left_out:
        words += f"; {found.left_out:,} more {'rows' if found.left_out > 1 else 'row'} cannot be changed so"
    if verdict.rows_needed:
        words += f"; about {verdict.rows_needed:,} more would decide it, if the share stays"
    return words + ("; the budget allowed no more rows" if found.cut else "")


def _hint(test: Behaviour, found: Outcome, verdict: Verdict) -> str | None:
    if verdict.verdict == "inconclusive":
        return "list more cases" if test.cases is not None else "allow more rows (rows: ...), or give more data"
    if verdict.verdict == "fail" and test.kind in ("direction", "invariance") and test.tolerance == 0:
        return "a tolerance lets small moves pass; at_most lets some rows fail"
    return None


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _short(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else "missing" if value is None else str(value)
    text = " ".join(text.split()) if text.strip() else repr(text)
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def _told(values: Mapping[str, Any], hidden: frozenset[str]) -> dict[str, Any]:
    return {name: "(hidden)" if name in hidden else value for name, value in values.items()}


class _Placed:
    """Adds to an error where in the file it arose."""

    def __init__(self, where: str):
        self.where = where

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, AssayError) and not isinstance(error, ModelError) and self.where not in (error.where or ""):
            error.where = f"{self.where}: {error.where}" if error.where else self.where
