r"""The expression language of checks: ``auc by carrier >= 0.60 warn 0.65``, the same in Python, YAML and on the command line.

Text and :class:`Check` are a bijection: ``parse(str(check)) == check``. What a metric or a column is called is not known
here; whoever measures looks the names up. The grammar, in EBNF (blanks go between any two parts)::

    check   = [ string ":" ] name [ "(" option { "," option } ")" ]          "delays are ranked": recall(positive='yes')
              [ "of" ( "*" | name { "," name } ) ]                           of dep_delay, distance
              [ "ratio" | "difference" ]                                     the disparity between the slices of "by"
              { "by" clause | "where" clause }                               each at most once
              bound [ "warn" term ] ;
    option  = name "=" ( string | [ sign ] number | "true" | "false" | "null" ) ;
    bound   = ( ">=" | ">" | "<=" | "<" ) term                               ">" is read as ">="
            | "between" term "and" term ;
    term    = [ sign ] number
            | ( "champion" | "reference" | "train" ) [ "*" number ] [ sign number ] ;
    clause  = "(" slicing or predicate ")" | slicing or predicate ;          carrier * origin, age:4, (age < 25 and jfk)
    name    = word | "`" any character but "`", or "``" "`" ;                word: a letter, then letters, digits, "_", "."
    string  = Python's, in ' or ", with the escapes \\ \' \" \n \r \t \uXXXX \UXXXXXXXX ;
    number  = digits [ "." digits ] [ "e" [ sign ] digits ] [ "%" ] ;        5% is 0.05
    sign    = "+" | "-" ;

A clause is kept as text, for whoever slices; it ends at the last comparison of the expression outside parentheses, so that
``recall where age < 25 >= 0.8`` means what it says. Written back, a clause that compares stands in parentheses.

Interface: :class:`Check`, :class:`Bound`, :func:`parse`, :func:`check`. Any layer above may import it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn, TypeAlias, cast

from assay.check import lexeme
from assay.check.lexeme import COMPARES, KEYWORDS, MAX_LENGTH, Scalar, Token
from assay.errors import ConfigError, ExpressionError, listed, nearest

__all__ = ["Bound", "Check", "check", "parse"]

Base: TypeAlias = Literal["champion", "reference", "train"]
Compare: TypeAlias = Literal["ratio", "difference"]

BASES = ("champion", "reference", "train")

_COMPARE: dict[str, Literal["at_least", "at_most"]] = {
    ">=": "at_least", ">": "at_least", "≥": "at_least", "<=": "at_most", "<": "at_most", "≤": "at_most"}
_MISTYPED = {"=>": "did you mean '>='?", "=<": "did you mean '<='?"}
_EXAMPLE = "auc by carrier >= 0.6"


@dataclass(frozen=True)
class Bound:
    """What a value is held against: a number, or ``factor`` times what another model or data set reaches, plus ``number``.

    Where ``relative`` is set, the value that is judged is a difference: the metric less ``factor`` times the metric of the
    champion (or on the reference, or on the training data); it is compared with ``number``.

    >>> str(Bound(-0.01, "champion")), str(Bound(0.7)), str(Bound(0, "champion", factor=1.05))
    ('champion - 0.01', '0.7', 'champion * 1.05')
    """

    number: float
    relative: Base | None = None
    factor: float = 1.0

    def __post_init__(self) -> None:
        for name in ("number", "factor"):
            object.__setattr__(self, name, _finite(getattr(self, name), f"the {name} of a bound"))
        if self.relative is not None and self.relative not in BASES:
            raise ConfigError(f"a bound cannot be relative to {self.relative!r}", expected=f"one of {listed(BASES)}")
        if self.factor <= 0 or (self.relative is None and self.factor != 1):
            raise ConfigError(f"the factor {lexeme.shown(self.factor)} of a bound is not usable",
                              expected="a positive factor of champion, reference or train")

    def __str__(self) -> str:
        if self.relative is None:
            return lexeme.shown(self.number)
        factor = "" if self.factor == 1 else f" * {lexeme.shown(self.factor)}"
        sign = "-" if self.number < 0 else "+"
        return self.relative + factor + (f" {sign} {lexeme.shown(abs(self.number))}" if self.number else "")

    def to_json(self) -> float | str:
        """Return a number, or the text of a relative bound."""
        return self.number if self.relative is None else str(self)

    @classmethod
    def from_json(cls, data: object) -> Bound:
        """Return the bound for a number or for text such as ``"champion - 0.01"`` or ``"5%"``."""
        if isinstance(data, Bound):
            return data
        if isinstance(data, str):
            return _Parser(data).only_term()
        return cls(_finite(data, "a bound"))


@dataclass(frozen=True)
class Check:
    """An expectation on a metric: what is measured, on which slices, and the bound that it must keep.

    ``by`` and ``where`` are texts for whoever slices. ``warn`` is compared like the bound's ``number``: a stricter wish whose
    miss is a warning. ``columns`` is ``("*",)`` for every column. Errors: :class:`ConfigError`.

    >>> Check("auc", by="carrier", at_least=Bound(0.6), name="ranks everywhere").text
    'auc by carrier >= 0.6'
    >>> parse("recall(positive='yes') by (age < 25) >= champion - 1%").at_least
    Bound(number=-0.01, relative='champion', factor=1.0)
    """

    metric: str
    options: Mapping[str, Scalar] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    by: str | None = None
    compare: Compare | None = None
    at_least: Bound | None = None
    at_most: Bound | None = None
    warn: float | None = None
    name: str | None = None
    where: str | None = None

    def __post_init__(self) -> None:
        _named(self.metric, "metric")
        object.__setattr__(self, "options", _options(self.options))
        object.__setattr__(self, "columns", _columns(self.columns))
        for key in ("by", "where"):
            if getattr(self, key) is not None:
                object.__setattr__(self, key, _clause(getattr(self, key), key))
        if self.compare is not None and (self.compare not in COMPARES or self.by is None):
            raise ConfigError(f"'{self.compare}' needs slices to compare" if self.compare in COMPARES
                              else f"slices cannot be compared by '{self.compare}'",
                              expected="ratio or difference, and 'by'", hint="selection_rate ratio by sex >= 0.8")
        if self.name is not None and not self.name.strip():
            raise ConfigError("the name of a check is empty", expected="text, or no name")
        self._check_bounds()
        if len(str(self)) > MAX_LENGTH:
            raise ConfigError("the check is too long", expected=f"at most {MAX_LENGTH} characters")

    def _check_bounds(self) -> None:
        low, high = self.at_least, self.at_most
        if low is None and high is None:
            raise ConfigError(f"the check of '{self.metric}' has no bound", expected="at_least, at_most or both",
                              hint=_EXAMPLE)
        for each in (low, high):
            if each is not None and not isinstance(each, Bound):
                raise ConfigError(f"a bound is a Bound, not {type(each).__name__}", hint="check('auc', at_least=0.7) makes it")
        if low is not None and high is not None:
            if (low.relative, low.factor) != (high.relative, high.factor):
                raise ConfigError(f"'{low}' and '{high}' are not relative to the same thing",
                                  expected="both bounds plain, or both relative to the same", hint="write two checks")
            if low.number > high.number:
                raise ConfigError(f"nothing lies between {low} and {high}", expected="the lower bound first",
                                  hint=f"between {high} and {low}")
        if self.warn is not None:
            self._check_warn()

    def _check_warn(self) -> None:
        if self.at_least is not None and self.at_most is not None:
            raise ConfigError("'warn' does not go with 'between': which end it belongs to is unclear", hint="write two checks")
        warn, bound = _finite(self.warn, "the number of 'warn'"), self.bound
        object.__setattr__(self, "warn", warn)
        below = self.at_least is not None
        if warn < bound.number if below else warn > bound.number:
            shown = Bound(warn, bound.relative, bound.factor)
            raise ConfigError(
                f"'warn {shown}' can never warn: a value {'below' if below else 'above'} {bound} fails before it is reached",
                expected=f"a 'warn' {'above' if below else 'below'} the bound", hint="warn is the stricter of the two numbers")

    @property
    def bound(self) -> Bound:
        """The bound; the lower one of two."""
        return cast("Bound", self.at_least if self.at_least is not None else self.at_most)

    @property
    def relative(self) -> Base | None:
        """What the check compares with, or None where its bound is a plain number."""
        return self.bound.relative

    @property
    def subject(self) -> str:
        """What is measured, without the bound and the slices: ``psi of dep_delay``."""
        columns = "*" if self.columns == ("*",) else ", ".join(map(lexeme.named, self.columns))
        return self._measured + (f" of {columns}" if columns else "")

    def subject_of(self, column: str) -> str:
        """What is measured of one of the columns: ``psi of dep_delay`` where the check is of all."""
        return f"{self._measured} of {lexeme.named(column)}"

    @functools.cached_property
    def _measured(self) -> str:
        options = ", ".join(f"{lexeme.named(key)}={lexeme.literal(value)}" for key, value in self.options.items())
        return lexeme.named(self.metric) + (f"({options})" if options else "")

    @functools.cached_property
    def text(self) -> str:
        """The expression without its name."""
        parts = [self.subject, self.compare or ""]
        parts += [f"{key} {_enclosed(text)}" if text else "" for key, text in (("by", self.by), ("where", self.where))]
        if self.at_least is not None and self.at_most is not None:
            parts.append(f"between {self.at_least} and {self.at_most}")
        else:
            parts.append(f"{'<=' if self.at_least is None else '>='} {self.bound}")
        if self.warn is not None:
            parts.append(f"warn {Bound(self.warn, self.bound.relative, self.bound.factor)}")
        return " ".join(filter(None, parts))

    def __str__(self) -> str:
        return (f"{lexeme.quoted(self.name, chr(34))}: " if self.name is not None else "") + self.text

    def __hash__(self) -> int:
        return hash(str(self))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types; only what is set. :meth:`from_json` reads it back without loss."""
        warn = None if self.warn is None else Bound(self.warn, self.bound.relative, self.bound.factor).to_json()
        data = {
            "metric": self.metric, "options": dict(self.options), "columns": list(self.columns), "by": self.by,
            "where": self.where, "compare": self.compare, "at_least": self.at_least and self.at_least.to_json(),
            "at_most": self.at_most and self.at_most.to_json(), "warn": warn, "name": self.name,
        }
        return {key: value for key, value in data.items() if value is not None and value not in ({}, [])}

    @classmethod
    def from_json(cls, data: object, *, where: str | None = None) -> Check:
        """Return the check for an expression, for what :meth:`to_json` gives, or for ``{name: expression}``.

        The last is what YAML makes of ``- "delays are ranked": auc >= 0.7``. ``where`` says in errors where it stood.

        >>> Check.from_json({"metric": "auc", "by": "carrier", "at_least": "60%"}) == Check.from_json("auc by carrier >= 0.6")
        True
        """
        try:
            return cls._from_json(data)
        except ConfigError as error:
            if where is not None:
                error.where = f"{where}: {error.where}" if error.where else where
            raise

    @classmethod
    def _from_json(cls, data: object) -> Check:
        if isinstance(data, str):
            return parse(data)
        if not isinstance(data, Mapping):
            raise ConfigError(f"a check cannot be a {type(data).__name__}", expected="an expression or a mapping", hint=_EXAMPLE)
        fields = list(cls.__dataclass_fields__)
        if len(data) == 1:
            (name, text), = data.items()
            if name not in fields and isinstance(text, str):
                if str(name).split(" ")[0] in ("where", "by", "of"):
                    raise ConfigError(f"'{str(name)[:60]}' in front of a colon would be the name of the check, and select nothing",
                                      hint=f"write it behind the metric: 'METRIC {str(name)[:60]} >= ...'")
                return _renamed(parse(text), str(name))
        for key in data:
            if key not in fields:
                guess = nearest(str(key), fields)
                raise ConfigError(f"a check has no '{key}'", expected=f"one of {listed(fields, 12)}",
                                  hint=f"did you mean '{guess}'?" if guess else None)
        if not isinstance(data.get("metric"), str):
            raise ConfigError("a check needs the name of a metric", expected="'metric' and a bound", hint=_EXAMPLE)
        return check(**{str(key): value for key, value in data.items()})


