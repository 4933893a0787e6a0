"""Read ``assay.yaml``: every key known, every mistake told with its line, nothing ever executed.

``read(path) -> Config``. Whoever may write the file decides what is checked, not what code runs: trust in a model's own code is
given on the command line or in Python, never here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assay.check.expression import Check
from assay.check.gate.setting import Settings as Gate
from assay.check.gate.setting import settings as gated
from assay.check.suite import checks as read_checks
from assay.check.suite.listed import DEFAULT
from assay.data._yaml import composed
from assay.data.schema import ROLES
from assay.errors import ConfigError, listed, nearest
from assay.model.address import Address, Written
from assay.monitor.setting import Settings, settings

__all__ = ["Config", "document", "located", "read"]

LIMIT = 1_000_000  # bytes; a configuration is written by a person
_MARKED = 5  # levels whose places are remembered

_COLUMNS = tuple(each for each in ROLES if each != "feature")
_PLACES = ("uri", "requirements", "python", "ca")   # what names files among the options of a model
_MANY = ("label", "score", "protected", "forbidden", "ignored")


@dataclass(frozen=True)
class Config:
    """What ``assay.yaml`` says. Paths are relative to the file; ``columns`` are the roles that ``assay.source`` takes."""

    path: Path
    model: Any = None      # a path, an address, or a mapping: {uri: ..., option: ...} or {router: {by: ..., VALUE: MODEL}}
    champion: Any = None
    data: str | None = None
    reference: str | None = None
    train: str | None = None
    sql: str | None = None
    where: str | None = None
    positive: Any = None
    threshold: float | None = None
    task: str | None = None
    classes: tuple[Any, ...] | None = None
    features: tuple[str, ...] | None = None
    types: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, Any] = field(default_factory=dict)
    slices: tuple[str, ...] = ()
    checks: tuple[Check | str, ...] = ()  # the text "default" among them stands for the default suite
    monitor: Settings | None = None
    gate: Gate = field(default_factory=Gate)
    ranges: Mapping[str, Any] = field(default_factory=dict)  # what a probe may try: [low, high], or a list of values
    changeable: Mapping[str, Any] = field(default_factory=dict)  # how a person can change inputs: increase, [0, 100], [this, that]
    justified: Mapping[str, str] = field(default_factory=dict)  # why an input that stands for a protected one may be used; "?" is open

    def location(self, value: Any) -> Any:
        """Return a path of the file relative to the file's folder; URLs and absolute paths as they are; of a model, each path in it."""
        if isinstance(value, Mapping) and "router" in value:
            return {"router": {key: each if key == "by" else self.location(each) for key, each in value["router"].items()}}
        if isinstance(value, Mapping):
            return {key: self.location(each) if key in _PLACES else each for key, each in value.items()}
        if not isinstance(value, str):
            return value
        address = Address.of(value)
        if address is not None and address.scheme == "mlflow" and Address.of(address.rest) is None:
            return type(value)(f"mlflow:{self.path.parent / address.rest}")   # a folder
        return value if address is not None or Path(value).is_absolute() else str(self.path.parent / value)


def read(path: str | Path) -> Config:
    """Return the configuration at ``path``; raises ``ConfigError`` with the line and column of the first mistake."""
    return _Reader(Path(path), _content(Path(path))).config()


def located(path: str | Path) -> tuple[Any, Callable[..., str]]:
    """Return what another YAML file of assay's holds, as plain Python, and a function from keys to their place in the file."""
    reader = _Reader(Path(path), _content(Path(path)))
    return reader.value, reader.place


