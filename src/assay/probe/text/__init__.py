"""Text classifiers tested by sentences that a grammar makes: where they contradict each other, the grammar's label, or themselves.

``grammar`` reads and checks grammars (``syntax`` their files, ``label`` what a production says of the label), ``tree`` holds derivations,
``sampler`` draws them. ``oracle`` and ``relation`` say what is a fault, ``search`` looks for it, ``shrink`` makes it short, ``reference``
has the published strategies, ``naturalness`` ranks. Layer 4: the verbs import them; they judge nothing.
"""
