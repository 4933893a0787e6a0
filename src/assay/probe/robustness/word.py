"""Texts in which the fewest words are replaced until they are answered otherwise: by synonyms of a list, or by typing errors.

``evaded(question, texts, ...)`` returns a ``Rewording`` of each text that it found one of. Only what the user lists as synonyms is said
to mean the same; a typing error changes one letter of a word. The verbs import it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.probe.robustness.question import Question, Said

__all__ = ["Rewording", "evaded", "substitutes"]

Array = np.ndarray[Any, Any]

WORD = re.compile(r"\w+(?:'\w+)?")
TYPED = 3          # typing errors of a word that are tried
FEWEST = 4         # letters of a word that is mistyped
TRIED = 400        # single replacements of a text that are asked
LONGEST = 50       # words that are replaced together before the fewest of them are kept
ORDERS = 3         # orders in which they are added, where there are no scores to go by


@dataclass(frozen=True, eq=False)
class Rewording:
    """A text, by its place, that is answered ``said`` and not ``was`` with ``words`` replaced: pairs of what was there and what is."""

    row: int
    before: str
    after: str
    was: Any
    said: Any
    words: tuple[tuple[str, str], ...]


def substitutes(text: str, synonyms: Mapping[str, Sequence[str]], *, typos: bool = False, seed: int = 0) -> list[tuple[int, int, str]]:
    """Return what words of a text may become, as start, end and replacement: synonyms by the list, and with ``typos`` typing errors.

    >>> substitutes("A good film", {"good": ["fine"]})
    [(2, 6, 'fine')]
    """
    rng = np.random.default_rng([seed, 71])
    found = []
    for match in WORD.finditer(text):
        word, (start, end) = match[0], match.span()
        others = (each for each in synonyms.get(word, synonyms.get(word.lower(), ())) if each.lower() != word.lower())
        found += [(start, end, each.capitalize() if word[0].isupper() else each) for each in others]
        if typos and len(word) >= FEWEST and word.isalpha():
            found += [(start, end, each) for each in _typos(word, rng)]
    return found


def _typos(word: str, rng: np.random.Generator) -> list[str]:
    out: list[str] = []
    for place in rng.permutation(np.arange(1, len(word) - 1))[:TYPED]:   # the first and the last letter are what one reads by
        swapped = word[:place] + word[place + 1] + word[place] + word[place + 2:] if place + 2 < len(word) else word
        for made in (swapped, word[:place] + word[place + 1:]):
            if made != word and made not in out:
                out.append(made)
                break
    return out


def evaded(question: Question, texts: Sequence[str], *, synonyms: Mapping[str, Sequence[str]] | None = None, typos: bool = False,
           share: float = 0.25, seed: int = 0) -> tuple[list[Rewording], int]:
    """Return rewordings that flip the answer, with at most a ``share`` of the words replaced (one at least), and how many texts were tried.

    Every single replacement is asked. Where none flips, replacements are added, with scores the one that lowers the answer's most first,
    without in the order of a draw, and then put back one by one while the answer stays another.

    >>> def ask(texts):
    ...     return Said(np.array([int(("good" in each) + ("great" in each) > 0) for each in texts]))
    >>> words = {"good": ["fine"], "great": ["grand"]}
    >>> found, tried = evaded(Question(ask), ["a good and great film", "a bad film"], synonyms=words, share=0.5)
    >>> found[0].after, found[0].words, tried
    ('a fine and grand film', (('good', 'fine'), ('great', 'grand')), 2)
    """
    first = question(list(texts))
    found, tried = [], 0
    for row, text in enumerate(texts):
        if question.left < TRIED:
            break
        tried += 1
        options = substitutes(text, synonyms or {}, typos=typos, seed=seed + row)
        if len(options) > TRIED:
            kept = np.random.default_rng([seed, 72, row]).choice(len(options), TRIED, replace=False)
            options = [options[each] for each in np.sort(kept)]
        if not options:
            continue
        most = max(1, int(share * len(WORD.findall(text))))
        chosen = _chosen(question, text, options, first[row:row + 1], most, np.random.default_rng([seed, 73, row]))
        if chosen:
            after = _replaced(text, chosen)
            said = question([after]).decision[0]
            words = tuple((text[start:end], new) for start, end, new in sorted(chosen))
            found.append(Rewording(row, text, after, first.decision[row], said, words))
    return found, tried


def _chosen(question: Question, text: str, options: list[tuple[int, int, str]], was: Said, most: int,
            rng: np.random.Generator) -> list[tuple[int, int, str]]:
    """Return the replacements that flip the answer, the fewest that were found; none where none do."""
    said = question([_replaced(text, [each]) for each in options])
    hit = question.differ(np.repeat(was.decision, len(options)), said.decision)
    if hit.any():
        return [options[int(np.flatnonzero(hit)[0])]]
    scored = said.score is not None and was.score is not None and np.issubdtype(was.decision.dtype, np.integer)
    order = np.argsort(said.score[:, int(was.decision[0])], kind="stable") if scored and said.score is not None else None
    for _ in range(1 if scored else ORDERS):
        kept = _added(question, text, options, was, order if order is not None else rng.permutation(len(options)))
        kept = _fewer(question, text, kept, was)
        if 0 < len(kept) <= most:
            return kept
    return []


def _added(question: Question, text: str, options: list[tuple[int, int, str]], was: Said, order: Array) -> list[tuple[int, int, str]]:
    """Return replacements of words, added in an order until the answer flips; none where it never does."""
    trials: list[list[tuple[int, int, str]]] = []
    for each in order:
        last = trials[-1] if trials else []
        if all(options[each][0] != start for start, _, _ in last):
            trials.append([*last, options[each]])
        if len(trials) == LONGEST:
            break
    hit = question.differ(np.repeat(was.decision, len(trials)), question([_replaced(text, each) for each in trials]).decision)
    return trials[int(np.flatnonzero(hit)[0])] if hit.any() else []


def _fewer(question: Question, text: str, kept: list[tuple[int, int, str]], was: Said) -> list[tuple[int, int, str]]:
    while len(kept) > 1:
        trials = [kept[:place] + kept[place + 1:] for place in range(len(kept))]
        hit = question.differ(np.repeat(was.decision, len(trials)), question([_replaced(text, each) for each in trials]).decision)
        if not hit.any():
            break
        kept = trials[int(np.flatnonzero(hit)[0])]
    return kept


def _replaced(text: str, chosen: Sequence[tuple[int, int, str]]) -> str:
    for start, end, new in sorted(chosen, reverse=True):
        text = text[:start] + new + text[end:]
    return text
