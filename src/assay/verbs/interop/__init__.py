"""What other libraries hold: metrics where they want a function, rules that were written for them.

``scorer`` and ``expectation``. The facade and the suite import it.
"""
