"""A failing sentence made short within the grammar, and what is left of it as the cause of the fault.

``shrunk(...)`` returns a ``Cause``. ``probe.text.search`` uses it while it searches, the verbs on what is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from assay.probe.text.grammar import Grammar, Tree
from assay.probe.text.oracle import Oracle, Outcome
from assay.probe.text.tree import Path, label, nodes, replaced, skeleton, text

__all__ = ["CALLS", "Cause", "asking", "shrunk"]

CALLS = 60    # sentences asked to shrink one

Ask = Callable[[Tree], Outcome | None]


@dataclass(frozen=True)
class Cause:
    """What is left of a fault: a derivation that still fails with the same answers; ``calls`` sentences were asked to find it."""

    tree: Tree
    text: str
    skeleton: str
    answers: tuple[str | None, ...]
    calls: int
    before: str
    contrast: str | None = None

    @property
    def key(self) -> tuple[str, tuple[str | None, ...]]:
        """What tells causes apart: the structure that is left, and what was answered."""
        return self.skeleton, self.answers


def asking(grammar: Grammar, oracle: Oracle) -> Ask:
    """Return a function that asks an oracle about one derivation, and remembers its answers by sentence."""
    known: dict[str, Outcome | None] = {}

    def ask(tree: Tree) -> Outcome | None:
        sentence = text(grammar, tree)
        if sentence not in known:
            said = label(grammar, tree)
            known[sentence] = oracle.ask([sentence], [said])[0] if oracle.fits(sentence, said) else None
        return known[sentence]

    return ask


def shrunk(grammar: Grammar, tree: Tree, outcome: Outcome, ask: Ask, *, calls: int = CALLS) -> Cause:
    """Return the shortest derivation found, from ``tree``, that gets the same answers and fails; it is a sentence of the grammar.

    A node is replaced by one below it of the same rule, by another production that takes over what fits, or by the least tree of its rule;
    the shortest that still fails is gone on with. Then words that others could stand for are replaced by the first of their rule.
    """
    used = 0
    tried = {text(grammar, tree)}
    best, last = tree, outcome
    for smaller in (_reductions, _plainer):
        moving = True
        while moving and used < calls:
            moving = False
            for candidate in smaller(grammar, best):
                sentence = text(grammar, candidate)
                if sentence in tried:
                    continue
                if used >= calls:
                    break
                tried.add(sentence)
                used += 1
                found = ask(candidate)
                if found is not None and found.fails and found.answers == outcome.answers:
                    best, last, moving = candidate, found, True
                    break
    return Cause(best, text(grammar, best), skeleton(grammar, best), outcome.answers, used, text(grammar, tree), last.contrast)


def _reductions(grammar: Grammar, tree: Tree) -> Iterator[Tree]:
    """Give shorter derivations, the shortest first."""
    known: dict[Tree, tuple[int, int]] = {}
    words, size = _cost(grammar, tree, known)
    found: list[tuple[int, int, int, Path, Tree]] = []
    for path, node in nodes(tree):
        less, fewer = known[node]
        for new in _smaller(grammar, node):
            more, others = _cost(grammar, new, known)
            if (more, others) < (less, fewer):
                found.append((words - less + more, size - fewer + others, len(found), path, new))
    return (replaced(tree, path, new) for *_, path, new in sorted(found))


def _cost(grammar: Grammar, tree: Tree, known: dict[Tree, tuple[int, int]]) -> tuple[int, int]:
    """Return the words and the productions of a derivation; those of trees within it are remembered."""
    if tree not in known:
        below = [_cost(grammar, child, known) for child in tree[1]]
        known[tree] = (grammar.words[tree[0]] + sum(one for one, _ in below), 1 + sum(other for _, other in below))
    return known[tree]


def _smaller(grammar: Grammar, node: Tree) -> Iterator[Tree]:
    number, children = node
    if not children:
        return
    symbol = grammar.productions[number].symbol
    for path, below in nodes(node):
        if path and grammar.productions[below[0]].symbol == symbol:
            yield below
    least = grammar.smallest[symbol]
    if least != node:
        yield least
    for other in grammar.by_symbol[symbol]:
        if other != number:
            yield _taken_over(grammar, other, children)


def _taken_over(grammar: Grammar, number: int, children: Sequence[Tree]) -> Tree:
    """Return another production with the children that fit it, and the least trees elsewhere."""
    spare = list(children)
    chosen: list[Tree] = []
    for symbol in grammar.productions[number].children:
        fitting = next((each for each in spare if grammar.productions[each[0]].symbol == symbol), None)
        if fitting is not None:
            spare.remove(fitting)
        chosen.append(fitting or grammar.smallest[symbol])
    return (number, tuple(chosen))


def _plainer(grammar: Grammar, tree: Tree) -> Iterator[Tree]:
    """Give derivations of the same structure one word of which is the first of its rule."""
    for path, (number, _) in nodes(tree):
        first = grammar.by_symbol[grammar.productions[number].symbol]
        plain = next(each for each in first if grammar.lexical[each]) if grammar.lexical[number] else number
        if plain != number:
            yield replaced(tree, path, (plain, ()))
