"""A run as a model card: the ``README.md`` of a model, with the metadata that Hugging Face's hub reads.

Interface: :func:`render`, registered as the renderer ``card``: ``Run.save("README.md", format="card")``. Any layer above may import it.
The header follows the hub's ``model-index`` (model card metadata, version of 2024); the sections follow Mitchell et al. 2019. What assay
cannot know (intended use, training procedure) is left for its author, and says so.
"""

from __future__ import annotations

import json

from assay.report import markdown
from assay.report.markdown import cell, figures, shown
from assay.report.yaml import quoted
from assay.result import Run, Value

__all__ = ["render"]

_TASKS = {"binary": ("tabular-classification", "Binary classification"), "multiclass": ("tabular-classification", "Classification"),
          "multilabel": ("tabular-classification", "Multilabel classification"), "regression": ("tabular-regression", "Regression"),
          "ranking": ("other", "Ranking")}
_NAMES = {"auc": "roc_auc", "f1": "f1", "rmse": "rmse", "mae": "mae", "accuracy": "accuracy", "precision": "precision", "recall": "recall"}


def render(run: Run) -> str:
    """Return ``run`` as a model card in Markdown with a YAML header.

    >>> print(render(Run("check", about={"model": "m.onnx", "task": "binary", "data": "d.csv"}, id="1", assay="0.1.0"))[:104])
    ---
    library_name: assay
    pipeline_tag: tabular-classification
    tags:
    - assay
    model-index:
    - name: "m.onnx"
    """
    name = str(run.about.get("model") or "model")
    return "\n".join([_header(run, name), f"# {cell(name)}", "", *_body(run)])


def _own(run: Run) -> list[Value]:
    """Return what was measured of the model itself: no columns, and no differences to another model."""
    return [each for each in run.values if each.column is None and each.against is None and shown(each)]


def _header(run: Run, name: str) -> str:
    task, title = _TASKS.get(str(run.about.get("task")), ("other", "Other"))
    lines = ["---", "library_name: assay", f"pipeline_tag: {task}", "tags:", "- assay", "model-index:", f"- name: {quoted(name)}"]
    values = [each for each in _own(run) if not each.slice]
    if values:
        lines += ["  results:", "  - task:", f"      type: {task}", f"      name: {quoted(title)}", "    dataset:", "      type: custom",
                  f"      name: {quoted(str(run.about.get('data') or 'data'))}", "    metrics:"]
    for each in values[:20]:
        lines += [f"    - type: {quoted(_NAMES.get(each.metric, each.metric))}", f"      name: {quoted(each.name)}",
                  f"      value: {json.dumps(each.value)}"]
    return "\n".join([*lines, "---", ""])


def _body(run: Run) -> list[str]:
    about = [f"- {cell(key)}: {cell(value)}" for key, value in run.about.items() if value is not None]
    values = [each for each in _own(run) if not each.slice]
    rows = [(cell(each.name), figures(each.value), figures(each.low), figures(each.high), f"{each.n:,}") for each in values[:30]]
    groups = [each for each in _own(run) if each.slice]
    sliced = [(cell(each.name), cell(", ".join(f"{name}={part}" for name, part in each.key)), figures(each.value), figures(each.low),
               figures(each.high), f"{each.n:,}") for each in groups[:200]]
    faults = [f"- **{each.verdict}**: {cell(each.sentence)}" for each in run.verdicts if each.verdict not in ("pass", "too small")]
    fine = [f"- {cell(each.sentence)}" for each in run.verdicts if each.verdict == "pass"]
    parts = ["## Model details", "", *about, "", "## Intended use", "",
             "_To be written by the author of the model: what it is for, and what not._", ""]
    parts += ["## Evaluation", "", f"Verdict of `assay {cell(run.verb)}`: **{run.verdict}**.", ""]
    if rows:
        parts += [markdown.table(("metric", "value", "low", "high", "rows"), rows), ""]
    if sliced:
        parts += ["### By group", "", markdown.table(("metric", "group", "value", "low", "high", "rows"), sliced), ""]
    if faults:
        parts += ["## Risks and limitations", "", *faults, ""]
    if fine:
        parts += ["## What was looked for and not found", "", *fine, ""]
    parts += ["## Training procedure", "", "_To be written by the author of the model._", "",
              f"Intervals are at 95 %. Written by assay {cell(run.assay)}, run {cell(run.id)[:12]}.", ""]
    return parts

