"""How a run looks in a terminal: the verdict, the checks from worst to best, the values with their intervals, notes, cost.

``lines(run, screen)`` is the whole interface; it computes nothing that the run does not hold. For the commands of this package.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from assay.app.layout import Line, Terminal, clean, cut, padded, wrapped
from assay.app.table import Figures, name, some, tables
from assay.check.expression import Check, parse
from assay.errors import AssayError
from assay.result import OUTCOMES, Outcome, Run, Verdict, worst

__all__ = ["cost", "foot", "headline", "lines", "opening", "said", "spaced"]

MOST = 10  # cases that one check lists
SLICED = ("guardrails", "service levels")  # aspects whose verdicts are slices of a check, not sentences of their own
SIGNS: Mapping[Outcome, tuple[str, str]] = {  # in unicode, plain
    "fail": ("✗", "x"), "error": ("✗", "E"), "inconclusive": ("?", "?"), "warn": ("!", "!"), "too small": ("·", "-"), "pass": ("✓", "+")}
#: one and many
_WORDS: Mapping[Outcome, tuple[str, str]] = {
    "fail": ("fails", "fail"), "error": ("is in error", "are in error"), "inconclusive": ("is inconclusive", "are inconclusive"),
    "warn": ("warns", "warn"), "too small": ("is too small to tell", "are too small to tell"), "pass": ("passes", "pass")}


def lines(run: Run, screen: Terminal) -> list[Line]:
    """Return the lines that show ``run`` on ``screen``."""
    groups = _groups(run)
    parts = [headline(run, screen)]
    notes = [line for note in run.notes for line in wrapped([("note: ", "dim")], clean(note), "", screen.width)]
    if run.verb == "gate":  # what is gained and risked is what a release is decided by
        parts.append(notes)
    if groups:
        width = max(len(group.outcome) for group in groups) + 2
        parts.append([line for group in groups for line in _group(group, screen, width)])
    parts += tables(run, screen)
    parts.append(notes if run.verb != "gate" else [])
    parts.append(wrapped([], cost(run), "dim", screen.width))
    return [line for part in parts if part for line in (*part, [])][:-1]


# the verdict --------------------------------------------------------------------------------------------------------------


def headline(run: Run, screen: Terminal) -> list[Line]:
    """Return the verdict in one sentence, with the checks that decide it."""
    groups = _groups(run)
    if not groups:
        count = len(run.values)
        words = f"{count:,} value{'s' * (count != 1)} measured, and no check to fail"
        return wrapped([("NOTHING CHECKED: ", "head")], words, "", screen.width)
    if any(group.aspect for group in groups):
        word = clean(str(run.about.get("decision", run.verdict))).upper()
        return wrapped([(f"{word}: ", run.verdict)], _suite(groups), "head", screen.width)
    counts = {outcome: [group for group in groups if group.outcome == outcome] for outcome in OUTCOMES}
    total = len(groups)
    if len(counts["pass"]) == total:
        words = f"all {total:,} checks pass" if total > 1 else f"the check passes ({groups[0].title})"
    elif total == 1:
        words = f"the check {_WORDS[groups[0].outcome][0]} ({groups[0].title})"
    else:
        words = ", ".join(_counted(outcome, found, total, named=place == 0)
                          for place, (outcome, found) in enumerate(each for each in counts.items() if each[1]))
    return wrapped([(f"{run.verdict.upper()}: ", run.verdict)], words, "head", screen.width)


def _suite(groups: Sequence[_Group]) -> str:
    """Return the verdict of a run with the default suite: how many faults of what, and how many things are fine."""
    words = []
    for outcome, noun in (("fail", "failure"), ("error", "error"), ("inconclusive", "open question"), ("warn", "warning")):
        found = [group for group in groups if group.outcome == outcome]
        if found:
            names = list(dict.fromkeys(cut(group.title, 50) for group in found))
            words.append(f"{len(found):,} {noun}{'s' * (len(found) != 1)} ({', '.join(names)})")
    fine, small = (sum(group.outcome == outcome for group in groups) for outcome in ("pass", "too small"))
    undecided = [f"{small:,} undecided for want of rows"] if small else []
    return ", ".join([*words, f"{fine:,} {'of ' + format(len(groups), ',') + ' ' if not words else ''}things are fine", *undecided])


def _counted(outcome: Outcome, groups: Sequence[_Group], total: int, *, named: bool) -> str:
    count = len(groups)
    of = f" of {total:,} checks" if named else ""
    names = [cut(group.title, 50) for group in groups[:2]] + ([f"and {count - 2:,} more"] if count > 2 else [])
    return f"{count:,}{of} {_WORDS[outcome][count != 1]}" + (f" ({'; '.join(names)})" if named and outcome != "pass" else "")


# the checks ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Group:
    """One check with the verdicts on all its slices or columns, worst first."""

    text: str
    outcome: Outcome
    verdicts: tuple[Verdict, ...]
    check: Check | None

    @property
    def aspect(self) -> str | None:
        """The part of the default suite that it belongs to; None for what a user asked."""
        found = self.verdicts[0].aspect
        return None if found in SLICED else found

    @property
    def title(self) -> str:
        if self.aspect:  # a behaviour test has a name that a person gave it
            return clean(self.verdicts[0].check if self.aspect == "behaviour" else self.aspect)
        return clean(self.check.name or self.text) if self.check else clean(self.text)

    @property
    def noun(self) -> str:
        sliced, named = any(each.slice for each in self.verdicts), any(each.value and each.value.column for each in self.verdicts)
        return "case" if sliced and named else "column" if named else "slice"


def _groups(run: Run) -> list[_Group]:
    """Return the checks of a run, worst first, in the order of the run among equals."""
    found: dict[str, list[Verdict]] = {}
    for verdict in run.verdicts:
        # what the suite says are sentences of their own: even two of one check are two faults
        alone = verdict.aspect and verdict.aspect not in SLICED
        found.setdefault(f"{verdict.aspect}: {verdict.sentence}" if alone else verdict.check, []).append(verdict)
    groups = []
    for text, verdicts in found.items():
        outcome = worst((each.verdict for each in verdicts), strict=run.strict)
        if all(each.verdict == "too small" for each in verdicts) and (run.verdict != "inconclusive" or verdicts[0].aspect):
            outcome = "too small"  # it made the run no worse, and must not look as if it had
        check = _parsed(verdicts[0].check)
        ordered = sorted(verdicts, key=lambda each: (OUTCOMES.index(each.verdict), _badness(each, check)))
        groups.append(_Group(text, outcome, tuple(ordered), check))
    return sorted(groups, key=lambda group: OUTCOMES.index(group.outcome))


def _parsed(text: str) -> Check | None:
    try:
        return parse(text)
    except AssayError:  # written by another version, or by hand: shown as it is
        return None


def _badness(verdict: Verdict, check: Check | None) -> float:
    """Return how far a value is from its bound, smaller is worse; where that means nothing, the run's own order."""
    value = verdict.value
    if value is None or value.value is None or math.isnan(value.value):
        return math.inf
    if check is None or (check.at_least is not None and check.at_most is not None):
        return 0.0
    return value.value if check.at_least is not None else -value.value


