"""The doors to assay: the command line, and how a run looks in a terminal.

``command`` is the entry point; one file a command. Nothing is above this package; only ``python -m assay`` and the console script
import it.
"""
