"""Hashes are the same for equal values, spread like chance, and the same in every release."""

from __future__ import annotations

import decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from assay.summary.hashing import hashes, mixed, row_hashes, small_hashes
from assay.summary.resample import GROUPS, groups
from tests.strategies.summary import arrays

FAR = 2**53


def same(*columns) -> None:
    found = [hashes(each) for each in columns]
    for each in found[1:]:
        assert np.array_equal(each, found[0])


def test_equal_numbers_hash_alike_in_any_type():
    values = [0, 1, 2, 100, None]
    same(*(pa.array(values, kind) for kind in (pa.int8(), pa.int64(), pa.uint64(), pa.float16(), pa.float32(), pa.float64())),
         pa.array([None if each is None else decimal.Decimal(each) for each in values], pa.decimal128(18, 0)),
         pa.array([0.0, 1.0, 2.0, 100.0, float("nan")]), np.array([-0.0, 1, 2, 100, np.nan]), pa.array(values).dictionary_encode(),
         pa.chunked_array([[0, 1], [2, 100, None]]), pa.array([9, 9, *values, 9]).slice(2, 5))
    same(np.arange(5), np.arange(5.0), np.arange(5, dtype=np.uint8), pa.array(range(5)))
    same(pa.array([True, False, None]), pa.array([1, 0, None]))


def test_large_whole_numbers_are_told_apart():
    near = np.arange(FAR - 3, FAR + 1000)
    assert len(np.unique(hashes(near))) == len(near)
    assert len(np.unique(hashes(-near))) == len(near)
    same(np.array([FAR, 2**60, -(2**60), -(2**63)]), np.array([FAR, 2**60, -(2**60), -(2**63)], float))
    same(np.array([2**63, 2**64 - 2**12], np.uint64), np.array([2**63, 2**64 - 2**12], float))
    assert len(np.unique(hashes(np.array([1e19, 1e300, -1e300, np.inf, -np.inf, 1e-308, 5e-324])))) == 7


def test_equal_texts_hash_alike_in_any_encoding():
    values = ["", "a", "é", "日本語", "x" * 127, "x" * 128, "x" * 129, "y" * 1000, None]
    plain = pa.array(values)
    same(plain, plain.cast(pa.large_string()), plain.cast(pa.string_view()), plain.dictionary_encode(), plain.cast(pa.binary()),
         pa.concat_arrays([plain, plain, plain]).slice(len(values), len(values)), np.array(values, object),
         pa.DictionaryArray.from_arrays(pa.array([*range(8), 8], pa.uint8()), plain))


def test_instants_hash_alike_in_any_unit():
    seconds = pa.array([0, 86_400, -5, None], pa.timestamp("s"))
    same(seconds, *(seconds.cast(pa.timestamp(unit)) for unit in ("ms", "us", "ns")))
    same(pa.array([0, 1, -3, None], pa.date32()), pa.array([0, 1, -3, None], pa.date32()).cast(pa.timestamp("ns")),
         pa.array([0, 1, -3, None], pa.date32()).cast(pa.date64()))
    fine = pa.array([1, 999_999, -1, 1_700_000_000_123_456], pa.timestamp("us"))
    same(fine, fine.cast(pa.timestamp("ns")))
    assert len(np.unique(hashes(pa.array(np.arange(10**18, 10**18 + 1000), pa.timestamp("ns"))))) == 1000
    same(pa.array([3, None], pa.duration("s")), pa.array([3000, None], pa.duration("ms")))


def test_every_length_and_tail_counts():
    texts = [letter * length + tail for letter in "ab\0" for length in range(41) for tail in ("", "\0", "\0\0", "c")]
    different = sorted(set(texts))
    assert len(np.unique(hashes(pa.array(different)))) == len(different)
    assert hashes(pa.array(["a"]))[0] != hashes(pa.array(["a\0"]))[0]
    rng = np.random.default_rng(0)
    for length in [*range(1, 41), 127, 128, 129, 130]:  # one changed byte, wherever, is another text
        base = rng.integers(1, 256, length).astype(np.uint8)
        changed = [base.tobytes()]
        for place in range(length):
            other = base.copy()
            other[place] ^= 1
            changed.append(other.tobytes())
        assert len(np.unique(hashes(pa.array(changed, pa.binary())))) == length + 1


@given(array=arrays(), salt=st.integers(0, 5))
def test_a_hash_depends_on_nothing_but_the_value(array, salt):
    if pa.types.is_nested(array.type):
        return
    whole = hashes(array, salt)
    alone = [hashes(array.slice(place, 1), salt)[0] for place in range(len(array))]
    assert whole.tolist() == alone


SETS = {
    "small whole numbers": lambda n: np.arange(n), "negative": lambda n: -np.arange(n), "hundreds": lambda n: np.arange(n) * 100,
    "thousandths": lambda n: np.arange(n) / 1000, "large": lambda n: np.arange(n) + 2**60,
    "texts": lambda n: pa.array([f"id{each}" for each in range(n)]), "padded": lambda n: pa.array([f"{each:032d}" for each in range(n)]),
    "instants": lambda n: pa.array(np.arange(n) * 1_000_003, pa.timestamp("us")),
}


