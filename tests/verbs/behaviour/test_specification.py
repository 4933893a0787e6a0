"""A file of behaviour tests is read strictly: what is misspelt is told with its line, and nothing in it is executed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from assay.errors import ConfigError
from assay.verbs.behaviour.specification import _KEYS, _TOP, Specification, files_in

GOOD = """
columns: {label: y}
seed: 3
tests:
  - {name: a, kind: case, cases: [{x: 1}], expect: score >= 0.5}
  - {name: b, kind: direction, change: {x: {add: 1}}, expect: not lower, tolerance: 0.1, at_most: 5%, rows: 9}
  - name: c
    kind: functionality
    at_least: 0.9
    seed: 4
"""


def read(text: str, folder: Path) -> Specification:
    path = folder / "a.assay.yaml"
    path.write_text(text, "utf-8")
    return Specification.read(path)


def test_a_file_is_read(tmp_path):
    found = read(GOOD, tmp_path)
    a, b, c = found.tests
    assert (a.cases, a.bound, a.seed, a.rows) == (({"x": 1},), 0.0, 3, 500)
    assert (b.expect, b.tolerance, b.bound, b.rows, b.change[0].column) == ("not lower", 0.1, 0.05, 9, "x")
    assert (c.bound, c.seed) == (pytest.approx(0.1), 4)
    assert found.at(c).endswith("a.assay.yaml, line 7, column 5")
    assert len({each.key for each in found.tests}) == 3


def test_a_mapping_says_the_same_as_a_file(tmp_path):
    import yaml

    assert Specification.of(yaml.safe_load(GOOD)).tests == read(GOOD, tmp_path).tests


@pytest.mark.parametrize(("old", "new", "line", "words"), [
    ("seed: 3", "sead: 3", 3, "did you mean 'seed'"),
    ("label: y", "lable: y", 2, "did you mean 'label'"),
    ("kind: case", "kind: cas", 5, "did you mean 'case'"),
    ("kind: case", "kind: invariant", 5, "did you mean 'case'"),
    ("kind: direction", "kind: directional", 6, "did you mean 'direction'"),
    ("tolerance: 0.1", "tolerence: 0.1", 6, "did you mean 'tolerance'"),
    ("tolerance: 0.1", "tolerance: -1", 6, "at least 0"),
    ("tolerance: 0.1", "tolerance: .inf", 6, "at least 0"),
    ("at_most: 5%", "at_most: 5", 6, "a share of rows"),
    ("at_most: 5%", "at_most: five%", 6, "a share of rows"),
    ("rows: 9", "rows: 0", 6, "at least 1"),
    ("rows: 9", "rows: true", 6, "at least 1"),
    ("not lower", "not lowr", 6, "did you mean 'not lower'"),
    ("{x: {add: 1}}", "{x: {ad: 1}}", 6, "did you mean 'add'"),
    ("{x: {add: 1}}", "{x: {between: [0, 1]}}", 6, "either way"),
    ("{x: {add: 1}}", "{}", 6, "columns and what is done"),
    ("expect: score >= 0.5", "draws: 3", 5, "does not say 'expect'"),
    ("cases: [{x: 1}]", "cases: [{x: [1]}]", 5, "one value each"),
    ("cases: [{x: 1}]", "cases: []", 5, "1 to 10,000 rows"),
    ("cases: [{x: 1}]", "cases: 7", 5, "1 to 10,000 rows"),
    ("name: a", "name: b", 6, "two tests are called 'b'"),
    ("name: a", "name: 'a::b'", 5, "pytest separates"),
    ("name: a", "name: 1", 5, "no name"),
    ("at_least: 0.9", "at_most: 0.9", 9, "no key 'at_most' in a test of this kind"),
    ("at_least: 0.9", "trust: true", 9, "no key 'trust'"),
    ("seed: 3", "keep_rows: true", 3, "no key 'keep_rows'"),
    ("at_least: 0.9", "at_least: 0.9\n    at_least: 1", 10, "there twice"),
])
def test_mistakes_are_told_with_their_line(tmp_path, old, new, line, words):
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        read(GOOD.replace(old, new), tmp_path)
    assert words in str(caught.value)
    assert f"line {line}," in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "7", "tests: {}", "tests: []", "model: m.onnx", "tests: [1]", "tests: [[]]", "tests: ['a']"])
def test_what_is_no_file_of_tests_is_told(tmp_path, text):
    with pytest.raises(ConfigError):
        read(text, tmp_path)


def test_nothing_hostile_is_executed_or_expanded(tmp_path):
    mark = tmp_path / "ran"
    bomb = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(f"{new}: &{new} [{','.join(['*' + old] * 9)}]\n" for old, new in zip("abcdefg", "bcdefgh", strict=True))
    for text in (f"tests: !!python/object/apply:os.system ['touch {mark}']", "tests: !!python/name:os.system", bomb, "tests: &t [*t]", "[" * 3000,
                 "tests: [{name: a, kind: case, expect: \"__import__('os').system('x')\", cases: [{x: 1}]}]\nmore: 1"):
        with pytest.raises(ConfigError):
            read(text, tmp_path)
    assert not mark.exists()


def test_files_are_found_below_a_folder(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("b.assay.yaml", "deep/a.assay.yml", "assay.yaml", "x.yaml"):
        (tmp_path / name).write_text(GOOD, "utf-8")
    assert [path.name for path in files_in(tmp_path)] == ["b.assay.yaml", "a.assay.yml"]
    assert files_in([tmp_path / "b.assay.yaml", str(tmp_path / "deep")]) == [tmp_path / "b.assay.yaml", tmp_path / "deep" / "a.assay.yml"]
    (tmp_path / "none").mkdir()
    with pytest.raises(ConfigError, match="holds no behaviour tests"):
        files_in(tmp_path / "none")


def test_the_page_names_every_key_and_its_file_is_read(root, tmp_path):
    page = (root / "docs" / "howto" / "behaviour.md").read_text("utf-8")
    assert {key for key in (*_TOP, *(each for some in _KEYS.values() for each in some)) if f"`{key}`" not in page and f"\n{key}:" not in page} == set()
    for body in re.findall(r"^```yml\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL):
        assert len({each.kind for each in read(body, tmp_path).tests}) == 4
