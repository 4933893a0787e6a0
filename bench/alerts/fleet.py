"""Simulated fleets in which nothing ever happens: how many pages there are, against how many are allowed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.monitor.baseline import Season
from assay.monitor.budget import Account
from assay.monitor.evidence import State, Tuning, judged, step
from assay.monitor.reading import Readings, Stream

__all__ = ["SCENARIOS", "Quiet", "quiet"]

#: (heavy tails, autocorrelation, season, share of a common factor, step of a random walk in daily noises)
SCENARIOS: dict[str, tuple[bool, float, float, float, float]] = {
    "Gauss": (False, 0.0, 0.0, 0.0, 0.0), "Gauss, weekly season": (False, 0.0, 3.0, 0.0, 0.0), "Gauss, correlated .5": (False, 0.0, 0.0, 0.5, 0.0),
    "t5, autocorrelation .4": (True, 0.4, 0.0, 0.0, 0.0), "t5, AR .4, season, correlated": (True, 0.4, 3.0, 0.5, 0.0),
    "t5, AR .4, random walk": (True, 0.4, 0.0, 0.0, 0.1),
}
_KINDS = ("mean", "spread", "shift", "varieties")


@dataclass(frozen=True)
class Quiet:
    """A year of a fleet: pages, those that the account refused, and what is allowed."""

    pages: int
    withheld: int
    allowed: float


def quiet(scenario: str, streams: int, seed: int, *, days: int = 365, budget: float = 1 / 30, learning: int = 56, answers: bool = True) -> Quiet:
    """Return the pages of a year in which each stream has noise of its own around a level of its own, and windows of its own size."""
    heavy, phi, season, common, walk = SCENARIOS[scenario]
    rng = np.random.default_rng([seed, streams, *scenario.encode()])
    names = tuple(Stream(f"model {at // 20}", f"column {at // 4 % 5}", _KINDS[at % 4]) for at in range(streams))
    groups = np.arange(streams) // 20
    level, weekly = rng.normal(0, 5, streams), rng.normal(0, season / 2, (7, streams)) if season else np.zeros((7, streams))
    noise = 0.03 * np.exp(rng.normal(0, 0.5, streams))
    state, pages, rest = State(account=Account()), 0, np.zeros(streams)
    allowed = 0.0
    for day in range(learning + days):
        rows = np.exp(rng.uniform(np.log(1e3), np.log(1e6), streams // 20 + 1))[groups] * (0.5 if day % 7 > 4 else 1.0)
        own: Any = rng.standard_t(5, streams) / np.sqrt(5 / 3) if heavy else rng.normal(size=streams)
        shared: Any = rng.standard_t(5, groups[-1] + 1)[groups] / np.sqrt(5 / 3) if heavy else rng.normal(size=groups[-1] + 1)[groups]
        fresh = np.sqrt(1 - common) * own + np.sqrt(common) * shared
        rest = phi * rest + np.sqrt(1 - phi**2) * fresh
        level = level + walk * noise * rng.normal(size=streams)
        x = level + noise * (rest + weekly[day % 7]) + rng.normal(size=streams) / np.sqrt(rows)
        state, outcome = step(state, Readings(names, x, 1 / rows), alpha=0.75 * budget, season=Season.daily(day % 7), tuning=Tuning(learning=learning))
        if day >= learning:
            allowed += 0.75 * budget
        for page in outcome.pages:
            if page.state == "opened":
                pages += 1
                if answers:
                    state = judged(state, page.source, False)
    return Quiet(pages, state.account.withheld, allowed)
