"""Repair a model: ``assay.repair(model, data, remedy="thresholds")``, the same as ``assay repair`` on the command line.

Opens what is given, applies one remedy to the training rows (thresholds: to a reference), measures both models on rows held out, runs the
probe again, and writes the repaired model. ``REMEDIES`` are those there are.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.data.meter import metered
from assay.errors import ConfigError, SignatureError, UnknownNameError, listed
from assay.model.logged import Logged
from assay.model.model import Model
from assay.model.refit import Refit, refit
from assay.remedy.disparate_impact import WAYS, Way
from assay.remedy.threshold import EQUALS, Equal
from assay.result import Cost, Run
from assay.verbs.probe.classifier import mapping
from assay.verbs.repair.application import Applied, Asked, applied
from assay.verbs.repair.comparison import Comparison, Gap, Held, probed
from assay.verbs.repair.sentences import resentenced
from assay.verbs.repair.telling import Told
from assay.verbs.repair.writing import refuse, write
from assay.verbs.subject import Subject, checked, configuration, merged, opened
from assay.verbs.suite import about

__all__ = ["REMEDIES", "repair"]

#: what each remedy does, in a line
REMEDIES: Mapping[str, str] = {
    "thresholds": "a threshold for each group, so that rates are equal at the least loss; any model with scores",
    "retrain": "fitted anew with inputs that differ in protected columns only, labelled alike",
    "reweigh": "fitted anew with weights by which groups and labels are independent",
    "disparate_impact": "fitted anew on columns that tell nothing of the group",
    "penalty": "fitted many times with weights, until groups are about equal (extra fairlearn)",
    "upweight": "fitted anew with more weight on a weak slice",
}
WITHOUT = "thresholds"   # the remedy that needs no fit


def repair(model: Any = None, data: Any = None, *, remedy: str | None = None, equal: Equal = "odds", randomised: bool = False,
           at_most: float = 0.02, level: float = 1.0, way: Way = "geometric", part: str | None = None, cost: float = 0.01,
           budget: int = 20_000, output: str | Path | None = None, grammar: str | Path | None = None,
           other: str | Sequence[str] = (), labels: Mapping[str, Any] | str | Path | None = None, seed: int = 0,
           ranges: Mapping[str, Any] | None = None,
           train: Any = None, reference: Any = None, champion: Any = None, positive: Any = None, threshold: float | None = None,
           task: str | None = None, classes: Sequence[Any] | None = None, features: Sequence[str] | None = None, trust: bool = False,
           where: str | None = None, sql: str | None = None, types: Mapping[str, str] | None = None, strict: bool = False,
           progress: Callable[[str, int], None] | None = None, **roles: Any) -> Run:
    """Return a run that tells what a remedy changed on ``data``, rows that neither the model nor the remedy has seen.

    ``remedy`` is one of ``REMEDIES``. ``equal`` (``"odds"``, ``"true_positive_rate"``, ``"selection_rate"``) is what ``thresholds`` and
    ``penalty`` make equal between the groups of the ``protected`` columns, up to ``at_most``; ``randomised`` lets thresholds be mixed, with
    rates exactly equal where they are chosen. ``level`` and ``way`` are those of ``disparate_impact``, ``part`` is the predicate of the
    slice that is weighted up. ``thresholds`` are chosen on the ``reference``, or on half of the data; all others fit the model anew on
    ``train``. ``cost`` is the share of accuracy that may be lost. ``output`` is where the repaired model is written: ``.joblib``, of
    thresholds ``.json`` beside the model's file. The rest is as for ``assay.check``.

    With ``grammar`` a classifier of one text is retrained on its sentences, as many found and drawn as is best on texts held out of the
    training; it is measured on the ``data``, on sentences of the grammar that it did not learn from, and on those of ``other`` grammars.
    ``labels``, a mapping or a YAML file, gives classes of the model the names of the grammar.

    Raises ``AssayError`` for what cannot be read, fitted or is misspelt.

    >>> import assay, numpy as np, pyarrow as pa
    >>> rng = np.random.default_rng(0)
    >>> sex, y = rng.integers(0, 2, 4_000), rng.integers(0, 2, 4_000)
    >>> rows = pa.table({"x": y + 0.6 * sex + rng.normal(0, 0.7, 4_000), "sex": np.where(sex == 1, "m", "f"), "y": y})
    >>> model = assay.load(lambda batch: 1 / (1 + np.exp(1.6 - 2 * batch.column("x").to_numpy())), task="binary", classes=[0, 1],
    ...                    features=["x"], name="m")
    >>> run = repair(model, rows, remedy="thresholds", equal="selection_rate", cost=0.1, label="y", protected="sex")
    >>> [each for each in run.verdicts if each.check == "selection rates come closer"][0].verdict
    'pass'
    """
    began = time.perf_counter()
    checked("repair", roles, repair.__kwdefaults__ or ())
    own: dict[str, Any] = {"remedy": remedy, "equal": equal, "randomised": randomised, "at_most": at_most, "level": level, "way": way,
                           "part": part, "cost": cost, "budget": budget, "output": output, "seed": seed, "strict": strict,
                           "trust": trust, "progress": progress, "grammar": grammar, "other": other, "labels": labels}
    config = configuration(model)
    if config is not None:
        given = {"data": data, "train": train, "reference": reference, "champion": champion, "positive": positive, "threshold": threshold,
                 "task": task, "classes": classes, "features": features, "where": where, "sql": sql, "types": types}
        every = merged(config, given, roles, without=("checks", "slices"))
        return repair(**every, **own, ranges={**config.ranges, **(ranges or {})})
    asked = _asked(remedy, equal, randomised, at_most, level, way, part, cost, budget, seed)
    others = (other,) if isinstance(other, str) else tuple(other)
    if grammar is not None and remedy != "retrain":
        raise ConfigError(f"'{remedy}' takes no grammar", hint="--remedy retrain")
    if grammar is None and (others or labels):
        raise ConfigError("grammars to measure on and labels are for sentences, and no grammar is named", hint="--grammar sentiment")
    if data is None:
        raise ConfigError("there are no data to measure a remedy on", hint="pass data, or a configuration such as assay.yaml")
    place = refuse(output, asked.remedy, model, [data, train, reference])
    with metered() as meter:
        subject, notes = opened(
            model, data, train=train, reference=reference, champion=None, positive=positive, threshold=threshold, task=task,
            classes=classes, features=features, trust=trust, where=where, sql=sql, types=types, roles=roles)
        if grammar is not None:
            names = mapping(labels) if isinstance(labels, str | Path) else labels
            made = resentenced(subject, grammar=str(grammar), others=others, labels=names, cost=cost, seed=seed)
            repaired = made.model
            run = Run("repair", tuple(made.values), tuple(made.verdicts), about={**about(subject, {}), "grammar": str(grammar)},
                      sentences=tuple(made.sentences), notes=tuple(made.notes))
        else:
            fit = _fit(subject, asked)
            done = applied(subject, fit, asked, progress)
            repaired = done.model
            told = _told(subject, done, asked, dict(ranges or {}))
            run = Run("repair", tuple(told.values), tuple(told.verdicts), about={**about(subject, {}), **told.about},
                      sentences=tuple(told.sentences), figures=tuple(told.figures), notes=(*done.notes, *told.notes))
        if place is not None:
            write(repaired, model, place)
            notes.append(f"the repaired model is in {place.name}; to use it: model: {place.name}")
        else:
            notes.append("the repaired model was not kept: name a file with --output (output=...)")
    spent = Cost(round(time.perf_counter() - began, 3), meter.rows, meter.model_rows)
    return dataclasses.replace(run, notes=tuple(dict.fromkeys([*notes, *run.notes])), strict=strict, cost=spent)


def _asked(remedy: str | None, equal: str, randomised: bool, at_most: float, level: float, way: str, part: str | None, cost: float,
           budget: int, seed: int) -> Asked:
    """Return what was asked, refused where it cannot be meant."""
    if remedy is None:
        raise ConfigError("no remedy is named", expected=f"one of {listed(REMEDIES, 12)}", hint="--remedy thresholds")
    if remedy not in REMEDIES:
        raise UnknownNameError.among("remedy", remedy, REMEDIES)
    if equal not in EQUALS:
        raise UnknownNameError.among("rate", equal, EQUALS)
    if way not in WAYS:
        raise UnknownNameError.among("way", way, WAYS)
    for name, value, low, high in (("level", level, 0, 1), ("cost", cost, 0, 0.5), ("at_most", at_most, 0, 0.5)):
        if not low <= value <= high:
            raise ConfigError(f"{name} is {value:g}", expected=f"a number from {low} to {high}")
    if budget < 100:
        raise ConfigError(f"a budget of {budget:,} tests finds nothing", expected="at least 100 tests")
    if remedy == "upweight" and not part:
        raise ConfigError("no slice is named to weight up", expected="a predicate of columns", hint="--part \"region == 'north'\"")
    if part and remedy != "upweight":
        raise ConfigError(f"'{remedy}' takes no slice", hint="--remedy upweight")
    return Asked(remedy, equal, randomised, at_most, level, way, part, cost, budget, seed)


def _fit(subject: Subject, asked: Asked) -> Refit | None:
    """Return how the model is fitted anew, None for a remedy that needs that not; refuses what cannot be repaired."""
    model = subject.models.get("model")
    if model is None or isinstance(model, Logged):
        raise ConfigError("there is no model to repair" + (", only its logged answers" if model is not None else ""),
                          expected="a model", hint="--model FILE, or model: in assay.yaml")
    task = model.signature.task
    if task != "binary":
        classes = f" with {len(model.signature.classes)} classes" if model.signature.classes else ""
        raise SignatureError(f"the model is made for {task}{classes}, and remedies are for decisions between two classes",
                             expected="a binary model", hint="for a number, decide from which value on it is a yes, and repair that")
    if subject.data.schema.label is None:
        raise ConfigError("no label is named: without the truth no remedy can be chosen, nor measured", where=subject.data.name,
                          expected="the column that is to be predicted", hint="--label COLUMN, or columns: {label: COLUMN} in assay.yaml")
    if not subject.data.schema.protected:
        raise ConfigError("no protected column is named", expected="the columns whose groups are to be treated alike",
                          hint="--protected COLUMN, or columns: {protected: [COLUMN]} in assay.yaml")
    if asked.remedy == WITHOUT:
        return None
    found = refit(model)
    if found is None:
        scores = "thresholds" if model.signature.scores is not None else "none, as it answers without scores"
        raise SignatureError("the model cannot be fitted anew: it is no estimator of scikit-learn with its settings",
                             expected=f"a remedy that needs no fit ({scores})",
                             hint="--remedy thresholds" if model.signature.scores is not None else "load it with its scores")
    if subject.train is None:
        raise ConfigError(f"'{asked.remedy}' fits the model anew, and there are no training rows", expected="the rows that it learned from",
                          hint="--train FILE, or train: in assay.yaml; thresholds need none")
    return found


def _told(subject: Subject, done: Applied, asked: Asked, ranges: Mapping[str, Any]) -> Told:
    """Return what both models do on the rows held out."""
    target = subject.target
    before = subject.models["model"]
    assert target is not None
    assert target.positive is not None
    held: Held = done.held
    comparison = Comparison.of(held, held.decided(before), held.decided(done.model, own=done.decides), seed=asked.seed)
    inputs = tuple(done.model.signature.names or subject.data.schema.features)
    own = tuple(before.signature.names or subject.data.schema.features)
    protected = [name for name in subject.data.schema.protected if name in inputs]
    again = None
    if protected and not any(name not in held.table.column_names for name in inputs):
        wide = tuple(dict.fromkeys([*own, *inputs]))
        again = probed(before, done.model, held.table, protected, wide, budget=asked.budget, ranges=ranges, positive=target.positive,
                       threshold=target.threshold, seed=asked.seed)
    taken = tuple(name for name in subject.data.schema.protected if name in own)
    return Told(comparison, again, asked, done, taken, _slice(held, done, before, asked))


def _slice(held: Held, done: Applied, before: Model, asked: Asked) -> Gap | None:
    """Return what became of the accuracy of the slice that was weighted up, None where none was, or no row held out is in it."""
    if done.inside is None or not done.inside.any():
        return None
    some = held.of(done.inside)
    return Comparison.of(some, some.decided(before), some.decided(done.model), seed=asked.seed).accuracy
