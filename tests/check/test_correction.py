from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.check.correction import holm

probabilities = st.lists(st.floats(0, 1), max_size=12)


def naive(p: list[float], alpha: float) -> list[bool]:
    """The procedure as Holm states it: step down from the smallest, stop at the first that is not small enough."""
    rejected = [False] * len(p)
    for place, index in enumerate(sorted(range(len(p)), key=lambda each: p[each])):
        if p[index] * (len(p) - place) >= alpha:
            break
        rejected[index] = True
    return rejected


@given(probabilities, st.floats(0.001, 0.999))
def test_adjusted_values_reject_what_the_procedure_rejects(p: list[float], alpha: float) -> None:
    assert [each < alpha for each in holm(p)] == naive(p, alpha)


@given(probabilities, st.randoms())
def test_order_does_not_matter(p: list[float], random: object) -> None:
    shuffled = list(range(len(p)))
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    adjusted = holm(p)
    assert holm([p[each] for each in shuffled]) == [adjusted[each] for each in shuffled]


@given(probabilities, st.floats(0, 1))
def test_one_question_more_never_makes_another_more_certain(p: list[float], more: float) -> None:
    assert all(after >= before for before, after in zip(holm(p), holm([*p, more]), strict=False))
    assert all(1 >= adjusted >= each for adjusted, each in zip(holm(p), p, strict=True))


@pytest.mark.parametrize("wrong", [-0.1, 1.1, math.nan])
def test_what_is_no_probability_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.5, wrong])


def test_known_case_and_family_wise_error() -> None:
    assert holm([]) == []
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])  # as R's p.adjust(method = "holm") says
    random = np.random.default_rng(5)
    false = np.mean([min(holm(list(random.random(20)))) < 0.05 for _ in range(4000)])
    assert 0.035 < false < 0.061  # 0.0488 in theory for independent questions, +- four standard errors
