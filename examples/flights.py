# %% [markdown]
# # Will a flight arrive late, and is the model good enough to ship?
#
# All flights from New York in 2013, a model trained on the first months, judged on a later one. `assay.verbs.demos.flights` holds
# the code that joins the flights with the weather and trains the model: read and copy it.

# %%
from pathlib import Path

from assay.verbs.demos.flights import flights

folder = Path("flights")
folder.mkdir(exist_ok=True)
_ = flights(folder, print)

# %% [markdown]
# Three lines: a model, its data, and the default suite.

# %%
import assay

model = assay.load(folder / "model.joblib", trust=True)  # it was made a moment ago, right here
roles = {"label": "delayed", "id": "flight_id", "entity": "tailnum", "timestamp": "time_hour"}
report = assay.check(model, folder / "test.parquet", train=folder / "train.parquet", reference=folder / "reference.parquet", **roles)
print(report)

# %% [markdown]
# `report` alone shows the page, `report.save("report.html")` writes it for others. What was looked for can be kept as checks:

# %%
print(report.to_yaml()[:600])

# %% [markdown]
# Checks of your own, by slice; every value has an interval.

# %%
mine = assay.check(model, folder / "test.parquet", threshold=0.25, checks=["auc >= 0.65", "recall by origin >= 0.40"], **roles)
print(mine)

# %%
mine.by_group("origin", intervals=True).round(3)
