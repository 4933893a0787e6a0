"""``assay gate``: may a candidate replace the champion? Ends with an exit code that a pipeline can read.

``gate`` is the command. It parses, puts what was given on the command line in the places of what ``assay.yaml`` says, calls
``assay.verbs.gate.gate``, and writes what that found; it judges nothing itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from assay.app.argument import arguments, configured, enough, rows_of
from assay.app.option import Command, Option, answers, option, outputs, rows
from assay.app.output import files_of, put, show
from assay.app.state import State
from assay.errors import AssayError, ConfigError

if TYPE_CHECKING:
    from assay.result import Run
    from assay.verbs.gate.registry import Pinned

__all__ = ["gate"]

_BESIDE = ("log", "against", "offline", "canary", "maturity", "margin", "training", "validation")

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
assay gate assay.yaml --candidate models:/delay@candidate --champion models:/delay@champion --promote
assay gate assay.yaml --log yesterday.parquet --score logged
assay gate assay.yaml --log champion.parquet --against shadow.parquet --canary --maturity 1d --score logged
assay gate assay.yaml --training new.parquet --validation held-out.parquet
"""
_CODES = """
0 release   1 block, or something in error   2 wrong usage or bad input   3 inconclusive: more labelled rows would settle it
With --rollback: 0 an earlier model is better, and named   1 none is   3 too few rows to tell
"""


@click.command(cls=Command, parts={"Rules (in assay.yaml; without them the main metric must not be worse, overall and by slice)": _RULES,
                                   "Examples": _EXAMPLES, "Exit codes": _CODES})
@click.argument("config", required=False, type=click.Path(), metavar="[ASSAY.YAML]")
@option("--candidate", "What is judged", "FILE", "The model that wants to be released; `model` of the configuration if not given.")
@option("--champion", "What is judged", "FILE", "The model that it would replace.")
@option("--rollback", "What is judged", "FILE", "An earlier model: is it better than the champion on these rows? (repeatable)",
        multiple=True)
@option("--data", "What is judged", "FILE", "Labelled rows that neither model learned from.")
@option("--train", "What is judged", "FILE", "What the candidate learned from: for leakage and staleness.")
@option("--log", "Logs and training data", "FILE", "Rows that the champion scored, with its scores: does it give them again?")
@option("--against", "Logs and training data", "FILE", "Another score log of the same rows, compared with --log by id.")
@option("--offline", "Logs and training data", "FILE", "A second table of features, joined to --log by id: which differ, and what of it.")
@click.option("--canary", is_flag=True, cls=Option, group="Logs and training data",
              help="Is the model of --against worse than that of --log? May be asked at any time; only matured labels count.")
@option("--maturity", "Logs and training data", "TIME", "The age at which labels are complete, such as 1d (with --canary).")
@option("--margin", "Logs and training data", "NUMBER", "How much more loss is tolerable, 0.01 if not given (with --canary).", type=float)
@option("--training", "Logs and training data", "FILE", "The data of the next training: are they clean against --train?")
@option("--validation", "Logs and training data", "FILE", "What it is validated on: apart from --training, and not broken itself.")
@rows("What is judged")
@option("--slice", "How it is judged", "SLICES", 'No slice of these may be worse: a column, "age:4", "a * b" (repeatable).', multiple=True)
@option("--behaviour", "How it is judged", "PATH", "Behaviour tests that it must pass: a file or folder of *.assay.yaml (repeatable).",
      multiple=True)
@click.option("--strict", is_flag=True, cls=Option, group="How it is judged", help="A slice too small to tell is inconclusive.")
@option("--store", "How it is judged", "FILE", "Remembers releases, to see harm that adds up over them; `gate: {store: FILE}` else.")
@click.option("--tag", is_flag=True, cls=Option, group="Registry",
              help="Write the verdict as tags of the candidate, a version in MLflow's registry.")
@click.option("--promote", is_flag=True, cls=Option, group="Registry",
              help="And on release, let the champion's alias point to the candidate.")
@option("--label", "Columns of the data", "COLUMN", "What is to be predicted (repeatable: several labels).", multiple=True)
@option("--id", "Columns of the data", "COLUMN", "Names a row.")
@option("--entity", "Columns of the data", "COLUMN", "Who or what a row is about: rows of one entity are not independent.")
@option("--timestamp", "Columns of the data", "COLUMN", "When it happened.")
@option("--prediction", "Columns of the data", "COLUMN", "Predictions that were logged (with --log).")
@option("--score", "Columns of the data", "COLUMN", "Scores that were logged (with --log; repeatable: one a class).", multiple=True)
@answers("What the models answer", feature=False)
@outputs("json", "html", "junit", "markdown")
@click.pass_obj
def gate(state: State, /, config: str | None, *, json: str | None, html: str | None, junit: str | None, markdown: str | None,
         plain: bool, quiet: bool, no_progress: bool, trust: bool, strict: bool, tag: bool, promote: bool, **given: Any) -> int:
    """Say whether a candidate may replace the champion.

    Both answer the same rows. Every metric, overall and by slice, is compared pairwise with intervals; the verdict is release (0), block
    (1) or inconclusive (3), and says in words what is gained and what is risked.
    """
    options = arguments(given)
    beside = {name: options.pop(name) for name in _BESIDE if options.get(name) not in (None, False)}
    options.pop("canary", None)
    models = [*(options.get(name) for name in ("candidate", "champion")), *options.get("rollback", ())]
    files = files_of({"json": json, "html": html, "junit": junit, "markdown": markdown},
                     [config, *models, options.get("data"), options.get("train"),
                      *(beside.get(name) for name in ("log", "against", "offline", "training", "validation"))])
    kept = _pinned(config, options, beside, promote=promote) if tag or promote else None
    failed: AssayError | None = None
    if beside:
        run = looked(config, options, beside, trust=trust, strict=strict)
    else:
        enough(config, options)
        if "rollback" in options and "behaviour" in options:
            raise ConfigError("--behaviour is not used with --rollback", expected="a candidate to be tested")
        if "candidate" in options and "champion" in options and "rollback" in options:
            raise ConfigError("--rollback ranks earlier models against one that runs now, and two are named",
                              expected="--champion or --candidate, not both")
        run = judged(config, options, trust=trust, strict=strict, progress=not no_progress and json != "-")
    if kept is not None:
        run, failed = _recorded(run, kept, promote=promote)
    state.code = run.exit_code
    put(run, files, state, json=json, draw=lambda: show(run, plain=plain, quiet=quiet))
    if failed is not None:  # only now: what was judged is not lost because the registry is away
        raise failed
    return run.exit_code


