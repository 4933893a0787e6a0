r"""Conditions on rows, such as ``age < 25 and region in ('N', 'S')``: parsed by hand, evaluated on whole columns, never ``eval``.

The grammar, in EBNF (words of the language in any case; blanks go between any two parts)::

    any     = all { "or" all } ;
    all     = each { "and" each } ;
    each    = "not" each | "(" any ")" | test ;
    test    = column compare value | value compare column
            | column [ "not" ] "in" "(" value { "," value } ")"
            | column [ "not" ] "between" value "and" value
            | column "is" [ "not" ] "null" ;
    compare = "==" | "=" | "!=" | "<>" | "<" | "<=" | ">" | ">=" ;
    column  = word | "`" any character but "`", or "``" "`" ;              word: a letter, then letters, digits, "_", "."
    value   = [ "-" | "+" ] number | string | "true" | "false" ;
    string  = Python's, in ' or ", with the escapes \\ \' \" \n \r \t \uXXXX ;

Times are written as text (``'2026-01-31'``, ``'2026-01-31T12:00'``), read in the zone of the column. Logic is that of SQL, with
three values: a test of a null (or NaN) is unknown, ``not`` of unknown is unknown, and a row is kept only where the whole is true.
So a row with a null age is in neither ``age < 5`` nor ``not (age < 5)``; it is in ``age is null``.

Interface: :func:`parse`, :class:`Predicate`, :func:`quoted` for names and :func:`literal` for values. Any layer above may import it.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import zoneinfo
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, NoReturn, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.data._type import is_nested, is_number, is_text, value_type
from assay.data.schema import Schema
from assay.errors import ColumnTypeError, ConfigError, ExpressionError, nearest

__all__ = ["WORD", "Predicate", "literal", "parse", "quoted"]

Mask: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]
Array: TypeAlias = np.ndarray[Any, Any]
Scalar: TypeAlias = str | int | float | bool
Truth: TypeAlias = tuple[Mask, Mask]   # where it is true, and where it is false; unknown where neither

MAX_LENGTH = 10_000   # a condition is a line that a person reads; the limits keep hostile configurations cheap
MAX_DEPTH = 50
MAX_DIGITS = 400
# The second line is what the language of checks keeps for itself: a text written here can stand there.
KEYWORDS = frozenset({"and", "or", "not", "in", "is", "null", "between", "true", "false",
                      "of", "by", "where", "warn", "ratio", "difference"})

WORD = re.compile(r"[^\W\d]\w*(?:\.\w+)*")
_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |(?P<quoted>`(?:[^`]|``)*`)
    |(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<word>[^\W\d]\w*(?:\.\w+)*)
    |(?P<compare>==|!=|<>|<=|>=|=>|=<|[=<>])
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_COMPARE = {"=": "==", "<>": "!="}
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_MISTYPED = {"=>": "did you mean '>='?", "=<": "did you mean '<='?", "&": "write 'and'", "|": "write 'or'", "!": "write 'not', or '!='",
             "~": "write 'not'", "'": "is a quote not closed?", '"': "is a quote not closed?", "`": "is a backtick not closed?"}
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "'": "'", '"': '"'}
_ESCAPED = {value: f"\\{key}" for key, value in _ESCAPES.items() if key != '"'}
_TESTS: dict[str, Callable[[Any, Any], Any]] = {
    "==": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}
_KERNELS = {"==": pc.equal, "!=": pc.not_equal, "<": pc.less, "<=": pc.less_equal, ">": pc.greater, ">=": pc.greater_equal}
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def quoted(name: str) -> str:
    """Return a column name as it is written: bare where it can be, else in backticks.

    >>> quoted("age"), quoted("hours per week"), quoted("a`b")
    ('age', '`hours per week`', '`a``b`')
    """
    bare = WORD.fullmatch(name) and name.casefold() not in KEYWORDS
    return name if bare else f"`{name.replace('`', '``')}`"


@dataclass(frozen=True)
class Predicate:
    """A condition on rows: ``columns`` it reads, ``text`` in one canonical form that parses back to it.

    >>> schema = Schema.of(pa.schema({"age": pa.int64(), "region": pa.string()}), {})
    >>> found = parse("age<25 AND NOT (region = 'N')", schema)
    >>> found.text, found.columns
    ("age < 25 and not region == 'N'", ('age', 'region'))
    >>> found.mask(pa.record_batch({"age": [20, 30, None], "region": ["S", "S", "S"]})).tolist()
    [True, False, False]
    """

    root: Any
    columns: tuple[str, ...]

    @property
    def text(self) -> str:
        """The condition in canonical form."""
        return str(self.root.text)

    def mask(self, batch: pa.RecordBatch) -> Mask:
        """Return for each row of ``batch`` whether the condition is true; unknown is not."""
        found: Mask = self.root.truth(batch)[0]
        return found

    def __str__(self) -> str:
        return self.text


def parse(text: str, schema: Schema) -> Predicate:
    """Return the condition that ``text`` says about the columns of ``schema``.

    Raises ``ExpressionError`` with the place of the first mistake (an unknown column is one), and ``ColumnTypeError`` where a column
    is compared with a value of another kind.
    """
    root = _Parser(text, schema).whole()
    return Predicate(root, tuple(dict.fromkeys(root.columns)))


# the tree --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Both:
    """Some conditions joined by "and" or by "or"."""

    word: Literal["and", "or"]
    parts: tuple[Any, ...]

    @property
    def text(self) -> str:
        # "or" binds least: as a part of "and" it needs parentheses
        inner = self.word == "and"
        return f" {self.word} ".join(f"({each.text})" if inner and isinstance(each, _Both) else each.text for each in self.parts)

    @property
    def columns(self) -> list[str]:
        return [name for each in self.parts for name in each.columns]

    def truth(self, batch: pa.RecordBatch) -> Truth:
        true, false = self.parts[0].truth(batch)
        for each in self.parts[1:]:
            more, less = each.truth(batch)
            true, false = (true & more, false | less) if self.word == "and" else (true | more, false & less)
        return true, false


@dataclass(frozen=True)
class _Not:
    part: Any

    @property
    def text(self) -> str:
        return f"not ({self.part.text})" if isinstance(self.part, _Both) else f"not {self.part.text}"

    @property
    def columns(self) -> list[str]:
        return list(self.part.columns)

    def truth(self, batch: pa.RecordBatch) -> Truth:
        true, false = self.part.truth(batch)
        return false, true


@dataclass(frozen=True)
class _Test:
    """One column held against values: ``==`` and such, ``in``, ``between`` or ``null``."""

    column: str
    word: str
    values: tuple[Scalar, ...] = ()
    negated: bool = False

    @property
    def text(self) -> str:
        name, shown, no = quoted(self.column), [literal(each) for each in self.values], "not " if self.negated else ""
        if self.word == "null":
            return f"{name} is {no}null"
        if self.word == "in":
            return f"{name} {no}in ({', '.join(shown)})"
        return f"{name} {no}between {shown[0]} and {shown[1]}" if self.word == "between" else f"{name} {self.word} {shown[0]}"

    @property
    def columns(self) -> list[str]:
        return [self.column]

    def truth(self, batch: pa.RecordBatch) -> Truth:
        array = batch.column(self.column)
        if not pa.types.is_dictionary(array.type):
            return self._plain(array)
        if len(array.dictionary) > 2 * len(array):   # a huge dictionary shared by many batches
            return self._plain(array.dictionary_decode())
        # each different value once, then look the rows up; the last place stands for null
        null = self.word == "null"
        true, false = self._plain(array.dictionary)
        places = array.indices.fill_null(len(true)).to_numpy(zero_copy_only=False)
        return np.append(true, null and not self.negated)[places], np.append(false, null and self.negated)[places]

    def _plain(self, array: pa.Array) -> Truth:
        known = array.is_valid().to_numpy(zero_copy_only=False)
        if pa.types.is_floating(array.type):
            known &= ~np.isnan(_filled(array))
        if self.word == "null":
            found = ~known
        elif pa.types.is_null(array.type):
            return np.zeros(len(array), np.bool_), np.zeros(len(array), np.bool_)
        elif self.word == "in":
            found = _within(array, self.values, self.column)
        elif self.word == "between":
            found = _compared(array, ">=", self.values[0], self.column) & _compared(array, "<=", self.values[1], self.column)
        else:
            found = _compared(array, self.word, self.values[0], self.column)
        if self.word != "null":
            return (~found & known, found & known) if self.negated else (found & known, ~found & known)
        return (~found, found) if self.negated else (found, ~found)


# columns against values ------------------------------------------------------------------------------------------------------


def _compared(array: pa.Array, word: str, value: Scalar, column: str) -> Mask:
    """Return the comparison row by row; what stands for null does not matter."""
    if is_text(array.type):
        found: Mask = _KERNELS[word](array, pa.scalar(value, array.type)).fill_null(False).to_numpy(zero_copy_only=False)
        return found
    number = _comparable(array.type, value, column)
    values = _wide(_filled(array), [number])
    if isinstance(number, float | Fraction) and values.dtype.kind in "iu":
        # whole numbers against a fraction: exact, where a detour by floats would not be beyond 2 ** 53
        if number != math.floor(number) and word in ("==", "!="):
            return np.full(len(values), word == "!=")
        number = math.floor(number) if word in ("<=", ">", "==", "!=") else math.ceil(number)
    result: Mask = np.asarray(_TESTS[word](values, number), np.bool_)
    return result


def _within(array: pa.Array, values: Sequence[Scalar], column: str) -> Mask:
    if is_text(array.type):
        found: Mask = pc.is_in(array, pa.array(values, array.type)).to_numpy(zero_copy_only=False)
        return found
    mask = np.zeros(len(array), np.bool_)
    numbers = [_comparable(array.type, each, column) for each in values]
    filled = _wide(_filled(array), numbers)
    if filled.dtype.kind in "iu":
        limits = np.iinfo(filled.dtype)
        numbers = [int(each) for each in numbers if each == math.floor(each) and limits.min <= each <= limits.max]
    if numbers:
        mask = np.isin(filled, np.array(numbers, filled.dtype))
    return mask


def _filled(array: pa.Array) -> Array:
    """Return an array as numpy numbers, times as whole numbers; any number where it is null."""
    kind = array.type
    if pa.types.is_boolean(kind):
        return np.asarray(array.fill_null(False).to_numpy(zero_copy_only=False))
    if not is_number(kind):
        array = array.view(pa.int32() if kind.bit_width == 32 else pa.int64())
    if array.null_count:
        array = array.fill_null(pa.scalar(0, array.type))
    return np.asarray(array.to_numpy(zero_copy_only=False))


def _wide(values: Array, numbers: Sequence[Any]) -> Array:
    """Return narrow floats as double where a number is beyond them, and would turn into infinity."""
    narrow = values.dtype.kind == "f" and any(abs(each) > float(np.finfo(values.dtype).max) for each in numbers)
    return values.astype(np.float64) if narrow else values


def _comparable(kind: pa.DataType, value: Scalar, column: str) -> Any:
    """Return a value in the units of a column's numbers."""
    if is_number(kind) or pa.types.is_boolean(kind):
        return bool(value) if pa.types.is_boolean(kind) else float(value) if pa.types.is_floating(kind) else value
    text = str(value)
    if pa.types.is_time(kind):
        clock = dt.time.fromisoformat(text)
        micros = ((clock.hour * 60 + clock.minute) * 60 + clock.second) * 10**6 + clock.microsecond
        return Fraction(micros * _PER_SECOND[kind.unit], 10**6)
    if pa.types.is_date(kind):
        days = (dt.date.fromisoformat(text) - dt.date(1970, 1, 1)).days
        return days if pa.types.is_date32(kind) else days * 86_400_000
    moment = dt.datetime.fromisoformat(text)
    if kind.tz is not None and moment.tzinfo is None:
        moment = moment.replace(tzinfo=_zone(kind.tz, column))
    origin = dt.datetime(1970, 1, 1, tzinfo=dt.UTC if kind.tz is not None else None)
    since = moment - origin
    micros = (since.days * 86_400 + since.seconds) * 10**6 + since.microseconds
    return Fraction(micros * _PER_SECOND[kind.unit], 10**6)


