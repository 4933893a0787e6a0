"""The gate: may a candidate replace the champion? Differences with intervals go in, verdicts come out.

``setting`` reads the ``gate:`` part of ``assay.yaml``, ``decision`` judges goals and guards, ``size`` says how many rows that takes,
``lineage`` adds up what one slice lost over past releases, ``trade`` puts gain and risk into words, ``serving`` judges what service costs
and the rules around a model, ``rollback`` ranks earlier models. Sees only errors and results, like all of ``check``. The
statistics: ``design/gate.md``.
"""

from __future__ import annotations

from assay.check.gate.decision import Goal, Guard, decision
from assay.check.gate.setting import Settings, settings

__all__ = ["Goal", "Guard", "Settings", "decision", "settings"]
