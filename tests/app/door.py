"""Runs the real command in a process of its own, as a user would."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src"


def environment(**more: str) -> dict[str, str]:
    """Return an environment without what a terminal or another test left in it."""
    kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "PYTHONWARNINGS")}
    path = os.pathsep.join(filter(None, [more.pop("before", ""), str(SOURCE)]))
    return {**kept, "PYTHONPATH": path, "TERM": "xterm", "PYTHONIOENCODING": "utf-8", **more}


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "assay", *map(str, arguments)]


def assay(*arguments: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None,
          **rest: object) -> subprocess.CompletedProcess[str]:
    """Run ``assay`` with the arguments and return how it ended."""
    found = environment(**(env or {}))
    return subprocess.run(command(*arguments), cwd=cwd, env=found, capture_output=True, encoding="utf-8", timeout=120, check=False, **rest)


def sentence(run: subprocess.CompletedProcess[str]) -> str:
    """Return the one sentence on standard error of a command that was refused; nothing else may have been said."""
    assert run.returncode == 2, run
    assert run.stdout == ""
    lines = run.stderr.splitlines()
    assert len(lines) == 1, run.stderr
    assert "Traceback" not in run.stderr
    assert lines[0].startswith("assay: ")
    return lines[0].removeprefix("assay: ")
