"""The page of a run: one file, bounded, that takes no text of the data for markup and shows no numbers of single people."""

from __future__ import annotations

import json
import re

import pytest

from assay.errors import ConfigError
from assay.report import html
from assay.result import Run
from tests.report import pages


@pytest.fixture(autouse=True)
def built() -> None:
    try:
        html.render(Run("check"))
    except ConfigError:
        pytest.skip("the page of reports has not been built (make ui)")


def embedded(page: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="run">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found.group(1))


def test_a_page_of_a_thousand_features_and_500_slices_is_less_than_two_megabytes() -> None:
    run = pages.large()
    page = html.render(run)
    assert len(page.encode()) <= 2_000_000
    kept = [each["verdict"] for each in embedded(page)["verdicts"] if each.get("aspect") == "drift"]
    assert kept.count("warn") == sum(each.verdict == "warn" for each in run.verdicts) > 50  # what is left out passes
    assert kept.count("pass") < sum(each.verdict == "pass" and each.aspect == "drift" for each in run.verdicts)
    assert "left out" in page


def test_no_text_of_the_data_is_markup() -> None:
    page = html.render(pages.hostile())
    assert "<script>window.hacked" not in page
    assert "<img src=x" not in page
    assert "\u2028" not in embedded_text(page)
    assert "\u202e" not in page


def embedded_text(page: str) -> str:
    return page.partition('id="run">')[2].partition("</script>")[0]


def test_slices_of_few_rows_stay_out() -> None:
    values = embedded(html.render(pages.hostile()))["values"]
    assert all(each["value"] is None for each in values if "of three people" in str(each["slice"]))


def test_a_policy_lets_nothing_be_loaded() -> None:
    page = html.render(Run("check"))
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    assert "default-src 'none'" in policy.group(1)
    assert not re.search(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(?!data:|#)', page)


def test_a_notebook_gets_the_page_in_a_frame_that_sees_nothing_of_it() -> None:
    shown = pages.real()._repr_html_()
    assert shown.startswith("<iframe srcdoc=")
    assert 'sandbox="allow-scripts"' in shown


def test_without_the_page_an_error_says_what_to_do(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(html.resources, "files", lambda name: tmp_path)
    with pytest.raises(ConfigError, match="has not been built"):
        Run("check").save(tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []
    assert Run("check")._repr_html_().startswith("<pre>")
