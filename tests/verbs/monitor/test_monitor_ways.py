"""Ways of using a monitor: per client, by count, by file, in a time zone, with people who answer, with rows that are deleted."""

from __future__ import annotations

import datetime as dt
import http.server
import json
import threading

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from assay.errors import AssayError, BusyError, ConfigError
from assay.verbs.monitor import monitor
from tests.verbs.monitor.test_monitor import CONFIG, START, config, of, stream, told

CLIENTS = """\
columns: {id: id, timestamp: at}
monitor:
  estimate: false
  by: client
  sources: {feed: [x]}
"""


def served(days=44, late=32, lost=(40, "c"), seed=0):
    """Return days of three clients that differ and a few small ones; a fourth comes later, and one loses values once."""
    rng = np.random.default_rng(seed)
    parts = []
    for day in range(days):
        for place, (name, rows) in enumerate({"a": 250, "b": 150, "c": 120, "tiny": 12, "new": 150}.items()):
            n = int(rng.poisson(rows)) if name != "new" or day >= late else 0
            gone = rng.random(n) < 0.3 if (day, name) == lost else np.zeros(n, bool)
            at = [START + dt.timedelta(days=day, minutes=int(each)) for each in rng.integers(0, 1440, n)]
            parts.append(pa.table({"at": pa.array(at, pa.timestamp("us", "UTC")), "client": pa.array([name] * n, pa.string()),
                                   "x": pa.array(rng.normal(3 * place, 1 + place / 5, n) + rng.normal(0, 0.1), mask=gone), "y": rng.gamma(2, 1 + place, n)}))
    table = pa.concat_tables(parts)
    return table.append_column("id", pa.array(np.arange(table.num_rows)))


@pytest.fixture(scope="module")
def clients():
    return served()


def test_each_client_has_baselines_of_its_own(clients, tmp_path):
    run = monitor.replay(config(tmp_path, CLIENTS), clients)
    (page,) = [each for each in run.incidents if each.page]     # and none for the new one, which would be news to all together
    assert (page.source, page.columns, page.slices) == ("feed, client c", ("x",), ({"client": "c"},))
    assert "client c" in page.sentence
    together = monitor.replay(config(tmp_path, CLIENTS.replace("  by: client\n", "")), clients)
    assert any("new" in each.sentence for each in together.incidents if each.page)


def test_clients_live_and_marked(clients, tmp_path):
    path = config(tmp_path, CLIENTS)
    for low, high in ((0, 15), (15, 41)):
        monitor.run(path, of(clients, low, high), send=False)
    (page,) = [each for each in monitor.status(path).incidents if each.page]
    monitor.mark(path, page.id, "true")
    assert "rules: 1 pages in 41 windows, 1 confirmed" in " ".join(monitor.status(path).notes)
    monitor.run(path, of(clients, 41, 44), send=False)
    again = monitor.replay(config(tmp_path, CLIENTS), clients)
    assert [each[:5] for each in told(monitor.status(path))] == [each[:5] for each in told(again)]


def test_a_client_that_always_came_and_does_not_is_told(clients, tmp_path):
    quiet = of(clients, 0, 30)
    rest = of(clients, 30, 33).filter(pc.not_equal(of(clients, 30, 33)["client"], "a"))
    run = monitor.replay(config(tmp_path, CLIENTS), pa.concat_tables([quiet, rest]))
    (page,) = [each for each in run.incidents if each.page]
    assert "client a" in page.sentence
    assert "no rows" in page.sentence
    with pytest.raises(AssayError, match="did you mean 'client'"):
        monitor.replay(config(tmp_path, CLIENTS.replace("client", "cliend")), quiet)


def test_a_break_of_all_clients_is_one_incident(clients, tmp_path):
    day = of(clients, 40, 41)
    broken = day.set_column(day.schema.get_field_index("x"), "x", pa.nulls(day.num_rows, pa.float64()))
    run = monitor.replay(config(tmp_path, CLIENTS), pa.concat_tables([of(clients, 0, 40), broken, of(clients, 41, 44)]))
    (page,) = [each for each in run.incidents if each.page]
    assert page.source is None
    assert page.state == "resolved"
    assert page.first_seen == (START + dt.timedelta(days=40)).isoformat()


