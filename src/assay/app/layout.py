"""Lines of styled text: cleaned, wrapped with hanging indents, measured in terminal cells, drawn in colour or plain.

``Line`` is a list of (text, style) pairs; ``clean``, ``cells``, ``wrapped`` and ``padded`` make lines, ``drawn`` writes them. For
this package only.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TextIO, TypeAlias

__all__ = ["Line", "Terminal", "cells", "clean", "cut", "drawn", "padded", "wrapped"]

Line: TypeAlias = list[tuple[str, str]]

#: what a style looks like in colour; a plain screen knows none
STYLES = {
    "": "", "head": "bold", "dim": "dim", "pass": "green", "warn": "yellow", "fail": "bold red", "error": "bold magenta",
    "inconclusive": "cyan", "too small": "dim",
}
_BREAK = re.compile(r" (?![^\[\] ]*\])")  # an interval, [0.1, 0.2], stays on one line
WIDEST = 120  # longer lines are harder to read, on however wide a screen
NARROWEST = 40


@dataclass(frozen=True)
class Terminal:
    """What a stream can show: ``width`` in cells, and whether it takes colours and box-drawing characters."""

    width: int = 80
    plain: bool = True

    @classmethod
    def of(cls, stream: TextIO, *, plain: bool = False) -> Terminal:
        """Return what ``stream`` can show. Only a terminal gets colours, unless FORCE_COLOR is set; never where NO_COLOR is."""
        dull = plain or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        forced = bool(os.environ.get("FORCE_COLOR"))
        drawable = (getattr(stream, "encoding", None) or "").lower().replace("-", "") in ("utf8", "utf8sig")
        width = shutil.get_terminal_size((100, 24)).columns  # COLUMNS first, then the terminal, then 100
        return cls(min(max(width, NARROWEST), WIDEST), dull or not drawable or not (forced or terminal(stream)))


def terminal(stream: TextIO | None) -> bool:
    """Whether a person is looking."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # a closed stream
        return False


def clean(text: object) -> str:
    r"""Return ``text`` as one line that a terminal shows as it is: what has no shape of its own is spelt out.

    Names come from data. Escape sequences would move the cursor or set colours, marks of direction would reorder the line.

    >>> clean("red\x1b[31m\n\u202eflag")
    'red\\x1b[31m \\u202eflag'
    """
    return "".join(each if each.isprintable() else _spelt(each) for each in " ".join(str(text).split()))


def _spelt(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def cells(text: str) -> int:
    """Return how many columns of a terminal ``text`` takes: an ideograph two, a combining mark none."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def cut(text: str, most: int) -> str:
    """Return ``text``, or as much of it as fits into ``most`` cells with dots behind.

    >>> cut("a long name of a slice", 12)
    'a long na...'
    """
    if cells(text) <= most:
        return text
    kept = text[:max(most - 3, 0)]
    while kept and cells(kept) > most - 3:
        kept = kept[:-1]
    return kept.rstrip() + "..."


def padded(text: str, width: int, *, right: bool = False) -> str:
    """Return ``text`` filled up with blanks to ``width`` cells, to its right end or, if ``right``, before it."""
    blanks = " " * max(width - cells(text), 0)
    return blanks + text if right else text + blanks


def wrapped(first: Line, text: str, style: str, width: int, *, indent: int | None = None) -> list[Line]:
    """Return ``first`` followed by ``text``, broken at blanks; later lines hang ``indent`` cells in, by default under the text.

    >>> wrapped([("note: ", "dim")], "one two three", "", 14)
    [[('note: ', 'dim'), ('one two', '')], [('      ', ''), ('three', '')]]
    """
    hang = sum(cells(part) for part, _ in first) if indent is None else indent
    room, later = max(width - sum(cells(part) for part, _ in first), 8), max(width - hang, 8)
    rows: list[str] = []
    row = ""
    for word in _pieces(_BREAK.split(text), later):
        if row and cells(row) + 1 + cells(word) > (later if rows else room):
            rows.append(row)
            row = word
        else:
            row = f"{row} {word}" if row else word
    rows.append(row)
    return [[*first, (rows[0], style)], *([(" " * hang, ""), (row, style)] for row in rows[1:])]


def _pieces(words: Iterable[str], width: int) -> Iterable[str]:
    """Break words that are longer than a line."""
    for word in words:
        left = word
        while cells(left) > width:
            piece = left[:width]
            while cells(piece) > width:
                piece = piece[:-1]
            yield piece
            left = left[len(piece):]
        yield left


def drawn(lines: Sequence[Line], screen: Terminal, stream: TextIO | None = None) -> None:
    """Write ``lines`` to ``stream`` (standard output) as the screen can show them."""
    stream = sys.stdout if stream is None else stream
    if screen.plain:
        stream.write("".join("".join(text for text, _ in line).rstrip() + "\n" for line in lines))
    else:
        from rich.console import Console
        from rich.text import Text

        page = io.StringIO()  # rich would end the process at a closed pipe
        console = Console(file=page, force_terminal=True, width=screen.width, highlight=False, markup=False, emoji=False)
        for line in lines:  # Text never reads markup, so [red] in a name stays [red]
            console.print(Text.assemble(*((text, STYLES[style]) for text, style in line)), soft_wrap=True)
        stream.write(page.getvalue())
    stream.flush()
