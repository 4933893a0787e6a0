"""Associations between what is answered and who somebody is: who is treated differently, where, beyond chance and beyond what explains it.

``study`` is the entry: an honest search for sub-populations; ``measure`` says how strong an association is, ``context`` proposes where to
look, ``tagger`` looks through large sets of labels.
"""
