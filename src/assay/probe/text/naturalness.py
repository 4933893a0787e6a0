"""How ordinary a sentence is: its mean probability a word under trigrams of a corpus, to rank what a reader sees first.

``Naturalness.of(texts)`` learns, ``score(sentence)`` says. The corpus is the user's own, as no other tells what is ordinary there; the
verbs import it.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from assay.errors import EmptyDataError
from assay.probe.text.grammar import WORD

__all__ = ["Naturalness"]

DISCOUNT = 0.75      # of Kneser and Ney (1995), the usual value
MOST = 1_000_000     # words that are read
EDGE = "\n"
UNKNOWN = 1e-3       # the share of a word of the vocabulary that one never seen has


@dataclass(frozen=True, eq=False)
class Naturalness:
    """Trigrams with interpolated Kneser-Ney smoothing (Chen and Goodman 1999); one never seen has a thousandth of a usual one's share."""

    counts: tuple[dict[tuple[str, ...], Counter[str]], ...]
    vocabulary: int
    words: int

    @classmethod
    def of(cls, texts: Iterable[str]) -> Naturalness:
        """Learn from texts, up to a million words.

        >>> model = Naturalness.of(["the tea was good", "the soup was good", "the tea was cold"])
        >>> model.score("the soup was cold") > model.score("cold was soup the") > model.score("zxq zxq")
        True
        """
        tri: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        total = 0
        for text in texts:
            words = [EDGE, EDGE, *(each.casefold() for each in WORD.findall(text)), EDGE]
            total += len(words) - 3
            for place in range(2, len(words)):
                tri[words[place - 2], words[place - 1]][words[place]] += 1
            if total >= MOST:
                break
        if not total:
            raise EmptyDataError("the corpus has no words", expected="texts like those that the model reads")
        # below the trigrams, how many different words stand before one, not how often it stands there
        two: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        for (_, middle), after in tri.items():
            for word in after:
                two[(middle,)][word] += 1
        one: dict[tuple[str, ...], Counter[str]] = {(): Counter()}
        for after in two.values():
            one[()].update(after.keys())
        return cls((one, dict(two), dict(tri)), len(one[()]), total)

    def score(self, sentence: str) -> float:
        """Return the mean natural logarithm of the probability of a word; nearer 0 is more ordinary."""
        words = [EDGE, EDGE, *(each.casefold() for each in WORD.findall(sentence)), EDGE]
        logs = [math.log(self._chance(words[place], (words[place - 2], words[place - 1]))) for place in range(2, len(words))]
        return sum(logs) / len(logs)

    def _chance(self, word: str, before: tuple[str, ...]) -> float:
        lower = self._chance(word, before[1:]) if before else UNKNOWN / max(self.vocabulary, 1)
        seen = self.counts[len(before)].get(before)
        if not seen:
            return lower
        total = seen.total()
        return max(seen[word] - DISCOUNT, 0.0) / total + DISCOUNT * len(seen) / total * lower
