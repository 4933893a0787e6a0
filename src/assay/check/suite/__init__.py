"""Suites: many checks. The one that a user lists, and the one that assay brings where nobody listed any.

``listed.checks`` reads a list; ``default.items`` chooses what to look for by what data and model are, and ``opinion.opinions`` says
in words what was seen. Sees only errors and results, like all of ``check``: who measures is not known here.
"""

from __future__ import annotations

from assay.check.suite.default import Item, Scene, items
from assay.check.suite.listed import checks
from assay.check.suite.opinion import opinions

__all__ = ["Item", "Scene", "checks", "items", "opinions"]
