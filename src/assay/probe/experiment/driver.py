"""Does an experiment: block by block, the units of a block at once and in random order, each seen exactly as its lot says.

``conducted(design, log, system)`` asks what is not in the log yet; ``system`` is what ``asked_of`` makes of a design or a callable.
"""

from __future__ import annotations

import datetime as dt
import json
import shlex
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

from assay.errors import AssayError, ConfigError, ModelError, PredictionError, listed, without_secrets
from assay.model.process import Child, Limits, environ
from assay.probe.experiment.design import Design, Step, Treatment, Unit
from assay.probe.experiment.log import Log, Observation
from assay.probe.experiment.reading import outcome, taken
from assay.probe.experiment.session import Site, UnreachableError

__all__ = ["Ask", "asked_of", "conducted"]

Ask: TypeAlias = Callable[[Unit, Treatment], Mapping[str, Any]]   # what a unit gave, by outcome; raises AssayError where it gave none

DOWN = 3      # blocks in a row without one outcome, after which the system is down and not unkind


def asked_of(design: Design, system: Callable[..., Any] | None = None) -> Ask:
    """Return what asks one unit: the callable, or the command or the server that the design names; raises ``ConfigError``."""
    if system is not None:
        return _Called(design, system)
    return _Command(design) if design.system.command is not None else _Server(design)


class _Called:
    def __init__(self, design: Design, system: Callable[..., Any]):
        if not callable(system):
            raise ConfigError(f"a {type(system).__name__} cannot be asked", expected="a function of a profile and a unit's id")
        self.design, self.system = design, system

    def __call__(self, unit: Unit, treatment: Treatment) -> Mapping[str, Any]:
        try:
            said = self.system(dict(treatment.profile) or {"treatment": treatment.name}, unit.id)
        except AssayError:
            raise
        except (Exception, SystemExit) as error:   # whatever the user's function raises is what became of the unit
            raise PredictionError(f"the function raised {type(error).__name__}{_because(error)}") from error
        try:
            return _outcomes(self.design, said)
        except AssayError:
            raise
        except Exception as error:   # an object that is no number nor text, of which even that cannot be asked
            raise PredictionError(f"what the function gave cannot be read: {type(error).__name__}{_because(error)}",
                                  expected="numbers, truth values or texts") from error


def _because(error: BaseException) -> str:
    try:
        return f": {str(error)[:200]}" if str(error) else ""
    except Exception:  # noqa: BLE001 (an error of somebody else that cannot even say what it is)
        return ""


class _Command:
    """A program that runs once a unit: a line of JSON on its input, one object of outcomes on its output."""

    def __init__(self, design: Design):
        self.design, system = design, design.system
        try:
            self.words = shlex.split(system.command or "")
        except ValueError as error:
            raise ConfigError(f"the command cannot be read ({error})", expected="words, quoted as in a shell") from error
        if not self.words or shutil.which(self.words[0]) is None:
            raise ConfigError(f"there is no program '{(self.words or [''])[0][:80]}'", expected="one on the path, or its place")
        self.limits = Limits.of(timeout=system.timeout, memory=None, where="command")
        self.limits.output = system.limit

    def __call__(self, unit: Unit, treatment: Treatment) -> Mapping[str, Any]:
        told = {"unit": unit.id, "treatment": treatment.name, "profile": treatment.profile}
        child = Child(self.words, where="command", limits=self.limits, environment=environ())
        try:
            said = bytes(child.talk([json.dumps(told, default=str).encode() + b"\n"], None, close=True))
        finally:
            child.kill()
        try:
            value = json.loads(said)
        except (ValueError, RecursionError) as error:
            begin = "".join(each if each.isprintable() else " " for each in said[:40].decode("utf-8", "replace"))
            raise PredictionError(f"the program's answer is no JSON: it begins '{begin}'",
                                  expected="one object, and nothing else") from error
        return _outcomes(self.design, value)


