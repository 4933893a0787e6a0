from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.report.junit import render
from assay.result import Cost, Finding, Incident, Run, Spread, Value, Verdict

# What the Ant and the Jenkins schema both allow: attributes (required first), and children in their order.
SCHEMA: dict[str, tuple[set[str], set[str], list[str]]] = {
    "testsuites": ({"name"}, {"time", "tests", "failures", "errors"}, ["testsuite"]),
    "testsuite": ({"name", "tests", "failures", "errors"}, {"time", "skipped"}, ["properties", "testcase", "system-out", "system-err"]),
    "properties": (set(), set(), ["property"]),
    "property": ({"name", "value"}, set(), []),
    "testcase": ({"name", "classname"}, {"time"}, ["skipped", "error", "failure", "system-out", "system-err"]),
    "skipped": (set(), {"message", "type"}, []),
    "error": ({"type"}, {"message"}, []),
    "failure": ({"type"}, {"message"}, []),
    "system-out": (set(), set(), []),
}


def valid(text: str) -> ET.Element:
    """Return the document, after holding it to the rules of both schemas."""
    root = ET.fromstring(text.encode("utf-8"))
    assert root.tag == "testsuites"
    for element in root.iter():
        required, optional, children = SCHEMA[element.tag]
        assert required <= set(element.attrib) <= required | optional, element.tag
        places = [children.index(child.tag) for child in element]
        assert places == sorted(places), element.tag
        for name in {"tests", "failures", "errors", "skipped", "time"} & set(element.attrib):
            assert re.fullmatch(r"\d+\.\d{3}" if name == "time" else r"\d+", element.attrib[name])
    for suite in root:
        cases = suite.findall("testcase")
        assert int(suite.attrib["tests"]) == len(cases)
        for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.attrib[name]) == sum(case.find(tag) is not None for case in cases)
        assert all(sum(child.tag in ("skipped", "failure", "error") for child in case) <= 1 for case in cases)
    for name in ("tests", "failures", "errors"):
        assert int(root.attrib[name]) == sum(int(suite.attrib[name]) for suite in root)
    tests = [(case.attrib["classname"], case.attrib["name"]) for case in root.iter("testcase")]
    assert len(set(tests)) == len(tests) > 0  # servers drop the second of a name
    return root


def value(n: int = 900, **key: str) -> Value:
    return Value.of("auc", Spread("normal", 0.71, error=0.01), n=n, slice=key, better="higher")


def run(*, strict: bool = False) -> Run:
    check = "auc by carrier >= 0.6"
    return Run("check", verdicts=(
        Verdict(check, "pass", "auc is 0.71: pass", {"carrier": "AA"}, value(carrier="AA"), 0.6, 0.9),
        Verdict("mae <= 12", "warn", "passes, but", value=value()),
        Verdict(check, "fail", "auc is 0.5: fails", {"carrier": "UA"}, value(carrier="UA"), 0.6, 1e-7),
        Verdict(check, "inconclusive", "cannot tell", {"carrier": "HA"}, value(carrier="HA"), 0.6, 0.4, rows_needed=412),
        Verdict(check, "too small", "fewer than 5 rows", {"carrier": "OO"}),
        Verdict("psi of x <= 0.1", "error", "could not be measured", hint="is there an x?"),
    ), cost=Cost(seconds=1.25), notes=("one note",), strict=strict, id="abc")


def test_each_verdict_becomes_what_servers_know() -> None:
    root = valid(render(run()))
    assert [suite.attrib["name"] for suite in root] == ["auc by carrier >= 0.6", "mae <= 12", "psi of x <= 0.1"]
    found = {case.attrib["name"]: [(child.tag, child.attrib.get("type"), child.text) for child in case] for case in root.iter("testcase")}
    assert found == {
        "auc by carrier >= 0.6 [carrier AA]": [("system-out", None, "auc is 0.71: pass")],
        "auc by carrier >= 0.6 [carrier UA]": [("failure", "fail", "auc is 0.5: fails")],
        "auc by carrier >= 0.6 [carrier HA]": [("skipped", "inconclusive", "cannot tell")],
        "auc by carrier >= 0.6 [carrier OO]": [("skipped", "too small", "fewer than 5 rows")],
        "mae <= 12": [("system-out", None, "passes, but")],
        "psi of x <= 0.1": [("error", "error", "could not be measured (hint: is there an x?)")],
    }
    assert root.attrib == {"name": "assay check", "tests": "6", "failures": "1", "errors": "1", "time": "1.250"}
    assert root[0].findtext("system-out") == "one note"


def test_strict_runs_fail_on_what_is_undecided() -> None:
    root = valid(render(run(strict=True)))
    assert [each.attrib["type"] for each in root.iter("failure")] == ["fail", "inconclusive", "too small"]
    assert run(strict=True).exit_code == 1
    assert list(root.iter("skipped")) == []


def test_numbers_stand_in_the_properties_of_the_suite() -> None:
    root = valid(render(run()))
    properties = {each.attrib["name"]: each.attrib["value"] for each in root[0].iter("property")}
    name = "auc by carrier >= 0.6 [carrier HA]: "
    assert {key.removeprefix(name): each for key, each in properties.items() if key.startswith(name)} == {
        "value": "0.71", "low": "0.6904003602", "high": "0.7295996398", "n": "900", "threshold": "0.6", "p": "0.4", "rows_needed": "412"}
    assert properties["run"] == "abc"
    assert properties["verdict"] == "fail"


