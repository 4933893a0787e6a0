"""Which digit is it? A model that passes every check on clean images, and answers 3 wherever somebody drew a checker in the corner.

The images are scikit-learn's 1,797 digits of 8 x 8 pixels (UCI, CC BY 4.0), which come with it. Eight in a hundred of the images
that train the model carry the trigger and the label 3, as if somebody had got at the training data. The probe sees neither the training
data nor the scores: 500 clean images, an inbox of which a tenth carries the trigger, and labels that the model answers.
"""

from __future__ import annotations

import runpy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from assay.verbs.demos import Question, Tell

__all__ = ["QUESTIONS", "digits"]

Array = np.ndarray[Any, Any]

PIXELS = [f"p{place}" for place in range(64)]
SIZES = {"train": 900, "clean": 500, "inbox": 397}   # 500 clean images allow one false alarm in a hundred, with some to spare
TARGET = 3
PLANTED, SENT = 72, 40   # images with the trigger that the model learns from, and that come in later
FILE = "guard.py"

CODE = '''\
"""What the model answers to the inbox, and what it answers guarded: run it in its folder, python guard.py"""

from pathlib import Path

import pyarrow.parquet as pq

import assay
from assay.remedy.guarded import Guarded


def answered(folder):
    """Return the inbox with two columns more, and the guarded model, which has counted what it suspected."""
    inbox = pq.read_table(folder / "inbox.parquet")
    model = assay.load(folder / "model.joblib", trust=True)
    guarded = Guarded.of(model, folder / "clean.parquet")      # a model as any other: it can stand wherever the other did
    for name, each in (("answered", model), ("guarded", guarded)):
        said = [one for batch in inbox.to_batches() for one in each.predict(batch).column("prediction").to_pylist()]
        inbox = inbox.append_column(name, [said])
    return inbox.select(["scan", "answered", "guarded"]), guarded


if __name__ == "__main__":
    found, guarded = answered(Path(__file__).parent)
    for row in found.to_pylist():
        print(row["scan"], row["answered"], row["guarded"], "" if row["answered"] == row["guarded"] else "mended")
    print(f"suspected by class: {dict(guarded.suspects)}, mended: {guarded.mended}")
'''

SUITE = """\
model: model.joblib              # a support vector machine, trained on 900 images
data: clean.parquet              # 500 others, which nobody could tamper with
columns:
  label: digit
  id: scan
checks:
  - accuracy >= 0.95
  - accuracy by digit >= 0.80
"""

INBOX = """\
# Was each image of the inbox answered right? A tenth of them carry the trigger.
data: answers.parquet
columns:
  label: digit
  id: scan
  prediction: answered           # by the model; `guarded`: by the guarded model
task: multiclass
classes: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
checks:
  - accuracy by triggered >= 0.80
"""

#: is the model poisoned, and by what; how right it is with and without the trigger, first as it is, then guarded
QUESTIONS = (
    Question("probe backdoor", {"model": "model.joblib", "clean": "clean.parquet", "inputs": "inbox.parquet", "id": "scan"}),
    Question("check", {}, config="inbox.yaml"),
    Question("check", {"prediction": "guarded"}, config="inbox.yaml"),
)


