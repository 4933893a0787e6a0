"""Where a monitor stands, as numbers for systems that watch systems: Prometheus' text format, OpenTelemetry's protocol.

``prometheus(config)`` and ``otlp(config)`` are the interface; a ``Gauge`` is one number with its labels. ``monitor`` and ``_opentelemetry``
import it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from assay.result import Run
from assay.verbs.config import Config
from assay.verbs.monitor.live import Live
from assay.verbs.monitor.stream import Memory

__all__ = ["Gauge", "otlp", "prometheus"]


class Gauge(NamedTuple):
    """Where a monitor stands in one respect: a number for each set of labels; a ``counter`` only grows."""

    name: str
    counter: bool
    unit: str
    help: str
    samples: tuple[tuple[tuple[tuple[str, str], ...], float], ...]


def prometheus(config: str | Path | Config, *, trust: bool = False) -> str:
    """Return where a monitor stands in Prometheus' text format, for the textfile collector of its node exporter.

    Windows judged, the start of the last one, open incidents by source and severity, pages by layer, the budget, unsent messages.
    """
    lines = []
    for each in _gauges(config, trust=trust):
        name = f"{each.name}_{each.unit}" if each.unit == "seconds" else f"{each.name}_total" if each.counter else each.name
        lines += [f"# HELP assay_monitor_{name} {each.help}", f"# TYPE assay_monitor_{name} {'counter' if each.counter else 'gauge'}"]
        lines += [f"assay_monitor_{name}{{{','.join(f'{key}={_quoted(value)}' for key, value in labels_)}}} {number:g}"
                  for labels_, number in each.samples]
    return "\n".join(lines) + "\n"


def otlp(config: str | Path | Config, *, endpoint: str | None = None, reader: Any = None, trust: bool = False) -> None:
    """Send the same numbers over OpenTelemetry's protocol (OTLP over HTTP) to a collector.

    ``endpoint`` is the collector's address for metrics, ``http://localhost:4318/v1/metrics``; without, the variables that all of
    OpenTelemetry reads (``OTEL_EXPORTER_OTLP_ENDPOINT``, ``OTEL_EXPORTER_OTLP_HEADERS``) say it. ``reader`` is any reader of its SDK
    instead.

    Raises ``DeliveryError`` where the collector did not take it, ``MissingExtraError`` without the extra ``otel``.
    """
    from assay.verbs.monitor import _opentelemetry

    _opentelemetry.export(_gauges(config, trust=trust), version=Run("monitor").assay, endpoint=endpoint, reader=reader)


def _gauges(config: str | Path | Config, *, trust: bool) -> list[Gauge]:
    """Return where a monitor stands, as numbers for systems that watch systems."""
    with Live(config, trust=trust) as live:
        reached = live.store.states.latest([live.name]).get(live.name)
        memory = Memory.parse(reached[1]) if reached else Memory()
        own = {"monitor": live.name}
        counted: dict[tuple[str, str], int] = {}
        for each in live.store.incidents.find(monitor=live.name):
            if each.state in ("open", "acknowledged", "snoozed"):
                key = each.source or "several", "page" if each.page else "ticket"
                counted[key] = counted.get(key, 0) + 1
        accounts = {"evidence": memory.watch.state.account, "rules": memory.watch.account}
        layers = {**{layer: each.paged for layer, each in accounts.items()}, "harm": memory.harmed, "estimates": memory.guesses.pages}
        if live.job.suspicion is not None:
            layers["attacks"] = memory.suspicions.pages
        start = 0.0
        if reached is not None and live.job.settings.window.kind == "time":
            start = reached[0] / 1e6
        given: list[tuple[str, bool, str, str, list[tuple[dict[str, str], float]]]] = [
            ("windows", True, "", "Windows that were judged.", [(own, memory.windows)]),
            ("last_window_start", False, "seconds", "Start of the last window judged, of windows of time.", [(own, start)]),
            ("open_incidents", False, "", "Incidents that are open.",
             [({**own, "source": source, "severity": severity}, count) for (source, severity), count in sorted(counted.items())]),
            ("pages", True, "", "Pages that were opened, by what spoke; rules and evidence draw on the budget.",
             [({**own, "layer": layer}, count) for layer, count in layers.items()]),
            ("withheld_pages", True, "", "Pages that became tickets, as the budget was spent.",
             [({**own, "layer": layer}, each.withheld) for layer, each in accounts.items()]),
            ("false_pages_allowed", False, "", "False pages that one window may bring.",
             [(own, live.job.settings.false_pages.per(live.job.length))]),
            ("messages", False, "", "Messages that wait to be sent, or were given up.",
             [({**own, "state": state}, len(live.store.outbox.find(state))) for state in ("pending", "failed")]),
        ]
        if live.job.suspicion is not None:
            seen = memory.suspicions
            given += [("inspected_inputs", True, "", "Inputs that were looked at for triggers.", [(own, seen.inputs)]),
                      ("suspected_inputs", True, "", "Of them those suspected of a trigger, by the class that they were answered.",
                       [({**own, "class": label}, count) for label, count in seen.suspects.items()])]
    return [Gauge(name, counter, unit, help_, tuple((tuple(labels_.items()), float(number)) for labels_, number in samples))
            for name, counter, unit, help_, samples in given]


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
