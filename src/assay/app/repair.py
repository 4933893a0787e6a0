"""``assay repair``: what can be done about a model that treats groups differently, and what it costs.

The command parses, calls ``assay.verbs.repair.repair``, draws what that measured, and gives the exit code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from assay.app.argument import arguments, configured, enough
from assay.app.option import Command, Option, answers, option, outputs, rows
from assay.app.output import files_of, shown
from assay.app.state import State

if TYPE_CHECKING:
    from assay.app.layout import Line, Terminal
    from assay.result import Run

__all__ = ["lines", "repair"]

_EXAMPLES = """
assay repair assay.yaml --remedy thresholds --equal true_positive_rate --output repaired.json
assay repair assay.yaml --remedy retrain --protected sex --output repaired.joblib
assay repair assay.yaml --remedy disparate_impact --level 0.8
assay repair assay.yaml --remedy upweight --part "region == 'north'"
assay repair assay.yaml --remedy retrain --grammar reviews --other sentiment --output repaired.joblib    a classifier of texts
assay repair --model m.joblib --train t.parquet --data d.parquet --label y --protected sex --remedy reweigh --trust
"""
_REMEDIES = """
thresholds        a threshold for each group, so that rates are equal at the least loss; any model with scores
retrain           fitted anew with inputs that differ in protected columns only, labelled alike; with --grammar, with sentences
reweigh           fitted anew with weights by which groups and labels are independent
disparate_impact  fitted anew on columns that tell nothing of the group
penalty           fitted many times with weights, until groups are about equal (extra fairlearn)
upweight          fitted anew with more weight on a weak slice
"""
_CODES = """
0 groups are closer, at no more than the cost allowed   1 they are not, or someone is worse off, or it is a constant
2 wrong usage or bad input                              3 inconclusive: too few rows held out
"""
_ASKED = ("remedy", "equal", "at_most", "level", "way", "part", "cost", "budget", "output", "seed", "grammar", "other",
          "labels")


@click.command("repair", cls=Command, short_help="Repair a model, and measure what that changed on rows held out.",
               parts={"Remedies": _REMEDIES, "Examples": _EXAMPLES, "Exit codes": _CODES})
@click.argument("config", required=False, type=click.Path(), metavar="[ASSAY.YAML]")
@option("--remedy", "What is done", "NAME", "Which of those below.")
@option("--equal", "What is done", "RATE", "What thresholds and the penalty make equal: odds, true_positive_rate or selection_rate.")
@click.option("--randomised", is_flag=True, cls=Option, group="What is done",
              help="Let thresholds be mixed, so that rates are exactly equal; a row is always decided alike.")
@option("--at-most", "What is done", "SHARE", "How far apart rates may stay.", type=float)
@option("--level", "What is done", "NUMBER", "How much of the difference in columns is repaired, 0 to 1.", type=float)
@option("--way", "What is done", "NAME", "How columns are repaired: geometric, combinatorial or multivariate.")
@option("--part", "What is done", "PREDICATE", "The slice that is weighted up.")
@option("--cost", "What is done", "SHARE", "How much accuracy may be lost.", type=float)
@option("--grammar", "What is done", "FILE", "Retrain a classifier of texts on sentences of this grammar: a file, or one that is shipped.")
@option("--other", "What is done", "FILE", "Measure on sentences of this grammar too (repeatable).", multiple=True)
@option("--labels", "What is done", "FILE", "A YAML file that maps classes to labels of the grammar: great: positive.")
@option("--output", "What is done", "FILE", "Write the repaired model: .joblib, of thresholds .json. Never over a file that is there.")
@option("--budget", "What is done", "N", "Tests of each search of the probe.", type=click.IntRange(100))
@option("--seed", "What is done", "N", "Where random numbers begin.", type=int, default=0, show_default=True)
@option("--model", "What is repaired", "FILE", "The model.")
@option("--data", "What is repaired", "FILE", "Rows held out, to measure on.")
@option("--train", "What is repaired", "FILE", "The rows that it learned from: all remedies but thresholds need them.")
@option("--reference", "What is repaired", "FILE", "Rows that it did not see, to choose thresholds on; else half of the data.")
@option("--label", "What is repaired", "COLUMN", "What is to be predicted.", multiple=True)
@option("--protected", "What is repaired", "COLUMN", "A column whose groups are to be treated alike (repeatable).", multiple=True)
@rows("What is repaired")
@answers("What is repaired")
@outputs("json", "html", "markdown")
@click.pass_obj
def repair(state: State, /, config: str | None, *, json: str | None, html: str | None, markdown: str | None, plain: bool, quiet: bool,
           no_progress: bool, trust: bool, randomised: bool, **given: Any) -> int:
    """Repair a model, and measure what that changed on rows held out.

    Told are fairness by group, accuracy, who became worse, and what the probe finds before and after; a remedy that moved the model to a
    constant is called out. The model that is given is never changed.
    """
    options = arguments(given)
    asked = {name: options.pop(name) for name in _ASKED if name in options}
    files = files_of({"json": json, "html": html, "markdown": markdown},
                     [config, options.get("model"), options.get("data"), options.get("train"), options.get("reference")])
    enough(config, options, "repair")
    run = _repaired(config, options, {**asked, "randomised": randomised, "trust": trust})
    return shown(run, files, state, lines, json=json, plain=plain, quiet=quiet)


def _repaired(config: str | None, options: Mapping[str, Any], asked: Mapping[str, Any]) -> Run:
    from assay.verbs.repair.repair import repair as verb

    return verb(**options, **asked) if config is None else verb(configured(config, options), **asked)


def lines(run: Run, screen: Terminal, *, quiet: bool = False) -> list[Line]:
    """Return the lines that show a repair: the verdict, the sentences, what was judged, the notes."""
    from assay.app.layout import clean, wrapped
    from assay.app.terminal import foot, opening, said, spaced

    rest = run.sentences[1:]
    parts = [opening(run, screen)]
    if quiet:
        return parts[0]
    parts.append(said(rest, screen))
    judged = [(each, f"{each.check}: {each.hint}" if each.hint and each.verdict != "pass" else each.check) for each in run.verdicts]
    parts.append([line for each, text in judged
                  for line in wrapped([(f"{each.verdict:12} ", each.verdict)], clean(text), "", screen.width)])
    return spaced([*parts, *foot(run, screen)])
