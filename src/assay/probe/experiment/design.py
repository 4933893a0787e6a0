"""What an experiment is to do, read from a mapping with every key known, and the lots: who gets which treatment in which block.

``design(mapping, where) -> Design``; ``planned(design) -> Plan`` draws the lots by the seed, before anything is asked.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from assay.errors import ConfigError, listed, nearest

__all__ = ["ANSWERED", "KINDS", "READINGS", "Design", "Outcome", "Plan", "Step", "System", "Treatment", "Unit", "design", "planned"]

Where: TypeAlias = Callable[..., str]   # keys -> the place in the file
Kind = Literal["number", "yes", "category", "items", "text"]
KINDS: tuple[Kind, ...] = ("number", "yes", "category", "items", "text")
STATISTICS = {"number": ("mean", "rank"), "yes": ("mean",), "category": ("either", "item", "classifier"),
              "items": ("either", "item", "classifier"), "text": ("either", "item", "classifier")}
READINGS = ("json", "html", "contains", "status", "seconds", "text")
ANSWERED = "answered"   # the outcome that every experiment has: whether a unit gave any
UNITS = 20_000        # of one experiment: they are people, or cost what people cost
STEPS = 1_000         # of one unit, repetitions counted
SECRET = re.compile(r"\{env:([A-Za-z_][A-Za-z0-9_]*)\}")
_NAME = re.compile(r"[^\W\d][\w .-]{0,59}")


@dataclass(frozen=True)
class Step:
    """One request: its method and path, what goes with it, how often, and what of the answer is kept (outcome -> kind of reading, of what).

    ``{unit}`` and fields of the treatment's profile in braces are filled in, and ``{env:NAME}`` by a variable of the environment.
    """

    method: str
    path: str
    form: Mapping[str, Any] | None = None
    body: Any = None
    times: int = 1
    read: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class System:
    """What is asked, by address or command, and how patiently; neither where a callable is."""

    url: str | None = None
    command: str | None = None
    timeout: float = 30.0
    retries: int = 2
    parallel: int = 8
    pause: float = 0.0
    limit: int = 2_000_000
    headers: Mapping[str, str] = field(default_factory=dict)
    token_env: str | None = None
    header: str = "Authorization"


@dataclass(frozen=True)
class Treatment:
    """A kind of user: fields that are filled into steps or handed over, and steps that make a unit one of the kind."""

    name: str
    profile: Mapping[str, Any] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What is compared: its kind, the statistic, words that are looked for, and how large a difference does not matter."""

    name: str
    kind: Kind
    statistic: str
    keywords: tuple[str, ...] = ()
    at_most: float = 0.0

    @property
    def number(self) -> bool:
        """Whether a unit's outcome is one number: also where words are counted in what it was shown."""
        return self.kind in ("number", "yes") or bool(self.keywords)


@dataclass(frozen=True)
class Design:
    """An experiment. ``sizes`` are the units of each block; ``against`` is the treatment that each other one is compared with."""

    name: str
    system: System
    treatments: tuple[Treatment, ...]
    outcomes: tuple[Outcome, ...]
    sizes: tuple[int, ...]
    seed: int = 0
    level: float = 0.95
    against: str = ""
    correction: Literal["holm", "fdr"] = "holm"
    before: tuple[Step, ...] = ()
    measure: tuple[Step, ...] = ()
    power: Mapping[str, Any] = field(default_factory=dict)

    @property
    def parts(self) -> dict[str, str]:
        """What makes it this experiment and not another, by key, as digests: a change of any after lots are drawn makes a new one."""
        system = {"url": self.system.url, "command": self.system.command}
        told: dict[str, Any] = {
            "system": system, "treatments": self.treatments, "outcomes": self.outcomes, "blocks and units": self.sizes, "seed": self.seed,
            "level": self.level, "against": self.against, "correction": self.correction, "before": self.before, "measure": self.measure}
        return {key: hashlib.sha256(json.dumps(_plain(each), sort_keys=True).encode()).hexdigest()[:16] for key, each in told.items()}


@dataclass(frozen=True)
class Unit:
    """A simulated user: number, block, place in the block's order, and treatment; ``id`` is what the system may see of it."""

    number: int
    block: int
    treatment: str
    id: str


@dataclass(frozen=True)
class Plan:
    """The lots: units in the order in which they are asked."""

    units: tuple[Unit, ...]

    @property
    def blocks(self) -> list[list[Unit]]:
        """The units of each block."""
        found: dict[int, list[Unit]] = {}
        for unit in self.units:
            found.setdefault(unit.block, []).append(unit)
        return list(found.values())


