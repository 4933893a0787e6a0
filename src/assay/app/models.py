"""``assay models``: which formats of models can be read, what each needs, and what is installed."""

from __future__ import annotations

import json
import sys
from importlib import metadata
from typing import Any

import click

from assay.app.option import Command, Option, shared

__all__ = ["known", "models"]

# A library may be installed by a distribution of another name.
_ALSO = {"xgboost": ("xgboost-cpu",), "mlflow-skinny": ("mlflow",), "onnxruntime": ("onnxruntime-gpu",)}


@click.command(cls=Command, short_help="List the formats of models.")
@click.option("--json", "as_json", is_flag=True, cls=Option, group="Output", help="Print the list as JSON.")
@click.option("--plain", is_flag=True, cls=Option, group="Output", help="No colours.")
@shared
def models(as_json: bool, plain: bool) -> None:
    """List the formats of models: what each needs, what is installed, what to install, and what it was tested with."""
    from assay.app.layout import Line, Terminal, cells, drawn, padded, wrapped

    found = known()
    if as_json:
        click.echo(json.dumps({"formats": found}, indent=2))
        return
    screen = Terminal.of(sys.stdout, plain=plain)
    width = max(cells(each["name"]) for each in found)
    lines: list[Line] = []
    for each in found:
        state = "ready" if each["ready"] else "missing"
        lines += wrapped([(f"{padded(each['name'], width)}  ", "head"), (padded(state, 8), "dim")], each["what"], "", screen.width)
        lines += wrapped([(" " * (width + 10), "dim")], _needs(each), "dim", screen.width)
    drawn(lines, screen)


def known() -> list[dict[str, Any]]:
    """Return each format as plain values: name, what, library, extra, installed (a version), ready, install, runs, tested."""
    from assay.model.format import FORMATS
    from assay.model.tested import TESTED

    found = []
    for name in FORMATS:
        each = FORMATS[name]
        version = _version(each.library)
        ready = each.library is None or version is not None or name == "mlflow"   # its usual flavours are read without
        found.append({"name": name, "what": each.what or "(of an installed package)", "library": each.library, "extra": each.extra,
                      "installed": version, "ready": ready, "install": f"pip install 'assay[{each.extra}]'" if each.extra else None,
                      "runs_code": each.runs or None, "tested": TESTED.get(name)})
    return found


def _needs(each: dict[str, Any]) -> str:
    parts = []
    if each["library"]:
        parts.append(f"{each['library']} {each['installed']}" if each["installed"] else f"needs {each['library']}: {each['install']}")
    if each["tested"]:
        parts.append(f"tested with {each['tested']}")
    if each["runs_code"]:
        parts.append(f"runs code of the model: {each['runs_code']}")
    return "; ".join(parts)


def _version(library: str | None) -> str | None:
    for name in (library, *_ALSO.get(library or "", ())):
        try:
            if name is not None:
                return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None