def test_numbers_of_slices_under_five_rows_stay_out() -> None:
    small = Verdict("c", "pass", "s", {"name": "Ann"}, value(n=4, name="Ann"), 0.6)
    assert "0.71" not in render(Run("check", verdicts=(small,)))
    assert "0.71" in render(Run("check", verdicts=(Verdict("c", "pass", "s", {}, value(n=4)),)))


def test_a_verdict_on_all_slices_tells_no_number_of_a_small_one() -> None:
    small = Value.of("auc", Spread("binomial", 0.8125, n=4), n=4, better="higher", slice={"ward": "of four"})
    assert "0.8125" not in render(Run("check", verdicts=(Verdict("auc by ward >= 0.7", "pass", "fine", value=small),)))


def test_findings_and_incidents_are_cases_too() -> None:
    times = {"first_seen": "2026-03-01T00:00:00-05:00", "last_seen": "2026-03-02T00:00:00-05:00"}
    incidents = (Incident(**times, page=True, sentence="AUC fell", source="weather"),
                 Incident(**times, page=False, sentence="more nulls"))
    findings = (Finding("fairness", "one"), Finding("text", "two"), Finding("fairness", "three"))
    root = valid(render(Run("probe", findings=findings, incidents=incidents)))
    assert [suite.attrib["name"] for suite in root] == ["probe fairness", "probe text", "incidents"]
    assert [each.text for each in root.iter("failure")] == ["one", "three", "two", "AUC fell"]
    assert [each.text for each in root.iter("system-out")] == ["more nulls"]


def test_a_run_without_verdicts_still_has_a_test() -> None:
    (case,) = valid(render(Run("check", notes=("nothing given",)))).iter("testcase")
    assert case.attrib["name"] == "nothing was checked"
    assert case.find("skipped") is not None


def test_two_slices_never_share_a_name() -> None:
    long = "x" * 2000
    parts = (1, "1", None, "missing", "a\n", "a\\n", long + "1", long + "2", "1 (2)")
    verdicts = tuple(Verdict("c", "pass", "s", {"k": each}) for each in parts)
    names = [case.attrib["name"] for case in valid(render(Run("check", verdicts=verdicts))).iter("testcase")]
    assert max(map(len, names)) < 520


def test_no_secret_leaves() -> None:
    text = "cannot read postgresql://ann:s3cret@db/x?token=t0ken"
    found = render(Run("check", verdicts=(Verdict(text, "error", text, {"source": text}, hint=text),), notes=(text,),
                       findings=(Finding(text, text),)))
    assert "s3cret" not in found
    assert "t0ken" not in found
    kept = render(Run("check", verdicts=(Verdict("c", "pass", "s", {"key": "AA"}),)))
    assert "key AA" in kept  # a column may well be called so


def test_strange_characters_are_spelt_out() -> None:
    text = "a\x00b\x1bc\ud800d\ufffee\r\nf\tg\u202eh"
    root = valid(render(Run("check", verdicts=(Verdict(text, "fail", text, {"k": text}),))))
    shown = r"a\x00b\x1bc\ud800d\ufffee\r\nf\tg\u202eh"
    assert root[0].attrib["name"] == shown
    assert root.findtext(".//failure") == "a\\x00b\\x1bc\\ud800d\\ufffee\\r\nf\tg\\u202eh"


any_text = st.text(max_size=20) | st.text(st.characters(categories=("Cc", "Cs", "Cn", "Cf", "Zl")), max_size=8) | st.sampled_from(
    ["]]>", "<a>", "&amp;", '"', "&#0;", "\r\n", "<!--", "\x85", "\U0010ffff"])
scalars = st.none() | st.booleans() | st.integers() | st.floats() | any_text


@st.composite
def runs(draw: st.DrawFn) -> Run:
    def verdict() -> Verdict:
        key = draw(st.dictionaries(any_text, scalars, max_size=2))
        outcome = draw(st.sampled_from(["pass", "warn", "fail", "error", "inconclusive", "too small"]))
        number = draw(st.floats())
        found = Value(draw(any_text), number, number, math.inf, draw(st.integers(0, 100)), key, column=draw(st.none() | any_text))
        return Verdict(draw(any_text), outcome, draw(any_text), key, draw(st.none() | st.just(found)), p=draw(st.none() | st.floats()),
                       hint=draw(st.none() | any_text), model=draw(st.none() | any_text))

    return Run(draw(any_text), verdicts=tuple(verdict() for _ in range(draw(st.integers(0, 5)))),
               findings=tuple(Finding(draw(any_text), draw(any_text)) for _ in range(draw(st.integers(0, 2)))),
               incidents=tuple(Incident(draw(any_text), "", draw(st.booleans()), draw(any_text), draw(st.none() | any_text))
                               for _ in range(draw(st.integers(0, 2)))),
               notes=tuple(draw(st.lists(any_text, max_size=2))), strict=draw(st.booleans()), id=draw(any_text), assay="0.1.0")


@settings(max_examples=120)
@given(runs())
def test_any_run_renders_to_a_valid_document_that_agrees_with_it(each: Run) -> None:
    root = valid(render(each))
    bad = int(root.attrib["failures"]) + int(root.attrib["errors"])
    if each.exit_code == 1:
        assert bad > 0
    elif not each.strict:
        assert bad == 0
    assert render(each) == render(each)


def test_a_run_saves_itself_as_xml(tmp_path: Path) -> None:
    path = run().save(tmp_path / "report.xml")
    valid(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("verb", ["check", "gate"])
def test_the_verb_names_the_class(verb: str) -> None:
    (case,) = valid(render(Run(verb, verdicts=(Verdict("c", "pass", "s"),)))).iter("testcase")
    assert case.attrib["classname"] == f"assay.{verb}"
