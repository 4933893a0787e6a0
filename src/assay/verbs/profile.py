"""Describe a data set column by column, and how far each column is from a reference: ``assay.profile(data, reference=...)``.

The same as ``assay profile`` on the command line. One pass over each data set gives all of it; nothing is judged.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from assay.data.medium import media
from assay.data.source import Source, source
from assay.errors import ConfigError, EmptyDataError, UnknownNameError, listed
from assay.metric import METRICS
from assay.result import FEWEST_SHOWN, Cost, Figure, Run, Value
from assay.summary import Need, Profile
from assay.summary.frequent import Frequent
from assay.summary.vector import kind_of
from assay.verbs.measure import measure
from assay.verbs.question import Question
from assay.verbs.subject import Subject, checked
from assay.verbs.suite import about

__all__ = ["profile"]

MOST_TOP = 10  # frequent values that are shown of a column
_SOME, _LONG = 20, 20  # different values, and characters of one, below which a column is no free text (see ``data.text.free``)
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_ALWAYS = ("missing", "distinct")
_NUMBERS = ("mean", "deviation", "least", "quantile", "greatest")
_DISTANCES = ("psi", "jensen_shannon", "wasserstein")


def profile(data: Any, *, reference: Any = None, metrics: Sequence[str] | None = None, where: str | None = None, sql: str | None = None,
            types: Mapping[str, str] | None = None, progress: Callable[[str, int], None] | None = None, **roles: Any) -> Run:
    """Return a run whose values describe each column of ``data``, and its distance from ``reference`` where one is given.

    Of every column the share of missing values and the number of different ones; of numbers mean, standard deviation, least,
    greatest and five quantiles; of categories the most frequent values, as figures; of images width, height, brightness and contrast
    as numbers, missing where one cannot be decoded. Against a reference the distances ``psi``,
    ``jensen_shannon`` and, of numbers, ``wasserstein``. Of columns that name or protect people (id, entity, query, protected) and of free
    text no value is shown: only how many are missing and different, and how far a protected column has moved.

    ``metrics`` names some of these, where not all are wanted: ``("missing", "psi")``. ``data`` and ``reference`` are whatever
    ``assay.source`` takes, ``roles`` are its roles (``id="loan_id"``). Raises ``AssayError`` for
    what cannot be read or is misspelt.

    >>> import pyarrow as pa
    >>> run = profile(pa.table({"age": [31, 62, 47, None], "city": ["Rome", "Oslo", "Rome", "Rome"]}))
    >>> [str(each) for each in run.values if each.metric in ("missing", "mean")][0]
    'missing of age 0.25, n=4'
    """
    began = time.perf_counter()
    checked("profile", roles)
    for name in metrics or ():
        if name not in (*_ALWAYS, *_NUMBERS, *_DISTANCES):
            raise UnknownNameError.among("metric of a profile", name, (*_ALWAYS, *_NUMBERS, *_DISTANCES))
    if metrics is not None and reference is None and not set(metrics) - set(_DISTANCES):
        raise ConfigError(f"{listed(metrics)} compare with a reference, and there is none", hint="pass reference=...")
    current = source(data, where=where, sql=sql, types=types, **roles)
    other = None if reference is None else source(reference, where=where, types=types)
    if other is not None and roles:
        other = source(other, **_known(other, roles))
    subject = Subject(current, reference=other)
    held = media(current) if any(_opaque(each.type) for each in current.schema) else {}
    texts = set(held)
    images = [name for name, what in held.items() if what == "image"]
    questions = [each for each in _questions(subject, texts, images) if metrics is None or each.metric.name in metrics]
    answers, profiles = measure(subject, questions, progress=progress)
    texts |= _texts(current, profiles)
    values = [value for answer in answers for value in answer.values if value.column not in texts or value.metric in _ALWAYS]
    seen = profiles.get("data")
    if seen is None:
        raise EmptyDataError("there is no column to describe", where=current.name)
    notes = [f"not measured: {error}" for answer in answers for error in answer.failed] + _notes(subject)
    cost = Cost(round(time.perf_counter() - began, 3), sum(each.rows for each in profiles.values()), 0)
    return Run("profile", tuple(_by_column(current, values, images)), cost=cost, notes=tuple(dict.fromkeys(notes)),
               figures=tuple(_figures(subject, profiles, texts)), about=about(subject, {"rows": seen.rows, "columns": len(current.schema)}))


def _known(other: Source, roles: Mapping[str, Any]) -> dict[str, Any]:
    """Return the roles whose columns the reference has."""
    names = set(other.schema.names)
    return {role: columns for role, columns in roles.items()
            if all(name in names for name in ([columns] if isinstance(columns, str) else columns or ()))}


def _questions(subject: Subject, texts: set[str], images: Sequence[str] = ()) -> list[Question]:
    """Return what is asked of which columns, by their kind and by what may be shown of them; of images also what is derived of each."""
    schema = subject.data.schema
    named = _named(subject)
    known = {each.name: kind_of(each.type) for each in schema}
    made = [name for column in images for name in schema.shown(column)]
    known.update({name: kind_of(schema[name].type) for name in made})
    kinds: dict[str, list[str]] = {"number": [], "category": []}
    for name, kind in known.items():
        if kind in kinds:
            kinds[kind].append(name)
    closed = named | set(schema.protected)
    open_numbers = [name for name in kinds["number"] if name not in closed]
    asked: list[tuple[str, Mapping[str, Any], list[str]]] = [
        ("missing", {}, list(known)), ("distinct", {}, [*kinds["number"], *kinds["category"]])]
    for name in _NUMBERS:
        asked += [(name, {"q": q}, open_numbers) for q in QUANTILES] if name == "quantile" else [(name, {}, open_numbers)]
    if subject.reference is None:
        # what is most frequent is asked for as the share of new categories is: with the categories themselves
        asked.append(("constant", {}, [name for name in kinds["category"] if name not in named and name not in texts]))
    else:
        there = {each.name: kind_of(each.type) for each in subject.reference.schema}
        there.update({name: kind_of(subject.reference.schema[name].type) for name in made if name in subject.reference.schema})
        for name in _DISTANCES:
            takes = METRICS[name].needs
            asked.append((name, {}, [each for each, kind in known.items()
                                     if kind in takes and there.get(each) == kind and each not in named and each not in texts]))
    return [Question(METRICS[name], options, tuple(columns)) for name, options, columns in asked if columns]


def _named(subject: Subject) -> set[str]:
    """Return the columns that name rows or people: their values say nothing, or too much."""
    schema = subject.data.schema
    return {name for name in (schema.id, schema.entity, schema.query) if name}


def _by_column(current: Source, values: list[Value], images: Sequence[str]) -> Iterator[Value]:
    """Yield the values column by column, in the order of the file, of an image what is derived of it behind it."""
    schema = current.schema
    found: dict[str, list[Value]] = {each: [] for name in schema.names for each in (name, *(schema.shown(name) if name in images else ()))}
    for each in values:
        found[each.column or ""].append(each)
    for some in found.values():
        yield from some


def _notes(subject: Subject) -> list[str]:
    if subject.reference is None:
        return []
    now, then = subject.data.schema, subject.reference.schema
    gone, new = [each for each in then.names if each not in now], [each for each in now.names if each not in then]
    changed = [each for each in now.names if each in then and kind_of(now[each].type) != kind_of(then[each].type)]
    notes = [f"only in the reference: {listed(gone, 5)}"] if gone else []
    notes += [f"not in the reference: {listed(new, 5)}"] if new else []
    return notes + [f"'{each}' is {now[each].type} and was {then[each].type}: not compared" for each in changed[:5]]


def _figures(subject: Subject, profiles: Mapping[str, Profile], texts: set[str]) -> Iterator[Figure]:
    """Yield the most frequent values of each column of categories that may be shown."""
    schema = subject.data.schema
    hidden = _named(subject) | set(schema.protected) | set(schema.forbidden) | texts
    for name in schema.names:
        if name in hidden or kind_of(schema[name].type) != "category":
            continue
        sides = [_counted(profiles.get(each), name) for each in ("data", "reference")]
        now, then = sides
        if now is None or not now.n or _unique(now):
            continue
        top = [(value, count) for value, count in now.top[:MOST_TOP] if count >= FEWEST_SHOWN]
        if not top:
            continue
        table: dict[str, tuple[Any, ...]] = {"value": tuple(value for value, _ in top),
                                             "current": tuple(count / now.n for _, count in top)}
        if then is not None and then.n:
            table["reference"] = tuple(then.counts.get(value, 0) / then.n for value, _ in top)
        table["rows"] = tuple(count for _, count in top)
        shown = f"'{top[0][0]}' has {top[0][1] / now.n:.1%} of the rows"
        yield Figure(f"top values of {name}", "bars", f"Most frequent values of {name}", table, x="value",
                     y=tuple(each for each in ("reference", "current") if each in table), sentence=shown, column=name)


def _opaque(kind: pa.DataType) -> bool:
    """Whether values are bytes, which may be images: too large to be counted before it is known."""
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_nested(kind))


def _texts(current: Source, profiles: Mapping[str, Profile]) -> set[str]:
    """Return the columns of free text; the data are looked at again only where what was counted does not rule it out."""
    doubtful = bool(current.schema.media)
    for each in current.schema:
        seen = [found for name in ("data", "reference") if (found := _counted(profiles.get(name), each.name)) is not None]
        doubtful |= any(found.error or (len(found.counts) >= _SOME and max(map(len, found.counts)) >= _LONG) for found in seen)
    return set(media(current)) if doubtful else set()


def _counted(profile: Profile | None, name: str) -> Frequent | None:
    found = profile.get(((), Need("frequent", (name,)))) if profile is not None else None
    return found if isinstance(found, Frequent) else None


def _unique(frequent: Frequent) -> bool:
    """Whether hardly any value occurs twice: such a column names rows, whatever it is called."""
    most = max(frequent.counts.values(), default=0)
    return len(frequent.counts) > max(50, frequent.present // 2) or most + frequent.error < frequent.present / 1000 or not most

