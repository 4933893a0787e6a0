"""The page of frameworks and laws: ``python -m tests.formats.matrix``, where ``make test-formats`` installed them, writes it.

Beside the laws it says how large each library is and how long it takes to import.
"""

from __future__ import annotations

import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest

from tests.laws import matrix

PAGE = matrix.PAGE.with_name("frameworks.md")
HEAD = """# Heavy frameworks and laws

Made by the tests (`python -m tests.formats.matrix`, in the environment of `make test-formats`). The laws are those of
[Formats and laws](formats.md), on models that the real libraries made; numbers agree to 2e-5, as networks compute in 32 bits.
A network answers NaN where a number is missing, and transformers takes no missing text: assay refuses such answers, by row.

"""
LIBRARIES = {"jax": ("jax", "jaxlib"), "keras": ("keras",), "tensorflow": ("tensorflow-cpu",), "torch": ("torch",), "transformers": ("transformers", "tokenizers")}
TAIL = """
## What is missing

- PMML: trees, regressions, scorecards and ensembles of them. Networks, vector machines, nearest neighbours, Bayes, rule sets, clusters, time series and
  general regressions (R's `glm`) are refused, and so are ordinal targets and the strategies `weightedConfidence` and `aggregateNodes`. Tested with files that
  sklearn2pmml made of scikit-learn, LightGBM and XGBoost models, and with small ones written by hand. Files made by R, SAS or SPSS were not at hand.
- MOJO: gradient boosting, random forests, generalized linear models, of h2o 3.46.0.7. Other algorithms, offsets and calibrated models are refused. Later releases
  of H2O do not export MOJOs without a licence.
- DataRobot: there was no model to try, so none is read.
- PyTorch, Keras, TensorFlow and JAX run on the CPU. A network takes one array, or (Keras, SavedModel) one number or text for each column.
- transformers: text classifiers only. Gradients: PyTorch, Keras and JAX; not SavedModels, nor texts.
"""


def sizes() -> str:
    lines = ["", "## Size and time to import", "", "| extra | libraries | MB, without what they need | seconds to import |", "|---|---|---|---|"]
    for extra, names in LIBRARIES.items():
        try:
            files = [each for name in names for each in metadata.files(name) or []]
            said = ", ".join(f"{name} {metadata.version(name)}" for name in names)
        except metadata.PackageNotFoundError:
            continue
        size = sum(Path(str(each.locate())).stat().st_size for each in files if Path(str(each.locate())).is_file()) / 1e6
        began = time.monotonic()
        subprocess.run([sys.executable, "-W", "ignore", "-c", f"import {extra}"], check=True, capture_output=True)
        lines.append(f"| `{extra}` | {said} | {size:.0f} | {time.monotonic() - began:.1f} |")
    lines += ["| (none) | PMML and MOJO are read by assay itself, without Java | 0 | 0 |", ""]
    return "\n".join(lines)


def main() -> int:
    record, began = matrix.Recorder(), time.monotonic()
    code = pytest.main([str(Path(__file__).with_name("test_laws.py")), "-q", "-m", "formats", "-p", "no:cacheprovider"], plugins=[record])
    if record.failed or code:
        sys.stderr.write("a law is broken; the page is left as it is\n")
        return 1
    text = HEAD + matrix.written(record, time.monotonic() - began).removeprefix(matrix.HEAD)
    PAGE.write_text(text + sizes() + TAIL, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
