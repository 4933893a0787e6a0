"""What each library that reads models costs: megabytes to install, seconds to import, and what is read without any.

The table is Markdown, and stands in docs/methods/frameworks.md (`python -m tests.formats.matrix` asks for it). Megabytes are those of the
libraries of an extra as they are installed here, and with everything that they bring beyond assay itself; seconds are those of the
processor in a fresh process beyond those of Python alone, which a loaded machine disturbs little; the smallest of three. What is not
installed here is left out and named.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

# extra -> what is imported; xgboost-cpu and tensorflow-cpu hold the same modules as the plain packages
IMPORTED = {"pandas": "pandas", "polars": "polars", "skops": "skops.io", "xgboost": "xgboost", "lightgbm": "lightgbm", "catboost": "catboost",
            "onnx": "onnxruntime", "http": "httpx", "keras": "keras", "torch": "torch", "tensorflow": "tensorflow", "jax": "jax",
            "transformers": "transformers", "mlflow": "mlflow"}
TWIN = {"xgboost": "xgboost-cpu", "tensorflow": "tensorflow-cpu"}
#: read by assay itself: what is imported for it
OWN = {"PMML": "assay.model.pmml.format", "H2O MOJO": "assay.model.mojo", "folders of MLflow": "assay.model.mlflow",
       "a command, a router": "assay.model.command, assay.model.router"}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def held(name: str) -> str | None:
    """The distribution that is installed for a name, if one is."""
    for each in (name, TWIN.get(plain(name), name)):
        try:
            return plain(metadata.distribution(each).metadata["Name"])
        except metadata.PackageNotFoundError:
            continue
    return None


def needed(name: str, extra: str = "") -> list[str]:
    """The distributions that one asks for, with an extra or without, as far as they are installed."""
    found = []
    for text in metadata.requires(name) or []:
        each = Requirement(text)
        wanted = each.marker is None or each.marker.evaluate({"extra": extra})
        if wanted and (not extra or (each.marker is not None and not each.marker.evaluate({"extra": ""}))) and (there := held(each.name)):
            found.append(there)
    return found


def closure(names: list[str]) -> set[str]:
    seen, waiting = set(names), list(names)
    while waiting:
        more = set(needed(waiting.pop())) - seen
        seen |= more
        waiting += more
    return seen


def size(names: set[str]) -> float:
    """Megabytes on the disk."""
    places = {Path(str(each.locate())) for name in names for each in metadata.files(name) or []}
    return sum(each.stat().st_size for each in places if each.is_file()) / 1e6


def seconds(modules: str) -> float:
    """The processor's seconds of a fresh process that imports modules; infinite where it cannot."""
    best = float("inf")
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", f"import {modules}" if modules else "pass"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode == 0:
            best = min(best, used.ru_utime + used.ru_stime)
    return best


def main() -> None:
    core, bare = closure(needed("assay")), seconds("")
    ours = size({"assay", *core})
    print("| extra | libraries | MB | MB with what they need | seconds to import |\n|---|---|---|---|---|")
    print(f"| (assay itself) | {len(core)} libraries | {ours:.0f} | {ours:.0f} | {seconds('assay') - bare:.1f} |")
    absent = []
    for extra, module in IMPORTED.items():
        libraries = [each for each in needed("assay", extra) if not (extra == "transformers" and each == "torch")]
        if not libraries or not (spent := seconds(module)) < float("inf"):
            absent.append(extra)
            continue
        whole = closure(needed("assay", extra)) - core
        said = ", ".join(f"{each} {metadata.version(each)}" for each in libraries)
        print(f"| `{extra}` | {said} | {size(set(libraries)):.0f} | {size(whole):.0f} | {spent - bare:.1f} |", flush=True)
    before = seconds("assay.model.load")
    for what, modules in OWN.items():
        print(f"| (none) | {what}: read by assay itself | 0 | 0 | {max(0.0, seconds(f'assay.model.load, {modules}') - before):.1f} |")
    if absent:
        print(f"\nNot installed here, or not to be imported: {', '.join(f'`{each}`' for each in absent)}.")


if __name__ == "__main__":
    main()
