"""Drawing of derivations: by the weights of the grammar or others, within a height and a size.

``Sampler`` is the interface; the search, its references and the shrinking use it.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate
from random import Random

from assay.probe.text.grammar import Grammar, Tree

__all__ = ["HEIGHT", "SIZE", "Sampler"]

HEIGHT = 14    # levels above those that the least sentence needs
SIZE = 70      # productions after which only the least is added


class Sampler:
    """Draws trees of a grammar; ``weights`` of productions, if given, stand for those of the grammar.

    >>> from assay.probe.text.grammar import parse
    >>> from assay.probe.text.tree import text
    >>> grammar = parse('start: "so" start | "it is" quality' + chr(10) + 'quality: "good" | "bad" @ 0.001')
    >>> text(grammar, Sampler(grammar).drawn(Random(3)))
    'so it is good'
    """

    def __init__(self, grammar: Grammar, weights: Sequence[float] | None = None, *, height: int = HEIGHT, size: int = SIZE):
        self.grammar = grammar
        given = weights if weights is not None else [each.weight for each in grammar.productions]
        self.sums = [list(accumulate(given[number] for number in numbers)) for numbers in grammar.by_symbol]
        self.low = [min(grammar.heights[number] for number in numbers) for numbers in grammar.by_symbol]
        self.high = [max(grammar.heights[number] for number in numbers) for numbers in grammar.by_symbol]
        self.height = height + self.low[grammar.start]
        self.size = size
        self.left = 0

    def drawn(self, random: Random, symbol: int | None = None, *, depth: int = 0, size: int | None = None) -> Tree:
        """Return a tree of ``symbol`` (the start) that stands ``depth`` levels down, of about ``size`` productions at most."""
        self.left = self.size if size is None else size
        wanted = self.grammar.start if symbol is None else symbol
        return self._drawn(wanted, max(self.height - depth, self.low[wanted]), random)

    def _drawn(self, symbol: int, levels: int, random: Random) -> Tree:
        self.left -= 1
        grammar = self.grammar
        choices = grammar.by_symbol[symbol]
        if self.left <= 0:
            number = min(choices, key=lambda each: (grammar.heights[each], random.random()))
        elif self.high[symbol] <= levels - 1 or len(choices) == 1:
            sums = self.sums[symbol]
            number = choices[min(bisect(sums, random.random() * sums[-1]), len(choices) - 1)]
        else:
            places = [index for index, each in enumerate(choices) if grammar.heights[each] <= levels]
            sums, fitting = self.sums[symbol], [choices[index] for index in places]
            given = [sums[index] - (sums[index - 1] if index else 0.0) for index in places]
            number = random.choices(fitting, given)[0] if sum(given) > 0 else random.choice(fitting)
        children = grammar.productions[number].children
        if not children:
            return (number, ())
        return (number, tuple([self._drawn(child, levels - 1, random) for child in children]))
