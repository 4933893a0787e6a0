"""A classifier of texts retrained on sentences of a grammar: what is told is what the written model does."""

from __future__ import annotations

from pathlib import Path

import joblib
import pyarrow as pa
import pytest

import assay
from assay.errors import ConfigError
from tests.opinions import classifiers, opinions


@pytest.fixture(scope="module")
def parts() -> tuple[object, pa.Table, pa.Table]:
    texts, labels = opinions()
    table = pa.table({"text": texts, "label": labels})
    odd = [place % 8 == 7 for place in range(len(texts))]
    train, held = table.filter(pa.array([not each for each in odd])), table.filter(pa.array(odd))
    from sklearn.base import clone

    return clone(classifiers()["bayes"]).fit(train["text"].to_pylist(), train["label"].to_pylist()), train, held


@pytest.mark.slow
def test_what_is_told_is_what_the_written_model_does(parts: tuple[object, pa.Table, pa.Table], tmp_path: Path) -> None:
    model, train, held = parts
    output = tmp_path / "repaired.joblib"
    run = assay.repair(model, held, train=train, label="label", remedy="retrain", grammar="reviews", other="sentiment", cost=0.2,
                       positive="positive", output=output)
    assert [each.check for each in run.verdicts] == ["more sentences held out are right", "texts held out lose no more than 20 % of accuracy"]
    values = {(each.options["of"], each.options.get("model")): each.value for each in run.values}
    made = joblib.load(output)
    said = made.predict(held["text"].to_pylist())
    after = sum(str(one) == other for one, other in zip(said, held["label"].to_pylist(), strict=True))
    assert values["texts held out", "after"] == pytest.approx(after / held.num_rows)
    gain = next(each for each in run.values if each.metric == "accuracy gained" and each.options["of"] == "sentences of reviews")
    assert gain.low < gain.value < gain.high
    assert gain.value == pytest.approx(values["sentences of reviews", "after"] - values["sentences of reviews", "before"])
    assert gain.value > 0.02
    assert ("sentences of sentiment", "after") in values


def test_what_cannot_be_meant_is_said(parts: tuple[object, pa.Table, pa.Table]) -> None:
    model, train, held = parts
    with pytest.raises(ConfigError, match="takes no grammar"):
        assay.repair(model, held, train=train, label="label", remedy="reweigh", grammar="reviews")
    with pytest.raises(ConfigError, match="no grammar is named"):
        assay.repair(model, held, train=train, label="label", remedy="retrain", other="sentiment")
    with pytest.raises(ConfigError, match="no training data are named"):
        assay.repair(model, held, label="label", remedy="retrain", grammar="reviews", positive="positive")
