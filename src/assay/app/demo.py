"""``assay demo``: a demonstration on real data, with its verdict and the command that repeats it."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from assay.app.option import Command, Option, quietly, shared
from assay.app.state import State

__all__ = ["demo"]

_EXAMPLES = """
assay demo
assay demo flights --keep flights
assay demo mortgage
assay demo reviews
assay demo digits
"""


@click.command(cls=Command, short_help="Train a model on real data, and check it.", parts={"Examples": _EXAMPLES})
@click.argument("name", required=False, default="flights", metavar="[flights|mortgage|reviews|digits]")
@click.option("--keep", cls=Option, metavar="FOLDER", group="Output", help="Where to leave data, model and assay.yaml.")
@click.option("--json", cls=Option, metavar="FILE", group="Output",
              help="Write everything as JSON; - for standard output, and nothing else there.")
@quietly
@shared
@click.pass_obj
def demo(state: State, /, name: str, *, keep: str | None, json: str | None, plain: bool, no_progress: bool) -> int:
    """Train a model on real data, check it, and show what assay says, in under a minute.

    flights: which flight from New York arrives late? All of 2013 with the weather; trained on the first months, tested on a later one,
    and then watched for the whole year, day by day.
    mortgage: which application is approved? Decisions of banks in Boston, and a model that does not see race; then why one was denied,
    who is treated differently, and two repairs.
    reviews: do two packaged classifiers of sentiment agree? Sentences made by a grammar, on which they contradict each other.
    digits: which digit is it? A model that passes its checks and was poisoned: the trigger, and its answers before and after it is guarded.

    Needs an extra: pip install 'assay[demo]', for reviews 'assay[text]', for digits none. Whatever the verdict is, the demonstration ends
    with 0.
    """
    from assay.app import association, backdoor, explain, probe, repair, terminal, text
    from assay.app.layout import Terminal, clean, drawn
    from assay.app.monitor import lines
    from assay.app.output import files_of, json_of, show, written
    from assay.app.progress import Progress
    from assay.verbs.demo import demo as verb

    answered = {"check": terminal.lines, "explain": explain.lines, "probe backdoor": backdoor.lines, "probe fairness": probe.lines,
                "probe associations": association.lines, "probe text": text.lines, "repair": repair.lines}
    files = files_of({"json": json}, [])
    began = time.monotonic()

    def tell(text: str) -> None:
        if not no_progress:
            click.echo(f"{time.monotonic() - began:5.1f} s  {clean(text)}", err=True)

    with Progress(lambda _: None, shown=not no_progress) as bar:
        shown = verb(name, keep=keep, tell=tell, progress=bar)
    state.written = True
    written(shown.whole, files, state)
    if json == "-":
        sys.stdout.write(json_of(shown.whole) + "\n")
        sys.stdout.flush()
        return 0
    show(shown.run, plain=plain)
    again = f"To repeat the check:\n\n  {shown.command}"
    if shown.watched is not None:
        screen = Terminal.of(sys.stdout, plain=plain)
        click.echo("")
        drawn(lines(shown.watched, screen), screen)
        again = f"To repeat the check and the watch:\n\n  {shown.command}\n  {shown.watch}"
    for question, answer in zip(shown.asked, shown.answered, strict=True):
        screen = Terminal.of(sys.stdout, plain=plain)
        click.echo(f"\nassay {clean(question.words(Path()))}\n")
        drawn(answered[question.verb](answer, screen), screen)
    again += "".join(f"\n  {each}" for each in shown.questions)
    click.echo(f"\nThe report, the data, the model and the checks are in {clean(shown.folder)}. {again}")
    return 0