def check(metric: object, *, at_least: object = None, at_most: object = None, by: str | None = None, warn: object = None,
          where: str | None = None, columns: str | Sequence[str] = (), compare: str | None = None,
          options: Mapping[str, Scalar] | None = None, name: str | None = None) -> Check:
    """Return the check of ``metric`` (a name, or something that has one) against its bounds.

    Bounds and ``warn`` are numbers or text such as ``"champion - 0.01"`` or ``"5%"``.

    >>> str(check("recall", at_least=0.8, by="sex"))
    'recall by sex >= 0.8'
    >>> str(check("mae", at_most="champion * 1.05", name="no worse"))
    '"no worse": mae <= champion * 1.05'
    """
    found = metric if isinstance(metric, str) else getattr(metric, "name", getattr(metric, "__name__", None))
    if not isinstance(found, str):
        raise ConfigError(f"a metric is given by its name, not by a {type(metric).__name__}", hint="check('auc', at_least=0.7)")
    for key, each in (("by", by), ("where", where), ("compare", compare), ("name", name)):
        if each is not None and not isinstance(each, str):
            raise ConfigError(f"'{key}' of a check is text, not a {type(each).__name__}",
                              hint="two columns are crossed by 'carrier * origin'" if key == "by" else None)
    low, high = (None if each is None else Bound.from_json(each) for each in (at_least, at_most))
    strict = None if warn is None else _same_base(Bound.from_json(warn), low or high)
    return Check(found, {} if options is None else options, _columns(columns), by, cast("Compare | None", compare), low, high,
                 strict, name, where)


