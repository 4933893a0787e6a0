"""What holds for every metric, found through the registry, so that a new one is held to it without being asked."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from assay.errors import UnknownNameError
from assay.metric import METRICS
from assay.metric.metric import ALIASES, find
from assay.result import Value
from assay.summary.target import Target
from tests.metric.frames import Frame, builtin, column_value, measured

BUILTIN = builtin()
LABELLED = [(name, task) for name, each in BUILTIN.items() if each.of == "rows"
            for task in getattr(each, "tasks", ("ranking", "binary"))]
COLUMNS = [(name, kind) for name, each in BUILTIN.items() if each.of == "column" for kind in each.needs if name not in ("type_changed", "has_type")]
DEBIASED = {"calibration_error": {"debiased": False}}  # noise of groups is noise of another size, so less or more is subtracted


def target_of(task, *, grouped=False):
    names = {"binary": ("no", "yes"), "multiclass": ("a", "b", "c"), "multilabel": ("p", "q", "r")}.get(task, ())
    return Target(task, names, 1 if task == "binary" else None, 0.5, 3 if task == "multilabel" else 0, grouped)


def frame_of(task, n=240, *, seed=0, skill=1.0):
    """Return rows on which the model has some skill: 0 guesses, infinite is always right."""
    rng = np.random.default_rng(seed)
    query = np.repeat(np.arange(n // 6 + 1), 6)[:n]
    entity = rng.integers(0, 60, n)
    if task in ("regression", "ranking"):
        label = rng.integers(0, 4, n).astype(float) if task == "ranking" else 10 + 3 * rng.standard_normal(n)
        noise = rng.standard_normal(n)
        value = label.copy() if math.isinf(skill) else skill * label + noise
        return Frame(label, value=value, query=query, entity=entity)
    if task == "multilabel":
        label = rng.integers(0, 2, (n, 3))
        noise = np.zeros((n, 3)) if math.isinf(skill) else rng.standard_normal((n, 3))
        score = label.astype(float) if math.isinf(skill) else 1 / (1 + np.exp(-(skill * (2 * label - 1) + noise)))
        return Frame(label, (score >= 0.5).astype(int), score, query=query, entity=entity)
    k = 2 if task == "binary" else 3
    label = rng.integers(0, k, n)
    truth = np.eye(k)[label]
    logits = skill * 1.5 * truth + rng.standard_normal((n, k)) if not math.isinf(skill) else truth
    score = truth if math.isinf(skill) else np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Frame(label, score.argmax(axis=1), score, query=query, entity=entity)


def options_of(name, task):
    return {"positive": "b"} if (name, task) == ("selection_rate", "multiclass") else {}


def close(first: Value, second: Value) -> None:
    for field in ("value", "low", "high"):
        assert getattr(first, field) == pytest.approx(getattr(second, field), rel=1e-9, abs=1e-12), field
    assert first.n == second.n


@pytest.mark.parametrize(("name", "task"), LABELLED)
@pytest.mark.parametrize("grouped", [False, True])
def test_rows_in_any_split_give_the_same_value(name, task, grouped):
    frame, target = frame_of(task), target_of(task, grouped=grouped)
    whole = measured(name, frame, target, **options_of(name, task))
    close(measured(name, frame, target, parts=7, **options_of(name, task)), whole)


@pytest.mark.parametrize(("name", "task"), LABELLED)
def test_rows_in_any_order_give_the_same_value(name, task):
    frame, target = frame_of(task), target_of(task, grouped=True)
    shuffled = frame.take(np.random.default_rng(1).permutation(len(frame)))
    close(measured(name, shuffled, target, **options_of(name, task)), measured(name, frame, target, **options_of(name, task)))


@pytest.mark.parametrize(("name", "task"), [each for each in LABELLED if each[1] in ("binary", "multiclass", "multilabel")])
def test_classes_in_another_order_give_the_same_value(name, task):
    frame, target = frame_of(task), target_of(task)
    k = len(target.classes)
    turned = np.roll(np.arange(k), 1)  # the new place of each class
    back = np.argsort(turned)
    if task == "multilabel":
        other = Frame(frame.label[:, back], frame.prediction[:, back], frame.score[:, back], entity=frame.entity)
    else:
        other = Frame(turned[frame.label], turned[frame.prediction], frame.score[:, back], query=frame.query, entity=frame.entity)
    positive = None if target.positive is None else int(turned[target.positive])
    moved = replace(target, classes=tuple(target.classes[place] for place in back), positive=positive)
    first, second = (measured(name, *each, **options_of(name, task)) for each in ((frame, target), (other, moved)))
    assert first.value == pytest.approx(second.value, rel=1e-9)
    if task != "ranking":  # intervals are resampled, so they agree but for chance
        assert first.low == pytest.approx(second.low, abs=0.15 * (first.high - first.low))


@pytest.mark.parametrize(("name", "task"), LABELLED)
@pytest.mark.parametrize("skill", [0.0, 1.0, math.inf])
@pytest.mark.parametrize("grouped", [False, True])
def test_the_value_lies_in_its_interval_and_both_within_the_limits(name, task, skill, grouped):
    for n in (1, 3, 240):
        found = measured(name, frame_of(task, n, skill=skill), target_of(task, grouped=grouped), **options_of(name, task))
        if found.value is None:
            assert found.note
            assert found.low is found.high is None
            continue
        low, high = getattr(METRICS[name], "limits", (0.0, 1.0))
        assert low <= found.low <= found.value <= found.high <= high
        assert found.better == METRICS[name].better


@pytest.mark.parametrize(("name", "task"), [each for each in LABELLED if BUILTIN[each[0]].better])
def test_a_perfect_model_is_at_the_best_end(name, task):
    best, found, worse = (measured(name, frame_of(task, skill=skill), target_of(task)).value for skill in (math.inf, 1.0, 0.1))
    metric = METRICS[name]
    if metric.better == "higher":
        assert best == pytest.approx(getattr(metric, "limits", (0.0, 1.0))[1])
        assert best >= found > worse
    else:
        assert best == pytest.approx(0.0, abs=1e-9)
        assert abs(best) <= abs(found) + 1e-12
        assert name == "calibration_error" or abs(found) < abs(worse)


@pytest.mark.parametrize(("name", "task"), LABELLED)
def test_groups_change_the_interval_and_not_the_number(name, task):
    frame, options = frame_of(task), options_of(name, task) | DEBIASED.get(name, {})
    plain, grouped = (measured(name, frame, target_of(task, grouped=each), **options) for each in (False, True))
    assert plain.value == pytest.approx(grouped.value, rel=1e-9)
    assert grouped.high - grouped.low < 2.5 * (plain.high - plain.low)
    assert plain.high - plain.low < 2.5 * (grouped.high - grouped.low)


@pytest.mark.parametrize(("name", "task"), [each for each in LABELLED if each[0] not in ("ndcg", "mrr", "map")])
def test_a_weight_of_two_is_two_rows(name, task):
    frame, options = frame_of(task, 60), options_of(name, task) | DEBIASED.get(name, {})
    weight = np.random.default_rng(4).integers(1, 4, 60)
    copied = replace(frame.take(np.repeat(np.arange(60), weight)))
    weighted = measured(name, replace(frame, weight=weight.astype(float)), target_of(task), **options)
    assert weighted.value == pytest.approx(measured(name, copied, target_of(task), **options).value, rel=1e-9)


@pytest.mark.parametrize(("name", "task"), LABELLED)
def test_labelled_values_survive_json(name, task):
    found = measured(name, frame_of(task), target_of(task), **options_of(name, task))
    assert Value.from_json(found.to_json()) == found
    assert found.spread.interval() == (found.low, found.high)


@pytest.mark.parametrize(("name", "kind"), COLUMNS)
def test_values_of_columns_lie_in_their_interval_and_survive_json(name, kind):
    rng = np.random.default_rng(2)
    sides = {"number": lambda by: rng.standard_normal(300) + by, "missing": lambda by: [None] * 300,
             "category": lambda by: list(rng.choice(["a", "b", "c"], 300, p=[0.5 - by, 0.3, 0.2 + by]))}[kind]
    for by in (0.0, 0.3):
        found = column_value(name, sides(by), sides(0.0) if METRICS[name].compared else None)
        assert found.low <= found.value <= found.high
        assert found.column == "x"
        assert Value.from_json(found.to_json()) == found


@pytest.mark.parametrize("name", sorted({name for name, _ in COLUMNS if BUILTIN[name].compared}))
def test_the_same_data_are_no_drift(name):
    kind = next(iter(METRICS[name].needs))
    data = list(np.random.default_rng(0).standard_normal(200)) if kind == "number" else list("aabbbc" * 30)
    found = column_value(name, data, data)
    assert found.value == 0.0
    assert found.low == 0.0


@pytest.mark.parametrize("name", sorted(BUILTIN))
def test_a_metric_explains_itself(name):
    metric = METRICS[name]
    assert metric.name == name
    assert ">>> " in metric.doc, "no example"
    assert re.search(rf"\b{name}\(", metric.doc.split(">>>", 1)[1]), "the example does not call it"
    first = metric.doc.split("\n\n")[0]
    assert first.rstrip().endswith((".", ")")) or ":" in first, "the first sentence has no end"


def test_options_are_checked_by_name():
    for name, each in BUILTIN.items():
        place = (target_of(getattr(each, "tasks", ("ranking",))[0]),) if each.of == "rows" else ()
        with pytest.raises(UnknownNameError, match="nonsense"):
            METRICS[name].options(*place, {"nonsense": 1})


def test_aliases_lead_to_metrics():
    for alias, name in ALIASES.items():
        assert alias not in METRICS
        assert find(alias) is METRICS[name]
