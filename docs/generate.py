"""Pages under reference/, made of what assay says of itself: its commands, registries and docstrings.

``pages()`` returns their Markdown by name; ``on_files`` is the hook through which MkDocs asks for them (``hooks`` in mkdocs.yml).
"""

# ruff: noqa: INP001  (a folder of pages is no package)

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

__all__ = ["on_files", "pages"]

_PLACES = {"rows": "Of labelled rows", "compared": "Of a column, against the reference", "column": "Of a column", "table": "Of the table"}
_WANTED = {"train": "training data", "reference": "a reference", "model": "a model to ask", "label": "labels",
           "protected": "protected columns", "entity": "an entity column", "available_at": "times at which features were known"}


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages to the files of the site."""
    from mkdocs.structure.files import File

    for name, text in pages().items():
        files.append(File.generated(config, name, content=text))
    return files


def pages() -> dict[str, str]:
    """Return the Markdown of every generated page by its name under docs/.

    >>> sorted(pages())[:2]
    ['reference/commands.md', 'reference/metrics.md']
    """
    made = {"commands": _commands, "metrics": _metrics, "screens": _screens, "suite": _suite, "python": _python}
    return {f"reference/{name}.md": "\n".join(page()).rstrip() + "\n" for name, page in made.items()}


def _commands() -> Iterator[str]:
    import click

    from assay.app.tree import assay

    yield "# Commands and options\n\nMade from the command line itself; `assay COMMAND --help` prints the same.\n"
    for name, command in {"assay": assay, **{f"assay {each}": assay.commands[each] for each in sorted(assay.commands)}}.items():
        yield f"## {name}\n\n{_prose(command.help or '')}\n"
        yield "```text\n" + command.get_usage(click.Context(command, info_name=name)) + "\n```\n"
        groups: dict[str, list[click.Option]] = {}
        for each in command.params:
            if isinstance(each, click.Option):
                groups.setdefault(getattr(each, "group", "Other"), []).append(each)
        for group, options in groups.items():
            yield f"**{group}**\n\n| option | meaning |\n|---|---|"
            for each in options:
                value = "" if each.is_flag else f" {each.make_metavar(click.Context(command))}"
                yield f"| `{', '.join(each.opts)}{value.replace('|', '¦')}` | {_cell(each.help or '')} |"
            yield ""
        for heading, text in getattr(command, "parts", {}).items():
            fence = "```text\n" + text.strip("\n") + "\n```\n"
            yield f"**{_escaped(heading)}**\n\n{fence}"


def _metrics() -> Iterator[str]:
    from assay.metric.metric import ALIASES, METRICS

    yield "# Metrics\n\nMade from the registry of metrics; `assay metrics` prints the first sentence of each.\n"
    groups: dict[str, list[Any]] = {}
    for name in METRICS:
        if METRICS.builtin(name):
            each = METRICS[name]
            groups.setdefault("compared" if each.of == "column" and each.compared else each.of, []).append(each)
    for place, heading in _PLACES.items():
        yield f"## {heading}\n"
        for each in groups.get(place, ()):
            other = [alias for alias, real in ALIASES.items() if real == each.name]
            yield from _entry(each, {
                "better": each.better or "neither direction", "for": ", ".join(getattr(each, "tasks", ())), "unit": each.unit,
                "options": ", ".join(f"`{option}`" for option in _options(each.function if hasattr(each, "function") else
                                                                         each.forms[0].function)),
                "also called": ", ".join(f"`{alias}`" for alias in other)})


def _screens() -> Iterator[str]:
    from assay.screen.screen import SCREENS

    yield ("# Screens\n\nMade from the registry of screens: the detectors behind the default suite. Each is a metric too, so "
           "`lone_power of * <= 0.9` is a check that you can write.\n")
    for name in SCREENS:
        if SCREENS.builtin(name):
            each = SCREENS[name]
            yield from _entry(each, {"better": each.better, "of": "each column" if each.of == "column" else "the table",
                                     "wants": ", ".join(_WANTED[one] for one in each.wants), "unit": each.unit,
                                     "options": ", ".join(f"`{option}`" for option in _options(each.function))}, level=2)


def _suite() -> Iterator[str]:
    from assay.check.suite.default import Item, Scene, items

    common: dict[str, Any] = {"labelled": True, "asked": True, "train": True, "reference": True, "entity": True, "available_at": True,
                              "ids": True, "content": True, "slices": ("carrier",), "protected": ("sex",), "forbidden": ("zip",)}
    found: dict[tuple[str, str], Item] = {}
    scenes = (("binary", True, {"auc": 0.72}), ("multiclass", False, {"accuracy": 0.8}), ("regression", False, {"mae": 10.0}))
    for task, scored, overall in scenes:
        for each in items(Scene(task=task, scored=scored, overall=overall, **common)):
            found.setdefault((each.aspect, each.expression), each)
    yield ("# Lines of the default suite\n\nMade from the suite itself: every line that it can say, for data with a label, an id, "
           "an entity, slices by `carrier`, the protected column `sex` and the forbidden column `zip`. Words in braces are filled in. "
           "Where a bound depends on all rows, they have an AUC of 0.72, an accuracy of 0.8, or a mean absolute error of 10. "
           "[The default suite](../methods/suite.md) says how it judges.\n")
    aspects: dict[str, list[Item]] = {}
    for each in found.values():
        aspects.setdefault(each.aspect, []).append(each)
    for aspect, some in aspects.items():
        yield f"## {aspect}\n"
        for each in some:
            yield f"### `{each.expression}`\n\nA shown fault is a {'failure' if each.grave == 'fail' else 'warning'}.\n"
            for heading, text in (("Fault", each.fault), ("Many columns", each.many), ("Not shown to be good", each.proof),
                                  ("Fine", each.fine), ("Next", each.hint)):
                if text:
                    yield f"- {heading}: {_escaped(text.replace('{{', '{').replace('}}', '}'))}"
            yield ""


def _python() -> Iterator[str]:
    import assay

    yield "# Python\n\nMade from the public names of the package `assay` and their docstrings.\n"
    for name in sorted(assay.__all__, key=str.casefold):
        each = getattr(assay, name)
        if name.startswith("__") or (inspect.ismodule(each) and not callable(each)):
            continue
        target = assay._found(name)   # the verb, where a package shares its name
        yield f"## assay.{name}\n"
        if not inspect.isclass(target):
            yield f"```text\n{name}({_parameters(target)})\n```\n"
        yield _prose(inspect.getdoc(target) or "") + "\n"


def _parameters(function: Any) -> str:
    """Return the parameters of a function, without types, with a star before the first that is named only."""
    found: list[str] = []
    for each in inspect.signature(function).parameters.values():
        if each.kind is each.KEYWORD_ONLY and "*" not in found:
            found.append("*")
        found.append(str(each.replace(annotation=each.empty)))
    return ", ".join(found)


def _entry(each: Any, facts: dict[str, str | None], *, level: int = 3) -> Iterator[str]:
    yield f"{'#' * level} {each.name}\n"
    yield "; ".join(f"*{name}*: {text}" for name, text in facts.items() if text) + "\n"
    yield _prose(each.doc) + "\n"


def _options(function: Any) -> list[str]:
    known = inspect.signature(function).parameters.values()
    return [f"{each.name}={each.default!r}" if each.default is not each.empty else each.name for each in known
            if each.kind is each.KEYWORD_ONLY]


def _prose(text: str) -> str:
    """Return a docstring as Markdown: examples in fences, names as code, all other signs as they are."""
    parts, block = [], []
    for line in [*inspect.cleandoc(text).splitlines(), ""]:
        if block and not line.strip():
            parts += ["```python", *block, "```", ""]
            block = []
        elif block or line.lstrip().startswith(">>>"):
            block.append(line)
        else:
            parts.append(_line(line))
    return "\n".join(parts).strip()


def _line(line: str) -> str:
    pieces = re.split(r"(?::\w+:)?(``.+?``|`[^`]+`)", line)
    return "".join("`" + each.strip("`").rpartition("~")[2] + "`" if place % 2 else _escaped(each) for place, each in enumerate(pieces))


def _cell(text: str) -> str:
    return _line(text).replace("|", "\\|")


def _escaped(text: str) -> str:
    return re.sub(r"([\\*_\[\]])", r"\\\1", text).replace("<", "&lt;")
