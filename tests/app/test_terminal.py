"""What a run looks like, held to files that people have looked at; and what no run may ever do to a terminal.

``python -m tests.app.runs`` writes the files in ``golden/`` anew; look at them before you keep them.
"""

from __future__ import annotations

import io
import json
import math
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.app.layout import Terminal, cells, drawn
from assay.app.terminal import lines
from assay.result import Cost, Run, Spread, Value, Verdict
from tests.app import runs

OUTCOMES = ("pass", "warn", "fail", "error", "inconclusive", "too small")


def page(run: Run, screen: Terminal) -> str:
    stream = io.StringIO()
    drawn(lines(run, screen), screen, stream)
    return stream.getvalue()


@pytest.mark.parametrize(("name", "width", "form"), runs.PAGES)
def test_a_page_is_as_it_was_looked_at(name: str, width: int, form: str, monkeypatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    run = Run.from_json((runs.GOLDEN / f"{name}.json").read_text("utf-8"))
    assert page(run, Terminal(width, form == "plain")) == (runs.GOLDEN / f"{name}-{width}-{form}.txt").read_text("utf-8")


def test_the_verdict_comes_first_and_says_what_decides() -> None:
    first = page(runs.full(), Terminal(120)).splitlines()[0]
    assert first.startswith("FAIL: 2 of 9 checks fail (auc by carrier >= 0.6; psi of * <= 0.2), ")


def test_checks_go_from_worst_to_best() -> None:
    shown = [line.split()[0] for line in page(runs.full(), Terminal(200)).splitlines() if line.split(" ")[0] in OUTCOMES]
    assert shown == sorted(shown, key=("fail", "error", "inconclusive", "warn", "too small", "pass").index)
    assert len(shown) == 9


def test_ten_cases_are_listed_and_the_rest_counted() -> None:
    verdicts = [Verdict("auc by c >= 0.6", "fail", f"number {place} fails", {"c": place}) for place in range(17)]
    text = page(Run("check", verdicts=tuple(verdicts)), Terminal(100))
    assert text.count("x number") == 10
    assert "and 7 more: --json has all" in text


def test_groups_under_five_rows_show_no_numbers() -> None:
    value = Value.of("auc", Spread("normal", 0.8765, n=4, error=0.1), n=4, slice={"ward": "small"}, better="higher")
    other = Value.of("auc", Spread("normal", 0.5432, n=900, error=0.1), n=900, slice={"ward": "large"}, better="higher")
    text = page(Run("check", (value, other)), Terminal(100))
    assert "0.5" in text
    assert "0.87" not in text
    assert "under 5" in next(line for line in text.splitlines() if "small" in line)


def test_a_run_without_checks_does_not_say_pass() -> None:
    text = page(runs.unchecked(), Terminal(100))
    assert text.startswith("NOTHING CHECKED: 3 values measured")
    assert "PASS" not in text


def test_slices_that_were_all_too_small_do_not_look_decided() -> None:
    verdicts = (Verdict("recall by c >= 0.5", "too small", "too small", {"c": 1}), Verdict("auc >= 0.5", "pass", "fine"))
    loose, strict = (page(Run("check", verdicts=verdicts, strict=strict), Terminal(100)) for strict in (False, True))
    assert loose.startswith("PASS: 1 of 2 checks is too small to tell (recall by c >= 0.5), 1 passes")
    assert strict.startswith("INCONCLUSIVE: 1 of 2 checks is inconclusive")


def test_the_plot_shows_the_interval_where_it_is() -> None:
    values = tuple(Value.of("auc", Spread("normal", number, n=900, error=0.02), n=900, slice={"c": name}, better="higher")
                   for name, number in (("a", 0.5), ("b", 0.9)))
    rows = [line.rpartition("  900  ")[2] for line in page(Run("check", values), Terminal(100)).splitlines() if "  900  " in line]
    first, second = ((row.index("o") if "o" in row else math.nan) for row in rows)
    assert first < 6 < second
    assert all(row.strip().startswith("|") and row.strip().endswith("|") for row in rows)


def test_markup_is_text() -> None:
    text = page(runs.hostile(), Terminal(120, plain=False))
    assert "[red]owned[/red]" in text
    assert "[link=file:///etc]" in text


names = st.text(max_size=30) | st.sampled_from(runs.HOSTILE) | st.integers() | st.none() | st.booleans()
numbers = st.floats(-1e6, 1e6) | st.floats(0, 1) | st.sampled_from([math.nan, math.inf, 0.0, 1e-9, 1e30])


@st.composite
def some_values(draw: st.DrawFn) -> Value:
    number, n = draw(numbers), draw(st.integers(0, 10**7))
    place = {"slice": {draw(st.sampled_from(["carrier", "where", "x\x1b["])): draw(names)} if draw(st.booleans()) else {},
             "column": draw(st.none() | st.text(max_size=20)), "against": draw(st.sampled_from([None, "reference", "champion"])),
             "better": draw(st.sampled_from([None, "higher", "lower", "nearer 1"])), "unit": draw(st.none() | st.text(max_size=8))}
    metric = draw(st.sampled_from(["auc", "mae", "psi"]))
    if draw(st.booleans()):
        return Value.undefined(metric, draw(st.text(max_size=50)), n=n, **place)
    kind = draw(st.sampled_from(["exact", "normal"]))
    return Value.of(metric, Spread(kind, number, n=n, error=draw(st.floats(0, 1e3))), n=n, **place)


@st.composite
def some_runs(draw: st.DrawFn) -> Run:
    values = draw(st.lists(some_values(), max_size=12))
    checks = st.sampled_from(["auc >= 0.5", "auc by carrier >= 0.5", '"\\u001b[31m": mae <= 3', "not a check \x1b[2J"])
    verdicts = [Verdict(draw(checks), draw(st.sampled_from(OUTCOMES)), draw(st.text(max_size=200)), dict(value.slice), value,
                        draw(st.none() | st.floats(-2, 2))) for value in values if draw(st.booleans())]
    return Run("check", tuple(values), tuple(verdicts), notes=tuple(draw(st.lists(st.text(max_size=80), max_size=2))),
               cost=Cost(1.0, 10, 10), strict=draw(st.booleans()))


@given(some_runs(), st.integers(40, 120))
def test_nothing_in_a_run_controls_the_terminal_or_leaves_the_page(run: Run, width: int) -> None:
    text = page(run, Terminal(width))
    assert [each for each in text if each != "\n" and unicodedata.category(each) in ("Cc", "Cf", "Zl", "Zp")] == []
    assert max(map(cells, text.splitlines())) <= width
    coloured = page(run, Terminal(width, plain=False))
    assert {part.partition("m")[0] for part in coloured.split("\x1b[")[1:]} <= {"0", "1", "2", "31", "32", "33", "36", "1;31", "1;35"}


@given(some_runs())
def test_every_check_and_note_is_there(run: Run) -> None:
    text = page(run, Terminal(100))
    assert sum(line.split("  ")[0] in OUTCOMES for line in text.splitlines()) == len({each.check for each in run.verdicts})
    assert sum(line.startswith("note:") for line in text.splitlines()) == len(run.notes)


def test_the_golden_runs_are_those_of_this_version() -> None:
    for name in {name for name, _, _ in runs.PAGES}:
        kept = json.loads((runs.GOLDEN / f"{name}.json").read_text("utf-8"))
        assert [each["verdict"] for each in kept["verdicts"]] == [each.verdict for each in getattr(runs, name)().verdicts]
