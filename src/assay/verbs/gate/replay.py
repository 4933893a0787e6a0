"""Read the logs of a model in production: does it answer what it answered then, and do two logs agree.

``replay(model, log)`` scores logged features again (training and serving skew), ``compare(log, other)`` joins two score logs by id;
each returns a ``Run``. A log is held in memory. The doors in ``assay.app`` and users import it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from assay.data.meter import metered
from assay.data.source import Source
from assay.errors import ConfigError, EmptyDataError, SignatureError, listed, nearest
from assay.model.answer import Answer
from assay.model.load import load
from assay.model.logged import Logged
from assay.model.model import Model, bind, called
from assay.result import FEWEST_SHOWN, Cost, Figure, Run, Scalar, Spread, Value, Verdict
from assay.screen.power import error, share
from assay.summary.hashing import hashes
from assay.verbs.gate.log import (
    FEW,
    Joined,
    Pair,
    answered,
    configured,
    decisions,
    logged,
    outcome_of,
    percent,
    scores,
    short,
    stated,
)
from assay.verbs.gate.skew import conditions, named, numbers, plain, substitutes

__all__ = ["compare", "replay"]

Array = np.ndarray[Any, Any]

MOST = 0.01            # of the rows may differ
TOLERANCE = 1e-4       # of a score, or of the spread of logged numbers: other machines and libraries round otherwise
_ROUNDED = 6           # digits up to which a log is looked at for rounding
_SLICES = 200


def replay(model: Any, log: Any = None, *, offline: Any = None, most: float = MOST, tolerance: float | None = None,
           slices: Sequence[str] = (), sources: Mapping[str, Sequence[str]] | None = None, task: str | None = None,
           classes: Sequence[Any] | None = None, features: Sequence[str] | None = None, types: Mapping[str, str] | None = None,
           where: str | None = None, trust: bool = False, **roles: Any) -> Run:
    """Return whether ``model`` gives the scores that were logged with the rows of ``log``, and if not, what goes with the differences.

    ``model`` is a path, a fitted object, or a configuration (its champion, else its model; ``columns`` and the monitor's ``sources``
    are read there too). ``roles`` name the columns of the log: ``score`` or ``prediction``, ``id``, ``timestamp``, ``entity``,
    ``available_at``. ``offline`` is a second table of features, joined by id: which differ, and how much of the change in score each
    explains. It fails where more than ``most`` of the rows are shown to differ by more than ``tolerance`` (0.0001 of a score, or half a
    unit of the digits that were logged).

    Raises ``AssayError`` for what cannot be read, and where the log names no scores.

    >>> import pyarrow as pa
    >>> log = pa.table({"x": [0.1, 0.4, 0.6, 0.9] * 50, "logged": [0.1, 0.4, 0.6, 0.0] * 50})
    >>> run = replay(lambda batch: batch.column("x").to_numpy(), log, score="logged", task="binary", classes=[0, 1])
    >>> run.verdict, run.values[0].value
    ('fail', 0.25)
    """
    began = time.perf_counter()
    config = configured(model)
    if config is not None:
        model = config.location(config.champion or config.model)
        if model is None:
            raise ConfigError("no model is named that could be asked again", where=str(config.path), expected="champion or model")
        roles, task = {**config.columns, **roles}, task or config.task
        classes, features = classes or config.classes, features or config.features
        types, where, slices = types or config.types, where or config.where, slices or config.slices
        sources = sources or ({name: feed.columns for name, feed in config.monitor.sources.items()} if config.monitor else None)
    if log is None:
        raise ConfigError("there is no log to replay", expected="the rows as they were scored, with their scores")
    with metered() as meter:
        found, table, notes = logged(log, roles, types, where)
        loaded = load(model, trust=trust, task=task, classes=classes, features=features,
                      name=None if isinstance(model, str | Path) else "champion")
        apart = Joined.of(found, table, offline, types) if offline is not None else None
        loaded = bind(loaded, pa.schema([found.schema.arrow.field(each) for each in found.schema.features]))
        table = _completed(loaded, found, table, apart, notes)
        told = _Replayed(loaded, found, table, tolerance, most, tuple(slices), sources or {})
        verdicts, values, figures = told.judged(apart)
    about: dict[str, Scalar] = {"model": called(loaded), "log": found.name, "rows": len(told.differs), "tolerance": told.tolerance}
    return Run("gate", tuple(values), tuple(verdicts), notes=(*notes, *told.notes), figures=tuple(figures), about=about,
               cost=Cost(round(time.perf_counter() - began, 3), meter.rows, meter.model_rows))


def _completed(model: Model, found: Source, table: pa.Table, apart: Joined | None, notes: list[str]) -> pa.Table:
    """Return the log with all inputs of the model: those that were not logged come from the offline table."""
    absent = [each for each in model.signature.names or () if each not in table.column_names]
    for name in absent:
        if apart is None or name not in apart.table.column_names:
            near = nearest(name, table.column_names)
            raise SignatureError(f"the model needs the column '{name}', which was not logged", where=found.name,
                                 expected=f"its inputs {listed(model.signature.names or (), 12)}",
                                 hint=f"is it called '{near}' there?" if near else "give the table that has it: offline, joined by id")
        table = table.append_column(name, apart.column(name, plain(apart.table, name).type))
    if absent:
        notes.append(f"not logged, so taken from {apart.name if apart else ''}: {named(absent, 12)}")
    return table


class _Replayed:
    """A log beside what the model answers now."""

    def __init__(self, model: Model, found: Source, table: pa.Table, tolerance: float | None, most: float, slices: tuple[str, ...],
                 sources: Mapping[str, Sequence[str]]):
        self.model, self.schema, self.table, self.most = model, found.schema, table, most
        self.sources, self.notes = dict(sources), list[str]()
        inputs = set(model.signature.names or ()) or set(found.schema.features)
        self.features = [name for name in table.column_names if name in inputs]
        self.slices = [name for name in dict.fromkeys((*slices, *found.schema.protected)) if name in table.column_names]
        signature = model.signature
        kept = Logged.of(found.schema, task=signature.task, classes=signature.classes, where=found.name)
        self.by_label = signature.classes is not None and (not found.schema.score or signature.scores is None)
        self.then, self.now = self._numbers(answered(kept, table)), self._numbers(answered(model, table))
        away = np.abs(self.now - self.then)
        self.away: Array = away if away.ndim == 1 else away.max(axis=1)
        self.tolerance = self._tolerance(tolerance)
        self.differs: Array = self.away > self.tolerance
        entity = found.schema.entity
        self.cluster = np.unique(hashes(plain(table, entity)), return_inverse=True)[1].reshape(-1) if entity else None

    def _numbers(self, answer: Answer) -> Array:
        """Return one number a row, one a class or label where there are more than two: what is compared."""
        if answer.value is not None:
            return np.asarray(answer.value, np.float64)
        if self.by_label or answer.score is None:
            assert answer.prediction is not None
            return np.asarray(answer.prediction, np.float64)
        return np.asarray(answer.score[:, 1] if answer.task == "binary" else answer.score, np.float64)

    def _tolerance(self, given: float | None) -> float:
        if given is not None:
            return given
        if self.by_label:
            return 0.5
        probable = self.model.signature.classes is not None and self.model.signature.scores == "probability"
        scale = 1.0 if probable else max(float(np.std(self.then)), 1e-12)
        digits = next((each for each in range(_ROUNDED + 1) if np.allclose(self.then, np.round(self.then, each), rtol=0, atol=1e-12)), None)
        if digits is None or (digits == 0 and probable):
            return TOLERANCE * scale
        if 0.5 * 10.0**-digits > TOLERANCE * scale and len(np.unique(self.then)) > 2:
            self.notes.append(f"the log holds {digits} digits of the scores, so half of the last one is no difference")
            return 0.5 * 10.0**-digits * (1 + 1e-9)
        return TOLERANCE * scale

    def answers(self, table: pa.Table) -> Array:
        return self._numbers(answered(self.model, table))

    def judged(self, apart: Joined | None) -> tuple[list[Verdict], list[Value], list[Figure]]:
        """Return the verdicts, first whether it reproduces what was logged, then what goes with the differences, and the values."""
        n = len(self.differs)
        spread = share(self.differs, self.cluster)
        whole = Value.of("skew", spread, n=n, better="lower", model=called(self.model), against="logged")
        values = [whole, *self._more()]
        outcome = outcome_of(spread, self.most, n)
        words = (f"{percent(spread.estimate)} of {n:,} logged rows [{percent(whole.low)}, {percent(whole.high)}] get another "
                 f"{'class' if self.by_label else 'score'} now")
        if not self.differs.any():
            same = f"The champion reproduces its logged {'classes' if self.by_label else 'scores'}: none of {n:,} rows differs"
            same += f"; at most {percent(whole.high)} of all do." if whole.high is not None else "."
            verdicts = [Verdict(f"skew <= {self.most:g}", outcome, same, value=whole, threshold=self.most, aspect="skew")]
        else:
            reasons, hint = self._reasons()
            size = "" if self.by_label else f", by {short(float(self.away[self.differs].mean()))} on average"
            sentence = f"The champion does not reproduce its logged scores: {words}{size}."
            verdicts = [Verdict(f"skew <= {self.most:g}", outcome if outcome != "pass" else "warn", " ".join([sentence, *reasons[:1]]),
                                value=whole, threshold=self.most, aspect="skew", hint=hint)]
            verdicts += [Verdict("skew goes with", "warn", each, value=whole, aspect="skew") for each in reasons[1:]]
            values += self._sliced()
        figures = self._figures()
        if apart is not None:
            self.notes += apart.notes
            told, more, figure = self._apart(apart)
            verdicts, values, figures = [*verdicts, *told], [*values, *more], [*figures, *figure]
        return verdicts, [each.silenced() for each in values], figures

    def _more(self) -> list[Value]:
        n, name = len(self.differs), called(self.model)
        if self.by_label or self.now.ndim > 1:
            return []
        signed = self.now - self.then
        deviation, df = error((signed - signed.mean()) / n, self.cluster)
        return [Value.of("score difference", Spread("normal", float(signed.mean()), n=float(n), error=deviation, df=df), n=n, model=name,
                         against="logged", better="nearer 0"),
                Value.of("largest score difference", Spread("exact", float(np.abs(signed).max())), n=n, model=name, against="logged",
                         better="lower")]

    def _sliced(self) -> list[Value]:
        found = []
        for name in self.slices:
            column = plain(self.table, name)
            codes = column.dictionary_encode()
            places = codes.indices.fill_null(-1).to_numpy(zero_copy_only=False)
            if len(codes.dictionary) > _SLICES:
                continue
            for at, each in enumerate(codes.dictionary.to_pylist()):
                mask = places == at
                if mask.sum():
                    spread = share(self.differs[mask], None if self.cluster is None else self.cluster[mask])
                    found.append(Value.of("skew", spread, n=int(mask.sum()), slice={name: each}, better="lower", model=called(self.model),
                                          against="logged"))
        return found

    def _reasons(self) -> tuple[list[str], str]:
        """Return what goes with the differences, in sentences, the most telling first, and what to do."""
        differs, reasons = self.differs, list[str]()
        hint = "Ask for the model version, the code of the features and the join of that day: one of them was another."
        held = self._whole()
        if held:
            return [held[0]], held[1]
        places = np.flatnonzero(differs)
        kept = self.table.take(pa.array(places)).select(self.table.column_names)
        groups = {**self.sources, **self._together()}
        if self.now.ndim == 1 and not self.by_label:
            tried = substitutes(self.answers, kept, self.then[places], columns=self.features, whole=self.table, groups=groups,
                                tolerance=self.tolerance, previous=self._previous(places))
            if tried:
                what = "; then ".join(each.words for each in tried)
                columns = list(dict.fromkeys(name for each in tried for name in each.columns))
                reasons.append(f"With {what}, the champion gives the logged score again in {percent(tried[-1].share)} of "
                               f"{tried[-1].rows:,} rows that differ: that is what it saw when it scored.")
                hint = f"Find out what served {named(columns)} then; train on values as they are served, or mend the serving."
        look = list(dict.fromkeys([*self.features, *self.slices]))
        for each in conditions(self.table, self.schema, differs, look):
            if min(int((each.mask & differs).sum()), int(each.mask.sum())) < FEWEST_SHOWN:
                continue
            reasons.append(f"In {percent(each.inside)} of the rows that differ, and {percent(each.outside)} of the others, {each.words}.")
            if "known only after" in each.words and not any("With" in one for one in reasons[:1]):
                hint = f"Join {each.column} as it was known at the time of the row: what was written later cannot have been seen."
        if not reasons:
            reasons.append("No feature, value or hour goes with the differences.")
            hint = "Is it the same version of the model, in the same library? Compare the digest of the file with that in production."
        return reasons, hint

    def _whole(self) -> tuple[str, str] | None:
        """Return what holds for the log as a whole: scores of other rows, of the other class, or on another scale."""
        if self.now.ndim > 1 or self.by_label or self.differs.mean() < 0.5 or len(self.now) < FEW:
            return None
        now, then = self.now, self.then
        ordered = np.abs(np.sort(now) - np.sort(then))
        if (ordered <= self.tolerance).mean() > 0.99:
            return ("The same scores stand there in another order: rows and scores were joined wrongly.",
                    "Join scores to features by id, not by the place of the row.")
        if (np.abs(1 - now - then) <= self.tolerance).mean() > 0.99:
            return ("What was logged is one less the score: the score of the other class.",
                    "Log the score of the positive class, or name the classes in the order of the scores.")
        spread = (np.argsort(np.argsort(now)), np.argsort(np.argsort(then)))
        if np.std(now) > 0 and np.std(then) > 0 and float(np.corrcoef(*spread)[0, 1]) > 0.9999:
            return ("The rows stand in the same order by both scores: a calibration or a scale lies between.",
                    "Log the score before and after it, or load the model with it.")
        return None

    def _together(self) -> dict[str, list[str]]:
        """Return features that become known together, which are missing together."""
        found: dict[str, list[str]] = {}
        for name, when in self.schema.available_at.items():
            found.setdefault(f"what is known at {when}", []).append(name)
        return {name: some for name, some in found.items() if len(some) > 1}

    def _previous(self, places: Array) -> dict[str, pa.Array]:
        """Return, for rows by place, each feature as it was in the row before of the same entity, where rows have a time and an entity."""
        schema = self.schema
        if not schema.timestamp or not schema.entity or not {schema.timestamp, schema.entity} <= set(self.table.column_names):
            return {}
        moment, who = numbers(plain(self.table, schema.timestamp)), hashes(plain(self.table, schema.entity))
        order = np.lexsort((moment, who))
        before = np.full(len(order), -1)
        same = who[order][1:] == who[order][:-1]
        before[order[1:][same]] = order[:-1][same]
        index = pa.array(np.where(before[places] < 0, 0, before[places]), mask=before[places] < 0)
        return {name: plain(self.table, name).take(index) for name in self.features}

    def _figures(self) -> list[Figure]:
        """Return the share of rows that differ over time, where a window of it has rows enough."""
        name = self.schema.timestamp
        if not name or name not in self.table.column_names or not self.differs.any():
            return []
        moment = numbers(plain(self.table, name))
        known = np.isfinite(moment)
        if not known.any():
            return []
        span = float(np.ptp(moment[known]))
        length = next((each for each in (3600, 21_600, 86_400, 604_800) if span / each <= 60), None)
        if length is None or span < length:
            return []
        window = np.floor(moment[known] / length).astype(np.int64)
        rows, hits = (np.bincount(window - window.min(), weights=each) for each in (np.ones(len(window)), self.differs[known]))
        kept = np.flatnonzero(rows >= FEWEST_SHOWN)
        ends = [Spread("binomial", float(hits[at] / rows[at]), n=float(rows[at])).interval() for at in kept]
        if len(kept) < 2:
            return []
        starts = [str(np.datetime64(int((at + window.min()) * length), "s"))[:16].replace("T", " ") for at in kept.tolist()]
        return [Figure("skew over time", "interval", "Share of rows that get another score now", {
            "from": tuple(starts), "share": tuple((hits[kept] / rows[kept]).tolist()), "low": tuple(each[0] for each in ends),
            "high": tuple(each[1] for each in ends), "rows": tuple(int(each) for each in rows[kept])},
            x="from", y=("share",), low=("low",), high=("high",), aspect="skew", sentence="times are UTC")]

    # the second table of features ------------------------------------------------------------------------------------------

    def _apart(self, apart: Joined) -> tuple[list[Verdict], list[Value], list[Figure]]:
        """Return which features differ between the log and the offline table, and how much of the change in score each explains."""
        there = apart.at >= 0
        shared = [name for name in self.features if name in apart.table.column_names and name in self.schema.names]
        if not shared:
            return [], [], []
        rows = pa.array(np.flatnonzero(there))
        online = self.table.take(rows)
        offline = online
        values, moved = [], dict[str, tuple[Array, str]]()
        cluster = None if self.cluster is None else self.cluster[there]
        for name in shared:
            kind = online.schema.field(name).type
            other = apart.column(name, kind.value_type if pa.types.is_dictionary(kind) else kind).take(rows)
            mask, words = _unequal(plain(online, name), other)
            values.append(Value.of("skew", share(mask, cluster), n=len(mask), column=name, better="lower", against=apart.name))
            if mask.any():
                moved[name] = mask, words
            offline = offline.set_column(offline.schema.get_field_index(name), offline.schema.field(name), other.cast(kind))
        if not moved:
            words = f"All {len(shared)} features of the log are those of {apart.name}, in {len(rows):,} rows."
            return [Verdict("skew of * <= 0.01", "pass", words, aspect="skew")], values, []
        explained = self._explained(online, offline, moved)
        order = sorted(moved, key=lambda name: (-explained.get(name, 0.0), -moved[name][0].mean()))
        told = []
        for name in order[:8]:
            mask, words = moved[name]
            value = next(each for each in values if each.column == name)
            part = explained.get(name)
            effect = f"Alone it explains {percent(part)} of the change in score." if part and part >= 0.005 else "The score hardly minds."
            outcome = outcome_of(value.spread, self.most, len(mask)) if part is None or part >= 0.1 else "warn"
            told.append(Verdict(f"skew of {name} <= {self.most:g}", "warn" if outcome == "pass" else outcome,
                                f"{name} differs between the log and {apart.name} in {percent(value.value)} [{percent(value.low)}, "
                                f"{percent(value.high)}] of the rows{words}. {effect}", value=value, threshold=self.most, aspect="skew",
                                hint=f"Which of the two was {name} at the time of the row? Train on that one."))
        if len(order) > 8:
            told.append(Verdict("skew of *", "warn", f"{len(order) - 8} more features differ: {named(order[8:], 12)}.", aspect="skew"))
        figure = Figure("what explains the change", "bars", "Share of the change in score that each feature explains", {
            "feature": tuple(order[:12]), "share": tuple(float(explained.get(name, 0.0)) for name in order[:12])},
            x="feature", y=("share",), aspect="skew")
        return told, values, [figure] if explained else []

    def _explained(self, online: pa.Table, offline: pa.Table, moved: Mapping[str, tuple[Array, str]]) -> dict[str, float]:
        """Return which share of the mean change in score goes where one feature alone is that of the offline table."""
        touched = np.flatnonzero(np.logical_or.reduce([mask for mask, _ in moved.values()]))
        some = pa.array(touched[np.linspace(0, len(touched) - 1, min(len(touched), 2_000)).astype(np.int64)])
        online, offline = online.take(some), offline.take(some)
        start, end = self.answers(online), self.answers(offline)
        whole = float(np.abs(end - start).mean())
        if whole <= 1e-12:
            return {}
        found = {}
        for name in moved:
            place = online.schema.get_field_index(name)
            given = self.answers(online.set_column(place, online.schema.field(name), offline.column(name)))
            found[name] = max(1 - float(np.abs(end - given).mean()) / whole, 0.0)
        return found


def _unequal(mine: pa.Array, other: pa.Array) -> tuple[Array, str]:
    """Return where two columns differ (missing is a value), and by how much, as a clause."""
    gone = [np.asarray(each.is_null().to_numpy(zero_copy_only=False), bool) for each in (mine, other)]
    if pa.types.is_integer(mine.type) or pa.types.is_floating(mine.type) or pa.types.is_decimal(mine.type):
        x, y = numbers(mine), numbers(other)
        missing = np.isnan(x) | np.isnan(y)
        with np.errstate(invalid="ignore"):
            off = np.abs(x - y) > 1e-6 * np.maximum(np.maximum(np.abs(x), np.abs(y)), 1e-6)
        mask = np.where(missing, np.isnan(x) != np.isnan(y), off)
        both = mask & ~missing
        words = f", by {short(float(np.abs(x - y)[both].mean()))} on average" if both.any() else ""
    else:
        mask = np.where(gone[0] | gone[1], gone[0] != gone[1], hashes(mine) != hashes(other))
        words = ""
    lone = (("in the log", gone[0] & ~gone[1]), ("offline", gone[1] & ~gone[0]))
    return np.asarray(mask, bool), words + "".join(f", missing only {place} in {int(each.sum()):,}" for place, each in lone if each.any())


def compare(log: Any, other: Any, *, config: Any = None, most: float = MOST, tolerance: float | None = None, threshold: float | None = None,
            task: str | None = None, classes: Sequence[Any] | None = None, types: Mapping[str, str] | None = None, where: str | None = None,
            **roles: Any) -> Run:
    """Return how two score logs of the same rows differ, joined by id: how many rows, how far, which way, and what goes with it.

    ``roles`` name the columns of both (``id``, and ``score`` or ``prediction``); ids that come twice, or in one log only, are told.
    Warns where more than ``most`` of the rows differ by more than ``tolerance``; two models may differ, so it never fails.
    """
    began = time.perf_counter()
    given = stated(config, log, other, roles, {"threshold": threshold, "task": task, "classes": classes, "types": types or None,
                                               "where": where})
    with metered() as meter:
        pair = Pair.of(log, other, roles, given["task"], given["classes"], given["types"], given["where"])
        mine = pair.at[0]
        if not len(mine):
            raise EmptyDataError("no id is in both logs", where=pair.sources[1].name, expected="logs of the same rows",
                                 hint="two models that served different rows are read with --canary")
        first, second = (scores(answer)[at] for answer, at in zip(pair.answers, pair.at, strict=True))
        scale = 1.0 if pair.answers[0].classes is not None else max(float(np.std(first)), 1e-12)
        bound = tolerance if tolerance is not None else TOLERANCE * scale
        away = np.abs(second - first)
        differs = (away if away.ndim == 1 else away.max(axis=1)) > bound
        table, schema = pair.tables[0].take(pa.array(mine)), pair.sources[0].schema
        entity = plain(table, schema.entity) if schema.entity in table.column_names and schema.entity else None
        cluster = None if entity is None else np.unique(hashes(entity), return_inverse=True)[1].reshape(-1)
        n = len(mine)
        whole = Value.of("score change", share(differs, cluster), n=n, better="lower", against=pair.sources[1].name)
        values, words = [whole], ""
        if first.ndim == 1:
            signed = second - first
            deviation, df = error((signed - signed.mean()) / n, cluster)
            values.append(Value.of("score difference", Spread("normal", float(signed.mean()), n=float(n), error=deviation, df=df), n=n,
                                   against=pair.sources[1].name, better="nearer 0"))
            words = f", on average by {signed.mean():+.3g} [{values[1].low:+.3g}, {values[1].high:+.3g}]"
        choice = [decisions(answer, given["threshold"])[at] for answer, at in zip(pair.answers, pair.at, strict=True)
                  if answer.classes is not None and (answer.prediction is None or answer.prediction.ndim == 1)]
        if len(choice) == 2:
            flips = choice[0] != choice[1]
            values.append(Value.of("flips", share(flips, cluster), n=n, better="lower", against=pair.sources[1].name))
            ups = int((choice[1] > choice[0]).sum())
            flipped = int(flips.sum())
            words += f"; {flipped:,} decisions flip ({percent(flipped / n)}), {ups:,} of them up and {flipped - ups:,} down"
        sentence = (f"Both logs have the same scores in all {n:,} rows that they share." if not differs.any() else
                    f"{percent(whole.value)} [{percent(whole.low)}, {percent(whole.high)}] of {n:,} rows that both logs have get another "
                    f"score{words}.")
        verdicts = [Verdict(f"score change <= {most:g}", "pass" if outcome_of(whole.spread, most, n) == "pass" else "warn", sentence,
                            value=whole, threshold=most, aspect="logs")]
        look = [name for name in table.column_names if name in schema.features]
        verdicts += [Verdict("score change goes with", "warn", f"In {percent(each.inside)} of the rows that differ, and "
                             f"{percent(each.outside)} of the others, {each.words}.", aspect="logs")
                     for each in conditions(table, schema, differs, look) if int((each.mask & differs).sum()) >= FEWEST_SHOWN]
    about: dict[str, Scalar] = {"log": pair.sources[0].name, "against": pair.sources[1].name, "rows": n, "tolerance": bound}
    return Run("gate", tuple(values), tuple(verdicts), notes=tuple(pair.notes), about=about,
               cost=Cost(round(time.perf_counter() - began, 3), meter.rows, 0))


