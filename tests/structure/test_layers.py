"""Imports go down the layers that design/layers.md draws, and never round."""

from __future__ import annotations

import pytest

from tests.structure.imports import Import, cycle, graph, modules, unit
from tests.structure.layers import LAYERS, ONLY, ORDER, layer

UNITS = {unit(name) for name in modules()} - {"", "__main__"}   # the facade and the command's door stand above all
OURS = [each for each in graph() if each.target.split(".")[0] == "assay" and unit(each.source) in UNITS]


def complaint(each: Import) -> str | None:
    """Return what is wrong with an import inside assay, or None."""
    source, target = unit(each.source), unit(each.target)
    if source == target:
        return None
    if target in ("", "__main__"):
        return None if each.source in ("assay.result.run", "assay.app.command") else f"{each}: nothing inside asks the facade"
    if layer(source) == 0:
        allowed = target in ORDER[:ORDER.index(source)]
        return None if allowed else f"{each}: the ground floor is built in the order {', '.join(ORDER)}"
    if source in ONLY and target not in ONLY[source]:
        return f"{each}: {source} sees only {', '.join(sorted(ONLY[source]))}"
    if layer(target) == layer(source):
        return f"{each}: {source} and {target} stand on one line and do not know each other"
    return f"{each}: that is upwards" if layer(target) > layer(source) else None


def test_every_package_has_a_layer() -> None:
    placed = set().union(*LAYERS)
    assert UNITS <= placed, f"say in tests/structure/layers.py and design/layers.md where {sorted(UNITS - placed)} belongs"
    assert sum(map(len, LAYERS)) == len(placed)


def test_imports_go_down() -> None:
    assert [text for each in OURS if (text := complaint(each))] == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    edges: dict[str, set[str]] = {}
    for each in OURS:   # imports in functions count: they hide a cycle, they do not remove it
        if each.moment != "typing" and each.target != "assay":
            edges.setdefault(each.source, set()).add(each.target)
    found = cycle(edges)
    assert found is None, " -> ".join(found or ())


@pytest.mark.parametrize(("source", "target", "word"), [
    ("assay.data.source", "assay.model.model", "upwards"),
    ("assay.engine.plan", "assay.metric.drift", "one line"),
    ("assay.check.verdict", "assay.summary.profile", "sees only"),
    ("assay.metric.drift", "assay.data.schema", "sees only"),
    ("assay.errors", "assay.result", "ground floor"),
    ("assay.registry", "assay.data.schema", "ground floor"),
    ("assay.verbs.check", "assay", "facade"),
])
def test_a_wrong_import_is_found(source: str, target: str, word: str) -> None:
    assert word in (complaint(Import(source, target, 1, "import")) or "")


@pytest.mark.parametrize(("source", "target"), [
    ("assay.result", "assay.errors"), ("assay.app.command", "assay.data.source"), ("assay.check.verdict", "assay.result"),
    ("assay.data.slice", "assay.data.schema"), ("assay.metric.drift", "assay.summary.histogram"),
])
def test_a_right_import_is_not(source: str, target: str) -> None:
    assert complaint(Import(source, target, 1, "import")) is None


def test_the_drawing_is_the_table(root) -> None:
    text = (root / "design" / "layers.md").read_text("utf-8")
    drawn = [set(line.split()[1:]) for line in text.splitlines() if line[:1].isdigit() and line[1:2] == " "]
    assert list(reversed(drawn)) == [set(line) for line in LAYERS]
