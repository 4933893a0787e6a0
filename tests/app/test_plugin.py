"""`pytest --assay` on real files: what passes, what fails and how it is told, and what it costs others.

A pytest within pytest is quick; the example and several processes are run as a user would.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from assay.app.plugin import _SUFFIXES
from assay.verbs.behaviour.specification import SUFFIXES
from tests.structure.imports import SOURCE

CONFTEST = """
import numpy as np, pandas as pd, pytest
from sklearn.tree import DecisionTreeRegressor

@pytest.fixture(scope="session")
def assay_data():
    return pd.DataFrame({"x": np.arange(0.0, 10, 0.05), "word": ["a", "b"] * 100})

@pytest.fixture(scope="session")
def assay_model(assay_data):
    x = assay_data[["x"]]
    return DecisionTreeRegressor(random_state=0).fit(x, np.where(x["x"] < 7.4321, x["x"], x["x"] - 5))
"""
TESTS = """
tests:
  - {name: small stays small, kind: case, where: x < 1, expect: value <= 1}
  - {name: more is more, kind: direction, change: {x: {add: 4}}, expect: not lower}
  - {name: two cases say little, kind: functionality, cases: [{x: 1.0}, {x: 2.0}], expect: value < 5, at_least: 95%}
  - {name: no answer, kind: invariance, change: {x: {set: 1.0}}, where: x > 50}
