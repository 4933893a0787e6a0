"""Runs a plan of summaries over batches: reads, scores, summarises, in one pass.

Interface: ``Plan`` (what is needed), ``Target`` (how labels are read), ``local.run(plan, source, models) -> Profile``. Verbs
and monitors import it. It never sees a metric: it receives needs.
"""

from assay.engine.local import run
from assay.engine.plan import Plan
from assay.summary.target import Target

__all__ = ["Plan", "Target", "run"]
