"""A bar on standard error while a long check reads its data; nothing for short ones, nothing where nobody looks.

``Progress(totals)`` is a context manager; inside, call it with the name of a data set and the rows just read. For the commands of
this package.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from assay.app.layout import clean, terminal

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

__all__ = ["Progress"]

PATIENCE = 0.5  # seconds before a bar is worth the flicker


class Progress:
    """Rows read of each data set; ``total`` tells how many rows a data set has, where that is known without reading it."""

    def __init__(self, total: Callable[[str], int | None], *, shown: bool = True):
        self.total = total
        self.shown = shown and terminal(sys.stderr)
        self.began = time.monotonic()
        self.rows: dict[str, int] = {}
        self.totals: dict[str, int | None] = {}
        self.bar: Bar | None = None
        self.tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.bar is not None:
            self.bar.stop()

    def __call__(self, name: str, rows: int) -> None:
        if not self.shown:
            return
        if name not in self.totals:
            self.totals[name] = self.total(name)
        total, seen = self.totals[name], self.rows.get(name, 0)
        again = total is not None and seen >= total  # a second pass over the same rows
        self.rows[name] = rows if again else seen + rows
        if self.bar is None:
            if time.monotonic() - self.began < PATIENCE:
                return
            self.bar = _bar()
            self.bar.start()
        if name not in self.tasks:
            self.tasks[name] = self.bar.add_task(clean(name), total=total)
        self.bar.update(self.tasks[name], completed=self.rows[name])


def _bar() -> Bar:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    rows = TextColumn("{task.completed:>12,.0f} rows", markup=False)
    return Progress(TextColumn("{task.description}", markup=False), BarColumn(bar_width=30), rows, TimeElapsedColumn(),
                    console=Console(file=sys.stderr), transient=True)
