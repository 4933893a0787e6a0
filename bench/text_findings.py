"""Fifty findings drawn at random, to be read one by one: is at least one classifier wrong, as the grammar says?

    python bench/text_findings.py [--cells "sentiment vader-textblob,reviews nb-svm"] [--count 50] [--seed 0] [--budget 2000]

The cells are those of ``bench/text.py``, which says what they need. A finding is a shrunk one whose label the grammar defines; printed are its
cell, sentence, label and answers. What a reader said of them is in docs/methods/text-findings.md.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from random import Random

from assay.probe.text.label import UNDEFINED
from assay.verbs.probe.text import probe_text
from bench.text import CELLS, remembered

__all__ = ["main"]


def main() -> int:
    """Print the findings, a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", default="sentiment vader-textblob,reviews nb-svm")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--budget", type=int, default=2_000)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    found: list[str] = []
    for cell in given.cells.split(","):
        grammar, one, other, among = CELLS[cell]
        models = [remembered(each) for each in (one, other)]
        run = probe_text(models, grammar=grammar, budget=given.budget, between=sorted(among or ()), seed=given.seed)
        print(f"{cell}: {run.sentences[0]}", file=sys.stderr)
        for each in run.findings:
            said = each.input.get("label")
            if said not in (None, UNDEFINED):
                found.append(f"{cell} | {each.input['text']} | {said} | {one} {each.output[0]}, {other} {each.output[1]}")
    some = Random(given.seed).sample(found, min(given.count, len(found)))
    print("\n".join(f"{place + 1} | {each}" for place, each in enumerate(some)))
    print(f"{len(found)} findings in all", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
