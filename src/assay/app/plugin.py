"""The pytest plugin: ``pytest --assay`` collects ``*.assay.yaml`` files, and each behaviour test in them is a test.

pytest loads this module in every run, so it imports nothing of assay until it is asked for. ``assay_model`` and ``assay_data`` are
fixtures that a ``conftest.py`` overrides to hand over a fitted model, and rows. A failure is told in a sentence, without a traceback;
what is inconclusive is skipped, and fails with ``--assay-strict``. How to use it: ``docs/howto/behaviour.md``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from assay.probe.behaviour import Behaviour
    from assay.verbs.behaviour.behaviour import Opened
    from assay.verbs.behaviour.specification import Specification

__all__ = ["BehaviourFile", "BehaviourTest", "assay_data", "assay_model", "pytest_addoption", "pytest_collect_file", "pytest_configure"]

_SUFFIXES = (".assay.yaml", ".assay.yml")   # those of assay.verbs.behaviour.specification, which is slow to load


class _Told(Exception):  # noqa: N818 (it is a verdict, not a fault)
    """A verdict that fails a test."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of assay."""
    group = parser.getgroup("assay", "behaviour tests of models (assay)")
    group.addoption("--assay", action="store_true", help="Run the behaviour tests in *.assay.yaml files.")
    group.addoption("--assay-model", metavar="FILE", help="Test this model, not the one that the files or the fixture assay_model name.")
    group.addoption("--assay-trust", action="store_true", help="Let a model file run the code that it brings (pickle, joblib).")
    group.addoption("--assay-strict", action="store_true", help="An inconclusive behaviour test fails; otherwise it is skipped.")
    group.addoption("--assay-keep-rows", action="store_true", help="Show values of protected and forbidden columns and of free text.")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker that every behaviour test has."""
    config.addinivalue_line("markers", "assay: a behaviour test of a model, from an *.assay.yaml file")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> BehaviourFile | None:
    """Collect a file of behaviour tests."""
    if not parent.config.getoption("assay") or not file_path.name.lower().endswith(_SUFFIXES):
        return None
    found: BehaviourFile = BehaviourFile.from_parent(parent, path=file_path)
    return found


@pytest.fixture(scope="session")
def assay_model() -> Any:
    """The model that behaviour tests ask: override it in conftest.py; None leaves it to the file."""
    return None


@pytest.fixture(scope="session")
def assay_data() -> Any:
    """The rows that behaviour tests start from: override it in conftest.py; None leaves them to the file."""
    return None


class BehaviourFile(pytest.File):
    """A file of behaviour tests; its model and data are opened once, when the first test runs."""

    def collect(self) -> Iterator[pytest.Item]:
        from assay.errors import AssayError
        from assay.verbs.behaviour.specification import Specification

        try:
            self.tests: Specification = Specification.read(self.path)
        except AssayError as error:
            raise self.CollectError(str(error)) from None
        self.held: dict[Any, tuple[Any, Any, Opened]] = {}
        for each in self.tests.tests:
            item: BehaviourTest = BehaviourTest.from_parent(self, name=each.name, callobj=_run)
            item.test = each
            item.add_marker("assay")
            item.extra_keyword_matches.add(each.kind)
            yield item

    def ready(self, model: Any, data: Any) -> Opened:
        """Return the tests with ``model`` and ``data``, opened once for all tests of the file."""
        from assay.verbs.behaviour.behaviour import opened

        key = (model if isinstance(model, str) else id(model), id(data))
        if key not in self.held:   # both are kept beside, so that their ids stay their own
            option = self.config.getoption
            tests = opened(self.tests, model, data=data, trust=option("assay_trust"), keep_rows=option("assay_keep_rows"))
            self.held[key] = model, data, tests
        return self.held[key][2]


class BehaviourTest(pytest.Function):
    """One behaviour test: a function of two fixtures, so that conftest files and autouse fixtures apply to it."""

    test: Behaviour

    def runtest(self) -> None:
        from assay.errors import AssayError

        file = self.getparent(BehaviourFile)
        assert file is not None
        named = self.config.getoption("assay_model")
        model = str(self.config.invocation_params.dir / named) if named and "://" not in named else named or self.funcargs["assay_model"]
        try:
            verdict = file.ready(model, self.funcargs["assay_data"]).judged(self.test).verdict
        except AssayError as error:
            raise _Told(str(error)) from None
        self.user_properties.append(("assay", verdict.verdict))
        told = verdict.sentence + (f"; hint: {verdict.hint}" if verdict.hint else "")
        if verdict.verdict in ("inconclusive", "too small") and not self.config.getoption("assay_strict"):
            pytest.skip(told)
        if verdict.verdict not in ("pass", "warn"):
            raise _Told(told)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return the sentence of a verdict alone; anything else is a fault, with its traceback."""
        return str(excinfo.value) if isinstance(excinfo.value, _Told) else super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.name


def _run(assay_model: Any, assay_data: Any) -> None:
    """Stand for a behaviour test as the function that pytest finds fixtures for; ``runtest`` does the work."""
