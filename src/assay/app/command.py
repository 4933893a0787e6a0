"""The command ``assay``: parses, runs one command, and turns whatever happens into one sentence and an exit code.

``main`` is the entry point of the console script and of ``python -m assay``. Nothing here loads a slow library.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Any, TextIO

from assay import __version__
from assay.app.state import INTERRUPTED, State
from assay.errors import AssayError, without_secrets

__all__ = ["main"]

def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit; ``arguments`` are those of the process unless given."""
    # Models compute with OpenMP, whose threads by default spin while they wait: beside other work that costs many times the work
    # itself (training the demonstration's trees took 45 s in place of 7). Must stand before a library reads it.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # What a command makes lives until its end, in no cycles; to look through it again and again takes a tenth of a wide check's time.
    gc.set_threshold(200_000, 50, 100)
    code = _run(list(sys.argv[1:] if arguments is None else arguments), State(version=__version__))
    _close(sys.stdout)
    if code == INTERRUPTED and arguments is None:
        # Now, and with this code: Python would wait for threads, and where the interrupt fell into an eval() of a library it would
        # forget the code and die of the signal.
        _close(sys.stderr)
        os._exit(code)
    sys.exit(code)


def _run(arguments: list[str], state: State) -> int:
    """Return the exit code of a command; whatever it raises is told here and nowhere else."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name that the terminal's encoding lacks is spelt out, not a crash
            stream.reconfigure(errors="backslashreplace")
    try:
        from assay.app.tree import run

        with _warnings_told():
            code = run(arguments, state)
            _flush(sys.stdout)
    except BrokenPipeError:  # whoever read our output has seen enough; the verdict stands
        return state.code
    except KeyboardInterrupt:
        left = state.left or ("" if state.written else "nothing was written")
        return _told("interrupted" + (f"; {left}" if left else ""), state, INTERRUPTED)
    except AssayError as error:
        return _told(str(error), state, 2)
    except MemoryError:
        return _told("there is not enough memory; hint: check fewer rows (--where), or fewer slices and columns at a time", state, 2)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _told(f"{place}{error.strerror or error}", state, 2)
    except Exception as error:  # noqa: BLE001  (the last door: what comes here is a fault of assay)
        what = " ".join(f"{type(error).__name__}: {error}".split())
        return _told(f"this is a fault in assay {__version__} ({what[:500]}); hint: run it again with --debug and report what that prints",
                     state, 2)
    else:
        return code


def _told(sentence: str, state: State, code: int) -> int:
    with contextlib.suppress(OSError, ValueError):  # standard error may be closed; the exit code still tells
        if state.debug and sys.exc_info()[0] is not None:
            _say(without_secrets(traceback.format_exc()))
        from assay.app.layout import clean

        _say(f"assay: {clean(without_secrets(sentence))}\n")
    return code


@contextlib.contextmanager
def _warnings_told() -> Any:
    """Show each warning of a library once, as a sentence without the file and line that it came from."""
    seen: set[str] = set()

    def show(message: Warning | str, category: type[Warning], filename: str, lineno: int, file: TextIO | None = None,
             line: str | None = None) -> None:
        from assay.app.layout import clean

        text = clean(without_secrets(str(message)))[:400]
        if text not in seen:
            seen.add(text)
            _say(f"assay: warning: {text}\n")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _say(text: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(text)
        sys.stderr.flush()


def _flush(stream: TextIO | None) -> None:
    if stream is not None:
        stream.flush()


def _close(stream: TextIO | None) -> None:
    """Flush a stream for the last time, without the complaint that Python would make of a closed pipe when it exits."""
    try:
        _flush(stream)
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno() if stream is not None else 1)
