"""Gate a release: ``assay.gate(candidate, data, champion=...)``, the same as ``assay gate`` on the command line.

Both models answer the same rows in one pass; every difference has a paired interval; ``assay.check.gate`` decides. What the decision
leans on besides is gathered here: levels, what service costs, the rules around the model, leakage, and what past releases did.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from assay.check.expression import Check, parse
from assay.check.gate.decision import Goal, Guard, decision
from assay.check.gate.lineage import Release, lineage
from assay.check.gate.rollback import ranking
from assay.check.gate.rollback import rollback as ranked
from assay.check.gate.serving import budget, override
from assay.check.gate.setting import Override, Settings, settings
from assay.check.gate.trade import trade
from assay.check.gate.words import figure, place
from assay.check.suite import Item, items, opinions
from assay.check.suite import checks as read_checks
from assay.check.suite.default import cut
from assay.check.suite.listed import divided
from assay.check.verdict import broken, judge, outcomes
from assay.data.meter import metered
from assay.data.predicate import parse as parse_predicate
from assay.engine import Plan
from assay.engine import run as engine
from assay.errors import AssayError, ConfigError, listed, nearest
from assay.metric import find
from assay.metric.churn import churns, flipped_to
from assay.metric.classification import selection_rate
from assay.metric.metric import Form, Metric
from assay.result import Cost, Figure, Run, Value, Verdict
from assay.store import Store
from assay.summary.confusion import Cells
from assay.verbs.behaviour.behaviour import verdicts_of
from assay.verbs.explain.cause import blocked, influences
from assay.verbs.gate import serving
from assay.verbs.measure import measure
from assay.verbs.question import Answered, Question
from assay.verbs.subject import Subject, bound, checked, configuration, fits, merged, opened
from assay.verbs.suite import Suite, about

__all__ = ["gate"]

TOLERANCE = 0.01  # of a metric between 0 and 1, on all rows
TOLERANCE_SLICE = 0.02
SHARE = 0.02  # of the champion's number, of a metric without such a scale
SHARE_SLICE = 0.05
MOST_DRAWN = 40  # slices of one picture
MOST_CLASSES = 10  # of which it is told how many rows flip to them

#: the metric of a release, and beside it what else must hold on all rows
_MAIN = {"binary": ("auc", "brier"), "multiclass": ("accuracy", "log_loss"), "multilabel": ("accuracy",),
         "regression": ("mae",), "ranking": ("ndcg",)}
_SLICED = {"binary": ("accuracy", "brier"), "multiclass": ("accuracy", "log_loss"), "multilabel": ("accuracy",), "regression": ("mae",),
           "ranking": ("ndcg",)}
_SCORED = ("auc", "calibration_error", "brier", "log_loss", "average_precision")
_PROBABLE = ("calibration_error", "brier", "log_loss")


def gate(candidate: Any = None, data: Any = None, *, champion: Any = None, rules: Mapping[str, Any] | Settings | None = None,
         train: Any = None, reference: Any = None, slices: Sequence[str] = (), checks: Sequence[str | Check | Mapping[str, Any]] = (),
         positive: Any = None, threshold: float | None = None, task: str | None = None, classes: Sequence[Any] | None = None,
         features: Sequence[str] | None = None, trust: bool = False, strict: bool = False, where: str | None = None,
         sql: str | None = None, types: Mapping[str, str] | None = None, store: Any = None, rollback: Sequence[Any] = (),
         behaviour: Any = (), justified: Mapping[str, str] | None = None, now: dt.datetime | None = None,
         progress: Callable[[str, int], None] | None = None, **roles: Any) -> Run:
    """Return the run that says whether ``candidate`` may replace ``champion``, judged on the same labelled rows of ``data``.

    ``rules`` are what stands under ``gate:`` in ``assay.yaml``: goals, guardrails, tolerances, costs, levels, budgets, overrides. Without
    any, the main metric of the task must not be worse, on all rows and in each slice. All other arguments are those of ``assay.check``;
    ``checks`` are judged of the candidate. ``assay.gate("assay.yaml", ...)`` reads everything from a file; arguments win over it.

    ``store`` (a path, a URL or a ``Store``) remembers what each release changed, so that harm which adds up over releases is seen.
    A slice that blocks says which inputs make the candidate worse there; ``justified`` maps inputs that tell a forbidden column to why they
    may count. ``behaviour`` is a file or folder of behaviour tests (``*.assay.yaml``), or several: their verdicts on the candidate count
    too.
    ``rollback`` names earlier models: then no candidate is judged, but which of them does better on ``data`` than the champion. ``now`` is
    the moment from which staleness and the age of rules are counted.

    The verdict is pass (release), fail (block) or inconclusive, which says how many more rows would settle it.

    Raises ``AssayError`` for what cannot be read or is misspelt; what goes wrong with one comparison is its verdict.

    >>> import numpy as np, pyarrow as pa
    >>> x = np.random.default_rng(0).random(4000)
    >>> data = pa.table({"x": x, "late": (np.random.default_rng(1).random(4000) < x).astype(int), "port": ["A", "B"] * 2000})
    >>> old = lambda batch: batch.column("x").to_numpy()
    >>> new = lambda batch: np.where(batch.column("port").to_numpy(False) == "B", 1 - batch.column("x").to_numpy(), batch.column("x"))
    >>> run = gate(new, data, champion=old, label="late", task="binary", classes=[0, 1], slices=["port"])
    >>> run.verdict, {str(each.slice["port"]) for each in run.verdicts if each.slice and each.verdict == "fail"}
    ('fail', {'B'})
    """
    checked("gate", roles, gate.__kwdefaults__ or ())
    began = time.perf_counter()
    config = configuration(candidate)
    if config is not None:
        given = {"data": data, "checks": checks, "train": train, "reference": reference, "champion": champion, "slices": slices,
                 "positive": positive, "threshold": threshold, "task": task, "classes": classes, "features": features,
                 "where": where, "sql": sql, "types": types}
        found = merged(config, given, roles)
        own = config.gate if rules is None else rules
        if isinstance(own, Settings):
            own = dataclasses.replace(own, store=config.location(own.store) if own.store else None,
                                      behaviour=tuple(str(config.location(each)) for each in own.behaviour))
        return gate(found.pop("model"), found.pop("data"), rules=own, trust=trust, strict=strict, store=store, rollback=rollback,
                    behaviour=behaviour, justified={**config.justified, **(justified or {})}, now=now, progress=progress, **found)
    if data is None:
        raise ConfigError("there are no data to judge a release on", hint="pass data, or a configuration such as assay.yaml")
    if rollback:
        candidate = champion if champion is not None else candidate  # what runs now
    if candidate is None or (champion is None and not rollback):
        missing = "candidate" if candidate is None and not rollback else "champion"
        raise ConfigError(f"there is no {missing}", expected="two models: the candidate, and the champion that it may replace",
                          hint=f"pass --{missing} MODEL, or {'model' if candidate is None else 'champion'}: FILE in assay.yaml")
    chosen = rules if isinstance(rules, Settings) else settings(rules or {}, where=lambda *keys: ".".join(("rules", *keys)))
    listed_checks = read_checks(divided(checks)[1])
    with metered() as meter:
        subject, notes = opened(
            candidate, data, train=train, reference=reference, champion=None if rollback else champion, positive=positive,
            threshold=threshold, task=task, classes=classes, features=features, trust=trust, where=where, sql=sql, types=types, roles=roles)
        release = _Release(subject, chosen, tuple([slices] if isinstance(slices, str) else slices), listed_checks, progress)
        if rollback:
            options = {"trust": trust, "task": task, "classes": classes, "features": features}
            verdicts, values = release.rolled_back([(each, _loaded(each, subject, options, notes)) for each in rollback])
        else:
            kept = store if store is not None else chosen.store
            past = release.past(kept)   # before anything is scored: a store that cannot be read is told at once
            tried = release.tried(behaviour or chosen.behaviour)
            verdicts, values = release.judged()
            verdicts += tried
            verdicts += release.serving(candidate, now or dt.datetime.now(dt.UTC))
            verdicts += lineage(release.held, past, data=release.rows_judged, alpha=chosen.alpha)
            release.told()
            verdicts, values = release.explained(verdicts, values, justified)
    verdicts = [dataclasses.replace(each, value=each.value.silenced()) if each.value else each for each in verdicts]
    cost = Cost(round(time.perf_counter() - began, 3), meter.rows, meter.model_rows)
    run = Run("gate", tuple(each.silenced() for each in values), tuple(verdicts), cost=cost,
              notes=tuple(dict.fromkeys([*release.notes, *notes])), strict=strict, figures=tuple(release.figures()))
    if rollback:
        return dataclasses.replace(run, about={"current": release.about().pop("candidate"), **_without(release.about(), "candidate")})
    decided = {"pass": "release", "warn": "release", "fail": "block", "error": "block"}.get(run.verdict, "inconclusive")
    run = dataclasses.replace(run, about={"decision": decided, **release.about()})
    try:
        release.keep(kept, run)
    except AssayError as error:   # what was judged is not lost because the store is locked or away
        lost = Verdict("store", "warn", f"this release is not remembered: {' '.join(str(error).split())}", aspect="accumulated harm",
                       hint="Gate it again, or harm that adds up over releases is counted without it.")
        run = dataclasses.replace(run, verdicts=(*run.verdicts, lost))
    return run


@dataclasses.dataclass
class _Asked:
    """One comparison: the question, the check as a user could write it, how much worse is tolerated, and whether a user named it."""

    question: Question
    title: str
    tolerance: Callable[[float], float]
    named: bool = False


class _Release:
    """One candidate, one champion, one set of rules."""

    def __init__(self, subject: Subject, rules: Settings, slices: tuple[str, ...], checks: Sequence[Check],
                 progress: Callable[[str, int], None] | None):
        self.subject, self.rules, self.checks, self.progress = subject, rules, checks, progress
        self.notes: list[str] = []
        assert subject.target is not None
        self.target = subject.target
        self.suite = Suite(subject, subject.study(progress), slices)
        self.slices = self._slices(slices)
        self.rows: int | None = subject.data.rows
        self.aims: list[Goal] = []
        self.held: list[Guard] = []
        self.churn: dict[str, float | None] = {}
        self.ruled: list[tuple[Override, int, float | None]] = []
        self.extra: list[Value] = []
        self.causes: tuple[Figure, ...] = ()

    # what to ask ----------------------------------------------------------------------------------------------------------

    def _slices(self, given: tuple[str, ...]) -> tuple[str, ...]:
        """Return what rows are cut by: what was named, protected columns; where nothing was, features of few values."""
        scene = self.suite.scene
        protected = tuple(cut(name, scene.measured) for name in scene.protected if name not in scene.ungrouped)
        chosen = tuple(dict.fromkeys((*self.rules.slices, *given, *protected)))
        return chosen or scene.slices

    def metric(self, name: str) -> Any:
        """Return a metric by name; ``cost`` is made of the costs of the rules."""
        if name != "cost":
            return find(name)
        if not self.rules.costs:
            raise ConfigError("what a mistake costs is not said", expected="gate: {costs: {true class: {predicted class: cost}}}")
        return _cost(self.rules.costs, self.target.classes)

    def guards(self) -> list[_Asked]:
        """Return the comparisons that guard the release: those that the rules name, or the usual ones."""
        self._tolerated()
        if self.rules.guardrails:
            return [self._named(each) for each in self.rules.guardrails]
        main, sliced = ((self._possible(names[self.target.task])) for names in (_MAIN, _SLICED))
        if not self.subject.data.schema.labels or not main:
            return []
        if self.rules.costs:
            main, sliced = ("cost", *main), ("cost", *sliced)
        return [*(self._usual(name, None) for name in main), *(self._usual(name, by) for by in self.slices for name in sliced)]

    def _tolerated(self) -> None:
        """Raise where a tolerance is of no metric; note where one is of a metric that is not guarded, and so does nothing."""
        usual = {*_MAIN[self.target.task], *_SLICED[self.target.task], *(("cost",) if self.rules.costs else ())}
        for name in filter(None, self.rules.tolerance):
            self.metric(name)
            if not self.rules.guardrails and name not in usual:
                self.notes.append(f"the tolerance of {name} does nothing: the usual guardrails are {listed(sorted(usual))}; name others "
                                  "under guardrails")
        if self.rules.guardrails and self.rules.tolerance:
            self.notes.append("tolerance does nothing beside guardrails: each of them says its own")

    def _possible(self, names: Sequence[str]) -> tuple[str, ...]:
        signature = next(iter(self.subject.models.values())).signature
        scored = signature.classes is None or all(each.signature.scores is not None for each in self.subject.models.values())
        found = tuple(each for each in names if (scored or each not in _SCORED) and (self.target.probabilities or each not in _PROBABLE))
        return found or (("accuracy",) if self.target.task in ("binary", "multiclass") else ())

    def _usual(self, name: str, by: str | None) -> _Asked:
        metric, low_high = self.metric(name), (TOLERANCE_SLICE, SHARE_SLICE) if by else (TOLERANCE, SHARE)
        given = self.rules.tolerance.get(name, self.rules.tolerance.get(""))
        bounded = metric.limits == (0.0, 1.0) and name != "brier"
        higher = metric.better == "higher"
        cut_ = f" by {by}" if by else ""
        if given is not None or bounded or higher:
            fixed = given if given is not None else low_high[0]
            bound = f">= champion - {fixed:g}" if higher else f"<= champion + {fixed:g}"
            return _Asked(Question(metric, by=by, against="champion"), f"{name}{cut_} {bound}", lambda _: fixed)
        share = low_high[1]
        return _Asked(Question(metric, by=by, against="champion"), f"{name}{cut_} <= champion * {1 + share:g}",
                      lambda base: share * abs(base))

    def _named(self, check: Check) -> _Asked:
        metric = self.metric(check.metric)
        better = getattr(metric, "better", None)
        if better not in ("higher", "lower") or check.columns or check.compare:
            raise ConfigError(f"'{check}' guards nothing", expected="a metric of which more is better or less is, such as recall or mae")
        if (better == "higher") != (check.at_least is not None):
            raise ConfigError(f"'{check}' asks for the wrong side: of {check.metric} {better} is better",
                              expected=f"'{check.subject} {'>= champion - ' if better == 'higher' else '<= champion + '}0.01'")
        bound = check.bound
        sign = 1.0 if better == "lower" else -1.0
        question = Question(metric, dict(check.options), by=check.by, where=check.where, against="champion")
        return _Asked(question, str(check), lambda base: sign * ((bound.factor - 1) * base + bound.number), named=True)

    def goals(self) -> list[tuple[Question, float]]:
        """Return the goals with the gain that each asks for."""
        found = []
        for check in self.rules.success:
            asked = self._named(check)
            if check.bound.factor != 1:
                raise ConfigError(f"the goal '{check}' is a factor", expected="a difference, such as auc >= champion + 0.002")
            found.append((asked.question, max(-asked.tolerance(0.0), 0.0)))
        return found

    # what was found -------------------------------------------------------------------------------------------------------

    def judged(self) -> tuple[list[Verdict], list[Value]]:
        """Return the verdicts and the values behind them."""
        goals, guards = self.goals(), self.guards()
        scored = all(each.signature.scores is not None for each in self.subject.models.values())
        turned = churns(self.target, scored=scored)
        asked = [each for each, _ in goals] + [each.question for each in guards] + [Question.of(each) for each in self.checks]
        churned = [Question(each) for each in turned if self._labelled(each)]
        churned += [Question(each, by=by) for by in self.slices for each in turned[:1]]
        if self.target.task in ("binary", "multiclass") and len(self.target.classes) <= MOST_CLASSES:
            churned += [Question(flipped_to, {"positive": each}) for each in self.target.classes]
        if self.rules.costs and self.rules.guardrails:  # reported, though nobody asked for a bound
            churned += [Question(self.metric("cost"), against="champion")]
        levels = [Question.of(each) for each in self.rules.levels]
        rules = [question for each in self.rules.overrides for question in self._rule(each)]
        leaks = self._leaks()
        questions = [*asked, *churned, *levels, *rules, *(Question.of(parse(each.expression)) for each in leaks)]
        answers, profiles = measure(self.subject, questions, progress=self.progress)
        if "data" in profiles:
            self.rows = profiles["data"].rows
        some = iter(answers)
        goal_answers = [next(some) for _ in goals]
        guard_answers = [next(some) for _ in guards]
        check_answers = [next(some) for _ in self.checks]
        churn_answers = [next(some) for _ in churned]
        level_answers = [next(some) for _ in levels]
        rule_answers = [next(some) for _ in rules]
        leak_answers = list(some)

        failed = [dataclasses.replace(broken(_title(question), error), aspect="success")
                  for (question, _), answer in zip(goals, goal_answers, strict=True) for error in answer.failed]
        failed += [dataclasses.replace(broken(each.title, error), aspect="guardrails")
                   for each, answer in zip(guards, guard_answers, strict=True) for error in answer.failed]
        self.aims = aims = [Goal(value, gain) for (_, gain), answer in zip(goals, goal_answers, strict=True) for value in answer.values]
        self.held = held = [guard for each, answer in zip(guards, guard_answers, strict=True) for guard in _held(each, answer)]
        verdicts = decision(aims, held, alpha=self.rules.alpha, power=self.rules.power, smallest=self.rules.smallest)
        for check, answer in zip(self.checks, check_answers, strict=True):
            verdicts += outcomes(check, answer.values, answer.failed)
        for check, answer in zip(self.rules.levels, level_answers, strict=True):
            found = outcomes(check, answer.values, answer.failed)
            verdicts += [dataclasses.replace(each, aspect="service levels") for each in found]
        verdicts += _screened(leaks, leak_answers)
        self.extra = [value for answer in churn_answers for value in answer.values if value.against == "champion"]
        self.churn = {value.metric: value.value for answer in churn_answers for value in answer.values if not value.slice}
        verdicts += self._churned([value for answer in churn_answers for value in answer.values if value.metric == "churn"])
        self._touched(rule_answers)
        if not aims and not held and not failed:
            failed.append(Verdict("gate", "inconclusive", "there is nothing to compare the models by", aspect="guardrails",
                                  hint="name the label: --label COLUMN, or columns: {label: COLUMN}"))
        values = _each([*goal_answers, *guard_answers, *check_answers, *churn_answers])
        return [*failed, *verdicts], values

    def _labelled(self, metric: Metric) -> bool:
        return bool(self.subject.data.schema.labels) or metric.forms[0].needs != "rightness"

    def _churned(self, values: Sequence[Value]) -> list[Verdict]:
        """Return whether more rows get another answer than the rules allow."""
        whole = [each for each in values if not each.slice]
        if self.rules.churn is None or not whole:
            return []
        found = judge(parse(f"churn <= {self.rules.churn:g}"), whole)
        return [dataclasses.replace(each, aspect="churn") for each in found]

    def explained(self, verdicts: list[Verdict], values: list[Value],
                  justified: Mapping[str, str] | None) -> tuple[list[Verdict], list[Value]]:
        """Return the verdicts, those that block with their cause, and what moves answers and is forbidden."""
        why, guarded = blocked(self.subject, verdicts), influences(self.subject, justified)
        self.notes += [*why.notes, *guarded.notes]
        self.causes = why.figures
        return [*why.verdicts, *guarded.verdicts], [*values, *why.values]

    def tried(self, files: Any) -> list[Verdict]:
        """Return the verdicts of behaviour tests on the candidate."""
        if not files:
            return []
        usual = {"positive": self.target.positive, "threshold": self.target.threshold}
        return verdicts_of(files, self.subject.models["model"], data=self.subject.data,
                           usual={key: each for key, each in usual.items() if each is not None})

    # around the model -----------------------------------------------------------------------------------------------------

    def _rule(self, rule: Override) -> list[Question]:
        """Return what to ask of an override: how many rows it takes, and how many of them the candidate answers like it."""
        parse_predicate(rule.where, self.subject.data.schema)  # a misspelt column is told at once
        found = [Question(find("share"), where=rule.where)]
        if rule.answer is not None and self.target.task in ("binary", "multiclass"):
            self.target.place(rule.answer)
            found.append(Question(selection_rate, {"positive": rule.answer}, where=rule.where))
        return found

    def _touched(self, answers: Sequence[Answered]) -> None:
        some = iter(answers)
        for rule in self.rules.overrides:
            first = next(some)
            second = next(some) if len(self._rule(rule)) > 1 else None
            share = next((each for each in first.values if each.value is not None), None)
            alike = next((each.value for each in second.values), None) if second is not None and not second.failed else None
            self.ruled.append((rule, round((share.value or 0.0) * share.n) if share is not None else 0, alike))

    def serving(self, given: Any, now: dt.datetime) -> list[Verdict]:
        """Return the verdicts on what service costs, and on the rules around the model."""
        budgets, found = self.rules.budgets, []
        model = self.subject.models["model"]
        if budgets.latency is not None:
            found.append(budget("latency", serving.latency(model, self.subject.data), budgets.latency, missing="there are no rows"))
        if budgets.size is not None:
            found.append(budget("size", serving.size(given), budgets.size, missing="the candidate is no file"))
        if budgets.staleness is not None:
            found.append(budget("staleness", serving.staleness(self.subject.train, now), budgets.staleness,
                                missing="name the training data and their timestamp: train, and columns: {timestamp: COLUMN}"))
        rows = self.rows or 0
        return [*found, *(override(rule, rows=rows, touched=touched, alike=alike, today=now.date()) for rule, touched, alike in self.ruled)]

    # the past -------------------------------------------------------------------------------------------------------------

    def past(self, store: Any) -> list[Release]:
        """Return the releases that led to today's champion, newest first: each was the candidate that the next one found as champion."""
        if store is None or self.rules.releases == 0:
            return []
        found: list[Release] = []
        wanted = _short(self.subject.models["champion"].digest)
        with _opened(store) as opened:
            for brief in opened.find(verb="gate", most=1000):
                if len(found) >= self.rules.releases:
                    break
                if brief.model != wanted:
                    continue
                run = opened.get(brief.id)
                if run.about.get("champion digest") == wanted:  # compared with itself, or functions that nothing tells apart
                    continue
                found.append(Release(run.values, str(run.about.get("rows judged", ""))))
                wanted = str(run.about.get("champion digest", ""))
        return found

    def keep(self, store: Any, run: Run) -> None:
        """Remember the run under the digest of its candidate."""
        if store is not None:
            told = {**run.about, "rows judged": self.rows_judged}
            with _opened(store) as opened:
                opened.put(dataclasses.replace(run, about=told, figures=()), model=_short(self.subject.models["model"].digest))

    @property
    def rows_judged(self) -> str:
        """What tells the rows of one release from those of another: errors of the same rows add, those of others in quadrature."""
        return f"{self.subject.data.name}:{self.rows}"

    # what to show ---------------------------------------------------------------------------------------------------------

    def told(self) -> None:
        """Note what is gained and what is risked."""
        aims = [*self.aims, *(Goal(each) for each in self.extra)]
        self.notes += trade(aims, self.held, churn=self.churn, rows=self.rows, alpha=self.rules.alpha)
        if self.rules.store is None and not self.aims and not self.held:
            return
        if not self.subject.data.schema.labels:
            self.notes.append("no label was named, so how good the models are was not compared: --label COLUMN")

    def figures(self) -> list[Figure]:
        """Return a forest of differences for each guard that has slices."""
        groups: dict[str, list[Guard]] = {}
        for each in self.held:
            if each.value.slice and each.value.value is not None and not each.value.private:
                groups.setdefault(each.title, []).append(each)
        return [*(_forest(title, some) for title, some in groups.items() if len(some) > 1), *self.causes]

    def rolled_back(self, earlier: Sequence[tuple[Any, Any]]) -> tuple[list[Verdict], list[Value]]:
        """Return which earlier model is better on these rows than the current one, with all differences."""
        models = {**self.subject.models, **{f"earlier{place}": model for place, (_, model) in enumerate(earlier)}}
        names = {f"earlier{place}": _called(given, place) for place, (given, _) in enumerate(earlier)}
        target = dataclasses.replace(self.target, grouped=True)
        metrics = [find(each) for each in self._possible(_MAIN[self.target.task])]
        if not self.subject.data.schema.labels or not metrics:
            raise ConfigError("without a label nothing says which model is better", hint="--label COLUMN, or columns: {label: COLUMN}")
        needs = {(metric.name, name): metric.needs(target, {}, model="" if name == "model" else name)
                 for metric in metrics for name in models}
        told = self.progress
        profile = engine(Plan.of([(need, None) for some in needs.values() for need in some]), self.subject.data, models, target=target,
                         progress=(lambda rows: told("data", rows)) if told else None)
        self.rows = profile.rows
        if "model" in profile.failures:
            raise profile.failures["model"]
        gains: dict[str, Value] = {}
        values: list[Value] = []
        failed: list[Verdict] = []
        for metric in metrics:
            mine = [profile[(), need] for need in needs[metric.name, "model"]]
            values.append(metric.value(mine, target, {}, model="current"))
            for key, name in names.items():
                if key in profile.failures:
                    failed.append(dataclasses.replace(broken(f"rollback to {name}", profile.failures[key]), aspect="rollback"))
                    continue
                theirs = [profile[(), need] for need in needs[metric.name, key]]
                gain = metric.difference(theirs, mine, target, {}, paired=True, against="champion", model=name)
                values += [metric.value(theirs, target, {}, model=name), gain]
                gains.setdefault(name, gain)
        self.notes += [f"{name}: {told}" for name, told in ranking(gains)]
        return [*ranked(gains, alpha=self.rules.alpha, power=self.rules.power), *failed[:len(earlier)]], values

    def _leaks(self) -> list[Item]:
        return [each for each in items(self.suite.scene) if each.aspect == "leakage"]

    def about(self) -> dict[str, Any]:
        """Return what was judged, in the order to show it."""
        found = about(self.subject, {"rows": self.rows} if self.rows is not None else {})
        digests = {f"{'candidate' if name == 'model' else name} digest": _short(model.digest)
                   for name, model in self.subject.models.items()}
        return {"candidate": found.pop("model", "candidate"), "champion": found.pop("champion", "champion"), **found, **digests}


