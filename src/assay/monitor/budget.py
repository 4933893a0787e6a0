"""How false pages are spent: the shares of the layers and sources, and an account that holds them whatever the data do.

``Budget`` is what one window may bring; ``Account`` is the plain state of one layer. Pure; only the monitor and verbs import it.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from assay.errors import ConfigError
from assay.monitor.setting import Allowance

__all__ = ["Account", "Budget", "shares"]

_RULES = 0.25  # of the budget for rules that compare with records; the evidence has the rest
_BURST = 3.0   # pages that may come at once after a long silence


@dataclass(frozen=True)
class Budget:
    """False pages that one window may bring, all layers together; the evidence may spend three quarters of it, rules the rest.

    >>> budget = Budget.parse("1 per 30d", window="1d")
    >>> round(1 / budget.evidence, 6), round(1 / budget.rules, 6)
    (40.0, 120.0)
    """

    a_window: float = 1 / 30

    @classmethod
    def parse(cls, text: str, *, window: str = "1d") -> Budget:
        """Return the budget that a sentence like ``1 per 30d`` gives to a window of ``1d``; raises ``ConfigError``."""
        from assay.monitor.setting import duration

        return cls.of(Allowance.parse(text), duration(window))

    @classmethod
    def of(cls, allowance: Allowance, window: dt.timedelta) -> Budget:
        """Return what an allowance gives to one window."""
        return cls(allowance.per(window))

    @property
    def evidence(self) -> float:
        """False pages that one window may bring by evidence: alpha."""
        return (1 - _RULES) * self.a_window

    @property
    def rules(self) -> float:
        """False pages that one window may bring by rules."""
        return _RULES * self.a_window


def shares(names: Iterable[str], weights: Mapping[str, float] | None = None) -> dict[str, float]:
    """Return what each name has of the budget, all together 1; names without a weight weigh 1.

    >>> shares(["weather", "schedule"], {"schedule": 3})
    {'weather': 0.25, 'schedule': 0.75}
    """
    found = {name: float((weights or {}).get(name, 1.0)) for name in names}
    total = sum(found.values())
    wrong = [name for name, weight in found.items() if not 0 <= weight < math.inf]
    if wrong or (found and not total > 0):
        raise ConfigError(f"the weight of '{(wrong or list(found))[0]}' is no share of a budget", expected="0 or more, one above 0")
    return {name: weight / total for name, weight in found.items()}


@dataclass(frozen=True)
class Account:
    """Pages that may still be spent: it fills at the budget's rate, up to a burst of 3, and a page that nobody has confirmed costs 1.

    It begins with one page, so unconfirmed pages up to window t are at most ``1 + rate t``, whatever the data are: this holds where the
    calibration of the evidence does not, and costs power only where pages come faster than the budget says.

    >>> account = Account().filled(0.1).spent()
    >>> account.open, account.judged(True).open, account.judged(False).open
    (False, True, False)
    """

    balance: float = 1.0
    windows: int = 0
    paged: int = 0
    confirmed: int = 0
    dismissed: int = 0
    withheld: int = 0

    def filled(self, rate: float) -> Account:
        """Return the account after one more window."""
        return replace(self, balance=min(self.balance + rate, _BURST), windows=self.windows + 1)

    @property
    def open(self) -> bool:
        """Whether there is a page to spend."""
        return self.balance >= 1

    def spent(self, pages: int = 1) -> Account:
        return replace(self, balance=self.balance - pages, paged=self.paged + pages)

    def refused(self) -> Account:
        return replace(self, withheld=self.withheld + 1)

    def judged(self, true: bool) -> Account:
        """Return the account after a person said whether a page was worth it: one that was costs nothing."""
        if true:
            return replace(self, balance=min(self.balance + 1, _BURST), confirmed=self.confirmed + 1)
        return replace(self, dismissed=self.dismissed + 1)

    @property
    def rate(self) -> float:
        """What the monitor publishes of itself: pages that nobody has confirmed, a window."""
        return (self.paged - self.confirmed) / self.windows if self.windows else 0.0

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Account:
        return cls(float(data["balance"]), *(int(data[name]) for name in ("windows", "paged", "confirmed", "dismissed", "withheld")))
