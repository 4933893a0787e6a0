"""The words of the expression language of checks: text to tokens and back, with quotes, escapes, numbers, and bounds of length and depth.

``tokens`` cuts, ``unquoted`` and ``number`` read one token, ``named``, ``quoted``, ``literal``, ``shown`` write. ``expression`` imports it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from assay.errors import ExpressionError

__all__ = ["COMPARES", "KEYWORDS", "MAX_DEPTH", "MAX_LENGTH", "Scalar", "Token", "literal", "named", "number", "quoted", "shown", "tokens",
           "unquoted"]

Scalar: TypeAlias = str | int | float | bool | None

MAX_LENGTH = 4000  # an expression is a line that a person reads; the limit keeps hostile configurations cheap
MAX_DEPTH = 32
COMPARES = ("ratio", "difference")
KEYWORDS = frozenset({"of", "by", "where", "between", "and", "warn", *COMPARES})

_WORD = re.compile(r"[^\W\d]\w*(?:\.\w+)*")
_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |(?P<quoted>`(?:[^`]|``)*`)
    |(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?%?)
    |(?P<word>[^\W\d]\w*(?:\.\w+)*)
    |(?P<compare>>=|<=|=>|=<|==|!=|<>|[<>=≥≤])
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_OPEN, _CLOSE = {"(": ")", "[": "]", "{": "}"}, {")", "]", "}"}
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "'": "'", '"': '"'}


@dataclass(frozen=True)
class Token:
    """A piece of text: its kind, where it starts, and in how many parentheses it stands."""

    kind: str
    text: str
    start: int
    depth: int


def tokens(text: str) -> list[Token]:
    """Return every token with its depth of parentheses; quotes closed, parentheses balanced, length and depth bounded."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"the expression has {len(text)} characters", text=text[:40] + "...", position=MAX_LENGTH,
                              expected=f"at most {MAX_LENGTH}")
    found: list[Token] = []
    stack: list[Token] = []
    for match in _TOKEN.finditer(text):
        kind, part, start = str(match.lastgroup), match.group(), match.start()
        if kind == "other" and part in "'\"`":
            raise ExpressionError(f"the quote {part} is never closed", text=text, position=start, expected=f"another {part}")
        if kind == "other" and part in _CLOSE:
            if not stack or _OPEN[stack[-1].text] != part:
                raise ExpressionError(f"'{part}' closes nothing", text=text, position=start)
            stack.pop()
        found.append(Token(kind, part, start, len(stack)))
        if kind == "other" and part in _OPEN:
            stack.append(found[-1])
            if len(stack) > MAX_DEPTH:
                raise ExpressionError("parentheses are nested too deeply", text=text, position=start,
                                      expected=f"at most {MAX_DEPTH} levels")
    if stack:
        raise ExpressionError(f"'{stack[-1].text}' is never closed", text=text, position=stack[-1].start,
                              expected=f"a '{_OPEN[stack[-1].text]}'")
    return found


def number(token: Token, text: str) -> float:
    """Return the number that a token of ``text`` writes; ``5%`` is 0.05."""
    digits = token.text.rstrip("%")
    found = float(digits)
    if not math.isfinite(found):
        raise ExpressionError(f"'{token.text[:40]}' is too large for a number", text=text, position=token.start)
    # through decimals: 0.7% must be the number that 0.007 is
    return float(Decimal(digits).scaleb(-2)) if token.text.endswith("%") and found else found


def unquoted(token: Token, text: str) -> str:
    """Return what a token of ``text`` holds between its quotes, escapes resolved."""

    def decoded(match: re.Match[str]) -> str:
        code, plain = match.group(1), match.group(2)
        if code and int(code[1:], 16) <= 0x10FFFF:
            return chr(int(code[1:], 16))
        if plain in _ESCAPES:
            return _ESCAPES[plain]
        raise ExpressionError(f"'{match.group()}' is not an escape", text=text, position=token.start + 1 + match.start(),
                              expected=r"one of \\ \' \" \n \r \t \uXXXX", hint="a backslash is written \\\\")

    return re.sub(r"\\(?:(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})|(.))", decoded, token.text[1:-1], flags=re.DOTALL)


def quoted(text: str, mark: str) -> str:
    """Return a text between marks, so that :func:`unquoted` gives it back."""
    names = {"\n": r"\n", "\r": r"\r", "\t": r"\t", "\\": r"\\", mark: "\\" + mark}
    shown = (names.get(c) or (c if c.isprintable() else f"\\u{ord(c):04x}" if ord(c) < 0x10000 else f"\\U{ord(c):08x}") for c in text)
    return mark + "".join(shown) + mark


def named(name: str) -> str:
    """Return a name as it is written: in backquotes where it is no plain word, or a keyword."""
    return name if _WORD.fullmatch(name) and name not in KEYWORDS else f"`{name.replace('`', '``')}`"


def literal(value: Scalar) -> str:
    """Return the value of an option as it is written."""
    if isinstance(value, str):
        return quoted(value, "'")
    return {None: "null", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else repr(value)


def shown(number: float) -> str:
    """Return a number as it is written: whole numbers without a point."""
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
