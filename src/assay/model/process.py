"""A program of somebody else as a child process: asked over pipes, with limits on time, memory and output, and its last words kept.

``Child`` is the interface. Only ``isolation`` and ``command`` use this module. Linux and macOS only: it waits for several pipes at once.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from assay.errors import ConfigError, ModelError, PredictionError, without_secrets

__all__ = ["Child", "Limits", "environ", "last_words"]

KEPT = 16_384        # bytes of standard error
PIPE = 2**20         # what Linux gives an ordinary user; its usual 64 KiB mean a switch of processes for each
WATCHED = 0.05       # seconds between two looks at the memory
# What a program needs to run at all. Everything else in the environment, secrets first, is not its business.
PASSED = re.compile(r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|TEMP|TMP|LD_LIBRARY_PATH|DYLD_\w+|JAVA_HOME|R_HOME|"
                    r"R_LIBS\w*|\w+_NUM_THREADS|OMP_\w+|KMP_\w+|CUDA_VISIBLE_DEVICES|XDG_CACHE_HOME|SOURCE_DATE_EPOCH")
SIGNALS = {signal.SIGSEGV: "it broke down: segmentation fault", signal.SIGABRT: "it aborted", signal.SIGKILL:
           "it was killed, most likely as the machine ran out of memory", signal.SIGILL: "it met an instruction that this processor lacks",
           signal.SIGFPE: "arithmetic fault", signal.SIGBUS: "it broke down: bus error"}


class Limits:
    """Seconds for one answer, bytes of memory, and bytes of one answer; raises ``ConfigError`` for what is no limit.

    >>> Limits.of(timeout=30, memory="2GB", where="m").memory
    2000000000
    """

    def __init__(self, timeout: float, memory: int, output: int = 2**32):
        self.timeout, self.memory, self.output = timeout, memory, output

    @classmethod
    def of(cls, *, timeout: Any, memory: Any, where: str) -> Limits:
        if timeout is None:
            timeout = 300.0
        if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout < 1e7:
            raise ConfigError(f"timeout is {timeout!r}", where=where, expected="seconds, such as 30")
        return cls(float(timeout), _bytes(memory, where))


_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def _bytes(memory: Any, where: str) -> int:
    if memory is None:   # four fifths of the machine: the rest must be able to tell of it
        return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 0.8)
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?", str(memory).strip(), re.IGNORECASE) if not isinstance(memory, bool) else None
    if found is None or found[2].lower() not in _UNITS or float(found[1]) <= 0:
        raise ConfigError(f"memory is {memory!r}", where=where, expected="bytes, such as 2GB or 500MB")
    return int(float(found[1]) * _UNITS[found[2].lower()])


def environ(more: Sequence[str] = (), **added: str) -> dict[str, str]:
    """Return the environment that a model's process gets: what programs need to run, variables asked for by name, and ``added``.

    >>> "AWS_SECRET_ACCESS_KEY" in environ()
    False
    """
    return {name: value for name, value in os.environ.items() if PASSED.fullmatch(name) or name in more} | added


class Child:
    """A running program. ``talk`` sends and hears; a child that breaks a limit is killed, with all that it started."""

    def __init__(self, command: Sequence[str], *, where: str, limits: Limits, environment: Mapping[str, str], files: Sequence[int] = ()):
        if sys.platform == "win32":
            raise ConfigError("models in a process of their own need Linux or macOS", where=where)
        self.where, self.limits = where, limits
        self._errors = bytearray()
        try:
            self._process = subprocess.Popen(  # noqa: S603 (what runs was allowed by the user; there is no shell)
                list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(environment), bufsize=0,
                start_new_session=True, pass_fds=tuple(files))
        except (OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or str(error)
            raise ModelError(f"'{command[0]}' cannot be started ({said})", where=where, expected="a program") from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._in, self._out, self._err = (each.fileno() for each in (self._process.stdin, self._process.stdout, self._process.stderr))
        for pipe in (self._in, self._out, self._err):
            os.set_blocking(pipe, False)
        for pipe in (self._in, self._out):
            _widen(pipe)
        self._end = weakref.finalize(self, _kill, self._process)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def talk(self, parts: Sequence[Any], enough: Callable[[bytearray], bool] | None, *, close: bool = False,
             timeout: float | None = None) -> bytearray:
        """Send ``parts`` and return what is said until it is ``enough``, or, without that, until the program ends.

        Raises ``PredictionError`` with the program's last words if it ends before, or breaks a limit.
        """
        began, waiting, heard = time.monotonic(), [memoryview(each).cast("B") for each in parts if len(each)], bytearray()
        limit = self.limits.timeout if timeout is None else timeout
        looked = began
        if close and not waiting:
            self._closed()
        open_out = True
        while open_out:
            now = time.monotonic()
            if now - began > limit:
                raise self._failed(f"the model did not answer within {limit:g} s", kill=True)
            if now - looked > WATCHED:
                looked = now
                self._watch()
            gone = not self.alive    # looked at before its pipes, so that nothing is lost of what it said at the end
            readers = [self._out] + ([self._err] if self._err >= 0 else [])
            ready, writable, _ = select.select(readers, [self._in] if waiting else [], [], WATCHED)
            if writable:
                self._write(waiting)
                if close and not waiting:
                    self._closed()
            if self._err in ready:
                self._hear_errors()
            if self._out in ready:
                open_out = self._hear(heard)
                if len(heard) > self.limits.output:
                    raise self._failed(f"the model answered with more than {self.limits.output:,} bytes", kill=True)
                if enough is not None and enough(heard):
                    return heard
            elif gone and not ready:    # it has ended, and something that it started holds its pipes open
                break
        if enough is not None:
            raise self._ended(time.monotonic() - began >= limit, limit)
        code = self._wait(began + limit)
        if code != 0:
            raise self._failed(f"the model's program ended with {_said(code)}")
        return heard

    def _write(self, waiting: list[memoryview]) -> None:
        try:
            sent = os.write(self._in, waiting[0][:PIPE])
        except BlockingIOError:
            return
        except OSError:   # it has closed its input, or has ended; what it says of that is heard
            waiting.clear()
            return
        waiting[0] = waiting[0][sent:]
        if not len(waiting[0]):
            waiting.pop(0)

    def _hear(self, heard: bytearray) -> bool:
        try:
            chunk = os.read(self._out, PIPE)
        except BlockingIOError:
            return True
        heard += chunk
        return bool(chunk)

    def _hear_errors(self) -> None:
        try:
            chunk = os.read(self._err, PIPE)
        except BlockingIOError:
            return
        if not chunk:
            self._err = -1   # closed; the number itself stays with the process object
        self._errors += chunk
        del self._errors[:-KEPT]

    def _closed(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def _watch(self) -> None:
        used = _memory(self._process.pid)
        if used > self.limits.memory:
            raise self._failed(f"the model took {_shown(used)} of memory, and {_shown(self.limits.memory)} were allowed", kill=True)

    def _wait(self, until: float) -> int:
        """Return the exit status of a program that has closed its output."""
        while True:
            if self._err >= 0 and select.select([self._err], [], [], 0)[0]:
                self._hear_errors()
                continue
            code = self._process.poll()
            if code is not None:
                return code
            if time.monotonic() > until:
                raise self._failed(f"the model's program closed its output and did not end within {self.limits.timeout:g} s", kill=True)
            time.sleep(0.005)

    def _ended(self, late: bool, limit: float) -> PredictionError:
        code = self._wait(time.monotonic() + 5)
        if late:
            return self._failed(f"the model did not answer within {limit:g} s")
        return self._failed(f"the model's process ended with {_said(code)}")

    def _failed(self, what: str, *, kill: bool = False) -> PredictionError:
        if kill:
            _signal(self._process)
        for _ in range(64):   # what it said before
            if self._err < 0 or self._process.stderr is None or self._process.stderr.closed \
                    or not select.select([self._err], [], [], 0)[0]:
                break
            self._hear_errors()
        words = last_words(bytes(self._errors))
        self.kill()
        return PredictionError(what + (f"; its last words: {words}" if words else ""), where=self.where)

    def kill(self) -> None:
        """End the program and what it started."""
        self._end()


def _signal(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):   # its group, even if it has ended itself: its children may live
        os.killpg(process.pid, signal.SIGKILL)


def _kill(process: subprocess.Popen[bytes]) -> None:
    _signal(process)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def _widen(pipe: int) -> None:
    import fcntl

    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE)


def _said(code: int) -> str:
    if code >= 0:
        return f"exit status {code}"
    name = signal.Signals(-code)
    return f"{name.name} ({SIGNALS[name]})" if name in SIGNALS else name.name


def _shown(size: int) -> str:
    return f"{size / 10**9:.2f} GB" if size >= 10**9 else f"{size / 10**6:.0f} MB"


def _memory(pid: int) -> int:
    """The resident memory of a process and of those that it started, in bytes; 0 where it has ended."""
    if sys.platform != "linux":
        done = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, check=False)  # noqa: S603, S607
        return int(done.stdout or 0) * 1024
    total = 0
    try:
        shared = _told(f"/proc/{pid}/statm")
        total += (int(shared[1]) - int(shared[2])) * os.sysconf("SC_PAGE_SIZE")   # what is shared (libraries, our rows) is not its own
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 (twenty times a second: a Path for each takes three times as long)
            total += sum(_memory(int(each)) for each in _told(f"/proc/{pid}/task/{task}/children"))
    except (OSError, ValueError, IndexError):
        return total
    return total


def _told(place: str) -> list[bytes]:
    file = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(file, 2**20).split()
    finally:
        os.close(file)


def last_words(said: bytes) -> str:
    """Return the end of what a program wrote to standard error, in one line: of a breakdown the place, else its last lines.

    >>> last_words(chr(10).join(["loading", "Traceback (most recent call last):", "  File 'm.py', line 3", "KeyError: 'age'"]).encode())
    "KeyError: 'age'"
    """
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", said.decode("utf-8", "replace"))
    lines = ["".join(each if each.isprintable() else " " for each in line).strip() for line in text.splitlines()]
    lines = [line for line in lines if line]
    fatal = next((place for place in range(len(lines) - 1, -1, -1) if lines[place].startswith(("Fatal Python error", "Timeout (0:"))), None)
    if fatal is not None:
        # of the threads the one that was at work: its innermost frame is the first that stands there
        frames = [line for line in lines[fatal:] if line.startswith("File ") and "assay" not in line.partition(",")[0]]
        found = [lines[fatal], *frames[:1]]
    elif any(line.startswith("Traceback (most recent call last)") for line in lines):
        found = lines[-1:]
    else:
        found = lines[-3:]
    words = without_secrets(re.sub(r'File "[^"]*[/\\]', 'File "', " / ".join(found)))   # without folders, as everywhere
    return words if len(words) <= 300 else words[:300] + "..."
