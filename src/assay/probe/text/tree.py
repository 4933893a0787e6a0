"""Derivations: the text of one, its label, what it is made of, how far two are apart, and changes at any place.

Functions of a ``Grammar`` and a ``Tree``. Everything in ``probe.text`` imports it; the verbs import ``text`` and ``label``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from assay.probe.text.grammar import Grammar, Tree
from assay.probe.text.label import value

__all__ = ["Path", "distance", "edges", "label", "length", "nodes", "numbers", "paths", "replaced", "skeleton", "text"]

Path = tuple[int, ...]

_BEGINNING = re.compile(r"(?:^|[.!?] )\w")
_CLOSE = frozenset(",.!?;:)]}'’”%…")   # written without a space before
_OPEN = frozenset("([{“'’¿¡")          # or after


def text(grammar: Grammar, tree: Tree) -> str:
    """Return the sentence of a derivation: words with spaces between them, and punctuation where people write it.

    >>> from assay.probe.text.grammar import parse
    >>> grammar = parse('start: "Well" "," "it was" "n" "." ')
    >>> text(grammar, (0, ()))
    'Well, it was n.'
    """
    pieces: list[str] = []
    _pieces(grammar, tree, pieces)
    if not grammar.separator:
        made = "".join(pieces)
    else:
        made = _spaced(pieces, grammar.separator)
    return _BEGINNING.sub(lambda found: found[0].upper(), made) if grammar.capital else made


def _spaced(pieces: list[str], separator: str) -> str:
    out: list[str] = []
    last = ""
    for piece in pieces:
        if not piece:
            continue
        if last and piece[0] not in _CLOSE and last not in _OPEN:
            out.append(separator)
        out.append(piece)
        last = piece[-1]
    return "".join(out)


def _pieces(grammar: Grammar, tree: Tree, into: list[str]) -> None:
    number, children = tree
    productions = grammar.productions
    production = productions[number]
    if not children:
        into.extend(production.parts)  # type: ignore[arg-type]
        return
    own: list[str] = [] if grammar.fused[production.symbol] else into
    below = iter(children)
    for part in production.parts:
        if isinstance(part, str):
            own.append(part)
            continue
        child = next(below)
        if child[1]:
            _pieces(grammar, child, own)
        else:
            own.extend(productions[child[0]].parts)  # type: ignore[arg-type]
    if own is not into:
        into.append("".join(own))


def label(grammar: Grammar, tree: Tree) -> str | None:
    """Return the label that the grammar gives a sentence: None where it says nothing, ``"?"`` where nobody could tell."""
    number, children = tree
    silent = grammar.silent
    if silent[grammar.productions[number].symbol]:
        return None
    parts = [None if silent[grammar.productions[each[0]].symbol] else label(grammar, each) for each in children]
    return value(grammar.productions[number].label, parts, grammar.flips, grammar.neutral)


def nodes(tree: Tree, path: Path = ()) -> Iterator[tuple[Path, Tree]]:
    """Give each node with its path from the root, those above first."""
    waiting = [(path, tree)]
    while waiting:
        way, node = waiting.pop()
        yield way, node
        children = node[1]
        waiting += [((*way, slot), children[slot]) for slot in range(len(children) - 1, -1, -1)]


def replaced(tree: Tree, path: Path, new: Tree) -> Tree:
    """Return a tree with another one at ``path``."""
    if not path:
        return new
    number, children = tree
    slot = path[0]
    return (number, (*children[:slot], replaced(children[slot], path[1:], new), *children[slot + 1:]))


def numbers(tree: Tree) -> list[int]:
    """Return the productions of a tree, each as often as it is used."""
    found = [tree[0]]
    for child in tree[1]:
        found += numbers(child)
    return found


def edges(tree: Tree) -> list[tuple[int, int, int]]:
    """Return each step down: a production, which of its rules, and the production there."""
    number, children = tree
    found = [(number, slot, child[0]) for slot, child in enumerate(children)]
    for child in children:
        found += edges(child)
    return found


def paths(grammar: Grammar, tree: Tree) -> set[tuple[int, int]]:
    """Return the three-symbol ways down of a tree, as ``Grammar.paths`` lists those that there are."""
    return {(grammar.productions[above].symbol, below) for above, _, below in edges(tree)}


def length(sentence: str) -> int:
    """Return the number of words of a sentence."""
    return len(sentence.split())


def distance(one: Tree, other: Tree) -> float:
    """Return how far two derivations are apart, from 0 to 1: the Dice distance of their productions and steps down, as sets.

    >>> distance((0, ((1, ()),)), (0, ((1, ()),))), round(distance((0, ((1, ()),)), (0, ((2, ()),))), 2)
    (0.0, 0.67)
    """
    mine, theirs = _made_of(one), _made_of(other)
    return 1 - 2 * len(mine & theirs) / (len(mine) + len(theirs))


def _made_of(tree: Tree) -> set[object]:
    return {*numbers(tree), *edges(tree)}


def skeleton(grammar: Grammar, tree: Tree) -> str:
    """Return the structure of a derivation, with the name of its symbol for each word that others could stand for."""
    number, children = tree
    production = grammar.productions[number]
    if grammar.lexical[number]:
        return grammar.symbols[production.symbol]
    below = iter(children)
    inner = " ".join(part if isinstance(part, str) else skeleton(grammar, next(below)) for part in production.parts)
    return f"[{inner}]" if len(children) > 1 else inner
