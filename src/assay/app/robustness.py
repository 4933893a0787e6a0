"""``assay probe robustness``: how much must an input change before the model answers otherwise?

``robustness`` is the command, of the group ``probe``. It parses, calls ``assay.verbs.probe.robustness``, draws what that measured, and
gives the exit code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from assay.app.argument import arguments, configured, enough
from assay.app.option import Command, Option, answers, option, outputs, rows
from assay.app.output import files_of, shown
from assay.app.probe import lines
from assay.app.state import State

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["robustness"]

_EXAMPLES = """
assay probe robustness assay.yaml
assay probe robustness assay.yaml --at-most 0.05 --within 0.1         at most 5 % of rows flip by a change of a tenth of a spread
assay probe robustness assay.yaml --at-least 0.95 --severity 0.1      95 % are answered alike under noise, and with values missing
assay probe robustness assay.yaml --fixed age --change income=increase    what cannot change, and how the others can
assay probe robustness --model m.onnx --data reviews.csv --label stars --synonyms words.json
"""
_CODES = """
0 measured, or within the bounds   1 a bound is broken   2 wrong usage or bad input   3 inconclusive: too few rows to tell
"""
_ASKED = ("budget", "severity", "within", "loss", "at_least", "at_most", "difference", "examples", "seed")


@click.command("robustness", cls=Command, short_help="How much must an input change before the model answers otherwise?",
               parts={"Examples": _EXAMPLES, "Exit codes": _CODES})
@click.argument("config", required=False, type=click.Path(), metavar="[ASSAY.YAML]")
@option("--at-most", "What is asked", "SHARE", "Fail where changes of at most --within flip a larger share of the rows.", type=float)
@option("--within", "What is asked", "SIZE", "How large such a change may be, in spreads of the column (0.1).", type=float)
@option("--at-least", "What is asked", "SHARE", "Fail where fewer rows are answered alike at --severity.", type=float)
@option("--severity", "What is asked", "SIZE", "Of noise in spreads of the column, of values that go missing a share (0.1).", type=float)
@option("--loss", "What is asked", "SHARE", "Say at which severity this share of the answers changes (0.05).", type=float)
@option("--difference", "What is asked", "NUMBER", "Of a model of numbers: how far apart two answers are that differ.", type=float)
@option("--fixed", "What may change", "COLUMN", "A column that stays as it is (repeatable).", multiple=True)
@option("--change", "What may change", "COLUMN=HOW", "Only such columns change: increase, decrease, any, 0..100 or this|that (repeatable).",
        multiple=True)
@click.option("--near", is_flag=True, cls=Option, group="What may change",
              help="Count only changed rows that are as near to a real row as these are to each other.")
@option("--synonyms", "What may change", "FILE", 'Words that may stand for others, as JSON ({"good": ["fine"]}); else words are mistyped.')
@option("--attacked", "How it is asked", "N", "How many rows are attacked (200).", type=click.IntRange(1, 100_000))
@option("--budget", "How it is asked", "N", "How many rows the model is asked at most (200,000).", type=click.IntRange(1_000))
@option("--examples", "How it is asked", "N", "How many changes to show.", type=click.IntRange(1, 1_000))
@option("--seed", "How it is asked", "N", "Where random numbers begin.", type=int, default=0, show_default=True)
@option("--model", "What is probed", "FILE", "The model.")
@option("--data", "What is probed", "FILE", "The rows that are changed.")
@option("--reference", "What is probed", "FILE", "Rows that say how columns spread and what is real; the training data or the data else.")
@rows("What is probed")
@option("--label", "What is probed", "COLUMN", "The label: what is lost of the accuracy is told.", multiple=True)
@option("--ignored", "What is probed", "COLUMN", "Columns to leave out (repeatable).", multiple=True)
@answers("What is probed")
@outputs("json", "html", "markdown")
@click.pass_obj
def robustness(state: State, /, config: str | None, *, json: str | None, html: str | None, markdown: str | None, plain: bool, quiet: bool,
               no_progress: bool, trust: bool, near: bool, **given: Any) -> int:
    """Spoil rows more and more and ask again, and search the smallest changes that flip an answer.

    Sizes are in spreads of each column of the reference (interquartile range / 1.349). Noise is added, categories are exchanged, values go
    missing, letters are mistyped, pixels blurred. Then the smallest changes of single rows are searched that the model answers otherwise,
    within ranges, types and categories. Nothing is judged without a bound.
    """
    options = arguments(given)
    asked = {name: options.pop(name) for name in _ASKED if name in options}
    if "fixed" in options:
        asked["fixed"] = list(options.pop("fixed"))
    if "attacked" in options:
        asked["rows"] = options.pop("attacked")
    if "change" in options:
        from assay.verbs.explain.counterfactual import changes

        asked["changeable"] = changes(list(options.pop("change")))
    if "synonyms" in options:
        from pathlib import Path

        asked["synonyms"] = _synonyms(Path(options.pop("synonyms")))
    files = files_of({"json": json, "html": html, "markdown": markdown}, [config, options.get("model"), options.get("data")])
    enough(config, options, "probe")
    from assay.verbs.probe.robustness import probe_robustness as verb

    asked |= {"near": near, "trust": trust}
    run = verb(**options, **asked) if config is None else verb(configured(config, options), **asked)
    return shown(run, files, state, lines, json=json, plain=plain, quiet=quiet)


def _synonyms(path: Path) -> Mapping[str, list[str]]:
    """Return words and what may stand for each, from a file of JSON."""
    import json

    from assay.errors import ConfigError

    expected = '{"good": ["fine", "nice"]}'
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(16 << 20))
    except OSError as error:
        raise ConfigError(f"the file of synonyms cannot be read ({error.strerror})", where=str(path), expected=expected) from error
    except ValueError as error:
        raise ConfigError("the file of synonyms is no JSON", where=str(path), expected=expected) from error
    lists = list(found.values()) if isinstance(found, dict) else [None]
    if not all(isinstance(each, list) and all(isinstance(one, str) for one in each) for each in lists):
        raise ConfigError("the file of synonyms does not give words a list each", where=str(path), expected=expected)
    return {str(word): each for word, each in found.items()}
