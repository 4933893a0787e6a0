"""``assay demo``: a demonstration on real data, with its verdict and the command that repeats it."""

from __future__ import annotations

import time

import click

from assay.app.option import Command, Option, quietly, shared
from assay.app.state import State

__all__ = ["demo"]

_EXAMPLES = """
assay demo
assay demo flights --keep flights
assay demo mortgage
"""


@click.command(cls=Command, short_help="Train a model on real data, and check it.", parts={"Examples": _EXAMPLES})
@click.argument("name", required=False, default="flights", metavar="[flights|mortgage]")
@click.option("--keep", cls=Option, metavar="FOLDER", group="Output", help="Where to leave data, model and assay.yaml.")
@quietly
@shared
@click.pass_obj
def demo(state: State, /, name: str, *, keep: str | None, plain: bool, no_progress: bool) -> int:
    """Train a model on real data, check it, and show what assay says, in under a minute.

    flights: which flight from New York arrives late? All of 2013 with the weather; trained on the first months, tested on a later one.
    mortgage: which application is approved? Decisions of banks in Boston, and a model that does not see race.

    Needs the extra: pip install 'assay[demo]'. Whatever the verdict is, the demonstration ends with 0.
    """
    from assay.app.check import show
    from assay.app.layout import clean
    from assay.app.progress import Progress
    from assay.verbs.demo import demo as verb

    began = time.monotonic()

    def tell(text: str) -> None:
        if not no_progress:
            click.echo(f"{time.monotonic() - began:5.1f} s  {clean(text)}", err=True)

    with Progress(lambda _: None, shown=not no_progress) as bar:
        shown = verb(name, keep=keep, tell=tell, progress=bar)
    state.written = True
    show(shown.run, plain=plain)
    click.echo(f"\nThe report, the data, the model and the checks are in {clean(shown.folder)}. To repeat the check:\n\n  {shown.command}")
    return 0
