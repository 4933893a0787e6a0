"""What a model gives away of the rows that it learned from: whether a row was among them, a sensitive column, values word by word.

Arrays, tables and callables only: nothing here knows how a model is opened or fitted anew, and nothing is judged, which is for the verbs.
"""
