"""Numbers for OpenTelemetry: gauges and counters as its SDK takes them, sent by its own exporter.

``export(gauges, ...)`` is the whole interface. Only ``assay.verbs.monitor.gauge`` imports it, and only it imports ``opentelemetry``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from assay.errors import DeliveryError, MissingExtraError, without_secrets

if TYPE_CHECKING:
    from assay.verbs.monitor.gauge import Gauge

__all__ = ["export"]

TIMEOUT = 10.0  # seconds


def export(gauges: Sequence[Gauge], *, version: str, endpoint: str | None = None, reader: Any = None) -> None:
    """Hand ``gauges`` to a reader of OpenTelemetry's SDK once: to a collector over OTLP, or to ``reader``.

    Names are ``assay.monitor.windows`` and so on, counters are cumulative, labels are attributes.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.metrics import CallbackOptions, Observation
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricExportResult, MetricsData
        from opentelemetry.sdk.resources import Resource
    except ImportError as error:
        raise MissingExtraError.of("opentelemetry", "to send metrics to a collector", "otel") from error

    def told(each: Gauge) -> Any:
        def read(_: CallbackOptions) -> Iterable[Observation]:
            return [Observation(number, dict(labels)) for labels, number in each.samples]
        return read

    source = reader if reader is not None else InMemoryMetricReader()
    resource = Resource.create({"service.name": "assay", "service.version": version})
    provider = MeterProvider(metric_readers=[source], resource=resource, shutdown_on_exit=False)
    meter = provider.get_meter("assay.monitor", version)
    for each in gauges:
        unit = "s" if each.unit == "seconds" else "1"
        make = meter.create_observable_counter if each.counter else meter.create_observable_gauge
        make(f"assay.monitor.{each.name}", callbacks=[told(each)], unit=unit, description=each.help)
    if reader is not None:
        provider.force_flush()
        return
    data = source.get_metrics_data()
    heard = _Heard()
    log = logging.getLogger("opentelemetry.exporter.otlp.proto.http.metric_exporter")
    log.addHandler(heard)
    before, log.propagate = log.propagate, False
    try:
        exporter = OTLPMetricExporter(endpoint=endpoint, timeout=TIMEOUT)
        done = exporter.export(data or MetricsData([]), timeout_millis=TIMEOUT * 1_000)
        exporter.shutdown()
    except (OSError, ValueError) as error:
        raise DeliveryError(f"nothing was delivered ({type(error).__name__})", where="the collector of OpenTelemetry") from error
    finally:
        log.removeHandler(heard)
        log.propagate = before
        provider.shutdown()
    if done is not MetricExportResult.SUCCESS:
        said = f" ({without_secrets(heard.last)[:200]})" if heard.last else ""
        raise DeliveryError(f"the collector did not take the metrics{said}", where="OpenTelemetry",
                            expected="a collector that listens for OTLP over HTTP", hint="http://localhost:4318/v1/metrics")


class _Heard(logging.Handler):
    """What the exporter says of a failure; it raises nothing."""

    last = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage()
