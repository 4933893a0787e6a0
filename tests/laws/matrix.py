"""The page of formats and laws, made by running the laws: ``python -m tests.laws.matrix`` writes docs/methods/formats.md.

A cell is the number of models on which the law was tried and held; a dash has its reason below the table. A law that fails stops it.
"""

from __future__ import annotations

import contextlib
import re
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest

__all__ = ["LAWS", "PAGE", "TESTED", "Recorder", "renewed", "table", "written"]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "methods" / "formats.md"
TESTS = Path(__file__).with_name("test_model.py")
TESTED = PAGE.parents[2] / "src" / "assay" / "model" / "tested.py"
#: the tests of laws, and what their column is called
LAWS = {
    "test_it_answers_as_the_library_does": "native answer", "test_classes_are_never_swapped": "classes",
    "test_a_class_that_the_data_lack_keeps_its_place": "absent class", "test_order_of_rows_does_not_matter": "row order",
    "test_neither_order_nor_company_of_columns_matters": "column order", "test_size_of_batches_does_not_matter": "batch size, 1 row",
    "test_no_rows_give_an_answer_of_no_rows": "0 rows", "test_many_rows": "100,001 rows", "test_nulls_are_what_the_library_takes_for_missing": "nulls",
    "test_categories_follow_training_and_others_are_missing": "unseen category", "test_text_may_come_in_any_arrow_type": "text types",
    "test_two_threads_at_once_get_the_same": "two threads", "test_the_digest_says_which_model_it_is": "digest",
}
LIGHT = ("pandas", "catboost", "httpx", "lightgbm", "onnxruntime", "joblib", "scikit-learn", "skops", "xgboost")
HEAD = """# Formats and laws

Made by the tests (`python -m tests.laws.matrix`). Small real models of every format are held to the same laws. A number is on how many models a law was tried and
held; a dash is explained below. Which libraries and versions they ran with, `assay models` says.

"""


class Recorder:
    """Collects how each test ended, by format and law."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], int] = {}
        self.skipped: dict[tuple[str, str], str] = {}
        self.failed: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        found = re.match(r".*::(\w+)\[([a-z0-9]+)_\w+?(?:-\d+)?\]$", report.nodeid)
        if report.failed:
            self.failed.append(report.nodeid)
        if found is None or found[1] not in LAWS:
            return
        place = (found[2], found[1])
        if report.when == "call" and report.passed:
            self.held[place] = self.held.get(place, 0) + 1
        elif report.skipped:
            self.skipped[place] = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr).removeprefix("Skipped: ")


def table(record: Recorder) -> str:
    """Return the table of what was recorded, and below it what each dash means."""
    formats = sorted({name for name, _ in (*record.held, *record.skipped)})
    lines = ["| format | " + " | ".join(LAWS.values()) + " |", "|---|" + "---|" * len(LAWS)]
    reasons: dict[str, list[str]] = {}
    for name in formats:
        cells = []
        for law, heading in LAWS.items():
            count = record.held.get((name, law), 0)
            if law == "test_size_of_batches_does_not_matter":
                count //= 3   # three sizes
            cells.append(str(count) if count else "-")
            if not count:
                reasons.setdefault(f"{heading}: {record.skipped.get((name, law), 'not tried')}", []).append(name)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", "What a dash means:", ""] + [f"- *{reason}*: {', '.join(each)}." for reason, each in sorted(reasons.items())]
    return "\n".join([*lines, ""])


def written(record: Recorder, seconds: float) -> str:
    return f"{HEAD}{table(record)}\nAll laws together take {seconds / 60:.0f} minutes on two shared cores.\n"


def main() -> int:
    record, began = Recorder(), time.monotonic()
    code = pytest.main([str(TESTS), "-q", "-m", "slow or not slow", "-p", "no:cacheprovider"], plugins=[record])
    if record.failed or code:
        sys.stderr.write("a law is broken; the page is left as it is\n")
        return 1
    PAGE.write_text(written(record, time.monotonic() - began), "utf-8")
    TESTED.write_text(renewed(TESTED.read_text("utf-8")), "utf-8")
    return 0


def renewed(text: str, libraries: tuple[str, ...] = LIGHT) -> str:
    """Return the source of ``assay.model.tested`` with the versions that are installed here; what is not keeps its own."""
    for library in libraries:
        for name in (library, f"{library}-cpu", f"{library}-skinny"):
            with contextlib.suppress(metadata.PackageNotFoundError):
                version = metadata.version(name).partition("+")[0]
                text = re.sub(rf"\b{library}(-cpu)? \d[\w.]*\d", rf"{library}\1 {version}", text)
    return text


if __name__ == "__main__":
    sys.exit(main())
