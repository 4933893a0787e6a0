"""Sampled values: against every coalition, with intervals that hold as often as they say, and nothing left to the order of rows."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest

from assay.errors import DataError, UnknownColumnError
from assay.explain.sampling import Game, joint, sampled, unary
from tests.explain.reference import by_definition

NAMES = ("a", "b", "c", "d")


def batch(numbers: np.ndarray, names: tuple[str, ...] = NAMES) -> pa.RecordBatch:
    return pa.record_batch({name: numbers[:, place] for place, name in enumerate(names)})


def answer(data: pa.RecordBatch) -> np.ndarray:
    a, b, c, d = (column.to_numpy() for column in data.columns[:4])
    return np.exp(0.5 * a) * b + np.maximum(c, 0) * a + 0 * d


def truth(rows: np.ndarray, background: np.ndarray) -> np.ndarray:
    def game(row: np.ndarray, coalition: int) -> float:
        present = np.array([coalition >> place & 1 for place in range(4)], bool)
        return float(answer(batch(np.where(present, row, background))).mean())

    return np.array([by_definition(lambda coalition, row=row: game(row, coalition), 4) for row in rows])


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(40, 4)), rng.normal(size=(300, 4))


def test_every_coalition_is_asked_where_that_is_no_dearer() -> None:
    rng = np.random.default_rng(0)
    rows, background = rng.normal(size=(3, 4)), rng.normal(size=(5, 4))
    made = sampled(Game(answer, batch(rows), batch(background), NAMES), at_most=0.01, budget=10_000)
    assert np.abs(made.values - truth(rows, background)).max() < 1e-12
    assert not made.error.any()
    assert np.isinf(made.df).all()


def test_intervals_hold_the_truth_as_often_as_they_say(data) -> None:
    rows, background = data
    expected = truth(rows, background)
    held, wide = [], []
    from scipy import special

    for seed in range(12):
        game = Game(answer, batch(rows), batch(background), NAMES)
        made = sampled(game, at_most=0.15, budget=40 * 3000, seed=seed)
        half = special.stdtrit(made.df, 0.975)[:, None] * made.error
        held.append(np.abs(made.values - expected)[:, :3] <= half[:, :3])
        wide.append(half.max(axis=1))
        assert not made.values[:, 3].any()   # dummy: it changes nothing
        assert np.abs(made.values.sum(axis=1) + made.base - made.output).max() < 1e-12
        assert made.base == pytest.approx(answer(batch(background)).mean())
    share = np.mean(held)
    assert 0.935 <= share <= 0.995, share   # 1,440 intervals, those of one row not independent
    assert np.mean(np.array(wide) <= 0.15 * 1.1) > 0.9


@pytest.mark.slow
def test_coverage_by_simulation_where_players_are_many() -> None:
    """Ten players and interactions of three and more: the truth from every coalition, 95 % and 80 % intervals at several budgets."""
    from scipy import special

    rng = np.random.default_rng(3)
    names = tuple(f"x{place}" for place in range(10))
    triples = [(rng.choice(10, 3, replace=False), rng.normal()) for _ in range(12)]

    def say(given: pa.RecordBatch) -> np.ndarray:
        x = np.column_stack([column.to_numpy() for column in given.columns])
        return np.tanh(x[:, 0] - x[:, 1]) + sum(weight * np.prod(x[:, each] > 0, axis=1) for each, weight in triples) + x[:, 2] * x[:, 3]

    rows, background = rng.normal(size=(25, 10)), rng.normal(size=(60, 10))
    masks = (np.arange(1024)[:, None] >> np.arange(10) & 1).astype(bool)
    exact = []
    for row in rows:
        mixed = np.where(masks[:, None, :], row, background[None]).reshape(-1, 10)
        exact.append(by_definition(say(batch(mixed, names)).reshape(1024, -1).mean(axis=1).__getitem__, 10))
    for samples in (17, 60, 76, 136, 260):
        held = {0.95: [], 0.8: []}
        for seed in range(16):
            made = sampled(Game(say, batch(rows, names), batch(background, names), names), at_most=1e-9, budget=25 * 18 * samples + 85, seed=seed)
            for level, found in held.items():
                half = special.stdtrit(made.df, (1 + level) / 2)[:, None] * made.error
                found.append(np.abs(made.values - np.array(exact)) <= half)
        shares = {level: float(np.mean(found)) for level, found in held.items()}   # 4,000 intervals each
        # known to be too wide: of 17 it is not counted that no background row came twice, of 60 that all came once
        most = {17: (0.98, 0.9), 60: (1.0, 1.0)}.get(samples, (0.975, 0.87))
        assert 0.93 <= shares[0.95] <= most[0], (samples, shares)
        assert 0.77 <= shares[0.8] <= most[1], (samples, shares)
    for at_most in (0.3, 0.15, 0.08, 0.04):   # where the stopping rule decides
        held = {0.95: []}
        for seed in range(12):
            made = sampled(Game(say, batch(rows, names), batch(background, names), names), at_most=at_most, budget=10**7, seed=seed)
            half = special.stdtrit(made.df, 0.975)[:, None] * made.error
            held[0.95].append(np.abs(made.values - np.array(exact)) <= half)
            assert half.max() <= 1.5 * at_most
        assert 0.93 <= np.mean(held[0.95]) <= 0.975, (at_most, np.mean(held[0.95]))


def test_the_stopping_rule_spends_what_is_needed(data) -> None:
    rows, background = data
    spent = {}
    for at_most in (1.0, 0.1):
        game = Game(answer, batch(rows), batch(background), NAMES)
        sampled(game, at_most=at_most, budget=10**7)
        spent[at_most] = game.asked
    assert spent[0.1] > 4 * spent[1.0]
    game = Game(answer, batch(rows), batch(background), NAMES)
    sampled(game, at_most=1e-9, budget=40 * 400)
    assert game.asked <= 1.1 * 40 * 400


def test_values_hang_on_content_and_seed_only(data) -> None:
    rows, background = data
    whole = sampled(Game(answer, batch(rows), batch(background), NAMES), at_most=0.5, budget=40 * 600, seed=3)
    for part in (slice(0, 7), slice(7, 40)):
        some = rows[part]
        again = sampled(Game(answer, batch(some), batch(background), NAMES), at_most=0.5, budget=len(some) * 600 + 300, seed=3)
        assert np.abs(again.values - whole.values[part]).max() < 1e-12
    other = sampled(Game(answer, batch(rows), batch(background), NAMES), at_most=0.5, budget=40 * 600, seed=4)
    assert (other.values != whole.values).any()


def test_an_additive_model_needs_no_luck(data) -> None:
    rows, background = data

    def plain(given: pa.RecordBatch) -> np.ndarray:
        return sum((place + 1.0) * column.to_numpy() for place, column in enumerate(given.columns))

    small = background[:30]
    made = sampled(Game(plain, batch(rows), batch(small), NAMES), at_most=1e-6, budget=40 * 182 + 70)
    # 30 orders see each background row once
    assert np.abs(made.values - (rows - small.mean(axis=0)) * np.arange(1, 5)).max() < 1e-9


def test_columns_of_any_type_and_missing_values() -> None:
    rows = pa.record_batch({"kind": ["x", None], "on": [True, False], "n": [1, 2]})
    background = pa.record_batch({"kind": pa.array(["y", "x", None]).dictionary_encode(), "on": [True, None, True], "n": [1.0, None, 2.5]})

    def say(given: pa.RecordBatch) -> np.ndarray:
        kind = [each == "x" for each in given.column(0).to_pylist()]
        return np.array([2.0 * k + (o is True) + (n or 0) for k, o, n in zip(kind, *(given.column(i).to_pylist() for i in (1, 2)), strict=True)])

    game = Game(say, rows, background, ("kind", "on", "n"))
    made = sampled(game, at_most=0.01, budget=100_000)
    assert made.values[0].tolist() == pytest.approx([2 - 2 / 3, 1 - 2 / 3, 1 - 3.5 / 3])


def test_a_label_stays_with_its_row() -> None:
    rng = np.random.default_rng(2)
    rows, background = rng.normal(size=(5, 2)), rng.normal(size=(9, 2))
    asked = pa.record_batch({"a": rows[:, 0], "b": rows[:, 1], "label": np.arange(5.0)})

    def loss(given: pa.RecordBatch) -> np.ndarray:
        a, b, label = (column.to_numpy() for column in given.columns)
        return (a + b - label) ** 2

    made = sampled(Game(loss, asked, batch(background, ("a", "b")), ("a", "b")), at_most=0.0, budget=10**6)
    for row, label in zip(rows, range(5), strict=True):
        start = ((background.sum(axis=1) - label) ** 2).mean()
        assert made.values[label].sum() == pytest.approx((row.sum() - label) ** 2 - start)


def test_unary_and_set_influence(data) -> None:
    rows, background = data[0][:4], data[1][:50]
    game = Game(answer, batch(rows), batch(background), NAMES)
    made = unary(game, budget=10**6)
    for row, got in zip(rows, made.values, strict=True):
        for place in range(4):
            mixed = np.tile(row, (50, 1))
            mixed[:, place] = background[:, place]
            assert got[place] == pytest.approx(answer(batch(row[None]))[0] - answer(batch(mixed)).mean())
    assert not made.error.any()
    both = joint(game, ["a", "c"], budget=10**6).values[:, 0]
    mixed = np.tile(rows[0], (50, 1))
    mixed[:, [0, 2]] = background[:, [0, 2]]
    assert both[0] == pytest.approx(answer(batch(rows[:1]))[0] - answer(batch(mixed)).mean())
    few = unary(Game(answer, batch(rows), batch(background), NAMES), budget=4 * 4 * 36)
    assert (np.abs(few.values - made.values) <= 5 * few.error + 1e-12).all()   # skewed, and 35 of 50
    assert few.error.any()
    with pytest.raises(UnknownColumnError, match="no column 'aa'"):
        joint(game, ["aa"], budget=10)


def test_bad_input_is_a_sentence(data) -> None:
    with pytest.raises(DataError, match="background holds no rows"):
        Game(answer, batch(data[0]), batch(data[1][:0]), NAMES)
    made = sampled(Game(answer, batch(data[0][:0]), batch(data[1]), NAMES), at_most=0.1, budget=100)
    assert made.values.shape == (0, 4)


def owen(game, groups: list[list[int]]) -> np.ndarray:
    """Owen values by their definition: all orders of the groups, and of the players of each, of equal weight."""
    out, count = np.zeros(sum(map(len, groups))), 0
    for order in itertools.permutations(groups):
        for inner in itertools.product(*(itertools.permutations(each) for each in order)):
            seen, last = 0, game(0)
            for player in itertools.chain(*inner):
                seen |= 1 << player
                now = game(seen)
                out[player] += now - last
                last = now
            count += 1
    return out / count


def test_players_in_groups_have_the_values_of_owen() -> None:
    rng = np.random.default_rng(5)
    weights = rng.normal(size=(6, 6))
    names = tuple("abcdef")

    def say(given: pa.RecordBatch) -> np.ndarray:
        x = np.column_stack([column.to_numpy() for column in given.columns])
        return ((x @ weights) * x).sum(axis=1) + 3 * x[:, 0] * x[:, 3] * x[:, 5] + 2 * x[:, 0] * x[:, 1] * x[:, 2]

    game = Game(say, batch(np.ones((1, 6)), names), batch(np.zeros((1, 6)), names), names,
                levels=(np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 1, 2, 3, 3])))
    made = sampled(game, at_most=0.01, budget=300_000)

    def worth(coalition: int) -> float:
        return float(say(batch(np.array([[coalition >> place & 1 for place in range(6)]], float), names))[0])

    # one level: two groups of three
    flat = Game(say, game.rows, game.background, names, levels=(np.array([0, 0, 0, 1, 1, 1]),))
    single = sampled(flat, at_most=0.01, budget=300_000)
    expected = owen(worth, [[0, 1, 2], [3, 4, 5]])
    assert (np.abs(single.values[0] - expected) <= 4 * single.error[0] + 1e-9).all()
    # within the groups of the second level orders are fewer: all of them, one by one
    orders = []
    for first, second in itertools.permutations([[[0, 1], [2]], [[3], [4, 5]]]):
        for outer in itertools.product(itertools.permutations(first), itertools.permutations(second)):
            parts = [part for half in outer for part in half]
            orders += [list(itertools.chain(*each)) for each in itertools.product(*(itertools.permutations(part) for part in parts))]
    nested = np.zeros(6)
    for order in orders:
        seen, last = 0, worth(0)
        for player in order:
            seen |= 1 << player
            nested[player] += (worth(seen) - last) / len(orders)
            last = worth(seen)
    assert (np.abs(made.values[0] - nested) <= 4 * made.error[0] + 1e-9).all()
    assert np.abs(expected - nested).max() > 10 * made.error.max()   # they are not the same, and are told apart
    # a group gets what its players get, which is what it gets as a player; and all adds up
    halves, quarters = made.groups
    assert halves[0][0] == pytest.approx([made.values[0, :3].sum(), made.values[0, 3:].sum()])
    assert quarters[0][0] == pytest.approx([made.values[0, :2].sum(), made.values[0, 2], made.values[0, 3], made.values[0, 4:].sum()])
    as_players = by_definition(lambda coalition: worth((coalition & 1) * 7 | (coalition >> 1) * 56), 2)
    assert (np.abs(halves[0][0] - as_players) <= 4 * halves[1][0] + 1e-9).all()
    assert made.values.sum() + made.base == pytest.approx(made.output[0])


def test_background_rows_that_come_twice_count_once() -> None:
    """Values of a design in two strata are means over each background row once, and add up: against a sum by hand."""
    rng = np.random.default_rng(5)
    background, row = rng.normal(size=(40, 4)), rng.normal(size=(1, 4))
    names = ("a", "b", "c", "d")

    def add(given: pa.RecordBatch) -> np.ndarray:
        x = np.column_stack([column.to_numpy() for column in given.columns])
        return x[:, 0] * x[:, 1] + x[:, 2]   # each background row has values of its own, whatever the order

    for most in (56, 200):   # no more is drawn where orders make no difference
        made = sampled(Game(add, batch(row, names), batch(background, names), names, levels=(np.array([0, 0, 1, 1]),)),
                       at_most=1e-12, budget=most * 6 + 42, seed=most)
        assert made.pairs[0] == 56
        product = (row[0, 0] * row[0, 1] - background[:, 0] * background[:, 1]).mean()
        first = ((row[0, 0] - background[:, 0]) * (row[0, 1] + background[:, 1])).mean() / 2
        assert made.values[0] == pytest.approx([first, product - first, row[0, 2] - background[:, 2].mean(), 0.0], abs=1e-12)
        assert made.groups[0][0][0] == pytest.approx([product, row[0, 2] - background[:, 2].mean()], abs=1e-12)
        assert made.values[0].sum() == pytest.approx(made.output[0] - made.base)
