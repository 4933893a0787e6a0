"""Bad input of the probes and of repair, and an interrupt: a sentence, the exit code, and nothing half-written."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from assay.app.command import main
from tests.app.door import command, environment

RUNS = {"fairness": ["probe", "fairness", "--budget", "300"], "associations": ["probe", "associations"],
        "repair": ["repair", "--remedy", "thresholds", "--budget", "300"]}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("input"), np.random.default_rng(0)
    rows = pd.DataFrame({"x": rng.normal(0, 1, 400).round(3), "sex": rng.integers(0, 2, 400)})
    rows["y"] = (rows.x + 0.5 * rows.sex + rng.normal(0, 1, 400) > 0).astype(int)
    joblib.dump(LogisticRegression().fit(rows[["x", "sex"]], rows.y), folder / "model.joblib")
    women = rows[rows.sex == 0]
    for name, table in {"data": rows, "few": pd.concat([women, rows[rows.sex == 1].head(3)]), "one": women,
                        "none": rows.assign(sex=None), "head": rows.head(0)}.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    (folder / "empty.csv").touch()
    (folder / "assay.yaml").write_text("model: model.joblib\ndata: data.csv\npositive: 1\nfeatures: [x, sex]\ncolumns: {label: y}\n", "utf-8")
    return folder


CASES = {
    "absent": (["--protected", "gender"], "no column 'gender'", RUNS),
    "typo": (["--protected", "sxe"], "did you mean 'sex'", RUNS),
    "not named": ([], "no protected column is named", RUNS),
    "typo of another": (["--protected", "sex", "--label", "yy"], "'yy'", RUNS),
    "one group": (["--protected", "sex", "--data", "one.csv"], "one ", RUNS),
    "three rows": (["--protected", "sex", "--data", "few.csv"], "rows", ("repair",)),
    "continuous": (["--protected", "x"], "too many to repair", ("repair",)),
    "no group": (["--protected", "sex", "--data", "none.csv"], "", RUNS),
    "no rows": (["--protected", "sex", "--data", "head.csv"], "", RUNS),
    "empty": (["--protected", "sex", "--data", "empty.csv"], "empty.csv", RUNS),
    "no file": (["--protected", "sex", "--data", "nowhere.csv"], "nowhere.csv", RUNS),
}


@pytest.mark.parametrize(("case", "run"), [(case, run) for case, (_, _, runs) in CASES.items() for run in runs])
def test_bad_input_is_one_sentence(place: Path, case: str, run: str, capsys: pytest.CaptureFixture[str]) -> None:
    options, words, _ = CASES[case]
    before = set(place.iterdir())
    given = [str(place / each) if each.endswith(".csv") else each for each in options]
    output = ["--output", str(place / "repaired.json")] if run == "repair" else []
    with pytest.raises(SystemExit) as caught:
        main([*RUNS[run], str(place / "assay.yaml"), *given, "--trust", "--json", str(place / "run.json"), "--html", str(place / "run.html"),
              *output])
    told = capsys.readouterr()
    assert caught.value.code == 2
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
    assert told.err.startswith("assay: ")
    assert words in told.err
    assert "fault in assay" not in told.err
    assert set(place.iterdir()) == before


def test_what_is_unusual_and_no_mistake_is_told_in_notes(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for run, options, words in (("fairness", ["--protected", "sex", "--data", str(place / "few.csv")], "3 with 1"),
                                ("associations", ["--protected", "sex", "--data", str(place / "few.csv")], "INCONCLUSIVE: nothing could be compared"),
                                ("fairness", ["--protected", "x"], "'x' has many values"),
                                ("associations", ["--protected", "x"], "x")):
        with pytest.raises(SystemExit) as caught:
            main([*RUNS[run], str(place / "assay.yaml"), *options, "--trust", "--plain"])
        assert caught.value.code in (0, 1, 3)
        assert words in " ".join(capsys.readouterr().out.split())


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that takes long to probe and to fit."""
    folder, rng = tmp_path_factory.mktemp("slow"), np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(0, 1, (3_000, 8)).round(2), columns=[f"x{place}" for place in range(8)]).assign(sex=rng.integers(0, 2, 3_000))
    rows["y"] = (rows.x0 + 0.7 * rows.sex + rng.normal(0, 1, 3_000) > 0).astype(int)
    model = GradientBoostingClassifier(n_estimators=40, max_depth=4).fit(rows.drop(columns="y"), rows.y)
    joblib.dump(model, folder / "model.joblib")
    rows.to_parquet(folder / "data.parquet")
    (folder / "assay.yaml").write_text("model: model.joblib\ndata: data.parquet\ntrain: data.parquet\npositive: 1\n"
                                       "columns: {label: y, protected: [sex]}\n", "utf-8")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("run", [["probe", "fairness", "--budget", "100000000", "--html", "run.html"],
                                 ["repair", "--remedy", "retrain", "--budget", "10000000", "--output", "repaired.joblib"]])
def test_an_interrupt_ends_it_and_leaves_nothing_by_halves(slow: Path, run: list[str]) -> None:
    before = set(slow.iterdir())
    process = subprocess.Popen(command(*run, "assay.yaml", "--trust", "--json", "run.json"), cwd=slow, env=environment(OMP_NUM_THREADS="1"),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
    end = time.monotonic() + 60
    while _spent(process.pid) < 4.0 and time.monotonic() < end and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert "Traceback" not in error
    left = set(slow.iterdir()) - before
    if run[0] == "repair":
        assert left == set()
        assert error.splitlines()[-1] == "assay: interrupted; nothing was written"
    else:   # what was found until then, whole
        assert {each.name for each in left} <= {"run.json", "run.html"}
        for each in left:
            assert '"stopped": "interrupted"' in each.read_text("utf-8") or each.suffix == ".html"
            each.unlink()


def _spent(process: int) -> float:
    """Return the CPU time of a process, in seconds: by then the libraries are loaded, however busy the machine is."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