def parse(text: str) -> Check:
    """Return the check that ``text`` says; :class:`ExpressionError` tells the place and what was expected there.

    >>> parse("psi of dep_delay, distance <= 10%").columns
    ('dep_delay', 'distance')
    >>> parse("auc >= champio")
    Traceback (most recent call last):
    ...
    assay.errors.ExpressionError: in 'auc >= champio' at column 8: 'champio' is not a bound;
        expected a number, or one of 'champion', 'reference', 'train'; hint: did you mean 'champion'?
    """
    if not isinstance(text, str):
        raise ConfigError(f"an expression is text, not a {type(text).__name__}", hint=_EXAMPLE)
    return _Parser(text).check()


class _Parser:
    """One pass over the tokens of a text, left to right."""

    def __init__(self, text: str):
        self.text = text
        everything = lexeme.tokens(text)
        self.tokens = [each for each in everything if each.kind != "space"]
        self.at = 0

    # -- the grammar, one method a rule --

    def check(self) -> Check:
        if not self.tokens:
            raise ExpressionError("the expression is empty", text=self.text, hint=_EXAMPLE)
        name = None
        if self.peek().kind == "string":
            name = lexeme.unquoted(self.take(), self.text)
            self.expect(":", "':' and what to check after the name")
        parts: dict[str, Any] = {"metric": self.name("the name of a metric"), "name": name}
        if self.accept("("):
            parts["options"] = self.options()
        if self.accept("of"):
            parts["columns"] = self.columns()
        if self.peek().text in COMPARES and self.peek().kind == "word":
            parts["compare"] = self.take().text
        end = self.last_comparison()
        while self.peek().kind == "word" and self.peek().text in ("by", "where"):
            word = self.take()
            if word.text in parts:
                raise self.error(f"'{word.text}' is there twice", at=word)
            parts[word.text] = self.clause(word, end)
        parts |= self.bounds()
        if self.peek().kind != "end":
            raise self.error(f"{self.found()} is left over", expected="the end, or 'warn'" if "warn" not in parts else "the end",
                      hint=self.guess(("warn",)))
        try:
            return Check(**parts)
        except ExpressionError:
            raise
        except ConfigError as error:
            error.where = error.where or f"in '{self.text}'"
            raise

    def options(self) -> dict[str, Scalar]:
        found: dict[str, Scalar] = {}
        if self.accept(")"):
            return found
        while True:
            start = self.peek()
            key = self.name("the name of an option") if start.kind in ("word", "quoted") else None
            if key is None or self.peek().text != "=":
                raise self.error("an option is given by name", at=start, expected="name=value", hint="recall(positive='yes')")
            self.take()
            if key in found:
                raise self.error(f"the option '{key}' is there twice", at=start)
            found[key] = self.scalar()
            if self.accept(")"):
                return found
            self.expect(",", "',' or ')' after an option")

    def scalar(self) -> Scalar:
        token = self.peek()
        if token.kind == "string":
            return lexeme.unquoted(self.take(), self.text)
        if token.kind == "word" and token.text in ("true", "false", "null", "True", "False", "None"):
            return {"t": True, "f": False, "n": None}[self.take().text[0].lower()]
        if token.kind == "number" or token.text in ("+", "-"):
            number, digits = self.number("the value of the option"), self.tokens[self.at - 1].text
            return (-int(digits) if token.text == "-" else int(digits)) if digits.isdecimal() else number
        raise self.error(f"{self.found()} is not a value", expected="text in quotes, a number, true, false or null",
                  hint=f"'{token.text}'" if token.kind == "word" else None)

    def columns(self) -> tuple[str, ...]:
        if self.accept("*"):
            return ("*",)
        found = []
        while True:
            start = self.peek()
            found.append(self.name("the name of a column"))
            if found[-1] == "*" or found.count(found[-1]) > 1:
                raise self.error("'*' stands for every column" if found[-1] == "*" else f"the column '{found[-1]}' is there twice",
                          at=start)
            if not self.accept(","):
                return tuple(found)

    def clause(self, word: Token, end: int) -> str:
        first = self.at
        while self.at < end and not (self.peek().depth == 0 and self.peek().kind == "word" and self.peek().text in ("by", "where")):
            self.at += 1
        if self.at == first:
            what = "a column, bins as in age:4, or (a predicate)" if word.text == "by" else "a predicate"
            raise self.error(f"nothing follows '{word.text}'", at=word, expected=what,
                      hint="recall by carrier >= 0.6" if word.text == "by" else "recall where (age < 25) >= 0.6")
        stop = self.peek().start
        try:
            return _clause(self.text[self.tokens[first].start:stop], word.text)
        except ConfigError as error:
            raise ExpressionError(error.what, text=self.text, position=self.tokens[first].start, expected=error.expected,
                                  hint=error.hint) from error

    def bounds(self) -> dict[str, Any]:
        token = self.peek()
        found: dict[str, Any] = {}
        if token.kind == "word" and token.text == "between":
            self.take()
            low = self.term()
            self.expect("and", "'and' between the two bounds")
            found = {"at_least": low, "at_most": self.term()}
        elif token.text in _COMPARE:
            found = {_COMPARE[self.take().text]: self.term()}
        else:
            self.no_bound(token)
        if self.accept("warn"):
            start = self.peek()
            base = next(iter(found.values()))
            try:
                found["warn"] = _same_base(self.term(), base)
            except ExpressionError:
                raise
            except ConfigError as error:
                raise ExpressionError(error.what, text=self.text, position=start.start, expected=error.expected,
                                      hint=error.hint) from error
        return found

    def no_bound(self, token: Token) -> NoReturn:
        expected = ">=, <= or between"
        if token.kind == "compare":
            hint = _MISTYPED.get(token.text)
            after = self.tokens[self.at + 1] if self.at + 1 < len(self.tokens) else None
            if token.text in ("=", "==") and after is not None and after.kind == "number":
                hint = f"between {after.text} and {after.text}"
            raise self.error(f"'{token.text}' is not a comparison", expected=expected, hint=hint)
        if token.kind == "end":
            raise self.error("there is no bound", expected=f"{expected}, and a number", hint=f"{self.text.strip()[:60]} >= 0.7")
        if token.kind == "number" or token.text in BASES:
            raise self.error(f"there is no comparison before '{token.text}'", expected=expected)
        guess = self.guess(("of", "by", "where", "between", *COMPARES))
        if guess is None and token.text in ("-", "/", "#", "$", "@", " "):
            guess = "a name with other characters than letters, digits, _ and . goes in `backticks`"
        if token.text == "of" and 0 < self.at < len(self.tokens) - 1:
            guess = f"a name with blanks goes in backticks: `{self.tokens[self.at - 1].text} of {self.tokens[self.at + 1].text}`"
        raise self.error(f"{self.found()} does not belong here", expected=f"'of', 'by', 'where', or a bound: {expected}", hint=guess)

    def term(self) -> Bound:
        token = self.peek()
        if token.kind == "word" and token.text in BASES:
            base, factor = cast("Base", self.take().text), 1.0
            if self.accept("*"):
                start = self.peek()
                factor = self.number("a factor")
                if factor <= 0:
                    raise self.error("a factor must be positive", at=start)
            return Bound(self.number("an offset") if self.peek().text in ("+", "-") else 0.0, base, factor)
        if token.kind == "word":
            raise self.error(f"{self.found()} is not a bound", expected=f"a number, or one of {listed(BASES)}", hint=self.guess(BASES))
        return Bound(self.number("a bound"))

    def only_term(self) -> Bound:
        bound = self.term()
        if self.peek().kind != "end":
            raise self.error(f"{self.found()} is left over", expected="the end of the bound")
        return bound

    def number(self, noun: str) -> float:
        sign = self.take().text if self.peek().text in ("+", "-") else "+"
        token = self.peek()
        if token.kind != "number":
            raise self.error(f"{self.found()} is not a number", expected=f"{noun}, a number such as 0.7 or 70%")
        number = lexeme.number(token, self.text)
        self.take()
        after = self.peek()
        if after.start == token.start + len(token.text) and after.kind in ("word", "number"):
            raise self.error(f"'{token.text}{after.text}' is not a number", at=token, expected="a number such as 0.7 or 70%")
        if after.text == "%":
            raise self.error("'%' stands apart from its number", expected=f"{token.text}%")
        if after.text == "," and noun == "a bound":
            raise self.error("',' is left over", hint="decimals are written with a point: 0.7")
        return -number if sign == "-" else number

    def name(self, expected: str) -> str:
        token = self.peek()
        if token.kind == "quoted":
            found = self.take().text[1:-1].replace("``", "`")
            if not found:
                raise self.error("the name is empty", at=token, expected=expected)
            return found
        if token.kind == "word" and token.text not in KEYWORDS:
            return self.take().text
        hint = f"a name that is also a word of the language goes in backticks: `{token.text}`" if token.kind == "word" else (
            "a name goes bare or in `backticks`, not in quotes" if token.kind == "string" else None)
        raise self.error(f"{self.found()} is not a name", expected=expected, hint=hint)

    # -- moving through the tokens --

    def last_comparison(self) -> int:
        """Return where the bound starts: whatever compares before it belongs to a clause."""
        for index in range(len(self.tokens) - 1, self.at - 1, -1):
            token = self.tokens[index]
            if token.depth == 0 and (token.kind == "compare" or (token.kind == "word" and token.text == "between")):
                return index
        return len(self.tokens)

    def peek(self) -> Token:
        return self.tokens[self.at] if self.at < len(self.tokens) else Token("end", "", len(self.text.rstrip()), 0)

    def take(self) -> Token:
        token = self.peek()
        self.at += 1
        return token

    def accept(self, text: str) -> bool:
        found = self.peek().text == text
        self.at += found
        return found

    def expect(self, text: str, expected: str) -> None:
        if not self.accept(text):
            raise self.error(f"{self.found()} does not belong here", expected=expected)

    def found(self) -> str:
        token = self.peek()
        return "the end" if token.kind == "end" else token.text if token.kind == "string" else f"'{token.text}'"

    def guess(self, words: Sequence[str]) -> str | None:
        guess = nearest(self.peek().text, words) if self.peek().kind == "word" else None
        return f"did you mean '{guess}'?" if guess else None

    def error(self, what: str, *, at: Token | None = None, expected: str | None = None, hint: str | None = None) -> ExpressionError:
        return ExpressionError(what, text=self.text, position=(at or self.peek()).start, expected=expected, hint=hint)


