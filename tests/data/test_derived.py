"""Columns derived of texts and images: what they hold, that they are named like any other, and that hostile bytes are counted."""

from __future__ import annotations

import io
import struct
import unicodedata
import zlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_sample_images

from assay.data import image, text
from assay.data.derived import PROPERTIES, joined, shown
from assay.data.medium import media
from assay.data.slice import slicing
from assay.data.source import source
from assay.errors import ColumnTypeError, UnknownColumnError

TEXTS = pa.array(["Good food, late parcel", "", None, "Привет, мир", "これは日本語の文です。", "漢字", "안녕하세요", "42 !", "مرحبا"])


def files(image_format: str = "PNG", **options: object) -> list[bytes]:
    found = []
    for each in load_sample_images().images:
        file = io.BytesIO()
        Image.fromarray(each).resize((320, 214)).save(file, image_format, **options)
        found.append(file.getvalue())
    return found


def test_scripts_are_told() -> None:
    found = text.properties(TEXTS, ["script"])["script"].to_pylist()
    assert found == ["Latin", "none", None, "Cyrillic", "Japanese", "Han", "Hangul", "none", "Arabic"]


@given(st.lists(st.none() | st.text(max_size=30), max_size=20))
def test_lengths_are_those_of_python(values: list[str | None]) -> None:
    found = text.properties(pa.array(values, pa.string()), [each.name for each in PROPERTIES.values() if each.medium == "text" and not each.library])
    assert found["length"].to_pylist() == [None if each is None else len(each) for each in values]
    for each, script, damage in zip(values, found["script"].to_pylist(), found["damage"].to_pylist(), strict=True):
        assert (script is None) == (each is None) == (damage is None)
        if each is not None and not any(unicodedata.category(sign).startswith("L") for sign in each):
            assert script == "none"


@given(st.lists(st.text("àâäçéèêëîïôöùûüßñõåøÀÉÖÜČčŠšžКириллицаΕλληνικά abc", min_size=0, max_size=40), min_size=1, max_size=10))
def test_text_that_was_read_rightly_is_not_damaged(values: list[str]) -> None:
    assert not any(text.properties(pa.array(values), ["damage"])["damage"].to_pylist())


@pytest.mark.parametrize("words", ["Café fermé", "Größe", "l’été", "“quoted”", "Привет мир", "Γειά σου", "ação", "naïve — dash"])  # noqa: RUF001
@pytest.mark.parametrize("wrong", ["latin-1", "cp1252"])
def test_mojibake_is_seen(words: str, wrong: str) -> None:
    broken = words.encode().decode(wrong, "replace")
    assert text.properties(pa.array([broken]), ["damage"])["damage"][0].as_py() > 0


def test_languages_are_told() -> None:
    pytest.importorskip("py3langid")
    found = text.properties(pa.array(["The parcel came too late, and the box was open", "Das Paket kam zu spät und der Karton war offen", "ok", None]),
                            ["language"])["language"]
    assert found.to_pylist() == ["en", "de", "unclear", None]


def test_a_dictionary_gives_what_its_values_give() -> None:
    plain = pa.record_batch({"note": TEXTS})
    coded = pa.record_batch({"note": TEXTS.dictionary_encode()})
    names = ["length of note", "script of note", "words of note", "damage of note"]
    assert [joined(coded, names).column(each).to_pylist() for each in names] == [joined(plain, names).column(each).to_pylist() for each in names]


def test_images_are_what_pillow_and_numpy_say() -> None:
    data = files()
    batch = joined(pa.record_batch({"photo": data}), [f"{each} of photo" for each in ("width", "height", "aspect", "brightness", "contrast")])
    for place, each in enumerate(data):
        grey = np.asarray(Image.open(io.BytesIO(each)).convert("L"), np.float64) / 255
        row = {name: batch.column(name)[place].as_py() for name in batch.schema.names[1:]}
        assert (row["width of photo"], row["height of photo"]) == (320, 214)
        assert row["aspect of photo"] == 320 / 214
        assert row["brightness of photo"] == pytest.approx(grey.mean(), abs=0.01)    # reduced to 256 pixels a side
        assert row["contrast of photo"] == pytest.approx(grey.std(), rel=0.05)


def test_images_in_structs_and_dictionaries_are_the_same() -> None:
    data = files("JPEG")
    plain = pa.array(data, pa.binary())
    inside = pa.array([{"bytes": each, "path": None} for each in data], pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    results = [joined(pa.record_batch({"p": each}), ["brightness of p"]).column(1).to_pylist() for each in (plain, inside, plain.dictionary_encode())]
    assert results[0] == results[1] == results[2]


def bomb() -> bytes:
    """A PNG file that says it has four thousand million pixels."""
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 65_000, 65_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(100_000))) + chunk(b"IEND", b"")


