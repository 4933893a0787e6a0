"""The gate part of a configuration: what is meant is read, every slip is told with its place."""

from __future__ import annotations

import datetime as dt

import pytest

from assay.check.gate.setting import Settings, settings
from assay.errors import ConfigError


def test_everything_is_read() -> None:
    found = settings({
        "success": ["auc", "recall >= champion + 0.01"], "guardrails": ["log_loss by carrier <= champion * 1.05"], "slices": "origin",
        "tolerance": {"accuracy": 0.01}, "alpha": 0.05, "power": 0.9, "costs": {1: {0: 5}, "no": {True: 2}}, "levels": ["auc >= 0.6"],
        "budgets": {"latency": "5ms", "size": "2GB", "staleness": "2w"}, "churn": 0.1, "store": "gate.db", "releases": 3, "smallest": 50,
        "overrides": [{"where": "x < 1", "answer": 1, "since": "2026-01-31", "review": "90d", "reason": "law"}]})
    assert [str(each) for each in found.success] == ["auc >= champion", "recall >= champion + 0.01"]
    assert (found.budgets.latency, found.budgets.size, found.budgets.staleness) == (5.0, 2000.0, 14.0)
    assert found.costs == {"1": {"0": 5.0}, "no": {"true": 2.0}}
    assert found.overrides[0].since == dt.date(2026, 1, 31)
    assert found.overrides[0].review == 90.0
    assert (found.slices, found.tolerance, found.releases, found.smallest) == (("origin",), {"accuracy": 0.01}, 3, 50)
    assert settings(None) == Settings() == settings({})


@pytest.mark.parametrize(("given", "words"), [
    ({"guardrail": []}, "did you mean 'guardrails'"), ({"guardrails": ["auc >= 0.7"]}, "does not compare with the champion"),
    ({"guardrails": ["auc >= champio - 0.1"]}, "champio"), ({"guardrails": 3}, "is no list"), ({"alpha": 0.9}, "between"),
    ({"alpha": True}, "between"), ({"budgets": {"latency": "5 parsecs"}}, "5ms"), ({"budgets": {"speed": 1}}, "one of 'latency'"),
    ({"levels": ["auc >= champion - 0.1"]}, "is no level"), ({"success": ["auc by carrier >= champion"]}, "all rows"),
    ({"overrides": [{"answer": 1}]}, "which rows"), ({"overrides": [{"where": "x < 1", "since": "soon"}]}, "such as 2026-01-31"),
    ({"costs": [1]}, "true class"), ([], "keys such as"), ({"tolerance": {"auc": -1}}, "from 0 on"),
    ({"guardrails": ["auc between champion - 1 and champion + 1"]}, "one bound")])
def test_a_slip_is_told_with_its_place(given, words) -> None:
    with pytest.raises(ConfigError) as error:
        settings(given)
    assert words in str(error.value)
    assert "gate" in str(error.value)
