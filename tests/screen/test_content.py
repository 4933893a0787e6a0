"""Screens of texts and images against the plain way to compute them, and what each must not see."""

from __future__ import annotations

import io
import itertools
import re

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageEnhance
from sklearn.datasets import load_digits, load_sample_images

from assay.data.source import source
from assay.screen.content import ALIKE, FEWEST, damaged_content, empty_content, repeated_content, shared_content
from assay.screen.study import sample
from tests.screen.studies import estimates, seen, study
from tests.verbs.contents import paragraphs

WORDS = [first + second for first in ("ba", "ko", "li", "mu", "te", "wa", "zo") for second in ("n", "rt", "sh", "lo", "di", "m")]


def notes(rows: int, seed: int = 0, words: int = 14) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, words)) for _ in range(rows)]


def of(name: str, data: list, train: list | None = None, kind: pa.DataType | None = None):
    tables = [None if each is None else pa.table({name: pa.array(each, kind), "x": np.arange(len(each))}) for each in (data, train)]
    return study(*tables, target=None)


def shingles(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"[a-z0-9]+", text.lower())
    return set(zip(words, words[1:], words[2:], strict=False)) if len(words) >= FEWEST else set()


def jaccard(one: set, other: set) -> float:
    return len(one & other) / len(one | other) if one and other else 0.0


def photographs(rows: int, seed: int = 0) -> list[Image.Image]:
    """Return pieces of two photographs, as large as stamps."""
    rng = np.random.default_rng(seed)
    whole = [Image.fromarray(each) for each in load_sample_images().images]
    found = []
    for _ in range(rows):
        source, side = whole[rng.integers(2)], int(rng.integers(120, 240))
        left, top = int(rng.integers(0, source.width - side)), int(rng.integers(0, source.height - side))
        found.append(source.crop((left, top, left + side, top + side)).resize((64, 64)))
    return found


