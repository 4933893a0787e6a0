"""Where rows differ from the rest: an exact search over conjunctions of up to three conditions, confirmed on rows it did not see.

``axis`` turns columns into codes and codes into words, ``search`` finds candidates on one half of the rows, ``confirm`` judges them on the
other, ``segment.segments`` is the whole way and the interface. Verbs import it; it knows columns and numbers a row, no models, no metrics.
"""

from __future__ import annotations

__all__: list[str] = []
