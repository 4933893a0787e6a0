"""The public surface: every name resolves, type checkers see the same names, and a verb may share its name with a package."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from types import ModuleType

import pytest

import assay
from tests.structure.imports import SOURCE

NAMES = [name for name in assay.__all__ if not name.startswith("_")]
CALL = """
try:
    verb()
except ValueError as error:   # the verb's own: it wants a model and data
    print("there are no data" in str(error))
import assay, inspect
print(inspect.signature(assay.check) == inspect.signature(assay._found("check")), assay.check.expression.parse.__name__)
"""
FACADE = ast.parse((SOURCE / "__init__.py").read_text("utf-8"))


def run(code: str) -> str:
    """Return what a fresh interpreter prints: what this process has imported must not help."""
    return subprocess.run([sys.executable, "-c", code], cwd=SOURCE.parent, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("name", NAMES)
def test_every_name_resolves(name: str) -> None:
    found = getattr(assay, name)
    module, _, attribute = assay._TARGETS[name].partition(":")
    wanted = importlib.import_module(module)
    assert found is (getattr(wanted, attribute) if attribute else wanted) or name in assay._SHARED
    assert found.__doc__


def test_names_are_sorted_and_listed() -> None:
    assert NAMES == sorted(NAMES)
    assert dir(assay) == sorted(assay.__all__)


def test_type_checkers_see_the_same_names() -> None:
    block = next(node for node in FACADE.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    typed = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        typed |= {each.asname: f"{node.module}{'.' if node.module == 'assay' else ':'}{each.name}" for each in node.names}
    assert typed == assay._TARGETS


def test_an_unknown_name_says_which_is_near() -> None:
    with pytest.raises(AttributeError, match="did you mean 'load'"):
        assay.laod  # noqa: B018
    assert not hasattr(assay, "__wrapped__")


def test_shared_names_are_those_of_packages() -> None:
    packages = {path.stem for path in SOURCE.iterdir() if path.is_dir() or path.suffix == ".py"}
    assert {name for name, target in assay._TARGETS.items() if ":" in target} & packages == assay._SHARED


@pytest.mark.parametrize("name", sorted(assay._SHARED))
def test_a_shared_name_is_package_and_verb(name: str) -> None:
    verb = getattr(importlib.import_module(assay._TARGETS[name].partition(":")[0]), name)
    both = getattr(assay, name)
    assert isinstance(both, ModuleType)
    assert both is sys.modules[f"assay.{name}"]
    assert callable(both)
    assert assay._found(name) is verb


@pytest.mark.parametrize("order", [
    "import assay.check.expression; import assay; verb = assay.check",
    "import assay; verb = assay.check; import assay.check.expression",
    "import assay.verbs.check; import assay.check.expression; import assay; verb = assay.check",
    "from assay import check as verb; import assay.check.expression",
    "from assay.check import expression; from assay import check as verb; import assay.check.expression as again",
])
def test_the_check_verb_is_callable_in_any_order(order: str) -> None:
    assert run(f"{order}\n{CALL}").split() == ["True", "True", "parse"]


@pytest.mark.parametrize("order", [
    "import assay",
    "import assay.metric; import assay",
    f"import {assay._TARGETS['metric'].partition(':')[0]}; import assay",
])
def test_the_metric_decorator_is_callable_in_any_order(order: str) -> None:
    assert run(f"{order}\nprint(callable(assay.metric), assay.metric.__name__)") == "True assay.metric"


def test_the_version_is_said_once(root) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["dynamic"] == ["version"]
    assert (root / project["tool"]["hatch"]["version"]["path"]).samefile(SOURCE / "__init__.py")
    assert re.findall(r"^## (\S+)", (root / "CHANGELOG.md").read_text("utf-8"), flags=re.MULTILINE)[0] == assay.__version__


def test_the_package_is_typed() -> None:
    assert (SOURCE / "py.typed").is_file()
