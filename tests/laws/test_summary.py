"""Laws of every summary, found through the registry: it adds, in any split and order; bytes bring it back; groups sum to the whole.

One row in ``CASES`` for a new summary: how to make it, and columns to draw for it. A kind without a row fails.
"""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import SummaryError
from assay.summary import SUMMARIES, Need, Profile, Summary, parse
from assay.summary.resample import GROUPS, Replicates
from tests.strategies.summary import arrays, indices, numbers

CLASSES = 3


@dataclass(frozen=True)
class Case:
    """``make(grouped)`` gives an empty summary; ``columns`` draws what ``update`` takes; ``exact``: any split gives the same bits.

    ``weighted``: takes weights and groups; ``seen`` is what has to agree, the state unless said otherwise.
    """

    make: Callable[[bool], Summary]
    columns: st.SearchStrategy[tuple[Any, ...]]
    exact: bool = True
    weighted: bool = True
    seen: Callable[[Any], Any] = lambda summary: dict(summary.fields())


def codes(rows: int, most: int = CLASSES) -> st.SearchStrategy[np.ndarray]:
    return st.lists(st.integers(0, most - 1), min_size=rows, max_size=rows).map(lambda each: np.array(each, np.int64))


def floats(rows: int, low: float, high: float) -> st.SearchStrategy[np.ndarray]:
    one = st.sampled_from([low, high, 0.0, -0.0 if low <= 0 else low, (low + high) / 2]) | st.floats(low, high)
    return st.lists(one, min_size=rows, max_size=rows).map(lambda each: np.array(each, np.float64))


def tame(rows: int) -> st.SearchStrategy[np.ndarray]:
    """Numbers of which none is so near 0 that dividing by it drowns the others."""
    return st.lists(st.integers(-(10**6), 10**6), min_size=rows, max_size=rows).map(lambda each: np.array(each, float) / 1000)