def planned(design: Design) -> Plan:
    """Return who gets which treatment: in each block as even a split as its size allows, in random order, by the seed.

    >>> two = (Treatment("a"), Treatment("b"))
    >>> plan = planned(Design("x", System(), two, (Outcome("n", "number", "mean"),), (4, 4), against="a"))
    >>> [sorted(unit.treatment for unit in block) for block in plan.blocks]
    [['a', 'a', 'b', 'b'], ['a', 'a', 'b', 'b']]
    """
    import numpy as np

    rng = np.random.default_rng(np.random.SeedSequence([design.seed, 20_15]))
    names = [each.name for each in design.treatments]
    units: list[Unit] = []
    for block, size in enumerate(design.sizes):
        # who gets one more, where the size is no multiple, is a lot too
        first = rng.permutation(len(names))
        lots = rng.permutation([names[first[place % len(names)]] for place in range(size)])
        for lot in lots.tolist():
            number = len(units)
            known = hashlib.sha256(f"{design.seed} {number}".encode()).hexdigest()[:12]   # tells nothing of block or treatment
            units.append(Unit(number, block, lot, known))
    return Plan(tuple(units))


def design(value: Any, where: Where, *, system: bool = True) -> Design:
    """Return the experiment that a mapping describes; raises ``ConfigError`` that names the place and the key of the first mistake.

    ``where`` turns keys into a place; with ``system`` false a callable is asked, and neither an address nor a command is needed.
    """
    return _Reader(where, system).design(value)


