"""The types of the page are those of the results that it shows, and its source keeps to them."""

from __future__ import annotations

import dataclasses
import re
import shutil
import sys
import typing
from pathlib import Path

import pytest

from assay import result
from assay.report import html
from assay.result import Cost, Figure, Finding, Incident, Run, Spread, Value, Verdict

ROOT = Path(__file__).resolve().parents[2]
UI = ROOT / "ui"
TYPES = UI / "src" / "types.ts"


def interfaces() -> dict[str, dict[str, bool]]:
    """Return the fields of each interface in types.ts, and whether each must be there."""
    found = {}
    for name, body in re.findall(r"^export interface (\w+) \{\n(.*?)^\}", TYPES.read_text("utf-8"), re.DOTALL | re.MULTILINE):
        found[name] = {field: not optional for field, optional in re.findall(r"^  (\w+)(\??):", body, re.MULTILINE)}
    return found


def union(name: str, field: str | None = None) -> set[str]:
    text = TYPES.read_text("utf-8")
    pattern = rf"export type {name} = (.*?);" if field is None else rf"export interface {name} \{{.*?\n  {field}\??: (.*?);"
    found = re.search(pattern, text, re.DOTALL)
    assert found
    return set(re.findall(r'"([^"]+)"', found.group(1)))


FULL = Value("auc", 0.5, 0.4, 0.6, 10, {"a": "b"}, "higher", "m", "c", "m", "champion", 0.9, "exact", 0.1, "note", Spread("exact", 0.5), {"k": 1})
VERDICT = Verdict("c", "fail", "said", {"a": "b"}, FULL, 0.5, 0.1, 10, "hint", "m", "drift", "auc >= 0.5")
FIGURE = Figure("f", "line", "title", {"x": tuple(map(float, range(1_000))), "y": (0.0,) * 1_000}, "x", ("y",), ("y",), ("y",), "said", "a",
                "c", 0.5, True, "all rows", "the end", ("y",))
FINDING = Finding("p", "said", {"a": 1}, {"a": 2}, (1,), "warn")
INCIDENT = Incident("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", True, "said", "s", ("a",), ({"a": "b"},), 1.0, "c", "fault", "open", 0.1,
                    "effect", "hint", "id")
RUN = Run("check", (FULL,), (VERDICT,), (FINDING,), (INCIDENT,), Cost(1.0, 1, 1), ("note",), True, figures=(FIGURE,), about={"a": 1},
          sentences=("said",))
LEAST = Run("check", (Value("auc", None, None, None, 0),), (Verdict("c", "pass", "s"),), (Finding("p", "s"),),
            (Incident("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", False, "s"),), figures=(Figure("f", "line", "", {"x": ()}, "x", ()),))
PARTS = {"Value": "values", "Verdict": "verdicts", "Figure": "figures", "Finding": "findings", "Incident": "incidents"}


def test_the_examples_fill_every_field() -> None:
    for each in (FULL, VERDICT, FIGURE, FINDING, INCIDENT):
        for field in dataclasses.fields(each):
            usual = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
            assert getattr(each, field.name) != usual, (type(each).__name__, field.name)


@pytest.mark.parametrize("name", [*PARTS, "Run"])
def test_the_types_of_the_page_are_those_of_the_results(name: str) -> None:
    typed = interfaces()[name]
    if name == "Run":
        page, whole, least = html._shown(RUN, 1.0), RUN.to_json(), html._shown(LEAST, 1.0)
        whole["page"] = None
    else:
        page, whole, least = ((html._shown(RUN, 1.0)[PARTS[name]][0], RUN.to_json()[PARTS[name]][0], html._shown(LEAST, 1.0)[PARTS[name]][0]))
        whole["left_out"] = None
    assert set(page) <= set(typed), "the page is given what its types do not know"
    assert set(typed) <= set(whole), "the types know what no result has"
    assert {field for field, needed in typed.items() if needed} <= set(least), "the types promise what may be absent"


def test_the_words_of_the_page_are_those_of_the_results() -> None:
    assert union("Outcome") == set(typing.get_args(result.Outcome))
    assert union("Value", "better") == set(typing.get_args(result.Better))
    assert union("Figure", "kind") == set(typing.get_args(typing.get_type_hints(Figure)["kind"]))


def test_outcomes_stand_in_one_order_everywhere() -> None:
    found = re.search(r"OUTCOMES: Outcome\[\] = \[(.*?)\]", (UI / "src" / "words.ts").read_text("utf-8"))
    assert found
    assert tuple(re.findall(r'"([^"]+)"', found.group(1))) == result.OUTCOMES
    assert set(result.OUTCOMES) == set(typing.get_args(result.Outcome))
    assert [result.worst(result.OUTCOMES[place:]) for place in range(4)] == list(result.OUTCOMES[:4])


def test_the_source_of_the_page_keeps_to_its_types(tmp_path: Path) -> None:
    if not (UI / "node_modules" / "typescript").is_dir():
        pytest.skip("the packages of the page are not installed (make ui)")
    pytest.importorskip("hatchling", reason="the build of the page needs hatchling")
    sys.path.insert(0, str(ROOT))
    try:
        import hatch_build
    finally:
        sys.path.remove(str(ROOT))
    hatch_build.types(ROOT)
    copy = tmp_path / "ui"
    shutil.copytree(UI, copy, ignore=shutil.ignore_patterns("node_modules"))
    (copy / "node_modules").symlink_to(UI / "node_modules")
    text = (copy / "src" / "types.ts").read_text("utf-8")
    (copy / "src" / "types.ts").write_text(text.replace("  metric: string;\n", ""), "utf-8")
    with pytest.raises(TypeError, match="metric"):
        hatch_build.types(tmp_path)
