"""A run as one HTML page that needs nothing else: for people, whether they manage, validate or build the model.

Interface: :func:`render`, registered for ``Run.save("report.html")`` and for notebooks. Any layer above may import it.

The page is a template, built from ``ui/`` beforehand (``make ui``, or the build of a wheel), and the JSON of the run inside it.
Its policy lets only its own script run, and load nothing. What a run holds is data to it: names of columns and messages
become text nodes, never HTML. A page stays under two megabytes, however long the run: the worst comes first, and sentences say
how much is left out.
"""

from __future__ import annotations

import dataclasses
import html
import json
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from importlib import resources
from typing import Any, TypeVar

from assay.errors import ConfigError, without_secrets
from assay.result import FEWEST_SHOWN, LEVEL, OUTCOMES, Figure, Run, Value, Verdict, goodness

__all__ = ["render"]

_BYTES = 1_900_000  # of a whole page
# What a page holds at most, before it is known how long the names are: rows of a table, and the longest text.
_MOST = {"verdicts": 1_200, "values": 2_400, "figures": 60, "findings": 200, "incidents": 200, "notes": 100, "about": 60}
_ROWS = 200
_POINTS = 400
_WIDE = 40
_LONGEST = 1_000
_PLAIN = 20_000  # characters of the text that stands in for the page where scripts are off
_ASPECTS = 40
_COUNTS = ("rows", "n")  # columns of a figure's table that count the rows behind each line of it
# characters that have no place in a text, and marks that reverse how the text around them reads
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]|[\u202a-\u202e\u2066-\u2069]")
_ESCAPES = {ord(each): f"\\u{ord(each):04x}" for each in "<>&\u2028\u2029"}
_WORDS = {"findings": "finding", "incidents": "incident", "notes": "note", "about": "fact"}

T = TypeVar("T")
_SPREAD = ("sensitivity", "beeswarm")   # every column of such a table tells of the rows behind its line
_IN_ORDER = ("matrix", "waterfall", "tree", "marked", "patches", *_SPREAD)
_FIELDS = 1_100   # of a small picture


def render(run: Run, *, height: int | None = None) -> str:
    """Return ``run`` as a self-contained HTML page of less than two megabytes.

    With ``height``, for a notebook: the page in a frame of so many pixels, whose script sees nothing of the notebook; plain
    text where the page has not been built. Without, that raises ``ConfigError`` (a checkout before ``make ui``).

    >>> from assay.result import Verdict
    >>> "<b>" in render(Run("check", verdicts=(Verdict("auc >= 0.7", "fail", "auc is <b>0.60</b>: fails"),)), height=400)
    False
    """
    if height is None:
        return _page(run)
    try:
        page = _page(run)
    except ConfigError:
        return f"<pre>{html.escape(_plain(run))}</pre>"
    name = html.escape(_text(f"assay {run.verb}: {run.verdict}"))
    # in references, because where the page around it names no encoding the script would read differently and lose its permission
    source = html.escape(page).encode("ascii", "xmlcharrefreplace").decode()
    return (f'<iframe srcdoc="{source}" sandbox="allow-scripts" title="{name}" '
            f'style="width:100%;height:{height}px;border:0;resize:vertical;overflow:auto"></iframe>')


def _page(run: Run) -> str:
    template = _template()
    head, tail = template.split(_DATA)
    heading = html.escape(_cut(_text(f"assay {run.verb}: {run.verdict}"), _LONGEST))
    head = head.replace("<title>assay</title>", f"<title>{heading}</title>")
    head = head.replace("<!--plain-->", f"<pre>{html.escape(_plain(run))}</pre>")
    room = _BYTES - len(head.encode()) - len(tail.encode())
    share = 1.0
    text = _embedded(_shown(run, share))
    while len(text.encode()) > room and share > 1e-3:
        share *= max(0.2, min(0.8, room / len(text.encode())))
        text = _embedded(_shown(run, share))
    return f"{head}{_DATA[:-len(_END)]}{text}{_END}{tail}"


def _plain(run: Run) -> str:
    """Return the run in words, for readers without scripts; it keeps silent of small slices as the page does."""
    values = tuple(each.silenced() for each in run.values)
    verdicts = tuple(dataclasses.replace(each, sentence=_sentence(each)) for each in run.verdicts)
    return _cut(_text(repr(dataclasses.replace(run, values=values, verdicts=verdicts))), _PLAIN)


