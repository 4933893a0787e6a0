"""May a candidate replace the champion: the gate, and what is asked around a release.

``gate.gate`` is the verb; ``training`` judges data before a retrain, ``replay`` and ``canary`` read logs after it. The facade and
the commands import it.
"""
