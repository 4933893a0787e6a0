"""What a model does when its inputs change a little, go missing, or change places: noise, missing feeds, features without use.

``noise_effect``, ``missing_effect``, ``refuses_missing`` and ``unused`` are screens of a model that can be asked again; rows are
asked in stacks of several changes at once, within bounded memory. A model that refuses what it is asked makes a note, never an error.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.errors import AssayError, PredictionError, SignatureError
from assay.model.answer import Answer
from assay.result import Spread
from assay.screen.power import clusters, error, share
from assay.screen.screen import Reading, screen
from assay.screen.study import Sample, Study

__all__ = ["missing_effect", "noise_effect", "refused", "refuses_missing", "unused"]

Array = np.ndarray[Any, Any]
Change = Mapping[str, pa.Array]

ROWS = 2_000
SHUFFLED = 1_000    # rows among which a feature is shuffled
FIRST = 100         # rows of the first look, which finds most of the features that are used
GROUP = 16          # features shuffled together in the second look
MOST = 100          # features whose loss is measured
NOISE = 0.01        # of the interquartile range
CELLS = 8_000_000   # of one stack
BUDGET = 800_000_000   # of all that is shuffled: some seconds of a model of trees
SAME = 1e-6         # of the range of the answers: less is rounding


@dataclass(frozen=True, eq=False)
class _Asked:
    """Some sampled rows, to be put to the model with some columns changed."""

    study: Study
    rows: Array
    table: pa.Table

    @classmethod
    def of(cls, study: Study, most: int, among: Array | None = None) -> _Asked:
        """Take at most ``most`` rows, evenly, of those ``among``."""
        places = np.arange(len(study.data)) if among is None else among
        if len(places) > most:
            places = places[np.linspace(0, len(places) - 1, most).round().astype(np.int64)]
        table = study.data.table
        names = study.model.signature.names if study.model is not None else None
        if names and set(names) <= set(table.column_names):
            table = table.select(list(names))
        return cls(study, places, table.take(pa.array(places)).combine_chunks())

    def column(self, name: str) -> pa.Array:
        return _whole(self.table.column(name))

    def changed(self, change: Change) -> pa.Table:
        table = self.table
        for name, array in change.items():
            place = table.schema.get_field_index(name)
            table = table.set_column(place, table.schema.field(name), [array])
        return table

    def answers(self, changes: Sequence[Change]) -> Iterator[Answer | AssayError]:
        """Yield what the model answers to each change, or why it does not; several changes are asked in one call."""
        size = max(1, int(CELLS / max(self.table.num_rows * self.table.num_columns, 1)))
        for start in range(0, len(changes), size):
            some = changes[start : start + size]
            try:
                answer = self.study.answer(pa.concat_tables([self.changed(each) for each in some]))
            except (PredictionError, SignatureError):
                for each in some:  # which of them it refuses
                    try:
                        yield self.study.answer(self.changed(each))
                    except (PredictionError, SignatureError) as refusal:
                        yield refusal
                continue
            rows = self.table.num_rows
            for place in range(len(some)):
                yield _part(answer, slice(place * rows, (place + 1) * rows))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    return pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array


def _part(answer: Answer, rows: slice) -> Answer:
    prediction, score, value = (None if each is None else each[rows] for each in (answer.prediction, answer.score, answer.value))
    return Answer(answer.task, answer.classes, prediction, score, value, answer.scores)


def _inputs(study: Study, asked: _Asked) -> list[str]:
    there = set(asked.table.column_names)   # a list that is made anew each time it is asked for
    return [name for name in study.features if name in there]


def _decisions(study: Study, answer: Answer) -> Array:
    """Return what is decided of each row: a class by the threshold, or which labels hold."""
    target = study.target
    if target is not None and target.threshold is not None and answer.score is not None:
        if answer.task == "multilabel":
            return np.asarray(answer.score >= target.threshold)
        if answer.task == "binary" and target.positive is not None:
            return np.asarray(np.where(answer.score[:, target.positive] >= target.threshold, target.positive, 1 - target.positive))
    return answer.prediction if answer.prediction is not None else np.argmax(answer.score, axis=1)  # type: ignore[arg-type]


# noise ----------------------------------------------------------------------------------------------------------------------


@screen(wants=("model",), limits=(0.0, math.inf))
def noise_effect(study: Study) -> Iterator[Reading]:
    """Share of decisions that change when every fraction among the features gets noise of 1 % of its interquartile range.

    For numbers, the mean absolute change over the interquartile range of the predictions. Gaussian noise of a fixed seed on at most
    2,000 rows; whole numbers and categories stay as they are, and what is missing stays missing.
    """
    asked = _Asked.of(study, ROWS)
    noise = {name: array for name in _inputs(study, asked) if (array := _shaken(study, asked, name)) is not None}
    rows = len(asked.rows)
    if not noise:
        yield Reading(None, 0, note="no feature is a fraction whose middle half varies")
        return
    first, second = asked.answers([{}, noise])
    for each in (first, second):
        if isinstance(each, AssayError):
            yield Reading(None, 0, note=f"the model cannot be asked: {each.what}")
            return
    assert isinstance(first, Answer)
    assert isinstance(second, Answer)
    note = f"{len(noise)} of {len(_inputs(study, asked))} features are fractions whose middle half varies"
    cluster = clusters(study.data)
    cluster = None if cluster is None else np.unique(cluster[asked.rows], return_inverse=True)[1]
    if first.value is None:
        moved = _decisions(study, first) != _decisions(study, second)
        yield Reading(share(moved.any(axis=1) if moved.ndim == 2 else moved, cluster), rows, note=note)
        return
    assert second.value is not None
    low, high = np.quantile(first.value, [0.25, 0.75])
    scale = float(high - low) or float(np.std(first.value))
    apart = np.abs(second.value - first.value)
    if not scale > 0:
        yield Reading(Spread("exact", 0.0) if not apart.any() else None, rows, note="the model predicts one number for all rows")
        return
    found = float(np.mean(apart)) / scale
    spread, df = error((apart / scale - found) / rows, cluster)
    spread = spread if math.isfinite(spread) else found
    yield Reading(Spread("normal", found, n=float(rows), error=spread, df=df, low_limit=0.0), rows, note=note)


def _shaken(study: Study, asked: _Asked, name: str) -> pa.Array | None:
    """Return a column of fractions with noise, None for any other column."""
    kind = asked.table.schema.field(name).type
    if not pa.types.is_floating(kind):
        return None
    every = study.numbers(name)
    every = every[np.isfinite(every)]
    if not len(every) or np.array_equal(every, np.rint(every)):  # whole numbers that became fractions to hold missing values
        return None
    low, high = np.quantile(every, [0.25, 0.75])
    scale = NOISE * float(high - low)
    if not 0 < scale < math.inf:
        return None
    array = asked.column(name)
    values = np.asarray(array.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)
    # of one feature the same noise, whatever other features there are
    rng = np.random.default_rng([study.seed, *name.encode()])
    with np.errstate(over="ignore", invalid="ignore"):
        shaken = values + rng.normal(0.0, scale, len(values))
    return pa.array(shaken, mask=array.is_null().to_numpy(zero_copy_only=False)).cast(kind, safe=False)


# missing --------------------------------------------------------------------------------------------------------------------


@screen(wants=("model", "label"), of="column", limits=(0.0, math.inf))
def missing_effect(study: Study) -> Iterator[Reading]:
    """What a model loses when one feature is missing in every row: AUC, else accuracy, or the relative rise of the mean absolute error.

    At least 0; on at most 2,000 labelled rows, the same with and without the feature, paired and by entities. Of more than 100 features
    only the 100 whose shuffling changes answers most are looked at.
    """
    assert study.target is not None
    outcome = study.outcome()
    known = _known(study)
    if study.target.task not in ("binary", "multiclass", "regression") or not len(known):
        yield Reading(None, 0, note="no row has a label" if not len(known) else f"no loss of {study.target.task} is measured")
        return
    asked, base, gone, note = _gone(study)
    judged = _Judged.of(study, asked, outcome)
    if isinstance(base, AssayError):
        for name in gone:
            yield Reading(None, 0, name, f"the model cannot be asked: {base.what}")
        return
    there = judged.performance(base)
    if there is None:
        for name in gone:
            yield Reading(None, len(asked.rows), name, judged.undefined)
        return
    for name, answer in gone.items():
        if asked.column(name).null_count == len(asked.rows):
            yield Reading(None, len(asked.rows), name, "it is missing in every row as it is")
        elif isinstance(answer, AssayError):
            yield Reading(None, len(asked.rows), name, f"the model refuses missing values: {answer.what}")
        else:
            yield Reading(judged.loss(base, there, answer), len(asked.rows), name, note)


@screen(wants=("model",), of="column", limits=(0.0, 1.0))
def refuses_missing(study: Study) -> Iterator[Reading]:
    """Whether the model gives no answer where a feature is missing in every row: 1 where it raises, a fact about the model.

    Asked on the rows of ``missing_effect``. Of more than 100 features only the 100 whose shuffling changes answers most are looked at.
    """
    asked, base, gone, note = _gone(study)
    for name, answer in gone.items():
        if isinstance(base, AssayError):
            yield Reading(None, 0, name, f"the model cannot be asked: {base.what}")
            continue
        refused = isinstance(answer, AssayError)
        yield Reading(Spread("exact", float(refused)), len(asked.rows), name, answer.what if isinstance(answer, AssayError) else note)


def refused(study: Study) -> tuple[str, ...]:
    """Return the features without which the model gives no answer though no sample lacks a value of them, so that it never mattered."""
    if not study.has("model"):
        return ()
    _, base, gone, _ = _gone(study)
    if isinstance(base, AssayError):
        return ()
    samples = [each for each in (study.data, study.train, study.reference) if each is not None]
    return tuple(name for name, answer in gone.items() if isinstance(answer, AssayError)
                 and not any(_lacks(each, name) for each in samples if name in each.schema))


def _lacks(of: Sample, name: str) -> bool:
    column = of.column(name)
    return bool(column.null_count) or (pa.types.is_floating(column.type) and bool(pc.any(pc.is_nan(column)).as_py()))


def _known(study: Study) -> Array:
    """Return the places of the sampled rows that have a label, of all rows where there is none."""
    if not study.has("label"):
        return np.arange(len(study.data))
    outcome = study.outcome()
    return np.flatnonzero(np.isfinite(outcome) if outcome.dtype.kind == "f" else outcome >= 0)


def _gone(study: Study) -> tuple[_Asked, Answer | AssayError, dict[str, Answer | AssayError], str | None]:
    """Return some rows, what the model answers to them, and what where each feature is missing; asked once for all screens."""
    if "gone" not in study._held:
        known = _known(study)
        asked = _Asked.of(study, ROWS, known if len(known) else None)
        names, note = _inputs(study, asked), None
        if len(names) > MOST:
            note = f"one of the {MOST} of {len(names)} features that the model uses most; the others were not looked at"
            names = _most_used(study, names)
        base = next(asked.answers([{}]))
        changes = [{name: pa.nulls(len(asked.rows), asked.table.schema.field(name).type)} for name in names]
        answers = asked.answers(changes) if not isinstance(base, AssayError) else iter([base] * len(names))
        study._held["gone"] = asked, base, dict(zip(names, answers, strict=True)), note
    held: tuple[_Asked, Answer | AssayError, dict[str, Answer | AssayError], str | None] = study._held["gone"]
    return held


@dataclass(frozen=True, eq=False)
class _Judged:
    """How well answers do on some rows, and how much each row has to say in that."""

    study: Study
    truth: Array
    weight: Array
    cluster: Array | None
    undefined: str = "rows of one class only, or a model without any error: no loss is defined"

    @classmethod
    def of(cls, study: Study, asked: _Asked, outcome: Array) -> _Judged:
        name, cluster = study.data.schema.weight, clusters(study.data)
        weight = np.ones(len(asked.rows))
        if name is not None:
            every = np.asarray(study.data.column(name).cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
            given = np.where(np.isfinite(every) & (every > 0), every, 0.0)[asked.rows]
            weight = given if given.sum() > 0 else weight
        return cls(study, outcome[asked.rows], weight / weight.sum(),
                   None if cluster is None else np.unique(cluster[asked.rows], return_inverse=True)[1])

    def performance(self, answer: Answer) -> tuple[float, Array] | None:
        """Return AUC, accuracy or mean absolute error, and the influence of each row; None where it is not defined."""
        target = self.study.target
        assert target is not None
        if answer.value is not None:
            apart = np.abs(answer.value - self.truth)
            found = float(self.weight @ apart)
            return (found, self.weight * (apart - found)) if 0 < found < math.inf else None
        if target.task == "binary" and answer.score is not None and target.positive is not None:
            return _auc(answer.score[:, target.positive], self.truth == target.positive, self.weight)
        hits = (_decisions(self.study, answer) == self.truth).astype(np.float64)
        found = float(self.weight @ hits)
        return found, self.weight * (hits - found)

    def loss(self, base: Answer, there: tuple[float, Array], answer: Answer) -> Spread | None:
        """Return how much worse an answer is than the base, with the error of the paired difference."""
        same = all(np.array_equal(one, other) for one, other in ((base.prediction, answer.prediction), (base.score, answer.score),
                                                                 (base.value, answer.value)) if one is not None and other is not None)
        if same:
            return Spread("exact", 0.0, n=float(len(self.truth)))
        gone = self.performance(answer)
        if gone is None:
            return Spread("exact", 0.0) if answer.value is not None else None  # it makes no error without the feature
        (first, one), (second, other) = there, gone
        if answer.value is not None:
            found, influence = second / first - 1, (other - second / first * one) / first
        else:
            found, influence = first - second, one - other
        spread, df = error(influence, self.cluster)
        least = 1.0 / len(self.truth)
        spread = max(spread, least) if math.isfinite(spread) else 1.0
        return Spread("normal", max(found, 0.0), n=float(len(self.truth)), error=spread, df=df, low_limit=0.0)


def _auc(score: Array, truth: Array, weight: Array) -> tuple[float, Array] | None:
    """Return the weighted AUC and the influence of each row on it (DeLong, DeLong and Clarke-Pearson 1988)."""
    place = np.unique(score, return_inverse=True)[1].reshape(-1)
    positive, negative = (np.bincount(place, np.where(side, weight, 0.0)) for side in (truth, ~truth))
    sizes = positive.sum(), negative.sum()
    if min(sizes) <= 0:
        return None
    below = (np.cumsum(negative) - negative / 2) / sizes[1]       # the share of negatives that a score beats
    above = 1 - (np.cumsum(positive) - positive / 2) / sizes[0]   # the share of positives that beat it
    area = float(positive @ below / sizes[0])
    return area, weight * np.where(truth, (below[place] - area) / sizes[0], (above[place] - area) / sizes[1])


# use ------------------------------------------------------------------------------------------------------------------------


@screen(wants=("model",), of="column", limits=(0.0, 1.0))
def unused(study: Study) -> Iterator[Reading]:
    """Whether the model does not use a feature: 1 where shuffling it changes no answer, a fact about at most 1,000 sampled rows.

    Three times: once with the values that differ, so that rare ones are tried too, and twice shuffled; a change below a millionth of
    the range of the answers is rounding. A feature of one value in the data cannot be seen; one that acts on rare rows only may be
    missed, and one of two that say the same, where a model needs both to change.
    """
    asked = _Asked.of(study, SHUFFLED)
    names = _inputs(study, asked)
    rows = len(asked.rows)
    found = _use(study, names)
    if isinstance(found, AssayError):
        for name in names:
            yield Reading(None, 0, name, f"the model cannot be asked: {found.what}")
        return
    for name in names:
        if name not in found:
            yield Reading(None, rows, name, "it has one value in the data, so that its use cannot be seen")
        elif found[name] is None:
            yield Reading(None, rows, name, f"not looked at: of {len(names)} features only some could be tried")
        elif isinstance(known := found[name], str):
            yield Reading(None, rows, name, known)
        else:
            yield Reading(Spread("exact", float(not known), n=float(rows)), rows, name)


def _most_used(study: Study, names: Sequence[str]) -> list[str]:
    """Return the 100 features whose shuffling changes the answers to some rows most, in the order of the data."""
    asked = _Asked.of(study, FIRST)
    base = next(asked.answers([{}]))
    if isinstance(base, AssayError):
        return list(names[:MOST])
    varied = [(name, donors) for name in names if (donors := _donors(study, name)) is not None]
    changes = [{name: _drawn(donors, len(asked.rows))} for name, donors in varied]
    quantity = study.quantity(base)
    moved = {name: math.inf if isinstance(answer, AssayError) else float(np.mean(np.abs(study.quantity(answer) - quantity)))
             for (name, _), answer in zip(varied, asked.answers(changes), strict=True)}
    chosen = set(sorted(moved, key=lambda name: -moved[name])[:MOST])
    return [name for name in names if name in chosen]


def _donors(study: Study, name: str) -> pa.Array | None:
    """Return the different values of a feature, None where there is one only."""
    column = _whole(study.data.table.column(name).slice(0, max(SHUFFLED, CELLS // max(len(study.features), 1) // 2)))
    try:
        values = column.unique()
    except pa.ArrowNotImplementedError:  # values that cannot be compared, such as lists
        values = column
    return values if len(values) > 1 else None


def _drawn(donors: pa.Array, rows: int) -> pa.Array:
    """Return values for some rows, evenly among those that differ, in an order that has nothing to do with the rows."""
    places = (np.linspace(0, len(donors) - 1, rows) if len(donors) > rows else np.arange(rows) % len(donors)).round().astype(np.int64)
    return donors.take(pa.array(np.random.default_rng(7).permutation(places)))


def _use(study: Study, names: Sequence[str]) -> dict[str, Any] | AssayError:
    """Return whether each feature that varies is used; text where the model refuses, None where there was no time to look."""
    donors = {name: found for name in names if (found := _donors(study, name)) is not None}
    first = _Asked.of(study, FIRST)
    used = _changes(first, [{name: _drawn(donors[name], len(first.rows))} for name in donors])
    if isinstance(used, AssayError):
        return used
    known: dict[str, Any] = {name: True for name, seen in zip(donors, used, strict=True) if seen is True}
    asked = _Asked.of(study, SHUFFLED)
    left = [name for name in donors if name not in known]
    spent, cost = 0, asked.table.num_rows * asked.table.num_columns
    for round in range(3):
        groups = [left[start : start + GROUP] for start in range(0, len(left), GROUP)]
        while groups:  # what changes nothing together changes nothing alone; what does change is halved until it is one feature
            spent += cost * len(groups)
            if spent > BUDGET:
                return known | {name: None for name in left if name not in known}
            used = _changes(asked, [_shuffled(asked, group, donors, round) for group in groups])
            if isinstance(used, AssayError):
                return used
            halves: list[list[str]] = []
            for group, seen in zip(groups, used, strict=True):
                if seen and len(group) == 1:
                    known[group[0]] = seen
                elif seen:
                    halves += [group[: len(group) // 2], group[len(group) // 2 :]]
            groups = halves
        left = [name for name in left if name not in known]
    return known | dict.fromkeys(left, False)


def _shuffled(asked: _Asked, group: Sequence[str], donors: Mapping[str, pa.Array], round: int) -> Change:
    """Return every feature of a group drawn from the values that differ, later shuffled among the rows, each in its own order."""
    rows = len(asked.rows)
    if round == 0:
        return {name: _drawn(donors[name], rows) for name in group}
    orders = {name: np.random.default_rng([round, *name.encode()]).permutation(rows) for name in group}
    return {name: asked.column(name).take(pa.array(order)) for name, order in orders.items()}


def _changes(asked: _Asked, changes: Sequence[Change]) -> list[bool | str] | AssayError:
    """Return whether each change changes an answer; text where the model refuses the change, the error where it refuses the rows."""
    base = next(asked.answers([{}]))
    if isinstance(base, AssayError):
        return base
    quantity = asked.study.quantity(base)
    rounding = max(SAME * float(np.max(quantity) - np.min(quantity)), 1e-12 * float(np.max(np.abs(quantity)))) if quantity.size else 0.0
    found: list[bool | str] = []
    for answer in asked.answers(changes):
        if isinstance(answer, AssayError):
            found.append(f"the model refuses it shuffled: {answer.what}")
        else:
            found.append(bool(np.any(np.abs(asked.study.quantity(answer) - quantity) > rounding)))
    return found
