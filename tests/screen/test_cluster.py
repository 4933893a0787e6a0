"""Clusters of texts and embeddings: what they hold, that they are the same however rows are cut, and what is nobody's cluster."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score

from assay.screen.cluster import UNLIKE, Clusters, learned
from tests.verbs.contents import GERMAN, paragraphs


@pytest.fixture(scope="module")
def notes() -> pa.Array:
    return paragraphs()[0]["note"].combine_chunks()


@pytest.fixture(scope="module")
def found(notes: pa.Array) -> Clusters:
    clusters = learned(notes)
    assert clusters is not None
    return clusters


def test_texts_of_two_libraries_fall_apart(notes: pa.Array, found: Clusters) -> None:
    """Clusters know no labels; where they tell nothing of what a text is about, shares of the libraries would be the same in each."""
    library = np.array(paragraphs()[0]["library"].to_pylist())
    got = np.array(found.of(notes).to_pylist())
    shares = [np.mean(library[got == name] == "sklearn") for name in found.names]
    assert 2 <= len(found.names) <= 8
    assert max(shares) - min(shares) > 0.5
    assert np.mean(got == UNLIKE) < 0.02
    assert all(np.mean(got == name) > 0.01 for name in found.names)


def test_a_cluster_is_named_by_its_words(notes: pa.Array, found: Clusters) -> None:
    got = found.of(notes).to_pylist()
    texts = [each.casefold() for each in notes.to_pylist()]
    for name in found.names:
        for word in name.split(" (")[0].split(", "):
            inside = np.mean([word in text for text, cluster in zip(texts, got, strict=True) if cluster == name])
            assert inside > np.mean([word in text for text in texts])
            assert sum(word in text for text in texts) >= 10


def test_what_is_no_text_is_null_and_another_language_is_unlike_the_rest(found: Clusters) -> None:
    assert found.of(pa.array([*GERMAN, None, "", "  \n", "42 ..."])).to_pylist() == [UNLIKE] * len(GERMAN) + [None, None, None, UNLIKE]


def test_rows_are_told_alone(notes: pa.Array, found: Clusters) -> None:
    whole = found.of(notes)
    parts = pa.concat_arrays([found.of(notes.slice(start, 7)) for start in range(0, 70, 7)])
    assert whole.slice(0, 70).equals(parts)
    assert found.of(notes.dictionary_encode()).to_pylist() == whole.to_pylist()
    again = learned(notes)
    assert again is not None
    assert again.names == found.names


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.list_(pa.float64(), 64)])
def test_embeddings(kind: pa.DataType) -> None:
    digits = load_digits()
    few = digits.target < 5
    column = pa.array((digits.data[few] - 8.0).tolist(), kind)
    clusters = learned(column, most=5)
    assert clusters is not None
    got = clusters.of(column).to_pylist()
    assert adjusted_rand_score(digits.target[few], got) > 0.6
    assert set(got) <= {*(f"cluster {place}" for place in range(1, 6)), UNLIKE}
    broken = pa.array([None, [float("nan")] * 64, [0.0] * 64], kind)
    assert clusters.of(broken).to_pylist() == [None, UNLIKE, UNLIKE]


def test_vectors_of_another_width_are_unlike_the_rest() -> None:
    column = pa.array([*np.random.default_rng(0).normal(size=(300, 8)).tolist(), [1.0] * 9, [None] * 8], pa.list_(pa.float64()))
    clusters = learned(column)
    assert clusters is not None
    assert clusters.of(column).to_pylist()[-2:] == [UNLIKE, UNLIKE]


@pytest.mark.parametrize("texts", [["a note about nothing"] * 199, ["the same text always"] * 500, ["", None] * 300, ["7"] * 400])
def test_where_there_is_nothing_to_tell_apart_there_are_none(texts: list[str | None]) -> None:
    assert learned(pa.array(texts, pa.string())) is None


def test_hostile_texts() -> None:
    rng = np.random.default_rng(1)
    texts = ["".join(map(chr, rng.integers(1, 0xD7FF, 40))) + " parcel late" * (place % 2) + " soup cold" * (1 - place % 2) for place in range(400)]
    clusters = learned(pa.array([*texts, "word " * 200_000, "漢字" * 5_000]))
    assert clusters is not None
    assert len(clusters.of(pa.array(texts))) == 400
