"""Run a demonstration: real data, a model trained on the spot, its checks, and the command that repeats them.

``demo("flights")`` is the whole interface; ``DEMOS`` is the registry of demonstrations, each one file under ``demos/`` that writes
data, a model and an ``assay.yaml`` into a folder, and ``ASKED`` what each then asks of its model. The doors in ``assay.app`` and users
import it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from assay.errors import ConfigError
from assay.registry import Registry
from assay.result import Run
from assay.verbs.check import check
from assay.verbs.demos import Make, Question, Tell
from assay.verbs.monitor.monitor import replay

__all__ = ["ASKED", "DEMOS", "VERBS", "Demonstration", "demo"]

DEMOS: Registry[Make] = Registry("demo", {
    "digits": "assay.verbs.demos.digits:digits", "flights": "assay.verbs.demos.flights:flights",
    "mortgage": "assay.verbs.demos.mortgage:mortgage", "reviews": "assay.verbs.demos.reviews:reviews"})
FIRST_LINE = "# Written by `assay demo {}`; run it again and this folder is written anew.\n"
HISTORY = "year.parquet"   # of a demonstration that goes on to watch its model
FILES = ("answers.parquet", "applications.parquet", "assay.yaml", "classifiers.py", "clean.parquet", "guard.py", "inbox.parquet",
         "inbox.yaml", "model.joblib", "reference.parquet", "report.html", "sentences.parquet", "test.parquet", "train.parquet", HISTORY)
#: what a demonstration may ask, as it is typed on the command line
VERBS: Registry[Callable[..., Run]] = Registry("verb", {
    "check": "assay.verbs.check:check", "explain": "assay.verbs.explain.explain:explain",
    "probe backdoor": "assay.verbs.probe.backdoor:backdoor", "probe fairness": "assay.verbs.probe.fairness:probe",
    "probe associations": "assay.verbs.probe.association:associations", "probe text": "assay.verbs.probe.text:probe_text",
    "repair": "assay.verbs.repair.repair:repair"})
#: what each demonstration asks once its model was checked
ASKED: Registry[tuple[Question, ...]] = Registry("demo question", {
    "digits": "assay.verbs.demos.digits:QUESTIONS", "flights": "assay.verbs.demos.flights:QUESTIONS",
    "mortgage": "assay.verbs.demos.mortgage:QUESTIONS", "reviews": "assay.verbs.demos.reviews:QUESTIONS"})


@dataclass(frozen=True)
class Demonstration:
    """What a demonstration left: its run, and the folder that holds data, model and ``assay.yaml``.

    ``watched`` is what a year's watch said, ``answered`` the answers to what was ``asked`` then, where there are any.
    """

    run: Run
    folder: Path
    watched: Run | None = None
    asked: tuple[Question, ...] = ()
    answered: tuple[Run, ...] = ()

    @property
    def command(self) -> str:
        """The command that checks the same again."""
        return f"assay check {shlex.quote(str(self.folder / 'assay.yaml'))} --trust"

    @property
    def watch(self) -> str:
        """The command that watches the same again."""
        config, data = (shlex.quote(str(self.folder / name)) for name in ("assay.yaml", HISTORY))
        return f"assay monitor replay {config} --data {data} --trust"

    @property
    def questions(self) -> list[str]:
        """The commands that ask the same again."""
        return [f"assay {each.words(self.folder)} --trust" for each in self.asked]

    @property
    def whole(self) -> Run:
        """The run with the incidents of the year and all answers behind its verdicts, in the order asked: what the report shows."""
        answered = [_part(each, f"question {place}: {asked.brief}") for place, (asked, each) in
                    enumerate(zip(self.asked, self.answered, strict=True), 1)]
        more = [*([self.watched] if self.watched is not None else []), *answered]
        verdicts, findings = ([one for each in answered for one in getattr(each, part)] for part in ("verdicts", "findings"))
        findings.sort(key=lambda each: each.outcome != "fail")   # what only a person can judge stands behind what is a fault
        first = tuple(each.sentences[0] for each in self.answered if each.sentences)
        told = {*first, *(each.sentence for each in (*verdicts, *findings))}
        notes = dict.fromkeys((*self.run.notes, *(line for each in more for line in (*each.sentences, *each.notes) if line not in told)))
        return dataclasses.replace(
            self.run, incidents=self.watched.incidents if self.watched is not None else self.run.incidents,
            sentences=(*self.run.sentences, *first), verdicts=(*self.run.verdicts, *verdicts), findings=(*self.run.findings, *findings),
            figures=(*self.run.figures, *(figure for each in more for figure in each.figures)), notes=tuple(notes))


def demo(name: str = "flights", *, keep: str | Path | None = None, tell: Tell | None = None,
         progress: Callable[[str, int], None] | None = None) -> Demonstration:
    """Return a demonstration that has run, in the folder ``keep`` or in a new one among the temporary files.

    ``tell`` is called with a sentence at every stage. Raises ``UnknownNameError`` for another name, ``MissingExtraError`` where the
    extra ``demo`` is not installed, ``ConfigError`` where ``keep`` holds files that no demonstration wrote. If anything goes wrong,
    nothing is left behind.
    """
    make = DEMOS[name]
    say = tell or (lambda text: None)
    folder = _folder(name, keep)
    there = folder.is_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        suite = make(folder, say)
        config = folder / "assay.yaml"
        config.write_text(FIRST_LINE.format(name) + suite, encoding="utf-8")
        say("checking the model on them")
        run = check(str(config), trust=True, progress=progress)  # the model was made a moment ago, by this very process
        watched = None
        if (folder / HISTORY).exists():
            say("watching it for a year, day by day, with labels a day late")
            watched = replay(str(config), folder / HISTORY, trust=True, progress=progress)
        asked = ASKED[name] if name in ASKED else ()  # noqa: SIM401 (a registry has no get)
        answered = []
        for each in asked:
            say(f"asking: assay {each.words(Path())}")
            given = each.placed(folder)
            answered.append(VERBS[each.verb](given.pop("model", str(folder / each.config)), trust=True, **given))
        shown = Demonstration(run, folder, watched, asked, tuple(answered))
        say("writing the report")
        try:
            shown.whole.save(folder / "report.html")
        except ConfigError as error:  # a checkout whose page was never built still has a verdict
            say(f"no report: {error}")
    except BaseException:
        _remove(folder, whole=not there)
        raise
    return shown


def _part(run: Run, name: str) -> Run:
    """Return an answer whose verdicts and pictures stand in a part of the page of that name."""
    return dataclasses.replace(run, verdicts=tuple(dataclasses.replace(each, aspect=name) for each in run.verdicts),
                               figures=tuple(dataclasses.replace(each, aspect=name) for each in run.figures))


def _folder(name: str, keep: str | Path | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix=f"assay-{name}-"))
    folder = Path(keep).absolute()
    if folder.exists() and not folder.is_dir():
        raise ConfigError("this is a file", where=str(keep), expected="a folder, or the name of a new one")
    taken = [each for each in FILES if (folder / each).exists()]
    if taken and not _ours(folder / "assay.yaml"):
        raise ConfigError(f"the folder holds {', '.join(taken)} already", where=str(keep), hint="name a new folder")
    return folder


def _ours(config: Path) -> bool:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return config.read_text("utf-8").startswith(FIRST_LINE.partition("{}")[0])
    return False


def _remove(folder: Path, *, whole: bool) -> None:
    if whole:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        for each in FILES:
            (folder / each).unlink(missing_ok=True)
