"""``assay check``: judge a model on data, show the verdict, and end with an exit code that a pipeline can read.

``check`` is the command. It parses, puts what was given on the command line in the places of what ``assay.yaml`` says, calls
``assay.verbs.check``, and writes what that found; it judges nothing itself.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assay.app.option import Command, Option, quietly, shared
from assay.app.state import State
from assay.errors import AssayError, ConfigError

if TYPE_CHECKING:
    from assay.result import Run
    from assay.verbs.config import Config

__all__ = ["check", "files_of", "json_of", "rows_of", "show", "written"]

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

_ROLES = ("label", "prediction", "score", "protected", "forbidden", "timestamp", "id", "entity", "query", "horizon", "weight", "ignored")
_SEVERAL = ("protected", "forbidden", "ignored")  # always lists; label and score may be
_TASKS = ("binary", "multiclass", "multilabel", "regression", "ranking")


def _many(name: str, group: str, metavar: str, text: str) -> Callable[..., Any]:
    return click.option(name, multiple=True, cls=Option, group=group, metavar=metavar, help=text)


def _one(name: str, group: str, metavar: str | None, text: str, **rest: Any) -> Callable[..., Any]:
    return click.option(name, cls=Option, group=group, metavar=metavar, help=text, **rest)


@click.command(cls=Command, parts={"Checks (--check, or the list in assay.yaml; `assay metrics` lists the metrics)": _CHECKS,
                                   "Examples": _EXAMPLES, "Exit codes": _CODES})
@click.argument("config", required=False, type=click.Path(), metavar="[ASSAY.YAML]")
@_one("--model", "What is judged", "FILE", "The model: a file, an address, command:... Without one: --prediction or --score.")
@_many("--model-option", "What is judged", "NAME=VALUE", "How the model is run: isolation=process, timeout=30 (repeatable).")
@_one("--data", "What is judged", "FILE", "The data: Parquet, CSV, Arrow, a folder of Parquet, or a database URL with --sql.")
@_one("--train", "What is judged", "FILE", "The data that the model learned from.")
@_one("--reference", "What is judged", "FILE", "Held-out data that --data is compared with.")
@_one("--champion", "What is judged", "FILE", "Another model, to be compared on the same rows.")
@_one("--where", "What is judged", "PREDICATE", "Only these rows, such as \"distance > 1000 and origin == 'JFK'\".")
@_one("--sql", "What is judged", "QUERY", "The query to read the data with.")
@_many("--check", "How it is judged", "CHECK", 'An expectation, such as "auc >= 0.7" (repeatable).')
@_many("--slice", "How it is judged", "SLICES", 'Show metrics by these slices too: a column, "age:4", "a * b" (repeatable).')
@click.option("--strict", is_flag=True, cls=Option, group="How it is judged", help="A slice too small to tell is inconclusive.")
@_many("--label", "Columns of the data", "COLUMN", "What is to be predicted (repeatable: several labels).")
@_one("--prediction", "Columns of the data", "COLUMN", "Predictions that were logged with the data.")
@_many("--score", "Columns of the data", "COLUMN", "Scores that were logged with the data (repeatable: one a class).")
@_many("--protected", "Columns of the data", "COLUMN", "A group that must not be treated worse (repeatable).")
@_many("--forbidden", "Columns of the data", "COLUMN", "A column that the model must not see (repeatable).")
@_many("--ignored", "Columns of the data", "COLUMN", "No feature, and nothing else (repeatable).")
@_one("--id", "Columns of the data", "COLUMN", "Names a row.")
@_one("--entity", "Columns of the data", "COLUMN", "Who or what a row is about: rows of one entity are not independent.")
@_one("--timestamp", "Columns of the data", "COLUMN", "When it happened.")
@_one("--horizon", "Columns of the data", "COLUMN", "How far ahead a forecast looks.")
@_one("--query", "Columns of the data", "COLUMN", "The question that a ranking answers.")
@_one("--weight", "Columns of the data", "COLUMN", "How much a row counts.")
@_one("--positive", "What the model answers", "CLASS", "The positive class, where it is not plain.")
@_one("--threshold", "What the model answers", "NUMBER", "The score from which a row is positive.", type=float)
@_one("--task", "What the model answers", None, "The kind of model, where it does not say.", type=click.Choice(_TASKS))
@_many("--class", "What the model answers", "CLASS", "Its classes, in the order of its scores (repeatable).")
@_many("--feature", "What the model answers", "COLUMN", "Its inputs, in order, where it does not know them (repeatable).")
@click.option("--trust", is_flag=True, cls=Option, group="What the model answers",
              help="Let the model file run the code that it brings (pickle, joblib). Only for files that you trust.")
@_one("--json", "Output", "FILE", "Write everything as JSON; - for standard output, and nothing else there.")
@_one("--html", "Output", "FILE", "Write the report: one page that needs nothing else, to be opened in a browser.")
@_one("--junit", "Output", "FILE", "Write the verdicts as JUnit XML, for CI.")
@_one("--markdown", "Output", "FILE", "Write a summary for a pull request.")
@_one("--card", "Output", "FILE", "Write a model card (README.md of a model on the Hugging Face hub).")
@click.option("--quiet", "-q", is_flag=True, cls=Option, group="Output", help="Only the verdict.")
@quietly
@shared
@click.pass_obj
def check(state: State, /, config: str | None, *, json: str | None, html: str | None, junit: str | None, markdown: str | None,
          card: str | None, plain: bool, quiet: bool, no_progress: bool, trust: bool, strict: bool, **given: Any) -> int:
    """Judge a model on data.

    Either a file says what (assay check assay.yaml), or options do; options win over the file, and lists replace the file's.
    Where no check is named, assay looks for what usually goes wrong: the default suite, "default" in a list of checks.
    """
    options = _options(given)
    outputs = {"json": json, "html": html, "junit": junit, "markdown": markdown, "card": card}
    files = files_of(outputs, [config, *(options.get(name) for name in ("model", "data", "train", "reference", "champion"))])
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
    from assay.verbs.check import check as verb

    found = _configured(config, options) if config is not None else None
    places = {name: found.location(getattr(found, name)) if found is not None else options.get(name)
              for name in ("data", "train", "reference")}
    with Progress(lambda name: rows_of(places.get(name)), shown=progress) as bar:
        if found is not None:
            return verb(found, trust=trust, strict=strict, progress=bar)
        return verb(**options, trust=trust, strict=strict, progress=bar)


def show(run: Run, *, plain: bool = False, quiet: bool = False) -> None:
    """Draw a run on standard output, or only its verdict."""
    from assay.app.layout import Terminal, drawn
    from assay.app.terminal import headline, lines

    screen = Terminal.of(sys.stdout, plain=plain)
    drawn(headline(run, screen) if quiet else lines(run, screen), screen)


def _options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the verb that were given on the command line; what was not given is not there."""
    found = {key: value for key, value in given.items() if value not in (None, ())}
    for role in (*_ROLES, "feature", "class", "check", "slice"):
        if isinstance(found.get(role), tuple):
            found[role] = list(found[role])
            if role in ("label", "score") and len(found[role]) == 1:
                found[role] = found[role][0]
    for one, many in (("feature", "features"), ("class", "classes"), ("check", "checks"), ("slice", "slices")):
        if one in found:
            found[many] = found.pop(one)
    if "classes" in found:
        found["classes"] = [_scalar(each) for each in found["classes"]]
    if "positive" in found:
        found["positive"] = _scalar(found["positive"])
    if "model_option" in found:
        found["model"] = _optioned(found.get("model"), found.pop("model_option"))
    return found


