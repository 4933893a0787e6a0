"""Make PMML files with sklearn2pmml, in an environment of its own: ``python pmml.py FOLDER``.

Beside each NAME.pmml stand NAME.csv, the rows, and NAME.json: the label or the numbers and the shares that scikit-learn itself gives.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn2pmml import sklearn2pmml
from sklearn2pmml.pipeline import PMMLPipeline


def rows() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    frame = pd.DataFrame({name: rng.normal(size=240) for name in ("wind", "delay", "age")})
    frame["carrier"] = rng.choice(["zebra", "mule", "ant"], 240)
    return frame


def columns(*, imputed: bool = True) -> ColumnTransformer:
    return ColumnTransformer([("numbers", SimpleImputer() if imputed else StandardScaler(), ["wind", "delay", "age"]),
                              ("text", OneHotEncoder(handle_unknown="ignore"), ["carrier"])])


def main(folder: Path) -> None:
    frame = rows()
    three = np.array(["z", "m", "b"])[(frame.wind > 0.3).astype(int) + (frame.delay > 0.4)]
    two = np.where(frame.wind + frame.delay > 0, 1, 0)
    value = frame.wind * 2 + np.abs(frame.delay) + (frame.carrier == "ant")
    models = {
        "tree": (DecisionTreeClassifier(max_depth=4, random_state=0), three), "forest": (RandomForestClassifier(9, max_depth=5, random_state=0), three),
        "boosting": (GradientBoostingClassifier(n_estimators=12, random_state=0), two),
        "boosting3": (GradientBoostingClassifier(n_estimators=6, random_state=0), three),
        "logistic": (LogisticRegression(), two), "logistic3": (LogisticRegression(), three),
        "onerest": (OneVsRestClassifier(LogisticRegression()), three),
        "voting": (VotingClassifier([("a", LogisticRegression()), ("b", DecisionTreeClassifier(max_depth=3))], voting="soft"), three),
        "linear": (LinearRegression(), value), "poisson": (PoissonRegressor(), np.abs(value)),
        "treevalue": (DecisionTreeRegressor(max_depth=5, random_state=0), value),
        "forestvalue": (RandomForestRegressor(9, random_state=0), value), "boostingvalue": (GradientBoostingRegressor(n_estimators=12), value),
    }
    prepared = {"scaled": ColumnTransformer([("n", StandardScaler(), ["wind", "age"]), ("b", KBinsDiscretizer(4, encode="onehot"), ["delay"]),
                                             ("o", OrdinalEncoder(), ["carrier"])])}
    for name, (model, label) in models.items():
        save(folder, name, columns(), model, frame, label)
    save(folder, "binned", prepared["scaled"], LogisticRegression(), frame, two)
    import lightgbm
    import xgboost

    save(folder, "lightgbm", None, lightgbm.LGBMClassifier(n_estimators=12, verbose=-1), frame[["wind", "delay", "age"]], three)
    save(folder, "xgboost", None, xgboost.XGBClassifier(n_estimators=12), frame[["wind", "delay", "age"]], two)


def save(folder: Path, name: str, transformer: object, model: object, frame: pd.DataFrame, label: np.ndarray) -> None:
    steps = [("columns", transformer)] if transformer is not None else []
    pipeline = PMMLPipeline([*steps, ("model", model)]).fit(frame, pd.Series(label, name="label"))
    sklearn2pmml(pipeline, str(folder / f"{name}.pmml"))
    frame.to_csv(folder / f"{name}.csv", index=False)
    said = {"prediction": pipeline.predict(frame).tolist(), "shares": None, "classes": None}
    if hasattr(model, "predict_proba"):
        said |= {"shares": pipeline.predict_proba(frame).tolist(), "classes": np.asarray(model.classes_).tolist()}
    (folder / f"{name}.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
