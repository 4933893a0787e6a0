"""The page in a real browser: no error, nothing loaded, readable by machines, and pictures to be looked at.

``ASSAY_SCREENSHOTS=FOLDER`` keeps the pictures.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from assay.errors import ConfigError
from assay.result import Run, Spread, Value, Verdict
from tests.report import pages

pytestmark = pytest.mark.slow
AXE = Path(__file__).resolve().parents[2] / "ui" / "node_modules" / "axe-core" / "axe.min.js"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="module")
def browser():
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    place = shutil.which("chromium") or shutil.which("chromium-browser")
    if place is None:
        pytest.skip("there is no chromium on this machine")
    with sync.sync_playwright() as started:
        found = started.chromium.launch(executable_path=place, args=ARGUMENTS)
        yield found
        found.close()


@pytest.fixture(scope="module")
def runs() -> dict[str, Run]:
    return {"real": pages.real(), "large": pages.large(), "hostile": pages.hostile(), "drawn": pages.drawn()}


@pytest.fixture
def opened(browser, runs, tmp_path):
    """Open the page of a run; returns the page, and what went wrong on it."""
    contexts = []

    def open_(name: str, framed: bool = False, **options):
        path = tmp_path / f"{name}.html"
        try:
            runs[name].save(path)
        except ConfigError as error:
            pytest.skip(str(error))
        if framed:
            path.write_text(f"<!doctype html><title>notebook</title><body>{runs[name]._repr_html_()}", "utf-8")
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        wrong: list[str] = []
        page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: wrong.append(request.url) if not request.url.startswith(("file:", "data:", "blob:")) else None)
        page.goto(path.as_uri())
        (page.frame_locator("iframe") if framed else page).locator("h1").wait_for()
        return page, wrong

    yield open_
    for each in contexts:
        each.close()


def picture(page, name: str, tmp_path: Path) -> None:
    folder = Path(os.environ.get("ASSAY_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    height = page.evaluate("document.documentElement.scrollHeight")
    for place in range(0, height, 600):  # pictures are drawn when they come near
        page.evaluate(f"window.scrollTo(0, {place})")
        page.wait_for_timeout(30)
    page.evaluate("window.scrollTo(0, 0)")
    page.screenshot(path=folder / f"{name}.png", full_page=True)
    assert (folder / f"{name}.png").stat().st_size > 10_000


@pytest.mark.parametrize("name", ["real", "drawn"])
@pytest.mark.parametrize(("form", "options"), [
    ("light", {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}}),
    ("dark", {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}}),
    ("phone", {"color_scheme": "light", "viewport": {"width": 360, "height": 780}}),
])
def test_a_page_is_whole_and_accessible(opened, name: str, form: str, options: dict[str, object], tmp_path: Path) -> None:
    page, wrong = opened(name, **options)
    assert page.locator("h1").inner_text().strip()
    picture(page, f"{name}-{form}", tmp_path)
    assert page.locator('[role="img"] svg').count() >= 3
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "it is wider than the screen"
    assert wrong == []
    if not AXE.is_file():
        pytest.skip("axe-core is not installed (make ui)")
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    page.wait_for_timeout(200)
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("axe.run().then(each => each.violations)")
    serious = [(each["id"], [node["html"][:120] for node in each["nodes"][:3]]) for each in found if each["impact"] in ("serious", "critical")]
    assert serious == []


def test_a_large_page_opens_without_an_error(opened, tmp_path: Path) -> None:
    page, wrong = opened("large", viewport={"width": 1280, "height": 900})
    assert wrong == []
    assert page.locator("h2").count() >= 3


def test_nothing_hostile_runs(opened) -> None:
    page, wrong = opened("hostile")
    page.wait_for_timeout(300)
    assert page.evaluate("window.hacked") is None
    assert wrong == []


def test_every_picture_has_its_table(opened) -> None:
    page, _ = opened("real")
    assert page.locator("figure").count() == page.locator("figure details").count() > 0


def test_it_can_be_used_with_the_keyboard(opened) -> None:
    page, _ = opened("real")
    page.keyboard.press("Tab")
    assert "Skip" in page.evaluate("document.activeElement.innerText")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_on_paper_everything_is_drawn_open_and_light(opened) -> None:
    page, wrong = opened("drawn", color_scheme="dark", viewport={"width": 1280, "height": 900})
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.locator("details[open]").count() == 0
    page.emulate_media(media="print")
    page.locator("html[data-theme=light]").wait_for()   # a function would be evaluated, which the page's policy forbids
    charts = page.locator('[role="img"]:not(.timeline)').count()
    assert charts == page.locator('[role="img"] svg').count() > 0
    assert page.locator("details").count() == page.locator("details[open]").count() > 0
    assert page.locator("figure tbody tr").count() > 300   # tables are not paged
    page.emulate_media(media="screen")
    page.locator("html[data-theme=dark]").wait_for()
    assert page.locator("details[open]").count() == 0
    assert wrong == []


def test_in_a_notebook_its_links_stay_in_the_frame(opened) -> None:
    page, wrong = opened("real", framed=True, viewport={"width": 1400, "height": 900})
    frame = page.frame_locator("iframe")
    frame.locator(".contents a").last.click()
    assert frame.locator("h2:focus").inner_text() == "Values"
    assert frame.locator("h1").count() == 1
    frame.get_by_role("button", name="Colours").click()
    assert wrong == []


def test_verdicts_are_searched_and_filtered(opened) -> None:
    page, _ = opened("large", viewport={"width": 1280, "height": 900})
    part = page.locator("section").filter(has=page.get_by_role("heading", name="Drift", exact=True))
    part.get_by_role("searchbox").fill("feature_0007")
    page.wait_for_function("[...document.querySelectorAll('.verdicts .line')].some(each => each.textContent.includes('feature_0007'))")
    assert all("feature_0007" in each for each in part.locator(".line").all_inner_texts())
    part.get_by_role("searchbox").fill("")
    part.get_by_role("button", name="Warning").click()
    page.wait_for_function("document.querySelector('.chip[aria-pressed=true]') !== null")
    marks = part.locator(".line .mark").all_inner_texts()
    assert marks
    assert set(marks) == {"Warning"}


def test_metrics_with_options_have_a_picture_each(opened, runs) -> None:
    runs["options"] = Run("check", tuple(Value.of("recall", Spread("binomial", 0.8, n=200), n=200, better="higher", slice={"c": name},
                                                  options={"positive": each}) for each in (0, 1) for name in "ab"))
    page, wrong = opened("options", viewport={"width": 1280, "height": 900})
    part = page.locator("section").filter(has=page.get_by_role("heading", name="Slice by slice", exact=True))
    names = part.locator("figure").evaluate_all("all => all.map(each => each.textContent.match(/recall\\(positive=\\d\\)/i)?.[0])")
    assert [each.lower() for each in names] == ["recall(positive=0)", "recall(positive=1)"]
    assert wrong == []


def test_values_are_sorted_by_their_headings(opened) -> None:
    page, _ = opened("real", viewport={"width": 1280, "height": 900})
    part = page.locator("section").filter(has=page.get_by_role("heading", name="Values", exact=True))
    place = part.locator("th").all_inner_texts().index("Rows")
    part.get_by_role("button", name="Rows", exact=True).click()
    assert part.locator("th").nth(place).get_attribute("aria-sort") == "ascending"
    rows = [int(row.locator("td").nth(place).inner_text().replace(",", "")) for row in part.locator("tbody tr").all()]
    assert rows == sorted(rows)
    assert len(set(rows)) > 1


def test_it_tells_the_main_numbers_first_and_how_many_lines_it_leaves_out(opened, runs) -> None:
    runs["short"] = Run(
        "check", (Value.of("mae", Spread("normal", 3.5, error=0.1), n=900), Value.of("mae", Spread("normal", 9.5, error=0.1), n=9, slice={"g": 1})),
        tuple(Verdict(f"psi of x{place} <= 0.25", "warn", f"x{place} moved.", aspect="drift") for place in range(7)))
    page, wrong = opened("short")
    told = page.locator("main").inner_text()
    assert page.locator("main h2").all_inner_texts()[:2] == ["In short", "What to look at first"]
    assert "3.5 [3.304, 3.696]" in told
    assert "2 more lines like these are in the parts below." in told
    assert wrong == []
