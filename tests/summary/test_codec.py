"""No byte can be changed unnoticed, no header is believed, and what version 1 wrote is read for ever."""

from __future__ import annotations

import copy
import json
import resource
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import SummaryError
from assay.summary import SUMMARIES, Need, Profile, Summary, codec, parse
from tests.summary.examples import examples

HEAD = struct.Struct("<6sBII")
MADE = examples()
kinds = pytest.mark.parametrize("kind", list(MADE))
RECORDED = json.loads((Path(__file__).parent / "version1.json").read_text("utf-8"))


def profile() -> Profile:
    found = Profile(rows=5, unlabelled=1, model_rows=4)
    found.summary((), Need("histogram", ("x",), (("edges", (0.5, 1.5)),))).update([1.0, 2.0])
    found.summary((("sex", "f"),), Need("moments", ("x",))).update([1.0, 2.0])
    found.summary((("sex", None),), Need("frequent", ("é",), (("size", 10),))).update(["a"])
    return found


def sealed(magic: bytes, header: bytes, body: bytes, version: int = 1) -> bytes:
    """Return bytes with a right checksum, as an attacker would make them."""
    check = zlib.crc32(body, zlib.crc32(header, zlib.crc32(struct.pack("<6sBI", magic, version, len(header)))))
    return HEAD.pack(magic, version, check, len(header)) + header + body


def opened(data: bytes) -> tuple[bytes, dict, bytes]:
    magic, _, _, size = HEAD.unpack_from(data)
    return magic, json.loads(data[HEAD.size : HEAD.size + size]), data[HEAD.size + size :]


@kinds
def test_what_version_1_wrote_is_read(kind):
    recorded = bytes.fromhex(RECORDED[kind])
    assert parse(recorded) == MADE[kind]
    assert MADE[kind].dump() == recorded  # and still written so


def test_a_profile_of_version_1_is_read():
    recorded = bytes.fromhex(RECORDED["profile"])
    assert Profile.parse(recorded) == profile()
    assert profile().dump() == recorded


@st.composite
def damages(draw: st.DrawFn, data: bytes) -> bytes:
    place = draw(st.integers(0, len(data) - 1) | st.integers(0, 40))
    what = draw(st.sampled_from(["flip", "cut", "head", "insert", "remove", "swap"]))
    out = bytearray(data)
    if what == "flip":
        out[place] ^= draw(st.integers(1, 255))
    elif what == "cut":
        del out[place:]
    elif what == "head":
        del out[: place + 1]
    elif what == "insert":
        out[place:place] = draw(st.binary(min_size=1, max_size=9) | st.sampled_from([b" ", b"\n", b"\0" * 8]))
    elif what == "remove":
        del out[place : place + draw(st.integers(1, 8))]
    else:
        other = draw(st.integers(0, len(data) - 1))
        out[place], out[other] = out[other], out[place]
    return bytes(out)


@kinds
@given(data=st.data())
@settings(max_examples=120)
def test_damage_is_always_found(kind, data):
    whole = MADE[kind].dump()
    damaged = data.draw(damages(whole))
    if damaged != whole:
        with pytest.raises(SummaryError):
            parse(damaged)


@given(data=st.data())
@settings(max_examples=200)
def test_damage_to_a_profile_is_always_found(data):
    whole = profile().dump()
    damaged = data.draw(damages(whole))
    if damaged != whole:
        with pytest.raises(SummaryError):
            Profile.parse(damaged)


def test_every_bit_of_a_small_summary_matters():
    whole = MADE["distinct"].dump()
    for place in range(len(whole)):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            with pytest.raises(SummaryError):
                parse(bytes(damaged))


JUNK = st.recursive(st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5) | st.sampled_from(
    [-1, 0, 1, 2, 4096, 2**31, 2**53, 2**63, 2**64, 10**400, "1", "x", float("nan")]),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=3), each, max_size=2), max_leaves=5)


