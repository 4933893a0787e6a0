"""The language of a text by py3langid, the one file that knows that library."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.errors import MissingExtraError

__all__ = ["languages"]

UNCLEAR = "unclear"
_SURE = 0.9      # probability below which a language is unclear
_LETTERS = 25    # letters below which it is: what the library says of single words is chance


def languages(array: pa.Array) -> pa.Array:
    """Return the language of each text as an ISO 639 code; null where there is no text, "unclear" where it cannot be told.

    >>> languages(pa.array(["This sentence is long enough to be told", "ok", None])).to_pylist()
    ['en', 'unclear', None]
    """
    identifier = _identifier()
    letters = pc.count_substring_regex(array, r"\p{L}").fill_null(0).to_numpy(zero_copy_only=False)
    found = np.full(len(array), UNCLEAR, object)
    for place in np.flatnonzero(letters >= _LETTERS):
        code, probability = identifier.classify(array[int(place)].as_py())
        if probability >= _SURE:
            found[place] = str(code)
    return pa.array(found, pa.string(), mask=array.is_null().to_numpy(zero_copy_only=False))


@functools.cache
def _identifier() -> Any:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError as error:
        raise MissingExtraError.of("py3langid", "to tell languages", "language") from error
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
