"""Text classifiers asked by sentences of a grammar: what is found, how it is told, and that it fails again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import joblib
import pytest

import assay
from assay.errors import ConfigError, EmptyDataError, PredictionError, UnknownNameError, UntrustedModelError
from assay.probe.text.grammar import load
from assay.probe.text.oracle import Expected
from assay.probe.text.tree import label
from assay.verbs.probe.classifier import mapping, opened
from assay.verbs.probe.corpus import Corpus
from assay.verbs.probe.question import draws
from tests.app.door import environment
from tests.opinions import classifiers, opinions


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    return classifiers()


@pytest.fixture(scope="module")
def place(models: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    for name, each in models.items():
        joblib.dump(each, folder / f"{name}.joblib")
    (folder / "rules.py").write_text("GOOD = {'good', 'nice', 'great', 'love'}\n\ndef answer(texts):\n"
                                     "    return [('yes' if GOOD & set(each.lower().strip('.!').split()) else 'no', 0.9) for each in texts]\n"
                                     "\ndef broken(texts):\n    raise ValueError('no model today')\n", "utf-8")
    (folder / "labels.yaml").write_text('"yes": positive\n"no": negative\n', "utf-8")
    return folder


@pytest.fixture(scope="module")
def found(place: Path) -> assay.Run:
    return assay.probe_text([place / "bayes.joblib", place / "logistic.joblib"], grammar="reviews", budget=200, shrink=15, trust=True,
                            corpus=opinions()[0])


def test_contradictions_come_first_in_a_sentence_with_numbers(found: assay.Run) -> None:
    assert found.verdict == "fail"
    assert found.exit_code == 1
    share = next(each for each in found.values if each.metric == "share of drawn sentences")
    assert share.n == 200
    assert share.low < share.value < share.high
    first = found.sentences[0]
    assert first.startswith("bayes and logistic contradict each other on ")
    assert f"{100 * share.value:.2g} % [{100 * share.low:.2g}, {100 * share.high:.2g}] of 200 drawn from the grammar" in first
    assert found.findings[0].input["text"] in first


def test_each_finding_is_what_the_models_say(found: assay.Run, models: dict[str, Any]) -> None:
    assert found.findings
    for each in found.findings:
        said = tuple(str(model.predict([each.input["text"]])[0]) for model in models.values())
        assert said == tuple(each.output)
        assert said[0] != said[1]
        assert len(each.input["text"].split()) <= len(each.input["found"].split())
        assert 0 <= each.input["ordinary"] <= 1
    counts = [each.input["findings"] for each in found.findings]
    assert counts == sorted(counts, reverse=True)


@pytest.mark.slow
def test_every_finding_fails_again_in_another_process(found: assay.Run, place: Path) -> None:
    result = place / "result.json"
    result.write_text(json.dumps(found.to_json()), "utf-8")
    code = ("import sys, assay\nrun = assay.probe_text(replay=sys.argv[1], trust=True)\n"
            "print(run.exit_code, run.sentences[0])")
    run = subprocess.run([sys.executable, "-c", code, str(result)], env=environment(), capture_output=True, encoding="utf-8", check=True)
    n = len(found.findings)
    assert run.stdout.strip() == f"1 {n} of {n} findings fail{'s' * (n == 1)} still, with the same answers (bayes, logistic)"


def test_findings_are_asked_again_of_the_same_models_and_of_mended_ones(found: assay.Run, models: dict[str, Any]) -> None:
    n = len(found.findings)
    again = assay.probe_text(list(models.values()), replay=found.to_json())
    assert (again.verdict, len(again.findings)) == ("fail", n)
    mended = assay.probe_text([models["bayes"], models["bayes"]], replay=found.to_json())
    assert mended.verdict == "pass"
    assert mended.sentences[0].startswith(f"none of {n} findings fails any more")


def test_draws_are_independent_and_their_share_is_that_of_a_loop() -> None:
    grammar = load("reviews")
    oracle = Expected(lambda texts: [("positive" if "good" in each else "negative", 1.0) for each in texts], labels=frozenset({"positive"}))
    n, failed = draws(grammar, oracle, 300, seed=3)
    assert n == 300
    from random import Random

    from assay.probe.text.sampler import Sampler
    from assay.probe.text.tree import text

    random, sampler, wrong, seen = Random(4), Sampler(grammar), 0, 0
    while seen < 300:
        tree = sampler.drawn(random)
        if label(grammar, tree) == "positive":
            seen += 1
            wrong += "good" not in text(grammar, tree)
    assert failed == wrong


def test_one_model_is_asked_for_labels_and_relations(models: dict[str, Any]) -> None:
    run = assay.probe_text(models["bayes"], grammar="sentiment", budget=100, relation=["negation"], expected=True, shrink=5)
    assert [each.options["of"] for each in run.values if each.metric == "share of drawn sentences"] == ["expected", "negation"]
    assert any("'neutral' are left out" in each for each in run.notes)
    for each in run.findings:
        if each.input["asked"] == "negation":
            assert each.contrast["text"].replace(" not ", " ", 1) == each.input["text"]
            assert each.output[0] == each.output[1]
        else:
            assert each.output[0] != each.input["label"]


def test_a_bound_judges_the_share_of_what_was_drawn(models: dict[str, Any]) -> None:
    both = list(models.values())
    loose = assay.probe_text(both, grammar="reviews", budget=100, at_most=0.9, shrink=3)
    assert (loose.verdict, loose.exit_code) == ("warn", 0)   # found all the same: told, and no failure
    assert all(each.outcome == "warn" for each in loose.findings)
    assert assay.probe_text(both, grammar="reviews", budget=100, at_most=0.001, shrink=0).verdict == "fail"
    same = assay.probe_text([models["bayes"], models["bayes"]], grammar="reviews", budget=100, at_most=0.03)
    assert same.verdict == "pass"
    assert "at most" in same.sentences[0]


def test_labels_are_mapped_and_functions_of_files_need_trust(place: Path) -> None:
    with pytest.raises(UntrustedModelError, match="runs code"):
        opened([f"{place}/rules.py:answer"])
    with pytest.raises(ConfigError, match=r"did you mean 'answer'"):
        opened([f"{place}/rules.py:anser"], trust=True)
    names = mapping(place / "labels.yaml")
    assert names == {"yes": "positive", "no": "negative"}
    rules = opened([f"{place}/rules.py:answer"], labels=names, trust=True)[0]
    assert rules.ask(["It is good.", "It is bad."]) == [("positive", 0.9), ("negative", 0.9)]
    with pytest.raises(ConfigError, match="no label in common"):
        assay.probe_text([place / "bayes.joblib", assay.load(lambda batch: ["x"] * batch.num_rows, task="binary", classes=["x", "y"])],
                         grammar="reviews", trust=True)
    with pytest.raises(ConfigError, match="the grammar says"):
        assay.probe_text(f"{place}/rules.py:answer", grammar="reviews", trust=True)
    with pytest.raises(PredictionError, match="no model today"):
        assay.probe_text(f"{place}/rules.py:broken", grammar="reviews", trust=True)


@pytest.mark.parametrize(("given", "words"), [
    ({"grammar": None}, "no grammar is named"), ({"grammar": "reveiws"}, "did you mean 'reviews'"), ({"budget": 10}, "finds nothing"),
    ({"relation": "nmaes"}, "did you mean 'names'"), ({"between": ["positive"]}, "between two labels"), ({"at_most": 1.0}, "at_most is 1"),
    ({"grammar": "ogma-a"}, "gives no labels")])
def test_what_cannot_be_meant_is_said(given: dict[str, Any], words: str, models: dict[str, Any]) -> None:
    with pytest.raises((ConfigError, UnknownNameError), match=words):
        assay.probe_text(models["bayes"], **{"grammar": "reviews", **given})


def test_relations_are_asked_of_one_model(models: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="asked of one model"):
        assay.probe_text(list(models.values()), grammar="reviews", relation="names")


def test_a_relation_that_fits_no_sentence_is_inconclusive(models: dict[str, Any]) -> None:
    run = assay.probe_text(models["bayes"], grammar="reviews", relation="religion", budget=100)
    assert (run.verdict, run.exit_code) == ("inconclusive", 3)
    assert "can be judged (religion)" in run.sentences[0]


def test_an_interrupt_keeps_what_was_found() -> None:
    left = {"asked": 700}

    def slow(texts: Sequence[str]) -> list[str]:
        left["asked"] -= len(texts)
        if left["asked"] < 0:
            raise KeyboardInterrupt
        return ["negative" if "not" in each else "positive" for each in texts]

    run = assay.probe_text([slow, lambda texts: ["positive"] * len(texts)], grammar="reviews", budget=1_000, shrink=10)
    assert run.about["stopped"] == "interrupted"
    assert run.findings
    assert any("interrupted after" in each for each in run.notes)


def test_a_corpus_is_lines_or_a_column_and_says_what_is_ordinary(tmp_path: Path) -> None:
    texts = [f"the {noun} was {word} and we came again" for noun in ("soup", "tea", "bread", "cake", "rice", "fish", "wine", "beer")
             for word in ("good", "fresh", "hot", "cold", "nice", "great", "bland", "sweet")]
    (tmp_path / "lines.txt").write_text("\n".join(texts), "utf-8")
    corpus = Corpus.of(tmp_path / "lines.txt")
    assert corpus.texts == tuple(texts)
    assert corpus.ordinary("the soup was good and we came again") > corpus.ordinary("again soup came the zxq")
    assert Corpus.of(texts[:20]).ordinary("the soup was good") is None
    with pytest.raises(EmptyDataError, match="no texts"):
        Corpus.of([" "])