def test_windows_are_files(tmp_path):
    table = stream(32, lost=30)
    text = CONFIG.replace("window: 1d", "window: file").replace("  label_delay: 1d\n", "")
    path, folder = config(tmp_path, text), tmp_path / "days"
    folder.mkdir()
    for day in range(32):
        pq.write_table(of(table, day, day + 1), folder / f"day-{day:02}.parquet")
    run = monitor.replay(path, folder)
    assert run.about["windows"] == 32
    (page,) = [each for each in run.incidents if each.page]
    assert page.columns == ("wind",)
    for each in sorted(folder.iterdir()):
        monitor.run(path, each, send=False)
    assert told(monitor.status(path)) == told(run)
    assert monitor.replay(path, str(folder / "day-*.parquet")).about["windows"] == 32
    with pytest.raises(AssayError, match="no files"):
        monitor.replay(path, str(folder / "night-*.parquet"))


@pytest.mark.parametrize("naive", [True, False])
def test_a_day_is_a_day_where_the_user_lives(tmp_path, naive):
    """Over the night on which clocks change, live and replayed, with times that know their zone and times that do not."""
    rng = np.random.default_rng(0)
    first = dt.datetime(2026, 3, 25)
    at = [first + dt.timedelta(days=d, minutes=int(m)) for d in range(8) for m in rng.integers(180, 1440, 50)]   # local times, after three
    stamps = pa.array(at, pa.timestamp("us"))
    if not naive:
        stamps = pc.assume_timezone(stamps, "Europe/Berlin")
    table = pa.table({"id": np.arange(400), "at": stamps, "x": rng.normal(size=400)})
    path = config(tmp_path, "columns: {id: id, timestamp: at}\nmonitor: {zone: Europe/Berlin}\n")
    run = monitor.replay(path, table)
    assert (run.about["windows"], run.about["from"], run.about["to"]) == (8, "2026-03-25 00:00", "2026-04-02 00:00")
    found = monitor.run(path, table, send=False).run
    assert (found.about["windows"], found.about["from"], found.about["to"]) == (8, "2026-03-25 00:00", "2026-04-02 00:00")
    assert not run.incidents


def test_times_are_those_of_the_zone(tmp_path):
    table = stream(34, lost=None)
    at, values = table["at"].to_pylist(), table["wind"].to_numpy()
    from_noon = np.array([each >= START + dt.timedelta(days=30, hours=17) and each < START + dt.timedelta(days=31, hours=5) for each in at])
    table = table.set_column(table.schema.get_field_index("wind"), "wind", pa.array(values, mask=from_noon))
    run = monitor.replay(config(tmp_path, CONFIG + "  zone: America/New_York\n"), table)
    (page,) = [each for each in run.incidents if each.page]
    assert "since 2026-02-04 12:0" in page.sentence     # noon in New York, five in the afternoon in UTC
    assert page.first_seen == "2026-02-04T00:00:00-05:00"


def test_holidays_of_one_source(tmp_path):
    table = stream(50, lost=None)
    day = (START + dt.timedelta(days=40)).date().isoformat()
    fewer = pa.concat_tables([of(table, 0, 40), of(table, 40, 41).slice(0, 150), of(table, 41, 50)])
    assert [each for each in monitor.replay(config(tmp_path), fewer).incidents if each.page]
    quiet = CONFIG + f"  holidays: ['{day}']\n"
    assert not [each for each in monitor.replay(config(tmp_path, quiet), fewer).incidents if each.page]
    other = CONFIG + f"  holidays: {{nobody: ['{day} to {day}']}}\n"
    assert [each for each in monitor.replay(config(tmp_path, other), fewer).incidents if each.page]
    yearly = CONFIG + f"  holidays: ['{day[5:]}']\n"
    assert not [each for each in monitor.replay(config(tmp_path, yearly), fewer).incidents if each.page]


