"""Retraining on sentences of a grammar: what is added has its labels, and what was chosen was measured on other rows."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from assay.errors import ConfigError, DataError
from assay.probe.text.grammar import load, parse
from assay.probe.text.oracle import Classifier
from assay.probe.text.tree import label, text
from assay.remedy.sentence import Mix, accuracy, faults, mixed, retrained, samples
from tests.opinions import classifiers, opinions

LABELS = ("negative", "positive")


def fit(texts: Sequence[str], labels: Sequence[str]) -> Classifier:
    from sklearn.base import clone

    model = clone(classifiers()["bayes"]).fit(list(texts), list(labels))
    return lambda given: [(str(each), 1.0) for each in model.predict(list(given))]


def test_samples_are_different_and_labelled_by_their_grammar() -> None:
    grammar = load("reviews")
    first = samples(grammar, 200, LABELS, seed=1)
    other = samples(grammar, 200, LABELS, seed=2, without=[each.text for each in first])
    assert len({each.text for each in (*first, *other)}) == 400
    assert all(label(grammar, each.tree) == each.label and text(grammar, each.tree) == each.text for each in first)
    assert len(samples(parse('start: "it is good" = "positive"'), 5, LABELS)) == 1


def test_faults_are_faults_by_turns_of_their_labels() -> None:
    grammar, model = load("reviews"), fit(*opinions())
    found = faults(grammar, model, 60, LABELS)
    assert len(found) == 60
    assert accuracy(model, [each.text for each in found], [each.label for each in found]) == 0.0
    assert {each.label for each in found[:2]} == set(LABELS)


def test_a_mix_has_the_size_that_was_asked_and_nothing_held_out() -> None:
    grammar = load("reviews")
    held = [each.text for each in samples(grammar, 100, LABELS, seed=7)]
    made = mixed(fit, grammar, *opinions(), 40, Mix(0.5, 0.25), without=held)
    assert len(made) == 40 == len({each.text for each in made})
    assert not {each.text for each in made} & set(held)


def test_retraining_helps_on_sentences_that_were_not_learned_from() -> None:
    grammar, (texts, labels) = load("reviews"), opinions()
    done = retrained(fit, grammar, texts, labels, mixes=(Mix(2.0), Mix(2.0, 0.25)), cost=0.05)
    assert [each.mix for each in done.trials] == [Mix(), Mix(2.0), Mix(2.0, 0.25)]
    assert done.chosen in (Mix(2.0), Mix(2.0, 0.25))
    learned = {each.text for each in done.added}
    held = samples(grammar, 400, LABELS, seed=99, without=list(learned))
    before, after = (accuracy(each, [one.text for one in held], [one.label for one in held]) for each in (fit(texts, labels), done.model))
    assert after > before + 0.05


def test_what_cannot_be_retrained_is_said() -> None:
    texts, labels = opinions()
    with pytest.raises(DataError, match="too few"):
        retrained(fit, load("reviews"), texts[:10], labels[:10])
    with pytest.raises(ConfigError, match="two labels in common"):
        retrained(fit, load("reviews"), texts, ["great" if each == "positive" else "other" for each in labels])
