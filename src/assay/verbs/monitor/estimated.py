"""Performance of windows whose labels are not there yet, window by window: estimated, scored when labels come, and told when it falls.

``Estimation.of(job, ...)`` is there where labels are late and the task allows it; ``step`` takes ``Guesses`` from window to window, ``why``
says what an estimate rests on. It learns on the reference once. ``stream`` uses it; ``realised`` shows what came of it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from assay.check.expression import Check
from assay.data.source import Source, source
from assay.errors import AssayError, ConfigError, EmptyDataError, UnknownNameError, listed
from assay.estimate.doubly_robust import Estimator
from assay.estimate.doubly_robust import Window as Weighed
from assay.estimate.performance import CLASSIFIED, VALUED, classified, known, loss, valued
from assay.estimate.ratio import Ratio
from assay.estimate.rows import Encoding, Rows
from assay.metric import find
from assay.model.model import Model
from assay.monitor.guess import KEPT, Guard, Guess, Guesses, Past, fallen, issued, matured, needed
from assay.monitor.harm import Harm, Promise
from assay.monitor.incident import Alert, Case, Window
from assay.monitor.setting import Settings
from assay.store._canonical import times as instants
from assay.summary.target import Target
from assay.verbs.config import Config
from assay.verbs.explain.explanation import drawn, number
from assay.verbs.ground import grown, numbered, unlike
from assay.verbs.monitor.kept import Kept, mark, once
from assay.verbs.monitor.overlap import Edges, Recent, clustered, refusal
from assay.verbs.subject import opened

__all__ = ["SHARE", "Answered", "Estimation"]

SHARE = 0.1          # of the budget, where estimates are made: half for estimates that fall, half for labels that disagree
MODEL = "model"      # the source of alerts about what the model answers
MOST = 20_000        # rows of the reference that are learned on, and of a window that are estimated
METRICS = 4
_FEWEST = 30         # rows of a window, and labels, from which on something is said
_FULL = 0.95         # of the rows, from which on labels count as complete

#: rows of a window with the columns that hold what the model answered, and the task and classes of these; None without answers
Answered = Callable[[pa.Table], tuple[pa.Table, Mapping[str, Any], str | None, Sequence[Any] | None] | None]


@dataclass(frozen=True, eq=False)
class _Learned:
    """What the reference says: how columns become numbers, the estimator, and the metrics there.

    ``edges`` is how far it reaches, where rows of one window are alike by nature; else None.
    """

    estimator: Estimator
    encoding: Encoding
    edges: Edges | None
    types: Mapping[str, pa.DataType]
    target: Target
    task: str
    classes: tuple[Any, ...] | None
    metrics: tuple[str, ...]
    values: Mapping[str, float]


class Estimation:
    """What stays the same from window to window; a reference that cannot be learned on is said once (``notes``) and ends it."""

    def __init__(self, config: Config, settings: Settings, model: Model | None, promises: Sequence[Check], answered: Answered,
                 allowed: float):
        self.config, self.settings, self.model, self.promises, self._answered = config, settings, model, promises, answered
        self.cost = 1 / (allowed * SHARE / 2)
        self.kept: Kept | None = None
        self.notes: list[str] = []
        self.over = False
        self._last: tuple[int, Weighed | list[str]] | None = None
        time = config.columns.get("timestamp")
        self._recent = Recent(self._rows, settings.window, time if isinstance(time, str) else None)

    @classmethod
    def of(cls, config: Config, settings: Settings, model: Model | None, promises: Sequence[Check], answered: Answered,
           allowed: float) -> Estimation | None:
        """Return it where it is wanted: asked for, or labels can be late and there is a reference to learn on; else None."""
        wanted, label = settings.estimate.on, config.columns.get("label")
        able = config.reference is not None and isinstance(label, str)
        if wanted and not able:
            raise ConfigError("performance without labels needs labelled rows that the model was not trained on", where=str(config.path),
                              expected="reference: FILE and columns: {label: COLUMN}", hint="or monitor: {estimate: false}")
        for name in settings.estimate.metrics:   # before any window asks for it
            if name not in (*CLASSIFIED, *VALUED):
                raise UnknownNameError.among("metric to estimate", name, (*CLASSIFIED, *VALUED), where=f"{config.path}, monitor: estimate")
        if wanted is False or not able or config.task in ("ranking", "multilabel"):
            return None
        return cls(config, settings, model, promises, answered, allowed)

    def step(self, state: Guesses, window: Window, rows: pa.Table, labelled: Sequence[tuple[Window, pa.Table]],
             cases: Sequence[Case], *, seen: int, behind: Any = None) -> tuple[Guesses, list[Alert]]:
        """Return the guesses after a window, and what is to be told: of its own estimates, and of labels of earlier ones.

        ``labelled`` are windows whose labels are due now, ``seen`` how many were judged before, ``behind`` gives the rows of earlier ones.
        """
        alerts: list[Alert] = []
        for past, late in labelled:
            if past.number != window.number:
                state = self._scored(state, past, late, alerts)
        if self._wanted(window, rows):
            state = self._asked(state, window, rows, alerts, seen, behind)
        for past, late in labelled:
            if past.number == window.number:
                state = self._scored(state, past, late, alerts)
        spoke = {each.kind for each in alerts}
        lasting = {each.incident.kind for each in cases if each.open and MODEL in each.sources}
        for kind, standing, words in (("estimate", state.lows, "estimates are not yet back above their bounds"),
                                      ("concept", state.offs, "labels still disagree with what is estimated")):
            if standing and kind not in spoke and kind in lasting:
                alerts.append(Alert(kind, MODEL, words, group=f"standing {kind}"))  # type: ignore[arg-type]
        return state, alerts

    def _wanted(self, window: Window, rows: pa.Table) -> bool:
        """Whether a window is to be estimated: its labels are late or not there, and it lies after what the model was made and held to."""
        if self.over or not rows.num_rows:
            return False
        label = self.config.columns["label"]
        late = self.settings.estimate.on or self.settings.label_delay is not None
        if not (late or label not in rows.column_names or rows[label].null_count == rows.num_rows or self._held(window)):
            return False
        return bool(self.settings.estimate.on) or self.reach is None or _micros(window.start) > self.reach

    def _held(self, window: Window) -> bool:
        return self.kept is not None and self.kept.get(self._key, _micros(window.start)) is not None

    def _asked(self, state: Guesses, window: Window, rows: pa.Table, alerts: list[Alert], seen: int, behind: Any) -> Guesses:
        """Estimate a window, and add an alert where the evidence that estimates fall pays for one."""
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1):   # fits of a tenth of a second: two threads took 2.5 times the CPU time, and half as long again
            found = self._guesses(window, rows, behind)
        if found is None:
            return state
        raw = {str(name): _guess(each) for name, each in found["guesses"].items()}
        refusal = found["refusal"]
        past = Past(window.number, window.start, int(found["rows"]), issued(state, raw), None if refusal is None else str(refusal))
        state = state.with_past(past, most=self._most)
        if seen < self.settings.learning:
            return state
        state, evidence, _ = fallen(state, past, self.guards, self.cost)
        if evidence.page:
            self._told(alerts, "estimate", evidence, window, [*self.why(window.number), self.settling(past)],
                       "estimates see only what the rows show: label some rows to be sure")
        return state

    def _scored(self, state: Guesses, past: Window, late: pa.Table, alerts: list[Alert]) -> Guesses:
        """Score what was estimated of a window by its labels, and add an alert where the evidence that they disagree pays for one."""
        guesses = next((each for each in reversed(state.past) if each.number == past.number), None)
        if guesses is None or not guesses.guesses:
            return state
        shown = self._shown(guesses, late)
        if not shown:
            return state
        betters = {name: str(find(name).better) for name in shown}
        state, evidence, _ = matured(state, past.number, shown, betters, self.cost)
        if evidence.page:
            words = ("what labels follow, given a row, has changed (concept shift), or they follow something that is in no column; "
                     "estimates without labels cannot see it, and are too good until the reference is new")
            self._told(alerts, "concept", evidence, past, [words], "take newly labelled rows as the reference, and consider to train anew")
        return state

    def _told(self, alerts: list[Alert], kind: Any, evidence: Harm, window: Window, more: Sequence[str], hint: str) -> None:
        worst: Sequence[Promise] = evidence.broken[:2]
        words = "; ".join([each.sentence for each in worst] or ["estimates are not what they were"])
        alerts.append(Alert(kind, MODEL, f"{words} ({window.start[:10]}); {'; '.join(each for each in more if each)}", page=True,
                            evidence=evidence.evidence, hint=hint))

    # what a window says

    def _guesses(self, window: Window, rows: pa.Table, behind: Any) -> dict[str, Any] | None:
        """Return what is estimated of a window, as plain data; from the store where the same rows were there before."""
        span, print_ = _micros(window.start), self._print(rows)
        held = self.kept.get(self._key, span) if self.kept is not None else None
        known_: dict[str, Any] = json.loads(held) if held is not None else {}
        if known_.get("print") == print_:
            self._last = window.number, [str(each) for each in known_["why"]]
            return known_
        if self._learned is None:
            return None
        try:
            some = self._rows(rows)
            found = self._estimate(some, self._weighed(window, some, behind))
        except (AssayError, pa.ArrowException) as error:
            found = {"rows": rows.num_rows, "guesses": {}, "refusal": f"its rows cannot be read as those of the reference ({_line(error)})"}
        weighed = found.pop("window", None)
        self._last = window.number, weighed if weighed is not None else []
        if self.kept is not None:
            self.kept.put({(self._key, span): json.dumps({**found, "print": print_, "why": self.why(window.number)}).encode()})
            self.kept.drop(self._key, before=span - self._most * self.length)
        return found

    def _weighed(self, window: Window, rows: Rows | None, behind: Any) -> Ratio | None:
        """Return the weights of the reference for a window and those before it, where rows of one are alike by nature.

        A day has one weather, so a reference that is weighed for it alone hardly counts, and what the day is like by chance is no shift.
        """
        learned = self._learned
        if learned is None or learned.edges is None or rows is None or not len(rows):
            return None
        return self._recent.ratio(window, rows, behind, lambda some: learned.estimator.window(some).ratio)

    def _estimate(self, rows: Rows | None, ratio: Ratio | None = None) -> dict[str, Any]:
        """Return what is estimated of rows; the reference is weighed for them, unless weights are given."""
        learned = self._learned
        assert learned is not None
        if rows is None or len(rows) < _FEWEST:
            return {"rows": 0 if rows is None else len(rows), "guesses": {}, "refusal": f"fewer than {_FEWEST} rows have answers"}
        weighed = learned.estimator.window(rows) if ratio is None else Weighed(learned.estimator, rows, ratio)
        made = {name: weighed.estimate(name, positive=learned.target.positive) for name in learned.metrics}
        guesses = {name: [_short(each.value), _short(each.noise), _short(each.error)] for name, each in made.items()
                   if math.isfinite(each.value) and math.isfinite(each.total)}
        return {"rows": len(rows), "guesses": guesses, "refusal": refusal(weighed, learned.edges), "window": weighed}

    def _shown(self, guesses: Past, late: pa.Table) -> dict[str, Guess]:
        """Return what the labels of a window show beside what was estimated of the rows that have them."""
        label = self.config.columns["label"]
        learned = self._learned if label in late.column_names and late[label].null_count < late.num_rows else None
        if learned is None:
            return {}
        try:
            rows = self._rows(late, labelled=True)
        except (AssayError, pa.ArrowException):
            return {}   # promises that the same labels cannot be read for say why
        if rows is None or len(rows) < _FEWEST:
            return {}
        some = dict(guesses.guesses)
        if len(rows) < _FULL * guesses.rows:   # what is expected of these rows alone
            found = self._estimate(rows)
            some = {name: _guess(each) for name, each in found["guesses"].items()}
        shown = {}
        for name, each in some.items():
            value = _realised(name, rows, learned.target.positive)
            if math.isfinite(value):
                shown[name] = Guess(each.value, each.noise, each.error, each.low, each.high, value, len(rows))
        return shown

    def _rows(self, table: pa.Table, *, labelled: bool = False) -> Rows | None:
        """Return the rows of a window as numbers, with the answers that stand beside them; None without answers."""
        learned, found = self._learned, self._answered(table)
        if learned is None or found is None:
            return None
        rows, roles = found[0], dict(found[1])
        if rows.num_rows > MOST:
            rows = rows.take(pa.array(np.sort(np.random.default_rng(0).choice(rows.num_rows, MOST, replace=False))))
        for name in learned.encoding.names:
            if name not in rows.column_names:
                rows = rows.append_column(name, pa.nulls(rows.num_rows, learned.types[name]))
        subject, _ = opened(None, rows, train=None, reference=None, champion=None, positive=self.config.positive,
                            threshold=self.config.threshold, task=learned.task, classes=learned.classes, features=None, trust=False,
                            where=None, sql=None, types=None, roles=roles)
        assert subject.target is not None
        return numbered(subject.models["model"], subject.target, subject.data.schema, _whole(subject.data), learned.encoding,
                        where=subject.data.name, labelled=labelled)

    def why(self, number_: int) -> list[str]:
        """Return what the estimate of a window rests on, in words: which labelled rows it is like, and which it is like none of."""
        if self._last is None or self._last[0] != number_:
            return []
        said = self._last[1]
        if isinstance(said, list):
            return said
        learned = self._learned
        assert learned is not None
        if refusal(said, learned.edges) is not None:
            return unlike(said, learned.encoding) if learned.edges is None else learned.edges.words(said.current)
        return [grown(said, learned.encoding)]

    def settling(self, past: Past) -> str:
        """Return how many labels would settle whether the first bound is kept, in words."""
        for guard in self.guards:
            guess = past.guesses.get(guard.metric)
            if guess is not None:
                usual = abs(guard.gap(self.values[guard.metric])) or 0.05 * abs(guard.bound)
                gap = abs(guard.gap(guess.value)) if past.refusal is None else usual
                count = needed(guess, past.rows, gap)
                many = f"all {past.rows:,}" if count >= past.rows else f"about {count:,}"
                return f"{many} labels of its {past.rows:,} rows would settle whether {guard.metric} is at {guard.words}"
        return ""

    # what the reference says

    @cached_property
    def guards(self) -> list[Guard]:
        """The bounds of estimates: promises on all rows, and the reference less what may be lost."""
        found = []
        for each in self.promises:
            if each.metric in self.values and not (each.options or each.columns or each.by or each.compare or each.where or each.relative):
                found += [Guard(each.metric, bound.number, better, f"{number(bound.number)} ({each})")
                          for bound, better in ((each.at_least, "higher"), (each.at_most, "lower")) if bound is not None]
        drop = self.settings.estimate.drop
        for name in dict.fromkeys([each.metric for each in found] or list(self.values)[:1]):
            better, value = str(find(name).better), self.values[name]
            bound = value * (1 - drop if better == "higher" else 1 + drop)
            side = "under" if better == "higher" else "over"
            found.append(Guard(name, bound, better, f"{number(bound)} ({100 * drop:g} % {side} the {number(value)} of the reference)"))
        return found

    @cached_property
    def values(self) -> dict[str, float]:
        """The metrics of the reference that are estimated; empty where it cannot be learned on."""
        def made() -> dict[str, float]:
            return {} if self._learned is None else dict(self._learned.values)

        return {str(name): float(each) for name, each in once(f"{self._key} values", self.kept, made).items()
                if math.isfinite(each)}

    @cached_property
    def reach(self) -> int | None:
        """Up to when the reference and the training data reach, in microseconds since 1970; None where they hold no time."""
        name, last = self.config.columns.get("timestamp"), []
        for place in (self.config.reference, self.config.train):
            if place is None or not isinstance(name, str):
                continue
            found = source(self.config.location(place), types=self.config.types)
            if name in found.schema.names:
                for batch in found.batches([name]):
                    column = pa.chunked_array([batch.column(0)])
                    times = instants(column, self.settings.window.zone, where=f"the column '{name}' of {found.name}").drop_null()
                    last += [int(np.max(times.to_numpy()))] if len(times) else []
        return max(last, default=None)

    @cached_property
    def _learned(self) -> _Learned | None:
        config = self.config
        try:
            return _learned(_Same(self))
        except AssayError as error:
            if self.settings.estimate.on or self.settings.estimate.metrics:
                error.where = error.where or str(config.path)
                raise
            self.over = True
            self.notes.append(f"performance without labels is not estimated: {_line(error)}")
            return None

    @cached_property
    def _key(self) -> str:
        config, chosen = self.config, self.settings.estimate
        named = [self.model.digest if self.model is not None else "logged", mark(config.location(config.reference)), str(config.positive),
                 str(config.threshold), str(dict(config.columns)), str(chosen.metrics), str([str(each) for each in self._asked_for])]
        return f"estimate {hashlib.sha256(json.dumps(named).encode()).hexdigest()[:16]}"

    @property
    def _asked_for(self) -> list[str]:
        """The metrics that promises and checks speak of, promises first."""
        every = [*self.promises, *(each for each in self.config.checks if isinstance(each, Check))]
        return list(dict.fromkeys(each.metric for each in every if not each.options and not each.columns and not each.compare))

    @property
    def _most(self) -> int:
        """How many windows are remembered: 400, or as many as labels take to come and 60."""
        delay = self.settings.label_delay
        return KEPT if delay is None else min(2_000, max(KEPT, math.ceil(delay.total_seconds() * 1e6 / self.length) + 60))

    @property
    def length(self) -> int:
        """The length of a window in microseconds, a day where windows are no stretches of time."""
        window = self.settings.window
        return (window.time if window.kind == "time" else dt.timedelta(days=1)) // dt.timedelta(microseconds=1)

    def _print(self, rows: pa.Table) -> str:
        """Return what tells the rows of a window, without labels and times, from others."""
        apart = {each for role in ("label", "timestamp", "id", "entity") if isinstance(each := self.config.columns.get(role), str)}
        some = rows.select([name for name in rows.column_names if name not in apart]).combine_chunks()
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, some.schema) as out:
            out.write_table(some)
        return hashlib.blake2b(sink.getvalue(), digest_size=12).hexdigest()


class _Same:
    """An estimation as what its reference is learned by: those of one model and one file are learned once in a process."""

    def __init__(self, made: Estimation):
        self.made = made
        self._key = (made._key, mark(made.config.location(made.config.reference)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


@lru_cache(maxsize=2)
def _learned(same: _Same) -> _Learned:
    """Learn on a sample of the reference."""
    made = same.made
    config = made.config
    place = config.location(config.reference)
    names = set(source(place, types=config.types).schema.names)
    roles = {role: each for role, each in config.columns.items()
             if all(name in names for name in ([each] if isinstance(each, str) else each or ()))}
    if "label" not in roles:
        raise ConfigError(f"the reference has no column '{config.columns['label']}'", where=str(place), expected="its labels")
    subject, _ = opened(made.model, place, train=None, reference=None, champion=None, positive=config.positive, threshold=config.threshold,
                        trust=False, where=None, sql=None, types=config.types, roles=roles, **_said(made.model, config))
    model, target = subject.models.get("model"), subject.target
    if model is None or target is None:
        raise ConfigError("the reference has no answers, and there is no model to ask", where=str(place),
                          expected="a model, or the columns of predictions and scores")
    if model.signature.task not in ("binary", "multiclass", "regression"):
        raise ConfigError(f"what a {model.signature.task} model does without labels is not estimated",
                          expected="a binary, multiclass or regression model")
    schema = subject.data.schema
    table = drawn(subject.data, MOST, 0)
    table = table.filter(table[str(schema.label)].is_valid())
    apart = {schema.label, schema.prediction, *schema.score, schema.id, schema.entity, schema.weight, schema.timestamp}
    inputs = [*(model.signature.names or ()), *schema.features, *schema.protected]
    encoding = Encoding.of(table, [name for name in dict.fromkeys(inputs) if name not in apart and name in table.column_names])
    if not encoding.names:
        raise ConfigError("the reference has no column that can be compared", where=str(place), expected="numbers or categories")
    rows = numbered(model, target, schema, table, encoding, where=subject.data.name, labelled=True)
    if not len(rows):
        raise EmptyDataError("no row of the reference has a label", where=str(place))
    estimator = Estimator.of(rows)
    metrics = _chosen(estimator, made, target)
    values = {name: _realised(name, rows, target.positive) for name in metrics}
    types = {name: table.schema.field(name).type for name in encoding.names}
    moments = None
    if schema.timestamp is not None:
        found = instants(table[schema.timestamp], made.settings.window.zone, where=f"the column '{schema.timestamp}'")
        moments = np.asarray(found.to_numpy()) if not found.null_count else None
    edges = Edges.of(rows, encoding) if clustered(rows, moments, made.length) else None
    return _Learned(estimator, encoding, edges, types, target, model.signature.task, model.signature.classes, metrics, values)


def _said(model: Any, config: Config) -> dict[str, Any]:
    """Return what a configuration says of a model, where it is not loaded with that already."""
    named = ("task", "classes", "features")
    return dict.fromkeys(named) if model is not None else {each: getattr(config, each) for each in named}


def _chosen(estimator: Estimator, made: Estimation, target: Target) -> tuple[str, ...]:
    """Return the metrics that are estimated: those that were named, those of promises and checks, else the most usual one."""
    able = [name for name in estimator.metrics if target.probabilities or name not in ("brier", "log_loss")]
    named = made.settings.estimate.metrics
    for name in named:
        if name not in able:
            raise ConfigError(f"{name} cannot be estimated of this model", where="monitor: estimate", expected=f"one of {listed(able, 12)}")
    usual = [name for name in ("auc", "accuracy", "mae") if name in able][:1]
    return tuple(named or [name for name in made._asked_for if name in able][:METRICS] or usual)


def _realised(metric: str, rows: Rows, positive: int | None) -> float:
    """Return a metric as labels show it."""
    if metric in VALUED:
        return valued(metric, loss("mae" if metric == "mae" else "mse", rows))[0]
    return classified(metric, rows, known(rows), positive=positive).value


def _guess(parts: Sequence[float]) -> Guess:
    value, noise, error = parts
    return Guess(float(value), float(noise), float(error))


def _whole(found: Source) -> pa.Table:
    batches = list(found.batches())
    return pa.Table.from_batches(batches) if batches else found.schema.arrow.empty_table()


def _micros(text: str) -> int:
    return (dt.datetime.fromisoformat(text) - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]


def _short(value: float) -> float:
    return float(f"{value:.6g}")
