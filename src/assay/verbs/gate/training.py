"""Before a minute of training is spent: are the data of this retrain clean against those before them.

``training(data, history=..., validation=...)`` returns a ``Run``: nulls, units, categories, types, label rate and definition, leakage,
duplicates between the parts, junk, hours that are broken, and what the team noted of its sources. The doors and users import it.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from assay.check.suite import Item, Scene, items, opinions
from assay.check.suite.default import named as quoted
from assay.data.meter import metered
from assay.data.schema import family
from assay.data.source import Source, source
from assay.engine import label as labels
from assay.errors import ConfigError, EmptyDataError, listed
from assay.result import Cost, Outcome, Run, Scalar, Spread, Value, Verdict
from assay.store import Note, Store
from assay.summary.target import Target
from assay.verbs.config import Config
from assay.verbs.gate.definition import Labelled, moved, rate, unit
from assay.verbs.gate.log import configured, percent, short, whole
from assay.verbs.gate.skew import named, numbers, plain
from assay.verbs.gate.stretch import spelled, stretches
from assay.verbs.measure import measure
from assay.verbs.question import Question
from assay.verbs.subject import Subject

__all__ = ["training"]

Array = np.ndarray[Any, Any]

_BROKEN = 0.01     # of the rows of a part in stretches without any value: one day of a quarter
_WIDE = 0.2        # of the rows in stretches with some
_WHOLE = 0.9       # of the rows of a stretch, from which on it has no value
_SHOWN = 6
_DAY = 86_400.0
_CLASSES = 50
_TELLS = 0.3       # by which a feature may tell more of the label than before
_GONE = 0.01       # share of a category in the history, from which on its absence fails
_FEW = 20
#: lines of the default suite that speak of the data alone, and what each is worth before a training
_ASKED: Mapping[str, str | None] = {
    "type_changed": None, "new_categories": None, "lone_power": None, "known_late": None, "id_like": None,
    "placeholder_rows": "fail", "placeholder_share": None, "duplicates": None, "repeated_blocks": "fail", "constant": None, "missing": None,
    "empty_content": None, "damaged_content": None}
#: what explains more comes first: a broken hour before what it does to a label
_ORDER = {"notes": 0, "time": 1, "drift": 2, "label": 4}
_BETWEEN = ("shared_rows", "shared_ids", "shared_content")


def training(data: Any, *, config: Any = None, history: Any = None, validation: Any = None,
             notes: Sequence[Note] | str | Path | None = None, sources: Mapping[str, Sequence[str]] | None = None,
             task: str | None = None, classes: Sequence[Any] | None = None,
             types: Mapping[str, str] | None = None, where: str | None = None, strict: bool = False,
             progress: Callable[[str, int], None] | None = None, **roles: Any) -> Run:
    """Return whether ``data`` are fit to train on, compared with ``history`` and, where given, kept apart from ``validation``.

    ``history`` is what was learned from before (``train`` of a configuration, else its ``reference``); without it only what is wrong by
    itself is seen. ``sources`` name columns that come from one place, ``notes`` are those of a store (or its path): rows of a source that
    a note calls corrupted fail with the note's sentence. ``roles`` are those of ``assay.source``; with a ``timestamp`` hours and days are
    compared with each other, in training and validation data alike.

    Raises ``AssayError`` for what cannot be read or is misspelt.

    >>> import pyarrow as pa
    >>> old = pa.table({"temp": [50.0 + each % 30 for each in range(1000)], "late": [0, 1] * 500})
    >>> new = pa.table({"temp": [(18.0 + each % 30) * 5 / 9 for each in range(1000)], "late": [0, 1] * 500})
    >>> training(new, history=old, label="late").verdict
    'fail'
    """
    began = time.perf_counter()
    found = configured(config)
    if found is not None:
        roles = {**found.columns, **roles}
        history = history if history is not None else found.location(found.train or found.reference)
        task, classes, types, where = task or found.task, classes or found.classes, types or found.types, where or found.where
        sources = sources or ({name: feed.columns for name, feed in found.monitor.sources.items()} if found.monitor else None)
        notes = notes if notes is not None else _store(found)
    if data is None:
        raise ConfigError("there are no data to train on", expected="the rows of this retrain")
    with metered() as meter:
        new = _Part.of("training", data, roles, types, where)
        old = _Part.of("history", history, _there(history, roles, types), types, where) if history is not None else None
        held = _Part.of("validation", validation, _there(validation, roles, types), types, where) if validation is not None else None
        gate = _Gate(new, old, held, dict(sources or {}), task, classes, progress)
        gate.noted(_notes(notes))
        gate.broken()
        gate.categories()
        gate.screens()
        gate.label()
        gate.apart()
    outcomes = ("fail", "error", "warn", "inconclusive", "too small", "pass")
    verdicts = sorted(gate.verdicts, key=lambda each: (outcomes.index(each.verdict), _ORDER.get(each.aspect or "", 3)))
    about: dict[str, Scalar] = {"training": new.source.name, "rows": new.table.num_rows}
    for name, part in (("history", old), ("validation", held)):
        if part is not None:
            about |= {name: part.source.name, f"rows of the {name}": part.table.num_rows}
    return Run("gate", tuple(gate.values), tuple(verdicts), notes=tuple(dict.fromkeys(gate.notes)), about=about, strict=strict,
               cost=Cost(round(time.perf_counter() - began, 3), meter.rows, meter.model_rows))


def _store(config: Config) -> str | None:
    """Return where the notes of a configuration's monitor are kept, None where nothing was kept yet."""
    if config.monitor is not None and config.monitor.store is not None:
        place: str | None = config.location(config.monitor.store)
        return place
    home = config.path.parent / f"{config.path.stem}-monitor" / "assay.db"
    return str(home) if home.is_file() else None


