"""Designs are read with every mistake in its place, and lots are even and known before anything is asked."""

from __future__ import annotations

import copy
import dataclasses
from collections import Counter
from typing import Any

import pytest

from assay.errors import ConfigError
from assay.probe.experiment.design import design, planned

GOOD: dict[str, Any] = {
    "system": {"url": "http://localhost:1"}, "blocks": 6, "units": 4,
    "treatments": {"men": {"profile": {"gender": "male"}, "steps": [{"post": "/set", "form": {"gender": "{gender}"}}]},
                   "women": {"profile": {"gender": "female"}, "steps": [{"post": "/set", "form": {"gender": "{gender}"}}]}},
    "measure": [{"get": "/news", "times": 2, "read": {"ads": {"html": "li.ad"}}}],
    "outcomes": {"ads": "items"}}


def where(*keys: str) -> str:
    return ".".join(("file", *keys))


def changed(path: str, value: Any) -> dict[str, Any]:
    out = copy.deepcopy(GOOD)
    *keys, last = path.split(".")
    inside: Any = out
    for key in keys:
        inside = inside[int(key)] if isinstance(inside, list) else inside[key]
    if value is KeyError:
        del inside[last]
    else:
        inside[int(last) if isinstance(inside, list) else last] = value
    return out


def test_a_design_is_read() -> None:
    found = design(GOOD, where)
    assert found.sizes == (4,) * 6
    assert found.against == "men"
    assert found.outcomes[0].statistic == "either"
    assert found.measure[0].read == {"ads": ("html", "li.ad")}


@pytest.mark.parametrize(("path", "value", "place", "what"), [
    ("treatments", {"men": {}}, "file.treatments", "there is one treatment, and nothing to compare"),
    ("treatments", {}, "file.treatments", "there are no treatments"),
    ("treatments", {"men": {}, "women": None}, "file.treatments.women", "'men' and 'women' are the same"),
    ("treatments", {True: {}, "b": {}}, "file.treatments.True", "put quotes around"),
    ("treatments.men.profil", {}, "file.treatments.men.profil", "did you mean 'profile'"),
    ("units", 1, "file.units", "a block of one unit compares nothing"),
    ("units", [4, 4], "file.units", "2 numbers for 6 blocks"),
    ("units", [4, 4, 4, 4, 4, 1], "file.units", "a block of one unit"),
    ("units", 5_000, "file.blocks", "30,000 units"),
    ("units", True, "file.units", "a whole number"),
    ("blocks", 0, "file.blocks", "from 1"),
    ("blocks", KeyError, "file", "no 'blocks'"),
    ("seed", -1, "file.seed", "from 0"),
    ("level", 1.5, "file.level", "from 0.5"),
    ("against", "boys", "file.against", "no treatment 'boys'"),
    ("correction", "none", "file.correction", "holm or fdr"),
    ("outcomes", {}, "file.outcomes", "nothing to compare"),
    ("outcomes", {"answered": "yes"}, "file.outcomes.answered", "another name"),
    ("outcomes", {"ads": "itms"}, "file.outcomes.ads", "did you mean 'items'"),
    ("outcomes", {"ads": "items", "price": "number"}, "file.measure", "no step of 'measure' reads the outcome 'price'"),
    ("outcomes", {"ads": {"kind": "items", "at_most": 2}}, "file.outcomes.ads.at_most", "not one number"),
    ("outcomes", {"ads": {"kind": "items", "statistic": "mean"}}, "file.outcomes.ads.statistic", "no statistic 'mean'"),
    ("outcomes", {"ads": {"kind": "number", "keywords": ["x"]}}, "file.outcomes.ads.keywords", "looked for in words"),
    ("measure.0.read.adds", {"html": "li"}, "file.measure.0.read.adds", "did you mean 'ads'"),
    ("measure.0.read.ads", {"htm": "li"}, "file.measure.0.read.ads", "did you mean 'html'"),
    ("measure.0.read.ads", ["html"], "file.measure.0.read.ads", "is not plain"),
    ("measure.0.get", "http://elsewhere/", "file.measure.0.get", "is no path"),
    ("measure.0.get", "//elsewhere/", "file.measure.0.get", "is no path"),
    ("measure.0.post", "/x", "file.measure.0", "two requests"),
    ("measure.0.times", 10_000, "file.measure.0.times", "from 1"),
    ("measure.0", {"read": {}}, "file.measure.0", "names no request"),
    ("measure.0", {"get": "/x", "form": {"a": 1}}, "file.measure.0", "a get sends nothing"),
    ("treatments.men.steps.0.read", {"ads": "text"}, "file.treatments.men.steps", "reads an outcome"),
    ("system", {}, "file.system", "does not say what is to be asked"),
    ("system.command", "x", "file.system", "both an address and a command"),
    ("system.timeout", 0, "file.system.timeout", "from 0.01"),
    ("system.headers", {"Cookie": "a"}, "file.system.headers.Cookie", "set by assay"),
    ("system.headers", {"X": "a\r\nb"}, "file.system.headers.X", "cannot be sent"),
    ("system.urll", "x", "file.system.urll", "did you mean 'url'"),
    ("power", {"usual": 1}, "file.power", "which difference"),
    ("power", {"usual": 1, "effect": 0}, "file.power.effect", "of 0"),
    ("power", {"usual": 1, "effect": -2}, "file.power", "below 0"),
    ("powr", {}, "file.powr", "did you mean 'power'"),
])
def test_a_mistake_is_told_with_its_place(path, value, place, what) -> None:
    with pytest.raises(ConfigError) as caught:
        design(changed(path, value), where)
    assert what in str(caught.value)
    assert caught.value.where == place


