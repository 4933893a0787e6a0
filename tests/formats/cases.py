"""Small networks that the tests of heavy frameworks train or fill with known weights, and save as users do."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.laws.test_model import Case, beside, plain, three, two

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["wind", "delay", "age", "dist"]
MADE: dict[str, Path] = {}    # where each of the makers has put its files


def matrix(frame: pd.DataFrame) -> np.ndarray:
    return frame[NAMES].to_numpy(np.float32)


def softmax(raw: np.ndarray) -> np.ndarray:
    grown = np.exp(raw - raw.max(axis=1, keepdims=True))
    return grown / grown.sum(axis=1, keepdims=True)


def trained(frame: pd.DataFrame, outputs: int, *, last: Any = None) -> Any:
    import torch

    torch.manual_seed(3)
    layers = [torch.nn.Linear(4, 16), torch.nn.ReLU(), torch.nn.Dropout(0.3), torch.nn.Linear(16, outputs)]
    net = torch.nn.Sequential(*layers, *([last] if last is not None else []))
    given = torch.from_numpy(matrix(frame))
    label = torch.from_numpy(three(frame, [0, 1, 2])) if outputs == 3 else torch.from_numpy(two(frame, [0, 1]).astype(np.float32))
    best = torch.optim.Adam(net.parameters(), lr=0.05)
    for _ in range(60):
        best.zero_grad()
        said = net(given)
        loss = torch.nn.functional.cross_entropy(said, label) if outputs == 3 else torch.nn.functional.binary_cross_entropy(said[:, 0], label)
        loss.backward()
        best.step()
    return net.eval()


def raw(net: Any, frame: pd.DataFrame) -> np.ndarray:
    import torch

    with torch.no_grad():
        return net(torch.from_numpy(matrix(frame))).numpy()


def torch_object(folder: Path) -> Case:
    frame = plain()
    net = trained(frame, 3)
    score = lambda each: softmax(raw(net, each).astype(np.float64))  # noqa: E731
    return Case("torch", net, score, lambda each: np.array(["z", "m", "b"])[raw(net, each).argmax(axis=1)], frame,
                {"classes": ["z", "m", "b"], "activation": "softmax"}, ("z", "m", "b"), nulls=False, names=NAMES)


def torch_exported(folder: Path) -> Case:
    import torch

    case = torch_object(folder)
    program = torch.export.export(case.model, (torch.zeros(5, 4),), dynamic_shapes=({0: torch.export.Dim("rows")},))
    torch.export.save(program, folder / "net.pt2")
    return Case("torch", folder / "net.pt2", case.score, case.label, case.frame, {**case.options, "trust": True}, case.classes, nulls=False, names=NAMES)


def torch_script(folder: Path) -> Case:
    import torch

    frame = plain()
    net = trained(frame, 1, last=torch.nn.Sigmoid())
    torch.jit.script(net).save(str(folder / "net.pt"))
    return Case("torch", folder / "net.pt", lambda each: beside(raw(net, each)[:, 0]), lambda each: (raw(net, each)[:, 0] > 0.5).astype(int), frame,
                {"task": "binary", "trust": True}, (0, 1), nulls=False, names=NAMES)


def torch_weights(folder: Path) -> Case:
    import torch

    case = torch_object(folder)
    torch.save({"epoch": 3, "state_dict": case.model.state_dict()}, folder / "weights.pth")
    empty = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.ReLU(), torch.nn.Dropout(0.3), torch.nn.Linear(16, 3))
    return Case("torch", folder / "weights.pth", case.score, case.label, case.frame, {**case.options, "network": empty}, case.classes, nulls=False, names=NAMES)


def keras_network(outputs: int, how: str) -> tuple[Any, pd.DataFrame]:
    import keras

    frame = plain()
    keras.utils.set_random_seed(4)
    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(16, activation="relu"), keras.layers.Dropout(0.2), keras.layers.Dense(outputs, activation=how)])
    label = three(frame, [0, 1, 2]) if outputs == 3 else two(frame, [0, 1])
    net.compile("adam", "sparse_categorical_crossentropy" if outputs == 3 else "binary_crossentropy")
    net.optimizer.learning_rate = 0.05
    net.fit(matrix(frame), label, epochs=15, verbose=0)
    return net, frame


def keras_said(net: Any, frame: pd.DataFrame) -> np.ndarray:
    return np.asarray(net.predict(matrix(frame), verbose=0, batch_size=1024), np.float64)


def keras_file(folder: Path) -> Case:
    net, frame = keras_network(3, "softmax")
    net.save(folder / "net.keras")
    return Case("keras", folder / "net.keras", lambda each: keras_said(net, each), lambda each: np.array(["z", "m", "b"])[keras_said(net, each).argmax(axis=1)],
                frame, {"classes": ["z", "m", "b"]}, ("z", "m", "b"), nulls=False, names=NAMES)


def keras_object(folder: Path) -> Case:
    net, frame = keras_network(1, "sigmoid")
    return Case("keras", net, lambda each: beside(keras_said(net, each)[:, 0]), lambda each: (keras_said(net, each)[:, 0] > 0.5).astype(int), frame,
                classes=(0, 1), nulls=False, names=NAMES)


def keras_columns(folder: Path) -> Case:
    import keras

    frame = plain()
    keras.utils.set_random_seed(5)
    inputs = [keras.Input((1,), name=each) for each in NAMES]
    net = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Dense(8, activation="tanh")(keras.layers.Concatenate()(inputs))))
    net.save(folder / "columns.keras")
    score = lambda each: np.asarray(net.predict({name: each[[name]].to_numpy(np.float32) for name in NAMES}, verbose=0), np.float64)[:, 0]  # noqa: E731
    return Case("keras", folder / "columns.keras", score, None, frame, nulls=False)


def tensorflow_saved(folder: Path) -> Case:
    import keras
    import tensorflow as tf

    rng = np.random.default_rng(1)
    weights = tf.constant(rng.normal(size=(4, 3)), tf.float32)
    assert keras is not None

    class Net(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32, name="rows")])
        def __call__(self, rows: Any) -> Any:
            return {"scores": tf.nn.softmax(rows @ weights)}

    net = Net()
    tf.saved_model.save(net, str(folder / "saved"), signatures=net.__call__)
    score = lambda each: softmax(matrix(each).astype(np.float64) @ weights.numpy().astype(np.float64))  # noqa: E731
    return Case("tensorflow", folder / "saved", score, lambda each: np.array(["z", "m", "b"])[score(each).argmax(axis=1)], plain(),
                {"classes": ["z", "m", "b"], "trust": True}, ("z", "m", "b"), nulls=False, names=NAMES)


def jax_function(folder: Path) -> Case:
    import jax

    rng = np.random.default_rng(1)
    inner, outer = rng.normal(size=(4, 8)).astype(np.float32), rng.normal(size=(8, 3)).astype(np.float32)
    net = jax.jit(lambda rows: jax.numpy.tanh(rows @ inner) @ outer)
    score = lambda each: softmax(np.tanh(matrix(each).astype(np.float64) @ inner) @ outer)  # noqa: E731
    return Case("jax", net, score, lambda each: np.array(["z", "m", "b"])[score(each).argmax(axis=1)], plain(),
                {"classes": ["z", "m", "b"], "activation": "softmax"}, ("z", "m", "b"), nulls=False, names=NAMES)


def transformers_folder(folder: Path) -> Case:
    """A small classifier of words with weights by chance; its vocabulary is that of the data."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *["the", "food", "was", "good", "bad", "cold", "and", "warm", "never", "again"]]
    inner = Tokenizer(models.WordLevel({each: at for at, each in enumerate(words)}, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
                                                     model_max_length=32)
    torch.manual_seed(6)
    config = transformers.BertConfig(vocab_size=len(words), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
                                     max_position_embeddings=40, id2label={0: "z", 1: "m", 2: "b"}, label2id={"z": 0, "m": 1, "b": 2}, pad_token_id=0,
                                     initializer_range=0.8)
    network = transformers.BertForSequenceClassification(config).eval()
    network.save_pretrained(folder / "reviews")
    tokenizer.save_pretrained(folder / "reviews")
    pipe = transformers.pipeline("text-classification", model=str(folder / "reviews"), top_k=None, device="cpu")
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"carrier": [" ".join(rng.choice([*words[4:], "unseen"], rng.integers(1, 12))) for _ in range(240)]})
    frame.loc[5, "carrier"] = "ant"

    def score(given: pd.DataFrame) -> np.ndarray:
        said = [{one["label"]: one["score"] for one in each} for each in pipe(given["carrier"].tolist(), truncation=True)]
        return np.array([[each[name] for name in ("z", "m", "b")] for each in said])

    return Case("transformers", folder / "reviews", score, lambda each: np.array(["z", "m", "b"])[score(each).argmax(axis=1)], frame,
                classes=("z", "m", "b"), nulls=False, names=["carrier"])


