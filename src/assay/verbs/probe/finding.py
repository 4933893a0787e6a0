"""Associations in words: a sentence with numbers that somebody on call can use, and the picture of their sizes.

``told_of(association)`` and ``told_of_tags(tagged, given)`` return ``Told``, which a run shows; ``figure`` draws the sizes.
``verbs.probe.association`` uses it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from assay.data.predicate import parse
from assay.data.schema import Schema
from assay.errors import AssayError
from assay.probe.association.measure import Effect, Group
from assay.probe.association.study import OTHERS, Association, named
from assay.probe.association.tagger import Tag, Tagged
from assay.result import FEWEST_SHOWN, Figure
from assay.verbs.explain.explanation import number
from assay.verbs.probe.review import Mark

__all__ = ["Told", "both", "figure", "told_of", "told_of_tags"]

TYPICAL = 30   # rows of a group, below which it is not told as the lowest or highest where larger ones are there
ALIKE = 0.6    # rows in both of the rows in either, from which on a marked sub-population is said to be like another


@dataclass(frozen=True)
class Told:
    """A finding for people: ``sentence``; ``plain`` is that without what certainty adds; ``least`` its size at the least.

    ``where`` and ``text`` are the sub-population in words and as a predicate; ``mark`` what a person said of it, ``like`` what was said of
    one with nearly the same rows.
    """

    id: str
    attribute: str
    output: str
    where: str
    text: str
    sentence: str
    plain: str
    least: float
    adjusted: float
    mark: Mark | None = None
    like: Mark | None = None

    @property
    def remark(self) -> str:
        """What people said, to stand behind the sentence."""
        if self.mark is not None:
            return f"; {self.mark.words}"
        return f"; like {self.like.id}, {self.like.words}" if self.like is not None else ""

    def near(self, marks: Mapping[str, Sequence[Mark]], table: pa.Table, schema: Schema) -> Mark | None:
        """Return the mark of a sub-population that holds nearly the same rows, of the same output and attribute."""
        mine = _rows(self.text, table, schema)
        if mine is None:
            return None
        for each in (some[-1] for some in marks.values()):
            if (each.attribute, each.output) == (self.attribute, self.output) and each.where:
                theirs = _rows(each.where, table, schema)
                if theirs is not None and (mine & theirs).sum() >= ALIKE * max((mine | theirs).sum(), 1):
                    return each
        return None


def _rows(text: str, table: pa.Table, schema: Schema) -> Any:
    if not text:
        return None
    try:
        predicate = parse(text, schema)
        return np.concatenate([np.asarray(predicate.mask(each)) for each in table.to_batches()])
    except AssayError:   # written of other columns
        return None


def both(names: Iterable[str]) -> str:
    """Return names as a sentence lists them.

    >>> both(["sex", "race", "age"]), both(["sex"])
    ('sex, race and age', 'sex')
    """
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def told_of(found: Association) -> Told:
    """Return an association in words."""
    level = found.level if found.conditions else 0.95
    plain = _sentence(found, level)
    more = ""
    if found.conditions and found.elsewhere is not None:
        more = f"; elsewhere {_size(found.elsewhere, found)}"
    sentence = f"where {found.words}: {plain}{more}" if found.conditions else plain
    return Told(found.id, found.pair.attribute.name, found.pair.output.name, found.words, found.text or "", sentence, plain,
                found.inside.effect.weakest(level), found.adjusted)


def _sentence(found: Association, level: float) -> str:
    pair, effect = found.pair, found.inside.effect
    what = _what(found)
    low, high = effect.interval(level)
    given = f" given {both(pair.given)}" if pair.given else ""
    rows = f"{found.inside.n:,} rows" if not found.conditions else f"{found.inside.n:,} rows of the second half"
    groups = [each for each in found.inside.groups if each.n >= FEWEST_SHOWN]
    if not pair.attribute.grouped and pair.output.size > 2:
        return f"{what} differs by {pair.attribute.name}{given}: {_interval(effect, low, high)} ({rows})"
    if not pair.attribute.grouped:
        way = f"the higher {pair.attribute.name}, the {'more' if effect.estimate >= 0 else 'less'} {what}"
        ends = f"{_mean(groups[0])} {_who(found, groups[0])}, {_mean(groups[-1])} {_who(found, groups[-1])}" if len(groups) > 1 else ""
        return f"{way}{given}: {effect.metric} {number(effect.estimate)} [{number(low)}, {number(high)}]" + (
            f"; {ends}" if ends else "") + f" ({rows})"
    ordered = sorted([each for each in groups if each.n >= TYPICAL] or groups, key=lambda each: each.mean)
    if not ordered:
        return f"{what} differs by {pair.attribute.name}: {_interval(effect, low, high)} ({rows})"
    if effect.metric in ("difference", "ratio") and len(groups) == 2:
        told = ", ".join(f"{_mean(each)} {_who(found, each)}" for each in groups)
        size = _interval(effect, low, high)
        if not pair.given:
            return f"{what}: {told} ({size}, {rows})"
        more = groups[1] if effect.direction > 0 else groups[0]
        return f"{what}{given}: {size}, more {_who(found, more)} ({told} as it is, {rows})"
    mean = "" if found.inside.groups and found.inside.groups[0].of is not None else "mean "
    share = f" = {found.inside.groups[0].of}" if pair.output.size > 2 else ""
    return (f"{what}{share} differs by {pair.attribute.name}{given}: {mean}{_mean(ordered[0])} {_who(found, ordered[0])}, "
            f"{_mean(ordered[-1])} {_who(found, ordered[-1])} ({effect.metric} {number(effect.estimate)} "
            f"[{number(low)}, {number(high)}], {rows})")


def _what(found: Association) -> str:
    """Return what is compared: ``hired = yes``."""
    names = found.pair.output.names
    return f"{found.pair.output.name} = {names[1]}" if names is not None and len(names) == 2 else found.pair.output.name


def _who(found: Association, group: Group) -> str:
    return f"with {group.name}" if group.name == OTHERS else f"with {found.pair.attribute.name} {group.name}"


def _mean(group: Group) -> str:
    return number(group.mean) if group.of is None else f"{100 * group.mean:.3g} %"


def _interval(effect: Effect, low: float, high: float) -> str:
    """Return a size with its interval; of a difference that is negative, as what the groups are apart."""
    if effect.metric == "ratio":
        return f"{number(effect.estimate)} times as often [{number(low)}, {number(high)}]"
    if effect.metric != "difference":
        return f"{effect.metric} {number(effect.estimate)} [{number(low)}, {number(high)}]"
    if effect.estimate < 0:
        low, high = -high, -low
    rate = effect.spread is not None and effect.spread.high_limit == 1.0
    scale = 100 if rate else 1
    size, *ends = (number(scale * each) for each in (abs(effect.estimate), low, high))
    return f"{size}{' points' if rate else ''} apart [{ends[0]}, {ends[1]}]"


def _size(effect: Effect, found: Association) -> str:
    """Return the size elsewhere with its interval; a difference is negative where it is the other way round."""
    low, high = effect.interval()
    if effect.metric != "difference":
        return f"{effect.metric} {number(effect.estimate)} [{number(low)}, {number(high)}]"
    rate = effect.spread is not None and effect.spread.high_limit == 1.0
    scale = found.inside.effect.direction * (100 if rate else 1)
    low, high = sorted((scale * low, scale * high))
    return f"{number(scale * effect.estimate)}{' points' if rate else ''} [{number(low)}, {number(high)}]"


def told_of_tags(tagged: Mapping[tuple[str, str], Sequence[Tagged]], given: Sequence[str]) -> list[Told]:
    """Return each label that is tied to a group in words."""
    return [_told_of_tag(each, word, name, given) for (word, name), some in tagged.items() for one in some for each in one.tags]


def _told_of_tag(tag: Tag, word: str, name: str, given: Sequence[str]) -> Told:
    effect = tag.difference.effect
    low, high = effect.interval(tag.level)
    first, second = ([*tag.difference.groups, None, None])[:2]
    ends = [f"{100 * each.mean:.3g} % {'with' if each.name == OTHERS else f'with {name}'} {each.name}" for each in (first, second)
            if each is not None and each.n >= FEWEST_SHOWN]
    size = _interval(effect, low, high)
    times = ""
    if tag.ratio is not None:
        low, high = tag.ratio.interval(tag.level)
        times = f", {number(tag.ratio.estimate)} times as often [{number(low)}, {number(high)}] with {name} {tag.group}"
    beside = ""
    if tag.coefficient is not None:
        low, high = tag.coefficient.interval(tag.level)
        beside = f"; beside the other tied labels a log odds ratio of {number(tag.coefficient.estimate)} [{number(low)}, {number(high)}]"
    how = f" given {both(given)}" if given else ""
    sentence = f"{word} '{tag.label}'{how}: {', '.join(ends)} ({size}{times}{beside})"
    return Told(named((word, name, tag.group, tag.label, "", *sorted(given))), name, word, f"{word} {tag.label}", "", sentence, sentence,
                effect.weakest(tag.level), tag.adjusted)


def figure(some: Sequence[Association]) -> Figure:
    """Return the sizes of an output's association with an attribute: everyone first, then the sub-populations that were found."""
    first = some[0]
    ends = [each.interval if each.conditions else each.inside.effect.interval() for each in some]
    metric = first.inside.effect.metric
    labels = [f"{each.words[:70]}{_group(each)}" for each in some]
    table: dict[str, tuple[Any, ...]] = {
        "where": tuple(labels), "size": tuple(each.inside.effect.estimate for each in some), "low": tuple(low for low, _ in ends),
        "high": tuple(high for _, high in ends), "n": tuple(each.inside.n for each in some)}
    title = f"{first.pair.output.name} and {first.pair.attribute.name}"
    given = f", given {both(first.pair.given)}" if first.pair.given else ""
    return Figure(f"{metric} of {title}", "interval", f"{title}{given}", table, x="where", y=("size",), low=("low",), high=("high",),
                  sentence=f"{metric}; intervals of sub-populations hold for all findings together", mark=first.inside.effect.neutral,
                  mark_name="no association", aspect="fairness", column=first.pair.attribute.name)


def _group(each: Association) -> str:
    names = each.pair.attribute.names
    return f" ({names[1]})" if names is not None and len(names) == 2 and names[0] == OTHERS else ""
