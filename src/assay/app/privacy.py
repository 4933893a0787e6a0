"""``assay probe privacy``: what does a model give away of the rows that it learned from?

``privacy`` is the command, of the group ``probe``. It parses, calls ``assay.verbs.probe.privacy``, draws what that found, and gives the
exit code.
"""

from __future__ import annotations

from typing import Any

import click

from assay.app.argument import arguments, configured, enough
from assay.app.option import Command, answers, option, outputs, rows
from assay.app.output import files_of, shown
from assay.app.probe import lines
from assay.app.state import State

__all__ = ["privacy"]

_EXAMPLES = """
assay probe privacy assay.yaml --train train.parquet
assay probe privacy assay.yaml --at-most 0.03 --rate 0.01      at most 3 % of training rows told where chance tells 1 %
assay probe privacy assay.yaml --sensitive disease             can it be inferred from the answers?
assay probe privacy --model m.joblib --trust --train t.parquet --data d.parquet --label y --models 64
"""
_CODES = """
0 measured, or within the bound   1 the bound is broken, or training values stand in the model   2 wrong usage or bad input
3 inconclusive: too few rows to tell
"""
_ASKED = ("models", "at_most", "rate", "seed")


@click.command("privacy", cls=Command, short_help="What does a model give away of the rows that it learned from?",
               parts={"Examples": _EXAMPLES, "Exit codes": _CODES})
@click.argument("config", required=False, type=click.Path(), metavar="[ASSAY.YAML]")
@option("--sensitive", "What is asked", "COLUMN", "A column to infer from answers; else the protected ones (repeatable).", multiple=True)
@option("--at-most", "What is asked", "SHARE", "Fail where a larger share of the training rows is told at --rate.", type=float)
@option("--rate", "What is asked", "SHARE", "False alarms at which that is judged: 0.001, 0.01 (where nothing is said) or 0.1.", type=float)
@option("--models", "How it is asked", "N", "How many reference models are fitted, where the model can be (16); 0 for none.", type=int)
@option("--seed", "How it is asked", "N", "Where random numbers begin.", type=int, default=0, show_default=True)
@option("--model", "What is probed", "FILE", "The model.")
@option("--train", "What is probed", "FILE", "The rows that it learned from.")
@option("--data", "What is probed", "FILE", "Rows like those that it never saw.")
@rows("What is probed")
@option("--label", "What is probed", "COLUMN", "The label.", multiple=True)
@option("--protected", "What is probed", "COLUMN", "Columns about people, which are inferred (repeatable).", multiple=True)
@option("--id", "What is probed", "COLUMN", "A column of ids, which are looked for in the model's file.")
@option("--ignored", "What is probed", "COLUMN", "Columns to leave out (repeatable).", multiple=True)
@answers("What is probed")
@outputs("json", "html", "markdown")
@click.pass_obj
def privacy(state: State, /, config: str | None, *, json: str | None, html: str | None, markdown: str | None, plain: bool, quiet: bool,
            no_progress: bool, trust: bool, **given: Any) -> int:
    """Tell training rows from others by the answers, infer sensitive columns, and look for training values in the model's file.

    Each attack has its AUC and the share of training rows that it tells at few false alarms, with intervals. Models of scikit-learn
    are fitted anew, with and without each row, to compare with; of others only how sure they are of a label is read.
    """
    options = arguments(given)
    asked = {name: options.pop(name) for name in _ASKED if name in options}
    if "sensitive" in options:
        asked["sensitive"] = list(options.pop("sensitive"))
    files = files_of({"json": json, "html": html, "markdown": markdown},
                     [config, options.get("model"), options.get("data"), options.get("train")])
    enough(config, options, "probe")
    from assay.verbs.probe.privacy import probe_privacy as verb

    run = verb(**options, **asked, trust=trust) if config is None else verb(configured(config, options), **asked, trust=trust)
    return shown(run, files, state, lines, json=json, plain=plain, quiet=quiet)
