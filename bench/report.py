"""The page of a run with 1,000 features and 500 slices: its size, and how long headless Chromium takes to open it.

    python bench/report.py [--runs 5]

Opening is from the start of navigation to the verdict being there and the browser being idle; medians. At most 2 MB and 1.5 s are asked.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def main() -> None:
    from playwright.sync_api import sync_playwright

    from tests.report.pages import large
    from tests.report.test_page import ARGUMENTS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        began = time.perf_counter()
        large().save(path)
        made, opened = time.perf_counter() - began, []
        with sync_playwright() as started:
            browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
            for _ in range(runs):
                page = browser.new_page()
                began = time.perf_counter()
                page.goto(path.as_uri(), wait_until="load")
                page.wait_for_selector("h1")
                opened.append(time.perf_counter() - began)
                page.close()
            browser.close()
        print(f"1,000 features, 500 slices: {path.stat().st_size / 1e6:.2f} MB, written in {made:.1f} s, opened in "
              f"{statistics.median(opened):.2f} s (median of {runs}, {min(opened):.2f} to {max(opened):.2f})")


if __name__ == "__main__":
    main()
