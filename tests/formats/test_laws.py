"""The laws of ``tests/laws/test_model.py`` on models of heavy frameworks; and each that is a file, loaded by a fresh process."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest

from assay.model import guard
from tests.formats.cases import HEAVY
from tests.laws import test_model as laws

pytestmark = [pytest.mark.formats, pytest.mark.filterwarnings("default")]   # warnings of frameworks are not ours
LIBRARY = {"mojo": None}


@pytest.fixture(scope="module", params=HEAVY)
def case(request, tmp_path_factory) -> laws.Case:
    library = LIBRARY.get(request.param.partition("_")[0], request.param.partition("_")[0])
    if library is not None:
        pytest.importorskip(library, reason=f"{library} is not installed: make test-formats")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return HEAVY[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def model(case):
    return case.load()


# numbers of 32 bits depend in their last bits on which rows are worked on together
_LOOSE = 2e-5


@pytest.fixture(autouse=True)
def loose(monkeypatch) -> None:
    exact = laws.same
    monkeypatch.setattr(laws, "same", lambda left, right, tolerance=0.0: exact(left, right, max(tolerance, _LOOSE)))


for _name, _test in list(vars(laws).items()):
    if _name.startswith("test_") and _name != "test_a_missing_column_is_named_with_the_nearest" and set(inspect.signature(_test).parameters) >= {"case", "model"}:
        globals()[_name] = _test


def test_nulls_are_what_the_library_takes_for_missing(case, model) -> None:
    if case.format == "mojo":
        pytest.skip("some values are missing in the rows of all its laws")
    laws.test_nulls_are_what_the_library_takes_for_missing(case, model)


def test_many_rows(case, model) -> None:
    if case.format == "transformers":
        pytest.skip("so many texts take minutes")
    frame = case.frame.iloc[np.arange(100_001) % len(case.frame)].reset_index(drop=True)
    answer = guard.answer(model, laws.batch_of(frame))
    assert len(answer) == 100_001
    laws.same(laws.taken(answer, slice(720, 960)), guard.answer(model, laws.batch_of(case.frame)), 1e-6)


def test_a_fresh_process_answers_the_same(case, model) -> None:
    if not isinstance(case.model, str) and not hasattr(case.model, "exists"):
        pytest.skip("the model is an object of this process")
    if not all(isinstance(each, str | bool | list) for each in case.options.values()):
        pytest.skip("the network is an object of this process")
    from assay.model.load import load
    from assay.model.model import bind

    apart = load(case.model, isolation="process", **case.options)
    apart = bind(apart, case.names) if case.names else apart
    laws.same(guard.answer(apart, laws.batch_of(case.frame)), guard.answer(model, laws.batch_of(case.frame)))
    assert apart.digest == model.digest
