"""Repair a model, and measure on rows held out what that changed: ``assay.repair``.

Layer 7. Users reach it by ``assay.repair``; the command by ``assay.verbs.repair.repair``.
"""
