"""A run as Markdown, short enough for the comment of a pull request.

Interface: :func:`render`, registered for ``Run.save("report.md")``; :func:`cell` for other Markdown of this package. Any layer above
may import it. What comes from data is escaped, so that no value of a column becomes a link, an image or HTML.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from assay.errors import without_secrets
from assay.result import OUTCOMES, Outcome, Run, Value, Verdict, goodness

__all__ = ["cell", "figures", "render", "shown", "table"]

MOST_FAULTS = 20
MOST_VALUES = 12
MOST_SLICES = 10
_SIGNS: dict[Outcome, str] = {"fail": "❌", "error": "💥", "inconclusive": "❔", "warn": "⚠️", "too small": "▫️", "pass": "✅"}
_NOUNS: dict[Outcome, str] = {"fail": "failed", "error": "in error", "inconclusive": "inconclusive", "warn": "warned",
                              "too small": "too small to tell", "pass": "passed"}


def render(run: Run) -> str:
    r"""Return ``run`` as Markdown.

    >>> print(render(Run("check", verdicts=(Verdict("auc >= 0.7", "fail", "auc is 0.60 on `a|b`"),), id="1", assay="0.1.0")))
    ## ❌ assay check: fail
    <BLANKLINE>
    1 failed
    <BLANKLINE>
    | | |
    |---|---|
    | ❌ | auc is 0.60 on \`a\|b\` |
    <BLANKLINE>
    <sub>run 1, assay 0.1.0</sub>
    <BLANKLINE>
    """
    notes = "\n".join(f"- {cell(each)}" for each in run.notes[:10])
    first = run.verb == "gate"  # what is gained and risked is what a release is decided by
    told = run.sentences and not run.verdicts and all(each.outcome == "warn" for each in run.findings)   # nothing was judged
    head = "" if told else f": {cell(run.about.get('decision', run.verdict))}"
    parts = [f"## {'' if told else _SIGNS[run.verdict] + ' '}assay {cell(run.verb)}{head}", _about(run),
             *(cell(each, 1_000) for each in run.sentences), notes if first else "", _counts(run.verdicts), *_faults(run), *_overall(run),
             *_columns(run), *_slices(run), *_fine(run),
             "" if first else notes]
    parts.append(f"<sub>{_cost(run)}</sub>")
    return "\n\n".join(filter(None, parts)) + "\n"


def cell(text: object, most: int = 300) -> str:
    r"""Return a text that means itself in a table of Markdown.

    >>> cell("[a](http://b) <img> *c*\nd")
    '\\[a\\](http&#58;//b) &lt;img&gt; \\*c\\* d'
    """
    line = without_secrets(" ".join("".join(each if each.isprintable() or each.isspace() else "?" for each in str(text)).split()))
    line = line if len(line) <= most else line[:most - 3].rstrip() + "..."
    line = re.sub(r"([\\`*_\[\]|~#!])", r"\\\1", line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
    line = line.replace("://", "&#58;//").replace("@", "&#64;")  # no address becomes a link, no name a mention
    return re.sub(r"(?i)(?<=www)\.", "&#46;", line)  # nor what only begins as one does


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of cells that are escaped already."""
    lines = [f"| {' | '.join(head)} |" if any(head) else "|" + " |" * len(head), "|" + "---|" * len(head)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def figures(number: float | None, digits: int = 4) -> str:
    """Return a number with four figures, a hyphen for none.

    >>> figures(0.71234), figures(None), figures(12345.6)
    ('0.7123', '-', '12,346')
    """
    if number is None or not math.isfinite(number):
        return "-"
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.{digits}g}"


def shown(value: Value) -> bool:
    """Whether a value may be shown: it is defined, and no slice of so few rows that it tells of single people."""
    return value.value is not None and not value.private


def _about(run: Run) -> str:
    return ", ".join(f"{cell(name)} **{cell(value, 80)}**" for name, value in run.about.items() if value is not None)


def _counts(verdicts: Sequence[Verdict]) -> str:
    counts = {outcome: sum(each.verdict == outcome for each in verdicts) for outcome in OUTCOMES}
    return ", ".join(f"{count:,} {_NOUNS[outcome]}" for outcome, count in counts.items() if count)


def _faults(run: Run) -> list[str]:
    faults = sorted((each for each in run.verdicts if each.verdict not in ("pass", "too small")),
                    key=lambda each: OUTCOMES.index(each.verdict))
    rows = [(_SIGNS[each.verdict], cell(each.sentence) + (f"<br><sub>{cell(each.hint)}</sub>" if each.hint else "")) for each in faults]
    more = f"and {len(rows) - MOST_FAULTS:,} more: the JSON has all" if len(rows) > MOST_FAULTS else ""
    return [table(("", ""), rows[:MOST_FAULTS]), more] if rows else []


def _overall(run: Run) -> list[str]:
    judged = {each.value.name for each in run.verdicts
              if each.aspect and each.value is not None and not each.value.slice and each.aspect != "calibration"}
    values = [each for each in run.values if not each.slice and each.column is None and shown(each) and each.name not in judged]
    rows = [(cell(each.name) + (f" less the {cell(each.against)}'s" if each.against else ""), figures(each.value), _interval(each),
             f"{each.n:,}") for each in values[:MOST_VALUES]]
    return [table(("metric", "value", "95 % interval", "rows"), rows)] if rows else []


def _columns(run: Run) -> list[str]:
    """Return what columns contributed, of an explanation."""
    values = [each for each in run.values if each.column and shown(each) and each.value] if run.sentences else []
    rows = [(cell(each.name + (f", {', '.join(f'{name}={part}' for name, part in each.key)}" if each.slice else ""), 80),
             cell(each.column or "", 80), figures(each.value), _interval(each)) for each in values[:MOST_VALUES]]
    return [table(("", "column", "value", "95 % interval"), rows)] if rows else []


def _slices(run: Run) -> list[str]:
    found: dict[tuple[str, tuple[str, ...]], list[Value]] = {}
    for each in run.values:
        if each.slice and each.column is None and each.better in ("higher", "lower") and shown(each):
            title = each.name + (f" less the {each.against}'s" if each.against else "")  # a difference is no number of the metric
            found.setdefault((title, tuple(name for name, _ in each.key)), []).append(each)
    firsts = dict.fromkeys(metric for metric, _ in found)
    main = next(iter(firsts), None)
    rows = []
    for (metric, _), values in found.items():
        if metric == main:
            worst = sorted(values, key=_surely)  # few rows may look bad by chance
            rows += [(cell(", ".join(f"{name}={part}" for name, part in each.key), 80), figures(each.value), _interval(each), f"{each.n:,}")
                     for each in worst[:3]]
    if not rows or main is None:
        return []
    body = table(("slice", cell(main), "95 % interval", "rows"), rows[:MOST_SLICES])
    return [f"<details><summary>Weakest slices</summary>\n\n{body}\n\n</details>"]


def _surely(value: Value) -> float:
    """Return how good a slice may be at best, for sorting: surely bad ones come first."""
    best = value.high if value.better == "higher" else value.low
    return goodness(best if best is not None else value.value or 0.0, value.better)


def _fine(run: Run) -> list[str]:
    fine = [each for each in run.verdicts if each.verdict == "pass"]
    if not fine:
        return []
    listed = "\n".join(f"- {cell(each.sentence)}" for each in fine[:MOST_FAULTS])
    more = f"\n- and {len(fine) - MOST_FAULTS:,} more" if len(fine) > MOST_FAULTS else ""
    return [f"<details><summary>What is fine ({len(fine):,})</summary>\n\n{listed}{more}\n\n</details>"]


def _interval(value: Value) -> str:
    return "" if value.low is None or value.high is None or value.low == value.high else f"{figures(value.low)} to {figures(value.high)}"


def _cost(run: Run) -> str:
    rows = f"{run.cost.rows:,} rows, {run.cost.seconds:.1f} s, " if run.cost.rows else ""
    return f"{rows}run {cell(run.id)[:12]}, assay {cell(run.assay)}"
