"""The commands as click sees them, behind one function: ``run(arguments, state)``.

Apart from ``command``, so that its door stands open, and tells of an interrupt, before click is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence

import click

from assay.app.association import associations
from assay.app.backdoor import backdoor
from assay.app.check import check
from assay.app.demo import demo
from assay.app.estimate import estimate
from assay.app.experiment import experiment
from assay.app.explain import explain
from assay.app.gate import gate
from assay.app.metrics import metrics
from assay.app.models import models
from assay.app.monitor import monitor
from assay.app.option import Group
from assay.app.privacy import privacy
from assay.app.probe import probe
from assay.app.profile import profile
from assay.app.repair import repair
from assay.app.robustness import robustness
from assay.app.state import State
from assay.app.text import text
from assay.errors import ConfigError

__all__ = ["run"]

_CODES = """
0    pass, or warn
1    fail, or a check that could not be measured
2    wrong usage or bad input: one sentence on standard error, and no file written
3    inconclusive: too few rows to tell (fail beats it)
130  interrupted
"""


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        click.echo(f"assay {ctx.ensure_object(State).version}")
        ctx.exit()


@click.group(cls=Group, invoke_without_command=False, no_args_is_help=False, parts={"Exit codes": _CODES})
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version and exit.")
def assay() -> None:
    """Tells you whether a model is good enough to ship.

    The model is a black box, every number has an interval, and every metric and every slice is measured in the same pass over the data.
    Begin with `assay demo`, then `assay check --help`.
    """


for _command in (check, demo, estimate, explain, gate, metrics, models, monitor, probe, profile, repair):
    assay.add_command(_command)


probe.add_command(experiment)
probe.add_command(associations)
probe.add_command(backdoor)
probe.add_command(text)
probe.add_command(robustness)
probe.add_command(privacy)


def run(arguments: Sequence[str], state: State) -> int:
    """Parse the arguments, run their command, and return its exit code; wrong usage is a ``ConfigError``."""
    try:
        with assay.make_context("assay", list(arguments), obj=state) as context:
            return int(assay.invoke(context) or 0)
    except click.exceptions.Exit as error:  # --help, --version
        return error.exit_code
    except click.ClickException as error:
        raise ConfigError(_sentence(error)) from error


def _sentence(error: click.ClickException) -> str:
    text = error.format_message().strip().rstrip(".")
    return text[:1].lower() + text[1:]