def _clause(text: object, key: str) -> str:
    """Return the text of a clause without needless blanks and without parentheses around all of it."""
    if not isinstance(text, str):
        raise ConfigError(f"'{key}' of a check is text, not a {type(text).__name__}")
    tokens = lexeme.tokens(text)
    while True:
        while tokens and tokens[0].kind == "space":
            del tokens[0]
        while tokens and tokens[-1].kind == "space":
            del tokens[-1]
        level = tokens[0].depth if tokens else 0
        around = len(tokens) > 1 and tokens[0].text == "(" and tokens[-1].text == ")" and tokens[0].kind == "other"
        if not around or any(each.depth == level for each in tokens[1:-1]):
            break
        tokens = tokens[1:-1]
    if not tokens:
        raise ConfigError(f"'{key}' of a check is empty", expected="a column or a predicate")
    if len(tokens) == 1 and tokens[0].kind == "string":
        raise ConfigError(f"'{key}' is in quotes", expected="a column or a predicate", hint=f"{key} ({lexeme.unquoted(tokens[0], text)})")
    if any(each.text == "," and each.depth == level for each in tokens):
        raise ConfigError(f"there is a ',' in '{key}'", expected="one way to slice",
                          hint="columns are crossed by 'carrier * origin'; slices of each are two checks")
    return "".join(" " if each.kind == "space" else each.text for each in tokens)


