"""What a production says of the label of a sentence: a constant, that of a part, its opposite, or that nobody could say.

``Label`` is such an expression; ``value(label, parts, flips)`` works it out. ``probe.text.syntax`` reads them, ``tree`` works them out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["UNDEFINED", "Label", "merged", "value"]

UNDEFINED = "?"   # as grammars write it: people would not agree on the label of such a sentence


@dataclass(frozen=True)
class Label:
    """An expression: a ``constant``, the label of a ``part`` (from 0), or one of ``terms``: ``flip``, ``both``, ``first``, ``last``."""

    kind: Literal["constant", "part", "flip", "both", "first", "last"]
    text: str = ""
    part: int = 0
    terms: tuple[Label, ...] = ()


def merged(labels: Sequence[str | None], neutral: str | None = None) -> str | None:
    """Return the one label of several parts: None where none has one, undefined where they differ; what is neutral gives way.

    >>> merged(["positive", None]), merged(["positive", "neutral"], "neutral"), merged(["positive", "negative"]), merged([])
    ('positive', 'positive', '?', None)
    """
    known = {each for each in labels if each is not None}
    if len(known) > 1:
        known.discard(neutral or "")
    if not known:
        return None
    return known.pop() if len(known) == 1 else UNDEFINED


def value(label: Label | None, parts: Sequence[str | None], flips: Mapping[str, str], neutral: str | None = None) -> str | None:
    """Return the label of a production whose parts have labels ``parts`` (None: it says nothing); without an expression they are merged.

    A part that is undefined makes the whole undefined, whatever the expression takes: a reader would stumble over it all the same.

    >>> value(Label("flip", terms=(Label("part"),)), ["good"], {"good": "bad", "bad": "good"})
    'bad'
    """
    if UNDEFINED in parts:
        return UNDEFINED
    if label is None:
        return merged(parts, neutral)
    return _worked(label, parts, flips, neutral)


def _worked(label: Label, parts: Sequence[str | None], flips: Mapping[str, str], neutral: str | None) -> str | None:
    if label.kind == "constant":
        return label.text
    if label.kind == "part":
        return parts[label.part]
    terms = [_worked(each, parts, flips, neutral) for each in label.terms]
    if label.kind == "flip":
        return terms[0] if terms[0] is None else flips.get(terms[0], terms[0])
    if label.kind == "both":
        return merged(terms, neutral)
    known = [each for each in terms if each is not None]
    if not known:
        return None
    return known[0] if label.kind == "first" else known[-1]
