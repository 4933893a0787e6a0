"""Write the notebooks of this folder anew, executed: ``python examples/make.py [FOLDER]`` (needs the extra ``demo``).

Each ``NAME.py`` is an example in cells (``# %%``), to be run as it is. Its cells run here for real, and what they print and show is
kept as text in ``NAME.ipynb``; the page of a report would make the file large, and is for you to see when you run it.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def cells(text: str) -> list[tuple[str, str]]:
    """Return the cells of an example: (kind, source)."""
    parts = re.split(r"^# %%(.*)\n", text, flags=re.MULTILINE)[1:]
    found = []
    for mark, body in zip(parts[::2], parts[1::2], strict=True):
        if "markdown" in mark:
            found.append(("markdown", re.sub(r"^# ?", "", body.strip(), flags=re.MULTILINE)))
        else:
            found.append(("code", body.strip()))
    return found


def executed(text: str) -> dict[str, Any]:
    """Return a notebook (nbformat 4.5) whose code cells have run, in one namespace and in the current folder."""
    space: dict[str, Any] = {"__name__": "__main__"}
    made = []
    for number, (kind, source) in enumerate(cells(text)):
        cell: dict[str, Any] = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": source.splitlines(keepends=True)}
        if kind == "code":
            printed, shown = _run(source, space)
            outputs: list[dict[str, Any]] = []
            if printed:
                outputs.append({"output_type": "stream", "name": "stdout", "text": printed.splitlines(keepends=True)})
            if shown is not None:
                outputs.append({"output_type": "execute_result", "execution_count": number, "metadata": {},
                                "data": {"text/plain": repr(shown).splitlines(keepends=True)}})
            cell |= {"execution_count": number, "outputs": outputs}
        made.append(cell)
    return {"cells": made, "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
            "nbformat": 4, "nbformat_minor": 5}


def _run(source: str, space: dict[str, Any]) -> tuple[str, Any]:
    body = ast.parse(source).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(ast.Module(body, []), "cell", "exec"), space)  # noqa: S102 (an example of this folder)
        shown = eval(compile(ast.Expression(last.value), "cell", "eval"), space) if last is not None else None  # noqa: S307
    return printed.getvalue(), shown


def main() -> None:
    """Execute every example in a folder of its own."""
    target = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else HERE
    for path in sorted(HERE.glob("*.py")):
        if path.name != Path(__file__).name:
            before = Path.cwd()
            with tempfile.TemporaryDirectory() as folder:
                os.chdir(folder)
                try:
                    made = executed(path.read_text("utf-8"))
                finally:
                    os.chdir(before)
            (target / f"{path.stem}.ipynb").write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