def labelled(*made: Callable[[int], st.SearchStrategy[Any]]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.integers(0, 25).flatmap(lambda rows: st.tuples(*(each(rows) for each in made)))


def matrix(made: Callable[[int], st.SearchStrategy[np.ndarray]], width: int) -> Callable[[int], st.SearchStrategy[np.ndarray]]:
    return lambda rows: made(rows * width).map(lambda each: each.reshape(rows, width))


column = arrays().map(lambda each: (each,))
CASES: dict[str, Case] = {
    "moments": Case(lambda grouped: SUMMARIES["moments"](), column, exact=False, weighted=False),
    "histogram": Case(lambda grouped: SUMMARIES["histogram"](edges=(-1.0, 0.0, 1e-308, 1.5, 1e9, 1e300)), column, weighted=False),
    "quantiles": Case(lambda grouped: SUMMARIES["quantiles"](), column, weighted=False),
    "distinct": Case(lambda grouped: SUMMARIES["distinct"](), column, weighted=False),
    "frequent": Case(lambda grouped: SUMMARIES["frequent"](size=64), column, weighted=False),
    "confusion": Case(lambda grouped: SUMMARIES["confusion"](classes=CLASSES, grouped=grouped), labelled(codes, codes)),
    "labels": Case(lambda grouped: SUMMARIES["labels"](labels=2, grouped=grouped),
                   labelled(matrix(lambda rows: codes(rows, 2), 2), matrix(lambda rows: codes(rows, 2), 2))),
    "paired confusion": Case(lambda grouped: SUMMARIES["paired confusion"](classes=CLASSES, grouped=grouped), labelled(codes, codes, codes)),
    "scores": Case(lambda grouped: SUMMARIES["scores"](size=1024, grouped=grouped), labelled(codes, lambda rows: floats(rows, -1e308, 1e308))),
    "losses": Case(lambda grouped: SUMMARIES["losses"](task="multiclass", grouped=grouped),
                   labelled(codes, matrix(lambda rows: floats(rows, 0.0, 1.0), CLASSES)), exact=False),
    "residuals": Case(lambda grouped: SUMMARIES["residuals"](grouped=grouped),
                      labelled(tame, tame), exact=False,
                      seen=lambda summary: {"n": np.array(summary.n), **vars(summary.view())}),
    "rows": Case(lambda grouped: SUMMARIES["rows"](width=2, size=1000),
                 labelled(lambda rows: codes(rows, 8), lambda rows: floats(rows, -2.0, 2.0), codes)),
}
BUILTIN = [kind for kind in SUMMARIES if SUMMARIES[kind].__module__.startswith("assay.")]
kinds = pytest.mark.parametrize("kind", BUILTIN)


def test_every_summary_is_held_to_the_laws():
    assert set(BUILTIN) <= set(CASES), f"add to CASES: {set(BUILTIN) - set(CASES)}"
    for kind in BUILTIN:
        assert SUMMARIES[kind].kind == kind
        assert SUMMARIES[kind].inputs


def filled(kind: str, columns: tuple[Any, ...], rows: np.ndarray | None = None, *, grouped: bool = False,
           weight: np.ndarray | None = None, group: np.ndarray | None = None) -> Any:
    """Return a summary of the chosen rows."""
    summary = CASES[kind].make(grouped)
    chosen = [each if rows is None else taken(each, rows) for each in columns]
    more: dict[str, Any] = {}
    if weight is not None:
        more["weight"] = weight if rows is None else weight[rows]
    if group is not None:
        more["group"] = group if rows is None else group[rows]
    summary.update(*chosen, **more)
    return summary


def taken(values: Any, rows: np.ndarray) -> Any:
    return values.take(pa.array(rows, pa.int64())) if isinstance(values, pa.Array | pa.ChunkedArray) else values[rows]


def agree(kind: str, first: Any, second: Any, *, exact: bool | None = None, rtol: float = 1e-9) -> None:
    case = CASES[kind]
    mine, theirs = case.seen(first), case.seen(second)
    assert mine.keys() == theirs.keys()
    for name, value in mine.items():
        if isinstance(value, str | bool) or (case.exact if exact is None else exact):
            assert np.array_equal(value, theirs[name], equal_nan=np.asarray(value).dtype.kind == "f"), name
        else:
            a, b = np.asarray(value, float), np.asarray(theirs[name], float)
            odd = ~(np.isfinite(a) & np.isfinite(b))  # sums that overflow do so in one order and not in the other
            scale = max(float(np.abs(b[~odd]).max(initial=0)), 1e-300)
            assert np.allclose(a[~odd], b[~odd], rtol=rtol, atol=rtol * scale), name
            assert kind == "moments" or not odd.any() or np.array_equal(np.isnan(a), np.isnan(b)), name


@kinds
@given(data=st.data())
@settings(max_examples=40)
def test_any_split_and_any_order_of_the_rows_is_the_same(kind, data):
    columns = data.draw(CASES[kind].columns)
    rows = np.array(data.draw(st.permutations(range(len(columns[0])))), np.int64)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=4)))
    whole = filled(kind, columns)
    parts = [filled(kind, columns, part) for part in np.split(rows, cuts)]
    left = parts[0]
    for part in parts[1:]:
        left = left.merge(part)
    right = parts[-1]
    for part in reversed(parts[:-1]):
        right = part.merge(right)
    updated = CASES[kind].make(False)
    for part in np.split(rows, cuts):
        updated.update(*(taken(each, part) for each in columns))
    for each in (left, right, updated):
        agree(kind, each, whole)
        assert each.n == whole.n == len(rows)


@kinds
@given(data=st.data())
@settings(max_examples=25)
def test_it_is_a_commutative_monoid_that_changes_nobody(kind, data):
    one, two, three = (filled(kind, data.draw(CASES[kind].columns)) for _ in range(3))
    empty = CASES[kind].make(False)
    before = [each.dump() for each in (one, two, three, empty)]
    assert empty.merge(one).dump() == one.dump() == one.merge(empty).dump()
    assert empty.merge(empty) == empty
    agree(kind, one.merge(two), two.merge(one))
    agree(kind, one.merge(two).merge(three), one.merge(two.merge(three)))
    made = one.merge(two)
    kept = made.dump()
    for each in (one, two):  # what was merged lives on by itself
        each.update(*data.draw(CASES[kind].columns))
        assert made.dump() == kept
    made.update(*data.draw(CASES[kind].columns))
    assert [each.dump() for each in (three, empty)] == before[2:]
    assert parse(before[0]).dump() == before[0]