def _notes(given: Sequence[Note] | str | Path | None) -> list[Note]:
    if given is None:
        return []
    if isinstance(given, str | Path):
        if "://" not in str(given) and not Path(given).is_file():
            raise ConfigError("there is no store of notes", where=str(given), expected="the store of the monitor")
        with Store(given) as store:
            return store.notes.find()
    return list(given)


def _there(data: Any, roles: Mapping[str, Any], types: Mapping[str, str] | None) -> dict[str, Any]:
    """Return the roles whose columns a data set has."""
    names = set(source(data, types=types).schema.names)
    found = {}
    for role, columns in roles.items():
        given = [columns] if isinstance(columns, str) else list(columns or ())
        given += list(columns.values()) if isinstance(columns, Mapping) else []
        if all(each in names for each in given):
            found[role] = columns
    return found


@dataclass(frozen=True, eq=False)
class _Part:
    """A data set: its source, all its rows, and their times in seconds (None without a column of times)."""

    name: str
    source: Source
    table: pa.Table
    moment: Array | None

    @classmethod
    def of(cls, name: str, data: Any, roles: Mapping[str, Any], types: Mapping[str, str] | None, where: str | None) -> _Part:
        found = source(data, types=types, where=where, **roles)
        table = whole(found)
        if not table.num_rows:
            raise EmptyDataError(f"the {name} data have no rows", where=found.name, expected="at least one")
        when = found.schema.timestamp
        moment = numbers(plain(table, when)) if when and pa.types.is_temporal(table.schema.field(when).type) else None
        return cls(name, found, table, moment)

    @property
    def features(self) -> list[str]:
        return [name for name in self.source.schema.features if name in self.table.column_names]