@kinds
@given(data=st.data())
@settings(max_examples=150)
def test_hostile_fields_make_an_error_or_a_summary(kind, data):
    """Checksums fit, fields lie: an error, or a summary that works."""
    fields = copy.deepcopy(dict(MADE[kind].fields()))
    for name in data.draw(st.lists(st.sampled_from([*fields, "more"]), min_size=1, max_size=2)):
        old = fields.get(name)
        if isinstance(old, np.ndarray) and data.draw(st.booleans()):
            fields[name] = changed(old, data)
        else:
            fields[name] = data.draw(JUNK)
    works(codec.dump(kind, fields))


def changed(old: np.ndarray, data: st.DataObject) -> np.ndarray:
    how = data.draw(st.sampled_from(["value", "dtype", "shape", "longer", "shorter", "reversed"]))
    if how == "value" and old.size:
        out = old.copy()
        odd = [0, -1, 1, 2**53, 2**62, 2**63 - 1] if out.dtype.kind == "i" else [0, 255] if out.dtype.kind == "u" else \
            [float("nan"), float("inf"), -float("inf"), -1.0, -0.0, 1e308, 0.5, 2.0**60]
        out.flat[data.draw(st.integers(0, out.size - 1))] = data.draw(st.sampled_from(odd))
        return out
    if how == "dtype":
        return old.astype(data.draw(st.sampled_from(["<f8", "<i8", "<u8", "<i4", "|u1", "|i1"])), casting="unsafe")
    if how == "shape":
        return old.reshape(-1) if old.ndim > 1 else old[None]
    if how == "longer":
        return np.concatenate([old, old]) if old.ndim else old[None]
    return old[:-1] if how == "shorter" else old[::-1]


def works(data: bytes) -> None:
    try:
        summary = parse(data)
    except SummaryError:
        return
    again = parse(summary.dump())
    assert again == summary
    assert summary.n >= 0
    with np.errstate(all="ignore"):
        summary.merge(summary)
        for name in ("view", "replicates", "edges", "top", "estimate", "error", "variance", "kurtosis", "points", "values", "share", "tied"):
            found = getattr(summary, name, None)
            if callable(found):
                found()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # astype of numbers that do not fit
def test_each_field_is_needed_and_of_its_type():
    for kind, summary in MADE.items():
        for name in summary.fields():
            for odd in (None, "x", [], {}, True, -1, 1.5, float("nan"), np.array(1.0), np.zeros((2, 2, 2))):
                fields = {**summary.fields(), name: odd}
                works(codec.dump(kind, fields))
            with pytest.raises(SummaryError):
                parse(codec.dump(kind, {key: value for key, value in summary.fields().items() if key != name}))


@pytest.mark.parametrize("header", [
    b"", b"[]", b"{}", b"null", b"[" * 100_000, b'{"kind":' * 50_000, b'{"kind": NaN}', b'"\xff"', b"1" * 10_000,
    b'{"kind":"moments","plain":{},"arrays":[]}', b'{"kind":"moments","plain":[],"arrays":{}}', b'{"kind":["moments"],"plain":{},"arrays":[]}',
    b'{"kind":"nobody","plain":{},"arrays":[]}', b'{"kind":"../moments","plain":{},"arrays":[]}',
    b'{"kind":"distinct","plain":{"rows":1},"arrays":[["kept","<u8",[-1]]]}', b'{"kind":"distinct","plain":{"rows":1},"arrays":[["kept","|O",[1]]]}',
    b'{"kind":"distinct","plain":{"rows":1},"arrays":[["kept","<u8",[1073741824,1073741824,1073741824,1073741824]]]}',
    b'{"kind":"distinct","plain":{"rows":1},"arrays":[["kept","<u8",[0,1073741824,1073741824]]]}',
    b'{"kind":"distinct","plain":{"rows":1},"arrays":[["kept","<u8",[1.0]]]}', b'{"kind":"distinct","plain":{"rows":1},"arrays":[["kept","<u8",[true]]]}',
    b'{"kind":"distinct","plain":{"rows":1},"arrays":[["kept","<u8"]]}', b'{"kind":"distinct","plain":{"rows":1},"arrays":["kept"]}',
    b'{"kind":"distinct","plain":{"rows":1e999},"arrays":[["kept","<u8",[0]]]}', b'{"kind":"distinct","plain":{"kept":1},"arrays":[["kept","<u8",[0]]]}',
])
def test_hostile_headers_are_refused(header):
    for magic, read in ((b"ASSAYS", parse), (b"ASSAYP", Profile.parse)):
        with pytest.raises(SummaryError):
            read(sealed(magic, header, b""))


