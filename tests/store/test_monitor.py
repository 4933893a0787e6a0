"""The monitor on a store of each kind: what it keeps in Postgres is what it keeps in a file."""

from __future__ import annotations

from pathlib import Path

from assay.verbs import monitor
from tests.verbs.test_monitor import CONFIG, config, of, stream, told


def test_the_monitor_keeps_the_same_in_every_store(url: str, tmp_path: Path) -> None:
    table = stream(44)
    path = config(tmp_path, CONFIG + f"  store: {url}\n")
    for low, high in ((0, 38), (38, 41), (41, 44)):
        monitor.run(path, of(table, low, high), send=False)
    status = monitor.status(path)
    assert told(status) == told(monitor.replay(config(tmp_path), table))
    assert [each.columns for each in status.incidents if each.page] == [("wind",)]
    assert "s3cret" not in str(status.to_json()) + repr(status)
