"""``assay profile``: what is in a data set, column by column, and how far each column is from a reference.

``profile`` is the command; ``lines`` draws its run. It parses, calls ``assay.verbs.profile``, and writes what that found.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from assay.app.option import Command, option, outputs, rows
from assay.app.state import State

if TYPE_CHECKING:
    from assay.app.layout import Line, Terminal
    from assay.result import Run, Value

__all__ = ["lines", "profile"]

MOST = 30  # columns that one table lists
_WORST = 10  # of a table with more: those that moved most, or lack most

_EXAMPLES = """
assay profile reference.parquet
assay profile test.parquet --reference reference.parquet
assay profile test.parquet --reference reference.parquet --id flight_id --json -
"""
_CODES = """
0 described   2 wrong usage or bad input
Nothing is judged: `assay check --check "psi of * <= 0.2"` does that.
"""
_NUMBERS = (("mean", "mean"), ("deviation", "sd"), ("least", "min"), ("quantile(q=0.25)", "25%"), ("quantile(q=0.5)", "median"),
            ("quantile(q=0.75)", "75%"), ("greatest", "max"))
_DISTANCES = (("psi", "psi"), ("wasserstein", "moved"))
#: what a narrow screen goes without, first to last
_SPARED = ("25%", "75%", "sd", "distinct", "min", "max")


@click.command(cls=Command, short_help="Describe data, column by column.", parts={"Examples": _EXAMPLES, "Exit codes": _CODES})
@click.argument("data", type=click.Path(), metavar="DATA")
@option("--reference", "What is described", "FILE", "Data that DATA are compared with, column by column.")
@rows("What is described")
@option("--id", "Columns of the data", "COLUMN", "Names a row: its values are not shown.")
@option("--entity", "Columns of the data", "COLUMN", "Who or what a row is about: its values are not shown.")
@option("--protected", "Columns of the data", "COLUMN", "A group of people: its values are not shown (repeatable).", multiple=True)
@outputs("json", "html", quiet="Only how much was described.")
@click.pass_obj
def profile(state: State, /, data: str, *, json: str | None, html: str | None, plain: bool, quiet: bool, no_progress: bool,
            **given: Any) -> int:
    """Describe data, column by column.

    Missing and different values, moments, quantiles, the most frequent categories, and with --reference how far each column has moved.
    """
    from assay.app.argument import rows_of
    from assay.app.layout import Terminal, drawn
    from assay.app.output import files_of, put
    from assay.app.progress import Progress
    from assay.verbs.profile import profile as verb

    options: dict[str, Any] = {key: list(value) if isinstance(value, tuple) else value for key, value in given.items()
                               if value not in (None, ())}
    files = files_of({"json": json, "html": html}, [data, options.get("reference")])
    places = {"data": data, "reference": options.get("reference")}
    with Progress(lambda name: rows_of(places.get(name)), shown=not no_progress and json != "-") as bar:
        run = verb(data, progress=bar, **options)

    def draw() -> None:
        screen = Terminal.of(sys.stdout, plain=plain)
        drawn(_headline(run, screen) if quiet else lines(run, screen), screen)

    state.code = run.exit_code
    put(run, files, state, json=json, draw=draw)
    return run.exit_code


def lines(run: Run, screen: Terminal) -> list[Line]:
    """Return the lines that show a profile: a table of numbers, one of categories, each of a bounded length."""
    from assay.app.layout import clean, wrapped
    from assay.app.terminal import cost

    columns: dict[str, dict[str, Value]] = {}
    for each in run.values:
        columns.setdefault(each.column or "", {})[each.name] = each
    numbers = {name: found for name, found in columns.items() if "mean" in found}
    rest = {name: found for name, found in columns.items() if name not in numbers}
    tops = {each.column: [str(value) for value in each.table["value"]] for each in run.figures}
    parts = [_headline(run, screen), _table("numbers", numbers, {}, screen), _table("other columns", rest, tops, screen),
             [line for note in run.notes for line in wrapped([("note: ", "dim")], clean(note), "", screen.width)],
             wrapped([], cost(run), "dim", screen.width)]
    return [line for part in parts if part for line in (*part, [])][:-1]


def _headline(run: Run, screen: Terminal) -> list[Line]:
    from assay.app.layout import clean, wrapped

    about = run.about
    against = f", compared with {clean(about['reference'])}" if "reference" in about else ""
    words = f"{about.get('rows', 0):,} rows of {about.get('columns', 0):,} columns in {clean(about.get('data', 'the data'))}{against}"
    return wrapped([("PROFILE: ", "head")], words, "", screen.width)


def _table(title: str, columns: dict[str, dict[str, Value]], tops: dict[str | None, list[str]], screen: Terminal) -> list[Line]:
    """Return the table of some columns, the worst of them where there are many."""
    from assay.app.layout import cells, clean, cut, padded, wrapped

    if not columns:
        return []
    names, left = _shown(columns)
    heads = ["missing", "distinct"] + [head for key, head in (*_NUMBERS, *_DISTANCES) if any(key in columns[name] for name in names)]
    keys = {head: key for key, head in (*_NUMBERS, *_DISTANCES)} | {"missing": "missing", "distinct": "distinct"}
    rows = {name: [_figure(columns[name].get(keys[head]), head) for head in heads] for name in names}
    first = min(max(cells(clean(name)) for name in [*names, title]), 30)
    widths = [max(len(head), *(len(row[place]) for row in rows.values())) for place, head in enumerate(heads)]
    for spared in _SPARED:
        if first + sum(width + 2 for width in widths) <= screen.width:
            break
        if spared in heads:
            place = heads.index(spared)
            listed: list[Any] = [heads, widths, *rows.values()]
            for row in listed:
                row.pop(place)
    out: list[Line] = [[(padded(title, first), "head"), *(("  " + padded(head, width, right=True), "dim")
                                                        for head, width in zip(heads, widths, strict=True))]]
    for name, row in rows.items():
        line: Line = [(padded(cut(clean(name), first), first), ""),
                      *(("  " + padded(text, width, right=True), "") for text, width in zip(row, widths, strict=True))]
        room = screen.width - sum(cells(text) for text, _ in line) - 2
        if room > 12 and name in tops:
            line.append(("  " + cut(", ".join(clean(each) for each in tops[name]), room), "dim"))
        out.append(line)
    return out + (wrapped([("  ", "")], left, "dim", screen.width) if left else [])


def _shown(columns: dict[str, dict[str, Value]]) -> tuple[Sequence[str], str]:
    """Return the columns that a table lists, and what it says of the others."""
    names = list(columns)
    if len(names) <= MOST:
        return names, ""

    def number(name: str, key: str) -> float:
        found = columns[name].get(key)
        return -math.inf if found is None or found.value is None else found.value

    by = "psi" if any("psi" in found for found in columns.values()) else "missing"
    worst = sorted(names, key=lambda name: (-number(name, by), -number(name, "missing")))
    rest = max((number(name, by) for name in worst[_WORST:]), default=0.0)
    what = f"a psi of {rest:.3g}" if by == "psi" else f"{rest:.2%} missing"
    said = f"the {_WORST} that {'moved' if by == 'psi' else 'lack'} most; {len(names) - _WORST:,} more have at most {what}: --json has all"
    return worst[:_WORST], said


def _figure(value: Value | None, head: str) -> str:
    """Return a number in as few figures as tell it."""
    if value is None or value.value is None:
        return "-"
    number = value.value
    if head == "missing":
        return f"{number:.1%}" if number else "0"
    if head == "distinct":
        return ("" if value.spread is None or value.spread.kind == "exact" else "~") + f"{number:,.0f}"
    if head in ("psi", "moved"):
        return f"{number:.3f}"
    if number % 1 == 0 and abs(number) < 1e7:
        return f"{number:,.0f}"
    return f"{number:.4g}" if abs(number) < 1e4 or abs(number) >= 1e7 else f"{number:,.0f}"
