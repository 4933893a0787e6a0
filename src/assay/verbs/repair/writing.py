"""Where a repaired model goes: refused before the work where it cannot be, and written whole.

``refuse(output, ...)`` before, ``write(model, ...)`` after. ``repair`` uses it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.errors import ConfigError
from assay.model.model import Model
from assay.model.refit import dumped
from assay.model.thresholds import Grouped, written

__all__ = ["refuse", "write"]


def refuse(output: str | Path | None, remedy: str, model: Any, others: Sequence[Any]) -> Path | None:
    """Return where to write, None where nowhere; raises ``ConfigError`` for what is there already, or cannot be what its name says."""
    if output is None:
        return None
    place = Path(output)
    ending = ".json" if remedy == "thresholds" else ".joblib"
    if place.suffix.lower() != ending:
        raise ConfigError(f"{place.name} cannot hold what {remedy} makes", where="output", expected=f"a name that ends in {ending}")
    if not place.parent.is_dir():
        raise ConfigError(f"there is no folder {place.parent}", where="output", hint="make the folder first")
    inputs = [each for each in (_file(model), *map(_file, others)) if each is not None]
    if place.exists() and any(each.exists() and place.samefile(each) for each in inputs):
        raise ConfigError("this file is read, so it cannot be written", where=str(place), expected="another name")
    if place.exists():
        raise ConfigError("there is a file already", where=str(place), expected="a new name", hint="a model is never overwritten")
    if remedy == "thresholds" and (_file(model) is None or not _file(model).is_file()):   # type: ignore[union-attr]
        raise ConfigError("thresholds are saved beside the file of the model, and it has none", where="output",
                          expected="a model that was given as a file", hint="save the model first, and name its file")
    return place


def write(model: Model, original: Any, place: Path) -> None:
    """Write a repaired model, whole or not at all."""
    if isinstance(model, Grouped):
        data = written(model, _file(original) or "", place).encode()
    else:
        data = dumped(model)
    handle, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name[:100]}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)
        os.link(name, place)   # never over what somebody wrote meanwhile
    except OSError as error:
        raise ConfigError(f"cannot write there ({error.strerror})", where=str(place)) from error
    finally:
        Path(name).unlink(missing_ok=True)


def _file(given: Any) -> Path | None:
    given = given.get("uri") if isinstance(given, Mapping) else given
    return Path(given) if isinstance(given, str | Path) and "://" not in str(given) else None