def _content(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise ConfigError("this is no ordinary file", where=str(path), expected="a file ending in .yaml")
        with path.open("rb") as file:
            data = file.read(LIMIT + 1)
    except FileNotFoundError:
        near = nearest(path.name, (each.name for each in path.parent.glob("*.y*ml")) if path.parent.is_dir() else ())
        raise ConfigError("there is no such file", where=str(path), hint=f"did you mean '{near}'?" if near else None) from None
    except OSError as error:
        raise ConfigError(f"the file cannot be read ({error.strerror})", where=str(path)) from error
    if len(data) > LIMIT:
        raise ConfigError("the file is too long for a configuration", where=str(path), expected=f"at most {LIMIT:,} bytes")
    return data


def document(path: Path, data: bytes) -> Any:
    """Return what any YAML document holds, as plain Python, read as carefully as ``assay.yaml``; raises ``ConfigError``."""
    return _Reader(path, data).value


class _Reader:
    """Walks the nodes of a YAML document, which know their place in the file."""

    def __init__(self, path: Path, data: bytes):
        self.path = path
        self.value, node = composed(data, str(path), self.at)
        self.marks: dict[tuple[str, ...], Any] = {}
        if node is not None:
            self._mark(node, ())

    def at(self, mark: Any) -> str:
        return f"{self.path}, line {mark.line + 1}, column {mark.column + 1}" if mark else str(self.path)

    def place(self, *keys: str) -> str:
        while keys and keys not in self.marks:  # of what lies deep, the place of what holds it
            keys = keys[:-1]
        return self.at(self.marks.get(keys))

    def _mark(self, node: Any, keys: tuple[str, ...]) -> None:
        self.marks.setdefault(keys, node.start_mark)
        if node.id == "mapping" and len(keys) < _MARKED:
            seen: set[str] = set()
            for key, value in node.value:
                if key.value in seen and key.id == "scalar":
                    raise ConfigError(f"the key '{key.value}' is there twice", where=self.at(key.start_mark))
                seen.add(key.value if key.id == "scalar" else "")
                self.marks[(*keys, str(key.value))] = key.start_mark
                self._mark(value, (*keys, str(key.value)))
        elif node.id == "sequence" and len(keys) < _MARKED:
            for number, value in enumerate(node.value):
                self._mark(value, (*keys, str(number)))

    def config(self) -> Config:
        if not isinstance(self.value, Mapping):
            raise ConfigError(f"the file holds a {_kind(self.value)}", where=self.place(), expected="keys such as model, data, checks")
        known = {name for name in Config.__dataclass_fields__ if name != "path"}
        self.known((), self.value, known)
        given = {key: value for key, value in self.value.items() if value is not None}
        made: dict[str, Any] = {}
        for key, value in given.items():
            made[key] = _READERS[key](self, key, value)
        columns = dict(made.pop("columns", {}))
        slices = (*columns.pop("slices", ()), *made.pop("slices", ()))
        return Config(self.path, columns=columns, slices=tuple(dict.fromkeys(slices)), **made)

    def known(self, keys: tuple[str, ...], value: Mapping[Any, Any], names: set[str]) -> None:
        for key in value:
            if key not in names:
                guess = nearest(str(key), names)
                raise ConfigError(f"there is no key '{key}'" + (f" under '{keys[-1]}'" if keys else ""), where=self.place(*keys, str(key)),
                                  expected=f"one of {listed(sorted(names), 30)}", hint=f"did you mean '{guess}'?" if guess else None)

    def wrong(self, key: str, value: Any, expected: str, *keys: str) -> ConfigError:
        return ConfigError(f"'{key}' is a {_kind(value)}", where=self.place(*keys, key), expected=expected)

    def text(self, key: str, value: Any) -> str:
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(key, value, "text")
        return value

    def model(self, key: str, value: Any, *keys: str) -> Any:
        """A model: text, or a mapping with the key ``uri`` or ``router``; addresses are marked as written here."""
        if isinstance(value, str) and value.strip():
            return Written(value) if Address.of(value) is not None else value
        if not isinstance(value, Mapping):
            raise self.wrong(key, value, "a path or an address, or a mapping such as {uri: model.onnx, isolation: process}", *keys)
        if ("uri" in value) == ("router" in value):
            self.known((*keys, key), value, {"uri", "router"} if "uri" not in value else set(value) - {"router"})
            raise ConfigError(f"'{key}' names no model", where=self.place(*keys, key), expected="the key 'uri' or the key 'router'")
        if "uri" in value:
            if not isinstance(value["uri"], str):
                raise self.wrong("uri", value["uri"], "a path or an address", *keys, key)
            return {str(name): each for name, each in value.items()} | {"uri": self.model("uri", value["uri"], *keys, key)}
        router = value["router"]
        if len(value) > 1 or not isinstance(router, Mapping) or not isinstance(router.get("by"), str):
            raise self.wrong("router", router, "{by: COLUMN, VALUE: MODEL, ..., default: MODEL}", *keys, key)
        return {"router": {str(name): each if name == "by" else self.model(str(name), each, *keys, key, "router")
                           for name, each in router.items()}}

    def number(self, key: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(key, value, "a number")
        return float(value)

    def scalar(self, key: str, value: Any) -> Any:
        if isinstance(value, list | Mapping):
            raise self.wrong(key, value, "one class, as text or number")
        return value

    def scalars(self, key: str, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list) or any(isinstance(each, list | Mapping) for each in value):
            raise self.wrong(key, value, "a list of classes, in the order of the model's scores")
        return tuple(value)

    def names(self, key: str, value: Any, *keys: str) -> tuple[str, ...]:
        listing = value if isinstance(value, list) else [value]
        if not all(isinstance(each, str) for each in listing):
            raise self.wrong(key, value, "a name, or a list of names", *keys)
        return tuple(listing)

    def mapping(self, key: str, value: Any) -> dict[str, str]:
        if not isinstance(value, Mapping) or not all(isinstance(each, str) for pair in value.items() for each in pair):
            raise self.wrong(key, value, "names to names")
        return dict(value)

    def changeable(self, key: str, value: Any) -> dict[str, Any]:
        """How columns can change; what fits each column is known once the data are."""
        if not isinstance(value, Mapping) or any(not isinstance(each, str | list) for each in value.values()):
            raise self.wrong(key, value, "columns to increase, decrease, any, [low, high] or a list of values")
        return {str(name): each for name, each in value.items()}

    def ranges(self, key: str, value: Any) -> dict[str, Any]:
        """What a probe may try of columns; what fits each column is known once the data are."""
        if not isinstance(value, Mapping) or any(not isinstance(each, list) or not each for each in value.values()):
            raise self.wrong(key, value, "columns to [low, high] or a list of values, such as {age: [18, 99], job: [cook, clerk]}")
        return {str(name): each for name, each in value.items()}

    def justified(self, key: str, value: Any) -> dict[str, str]:
        if not isinstance(value, Mapping):
            raise self.wrong(key, value, 'columns to the reason why each may be used, such as {income: "repays the loan", job: "?"}')
        for name, reason in value.items():
            if not isinstance(name, str) or not isinstance(reason, str):
                raise self.wrong(str(name), reason, 'a reason in words, or "?" where nobody has judged it', key)
        return dict(value)

    def roles(self, key: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise self.wrong(key, value, "roles to column names, such as {label: delayed}")
        self.known((key,), value, {*_COLUMNS, "slices"})
        found: dict[str, Any] = {}
        for role, columns in value.items():
            if columns is None:
                continue
            if role == "available_at":
                if not isinstance(columns, Mapping):
                    raise self.wrong(role, columns, "features to the columns that hold when they were known", key)
                found[role] = dict(columns)
            else:
                names = self.names(role, columns, key)
                if len(names) > 1 and role not in (*_MANY, "slices"):
                    raise self.wrong(role, columns, "one column", key)
                found[role] = names if role in ("slices", "protected", "forbidden", "ignored") or len(names) > 1 else names[0]
        return found

    def checks(self, key: str, value: Any) -> tuple[Check | str, ...]:
        if not isinstance(value, list):
            raise self.wrong(key, value, "a list, such as ['auc >= 0.7']")
        found: list[Check] = []
        for number, each in enumerate(value):
            if each != DEFAULT:
                found.append(each if isinstance(each, Check) else Check.from_json(each, where=self.place(key, str(number))))
        return (*([DEFAULT] if DEFAULT in value else []), *read_checks(found, where=self.place(key)))

    def monitored(self, key: str, value: Any) -> Settings:
        return settings(value, where=lambda *keys: self.place(key, *keys))

    def gated(self, key: str, value: Any) -> Gate:
        return gated(value, where=lambda *keys: self.place(key, *keys))


_READERS: dict[str, Callable[[_Reader, str, Any], Any]] = {
    **dict.fromkeys(("model", "champion"), _Reader.model),
    **dict.fromkeys(("data", "reference", "train", "sql", "where", "task"), _Reader.text),
    "positive": _Reader.scalar, "threshold": _Reader.number, "classes": _Reader.scalars, "features": _Reader.names,
    "types": _Reader.mapping, "columns": _Reader.roles, "slices": _Reader.names, "checks": _Reader.checks,
    "monitor": _Reader.monitored, "gate": _Reader.gated, "justified": _Reader.justified,
    "changeable": _Reader.changeable, "ranges": _Reader.ranges,
}


def _kind(value: Any) -> str:
    names = {dict: "mapping", list: "list", str: "text", bool: "truth value", int: "number", float: "number", type(None): "null"}
    return names.get(type(value), type(value).__name__)

