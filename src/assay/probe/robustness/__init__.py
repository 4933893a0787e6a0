"""How much an input must change before a model answers otherwise: curves of corruption, and the smallest changes that flip an answer.

Arrays, tables and a callable only: nothing here knows how a model is opened, and nothing is judged, which is for the verbs.
"""
