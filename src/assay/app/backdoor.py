"""``assay probe backdoor``: is a model poisoned, which inputs are, what is the trigger, and what is the answer without it.

``backdoor`` is the command, of the group ``probe``. It parses, calls ``assay.verbs.probe.backdoor``, draws what that found, and gives
the exit code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from assay.app.argument import arguments
from assay.app.option import Command, option, outputs, trust
from assay.app.output import files_of, shown
from assay.app.state import State

if TYPE_CHECKING:
    from assay.app.layout import Line, Terminal
    from assay.result import Run

__all__ = ["backdoor", "lines"]

_EXAMPLES = """
assay probe backdoor --model digits.onnx --clean clean.parquet --inputs inbox.parquet --html backdoor.html
assay probe backdoor --model digits.onnx --clean clean.parquet                      the model alone
assay probe backdoor --model credit.joblib --trust --clean clean.parquet --inputs inbox.parquet --label paid    columns or texts
assay probe backdoor --model signs.onnx --clean c.parquet --inputs i.parquet --false-alarms 0.1%   needs 2,099 clean images
"""
_CODES = """
0 no backdoor found   1 poisoned   2 wrong usage or bad input, too few clean images among it   3 inconclusive
"""
_TOLD = ("model", "clean used", "size", "searched", "images asked", "rows asked", "seed")


@click.command("backdoor", cls=Command, short_help="Is a model poisoned, which inputs are, and by what trigger.",
               parts={"Examples": _EXAMPLES, "Exit codes": _CODES})
@option("--model", "What is probed", "FILE", "The model.", required=True)
@option("--clean", "What is probed", "FILE", "Images or rows that nobody could tamper with.", required=True)
@option("--inputs", "What is probed", "FILE", "Images or rows to judge; without them the model alone is.")
@option("--column", "What is probed", "COLUMN", "The column of images or of text, where there are several.")
@option("--size", "What is probed", "HxW", "Height and width (and channels, 32x32x3) of lists that are not square.")
@option("--kind", "What is probed", "KIND", "images or rows (columns, texts), where the columns do not tell.",
        type=click.Choice(["images", "rows"]))
@option("--label", "What is probed", "COLUMN", "A label: it is no input.")
@option("--id", "What is probed", "COLUMN", "What names a row.")
@option("--ignored", "What is probed", "COLUMN", "Columns to leave out (repeatable).", multiple=True)
@option("--class", "What is probed", "CLASS", "The classes, in order, where the model does not know them (repeatable).", multiple=True)
@option("--feature", "What is probed", "COLUMN", "Its inputs, in order, where it does not know them (repeatable).", multiple=True)
@trust("What is probed")
@option("--false-alarms", "How it is asked", "SHARE", "How many of clean inputs may be suspected; 1% needs 299 clean images.", default="1%",
        show_default=True)
@option("--budget", "How it is asked", "N",
        "How many images or rows the model is asked (500,000); calibration is done whatever it is.", type=click.IntRange(1_000))
@option("--examples", "How it is asked", "N", "How many suspects to show, with pictures; 0 for none.", type=click.IntRange(0, 100))
@option("--seed", "How it is asked", "N", "Where random numbers begin.", type=int, default=0, show_default=True)
@outputs("json", "html", "markdown")
@click.pass_obj
def backdoor(state: State, /, *, json: str | None, html: str | None, markdown: str | None, plain: bool, quiet: bool, no_progress: bool,
             false_alarms: str, size: str | None, **given: Any) -> int:
    """Search for a backdoor in a model of images, tables or texts, by its labels alone.

    Each image is covered in part after part; where its label changes, that part is pasted on clean images, and where the label comes
    along, it is a trigger: its picture, its place and the answer without it are shown. Triggers that lie thinly over a whole image are
    looked for as well. Of texts words are taken out and put into others, of tables the values of one or two columns. Clean ones say how
    often a harmless input looks like that, so that false alarms are as rare as asked for.

    Images stand in a column of PNG or JPEG files or of lists of pixels, or in a column for each pixel. `assay demo digits` shows it all.
    """
    options = arguments(given)
    options["false_alarms"] = _share(false_alarms)
    if size is not None:
        options["size"] = _size(size)
    files = files_of({"json": json, "html": html, "markdown": markdown}, [options[each] for each in ("model", "clean", "inputs")
                                                                         if each in options])
    from assay.verbs.probe.backdoor import backdoor as verb

    run = verb(options.pop("model"), options.pop("clean"), options.pop("inputs", None), **options)
    return shown(run, files, state, lines, json=json, plain=plain, quiet=quiet)


def _share(text: str) -> float:
    """Return a share, from a text such as ``1%`` or ``0.01``.

    >>> _share("1%"), _share("0.005")
    (0.01, 0.005)
    """
    from assay.errors import ConfigError

    try:
        found = float(text.strip().removesuffix("%")) / (100 if text.strip().endswith("%") else 1)
    except ValueError:
        found = 0.0
    if not 0 < found < 1:
        raise ConfigError(f"--false-alarms {text} is no share", expected="a share such as 1% or 0.01")
    return found


def _size(text: str) -> tuple[int, int, int]:
    """Return height, width and channels, from a text such as ``28x28`` or ``32x32x3``.

    >>> _size("28x28"), _size("32x48x3")
    ((28, 28, 1), (32, 48, 3))
    """
    from assay.errors import ConfigError

    parts = text.lower().split("x")
    if len(parts) not in (2, 3) or not all(each.isdigit() and 0 < int(each) < 10_000 for each in parts):
        raise ConfigError(f"--size {text} cannot be read", expected="HEIGHTxWIDTH or HEIGHTxWIDTHxCHANNELS, such as 28x28")
    return int(parts[0]), int(parts[1]), int(parts[2]) if len(parts) == 3 else 1


def lines(run: Run, screen: Terminal, *, quiet: bool = False) -> list[Line]:
    """Return the lines that show what was found: the verdict, the trigger, the suspects, the notes."""
    from assay.app.terminal import foot, opening, said, spaced

    parts = [opening(run, screen)]
    if quiet:
        return parts[0]
    parts.append(said((each.sentence for each in run.findings), screen, "  "))
    parts.append(said(run.sentences[1:], screen))
    parts.append(said((each.hint for each in run.verdicts if each.hint), screen, "next: "))
    return spaced([*parts, *foot(run, screen, _TOLD)])
