"""Groups without labels: how often intervals of estimates, and of differences between groups, hold what labels show; what is grouped unasked."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pyarrow as pa
import pytest

from assay.data.schema import Schema
from assay.errors import ConfigError
from assay.estimate.doubly_robust import Estimator
from assay.estimate.performance import classified, known
from assay.estimate.rows import Rows
from assay.result import Spread, Value
from assay.verbs.parity import apart, cuts, protected, told

METRICS = ("recall", "false_positive_rate", "accuracy")


def people(rng: np.random.Generator, n: int, tilt: float) -> Rows:
    """Two groups, of which the model does not know that one has fewer positives, nor that the second column matters."""
    group = (rng.random(n) < 0.35).astype(float)
    x = rng.normal(tilt * 0.5, 1, (n, 2))
    x[:, 0] += 0.4 * group
    chance = 1 / (1 + np.exp(-(1.2 * x[:, 0] - 0.3 * group + 0.5 * np.sin(2 * x[:, 1]))))
    score = 1 / (1 + np.exp(-1.2 * x[:, 0]))
    label = (rng.random(n) < chance).astype(int)
    return Rows(np.column_stack([x, group]), (score > 0.5).astype(int), np.column_stack([1 - score, score]), label, (False,) * 3, 2)


def held(references: int, windows: int = 20) -> dict[str, list[bool]]:
    """Return how often intervals hold: of each metric by group, and of the difference between the two."""
    rng, out = np.random.default_rng(0), defaultdict(list)
    for _ in range(references):
        estimator = Estimator.of(people(rng, 5_000, 0.0), folds=3)
        there = [estimator.reference.features[:, 2] == each for each in (0, 1)]
        for _ in range(windows):
            current = people(rng, 1_500, 1.0)
            window = estimator.window(current)
            for metric in METRICS:
                found, real = [], []
                for each in (0, 1):
                    here = current.features[:, 2] == each
                    made = window.estimate(metric, positive=1, here=here, there=there[each])
                    real.append(classified(metric, current.take(here), known(current.take(here)), positive=1).value)
                    out[metric].append(made.low <= real[-1] <= made.high)
                    found.append(Value.of(metric, Spread("normal", made.value, error=made.total), n=made.n, slice={"group": each}))
                value = apart(found, "group")[0]
                out[value.metric].append(value.low <= abs(real[0] - real[1]) <= value.high)
    return out


@pytest.mark.slow
def test_intervals_of_groups_and_of_their_differences_hold() -> None:
    found = {name: float(np.mean(each)) for name, each in held(20).items()}   # 800 estimates, 400 differences each
    assert set(found) == {*METRICS, *(f"{name} difference" for name in METRICS)}
    assert all(0.915 <= share <= 0.985 for share in found.values()), found


def test_what_is_grouped_unasked_and_how_it_is_cut() -> None:
    rng = np.random.default_rng(0)
    table = pa.table({"sex": ["f", "m"] * 100, "age": rng.integers(18, 90, 200), "ward": [str(each) for each in range(200)],
                      "y": np.zeros(200)})
    schema = Schema.of(table.schema, {"protected": ["sex", "age", "ward"]})
    found, notes = protected(schema, (table, table))
    assert found == ["sex", "age:4"]
    assert notes == ["rows are not grouped by what makes more than 50 groups: 'ward'"]
    assert [len(cuts(each, schema, (table, table))) for each in found] == [2, 4]
    here, there = cuts("sex", schema, (table.slice(0, 100), table))[(("sex", "f"),)]
    assert (here.sum(), there.sum()) == (100, 50)
    with pytest.raises(ConfigError, match="has no column 'sex'"):
        cuts("sex", schema, (table.drop_columns(["sex"]), table))
    with pytest.raises(ConfigError, match="makes 200 slices"):
        cuts("ward", schema, (table, table))


def test_a_sentence_names_the_pair_and_who_is_too_few() -> None:
    values = [Value.of("recall", Spread("normal", value, error=0.02), n=n, slice={"sex": name}) for name, value, n in
              (("f", 0.6, 500), ("m", 0.7, 500), ("x", 0.2, 12))]
    assert told(apart(values, "sex"), "sex") == (
        "between groups of sex: estimated recall 0.1 [0.0446, 0.155] apart (sex=f against sex=m); inconclusive for sex=x (12 rows)")
    assert "of estimated recall nothing can be said (fewer than two groups" in told(apart(values[2:], "sex"), "sex")