def _zone(name: str, column: str) -> dt.tzinfo:
    if offset := re.fullmatch(r"([+-])(\d\d):?(\d\d)", name):
        minutes = int(offset[2]) * 60 + int(offset[3])
        return dt.timezone(dt.timedelta(minutes=-minutes if offset[1] == "-" else minutes))
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ColumnTypeError(f"the column '{column}' is in the time zone '{name}', which is not known here",
                              hint="write times with their offset, such as '2026-01-31T12:00+01:00'") from error


# the parser ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int


class _Parser:
    def __init__(self, text: str, schema: Schema):
        if not isinstance(text, str):
            raise ConfigError(f"a condition is text, not a {type(text).__name__}")
        if len(text) > MAX_LENGTH:
            raise ExpressionError("the condition is too long", text=text[:40] + "...", position=0,
                                  expected=f"at most {MAX_LENGTH:,} characters")
        self.text, self.schema = text, schema
        found = (_Token(str(each.lastgroup), each.group(), each.start()) for each in _TOKEN.finditer(text))
        self.tokens = [*(each for each in found if each.kind != "space"), _Token("end", "", len(text))]
        self.place = 0
        self.depth = 0

    def whole(self) -> Any:
        found = self.any()
        if (token := self.peek()).kind != "end":
            self.wrong(token, "'and', 'or' or the end")
        return found

    def any(self) -> Any:
        return self.joined("or", lambda: self.joined("and", self.each))

    def joined(self, word: Literal["and", "or"], part: Callable[[], Any]) -> Any:
        parts = [part()]
        while self.accept(word):
            parts.append(part())
        if len(parts) == 1:
            return parts[0]
        return _Both(word, tuple(inner for each in parts
                                 for inner in (each.parts if isinstance(each, _Both) and each.word == word else (each,))))

    def each(self) -> Any:
        token = self.peek()
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(token, "the condition is nested too deeply", expected=f"at most {MAX_DEPTH} levels")
        if self.accept("not"):
            found: Any = _Not(self.each())
        elif token.text == "(" and token.kind == "other":
            self.place += 1
            found = self.any()
            self.expect(")", f"')' for the '(' at column {token.start + 1}")
        else:
            found = self.test()
        self.depth -= 1
        return found

    def test(self) -> _Test:
        start = self.peek()
        if start.kind in ("string", "number") or start.text in ("-", "+") or self.word(start) in ("true", "false"):
            value = self.value()
            word = self.compare()
            column = self.column()
            return self.typed(start, column, _FLIPPED.get(word, word), (value,))
        column = self.column()
        if self.accept("is"):
            negated = self.accept("not")
            self.expect("null", "'null'")
            return _Test(column, "null", (), negated)
        negated = self.accept("not")
        if self.accept("in"):
            self.expect("(", "'(' and the values")
            values = [self.value()]
            while self.accept(","):
                values.append(self.value())
            self.expect(")", "',' or ')'")
            return self.typed(start, column, "in", tuple(dict.fromkeys(_exact(values))), negated)
        if self.accept("between"):
            low = self.value()
            self.expect("and", "'and' between the two bounds")
            return self.typed(start, column, "between", (low, self.value()), negated)
        if negated:
            self.wrong(self.peek(), "'in' or 'between' after 'not'")
        word = self.compare()
        return self.typed(start, column, word, (self.value(),))

    def typed(self, start: _Token, column: str, word: str, values: tuple[Any, ...], negated: bool = False) -> _Test:
        """Return the test, once it is certain that the column can be compared with each value."""
        values = tuple(each[1] if isinstance(each, tuple) else each for each in values)
        kind = value_type(self.schema[column].type)
        for value in values:
            expected = _refusal(kind, word, value, column)
            if expected:
                raise ColumnTypeError(
                    f"the column '{column}' is {self.schema[column].type} and cannot be compared with {_what(value)} {literal(value)}"
                    f" by '{word}'", where=f"in '{self.text}' at column {start.start + 1}", expected=expected)
        return _Test(column, word, values, negated)

    def column(self) -> str:
        token = self.peek()
        if token.kind not in ("word", "quoted") or self.word(token) in ("and", "or", "in", "is", "between", "null"):
            self.wrong(token, "a column name")
        name = token.text[1:-1].replace("``", "`") if token.kind == "quoted" else token.text
        if name not in self.schema:
            derived = re.match(r"\w+ of [\w.]+", self.text[token.start:])   # such as brightness of photo, which is in no list of names
            known = [derived[0]] if derived is not None and derived[0] in self.schema else []
            longer = next((each for each in (*known, *self.schema.names)
                           if len(each) > len(name) and self.text.startswith(each, token.start)), None)
            guess = nearest(name, self.schema.names)
            self.fail(token, f"there is no column '{name}'", hint=f"write {quoted(longer)}" if longer is not None
                      else f"did you mean {quoted(guess)}?" if guess is not None else None)
        self.place += 1
        return name

    def compare(self) -> str:
        token = self.peek()
        if token.kind != "compare" or token.text in ("=>", "=<"):
            self.wrong(token, "a comparison such as '<' or '=='")
        self.place += 1
        return _COMPARE.get(token.text, token.text)

    def value(self) -> Scalar:
        token = self.peek()
        if self.word(token) in ("true", "false"):
            self.place += 1
            return self.word(token) == "true"
        if token.kind == "string":
            self.place += 1
            return self.unquoted(token)
        negative = token.text == "-"
        if token.text in ("-", "+") and token.kind == "other":
            self.place += 1
        number = self.peek()
        if number.kind == "number":
            self.place += 1
            found = self.number(number)
            return -found if negative else found
        if self.word(token) == "null":
            self.fail(token, "nothing is equal to null", hint="write 'is null' or 'is not null'")
        if token.kind in ("word", "quoted") and number is token:
            self.fail(token, f"'{token.text}' is not a value", expected="a number, true, false, or text in quotes",
                      hint=f"'{token.text.strip('`')}'")
        return self.wrong(number, "a value: a number, true, false, or text in quotes")

    def number(self, token: _Token) -> int | float:
        if len(token.text) > MAX_DIGITS:
            self.fail(token, "the number is too long", expected=f"at most {MAX_DIGITS} digits")
        found = int(token.text) if token.text.isdigit() else float(token.text)
        try:
            finite = math.isfinite(found)
        except OverflowError:
            finite = False
        if not finite:
            self.fail(token, "the number is too large", expected="a number below 1.8e308")
        return found

    def unquoted(self, token: _Token) -> str:
        def escape(found: re.Match[str]) -> str:
            if found[1] in _ESCAPES:
                return _ESCAPES[found[1]]
            if len(found[1]) == 5:
                return chr(int(found[1][1:], 16))
            return self.fail(token, f"there is no escape '\\{found[1]}'", expected=r"\\ \' \" \n \r \t or \uXXXX",
                             hint=r"a backslash is written '\\'")

        text = re.sub(r"\\(u[0-9a-fA-F]{4}|.)", escape, token.text[1:-1], flags=re.DOTALL)
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            self.fail(token, "the text holds half a character (a lone surrogate)", expected="text that can be written as UTF-8")
        return text

    def peek(self) -> _Token:
        return self.tokens[self.place]

    @staticmethod
    def word(token: _Token) -> str:
        return token.text.casefold() if token.kind == "word" else ""

    def accept(self, text: str) -> bool:
        token = self.peek()
        found = (self.word(token) if text.isalpha() else token.text if token.kind == "other" else "") == text
        self.place += found
        return found

    def expect(self, text: str, expected: str) -> None:
        if not self.accept(text):
            self.wrong(self.peek(), expected)

    def wrong(self, token: _Token, expected: str) -> NoReturn:
        what = "the condition ends too early" if token.kind == "end" else f"'{token.text}' does not belong there"
        self.fail(token, what, expected=expected, hint=_MISTYPED.get(token.text))

    def fail(self, token: _Token, what: str, *, expected: str | None = None, hint: str | None = None) -> NoReturn:
        raise ExpressionError(what, text=self.text if len(self.text) <= 200 else self.text[:197] + "...", position=token.start,
                              expected=expected, hint=hint)