def _pinned(config: str | None, options: dict[str, Any], beside: Mapping[str, Any], *, promote: bool) -> Pinned:
    """Return the versions behind the candidate and the champion, and put them in the places of their aliases in ``options``."""
    from assay.verbs.gate.registry import pinned

    if beside or options.get("rollback"):
        raise ConfigError("--tag and --promote belong to a candidate", expected="--candidate beside them, and no other question")
    found = configured(config, {}) if config is not None else None
    candidate, champion = (options.get(name) or (found and getattr(found, key))
                           for name, key in (("candidate", "model"), ("champion", "champion")))
    made = pinned(candidate, champion, promote=promote)
    options["candidate"] = made.candidate.place
    if made.champion is not None:
        options["champion"] = made.champion.place
    return made


def _recorded(run: Run, kept: Pinned, *, promote: bool) -> tuple[Run, AssayError | None]:
    import dataclasses

    from assay.verbs.gate.registry import recorded

    try:
        return dataclasses.replace(run, notes=(*run.notes, recorded(run, kept, promote=promote))), None
    except AssayError as error:
        return dataclasses.replace(run, notes=(*run.notes, f"not recorded: {error}")), error


def judged(config: str | None, options: Mapping[str, Any], *, trust: bool, strict: bool, progress: bool) -> Run:
    """Return the run that the arguments ask for."""
    from assay.app.progress import Progress
    from assay.verbs.gate.gate import gate as verb

    given = {"model" if name == "candidate" else name: each for name, each in options.items()}
    apart = {name: given.pop(name) for name in ("rollback", "store", "behaviour") if name in given}
    found = configured(config, given) if config is not None else None
    places = {name: found.location(getattr(found, name)) if found is not None else options.get(name) for name in ("data", "train")}
    with Progress(lambda name: rows_of(places.get(name)), shown=progress) as bar:
        if found is not None:
            return verb(found, trust=trust, strict=strict, progress=bar, **apart)
        return verb(given.pop("model", None), trust=trust, strict=strict, progress=bar, **apart, **given)


def looked(config: str | None, options: Mapping[str, Any], beside: Mapping[str, Any], *, trust: bool, strict: bool) -> Run:
    """Return what logs, or the data of a training, say: no candidate is judged."""
    _possible(config is not None, options, beside)
    given = dict(options)
    found = configured(config, given) if config is not None else None
    roles = {name: given[name] for name in ("label", "id", "entity", "timestamp", "prediction", "score") if name in given}
    rest: dict[str, Any] = {name: given[name] for name in ("where", "task", "classes", "types") if name in given}
    if "training" in beside:
        from assay.verbs.gate.training import training

        return training(beside["training"], config=found, history=given.get("train") if found is None else None,
                        validation=beside.get("validation"), strict=strict, **rest, **roles)
    slices = [given["slice"]] if isinstance(given.get("slice"), str) else list(given.get("slices", ()))
    if "against" not in beside:
        from assay.verbs.gate.replay import replay

        return replay(found if found is not None else given.get("champion"), beside["log"],
                      offline=beside.get("offline"), slices=slices, trust=trust, **rest, **roles)
    rest |= {"threshold": given["threshold"]} if "threshold" in given else {}
    if "canary" in beside:
        from assay.verbs.gate.canary import canary

        return canary(beside["log"], beside["against"], config=found, maturity=beside.get("maturity"), margin=beside.get("margin"),
                      slices=slices, **rest, **roles)
    from assay.verbs.gate.replay import compare

    return compare(beside["log"], beside["against"], config=found, **rest, **roles)


def _possible(configured: bool, chosen: Mapping[str, Any], beside: Mapping[str, Any]) -> None:
    """Refuse options that do not go together, before anything is read."""
    needs = {"against": "log", "offline": "log", "canary": "against", "maturity": "canary", "margin": "canary", "validation": "training"}
    for name, other in needs.items():
        if name in beside and other not in beside:
            raise ConfigError(f"--{name} does nothing by itself", expected=f"--{other} beside it")
    asked = next(name for name in ("training", "canary", "against", "log") if name in beside)
    models = () if asked == "log" else ("champion",)   # one log is replayed with a model; the others are about data alone
    for name in ("candidate", "rollback", "store", "behaviour", *models):
        if chosen.get(name):
            raise ConfigError(f"--{name} is not used with --{asked}", expected="one question at a time",
                              hint="--champion names the model that gave the scores" if asked == "log" and name == "candidate" else None)
    if "log" in beside and "training" in beside:
        raise ConfigError("--log and --training are two questions", expected="one of the two")
    if "log" in beside and "against" not in beside and not configured and not chosen.get("champion"):
        raise ConfigError("no model is named that could be asked again", expected="--champion MODEL, or a configuration")
