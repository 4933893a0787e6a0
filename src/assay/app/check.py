"""``assay check``: judge a model on data, show the verdict, and end with an exit code that a pipeline can read.

``check`` is the command. It parses, puts what was given on the command line in the places of what ``assay.yaml`` says, calls
``assay.verbs.check``, and writes what that found; it judges nothing itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from assay.app.argument import arguments, configured, enough, rows_of
from assay.app.option import Command, Option, option, outputs, rows
from assay.app.output import files_of, put, show
from assay.app.state import State

if TYPE_CHECKING:
    from assay.result import Run

__all__ = ["check"]

_CHECKS = """
auc >= 0.70 warn 0.75                  a metric and its bound; below 0.75 it warns
recall by carrier >= 0.6               in every slice; "age:4" cuts bins, "carrier * origin" crosses
recall where distance > 1000 >= 0.5    on some rows
selection_rate ratio by origin >= 0.8  the disparity between slices (or difference)
psi of distance, hour <= 0.2           of columns; "of *" is every feature
auc >= reference - 0.03                against the reference, the train data or the champion
"""
_EXAMPLES = """
assay check assay.yaml
assay check assay.yaml --data july.parquet --json result.json --junit result.xml
assay check --model model.joblib --trust --data test.parquet --label delayed \\
    --check "auc >= 0.6" --check "recall by origin >= 0.1" --slice carrier
assay check --model model.joblib --trust --data test.parquet --reference reference.parquet \\
    --label delayed --check "auc >= reference - 0.05" --check "psi of * <= 0.5" --json -
assay check --data reference.parquet --check "missing of * <= 5%"
"""
_CODES = """
0 pass or warn   1 fail or error   2 wrong usage or bad input   3 inconclusive (fail beats it)
A slice too small ever to decide sets no code, unless --strict.
"""

_TASKS = ("binary", "multiclass", "multilabel", "regression", "ranking")


@click.command(cls=Command, parts={"Checks (--check, or the list in assay.yaml; `assay metrics` lists the metrics)": _CHECKS,
                                   "Examples": _EXAMPLES, "Exit codes": _CODES})
@click.argument("config", required=False, type=click.Path(), metavar="[ASSAY.YAML]")
@option("--model", "What is judged", "FILE", "The model: a file, an address, command:... Without one: --prediction or --score.")
@option("--model-option", "What is judged", "NAME=VALUE", "How the model is run: isolation=process, timeout=30 (repeatable).",
        multiple=True)
@option("--data", "What is judged", "FILE", "The data: Parquet, CSV, Arrow, a folder of Parquet, or a database URL with --sql.")
@option("--train", "What is judged", "FILE", "The data that the model learned from.")
@option("--reference", "What is judged", "FILE", "Held-out data that --data is compared with.")
@option("--champion", "What is judged", "FILE", "Another model, to be compared on the same rows.")
@rows("What is judged")
@option("--check", "How it is judged", "CHECK", 'An expectation, such as "auc >= 0.7" (repeatable).', multiple=True)
@option("--slice", "How it is judged", "SLICES", 'Show metrics by these slices too: a column, "age:4", "a * b" (repeatable).',
        multiple=True)
@click.option("--strict", is_flag=True, cls=Option, group="How it is judged", help="A slice too small to tell is inconclusive.")
@option("--label", "Columns of the data", "COLUMN", "What is to be predicted (repeatable: several labels).", multiple=True)
@option("--prediction", "Columns of the data", "COLUMN", "Predictions that were logged with the data.")
@option("--score", "Columns of the data", "COLUMN", "Scores that were logged with the data (repeatable: one a class).", multiple=True)
@option("--protected", "Columns of the data", "COLUMN", "A group that must not be treated worse (repeatable).", multiple=True)
@option("--forbidden", "Columns of the data", "COLUMN", "A column that the model must not see (repeatable).", multiple=True)
@option("--ignored", "Columns of the data", "COLUMN", "No feature, and nothing else (repeatable).", multiple=True)
@option("--id", "Columns of the data", "COLUMN", "Names a row.")
@option("--entity", "Columns of the data", "COLUMN", "Who or what a row is about: rows of one entity are not independent.")
@option("--timestamp", "Columns of the data", "COLUMN", "When it happened.")
@option("--horizon", "Columns of the data", "COLUMN", "How far ahead a forecast looks.")
@option("--query", "Columns of the data", "COLUMN", "The question that a ranking answers.")
@option("--weight", "Columns of the data", "COLUMN", "How much a row counts.")
@option("--positive", "What the model answers", "CLASS", "The positive class, where it is not plain.")
@option("--threshold", "What the model answers", "NUMBER", "The score from which a row is positive.", type=float)
@option("--task", "What the model answers", None, "The kind of model, where it does not say.", type=click.Choice(_TASKS))
@option("--class", "What the model answers", "CLASS", "Its classes, in the order of its scores (repeatable).", multiple=True)
@option("--feature", "What the model answers", "COLUMN", "Its inputs, in order, where it does not know them (repeatable).", multiple=True)
@click.option("--trust", is_flag=True, cls=Option, group="What the model answers",
              help="Let the model file run the code that it brings (pickle, joblib). Only for files that you trust.")
@outputs("json", "html", "junit", "markdown", "card")
@click.pass_obj
def check(state: State, /, config: str | None, *, json: str | None, html: str | None, junit: str | None, markdown: str | None,
          card: str | None, plain: bool, quiet: bool, no_progress: bool, trust: bool, strict: bool, **given: Any) -> int:
    """Judge a model on data.

    Either a file says what (assay check assay.yaml), or options do; options win over the file, and lists replace the file's.
    Where no check is named, assay looks for what usually goes wrong: the default suite, "default" in a list of checks.
    """
    options = arguments(given)
    outputs = {"json": json, "html": html, "junit": junit, "markdown": markdown, "card": card}
    files = files_of(outputs, [config, *(options.get(name) for name in ("model", "data", "train", "reference", "champion"))])
    enough(config, options)
    run = judged(config, options, trust=trust, strict=strict, progress=not no_progress and json != "-")
    state.code = run.exit_code
    put(run, files, state, json=json, draw=lambda: show(run, plain=plain, quiet=quiet))
    return run.exit_code


def judged(config: str | None, options: Mapping[str, Any], *, trust: bool, strict: bool, progress: bool) -> Run:
    """Return the run that the arguments ask for."""
    from assay.app.progress import Progress
    from assay.verbs.check import check as verb

    found = configured(config, options) if config is not None else None
    places = {name: found.location(getattr(found, name)) if found is not None else options.get(name)
              for name in ("data", "train", "reference")}
    with Progress(lambda name: rows_of(places.get(name)), shown=progress) as bar:
        if found is not None:
            return verb(found, trust=trust, strict=strict, progress=bar)
        return verb(**options, trust=trust, strict=strict, progress=bar)


