"""YAML read carefully: the safe loader, a bounded depth, and aliases that count again, so that they cannot explode.

``composed(data, where) -> (value, node)``: the value as plain Python, and PyYAML's node, which knows its place in the text. The one
module that imports the library, so that nobody forgets the safe loader.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from assay.errors import ConfigError

__all__ = ["composed"]

_DEPTH = 20


def composed(data: bytes, where: str, at: Callable[[Any], str] | None = None) -> tuple[Any, Any]:
    """Return what a YAML document holds, ``({}, None)`` for an empty one; raises ``ConfigError`` with the place of the first mistake.

    >>> composed(b"a: [1, two]", "x.yaml")[0]
    {'a': [1, 'two']}
    """
    import yaml

    try:
        text = data.decode("utf-8-sig")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        return (_value(node, yaml.SafeLoader(""), 0), node) if node is not None else ({}, None)
    except UnicodeDecodeError as error:
        raise ConfigError(f"byte {error.start} is not UTF-8 text", where=where, hint="save the file as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ConfigError(f"this is not YAML: {error.problem or error.context}", where=at(mark) if at else where,
                          hint="look at the indentation and at quotes on that line or the one before") from error
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        raise ConfigError(f"this is not YAML: {str(error).splitlines()[0]}", where=where) from error


def _value(node: Any, loader: Any, depth: int) -> Any:
    """Return a node as plain Python; bounded in depth, and each alias counts again, so that aliases cannot explode."""
    if depth > _DEPTH:
        raise ValueError(f"more than {_DEPTH} levels")
    loader.assay_nodes = getattr(loader, "assay_nodes", 0) + 1
    if loader.assay_nodes > 100_000:
        raise ValueError("more than 100,000 values, aliases counted")
    if node.id != "scalar" and node.tag not in ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
        raise ValueError(f"the tag {node.tag} is not for a configuration")
    if node.id == "mapping":
        return {_value(key, loader, depth + 1): _value(value, loader, depth + 1) for key, value in node.value}
    if node.id == "sequence":
        return [_value(each, loader, depth + 1) for each in node.value]
    return loader.construct_object(node)
