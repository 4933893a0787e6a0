"""``assay probe experiment``: a randomized experiment on a system that one can only use. Parses, calls ``assay.verbs.probe.experiment``.

``experiment`` is the command, ``lines`` draws what it found.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from assay.app.option import Command, Option, option, outputs
from assay.app.output import files_of, shown
from assay.app.state import State

if TYPE_CHECKING:
    from assay.app.layout import Line, Terminal
    from assay.result import Run

__all__ = ["experiment", "lines"]

_EXAMPLES = """
assay probe experiment design.yaml --plan               what would be done, how many blocks it takes; asks nothing
assay probe experiment design.yaml --trust              do it, or go on where it stopped, and say what it proves
assay probe experiment design.yaml --url https://test.example.com
assay probe experiment ads.yaml prices.yaml --trust     several, their p-values corrected together
"""
_CODES = """
0 no difference that matters (at_most in the design)   1 treated differently   2 wrong usage or bad input
3 inconclusive: none is proved, and one that matters is not ruled out   130 interrupted; the same command goes on
"""


@click.command("experiment", cls=Command, short_help="Prove, or not, that a system treats two kinds of users differently.",
               parts={"Examples": _EXAMPLES, "Exit codes": _CODES})
@click.argument("designs", nargs=-1, required=True, type=click.Path(), metavar="DESIGN.YAML...")
@click.option("--plan", is_flag=True, cls=Option, group="What is done",
              help="Draw the lots, say how many blocks the difference that matters takes, and ask nothing.")
@click.option("--trust", is_flag=True, cls=Option, group="What is done",
              help="Act at the address, or run the command, that stands in the design. Only for designs that you trust.")
@option("--url", "What is done", "URL", "The system, in place of the one in the design.")
@option("--log", "What is done", "FILE", "Where what is seen is kept, line by line (usually DESIGN.log.jsonl).")
@option("--draws", "How it is tested", "N", "Assignments that the test draws, where there are too many to try all.",
        type=click.IntRange(99, 1_000_000), default=9_999, show_default=True)
@outputs("json", "html", "markdown")
@click.pass_obj
def experiment(state: State, /, designs: tuple[str, ...], *, plan: bool, trust: bool, url: str | None, log: str | None, draws: int,
               json: str | None, html: str | None, markdown: str | None, plain: bool, quiet: bool, no_progress: bool) -> int:
    """Prove, or not, that a system treats two kinds of simulated users differently.

    Lots decide who gets which treatment, block by block, so that neither time nor order nor chance can pass for a difference. What each
    unit was shown is logged as it comes; an experiment that was interrupted goes on with the same lots. How a design is written stands in
    docs/howto/experiment.md.
    """
    from assay.app.progress import Progress
    from assay.verbs.probe.experiment import experiment as verb

    files = files_of({"json": json, "html": html, "markdown": markdown}, [*designs, log])
    state.written = not plan   # the log stays, whatever ends this
    with Progress(lambda name: None, shown=not no_progress and json != "-") as bar:
        try:
            run = verb(list(designs), log=log, url=url, plan=plan, draws=draws, trust=trust, progress=bar)
        except KeyboardInterrupt:
            state.left = _left(designs, log, plan)
            raise
    return shown(run, files, state, lines, json=json, plain=plain, quiet=quiet)


def _left(designs: tuple[str, ...], log: str | None, plan: bool) -> str:
    """Return what an interrupt leaves, and how it goes on; nothing where no unit was asked."""
    from assay.errors import listed
    from assay.verbs.probe.experiment import place

    kept = [] if plan else [str(each) for each in (place(Path(one), log) for one in designs) if each.exists()]
    return f"what was seen is kept in {listed(kept, 3)}: the same command goes on from there, with the same lots" if kept else ""


def lines(run: Run, screen: Terminal, *, quiet: bool = False) -> list[Line]:
    """Return the lines that show an experiment: the verdict, the sentences, the items that differ most, the notes."""
    from assay.app.terminal import foot, opening, said, spaced

    rest = run.sentences[1:]
    parts = [opening(run, screen)]
    if quiet:
        return parts[0]
    parts.append(said(rest, screen))
    others = [each.sentence for each in run.verdicts if each.sentence not in run.sentences]
    parts.append(said(others, screen, "  "))
    parts.append(said((each.sentence for each in run.findings), screen, "  "))
    return spaced([*parts, *foot(run, screen, run.about)])
