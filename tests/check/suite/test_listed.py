from __future__ import annotations

import pytest
import yaml

from assay.check.expression import parse
from assay.check.suite.listed import checks, divided
from assay.errors import ConfigError

WRITTEN = """
- auc >= 0.70 warn 0.75
- auc by carrier >= 0.60
- "recall holds": recall(positive='yes') by origin >= champion - 0.01
- {metric: selection_rate, compare: ratio, by: origin, at_least: 80%}
- metric: psi
  columns: [dep_delay, distance]
  at_most: 0.1
  name: inputs stay
- missing of * <= 2%
"""


def test_a_configuration_is_read() -> None:
    found = checks(yaml.safe_load(WRITTEN))
    assert [str(each) for each in found] == [
        "auc >= 0.7 warn 0.75", "auc by carrier >= 0.6", '"recall holds": recall(positive=\'yes\') by origin >= champion - 0.01',
        "selection_rate ratio by origin >= 0.8", '"inputs stay": psi of dep_delay, distance <= 0.1', "missing of * <= 0.02"]
    assert checks(found) == found
    assert checks([each.to_json() for each in found]) == found
    assert checks("auc >= 0.7") == checks(parse("auc >= 0.7")) == (parse("auc >= 0.7"),)
    assert checks([]) == ()


@pytest.mark.parametrize(("items", "words"), [
    (["auc >= 1", "auc => 1"], r"assay.yaml: checks\[1\]: in 'auc => 1' at column 5"),
    (["auc >= 0.7", "mae < 3", "auc > 70%"], r"checks\[2\]: 'auc >= 0.7' is there already; hint: it is the same as .*checks\[0\]"),
    ({"auc": 0.7}, "checks are a list, not a dict"), (None, "not a NoneType"), (3, "not a int"), (["a >= 1"] * 10_001, "at most 10000"),
])
def test_a_wrong_entry_is_named(items: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        checks(items, where="assay.yaml: checks")


def test_the_default_suite_is_an_entry_among_others() -> None:
    assert divided(["default", "auc >= 0.7"]) == (True, ["auc >= 0.7"])
    assert divided("auc >= 0.7") == (False, ["auc >= 0.7"])
    assert divided("default") == (True, [])
