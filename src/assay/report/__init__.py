"""Reports: a run rendered for people and for other tools. Renders what is in a run, and computes nothing.

``junit`` is what test runners and CI servers read. Sees only errors and results.
"""
