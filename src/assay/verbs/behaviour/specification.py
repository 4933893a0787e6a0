"""Files of behaviour tests, ``*.assay.yaml``: every key known, every mistake told with its line, nothing ever executed.

``files_in(places)`` finds them, ``Specification.read(path)`` and ``Specification.of(mapping)`` read one. Trust in a model's own code is
given on the command line or in Python, never here. The format is described in ``docs/howto/behaviour.md``; ``verbs.behaviour`` runs it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assay.data.schema import ROLES
from assay.errors import ConfigError, listed, nearest
from assay.model.address import Address, Written
from assay.probe.alteration import Alteration, alteration
from assay.probe.behaviour import EXPECTED, KINDS, Behaviour
from assay.verbs.config import Config, located

__all__ = ["SUFFIXES", "Specification", "files_in"]

SUFFIXES = (".assay.yaml", ".assay.yml")
MOST = 10_000      # cases of one test, tests of one file

_TOP = ("model", "data", "where", "types", "columns", "task", "classes", "features", "positive", "threshold", "defaults", "seed", "rows",
        "draws", "budget", "tests")
_COMMON = ("name", "kind", "where", "cases", "rows", "seed")
_KEYS: dict[str, tuple[str, ...]] = {
    "case": (*_COMMON, "expect", "change", "draws", "at_most", "shrink"),
    "direction": (*_COMMON, "expect", "change", "of", "tolerance", "draws", "at_most", "shrink"),
    "invariance": (*_COMMON, "change", "of", "tolerance", "draws", "at_most", "shrink"),
    "functionality": (*_COMMON, "expect", "tolerance", "at_least"),
}
_NEEDED = {"case": ("expect",), "direction": ("change", "expect"), "invariance": ("change",), "functionality": ()}
_MEANT = {"invariant": "case", "single case": "case", "directional": "direction", "mft": "functionality", "inv": "invariance",
          "dir": "direction", "minimum functionality": "functionality", "minimum_functionality": "functionality"}
_ROLES = tuple(each for each in ROLES if each not in ("feature", "available_at"))
Place = Callable[..., str]


def files_in(places: Any) -> list[Path]:
    """Return the files of tests at a path, or at several: a folder stands for all that end in ``.assay.yaml`` below it.

    Raises ``ConfigError`` where a folder holds none.
    """
    found: list[Path] = []
    for each in [places] if isinstance(places, str | Path) else list(places):
        path = Path(each)
        if path.is_dir():
            inside = sorted(one for one in path.rglob("*") if one.name.lower().endswith(SUFFIXES) and one.is_file())
            if not inside:
                raise ConfigError("the folder holds no behaviour tests", where=str(path), expected="files ending in .assay.yaml")
            found += inside
        else:
            found.append(path)
    return found


@dataclass(frozen=True, eq=False)
class Specification:
    """A file of tests as it was read: nothing is loaded yet.

    >>> found = Specification.of({"tests": [{"name": "plain", "kind": "case", "cases": [{"x": 1}], "expect": "value >= 0"}]})
    >>> [(each.name, each.kind) for each in found.tests]
    [('plain', 'case')]
    """

    where: str
    folder: Path
    tests: tuple[Behaviour, ...]
    place: Place
    said: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: str | Path) -> Specification:
        """Return the tests of a file; raises ``ConfigError`` with the line and column of the first mistake."""
        value, place = located(path)
        return _Reader(value, place, str(path), Path(path).parent).specification()

    @classmethod
    def of(cls, value: Mapping[str, Any], *, at: str | Path | None = None) -> Specification:
        """Return the tests that a mapping says, as a file would; ``at`` is the folder that paths start from."""
        def place(*keys: str) -> str:
            return "the behaviour tests" + (f", {'.'.join(keys)}" if keys else "")

        return _Reader(value, place, "the behaviour tests", Path(at or ".")).specification()

    def location(self, key: str) -> Any:
        """Return the model or the data that the file names, paths from its folder on; None where it names none."""
        return Config(self.folder / "tests").location(self.said.get(key))

    def at(self, test: Behaviour, *keys: str) -> str:
        """Return where a test stands in the file."""
        return self.place("tests", str(self.tests.index(test)), *keys)


class _Reader:
    """Reads what a file says into tests; every key is known, every mistake is told with its place."""

    def __init__(self, value: Any, place: Place, where: str, folder: Path):
        self.value, self.place, self.where, self.folder = value, place, where, folder

    def specification(self) -> Specification:
        if not isinstance(self.value, Mapping):
            raise ConfigError("this is no file of behaviour tests", where=self.place(), expected="keys such as model, data, tests")
        self.known(self.value, _TOP)
        said = {key: value for key, value in self.value.items() if value is not None}
        for key in ("data", "where", "task"):
            self.text(said, key)
        if "model" in said:
            said["model"] = self.model(said["model"], "model")
        for key in ("seed", "rows", "draws", "budget"):
            self.count(said, key)
        self.fraction(said, "threshold", most=1.0)
        for key in ("classes", "features"):
            if key in said and not isinstance(said[key], list | tuple):
                raise self.wrong("a list", key)
        for key in ("types", "columns", "defaults"):
            if key in said and not isinstance(said[key], Mapping):
                raise self.wrong("a mapping", key)
        self.known(said.get("columns", {}), _ROLES, "columns")
        tests = said.pop("tests", None)
        if not isinstance(tests, list | tuple) or not tests or len(tests) > MOST:
            raise self.wrong(f"a list of 1 to {MOST:,} tests", *(("tests",) if "tests" in self.value else ()), what="there are no tests")
        found: list[Behaviour] = []
        for number, each in enumerate(tests):
            test = self.test(each, ("tests", str(number)), said)
            if test.name in {one.name for one in found}:
                raise ConfigError(f"two tests are called '{test.name}'", where=self.place("tests", str(number), "name"),
                                  expected="names that differ")
            found.append(test)
        return Specification(self.where, self.folder, tuple(found), self.place, said)

    def test(self, said: Any, keys: tuple[str, ...], top: Mapping[str, Any]) -> Behaviour:
        if not isinstance(said, Mapping):
            raise self.wrong("a mapping with name and kind", *keys, what="a test is no mapping")
        said = {key: value for key, value in said.items() if value is not None}
        for key in ("name", "kind"):
            if not isinstance(said.get(key), str) or not said[key].strip():
                raise self.wrong("text", *keys, key, what=f"a test has no {key}")
        name, kind = " ".join(said["name"].split()), said["kind"]
        if "::" in name or len(name) > 200 or not name.isprintable():
            raise self.wrong("up to 200 characters without '::', by which pytest separates", *keys, "name", what="the name cannot be used")
        if kind not in KINDS:
            near = _MEANT.get(kind.casefold()) or nearest(kind, KINDS)
            raise ConfigError(f"there is no kind of test '{kind}'", where=self.place(*keys, "kind"), expected=f"one of {listed(KINDS)}",
                              hint=f"did you mean '{near}'?" if near else None)
        self.known(said, _KEYS[kind], *keys)
        for key in _NEEDED[kind]:
            if key not in said:
                raise self.wrong(f"the key '{key}'", *keys, what=f"the test '{name}' of kind '{kind}' does not say '{key}'")
        for key in ("where", "expect", "of"):
            self.text(said, key, *keys)
        if kind == "direction" and said["expect"] not in EXPECTED:
            near = nearest(said["expect"], EXPECTED)
            raise ConfigError(f"'{said['expect']}' is no direction", where=self.place(*keys, "expect"),
                              expected=f"one of {listed(EXPECTED)}", hint=f"did you mean '{near}'?" if near else None)
        for key in ("rows", "draws", "seed"):
            self.count(said, key, *keys)
        shrink = said.get("shrink", True)
        if not isinstance(shrink, bool):
            raise self.wrong("true or false", *keys, "shrink")
        bound = 1 - self.share(said, "at_least", 1.0, *keys) if kind == "functionality" else self.share(said, "at_most", 0.0, *keys)
        self.fraction(said, "tolerance", *keys)
        number = {key: said.get(key, top.get(key, usual)) for key, usual in (("rows", 500), ("draws", 20), ("seed", 0))}
        change = self.change(said.get("change", {}), kind, *keys)
        return Behaviour(name, kind, change, said.get("expect"), said.get("of"), float(said.get("tolerance", 0.0)), bound,
                         said.get("where"), self.cases(said.get("cases"), top, *keys), shrunk=shrink, **number)

    def change(self, said: Any, kind: str, *keys: str) -> tuple[Alteration, ...]:
        if not isinstance(said, Mapping) or (not said and kind in ("direction", "invariance")):
            raise self.wrong("columns and what is done to them, such as {income: {add: 100}}", *keys, "change")
        found = []
        for column, each in said.items():
            made = alteration(str(column), each, where=self.place(*keys, "change", str(column)))
            if kind == "direction" and made.random:
                raise ConfigError("what is drawn between two numbers may go either way", where=self.place(*keys, "change", str(column)),
                                  expected="add or multiply, with one value or several")
            found.append(made)
        return tuple(found)

    def cases(self, said: Any, top: Mapping[str, Any], *keys: str) -> tuple[Mapping[str, Any], ...] | None:
        if said is None:
            return None
        rows = said if isinstance(said, list | tuple) else ()
        if not 1 <= len(rows) <= MOST or not all(isinstance(each, Mapping) and each for each in rows):
            raise self.wrong(f"a list of 1 to {MOST:,} rows, each a mapping of columns to values", *keys, "cases")
        for number, each in enumerate(rows):
            for column, value in each.items():
                if isinstance(value, list | Mapping) or not isinstance(column, str):
                    raise self.wrong("columns by name, and one value each", *keys, "cases", str(number), str(column))
        return tuple({**top.get("defaults", {}), **each} for each in rows)

    # single values

    def known(self, value: Mapping[Any, Any], names: Sequence[str], *keys: str) -> None:
        for key in value:
            if key not in names:
                near = nearest(str(key), names)
                raise ConfigError(f"there is no key '{key}'" + (" in a test of this kind" if keys[:1] == ("tests",) else ""),
                                  where=self.place(*keys, str(key)), expected=f"one of {listed(names, 30)}",
                                  hint=f"did you mean '{near}'?" if near else None)

    def wrong(self, expected: str, *keys: str, what: str | None = None) -> ConfigError:
        return ConfigError(what or f"'{keys[-1]}' is not right", where=self.place(*keys), expected=expected)

    def model(self, value: Any, *keys: str) -> Any:
        """A model as ``assay.yaml`` names it; an address is marked as one that a file said, so that it needs trust."""
        if isinstance(value, str) and value.strip():
            return Written(value) if Address.of(value) is not None else value
        if not isinstance(value, Mapping) or ("uri" in value) == ("router" in value):
            raise self.wrong("a path or an address, or a mapping with the key uri or router", *keys)
        if "uri" in value:
            return {**value, "uri": self.model(value["uri"], *keys, "uri")}
        if not isinstance(value["router"], Mapping):
            raise self.wrong("{by: COLUMN, VALUE: MODEL, ..., default: MODEL}", *keys, "router")
        return {"router": {name: each if name == "by" else self.model(each, *keys, "router", str(name))
                           for name, each in value["router"].items()}}

    def text(self, said: Mapping[str, Any], key: str, *keys: str) -> None:
        if key in said and (not isinstance(said[key], str) or not said[key].strip()):
            raise self.wrong("text", *keys, key)

    def count(self, said: Mapping[str, Any], key: str, *keys: str) -> None:
        least = 0 if key == "seed" else 1
        if key in said and (isinstance(said[key], bool) or not isinstance(said[key], int) or not least <= said[key] <= 2**40):
            raise self.wrong(f"a whole number, at least {least}", *keys, key)

    def fraction(self, said: Mapping[str, Any], key: str, *keys: str, most: float = math.inf) -> None:
        value = said.get(key, 0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most or math.isinf(value):
            raise self.wrong("a number, at least 0" + (f" and at most {most:g}" if math.isfinite(most) else ""), *keys, key)

    def share(self, said: Mapping[str, Any], key: str, usual: float, *keys: str) -> float:
        value = said.get(key, usual)
        text = value.strip() if isinstance(value, str) else ""
        try:
            number = float(text.removesuffix("%")) / 100 if text.endswith("%") else value
        except ValueError:
            number = None
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= 1:
            raise self.wrong("a share of rows between 0 and 1, such as 5% or 0.05", *keys, key)
        return float(number)