def _optioned(model: str | None, options: Sequence[str]) -> dict[str, Any]:
    """Return a model with how it is to be run, as it stands in a configuration.

    >>> _optioned("m.onnx", ["isolation=process", "timeout=30"])
    {'uri': 'm.onnx', 'isolation': 'process', 'timeout': 30}
    """
    if model is None:
        raise ConfigError("--model-option is there without --model", expected="--model FILE",
                          hint="in assay.yaml, options stand beside the model: model: {uri: FILE, isolation: process}")
    pairs = [each.partition("=") for each in options]
    wrong = next((name for name, equals, value in pairs if not (name.isidentifier() and equals and value)), None)
    if wrong is not None or len({name for name, _, _ in pairs}) < len(pairs):
        raise ConfigError(f"--model-option {wrong or 'names an option twice'} cannot be read",
                          expected="NAME=VALUE, such as isolation=process")
    return {"uri": model, **{name: _scalar(value) for name, _, value in pairs}}


def _scalar(text: str) -> str | int | float | bool:
    """Return a class as YAML would read it, so that 1 is the same on the command line and in a file.

    >>> _scalar("1"), _scalar("0.5"), _scalar("true"), _scalar("007"), _scalar("late")
    (1, 0.5, True, '007', 'late')
    """
    if re.fullmatch(r"-?(0|[1-9][0-9]*)", text):
        return int(text)
    if re.fullmatch(r"-?(0|[1-9][0-9]*)\.[0-9]+", text):
        return float(text)
    return {"true": True, "false": False}.get(text.casefold(), text)


