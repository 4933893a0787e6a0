"""The files that grammars are written in: Lark's syntax, with weights and labels behind the alternatives.

``read(text, where)`` gives a ``Script``: plain alternatives, whatever operators they were written with, and what the directives say.
``probe.text.grammar`` imports it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from assay.errors import ConfigError
from assay.probe.text.label import UNDEFINED, Label

__all__ = ["Alternative", "Mine", "Place", "Reference", "Script", "read"]

LONGEST = 1_000_000    # letters of a file
MOST = 20_000          # alternatives
DEEPEST = 32           # brackets in brackets
REPEATED = 100         # of ~n..m
FUNCTIONS = ("both", "first", "last")

_TOKEN = re.compile(r"""
    (?P<space>[ \t\r\f]+|//[^\n]*|\#[^\n]*) | (?P<line>\n) | (?P<string>"(?:\\.|[^"\\\n])*"i?) | (?P<regex>/(?:\\.|[^/\\\n])+/[a-z]*)
  | (?P<directive>%[a-z]+) | (?P<number>\d+(?:\.\d+)?) | (?P<name>_*[A-Za-z][A-Za-z0-9_]*) | (?P<operator>->|\.\.|[:|()\[\]?*+~@=$\-,.!])
""", re.VERBOSE)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}


@dataclass(frozen=True)
class Place:
    """A line and a column of a file, both from 1."""

    file: str = "grammar"
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}, column {self.column}"


@dataclass(frozen=True)
class Reference:
    """The name of a rule within an alternative, and where it stands."""

    name: str
    place: Place


@dataclass(frozen=True)
class Alternative:
    """One way to write a rule: words and names of rules."""

    name: str
    items: tuple[str | Reference, ...]
    place: Place
    weight: float = 1.0
    label: Label | None = None
    alias: str = ""


@dataclass(frozen=True)
class Mine:
    """A slot that is filled from a file of words, or from what stands at ``_`` of patterns in a corpus."""

    name: str
    place: Place
    file: str = ""
    patterns: tuple[str, ...] = ()
    most: int = 50


@dataclass
class Script:
    """What a file says: alternatives, slots, and how words are joined."""

    alternatives: list[Alternative] = field(default_factory=list)
    mines: list[Mine] = field(default_factory=list)
    flips: dict[str, str] = field(default_factory=dict)
    neutral: str | None = None
    separator: str = " "
    capital: bool = False


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    place: Place


def read(text: str, where: str = "grammar") -> Script:
    """Return what the text of a grammar says; raises ``ConfigError`` with the line and column of what cannot be read.

    >>> script = read('start: "it" "is" quality @ 2 = -$quality' + chr(10) + 'quality: "good" = "positive" | "bad"')
    >>> [(each.name, each.weight) for each in script.alternatives]
    [('start', 2.0), ('quality', 1.0), ('quality', 1.0)]
    """
    if len(text) > LONGEST:
        raise ConfigError(f"a grammar of {len(text):,} letters is not read", where=where, expected=f"at most {LONGEST:,}")
    return _Reader(where, list(_tokens(text, where))).script()


def _tokens(text: str, where: str) -> Iterator[_Token]:
    position, line, start = 0, 1, 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        place = Place(where, line, position - start + 1)
        if found is None:
            raise ConfigError(f"{text[position]!r} cannot be read here", where=str(place))
        kind = found.lastgroup or ""
        if kind != "space":
            yield _Token(kind, found[0], place)
        if kind == "line":
            line, start = line + 1, found.end()
        position = found.end()
    yield _Token("end", "the end", Place(where, line, position - start + 1))


def _plain(token: _Token) -> str:
    """Return what stands between the quotes."""
    inner = token.text[1:token.text.rindex('"')]
    return _ESCAPE.sub(lambda found: chr(int(found[1][1:], 16)) if len(found[1]) == 5 else _ESCAPED.get(found[1], found[1]), inner)


class _Reader:
    """Reads tokens one by one; operators become rules of their own, named after the rule that they stand in."""

    def __init__(self, where: str, tokens: list[_Token]):
        self.where = where
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.made = 0
        self.out = Script()

    # tokens ---------------------------------------------------------------------------------------------------------------

    @property
    def token(self) -> _Token:
        return self.tokens[self.at]

    def taken(self) -> _Token:
        token = self.token
        self.at = min(self.at + 1, len(self.tokens) - 1)
        return token

    def sees(self, *texts: str) -> bool:
        return self.token.kind == "operator" and self.token.text in texts

    def skips(self) -> None:
        while self.token.kind == "line":
            self.taken()

    def wanted(self, kind: str, what: str) -> _Token:
        if self.token.kind != kind:
            raise self.wrong(what)
        return self.taken()

    def sign(self, text: str) -> _Token:
        if not self.sees(text):
            raise self.wrong(f"'{text}'")
        return self.taken()

    def wrong(self, expected: str) -> ConfigError:
        found = "the end of the line" if self.token.kind == "line" else self.token.text
        return ConfigError(f"found {found}", where=str(self.token.place), expected=expected)

    # statements -----------------------------------------------------------------------------------------------------------

    def script(self) -> Script:
        while True:
            self.skips()
            if self.token.kind == "end":
                return self.out
            if self.token.kind == "directive":
                self.directive()
            else:
                self.rule()

    def directive(self) -> None:
        token = self.taken()
        if token.text == "%join":
            self.out.separator = _plain(self.wanted("string", 'a text such as ""'))
        elif token.text == "%capital":
            self.out.capital = True
        elif token.text == "%flip":
            one, other = (_plain(self.wanted("string", "two labels in quotes")) for _ in range(2))
            self.out.flips.update({one: other, other: one})
        elif token.text == "%neutral":
            self.out.neutral = _plain(self.wanted("string", "a label in quotes"))
        elif token.text in ("%words", "%mine"):
            self.slot(token)
        elif token.text == "%ignore":   # of a parser; sentences are made here, and never read
            while self.token.kind not in ("line", "end"):
                self.taken()
        else:
            raise ConfigError(f"{token.text} is not known", where=str(token.place),
                              expected="%words, %mine, %flip, %neutral, %join, %capital or %ignore",
                              hint="write the rules of an imported grammar out" if token.text == "%import" else None)
        if self.token.kind not in ("line", "end"):
            raise self.wrong("the end of the line")

    def slot(self, token: _Token) -> None:
        name = self.wanted("name", "the name of a rule").text
        texts = [_plain(self.wanted("string", "a text in quotes"))]
        while self.token.kind == "string":
            texts.append(_plain(self.taken()))
        most = int(float(self.taken().text)) if self.token.kind == "number" else 50
        if token.text == "%words":
            self.out.mines.append(Mine(name, token.place, file=texts[0], most=MOST))
            return
        for each in texts:
            if each.split().count("_") != 1:
                raise ConfigError(f"the pattern '{each}' has no one place to fill", where=str(token.place), expected='"the _ was"')
        self.out.mines.append(Mine(name, token.place, patterns=tuple(texts), most=most))

    def rule(self) -> None:
        while self.sees("?", "!"):   # how Lark shapes the trees of a parser
            self.taken()
        token = self.wanted("name", "the name of a rule")
        if self.sees("."):   # a priority, which is for parsers too
            self.taken()
            self.wanted("number", "a number")
        self.sign(":")
        self.alternatives(token.text, inner=False)
        if self.token.kind not in ("line", "end"):
            raise self.wrong("a word, a rule, | or the end of the line")

    def alternatives(self, name: str, *, inner: bool) -> None:
        while True:
            if inner:
                self.skips()
            self.out.alternatives.append(self.alternative(name))
            if len(self.out.alternatives) > MOST:
                raise ConfigError(f"the grammar has more than {MOST:,} alternatives", where=str(self.token.place))
            mark = self.at
            self.skips()
            if not self.sees("|"):
                if not inner:
                    self.at = mark
                return
            self.taken()

    def alternative(self, name: str) -> Alternative:
        place = self.token.place
        items: list[str | Reference] = []
        while self.token.kind in ("name", "string", "regex") or self.sees("(", "["):
            items.append(self.item(name))
        alias, weight, label = "", 1.0, None
        while self.sees("->", "@", "="):
            sign = self.taken()
            if sign.text == "->":
                alias = self.wanted("name", "a name").text
            elif sign.text == "@":
                weight = float(self.wanted("number", "a weight such as 2 or 0.5").text)
            else:
                label = self.label([each for each in items if isinstance(each, Reference)])
        return Alternative(name, tuple(items), place, weight, label, alias)

    # parts of an alternative ----------------------------------------------------------------------------------------------

    def item(self, name: str) -> str | Reference:
        one = self.atom(name)
        place = self.token.place
        if self.sees("?"):
            self.taken()
            return self.helper(name, place, [(), (one,)])
        if self.sees("*", "+"):
            rest = self.named(name, place)
            self.add(rest, place, [(one,), (one, rest)])
            return rest if self.taken().text == "+" else self.helper(name, place, [(), (rest,)])
        if self.sees("~"):
            self.taken()
            low = high = self.count()
            if self.sees(".."):
                self.taken()
                high = self.count()
            if not low <= high <= REPEATED:
                raise ConfigError(f"{low}..{high} repetitions", where=str(place), expected=f"at most {REPEATED}, in order")
            return self.helper(name, place, [(one,) * number for number in range(low, high + 1)])
        return one

    def count(self) -> int:
        token = self.wanted("number", "how many times")
        if "." in token.text:
            raise ConfigError(f"{token.text} times", where=str(token.place), expected="a whole number")
        return int(token.text)

    def atom(self, name: str) -> str | Reference:
        token = self.taken()
        if token.kind == "name":
            return Reference(token.text, token.place)
        if token.kind == "string":
            return self.range(name, token) if self.sees("..") else _plain(token)
        if token.kind == "regex":
            raise ConfigError("sentences are not made from regular expressions", where=str(token.place), expected="words in quotes",
                              hint='list the words, or fill them from a file: %words NAME "words.txt"')
        self.depth += 1
        if self.depth > DEEPEST:
            raise ConfigError(f"more than {DEEPEST} brackets in brackets", where=str(token.place))
        inner = self.named(name, token.place)
        self.alternatives(inner.name, inner=True)
        self.sign(")" if token.text == "(" else "]")
        self.depth -= 1
        return inner if token.text == "(" else self.helper(name, token.place, [(), (inner,)])

    def range(self, name: str, token: _Token) -> Reference:
        self.taken()
        low, high = _plain(token), _plain(self.wanted("string", "a letter in quotes"))
        if len(low) != 1 or len(high) != 1 or not 0 <= ord(high) - ord(low) <= 255:
            raise ConfigError(f"{low}..{high} is no range of letters", where=str(token.place), expected='"a".."z"')
        return self.helper(name, token.place, [(chr(code),) for code in range(ord(low), ord(high) + 1)])

    def named(self, name: str, place: Place) -> Reference:
        self.made += 1
        return Reference(f"{name}__{self.made}", place)

    def helper(self, name: str, place: Place, ways: list[tuple[str | Reference, ...]]) -> Reference:
        made = self.named(name, place)
        self.add(made, place, ways)
        return made

    def add(self, made: Reference, place: Place, ways: list[tuple[str | Reference, ...]]) -> None:
        self.out.alternatives.extend(Alternative(made.name, each, place) for each in ways)

    # labels ---------------------------------------------------------------------------------------------------------------

    def label(self, rules: list[Reference], depth: int = 0) -> Label:
        token = self.taken()
        if depth > DEEPEST:
            raise ConfigError("a label nested too deeply", where=str(token.place))
        if token.kind == "string":
            return Label("constant", _plain(token))
        if token.text == UNDEFINED:
            return Label("constant", UNDEFINED)
        if token.text == "-":
            return Label("flip", terms=(self.label(rules, depth + 1),))
        if token.text == "$":
            return Label("part", part=self.part(rules))
        if token.kind == "name" and token.text in FUNCTIONS:
            self.sign("(")
            terms = [self.label(rules, depth + 1)]
            while self.sees(","):
                self.taken()
                terms.append(self.label(rules, depth + 1))
            self.sign(")")
            return replace(Label("both", terms=tuple(terms)), kind=token.text)  # type: ignore[arg-type]
        self.at -= 1
        raise self.wrong(f'a label: "positive", $1, -$1, {", ".join(FUNCTIONS)} of several, or ?')

    def part(self, rules: list[Reference]) -> int:
        token = self.taken()
        names = [each.name for each in rules]
        if token.kind == "number":
            number = int(float(token.text))
            if not 1 <= number <= len(rules):
                raise ConfigError(f"${token.text} is no rule of this alternative", where=str(token.place),
                                  expected=f"$1 to ${len(rules)}" if rules else "a label in quotes, as there are words only")
            return number - 1
        if names.count(token.text) != 1:
            raise ConfigError(f"${token.text} stands here {names.count(token.text)} times", where=str(token.place),
                              expected="one rule of this alternative", hint="count them: $1 is the first rule, $2 the second")
        return names.index(token.text)
