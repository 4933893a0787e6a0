"""Mergeable statistics and sketches, the ``Profile`` that holds them, and their one byte format.

Interface: ``Summary`` (update, merge, dump, parse), ``Need`` (one summary of some columns), ``SUMMARIES`` (the registry),
``Profile`` (slice and need -> summary), ``Vector`` (a column of a batch, sorted and counted once). Engines, metrics and
whoever stores profiles may import it; it knows nothing of models, metrics or engines.
"""

from assay.summary.profile import Profile
from assay.summary.summary import SUMMARIES, Need, Summary, parse
from assay.summary.vector import Vector

__all__ = ["SUMMARIES", "Need", "Profile", "Summary", "Vector", "parse"]
