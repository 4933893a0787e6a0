"""Words replaced by a user's synonyms, or mistyped, until the answer is another."""

from __future__ import annotations

import numpy as np

from assay.probe.robustness.question import Question, Said
from assay.probe.robustness.word import evaded, substitutes


def scored(texts):
    """Counts good words less bad ones."""
    total = np.array([sum(text.lower().split().count(each) for each in ("good", "great", "fun")) - text.lower().split().count("dull")
                      for text in texts])
    share = 1 / (1 + np.exp(-(total - 0.5)))
    return Said((total > 0).astype(int), np.stack([1 - share, share], axis=1))


WORDS = {"good": ["decent"], "great": ["big"], "fun": ["merry"], "film": ["movie"]}


def test_the_fewest_words_are_replaced() -> None:
    texts = ["a good film", "a good and great and fun film that never once in its two hours ended", "a dull film", "nothing to replace"]
    for ask in (scored, lambda given: Said(scored(given).decision)):
        found, tried = evaded(Question(ask), texts, synonyms=WORDS)
        assert tried == 4
        assert [each.row for each in found] == [0, 1]
        assert found[0].after == "a decent film"
        assert found[0].words == (("good", "decent"),)
        assert {old for old, _ in found[1].words} == {"good", "great", "fun"}   # film is put back
        assert all(scored([each.after]).decision[0] == each.said != each.was for each in found)
    assert evaded(Question(scored), texts, synonyms=WORDS, share=0.1)[0][0].row == 0   # one of three words; three of fourteen are too many


def test_typing_errors_leave_the_ends_of_a_word() -> None:
    options = substitutes("A wonderful day", {}, typos=True, seed=2)
    assert options
    assert all(text[0] == "w" and text[-1] == "l" for _, _, text in options)
    found, _ = evaded(Question(scored), ["a good day"], typos=True)
    assert found[0].words[0][0] == "good"


def test_the_budget_is_kept() -> None:
    question = Question(scored, budget=480)
    _, tried = evaded(question, ["a good film"] * 50, synonyms=WORDS)
    assert question.rows <= 480
    assert 0 < tried < 50
