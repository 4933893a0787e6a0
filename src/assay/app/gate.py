"""``assay gate``: may a candidate replace the champion? Ends with an exit code that a pipeline can read.

``gate`` is the command. It parses, puts what was given on the command line in the places of what ``assay.yaml`` says, calls
``assay.verbs.gate``, and writes what that found; it judges nothing itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from assay.app.check import _configured, _enough, _options, files_of, json_of, rows_of, show, written
from assay.app.option import Command, Option, quietly, shared
from assay.app.state import State

if TYPE_CHECKING:
    from assay.result import Run

__all__ = ["gate"]

_RULES = """
gate:
  success: [auc]                              at least one of these shown to be better; none: not worse is enough
  guardrails:                                 none of these worse by more than this, in any slice
    - recall by origin >= champion - 0.02
    - log_loss <= champion * 1.01
  levels: [accuracy >= 0.8]                   what customers were promised
"""
_EXAMPLES = """
assay gate assay.yaml --candidate models/new.onnx --champion models/current.onnx
assay gate assay.yaml --candidate models/new.onnx --html release.html --junit release.xml --markdown release.md
assay gate --candidate new.joblib --champion old.joblib --trust --data test.parquet --label delayed --slice origin
assay gate assay.yaml --rollback models/v1.onnx --rollback models/v2.onnx
"""
_CODES = """
0 release   1 block, or something in error   2 wrong usage or bad input   3 inconclusive: more labelled rows would settle it
With --rollback: 0 an earlier model is better, and named   1 none is   3 too few rows to tell
"""


def _one(name: str, group: str, metavar: str, text: str, **rest: Any) -> Callable[..., Any]:
    return click.option(name, cls=Option, group=group, metavar=metavar, help=text, **rest)


@click.command(cls=Command, parts={"Rules (in assay.yaml; without them the main metric must not be worse, overall and by slice)": _RULES,
                                   "Examples": _EXAMPLES, "Exit codes": _CODES})
@click.argument("config", required=False, type=click.Path(), metavar="[ASSAY.YAML]")
@_one("--candidate", "What is judged", "FILE", "The model that wants to be released; `model` of the configuration if not given.")
@_one("--champion", "What is judged", "FILE", "The model that it would replace.")
@_one("--rollback", "What is judged", "FILE", "An earlier model: is it better than the champion on these rows? (repeatable)", multiple=True)
@_one("--data", "What is judged", "FILE", "Labelled rows that neither model learned from.")
@_one("--train", "What is judged", "FILE", "What the candidate learned from: for leakage and staleness.")
@_one("--where", "What is judged", "PREDICATE", "Only these rows.")
@_one("--sql", "What is judged", "QUERY", "The query to read the data with.")
@_one("--slice", "How it is judged", "SLICES", 'No slice of these may be worse: a column, "age:4", "a * b" (repeatable).', multiple=True)
@click.option("--strict", is_flag=True, cls=Option, group="How it is judged", help="A slice too small to tell is inconclusive.")
@_one("--store", "How it is judged", "FILE", "Remembers releases, to see harm that adds up over them; `gate: {store: FILE}` else.")
@_one("--label", "Columns of the data", "COLUMN", "What is to be predicted (repeatable: several labels).", multiple=True)
@_one("--id", "Columns of the data", "COLUMN", "Names a row.")
@_one("--entity", "Columns of the data", "COLUMN", "Who or what a row is about: rows of one entity are not independent.")
@_one("--timestamp", "Columns of the data", "COLUMN", "When it happened.")
@_one("--positive", "What the models answer", "CLASS", "The positive class, where it is not plain.")
@_one("--threshold", "What the models answer", "NUMBER", "The score from which a row is positive.", type=float)
@click.option("--trust", is_flag=True, cls=Option, group="What the models answer",
              help="Let a model file run the code that it brings (pickle, joblib). Only for files that you trust.")
@_one("--json", "Output", "FILE", "Write everything as JSON; - for standard output, and nothing else there.")
@_one("--html", "Output", "FILE", "Write the report: one page that needs nothing else.")
@_one("--junit", "Output", "FILE", "Write the verdicts as JUnit XML, for CI.")
@_one("--markdown", "Output", "FILE", "Write a summary for a pull request.")
@click.option("--quiet", "-q", is_flag=True, cls=Option, group="Output", help="Only the verdict.")
@quietly
@shared
@click.pass_obj
def gate(state: State, /, config: str | None, *, json: str | None, html: str | None, junit: str | None, markdown: str | None,
         plain: bool, quiet: bool, no_progress: bool, trust: bool, strict: bool, **given: Any) -> int:
    """Say whether a candidate may replace the champion.

    Both answer the same rows. Every metric, overall and by slice, is compared pairwise with intervals; the verdict is release (0), block
    (1) or inconclusive (3), and says in words what is gained and what is risked.
    """
    options = _options(given)
    models = [*(options.get(name) for name in ("candidate", "champion")), *options.get("rollback", ())]
    files = files_of({"json": json, "html": html, "junit": junit, "markdown": markdown},
                     [config, *models, options.get("data"), options.get("train")])
    _enough(config, options)
    run = judged(config, options, trust=trust, strict=strict, progress=not no_progress and json != "-")
    state.code = run.exit_code
    written(run, files, state)
    if json == "-":
        sys.stdout.write(json_of(run) + "\n")
        sys.stdout.flush()
    else:
        show(run, plain=plain, quiet=quiet)
    return run.exit_code


def judged(config: str | None, options: Mapping[str, Any], *, trust: bool, strict: bool, progress: bool) -> Run:
    """Return the run that the arguments ask for."""
    from assay.app.progress import Progress
    from assay.verbs.gate import gate as verb

    given = {"model" if name == "candidate" else name: each for name, each in options.items()}
    apart = {name: given.pop(name) for name in ("rollback", "store") if name in given}
    found = _configured(config, given) if config is not None else None
    places = {name: found.location(getattr(found, name)) if found is not None else options.get(name) for name in ("data", "train")}
    with Progress(lambda name: rows_of(places.get(name)), shown=progress) as bar:
        if found is not None:
            return verb(found, trust=trust, strict=strict, progress=bar, **apart)
        return verb(given.pop("model", None), trust=trust, strict=strict, progress=bar, **apart, **given)
