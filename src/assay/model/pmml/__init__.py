"""PMML files (trees, regressions, scorecards, and ensembles of them) read and run without Java or any library.

``format`` holds the one name that others use, ``FORMAT``; ``document`` parses, ``scope`` and ``expression`` make fields, ``predicate``
tests rows, ``scorer`` runs models. Only the registry of formats imports this.
"""

__all__: list[str] = []
