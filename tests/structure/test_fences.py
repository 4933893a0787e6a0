"""Third-party libraries stay where fences.py says, and what is optional stays optional."""

from __future__ import annotations

import ast
import fnmatch
import re
import subprocess
import sys
import tomllib

import pytest

from tests.structure.fences import CORE, HOST, OPTIONAL
from tests.structure.imports import SOURCE, Import, graph, modules

FENCES = CORE | OPTIONAL | HOST
LOWEST = ("errors.py", "registry.py", "loop.py", "result/*", "__init__.py", "__main__.py")
PLACE = {name: path.relative_to(SOURCE).as_posix() for name, path in modules().items()}
FOREIGN = [each for each in graph() if each.target.split(".")[0] not in {"assay", *sys.stdlib_module_names}]


def complaint(each: Import, place: str) -> str | None:
    """Return what is wrong with the import of a library in the file ``place``, or None."""
    library = each.target.split(".")[0]
    if library not in FENCES:
        return f"{each}: no fence is set up for '{library}'; see tests/structure/fences.py"
    if each.moment == "typing":
        return None
    if not any(fnmatch.fnmatch(place, glob) for glob in FENCES[library].places):
        return f"{each}: '{library}' belongs in {', '.join(FENCES[library].places)}"
    if each.moment == "import" and library in OPTIONAL:
        return f"{each}: an optional library is imported in functions"
    if each.moment == "import" and FENCES[library].late:
        return f"{each}: a library that is slow to load is imported in functions"
    if each.moment == "import" and any(fnmatch.fnmatch(place, glob) for glob in LOWEST):
        return f"{each}: the lowest line loads no library"
    return None


@pytest.fixture(scope="module")
def project(root) -> dict:
    return tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]


def test_libraries_stay_inside_their_fences() -> None:
    assert [text for each in FOREIGN if (text := complaint(each, PLACE[each.source]))] == []


@pytest.mark.parametrize(("target", "moment", "place", "word"), [
    ("paddle", "call", "model/_paddle.py", "no fence"),
    ("pandas", "call", "metric/drift.py", "belongs in"),
    ("lightgbm.basic", "import", "model/_lightgbm.py", "in functions"),
    ("sklearn.tree", "import", "screen/baseline.py", "slow to load"),
    ("scipy.special", "import", "result/run.py", "lowest line"),
    ("click", "import", "verbs/check.py", "belongs in"),
])
def test_a_library_outside_is_found(target: str, moment: str, place: str, word: str) -> None:
    assert word in (complaint(Import("assay.x", target, 1, moment), place) or "")


def test_one_module_reads_yaml() -> None:
    assert len({each.source for each in FOREIGN if each.target.split(".")[0] == "yaml"}) <= 1


def test_core_libraries_are_the_dependencies(project) -> None:
    assert names(project["dependencies"]) == {fence.distribution.lower() for fence in CORE.values()}


def test_optional_libraries_are_in_their_extra(project) -> None:
    extras = project["optional-dependencies"]
    for fence in OPTIONAL.values():
        assert fence.distribution in names(extras[fence.extra]), f"the extra '{fence.extra}' does not bring {fence.distribution}"
        listed = fence.extra in re.split(r"[\[\],]", extras["all"][0])
        assert listed != fence.apart, f"the extra 'all' and the fence of {fence.extra} contradict each other"


def test_hints_name_an_extra_that_exists(project) -> None:
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "MissingExtraError.of" and isinstance(node.args[0], ast.Constant):
                given = [*node.args[2:], *(each.value for each in node.keywords if each.arg == "extra")]
                extra = given[0].value if given and isinstance(given[0], ast.Constant) else node.args[0].value
                assert given or extra in project["optional-dependencies"], f"{name}:{node.lineno} hints at the extra '{extra}'"
                assert extra in project["optional-dependencies"], f"{name}:{node.lineno} hints at the extra '{extra}'"


def test_every_dependency_has_its_line(root) -> None:
    text = (root / "design" / "dependencies.md").read_text("utf-8")
    listed = set(re.findall(r"^\| `([^`]+)`", text, flags=re.MULTILINE))
    assert {fence.distribution for fence in FENCES.values()} <= listed


@pytest.mark.parametrize("module", ["assay", "assay.errors", "assay.registry", "assay.result"])
def test_importing_loads_no_library(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    run = subprocess.run([sys.executable, "-c", code], cwd=SOURCE.parent, capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert "assay" in loaded
    assert loaded & {*FENCES, "numba", "torch"} == set()


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\s<>=!~;\[]", each)[0].lower() for each in requirements}
