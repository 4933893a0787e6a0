"""What would have had to differ, asked as users ask: by verb, by configuration and by command."""

from __future__ import annotations

import joblib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeClassifier

import assay
from assay.errors import ConfigError
from assay.verbs.config import read
from assay.verbs.explain.counterfactual import changes
from assay.verbs.explain.explain import explain


def loans(n: int = 500, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    income, savings, age = rng.integers(10, 90, n), rng.integers(0, 50, n), rng.integers(18, 80, n)
    return pa.table({"loan": np.arange(n) + 1000, "income": income, "savings": savings, "age": age,
                     "approved": ((income + savings > 70) & (age > 20)).astype(int)})


DATA = loans()
INPUTS = ["income", "savings", "age"]
ROLES = {"label": "approved", "id": "loan", "protected": ["age"]}


@pytest.fixture(scope="module")
def model():
    return DecisionTreeClassifier(max_depth=6, random_state=0).fit(DATA.select(INPUTS).to_pandas(), DATA["approved"].to_numpy())


@pytest.fixture(scope="module")
def denied(model) -> int:
    said = model.predict(DATA.select(INPUTS).to_pandas())
    return 1000 + int(np.flatnonzero((said == 0) & (DATA["age"].to_numpy() > 30) & (DATA["income"].to_numpy() > 40))[0])


def said(model, row, **changed) -> int:
    frame = DATA.filter(pa.array(DATA["loan"].to_numpy() == row)).select(INPUTS).to_pandas().assign(**changed)
    return int(model.predict(frame)[0])


def test_the_smallest_change_is_told_and_holds(model, denied):
    run = explain(model, DATA, row=denied, counterfactual=True, changeable={"income": "increase", "savings": [0, 60]}, **ROLES)
    assert run.sentences[0].startswith(f"loan {denied}: predicted approved = 0 (score ")
    assert "it would have been approved = 1" in run.sentences[0]
    assert run.sentences[-1].startswith("no fewer changes lead there: every combination of up to ")
    assert run.exit_code == 0
    first = run.values[0]
    column, _, rest = first.column.partition(" = ")
    assert said(model, denied, **{column: int(rest.split()[0])}) == 1
    assert run.about["method"] == "exact"
    assert run.about["changeable"] == "income: increase, savings: 0 to 60"


def test_protected_columns_are_never_changed(model, denied):
    with pytest.raises(ConfigError, match="protected"):
        explain(model, DATA, row=denied, counterfactual=True, changeable={"age": "increase"}, **ROLES)
    run = explain(model, DATA, row=denied, counterfactual=True, **ROLES)
    assert all("age" not in each.column for each in run.values)
    assert any(each.startswith("every input that is not protected was taken as changeable") for each in run.notes)


def test_none_within_these_ranges_is_told(model, denied):
    run = explain(model, DATA, row=denied, counterfactual=True, changeable={"savings": [0, 1]}, **ROLES)
    assert "no change of savings within these ranges leads to another decision: all combinations of up to 1 of them" in run.sentences[0]
    assert not run.values


def test_a_number_needs_to_be_told_what_is_wanted():
    fitted = LinearRegression().fit(DATA.select(INPUTS).to_pandas(), DATA["income"].to_numpy() * 2.0)
    model = assay.load(fitted)
    roles = {"label": "approved", "id": "loan"}
    run = explain(model, DATA, row=1003, counterfactual=True, changeable={"income": [0, 200]}, wanted=">= 249.9", **roles)
    assert "it would have been 250 with income = 125 instead of" in run.sentences[0]
    for wanted in (None, ">= many", "250"):
        with pytest.raises(ConfigError, match="which number"):
            explain(model, DATA, row=1003, counterfactual=True, wanted=wanted, **roles)


def test_what_makes_no_sense_is_told(model, denied):
    approved = next(each for each in DATA["loan"].to_pylist() if said(model, each) == 1)
    with pytest.raises(ConfigError, match="decided so already"):
        explain(model, DATA, row=approved, counterfactual=True, wanted=1, **ROLES)
    with pytest.raises(ConfigError, match="of one row"):
        explain(model, DATA, counterfactual=True, **ROLES)
    for text in ("=increase", "income=", "income=a..b"):
        with pytest.raises(ConfigError):
            changes([text])


def test_the_command_reads_what_may_change_from_options_and_configuration(model, denied, tmp_path, capsys):
    from assay.app.command import main

    joblib.dump(model, tmp_path / "model.joblib")
    pq.write_table(DATA, tmp_path / "data.parquet")
    (tmp_path / "assay.yaml").write_text("model: model.joblib\ndata: data.parquet\ncolumns: {label: approved, id: loan, protected: age}\n"
                                         "changeable: {income: increase, savings: [0, 5]}\n")
    assert read(tmp_path / "assay.yaml").changeable == {"income": "increase", "savings": [0, 5]}
    shared = ["explain", str(tmp_path / "assay.yaml"), "--trust", "--row", str(denied), "--no-progress"]

    def asked(*more: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main([*shared, *more])
        return ended.value.code, " ".join(capsys.readouterr().out.split())

    code, shown = asked("--counterfactual")
    assert code == 0
    assert "income: increase, savings: 0 to 5" in shown or "with income =" in shown
    code, shown = asked("--counterfactual", "--change", "savings=0..60")
    assert code == 0
    assert "with savings =" in shown
    assert "with income =" not in shown
    assert asked("--change", "savings=0..60")[0] == 2
    (tmp_path / "assay.yaml").write_text("data: data.parquet\nchangeable: {income: 3}\n")
    with pytest.raises(ConfigError, match="increase, decrease"):
        read(tmp_path / "assay.yaml")


def test_a_row_tells_how_stable_its_contributions_are(model, denied):
    many = pa.concat_tables([loans(1500, seed) for seed in (3, 4)])
    run = explain(model, DATA, train=many, row=denied, **ROLES)
    assert "largest change" in run.about["stable"]
    assert run.about["stable"].endswith("with 3 other samples of the background")
    run = explain(model, DATA, row=denied, **ROLES)
    assert run.about["stable"] == "exact, and the background is whole: nothing hangs on chance"
    run = explain(model, DATA, row=denied, quantity="decision", budget=2000, **ROLES)
    assert run.about["stable"].endswith("with 1 other seed")