def _enclosed(clause: str) -> str:
    """Return the clause as it is written: in parentheses where it compares, or reads like more of the expression."""
    apart = {"and", "or", "not", "in", "is", "like", *KEYWORDS}
    plain = all(each.depth > 0 or not (each.kind == "compare" or (each.kind == "word" and each.text in apart))
                for each in lexeme.tokens(clause))
    return clause if plain else f"({clause})"


def _same_base(warn: Bound, bound: Bound | None) -> float:
    if bound is not None and (warn.relative, warn.factor) != (bound.relative, bound.factor):
        base = str(Bound(0, bound.relative, bound.factor)) if bound.relative else "a plain number"
        raise ConfigError(f"'warn {warn}' is not relative to what the bound '{bound}' is", expected=f"{base} in both",
                          hint=f"warn {Bound(warn.number, bound.relative, bound.factor)}" if bound.relative else None)
    return warn.number


def _renamed(found: Check, name: str) -> Check:
    if found.name is not None:
        raise ConfigError(f"the check has two names, '{name}' and '{found.name}'", expected="one")
    return Check(**{**{key: getattr(found, key) for key in found.__dataclass_fields__}, "name": name})


def _named(name: object, noun: str) -> None:
    if not isinstance(name, str) or not name:
        raise ConfigError(f"the name of a {noun} is {'empty' if name == '' else 'not text'}", hint=_EXAMPLE)


