"""`assay check` as users meet it: real flights, a real model, a process of its own for every run."""

from __future__ import annotations

import ctypes
import json
import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score

from assay.app import check
from tests.app.door import assay, command, environment, sentence

MODEL = ("--model", "model.joblib", "--trust", "--data", "test.parquet", "--label", "delayed", "--ignored", "flight_id",
         "--ignored", "tailnum", "--ignored", "time_hour")
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


@pytest.fixture
def folder(flights: Path, tmp_path: Path) -> Path:
    """A folder of one's own with the flights in it."""
    for each in flights.iterdir():
        shutil.copy(each, tmp_path / each.name)
    return tmp_path


def seen(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


def test_the_happy_path(flights: Path) -> None:
    import joblib

    run = assay("check", "assay.yaml", "--trust", cwd=flights)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("PASS: all 2 checks pass\n")
    assert not CONTROL.search(run.stdout)
    data = pq.read_table(flights / "test.parquet").to_pandas()
    truth = roc_auc_score(data["delayed"], joblib.load(flights / "model.joblib").predict_proba(data)[:, 1])
    assert re.search(rf"auc +{truth:.3f} ", run.stdout)
    assert "auc by origin" in run.stdout


@pytest.mark.parametrize("example", [each.replace("\\\n", " ") for each in re.split(r"\n(?=assay)", check._EXAMPLES.strip())])
def test_the_examples_of_the_help_run(example: str, folder: Path, inside) -> None:
    words = shlex.split(example)
    if "assay.yaml" in words:
        words.append("--trust")
    run = inside(*words[1:], cwd=folder)
    assert run.returncode in (0, 1, 3), run.stderr
    assert run.stderr == ""
    assert run.stdout


@pytest.mark.parametrize(("arguments", "code", "verdict"), [
    (["--check", "auc >= 0.5"], 0, "PASS"),
    (["--check", "auc >= 0.5 warn 0.999"], 0, "WARN"),
    (["--check", "auc >= 0.99"], 1, "FAIL"),
    (["--check", "mae <= 3"], 1, "ERROR"),
    (["--check", "auc where carrier == 'HA' >= 0.7"], 3, "INCONCLUSIVE"),
    (["--check", "auc where carrier == 'HA' >= 0.7", "--check", "auc >= 0.99"], 1, "FAIL"),
    (["--check", "recall by dest >= 0.001", "--check", "auc >= 0.5", "--strict"], 3, "INCONCLUSIVE"),
])
def test_exit_codes(flights: Path, arguments: list[str], code: int, verdict: str, inside) -> None:
    run = inside("check", *MODEL, *arguments, "--quiet", cwd=flights)
    assert (run.returncode, run.stderr) == (code, "")
    assert run.stdout.startswith(f"{verdict}: ")


def test_quiet_says_the_verdict_only(flights: Path, inside) -> None:
    assert inside("check", *MODEL, "--check", "auc >= 0.5", "-q", cwd=flights).stdout == "PASS: the check passes (auc >= 0.5)\n"


def test_options_win_over_the_file(folder: Path, inside) -> None:
    (folder / "below").mkdir()
    (folder / "below" / "assay.yaml").write_text((folder / "assay.yaml").read_text("utf-8").replace(": model.j", ": ../model.j").replace(
        "reference: ", "reference: ../").replace("data: ", "data: ../"), "utf-8")
    first = json.loads(inside("check", "below/assay.yaml", "--trust", "--json", "-", cwd=folder).stdout)
    second = json.loads(inside("check", "below/assay.yaml", "--trust", "--data", "july.parquet", "--check", "auc >= 0.51",
                               "--slice", "dest", "--json", "-", cwd=folder).stdout)
    assert first["values"][0]["value"] != second["values"][0]["value"]
    assert [each["check"] for each in second["verdicts"]] == ["auc >= 0.51"]
    assert {key for each in second["values"] for key in each["slice"]} == {"dest"}


def test_json_has_the_shape_of_the_design(folder: Path, inside) -> None:
    run = inside("check", "assay.yaml", "--trust", "--json", "out.json", cwd=folder)
    found = json.loads((folder / "out.json").read_text("utf-8"))
    assert list(found) == ["assay", "verb", "run", "verdict", "strict", "values", "verdicts", "findings", "incidents", "figures",
                           "notes", "about", "cost"]
    assert (found["verb"], found["verdict"], run.returncode) == ("check", "pass", 0)
    assert {"metric", "slice", "value", "low", "high", "n", "better"} <= set(found["values"][0])
    assert {"check", "slice", "verdict", "sentence"} <= set(found["verdicts"][0])
    assert {"seconds", "rows", "model_rows"} == set(found["cost"])
    sliced = [each for each in found["values"] if each["slice"]]
    assert {each["slice"]["origin"] for each in sliced} == {"EWR", "JFK", "LGA"}
    assert all(each["low"] <= each["value"] <= each["high"] for each in sliced)


def test_json_on_standard_output_is_alone_there(flights: Path) -> None:
    run = assay("check", *MODEL, "--check", "auc >= 0.99", "--json", "-", cwd=flights)
    assert (run.returncode, run.stderr) == (1, "")
    assert json.loads(run.stdout)["verdict"] == "fail"


def test_a_run_from_json_is_drawn_the_same(folder: Path) -> None:
    from assay.app.layout import Terminal
    from assay.app.terminal import lines
    from assay.result import Run

    run = assay("check", "assay.yaml", "--trust", "--json", "out.json", cwd=folder, env={"COLUMNS": "90"})
    back = Run.from_json((folder / "out.json").read_text("utf-8"))
    assert run.stdout == "".join("".join(text for text, _ in line).rstrip() + "\n" for line in lines(back, Terminal(90)))


def test_junit_is_read_by_a_parser(folder: Path, inside) -> None:
    inside("check", *MODEL, "--check", "auc by origin >= 0.99", "--check", "auc >= 0.5", "--junit", "out.xml", cwd=folder)
    root = ET.parse(folder / "out.xml").getroot()
    assert (root.tag, root.get("tests"), root.get("failures")) == ("testsuites", "4", "3")


def test_logged_predictions_need_no_model(folder: Path, inside) -> None:
    import joblib

    data = pq.read_table(folder / "test.parquet")
    chance = joblib.load(folder / "model.joblib").predict_proba(data.to_pandas())[:, 1]
    pq.write_table(data.append_column("chance", pa.array(chance)), folder / "logged.parquet")
    run = inside("check", "--data", "logged.parquet", "--label", "delayed", "--score", "chance", "--task", "binary", "--class", "0",
                 "--class", "1", "--check", "auc >= 0.5", "--json", "-", cwd=folder)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["values"][0]["value"] == pytest.approx(roc_auc_score(data["delayed"].to_numpy(), chance), abs=1e-6)


# what is wrong with the input -----------------------------------------------------------------------------------------------


def broken(folder: Path, kind: str) -> None:
    """Make the input of a case."""
    whole = (folder / "test.parquet").read_bytes()
    makers = {
        "truncated": lambda: (folder / "bad.parquet").write_bytes(whole[:len(whole) // 2]),
        "zero bytes": lambda: (folder / "bad.parquet").write_bytes(b""),
        "no rows": lambda: pq.write_table(pq.read_table(folder / "test.parquet").slice(0, 0), folder / "bad.parquet"),
        "a lie": lambda: (folder / "bad.parquet").write_bytes(b"carrier,delayed\nAA,1\n" * 100),
        "yaml": lambda: (folder / "bad.yaml").write_text("model: [x\ndata: y", "utf-8"),
        "key": lambda: (folder / "bad.yaml").write_text("data: test.parquet\ncheks: []", "utf-8"),
        "model": lambda: (folder / "bad.joblib").write_bytes(b"\x80\x04this is no pickle"),
        "renamed": lambda: pq.write_table(pq.read_table(folder / "test.parquet").rename_columns(
            ["Carrier" if each == "carrier" else each for each in pq.read_schema(folder / "test.parquet").names]), folder / "bad.parquet"),
        "": lambda: None,
    }
    makers[kind]()


@pytest.mark.parametrize(("kind", "arguments", "words"), [
    ("", ["--label", "delayd"], "there is no column 'delayd'.*did you mean 'delayed'"),
    ("", ["--slice", "cariier"], "cariier.*did you mean 'carrier'"),
    ("", ["--check", "auc by orgin >= 0.6"], "orgin.*did you mean 'origin'"),
    ("", ["--check", "psi of distanc <= 0.6", "--reference", "reference.parquet"], "distanc.*did you mean 'distance'"),
    ("", ["--check", "auc(positiv=1) >= 0.6"], "positiv.*did you mean 'positive'"),
    ("", ["--positive", "2"], "the model knows no class '2'"),
    ("", ["--threshold", "7"], "a threshold of 7.0 leaves one class only"),
    ("", ["--where", "distance >"], "distance >"),
    ("", ["--where", "distance > 1e9"], "row"),
    ("truncated", ["--data", "bad.parquet"], "bad.parquet"),
    ("zero bytes", ["--data", "bad.parquet"], "bad.parquet"),
    ("no rows", ["--data", "bad.parquet"], "row"),
    ("a lie", ["--data", "bad.parquet"], "bad.parquet"),
    ("renamed", ["--data", "bad.parquet"], "the model needs the column 'carrier'.*called 'Carrier' now"),
    ("model", ["--model", "bad.joblib"], "the pickle cannot be read"),
    ("", ["--model", "none.joblib"], "none.joblib"),
    ("", ["--model", "test.parquet"], "no model that is known here"),
    ("", ["--reference", "none.parquet"], "none.parquet"),
])
def test_bad_input_is_one_sentence(folder: Path, kind: str, arguments: list[str], words: str, inside) -> None:
    broken(folder, kind)
    before = seen(folder)
    given = [*MODEL, "--check", "auc >= 0.5", *arguments, "--json", "out.json", "--junit", "out.xml"]
    assert re.search(words, sentence(inside("check", *given, cwd=folder)))
    assert seen(folder) == before


@pytest.mark.parametrize(("kind", "words"), [("yaml", "bad.yaml, line 2"), ("key", "bad.yaml, line 2.*did you mean 'checks'")])
def test_a_bad_configuration_is_one_sentence(folder: Path, kind: str, words: str, inside) -> None:
    broken(folder, kind)
    assert re.search(words, sentence(inside("check", "bad.yaml", cwd=folder)))


def test_a_model_that_brings_code_needs_trust(flights: Path) -> None:
    said = sentence(assay("check", *(each for each in MODEL if each != "--trust"), "--check", "auc >= 0.5", cwd=flights))
    assert "--trust" in said


@pytest.mark.parametrize(("library", "words"), [("sklearn", "sklearn.*install")])
def test_a_missing_library_is_named(flights: Path, tmp_path: Path, library: str, words: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"""
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {library!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
""", "utf-8")
    said = sentence(assay("check", *MODEL, "--check", "auc >= 0.5", cwd=flights, env={"before": str(tmp_path)}))
    assert re.search(words, said), said


def without_power() -> None:
    """Take from root the right to pass over permissions, so that they mean something where tests run as root."""
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        if ctypes.CDLL(None, use_errno=True).prctl(24, capability, 0, 0, 0):  # PR_CAPBSET_DROP
            raise OSError(ctypes.get_errno(), "prctl")


@pytest.mark.skipif(os.geteuid() == 0 and sys.platform != "linux", reason="root may write everywhere, and only Linux can be told otherwise")
def test_no_permission_is_told_before_the_work(flights: Path) -> None:
    other = {"preexec_fn": without_power} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        shutil.copy(flights / "test.parquet", place)
        (place / "secret.parquet").write_bytes((flights / "test.parquet").read_bytes())
        (place / "secret.parquet").chmod(0)
        place.chmod(0o555)
        try:
            read = assay("check", "--data", "secret.parquet", "--check", "missing of * <= 1", cwd=place, **other)
            written = assay("check", "--data", "test.parquet", "--check", "missing of * <= 1", "--json", "out.json", cwd=place, **other)
        finally:
            place.chmod(0o755)
    assert "secret.parquet" in sentence(read)
    assert sentence(written) == "out.json: cannot write there, Permission denied"


# the terminal ---------------------------------------------------------------------------------------------------------------


def on_terminal(arguments: list[str], cwd: Path, **env: str) -> tuple[int, str]:
    """Run the command with standard output on a terminal; return its exit code and everything it wrote there."""
    master, slave = pty.openpty()
    process = subprocess.Popen(command(*arguments), cwd=cwd, env=environment(COLUMNS="80", **env), stdout=slave, stderr=subprocess.DEVNULL,
                               stdin=subprocess.DEVNULL)
    os.close(slave)
    text = everything(master)
    return process.wait(60), text


def everything(master: int) -> str:
    parts = []
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:
            part = b""
        if not part:
            os.close(master)
            return b"".join(parts).decode("utf-8").replace("\r\n", "\n")
        parts.append(part)


def test_a_terminal_has_colours_and_says_the_same(flights: Path) -> None:
    given = ["check", *MODEL, "--check", "auc by origin >= 0.5", "--slice", "carrier"]
    code, coloured = on_terminal(given, flights)
    assert (code, "\x1b[32m" in coloured, "●" in coloured) == (0, True, True)
    for plain in (on_terminal([*given, "--plain"], flights)[1], on_terminal(given, flights, NO_COLOR="1")[1],
                  assay(*given, cwd=flights, env={"COLUMNS": "80"}).stdout):
        assert not CONTROL.search(plain)
        assert plain.isascii()
        same = str.maketrans("├─┤●┊✓✗·", "|-|o:+x-")
        ends = re.compile(r"\d+\.\d s; run \w+")
        assert ends.sub("", re.sub(r"\x1b\[[0-9;]*m", "", coloured).translate(same)).split() == ends.sub("", plain).split()


def test_an_ascii_terminal_gets_names_spelt_out(folder: Path) -> None:
    data = pq.read_table(folder / "test.parquet")
    names = pa.array(["名古屋" if each == "EWR" else "\x1b[31mred" if each == "JFK" else each for each in data["origin"].to_pylist()])
    pq.write_table(data.set_column(data.column_names.index("origin"), "origin", names), folder / "odd.parquet")
    given = ["check", "--data", "odd.parquet", "--check", "missing of distance by origin <= 0.5", "--slice", "origin"]
    assert "名古屋" in assay(*given, cwd=folder).stdout
    plain = assay(*given, cwd=folder, env={"PYTHONIOENCODING": "ascii"}).stdout
    assert "\\u540d\\u53e4\\u5c4b" in plain
    assert not CONTROL.search(plain)


@pytest.fixture(scope="session")
def long(flights: Path) -> Path:
    """Enough rows for a check to take a while."""
    table = pq.read_table(flights / "test.parquet")
    pq.write_table(pa.concat_tables([table] * 400), flights / "long.parquet")
    return flights / "long.parquet"


def test_interrupted_it_leaves_nothing_and_goes(flights: Path, long: Path, tmp_path: Path) -> None:
    master, slave = pty.openpty()
    given = [*MODEL, "--data", long, "--check", "auc by carrier >= 0.5", "--json", tmp_path / "out.json", "--junit", tmp_path / "out.xml"]
    process = subprocess.Popen(command("check", *given), cwd=flights, env=environment(COLUMNS="80"), stdout=subprocess.PIPE, stderr=slave,
                               stdin=subprocess.DEVNULL, encoding="utf-8")
    os.close(slave)
    said = b""
    while b" rows" not in said:  # the bar is there: it is in the middle of the data
        said += os.read(master, 4096)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    written = process.communicate(timeout=30)[0]
    took = time.monotonic() - began
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", said.decode("utf-8") + everything(master))
    assert process.returncode == 130
    assert written == ""
    assert text.strip().endswith("assay: interrupted; nothing was written")
    assert "Traceback" not in text
    assert list(tmp_path.iterdir()) == []
    assert took < 10


def test_no_bar_beside_json_or_where_it_is_not_wanted(flights: Path, long: Path) -> None:
    for quiet in (["--json", "-"], ["--no-progress"]):
        master, slave = pty.openpty()
        given = ["--data", long, "--check", "missing of * <= 1", "--check", "mean of distance >= 0", *quiet]
        process = subprocess.Popen(command("check", *given), cwd=flights, env=environment(), stdout=subprocess.DEVNULL, stderr=slave)
        os.close(slave)
        assert (everything(master), process.wait(60)) == ("", 0)


def test_a_closed_pipe_is_quiet_and_the_verdict_stands(flights: Path) -> None:
    for colour in ({}, {"FORCE_COLOR": "1"}):
        process = subprocess.Popen(command("check", *MODEL, "--check", "auc by dest >= 0.99"), cwd=flights, env=environment(**colour),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.close()  # before anything is written
        assert process.stderr is not None
        assert (process.stderr.read(), process.wait(60)) == (b"", 1)
        process.stderr.close()