def _exact(values: Iterable[Scalar]) -> list[Any]:
    """Return values with their types, so that ``1`` and ``true`` stay two."""
    return [(type(each).__name__, each) for each in values]


def _refusal(kind: pa.DataType, word: str, value: Scalar, column: str) -> str | None:
    """Return what was expected instead of a value, or None where a column of ``kind`` can be compared with it."""
    ordered = word not in ("==", "!=", "in")
    if pa.types.is_null(kind):
        return None
    if is_number(kind):
        return None if not isinstance(value, bool | str) else "a number without quotes"
    if pa.types.is_boolean(kind):
        fits = isinstance(value, bool) or (not isinstance(value, str) and value in (0, 1))
        return None if fits and not ordered else "true or false, with '==' or '!='"
    if is_text(kind):
        return None if isinstance(value, str) else "text in quotes"
    if is_nested(kind) or not (pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_time(kind)):
        return "'is null' or 'is not null' only"
    expected = ("a time such as '2026-01-31' or '2026-01-31T12:00'" if pa.types.is_timestamp(kind)
                else "a date such as '2026-01-31'" if pa.types.is_date(kind) else "a time of day such as '12:30'")
    if not isinstance(value, str):
        return expected
    try:
        _comparable(kind, value, column)
    except (ValueError, TypeError, OverflowError) as error:
        if isinstance(error, ColumnTypeError):
            raise
        zone = pa.types.is_timestamp(kind) and kind.tz is None and isinstance(error, TypeError)
        return expected + (" without zone" if zone else "")
    return None


def _what(value: Scalar) -> str:
    return "" if isinstance(value, bool) else "the text" if isinstance(value, str) else "the number"


def literal(value: Scalar) -> str:
    r"""Return a value as it is written in a condition.

    >>> literal("it's"), literal(True), literal(-0.5)
    ("'it\\'s'", 'true', '-0.5')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return repr(value)
    return "'" + "".join(_ESCAPED.get(each) or (each if each.isprintable() else _escape(each)) for each in value) + "'"


def _escape(letter: str) -> str:
    return letter if ord(letter) > 0xFFFF else f"\\u{ord(letter):04x}"
