"""Faults that nobody named a check for: leakage, weak baselines, thin training data, proxies, junk, other units, unused features.

A screen looks at a bounded sample of rows of each data set (a ``Study``), perhaps asks the model again, and yields readings that
become values, so that a fault is judged, reported and written in ``assay.yaml`` like any metric: ``shared_rows <= 1%``.
Interface: ``SCREENS`` (names), ``screen`` (make one), ``Screen.values(study)``, ``Study`` and ``sample``. Verbs import it.
"""

from assay.screen.screen import SCREENS, Reading, Screen, screen
from assay.screen.study import Sample, Study, common, sample

__all__ = ["SCREENS", "Reading", "Sample", "Screen", "Study", "common", "sample", "screen"]
