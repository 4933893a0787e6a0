"""Clusters of texts that speak of the same, and of embeddings that lie together, learned once and told of any rows.

``learned(column)`` returns ``Clusters``, of which ``of(column)`` names the cluster of each value: a category like any other, to slice by
and to compare between data sets. Verbs import it, and put it beside the data (``assay.verbs.cluster``).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from assay.data._type import is_text, value_type

__all__ = ["FEWEST", "UNLIKE", "Clusters", "embeds", "learned"]

Array = np.ndarray[Any, Any]

UNLIKE = "unlike the rest"
FEWEST = 200       # values that clusters are learned of at least
MOST = 8           # clusters: each is a slice that somebody reads
SMALLEST = 0.02    # of the values, of a cluster
DIMENSIONS = 50
VOCABULARY = 20_000
COMMON = 0.5       # of the texts: a word of more is grammar
NAMING = 3         # words of a name
WIDEST = 30        # letters of such a word
KNOWN = 10         # texts in which a word stands at least, to be in a name: it then tells of none of them
LONGEST = 4_000    # characters of a text that are read
QUEER = 0.005      # of the values that were learned from are unlike the rest
_BATCH = 8_192
_WORD = re.compile(r"[^\W\d_]+")
_TAG = re.compile(r"<[a-zA-Z/!][^<>]{0,80}>")
_BLANKLESS = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]")   # Thai, kana and Han: no blanks between words


class _Space(Protocol):
    """What is counted of values, and where that lies: unit vectors, and zeros for what nothing is known of."""

    def marks(self, values: pa.Array) -> Any: ...

    def put(self, marks: Any) -> Array: ...


@dataclass(frozen=True, eq=False)
class Clusters:
    """What was learned: centres (clusters, dimensions; of length 1), their names, and how near a value is to one at least."""

    space: _Space
    centres: Array
    names: tuple[str, ...]
    near: float

    def of(self, column: pa.Array) -> pa.Array:
        """Return the name of the cluster of each value, ``unlike the rest`` where none is near, null where there is no value."""
        if pa.types.is_dictionary(column.type):
            return self.of(column.dictionary).take(column.indices)
        found: list[pa.Array] = []
        labels = np.array([*self.names, UNLIKE], dtype=object)
        for start in range(0, len(column), _BATCH):
            some = column.slice(start, _BATCH)
            like = self.space.put(self.space.marks(some)) @ self.centres.T
            best = np.where(like.max(axis=1) >= self.near, like.argmax(axis=1), len(self.names))
            found.append(pa.array(labels[best], pa.string(), mask=_empty(some)))
        return pa.concat_arrays(found) if found else pa.array([], pa.string())


def embeds(kind: pa.DataType) -> bool:
    """Whether a column of a type can hold embeddings: lists of at least eight fractions.

    >>> embeds(pa.list_(pa.float32(), 384)), embeds(pa.list_(pa.float64())), embeds(pa.list_(pa.uint8(), 64)), embeds(pa.float32())
    (True, True, False, False)
    """
    many = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(many and pa.types.is_floating(kind.value_type) and not (pa.types.is_fixed_size_list(kind) and kind.list_size < 8))


def learned(column: pa.Array, *, most: int = MOST, seed: int = 0) -> Clusters | None:
    """Return clusters of texts, or of embeddings; None where fewer than 200 values hold anything, or all are alike.

    Texts: words weighed by how rare they are (tf-idf, sublinear), 50 directions in which these vary most (a truncated singular value
    decomposition: latent semantic analysis, Deerwester and others 1990), k-means among unit vectors. Embeddings: unit vectors less their
    mean, in their first 50 principal directions. There are at most ``most`` clusters, one for each 100 values, each of 2 % of them or
    more; a value is unlike the rest where its cosine with the nearest centre is below that of all but 0.5 % of the values learned from.
    A cluster of texts is called by the three words that tell it best from the rest, each of which stands in ten texts or more.

    >>> late = [f"the parcel came {how} and the courier was rude" for how in ("late", "wet", "open", "early", "never")]
    >>> food = [f"the soup was {how} and the cook smiled" for how in ("hot", "cold", "salty", "fine", "stale")]
    >>> found = learned(pa.array((late + food) * 30), most=2)
    >>> found.of(pa.array([late[0], food[0], None])).to_pylist()
    ['came, courier, parcel', 'cook, smiled, soup', None]
    """
    kind = value_type(column.type)
    values = (column.dictionary_decode() if pa.types.is_dictionary(column.type) else column)
    values = values.filter(pa.array(~_empty(values)))
    if len(values) < FEWEST:
        return None
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):   # matrices are small: threads that wait for each other cost ten times what they do
        return _learned(values, is_text(kind), most, seed)


def _learned(values: pa.Array, textual: bool, most: int, seed: int) -> Clusters | None:
    found = _Words.learned(values, seed) if textual else _Vectors.learned(values, seed)
    if found is None:
        return None
    space, marks = found
    places = space.put(marks)
    there = np.linalg.norm(places, axis=1) > 0
    centres = _centres(places[there], min(most, max(2, len(values) // 100)), seed)
    if len(centres) < 2:
        return None
    like = places @ centres.T
    near = float(np.quantile(like[there].max(axis=1), QUEER)) - 1e-6
    return Clusters(space, centres, tuple(space.names(marks, np.where(there, like.argmax(axis=1), -1), len(centres))), max(near, 1e-6))


def _centres(places: Array, count: int, seed: int) -> Array:
    """Return centres by k-means, without those of too few values, the largest first."""
    from sklearn.cluster import KMeans

    different = len(np.unique(places.round(6), axis=0))
    if different < 2:
        return places[:1]
    count = min(count, max(2, different // 2))
    centres = KMeans(count, n_init=4, random_state=seed).fit(places).cluster_centers_
    while True:
        centres = centres / np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-12)
        counts = np.bincount((places @ centres.T).argmax(axis=1), minlength=len(centres))
        if counts.min() >= SMALLEST * len(places) or len(centres) <= 2:
            return np.asarray(centres[np.argsort(-counts, kind="stable")])
        centres = np.delete(centres, counts.argmin(), axis=0)   # its values go to the next


def _empty(values: pa.Array) -> Array:
    """Return which values hold nothing: null, or a text without a character that is no blank."""
    missing: Array = np.asarray(values.is_null())
    if is_text(values.type):
        missing = np.logical_or(missing, [not (each or "").strip() for each in values.to_pylist()])
    return missing


def _unit(rows: Array) -> Array:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.where(length > 1e-9, rows / np.maximum(length, 1e-9), 0.0))


def words(text: str) -> list[str]:
    """Return the words of a text in small letters; pairs of letters where a script has no blanks between words.

    >>> words("Late again, 3 days!"), words("漢字です")
    (['late', 'again', 'days'], ['漢字', '字で', 'です'])
    """
    found: list[str] = []
    for each in _WORD.findall(unicodedata.normalize("NFKC", _TAG.sub(" ", text[:LONGEST])).casefold()):
        if _BLANKLESS.search(each):
            found += [each[place:place + 2] for place in range(len(each) - 1)]
        elif len(each) > 1:
            found.append(each)
    return found


@dataclass(frozen=True, eq=False)
class _Words:
    """Latent semantic analysis: a vectorizer and directions (words, dimensions), both learned."""

    vectorizer: Any
    directions: Array

    @classmethod
    def learned(cls, texts: pa.Array, seed: int) -> tuple[_Words, Any] | None:
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfVectorizer

        def telling(text: str) -> list[str]:   # of English the words without a topic are known; elsewhere only the most common go
            return [each for each in words(text) if each not in ENGLISH_STOP_WORDS]

        vectorizer = TfidfVectorizer(analyzer=telling, sublinear_tf=True, min_df=3, max_df=COMMON, max_features=VOCABULARY)
        try:
            counts = vectorizer.fit_transform(texts.to_pylist())
        except ValueError:   # no word stands in three texts, and in no more than COMMON of them
            return None
        dimensions = min(DIMENSIONS, min(counts.shape) - 1)
        if dimensions < 2:
            return None
        return cls(vectorizer, TruncatedSVD(dimensions, random_state=seed).fit(counts).components_.T), counts

    def marks(self, values: pa.Array) -> Any:
        return self.vectorizer.transform([each or "" for each in values.to_pylist()])

    def put(self, marks: Any) -> Array:
        return _unit(marks @ self.directions)

    def names(self, marks: Any, member: Array, count: int) -> list[str]:
        counts, spoken = marks, self.vectorizer.get_feature_names_out()
        often = np.asarray((counts > 0).sum(axis=0)).ravel() >= KNOWN
        whole = np.asarray(counts.mean(axis=0)).ravel()
        found: list[str] = []
        for place in range(count):
            own = np.asarray(counts[member == place].mean(axis=0)).ravel() - whole
            own[~often] = 0.0
            best = [str(spoken[each]) for each in np.argsort(-own, kind="stable")[:20 * NAMING] if own[each] > 0]
            found.append(", ".join(sorted([each for each in best if len(each) < WIDEST][:NAMING])) or f"cluster {place + 1}")
        return _apart(found)


@dataclass(frozen=True, eq=False)
class _Vectors:
    """Embeddings of one width: their mean, and directions (width, dimensions)."""

    mean: Array
    directions: Array

    @classmethod
    def learned(cls, values: pa.Array, seed: int) -> tuple[_Vectors, Array] | None:
        from sklearn.decomposition import TruncatedSVD

        width = values.type.list_size if pa.types.is_fixed_size_list(values.type) else int(np.bincount(values.value_lengths()).argmax())
        rows = _unit(_rows(values, width))
        there = rows[np.linalg.norm(rows, axis=1) > 0]
        if width < 8 or len(there) < FEWEST:
            return None
        mean = there.mean(axis=0)
        return cls(mean, TruncatedSVD(min(DIMENSIONS, width - 1), random_state=seed).fit(there - mean).components_.T), rows

    def marks(self, values: pa.Array) -> Array:
        return _unit(_rows(values, len(self.mean)))

    def put(self, marks: Array) -> Array:
        return np.where(np.linalg.norm(marks, axis=1, keepdims=True) > 0, _unit((marks - self.mean) @ self.directions), 0.0)

    def names(self, marks: Array, member: Array, count: int) -> list[str]:
        return [f"cluster {place + 1}" for place in range(count)]


def _rows(values: pa.Array, width: int) -> Array:
    """Return vectors as rows, zeros for those of another width or with what is no number."""
    found = np.zeros((len(values), width))
    for place, each in enumerate(values.to_pylist() if not pa.types.is_fixed_size_list(values.type) else ()):
        if each is not None and len(each) == width and None not in each:
            found[place] = each
    if pa.types.is_fixed_size_list(values.type) and values.type.list_size == width:
        there = np.asarray(values.is_valid())
        flat = values.filter(pa.array(there)).flatten()
        found[there] = flat.to_numpy(zero_copy_only=False).astype(np.float64).reshape(-1, width)
    found[~np.isfinite(found).all(axis=1)] = 0.0
    return found


def _apart(names: Sequence[str]) -> list[str]:
    """Return names that differ: the second of a name gets a number.

    >>> _apart(["food", "food", "tea"])
    ['food', 'food (2)', 'tea']
    """
    found: list[str] = []
    for each in names:
        again = sum(each == other.partition(" (")[0] for other in found)
        found.append(each if not again else f"{each} ({again + 1})")
    return found