class _Gate:
    """What is found, in the order in which it is looked for."""

    def __init__(self, new: _Part, old: _Part | None, held: _Part | None, sources: dict[str, Sequence[str]], task: str | None,
                 classes: Sequence[Any] | None, progress: Callable[[str, int], None] | None):
        self.new, self.old, self.held, self.sources, self.progress = new, old, held, sources, progress
        self.verdicts: list[Verdict] = []
        self.values: list[Value] = []
        self.notes: list[str] = []
        self.target = self._target(task, classes)
        self.bad: set[str] = set()   # columns that are told already
        if old is None:
            self.notes.append("there is no history, so nothing is compared with what was before: train: FILE in assay.yaml")
        if new.moment is None:
            self.notes.append("no column of times is named, so hours and days are not compared: columns: {timestamp: COLUMN}")

    def say(self, check: str, outcome: Outcome, sentence: str, aspect: str, hint: str | None = None, value: Value | None = None,
            threshold: float | None = None) -> None:
        self.verdicts.append(Verdict(check, outcome, sentence, aspect=aspect, hint=hint, value=value, threshold=threshold))

    def _target(self, task: str | None, classes: Sequence[Any] | None) -> Target | None:
        name = self.new.source.schema.label
        if name is None:
            if not self.new.source.schema.labels:
                self.notes.append("no label is named, so neither its rate nor its definition is looked at: columns: {label: COLUMN}")
            return None
        kind = family(self.new.source.schema[name].type)
        if task in ("regression", "ranking") or (task is None and classes is None and kind == "fraction"):
            return Target("regression" if task is None else task, (), None, None, 0, False, True)
        known = list(classes or ())
        for part in (self.old, self.new) if not known else ():
            if part is not None and part.source.schema.label == name:
                known += [each for each in plain(part.table, name).drop_null().unique().to_pylist() if each not in known]
        if kind == "integer" and len(known) > _CLASSES:
            return Target("regression", (), None, None, 0, False, True)
        if not 2 <= len(known) <= _CLASSES:
            self.say("classes of the label >= 2", "fail" if len(known) < 2 else "warn",
                     f"The label {name} has {len(known)} different values.", "label",
                     "Were the rows filtered by the label, or is it read wrongly?")
            return None
        ordered = tuple(known if classes else sorted(known, key=lambda each: (str(type(each)), each)))
        return Target("binary" if len(ordered) == 2 else "multiclass", ordered, 1 if len(ordered) == 2 else None, None, 0, False, True)

    # what the team knows ---------------------------------------------------------------------------------------------------

    def noted(self, notes: Sequence[Note]) -> None:
        """Fail where rows are of a time in which the team called a source corrupted."""
        for note in notes:
            if note.warning is None:
                continue
            columns = self._columns(note)
            if columns is None:
                self.notes.append(f"a note on a source that is not named here: {note.warning}")
                continue
            for part in filter(None, (self.new, self.held)):
                there = [name for name in columns if name in part.table.column_names]
                rows = _within(part.moment, note) if there else 0
                if there and (rows is None or rows):
                    many = ("no column says of when its rows are" if rows is None else
                            f"{rows:,} of {part.table.num_rows:,} rows are of then")
                    by = f" ({note.by})" if note.by else ""
                    text = f" {note.text[:300]}" if note.text else ""
                    self.say(f"notes on {note.source[:80]}", "fail", f"{note.warning}{by}: of the {part.name} data {many}.{text}", "notes",
                             f"Leave out those rows, or train without {named(there)}; or take the note back, once it is mended.")
                    self.bad |= set(there)

    def _columns(self, note: Note) -> list[str] | None:
        features = self.new.features
        if note.column is not None:
            return [note.column] if note.column in self.new.table.column_names else [] if note.source in self.sources else None
        if note.source in self.sources:
            return list(self.sources[note.source])
        if note.source == "data":
            return [name for name in features if not any(name in some for some in self.sources.values())]
        return [note.source] if note.source in self.new.table.column_names else None

    # hours and days ---------------------------------------------------------------------------------------------------------

    def broken(self) -> None:
        """Compare hours and days of each part with the history's and with each other."""
        old = self.old if self.old is not None and self.old.moment is not None else None
        for part in filter(None, (self.new, self.held)):
            if part.moment is None:
                self._missing(part)
                continue
            # a validation part of one hour has no neighbours but those of the training data
            past = old if old is not None else self.new if part is self.held else None
            found = stretches(part.table, part.moment, part.features, history=past.table if past else None,
                              before=past.moment if past else None, sources=self.sources)
            rows = part.table.num_rows
            empty, touched = np.zeros(rows, bool), np.zeros(rows, bool)
            deep = []
            for each in found:
                inside = ((part.moment >= each.start) & (part.moment < each.end)).sum()
                touched |= each.mask
                deep.append(each.kind != "lost" or each.rows >= _WHOLE * inside)
                if deep[-1]:
                    empty |= each.mask
            grave = empty.mean() >= _BROKEN or touched.mean() >= _WIDE
            value = Value.of("broken rows", Spread("exact", float(touched.mean())), n=rows, better="lower", note=f"of the {part.name} data")
            self.values.append(value)
            for each, whole_ in list(zip(found, deep, strict=True))[:_SHOWN]:
                fails = grave and (whole_ or touched.mean() >= _WIDE) and each.rows >= 0.25 * _BROKEN * rows
                sentence = f"In the {part.name} data {each.words} {spelled(each)}: {each.rows:,} of {rows:,} rows."
                if part is self.held and touched.mean() >= 0.5:
                    sentence += " What is validated on is broken itself: its numbers would say nothing."
                self.say(f"broken rows of {part.name} <= {_BROKEN:g}", "fail" if fails else "warn", sentence, "time", threshold=_BROKEN,
                         value=value, hint="Leave those rows out, or deliver them anew; do not train, or validate, on a broken hour.")
                self.bad |= set(each.columns) if fails else set()
            if len(found) > _SHOWN:
                rest = sum(each.rows for each in found[_SHOWN:])
                self.say(f"broken rows of {part.name}", "warn", f"{len(found) - _SHOWN} shorter stretches are broken too, {rest:,} rows.",
                         "time")
            if not found:
                self.say(f"broken rows of {part.name} <= {_BROKEN:g}", "pass", f"No hour or day of the {part.name} data is broken.", "time",
                         value=value)
            self._missing(part)

    def _missing(self, part: _Part) -> None:
        """Compare how much of each column is missing with the history, or with its worst day."""
        if self.old is None:
            return
        lost = []
        for name in part.features:
            if name not in self.old.table.column_names or name in self.bad:
                continue
            now, before = (_nulls(each.table, name) for each in (part, self.old))
            then, here = float(before.mean()), float(now.mean())
            most = then
            if self.old.moment is not None:
                day = np.floor(self.old.moment / _DAY)
                known = np.isfinite(day)
                places = np.unique(day[known], return_inverse=True)[1].reshape(-1)
                counts = np.bincount(places)
                shares = (np.bincount(places, weights=before[known]) / counts)[counts >= _FEW]
                most = float(np.quantile(shares, 0.95)) if len(shares) else then
            error = np.sqrt(max(then * (1 - then), 1e-4) / len(now))
            if here > max(most, then + 0.05) and here > 1.5 * then and here - then > 4 * error:
                lost.append((here - then, name, here, then))
        for _, name, here, then in sorted(lost, reverse=True)[:_SHOWN]:
            self.bad.add(name)
            value = Value.of("missing", Spread("binomial", here, n=float(part.table.num_rows)), n=part.table.num_rows, column=name,
                             better="lower")
            self.values.append(value)
            self.say(f"missing of {quoted(name)} <= history", "fail", f"{name} is missing in {percent(here)} of the {part.name} data; "
                     f"in the history in {percent(then)}.", "quality",
                     "Is the feed there, and does its join still fit?", value=value, threshold=then)

    # categories -------------------------------------------------------------------------------------------------------------

    def categories(self) -> None:
        """Name categories that were always there and are gone, and columns that are."""
        if self.old is None:
            return
        for part in filter(None, (self.new, self.held)):
            absent = [name for name in self.old.features if name not in part.table.column_names]
            if absent:
                self.say(f"columns of {part.name}", "fail", f"The {part.name} data lack the column{'s' if len(absent) > 1 else ''} "
                         f"{listed(absent)}, which the history has.", "quality", "Was a column renamed, or a join forgotten?")
        rows, days = self.new.table.num_rows, self._days(self.old)
        for name in self.new.features:
            if name not in self.old.table.column_names or name == self.new.source.schema.entity:
                continue
            kinds = {family(each.table.schema.field(name).type) for each in (self.new, self.old)}
            if kinds != {"text"}:
                continue
            before = plain(self.old.table, name)
            counts = {each["values"]: each["counts"] for each in before.drop_null().value_counts().to_pylist()}
            if len(counts) > 2_000:
                continue
            here = {each["values"]: each["counts"] for each in plain(self.new.table, name).drop_null().value_counts().to_pylist()}
            texts = np.array(before.to_pylist(), object) if days is not None else None
            gone = []
            for each, count in sorted(counts.items(), key=lambda pair: -pair[1]):
                expected = count / self.old.table.num_rows * rows
                if expected < _FEW or here.get(each, 0) > 0.05 * expected:
                    continue
                if days is not None and texts is not None and len(np.unique(days[texts == each])) < 0.8 * len(np.unique(days)):
                    continue   # it comes and goes: a route of the summer
                gone.append((each, count / self.old.table.num_rows, here.get(each, 0)))
            if gone:
                lost, first = sum(share for _, share, _ in gone), gone[0]
                grave = lost >= _GONE
                what = f"'{first[0]!s:.60}'" + (f" and {len(gone) - 1} more" if len(gone) > 1 else "")
                self.say(f"categories of {quoted(name)}", "fail" if grave else "warn",
                         f"{name} has {'no' if not first[2] else 'hardly any'} {what} any more: {percent(lost)} of the "
                         f"history{', on nearly every day of it' if days is not None else ''}.", "quality",
                         f"Ask who delivers {name} whether a part of the delivery is absent; the model would forget these.")

    @staticmethod
    def _days(part: _Part) -> Array | None:
        return None if part.moment is None else np.floor(part.moment / _DAY)

    # the label --------------------------------------------------------------------------------------------------------------

    def label(self) -> None:
        """Compare rate, unit and definition of the label with the history's."""
        schema, target = self.new.source.schema, self.target
        if target is None or schema.label is None or self.old is None or schema.label not in self.old.table.column_names:
            return
        name, hint = schema.label, "Ask who makes the label what changed; a model that is trained on both learns neither."
        number = target.task in ("regression", "ranking")
        told = False
        for class_ in (None,) if number or target.task == "binary" else target.classes[:10]:
            new, old = (self._labelled(part, class_) for part in (self.new, self.old))
            if not np.isfinite(new.label).any() or not np.isfinite(old.label).any():
                self.say(f"rate of {quoted(name)}", "fail", f"The label {name} is missing in all rows.", "label", hint)
                return
            here, then, ends = rate(new, old)
            shown = short if number else percent
            what = f"The mean of {name}" if number else f"The share of {name} = {class_ if class_ is not None else target.classes[1]}"
            words = (f"{what} is {shown(here)}; in the history it was {shown(then)}, from {shown(ends[0])} to {shown(ends[1])} over "
                     f"{self.pieces} of it.")
            self.values.append(Value("label rate", here, None, None, len(new.label), column=name, against="history", note=words))
            if number and (found := unit(new, old)) is not None:
                self.say(f"unit of {quoted(name)}", "fail", f"The label {name} seems to be in another unit: {found}.", "label", hint)
                return
            odds = abs(_logit(here) - _logit(then)) if not number else 0.0
            outside = not ends[0] <= here <= ends[1]
            one = not number and here in (0.0, 1.0)
            cells = [each for each in moved(new, old) if each.column not in self.bad]
            if one or (odds >= 1.4 and outside):
                self.say(f"rate of {quoted(name)}", "fail", words, "label", hint)
                told = True
            elif outside:
                self.say(f"rate of {quoted(name)}", "warn", words, "label", "Is it the season? Look whether the definition changed.")
                told = True
            for each in cells[:2]:
                unit_ = "the mean label" if number else f"the share of {name}"
                self.say(f"definition of {quoted(name)}", "fail",
                         f"The label {name} does not mean what it meant: {each.words}, {unit_} is {shown(each.now[0])} to "
                         f"{shown(each.now[1])} over {self.pieces}, and was {shown(each.before[0])} to {shown(each.before[1])} before"
                         + (f" ({len(cells)} such cells)." if len(cells) > 1 else "."), "label", hint)
                told = True
        if not told:
            self.say(f"definition of {quoted(name)}", "pass", f"The label {name} is what it was: its rate lies where those of the history "
                     "lie, and rows that are alike have the labels that they had.", "label")

    def _labelled(self, part: _Part, class_: Any) -> Labelled:
        target, name = self.target, self.new.source.schema.label
        assert target is not None
        assert name is not None
        column = plain(part.table, name)
        if target.task in ("regression", "ranking"):
            values = labels.numbers(column, name=name, where=part.source.name)
        else:
            codes = labels.codes(column, target.classes, name=name, where=part.source.name)
            wanted = 1 if class_ is None else target.classes.index(class_)
            values = np.where(codes == labels.MISSING, np.nan, (codes == wanted).astype(np.float64))
        features = {each: plain(part.table, each) for each in self.new.features if each in part.table.column_names}
        return Labelled(values, self._pieces(part), features)

    @property
    def length(self) -> float:
        """The seconds of a part of time: as many whole days as make five parts of the new data; 0 where nothing is known of times."""
        known = self.new.moment[np.isfinite(self.new.moment)] if self.new.moment is not None else np.empty(0)
        return max(float(np.ptp(known) / 5 // _DAY) * _DAY, _DAY / 24) if len(known) else 0.0

    @property
    def pieces(self) -> str:
        """What the parts of time are called."""
        days = self.length / _DAY
        return "parts" if not days else f"{days:g} days each" if days > 1 else "days" if days == 1 else "hours"

    def _pieces(self, part: _Part) -> Array:
        """Return the part of time of each row; the place where rows have no times."""
        length = self.length
        if part.moment is None or not length or not np.isfinite(part.moment).any():
            return np.asarray(np.arange(part.table.num_rows) * 12 // part.table.num_rows)
        known = np.isfinite(part.moment)
        found = np.full(len(part.moment), -1)
        first = np.nanmin(part.moment)
        found[known] = np.floor((part.moment[known] - first) / length).astype(np.int64)
        return found

    # what screens see -------------------------------------------------------------------------------------------------------

    def screens(self) -> None:
        """Ask the lines of the default suite that speak of data alone."""
        subject = Subject(self.new.source, {}, self.target, self.old.source if self.old is not None else None)
        schema = self.new.source.schema
        scene = Scene(task=self.target.task if self.target else None, labelled=self.target is not None, reference=self.old is not None,
                      available_at=bool(schema.available_at) and schema.timestamp is not None, content=bool(subject.media))
        self._asked(subject, [_graded(each) for each in items(scene) if _metric(each) in _ASKED])
        if self.old is not None:
            self._asked(dataclasses.replace(subject, reference=self._recent(), _held={}),
                        [_graded(each) for each in items(scene) if _metric(each) == "unit_changed"])
            self._rose("placeholder_share", 0.01, "{name} holds stand-ins for missing values in {now} of the rows, and did in {then} of "
                       "the history{note}.", "quality", "Turn them into missing values, and ask who writes them now.")
        if self.old is not None and self.target is not None and self.new.source.schema.label in self.old.table.column_names:
            self._rose("lone_power", _TELLS, "{name} alone tells much more of the label than it did: power {now} of 1, in the history "
                       "{then}.", "leakage", "Find out whether it is written after the outcome now.")

    def _recent(self) -> Source:
        """Return the end of the history, twice as long as the new data: units are told apart best where the season is the same."""
        assert self.old is not None
        if self.old.moment is None or not self.length:
            return self.old.source
        with np.errstate(invalid="ignore"):
            late = self.old.moment >= np.nanmax(self.old.moment) - 10 * self.length
        few = self.old.table.filter(pa.array(late)) if late.sum() >= 1_000 else self.old.table
        return source(few, types=None, **self.old.source.schema.roles)

    def apart(self) -> None:
        """Compare the validation data with the training data: no row, id, text or image in both, and the same types and units."""
        if self.held is None:
            return
        schema = self.held.source.schema
        ids = schema.id is not None and schema.id in self.new.source.schema
        subject = Subject(self.held.source, {}, self.target if schema.label else None, self.new.source, self.new.source)
        scene = Scene(train=True, ids=ids, content=bool(subject.media), reference=True)
        wanted = [each for each in items(scene) if _metric(each) in _BETWEEN]
        wanted += [each for each in items(scene) if _metric(each) in ("type_changed", "unit_changed")]
        self._asked(subject, [dataclasses.replace(
            each, fault="Of the validation data: " + each.fault.replace("judged again", "validated on")
            .replace("are judged", "are validated on").replace("the reference", "the training data"),
            fine="Of the validation data: " + each.fine.replace("the reference", "the training data"),
            grave="fail" if _metric(each) in _BETWEEN else each.grave) for each in wanted])

    def _asked(self, subject: Subject, wanted: Sequence[Item]) -> None:
        from assay.check.expression import parse

        checks = [Question.of(parse(each.expression)) for each in wanted]
        distinct = [each for place, each in enumerate(checks) if each not in checks[:place]]
        answers, _ = measure(subject, distinct, progress=self.progress)
        held = [(item, next(answer for each, answer in zip(distinct, answers, strict=True) if each == check))
                for item, check in zip(wanted, checks, strict=True)]
        for _, answer in held:
            for error in answer.failed:
                self.notes.append(f"not looked at: {error}")
        told = opinions([(item, answer.values) for item, answer in held if not answer.failed])
        self.verdicts += told
        self.bad |= {each.value.column for each in told if each.verdict == "fail" and each.value is not None and each.value.column}
        self.values += [value.silenced() for answer in answers for value in answer.values if value.value]

    def _rose(self, metric: str, most: float, words: str, aspect: str, hint: str) -> None:
        """Fail where a screen sees more of a column, by ``most`` at least, than it saw in the history."""
        from assay.check.expression import parse

        assert self.old is not None
        question = [Question.of(parse(f"{metric} of * <= 1"))]
        found: list[dict[str | None, Value]] = []
        for part in (self.new, self.old):
            answer = measure(Subject(part.source, {}, self.target), question)[0][0]
            found.append({each.column: each for each in answer.values})
            self.notes += [f"not looked at: {error}" for error in answer.failed]
        for name, value in found[0].items():
            then = found[1].get(name)
            if then is None or None in (value.low, value.value, then.high, then.value):
                continue
            if (value.low or 0.0) - (then.high or 0.0) > most:
                shown = percent if metric.endswith("share") else (lambda number: f"{number:.2f}")
                note = f" ({value.note})" if value.note else ""
                self.say(f"{metric} of {quoted(str(name))} <= history + {most:g}", "fail", words.format(
                    name=name, now=shown(value.value), then=shown(then.value), note=note), aspect, hint, value=value)


def _metric(item: Item) -> str:
    return item.expression.partition(" ")[0]


def _graded(item: Item) -> Item:
    words = {name: getattr(item, name).replace("the reference", "the history") for name in ("fault", "fine", "many")}
    item = dataclasses.replace(item, **words)
    return dataclasses.replace(item, grave="fail") if _ASKED.get(_metric(item)) == "fail" else item


def _logit(share: float) -> float:
    share = min(max(share, 1e-6), 1 - 1e-6)
    return float(np.log(share / (1 - share)))


def _nulls(table: pa.Table, name: str) -> Array:
    column = plain(table, name)
    missing = np.asarray(column.is_null().to_numpy(zero_copy_only=False), bool)
    return missing | np.isnan(numbers(column)) if pa.types.is_floating(column.type) else missing


def _within(moment: Array | None, note: Note) -> int | None:
    """Return how many rows are of the time in which a source was corrupted, None where rows have no time."""
    if moment is None or not np.isfinite(moment).any():
        return None
    since, until = (dt.datetime.fromisoformat(each).timestamp() if each else None for each in (note.corrupted_since, note.corrupted_until))
    with np.errstate(invalid="ignore"):
        inside = moment >= (since if since is not None else -np.inf)
        return int((inside & (moment < until) if until is not None else inside).sum())
