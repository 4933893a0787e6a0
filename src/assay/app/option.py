"""Commands whose help is grouped, whose names are forgiving, and whose examples keep their lines.

``Command``, ``Group``, ``Option``, and ``option`` that makes one; and options that commands share: ``shared`` by all, ``quietly`` by those
that draw, ``outputs`` where a run goes, ``rows`` which are taken, ``answers`` what a model's answers mean. For the commands of this
package; imports click and nothing slow, as ``assay --help`` is asked more often than anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from assay.app.state import State
from assay.errors import nearest

__all__ = ["Command", "Group", "Option", "answers", "option", "outputs", "quietly", "rows", "shared", "trust"]

SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Option(click.Option):
    """An option that stands in a group of the help."""

    def __init__(self, *args: Any, group: str = "Other", **rest: Any):
        super().__init__(*args, **rest)
        self.group = group


class Command(click.Command):
    """A command with grouped options and, below them, parts of text that are not filled: ``parts`` maps a heading to its lines."""

    def __init__(self, *args: Any, parts: Mapping[str, str] | None = None, **rest: Any):
        rest.setdefault("context_settings", SETTINGS)
        super().__init__(*args, **rest)
        self.parts = dict(parts or {})

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        for each in self.get_params(ctx):
            record = each.get_help_record(ctx)
            if record is not None and isinstance(each, click.Option):
                groups.setdefault(getattr(each, "group", "Other"), []).append(record)
        for name, records in sorted(groups.items(), key=lambda pair: pair[0] == "Other"):
            with formatter.section(name):
                formatter.write_dl(records, col_max=26)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        verbatim(formatter, self.parts)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        names = [name for each in self.get_params(ctx) if isinstance(each, click.Option) for name in (*each.opts, *each.secondary_opts)]
        return guessed(lambda: super(Command, self).parse_args(ctx, args), names)


class Group(click.Group):
    """A group of commands that names the nearest where there is none of a name."""

    def __init__(self, *args: Any, parts: Mapping[str, str] | None = None, **rest: Any):
        rest.setdefault("context_settings", SETTINGS)
        super().__init__(*args, **rest)
        self.parts = dict(parts or {})

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        verbatim(formatter, self.parts)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args:
            raise click.UsageError(f"name a command: {', '.join(self.commands)}; hint: assay --help", ctx)
        return guessed(lambda: super(Group, self).parse_args(ctx, args), ["--help", "--version"])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            near = nearest(args[0], self.commands)
            hint = f"did you mean '{near}'?" if near else f"the commands are {', '.join(self.commands)}"
            raise click.UsageError(f"there is no command '{args[0]}'; hint: {hint}", ctx)
        return super().resolve_command(ctx, args)


def guessed(parse: Callable[[], list[str]], names: list[str]) -> list[str]:
    """Call ``parse``; where an option is not known, say which of ``names`` was probably meant."""
    try:
        return parse()
    except click.NoSuchOption as error:
        near = nearest(error.option_name, names)
        hint = f"did you mean '{near}'?" if near else "--help lists them"
        raise click.UsageError(f"there is no option '{error.option_name}'; hint: {hint}", error.ctx) from None


def verbatim(formatter: click.HelpFormatter, parts: Mapping[str, str]) -> None:
    """Write parts of help whose lines stay as they are."""
    for heading, text in parts.items():
        with formatter.section(heading):
            formatter.write("".join(f"  {line}\n" if line else "\n" for line in text.strip("\n").splitlines()))


def option(name: str, group: str, metavar: str | None, text: str, **rest: Any) -> Callable[..., Any]:
    """Return an option of a group of the help; the rest is click's."""
    return click.option(name, cls=Option, group=group, metavar=metavar, help=text, **rest)


def shared(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that every command takes."""

    def debug(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        ctx.ensure_object(State).debug |= value

    return click.option("--debug", is_flag=True, expose_value=False, is_eager=True, callback=debug, cls=Option, group="Other",
                        help="Show the traceback of an error.")(command)


def quietly(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of commands that draw on the screen."""
    for name, text in (("--no-progress", "No progress on standard error."),
                       ("--plain", "No colours and no drawing characters (as with NO_COLOR, or in a pipe).")):
        command = click.option(name, is_flag=True, cls=Option, group="Output", help=text)(command)
    return command


_FILES = {
    "json": "Write everything as JSON; - for standard output, and nothing else there.",
    "html": "Write the report: one page that needs nothing else.",
    "junit": "Write the verdicts as JUnit XML, for CI.",
    "markdown": "Write a summary for a pull request.",
    "card": "Write a model card (README.md of a model on the Hugging Face hub).",
}


def outputs(*formats: str, quiet: str = "Only the verdict.") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add where a run goes: ``formats`` of files, how much is drawn (``quiet`` says what is left), and what every command takes."""
    made = [option(f"--{name}", "Output", "FILE", _FILES[name]) for name in formats]
    return _stacked(*made, click.option("--quiet", "-q", is_flag=True, cls=Option, group="Output", help=quiet), quietly, shared)


def rows(group: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add which rows of the data are taken."""
    return _stacked(option("--where", group, "PREDICATE", "Only these rows, such as \"distance > 1000 and origin == 'JFK'\"."),
                    option("--sql", group, "QUERY", "The query to read the data with, where they are a database URL."))


def trust(group: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the leave to run code that a model file brings."""
    return click.option("--trust", is_flag=True, cls=Option, group=group,
                        help="Let a model file run the code that it brings (pickle, joblib). Only for files that you trust.")


def answers(group: str, *, positive: str = "The positive class, where it is not plain.",
            feature: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add what a model's answers mean, what it takes, and the leave to run code that its file brings."""
    taken = option("--feature", group, "COLUMN", "Its inputs, in order, where it does not know them (repeatable).", multiple=True)
    return _stacked(option("--positive", group, "CLASS", positive),
                    option("--threshold", group, "NUMBER", "The score from which a row is positive.", type=float),
                    *([taken] if feature else []), trust(group))


def _stacked(*decorators: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return one decorator that does what these do, written one below the other."""

    def every(command: Callable[..., Any]) -> Callable[..., Any]:
        for each in reversed(decorators):
            command = each(command)
        return command

    return every
