"""Screens for texts and images: empty ones, damaged ones, copies among the rows, and copies of training rows.

``empty_content``, ``damaged_content``, ``repeated_content`` and ``shared_content``; found by name in ``SCREENS``. What is derived of such
columns (length, language, brightness) is seen by the metrics of columns and by the other screens.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.data import image, text
from assay.data.derived import holds
from assay.result import Spread
from assay.screen.junk import stand_ins
from assay.screen.power import clusters, share
from assay.screen.screen import Reading, screen
from assay.screen.study import Sample, Study, fingerprints
from assay.summary.hashing import hashes, mixed

__all__ = ["damaged_content", "empty_content", "repeated_content", "shared_content"]

Array = np.ndarray[Any, Any]

BLANK = 4 / 255        # span of the luminance of an image that shows nothing; what JPEG adds to one colour is less
ALIKE = 0.7            # share of three-word sequences that two texts have in common, from which one is a copy of the other
FEWEST = 8             # words of a text that may be nearly another: of fewer a few words in common are no copy
MOST = 400             # words of a text that are compared
_BANDS, _ROWS = 20, 4  # of the signatures by which texts are compared: of pairs that are alike enough 99.6 % meet in a band
_HAMMING = 8           # bits of 64 by which the prints of two copies of an image may differ
_SAME = 0.985          # correlation of their small pictures
_CHANCE = 0.9          # of train's values repeat each other: that they are in the data too then says nothing
_MEETING = 50          # values of one band that are compared with each other
_BLOCK = 1024


@screen(of="column", limits=(0.0, 1.0))
def empty_content(study: Study) -> Iterator[Reading]:
    """Share of the texts that say nothing (no letter or digit, or a stand-in such as "n/a"), and of the images that show nothing.

    An image shows nothing where its luminance spans less than 4 of 255 levels. Missing values are not counted: ``missing`` does.
    """
    cluster = clusters(study.data)
    for name, medium in study.media.items():
        if medium == "text":
            known = study.data.column(name).is_valid().to_numpy(zero_copy_only=False)
            plain = text.normal(study.data.column(name))
            bare = pc.equal(plain, "").fill_null(False).to_numpy(zero_copy_only=False).astype(np.bool_)
            hits = bare | stand_ins(study, name).rows
            parts = [(int(bare.sum()), "hold no letter or digit"), (int((hits & ~bare).sum()), "hold a stand-in such as n/a")]
        else:
            seen = _pictures(study, study.data, name)
            known = seen.known
            dark = known & (seen.brightness < 0.1)
            hits = known & (seen.span <= BLANK)
            parts = [(int((hits & dark).sum()), "are black"), (int((hits & ~dark).sum()), "are of one colour")]
        yield _share(name, hits, known, cluster, parts)


@screen(of="column", limits=(0.0, 1.0))
def damaged_content(study: Study) -> Iterator[Reading]:
    """Share of the texts with marks of a wrong encoding, and of the images that cannot be decoded.

    Marks are the replacement character, control characters, and UTF-8 that was read as Latin-1 or Windows-1252 ("CafÃ©"). Images are PNG or
    JPEG files of at most 50 million pixels; all else cannot be decoded. Question marks in the place of letters are not seen.
    """
    cluster = clusters(study.data)
    for name, medium in study.media.items():
        if medium == "text":
            column = study.data.column(name)
            known = column.is_valid().to_numpy(zero_copy_only=False)
            marks = text.properties(column, ["damage"])["damage"].fill_null(0.0).to_numpy(zero_copy_only=False)
            hits = marks > 0
            parts = [(int(hits.sum()), "hold characters of a wrong encoding")]
        else:
            seen = _pictures(study, study.data, name)
            known, hits = seen.there, seen.there & ~seen.known
            parts = [(int(hits.sum()), "cannot be decoded")]
        yield _share(name, hits, known, cluster, parts)


@screen(of="column", limits=(0.0, 1.0))
def repeated_content(study: Study) -> Iterator[Reading]:
    """Share of the texts or images that are a copy of one in another row, or nearly one.

    Copies of texts agree but for case, blanks and punctuation, and have 20 characters at least; those of images byte by byte. Nearly a
    copy is what has 70 % of its three-word sequences in common with another text, of eight words at least (Broder 1997), or an image whose
    perceptual hash differs in at most 8 of 64 bits and whose 16 by 16 picture correlates by 0.985. Of each group one counts as the
    original. Exact copies are looked for in all rows, near ones among the sampled rows.
    """
    rows, n = study.data.rows, len(study.data)
    for name in study.media:
        if not n:
            yield Reading(None, 0, name, "there are no rows")
            continue
        every, looked = _every(study, study.data, name)
        prints, counts = np.unique(every, return_counts=True)
        exact = float((counts - 1).sum()) / (looked * rows)
        near = _near(study, name, study.data, None) & ~np.isin(_prints(study, study.data, name), prints[counts > 1])
        found = min(exact + float(near.mean()) / 2, 1.0)   # of two that are alike one is the original
        parts = [(round(exact * rows), "are copies"), (int(near.sum()), "of the sampled ones are nearly another")]
        yield Reading(Spread("binomial", found, n=float(n)) if near.any() else Spread("exact", found), rows, name, _told(parts))


@screen(wants=("train",), of="column", limits=(0.0, 1.0))
def shared_content(study: Study) -> Iterator[Reading]:
    """Share of the texts or images that are in train too, or nearly, beyond those that coincide by chance.

    Copies are those of ``repeated_content``. With s the share of values that have a copy in train, and c the share of train's values
    that have one elsewhere in train: (s - c) / (1 - c), floored at 0, as ``shared_rows`` has it. Exact copies are looked for among all
    rows of train, near ones among its sampled rows, so of a large train set only some near ones are seen.
    """
    train = study.train
    assert train is not None
    cluster = clusters(study.data)
    for name in study.media:
        if name not in train.table.column_names or holds(train.schema[name].type) != study.media[name]:
            yield Reading(None, 0, name, "the training data have no such column")
            continue
        mine, theirs = _prints(study, study.data, name), _prints(study, train, name)
        every, looked = _every(study, train, name)
        prints, counts = np.unique(every, return_counts=True)
        known = _known(study, study.data, name)
        if name in train.copies and looked < 1:   # a copy whose print was not kept of train could not be seen
            known &= mine <= np.uint64(int(looked * 2.0**64))
        if not known.any() or not len(theirs):
            yield Reading(None, 0, name, "there is nothing to compare")
            continue
        exact = (mine != 0) & np.isin(mine, prints)
        near = _near(study, name, study.data, train) & ~exact
        inner = ((theirs != 0) & np.isin(theirs, prints[counts > 1])) | _near(study, name, train, None)
        chance = float(inner.mean())
        hits = (exact | near)[known]
        if chance > _CHANCE:
            yield Reading(None, len(hits), name, f"{chance:.0%} of train's values repeat each other: that they are shared says nothing")
            continue
        seen = share(hits, None if cluster is None else cluster[known])
        estimate = max(seen.estimate - chance, 0.0) / (1 - chance)
        spread = seen
        if chance > 0:
            variance = max(seen.estimate * (1 - seen.estimate), chance * (1 - chance)) / (seen.n or 1) + chance * (1 - chance) / len(theirs)
            spread = Spread("normal", min(estimate, 1.0), n=seen.n, error=math.sqrt(variance) / (1 - chance), df=seen.df, low_limit=0.0,
                            high_limit=1.0)
        parts = [(int((exact & known).sum()), "are copies"), (int((near & known).sum()), "nearly are")]
        note = f"{_told(parts) or 'none is a copy'}, of {int(known.sum()):,} looked at"
        yield Reading(spread, len(hits), name, note)


def _share(name: str, hits: Array, known: Array, cluster: Array | None, parts: list[tuple[int, str]]) -> Reading:
    n = int(known.sum())
    if not n:
        return Reading(None, 0, name, "there are no values")
    return Reading(share(hits[known], None if cluster is None else cluster[known]), n, name, _told(parts))


def _told(parts: list[tuple[int, str]]) -> str | None:
    return ", ".join(f"{count:,} {what}" for count, what in parts if count) or None


# what is compared ---------------------------------------------------------------------------------------------------------------


def _pictures(study: Study, of: Sample, name: str) -> image.Pictures:
    key = ("pictures", name, id(of))
    if key not in study._held:
        study._held[key] = image.pictures(of.column(name))
    held: image.Pictures = study._held[key]
    return held


def _known(study: Study, of: Sample, name: str) -> Array:
    if study.media[name] == "image":
        return _pictures(study, of, name).known
    return np.asarray(of.column(name).is_valid().to_numpy(zero_copy_only=False), np.bool_)


def _prints(study: Study, of: Sample, name: str) -> Array:
    """Return the print of each sampled value, 0 where it may not be a copy."""
    key = ("fingerprints", name, id(of))
    if key not in study._held:
        study._held[key] = fingerprints(of.column(name), study.media[name])
    held: Array = study._held[key]
    return held


def _every(study: Study, of: Sample, name: str) -> tuple[Array, float]:
    """Return the prints of all values that may be copies, and the share of all values of which they are those.

    Where the first rows of a data set did not show what its column holds, only the sampled values are there.
    """
    if name in of.copies:
        return of.copies[name], of.looked
    found = _prints(study, of, name)
    return found[found != 0], len(of) / max(of.rows, 1)


def _near(study: Study, name: str, of: Sample, other: Sample | None) -> Array:
    """Return which sampled values have a near copy in ``other``, or in another row where there is no other."""
    key = ("near", name, id(of), id(other))
    if key not in study._held:
        look = _near_texts if study.media[name] == "text" else _near_images
        study._held[key] = look(study, name, of, other)
    held: Array = study._held[key]
    return held


def _near_images(study: Study, name: str, of: Sample, other: Sample | None) -> Array:
    sides = [_pictures(study, each, name) for each in ((of,) if other is None else (of, other))]
    places = [np.flatnonzero(each.known & (each.span > BLANK)) for each in sides]
    bits = [_perceptual(each.small[place]) for each, place in zip(sides, places, strict=True)]
    flat = [_standard(each.small[place]) for each, place in zip(sides, places, strict=True)]
    found = np.zeros(len(of), np.bool_)
    there, pictures = bits[-1], flat[-1]
    for start in range(0, len(places[0]), _BLOCK):
        some = slice(start, start + _BLOCK)
        close = np.bitwise_count(bits[0][some][:, None] ^ there[None]) <= _HAMMING
        if other is None:
            rows = np.arange(len(places[0]))[some]
            close[np.arange(len(rows)), rows] = False
        one, two = np.nonzero(close)
        alike = np.einsum("ij,ij->i", flat[0][some][one], pictures[two]) >= _SAME
        found[places[0][some][one[alike]]] = True
    return found


def _perceptual(small: Array) -> Array:
    """Return the perceptual hash of each small picture: which of its 64 lowest frequencies are above their median (Zauner 2010)."""
    from scipy.fft import dctn

    low = dctn(small, axes=(1, 2), norm="ortho")[:, :8, :8].reshape(len(small), 64)
    low[:, 0] = 0
    marks = low > np.median(low, axis=1, keepdims=True)
    packed: Array = np.ascontiguousarray(np.packbits(marks, axis=1)).view(np.uint64)[:, 0]
    return packed


def _standard(small: Array) -> Array:
    """Return each small picture as a vector of mean 0 and length 1, so that products are correlations."""
    flat = small.reshape(len(small), -1).astype(np.float64)
    flat -= flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.asarray(flat / np.where(length > 0, length, 1))


def _near_texts(study: Study, name: str, of: Sample, other: Sample | None) -> Array:
    sides = [_shingles(study, each, name) for each in ((of,) if other is None else (of, other))]
    marks = [_signatures(*each) for each in sides]
    found = np.zeros(len(of), np.bool_)
    mine, theirs = sides[0], sides[-1]
    for band in range(_BANDS):
        groups: dict[int, list[int]] = {}
        for place in np.flatnonzero(marks[-1][:, band]):
            groups.setdefault(int(marks[-1][place, band]), []).append(int(place))
        for place in np.flatnonzero(marks[0][:, band]):
            if found[place]:
                continue
            for each in groups.get(int(marks[0][place, band]), ())[:_MEETING]:
                if (other is not None or each != place) and _alike(mine, int(place), theirs, each):
                    found[place] = True
                    break
    return found


def _alike(one: tuple[Array, Array], first: int, other: tuple[Array, Array], second: int) -> bool:
    a, b = (np.unique(words[starts[place] : starts[place + 1]]) for (words, starts), place in ((one, first), (other, second)))
    common = len(np.intersect1d(a, b, assume_unique=True))
    return common >= ALIKE * (len(a) + len(b) - common)


def _shingles(study: Study, of: Sample, name: str) -> tuple[Array, Array]:
    """Return the hashes of the three-word sequences of all texts in a row, and where those of each text start; short texts have none."""
    key = ("shingles", name, id(of))
    if key not in study._held:
        words = pc.utf8_split_whitespace(text.normal(of.column(name)).fill_null(""), max_splits=MOST)
        flat = hashes(words.flatten().cast(pa.string()))
        counts = np.asarray(pc.list_value_length(words).to_numpy(zero_copy_only=False), np.int64)
        joined = mixed(mixed(mixed(flat[:-2], 61) ^ flat[1:-1], 61) ^ flat[2:], 61) if len(flat) > 2 else flat[:0]
        owner = np.repeat(np.arange(len(counts)), counts)
        inside = np.zeros(len(joined), np.bool_) if not len(joined) else (owner[2:] == owner[:-2]) & (counts[owner[:-2]] >= FEWEST)
        sizes = np.bincount(owner[:-2][inside], minlength=len(counts)) if len(joined) else np.zeros(len(counts), np.int64)
        study._held[key] = joined[inside], np.concatenate([[0], np.cumsum(sizes)])
    held: tuple[Array, Array] = study._held[key]
    return held


def _signatures(shingles: Array, starts: Array) -> Array:
    """Return one hash a text and band of its least shingle hashes (MinHash, Broder 1997); 0 for texts without."""
    n = len(starts) - 1
    found = np.zeros((n, _BANDS), np.uint64)
    there = np.flatnonzero(np.diff(starts) > 0)
    if not len(there):
        return found
    for band in range(_BANDS):
        joined = np.zeros(len(there), np.uint64)
        for row in range(_ROWS):
            joined = mixed(joined ^ np.minimum.reduceat(mixed(shingles, 100 + band * _ROWS + row), starts[there]), 67)
        found[there, band] = np.maximum(joined, np.uint64(1))
    return found