def test_hostile_bytes_are_counted_and_no_more() -> None:
    good = files()[0]
    gif = io.BytesIO()
    Image.new("L", (9, 9)).save(gif, "GIF")
    rows = [good, b"", None, b"\x89PNG\r\n\x1a\n", good[: len(good) // 2], bomb(), b"%PDF-1.7", gif.getvalue(), good[:40] + bytes(200)]
    found = image.pictures(pa.array(rows, pa.binary()))
    assert found.there.tolist() == [each is not None for each in rows]
    assert found.known.tolist() == [True] + [False] * (len(rows) - 1)


@given(st.lists(st.binary(max_size=60), max_size=10), st.data())
def test_any_bytes_are_read(values: list[bytes], data) -> None:
    good = files()[0]
    for place in range(min(3, len(values))):   # damage somewhere in a good file
        at = data.draw(st.integers(0, len(good) - 1))
        values[place] = good[:at] + values[place] + good[at + len(values[place]):]
    found = image.pictures(pa.array(values, pa.binary()))
    known = found.known
    assert np.isfinite(found.brightness[known]).all()
    assert ((found.brightness[known] >= 0) & (found.brightness[known] <= 1)).all()


def test_pixels_in_lists_are_images() -> None:
    rng = np.random.default_rng(0)
    stack = rng.integers(0, 256, (50, 3, 10, 10), np.uint8)
    column = pa.FixedSizeListArray.from_arrays(pa.array(stack.ravel()), 300)
    found = image.pictures(column)
    assert found.width.tolist() == [10] * 50
    assert np.allclose(found.brightness, stack.mean(axis=(1, 2, 3)) / 255)
    assert image.looks(column)
    assert not image.looks(pa.FixedSizeListArray.from_arrays(pa.array(rng.normal(size=6400)), 64))   # an embedding


def test_columns_are_found_by_what_they_hold_and_by_what_a_user_says() -> None:
    words = ["the", "parcel", "came", "late", "and", "wet", "so", "we", "sent", "it", "back", "to", "shop", "by", "post", "at", "once"]
    rng = np.random.default_rng(0)
    table = pa.table({
        "note": [" ".join(rng.choice(words, 9)) for _ in range(200)], "city": rng.choice(["Rome", "Oslo"], 200),
        "key": [f"order {each} of May 2026" for each in range(200)], "photo": pa.array([files()[0]] * 200, pa.binary()),
        "blob": pa.array([b"%PDF"] * 200, pa.binary()), "vector": pa.array(list(rng.normal(size=(200, 64))), pa.list_(pa.float64(), 64)),
        "label": [" ".join(rng.choice(words, 9)) for _ in range(200)], "later": [" ".join(rng.choice(words, 9)) for _ in range(200)]})
    assert media(source(table, label="label", ignored=["later"])) == {"note": "text", "photo": "image"}
    said = source(table, label="label", types={"note": "category", "city": "text", "blob": "image"})
    assert media(said) == {"city": "text", "photo": "image", "blob": "image", "later": "text"}
    assert media(source(said)) == media(said)   # what was said once holds
    with pytest.raises(ColumnTypeError, match="holds no images"):
        source(table, types={"city": "image"})


def test_derived_columns_are_read_by_name_and_cost_nothing_else() -> None:
    table = pa.table({"note": ["a b", "c", "d e f", None], "x": [1, 2, 3, 4]})
    data = source(table, where="`words of note` >= 1")
    assert data.schema.names == ("note", "x")
    assert [each.name for each in data.schema] == ["note", "x"]
    assert "length of note" in data.schema
    assert "length of x" not in data.schema
    assert [batch.to_pydict() for batch in data.batches()] == [{"note": ["a b", "c", "d e f"], "x": [1, 2, 3]}]
    assert [batch.to_pydict() for batch in data.batches(["length of note"])] == [{"length of note": [3, 1, 5]}]
    assert [batch.to_pydict() for each in data.split(2) for batch in each.batches(["x", "words of note"])]
    with pytest.raises(UnknownColumnError):
        data.batches(["brightness of note"])
    again = source(data, where="x < 3")
    assert [batch.to_pydict() for batch in again.batches(["words of note"])] == [{"words of note": [2, 1]}]


def test_a_stored_column_of_that_name_wins() -> None:
    data = source(pa.table({"note": ["a", "b"], "length of note": [7.5, 8.5]}))
    assert next(data.batches(["length of note"])).column(0).to_pylist() == [7.5, 8.5]


def test_slices_are_cut_by_them() -> None:
    data = source(pa.table({"note": ["a b", "c", "d e f", None]}))
    for written in ("length of note:2", "`length of note`:2"):
        cut = slicing(written, data.schema, edges=[3])
        codes, keys = cut.codes(next(data.batches(cut.columns)))
        assert [keys[each][0][1] for each in codes] == [">= 3", "< 3", ">= 3", "missing"]
        assert slicing(cut.text, data.schema, edges=[3]).text == cut.text


def test_without_its_library_a_property_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    known = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name in ("PIL", "py3langid") else known(name, *rest))
    assert shown("note", pa.string()) == ("length of note", "script of note")
    assert shown("photo", pa.binary()) == ()
    assert shown("pixels", pa.list_(pa.uint8(), 64)) == ("width of pixels", "brightness of pixels", "contrast of pixels")
