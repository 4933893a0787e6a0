"""Checks: expectations on values, and the verdicts on them.

``expression`` is the language in which checks are written, ``suite`` reads a list of them, ``verdict`` judges values against
one, ``correction`` keeps many slices from failing by chance. Sees only errors and results; never who computed a value.
"""

from __future__ import annotations

from assay.check.expression import Bound, Check, parse
from assay.check.verdict import broken, judge

__all__ = ["Bound", "Check", "broken", "judge", "parse"]
