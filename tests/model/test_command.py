"""A program on standard input and output as a model: three ways to write a table, and every way to fail."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import assay
from assay.errors import AssayError, ConfigError, ModelError, PredictionError, UntrustedModelError
from assay.model import guard
from assay.model.load import load

BATCH = pa.record_batch({"x": [0.1, 0.9, None, 0.4], "who": ["a", "b,c", 'd"', "é"]})
CSV = """
import csv, sys
print("score")
for row in csv.DictReader(sys.stdin):
    print(row["x"] or 0.25)
"""
JSON = """
import json, sys
for line in sys.stdin:
    row = json.loads(line)
    print(json.dumps({"prediction": "yes" if (row["x"] or 0) > 0.5 else "no", "score": [1 - (row["x"] or 0.25), row["x"] or 0.25]}))
"""
ARROW = """
import sys, pyarrow as pa
table = pa.ipc.open_stream(sys.stdin.buffer).read_all()
x = table.column("x").fill_null(0.25)
out = pa.table({"no": pa.array([1 - each.as_py() for each in x]), "yes": x})
with pa.ipc.new_stream(sys.stdout.buffer, out.schema) as sink:
    sink.write_table(out)
"""


def program(folder: Path, text: str) -> str:
    path = folder / "score it.py"
    path.write_text(text)
    return f"command:{sys.executable} '{path}'"


@pytest.mark.parametrize(("protocol", "text"), [("csv", CSV), ("json", JSON), ("arrow", ARROW)])
def test_a_table_goes_in_and_an_answer_a_row_comes_out(tmp_path, protocol, text) -> None:
    model = load(program(tmp_path, text), trust=True, classes=["no", "yes"], protocol=protocol)
    answer = guard.answer(model, BATCH)
    np.testing.assert_allclose(answer.score[:, 1], [0.1, 0.9, 0.25, 0.4])
    assert answer.prediction.tolist() == [0, 1, 0, 0]
    assert len(guard.answer(model, BATCH.slice(0, 0))) == 0
    assert len(model.digest) == 64
    Path(tmp_path / "score it.py").write_text(text + "\n# changed\n")
    assert load(program(tmp_path, text + "\n"), trust=True, classes=["no", "yes"], protocol=protocol).digest != model.digest


@pytest.mark.parametrize(("text", "words"), [
    ("import sys; print('no such column: age', file=sys.stderr); sys.exit(3)", r"ended with exit status 3; its last words: no such column: age"),
    ("1 / 0", r"exit status 1; its last words: ZeroDivisionError"),
    ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
    ("import time; time.sleep(60)", "did not answer within 2 s"),
    ("import os, sys, time; os.close(1); time.sleep(60)", "did not end within 2 s"),
    ("print('score'); print(0.5)", "answered for 1 rows and was asked for 4"),
    ("print('score'); print('high'); print('low'); print('low'); print('low')", "scores of type"),
    ("pass", "is not csv"),
    ("print('this is;nothing\\n1,2,3')", "is not csv: it begins 'this is;nothing"),
    ("print('a,b'); print('1,2')", "the columns 'a', 'b'"),
    ("print('prediction'); print('maybe'); print('no'); print('no'); print('no')", "'maybe' in row 0"),
    ("print('score'); print('nan\\n0.1\\n0.1\\n0.1')", "answered"),
])
def test_a_program_that_fails_says_why(tmp_path, text, words) -> None:
    model = load(program(tmp_path, text), trust=True, classes=["no", "yes"], timeout=2 if "sleep" in text else 60)
    with pytest.raises(PredictionError, match=words):
        guard.answer(model, BATCH)


def test_output_and_memory_are_bounded(tmp_path, monkeypatch) -> None:
    from assay.model import command

    monkeypatch.setattr(command, "LARGEST", 10**6)
    flood = load(program(tmp_path, "while True: print('x' * 1000)"), trust=True, task="regression")
    with pytest.raises(PredictionError, match="more than 1,000,000 bytes"):
        guard.answer(flood, BATCH)
    hungry = load(program(tmp_path, "import time; x = bytearray(b'x' * 3 * 10**8); time.sleep(30)"), trust=True, task="regression", memory="100MB")
    with pytest.raises(PredictionError, match=r"took \d+ MB of memory, and 100 MB were allowed"):
        guard.answer(hungry, BATCH)


def test_a_program_sees_no_secret_and_no_shell(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "s3cret")
    model = load(program(tmp_path, "import os; print('value'); [print(float('SECRET_TOKEN' in os.environ)) for _ in range(4)]"), trust=True,
                 task="regression")
    assert guard.answer(model, BATCH).value.tolist() == [0.0] * 4
    named = load(program(tmp_path, "import os; print('value'); [print(float('SECRET_TOKEN' in os.environ)) for _ in range(4)]"), trust=True,
                 task="regression", environment="SECRET_TOKEN")
    assert guard.answer(named, BATCH).value.tolist() == [1.0] * 4
    touched = tmp_path / "touched"
    with pytest.raises(AssayError):
        guard.answer(load(f"command:{sys.executable} -c pass; touch {touched}", trust=True, task="regression"), BATCH)
    assert not touched.exists()


@pytest.mark.parametrize(("uri", "options", "error", "words"), [
    ("command:python x.py", {}, UntrustedModelError, "a command runs code"),
    ("command:no-such-program x", {"trust": True, "task": "regression"}, ModelError, "no program 'no-such-program'"),
    ("command:'python", {"trust": True}, ConfigError, "cannot be read"), ("command: ", {"trust": True}, ConfigError, "there is no command"),
    ("command:true", {"trust": True, "task": "regression", "protocol": "xml"}, ConfigError, "no protocol 'xml'"),
    ("command:true", {"trust": True}, AssayError, "does not say what it predicts"),
    ("command:true", {"trust": True, "isolation": "process"}, ConfigError, "has a process of its own"),
])
def test_what_cannot_be_a_command(uri, options, error, words) -> None:
    with pytest.raises(error, match=words):
        load(uri, **options)


def test_a_configuration_cannot_run_a_command_without_trust(tmp_path) -> None:
    (tmp_path / "data.csv").write_text("x,y\n" + "0.1,0\n0.9,1\n" * 60)
    (tmp_path / "assay.yaml").write_text(f'model: {{uri: "{program(tmp_path, CSV)}", timeout: 60}}\ntask: binary\nclasses: [0, 1]\ndata: data.csv\n'
                                         "columns: {label: y}\nchecks: [auc >= 0.9]\n")
    with pytest.raises(UntrustedModelError, match="stands in a configuration"):
        assay.check(str(tmp_path / "assay.yaml"))
    run = assay.check(str(tmp_path / "assay.yaml"), trust=True)
    assert run.verdict == "pass"