class _Server:
    def __init__(self, design: Design):
        self.design, self.site = design, Site(design)

    def __call__(self, unit: Unit, treatment: Treatment) -> Mapping[str, Any]:
        design, held = self.design, {each.name: list[Any]() for each in self.design.outcomes}
        session = self.site.user(unit.id, treatment.profile)
        try:
            for place, step in enumerate(_repeated((*design.before, *treatment.steps, *design.measure))):
                if place and design.system.pause:
                    time.sleep(design.system.pause)
                answer = session.take(step)
                for name, (kind, of) in step.read.items():
                    found = taken(answer, kind, of)
                    kinds = {each.name: each.kind for each in design.outcomes}
                    # of a page, whether an element is there is the answer
                    held[name] += [bool(found)] if kind == "html" and kinds[name] == "yes" else found
            found_all = {each.name: outcome(each, held[each.name]) for each in design.outcomes}
        except AssayError as error:
            error.args = (self.site.clean(str(error.args[0])) if error.args else "",)
            error.what = self.site.clean(error.what)
            raise
        finally:
            session.close()
        return {name: self._clean(each) for name, each in found_all.items()}

    def _clean(self, value: Any) -> Any:
        return [self.site.clean(each) for each in value] if isinstance(value, list) else value


def _repeated(steps: Sequence[Step]) -> list[Step]:
    return [step for step in steps for _ in range(step.times)]


def _outcomes(design: Design, said: Any) -> dict[str, Any]:
    """Return the outcomes that a function or a program gave, each of its kind."""
    if not isinstance(said, Mapping):
        if len(design.outcomes) > 1:
            raise PredictionError(f"a unit gave a {type(said).__name__}",
                                  expected=f"a mapping with {listed(each.name for each in design.outcomes)}")
        said = {design.outcomes[0].name: said}
    lacking = next((each.name for each in design.outcomes if each.name not in said), None)
    if lacking is not None:
        raise PredictionError(f"a unit gave no outcome '{lacking}'", expected=f"values of {listed(each.name for each in design.outcomes)}")
    return {each.name: outcome(each, [said[each.name]]) for each in design.outcomes}


def conducted(design: Design, log: Log, ask: Ask, *, progress: Callable[[str, int], None] | None = None) -> None:
    """Ask every unit that the log lacks, and append what it gave as it comes; an interrupt leaves the log as it is.

    A unit that fails is logged with its reason, as who is refused may hang on the treatment. Where in a block nobody can be reached, or in
    three blocks in a row no unit gave anything, this ends with what the first of them said; nothing of those blocks is logged, and the next
    run goes on with them.
    """
    treatments = {each.name: each for each in design.treatments}
    pool = ThreadPoolExecutor(design.system.parallel, thread_name_prefix="assay-experiment")
    held: list[tuple[Observation, AssayError]] = []     # failures of blocks of which nothing was heard
    silent = 0
    try:
        for block in log.missing():
            known = len(log.seen)
            failed = [each for each in pool.map(lambda unit: _tried(ask, unit, treatments[unit.treatment], log), block) if each is not None]
            if progress is not None:
                progress(f"{design.name}: units", len(block))
            begun = any(unit.number in log.seen for unit in log.plan.blocks[block[0].block])
            held += failed
            silent = 0 if begun or len(log.seen) > known else silent + 1
            if silent >= DOWN or (silent and all(isinstance(error, UnreachableError) for _, error in failed)):
                raise _down(log, held[-len(failed)][1])
            if not silent:
                for observation, _ in held:
                    log.add(observation)
                held = []
        if held and not any(not each.failed for each in log.seen.values()):
            raise _down(log, held[0][1])
        for observation, _ in held:
            log.add(observation)
    finally:
        # what is under way is not waited for: its units are asked again by the next run
        pool.shutdown(wait=False, cancel_futures=True)


def _tried(ask: Ask, unit: Unit, treatment: Treatment, log: Log) -> tuple[Observation, AssayError] | None:
    """Ask one unit and log what it gave; return what is to be logged of it where it failed."""
    at, began = dt.datetime.now(dt.UTC).isoformat(timespec="seconds"), time.monotonic()
    try:
        outcomes = ask(unit, treatment)
    except AssayError as error:
        text = "".join(each if each.isprintable() else " " for each in without_secrets(error.what))[:300]
        return Observation(unit.number, {}, text or type(error).__name__, time.monotonic() - began, at), error
    log.add(Observation(unit.number, outcomes, "", time.monotonic() - began, at))
    return None


def _down(log: Log, error: AssayError) -> ModelError:
    units = len(log.plan.units)
    return ModelError(f"the system gives no outcomes: {error.what}", where=error.where, expected=error.expected,
                      hint=f"{len(log.seen):,} of {units:,} units are in {log.path.name}; run the same command again to go on from there")