class _Reader:
    def __init__(self, where: Where, system: bool):
        self.where, self.needs = where, system

    def wrong(self, what: str, *keys: str, expected: str | None = None, hint: str | None = None) -> ConfigError:
        return ConfigError(what, where=self.where(*keys), expected=expected, hint=hint)

    def mapping(self, value: Any, known: Sequence[str], *keys: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            what = f"'{keys[-1]}' is no mapping" if keys else "the design is no mapping"
            raise self.wrong(what, *keys, expected=f"keys such as {listed(known[:4])}")
        for key in value:
            if key not in known:
                near = nearest(str(key), known)
                raise self.wrong(f"there is no key '{key}'" + (f" under '{keys[-1]}'" if keys else ""), *keys, str(key),
                                 expected=f"one of {listed(known, 20)}", hint=f"did you mean '{near}'?" if near else None)
        return {key: each for key, each in value.items() if each is not None}

    def number(self, value: Any, low: float, high: float, *keys: str, whole: bool = False) -> Any:
        right = isinstance(value, int) if whole else isinstance(value, int | float)
        if isinstance(value, bool) or not right or not low <= value <= high:   # NaN lies nowhere
            shown = "a number too large" if isinstance(value, int) and abs(value) > 10**40 else repr(str(value)[:40])
            raise self.wrong(f"'{keys[-1]}' is {shown}", *keys,
                             expected=f"a {'whole ' if whole else ''}number from {low:g} to {high:,.10g}")
        return int(value) if whole else float(value)

    def text(self, value: Any, *keys: str) -> str:
        if not isinstance(value, str) or not value.strip() or len(value) > 2_000:
            raise self.wrong(f"'{keys[-1]}' is no text", *keys, expected="text of at most 2,000 letters")
        return value

    def named(self, name: Any, *keys: str) -> str:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise self.wrong(f"{str(name)[:40]!r} is no name", *keys, expected="a name that begins with a letter, such as women or ads",
                             hint="YAML reads yes, no, on and off as truth values: put quotes around" if isinstance(name, bool) else None)
        return name

    def design(self, value: Any) -> Design:
        known = ("name", "system", "blocks", "units", "seed", "level", "against", "correction", "before", "treatments", "measure",
                 "outcomes", "power")
        given = self.mapping(value, known)
        missing = next((key for key in ("treatments", "outcomes", "blocks") if key not in given), None)
        if missing:
            raise self.wrong(f"the design has no '{missing}'", expected="at least treatments, outcomes and blocks")
        system = self.system(given.get("system", {}))
        if self.needs and system.url is None and system.command is None:
            raise self.wrong("the design does not say what is to be asked", *(("system",) if "system" in given else ()),
                             expected="system: {url: http://HOST} or system: {command: PROGRAM ARGUMENTS}")
        steps = self.needs and system.url is not None
        treatments = self.treatments(given["treatments"], steps)
        outcomes = self.outcomes(given["outcomes"])
        before, measure = (self.steps(given.get(key, []), key) for key in ("before", "measure"))
        if steps:
            self.read_of(outcomes, measure)
        elif before or measure:
            key = "before" if before else "measure"
            raise self.wrong(f"'{key}' holds steps, and only a server takes steps", key,
                             expected="a program or function, which is told the treatment and gives the outcomes")
        against = given.get("against", treatments[0].name)
        if against not in {each.name for each in treatments}:
            raise self.wrong(f"there is no treatment '{against}' to compare with", "against",
                             expected=f"one of {listed(each.name for each in treatments)}")
        correction = given.get("correction", "holm")
        if correction not in ("holm", "fdr"):
            raise self.wrong(f"there is no correction '{correction}'", "correction", expected="holm or fdr")
        return Design(
            self.text(given.get("name", "experiment"), "name"), system, treatments, outcomes, self.sizes(given, len(treatments)),
            self.number(given.get("seed", 0), 0, 2**62, "seed", whole=True), self.number(given.get("level", 0.95), 0.5, 0.9999, "level"),
            against, correction, before, measure, self.power(given.get("power", {}), outcomes))

    def sizes(self, given: Mapping[str, Any], treatments: int) -> tuple[int, ...]:
        blocks = self.number(given["blocks"], 1, UNITS, "blocks", whole=True)
        units = given.get("units", treatments)
        listing = units if isinstance(units, list) else [units] * blocks
        if len(listing) != blocks:
            raise self.wrong(f"'units' has {len(listing):,} numbers for {blocks:,} blocks", "units",
                             expected="one number, or one for each block")
        sizes = tuple(self.number(each, 1, UNITS, "units", whole=True) for each in listing)
        small = next((each for each in sizes if each < treatments), None)
        if small is not None:
            raise self.wrong("a block of one unit compares nothing" if small == 1 else
                             f"a block of {small} units does not hold {treatments} treatments", "units",
                             expected=f"at least {treatments} units in each block, best a multiple of {treatments}")
        if sum(sizes) > UNITS:
            raise self.wrong(f"the design has {sum(sizes):,} units", "blocks", expected=f"at most {UNITS:,} in all")
        return sizes

    def system(self, value: Any) -> System:
        usual = System()
        given = self.mapping(value, tuple(System.__dataclass_fields__), "system")
        if "url" in given and "command" in given:
            raise self.wrong("the system has both an address and a command", "system", expected="one of them")
        texts = [key for key in ("url", "command", "token_env", "header") if key in given]
        made: dict[str, Any] = {key: self.text(given[key], "system", key) for key in texts}
        for key, low, high, whole in (("timeout", 0.01, 3_600, False), ("retries", 0, 20, True), ("parallel", 1, 256, True),
                                      ("pause", 0, 3_600, False), ("limit", 1, 2**30, True)):
            made[key] = self.number(given.get(key, getattr(usual, key)), low, high, "system", key, whole=whole)
        headers = given.get("headers", {})
        if not isinstance(headers, Mapping) or not all(isinstance(each, str) for pair in headers.items() for each in pair):
            raise self.wrong("'headers' is no mapping of names to texts", "system", "headers", expected="such as {Accept-Language: en}")
        for name, text in headers.items():
            if not re.fullmatch(r"[A-Za-z0-9-]{1,100}", name) or not text.isprintable() or not text.isascii():
                raise self.wrong(f"the header '{name[:40]}' cannot be sent", "system", "headers", name,
                                 expected="plain letters on one line")
            if name.casefold() in ("host", "content-length", "transfer-encoding", "connection", "cookie", "accept-encoding"):
                raise self.wrong(f"the header '{name}' is set by assay", "system", "headers", name)
        return System(**made, headers=dict(headers))

    def treatments(self, value: Any, steps: bool) -> tuple[Treatment, ...]:
        if not isinstance(value, Mapping):
            raise self.wrong("'treatments' is no mapping", "treatments", expected="names of treatments to what they are")
        if len(value) < 2:
            raise self.wrong(f"there {'is one treatment' if value else 'are no treatments'}, and nothing to compare", "treatments",
                             expected="two or more")
        if len(value) > 20:
            raise self.wrong(f"there are {len(value)} treatments", "treatments", expected="at most 20")
        made = []
        for name, each in value.items():
            self.named(name, "treatments", str(name))
            given = self.mapping({} if each is None else each, ("profile", "steps"), "treatments", name)
            profile = given.get("profile", {})
            if not isinstance(profile, Mapping) or any(isinstance(one, Mapping | list) for one in profile.values()):
                raise self.wrong("'profile' is no mapping of fields to values", "treatments", name, "profile",
                                 expected="such as {gender: f}")
            if given.get("steps") and not steps:
                raise self.wrong("only a server takes steps", "treatments", name, "steps", expected="a profile")
            taken = self.steps(given.get("steps", []), "treatments", name, "steps")
            if any(one.read for one in taken):
                raise self.wrong("a treatment reads an outcome", "treatments", name, "steps", expected="'read' under measure only")
            made.append(Treatment(name, {str(key): one for key, one in profile.items()}, taken))
        alike: dict[str, str] = {}
        for treatment in made:
            key = json.dumps(_plain((treatment.profile, treatment.steps)), sort_keys=True)
            if key in alike and self.needs:
                raise self.wrong(f"the treatments '{alike[key]}' and '{treatment.name}' are the same", "treatments", treatment.name,
                                 expected="another profile or other steps")
            alike[key] = treatment.name
        return tuple(made)

    def steps(self, value: Any, *keys: str) -> tuple[Step, ...]:
        if not isinstance(value, list):
            raise self.wrong(f"'{keys[-1]}' is no list of steps", *keys, expected="such as [{get: /news}]")
        made = tuple(self.step(each, *keys, str(number)) for number, each in enumerate(value))
        if sum(each.times for each in made) > STEPS:
            raise self.wrong(f"'{keys[-1]}' has more than {STEPS:,} requests", *keys)
        return made

    def step(self, value: Any, *keys: str) -> Step:
        known = ("get", "post", "put", "delete", "form", "json", "times", "read")
        given = self.mapping(value, known, *keys)
        methods = [each for each in known[:4] if each in given]
        if len(methods) != 1:
            raise self.wrong("a step names no request" if not methods else "a step names two requests", *keys,
                             expected="one of get, post, put and delete, with a path: {get: /news}")
        path = self.text(given[methods[0]], *keys, methods[0])
        if not path.startswith("/") or path.startswith("//") or not path.isprintable() or "\\" in path:
            raise self.wrong(f"'{path[:60]}' is no path", *keys, methods[0], expected="a path of the system's host, such as /news?page=1")
        if "form" in given and "json" in given:
            raise self.wrong("a step sends both a form and JSON", *keys, expected="one of them")
        if methods[0] == "get" and ("form" in given or "json" in given):
            raise self.wrong("a get sends nothing", *keys, expected="post, or the fields in the path")
        form = given.get("form")
        if form is not None and (not isinstance(form, Mapping) or any(isinstance(one, Mapping | list) for one in form.values())):
            raise self.wrong("'form' is no mapping of fields to values", *keys, "form")
        times = self.number(given.get("times", 1), 1, STEPS, *keys, "times", whole=True)
        return Step(methods[0].upper(), path, form, given.get("json"), times, self.reads(given.get("read", {}), *keys, "read"))

    def reads(self, value: Any, *keys: str) -> dict[str, tuple[str, str]]:
        if not isinstance(value, Mapping):
            raise self.wrong("'read' is no mapping", *keys, expected="outcomes to how they are read: {ads: {html: li.ad}}")
        made: dict[str, tuple[str, str]] = {}
        for name, how in value.items():
            given = {how: ""} if isinstance(how, str) and how in ("status", "seconds", "text") else how
            if not isinstance(given, Mapping) or len(given) != 1 or next(iter(given)) not in READINGS:
                near = nearest(str(next(iter(given), "")), READINGS) if isinstance(given, Mapping) else None
                raise self.wrong(f"how '{name}' is read is not plain", *keys, str(name), hint=f"did you mean '{near}'?" if near else None,
                                 expected="{json: ads.*.title}, {html: li.ad}, {contains: TEXT}, status, seconds or text")
            kind, of = next(iter(given.items()))
            made[str(name)] = kind, "" if kind in ("status", "seconds", "text") else self.text(of, *keys, str(name), kind)
        return made

    def outcomes(self, value: Any) -> tuple[Outcome, ...]:
        if not isinstance(value, Mapping) or not value:
            raise self.wrong("'outcomes' names nothing to compare", "outcomes", expected="outcomes to their kinds, such as {ads: items}")
        made = []
        for name, each in value.items():
            if self.named(name, "outcomes", str(name)) == ANSWERED:
                raise self.wrong(f"'{ANSWERED}' is the outcome of all experiments: whether a unit gave any", "outcomes", name,
                                 expected="another name")
            given = self.mapping({"kind": each} if not isinstance(each, Mapping) else each, ("kind", "statistic", "keywords", "at_most"),
                                 "outcomes", name)
            kind = "yes" if given.get("kind") is True else given.get("kind")   # YAML reads a bare yes as a truth value
            if kind not in KINDS:
                near = nearest(str(kind), KINDS)
                raise self.wrong(f"there is no kind of outcome '{kind}'", "outcomes", name, expected=f"one of {listed(KINDS)}",
                                 hint=f"did you mean '{near}'?" if near else None)
            wanted = given.get("keywords", [])
            if not isinstance(wanted, list) or not all(isinstance(one, str) and one.strip() for one in wanted):
                raise self.wrong("'keywords' is no list of words", "outcomes", name, "keywords")
            if wanted and kind not in ("items", "text", "category"):
                raise self.wrong(f"keywords are looked for in words, and '{name}' is a {kind}", "outcomes", name, "keywords")
            allowed = ("mean", "rank") if wanted else STATISTICS[kind]
            statistic = given.get("statistic", allowed[0])
            if statistic not in allowed:
                raise self.wrong(f"there is no statistic '{statistic}' for '{name}'", "outcomes", name, "statistic",
                                 expected=f"one of {listed(allowed)}")
            at_most = self.number(given.get("at_most", 0.0), 0, 1e12, "outcomes", name, "at_most")
            if at_most and (kind not in ("number", "yes") and not wanted):
                raise self.wrong(f"'{name}' is not one number, so no difference of it can be allowed", "outcomes", name, "at_most")
            made.append(Outcome(name, kind, statistic, tuple(wanted), at_most))
        if len(made) > 200:
            raise self.wrong(f"there are {len(made)} outcomes", "outcomes", expected="at most 200")
        return tuple(made)

    def read_of(self, outcomes: Sequence[Outcome], measure: Sequence[Step]) -> None:
        """Raise where an outcome is read by no step, or a step reads what is no outcome."""
        read = {name for step in measure for name in step.read}
        names = [each.name for each in outcomes]
        unread = next((each for each in names if each not in read), None)
        if unread is not None:
            raise self.wrong(f"no step of 'measure' reads the outcome '{unread}'", "measure",
                             expected=f"read: {{{unread}: ...}} in one of them")
        for number, step in enumerate(measure):
            strange = next((each for each in step.read if each not in names), None)
            if strange is not None:
                near = nearest(strange, names)
                raise self.wrong(f"there is no outcome '{strange}'", "measure", str(number), "read", strange,
                                 expected=f"one of {listed(names)}", hint=f"did you mean '{near}'?" if near else None)

    def power(self, value: Any, outcomes: Sequence[Outcome]) -> dict[str, Any]:
        given = self.mapping(value, ("outcome", "usual", "spread", "effect", "chance", "items"), "power")
        if not given:
            return {}
        numbers = [each.name for each in outcomes if each.number] or [each.name for each in outcomes]
        name = given.get("outcome", numbers[0])
        found = next((each for each in outcomes if each.name == name), None)
        if found is None:
            raise self.wrong(f"there is no outcome '{name}'", "power", "outcome",
                             expected=f"one of {listed(each.name for each in outcomes)}")
        if "effect" not in given or "usual" not in given:
            raise self.wrong("'power' does not say which difference is to be found", "power",
                             expected="usual (what is usual) and effect (the difference to find)")
        usual, effect = (self.number(given[key], -1e12, 1e12, "power", key) for key in ("usual", "effect"))
        if effect == 0:
            raise self.wrong("a difference of 0 cannot be found", "power", "effect")
        if found.kind == "yes" and not (0 <= usual <= 1 and 0 <= usual + effect <= 1):
            raise self.wrong("a share lies between 0 and 1", "power", expected="usual, and usual + effect, from 0 to 1")
        if found.kind in ("items", "text", "category") and min(usual, usual + effect) < 0:
            raise self.wrong("counts are not below 0", "power", expected="usual, and usual + effect, of 0 or more")
        if found.kind == "number" and "spread" not in given:
            raise self.wrong("'power' does not say how far numbers spread", "power", expected="spread: their standard deviation")
        out = {"outcome": name, "usual": usual, "effect": effect,
               "chance": self.number(given.get("chance", 0.8), 0.1, 0.99, "power", "chance"),
               "items": self.number(given.get("items", 1), 1, 1_000, "power", "items", whole=True)}
        if "spread" in given:
            out["spread"] = self.number(given["spread"], 1e-12, 1e12, "power", "spread")
        return out


def _plain(value: Any) -> Any:
    """Return what JSON can write, of dataclasses, tuples and mappings."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
