"""One small filled summary of every kind, the same in every release: what recorded bytes are compared with."""

from __future__ import annotations

import numpy as np

from assay.summary import SUMMARIES, Summary

__all__ = ["examples"]

LABEL, OTHER = np.array([0, 1, 1, 0]), np.array([0, 1, 0, 0])
SCORE = np.array([0.25, 0.75, 0.5, 0.25])
GROUP = np.array([0, 5, 5, 127])


def examples() -> dict[str, Summary]:
    """Return a summary of each built-in kind."""
    number, text = [1.0, 2.0, None, 2.0, float("inf")], ["b", "a", None, "é", "b"]
    rows: dict[str, tuple[Summary, tuple[object, ...]]] = {
        "moments": (SUMMARIES["moments"](), (number,)),
        "histogram": (SUMMARIES["histogram"](edges=(0.5, 1.5)), (number,)),
        "quantiles": (SUMMARIES["quantiles"](), (number,)),
        "distinct": (SUMMARIES["distinct"](), (text,)),
        "frequent": (SUMMARIES["frequent"](size=10), (text,)),
        "confusion": (SUMMARIES["confusion"](classes=2), (LABEL, OTHER)),
        "labels": (SUMMARIES["labels"](labels=2), (LABEL.reshape(2, 2), OTHER.reshape(2, 2))),
        "paired confusion": (SUMMARIES["paired confusion"](classes=2), (LABEL, OTHER, LABEL)),
        "scores": (SUMMARIES["scores"](size=1024, grouped=True), (LABEL, SCORE)),
        "losses": (SUMMARIES["losses"](task="multiclass"), (LABEL, np.stack([1 - SCORE, SCORE], axis=1))),
        "residuals": (SUMMARIES["residuals"](), (SCORE, SCORE * 2)),
        "rows": (SUMMARIES["rows"](width=2, size=100), (np.array([9, 7, 9, 8]), LABEL, SCORE)),
    }
    for summary, columns in rows.values():
        summary.update(*columns, group=GROUP)
    return {kind: summary for kind, (summary, _) in rows.items()}
