# %% [markdown]
# # Who is refused a mortgage, and is the model fair to them?
#
# 1,989 decisions of banks in Boston, collected by the Federal Reserve Bank there. The model sees income, debts, credit history and the
# house; it never sees who is black, hispanic or white. `assay.verbs.demos.mortgage` holds the code that prepares the data and trains it.

# %%
from pathlib import Path

from assay.verbs.demos.mortgage import mortgage

folder = Path("mortgage")
folder.mkdir(exist_ok=True)
_ = mortgage(folder, print)

# %% [markdown]
# The default suite, told that race is protected: it is no input of the model, and answers are compared between its groups.

# %%
import assay

model = assay.load(folder / "model.joblib", trust=True)  # it was made a moment ago, right here
roles = {"label": "approved", "id": "application", "protected": ["race"], "ignored": ["male", "married"]}
report = assay.check(model, folder / "test.parquet", train=folder / "train.parquet", reference=folder / "reference.parquet",
                     positive=1, **roles)
print(report)

# %% [markdown]
# The numbers behind it by group. An interval says how much 70 applications can tell; `n` is how many there were.

# %%
fair = assay.check(model, folder / "test.parquet", positive=1, **roles, checks=[
    "selection_rate by race >= 0.5",
    "selection_rate ratio by race >= 0.80",      # the four-fifths rule
    "recall by race >= 0.85",                    # of those whom the bank approved, how many does the model approve
    "precision by race >= 0.75",                 # of those whom the model approves, how many did the bank approve
])
print(fair)

# %%
fair.by_group("race", intervals=True).round(3)

# %% [markdown]
# The gap is in the decisions that the model learned from, too. What banks decided, by race:

# %%
import pyarrow.parquet

test = pyarrow.parquet.read_table(folder / "test.parquet").to_pandas()
test.groupby("race")["approved"].agg(["mean", "size"]).round(3)

# %% [markdown]
# Does the neighbourhood stand in for race? Leave it out, and compare the two models on the same applications.

# %%
import joblib

without = [name for name in model.signature.names if name != "minority_tract"]
train = pyarrow.parquet.read_table(folder / "train.parquet").to_pandas()
blind = joblib.load(folder / "model.joblib").fit(train[without], train["approved"])
blind_report = assay.check(blind, folder / "test.parquet", champion=model, positive=1, **roles,
                           checks=["auc >= champion - 0.02", "selection_rate ratio by race >= 0.80"])
print(blind_report)
