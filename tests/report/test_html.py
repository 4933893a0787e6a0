"""The page of a run: one file, bounded, that takes no text of the data for markup and shows no numbers of single people."""

from __future__ import annotations

import json
import re

import pytest

from assay.errors import ConfigError
from assay.report import html
from assay.result import Attribution, Figure, Run, Spread, Value, Verdict
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


def test_slices_of_few_rows_stay_out_of_the_text_for_readers_without_scripts() -> None:
    small = Value.of("auc", Spread("binomial", 0.8125, n=4), n=4, better="higher", slice={"ward": "of four"})
    judged = Verdict("auc by ward >= 0.7", "pass", "auc is 0.8125 of ward of four", {"ward": "of four"}, small)
    for run in (Run("measure", (small,)), Run("check", (small,), (judged,))):
        assert "0.8125" in repr(run)
        assert "0.8125" not in html.render(run).partition("<noscript>")[2]
        assert "0.8125" not in html.render(run, height=100).partition("noscript")[2]


@pytest.mark.parametrize("count", ["rows", "n"])
@pytest.mark.parametrize("kind", ["line", "bars", "interval"])
def test_figures_are_silent_of_few_rows_too(kind: str, count: str) -> None:
    table = {"score": (0.1, 0.9), "share": (0.8125, 0.75), "low": (0.7125, 0.6), "high": (0.9125, 0.8), count: (4, 5)}
    figure = Figure("f", kind, "Shares", table, x="score", y=("share",), low=("low",), high=("high",))
    shown = embedded(html.render(Run("check", figures=(figure,))))["figures"][0]["table"]
    assert shown["share"] == [None, 0.75]
    assert shown["low"] == [None, 0.6]
    assert shown["high"] == [None, 0.8]
    assert shown["score"] == [0.1, 0.9]


@pytest.mark.parametrize("kind", ["sensitivity", "beeswarm"])
def test_every_number_of_few_rows_stays_out_of_pictures_of_influence(kind: str) -> None:
    spread = dict.fromkeys(("influence", "value", "p5", "p25", "p75", "p95"), (0.8125, 0.5))
    figure = Figure("f", kind, "Influence", {"age": (31.0, 47.0), **spread, "rows": (4, 5)}, x="age", y=("influence",))
    shown = embedded(html.render(Run("explain", figures=(figure,), sentences=("it is so",))))
    assert shown["sentences"] == ["it is so"]
    assert all(shown["figures"][0]["table"][name] == [None, 0.5] for name in spread)


def test_a_page_holds_no_attributions() -> None:
    made = Attribution(("age",), ("ann",), ((0.8125,),), 0.5)
    page = html.render(Run("explain", attributions=(made,)))
    assert "0.8125" not in page
    assert '"ann"' not in page


def test_metrics_with_options_are_two_families() -> None:
    """Of many values the worst of each family are kept: of the two recalls as many."""
    values = [Value.of("recall", Spread("binomial", 0.5 + 0.4 * positive, n=200), n=200, better="higher", slice={"shop": f"{each}"},
                       options={"positive": positive}) for positive in (0, 1) for each in range(3_000)]
    kept = embedded(html.render(Run("check", tuple(values))))["values"]
    names = [each["name"] for each in kept]
    assert len(kept) < 6_000
    assert names.count("recall(positive=0)") == names.count("recall(positive=1)")


def test_a_secret_stays_out_wherever_the_text_is_cut() -> None:
    address = "postgresql://ann:s3cret-that-is-long@db/credit"
    for before in range(html._LONGEST - 40, html._LONGEST):
        page = html.render(Run("check", notes=("x" * before + address,)))
        assert "s3cret" not in page


def test_a_long_run_of_long_names_is_bounded_too() -> None:
    name = "é" * 3_000
    values = [Value.of("psi", Spread("normal", 0.1, error=0.01), n=100, column=f"{each}{name}") for each in range(3_000)]
    verdicts = [Verdict("psi of * <= 0.2", "fail", f"{each}{name}", hint=name, expression=name, aspect=f"{each % 90}{name}") for each in range(3_000)]
    page = html.render(Run("check", tuple(values), tuple(verdicts), notes=(name,) * 500, about={f"{each}{name}": name for each in range(500)}))
    assert len(page.encode()) <= 2_000_000
    assert embedded(page)["page"]["counts"] == {"fail": 3_000}


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
