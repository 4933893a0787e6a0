"""One remedy applied: rows and labels as a remedy takes them, and the repaired model it makes.

``applied(subject, fit, asked)`` returns it; ``Asked`` is what a user wants, ``Applied`` what came of it. ``repair`` uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from assay.data.predicate import Predicate, parse
from assay.data.source import Source
from assay.engine.label import MISSING, codes
from assay.errors import ConfigError, DataError, EmptyDataError, SignatureError, listed
from assay.model import guard
from assay.model.model import Model
from assay.model.refit import Refit
from assay.model.thresholds import Cuts, Grouped
from assay.probe.space import Space, axis
from assay.remedy._sklearn import piped
from assay.remedy.disparate_impact import Keep, Repair, Way
from assay.remedy.penalty import around as penalised
from assay.remedy.retrain import retraining
from assay.remedy.reweigh import weights
from assay.remedy.threshold import Equal, thresholds
from assay.remedy.upweight import upweighting
from assay.verbs.explain.explanation import drawn
from assay.verbs.repair.comparison import Held, grouped
from assay.verbs.subject import Subject

__all__ = ["Applied", "Asked", "applied"]

Array = np.ndarray[Any, Any]
ROWS = 500_000   # of a data set that are used
FEWEST = 10      # of a group
SAME = 0.5       # of the rows held out that are training rows, above which nothing is held out
PART = 0.3       # of the accuracy that may be lost, by which amounts are chosen: on other rows it is another


@dataclass(frozen=True)
class Asked:
    """What a user wants: a remedy and its settings."""

    remedy: str
    equal: Equal
    randomised: bool
    at_most: float
    level: float
    way: Way
    part: str | None
    cost: float
    budget: int
    seed: int


@dataclass(frozen=True, eq=False)
class Applied:
    """A repaired ``model``, the rows ``held`` out to measure it on, and what it is, in words.

    ``decides``: it takes no threshold. ``table`` are the thresholds of groups, ``inside`` marks the rows of the slice that was weighted.
    """

    model: Model
    held: Held
    what: str
    decides: bool = False
    notes: tuple[str, ...] = ()
    table: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    inside: Array | None = None


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows with a label and a group: places of classes, and of groups in ``names``."""

    table: pa.Table
    labels: Array
    groups: Array
    names: tuple[str, ...]
    left: int

    def of(self, mask: Array) -> _Rows:
        return _Rows(self.table.filter(pa.array(mask)), self.labels[mask], self.groups[mask], self.names, self.left)


def _part(subject: Subject, source: Source, seed: int, *, of: str) -> _Rows:
    """Return the rows of a data set that have a label and a group; raises where groups are missing, one, or too small."""
    model, schema = subject.models["model"], subject.data.schema
    label, protected = schema.label, schema.protected
    assert label is not None
    known = source.schema.names
    absent = [name for name in (label, *protected) if name not in known]
    if absent:
        raise ConfigError(f"the {of} data have no column {listed(absent)}", where=source.name,
                          expected="the label and the protected columns")
    inputs = model.signature.names or schema.features
    extra = [name for name in schema.names if name in known and name not in (*inputs, *protected, label) and name in schema.features]
    table = drawn(source, ROWS, seed, [*inputs, *(name for name in (*protected, label) if name not in inputs), *extra])
    places = codes(table.column(label), model.signature.classes or (), name=label, where=source.name)
    groups, names, there = grouped([table.column(name) for name in protected], protected)
    keep = there & (places != MISSING)
    if not keep.any():
        raise EmptyDataError(f"no row of the {of} data has a label and a value of {listed(protected)}", where=source.name,
                             expected="rows with both")
    if len(np.unique(groups[keep])) < 2:
        raise DataError(f"{listed(protected)} has one group only in the {of} data, {names[int(groups[keep][0])]}: nothing to make equal",
                        where=source.name, expected="at least two groups")
    return _Rows(table, places, groups, names, int((~keep).sum())).of(keep)


