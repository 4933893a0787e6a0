"""Curves: how many answers change, and what right answers are lost, as noise, missing values, exchanged values or typos grow.

``curve(question, ...)`` asks rows again at growing severity; ``Curve`` gives shares with intervals and where a stated loss is reached.
``corruptions`` are the ways in which rows of a table are spoilt, ``spoilt_images`` those of images. The verbs import it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.probe.robustness.domain import Domain
from assay.probe.robustness.question import Question, Said
from assay.result import Spread

__all__ = ["NOISE", "SHARES", "Curve", "Reached", "corrupted", "curve", "kinds", "spoilt", "spoilt_text"]

Array = np.ndarray[Any, Any]

NOISE = (0.01, 0.03, 0.1, 0.3, 1.0)     # standard deviations of noise, in spreads of the column
SHARES = (0.01, 0.03, 0.1, 0.3, 0.5)    # of values that go missing or are exchanged, of letters that are mistyped
DRAWS = 400                             # of the bootstrap that says where a loss is reached
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


@dataclass(frozen=True)
class Reached:
    """The severity at which a loss is reached, with an interval; None where it is beyond the most severe that was asked."""

    at: float | None
    low: float
    high: float | None


@dataclass(frozen=True, eq=False)
class Curve:
    """What became of n rows at each of s severities: ``changed`` (s, n), and with labels ``right`` (s + 1, n), untouched rows first.

    ``kind`` is the way they were spoilt, ``column`` the only column that was, None for all together. Of numbers ``right`` are absolute
    errors, taken below 0, so that more is better.
    """

    kind: str
    column: str | None
    severity: tuple[float, ...]
    changed: Array
    right: Array | None = None

    @property
    def n(self) -> int:
        """How many rows were asked."""
        return int(self.changed.shape[1])

    def agreement(self, place: int) -> Spread:
        """Return the share of rows that are answered as before, at one severity."""
        return Spread("binomial", float(1 - self.changed[place].mean()), n=self.n)

    def loss(self, place: int) -> Spread | None:
        """Return what is lost of the metric at one severity, by the difference of each row with itself; None without labels."""
        if self.right is None:
            return None
        gap = self.right[0] - self.right[place + 1]
        error = float(gap.std(ddof=1) / np.sqrt(len(gap))) if len(gap) > 1 else 0.0
        return Spread("normal", float(gap.mean()), n=len(gap), error=error)

    def reached(self, loss: float, *, seed: int = 0) -> Reached:
        """Return the severity at which the share of changed answers reaches ``loss``, between two severities on a line of the logarithm.

        The interval holds the middle 95 % of 400 draws of rows.
        """
        rng = np.random.default_rng([seed, 51])
        mean = self.changed.mean(axis=1)
        weights = rng.multinomial(self.n, np.full(self.n, 1 / self.n), size=DRAWS) / self.n
        drawn = np.array([_crossing(self.severity, each, loss) for each in weights @ self.changed.T.astype(np.float64)])
        low, high = np.quantile(drawn, [0.025, 0.975], method="nearest")
        at = _crossing(self.severity, mean, loss)
        high = max(high, at)
        return Reached(None if np.isinf(at) else at, float(min(low, at, self.severity[-1])), None if np.isinf(high) else float(high))


def _crossing(severity: Sequence[float], share: Array, loss: float) -> float:
    """Return where a growing share first reaches a loss, infinity where it does not."""
    share = np.maximum.accumulate(share)
    place = int(np.searchsorted(share, loss))
    if place == len(share):
        return np.inf
    if place == 0 or share[place] == share[place - 1]:
        return float(severity[place])
    part = (loss - share[place - 1]) / (share[place] - share[place - 1])
    return float(np.exp(np.log(severity[place - 1]) + part * (np.log(severity[place]) - np.log(severity[place - 1]))))


def curve(question: Question, rows: Any, spoil: Callable[[float], Any], severity: Sequence[float], before: Said, *, kind: str,
          column: str | None = None, labels: Array | None = None) -> Curve:
    """Return what becomes of the answers to ``rows`` where ``spoil(severity)`` gives them spoilt; ``labels`` (n,) are decisions.

    >>> rows = np.linspace(0, 10, 101)[:, None]
    >>> question = Question(lambda numbers: Said((numbers[:, 0] > 5).astype(int)))
    >>> made = curve(question, rows, lambda much: rows + much, (0.05, 1.05), question(rows), kind="shift")
    >>> [round(made.agreement(place).estimate, 2) for place in (0, 1)]
    [0.99, 0.89]
    """
    changed, right = [], [] if labels is None else [_right(before.decision, labels)]
    for much in severity:
        after = question(spoil(much)).decision
        changed.append(question.differ(before.decision, after))
        if labels is not None:
            right.append(_right(after, labels))
    return Curve(kind, column, tuple(severity), np.array(changed), np.array(right) if labels is not None else None)


def _right(decision: Array, labels: Array) -> Array:
    if np.issubdtype(decision.dtype, np.integer):
        return np.asarray(decision == labels, np.float64)
    return np.asarray(-np.abs(decision - labels))


# tables -------------------------------------------------------------------------------------------------------------------


def kinds(domain: Domain) -> dict[str, tuple[tuple[int, ...], tuple[float, ...]]]:
    """Return the ways in which columns can be spoilt: their places, and the severities.

    Noise is added to numbers, by standard deviations in spreads of the column; of categories a share is exchanged for those of other
    rows; of any column that may change a share goes missing.
    """
    numbers = tuple(place for place in domain.free if domain.fields[place].numeric)
    others = tuple(place for place in domain.free if not domain.fields[place].numeric)
    found = {"noise": (numbers, NOISE), "exchange": (others, SHARES), "missing": (domain.free, SHARES)}
    return {name: each for name, each in found.items() if each[0]}


def corrupted(domain: Domain, rows: Array, kind: str, places: Sequence[int], *, seed: int = 0) -> Callable[[float], Array]:
    """Return a function from a severity to spoilt rows; the same draws serve every severity, so that a curve is one of the same rows.

    >>> import pyarrow as pa
    >>> from assay.probe.robustness.domain import domain
    >>> table = pa.table({"x": [float(each) for each in range(100)]})
    >>> spoil = corrupted(domain(table), np.arange(100.0)[:, None], "missing", [0])
    >>> int(np.isnan(spoil(0.1)).sum()), int(np.isnan(spoil(0.5)).sum()) > 30
    (13, True)
    """
    def spoil(much: float) -> Array:
        out = rows.copy()
        for place in places:
            rng = np.random.default_rng([seed, 52, place])
            field, values = domain.fields[place], rows[:, place]
            if kind == "noise":
                moved = field.rounded(values + much * field.spread * rng.standard_normal(len(rows)))
                out[:, place] = np.where(np.isnan(values), values, moved)
            else:
                hit = rng.random(len(rows)) < much
                new = values[rng.permutation(len(rows))] if kind == "exchange" else np.full(len(rows), np.nan if field.numeric else -1.0)
                out[:, place] = np.where(hit, new, values)
        return out

    return spoil


# images -------------------------------------------------------------------------------------------------------------------


def spoilt(images: Array, kind: str, *, top: float = 1.0, seed: int = 0) -> Callable[[float], Array]:
    """Return a function from a severity to spoilt images (n, height, width, channels) of values from 0 to ``top``.

    ``noise`` adds noise of that standard deviation, ``brightness`` adds it to every pixel, up or down, ``blur`` is a Gaussian of ten times
    that many pixels; noise and brightness are shares of ``top``.
    """
    from scipy import ndimage

    def spoil(much: float) -> Array:
        rng = np.random.default_rng([seed, 53])
        if kind == "blur":
            made = ndimage.gaussian_filter(images.astype(np.float64), (0, 10 * much, 10 * much, 0))
        elif kind == "brightness":
            made = images + much * top * rng.choice([-1.0, 1.0], (len(images), 1, 1, 1))
        else:
            made = images + much * top * rng.standard_normal(images.shape)
        return np.asarray(np.clip(made, 0, top))

    return spoil


# texts --------------------------------------------------------------------------------------------------------------------


def spoilt_text(texts: Sequence[str], *, seed: int = 0) -> Callable[[float], list[str]]:
    """Return a function from a share of letters to texts in which so many are mistyped: left out, doubled, swapped, or a neighbour's key.

    >>> spoilt_text(["a perfectly ordinary sentence"], seed=1)(0.2)[0] != "a perfectly ordinary sentence"
    True
    """
    def spoil(much: float) -> list[str]:
        out = []
        for number, text in enumerate(texts):
            rng = np.random.default_rng([seed, 54, number])
            hit, how = rng.random(len(text)), rng.integers(4, size=len(text))
            letters = list(text)
            for place in range(len(text)):
                if hit[place] < much and text[place].isalpha():
                    letters[place] = _mistyped(text, place, int(how[place]), rng)
            out.append("".join(letters))
        return out

    return spoil


def _mistyped(text: str, place: int, how: int, rng: np.random.Generator) -> str:
    letter = text[place]
    if how == 0:
        return ""
    if how == 1:
        return letter * 2
    row = next((each for each in _KEYS if letter.lower() in each), None)
    if row is None:
        return letter * 2
    at = row.index(letter.lower())
    other = row[at - 1] if at and (how == 2 or at == len(row) - 1) else row[min(at + 1, len(row) - 1)]
    return other.upper() if letter.isupper() else other
