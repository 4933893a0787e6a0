from __future__ import annotations

import subprocess
import sys

from tests.structure.imports import modules, unit


def test_the_picture_shows_every_package_and_what_it_imports(root) -> None:
    run = subprocess.run([sys.executable, "-m", "tests.structure.picture"], cwd=root, capture_output=True, text=True, check=True)
    lines = run.stdout.splitlines()
    assert {line.split()[1] for line in lines} == {unit(name) for name in modules()} - {"", "__main__"}
    assert next(line for line in lines if line.startswith("0  result")).endswith("modules)   -> errors(4), registry(1)")
    assert [line[0] for line in lines] == sorted((line[0] for line in lines), reverse=True)
