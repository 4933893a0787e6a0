"""Reports: a run rendered for people and for other tools. Renders what is in a run, and computes nothing.

``html`` is the page, ``markdown`` a comment on a pull request, ``card`` a model card, ``junit`` what test runners and CI servers read,
``yaml`` the checks of a run. Each has one function, ``render(run) -> str``, and is registered in ``assay.result.RENDERERS`` under
the suffixes that ask for it. Sees only errors and results.
"""