def _columns(names: object) -> tuple[str, ...]:
    if isinstance(names, str):
        names = (names,)
    if not isinstance(names, Sequence):
        raise ConfigError(f"'columns' is a list of names, not a {type(names).__name__}")
    for each in names:
        _named(each, "column")
    if len(set(names)) < len(names) or ("*" in names and len(names) > 1):
        raise ConfigError(f"a column is there twice among {listed(names)}", expected="each column once, or only '*'")
    return tuple(names)


def _options(options: object) -> dict[str, Scalar]:
    found: dict[str, Scalar] = {}
    if not isinstance(options, Mapping):
        raise ConfigError(f"'options' of a check are a mapping, not a {type(options).__name__}", hint="{positive: 'yes'}")
    for key, value in options.items():
        _named(key, "option")
        plain = value.item() if hasattr(value, "item") else value  # numpy's numbers are welcome without being imported
        if not (plain is None or isinstance(plain, str | bool | int | float)):
            raise ConfigError(f"the option '{key}' is a {type(value).__name__}", expected="text, a number, true, false or null")
        if isinstance(plain, int | float) and not isinstance(plain, bool):
            _finite(plain, f"the option '{key}'")
        found[key] = plain
    return dict(sorted(found.items()))


def _finite(number: object, noun: str) -> float:
    number = number.item() if hasattr(number, "item") else number
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ConfigError(f"{noun} is not a number but a {type(number).__name__}")
    try:
        found = float(number)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise ConfigError(f"{noun} is {found}", expected="a finite number")
    return found + 0.0  # -0.0 becomes 0.0


