"""A randomized experiment on a system that one can only use: who is treated how, what was seen, and what that proves.

``design`` says what is to be done and draws who gets which treatment, ``driver`` does it and ``log`` keeps what was seen; ``session``
and ``reading`` speak to a server and read its answers. ``permutation`` tests, ``statistic`` says what is compared, ``comparison`` puts both
together, ``power`` says how many blocks that takes. Verbs import them.
"""