@pytest.mark.parametrize("value", [None, [], "text", 3])
def test_what_is_no_mapping_is_refused(value) -> None:
    with pytest.raises(ConfigError, match="no mapping"):
        design(value, where)


def test_a_function_takes_no_steps() -> None:
    with pytest.raises(ConfigError, match="only a server takes steps"):
        design(GOOD, where, system=False)


def test_lots_are_even_by_block_and_known_by_the_seed() -> None:
    found = design(changed("units", [4, 5, 6, 7, 8, 2]), where)
    plan = planned(found)
    assert plan == planned(found)
    assert plan != planned(dataclasses.replace(found, seed=1))
    for block in plan.blocks:
        counts = Counter(unit.treatment for unit in block)
        assert abs(counts["men"] - counts["women"]) <= 1
    assert len({unit.id for unit in plan.units}) == 32


def test_lots_are_fair() -> None:
    found = design(changed("blocks", 2_000) | {"units": 3}, where)
    plan = planned(found)
    first = Counter(block[0].treatment for block in plan.blocks)
    more = Counter(Counter(unit.treatment for unit in block).most_common(1)[0][0] for block in plan.blocks)
    assert 900 < first["men"] < 1_100
    assert 900 < more["men"] < 1_100


@pytest.mark.parametrize(("path", "value", "key"), [
    ("blocks", 7, "blocks and units"), ("seed", 3, "seed"), ("outcomes.ads", "text", "outcomes"), ("measure.0.times", 3, "measure"),
    ("level", 0.9, "level"), ("treatments.men.profile.gender", "m", "treatments"), ("system.url", "http://localhost:2", "system")])
def test_a_change_makes_another_experiment(path, value, key) -> None:
    one, other = design(GOOD, where).parts, design(changed(path, value), where).parts
    assert [each for each in one if one[each] != other[each]] == [key]


@pytest.mark.parametrize(("path", "value"), [("system.timeout", 3), ("system.parallel", 2), ("name", "x"), ("system.retries", 5)])
def test_how_patiently_it_is_asked_makes_no_other(path, value) -> None:
    assert design(GOOD, where).parts == design(changed(path, value), where).parts
