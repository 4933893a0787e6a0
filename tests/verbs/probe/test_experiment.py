"""The verb and the command on systems whose fault is known: what is proved, how it goes on, and what cannot be an experiment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import assay
from assay.app.state import State
from assay.app.tree import run as command
from assay.errors import AssayError, ConfigError, UntrustedModelError
from assay.result import Run
from assay.verbs.probe.experiment import experiment
from tests.probe.experiment.shop import Shop

TWO = {"system": {"parallel": 1}, "treatments": {"men": {"profile": {"sex": "m"}}, "women": {"profile": {"sex": "f"}}}}
STEPS = [{"post": "/set", "form": {"gender": "{gender}", "name": "{unit}"}}]


def ads(url: str, blocks: int = 15, **rest: Any) -> dict[str, Any]:
    return {"name": "job ads", "system": {"url": url, "timeout": 5}, "blocks": blocks, "units": 4,
            "treatments": {"men": {"profile": {"gender": "male"}, "steps": STEPS}, "women": {"profile": {"gender": "female"}, "steps": STEPS}},
            "measure": [{"get": "/news", "times": 4, "read": {"ads": {"html": "li.ad"}, "price": {"html": "b#price"}}}],
            "outcomes": {"ads": "items", "price": "number"}, **rest}


def written(path: Path, value: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(value), "utf-8")
    return path


def by_luck(extra: float, seed: int = 1) -> Any:
    """A system that gives women ``extra`` less, and drifts."""
    rng, count = np.random.default_rng(seed), [0]

    def system(profile: Any, unit: str) -> dict[str, Any]:
        count[0] += 1
        return {"offer": 100 + count[0] / 5 + rng.standard_normal() - extra * (profile["sex"] == "f"), "ok": bool(rng.random() < 0.5)}

    return system


def told(run: Run) -> dict[str, Any]:
    """What a run says of the system, without when and by whom."""
    return {name: each for name, each in run.to_json().items() if name not in ("run", "cost", "notes")}


def test_a_shop_that_shows_men_other_jobs_is_found_out(tmp_path) -> None:
    with Shop() as shop:
        run = experiment(written(tmp_path / "ads.yaml", ads(shop.url)), trust=True)
    assert run.verdict == "fail"
    assert run.sentences[0].startswith("'women' and 'men' are treated differently: 'Executive jobs $200k+' was shown ")
    assert "of units it never saw, chance is 50 %" in run.sentences[0]
    assert [each.verdict for each in run.verdicts] == ["fail", "inconclusive"]
    jobs = next(each for each in run.findings if "Executive" in each.sentence)
    seen = [json.loads(line) for line in (tmp_path / "ads.log.jsonl").read_text("utf-8").splitlines()]
    lots = {number: name for number, _, name in seen[0]["units"]}
    for name, count in zip(("women", "men"), jobs.output, strict=True):
        assert count == sum(each["outcomes"]["ads"].count("Executive jobs $200k+") for each in seen[2:] if lots[each["unit"]] == name)
    price = next(each for each in run.values if each.metric == "difference")
    assert price.low is not None
    assert price.high is not None
    assert price.low < 0 < price.high
    assert Run.from_json(run.to_json()) == run


def test_a_fair_shop_is_told_what_is_not_ruled_out_and_no_pass(tmp_path) -> None:
    with Shop(bias=0.0) as shop:
        run = experiment(written(tmp_path / "ads.yaml", ads(shop.url, 10)), url=shop.url)
    assert run.verdict == "inconclusive"
    assert run.exit_code == 3
    assert run.sentences[0] == ("no difference is proved by 40 units, and none is ruled out: the design does not say how large a one of "
                                "'price' matters (at_most)")
    assert "apart (p = " in " ".join(run.sentences)
    assert run.findings == ()
    assert "at_most" in (run.verdicts[1].hint or "")


def test_the_difference_that_is_to_be_found_is_the_bound_where_nothing_is_said() -> None:
    design = {**TWO, "blocks": 20, "units": 4, "outcomes": {"offer": "number"}}
    power = {"outcome": "offer", "usual": 100, "spread": 1, "effect": -1.5}
    assert experiment({**design, "power": power}, system=by_luck(0.0)).verdict == "pass"
    assert experiment({**design, "power": {**power, "effect": 0.1}}, system=by_luck(0.0)).verdict == "inconclusive"
    assert experiment({**design, "power": power}, system=by_luck(5.0)).verdict == "fail"
    assert experiment({**design, "power": {**power, "effect": 9}}, system=by_luck(5.0)).verdict == "fail"   # proved, and nobody allowed it


def test_what_is_the_same_for_all_is_a_proof_of_numbers_and_none_of_shares() -> None:
    design = {**TWO, "blocks": 6, "units": 4, "outcomes": {"offer": "number"}}
    assert experiment(design, system=lambda profile, unit: 7).verdict == "pass"
    shares = {**design, "outcomes": {"ok": {"kind": "yes", "at_most": 0.1}}}
    few = experiment(shares, system=lambda profile, unit: True)   # 12 of 12 and 12 of 12: one in four may be refused
    assert few.verdict == "inconclusive"
    assert (few.values[0].low, few.values[0].high) == pytest.approx((-0.2425, 0.2425), abs=1e-3)
    assert experiment({**shares, "blocks": 40}, system=lambda profile, unit: True).verdict == "pass"


def test_numbers_and_shares_have_intervals() -> None:
    run = experiment({**TWO, "blocks": 30, "units": 4, "outcomes": {"offer": "number", "ok": "yes"}, "against": "men"}, system=by_luck(2.0))
    first, second = (each for each in run.values if each.metric == "difference")
    assert first.low is not None
    assert first.high is not None
    assert first.low < -2 < first.high < -1
    assert abs(second.value or 0) < 0.4
    assert run.sentences == (run.verdicts[0].sentence,)
    assert "offer is " in run.sentences[0]
    assert " % of the units, " in run.verdicts[1].sentence


@pytest.mark.parametrize(("extra", "verdict"), [(5.0, "fail"), (0.0, "pass"), (1.0, "inconclusive")])
def test_a_difference_that_does_not_matter_is_allowed(extra, verdict) -> None:
    outcomes = {"offer": {"kind": "number", "at_most": 1.0}}
    run = experiment({**TWO, "blocks": 20, "units": 4, "outcomes": outcomes}, system=by_luck(extra))
    assert run.verdict == verdict
    assert run.exit_code == {"fail": 1, "pass": 0, "inconclusive": 3}[verdict]


def test_who_gets_no_answer_is_an_outcome() -> None:
    def rude(profile: Any, unit: str) -> float:
        if profile["sex"] == "f" and int(unit, 16) % 3:
            raise ValueError("go away")
        return 1.0

    run = experiment({**TWO, "blocks": 20, "units": 4, "outcomes": {"offer": "number"}}, system=rude)
    assert run.verdict == "fail"
    assert "of the units gave an outcome at all" in run.sentences[0]
    assert any("gave no outcome (the first: the function raised ValueError: go away)" in note for note in run.notes)


class Mute:
    def __str__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize("gives", [10**5_000, Mute(), np.array([1, 2]), SystemExit(3)], ids=["huge", "mute", "array", "exit"])
@pytest.mark.parametrize("kind", ["number", "yes", "items"])
def test_whatever_a_function_gives_is_told(gives: Any, kind: str) -> None:
    def system(profile: Any, unit: str) -> Any:
        if isinstance(gives, SystemExit):
            raise gives
        return gives

    with pytest.raises(AssayError, match="the system gives no outcomes"):
        experiment({**TWO, "blocks": 6, "units": 4, "outcomes": {"n": kind}}, system=system)


def test_numbers_beyond_all_bounds_are_told() -> None:
    for key, value in (("blocks", 10**400), ("level", 10**5_000), ("seed", float("nan"))):
        with pytest.raises(ConfigError, match=f"'{key}' is"):
            experiment({**TWO, "blocks": 6, "units": 4, "outcomes": {"n": "number"}, key: value}, system=len)


def test_several_treatments_are_compared_with_one_and_corrected() -> None:
    def system(profile: Any, unit: str) -> float:
        return (3.0 if profile["treatment"] == "c" else 0.0) + int(unit, 16) % 1_000 / 500

    design = {"treatments": {"a": {}, "b": {}, "c": {}}, "blocks": 10, "units": 6, "outcomes": {"x": "number"}}
    run = experiment(design, system=system)
    assert [each.verdict for each in run.verdicts] == ["inconclusive", "fail"]
    assert "p-values are corrected for 2 tests (Holm)" in run.notes


def test_several_designs_are_corrected_together(tmp_path) -> None:
    one = {**TWO, "blocks": 10, "units": 4, "outcomes": {"offer": "number"}}
    alone = experiment([one], system=lambda profile, unit: int(unit, 16) % 997)
    both = experiment([one, {**one, "seed": 3, "name": "again"}], system=lambda profile, unit: int(unit, 16) % 997)
    assert both.verdicts[0].p >= alone.verdicts[0].p
    assert [each.check.split(": ")[1] for each in both.verdicts] == ["experiment", "again"]


def test_what_is_killed_goes_on_and_says_the_same(tmp_path) -> None:
    with Shop(delay=0.02) as shop:
        value = ads(shop.url, 12)
        whole = experiment(written(tmp_path / "ads.yaml", value), trust=True, log=tmp_path / "whole")
        log, lines = tmp_path / "ads.log.jsonl", 0
        words = [sys.executable, "-m", "assay", "probe", "experiment", str(tmp_path / "ads.yaml"), "--trust"]
        killed = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  env={**os.environ, "PYTHONPATH": str(Path(assay.__file__).parents[1])})
        until = time.monotonic() + 60
        while lines < 15 and time.monotonic() < until and killed.poll() is None:
            time.sleep(0.01)
            lines = len(log.read_bytes().splitlines()) if log.exists() else 0
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert 15 <= lines < 50
        run = experiment(tmp_path / "ads.yaml", trust=True)
        asked = len(shop.requests)
        again = experiment(tmp_path / "ads.yaml", trust=True)
    assert told(run) == told(whole)
    assert told(again) == told(whole)
    assert len(shop.requests) == asked      # what is complete is judged again without asking
    assert any("was opened 2 times" in note for note in run.notes)


def test_an_address_of_a_file_needs_trust(tmp_path) -> None:
    with Shop() as shop:
        path = written(tmp_path / "ads.yaml", ads(shop.url))
        with pytest.raises(UntrustedModelError, match=r"simulated users would act there.*--trust"):
            experiment(path)
        program = {**TWO, "system": {"command": "echo 3"}, "blocks": 9, "outcomes": {"x": "number"}}
        with pytest.raises(UntrustedModelError, match="a command runs code"):
            experiment(written(tmp_path / "program.yaml", program))
        assert shop.requests == []
    assert not list(tmp_path.glob("*.jsonl"))


@pytest.mark.parametrize(("change", "what"), [
    ({"blocks": 2, "units": 2}, r"this design can prove nothing: its lots allow no p-value below 0.5"),
    ({"blocks": 3, "units": 4, "outcomes": {f"x{number}": "number" for number in range(9)}}, "times 9 tests"),
    ({"blocks": "many"}, "'blocks' is 'many'"), ({"treatments": {"men": {}}}, "there is one treatment")])
def test_what_proves_nothing_is_not_begun(change, what) -> None:
    def never(profile: Any, unit: str) -> float:
        raise AssertionError

    with pytest.raises(ConfigError, match=what):
        experiment({**TWO, "blocks": 9, "units": 4, "outcomes": {"offer": "number"}, **change}, system=never)


@pytest.mark.parametrize(("given", "what"), [
    ([], "there is no design"), (3, "a int is no design"), ("design.txt", "not a design"), ("nowhere.yaml", "no such file")])
def test_what_is_no_design_is_a_sentence(given, what) -> None:
    with pytest.raises(AssayError, match=what):
        experiment(given, system=len)


def test_one_log_is_of_one_design(tmp_path) -> None:
    design = {**TWO, "blocks": 9, "units": 4, "outcomes": {"offer": "number"}}
    experiment(design, system=by_luck(0), log=tmp_path / "log")
    with pytest.raises(ConfigError, match="log is of another experiment: 'blocks and units' is not the same"):
        experiment({**design, "blocks": 12}, system=by_luck(0), log=tmp_path / "log")
    with pytest.raises(ConfigError, match="several experiments"):
        experiment([design, design], system=by_luck(0), log=tmp_path / "log")


def test_a_plan_asks_nothing(tmp_path) -> None:
    power = {"outcome": "price", "usual": 105, "spread": 2, "effect": 1.5}
    path = written(tmp_path / "ads.yaml", ads("http://localhost:1", 20, power=power))
    run = experiment(path, plan=True)
    assert run.verdict == "pass"
    assert "20 blocks of 4 find a difference of 1.5 in price with a chance of" in run.sentences[0]
    needed = next(each for each in run.values if each.metric == "blocks needed")
    assert 10 < (needed.value or 0) < 40
    assert not list(tmp_path.glob("*.jsonl"))
    without = experiment({**TWO, "blocks": 2, "outcomes": {"x": "number"}}, plan=True, system=len)
    assert "can prove nothing" in without.sentences[0]
    assert any("does not say which difference matters" in note for note in without.notes)


def test_the_command(tmp_path, capsys) -> None:
    with Shop() as shop:
        path = written(tmp_path / "ads.yaml", ads(shop.url))
        files = ["--html", str(tmp_path / "r.html"), "--markdown", str(tmp_path / "r.md")]
        assert command(["probe", "experiment", str(path), "--trust", "--plain", *files], State()) == 1
        said = capsys.readouterr().out
        assert said.startswith("FAIL: 'women' and 'men' are treated differently")
        assert "corrected for 2 tests" in said
        assert "Executive jobs" in (tmp_path / "r.html").read_text("utf-8")
        assert "Executive jobs" in (tmp_path / "r.md").read_text("utf-8")
        assert command(["probe", "experiment", str(path), "--trust", "--json", "-"], State()) == 1
        assert json.loads(capsys.readouterr().out)["verdict"] == "fail"


def test_a_mistake_of_a_file_is_told_with_its_line(tmp_path) -> None:
    path = tmp_path / "ads.yaml"
    path.write_text("blocks: 9\nunits: 1\ntreatments:\n  a: {profile: {x: 1}}\n  b: {profile: {x: 2}}\noutcomes: {n: number}\n"
                    "system: {command: echo}\n", "utf-8")
    with pytest.raises(ConfigError, match=r"ads.yaml, line 2, column 1: a block of one unit compares nothing"):
        experiment(path, trust=True)
    path.write_text(path.read_text("utf-8").replace("units: 1", "units: 4").replace("profile: {x: 2}", "profil: {x: 2}"), "utf-8")
    with pytest.raises(ConfigError, match=r"line 5, column 7: there is no key 'profil' under 'b'.*did you mean 'profile'"):
        experiment(path, trust=True)


def test_an_interrupt_says_where_what_was_seen_is_and_how_to_go_on(tmp_path) -> None:
    path = written(tmp_path / "shop.yaml", {"treatments": {"a": {"profile": {"x": 1}}, "b": {"profile": {"x": 2}}}, "outcomes": {"n": "number"},
                                           "blocks": 500, "system": {"command": "sh -c 'sleep 0.1; echo {\\\"n\\\": 1}'", "parallel": 2}})
    log = tmp_path / "shop.log.jsonl"
    process = subprocess.Popen([sys.executable, "-m", "assay", "probe", "experiment", str(path), "--trust"], stderr=subprocess.PIPE,
                               stdout=subprocess.PIPE, encoding="utf-8", env={**os.environ, "PYTHONPATH": str(Path(assay.__file__).parents[1])})
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end and not (log.exists() and log.read_text("utf-8").count("\n") > 3):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert error.strip() == (f"assay: interrupted; what was seen is kept in '{log}': the same command goes on from there, with the same lots")
