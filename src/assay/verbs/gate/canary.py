"""Read a canary, or a shadow: is a candidate worse than the champion on matured rows, by intervals that hold at any time.

``canary(log, other)`` is the whole interface and returns a ``Run``. The doors in ``assay.app`` and users import it.
"""

from __future__ import annotations

import datetime as dt
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from assay.data.meter import metered
from assay.engine import label as labels
from assay.errors import ConfigError, listed
from assay.monitor.setting import duration
from assay.result import FEWEST_SHOWN, Cost, Figure, Outcome, Run, Scalar, Spread, Value, Verdict
from assay.screen.power import error
from assay.verbs.gate import sequence
from assay.verbs.gate.log import FEW, Pair, configured, decisions, stated
from assay.verbs.gate.skew import numbers, plain

__all__ = ["canary"]

Array = np.ndarray[Any, Any]
Decision = Literal["stop", "go on", "safe"]

_SPLIT = 0.05          # share of ids in both logs, below which two models served different rows
_SLICES = 200
_SHOWN = 4


def canary(log: Any, other: Any, *, config: Any = None, margin: float | None = None, loss: str | None = None, alpha: float = 0.05,
           rows: int | None = None, maturity: str | dt.timedelta | None = None, now: str | dt.datetime | None = None,
           threshold: float | None = None, task: str | None = None, classes: Sequence[Any] | None = None, slices: Sequence[str] = (),
           types: Mapping[str, str] | None = None, where: str | None = None, **roles: Any) -> Run:
    """Return whether a candidate may go on: "stop" (shown worse), "safe" (shown worse by less than ``margin``) or "go on".

    ``log`` is the champion's and ``other`` the candidate's, with labels in one of them. Where both have the same ids (a shadow), losses
    are compared row by row; where they share hardly any (a canary on its own part of the traffic), mean against mean. ``loss`` is
    ``error`` (wrong decisions), ``brier`` or ``absolute``; ``margin`` is in its unit (0.01; of ``absolute`` 1 % of the champion's).
    Intervals hold at any time, so it may be asked after every row: a harmless candidate is ever stopped with a probability of
    ``alpha`` at most, a harmful one ever called safe with ``alpha`` at most. ``rows`` are those that are planned, at which intervals are
    narrowest.

    Only rows older than ``maturity`` count (``label_delay`` of the monitor, where a configuration is given), all at the same age, since
    labels that come fast are not those that come late. ``now`` is the end of the later log where it is not given.

    >>> import pyarrow as pa
    >>> y = [0, 1] * 2000
    >>> old = pa.table({"id": range(4000), "late": y, "score": [0.2, 0.8] * 2000})
    >>> new = pa.table({"id": range(4000), "score": [0.2, 0.8, 0.2, 0.8, 0.7, 0.8, 0.2, 0.8] * 500})
    >>> run = canary(old, new, id="id", label="late", score="score", task="binary")
    >>> run.verdict, run.about["decision"]
    ('fail', 'stop')
    """
    began = time.perf_counter()
    found = configured(config)
    given = stated(config, log, other, roles, {"threshold": threshold, "task": task, "classes": classes, "types": types or None,
                                               "where": where})
    if found is not None and found.monitor is not None and maturity is None:
        maturity = found.monitor.label_delay
    slices = slices or (found.slices if found is not None else ())
    if not 0 < alpha < 0.5:
        raise ConfigError(f"'alpha' is {alpha:g}", expected="a probability between 0 and 0.5")
    with metered() as meter:
        pair = Pair.of(log, other, roles, given["task"], given["classes"], given["types"], given["where"])
        trial = _Trial(pair, loss, given["threshold"], maturity, now)
        read_ = trial.paired(margin, alpha, rows, slices) if trial.shadow else trial.split(margin, alpha, rows)
    about: dict[str, Scalar] = {
        "champion": pair.sources[0].name, "candidate": pair.sources[1].name, "decision": read_.decision, "rows": read_.rows,
        "design": "shadow, row by row" if trial.shadow else "canary, part against part"}
    return Run("gate", tuple(read_.values), tuple(read_.verdicts), notes=(*pair.notes, *trial.notes), figures=tuple(read_.figures),
               about=about, cost=Cost(round(time.perf_counter() - began, 3), meter.rows, 0))


