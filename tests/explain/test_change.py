"""Why a mean moved: contributions add up, agree with exact values, and their intervals hold what they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression

import assay
from assay.errors import ConfigError, DataError
from assay.explain.change import Rows, change
from assay.explain.explain import explain
from assay.explain.mean import OUTCOME, attributed, outputs

NAMES = ["a", "b", "c"]
Array = np.ndarray[Any, Any]


def batch(numbers: Array) -> pa.RecordBatch:
    return pa.record_batch({name: numbers[:, place] for place, name in enumerate(NAMES)})


def outcome(random: np.random.Generator, numbers: Array) -> Array:
    return np.asarray(random.random(len(numbers)) < 1 / (1 + np.exp(-numbers[:, 0] - numbers[:, 1] * numbers[:, 2])), np.int64)


@pytest.fixture(scope="module")
def model() -> Any:
    """Steps and a product, so that orders matter; a function, which takes no time of its own."""
    def said(rows: pa.RecordBatch) -> Array:
        a, b, c = (rows.column(place).to_numpy() for place in range(3))
        return np.asarray(1 / (1 + np.exp(-np.where(a > 0.3, 1.0, -0.5) - b * c)))

    return assay.load(said, task="binary", classes=[0, 1], features=NAMES)


@pytest.fixture(scope="module")
def sides() -> tuple[Array, Array, Array, Array]:
    random = np.random.default_rng(8)
    before, after = random.normal(size=(600, 3)), random.normal(size=(500, 3)) + np.array([0.5, 0.0, 0.0])
    return before, after, outcome(random, before), outcome(random, after)


@pytest.mark.parametrize("quantity", ["score", "log-odds", "decision", "loss", "error"])
def test_adds_up(model: Any, sides: tuple[Array, Array, Array, Array], quantity: str) -> None:
    before, after, first, second = sides
    labelled = quantity in ("loss", "error")
    old = Rows("old", batch(before), labels=first if labelled else None)
    new = Rows("new", batch(after), labels=second if labelled else None)
    made = change(model, old, new, batch(before[:100]), quantity=quantity, threshold=None if quantity == "loss" else 0.4)
    assert abs(made.gap) < 1e-9
    said = [outputs(model, side.batch, quantity, labels=side.labels, threshold=0.4) for side in (old, new)]
    assert made.difference.value == pytest.approx(said[1].mean() - said[0].mean(), abs=1e-12)
    assert (OUTCOME in {each.column for each in made.contributions}) == labelled
    assert made.difference.low is not None
    assert made.difference.low < (made.difference.value or 0) < (made.difference.high or 0)


def test_exact_is_the_contrast(sides: tuple[Array, Array, Array, Array]) -> None:
    before, after, labels, _ = sides
    model = assay.load(HistGradientBoostingClassifier(max_iter=20, max_leaf_nodes=8).fit(before, labels), features=NAMES)
    made = change(model, Rows("old", batch(before)), Rows("new", batch(after)), batch(before[:100]), quantity="log-odds")
    every = explain(model, batch(np.concatenate([after, before])), batch(before[:100]), quantity="log-odds")
    mine = np.arange(1100) < 500
    wanted = {each.column: each for each in every.contrast(mine, ~mine)}
    for each in made.contributions:
        assert each.value == pytest.approx(wanted[str(each.column)].value, abs=1e-10)
        assert each.spread is not None
        assert each.spread.error == pytest.approx(wanted[str(each.column)].spread.error, rel=0.01)


@pytest.mark.parametrize("quantity", ["decision", "loss", "error"])
def test_few_orders_are_unbiased(model: Any, sides: tuple[Array, Array, Array, Array], quantity: str) -> None:
    """Against every coalition, for each row with its own label, over many seeds."""
    rows, labels = batch(sides[0][:25]), sides[2][:25]
    behind = batch(sides[1][:30])
    one, own = [np.zeros(3) for _ in range(2)]
    labelled = None if quantity == "decision" else labels
    made = np.array([attributed(model, rows, behind, quantity, labels=labelled, seed=seed).values for seed in range(100)])
    numbers, other = sides[0][:25], sides[1][:30]
    for place in range(25):
        worth = {}
        for mask in range(8):
            present = np.array([mask >> each & 1 for each in range(3)], bool)
            mixed = np.where(present, numbers[place], other)
            label = None if labelled is None else np.full(len(mixed), labels[place])
            worth[mask] = outputs(model, batch(mixed), quantity, labels=label).mean()
        for each in range(3):
            pairs = [(mask, {0: 1 / 3, 1: 1 / 6, 2: 1 / 3}[(mask).bit_count()]) for mask in range(8) if not mask >> each & 1]
            one[each] = sum(share * (worth[mask | 1 << each] - worth[mask]) for mask, share in pairs)
        own += one
    mean, error = made.sum(axis=1).mean(axis=0), made.sum(axis=1).std(axis=0, ddof=1) / np.sqrt(len(made))
    assert (np.abs(mean - own) < 4 * error + 1e-9).all()


def test_all_rows_narrow_the_sampled_ones(model: Any, sides: tuple[Array, Array, Array, Array]) -> None:
    before, after, first, second = sides
    old, new = Rows("old", batch(before), labels=first), Rows("new", batch(after), labels=second)
    few = change(model, old, new, batch(before[:50]), quantity="error", asked=4800)
    assert few.rows < len(old) + len(new)
    assert abs(few.gap) < 1e-9
    assert few.difference.value == change(model, old, new, batch(before[:50]), quantity="error").difference.value


def test_groups_widen() -> None:
    """The same rows ten times say no more than once, where they are known to be the same entity."""
    random = np.random.default_rng(0)
    model = assay.load(LinearRegression().fit(random.normal(size=(50, 3)), random.normal(size=50)), features=NAMES)
    before, after = random.normal(size=(40, 3)), random.normal(size=(40, 3))
    plain = change(model, Rows("old", batch(before)), Rows("new", batch(after)), batch(before))
    tenfold = [np.repeat(each, 10, axis=0) for each in (before, after)]
    who = np.repeat(np.arange(40), 10)
    found = change(model, Rows("old", batch(tenfold[0]), group=who), Rows("new", batch(tenfold[1]), group=who + 40), batch(before))
    for one, other in zip(plain.contributions, found.contributions, strict=True):
        assert one.spread is not None
        assert other.spread is not None
        assert other.spread.error == pytest.approx(one.spread.error, rel=0.03)


def test_weights_are_copies() -> None:
    random = np.random.default_rng(0)
    model = assay.load(LinearRegression().fit(random.normal(size=(50, 3)), random.normal(size=50)), features=NAMES)
    before, after, times = random.normal(size=(40, 3)), random.normal(size=(40, 3)), random.integers(1, 4, 40)
    one = change(model, Rows("old", batch(before), weight=times.astype(float)), Rows("new", batch(after)), batch(before))
    two = change(model, Rows("old", batch(np.repeat(before, times, axis=0))), Rows("new", batch(after)), batch(before))
    assert {each.column: round(each.value or 0, 12) for each in one.contributions} == {
        each.column: round(each.value or 0, 12) for each in two.contributions}


def test_refusals(model: Any, sides: tuple[Array, Array, Array, Array]) -> None:
    before, after, *_ = sides
    with pytest.raises(DataError, match="July has 3 rows"):
        change(model, Rows("June", batch(before)), Rows("July", batch(after[:3])), batch(before[:50]))
    with pytest.raises(ConfigError, match=r"cannot be explained.*did you mean 'score'"):
        change(model, Rows("June", batch(before)), Rows("July", batch(after)), batch(before[:50]), quantity="scroe")
    with pytest.raises(ConfigError, match="needs labels"):
        change(model, Rows("June", batch(before)), Rows("July", batch(after)), batch(before[:50]), quantity="loss")


def test_a_model_that_is_not_deterministic_is_told(sides: tuple[Array, Array, Array, Array]) -> None:
    random = np.random.default_rng(0)
    model = assay.load(lambda rows: random.random(rows.num_rows), task="regression", features=NAMES)
    made = change(model, Rows("old", batch(sides[0])), Rows("new", batch(sides[1])), batch(sides[0][:50]))
    assert any("not deterministic" in each for each in made.notes)


@pytest.mark.slow
@pytest.mark.parametrize("quantity", ["score", "error"])
def test_intervals_cover(model: Any, quantity: str) -> None:
    """Of the populations that rows are drawn from, given the background: 200 draws, 95 % of the intervals, and a tenth that says nothing."""
    random = np.random.default_rng(3)
    behind = batch(random.normal(size=(60, 3)))

    def sides(rows: int) -> tuple[Rows, Rows]:
        made = []
        for name, shift in (("old", 0.0), ("new", 0.4)):
            numbers = random.normal(size=(rows, 3)) + np.array([shift, 0.0, 0.0])
            made.append(Rows(name, batch(numbers), labels=outcome(random, numbers) if quantity == "error" else None))
        return made[0], made[1]

    truth = {each.column: each.value for each in change(model, *sides(150_000), behind, quantity=quantity, asked=10**8).contributions}
    held: list[bool] = []
    for seed in range(200):
        made = change(model, *sides(400), behind, quantity=quantity, asked=6_000, seed=seed)
        held += [each.low <= truth[each.column] <= each.high for each in made.contributions]   # type: ignore[operator]
    assert 0.93 <= np.mean(held) <= 0.975
