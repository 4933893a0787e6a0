"""Watches models in production beside their data: evidence from window to window, a budget of false pages, incidents with a cause.

Pure functions and plain state; the ledger of rows and the store of results are in ``assay.store``, and verbs join the two.
"""
