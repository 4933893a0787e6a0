"""What a monitor's windows said, as a run: incidents, the budget and what was spent, drift first where the model depends on it, figures.

``reported(job, memory, said, ...)`` is the whole interface. ``verbs.monitor`` uses it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from assay.result import Cost, Figure, Run, Value
from assay.verbs.monitor import pair, suspect, version
from assay.verbs.monitor.drift import Drift
from assay.verbs.monitor.kept import Kept
from assay.verbs.monitor.realised import figures as estimates
from assay.verbs.monitor.realised import told
from assay.verbs.monitor.stream import DATA, MODEL, Job, Memory, Moving, Said

__all__ = ["reported"]

_DEPENDS = "dependence: how far answers move when the column is shuffled, 1 as far as answers differ"


def reported(job: Job, memory: Memory, said: Sequence[Said], *, rows: int, seconds: float, verb: str, kept: Kept | None = None) -> Run:
    """Return a run of what windows said, with the incidents as they stand."""
    incidents = tuple(each.incident for each in sorted(memory.cases, key=lambda each: (each.opened, each.incident.id or "")))
    allowed = job.settings.false_pages
    pages = [each for each in incidents if each.page]
    learned = said[-1].report.learned if said else memory.windows
    tickets = len(incidents) - len(pages)
    notes = [f"budget: {allowed}; {_many(len(pages), 'page')} in {_many(memory.windows, 'window')}, {_many(tickets, 'ticket')}"]
    notes += pair.noted(next((each.paired for each in reversed(said) if each.paired is not None), None), memory.pairs.norm)
    notes += version.noted(next((each.versions for each in reversed(said) if each.versions is not None), None), memory.versions)
    notes += suspect.noted(job.suspicion, memory.suspicions)
    drift = job.drift(memory.watch, kept)
    if drift:
        words = ", ".join(_far(each) for each in drift[:5])
        more = f", and {len(drift) - 5} more columns" if len(drift) > 5 else ""
        notes.append(f"drift from the reference, which pages nobody: {words}{more}")
    moved = _ordered(memory.moved, job.depends(kept) if memory.moved else None)
    if moved:
        words = ", ".join(_drift(each, share) for each, share in moved[:5])
        notes.append(f"moved in the last window, and not worth a page by itself: {words}")
    if memory.windows and job.config.reference is None and job.config.train is None:
        notes.append("drift is not shown: that needs a reference (reference: FILE), and a model to rank it by what the model depends on")
    guessed, values = told(job.estimation, memory.guesses)
    notes += guessed
    if learned < job.settings.learning:
        also = " and suspected attacks" if job.suspicion is not None else ""
        notes.append(f"learning: {learned} of {job.settings.learning} windows; until then only broken data{also} page")
    last = said[-1] if said else None
    between = pair.figures((each.window.number, each.paired) for each in said if each.paired is not None)
    figures = [*_figures(said), *between, *suspect.figures(memory.suspicions), *estimates(memory.guesses), *_drifted(drift),
               *_shifted(moved)]
    span = [each[:16].replace("T", " ") for each in (said[0].window.start, said[-1].window.end)] if said else [None, None]
    about = {"windows": memory.windows, "from": span[0], "to": span[1],
             "budget": str(allowed), "pages": len(pages)}
    asked = (rows if job.model is not None else 0) + (job.suspicion.asked if job.suspicion is not None else 0)
    return Run(verb, (*(last.values if last else ()), *values), last.verdicts if last else (), incidents=incidents, notes=tuple(notes),
               figures=tuple(figures), about={name: each for name, each in about.items() if each is not None},
               cost=Cost(round(seconds, 3), rows, asked))


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun if count == 1 else noun + 's'}"


def _figures(said: Sequence[Said]) -> Iterable[Figure]:
    """Return the promised metrics over time, with their intervals, and what moved in the last window without being worth a page."""
    lines: dict[str, list[tuple[int, Value]]] = {}
    for each in said:
        for value in each.values:
            if each.judged is not None and not value.slice and value.value is not None and value.column is None and value.against is None:
                lines.setdefault(value.name, []).append((each.judged.number + 1, value))
    for name, points in lines.items():
        if len(points) > 1:
            yield Figure(f"{name} over time", "line", f"{name} by window",
                         {"window": tuple(at for at, _ in points), name: tuple(value.value for _, value in points),
                          "low": tuple(value.low for _, value in points), "high": tuple(value.high for _, value in points),
                          "rows": tuple(value.n for _, value in points)},
                         x="window", y=(name,), low=("low",), high=("high",), aspect="performance",
                         sentence=f"window 1 begins {said[0].window.start[:16].replace('T', ' ')}")


def _ordered(moved: Sequence[Moving], depends: Mapping[str, float] | None) -> list[tuple[Moving, float | None]]:
    """Return what moved with how much the model depends on the column: that first on which it depends most, then what moved most."""
    shares = [(each, None if depends is None else depends.get(each.column, 0.0)) for each in moved]
    return sorted(shares, key=lambda each: (-(each[1] or 0.0), -abs(each[0].z), str(each[0])))


def _drift(each: Moving, share: float | None) -> str:
    depends = "" if share is None else f", the model's dependence on it {share:.2f}"
    return f"{each}{f' of {each.source}' if each.source not in (DATA, MODEL) else ''} ({each.z:+.1f} sd{depends})"


def _far(each: Drift) -> str:
    depends = "" if each.dependence is None else f", the model's dependence on it {each.dependence:.2f}"
    return f"{each.column}{f' of {each.source}' if each.source not in (DATA, MODEL) else ''} (distance {each.distance:.2f}{depends})"


def _drifted(drift: Sequence[Drift]) -> Iterable[Figure]:
    """Return how far columns have left the reference, ranked by how much the model depends on them."""
    if not drift:
        return
    table: dict[str, tuple[Any, ...]] = {
        "feature": tuple(each.column if each.source in (DATA, MODEL) else f"{each.column} of {each.source}" for each in drift),
        "source": tuple(each.source for each in drift), "column": tuple(each.column for each in drift)}
    known = all(each.dependence is not None for each in drift)
    if known:
        table["dependence"] = tuple(round(each.dependence or 0.0, 4) for each in drift)
    table["distance"] = tuple(round(each.distance, 4) for each in drift)
    yield Figure("Drift from the reference", "bars", "Drift from the reference, by how much the model depends on it" if known
                 else "Drift from the reference", table, x="feature", y=("dependence", "distance") if known else ("distance",),
                 aspect="drift", sentence="the last 28 windows against the reference, 0 the same, 1 nothing in common; drift pages nobody"
                 f"{f'; {_DEPENDS}' if known else ''}")


def _shifted(moved: Sequence[tuple[Moving, float | None]]) -> Iterable[Figure]:
    """Return what moved without being worth a page, ranked by how much the model depends on it."""
    for title, lasting, sentence in (("What moved in the last window", False, "of a list like this one in twenty moved by chance"),
                                     ("What has left its place for good", True, "weeks against the first eight")):
        some = [(each, share) for each, share in moved if each.lasting == lasting]
        if not some:
            continue
        table: dict[str, tuple[Any, ...]] = {"stream": tuple(f"{each.source}: {each}" for each, _ in some),
                                             "standard deviations": tuple(round(each.z, 2) for each, _ in some)}
        if all(share is not None for _, share in some):
            table["dependence"] = tuple(round(share or 0.0, 4) for _, share in some)
        yield Figure(title, "bars", title, table, x="stream", y=("standard deviations",), aspect="drift", sentence=sentence)
