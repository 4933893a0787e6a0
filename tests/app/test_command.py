"""The door: what is parsed, what is refused and how, and that asking for help costs nothing."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from assay import __version__
from assay.app import check, command
from assay.app.command import main
from assay.errors import ConfigError
from tests.app.door import assay, environment, sentence

HEAVY = {"numpy", "pyarrow", "rich", "scipy", "sklearn", "pandas", "yaml"}


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--version"], ["check", "--help"], ["demo", "--help"], ["metrics", "--help"],
                                       ["profile", "--help"], ["profile"], ["chek"], ["check"]])
def test_asking_loads_nothing_heavy(arguments: list[str]) -> None:
    code = ("import sys\nfrom assay.app.command import main\ntry:\n    main(sys.argv[1:])\nfinally:\n"
            "    print('LOADED', *sorted({name.split('.')[0] for name in sys.modules}))")
    run = subprocess.run([sys.executable, "-c", code, *arguments], env=environment(), capture_output=True, encoding="utf-8", check=False)
    loaded = set(run.stdout.rpartition("LOADED")[2].split())
    assert "assay" in loaded
    assert loaded & HEAVY == set()


def test_help_lists_the_commands_and_the_exit_codes() -> None:
    run = assay("--help")
    assert run.returncode == 0
    assert run.stderr == ""
    for word in ("check ", "demo ", "metrics ", "profile ", "Exit codes:", "3    inconclusive"):
        assert word in run.stdout


def test_help_of_check_groups_the_options_and_teaches_the_language() -> None:
    text = assay("check", "--help").stdout
    headings = [line for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert headings == ["What is judged:", "How it is judged:", "Columns of the data:", "What the model answers:", "Output:", "Other:",
                        "Checks (--check, or the list in assay.yaml; `assay metrics` lists the metrics):", "Examples:", "Exit codes:"]
    assert "selection_rate ratio by origin >= 0.8" in text


def test_every_line_of_the_language_parses() -> None:
    from assay.check.expression import parse
    from assay.metric import find

    for line in check._CHECKS.strip().splitlines():
        assert find(parse(line.partition("  ")[0]).metric)


def test_the_version_is_said() -> None:
    assert assay("--version").stdout == f"assay {__version__}\n"


@pytest.mark.parametrize(("arguments", "words"), [
    ([], "name a command: check, demo, estimate, explain, gate, metrics, models, monitor, probe, profile, repair; hint: assay --help"),
    (["chek"], "there is no command 'chek'; hint: did you mean 'check'?"),
    (["xyzzy"], "there is no command 'xyzzy'; hint: the commands are check, demo, estimate, explain, gate, metrics, models, monitor, probe, profile, repair"),
    (["--versoin"], "there is no option '--versoin'; hint: did you mean '--version'?"),
    (["check", "--dta", "x"], "there is no option '--dta'; hint: did you mean '--data'?"),
    (["check", "--zzzz"], "there is no option '--zzzz'; hint: --help lists them"),
    (["check", "--model"], "option '--model' requires an argument"),
    (["check", "a.yaml", "b.yaml"], "got unexpected extra argument (b.yaml)"),
    (["check"], "there are no data to check; expected --data FILE, or a configuration; hint: assay check --help shows examples"),
    (["check", "--model", "m.onnx"], "there are no data to check"),
    (["check", "d.parquet"], "d.parquet: this is not a configuration; .* hint: is it meant as --data d.parquet?"),
    (["check", "m.joblib"], "hint: is it meant as --model m.joblib?"),
    (["check", "--data", "d.csv", "--task", "sorting", "--check", "x"], "'sorting' is not one of 'binary'"),
    (["check", "--data", "d.csv", "--threshold", "high", "--check", "x"], "'high' is not a valid float"),
    (["check", "none.yaml"], "none.yaml: there is no such file"),
    (["check", "--data", "none.parquet", "--check", "missing of * <= 5%"], "none.parquet"),
    (["check", "--data", "d.csv", "--check", "auc >= high"], "in 'auc >= high' at column 8"),
    (["check", "--data", "d.csv", "--check", "acu >= 0.7"], "there is no metric 'acu'.*did you mean 'auc'"),
    (["check", "--data", "d.csv", "--check", "auc >= 1", "--json", "no/a.json"], "no/a.json: cannot write there, there is no folder 'no'"),
    (["check", "--data", "d.csv", "--check", "auc >= 1", "--json", "."], "this is a folder"),
    (["check", "--data", "d.csv", "--check", "auc >= 1", "--json", "./d.csv"], "this file is read, so it cannot be written"),
    (["check", "--data", "d.csv", "--check", "auc >= 1", "--json", "o", "--junit", "./o"], "--json and --junit name the same file"),
    (["check", "--data", "d.csv", "--check", "auc >= 1", "--junit", "-"], "standard output is for --json only"),
    (["demo", "flihgts"], "there is no demo 'flihgts'.*did you mean 'flights'"),
])
def test_wrong_usage_is_one_sentence(arguments: list[str], words: str, tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("a,b\n1,2\n", "utf-8")
    import re

    said = sentence(assay(*arguments, cwd=tmp_path))
    assert re.search(words if ".*" in words else re.escape(words), said), said
    assert [each.name for each in tmp_path.iterdir()] == ["d.csv"]


def test_a_configuration_that_is_here_is_named(tmp_path: Path) -> None:
    (tmp_path / "assay.yaml").touch()
    assert "assay.yaml is here: assay check assay.yaml" in sentence(assay("check", cwd=tmp_path))


@pytest.mark.parametrize(("raised", "code", "words"), [
    (ConfigError("it is wrong", where="there", hint="look"), 2, "there: it is wrong; hint: look"),
    (MemoryError(), 2, "there is not enough memory"),
    (OSError(errno.ENOSPC, "No space left on device", "x.json"), 2, "x.json: No space left on device"),
    (KeyError("x"), 2, f"this is a fault in assay {__version__} (KeyError: 'x'); hint: run it again with --debug"),
    (RecursionError("too\ndeep"), 2, "(RecursionError: too deep)"),
    (ConfigError("postgresql://ann:s3cret@db/x is \x1b[31mwrong"), 2, "postgresql://***@db/x is \\x1b[31mwrong"),
    (ValueError("postgresql://ann:s3cret@db/x"), 2, "(ValueError: postgresql://***@db/x)"),
    (KeyboardInterrupt(), 130, "interrupted; nothing was written"),
    (BrokenPipeError(), 0, ""),
])
def test_whatever_happens_is_one_sentence(raised: BaseException, code: int, words: str, monkeypatch, capsys) -> None:
    monkeypatch.setattr(check, "judged", fails(raised))
    with pytest.raises(SystemExit) as caught:
        main(["check", "--data", "x.csv", "--check", "y"])
    said = capsys.readouterr()
    assert caught.value.code == code
    assert said.out == ""
    assert said.err.count("\n") == (1 if words else 0)
    assert words in said.err
    assert "s3cret" not in said.err


def test_debug_shows_the_traceback_without_secrets(monkeypatch, capsys) -> None:
    monkeypatch.setattr(check, "judged", fails(ValueError("postgresql://ann:s3cret@db/x")))
    with pytest.raises(SystemExit):
        main(["check", "--debug", "--data", "x.csv", "--check", "y"])
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "s3cret" not in said


def test_warnings_are_sentences_and_said_once(monkeypatch, capsys) -> None:
    import warnings

    def warned(*_: object, **__: object) -> None:
        for _ in range(3):
            warnings.warn("this library\nhas an opinion", UserWarning, stacklevel=1)
        raise ConfigError("done")

    monkeypatch.setattr(check, "judged", warned)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with pytest.raises(SystemExit):
            main(["check", "--data", "x.csv", "--check", "y"])
    assert capsys.readouterr().err == "assay: warning: this library has an opinion\nassay: done\n"


def test_closed_streams_do_no_harm() -> None:
    for closing in (">&-", "2>&-", ">&- 2>&-"):
        run = subprocess.run(f'"{sys.executable}" -m assay --help {closing}', shell=True, env=environment(), capture_output=True,
                             encoding="utf-8", check=False)
        assert "Traceback" not in run.stdout + run.stderr, closing


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here to write to")
def test_a_full_disk_is_told() -> None:
    with Path("/dev/full").open("w") as full:
        run = subprocess.run([sys.executable, "-m", "assay", "metrics"], env=environment(), stdout=full, stderr=subprocess.PIPE,
                             encoding="utf-8", check=False)
    assert run.returncode == 2
    assert run.stderr == "assay: No space left on device\n"


def test_metrics_lists_every_metric_with_direction_and_task() -> None:
    from assay.metric import METRICS

    text = assay("metrics", env={"COLUMNS": "120"}).stdout
    listed = {line.split()[0] for line in text.splitlines() if line.startswith("  ") and not line.startswith("   ")}
    from assay.screen import SCREENS

    built_in = {name for name in METRICS if METRICS.builtin(name)}  # other tests register theirs
    assert built_in <= listed
    assert set(SCREENS) <= listed
    assert len(built_in) > 40
    row = next(line for line in text.splitlines() if line.startswith("  recall "))
    assert "higher" in row
    assert "binary" in text[text.index(row):][:300]


def fails(error: BaseException):
    def judged(*_: object, **__: object) -> None:
        raise error

    return judged


def test_the_console_script_is_main(root: Path) -> None:
    import tomllib

    scripts = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    assert scripts == {"assay": f"{command.__name__}:{main.__name__}"}


def test_the_command_line_knows_every_role() -> None:
    from assay.app import argument
    from assay.data.schema import ROLES

    assert set(argument.ROLES) == set(ROLES) - {"feature", "available_at"}  # features are options; what was known when is a mapping, for assay.yaml
