"""Prints which package imports which, as it is in the source: ``make layers``, or ``python -m tests.structure.picture``."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable

from tests.structure.imports import Import, graph, modules, unit
from tests.structure.layers import LAYERS, layer

__all__ = ["picture"]


def picture(imports: Iterable[Import], names: Iterable[str]) -> str:
    """Return the import graph of packages as text, the highest layer first, with the number of imports in brackets.

    >>> print(picture([Import("assay.model.load", "assay.data.schema", 1, "import")], ["assay.model.load", "assay.data.schema"]))
    2  model (1 module)   -> data(1)
    1  data (1 module)
    """
    sizes = Counter(unit(name) for name in names)
    edges = Counter((unit(each.source), unit(each.target)) for each in imports if each.target.split(".")[0] == "assay")
    lines = []
    for index in range(len(LAYERS) - 1, -1, -1):
        for name in sorted(LAYERS[index] & sizes.keys()):
            below = [(target, count) for (source, target), count in edges.items() if source == name and target not in ("", name)]
            arrows = ", ".join(f"{target}({count})" for target, count in sorted(below, key=lambda each: (-layer(each[0]), each[0])))
            count = f"{sizes[name]} module{'s' if sizes[name] > 1 else ''}"
            lines.append(f"{index}  {name} ({count})" + (f"   -> {arrows}" if arrows else ""))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(picture(graph(), modules()) + "\n")
