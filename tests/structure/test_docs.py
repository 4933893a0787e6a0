"""What is public is documented, what the documents name exists, and no file speaks of the machine it was written on."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.structure.imports import SOURCE, modules

MODULES = modules()
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "design", "bench/README.md")
# Letters in brackets, so that this file does not hold what it looks for.
FORBIDDEN = re.compile(r"(?<![\w.~$*/}-])/(?:[t]mp|[w]ork|[h]ome|[r]oot)(?:/|\b)")


def tree(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text("utf-8"))


def exported(module: ast.Module) -> list[str] | None:
    for node in module.body:
        targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
        if any(isinstance(each, ast.Name) and each.id == "__all__" for each in targets):
            return [each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    return None


def texts(root: Path, *names: str) -> dict[str, str]:
    paths = [path for name in names for path in ([root / name] if (root / name).is_file() else sorted((root / name).rglob("*")))]
    suffixes = {".py", ".md", ".toml", ".txt", ".yaml", ".json", ""}
    return {path.relative_to(root).as_posix(): path.read_text("utf-8") for path in paths
            if path.is_file() and path.suffix in suffixes and "__pycache__" not in path.parts}


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_says_what_it_is_for_and_what_it_exports(name: str) -> None:
    module = tree(name)
    assert ast.get_docstring(module), f"{name} has no docstring"
    public = exported(module)
    assert public is not None or len(module.body) == 1, f"{name} has no __all__"   # a package may be its docstring alone
    assert len(public or ()) == len(set(public or ()))


@pytest.mark.parametrize("name", sorted(MODULES))
def test_what_a_module_exports_is_documented(name: str) -> None:
    module = tree(name)
    public = set(exported(module) or ())
    defined = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    assert [each for each in sorted(public & defined.keys()) if not ast.get_docstring(defined[each])] == []


def test_make_commands_in_the_documents_exist(root) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text("utf-8"), flags=re.MULTILINE))
    for name, text in texts(root, *DOCUMENTS).items():
        code = re.findall(r"```.*?```", text, flags=re.DOTALL) + re.findall(r"`[^`\n]+`", text)
        named = {each for part in code for each in re.findall(r"\bmake ([a-z][a-z-]*)", part)}
        assert named <= targets, f"{name} names {sorted(named - targets)}"


def test_make_help_lists_every_target(root) -> None:
    alone = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}   # `make test` would speak up
    run = subprocess.run(["make", "help"], cwd=root, env=alone, capture_output=True, text=True, check=True)
    phony = next(line for line in (root / "Makefile").read_text("utf-8").splitlines() if line.startswith(".PHONY"))
    assert {line.split()[1] for line in run.stdout.splitlines()} == set(phony.split()[1:])


def test_assay_commands_in_the_documents_exist(root) -> None:
    shell = "".join(part for text in texts(root, *DOCUMENTS).values() for part in re.findall(r"```sh.*?```", text, flags=re.DOTALL))
    named = set(re.findall(r"^assay ([a-z]+)", shell, flags=re.MULTILINE))
    assert named
    for each in sorted(named):
        command = [sys.executable, "-m", "assay", each, "--help"]
        run = subprocess.run(command, cwd=SOURCE.parent, capture_output=True, text=True, check=False)
        assert run.returncode == 0, f"assay {each}: {run.stderr}"


def test_links_in_the_documents_lead_somewhere(root) -> None:
    for name, text in texts(root, *DOCUMENTS).items():
        for link in re.findall(r"\]\(([^)#]+)", text):
            assert "://" in link or ((root / name).parent / link).exists(), f"{name} links to {link}"


def test_files_named_in_the_documents_exist(root) -> None:
    for name, text in texts(root, *DOCUMENTS).items():
        paths = set(re.findall(r"`((?:src|tests|bench|requirements|design)/[\w/.-]*)`", text))
        assert {each for each in paths if not (root / each).exists()} == set(), f"in {name}"


def test_the_readme_lists_every_metric(root) -> None:
    code = "from assay.metric import METRICS; print(*METRICS)"   # a fresh process: doctests here may have added some
    listed = subprocess.run([sys.executable, "-c", code], cwd=SOURCE.parent, capture_output=True, text=True, check=True).stdout.split()
    section = (root / "README.md").read_text("utf-8").partition("## Metrics")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"`(\w+)`", section)) == listed


def test_every_extra_is_in_the_readme(root) -> None:
    extras = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    line = re.search(r"Extras: ([^.]*)\.", (root / "README.md").read_text("utf-8"))
    assert line
    assert re.findall(r"`(\w+)`", line[1]) == list(extras)


def test_every_design_page_is_in_the_index(root) -> None:
    index = (root / "design" / "README.md").read_text("utf-8")
    pages = {path.name for path in (root / "design").glob("*.md")} - {"README.md"}
    assert {page for page in pages if f"({page})" not in index} == set()


def test_no_file_names_a_path_of_one_machine(root) -> None:
    found = {name: FORBIDDEN.findall(text) for name, text in texts(
        root, "src", "tests", "bench", "requirements", "Makefile", "pyproject.toml", ".ci", *DOCUMENTS).items()}
    assert {name: each for name, each in found.items() if each} == {}


def test_the_search_for_paths_finds_them() -> None:
    assert FORBIDDEN.search(f"see {os.sep}tmp/x")
    assert FORBIDDEN.search(f"'{os.sep}work'")
    assert not FORBIDDEN.search("a/tmp, ../work, {root}/work, files/home")


def test_compiled_requirements_hold_names_and_hashes_only(root) -> None:
    for path in sorted((root / "requirements").glob("*.txt")):
        for line in path.read_text("utf-8").splitlines():
            pin, proof = r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==\S+( ;.*)? \\", r"    --hash=sha256:[0-9a-f]{64}( \\)?"
            assert re.fullmatch(f"{pin}|{proof}", line), f"{path.name}: {line}"


def test_what_is_compiled_covers_what_is_declared(root) -> None:
    declared = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    extras = declared["project"]["optional-dependencies"]
    groups = declared["dependency-groups"]
    # the group has xgboost-cpu; Keras is nothing without a backend of hundreds of megabytes; MLflow has an environment of its own in tests
    # and heavy frameworks are installed by `make test-formats` only
    apart = ("xgboost", "keras", "mlflow", "torch", "tensorflow", "jax", "transformers")
    wanted = [*declared["project"]["dependencies"], *groups["build"], *(each for each in groups["dev"] if isinstance(each, str)),
              *(each for name, extra in extras.items() if name not in apart for each in extra)]
    compiled = (root / "requirements" / "dev.txt").read_text("utf-8")
    pinned = {each.lower() for each in re.findall(r"^([\w.-]+)==", compiled, flags=re.MULTILINE)}
    missing = {re.split(r"[\s<>=!~;\[]", each)[0].lower() for each in wanted} - pinned - {"assay"}
    assert missing == set(), "run `make lock`"
    assert pinned & {"torch", "nvidia-nccl-cu12"} == set()
