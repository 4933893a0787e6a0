"""Virtual environments for models that need other versions than ours: built once from requirements, and kept by their digest.

``built(requirements) -> Environment`` (``python``, ``installed``). Requirements are written by whoever made the model: only names and
versions are taken from them, never addresses, paths or options of pip. Only ``isolation`` uses this module.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.errors import ConfigError, ModelError, listed
from assay.model.process import environ

__all__ = ["Environment", "built", "cache", "path_to_assay"]

# What assay needs there; the model's own versions win. Later pyarrow refuses numpy 1, and its metadata do not say so.
NEEDED = {"numpy": "numpy", "pyarrow": "pyarrow>=16,<21"}
LINE = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[A-Za-z0-9._,\s-]*\])?\s*([<>=!~]=?=?[A-Za-z0-9.*+!_<>=~,\s-]*)?\s*"
                  r"(;[^#@:/\\]*)?")
HASH = re.compile(r"\s+--hash=sha\d+:[0-9a-f]+")
LONGEST = 3600.0   # seconds of pip
OFFLINE = re.compile(r"establish a new connection|name resolution|Max retries|timed out|Connection refused|Network is unreachable|"
                     r"No matching distribution found.*\(from versions: none\)|from versions: none", re.IGNORECASE)


@dataclass(frozen=True)
class Environment:
    """A virtual environment: its interpreter, and what is installed in it as ``name==version``."""

    python: Path
    installed: tuple[str, ...]


def cache() -> Path:
    """Return the folder for what can be made again: ASSAY_CACHE, else the user's cache."""
    said = os.environ.get("ASSAY_CACHE")
    return Path(said) if said else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "assay"


def built(requirements: Any, *, where: str) -> Environment:
    """Return the environment of a requirements file (or of its lines), built where it is not there yet.

    Warns, before it installs, of what is installed. Raises ``ConfigError`` for lines that are more than names and versions, and
    ``ModelError`` where the packages cannot be had.
    """
    wanted = _lines(requirements, where)
    # the same lines mean other files for another Python or another machine
    told = json.dumps([wanted, sys.version_info[:2], sys.implementation.name, platform.machine(), sys.platform])
    place = cache() / "environments" / hashlib.sha256(told.encode()).hexdigest()[:32]
    if not (place / "installed.json").is_file():
        warnings.warn(f"{where}: building an environment of its own for the model, with {', '.join(wanted)}", stacklevel=2)
        _build(place, wanted, where)
    return Environment(place / "bin" / "python", tuple(json.loads((place / "installed.json").read_text("utf-8"))))


def path_to_assay() -> Path:
    """Return a folder that holds nothing but assay, for a Python that must not see what else is installed beside it."""
    source = Path(__file__).resolve().parents[1]
    place = cache() / "path" / hashlib.sha256(str(source).encode()).hexdigest()[:16]
    place.mkdir(parents=True, exist_ok=True)
    if not (place / "assay").exists():
        with contextlib.suppress(FileExistsError):
            (place / "assay").unlink(missing_ok=True)   # a link that leads nowhere any more
            (place / "assay").symlink_to(source, target_is_directory=True)
    return place


def _lines(requirements: Any, where: str) -> list[str]:
    if isinstance(requirements, str | os.PathLike):
        path = Path(requirements)
        try:
            text = path.read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"the requirements cannot be read ({type(error).__name__})", where=str(path), expected="a file") from error
        given = text.replace("\\\n", " ").splitlines()
    elif isinstance(requirements, Sequence) and all(isinstance(each, str) for each in requirements):
        given = list(requirements)
    else:
        raise ConfigError(f"requirements is {requirements!r}", where=where, expected="the path of a requirements file")
    found = []
    for line in given:
        plain = re.sub(r"(^|\s)#.*", "", line).strip()
        if not plain:
            continue
        if LINE.fullmatch(HASH.sub("", plain)) is None:
            raise ConfigError(f"the line '{plain[:80]}' is more than a package and its version", where=where,
                              expected="lines such as scikit-learn==1.3.2",
                              hint="build the environment yourself and name its interpreter: python=PATH")
        found.append(plain)
    names = {re.sub(r"[-_.]+", "-", LINE.match(each)["name"].lower()) for each in found}  # type: ignore[index]
    if not names:
        raise ConfigError("the requirements name no package", where=where)
    return [*found, *(line for name, line in NEEDED.items() if name not in names)]


def _build(place: Path, wanted: list[str], where: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix="making-", dir=place.parent))   # renamed when whole: nobody sees half of one
    try:
        _run([sys.executable, "-m", "venv", str(making)], where)
        python = str(making / "bin" / "python")
        (making / "requirements.txt").write_text("\n".join(wanted) + "\n", "utf-8")
        _run([python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet", "--requirement",
              str(making / "requirements.txt")], where)
        installed = _run([python, "-m", "pip", "list", "--disable-pip-version-check", "--format=json"], where)
        known = sorted(f"{each['name']}=={each['version']}" for each in json.loads(installed) if each["name"] not in ("pip", "setuptools"))
        (making / "installed.json").write_text(json.dumps(known), "utf-8")
        with contextlib.suppress(OSError):   # somebody else was faster
            making.rename(place)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    if not (place / "installed.json").is_file():
        raise ModelError("the environment could not be put in its place", where=str(place), expected="a folder that can be written")


def _run(command: list[str], where: str) -> str:
    settings = [name for name in os.environ if re.fullmatch(r"(?i)PIP_\w+|(https?|all|no)_proxy|SSL_CERT_\w+|REQUESTS_CA_BUNDLE", name)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST,  # noqa: S603 (built above; no shell)
                              env=environ(settings, PYTHONNOUSERSITE="1"), stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelError(f"the environment cannot be built ({type(error).__name__})", where=where) from error
    if done.returncode == 0:
        return done.stdout
    lines = [each.strip() for each in (done.stderr + "\n" + done.stdout).splitlines() if each.strip().upper().startswith("ERROR")]
    told = listed(lines[:2] or done.stderr.splitlines()[-1:])
    if OFFLINE.search(done.stderr + done.stdout):
        raise ModelError(f"the environment cannot be built: the packages cannot be fetched ({told[:400]})", where=where,
                         expected="a connection to a package index that has them",
                         hint="connect once, as it is kept; or name an interpreter that has the packages: python=PATH")
    raise ModelError(f"the environment cannot be built: pip says {told[:400]}", where=where)
