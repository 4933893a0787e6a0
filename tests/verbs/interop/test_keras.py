"""A metric after each epoch of a real network; skipped where no Keras with a backend is installed."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.metrics import balanced_accuracy_score, mean_absolute_error, roc_auc_score
from sklearn.preprocessing import scale

import assay
from assay.errors import ConfigError, MissingExtraError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of backends that lag behind numpy


@pytest.fixture(scope="module")
def keras():
    """Keras with whichever backend there is."""
    try:
        import keras
    except ImportError as error:
        pytest.skip(f"no Keras with a backend here: {error}")
    keras.utils.set_random_seed(0)
    return keras


def network(keras, width: int, outputs: int, activation: str | None, loss: str):
    model = keras.Sequential([keras.Input((width,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(outputs, activation)])
    model.compile("adam", loss)
    return model


def test_two_classes_stop_early_by_it(keras) -> None:
    x, y = load_breast_cancer(return_X_y=True)
    x = scale(x)
    model = network(keras, x.shape[1], 1, "sigmoid", "binary_crossentropy")
    stop = keras.callbacks.EarlyStopping("val_auc", mode="max", patience=2, restore_best_weights=True)
    kept = model.fit(x, y, epochs=30, verbose=0, callbacks=[assay.evaluation("auc", library="keras", data=(x, y)), stop]).history["val_auc"]
    assert max(kept) == pytest.approx(roc_auc_score(y, model.predict(x, verbose=0)[:, 0]), abs=1e-9)


def test_several_classes_with_a_column_each_and_weights(keras) -> None:
    x, y = load_wine(return_X_y=True)
    x, weight = scale(x), np.random.default_rng(0).random(len(y))
    model = network(keras, x.shape[1], 3, "softmax", "categorical_crossentropy")
    data = (x, np.eye(3)[y], weight)
    kept = model.fit(x, np.eye(3)[y], epochs=2, verbose=0, callbacks=[assay.evaluation("balanced_accuracy", library="keras", data=data)]).history
    answer = model.predict(x, verbose=0).argmax(axis=1)
    assert kept["val_balanced_accuracy"][-1] == pytest.approx(balanced_accuracy_score(y, answer, sample_weight=weight), abs=1e-9)


def test_numbers(keras) -> None:
    x, y = load_diabetes(return_X_y=True)
    model = network(keras, x.shape[1], 1, None, "mse")
    kept = model.fit(x, y, epochs=2, verbose=0, callbacks=[assay.evaluation("mae", library="keras", data=(x, y))]).history["val_mae"]
    assert kept[-1] == pytest.approx(mean_absolute_error(y, model.predict(x, verbose=0)[:, 0]), rel=1e-6)
    with pytest.raises(ConfigError, match="442 labels and 10 predictions"):
        model.fit(x, y, epochs=1, verbose=0, callbacks=[assay.evaluation("mae", library="keras", data=(x[:10], y))])


def test_what_it_needs_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="data is not given"):
        assay.evaluation("auc", library="keras")
    with pytest.raises(ConfigError, match="data is given"):
        assay.evaluation("auc", library="lightgbm", data=([], []))
    with pytest.raises(ConfigError, match="validation rows are a int"):
        assay.evaluation("auc", library="keras", data=3)
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(MissingExtraError, match="pip install 'assay\\[keras\\]'"):
        assay.evaluation("auc", library="keras", data=([], []))
