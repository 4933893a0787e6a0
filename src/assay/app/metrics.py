"""``assay metrics``: what can be measured, of what, and which direction is good."""

from __future__ import annotations

import sys
from typing import Any

import click

from assay.app.option import Command, Option, shared

__all__ = ["metrics"]

_GROUPS = {"rows": "Of labelled rows", "compared": "Of a column, against the reference", "column": "Of a column", "table": "Of the table",
           "screen": "Of a sample of rows, as the default suite looks for faults"}


@click.command(cls=Command, short_help="List what can be measured.")
@click.option("--plain", is_flag=True, cls=Option, group="Output", help="No colours.")
@shared
def metrics(plain: bool) -> None:
    """List the metrics: for which models, which direction is better, and what each one says."""
    from assay.app.layout import Line, Terminal, cells, drawn, padded, wrapped
    from assay.metric import METRICS
    from assay.screen import SCREENS

    screen = Terminal.of(sys.stdout, plain=plain)
    groups: dict[str, list[tuple[str, str, str]]] = {}
    for name in METRICS:
        each = METRICS[name]
        groups.setdefault(_group(each), []).append((name, each.better or "", _doc(each)))
    groups["screen"] = [(name, SCREENS[name].better, _doc(SCREENS[name])) for name in SCREENS]
    width = max(cells(name) for rows in groups.values() for name, _, _ in rows)
    lines: list[Line] = []
    for kind, heading in _GROUPS.items():
        if kind in groups:
            lines += [[], [(heading, "head"), ("  (better)", "dim")]]
        for name, better, text in groups.get(kind, ()):
            lines += wrapped([(f"  {padded(name, width)}  ", "head"), (padded(better, 10), "dim")], text, "", screen.width)
    drawn(lines[1:], screen)


def _group(metric: Any) -> str:
    return "compared" if metric.of == "column" and metric.compared else str(metric.of)


def _doc(metric: Any) -> str:
    """Return the first sentence of a metric's description, and the tasks that it is for."""
    text = " ".join(metric.doc.split("\n\n")[0].split()) or "(not described)"
    tasks = getattr(metric, "tasks", ())  # metrics of ranked lists, and those that users add, need not name any
    return text + (f" ({', '.join(tasks)})" if tasks else "")
