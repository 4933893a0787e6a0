"""From the words on a command line to the arguments of a verb: what was given, in the places of what a configuration says.

``arguments`` keeps what was given, ``enough`` refuses what cannot be meant, ``configured`` reads ``assay.yaml`` and puts the arguments in
its places, ``rows_of`` tells a progress bar where it ends. For the commands of this package.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.errors import AssayError, ConfigError

if TYPE_CHECKING:
    from assay.verbs.config import Config

__all__ = ["ROLES", "arguments", "configured", "enough", "rows_of"]

ROLES = ("label", "prediction", "score", "protected", "forbidden", "timestamp", "id", "entity", "query", "horizon", "weight", "ignored")


def arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the verb that were given on the command line; what was not given is not there."""
    found = {key: value for key, value in given.items() if value not in (None, ())}
    for role in (*ROLES, "feature", "class", "check", "slice"):
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


def enough(config: str | None, options: Mapping[str, Any], verb: str = "check") -> None:
    """Refuse what cannot be meant, before anything is loaded; ``verb`` is the command that hints name."""
    if config is not None:
        suffix = Path(config).suffix.lower()
        if suffix not in (".yaml", ".yml"):
            kind = "--data" if suffix in (".parquet", ".csv", ".arrow", ".feather", ".ipc", ".gz") else "--model"
            raise ConfigError("this is not a configuration", where=config, expected="a file ending in .yaml or .yml",
                              hint=f"is it meant as {kind} {config}?")
        return
    if "data" not in options:
        here = next((name for name in ("assay.yaml", "assay.yml") if Path(name).is_file()), None)
        raise ConfigError(f"there are no data to {verb}", expected="--data FILE, or a configuration",
                          hint=f"{here} is here: assay {verb} {here}" if here else f"assay {verb} --help shows examples")


def configured(path: str | None, options: Mapping[str, Any]) -> Config:
    """Return the configuration at ``path`` with the options in the places of what it says."""
    import dataclasses

    from assay.check.suite import checks
    from assay.check.suite.listed import DEFAULT, divided
    from assay.verbs.config import read

    found = read(str(path))
    changes = {key: value for key, value in options.items() if key not in ROLES}
    for name in ("model", "data", "train", "reference", "champion"):
        if name in changes:
            changes[name] = _here(changes[name])
    if "checks" in changes:
        default, rest = divided(changes["checks"])
        changes["checks"] = (*([DEFAULT] if default else []), *checks(rest, where="--check"))
    for name in ("slices", "classes", "features"):
        if name in changes:
            changes[name] = tuple(changes[name])
    columns = {**found.columns, **{role: options[role] for role in ROLES if role in options}}
    return dataclasses.replace(found, columns=columns, **changes)


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


def _here(place: Any) -> Any:
    """Return a path as it is seen from here, and not from the folder of a configuration; addresses as they are."""
    from assay.model.address import Address

    if isinstance(place, Mapping):
        return {**place, "uri": _here(place["uri"])}
    return place if Address.of(place) is not None else str(Path(place).absolute())