def test_the_last_word_counts(tmp_path):
    path, table = config(tmp_path), stream(45)
    monitor.run(path, of(table, 0, 42), send=False)
    (page,) = [each for each in monitor.status(path).incidents if each.page]

    def account():
        return next(each for each in monitor.status(path).notes if each.startswith("rules:"))

    monitor.mark(path, page.id, "acknowledged")
    assert "1 confirmed, 0 dismissed" in account()       # someone took it on: not a false page until it is called one
    monitor.mark(path, page.id, "false")
    assert "0 confirmed, 1 dismissed" in account()
    monitor.mark(path, page.id, "reopened")
    assert "0 confirmed, 0 dismissed" in account()
    monitor.mark(path, page.id, "true")
    assert "1 confirmed, 0 dismissed" in account()
    monitor.run(path, of(table, 42, 45), send=False)
    assert "1 confirmed, 0 dismissed" in account()
    monitor.run(path, table, send=False)                 # all again: nothing changes
    assert "1 pages in 45 windows, 1 confirmed, 0 dismissed" in account()


def test_snoozed_until_then(tmp_path):
    path, table = config(tmp_path), stream(41)
    monitor.run(path, table, send=False)
    (page,) = [each for each in monitor.status(path).incidents if each.page]
    assert page.state == "open"
    monitor.mark(path, page.id, "snoozed", until="2001-01-01T00:00:00+00:00")
    assert [each.state for each in monitor.status(path).incidents if each.page] == ["open"]
    monitor.mark(path, page.id, "snoozed", until="2999-01-01T00:00:00+00:00")
    assert [each.state for each in monitor.status(path).incidents if each.page] == ["snoozed"]
    monitor.mark(path, page.id, "reopened")
    assert [each.state for each in monitor.status(path).incidents if each.page] == ["open"]


