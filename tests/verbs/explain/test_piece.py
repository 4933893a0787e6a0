"""A model of one text or one image is explained by its words or patches: the sentence names what was planted, and the page shows it."""

from __future__ import annotations

import io
import itertools
from html import unescape

import numpy as np
import pyarrow as pa
import pytest
from sklearn.datasets import load_digits
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import assay
from assay.errors import ConfigError, DataError
from assay.report.html import render
from tests.explain.reference import by_definition

FINE = ("my refund came fast", "the help was kind", "fast and kind answer", "my parcel came")
POOR = ("my refund never came", "the help was rude", "rude and slow answer", "my parcel got lost")
HOSTILE = "Never again!\x1b[31m <script>alert(1)</script> The answer was rude, and my refund never came."


@pytest.fixture(scope="module")
def reader():
    """A pipeline that read twenty different words."""
    return make_pipeline(TfidfVectorizer(), LogisticRegression(C=10)).fit([*FINE, *POOR], [0] * 4 + [1] * 4)


def of_text(model, texts, **rest):
    table = pa.table({"review": texts, "poor": [1] * len(texts)})
    return assay.explain(model, table, **{"row": 0, "label": "poor", "features": ["review"], "positive": 1, **rest})


def test_the_words_of_a_short_text_have_the_values_of_every_coalition(reader) -> None:
    words = ["the", "answer", "was", "never", "kind"]
    run = of_text(reader, [" ".join(words)])
    asked = [" ".join(word for place, word in enumerate(words) if mask >> place & 1) for mask in range(32)]
    worth = reader.predict_proba(asked)[:, 1]
    naive = dict(zip(words, by_definition(worth.__getitem__, 5), strict=True))
    assert {each.column: each.value for each in run.values} == pytest.approx(naive, abs=1e-9)
    largest = max(naive, key=lambda word: abs(naive[word]))
    assert run.sentences[1].startswith(f"the answer hangs on '{largest}'")
    assert f"is {worth[31]:.3g}, {worth[0]:.3g} without any word" in run.sentences[1]
    assert run.about["method"] == "every coalition"


def test_a_hostile_text_is_shown_and_does_nothing(reader) -> None:
    run = of_text(reader, [HOSTILE])
    assert "'rude,'" in run.sentences[1].split(":")[0]
    made = run.attributions[0]
    assert made.base + sum(made.contributions[0]) == pytest.approx(made.output[0])
    assert made.output[0] == pytest.approx(reader.predict_proba([HOSTILE])[0, 1])
    assert all(each.low <= each.value <= each.high for each in run.values)
    assert any(each.metric == "together" for each in run.values)
    figure = run.figures[0]
    assert figure.kind == "marked"
    assert " ".join(figure.table["piece"]).split() == HOSTILE.split()   # in their order
    page = render(run)
    assert "<script>alert" not in page
    assert "\x1b" not in page
    assert "<script>alert(1)</script>" in unescape(page.replace("\\u003c", "<").replace("\\u003e", ">"))


def test_a_text_among_other_columns_is_one_input(reader) -> None:
    def say(batch: pa.RecordBatch) -> np.ndarray:
        return reader.predict_proba(batch.column("review").to_pylist())[:, 1] + 0.1 * batch.column("stars").to_numpy()

    table = pa.table({"review": [*FINE, *POOR], "stars": np.arange(8.0)})
    run = assay.explain(say, table, row=7, features=["review", "stars"], task="regression")
    assert {each.column for each in run.values} == {"review", "stars"}
    assert run.figures[0].kind == "waterfall"


def test_one_word_and_the_loss_are_one_input(reader) -> None:
    assert {each.column for each in of_text(reader, ["rude", *FINE]).values} == {"review"}
    assert {each.column for each in of_text(reader, ["the help was rude", *FINE], quantity="loss").values} <= {"review"}


def test_a_decision_is_asked_at_the_threshold(reader) -> None:
    run = of_text(reader, ["the help was rude"], quantity="decision", threshold=0.3)
    assert set(run.attributions[0].output) == {1.0}
    assert run.sentences[0].endswith("threshold 0.3)")


