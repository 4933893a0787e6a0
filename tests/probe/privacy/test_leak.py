"""Values and rows of training data in files: of models that keep them, of models that do not, and in files that lie."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from pathlib import Path

import joblib
import numpy as np
import pytest

from assay.probe.privacy.leak import held, leaked, rows_held

NAMES = [f"person-{place:04d}@example.org" for place in range(60)]


@pytest.mark.parametrize("packed", [bytes, gzip.compress, zlib.compress, bz2.compress, lzma.compress, "zip"])
def test_values_are_found_however_the_file_is_packed(packed, tmp_path: Path) -> None:
    content = b"\x00\x80model\x05" + b"\x00\x17".join(each.encode() for each in NAMES[:40])
    if packed == "zip":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("weights", content)
        data = buffer.getvalue()
    else:
        data = packed(content)
    (tmp_path / "model").write_bytes(data)
    found, note = held(tmp_path / "model")
    made = leaked(found, NAMES[:30], NAMES[40:], what="mail")
    assert (made.found, made.of, made.found_unseen, note) == (30, 30, 0, None)
    assert made.certain
    assert "example" not in made.example   # a finding does not repeat what leaked


def test_what_both_have_and_what_anything_has_says_nothing() -> None:
    content = " ".join(NAMES).encode()
    assert leaked(content, NAMES[:20], NAMES[:20], what="mail").of == 0
    both = leaked(content, NAMES[:20], NAMES[20:40], what="mail")
    assert (both.found, both.found_unseen, both.certain) == (20, 20, False)
    assert leaked(b"abc", ["abc"], ["xyz"], what="short").of == 0


def test_broken_archives_are_looked_through_as_they_are(tmp_path: Path) -> None:
    for data in (b"PK\x03\x04" + b"broken " + NAMES[0].encode(), b"\x1f\x8b" + NAMES[0].encode(), b"x\x9c" + NAMES[0].encode(), b""):
        (tmp_path / "model").write_bytes(data)
        found, _ = held(tmp_path / "model")
        assert leaked(found, NAMES[:1], NAMES[1:], what="mail").found == (1 if data else 0)


def test_neighbours_keep_their_rows_and_a_line_does_not(tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    rows = np.random.default_rng(0).normal(size=(120, 4))
    labels = (rows[:, 0] > 0).astype(int)
    for made, kept in ((KNeighborsClassifier(), 60), (LogisticRegression(), 0)):
        joblib.dump(made.fit(rows[:60], labels[:60]), tmp_path / "m.joblib", compress=3)
        found = rows_held(held(tmp_path / "m.joblib")[0], rows[:60], rows[60:])
        assert (found.found, found.found_unseen, found.certain) == (kept, 0, kept > 0)
