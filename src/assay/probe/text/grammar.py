"""A context-free grammar of sentences: its productions, checked and measured, from a file or one of those that are shipped.

``load(name_or_file, corpus=...)`` and ``parse(text)`` give a ``Grammar``; ``shipped()`` names those that come with assay. Everything in
``probe.text`` reads it; the verbs import ``load``.
"""

from __future__ import annotations

import heapq
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TypeVar

from assay.errors import ConfigError, UnknownNameError, nearest
from assay.probe.text.label import UNDEFINED, Label
from assay.probe.text.syntax import Alternative, Mine, Place, Reference, Script, read

__all__ = ["Grammar", "Production", "Tree", "load", "parse", "shipped"]

Cost = TypeVar("Cost", int, tuple[int, int])
Tree = tuple[int, tuple["Tree", ...]]   # a production's number, and the trees of its rules in order

TALLEST = 100          # levels that the least sentence of a rule may have
LARGEST = 400          # productions that the least sentence of a rule may have: trees are walked by recursion
ENUMERABLE = 10**9     # derivations that are counted one by one
HUGE = 10**12         # from which on costs are not told apart
FILE = 5_000_000       # letters of a file of words
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*|\d+|[^\w\s]")


@dataclass(frozen=True)
class Production:
    """One way to write ``symbol``: texts, and the numbers of other symbols; ``children`` are the latter alone."""

    number: int
    symbol: int
    parts: tuple[str | int, ...]
    children: tuple[int, ...]
    weight: float
    label: Label | None
    place: Place
    name: str


