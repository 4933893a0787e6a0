"""Markdown and model cards: short, escaped, read back by the tools that read them."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from assay.report import card, markdown
from assay.report import yaml as listed
from assay.result import Run, Spread, Value, Verdict

TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)


def value(metric: str = "auc", **rest: object) -> Value:
    return Value.of(metric, Spread("binomial", 0.9, n=200), **{"n": 200, "better": "higher", **rest})


def big(faults: int = 300) -> Run:
    verdicts = [Verdict("psi of * <= 0.1", "fail", f"x{each} has moved", hint="look", aspect="drift") for each in range(faults)]
    verdicts += [Verdict("auc by c >= 0.6", "pass", f"slice {each} passes") for each in range(faults)]
    values = [value(), *(value(slice={"c": f"s{each}"}) for each in range(faults))]
    return Run("check", tuple(values), tuple(verdicts), about={"model": "m.onnx", "task": "binary", "data": "d.parquet"})


def test_an_explanation_is_told_in_its_sentences_and_columns() -> None:
    values = [Value.of("contribution", Spread("normal", each, error=0.1), n=9, column=f"c{place}") for place, each in enumerate((0.5, -0.2, 0.0))]
    text = markdown.render(Run("explain", tuple(values), sentences=("it is *so*, because",)))
    assert r"it is \*so\*, because" in text
    assert "| contribution | c0 | 0.5 | 0.304 to 0.696 |" in text
    assert text.startswith("## assay explain\n")
    assert "| c2 |" not in text   # not "c2" alone: the random name of the run may hold it


def test_a_comment_is_short_whatever_the_run() -> None:
    text = markdown.render(big())
    assert len(text) < 10_000  # a comment on GitHub holds 65,536
    assert "300 failed" in text
    assert "and 280 more: the JSON has all" in text


def test_what_only_begins_as_an_address_is_no_link() -> None:
    assert markdown.cell("see www.evil.example or WWW.a.b") == "see www&#46;evil.example or WWW&#46;a.b"


def test_faults_come_before_what_is_fine() -> None:
    text = markdown.render(big(3))
    assert text.index("x0 has moved") < text.index("auc") < text.index("slice 0 passes")


@given(TEXTS)
def test_no_text_of_the_data_becomes_markup(text: str) -> None:
    shown = markdown.cell(text)
    assert "\n" not in shown
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]|~#!]", shown.replace("&#58;", "").replace("&#64;", ""))
    assert not {"<", ">", "@"} & set(shown)
    assert "://" not in shown


def test_slices_of_few_rows_show_no_numbers() -> None:
    run = Run("check", (value(), value(slice={"ward": "small"}, n=4), value(slice={"ward": "large"}, n=400)))
    for text in (markdown.render(run), card.render(run)):
        assert "large" in text
        assert "small" not in text


def test_the_header_of_a_card_is_a_model_index() -> None:
    head = yaml.safe_load(card.render(big(3)).split("---")[1])
    assert head["pipeline_tag"] == "tabular-classification"
    result = head["model-index"][0]["results"][0]
    assert result["dataset"]["name"] == "d.parquet"
    assert result["metrics"][0] == {"type": "roc_auc", "name": "auc", "value": 0.9}


def test_metrics_with_options_are_told_apart_and_differences_are_no_metric() -> None:
    positives = [value("recall", options={"positive": each}) for each in (0, 1)]
    judged = Verdict("recall(positive=0) >= 0.5", "pass", "fine", value=positives[0], aspect="performance")
    run = Run("check", (*positives, value("auc", against="champion")), (judged,))
    written = card.render(run)
    names = [each["name"] for each in yaml.safe_load(written.split("---")[1])["model-index"][0]["results"][0]["metrics"]]
    assert names == ["recall(positive=0)", "recall(positive=1)"]
    assert "| recall(positive=0) |" in written
    assert "auc" not in written
    assert "| recall(positive=1) |" in markdown.render(run)


@given(TEXTS)
def test_the_header_survives_any_name(text: str) -> None:
    written = card.render(Run("check", (value(),), about={"model": text, "data": text}))
    head = yaml.safe_load(written[4:written.index("\n---\n", 4)])
    assert head["model-index"][0]["name"] == (text or "model")


@given(TEXTS)
def test_checks_are_read_back_as_they_were(text: str) -> None:
    run = Run("check", verdicts=(Verdict(text, "warn", text, aspect="drift", expression=text), Verdict(text, "pass", "again")))
    assert yaml.safe_load(listed.render(run)) == {"checks": [text]}


@pytest.mark.parametrize(("name", "format", "words"), [("r.md", None, "## "), ("README.md", "card", "model-index:"), ("c.yaml", None, "checks:")])
def test_a_run_is_saved_in_each_format(tmp_path, name: str, format: str | None, words: str) -> None:
    assert words in big(2).save(tmp_path / name, format).read_text("utf-8")


def test_the_same_run_says_the_same_everywhere() -> None:
    run = big(2)
    again = Run.from_json(json.loads(json.dumps(run.to_json())))
    assert markdown.render(again) == markdown.render(run)
    assert run.to_yaml() == again.to_yaml()


def test_the_weakest_slices_are_of_one_number() -> None:
    values = [Value("accuracy", -0.18, -0.2, -0.16, 500, {"country": "FR"}, better="higher", against="champion"),
              Value("accuracy", 0.7, 0.68, 0.72, 500, {"country": "FR"}, better="higher"),
              Value("accuracy", 0.02, 0.0, 0.04, 500, {"country": "DE"}, better="higher", against="champion")]
    body = markdown.render(Run("gate", tuple(values))).partition("Weakest slices")[2].partition("</details>")[0]
    assert "accuracy less the champion's" in body
    assert ("-0.18" in body, "0.02" in body, "0.7" in body) == (True, True, False)