def _enough(config: str | None, options: Mapping[str, Any]) -> None:
    """Refuse what cannot be meant, before anything is loaded."""
    if config is not None:
        suffix = Path(config).suffix.lower()
        if suffix not in (".yaml", ".yml"):
            kind = "--data" if suffix in (".parquet", ".csv", ".arrow", ".feather", ".ipc", ".gz") else "--model"
            raise ConfigError("this is not a configuration", where=config, expected="a file ending in .yaml or .yml",
                              hint=f"is it meant as {kind} {config}?")
        return
    if "data" not in options:
        here = next((name for name in ("assay.yaml", "assay.yml") if Path(name).is_file()), None)
        raise ConfigError("there are no data to check", expected="--data FILE, or a configuration",
                          hint=f"{here} is here: assay check {here}" if here else "assay check --help shows examples")


def _configured(path: str | None, options: Mapping[str, Any]) -> Config:
    """Return the configuration at ``path`` with the options in the places of what it says."""
    import dataclasses

    from assay.check.suite import checks
    from assay.check.suite.listed import DEFAULT, divided
    from assay.verbs.config import read

    found = read(str(path))
    changes = {key: value for key, value in options.items() if key not in _ROLES}
    for name in ("model", "data", "train", "reference", "champion"):
        if name in changes:
            changes[name] = _here(changes[name])
    if "checks" in changes:
        default, rest = divided(changes["checks"])
        changes["checks"] = (*([DEFAULT] if default else []), *checks(rest, where="--check"))
    for name in ("slices", "classes", "features"):
        if name in changes:
            changes[name] = tuple(changes[name])
    columns = {**found.columns, **{role: options[role] for role in _ROLES if role in options}}
    return dataclasses.replace(found, columns=columns, **changes)


def _here(place: Any) -> Any:
    """Return a path as it is seen from here, and not from the folder of a configuration; addresses as they are."""
    from assay.model.address import Address

    if isinstance(place, Mapping):
        return {**place, "uri": _here(place["uri"])}
    return place if Address.of(place) is not None else str(Path(place).absolute())


def rows_of(place: str | None) -> int | None:
    """Return how many rows a file has, where its footer says so; a bar without an end else."""
    if place is None or "://" in place or Path(place).suffix.lower() not in (".parquet", ".arrow", ".feather", ".ipc", ""):
        return None
    from assay.data.source import source

    try:
        rows: int | None = source(place).rows
    except AssayError:  # the check itself says what is wrong
        return None
    return rows


#: the renderer of each output that is not JSON
_FORMATS = {"html": "html", "junit": "xml", "markdown": "md", "card": "card"}


def files_of(outputs: Mapping[str, str | None], inputs: list[Any]) -> dict[str, Path]:
    """Return where to write which format; raises ``ConfigError`` where that cannot be, before the long work."""
    from assay.app.output import writable

    for kind, name in outputs.items():
        if name == "-" and kind != "json":
            raise ConfigError("standard output is for --json only", where=f"--{kind}", expected="the name of a file")
    files = {kind: Path(name) for kind, name in outputs.items() if name is not None and name != "-"}
    paths = [each["uri"] if isinstance(each, Mapping) else each for each in inputs if each]
    known = {_place(Path(each)): each for each in paths if "://" not in each}
    taken: dict[Path, str] = {}
    for kind, path in files.items():
        place = _place(path)
        if place in known:
            raise ConfigError("this file is read, so it cannot be written", where=f"--{kind} {path}", expected="another name")
        if place in taken:
            raise ConfigError(f"--{taken[place]} and --{kind} name the same file", where=str(path), expected="two files")
        taken[place] = kind
    writable(files.values())
    return files


def _place(path: Path) -> Path:
    """Return where a path leads; a link that leads in a circle is what it is called."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path.absolute()


def written(run: Run, files: Mapping[str, Path], state: State) -> None:
    """Write a run to the files that were asked for, all or none."""
    if files:
        from assay.app.output import write
        from assay.result import RENDERERS

        # everything is rendered before the first is written
        write({path: json_of(run) + "\n" if kind == "json" else RENDERERS[_FORMATS[kind]](run) for kind, path in files.items()})
        state.written = True


def json_of(run: Run) -> str:
    """Return a run as the JSON text that every command writes."""
    return json.dumps(run.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