def applied(subject: Subject, fit: Refit | None, asked: Asked, progress: Callable[[str, int], None] | None = None) -> Applied:
    """Return the repaired model, with the rows to measure it on."""
    data = _part(subject, subject.data, asked.seed, of="held-out")
    notes = [f"{data.left:,} rows without a label or a group were left out"] if data.left else []
    if fit is None:
        return _thresholds(subject, data, asked, notes)
    assert subject.train is not None
    train = _part(subject, subject.train, asked.seed, of="training")
    _enough(train, "training")
    notes += _apart(train.table, data.table, subject.data.name)
    model, what, more = _REMEDIES[asked.remedy](subject, fit, train, asked)
    held = _held(subject, data)
    inside = _inside(parse(asked.part, subject.data.schema), held.table) if asked.part else None
    return Applied(model, held, what, notes=(*notes, *more), inside=inside)


def _apart(train: pa.Table, held: pa.Table, where: str) -> list[str]:
    """Return a note where rows held out are training rows too; raises where most are, as nothing is held out then."""
    names = [each.name for each in held.schema if each.name in train.column_names and each.type == train.schema.field(each.name).type]
    try:   # nulls never match, so that rows with any are not counted
        both = held.select(names).join(train.select(names), keys=names, join_type="left semi").num_rows
    except pa.ArrowException:   # columns that cannot be compared, such as lists
        return []
    if both > SAME * held.num_rows:
        raise DataError(f"{both:,} of {held.num_rows:,} rows are training rows too", where=where, expected="rows that were held out",
                        hint="name other rows: --data held_out.parquet")
    return [f"{both:,} of {held.num_rows:,} rows held out equal a training row"] if both else []


def _enough(rows: _Rows, of: str) -> None:
    counts = np.bincount(rows.groups, minlength=len(rows.names))
    few = [f"{name} ({count})" for name, count in zip(rows.names, counts, strict=True) if 0 < count < FEWEST]
    if few:
        raise DataError(f"some groups have too few rows in the {of} data: {listed(few)}", expected=f"at least {FEWEST} rows of each group",
                        hint="leave them out: --where, or join them with others in a column of the data")


def _held(subject: Subject, rows: _Rows) -> Held:
    target = subject.target
    assert target is not None
    assert target.positive is not None
    schema = subject.data.schema
    label = schema.label
    table = rows.table.drop_columns([label]) if label in rows.table.column_names else rows.table
    return Held(table, (rows.labels == target.positive).astype(np.int64), rows.groups, rows.names, target.positive, target.threshold,
                schema.protected if len(schema.protected) == 1 else ())


