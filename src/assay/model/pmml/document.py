"""A PMML file as a tree of elements: expat without document types, entities, or depths and sizes that no model has.

``parsed(data)`` is the interface; namespaces are dropped, as every version of PMML has another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from assay.errors import ModelError

__all__ = ["Element", "number", "parsed"]

DEEPEST = 500          # a tree of a model is a few dozen levels deep; a recursion of ours never gets further than this
MOST = 20_000_000      # elements
SILENT = ("Extension", "Header", "ModelStats", "ModelExplanation", "ModelVerification", "ModelQuality", "Annotation", "Timestamp")


@dataclass(slots=True)
class Element:
    """One element: its name without a namespace, its attributes, the elements inside, and its own text."""

    name: str
    attributes: dict[str, str]
    inside: list[Element] = field(default_factory=list)
    text: str = ""

    def get(self, name: str, otherwise: str | None = None) -> str | None:
        return self.attributes.get(name, otherwise)

    def need(self, name: str) -> str:
        """Return an attribute; raises ``ModelError`` where it is missing."""
        if name not in self.attributes:
            raise ModelError(f"a {self.name} in the file has no '{name}'", expected="a whole PMML file")
        return self.attributes[name]

    def all(self, *names: str) -> Iterator[Element]:
        """Yield the elements inside of these names."""
        return (each for each in self.inside if each.name in names)

    def first(self, *names: str) -> Element | None:
        return next(self.all(*names), None)


def number(text: str) -> float:
    """Return the number that an attribute holds; raises ``ModelError`` for what is none.

    >>> number("1e3")
    1000.0
    """
    try:
        return float(text)
    except ValueError:
        raise ModelError(f"'{text[:40]}' in the file is no number", expected="a whole PMML file") from None


def parsed(data: bytes) -> Element:
    """Return the root of a PMML file; what only people read (headers, statistics, extensions) is left out.

    Raises ``ModelError`` for a document type or an entity (they read files and fill memories), for more than 500 levels, and for
    what is no XML.

    >>> parsed(b'<PMML version="4.4"><DataDictionary/></PMML>').inside[0].name
    'DataDictionary'
    >>> parsed(b'<!DOCTYPE PMML [<!ENTITY a "b">]><PMML/>')
    Traceback (most recent call last):
    assay.errors.ModelError: the file declares a document type; expected a PMML file, which has none
    """
    reading = _Reading()
    reader = expat.ParserCreate()
    reader.buffer_text = True
    reader.StartDoctypeDeclHandler = reading.doctype
    reader.StartElementHandler, reader.EndElementHandler, reader.CharacterDataHandler = reading.start, reading.end, reading.heard
    try:
        reader.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise ModelError(f"the file is no XML, or it is cut off ({error})", expected="a whole PMML file") from error
    if reading.root is None or reading.root.name != "PMML":
        raise ModelError("the file is no PMML", expected="a PMML file")
    return reading.root


class _Reading:
    def __init__(self) -> None:
        self.root: Element | None = None
        self.open: list[Element] = []
        self.silent = 0     # levels below an element that is left out
        self.seen = 0

    def doctype(self, *_: object) -> None:
        raise ModelError("the file declares a document type", expected="a PMML file, which has none")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.seen += 1
        if self.seen > MOST or len(self.open) + self.silent >= DEEPEST:
            raise ModelError(f"the file has more than {MOST:,} elements, or {DEEPEST} levels", expected="a model")
        plain = name.rpartition(":")[2]
        if self.silent or (plain in SILENT and self.open):
            self.silent += 1
            return
        made = Element(plain, attributes)
        if self.open:
            self.open[-1].inside.append(made)
        else:
            self.root = made
        self.open.append(made)

    def end(self, name: str) -> None:
        if self.silent:
            self.silent -= 1
        else:
            self.open.pop()

    def heard(self, text: str) -> None:
        if not self.silent and self.open and not text.isspace():
            self.open[-1].text += text
