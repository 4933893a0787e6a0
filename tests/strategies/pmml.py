"""PMML files for tests: written of scikit-learn's trees, and put together of small pieces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["document", "of_tree"]


def document(model: str, fields: str, more: str = "") -> bytes:
    return (f'<?xml version="1.0" encoding="UTF-8"?><PMML xmlns="http://www.dmg.org/PMML-4_4" version="4.4"><Header/>'
            f"<DataDictionary>{fields}</DataDictionary>{more}{model}</PMML>").encode()


def of_tree(tree: Any, names: Sequence[str], classes: Sequence[str]) -> bytes:
    """A fitted ``DecisionTreeClassifier`` with a default child at each node, where scikit-learn sends missing values too."""
    inner = tree.tree_

    def node(place: int, test: str) -> str:
        left, right = inner.children_left[place], inner.children_right[place]
        shares = "".join(f'<ScoreDistribution value="{name}" recordCount="{share!r}"/>'
                         for name, share in zip(classes, map(float, inner.value[place][0]), strict=True))
        if left == -1:
            return f'<Node id="{place}" score="{classes[inner.value[place][0].argmax()]}">{test}{shares}</Node>'
        name, value = names[inner.feature[place]], float(inner.threshold[place])
        default = left if inner.missing_go_to_left[place] else right
        children = "".join(node(child, f'<SimplePredicate field="{name}" operator="{operator}" value="{value!r}"/>')
                           for child, operator in ((left, "lessOrEqual"), (right, "greaterThan")))
        return f'<Node id="{place}" defaultChild="{default}">{test}{children}</Node>'

    schema = "".join(f'<MiningField name="{each}"/>' for each in names) + '<MiningField name="label" usageType="target"/>'
    fields = "".join(f'<DataField name="{each}" optype="continuous" dataType="float"/>' for each in names)
    fields += '<DataField name="label" optype="categorical" dataType="string">' + "".join(f'<Value value="{each}"/>' for each in classes) + "</DataField>"
    return document(f'<TreeModel functionName="classification" missingValueStrategy="defaultChild"><MiningSchema>{schema}</MiningSchema>'
                    f'{node(0, "<True/>")}</TreeModel>', fields)
