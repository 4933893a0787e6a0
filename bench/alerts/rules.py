"""What others do: 3 sigma, distance to neighbours, PSI, KS with Bonferroni, and the default rules of Evidently and NannyML.

The first two work on our readings, the others compare rows with the first month. Evidently's and NannyML's rules are as their
documentation gives them, computed here and not by those packages: a Wasserstein distance of .1 standard deviations or a Jensen-Shannon
distance of .1 for any column; a Jensen-Shannon distance (bins by Doane's rule) beyond mean + 3 standard deviations of the days of the month.

Each gives a score to a source and window. Its own default cut is reported, and a cut set afterwards so that it speaks as often in the
clean run as the watch did: a gift, as nobody knows it in advance.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import special
from streams import Day

from assay.monitor.reading import Readings

__all__ = ["Rules"]

Array = np.ndarray[Any, Any]
_MONTH = 31


class Rules:
    """Scores of the clean run; ``cut(name, alerts)`` sets the cuts, then ``spoken`` judges a window in its place."""

    names = ("3 sigma", "kNN", "PSI", "KS", "Evidently", "NannyML")

    def __init__(self, days: Sequence[Day], readings: Sequence[Readings], first: int):
        self.days, self.first = days, first
        self.sources = list(days[0].parts)
        self.streams = list(dict.fromkeys(each for one in readings for each in one.streams))
        place = {each: at for at, each in enumerate(self.streams)}
        self.x = np.full((len(days), len(self.streams)), np.nan)
        self.v = np.full_like(self.x, np.nan)
        for at, one in enumerate(readings):
            where = [place[each] for each in one.streams]
            self.x[at, where], self.v[at, where] = one.x, one.v
        self.place = place
        self.mine = {source: np.array([each.source == source for each in self.streams]) for source in self.sources}
        self.reference = {source: self._reference(source) for source in self.sources}
        self.fault: dict[int, Array] = {}  # windows of the fault so far, which a rule that looks back has learned from, too
        self.bins = {source: self._bins(source) for source in self.sources}
        self.usual: dict[str, dict[str, tuple[float, float]]] = {}
        for source in self.sources:
            found = [self._divergence(source, day) for day in days[:_MONTH]]
            self.usual[source] = {name: (float(np.mean(some)), float(np.std(some))) for name in self.bins[source]
                                  if len(some := [each[name] for each in found if name in each]) > 2}
        self.scores = {name: {source: np.zeros(len(days)) for source in self.sources} for name in self.names}
        for at in range(first, len(days)):
            for source in self.sources:
                for name, score in self._scored(at, source, self.x[at], self.v[at], days[at]).items():
                    self.scores[name][source][at] = score
        self.cuts = {"3 sigma": 3.0, "PSI": 0.2, "KS": -np.log10(0.05), "kNN": np.inf, "Evidently": 0.1, "NannyML": 3.0}
        self.defaults = dict(self.cuts)

    def _reference(self, source: str) -> dict[str, Any]:
        """Return the first month of each column: sorted numbers, or shares of categories, and ten bins."""
        out: dict[str, Any] = {}
        for name in self.days[0].parts[source].columns:
            whole = pa.concat_arrays([day.parts[source].columns[name] for day in self.days[:_MONTH]]).drop_null()
            if pa.types.is_floating(whole.type) or pa.types.is_integer(whole.type):
                values = np.sort(whole.to_numpy().astype(float))
                if len(values):
                    out[name] = ("number", values, np.unique(np.quantile(values, np.arange(1, 10) / 10)))
            else:
                counts = whole.value_counts()
                out[name] = ("category", dict(zip(counts.field(0).to_pylist(), counts.field(1).to_pylist(), strict=True)), len(whole))
        return out

    def _scored(self, at: int, source: str, x: Array, v: Array, day: Day) -> dict[str, float]:
        mine = self.mine[source]
        every = self.x[:at]
        if self.fault:
            every = every.copy()
            for place, row in self.fault.items():
                every[place] = np.where(np.isfinite(row), row, every[place])
        past = every[max(at - 28, 0) :, mine]
        with np.errstate(all="ignore"):
            import warnings

            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                mean, sd = np.nanmean(past, axis=0), np.nanstd(past, axis=0)
        sd = np.sqrt(np.maximum(sd**2, np.nan_to_num(v[mine])))
        z = np.nan_to_num(np.abs(x[mine] - mean) / np.maximum(sd, 1e-9))
        out = {"3 sigma": float(z.max(initial=0.0))}
        history = np.nan_to_num(every[7:, mine])
        low, high = history.min(axis=0), history.max(axis=0)
        scale = np.where(high > low, high - low, 1.0)
        a, b = (history - low) / scale, (np.nan_to_num(x[mine]) - low) / scale
        distance = np.sqrt(((a - b) ** 2).sum(axis=1))
        out["kNN"] = float(np.sort(distance)[:5].mean())
        out["PSI"], out["KS"], out["Evidently"] = self._compared(source, day)
        usual = self.usual[source]
        out["NannyML"] = max(((each - usual[name][0]) / max(usual[name][1], 1e-6) for name, each in self._divergence(source, day).items()
                              if name in usual), default=0.0)
        return out

    def _bins(self, source: str) -> dict[str, tuple[Any, Array]]:
        """Return of each column the bins of a histogram or the categories, and the shares of the month."""
        out: dict[str, tuple[Any, Array]] = {}
        for name, (kind, *held) in self.reference[source].items():
            if kind == "number":
                edges = np.histogram_bin_edges(held[0], "doane")[1:-1]
                counts = np.diff(np.searchsorted(held[0], edges), prepend=0, append=len(held[0]))
                out[name] = (edges, counts / max(len(held[0]), 1))
            else:
                top = sorted(held[0], key=lambda each: -held[0][each])[:200]
                shares = np.array([held[0][each] for each in top], float) / max(held[1], 1)
                out[name] = (top, np.append(shares, max(1 - shares.sum(), 0.0)))
        return out

    def _divergence(self, source: str, day: Day) -> dict[str, float]:
        """Return the Jensen-Shannon distance (base 2) of each column from the month."""
        out = {}
        for name, (bins, p) in self.bins[source].items():
            array = day.parts[source].columns[name].drop_null()
            n = len(array)
            if n < 5:
                continue
            if isinstance(bins, list):
                found = array.value_counts()
                seen = dict(zip(found.field(0).to_pylist(), found.field(1).to_pylist(), strict=True))
                q = np.array([seen.get(each, 0) for each in bins], float) / n
                q = np.append(q, max(1 - q.sum(), 0.0))
            else:
                now = np.sort(array.to_numpy(zero_copy_only=False).astype(float))
                q = np.diff(np.searchsorted(now, bins), prepend=0, append=n) / n
            out[name] = _jensen(p, q)
        return out

    def _compared(self, source: str, day: Day) -> tuple[float, float, float]:
        """Return the largest PSI, the least p-value of KS or chi-square times the number of columns as -log10, the largest distance."""
        psi, least, distance = 0.0, 1.0, 0.0
        reference = self.reference[source]
        for name, (kind, *held) in reference.items():
            array = day.parts[source].columns[name].drop_null()
            n = len(array)
            if n < 5:
                continue
            if kind == "number":
                values, edges = held
                now = np.sort(array.to_numpy(zero_copy_only=False).astype(float))
                p = np.diff(np.searchsorted(values, edges), prepend=0, append=len(values))
                q = np.diff(np.searchsorted(now, edges), prepend=0, append=n)
                grid = np.concatenate((values[:: max(len(values) // 500, 1)], now))
                gap = np.abs(np.searchsorted(values, grid, "right") / len(values) - np.searchsorted(now, grid, "right") / n).max()
                levels = (np.arange(500) + 0.5) / 500
                apart = np.abs(np.quantile(values, levels) - np.quantile(now, levels)).mean()
                distance = max(distance, float(apart / max(values.std(), 1e-9)))
                least = min(least, float(special.kolmogorov(gap * np.sqrt(n * len(values) / (n + len(values))))))
            else:
                counts, size = held
                found = array.value_counts()
                seen = dict(zip(found.field(0).to_pylist(), found.field(1).to_pylist(), strict=True))
                top = sorted(counts, key=lambda each: -counts[each])[:30]
                p = np.array([*(counts[each] for each in top), size - sum(counts[each] for each in top)], float)
                q = np.array([*(seen.get(each, 0) for each in top), n - sum(seen.get(each, 0) for each in top)], float)
                whole = p + q
                used = whole > 0
                chi = sum(((each - whole * each.sum() / whole.sum())[used] ** 2 / (whole * each.sum() / whole.sum())[used]).sum() for each in (p, q))
                distance = max(distance, _jensen(p / p.sum(), q / q.sum()))
                least = min(least, float(special.chdtrc(max(int(used.sum()) - 1, 1), chi)))
            p, q = (p + 0.5) / (p.sum() + len(p) / 2), (q + 0.5) / (q.sum() + len(q) / 2)
            psi = max(psi, float(((p - q) * np.log(p / q)).sum()))
        many = sum(len(each) for each in self.reference.values())
        return psi, -float(np.log10(max(min(least * many, 1.0), 1e-300))), distance

    def alerted(self, name: str, cut: float) -> list[tuple[int, str]]:
        """Return the incidents in the clean run: source and window, after at least one quiet one."""
        out = []
        for source, scores in self.scores[name].items():
            over = scores > cut
            out += [(at, source) for at in np.flatnonzero(over[1:] & ~over[:-1]).tolist()]
        return sorted((at + 1, source) for at, source in out)

    def cut(self, alerts: int) -> None:
        """Set each cut so that about so many source-windows of the clean run are above it."""
        for name in self.names:
            every = np.sort(np.concatenate([scores[self.first :] for scores in self.scores[name].values()]))[::-1]
            self.cuts[name] = float(every[min(alerts, len(every) - 1)])

    def spoken(self, at: int, source: str, readings: Readings, day: Day) -> Iterable[str]:
        """Return the rules that speak of a source in a window that they do not speak of in the clean run."""
        x, v = np.full(len(self.streams), np.nan), np.full(len(self.streams), np.nan)
        for each, value, variance in zip(readings.streams, readings.x.tolist(), readings.v.tolist(), strict=True):
            if each in self.place:
                x[self.place[each]], v[self.place[each]] = value, variance
        scored = self._scored(at, source, x, v, day)
        self.fault[at] = np.where(self.mine[source], x, np.nan)
        for name, score in scored.items():
            if score > self.cuts[name] >= self.scores[name][source][at]:
                yield name


def _jensen(p: Array, q: Array) -> float:
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(each > 0, each * np.log2(each / middle), 0.0).sum() for each in (p, q)]
    return float(np.sqrt(max(sum(parts) / 2, 0.0)))