def made(maker: str, folder: Path) -> None:
    """Run one of ``makers`` in its own environment, which ``make test-formats`` sets up; once, as each takes half a minute or more."""
    if maker in MADE:
        shutil.copytree(MADE[maker], folder, dirs_exist_ok=True)
        return
    python = ROOT / ".formats" / maker / "bin" / "python"
    if not python.exists():
        pytest.skip(f"there is no environment for {maker}: make test-formats")
    done = subprocess.run([python, "-W", "ignore", ROOT / "tests" / "formats" / "makers" / f"{maker}.py", folder], capture_output=True, text=True,
                          check=False, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    MADE[maker] = folder


def mojo_frame(folder: Path) -> pd.DataFrame:
    """The rows as H2O saw them: it reads no text as the text of no letters."""
    frame = pd.read_csv(folder / "rows.csv")
    return frame.assign(carrier=frame.carrier.fillna(""))


def mojo_forest(folder: Path) -> Case:
    made("mojo", folder)
    said = json.loads((folder / "drf_three.json").read_text())
    rows = np.array([each[1:] for each in said["rows"]], np.float64)
    return Case("mojo", folder / "drf_three.zip", lambda each: rows[each.index], lambda each: np.array([each[0] for each in said["rows"]])[each.index],
                mojo_frame(folder), classes=("b", "m", "z"), nulls=False)


HEAVY: dict[str, Callable[[Path], Case]] = {each.__name__: each for each in (
    torch_object, torch_exported, torch_script, torch_weights, keras_file, keras_object, keras_columns, transformers_folder, tensorflow_saved, jax_function,
    mojo_forest)}