@dataclass(frozen=True, eq=False)
class Grammar:
    """Productions by number and by symbol; the first symbol named ``start``, else the first one, is where sentences begin."""

    name: str
    symbols: tuple[str, ...]
    productions: tuple[Production, ...]
    start: int
    flips: Mapping[str, str] = field(default_factory=dict)
    neutral: str | None = None
    separator: str = " "
    capital: bool = False
    unreachable: tuple[str, ...] = ()

    @cached_property
    def by_symbol(self) -> tuple[tuple[int, ...], ...]:
        """The productions of each symbol."""
        found: list[list[int]] = [[] for _ in self.symbols]
        for each in self.productions:
            found[each.symbol].append(each.number)
        return tuple(tuple(each) for each in found)

    @cached_property
    def heights(self) -> tuple[int, ...]:
        """The levels of the least tree that begins with each production."""
        return tuple(value for _, value in sorted(_least(self, _height)[0].items()))

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """The productions of the smallest tree that begins with each production."""
        return tuple(value for _, value in sorted(_least(self, _size)[0].items()))

    @cached_property
    def words(self) -> tuple[int, ...]:
        """The words that each production writes itself."""
        return tuple(sum(len(part.split()) for part in each.parts if isinstance(part, str)) for each in self.productions)

    @cached_property
    def lexical(self) -> tuple[bool, ...]:
        """Whether each production is words only, one of several that its symbol offers: a choice of words, not of structure."""
        return tuple(not each.children and sum(not self.productions[other].children for other in self.by_symbol[each.symbol]) > 1
                     for each in self.productions)

    @cached_property
    def silent(self) -> tuple[bool, ...]:
        """Whether nothing that a symbol writes has a label."""
        speaking = {each.symbol for each in self.productions if each.label is not None}
        before = -1
        while before < len(speaking):
            before = len(speaking)
            speaking |= {each.symbol for each in self.productions if speaking.intersection(each.children)}
        return tuple(symbol not in speaking for symbol in range(len(self.symbols)))

    @cached_property
    def fused(self) -> tuple[bool, ...]:
        """Whether a symbol is written as one word: Lark's terminals, whose names are in capitals."""
        return tuple(name.split("__")[0].isupper() for name in self.symbols)

    @cached_property
    def recursive(self) -> bool:
        """Whether a symbol may stand within itself, so that there is no end of sentences."""
        state = [0] * len(self.symbols)
        stack: list[tuple[int, Iterator[int]]] = []
        for root in range(len(self.symbols)):
            if state[root] == 0:
                state[root] = 1
                stack.append((root, iter(self._below(root))))
            while stack:
                symbol, below = stack[-1]
                child = next(below, None)
                if child is None:
                    state[symbol] = 2
                    stack.pop()
                elif state[child] == 1:
                    return True
                elif state[child] == 0:
                    state[child] = 1
                    stack.append((child, iter(self._below(child))))
        return False

    def _below(self, symbol: int) -> list[int]:
        return sorted({child for each in self.by_symbol[symbol] for child in self.productions[each].children})

    @cached_property
    def size(self) -> float:
        """The number of derivations; infinite for a recursive grammar, and where there are more than 10**300."""
        if self.recursive:
            return math.inf
        known: dict[int, float] = {}
        for symbol in self._upwards():
            known[symbol] = sum(math.prod((known[child] for child in self.productions[each].children), start=1.0)
                                for each in self.by_symbol[symbol])
        return known[self.start]

    def _upwards(self) -> list[int]:
        """Return the symbols of a grammar without recursion, those within others first."""
        order: dict[int, None] = {}
        stack = [(self.start, False)]
        while stack:
            symbol, done = stack.pop()
            if done:
                order[symbol] = None
            elif symbol not in order:
                stack.append((symbol, True))
                stack.extend((child, False) for child in self._below(symbol) if child not in order)
        return list(order)

    def trees(self) -> Iterator[Tree]:
        """Give every derivation of a grammar without recursion, in order.

        >>> from assay.probe.text.tree import text
        >>> grammar = parse('start: one "!"' + chr(10) + 'one: "a" | "b"')
        >>> [text(grammar, each) for each in grammar.trees()]
        ['a!', 'b!']
        """
        if self.size > ENUMERABLE:
            raise ConfigError("there are too many sentences to write them all", where=self.name)
        return self._trees(self.start)

    def _trees(self, symbol: int) -> Iterator[Tree]:
        for number in self.by_symbol[symbol]:
            yield from self._filled(number, self.productions[number].children, ())

    def _filled(self, number: int, children: tuple[int, ...], done: tuple[Tree, ...]) -> Iterator[Tree]:
        if len(done) == len(children):
            yield (number, done)
            return
        for each in self._trees(children[len(done)]):
            yield from self._filled(number, children, (*done, each))

    @cached_property
    def smallest(self) -> tuple[Tree, ...]:
        """The smallest tree of each symbol: the fewest words, then the fewest productions, then what stands first."""
        words = self.words
        best = _least(self, lambda number, below: (words[number] + sum(one for one, _ in below), 1 + sum(other for _, other in below)))[1]
        made: dict[int, Tree] = {}

        def tree(symbol: int) -> Tree:
            if symbol not in made:
                number = best[symbol]
                made[symbol] = (number, tuple(tree(child) for child in self.productions[number].children))
            return made[symbol]

        return tuple(tree(symbol) for symbol in range(len(self.symbols)))

    @cached_property
    def labels(self) -> frozenset[str]:
        """The labels that its productions name, and their opposites."""
        found: set[str] = set()
        waiting = [each.label for each in self.productions if each.label is not None]
        while waiting:
            label = waiting.pop()
            waiting += label.terms
            if label.kind == "constant" and label.text != UNDEFINED:
                found |= {label.text, self.flips.get(label.text, label.text)}
        return frozenset(found)

    @cached_property
    def paths(self) -> frozenset[tuple[int, int]]:
        """Every way down of three symbols, of which the last is that of a word or of another rule: pairs (symbol, production below it)."""
        return frozenset((each.symbol, below) for each in self.productions for child in each.children for below in self.by_symbol[child])


def _least(grammar: Grammar, cost: Callable[[int, list[Cost]], Cost]) -> tuple[dict[int, Cost], dict[int, int]]:
    """Return the least cost of the trees of each production that has any, and of each symbol the production of its least tree.

    ``cost`` is that of a production from those of the least trees below it, and more than each: so the symbol that is cheapest now never
    gets cheaper (Knuth 1977, a generalization of Dijkstra's algorithm).
    """
    waiting = [len(set(each.children)) for each in grammar.productions]
    within: dict[int, list[int]] = {}
    for each in grammar.productions:
        for child in set(each.children):
            within.setdefault(child, []).append(each.number)
    found = {each.number: cost(each.number, []) for each in grammar.productions if not each.children}
    heap = [(value, number) for number, value in found.items()]
    heapq.heapify(heap)
    best: dict[int, int] = {}
    while heap:
        _, number = heapq.heappop(heap)
        symbol = grammar.productions[number].symbol
        if symbol in best:
            continue
        best[symbol] = number
        for above in within.get(symbol, ()):
            waiting[above] -= 1
            if waiting[above] == 0:
                found[above] = cost(above, [found[best[child]] for child in grammar.productions[above].children])
                heapq.heappush(heap, (found[above], above))
    return found, best


