"""What a search is measured against: independent draws from the grammar, and the walk of Ogma as it was published.

``drawn`` and ``walked`` return a ``Search``, as ``search.search`` does. ``bench/text.py`` imports them.
"""

from __future__ import annotations

from random import Random

from assay.probe.text.grammar import Grammar, Tree
from assay.probe.text.ledger import Ledger, Search, Test
from assay.probe.text.oracle import Oracle
from assay.probe.text.sampler import Sampler
from assay.probe.text.tree import nodes, replaced

__all__ = ["drawn", "walked"]

STALE = 100      # moves without a new sentence after which the walk begins anew, and draws after which the grammar is held to be empty
FRUITLESS = 20_000


def drawn(grammar: Grammar, oracle: Oracle, *, budget: int, seed: int = 0, batch: int = 50) -> Search:
    """Return the tests of independent draws by the grammar's weights, each sentence once."""
    ledger, random, sampler = Ledger(grammar, oracle, budget), Random(seed), Sampler(grammar)
    empty = 0
    while ledger.left > 0 and empty < FRUITLESS:
        trees = [sampler.drawn(random) for _ in range(min(batch, ledger.left))]
        empty = 0 if ledger.ask(trees) else empty + len(trees)
    return ledger.search("drawn", None if ledger.left <= 0 else "exhausted")


def walked(grammar: Grammar, oracle: Oracle, *, budget: int, seed: int = 0) -> Search:
    """Return the tests of Ogma's walk (Udeshi and Chattopadhyay 2019): one word is changed, and what stops failing is taken back.

    A rule that has words is drawn, then one of its places in the sentence, then another word of that rule; the structure never changes. Two
    things are added, without which it stands still: no sentence is asked twice, and after 100 moves without a new one it begins anew.
    """
    ledger, random, sampler = Ledger(grammar, oracle, budget), Random(seed), Sampler(grammar)
    empty = 0
    while ledger.left > 0 and empty < FRUITLESS:
        begun = ledger.ask([sampler.drawn(random)])
        empty = 0 if begun else empty + 1
        if begun:
            _walk(ledger, begun[0], random)
    return ledger.search("walked", None if ledger.left <= 0 else "exhausted")


def _walk(ledger: Ledger, current: Test, random: Random) -> None:
    stale = 0
    while ledger.left > 0 and stale < STALE:
        tree = _moved(ledger.grammar, current.tree, random)
        asked = ledger.ask([tree]) if tree is not None else []
        stale = 0 if asked else stale + 1
        if asked and not (current.fails and not asked[0].fails):
            current = asked[0]


def _moved(grammar: Grammar, tree: Tree, random: Random) -> Tree | None:
    places: dict[int, list[tuple[tuple[int, ...], int]]] = {}
    for path, (number, children) in nodes(tree):
        if not children and grammar.lexical[number]:
            places.setdefault(grammar.productions[number].symbol, []).append((path, number))
    if not places:
        return None
    symbol = random.choice(sorted(places))
    path, number = random.choice(places[symbol])
    others = [each for each in grammar.by_symbol[symbol] if grammar.lexical[each] and each != number]
    return replaced(tree, path, (random.choice(others), ()))
