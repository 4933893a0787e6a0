"""A failing sentence made short within the grammar, and what is left of it as the cause of the fault.

``shrunk(...)`` returns a ``Cause``, ``causes(...)`` those of many faults with how many each explains. ``probe.text.search`` uses the first
while it searches, the verbs both on what is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from assay.probe.text.grammar import Grammar, Tree
from assay.probe.text.ledger import Test
from assay.probe.text.oracle import Oracle, Outcome
from assay.probe.text.tree import Path, label, nodes, numbers, replaced, skeleton, text

__all__ = ["CALLS", "Cause", "asking", "causes", "shrunk"]

CALLS = 60    # sentences asked to shrink one
WAVE = 25     # faults that are shrunk side by side

Ask = Callable[[Tree], Outcome | None]
Answers = tuple[str | None, ...]


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
    the shortest that still fails is gone on with. Then each part becomes the first of its rule that is as short, words and structure, so
    that what is left differs only where the fault does.
    """
    steps = _steps(grammar, tree, outcome, calls)
    try:
        candidate = next(steps)
        while True:
            candidate = steps.send(ask(candidate))
    except StopIteration as done:
        made: Cause = done.value
        return made


def _steps(grammar: Grammar, tree: Tree, outcome: Outcome, calls: int) -> Generator[Tree, Outcome | None, Cause]:
    """Give each derivation that is to be asked, take what came of it, and return the cause."""
    used = 0
    tried = {text(grammar, tree)}
    best, last = tree, outcome
    moving = True
    while moving and used < calls:
        moving = False
        for candidate in chain(_reductions(grammar, best), _plainer(grammar, best)):
            sentence = text(grammar, candidate)
            if sentence in tried:
                continue
            if used >= calls:
                break
            tried.add(sentence)
            used += 1
            found = yield candidate
            if found is not None and found.fails and found.answers == outcome.answers:
                best, last, moving = candidate, found, True
                break
    return Cause(best, text(grammar, best), skeleton(grammar, best), outcome.answers, used, text(grammar, tree), last.contrast)


def causes(grammar: Grammar, oracle: Oracle, faults: Sequence[Test], *, calls: int = CALLS) -> list[tuple[Cause, int]]:
    """Return the different causes of all ``faults``, and how many faults each explains, the most first.

    The shortest faults come first. One that got the answers of a cause known by then, and has all productions of it that are not those of
    the least tree, is explained by it and asks nothing; any other is shrunk. Who found the faults, and in what order, makes no difference.
    """
    found: dict[tuple[str, Answers], tuple[Cause, int]] = {}
    needs: dict[Answers, list[tuple[int, Cause]]] = {}
    known: dict[str, Outcome | None] = {}
    waiting = sorted(faults, key=lambda one: (len(numbers(one.tree)), one.text))

    def explaining(each: Test) -> Cause | None:
        own = bits(each.tree)
        return next((one for must, one in needs.get(each.outcome.answers, []) if own & must == must), None)

    while waiting:
        wave, waiting = waiting[:WAVE], waiting[WAVE:]
        unknown = [each for each in wave if explaining(each) is None]
        made = dict(zip((each.text for each in unknown), _together(grammar, oracle, unknown, known, calls), strict=True))
        for each in wave:
            cause = explaining(each)
            if cause is None:
                cause = made[each.text]
                needs.setdefault(cause.answers, []).append((essential(grammar, cause.tree), cause))
            first, count = found.get(cause.key, (cause, 0))
            found[cause.key] = (first, count + 1)
    return sorted(found.values(), key=lambda one: (-one[1], one[0].text))


def _together(grammar: Grammar, oracle: Oracle, faults: Sequence[Test], known: dict[str, Outcome | None], calls: int) -> list[Cause]:
    """Return what ``shrunk`` does of each, with one question to the oracle for a step of all."""
    running = [_steps(grammar, each.tree, each.outcome, calls) for each in faults]
    made: list[Cause | None] = [None] * len(faults)
    answers: dict[int, Outcome | None] = dict.fromkeys(range(len(faults)))
    begun = False
    while answers:
        asked: dict[int, tuple[str, Tree]] = {}
        for place, answer in answers.items():
            try:
                tree = running[place].send(answer if begun else None)
                asked[place] = (text(grammar, tree), tree)
            except StopIteration as done:
                made[place] = done.value
        begun = True
        new: dict[str, str | None] = {}
        for sentence, tree in asked.values():
            if sentence not in known and sentence not in new:
                said = label(grammar, tree)
                if oracle.fits(sentence, said):
                    new[sentence] = said
                else:
                    known[sentence] = None
        if new:
            known.update(zip(new, oracle.ask(list(new), list(new.values())), strict=True))
        answers = {place: known[sentence] for place, (sentence, _) in asked.items()}
    return [each for each in made if each is not None]


def bits(tree: Tree) -> int:
    """Return the productions of a derivation as bits of a number."""
    found = 0
    for number in numbers(tree):
        found |= 1 << number
    return found


def essential(grammar: Grammar, tree: Tree) -> int:
    """Return, as bits, the productions of a shrunk derivation that are not those of the least tree of their rule."""
    if tree == grammar.smallest[grammar.productions[tree[0]].symbol] or tree[0] == _plain(grammar, tree[0]):
        return 0
    found = 1 << tree[0]
    for child in tree[1]:
        found |= essential(grammar, child)
    return found


def _plain(grammar: Grammar, number: int) -> int | None:
    """Return the word by which a choice of words is made plain."""
    if not grammar.lexical[number]:
        return None
    return next(each for each in grammar.by_symbol[grammar.productions[number].symbol] if grammar.lexical[each])


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
    """Give derivations that are as short, in which one part stands earlier in its rule."""
    known: dict[Tree, tuple[int, int]] = {}
    for path, (number, children) in nodes(tree):
        plain = _plain(grammar, number)
        if plain is not None:
            if plain != number:
                yield replaced(tree, path, (plain, ()))
            continue
        cost = _cost(grammar, (number, children), known)
        for other in grammar.by_symbol[grammar.productions[number].symbol]:
            if other == number:
                break
            new = _taken_over(grammar, other, children)
            if _cost(grammar, new, known) == cost:
                yield replaced(tree, path, new)