def _loaded(given: Any, subject: Subject, options: Mapping[str, Any], notes: list[str]) -> Any:
    """Return an earlier model, fitted to the data; raises where it does not answer as the current one does."""
    from assay.model.load import load

    title = None if isinstance(given, str | Path) else "earlier"
    model = bound(load(given, name=title, **options), subject.train or subject.data, "earlier model", notes)
    fits(model, subject.data)
    signature = subject.models["model"].signature
    if model.signature.task != signature.task or (model.signature.classes or ()) != (signature.classes or ()):
        raise ConfigError(f"the model {given} does not answer as the current one does", expected="the same task and classes")
    return model


def _called(given: Any, place: int) -> str:
    return Path(given).name if isinstance(given, str | Path) else f"earlier model {place + 1}"


def _short(digest: str) -> str:
    """Return enough of a digest to tell models apart.

    >>> _short("sha256:0123456789abcdef0123")
    '0123456789abcdef'
    """
    return digest.rpartition(":")[2][:16]


def _opened(store: Any) -> Any:
    """Return a store to be used in a ``with`` block; one that was given open stays open."""
    return contextlib.nullcontext(store) if isinstance(store, Store) else Store(store)


def _without(mapping: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: each for name, each in mapping.items() if name not in names}


def _forest(title: str, guards: Sequence[Guard]) -> Figure:
    """Return the differences of a guard's slices as a picture, those that lost most first."""
    ordered = sorted(guards, key=lambda each: -(each.loss or 0.0))[:MOST_DRAWN]
    values = [each.value for each in ordered]
    table: dict[str, tuple[Any, ...]] = {
        "slice": tuple(place(each.slice) for each in values), "difference": tuple(each.value for each in values),
        "low": tuple(each.low for each in values), "high": tuple(each.high for each in values), "rows": tuple(each.n for each in values)}
    name = values[0].name
    tolerance = ordered[0].tolerance
    better = values[0].better
    sentence = (f"{name} of the candidate less the champion's, {better} is better; up to {figure(tolerance)} "
                f"{'less' if better == 'higher' else 'more'} is tolerated.")
    return Figure(title, "interval", f"{name}: candidate less champion", table, x="slice", y=("difference",), low=("low",), high=("high",),
                  sentence=sentence, aspect="guardrails", mark=0.0, mark_name="champion")