def test_what_was_dismissed_is_expected(tmp_path):
    table = stream(47, lost=32)
    rng = np.random.default_rng(0)
    gone = (np.arange(table.num_rows) // 300 == 45) & (rng.random(table.num_rows) < 0.3)
    values = table["wind"].to_numpy(zero_copy_only=False)
    table = table.set_column(table.schema.get_field_index("wind"), "wind", pa.array(values, mask=gone | np.isnan(values)))
    once = config(tmp_path)
    monitor.run(once, of(table, 0, 34), send=False)
    (page,) = [each for each in monitor.status(once).incidents if each.page]
    monitor.mark(once, page.id, "false")
    monitor.run(once, of(table, 34, 47), send=False)
    assert len([each for each in monitor.status(once).incidents if each.page]) == 1
    (tmp_path / "other").mkdir()
    twice = config(tmp_path / "other")
    monitor.run(twice, of(table, 0, 34), send=False)
    (page,) = [each for each in monitor.status(twice).incidents if each.page]
    monitor.mark(twice, page.id, "true")
    monitor.run(twice, of(table, 34, 47), send=False)
    assert len([each for each in monitor.status(twice).incidents if each.page]) == 2


def mixed(shares, seed=0):
    """Return a stream in which some of the scores of each day are dealt anew: they look as ever, and tell less."""
    table = stream(len(shares), seed, lost=None)
    rng = np.random.default_rng(seed)
    scores, day = table["score"].to_numpy().copy(), np.arange(table.num_rows) // 300
    for at, share in enumerate(shares):
        some = np.flatnonzero((day == at) & (rng.random(len(day)) < share))
        scores[some] = scores[rng.permutation(some)]
    return table.set_column(table.schema.get_field_index("score"), "score", pa.array(scores))


def test_harm_that_was_not_mended_is_one_page(tmp_path):
    """After bad days, weeks hardly below the bound: no day fails by itself, and nobody is woken again and again for the same."""
    def pages(shares):
        run = monitor.replay(config(tmp_path), mixed(shares))
        return [each for each in run.incidents if each.page and each.kind == "harm"]

    (page,) = pages([0] * 40 + [1] * 5 + [0.6] * 35)
    assert page.state == "open"
    assert dt.datetime.fromisoformat(page.first_seen) < START + dt.timedelta(days=44)
    first, second = pages([0] * 40 + [1] * 5 + [0] * 20 + [1] * 5)    # mended, and broken anew
    assert first.state == "resolved"
    assert dt.datetime.fromisoformat(first.last_seen) < START + dt.timedelta(days=56) < dt.datetime.fromisoformat(second.first_seen)


def test_thresholds_page_outside_the_budget(tmp_path):
    run = monitor.replay(config(tmp_path, CONFIG + "  thresholds: ['missing of wind <= 10%']\n"), of(stream(20, lost=8), 0, 20))
    (page,) = [each for each in run.incidents if each.page]     # while evidence still learns
    assert (page.kind, page.source) == ("threshold", "weather")


def test_labels_in_parts(tmp_path):
    table = stream(24, lost=None, harmed=18)
    path = config(tmp_path)
    monitor.run(path, table.drop_columns(["late"]), send=False)
    rng = np.random.default_rng(0)
    half = pa.array(rng.random(table.num_rows) < 0.5)
    first = monitor.labels(path, table.select(["id", "late"]).filter(half), send=False)
    monitor.labels(path, table.select(["id", "late"]).filter(pc.invert(half)), send=False)
    assert [each for each in first.run.incidents if each.kind == "harm" and each.page]    # half of them are enough
    assert told(monitor.status(path)) == told(monitor.replay(path, table))


def test_deleted_rows_are_as_if_they_had_never_come(tmp_path):
    table = stream(33, lost=30)
    path = config(tmp_path)
    monitor.run(path, table, send=False)
    gone = monitor.forget(path, entity="N7")
    rest = table.filter(pc.not_equal(table["plane"], "N7"))
    assert gone == table.num_rows - rest.num_rows
    assert told(monitor.status(path)) == told(monitor.replay(path, rest))


class Receiver(http.server.ThreadingHTTPServer):
    """Keeps what it is sent, by path."""

    def __init__(self):
        self.got = []
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.got.append((self.path, body["severity"], "Assay-Signature" in self.headers))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


def test_whom_to_tell(tmp_path, monkeypatch):
    """By source, owner and severity; signed; nobody in a dry run, and nobody twice."""
    server = Receiver()
    try:
        base = f"hook://127.0.0.1:{server.server_address[1]}"
        text = CONFIG.replace("    weather: [temp, wind]", f"    weather: {{columns: [temp, wind], owner: met team, notify: '{base}/met'}}\n    fleet: [origin]")
        text += f"""\
  notify: "{base}/call"
  secret: HOOK_SECRET
  routes:
    - {{owner: met team, severity: page, notify: "{base}/owner"}}
    - {{owner: somebody else, notify: "{base}/else"}}
    - {{source: fleet, notify: "{base}/fleet"}}
    - {{source: weather, severity: ticket, notify: "{base}/tickets"}}
"""
        path, table = config(tmp_path, text), stream(42)
        monitor.run(path, of(table, 0, 40), send=False)
        dry = monitor.run(path, of(table, 40, 41), send=False)
        assert {each.label for each in dry.deliveries} == {base.replace("/x", "")}
        assert len(dry.deliveries) == 3
        assert server.got == []
        (tmp_path / "b").mkdir()
        path = config(tmp_path / "b", text)
        monitor.run(path, of(table, 0, 40), send=False)
        monkeypatch.delenv("HOOK_SECRET", raising=False)
        with pytest.raises(ConfigError, match="HOOK_SECRET"):
            monitor.run(path, of(table, 40, 41))
        monkeypatch.setenv("HOOK_SECRET", "hidden")
        monitor.run(path)                                    # what waited
        monitor.run(path, of(table, 40, 41))
        assert sorted(server.got) == [("/call", "page", True), ("/met", "page", True), ("/owner", "page", True)]
    finally:
        server.shutdown()
        server.server_close()


def test_it_repeats_itself(tmp_path):
    """New files in each round, a bad one among them, and a day on which nothing came."""
    table, folder = stream(42), tmp_path / "incoming"
    folder.mkdir()
    path, heard = config(tmp_path), []
    pq.write_table(of(table, 0, 40), folder / "a.parquet")

    def told(found):
        heard.append(found)
        if len(heard) == 1:
            (folder / "b.parquet").write_bytes(b"no parquet")
            pq.write_table(of(table, 40, 41), folder / "c.parquet")

    opened = monitor.repeat(path, str(folder / "*.parquet"), every="1s", send=False, rounds=3, told=told)
    assert opened == 1
    assert [type(each).__name__ for each in heard[1:]] == ["UnreadableDataError", "Watched"]      # each once
    assert [each.columns for each in heard[2].opened] == [("wind",)]
    assert len(told_ := monitor.status(path).incidents) == 1, told_
    monitor.repeat(path, str(folder / "d*.parquet"), every="1s", wait="6h", send=False, rounds=1, told=told)
    assert any("no rows" in each.sentence for each in monitor.status(path).incidents)     # months have passed since
    with pytest.raises(ConfigError, match="no length of time"):
        monitor.repeat(path, folder, every="often")


@pytest.mark.parametrize("wrong", [dt.datetime(1970, 1, 1, tzinfo=dt.UTC), dt.datetime(2206, 1, 1, tzinfo=dt.UTC)])
def test_a_wrong_clock_brings_no_windows(tmp_path, wrong):
    table = stream(6, lost=None)
    right = monitor.replay(config(tmp_path, CONFIG), table)
    strayed = table.slice(table.num_rows - 1)
    strayed = strayed.set_column(strayed.schema.get_field_index("at"), "at", pa.array([wrong], table.schema.field("at").type))
    strayed = strayed.set_column(strayed.schema.get_field_index("id"), "id", pa.array([10**9]).cast(table.schema.field("id").type))
    both = pa.concat_tables([table, strayed])
    run = monitor.replay(config(tmp_path, CONFIG), both)
    live = monitor.run(config(tmp_path, CONFIG), both, send=False).run
    for each in (run, live):
        assert each.about["windows"] == right.about["windows"] == 6
        assert told(each) == told(right)
        assert any("not judged: 1 row with times" in note and str(wrong.year) in note for note in each.notes)
    again = monitor.run(config(tmp_path, CONFIG), of(stream(7, lost=None), 6, 7), send=False).run     # and the next days come as ever
    assert again.about["windows"] == 7


def test_what_became_of_a_delivery_is_said(tmp_path):
    path, table = config(tmp_path, CONFIG), stream(3, lost=None)

    def said(given, verb=monitor.run):
        return "; ".join(verb(path, given, send=False).run.notes)

    assert "before" not in said(of(table, 0, 1))
    assert "was here before, with the same content" in said(of(table, 0, 1))
    assert "holds no rows" in said(of(table, 1, 1))
    day = of(table, 1, 2)
    at = day.schema.get_field_index("at")
    assert f"{day.num_rows} rows of {day.num_rows} without a time" in said(day.set_column(at, "at", pa.nulls(day.num_rows, day.schema.field("at").type)))
    assert f"1 row of {day.num_rows + 1} with an id that came again" in said(pa.concat_tables([day, day.slice(0, 1)]))
    labels = of(table, 2, 3).select(["id", "late"])
    assert f"{labels.num_rows} labels of {labels.num_rows} with the id of no row so far" in said(labels, monitor.labels)


@pytest.mark.parametrize("wrong", ["tomorrow", "2026-03-01", "2026-03-01T00:00:00"])
def test_until_is_a_time_with_a_zone(tmp_path, wrong):
    with pytest.raises(ConfigError, match="no time with a zone"):
        monitor.run(config(tmp_path, CONFIG), until=wrong)


def test_a_file_that_came_while_the_monitor_was_busy_is_tried_again(tmp_path, monkeypatch):
    path, calls, heard = config(tmp_path, CONFIG), [], []
    pq.write_table(of(stream(1, lost=None), 0, 1), tmp_path / "day.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")
    real = monitor.run

    def busy(config, data=None, **options):
        calls.append(data)
        if len(calls) == 2:
            raise BusyError("another process advances it")
        return real(config, data, **options)

    monkeypatch.setattr(monitor, "run", busy)
    monitor.repeat(path, str(tmp_path / "*.parquet"), every="1s", rounds=3, send=False, told=heard.append)
    assert [str(each)[-11:] for each in calls if each] == ["bad.parquet", "day.parquet", "day.parquet"]
    assert monitor.status(path).notes[0].startswith("budget")
