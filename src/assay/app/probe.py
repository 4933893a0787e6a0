"""``assay probe``: ask a model what its data never did. ``fairness`` looks for people who differ in sex only and are answered differently.

``probe`` is the group of commands. They parse, call ``assay.verbs.probe.fairness``, draw what that found, and give the exit code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from assay.app.argument import arguments, configured, enough
from assay.app.option import Command, Group, Option, answers, option, outputs, rows
from assay.app.output import files_of, shown
from assay.app.state import INTERRUPTED, State

if TYPE_CHECKING:
    from assay.app.layout import Line, Terminal
    from assay.result import Run

__all__ = ["lines", "probe"]

_EXAMPLES = """
assay probe fairness assay.yaml --protected sex --budget 200000
assay probe fairness assay.yaml --protected sex --protected race      both together
assay probe fairness assay.yaml --protected sex --near                only inputs like the data's
assay probe fairness assay.yaml --protected sex --difference 0.1      scores that are 0.1 apart or more
assay probe fairness --model m.onnx --data d.csv --protected sex --range income=0..100 --range job=cook|clerk
"""
_CODES = """
0 nothing found (or, with --at-most, no more than that)   1 found   2 wrong usage or bad input   3 inconclusive
130 interrupted; a search that had begun is shown and written as far as it came
"""
_ASKED = ("budget", "seconds", "difference", "ranges", "method", "examples", "proof", "at_most", "seed")


@click.group(cls=Group, short_help="Search for inputs on which a model is at fault.", parts={"Examples": _EXAMPLES, "Exit codes": _CODES})
def probe() -> None:
    """Ask a model what its data never did, and search for inputs on which it is at fault."""


@probe.command("fairness", cls=Command, short_help="Search for inputs that differ in protected columns only and are answered differently.",
               parts={"Examples": _EXAMPLES, "Exit codes": _CODES})
@click.argument("config", required=False, type=click.Path(), metavar="[ASSAY.YAML]")
@option("--protected", "What is asked", "COLUMN", "A column that must make no difference (repeatable: all together).", multiple=True)
@option("--budget", "What is asked", "N", "How many tests; each asks the model once for each combination of protected values.",
        type=click.IntRange(100))
@option("--seconds", "What is asked", "NUMBER", "Stop after so many seconds, with what was found.", type=float)
@option("--difference", "What is asked", "NUMBER", "Compare scores, and count those that are at least so far apart.", type=float)
@click.option("--near", is_flag=True, cls=Option, group="What is asked",
              help="Ask only inputs that are as near to rows of the data as these are to each other.")
@option("--range", "What is asked", "COLUMN=VALUES", "What may be tried of a column: 0..100, or this|that (repeatable).", multiple=True)
@option("--at-most", "What is asked", "SHARE", "Fail only where a larger share of the data's rows would be answered otherwise.", type=float)
@option("--method", "How it is asked", "NAME", "auto, screen (most finds per test), walk (most per second) or cover (most different).",
        type=click.Choice(["auto", "screen", "walk", "cover"]))
@option("--proof", "How it is asked", "SECONDS", "How long a proof about forests and boosted trees may take; 0 for none.", type=float)
@option("--examples", "How it is asked", "N", "How many pairs to show.", type=click.IntRange(1, 1_000))
@option("--seed", "How it is asked", "N", "Where random numbers begin.", type=int, default=0, show_default=True)
@option("--model", "What is probed", "FILE", "The model.")
@option("--data", "What is probed", "FILE", "Rows that say which values are possible, and which are usual.")
@rows("What is probed")
@option("--label", "What is probed", "COLUMN", "What is to be predicted: it is no input.", multiple=True)
@answers("What is probed")
@outputs("json", "html", "markdown")
@click.pass_obj
def fairness(state: State, /, config: str | None, *, json: str | None, html: str | None, markdown: str | None, plain: bool, quiet: bool,
             no_progress: bool, trust: bool, near: bool, **given: Any) -> int:
    """Search for inputs that differ in protected columns only and are answered differently.

    The search learns from what it asked where to ask next. What it finds is shrunk to the fewest unusual values, and the share of the
    data's rows, of inputs near them, and of all inputs is estimated with an interval. Where nothing is found, the share that may be left is
    said.
    """
    options = arguments(given)
    if "range" in options:
        options["ranges"] = _ranges(options.pop("range"))
    asked = {name: options.pop(name) for name in _ASKED if name in options}
    files = files_of({"json": json, "html": html, "markdown": markdown}, [config, options.get("model"), options.get("data")])
    enough(config, options, "probe")
    run = _probed(config, options, {**asked, "near": near, "trust": trust})
    code = shown(run, files, state, lines, json=json, plain=plain, quiet=quiet)
    return INTERRUPTED if run.about.get("stopped") == "interrupted" else code


def _probed(config: str | None, options: Mapping[str, Any], asked: Mapping[str, Any]) -> Run:
    from assay.verbs.probe.fairness import probe as verb

    return verb(**options, **asked) if config is None else verb(configured(config, options), **asked)


def _ranges(texts: tuple[str, ...]) -> dict[str, Any]:
    """Return what may be tried of columns, from texts such as ``income=0..100`` and ``job=cook|clerk``.

    >>> _ranges(("income=0..100", "job=cook|clerk", "rooms=1|2"))
    {'income': [0, 100], 'job': ['cook', 'clerk'], 'rooms': [1, 2]}
    """
    from assay.errors import ConfigError

    found: dict[str, Any] = {}
    for text in texts:
        name, _, spec = (part.strip() for part in text.rpartition("="))
        parts = [each.strip() for each in (spec.split("..") if ".." in spec else spec.split("|"))]
        if not name or not all(parts) or (".." in spec and len(parts) != 2):
            raise ConfigError(f"--range {text} cannot be read", expected="COLUMN=0..100 or COLUMN=this|that")
        values = [_number(each) for each in parts]
        if ".." in spec and any(isinstance(each, str) for each in values):
            raise ConfigError(f"'{spec}' is no range", expected="two numbers: 0..100")
        found[name] = values
    return found


def _number(text: str) -> str | int | float:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def lines(run: Run, screen: Terminal, *, quiet: bool = False) -> list[Line]:
    """Return the lines that show a probe: the verdict, the sentences, the pairs, the notes."""
    from assay.app.terminal import foot, opening, said, spaced

    rest = run.sentences[1:]
    parts = [opening(run, screen)]
    if quiet:
        return parts[0]
    shown = [each for each in rest if each not in {one.sentence for one in run.findings}]
    parts.append(said(shown, screen))
    parts.append(said((each.sentence for each in run.findings), screen, "  "))
    return spaced([*parts, *foot(run, screen, ("protected", "inputs", "method", "seed"))])
