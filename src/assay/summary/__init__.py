"""Mergeable statistics and sketches, the ``Profile`` that holds them, and their one byte format.

Interface: ``Summary`` (update, merge, dump, parse), ``Need`` (one summary of some columns), ``SUMMARIES`` (the registry),
``Profile`` (slice and need -> summary), ``Vector`` (a column of a batch, sorted and counted once). Engines, metrics and
whoever stores profiles may import it; it knows nothing of models, metrics or engines.

What of single rows is in a summary, and so in a profile that is stored or sent (whoever plans a pass answers for what it asks):
``Frequent`` holds values as text, ``Rows`` rows of labels and answers, ``Scores`` scores, ``Quantiles`` up to 4,096 numbers,
``Moments`` the least and the greatest, ``Distinct`` 2,048 hashes; the others only counts and sums.
"""

from assay.summary.profile import Profile
from assay.summary.summary import SUMMARIES, Need, Summary, parse
from assay.summary.vector import Vector

__all__ = ["SUMMARIES", "Need", "Profile", "Summary", "Vector", "parse"]
