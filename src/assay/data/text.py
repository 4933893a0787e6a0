"""What can be told of a text without reading it: length, words, script, language, and marks of a wrong encoding.

``properties(array, names)`` computes them for an Arrow array, ``free(array)`` says whether texts are free text rather than names or
categories, ``normal(array)`` makes copies equal that differ in case, blanks and punctuation. Only ``assay.data`` and screens use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["SCRIPTS", "free", "normal", "properties"]

Array = np.ndarray[Any, Any]

#: The scripts that are told apart, by their Unicode property; letters of any other are "other".
SCRIPTS = ("Latin", "Cyrillic", "Greek", "Arabic", "Hebrew", "Devanagari", "Bengali", "Tamil", "Telugu", "Thai", "Georgian", "Armenian",
           "Ethiopic", "Hangul", "Han", "Kana")
_KANA = r"[\p{Hiragana}\p{Katakana}]"
_BLANKLESS = frozenset({"Han", "Japanese", "Thai"})   # written without blanks between words
_LOOKED = 1000     # characters by which script and language are told
_FEWEST = 20       # different values below which a column is a list of categories
_LONG = 20         # characters, in the median, from which values are texts
_WORDS = 4         # words, in the median

# UTF-8 that was read as Latin-1 or Windows-1252: a lead byte and the continuation bytes as these show them. Â and Ã alone lead what
# Western text holds, and hardly ever stand before such a sign by right; the leads of other scripts count in pairs only.
_TAIL = "\u0080-\u00bf"
_SHOWN = "€‚ƒ„…†‡ˆ‰Š‹ŒŽ•˜™š›œžŸ"  # noqa: RUF001
_MOJIBAKE = (f"[ÂÃ][{_TAIL}]|Ã[{_SHOWN}]|â€[{_SHOWN}{_TAIL}“”‘’–—]|â\u0080[{_TAIL}]|ï»¿|ï¿½"  # noqa: RUF001
             f"|(?:[ÐÑÎÏØÙÅÄ][{_TAIL}{_SHOWN}]){{2}}|(?:[áâãäåæçèéìíî][{_TAIL}{_SHOWN}][{_TAIL}{_SHOWN}]){{2}}")
# the sign for what could not be read, controls but tab, line and page breaks, and the private area
_BROKEN = r"\x{FFFD}|[\x00-\x08\x0E-\x1F\x7F-\x{84}\x{86}-\x{9F}]|\p{Co}"


def properties(array: pa.Array, names: Sequence[str]) -> dict[str, pa.Array]:
    """Return properties of each text by name, null where there is no text.

    >>> found = properties(pa.array(["Прощай", "CafÃ© noir", ""]), ["length", "words", "script", "damage"])
    >>> [found[name].to_pylist() for name in ("length", "words", "script", "damage")]
    [[6, 10, 0], [1, 2, 0], ['Cyrillic', 'Latin', 'none'], [0.0, 0.1, 0.0]]
    """
    array = array if pa.types.is_string(array.type) else array.cast(pa.string())
    found: dict[str, pa.Array] = {}
    for name in names:
        if name == "length":
            found[name] = pc.utf8_length(array)
        elif name == "words":
            found[name] = pc.count_substring_regex(array, r"\S+")
        elif name == "script":
            found[name] = _scripts(array)
        elif name == "damage":
            marks = pc.add(pc.count_substring_regex(array, _MOJIBAKE), pc.count_substring_regex(array, _BROKEN))
            found[name] = pc.divide(marks.cast(pa.float64()), pc.max_element_wise(pc.utf8_length(array), 1, skip_nulls=False)
                                    .cast(pa.float64()))
        else:
            from assay.data._langid import languages

            found[name] = languages(pc.utf8_slice_codeunits(array, 0, _LOOKED))
    return found


def _scripts(array: pa.Array) -> pa.Array:
    """Return the script of most letters of each text; that of Japanese is "Japanese" where a tenth of its letters are kana."""
    looked = pc.utf8_slice_codeunits(array, 0, _LOOKED)
    found = np.where(_true(pc.match_substring_regex(looked, "[A-Za-z]"), False), "Latin", "none").astype(object)
    # letters are counted one by one, which is slow: only where there are others than those of ASCII
    rest = np.flatnonzero(~_true(pc.string_is_ascii(looked), True))
    if len(rest):
        some = looked.take(pa.array(rest))
        letters, latin = _counts(some, r"\p{L}"), _counts(some, r"\p{Latin}")
        found[rest] = np.where(letters == 0, "none", "Latin")
        other = 2 * latin < letters
        rest, some, letters = rest[other], some.filter(pa.array(other)), letters[other]
    if len(rest):
        counts = np.stack([_counts(some, _KANA if name == "Kana" else rf"\p{{{name}}}") for name in SCRIPTS])
        han, kana = counts[SCRIPTS.index("Han")], counts[SCRIPTS.index("Kana")]
        japanese = (kana > 0) & (10 * kana >= han + kana)
        counts[SCRIPTS.index("Kana")] += np.where(japanese, han, 0)
        most = counts.argmax(axis=0)
        known = counts.max(axis=0) > letters - counts.sum(axis=0) + np.where(japanese, han, 0)
        names = np.array([*SCRIPTS[:-1], "Japanese"], object)
        found[rest] = np.where(known, names[most], "other")
    return pa.array(found, pa.string(), mask=array.is_null().to_numpy(zero_copy_only=False))


def _true(marks: pa.Array, missing: bool) -> Array:
    return np.asarray(marks.fill_null(missing).to_numpy(zero_copy_only=False), np.bool_)


def _counts(array: pa.Array, pattern: str) -> Array:
    return np.asarray(pc.count_substring_regex(array, pattern).fill_null(0).to_numpy(zero_copy_only=False), np.int64)


def free(array: pa.Array) -> bool:
    """Whether texts are free text: of those that are not empty 20 and half differ in more than numbers, and the median has
    20 characters and four words.

    Where most are of a script without blanks between words, the length decides alone.

    >>> from itertools import product
    >>> words = ("red", "old", "wet", "odd"), ("car", "dog", "hat"), ("came late", "went off")
    >>> notes = ["the " + " ".join(each) for each in product(*words)]
    >>> free(pa.array(notes)), free(pa.array(["AA", "UA"] * 50)), free(pa.array([f"invoice number {each} of May" for each in range(50)]))
    (True, False, False)
    """
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    array = array.cast(pa.string()).drop_null()
    array = array.filter(pc.match_substring_regex(array, r"\S"))
    different = len(pc.replace_substring_regex(array, r"\p{N}+", "0").unique())   # "invoice 17 of May" is a name with many words
    if different < _FEWEST or 2 * different < len(array):
        return False
    if np.median(pc.utf8_length(array).to_numpy()) < _LONG:
        return False
    if np.median(pc.count_substring_regex(array, r"\S+").to_numpy()) >= _WORDS:
        return True
    scripts = _scripts(array).to_pylist()
    return 2 * sum(each in _BLANKLESS for each in scripts) > len(scripts)


def normal(array: pa.Array) -> pa.Array:
    """Return texts without what retyping changes: lower case, letters and digits only, single blanks; null stays null.

    >>> normal(pa.array(["  Well,  GOOD!", None])).to_pylist()
    ['well good', None]
    """
    array = array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
    plain = pc.replace_substring_regex(pc.utf8_lower(array.cast(pa.string())), r"[^\p{L}\p{N}\p{M}]+", " ")
    return pc.utf8_trim_whitespace(plain)