def _height(number: int, below: list[int]) -> int:
    return min(1 + max(below, default=0), HUGE)


def _size(number: int, below: list[int]) -> int:
    return min(1 + sum(below), HUGE)


# from files ---------------------------------------------------------------------------------------------------------------


def shipped() -> tuple[str, ...]:
    """Return the names of the grammars that come with assay.

    >>> "sentiment" in shipped()
    True
    """
    folder = resources.files("assay.probe.text") / "grammars"
    return tuple(sorted(each.name.removesuffix(".lark") for each in folder.iterdir() if each.name.endswith(".lark")))


def load(source: str | Path, *, corpus: Iterable[str] = ()) -> Grammar:
    """Return a grammar from a file, or one of those that are shipped; what it mines, it mines from the texts of ``corpus``."""
    name = str(source)
    if name in shipped():
        text = (resources.files("assay.probe.text") / "grammars" / f"{name}.lark").read_text("utf-8")
        return parse(text, name, corpus=corpus)
    path = Path(source)
    if not path.is_file():
        if path.suffix or path.parent != Path():
            raise ConfigError("there is no such grammar", where=name, expected=f"a file, or one of {', '.join(shipped())}")
        raise UnknownNameError.among("grammar", name, shipped())
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the grammar cannot be read ({type(error).__name__})", where=name, expected="a text file in UTF-8") from error
    return parse(text, path.name, folder=path.parent, corpus=corpus)


def parse(text: str, where: str = "grammar", *, folder: Path | None = None, corpus: Iterable[str] = ()) -> Grammar:
    """Return the grammar that a text describes; files of words are looked for in ``folder`` and below it.

    Raises ``ConfigError`` with line and column for rules that are not defined, that never end, or whose least sentence is too large.

    >>> grammar = parse('start: "it is" quality' + chr(10) + 'quality: "good" = "positive" | "bad" = "negative" | "very" quality')
    >>> len(grammar.productions), grammar.recursive, sorted(grammar.labels)
    (4, True, ['negative', 'positive'])
    """
    script = read(text, where)
    alternatives = [*script.alternatives, *_slots(script, folder, corpus)]
    if not alternatives:
        raise ConfigError("the grammar has no rules", where=where, expected='a rule such as  start: "it is" quality')
    return _measured(_made(where, script, alternatives))


def _made(where: str, script: Script, alternatives: Sequence[Alternative]) -> Grammar:
    symbols = tuple(dict.fromkeys(each.name for each in alternatives))
    number = {name: index for index, name in enumerate(symbols)}
    written = [name for name in symbols if "__" not in name]
    productions = []
    for index, each in enumerate(alternatives):
        for item in each.items:
            if isinstance(item, Reference) and item.name not in number:
                guess = nearest(item.name, written)
                raise ConfigError(f"there is no rule '{item.name}'", where=str(item.place), expected=f"one of {', '.join(written[:12])}",
                                  hint=f"did you mean '{guess}'?" if guess else None)
        parts = tuple(number[item.name] if isinstance(item, Reference) else item for item in each.items)
        shown = each.alias or f"{each.name}: {' '.join(item.name if isinstance(item, Reference) else item for item in each.items)}"
        productions.append(Production(index, number[each.name], parts, tuple(part for part in parts if isinstance(part, int)),
                                      each.weight, each.label, each.place, shown.strip()))
    return Grammar(where, symbols, tuple(productions), number.get("start", 0), script.flips, script.neutral, script.separator,
                   script.capital)


