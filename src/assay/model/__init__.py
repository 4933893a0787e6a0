"""Models: anything that predicts, behind one ``predict(batch) -> batch``; one private file per library, which nobody else knows.

``load.load`` opens a file, a fitted object or a callable; ``model`` holds the protocol, ``signature`` what a model takes and
gives, ``answer`` the layout of what it says, ``guard.answer`` the way to ask. Everything above layer 2 may import these.
"""

__all__: list[str] = []
