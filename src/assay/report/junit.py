"""A run as JUnit XML, for GitHub, GitLab, Jenkins and whatever else shows test results.

Interface: :func:`render`, registered for ``Run.save("report.xml")``. Any layer above may import it.

One ``testsuite`` a check, one ``testcase`` a slice or column of it; a probe with findings, and the incidents, are suites too.

=============  ==============================  ================================================
verdict        test case                       with ``strict``
=============  ==============================  ================================================
pass           passes                          the same
warn           passes, ``system-out`` says it  the same
fail           ``failure``                     the same
error          ``error``                       the same
inconclusive   ``skipped``                     ``failure``
too small      ``skipped``                     ``failure``, as a strict run is then inconclusive
=============  ==============================  ================================================

An inconclusive check has not failed, and these servers know no third colour; the exit code 3 still stops a pipeline. Only
elements and attributes that both the Ant and the Jenkins schema know are written, in their order, so no properties inside
test cases: each suite lists the measured numbers of its cases.
"""

from __future__ import annotations

import itertools
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from assay.errors import without_secrets
from assay.result import Run, Verdict

__all__ = ["render"]

_LONGEST = 500  # characters of a test's name
_CLASS = "assay"  # servers cut class names at dots, which expressions are full of; so the test's name says everything
# what XML 1.0 has no character for, and marks that reverse how text around them reads
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u202a-\u202e\u2066-\u2069]")


def render(run: Run) -> str:
    """Return ``run`` as a JUnit XML document.

    >>> print(render(Run("check", verdicts=(Verdict("auc >= 0.7", "fail", "auc is 0.60: fails"),), id="1", assay="0.1.0")))
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="assay check" tests="1" failures="1" errors="0" time="0.000">
      <testsuite name="auc &gt;= 0.7" tests="1" failures="1" errors="0" skipped="0" time="0.000">
        <properties>
          <property name="assay" value="0.1.0" />
          <property name="run" value="1" />
          <property name="verdict" value="fail" />
        </properties>
        <testcase name="auc &gt;= 0.7" classname="assay.check" time="0.000">
          <failure message="auc is 0.60: fails" type="fail">auc is 0.60: fails</failure>
        </testcase>
      </testsuite>
    </testsuites>
    <BLANKLINE>
    """
    suites = [*_checks(run), *_findings(run), *_incidents(run)] or [_Suite("assay", [_Case("nothing was checked", "skipped",
                                                                                         "the run has no verdicts")])]
    suites[0].notes.extend(run.notes)
    cases = [case for suite in suites for case in suite.cases]
    root = ET.Element("testsuites", {"name": _attribute(f"assay {run.verb}"), **_counts(cases), "time": f"{run.cost.seconds:.3f}"})
    names: dict[str, int] = {}
    for suite in suites:
        _write(root, suite, run, names)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


@dataclass
class _Case:
    name: str
    outcome: str  # "" passes; else the name of an element
    message: str
    type: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class _Suite:
    name: str
    cases: list[_Case]
    notes: list[str] = field(default_factory=list)


def _checks(run: Run) -> Iterable[_Suite]:
    groups: dict[str, list[Verdict]] = {}
    for verdict in run.verdicts:  # slices of one check may be apart in a run
        groups.setdefault(verdict.check, []).append(verdict)
    for check, verdicts in groups.items():
        yield _Suite(check, [_case(verdict, strict=run.strict) for verdict in verdicts])


def _case(verdict: Verdict, *, strict: bool) -> _Case:
    undecided = "failure" if strict else "skipped"
    outcome = {"pass": "", "warn": "", "fail": "failure", "error": "error"}.get(verdict.verdict, undecided)
    # not "name=value", which would read like a secret where a column is called "key"
    parts = [f"{name} {'missing' if each is None else each}" for name, each in verdict.slice.items()]
    value = verdict.value
    parts += [f"column {value.column}"] if value is not None and value.column is not None else []
    parts += [f"model {verdict.model}"] if verdict.model is not None else []
    name = verdict.check + (f" [{', '.join(parts)}]" if parts else "")
    message = verdict.sentence + (f" (hint: {verdict.hint})" if verdict.hint else "")
    figures: dict[str, Any] = {}
    if value is not None and not value.private:
        figures = {"value": value.value, "low": value.low, "high": value.high, "n": value.n, "threshold": verdict.threshold,
                   "p": verdict.p, "rows_needed": verdict.rows_needed}
    return _Case(name, outcome, message, verdict.verdict, figures)


def _findings(run: Run) -> Iterable[_Suite]:
    for probe, found in itertools.groupby(sorted(run.findings, key=lambda each: each.probe), key=lambda each: each.probe):
        yield _Suite(f"probe {probe}", [
            _Case(f"{probe} finding {place}", "failure" if each.outcome == "fail" else "", each.sentence, "finding")
            for place, each in enumerate(found, 1)])


def _incidents(run: Run) -> Iterable[_Suite]:
    if run.incidents:
        yield _Suite("incidents", [
            _Case(f"incident {each.first_seen}" + (f" {each.source}" if each.source else ""), "failure" if each.page else "",
                  each.sentence, "page" if each.page else "incident") for each in run.incidents])


def _write(root: ET.Element, suite: _Suite, run: Run, names: dict[str, int]) -> None:
    skipped = str(sum(case.outcome == "skipped" for case in suite.cases))
    element = ET.SubElement(root, "testsuite", {"name": _attribute(suite.name), **_counts(suite.cases), "skipped": skipped,
                                                "time": "0.000"})
    named = [(_unique(case.name, names), case) for case in suite.cases]
    properties = ET.SubElement(element, "properties")
    figures = {f"{name}: {key}": figure for name, case in named for key, figure in case.figures.items() if figure is not None}
    for name, figure in {"assay": run.assay, "run": run.id, "verdict": run.verdict, **figures}.items():
        ET.SubElement(properties, "property", name=_attribute(name), value=_attribute(_figure(figure)))
    for name, case in named:
        test = ET.SubElement(element, "testcase", name=name, classname=_attribute(f"{_CLASS}.{run.verb}"), time="0.000")
        message = _text(case.message)
        if case.outcome:
            kind = ET.SubElement(test, case.outcome, message=_attribute(case.message), type=_attribute(case.type))
            kind.text = message
        else:
            ET.SubElement(test, "system-out").text = message
    if suite.notes:
        ET.SubElement(element, "system-out").text = _text("\n".join(suite.notes))


def _counts(cases: list[_Case]) -> dict[str, str]:
    found = [case.outcome for case in cases]
    return {"tests": str(len(found)), "failures": str(found.count("failure")), "errors": str(found.count("error"))}


def _unique(name: str, names: dict[str, int]) -> str:
    """Return ``name`` for an attribute, numbered if it is taken: servers drop the second test of a name without a word."""
    shown = _attribute(name)
    shown = shown if len(shown) <= _LONGEST else shown[:_LONGEST - 3] + "..."
    unique = shown
    while unique in names:
        names[shown] += 1
        unique = f"{shown} ({names[shown]})"
    names[unique] = 1
    return unique


def _figure(figure: object) -> str:
    return f"{figure:.10g}" if isinstance(figure, float) and math.isfinite(figure) else str(figure)


def _text(text: str) -> str:
    """Return text that XML can hold and that parses back the same: without secrets, with strange characters spelt out."""
    return _ILLEGAL.sub(_spelt, without_secrets(text)).replace("\r", "\\r")


def _attribute(text: str) -> str:
    return _text(text).replace("\n", "\\n").replace("\t", "\\t")  # parsers turn them into blanks in attributes


def _spelt(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
