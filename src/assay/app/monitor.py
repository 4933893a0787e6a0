"""``assay monitor``: ``run``, ``labels``, ``replay``, ``status``, and what people say of it: ``mark``, ``note``, ``forget``.

``monitor`` is the group of commands. They parse, call ``assay.verbs.monitor.monitor``, draw what that found, and give the exit code.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from assay.app.option import Command, Group, Option, option, quietly, shared
from assay.app.state import State

if TYPE_CHECKING:
    from assay.app.layout import Line, Terminal
    from assay.result import Incident, Run

__all__ = ["lines", "monitor"]

MOST = 20  # incidents that are listed

_EXAMPLES = """
assay monitor replay assay.yaml --data history.parquet --html replay.html   # what would it have said?
assay monitor run assay.yaml --data today.parquet                           # from cron, Airflow, Dagster
assay monitor labels assay.yaml --data labels.parquet                       # whenever they come
assay monitor status assay.yaml
"""
_CODES = """
0 nothing to wake someone for   1 a page was opened   2 wrong usage or bad input, or another process is at it
"""


def _outputs(function: Callable[..., Any]) -> Callable[..., Any]:
    for each in (option("--html", "Output", "FILE", "Write the report: one page, with the incidents on a timeline."),
                 option("--json", "Output", "FILE", "Write everything as JSON; - for standard output, and nothing else there."),
                 click.option("--trust", is_flag=True, cls=Option, group="What is watched",
                              help="Let the model file run the code that it brings.")):
        function = each(function)
    return function


def _told(text: str) -> dict[str, Any]:
    return {"cls": Command, "short_help": text, "parts": {"Examples": _EXAMPLES, "Exit codes": _CODES}}


@click.group(cls=Group, short_help="Watch a model in production.", parts={"Examples": _EXAMPLES, "Exit codes": _CODES})
def monitor() -> None:
    """Watch a model in production, beside it and never in its way.

    Pages for what is broken or harms the model, within the budget of false pages that assay.yaml states, and says why. Everything else is a
    list to read when there is time.
    """


@monitor.command("replay", **_told("Say what would have been said of a history."))
@click.argument("config", type=click.Path(), metavar="ASSAY.YAML")
@option("--data", "What is watched", "FILE", "The history, in any order; `data` of the configuration if not given.")
@_outputs
@quietly
@shared
@click.pass_obj
def replay(state: State, /, config: str, *, data: str | None, json: str | None, html: str | None, trust: bool, plain: bool,
           no_progress: bool) -> int:
    """Go through a history window by window, as if it came in today, and say what would have been said. Nothing is kept or sent.

    Ends with 0: what would have been paged is over.
    """
    from assay.app.output import files_of
    from assay.app.progress import Progress
    from assay.verbs.monitor.monitor import replay as verb

    files = files_of({"json": json, "html": html}, [config, data])
    with Progress(lambda _: None, shown=not no_progress and json != "-") as bar:
        run = verb(config, data, trust=trust, progress=bar)
    _shown(run, files, state, json=json, plain=plain, code=0)
    return 0


@monitor.command("run", **_told("Take in a delivery and judge its windows."))
@click.argument("config", type=click.Path(), metavar="ASSAY.YAML")
@option("--data", "What is watched", "FILE", "The rows that came; without, what an interrupted run left is judged.")
@option("--until", "What is watched", "TIME", "Judge windows up to then too in which nothing came (ISO 8601 with zone).")
@option("--every", "What is watched", "TIME", "Run again every so long (15m, 1d), until interrupted; --data is then a folder or pattern.")
@option("--wait", "What is watched", "TIME", "With --every: how long after its end a window may wait for rows; then it is judged without.")
@click.option("--dry-run", is_flag=True, cls=Option, group="Output", help="Send no message.")
@_outputs
@quietly
@shared
@click.pass_obj
def run(state: State, /, config: str, *, data: str | None, until: str | None, every: str | None, wait: str | None, dry_run: bool,
        json: str | None, html: str | None, trust: bool, plain: bool, no_progress: bool) -> int:
    """Take in a delivery, judge every window that it touches, keep what is found, and send what is worth sending.

    The same file again changes nothing. Rows that come late change the windows that they belong to.
    """
    if every is not None:
        return _repeated(config, data, every, wait, state, trust=trust, send=not dry_run, files=(json, html, until), plain=plain)
    if wait is not None:
        raise click.UsageError("--wait says how --every goes about windows without rows; name both")
    from assay.app.output import files_of
    from assay.app.progress import Progress
    from assay.verbs.monitor.monitor import run as verb

    files = files_of({"json": json, "html": html}, [config, data])
    with Progress(lambda _: None, shown=not no_progress and json != "-") as bar:
        found = verb(config, data, trust=trust, until=until, send=not dry_run, progress=bar)
    code = 1 if found.opened else 0
    _shown(found.run, files, state, json=json, plain=plain, code=code, opened=found.opened, deliveries=found.deliveries)
    return code


def _repeated(config: str, data: str | None, every: str, wait: str | None, state: State, *, trust: bool, send: bool,
              files: Sequence[str | None], plain: bool) -> int:
    """Run until interrupted, and say what each round brought."""
    from assay.app.layout import Terminal, clean, drawn
    from assay.verbs.monitor.monitor import Watched, repeat

    if any(files):
        raise click.UsageError("with --every nothing is written: assay monitor status has --json and --html, and --wait stands for --until")
    screen = Terminal.of(sys.stdout, plain=plain)

    def told(found: Any) -> None:
        if isinstance(found, Watched):
            drawn(lines(found.run, screen, opened=found.opened, deliveries=found.deliveries), screen)
        else:
            click.echo(clean(str(found)), err=True)
        sys.stdout.flush()

    repeat(config, data, every=every, wait=wait, trust=trust, send=send, told=told)
    state.code = 0
    return 0


@monitor.command("labels", **_told("Join late labels by id."))
@click.argument("config", type=click.Path(), metavar="ASSAY.YAML")
@option("--data", "What is watched", "FILE", "The labels, with the id of their rows.", required=True)
@click.option("--dry-run", is_flag=True, cls=Option, group="Output", help="Send no message.")
@_outputs
@quietly
@shared
@click.pass_obj
def labels(state: State, /, config: str, *, data: str, dry_run: bool, json: str | None, html: str | None, trust: bool, plain: bool,
           no_progress: bool) -> int:
    """Join labels to the rows that came before, or will come, and judge again what was promised of their windows."""
    from assay.app.output import files_of
    from assay.app.progress import Progress
    from assay.verbs.monitor.monitor import labels as verb

    files = files_of({"json": json, "html": html}, [config, data])
    with Progress(lambda _: None, shown=not no_progress and json != "-") as bar:
        found = verb(config, data, trust=trust, send=not dry_run, progress=bar)
    code = 1 if found.opened else 0
    _shown(found.run, files, state, json=json, plain=plain, code=code, opened=found.opened, deliveries=found.deliveries)
    return code


@monitor.command("status", **_told("Say where the monitor stands."))
@click.argument("config", type=click.Path(), metavar="ASSAY.YAML")
@option("--prometheus", "Output", "FILE", "Write counts in Prometheus' text format, for its textfile collector.")
@option("--otlp", "Output", "URL", "Send them to a collector of OpenTelemetry; - for the one that OTEL_EXPORTER_OTLP_ENDPOINT names.")
@_outputs
@quietly
@shared
@click.pass_obj
def status(state: State, /, config: str, *, prometheus: str | None, otlp: str | None, json: str | None, html: str | None, trust: bool,
           plain: bool, no_progress: bool) -> int:
    """Say where the monitor stands: incidents, the budget and what was spent of it, notes, messages that did not arrive."""
    from assay.app.output import files_of, write
    from assay.verbs.monitor.monitor import otlp as send
    from assay.verbs.monitor.monitor import prometheus as exposition
    from assay.verbs.monitor.monitor import status as verb

    files = files_of({"json": json, "html": html, "prometheus": prometheus}, [config])
    place = files.pop("prometheus", None)
    if place is not None:
        write({place: exposition(config, trust=trust)})
        state.written = True
    if otlp is not None:
        send(config, endpoint=None if otlp == "-" else otlp, trust=trust)
    _shown(verb(config, trust=trust), files, state, json=json, plain=plain, code=0)
    return 0


@monitor.command("mark", **_told("Say what an incident was worth."))
@click.argument("config", type=click.Path(), metavar="ASSAY.YAML")
@click.argument("incident", metavar="INCIDENT")
@click.argument("what", type=click.Choice(["acknowledged", "snoozed", "false", "true", "reopened"]), metavar="WHAT")
@option("--by", "What is said", "NAME", "Who says so.")
@option("--note", "What is said", "TEXT", "Why.")
@option("--until", "What is said", "TIME", "How long it is snoozed (ISO 8601 with zone).")
@click.option("--trust", is_flag=True, cls=Option, group="What is watched", help="Let the model file run the code that it brings.")
@shared
@click.pass_obj
def mark(state: State, /, config: str, incident: str, what: str, *, by: str | None, note: str | None, until: str | None,
         trust: bool) -> int:
    """Say what an incident was worth: WHAT is acknowledged, snoozed, false, true or reopened.

    The monitor learns from it: what is marked false is expected from now on; what is marked true costs no budget.
    """
    from assay.app.layout import clean
    from assay.verbs.monitor.monitor import mark as verb

    found = verb(config, incident, what, by=by, note=note, until=until, trust=trust)  # type: ignore[arg-type]
    state.written = True
    click.echo(f"{incident} is {what}: {clean(found.sentence)}")
    return 0


@monitor.command("note", **_told("Write down what is known of a source or column."))
@click.argument("config", type=click.Path(), metavar="ASSAY.YAML")
@click.argument("source", metavar="SOURCE")
@click.argument("column", metavar="[COLUMN]", required=False)
@option("--owner", "What is known", "NAME", "Whom to ask.")
@option("--meaning", "What is known", "TEXT", "What it holds, and in which unit.")
@option("--corrupted-since", "What is known", "TIME", "From when on nobody should build features on it (ISO 8601 with zone).")
@option("--corrupted-until", "What is known", "TIME", "And until when.")
@option("--text", "What is known", "TEXT", "Anything else.")
@option("--by", "What is known", "NAME", "Who says so.")
@shared
@click.pass_obj
def note(state: State, /, config: str, source: str, column: str | None, **fields: str | None) -> int:
    """Write down what is known of a source or of one of its columns; every version is kept, the last one is shown by `status`."""
    from assay.app.layout import clean
    from assay.verbs.monitor.monitor import note as verb

    found = verb(config, source, column, **fields)
    state.written = True
    click.echo(clean(found.warning or f"noted: {source}{f', column {column}' if column else ''}"))
    return 0


@monitor.command("forget", **_told("Delete the rows of a person."))
@click.argument("config", type=click.Path(), metavar="ASSAY.YAML")
@option("--id", "Whose rows", "ID", "The id of a row (repeatable).", multiple=True)
@option("--entity", "Whose rows", "ENTITY", "Who or what the rows are about.")
@click.option("--trust", is_flag=True, cls=Option, group="What is watched", help="Let the model file run the code that it brings.")
@shared
@click.pass_obj
def forget(state: State, /, config: str, *, id: tuple[str, ...], entity: str | None, trust: bool) -> int:
    """Delete rows by id, or all rows of an entity, from every file of the ledger, and judge their windows anew."""
    from assay.errors import ConfigError
    from assay.verbs.monitor.monitor import forget as verb

    if not id and entity is None:
        raise ConfigError("whose rows?", expected="--id ID or --entity ENTITY")
    count = verb(config, ids=list(id), entity=entity, trust=trust)
    state.written = True
    click.echo(f"{count:,} rows are gone")
    return 0


def _shown(run: Run, files: Any, state: State, *, json: str | None, plain: bool, code: int, opened: Sequence[Incident] = (),
           deliveries: Sequence[Any] = ()) -> None:
    from assay.app.layout import Terminal, drawn
    from assay.app.output import put

    def draw() -> None:
        screen = Terminal.of(sys.stdout, plain=plain)
        drawn(lines(run, screen, opened=opened, deliveries=deliveries), screen)

    state.code = code
    put(run, files, state, json=json, draw=draw)


def lines(run: Run, screen: Terminal, *, opened: Sequence[Incident] = (), deliveries: Sequence[Any] = ()) -> list[Line]:
    """Return the lines that show what a monitor says: what is new first, then the incidents, newest last, then notes."""
    from assay.app.layout import clean, wrapped
    from assay.app.terminal import cost

    fresh = {each.id for each in opened}
    active = [each for each in run.incidents if each.state in ("open", "acknowledged", "snoozed")]
    pages = sum(each.page for each in run.incidents)
    tickets = len(run.incidents) - pages
    span = f"{_moment(run.about.get('from'))} to {_moment(run.about.get('to'))}: " if run.about.get("from") else ""
    words = (f"{len(fresh)} new page{'s' if len(fresh) != 1 else ''}, {len(active)} open" if run.verb == "monitor run"
             else f"{pages} page{'s' if pages != 1 else ''} and {tickets} ticket{'s' if tickets != 1 else ''}, {len(active)} open")
    parts: list[list[Line]] = [wrapped([("MONITOR: ", "fail" if fresh else "head")], f"{span}{words}", "", screen.width)]
    ordered = sorted(run.incidents, key=lambda each: (each.id in fresh, each.page, each.state == "open", each.first_seen), reverse=True)
    chosen = sorted(ordered[:MOST], key=lambda each: each.first_seen)
    for each in chosen:
        head: Line = [("PAGE    " if each.page else "ticket  ", "fail" if each.page else "warn"), (f"{_moment(each.first_seen)}  ", "dim")]
        part = wrapped(head, clean(each.sentence), "", screen.width, indent=8)
        why = each.cause if each.cause and each.cause.startswith("why: ") else ""   # another cause is in the sentence already
        said = [f"effect: {each.effect}" if each.effect else "", why, f"next: {each.hint}" if each.hint else "",
                f"{'new, ' if each.id in fresh else ''}{each.state}, until {_moment(each.last_seen)}, incident {each.id}"]
        part += [line for text in said if text for line in wrapped([("        ", "")], clean(text), "dim", screen.width)]
        parts.append(part)
    if len(run.incidents) > len(chosen):
        parts.append([[(f"and {len(run.incidents) - len(chosen)} more: --json has all", "dim")]])
    tried = [f"{'sent to' if each.state == 'sent' else 'not sent to' if each.state == 'failed' else 'waits for'} {each.label}: "
             f"{each.message.title}{f' ({each.error})' if each.error else ''}" for each in deliveries]
    parts.append([line for text in (*tried, *run.notes) for line in wrapped([("note: ", "dim")], clean(text), "", screen.width)])
    parts.append(wrapped([], cost(run), "dim", screen.width))
    return [line for part in parts if part for line in (*part, [])][:-1]


def _moment(text: Any) -> str:
    return str(text)[:16].replace("T", " ") if text else "?"
