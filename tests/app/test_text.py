"""``assay probe text`` at the door: exit codes, what is written, and one sentence for bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assay.app.command import main

RULES = """
GOOD = {"good", "nice", "great", "love", "perfect"}

def plain(texts):
    return ["positive" if GOOD & set(each.lower().strip(".!").split()) else "negative" for each in texts]

def negating(texts):
    return ["negative" if " not " in each else said for each, said in zip(texts, plain(texts))]
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    (folder / "rules.py").write_text(RULES, "utf-8")
    (folder / "small.lark").write_text('start: "it is" quality "."\nquality: "good" = "positive" | "bad" = "negative" | "not good" = "negative"\n',
                                       "utf-8")
    (folder / "wrong.lark").write_text('start: "it is" qualty\nquality: "good"\n', "utf-8")
    (folder / "labels.yaml").write_text("positive: [a, b]\n", "utf-8")
    (folder / "other.json").write_text("{}", "utf-8")
    return folder


def run(place: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.chdir(place)
    with pytest.raises(SystemExit) as caught:
        main(["probe", "text", *arguments, "--plain"])
    return int(str(caught.value.code))


BOTH = ["--model", "rules.py:plain", "--model", "rules.py:negating", "--trust"]


def test_a_whole_grammar_is_asked_told_written_and_asked_again(place: Path, monkeypatch: pytest.MonkeyPatch,
                                                              capsys: pytest.CaptureFixture[str]) -> None:
    assert run(place, monkeypatch, *BOTH, "--grammar", "small.lark", "--json", "run.json") == 1
    told = " ".join(capsys.readouterr().out.split())
    assert "FAIL: plain and negating contradict each other on 33 % of all 3 sentences of the grammar" in told
    assert "“It is not good.”" not in told
    assert "“it is not good.”: plain says positive, negating says negative (the grammar says negative); 1 of 1 findings" in told
    made = json.loads((place / "run.json").read_text("utf-8"))
    assert made["findings"][0]["input"]["text"] == "it is not good."
    assert run(place, monkeypatch, "--replay", "run.json", "--trust") == 1
    assert "1 of 1 findings fails still, with the same answers (plain, negating)" in " ".join(capsys.readouterr().out.split())
    same = ["--model", "rules.py:negating", "--model", "rules.py:negating", "--trust"]
    assert run(place, monkeypatch, "--replay", "run.json", *same) == 0
    assert run(place, monkeypatch, *same, "--grammar", "small.lark") == 0


@pytest.mark.parametrize(("arguments", "words"), [
    ([*BOTH, "--grammar", "wrong.lark"], "wrong.lark, line 1, column"), ([*BOTH, "--grammar", "wrong.lark"], "did you mean 'quality'"),
    ([*BOTH, "--grammar", "nowhere.lark"], "there is no such grammar"), ([*BOTH[:-1], "--grammar", "small.lark"], "pass --trust"),
    ([*BOTH], "no grammar is named"), (["--grammar", "small.lark"], "there is no model to ask"),
    ([*BOTH, "--grammar", "small.lark", "--relation", "names"], "asked of one model"),
    ([*BOTH, "--grammar", "small.lark", "--labels", "labels.yaml"], "labels.yaml, line 1, column"),
    ([*BOTH, "--grammar", "small.lark", "--budgt", "3"], "did you mean '--budget'"),
    (["--replay", "other.json"], "other.json"), (["--replay", "rules.py"], "no result of assay")])
def test_bad_input_is_one_sentence(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str],
                                   words: str) -> None:
    assert run(place, monkeypatch, *arguments, "--json", "never.json") == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
    assert words in told.err
    assert "fault in assay" not in told.err
    assert not (place / "never.json").exists()