_END = "</script>"
_DATA = f'<script type="application/json" id="run">{_END}'


def _template() -> str:
    place = resources.files("assay.report") / "static" / "report.html"
    try:
        text = place.read_text("utf-8")
    except OSError as error:
        raise ConfigError("the page of reports has not been built", expected="report/static/report.html inside the package",
                          hint="in a checkout, run `make ui`; the packages to install have it; --json works without") from error
    if _DATA not in text:
        raise ConfigError("the page of reports was built from another version", hint="in a checkout, run `make ui`")
    return text


def _embedded(data: Mapping[str, Any]) -> str:
    """Return JSON that can neither end its element nor start another."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).translate(_ESCAPES)


def _shown(run: Run, share: float) -> dict[str, Any]:
    """Return the JSON of what the page shows, at most ``share`` of what a page could show."""
    most = {part: max(5, int(count * share)) for part, count in _MOST.items()}
    verdicts = _fair(run.verdicts, most["verdicts"], lambda each: (each.aspect or "checks", each.check),
                     lambda each: OUTCOMES.index(each.verdict))
    values = _fair(run.values, most["values"], _family, _badness)
    figures = run.figures[:most["figures"]]
    left = {part: _left(len(items) - most[part], _WORDS[part]) for part, items in (
        ("findings", run.findings), ("incidents", run.incidents), ("notes", run.notes), ("about", run.about)) if len(items) > most[part]}
    if len(values) < len(run.values):
        left["values"] = _left(len(run.values) - len(values), "value", "; each kind shows its worst")
    if len(figures) < len(run.figures):
        left["figures"] = _left(len(run.figures) - len(figures), "picture")
    tally: dict[str, Counter[str]] = {}
    for each in run.verdicts:
        tally.setdefault(each.aspect or "checks", Counter())[each.verdict] += 1
    data = {
        "assay": run.assay, "verb": run.verb, "run": run.id, "verdict": run.verdict, "strict": run.strict,
        "values": [_value(each) for each in values],
        "verdicts": [_verdict(each) for each in verdicts],
        "findings": [{"probe": each.probe, "sentence": each.sentence, "outcome": each.outcome} for each in run.findings[:most["findings"]]],
        "incidents": [{"first_seen": each.first_seen, "last_seen": each.last_seen, "page": each.page, "sentence": each.sentence,
                       "source": each.source, "cause": each.cause, "state": each.state, "hint": each.hint}
                      for each in run.incidents[:most["incidents"]]],
        "figures": [_figure(each, share) for each in figures],
        **({"sentences": list(run.sentences[:most["notes"]])} if run.sentences else {}),
        "notes": list(run.notes[:most["notes"]]), "about": dict(list(run.about.items())[:most["about"]]), "cost": run.cost.to_json(),
        "page": {"counts": dict(Counter(each.verdict for each in run.verdicts)), "left_out": left,
                 "aspects": [{"name": name, "counts": dict(tally[name])} for name in list(tally)[:_ASPECTS]]},
    }
    cleaned: dict[str, Any] = _clean(data, max(60, int(_LONGEST * min(1.0, share * 2))))
    return cleaned


def _left(count: int, noun: str, rest: str = "") -> str:
    return f"{count:,} more {noun}{'s are' if count != 1 else ' is'} left out here{rest}. The JSON of this run has all."


def _fair(items: Sequence[T], most: int, family: Any, badness: Any) -> list[T]:
    """Return ``most`` of the items in their order: the worst of each family, then its second worst, and so on."""
    if len(items) <= most:
        return list(items)
    families: dict[Hashable, list[int]] = {}
    for place, each in enumerate(items):
        families.setdefault(family(each), []).append(place)
    turn = {}
    for places in families.values():
        turn.update({place: rank for rank, place in enumerate(sorted(places, key=lambda place: badness(items[place])))})
    chosen = sorted(range(len(items)), key=lambda place: (turn[place], badness(items[place])))[:most]
    return [items[place] for place in sorted(chosen)]


def _family(value: Value) -> Hashable:
    return value.name, value.model, value.against, value.column is None, tuple(sorted(value.slice))


def _badness(value: Value) -> float:
    """Return a number that is smaller the worse the value is."""
    return float("inf") if value.value is None else goodness(value.value, value.better)


def _value(value: Value) -> dict[str, Any]:
    left_out = ("spread", "method", "bound", *(["level"] if value.level == LEVEL else []))
    return {name: each for name, each in value.silenced().to_json().items() if name not in left_out}


def _verdict(verdict: Verdict) -> dict[str, Any]:
    data = {name: each for name, each in verdict.to_json().items() if name not in ("value", "threshold", "p", "rows_needed")}
    return data | {"sentence": _sentence(verdict)}


def _sentence(verdict: Verdict) -> str:
    if verdict.value is None or not verdict.value.private:
        return verdict.sentence
    where = ", ".join(f"{name} {each}" for name, each in verdict.slice.items()) or "a slice"
    return f"{verdict.check}: {where} has fewer than {FEWEST_SHOWN} rows, so its numbers are not shown"


def _figure(figure: Figure, share: float) -> dict[str, Any]:
    """Return the JSON of a figure, with a table of bounded length and width."""
    data = figure.to_json()
    table: dict[str, list[Any]] = data["table"]
    if counts := next((table[name] for name in _COUNTS if name in table and name not in (figure.x, *figure.y)), None):
        small = [isinstance(each, int | float) and each < FEWEST_SHOWN for each in counts]
        named = set(table) - {figure.x, *_COUNTS} if figure.kind in _SPREAD else {*figure.y, *figure.low, *figure.high}
        table = {name: [None if hide and name in named else each for each, hide in zip(column, small, strict=True)]
                 for name, column in table.items()}
    wide = max(2, int(_WIDE * min(1.0, share * 2)))
    drawn = figure.y[:wide]
    names = dict.fromkeys([figure.x, *drawn, *figure.low[:wide], *figure.high[:wide], *list(table)[:wide]])
    most = _FIELDS if figure.kind == "patches" else _POINTS if figure.kind in ("line", *_SPREAD) else _ROWS
    most = max(10, int(most * min(1.0, share * 2)))
    rows = _rows(figure, most)
    data["table"] = {name: [table[name][row] for row in rows] for name in names}
    data |= {"y": drawn} | {key: list(getattr(figure, key)[:wide]) for key in ("low", "high") if getattr(figure, key)}
    left = [f"{figure.rows - len(rows):,} of {figure.rows:,} rows"] if len(rows) < figure.rows else []
    left += [f"{len(table) - len(names):,} of {len(table):,} columns"] if len(names) < len(table) else []
    if left:
        which = {"line": "evenly along the axis", **dict.fromkeys(_IN_ORDER, "from the end")}.get(figure.kind, "those that differ least")
        data["left_out"] = f"{' and '.join(left)} are left out here, {which}. The JSON of this run has all."
    return data


def _rows(figure: Figure, most: int) -> Sequence[int]:
    """Return the rows to show: of a curve evenly many, else those that stand out."""
    if figure.rows <= most:
        return range(figure.rows)
    if figure.kind == "line":
        return [round(place * (figure.rows - 1) / (most - 1)) for place in range(most)]
    if figure.kind in _IN_ORDER:
        return range(most)
    columns = [figure.table[name] for name in figure.y]
    centre = figure.mark or 0.0

    def salience(row: int) -> float:
        known = [each for column in columns if isinstance(each := column[row], int | float) and each == each]
        return max(known) - min(known) if len(known) > 1 else abs(known[0] - centre) if known else -1.0
    return sorted(sorted(range(figure.rows), key=salience, reverse=True)[:most])


def _clean(item: Any, longest: int) -> Any:
    """Return JSON whose texts are short, without secrets and strange characters, and whose numbers have no needless digits."""
    if isinstance(item, str):
        return _cut(_text(item), longest)
    if isinstance(item, bool) or item is None:
        return item
    if isinstance(item, float):
        return float(f"{item:.7g}") if item - item == 0 else None
    if isinstance(item, int):
        return item if abs(item) < 2**53 else float(item)
    if isinstance(item, Mapping):
        return {_cut(_text(str(name)), longest): _clean(each, longest) for name, each in item.items()}
    if isinstance(item, Iterable):
        return [_clean(each, longest) for each in item]
    return _cut(_text(str(item)), longest)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[:longest - 1] + "…"


def _text(text: str) -> str:
    return _ILLEGAL.sub(lambda match: f"\\u{ord(match.group()):04x}", without_secrets(text))
