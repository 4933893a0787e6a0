"""A stand-in for the question "does this sentence fail?": logistic regression on what derivations are made of, alone and in pairs.

``Surrogate`` has ``marks`` (the inputs of a derivation), ``fit`` and ``chances``; ``Panel`` joins what is learned of faults with what is
learned of the answers of each model. ``probe.text.search`` uses it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice, product
from typing import Any

import numpy as np

__all__ = ["Panel", "Surrogate"]

Array = np.ndarray[Any, Any]

WIDTH = 1 << 16     # places of pairs of productions, and as many of single parts
MANY = 60           # productions of a derivation whose pairs are told apart
RIDGE = 0.03       # inputs have length one, so that weights are large: one, divided by about the number of inputs of a sentence
STEPS = 15
ONCE = 2            # sentences, below which a mark is left out
KINDS = 12          # of faults, by the answers of the models, that are told apart
ENOUGH = 3          # faults, below which any answers that differ are looked for
LATEST = 400        # tests by which the two ways are weighed
HELD = 20.0         # tests that the prior weights are worth, about


@lru_cache(maxsize=128)
def _pairs(size: int) -> tuple[Array, Array]:
    return np.triu_indices(size, 1)


class Surrogate:
    """Learns from outcomes, which are kinds of faults counted from 0, or -1; before there are both, the chance of each is one half.

    >>> model = Surrogate()
    >>> marks = [model.marks([0, 1]), model.marks([0, 2])] * 20
    >>> model.fit(marks, [0, -1] * 20)
    >>> [bool(each > 0.5) for each in model.chances(marks[:2])[:, 0]]
    [True, False]
    """

    def __init__(self) -> None:
        self.weights = np.zeros((1, 2 * WIDTH))
        self.bias = np.zeros(1)
        self.fitted = False

    def marks(self, parts: Sequence[int], productions: int = WIDTH) -> Array:
        """Return the places of a derivation made of ``parts``, of which those below ``productions`` are paired with each other."""
        own = np.asarray(parts, np.int64)
        used = own[own < productions][:MANY]
        one, other = _pairs(len(used))
        mixed = (used[one] * 1_000_003 + used[other] * 10_007) & (WIDTH - 1)   # seldom twice the same
        return np.concatenate([own % WIDTH, mixed + WIDTH])

    def fit(self, marks: Sequence[Array], kinds: Sequence[int]) -> None:
        """Learn from all outcomes so far, each kind against all else, going on from what was learned before."""
        from scipy.optimize import minimize
        from scipy.sparse import csr_matrix

        kind = np.asarray(kinds)
        count = int(kind.max(initial=-1)) + 1
        if count == 0 or (count == 1 and kind.min() >= 0):
            return
        every = np.concatenate(marks)
        sizes = np.array([len(each) for each in marks])
        often = np.bincount(every, minlength=2 * WIDTH) >= ONCE   # what was seen once says nothing of others
        places = np.flatnonzero(often)
        column = np.cumsum(often) - 1
        use = often[every]
        ends = np.concatenate([[0], np.cumsum(use)])[np.concatenate([[0], np.cumsum(sizes)])]
        values = np.repeat(1 / np.sqrt(sizes), sizes)[use]
        x = csr_matrix((values, column[every[use]].astype(np.int32), ends.astype(np.int32)), shape=(len(marks), len(places)))
        turned = x.T.tocsr()
        if count > len(self.bias):
            self.weights = np.pad(self.weights, ((0, count - len(self.bias)), (0, 0)))
            self.bias = np.pad(self.bias, (0, count - len(self.bias)))

        def loss(theta: Array, y: Array) -> tuple[float, Array]:
            margin = x @ theta[:-1] + theta[-1]
            missed = 1 / (1 + np.exp(-np.clip(margin, -30, 30))) - y
            value = np.logaddexp(0, margin).sum() - y @ margin + RIDGE / 2 * theta[:-1] @ theta[:-1]
            return float(value), np.append(turned @ missed + RIDGE * theta[:-1], missed.sum())

        for each in range(count):
            begun, y = np.append(self.weights[each, places], self.bias[each]), (kind == each).astype(np.float64)
            found = minimize(loss, begun, args=(y,), jac=True, method="L-BFGS-B", options={"maxiter": STEPS, "maxcor": 6})
            self.weights[each, places] = found.x[:-1]
            self.bias[each] = found.x[-1]
        self.fitted = True

    def chances(self, marks: Sequence[Array]) -> Array:
        """Return how likely each derivation is held to fail in each of the kinds: a row a derivation."""
        if not self.fitted or not marks:
            return np.full((len(marks), 1), 0.5)
        sizes = np.array([len(each) for each in marks])
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        every = np.concatenate(marks)
        margin = np.stack([np.add.reduceat(own[every], starts) for own in self.weights], axis=1) / np.sqrt(sizes)[:, None] + self.bias
        return np.asarray(1 / (1 + np.exp(-np.clip(margin, -30, 30))))


Answers = tuple[str | None, ...]


class Panel:
    """Learns which derivations fail, and apart from that what each model answers, which takes fewer tests to learn.

    A fault is of a ``kind``: the answers of all models. Its chance by the second way is the product of the chances of these answers. Both
    ways are weighed by how well they foretold what was asked: a logistic regression on their two logits.
    """

    def __init__(self) -> None:
        self.direct = Surrogate()
        self.models: list[Surrogate] = []
        self.labels: list[dict[str | None, int]] = []
        self.kinds: list[Answers] = []
        self.weights = np.array([0.5, 0.5, 0.0])
        self.foretold: list[tuple[float, float, bool]] = []

    @property
    def fitted(self) -> bool:
        """Whether anything was learned."""
        return self.direct.fitted or bool(self.kinds)

    def fit(self, marks: Sequence[Array], parts: Sequence[int], answers: Sequence[Answers], fails: Sequence[bool]) -> None:
        """Learn from all tests; the first ``parts`` of the ``marks`` of each are single, the others pairs."""
        self.direct.fit(marks, [0 if each else -1 for each in fails])
        self.kinds = self._kinds(answers, fails)
        if self.kinds:
            single = [each[:count] for each, count in zip(marks, parts, strict=True)]
            width = len(self.kinds[0])
            if not self.models:
                self.models = [Surrogate() for _ in range(width)]
                self.labels = [{} for _ in range(width)]
            for place, (model, labels) in enumerate(zip(self.models, self.labels, strict=True)):
                for kind in self.kinds:
                    labels.setdefault(kind[place], len(labels))
                model.fit(single, [labels.get(each[place], -1) for each in answers])
        self._weigh()

    def _kinds(self, answers: Sequence[Answers], fails: Sequence[bool]) -> list[Answers]:
        """Return the answers that made a fault, and, while fewer than ``ENOUGH`` tests failed, those that differ and may make one."""
        found = Counter(each for each, failed in zip(answers, fails, strict=True) if failed)
        if not answers or len(answers[0]) < 2:
            return []
        kinds = [each for each, _ in found.most_common(KINDS)]
        if sum(found.values()) < ENOUGH:
            sound = set(answers) - set(found)
            seen = [sorted({each[place] for each in answers if each[place] is not None}, key=str) for place in range(len(answers[0]))]
            some = islice(product(*seen), 10 * KINDS)
            kinds += [each for each in some if len(set(each)) > 1 and each not in sound and each not in found][:KINDS - len(kinds)]
        return kinds

    def chances(self, marks: Sequence[Array], parts: Sequence[int]) -> tuple[Array, Array, Array]:
        """Return the chance that each derivation fails, that of each kind (a column each), and the two logits behind the first."""
        own = self.direct.chances(marks)[:, 0]
        if not self.kinds or not all(each.fitted for each in self.models):
            logit = _logit(own)
            return own, own[:, None], np.stack([logit, logit], axis=1)
        single = [each[:count] for each, count in zip(marks, parts, strict=True)]
        given = [each.chances(single) for each in self.models]
        each_kind = np.ones((len(marks), len(self.kinds)))
        for place, (chances, labels) in enumerate(zip(given, self.labels, strict=True)):
            each_kind *= chances[:, [labels[kind[place]] for kind in self.kinds]]
        logits = np.stack([_logit(own), _logit(each_kind.sum(axis=1))], axis=1)
        margin = logits @ self.weights[:2] + self.weights[2]
        return np.asarray(1 / (1 + np.exp(-margin))), each_kind, logits

    def told(self, logits: Sequence[float], failed: bool) -> None:
        """Take in what came of a test, whose logits were foretold."""
        self.foretold.append((float(logits[0]), float(logits[1]), failed))

    def _weigh(self) -> None:
        """Weigh the two ways by the latest tests: a few steps of Newton, held to a half each by a prior."""
        if len(self.foretold) < 20 or not self.models:
            return
        some = np.array(self.foretold[-LATEST:], float)
        x, y = np.column_stack([some[:, :2], np.ones(len(some))]), some[:, 2]
        prior, held = np.array([0.5, 0.5, 0.0]), np.diag([HELD, HELD, HELD / 4])
        theta = prior.copy()
        for _ in range(5):
            chance = 1 / (1 + np.exp(-x @ theta))
            steep = (x * (chance * (1 - chance))[:, None]).T @ x + held
            theta = theta - np.linalg.solve(steep, x.T @ (chance - y) + held @ (theta - prior))
        theta[:2] = np.clip(theta[:2], 0.05, 2.0)
        self.weights = theta


def _logit(chance: Array) -> Array:
    some = np.clip(chance, 1e-4, 1 - 1e-4)
    return np.asarray(np.log(some / (1 - some)))
