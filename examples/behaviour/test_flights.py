"""The same in Python: a test of a function that makes its expectations itself."""

from __future__ import annotations

import assay


def test_long_haul_is_no_excuse(assay_model, assay_data):
    slack = {"name": "distance", "kind": "invariance", "where": "dep_delay <= 0", "change": {"distance": {"multiply": [0.9, 1.1]}},
             "of": "score", "tolerance": 0.1, "at_most": "5%"}
    run = assay.behaviour({"columns": {"label": "late", "id": "flight"}, "tests": [slack]}, assay_model, data=assay_data)
    assert run.passed, run
