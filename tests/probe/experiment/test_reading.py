"""What is read of answers that are right, broken, hostile or huge."""

from __future__ import annotations

import pytest

from assay.errors import PredictionError
from assay.probe.experiment.design import Outcome
from assay.probe.experiment.reading import ITEMS, LETTERS, Answer, outcome, taken

PAGE = b"""<html><head><title>Shop</title><style>li {}</style></head><body><ul>
<li class="ad">One <br> two<li class='big ad'>Three <i>four</i></li></ul><script>"<li class=ad>no</li>"</script>
<p id=price>&euro; 1,200.50<p class=ad>not a li</body>"""


@pytest.mark.parametrize(("selector", "found"), [
    ("li.ad", ["One two", "Three four"]), (".ad", ["One two", "Three four", "not a li"]),
    ("p#price", ["€ 1,200.50"]), ("title", ["Shop"]), ("b", [])])
def test_elements_of_a_page(selector, found) -> None:
    assert taken(Answer(200, PAGE), "html", selector) == found


def test_a_page_as_text_has_no_scripts() -> None:
    text = taken(Answer(200, PAGE, "text/html"), "text", "")[0]
    assert "no" not in text.replace("not", "").split()
    assert text.startswith("Shop")
    assert taken(Answer(200, b"a <b>", "text/plain"), "text", "") == ["a <b>"]


def test_comments_are_no_text() -> None:
    page = b"<!DOCTYPE html><!-- <li class=ad>no</li> --><li class=ad>a<!-- b > --><!-->c</li><!-- <li class=ad>d</li>"
    assert taken(Answer(200, page), "html", "li.ad") == ["a c"]
    assert taken(Answer(200, b"<!--" * 50_000 + b"<!" * 50_000), "html", "li.ad") == []    # in no time


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"<li class=ad", b"</li></li>", b"<li>" * 5_000, b"<!-- " * 50_000, b"&#x110000;"])
def test_broken_pages_are_read_as_far_as_they_go(body) -> None:
    assert isinstance(taken(Answer(200, body), "html", "li"), list)


@pytest.mark.parametrize(("path", "found"), [
    ("ads.*.title", ["a", "b"]), ("ads.0.title", ["a"]), ("ads.7.title", []), ("none.x", []), ("n", [3]), ("*", [3]), ("ads.*.title.x", []),
    ("n.x", []), ("ads.99999999999.title", [])])
def test_paths_of_json(path, found) -> None:
    body = b'{"ads": [{"title": "a"}, {"title": "b"}], "n": 3}'
    assert [each for each in taken(Answer(200, body), "json", path) if not isinstance(each, list)] == found


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 100_000, b"\xff"])
def test_what_is_no_json_is_told(body) -> None:
    with pytest.raises(PredictionError, match="no JSON"):
        taken(Answer(200, body), "json", "a")


@pytest.mark.parametrize(("kind", "values", "seen"), [
    ("number", ["€ 1,200.50"], 1200.5), ("number", [1, 2.5], 1.75), ("number", [], None), ("number", [None], None),
    ("yes", [True, False, False, True], 0.5), ("yes", ["Yes"], 1.0), ("yes", [], None),
    ("category", ["gold"], ["gold"]), ("category", [], None), ("items", [], []), ("items", [["a", " b \n c "]], ["a", "b c"]),
    ("text", ["A job, a JOB"], ["job", "job"]), ("items", ["x" * 999], ["x" * LETTERS])])
def test_outcomes_by_kind(kind, values, seen) -> None:
    assert outcome(Outcome("x", kind, "mean"), values) == seen


@pytest.mark.parametrize(("kind", "values", "what"), [
    ("number", ["many"], "'x' is 'many'"), ("number", [float("nan")], "a number"), ("number", [float("inf")], "a number"),
    ("number", ["9" * 400], "a number"), ("number", [[[1]]], "a number"), ("yes", ["perhaps"], "yes or no"), ("yes", [2], "yes or no"),
    ("items", [{"a": 1}], "holds a dict"), ("items", ["a"] * (ITEMS + 1), "more than 10,000")])
def test_what_is_of_another_kind_is_told(kind, values, what) -> None:
    with pytest.raises(PredictionError, match=what):
        outcome(Outcome("x", kind, "mean"), values)


def test_keywords_are_counted() -> None:
    assert outcome(Outcome("x", "items", "mean", ("Executive", "ceo")), ["executive CEO", "cars", "Ceo"]) == 2.0
    assert outcome(Outcome("x", "text", "mean", ("job",)), ["Jobs and a job"]) == 2.0
