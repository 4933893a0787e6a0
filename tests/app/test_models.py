"""The list of formats says of each what it needs, and what it says is so."""

from __future__ import annotations

import json
import re

from click.testing import CliRunner

from assay.app.argument import _optioned
from assay.app.models import known, models
from assay.app.state import State
from assay.errors import MissingExtraError
from assay.model.format import FORMATS
from assay.model.tested import TESTED


def test_every_format_says_what_it_is_and_what_it_needs(root) -> None:
    extras = (root / "pyproject.toml").read_text("utf-8")
    for each in known():
        if FORMATS.builtin(each["name"]):
            assert each["what"], each
            assert each["runs_code"], each
            assert each["extra"] is None or f"\n{each['extra']} = [" in extras
            assert each["extra"] is None or each["install"] == MissingExtraError.of("x", "", each["extra"]).hint


def test_what_it_was_tested_with_is_said_of_every_format() -> None:
    assert set(TESTED) == {name for name in FORMATS if FORMATS.builtin(name)} - {"router", "thresholds"}   # no library of their own
    assert all(re.search(r" \d+\.\d+", text) for text in TESTED.values())


def test_the_list_as_text_and_as_json() -> None:
    said = CliRunner().invoke(models, ["--json"], obj=State(version="0"))
    assert [each["name"] for each in json.loads(said.output)["formats"]] == list(FORMATS)
    text = CliRunner().invoke(models, ["--plain"], obj=State(version="0")).output
    assert "ready" in text
    assert all(re.search(rf"^{name} ", text, flags=re.MULTILINE) for name in FORMATS)


def test_options_of_a_model_stand_beside_it() -> None:
    assert _optioned("m.onnx", ["threads=2", "isolation=process", "requirements=true"]) == {
        "uri": "m.onnx", "threads": 2, "isolation": "process", "requirements": True}
