"""The page of frameworks and laws: ``python -m tests.formats.matrix``, where ``make test-formats`` installed them, writes it.

The laws run once for each backend of Keras, each in a process of its own, as Keras takes its backend when it is imported. Beside them
stands what ``bench/framework.py`` measures: how large each library is and how long it takes to import.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.laws import matrix

PAGE = matrix.PAGE.with_name("frameworks.md")
HEAD = """# Heavy frameworks and laws

Made by the tests (`python -m tests.formats.matrix`, in the environment of `make test-formats`). The laws are those of
[Formats and laws](formats.md), on models that the real libraries made; numbers agree to 2e-5, as networks compute in 32 bits.
Keras runs on TensorFlow, and once more on each of its other backends. A network answers NaN where a number is missing, and transformers takes no missing text: assay refuses such answers, by row.

"""
BACKENDS = {"": "", "torch": "keras", "jax": "keras"}    # the tests to choose; the first is TensorFlow, and everything else
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


def recorded(backend: str, chosen: str) -> matrix.Recorder:
    """Return how the laws ended with a backend of Keras, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "record.json")
        environment = os.environ | ({"KERAS_BACKEND": backend} if backend else {})
        subprocess.run([sys.executable, "-m", "tests.formats.matrix", str(out), chosen], check=True, env=environment)
        said = json.loads(out.read_text("utf-8"))
    record = matrix.Recorder()
    for name, law, value in said["held"]:
        record.held[(f"{name} on {backend}" if backend else name, law)] = value
    for name, law, value in said["skipped"]:
        record.skipped[(f"{name} on {backend}" if backend else name, law)] = value
    record.failed = said["failed"]
    return record


def record(out: Path, chosen: str) -> int:
    """Run the laws here, and write down how they ended."""
    held = matrix.Recorder()
    options = ["-q", "-m", "formats", "-p", "no:cacheprovider", *(["-k", chosen] if chosen else [])]
    code = pytest.main([str(Path(__file__).with_name("test_laws.py")), *options], plugins=[held])
    failed = held.failed or ([f"pytest ended with {code}"] if code else [])
    out.write_text(json.dumps({"held": [[*key, value] for key, value in held.held.items()],
                               "skipped": [[*key, value] for key, value in held.skipped.items()], "failed": failed}), "utf-8")
    return 0


def sizes() -> str:
    measured = subprocess.run([sys.executable, "bench/framework.py"], check=True, capture_output=True, text=True).stdout
    return ("\n## Size and time to import\n\nAs `python bench/framework.py` measures it: megabytes of the libraries themselves, and with everything that\n"
            "they bring beyond assay's own; seconds of the processor beyond those of Python alone.\n\n" + measured)


def main() -> int:
    if len(sys.argv) > 1:
        return record(Path(sys.argv[1]), sys.argv[2])
    whole, began = matrix.Recorder(), time.monotonic()
    for backend, chosen in BACKENDS.items():
        part = recorded(backend, chosen)
        whole.held |= part.held
        whole.skipped |= part.skipped
        whole.failed += part.failed
    if whole.failed:
        sys.stderr.write(f"a law is broken; the page is left as it is: {whole.failed[0]}\n")
        return 1
    text = HEAD + matrix.written(whole, time.monotonic() - began).removeprefix(matrix.HEAD)
    PAGE.write_text(text + sizes() + TAIL, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
