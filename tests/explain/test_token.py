"""Words of a text: the pieces are the text, values are those of Owen, add up along the tree, and find what was planted."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assay
from assay.errors import ConfigError, DataError, UnknownColumnError
from assay.explain.piece import Piece
from assay.explain.token import cut, tokens
from assay.model.answer import Answer
from tests.explain.reference import by_definition


def spoken(text: str, most: int = 48) -> list[str]:
    return [text[each.start:each.stop] for each in cut(text, most)]


@given(st.text(max_size=200), st.integers(2, 30))
@settings(max_examples=80, deadline=None)
def test_the_pieces_are_the_text(text: str, most: int) -> None:
    found = cut(text, most)
    assert "".join(text[each.start:each.stop] for each in found) == (text if found else "")
    assert len(found) <= most
    assert [each.clause for each in found] == sorted(each.clause for each in found)
    assert [each.sentence for each in found] == sorted(each.sentence for each in found)


def test_sentences_clauses_and_words() -> None:
    found = cut('He said: "Go." Then, at 3.5 km, we saw it!\nNo more')
    assert [each.sentence for each in found] == [0, 0, 0, *[1] * 7, 2, 2]
    assert len({each.clause for each in found}) == 6
    assert spoken("我喜欢。很好") == ["我", "喜", "欢", "。", "很", "好"]
    assert {each.sentence for each in cut("我喜欢。很好")} == {0, 1}
    assert spoken("  two words ") == ["  two ", "words "]
    long = "One two three four five six. " * 3 + "Short one."
    assert len(spoken(long, 12)) <= 12
    assert "Short one." in spoken(long, 8)   # the longest are cut first
    assert len(spoken("a. " * 100, 10)) == 10
    assert len(spoken("word " * 100, 10)) == 10


@pytest.fixture(scope="module")
def sentiment():
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    rng = np.random.default_rng(0)
    neutral = ["the", "film", "was", "a", "plot", "actor", "scene", "story", "long", "and", "music"]
    texts, labels = [], []
    for place in range(300):
        words = rng.choice(neutral, 8).tolist()
        words[int(rng.integers(8))] = ("wonderful", "awful")[place % 2]
        texts.append(" ".join(words))
        labels.append(("pos", "neg")[place % 2])
    return assay.load(make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, labels))


def test_values_are_those_of_every_coalition(sentiment) -> None:
    text = "the plot was wonderful and long"
    made = tokens(sentiment, {"review": [text]}, quantity="log-odds", target="pos")
    words = text.split()

    def game(coalition: int) -> float:
        left = "".join(each + " " for place, each in enumerate(words) if coalition >> place & 1)
        score = Answer.of(sentiment.bound(("review",)).predict(pa.record_batch({"review": [left]}))).score[0, 1]
        return float(np.log(score / (1 - score)))

    assert made.attributions.method == "every coalition"
    assert made.attributions.values[0] == pytest.approx(by_definition(game, 6), abs=1e-9)
    assert made.attributions.gap < 1e-12
    assert made.attributions.columns[int(np.argmax(made.attributions.values[0]))] == "wonderful"
    assert all(each.low == each.value == each.high for each in made.tree)


def test_a_longer_text_is_a_tree_with_intervals(sentiment) -> None:
    text = "The film was long, the plot awful. " * 2 + "But the music and the story: wonderful, wonderful! A scene and an actor."
    made = tokens(sentiment, {"review": [text]}, quantity="log-odds", target="pos", at_most=0.05)
    said = made.attributions
    assert said.method == "sampled"
    assert said.gap < 1e-12
    assert said.model_rows <= 4_200
    assert [each.name for each in made.tree][2] == "But the music and the story: wonderful, wonderful!"

    def check(each: Piece) -> None:
        assert each.low <= each.value <= each.high
        if each.parts:
            assert each.value == pytest.approx(sum(part.value for part in each.parts))
            assert [each.parts[0].start, each.parts[-1].stop] == [each.start, each.stop]
            for part in each.parts:
                check(part)

    for each in made.tree:
        check(each)
    values = dict(zip(said.columns, said.values[0], strict=True))
    assert min(values, key=values.get) in ("awful.", "awful. (2)")
    assert made.tree[2].value > 0 > made.tree[0].value
    assert (tokens(sentiment, {"review": [text]}, quantity="log-odds", target="pos", at_most=0.05).attributions.values == said.values).all()
    few = tokens(sentiment, {"review": [text]}, quantity="log-odds", target="pos", at_most=1e-9, budget=600)
    assert few.attributions.model_rows <= 700
    assert any("budget" in each for each in few.attributions.notes)
    assert (few.attributions.error > 0).any()


def test_other_columns_stay_and_words_can_be_masked() -> None:
    asked: list[str] = []

    def say(batch: pa.RecordBatch) -> np.ndarray:
        asked.extend(batch.column(1).to_pylist())
        return np.array([n * each.count("x") for n, each in zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True)], float)

    model = assay.load(say, task="regression", features=["n", "note"])
    made = tokens(model, {"n": [3], "note": pa.array(["x y x"]).dictionary_encode()}, mask="[MASK]")
    assert made.attributions.values[0].tolist() == pytest.approx([3.0, 0.0, 3.0])
    assert made.attributions.columns == ("x", "y", "x (2)")
    assert "[MASK] y [MASK]" in asked
    assert "'[MASK]'" in made.attributions.notes[0]


def test_a_model_that_is_not_deterministic_is_named() -> None:
    rng = np.random.default_rng(0)
    model = assay.load(lambda batch: rng.normal(size=batch.num_rows), task="regression", features=["note"])
    assert any("not deterministic" in each for each in tokens(model, {"note": ["one two three"]}).attributions.notes)


def test_bad_input_is_a_sentence(sentiment) -> None:
    two = assay.load(lambda batch: np.zeros(batch.num_rows), task="regression", features=["a", "b", "n"])
    row = {"a": ["x y"], "b": ["z"], "n": [1.0]}
    with pytest.raises(ConfigError, match="2 columns of the model hold text"):
        tokens(two, row)
    with pytest.raises(UnknownColumnError):
        tokens(two, row, "aa")
    with pytest.raises(DataError, match="the column 'n' is of type double"):
        tokens(two, row, "n")
    with pytest.raises(DataError, match="2 rows were given"):
        tokens(sentiment, {"review": ["a", "b"]})
    with pytest.raises(DataError, match="the text is empty"):
        tokens(sentiment, {"review": [""]})
    with pytest.raises(DataError, match="no text in the row"):
        tokens(sentiment, {"review": pa.array([None], pa.string())})
    with pytest.raises(ConfigError, match="no class 'good'"):
        tokens(sentiment, {"review": ["a"]}, target="good")
    with pytest.raises(ConfigError, match="'loss' of pieces"):
        tokens(sentiment, {"review": ["a"]}, quantity="loss")
    assert tokens(two, row, "b").attributions.values.tolist() == [[0.0]]
