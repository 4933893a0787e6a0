"""Do two classifiers of sentiment that many use agree? VADER and TextBlob, each a word list with rules, on sentences made by a grammar.

Both come as packages (MIT) that hold all they know. The data are sentences drawn from the grammar ``sentiment`` with the labels that it
gives them, and what VADER says of each; then the two are asked where they contradict each other, and one whether it contradicts itself.
"""

from __future__ import annotations

from importlib import util
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet

from assay.errors import MissingExtraError
from assay.probe.text.grammar import load
from assay.probe.text.sampler import Sampler
from assay.probe.text.tree import label, text
from assay.verbs.demos import Question, Tell
from assay.verbs.probe.classifier import opened

__all__ = ["QUESTIONS", "reviews"]

SENTENCES = 2_000
FILE = "classifiers.py"
PACKAGES = {"vaderSentiment": "vaderSentiment", "textblob": "textblob"}

CODE = '''\
"""Two packaged classifiers of sentiment, as functions of texts; None stands for "cannot tell"."""

from textblob import TextBlob
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

_SCORES = SentimentIntensityAnalyzer().polarity_scores


def vader(texts):
    """Sure from 0.3 on; what is within 0.05 of 0 is neutral."""
    return [_banded(_SCORES(each)["compound"], 0.30, 0.05) for each in texts]


def textblob(texts):
    """Sure from 0.2 on; what is within 0.03 of 0 is neutral."""
    return [_banded(TextBlob(each).sentiment.polarity, 0.20, 0.03) for each in texts]


def _banded(score, sure, neutral):
    label = "positive" if score >= sure else "negative" if score <= -sure else "neutral" if abs(score) <= neutral else None
    return label, min(abs(score), 1.0)
'''

SUITE = """\
data: sentences.parquet          # 2,000 sentences of the grammar `sentiment`, with its labels
where: vader is not null         # those that VADER is sure of
columns:
  label: label
  prediction: vader              # what VADER says of each
  ignored: [text]
classes: [negative, neutral, positive]
checks:
  - accuracy >= 0.70
"""

VADER, BOTH = [f"{FILE}:vader"], [f"{FILE}:vader", f"{FILE}:textblob"]
#: where they contradict each other, and whether one of them contradicts itself
QUESTIONS = (
    Question("probe text", {"model": BOTH, "grammar": "sentiment", "between": ["positive", "negative"], "budget": 2_000, "examples": 20}),
    Question("probe text", {"model": VADER, "grammar": "sentiment", "relation": ["negation", "typos"], "budget": 500,
                            "examples": 6}),
)


def reviews(folder: Path, tell: Tell) -> str:
    """Write ``classifiers.py`` and ``sentences.parquet``; return the ``assay.yaml`` for them.

    Raises ``MissingExtraError`` where a package of a classifier is not installed.
    """
    for module, package in PACKAGES.items():
        if util.find_spec(module) is None:
            raise MissingExtraError.of(package, "for the classifiers of the demonstration", extra="text")
    (folder / FILE).write_text(CODE, encoding="utf-8")
    tell(f"drawing {SENTENCES:,} sentences from a grammar")
    grammar = load("sentiment")
    random, sampler = Random(0), Sampler(grammar)  # noqa: S311 (no secret hangs on it)
    found: dict[str, str] = {}
    while len(found) < SENTENCES:
        tree = sampler.drawn(random)
        said = label(grammar, tree)
        if said in grammar.labels:
            found[text(grammar, tree)] = str(said)
    tell("asking VADER about them")
    vader = opened([str(folder / FILE) + ":vader"], trust=True)[0]   # the file was written a moment ago, by this very process
    answers = [said for said, _ in vader.ask(list(found))]
    table = pa.table({"text": list(found), "label": list(found.values()), "vader": pa.array(answers, pa.string())})
    pa.parquet.write_table(table, folder / "sentences.parquet")
    return SUITE
