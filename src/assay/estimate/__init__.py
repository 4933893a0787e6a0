"""How good a model is on rows whose labels are not there yet: estimates with intervals, why in words, and when nothing can be said.

``doubly_robust.Estimator`` is the interface: learned on labelled rows that the model was not trained on, asked for windows of rows
without labels. ``cbpe``, ``atc``, ``weighting`` and ``pape`` are published ways beside it, ``segments`` says which labelled rows those of
now are like, ``labels`` which rows to label next and what the few that come show. Verbs and monitors import it; it knows numbers, no
models and no stores.
"""

from __future__ import annotations

__all__: list[str] = []
