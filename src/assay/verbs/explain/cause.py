"""Why something was blocked or paged: the attribution of a change, bounded in cost, for the gate and the monitor.

``blocked(subject, verdicts)`` says it of the slices in which a candidate is worse, ``paged(job, incidents, ...)`` of windows,
``influences(subject, ...)`` names forbidden columns, and strong proxies of them, that move the answers. ``verbs.gate`` and
``verbs.monitor`` use them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.data.predicate import parse
from assay.data.schema import Schema
from assay.data.slice import slicing
from assay.errors import AssayError, ConfigError, DataError, without_secrets
from assay.explain.change import change, versus
from assay.explain.mean import attributed
from assay.explain.proxy import STRONG
from assay.model.logged import Logged
from assay.monitor.disagreement import PAIR
from assay.result import Figure, Incident, Value, Verdict
from assay.verbs.explain.change import called_for, pictured, shares, shown, sided, told, turned
from assay.verbs.explain.disparity import powers
from assay.verbs.explain.explanation import Ground, drawn
from assay.verbs.subject import Subject, opened

__all__ = ["CAUSED", "Cause", "Stretch", "blocked", "influences", "of_model", "paged"]

Array = np.ndarray[Any, Any]

ROWS = 20_000     # drawn, of which a slice keeps its own
SLICES = 5        # blocked ones that are explained, those that lost most first
ASKED = 60_000    # rows put to the models for each
BEFORE = 28       # windows that one is compared with
WINDOW = 5_000    # rows of either side of a window
CAUSED = "why: "
_LEAST = 0.005    # of all influence, below which a column carries none that is worth a word
_OF_LABELS = ("accuracy", "recall", "precision", "f1", "specificity", "balanced_accuracy", "cost", "error_rate")
_OF_MODEL = ("harm", "estimate", "concept")   # kinds of incidents
_BIN = re.compile(r"\[(?P<low>[^,\]]+), (?P<high>[^)]+)\)|< (?P<below>.+)|>= (?P<above>.+)")


@dataclass(frozen=True)
class Cause:
    """What is added to a run: verdicts with their cause, values, figures and notes."""

    verdicts: tuple[Verdict, ...] = ()
    values: tuple[Value, ...] = ()
    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()


def blocked(subject: Subject, verdicts: Sequence[Verdict], *, seed: int = 0) -> Cause:
    """Return verdicts that block because a slice (or all rows) is worse, each with the inputs that make the candidate differ there.

    What is explained is the error where the metric counts labels, else the loss, of the candidate less that of the champion on the same
    rows. At most five; what cannot be explained is a note, and the verdict stands as it is.
    """
    found = list(verdicts)
    worst = [place for place, each in enumerate(found) if each.verdict == "fail" and each.value is not None
             and each.value.against == "champion" and not each.value.private]
    models = subject.models
    if not worst or any(name not in models or isinstance(models[name], Logged) for name in ("model", "champion")):
        return Cause(tuple(found))
    values: list[Value] = []
    figures: list[Figure] = []
    notes: list[str] = []
    done: dict[tuple[Any, str], str] = {}
    try:
        ground = Ground(subject, seed=seed)
        table = _table(ground, {name for place in worst for name in _read(found[place].slice, subject.data.schema)})
    except AssayError as error:
        return Cause(tuple(found), notes=(f"why slices are blocked is not said: {' '.join(str(error).split())}",))
    for place in worst:
        verdict = found[place]
        assert verdict.value is not None
        quantity = _quantity(ground, verdict.value.metric)
        key = (tuple(sorted(verdict.slice.items(), key=str)), quantity)
        if key not in done and len(done) < SLICES:
            try:
                done[key] = _explained(ground, table, verdict, quantity, values, figures)
            except AssayError as error:
                done[key] = ""
                notes.append(f"why {verdict.check} is blocked is not said: {' '.join(str(error).split())}")
        if done.get(key):
            found[place] = replace(verdict, sentence=f"{verdict.sentence.rstrip('.')}; {done[key]}")
    return Cause(tuple(found), tuple(values), tuple(figures), tuple(dict.fromkeys(notes)))


def _explained(ground: Ground, table: pa.Table, verdict: Verdict, quantity: str, values: list[Value], figures: list[Figure]) -> str:
    """Add why one slice is worse to ``values`` and ``figures``, and return it in words."""
    rows = table.filter(pa.array(_mask(table, verdict.slice, ground.subject.data.schema)))
    target = ground.subject.target
    assert target is not None
    name = ", ".join(f"{key} {value}" for key, value in verdict.slice.items()) or "all rows"
    side = sided(ground, name, _with(ground, rows), quantity)
    models = ground.subject.models
    made = turned(versus(models["champion"], models["model"], side, ground.behind, names=("the champion", "the candidate"),
                         quantity=quantity, place=target.positive, threshold=target.threshold, asked=ASKED, seed=ground.seed))
    place: dict[str, Any] = {"slice": dict(verdict.slice), "against": "champion"}
    values += [each.replace(**place) for each in shown(made)]
    figures += [replace(each, name=f"why {name} {made.quantity}", aspect="guardrails")
                for each in pictured(made, title=f"Why the candidate's {made.quantity} differs: {name}")]
    clear = [each for each in made.contributions if (each.low or 0.0) > 0 or (each.high or 0.0) < 0]
    if not clear:
        return f"no input explains its {made.quantity} there beyond chance"
    return f"why, of {made.quantity} {made.difference.value or 0.0:+.3g} in {len(side):,} rows drawn: {shares(made)}"


def _quantity(ground: Ground, metric: str) -> str:
    signature = ground.model.signature
    if ground.subject.data.schema.label is None or signature.task == "ranking":
        return "score"
    if signature.classes is None:
        return "loss"
    probable = all(each.signature.scores == "probability" for each in ground.subject.models.values())
    return "error" if metric in _OF_LABELS or not probable else "loss"


def _table(ground: Ground, names: set[str]) -> pa.Table:
    schema = ground.subject.data.schema
    other = ground.subject.models["champion"].signature.names or ()
    extra = [each for each in (schema.label, schema.weight, schema.entity, *sorted(names), *other) if each]
    return drawn(ground.subject.data, ROWS, ground.seed, [*ground.inputs, *extra])


def _with(ground: Ground, rows: pa.Table) -> pa.Table:
    other = [name for name in ground.subject.models["champion"].signature.names or () if name not in ground.inputs]
    if other:
        raise ConfigError("the champion reads columns that the candidate does not, so their contributions are not compared",
                          expected=f"the inputs of both: {', '.join(other[:5])}")
    return rows


def _read(slice_: Mapping[str, Any], schema: Schema) -> list[str]:
    """Return the columns that tell whether a row is in a slice."""
    return [column for name, value in slice_.items()
            for column in (parse(str(value), schema).columns if name == "where" else (schema.stored(name),))]


def _mask(table: pa.Table, slice_: Mapping[str, Any], schema: Schema) -> Array:
    """Return which rows are in a slice, given as its key."""
    batch = table.combine_chunks().to_batches()[0]
    out = np.ones(batch.num_rows, bool)
    for name, value in slice_.items():
        if name == "where":
            out &= parse(str(value), schema).mask(batch)
            continue
        column = batch.column(batch.schema.get_field_index(name))
        bin_ = _BIN.fullmatch(value) if isinstance(value, str) else None
        if value is None or value == "missing":
            out &= np.asarray(pc.is_null(column, nan_is_null=True).to_numpy(zero_copy_only=False), bool)
        elif bin_ and not pa.types.is_string(column.type) and not pa.types.is_dictionary(column.type):
            numbers = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
            low, high = bin_["low"] or bin_["above"], bin_["high"] or bin_["below"]
            out &= (numbers >= float(low) if low else ~np.isnan(numbers)) & (numbers < float(high) if high else True)
        else:
            codes, keys = slicing(f"`{name}`", schema).codes(batch)
            wanted = [place for place, key in enumerate(keys) if key[0][1] == value]
            out &= np.isin(codes, wanted)
    return out


def influences(subject: Subject, reasons: Mapping[str, str] | None = None, *, seed: int = 0) -> Cause:
    """Return warnings of forbidden columns, and of inputs that strongly tell one, where they move the answers of the model.

    An input is strong where ``proxy_power`` is 0.7 or more; its influence is its share of the mean absolute contributions to the score, on
    300 rows. One that a person has justified is a note.
    """
    schema, model = subject.data.schema, subject.models.get("model")
    forbidden = [each for each in schema.forbidden if each in schema.names]
    if not forbidden or model is None or isinstance(model, Logged):
        return Cause()
    try:
        ground = Ground(subject, seed=seed)
        if model.signature.classes is not None and ground.target is None:
            return Cause()
        table = drawn(subject.data, 300, seed, ground.inputs)
        place = subject.target.positive if subject.target is not None else None
        made = attributed(model, ground.inputs_of(table), ground.behind, "score", place=place, seed=seed)
    except AssayError as error:
        return Cause(notes=(f"whether forbidden columns move the answers is not said: {' '.join(str(error).split())}",))
    size = np.abs(made.values).mean(axis=0)
    share = dict(zip(made.columns, (size / (size.sum() or 1.0)).tolist(), strict=True))
    verdicts: list[Verdict] = []
    notes: list[str] = []
    for column in forbidden:
        if share.get(column, 0.0) >= _LEAST:
            verdicts.append(_warned(f"the forbidden column {column} carries {share[column]:.0%} of the influence on the score", column))
        telling = powers(subject, column) if any(each >= _LEAST for name, each in share.items() if name != column) else {}
        for name, power in telling.items():
            if name == column or (power.value or 0.0) < STRONG or share.get(name, 0.0) < _LEAST:
                continue
            says = (f"{name} tells the forbidden column {column} ({power.value or 0:.2f} of 1) and carries {share[name]:.0%} of the "
                    "influence on the score")
            reason = (reasons or {}).get(name, "?").strip()
            if reason in ("", "?"):
                verdicts.append(_warned(says, name))
            else:
                notes.append(f"{says}; justified: {reason}")
    return Cause(tuple(verdicts), notes=tuple(notes))


def _warned(sentence: str, column: str) -> Verdict:
    return Verdict("forbidden influence", "warn", sentence, aspect="proxies",
                   hint=f'Leave it out of the inputs, or say why it may count: justified: {{{column}: "..."}} in assay.yaml.')


@dataclass(frozen=True)
class Stretch:
    """The windows of a monitor: when each began, and its rows, which are read only where they are asked for."""

    starts: Sequence[str]
    rows: Callable[[int], pa.Table]


def paged(job: Any, incidents: Sequence[Incident], judged: Mapping[str, int], stretch: Stretch) -> tuple[dict[str, str], list[str]]:
    """Return why the score or the error of the window that each incident is about moved, by the incident's id; and notes.

    Only incidents about the model, where the model is there; each window against those before it (28 at most), from a sample of both.
    ``judged`` is the number of each incident's window. Whatever goes wrong is a note: an incident stands without its cause. ``job``
    is that of ``verbs.stream``.
    """
    found: dict[str, str] = {}
    notes: list[str] = []
    if job.model is None:
        return found, notes
    for each in incidents[:SLICES]:
        number = judged.get(each.id or "")
        if number is None or not of_model(each):
            continue
        try:
            found[str(each.id)] = CAUSED + (job.pair.why(stretch, number) if each.source == PAIR else _moved(job, stretch, number, each))
        except (Exception, SystemExit) as error:  # noqa: BLE001 (a model may raise whatever it likes: an incident stands without its cause)
            notes.append(f"why incident {each.id} came is not said: {without_secrets(' '.join(str(error).split()))[:300]}")
    return found, notes


def of_model(incident: Incident) -> bool:
    """Whether an incident is about what the model answers, or how well."""
    answers = [name for name in incident.columns if name.startswith("assay ")]
    return incident.cause is None and (incident.kind in _OF_MODEL or bool(answers) or incident.source in ("model", PAIR))


def _moved(job: Any, stretch: Stretch, number: int, incident: Incident) -> str:
    """Return why one window differs from those before it, in a sentence; by labels only where these spoke: others come later."""
    parts: list[pa.Table] = []
    size = 0
    for place in range(number - 1, max(-1, number - 1 - BEFORE), -1):
        rows = stretch.rows(place)
        parts.append(rows)
        size += rows.num_rows
        if size >= ROWS:
            break
    if not parts:
        raise DataError("there is no window before it")
    tables = [_plain(each) for each in (pa.concat_tables(parts, promote_options="permissive"), stretch.rows(number))]
    config = job.config
    whole = pa.concat_tables(tables, promote_options="permissive")
    roles = {role: each for role, each in job.there(whole).items() if role not in ("score", "prediction")}
    if incident.kind not in ("harm", "concept") and job.settings.label_delay:
        roles.pop("label", None)
    subject, _ = opened(job.model, whole, train=config.location(config.train), reference=config.location(config.reference), champion=None,
                        positive=config.positive, threshold=config.threshold, task=None, classes=None, features=None, trust=False,
                        where=None, sql=None, types=config.types, roles=roles)
    ground = Ground(subject, positive=config.positive)
    random = np.random.default_rng(0)
    few = [each.take(pa.array(np.sort(random.permutation(each.num_rows)[:WINDOW]))) for each in tables]
    names = (f"the {len(parts)} windows before" if len(parts) != 1 else "the window before", stretch.starts[number][:16].replace("T", " "))
    quantity = called_for(ground, few)[0]
    sides = [sided(ground, name, each, quantity) for name, each in zip(names, few, strict=True)]
    target = subject.target
    made = turned(change(ground.model, sides[0], sides[1], ground.behind, quantity=quantity, asked=ASKED,
                         place=None if target is None else target.positive, threshold=None if target is None else target.threshold))
    return told(made, None, ground)


def _plain(rows: pa.Table) -> pa.Table:
    """Return the rows without what the model answered, which no model reads."""
    return rows.drop_columns([name for name in rows.column_names if name.startswith("assay ")])