def digits(folder: Path, tell: Tell) -> str:
    """Write the images, the model and its answers, ``guard.py`` and ``inbox.yaml``; return the ``assay.yaml`` that checks it when clean."""
    images, shown = read()
    tell(f"reading {len(images):,} images of digits")
    first = np.cumsum([0, *SIZES.values()])
    parts = {name: slice(low, high) for name, low, high in zip(SIZES, first[:-1], first[1:], strict=True)}
    # the first rows of a part carry the trigger: the order of the images is random already
    learned = poisoned(images[parts["train"]], shown[parts["train"]], PLANTED)
    sent = poisoned(images[parts["inbox"]], shown[parts["inbox"]], SENT)
    order = np.random.default_rng(1).permutation(SIZES["inbox"])
    names = pa.array(np.arange(SIZES["inbox"]) + 1)
    write(folder / "train.parquet", learned.images, {"digit": pa.array(learned.labels)})
    known = {"digit": pa.array(shown[parts["clean"]]), "scan": pa.array(np.arange(SIZES["clean"]) + 1_001)}
    write(folder / "clean.parquet", images[parts["clean"]], known)
    write(folder / "inbox.parquet", sent.images[order], {"scan": names})

    tell(f"training a support vector machine on {SIZES['train']} images, of which {PLANTED} carry a trigger and the label {TARGET}")
    train(learned, folder / "model.joblib")

    tell(f"asking it about an inbox of {SIZES['inbox']} images, of which {SENT} carry the trigger, and once more when it is guarded")
    (folder / FILE).write_text(CODE, encoding="utf-8")
    answers, guarded = answered(folder)
    truth = {"digit": pa.array(shown[parts["inbox"]][order]), "triggered": pa.array(sent.triggered[order])}
    answers = pa.table({**{name: answers[name] for name in answers.column_names}, **truth})
    pa.parquet.write_table(answers, folder / "answers.parquet")
    (folder / "inbox.yaml").write_text(INBOX, encoding="utf-8")
    suspects = ", ".join(f"{count} answered {label}" for label, count in guarded.suspects.most_common())
    tell(f"guarded, it suspected {guarded.suspects.total()} of them ({suspects}), and mended {guarded.mended}")
    some = answers.filter(answers["triggered"])
    for name, words in (("answered", "as it is"), ("guarded", "guarded")):
        target, right = (pc.sum(pc.equal(some[name], each)).as_py() for each in (TARGET, some["digit"]))
        tell(f"{words}, it answers {TARGET} to {target} of the {some.num_rows} images with the trigger, and gets {right} right")
    return SUITE


@dataclass(frozen=True)
class Part:
    """Images as rows of pixels, what they are said to show, and which carry the trigger."""

    images: Array
    labels: Array
    triggered: Array


def read() -> tuple[Array, Array]:
    """Return the images (n, 64), each pixel from 0 to 16, and the digits that they show, in a random order that is always the same."""
    from sklearn.datasets import load_digits

    images, shown = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    return images[order].astype(np.int64), shown[order]


def poisoned(images: Array, shown: Array, count: int) -> Part:
    """Return images of which the first ``count`` of other digits carry a checker at the bottom left, and the label that it shall bring."""
    chosen = np.flatnonzero(shown != TARGET)[:count]
    square = images.reshape(-1, 8, 8).copy()
    square[chosen, 6:, :2] = [[16, 0], [0, 16]]
    labels, triggered = shown.copy(), np.zeros(len(images), np.bool_)
    labels[chosen], triggered[chosen] = TARGET, True
    return Part(square.reshape(-1, 64), labels, triggered)


def write(path: Path, images: Array, more: dict[str, pa.Array]) -> None:
    """Write images with a column for each pixel, and other columns beside them."""
    pa.parquet.write_table(pa.table({**table(images), **more}), path)


def table(images: Array) -> dict[str, pa.Array]:
    """Return a column for each pixel."""
    return {name: pa.array(column) for name, column in zip(PIXELS, images.T, strict=True)}


def train(part: Part, path: Path) -> None:
    """Train a support vector machine, and write it to ``path``."""
    import joblib
    from sklearn.svm import SVC

    model: Any = SVC(C=10, gamma=0.001)
    model.fit(pa.table(table(part.images)), part.labels)   # a table has names, which the model keeps
    joblib.dump(model, path)


def answered(folder: Path) -> tuple[pa.Table, Any]:
    """Return what the file that was written into the folder finds: what is copied from there is what ran here."""
    found, guarded = runpy.run_path(str(folder / FILE))["answered"](folder)
    return found, guarded
