"""From alerts to incidents: one cause is one incident, opened once, updated, resolved."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from assay.monitor.incident import QUIET, Alert, Case, Window, advanced, headline


def window(number: int) -> Window:
    return Window(f"2026-03-{number:02}T00:00:00+00:00", f"2026-03-{number + 1:02}T00:00:00+00:00", number)


def told(days):
    """Return the cases after days of alerts."""
    cases = []
    for number, alerts in enumerate(days, 1):
        cases = advanced(cases, alerts, window(number), model="m")
    return cases


GONE = Alert("fault", "weather", "are missing", ("temp", "humid"), True, "in all rows of origin LGA", 0.33, hint="ask the feed's owner")
MOVED = Alert("drift", "weather", "moved", ("precip",), evidence=40.0)


def test_many_alerts_of_a_source_are_one_incident():
    (case,) = told([[GONE, MOVED, Alert("fault", "weather", "is constant", ("visib",), True)]])
    assert case.incident.page
    assert case.incident.columns == ("temp", "humid", "precip", "visib")
    assert case.incident.sentence == "weather: temp, humid are missing in all rows of origin LGA; weather: visib is constant; and 1 more"
    assert (case.incident.share, case.incident.hint, case.incident.kind, case.incident.source) == (0.33, "ask the feed's owner", "fault", "weather")


def test_it_is_opened_once_updated_and_resolved():
    cases = told([[GONE], [GONE, MOVED], [], [], [GONE]])
    assert [each.incident.state for each in cases] == ["resolved", "open"]
    first, second = (each.incident for each in cases)
    assert (first.first_seen, first.last_seen) == (window(1).start, window(2).end)
    assert second.first_seen == window(5).start
    assert first.id != second.id
    assert len(told([[GONE]] * 9)) == 1


def test_how_long_it_must_be_quiet():
    for kind, quiet in QUIET.items():
        alert = Alert(kind, "s", "moved", ("x",))
        assert told([[alert], *[[]] * (quiet - 1)])[0].open
        assert not told([[alert], *[[]] * quiet])[0].open


def test_two_sources_are_two_incidents_unless_they_say_that_they_are_one():
    schedule = Alert("fault", "schedule", "has no rows", page=True)
    assert len(told([[GONE, schedule]])) == 2
    both = [Alert("fault", source, "has no rows", page=True, group="no rows") for source in ("weather", "schedule")]
    (case,) = told([both, both])
    assert case.incident.source is None
    assert (case.opened, case.spoke) == (1, {"fault": 2})


def test_harm_is_the_effect_of_broken_data_and_an_incident_without():
    harm = Alert("harm", "performance", "recall is 0.31 [0.28, 0.35], at least 0.40 asked", page=True, evidence=900.0)
    (case,) = told([[GONE, harm]])
    assert case.incident.effect == "recall is 0.31 [0.28, 0.35], at least 0.40 asked"
    assert case.incident.cause == "weather: temp, humid are missing in all rows of origin LGA"
    assert case.incident.source == "weather"
    (alone,) = told([[harm]])
    assert (alone.incident.kind, alone.incident.source, alone.incident.cause) == ("harm", "performance", None)


def test_a_mild_incident_hides_no_new_break():
    other = Alert("fault", "weather", "is constant", ("visib",), True)
    assert len(told([[MOVED], [other]])) == 2
    assert len(told([[MOVED], [Alert("fault", "weather", "is constant", ("precip",), True)]])) == 1  # the same column, worse
    (case,) = told([[MOVED], [Alert("fault", "weather", "is constant", ("precip",), True)]])
    assert case.incident.page
    assert case.incident.kind == "fault"
    assert "constant" in case.incident.sentence


def test_a_headline_names_few_columns():
    assert headline([Alert("drift", "s", "moved", tuple("abcd"))]) == "s: a, b, c and 1 more column moved"
    assert headline([Alert("drift", "s", "moved", tuple("abcde"))]) == "s: a, b, c and 2 more columns moved"


alerts = st.builds(Alert, st.sampled_from(["fault", "drift", "harm", "threshold"]), st.sampled_from(["s", "t", "u"]), st.sampled_from(["moved", "is gone"]),
                   st.lists(st.sampled_from("abcd"), max_size=3, unique=True).map(tuple), st.booleans(), evidence=st.none() | st.floats(0, 1e6),
                   share=st.none() | st.floats(0, 1), group=st.none() | st.just("g"))


@given(st.lists(st.lists(alerts, max_size=6), max_size=8))
def test_laws(days):
    cases = told(days)
    again = []
    for number, some in enumerate(days, 1):  # the state survives being written down between any two windows
        again = [Case.from_json(json.loads(json.dumps(each.to_json()))) for each in advanced(again, some, window(number), model="m")]
    assert [each.to_json() for each in again] == [each.to_json() for each in cases]
    said = {name for some in days for each in some for name in each.columns}
    assert {name for each in cases for name in each.incident.columns} == said  # nothing is lost
    assert any(each.incident.page for each in cases) == any(each.page for some in days for each in some)
    assert sum(each.open for each in cases) <= 8  # a ticket and a page of each of three sources, and of what spans them
    assert len({each.incident.id for each in cases}) == len(cases)