def _title(question: Question) -> str:
    return f"{question.metric.name} >= champion" if question.metric.better == "higher" else f"{question.metric.name} <= champion"


def _held(asked: _Asked, answer: Answered) -> list[Guard]:
    """Return the guards of one comparison, a slice each, the one that lost most first: it is told first, too."""
    plain = {each.key: each.value for each in answer.plain}
    found = []
    for value in answer.values:
        mine = plain.get(value.key)
        base = mine - value.value if mine is not None and value.value is not None else None
        tolerance = asked.tolerance(base if base is not None else 0.0)
        found.append(Guard(value, tolerance, asked.title, named=asked.named, base=base))
    return sorted(found, key=lambda each: -math.inf if each.loss is None else each.loss, reverse=True)


def _screened(leaks: Sequence[Item], answers: Sequence[Answered]) -> list[Verdict]:
    """Return what the screens of the default suite say of leakage, to the candidate."""
    return opinions([(item, [] if answer.failed else answer.values) for item, answer in zip(leaks, answers, strict=True)])


def _each(answers: Sequence[Answered]) -> list[Value]:
    found: dict[str, Value] = {}
    for answer in answers:
        for value in (*answer.values, *answer.plain):
            found.setdefault(repr((value.name, value.key, value.column, value.against)), value)
    return list(found.values())


def _cost(costs: Mapping[str, Mapping[str, float]], classes: Sequence[Any]) -> Metric:
    """Return the metric of what a row costs on average, by true and predicted class."""
    names = [str(each).lower() if isinstance(each, bool) else str(each) for each in classes]
    matrix = np.zeros((len(names), len(names)))
    for true, row in costs.items():
        for guess, cost in row.items():
            for each in (true, guess):
                if each not in names:
                    near = nearest(each, names)
                    raise ConfigError(f"'{each}' of the costs is no class", expected=f"one of {listed(names)}",
                                      hint=f"did you mean '{near}'?" if near else None)
            matrix[names.index(true), names.index(guess)] = cost

    def cost_(cells: Cells) -> Any:
        assert cells.matrix is not None
        return (cells.matrix * matrix).sum(axis=(-1, -2)) / cells.total

    limits = (float(matrix.min()), float(matrix.max()))
    return Metric("cost", (Form(cost_, "confusion", ("binary", "multiclass")),), "lower", "identity", limits, None, "Mean cost of a row.")