@pytest.mark.parametrize(("kind", "plain", "array"), [
    ("confusion", {"classes": 4096, "grouped": True, "rows": 0}, "counts"), ("confusion", {"classes": 2048, "grouped": False, "rows": 0}, "counts"),
    ("labels", {"labels": 4096, "grouped": True, "rows": 0}, "counts"), ("paired confusion", {"classes": 64, "grouped": True, "rows": 0}, "counts"),
    ("rows", {"width": 10_000, "size": 100_000_000, "rows": 0, "cut": None}, "values"),
    ("scores", {"size": 1 << 24, "grouped": True, "of": 1, "rows": 0, "dropped": 0}, "counts"),
    ("frequent", {"size": 1_000_000, "nulls": 0, "present": 0, "error": 0}, "counts"),
])
def test_a_small_header_makes_no_large_memory(kind, plain, array):
    header = json.dumps({"kind": kind, "plain": plain, "arrays": [[array, "<f8", [0]]]}).encode()
    tracemalloc.start()
    with pytest.raises(SummaryError):
        parse(sealed(b"ASSAYS", header, b""))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 256 << 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 << 20  # KiB


def test_a_header_of_megabytes_is_not_even_parsed():
    with pytest.raises(SummaryError):
        parse(sealed(b"ASSAYS", b"[" + b"[]," * 1_000_000 + b"[]]", b""))


def test_other_versions_are_named():
    magic, header, body = opened(MADE["moments"].dump())
    with pytest.raises(SummaryError, match="version 2"):
        parse(sealed(magic, json.dumps(header).encode(), body, version=2))
    with pytest.raises(SummaryError):
        parse(sealed(magic, json.dumps(header).encode(), body, version=0))


def test_kinds_are_not_mixed_up():
    with pytest.raises(SummaryError, match="'moments'"):
        SUMMARIES["distinct"].parse(MADE["moments"].dump())
    with pytest.raises(SummaryError):
        Profile.parse(MADE["moments"].dump())
    with pytest.raises(SummaryError):
        parse(profile().dump())


@given(data=st.data())
@settings(max_examples=150)
def test_hostile_profiles_make_an_error_or_a_profile(data):
    magic, index, body = opened(profile().dump())
    for _ in range(data.draw(st.integers(1, 2))):
        name = data.draw(st.sampled_from(list(index)))
        inner = index[name]
        if isinstance(inner, list) and inner and data.draw(st.booleans()):
            place = data.draw(st.integers(0, len(inner) - 1))
            if isinstance(inner[place], list) and inner[place] and data.draw(st.booleans()):
                inner[place][data.draw(st.integers(0, len(inner[place]) - 1))] = data.draw(JUNK)
            else:
                inner[place] = data.draw(JUNK)
        else:
            index[name] = data.draw(JUNK)
    try:
        found = Profile.parse(sealed(magic, json.dumps(index).encode(), body))
    except SummaryError:
        return
    assert Profile.parse(found.dump()) == found
    assert all(need.asks_for(summary) for (_, need), summary in found.items())


def test_a_profile_is_what_its_index_says():
    magic, index, body = opened(profile().dump())
    swapped = {**index, "items": [[0, *each[1:]] if place else [2, *each[1:]] for place, each in enumerate(index["items"])]}
    Profile.parse(sealed(magic, json.dumps(swapped).encode(), body))  # another slice is another profile, but a whole one
    for need in (["moments", ["x"], [["edges", [0.5, 1.5]]]], ["histogram", ["x"], [["edges", [0.5, 1.0]]]], ["histogram", ["x"], [["of", 1]]]):
        with pytest.raises(SummaryError):
            Profile.parse(sealed(magic, json.dumps({**index, "needs": [need, *index["needs"][1:]]}).encode(), body))


def test_too_much_is_not_written():
    with pytest.raises(SummaryError, match="too many"):
        codec.sealed(b"ASSAYS", {}, b"\0" * 100, most=50)
    assert isinstance(MADE["rows"], Summary)
