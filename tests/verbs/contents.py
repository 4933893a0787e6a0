"""Real texts and images with models that read them: paragraphs of documentation, and scanned digits as PNG files.

``paragraphs()`` and ``scans()`` return train and test; ``reader`` and ``eye`` are models fitted on them. The tests of the suite use it.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import io
import re
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

__all__ = ["GERMAN", "eye", "paragraphs", "png", "put", "reader", "scans"]

GERMAN = (
    "Die Lieferung kam drei Tage zu spät und der Karton war an zwei Seiten aufgerissen, was mich sehr geärgert hat.",
    "Wer eine Funktion aufruft, muss damit rechnen, dass sie ihre Argumente verändert und nichts zurückgibt.",
    "Der Vertrag verlängert sich um ein weiteres Jahr, sofern er nicht rechtzeitig schriftlich gekündigt wird.",
    "Nach dem Regen roch die Straße nach Staub und Linden, und niemand hatte es eilig, nach Hause zu kommen.",
    "Bitte überprüfen Sie vor dem Einschalten, ob die Spannung des Netzes mit der des Gerätes übereinstimmt.",
)


@functools.cache
def paragraphs() -> tuple[pa.Table, pa.Table]:
    """Return paragraphs of the documentation of scipy.stats and sklearn, each once, with the library that they belong to."""
    found: dict[str, str] = {}
    for library in ("scipy.stats", "sklearn.linear_model", "sklearn.ensemble", "sklearn.cluster", "sklearn.metrics", "scipy.signal",
                    "scipy.linalg", "sklearn.preprocessing", "scipy.optimize", "scipy.special", "sklearn.decomposition"):
        module = importlib.import_module(library)
        for name in sorted(dir(module)):
            for text in (inspect.getdoc(getattr(module, name, None)) or "").split("\n\n"):
                line = " ".join(text.split())
                if 60 <= len(line) <= 600 and ">>>" not in line and "----" not in line and not re.search(r"[^\x00-\x7f]", line):
                    found.setdefault(line, library.partition(".")[0])
    # what several documents share but for a word is no text of its own
    texts: list[tuple[str, str]] = []
    seen: set[tuple[str, ...]] = set()
    for text, library in found.items():
        words = re.findall(r"[a-z0-9]+", text.lower())
        three = set(zip(words, words[1:], words[2:], strict=False))
        if len(words) >= 8 and len(three & seen) < 0.3 * len(three):
            texts.append((text, library))
        seen |= three
    rng = np.random.default_rng(0)
    order = rng.permutation(len(texts))[:2000]
    sides = [[texts[place] for place in order[start::2]] for start in (0, 1)]
    first, second = (pa.table({"note": [text for text, _ in side], "library": [library for _, library in side]}) for side in sides)
    return first, second


@functools.cache
def reader() -> Any:
    train, _ = paragraphs()
    model = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10))
    return model.fit(train["note"].to_pylist(), train["library"].to_pylist())


def png(pixels: Any) -> bytes:
    """Return a picture of grey levels from 0 to 1 as a PNG file, eight times as large, so that it looks like a scan."""
    file = io.BytesIO()
    image = Image.fromarray(np.clip(pixels * 255, 0, 255).astype(np.uint8)).resize((32, 32), Image.Resampling.BICUBIC)
    image.save(file, "PNG")
    return file.getvalue()


@functools.cache
def scans() -> tuple[pa.Table, pa.Table]:
    """Return digits as PNG files with the desk at which each was scanned."""
    digits = load_digits()
    rng = np.random.default_rng(1)
    light = rng.uniform(0.6, 1.0, len(digits.target))   # of the room
    files = [png(each / 16 * level + rng.normal(0, 0.02, (8, 8))) for each, level in zip(digits.images, light, strict=True)]
    desk = rng.choice(["north", "south"], len(files))
    table = pa.table({"scan": pa.array(files, pa.binary()), "desk": desk, "digit": digits.target})
    order = rng.permutation(len(files))
    return table.take(pa.array(np.sort(order[::2]))), table.take(pa.array(np.sort(order[1::2])))


@functools.cache
def _decoded(file: bytes) -> Any:
    """A model is asked many times about the same scans; one that cannot be read is black to it."""
    try:
        return np.asarray(Image.open(io.BytesIO(file)).convert("L").resize((8, 8), Image.Resampling.BOX), np.float64).ravel()
    except OSError:
        return np.zeros(64)


def _pixels(files: Any) -> Any:
    return np.stack([_decoded(each) if each is not None else np.zeros(64) for each in files])


@functools.cache
def eye() -> Any:
    """Return a model that looks at the scans: logistic regression of their pixels."""
    train, _ = scans()
    model = LogisticRegression(max_iter=2000, C=0.01).fit(_pixels(train["scan"].to_pylist()), train["digit"].to_numpy())
    return lambda batch: model.predict_proba(_pixels(batch.column("scan").to_pylist()))


def put(table: pa.Table, name: str, column: Any) -> pa.Table:
    """Return a table with one column replaced."""
    place = table.schema.get_field_index(name)
    return table.set_column(place, name, pa.array(column, table.schema.field(name).type))
