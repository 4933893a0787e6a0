"""Questions put to a model beyond its test data: rows are changed, and the answers compared.

Layer 4: sees data, summaries and models; it judges nothing, which is for the verbs.
"""
