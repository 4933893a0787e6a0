"""Pure functions from summaries to values: classification, probability, regression, ranking, drift, quality, disparity.

Interface: ``METRICS`` and ``find`` (names), ``metric`` (make one), ``Metric.needs`` and ``Metric.value``. Verbs and monitors
import it. A metric sees summaries, never an engine, a model or a data frame.
"""

from assay.metric.disparity import disparity
from assay.metric.metric import METRICS, Metric, Share, find, metric
from assay.metric.rows import rows
from assay.metric.scorer import scorer

__all__ = ["METRICS", "Metric", "Share", "disparity", "find", "metric", "rows", "scorer"]
