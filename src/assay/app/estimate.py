"""``assay estimate``: how good a model is on rows without labels, with an interval, why, and which rows to label to know it.

``estimate`` is the command, ``lines`` draws its run. It parses, calls ``assay.verbs.estimate``, draws, and gives the exit code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from assay.app.argument import arguments, configured, enough
from assay.app.option import Command, answers, option, outputs, rows
from assay.app.output import files_of, shown
from assay.app.state import State

if TYPE_CHECKING:
    from assay.app.layout import Line, Terminal
    from assay.result import Run

__all__ = ["estimate", "lines"]

_EXAMPLES = """
assay estimate assay.yaml --data current.parquet
assay estimate assay.yaml --data current.parquet --metric recall --slice region
assay estimate assay.yaml --data current.parquet --by sex
assay estimate assay.yaml --data current.parquet --label-next 100 --output label-me.csv
assay estimate assay.yaml --data current.parquet --labels label-me.csv       with the column 'label' filled
assay estimate --model m.onnx --reference test.parquet --data today.parquet --label late
"""
_CODES = """
0 estimated, and no check fails   1 a check fails   2 wrong usage or bad input
3 nothing can be said, as the rows are unlike the labelled ones, or a check is inconclusive
"""
_ASKED = ("label_next", "output", "labels", "by", "seed")


@click.command("estimate", cls=Command, short_help="Say how good a model is on rows without labels.",
               parts={"Examples": _EXAMPLES, "Exit codes": _CODES})
@click.argument("config", required=False, type=click.Path(), metavar="[ASSAY.YAML]")
@option("--metric", "What is asked", "NAME", "A metric to estimate (repeatable); by default all that can be.", multiple=True)
@option("--slice", "What is asked", "SLICING", "Estimate each slice as well, such as sex or age:4 (repeatable).", multiple=True)
@option("--by", "What is asked", "SLICING", "Compare these groups; by default those of protected columns (repeatable).", multiple=True)
@option("--check", "What is asked", "CHECK", 'Judge an estimate, such as "recall by sex >= 0.7" (repeatable).', multiple=True)
@option("--label-next", "What is asked", "N", "Draw N rows whose labels would tell most.", type=click.IntRange(1))
@option("--output", "What is asked", "FILE", "Where to write them (CSV).")
@option("--labels", "What is asked", "FILE", "That file, with its column 'label' filled: the estimate is put right by it.")
@option("--seed", "What is asked", "N", "Where random numbers begin.", type=int, default=0, show_default=True)
@option("--model", "What is judged", "FILE", "The model.")
@option("--data", "What is judged", "FILE", "The rows of now, which need no labels.")
@option("--reference", "What is judged", "FILE", "Labelled rows that the model was not trained on.")
@rows("What is judged")
@option("--label", "What is judged", "COLUMN", "The label, in the reference.", multiple=True)
@option("--prediction", "What is judged", "COLUMN", "Logged answers, instead of a model.")
@option("--score", "What is judged", "COLUMN", "Logged scores (repeatable: one a class, in order).", multiple=True)
@option("--protected", "What is judged", "COLUMN", "A column whose groups must be treated alike (repeatable).", multiple=True)
@option("--id", "What is judged", "COLUMN", "Names a row: it stands beside the rows to label.")
@option("--class", "What is judged", "CLASS", "The classes, in order, where the model does not know them (repeatable).", multiple=True)
@option("--task", "What is judged", "NAME", "binary, multiclass or regression, where it is not plain.")
@answers("What is judged")
@outputs("json", "html", "markdown", quiet="Only the first sentence.")
@click.pass_obj
def estimate(state: State, /, config: str | None, *, json: str | None, html: str | None, markdown: str | None, plain: bool, quiet: bool,
             no_progress: bool, trust: bool, metric: tuple[str, ...], **given: Any) -> int:
    """Say how good a model is on rows without labels.

    Chances of labels are learned on a labelled reference and put right where its rows are like those of now. The interval is for what the
    labels will show, as long as what they follow has not changed; few labels show whether it has (--label-next).
    """
    from assay.verbs.estimate import estimate as verb

    options = arguments(given)
    asked: dict[str, Any] = {name: options.pop(name) for name in _ASKED if name in options}
    places = {"json": json, "html": html, "markdown": markdown, "output": asked.get("output")}
    files = files_of(places, [config, *(options.get(name) for name in ("model", "data", "reference")), asked.get("labels")])
    files.pop("output", None)   # the verb writes it
    enough(config, options, "estimate")
    asked |= {"trust": trust, "metrics": metric}
    run = verb(**options, **asked) if config is None else verb(configured(config, options), **asked)
    return shown(run, files, state, lines, json=json, plain=plain, quiet=quiet)


def lines(run: Run, screen: Terminal, *, quiet: bool = False) -> list[Line]:
    """Return the lines that show an estimate: the sentences, the table of values, the notes."""
    from assay.app.table import tables
    from assay.app.terminal import foot, opening, said, spaced

    head, *rest = run.sentences or (run.verdict,)
    parts = [opening(run, screen)]
    if quiet:
        return parts[0]
    parts.append(said(rest, screen))
    parts.append(said((each.sentence for each in run.verdicts if each.sentence != head), screen))
    parts += tables(run, screen)
    return spaced([*parts, *foot(run, screen)])