@kinds
@given(data=st.data())
@settings(max_examples=25)
def test_update_changes_no_column_and_keeps_none(kind, data):
    columns = data.draw(CASES[kind].columns)
    if not all(isinstance(each, np.ndarray) for each in columns):
        return  # Arrow arrays cannot be changed
    weight, group = np.arange(1.0, len(columns[0]) + 1), np.arange(len(columns[0])) % GROUPS
    before = copy.deepcopy((columns, weight, group))
    summary = CASES[kind].make(True)
    summary.update(*columns, weight=weight, group=group)
    for mine, old in zip((*columns, weight, group), (*before[0], *before[1:]), strict=True):
        assert np.array_equal(mine, old)
    expected = copy.deepcopy(summary).dump()
    for each in (*columns, weight, group):
        each[...] = 0
    assert summary.dump() == expected


@kinds
@given(data=st.data())
@settings(max_examples=40)
def test_bytes_bring_it_back(kind, data):
    grouped = CASES[kind].weighted and data.draw(st.booleans())
    columns = data.draw(CASES[kind].columns)
    group = np.arange(len(columns[0])) * 7 % GROUPS
    summary = filled(kind, columns, grouped=grouped, group=group) if data.draw(st.booleans()) else CASES[kind].make(grouped)
    again = parse(summary.dump())
    assert again == summary
    assert again.n == summary.n
    assert type(again) is type(summary)
    assert type(summary).parse(summary.dump()) == summary
    assert pickle.loads(pickle.dumps(summary)) == summary
    assert again.merge(summary).dump() == summary.merge(summary).dump()
    again.update(*columns, group=group)  # what was read can be added to
    summary.update(*columns, group=group)
    agree(kind, again, summary)


@kinds
def test_the_empty_one_has_bytes_and_views(kind):
    for grouped in (False, True):
        summary = CASES[kind].make(grouped)
        assert parse(summary.dump()) == summary
        assert summary.n == 0
        if hasattr(summary, "replicates"):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                summary.view()
                summary.replicates()


@kinds
@given(data=st.data())
@settings(max_examples=25)
def test_whole_weights_are_repeated_rows_and_groups_sum_to_the_whole(kind, data):
    case = CASES[kind]
    if not case.weighted:
        return
    columns = data.draw(case.columns)
    rows = len(columns[0])
    weight = np.array(data.draw(st.lists(st.integers(0, 3), min_size=rows, max_size=rows)), float)
    group = np.array(data.draw(st.lists(st.sampled_from([0, 1, 5, 127]), min_size=rows, max_size=rows)), np.int64)
    repeated = np.repeat(np.arange(rows), weight.astype(int))
    weighted, plain = filled(kind, columns, weight=weight), filled(kind, columns, repeated)
    for a, b in zip(flat(weighted), flat(plain), strict=True):
        assert np.allclose(a, b, rtol=1e-9, atol=1e-6, equal_nan=True)
    if kind == "rows":
        return
    grouped = filled(kind, columns, grouped=True, group=group)
    for a, b in zip(flat(grouped), flat(filled(kind, columns)), strict=True):
        assert np.allclose(a, b, rtol=1e-9, atol=1e-6, equal_nan=True)
    with pytest.raises(SummaryError):
        filled(kind, columns, grouped=True)
    if rows:
        for wrong in (-1, GROUPS):
            with pytest.raises(SummaryError):
                filled(kind, columns, grouped=True, group=np.full(rows, wrong))


def flat(summary: Any) -> list[np.ndarray]:
    """Return what is seen of a summary as arrays; of scores and rows that have weight."""
    if summary.kind == "rows":
        some = summary.counts > 0
        return [summary.keys[some].astype(float), summary.values[some], summary.counts[some]]
    view = summary.view()
    if summary.kind == "scores":
        some = view.counts.sum(axis=1) > 0
        return [view.scores[some] / 1e308, view.counts[some]]
    parts = view if isinstance(view, tuple) else (view,)
    return [np.asarray(value, float) for part in parts for value in vars(part).values() if value is not None]


