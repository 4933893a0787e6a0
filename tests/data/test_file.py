"""Files that are not what their names say, or not whole: one sentence each, at once or in the middle of reading."""

from __future__ import annotations

import contextlib
import gzip
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import ipc

from assay.data.source import source
from assay.errors import AssayError, DataError, EmptyDataError, UnreadableDataError

TABLE = pa.table({"a": np.arange(20_000), "x": np.random.default_rng(0).normal(size=20_000), "s": ["é", "b"] * 10_000})


def parquet(path: Path) -> bytes:
    pq.write_table(TABLE, path, row_group_size=5_000)
    return path.read_bytes()


def arrow(path: Path, writer: Callable = ipc.new_file) -> bytes:
    with writer(path, TABLE.schema) as out:
        out.write_table(TABLE, max_chunksize=5_000)
    return path.read_bytes()


def text() -> bytes:
    return b"a,b\n" + b"".join(b"%d,%d\n" % (each, each) for each in range(5_000))


def read(path: Path | str) -> int:
    return sum(batch.num_rows for batch in source(path).batches())


@pytest.mark.parametrize(("name", "content", "words"), [
    ("a.parquet", text(), "not Parquet as its name says, but text; hint: rename it to end in .csv"),
    ("a.arrow", text(), "not Arrow IPC as its name says, but text"),
    ("a.csv", "PARQUET", "not CSV as its name says, but Parquet; hint: rename it to end in .parquet"),
    ("a.txt", "ARROW", "not CSV as its name says, but Arrow IPC; hint: rename it to end in .arrow"),
    ("a.parquet", "ARROW", "not Parquet as its name says, but Arrow IPC"),
    ("a.parquet", b"", r"the file is empty \(0 bytes\)"), ("a.csv", b"", r"the file is empty \(0 bytes\)"), ("a.arrow", b"", "empty"),
    ("a.csv", b"\n\n  \n", "holds no text"), ("a.csv", b"\xef\xbb\xbf", "holds no text"),
    ("a.csv", bytes(range(256)) * 40, "not text: it holds zero bytes"), ("a.parquet", b"\x00\x01" * 99, "but something else"),
    ("a.parquet", b"PAR1" + b"x" * 99, "ends too early"), ("a.parquet", b"PAR1", "broken"),
    ("a.parquet", b"PAR1" + b"\xff" * 99 + b"PAR1", "broken"),
    ("a.arrow", b"ARROW1\0\0" + b"x" * 99, "ends too early"), ("a.arrow", b"ARROW1\0\0" + b"x" * 99 + b"ARROW1", "broken"),
    ("a.csv.gz", text(), "not compressed as its name says"), ("a.csv.gz", gzip.compress(text())[:-900], "broken or cut off"),
    ("a.csv", b"PK\x03\x04" + b"x" * 99, "a zip archive or an Excel workbook"),
    ("a.csv", b"SQLite format 3\0" + b"x" * 99, "an SQLite database"),
    ("a.csv", b"<!DOCTYPE html><html>", "a web page"), ("a.csv", "a,b\n1,2\n".encode("utf-16"), "UTF-16 text.*iconv"),
    ("a.data", text(), "does not say what kind of file"), ("a.pkl", b"\x80\x05\x95" + b"x" * 99, "a pickle, which can run code"),
    ("a.csv", "a,b\n1,é\n".encode("latin-1"), "the column 'b' holds bytes that are not UTF-8 text.*iconv"),
    ("a.csv", b"a,b\n" + b"1,x\n" * 2_500_000 + b"1,\xe9\n", "'b' holds bytes that are not UTF-8 text in row 2,500,002 "),
    ("a.csv", b"a,b\n1,2\n1,2,3\n", "a row has 3 fields in row 3.*'1,2,3'; expected 2 fields"),
    ("a.csv", b"a,b\n1,2\n1\n", "a row has 1 fields in row 3"),
    ("a.csv", b"a,a,b\n1,2,3\n", "more than one column called 'a'"),
    ("a.csv", b'a,"b\n' + b"x" * (1 << 20), "does not end within 1 MB"),
    ("a.csv", b"a,b\n1," + b"x" * (25 << 20) + b"\n", "longer than 8 MB"),
])
def test_one_sentence_says_what_is_wrong(name: str, content: bytes | str, words: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if isinstance(content, str):
        content = {"PARQUET": parquet, "ARROW": arrow}[content](tmp_path / "made")
    path.write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_binary_files_need_no_suffix(tmp_path: Path) -> None:
    parquet(tmp_path / "made")
    assert read(tmp_path / "made") == 20_000
    arrow(tmp_path / "other")
    assert read(tmp_path / "other") == 20_000


def test_what_is_not_there_is_told_with_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("a\n1\n")
    with pytest.raises(UnreadableDataError, match=r"no such file; hint: did you mean 'test.csv'"):
        source(tmp_path / "tset.csv")
    with pytest.raises(UnreadableDataError, match="there is no folder"):
        source(tmp_path / "nowhere" / "test.csv")
    with pytest.raises(EmptyDataError, match="holds no data files"):
        source(tmp_path.joinpath("empty").mkdir() or tmp_path / "empty")
    for strange in ("", "a\0b.csv"):
        with pytest.raises(DataError):
            source(strange)
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(UnreadableDataError, match="no regular file"):
        source(tmp_path / "pipe.csv")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not hold for this user")
def test_permissions_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n")
    path.chmod(0)
    with pytest.raises(UnreadableDataError, match=r"Permission denied.*check its permissions"):
        source(path)


def test_a_zip_of_a_csv_is_told(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.csv", "a\n1\n")
    with pytest.raises(UnreadableDataError, match=r"zip archive.*unpack it"):
        source(tmp_path / "a.zip")


@pytest.mark.parametrize("make", [parquet, arrow, lambda path: arrow(path, ipc.new_stream)], ids=["parquet", "file", "stream"])
@settings(max_examples=60)
@given(data=st.data())
def test_damage_in_the_middle_is_a_sentence_or_harmless(make: Callable[[Path], bytes], data: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    path = folder / ("a.parquet" if make is parquet else "a.arrow")
    content = bytearray(make(path))
    at = data.draw(st.integers(8, len(content) - 9))
    size = data.draw(st.integers(1, 64))
    content[at:at + size] = data.draw(st.binary(min_size=size, max_size=size))
    path.write_bytes(content)
    with contextlib.suppress(AssayError):   # and nothing else
        assert read(path) >= 0


def test_a_file_that_is_cut_off_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    content = parquet(path)
    batches = source(path)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(UnreadableDataError, match=r"broken|cut off"):
        list(batches.batches())
    path.unlink()
    with pytest.raises(UnreadableDataError, match="No such file"):
        list(batches.batches())


def test_text_that_is_not_utf8_is_found_in_binary_files(tmp_path: Path) -> None:
    bad = pa.StringArray.from_buffers(2, pa.py_buffer(np.array([0, 1, 2], np.int32)), pa.py_buffer(b"\xff\xfe"))
    for name, coded in (("a", bad), ("b", pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int32()), bad))):
        table = pa.table({"s": coded})
        pq.write_table(table, tmp_path / f"{name}.parquet")
        with pytest.raises(UnreadableDataError, match="the column 's' holds text that is not UTF-8"):
            read(tmp_path / f"{name}.parquet")
        with ipc.new_file(tmp_path / f"{name}.arrow", table.schema) as out:
            out.write_table(table)
        with pytest.raises(UnreadableDataError, match="values that are not valid"):
            read(tmp_path / f"{name}.arrow")
