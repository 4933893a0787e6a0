"""Where a run goes: files, refused before the work where they cannot be and written all or none, and the screen.

``files_of(outputs, inputs)`` before the work; after it ``put(run, ...)`` writes the files, and JSON or a drawing to standard output.
``writable`` and ``write`` are the same for texts of any kind. For the commands of this package.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.app.state import State
from assay.errors import ConfigError

if TYPE_CHECKING:
    from assay.result import Run

__all__ = ["files_of", "json_of", "put", "show", "shown", "writable", "write", "written"]


#: the renderer of each output that is not JSON
_FORMATS = {"html": "html", "junit": "xml", "markdown": "md", "card": "card"}


def files_of(outputs: Mapping[str, str | None], inputs: list[Any]) -> dict[str, Path]:
    """Return where to write which format; raises ``ConfigError`` where that cannot be, before the long work."""
    for kind, name in outputs.items():
        if name == "-" and kind != "json":
            raise ConfigError("standard output is for --json only", where=f"--{kind}", expected="the name of a file")
    files = {kind: Path(name) for kind, name in outputs.items() if name is not None and name != "-"}
    paths = [each["uri"] if isinstance(each, Mapping) else each for each in inputs if each]
    known = {_place(Path(each)): each for each in paths if "://" not in each}
    taken: dict[Path, str] = {}
    for kind, path in files.items():
        place = _place(path)
        if place in known:
            raise ConfigError("this file is read, so it cannot be written", where=f"--{kind} {path}", expected="another name")
        if place in taken:
            raise ConfigError(f"--{taken[place]} and --{kind} name the same file", where=str(path), expected="two files")
        taken[place] = kind
    writable(files.values())
    return files


def put(run: Run, files: Mapping[str, Path], state: State, *, json: str | None, draw: Callable[[], None]) -> None:
    """Write a run to its files, and then to standard output: as JSON where ``json`` is ``-``, else as ``draw`` does."""
    written(run, files, state)
    if json == "-":
        sys.stdout.write(json_of(run) + "\n")
        sys.stdout.flush()
    else:
        draw()


def shown(run: Run, files: Mapping[str, Path], state: State, lines: Callable[..., Any], *, json: str | None, plain: bool,
          **how: Any) -> int:
    """Write a run to its files and to standard output, there drawn by ``lines(run, screen, **how)``; return its exit code."""
    from assay.app.layout import Terminal, drawn

    def draw() -> None:
        screen = Terminal.of(sys.stdout, plain=plain)
        drawn(lines(run, screen, **how), screen)

    state.code = run.exit_code
    put(run, files, state, json=json, draw=draw)
    return run.exit_code


def show(run: Run, *, plain: bool = False, quiet: bool = False) -> None:
    """Draw a run on standard output, or only its verdict."""
    from assay.app.layout import Terminal, drawn
    from assay.app.terminal import headline, lines

    screen = Terminal.of(sys.stdout, plain=plain)
    drawn(headline(run, screen) if quiet else lines(run, screen), screen)


def written(run: Run, files: Mapping[str, Path], state: State) -> None:
    """Write a run to the files that were asked for, all or none."""
    if files:
        from assay.result import RENDERERS

        # everything is rendered before the first is written
        write({path: json_of(run) + "\n" if kind == "json" else RENDERERS[_FORMATS[kind]](run) for kind, path in files.items()})
        state.written = True


def json_of(run: Run) -> str:
    """Return a run as the JSON text that every command writes."""
    return json.dumps(run.to_json(), indent=1, ensure_ascii=False, allow_nan=False)


def _place(path: Path) -> Path:
    """Return where a path leads; a link that leads in a circle is what it is called."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path.absolute()


def writable(paths: Iterable[Path]) -> None:
    """Raise ``ConfigError`` where a file could not be written, by trying: permissions do not tell of full or read-only disks."""
    for path in paths:
        if path.is_dir():
            raise ConfigError("this is a folder", where=str(path), expected="the name of a file to write")
        if _stream(path):
            continue
        try:
            with tempfile.TemporaryFile(dir=path.parent):
                pass
        except OSError as error:
            missing = not path.parent.is_dir()
            why = f"there is no folder '{path.parent}'" if missing else str(error.strerror)
            raise ConfigError(f"cannot write there, {why}", where=str(path), hint="make the folder first" if missing else None) from error


def write(texts: Mapping[Path, str]) -> None:
    """Write every text to its file, or none: what was there before comes back if one cannot be written.

    A reader sees an old file or a new one, never half of one.
    """
    streams = {path: text for path, text in texts.items() if _stream(path)}
    texts = {Path(os.path.realpath(path)): text for path, text in texts.items() if path not in streams}  # a link stays a link
    staged: dict[Path, Path] = {}
    kept: dict[Path, Path | None] = {}
    try:
        for path, text in texts.items():
            staged[path] = _beside(path, text.encode("utf-8"))
        for path in staged:
            kept[path] = _beside(path, path.read_bytes()) if len(staged) > 1 and path.is_file() else None
        done: list[Path] = []
        try:
            for path, temporary in staged.items():
                os.replace(temporary, path)
                done.append(path)
        except BaseException:
            if len(staged) > 1:
                _undo(done, kept)
            raise
    except OSError as error:
        raise ConfigError(f"cannot write there ({error.strerror})", where=str(error.filename2 or error.filename or next(iter(texts))),
                          hint="none of the files was written") from error
    else:
        for path, text in streams.items():  # a device or a pipe is written to, never replaced
            with path.open("w", encoding="utf-8") as file:
                file.write(text)
    finally:
        for temporary in (*staged.values(), *filter(None, kept.values())):
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def _stream(path: Path) -> bool:
    """Whether a path is there and no ordinary file, such as /dev/stdout or a pipe."""
    return path.exists() and not path.is_file()


def _undo(done: Iterable[Path], kept: Mapping[Path, Path | None]) -> None:
    for path in done:
        before = kept[path]
        if before is None:
            path.unlink(missing_ok=True)
        else:
            os.replace(before, path)


def _beside(path: Path, data: bytes) -> Path:
    """Write ``data`` to a temporary file in the folder of ``path``, with the permissions of a new file, or of the old one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, path.stat().st_mode & 0o777 if path.is_file() else 0o666 & ~mask)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)
