"""Alerts: false pages where nothing happens, a real year, faults put into it, and what a window costs; one command, one table.

    python bench/alerts [--quick] [--copies 6] [--each 40] [--workers 2] [--only-cost] [--only-pair] [--only-versions] [--json FILE]

Flights of 2013 (``truth.py`` says which days deserve a page, and why; it was written before anything was tuned), their rows permuted,
their weeks resampled; simulated fleets; the census of Massachusetts and FBPosts from the folder of shared data (``ASSAY_SHARED``), on
which nothing was tuned. A budget of one false page in 30 days, eight weeks of learning, counted from then on; rules included.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import numpy as np  # noqa: E402
import recall  # noqa: E402
from census import census  # noqa: E402
from corruption import SLOW  # noqa: E402
from cost import costs  # noqa: E402
from fleet import SCENARIOS, quiet  # noqa: E402
from outage import outages, struck  # noqa: E402
from pair import pairs  # noqa: E402
from posts import auc, posts, recall_at  # noqa: E402
from replay import Run, replay  # noqa: E402
from rules import Rules  # noqa: E402
from streams import Day, flights, permuted, resampled, tables  # noqa: E402
from truth import HOLIDAYS, PAGES, TICKETS  # noqa: E402
from version import versions  # noqa: E402

from assay.monitor import reading  # noqa: E402

SHARED = Path(os.environ.get("ASSAY_SHARED") or Path(__file__).resolve().parents[3] / "shared")
LEARNING, RESTING, A_YEAR = 56, ("schedule", "planes"), 365 / 30


def worthy(day: Day, source: str) -> bool:
    """Whether a page of a source on a day is one that a data engineer would want."""
    return str(day.date) in PAGES and source in PAGES[str(day.date)][0]


def nulls(job: tuple[str, int, bool]) -> dict[str, Any]:
    """Return the pages of one copy of a stream in which nothing happens, a year, by layer."""
    kind, seed, answers = job
    if kind.startswith("census"):
        days = census(SHARED, seed=seed if "permuted" in kind else None)
        run = replay(days, answers=answers)
    else:
        days = flights()
        copy = permuted(days, seed) if kind == "rows permuted" else resampled(days, seed, set(PAGES), 3 if "near" in kind else None)
        run = replay(copy, answers=answers, holidays=HOLIDAYS, resting=RESTING)
    windows = len(run.days) - LEARNING
    late = [event for event in run.events if event.at >= LEARNING]
    return {"kind": kind, "answers": answers, "pages": len(late) * 365 / windows, "layers": dict(Counter(event.layer for event in late)),
            "withheld": (run.last.account.withheld + run.last.state.account.withheld) * 365 / windows}


def fleet(job: tuple[str, int, int, bool]) -> dict[str, Any]:
    scenario, streams, seed, answers = job
    found = quiet(scenario, streams, seed, answers=answers)
    return {"scenario": scenario, "streams": streams, "answers": answers, "pages": found.pages, "withheld": found.withheld,
            "allowed": found.allowed}


def year(answers: bool) -> Run:
    return replay(flights(), true=worthy, answers=answers, holidays=HOLIDAYS, resting=RESTING, keep=True)


def told(run: Run, tell: Callable[[str], None]) -> dict[str, int]:
    """Say each page of the real year, true or false and why."""
    late = [event for event in run.events if event.at >= LEARNING]
    for event in run.events:
        date = str(event.day.date)
        mark = "TRUE  " if worthy(event.day, event.source) else "ticket" if date in TICKETS else "false "
        why = PAGES[date][1] if mark == "TRUE  " else TICKETS.get(date, "")
        early = " (while learning)" if event.at < LEARNING else ""
        tell(f"  {date} {mark} {event.source:9s} by {event.layer}{early}: {event.words[:110]}{f' | {why}' if why else ''}")
    true = {str(event.day.date) for event in late if worthy(event.day, event.source)}
    due = [date for date in PAGES if date >= "2013-02-26"]
    return {"pages": len(late), "true": len(true), "due": len(due), "false": sum(not worthy(event.day, event.source) for event in late)}


def broken(tell: Callable[[str], None], seed: int = 20131) -> list[int]:
    """Return how many pages each of six outages of the weather gave, from its first hour to two days after its last."""
    days = flights()
    found = outages(days, seed, set(PAGES) | set(TICKETS))
    hit = {at: each for each in found for at in range(each.days[0], each.days[-1] + 3)}
    run = replay(struck(days, found), holidays=HOLIDAYS, resting=RESTING,
                 true=lambda day, source: worthy(day, source) or ((day.date - days[0].date).days in hit and source == "weather"))
    counts = [sum(event.source == "weather" and hit.get(event.at) is each for event in run.events) for each in found]
    late = [next((event.at - each.days[0] for event in run.events if event.source == "weather" and hit.get(event.at) is each), -1)
            for each in found]
    for each, count, after in zip(found, counts, late, strict=True):
        tell(f"  {each.hours:3d} h from {days[each.days[0]].date} {each.first % 24:02d} h: {count} page{'' if count == 1 else 's'}, "
             f"{'never' if after < 0 else 'the same day' if not after else f'{after} days later'}")
    return counts


def part(job: tuple[int, int, int, str]) -> list[recall.Trial]:
    """Return the trials of one seed, by a process of its own."""
    each, slow, seed, stream = job
    if stream == "flights":
        days, run, bad, options = flights(), year(True), set(PAGES) | set(TICKETS), {"holidays": HOLIDAYS, "resting": RESTING}
    else:
        days, bad, options = census(SHARED), set(), {}
        run = replay(days, keep=True)
    late = sum(event.at >= LEARNING for event in run.events)
    readings = [reading.read(watch.reference, tables(day))[0] for watch, day in zip(run.before, days, strict=True)]
    rules = Rules(days, readings, LEARNING)
    rules.cut(max(late, 1))
    return recall.trials(days, run, bad, each=each, slow=slow, seed=seed, rules=rules, **options)  # type: ignore[arg-type]


COLUMNS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("assay", ("assay",)), ("checks", ("checks",)), *((name, (name,)) for name in Rules.names), *((f"{name}+", (name, "checks")) for name in Rules.names))


def shown(trials: Sequence[recall.Trial], tell: Callable[[str], None]) -> dict[str, Any]:
    """Say the share found on the first day and by the last, by kind of fault and by its size."""
    creeping = {kind.name for kind in SLOW}
    rows: list[tuple[str, list[recall.Trial]]] = [(name, [each for each in trials if each.kind == name])
                                                   for name in dict.fromkeys(each.kind for each in trials)]
    sudden = [each for each in trials if each.kind not in creeping]
    rows += [("all that are sudden", sudden), ("over 3 x own noise", [each for each in sudden if each.size > 3]),
             ("over 10 x own noise", [each for each in sudden if each.size > 10])]
    tell(f"  {'fault':34s}{'trials':>7s}{'>3':>5s}" + "".join(f"{name:>11s}" for name, _ in COLUMNS))
    out: dict[str, Any] = {}
    for label, some in rows:
        if some:
            last = 20 if label in creeping else 2
            found = {name: [float(np.mean([any(0 <= each.found.get(key, 99) <= n for key in keys) for each in some])) for n in (0, last)]
                     for name, keys in COLUMNS}
            large = np.mean([each.size > 3 for each in some])
            cells = "".join(f"{now:6.2f}/{later:.2f}" for now, later in found.values())
            tell(f"  {label:34s}{len(some):7d}{large:5.2f} " + cells)
            out[label] = {"trials": len(some), **found}
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one copy, few trials: a sanity run")
    parser.add_argument("--copies", type=int, default=6)
    parser.add_argument("--each", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only-cost", action="store_true", help="part f alone")
    parser.add_argument("--only-pair", action="store_true", help="two models on the same rows, alone")
    parser.add_argument("--only-versions", action="store_true", help="versions that serve different customers, alone")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    copies, each, slow = (1, 6, 3) if options.quick else (options.copies, options.each, max(options.each // 2, 2))
    start, out = time.time(), {}

    def tell(text: str) -> None:
        print(text, flush=True)

    tell(f"assay on {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, numpy {np.__version__}; "
         f"copies {copies}, trials {each} of each kind\n")
    if options.only_versions:
        out["versions"] = versions(tell, SHARED, **({"copies": 1, "shifts": 2, "each": 3} if options.quick else {}))
        if options.json:
            options.json.write_text(json.dumps(out, indent=1))
        return 0
    if options.only_pair:
        out["pair"] = pairs(tell, SHARED, **({"copies": 1, "shifts": 2, "each": 3} if options.quick else {}))
        if options.json:
            options.json.write_text(json.dumps(out, indent=1))
        return 0
    if options.only_cost:
        out["cost"] = costs(tell, options.workers)
        if options.json:
            options.json.write_text(json.dumps(out, indent=1))
        return 0
    with ProcessPoolExecutor(options.workers) as pool:
        sizes = (100,) if options.quick else (100, 1_000, 4_000)
        jobs = [(scenario, streams, seed, answers) for scenario in SCENARIOS for streams in sizes
                for seed in range(1 if options.quick or streams > 1_000 else 2) for answers in (True, False)]
        fleets = pool.map(fleet, jobs)
        kinds = ["rows permuted", "weeks from anywhere", "weeks near their place"]
        kinds += ["census 2015-18", "census permuted"] if (SHARED / "data").is_dir() else []
        quiets = pool.map(nulls, [(kind, seed, answers) for kind in kinds for seed in range(1 if kind == "census 2015-18" else copies)
                                  for answers in (True, False)])
        seeds = 1 if options.quick else 2
        streams = ["flights"] + (["census"] if (SHARED / "data").is_dir() else [])
        parts = pool.map(part, [(each // seeds, max(slow // seeds, 1), seed, stream) for stream in streams for seed in range(seeds)])

        tell("a. simulated fleets, a year of days: pages (and withheld) of the evidence's 9.1 allowed; user answers | nobody does")
        rows = list(fleets)
        for scenario in SCENARIOS:
            cells = []
            for streams_ in sizes:
                for answers in (True, False):
                    some = [row for row in rows if (row["scenario"], row["streams"], row["answers"]) == (scenario, streams_, answers)]
                    cells.append(f"{np.mean([row['pages'] for row in some]):.1f} ({np.mean([row['withheld'] for row in some]):.1f})")
            tell(f"  {scenario:32s}" + "  ".join(f"{streams_:,}: {cells[2 * at]} | {cells[2 * at + 1]}" for at, streams_ in enumerate(sizes)))
        out["fleets"] = rows
        for answers in (True, False):
            tell(f"\nb. flights 2013, {'a user who answers at once' if answers else 'nobody answers'}, all layers")
            found = told(year(answers), tell)
            tell(f"  {found['true']} of {found['due']} page-worthy days, {found['false']} false or arguable of {(365 - LEARNING) / 30:.1f} allowed")
            out[f"year, answers {answers}"] = found
        tell("\nb. six outages of the weather put into the year, from a seed used for nothing else")
        out["outages"] = broken(tell)
        tell(f"\nc. nothing happens: pages a year of {A_YEAR:.1f} allowed, all layers; user answers | nobody does")
        rows = list(quiets)
        for kind in kinds:
            cells = []
            for answers in (True, False):
                some = [row for row in rows if row["kind"] == kind and row["answers"] == answers]
                pages = [row["pages"] for row in some]
                layers: Counter[str] = Counter()
                for row in some:
                    layers.update(row["layers"])
                cells.append(f"{np.mean(pages):.1f} ({min(pages):.1f} to {max(pages):.1f}; withheld {np.mean([row['withheld'] for row in some]):.1f}; "
                             f"{', '.join(f'{name} {count}' for name, count in layers.items())})")
            tell(f"  {kind:24s}{cells[0]} | {cells[1]}")
        out["nulls"] = rows
        found_ = list(parts)
        for at, stream in enumerate(streams):
            tell(f"\nd. faults in {stream}: found the same day / in three (21 for those that creep); cuts of the others set with hindsight to as "
                 "many alerts; + with our checks")
            out[f"recall, {stream}"] = shown([trial for some in found_[at * seeds : (at + 1) * seeds] for trial in some], tell)
    if (SHARED / "data").is_dir():
        tell("\ne. FBPosts, 45 weeks clean and dirty: AUC, recall at precision .95")
        for name, scores in posts(SHARED).items():
            tell(f"  {name:20s}{auc(scores):.3f}  {recall_at(scores, 0.95):.2f}")
            out[f"posts, {name}"] = (auc(scores), recall_at(scores, 0.95))
    tell("\nf. cost")
    out["cost"] = costs(tell, options.workers, 200 if options.quick else 10_000)
    tell(f"\n{time.time() - start:.0f} s in all")
    if options.json:
        options.json.write_text(json.dumps(out, indent=1, default=str))
    return 0


if __name__ == "__main__":
    sys.exit(main())
