"""The numbers of a monitor as OpenTelemetry's own SDK reads them, and as a collector gets them over HTTP."""

from __future__ import annotations

import gzip
import http.server
import threading

import pytest

from assay.errors import DeliveryError, MissingExtraError
from assay.verbs.monitor import monitor
from tests.verbs.monitor.test_monitor import config, of, stream

pytest.importorskip("opentelemetry.sdk")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    found = config(tmp_path_factory.mktemp("otel"))
    monitor.run(found, of(stream(32, lost=30), 0, 32), send=False)
    return found


class Collector(http.server.ThreadingHTTPServer):
    """Takes metrics as a collector does, and answers as told."""

    def __init__(self, status=200):
        self.got, self.status = [], status
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/v1/metrics"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, {name.lower(): each for name, each in self.headers.items()}, gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def collector():
    found = Collector()
    yield found
    found.shutdown()
    found.server_close()


def points(metrics):
    """Return the numbers by name and sorted labels, whatever kind they are."""
    return {(each.name, tuple(sorted(dict(point.attributes).items()))): point.value
            for resource in metrics.resource_metrics for scope in resource.scope_metrics for each in scope.metrics for point in each.data.data_points}


def test_the_sdk_reads_what_prometheus_reads(path):
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader, Sum

    reader = InMemoryMetricReader()
    monitor.otlp(path, reader=reader)
    data = reader.get_metrics_data()
    found = points(data)
    assert found["assay.monitor.windows", (("monitor", "assay"),)] == 32
    assert found["assay.monitor.pages", (("layer", "rules"), ("monitor", "assay"))] == 1
    assert found["assay.monitor.false_pages_allowed", (("monitor", "assay"),)] == pytest.approx(1 / 30)
    sums = {each.name for scope in data.resource_metrics[0].scope_metrics for each in scope.metrics if isinstance(each.data, Sum)}
    assert sums == {"assay.monitor.windows", "assay.monitor.pages", "assay.monitor.withheld_pages"}   # what only grows
    assert data.resource_metrics[0].resource.attributes["service.name"] == "assay"
    lines = [line for line in monitor.prometheus(path).splitlines() if not line.startswith("#")]
    assert len(lines) == len(found)
    assert sorted(float(line.rpartition(" ")[2]) for line in lines) == pytest.approx(sorted(map(float, found.values())), rel=1e-5)


def test_a_collector_gets_them_over_http(path, collector):
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    monitor.otlp(path, endpoint=collector.url)
    ((place, headers, body),) = collector.got
    assert (place, headers["content-type"]) == ("/v1/metrics", "application/x-protobuf")
    request = ExportMetricsServiceRequest.FromString(body)
    metrics = {each.name: each for each in request.resource_metrics[0].scope_metrics[0].metrics}
    assert metrics["assay.monitor.windows"].sum.is_monotonic
    assert [each.as_double or each.as_int for each in metrics["assay.monitor.windows"].sum.data_points] == [32]
    assert {value.value.string_value for each in metrics["assay.monitor.messages"].gauge.data_points for value in each.attributes if value.key == "state"} \
        == {"pending", "failed"}


def test_the_environment_says_where(path, collector, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.removesuffix("/v1/metrics"))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer hidden")
    monitor.otlp(path)
    assert [headers["authorization"] for _, headers, _ in collector.got] == ["Bearer hidden"]


def test_a_collector_that_refuses_is_told(path, collector, caplog):
    collector.status = 400
    with pytest.raises(DeliveryError, match="did not take the metrics") as caught:
        monitor.otlp(path, endpoint=collector.url.replace("://", "://user:s3cret@"))
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in caplog.text


def test_without_the_library(path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.sdk.metrics", None)
    with pytest.raises(MissingExtraError, match="pip install 'assay\\[otel\\]'"):
        monitor.otlp(path)
