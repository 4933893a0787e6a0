"""Compiled loops: kept on disk for the next process where that can be written, and at work where it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytest.importorskip("numba", reason="numba is not installed")

# the real way to compile, over a loop that takes no seconds to
TRIED = """
import sys, time
sys.path.insert(0, sys.argv[1])
import tiny
from assay.loop import compiled
loop = compiled(tiny.twice)
assert loop(3) == 6
stats = loop.loop.stats
print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""


def tried(folder: Path, **more: str) -> list[int]:
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(TRIED), str(folder)], env={**os.environ, **more}, capture_output=True, text=True,
                         check=False)
    assert not run.returncode, run.stderr
    return list(map(int, run.stdout.split()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tiny.py").write_text("def twice(x):\n    return 2 * x\n")
    return tmp_path


def test_a_later_process_does_not_compile_again(folder: Path) -> None:
    cache = {"NUMBA_CACHE_DIR": str(folder / "cache")}
    assert tried(folder, **cache) == [0, 1]
    assert tried(folder, **cache) == [1, 0]


def test_where_nothing_can_be_written_it_is_compiled_in_the_process(folder: Path) -> None:
    """A file stands where the folders would be made, so that not even root can write."""
    (folder / "file").write_text("")
    (folder / "__pycache__").write_text("")
    nowhere = str(folder / "file" / "below")
    blocked = {"NUMBA_CACHE_DIR": nowhere, "HOME": nowhere, "XDG_CACHE_HOME": nowhere, "PYTHONDONTWRITEBYTECODE": "1"}
    assert tried(folder, **blocked)[0] == 0


def test_a_damaged_cache_is_no_error(folder: Path) -> None:
    cache = {"NUMBA_CACHE_DIR": str(folder / "cache")}
    tried(folder, **cache)
    for each in (folder / "cache").rglob("*.nb?"):
        each.write_bytes(b"damaged")
    assert tried(folder, **cache) == [0, 1]   # compiled in the process, without it
