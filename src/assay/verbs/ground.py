"""Answered rows as numbers, and why an estimate of them is what it is, in words: what ``estimate`` and the monitor share.

``numbered(model, data, table, encoding)`` asks the model and returns ``Rows``; ``grown`` and ``unlike`` say which labelled rows those of
now are like. Verbs import it.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from assay.data.schema import Schema
from assay.engine import label as labels_of
from assay.engine.frame import Frame
from assay.estimate.doubly_robust import Window
from assay.estimate.rows import Encoding, Rows
from assay.estimate.segments import Segment, likeness, strangers
from assay.model import guard
from assay.model.model import Model
from assay.summary.target import Target
from assay.verbs.explain.explanation import number

__all__ = ["grown", "numbered", "percent", "unlike"]

PART = 50_000   # rows that the model is asked at a time
_TOLD = 3       # segments that sentences name
_FEWER = 0.02   # of the rows, by which a segment has to grow to be a reason


def numbered(model: Model, target: Target, schema: Schema, table: pa.Table, encoding: Encoding, *, where: str,
             labelled: bool = False) -> Rows:
    """Return the rows of a table with what the model answers for them; ``labelled``: those that have a label, with it."""
    if labelled and schema.label is not None:
        column = table.column(schema.label)
        if target.task == "regression":
            known = ~np.isnan(labels_of.numbers(column.combine_chunks(), name=schema.label, where=where))
        else:
            known = labels_of.codes(column, target.classes, name=schema.label, where=where) != labels_of.MISSING
        table = table if known.all() else table.filter(pa.array(known))
    frames = [Frame(batch, {"model": guard.answer(model, batch)}, schema, target, where=where)
              for batch in table.unify_dictionaries().combine_chunks().to_batches(max_chunksize=PART)]
    names = ["@value" if target.task == "regression" else "@prediction"]
    scored = target.task != "regression" and model.signature.scores is not None
    names += ["@scores"] if scored else []
    names += ["@label"] if labelled else []
    found = {name: np.concatenate([each[name] for each in frames]) if frames else np.zeros(0) for name in names}
    score = found.get("@scores")
    if score is not None and not frames:
        score = np.zeros((0, len(target.classes)))
    return Rows(encoding.matrix(table), found[names[0]], score, found.get("@label"), encoding.categorical, len(target.classes))


def grown(window: Window, encoding: Encoding) -> str:
    """Return what labelled segments the rows of now are most like, by what grew; or that they are of the kinds that were there."""
    kinds = likeness(window, encoding)
    more = [each for each in kinds if each.now - each.before >= _FEWER][:_TOLD]
    classes = window.estimator.reference.classes
    what = "right" if classes else "mean absolute error"
    if not more:
        return "the rows are of the kinds that the labelled ones were"
    parts = [f"{each.words} ({percent(each.now)} of the rows, {percent(each.before)} before; {what} "
             f"{percent(each.value or 0.0) if classes else number(each.value)})" for each in more]
    return f"most like these labelled segments of the reference, by what grew: {'; '.join(parts)}"


def unlike(window: Window, encoding: Encoding) -> list[str]:
    """Return the kinds of rows that the reference hardly has, in words, the largest first."""
    return [_strange(each) for each in strangers(window, encoding)[:_TOLD]]


def _strange(each: Segment) -> str:
    return f"unlike anything labelled: {each.words} ({percent(each.now)} of the rows; {each.labelled:,} labelled)"


def percent(share: float) -> str:
    """Return a share in words, with a digit more where it is small.

    >>> percent(0.5), percent(0.012)
    ('50 %', '1.2 %')
    """
    return f"{100 * share:.0f} %" if share >= 0.095 else f"{100 * share:.1f} %"
