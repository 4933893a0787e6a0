"""The verb and the command: what is said and judged, what people said and where it is kept, and what cannot be compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import assay
from assay.app.state import State
from assay.app.tree import run as command
from assay.errors import AssayError, ConfigError
from assay.result import Run
from assay.verbs.probe.association import associations
from assay.verbs.probe.review import Mark, marked, marks

N = 4_000
RNG = np.random.default_rng(0)
SEX, AGE, JOB = RNG.choice(["f", "m"], N), RNG.integers(18, 80, N), RNG.choice(["cook", "clerk", "vet"], N)
SKILL = RNG.integers(0, 200, N)
GOOD = (RNG.random(N) < 0.3 + 0.002 * SKILL).astype(int)
PEOPLE = pa.table({"skill": SKILL, "age": AGE, "job": JOB, "sex": SEX, "good": GOOD,
                   "hired": np.where(RNG.random(N) < np.where((SEX == "f") & (JOB == "cook"), 0.2, 0.6), "yes", "no")})
FEATURES = ["skill", "age", "job", "sex"]


def lending(batch: pa.RecordBatch) -> list[int]:
    """Asks more of women who are cooks."""
    columns = zip(*(batch.column(name).to_pylist() for name in ("skill", "job", "sex")), strict=True)
    return [int(skill >= (150 if sex == "f" and job == "cook" else 90)) for skill, job, sex in columns]


def loans(function: Any = lending) -> Any:
    return assay.load(function, task="binary", classes=[0, 1], features=FEATURES, name="loans")


def records(**options: Any) -> Run:
    return associations(data=PEOPLE, **{"protected": "sex", "output": "hired", "ignored": ["good"], **options})


def test_records_alone_are_told_with_numbers_and_where() -> None:
    run = records()
    assert run.verdict == "warn"
    assert run.exit_code == 0
    where = [each.input["where"] for each in run.findings]
    assert where == ["job == 'cook'", "everyone"]
    first = run.findings[0]
    assert first.input["id"] in first.sentence
    assert "where job cook: hired = yes: " in first.sentence
    assert "points apart" in first.sentence
    share = {sex: float(np.mean([one == "yes" for one, two in zip(PEOPLE["hired"].to_pylist(), SEX, strict=True) if two == sex])) for sex in "fm"}
    assert f"{100 * share['f']:.3g} % with sex f, {100 * share['m']:.3g} % with sex m" in run.findings[1].sentence
    everyone = next(each for each in run.values if not each.slice)
    assert everyone.value == pytest.approx(share["m"] - share["f"])
    assert Run.from_json(json.loads(json.dumps(run.to_json()))) == run
    assert {each.kind for each in run.figures} == {"interval"}


def test_a_model_is_asked_for_decisions_and_errors() -> None:
    run = associations(loans(), PEOPLE, protected="sex", label="good", positive=1, ignored=["hired"])
    assert run.about["output"] == "decision, error"
    assert "decision" in {each.input["output"] for each in run.findings}
    assert any("job == 'cook'" in each.input["where"] for each in run.findings)
    fair = associations(loans(lambda batch: [int(each >= 90) for each in batch.column("skill").to_pylist()]), PEOPLE, protected="sex",
                        label="good", positive=1, ignored=["hired"])
    assert fair.verdict == "pass"
    assert "no association of decision and error and sex beyond chance" in fair.sentences[0]


def test_errors_of_the_old() -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(size=N)
    table = pa.table({"age": AGE, "truth": truth, "said": truth + rng.normal(size=N) * (1 + 0.05 * (AGE - 18))})
    run = associations(data=table, protected="age", label="truth", prediction="said", task="regression", output="error")
    assert run.sentences[0].startswith("the higher age, the more error: correlation 0.")
    wrong = associations(loans(), PEOPLE, protected="sex", label="good", positive=1, output=["false_negative", "false_positive"],
                         ignored=["hired"])
    assert {each.input["output"] for each in wrong.findings} == {"false_negative", "false_positive"}
    rows = next(each.n for each in wrong.values if each.options["output"] == "false_negative" and not each.slice)
    assert rows == int(GOOD.sum())


def test_what_is_given_is_taken_off() -> None:
    rng = np.random.default_rng(2)
    grade = rng.integers(0, 5, N)
    table = pa.table({"grade": grade, "sex": np.where(rng.random(N) < 0.2 + 0.15 * grade, "m", "f"), "paid": rng.random(N) < 0.1 + 0.15 * grade})
    assert associations(data=table, protected="sex", output="paid").verdict == "warn"
    run = associations(data=table, protected="sex", output="paid", given="grade")
    assert run.verdict == "pass"
    assert "given grade" in run.sentences[0]


def test_labels_of_many_kinds_are_looked_through() -> None:
    rng = np.random.default_rng(3)
    race = rng.choice(["a", "b"], 1_500)
    shown = [[f"tag {each}" for each in np.flatnonzero(rng.random(300) < 0.02)] + (["drum"] if one == "b" and rng.random() < 0.1 else [])
             for one in race]
    run = associations(data=pa.table({"race": race, "tags": pa.array(shown, pa.list_(pa.string()))}), protected="race", output="tags")
    assert [each.input["output"] for each in run.findings] == ["tags"]
    assert run.findings[0].sentence.partition(": ")[2].startswith("tags 'drum': 0 % with race a, ")
    assert any("of 301 labels of tags, 1 is tied to race" in each for each in run.sentences)


def test_what_people_say_is_kept_and_judged(tmp_path: Path) -> None:
    place = tmp_path / "marks.jsonl"
    first, second = (each.input["id"] for each in records(marks=place).findings)
    run = records(marks=place, mark={first: "bug"}, because="cooks were forgotten", by="Ann")
    assert run.verdict == "fail"
    assert run.exit_code == 1
    run = records(marks=place, mark={second: "explained"}, because="it is the cooks", by="Bob")
    assert [each.input["id"] for each in run.findings] == [first]
    assert any(second in each and "explained (Bob, " in each and "it is the cooks" in each for each in run.notes)
    assert "bug (Ann, " in run.findings[0].sentence
    run = records(marks=place, mark={first: "explained"}, because="nights are paid more", by="Ann")
    assert run.verdict == "pass"
    assert "left that nobody explained" in run.sentences[0]
    lines = [json.loads(line) for line in place.read_text("utf-8").splitlines()]
    assert [(each["id"], each["mark"]) for each in lines] == [(first, "bug"), (second, "explained"), (first, "explained")]
    assert all(each["at"].endswith("+00:00") for each in lines)
    assert lines[0]["where"] == "job == 'cook'"


def test_a_mark_of_nearly_the_same_rows_is_told_and_not_taken_over(tmp_path: Path) -> None:
    place = tmp_path / "marks.jsonl"
    marked(place, Mark("00000000", "explained", "nights", "Ann", "2026-01-01T00:00:00+00:00", "sex", "hired", "job == 'cook' and age < 70"))
    marked(place, Mark("00000001", "explained", "gone", "Ann", "2026-01-01T00:00:00+00:00", "sex", "hired", "shift == 'night'"))
    run = records(marks=place)
    assert run.verdict == "warn"
    assert "like 00000000, explained (Ann, 2026-01-01): nights" in run.findings[0].sentence


def test_a_damaged_file_of_marks_loses_no_other_mark(tmp_path: Path) -> None:
    place = tmp_path / "marks.jsonl"
    mark = Mark("0123abcd", "watch", "", "Ann", "2026-01-01T00:00:00+00:00")
    marked(place, mark)
    with place.open("a", encoding="utf-8") as file:
        file.write('{"id": "cut o')   # a machine that stopped
    marked(place, mark)
    found, notes = marks(place)
    assert found == {"0123abcd": [mark, mark]}
    assert len(notes) == 1
    assert "line 2" in notes[0]
    assert marks(tmp_path / "none.jsonl") == ({}, [])


def test_a_bound_fails_what_is_certainly_larger() -> None:
    assert records(at_most=0.2).verdict == "fail"
    assert records(at_most=0.6).verdict == "warn"
    assert records(tolerance=0.9).verdict == "pass"


@pytest.mark.parametrize(("options", "said"), [
    ({"protected": "gender"}, "gender"),
    ({"protected": []}, "no protected column is named"),
    ({"output": "hirred"}, "did you mean 'hired'"),
    ({"output": "decision"}, "what a model answers"),
    ({"output": None}, "neither a model nor a label"),
    ({"given": "jbo"}, "did you mean 'job'"),
    ({"given": "sex"}, "nothing to compare"),
    ({"output": "sex"}, "neither be protected nor explain"),
    ({"metric": "chi2"}, "metric of associations"),
    ({"protected": "age", "metric": "ratio"}, "not defined"),
    ({"way": "greedy"}, "no way to search"),
    ({"mark": {"0123abcd": "bug"}}, "no file to keep marks in"),
    ({"mark": {"0123abcd": "fine"}, "marks": "m"}, "mark"),
    ({"mark": {"0123abcd": "explained"}, "marks": "m"}, "why is it explained"),
    ({"lable": "good"}, "did you mean 'label'"),
    ({"at_most": float("nan")}, "is no bound"),
    ({"tolerance": float("inf")}, "means nothing"),
    ({"where": "sex == 'f'"}, "has one group only, f: there is nobody to compare with"),
    ({"where": "age > 200"}, "no row is left"),
])
def test_what_cannot_be_compared_is_told(options: dict[str, Any], said: str) -> None:
    with pytest.raises(AssayError, match=said):
        records(**options)


def test_an_unknown_mark_names_those_that_are_there(tmp_path: Path) -> None:
    with pytest.raises(AssayError, match="finding"):
        records(marks=tmp_path / "m.jsonl", mark={"0123abcd": "bug"})
    assert not (tmp_path / "m.jsonl").exists()
    with pytest.raises(ConfigError, match="cannot be kept"):
        marked(tmp_path / "no" / "m.jsonl", Mark("0", "watch", "", "Ann", ""))


def test_a_reason_of_any_letters_is_kept(tmp_path: Path) -> None:
    for reason in ("line\u2028separator\x85and\x0bmore\r\nof\nit", "größe 性别", "half \ud800 a letter"):
        place = tmp_path / f"{len(reason)}.jsonl"
        marked(place, Mark("0123abcd", "explained", reason, "Ann", "2026-01-01T00:00:00+00:00"))
        found, notes = marks(place)
        assert notes == []
        assert found["0123abcd"][0].because == reason.replace("\ud800", "?")


def test_few_rows_missing_groups_and_constant_outputs_are_told() -> None:
    rare = pa.table({"sex": ["f"] * 100 + ["m"] * 100 + ["x"] * 3 + [None] * 2, "got": [0, 1] * 102 + [1], "same": ["yes"] * 205})
    run = associations(data=rare, protected="sex", output="got")
    told = "inconclusive for sex = x (3 rows): fewer than 30 rows are too few to tell"
    assert told in run.sentences
    assert [each.sentence for each in run.verdicts if each.verdict == "too small"] == [told]
    assert run.verdict == "pass"
    assert associations(data=rare, protected="sex", output="got", strict=True).verdict == "inconclusive"
    assert any("2 rows have no sex" in each for each in run.notes)
    few = associations(data=pa.table({"sex": ["f"] * 100 + ["m"] * 3, "got": [0] * 50 + [1] * 53}), protected="sex", output="got")
    assert (few.verdict, few.exit_code, few.about["rows compared"]) == ("inconclusive", 3, 0)
    assert few.sentences == ("nothing could be compared: inconclusive for sex = m (3 rows): fewer than 30 rows are too few to tell",)
    run = associations(data=rare, protected="sex", output="same")
    assert run.verdict == "inconclusive"
    assert "'same' is the same in every row" in run.sentences[0]
    with pytest.raises(AssayError, match="no values"):
        associations(data=pa.table({"sex": pa.nulls(50, pa.string()), "got": [0, 1] * 25}), protected="sex", output="got")
    tiny = associations(data=pa.table({"sex": ["f", "m"] * 30, "got": [0, 1, 1] * 20}), protected="sex", output="got")
    assert any("too few to look for sub-populations" in each for each in tiny.notes)


def test_a_bound_is_no_pass_where_more_may_be_there() -> None:
    few = pa.table({"sex": ["f", "m"] * 100, "got": [0, 0, 1, 1] * 50})
    many = pa.concat_tables([few] * 100)
    assert associations(data=few, protected="sex", output="got").verdict == "pass"
    run = associations(data=few, protected="sex", output="got", at_most=0.05)
    assert (run.verdict, run.exit_code) == ("inconclusive", 3)
    assert run.sentences[0].endswith("one above 0.05 is not ruled out")
    assert associations(data=many, protected="sex", output="got", at_most=0.05).verdict == "pass"


@pytest.mark.parametrize(("column", "said"), [
    (pa.array([b"\xff"] * 60), "holds binary"), (pa.array([{"a": 1}] * 60), "holds struct"), (pa.array([[[1]]] * 60), "holds list"),
])
def test_what_holds_neither_groups_nor_numbers_is_told(column: pa.Array, said: str) -> None:
    with pytest.raises(AssayError, match=said):
        associations(data=pa.table({"sex": ["f", "m"] * 30, "got": column}), protected="sex", output="got")


def test_labels_that_nobody_has_are_no_pass() -> None:
    table = pa.table({"sex": ["f", "m"] * 40, "tags": pa.array([[]] * 80, pa.list_(pa.string()))})
    assert associations(data=table, protected="sex", output="tags").verdict == "inconclusive"


def test_rows_without_an_answer_are_not_counted_as_compared() -> None:
    got, tags = [[0, 1, None][place % 3] for place in range(300)], [[["a"], ["a", "b"], None][place % 3] for place in range(300)]
    table = pa.table({"sex": ["f", "f", "f", "m", "m", "m"] * 50, "got": pa.array(got), "tags": pa.array(tags, pa.list_(pa.string()))})
    for output in ("got", "tags"):
        run = associations(data=table, protected="sex", output=output)
        assert run.about["rows compared"] == 200
        assert f"100 rows have no {output}, and were left out" in run.notes
    assert any("(200 rows)" in each for each in run.sentences)


def test_the_command_writes_marks_beside_the_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pq.write_table(PEOPLE, tmp_path / "people.parquet")
    (tmp_path / "assay.yaml").write_text("data: people.parquet\ncolumns: {protected: [sex], ignored: [good]}\n", "utf-8")
    config = str(tmp_path / "assay.yaml")
    code = command(["probe", "associations", config, "--output", "hired", "--json", str(tmp_path / "run.json"), "--html",
                    str(tmp_path / "run.html"), "--plain"], State())
    run = Run.from_json(json.loads((tmp_path / "run.json").read_text("utf-8")))
    assert code == run.exit_code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert run.sentences[0] in shown
    assert f"--mark {run.findings[0].input['id']}=explained" in shown
    code = command(["probe", "associations", config, "--output", "hired", "--mark", f"{run.findings[0].input['id']}=bug", "--because", "wrong",
                    "--by", "Ann", "--plain"], State())
    assert code == 1
    assert "bug (Ann, " in " ".join(capsys.readouterr().out.split())
    assert (tmp_path / "associations.jsonl").read_text("utf-8").count("\n") == 1
    with pytest.raises(ConfigError, match="cannot be read"):
        command(["probe", "associations", config, "--mark", "bug"], State())
    assert (tmp_path / "run.html").stat().st_size > 10_000


@pytest.mark.slow
def test_berkeley_is_explained_by_the_department(shared: Path) -> None:
    place = shared / "data" / "fairness" / "fairtest-berkeley.csv"
    plain = associations(data=str(place), protected="gender", output="accepted")
    assert any(each.input["where"] == "everyone" for each in plain.findings)
    given = associations(data=str(place), protected="gender", output="accepted", given="department")
    assert [each.input["where"] for each in given.findings if each.input["where"] == "everyone"] == []
    assert all("more with gender Female" in each.sentence for each in given.findings)   # department A favours women
