"""The page of formats and laws has a row for every format, a column for every law, and no empty cell without its reason."""

from __future__ import annotations

import re

from assay.model.format import FORMATS
from tests.formats.matrix import PAGE
from tests.laws import matrix


def rows() -> list[list[str]]:
    lines = [line for line in matrix.PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_page_has_every_format_and_every_law() -> None:
    head, *formats = rows()
    assert head[1:] == list(matrix.LAWS.values())
    heavy = re.findall(r"^\| (\w+) \| \d", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    assert sorted([row[0] for row in formats] + heavy) == sorted(name for name in FORMATS if FORMATS.builtin(name))
    defined = set(re.findall(r"^def (test_\w+)\(case, model", matrix.TESTS.read_text("utf-8"), flags=re.MULTILINE))
    assert {*defined} - {*matrix.LAWS} == {"test_the_layout_round_trips", "test_a_missing_column_is_named_with_the_nearest",
                                           "test_one_category_alone_keeps_its_code"}


def test_a_dash_has_its_reason() -> None:
    text = matrix.PAGE.read_text("utf-8")
    head, *formats = rows()
    for row in formats:
        for heading, cell in zip(head[1:], row[1:], strict=True):
            if cell == "-":
                told = [line for line in text.splitlines() if line.startswith(f"- *{heading}: ")]
                assert any(re.search(rf"\b{row[0]}\b", line.rpartition("*:")[2]) for line in told), (row[0], heading)
            else:
                assert int(cell) > 0
    assert "not tried" not in text