@pytest.mark.parametrize("name", SETS)
def test_a_million_values_do_not_collide_and_spread_evenly(name):
    n = 1_000_000 if name in ("small whole numbers", "texts") else 200_000
    found = hashes(SETS[name](n))
    assert len(np.unique(found)) == n  # 3e-8 collisions are expected
    for shift in (0, 8, 20, 40, 56):  # any byte: low bits, those that choose groups, and the highest, which order samples
        counts = np.bincount((found >> np.uint64(shift)).astype(np.int64) & 255, minlength=256)
        assert stats.chisquare(counts).pvalue > 1e-5
    assert stats.kstest(found[::10] / 2.0**64, "uniform").pvalue > 1e-5
    part = np.bincount(groups(SETS[name](n)), minlength=GROUPS)
    assert stats.chisquare(part).pvalue > 1e-5


def test_one_bit_in_turns_half_of_the_bits_out():
    rng = np.random.default_rng(1)
    words = rng.integers(0, 2**63, 4000).astype(np.uint64)
    for bit in range(64):
        turned = mixed(words) ^ mixed(words ^ np.uint64(1 << bit))
        share = np.unpackbits(turned.view(np.uint8)).reshape(len(words), 64).mean(axis=0)
        assert np.abs(share - 0.5).max() < 0.06  # 7 standard errors


def test_salts_are_independent():
    one, two = hashes(np.arange(100_000)), hashes(np.arange(100_000), 5)
    joint = np.bincount((one >> np.uint64(60)).astype(np.int64) * 16 + (two >> np.uint64(60)).astype(np.int64), minlength=256)
    assert stats.chisquare(joint).pvalue > 1e-5


def test_no_value_is_in_every_sample():
    first = [hashes(np.array([0.0]), salt)[0] / 2.0**64 for salt in range(200)]
    assert stats.kstest(first, "uniform").pvalue > 1e-3
    assert mixed(np.zeros(1, np.uint64))[0] != 0


def test_rows_depend_on_the_order_of_columns():
    a, b = pa.array([1, 2, 1, None]), pa.array(["x", "x", None, "x"])
    found = row_hashes([a, b])
    assert len(set(found.tolist())) == 4
    assert not set(found.tolist()) & set(row_hashes([b, a]).tolist())
    assert row_hashes([a, a])[0] != row_hashes([a, pa.array([2, 1, 2, 1])])[0]
    grid = [each.ravel() for each in np.meshgrid(np.arange(300), np.arange(300))]
    assert len(np.unique(row_hashes(grid))) == 90_000


def test_a_few_long_texts_do_not_hold_up_the_others():
    """A megabyte in one row used to cost a hundred thousand passes over all rows."""
    values = pa.array(["short"] * 1000 + ["x" * 3_000_000])
    assert hashes(values)[0] == hashes(pa.array(["short"]))[0]
    assert hashes(values)[-1] != hashes(pa.array(["x" * 2_999_999 + "y"]))[0]


RECORDED = [
    ["bea0d327f1a4c160", "71f3d1177642b571", "e8a1f3e316bb8837", "7bfa86e56c4a763a", "7dd503d4faf175c8"],
    ["44dbb7d49dd1b5f1", "c866cef9b6cc5e0b", "2e8d08654cc7cf57"],
    ["c10655bd640d75d7", "7f29695958713444", "0387c843ea34674d", "5058be345adfbf5e", "eb4aad9ac4129463", "4078b999015a38ec"],
    ["bea0d327f1a4c160", "c66626e2df12dbd9"],
    ["71f3d1177642b571", "bea0d327f1a4c160"],
]
ROW = "c6a930383119853e"
GROUP = [26, 88, 120, 111, 31]


def test_known_answers_never_change():
    """Whoever changes these changes every stored sample and group."""
    columns = [pa.array([0, 1, -1, 2**53 + 1, None]), pa.array([0.5, float("inf"), 1e300]), pa.array(["", "a", "a\0", "assay", "é" * 20, "x" * 200]),
               pa.array([0, 1_700_000_000_123_456_789], pa.timestamp("ns")), pa.array([True, False])]
    assert [[f"{each:016x}" for each in hashes(column)] for column in columns] == RECORDED
    assert f"{row_hashes(columns[:1] * 2)[1]:016x}" == ROW
    assert groups(np.arange(5)).tolist() == GROUP


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53).map(float), max_size=60), st.integers(0, 2**64 - 1))
def test_small_hashes_are_those_of_hashes_up_to_a_bound(values, most):
    ordered = np.sort(np.array(values, np.float64) + 0.0)
    plain = hashes(ordered)
    assert np.array_equal(small_hashes(ordered, most), plain[plain <= np.uint64(most)])


def test_small_hashes_of_many_blocks_with_a_bound_that_is_one_of_them():
    ordered = np.arange(100_000.0) / 3
    plain = hashes(ordered)
    for most in (int(plain[7]), int(plain.min()), int(plain.max()), 2**64 - 1, (int(plain[9]) | 0xFFFFFFFF), int(plain[11]) & ~0xFFFFFFFF):
        assert np.array_equal(small_hashes(ordered, most), plain[plain <= np.uint64(most)])
