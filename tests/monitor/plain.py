"""The evidence's forecast written for one number at a time, as the equations say: what the fast step is compared with."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

GAINS = (0.03, 0.1, 0.25, 0.5, 0.8)


def clipped(value: float, bound: float) -> float:
    return max(-bound, min(bound, value))


@dataclass
class Plain:
    """One stream of daily windows, alone in its pool."""

    n: int = 0
    level: list[float] = field(default_factory=lambda: [0.0] * 5)
    loss: list[float] = field(default_factory=lambda: [0.0] * 5)
    season: list[float] = field(default_factory=lambda: [0.0] * 7)
    visits: list[int] = field(default_factory=lambda: [0] * 7)
    within: float = 0.0
    previous: float = 0.0
    cross: float = 0.0
    noise: float = 0.0
    sampling: float = 0.0
    memory: float = 0.0

    def forecast(self, weekday: int) -> tuple[float, float, float, float, float]:
        """Return mean, variance, effect of the weekday, level, and what is carried over."""
        used = sum(1 for each in self.visits if each)
        effect = 0.0
        if self.within > 0 and self.visits[weekday] >= 2 and used > 1:
            f = sum(n * each * each for n, each in zip(self.visits, self.season, strict=True)) / (used - 1) / self.within
            effect = (max(0.0, 1 - 1.5 / f) if f > 0 else 0.0) * self.season[weekday]
        level = self.level[self.loss.index(min(self.loss))]
        ratio = max(self.cross / max(self.noise, 1e-300), 0.0)
        phi = min(2 * ratio / (1 + math.sqrt(1 + 4 * ratio * ratio)) * self.n / (self.n + 20), 0.8)
        carried = phi * self.previous
        noise = self.noise
        if self.n >= 4 and self.noise > 0 and self.sampling > 0:
            weight = min(self.n, 60)
            lent = math.exp(clipped_log(self.noise / self.sampling)) * self.sampling
            noise = (weight * self.noise + 4 * lent) / (weight + 4)
        elif self.sampling >= 0:
            noise = self.noise
        wide = 1 + 1 / max(self.visits[weekday], 1) + 1 / max(self.n, 1)
        return level + effect + carried, max(noise - self.sampling, 0.05 * noise) * wide, effect, level, carried

    def step(self, x: float, v: float, weekday: int) -> float:
        mean, variance, effect, believed, carried = self.forecast(weekday)
        z = (x - mean) / math.sqrt(variance + v)
        clear = max(abs(z) - 0.02 / math.sqrt(variance + v), 0.0)
        self.learn(x, v, weekday, effect, believed, carried, clear if self.n >= 10 else 0.0)
        return z

    def learn(self, x: float, v: float, weekday: int, effect: float, believed: float, carried: float, jumped: float) -> None:
        n, first, plain = self.n + 1, self.n == 0, x - effect
        bound = 4 * math.sqrt(max(self.noise, 0.05 * v) + v) if self.n >= 5 else math.inf
        slow = self.level[0]
        errors = [0.0 if first else clipped(plain - each, bound) for each in self.level]
        self.level = [plain if first else each + max(gain, 1 / n) * error for each, gain, error in zip(self.level, GAINS, errors, strict=True)]
        if not first:
            rate = max(0.05, 1 / n)
            self.loss = [each + rate * (error * error - each) for each, error in zip(self.loss, errors, strict=True)]
        left = 0.0 if first else clipped(plain - believed, bound)
        new = clipped(left - carried, bound)
        pace = max(1 / 60, 1 / max(n - 1, 1))
        if not first:
            self.noise += pace * (new * new - self.noise)
            self.cross += pace * (left * self.previous - self.cross)
        self.sampling += max(1 / 60, 1 / n) * (v - self.sampling)
        self.previous = left
        self.memory = max(self.memory * 0.997, min(jumped, 6.0))
        offset = 0.0 if first else clipped(x - slow, bound)
        rest = offset - (self.season[weekday] if self.visits[weekday] >= 2 else 0.0)
        self.visits[weekday] += 1
        self.season[weekday] += max(1 / 8, 1 / self.visits[weekday]) * (offset - self.season[weekday])
        if not first:
            self.within += pace * (rest * rest - self.within)
        self.n = n


def clipped_log(ratio: float) -> float:
    return max(-3.0, min(6.0, math.log(ratio)))
