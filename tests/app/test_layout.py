"""Lines fit, nothing is lost on the way, and no text from data reaches the terminal raw."""

from __future__ import annotations

import io
import os
import pty
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.app.layout import Terminal, cells, clean, cut, drawn, padded, wrapped

texts = st.text(max_size=120) | st.text("ab 名e\u0301[],.", max_size=120)


@given(st.text())
def test_clean_text_is_one_line_of_shapes(text: str) -> None:
    found = clean(text)
    assert found.isprintable()
    assert clean(found) == found
    assert not {each for each in found if unicodedata.category(each) in ("Cc", "Cf", "Cs", "Zl", "Zp")}


@given(st.text(st.characters(categories=("L", "N", "P", "S"))))
def test_text_that_does_no_harm_stays_as_it_is(text: str) -> None:
    assert clean(text) == text


@given(texts.map(clean), st.integers(10, 60), st.integers(0, 6))
def test_wrapped_lines_fit_and_lose_nothing(text: str, width: int, indent: int) -> None:
    found = wrapped([("?" * min(indent, width // 4), "dim")], text, "", width)
    assert all(sum(cells(part) for part, _ in line) <= width for line in found)
    assert "".join(line[1][0] for line in found).replace(" ", "") == text.replace(" ", "")


@given(texts.map(clean), st.integers(8, 40))
def test_cut_and_padded_text_has_its_width(text: str, width: int) -> None:
    assert cells(cut(text, width)) <= width
    assert cells(padded(cut(text, width), width)) == width


def test_an_interval_stays_on_one_line() -> None:
    assert [line[1][0] for line in wrapped([("", "")], "auc is [0.10, 0.20] here", "", 16)] == ["auc is", "[0.10, 0.20]", "here"]


@pytest.mark.parametrize(("set_", "plain"), [({}, False), ({"NO_COLOR": "1"}, True), ({"TERM": "dumb"}, True), ({"NO_COLOR": ""}, False)])
def test_a_terminal_gets_colours_unless_told_not_to(set_: dict[str, str], plain: bool, monkeypatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in set_.items():
        monkeypatch.setenv(name, value)
    master, slave = pty.openpty()
    with os.fdopen(slave, "w", encoding="utf-8") as stream:
        assert Terminal.of(stream).plain is plain
        assert Terminal.of(stream, plain=True).plain
    os.close(master)


def test_what_is_no_terminal_gets_none_unless_forced(monkeypatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    assert Terminal.of(stream).plain
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert not Terminal.of(stream).plain
    assert Terminal.of(io.TextIOWrapper(io.BytesIO(), encoding="ascii")).plain  # it has no box-drawing characters


def test_the_width_has_limits(monkeypatch) -> None:
    widths = []
    for columns in ("10", "72", "999"):
        monkeypatch.setenv("COLUMNS", columns)
        widths.append(Terminal.of(io.StringIO()).width)
    assert widths == [40, 72, 120]


def test_markup_is_text_in_colour_too(monkeypatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = io.StringIO()
    drawn([[("[bold]x[/bold] :smile:", "fail")]], Terminal(80, plain=False), stream)
    assert stream.getvalue() == "\x1b[1;31m[bold]x[/bold] :smile:\x1b[0m\n"
