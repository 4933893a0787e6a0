"""Why a model answered what it did: exact Shapley values of trees and linear models, sampled ones of any other, and their means.

``explain.explain`` chooses the way; ``tree``, ``linear`` and ``sampling`` are the three ways, ``attribution.Attributions`` what all
of them return. Verbs may import these; the layers below may not.
"""

__all__: list[str] = []