@kinds
@given(data=st.data())
@settings(max_examples=25)
def test_jackknife_leaves_out_one_group_after_the_other(kind, data):
    case = CASES[kind]
    if not case.weighted or kind == "rows":
        return
    columns = data.draw(case.columns)
    rows = len(columns[0])
    group = np.array(data.draw(st.lists(st.sampled_from([0, 3, 64, 127]), min_size=rows, max_size=rows)), np.int64)
    resampled: Replicates[Any] = filled(kind, columns, grouped=True, group=group).replicates()
    used = np.unique(group)
    assert (resampled.kind, resampled.df) == ("jackknife", max(len(used) - 1, 1))
    parts = resampled.view if isinstance(resampled.view, tuple) else (resampled.view,)
    for place, each in enumerate(used):
        naive = filled(kind, columns, np.flatnonzero(group != each)).view()
        for part, whole in zip(parts, naive if isinstance(naive, tuple) else (naive,), strict=True):
            if kind == "scores":  # cells are coarser than scores: 25 rows fit, one score a cell or a few
                assert np.allclose(part.counts[place].sum(axis=0), whole.counts.sum(axis=0))
                assert (part.scores[1:] >= part.scores[:-1]).all()
                assert abs(area(part.counts[place]) - area(whole.counts)) < 0.01
                continue
            for name, value in vars(part).items():
                if value is not None:
                    found, expected = np.asarray(value)[place], np.asarray(getattr(whole, name))
                    assert np.allclose(found, expected, rtol=1e-6, atol=1e-3, equal_nan=True), name


def area(counts: np.ndarray) -> float:
    """The area under the ROC curve, 0.5 where there is none."""
    negatives, positives = counts[:, 0], counts[:, 1]
    pairs = negatives.sum() * positives.sum()
    below = np.cumsum(negatives) - negatives
    return float((positives * (below + negatives / 2)).sum() / pairs) if pairs else 0.5


@kinds
@given(data=st.data())
@settings(max_examples=15)
def test_two_models_on_the_same_rows_keep_the_same_groups(kind, data):
    """What was said of a row does not decide whether its group counts."""
    case = CASES[kind]
    if not case.weighted or kind == "rows":
        return
    columns = data.draw(case.columns)
    rows = len(columns[0])
    group = np.array(data.draw(st.lists(st.integers(0, 127), min_size=rows, max_size=rows)), np.int64)
    other = (columns[0], *(np.zeros_like(each) for each in columns[1:]))
    sizes = {len(first(filled(kind, each, grouped=True, group=group).replicates().view)) for each in (columns, other)}
    assert len(sizes) == 1


def first(view: Any) -> np.ndarray:
    part = view[0] if isinstance(view, tuple) else view
    return part.counts if hasattr(part, "counts") else next(iter(vars(part).values()))


@kinds
def test_it_refuses_to_merge_with_another_kind_or_set_up(kind):
    others = [CASES[each].make(False) for each in BUILTIN if each != kind]
    summary = CASES[kind].make(False)
    for other in others:
        with pytest.raises(SummaryError):
            summary.merge(other)
        assert summary != other
    if CASES[kind].weighted and kind != "rows":
        with pytest.raises(SummaryError, match="different grouped"):
            summary.merge(CASES[kind].make(True))


@given(data=st.data())
@settings(max_examples=25)
def test_profiles_add_like_what_is_in_them(data):
    need = Need("moments", ("x",))
    sides = []
    for _ in range(2):
        profile = Profile(rows=data.draw(st.integers(0, 5)))
        for key in data.draw(st.lists(st.sampled_from([(), (("a", "b"),), (("a", None), ("c", 2.5)), (("a", True),)]), unique=True)):
            profile.summary(key, need).update(data.draw(numbers))
        sides.append(profile)
    one, two = sides
    before = one.dump(), two.dump()
    both = one.merge(two)
    assert both.rows == one.rows + two.rows
    assert set(both) == set(one) | set(two)
    assert Profile.parse(both.dump()) == both
    assert Profile().merge(one) == one == one.merge(Profile())
    for place in both:
        agree("moments", both[place], (one.get(place) or need.empty()).merge(two.get(place) or need.empty()))
        both[place].update([1.0])
    assert (one.dump(), two.dump()) == before


@given(array=arrays(), data=st.data())
@settings(max_examples=60)
def test_encodings_of_the_same_column_are_the_same(array, data):
    """Slices of larger arrays, chunks, dictionaries with repeated entries: only the values count."""
    whole = filled("distinct", (array,)), filled("frequent", (array,)), filled("quantiles", (array,))
    for other in indices(array, data.draw):
        for kind, expected in zip(("distinct", "frequent", "quantiles"), whole, strict=True):
            agree(kind, filled(kind, (other,)), expected)
