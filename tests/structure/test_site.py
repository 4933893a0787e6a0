"""The documentation names everything that there is, everything in it runs, and nothing in it needs a network."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import posixpath
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import click
import pytest
import yaml

from assay.app.tree import assay as command
from assay.check.suite.default import Item, Scene, items
from assay.verbs.config import _COLUMNS, Config, read
from assay.verbs.demo import demo
from tests.structure.imports import SOURCE

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = {path.relative_to(DOCS).as_posix(): path.read_text("utf-8") for path in sorted(DOCS.rglob("*.md"))}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
FULL = {"labelled": True, "asked": True, "train": True, "reference": True, "entity": True, "available_at": True, "ids": True, "content": True,
        "slices": ("carrier",), "protected": ("sex",), "forbidden": ("zip",)}
QUOTED = ("0.365 [0.341, 0.391]", "0.66 [0.54, 0.76]", "0.630 [0.568, 0.698]", "1.67 [1.53, 1.82]", "0.0296 [0.0236, 0.0357]",
          "0.008 [0.004, 0.013]", "0.487 [0.459, 0.515]")
DRIFT = ("psi", "jensen_shannon", "chi2", "ks", "wasserstein")


def written(kind: str) -> list[tuple[str, str]]:
    return [(name, body) for name, text in PAGES.items() for language, body in FENCE.findall(text) if language == kind]


def commands() -> list[tuple[str, str, list[str]]]:
    """Return page, command and the lines below it, for each line that starts with a dollar."""
    found: list[tuple[str, str, list[str]]] = []
    for name, body in written("console"):
        for line in body.splitlines():
            if line.startswith("$ "):
                found.append((name, line[2:], []))
            else:
                found[-1][2].append(line)
    return found


def names(noun: str) -> list[str]:
    """Return the names in a registry in a fresh process: doctests in this one may have added some."""
    code = {"metric": "from assay.metric.metric import METRICS as R", "screen": "from assay.screen.screen import SCREENS as R"}[noun]
    run = subprocess.run([sys.executable, "-c", f"{code}; print(*R)"], cwd=SOURCE.parent, capture_output=True, text=True, check=True)
    return run.stdout.split()


def suite() -> list[Item]:
    scenes = (("binary", True, {"auc": 0.72}), ("multiclass", False, {"accuracy": 0.8}), ("regression", False, {"mae": 10.0}))
    return [each for task, scored, overall in scenes for each in items(Scene(task=task, scored=scored, overall=overall, **FULL))]


def named(name: str, text: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", text) is not None


@pytest.fixture(scope="module")
def reference() -> dict[str, str]:
    """The generated pages, made in a fresh process for the same reason as above."""
    code = "import json, sys; sys.path.insert(0, 'docs'); import generate; print(json.dumps(generate.pages()))"
    run = subprocess.run([sys.executable, "-c", code], cwd=DOCS.parent, env=environment(), capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(SOURCE.parent), "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}


# what is named -------------------------------------------------------------------------------------------------------------


def test_every_command_has_a_page_and_every_option_is_on_the_reference_page(reference) -> None:
    text = reference["reference/commands.md"]
    for name, verb in command.commands.items():
        assert f"commands/{name}.md" in PAGES
        assert PAGES[f"commands/{name}.md"].startswith(f"# assay {name}\n")
        part = text.partition(f"\n## assay {name}\n")[2].partition("\n## ")[0]
        for each in verb.params:
            if isinstance(each, click.Option):
                assert all(named(option, part) for option in each.opts), f"{each.opts} of {name}"
    asked = {f"commands/{name}-{each}.md" for name, group in command.commands.items() for each in getattr(group, "commands", ())}
    others = {path for path in PAGES if path.startswith("commands/")} - {f"commands/{name}.md" for name in command.commands}
    assert others <= asked   # a command of a group may have a page of its own


def test_every_metric_and_screen_has_its_entry_on_the_reference_pages(reference) -> None:
    metrics = re.findall(r"^### (\w+)$", reference["reference/metrics.md"], flags=re.MULTILINE)
    screens = re.findall(r"^## (\w+)$", reference["reference/screens.md"], flags=re.MULTILINE)
    assert sorted(metrics) == names("metric")
    assert sorted(screens) == names("screen")


def test_every_screen_and_distance_is_explained_on_a_page_of_methods() -> None:
    methods = "".join(text for name, text in PAGES.items() if name.startswith("methods/") and name != "methods/suite.md")
    assert [each for each in names("screen") if f"`{each}`" not in methods] == []
    assert [each for each in DRIFT if f"`{each}`" not in PAGES["methods/drift.md"]] == []


def test_every_line_of_the_default_suite_is_named(reference) -> None:
    page, generated = PAGES["methods/suite.md"], reference["reference/suite.md"]
    for each in suite():
        assert f"| {each.aspect} |" in page
        metric = re.match(r"\w+", each.expression)
        assert metric
        assert f"`{metric[0]}`" in page, f"{metric[0]} of {each.aspect}"
        assert f"`{each.expression}`" in generated.partition(f"\n## {each.aspect}\n")[2].partition("\n## ")[0]


def test_the_methods_name_the_bounds_of_the_default_suite() -> None:
    """A bound that changes in the source has to change on the page of its method, in its row where there is one."""
    pages = {"baselines": "baselines", "calibration": "calibration", "leakage": "leakage", "fairness": "disparity", "drift": "drift",
             "quality": "junk", "representation": "representation", "robustness": "sensitivity"}
    for each in suite():
        bound, metric = re.search(r"[<>]= -?([\d.]+%?)$", each.expression), re.match(r"\w+", each.expression)
        if each.aspect in pages and bound and metric and bound[1] != "0":
            page = PAGES[f"methods/{pages[each.aspect]}.md"]
            rows = [line for line in page.splitlines() if line.startswith(f"| `{metric[0]}` |") and "above" in line]
            ways = {bound[1].replace("%", " %"), f"{100 * float(bound[1].rstrip('%')):g} %"}  # 0.01 and 1 % are one bound
            assert any(named(way, rows[0] if rows else page) for way in ways), f"{each.expression}: {rows}"


def test_every_key_and_role_of_a_configuration_is_explained() -> None:
    page = PAGES["howto/configuration.md"]
    keys = set(Config.__dataclass_fields__) - {"path"}
    assert {each for each in keys if not re.search(rf"^{each}:|`{each}`", page, flags=re.MULTILINE)} == set()
    assert {each for each in (*_COLUMNS, "slices") if f"| `{each}` |" not in page} == set()


def test_every_exit_code_is_explained() -> None:
    from assay.app.tree import _CODES

    codes = re.findall(r"^(\d+) ", _CODES, flags=re.MULTILINE)
    assert re.findall(r"^\| (\d+) \|", PAGES["howto/exit.md"], flags=re.MULTILINE) == codes


# what runs -----------------------------------------------------------------------------------------------------------------


def test_every_fence_is_of_a_kind_that_is_held_to_something() -> None:
    kinds = {language for text in PAGES.values() for language, _ in FENCE.findall(text)}
    assert kinds == {"console", "python", "sh", "text", "toml", "yaml", "yml"}
    for name, text in PAGES.items():
        assert text.count("```") == 2 * len(FENCE.findall(text)), f"{name} has a fence that is not closed"


@pytest.mark.parametrize(("page", "line"), [(page, line) for page, line, _ in commands()])
def test_commands_parse(page: str, line: str) -> None:
    """Each is parsed as the command line would, which knows every option; the slow tests run them."""
    words = shlex.split(line, comments=True)
    assert words[0] == "assay"
    verb = command.commands[words[1]]
    with verb.make_context(words[1], words[2:]) as context:
        from assay.check.expression import parse

        for each in context.params.get("check") or ():
            parse(each)


def test_lines_for_a_shell_name_commands_that_exist() -> None:
    for name, body in written("sh"):
        for line in body.splitlines():
            assert re.match(r"pip install |assay (\w+)", line), f"{name}: {line}"
            if line.startswith("assay"):
                assert line.split()[1] in command.commands


@pytest.mark.parametrize(("page", "body"), written("yaml"))
def test_configurations_are_read(page: str, body: str, tmp_path: Path) -> None:
    path = tmp_path / "assay.yaml"
    path.write_text(body, "utf-8")
    assert read(path).data


def test_configurations_of_pipelines_call_assay_with_options_that_exist() -> None:
    found = []
    for _, body in written("yml"):
        assert isinstance(yaml.safe_load(body), dict)
        found += re.findall(r"(?:run:|-) assay ((?:check|gate) .*)", body)
    for _, body in written("text"):
        found += re.findall(r'"assay (gate [^"]*)"', body)
    for line in found:
        words = shlex.split(line)
        with command.commands[words[0]].make_context(words[0], words[1:]):
            pass
    assert sum(each.startswith("check") for each in found) == 2
    assert sum(each.startswith("gate") for each in found) == 8


def test_jobs_in_python_are_python() -> None:
    jobs = [body for name, body in written("text") if name == "howto/ci.md"]
    assert len(jobs) == 3
    for body in jobs:
        ast.parse(body)


def test_toml_is_toml() -> None:
    import tomllib

    for _, body in written("toml"):
        points = tomllib.loads(body)["project"]["entry-points"]
        assert {each.partition(".")[2] for each in points} <= {"metrics", "formats"}


def test_python_without_prompts_is_python() -> None:
    plain = [body for _, body in written("python") if ">>>" not in body]
    assert plain
    for body in plain:
        ast.parse(body)


@pytest.fixture(scope="module")
def flights(tmp_path_factory) -> Path:
    """A folder with the demonstration as `assay demo flights --keep flights` leaves it."""
    folder = tmp_path_factory.mktemp("site")
    demo("flights", keep=folder / "flights")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("page", "line", "below"), commands())
def test_commands_run_and_print_what_the_page_shows(page: str, line: str, below: list[str], flights: Path) -> None:
    arguments, _, said = line.partition("    # ")
    run = subprocess.run([sys.executable, "-m", "assay", *shlex.split(arguments)[1:]], cwd=flights, env=environment(),
                         capture_output=True, text=True, check=False)
    assert run.returncode in ((int(said),) if said else (0, 1, 3)), run.stderr
    assert "this is a fault" not in run.stderr
    assert "could not be measured" not in run.stdout, run.stdout
    pattern = r"\s*" + re.escape("\n".join(below).strip()).replace(re.escape("..."), ".*") + r"\s*"
    if below:
        assert re.fullmatch(pattern, run.stdout, flags=re.DOTALL), run.stdout


@pytest.mark.slow
def test_python_without_prompts_runs(flights: Path) -> None:
    for _, body in written("python"):
        if ">>>" not in body:
            run = subprocess.run([sys.executable, "-c", body], cwd=flights, env=environment(), capture_output=True, text=True, check=False)
            assert run.returncode == 0, run.stderr


@pytest.mark.slow
def test_numbers_of_the_flights_are_those_of_the_demonstration(flights: Path) -> None:
    """What the pages quote of it has to be in its run."""
    from assay.verbs.check import check

    config = str(flights / "flights" / "assay.yaml")
    more = ["selection_rate ratio by origin >= 0.8", "psi of temp <= 0.25", "proxy_power of carrier <= 0.7"]
    runs = [check(config, trust=True), check(config, trust=True, protected=["origin"], checks=more)]
    values = [value for run in runs for value in (*run.values, *(each.value for each in run.verdicts if each.value))]
    found = [(each.value, each.low, each.high) for each in values if each.low is not None]
    for quoted in QUOTED:
        assert any(quoted in text for text in PAGES.values()), f"no page says {quoted}"
        numbers = [float(each) for each in re.findall(r"[\d.]+", quoted)]
        # how many threads trained the model shows in the third digit
        assert any(all(abs(a - b) < 0.02 for a, b in zip(numbers, each, strict=True)) for each in found), f"the demonstration has no {quoted}"


# what is built -------------------------------------------------------------------------------------------------------------


class Loads(HTMLParser):
    """The addresses that a page loads of itself; links that a reader may follow are none."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        if tag != "a":
            kept = tag != "link" or "canonical" not in known.get("rel", "")
            self.found += [known[each] for each in ("src", "srcset", "href", "data", "poster", "action") if each in known and kept]
        self.found += re.findall(r"url\(['\"]?([^'\")]+)", known.get("style", ""))


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    run = subprocess.run(build, cwd=DOCS.parent, env=environment(), capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr   # --strict: a link or an anchor that leads nowhere is an error
    return folder


def test_the_site_builds_and_holds_every_page(site: Path) -> None:
    assert {name.removesuffix(".md") + ".html" for name in PAGES} <= set(_files(site, "*.html"))
    assert not list(site.rglob("*.py"))


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    for name in _files(site, "*.html"):
        loads = Loads()
        loads.feed((site / name).read_text("utf-8"))
        assert loads.found
        assert [each for each in loads.found if re.match(r"(?i)\s*(\w+:)?//|javascript:", each)] == [], name
    for name in _files(site, "*.css"):
        text = (site / name).read_text("utf-8")
        assert re.findall(r"(?i)(?:url\(|@import)\s*['\"]?((?:https?:)?//[^'\")\s]+)", text) == [], name


def test_what_looks_for_loads_finds_them() -> None:
    loads = Loads()
    loads.feed('<a href="https://a"></a><script src="//b"></script><link rel="stylesheet" href="https://c"><p style="x: url(http://d)">')
    assert loads.found == ["//b", "https://c", "http://d"]


def test_links_on_the_site_lead_to_pages_and_anchors(site: Path) -> None:
    """MkDocs checks links in Markdown; this checks what it made of them, the navigation too."""
    anchors = {name: set(re.findall(r'\bid="([^"]+)"', (site / name).read_text("utf-8"))) for name in _files(site, "*.html")}
    for name in anchors:
        for link in re.findall(r'<a [^>]*href="([^"]+)"', (site / name).read_text("utf-8")):
            if re.match(r"\w+:", link) or name == "404.html":
                continue
            path, _, anchor = link.partition("#")
            target = posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name
            assert target in anchors, f"{name}: {link}"
            assert not anchor or anchor in anchors[target] or link == "#", f"{name}: {link}"


def _files(folder: Path, pattern: str) -> Iterator[str]:
    with contextlib.suppress(FileNotFoundError):
        yield from sorted(path.relative_to(folder).as_posix() for path in folder.rglob(pattern))