@dataclass(frozen=True)
class _Reading:
    decision: Decision
    rows: int
    verdicts: list[Verdict]
    values: list[Value]
    figures: list[Figure]


class _Trial:
    """Two logs with labels, and the matured rows of them in the order of time."""

    def __init__(self, pair: Pair, loss: str | None, threshold: float | None, maturity: str | dt.timedelta | None,
                 now: str | dt.datetime | None):
        self.pair, self.notes, self.threshold = pair, list[str](), threshold
        answer = pair.answers[0]
        usual = "absolute" if answer.classes is None else "error"
        self.loss = loss or usual
        known = ("error", "brier") if answer.classes is not None else ("absolute",)
        if self.loss not in known or (self.loss == "brier" and answer.score is None):
            raise ConfigError(f"there is no loss '{self.loss}' of these answers", expected=f"one of {listed(known)}")
        self.bounded = self.loss != "absolute"
        self.shadow = len(pair.at[0]) >= _SPLIT * min(each.num_rows for each in pair.tables)
        tables = pair.tables
        self.labelled = next((at for at in (0, 1) if any(pair.sources[at].schema.labels)), None)
        if self.labelled is None or (not self.shadow and not all(each.schema.labels for each in pair.sources)):
            raise ConfigError("there are no labels", where=pair.sources[1].name,
                              expected="a column of labels in one log" if self.shadow else "a column of labels in both logs",
                              hint="--label COLUMN, or columns: {label: COLUMN}")
        times = [each.schema.timestamp for each in pair.sources]
        self.moments = [numbers(plain(table, name)) if name else None for name, table in zip(times, tables, strict=True)]
        self.before = self._before(maturity, now)

    def _before(self, maturity: str | dt.timedelta | None, now: str | dt.datetime | None) -> float:
        """Return the time before which rows are matured, infinite where none is asked for."""
        if maturity is None:
            self.notes.append("no age was named at which labels are complete (maturity), so every labelled row counts: where some labels "
                              "come sooner than others, the difference is that of the fast ones")
            return math.inf
        age = (duration(maturity) if isinstance(maturity, str) else maturity).total_seconds()
        if any(each is None for each in self.moments[: 1 if self.shadow else 2]):
            raise ConfigError("an age needs the time of each row", where=self.pair.sources[0].name, expected="a column of times",
                              hint="--timestamp COLUMN, or columns: {timestamp: COLUMN}")
        if now is not None:
            moment = dt.datetime.fromisoformat(now) if isinstance(now, str) else now
            end = (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()
        else:
            known = [each for each in self.moments if each is not None and np.isfinite(each).any()]
            latest = max((float(np.nanmax(each)) for each in known), default=math.inf)
            end = min(latest, time.time())   # one row of the year 2099 makes the others no older
        return end - age

    def losses(self, which: int, rows: Array, label: pa.Array) -> Array:
        """Return the loss of one model on rows of its log, NaN without a label."""
        answer, place = self.pair.answers[which], self.pair.sources[which].name
        name = (self.pair.sources[self.labelled or 0].schema.labels)[0]
        if answer.value is not None:
            return np.asarray(np.abs(answer.value[rows] - labels.numbers(label, name=name, where=place)), np.float64)
        truth = labels.codes(label, answer.classes or (), name=name, where=place)
        if self.loss == "brier":
            assert answer.score is not None
            hit = np.zeros((len(rows), answer.score.shape[1]))
            hit[np.arange(len(rows)), np.maximum(truth, 0)] = 1
            lost = ((answer.score[rows] - hit) ** 2).sum(axis=1) / 2
        else:
            lost = (decisions(answer, self.threshold)[rows] != truth).astype(np.float64)
        return np.where(truth == labels.MISSING, np.nan, lost)

    def _matured(self, which: int, rows: Array) -> Array:
        moment = self.moments[which]
        if moment is None or math.isinf(self.before):
            return np.ones(len(rows), bool)
        with np.errstate(invalid="ignore"):
            return np.asarray(moment[rows] <= self.before, bool)   # a row without a time is of no age

    def paired(self, margin: float | None, alpha: float, planned: int | None, slices: Sequence[str]) -> _Reading:
        """Read a shadow: both models on the same rows."""
        which = self.labelled or 0
        rows = self.pair.at
        label = plain(self.pair.tables[which], self.pair.sources[which].schema.labels[0]).take(pa.array(rows[which]))
        old, new = (self.losses(at, rows[at], label) for at in (0, 1))
        at = 0 if self.moments[0] is not None else 1
        ripe = self._matured(at, rows[at])
        kept = ripe & np.isfinite(old) & np.isfinite(new)
        self._told(ripe, old + new)
        moment = self.moments[at]
        order = np.flatnonzero(kept)
        if moment is not None:
            order = order[np.argsort(moment[rows[at]][order], kind="stable")]
        difference, base = (new - old)[order], old[order]
        if not len(difference):
            return self._nothing()
        bound = self._margin(margin, base)
        whole, decision, when = self._sequence(difference, bound, alpha, planned)
        values = [self._value(whole, alpha, f"{self.loss} difference"),
                  Value.of(self.loss, _mean(base), n=len(base), better="lower", model="champion"),
                  Value.of(self.loss, _mean(new[order]), n=len(base), better="lower", model="candidate")]
        moment = None if moment is None else moment[rows[at]][order]
        verdicts = [self._judged(whole, decision, bound, alpha, when, moment)]
        harmed, more = self._harmed(order, difference, slices, alpha)
        verdicts += harmed
        if harmed:
            decision = "stop"
        figures = self._figure(difference, bound, alpha, planned)
        return _Reading(decision, whole.n, verdicts, [*values, *more], figures)

    def _sequence(self, difference: Array, margin: float, alpha: float,
                  planned: int | None) -> tuple[sequence.Sequence, Decision, int | None]:
        """Return the mean with its interval, the decision, and after how many rows it fell: what was decided once is decided."""
        if not self.bounded:
            found = sequence.asymptotic(difference, alpha=alpha, target=planned)
            return found, self._decision(found, margin), None
        found = sequence.betting(difference, alpha=alpha, target=planned)
        if (harm := sequence.crossed(difference, 0.0, alpha=alpha, target=planned)) is not None:
            return found, "stop", harm
        safe = sequence.crossed(-difference, -margin, alpha=alpha, target=planned)
        return found, "go on" if safe is None else "safe", safe

    def _decision(self, found: sequence.Sequence, margin: float) -> Decision:
        return "stop" if found.low > 0 else "safe" if found.high < margin else "go on"

    def _margin(self, given: float | None, base: Array) -> float:
        if given is not None:
            if not given > 0 or (self.bounded and given >= 1):
                raise ConfigError(f"'margin' is {given:g}", expected="by how much more loss is tolerable, above 0")
            return given
        return 0.01 if self.bounded else 0.01 * float(base.mean())

    def _told(self, ripe: Array, sums: Array) -> None:
        if (~ripe).any():
            self.notes.append(f"{int((~ripe).sum()):,} of {len(ripe):,} rows are not old enough for their labels to be complete, "
                              "and do not count")
        missing = int((ripe & ~np.isfinite(sums)).sum())
        if missing:
            self.notes.append(f"{missing:,} of {int(ripe.sum()):,} matured rows have no label and do not count")

    def _nothing(self) -> _Reading:
        verdict = Verdict("canary", "inconclusive", "No matured row has a label yet: go on.", aspect="canary",
                          hint="Ask again when labels have come.")
        return _Reading("go on", 0, [verdict], [], [])

    def _value(self, found: sequence.Sequence, alpha: float, name: str, **rest: Any) -> Value:
        low, high = (each if math.isfinite(each) else None for each in (found.low, found.high))
        return Value(name, found.mean, low, high, found.n, better="lower", model="candidate", against="champion", level=1 - 2 * alpha,
                     method="anytime", **rest)

    @property
    def _unit(self) -> str:
        return {"error": "wrong decisions", "brier": "Brier loss", "absolute": "mean error"}[self.loss]

    def _shown(self, number: float) -> str:
        return f"{100 * number:+.2f} %" if self.loss == "error" else f"{number:+.3g}"

    def _judged(self, found: sequence.Sequence, decision: Decision, margin: float, alpha: float, when: int | None,
                moment: Array | None) -> Verdict:
        """Return what an interval says, in words."""
        numbers_ = f"{self._shown(found.mean)} [{self._shown(found.low)}, {self._shown(found.high)}] of {self._unit} on {found.n:,} rows"
        said, more = "", None
        if when is not None:
            said = f" That was sure after {when:,} rows" + (f", on {_moment(moment[when - 1])}." if moment is not None else ".")
        if decision == "stop":
            words, outcome = f"Stop: the candidate is worse, by {numbers_}.{said}", "fail"
            hint = "Take the candidate back, and look where it errs."
        elif decision == "safe":
            words, outcome = f"Safe: the candidate is not worse by {self._shown(margin)[1:]} or more: {numbers_}.{said}", "pass"
            hint = "It may take all traffic." if found.high < 0 else "It may go on; whether it is better is another question."
        else:
            more = _more(found, margin)
            words, outcome = f"Go on: {numbers_} neither shows harm nor excludes {self._shown(margin)[1:]}.", "inconclusive"
            hint = ("At this difference no number of rows will tell: choose another margin." if not more else
                    f"About {more:,} more matured rows would tell, were the difference what it is.")
        verdict: Outcome = outcome  # type: ignore[assignment]
        return Verdict(f"canary: {self.loss} <= champion + {margin:.4g}", verdict, words, threshold=margin, aspect="canary", hint=hint,
                       value=self._value(found, alpha, f"{self.loss} difference"), rows_needed=more)

    def _harmed(self, order: Array, difference: Array, slices: Sequence[str], alpha: float) -> tuple[list[Verdict], list[Value]]:
        """Return the slices in which the candidate is shown worse, a false share of them of ``alpha`` at most (e-BH), and their values."""
        if not self.bounded:
            return [], []
        first = self.pair.tables[0]
        groups: list[tuple[dict[str, Any], Array]] = []
        for name in slices:
            if name not in first.column_names:
                self.notes.append(f"no slices by {name[:60]}: the champion's log has no such column, and others are not cut here")
                continue
            encoded = plain(first, name).take(pa.array(self.pair.at[0][order])).dictionary_encode()
            codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
            if len(encoded.dictionary) > _SLICES:
                self.notes.append(f"no slices by {name[:60]}: it has more than {_SLICES} values")
                continue
            groups += [({name: each}, codes == at) for at, each in enumerate(encoded.dictionary.to_pylist())]
        evidence = [sequence.wealth(difference[mask], 0.0, alpha=alpha) for _, mask in groups]
        worse = sequence.rejected(evidence, level=alpha) if groups else []
        values, verdicts = [], []
        for (key, mask), bad in zip(groups, worse, strict=True):
            found = sequence.betting(difference[mask], alpha=alpha)
            value = self._value(found, alpha, f"{self.loss} difference", slice=key).silenced()
            values.append(value)
            if bad and found.n >= FEWEST_SHOWN:
                place = ", ".join(f"{name} {each}" for name, each in key.items())
                verdicts.append(Verdict(
                    f"canary: {self.loss} by {next(iter(key))} <= champion", "fail",
                    f"Stop: for {place} the candidate is worse, by {self._shown(found.mean)} of {self._unit} on {found.n:,} rows.",
                    slice=key, value=value, threshold=0.0, aspect="canary",
                    hint=f"Leave {place} to the champion, or take the candidate back."))
        verdicts.sort(key=lambda each: -(each.value.value or 0.0) if each.value else 0.0)
        if len(verdicts) > _SHOWN:
            rest = ", ".join(f"{name} {each}" for one in verdicts[_SHOWN:] for name, each in one.slice.items())
            verdicts[_SHOWN:] = [Verdict("canary: in slices", "fail", f"The same holds for {len(verdicts) - _SHOWN} more: {rest[:300]}.",
                                         aspect="canary")]
        return verdicts, values

    def split(self, margin: float | None, alpha: float, planned: int | None) -> _Reading:
        """Read a canary: each model on its own part of the traffic, whose rows must have been drawn by chance."""
        self.notes.append("the logs share hardly any id, so means of different rows are compared: who got which model must be chance")
        found, base = [], np.empty(0)
        for which in (0, 1):
            rows = np.arange(self.pair.tables[which].num_rows)
            label = plain(self.pair.tables[which], self.pair.sources[which].schema.labels[0])
            lost = self.losses(which, rows, label)
            ripe = self._matured(which, rows)
            self._told(ripe, lost)
            order = np.flatnonzero(ripe & np.isfinite(lost))
            moment = self.moments[which]
            order = order if moment is None else order[np.argsort(moment[order], kind="stable")]
            if not len(order):
                return self._nothing()
            base = lost[order] if which == 0 else base
            # each end of the difference uses one end of each: half the error for each
            found.append((sequence.betting if self.bounded else sequence.asymptotic)(lost[order], alpha=alpha / 2, target=planned))
        bound = self._margin(margin, base)
        difference = sequence.Sequence(found[0].n + found[1].n, found[1].mean - found[0].mean, found[1].low - found[0].high,
                                       found[1].high - found[0].low)
        decision = self._decision(difference, bound)
        verdict = self._judged(difference, decision, bound, alpha, None, None)
        values = [self._value(difference, alpha, f"{self.loss} difference"),
                  *(self._value(each, alpha / 2, self.loss).replace(model=name, against=None)
                    for each, name in zip(found, ("champion", "candidate"), strict=True))]
        return _Reading(decision, difference.n, [verdict], values, [])

    def _figure(self, difference: Array, margin: float, alpha: float, planned: int | None) -> list[Figure]:
        """Return how the interval narrowed."""
        n = len(difference)
        if n < 2 * FEW:
            return []
        ends = np.unique(np.geomspace(FEW, n, 14).astype(np.int64)).tolist()
        points = [(end, self._sequence(difference[:end], margin, alpha, planned)[0]) for end in ends]
        points = [(end, each) for end, each in points if math.isfinite(each.low) and math.isfinite(each.high)]
        if len(points) < 2:
            return []
        return [Figure("canary", "line", f"Candidate less champion: {self.loss}, with an interval for any time", {
            "rows so far": tuple(end for end, _ in points), "difference": tuple(each.mean for _, each in points),
            "low": tuple(each.low for _, each in points), "high": tuple(each.high for _, each in points),
            "rows": tuple(end for end, _ in points)},
            x="rows so far", y=("difference",), low=("low",), high=("high",), aspect="canary", sentence=f"the margin is {margin:.4g}")]


def _mean(values: Array) -> Spread:
    deviation, df = error((values - values.mean()) / len(values), None)
    return Spread("normal", float(values.mean()), n=float(len(values)), error=deviation, df=df)


def _more(found: sequence.Sequence, margin: float) -> int | None:
    """Return about how many more rows would decide, were the mean and spread what they are: widths fall with the root of the rows."""
    if not math.isfinite(found.high - found.low):
        return 100
    gap = max(found.mean, margin - found.mean)
    half = (found.high - found.low) / 2
    if gap <= 0 or found.n < 2:
        return None
    more = math.ceil(found.n * ((half / gap) ** 2 - 1))
    return max(more, 1) if more < 1e9 else None


def _moment(seconds: float) -> str:
    return dt.datetime.fromtimestamp(float(seconds), dt.UTC).strftime("%Y-%m-%d %H:%M UTC") if math.isfinite(seconds) else "an unknown day"
