"""What is kept of an answer: fields of JSON, elements of a page, whether a text is in it; and what a unit's outcome is then.

``Answer`` is what came back, ``taken`` reads one thing of it, ``outcome`` turns all that a unit was shown into a number or a list of texts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any, TypeAlias

from assay.errors import PredictionError
from assay.probe.experiment.design import Outcome
from assay.probe.experiment.statistic import keywords, words

__all__ = ["Answer", "Seen", "outcome", "taken"]

Seen: TypeAlias = "float | list[str] | None"

ITEMS = 10_000      # of one unit and outcome
LETTERS = 300       # of an item
WORDS = 20_000      # of a text
_INLINE = frozenset(("a", "abbr", "b", "bdi", "code", "em", "font", "i", "mark", "s", "small", "span", "strong", "sub", "sup", "u", "wbr"))
_ENDED = {"li": ("ul", "ol"), "p": ("div", "td", "li"), "tr": ("table",), "td": ("tr", "table"), "th": ("tr", "table"), "dt": ("dl",),
          "dd": ("dl",), "option": ("select",)}   # another ends it, unless it is inside one of these
_VOID = frozenset(("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"))


@dataclass(frozen=True)
class Answer:
    """One answer: its status, its content, how it says it is written, and how long it took."""

    status: int
    body: bytes
    kind: str = ""
    seconds: float = 0.0

    @property
    def text(self) -> str:
        """The content as text; what cannot be read stands as a mark."""
        return self.body.decode("utf-8", "replace")


def taken(answer: Answer, kind: str, of: str) -> list[Any]:
    """Return all that a reading finds in an answer; raises ``PredictionError`` where the answer is not what it takes.

    >>> taken(Answer(200, b'{"ads": [{"title": "cars"}, {"title": "jobs"}]}'), "json", "ads.*.title")
    ['cars', 'jobs']
    >>> taken(Answer(200, b"<ul><li class='ad big'>cars <b>now</b></li><li>x</li></ul>"), "html", "li.ad")
    ['cars now']
    >>> taken(Answer(200, b"Your loan is APPROVED"), "contains", "approved")
    [True]
    """
    if kind == "status":
        return [answer.status]
    if kind == "seconds":
        return [answer.seconds]
    if kind == "contains":
        return [of.casefold() in answer.text.casefold()]
    if kind == "text":
        return [_page(answer.text, None)[0] if "html" in answer.kind else answer.text]
    if kind == "html":
        return _page(answer.text, of)
    try:
        value = json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        begin = "".join(each if each.isprintable() else " " for each in answer.text[:40])
        raise PredictionError(f"the answer is no JSON: it begins '{begin}'") from error
    return list(_walked(value, of.split(".")))[:ITEMS + 1]


def _walked(value: Any, parts: Sequence[str]) -> Iterator[Any]:
    if not parts:
        yield value
    elif isinstance(value, list):
        picked = value if parts[0] == "*" else value[int(parts[0]):][:1] if parts[0].isdigit() and len(parts[0]) < 7 else []
        for each in picked:
            yield from _walked(each, parts[1:])
    elif isinstance(value, dict):
        for each in value.values() if parts[0] == "*" else [value[parts[0]]] if parts[0] in value else []:
            yield from _walked(each, parts[1:])


class _Page(HTMLParser):
    """Collects the text of each element that is wanted, with what is inside."""

    def __init__(self, tag: str, name: str, mark: str):
        super().__init__(convert_charrefs=True)
        self.tag, self.name, self.mark = tag, name, mark
        self.open: list[tuple[str, int]] = []     # of the elements that are open: tag, and which text it collects (-1: none)
        self.texts: list[list[str]] = []
        self.hidden = 0

    def wanted(self, tag: str, attributes: dict[str, str | None]) -> bool:
        held = (attributes.get("class") or "").split() if self.mark == "." else [attributes.get("id") or ""]
        return self.tag in ("", tag) and (not self.mark or self.name in held)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hidden += tag in ("script", "style")
        if tag in _ENDED:
            near = next((at for at in range(len(self.open) - 1, -1, -1) if self.open[at][0] in (tag, *_ENDED[tag])), None)
            if near is not None and self.open[near][0] == tag:
                del self.open[near:]
        if tag not in _INLINE:
            self.handle_data(" ")
        place = -1
        if len(self.texts) <= ITEMS and self.wanted(tag, dict(attrs)):
            place = len(self.texts)
            self.texts.append([])
        if tag not in _VOID and len(self.open) < 500:
            self.open.append((tag, place))

    def handle_endtag(self, tag: str) -> None:
        self.hidden = max(0, self.hidden - (tag in ("script", "style")))
        depth = next((at for at in range(len(self.open) - 1, -1, -1) if self.open[at][0] == tag), None)
        if depth is not None:
            del self.open[depth:]

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            for _, place in self.open:
                if place >= 0:
                    self.texts[place].append(data)


def _page(text: str, selector: str | None) -> list[str]:
    """Return the texts of elements that ``tag``, ``tag.class``, ``.class`` or ``tag#id`` names; without, that of the whole page."""
    if selector is None:
        page = _Page("", "", "")
        page.texts, page.open = [[]], [("", 0)]
        page.wanted = lambda tag, attributes: False  # type: ignore[method-assign]
    else:
        mark = "." if "." in selector else "#" if "#" in selector else ""
        tag, _, name = selector.partition(mark) if mark else (selector, "", "")
        page = _Page(tag.strip().lower(), name.strip(), mark)
    page.feed(_uncommented(text))
    page.close()
    return [" ".join("".join(parts).split()) for parts in page.texts]