def file(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


# empty and damaged ----------------------------------------------------------------------------------------------------------


def test_texts_that_say_nothing_are_counted() -> None:
    data = notes(400)
    data[:4] = ["", "   ", "...!?", "N/A"]
    reading = seen(empty_content, of("note", [*data, None]))["note"]
    assert (reading.n, reading.spread.estimate) == (400, 0.01)
    assert reading.note == "3 hold no letter or digit, 1 hold a stand-in such as n/a"


def test_images_that_show_nothing_are_counted() -> None:
    data = [file(each) for each in photographs(50)]
    data[:3] = [file(Image.new("RGB", (64, 64), colour), form) for colour, form in (((0, 0, 0), "PNG"), ((200, 10, 30), "JPEG"), ((9, 9, 9), "JPEG"))]
    reading = seen(empty_content, of("photo", data, kind=pa.binary()))["photo"]
    assert reading.spread.estimate == 3 / 50
    assert reading.note == "2 are black, 1 are of one colour"


def test_damage_is_counted() -> None:
    data = notes(300)
    data[0], data[1], data[2] = data[0] + " CafÃ©", data[1] + " \ufffd", data[2] + "\x07"
    assert estimates(damaged_content, of("note", data)) == {"note": 0.01}
    images = [file(each) for each in photographs(40)]
    images[0], images[1] = images[0][:500], b"GIF89a"
    assert estimates(damaged_content, of("photo", images, kind=pa.binary())) == {"photo": 0.05}


def test_columns_that_hold_neither_are_not_looked_at() -> None:
    table = pa.table({"city": ["Rome", "Oslo"] * 100, "key": [f"order {each} of May" for each in range(200)], "x": np.arange(200.0)})
    for screen in (empty_content, damaged_content, repeated_content, shared_content):
        assert seen(screen, study(table, table, target=None)) == {}


# copies ---------------------------------------------------------------------------------------------------------------------


def test_near_texts_are_those_that_every_pair_gives() -> None:
    rng = np.random.default_rng(1)
    train, data = notes(150, 1), notes(150, 2)
    for place in range(60):    # from few words changed to most
        words = train[place].split()
        for each in rng.choice(len(words), place // 10, replace=False):
            words[each] = "other"
        data[place] = " ".join(words)
    expected = np.array([max(jaccard(shingles(each), shingles(other)) for other in train) for each in data]) >= ALIKE
    exact = np.isin(data, train)
    reading = seen(shared_content, of("note", data, train))["note"]
    assert 10 < (expected | exact).sum() < 60
    assert reading.spread.estimate == pytest.approx((expected | exact).mean())


def test_copies_within_are_those_that_every_pair_gives() -> None:
    _, table = paragraphs()
    data = table["note"].to_pylist()[:300]
    data += [each.upper() for each in data[:6]] + [each + " And so on." for each in data[6:10]]
    sets = [shingles(each) for each in data]
    plain = [" ".join(re.findall(r"[a-z0-9]+", each.lower())) for each in data]
    copies = len(data) - len(set(plain))
    near = {place for one, other in itertools.combinations(range(len(data)), 2) if plain[one] != plain[other]
            and jaccard(sets[one], sets[other]) >= ALIKE for place in (one, other)}
    repeated = {each for each in plain if plain.count(each) > 1}
    near = {place for place in near if plain[place] not in repeated}
    found = estimates(repeated_content, of("note", data))["note"]
    assert copies == 6
    assert found == pytest.approx((copies + len(near) / 2) / len(data))


def test_short_texts_are_no_copies() -> None:
    data = notes(300)
    data[:40] = ["Very good, thanks"] * 40
    assert estimates(repeated_content, of("note", data)) == {"note": 0.0}


def test_texts_that_repeat_by_nature_are_not_leaked() -> None:
    letters = notes(60, 3)
    rng = np.random.default_rng(2)
    data, train = ([*rng.choice(letters, 200), *notes(300, seed)] for seed in (4, 5))
    spread = seen(shared_content, of("note", data, train))["note"].spread
    assert spread.interval()[0] < 0.01


def test_images_are_found_again_in_other_sizes_and_formats() -> None:
    train, data = photographs(80, 1), photographs(80, 2)
    changed = [file(train[0].resize((100, 100))), file(train[1], "JPEG", quality=60), file(ImageEnhance.Brightness(train[2]).enhance(0.9)),
               file(train[3].convert("L")), file(train[4])]
    reading = seen(shared_content, of("photo", [*changed, *map(file, data[5:])], list(map(file, train)), pa.binary()))["photo"]
    assert reading.spread.estimate == pytest.approx(5 / 80)
    assert estimates(shared_content, of("photo", list(map(file, data)), list(map(file, train)), pa.binary()))["photo"] == 0
    assert estimates(repeated_content, of("photo", [*map(file, train), *changed], kind=pa.binary()))["photo"] == pytest.approx((1 + 8 / 2) / 85)


def test_digits_that_look_alike_by_nature_are_not_leaked() -> None:
    digits = load_digits()
    rows = np.random.default_rng(0).permutation(len(digits.target))
    column = pa.FixedSizeListArray.from_arrays(pa.array(digits.data.ravel()), 64)
    data, train = (pa.table({"pixels": column.take(pa.array(rows[start::2]))}) for start in (0, 1))
    spread = seen(shared_content, study(data, train, target=None))["pixels"].spread
    assert spread.interval()[0] < 0.01


# samples --------------------------------------------------------------------------------------------------------------------


def test_exact_copies_are_found_beyond_the_sample() -> None:
    train, data = notes(3000, 1), notes(3000, 2)
    data[:300] = train[:300]
    tables = [pa.table({"note": each}) for each in (data, train)]
    small = study(*tables, target=None, rows=500)
    low, high = seen(shared_content, small)["note"].spread.interval()
    assert low <= 0.1 <= high
    twice = study(pa.table({"note": [*data, *data]}), target=None, rows=500)
    assert estimates(repeated_content, twice)["note"] == pytest.approx(0.5, abs=0.01)


def test_a_sample_of_large_images_is_held_small(monkeypatch: pytest.MonkeyPatch) -> None:
    import assay.screen.study as place

    monkeypatch.setattr(place, "MOST_BYTES", 1 << 20)
    rng = np.random.default_rng(0)
    pieces = [pa.record_batch({"photo": pa.array([rng.bytes(10_000) for _ in range(50)], pa.binary()), "x": np.arange(50)}) for _ in range(20)]
    drawn = sample(source(pa.Table.from_batches(pieces)), rows=1000)
    assert 50 <= len(drawn) <= 100
    assert drawn.table.nbytes <= 3 << 20
    assert drawn.rows == 1000
