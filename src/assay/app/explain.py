"""``assay explain``: why one row got its answer, and what a model's answers hang on.

``explain`` is the command; ``lines`` draws its run. It parses, calls ``assay.verbs.explain.explain``, and writes what that found.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from assay.app.argument import arguments, configured, enough, rows_of
from assay.app.option import Command, Option, answers, option, outputs, rows
from assay.app.output import files_of, shown
from assay.app.state import State

if TYPE_CHECKING:
    from assay.app.layout import Line, Terminal
    from assay.result import Run, Value

__all__ = ["explain", "lines"]

MOST, FEW = 20, 6   # columns that one table lists, and one of many tables
_LINES = 5          # that a name takes in a table, such as the conditions of a segment
_ROWS = ("training influence", "suspicion of label")   # values of single training rows, whose notes have their inputs
_STATED = ("quantity", "method", "stable", "compared with", "additivity gap")
_EXAMPLES = """
assay explain assay.yaml --row 10432
assay explain assay.yaml --row 10432 --against "label = 1"        compared with those that were accepted
assay explain assay.yaml --segments                                where is the model weak
assay explain assay.yaml --segments champion                       where is it better or worse than the champion
assay explain assay.yaml --global --html importance.html
assay explain assay.yaml --row 10432 --training-rows               which training rows led to this answer
assay explain assay.yaml --row 10432 --counterfactual --change income=increase --change savings=0..50000
assay explain assay.yaml --training-rows --among "age < 25"        which led to the errors there, and which labels look wrong
assay explain assay.yaml --between 2013-02 2013-07
assay explain assay.yaml --disparity race
assay explain --model m.onnx --data d.csv --train t.csv --id id --row 10432
"""
_CODES = """
0 explained   2 wrong usage or bad input
Nothing is judged.
"""
_TASKS = ("binary", "multiclass", "regression")
#: arguments of the verb that are no part of a configuration
_ASKED = ("row", "between", "disparity", "among", "changeable", "wanted", "segments", "tolerance",
          "against", "quantity", "way", "background", "rows", "at_most", "budget", "seed", "store")


@click.command(cls=Command, short_help="Say why a model answers what it does.", parts={"Examples": _EXAMPLES, "Exit codes": _CODES})
@click.argument("config", required=False, type=click.Path(), metavar="[ASSAY.YAML]")
@option("--row", "What is asked", "ID", "Why did this row get its answer? A value of the id's column, else a number counted from 0.",
        multiple=True)
@click.option("--global", "overall", is_flag=True, cls=Option, group="What is asked",
              help="What do answers hang on? On a sample of the data; this is asked where nothing else is.")
@click.option("--training-rows", "training_rows", is_flag=True, cls=Option, group="What is asked",
              help="With --row: which training rows led to its answer? Alone: which led to the errors, and whose labels look wrong?")
@option("--among", "How it is asked", "PREDICATE", "With --training-rows alone: trace the errors of these rows of the data.")
@option("--checkpoint", "How it is asked", "FILE", "With --training-rows: the network at an earlier time of its training (repeatable).",
        multiple=True)
@option("--segments", "What is asked", "WHAT", "Where does it differ? error (if nothing is said), overfit, drift, disparity or champion.",
        is_flag=False, flag_value="error")
@option("--tolerance", "How it is asked", "NUMBER", "With --segments: a difference that is not worth a line.", type=float)
@click.option("--between", nargs=2, metavar="A B", cls=Option, group="What is asked",
              help="Why did score and error move from A to B? Years, months or days (2013-02), predicates, or files.")
@option("--disparity", "What is asked", "COLUMN", "Which inputs make the gap between the groups of a column, or of two: race=Black,White.")
@click.option("--counterfactual", "counterfactual", is_flag=True, cls=Option, group="What is asked",
              help="With --row: what would have had to differ for another decision?")
@option("--change", "How it is asked", "COLUMN=HOW", "With --counterfactual: what a person can change, and how: increase, decrease, any, "
        "0..100000 or this|that (repeatable).", multiple=True)
@option("--wanted", "How it is asked", "CLASS", "With --counterfactual: the decision that is wanted; of numbers '>= 200'.")
@option("--quantity", "How it is asked", "WHAT", "score, log-odds, decision or loss; what the model adds up if not given.")
@option("--way", "How it is asked", "WHAT", "exact, sampled, gradients (networks) or path-dependent (trees); the best if not given.")
@option("--against", "How it is asked", "PREDICATE", 'Compare with these rows of the background only, such as "label = 0".')
@option("--background", "How it is asked", "FILE", "Rows to compare with; if not given, of --train, else --reference, else --data.")
@option("--rows", "How it is asked", "N", "How many rows are drawn, where no row is named.", type=click.IntRange(2))
@option("--at-most", "How it is asked", "NUMBER", "Half an interval at which sampling may stop.", type=float)
@option("--budget", "How it is asked", "N", "How many rows a black box may be asked.", type=click.IntRange(1))
@option("--seed", "How it is asked", "N", "Where random numbers begin.", type=int, default=0, show_default=True)
@option("--store", "How it is asked", "FILE", "Keep what rows with an id contributed, and read again what is kept.")
@option("--model", "What is explained", "FILE", "The model.")
@option("--data", "What is explained", "FILE", "Rows to explain.")
@option("--train", "What is explained", "FILE", "What the model learned from.")
@option("--reference", "What is explained", "FILE", "Held-out data.")
@option("--champion", "What is explained", "FILE", "Another model, for --segments champion.")
@rows("What is explained")
@option("--label", "Columns of the data", "COLUMN", "What is to be predicted.", multiple=True)
@option("--id", "Columns of the data", "COLUMN", "Names a row.")
@option("--entity", "Columns of the data", "COLUMN", "Who or what a row is about: rows of one entity are not independent.")
@option("--protected", "Columns of the data", "COLUMN", "A group that must not be treated worse (repeatable).", multiple=True)
@option("--timestamp", "Columns of the data", "COLUMN", "When it happened.")
@option("--task", "What the model answers", None, "The kind of model, where it does not say.", type=click.Choice(_TASKS))
@option("--class", "What the model answers", "CLASS", "Its classes, in the order of its scores (repeatable).", multiple=True)
@answers("What the model answers", positive="The positive class, where it is not plain; of several, the one to explain.")
@outputs("json", "html", "markdown", quiet="Only the sentences.")
@click.pass_obj
def explain(state: State, /, config: str | None, *, json: str | None, html: str | None, markdown: str | None, plain: bool, quiet: bool,
            no_progress: bool, trust: bool, overall: bool, training_rows: bool, counterfactual: bool, **given: Any) -> int:
    """Say why a model answers what it does.

    Contributions of columns add up from the average of a stated group of rows to the answer (Shapley values; quantitative input
    influence). They are exact for trees and linear models, and sampled with intervals for any other model.
    """
    from assay.errors import ConfigError, listed

    options = arguments(given)
    if "change" in options:
        from assay.verbs.explain.counterfactual import changes

        options["changeable"] = changes(options.pop("change"))
    asked = {name: options.pop(name) for name in _ASKED if name in options}
    if "row" in asked:
        if len(asked["row"]) > 1:
            raise ConfigError(f"{len(asked['row'])} rows were named: {listed(asked['row'])}", expected="one of them at a time",
                              hint="all rows of a kind: --global --where PREDICATE")
        asked["row"] = asked["row"][0]
    if overall and "row" in asked:
        raise ConfigError("--global and --row are different questions", expected="one of them at a time")
    if "checkpoint" in options:
        if not training_rows:
            raise ConfigError("--checkpoint is of training rows", expected="--training-rows")
        asked["checkpoints"] = list(options.pop("checkpoint"))
    if training_rows:
        if overall:
            raise ConfigError("--global and --training-rows are different questions", expected="one of them at a time")
        asked["training_rows"] = True
    if counterfactual:
        asked["counterfactual"] = True
    elif "changeable" in asked or "wanted" in asked:
        raise ConfigError("--change and --wanted are of another decision", expected="--counterfactual")
    files = files_of({"json": json, "html": html, "markdown": markdown},
                     [config, asked.get("background"),
                      *(options.get(name) for name in ("model", "data", "train", "reference", "champion"))])
    enough(config, options, "explain")
    run = explained(config, options, asked, trust=trust, progress=not no_progress and json != "-")

    return shown(run, files, state, lines, json=json, plain=plain, quiet=quiet)


def explained(config: str | None, options: Mapping[str, Any], asked: Mapping[str, Any], *, trust: bool, progress: bool) -> Run:
    """Return the run that the arguments ask for."""
    from assay.app.progress import Progress
    from assay.verbs.explain.explain import explain as verb

    found = configured(config, options) if config is not None else None
    places = {name: found.location(getattr(found, name)) if found is not None else options.get(name)
              for name in ("data", "train", "reference")}
    with Progress(lambda name: rows_of(places.get(name)), shown=progress) as bar:
        if found is not None:
            return verb(found, **asked, trust=trust, progress=bar)
        return verb(**options, **asked, trust=trust, progress=bar)


def lines(run: Run, screen: Terminal, *, quiet: bool = False) -> list[Line]:
    """Return the lines that show an explanation: sentences, then a table of columns with their intervals, then notes."""
    from assay.app.layout import clean, wrapped
    from assay.app.terminal import foot, spaced

    heads = ["EXPLAIN: ", *[" " * 9] * len(run.sentences)]
    parts: list[list[Line]] = [[line for head, each in zip(heads, run.sentences, strict=False)
                                for line in wrapped([(head, "head")], _closed(clean(each)), "", screen.width)]]
    if quiet:
        return parts[0]
    parts.append([line for each in run.findings
                  for line in wrapped([(f"{each.probe}: ", each.outcome)], clean(each.sentence), "", screen.width)])
    kinds: dict[tuple[str, str], list[Value]] = {}
    for each in run.values:
        if not each.column and not each.slice:   # a number of all rows: the sentences have it
            continue
        place = _place(each) if each.column or "segment" in each.slice else ""
        kinds.setdefault((each.name, place), []).append(each)
    most = MOST if len(kinds) <= 2 else FEW
    parts += [_table(name if not place else f"{name}, {clean(place)}", values, most, screen) for (name, place), values in kinds.items()]
    return spaced([*parts, *foot(run, screen, _STATED)])


def _place(value: Value) -> str:
    return ", ".join(f"{name}={part}" for name, part in value.key if name != "segment")


def _closed(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "?", "!")) else text + "."


def _table(title: str, values: list[Value], most: int, screen: Terminal) -> list[Line]:
    """Return values of columns, one a line, those of 0 left out: number, interval, and a bar where there is room; of rows their inputs."""
    from assay.app.layout import cells, clean, cut, padded, wrapped

    shown = [each for each in values if each.value != 0][:most] or values[:1]
    names = [clean(str(each.column or each.model or each.slice.get("segment") or _place(each))) for each in shown]
    first = min(max(map(cells, [*names, title[:20]])), 36)
    numbers = [f"{each.value:+.3g}" if each.value is not None else "-" for each in shown]
    ends = [f"[{each.low:+.3g}, {each.high:+.3g}]" if each.low is not None and each.high is not None and each.low != each.high else ""
            for each in shown]
    wide, far = max(map(len, numbers)), max(map(len, ends))
    largest = max((abs(each.value or 0.0) for each in shown), default=0.0) or 1.0
    room = min(30, screen.width - first - wide - far - 6)
    mark = "#" if screen.plain else "█"
    out: list[Line] = [[(cut(title, screen.width), "head")]]
    for name, text, end, each in zip(names, numbers, ends, shown, strict=True):
        bar = mark * round(room * abs(each.value or 0.0) / largest) if room > 6 else ""
        style = "fail" if (each.value or 0.0) < 0 else "pass"
        head, *rest = [name] if cells(name) <= first else [
            "".join(part for part, _ in line) for line in wrapped([], cut(name, _LINES * (first - 2)), "", first, indent=2)]
        out.append([(padded(head, first), ""), ("  " + padded(text, wide, right=True), ""), ("  " + padded(end, far), "dim"),
                    ("  " + bar, style)])
        out += [[(line, "")] for line in rest]
        if each.name in _ROWS and each.note:
            inputs = clean(", ".join(each.note.split("; ")[2:]))
            out.append([("  " + cut(inputs, screen.width - 2), "dim")])
    if len(values) > len(shown):
        out.append([(f"and {len(values) - len(shown):,} more: --json has all", "dim")])
    return out
