"""Shapley values by their definition: every coalition of players is asked. Slow, and nothing to get wrong."""

from __future__ import annotations

from collections.abc import Callable
from math import factorial

import numpy as np

from assay.model.trees import Trees

__all__ = ["by_definition", "interventional", "path_dependent"]


def by_definition(game: Callable[[int], float], players: int) -> np.ndarray:
    """Return the values of a game, a function from a coalition (bit j is player j) to a number."""
    worth = [game(each) for each in range(1 << players)]
    out = np.zeros(players)
    for player in range(players):
        for each in range(1 << players):
            if not each >> player & 1:
                size = each.bit_count()
                share = factorial(size) * factorial(players - size - 1) / factorial(players)
                out[player] += share * (worth[each | 1 << player] - worth[each])
    return out


def interventional(trees: Trees, rows: np.ndarray, background: np.ndarray, output: int = 0, players: np.ndarray | None = None) -> np.ndarray:
    who = trees.source if players is None else players

    def game(row: np.ndarray, coalition: int) -> float:
        present = np.array([coalition >> int(each) & 1 for each in who], bool)
        return float(trees.sums(np.where(present, row, background))[:, output].mean())

    return np.array([by_definition(lambda coalition, row=row: game(row, coalition), int(who.max()) + 1) for row in rows])


def path_dependent(trees: Trees, rows: np.ndarray, output: int = 0) -> np.ndarray:
    def below(node: int, row: np.ndarray, coalition: int, column: int) -> float:
        if trees.left[node] < 0:
            return float(trees.value[node, column])
        feature, left, right = int(trees.feature[node]), int(trees.left[node]), int(trees.right[node])
        if coalition >> int(trees.source[feature]) & 1:
            goes = trees.goes_left(np.array([node]), row[[feature]])[0]
            return below(left if goes else right, row, coalition, column)
        cover = trees.cover[node]
        share = trees.cover[left] / cover if cover > 0 else 0.5
        other = trees.cover[right] / cover if cover > 0 else 0.5
        return float(share * below(left, row, coalition, column) + other * below(right, row, coalition, column))

    def game(row: np.ndarray, coalition: int) -> float:
        columns = [(int(root), output - int(first)) for root, first in zip(trees.roots, trees.output, strict=True)]
        return sum(below(root, row, coalition, column) for root, column in columns if 0 <= column < trees.value.shape[1])

    return np.array([by_definition(lambda coalition, row=row: game(row, coalition), int(trees.source.max()) + 1) for row in rows])