@pytest.mark.parametrize(("asked", "said"), [
    ({"way": "exact"}, "words have no exact values"),
    ({"way": "gradients"}, "words have no gradients"),
    ({"against": "label = 1"}, "not with other rows"),
])
def test_what_words_do_not_have_is_refused(reader, asked, said) -> None:
    with pytest.raises(ConfigError, match=said):
        of_text(reader, ["the help was rude"], **asked)


PIXELS = (load_digits().images * 15.9).astype(np.uint8)
EIGHT = (load_digits().target == 8).astype(int)


def file(pixels: np.ndarray) -> bytes:
    pillow = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    held = io.BytesIO()
    pillow.fromarray(pixels).save(held, "PNG")
    return held.getvalue()


@pytest.fixture(scope="module")
def seer():
    """A pipeline that was fitted on digits, and reads files of them."""
    pillow = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    fitted = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500)).fit(PIXELS[:900].reshape(900, -1), EIGHT[:900])

    def say(batch: pa.RecordBatch) -> np.ndarray:
        return fitted.predict_proba(np.stack([np.asarray(pillow.open(io.BytesIO(each))).reshape(-1) for each in batch.column(0).to_pylist()]))

    return say, fitted


def of_image(model, cells, **rest):
    table = pa.table({"photo": cells, "eight": [1] * len(cells)})
    return assay.explain(model, table, **{"row": 0, "label": "eight", "features": ["photo"], "task": "binary", "classes": [0, 1], "positive": 1,
                                          "budget": 6_000, **rest})


def test_the_patches_of_a_digit(seer) -> None:
    say, fitted = seer
    row = 900 + int(np.flatnonzero(EIGHT[900:])[0])
    others = PIXELS[910:930]
    run = of_image(say, [file(each) for each in [PIXELS[row], *others]], quantity="log-odds")
    weights = fitted[-1].coef_[0] / fitted[0].scale_
    naive = (weights * (PIXELS[row].reshape(-1) - np.concatenate([PIXELS[row][None], others]).reshape(21, -1).mean(axis=0)))
    made, figure = run.attributions[0], run.figures[0]
    assert sum(made.contributions[0]) == pytest.approx(naive.sum(), abs=1e-6)
    assert figure.kind == "patches"
    assert figure.rows == 64
    patches: dict[str, float] = {}
    for name, down, right in zip(figure.table["patch"], figure.table["row"], figure.table["column"], strict=True):
        patches[name] = patches.get(name, 0.0) + float(naive[down * 8 + right])
    held = [each.low - 1e-9 <= patches[each.column] <= each.high + 1e-9 for each in run.values]
    assert np.mean(held) > 0.85
    assert len(held) == len(patches)
    best = max(patches, key=lambda name: abs(patches[name]))
    assert best in run.sentences[1]
    bright = np.array(figure.table["brightness"]).reshape(8, 8)
    assert np.corrcoef(bright.reshape(-1), PIXELS[row].reshape(-1))[0, 1] > 0.9


def test_images_of_other_sizes_are_compared_with_the_mean_colour(seer) -> None:
    say, _ = seer
    cells = [file(PIXELS[0]), file(np.tile(PIXELS[1], (2, 2)))]
    run = of_image(say, cells, budget=1_000)
    assert run.about["compared with"] == "an absent patch shows the mean colour of the image"
    with pytest.raises(DataError, match="another size"):
        of_image(say, cells, budget=1_000, against="label = 1")


def test_a_damaged_image_is_a_sentence(seer) -> None:
    def deaf(batch: pa.RecordBatch) -> list[float]:
        return [0.5] * batch.num_rows

    with pytest.raises(DataError, match="cannot be decoded"):
        of_image(deaf, [b"\x89PNG\r\n\x1a\nrest", file(PIXELS[0])])


def test_lists_of_pixels(seer) -> None:
    _, fitted = seer

    def say(batch: pa.RecordBatch) -> np.ndarray:
        return fitted.predict_proba(np.array(batch.column(0).to_pylist()))

    flat = PIXELS[:20].reshape(20, -1)
    for kind in (pa.list_(pa.uint8(), 64), pa.list_(pa.uint8())):
        run = of_image(say, pa.array(list(itertools.chain(flat.tolist())), kind), budget=1_000)
        assert run.figures[0].kind == "patches"
        assert None not in run.figures[0].table["brightness"]
