"""The layers of assay, as design/layers.md draws them; the tests and the picture read them here."""

from __future__ import annotations

__all__ = ["LAYERS", "ONLY", "ORDER", "layer"]

# From the bottom up. A package imports from lines below its own; packages on one line do not know each other.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"errors", "registry", "loop", "result"}),
    frozenset({"data"}),
    frozenset({"summary", "model"}),
    frozenset({"engine", "metric", "segment"}),
    frozenset({"estimate", "explain", "probe", "screen"}),
    frozenset({"check", "report", "store", "remedy"}),
    frozenset({"monitor"}),
    frozenset({"verbs"}),
    frozenset({"app"}),
)
# The one line whose members see each other, and only in this order: results speak in errors and are found by name.
ORDER = ("errors", "registry", "loop", "result")
# Packages that see less than their line allows. Checks and reports read results, whoever computed them; a metric is a
# function of summaries, and must not care whether a model or a file stands behind them.
ONLY: dict[str, frozenset[str]] = {
    "check": LAYERS[0],
    "report": LAYERS[0],
    "metric": LAYERS[0] | {"summary"},
}


def layer(unit: str) -> int:
    """Return the line of a package or top module.

    >>> layer("data"), layer("app")
    (1, 8)
    """
    return next(index for index, line in enumerate(LAYERS) if unit in line)