def _group(group: _Group, screen: Terminal, width: int) -> list[Line]:
    first: Line = [(padded(group.outcome, width), group.outcome)]
    if group.aspect:
        return _said(group.verdicts[0], first, screen, width)
    if len(group.verdicts) == 1 and not (group.check and group.check.name):
        return wrapped(first, clean(group.verdicts[0].sentence), "", screen.width)
    if len(group.verdicts) == 1:
        return [*wrapped(first, group.title, "head", screen.width),
                *wrapped([(" " * width, "")], clean(group.verdicts[0].sentence), "", screen.width)]
    out = wrapped(first, f"{group.title}: {_tally(group)}", "head", screen.width)
    listed = [each for each in group.verdicts if each.verdict not in ("pass", "too small")]
    for verdict in listed[:MOST]:
        sign = (" " * width + SIGNS[verdict.verdict][screen.plain] + " ", verdict.verdict)
        out += wrapped([sign], clean(verdict.sentence), "", screen.width)
    folded = [f"and {len(listed) - MOST:,} more: --json has all"] if len(listed) > MOST else []
    folded += [_folded(group, [each for each in group.verdicts if each.verdict == outcome]) for outcome in ("too small", "pass")]
    for text, outcome in zip(filter(None, folded), _kinds(group, len(listed) > MOST), strict=True):
        out += wrapped([(" " * width + (SIGNS[outcome][screen.plain] if outcome else " ") + " ", outcome or "")], text, "", screen.width)
    return out


