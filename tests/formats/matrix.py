"""The tests of heavy frameworks, and the page that they write: ``python -m tests.formats.matrix``, which ``make test-formats`` calls.

All tests of this folder run once, and those of Keras once more for each of its other backends, each time in a process of its own, as Keras
takes its backend when it is imported. What they record becomes the table; beside it stands what ``bench/framework.py`` measures: how large
each library is and how long it takes to import. A test that fails, or that a missing library keeps from running, leaves the page as it is.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.laws import matrix

FOLDER = Path(__file__).parent
PAGE = matrix.PAGE.with_name("frameworks.md")
HEAD = """# Heavy frameworks and laws

Written by the tests: `make test-formats` installs the libraries, runs everything and writes this page. The laws are those of
[Formats and laws](formats.md), on models that the real libraries made; numbers agree to 2e-5, as networks compute in 32 bits.
Keras runs on TensorFlow, and once more on each of its other backends. A network answers NaN where a number is missing, and transformers takes no missing text: assay refuses such answers, by row.

"""
BACKENDS = {"": "", "torch": "keras", "jax": "keras"}    # the tests to choose; the first is TensorFlow, and everything else
ABSENT = re.compile(r"make test-formats|could not import|is not installed")     # a skip that says this has tested nothing
MAKERS = {"h2o": "mojo", "sklearn2pmml": "pmml"}    # libraries in environments of their own
TESTED = ("jax", "keras", "tensorflow", "torch", "transformers", "MLflow")
TAIL = """
## What is missing

- PMML: trees, regressions, scorecards and ensembles of them. Networks, vector machines, nearest neighbours, Bayes, rule sets, clusters, time series and
  general regressions (R's `glm`) are refused, and so are ordinal targets and the strategies `weightedConfidence` and `aggregateNodes`. Tested with files that
  sklearn2pmml made of scikit-learn, LightGBM and XGBoost models, and with small ones written by hand. R's own exporter could not be installed where the tests
  run; one linear regression that it made (Rattle/PMML 1.2.29) was read once by hand, and answered as least squares fitted anew on the same data do, to 2e-15. Its
  trees and forests, and whatever SAS or SPSS make, could not be tried.
- Trees for exact attribution: from PMML single trees, forests, votes and boosting by a chain; not where a test needs two columns, a missing value jumps over
  tests, or an ensemble is a maximum, a median or a choice. From MOJOs gradient boosting, and forests of two classes or of numbers; H2O divides the shares of more
  classes by their total, so these are no sums. XGBoost's MOJOs are not read.
- MOJO: gradient boosting, random forests, generalized linear models, of h2o 3.46.0.7. Other algorithms, offsets and calibrated models are refused. Later releases
  of H2O do not export MOJOs without a licence.
- DataRobot: there was no model to try, so none is read.
- PyTorch, Keras, TensorFlow and JAX run on the CPU. A network takes one array, or (Keras, SavedModel) one number or text for each column.
- transformers: text classifiers only. Gradients: PyTorch, Keras and JAX; not SavedModels, nor texts.
"""


class Tally(matrix.Recorder):
    """Counts how all tests ended, the laws apart by format; a test that a missing library kept from running has failed."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        super().pytest_runtest_logreport(report)
        if report.when == "call" or report.skipped:
            self.ended[report.outcome] += 1
        self._looked(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._looked(report)

    def _looked(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and ABSENT.search(str(report.longrepr)):
            self.failed.append(f"{report.nodeid}: {report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr}")

    def include(self, said: dict[str, list[list[str]]], backend: str) -> None:
        """Take in what another process has written down."""
        for name, law, value in said["held"]:
            self.held[(f"{name} on {backend}" if backend else name, law)] = int(value)
        for name, law, value in said["skipped"]:
            self.skipped[(f"{name} on {backend}" if backend else name, law)] = value
        self.failed += [f"{each} (on {backend})" if backend else str(each) for each in said["failed"]]
        self.ended.update({str(name): int(count) for name, count in said["ended"]})


def record(out: Path, chosen: str) -> int:
    """Run the tests here, and write down how they ended."""
    tally = Tally()
    options = ["-q", "-m", "formats", "-p", "no:cacheprovider", "--durations=10", *(["-k", chosen] if chosen else [])]
    code = pytest.main([str(FOLDER), *options], plugins=[tally])
    failed = tally.failed or ([f"pytest ended with {code}"] if code else [])
    out.write_text(json.dumps({"held": [[*key, value] for key, value in tally.held.items()],
                               "skipped": [[*key, value] for key, value in tally.skipped.items()],
                               "failed": failed, "ended": list(tally.ended.items())}), "utf-8")
    return 0


def recorded() -> Tally:
    """Return how all tests ended, with each backend of Keras in a process of its own."""
    whole = Tally()
    for backend, chosen in BACKENDS.items():
        sys.stdout.write(f"== {f'Keras on {backend}' if backend else 'all'}\n")
        sys.stdout.flush()
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder, "record.json")
            environment = os.environ | ({"KERAS_BACKEND": backend} if backend else {})
            subprocess.run([sys.executable, "-m", "tests.formats.matrix", str(out), chosen], check=True, env=environment)
            whole.include(json.loads(out.read_text("utf-8")), backend)
    return whole


def sizes() -> str:
    measured = subprocess.run([sys.executable, "bench/framework.py"], check=True, capture_output=True, text=True, cwd=PAGE.parents[2]).stdout
    return ("\n## Size and time to import\n\nAs `python bench/framework.py` measures it, in the same environment and at the end of the same command: megabytes of\n"
            "the libraries themselves, and with everything that they bring beyond assay's own; seconds of the processor beyond those of Python alone.\n\n" + measured)


def renewed(text: str) -> str:
    """Return the source of ``assay.model.tested`` with the versions that these tests ran with."""
    text = matrix.renewed(text, TESTED)
    for library, maker in MAKERS.items():
        asked = f"from importlib import metadata; print(metadata.version('{library}'))"
        version = subprocess.run([PAGE.parents[2] / ".formats" / maker / "bin" / "python", "-c", asked], check=True, capture_output=True, text=True).stdout
        text = re.sub(rf"\b{library} \d[\w.]*\d", f"{library} {version.strip()}", text)
    return text


def main() -> int:
    if len(sys.argv) > 1:
        return record(Path(sys.argv[1]), sys.argv[2])
    began = time.monotonic()
    whole = recorded()
    table = matrix.table(whole)
    failed = whole.failed + [line for line in table.splitlines() if "not tried" in line]
    if failed:
        sys.stderr.write("the page is left as it is:\n" + "".join(f"  {each}\n" for each in failed[:20]) + f"{len(failed)} in all\n")
        return 1
    took = (f"\n{whole.ended['passed']} tests held and {whole.ended['skipped']} had nothing to test (the dashes, and models that are objects of one process), in "
            f"{(time.monotonic() - began) / 60:.0f} minutes on {os.cpu_count()} cores (load {os.getloadavg()[2]:.0f}).\n")
    PAGE.write_text(HEAD + table + took + sizes() + TAIL, "utf-8")
    matrix.TESTED.write_text(renewed(matrix.TESTED.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
