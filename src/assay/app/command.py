"""The command ``assay``: parses, runs one command, and turns whatever happens into one sentence and an exit code.

``main`` is the entry point of the console script and of ``python -m assay``. Nothing here loads a slow library.
"""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Any, TextIO

import click

from assay import __version__
from assay.app.check import check
from assay.app.demo import demo
from assay.app.metrics import metrics
from assay.app.option import Group, State
from assay.errors import AssayError, without_secrets

__all__ = ["main"]

_CODES = """
0    pass, or warn
1    fail, or a check that could not be measured
2    wrong usage or bad input: one sentence on standard error, and no file written
3    inconclusive: too few rows to tell (fail beats it)
130  interrupted
"""


@click.group(cls=Group, invoke_without_command=False, no_args_is_help=False, parts={"Exit codes": _CODES})
@click.version_option(__version__, prog_name="assay", message="%(prog)s %(version)s")
def assay() -> None:
    """Tells you whether a model is good enough to ship.

    The model is a black box, every number has an interval, and one pass over the data serves every metric and every slice.
    Begin with `assay demo`, then `assay check --help`.
    """


for _command in (check, demo, metrics):
    assay.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit; ``arguments`` are those of the process unless given."""
    state = State()
    code = _run(list(sys.argv[1:] if arguments is None else arguments), state)
    _leave(code)


def _run(arguments: list[str], state: State) -> int:
    """Return the exit code of a command; whatever it raises is told here and nowhere else."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name that the terminal's encoding lacks is spelt out, not a crash
            stream.reconfigure(errors="backslashreplace")
    try:
        with _warnings_told(), assay.make_context("assay", arguments, obj=state) as context:
            code = assay.invoke(context)
            _flush(sys.stdout)
        return int(code or 0)
    except click.exceptions.Exit as error:
        return error.exit_code
    except BrokenPipeError:  # whoever read our output has seen enough; the verdict stands
        return state.code
    except KeyboardInterrupt:
        return _told("interrupted" + ("" if state.written else "; nothing was written"), state, 130)
    except click.ClickException as error:
        return _told(_sentence(error), state, 2)
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


def _sentence(error: click.ClickException) -> str:
    text = error.format_message().strip().rstrip(".")
    return text[:1].lower() + text[1:]


def _told(sentence: str, state: State, code: int) -> int:
    with contextlib.suppress(OSError, ValueError):  # standard error may be closed; the exit code still tells
        if state.debug and sys.exc_info()[0] is not None:
            click.echo(without_secrets(traceback.format_exc()), err=True, nl=False)
        from assay.app.layout import clean

        click.echo(f"assay: {clean(without_secrets(sentence))}", err=True)
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
            click.echo(f"assay: warning: {text}", err=True)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _flush(stream: TextIO | None) -> None:
    if stream is not None:
        stream.flush()


def _leave(code: int) -> None:
    """Exit, without the complaint that Python would make of a closed pipe."""
    try:
        _flush(sys.stdout)
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)
