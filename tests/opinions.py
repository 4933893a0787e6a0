"""Sixty short opinions, and two classifiers fitted on them; what tests of texts share."""

from __future__ import annotations

from typing import Any

POSITIVE = """the coffee was good and the staff kind; I love this hotel; a great movie from start to end; really tasty soup
the best tea I ever had; my family loved the cookies; what a beautiful book; the service was friendly and fast; I would buy it again
perfect for breakfast; the phone is reliable; we had a wonderful evening; this game is fun; amazing chocolate; fresh bread every morning
I enjoy this song; a brilliant museum; the battery is superb; very comfortable room; the candy was delicious; worth every penny
nice flavor, good price; helpful doctor; this sauce is great; the restaurant was lovely; a gem; I adore the new camera; smooth and rich
everything was good; I recommend it"""
NEGATIVE = """the coffee was bad and the staff rude; I hate this hotel; a boring movie from start to end; really bland soup
the worst tea I ever had; my family hated the cookies; what a terrible book; the service was slow and cold; I would never buy it
awful for breakfast; the phone is useless; we had a horrible evening; this game is dull; disgusting chocolate; stale bread every morning
I dislike this song; a noisy museum; the battery is faulty; very dirty room; the candy was nasty; a waste of money
weak flavor, high price; careless doctor; this sauce is bad; the restaurant was disappointing; a disaster; I regret the new camera; bitter
nothing was good; I want my money back"""


def opinions() -> tuple[list[str], list[str]]:
    """Return texts and labels."""
    texts, labels = [], []
    for label, some in (("positive", POSITIVE), ("negative", NEGATIVE)):
        for each in some.replace("\n", ";").split(";"):
            texts.append(each.strip())
            labels.append(label)
    return texts, labels


def classifiers() -> dict[str, Any]:
    """Return naive Bayes on words, and a logistic regression on words and pairs of them, fitted."""
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.pipeline import make_pipeline

    texts, labels = opinions()
    return {"bayes": make_pipeline(CountVectorizer(), MultinomialNB()).fit(texts, labels),
            "logistic": make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=10.0)).fit(texts, labels)}
