"""The notebooks are the examples beside them, executed; and the examples still run."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = ["flights", "mortgage"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_notebook_is_the_example_beside_it(root: Path, name: str) -> None:
    cells = runpy.run_path(str(root / "examples" / "make.py"))["cells"]
    notebook = json.loads((root / "examples" / f"{name}.ipynb").read_text("utf-8"))
    kept = [(each["cell_type"], "".join(each["source"])) for each in notebook["cells"]]
    assert kept == cells((root / "examples" / f"{name}.py").read_text("utf-8"))
    assert all(each["outputs"] for each in notebook["cells"] if each["cell_type"] == "code"), "a cell shows nothing: run it again"


@pytest.mark.slow
def test_the_examples_run_and_say_what_the_notebooks_say(root: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(root / "examples" / "make.py"), str(tmp_path)], check=True, timeout=600)
    for name in EXAMPLES:
        old, new = (json.loads((folder / f"{name}.ipynb").read_text("utf-8")) for folder in (root / "examples", tmp_path))
        for mine, theirs in zip(old["cells"], new["cells"], strict=True):
            if mine["cell_type"] == "code":
                words = [[re.sub(r"[-\d.,]+", "#", json.dumps(each)) for each in cell["outputs"]] for cell in (mine, theirs)]
                assert words[0] == words[1]  # numbers may differ in their last digits between machines
