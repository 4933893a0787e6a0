"""Evidence of estimates and of the labels that come later: what is allowed, what is found, and that nothing is lost between windows."""

from __future__ import annotations

import json

import numpy as np
import pytest

from assay.monitor.guess import Guard, Guess, Guesses, Past, fallen, issued, matured, needed, scored

COST = 600.0
GUARD = Guard("auc", 0.70, "higher", "0.70 (auc >= 0.70)")


def series(rng, windows: int, *, true: float = 0.75, noise: float = 0.02, error: float = 0.01, shift=lambda at: 0.0,
           concept=lambda at: 0.0, own: float = 0.0) -> tuple[Guesses, list[int], list[int]]:
    """Return the guesses after a series, and the windows in which estimates and labels paged.

    All windows share the reference's error; ``own`` is what windows differ by beyond what rows explain.
    """
    state, low, off = Guesses(), [], []
    shared = rng.normal(0, error)
    for at in range(windows):
        expected = true + shift(at)
        value = expected + shared + rng.normal(0, noise / 2)
        past = Past(at, f"2026-01-01T{at}", 2000, issued(state, {"auc": Guess(value, noise, error)}))
        state, harm, _ = fallen(state.with_past(past), past, [GUARD], COST)
        low += [at] if harm.page else []
        realised = expected + concept(at) + rng.normal(0, noise) + rng.normal(0, own)
        guess = past.guesses["auc"]
        shown = {"auc": Guess(guess.value, guess.noise, guess.error, realised=realised, labels=2000)}
        state, harm, _ = matured(state, at, shown, {"auc": "higher"}, COST)
        off += [at] if harm.page else []
    return state, low, off


def test_it_survives_the_store():
    state = series(np.random.default_rng(0), 40, shift=lambda at: -0.15 if at > 20 else 0.0)[0]
    assert Guesses.from_json(json.loads(json.dumps(state.to_json()))) == state
    assert state.lows


def test_nothing_is_paged_where_nothing_is_wrong():
    rng = np.random.default_rng(1)
    found = [series(rng, 100) for _ in range(12)]
    assert sum(len(low) + len(off) for _, low, off in found) <= 1   # 2 x 12 x 100 / 600 = 4 are allowed


@pytest.mark.parametrize(("drop", "within"), [(-0.15, 5), (-0.12, 10)])
def test_estimates_that_fall_page(drop, within):
    rng = np.random.default_rng(2)
    found = [series(rng, 40, shift=lambda at: drop if at >= 25 else 0.0)[1] for _ in range(10)]
    assert all(low and 25 <= low[0] <= 25 + within and len(low) == 1 for low in found), found   # once, for as long as it lasts


@pytest.mark.parametrize(("change", "within"), [(-0.20, 6), (-0.12, 10)])
def test_labels_that_disagree_page(change, within):
    rng = np.random.default_rng(3)
    found = [series(rng, 50, concept=lambda at: change if at >= 30 else 0.0) for _ in range(10)]
    assert all(off and 30 <= off[0] <= 30 + within and len(off) == 1 for _, _, off in found), [off for _, _, off in found]
    assert not any(low for _, low, _ in found)   # estimates cannot see it


def test_days_that_are_used_to_differ_are_no_concept_shift():
    rng = np.random.default_rng(4)
    found = [series(rng, 100, own=0.06)[2] for _ in range(10)]   # by three times what rows explain
    assert sum(map(len, found)) <= 1


def test_better_labels_wake_nobody():
    assert not series(np.random.default_rng(5), 60, concept=lambda at: 0.2 if at >= 30 else 0.0)[2]


def test_a_refused_window_says_nothing_and_teaches_nothing():
    state = series(np.random.default_rng(6), 30)[0]
    past = Past(30, "2026-02-01", 2000, issued(state, {"auc": Guess(0.2, 0.02, 0.01)}), "too few labelled rows count")
    after, harm, parts = fallen(state.with_past(past), past, [GUARD], COST)
    assert not parts
    assert not harm.page
    assert after.low == state.low
    shown = {"auc": Guess(0.2, 0.02, 0.01, realised=0.9, labels=2000)}
    after, harm, parts = matured(after, 30, shown, {"auc": "higher"}, COST)
    assert not parts
    assert after.known == state.known
    assert after.past[-1].guesses["auc"].realised == 0.9   # and is shown all the same
    assert scored(after.past, "auc").windows == 30


def test_labels_of_a_window_that_is_forgotten_change_nothing():
    state = series(np.random.default_rng(7), 5)[0]
    assert matured(state, 99, {"auc": Guess(0.7, 0.02, 0.01, realised=0.1, labels=50)}, {"auc": "higher"}, COST)[0] == state


def test_windows_that_are_remembered_are_bounded():
    state = Guesses()
    for at in range(30):
        state = state.with_past(Past(at, "", 10), most=20)
    assert [each.number for each in state.past] == list(range(10, 30))


def test_so_many_labels_settle_it():
    rng = np.random.default_rng(8)
    guess, rows, gap = Guess(0.75, 0.433 / 2000**0.5, 0.005), 2000, 0.08   # accuracy of three in four
    count = needed(guess, rows, gap)
    assert 100 <= count <= 130
    far = [abs((rng.random(count) < 0.75).mean() - 0.75) for _ in range(4000)]
    assert 0.93 <= np.mean(np.array(far) <= gap) <= 0.975
    assert needed(guess, rows, 0.0) == rows
    assert needed(guess, rows, 0.9) == 20


def test_the_account_of_estimates_counts_what_it_says():
    state = series(np.random.default_rng(9), 60)[0]
    done = scored(state.past, "auc")
    guesses = [each.guesses["auc"] for each in state.past]
    assert done.windows == 60
    assert done.error == pytest.approx(np.mean([abs(each.realised - each.value) for each in guesses]))
    assert done.inside == pytest.approx(np.mean([each.low <= each.realised <= each.high for each in guesses]))
    assert done.floor == pytest.approx(0.02 * (2 / np.pi) ** 0.5)


@pytest.mark.slow
def test_false_pages_keep_to_the_budget_even_at_the_bound():
    rng = np.random.default_rng(10)
    windows, many = 300, 60
    expected = windows * many / COST
    at_the_bound = sum(len(series(rng, windows, true=0.70, error=0.0)[1]) for _ in range(many))
    quiet = sum(len(series(rng, windows, own=0.03)[2]) for _ in range(many))
    assert at_the_bound <= expected + 3 * expected**0.5, at_the_bound
    assert quiet <= expected + 3 * expected**0.5, quiet
