"""Texts written whole: a reader sees the old file or the new one, never half of it.

``write_whole`` for ``Run.save`` and whoever writes files beside it.
"""

from __future__ import annotations

from pathlib import Path

from assay.errors import ConfigError

__all__ = ["write_whole"]

def write_whole(path: Path, text: str) -> None:
    """Write ``text`` so that a reader sees the old file or the new one, never half of it."""
    import os
    import tempfile

    if path.exists() and not path.is_file() and not path.is_dir():  # a device or a pipe is written to, never replaced
        path.write_text(text, encoding="utf-8")
        return
    path = Path(os.path.realpath(path))  # a link stays a link
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent or ".", prefix=f".{path.name}.", text=False)
    except OSError as error:
        raise ConfigError(f"cannot write there ({error.strerror})", where=str(path), hint="does the folder exist?") from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise ConfigError(f"cannot write there ({error.strerror})", where=str(path)) from error
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