"""


@dataclass(frozen=True)
class Ended:
    returncode: int
    stdout: str


def named() -> list[str]:
    """Name the plugin where the environment was made before it had an entry point."""
    return [] if any(each.name == "assay" for each in entry_points(group="pytest11")) else ["-p", "assay.app.plugin"]


def run(folder: Path, *arguments: str) -> Ended:
    """Run pytest on a folder, in this process."""
    said = io.StringIO()
    before = Path.cwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(said), pytest.MonkeyPatch.context() as patch:
            patch.setenv("COLUMNS", "300")
            patch.delenv("PYTEST_ADDOPTS", raising=False)
            code = pytest.main(["-p", "no:cacheprovider", "--import-mode=importlib", *named(), *arguments])
    finally:
        os.chdir(before)
    return Ended(int(code), said.getvalue())


def run_apart(folder: Path, *arguments: str) -> Ended:
    """Run it in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE.parent), "COLUMNS": "300", "PYTEST_ADDOPTS": ""}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *named(), *arguments]
    found = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return Ended(found.returncode, found.stdout)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("plugin")
    (place / "conftest.py").write_text(CONFTEST, "utf-8")
    (place / "deep").mkdir()
    (place / "deep" / "model.assay.yaml").write_text(TESTS, "utf-8")
    (place / "test_plain.py").write_text("def test_plain(): pass\n", "utf-8")
    (place / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n", "utf-8")
    return place


def test_a_run_tells_each_test_in_a_sentence(folder, tmp_path):
    report = tmp_path / "junit.xml"
    found = run(folder, "--assay", "-rs", "-v", f"--junit-xml={report}")
    assert found.returncode == 1, found.stdout
    assert re.search(r"2 failed, 2 passed, 1 skipped", found.stdout), found.stdout
    told = re.search(r"more is more: \d+ of 200 rows fail .*smallest change: row \d+ with x (\S+) -> (\S+): the value goes from (\S+) to (\S+?);", found.stdout)
    assert told, found.stdout
    before, after, old, new = map(float, told.groups())
    assert before < 7.43 < after + 0.025   # across the fault: the tree cuts halfway between two rows
    assert after < before + 4              # in less than the step that was tried
    assert new < old
    assert "two cases say little: 2 of 2 cases right" in found.stdout
    assert "more would decide it" in found.stdout
    assert "no row is left where" in found.stdout
    assert "Traceback" not in found.stdout
    assert "plugin.py:" not in found.stdout.partition("FAILURES")[2].partition("short test summary")[0]
    cases = {each.get("name"): each for each in ET.parse(report).iter("testcase")}
    assert [name for name, each in cases.items() if each.find("failure") is not None] == ["more is more", "no answer"]
    assert cases["two cases say little"].find("skipped") is not None
    assert "smallest change" in ET.tostring(cases["more is more"], encoding="unicode")


@pytest.mark.parametrize(("arguments", "said"), [
    (["--assay", "-k", "small"], "1 passed"),
    (["--assay", "-k", "case"], "1 passed, 1 skipped"),    # the kind, and a name
    (["--assay", "-m", "not assay"], "1 passed"),
    (["--assay", "deep/model.assay.yaml::small stays small"], "1 passed"),
    (["--assay", "--assay-strict", "-k", "two"], "1 failed"),
    (["-v"], "1 passed"),                                    # nothing is collected without the option
])
def test_tests_are_chosen_as_others_are(folder, arguments, said):
    found = run(folder, *arguments)
    assert re.search(rf"=+ (\d+ deselected, )?{said}(, \d+ deselected)? in ", found.stdout), found.stdout


@pytest.mark.slow
def test_several_processes_share_the_tests(folder):
    found = run_apart(folder, "--assay", "-n", "2")
    assert "2 failed, 2 passed, 1 skipped" in found.stdout, found.stdout


def test_a_candidate_is_named_on_the_command_line(folder):
    import numpy as np
    from sklearn.linear_model import LinearRegression
    from skops.io import dump

    x = np.arange(0.0, 10, 0.5).reshape(-1, 1)
    dump(LinearRegression().fit(x, x[:, 0]), folder / "candidate.skops")
    found = run(folder, "--assay", "--assay-model", "candidate.skops", "-k", "more")
    assert "1 passed" in found.stdout, found.stdout


@pytest.mark.parametrize(("text", "said"), [
    ("tests: [{name: a, kind: cases}]", "line 1, column 19: there is no kind of test 'cases'"),
    ("tests: [", "this is not YAML"),
    ("tests: [{name: a, kind: case, expect: value > 0, change: {y: {add: 1}}}]", "there is no column 'y'"),
    ("model: gone.onnx\ntests: [{name: a, kind: case, expect: value > 0, cases: [{x: 1}]}]", "gone.onnx"),
])
def test_a_file_that_is_wrong_is_told_without_a_traceback(tmp_path, text, said):
    (tmp_path / "a.assay.yaml").write_text(text, "utf-8")
    if "gone" not in text:
        (tmp_path / "conftest.py").write_text(CONFTEST, "utf-8")
    found = run(tmp_path, "--assay")
    assert found.returncode in (1, 2)
    assert said in found.stdout, found.stdout
    assert "Traceback" not in found.stdout
    assert "raise " not in found.stdout


def test_the_example_passes(root):
    pytest.importorskip("pandas")
    found = run_apart(root, "--assay", "-c", os.devnull, "--rootdir", str(root / "examples" / "behaviour"), "examples/behaviour")
    assert found.returncode == 0, found.stdout
    assert "6 passed" in found.stdout, found.stdout


def test_whoever_does_not_use_it_pays_next_to_nothing():
    """The plugin is imported by every run of pytest: it loads nothing of assay but two empty packages."""
    code = ("import sys, pytest; before = set(sys.modules); import assay.app.plugin; "
            "print(*sorted(set(sys.modules) - before), sep='\\n')")
    environment = {**os.environ, "PYTHONPATH": str(SOURCE.parent)}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout.split()
    assert {each for each in found if each.startswith("assay")} == {"assay", "assay.app", "assay.app.plugin"}
    assert {each.partition(".")[0] for each in found} & {"numpy", "pyarrow", "scipy", "yaml", "click", "rich", "sklearn"} == set()
    assert len(found) < 10


def test_the_plugin_is_declared(root):
    import tomllib

    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"assay": "assay.app.plugin"}
    assert _SUFFIXES == SUFFIXES
