"""A run as the checks of an ``assay.yaml``: what the default suite looked for becomes what a team asks for.

Interface: :func:`render`, registered for ``Run.save("checks.yaml")`` and used by ``Run.to_yaml``. Any layer above may import it.
"""

from __future__ import annotations

import json

from assay.result import Run

__all__ = ["quoted", "render"]


_HEAD = "# The suite looks for faults; a check has to be shown to hold. What it warned of or left open may fail here: set your bounds."


def render(run: Run) -> str:
    """Return the checks of a run as YAML, each once, with what was measured as a comment.

    >>> from assay.result import Verdict
    >>> verdict = Verdict("psi of x <= 0.25", "warn", "x has moved.", aspect="drift", expression="psi of x <= 0.25")
    >>> print(render(Run("check", verdicts=(verdict,))))
    # The suite looks for faults; a check has to be shown to hold. What it warned of or left open may fail here: set your bounds.
    checks:
      # drift, warn: x has moved.
      - "psi of x <= 0.25"
    <BLANKLINE>
    """
    lines, seen = ["checks:"], set()
    for each in run.verdicts:
        text = each.expression or each.check
        if text in seen:
            continue
        seen.add(text)
        if each.aspect:
            words = "".join(char if char.isprintable() else " " for char in each.sentence)
            lines.append(f"  # {each.aspect}, {each.verdict}: {words}")
        lines.append(f"  - {quoted(text)}")
    head = [_HEAD] if any(each.aspect for each in run.verdicts) else []
    return "\n".join([*head, *(lines if seen else ["checks: []"])]) + "\n"


def quoted(text: str) -> str:
    r"""Return a text as a double-quoted scalar of YAML, whatever is in it.

    >>> print(quoted('a "b": 1'))
    "a \"b\": 1"
    """
    # JSON strings are YAML strings, but for the characters that YAML does not take as they are
    return "".join(each if each.isprintable() else f"\\U{ord(each):08x}" for each in json.dumps(text, ensure_ascii=False))