def _uncommented(text: str) -> str:
    """Return a page without comments and declarations, which the parser of the standard library takes a square of their length for."""
    parts, at = [], 0
    while (begin := text.find("<!", at)) >= 0:
        comment = text.startswith("<!--", begin)
        end = text.find("-->" if comment else ">", begin + 2)
        parts.append(text[at:begin])
        if end < 0:
            return " ".join(parts)
        at = end + (3 if comment else 1)
    return " ".join([*parts, text[at:]])


def outcome(wanted: Outcome, values: Sequence[Any]) -> Seen:
    """Return what a unit gave of an outcome: a number (the mean of all), a list of texts, or None where nothing of the kind came.

    Raises ``PredictionError`` for what is of another kind, or too much.

    >>> outcome(Outcome("price", "number", "mean"), ["1.50", 2.5]), outcome(Outcome("ok", "yes", "mean"), [True, False])
    (2.0, 0.5)
    >>> outcome(Outcome("ads", "items", "mean", ("job",)), ["Jobs", "cars"]), outcome(Outcome("ads", "items", "either"), ["Jobs", "Jobs"])
    (1.0, ['Jobs', 'Jobs'])
    """
    flat = [one for each in values for one in (each if isinstance(each, list | tuple) else [each])]
    if len(flat) > ITEMS:
        raise PredictionError(f"a unit was shown more than {ITEMS:,} things for '{wanted.name}'", expected="fewer")
    flat = [each for each in flat if each is not None]
    if wanted.kind == "number":
        return _mean([_number(wanted.name, each) for each in flat])
    if wanted.kind == "yes":
        return _mean([_truth(wanted.name, each) for each in flat])
    strange = next((each for each in flat if not isinstance(each, str | int | float | bool)), None)
    if strange is not None:
        raise PredictionError(f"'{wanted.name}' holds a {type(strange).__name__}", expected="texts")
    texts = [str(each) for each in flat]
    if wanted.kind == "text":
        if wanted.keywords:
            return float(sum(" ".join(texts).casefold().count(word.casefold()) for word in wanted.keywords))
        return words(" ".join(texts))[:WORDS]
    texts = [" ".join(each.split())[:LETTERS] for each in texts]
    if wanted.keywords:
        return float(keywords(texts, wanted.keywords))
    return texts if texts or wanted.kind == "items" else None


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _number(name: str, value: Any) -> float:
    try:
        found = float(value.replace(",", "").strip(" $€£%") if isinstance(value, str) else value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found) or abs(found) > 1e100:
        raise PredictionError(f"'{name}' is {str(value)[:40]!r}", expected="a number")
    return found


def _truth(name: str, value: Any) -> float:
    if isinstance(value, bool) or value in (0, 1):
        return float(value)
    known = {"yes": 1.0, "true": 1.0, "1": 1.0, "no": 0.0, "false": 0.0, "0": 0.0}
    if isinstance(value, str) and value.strip().casefold() in known:
        return known[value.strip().casefold()]
    raise PredictionError(f"'{name}' is {str(value)[:40]!r}", expected="yes or no")
