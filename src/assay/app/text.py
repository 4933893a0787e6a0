"""``assay probe text``: sentences on which text classifiers contradict each other, the label of a grammar, or themselves.

``text`` is the command, of the group ``probe``. It parses, calls ``assay.verbs.probe.text``, draws what
that found, and gives the exit code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from assay.app.argument import arguments, configured
from assay.app.option import Command, Option, option, outputs, trust
from assay.app.output import files_of, shown
from assay.app.state import INTERRUPTED, State

if TYPE_CHECKING:
    from assay.app.layout import Line, Terminal
    from assay.result import Run

__all__ = ["lines", "text"]

_EXAMPLES = """
assay probe text --model a.joblib --model b.onnx --grammar news.lark --trust       where two classifiers contradict each other
assay probe text --model a.joblib --grammar reviews --expected --at-most 0.05      against the labels of the grammar
assay probe text --model a.joblib --grammar sentiment --relation names --relation negation
assay probe text --model rules.py:answer --model http://models/v2/models/tone --grammar sentiment --labels labels.yaml --trust
assay probe text --model new.joblib --replay result.json                           which findings fail still
"""
_GRAMMARS = """
sentiment   what people say of things     reviews    reviews of food         topic      headlines
toxicity    insults, and words like them  language   six languages           json       a message within a record
ogma-a, ogma-b, ogma-c: those of Udeshi and Chattopadhyay (2019), without labels. Or a file: docs/methods/text-testing.md
"""
_RELATIONS = """
the same label after   names, pronouns, nationality, religion, typos, contraction, punctuation
another label after    negation
not surer after        weaker
"""
_CODES = """
0 nothing found (or, with --at-most, no larger share)   1 found   2 wrong usage or bad input   3 inconclusive
130 interrupted; a search that had begun is shown and written as far as it came
"""
_ASKED = (
    "grammar",
    "budget",
    "between",
    "at_least",
    "at_most",
    "shrink",
    "examples",
    "corpus",
    "column",
    "replay",
    "seed",
    "labels",
    "task",
    "classes",
)


@click.command(
    "text",
    cls=Command,
    short_help="Search for sentences on which text classifiers contradict each other, or are wrong.",
    parts={"Examples": _EXAMPLES, "Grammars": _GRAMMARS, "Relations": _RELATIONS, "Exit codes": _CODES},
)
@click.argument("config", required=False, type=click.Path(), metavar="[ASSAY.YAML]")
@option(
    "--model", "What is asked", "FILE", "A model: a file, an address, or file.py:function (repeatable: they are compared).", multiple=True
)
@option("--grammar", "What is asked", "FILE", "The grammar that sentences are made by: a file, or one of those below.")
@click.option(
    "--expected",
    is_flag=True,
    cls=Option,
    group="What is asked",
    help="Of one model: compare with the grammar's labels (so it is without --relation).",
)
@option("--relation", "What is asked", "NAME", "Of one model: compare with its answer to a changed sentence (repeatable).", multiple=True)
@option("--labels", "What is asked", "FILE", "A YAML file that maps labels to common ones: great: positive, mixed: null.")
@option("--between", "What is asked", "LABEL", "Only contradictions between these labels count (repeatable).", multiple=True)
@option("--at-least", "What is asked", "NUMBER", "An answer held with less than this is none.", type=float)
@option(
    "--at-most", "What is asked", "SHARE", "Fail only where a larger share of sentences drawn from the grammar is at fault.", type=float
)
@option("--replay", "What is asked", "RESULT", "Ask the findings of an earlier run (--json) again, and search nothing.")
@option("--budget", "How it is asked", "N", "How many sentences are searched; each is put to every model.", type=click.IntRange(100))
@option(
    "--shrink", "How it is asked", "N", "How many findings are shrunk at the most, some 20 sentences each.", type=click.IntRange(0, 100_000)
)
@option("--corpus", "How it is asked", "FILE", "Texts that the grammar mines words from, and that say what is ordinary.")
@option("--column", "How it is asked", "COLUMN", "The text among the columns of the corpus, and the input of the model.")
@option("--examples", "How it is asked", "N", "How many causes to show.", type=click.IntRange(1, 1_000))
@option("--seed", "How it is asked", "N", "Where random numbers begin.", type=int, default=0, show_default=True)
@option("--class", "How it is asked", "CLASS", "The classes of a model that does not know them, in order (repeatable).", multiple=True)
@option("--task", "How it is asked", "NAME", "The task of such a model: binary or multiclass.", type=click.Choice(["binary", "multiclass"]))
@trust("How it is asked")
@outputs("json", "html", "markdown")
@click.pass_obj
def text(
    state: State,
    /,
    config: str | None,
    *,
    model: tuple[str, ...],
    relation: tuple[str, ...],
    expected: bool,
    json: str | None,
    html: str | None,
    markdown: str | None,
    plain: bool,
    quiet: bool,
    no_progress: bool,
    trust: bool,
    **given: Any,
) -> int:
    """Search for sentences on which text classifiers contradict each other, the label of a grammar, or themselves.

    Sentences are made by a grammar, where the models failed before and otherwise each time. What is found is shrunk to the shortest
    sentence that fails the same way; the share among sentences drawn from the grammar is told with an interval.
    """
    from assay.app.progress import Progress
    from assay.verbs.probe.text import probe_text as verb

    options = arguments(given)
    asked = {name: options[name] for name in _ASKED if name in options}
    read = [
        config,
        *(each.partition(".py:")[0] for each in model if ".py:" not in each),
        *(asked.get(name) for name in ("labels", "corpus", "replay")),
    ]
    files = files_of(
        {"json": json, "html": html, "markdown": markdown}, [*read, *(each for each in [asked.get("grammar")] if each and "." in each)]
    )
    models = [*([configured(config, {})] if config is not None else []), *model]
    with Progress(lambda name: None, shown=not no_progress and json != "-") as bar:
        run = verb(models, relation=relation, expected=expected, trust=trust, progress=bar, **asked)
    code = shown(run, files, state, lines, json=json, plain=plain, quiet=quiet)
    return INTERRUPTED if run.about.get("stopped") == "interrupted" else code


def lines(run: Run, screen: Terminal, *, quiet: bool = False) -> list[Line]:
    """Return the lines that show it: the verdict, the causes, the sentences, the notes."""
    from assay.app.terminal import foot, opening, said, spaced

    parts = [opening(run, screen)]
    if quiet:
        return parts[0]
    most = int(str(run.about.get("examples", 10)))
    parts.append(said((each.sentence for each in run.findings[:most]), screen, "  "))
    if len(run.findings) > most:
        parts.append(said([f"and {len(run.findings) - most:,} more causes: --examples shows them, --json has all"], screen, "  "))
    parts.append(said(run.sentences[1:], screen))
    return spaced([*parts, *foot(run, screen, ("models", "grammar", "method", "seed"))])
