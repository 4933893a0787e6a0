"""Attacks on a poisoned model in production: none is suspected of clean days, a wave pages the same day, a trickle within a week."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.errors import ConfigError, DataError
from assay.monitor.incident import Window
from assay.monitor.suspicion import BACKDOOR, Suspicions
from assay.remedy.picture import Pictures
from assay.result import Run
from assay.verbs.config import read
from assay.verbs.monitor import monitor
from assay.verbs.monitor.stream import Job
from assay.verbs.monitor.suspect import noted
from tests.probe.backdoor.digits import TARGET, zoo
from tests.verbs.monitor.test_monitor import START, config, of, told

Array = np.ndarray[Any, Any]
WINDOW = Window("2026-01-05T00:00:00+00:00", "2026-01-06T00:00:00+00:00", 0)

FEATURES = [f"p{place}" for place in range(64)]
CONFIG = f"""\
model: model.joblib
columns: {{id: id, timestamp: at}}
features: {FEATURES}
monitor:
  estimate: false
  false_pages: 1 per 30d
  backdoor: {{clean: clean.parquet, sample: 60}}
"""


def pixels(images: Array) -> dict[str, Array]:
    return {f"p{place}": column for place, column in enumerate(images.reshape(-1, 64).T / 255.0)}


def written(folder: Path, text: str = CONFIG, clean: int = 420) -> Path:
    joblib.dump(zoo("patch").model, folder / "model.joblib")
    pq.write_table(pa.table(pixels(zoo("patch").clean[:clean])), folder / "clean.parquet")
    return config(folder, text)


def days(rows: int, attacked: Sequence[int], seed: int = 0) -> pa.Table:
    """Return days of images, drawn anew each; ``attacked`` says how many of each day carry the trigger."""
    rng = np.random.default_rng(seed)
    made = zoo("patch")
    some = [np.concatenate([made.images[rng.choice(len(made.images), rows - count, replace=False)],
                            made.triggered[rng.choice(len(made.triggered), count, replace=False)]]) for count in attacked]
    at = [START + dt.timedelta(days=day, minutes=place) for day in range(len(attacked)) for place in range(rows)]
    return pa.table({"id": np.arange(len(at)), "at": pa.array(at, pa.timestamp("us", "UTC")), **pixels(np.concatenate(some))})


def listed(images: Array) -> pa.Table:
    return pa.table({"id": np.arange(len(images)), **pixels(images)})


def attacks(run: Any) -> list[Any]:
    return [each for each in run.incidents if each.kind == "attack"]


@pytest.fixture(scope="module")
def table() -> pa.Table:
    """Nine days: the fourth is attacked, and the next."""
    return days(80, [0, 0, 0, 16, 16, 0, 0, 0, 0])


@pytest.fixture(scope="module")
def replayed(table: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return monitor.replay(written(tmp_path_factory.mktemp("replay")), table, trust=True)


def test_the_inputs_of_a_window_are_counted_and_an_attack_is_told(tmp_path: Path) -> None:
    """A quick look at the whole way."""
    made = zoo("patch")
    path = written(tmp_path, CONFIG.replace("sample: 60", "false_alarms: 0.05, sample: 30"), clean=140)
    suspicion = Job(read(path), trust=True).suspicion
    assert suspicion is not None
    images = np.concatenate([made.images[:20], made.triggered[:20]])
    memory, alerts = suspicion.step(Suspicions(), WINDOW, listed(made.images[:20]), (), alpha=0.01)
    assert alerts == []
    assert memory.inputs == 20
    memory, (alert,) = suspicion.step(memory, WINDOW, listed(images), (), alpha=0.01)
    assert alert.page
    assert alert.what.startswith(f"{memory.past[-1].total} of 30 inputs looked at, of 40, are suspected of a trigger (2026-01-05), ")
    assert f"of them answered {TARGET}: clean images explain so many with a probability of " in alert.what
    assert memory.past[-1].suspects[str(TARGET)] >= 10
    assert memory.inputs == 50
    assert suspicion.step(memory, WINDOW, listed(images).drop_columns(["p0"]), (), alpha=0.01) == (memory, [])   # that pages by itself
    assert noted(suspicion, memory)[-1].startswith(f"suspected of a trigger: {memory.past[-1].total} of 30 inputs looked at in the last ")


@pytest.mark.slow
def test_an_attack_pages_the_day_it_comes_and_is_one_incident(replayed: Run) -> None:
    (page,) = attacks(replayed)
    assert page.page
    assert page.first_seen == (START + dt.timedelta(days=3)).isoformat()
    assert page.last_seen == (START + dt.timedelta(days=5)).isoformat()
    assert page.state == "resolved"
    assert page.source == BACKDOOR
    assert page.sentence.startswith("backdoor: 1")
    assert "of 60 inputs looked at, of 80, are suspected of a trigger (2026-01-08), 1" in page.sentence
    assert f"of them answered {TARGET}: clean images explain so many with a probability of " in page.sentence
    figure = next(each for each in replayed.figures if each.name == "suspected inputs")
    shares = dict(zip(figure.table["window"], figure.table["suspected"], strict=True))
    assert min(shares[4], shares[5]) > 0.1 > max(share for day, share in shares.items() if day not in (4, 5))
    assert Run.from_json(replayed.to_json()) == replayed


@pytest.mark.slow
def test_day_by_day_it_says_the_same_and_asks_the_model_once(table: pa.Table, replayed: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, opened = written(tmp_path), []
    asked: list[int] = []
    plain = Pictures.ask
    monkeypatch.setattr(Pictures, "ask", lambda self, images: asked.append(len(images)) or plain(self, images))
    for day in range(9):
        found = monitor.run(path, of(table, day, day + 1), trust=True, send=False)
        opened += [(day, each.kind) for each in found.opened if each.kind == "attack"]
        if day == 0:
            assert sum(asked) > 20_000   # it was calibrated
            asked.clear()
    assert opened == [(3, "attack")]
    assert told(monitor.status(path, trust=True)) == told(replayed)
    assert sum(asked) < 9 * 60 * 400   # and not once more
    asked.clear()
    late = of(table, 0, 1).set_column(0, "id", pa.array([10_000 + each for each in range(80)]))
    monitor.run(path, late.slice(0, 1), trust=True, send=False)   # the first day is computed again, and all after it
    assert sum(asked) < 2 * 60 * 400
    counted = monitor.prometheus(path, trust=True)
    assert 'assay_monitor_pages_total{monitor="assay",layer="attacks"} 1' in counted
    assert "assay_monitor_inspected_inputs_total" in counted
    assert f'class="{TARGET}"' in counted


@pytest.mark.slow
def test_clean_days_are_no_attack_and_a_trickle_is_found_in_seven(tmp_path: Path) -> None:
    path = written(tmp_path, CONFIG.replace("sample: 60", "sample: 80"))
    assert attacks(monitor.replay(path, days(80, [0] * 14, seed=1), trust=True)) == []
    run = monitor.replay(path, days(80, [0] * 7 + [4] * 7, seed=1), trust=True)
    (page,) = attacks(run)
    assert page.page
    assert page.first_seen == (START + dt.timedelta(days=13)).isoformat()
    assert "in 7 windows up to 2026-01-18" in page.sentence


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    table = days(20, [0])
    with pytest.raises(ConfigError, match="there is no one model to ask"):
        monitor.replay(written(tmp_path, CONFIG.replace("model: model.joblib\n", "")), table)
    with pytest.raises(DataError, match="at least 299 images"):
        monitor.replay(written(tmp_path, clean=120), table, trust=True)
    with pytest.raises(ConfigError, match="only models of images are watched"):
        monitor.replay(written(tmp_path, CONFIG.replace("sample: 60", "size: [7, 7]")), table, trust=True)
    with pytest.raises(ConfigError, match=r"no key 'cleen' under 'backdoor'.*did you mean 'clean'"):
        read(config(tmp_path, CONFIG.replace("clean: clean", "cleen: clean")))
    with pytest.raises(ConfigError, match="names no clean images"):
        read(config(tmp_path, CONFIG.replace("clean: clean.parquet, ", "")))
    with pytest.raises(ConfigError, match=r"a number from 0\.0001 to 0\.2"):
        read(config(tmp_path, CONFIG.replace("sample: 60", "false_alarms: 1%")))
    with pytest.raises(ConfigError, match=r"expected \[height, width\]"):
        read(config(tmp_path, CONFIG.replace("sample: 60", "size: 8x8")))
    assert read(config(tmp_path, "data: x.parquet\nmonitor: {backdoor: c.parquet}")).monitor.backdoor.clean == "c.parquet"
