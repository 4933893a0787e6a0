"""``assay probe associations``: who is treated differently, in which sub-population, beyond chance and beyond what is explained.

``associations`` is the command, of the group ``probe``. It parses, calls ``assay.verbs.probe.association``, draws what that found, and
gives the exit code.
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

__all__ = ["associations", "lines"]

_EXAMPLES = """
assay probe associations assay.yaml
assay probe associations assay.yaml --output error --protected age           who is it wrong about
assay probe associations assay.yaml --mark 3f9a1c22=explained --because "nights are paid more"
assay probe associations --data admissions.csv --protected gender --output accepted --given department
assay probe associations --data photos.parquet --protected race --output tags  a thousand tags: which are tied to a group
"""
_CODES = """
0 nothing beyond chance (with --at-most: and none larger may be there), or questions to people
1 marked as a bug, or above --at-most   2 wrong usage or bad input   3 inconclusive: too few rows to compare, or to hold to --at-most
"""
_ASKED = ("output", "given", "context", "metric", "way", "control", "rate", "tolerance", "at_most", "levels", "marks", "mark", "because",
          "by", "seed")
_TOLD = ("output", "protected", "given", "rows compared", "sub-populations", "seed")


@click.command("associations", cls=Command, short_help="Search for who is treated differently, and where, beyond what is explained.",
               parts={"Examples": _EXAMPLES, "Exit codes": _CODES})
@click.argument("config", required=False, type=click.Path(), metavar="[ASSAY.YAML]")
@option("--protected", "What is asked", "COLUMN", "A column that says who somebody is (repeatable: each is compared by itself).",
        multiple=True)
@option("--output", "What is asked", "NAME", "What is compared: decision, score, label, error, false_positive, false_negative, or a column "
        "(repeatable).", multiple=True)
@option("--given", "What is asked", "COLUMN", "What explains a difference: rows alike in it are compared (repeatable).", multiple=True)
@option("--context", "What is asked", "COLUMN", "Describe sub-populations by these columns only (repeatable).", multiple=True)
@option("--metric", "What is asked", "NAME", "difference, ratio, information, correlation or 'rank correlation'; else what suits.")
@option("--at-most", "What is asked", "SIZE", "Fail where an association that nobody explained is certainly larger.", type=float)
@option("--tolerance", "What is asked", "SIZE", "Report no association that may be this small.", type=float)
@option("--mark", "What people say", "ID=WORD", "Mark a finding as a bug, explained or watch (repeatable).", multiple=True)
@option("--because", "What people say", "TEXT", "Why; an explanation needs one.")
@option("--by", "What people say", "NAME", "Who says so; the user of this machine else.")
@option("--marks", "What people say", "FILE", "Where it is kept; associations.jsonl beside the configuration else.")
@option("--way", "How it is asked", "NAME", "How sub-populations are searched: exact, tree, or both.",
        type=click.Choice(["both", "exact", "tree"]))
@option("--control", "How it is asked", "NAME", "fwer: no false report but for the rate (Holm); fdr: that share of reports at most.",
        type=click.Choice(["fwer", "fdr"]))
@option("--rate", "How it is asked", "SHARE", "That rate.", type=float)
@option("--levels", "How it is asked", "N", "How many conditions describe a sub-population at most.", type=click.IntRange(1, 3))
@option("--seed", "How it is asked", "N", "Which half of the rows is searched.", type=int, default=0, show_default=True)
@option("--model", "What is compared", "FILE", "The model; none is needed for columns.")
@option("--data", "What is compared", "FILE", "The rows.")
@rows("What is compared")
@option("--label", "What is compared", "COLUMN", "The label.", multiple=True)
@option("--prediction", "What is compared", "COLUMN", "Logged predictions, where there is no model.")
@option("--score", "What is compared", "COLUMN", "Logged scores, where there is no model.", multiple=True)
@option("--class", "What is compared", "CLASS", "The classes, in order (repeatable).", multiple=True)
@option("--entity", "What is compared", "COLUMN", "Rows of one entity are one observation.")
@option("--ignored", "What is compared", "COLUMN", "Columns to leave out (repeatable).", multiple=True)
@answers("What is compared")
@outputs("json", "html", "markdown")
@click.pass_obj
def associations(state: State, /, config: str | None, *, json: str | None, html: str | None, markdown: str | None, plain: bool, quiet: bool,
                 no_progress: bool, trust: bool, **given: Any) -> int:
    """Search for associations between what people get and who they are, in all rows and in sub-populations.

    Sub-populations are searched on one half of the rows and tested on the other, and what is reported is corrected for how many were
    tested. What explains a difference is named by --given. A finding is a question to a person, whose answer (--mark) is kept.
    """
    options = arguments(given)
    asked = {name: options.pop(name) for name in _ASKED if name in options}
    asked |= {name: list(asked[name]) for name in ("output", "given", "context") if name in asked}
    if "mark" in asked:
        asked["mark"] = _marks(asked["mark"])
    files = files_of({"json": json, "html": html, "markdown": markdown}, [config, options.get("model"), options.get("data")])
    enough(config, options, "probe")
    from assay.verbs.probe.association import associations as verb

    run = verb(**options, **asked, trust=trust) if config is None else verb(configured(config, options), **asked, trust=trust)
    return shown(run, files, state, lines, json=json, plain=plain, quiet=quiet)


def _marks(texts: tuple[str, ...]) -> dict[str, str]:
    """Return marks by id, from texts such as ``3f9a1c22=bug``.

    >>> _marks(("3f9a1c22=bug", "77aa0012=watch"))
    {'3f9a1c22': 'bug', '77aa0012': 'watch'}
    """
    from assay.errors import ConfigError

    found = {}
    for text in texts:
        name, equals, word = (part.strip() for part in text.partition("="))
        if not (name and equals and word):
            raise ConfigError(f"--mark {text} cannot be read", expected="ID=bug, ID=explained or ID=watch")
        found[name] = word
    return found


def lines(run: Run, screen: Terminal, *, quiet: bool = False) -> list[Line]:
    """Return the lines that show associations: the verdict, the findings with their ids, what was not found, the notes."""
    from assay.app.terminal import foot, opening, said, spaced

    rest = run.sentences[1:]
    parts = [opening(run, screen)]
    if quiet:
        return parts[0]
    parts.append(said((each.sentence for each in run.findings), screen, "  "))
    parts.append(said(rest, screen))
    parts.append(said((each.hint for each in run.verdicts if each.hint), screen, "next: "))
    return spaced([*parts, *foot(run, screen, _TOLD)])
