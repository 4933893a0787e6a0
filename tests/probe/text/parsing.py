"""A naive parser of sentences of a grammar: all derivations, by trying every production at every place; independent of drawing."""

from __future__ import annotations

from assay.probe.text.grammar import Grammar, Tree
from assay.probe.text.tree import text

AGAIN = 2   # times that a rule may begin with itself


def derivations(grammar: Grammar, sentence: str) -> list[Tree]:
    """Return the derivations of a sentence; of a left-recursive rule those that begin with it at most ``AGAIN`` times."""
    plain = squeezed(sentence)
    active: dict[tuple[int, int], int] = {}

    def parsed(symbol: int, start: int) -> list[tuple[int, Tree]]:
        if active.get((symbol, start), 0) > AGAIN:
            return []
        active[symbol, start] = active.get((symbol, start), 0) + 1
        found = [(end, (number, children)) for number in grammar.by_symbol[symbol] for end, children in filled(number, start)]
        active[symbol, start] -= 1
        return found

    def filled(number: int, start: int) -> list[tuple[int, tuple[Tree, ...]]]:
        states: list[tuple[int, tuple[Tree, ...]]] = [(start, ())]
        for part in grammar.productions[number].parts:
            if isinstance(part, str):
                word = squeezed(part)
                states = [(at + len(word), done) for at, done in states if plain.startswith(word, at)]
            else:
                states = [(end, (*done, tree)) for at, done in states for end, tree in parsed(part, at)]
        return states

    return [tree for end, tree in parsed(grammar.start, 0) if end == len(plain) and text(grammar, tree) == sentence]


def squeezed(words: str) -> str:
    """Return letters without spaces and case, as sentences begin with a capital and spaces depend on neighbours."""
    return "".join(words.split()).casefold()
