"""Make H2O MOJOs with h2o 3.46.0.7 (later releases do not export them), in an environment of its own: ``python mojo.py FOLDER``.

Beside each NAME.zip stands NAME.json: what H2O itself predicts for the rows of rows.csv.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import h2o
import numpy as np
from h2o.estimators import H2OGeneralizedLinearEstimator, H2OGradientBoostingEstimator, H2ORandomForestEstimator


def main(folder: Path) -> None:
    rng = np.random.default_rng(8)
    names = ("wind", "delay", "age")
    rows = {name: rng.normal(size=240).round(6).tolist() for name in names}
    rows["carrier"] = rng.choice(["zebra", "mule", "ant", "bee", "cat"], 240).tolist()
    rows["town"] = rng.choice([f"t{each}" for each in range(60)], 240).tolist()
    wind, delay = np.array(rows["wind"]), np.array(rows["delay"])
    labels = {"two": np.where(wind + delay > 0, "yes", "no"), "three": np.array(["z", "m", "b"])[(wind > 0.3).astype(int) + (delay > 0.4)],
              "value": wind * 2 + np.abs(delay) + (np.array(rows["carrier"]) == "ant"), "count": rng.poisson(np.exp(wind / 2))}
    for place in range(0, 240, 7):
        rows["delay"][place] = None
    for place in range(0, 240, 11):
        rows["carrier"][place] = None
    header = [*rows]
    text = "\n".join([",".join(header), *(",".join("" if rows[name][at] is None else str(rows[name][at]) for name in header) for at in range(240))])
    (folder / "rows.csv").write_text(text + "\n")
    h2o.init(port=54377, nthreads=2, max_mem_size="2g", log_level="WARN")
    try:
        frame = h2o.H2OFrame({**rows, **{f"y_{name}": each.tolist() for name, each in labels.items()}},
                             column_types={"carrier": "enum", "town": "enum", "y_two": "enum", "y_three": "enum"})
        small = {"ntrees": 12, "max_depth": 5, "seed": 1, "min_rows": 2}
        make = {"gbm_two": H2OGradientBoostingEstimator(**small), "gbm_three": H2OGradientBoostingEstimator(**small),
                "gbm_value": H2OGradientBoostingEstimator(**small), "gbm_count": H2OGradientBoostingEstimator(**small, distribution="poisson"),
                "drf_two": H2ORandomForestEstimator(**small), "drf_three": H2ORandomForestEstimator(**small), "drf_value": H2ORandomForestEstimator(**small),
                "glm_two": H2OGeneralizedLinearEstimator(family="binomial", lambda_=0), "glm_three": H2OGeneralizedLinearEstimator(family="multinomial", lambda_=0.01),
                "glm_value": H2OGeneralizedLinearEstimator(lambda_=0), "glm_count": H2OGeneralizedLinearEstimator(family="poisson", lambda_=0.01)}
        for name, model in make.items():
            target = name.partition("_")[2]
            model.train(x=header, y=f"y_{target}", training_frame=frame)
            model.download_mojo(str(folder / f"{name}.zip"))
            said = model.predict(frame)
            (folder / f"{name}.json").write_text(json.dumps({"columns": said.columns, "rows": said.as_data_frame(use_multi_thread=False).to_numpy().tolist()}))
    finally:
        h2o.cluster().shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