def _said(verdict: Verdict, first: Line, screen: Terminal, width: int) -> list[Line]:
    """Return an opinion of the suite: its sentence, and what to do about a fault."""
    if verdict.verdict in ("pass", "too small"):
        return wrapped(first, clean(verdict.sentence), "dim", screen.width)
    out = wrapped(first, clean(verdict.sentence), "", screen.width)
    arrow = "-> " if screen.plain else "→ "
    return out + (wrapped([(" " * width + arrow, "dim")], clean(verdict.hint), "dim", screen.width) if verdict.hint else [])


def _kinds(group: _Group, more: bool) -> list[Outcome | None]:
    seen = {each.verdict for each in group.verdicts}
    kinds: list[Outcome | None] = [None] if more else []
    return kinds + [outcome for outcome in ("too small", "pass") if outcome in seen]


def _tally(group: _Group) -> str:
    """Return how the slices of a check came out: ``2 of 16 slices fail, 14 pass``."""
    total = len(group.verdicts)
    parts: list[str] = []
    for outcome in OUTCOMES:
        count = sum(each.verdict == outcome for each in group.verdicts)
        if count:
            parts.append(f"{count:,}{'' if parts else f' of {total:,} {group.noun}s'} {_WORDS[outcome][count != 1]}")
    return f"all {total:,} {group.noun}s {_WORDS[group.verdicts[0].verdict][1]}" if len(parts) == 1 else ", ".join(parts)


def _folded(group: _Group, verdicts: Sequence[Verdict]) -> str:
    """Return one line for slices that need no line each."""
    if not verdicts:
        return ""
    many = len(verdicts) != 1
    noun = f"{len(verdicts):,} {group.noun}{'s' * many}"
    if verdicts[0].verdict == "too small":
        return f"{noun} {'are' if many else 'is'} too small to tell: {some([_place(each) for each in verdicts])}"
    nearest = verdicts[0]
    text = f"{noun} pass{'es' * (not many)}"
    if nearest.value is None or nearest.value.value is None or group.check is None:
        return text
    word = "" if not many or (group.check.at_least and group.check.at_most) else "lowest " if group.check.at_least else "highest "
    figures = Figures.of([nearest.value])
    return f"{text}: {word}{' '.join(filter(None, figures.row(nearest.value)))} {cut(_place(nearest), 40)}" if word or not many else text


def _place(verdict: Verdict) -> str:
    """Return which slice or column a verdict speaks of, in a few words."""
    named = [name(verdict.slice)] if verdict.slice else []
    return ", ".join(named + ([clean(verdict.value.column)] if verdict.value and verdict.value.column else [])) or "all rows"


# the cost -----------------------------------------------------------------------------------------------------------------


def cost(run: Run) -> str:
    """Return what a run took, in a line."""
    spent = run.cost
    scored = f"{spent.model_rows:,} put to models, " if spent.model_rows else ""
    return f"{spent.rows:,} rows read, {scored}{spent.seconds:.1f} s; run {clean(run.id)[:12]}, assay {clean(run.assay)}"


def opening(run: Run, screen: Terminal) -> list[Line]:
    """Return the verdict, where anything was judged, and the first sentence of a run."""
    told: Line = [(f"{run.verdict.upper()}: ", run.verdict)] if run.verdicts else []
    return wrapped(told, clean(run.sentences[0] if run.sentences else run.verdict), "head", screen.width)


def said(texts: Iterable[str], screen: Terminal, mark: str = "") -> list[Line]:
    """Return texts one below the other, each behind a mark such as ``note: ``."""
    return [line for each in texts for line in wrapped([(mark, "dim")] if mark else [], clean(each), "", screen.width)]


def foot(run: Run, screen: Terminal, about: Iterable[str] = ()) -> list[list[Line]]:
    """Return what stands at the end of a run: the notes, what is known ``about`` it, by name, and what it cost."""
    stated = [f"{name}: {clean(str(run.about[name]))}" for name in about if name in run.about]
    return [said(run.notes, screen, "note: "), wrapped([], "; ".join(stated), "dim", screen.width) if stated else [],
            wrapped([], cost(run), "dim", screen.width)]


def spaced(parts: Iterable[Sequence[Line]]) -> list[Line]:
    """Return parts below each other with an empty line between; those without a line are left out."""
    return [line for part in parts if part for line in (*part, [])][:-1]