def _measured(grammar: Grammar) -> Grammar:
    """Return a grammar every rule of which ends, and whose least sentences are of a size that can be made."""
    least = _least(grammar, _height)[0]
    endless = {symbol for symbol, numbers in enumerate(grammar.by_symbol)
               if not any(each in least and grammar.productions[each].weight > 0 for each in numbers)}
    if endless:
        symbol = _endless(grammar, endless)
        raise ConfigError(f"the rule '{grammar.symbols[symbol]}' never ends: all its alternatives need it again, or weigh nothing",
                          where=str(grammar.productions[grammar.by_symbol[symbol][0]].place), expected="an alternative that ends")
    for symbol, numbers in enumerate(grammar.by_symbol):
        if min(least[each] for each in numbers if each in least and grammar.productions[each].weight > 0) > TALLEST:
            raise ConfigError(f"the least sentence of '{grammar.symbols[symbol]}' has more than {TALLEST} levels",
                              where=str(grammar.productions[numbers[0]].place))
    alive = [each for each in grammar.productions if each.number in least and each.weight > 0]
    renumbered = tuple(replace(each, number=index) for index, each in enumerate(alive))
    grammar = replace(grammar, productions=renumbered)
    for symbol, numbers in enumerate(grammar.by_symbol):
        if min(grammar.sizes[each] for each in numbers) > LARGEST:
            raise ConfigError(f"the least sentence of '{grammar.symbols[symbol]}' is made of more than {LARGEST:,} productions",
                              where=str(grammar.productions[numbers[0]].place))
    seen = {grammar.start}
    waiting = [grammar.start]
    while waiting:
        for child in grammar._below(waiting.pop()):
            if child not in seen:
                seen.add(child)
                waiting.append(child)
    lost = tuple(name for index, name in enumerate(grammar.symbols) if index not in seen and "__" not in name)
    return replace(grammar, unreachable=lost)


def _endless(grammar: Grammar, among: set[int]) -> int:
    """Return a rule that never ends by its own fault: going down from one to the next, the first that comes again, or has no next."""
    symbol, seen = min(among), set[int]()
    while symbol not in seen:
        seen.add(symbol)
        symbol = next((each for each in grammar._below(symbol) if each in among), symbol)
    return symbol


# slots --------------------------------------------------------------------------------------------------------------------


def _slots(script: Script, folder: Path | None, corpus: Iterable[str]) -> Iterator[Alternative]:
    mined = [each for each in script.mines if each.patterns]
    texts = list(corpus) if mined else []
    for each in script.mines:
        words = _words(each, folder) if each.file else _mined(each, texts)
        for word in words:
            yield Alternative(each.name, (word,), each.place)


def _words(mine: Mine, folder: Path | None) -> list[str]:
    """Return the lines of a file of words, which lies beside the grammar: a grammar from elsewhere is to read nothing else."""
    if folder is None:
        raise ConfigError("a grammar that is no file has no files of words", where=str(mine.place))
    path = (folder / mine.file).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ConfigError(f"'{mine.file}' lies outside the folder of the grammar", where=str(mine.place), expected="a file beside it")
    try:
        text = path.read_text("utf-8-sig") if path.stat().st_size <= FILE else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"'{mine.file}' cannot be read ({type(error).__name__})", where=str(mine.place),
                          expected="a text file in UTF-8, one word a line") from error
    words = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")))
    if not words:
        raise ConfigError(f"'{mine.file}' has no words, or more than {FILE:,} letters", where=str(mine.place))
    return words[:mine.most]


def _mined(mine: Mine, texts: Sequence[str]) -> list[str]:
    """Return the words that most often stand at ``_`` of the patterns, in any case of letters."""
    if not texts:
        raise ConfigError(f"'{mine.name}' is mined from a corpus, and none is given", where=str(mine.place), expected="texts",
                          hint="--corpus FILE")
    patterns = [[part.casefold() for part in each.split()] for each in mine.patterns]
    counts: Counter[str] = Counter()
    for text in texts:
        words = [word.casefold() for word in WORD.findall(text)]
        for pattern in patterns:
            counts.update(_standing(words, pattern))
    found = [word for word, _ in sorted(counts.items(), key=lambda each: (-each[1], each[0])) if word[0].isalpha()][:mine.most]
    if not found:
        raise ConfigError(f"nothing in the corpus stands as in {' or '.join(repr(each) for each in mine.patterns)}", where=str(mine.place))
    return found


def _standing(words: Sequence[str], pattern: Sequence[str]) -> Iterator[str]:
    """Give what stands at ``_`` wherever words follow each other as in a pattern.

    >>> list(_standing("the tea was hot and the soup was cold".split(), "the _ was".split()))
    ['tea', 'soup']
    """
    gap = pattern.index("_")
    for start in range(len(words) - len(pattern) + 1):
        if all(index == gap or words[start + index] == part for index, part in enumerate(pattern)):
            yield words[start + gap]


