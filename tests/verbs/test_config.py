"""What `assay.yaml` says is read as it was written; every mistake is told with its place, and no file runs anything."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from assay.check.expression import parse
from assay.errors import AssayError, ConfigError
from assay.model.address import Written
from assay.verbs.config import Config, read

FULL = """\
model: models/delay.onnx
champion: /models/old.onnx
positive: 1
threshold: 0.5
train: data/train.parquet             # what it learned from
reference: postgresql://db/credit
data: data/test.parquet
sql: select * from flights
where: distance > 100
task: binary
classes: [0, 1]
features: [hour, distance]
types: {zip: string}
columns: {label: delayed, timestamp: time_hour, id: flight_id, entity: tailnum, slices: [carrier, origin], forbidden: [zip],
          available_at: {temp: observed}}
slices: origin
checks:
  - auc >= 0.70 warn 0.75
  - "delays are found": recall by origin >= 0.3
  - {metric: psi, columns: "*", at_most: 20%}
"""


@pytest.fixture
def written(tmp_path: Path):
    def write(text: str | bytes) -> Path:
        path = tmp_path / "assay.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
        return path

    return write


def test_every_key_is_read(written) -> None:
    path = written(FULL)
    found = read(path)
    assert found == Config(
        path, model="models/delay.onnx", champion="/models/old.onnx", data="data/test.parquet", reference="postgresql://db/credit",
        train="data/train.parquet", sql="select * from flights", where="distance > 100", positive=1, threshold=0.5, task="binary",
        classes=(0, 1), features=("hour", "distance"), types={"zip": "string"},
        columns={"label": "delayed", "timestamp": "time_hour", "id": "flight_id", "entity": "tailnum", "forbidden": ("zip",),
                 "available_at": {"temp": "observed"}},
        slices=("carrier", "origin"),
        checks=(parse("auc >= 0.70 warn 0.75"), parse('"delays are found": recall by origin >= 0.3'), parse("psi of * <= 20%")))


def test_paths_are_relative_to_the_file(written) -> None:
    found = read(written(FULL))
    assert found.location(found.model) == str(found.path.parent / "models" / "delay.onnx")
    assert found.location(found.champion) == "/models/old.onnx"
    assert found.location(found.reference) == "postgresql://db/credit"
    assert found.location(None) is None


def test_an_empty_file_says_nothing(written) -> None:
    assert read(written("")) == Config(written(""))
    assert read(written("# only a comment\n")).checks == ()


def test_a_file_with_a_mark_of_byte_order_is_read(written) -> None:
    assert read(written(b"\xef\xbb\xbfdata: x.parquet")).data == "x.parquet"


words = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="\x85"), min_size=1, max_size=12)
checks = st.sampled_from(["auc >= 0.7", "recall by carrier >= 0.5 warn 0.6", "psi of * <= 0.2", "mae <= champion * 1.05",
                          "missing of x <= 5%"])
configs = st.fixed_dictionaries({}, optional={
    **dict.fromkeys(("model", "champion", "data", "reference", "train", "sql", "where", "task"), words),
    "positive": words | st.integers() | st.booleans(), "threshold": st.floats(0, 1), "classes": st.lists(words | st.integers(), max_size=4),
    "features": st.lists(words, max_size=4), "types": st.dictionaries(words, words, max_size=3), "slices": st.lists(words, max_size=3),
    "checks": st.lists(checks, unique=True, max_size=4),
    "columns": st.fixed_dictionaries({}, optional={"label": words, "id": words, "protected": st.lists(words, max_size=3), "score": words})})


@given(configs)
def test_what_was_written_is_read(tmp_path_factory, data: dict) -> None:
    path = tmp_path_factory.mktemp("config") / "assay.yaml"
    path.write_text(yaml.safe_dump(data, allow_unicode=True), "utf-8")
    found = read(path)
    for key in ("model", "champion", "data", "reference", "train", "sql", "where", "task", "positive", "threshold"):
        assert getattr(found, key) == data.get(key)
    for key in ("classes", "features"):
        assert getattr(found, key) == (tuple(data[key]) if key in data else None)
    assert found.types == data.get("types", {})
    assert found.slices == tuple(dict.fromkeys(data.get("slices", ())))
    assert found.checks == tuple(map(parse, data.get("checks", ())))
    assert {key: list(each) if isinstance(each, tuple) else each for key, each in found.columns.items()} == data.get("columns", {})


yamlish = st.text("- :[]{}&*!|>'\"\n\tabm%@`#,?", max_size=60)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode) | yamlish.map(str.encode))
def test_anything_is_read_or_refused_in_a_sentence(tmp_path_factory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("config") / "assay.yaml"
    path.write_bytes(data)
    said = ""
    try:
        read(path)
    except AssayError as error:
        said = str(error)
    assert not said or (said.startswith(str(path)) and "\n" not in said)


@pytest.mark.parametrize(("text", "words"), [
    ("model: [x", "line 1"),
    ("data: x\n\tmodel: y", "line 2"),
    ("- auc >= 0.7", "the file holds a list"),
    ("just words", "the file holds a text"),
    ("modle: x.onnx", "line 1, column 1: there is no key 'modle'.*did you mean 'model'"),
    ("data: x\ncheks: []", "line 2, column 1: there is no key 'cheks'.*did you mean 'checks'"),
    ("data: x\ndata: y", "line 2, column 1: the key 'data' is there twice"),
    ("columns: {label: a, label: b}", "the key 'label' is there twice"),
    ("columns: {labl: a}", "there is no key 'labl' under 'columns'.*did you mean 'label'"),
    ("columns: [a]", "'columns' is a list"),
    ("columns: {id: [a, b]}", "'id' is a list; expected one column"),
    ("columns: {label: 1}", "'label' is a number; expected a name"),
    ("columns: {available_at: x}", "'available_at' is a text"),
    ("threshold: high", "line 1, column 1: 'threshold' is a text; expected a number"),
    ("threshold: true", "'threshold' is a truth value; expected a number"),
    ("model: {a: b}", "there is no key 'a' under 'model'; expected one of 'router', 'uri'"),
    ("model: ''", "'model' is a text; expected a path or an address"),
    ("classes: yes", "'classes' is a truth value; expected a list"),
    ("positive: [1]", "'positive' is a list; expected one class"),
    ("checks: auc >= 0.7", "'checks' is a text; expected a list"),
    ("checks:\n  - auc => 0.7", "line 2, column 5: in 'auc => 0.7' at column 5.*did you mean '>='"),
    ("checks:\n  - auc >= 0.7\n  - auc >= 0.7", "'auc >= 0.7' is there already"),
    ("checks:\n  - [auc]", "line 2, column 5: a check cannot be a list"),
    ("checks:\n  - {metric: auc, at_last: 1}", "a check has no 'at_last'.*did you mean 'at_least'"),
    ("trust: true", "there is no key 'trust'"),
    ("model: !!python/object/apply:os.system ['touch owned']", "is not for a configuration"),
    ("model: !!python/name:os.system", "this is not YAML"),
    ("model: \xff".encode("latin-1"), "byte 7 is not UTF-8"),
    ("model: \x00", "this is not YAML"),
    ("a: &a [x, x]\nb: *nobody", "line 2"),
    ("? [a, b]\n: c", "this is not YAML|there is no key"),
    ("data: 2013-01-01", "'data' is a date; expected text"),
])
def test_a_mistake_is_told_with_its_place(written, text: str | bytes, words: str) -> None:
    path = written(text)
    with pytest.raises(ConfigError) as caught:
        read(path)
    assert re.search(words, str(caught.value)), str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_no_file_runs_anything(written, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError):
        read(written("model: !!python/object/apply:os.system ['touch owned']"))
    assert not (tmp_path / "owned").exists()


def test_aliases_do_not_explode(written) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 9)]
    with pytest.raises(ConfigError, match="aliases counted"):
        read(written("\n".join(lines)))


def test_an_alias_of_itself_ends(written) -> None:
    with pytest.raises(ConfigError):
        read(written("model: &a [*a]"))


def test_depth_and_size_are_bounded(written) -> None:
    with pytest.raises(ConfigError, match=r"levels|not YAML"):
        read(written("model: " + "[" * 100_000))
    with pytest.raises(ConfigError, match="levels"):
        read(written("model: " + "[" * 30 + "]" * 30))
    with pytest.raises(ConfigError, match="expected at most 1,000,000"):
        read(written("#" * 1_000_001))


def test_a_missing_file_names_the_nearest(written) -> None:
    path = written("")
    with pytest.raises(ConfigError, match=r"there is no such file; hint: did you mean 'assay.yaml'"):
        read(path.with_name("asay.yaml"))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read(tmp_path)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "assay.yaml")
    with pytest.raises(ConfigError, match="no ordinary file"):
        read(tmp_path / "assay.yaml")
    (tmp_path / "long.yaml").symlink_to("/dev/zero")
    with pytest.raises(ConfigError, match="no ordinary file"):
        read(tmp_path / "long.yaml")


def test_a_model_may_be_a_mapping_or_a_router_with_paths_of_the_file(tmp_path) -> None:
    path = tmp_path / "assay.yaml"
    path.write_text("model: {uri: m.joblib, isolation: process, requirements: r.txt}\nchampion: {router: {by: who, 1: a.onnx, default: {uri: 'http://host/v2/models/m', ca: ca.pem}}}\n")
    config = read(path)
    assert config.location(config.model) == {"uri": str(tmp_path / "m.joblib"), "isolation": "process", "requirements": str(tmp_path / "r.txt")}
    router = config.location(config.champion)["router"]
    assert router == {"by": "who", "1": str(tmp_path / "a.onnx"), "default": {"uri": "http://host/v2/models/m", "ca": str(tmp_path / "ca.pem")}}
    assert isinstance(router["default"]["uri"], Written)   # an address of the file's, which needs trust


@pytest.mark.parametrize(("text", "words"), [
    ("model: {path: m.onnx}", "no key 'path' under 'model'"), ("model: {uri: 3}", "'uri' is a number"), ("model: {router: {A: a.onnx}}", "'router' is a mapping"),
    ("model: 3", "'model' is a number"), ("model: {router: {by: c, A: [1]}}", "'A' is a list"),
])
def test_a_model_that_cannot_be_read_is_told_with_its_line(tmp_path, text, words) -> None:
    (tmp_path / "assay.yaml").write_text(text)
    with pytest.raises(ConfigError, match=words):
        read(tmp_path / "assay.yaml")
