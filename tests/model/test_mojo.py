"""MOJOs: small ones put together by hand, and ones that were made to do harm."""

from __future__ import annotations

import io
import struct
import time
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from assay.errors import ModelError
from assay.model import guard
from assay.model.load import load
from assay.model.trees import trees

ROWS = pa.record_batch({"age": [0.0, 0.5, 9.0, None], "town": ["a", "b", "zebra", None]})
INFO = {"algo": "gbm", "category": "Regression", "mojo_version": "1.40", "endianness": "LITTLE_ENDIAN", "n_features": 2, "n_classes": 1, "n_columns": 3,
        "n_domains": 1, "n_trees": 1, "n_trees_per_class": 1, "init_f": 10.0, "link_function": "identity", "distribution": "gaussian"}
SPLIT = struct.pack("<BHBfff", 0x70, 0, 2, 0.5, 1.0, 2.0)      # age below 0.5, or missing: 1, else 2
LEAF = struct.pack("<BHf", 0, 65_535, 7.0)


def mojo(info: dict | None = None, tree: bytes = SPLIT, parts: dict[str, bytes] | None = None, aux: bytes = b"", packed: int = zipfile.ZIP_DEFLATED) -> bytes:
    said = {**INFO, **(info or {})}
    text = "[info]\n" + "".join(f"{name} = {value}\n" for name, value in said.items() if value is not None)
    text += "[columns]\nage\ntown\ny\n[domains]\n1: 2 d000.txt\n"
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", packed) as archive:
        for name, data in ({"model.ini": text.encode(), "domains/d000.txt": b"a\nb\n", "trees/t00_000.bin": tree, "trees/t00_000_aux.bin": aux} | (parts or {})).items():
            archive.writestr(name, data)
    return made.getvalue()


def opened(folder: Path, data: bytes):
    (folder / "m.zip").write_bytes(data)
    return load(folder / "m.zip")


@pytest.mark.parametrize(("tree", "expected"), [(SPLIT, [11.0, 12.0, 12.0, 11.0]), (LEAF, [17.0] * 4)])
def test_a_tree_of_bytes(tmp_path, tree, expected) -> None:
    model = opened(tmp_path, mojo(tree=tree))
    assert guard.answer(model, ROWS).value.tolist() == expected
    held = trees(model)
    assert held.sums(held.matrix(ROWS))[:, 0].tolist() == expected
    assert (held.unit, held.base.tolist(), held.cover.tolist()) == ("value", [10.0], [0.0] * len(held.left))


def test_weights_of_nodes_come_along(tmp_path) -> None:
    beside = struct.pack("<iiffffffii", 0, 0, 30.0, 12.0, 0, 0, 0, 0, 1, 2)
    assert trees(opened(tmp_path, mojo(aux=beside))).cover.tolist() == [42.0, 30.0, 12.0]
    assert trees(opened(tmp_path, mojo(aux=beside[:-3]))).cover.tolist() == [0.0] * 3


@pytest.mark.parametrize(("link", "unit"), [("log", "log"), ("inverse", None)])
def test_the_link_is_the_unit_of_the_trees(tmp_path, link, unit) -> None:
    held = trees(opened(tmp_path, mojo({"link_function": link})))
    assert (None if held is None else held.unit) == unit


def lying() -> bytes:
    """The tree says in the directory of the archive that it has three bytes; its data unpack to more."""
    whole = bytearray(mojo())
    at = whole.find(b"PK\x01\x02", whole.find(b"PK\x01\x02", whole.find(b"PK\x01\x02") + 1) + 1)
    assert b"t00_000.bin" in whole[at:at + 80]
    whole[at + 24:at + 28] = struct.pack("<I", 3)
    return bytes(whole)


ROUND = struct.pack("<BHBfB", 0, 0, 2, 0.5, 0)     # a left part of no bytes: both sides would be the same bytes
HARM = {
    "leads out": lambda: mojo(parts={"../evil.bin": b"x"}), "an absolute path": lambda: mojo(parts={"/etc/evil": b"x"}),
    "a bomb": lambda: mojo(parts={"trees/t00_001.bin": bytes(100 * 2**20)}), "sizes that lie": lying, "cut off": lambda: mojo()[:-30],
    "no end of trees": lambda: mojo({"n_trees": 2**31 - 1}), "no end of classes": lambda: mojo({"n_trees": 100_000, "n_trees_per_class": 10**9, "n_classes": 10**9}),
    "not a number": lambda: mojo({"n_trees": "nan"}), "beyond all numbers": lambda: mojo({"n_features": "1e999"}), "no features": lambda: mojo({"n_features": 0}),
    "more features than columns": lambda: mojo({"n_features": 9}), "no start": lambda: mojo({"init_f": None}), "another link": lambda: mojo({"link_function": "tweedie"}),
    "another algorithm": lambda: mojo({"algo": "deeplearning"}), "an offset": lambda: mojo({"offset_column": "age"}), "balanced": lambda: mojo({"balance_classes": "true"}),
    "another order of bytes": lambda: mojo({"endianness": "BIG_ENDIAN"}), "a tree that is cut": lambda: mojo(tree=SPLIT[:-2]),
    "a tree in itself": lambda: mojo(tree=ROUND * 200), "a column that is not there": lambda: mojo(tree=struct.pack("<BHBfff", 0x70, 7, 2, 0.5, 1, 2)),
    "bits without end": lambda: mojo(tree=struct.pack("<BHBHI", 0x7C, 1, 2, 0, 2**32 - 1)), "a list of categories that is not there": lambda: mojo(parts={"model.ini": b""}),
}


@pytest.mark.parametrize("name", HARM)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_harm_is_refused_in_time(tmp_path, name) -> None:
    data = HARM[name]()
    began = time.monotonic()
    with pytest.raises(ModelError):
        opened(tmp_path, data)
    assert time.monotonic() - began < 10
    assert [each.name for each in tmp_path.iterdir()] == ["m.zip"]


def test_what_is_hashed_is_what_is_loaded(tmp_path, monkeypatch) -> None:
    """A file that is replaced after its digest was taken: the answers are still those of the digest."""
    import hashlib

    from assay.model.file import File

    first, second = mojo(), mojo({"init_f": 1000.0})
    path = tmp_path / "m.zip"
    path.write_bytes(first)
    digest = File.digest.func

    def swapped(self: File) -> str:
        found = digest(self)
        path.write_bytes(second)
        return found

    from functools import cached_property

    late = cached_property(swapped)
    late.__set_name__(File, "digest")
    monkeypatch.setattr(File, "digest", late)
    model = load(path)
    assert model.digest == hashlib.sha256(first).hexdigest()
    np.testing.assert_array_equal(guard.answer(model, ROWS).value, [11.0, 12.0, 12.0, 11.0])