def _thresholds(subject: Subject, data: _Rows, asked: Asked, notes: list[str]) -> Applied:
    model, target, protected = subject.models["model"], subject.target, subject.data.schema.protected
    if model.signature.scores is None:
        raise SignatureError("the model answers classes only, and thresholds are cuts of a score", expected="a model with scores",
                             hint="fit it anew: --remedy reweigh, retrain or disparate_impact")
    assert target is not None
    assert target.positive is not None
    if subject.reference is not None and subject.data.schema.label in subject.reference.schema.names:
        chosen, rest = _part(subject, subject.reference, asked.seed, of="reference"), data
        where = f"{len(chosen.labels):,} rows of the reference"
    else:
        first = np.random.default_rng([asked.seed, 61]).random(len(data.labels)) < 0.5
        chosen, rest = data.of(first), data.of(~first)
        where = f"{len(chosen.labels):,} rows, half of the data"
        notes.append("there is no labelled reference: thresholds are chosen on half of the data and measured on the other half")
    _enough(chosen, "reference" if rest is data else "chosen half of the")
    present = np.flatnonzero(np.bincount(chosen.groups, minlength=len(chosen.names)))
    places = np.searchsorted(present, chosen.groups)
    batches = chosen.table.combine_chunks().to_batches(max_chunksize=65_536)
    answers = [guard.answer(model, each) for each in batches]
    if any(each.score is None for each in answers):
        raise SignatureError("the model answers classes only, and thresholds are cuts of a score", expected="a model with scores")
    scores = np.concatenate([each.score[:, target.positive] for each in answers])   # type: ignore[index]
    truth = (chosen.labels == target.positive).astype(np.int64)
    found = thresholds(scores, truth, places, equal=asked.equal, randomised=asked.randomised, at_most=asked.at_most,
                       names=[chosen.names[each] for each in present])
    keys = _keys(chosen, protected)
    groups = {keys[chosen.names[each]]: Cuts(rule.cuts, rule.weights) for each, rule in zip(present, found.rules, strict=True)}
    usual = target.threshold if target.threshold is not None else 0.5 if model.signature.scores == "probability" else 0.0
    made = Grouped(model, protected, groups, Cuts((usual,)), positive=target.positive)
    cuts = {chosen.names[each]: _spelt(rule.cuts, rule.weights) for each, rule in zip(present, found.rules, strict=True)}
    how = "mixed, drawn by a hash of the row" if any(len(rule.cuts) > 1 for rule in found.rules) else "one for each group"
    notes += [f"a group that was not there is decided by the threshold {usual:g}"]
    if target.threshold is not None:
        notes.append("the repaired model decides by itself: leave the key threshold out of its configuration")
    table = {"group": tuple(cuts), "threshold": tuple(cuts.values())}
    return Applied(made, _held(subject, rest), f"thresholds ({how}), chosen on {where}", decides=True, notes=tuple(notes), table=table)


