"""Laws of the evidence: bets are fair, sums are e-detectors, the fast step is the plain one, and any page can be replayed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from assay.errors import SummaryError
from assay.monitor import tail
from assay.monitor.baseline import Season
from assay.monitor.budget import Account
from assay.monitor.evidence import COMMON, State, Tuning, judged, step
from assay.monitor.reading import Readings, Stream
from tests.monitor.plain import Plain

ALPHA = 0.75 / 30


def fleet(streams: int, columns: int = 5) -> tuple[Stream, ...]:
    kinds = ("mean", "spread", "shift", "varieties")
    return tuple(Stream(f"source {at // (4 * columns)}", f"column {at // 4 % columns}", kinds[at % 4]) for at in range(streams))


def run(names: tuple[Stream, ...], windows: list[np.ndarray], *, state: State | None = None, start: int = 0, **options: object) -> tuple[State, list]:
    state, found = state or State(), []
    for day, x in enumerate(windows, start):
        state, outcome = step(state, Readings(names, x, np.full(len(names), 0.005)), alpha=ALPHA, season=Season.daily(day % 7), **options)
        found.append(outcome)
    return state, found


class TestBets:
    @pytest.mark.parametrize(("cut", "share"), [(0.0, 0.0), (1e-4, 0.3), (1e-6, 0.9), (0.01, 1.0)])
    def test_a_bet_on_a_uniform_p_value_expects_one(self, cut: float, share: float) -> None:
        # in ln p, where both the mixture and the jump are seen
        def integrand(log: float) -> float:
            return float(tail.e_value(np.array([math.exp(log)]), 0.0, 0.0)[0]) * math.exp(log)

        found = integrate.quad(integrand, -300, 0, limit=500, points=[-1e-3, -1, -10])[0]
        # what is beyond the greatest payment, 1e15, is not paid: 1 / 50 of it
        assert 0.97 <= found <= 1 + 1e-6
        jump = float(tail.e_value(np.array([cut]), cut, share)[0] - (1 - share) * tail.e_value(np.array([cut]))[0]) if share else 0.0
        assert jump * cut == pytest.approx(share if cut else 0.0, abs=1e-9)

    def test_a_bet_on_a_lasting_shift_expects_one(self) -> None:
        def integrand(z: float, row: int, sided: bool) -> float:
            p = float(2 * stats.norm.sf(abs(z))) if not sided or z > 0 else 1.0
            return float(tail.bets(np.array([p]), np.array([0.0 if sided else np.sign(z)]))[row, 0]) * float(stats.norm.pdf(z))

        for row in range(2 * len(tail.BETS)):
            for sided in (False, True):
                found = sum(integrate.quad(integrand, low, low + 4, args=(row, sided))[0] for low in range(-16, 16, 4))
                assert found == pytest.approx(1, abs=1e-6) if not sided else found <= 1 + 1e-6

    @given(st.floats(1e-12, 1), st.floats(1e-12, 1))
    def test_a_smaller_p_value_pays_no_less(self, p: float, q: float) -> None:
        low, high = tail.e_value(np.array([min(p, q), max(p, q)]), 1e-4, 0.3).tolist()
        assert low >= high * (1 - 1e-9)

    def test_the_tail_of_t_is_found_again(self) -> None:
        rng = np.random.default_rng(0)
        pools = np.zeros((2, tail.BINS))
        for _ in range(300):
            z = np.concatenate((0.7 * rng.standard_t(4, 20), 0.7 * rng.normal(size=20)))
            pools = tail.added(pools, np.repeat([0, 1], 20), z)
        nu, scale = tail.fitted(pools, np.array([0, 1]))
        for at, far in ((0, 2 * stats.t.sf(6 / 0.7, 4)), (1, 2 * stats.norm.sf(6 / 0.7))):
            claimed = float(tail.p_value(np.array([6.0]), nu[at : at + 1], scale[at : at + 1])[0])
            assert claimed >= far / 1.5  # never a thinner tail than there is; of a Gauss curve the fit is careful
        assert 2.5 <= nu[0] <= 6
        assert nu[1] >= 8

    def test_one_event_has_one_vote(self) -> None:
        alone = tail.added(np.zeros((1, tail.BINS)), np.zeros(1, int), np.array([9.0]))
        many = tail.added(np.zeros((1, tail.BINS)), np.zeros(9, int), np.full(9, 9.0))
        assert many == pytest.approx(alone)

    def test_a_t_fitted_to_zeros_is_no_cauchy(self) -> None:
        pools = np.zeros((1, tail.BINS))
        for day in range(200):
            pools = tail.added(pools, np.zeros(30, int), np.concatenate((np.zeros(29), [3.0 if day % 20 == 0 else 0.0])))
        nu, scale = tail.fitted(pools, np.zeros(1, int))
        assert float(tail.p_value(np.array([40.0]), nu, scale)[0]) < 1e-4


class TestSums:
    def test_the_sum_of_fair_bets_less_time_is_a_martingale(self) -> None:
        rng = np.random.default_rng(1)
        sums = np.zeros(200_000)
        for _ in range(5):
            sums = tail.e_value(rng.uniform(size=len(sums)), 1e-2, 0.3) * (sums + 1)
        # its expectation is 5, of which rare fortunes hold a part: they are cut off, as their mean in a sample says nothing
        assert 2.5 < np.minimum(sums, 2_000).mean() <= 5

    def test_pages_of_fair_bets_keep_the_bound(self) -> None:
        rng = np.random.default_rng(2)
        bound, groups, streams, pages = 40.0, 500, 20, 0
        sums = np.zeros((groups, streams))
        for _ in range(365):
            sums = tail.e_value(rng.uniform(size=sums.shape), 0.3 / bound / streams, 0.3) * (sums + 1)
            high = sums.mean(axis=1) >= bound
            pages += int(high.sum())
            sums[high] = 0
        assert pages / groups <= 365 / bound
        assert pages / groups >= 0.15 * 365 / bound  # and is no empty promise


class TestStep:
    @given(st.integers(0, 2**32 - 1), st.floats(0, 3), st.floats(0, 0.9), st.sampled_from([0.0, 4.0]))
    @settings(max_examples=8)
    def test_the_fast_step_is_the_plain_one(self, seed: int, season: float, phi: float, jump: float) -> None:
        rng = np.random.default_rng(seed)
        names = (Stream("source", "one", "mean"), Stream("source", "two", "spread"), Stream("other", "three", "mean"))
        plain = [Plain(), Plain(), Plain()]
        state, rest = State(), np.zeros(3)
        tuning = Tuning(learning=10_000)  # evidence alone: no page holds learning up
        for day in range(70):
            rest = phi * rest + 0.1 * rng.normal(size=3)
            x = np.array([5, -1, 0.3]) + rest + season * np.sin(day % 7) + (jump if day == 50 else 0.0)
            v = 0.005 * rng.uniform(0.5, 2, 3)
            state, outcome = step(state, Readings(names, x, v), alpha=ALPHA, season=Season.daily(day % 7), tuning=tuning)
            z = [each.step(one, variance, day % 7) for each, one, variance in zip(plain, x.tolist(), v.tolist(), strict=True)]
            assert outcome.z == pytest.approx(z, rel=1e-6, abs=1e-6)
        for name in ("memory", "noise", "sampling", "cross", "within"):
            assert getattr(state.past, name) == pytest.approx([getattr(each, name) for each in plain], rel=1e-6, abs=1e-9)

    def test_a_replay_is_the_same_to_the_bit(self) -> None:
        rng = np.random.default_rng(4)
        names = fleet(40)
        windows = [rng.normal(size=40) for _ in range(60)]
        first, seen = run(names, windows)
        half, _ = run(names, windows[:30])
        again, rest = run(names, windows[30:], state=State.parse(half.dump()), start=30)
        assert first.dump() == again.dump()
        assert all(np.array_equal(a.e, b.e) for a, b in zip(seen[30:], rest, strict=True))

    def test_a_step_changes_nothing_in_place(self) -> None:
        names = fleet(40)
        rng = np.random.default_rng(5)
        state, _ = run(names, [rng.normal(size=40) for _ in range(40)])
        before = state.dump()
        run(names, [rng.normal(size=40) + 9 for _ in range(3)], state=state, start=40)
        assert state.dump() == before

    def test_a_late_window_computed_again_gives_what_it_would_have_given(self) -> None:
        names = fleet(40)
        rng = np.random.default_rng(6)
        windows = [rng.normal(size=40) for _ in range(50)]
        states = [State()]
        for day, x in enumerate(windows):
            states.append(run(names, [x], state=states[-1], start=day)[0])
        windows[45] = windows[45] + 1  # late rows
        late, _ = run(names, windows[45:], state=State.parse(states[45].dump()), start=45)
        live, _ = run(names, windows)
        assert late.dump() == live.dump()

    def test_streams_come_and_go(self) -> None:
        rng = np.random.default_rng(7)
        few, more = fleet(20), fleet(60)
        state, _ = run(few, [rng.normal(size=20) for _ in range(30)])
        state, _ = run(more, [rng.normal(size=60) for _ in range(30)], state=state, start=30)
        state, found = run(more[::-1][:7], [rng.normal(size=7) for _ in range(30)], state=state, start=60)
        assert set(more) <= set(state.streams)
        place = state.index.place
        assert [state.past.n[place[each]] for each in (few[0], more[-1])] == [60, 60]
        assert not any(page.state == "opened" for outcome in found for page in outcome.pages)
        assert State.parse(state.dump()).dump() == state.dump()

    def test_the_order_of_streams_does_not_matter(self) -> None:
        rng = np.random.default_rng(8)
        names = fleet(20)
        windows = [rng.normal(size=20) for _ in range(40)]
        order = rng.permutation(20)
        _, first = run(names, windows)
        _, other = run(tuple(names[at] for at in order), [x[order] for x in windows])
        assert np.allclose(first[-1].e[order], other[-1].e[:20], rtol=1e-9)

    def test_nan_and_infinity_say_nothing(self) -> None:
        rng = np.random.default_rng(9)
        names = fleet(20)
        windows = [rng.normal(size=20) for _ in range(40)]
        windows[35][:3] = np.nan, np.inf, -np.inf
        state, found = run(names, windows)
        assert np.isfinite(state.sums).all()
        assert np.isfinite(state.past.noise).all()
        assert found[35].e[:3].tolist() == [1, 1, 1]

    def test_what_is_not_what_was_written_is_refused(self) -> None:
        data = bytearray(State().dump())
        data[-1] ^= 1
        with pytest.raises(SummaryError):
            State.parse(bytes(data))


class TestPages:
    def windows(self, days: int, seed: int, streams: int = 20) -> list[np.ndarray]:
        rng = np.random.default_rng(seed)
        return [rng.normal(size=streams) * 0.1 + 1 for _ in range(days)]

    def test_a_break_pages_once_goes_on_and_passes(self) -> None:
        windows = self.windows(100, 0)
        for day in (60, 61, 62):
            windows[day][0] += 5
        _, found = run(fleet(20), windows)
        states = [[page.state for page in outcome.pages if page.state != "ticket"] for outcome in found]
        assert states[60] == ["opened"]
        assert states[61] == states[62] == ["going on"]
        assert [outcome.passed for outcome in found[63:65]].count(("source 0",)) == 1
        assert sum("opened" in each for each in states) == 1
        assert str(found[60].pages[0].moved[0].stream) == "mean of column 0"

    def test_what_does_not_pass_is_accepted_and_silent(self) -> None:
        windows = self.windows(140, 11)
        for day in range(60, 140):
            windows[day][0] += 5
        _, found = run(fleet(20), windows)
        assert [day for day, outcome in enumerate(found) for page in outcome.pages if page.state == "opened"] == [60]
        assert sum(len(outcome.accepted) for outcome in found) == 1

    def test_a_dismissed_page_widens_and_a_confirmed_one_leaves_no_trace(self) -> None:
        windows = self.windows(61, 2)
        windows[60][0] += 5
        state, found = run(fleet(20), windows)
        assert [page.state for page in found[60].pages] == ["opened"]
        false, true = judged(state, "source 0", False), judged(state, "source 0", True)
        assert false.past.memory[0] > 10
        assert true.past.memory[0] == state.past.memory[0]
        assert true.account.balance > false.account.balance
        again = self.windows(10, 3)
        again[5][0] += 5
        assert not [page for outcome in run(fleet(20), again, state=false, start=61)[1] for page in outcome.pages if page.state == "opened"]
        assert [page for outcome in run(fleet(20), again, state=true, start=61)[1] for page in outcome.pages if page.state == "opened"]

    def test_no_stream_pages_while_it_learns(self) -> None:
        windows = self.windows(30, 4)
        windows[20] += 50
        _, found = run(fleet(20), windows)
        assert not any(outcome.pages for outcome in found)

    def test_the_account_bounds_pages_whatever_the_data_are(self) -> None:
        rng = np.random.default_rng(5)
        windows = [rng.standard_cauchy(40) * np.exp(rng.normal(0, 3)) for _ in range(400)]
        _, found = run(fleet(40), windows, tuning=Tuning(learning=10))
        opened = sum(page.state == "opened" for outcome in found for page in outcome.pages)
        assert opened <= 1 + ALPHA * 400

    def test_a_holiday_neither_pages_nor_teaches(self) -> None:
        windows = self.windows(61, 6)
        windows[60] += 50
        before, _ = run(fleet(20), windows[:60])
        after, found = run(fleet(20), windows[60:], state=before, start=60, resting=["source 0"])
        assert not found[0].pages
        assert np.array_equal(after.past.level, before.past.level)

    def test_a_small_common_movement_is_seen_together(self) -> None:
        names = tuple(Stream("source", f"column {at}", "mean") for at in range(12))
        rng = np.random.default_rng(7)
        windows = [0.1 * rng.normal(size=12) for _ in range(90)]
        windows[80] += 0.35
        state, found = run(names, windows)
        place = state.index.place[Stream("source", "", COMMON + "mean")]
        assert found[80].z[place] > 5
        assert abs(found[80].z[:12]).max() < 8

    def test_a_slow_leak_is_seen_by_the_reference_that_stays(self) -> None:
        names = tuple(Stream("source", f"column {at}", "missing") for at in range(6))
        rng = np.random.default_rng(8)
        windows = []
        for day in range(160):
            share = np.full(6, 0.05) + np.array([0.0025 * max(day - 80, 0), 0, 0, 0, 0, 0])
            windows.append(np.arcsin(np.sqrt(rng.binomial(1000, share) / 1000)))
        state, found = State(), []
        for day, x in enumerate(windows):
            state, outcome = step(state, Readings(names, x, np.full(6, 0.25 / 1000)), alpha=ALPHA, season=Season.daily(day % 7))
            found += [(day, page) for page in outcome.pages if page.state == "opened"]
        assert found
        assert 81 <= found[0][0] <= 130
        assert found[0][1].moved[0].stream.column == "column 0"


@given(st.lists(st.sampled_from(["fill", "spend", "true", "false"]), max_size=60), st.floats(0.01, 0.5))
def test_an_account_never_pays_more_than_it_had(actions: list[str], rate: float) -> None:
    account, windows = Account(), 0
    for each in actions:
        if each == "fill":
            account, windows = account.filled(rate), windows + 1
        elif each == "spend" and account.open:
            account = account.spent()
        elif each == "true" and account.paged - account.confirmed - account.dismissed > 0:
            account = account.judged(True)
        elif each == "false" and account.paged - account.confirmed - account.dismissed > 0:
            account = account.judged(False)
    assert account.paged - account.confirmed <= 1 + rate * windows + 1e-9
    assert Account.from_json(account.to_json()) == account


@pytest.mark.slow
@pytest.mark.parametrize("heavy", [False, True])
def test_quiet_fleets_stay_within_the_budget(heavy: bool) -> None:
    pages = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        names, state = fleet(200), State()
        for day in range(56 + 365):
            x = (rng.standard_t(5, 200) if heavy else rng.normal(size=200)) * 0.1
            state, outcome = step(state, Readings(names, x, np.full(200, 0.002)), alpha=ALPHA, season=Season.daily(day % 7), tuning=Tuning(learning=56))
            pages += sum(page.state in ("opened", "withheld") for page in outcome.pages)
    assert pages / 4 <= 365 * ALPHA


class TestDrift:
    def test_a_shift_that_the_level_follows_is_found_over_days_and_once(self) -> None:
        rng = np.random.default_rng(11)
        names = fleet(40)
        quiet_ = [0.1 * rng.normal(size=40) for _ in range(150)]
        state, found = run(names, quiet_, tuning=Tuning(learning=28))
        assert sum(page.state == "opened" for outcome in found for page in outcome.pages) <= 1
        first, pages = 0, 0
        for day in range(150, 215):
            x = 0.1 * rng.normal(size=40)
            x[0] += min(0.02 * (day - 149), 0.4)  # a fifth of its noise more each day: no day is an outlier
            state, (outcome,) = run(names, [x], state=state, start=day, tuning=Tuning(learning=28))
            for page in outcome.pages:
                if page.state == "opened":
                    first, pages = first or day, pages + 1
                    assert page.moved[0].stream == names[0]
                    assert page.moved[0].slow
                    state = judged(state, page.source, False)
        assert 155 <= first <= 185
        assert pages <= 2  # what was dismissed is where the level is now
