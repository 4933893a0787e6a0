"""The bar shows on a terminal, for long work only, and counts each pass over the rows."""

from __future__ import annotations

import io
import os
import pty
import re
import threading
from types import SimpleNamespace

import pytest

from assay.app import progress
from assay.app.progress import Progress


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def screen(monkeypatch) -> Terminal:
    found = Terminal()
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=found))  # pytest puts its own into the real one
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    return found


def test_long_work_shows_rows_of_each_data_set(screen: Terminal, monkeypatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0)
    with Progress({"data": 4000, "reference": None}.get) as bar:
        bar("reference", 500)
        for _ in range(3):
            bar("data", 1000)
        assert bar.rows == {"reference": 500, "data": 3000}
        assert bar.bar is not None
        tasks = [(each.description, each.completed, each.total) for each in bar.bar.tasks]
        assert tasks == [("reference", 500, None), ("data", 3000, 4000)]
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue())
    assert "3,000 rows" in text
    assert screen.getvalue().endswith("\x1b[2K")  # it leaves no trace


def test_a_second_pass_counts_anew(screen: Terminal) -> None:
    with Progress({"data": 1000}.get) as bar:
        for _ in range(3):
            bar("data", 600)
            bar("data", 400)
        assert bar.rows == {"data": 1000}


def test_short_work_shows_nothing(screen: Terminal) -> None:
    with Progress(lambda _: 10) as bar:
        bar("data", 10)
    assert screen.getvalue() == ""


def test_nothing_is_shown_where_nobody_looks(monkeypatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=stream))
    monkeypatch.setattr(progress, "PATIENCE", 0)
    with Progress(lambda _: 10) as bar:
        bar("data", 10)
    assert stream.getvalue() == ""


def test_no_thread_outlives_the_bar(screen: Terminal, monkeypatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0)
    before, during = set(threading.enumerate()), set()

    def interrupted() -> None:
        with Progress(lambda _: None) as bar:
            bar("data", 10)
            during.update(set(threading.enumerate()) - before)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert during
    for each in during:
        each.join(5)
        assert not each.is_alive()


def test_a_real_terminal_is_one() -> None:
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as stream:
        assert progress.terminal(stream)
    assert not progress.terminal(stream)  # closed
    os.close(master)