def _keys(rows: _Rows, protected: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Return the values of the protected columns of each group, as text."""
    from assay.model.thresholds import spelt

    columns = [spelt(rows.table.column(name).combine_chunks()) for name in protected]
    first = {int(group): place for place, group in reversed(list(enumerate(rows.groups.tolist())))}
    return {rows.names[group]: tuple(str(column[place]) for column in columns) for group, place in first.items()}


def _spelt(cuts: tuple[float, ...], weights: tuple[float, ...]) -> str:
    parts = [f"{'nobody' if np.isinf(cut) else f'{cut:.4g}'}" + (f" for {100 * weight:.3g} %" if len(cuts) > 1 else "")
             for cut, weight in zip(cuts, weights, strict=True)]
    return ", ".join(parts)


_Made = tuple[Model, str, list[str]]


def _reweigh(subject: Subject, fit: Refit, train: _Rows, asked: Asked) -> _Made:
    own = weights(train.groups, train.labels)
    model = fit(train.table, train.labels, own)
    return model, f"fitted anew on {len(own):,} rows with weights from {own.min():.3g} to {own.max():.3g}", []


def _impact(subject: Subject, fit: Refit, train: _Rows, asked: Asked) -> _Made:
    by = _only(subject, asked.remedy)
    taken = by in (fit.model.signature.names or ())

    def around(estimator: Any) -> Any:
        keep: Keep = "constant" if taken else "left out"
        return piped(Repair(by=by, level=asked.level, way=asked.way, keep=keep, seed=asked.seed), estimator)

    model = fit(train.table, train.labels, around=around, beside=[by])
    notes = [f"the repaired model reads {by}, to repair the other columns by it: it must be known of everyone"]
    if taken:
        notes.append(f"what the model sees of {by} itself is one value for everyone")
    return model, f"fitted anew on {train.table.num_rows:,} rows with {asked.way} repair at level {asked.level:g}", notes


def _penalty(subject: Subject, fit: Refit, train: _Rows, asked: Asked) -> _Made:
    by = _only(subject, asked.remedy)
    keep = by in (fit.model.signature.names or ())
    model = fit(train.table, train.labels, around=penalised(by, asked.equal, at_most=asked.at_most, keep=keep), beside=[by])
    return model, f"fitted many times on {train.table.num_rows:,} rows by exponentiated gradient, up to {asked.at_most:g} apart", []


def _retrain(subject: Subject, fit: Refit, train: _Rows, asked: Asked) -> _Made:
    inputs = fit.model.signature.names or ()
    protected = [name for name in subject.data.schema.protected if name in inputs]
    if not protected:
        raise SignatureError(f"the model does not take {listed(subject.data.schema.protected)}: it answers alike whatever stands there",
                             expected="a protected column among its inputs", hint="--remedy thresholds, reweigh or disparate_impact")
    table = train.table.select(list(inputs))
    axes = {name: axis(name, table.column(name), protected=name in protected) for name in inputs}
    space = Space(tuple(each for name, each in axes.items() if name not in protected), tuple(axes[name] for name in protected),
                  order=tuple(axes))
    done = retraining(fit, space, table, train.labels, cost=asked.cost * PART, budget=asked.budget, seed=asked.seed)
    before, best = done.trials[0], next(each for each in done.trials if each.amount == done.chosen)
    text = f"fitted anew with {done.added:,} rows beside the {len(train.labels):,}: {done.chosen}"
    note = (f"of {len(done.trials)} amounts this one was chosen on rows held out of the training: share of rows {before.rows:.3g} to "
            f"{best.rows:.3g}, of all inputs {before.space:.3g} to {best.space:.3g}, accuracy {before.accuracy:.4f} to {best.accuracy:.4f}")
    least = min(done.trials[1:], key=lambda each: each.rows + each.space)
    if least is best or least.rows + least.space >= 0.8 * (best.rows + best.space):
        return done.model, text, [note]
    more = f"share of rows {least.rows:.3g}, but at an accuracy of {least.accuracy:.4f}: a higher --cost allows it"
    return done.model, text, [note, f"less would be left with {least.amount}: {more}"]


def _upweight(subject: Subject, fit: Refit, train: _Rows, asked: Asked) -> _Made:
    assert subject.train is not None
    assert asked.part is not None
    predicate = parse(asked.part, subject.train.schema)
    inside = _inside(predicate, train.table)
    done = upweighting(fit, train.table, train.labels, inside, cost=asked.cost, seed=asked.seed)
    first, best = done.trials[0], next(each for each in done.trials if each[0] == done.factor)
    note = (f"{int(inside.sum()):,} rows where {predicate.text}: on rows held out of the training accuracy there goes from {first[1]:.4f} "
            f"to {best[1]:.4f}, elsewhere from {first[2]:.4f} to {best[2]:.4f}")
    more = [] if done.factor > 1 else ["no weight helps that slice without costing the others more than is allowed: the model is as it was"]
    what = f"fitted anew with {done.factor:g} times the weight" if done.factor > 1 else "nothing, as no weight helps,"
    return done.model, f"{what} where {predicate.text}", [note, *more]


def _inside(predicate: Predicate, table: pa.Table) -> Array:
    absent = [name for name in predicate.columns if name not in table.column_names]
    if absent:
        raise ConfigError(f"the slice names {listed(absent)}, which is no input", expected="a predicate of the model's inputs and groups")
    return np.concatenate([np.asarray(predicate.mask(each), bool) for each in table.combine_chunks().to_batches()])


def _only(subject: Subject, remedy: str) -> str:
    protected = subject.data.schema.protected
    if len(protected) > 1:
        raise ConfigError(f"'{remedy}' repairs by one protected column, and {len(protected)} are named: {listed(protected)}",
                          expected="one", hint="thresholds and reweigh take several together")
    return protected[0]


_REMEDIES: Mapping[str, Callable[[Subject, Refit, _Rows, Asked], _Made]] = {
    "reweigh": _reweigh, "disparate_impact": _impact, "penalty": _penalty, "retrain": _retrain, "upweight": _upweight}
